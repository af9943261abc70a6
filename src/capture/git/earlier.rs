//! Which commit `HEAD` was at some time in the past, as far as the repository still knows.

use std::io::Read as _;
use std::path::Path;

use gix::hash::ObjectId;

use super::open::{Head, cannot, head, witnesses_of};
use crate::digests::{self, Stamp};
use crate::error::Result;

/// What `HEAD` was.
pub(super) enum Earlier {
    /// What it is now.
    AsNow(Head),
    /// This commit, by its full id.
    Commit(String),
    /// A branch without a commit.
    Unborn,
    /// Nothing tells.
    NotKnown,
}

/// Says what `HEAD` was at a time, in nanoseconds since 1970: what it is now, unless its files were changed since. Where they
/// were, git's log of `HEAD` knows, whose times are whole seconds.
pub(super) fn head_at(repo: &gix::Repository, at_ns: i64) -> Result<Earlier> {
    let is_later = |file: &Path| {
        let found = file.symlink_metadata();
        found.is_ok_and(|found| Stamp::of(&found).mtime_ns >= at_ns)
    };
    let log = repo.git_dir().join("logs").join("HEAD");
    if !log.is_file() {
        let is_changed = witnesses_of(repo).iter().any(|file| is_later(file));
        return if is_changed { Ok(Earlier::NotKnown) } else { Ok(Earlier::AsNow(head(repo)?)) };
    }
    if !is_later(&log) {
        return Ok(Earlier::AsNow(head(repo)?));
    }
    let mut lines = Vec::new();
    let read = digests::open(&log).and_then(|mut file| file.read_to_end(&mut lines));
    read.map_err(|cause| cannot(repo, "the log of `HEAD`", cause))?;
    Ok(from_log(&lines, at_ns.div_euclid(1_000_000_000)))
}

/// Reads out of a log of `HEAD` what it was at a second, where its lines tell: those of that very second may come before or after.
fn from_log(lines: &[u8], at_s: i64) -> Earlier {
    let mut before = None;
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let Some(move_of_head) = Move::read(line) else { return Earlier::NotKnown };
        if move_of_head.at_s == at_s {
            return Earlier::NotKnown;
        }
        if move_of_head.at_s > at_s {
            return earlier(before.unwrap_or(move_of_head.from));
        }
        before = Some(move_of_head.to);
    }
    before.map_or(Earlier::NotKnown, earlier)
}

fn earlier(id: ObjectId) -> Earlier {
    if id.is_null() { Earlier::Unborn } else { Earlier::Commit(id.to_string()) }
}

/// A line of the log: `<from> <to> <name> <<address>> <seconds> <zone>\t<why>`.
struct Move {
    from: ObjectId,
    to: ObjectId,
    at_s: i64,
}

impl Move {
    fn read(line: &[u8]) -> Option<Self> {
        let line = line.split(|byte| *byte == b'\t').next()?;
        let mut words = line.split(|byte| *byte == b' ');
        let from = ObjectId::from_hex(words.next()?).ok()?;
        let to = ObjectId::from_hex(words.next()?).ok()?;
        let at_s = words.rev().nth(1)?;
        Some(Move { from, to, at_s: std::str::from_utf8(at_s).ok()?.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(log: &str, at_s: i64, expected: &str) {
        let id = |digit: &str| if digit == "0" { "0".repeat(40) } else { digit.repeat(40) };
        let line = |line: &str| {
            let mut words = line.split(' ');
            let (from, to, at) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
            format!("{} {} A Name <a@b> {at} +0100\tcommit: 12 of them\n", id(from), id(to))
        };
        let log: String = log.split("; ").map(line).collect();
        let found = match from_log(log.as_bytes(), at_s) {
            Earlier::Commit(sha) => sha[..1].to_owned(),
            Earlier::Unborn => "unborn".to_owned(),
            Earlier::NotKnown => "not known".to_owned(),
            Earlier::AsNow(_) => "as now".to_owned(),
        };
        assert_eq!(found, expected, "{log} at {at_s}");
    }

    #[test]
    fn the_log_of_head_tells_what_it_was_between_two_of_its_seconds() {
        let log = "0 a 100; a b 200; b c 300";
        check(log, 150, "a");
        check(log, 250, "b");
        check(log, 350, "c");
        check(log, 50, "unborn");
        // The log may have been cut at its front.
        check("b c 300", 250, "b");
    }

    #[test]
    fn what_happened_in_the_very_second_is_not_known() {
        check("0 a 100; a b 200", 200, "not known");
    }
}
