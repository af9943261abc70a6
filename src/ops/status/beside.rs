//! What runs wrote beside files of which a step had read every one: it would read them, too.

use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;

use super::Looking;
use super::asked::Asked;
use super::files::OnDisk;
use super::unknown::{SORT_FILES_MIN, Sort, sort_of};
use crate::error::Result;
use crate::model::Run;
use crate::ops::run::says_what_ran;
use crate::query::{NewestFile, Write};
use crate::store::{GO_ON, RunNo, StepNo};

impl Looking<'_> {
    /// Finds what runs wrote beside the outputs of others of their name, all of which a step had read whose own outputs are wanted. None
    /// where it had passed over some, or one of its own name has read what is new.
    pub(super) fn find_new_outputs(&mut self, asked: &Asked) -> Result<()> {
        let mut sorts: BTreeMap<Sort<'_>, Vec<(&NewestFile, Write)>> = BTreeMap::new();
        let mut current = HashSet::new();
        for (at, file) in self.files.iter().enumerate().filter(|(_, file)| !file.superseded) {
            let Some(write) = file.writer else { continue };
            current.insert(write.step);
            let lies_there = matches!(self.disk.get(&at), Some(OnDisk::Same));
            if let Some(sort) =
                sort_of(&file.artifact.path).filter(|_| lies_there && file.artifact.path.is_inside())
            {
                sorts.entry(sort).or_default().push((file, write));
            }
        }
        let mut found = Vec::new();
        for mut files in sorts.into_values().filter(|files| files.len() > SORT_FILES_MIN) {
            files.sort_by_key(|(_, write)| (write.at, write.id));
            if let Some((run, new)) = self.not_read_with(&files, &current)? {
                found.extend(new.into_iter().map(|file| (run, file.artifact.path.clone())));
            }
        }
        for (number, path) in found.into_iter().filter(|(_, path)| asked.has(path.as_bytes())) {
            if self.here.has_run(self.snapshot, number)? {
                self.add_new_input(path, number)?;
            }
        }
        Ok(())
    }

    /// Parts files of one sort, the first written first, into those that the last reader of the first has read and those that came later;
    /// returns these, with its run.
    fn not_read_with<'a>(
        &self,
        files: &[(&'a NewestFile, Write)],
        current: &HashSet<StepNo>,
    ) -> Result<Option<(RunNo, Vec<&'a NewestFile>)>> {
        let mut last = None;
        let _all = self.snapshot.reads_between(files[0].0.last(), i64::MIN, i64::MAX, |_, step| {
            last = Some(step);
            Ok(GO_ON)
        })?;
        let Some(reader) = last.filter(|step| current.contains(step)) else { return Ok(None) };
        let Some((number, run)) = self.run_of(reader)? else { return Ok(None) };
        let used = self.snapshot.edges(reader)?.map(|edges| edges.used).unwrap_or_default();
        let data = used.iter().filter(|edge| edge.role.is_data());
        let read: BTreeMap<_, _> = data.map(|edge| (self.snapshot.path_of(edge.artifact), edge.at)).collect();
        let (old, new): (Vec<_>, Vec<_>) =
            files.iter().copied().partition(|(file, _)| read.contains_key(&file.path_no));
        let until = old.iter().filter_map(|(file, _)| read.get(&file.path_no)).max();
        let Some(until) = until.filter(|_| old.len() >= SORT_FILES_MIN && !new.is_empty()) else {
            return Ok(None);
        };
        let mut names = HashSet::new();
        for (_, write) in old {
            names
                .extend(self.run_of(write.step)?.map(|(_, run)| run.name).filter(|name| says_what_ran(name)));
        }
        for (file, write) in &new {
            let Some((writer, Run { name, .. })) = self.run_of(write.step)? else { return Ok(None) };
            let is_new = write.at > *until && writer != number && names.contains(&name);
            if !is_new || self.was_read_by_one_called(&run.name, file)? {
                return Ok(None);
            }
        }
        Ok(Some((number, new.into_iter().map(|(file, _)| file).collect())))
    }

    fn run_of(&self, step: StepNo) -> Result<Option<(RunNo, Run)>> {
        let Some(number) = self.snapshot.run_of(step)? else { return Ok(None) };
        Ok(self.snapshot.run(number)?.map(|run| (number, run)))
    }

    /// Tells whether a step of a run of this name has read the last version of a file.
    fn was_read_by_one_called(&self, name: &str, file: &NewestFile) -> Result<bool> {
        let found = self.snapshot.reads_between(file.last(), i64::MIN, i64::MAX, |_, step| {
            let is_it = self.run_of(step)?.is_some_and(|(_, run)| run.name == name);
            Ok(if is_it { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(found.is_break())
    }
}
