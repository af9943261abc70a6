//! A workspace as other programs see it.

use std::ffi::OsStr;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::api::run::here;
use crate::api::{Registry, RunBuilder, Search, Shown};
use crate::error::{Error, Result};
use crate::model::{ArtifactPath, Metric, NodeId};
use crate::ops::library::Library;
use crate::ops::show::{ShowRequest, show};
use crate::ops::{self, Clock, View};
use crate::query::registry::ModelView;
use crate::query::{self, Direction, RunSelector, RunView};

/// The folder that holds `.lineage/`, and all that is recorded there.
///
/// Cheap to clone, and usable from any thread. Nothing is opened or written before it is needed. What is recorded through a
/// value and its clones shares one journal segment, which ends when the last clone and the last [`Run`](crate::api::Run) of
/// it are gone.
#[derive(Debug, Clone)]
pub struct Workspace {
    pub(super) library: Arc<Library>,
}

/// An answer, and what it lacks.
///
/// It can be used as the value itself.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Answer<T> {
    /// The answer.
    pub value: T,
    /// What could not be taken into account, one line each; most often none.
    pub warnings: Vec<String>,
}

impl<T> Deref for Answer<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl Workspace {
    /// Finds the workspace that `folder` lies in: the nearest folder above it, or itself, with a `.lineage` folder.
    ///
    /// # Errors
    /// An error of [`Kind::NotFound`](crate::Kind::NotFound) where there is none.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        let found = ops::Workspace::find(folder)?;
        found.map(Self::of).ok_or_else(|| {
            Error::not_found(format!(
                "no workspace at `{}`: it and the folders above it have no `.lineage`",
                folder.display()
            ))
            .hint("`Workspace::init` makes one, and so does `lineage init`")
        })
    }

    /// Makes a workspace in `folder`, which must exist; it is no error where there is one already.
    ///
    /// # Errors
    /// A request error where the folder cannot be read, a store error where it cannot be written.
    pub fn init(folder: impl AsRef<Path>) -> Result<Self> {
        ops::Workspace::init(folder.as_ref()).map(Self::of)
    }

    fn of(workspace: ops::Workspace) -> Self {
        Workspace { library: Arc::new(Library::new(workspace, Clock::machine())) }
    }

    /// Uses another clock than the machine's, for records that must come out the same each time.
    #[must_use]
    pub fn with_clock(self, clock: Clock) -> Self {
        Workspace { library: Arc::new(Library::new(self.library.workspace().clone(), clock)) }
    }

    /// Returns the folder that recorded paths are relative to.
    pub fn root(&self) -> PathBuf {
        self.library.workspace().root().to_owned()
    }

    /// Prepares a run; [`RunBuilder::start`] starts it.
    pub fn run(&self, name: impl Into<String>) -> RunBuilder {
        RunBuilder::new(Arc::clone(&self.library), name.into())
    }

    /// Returns the registered model versions.
    pub fn registry(&self) -> Registry {
        Registry::new(Arc::clone(&self.library))
    }

    /// Makes everything recorded so far through this value survive a power cut.
    ///
    /// # Errors
    /// A store error where the disk does not take it.
    pub fn commit(&self) -> Result<()> {
        self.library.commit()
    }

    /// Reads the state that answers are given from, with everything in it that was recorded before the call.
    pub(super) fn view(&self) -> Result<View> {
        self.library.workspace().view()
    }

    /// Shows where something came from: a file, by its path or, where it was copied, by its bytes; a run (`@`, a run id, the
    /// end of its key, its name); a version of a model (`NAME@VERSION`); `blake3:<digest>`. Relative paths are seen from the root.
    ///
    /// # Errors
    /// An error of [`Kind::NotFound`](crate::Kind::NotFound), or a request error, where it is nothing that was recorded, a store error
    /// where a record is damaged.
    pub fn show(&self, word: impl AsRef<OsStr>) -> Result<Answer<Shown>> {
        self.walk(word.as_ref(), Direction::Up)
    }

    /// Shows what was made from something; see [`Workspace::show`].
    ///
    /// # Errors
    /// As [`Workspace::show`].
    pub fn show_down(&self, word: impl AsRef<OsStr>) -> Result<Answer<Shown>> {
        self.walk(word.as_ref(), Direction::Down)
    }

    fn walk(&self, word: &OsStr, direction: Direction) -> Result<Answer<Shown>> {
        let view = self.view()?;
        let request = ShowRequest {
            word: word.to_owned(),
            direction,
            depth_max: u32::MAX,
            runs_max: usize::MAX,
            carried: false,
            files: false,
            environment: false,
        };
        let workspace = self.library.workspace();
        let shown = show(workspace, &view, workspace.root(), &request);
        let value = Shown::new(shown.map_err(|error| self.seen_from_root(&view, word, error))?);
        Ok(Answer { value, warnings: view.warnings })
    }

    /// Says in an error that a path is seen from the root, where the same path seen from the current folder is a recorded file.
    pub(super) fn seen_from_root(&self, view: &View, word: &OsStr, error: Error) -> Error {
        let root = self.library.workspace().root();
        let meant = here().ok().filter(|here| here != root).map(|here| here.join(word));
        let path = meant.and_then(|place| ArtifactPath::within(root, &place).ok());
        match path.filter(|path| view.snapshot.path_no(path).is_ok_and(|number| number.is_some())) {
            Some(path) => {
                error.hint(format!("questions see paths from the workspace's root: there it is `{path}`"))
            }
            None => error,
        }
    }

    /// Lists the runs, the newest first, at most `limit`.
    ///
    /// # Errors
    /// A store error where a record is damaged.
    pub fn runs(&self, limit: usize) -> Result<Answer<Vec<RunView>>> {
        let mut view = self.view()?;
        let (value, more) = query::runs(&view.snapshot, limit)?;
        if more {
            view.warnings.push(format!("there are more than {limit} runs; the older ones are left out"));
        }
        Ok(Answer { value, warnings: view.warnings })
    }

    /// Asks for runs by an expression, an order and a number; see [`Search`].
    pub fn log(&self) -> Search<RunView> {
        Search::of_runs(Arc::clone(&self.library))
    }

    /// Asks for model versions by an expression, an order and a number; see [`Search`].
    ///
    /// ```
    /// use lineage::Workspace;
    /// use lineage::api::Entry;
    ///
    /// # fn main() -> lineage::error::Result<()> {
    /// # let folder = tempfile::tempdir().unwrap();
    /// let workspace = Workspace::init(folder.path())?;
    /// let version = |version, f1| Entry::new("risk_classifier", version).metric("f1_score", f1);
    /// workspace.registry().register_all(&[version("1.0.0", 0.78), version("1.1.0", 0.91)])?;
    ///
    /// let good = workspace.models().filter("f1_score >= 0.8 and stage != archived").sort("-f1_score").find()?;
    /// assert_eq!(good.rows.len(), 1);
    /// assert_eq!(good.rows[0].item.label(), "risk_classifier@1.1.0");
    /// # Ok(())
    /// # }
    /// ```
    pub fn models(&self) -> Search<ModelView> {
        Search::of_models(Arc::clone(&self.library))
    }

    /// Finds one run: `@` is the latest, `@-` the one before; or its run id, the end of its key, or its name.
    ///
    /// # Errors
    /// A request error where there is none, or more than one.
    pub fn find_run(&self, word: &str) -> Result<Answer<RunView>> {
        let view = self.view()?;
        let number = ops::find_run(self.library.workspace(), &view.snapshot, &word.parse::<RunSelector>()?)?;
        let value = query::run_view(&view.snapshot, number)?
            .ok_or_else(|| Error::request("the start of this run is not recorded here"))?;
        Ok(Answer { value, warnings: view.warnings })
    }

    /// Lists every point of every metric of a run.
    ///
    /// # Errors
    /// A store error where a record is damaged.
    pub fn metrics(&self, run: NodeId) -> Result<Answer<Vec<Metric>>> {
        let view = self.view()?;
        Ok(Answer { value: view.snapshot.metrics(run)?, warnings: view.warnings })
    }
}
