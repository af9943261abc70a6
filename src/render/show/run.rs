//! Runs: as the one that is shown, and as a head on the way.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::file::fate_words;
use super::fold::{Own, Said, folded};
use super::models::{holding, learned};
use super::more;
use super::trace::{Way, neighbours, totals, trace_run};
use crate::model::{
    Artifact, ArtifactPath, CaptureLevel, ChangeKind, CodeState, NodeId, Remark, RemarkKind, RunKind,
    RunRepository, RunStatus, TAG_FRONT, redirections,
};
use crate::ops::DiskState;
use crate::ops::run::SoFar;
use crate::ops::show::{Fate, Hold, RunReport};
use crate::query::{Direction, RunHead, RunView, TraceFile, TraceRun, TraceRunStep};
use crate::render::table::in_full;
use crate::render::units::{bytes, command_words, counted, duration, one_line, thousands};

/// As many parameters of a run are written out.
const PARAMETERS_MAX: usize = 100;
/// As many characters of a parameter's value are written.
const VALUE_MAX: usize = 120;

pub(super) fn run(report: &RunReport, text: &mut String) {
    run_head(&report.head, "", text);
    let view = &report.head.view;
    if !view.run.by.is_empty() {
        let _ = writeln!(text, "  by       {}", one_line(&view.run.by));
    }
    code_lines(view, report.hold_on_commit, text);
    if let Some(original) = view.run.rerun_of {
        let _ = writeln!(text, "  rerun of {}", original.tail(NodeId::TAIL_DIGITS));
    }
    if let Some(parent) = view.run.parent {
        let _ = writeln!(text, "  part of  {}", parent.tail(NodeId::TAIL_DIGITS));
    }
    let parameters = view.run.parameters.iter().filter(|(name, _)| !name.starts_with(TAG_FRONT));
    for (name, value) in parameters.clone().take(PARAMETERS_MAX) {
        let (value, several) = match view.said_several.get(name) {
            Some(values) => {
                (values.join(", "), format!("  said with {} values, none for the whole run", values.len()))
            }
            None => (value.clone(), String::new()),
        };
        let _ = writeln!(text, "  param    {} = {}{several}", one_line(name), one_line(&cut(&value)));
    }
    more(text, parameters.count(), PARAMETERS_MAX, "parameters, all in `--json`");
    remarks(&report.head, "  ", usize::MAX, text);
    for (name, value) in &report.tags {
        let _ = writeln!(text, "  tag      {} = {}", one_line(name), one_line(value));
    }
    for metric in &report.metrics {
        let _ = writeln!(text, "  metric   {} = {}", one_line(&metric.name), in_full(metric.value.get()));
    }
    for point in report.so_far.iter().flat_map(|so_far| &so_far.metrics) {
        let _ =
            writeln!(text, "  metric   {} = {}  so far", one_line(&point.name), in_full(point.value.get()));
    }
    holding("trained", &report.models, text);
    learned(&report.learned, text);
    for (name, done, failed) in &report.steps {
        let failed = if *failed > 0 { format!(", {failed} failed") } else { String::new() };
        let _ = writeln!(text, "  step     {} x {done}{failed}", one_line(name));
    }
    for failure in report.failures.iter().take(20) {
        let _ = writeln!(text, "  failed   {}", one_line(failure));
    }
    more(text, report.failures.len(), 20, "failures");
    files_lines(report, text);
    parts(report, text);
    for note in &report.notes {
        let _ = writeln!(text, "  note     {}", crate::render::notes::line(note));
    }
    other_runs(report, text);
    // What a run is made of that has parts and does nothing itself, its parts say.
    if !is_cut_off(report) && (report.parts_total == 0 || !report.steps.is_empty()) {
        totals(&report.trace, text);
    }
    neighbours(&report.disk, text);
}

/// Writes the runs that are parts of it.
fn parts(report: &RunReport, text: &mut String) {
    if report.parts_total == 0 {
        return;
    }
    let _ = writeln!(text, "  parts    {}", counted(report.parts_total, "run", "runs"));
    for part in &report.parts {
        let took = part.view.duration_us().map_or_else(String::new, |took| format!("  {}", duration(took)));
        let _ = writeln!(
            text,
            "           {}  {}  {}{took}",
            part.tail,
            one_line(&part.view.run.name),
            status(part)
        );
    }
    let left = report.parts_total.saturating_sub(report.parts.len() as u64);
    if left > 0 {
        let _ = writeln!(text, "           and {} more; `--limit 0` lists all", thousands(left));
    }
}

fn code_lines(view: &RunView, hold: Option<Hold>, text: &mut String) {
    let code = &view.run.code;
    if let Some(commit) = &code.commit {
        let branch =
            code.branch.as_deref().map_or("detached".to_owned(), |branch| format!("branch {branch}"));
        let root = view.own_root().map_or_else(String::new, |root| format!(", of {root}"));
        let _ = writeln!(text, "  code     {}, {}{root}", one_line(commit), one_line(&branch));
        let fate = match hold {
            None | Some(Hold::Reference) => "",
            Some(Hold::Nothing) => {
                "  code     on no branch and no tag now: git may let that commit go; `git tag NAME COMMIT` keeps it\n"
            }
            Some(Hold::NotHere) => "  code     the repository here does not have that commit\n",
        };
        text.push_str(fate);
    } else if let Some(branch) = code.branch.as_ref().filter(|_| code.repository) {
        let _ = writeln!(text, "  code     no commit yet, branch {}", one_line(branch));
    } else {
        // What was taken over says nothing of code where it names no commit.
        let words = match view.run.kind {
            RunKind::Import if code.unreadable.is_none() => "not known",
            _ => code.without_commit(),
        };
        let _ = writeln!(text, "  code     {words}");
    }
    for file in code.changed.iter().take(20) {
        let _ = writeln!(text, "  {:<8} {}", file.kind.as_str(), file.path);
    }
    more(text, code.changed.len(), 20, "changed files");
    for path in view.changed_meanwhile.iter().take(20) {
        let _ = writeln!(text, "  {:<8} {path}, while it went on", ChangeKind::Modified.as_str());
    }
    more(text, view.changed_meanwhile.len(), 20, "files that changed while it went on");
    for path in view.never_committed.iter().take(20) {
        let _ = writeln!(text, "  {:<8} {path}, and read", ChangeKind::Untracked.as_str());
    }
    more(text, view.never_committed.len(), 20, "untracked files of code that it read");
    if !code.untracked.is_empty() {
        let files = code.untracked.len() as u64 + code.untracked_omitted;
        let _ = writeln!(text, "  code     {}", counted(files, "untracked file", "untracked files"));
    }
    if let Some(reason) = &code.unreadable {
        let _ = writeln!(text, "  code     not fully known: {}", one_line(reason));
    }
    for (repository, code) in view.other_repositories() {
        let _ = writeln!(text, "  code     {}", other_repository(view, repository, code));
        if let Some(reason) = &code.unreadable {
            let _ = writeln!(text, "  code     not fully known: {}", one_line(reason));
        }
    }
}

/// Lists what it read, wrote and took away.
fn files_lines(report: &RunReport, text: &mut String) {
    if let Some(SoFar { until, by_now, .. }) = &report.so_far {
        let run = &by_now.run;
        let _ = writeln!(text, "  files    so far, until {until}; they are recorded when the run ends");
        let paths = |files: fn(&TraceRunStep) -> &[TraceFile]| -> BTreeSet<&ArtifactPath> {
            run.steps.iter().flat_map(files).map(|file| &file.artifact.path).collect()
        };
        let wrote = paths(|step| &step.generated);
        names("inputs", paths(|step| &step.used).difference(&wrote).copied().collect(), text);
        let removed: BTreeSet<&ArtifactPath> = by_now.removed().into_keys().collect();
        names("outputs", wrote.difference(&removed).copied().collect(), text);
        names("removed", removed, text);
    } else if is_cut_off(report) && report.head.alive {
        text.push_str("  files    known when the run ends\n");
    } else if is_cut_off(report) {
        text.push_str(
            "  files    not known: the recording broke off before it said what was read and written\n",
        );
    } else {
        listing("inputs", &report.inputs, report, fate_words, text);
        listing("outputs", &report.outputs, report, output_words, text);
        names("removed", report.removed.iter().collect(), text);
    }
}

/// Lists files by their names alone, if there are any.
fn names(label: &str, paths: BTreeSet<&ArtifactPath>, text: &mut String) {
    if paths.is_empty() {
        return;
    }
    let count = counted(paths.len() as u64, "file", "files");
    let _ = writeln!(text, "  {label:<9}{count}");
    let said = paths.into_iter().map(|path| (path, Said::default()));
    for [file, _] in folded(said, Own::Folded) {
        let _ = writeln!(text, "           {file}");
    }
}

/// Writes the runs that are on the way to it, or from it.
fn other_runs(report: &RunReport, text: &mut String) {
    let others: Vec<&TraceRun> =
        report.trace.runs.iter().filter(|run| run.head.view.run.id != report.head.view.run.id).collect();
    if !others.is_empty() {
        text.push_str(match report.trace.direction {
            Direction::Up => "\nits inputs come from\n",
            Direction::Down => "\nits outputs went into\n",
        });
        let way = Way::new(&report.trace, &report.disk);
        for other in others {
            trace_run(other, &way, text);
        }
    }
}

/// Returns the commit of another repository that a run read files of, and which that is.
pub(crate) fn other_repository(view: &RunView, repository: &RunRepository, code: &CodeState) -> String {
    let state = view.label_of(repository).unwrap_or_else(|| code.without_commit().to_owned());
    let branch = code.branch.as_deref().map_or_else(String::new, |branch| format!(", branch {branch}"));
    one_line(&format!("{state}{branch}, of {}", repository_name(repository)))
}

/// Names a repository by the root of its work tree.
pub(super) fn repository_name(repository: &RunRepository) -> String {
    repository.root.as_ref().map_or_else(|| "the workspace's repository".to_owned(), ToString::to_string)
}

/// Returns true for a command whose recording ended before it: what it read and wrote is recorded at its end.
fn is_cut_off(report: &RunReport) -> bool {
    let view = &report.head.view;
    view.run.kind == RunKind::Command && view.ended_at().is_none() && report.steps.is_empty()
}

/// Says what became of an output that does not lie there as it was written.
fn output_words(fate: &Fate) -> &'static str {
    match fate.state {
        DiskState::Unchanged | DiskState::SameBytes | DiskState::Elsewhere => "",
        _ => fate_words(fate),
    }
}

fn listing(
    label: &str,
    files: &[Artifact],
    report: &RunReport,
    words: fn(&Fate) -> &'static str,
    text: &mut String,
) {
    let size: u64 = files.iter().map(|file| file.size_bytes).sum();
    let paths: BTreeSet<&ArtifactPath> = files.iter().map(|file| &file.path).collect();
    let count = counted(paths.len() as u64, "file", "files");
    let versions = match files.len() {
        of_each if of_each == paths.len() => String::new(),
        versions => format!(" in {} versions", thousands(versions as u64)),
    };
    let _ = writeln!(text, "  {label:<9}{count}{versions}, {}", bytes(size));
    let said = files.iter().map(|file| {
        let state = report.disk.get(file).map_or("", words);
        let models = report.holding.get(file).into_iter().flatten();
        (&file.path, Said { state, ..Said::default() }.of_models(models))
    });
    for [file, said] in folded(said, Own::Folded) {
        let _ = writeln!(text, "           {file}{said}");
    }
}

pub(super) fn run_head(head: &RunHead, front: &str, text: &mut String) {
    let run = &head.view.run;
    let started = run.started_at.format("%Y-%m-%d %H:%M");
    let _ = write!(
        text,
        "● {}  {}  {}  {started} UTC  {}",
        head.tail,
        run.run_id,
        one_line(&run.name),
        status(head)
    );
    if let Some(took) = head.view.duration_us() {
        let _ = write!(text, "  {}", duration(took));
    }
    if let Some(code) = code_words(head) {
        let _ = write!(text, "  {code}");
    }
    text.push('\n');
    let resumed = head.view.outcomes.iter().filter(|outcome| outcome.status == RunStatus::Running).count();
    let again = if resumed > 0 { format!("  (taken up again {})", times(resumed)) } else { String::new() };
    // A run that was taken over may have none.
    if !(run.arguments.is_empty() && again.is_empty()) {
        let led = one_line(&redirections(run.streams.as_deref().unwrap_or_default()));
        let _ = writeln!(text, "{front}│ {}{led}{again}", command_words(&run.arguments));
    }
    if let Some(reason) = head.view.reason() {
        let _ = writeln!(text, "{front}│ {}", one_line(reason));
    }
}

fn times(count: usize) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

/// Returns the word for what a run is now.
pub(crate) fn status(head: &RunHead) -> &'static str {
    head.status().as_str()
}

/// Returns the short SHA and how many files differed from it; and likewise of another repository that the run read files of, one in
/// which these differed if there is any.
pub(crate) fn code_words(head: &RunHead) -> Option<String> {
    let view = &head.view;
    let read = view.changed_meanwhile.len() + view.never_committed.len();
    let changed = (view.run.code.changed.len() + read) as u64;
    let own = view.code_label().map(|label| match view.is_own_dirty() {
        // Another program may say no more than that.
        Some(true) if changed == 0 => label,
        Some(true) => format!("{label} ({})", counted(changed, "file", "files")),
        Some(false) => label,
        None => format!("{label} (changes not known)"),
    });
    let is_dirty = |repository: &RunRepository| view.is_dirty_in(repository) == Some(true);
    let others = || view.other_repositories().map(|(repository, _)| repository);
    let named = others().find(|repository| is_dirty(repository)).or_else(|| others().next());
    let other = named.and_then(|repository| {
        let label = view.label_of(repository)?;
        let name = repository.root.as_ref().map_or_else(|| "around".to_owned(), name_of);
        let more = match others().count() - 1 {
            0 => String::new(),
            more => format!(" + {more} more"),
        };
        Some(format!("{name} {label}{more}"))
    });
    let words = match (own, other) {
        (Some(own), Some(other)) => format!("{own} + {other}"),
        (own, other) => own.or(other)?,
    };
    Some(one_line(&words))
}

/// Returns the last part of the path of a repository.
fn name_of(root: &ArtifactPath) -> String {
    let path = root.to_string();
    path.rsplit('/').find(|part| !part.is_empty()).unwrap_or(&path).to_owned()
}

/// Writes how completely a run was observed, where that was not all, and what else is remarked on its record.
pub(super) fn remarks(head: &RunHead, front: &str, limit: usize, text: &mut String) {
    if let Some(weakness) = head.view.level().and_then(CaptureLevel::weakness) {
        let _ = writeln!(text, "{front}{:<8} {weakness}", "seen");
    }
    let (all, omitted) = head.view.all_remarks();
    let all: Vec<&Remark> = all.collect();
    for remark in all.iter().take(limit) {
        let label = match remark.kind {
            RemarkKind::NotObserved => "declared",
            RemarkKind::NotDeclared => "observed",
            RemarkKind::StillRunning => "running",
            kind => kind.as_str(),
        };
        let _ = writeln!(text, "{front}{label:<8} {}", remark_words(remark));
    }
    let left = all.len().saturating_sub(limit) as u64 + omitted;
    if left > 0 {
        let _ = writeln!(text, "{front}and {}", counted(left, "more remark", "more remarks"));
    }
}

/// Writes a remark on one line, with how many things it is about.
pub fn remark_words(remark: &Remark) -> String {
    let text = one_line(&remark.text);
    match (remark.kind, remark.count) {
        (_, 1) => text,
        (RemarkKind::LeftOut | RemarkKind::NotDeclared | RemarkKind::Masked | RemarkKind::Refused, count) => {
            format!("{text} ({})", thousands(count))
        }
        (_, count) => format!("{text} ({} times)", thousands(count)),
    }
}

/// Cuts a long value; that it was cut is seen.
pub(super) fn cut(value: &str) -> String {
    match value.char_indices().nth(VALUE_MAX) {
        Some((at, _)) => format!("{}…", &value[..at]),
        None => value.to_owned(),
    }
}
