//! What it costs to be observed: processor time against the bare command, beside `strace`, in one interleaved run.
//!
//! `cargo bench --bench overhead [WORD] [-- --rounds N]` measures; without `--bench`, as under `cargo test`, everything runs
//! once and small, to see that it runs. The columns:
//!
//! | column | what runs |
//! |---|---|
//! | bare | the command |
//! | observed | the command under the net, nothing hashed, nothing recorded |
//! | run | `lineage run`: observed, hashed, recorded |
//! | strace | `strace -f --seccomp-bpf -e trace=%file`, where there is one |
//!
//! Processor time is that of the whole tree, user and system, so that work on another core counts. Ratios are medians of
//! rounds in each of which every way ran once, in an order that rotates. What runs is a copy of what was built, as an installed
//! program is: see [`installed`].

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use lineage::rooms::{Digests, Options, observe};
use rayon::prelude::*;

/// One command, in a folder that is brought back to its beginning before each time it runs.
struct Workload {
    name: &'static str,
    folder: PathBuf,
    arguments: Vec<OsString>,
    /// Removed before each run.
    outputs: Vec<&'static str>,
}

/// How much there is to do.
#[derive(Clone, Copy)]
struct Size {
    files: usize,
    units: usize,
    processes: usize,
    loops: usize,
    bytes: u64,
    rounds: usize,
}

const FULL: Size =
    Size { files: 1000, units: 200, processes: 500, loops: 15_000_000, bytes: 2 << 30, rounds: 9 };
const SMALL: Size = Size { files: 5, units: 2, processes: 3, loops: 1000, bytes: 1 << 20, rounds: 1 };

const PLAIN: &str = "import sys, json
for i in range(int(sys.argv[1])):
    with open(f'in/{i}.csv') as f: rows = [line.split(',') for line in f]
    total = sum(float(row[1]) for row in rows[1:])
    with open(f'out/{i}.json', 'w') as f: json.dump({'total': total}, f)
";
const PANDAS: &str = "import sys, pandas
for i in range(int(sys.argv[1])):
    frame = pandas.read_csv(f'in/{i}.csv')
    frame.describe().to_csv(f'out/{i}.csv')
";
const STORM: &str = "import sys, os
n = 2 * int(sys.argv[1])
for i in range(n):
    with open(f'in/{i % (n // 2)}.csv') as f: f.read(1)
for i in range(n):
    with open(f'out/{i}.tmp', 'w') as f: f.write('x')
for i in range(n): os.rename(f'out/{i}.tmp', f'out/{i}.txt')
";
const FIXED: &str = r#"#include <stdio.h>
#include <stdlib.h>
int main(int c, char **v) {
  int n = atoi(v[1]); char path[64], byte;
  for (int i = 0; i < n; i++) {
    snprintf(path, sizeof path, "in/%d.csv", i);
    FILE *f = fopen(path, "r"); if (!f) return 1; byte = fgetc(f); fclose(f);
    snprintf(path, sizeof path, "out/%d.txt", i);
    f = fopen(path, "w"); if (!f) return 1; fputc(byte, f); fclose(f);
  }
  return 0;
}
"#;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.first().map(String::as_str) {
        Some("--observe") => return be_the_observer(&words[1..]),
        Some("--digest") => return be_the_hasher(Path::new(&words[1])),
        _ => {}
    }
    let is_full = words.iter().any(|word| word == "--bench") && !words.iter().any(|word| word == "--test");
    let mut size = if is_full { FULL } else { SMALL };
    let rounds = words.iter().position(|word| word == "--rounds").and_then(|at| words.get(at + 1));
    size.rounds = rounds.and_then(|rounds| rounds.parse().ok()).unwrap_or(size.rounds);
    let is_rounds = |at: usize| at > 0 && words[at - 1] == "--rounds";
    let chosen = (0..words.len()).find(|at| !words[*at].starts_with('-') && !is_rounds(*at));
    let chosen = chosen.map_or("", |at| &words[at]);
    let place = tempfile::tempdir().unwrap();
    let memory = tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap());
    let programs = Programs {
        lineage: installed(place.path(), Path::new(env!("CARGO_BIN_EXE_lineage"))),
        own: installed(place.path(), &std::env::current_exe().unwrap()),
    };
    let has_strace =
        finds("strace", &["--seccomp-bpf", "-f", "-qq", "-e", "trace=%file", "-o", "/dev/null", "true"]);
    println!(
        "{:<16} {:>9} {:>9} {:>7} {:>7} {:>8} {:>12}",
        "", "bare ms", "observed", "run", "strace", "calls", "of strace's"
    );
    for workload in workloads(place.path(), memory.path(), size) {
        if workload.name.contains(chosen) {
            measure(&workload, &programs, size, has_strace);
        }
    }
    if "true".contains(chosen) {
        fixed_cost(place.path(), &programs, size);
    }
    if "digests".contains(chosen) {
        digests(place.path(), size);
    }
}

/// What is measured.
struct Programs {
    lineage: String,
    /// This program, which observes and does nothing else.
    own: String,
}

/// Copies a program. The linker has written the one it made through a mapping, page by page, and the system then maps it page by
/// page at every start, which takes some tenths of a millisecond; of a copy it maps many pages at once.
fn installed(place: &Path, program: &Path) -> String {
    let copy = place.join(program.file_name().unwrap());
    fs::copy(program, &copy).unwrap();
    copy.to_str().unwrap().to_owned()
}

/// Tells whether a program works here, and says so where it does not.
fn finds(program: &str, arguments: &[&str]) -> bool {
    let found = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let found = found.is_ok_and(|status| status.success());
    if !found {
        println!("skipped: `{program} {}` does not work here", arguments.join(" "));
    }
    found
}

fn python() -> String {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/python/bin/python");
    let own = own.exists().then(|| own.display().to_string());
    let python = std::env::var("LINEAGE_TEST_PYTHON").ok().or(own).unwrap_or_else(|| "python3".to_owned());
    // What stands in PATH may be a script that looks for the program; the program is what is measured.
    let real = Command::new(&python).args(["-c", "import sys; print(sys.executable)"]).output();
    let real = real.ok().filter(|output| output.status.success());
    real.map_or(python, |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn workloads(place: &Path, memory: &Path, size: Size) -> Vec<Workload> {
    let mut found = Vec::new();
    let mut add = |name: &'static str, base: &Path, arguments: &[&str], outputs: &[&'static str]| {
        let folder = base.join(name.replace(' ', "-"));
        fs::create_dir_all(folder.join("in")).unwrap();
        for file in 0..size.files {
            let rows: String = (0..20).map(|row| format!("{row},{}.5\n", row * file)).collect();
            fs::write(folder.join(format!("in/{file}.csv")), format!("id,value\n{rows}")).unwrap();
        }
        let arguments = arguments.iter().map(OsString::from).collect();
        found.push(Workload { name, folder: folder.clone(), arguments, outputs: outputs.to_vec() });
        folder
    };
    let (python, files) = (python(), size.files.to_string());
    if finds(&python, &["-c", "pass"]) {
        add("python start", place, &[&python, "-c", "pass"], &[]);
        add("python files", place, &[&python, "-c", PLAIN, &files], &["out"]);
        if finds(&python, &["-c", "import pandas"]) {
            add("pandas files", place, &[&python, "-c", PANDAS, &files], &["out"]);
        }
        let cpu = format!("total = 0\nfor i in range({}): total += i * i\n", size.loops);
        add("python cpu", place, &[&python, "-c", &cpu], &[]);
        add("storm", memory, &[&python, "-c", STORM, &files], &["out"]);
    }
    let processes =
        format!("i=0; while [ $i -lt {} ]; do cat in/0.csv > out/$i; i=$((i+1)); done", size.processes);
    add("shell", place, &["sh", "-c", &processes], &["out"]);
    let read = add("large read", place, &["dd", "if=large", "of=/dev/null", "bs=1M", "status=none"], &[]);
    fs::File::create(read.join("large")).unwrap().set_len(size.bytes).unwrap();
    if finds("cc", &["--version"]) {
        let build = "for f in *.c; do cc -O1 -c $f -o out/${f%.c}.o || exit 1; done";
        let folder = add("c build", place, &["sh", "-c", build], &["out"]);
        for unit in 0..size.units {
            let text = format!(
                "#include <stdio.h>\n#include <stdlib.h>\nint f{unit}(int x) {{ return printf(\"%d\", x); }}\n"
            );
            fs::write(folder.join(format!("u{unit}.c")), text).unwrap();
        }
        let source = place.join("fixed.c");
        let program = place.join("fixed");
        fs::write(&source, FIXED).unwrap();
        let arguments = ["-static", "-O1", "-o", program.to_str().unwrap(), source.to_str().unwrap()];
        if finds("cc", &arguments) {
            add("static storm", memory, &[program.to_str().unwrap(), &files], &["out"]);
        }
    }
    found
}

/// Processor time of all children that have been waited for.
fn children_cpu() -> Duration {
    // SAFETY: all-zero is a valid `struct rusage`, which the call fills.
    #[expect(unsafe_code, reason = "the standard library does not tell the time of children")]
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        assert_eq!(libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage), 0);
        usage
    };
    let time = |t: libc::timeval| Duration::new(t.tv_sec as u64, t.tv_usec as u32 * 1000);
    time(usage.ru_utime) + time(usage.ru_stime)
}

/// Runs a command in a workload's folder, from its beginning; returns processor and wall time.
fn time(workload: &Workload, front: &[OsString]) -> (Duration, Duration) {
    for output in &workload.outputs {
        let _ = fs::remove_dir_all(workload.folder.join(output));
        fs::create_dir_all(workload.folder.join(output)).unwrap();
    }
    let words: Vec<&OsString> = front.iter().chain(&workload.arguments).collect();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).current_dir(&workload.folder).stdin(Stdio::null());
    // Cargo's own, which makes the loader look for every library in folders that nobody else has.
    command.env_remove("LD_LIBRARY_PATH");
    let (before, began) = (children_cpu(), Instant::now());
    let status = command.status().unwrap();
    let spent = (children_cpu() - before, began.elapsed());
    assert!(status.success(), "{}: {status}", workload.name);
    spent
}

fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn measure(workload: &Workload, programs: &Programs, size: Size, has_strace: bool) {
    let Programs { lineage, own } = programs;
    let counted = workload.folder.with_extension("calls");
    let init = Command::new(lineage).arg("init").current_dir(&workload.folder).output().unwrap();
    assert!(init.status.success());
    let mut ways = vec![
        vec![],
        words(&[own, "--observe", counted.to_str().unwrap()]),
        words(&[lineage, "run", "-q", "--"]),
    ];
    if has_strace {
        ways.push(words(&["strace", "-f", "-qq", "--seccomp-bpf", "-e", "trace=%file", "-o", "/dev/null"]));
    }
    let mut spent = vec![Vec::new(); ways.len()];
    for round in 0..=size.rounds {
        for turn in 0..ways.len() {
            let way = (turn + round) % ways.len();
            let (cpu, _) = time(workload, &ways[way]);
            // The first round warms the caches.
            if round > 0 || size.rounds == 1 {
                spent[way].push(cpu.as_secs_f64());
            }
        }
    }
    let bare = median(spent[0].clone());
    let ratio = |way: usize| match spent.get(way) {
        Some(times) => median(times.iter().zip(&spent[0]).map(|(time, bare)| time / bare).collect()),
        None => f64::NAN,
    };
    let calls = fs::read_to_string(&counted).unwrap_or_default();
    println!(
        "{:<16} {:>9.1} {:>9.2} {:>7.2} {:>7.2} {:>8} {:>11.0}%",
        workload.name,
        bare * 1e3,
        ratio(1),
        ratio(2),
        ratio(3),
        calls,
        100.0 * (ratio(1) - 1.0) / (ratio(3) - 1.0),
    );
}

/// The command `true`, in a git repository: what a run costs that does nothing.
fn fixed_cost(place: &Path, programs: &Programs, size: Size) {
    let folder = place.join("fixed-cost");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("a.txt"), "text").unwrap();
    let git = |arguments: &[&str]| {
        let git = Command::new("git").args(arguments).current_dir(&folder).output();
        git.is_ok_and(|output| output.status.success())
    };
    let is_repository = git(&["init", "-q"])
        && git(&["add", "-A"])
        && git(&["-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-q", "-m", "a"]);
    let workload =
        Workload { name: "true", folder: folder.clone(), arguments: words(&["true"]), outputs: vec![] };
    let lineage = &programs.lineage;
    assert!(Command::new(lineage).arg("init").current_dir(&folder).output().unwrap().status.success());
    let times = if size.rounds == 1 { 2 } else { 200 };
    let run = |front: &[OsString]| {
        let spent: Vec<_> = (0..times).map(|_| time(&workload, front)).collect();
        let of = |pick: &dyn Fn(&(Duration, Duration)) -> Duration| {
            spent.iter().map(|spent| pick(spent).as_secs_f64() * 1e3).collect::<Vec<_>>()
        };
        (median(of(&|spent| spent.0)), of(&|spent| spent.1))
    };
    let (bare_cpu, bare) = run(&[]);
    let (cpu, wall) = run(&words(&[lineage, "run", "-q", "--"]));
    let least = |times: &[f64]| times.iter().copied().fold(f64::MAX, f64::min);
    println!(
        "true: {:.2} ms wall at the median, {:.2} at the least, {cpu:.2} ms processor (bare {:.2}, {:.2}, {bare_cpu:.2}); git: {is_repository}",
        median(wall.clone()),
        least(&wall),
        median(bare.clone()),
        least(&bare),
    );
}

/// Hashing, process against process, beside `b3sum` on the same files.
fn digests(place: &Path, size: Size) {
    let (many, large) = (place.join("many"), place.join("one"));
    fs::create_dir_all(&many).unwrap();
    fs::create_dir_all(&large).unwrap();
    for file in 0..10 * size.files {
        fs::write(many.join(file.to_string()), vec![file as u8; 4096]).unwrap();
    }
    let noise: Vec<u8> = (0..1_u32 << 20).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    fs::write(large.join("large"), noise.repeat((size.bytes >> 20) as usize)).unwrap();
    let own = std::env::current_exe().unwrap().display().to_string();
    let has_b3sum = finds("b3sum", &["--version"]);
    for (name, folder) in [("many small", &many), ("one large", &large)] {
        let files: Vec<OsString> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path().into()).collect();
        let mut rival: Vec<OsString> = words(&["b3sum"]);
        rival.extend(files);
        let mut both = vec![(words(&[&own, "--digest", folder.to_str().unwrap()]), vec![])];
        if has_b3sum {
            both.push((rival, vec![]));
        }
        for _ in 0..=size.rounds {
            for (command, walls) in &mut both {
                let began = Instant::now();
                let status = Command::new(&command[0]).args(&command[1..]).stdout(Stdio::null()).status();
                assert!(status.unwrap().success());
                walls.push(began.elapsed().as_secs_f64() * 1e3);
            }
        }
        let walls: Vec<String> =
            both.iter().map(|(_, walls)| format!("{:.1}", median(walls.clone()))).collect();
        println!("digests, {name}: {} ms, b3sum {} ms", walls[0], walls.get(1).map_or("-", String::as_str));
    }
}

/// Observes a command and writes down how many calls were stopped.
fn be_the_observer(words: &[String]) {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as i64;
    let arguments = words[1..].iter().map(OsString::from).collect();
    let mut options = Options::new(arguments, std::env::current_dir().unwrap(), &now);
    options.environment = std::env::vars_os().collect();
    options.is_wanted = &|_| false;
    let observation =
        observe(&options, &mut |_, _, _| {}).unwrap_or_else(|refusal| panic!("{}", refusal.into_error()));
    fs::write(&words[0], observation.traps.to_string()).unwrap();
}

fn be_the_hasher(folder: &Path) {
    let files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let digests = Digests::new();
    let found: Vec<_> = files.par_iter().map(|file| digests.of(file).unwrap()).collect();
    for (file, digest) in files.iter().zip(found) {
        println!("{}  {}", digest.hex(), file.display());
    }
}
