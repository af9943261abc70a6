//! Everything that became of a model and its versions: who, when, from what.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::error::{Error, Result};
use crate::model::{ModelAct, ModelChange, ModelEdit, ModelVersion, NodeId, Stage, Timestamp};
use crate::query::registry::changes_of;
use crate::store::{ChangeOrder, GO_ON, Order, Snapshot};

/// Something that became of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HistoryEntry {
    /// When.
    pub at: Timestamp,
    /// Who did it.
    pub by: String,
    /// The version it is about; `None` for an alias taken away.
    pub model: Option<NodeId>,
    /// That version's number, or empty.
    pub version: String,
    /// What.
    pub act: HistoryAct,
    /// Why, as far as somebody said.
    pub reason: Option<String>,
    /// Why it changed nothing, where it did not.
    pub void: Option<&'static str>,
}

impl HistoryEntry {
    /// Returns true where a version is the one that something became of, or left production by it.
    pub fn concerns(&self, id: NodeId) -> bool {
        let displaced = match &self.act {
            HistoryAct::Registered { displaced, .. }
            | HistoryAct::TakenOver { displaced, .. }
            | HistoryAct::Staged { displaced, .. } => displaced.as_ref(),
            _ => None,
        };
        self.model == Some(id) || displaced.is_some_and(|(other, _)| *other == id)
    }
}

/// What became of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum HistoryAct {
    /// It was registered.
    Registered {
        /// Where it stands since.
        stage: Stage,
        /// The key and the number of the version that left production by that.
        displaced: Option<(NodeId, String)>,
    },
    /// Its entry was taken over, by which it was registered earlier.
    TakenOver {
        /// Where it stood by then.
        stage: Stage,
        /// When it was registered.
        registered_at: Timestamp,
        /// The key and the number of the version that left production by that.
        displaced: Option<(NodeId, String)>,
    },
    /// It was moved from one stage to another; a version that was in production left it by that.
    Staged {
        /// Where it stood.
        from: Stage,
        /// Where it stands since.
        to: Stage,
        /// The key and the number of the version that left production.
        displaced: Option<(NodeId, String)>,
    },
    /// It was described anew.
    Edited(ModelEdit),
    /// It was withdrawn.
    Deleted,
    /// It was given a name, which another version had before.
    Named {
        /// The name.
        alias: String,
        /// The number of the version that had it.
        before: Option<String>,
    },
    /// A name was taken away from it.
    Unnamed(String),
}

/// A statement on a model.
enum Statement {
    Registered,
    Changed(Box<ModelChange>),
}

/// Lists all that became of a model, the first first. Linear in its versions and their changes.
///
/// # Errors
/// A store error where a record is damaged.
pub fn history(snapshot: &Snapshot, name: &str) -> Result<Vec<HistoryEntry>> {
    let mut models: HashMap<NodeId, ModelVersion> = HashMap::new();
    let mut statements: Vec<(ChangeOrder, NodeId, Statement)> = Vec::new();
    let mut first: HashMap<String, (Timestamp, NodeId)> = HashMap::new();
    snapshot.model_versions(name, Order::Rising, |model| {
        models.insert(model.id, model);
        Ok(GO_ON)
    })?;
    for (id, model) in &models {
        let rank = (model.registered_at, *id);
        first.entry(model.version.clone()).and_modify(|first| *first = rank.min(*first)).or_insert(rank);
        let (_, order) =
            snapshot.model_with_order(*id)?.ok_or_else(|| Error::store("a model version is gone"))?;
        statements.push((order, *id, Statement::Registered));
        for (order, change) in changes_of(snapshot, model)? {
            statements.push((order, *id, Statement::Changed(Box::new(change))));
        }
    }
    statements.sort_by_key(|(order, id, _)| (*order, *id));
    let mut fold = Fold {
        models: &models,
        first: &first,
        stages: HashMap::new(),
        deleted: HashSet::new(),
        production: None,
    };
    let mut entries: Vec<(ChangeOrder, HistoryEntry)> =
        statements.into_iter().map(|(order, id, statement)| (order, fold.take(id, statement))).collect();
    for entry in alias_entries(snapshot, name, &models)? {
        entries.push(((entry.at, [0xff; 8]), entry));
    }
    entries.sort_by_key(|(order, _)| *order);
    Ok(entries.into_iter().map(|(_, entry)| entry).collect())
}

fn alias_entries(
    snapshot: &Snapshot,
    name: &str,
    models: &HashMap<NodeId, ModelVersion>,
) -> Result<Vec<HistoryEntry>> {
    let mut held: BTreeMap<String, NodeId> = BTreeMap::new();
    let mut entries = Vec::new();
    for statement in snapshot.aliases_of(name)? {
        let number = |id: &NodeId| models.get(id).map(|model| model.version.clone());
        let before = held.get(&statement.alias).copied();
        let known = statement.model.filter(|id| models.contains_key(id));
        let act = match known {
            Some(id) => {
                held.insert(statement.alias.clone(), id);
                let before = before.filter(|before| *before != id).as_ref().and_then(number);
                HistoryAct::Named { alias: statement.alias, before }
            }
            None => {
                held.remove(&statement.alias);
                HistoryAct::Unnamed(statement.alias)
            }
        };
        let model = known.or(before);
        entries.push(HistoryEntry {
            at: statement.at,
            by: statement.by,
            version: model.as_ref().and_then(number).unwrap_or_default(),
            model,
            act,
            reason: None,
            void: None,
        });
    }
    Ok(entries)
}

/// Where everything stands after the statements so far.
struct Fold<'a> {
    models: &'a HashMap<NodeId, ModelVersion>,
    /// Of each version, the registration that counts.
    first: &'a HashMap<String, (Timestamp, NodeId)>,
    stages: HashMap<NodeId, Stage>,
    deleted: HashSet<NodeId>,
    production: Option<NodeId>,
}

impl Fold<'_> {
    fn take(&mut self, id: NodeId, statement: Statement) -> HistoryEntry {
        let model = &self.models[&id];
        let void = self.void(id, model);
        let mut entry = HistoryEntry {
            at: model.as_of(),
            by: model.by.clone(),
            model: Some(id),
            version: model.version.clone(),
            act: HistoryAct::Deleted,
            reason: None,
            void,
        };
        let change = match statement {
            Statement::Registered => {
                let displaced = self.stage(id, model.stage).map(|id| self.numbered(id));
                let (stage, registered_at) = (model.stage, model.registered_at);
                entry.act = match model.taken {
                    None => HistoryAct::Registered { stage, displaced },
                    Some(_) => HistoryAct::TakenOver { stage, registered_at, displaced },
                };
                return entry;
            }
            Statement::Changed(change) => *change,
        };
        (entry.at, entry.by, entry.reason) = (change.at, change.by, change.reason);
        entry.act = match change.act {
            ModelAct::Staged { stage, .. } => {
                let from = self.stages.get(&id).copied().unwrap_or(Stage::Development);
                let displaced = self.stage(id, stage);
                HistoryAct::Staged { from, to: stage, displaced: displaced.map(|id| self.numbered(id)) }
            }
            ModelAct::Edited(edit) => HistoryAct::Edited(edit),
            ModelAct::Deleted => {
                self.delete(id);
                HistoryAct::Deleted
            }
        };
        entry
    }

    fn numbered(&self, id: NodeId) -> (NodeId, String) {
        (id, self.models[&id].version.clone())
    }

    fn void(&self, id: NodeId, model: &ModelVersion) -> Option<&'static str> {
        if self.deleted.contains(&id) {
            Some("it was withdrawn before")
        } else if self.first[&model.version].1 != id {
            Some("another was registered under this version before")
        } else {
            None
        }
    }

    /// Puts a version into a stage; returns whom that moves out of production.
    fn stage(&mut self, id: NodeId, stage: Stage) -> Option<NodeId> {
        if self.deleted.contains(&id) {
            return None;
        }
        let clash = self.first[&self.models[&id].version].1 != id;
        if self.production == Some(id) {
            self.production = None;
        }
        let mut displaced = None;
        if stage == Stage::Production && clash {
            self.stages.insert(id, Stage::Archived);
            return None;
        }
        self.stages.insert(id, stage);
        if stage == Stage::Production {
            displaced = self.production.replace(id);
            if let Some(displaced) = displaced {
                self.stages.insert(displaced, Stage::Archived);
            }
        }
        displaced
    }

    fn delete(&mut self, id: NodeId) {
        self.deleted.insert(id);
        self.stages.insert(id, Stage::Archived);
        if self.production == Some(id) {
            self.production = None;
        }
    }
}
