//! What a user may call a version of a model.

use std::ops::ControlFlow;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::model::{ModelAct, NodeId, check_alias, check_model_name, check_version};
use crate::query::registry::{aliases, changes_of, model_names, production};
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
    match found {
        Some(id) => Ok(id),
        None => Err(not_found(snapshot, name, missing)?),
    }
}

fn not_found(snapshot: &Snapshot, name: &str, missing: String) -> Result<Error> {
    let mut versions = 0_u64;
    snapshot.model_versions(name, Order::Falling, |_| {
        versions += 1;
        Ok(ControlFlow::Break(()))
    })?;
    if versions > 0 {
        return Ok(Error::request(missing).hint(format!("`lineage models show {name}` lists its versions")));
    }
    let names = model_names(snapshot)?;
    let missing = Error::request(format!("no model is called `{name}`"));
    Ok(missing.hint(match names.as_slice() {
        [] => "no model is registered yet; `lineage register NAME VERSION` registers one".to_owned(),
        [one] => format!("the only model is `{one}`"),
        _ => "`lineage models` lists the models".to_owned(),
    }))
}

/// Returns the greatest version of a model that was not withdrawn; one before its release only where there is no other.
///
/// # Errors
/// A store error where a record is damaged.
pub fn latest(snapshot: &Snapshot, name: &str) -> Result<Option<NodeId>> {
    let mut found = None;
    let mut before_release = None;
    snapshot.model_versions(name, Order::Falling, |model| {
        let id = model.id;
        let first = snapshot.models_named(name, &model.version)?.first() == Some(&id);
        let changes = changes_of(snapshot, &model)?;
        let withdrawn = changes.iter().any(|(_, change)| change.act == ModelAct::Deleted);
        if !first || withdrawn {
            return Ok(ControlFlow::Continue(()));
        }
        let number = model.version.split('+').next().unwrap_or_default();
        if number.contains('-') {
            before_release = before_release.or(Some(id));
            return Ok(ControlFlow::Continue(()));
        }
        found = Some(id);
        Ok(ControlFlow::Break(()))
    })?;
    Ok(found.or(before_release))
}
