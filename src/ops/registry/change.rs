//! What becomes of a registered version: stages, names, descriptions, and its withdrawal.

use std::collections::BTreeSet;

use crate::capture::secrets::masked_prose;
use crate::error::{Error, Result};
use crate::model::{
    Fact, ModelAct, ModelAlias, ModelChange, ModelEdit, NodeId, Stage, check_alias, check_model_name,
};
use crate::ops::registry::code_read::{keep_code_of, not_kept};
use crate::ops::registry::{Author, Held, secrets, view_of};
use crate::ops::{Clock, DiskState, Workspace, disk_state};
use crate::query::registry::{
    ModelSelector, ModelView, aliases, find_model, learned_from, model_view, production,
};
use crate::query::{Start, downstream_of};

/// A version that was changed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Changed {
    /// The version as it is now.
    pub view: ModelView,
    /// The version as it was.
    pub before: ModelView,
    /// The version that left production, or lost the alias, by it; as it is now.
    pub displaced: Option<ModelView>,
    /// False where all was so already, and nothing was recorded.
    pub changed: bool,
    /// What went wrong without harm, one line each.
    pub warnings: Vec<String>,
}

/// A move to a stage.
#[derive(Debug, Clone)]
pub struct Promotion {
    /// Where to.
    pub stage: Stage,
    /// Why.
    pub reason: Option<String>,
}

/// A withdrawal.
#[derive(Debug, Clone)]
pub struct Deletion {
    /// Why.
    pub reason: String,
    /// Whether also what is in production, has an alias, or is the base of others.
    pub force: bool,
}

/// Moves a version to a stage. Of a model, one version at most is in production: the one before goes into the archive by the
/// same fact.
///
/// # Errors
/// A request error where the version cannot be moved, a store error where the journal cannot be written.
pub fn promote(
    workspace: &Workspace,
    clock: &Clock,
    author: &Author,
    selector: &ModelSelector,
    promotion: &Promotion,
) -> Result<Changed> {
    let mut held = Held::take(workspace, clock, author)?;
    let before = held.current(selector)?;
    if before.stage == promotion.stage {
        return Ok(unchanged(held, before));
    }
    if matches!(promotion.stage, Stage::Staging | Stage::Production) {
        held.warnings.extend(lost_files(workspace, &before));
    }
    let displaced = match promotion.stage {
        Stage::Production => production(&held.snapshot, &before.model.name)?,
        _ => None,
    };
    let act = ModelAct::Staged { stage: promotion.stage, displaced };
    let mut changed = change(held, before, act, promotion.reason.clone(), displaced)?;
    // What a run read is known when it has ended, and it may have registered the version itself.
    if matches!(promotion.stage, Stage::Staging | Stage::Production) {
        let kept =
            workspace.view().and_then(|view| keep_code_of(workspace, &view.snapshot, &changed.view.model));
        changed.warnings.extend(kept.unwrap_or_else(|error| vec![not_kept(&error)]));
    }
    Ok(changed)
}

/// Describes a version anew.
///
/// # Errors
/// As [`promote`].
pub fn edit(
    workspace: &Workspace,
    clock: &Clock,
    author: &Author,
    selector: &ModelSelector,
    edit: &ModelEdit,
) -> Result<Changed> {
    let mut held = Held::take(workspace, clock, author)?;
    let before = held.current(selector)?;
    if *edit == ModelEdit::default() {
        return Ok(unchanged(held, before));
    }
    let masked = secrets::masked_edit(edit);
    if masked != *edit {
        held.warnings.push(secrets::SAID.to_owned());
    }
    change(held, before, ModelAct::Edited(masked), None, None)
}

/// Withdraws a version: it can be used no more, and is not called anything any more. Its history, its place in lineage and its
/// number stay, and no file of its own is touched.
///
/// # Errors
/// As `promote`; and a request error where it is in production, has an alias or is the base of others, unless forced.
pub fn delete(
    workspace: &Workspace,
    clock: &Clock,
    author: &Author,
    selector: &ModelSelector,
    deletion: &Deletion,
) -> Result<Changed> {
    if deletion.reason.trim().is_empty() {
        return Err(Error::request("a version is not withdrawn without a reason")
            .hint("`--reason TEXT` says why, for whoever looks for it later"));
    }
    let held = Held::take(workspace, clock, author)?;
    let id = find_model(&held.snapshot, selector)?;
    let before = view_of(&held.snapshot, id)?;
    if before.deleted.is_some() {
        return Ok(unchanged(held, before));
    }
    if !deletion.force
        && let Some(why) = in_use(&held, &before)?
    {
        return Err(Error::request(format!("`{}` cannot be withdrawn: {why}", before.label()))
            .hint("`--force` withdraws it all the same; nothing was changed"));
    }
    change(held, before, ModelAct::Deleted, Some(deletion.reason.clone()), None)
}

/// Says which files of a version are nowhere to be had where they are looked for first.
fn lost_files(workspace: &Workspace, view: &ModelView) -> Vec<String> {
    let contents = workspace.contents();
    let unkept = view.model.artifacts.iter().filter(|held| {
        let digest = &held.artifact.digest;
        held.link.is_none() && !contents.holds(digest) && !contents.hides(digest)
    });
    let lost = unkept.filter(|held| disk_state(workspace, &held.artifact) != DiskState::Unchanged);
    let said = lost.map(|held| {
        let (label, path) = (view.label(), &held.artifact.path);
        format!("`{path}` of {label} is neither kept nor lies in its place: `lineage models verify {label}` says more")
    });
    said.collect()
}

/// Says why others need a version.
fn in_use(held: &Held<'_>, view: &ModelView) -> Result<Option<String>> {
    if view.stage == Stage::Production {
        return Ok(Some("it is in production".to_owned()));
    }
    if let Some(alias) = view.aliases.first() {
        return Ok(Some(format!("it is called `{alias}`")));
    }
    let based = based_on(held, view)?;
    Ok(match based.as_slice() {
        [] => None,
        [one] => Some(format!("`{one}` descends from it")),
        [one, others @ ..] => Some(format!("`{one}` and {} others descend from it", others.len())),
    })
}

/// Lists the versions that were made from a version: by their entry, or because they learned from its files.
fn based_on(held: &Held<'_>, view: &ModelView) -> Result<Vec<String>> {
    let snapshot = &held.snapshot;
    let numbers = snapshot.artifact_nos(view.model.artifacts.iter().map(|named| &named.artifact))?;
    let start = Start::Files(&numbers);
    let trace = downstream_of(snapshot, start, u32::MAX)?;
    let learned = learned_from(snapshot, start, &trace, u32::MAX)?;
    let mut based: BTreeSet<NodeId> = learned.into_iter().map(|learned| learned.model).collect();
    based.extend(snapshot.models_based_on(&view.label())?);
    based.remove(&view.model.id);
    let mut labels = BTreeSet::new();
    for id in based {
        let other = model_view(snapshot, id)?.filter(|other| other.deleted.is_none());
        labels.extend(other.map(|other| other.label()));
    }
    Ok(labels.into_iter().collect())
}

/// Gives a version a name that `NAME@ALIAS` finds it by; another version that had the name loses it.
///
/// # Errors
/// As [`promote`].
pub fn alias(
    workspace: &Workspace,
    clock: &Clock,
    author: &Author,
    selector: &ModelSelector,
    alias: &str,
) -> Result<Changed> {
    check_alias(alias)?;
    let held = Held::take(workspace, clock, author)?;
    let before = held.current(selector)?;
    let named = aliases(&held.snapshot, &before.model.name)?.get(alias).copied();
    if named == Some(before.model.id) {
        return Ok(unchanged(held, before));
    }
    let (name, id) = (before.model.name.clone(), before.model.id);
    rename(held, before, &name, alias, Some(id), named)
}

/// Takes a name away from the version of `model` that has it.
///
/// # Errors
/// As [`promote`]; and a request error where no version has it.
pub fn unalias(
    workspace: &Workspace,
    clock: &Clock,
    author: &Author,
    model: &str,
    alias: &str,
) -> Result<Changed> {
    check_model_name(model)?;
    let held = Held::take(workspace, clock, author)?;
    let Some(id) = aliases(&held.snapshot, model)?.get(alias).copied() else {
        return Err(Error::request(format!(
            "no version of `{model}` is called `{}`",
            super::entry::shown(alias)
        ))
        .hint(format!("`lineage models show {model}` lists its versions and their names")));
    };
    let before = view_of(&held.snapshot, id)?;
    rename(held, before, model, alias, None, None)
}

fn rename(
    held: Held<'_>,
    before: ModelView,
    name: &str,
    alias: &str,
    model: Option<NodeId>,
    displaced: Option<NodeId>,
) -> Result<Changed> {
    let at = held.now();
    let fact = Fact::ModelNamed(ModelAlias {
        id: NodeId::new(at),
        name: name.to_owned(),
        alias: alias.to_owned(),
        model,
        at,
        by: held.author.name.clone(),
    });
    finish(held, before, &fact, displaced)
}

fn change(
    mut held: Held<'_>,
    before: ModelView,
    act: ModelAct,
    reason: Option<String>,
    displaced: Option<NodeId>,
) -> Result<Changed> {
    let masked = reason.as_deref().map(masked_prose);
    if masked != reason {
        held.warnings.push(secrets::SAID.to_owned());
    }
    let at = held.now();
    let fact = Fact::ModelChanged(ModelChange {
        id: NodeId::new(at),
        model: before.model.id,
        name: before.model.name.clone(),
        at,
        by: held.author.name.clone(),
        reason: masked,
        act,
    });
    finish(held, before, &fact, displaced)
}

fn finish(held: Held<'_>, before: ModelView, fact: &Fact, displaced: Option<NodeId>) -> Result<Changed> {
    let concerned: Vec<NodeId> = std::iter::once(before.model.id).chain(displaced).collect();
    let (snapshot, warnings) = held.record(std::slice::from_ref(fact), &concerned)?;
    let view = view_of(&snapshot, before.model.id)?;
    let displaced = displaced.map(|id| view_of(&snapshot, id)).transpose()?;
    Ok(Changed { view, before, displaced, changed: true, warnings })
}

fn unchanged(held: Held<'_>, before: ModelView) -> Changed {
    let warnings = held.warnings;
    Changed { view: before.clone(), before, displaced: None, changed: false, warnings }
}
