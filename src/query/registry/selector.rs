//! What a user may call a version of a model.

use std::ops::ControlFlow;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::model::{ModelVersion, NodeId, Stage, check_alias, check_model_name, check_version};
use crate::query::filter::meant;
use crate::query::registry::{aliases, is_withdrawn, production};
use crate::store::{Order, Snapshot};

/// A way to name a version of a model: `NAME@VERSION`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelSelector {
    /// The model's name.
    pub name: String,
    /// Which version.
    pub version: VersionSelector,
}

/// Which version of a model is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VersionSelector {
    /// `latest`: the greatest that was not withdrawn; one before its release only where there is no other.
    Latest,
    /// `production`: the one in production.
    Production,
    /// Its number: `1.2.0`.
    Number(String),
    /// Its number and the end of its key, where several workspaces registered it: `1.2.0~e55a90bd`.
    Clash(String, String),
    /// An alias: `champion`.
    Alias(String),
}

impl FromStr for ModelSelector {
    type Err = Error;

    /// Reads `NAME@VERSION`, `NAME@latest`, `NAME@production`, `NAME@ALIAS` or `NAME@VERSION~KEY`.
    ///
    /// # Errors
    /// A request error where it is none of these.
    fn from_str(text: &str) -> Result<Self> {
        let shown: String = text.chars().take(200).collect();
        let wrong = || {
            Error::request(format!("`{}` names no version of a model", shown.escape_debug())).hint(
                "versions are named `NAME@1.2.0`, `NAME@latest`, `NAME@production` or `NAME@ALIAS`; `lineage models` lists them",
            )
        };
        let (name, version) = text.split_once('@').ok_or_else(wrong)?;
        check_model_name(name)?;
        let version = match version {
            "latest" => VersionSelector::Latest,
            "production" => VersionSelector::Production,
            number if check_version(number).is_ok() => VersionSelector::Number(number.to_owned()),
            other => match other.split_once('~') {
                Some((number, tail)) if is_tail(tail) && check_version(number).is_ok() => {
                    VersionSelector::Clash(number.to_owned(), tail.to_ascii_lowercase())
                }
                Some(_) => return Err(wrong()),
                None => {
                    check_alias(other).map_err(|_| wrong())?;
                    VersionSelector::Alias(other.to_owned())
                }
            },
        };
        Ok(ModelSelector { name: name.to_owned(), version })
    }
}

fn is_tail(tail: &str) -> bool {
    (4..=32).contains(&tail.len()) && tail.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Finds the version that `selector` names; one that was withdrawn too, by its number.
///
/// # Errors
/// A request error where there is none.
pub fn find_model(snapshot: &Snapshot, selector: &ModelSelector) -> Result<NodeId> {
    let name = &selector.name;
    let (found, missing) = match &selector.version {
        VersionSelector::Latest => (latest(snapshot, name)?, format!("`{name}` has no version")),
        VersionSelector::Production => {
            (production(snapshot, name)?, format!("no version of `{name}` is in production"))
        }
        VersionSelector::Number(number) => {
            let found = snapshot.models_named(name, number)?.first().copied();
            (found, format!("`{name}` has no version {number}"))
        }
        VersionSelector::Clash(number, tail) => {
            let mut found = snapshot.models_named(name, number)?;
            found.retain(|id| id.hex().ends_with(tail));
            let missing = format!("`{name}` has no version {number} whose key ends in `{tail}`");
            (found.first().copied().filter(|_| found.len() == 1), missing)
        }
        VersionSelector::Alias(alias) => {
            let found = aliases(snapshot, name)?.get(alias).copied();
            (found, format!("no version of `{name}` is called `{alias}`"))
        }
    };
    if let Some(id) = found {
        return Ok(id);
    }
    let error = not_found(snapshot, selector, missing)?;
    Err(match &selector.version {
        VersionSelector::Alias(alias) => match withdrawn_holder(snapshot, name, alias)? {
            Some(model) => error
                .because(format!("`{name}@{}`, which was called so, was withdrawn", model.version))
                .hint(format!("`lineage models alias {name}@VERSION {alias}` calls another version so")),
            None => error,
        },
        _ => error,
    })
}

/// Returns the version that had an alias when it was withdrawn.
fn withdrawn_holder(snapshot: &Snapshot, name: &str, alias: &str) -> Result<Option<ModelVersion>> {
    let last = snapshot.alias_statements(name, alias)?.pop().and_then(|last| last.model);
    let model = last.map_or(Ok(None), |id| snapshot.model(id))?.filter(|model| model.name == name);
    Ok(match model {
        Some(model) if is_withdrawn(snapshot, &model)? => Some(model),
        _ => None,
    })
}

/// As many names are looked at for what was meant by one that is not known.
const NAMES_MAX: usize = 10_000;

fn not_found(snapshot: &Snapshot, selector: &ModelSelector, missing: String) -> Result<Error> {
    let name = &selector.name;
    let mut known: Vec<String> = Vec::new();
    let _full = snapshot.model_versions(name, Order::Falling, |model| {
        known.push(model.version);
        Ok(if known.len() < NAMES_MAX { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })?;
    if known.is_empty() {
        return unknown_model(snapshot, name);
    }
    let word = match &selector.version {
        VersionSelector::Number(number) => number,
        VersionSelector::Alias(alias) => alias,
        _ => "",
    };
    if matches!(selector.version, VersionSelector::Alias(_)) {
        known = aliases(snapshot, name)?.into_keys().collect();
        known.extend(["latest", Stage::Production.as_str()].map(str::to_owned));
    }
    let list = format!("`lineage models show {name}` lists its versions");
    Ok(Error::not_found(missing).hint(match meant(word, known.iter().map(String::as_str)) {
        Some(other) if !word.is_empty() => format!("did you mean `{name}@{other}`? {list}"),
        _ => list,
    }))
}

/// Makes the error for a name that no model has, with what was most likely meant.
///
/// # Errors
/// A store error where a record is damaged.
pub fn unknown_model(snapshot: &Snapshot, name: &str) -> Result<Error> {
    let mut names: Vec<String> = Vec::new();
    let _full = snapshot.model_names(|name| {
        names.push(name.to_owned());
        Ok(if names.len() < NAMES_MAX { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })?;
    let shown: String = name.chars().take(120).collect();
    let unknown = Error::not_found(format!("no model is called `{}`", shown.escape_debug()));
    let near = meant(name, names.iter().map(String::as_str));
    Ok(unknown.hint(match (names.as_slice(), near) {
        ([], _) => "no model is registered yet; `lineage register NAME VERSION` registers one".to_owned(),
        ([one], _) => format!("the only model is `{one}`"),
        (_, Some(near)) => format!("did you mean `{near}`? `lineage models` lists the models"),
        (_, None) => "`lineage models` lists the models".to_owned(),
    }))
}

/// Returns the greatest version of a model that was not withdrawn; one before its release only where there is no other.
///
/// # Errors
/// A store error where a record is damaged.
pub fn latest(snapshot: &Snapshot, name: &str) -> Result<Option<NodeId>> {
    let mut before_release = None;
    let released = snapshot.model_versions(name, Order::Falling, |model| {
        let id = model.id;
        let first = snapshot.models_named(name, &model.version)?.first() == Some(&id);
        if !first || is_withdrawn(snapshot, &model)? {
            return Ok(ControlFlow::Continue(()));
        }
        let number = model.version.split('+').next().unwrap_or_default();
        if number.contains('-') {
            before_release = before_release.or(Some(id));
            return Ok(ControlFlow::Continue(()));
        }
        Ok(ControlFlow::Break(id))
    })?;
    Ok(released.break_value().or(before_release))
}
