//! Files that are made and removed again in a run: a pipe with a name, for one reader or for several.

use super::*;

/// A statement with such a file.
fn with_temporary() -> impl Strategy<Value = String> {
    let statement = (file(), file(), output(), output()).boxed();
    prop_oneof![
        statement.clone().prop_map(|(a, b, one, other)| format!(
            "cat {a} > u; sort u {b} > {one}; sort u > {other}; rm u"
        )),
        statement.clone().prop_map(|(a, b, one, other)| format!(
            "cat {a} > u; cat u > v; cat {b} u > w; cat v > {one}; cat w > {other}; rm u v w"
        )),
        statement.clone().prop_map(|(a, b, one, other)| format!(
            "cat {a} > u; cat {b} >> u; cat {b} > {one}; cat u > {other}; rm u"
        )),
        statement.clone().prop_map(|(a, b, one, other)| format!(
            "for i in {a} {b}; do cat $i > u; cat u > {one}; done; cat u {b} > {other}; rm u"
        )),
        statement.prop_map(|(a, b, one, other)| format!(
            "sh -c 'cat {a} > {one}; echo x >> u'; sh -c 'cat {b} > {other}; echo x >> u'; rm u"
        )),
    ]
}

/// A statement in which a shell learns of such a file, or goes on with it.
fn relayed_by_temporary() -> impl Strategy<Value = String> {
    let statement = (file(), file(), output()).boxed();
    prop_oneof![
        statement
            .clone()
            .prop_map(|(a, b, to)| format!("cat {a} > u; read x < u; rm u; cat {b} - > {to} <<E\n$x\nE")),
        statement.clone().prop_map(|(a, b, to)| format!(
            "exec 5> u; cat {a} >&5; sh -c 'read x < u; read y < {b}; echo $x $y > {to}'; exec 5>&-; rm u"
        )),
        statement.clone().prop_map(|(a, b, to)| format!(
            "read x < {a}; echo $x > u; sh -c 'cat u {b} > v; :'; cat v > {to}; rm u v"
        )),
        statement.prop_map(|(a, b, to)| format!(
            "cat {a} > u; sed -i s/q/r/ u; cat {b} >> u; sort -o u u; cat u > {to}; rm u"
        )),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn who_read_one_temporary_file_knows_nothing_of_the_others(
        script in scripts(prop_oneof![with_temporary(), plain()])
    ) {
        check("sh", &script, true);
        check("bash", &script, true);
    }

    #[test]
    fn what_goes_through_temporary_files_is_not_lost(
        script in scripts(prop_oneof![with_temporary(), relayed_by_temporary(), statement()])
    ) {
        check("sh", &script, false);
        check("bash", &script, false);
    }
}

/// Lists what an output came from, by steps that were all seen to read it.
fn observed(steps: &[Step], output: &str) -> BTreeSet<String> {
    let seen = |step: &Step| {
        let used = step.used.iter().filter(|edge| edge.evidence == Evidence::Observed).cloned().collect();
        Step { used, ..step.clone() }
    };
    let seen: Vec<Step> = steps.iter().map(seen).collect();
    let last =
        steps.iter().flat_map(|step| &step.generated).filter(|edge| edge.artifact.path.to_string() == output);
    let last = last.max_by_key(|edge| edge.at).map(|edge| edge.artifact.clone());
    last.map_or_else(BTreeSet::new, |artifact| sources(&seen, artifact))
}

fn names(numbers: &[usize]) -> BTreeSet<String> {
    numbers.iter().map(|number| format!("in{number}")).collect()
}

#[test]
fn a_temporary_file_leads_from_what_its_writer_read_to_each_of_its_readers_alone() {
    for shell in ["sh", "bash"] {
        let script = "sort in3 > u; for i in 0 1 2; do sort -m u in$i > out$i; done; rm u";
        check(shell, script, true);
        let Some(Done { steps, .. }) = run(shell, script) else { return };
        for number in 0..3 {
            let output = format!("out{number}");
            assert_eq!(observed(&steps, &output), names(&[number, 3]), "{shell}\n{}", shown(&steps));
        }
        check(shell, "sort in0 > u; sort -m u in1 > out0; grep m u > out1; rm u", true);
    }
}

#[test]
fn what_the_writer_of_a_temporary_file_was_only_told_of_is_no_more_than_told() {
    for shell in ["sh", "bash"] {
        let script = "read x < in0; sort in1 > u; cat u > out0; cat u > out1; rm u";
        let Some(Done { said, steps, .. }) = run(shell, script) else { return };
        assert_eq!(said["out0"], names(&[0, 1]), "{shell}\n{}", shown(&steps));
        assert_eq!(observed(&steps, "out0"), names(&[1]), "{shell}\n{}", shown(&steps));
    }
}

#[test]
fn a_script_that_was_written_for_a_program_by_who_started_it_tells_no_more_than_its_arguments() {
    for shell in ["sh", "bash"] {
        let by_hand = "read x < in0; for i in 1 2; do echo \"cat in$i > out$i\" > u; sh -e u; done; rm u";
        let Some(Done { said, steps, .. }) = run(shell, by_hand) else { return };
        for number in [1, 2] {
            let output = format!("out{number}");
            assert_eq!(said[&output], names(&[0, number]), "{shell}\n{}", shown(&steps));
            assert_eq!(observed(&steps, &output), names(&[number]), "{shell}\n{}", shown(&steps));
        }
        // Another one's script, and what is read as data, was seen to be handed on.
        for handed in [
            "sh -c 'read x < in0; echo \"echo $x > out1\" > u; :'; sh u; rm u",
            "sh -c 'read x < in0; echo $x > u; sort u > out1; :'; rm u",
        ] {
            let Some(Done { steps, .. }) = run(shell, handed) else { return };
            assert_eq!(observed(&steps, "out1"), names(&[0]), "{shell}\n{}", shown(&steps));
        }
    }
}

#[test]
fn what_was_read_after_a_temporary_file_was_written_has_not_gone_into_it() {
    for shell in ["sh", "bash"] {
        let script = "sh -c 'read x < in0; echo $x > u; read y < in1; echo $y > out0'; cat u > out1; cat u > out2; rm u";
        check(shell, script, false);
        let Some(Done { said, steps, .. }) = run(shell, script) else { return };
        assert_eq!(said["out1"], names(&[0]), "{shell}\n{}", shown(&steps));
    }
}

#[test]
fn a_shell_that_opened_a_temporary_file_for_a_program_has_read_what_that_wrote() {
    for shell in ["sh", "bash"] {
        check(shell, "cat in0 > u; read x < u; rm u; echo $x > out0", false);
        check(shell, "cat in0 > u; read x < u; rm u; sh -c \"echo $x > out0; :\"", false);
    }
}

#[test]
fn who_exchanges_bytes_both_ways_is_one_step() {
    let script = "sh -c 'read x < in0; echo $x > u; until [ -s v ]; do sleep 0.01; done; read y < v; echo $y > out0; :' &
sh -c 'until [ -s u ]; do sleep 0.01; done; read x < u; read y < in1; echo $x > out1; echo $y > v; :' &
wait; rm u v; :";
    for shell in ["sh", "bash"] {
        let Some(Done { said, steps, .. }) = run(shell, script) else { return };
        let made = |step: &&Step| step.generated.len() == 2;
        assert_eq!(steps.iter().filter(made).count(), 1, "{shell}\n{}", shown(&steps));
        assert!(said["out0"].contains("in1") && said["out1"].contains("in0"), "{shell}\n{}", shown(&steps));
    }
}

#[test]
fn what_many_append_to_a_temporary_file_is_told_to_its_reader_and_not_among_them() {
    for shell in ["sh", "bash"] {
        let script = "for i in 0 1; do sh -c \"cat in$i > out$i; cat in$i >> u\"; done; cat u > out2; rm u";
        check(shell, script, true);
        let Some(Done { steps, .. }) = run(shell, script) else { return };
        assert_eq!(observed(&steps, "out2"), names(&[0, 1]), "{shell}\n{}", shown(&steps));
    }
}

#[test]
fn a_chain_of_temporary_files_with_one_reader_each_is_one_step() {
    for shell in ["sh", "bash"] {
        let Some(Done { steps, said, .. }) =
            run(shell, "sort in0 > u; sort -r u > v; cat v in1 > out0; rm u v")
        else {
            return;
        };
        assert_eq!(said["out0"], names(&[0, 1]), "{shell}");
        assert!(steps.iter().any(|step| step.name == "sort | cat"), "{shell}\n{}", shown(&steps));
    }
}
