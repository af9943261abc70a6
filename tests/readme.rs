//! README is true: every command shown in it is run, in its order, and prints what README says it prints.
//!
//! What changes from run to run (keys, digests, times, sizes) is compared by shape: a word that holds a digit stands for any
//! other word that holds a digit, an absolute path for any other, and spaces are not counted. Numbers that count or score stand for
//! themselves.

#[allow(dead_code)]
#[path = "common/machine.rs"]
mod machine;

use std::path::Path;
use std::process::Command;

use machine::{Lack, skipped};

fn readme() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap()
}

/// Returns the contents of the code blocks in a language.
fn blocks(language: &str) -> Vec<String> {
    let text = readme();
    let mut blocks = Vec::new();
    let mut rest = text.as_str();
    let opening = format!("```{language}\n");
    while let Some(start) = rest.find(&opening) {
        let body = &rest[start + opening.len()..];
        let end = body.find("\n```").expect("a block of README is not closed");
        blocks.push(body[..=end].to_owned());
        rest = &body[end..];
    }
    blocks
}

/// Replaces each word with a digit in it by `#`, unless it is a number that counts or scores, and runs of spaces by one.
fn shape(text: &str) -> String {
    let mut lines = Vec::new();
    for line in text.lines() {
        let nexts = line.split_whitespace().skip(1).chain([""]);
        let words = line.split_whitespace().zip(nexts).map(|(word, next)| {
            if word.starts_with('/') {
                return "#".to_owned();
            }
            if is_number(word) && !is_unit(next) {
                return word.to_owned();
            }
            let parts = word.split('/').map(|part| if varies(part) { "#" } else { part });
            parts.collect::<Vec<_>>().join("/")
        });
        lines.push(words.collect::<Vec<_>>().join(" "));
    }
    lines.join("\n").trim().to_owned()
}

/// Returns true for a whole number of up to four digits, or a small decimal, at the end of part of a sentence or not.
fn is_number(word: &str) -> bool {
    let word = word.trim_end_matches([',', ';']);
    let (whole, part) = word.split_once('.').unwrap_or((word, "0"));
    let is_short =
        |digits: &str| (1..=4).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    is_short(whole) && is_short(part)
}

/// Returns true for the units of what is measured: times and sizes.
fn is_unit(word: &str) -> bool {
    let word = word.trim_end_matches([',', ';', ':', '.']);
    ["us", "ms", "s", "m", "h", "bytes", "KB", "MB", "GB", "KB/s", "MB/s"].contains(&word)
}

/// Returns true for words that differ from run to run: those with a digit, and abbreviated SHAs and keys without one.
fn varies(word: &str) -> bool {
    let is_hex = word.len() >= 7 && word.chars().all(|c| c.is_ascii_hexdigit());
    is_hex || word.chars().any(|c| c.is_ascii_digit())
}

/// Makes a repository with the sample filings, as README's reader has one.
fn repository() -> Option<tempfile::TempDir> {
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("data/raw");
    std::fs::create_dir_all(&raw).unwrap();
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("data/raw")).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, raw.join(path.file_name().unwrap())).unwrap();
    }
    let made = shell(folder.path(), "git init -q -b main . && git add -A && git commit -q -m 'Add filings'");
    match made {
        Some((_, 0)) => Some(folder),
        _ => {
            skipped(Lack::Git, "git is not to be had");
            None
        }
    }
}

/// Runs a line in an emptied environment; returns what it printed and its exit code.
fn shell(folder: &Path, line: &str) -> Option<(String, i32)> {
    let program = Path::new(env!("CARGO_BIN_EXE_lineage"));
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let output = Command::new("sh")
        .args(["-c", &format!("{{ {line}\n}} 2>&1")])
        .current_dir(folder)
        .env_clear()
        .envs([("PATH", path.as_str()), ("HOME", "/nonexistent"), ("GIT_CONFIG_GLOBAL", "/dev/null")])
        .envs([("GIT_AUTHOR_NAME", "A"), ("GIT_AUTHOR_EMAIL", "a@example.org")])
        .envs([("GIT_COMMITTER_NAME", "A"), ("GIT_COMMITTER_EMAIL", "a@example.org")])
        .output()
        .ok()?;
    Some((String::from_utf8_lossy(&output.stdout).into_owned(), output.status.code().unwrap_or(-1)))
}

/// Compares lines, of which `…` stands for any number.
fn is_shown(shown: &str, printed: &str) -> bool {
    let (shown, printed): (Vec<&str>, Vec<&str>) = (shown.lines().collect(), printed.lines().collect());
    let Some(first) = shown.iter().position(|line| *line == "…") else { return shown == printed };
    let Some(mut rest) = printed.strip_prefix(&shown[..first]) else { return false };
    let mut pieces: Vec<&[&str]> = shown[first + 1..].split(|line| *line == "…").collect();
    let last = pieces.pop().unwrap_or(&[]);
    for piece in pieces {
        let at = (0..=rest.len()).find(|at| rest[*at..].starts_with(piece));
        let Some(at) = at else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last)
}

#[test]
fn lines_are_left_out_only_where_that_is_said() {
    for (shown, is_true) in [
        ("a\nb\nc", true),
        ("a\n…", true),
        ("…\nc", true),
        ("…", true),
        ("a\n…\nc", true),
        ("…\nb\n…", true),
        ("a\nb", false),
        ("b\n…", false),
        ("…\nb", false),
        ("…\nc\n…\nb\n…", false),
        ("", false),
    ] {
        assert_eq!(is_shown(shown, "a\nb\nc"), is_true, "{shown}");
    }
}

#[test]
fn every_command_shown_prints_what_is_shown() {
    let Some(folder) = repository() else { return };
    let mut commands = 0;
    for block in blocks("console") {
        let mut parts = block.split("$ ");
        assert_eq!(parts.next(), Some(""), "a block of README does not begin with a command:\n{block}");
        for part in parts {
            let (command, expected) = part.split_once('\n').unwrap_or((part, ""));
            let (printed, code) = shell(folder.path(), command).unwrap();
            assert_eq!(code, i32::from(command == "lineage status"), "`{command}` ends so:\n{printed}");
            let (expected, printed) = (shape(expected), shape(&printed));
            assert!(
                is_shown(&expected, &printed),
                "README is not true of `{command}`:\n--- README\n{expected}\n--- printed\n{printed}"
            );
            commands += 1;
        }
    }
    assert!(commands >= 6, "README shows {commands} commands");
}

#[test]
fn two_commands_start_it_on_a_fresh_machine() {
    let commands: Vec<String> = blocks("sh").iter().map(|block| block.trim().to_owned()).collect();
    assert_eq!(commands, ["cargo run --release -- pipeline", "cargo test"]);
    let ci = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(".ci/run")).unwrap();
    assert!(ci.contains("cargo test"), ".ci/run does not run README's tests");
    // The program that `cargo run` would build is this one; what it prints last must work when pasted.
    let Some(folder) = repository() else { return };
    let (printed, code) = shell(folder.path(), "lineage pipeline").unwrap();
    assert_eq!(code, 0, "{printed}");
    let line = printed.lines().last().unwrap();
    let command = line.strip_prefix("try: ").unwrap_or_else(|| panic!("the last line is `{line}`"));
    let (shown, code) = shell(folder.path(), command).unwrap();
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("data/raw/"), "it does not lead back to a filing:\n{shown}");
}
