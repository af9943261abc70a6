//! Files that are made and removed again in a run, for one reader or for several: they are recorded, or are pipes with names where the
//! workspace is not to record them.

use super::*;

/// What `.lineageignore` says so that such files are recorded, and so that they are not.
const BOTH: [&str; 2] = ["", "u\nv\nw\n"];

/// Checks a script with such files, recorded and not.
fn check_both(shell: &str, script: &str, is_exact: bool) {
    BOTH.iter().for_each(|ignored| check_ignoring(ignored, shell, script, is_exact));
}

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
        script in scripts(prop_oneof![with_temporary(), plain()]), way in 0..2_usize
    ) {
        check_ignoring(BOTH[way], "sh", &script, true);
        check_ignoring(BOTH[way], "bash", &script, true);
    }

    #[test]
    fn what_goes_through_temporary_files_is_not_lost(
        script in scripts(prop_oneof![with_temporary(), relayed_by_temporary(), statement()]), way in 0..2_usize
    ) {
        check_ignoring(BOTH[way], "sh", &script, false);
        check_ignoring(BOTH[way], "bash", &script, false);
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
        check_both(shell, script, true);
        for ignored in BOTH {
            let Some(Done { steps, .. }) = run_ignoring(ignored, shell, script) else { return };
            for number in 0..3 {
                let output = format!("out{number}");
                assert_eq!(observed(&steps, &output), names(&[number, 3]), "{shell}\n{}", shown(&steps));
            }
        }
        check_both(shell, "sort in0 > u; sort -m u in1 > out0; grep m u > out1; rm u", true);
    }
}

#[test]
fn what_the_writer_of_a_temporary_file_was_only_told_of_is_no_more_than_told() {
    for (shell, ignored) in [("sh", BOTH[0]), ("bash", BOTH[0]), ("sh", BOTH[1]), ("bash", BOTH[1])] {
        let script = "read x < in0; sort in1 > u; cat u > out0; cat u > out1; rm u";
        let Some(Done { said, steps, .. }) = run_ignoring(ignored, shell, script) else { return };
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
        check_both(shell, script, false);
        let Some(Done { said, steps, .. }) = run_ignoring(BOTH[1], shell, script) else { return };
        assert_eq!(said["out1"], names(&[0]), "{shell}\n{}", shown(&steps));
        // Where it is recorded, it says when it was written.
        let Some(Done { steps, .. }) = run(shell, script) else { return };
        let writer = steps.iter().find(|step| step.generated.len() == 2).unwrap();
        let read = writer.used.iter().find(|edge| edge.artifact.path.to_string() == "in1").unwrap();
        let written = writer.generated.iter().find(|edge| edge.artifact.path.to_string() == "u").unwrap();
        assert!(written.at < read.at, "{shell}\n{}", shown(&steps));
    }
}

#[test]
fn a_shell_that_opened_a_temporary_file_for_a_program_has_read_what_that_wrote() {
    for shell in ["sh", "bash"] {
        check_both(shell, "cat in0 > u; read x < u; rm u; echo $x > out0", false);
        check_both(shell, "cat in0 > u; read x < u; rm u; sh -c \"echo $x > out0; :\"", false);
    }
}

#[test]
fn who_exchanges_bytes_both_ways_is_one_step_where_the_files_are_not_recorded() {
    let script = "sh -c 'read x < in0; echo $x > u; until [ -s v ]; do sleep 0.01; done; read y < v; echo $y > out0; :' &
sh -c 'until [ -s u ]; do sleep 0.01; done; read x < u; read y < in1; echo $x > out1; echo $y > v; :' &
wait; rm u v; :";
    for shell in ["sh", "bash"] {
        for ignored in BOTH {
            let Some(Done { said, steps, .. }) = run_ignoring(ignored, shell, script) else { return };
            let made = |step: &&Step| {
                step.generated.iter().filter(|edge| edge.artifact.path.as_bytes().len() > 1).count() == 2
            };
            let expected = usize::from(!ignored.is_empty());
            assert_eq!(steps.iter().filter(made).count(), expected, "{shell}\n{}", shown(&steps));
            assert!(
                said["out0"].contains("in1") && said["out1"].contains("in0"),
                "{shell}\n{}",
                shown(&steps)
            );
        }
    }
}

#[test]
fn what_many_append_to_a_temporary_file_is_told_to_its_reader_and_not_among_them() {
    for shell in ["sh", "bash"] {
        let script = "for i in 0 1; do sh -c \"cat in$i > out$i; cat in$i >> u\"; done; cat u > out2; rm u";
        check_both(shell, script, true);
        for ignored in BOTH {
            let Some(Done { steps, .. }) = run_ignoring(ignored, shell, script) else { return };
            assert_eq!(observed(&steps, "out2"), names(&[0, 1]), "{shell}\n{}", shown(&steps));
        }
    }
}

#[test]
fn a_chain_of_temporary_files_with_one_reader_each_is_one_step_where_they_are_not_recorded() {
    for shell in ["sh", "bash"] {
        for (ignored, expected) in BOTH.iter().zip(["cat", "sort | cat"]) {
            let script = "sort in0 > u; sort -r u > v; cat v in1 > out0; rm u v";
            let Some(Done { steps, said, .. }) = run_ignoring(ignored, shell, script) else { return };
            assert_eq!(said["out0"], names(&[0, 1]), "{shell}");
            let last = steps
                .iter()
                .find(|step| step.generated.iter().any(|edge| edge.artifact.path.to_string() == "out0"));
            assert_eq!(last.map(|step| step.name.as_str()), Some(expected), "{shell}\n{}", shown(&steps));
        }
    }
}

#[test]
fn a_file_that_was_made_read_and_removed_is_recorded_with_who_did_so() {
    for shell in ["sh", "bash"] {
        let Some(Done { steps, .. }) = run(shell, "cat in0 > u; sort u > out0; rm u; :") else { return };
        let of = |name: &str| steps.iter().find(|step| step.name == name).unwrap();
        let is_it = |artifact: &Artifact| artifact.path.to_string() == "u" && artifact.size_bytes == 6;
        assert!(of("cat").generated.iter().any(|edge| is_it(&edge.artifact)), "{}", shown(&steps));
        assert!(of("sort").used.iter().any(|edge| is_it(&edge.artifact)), "{}", shown(&steps));
        assert!(of("rm").removed.iter().any(|removed| removed.artifact().is_some_and(|it| is_it(&it))));
    }
}

#[test]
fn a_file_that_a_program_made_for_itself_alone_is_not_recorded() {
    for shell in ["sh", "bash"] {
        let script = "sed -i s/q/r/ in0; sort -S 1b in0 in1 in2 > out0; cat in0 > u; rm u; :";
        let Some(Done { steps, .. }) = run(shell, script) else { return };
        let files = steps.iter().flat_map(|step| &step.generated).map(|edge| edge.artifact.path.to_string());
        // What the test itself was started with is open in all.
        let files = files.filter(|path| !path.starts_with('/'));
        assert_eq!(
            files.collect::<BTreeSet<_>>(),
            ["in0", "out0"].map(str::to_owned).into(),
            "{}",
            shown(&steps)
        );
    }
}

#[test]
fn so_many_files_that_came_and_went_are_recorded() {
    let script = "for i in 1 2 3 4 5 6 7 8 9 0; do cat in0 > u$i; sort u$i >> out0; rm u$i; done; :";
    let Some(Done { steps, said, .. }) = run("sh", script) else { return };
    let made = steps.iter().flat_map(|step| &step.generated).map(|edge| edge.artifact.path.to_string());
    let made: BTreeSet<String> = made.filter(|path| path.starts_with('u')).collect();
    assert_eq!(made.len(), files::PASSING_MAX, "{}", shown(&steps));
    assert_eq!(said["out0"], names(&[0]), "{}", shown(&steps));
}

#[test]
fn what_one_program_alone_pours_into_another_is_one_step_with_it() {
    let is_there = std::process::Command::new("perl").arg("-v").output();
    if !is_there.is_ok_and(|output| output.status.success()) {
        crate::machine::skipped(crate::machine::Lack::Program, "there is no `perl` here");
        return;
    }
    let line = |command: &str| {
        format!(
            "perl -e 'open my $q, \"-|\", \"cat in0\"; open my $o, \"| {command}\"; print $o $_ while <$q>; close $o;'"
        )
    };
    let script = format!("{}; cat in1 > out1; :", line("gzip -n > out0"));
    let Some(Done { steps, .. }) = run("sh", &script) else { return };
    assert_eq!(observed(&steps, "out0"), names(&[0]), "{}", shown(&steps));
    assert_eq!(observed(&steps, "out1"), names(&[1]), "{}", shown(&steps));
    // Which of them read what it was given, nobody knows.
    let script = format!("{}; :", line("sh -c \\\"cat in1 > out0; cat > out1\\\""));
    let Some(Done { steps, said, .. }) = run("sh", &script) else { return };
    assert!(said["out1"].contains("in0"), "{}", shown(&steps));
    assert!(!observed(&steps, "out0").contains("in0"), "{}", shown(&steps));
}
