//! The summary of a pipeline run.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::model::{ArtifactPath, MetricValue};
use crate::ops::pipeline::{PipelineStage, Summary, failures_by_kind};
use crate::render::units::{bytes, counted, duration, one_line, thousands};

/// As many failures, and altered or unwritten files, are shown by name.
const LINES_MAX: usize = 20;
/// As many of what was left out are shown by name.
const NAMED_MAX: usize = 5;

/// Writes the summary for people.
pub fn text(summary: &Summary, program: &str, place: &str) -> String {
    let mut text = String::new();
    headline(summary, &mut text);
    if !summary.settled && !summary.dry_run {
        stages(summary, &mut text);
        let label = if summary.resumed { "folder" } else { "wrote" };
        for folder in &summary.folders {
            let _ = writeln!(text, "  {label:<9}{folder}/");
        }
    }
    failures(summary, &mut text);
    listed(&mut text, "altered", &summary.altered, |(path, digest)| {
        format!("{path} is written again; what it held is kept as {digest}")
    });
    listed(&mut text, "unwritten", &summary.unwritten, |(_, reason)| one_line(reason));
    if !summary.unwritten.is_empty() {
        text.push_str("nothing is lost: the contents are kept, `lineage pipeline --resume` writes them\n");
    }
    left_out(summary, &mut text);
    if let Some(example) = summary.doubtful.first() {
        let sections = counted(summary.doubtful.len() as u64, "section", "sections");
        let such = if summary.doubtful.len() == 1 { ":" } else { ", such as" };
        let _ = writeln!(text, "doubtful {sections}{such} {example}; `metadata.extraction` in it says why");
    }
    if let Some(stopped) = &summary.stopped {
        let _ = writeln!(text, "{stopped}; {} not tried", counted(summary.untried, "filing", "filings"));
    }
    closing(summary, program, place, &mut text);
    text
}

fn headline(summary: &Summary, text: &mut String) {
    let filings = counted(summary.filings, "filing", "filings");
    if summary.dry_run {
        text.push_str("dry run, nothing was written: ");
        if let Some(run) = &summary.run {
            let _ = write!(text, "would resume {}  {}, ", run.run_id, run.name);
        }
        let _ = writeln!(
            text,
            "{filings}, {}; {} to do, up to {}",
            bytes(summary.bytes),
            thousands(summary.pending),
            summary.last.as_str()
        );
        return;
    }
    let Some(run) = &summary.run else { return };
    let _ = write!(text, "{}  {}", run.run_id, run.name);
    if let Some(code) = run.code.label() {
        let _ = write!(text, "  {code}");
    }
    if summary.settled {
        let upto = match summary.last {
            PipelineStage::Segment => String::new(),
            last => format!(" up to {}", last.as_str()),
        };
        let _ = writeln!(text, "  {filings}: nothing to do{upto}, all is as it was recorded");
        return;
    }
    let took = duration(summary.took_us);
    let again = if summary.resumed { "  resumed" } else { "" };
    let _ = write!(text, "{again}  {filings}");
    if summary.resumed && summary.pending < summary.filings {
        let _ = write!(text, ", {} of them worked on now", thousands(summary.pending));
    }
    // Bytes a microsecond are megabytes a second.
    let rate = summary.bytes as f64 / summary.took_us.max(1) as f64;
    let digits = usize::from(rate < 10.0);
    let _ = writeln!(text, ", {} in {took} ({rate:.digits$} MB/s)", bytes(summary.bytes));
}

fn stages(summary: &Summary, text: &mut String) {
    for (stage, count) in &summary.stages {
        let mut parts = Vec::new();
        for (number, word) in [
            (count.computed, "done"),
            (count.cached, "taken over from earlier runs"),
            (count.kept, "found done"),
            (count.restored, "written again"),
            (count.unwritten, "not written to their place"),
            (count.failed, "failed"),
        ] {
            if number > 0 {
                parts.push(format!("{} {word}", thousands(number)));
            }
        }
        let _ = write!(text, "  {:<9}{}", stage.as_str(), parts.join(", "));
        let made = made_by(summary, *stage);
        if !made.is_empty() {
            let _ = write!(text, ": {}", made.join(", "));
        }
        text.push('\n');
    }
}

/// Says what a stage made, over all filings of the run.
fn made_by(summary: &Summary, stage: PipelineStage) -> Vec<String> {
    let metric = |name: &str| {
        let found = summary.metrics.iter().find(|(metric, _)| metric == name);
        found.map(|(_, value)| value.get() as u64)
    };
    let words = |name: &str| metric(name).map(|count| counted(count, "word", "words"));
    match stage {
        PipelineStage::Parse => {
            metric("elements").map(|count| counted(count, "element", "elements")).into_iter().collect()
        }
        PipelineStage::Extract => {
            let statuses = [
                ("sections_found", "found"),
                ("sections_by_reference", "by reference"),
                ("sections_not_required", "not required"),
                ("sections_absent", "absent"),
            ];
            let statuses = statuses.into_iter();
            let statuses = statuses.filter_map(|(name, word)| Some((metric(name)?, word)));
            statuses.map(|(count, word)| format!("{} {word}", thousands(count))).collect()
        }
        PipelineStage::Clean => words("cleaned_words").into_iter().collect(),
        PipelineStage::Segment => {
            let segments = metric("segments").map(|count| counted(count, "segment", "segments"));
            segments.into_iter().chain(words("segment_words")).collect()
        }
    }
}

fn failures(summary: &Summary, text: &mut String) {
    if summary.failures.is_empty() {
        return;
    }
    let _ = writeln!(text, "{} failed:", counted(summary.failures.len() as u64, "filing", "filings"));
    for failure in summary.failures.iter().take(LINES_MAX) {
        let _ =
            writeln!(text, "  {}  {}: {}", failure.path, failure.stage.as_str(), one_line(&failure.reason));
    }
    let left = summary.failures.len().saturating_sub(LINES_MAX);
    if left > 0 {
        let _ = writeln!(text, "  and {} more; by reason:", thousands(left as u64));
        for (reason, count) in failures_by_kind(summary).into_iter().take(LINES_MAX) {
            let _ = writeln!(text, "  {:>6}  {}", thousands(count), one_line(&reason));
        }
    }
}

/// Says what was found and not worked on, a line for each sort.
fn left_out(summary: &Summary, text: &mut String) {
    sort_left_out(
        text,
        &summary.passed_over,
        ["file that is no filing", "files that are no filings"],
        ToString::to_string,
    );
    sort_left_out(
        text,
        &summary.duplicates,
        ["file with the bytes of another", "files with the bytes of others"],
        |(file, same)| format!("{file}, the same as {same}"),
    );
    sort_left_out(
        text,
        &summary.not_entered,
        ["linked or very deep folder", "linked or very deep folders"],
        ToString::to_string,
    );
    let what = |one: &str| format!("{one} this run took up before, and not among its inputs now");
    sort_left_out(text, &summary.absent, [&what("filing"), &what("filings")], |stem| {
        format!("{}; what was made of it stands", one_line(stem))
    });
    if summary.beyond_limit > 0 {
        let files = counted(summary.beyond_limit, "file", "files");
        let _ = writeln!(text, "left out {files} beyond the limit; `--limit 0` takes all");
    }
}

/// Names all of a few things that were left out, of many the first few, and where the others stand.
fn sort_left_out<T>(text: &mut String, all: &[T], [one, many]: [&str; 2], name: impl Fn(&T) -> String) {
    if all.is_empty() {
        return;
    }
    let _ = write!(text, "left out {}:", counted(all.len() as u64, one, many));
    if let [only] = all {
        let _ = writeln!(text, " {}", name(only));
        return;
    }
    text.push('\n');
    for item in all.iter().take(NAMED_MAX) {
        let _ = writeln!(text, "  {}", name(item));
    }
    let left = all.len().saturating_sub(NAMED_MAX);
    if left > 0 {
        let _ = writeln!(text, "  and {} more; `--json` lists all", thousands(left as u64));
    }
}

/// Says what to type next.
fn closing(summary: &Summary, program: &str, place: &str, text: &mut String) {
    if summary.dry_run {
        return;
    }
    if let Some(example) = &summary.example {
        let _ = writeln!(text, "\ntry: {program} show {place}{example}");
    }
    if summary.has_failed()
        && let Some(run) = &summary.run
    {
        let _ = writeln!(text, "to try again what failed: {program} pipeline --resume {}", run.run_id);
    }
}

fn listed<T>(text: &mut String, label: &str, items: &[T], line: impl Fn(&T) -> String) {
    for item in items.iter().take(LINES_MAX) {
        let _ = writeln!(text, "  {label}  {}", line(item));
    }
    let left = items.len().saturating_sub(LINES_MAX);
    if left > 0 {
        let _ = writeln!(text, "  {label}  and {} more; `--json` lists all", thousands(left as u64));
    }
}

/// Writes the summary as JSON.
pub fn json(summary: &Summary) -> Value {
    let metric = |(name, value): &(String, MetricValue)| (name.clone(), json!(value.get()));
    let stages = summary.stages.iter().map(|(stage, count)| {
        let counts = json!({
            "computed": count.computed, "cached": count.cached, "kept": count.kept,
            "restored": count.restored, "unwritten": count.unwritten, "failed": count.failed,
        });
        (stage.as_str().to_owned(), counts)
    });
    json!({
        "format": 1,
        "run": summary.run.as_ref().map(|run| json!({
            "id": run.id.to_string(),
            "run_id": run.run_id.as_str(),
            "name": run.name,
            "git_sha": run.code.label(),
        })),
        "resumed": summary.resumed,
        "nothing_to_do": summary.settled,
        "dry_run": summary.dry_run,
        "filings": summary.filings,
        "pending": summary.pending,
        "untried": summary.untried,
        "beyond_limit": summary.beyond_limit,
        "bytes": summary.bytes,
        "seconds": summary.took_us as f64 / 1e6,
        "stages": stages.collect::<serde_json::Map<String, Value>>(),
        "folders": summary.folders,
        "failures": summary.failures.iter().map(|failure| json!({
            "path": failure.path.in_json(),
            "stage": failure.stage.as_str(),
            "reason": failure.reason,
        })).collect::<Vec<_>>(),
        "duplicates": summary.duplicates.iter().map(|(file, same)| json!({
            "path": file.in_json(), "same_as": same.in_json(),
        })).collect::<Vec<_>>(),
        "passed_over": summary.passed_over.iter().map(ArtifactPath::in_json).collect::<Vec<_>>(),
        "not_entered": summary.not_entered.iter().map(ArtifactPath::in_json).collect::<Vec<_>>(),
        "absent": summary.absent,
        "altered": summary.altered.iter().map(|(path, digest)| json!({
            "path": path.in_json(), "kept_as": digest.to_string(),
        })).collect::<Vec<_>>(),
        "unwritten": summary.unwritten.iter().map(|(path, reason)| json!({
            "path": path.in_json(), "reason": reason,
        })).collect::<Vec<_>>(),
        "doubtful": summary.doubtful.iter().map(ArtifactPath::in_json).collect::<Vec<_>>(),
        "stopped": summary.stopped,
        "metrics": summary.metrics.iter().map(metric).collect::<serde_json::Map<String, Value>>(),
        "example": summary.example.as_ref().map(ArtifactPath::in_json),
    })
}
