//! What must be done again, in which order, and which models are made from what has changed.

use serde_json::{Value, json};

use super::{CAUSES_MAX, cause, cause_json};
use crate::model::{command_line, redirections};
use crate::ops::status::{Redo, RedoCaveat, RedoHow, StaleModel};
use crate::render::models::{stage_words, view_json};
use crate::render::show_json::run_head_json;
use crate::render::units::{command_words, counted, one_line};

/// Writes a run that is to be done again: what of it, since when, and how.
pub(super) fn row(redo: &Redo) -> Vec<String> {
    let mut what = Vec::new();
    for (count, word) in [(redo.stale, "stale"), (redo.lost, "lost")] {
        if count > 0 {
            what.push(format!("{count} {word}"));
        }
    }
    let mut what = match what.is_empty() {
        true => Vec::new(),
        false => vec![format!("{} of {}", what.join(", "), counted(redo.files, "file", "files"))],
    };
    if redo.new > 0 {
        what.push(counted(redo.new, "new input", "new inputs"));
    }
    let mut why: Vec<String> = redo.cause.iter().map(cause).collect();
    if !redo.after.is_empty() {
        let mut tails: Vec<&str> = redo.after.iter().take(CAUSES_MAX).map(String::as_str).collect();
        let more = match redo.after.len() - tails.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let last = tails.pop().unwrap_or_default();
        let tails = if tails.is_empty() { last.to_owned() } else { format!("{}, {last}", tails.join(", ")) };
        why.push(format!("after {tails}{more}"));
    }
    why.extend(redo.caveats.iter().map(|caveat| caveat_words(*caveat, redo)));
    let name = one_line(&redo.head.view.run.name);
    vec![redo.head.tail.clone(), name, what.join(", "), why.join("; "), how_words(redo)]
}

/// Says what is to be known of a run before it is done again.
fn caveat_words(caveat: RedoCaveat, redo: &Redo) -> String {
    match caveat {
        RedoCaveat::Imported => "taken over: how it was made is not recorded".to_owned(),
        RedoCaveat::NoCommand => "its command is not recorded".to_owned(),
        RedoCaveat::Masked => "something is masked in its command".to_owned(),
        RedoCaveat::Running => "it is at work".to_owned(),
        RedoCaveat::Interrupted => "it was interrupted".to_owned(),
        RedoCaveat::Failed => "it failed".to_owned(),
        RedoCaveat::OtherWorkspace => "it is of another workspace".to_owned(),
        RedoCaveat::OtherHost => format!("it ran on {}", one_line(&redo.head.view.run.host)),
    }
}

fn how_words(redo: &Redo) -> String {
    let run = &redo.head.view.run;
    match redo.how {
        RedoHow::Unknown => String::new(),
        RedoHow::Resume => resume(redo),
        RedoHow::Command => {
            let led = one_line(&redirections(run.streams.as_deref().unwrap_or_default()));
            let folder =
                if run.folder.is_empty() { String::new() } else { format!("  in {}", one_line(&run.folder)) };
            format!("{}{led}{folder}", command_words(&run.arguments))
        }
    }
}

fn resume(redo: &Redo) -> String {
    format!("lineage pipeline --resume {}", redo.head.tail)
}

/// Says that a command makes more than what is to be made again.
pub(super) fn whole_runs(runs: &[Redo]) -> String {
    let is_part =
        |redo: &&Redo| redo.how == RedoHow::Command && redo.new == 0 && redo.stale + redo.lost < redo.files;
    match runs.iter().filter(is_part).count() {
        0 => String::new(),
        _ => "  a command makes all its files anew, also those that are as they should be\n\n".to_owned(),
    }
}

/// Writes a run that is to be done again as JSON.
pub(super) fn json(redo: &Redo) -> Value {
    let run = &redo.head.view.run;
    let command = match redo.how {
        RedoHow::Unknown => None,
        RedoHow::Resume => Some(resume(redo)),
        RedoHow::Command => {
            let led = redirections(run.streams.as_deref().unwrap_or_default());
            Some(format!("{}{led}", command_line(&run.arguments)))
        }
    };
    json!({
        "run": run_head_json(&redo.head),
        "command": command,
        "folder": run.folder,
        "stale": redo.stale,
        "lost": redo.lost,
        "new": redo.new,
        "files": redo.files,
        "cause": redo.cause.as_ref().map(cause_json),
        "after": redo.after,
        "caveats": redo.caveats.iter().map(|caveat| caveat.as_str()).collect::<Vec<_>>(),
    })
}

/// Writes a model version that holds stale files.
pub(super) fn model_row(model: &StaleModel) -> Vec<String> {
    let mut files: Vec<String> = model.files.iter().take(CAUSES_MAX).map(ToString::to_string).collect();
    match model.files.len() - files.len() {
        0 => {}
        more => files.push(format!("and {more} more")),
    }
    vec![one_line(&model.view.label()), stage_words(&model.view), files.join(", ")]
}

/// Writes a model version that holds stale files as JSON.
pub(super) fn model_json(model: &StaleModel) -> Value {
    let mut value = view_json(&model.view);
    value["stale_files"] = model.files.iter().map(|path| json!(path.in_json())).collect();
    value
}
