//! Further questions on a workspace: what is out of date, what differs, what happened to a file, and its bytes of then.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::api::diff::RunDiff;
use crate::api::run::here;
use crate::api::{Answer, FileHistory, FileVersion, Restoration, StatusReport, Workspace};
use crate::error::Result;
use crate::ops::diff::diff_runs;
use crate::ops::history::history;
use crate::ops::restore::{RestoreRequest, behind_link, find_version, restore, write_version};
use crate::ops::status::status;

impl Workspace {
    /// Compares everything that is recorded with the disk: what was changed, what is out of date since, what is gone; the answer of
    /// `lineage status`.
    ///
    /// Every file is read, on all cores, but for those that were read before and are the same since by identity, size and times.
    ///
    /// ```
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let root = folder.path();
    /// # let workspace = lineage::Workspace::init(root)?;
    /// std::fs::write(root.join("train.csv"), "1,2\n").unwrap();
    /// let run = workspace.run("train").input(root.join("train.csv")).start()?;
    /// std::fs::write(root.join("model.bin"), "weights").unwrap();
    /// run.generated(root.join("model.bin"))?;
    /// run.finish()?;
    /// assert!(workspace.status()?.is_clean());
    ///
    /// std::fs::write(root.join("train.csv"), "1,2\n3,4\n").unwrap();
    /// let status = workspace.status()?;
    /// assert_eq!(status.stale[0].file.artifact.path.to_string(), "model.bin");
    /// assert_eq!(status.stale[0].causes[0].used.path.to_string(), "train.csv");
    /// # Ok::<(), lineage::Error>(())
    /// ```
    ///
    /// # Errors
    /// A store error where a record is damaged.
    pub fn status(&self) -> Result<Answer<StatusReport>> {
        self.status_of::<&Path>(&[])
    }

    /// Compares what is recorded of files, and of all below folders, with the disk; of everything where none is named. Relative paths
    /// are seen from the root.
    ///
    /// # Errors
    /// A request error where nothing is recorded of one of them, a store error where a record is damaged.
    pub fn status_of<P: AsRef<Path>>(&self, paths: &[P]) -> Result<Answer<StatusReport>> {
        let view = self.view()?;
        let workspace = self.library.workspace();
        let paths: Vec<PathBuf> = paths.iter().map(|path| path.as_ref().to_owned()).collect();
        let value = status(workspace, &view.snapshot, workspace.root(), &paths)?;
        Ok(Answer { value, warnings: view.warnings })
    }

    /// Says what differs between two runs, and what can have made their outputs differ; the answer of `lineage diff`.
    ///
    /// A run is named as for [`Workspace::find_run`], by a file that it wrote, or by a version of a model that came from it.
    ///
    /// ```
    /// use lineage::api::diff::Cause;
    ///
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let root = folder.path();
    /// # let workspace = lineage::Workspace::init(root)?;
    /// for lr in ["0.1", "0.5"] {
    ///     let run = workspace.run("train").param("lr", lr).start()?;
    ///     std::fs::write(root.join("model.bin"), lr).unwrap();
    ///     run.generated(root.join("model.bin"))?;
    ///     run.finish()?;
    /// }
    /// let diff = workspace.diff("@-", "@")?;
    /// assert!(!diff.is_equal());
    /// assert_eq!(diff.parameters[0].b, ["0.5"]);
    /// assert_eq!(diff.outputs.differing[0].b.as_ref().unwrap().path.to_string(), "model.bin");
    /// assert!(matches!(&diff.explanations[0].causes[0], Cause::Parameter(told) if told.name == "lr"));
    /// # Ok::<(), lineage::Error>(())
    /// ```
    ///
    /// # Errors
    /// A request error where one of them names no run, a store error where a record is damaged.
    pub fn diff(&self, a: impl AsRef<OsStr>, b: impl AsRef<OsStr>) -> Result<Answer<RunDiff>> {
        let view = self.view()?;
        let workspace = self.library.workspace();
        let value = diff_runs(workspace, &view, workspace.root(), a, b)?;
        Ok(Answer { value, warnings: view.warnings })
    }

    /// Lists what happened to a file, the last first, at most `limit` changes: who wrote it, read it and took it away. Of `FILE@RUN`,
    /// to the version that the run wrote. A relative path is seen from the root.
    ///
    /// ```
    /// use lineage::api::ChangeSort;
    ///
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let root = folder.path();
    /// # let workspace = lineage::Workspace::init(root)?;
    /// for bytes in ["1", "2"] {
    ///     let run = workspace.run("make").start()?;
    ///     std::fs::write(root.join("data.csv"), bytes).unwrap();
    ///     run.generated(root.join("data.csv"))?;
    ///     run.finish()?;
    /// }
    /// let history = workspace.history("data.csv", 10)?;
    /// assert_eq!(history.changes.len(), 2);
    /// assert_eq!(history.changes[0].sort, ChangeSort::Written);
    /// assert_eq!(history.changes[0].run.as_ref().unwrap().view.run.name, "make");
    /// # Ok::<(), lineage::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Workspace::show`].
    pub fn history(&self, word: impl AsRef<OsStr>, limit: usize) -> Result<Answer<FileHistory>> {
        let view = self.view()?;
        let (workspace, word) = (self.library.workspace(), word.as_ref());
        let found = history(workspace, &view, workspace.root(), word, limit);
        let value = found.map_err(|error| self.seen_from_root(&view, word, error))?;
        Ok(Answer { value, warnings: view.warnings })
    }

    /// Writes the bytes of a version of a file to `target`, and returns which it is: `FILE` is the newest version that is recorded,
    /// `FILE@RUN` that of a run, `FILE#SEGMENT` a part of one, `NAME@VERSION` the file of a version of a model that has one,
    /// `blake3:<digest>` a content. A relative path is seen from the root.
    ///
    /// They are those that are kept, else those of a recorded file that still has them, else those of a commit; and are held against
    /// their digest before the first is written.
    ///
    /// ```
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let root = folder.path();
    /// # let workspace = lineage::Workspace::init(root)?;
    /// let run = workspace.run("make").start()?;
    /// std::fs::write(root.join("data.csv"), "1,2\n").unwrap();
    /// run.generated(root.join("data.csv"))?;
    /// run.finish()?;
    ///
    /// let mut bytes = Vec::new();
    /// workspace.cat("data.csv", &mut bytes)?;
    /// assert_eq!(bytes, b"1,2\n");
    /// // What a program declares is recorded by its digest, and not kept: once it is overwritten, its bytes are gone.
    /// std::fs::write(root.join("data.csv"), "3,4\n").unwrap();
    /// assert!(workspace.cat("data.csv", &mut bytes).is_err());
    /// # Ok::<(), lineage::Error>(())
    /// ```
    ///
    /// # Errors
    /// A request error where it names nothing recorded, or its bytes are not to be had; a store error where the kept copy is damaged
    /// and there is no other, or `target` does not take them.
    pub fn cat(&self, word: impl AsRef<OsStr>, target: &mut dyn Write) -> Result<Answer<FileVersion>> {
        let view = self.view()?;
        let (workspace, word) = (self.library.workspace(), word.as_ref());
        let found = find_version(workspace, &view.snapshot, workspace.root(), word);
        let found = found.map_err(|error| self.seen_from_root(&view, word, error))?;
        let value = behind_link(workspace, &view.snapshot, found)?;
        write_version(workspace, &view.snapshot, &value, target)?;
        Ok(Answer { value, warnings: view.warnings })
    }

    /// Brings back files in their places: what [`Workspace::cat`] takes, all files of a version of a model, or the newest version of
    /// each file that runs wrote below a folder. What lies there already is left as it is. Of a folder, the answer names
    /// the files whose bytes are not to be had.
    ///
    /// # Errors
    /// As [`Workspace::cat`]; a request error where other bytes lie in the place of one, which are not written over; a store error
    /// where one cannot be written.
    pub fn restore(&self, word: impl AsRef<OsStr>) -> Result<Answer<Restoration>> {
        self.restored(word.as_ref(), None)
    }

    /// Brings back files elsewhere: to a file, or into a folder, in which many files keep their places. Where `to` is relative, it is
    /// seen from the current folder.
    ///
    /// # Errors
    /// As [`Workspace::restore`].
    pub fn restore_to(&self, word: impl AsRef<OsStr>, to: impl AsRef<Path>) -> Result<Answer<Restoration>> {
        self.restored(word.as_ref(), Some(here()?.join(to)))
    }

    fn restored(&self, word: &OsStr, to: Option<PathBuf>) -> Result<Answer<Restoration>> {
        let view = self.view()?;
        let workspace = self.library.workspace();
        let folder = workspace.root().to_owned();
        let request =
            RestoreRequest { words: vec![word.to_owned()], folder, to, force: false, part_of: None };
        let restored = restore(workspace, &view.snapshot, self.library.clock(), &request);
        let value = restored.map_err(|error| self.seen_from_root(&view, word, error))?;
        Ok(Answer { value, warnings: view.warnings })
    }
}
