//! What `lineage show` found, as text for people.

mod file;
mod fold;
mod models;
mod projected;
mod run;
mod so_far;
mod trace;

use std::collections::HashSet;
use std::fmt::Write as _;

use crate::model::Note;
use crate::ops::show::{LinkedReport, ProjectedOrigin, Shown};
use crate::render::units::one_line;

pub use run::remark_words;
pub(crate) use run::{code_words, other_repository, status};
pub(crate) use trace::{cut_words, folded_words, runs_lacking};

use file::{file, segment};
pub(crate) use file::{names_of, removed_words};
use models::model;
use projected::projected;
use run::run;
use so_far::at_work;

/// Writes the answer for people.
pub fn text(shown: &Shown) -> String {
    let mut text = String::new();
    match shown {
        Shown::File(report) => file(report, &mut text),
        Shown::Run(report) => run(report, &mut text),
        Shown::Model(report) => model(report, &mut text),
        Shown::Segment(report) => segment(report, &mut text),
        Shown::Projected(report) => projected(report, &mut text),
        Shown::AtWork(report) => at_work(report, &mut text),
        // What it leads to has its environments at its end.
        Shown::Linked(report) => return linked(report),
    }
    for (run, list) in environments(shown) {
        let _ = writeln!(text, "\nenvironment of run {run}");
        for line in list.lines() {
            let _ = writeln!(text, "  {}", one_line(line));
        }
    }
    text
}

/// Returns the environments that were asked for.
pub(crate) fn environments(shown: &Shown) -> &[(String, String)] {
    match shown {
        Shown::File(report) => &report.environments,
        Shown::Linked(report) => environments(&report.shown),
        Shown::Run(report) => &report.environments,
        Shown::Model(report) => &report.environments,
        Shown::Segment(report) => &report.file.environments,
        Shown::AtWork(_) => &[],
        Shown::Projected(report) => match &report.origin {
            ProjectedOrigin::Run(report) => &report.environments,
            ProjectedOrigin::Model(report) => &report.environments,
            ProjectedOrigin::Documents(_) => &[],
        },
    }
}

/// Writes links, each on its line, and what they lead to.
fn linked(report: &LinkedReport) -> String {
    let mut lines = String::new();
    for link in &report.links {
        let to = link.to.as_ref().map_or_else(|| link.text.to_string(), ToString::to_string);
        let gone = if link.lies_there { "" } else { ", gone" };
        let _ = write!(lines, "{}  link to {to}{gone}", link.artifact.path);
        if let Some(writer) = &link.writer {
            let _ = write!(
                lines,
                ", made {} by {} of run {}",
                writer.at,
                one_line(&writer.step),
                writer.run.tail
            );
        }
        lines.push('\n');
    }
    if !report.is_recorded {
        lines.push_str("nothing is recorded of what it leads to; of the link itself:\n");
    }
    format!("{lines}{}", text(&report.shown))
}

/// Writes the files on the way, one a line, each once.
pub fn files(shown: &Shown) -> String {
    let files = match shown {
        Shown::Linked(report) => return files(&report.shown),
        Shown::File(report) => &report.files,
        Shown::Run(report) => &report.files,
        Shown::Model(report) => &report.files,
        Shown::Segment(report) => &report.file.files,
        Shown::AtWork(report) => return so_far::files(report),
        Shown::Projected(report) => match &report.origin {
            ProjectedOrigin::Run(report) => &report.files,
            ProjectedOrigin::Model(report) => &report.files,
            ProjectedOrigin::Documents(notes) => return listed(notes),
        },
    };
    let mut text = String::new();
    let mut named = HashSet::new();
    for file in files.iter().flatten().filter(|file| named.insert(&file.path)) {
        let _ = writeln!(text, "{}", file.path);
    }
    text
}

/// Says what lies behind files that steps read and wrote on, where that is not among what is shown.
pub fn folded(shown: &Shown) -> Option<String> {
    super::graph::report(shown).and_then(folded_words)
}

fn listed(notes: &[Note]) -> String {
    let mut text = String::new();
    for note in notes {
        let _ = writeln!(text, "{}", note.artifact.path);
    }
    text
}

fn more(text: &mut String, count: usize, shown: usize, what: &str) {
    if count > shown {
        let _ = writeln!(text, "  and {} more {what}", count - shown);
    }
}
