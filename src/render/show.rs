//! What `lineage show` found, as text for people.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::model::{
    Artifact, CaptureLevel, NodeId, Note, Remark, RemarkKind, Role, RunStatus, TAG_FRONT, command_line,
};
use crate::ops::show::{
    FileReport, FilingBytes, LearnedModel, ModelReport, ProjectedOrigin, ProjectedReport, ProjectedState,
    RunReport, SegmentReport, Shown,
};
use crate::ops::{DiskState, FileTarget};
use crate::query::registry::ModelView;
use crate::query::{CameFrom, Direction, RunHead, TraceFile, TraceReport, TraceRun, TraceRunStep};
use crate::render::models::{card, stage_words};
use crate::render::status::aligned;
use crate::render::units::{bytes, counted, duration, one_line, thousands};

/// As many model versions are named.
const MODELS_MAX: usize = 50;
/// More inputs of one step than this in one folder are folded into one line.
const FOLD_AFTER: usize = 4;
/// As many documents of an index are named.
const DOCUMENTS_MAX: usize = 20;
/// As many parameters of a run are written out.
const PARAMETERS_MAX: usize = 100;
/// As many parameters are written beside a run on the way.
const PARAMETERS_BESIDE_MAX: usize = 12;
/// As many characters of a parameter's value are written.
const VALUE_MAX: usize = 120;
/// As many remarks are written beside a run on the way.
const REMARKS_BESIDE_MAX: usize = 5;
/// More steps of one name in a run than this are folded into one line.
const FOLD_STEPS_AFTER: usize = 6;

/// Writes the answer for people.
pub fn text(shown: &Shown) -> String {
    let mut text = String::new();
    match shown {
        Shown::File(report) => file(report, &mut text),
        Shown::Run(report) => run(report, &mut text),
        Shown::Model(report) => model(report, &mut text),
        Shown::Segment(report) => segment(report, &mut text),
        Shown::Projected(report) => projected(report, &mut text),
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
        Shown::Run(report) => &report.environments,
        Shown::Model(report) => &report.environments,
        Shown::Segment(report) => &report.file.environments,
        Shown::Projected(report) => match &report.origin {
            ProjectedOrigin::Run(report) => &report.environments,
            ProjectedOrigin::Model(report) => &report.environments,
            ProjectedOrigin::Documents(_) => &[],
        },
    }
}

/// Writes the files on the way, one a line, each once.
pub fn files(shown: &Shown) -> String {
    let files = match shown {
        Shown::File(report) => &report.files,
        Shown::Run(report) => &report.files,
        Shown::Model(report) => &report.files,
        Shown::Segment(report) => &report.file.files,
        Shown::Projected(report) => match &report.origin {
            ProjectedOrigin::Run(report) => &report.files,
            ProjectedOrigin::Model(report) => &report.files,
            ProjectedOrigin::Documents(notes) => return listed(notes),
        },
    };
    let mut text = String::new();
    let mut last = None;
    for file in files.iter().flatten() {
        if last != Some(&file.path) {
            let _ = writeln!(text, "{}", file.path);
        }
        last = Some(&file.path);
    }
    text
}

fn listed(notes: &[Note]) -> String {
    let mut text = String::new();
    for note in notes {
        let _ = writeln!(text, "{}", note.artifact.path);
    }
    text
}

/// Writes what a file is projected from, and all that is known of that.
fn projected(report: &ProjectedReport, text: &mut String) {
    let _ = writeln!(text, "{}", report.path);
    projected_line(report, text);
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

fn projected_line(report: &ProjectedReport, text: &mut String) {
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

fn file(report: &FileReport, text: &mut String) {
    file_head(report, text);
    trace(&report.trace, &report.disk, text);
}

fn file_head(report: &FileReport, text: &mut String) {
    let target = &report.target;
    let artifact = &target.artifact;
    let _ = writeln!(text, "{}", target.path);
    let _ = writeln!(
        text,
        "  bytes    {}, {}, {}",
        artifact.digest.short(),
        bytes(artifact.size_bytes),
        state_words(target, report.writer.is_some())
    );
    if target.state == DiskState::SameBytes {
        let _ = writeln!(text, "  same as  {}", artifact.path);
    }
    match &report.writer {
        Some(writer) => {
            let run = &writer.run;
            let _ =
                writeln!(text, "  written  {} by {} of run {}", writer.at, one_line(&writer.step), run.tail);
        }
        None => match &report.projected {
            Some(projected) => projected_line(projected, text),
            None => text.push_str("  source   no recorded step wrote these bytes\n"),
        },
    }
    crate::render::notes::file(report, text);
    holding("model", &report.models, text);
    learned(&report.learned, text);
}

/// Names model versions, each with where it stands.
fn holding(label: &str, models: &[ModelView], text: &mut String) {
    for view in models.iter().take(MODELS_MAX) {
        let _ = writeln!(text, "  {label:<8} {}  {}", one_line(&view.label()), stage_words(view));
    }
    more(text, models.len(), MODELS_MAX, "models");
}

/// Names the model versions that learned from what is shown.
fn learned(models: &[LearnedModel], text: &mut String) {
    if models.is_empty() {
        return;
    }
    let _ = writeln!(text, "  learned  {}:", counted(models.len() as u64, "model version", "model versions"));
    let rows = models.iter().take(MODELS_MAX).map(|model| {
        let by = format!("by {}", model.how.as_str());
        vec![String::new(), one_line(&model.view.label()), stage_words(&model.view), by]
    });
    text.push_str(&aligned(rows.collect()));
    more(text, models.len(), MODELS_MAX, "model versions");
}

fn model(report: &ModelReport, text: &mut String) {
    text.push_str(&card(&report.card, false));
    learned(&report.learned, text);
    trace(&report.trace, &report.disk, text);
}

fn state_words(target: &FileTarget, written: bool) -> String {
    match target.state {
        DiskState::Unchanged if written => "unchanged since they were written".to_owned(),
        DiskState::Unchanged => "unchanged since they were read".to_owned(),
        DiskState::Changed(digest) => {
            format!("changed since: the file now holds {}, which nobody recorded", digest.short())
        }
        DiskState::Gone => "no longer on disk; this is the last recorded version".to_owned(),
        DiskState::SameBytes => "not recorded under this name, but these bytes are".to_owned(),
        DiskState::Elsewhere => "not a file of this machine".to_owned(),
        DiskState::NotChecked => "recorded".to_owned(),
    }
}

fn segment(report: &SegmentReport, text: &mut String) {
    let segment = &report.segment;
    let _ = writeln!(text, "{}#{}", report.file.target.path, segment.chunk_id);
    let mut line = |label: &str, value: &str| {
        let _ = writeln!(text, "  {label:<10} {}", one_line(value));
    };
    line("filing", &segment.filing_name);
    if let Some(number) = &segment.accession_number {
        line("accession", number);
    }
    if let Some(company) = &segment.company_name {
        line("company", company);
    }
    if !segment.ancestors.is_empty() {
        line("under", &segment.ancestors.join(" > "));
    }
    line("words", &segment.word_count.to_string());
    match &report.filing {
        Some(FilingBytes { artifact, state, .. }) => {
            let state = source_words(*state);
            let range = format!("{}..{} of {}", segment.span.start, segment.span.end, artifact.path);
            line("bytes", &format!("{range}{state}"));
        }
        None => line("bytes", &format!("{}..{} of the filing", segment.span.start, segment.span.end)),
    }
    text.push('\n');
    for paragraph in segment.text.lines() {
        let _ = writeln!(text, "  {}", one_line(paragraph));
    }
    if let Some(raw) = report.filing.as_ref().and_then(|filing| filing.text.as_ref()) {
        text.push_str("\nas filed:\n");
        for raw_line in raw.lines() {
            let _ = writeln!(text, "  {}", one_line(raw_line));
        }
    }
    text.push('\n');
    file(&report.file, text);
}

fn run(report: &RunReport, text: &mut String) {
    run_head(&report.head, "", text);
    let code = &report.head.view.run.code;
    if let Some(commit) = &code.commit {
        let branch =
            code.branch.as_deref().map_or("detached".to_owned(), |branch| format!("branch {branch}"));
        let _ = writeln!(text, "  code     {commit}, {}", one_line(&branch));
    } else if let Some(branch) = code.branch.as_ref().filter(|_| code.repository) {
        let _ = writeln!(text, "  code     no commit yet, branch {}", one_line(branch));
    } else {
        text.push_str("  code     no git repository\n");
    }
    for file in code.changed.iter().take(20) {
        let _ = writeln!(text, "  {:<9}{}", file.kind.as_str(), file.path);
    }
    more(text, code.changed.len(), 20, "changed files");
    if !code.untracked.is_empty() {
        let files = code.untracked.len() as u64 + code.untracked_omitted;
        let _ = writeln!(text, "  untracked {}", counted(files, "file", "files"));
    }
    if let Some(reason) = &code.unreadable {
        let _ = writeln!(text, "  code     not fully known: {}", one_line(reason));
    }
    let view = &report.head.view;
    if let Some(original) = view.run.rerun_of {
        let _ = writeln!(text, "  rerun of {}", original.tail(NodeId::TAIL_DIGITS));
    }
    if let Some(parent) = view.run.parent {
        let _ = writeln!(text, "  part of  {}", parent.tail(NodeId::TAIL_DIGITS));
    }
    let parameters = view.run.parameters.iter().filter(|(name, _)| !name.starts_with(TAG_FRONT));
    for (name, value) in parameters.clone().take(PARAMETERS_MAX) {
        let _ = writeln!(text, "  param    {} = {}", one_line(name), one_line(&cut(value)));
    }
    more(text, parameters.count(), PARAMETERS_MAX, "parameters, all in `--json`");
    remarks(&report.head, "  ", usize::MAX, text);
    for (name, value) in &report.tags {
        let _ = writeln!(text, "  tag      {} = {}", one_line(name), one_line(value));
    }
    for metric in &report.metrics {
        let _ = writeln!(text, "  metric   {} = {}", one_line(&metric.name), metric.value.get());
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
    listing("inputs", &report.inputs, &report.disk, text);
    listing("outputs", &report.outputs, &report.disk, text);
    for note in &report.notes {
        let _ = writeln!(text, "  note     {}", crate::render::notes::line(note));
    }
    let others: Vec<&TraceRun> =
        report.trace.runs.iter().filter(|run| run.head.view.run.id != report.head.view.run.id).collect();
    if !others.is_empty() {
        text.push_str(match report.trace.direction {
            Direction::Up => "\nits inputs come from\n",
            Direction::Down => "\nits outputs went into\n",
        });
        for other in others {
            trace_run(other, &report.trace, &report.disk, text);
        }
    }
    totals(&report.trace, text);
}

/// Writes how completely a run was observed, where that was not all, and what else is remarked on its record.
fn remarks(head: &RunHead, front: &str, limit: usize, text: &mut String) {
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
fn cut(value: &str) -> String {
    match value.char_indices().nth(VALUE_MAX) {
        Some((at, _)) => format!("{}…", &value[..at]),
        None => value.to_owned(),
    }
}

fn more(text: &mut String, count: usize, shown: usize, what: &str) {
    if count > shown {
        let _ = writeln!(text, "  and {} more {what}", count - shown);
    }
}

fn listing(label: &str, files: &[Artifact], disk: &BTreeMap<Artifact, DiskState>, text: &mut String) {
    let size: u64 = files.iter().map(|file| file.size_bytes).sum();
    let count = counted(files.len() as u64, "file", "files");
    let _ = writeln!(text, "  {label:<9}{count}, {}", bytes(size));
    let mut folders: BTreeMap<&[u8], Vec<&Artifact>> = BTreeMap::new();
    for file in files {
        folders.entry(file.path.folder()).or_default().push(file);
    }
    for (folder, files) in folders {
        if files.len() > FOLD_AFTER {
            let changed = files.iter().filter(|file| is_off(disk.get(**file))).count();
            let changed =
                if changed > 0 { format!(", {changed} changed or gone since") } else { String::new() };
            let folder = String::from_utf8_lossy(folder);
            let _ = writeln!(text, "           {} files in {}/{changed}", files.len(), one_line(&folder));
        } else {
            for file in files {
                let state = disk.get(file).map_or("", |state| source_words(*state));
                let _ = writeln!(text, "           {}{state}", file.path);
            }
        }
    }
}

fn is_off(state: Option<&DiskState>) -> bool {
    matches!(state, Some(DiskState::Changed(_) | DiskState::Gone))
}

fn source_words(state: DiskState) -> &'static str {
    match state {
        DiskState::Unchanged | DiskState::SameBytes => "",
        DiskState::Changed(_) => ", changed since",
        DiskState::Gone => ", gone since",
        DiskState::Elsewhere => ", outside this machine",
        DiskState::NotChecked => ", not compared with the disk",
    }
}

fn trace(report: &TraceReport, disk: &BTreeMap<Artifact, DiskState>, text: &mut String) {
    if !report.runs.is_empty() {
        text.push('\n');
    }
    for run in &report.runs {
        trace_run(run, report, disk, text);
    }
    totals(report, text);
}

fn run_head(head: &RunHead, front: &str, text: &mut String) {
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
    let _ = writeln!(text, "{front}│ {}{again}", one_line(&command_line(&run.arguments)));
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

/// Returns the short SHA and how many files differed from it.
pub(crate) fn code_words(head: &RunHead) -> Option<String> {
    let code = &head.view.run.code;
    let label = code.label()?;
    let changed = code.changed.len() as u64;
    Some(if code.dirty { format!("{label} ({})", counted(changed, "file", "files")) } else { label })
}

fn trace_run(run: &TraceRun, report: &TraceReport, disk: &BTreeMap<Artifact, DiskState>, text: &mut String) {
    run_head(&run.head, "", text);
    if !run.head.view.run.parameters.is_empty() {
        let all = &run.head.view.run.parameters;
        let mut words: Vec<String> = all
            .iter()
            .take(PARAMETERS_BESIDE_MAX)
            .map(|(name, value)| format!("{name}={}", cut(value)))
            .collect();
        if all.len() > PARAMETERS_BESIDE_MAX {
            words.push(format!("and {} more", all.len() - PARAMETERS_BESIDE_MAX));
        }
        let _ = writeln!(text, "│ {}", one_line(&words.join("  ")));
    }
    remarks(&run.head, "│ ", REMARKS_BESIDE_MAX, text);
    let mut by_name: Vec<(&str, Vec<&TraceRunStep>)> = Vec::new();
    for step in &run.steps {
        match by_name.iter_mut().find(|(name, _)| *name == step.step.name) {
            Some((_, steps)) => steps.push(step),
            None => by_name.push((&step.step.name, vec![step])),
        }
    }
    let mut rows: Vec<[String; 3]> = Vec::new();
    for (name, steps) in by_name {
        if steps.len() > FOLD_STEPS_AFTER {
            rows.push(folded_steps(name, &steps, report.direction));
        } else {
            for step in steps {
                step_rows(step, run.head.view.run.id, report, disk, &mut rows);
            }
        }
    }
    let widths = [0, 1].map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
    let count = rows.len();
    for (at, [name, file, how]) in rows.into_iter().enumerate() {
        let corner = if at + 1 == count { "└─" } else { "├─" };
        let line = format!("{corner} {name:<0$}  {file:<1$}  {how}", widths[0], widths[1]);
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text.push('\n');
}

fn folded_steps(name: &str, steps: &[&TraceRunStep], direction: Direction) -> [String; 3] {
    let files = steps.iter().flat_map(|step| match direction {
        Direction::Up => &step.used,
        Direction::Down => &step.generated,
    });
    let mut folders: BTreeMap<&[u8], u64> = BTreeMap::new();
    for file in files {
        *folders.entry(file.artifact.path.folder()).or_default() += 1;
    }
    let words = folders.iter().map(|(folder, count)| {
        format!("{} in {}/", counted(*count, "file", "files"), one_line(&String::from_utf8_lossy(folder)))
    });
    [format!("{} x {}", one_line(name), steps.len()), words.collect::<Vec<_>>().join(", "), String::new()]
}

fn step_rows(
    step: &TraceRunStep,
    run: NodeId,
    report: &TraceReport,
    disk: &BTreeMap<Artifact, DiskState>,
    rows: &mut Vec<[String; 3]>,
) {
    let files = match report.direction {
        Direction::Up => &step.used,
        Direction::Down => &step.generated,
    };
    let mut name = one_line(&step.step.name);
    if files.is_empty() {
        let nothing = if report.direction == Direction::Up { "read nothing" } else { "wrote nothing" };
        rows.push([name.clone(), nothing.to_owned(), String::new()]);
    }
    let mut folders: BTreeMap<(&[u8], bool), Vec<&TraceFile>> = BTreeMap::new();
    for file in files {
        // What needs words of its own is never folded.
        let plain = !matches!(file.from, Some(CameFrom::Gap | CameFrom::CopyOf(..)));
        folders.entry((file.artifact.path.folder(), plain)).or_default().push(file);
    }
    for ((folder, plain), files) in folders {
        if plain && files.len() > FOLD_AFTER {
            let folder = format!("{} files in {}/", files.len(), one_line(&String::from_utf8_lossy(folder)));
            rows.push([std::mem::take(&mut name), folder, file_words(files[0], run, report, disk)]);
            continue;
        }
        for file in files {
            let words = file_words(file, run, report, disk);
            rows.push([std::mem::take(&mut name), file.artifact.path.to_string(), words]);
        }
    }
}

fn file_words(
    file: &TraceFile,
    run: NodeId,
    report: &TraceReport,
    disk: &BTreeMap<Artifact, DiskState>,
) -> String {
    let mut words = file.evidence.as_str().to_owned();
    if let Some(code) = code_of_file(file, run, report) {
        words.push_str(&code);
        if file.from == Some(CameFrom::Source) {
            words.push_str(disk.get(&file.artifact).map_or("", |state| source_words(*state)));
            return words;
        }
    }
    let tail = |id: &NodeId| {
        let known = report.runs.iter().find(|run| run.head.view.run.id == *id);
        known.map_or_else(|| id.tail(NodeId::TAIL_DIGITS), |run| run.head.tail.clone())
    };
    match &file.from {
        Some(CameFrom::Run(id)) if *id != run => {
            let _ = write!(words, "  of run {}", tail(id));
        }
        Some(CameFrom::CopyOf(artifact, id)) => {
            let _ = write!(words, "  copied or moved from {} of run {}", artifact.path, tail(id));
        }
        Some(CameFrom::Gap) => words.push_str("  gap: no recorded run wrote these bytes"),
        Some(CameFrom::Source) => {
            words.push_str("  source");
            words.push_str(disk.get(&file.artifact).map_or("", |state| source_words(*state)));
        }
        _ => {}
    }
    words
}

/// Returns what git has of a code file, in the run that read it.
fn code_of_file(file: &TraceFile, run: NodeId, report: &TraceReport) -> Option<String> {
    let commit = || {
        let run = report.runs.iter().find(|known| known.head.view.run.id == run)?;
        run.head.view.run.code.commit_short.clone()
    };
    match file.role {
        Role::Code => Some(format!("  in git at {}", commit()?)),
        Role::CodeChanged => Some(format!("  differs from git at {}", commit()?)),
        Role::CodeUntracked => Some("  not in git".to_owned()),
        _ => None,
    }
}

fn totals(report: &TraceReport, text: &mut String) {
    let mut parts = Vec::new();
    let shown = report.runs.len() as u64;
    if report.runs_total > shown && shown > 0 {
        let left = counted(report.runs_total - shown, "run", "runs");
        let _ = writeln!(text, "and {left} more; `--limit 0` names all, `--files` lists the files");
    }
    if report.steps_total > 0 {
        parts.push(counted(report.runs_total, "run", "runs"));
        parts.push(counted(report.steps_total, "step", "steps"));
    }
    match report.direction {
        Direction::Up if report.steps_total == 0 => {
            parts.push("nothing recorded made it; `--down` shows what was made from it".to_owned());
        }
        Direction::Up => {
            parts.push(counted(report.ends_total, "source", "sources"));
            let gaps = report.gaps.len() as u64;
            parts.push(if gaps == 0 { "no gaps".to_owned() } else { counted(gaps, "gap", "gaps") });
        }
        Direction::Down if report.steps_total == 0 => parts.push("no recorded step read this".to_owned()),
        Direction::Down => {
            parts.push(counted(report.ends_total, "file at the end", "files at the end"));
        }
    }
    let mut line = parts.join(", ");
    if let Some(words) = evidence_words(report) {
        let _ = write!(line, "; {words}");
    }
    let _ = writeln!(text, "{line}");
    for gap in &report.gaps {
        let _ = writeln!(
            text,
            "gap: {} was read with {}, but run {} had written {} there at {}",
            gap.artifact.path,
            gap.artifact.digest.short(),
            gap.run,
            gap.written.digest.short(),
            gap.written_at
        );
    }
    if report.cut.edges > 0 {
        let left = counted(report.cut.edges, "file", "files");
        let _ = writeln!(text, "cut: {left} at the bound of --depth not followed further");
    }
}

fn evidence_words(report: &TraceReport) -> Option<String> {
    let [observed, declared, inferred, doubtful] = report.evidence;
    let total: u64 = report.evidence.iter().sum();
    let mut others = Vec::new();
    for (count, word) in [(declared, "declared"), (inferred, "inferred"), (doubtful, "changed while read")] {
        if count > 0 {
            others.push(format!("{count} {word}"));
        }
    }
    if report.copies > 0 {
        others.push(format!("{} by equal bytes only", report.copies));
    }
    match (total, others.is_empty()) {
        (0, _) => None,
        (_, true) => Some("all edges observed".to_owned()),
        _ => Some(format!("{observed} of {total} edges observed, {}", others.join(", "))),
    }
}
