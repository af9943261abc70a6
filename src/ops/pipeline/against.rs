//! Comparing a run's results with those of an earlier run: which filings changed, in which stage, and what can explain it.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Result;
use crate::model::{ArtifactPath, Digest, MetricValue, Run, StepStatus, TOOL_PARAMETER};
use crate::ops::pipeline::resume::part_of;
use crate::ops::pipeline::stages::Part;
use crate::ops::pipeline::work::counts;
use crate::query::RunView;
use crate::store::Snapshot;

/// What came of comparing results.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Comparison {
    /// What was compared with: a run id, or a folder.
    pub base: String,
    /// Filings that both have.
    pub compared: u64,
    /// Filings whose results differ.
    pub changed: Vec<Change>,
    /// Filings that only the other has.
    pub missing: Vec<String>,
    /// Filings that only this run has; of no weight against gold, which need not know every filing.
    pub added: Vec<String>,
    /// Differences of the two runs themselves: code, tool, parameters.
    pub runs: Vec<String>,
}

/// How one filing's results differ.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The filing.
    pub filing: String,
    /// The first stage whose output differs.
    pub stage: &'static str,
    /// The section, where the stage has one.
    pub section: Option<String>,
    /// What can explain it; what is not here is known to be equal.
    pub why: Vec<String>,
    /// Counts of the last stage that differ: name, before, now.
    pub counts: Vec<(String, f64, f64)>,
}

impl Comparison {
    /// Tells whether the results are the same.
    pub fn is_same(&self) -> bool {
        self.changed.is_empty() && self.missing.is_empty() && self.added.is_empty()
    }
}

/// What one run has of a filing.
#[derive(Default)]
struct Results {
    path: Option<ArtifactPath>,
    parts: BTreeMap<Part, Outcome>,
}

/// What became of a stage.
struct Outcome {
    output: Option<Digest>,
    reason: Option<String>,
    tool: String,
    key: Option<Digest>,
    counts: Vec<(String, MetricValue)>,
}

/// Compares the results of `now` with those of `base`, filing by filing.
///
/// # Errors
/// A store error where a record is damaged.
pub fn compare(snapshot: &Snapshot, base: &RunView, now: &RunView) -> Result<Comparison> {
    let (before, after) = (results(snapshot, base)?, results(snapshot, now)?);
    let mut comparison = Comparison {
        base: base.run.run_id.as_str().to_owned(),
        runs: differences(&base.run, &now.run),
        ..Comparison::default()
    };
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for name in names {
        match (before.get(name), after.get(name)) {
            (Some(before), Some(after)) => {
                comparison.compared += 1;
                comparison.changed.extend(change(name, before, after, &comparison.runs));
            }
            (Some(_), None) => comparison.missing.push(name.clone()),
            (None, _) => comparison.added.push(name.clone()),
        }
    }
    Ok(comparison)
}

/// Reads the results of a run by filing. Filings are told apart by their names, which do not change with their bytes.
fn results(snapshot: &Snapshot, view: &RunView) -> Result<BTreeMap<String, Results>> {
    let mut steps = snapshot.whole_steps_of(view.number)?;
    steps.sort_by_key(|step| (step.ended_at, step.id));
    let mut results: BTreeMap<String, Results> = BTreeMap::new();
    for step in steps {
        let Some((_, part)) = part_of(&step) else { continue };
        let counts = counts(snapshot, step.id)?;
        let tool = step.parameters.iter().find(|(name, _)| name == TOOL_PARAMETER);
        let outcome = Outcome {
            output: match (step.status, step.generated.as_slice()) {
                (StepStatus::Succeeded, [output]) => Some(output.artifact.digest),
                _ => None,
            },
            tool: tool.map_or_else(String::new, |(_, value)| value.clone()),
            key: step.key,
            reason: step.reason,
            counts,
        };
        let of_filing = results.entry(step.subject).or_default();
        if part == Part::FIRST {
            of_filing.path = step.used.first().map(|used| used.artifact.path.clone());
            // What was made from other bytes of the filing, in an earlier stretch, counts no longer.
            of_filing.parts.clear();
        }
        of_filing.parts.insert(part, outcome);
    }
    Ok(results)
}

/// Finds the first stage whose output differs, and what can explain it.
fn change(name: &str, before: &Results, after: &Results, runs: &[String]) -> Option<Change> {
    let parts: BTreeSet<Part> = before.parts.keys().chain(after.parts.keys()).copied().collect();
    // Only what both were asked for can differ: other sections or stages are a difference of the runs.
    let both =
        parts.into_iter().filter_map(|part| Some((part, before.parts.get(&part)?, after.parts.get(&part)?)));
    let both: Vec<(Part, &Outcome, &Outcome)> = both.collect();
    let (part, old, new) =
        both.iter().find(|(_, old, new)| old.output != new.output || old.reason != new.reason)?;
    let mut why = Vec::new();
    if let (Some(old), Some(new)) = (&before.path, &after.path)
        && old != new
    {
        why.push(format!("the filing was at {old}"));
    }
    if old.tool != new.tool {
        why.push(format!("{} instead of {}", new.tool, old.tool));
    } else if old.key != new.key && *part == Part::FIRST {
        why.push("the filing has other bytes".to_owned());
    }
    match (&old.reason, &new.reason) {
        (None, Some(reason)) => why.push(format!("it fails now: {reason}")),
        (Some(reason), None) => why.push(format!("it failed before: {reason}")),
        _ => {}
    }
    if why.is_empty() && old.key == new.key {
        why.push("the same input, parameters and tool version gave another output".to_owned());
        why.extend(runs.iter().filter(|line| line.starts_with("code")).cloned());
    }
    let last = both.iter().rev().find(|(last, ..)| last.section == part.section).unwrap_or(&both[0]);
    Some(Change {
        filing: name.to_owned(),
        stage: part.stage.as_str(),
        section: part.section.map(|section| section.identifier()),
        why,
        counts: differing(&last.1.counts, &last.2.counts),
    })
}

fn differing(before: &[(String, MetricValue)], after: &[(String, MetricValue)]) -> Vec<(String, f64, f64)> {
    let value = |counts: &[(String, MetricValue)], name: &str| {
        counts.iter().find(|(known, _)| known == name).map_or(0.0, |(_, value)| value.get())
    };
    let names: BTreeSet<&String> = before.iter().chain(after).map(|(name, _)| name).collect();
    let pairs = names.into_iter().map(|name| (name.clone(), value(before, name), value(after, name)));
    pairs.filter(|(_, before, after)| before != after).collect()
}

/// Says in what two runs differ that may make results differ.
fn differences(base: &Run, now: &Run) -> Vec<String> {
    let mut lines = Vec::new();
    let code = |run: &Run| run.code.label().unwrap_or_else(|| "no commit".to_owned());
    if code(base) != code(now) || now.code.dirty || base.code.dirty {
        lines.push(format!("code {} instead of {}", code(now), code(base)));
    }
    let names: BTreeSet<&String> =
        base.parameters.iter().chain(&now.parameters).map(|(name, _)| name).collect();
    for name in names {
        let values = |run: &Run| -> Vec<String> {
            let own = run.parameters.iter().filter(|(known, _)| known == name);
            own.map(|(_, value)| value.clone()).collect()
        };
        let (before, after) = (values(base), values(now));
        if before != after {
            let shown =
                |values: Vec<String>| if values.is_empty() { "none".to_owned() } else { values.join(" ") };
            lines.push(format!("{name} {} instead of {}", shown(after), shown(before)));
        }
    }
    lines
}
