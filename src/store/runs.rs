//! Reading runs and their steps: by key, label, commit and time; what became of them, what was said of them.

use std::ops::ControlFlow;

use crate::error::Result;
use crate::model::{
    Digest, Fact, NodeId, Remarks, Run, RunId, RunOutcome, RunRepository, RunTags, SaidParameters, Step,
};
use crate::store::damaged;
use crate::store::edges::{Edges, StepHead};
use crate::store::reading::{GO_ON, Order, Reading};
use crate::store::schema::{self, Key, key, number_of, row_number, unseal};
use crate::store::snapshot::{ArtifactNo, RunNo, Snapshot, StepNo, record};

impl Snapshot {
    // ---- runs ----

    /// Returns the number of a run, by its key.
    pub fn run_no(&self, id: NodeId) -> Result<Option<RunNo>> {
        let place = key::<17>(&[&id.as_u128().to_be_bytes(), &[schema::NodeKind::Run as u8]]);
        self.nodes.get(&place, |row| Ok(RunNo(row_number(row)?)))
    }

    /// Returns a run as it was recorded at its start; `None` where only others speak of it so far.
    pub fn run(&self, run: RunNo) -> Result<Option<Run>> {
        self.runs.get(&run.to_bytes(), |bytes| match record(bytes)? {
            Fact::RunStarted(run) => Ok(run),
            _ => Err(damaged("run")),
        })
    }

    /// Returns the key of a run. Where its start is not recorded, its steps name it; `None` where there are none either.
    pub fn run_key(&self, number: RunNo) -> Result<Option<NodeId>> {
        if let Some(run) = self.run(number)? {
            return Ok(Some(run.id));
        }
        let Some(step) = self.steps_of(number)?.into_iter().next() else {
            return Ok(None);
        };
        Ok(self.step_without_edges(step)?.map(|step| step.run))
    }

    /// Returns what became of a run, in the order of time.
    pub fn outcomes(&self, run: RunNo) -> Result<Vec<RunOutcome>> {
        said_of(&self.run_outcomes, run, |fact| match fact {
            Fact::RunOutcome(outcome) => Some(outcome),
            _ => None,
        })
    }

    /// Returns what a run was told after its start, in the order in which it counts: by time, then by digest.
    pub fn said_parameters(&self, run: RunNo) -> Result<Vec<SaidParameters>> {
        said_of(&self.run_parameters, run, |fact| match fact {
            Fact::ParametersSaid(said) => Some(said),
            _ => None,
        })
    }

    /// Returns the tags that a run was given, in the order in which they count: by time, then by digest.
    pub fn run_tags(&self, run: RunNo) -> Result<Vec<RunTags>> {
        said_of(&self.run_tags, run, |fact| match fact {
            Fact::RunTagged(tags) => Some(tags),
            _ => None,
        })
    }

    /// Returns the repositories that a run read files of, in the order of time, then by digest.
    pub fn run_repositories(&self, run: RunNo) -> Result<Vec<RunRepository>> {
        said_of(&self.run_repositories, run, |fact| match fact {
            Fact::RepositoryRead(repository) => Some(repository),
            _ => None,
        })
    }

    /// Returns the code that a run read as no commit has it, and whether git did not track it: what may be, as [`schema::RUN_CODE`]
    /// has it.
    pub fn changed_code(&self, run: RunNo) -> Result<Vec<(ArtifactNo, bool)>> {
        let mut found = Vec::new();
        self.run_code.scan_front(&run.to_bytes(), Order::Rising, |place, _| {
            found.push((ArtifactNo(number_of(&place[8..])), place[16] == 1));
            Ok(GO_ON)
        })?;
        Ok(found)
    }

    /// Returns what was remarked of a run, in the order of time.
    pub fn remarks(&self, run: RunNo) -> Result<Vec<Remarks>> {
        said_of(&self.run_remarks, run, |fact| match fact {
            Fact::Remarked(remarks) => Some(remarks),
            _ => None,
        })
    }

    /// Returns the runs with a label: one, or several after a merge.
    pub fn runs_labelled(&self, label: &str) -> Result<Vec<RunNo>> {
        let mut front = label.as_bytes().to_vec();
        front.push(0);
        let mut runs = Vec::new();
        self.run_labels.scan_names_with(&front, Order::Rising, |_, row| {
            runs.push(RunNo(row_number(row)?));
            Ok(GO_ON)
        })?;
        Ok(runs)
    }

    /// Calls `visit` with each label from `first` on, in their order, until it breaks; a label that several runs have comes as
    /// often.
    pub fn labels_from<B>(
        &self,
        first: &str,
        mut visit: impl FnMut(&str) -> ControlFlow<B>,
    ) -> Result<ControlFlow<B>> {
        self.run_labels.scan_names_from(first.as_bytes(), |place, _| {
            let label = place.split(|byte| *byte == 0).next().unwrap_or_default();
            Ok(visit(std::str::from_utf8(label).map_err(|_| damaged("label"))?))
        })
    }

    /// Returns true where a run has this label.
    pub fn has_label(&self, label: &RunId) -> Result<bool> {
        let found = self.labels_from(label.as_str(), |next| ControlFlow::Break(next == label.as_str()))?;
        Ok(found.break_value() == Some(true))
    }

    /// Returns runs that started at a commit whose SHA begins with `front`, the newest of each commit first, at most `limit`.
    pub fn runs_at_commit(&self, front: &str, limit: usize) -> Result<Vec<RunNo>> {
        let mut runs = Vec::new();
        let _full = self.run_commits.scan_names_with(front.as_bytes(), Order::Rising, |_, row| {
            if runs.len() == limit {
                return Ok(ControlFlow::Break(()));
            }
            runs.push(RunNo(row_number(row)?));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(runs)
    }

    /// Returns runs whose key ends in the hexadecimal digits `tail`, at most `limit`.
    pub fn runs_with_tail(&self, tail: &str, limit: usize) -> Result<Vec<RunNo>> {
        if tail.is_empty() || tail.len() > 32 || !tail.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Ok(Vec::new());
        }
        let turned: String = tail.chars().rev().collect();
        let (first, last) = (format!("{turned:0<32}"), format!("{turned:f<32}"));
        let place =
            |text: &str| u128::from_str_radix(text, 16).map(u128::to_be_bytes).map_err(|_| damaged("tail"));
        let mut found = Vec::new();
        let _full = self.run_tails.scan(&place(&first)?, &place(&last)?, Order::Rising, |_, row| {
            found.push(RunNo(row_number(row)?));
            Ok(if found.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        Ok(found)
    }

    /// Returns runs from the newest start to the oldest, until `visit` breaks.
    pub fn runs_newest_first<B>(
        &self,
        visit: impl FnMut(RunNo) -> Result<ControlFlow<B>>,
    ) -> Result<ControlFlow<B>> {
        self.runs_between((i64::MIN, i64::MAX), true, visit)
    }

    /// Returns the steps of a run, in the order of their keys: that of their beginnings.
    pub fn steps_of(&self, run: RunNo) -> Result<Vec<StepNo>> {
        let mut steps = Vec::new();
        self.run_steps.scan_front(&run.to_bytes(), Order::Rising, |_, row| {
            steps.push(StepNo(row_number(row)?));
            Ok(GO_ON)
        })?;
        Ok(steps)
    }

    /// Returns the steps of a run with their edges, in the order of [`Snapshot::steps_of`].
    pub fn whole_steps_of(&self, run: RunNo) -> Result<Vec<Step>> {
        let mut steps = Vec::new();
        for step in self.steps_of(run)? {
            steps.extend(self.step(step)?);
        }
        Ok(steps)
    }

    // ---- steps ----

    /// Returns a step with its edges.
    pub fn step(&self, step: StepNo) -> Result<Option<Step>> {
        let Some(mut whole) = self.step_without_edges(step)? else {
            return Ok(None);
        };
        let edges = self.edges(step)?.ok_or_else(|| damaged("edges"))?;
        edges.put_into(&mut whole, |artifact| self.artifact(artifact), |path| self.path(path))?;
        Ok(Some(whole))
    }

    /// Returns a step as it was recorded, with no edges in it.
    pub fn step_without_edges(&self, step: StepNo) -> Result<Option<Step>> {
        self.steps.get(&step.to_bytes(), |bytes| match record(bytes)? {
            Fact::StepDone(step) => Ok(step),
            _ => Err(damaged("step")),
        })
    }

    /// Returns the edges of a step.
    pub fn edges(&self, step: StepNo) -> Result<Option<Edges>> {
        self.step_edges
            .get(&step.to_bytes(), |bytes| Edges::decode(unseal(bytes).ok_or_else(|| damaged("edges"))?))
    }

    /// Returns whose part a step is, and its key, at a cost that does not grow with its edges.
    pub fn step_head(&self, step: StepNo) -> Result<Option<StepHead>> {
        self.step_heads
            .get(&step.to_bytes(), |bytes| StepHead::decode(unseal(bytes).ok_or_else(|| damaged("step"))?))
    }

    /// Returns the run that a step is a part of.
    pub fn run_of(&self, step: StepNo) -> Result<Option<RunNo>> {
        Ok(self.step_head(step)?.map(|head| head.run))
    }

    /// Returns the edges of `steps`, which are sorted by number; `None` for a step that is not there.
    pub fn edges_of(&self, steps: &[StepNo]) -> Result<Vec<Option<Edges>>> {
        let mut found = vec![None; steps.len()];
        let places = steps.iter().map(|step| step.to_bytes());
        self.step_edges.get_each(places, |position, bytes| {
            let bytes = unseal(bytes).ok_or_else(|| damaged("edges"))?;
            found[position] = Some(Edges::decode(bytes)?);
            Ok(())
        })?;
        Ok(found)
    }

    /// Returns the steps whose key is `digest`, in the order of their own keys.
    pub fn steps_by_key(&self, digest: &Digest) -> Result<Vec<StepNo>> {
        let mut steps = Vec::new();
        self.step_keys.scan_front(&digest.as_bytes()[..16], Order::Rising, |_, row| {
            steps.push(StepNo(row_number(row)?));
            Ok(GO_ON)
        })?;
        Ok(steps)
    }
}

/// Reads what a table has of a run, in its order; each must be what the table is of.
fn said_of<T>(table: &Reading<Key<24>>, run: RunNo, expected: impl Fn(Fact) -> Option<T>) -> Result<Vec<T>> {
    let mut all = Vec::new();
    table.scan_front(&run.to_bytes(), Order::Rising, |_, bytes| {
        all.push(expected(record(bytes)?).ok_or_else(|| damaged("run"))?);
        Ok(GO_ON)
    })?;
    Ok(all)
}
