//! Interpreters and run-time systems.

use super::*;

/// Runs a Python program that may leave caches outside the folder.
fn check_python(files: &[(&str, &str)], program: &str, expected: &str) -> Option<Trial> {
    if !has("python3") {
        return None;
    }
    let python = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output().ok()?;
    let python = String::from_utf8(python.stdout).ok()?;
    let trial = try_with(files, &[python.trim(), "-c", program], &|_| {});
    assert_eq!(trial.observation.exit, Exit::Code(0), "{program}");
    trial.expect(expected);
    Some(trial)
}

const A: &[(&str, &str)] = &[("a", "{\"x\": 1}")];

#[test]
fn python_updates_a_document_in_place() {
    check_python(
        A,
        "import json; d = json.load(open('a')); d['y'] = 2; json.dump(d, open('a', 'w'))",
        "updated a",
    );
}

#[test]
fn python_replaces_a_file_atomically() {
    let program = "import os, tempfile
fd, name = tempfile.mkstemp(dir='.')
os.write(fd, open('a', 'rb').read() + b'x'); os.close(fd); os.replace(name, 'a')";
    check_python(A, program, "updated a");
}

#[test]
fn python_maps_memory() {
    let program = "import mmap
with open('a', 'r+b') as f:
    m = mmap.mmap(f.fileno(), 0); m[0:1] = b'Z'; m.flush(); m.close()";
    check_python(A, program, "updated a");
}

#[test]
fn arrays_mapped_into_memory_are_read_made_and_updated() {
    let program = "import sys
try: import numpy
except ImportError: sys.exit(77)
def array(name, mode): return numpy.memmap(name, dtype='uint8', mode=mode, shape=(3,))
made, updated = array('c', 'w+'), array('b', 'r+')
made[:] = array('a', 'r'); updated[0] += 1
made.flush(); updated.flush()";
    let python = std::env::var("LINEAGE_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    if has(&python) {
        let trial = try_with(&[("a", "old"), ("b", "xyz")], &[&python, "-c", program], &|_| {});
        if trial.code() == Some(77) {
            crate::machine::skipped(crate::machine::Lack::Program, "there is no numpy here");
            return;
        }
        assert_eq!(trial.observation.exit, Exit::Code(0));
        trial.expect("input a, updated b, output c");
        assert_eq!(std::fs::read(trial.root().join("b")).unwrap(), b"yyz");
    }
}

#[test]
fn python_s_worker_processes_are_one_with_it_or_tell_it_everything_and_are_told() {
    for method in ["fork", "spawn", "forkserver"] {
        let program = format!(
            "import multiprocessing as m, shutil
if __name__ == '__main__':
    with m.get_context('{method}').Pool(2) as p: p.starmap(shutil.copy, [('a', 'b'), ('a', 'c')])"
        );
        // The tracker of resources that Python starts beside them handles no file.
        let is_tracker = |process: &&super::super::Process| {
            process.arguments.iter().any(|word| word.to_string_lossy().contains("resource_tracker"))
        };
        // On a busy machine a worker may have ended before its pipes were looked at.
        let is_one = |_| {
            let Some(trial) = check_python(A, &program, "input a, output b, output c") else { return true };
            let processes = &trial.observation.processes;
            let tells = |one: usize, other: usize| {
                let mut others = processes.iter().filter(|process| process.group == other);
                others.any(|process| process.fed_by.iter().any(|feeder| processes[*feeder].group == one))
            };
            processes.iter().all(|process| {
                let group = process.group;
                group == 0 || is_tracker(&process) || (tells(group, 0) && tells(0, group))
            })
        };
        assert!((0..8).any(is_one), "{method}");
    }
}

#[test]
fn python_calls_other_programs() {
    check_python(A, "import subprocess; subprocess.run(['cp', 'a', 'b'], check=True)", "input a, output b");
    check_python(
        A,
        "import subprocess; open('b', 'wb').write(subprocess.run(['cat', 'a'], capture_output=True).stdout)",
        "input a, output b",
    );
}

#[test]
fn python_unpacks_and_copies() {
    let program = "import shutil, zipfile
with zipfile.ZipFile('z.zip', 'w') as z: z.write('a')
with zipfile.ZipFile('z.zip') as z: z.extractall('out')
shutil.copytree('out', 'copy')";
    check_python(A, program, "input a, output copy/a, output out/a, output z.zip");
}

#[test]
fn python_writes_a_database() {
    let program = "import sqlite3
c = sqlite3.connect('d.db'); c.execute('create table t(x)'); c.execute('insert into t values (1)'); c.commit()";
    check_python(&[], program, "output d.db");
}

#[test]
fn perl_reads_and_writes() {
    if has("perl") {
        check(A, "perl -pi -e s/1/2/ a", "updated a");
    }
}

#[test]
fn node_reads_and_writes_even_where_it_would_use_io_uring() {
    if has("node") {
        let program = "const f=require('fs');f.readFile('a',(e,d)=>f.writeFile('b',d,()=>{}))";
        check(A, &format!("UV_USE_IO_URING=1 node -e \"{program}\""), "input a, output b");
    }
}

#[test]
fn java_reads_and_writes() {
    if has("java") {
        let program = "import java.nio.file.*; class M { public static void main(String[] a) throws Exception \
            { Files.copy(Path.of(\"a\"), Path.of(\"b\")); } }";
        let trial = try_with(&[("a", "1"), ("M.java", program)], &["java", "M.java"], &|_| {});
        if trial.observation.exit == Exit::Code(0) {
            trial.expect("input M.java, input a, output b");
        }
    }
}
