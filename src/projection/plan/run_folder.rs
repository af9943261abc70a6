//! The folders of pipeline runs: the outputs of their stages, and the papers beside them.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Result;
use crate::model::{ArtifactPath, NodeId, Run, RunId, RunKind, Step};
use crate::projection::names::{self, OutputFolder};
use crate::projection::plan::{Planned, config, report};
use crate::query::{RunView, run_view};
use crate::store::{ArtifactNo, GO_ON, PathNo, RunNo, Snapshot};

/// A write of a file: the last one by time, then by step, counts, in every store the same.
type Rank = (i64, NodeId);

/// Plans the folders of every pipeline run.
///
/// # Errors
/// A store error where a record is damaged.
pub fn run_folders(snapshot: &Snapshot) -> Result<Vec<Planned>> {
    let mut runs = Vec::new();
    snapshot.runs_newest_first(|number| {
        runs.extend(run_view(snapshot, number)?.filter(|view| view.run.kind == RunKind::Pipeline));
        Ok(GO_ON)
    })?;
    // Where two runs wrote to the same path, as after a merge, the last write counts.
    let mut newest: BTreeMap<ArtifactPath, (Rank, ArtifactNo)> = BTreeMap::new();
    for view in &runs {
        for (path, (rank, number)) in outputs(snapshot, view.number)? {
            let place = newest.entry(path).or_insert((rank, number));
            if rank > place.0 {
                *place = (rank, number);
            }
        }
    }
    let mut planned = Vec::with_capacity(newest.len());
    for (_, number) in newest.into_values() {
        planned.push(Planned::kept(snapshot.artifact(number)?));
    }
    // Of two runs with the same folders, the papers of the earlier one lie there; the oldest run is last.
    let mut taken = BTreeSet::new();
    for view in runs.iter().rev() {
        let papers = run_papers(snapshot, view)?;
        planned.extend(papers.into_iter().filter(|paper| taken.insert(paper.path.clone())));
    }
    Ok(planned)
}

/// Returns the files that a run wrote below the output folders, each with its last write.
fn outputs(snapshot: &Snapshot, run: RunNo) -> Result<BTreeMap<ArtifactPath, (Rank, ArtifactNo)>> {
    let mut steps = snapshot.steps_of(run)?;
    steps.sort_unstable();
    let mut outputs: BTreeMap<PathNo, (Rank, ArtifactNo)> = BTreeMap::new();
    for edges in snapshot.edges_of(&steps)?.into_iter().flatten() {
        for edge in &edges.generated {
            let rank = (edge.at, edges.id);
            let place = outputs.entry(snapshot.path_of(edge.artifact)).or_insert((rank, edge.artifact));
            if rank > place.0 {
                *place = (rank, edge.artifact);
            }
        }
    }
    let mut named = BTreeMap::new();
    for (rank, number) in outputs.into_values() {
        let path = snapshot.artifact_path(number)?;
        if OutputFolder::ALL.iter().any(|folder| is_below(&path, folder.as_str())) {
            named.insert(path, (rank, number));
        }
    }
    Ok(named)
}

fn is_below(path: &ArtifactPath, folder: &str) -> bool {
    path.as_bytes().strip_prefix(folder.as_bytes()).is_some_and(|rest| rest.starts_with(b"/"))
}

/// Plans the papers of a pipeline run, `run_config.yaml` and `RUN_REPORT.md`: in each of its folders that has outputs, and
/// where none has, in that of its last stage. A run from elsewhere whose name no pipeline takes has none: they might lie anywhere.
///
/// # Errors
/// A store error where a record is damaged.
pub fn run_papers(snapshot: &Snapshot, view: &RunView) -> Result<Vec<Planned>> {
    if names::check_run_name(&view.run.name).is_err() {
        return Ok(Vec::new());
    }
    let mut steps = snapshot.whole_steps_of(view.number)?;
    steps.sort_by_key(|step| (step.ended_at, step.id));
    let (config, report) = (config::run_config(view), report::run_report(snapshot, view, &steps)?);
    let mut planned = Vec::new();
    for folder in folders(&view.run, &steps) {
        planned.push(Planned::bytes(names::config_file(folder, &view.run)?, config.clone().into_bytes()));
        planned.push(Planned::bytes(names::report_file(folder, &view.run)?, report.clone().into_bytes()));
    }
    Ok(planned)
}

/// Returns the output folders in which a run has a folder of its own.
fn folders(run: &Run, steps: &[Step]) -> BTreeSet<OutputFolder> {
    let written = steps.iter().flat_map(|step| &step.generated).map(|edge| edge.artifact.path.folder());
    let written: BTreeSet<&[u8]> = written.collect();
    let has = |folder: &OutputFolder| written.contains(names::run_folder(*folder, run).as_bytes());
    let found: BTreeSet<OutputFolder> = OutputFolder::ALL.into_iter().filter(has).collect();
    if !found.is_empty() {
        return found;
    }
    let last = run.parameters.iter().find(|(name, _)| name == "stages").map(|(_, stage)| stage.as_str());
    BTreeSet::from([OutputFolder::of_stage(last.unwrap_or_default())])
}

/// Returns the pipeline run that a path is a paper of.
pub(super) fn run_of_paper(snapshot: &Snapshot, path: &ArtifactPath) -> Result<Option<RunNo>> {
    let is_named =
        [names::CONFIG_NAME, names::REPORT_NAME].iter().any(|name| path.file_name() == name.as_bytes());
    let Ok(folder) = std::str::from_utf8(path.folder()) else {
        return Ok(None);
    };
    // The folder's name begins with the run id; which run that is, and whether this is its folder, the store says.
    let name = folder.rsplit('/').next().filter(|_| is_named).unwrap_or_default();
    let mut first = None;
    for number in runs_that_begin(snapshot, name)? {
        let run = snapshot.run(number)?.filter(|run| run.kind == RunKind::Pipeline);
        let is_folder = |run: &Run| OutputFolder::ALL.iter().any(|of| names::run_folder(*of, run) == folder);
        let Some(run) = run.filter(is_folder) else { continue };
        // Of two runs with the same folders, the papers of the earlier one lie there.
        if first.is_none_or(|(id, _)| run.id < id) {
            first = Some((run.id, number));
        }
    }
    Ok(first.map(|(_, number)| number))
}

/// Returns the runs whose run id the name of a folder may begin with: that of a second alone, or of one with a number.
fn runs_that_begin(snapshot: &Snapshot, name: &str) -> Result<Vec<RunNo>> {
    let ends = name.match_indices('_').map(|(at, _)| at).skip(1).take(2);
    let mut runs = Vec::new();
    for label in ends.filter_map(|end| name[..end].parse::<RunId>().ok()) {
        runs.extend(snapshot.runs_labelled(label.as_str())?);
    }
    Ok(runs)
}
