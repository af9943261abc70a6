//! The keeper of the house: who may import whom, where each crate lives, who may print, and that README tells all commands.

#[allow(dead_code)]
#[path = "common/machine.rs"]
mod machine;

use std::fs;
use std::path::{Path, PathBuf};

/// Each room, and the rooms it may import from.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("model", &["error"]),
    ("disk", &[]),
    ("journal", &["error", "model", "disk"]),
    ("content", &["error", "model", "disk"]),
    ("digests", &["model", "disk"]),
    ("capture", &["error", "model", "digests"]),
    ("filings", &["error"]),
    ("research", &["error", "model"]),
    ("store", &["error", "model", "disk", "journal"]),
    ("query", &["error", "model", "store"]),
    ("projection", &["error", "model", "disk", "digests", "content", "store", "query"]),
    (
        "ops",
        &[
            "error",
            "model",
            "disk",
            "journal",
            "content",
            "digests",
            "capture",
            "filings",
            "research",
            "store",
            "query",
            "projection",
        ],
    ),
    ("api", &["error", "model", "query", "projection", "ops", "render"]),
    // Of the rooms below it, render sees result types alone; it has no other use for them.
    ("render", &["error", "model", "query", "ops"]),
    (
        "cli",
        &[
            "error",
            "model",
            "disk",
            "journal",
            "content",
            "digests",
            "capture",
            "filings",
            "research",
            "store",
            "query",
            "projection",
            "ops",
            "render",
        ],
    ),
];

/// Each crate, and the only rooms that may name it.
const HOMES: &[(&str, &[&str])] = &[
    ("redb", &["store"]),
    ("bincode", &["journal"]),
    ("gix", &["capture"]),
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
    ("comfy_table", &["render"]),
    ("indicatif", &["cli"]),
    ("zstd", &["content"]),
    ("lz4_flex", &["content"]),
    ("foldhash", &["capture"]),
    ("crc32fast", &["store"]),
    ("twox_hash", &["store"]),
    ("globset", &["ops", "query"]),
    ("regex", &["ops"]),
    ("serde_saphyr", &["ops"]),
    ("strsim", &["query"]),
    ("terminal_size", &["cli"]),
    ("similar", &["ops"]),
    ("toml", &["ops"]),
    ("htmlize", &["filings"]),
    ("encoding_rs", &["filings"]),
    ("sentencize", &["filings"]),
    ("semver", &["model"]),
    ("uuid", &["model", "disk"]),
    ("chrono", &["model", "cli"]),
    ("libc", &["capture", "digests", "disk"]),
    ("parquet", &["ops"]),
    ("zip", &["ops"]),
    ("rusqlite", &["ops"]),
    ("serde_json", &["api", "filings", "research", "projection", "ops", "render", "cli"]),
    ("blake3", &["model", "journal", "content", "digests", "capture", "ops"]),
    ("rayon", &["content", "digests", "capture", "filings", "query", "ops"]),
    ("memchr", &["journal", "capture", "filings", "ops"]),
    ("wide", &["filings"]),
    ("granit_parser", &["research"]),
    ("pulldown_cmark", &["research"]),
];

/// Rooms whose answers must be functions of their arguments, and what they may therefore not name.
const PURE: &[&str] = &["query", "render", "filings", "research", "model"];
const IMPURE: &[&str] = &[
    "std::fs",
    "std::env",
    "std::process",
    "SystemTime",
    "Instant::now",
    "Utc::now",
    "std::net",
    "File::open",
    ".exists()",
    ".is_file()",
    ".is_dir()",
    ".metadata()",
    ".symlink_metadata()",
    ".canonicalize()",
    ".read_dir()",
    ".read_link()",
];

struct Source {
    room: String,
    path: PathBuf,
    /// The code, without comments and without what is only compiled for tests.
    code: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut frontier = vec![root.clone()];
    while let Some(folder) = frontier.pop() {
        let for_tests = modules_for_tests(&folder);
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let module = path.file_stem().unwrap().to_string_lossy().into_owned();
            // The build script is no part of the house; it talks to Cargo.
            if for_tests.contains(&module) || path == root.join("build.rs") {
                continue;
            }
            if path.is_dir() {
                frontier.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let inside = path.strip_prefix(&root).unwrap();
                let room = inside.components().next().unwrap().as_os_str().to_string_lossy();
                let code = without_comments(&fs::read_to_string(&path).unwrap());
                found.push(Source {
                    room: room.trim_end_matches(".rs").to_owned(),
                    path: inside.to_owned(),
                    code,
                });
            }
        }
    }
    assert!(found.len() > 30, "the sources were not found");
    found
}

/// Returns the modules in a folder that are declared under `#[cfg(test)]`.
fn modules_for_tests(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    // A folder's modules are declared in a file in it, or in one beside it that has its name.
    let beside = Some(folder.with_extension("rs")).filter(|path| path.is_file());
    let inside = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    for path in inside.chain(beside) {
        if path.extension().is_none_or(|ending| ending != "rs") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            let for_tests = line == "#[cfg(test)]" || line.starts_with("#[cfg(all(test,");
            if for_tests
                && let Some(next) = lines.peek()
                && let Some((_, name)) = next.trim_end_matches(';').split_once("mod ")
                && next.ends_with(';')
            {
                names.push(name.to_owned());
            }
        }
    }
    names
}

fn without_comments(text: &str) -> String {
    let code = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap();
    let code = code.split("\n#[cfg(test)]\npub(crate) mod tests {").next().unwrap();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// Finds `word` where it stands alone, followed by `::`.
fn names(code: &str, word: &str) -> bool {
    let path = format!("{word}::");
    code.match_indices(&path).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
    })
}

#[test]
fn every_room_imports_only_what_it_may() {
    let mut wrong = Vec::new();
    for source in sources() {
        if matches!(source.room.as_str(), "lib" | "main") {
            continue;
        }
        let (_, may) = MAY_IMPORT
            .iter()
            .find(|(room, _)| *room == source.room)
            .unwrap_or_else(|| panic!("the house has no room `{}`", source.room));
        for (room, _) in MAY_IMPORT {
            let imports = names(&source.code, &format!("crate::{room}"));
            if imports && *room != source.room && !may.contains(room) {
                wrong.push(format!("{} imports {room}", source.path.display()));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn every_crate_is_named_at_home_only() {
    let mut wrong = Vec::new();
    for source in sources() {
        for (name, homes) in HOMES {
            let derives = source.code.contains(&format!("use {name}"));
            if (names(&source.code, name) || derives) && !homes.contains(&source.room.as_str()) {
                wrong.push(format!("{} names {name}", source.path.display()));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// Where a file of somebody else lies, a pipe may lie by the time that it is opened, which whoever opens it waits at for ever.
#[test]
fn files_are_opened_by_who_waits_at_no_pipe() {
    // What these read is named by the user, who may mean a pipe: `<(zcat facts.jsonl.gz)`.
    let may_wait = ["ops/registry/entry_file.rs", "ops/taken/openlineage.rs", "cli/backup.rs"];
    let mut wrong = Vec::new();
    for source in sources() {
        let is_home = ["disk", "digests"].contains(&source.room.as_str())
            || source.path.starts_with("capture/observe")
            || may_wait.iter().any(|path| source.path.ends_with(path));
        let has = |word: &str| {
            let is_part = |at: usize| source.code[..at].ends_with(char::is_alphanumeric);
            source.code.match_indices(word).any(|(at, _)| !is_part(at))
        };
        for word in ["File::open(", "fs::read("] {
            if has(word) && !is_home {
                wrong.push(format!("{} has {word}", source.path.display()));
            }
        }
        // The system's own files are none of somebody else's.
        let texts = source.code.matches("fs::read_to_string(").count();
        let of_system = ["\"/proc/", "\"/etc/", "format!(\"/proc/"]
            .map(|front| source.code.matches(&format!("fs::read_to_string({front}")).count());
        if texts > of_system.iter().sum() && !is_home {
            wrong.push(format!("{} has fs::read_to_string(", source.path.display()));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn only_the_command_line_prints() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| source.room != "cli") {
        for word in [
            "println!",
            "eprintln!",
            "print!(",
            "eprint!(",
            "dbg!",
            "io::stdout",
            "io::stderr",
            "process::exit",
        ] {
            if source.code.contains(word) {
                wrong.push(format!("{} has {word}", source.path.display()));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn pure_rooms_see_no_clock_environment_disk_or_terminal() {
    let mut wrong = Vec::new();
    let is_pure = |source: &Source| {
        PURE.contains(&source.room.as_str())
            || source.path.starts_with("projection/plan")
            || source.path.ends_with("projection/markdown.rs")
            || source.path.ends_with("names.rs")
    };
    for source in sources().iter().filter(|source| is_pure(source)) {
        for word in IMPURE {
            if source.code.contains(word) {
                wrong.push(format!("{} names {word}", source.path.display()));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn no_file_panics_on_input_or_leaves_work_undone() {
    let mut wrong = Vec::new();
    for source in sources() {
        for word in [".unwrap()", "todo!", "unimplemented!", "FIXME", "XXX"] {
            if source.code.contains(word) {
                wrong.push(format!("{} has {word}", source.path.display()));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn every_file_says_what_it_is_for() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for source in sources() {
        let text = fs::read_to_string(root.join(&source.path)).unwrap();
        assert!(text.starts_with("//! "), "{} does not begin with its duty", source.path.display());
    }
}

#[test]
fn a_test_is_skipped_by_one_function_which_can_be_told_to_fail() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut frontier = vec![root.join("src"), root.join("tests")];
    while let Some(folder) = frontier.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                frontier.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let prints = concat!("eprintln!(\"", "skipped");
                let says = fs::read_to_string(&path).unwrap().contains(prints);
                assert_eq!(says, path.ends_with("tests/common/machine.rs"), "{}", path.display());
            }
        }
    }
    let check = |demanded: &str, expected: [bool; 3]| {
        let lacks = [machine::Lack::Git, machine::Lack::Python, machine::Lack::User];
        assert_eq!(lacks.map(|lack| lack.is_demanded(demanded)), expected, "{demanded}");
    };
    check("", [false, false, false]);
    check("git", [true, false, false]);
    check("python, git", [true, true, false]);
    check("all", [true, true, false]);
    check("all,user", [true, true, true]);
    assert!(std::panic::catch_unwind(|| machine::Lack::Git.is_demanded("gti")).is_err());
}

/// The braces of `use crate::{…}`, and a way up out of a room, would be imports that the table of rooms does not see.
#[test]
fn what_is_imported_is_named_in_full() {
    let mut wrong = Vec::new();
    for source in sources() {
        for way in ["crate::{", "crate::*", "crate as "] {
            if source.code.contains(way) {
                wrong.push(format!("{} has `{way}`", source.path.display()));
            }
        }
        let depth = source.path.components().count();
        for (number, line) in source.code.lines().enumerate() {
            // From `src/a/b.rs` two steps up is the crate itself, from `src/a/mod.rs` one.
            let steps_inside = depth - 1 - usize::from(source.path.ends_with("mod.rs"));
            if longest_way_up(line) > steps_inside {
                wrong.push(format!("{}:{number} leaves its room: {line}", source.path.display()));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// Counts the steps of the longest `super::super::…` in a line.
fn longest_way_up(line: &str) -> usize {
    let way = |count: usize| line.contains(&"super::".repeat(count));
    (1..).take_while(|count| way(*count)).count()
}

#[test]
fn refused_words_name_nothing_public() {
    let refused = ["Event", "Job", "Dataset", "Context", "Manager", "Util", "Helper", "Handler", "Service"];
    let mut wrong = Vec::new();
    for source in sources() {
        for line in source.code.lines() {
            let line = line.trim();
            let declares =
                ["pub struct ", "pub enum ", "pub trait ", "pub fn "].iter().any(|d| line.starts_with(d));
            if declares && refused.iter().any(|word| line.contains(word)) {
                wrong.push(format!("{}: {line}", source.path.display()));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn the_top_level_is_the_one_agreed() {
    let allowed = [
        "Cargo.toml",
        "Cargo.lock",
        "LICENSE",
        "README.md",
        "src",
        "benches",
        "tests",
        "data",
        "models",
        "target",
    ];
    for entry in fs::read_dir(env!("CARGO_MANIFEST_DIR")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            name.starts_with('.') || allowed.contains(&name.as_str()),
            "`{name}` has no place at the top level"
        );
    }
}

#[test]
fn readme_names_every_command_and_help_names_every_option() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let help = assert_cmd::Command::cargo_bin("lineage").unwrap().arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let commands =
        help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let mut count = 0;
    for line in commands {
        let command = line.split_whitespace().next().unwrap();
        // What goes on from the line above is indented further.
        let begins = line.starts_with("  ") && !line.starts_with("   ");
        if begins && command != "help" {
            count += 1;
            assert!(
                readme.contains(&format!("lineage {command}")),
                "README does not name `lineage {command}`"
            );
        }
    }
    assert!(count >= 6, "help lists {count} commands");
}
