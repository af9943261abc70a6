//! The rows of runs and steps, and of what was said of them.

use std::collections::HashSet;

use serde_json::json;

use super::cells::Cell;
use super::{Put, Rows, Table, said};
use crate::error::Result;
use crate::model::{
    Artifact, ArtifactPath, Evidence, Metric, NodeId, Parameter, Remarks, Role, RunOutcome, RunRepository,
    Step, Timestamp, percent_encoded,
};
use crate::ops::formats::{Source, file_urn};
use crate::query::run_view;

/// Gives the row of a run as it is now.
pub(super) fn run(source: &Source<'_>, id: NodeId, put: &mut Put<'_>) -> Result<()> {
    let number = source.snapshot.run_no(id)?;
    let Some(head) = number.map_or(Ok(None), |number| source.head(number))? else {
        return Ok(());
    };
    let run = &head.view.run;
    let exit_code = head.view.outcomes.last().and_then(|outcome| outcome.exit_code);
    put(
        Table::Runs,
        vec![
            Cell::text(run.id),
            Cell::text(&run.run_id),
            Cell::text(&run.name),
            Cell::text(run.kind.as_str()),
            Cell::at(run.started_at),
            Cell::text(run.arguments.join(" ")),
            Cell::text(&run.folder),
            Cell::maybe(run.code.commit.as_ref()),
            Cell::maybe(run.code.branch.as_ref()),
            Cell::Truth(head.view.is_dirty()),
            Cell::text(&run.host),
            Cell::text(head.status().as_str()),
            Cell::Whole(exit_code.map(i64::from)),
            Cell::maybe(head.view.reason()),
            Cell::Time(source.ended_at(&head)?.map(Timestamp::micros)),
            Cell::text(json!(run.arguments)),
            Cell::text(said(&run.parameters)),
            Cell::maybe(run.parent),
            Cell::text(&run.recorder),
            Cell::maybe(run.rerun_of),
            Cell::text(&run.by),
        ],
    )
}

pub(super) fn outcome(outcome: &RunOutcome) -> Vec<Cell> {
    vec![
        Cell::text(outcome.run),
        Cell::at(outcome.at),
        Cell::text(outcome.status.as_str()),
        Cell::Whole(outcome.exit_code.map(i64::from)),
        Cell::maybe(outcome.reason.as_ref()),
    ]
}

pub(super) fn step(step: &Step) -> Vec<Cell> {
    vec![
        Cell::text(step.id),
        Cell::text(step.run),
        Cell::text(&step.name),
        Cell::text(&step.subject),
        Cell::text(step.status.as_str()),
        Cell::maybe(step.reason.as_ref()),
        Cell::at(step.started_at),
        Cell::at(step.ended_at),
        Cell::maybe(step.cached_from),
        Cell::text(said(&step.parameters)),
        Cell::maybe(step.key),
    ]
}

pub(super) fn point(point: &Metric, of: &str) -> Vec<Cell> {
    vec![
        Cell::text(point.owner),
        Cell::text(&point.name),
        Cell::Whole(Some(point.step)),
        Cell::at(point.at),
        Cell::Real(Some(point.value.get())),
        Cell::text(of),
    ]
}

pub(super) fn parameters(owner: NodeId, of: &str, parameters: &[Parameter], put: &mut Put<'_>) -> Result<()> {
    parameters.iter().try_for_each(|(name, value)| {
        put(Table::Parameters, vec![Cell::text(owner), Cell::text(name), Cell::text(value), Cell::text(of)])
    })
}

pub(super) fn remarks(remarks: &Remarks, put: &mut Put<'_>) -> Result<()> {
    remarks.remarks.iter().try_for_each(|remark| {
        let row = vec![
            Cell::text(remarks.run),
            Cell::at(remarks.at),
            Cell::text(remark.kind.as_str()),
            Cell::text(&remark.text),
            Cell::Whole(Some(remark.count as i64)),
        ];
        put(Table::Remarks, row)
    })
}

/// Gives the row of a repository; that of the run's own code state stands with the run.
pub(super) fn repository(source: &Source<'_>, repository: &RunRepository, put: &mut Put<'_>) -> Result<()> {
    let Some(code) = &repository.code else { return Ok(()) };
    let number = source.snapshot.run_no(repository.run)?;
    let view = number.map_or(Ok(None), |number| run_view(source.snapshot, number))?;
    let row = vec![
        Cell::text(repository.run),
        Cell::at(repository.at),
        Cell::maybe(repository.root.as_ref()),
        Cell::maybe(code.commit.as_ref()),
        Cell::maybe(code.branch.as_ref()),
        Cell::Truth(view.and_then(|view| view.is_dirty_in(repository))),
    ];
    put(Table::Repositories, row)
}

impl Rows<'_> {
    /// Gives the rows of the edges of a step, and of the files at their ends that have none yet.
    pub(super) fn edges(&mut self, step: &Step, put: &mut Put<'_>) -> Result<()> {
        let written_on: HashSet<usize> =
            self.source.written_on(step)?.into_iter().map(|read| read.used).collect();
        for (place, edge) in step.used.iter().enumerate() {
            let mut row = edge_row(step, "used", &edge.artifact, edge.at, edge.evidence, edge.role);
            row.push(Cell::Truth(Some(written_on.contains(&place))));
            put(Table::Edges, row)?;
            self.artifact(&edge.artifact, put)?;
        }
        for edge in &step.generated {
            let mut row = edge_row(step, "generated", &edge.artifact, edge.at, edge.evidence, edge.role);
            row.push(Cell::Truth(None));
            put(Table::Edges, row)?;
            self.artifact(&edge.artifact, put)?;
        }
        for removed in &step.removed {
            let artifact = removed.artifact_or_name();
            let mut row = edge_row(step, "removed", &artifact, removed.at, removed.evidence, Role::Data);
            row.push(Cell::Truth(None));
            put(Table::Edges, row)?;
            self.artifact(&artifact, put)?;
        }
        Ok(())
    }

    fn artifact(&mut self, artifact: &Artifact, put: &mut Put<'_>) -> Result<()> {
        // Of things without a content there is one row for each name.
        let name = match artifact.has_content() {
            true => file_urn(artifact).into_bytes(),
            false => artifact.path.as_bytes().to_vec(),
        };
        if !self.seen.insert(*blake3::hash(&name).as_bytes()) {
            return Ok(());
        }
        let row = vec![
            Cell::text(&artifact.path),
            Cell::maybe(artifact.known_digest()),
            Cell::Whole(artifact.known_size().map(|size| size as i64)),
            Cell::maybe(encoded_where_needed(&artifact.path)),
        ];
        put(Table::Artifacts, row)
    }
}

fn edge_row(
    step: &Step,
    direction: &str,
    artifact: &Artifact,
    at: Timestamp,
    evidence: Evidence,
    role: Role,
) -> Vec<Cell> {
    vec![
        Cell::text(step.id),
        Cell::text(step.run),
        Cell::text(direction),
        Cell::text(&artifact.path),
        Cell::maybe(artifact.known_digest()),
        Cell::Whole(artifact.known_size().map(|size| size as i64)),
        Cell::at(at),
        Cell::text(evidence.as_str()),
        Cell::text(role.as_str()),
    ]
}

fn encoded_where_needed(path: &ArtifactPath) -> Option<String> {
    let plain = path.to_string();
    (plain.as_bytes() != path.as_bytes()).then(|| percent_encoded(path.as_bytes()))
}
