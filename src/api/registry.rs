//! The model registry as other programs see it.

use std::sync::Arc;

use crate::api::Answer;
use crate::api::run::here;
use crate::error::{Error, Result};
use crate::model::{ModelEdit, Stage};
use crate::ops::library::Library;
use crate::ops::registry::{self, Author, Changed, Deletion, Entry, Promotion, Registered};
use crate::ops::{self, Clock, View};
use crate::query::registry::{
    Best, HistoryEntry, ModelView, best, find_model, history, latest, model_names, model_view, versions,
};

/// The registered model versions of a workspace.
///
/// A version is named `NAME@VERSION`, `NAME@latest`, `NAME@production` or `NAME@ALIAS`. Each change is one fact, decided under
/// the workspace's lock: of two programs that register the same version, one wins and the other is told.
///
/// ```
/// use lineage::Workspace;
/// use lineage::model::Stage;
/// use lineage::api::{Best, Entry};
///
/// # fn main() -> lineage::error::Result<()> {
/// # let folder = tempfile::tempdir().unwrap();
/// let workspace = Workspace::init(folder.path())?;
/// let run = workspace.run("train").start()?;
/// let model = run.output_dir()?.join("model.bin");
/// std::fs::write(&model, b"weights").unwrap();
/// run.generated(&model)?;
/// run.save_metrics([("f1_score", 0.91)])?;
/// let id = run.id();
/// run.finish()?;
///
/// let registry = workspace.registry();
/// registry.register(&Entry::new("risk_classifier", "1.0.0").run(id).artifact("model", model))?;
/// registry.promote("risk_classifier@1.0.0", Stage::Production, Some("best so far"))?;
/// let best = registry.best("risk_classifier", "f1_score", Best::Greatest)?;
/// assert_eq!(best.as_ref().unwrap().label(), "risk_classifier@1.0.0");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Registry {
    library: Arc<Library>,
    author: Author,
}

impl Registry {
    pub(super) fn new(library: Arc<Library>) -> Self {
        Registry { library, author: Author { name: ops::user() } }
    }

    /// Names whoever makes the changes; by default the user that the environment names.
    #[must_use]
    pub fn by(mut self, name: impl Into<String>) -> Self {
        self.author = Author { name: name.into() };
        self
    }

    /// Registers a version. Relative paths are seen from the current folder. Metrics, inputs and code are taken from the run
    /// where they are not given.
    ///
    /// # Errors
    /// A request error where the entry is wrong, the version exists, or a file is not as its run wrote it; a store error where
    /// it cannot be recorded. Nothing is registered then.
    pub fn register(&self, entry: &Entry) -> Result<Registered> {
        // What runs of this process have said so far may be what it is about.
        self.library.commit()?;
        registry::register(self.workspace(), self.clock(), &self.author, &here()?, entry)
    }

    /// Registers versions, all or none, in this order; see [`Registry::register`]. The disk is waited for as often as for one
    /// of them, so that a thousand take little longer than one.
    ///
    /// After a power cut in the middle, which returns nothing, the first of them may be registered and the others not.
    ///
    /// ```
    /// use lineage::Workspace;
    /// use lineage::api::Entry;
    ///
    /// # fn main() -> lineage::error::Result<()> {
    /// # let folder = tempfile::tempdir().unwrap();
    /// let workspace = Workspace::init(folder.path())?;
    /// let fold = |number: u32| {
    ///     Entry::new("risk_classifier", format!("1.0.0-fold.{number}"))
    ///         .metric("f1_score", 0.8 + f64::from(number) / 100.0)
    /// };
    /// let registered = workspace.registry().register_all(&[fold(1), fold(2), fold(3)])?;
    /// assert_eq!(registered[2].view.label(), "risk_classifier@1.0.0-fold.3");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Registry::register`], and where two entries are of one version. None is registered then.
    pub fn register_all(&self, entries: &[Entry]) -> Result<Vec<Registered>> {
        self.library.commit()?;
        registry::register_all(self.workspace(), self.clock(), &self.author, &here()?, entries)
    }

    /// Returns one version.
    ///
    /// # Errors
    /// A request error where there is none.
    pub fn load(&self, version: &str) -> Result<Answer<ModelView>> {
        self.answer(|view| {
            let id = find_model(&view.snapshot, &version.parse()?)?;
            model_view(&view.snapshot, id)?
                .ok_or_else(|| Error::store("a model version is named and not there"))
        })
    }

    /// Lists the names of all models.
    ///
    /// # Errors
    /// A store error where a record is damaged.
    pub fn names(&self) -> Result<Answer<Vec<String>>> {
        self.answer(|view| model_names(&view.snapshot))
    }

    /// Lists the versions of a model, withdrawn ones and clashes with other workspaces as well; see
    /// [`ModelView::is_current`].
    ///
    /// # Errors
    /// A store error where a record is damaged.
    pub fn list(&self, name: &str) -> Result<Answer<Vec<ModelView>>> {
        self.answer(|view| versions(&view.snapshot, name))
    }

    /// Returns the version of a model with the greatest number.
    ///
    /// # Errors
    /// A store error where a record is damaged.
    pub fn latest(&self, name: &str) -> Result<Answer<Option<ModelView>>> {
        self.answer(|view| match latest(&view.snapshot, name)? {
            Some(id) => model_view(&view.snapshot, id),
            None => Ok(None),
        })
    }

    /// Returns the version of a model with the best value of a metric; of equal ones, the one with the greatest number. What was
    /// withdrawn does not count.
    ///
    /// # Errors
    /// A store error where a record is damaged.
    pub fn best(&self, name: &str, metric: &str, wanted: Best) -> Result<Answer<Option<ModelView>>> {
        self.answer(|view| best(&view.snapshot, name, metric, wanted))
    }

    /// Moves a version to a stage. Of a model, one version at most is in production.
    ///
    /// # Errors
    /// A request error where the version cannot be moved, a store error where it cannot be recorded.
    pub fn promote(&self, version: &str, stage: Stage, reason: Option<&str>) -> Result<Changed> {
        let promotion = Promotion { stage, reason: reason.map(str::to_owned) };
        registry::promote(self.workspace(), self.clock(), &self.author, &version.parse()?, &promotion)
    }

    /// Gives a version a name that `NAME@ALIAS` finds it by; another version that had the name loses it.
    ///
    /// # Errors
    /// As [`Registry::promote`].
    pub fn alias(&self, version: &str, alias: &str) -> Result<Changed> {
        registry::alias(self.workspace(), self.clock(), &self.author, &version.parse()?, alias)
    }

    /// Takes a name away from the version of a model that has it.
    ///
    /// # Errors
    /// As [`Registry::promote`].
    pub fn unalias(&self, name: &str, alias: &str) -> Result<Changed> {
        registry::unalias(self.workspace(), self.clock(), &self.author, name, alias)
    }

    /// Describes a version anew.
    ///
    /// # Errors
    /// As [`Registry::promote`].
    pub fn edit(&self, version: &str, edit: &ModelEdit) -> Result<Changed> {
        registry::edit(self.workspace(), self.clock(), &self.author, &version.parse()?, edit)
    }

    /// Withdraws a version; its history and its place in lineage stay. With `force` also one that is in use.
    ///
    /// # Errors
    /// As [`Registry::promote`].
    pub fn delete(&self, version: &str, reason: &str, force: bool) -> Result<Changed> {
        let deletion = Deletion { reason: reason.to_owned(), force };
        registry::delete(self.workspace(), self.clock(), &self.author, &version.parse()?, &deletion)
    }

    /// Lists everything that happened to the versions of a model.
    ///
    /// # Errors
    /// A store error where a record is damaged.
    pub fn history(&self, name: &str) -> Result<Answer<Vec<HistoryEntry>>> {
        self.answer(|view| history(&view.snapshot, name))
    }

    fn workspace(&self) -> &ops::Workspace {
        self.library.workspace()
    }

    fn clock(&self) -> &Clock {
        self.library.clock()
    }

    fn answer<T>(&self, ask: impl FnOnce(&View) -> Result<T>) -> Result<Answer<T>> {
        let view = self.library.workspace().view()?;
        let value = ask(&view)?;
        Ok(Answer { value, warnings: view.warnings })
    }
}
