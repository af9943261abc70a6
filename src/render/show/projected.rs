//! Projected files.

use std::fmt::Write as _;

use super::models::model;
use super::more;
use super::run::run;
use crate::ops::show::{ProjectedOrigin, ProjectedReport, ProjectedState};
use crate::render::units::{counted, one_line};

/// As many documents of an index are named.
const DOCUMENTS_MAX: usize = 20;

/// Writes what a file is projected from, and all that is known of that.
pub(super) fn projected(report: &ProjectedReport, text: &mut String) {
    let _ = writeln!(text, "{}", report.path);
    projected_line(report, text);
    crate::render::overwritten::lines(&report.overwritten, "  before   ", text);
    match &report.origin {
        ProjectedOrigin::Run(origin) => {
            text.push('\n');
            run(origin, text);
        }
        ProjectedOrigin::Model(origin) => {
            text.push('\n');
            model(origin, text);
        }
        ProjectedOrigin::Documents(notes) => {
            for note in notes.iter().take(DOCUMENTS_MAX) {
                let _ = writeln!(text, "  lists    {}", crate::render::notes::line(note));
            }
            more(text, notes.len(), DOCUMENTS_MAX, "documents");
        }
    }
}

pub(super) fn projected_line(report: &ProjectedReport, text: &mut String) {
    let from = match &report.origin {
        ProjectedOrigin::Run(origin) => format!("run {}", origin.head.tail),
        ProjectedOrigin::Model(origin) => format!("model {}", one_line(&origin.card.view.label())),
        ProjectedOrigin::Documents(notes) => counted(notes.len() as u64, "document", "documents"),
    };
    let state = match &report.state {
        ProjectedState::Current => "and says what is recorded".to_owned(),
        ProjectedState::Outdated => "but is out of date; `lineage project` writes it anew".to_owned(),
        ProjectedState::Edited => {
            "but was edited since; `lineage project --check --diff` tells how, `--force` writes over it"
                .to_owned()
        }
        ProjectedState::Other => {
            "but holds something else: edited, or out of date; `lineage project --check --diff` compares"
                .to_owned()
        }
        ProjectedState::Missing => "and is not there; `lineage project` writes it".to_owned(),
        ProjectedState::Blocked(reason) => format!("but cannot be read: {}", one_line(reason)),
        ProjectedState::NotWanted => "but the file of another has its place".to_owned(),
    };
    let _ = writeln!(text, "  written  by a projection from {from}, {state}");
}
