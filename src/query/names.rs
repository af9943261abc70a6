//! One file under several names: a source that was read at one path, and after that at another.

use std::ops::ControlFlow;

use crate::error::Result;
use crate::query::origin::{Origin, is_telling, origin};
use crate::store::{ArtifactNo, Snapshot};

/// What lies in more places is nobody's file under other names.
const NAMES_MAX: usize = 100;

/// Finds the other names of a source: the versions with its bytes that no recorded step wrote, where all that was read of the one was
/// read before the other was first read. What was read in turn are two files with the same bytes: who read one did not read the other.
///
/// Few bytes prove nothing. That it is one file is concluded from its bytes, and no surer than that.
///
/// # Errors
/// A store error where a record is damaged.
pub fn other_names_of(snapshot: &Snapshot, version: ArtifactNo) -> Result<Vec<ArtifactNo>> {
    if !is_telling(snapshot.content(version)?.1) || !snapshot.have_copies(&[version])?[0] {
        return Ok(Vec::new());
    }
    let Some(own) = known_since(snapshot, version)? else { return Ok(Vec::new()) };
    let mut equal = Vec::new();
    let all = snapshot.copies_of(version, |other| {
        equal.push(other);
        Ok(if equal.len() > NAMES_MAX { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    if all.is_break() {
        return Ok(Vec::new());
    }
    let mut names = Vec::new();
    for other in equal.into_iter().filter(|other| *other != version) {
        let Some(since) = known_since(snapshot, other)? else { continue };
        let (earlier, later) = if own < since { (version, since) } else { (other, own) };
        if snapshot.first_read_since(earlier, later)?.is_none() {
            names.push(other);
        }
    }
    Ok(names)
}

/// Returns when a source was first read; `None` where a recorded step wrote it, or wrote its bytes elsewhere before, so that it is a copy
/// of that, and of what is no file.
fn known_since(snapshot: &Snapshot, version: ArtifactNo) -> Result<Option<i64>> {
    if snapshot.is_written(version)? || snapshot.artifact_path(version)?.is_environment() {
        return Ok(None);
    }
    let Some((first, _)) = snapshot.first_read(version)? else { return Ok(None) };
    let is_source = matches!(origin(snapshot, version, first, None)?, Origin::Source);
    Ok(is_source.then_some(first))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ArtifactPath;
    use crate::query::histories::history;

    /// Lists the other names of `a` with the bytes `S`.
    fn check(text: &str, expected: &[&str]) {
        let text = text.replace("=S", &format!("={}", "s".repeat(64)));
        let snapshot = &history(&text).snapshot;
        let path = snapshot.path_no(&ArtifactPath::new("a").unwrap()).unwrap().unwrap();
        let mut names: Vec<String> = Vec::new();
        for version in snapshot.versions(path).unwrap() {
            for name in other_names_of(snapshot, version).unwrap() {
                names.push(snapshot.artifact_path(name).unwrap().to_string());
            }
        }
        names.sort();
        assert_eq!(names, expected, "{text}");
    }

    #[test]
    fn a_source_has_another_name_where_that_was_read_only_after_it_or_before() {
        check("1 p x: a=S -> o=1\n2 p x: b=S -> p=1", &["b"]);
        check("1 p x: b=S -> o=1\n2 p x: c=S -> o=2\n3 p x: a=S -> p=1", &["b", "c"]);
        check("1 p x: a=S -> o=1\n2 p x: b=S -> p=1\n3 p x: a=S -> q=1", &[]);
        check("1 p x: a=S b=S -> o=1", &[]);
        // A run wrote one of them, or its bytes elsewhere, or they are few bytes.
        check("1 p x: a=S -> b=S\n2 p x: b=S -> p=1", &[]);
        check("1 p x: a=S -> m=S\n2 p x: b=S -> p=1", &[]);
        check("1 p x: a=1 -> o=1\n2 p x: b=1 -> p=1", &[]);
    }
}
