//! Bytes that go from program to program: through pipes and terminals, and through open files that one hands to another.

use super::super::Fit;
use super::*;

fn groups_of(trial: &Trial, program: &str) -> Vec<usize> {
    let processes = trial.observation.processes.iter().filter(|process| process.exe.ends_with(program));
    processes.map(|process| process.group).collect()
}

/// The programs that wrote each version of a file: `cat,cat;sort`.
fn writers(trial: &Trial, path: &str) -> String {
    let file = trial.file(path);
    let of = |version: usize| {
        let mut names = vec![];
        for process in &trial.observation.processes {
            let wrote = process.accesses.iter().any(|access| {
                let is_it = std::ptr::eq(&trial.observation.files[access.file], file);
                is_it && access.version == version && access.written_us.is_some()
            });
            if wrote {
                names.push(process.exe.file_name().unwrap().to_string_lossy().into_owned());
            }
        }
        names.sort();
        names.join(",")
    };
    (0..file.versions.len()).map(of).collect::<Vec<_>>().join(";")
}

fn check_writers(files: &[(&str, &str)], script: &str, expected: &str) {
    for shell in ["sh", "bash"] {
        let trial = try_with(files, &[shell, "-c", script], &|_| {});
        assert_eq!(writers(&trial, "o"), expected, "{shell}: {script}");
        trial.check_bytes();
    }
}

#[test]
fn what_the_commands_of_a_loop_write_reaches_the_end_of_its_pipe() {
    for script in ["for i in a b; do cat $i; done | sort > o", "(cat a; cat b) | sort > o"] {
        for shell in ["sh", "bash"] {
            let trial = try_with(&[("a", "1\n"), ("b", "2\n")], &[shell, "-c", script], &|_| {});
            let (cats, sort) = (groups_of(&trial, "cat"), groups_of(&trial, "sort")[0]);
            assert_eq!(cats, [sort, sort], "{shell}: {script}");
        }
    }
}

#[test]
fn what_a_child_s_children_print_is_captured() {
    for script in [
        "x=$(grep 1 a | head -1); echo $x > o",
        "x=$(cat a; true); echo $x > o",
        "x=`wc -l < a`; echo $x > o",
    ] {
        // On a busy machine a child's child may have ended before its pipes were looked at.
        let is_one = |_| {
            let trial = try_with(&[("a", "1\n")], &["bash", "-c", script], &|_| {});
            trial.observation.processes.iter().all(|process| process.group == 0)
        };
        assert!((0..8).any(is_one), "{script}");
    }
    if has("perl") {
        let script = "open(O, '>', 'o'); print O `cat a; true`";
        let is_one =
            |_| groups_of(&try_with(&[("a", "1\n")], &["perl", "-e", script], &|_| {}), "cat") == [0];
        assert!((0..8).any(is_one), "{script}");
    }
}

#[test]
fn a_pipe_is_found_where_as_many_descriptors_are_open_as_the_command_was_given() {
    if has("bash") {
        let script = r#"cat a | bash -c 'read x <&7; echo "$x" > o' 7<&0 0<&-; true"#;
        let trial = try_with(&[("a", "1\n")], &["sh", "-c", script], &|_| {});
        assert_eq!(std::fs::read(trial.root().join("o")).unwrap(), b"1\n");
        assert_eq!(groups_of(&trial, "cat"), groups_of(&trial, "bash"));
    }
}

#[test]
fn what_only_a_shell_writes_into_a_pipe_reaches_the_reader() {
    for shell in ["sh", "bash"] {
        let script = "read x < a; echo $x | sort > o; true";
        let trial = try_with(&[("a", "1\n")], &[shell, "-c", script], &|_| {});
        let sort = trial.observation.processes.iter().find(|process| process.exe.ends_with("sort")).unwrap();
        assert_eq!(sort.fed_by, [0], "{shell}");
    }
}

#[test]
fn programs_that_write_files_of_their_own_stand_apart_from_the_log_they_share() {
    let script = "{ cp a x; cp a y; } 2>&1 | tee o > /dev/null; true";
    let trial = try_with(&[("a", "1\n")], &["bash", "-c", script], &|_| {});
    let (cps, tee) = (groups_of(&trial, "cp"), groups_of(&trial, "tee")[0]);
    assert!(cps[0] != cps[1] && !cps.contains(&tee), "{cps:?} {tee}");
    let processes = &trial.observation.processes;
    let of_tee = processes.iter().filter(|process| process.group == tee);
    let fed_by: std::collections::BTreeSet<usize> =
        of_tee.flat_map(|process| &process.fed_by).map(|feeder| processes[*feeder].group).collect();
    assert!(cps.iter().all(|cp| fed_by.contains(cp)), "{fed_by:?}");
}

#[test]
fn who_only_opens_a_file_for_others_has_not_written_it() {
    // The shell opens the file; whether it stood there before makes no difference.
    for files in [&[("a", "1"), ("b", "2")][..], &[("a", "1"), ("b", "2"), ("o", "old")]] {
        let front = if files.len() == 3 { ";" } else { "" };
        check_writers(files, "cat a > o; true", &format!("{front}cat"));
        check_writers(files, "for i in a b; do cat $i; done > o; true", &format!("{front}cat,cat"));
        check_writers(files, "sh -c 'cat a; true' > o; true", &format!("{front}cat"));
        check_writers(files, "{ timeout 5 cat a; true; } > o; true", &format!("{front}cat"));
    }
}

#[test]
fn a_shell_that_writes_between_its_programs_is_a_writer() {
    for script in [
        "{ cat a; read x < b; echo $x; } > o; true",
        "{ read x < b; echo $x; cat a; } > o; true",
        "exec 3> o; cat a >&3; read x < b; echo $x >&3; true",
    ] {
        for shell in ["sh", "bash"] {
            let trial = try_with(&[("a", "1\n"), ("b", "2\n")], &[shell, "-c", script], &|_| {});
            let found = writers(&trial, "o");
            let names: std::collections::BTreeSet<&str> = found.split(',').collect();
            assert!(names.len() == 2 && names.contains("cat"), "{shell}: {script}: {found}");
            trial.check_bytes();
        }
    }
}

#[test]
fn a_program_that_went_on_with_a_file_made_a_version_of_it() {
    let files = &[("a", "2\n1\n"), ("b", "3\n")];
    for script in ["cp a o; sort -o o o; true", "cp a o; dd if=b of=o conv=notrunc; true"] {
        let trial = try_with(files, &["bash", "-c", script], &|_| {});
        let versions = &trial.file("o").versions;
        assert_eq!(versions.len(), 2, "{script}");
        assert_eq!(versions[0].content.unwrap().digest, Digest::of(b"2\n1\n"));
        let last = trial
            .observation
            .processes
            .iter()
            .rfind(|process| process.exe.ends_with("sort") || process.exe.ends_with("dd"));
        let reads = |access: &&super::super::Access| {
            trial.observation.files[access.file].path.ends_with("o") && access.read_us.is_some()
        };
        assert_eq!(last.unwrap().accesses.iter().filter(reads).count(), 1, "{script}");
        trial.check_bytes();
    }
}

#[test]
fn who_is_done_with_a_file_is_no_writer_of_what_is_added_later() {
    let files = &[("a", "2\n1\n"), ("b", "3\n")];
    check_writers(files, "cat a > o; cat b >> o; true", "cat;cat");
    check_writers(files, "cat a > o; sort -o o o; true", "cat;sort");
    check_writers(files, "cat a > o; cat b > o; true", "cat;cat");
}

#[test]
fn a_file_open_beyond_the_standard_streams_belongs_to_who_writes_it() {
    if has("perl") {
        let script = "exec 5>o; perl -e 'open(O, \">&=5\"); open(I, \"b\"); print O <I>'; cat a > c; true";
        check_writers(&[("a", "1"), ("b", "2")], script, "perl");
    }
}

#[test]
fn a_terminal_made_in_the_run_leads_to_who_made_it() {
    if has("script") {
        let trial = try_with(&[("a", "1\n")], &["script", "-qc", "cat a", "log"], &|_| {});
        assert_eq!(groups_of(&trial, "cat"), [0]);
    }
}

#[test]
fn a_file_with_a_path_too_long_to_tell_is_said_to_be_missing() {
    if !has("perl") {
        return;
    }
    let script = "for (1..22) { mkdir 'd' x 200; chdir 'd' x 200 } open(F, '>', 'b'); print F 1";
    let trial = try_with(&[], &["perl", "-e", script], &|_| {});
    let gaps = &trial.observation.gaps;
    assert!(gaps.iter().any(|gap| gap.text.contains("longer than 4096 bytes")), "{gaps:?}");
}

#[test]
fn what_is_written_on_after_somebody_has_read_it_is_a_version_of_its_own() {
    if !has("python3") {
        return;
    }
    let files = &[("a", "of a\n"), ("b", "of b\n")];
    let wait = "while [ ! -e half ]; do sleep 0.01; done; wc -l h > count; : > go; wait";
    for (mode, write) in [("w", "h.write(text); h.flush()"), ("a+", "h.write(text); h.flush()")] {
        let program = format!(
            "import os, time
h = open('h', '{mode}')
for name in 'ab':
    text = open(name).read()
    {write}
    open('half', 'w').close()
    while not os.path.exists('go'): time.sleep(0.01)"
        );
        let script = format!("python3 -c \"{program}\" & {wait}");
        let trial = try_with(files, &["sh", "-c", &script], &|_| {});
        let digests: Vec<_> =
            trial.file("h").versions.iter().map(|version| version.content.unwrap().digest).collect();
        assert_eq!(digests, [Digest::of(b"of a\n"), Digest::of(b"of a\nof b\n")], "{mode}");
        let h = trial.observation.files.iter().position(|file| file.path.ends_with("h")).unwrap();
        let of = |program: &str| -> Vec<(usize, bool, bool, Fit)> {
            let is_it = |process: &&super::super::Process| process.exe.to_string_lossy().contains(program);
            let processes = trial.observation.processes.iter().filter(is_it);
            let accesses = processes.flat_map(|process| &process.accesses).filter(|access| access.file == h);
            accesses.map(|a| (a.version, a.read_us.is_some(), a.written_us.is_some(), a.fit)).collect()
        };
        assert_eq!(of("wc"), [(0, true, false, Fit::Same)], "{mode}");
        assert_eq!(of("python"), [(0, true, true, Fit::Same), (1, false, true, Fit::Same)], "{mode}");
        let last = trial.file("h").versions[1].last_change.unwrap();
        let b = trial.observation.processes.iter().flat_map(|process| &process.accesses);
        let file_b = trial.observation.files.iter().position(|file| file.path.ends_with("b")).unwrap();
        let read_us = b.filter(|access| access.file == file_b).find_map(|access| access.read_us).unwrap();
        assert!(read_us < last.over_us, "{mode}");
    }
}

#[test]
fn what_is_only_read_while_its_writer_has_it_open_is_no_further_version() {
    let script = "exec 5> h; cat a >&5; cat h > o; cat h > p; exec 5>&-; cat h > q";
    let trial = try_with(&[("a", "of a\n")], &["sh", "-c", script], &|_| {});
    assert_eq!(trial.file("h").versions.len(), 1);
    trial.expect("input a, intermediate h, output o, output p, output q");
}

#[test]
fn what_a_shell_adds_between_two_readings_is_a_version_each() {
    let script = "exec 5> h; cat a >&5; cat h > o; cat b >&5; cat h > p; exec 5>&-";
    let expected = ["cat <a.0 >h.0", "cat <h.0 >o.0", "cat <b.0 <h.0 >h.1", "cat <h.1 >p.0"];
    super::processes::check_stories(&[("a", "of a\n"), ("b", "of b\n")], script, &expected);
}

#[test]
fn who_goes_to_a_port_that_the_kernel_chose_for_another_of_the_run_meets_that_one() {
    if !has("python3") {
        return;
    }
    let program = "import os, socket, sys, time
if sys.argv[1] == 'waits':
    host = socket.socket()
    host.bind(('127.0.0.1', 0))
    host.listen()
    print(host.getsockname()[1], file=open('port.new', 'w'))
    os.rename('port.new', 'port')
    open('o', 'wb').write(host.accept()[0].recv(9))
else:
    text = open('a', 'rb').read()
    while not os.path.exists('port'): time.sleep(.01)
    guest = socket.create_connection(('127.0.0.1', int(open('port').read())))
    guest.sendall(text)";
    let script = "python3 p.py asks & python3 p.py waits; wait";
    let trial = try_with(&[("a", "1"), ("p.py", program)], &["sh", "-c", script], &|_| {});
    let processes = trial.observation.processes.iter();
    let both: Vec<_> = processes
        .filter(|process| process.arguments.last().is_some_and(|last| last == "asks" || last == "waits"))
        .filter(|process| process.exe.to_string_lossy().contains("python3."))
        .collect();
    assert_eq!(both.len(), 2);
    assert_eq!(both[0].group, both[1].group);
    assert!(both.iter().all(|process| process.connections.is_empty()), "{both:?}");
}

#[test]
fn who_asks_before_anybody_waits_and_asks_again_meets_that_one() {
    if !has("python3") {
        return;
    }
    let program = "import os, socket, sys, time
if sys.argv[1] == 'waits':
    while not os.path.exists('asked'): time.sleep(.01)
    host = socket.socket(socket.AF_UNIX)
    host.bind('s')
    host.listen()
    open('o', 'wb').write(host.accept()[0].recv(9))
else:
    text = open('a', 'rb').read()
    while True:
        try:
            guest = socket.socket(socket.AF_UNIX)
            guest.connect('s')
            break
        except OSError:
            open('asked', 'w').close()
            time.sleep(.01)
    guest.sendall(text)";
    let script = "python3 p.py asks & python3 p.py waits; wait";
    let trial = try_with(&[("a", "1"), ("p.py", program)], &["sh", "-c", script], &|_| {});
    let is_one = |process: &&super::super::Process| {
        process.arguments.last().is_some_and(|last| last == "asks" || last == "waits")
    };
    let is_python = |process: &&super::super::Process| process.exe.to_string_lossy().contains("python3.");
    let both = trial.observation.processes.iter().filter(is_one).filter(is_python);
    let groups: std::collections::BTreeSet<usize> = both.map(|process| process.group).collect();
    assert_eq!(groups.len(), 1);
}

#[test]
fn programs_that_share_memory_or_a_queue_or_send_to_each_other_are_one_step() {
    if !has("python3") {
        return;
    }
    let shared = "l = ctypes.CDLL(None); l.shmat.restype = ctypes.c_void_p
n = l.shmget(os.getpid(), 9, 0o1666); p = l.shmat(n, None, 0)
child(f'''import ctypes; l = ctypes.CDLL(None); l.shmat.restype = ctypes.c_void_p; p = l.shmat({n}, None, 0)
ctypes.memmove(p, open(\"a\", \"rb\").read(), 2)''')
r = ctypes.string_at(p, 2); l.shmctl(n, 0, None)";
    let queue = "l = ctypes.CDLL('librt.so.1'); n = b'/lineage-%d' % os.getpid(); q = l.mq_open(n, 0o102, 0o600, None)
if q < 0: sys.exit(77)
child(f'''import ctypes; l = ctypes.CDLL(\"librt.so.1\"); l.mq_send(l.mq_open({n}, 1), open(\"a\", \"rb\").read(), 2, 0)''')
b = ctypes.create_string_buffer(9000); k = l.mq_receive(q, b, 9000, None); r = b.raw[:k]; l.mq_unlink(n)";
    let keyed = "l = ctypes.CDLL(None); n = l.msgget(os.getpid(), 0o1666)
if n < 0: sys.exit(77)
child('''import ctypes, os; l = ctypes.CDLL(None)
l.msgsnd(l.msgget(os.getppid(), 0), bytes([1] + 7 * [0]) + open(\"a\", \"rb\").read(), 2, 0)''')
b = ctypes.create_string_buffer(99); k = l.msgrcv(n, b, 90, 0, 0); r = b.raw[8:8 + k]; l.msgctl(n, 0, None)";
    let datagram = "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('127.0.0.1', 0))
child(f'''import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.sendto(open(\"a\", \"rb\").read(), (\"127.0.0.1\", {s.getsockname()[1]}))''')
r = s.recv(9)";
    let pipe = "x, y = os.pipe()
child(f'''import os; os.write(os.open(\"/proc/{os.getpid()}/fd/{y}\", 1), open(\"a\", \"rb\").read())''')
r = os.read(x, 9)";
    let head = "import ctypes, os, socket, subprocess, sys
def child(code): subprocess.run([sys.executable, '-c', code], check=True)";
    for way in [shared, queue, keyed, datagram, pipe] {
        let program = format!("{head}\n{way}\nopen('o', 'wb').write(r)");
        let trial = try_with(&[("a", "1\n")], &["python3", "-c", &program], &|_| {});
        if trial.code() == Some(77) {
            crate::machine::skipped(crate::machine::Lack::System, "there are no queues of messages here");
            continue;
        }
        assert_eq!(trial.code(), Some(0), "{way}");
        assert_eq!(std::fs::read(trial.root().join("o")).unwrap(), b"1\n", "{way}");
        let processes = trial.observation.processes.iter();
        let both = processes.filter(|process| process.exe.to_string_lossy().contains("python3."));
        let groups: Vec<usize> = both.map(|process| process.group).collect();
        assert!(groups.len() == 2 && groups[0] == groups[1], "{groups:?}: {way}");
    }
}
