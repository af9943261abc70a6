//! How a step ended that several processes were at work on.

use std::collections::HashSet;

use crate::capture::observe::{Observation, Process};
use crate::model::{StepStatus, recorded_word};

/// Judges a step by its leading process, as the shell and the run itself do: the one that none of the others started, of several
/// the one that nobody else of them reads from and that ended last. What its helpers came to is for it to judge; where one of
/// them did not return 0, that is told beside.
pub(super) fn ending(observation: &Observation, members: &[usize]) -> (StepStatus, Option<String>) {
    let processes = || members.iter().map(|index| &observation.processes[*index]);
    let is_member = |parent: usize| members.contains(&parent);
    // A program that replaced another goes on with its process.
    let leading: HashSet<i32> =
        processes().filter(|process| !process.parent.is_some_and(is_member)).map(|p| p.pid).collect();
    let leads = |process: &&Process| leading.contains(&process.pid);
    let pipe = |process: &Process, at: usize| process.standard[at].map(|channel| channel.inode);
    let feeds_another = |process: &Process| {
        let out = pipe(process, 1);
        out.is_some()
            && processes().any(|other| other.pid != process.pid && leads(&other) && pipe(other, 0) == out)
    };
    if !observation.is_whole && processes().filter(leads).any(|process| process.ended_us.is_none()) {
        return (StepStatus::Failed, Some(END_NOT_SEEN.to_owned()));
    }
    let ended = processes().filter(leads).filter(|process| process.exit_code.is_some());
    let last = ended.max_by_key(|process| (!feeds_another(process), process.ended_us));
    match last.and_then(|process| process.exit_code).filter(|code| *code != 0) {
        Some(code) => (StepStatus::Failed, Some(format!("exit code {code}"))),
        None => (StepStatus::Succeeded, of_helpers(processes())),
    }
}

/// What is said of a step that had not ended when the recording broke off, or of whose end nobody knew by then.
const END_NOT_SEEN: &str = "its end was not seen";

/// As many helpers are named.
const HELPERS_MAX: usize = 3;

fn of_helpers<'a>(processes: impl Iterator<Item = &'a Process>) -> Option<String> {
    let others = processes.filter_map(|process| {
        let code = process.exit_code.filter(|code| *code != 0)?;
        let name = process.exe.file_name().map(recorded_word).unwrap_or_default();
        Some(format!("{name} returned {code}"))
    });
    let mut words: Vec<String> = Vec::new();
    let mut left = 0;
    for word in others {
        match words.len() < HELPERS_MAX || words.contains(&word) {
            true if words.contains(&word) => {}
            true => words.push(word),
            false => left += 1,
        }
    }
    if left > 0 {
        words.push(format!("and {left} more"));
    }
    (!words.is_empty()).then(|| words.join(", "))
}
