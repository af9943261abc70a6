//! What a step was only told of: others of its run had read it, who started the step or whose bytes came to it through a pipe, and
//! nobody saw what of that they passed on.
//!
//! Where a step read nothing itself, what it made can only come from what it was told. Where it did, what it was told is a doubt; and
//! it is none where what was told of has its place elsewhere:
//!
//! - It is a book of who told: a log, a database, a cache, which the program reads and writes on, in the same run or from run to run.
//! - Other steps of the run, which cannot have started this one, read it themselves, and made files of it. Who handed it to them did
//!   so by its name, and would have done so here; unless whoever told it may have passed on what it says as well: it read that
//!   itself, and nothing that this step read.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::kept_up::{Done, is_same_command};
use crate::error::Result;
use crate::model::{Evidence, Role};
use crate::query::origin::{Origin, lost, origin};
use crate::store::{ArtifactNo, Edge, GO_ON, PathNo, RunNo, Snapshot, StepNo};

/// What an edge says of the files that a step made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Says {
    /// What was read went into them.
    Went,
    /// It may have.
    MayHave,
    Nothing,
}

/// What was asked about steps and their runs, each read once.
#[derive(Default)]
pub(super) struct Hearsay {
    deeds: HashMap<StepNo, Rc<Deeds>>,
    readers: HashMap<(RunNo, ArtifactNo), Rc<[Rc<Deeds>]>>,
    ends: HashMap<RunNo, i64>,
    done: Done,
}

/// What a step did itself.
struct Deeds {
    step: StepNo,
    run: RunNo,
    /// When it began and ended.
    times: [i64; 2],
    read: HashSet<ArtifactNo>,
    /// What of that it was seen to read.
    inputs: HashSet<ArtifactNo>,
    wrote: HashSet<PathNo>,
}

impl Deeds {
    fn of(snapshot: &Snapshot, step: StepNo) -> Result<Self> {
        let record = snapshot.step_without_edges(step)?.ok_or_else(|| lost(step))?;
        let edges = snapshot.edges(step)?.ok_or_else(|| lost(step))?;
        let times = [record.started_at.micros(), record.ended_at.micros()];
        let (mut read, mut inputs) = (HashSet::new(), HashSet::new());
        for edge in &edges.used {
            if !is_told(snapshot, edge, times[0])? {
                read.insert(edge.artifact);
                if edge.evidence == Evidence::Observed && edge.role != Role::Environment {
                    inputs.insert(edge.artifact);
                }
            }
        }
        Ok(Deeds {
            step,
            run: edges.run,
            times,
            read,
            inputs,
            wrote: edges.generated.iter().map(|edge| snapshot.path_of(edge.artifact)).collect(),
        })
    }

    /// Returns true where it was at work all the while that another one was.
    fn encloses(&self, other: &Deeds) -> bool {
        self.times[0] <= other.times[0] && other.times[1] <= self.times[1]
    }
}

/// Tells what a step was told of from the modules that it read through what stands for them, once it had begun.
fn is_told(snapshot: &Snapshot, edge: &Edge, started: i64) -> Result<bool> {
    if edge.evidence != Evidence::Inferred {
        return Ok(false);
    }
    let may_be_module = edge.role.is_code() && edge.at >= started;
    Ok(!may_be_module || !snapshot.artifact_path(edge.artifact)?.file_name().ends_with(b".py"))
}

impl Hearsay {
    /// Says what an edge from `step` to what it used says of the files that it made.
    pub(super) fn says(&mut self, snapshot: &Snapshot, step: StepNo, edge: &Edge) -> Result<Says> {
        if edge.evidence != Evidence::Inferred {
            return Ok(Says::Went);
        }
        let own = self.deeds(snapshot, step)?;
        if !is_told(snapshot, edge, own.times[0])? || own.inputs.is_empty() {
            return Ok(Says::Went);
        }
        let readers = self.readers(snapshot, own.run, edge.artifact)?;
        let path = snapshot.path_of(edge.artifact);
        if readers.iter().any(|reader| reader.wrote.contains(&path)) {
            return Ok(Says::Nothing);
        }
        if let Origin::Written(write) = origin(snapshot, edge.artifact, edge.at, Some(step))? {
            for reader in readers.iter().filter(|reader| reader.step != write.step) {
                if is_same_command(snapshot, [reader.step, write.step], &mut self.done)? {
                    return Ok(Says::Nothing);
                }
            }
        }
        let (above, beside): (Vec<&Rc<Deeds>>, Vec<&Rc<Deeds>>) =
            readers.iter().partition(|reader| reader.encloses(&own));
        let is_by_name = above.is_empty() || above.iter().any(|reader| !reader.read.is_disjoint(&own.inputs));
        let has_place = is_by_name && beside.iter().any(|reader| !reader.wrote.is_empty());
        Ok(if has_place { Says::Nothing } else { Says::MayHave })
    }

    fn deeds(&mut self, snapshot: &Snapshot, step: StepNo) -> Result<Rc<Deeds>> {
        if let Some(known) = self.deeds.get(&step) {
            return Ok(Rc::clone(known));
        }
        let deeds = Rc::new(Deeds::of(snapshot, step)?);
        self.deeds.insert(step, Rc::clone(&deeds));
        Ok(deeds)
    }

    /// Lists the steps of a run that read a version themselves.
    fn readers(&mut self, snapshot: &Snapshot, run: RunNo, artifact: ArtifactNo) -> Result<Rc<[Rc<Deeds>]>> {
        if let Some(known) = self.readers.get(&(run, artifact)) {
            return Ok(Rc::clone(known));
        }
        let [from, until] = self.times_of(snapshot, run)?;
        let mut steps = Vec::new();
        let _all = snapshot.reads_between(artifact, from, until, |_, step| {
            steps.push(step);
            Ok(GO_ON)
        })?;
        let mut readers = Vec::new();
        for step in steps {
            if snapshot.run_of(step)? == Some(run) {
                let deeds = self.deeds(snapshot, step)?;
                if deeds.read.contains(&artifact) {
                    readers.push(deeds);
                }
            }
        }
        let readers: Rc<[Rc<Deeds>]> = readers.into();
        self.readers.insert((run, artifact), Rc::clone(&readers));
        Ok(readers)
    }

    /// Returns when a run began and ended, as far as that is known.
    fn times_of(&mut self, snapshot: &Snapshot, run: RunNo) -> Result<[i64; 2]> {
        let from = snapshot.run_origin(run)?.map_or(i64::MIN, |origin| origin.started_at.micros());
        let until = match self.ends.get(&run) {
            Some(known) => *known,
            None => {
                let ends = snapshot.outcomes(run)?.into_iter().map(|outcome| outcome.at.micros()).max();
                *self.ends.entry(run).or_insert(ends.unwrap_or(i64::MAX))
            }
        };
        Ok([from, until])
    }
}
