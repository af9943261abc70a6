//! Everyday tools.

use super::*;

const A: &[(&str, &str)] = &[("a", "b\na\n")];

#[test]
fn sed_in_place_is_an_update() {
    check(A, "sed -i s/a/c/ a", "updated a");
}

#[test]
fn sort_into_its_own_input_is_an_update() {
    check(A, "sort -o a a", "updated a");
}

#[test]
fn tar_reads_what_it_packs_and_writes_what_it_unpacks() {
    let files = &[("d/x", "1"), ("d/y", "2")];
    check(files, "tar czf t.tgz d", "input d/x, input d/y, output t.tgz");
    let unpack = "tar cf t.tar d; rm -r d; tar xf t.tar";
    check(files, unpack, "updated d/x, updated d/y, intermediate t.tar");
}

#[test]
fn a_renamed_folder_takes_its_files_along() {
    check(&[], "mkdir d; echo x > d/x; mv d e", "temporary d/x, output e/x");
    let files = &[("d/x", "1"), ("d/s/y", "2")];
    check(files, "mv d e", "deleted d/s/y, deleted d/x, output e/s/y, output e/x");
}

#[test]
fn a_link_swapped_to_another_target_is_an_output() {
    check(&[("v1", "1"), ("v2", "2"), ("current@", "v1")], "ln -sfn v2 current", "output current");
}

#[test]
fn copies_are_traced_one_by_one() {
    check(&[("d/x", "1"), ("d/y", "2")], "cp -a d e", "input d/x, input d/y, output e/x, output e/y");
    check(&[("a", "1")], "install -m 644 a b", "input a, output b");
    check(&[("a", "1")], "dd if=a of=b 2>/dev/null", "input a, output b");
    check(&[("a", "1")], "dd if=a of=a conv=notrunc 2>/dev/null", "updated a");
    check(&[("a", "1")], "dd if=a of=a conv=notrunc count=0 2>/dev/null; : <> a", "input a");
    check(&[("a", "1")], "cp a b; rm a", "deleted a, output b");
}

#[test]
fn lists_of_files_are_read_by_those_who_open_them() {
    check(
        &[("d/x", "1"), ("d/y", "2")],
        "find d -type f -exec cat {} + > b",
        "output b, input d/x, input d/y",
    );
    check(&[("d/x", "1"), ("l", "d/x\n")], "xargs cat < l > b", "output b, input d/x, input l");
    check(&[("a", "1")], "while read x; do echo $x; done < a > b", "input a, output b");
}

#[test]
fn a_heredoc_is_no_file() {
    check(&[], "cat > b <<X\nhello\nX", "output b");
}

#[test]
fn a_background_job_is_seen() {
    check(&[("a", "1")], "cp a b & wait", "input a, output b");
    check(&[("a", "1")], "nohup setsid cp a b > /dev/null 2>&1", "input a, output b");
}

#[test]
fn a_database_updated_in_place_is_an_update() {
    if has("sqlite3") {
        let make = "sqlite3 d.db 'create table t(x); insert into t values(1)'";
        check(&[], make, "output d.db");
        check(&[], &format!("{make}; sqlite3 d.db 'select * from t' > out"), "intermediate d.db, output out");
    }
}

#[test]
fn a_compiler_reads_sources_and_writes_objects() {
    if has("gcc") {
        let files = &[("m.c", "#include \"m.h\"\nint main(void){return X;}\n"), ("m.h", "#define X 0\n")];
        check(
            files,
            "gcc -c m.c && gcc -o m m.o && ./m",
            "intermediate m, input m.c, input m.h, intermediate m.o",
        );
    }
}

#[test]
fn make_is_traced_file_by_file() {
    if has("make") {
        let makefile = "all: b1 b2\nb%: a%\n\tcp $< $@\n";
        let files = &[("Makefile", makefile), ("a1", "1"), ("a2", "2")];
        let trial =
            check(files, "make -j2 -s", "input Makefile, input a1, input a2, output b1, output b2").unwrap();
        for process in trial.observation.processes.iter().filter(|process| process.exe.ends_with("cp")) {
            let own = &trial.observation.processes[process.group];
            assert_eq!(own.pid, process.pid, "the tokens of `make -j` join nobody");
        }
    }
}

#[test]
fn git_commits_are_objects_out_of_files() {
    if has("git") {
        let script = "git init -q . && git add a && git -c user.name=n -c user.email=e@x commit -qm m";
        let trial = try_with(A, &["sh", "-c", script], &|_| {});
        assert_eq!(trial.observation.exit, Exit::Code(0));
        trial.check_bytes();
        assert_eq!(trial.file("a").class, Class::Input);
        let objects = trial
            .files()
            .iter()
            .filter(|(path, file)| path.starts_with(".git/objects/") && file.exists)
            .count();
        assert_eq!(objects, 3);
    }
}

#[test]
fn a_tracer_works_inside() {
    if has("strace") {
        check(&[("a", "1")], "strace -f -o trace cp a b", "input a, output b, output trace");
    }
    if has("gdb") {
        check(&[("a", "1")], "gdb -nx -q -batch -ex run --args cat a > log 2>&1", "input a, output log");
    }
}

/// How many calls are stopped when a script runs.
fn calls(script: &str) -> u64 {
    let trial = try_with(&[("a", "old\n")], &["sh", "-c", script], &|_| {});
    assert_eq!(trial.observation.exit, Exit::Code(0), "{script}");
    trial.observation.traps
}

#[test]
fn as_few_calls_are_stopped_as_there_are_files_and_programs() {
    let times = |count: u64, act: &str| format!("i=0; while [ $i -lt {count} ]; do {act}; i=$((i+1)); done");
    let cost = |act: &str| (calls(&times(30, act)) - calls(&times(10, act))) as f64 / 20.0;
    // A look, a change of folder, a fork and a pipe cost nothing.
    assert_eq!(cost("test -e a; cd .; (:)"), 1.0, "the end of a fork is all there is to be seen");
    assert_eq!(cost("read x < a"), 1.0);
    assert_eq!(cost("echo x > b"), 1.0);
    // The program, the linker's cache, the C library, its locales, its end.
    let program = cost("/bin/true");
    assert!(program <= 6.0, "{program} calls for a program");
    let copy = cost("/bin/cat a > b");
    assert!(copy <= program + 2.0, "{copy} calls for a program with two files, {program} for one without");
}
