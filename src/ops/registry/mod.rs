//! The model registry: registering versions, moving them between stages, naming, describing and withdrawing them.
//!
//! Every change is decided under the workspace's lock, on a store that has everything recorded before, and is one fact in a
//! journal segment of its own: of two processes that register the same version, one wins and the other is told.

mod artifacts;
mod belongs;
mod card;
mod change;
mod check;
mod code_read;
mod compare;
mod entry;
mod entry_file;
mod project;
mod register;
pub(crate) mod secrets;
mod taken;

use crate::error::{Error, Result};
use crate::journal::Writer;
use crate::model::{Fact, NodeId, Timestamp};
use crate::ops::{Clock, StoreLock, Workspace};
use crate::query::registry::{ModelSelector, ModelView, find_model, model_view};
use crate::store::Snapshot;

pub use card::{ModelCard, ModelList, ModelOverview, ModelRow, card, list, overview};
pub use change::{Changed, Deletion, Promotion, alias, delete, edit, promote, unalias};
pub use check::{CheckReport, Kept, check};
pub use code_read::LostCode;
pub(crate) use code_read::lost_code;
pub use compare::{ModelComparison, compare};
pub(crate) use entry::shown;
pub use entry::{Entry, EntryArtifact};
pub use entry_file::{parse_object, read_entry, read_metrics, read_object};
pub(crate) use project::VersionsOfRun;
pub use register::{Registered, register, register_all};
pub use taken::{RegistryTaken, TakenNews, TakenVersion, import_registry};

/// Who changes the registry, and where from.
#[derive(Debug, Clone)]
pub struct Author {
    /// The name of the person, as the machine knows it.
    pub name: String,
}

/// The registry while its lock is held: nobody else changes it.
struct Held<'a> {
    workspace: &'a Workspace,
    clock: &'a Clock,
    author: &'a Author,
    snapshot: Snapshot,
    warnings: Vec<String>,
    _lock: StoreLock,
}

impl<'a> Held<'a> {
    /// Takes the lock and brings the store up to all that is recorded.
    fn take(workspace: &'a Workspace, clock: &'a Clock, author: &'a Author) -> Result<Self> {
        let lock = workspace.lock_to_change()?;
        let found = workspace.store().snapshot()?;
        let complete = found.as_ref().map_or(Ok(None), |snapshot| workspace.if_complete(snapshot))?;
        let (snapshot, warnings) = match (found, complete) {
            (Some(snapshot), Some(warnings)) => (snapshot, warnings),
            (before, _) => {
                drop(before);
                let warnings = workspace.apply(&lock);
                let snapshot = workspace.store().snapshot()?.ok_or_else(|| {
                    Error::store("the store cannot be brought up to date, so the registry cannot be changed")
                        .because(warnings.join("; "))
                        .hint("nothing was recorded, and nothing was changed")
                })?;
                (snapshot, warnings)
            }
        };
        clock.not_before(snapshot.latest());
        Ok(Held { workspace, clock, author, snapshot, warnings, _lock: lock })
    }

    /// Returns the next moment.
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Finds a version that can still be changed.
    fn current(&self, selector: &ModelSelector) -> Result<ModelView> {
        let view = self.any(selector)?;
        let label = view.label();
        if let Some(deleted) = &view.deleted {
            return Err(Error::request(format!("`{label}` was withdrawn on {}", deleted.at))
                .hint("what is withdrawn stays so; register another version"));
        }
        if view.clash_with.is_some() {
            let name = &view.model.name;
            return Err(Error::request(format!("`{label}` is not the version of that name"))
                .because("another workspace registered it first")
                .hint(format!(
                    "register it under a version of its own; `lineage models show {name}` lists them"
                )));
        }
        Ok(view)
    }

    fn any(&self, selector: &ModelSelector) -> Result<ModelView> {
        let id = find_model(&self.snapshot, selector)?;
        model_view(&self.snapshot, id)?.ok_or_else(|| Error::store("a model version is named and not there"))
    }

    /// Records facts, gives up the lock, and brings the files of the versions that they concern up to date; gives back the
    /// store with them in it. However many there are, the disk is waited for as often as for one of them.
    fn record(mut self, facts: &[Fact], concerned: &[NodeId]) -> Result<(Snapshot, Vec<String>)> {
        let before = project::planned(&self.snapshot, concerned)?;
        let segment = NodeId::new(self.clock.now()).as_u128();
        let mut writer = Writer::create(self.workspace.disk(), &self.workspace.journal(), segment)?;
        facts.iter().try_for_each(|fact| writer.append(fact))?;
        writer.commit()?;
        drop(writer);
        drop(self.snapshot);
        for warning in self.workspace.apply(&self._lock) {
            if !self.warnings.contains(&warning) {
                self.warnings.push(warning);
            }
        }
        let snapshot = self.workspace.store().snapshot()?.ok_or_else(|| {
            Error::store("it is recorded, but the store cannot be brought up to date")
                .because(self.warnings.join("; "))
                .hint("the journal has it; nothing is lost")
        })?;
        // Whoever writes projected files may have to apply facts, and so to wait for this lock.
        drop(self._lock);
        project::project(self.workspace, &before, concerned, &mut self.warnings);
        Ok((snapshot, self.warnings))
    }
}

/// Reads a version that is there for certain.
fn view_of(snapshot: &Snapshot, id: NodeId) -> Result<ModelView> {
    model_view(snapshot, id)?.ok_or_else(|| Error::store("what was just recorded is not in the store"))
}
