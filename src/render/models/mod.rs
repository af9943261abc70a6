//! Versions of models: lists, cards, histories, and what a change came to, as text for people.

mod compare;
mod found;
mod json;

use std::fmt::Write as _;

use crate::model::{Evidence, ModelEdit, ModelVersion, NodeId, Stage};
use crate::ops::DiskState;
use crate::ops::registry::{
    Changed, CheckReport, Kept, ModelCard, ModelList, ModelOverview, ModelRow, Registered,
};
use crate::query::RunHead;
use crate::query::filter::Lack;
use crate::query::registry::{HistoryAct, HistoryEntry, ModelView};
use crate::render::log::plain_table;
use crate::render::show::{code_words, other_repository, status};
use crate::render::status::{aligned, causes_words};
use crate::render::table::{COLUMNS_CHOOSE, IN_JSON, in_full, table};
use crate::render::units::{bytes, counted, digest_words, one_line, size_words, thousands};

pub use compare::{compare, compare_json};
pub use found::{found, found_json};
pub use json::{
    card_json, changed_json, check_json, history_json, list_json, overview_json, registered_json,
};
pub(crate) use json::{card_value, view_json};

/// As many inputs, files and metrics are listed on a card.
const LISTED_MAX: usize = 12;
/// The column of labels on a card: the longest is `registered`, and two spaces follow.
const LABEL_WIDTH: usize = 11;

/// Writes versions as a table, each with its run.
pub fn list(models: &ModelList, width: Option<usize>) -> String {
    match models.lack {
        None => rows(&models.rows, models.more, width, COLUMNS_CHOOSE),
        Some(Lack::NoneCurrent) => {
            "no models but what was withdrawn, or has the name of another; `--all` lists it\n".to_owned()
        }
        Some(_) => {
            "no models; `lineage register NAME VERSION --artifact model=PATH` registers one\n".to_owned()
        }
    }
}

fn rows(rows: &[ModelRow], more: bool, width: Option<usize>, elsewhere: &str) -> String {
    let header = ["model", "stage", "metrics", "registered (UTC)", "by", "run"].map(str::to_owned);
    let cells = |(view, run): &ModelRow| {
        vec![
            one_line(&view.label()),
            stage_words(view),
            metrics_words(view),
            view.model.registered_at.format("%Y-%m-%d %H:%M:%S"),
            one_line(&view.model.by),
            run.as_ref().map_or_else(|| "-".to_owned(), |run| run.tail.clone()),
        ]
    };
    let rows: Vec<Vec<String>> = rows.iter().map(cells).collect();
    // Who registered it, and when, is the first to go.
    let mut text = table(&header, &rows, &[4, 3], width, elsewhere);
    if more {
        text.push_str("there are more versions; `--limit 0` lists all\n");
    }
    text
}

/// Writes where a version stands, and what it is called.
pub(crate) fn stage_words(view: &ModelView) -> String {
    let mut words = vec![match (&view.deleted, view.clash_with) {
        (Some(_), _) => "withdrawn".to_owned(),
        (None, Some(_)) => format!("{}, clash", view.stage.as_str()),
        (None, None) => view.stage.as_str().to_owned(),
    }];
    words.extend(view.aliases.iter().map(|alias| one_line(alias)));
    words.join(", ")
}

fn metrics_words(view: &ModelView) -> String {
    let mut words: Vec<String> = view
        .metrics
        .iter()
        .take(3)
        .map(|metric| format!("{} {}", one_line(&metric.name), in_full(metric.value.get())))
        .collect();
    if view.metrics.len() > 3 {
        words.push(format!("and {} more", view.metrics.len() - 3));
    }
    if words.is_empty() { "-".to_owned() } else { words.join("  ") }
}

/// Writes what is registered under one name.
pub fn overview(overview: &ModelOverview, width: Option<usize>) -> String {
    let version = |id| {
        let found = overview.versions.iter().find(|(view, _)| Some(view.model.id) == id);
        found.map_or_else(|| "none".to_owned(), |(view, _)| view.model.version.clone())
    };
    let mut text = format!("{}\n", one_line(&overview.name));
    let count = counted(overview.versions.len() as u64, "version", "versions");
    let _ = writeln!(
        text,
        "  {count}; in production {}, latest {}\n",
        one_line(&version(overview.production)),
        one_line(&version(overview.latest))
    );
    text.push_str(&rows(&overview.versions, false, width, IN_JSON));
    text
}

/// Writes one version with all that belongs to it; what it was trained on where it is wanted.
pub fn card(card: &ModelCard, with_inputs: bool) -> String {
    let mut text = format!("{}\n", one_line(&card.view.label()));
    head(card, &mut text);
    for (name, value) in &card.view.tags {
        let value = if value.is_empty() { String::new() } else { format!(" = {value}") };
        line(&mut text, "tag", &format!("{name}{value}"));
    }
    for metric in card.view.metrics.iter().take(LISTED_MAX) {
        line(&mut text, "metric", &format!("{} = {}", metric.name, in_full(metric.value.get())));
    }
    more(&mut text, card.view.metrics.len(), "metrics");
    documents(card, &mut text);
    if with_inputs {
        inputs(card, &mut text);
    }
    files(card, &mut text);
    if let Some(causes) = card.changed_since.as_deref().filter(|causes| !causes.is_empty()) {
        line(&mut text, "stale", &format!("made from what has changed since: {}", causes_words(causes)));
    }
    for document in card.documents.iter().take(LISTED_MAX) {
        line(&mut text, "document", &crate::render::notes::line(document));
    }
    more(&mut text, card.documents.len(), "documents");
    for note in card.view.notes.iter().flat_map(|notes| notes.lines()) {
        line(&mut text, "note", note);
    }
    text
}

/// Writes where a version stands and where it comes from.
pub(crate) fn head(card: &ModelCard, text: &mut String) {
    let view = &card.view;
    let model = &view.model;
    let from = view.promoted_from.as_ref().map(|from| format!(", in the place of {from}"));
    line(text, "stage", &format!("{}{}", view.stage.as_str(), from.unwrap_or_default()));
    if let Some(deleted) = &view.deleted {
        let why = deleted.reason.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        line(text, "withdrawn", &format!("{} by {}{why}", deleted.at, deleted.by));
    }
    if view.clash_with.is_some() {
        line(text, "clash", "another workspace registered this version first; that one has the name");
    }
    if !view.aliases.is_empty() {
        line(text, "alias", &view.aliases.join(", "));
    }
    if !view.description.is_empty() {
        line(text, "about", &view.description);
    }
    let sort = match (&model.model_type, &model.base_model) {
        (Some(sort), Some(base)) => Some(format!("{sort}, made from {base}")),
        (Some(sort), None) => Some(sort.clone()),
        (None, Some(base)) => Some(format!("made from {base}")),
        (None, None) => None,
    };
    sort.iter().for_each(|sort| line(text, "type", sort));
    let by = if model.by.is_empty() { String::new() } else { format!(" by {}", model.by) };
    line(text, "registered", &format!("{}{by}", model.registered_at));
    if model.created_at != model.registered_at {
        line(text, "created", &model.created_at.to_string());
    }
    if let Some(taken) = &model.taken {
        line(text, "taken", &format!("from its entry, as it stood on {}", taken.as_of));
    }
    match (&card.run, unrecorded_run(model)) {
        (Some(run), _) => line(text, "run", &run_words(run)),
        (None, Some(run)) => line(text, "run", &format!("{run}  not recorded here")),
        (None, None) => line(text, "run", "none is named: what it was made from is not recorded"),
    }
    if let Some(sha) = &model.git_sha {
        let branch = model.branch.as_ref().map(|branch| format!(", branch {branch}")).unwrap_or_default();
        let is_dirty = match &card.run {
            Some(run) if run.view.run.code.commit == model.git_sha => run.view.is_own_dirty() == Some(true),
            _ => card.view.git_dirty,
        };
        let dirty = if is_dirty { ", with uncommitted changes" } else { "" };
        line(text, "code", &format!("{sha}{branch}{dirty}"));
    }
    let of_run =
        card.run.iter().flat_map(|run| run.view.other_repositories().map(|other| (&run.view, other)));
    for (view, (repository, code)) in of_run {
        line(text, "code", &other_repository(view, repository, code));
    }
}

/// Writes what is known of the run that an entry names.
fn unrecorded_run(model: &ModelVersion) -> Option<String> {
    let tail = model.run.map(|id| id.tail(NodeId::TAIL_DIGITS));
    let taken = model.taken.as_ref();
    let label = taken.and_then(|taken| taken.run_label.clone());
    let name = taken.and_then(|taken| taken.run_name.clone());
    let words: Vec<String> = tail.into_iter().chain(label).chain(name).collect();
    (!words.is_empty()).then(|| words.join("  "))
}

fn run_words(run: &RunHead) -> String {
    let code = code_words(run).map(|code| format!("  {code}")).unwrap_or_default();
    format!("{}  {}  {}  {}{code}", run.tail, run.view.run.run_id, run.view.run.name, status(run))
}

fn documents(card: &ModelCard, text: &mut String) {
    let model = &card.view.model;
    for (label, document) in [("config", &model.training_config), ("dataset", &model.dataset_info)] {
        let Some(document) = document else { continue };
        let fields: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(document).unwrap_or_default();
        for (name, value) in fields.iter().take(LISTED_MAX) {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let front: String = value.chars().take(120).collect();
            let cut = if front.len() < value.len() { "…" } else { "" };
            line(text, label, &format!("{name} = {front}{cut}"));
        }
        more(text, fields.len(), "fields");
    }
}

fn inputs(card: &ModelCard, text: &mut String) {
    if !card.inputs.is_empty() {
        let how = if card.inputs_said { "as its entry says" } else { "as its run read them" };
        let count = counted(card.inputs.len() as u64, "file", "files");
        line(text, "inputs", &format!("{count}, {how}; {}", evidence_words(card)));
    }
    let rows =
        card.inputs.iter().take(LISTED_MAX).map(|(input, evidence)| {
            vec![String::new(), input.path.to_string(), evidence.as_str().to_owned()]
        });
    if !card.inputs.is_empty() {
        text.push_str(&aligned(rows.collect()));
    }
    more(text, card.inputs.len(), "inputs");
}

/// Says how many inputs are known how.
fn evidence_words(card: &ModelCard) -> String {
    let counts =
        Evidence::ALL.map(|sort| card.inputs.iter().filter(|(_, evidence)| *evidence == sort).count());
    let known = Evidence::ALL.into_iter().zip(counts).filter(|(_, count)| *count > 0);
    let words = known.map(|(sort, count)| match count == card.inputs.len() {
        true => format!("all {}", sort.as_str()),
        false => format!("{} {}", thousands(count as u64), sort.as_str()),
    });
    words.collect::<Vec<_>>().join(", ")
}

fn files(card: &ModelCard, text: &mut String) {
    let rows = card.files.iter().take(LISTED_MAX).map(|(held, state)| {
        vec![
            format!("{:<width$}", "file", width = LABEL_WIDTH - 1),
            one_line(&held.name),
            held.artifact.path.to_string(),
            held.link.as_ref().map_or_else(|| digest_words(&held.artifact), |text| format!("link to {text}")),
            held.link.as_ref().map_or_else(|| size_words(&held.artifact), |_| String::new()),
            state_words(*state).to_owned(),
        ]
    });
    text.push_str(&aligned(rows.collect()));
    more(text, card.files.len(), "files");
    if let (Some(first), Some(run)) = (card.declared.first(), &card.run) {
        let (all, they) = match card.declared.len() {
            1 => (first.to_string(), "it is"),
            count => (
                format!("{first} and {}", counted(count as u64 - 1, "other file", "other files")),
                "they are",
            ),
        };
        line(
            text,
            "declared",
            &format!("no recorded run wrote {all}: that {they} of run {} is said, not seen", run.tail),
        );
    }
}

pub(crate) fn state_words(state: DiskState) -> &'static str {
    match state {
        DiskState::Unchanged => "unchanged",
        DiskState::Changed(_) | DiskState::OtherVersion(_) => "CHANGED since it was registered",
        DiskState::Gone => "GONE",
        DiskState::NoFile => "GONE, no file lies there now",
        DiskState::Unreadable => "NOT KNOWN, it cannot be read",
        DiskState::SameBytes => "same bytes",
        DiskState::Elsewhere => "elsewhere",
        DiskState::NotRecorded | DiskState::NotChecked => "",
    }
}

/// As [`state_words`], of a file whose bytes are kept: nothing of it is lost.
fn state_words_kept(state: DiskState) -> &'static str {
    match state {
        DiskState::Changed(_) | DiskState::OtherVersion(_) => "written over since",
        DiskState::Gone | DiskState::NoFile => "not in its place",
        other => state_words(other),
    }
}

fn line(text: &mut String, label: &str, words: &str) {
    let _ = writeln!(text, "  {label:<LABEL_WIDTH$} {}", one_line(words));
}

fn more(text: &mut String, count: usize, what: &str) {
    if count > LISTED_MAX {
        let _ = writeln!(
            text,
            "  {:<LABEL_WIDTH$} and {} more {what}; `--json` lists all",
            "",
            thousands((count - LISTED_MAX) as u64)
        );
    }
}

/// Writes that a version was registered.
pub fn registered(registered: &Registered) -> String {
    let view = &registered.view;
    let from = registered.run.as_ref().map(|run| format!(", from run {}", run.tail)).unwrap_or_default();
    let mut text = format!("registered {} in {}{from}\n", one_line(&view.label()), view.stage.as_str());
    let sizes: u64 = view.model.artifacts.iter().map(|held| held.artifact.size_bytes).sum();
    let _ = writeln!(
        text,
        "  {}, {}; {}",
        counted(view.model.artifacts.len() as u64, "file", "files"),
        bytes(sizes),
        counted(view.metrics.len() as u64, "metric", "metrics")
    );
    displaced(registered.displaced.as_ref(), &mut text);
    text
}

fn displaced(view: Option<&ModelView>, text: &mut String) {
    if let Some(view) = view {
        let _ = writeln!(text, "  {} is {} now", one_line(&view.label()), view.stage.as_str());
    }
}

/// Writes what a change of a version came to.
pub fn changed(changed: &Changed) -> String {
    let label = one_line(&changed.view.label());
    if !changed.changed {
        return format!("{label}: nothing to change\n");
    }
    let (before, after) = (&changed.before, &changed.view);
    let mut text = String::new();
    if let Some(deleted) = after.deleted.as_ref().filter(|_| before.deleted.is_none()) {
        let why = deleted.reason.as_deref().map(|why| format!(": {}", one_line(why))).unwrap_or_default();
        let _ = writeln!(text, "withdrew {label}{why}");
        text.push_str("  its files were not touched; its history, lineage and number stay\n");
        for alias in &before.aliases {
            let _ = writeln!(text, "  no version is called {} any more", one_line(alias));
        }
    } else if before.stage != after.stage {
        let _ = writeln!(text, "{label}: {} -> {}", before.stage.as_str(), after.stage.as_str());
    } else if before.aliases != after.aliases {
        let gone = before.aliases.iter().find(|name| !after.aliases.contains(name));
        let words = match gone {
            Some(name) => format!("{name} no more"),
            None => after.aliases.join(", "),
        };
        let _ = writeln!(text, "{label} is called {}", one_line(&words));
    } else {
        let _ = writeln!(text, "{label}: described anew");
    }
    if let Some(other) = &changed.displaced {
        if before.stage != Stage::Production && after.stage == Stage::Production {
            displaced(Some(other), &mut text);
        } else {
            let _ = writeln!(text, "  {} lost the name", one_line(&other.label()));
        }
    }
    text
}

/// Writes the history of a model as a table, the first first.
pub fn history(name: &str, entries: &[HistoryEntry]) -> String {
    if entries.is_empty() {
        return format!("nothing became of {}\n", one_line(name));
    }
    let mut table = plain_table();
    table.set_header(["time (UTC)", "by", "version", "what"]);
    for entry in entries {
        let mut words = act_words(&entry.act);
        if let Some(reason) = &entry.reason {
            let _ = write!(words, ": {reason}");
        }
        if let Some(void) = entry.void {
            let _ = write!(words, " (void: {void})");
        }
        let by = if entry.by.is_empty() { "-" } else { &entry.by };
        table.add_row([
            entry.at.format("%Y-%m-%d %H:%M:%S"),
            one_line(by),
            one_line(&entry.version),
            one_line(&words),
        ]);
    }
    let lines: String = table.lines().map(|line| format!("{}\n", line.trim())).collect();
    format!("{}\n{lines}", one_line(name))
}

fn act_words(act: &HistoryAct) -> String {
    let displaced_words = |displaced: &Option<(crate::model::NodeId, String)>| {
        displaced.as_ref().map(|(_, version)| format!(", in the place of {version}")).unwrap_or_default()
    };
    match act {
        HistoryAct::Registered { stage, displaced } => {
            format!("registered in {}{}", stage.as_str(), displaced_words(displaced))
        }
        HistoryAct::TakenOver { stage, registered_at, displaced } => format!(
            "taken over from its entry: registered {registered_at}, by now in {}{}",
            stage.as_str(),
            displaced_words(displaced)
        ),
        HistoryAct::Staged { from, to, displaced } => {
            format!("{} -> {}{}", from.as_str(), to.as_str(), displaced_words(displaced))
        }
        HistoryAct::Edited(edit) => format!("described anew: {}", edit_words(edit)),
        HistoryAct::Deleted => "withdrawn".to_owned(),
        HistoryAct::Named { alias, before: Some(before) } => {
            format!("called {alias}, as {before} was before")
        }
        HistoryAct::Named { alias, before: None } => format!("called {alias}"),
        HistoryAct::Unnamed(alias) => format!("called {alias} no more"),
    }
}

fn edit_words(edit: &ModelEdit) -> String {
    let mut words = Vec::new();
    words.extend(edit.description.as_ref().map(|text| format!("description \"{text}\"")));
    words.extend(edit.notes.as_ref().map(|text| format!("notes \"{text}\"")));
    words.extend(edit.tags_set.iter().map(|(name, value)| {
        if value.is_empty() { format!("tag {name}") } else { format!("tag {name}={value}") }
    }));
    words.extend(edit.tags_removed.iter().map(|name| format!("no tag {name}")));
    words.join(", ")
}

/// Writes what a check of files came to: what is not in its place, then how much was looked at.
pub fn check(report: &CheckReport) -> String {
    let mut text = String::new();
    let moved: Vec<_> = report.files.iter().filter(|file| !file.is_in_place()).collect();
    let wrong = moved.iter().filter(|file| !file.is_sound()).count();
    let rows = moved.iter().map(|file| {
        let kept = match file.kept {
            Kept::Whole => "its bytes are kept",
            Kept::Damaged => "its bytes are kept damaged",
            Kept::Hidden => "whether its bytes are kept only their owner can see",
            Kept::Nowhere | Kept::NotAsked => "its bytes are not kept",
        };
        vec![
            one_line(&file.label),
            one_line(&file.held.name),
            file.held.artifact.path.to_string(),
            match file.is_sound() {
                true => state_words_kept(file.state).to_owned(),
                false => state_words(file.state).to_owned(),
            },
            kept.to_owned(),
        ]
    });
    if !moved.is_empty() {
        text.push_str(&aligned(rows.collect()));
    }
    let of_versions = moved.chunk_by(|left, right| left.label == right.label);
    let to_restore: Vec<_> =
        of_versions.filter(|files| files.iter().any(|file| file.kept == Kept::Whole)).collect();
    for files in to_restore.iter().take(LISTED_MAX) {
        let label = one_line(&files[0].label);
        // What another version was trained into is not to be written over.
        let is_free = files.iter().all(|file| matches!(file.state, DiskState::Gone));
        let aside = if is_free { "" } else { " --to DIR" };
        let _ = writeln!(text, "  `lineage restore {label}{aside}` brings back what is kept");
    }
    more(&mut text, to_restore.len(), "versions to be restored so");
    let lost = report.code_lost.iter().take(LISTED_MAX).map(|lost| {
        let commit = lost.commit.as_deref().unwrap_or("a commit");
        let what = format!("was in git at {}, which is gone; not kept", one_line(commit));
        vec![one_line(&lost.label), "code".to_owned(), lost.artifact.path.to_string(), what]
    });
    text.push_str(&aligned(lost.collect()));
    more(&mut text, report.code_lost.len(), "files of code that are lost");
    for label in &report.without_files {
        let _ = writeln!(text, "  {} has no files", one_line(label));
    }
    let sizes: u64 = report.files.iter().map(|file| file.held.artifact.size_bytes).sum();
    let _ = writeln!(
        text,
        "{}, {}, {}: {}",
        counted(report.versions, "version", "versions"),
        counted(report.files.len() as u64, "file", "files"),
        bytes(sizes),
        match (wrong, moved.len()) {
            (0, 0) => "all hold what was registered".to_owned(),
            (0, moved) => format!("all are there as registered, {moved} only as kept"),
            (wrong, _) =>
                format!("{} not what was registered, and not kept", counted(wrong as u64, "is", "are")),
        }
    );
    if !report.code_lost.is_empty() {
        let files = counted(report.code_lost.len() as u64, "file", "files");
        let _ = writeln!(text, "of the code that they were made by, {files} cannot be had any more");
    }
    text
}
