//! `RUN_REPORT.md`: what a pipeline run came to.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::error::Result;
use crate::model::{MetricValue, RunStatus, Step, StepStatus};
use crate::projection::markdown::{code, escaped};
use crate::projection::plan::report_quality;
use crate::query::quality::{quality, rows};
use crate::query::{RunView, last_values};
use crate::store::Snapshot;

/// As many failed filings are named.
const FAILURES_MAX: usize = 1_000;
/// As many companies are listed.
const COMPANIES_MAX: usize = 1_000;
/// The stages, in order; steps of other names are no work on a filing.
const STAGES: [&str; 4] = ["parse", "extract", "clean", "segment"];

/// Writes the report on a pipeline run; `steps` are all of its steps, by end.
pub(crate) fn run_report(snapshot: &Snapshot, view: &RunView, steps: &[Step]) -> Result<String> {
    let findings = Findings::of(snapshot, steps)?;
    let metrics = last_values(&snapshot.metrics(view.run.id)?);
    let mut text = String::new();
    head(&mut text, view);
    totals(&mut text, &findings);
    stages(&mut text, steps);
    failures(&mut text, &findings);
    companies(&mut text, &findings);
    report_quality::write(&mut text, &quality(&rows(snapshot, view.number)?));
    if !metrics.is_empty() {
        text.push_str("\n## Metrics\n\n| metric | value |\n|---|---:|\n");
    }
    for metric in &metrics {
        let _ = writeln!(text, "| {} | {} |", code(&metric.name), number(metric.value));
    }
    text.push_str("\n---\n\nWritten by lineage from what it recorded; `lineage project` writes it again.\n");
    Ok(text)
}

/// What became of a filing: its last word on each of its parts counts.
#[derive(Debug, Default)]
struct Filing<'a> {
    parts: BTreeMap<(usize, &'a str), &'a Step>,
    segments: f64,
    words: f64,
}

impl Filing<'_> {
    /// Returns the first stage that failed, and why.
    fn failure(&self) -> Option<(&str, &str)> {
        let failed = self.parts.values().find(|step| step.status == StepStatus::Failed)?;
        Some((&failed.name, failed.reason.as_deref().unwrap_or("no reason was given")))
    }

    /// Returns what parsing found the filing to be.
    fn fact(&self, name: &str) -> Option<&str> {
        let (_, parsed) = self.parts.iter().find(|((stage, _), _)| *stage == 0)?;
        parameter(parsed, name)
    }
}

fn parameter<'a>(step: &'a Step, name: &str) -> Option<&'a str> {
    step.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

struct Findings<'a> {
    filings: BTreeMap<&'a str, Filing<'a>>,
}

impl<'a> Findings<'a> {
    fn of(snapshot: &Snapshot, steps: &'a [Step]) -> Result<Self> {
        let mut filings: BTreeMap<&str, Filing<'a>> = BTreeMap::new();
        for step in steps {
            let Some(stage) = STAGES.iter().position(|stage| *stage == step.name) else {
                continue;
            };
            let section = parameter(step, "section").unwrap_or("");
            filings.entry(&step.subject).or_default().parts.insert((stage, section), step);
        }
        for filing in filings.values_mut() {
            let segmented = filing.parts.iter().filter(|((stage, _), _)| STAGES[*stage] == "segment");
            let mut counts = (0.0, 0.0);
            for (_, step) in segmented {
                for point in snapshot.metrics(step.id)? {
                    match point.name.as_str() {
                        "segments" => counts.0 += point.value.get(),
                        "segment_words" => counts.1 += point.value.get(),
                        _ => {}
                    }
                }
            }
            (filing.segments, filing.words) = counts;
        }
        Ok(Findings { filings })
    }

    fn failed(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.filings.iter().filter_map(|(path, filing)| {
            let (stage, reason) = filing.failure()?;
            Some((*path, stage, reason))
        })
    }
}

fn head(text: &mut String, view: &RunView) {
    let run = &view.run;
    let _ = writeln!(text, "# Run {} {}\n", escaped(run.run_id.as_str()), escaped(&run.name));
    text.push_str("| | |\n|---|---|\n");
    let mut row = |name: &str, value: String| {
        let _ = writeln!(text, "| {name} | {value} |");
    };
    let status = match (view.status(), view.reason()) {
        (RunStatus::Running, _) => "no end is recorded".to_owned(),
        (status, Some(reason)) => format!("{}: {}", status.as_str(), escaped(reason)),
        (status, None) => status.as_str().to_owned(),
    };
    row("status", status);
    row("started", run.started_at.to_string());
    if let (Some(ended), Some(took)) = (view.ended_at(), view.duration_us()) {
        row("ended", ended.to_string());
        row("took", seconds(took));
    }
    let resumed = view.outcomes.iter().filter(|outcome| outcome.status == RunStatus::Running).count();
    if resumed > 0 {
        row("taken up again", format!("{resumed} times").replace("1 times", "once"));
    }
    row("command", code(&run.arguments.join(" ")));
    let state = &run.code;
    row(
        "code",
        match (&state.commit, state.dirty) {
            (Some(commit), true) => {
                format!("{}, with {} changed files", code(commit), state.changed.len())
            }
            (Some(commit), false) => code(commit),
            (None, _) if state.repository && state.unreadable.is_none() => "no commit".to_owned(),
            (None, _) => state.without_commit().to_owned(),
        },
    );
    if let Some(branch) = &state.branch {
        row("branch", code(branch));
    }
    if let Some(patch) = &state.patch {
        row("patch", code(&patch.to_string()));
    }
    row("recorded by", format!("{} on {}", escaped(&run.recorder), escaped(&run.host)));
    if !run.by.is_empty() {
        row("started by", escaped(&run.by));
    }
    row("key", code(&run.id.to_string()));
}

fn totals(text: &mut String, findings: &Findings<'_>) {
    let filings = findings.filings.len();
    let failed = findings.failed().count();
    let inputs = findings.filings.values().filter_map(|filing| {
        let (_, parsed) = filing.parts.iter().find(|((stage, _), _)| *stage == 0)?;
        Some(parsed.used.iter().map(|used| used.artifact.size_bytes).sum::<u64>())
    });
    let bytes: u64 = inputs.sum();
    let segments: f64 = findings.filings.values().map(|filing| filing.segments).sum();
    let words: f64 = findings.filings.values().map(|filing| filing.words).sum();
    text.push_str("\n## Totals\n\n| | |\n|---|---:|\n");
    let _ = writeln!(text, "| filings | {filings} |\n| went through | {} |", filings - failed);
    let _ = writeln!(text, "| failed | {failed} |\n| bytes of filings | {bytes} |");
    let _ = writeln!(text, "| segments | {segments} |\n| words in segments | {words} |");
}

/// Writes how often each stage was done, and how long it took where the work was done rather than taken over.
fn stages(text: &mut String, steps: &[Step]) {
    text.push_str("\n## Stages\n\n");
    text.push_str(
        "| stage | computed | taken over | failed | time, all | median | slowest | slowest filing |\n",
    );
    text.push_str("|---|---:|---:|---:|---:|---:|---:|---|\n");
    for stage in STAGES {
        let of_stage: Vec<&Step> = steps.iter().filter(|step| step.name == stage).collect();
        if of_stage.is_empty() {
            continue;
        }
        let failed = of_stage.iter().filter(|step| step.status == StepStatus::Failed).count();
        let cached = of_stage.iter().filter(|step| step.cached_from.is_some()).count();
        // What was taken over may hold that it failed.
        let computed =
            of_stage.iter().filter(|step| step.status != StepStatus::Failed && step.cached_from.is_none());
        let took = |step: &Step| step.ended_at.micros().saturating_sub(step.started_at.micros()).max(0);
        let worked = of_stage.iter().filter(|step| step.cached_from.is_none());
        let mut times: Vec<(i64, &str)> = worked.map(|step| (took(step), step.subject.as_str())).collect();
        times.sort_unstable();
        let total: i64 = times.iter().fold(0, |sum, (time, _)| sum.saturating_add(*time));
        let at = |place: usize| times.get(place).map_or_else(String::new, |(time, _)| seconds(*time));
        let slowest = times.last().map_or_else(String::new, |(_, subject)| code(subject));
        let _ = writeln!(
            text,
            "| {stage} | {} | {cached} | {failed} | {} | {} | {} | {slowest} |",
            computed.count(),
            seconds(total),
            at(times.len() / 2),
            at(times.len().saturating_sub(1)),
        );
    }
}

fn failures(text: &mut String, findings: &Findings<'_>) {
    let failed: Vec<_> = findings.failed().collect();
    if failed.is_empty() {
        return;
    }
    let mut kinds: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for (_, stage, reason) in &failed {
        *kinds.entry((stage, reason)).or_default() += 1;
    }
    let mut kinds: Vec<_> = kinds.into_iter().collect();
    kinds.sort_by_key(|(kind, count)| (std::cmp::Reverse(*count), *kind));
    text.push_str("\n## Failures by kind\n\n| filings | stage | reason |\n|---:|---|---|\n");
    for ((stage, reason), count) in kinds {
        let _ = writeln!(text, "| {count} | {stage} | {} |", escaped(reason));
    }
    text.push_str("\n## Failed filings\n\n| filing | stage | reason |\n|---|---|---|\n");
    for (path, stage, reason) in failed.iter().take(FAILURES_MAX) {
        let _ = writeln!(text, "| {} | {stage} | {} |", code(path), escaped(reason));
    }
    left_out(text, failed.len(), FAILURES_MAX, "failed filings");
}

/// What the filings of a company came to.
#[derive(Default)]
struct Company<'a> {
    ciks: BTreeSet<&'a str>,
    forms: BTreeSet<&'a str>,
    years: BTreeSet<&'a str>,
    filings: u64,
    failed: u64,
    segments: f64,
    words: f64,
}

fn companies(text: &mut String, findings: &Findings<'_>) {
    let mut companies: BTreeMap<&str, Company<'_>> = BTreeMap::new();
    for filing in findings.filings.values() {
        let company = companies.entry(filing.fact("company").unwrap_or("")).or_default();
        company.ciks.extend(filing.fact("cik"));
        company.forms.extend(filing.fact("form"));
        company.years.extend(filing.fact("fiscal_year"));
        company.filings += 1;
        company.failed += u64::from(filing.failure().is_some());
        company.segments += filing.segments;
        company.words += filing.words;
    }
    text.push_str("\n## Coverage by company\n\n");
    text.push_str("| company | CIK | forms | years | filings | failed | segments | words |\n");
    text.push_str("|---|---|---|---|---:|---:|---:|---:|\n");
    let joined = |words: &BTreeSet<&str>| escaped(&words.iter().copied().collect::<Vec<_>>().join(", "));
    for (name, company) in companies.iter().take(COMPANIES_MAX) {
        let name = if name.is_empty() { "not known".to_owned() } else { escaped(name) };
        let _ = writeln!(
            text,
            "| {name} | {} | {} | {} | {} | {} | {} | {} |",
            joined(&company.ciks),
            joined(&company.forms),
            joined(&company.years),
            company.filings,
            company.failed,
            company.segments,
            company.words,
        );
    }
    left_out(text, companies.len(), COMPANIES_MAX, "companies");
}

/// Says how many of `count` are not shown.
pub(super) fn left_out(text: &mut String, count: usize, shown: usize, what: &str) {
    if count > shown {
        let _ = writeln!(text, "\n{} more {what} are not listed here.", count - shown);
    }
}

fn seconds(micros: i64) -> String {
    format!("{}.{:03} s", micros / 1_000_000, micros % 1_000_000 / 1_000)
}

/// Writes a number as `metrics.json` has it.
fn number(value: MetricValue) -> String {
    format!("{}", value.get())
}
