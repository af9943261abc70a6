//! What commands at work have read and written so far.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::trace::{Way, folded_line, trace_run};
use crate::ops::show::{AtWorkReport, WaySoFar};
use crate::query::Direction;
use crate::render::units::one_line;

/// Writes who has had to do with a file of which nothing is recorded.
pub(super) fn at_work(report: &AtWorkReport, text: &mut String) {
    let _ = writeln!(text, "{}", report.path);
    text.push_str("  nothing is recorded of it yet\n");
    so_far(&report.so_far, report.direction, text);
}

/// Writes the files on the way, one a line, each once.
pub(super) fn files(report: &AtWorkReport) -> String {
    let steps = report.so_far.iter().flat_map(|so_far| &so_far.run.steps);
    let files = steps.flat_map(|step| match report.direction {
        Direction::Up => &step.used,
        Direction::Down => &step.generated,
    });
    let paths: BTreeSet<String> = files.map(|file| file.artifact.path.to_string()).collect();
    paths.iter().fold(String::new(), |text, path| text + path + "\n")
}

/// Writes what commands at work have to do with a file.
pub(super) fn so_far(found: &[WaySoFar], direction: Direction, text: &mut String) {
    for WaySoFar { until, run, folded, removed } in found {
        let _ = writeln!(text, "\nso far, until {until}; it is recorded when the run ends");
        trace_run(run, &Way::of_one(run, direction, &BTreeMap::new()), text);
        // What follows begins with an empty line itself.
        text.truncate(text.trim_end_matches('\n').len() + 1);
        if let Some((at, step)) = removed {
            let _ = writeln!(text, "it has removed the file since, {at}, by {}", one_line(step));
        }
        if let Some(folded) = folded {
            let _ = writeln!(text, "{}", folded_line(folded, direction));
        }
    }
}
