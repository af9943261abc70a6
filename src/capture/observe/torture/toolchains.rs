//! Programs of other toolchains, and tools that look into others.

use super::*;

const A: &[(&str, &str)] = &[("a", "old")];

/// Builds a program with `command`, from `source` in a file of that name; `None`, and a line that says so, where that fails.
fn built(name: &str, source: &str, command: &[&str]) -> Option<tempfile::TempDir> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(name), source).unwrap();
    let home = folder.path().join("home");
    let output = Command::new(command[0])
        .args(&command[1..])
        .current_dir(folder.path())
        .env("HOME", &home)
        .env("GOCACHE", home.join("cache"))
        .env("GOFLAGS", "-mod=mod")
        .env("GOTOOLCHAIN", "local")
        .output();
    match output {
        Ok(output) if output.status.success() => Some(folder),
        other => {
            crate::machine::skipped(
                crate::machine::Lack::Program,
                format!("{command:?} does not work here: {other:?}"),
            );
            None
        }
    }
}

fn run_built(folder: &tempfile::TempDir, expected: &str) {
    let program = folder.path().join("program");
    let trial = try_with(A, &[program.to_str().unwrap(), "a", "b"], &|_| {});
    assert_eq!(trial.observation.exit, Exit::Code(0));
    trial.expect(expected);
}

#[test]
fn go_programs_are_seen_static_as_they_are() {
    let source = "package main
import (\"os\"; \"sync\")
func main() {
    bytes, err := os.ReadFile(os.Args[1])
    if err != nil { panic(err) }
    var all sync.WaitGroup
    for i := 0; i < 8; i++ { all.Add(1); go func() { defer all.Done(); os.ReadFile(os.Args[1]) }() }
    all.Wait()
    if err := os.WriteFile(os.Args[2]+\".tmp\", bytes, 0644); err != nil { panic(err) }
    if err := os.Rename(os.Args[2]+\".tmp\", os.Args[2]); err != nil { panic(err) }
}
";
    if let Some(folder) = built("program.go", source, &["go", "build", "-o", "program", "program.go"]) {
        run_built(&folder, "input a, output b");
    }
}

const COPY: &str = "#include <stdio.h>
int main(int count, char **words) {
    FILE *from = fopen(words[1], \"r\"), *to = fopen(words[2], \"w\");
    int byte;
    if (!from || !to) return 1;
    while ((byte = fgetc(from)) != EOF) fputc(byte, to);
    return fclose(to);
}
";

#[test]
fn programs_on_musl_are_seen_dynamic_and_static() {
    for flags in [&["-O1"][..], &["-static"]] {
        let command = [&["musl-gcc", "-o", "program", "program.c"][..], flags].concat();
        if let Some(folder) = built("program.c", COPY, &command) {
            run_built(&folder, "input a, output b");
        }
    }
}

#[test]
fn programs_of_32_bits_with_a_c_library_are_seen() {
    for flags in [&["-m32"][..], &["-m32", "-static"]] {
        let command = [&["gcc", "-o", "program", "program.c"][..], flags].concat();
        if let Some(folder) = built("program.c", COPY, &command) {
            run_built(&folder, "input a, output b");
        }
    }
}

#[test]
fn programs_at_a_fixed_address_and_under_a_sanitizer_are_seen() {
    let ways = [
        &["-no-pie", "-fno-pie"][..],
        &["-static-pie"],
        &["-fsanitize=address"],
        &["-fsanitize=undefined"],
        &["-fsanitize=thread"],
    ];
    for flags in ways {
        let command = [&["gcc", "-O1", "-o", "program", "program.c"][..], flags].concat();
        if let Some(folder) = built("program.c", COPY, &command) {
            run_built(&folder, "input a, output b");
        }
    }
}

#[test]
fn a_program_inside_valgrind_is_seen() {
    let command = ["gcc", "-g", "-o", "program", "program.c"];
    if has("valgrind")
        && let Some(folder) = built("program.c", COPY, &command)
    {
        let program = folder.path().join("program");
        let words = ["valgrind", "-q", "--error-exitcode=9", program.to_str().unwrap(), "a", "b"];
        let trial = try_with(A, &words, &|_| {});
        assert_eq!(trial.observation.exit, Exit::Code(0));
        trial.expect("input a, output b");
    }
}

#[test]
fn no_opening_of_many_threads_is_lost() {
    const READ: &str = "#include <pthread.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
void *work(void *which) {
    char name[32];
    for (int i = 0; i < 4000; i++) {
        snprintf(name, sizeof name, \"%ld-%d\", (long) which, i % 100);
        int file = open(name, i < 100 ? O_WRONLY | O_CREAT : O_RDONLY, 0644);
        if (file < 0 || (i < 100 && write(file, name, 4) != 4)) return name;
        close(file);
    }
    return 0;
}
int main(void) {
    pthread_t threads[32]; void *fault; int faults = 0;
    for (long i = 0; i < 32; i++) pthread_create(threads + i, 0, work, (void *) i);
    for (int i = 0; i < 32; i++) { pthread_join(threads[i], &fault); faults += fault != 0; }
    return faults;
}
";
    let command = ["gcc", "-O1", "-w", "-pthread", "-o", "program", "program.c"];
    if let Some(folder) = built("program.c", READ, &command) {
        let program = folder.path().join("program");
        let trial = try_with(&[], &[program.to_str().unwrap()], &|_| {});
        assert_eq!(trial.observation.exit, Exit::Code(0));
        assert_eq!(trial.files().len(), 3200);
        assert!(trial.observation.traps >= 128_000, "{}", trial.observation.traps);
        trial.check_bytes();
    }
}

/// Files below a folder that a process of the run serves are not looked at: that process may itself be stopped, and wait for us.
#[test]
fn a_file_system_that_the_command_serves_does_not_stop_it() {
    if !has("bindfs") || !Path::new("/dev/fuse").exists() {
        return;
    }
    let script = "bindfs -f -s s m & pid=$!; n=0
        while ! [ -e m/a ]; do n=$((n+1)); [ $n -lt 100 ] || exit 77; sleep 0.05; done
        for i in 1 2 3 4; do (n=0; while [ $n -lt 25 ]; do cp m/a m/$i-$n; mv m/$i-$n m/$i; n=$((n+1)); done) & jobs=\"$jobs $!\"; done
        wait $jobs; cp /bin/true m/true; m/true; cat m/a > b; rm m/true; umount m; wait $pid";
    let trial = try_with(&[("s/a", "old"), ("m/", "")], &["sh", "-c", script], &|_| {});
    if trial.code() == Some(77) {
        crate::machine::skipped(crate::machine::Lack::System, "a folder cannot be served here");
        return;
    }
    assert_eq!(trial.observation.exit, Exit::Code(0));
    let gaps: Vec<&str> = trial.observation.gaps.iter().map(|gap| gap.text.as_str()).collect();
    let mount = trial.root().join("m");
    let expected =
        format!("files below `{}`, which a process of the run serves, were not looked at", mount.display());
    assert_eq!(gaps, [expected.as_str()]);
    // What the server did for them is seen.
    assert_eq!(word(trial.file("s/a").class), "input");
    assert_eq!(word(trial.file("s/1").class), "output");
    assert_eq!(word(trial.file("b").class), "output");
}

#[test]
fn one_program_that_is_many_is_seen() {
    if has("busybox") {
        let script = "busybox cp a b; busybox sed -i s/old/new/ b; busybox tar cf c.tar b; busybox mv b d";
        check(A, script, "input a, temporary b, output c.tar, intermediate d").unwrap();
    }
}

#[test]
fn a_tracer_may_attach_to_another_process() {
    if has("py-spy") && has("python3") {
        let script =
            "python3 -c 'import time; open(\"b\", \"w\").write(open(\"a\").read()); time.sleep(30)' & pid=$!
            while ! [ -s b ]; do :; done; py-spy dump --pid $pid > dump; kill $pid; wait $pid; true";
        check(A, script, "input a, output b, output dump");
    }
    if has("gdb") {
        let script = "sleep 30 & pid=$!; gdb -nx -q -batch -ex detach -p $pid > log 2>&1; kill $pid; wait $pid; cp a b";
        check(A, script, "input a, output b, output log");
    }
}

#[test]
fn a_core_dump_is_left_and_told() {
    let script = "ulimit -c unlimited 2>/dev/null || exit 77; kill -SEGV $$";
    let trial = try_with(&[], &["sh", "-c", script], &|_| {});
    let bare = Command::new("sh").args(["-c", script]).current_dir(trial.root()).status().unwrap();
    let dumps = std::os::unix::process::ExitStatusExt::core_dumped(&bare);
    if trial.code() != Some(77) {
        assert_eq!(trial.observation.exit, Exit::Signal { number: 11, dumped_core: dumps });
    }
}

#[test]
fn ten_files_made_from_ten_others_are_ten_steps() {
    if has("make") {
        let makefile = "all: $(patsubst %,b%,1 2 3 4 5 6 7 8 9 10)\nb%: a%\n\tsort $< | uniq > $@\n";
        let names: Vec<String> = (1..=10).map(|n| format!("a{n}")).collect();
        let mut files = vec![("Makefile", makefile)];
        files.extend(names.iter().map(|name| (name.as_str(), name.as_str())));
        let trial = try_with(&files, &["make", "-s", "-j4"], &|_| {});
        assert_eq!(trial.observation.exit, Exit::Code(0));
        for n in 1..=10 {
            let of = |name: &str| {
                trial.observation.files.iter().position(|file| file.path.ends_with(name)).unwrap()
            };
            let (from, to) = (of(&format!("a{n}")), of(&format!("b{n}")));
            let groups = |file: usize| -> Vec<usize> {
                let touch = |process: &&super::super::Process| {
                    process.accesses.iter().any(|access| access.file == file)
                };
                trial.observation.processes.iter().filter(touch).map(|process| process.group).collect()
            };
            let writers = groups(to);
            assert!(groups(from).iter().all(|reader| writers.contains(reader)), "a{n}");
        }
    }
}

#[test]
fn a_thousand_children_are_a_thousand_steps() {
    let script = "i=0; while [ $i -lt 1000 ]; do cp a b$i; i=$((i+1)); done";
    let trial = try_with(A, &["sh", "-c", script], &|_| {});
    assert_eq!(trial.observation.processes.len(), 1001);
    assert_eq!(trial.files().len(), 1001);
    trial.check_bytes();
}

#[test]
fn a_command_may_remove_the_folder_it_runs_in() {
    let trial = try_with(&[("d/a", "old")], &["sh", "-c", "cd d; cat a > b; rm -r ../d; exit 3"], &|_| {});
    assert_eq!(trial.observation.exit, Exit::Code(3));
    trial.expect("deleted d/a");
}
