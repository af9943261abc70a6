//! Bytes that come to a program through a file which it has open while others write into it.

use super::super::{Process, Reading};
use super::processes::check_stories;
use super::*;

fn process<'t>(trial: &'t Trial, program: &str) -> &'t Process {
    let mut processes = trial.observation.processes.iter();
    let is_it = |process: &&Process| process.exe.file_name().unwrap().to_string_lossy().starts_with(program);
    processes.find(is_it).unwrap_or_else(|| panic!("no `{program}`"))
}

/// How a program read each version of a file.
fn readings(trial: &Trial, program: &str, path: &str) -> Vec<(usize, Reading)> {
    let file = trial.observation.files.iter().position(|file| file.path.ends_with(path)).unwrap();
    let accesses = process(trial, program).accesses.iter();
    let read = accesses.filter(|access| access.file == file && access.read_us.is_some());
    read.map(|access| (access.version, access.reading)).collect()
}

fn python(files: &[(&str, &str)], program: &str) -> Option<Trial> {
    has("python3").then(|| try_with(files, &["python3", "-c", program], &|_| {}))
}

const A: &[(&str, &str)] = &[("a", "1\n"), ("b", "2\n")];
const A_AND_DB: &[(&str, &str)] = &[("a", "1\n"), ("db", "0\n")];

/// Who wrote a file.
fn writers(trial: &Trial, path: &str) -> Vec<String> {
    let file = trial.observation.files.iter().position(|file| file.path.ends_with(path)).unwrap();
    let has_written = |process: &&Process| {
        process.accesses.iter().any(|access| access.file == file && access.written_us.is_some())
    };
    let writers = trial.observation.processes.iter().filter(has_written);
    writers.map(|process| process.arguments[0].to_string_lossy().into_owned()).collect()
}

#[test]
fn what_is_read_back_from_a_file_without_a_name_is_captured() {
    let expected = ["cat+ <a.0", "cat >o.0", "rm >t.0"];
    let trial = check_stories(A, "exec 3>t 4<t; rm t; cat a >&3; cat <&4 > o; true", &expected);
    assert_eq!(trial.observation.processes[1..].iter().filter(|process| process.group == 0).count(), 1);
    for file in [
        "tempfile.TemporaryFile()",
        "tempfile.TemporaryFile(dir='.')",
        "os.fdopen(os.memfd_create('x'), 'w+b')",
    ] {
        let lend = format!("import os, subprocess, tempfile\nf = {file}\n");
        let read = "f.seek(0); open('o', 'wb').write(f.read())";
        let trial = python(A, &format!("{lend}subprocess.run(['cat', 'a'], stdout=f)\n{read}"));
        let Some(trial) = trial else { return };
        assert_eq!(process(&trial, "cat").group, process(&trial, "python3.").group, "{file}");
        let script = "['sh', '-c', 'cat a > x; cat b']";
        let trial = python(A, &format!("{lend}subprocess.run({script}, stdout=f)\n{read}")).unwrap();
        let cats = trial.observation.processes.iter().filter(|process| process.exe.ends_with("cat"));
        // Some shells become their last command.
        let cats: Vec<usize> = cats.map(|process| process.group).collect();
        let own = process(&trial, "python3.").group;
        assert!(cats[0] != own && cats[1] == own, "{file}: {cats:?}");
    }
}

#[test]
fn nothing_is_heard_through_a_file_without_a_name_that_nobody_writes_to() {
    let script = "exec 3<>t 4<t; rm t; cat a > o; cat b > p; true";
    let trial = check_stories(A, script, &["cat <a.0 >o.0", "cat <b.0 >p.0", "rm ><t.0"]);
    assert!(trial.observation.processes.iter().all(|process| process.fed_by.is_empty()));
    let program = "import subprocess, tempfile
f = tempfile.TemporaryFile()
subprocess.run('cat a > o', shell=True, stdout=f)";
    let Some(trial) = python(A, program) else { return };
    let own = process(&trial, "python3.");
    assert!(own.group != process(&trial, "cat").group && own.fed_by.is_empty());
}

#[test]
fn who_has_a_file_open_to_read_and_write_may_read_what_others_write_into_it() {
    for program in [
        "f = open('log', 'w+'); subprocess.run(['cat', 'a'], stdout=f); f.seek(0); t = f.read()",
        "f = open('log', 'w+'); subprocess.run('cat a >> log', shell=True); f.seek(0); t = f.read()",
        "f = open('log', 'w+'); f.truncate(2); t = mmap.mmap(f.fileno(), 2); f.close()
subprocess.run(['dd', 'if=a', 'of=log', 'conv=notrunc', 'status=none']); t = str(t[:2])",
    ] {
        let program = format!("import mmap, subprocess\n{program}\nopen('o', 'w').write(t)");
        let Some(trial) = python(A, &program) else { return };
        let read = readings(&trial, "python3.", "log");
        assert_eq!(read.last().map(|(_, reading)| *reading), Some(Reading::KeptOpen), "{program}");
        trial.check_bytes();
    }
}

#[test]
fn each_program_that_writes_into_a_file_somebody_listens_to_makes_a_version_of_it() {
    let program = "import subprocess
f = open('log', 'w+')
for name in 'ab':
    subprocess.run(['cat', name], stdout=f)
    f.seek(0)
    open(f'o{name}', 'w').write(f.read())";
    let Some(trial) = python(A, program) else { return };
    let digests: Vec<_> =
        trial.file("log").versions.iter().map(|version| version.content.unwrap().digest).collect();
    assert_eq!(digests, [Digest::of(b"1\n"), Digest::of(b"1\n2\n")]);
    assert_eq!(readings(&trial, "python3.", "log"), [(0, Reading::KeptOpen), (1, Reading::KeptOpen)]);
}

#[test]
fn who_does_not_have_a_file_open_any_more_reads_nothing_of_what_others_write_into_it() {
    for program in [
        "f = open('log', 'w+'); f.close(); subprocess.run('cat a > log', shell=True)",
        "f = open('log', 'w'); subprocess.run(['cat', 'a'], stdout=f)",
        "f = open('log', 'a'); subprocess.run(['cat', 'a'], stdout=f, stderr=f)",
    ] {
        let Some(trial) = python(A, &format!("import subprocess\n{program}")) else { return };
        assert_eq!(readings(&trial, "python3.", "log"), [], "{program}");
    }
    let program = "import subprocess; subprocess.run('cat a > o', shell=True, stdout=open('log', 'w+'))";
    let Some(trial) = python(A, program) else { return };
    let log = trial.observation.files.iter().position(|file| file.path.ends_with("log")).unwrap();
    let writes = |process: &&Process| {
        process.accesses.iter().any(|access| access.file == log && access.written_us.is_some())
    };
    let writers: Vec<&Process> = trial.observation.processes.iter().filter(writes).collect();
    assert!(std::ptr::eq(writers[0], process(&trial, "python3.")) && writers.len() == 1);
}

#[test]
fn who_opens_a_file_to_write_into_it_and_writes_nothing_has_not_written_it() {
    // Others write later, as it has closed the file, or was killed.
    for asks in ["sh -c ': <>db; true'", "sh -c 'exec 3<>db; kill -9 $$' || true", "sh -c ': >>db; true'"] {
        let script = format!("{asks}; cat a >> db");
        let trial = try_with(A_AND_DB, &["sh", "-c", &script], &|_| {});
        assert_eq!(writers(&trial, "db"), ["cat"], "{asks}");
    }
    // Others have it open.
    let program = "import subprocess
f = open('db', 'r+')
subprocess.run(['sh', '-c', 'exec 3<>db; read x <&3; true'])
f.seek(0, 2); f.write('1')";
    let Some(trial) = python(A_AND_DB, program) else { return };
    let writers = writers(&trial, "db");
    assert!(writers.len() == 1 && writers[0].contains("python3"), "{writers:?}");
    assert!(readings(&trial, "python3.", "db").iter().all(|(_, reading)| *reading == Reading::Opened));
}

#[test]
fn what_a_program_leaves_behind_writes_for_it_after_its_end() {
    for way in ["3<>db", "3>>db"] {
        let leaves = format!("exec {way}; (read x < go; read y < a; echo $y >&3) & exit");
        let script = format!("mkfifo go; sh -c '{leaves}'; echo > go; sleep 0.1");
        let trial = try_with(A_AND_DB, &["sh", "-c", &script], &|_| {});
        assert_eq!(writers(&trial, "db"), ["sh"], "{way}");
    }
}

#[test]
fn what_was_killed_before_it_wrote_into_a_file_without_a_name_is_not_heard() {
    let program = "import subprocess, tempfile
f = tempfile.TemporaryFile(dir='.')
for script in ['kill -9 $$', 'cat a; kill -9 $$']:
    subprocess.run(['sh', '-c', script], stdout=f)
    open('o', 'w').write('x')";
    let Some(trial) = python(A, program) else { return };
    let shells = trial.observation.processes.iter().filter(|process| process.arguments[0] == "sh");
    let own = process(&trial, "python3.").group;
    let is_own: Vec<bool> = shells.map(|process| process.group == own).collect();
    assert_eq!(is_own, [false, true]);
}

#[test]
fn a_log_that_is_read_as_it_grows_has_the_sources_of_who_writes_it() {
    let wait = "    while p.poll() is None: t += r.read(); time.sleep(.01)\n    t += r.read()";
    for open in [
        "with open('log', 'wb') as w, open('log', 'rb') as r:\n    p = subprocess.Popen(['sort', 'a'], stdout=w)",
        "w = open('log', 'wb'); p = subprocess.Popen(['sort', 'a'], stdout=w)\nwith open('log', 'rb') as r:",
    ] {
        let program = format!("import subprocess, time\nt = b''\n{open}\n{wait}\nopen('o', 'wb').write(t)");
        let Some(trial) = python(A, &program) else { return };
        assert_eq!(readings(&trial, "python3.", "log"), [(0, Reading::Opened)], "{program}");
        let log = trial.observation.files.iter().position(|file| file.path.ends_with("log")).unwrap();
        let a = trial.observation.files.iter().position(|file| file.path.ends_with("a")).unwrap();
        let at = |program: &str, file: usize| {
            let access = process(&trial, program).accesses.iter().find(|access| access.file == file);
            access.unwrap().read_us.unwrap()
        };
        assert!(at("sort", a) < at("python3.", log), "{program}");
    }
}
