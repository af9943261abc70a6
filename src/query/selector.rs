//! What a user may call a run.

use std::ops::ControlFlow;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::model::{Run, RunId};
use crate::query::history::{RunView, run_view};
use crate::store::{RunNo, Snapshot};

/// A way to name a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunSelector {
    /// `@` is the latest run, `@-` the one before, `@-3` three before the latest.
    Back(usize),
    /// Its run id, `20251212_174218`.
    Label(String),
    /// The last digits of its key, four at least: `e55a90bd`.
    Tail(String),
}

/// As many digits must a tail have at least.
const TAIL_MIN_DIGITS: usize = 4;

impl FromStr for RunSelector {
    type Err = Error;

    /// Reads `@`, `@-`, `@-3`, a run id, or the tail of a key.
    ///
    /// # Errors
    /// A request error where it is none of these.
    fn from_str(text: &str) -> Result<Self> {
        if let Some(back) = text.strip_prefix('@') {
            let back = match back.strip_prefix('-') {
                None if back.is_empty() => Some(0),
                None => None,
                Some(dashes) if dashes.bytes().all(|b| b == b'-') => Some(dashes.len() + 1),
                Some(number) => number.parse().ok(),
            };
            return back.map(RunSelector::Back).ok_or_else(|| {
                Error::request(format!("`{}` names no run", text.escape_debug()))
                    .hint("`@` is the latest run, `@-` the one before, `@-3` three before the latest")
            });
        }
        if text.parse::<crate::model::RunId>().is_ok() {
            return Ok(RunSelector::Label(text.to_owned()));
        }
        let plain = text.replace('-', "");
        let right =
            (TAIL_MIN_DIGITS..=32).contains(&plain.len()) && plain.bytes().all(|b| b.is_ascii_hexdigit());
        if right {
            return Ok(RunSelector::Tail(plain.to_ascii_lowercase()));
        }
        Err(Error::request(format!("`{}` names no run", text.escape_debug()))
            .hint("a run is `@`, `@-`, a run id such as 20251212_174218, or the end of its key such as e55a90bd; `lineage log` lists them"))
    }
}

/// Finds the run that `selector` names.
///
/// # Errors
/// A request error where there is none, or several.
pub fn find_run(snapshot: &Snapshot, selector: &RunSelector) -> Result<RunNo> {
    let none = |what: String| Error::request(what).hint("`lineage log` lists the runs");
    let found = match selector {
        RunSelector::Back(back) => {
            let mut left = *back;
            let found = snapshot.runs_newest_first(|number| {
                if left == 0 {
                    return Ok(ControlFlow::Break(number));
                }
                left -= 1;
                Ok(ControlFlow::Continue(()))
            })?;
            let what = match back {
                0 => "no run is recorded yet".to_owned(),
                back => format!("there are not {} runs", back + 1),
            };
            return found.break_value().ok_or_else(|| none(what));
        }
        RunSelector::Label(label) => {
            (labelled(snapshot, label)?.into_iter().collect(), format!("no run has the run id `{label}`"))
        }
        RunSelector::Tail(tail) => {
            (snapshot.runs_with_tail(tail, 2)?, format!("no run's key ends in `{tail}`"))
        }
    };
    match found {
        (runs, what) if runs.is_empty() => Err(none(what)),
        (runs, _) if runs.len() == 1 => Ok(runs[0]),
        (runs, _) => {
            let mut names = Vec::new();
            for number in runs {
                names.extend(run_view(snapshot, number)?.map(|view| format!("`{}`", view.run.id.hex())));
            }
            names.sort();
            Err(Error::request(format!("several runs are meant: {}", names.join(", ")))
                .hint("give more digits"))
        }
    }
}

/// Finds the run that is shown with a label. Of several with the same, the first by key has it as it is, the second with `_2`.
fn labelled(snapshot: &Snapshot, label: &str) -> Result<Option<RunNo>> {
    if let Some(first) = snapshot.runs_labelled(label)?.first() {
        return Ok(Some(*first));
    }
    let parsed: Option<RunId> = label.parse().ok();
    let Some((label, place)) = parsed.as_ref().and_then(RunId::taken_apart) else {
        return Ok(None);
    };
    Ok(snapshot.runs_labelled(label)?.get(place).copied())
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
    fn a_run_is_named_from_the_latest_by_its_id_or_by_its_tail() {
        check("@", Some(RunSelector::Back(0)));
        check("@-", Some(RunSelector::Back(1)));
        check("@--", Some(RunSelector::Back(2)));
        check("@-3", Some(RunSelector::Back(3)));
        check("20251212_174218", Some(RunSelector::Label("20251212_174218".to_owned())));
        check("E55A90BD", Some(RunSelector::Tail("e55a90bd".to_owned())));
        for text in ["", "@x", "abc", "xyz12345", "data/raw", "@-x"] {
            check(text, None);
        }
    }
}
