//! Files, and segments of filings.

use std::fmt::Write as _;

use super::models::{holding, learned};
use super::projected::projected_line;
use super::run::cut;
use super::so_far::so_far;
use super::trace::trace;
use crate::model::ArtifactPath;
use crate::ops::DiskState;
use crate::ops::show::{Fate, FileReport, FilingBytes, SegmentReport};
use crate::query::{Direction, RERUN_SCHEME, RemovedBy, Unwritten};
use crate::render::units::{content_words, one_line};

/// As many names of one sort are written in one line.
const NAMES_MAX: usize = 3;

pub(super) fn file(report: &FileReport, text: &mut String) {
    file_head(report, text);
    so_far(&report.so_far, report.trace.direction, text);
    trace(&report.trace, &report.disk, text);
    if let (Direction::Up, Some(Unwritten::Gap(gap))) = (report.trace.direction, &report.unwritten)
        && gap.written.has_content()
    {
        let _ = writeln!(text, "what that version was made from: `lineage show {}`", gap.written.digest);
    }
}

fn file_head(report: &FileReport, text: &mut String) {
    let target = &report.target;
    let artifact = &target.artifact;
    let _ = writeln!(text, "{}", target.path);
    let _ = writeln!(
        text,
        "  {:<8} {}, {}{}",
        if report.is_link { "text" } else { "bytes" },
        content_words(artifact),
        state_words(report),
        if report.is_kept && is_lost_from_its_place(target.state) { "; kept" } else { "" }
    );
    if target.state == DiskState::SameBytes {
        let _ = writeln!(text, "  same as  {}", artifact.path);
    }
    match &report.writer {
        Some(writer) => {
            let steps = joined(&writer.steps, NAMES_MAX);
            let _ = writeln!(text, "  written  {} by {steps} of run {}", writer.at, writer.run.tail);
            if let Some(command) = &writer.command {
                let _ = writeln!(text, "  command  {}", cut(&one_line(command)));
            }
        }
        None => match &report.projected {
            Some(projected) => projected_line(projected, text),
            None => unwritten_line(report.unwritten.as_ref(), text),
        },
    }
    if let Some(removed) = &report.removed {
        let _ = writeln!(text, "  gone     {}", removed_words(removed));
    }
    if let Some(writer) = report.writer.as_ref().filter(|writer| !writer.others.is_empty()) {
        let others = joined(&writer.others, NAMES_MAX);
        let runs = if writer.others.len() == 1 { "run" } else { "runs" };
        let _ = writeln!(
            text,
            "  doubt    {runs} {others} wrote the same at the same time: the bytes may be of either"
        );
    }
    if let Some(writer) = report.writer.as_ref().filter(|writer| !writer.elsewhere.is_empty()) {
        let runs = if writer.elsewhere.len() == 1 { "run" } else { "runs" };
        let elsewhere = joined(&writer.elsewhere, NAMES_MAX);
        let _ = writeln!(
            text,
            "  also     written with the same bytes in another workspace, by {runs} {elsewhere}"
        );
    }
    let is_told_of = target.state == DiskState::Gone || !is_lost_from_its_place(target.state);
    if !report.same_bytes.is_empty() && is_told_of {
        let _ = writeln!(text, "  also at  {}", names_of(&report.same_bytes));
    }
    if !report.link_names.is_empty() {
        let _ = writeln!(text, "  linked   as {}", names_of(&report.link_names));
    }
    crate::render::overwritten::lines(&report.overwritten, "  before   ", text);
    crate::render::notes::file(report, text);
    holding("model", &report.models, text);
    learned(&report.learned, text);
}

/// Says who took a file away, and where it went.
pub(crate) fn removed_words(removed: &RemovedBy) -> String {
    let RemovedBy { at, step, run, moved_to } = removed;
    let what = match moved_to {
        Some(to) => format!("moved to {}", to.path),
        None => "removed".to_owned(),
    };
    format!("{what} {at} by {} of run {}", one_line(step), run.tail)
}

fn unwritten_line(unwritten: Option<&Unwritten>, text: &mut String) {
    let _ = match unwritten {
        Some(Unwritten::Gap(gap)) => {
            writeln!(
                text,
                "  gap      no recorded step wrote these bytes; run {} had written others",
                gap.run
            )
        }
        Some(Unwritten::CopyOf { artifact, at, run }) => {
            let path = &artifact.path;
            writeln!(text, "  copy     of {path}, by equal bytes, which was written {at} by run {run}")
        }
        Some(Unwritten::Alike { artifact, run }) => {
            let path = &artifact.path;
            writeln!(
                text,
                "  source   no recorded step wrote these bytes here; {path} of run {run} has the same few"
            )
        }
        Some(Unwritten::Source) | None => writeln!(text, "  source   no recorded step wrote these bytes"),
    };
}

/// Writes names as a list, `a, b and c`, or `a, b and 3 more`.
fn joined(names: &[String], limit: usize) -> String {
    let mut words: Vec<String> = names.iter().take(limit).map(|name| one_line(name)).collect();
    if names.len() > limit {
        words.push(format!("{} more", names.len() - limit));
    }
    match words.pop() {
        Some(last) if !words.is_empty() => format!("{} and {last}", words.join(", ")),
        last => last.unwrap_or_default(),
    }
}

/// Says what is named as a file and is none on this machine.
fn elsewhere_words(path: &ArtifactPath) -> &'static str {
    match path.as_bytes() {
        path if path.starts_with(RERUN_SCHEME) => {
            "written by a repetition, in a copy of the workspace that is gone"
        }
        _ if path.is_environment() => "the environment of a run, and no file in a folder",
        _ => "behind an address, and no file in a folder",
    }
}

pub(crate) fn names_of(paths: &[ArtifactPath]) -> String {
    let paths: Vec<String> = paths.iter().map(ToString::to_string).collect();
    joined(&paths, NAMES_MAX)
}

fn state_words(report: &FileReport) -> String {
    let target = &report.target;
    match target.state {
        DiskState::Unchanged if report.writer.is_some() => "unchanged since they were written".to_owned(),
        DiskState::Unchanged => "unchanged since they were read".to_owned(),
        DiskState::Changed(digest) if !report.same_bytes.is_empty() => {
            let names = names_of(&report.same_bytes);
            format!("changed since: the file now holds {}, the bytes of {names}", digest.short())
        }
        DiskState::Changed(digest) => {
            format!("changed since: the file now holds {}, which nobody recorded", digest.short())
        }
        DiskState::OtherVersion(digest) => {
            format!("another recorded version lies there now, {}", digest.short())
        }
        DiskState::Gone if target.as_of.is_some() => "no longer on disk".to_owned(),
        DiskState::Gone => "no longer on disk; this is the last recorded version".to_owned(),
        DiskState::NoFile if target.as_of.is_some() => "what lies there now is no file".to_owned(),
        DiskState::NoFile => "what lies there now is no file; this is the last recorded version".to_owned(),
        DiskState::Unreadable => "not known to be so still: what lies there cannot be read".to_owned(),
        DiskState::SameBytes => "not recorded under this name, but these bytes are".to_owned(),
        DiskState::Elsewhere => elsewhere_words(&target.artifact.path).to_owned(),
        DiskState::NotRecorded => "so what lies there now cannot be told from it".to_owned(),
        DiskState::NotChecked => "recorded".to_owned(),
    }
}

pub(super) fn segment(report: &SegmentReport, text: &mut String) {
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

/// Returns true where the recorded bytes do not lie at the recorded place.
fn is_lost_from_its_place(state: DiskState) -> bool {
    use DiskState::{Changed, Gone, NoFile, OtherVersion};
    matches!(state, Changed(_) | OtherVersion(_) | Gone | NoFile)
}

/// Says what became of a source: how it lies on disk, and whether it can be had all the same.
pub(super) fn fate_words(fate: &Fate) -> &'static str {
    match (fate.state, fate.is_kept) {
        (DiskState::Unchanged | DiskState::SameBytes, Some(true)) => ", kept",
        (DiskState::Changed(_) | DiskState::OtherVersion(_), Some(true)) => ", changed since, kept",
        (DiskState::Gone, Some(true)) => ", gone since, kept",
        (DiskState::NoFile, Some(true)) => ", kept; what lies there now is no file",
        (state, _) => source_words(state),
    }
}

fn source_words(state: DiskState) -> &'static str {
    match state {
        DiskState::Unchanged | DiskState::SameBytes => "",
        DiskState::Changed(_) | DiskState::OtherVersion(_) => ", changed since",
        DiskState::Gone => ", gone since",
        DiskState::NoFile => ", gone since, and what lies there now is no file",
        DiskState::Unreadable => ", cannot be read now",
        DiskState::Elsewhere => ", not a file in a folder",
        DiskState::NotRecorded => ", its content is not recorded",
        DiskState::NotChecked => ", not compared with the disk",
    }
}
