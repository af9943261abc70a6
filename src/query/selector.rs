//! What a user may call a run.

use std::ops::ControlFlow;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::model::{Digest, Run, RunId};
use crate::query::history::{RunView, run_view, unique_tail};
use crate::query::labels::run_shown_as;
use crate::query::together::began_inside;
use crate::store::{RunNo, Snapshot, Term};

/// A way to name a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunSelector {
    /// `@` is the latest run, `@-` the one before, `@-3` three before the latest; `~` stands for `-`, as in git. Repetitions do
    /// not count: who has a run repeated goes on with what the run made. Nor does what began inside of another run: that one is
    /// what its user ran.
    Back(usize),
    /// Its key, or the last digits of it.
    Tail(String),
    /// As people write it: its run id, `20251212_174218`; the last digits of its key, four at least: `e55a90bd`; or its name,
    /// where no other run has it. Of these the first goes before the others.
    Word(String),
}

/// As many digits must a tail have at least.
const TAIL_MIN_DIGITS: usize = 4;
/// As many runs of one name are told apart.
const CANDIDATES_MAX: usize = 5;

impl FromStr for RunSelector {
    type Err = Error;

    /// Reads `@`, `@-`, `@-3`, `@~3`, a run id, the tail of a key, or a name.
    ///
    /// # Errors
    /// A request error where it is none of these.
    fn from_str(text: &str) -> Result<Self> {
        if let Some(back) = text.strip_prefix('@') {
            let back = match back.chars().next() {
                None => Some(0),
                Some(mark @ ('-' | '~')) => match &back[1..] {
                    marks if marks.chars().all(|other| other == mark) => Some(back.len()),
                    number => number.parse().ok(),
                },
                Some(_) => None,
            };
            return back.map(RunSelector::Back).ok_or_else(|| {
                Error::request(format!("`{}` names no run", text.escape_debug()))
                    .hint("`@` is the latest run, `@-` the one before, `@-3` three before the latest")
            });
        }
        if text.trim().is_empty() || text.contains(char::is_control) {
            return Err(names_no_run(text));
        }
        Ok(RunSelector::Word(text.to_owned()))
    }
}

impl RunSelector {
    /// Returns true for a word that can be nothing but the name of a run.
    pub fn is_name(&self) -> bool {
        match self {
            RunSelector::Word(word) => word.parse::<RunId>().is_err() && digits_of(word).is_none(),
            RunSelector::Back(_) | RunSelector::Tail(_) => false,
        }
    }
}

/// Returns the digits of a word that may be the end of a key, or all of it as it is written with `-`.
fn digits_of(word: &str) -> Option<String> {
    let plain = word.replace('-', "");
    let right = (TAIL_MIN_DIGITS..=32).contains(&plain.len()) && plain.bytes().all(|b| b.is_ascii_hexdigit());
    right.then(|| plain.to_ascii_lowercase())
}

fn names_no_run(word: &str) -> Error {
    Error::not_found(format!("`{}` names no run", word.escape_debug())).hint(
        "a run is `@`, `@-`, a run id such as 20251212_174218, the end of its key such as e55a90bd, or its name; \
         `lineage log` lists them",
    )
}

/// As many digits of a digest must be given at least.
const DIGEST_MIN_DIGITS: usize = 4;

/// Finds the digest that `word` names: `blake3:` and all of its digits, or as many of the first as no other recorded content has.
///
/// # Errors
/// A request error where it is no digest, where it begins none that is recorded, or several.
pub fn find_digest(snapshot: &Snapshot, word: &str) -> Result<Digest> {
    let digits = word.strip_prefix("blake3:").unwrap_or_default().to_ascii_lowercase();
    let is_short = (DIGEST_MIN_DIGITS..64).contains(&digits.len());
    if digits.len() < DIGEST_MIN_DIGITS && word.starts_with("blake3:") {
        return Err(Error::request(format!(
            "`{}` has too few digits to name a content",
            word.escape_debug()
        ))
        .hint(format!("give {DIGEST_MIN_DIGITS} or more of the first digits of its digest")));
    }
    if !is_short || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return word.parse();
    }
    let found = snapshot.digests_beginning(&digits, CANDIDATES_MAX + 1)?;
    match found.as_slice() {
        [one] => Ok(*one),
        [] => Err(Error::not_found(format!("no recorded content has a digest that begins with `{word}`"))
            .hint("`lineage show FILE` prints those of a file")),
        several => {
            let more = if several.len() > CANDIDATES_MAX { ", …" } else { "" };
            let named: Vec<String> = several.iter().take(CANDIDATES_MAX).map(ToString::to_string).collect();
            Err(Error::request(format!("`{word}` begins several digests"))
                .hint(format!("give more digits of one of {}{more}", named.join(", "))))
        }
    }
}

/// Finds the run that `selector` names.
///
/// # Errors
/// A request error where there is none, or several.
pub fn find_run(snapshot: &Snapshot, selector: &RunSelector) -> Result<RunNo> {
    let none = |what: String| Error::not_found(what).hint("`lineage log` lists the runs");
    find_run_if_any(snapshot, selector)?.ok_or_else(|| match selector {
        RunSelector::Back(0) => none("no run is recorded yet".to_owned()),
        RunSelector::Back(back) => none(format!(
            "there are not {} runs, repetitions and parts of runs not counted",
            back.saturating_add(1)
        )),
        RunSelector::Tail(tail) => none(format!("no run's key ends in `{tail}`")),
        RunSelector::Word(word) if word.parse::<RunId>().is_ok() => {
            none(format!("no run has the run id `{word}`"))
        }
        RunSelector::Word(word) => match digits_of(word) {
            Some(digits) => none(format!("no run's key ends in `{digits}`, and none has that name")),
            None => names_no_run(word),
        },
    })
}

/// Finds the run that `selector` names; `None` where there is none.
///
/// # Errors
/// A request error where there are several.
pub fn find_run_if_any(snapshot: &Snapshot, selector: &RunSelector) -> Result<Option<RunNo>> {
    match selector {
        RunSelector::Back(back) => run_back(snapshot, *back, &mut |_| Ok(true)),
        RunSelector::Tail(tail) => by_tail(snapshot, tail),
        RunSelector::Word(word) => {
            if let Ok(label) = word.parse::<RunId>()
                && let Some(found) = run_shown_as(snapshot, &label)?
            {
                return Ok(Some(found));
            }
            if let Some(digits) = digits_of(word)
                && let Some(found) = by_tail(snapshot, &digits)?
            {
                return Ok(Some(found));
            }
            by_name(snapshot, word)
        }
    }
}

/// Finds the run so many before the latest one, of those that `counts` accepts; `None` where there are not so many.
///
/// # Errors
/// A store error where a record is damaged.
pub fn run_back(
    snapshot: &Snapshot,
    back: usize,
    counts: &mut dyn FnMut(RunNo) -> Result<bool>,
) -> Result<Option<RunNo>> {
    let mut left = back;
    let found = snapshot.runs_newest_first(|number| {
        let is_repetition = snapshot.run(number)?.is_some_and(|run| run.rerun_of.is_some());
        if is_repetition || began_inside(snapshot, number)? || !counts(number)? {
            return Ok(ControlFlow::Continue(()));
        }
        if left == 0 {
            return Ok(ControlFlow::Break(number));
        }
        left -= 1;
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(found.break_value())
}

fn by_tail(snapshot: &Snapshot, tail: &str) -> Result<Option<RunNo>> {
    let found = snapshot.runs_with_tail(tail, 2)?;
    if found.len() < 2 {
        return Ok(found.first().copied());
    }
    let mut names = Vec::new();
    for number in found {
        names.extend(run_view(snapshot, number)?.map(|view| format!("`{}`", view.run.id.hex())));
    }
    names.sort();
    Err(Error::request(format!("several runs are meant: {}", names.join(", "))).hint("give more digits"))
}

/// Finds the one run that has a name; of several none is the one that is meant. The repetitions of a run have its name, and
/// take it from nobody.
fn by_name(snapshot: &Snapshot, name: &str) -> Result<Option<RunNo>> {
    let mut found: Vec<(RunNo, Run)> = Vec::new();
    let term = Term::Name(name.into());
    let more = snapshot.runs_with(&term, |number| {
        // The index only narrows it down, and may name a run twice.
        let run = snapshot.run(number)?.filter(|run| run.name == name && run.rerun_of.is_none());
        if let Some(run) = run.filter(|_| found.iter().all(|(known, _)| *known != number)) {
            found.push((number, run));
        }
        Ok(if found.len() > CANDIDATES_MAX { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    if found.len() < 2 {
        return Ok(found.first().map(|(number, _)| *number));
    }
    let mut candidates = Vec::new();
    for (_, run) in found.iter().take(CANDIDATES_MAX) {
        let started = run.started_at.format("%Y-%m-%d %H:%M:%S");
        candidates.push(format!("{} of {started} UTC", unique_tail(snapshot, run.id)?));
    }
    let latest = unique_tail(snapshot, found[0].1.id)?;
    let more = if more.is_break() { " and older ones" } else { "" };
    Err(Error::request(format!(
        "several runs are named `{}`: {}{more}",
        name.escape_debug(),
        candidates.join(", ")
    ))
    .hint(format!("name one by the end of its key; the latest is {latest}")))
}

/// Finds the latest run that `wanted` accepts.
///
/// # Errors
/// A store error where a record is damaged.
pub fn latest_run(snapshot: &Snapshot, wanted: &dyn Fn(&Run) -> bool) -> Result<Option<RunView>> {
    let found = snapshot.runs_newest_first(|number| {
        let is_wanted = snapshot.run(number)?.is_some_and(|run| wanted(&run));
        Ok(if is_wanted { ControlFlow::Break(number) } else { ControlFlow::Continue(()) })
    })?;
    found.break_value().map_or(Ok(None), |number| run_view(snapshot, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<RunSelector>) {
        assert_eq!(text.parse::<RunSelector>().ok(), expected, "{text}");
    }

    #[test]
    fn a_run_is_named_from_the_latest_or_by_a_word_of_its_own() {
        check("@", Some(RunSelector::Back(0)));
        check("@-", Some(RunSelector::Back(1)));
        check("@--", Some(RunSelector::Back(2)));
        check("@-3", Some(RunSelector::Back(3)));
        check("@~", Some(RunSelector::Back(1)));
        check("@~~", Some(RunSelector::Back(2)));
        check("@~3", Some(RunSelector::Back(3)));
        for word in ["20251212_174218", "E55A90BD", "abc", "train (lr = 0.1)"] {
            check(word, Some(RunSelector::Word(word.to_owned())));
        }
        for text in ["", " ", "@x", "@-x", "@-~", "@~-1", "@--1", "a\nb"] {
            check(text, None);
        }
        let is_name = |text: &str| text.parse::<RunSelector>().is_ok_and(|selector| selector.is_name());
        assert!(is_name("abc") && is_name("data") && !is_name("E55A90BD") && !is_name("20251212_174218"));
        assert!(!is_name("@-"));
    }
}
