//! Random shell programs over files that carry marks: where the bytes of a file came from can be read in them, and must be
//! what the steps say.

mod temporaries;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::time::{SystemTime, UNIX_EPOCH};

use proptest::prelude::*;

use super::*;
use crate::capture::observe::{Level, Options, observe};
use crate::model::{Artifact, ArtifactPath, Digest};

const INPUTS: usize = 4;
const OUTPUTS: usize = 3;

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as i64
}

/// A command that prints marks.
fn producer() -> impl Strategy<Value = String> {
    let file = file().boxed();
    let simple = prop_oneof![
        file.clone().prop_map(|file| format!("cat {file}")),
        (file.clone(), file.clone()).prop_map(|(a, b)| format!("cat {a} {b}")),
        file.clone().prop_map(|file| format!("cat {file} | sort")),
        file.clone().prop_map(|file| format!("read x < {file}; echo \"$x\"")),
        file.clone().prop_map(|file| format!("sh -c 'cat {file}; true'")),
        file.prop_map(|file| format!("cat <<E\n$(cat {file})\nE\n")),
    ];
    simple.prop_recursive(3, 8, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{{ {a}\n{b}\n}}")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("(\n{a}\n{b}\n)")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("x=$(\n{a}\n)\n{b}\necho \"$x\"")),
            inner.clone().prop_map(|inner| format!("for i in 1 2; do {inner}\ndone")),
            inner.clone().prop_map(|inner| format!("{{ {inner}\n}} | tr q r")),
            inner.prop_map(|inner| format!("{{ {inner}\n}} | while read y; do echo \"$y\" | cat; done")),
        ]
    })
}

fn file() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => (0..INPUTS).prop_map(|number| format!("in{number}")),
        1 => (0..OUTPUTS).prop_map(|number| format!("out{number}")),
    ]
}

fn output() -> impl Strategy<Value = String> {
    (0..OUTPUTS).prop_map(|number| format!("out{number}"))
}

/// A statement that makes or changes a file with programs of its own, each with its own files: nothing is joined.
fn plain() -> impl Strategy<Value = String> {
    prop_oneof![
        (file(), output()).prop_map(|(from, to)| format!("cat {from} > {to}")),
        (file(), output()).prop_map(|(from, to)| format!("cat {from} >> {to}")),
        (file(), file(), output()).prop_map(|(a, b, to)| format!("cat {a} {b} | sort > {to}")),
        (file(), output()).prop_map(|(from, to)| format!("cp {from} {to}")),
        output().prop_map(|to| format!("sort -o {to} {to}")),
        output().prop_map(|to| format!("sed -i s/q/r/ {to}")),
        (output(), output()).prop_map(|(from, to)| format!("mv {from} {to}")),
        (file(), output()).prop_map(|(from, to)| format!("ln -f {from} {to}")),
        (output(), output()).prop_map(|(one, other)| format!("mv {one} t; mv {other} {one}; mv t {other}")),
        (file(), output()).prop_map(|(one, other)| format!(
            "mkdir -p d; cp {one} d/a; cp {other} d/b; mv d e; mv e/a {other}; rm -r e"
        )),
        (file(), file(), output(), output()).prop_map(|(a, b, one, other)| format!(
            "mkdir d; cat {a} > d/{one}; cat {b} d/{one} > d/{other}; mv d/* .; rm -fr d"
        )),
        (file(), output()).prop_map(|(from, to)| format!("cat {from} > t; ln -f t {to}; rm t")),
    ]
}

fn statement() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => plain(),
        2 => (producer(), output()).prop_map(|(from, to)| format!("{{ {from}\n}} > {to}")),
        2 => (producer(), output()).prop_map(|(from, to)| format!("{{ {from}\n}} >> {to}")),
        2 => (producer(), output()).prop_map(|(from, to)| format!("{{ {from}\n}} | sort > {to}")),
        1 => (producer(), output()).prop_map(|(from, to)| format!("z=$(\n{from}\n)\necho \"$z\" > {to}")),
        1 => (producer(), output()).prop_map(|(from, to)| format!("z=$(\n{from}\n)\nprintenv z > {to}")),
        1 => (producer(), output()).prop_map(|(from, to)| format!("{{ {from}\n}} | tee {to} > /dev/null")),
        1 => (file(), output()).prop_map(|(from, to)| format!("exec 5>>{to}; sh -c 'cat {from} >&5'; exec 5>&-")),
        1 => (file(), output()).prop_map(|(from, to)| format!("dd if={from} of={to} conv=notrunc")),
    ]
}

/// What only some shells know: pipes that a shell makes for others, and here-documents.
fn with_bash() -> impl Strategy<Value = String> {
    let file = (0..INPUTS).prop_map(|number| format!("in{number}")).boxed();
    let output = output().boxed();
    prop_oneof![
        (file.clone(), output.clone()).prop_map(|(from, to)| format!("sort <(cat {from}) > {to}")),
        (file.clone(), file.clone(), output.clone())
            .prop_map(|(a, b, to)| format!("paste <(sort {a}) <(cat {b} | sort) > {to}")),
        (file.clone(), output.clone()).prop_map(|(from, to)| format!("cat {from} - > {to} <<E\nnothing\nE")),
        (file.clone(), output.clone()).prop_map(|(from, to)| format!("sh -c 'cat {from}; cat' <<< x > {to}")),
        (file, output).prop_map(|(from, to)| format!("cat < <(cat {from}) | sort > {to}")),
    ]
}

/// A statement with which bash itself learns something, or hands it on.
fn relayed_by_bash() -> impl Strategy<Value = String> {
    let statement = (file(), file(), output()).boxed();
    prop_oneof![
        statement
            .clone()
            .prop_map(|(a, _, to)| format!("mapfile -t l < <(cat {a}); echo \"${{l[@]}}\" > {to}")),
        statement.clone().prop_map(|(a, b, to)| format!(
            "while read y; do cat {b} - <<< \"$y\" | sort; done < <(cat {a}) > {to}"
        )),
        statement.clone().prop_map(|(a, b, to)| format!(
            "exec 6< <(cat {a}); cat {b} > {to}; read y <&6; exec 6<&-; echo \"$y\" >> {to}"
        )),
        statement.clone().prop_map(|(a, b, to)| format!(
            "cat {a} | while read y; do cat {b} | (cat; echo $y) > {to}; done"
        )),
        statement.prop_map(|(a, _, to)| format!("cat {a} | sh -c 'sort | tr q r > {to}; true'")),
    ]
}

/// What was made of a script.
struct Done {
    /// The marks in each output that is there.
    held: BTreeMap<String, BTreeSet<String>>,
    /// The inputs that its steps say it came from.
    said: BTreeMap<String, BTreeSet<String>>,
    steps: Vec<Step>,
}

fn run(shell: &str, script: &str) -> Option<Done> {
    run_ignoring("", shell, script)
}

/// Runs a script in a workspace that is not to record some files.
fn run_ignoring(ignored: &str, shell: &str, script: &str) -> Option<Done> {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    std::fs::write(root.join(".lineageignore"), ignored).unwrap();
    for number in 0..INPUTS {
        std::fs::write(root.join(format!("in{number}")), format!("mark{number}\n")).unwrap();
    }
    let arguments: Vec<OsString> =
        [shell, "-c", &format!("exec 2> /dev/null\n{script}")].iter().map(OsString::from).collect();
    let mut options = Options::new(arguments, root.clone(), &now);
    let path = std::env::var_os("PATH").unwrap_or_default();
    options.environment = vec![("PATH".into(), path), ("LC_ALL".into(), "C".into()), ("z".into(), "".into())];
    let observation = observe(&options, &mut |_, _, _| {}).unwrap();
    if observation.level != Level::Net {
        crate::machine::skipped(crate::machine::Lack::Net, "the net cannot be had here");
        return None;
    }
    let repositories = Repositories::new(&root, None, 0);
    let around = Surroundings {
        root: &root,
        copy: None,
        home: None,
        repositories: &repositories,
        with_arguments: true,
        streams: &BTreeSet::new(),
        metrics: None,
        rules: &IgnoreRules::of(&root),
        own: &BTreeMap::new(),
        given: &GivenOut::default(),
        run: NodeId::new(Timestamp::from_micros(now())),
        clock: FileClock { behind_us: 0 },
    };
    let steps = steps(&observation, &around).steps;
    let (mut held, mut said) = (BTreeMap::new(), BTreeMap::new());
    for number in 0..OUTPUTS {
        let name = format!("out{number}");
        let Ok(bytes) = std::fs::read(root.join(&name)) else { continue };
        let text = String::from_utf8_lossy(&bytes);
        held.insert(
            name.clone(),
            (0..INPUTS)
                .filter(|number| text.contains(&format!("mark{number}")))
                .map(|number| format!("in{number}"))
                .collect(),
        );
        let artifact = Artifact {
            path: ArtifactPath::new(&name).unwrap(),
            digest: Digest::of(&bytes),
            size_bytes: bytes.len() as u64,
        };
        said.insert(name, sources(&steps, artifact));
    }
    Some(Done { held, said, steps })
}

/// Walks from a version of a file through all steps that made it to the inputs, without a thought of speed.
fn sources(steps: &[Step], of: Artifact) -> BTreeSet<String> {
    let (mut found, mut seen, mut frontier) = (BTreeSet::new(), BTreeSet::new(), vec![of]);
    while let Some(artifact) = frontier.pop() {
        if !seen.insert(artifact.clone()) {
            continue;
        }
        let name = artifact.path.to_string();
        if name.starts_with("in") {
            found.insert(name);
        }
        for step in steps {
            let makes = |at: &usize| step.generated.get(*at).is_some_and(|edge| edge.artifact == artifact);
            let is_maker = (0..step.generated.len()).any(|at| makes(&at));
            let all =
                (0..step.used.len()).filter(|at| if step.act.is_one_to_one() { makes(at) } else { is_maker });
            frontier.extend(all.map(|at| step.used[at].artifact.clone()));
        }
    }
    found
}

fn shown(steps: &[Step]) -> String {
    let names = |artifact: &Artifact| format!(" {}@{}", artifact.path, &artifact.digest.to_string()[..13]);
    let line = |step: &Step| {
        let used: String = step.used.iter().map(|edge| names(&edge.artifact)).collect();
        let made: String = step.generated.iter().map(|edge| names(&edge.artifact)).collect();
        format!("{}:{used} ->{made}\n", step.name)
    };
    steps.iter().map(line).collect()
}

/// How often a script is run whose outputs are to come from nothing but their inputs: on a busy machine a command may be seen to
/// begin before the one ahead of it is done with its pipes, and then both count as one.
const TRIES_MAX: usize = 8;

fn check(shell: &str, script: &str, is_exact: bool) {
    check_ignoring("", shell, script, is_exact);
}

fn check_ignoring(ignored: &str, shell: &str, script: &str, is_exact: bool) {
    for number in 1..=if is_exact { TRIES_MAX } else { 1 } {
        let Some(Done { held, said, steps }) = run_ignoring(ignored, shell, script) else { return };
        for (output, marks) in &held {
            let missing: Vec<&String> = marks.difference(&said[output]).collect();
            assert!(
                missing.is_empty(),
                "{missing:?} lost from `{output}` of {shell}:\n{script}\n{}",
                shown(&steps)
            );
        }
        if !is_exact || held == said {
            return;
        }
        if number == TRIES_MAX {
            assert_eq!(held, said, "{shell}:\n{script}\n{}", shown(&steps));
        }
    }
}

fn scripts(one: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    prop::collection::vec(one, 1..4).prop_map(|statements| statements.join("\n"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_mark_in_a_file_leads_to_the_input_it_came_from(script in scripts(statement())) {
        check("sh", &script, false);
        check("bash", &script, false);
    }

    #[test]
    fn plain_commands_come_from_their_inputs_and_from_nothing_else(script in scripts(plain())) {
        check("sh", &script, true);
        check("bash", &script, true);
    }

    #[test]
    fn what_bash_only_joins_is_no_way_to_other_commands(script in scripts(prop_oneof![with_bash(), plain()])) {
        // The last command is not to be one that bash itself becomes: it has the pipes of all, and is still one step with them.
        check("bash", &format!("{script}\n:"), true);
    }

    #[test]
    fn what_bash_itself_hands_on_is_not_lost(script in scripts(prop_oneof![with_bash(), relayed_by_bash()])) {
        check("bash", &script, false);
    }
}

#[test]
fn what_a_script_learned_is_told_to_the_commands_it_starts() {
    for shell in ["sh", "bash"] {
        check(shell, "L=$(cat in0); awk -v l=$L '{print l}' in1 > out0", false);
        check(shell, "z=$(cat in0 | head -1); export z; printenv z > out0; true", true);
        check(shell, "cat <<E > out0\n$(cat in1)\nE\n", true);
    }
}

#[test]
fn what_a_shell_becomes_in_the_end_is_not_joined_with_what_it_had_joined() {
    for _ in 0..8 {
        check("bash", "sort <(cat in0) > out0\ncp in1 out0", true);
        check("bash", "sort <(cat in0) > out0\nexec cp in1 out0", true);
    }
}

#[test]
fn a_script_with_a_log_of_all_it_says_is_no_single_step() {
    let script = "{ cp in0 out0; cp in1 out1; } 2>&1 | tee out2 > /dev/null; true";
    let Some(Done { said, .. }) = run("bash", script) else { return };
    let one = |name: &str| BTreeSet::from([name.to_owned()]);
    assert_eq!((&said["out0"], &said["out1"]), (&one("in0"), &one("in1")));
    assert_eq!(said["out2"].len(), 2, "each may have said something of what it read");
}

#[test]
fn who_puts_a_file_back_as_it_had_found_it_made_none() {
    let store = "read x < in1; read y < out0; echo \"$y\"";
    for shell in ["sh", "bash"] {
        check(shell, &format!("cat in0 > out0; {shell} -c '{store} > out0; :'"), true);
        check(shell, &format!("cat in0 > out0; {shell} -c '{store} > t; mv t out0; :'"), true);
        // Of what another run wrote it may have come to the same bytes anew.
        check(shell, &format!("{shell} -c '{store} \"$x\" > out0; :'"), true);
    }
}

#[test]
fn what_was_only_added_to_is_told_to_nobody() {
    let script = "exec 5>>in3; cat in0 > out0; true";
    let Some(Done { said, .. }) = run("bash", script) else { return };
    assert_eq!(said["out0"], BTreeSet::from(["in0".to_owned()]));
}

#[test]
fn what_is_added_to_one_file_after_another_goes_from_none_to_the_next() {
    for shell in ["sh", "bash"] {
        check(shell, "for i in 0 1 2; do cat in$i > out$i; echo end >> out$i; done", true);
        check(
            shell,
            "cat in0 > out0; cat in1 > out1; read x < in2; echo $x >> out0; echo $x >> out1; :",
            true,
        );
        check(
            shell,
            "cat in0 > out0; cat in1 > out1; echo end >> out0; echo end >> out1; echo more > out2",
            true,
        );
    }
}

#[test]
fn what_a_script_wrote_on_later_was_told_to_nobody() {
    let tell = "sh -c 'echo \"$0\" > out0' \"$x\" 5>&-";
    for shell in ["sh", "bash"] {
        let script =
            format!("read y < in0; exec 5> out1; echo \"$y\" >&5; read x < out1; {tell}; echo more >&5; :");
        let Some(Done { said, steps, .. }) = run(shell, &script) else { return };
        assert_eq!(said["out0"], BTreeSet::from(["in0".to_owned()]), "{shell}\n{}", shown(&steps));
        for read in steps.iter().flat_map(|step| &step.used) {
            let writes = steps.iter().flat_map(|step| &step.generated);
            let mut writes = writes.filter(|write| write.artifact == read.artifact).peekable();
            let is_of_run = writes.peek().is_some();
            assert!(
                !is_of_run || writes.any(|write| write.at <= read.at),
                "{shell}: {read:?}\n{}",
                shown(&steps)
            );
        }
    }
}

#[test]
fn what_is_written_under_one_name_of_a_file_is_written_under_all_that_it_has() {
    for shell in ["sh", "bash"] {
        check(shell, "cat in0 > out1; ln out1 out0; cat in2 >> out1", true);
        check(shell, "cat in0 > out1; ln out1 out0; rm out1; cat in2 > out0", true);
        check(shell, "cat in0 > out0; ln out0 out1; cat in2 > out1; mv out1 out2; cat in3 >> out2", true);
    }
}

#[test]
fn a_shell_that_goes_on_with_a_file_others_have_read_is_still_its_writer() {
    let script = "{ x=$(cat in0 out0)\ncat out0 | sort\necho \"$x\"\n} >> out0";
    check("sh", script, false);
    check("bash", script, false);
}

#[test]
fn of_a_file_that_is_emptied_nothing_is_left_for_those_who_write_it_anew() {
    // The shell holds the file open while a command that it started reads it: it might go on with what lies there.
    check("sh", "cat in2 > out1\n{ cat in1; cat out1 > /dev/null; } > out1\ncat in0 > out1", true);
    check("sh", "cat in2 > out1\ncat in1 out1 > out1\ncat in0 > out1; :", true);
    check("bash", "cat in2 > out1\ncat in1 out1 > out1\ncat in0 > out1; :", true);
}

#[test]
fn what_a_sub_shell_wrote_before_it_became_a_program_is_not_forgotten() {
    let script = "{ cat in1\n(\nread x < in0; echo \"$x\"\ncat out0\n)\n} > out2";
    check("sh", script, false);
    check("bash", script, false);
}

#[test]
fn what_a_sub_shell_learned_before_it_became_a_program_is_not_forgotten() {
    for script in [
        "{ ( x=$(cat in0); echo \"$x\"; cat out0 ) } >> out0",
        "{ ( x=$(cat in0); echo \"$x\"; cat in1 > out1 ); :; } > out0",
        "{ ( x=$(cat in0); echo \"$x\"; cat out0 | sort; cat out0 ); :; } >> out0",
        "{ cat in0 | ( read x; echo \"$x\"; cat out0 ); :; } >> out0",
        "{ cat in0 | ( read x; echo \"$x\"; cat out0 | sort; cat out0 ); :; } >> out0",
        "( x=$(cat in0); echo \"$x\"; cat in1 > out1 ) | sort > out0; :",
        "( read x < in0; echo \"$x\"; cat in1 > out1 ) | sort > out0; :",
        "( x=$(cat in0 | sort); echo \"$x\"; cat in1 > out1 ) | sort > out0; :",
        "z=$( ( cat <<E | while read y; do echo \"$y\" | cat; done\n$(cat in0)\nE\nsh -c 'cat in1; :' ) ); echo \"$z\" > out0",
    ] {
        check("sh", script, false);
        check("bash", script, false);
    }
}

#[test]
fn what_a_sub_shell_did_before_it_became_a_program_is_said_of_nothing_else() {
    for script in [
        "( x=$(cat in0); cat in1 > out0 ); cat in2 > out1; :",
        "( read x < in0; echo \"$x\"; cat in1 ) > out0; cat in2 > out1; :",
        "( cat in0; cat in1 ) | sort > out0; cat in2 > out1; :",
        "( cat < in0 ) > out0; ( cat < in1 | sort ) > out1; :",
    ] {
        for shell in ["sh", "bash"] {
            let Some(Done { said, .. }) = run(shell, script) else { return };
            if shell == "sh" || !script.contains("x=") {
                assert!(!said["out1"].contains("in0"), "{shell}: {script}");
            }
        }
    }
}

#[test]
fn sub_shells_that_write_files_know_nothing_of_each_other() {
    for shell in ["sh", "bash"] {
        check(shell, "( read x < in0; echo \"$x\" > out0 ); ( read x < in1; echo \"$x\" > out1 ); :", true);
        check(shell, "read y < in2; for i in 0 1; do ( read x < in$i; echo \"$x$y\" > out$i ); done", true);
        let script =
            "exec 5> out2; for i in 0 1; do ( read x < in$i; echo \"$x\" > out$i; echo \"$x\" >&5 ); done";
        check(shell, script, true);
    }
}

#[test]
fn each_worker_of_a_pool_made_its_files_of_what_it_read_itself_and_perhaps_of_the_rest() {
    let is_there = std::process::Command::new("python3").arg("--version").output();
    if !is_there.is_ok_and(|output| output.status.success()) {
        crate::machine::skipped(crate::machine::Lack::Program, "there is no `python3` here");
        return;
    }
    for method in ["fork", "spawn"] {
        let script = format!(
            "cat > pool.py <<'E'
import multiprocessing
def work(number, results):
    text = open(f'in{{number}}').read()
    open(f'out{{number}}', 'w').write(text)
    results.put(text)
if __name__ == '__main__':
    way = multiprocessing.get_context('{method}')
    results = way.SimpleQueue()
    workers = [way.Process(target=work, args=(number, results)) for number in range(2)]
    for worker in workers: worker.start()
    texts = [results.get() for worker in workers]
    for worker in workers: worker.join()
    open('out2', 'w').writelines(texts)
E
python3 pool.py; :"
        );
        let Some(Done { held, said, steps }) = run("sh", &script) else { return };
        assert_eq!(held["out2"].len(), 2, "{method}");
        for (output, marks) in &held {
            assert!(marks.is_subset(&said[output]), "{method}: {output}\n{}", shown(&steps));
        }
        for number in 0..2 {
            let (input, output) = (format!("in{number}"), format!("out{number}"));
            let made =
                |step: &&Step| step.generated.iter().any(|edge| edge.artifact.path.to_string() == output);
            let observed: BTreeSet<String> = steps
                .iter()
                .filter(made)
                .flat_map(|step| &step.used)
                .filter(|edge| edge.evidence == Evidence::Observed)
                .map(|edge| edge.artifact.path.to_string())
                .filter(|name| name.starts_with("in"))
                .collect();
            assert_eq!(observed, BTreeSet::from([input]), "{method}\n{}", shown(&steps));
        }
    }
}

#[test]
fn what_a_shell_opens_for_a_program_is_read_by_the_program_alone() {
    for shell in ["sh", "bash"] {
        check(shell, "sort < in0 > out0; cat < in1 > out1; cp in2 out2; :", true);
        check(
            shell,
            "{ cat; cat in3; } < in0 > out0; ( cat; : ) < in1 > out1; for i in 1 2; do sort < in2; done > out2",
            true,
        );
        check(shell, "exec < in0; cat > out0; exec < /dev/null; cp in1 out1; :", true);
        check(shell, "sh -c 'exec sort' < in0 > out0; cp in1 out1; :", true);
        for script in [
            "{ head -c 2 > out0; read x; } < in0; echo mark0 \"$x\" > out1",
            "read x < in0; cat < in0 > out0; echo \"$x\" > out1",
            "{ read x; cat > out0; } < in0; echo \"$x\" > out1",
        ] {
            check(shell, script, false);
        }
    }
}

#[test]
fn who_keeps_a_file_open_may_read_what_others_write_into_it() {
    for shell in ["sh", "bash"] {
        let reader = "{ read x; : > ready; until read y; do sleep 0.01; done; echo \"$y\" > out1; } < out0 &";
        let wait = "until [ -e ready ]; do sleep 0.01; done";
        check(shell, &format!("cat in0 > out0; {reader} {wait}; cat in1 >> out0; wait"), false);
        check(shell, &format!("exec 5> out0; cat in0 >&5; {reader} {wait}; cat in1 >&5; wait"), false);
        // What comes after it has ended is nothing that it can have read.
        let script = format!("exec 5> out0; cat in0 >&5; {reader} {wait}; cat in1 >&5; wait; cat in2 >&5");
        check(shell, &script, false);
        let Some(Done { said, .. }) = run(shell, &script) else { return };
        assert!(!said["out1"].contains("in2"), "{shell}");
    }
}
