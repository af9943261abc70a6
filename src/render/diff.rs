//! What differs between two runs, as text for people.

mod environment;
mod json;

use std::fmt::Write as _;

use crate::model::{CodeState, MetricValue, Role, RunStatus};
use crate::query::RunHead;
use crate::query::diff::{
    Cause, CodeDiff, CodeFileDiff, EntryDiff, FilesDiff, MetricDiff, OutputDiff, PairedBy, ParameterDiff,
    RunDiff, StepEnd,
};
use crate::render::metrics::in_file;
use crate::render::show::{code_words, status};
use crate::render::status::{aligned, left_out};
use crate::render::table::in_full;
use crate::render::units::{
    change_words, command_words, command_words_of_two, counted, duration, one_line, thousands,
};

pub use json::json;
pub(crate) use json::{code_json, files_json, metric_json};

/// Writes the differences for people; of each list, the first `limit`.
pub fn text(diff: &RunDiff, limit: usize) -> String {
    let mut text = aligned(vec![head_row("a", &diff.a), head_row("b", &diff.b)]);
    text.push('\n');
    if diff.is_equal() {
        let _ = writeln!(text, "no difference; {}", equal_words(diff));
        return text;
    }
    if unlike(diff, limit, &mut text) {
        return text;
    }
    explanations(diff, limit, &mut text);
    code(&diff.code, limit, &mut text);
    told(diff, limit, &mut text);
    files("inputs", &diff.inputs, limit, &mut text);
    files("code read", &diff.code_read, limit, &mut text);
    environment::text(diff, limit, &mut text);
    outputs(diff, limit, &mut text);
    metrics(diff, limit, &mut text);
    if !diff.failures.is_empty() {
        let _ = writeln!(text, "failures     {}", thousands(diff.failures.len() as u64));
        let rows = diff.failures.iter().take(limit).map(|failure| {
            let subject = format!("{} {}", one_line(&failure.step), one_line(&failure.subject));
            vec![subject, format!("{} -> {}", step_end(&failure.a), step_end(&failure.b))]
        });
        text.push_str(&aligned(rows.collect()));
        text.push_str(&left_out(diff.failures.len(), limit));
        text.push('\n');
    }
    let _ = writeln!(text, "{}", equal_words(diff));
    text
}

fn equal_words(diff: &RunDiff) -> String {
    let code = match diff.code_read.same {
        0 => String::new(),
        same => format!(", {} of code", counted(same, "file", "files")),
    };
    let environment = if diff.environment.same > 0 { ", the environment" } else { "" };
    let mut words = format!(
        "equal are {}{code}{environment}, {} and {}",
        counted(diff.inputs.same, "input", "inputs"),
        counted(diff.outputs.same, "output", "outputs"),
        counted(diff.metrics_same, "metric", "metrics")
    );
    for (paired_by, count) in &diff.outputs.paired {
        let outputs = counted(*count, "pair of outputs has", "pairs of outputs have");
        let why = match paired_by {
            PairedBy::Path => continue,
            PairedBy::Pattern => "paths that differ in time stamps, ids or counters only",
            PairedBy::Content => "other paths, and the same name and bytes",
            PairedBy::Step => "other paths, and is all that was left of one step",
        };
        let _ = write!(words, "\n{outputs} {why}");
    }
    words
}

fn head_row(label: &str, head: &RunHead) -> Vec<String> {
    let run = &head.view.run;
    vec![
        label.to_owned(),
        head.tail.clone(),
        run.run_id.to_string(),
        one_line(&run.name),
        run.started_at.to_string(),
        status(head).to_owned(),
        head.view.duration_us().map_or_else(|| "-".to_owned(), duration),
        code_words(head).unwrap_or_default(),
    ]
}

/// Says where it is so that the runs are of unlike kinds: then nothing else that differs tells anything.
fn unlike(diff: &RunDiff, limit: usize, text: &mut String) -> bool {
    let Some(unlike) = &diff.unlike else { return false };
    text.push_str("the runs have no output in common: nothing is said of causes\n");
    for (reader, writer, files) in [("a", "b", &unlike.a_read_of_b), ("b", "a", &unlike.b_read_of_a)] {
        if files.is_empty() {
            continue;
        }
        let _ = writeln!(text, "  {reader} read what {writer} wrote");
        for file in files.iter().take(limit) {
            let _ = writeln!(text, "    {}", file.path);
        }
        text.push_str(&left_out(files.len(), limit));
    }
    text.push_str("what differs all the same stands in `--json`\n");
    true
}

fn explanations(diff: &RunDiff, limit: usize, text: &mut String) {
    if diff.explanations.is_empty() {
        return;
    }
    text.push_str("likely causes of outputs that differ\n");
    for explanation in diff.explanations.iter().take(limit) {
        let outputs = counted(explanation.outputs, "output", "outputs");
        let such_as = diff.outputs.differing.get(explanation.example).map(|output| {
            let words = if explanation.outputs == 1 { "" } else { "such as " };
            format!("  {words}{}", output_name(output))
        });
        let _ = writeln!(text, "  {outputs}{}", such_as.unwrap_or_default());
        for cause in explanation.causes.iter().take(limit) {
            let front = if cause.is_likely() { "" } else { "possibly " };
            let _ = writeln!(text, "    {front}{}", cause_words(cause));
        }
        if explanation.more {
            let _ = match explanation.causes.len().saturating_sub(limit) {
                0 => writeln!(text, "    and others"),
                left => writeln!(text, "    and more than {} others", thousands(left as u64)),
            };
        } else if explanation.causes.len() > limit {
            let _ = write!(text, "  {}", left_out(explanation.causes.len(), limit));
        }
        if explanation.causes.is_empty() {
            text.push_str("    nothing recorded that it was made from differs\n");
            text.push_str("    what makes it is not deterministic, or depends on what was not observed\n");
        }
    }
    text.push_str(&left_out(diff.explanations.len(), limit));
    for upstream in diff.upstream.iter().take(limit) {
        let [a, b] = &upstream.tails;
        let more = match upstream.files - 1 {
            0 => String::new(),
            more => format!(" and {} more", thousands(more)),
        };
        let path = &upstream.example.path;
        let _ =
            writeln!(text, "  {path}{more}: made by run {a} and run {b}; `lineage diff {a} {b}` says why");
    }
    text.push_str(&left_out(diff.upstream.len(), limit));
    text.push('\n');
}

/// Names an output by what its paths have in common, by both, or by its path.
fn output_name(output: &OutputDiff) -> String {
    if let Some([a, b]) = output.renamed() {
        return format!("{a} -> {b}");
    }
    let path = || output.b.as_ref().or(output.a.as_ref()).map(|artifact| artifact.path.to_string());
    output.pattern().or_else(path).unwrap_or_default()
}

/// So many characters of words of a command stand in a cause.
const COMMAND_CAUSE_MAX: usize = 120;

fn cause_words(cause: &Cause) -> String {
    match cause {
        Cause::Input { role: Role::Environment, .. } => {
            "the environment differs; what in it is not kept".to_owned()
        }
        Cause::Input { role, a, b } => {
            let what = if role.is_code() { "code" } else { "input" };
            match (a, b) {
                (Some(a), Some(b)) if !(a.has_content() || b.has_content()) => {
                    format!("{what} {} may have other bytes: its content is not recorded", b.path)
                }
                (Some(a), Some(b)) => format!("{what} {} has other bytes: {}", b.path, change_words(a, b)),
                (Some(only), None) => format!("{what} {} was read by a only", only.path),
                (None, Some(only)) => format!("{what} {} was read by b only", only.path),
                (None, None) => what.to_owned(),
            }
        }
        Cause::Renamed { a, b } => {
            format!("input {} is read in the place of {}, with the same bytes", b.path, a.path)
        }
        Cause::Made { a, b } => {
            format!(
                "{} was made with other bytes: {}; nothing recorded explains that",
                b.path,
                change_words(a, b)
            )
        }
        Cause::StepParameter { step, parameter } => {
            format!("{} {}", one_line(step), parameter_words(parameter))
        }
        Cause::Parameter(parameter) => format!("parameter {}", parameter_words(parameter)),
        Cause::StepCommand { step, words } => {
            format!("the command line of {} differs{}", one_line(step), words_that_differ(words))
        }
        // The whole commands stand below.
        Cause::Arguments(words) => format!("the command differs{}", words_that_differ(words)),
        Cause::ArgumentOrder => "the command, whose words stand in another order".to_owned(),
        Cause::Failed { step, subject, reason } => {
            format!("{} {} failed: {}", one_line(step), one_line(subject), one_line(reason))
        }
        Cause::Unfinished(RunStatus::Failed) => "the run without it failed".to_owned(),
        Cause::Unfinished(status) => format!("the run without it is {}", status.as_str()),
        Cause::Variable(entry) => format!("the environment's {}", entry_words(entry)),
        Cause::Package(entry) => format!("python package {}", entry_words(entry)),
        Cause::EnvironmentFiles { count, first } => {
            let more = match count - 1 {
                0 => String::new(),
                more => format!(", and {} more", counted(more, "file", "files")),
            };
            format!("{} of the environment{more}", one_line(&first.name))
        }
        Cause::EnvironmentTimes => {
            "the environment: files of it have other times, and the same sizes".to_owned()
        }
        Cause::Code => "the code, which differs; which of it was read is not recorded".to_owned(),
        Cause::Recorder => "the program that recorded it, which differs".to_owned(),
    }
}

fn entry_words(entry: &EntryDiff) -> String {
    let value = |value: &Option<String>| value.as_deref().map_or_else(|| "not there".to_owned(), one_line);
    format!("{}: {} -> {}", one_line(&entry.name), value(&entry.a), value(&entry.b))
}

fn parameter_words(parameter: &ParameterDiff) -> String {
    format!("{}: {} -> {}", one_line(&parameter.name), values(&parameter.a), values(&parameter.b))
}

fn values(values: &[String]) -> String {
    if values.is_empty() {
        return "not given".to_owned();
    }
    one_line(&values.join(", "))
}

fn code(diff: &CodeDiff, limit: usize, text: &mut String) {
    if diff.is_equal() {
        return;
    }
    let _ = writeln!(text, "code         {} -> {}", code_state(&diff.a), code_state(&diff.b));
    for (label, mixed) in [("a", diff.mixed_a), ("b", diff.mixed_b)] {
        if mixed {
            let _ = writeln!(text, "  {label} was taken up again under other code than it began with");
        }
    }
    if !diff.commits_compared {
        text.push_str("  which files differ between the commits is not to be had here\n");
    }
    let rows = diff.files.iter().take(limit).map(code_file_row);
    text.push_str(&aligned(rows.collect()));
    text.push_str(&left_out(diff.files.len(), limit));
    text.push('\n');
}

pub(crate) fn code_state(code: &CodeState) -> String {
    if !code.repository || (code.commit.is_none() && code.unreadable.is_some()) {
        return code.without_commit().to_owned();
    }
    let label = code.label().map_or_else(|| "no commit".to_owned(), |label| one_line(&label));
    let branch = code.branch.as_deref().map_or("detached".to_owned(), one_line);
    format!("{label} ({branch})")
}

fn code_file_row(file: &CodeFileDiff) -> Vec<String> {
    let kind = |kind: crate::model::ChangeKind| kind.as_str();
    let mut words = Vec::new();
    if let Some(between) = file.between {
        words.push(format!("{} between the commits", kind(between)));
    }
    match (file.a, file.b) {
        (Some(a), Some(b)) => words.push(format!("{} in a, {} in b", kind(a), kind(b))),
        (Some(a), None) => words.push(format!("{} in a", kind(a))),
        (None, Some(b)) => words.push(format!("{} in b", kind(b))),
        (None, None) => {}
    }
    if !file.certain {
        words.push("perhaps the same bytes".to_owned());
    }
    vec![file.path.to_string(), words.join(", ")]
}

/// Writes how the runs ended, and what they were told.
fn told(diff: &RunDiff, limit: usize, text: &mut String) {
    if let Some([a, b]) = &diff.outcomes {
        let words = |(status, reason): &(RunStatus, Option<String>)| match reason {
            Some(reason) => format!("{} ({})", status.as_str(), one_line(reason)),
            None => status.as_str().to_owned(),
        };
        let _ = writeln!(text, "ended        {} -> {}\n", words(a), words(b));
    }
    if let Some([a, b]) = &diff.arguments {
        let [a, b] = command_words_of_two(a, b);
        let _ = writeln!(text, "command      {a}\n          -> {b}\n");
    }
    if !diff.parameters.is_empty() {
        text.push_str("parameters\n");
        let rows = diff.parameters.iter().take(limit).map(|parameter| {
            let change = format!("{} -> {}", values(&parameter.a), values(&parameter.b));
            vec![one_line(&parameter.name), change]
        });
        text.push_str(&aligned(rows.collect()));
        text.push_str(&left_out(diff.parameters.len(), limit));
        text.push('\n');
    }
    if let Some([a, b]) = &diff.recorder {
        let _ = writeln!(text, "recorder     {} -> {}\n", one_line(a), one_line(b));
    }
}

fn files(label: &str, files: &FilesDiff, limit: usize, text: &mut String) {
    if files.is_equal() {
        return;
    }
    let mut parts = vec![format!("{} equal", thousands(files.same))];
    for (count, words) in [
        (files.changed.len(), "with other bytes"),
        (files.renamed.len(), "renamed"),
        (files.only_a.len(), "only in a"),
        (files.only_b.len(), "only in b"),
    ] {
        if count > 0 {
            parts.push(format!("{} {words}", thousands(count as u64)));
        }
    }
    let _ = writeln!(text, "{label:<12} {}", parts.join(", "));
    let mut rows = Vec::new();
    for (a, b) in &files.folders {
        rows.push(vec![format!("{a}/ -> {b}/"), "renamed".to_owned()]);
    }
    for [a, b] in &files.changed {
        let path = if files.folders.is_empty() { &a.path } else { &b.path };
        rows.push(vec![path.to_string(), change_words(a, b)]);
    }
    for [a, b] in files.renamed.iter().filter(|pair| !files.is_by_folder(pair)) {
        rows.push(vec![a.path.to_string(), format!("has the bytes of {}", b.path)]);
    }
    for (only, words) in [(&files.only_a, "only in a"), (&files.only_b, "only in b")] {
        rows.extend(only.iter().map(|file| vec![file.path.to_string(), words.to_owned()]));
    }
    let count = rows.len();
    rows.truncate(limit);
    text.push_str(&aligned(rows));
    text.push_str(&left_out(count, limit));
    text.push('\n');
}

fn outputs(diff: &RunDiff, limit: usize, text: &mut String) {
    let outputs = &diff.outputs;
    if outputs.is_equal() {
        return;
    }
    let count =
        |wanted: fn(&OutputDiff) -> bool| outputs.differing.iter().filter(|output| wanted(output)).count();
    let mut parts = vec![format!("{} equal", thousands(outputs.same))];
    for (count, words) in [
        (count(|output| output.a.is_some() && output.b.is_some()), "with other bytes"),
        (count(|output| output.b.is_none()), "only in a"),
        (count(|output| output.a.is_none()), "only in b"),
        (outputs.standing.iter().filter(|output| !output.is_of_b).count(), "not made anew by b"),
        (outputs.standing.iter().filter(|output| output.is_of_b).count(), "not made anew by a"),
    ] {
        if count > 0 {
            parts.push(format!("{} {words}", thousands(count as u64)));
        }
    }
    let _ = writeln!(text, "outputs      {}", parts.join(", "));
    let rows = outputs.differing.iter().map(|output| {
        let what = match (&output.a, &output.b) {
            (Some(a), Some(b)) => change_words(a, b),
            (Some(_), None) => "only in a".to_owned(),
            _ => "only in b".to_owned(),
        };
        vec![output_name(output), one_line(&output.step), what]
    });
    let standing = outputs.standing.iter().map(|output| {
        let who = if output.is_of_b { "a" } else { "b" };
        let what = format!("was there, and not made anew by {who}");
        vec![output.artifact.path.to_string(), one_line(&output.step), what]
    });
    text.push_str(&aligned(rows.chain(standing).take(limit).collect()));
    text.push_str(&left_out(outputs.differing.len() + outputs.standing.len(), limit));
    text.push('\n');
}

/// Writes the words of two commands that differ, unless they are too many to be read.
fn words_that_differ([a, b]: &[Vec<String>; 2]) -> String {
    let words = |words: &[String]| match words.is_empty() {
        true => "nothing there".to_owned(),
        false => command_words(words),
    };
    let words = format!(": {} -> {}", words(a), words(b));
    if words.chars().count() <= COMMAND_CAUSE_MAX { words } else { String::new() }
}

fn metrics(diff: &RunDiff, limit: usize, text: &mut String) {
    if diff.metrics.is_empty() {
        return;
    }
    let _ = writeln!(text, "metrics      {} equal, {} differ", diff.metrics_same, diff.metrics.len());
    let rows = diff.metrics.iter().take(limit).map(metric_row);
    text.push_str(&aligned(rows.collect()));
    text.push_str(&left_out(diff.metrics.len(), limit));
    text.push('\n');
}

/// Writes how a metric differs: its last values, and where the curves part.
pub(crate) fn metric_row(metric: &MetricDiff) -> Vec<String> {
    let value =
        |value: Option<MetricValue>| value.map_or_else(|| "-".to_owned(), |value| in_full(value.get()));
    let is_last_equal = metric.a == metric.b;
    let parting = metric.parting.map(|parting| {
        let place = match parting.has_steps {
            true => format!("step {}", parting.step),
            false => format!("point {}", parting.point),
        };
        format!("curves differ first at {place}: {} -> {}", value(parting.a), value(parting.b))
    });
    let last = match (is_last_equal, &parting) {
        (false, _) => format!("{} -> {}", value(metric.a), value(metric.b)),
        (true, Some(_)) => format!("{}, the last of both", value(metric.a)),
        (true, None) => format!("{} at another step", value(metric.a)),
    };
    let difference = metric.difference().filter(|_| !is_last_equal);
    let relative = metric.relative().filter(|_| !is_last_equal);
    vec![
        metric.file.as_ref().map_or_else(|| one_line(&metric.name), |file| in_file(&metric.name, file)),
        last,
        difference.map(|difference| signed(difference, "")).unwrap_or_default(),
        relative.map(percent).unwrap_or_default(),
        parting.unwrap_or_default(),
    ]
}

/// Writes a difference with its sign, and no more digits than doubles are good for.
pub(crate) fn signed(value: f64, unit: &str) -> String {
    let rounded: f64 = format!("{value:.12e}").parse().unwrap_or(value);
    format!("{rounded:+}{unit}")
}

/// Writes a share as a percentage with its sign: with one decimal, and with one digit that means something where that would be 0.
pub(crate) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let tenths = (percent * 10.0).round() / 10.0;
    let rounded = if tenths == 0.0 { format!("{percent:.0e}").parse().unwrap_or(percent) } else { tenths };
    signed(rounded, "%")
}

fn step_end(end: &StepEnd) -> String {
    match end {
        StepEnd::Absent => "not done".to_owned(),
        StepEnd::Succeeded => "ok".to_owned(),
        StepEnd::Failed(reason) => format!("failed: {}", one_line(reason)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_that_is_there_is_never_written_as_none() {
        for (share, expected) in [
            (0.0, "+0%"),
            (0.000_447_58, "+0.04%"),
            (-0.000_447_58, "-0.04%"),
            (0.0123, "+1.2%"),
            (-0.5, "-50%"),
            (1e-9, "+0.0000001%"),
        ] {
            assert_eq!(percent(share), expected);
        }
    }
}
