//! What came to lie in what a pipeline or a split was given, and that it has not taken up: these say what they are given, so that it
//! is known for sure.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::asked::Asked;
use super::files::{OnDisk, on_disk};
use super::{Looking, NewInput};
use crate::error::{Error, Result};
use crate::model::{ArtifactPath, Run, RunKind};
use crate::ops::pipeline::find_wanted;
use crate::ops::split::Given;
use crate::query::{Write, unique_tail};
use crate::store::{PathNo, RunNo};

/// Which runs are of the pipeline, each asked once.
type Pipelines = RefCell<HashMap<RunNo, bool>>;

impl Looking<'_> {
    /// Finds what lies in the inputs of the pipelines and splits whose outputs are wanted, and that none of them took up.
    pub(super) fn find_new_inputs(&mut self, asked: &Asked) -> Result<()> {
        let pipelines = Pipelines::default();
        let current = self.files.iter().filter(|file| !file.superseded && file.artifact.path.is_inside());
        let current = current.filter_map(|file| Some((&file.artifact.path, file.writer?)));
        let (mut runs, mut splits): (HashSet<RunNo>, Vec<(ArtifactPath, Given)>) = Default::default();
        for (path, write) in current {
            let Some(run) = self.snapshot.run_of(write.step)? else { continue };
            if self.is_pipeline(run, &pipelines)? {
                runs.insert(run);
            } else if let Some(given) = Given::of(self.snapshot, path, &write)? {
                splits.push((path.clone(), given));
            }
        }
        let mut found: BTreeMap<ArtifactPath, RunNo> = BTreeMap::new();
        for (number, run) in self.newest_first(runs)? {
            for path in self.not_worked_on(&run, &pipelines)? {
                found.entry(path).or_insert(number);
            }
        }
        for (manifest, given) in splits {
            if self.here.has_run(self.snapshot, given.run)? {
                for path in self.in_no_part(&manifest, &given)? {
                    found.entry(path).or_insert(given.run);
                }
            }
        }
        for (path, number) in found.into_iter().filter(|(path, _)| asked.has(path.as_bytes())) {
            self.add_new_input(path, number)?;
        }
        Ok(())
    }

    /// Lists a file that a run has not taken up.
    pub(super) fn add_new_input(&mut self, path: ArtifactPath, number: RunNo) -> Result<()> {
        let Some(run) = self.snapshot.run(number)? else { return Ok(()) };
        let run_tail = unique_tail(self.snapshot, run.id)?;
        self.add_new(number);
        self.report.new.push(NewInput { path, run_tail, run_id: run.run_id, run_name: run.name });
        Ok(())
    }

    fn is_pipeline(&self, run: RunNo, known: &Pipelines) -> Result<bool> {
        if let Some(known) = known.borrow().get(&run) {
            return Ok(*known);
        }
        let is_it = self.snapshot.run(run)?.is_some_and(|run| run.kind == RunKind::Pipeline);
        known.borrow_mut().insert(run, is_it);
        Ok(is_it)
    }

    /// Reads those of some runs that were recorded here and were no repetitions, the last first.
    fn newest_first(&mut self, numbers: HashSet<RunNo>) -> Result<Vec<(RunNo, Run)>> {
        let mut runs = Vec::with_capacity(numbers.len());
        for number in numbers {
            let run = self.snapshot.run(number)?.filter(|run| run.rerun_of.is_none());
            if self.here.has_run(self.snapshot, number)? {
                runs.extend(run.map(|run| (number, run)));
            }
        }
        runs.sort_by_key(|(_, run)| std::cmp::Reverse((run.started_at, run.id)));
        Ok(runs)
    }

    /// Lists the filings in what a pipeline was given that no pipeline has read. One that was to work on some of them only has not left
    /// out the others by chance.
    fn not_worked_on(&self, run: &Run, pipelines: &Pipelines) -> Result<Vec<ArtifactPath>> {
        if run.parameters.iter().any(|(name, _)| name == "limit") {
            return Ok(Vec::new());
        }
        let root = self.workspace.root();
        let failed: RefCell<Option<Error>> = RefCell::default();
        let is_wanted = |place: &Path| {
            self.is_touched(place, pipelines).map(|is_touched| !is_touched).unwrap_or_else(|error| {
                failed.borrow_mut().get_or_insert(error);
                false
            })
        };
        let mut found = Vec::new();
        for (_, input) in run.parameters.iter().filter(|(name, _)| name == "input") {
            // Where there is nothing any more, nothing is new: what lay there is told of as gone.
            let files = find_wanted(root, &[PathBuf::from(input)], &is_wanted).unwrap_or_default();
            if let Some(error) = failed.take() {
                return Err(error);
            }
            found.extend(files);
        }
        let mut new = Vec::with_capacity(found.len());
        for place in found {
            if !self.is_worked_on_elsewhere(&place, pipelines)? {
                new.push(ArtifactPath::within(root, &place)?);
            }
        }
        Ok(new)
    }

    /// Tells whether a pipeline read or wrote a file.
    fn is_touched(&self, place: &Path, pipelines: &Pipelines) -> Result<bool> {
        let path = ArtifactPath::within(self.workspace.root(), place)?;
        let Some(number) = self.snapshot.path_no(&path)? else { return Ok(false) };
        Ok(self.is_read_by_pipeline(number, pipelines)? || self.is_written_by_pipeline(number, pipelines)?)
    }

    fn is_read_by_pipeline(&self, path: PathNo, pipelines: &Pipelines) -> Result<bool> {
        for version in self.snapshot.versions(path)? {
            let read = self.snapshot.reads_between(version, i64::MIN, i64::MAX, |_, step| {
                let run = self.snapshot.run_of(step)?;
                let is_it = run.map_or(Ok(false), |run| self.is_pipeline(run, pipelines))?;
                Ok(if is_it { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            })?;
            if read.is_break() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn is_written_by_pipeline(&self, path: PathNo, pipelines: &Pipelines) -> Result<bool> {
        let write: Option<Write> = self.places.get(&path).and_then(|at| self.files[*at].writer);
        let run = write.map_or(Ok(None), |write| self.snapshot.run_of(write.step))?;
        run.map_or(Ok(false), |run| self.is_pipeline(run, pipelines))
    }

    /// Tells whether the same bytes lie where a pipeline has read them: of several such filings it takes one.
    fn is_worked_on_elsewhere(&self, place: &Path, pipelines: &Pipelines) -> Result<bool> {
        let Ok(digest) = self.workspace.digests().of(place) else { return Ok(false) };
        for version in self.snapshot.artifacts_with(&digest)? {
            if self.is_read_by_pipeline(self.snapshot.path_of(version), pipelines)?
                && on_disk(self.workspace, &self.snapshot.artifact(version)?) == OnDisk::Same
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Lists the files in what a split was given that are in none of its parts.
    fn in_no_part(&self, manifest: &ArtifactPath, given: &Given) -> Result<Vec<ArtifactPath>> {
        let mut taken = HashSet::new();
        for step in self.snapshot.steps_of(given.run)? {
            for edge in self.snapshot.edges(step)?.into_iter().flat_map(|edges| edges.used) {
                taken.insert(self.snapshot.artifact_path(edge.artifact)?);
            }
        }
        let out = ArtifactPath::from_bytes(manifest.folder().to_vec())?;
        given.not_taken(self.workspace, self.snapshot, &out, &|path| taken.contains(path))
    }
}
