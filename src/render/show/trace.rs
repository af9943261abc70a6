//! The way: the runs that a thing came from or went into, with their steps and files.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Write as _;
use std::path::Path;

use super::file::{fate_words, names_of};
use super::fold::{From, Own, Said, folded};
use super::more;
use super::run::{cut, remarks, repository_name, run_head};
use crate::model::{Artifact, ArtifactPath, Digest, Evidence, NodeId, Role, RunKind, command_line};
use crate::ops::show::{Fate, Neighbour};
use crate::query::{CameFrom, Direction, Folded, RunLack, TraceFile, TraceReport, TraceRun, TraceRunStep};
use crate::render::units::{counted, digest_words, one_line, thousands};

/// As many parameters are written beside a run on the way.
const PARAMETERS_BESIDE_MAX: usize = 12;
/// As many remarks are written beside a run on the way.
const REMARKS_BESIDE_MAX: usize = 5;
/// More steps of one name in a run than this are folded into one line.
const FOLD_STEPS_AFTER: usize = 6;
/// More lines than this are not written of what several steps of a run were told: each file has one.
const TOLD_AFTER: usize = 8;

/// A walk, with what its files are on disk now.
pub(super) struct Way<'a> {
    direction: Direction,
    disk: &'a BTreeMap<Artifact, Fate>,
    /// How its runs are called.
    tails: HashMap<NodeId, &'a str>,
}

pub(super) fn trace(report: &TraceReport, disk: &BTreeMap<Artifact, Fate>, text: &mut String) {
    if !report.runs.is_empty() {
        text.push('\n');
    }
    let way = Way::new(report, disk);
    for run in &report.runs {
        trace_run(run, &way, text);
    }
    totals(report, text);
    neighbours(disk, text);
}

/// As many other workspaces are named in which files lie.
const NEIGHBOURS_MAX: usize = 5;

/// Names the other workspaces in which sources lie, and how to ask them.
pub(super) fn neighbours(disk: &BTreeMap<Artifact, Fate>, text: &mut String) {
    let mut found: BTreeMap<&Path, Vec<(&ArtifactPath, &Path)>> = BTreeMap::new();
    for (file, fate) in disk {
        if let Some(Neighbour { root, path }) = &fate.neighbour {
            found.entry(root).or_default().push((&file.path, path));
        }
    }
    for (root, files) in found.iter().take(NEIGHBOURS_MAX) {
        let [(first, path), others @ ..] = files.as_slice() else { continue };
        let others = match others.len() as u64 {
            0 => " lies".to_owned(),
            others => format!(" and {} lie", counted(others, "other file", "other files")),
        };
        let (root, path) = (root.to_string_lossy(), path.to_string_lossy());
        let ask = command_line(&["lineage", "-C", &*root, "show", &*path].map(str::to_owned));
        let _ = writeln!(
            text,
            "{first}{others} in the workspace {}, which may know more: `{}`",
            one_line(&root),
            one_line(&ask)
        );
    }
    more(text, found.len(), NEIGHBOURS_MAX, "workspaces with sources in them");
}

pub(super) fn trace_run(run: &TraceRun, way: &Way<'_>, text: &mut String) {
    run_head(&run.head, "", text);
    let view = &run.head.view;
    let is_own = |(name, _): &&(String, String)| !view.said_several.contains_key(name);
    let all: Vec<&(String, String)> = view.run.parameters.iter().filter(is_own).collect();
    if !all.is_empty() {
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
    for (name, values) in view.said_several.iter().take(REMARKS_BESIDE_MAX) {
        let said = format!(
            "{name} was said with {} values; which of them a file was made with is not known",
            values.len()
        );
        let _ = writeln!(text, "│ {}", one_line(&said));
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
    let told = told_to_several(run, way);
    for (name, steps) in by_name {
        if steps.len() > FOLD_STEPS_AFTER {
            rows_of_steps(name, &steps, run, way, &told, &mut rows);
        } else {
            for step in steps {
                step_rows(step, run, way, &told, &mut rows);
            }
        }
    }
    rows_of_told(&told, run, way, &mut rows);
    let widths = [0, 1].map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
    let count = rows.len();
    for (at, [name, file, how]) in rows.into_iter().enumerate() {
        let corner = if at + 1 == count { "└─" } else { "├─" };
        let line = format!("{corner} {name:<0$}  {file:<1$}  {how}", widths[0], widths[1]);
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text.push('\n');
}

/// What several steps of a run are only concluded to know, from those that started them or fed them.
type Told<'a> = HashSet<&'a Artifact>;

/// Finds what is inferred of several steps of a run, where that takes many lines: a tool that works off a list of jobs tells each of
/// them all that it has read so far, and what each read itself is hard to find among it.
fn told_to_several<'a>(run: &'a TraceRun, way: &Way<'a>) -> Told<'a> {
    if way.direction == Direction::Down {
        return Told::new();
    }
    let mut steps: HashMap<&Artifact, usize> = HashMap::new();
    let files = run.steps.iter().flat_map(|step| way.files_of(step));
    for file in files.filter(|file| file.evidence == Evidence::Inferred) {
        *steps.entry(&file.artifact).or_default() += 1;
    }
    steps.retain(|_, count| *count > 1);
    match steps.values().sum::<usize>() > TOLD_AFTER {
        true => steps.into_keys().collect(),
        false => Told::new(),
    }
}

fn is_told(file: &TraceFile, told: &Told<'_>) -> bool {
    file.evidence == Evidence::Inferred && told.contains(&file.artifact)
}

/// Writes what several steps were told, once for all of them.
fn rows_of_told(told: &Told<'_>, run: &TraceRun, way: &Way<'_>, rows: &mut Vec<[String; 3]>) {
    let mut steps = 0;
    let said = run.steps.iter().flat_map(|step| {
        let copied = way.copied(step);
        let files: Vec<&TraceFile> =
            way.files_of(step).into_iter().filter(|file| is_told(file, told)).collect();
        steps += u64::from(!files.is_empty());
        files.into_iter().map(move |file| (&file.artifact.path, way.said_of(file, step, run, &copied)))
    });
    let files = folded(said, Own::Folded);
    push(format!("told to {}", counted(steps, "step", "steps")), files, rows);
}

/// Counts the files among those of steps that are written once for all steps.
fn row_of_told(files: &[&TraceFile], told: &Told<'_>) -> Option<[String; 2]> {
    let files: HashSet<&Artifact> =
        files.iter().filter(|file| is_told(file, told)).map(|file| &file.artifact).collect();
    let count = counted(files.len() as u64, "file told, below", "files told, below");
    (!files.is_empty()).then(|| [count, Evidence::Inferred.as_str().to_owned()])
}

fn step_rows(
    step: &TraceRunStep,
    run: &TraceRun,
    way: &Way<'_>,
    told: &Told<'_>,
    rows: &mut Vec<[String; 3]>,
) {
    let files = way.files_of(step);
    let name = one_line(&step.step.name);
    if files.is_empty() {
        rows.push([name, way.nothing(step.wrote, run).to_owned(), String::new()]);
        return;
    }
    let copied = way.copied(step);
    let own = files.iter().filter(|file| !is_told(file, told));
    let said = own.map(|file| (&file.artifact.path, way.said_of(file, step, run, &copied)));
    let mut lines = folded(said, Own::Spelt);
    lines.extend(row_of_told(&files, told));
    push(name, lines, rows);
}

/// Writes many steps of one name as one.
fn rows_of_steps(
    name: &str,
    steps: &[&TraceRunStep],
    run: &TraceRun,
    way: &Way<'_>,
    told: &Told<'_>,
    rows: &mut Vec<[String; 3]>,
) {
    let all: Vec<&TraceFile> = steps.iter().flat_map(|step| way.files_of(step)).collect();
    let said = steps.iter().flat_map(|step| {
        let (files, copied) = (way.files_of(step), way.copied(step));
        let own = files.into_iter().filter(|file| !is_told(file, told));
        own.map(move |file| (&file.artifact.path, way.said_of(file, step, run, &copied)))
    });
    let mut files = folded(said, Own::Folded);
    files.extend(row_of_told(&all, told));
    if files.is_empty() {
        let wrote = steps.iter().any(|step| step.wrote);
        files.push([way.nothing(wrote, run).to_owned(), String::new()]);
    }
    push(format!("{} x {}", one_line(name), thousands(steps.len() as u64)), files, rows);
}

/// Adds rows of files, the first with the name that they all stand under.
fn push(mut name: String, files: Vec<[String; 2]>, rows: &mut Vec<[String; 3]>) {
    rows.extend(files.into_iter().map(|[file, said]| [std::mem::take(&mut name), file, said]));
}

impl<'a> Way<'a> {
    pub(super) fn new(report: &'a TraceReport, disk: &'a BTreeMap<Artifact, Fate>) -> Self {
        let tails = report.runs.iter().map(|run| (run.head.view.run.id, run.head.tail.as_str())).collect();
        Way { direction: report.direction, disk, tails }
    }

    /// Makes a way of one run.
    pub(super) fn of_one(
        run: &'a TraceRun,
        direction: Direction,
        disk: &'a BTreeMap<Artifact, Fate>,
    ) -> Self {
        Way { direction, disk, tails: HashMap::from([(run.head.view.run.id, run.head.tail.as_str())]) }
    }

    fn files_of(&self, step: &'a TraceRunStep) -> Vec<&'a TraceFile> {
        let files = match self.direction {
            Direction::Up => &step.used,
            Direction::Down => &step.generated,
        };
        if !step.step.act.is_one_to_one() {
            return files.iter().collect();
        }
        // Of what was copied, and read for the other copies as well, the surer counts.
        let mut surest: HashMap<&Artifact, Evidence> = HashMap::new();
        for file in files {
            let known = surest.entry(&file.artifact).or_insert(file.evidence);
            *known = file.evidence.min(*known);
        }
        files.iter().filter(|file| surest[&file.artifact] == file.evidence).collect()
    }

    /// Says that a step has no files in the direction of the way, though it may have written some that are not on it.
    fn nothing(&self, wrote: bool, run: &TraceRun) -> &'static str {
        let lacks = run.lacks();
        let has_ignored = lacks.contains(&RunLack::IgnoredFiles);
        match self.direction {
            Direction::Up if lacks.contains(&RunLack::Reads) => "what it read is not known",
            Direction::Up if lacks.contains(&RunLack::Unseen) => "nothing that it read was seen",
            Direction::Up if has_ignored => "read nothing, but for what `.lineageignore` may name",
            // Programs, libraries and what lies among system files and packages, such as the data sets of a library.
            Direction::Up if run.head.view.run.kind == RunKind::Command => {
                "read nothing but its environment (--environment lists it)"
            }
            Direction::Up => "read nothing",
            // It had written them before, or they are known to come from elsewhere.
            Direction::Down if wrote => "wrote nothing of it",
            Direction::Down if has_ignored => "wrote nothing, but for what `.lineageignore` may name",
            Direction::Down => "wrote nothing",
        }
    }

    /// Returns how it is known that a file is on the way: a step that is only concluded to have read what leads to it tells no
    /// more of what it wrote, however surely it wrote that.
    fn evidence_of(&self, file: &TraceFile, step: &TraceRunStep) -> Evidence {
        let read = match self.direction {
            Direction::Up => None,
            Direction::Down => read_for(file, step).iter().map(|used| used.evidence).min(),
        };
        read.map_or(file.evidence, |read| read.max(file.evidence))
    }

    /// Says through which copies a step came to a file on the way down, where it read nothing else that is on the way.
    fn through_copies(&self, file: &TraceFile, step: &'a TraceRunStep) -> Option<From> {
        let is_down = self.direction == Direction::Down;
        let read = step.used.iter().filter(|used| is_down && used.at <= file.at);
        let mut copies = BTreeSet::new();
        for used in read {
            if !matches!(used.from, Some(CameFrom::CopyOf(..))) {
                return None;
            }
            copies.insert(&used.artifact.path);
        }
        let first = copies.pop_first()?;
        Some(From::Through(copies.is_empty().then(|| first.to_string())))
    }

    /// Returns the contents on the other side of a step whose files go back to one other each, as far as they are on the way: what it
    /// read besides is in none of them.
    fn copied(&self, step: &'a TraceRunStep) -> HashSet<&'a Digest> {
        let others = match self.direction {
            Direction::Up => &step.generated,
            Direction::Down => &step.used,
        };
        let others = others.iter().filter(|_| step.step.act.is_one_to_one());
        others.map(|other| &other.artifact.digest).collect()
    }

    /// Says how the file is known that a step of `run` read or wrote, and where it came from.
    fn said_of(
        &self,
        file: &TraceFile,
        step: &TraceRunStep,
        run: &TraceRun,
        copied: &HashSet<&Digest>,
    ) -> Said {
        let code = code_of_file(file, run);
        let known_to_git = code.is_some();
        let mut how = match self.evidence_of(file, step) {
            Evidence::Doubtful if run.head.view.ran_as_compiled(&file.artifact.path) => "as compiled before",
            evidence => evidence.as_str(),
        }
        .to_owned();
        if copied.contains(&file.artifact.digest) {
            how = format!("{how}, {}", step.step.act.as_str());
        }
        if !file.link_names.is_empty() {
            how = format!("{how}, also {}", names_of(&file.link_names));
        }
        if let Some(step) = &file.removed_by {
            how = format!("{how}, removed since by {}", one_line(step));
        }
        let mut said = Said::new(how + &code.unwrap_or_default());
        let tail = |id: &NodeId| {
            self.tails.get(id).map_or_else(|| id.tail(NodeId::TAIL_DIGITS), |tail| (*tail).to_owned())
        };
        match &file.from {
            Some(CameFrom::Run(id)) if *id != run.head.view.run.id => said.from = From::Run(tail(id)),
            Some(CameFrom::CopyOf(artifact, id)) => {
                said.from = From::CopyOf(artifact.path.to_string(), tail(id));
            }
            Some(CameFrom::SoFar(id)) => said.from = From::SoFar(tail(id)),
            Some(CameFrom::Gap) => said.from = From::Gap,
            Some(from @ (CameFrom::Source | CameFrom::Alike(..))) => {
                if !known_to_git {
                    said.from = match from {
                        CameFrom::Alike(artifact, id) => From::Alike(artifact.path.to_string(), tail(id)),
                        _ => From::Source,
                    };
                }
                said.state = self.disk.get(&file.artifact).map_or("", fate_words);
            }
            _ => {}
        }
        if let Some(through) = self.through_copies(file, step) {
            said.from = through;
        }
        said.of_models(&file.models)
    }
}

/// Returns what a step on the way down read that may have gone into what it wrote. Where its files go back to one other each, that is
/// the one that had these bytes, or else what went into all; what went into another file as well was read a second time for it.
fn read_for<'a>(file: &TraceFile, step: &'a TraceRunStep) -> Vec<&'a TraceFile> {
    let read: Vec<&TraceFile> = step.used.iter().filter(|used| used.at <= file.at).collect();
    if !step.step.act.is_one_to_one() {
        return read;
    }
    let has_its_bytes = |used: &&TraceFile| used.artifact.digest == file.artifact.digest;
    let was_given_away = |used: &TraceFile| {
        let is_first = !read.iter().any(|other| other.artifact == used.artifact && other.at < used.at);
        is_first && step.generated.iter().any(|written| written.artifact.digest == used.artifact.digest)
    };
    let own: Vec<&TraceFile> = read.iter().copied().filter(has_its_bytes).collect();
    let for_all = || read.iter().copied().filter(|used| !was_given_away(used)).collect::<Vec<_>>();
    match own.is_empty() {
        true => Some(for_all()).filter(|files| !files.is_empty()).unwrap_or_else(|| read.clone()),
        false => own,
    }
}

/// Returns what git has of a file, in the run that read it.
fn code_of_file(file: &TraceFile, run: &TraceRun) -> Option<String> {
    let words = match file.role {
        Role::Code | Role::DataTracked => "in git at",
        Role::CodeChanged | Role::DataChanged => "differs from git at",
        Role::CodeUntracked if is_git_unknown(file, run) => {
            return Some("  not known whether in git".to_owned());
        }
        Role::CodeUntracked => return Some("  not in git".to_owned()),
        Role::Data | Role::Metrics | Role::Environment => return None,
    };
    let (code, repository) = run.head.view.code_of(&file.artifact.path);
    let commit = one_line(code.commit_short.as_deref()?);
    let of = repository.map_or_else(String::new, |repository| format!(" of {}", repository_name(repository)));
    let is_gone = code.commit.as_ref().is_some_and(|commit| run.head.commits_gone.contains(commit));
    Some(match is_gone && file.role.is_as_committed() {
        true => format!("  was in git at {commit}{of}, which is gone"),
        false => format!("  {words} {commit}{of}"),
    })
}

/// Returns true where the repository that a file lies in could not be read, so that nothing of it was compared.
fn is_git_unknown(file: &TraceFile, run: &TraceRun) -> bool {
    let (code, _) = run.head.view.code_of(&file.artifact.path);
    code.commit.is_none() && code.unreadable.is_some()
}

/// Counts the runs on a way of which something is not recorded.
pub(crate) fn runs_lacking(report: &TraceReport, lack: RunLack) -> u64 {
    report.lacking.get(&lack).copied().unwrap_or(0)
}

pub(super) fn totals(report: &TraceReport, text: &mut String) {
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
        _ if report.steps_total == 0 && report.cut.edges > 0 => {
            parts.push("nothing followed at this --depth".to_owned());
        }
        Direction::Up if report.steps_total == 0 && !report.gaps.is_empty() => {
            parts.push("nothing recorded made these bytes, 1 gap".to_owned());
        }
        Direction::Up if report.steps_total == 0 => {
            parts.push("nothing recorded made it; `--down` shows what was made from it".to_owned());
        }
        Direction::Up => {
            parts.push(counted(report.ends_total, "source", "sources"));
            let gaps = report.gaps.len() as u64;
            parts.push(if gaps == 0 { "no gaps".to_owned() } else { counted(gaps, "gap", "gaps") });
            if report.at_work > 0 {
                parts.push(counted(report.at_work, "file of a command at work", "files of commands at work"));
            }
            let unknown = runs_lacking(report, RunLack::Reads);
            if unknown > 0 {
                let runs = counted(unknown, "run", "runs");
                parts.push(format!("but of {runs} it is not known what was read"));
            }
            let ignoring = runs_lacking(report, RunLack::IgnoredFiles);
            if ignoring > 0 {
                let runs = counted(ignoring, "run", "runs");
                parts.push(format!("but in {runs} there were files that `.lineageignore` names"));
            }
            let unseen = runs_lacking(report, RunLack::Unseen);
            if unseen > 0 {
                let runs = counted(unseen, "run", "runs");
                parts.push(format!("but in {runs} not all could be seen"));
            }
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
        let (path, read) = (&gap.artifact.path, digest_words(&gap.artifact));
        if !gap.written.has_content() {
            let (run, at) = (&gap.run, gap.written_at);
            let _ = writeln!(
                text,
                "gap: {path} was found with {read}; run {run} wrote there at {at}, but what it wrote is not recorded"
            );
            continue;
        }
        let _ = writeln!(
            text,
            "gap: {} was found with {}, but run {} had written {} there at {}",
            path,
            read,
            gap.run,
            digest_words(&gap.written),
            gap.written_at
        );
    }
    for left_out in cut_words(report).into_iter().chain(folded_words(report)) {
        let _ = writeln!(text, "{left_out}");
    }
}

/// As many files that steps read and wrote on are named.
const THROUGH_MAX: usize = 3;

/// Says what lies behind files that steps read and wrote on.
pub(crate) fn folded_words(report: &TraceReport) -> Option<String> {
    report.folded.as_ref().map(|folded| folded_line(folded, report.direction))
}

pub(super) fn folded_line(folded: &Folded, direction: Direction) -> String {
    let files = match direction {
        Direction::Up => counted(folded.files, "source", "sources"),
        Direction::Down => counted(folded.files, "file", "files"),
    };
    let counts = [(folded.runs, counted(folded.runs, "run", "runs")), (folded.files, files)];
    let counts: Vec<String> =
        counts.into_iter().filter(|(count, _)| *count > 0).map(|(_, words)| words).collect();
    let mut through: Vec<String> = folded.through.iter().take(THROUGH_MAX).map(ToString::to_string).collect();
    if folded.through.len() > THROUGH_MAX {
        through.push(format!("{} more", folded.through.len() - THROUGH_MAX));
    }
    let counts =
        if counts.is_empty() { counted(folded.steps, "step", "steps") } else { counts.join(" and ") };
    let may = if direction == Direction::Up { "may be behind it" } else { "may come of it" };
    let through = through.join(", ");
    format!("carried: {counts} more {may}, through {through}, read and written on; `--carried` names them")
}

/// Says what the bound on depth left out.
pub(crate) fn cut_words(report: &TraceReport) -> Option<String> {
    let left = counted(report.cut.edges, "file", "files");
    (report.cut.edges > 0).then(|| format!("cut: {left} at the bound of --depth not followed further"))
}

fn evidence_words(report: &TraceReport) -> Option<String> {
    let [observed, declared, inferred, doubtful, carried] = report.evidence;
    let total: u64 = report.evidence.iter().sum();
    let mut others = Vec::new();
    let sorts = [
        (declared, "declared"),
        (inferred, "inferred"),
        (doubtful, "changed while read"),
        (carried, "carried"),
    ];
    for (count, word) in sorts {
        if count > 0 {
            others.push(format!("{count} {word}"));
        }
    }
    if report.copies > 0 {
        others.push(format!("{} by equal bytes only", report.copies));
    }
    match (total, others.is_empty()) {
        (0, _) => None,
        (_, true) if runs_lacking(report, RunLack::Unseen) == 0 => Some("all edges observed".to_owned()),
        (_, true) => Some(format!("{} observed", counted(total, "edge", "edges"))),
        _ => {
            let edges = counted(total, "edge", "edges");
            Some(format!("{observed} of {edges} observed, {}", others.join(", ")))
        }
    }
}
