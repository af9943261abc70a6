//! What was declared beside what was observed, by whoever started the run and by programs inside of it, and where the two differ.

use std::collections::BTreeSet;
use std::ffi::OsString;

use crate::capture::observe::Observation;
use crate::error::Result;
use crate::model::{
    Artifact, ArtifactPath, DECLARED_STEP, Evidence, Generated, NodeId, Remark, RemarkKind, Role, Step,
    Timestamp, Used,
};
use crate::ops::inside::{Before, declared_files, not_written};
use crate::ops::run::record::whole_step;
use crate::ops::run::steps::Surroundings;
use crate::ops::run::{CommandRequest, FileClock};
use crate::ops::{Recording, Workspace};

/// As many names are written into one remark.
const NAMES_MAX: usize = 5;
/// As many edges are entered for declared inputs, which count for every step that wrote something.
const EDGES_MAX: usize = 200_000;

/// An edge of the run as a whole, and when it was.
struct Declared {
    artifact: Artifact,
    at: Timestamp,
}

/// Adds what is declared to the steps, and remarks what is declared and not observed, or the other way round.
///
/// What is declared is said of the run, not of one of its processes: what it used counts for every step that wrote something
/// since, and what it made comes from all that it had read until then. What it is not seen to have written, and lies there as
/// another run left it, it did not make. `around` has the processes by which it was declared from inside, and what was given out to
/// nobody knows whom. What is declared and cannot be read is remarked; the rest is recorded all the same.
pub fn add(
    workspace: &Workspace,
    recording: &Recording,
    request: &CommandRequest,
    observation: &Observation,
    around: &Surroundings<'_>,
    steps: &mut Vec<Step>,
    remarks: &mut Vec<Remark>,
) {
    let written: BTreeSet<ArtifactPath> =
        steps.iter().flat_map(|step| &step.generated).map(|edge| edge.artifact.path.clone()).collect();
    let reads = steps.iter().flat_map(|step| &step.used);
    let read: BTreeSet<ArtifactPath> = reads.clone().map(|edge| edge.artifact.path.clone()).collect();
    let read_as_data = reads.filter(|edge| edge.role.is_data() && !written.contains(&edge.artifact.path));
    let read_as_data: BTreeSet<ArtifactPath> = read_as_data.map(|edge| edge.artifact.path.clone()).collect();
    // Without the net nothing is known of reads, so nothing can be missed among them.
    let saw_reads = !observation.processes.is_empty();
    let inputs = Side { seen: &read, expected: &read_as_data, is_output: false, certain: saw_reads };
    let outputs = Side { seen: &written, expected: &written, is_output: true, certain: true };
    let started_at = Timestamp::from_micros(observation.started_us);
    let ended_at = Timestamp::from_micros(observation.ended_us);
    let used = inputs.compare(workspace, request, &request.inputs, remarks);
    let mut used: Vec<Declared> =
        used.into_iter().map(|artifact| Declared { artifact, at: started_at }).collect();
    let mut generated = outputs.compare(workspace, request, &request.outputs, remarks);
    leave_to_others(workspace, recording.run().id, around.clock, &mut generated, remarks);
    let mut generated: Vec<Declared> =
        generated.into_iter().map(|artifact| Declared { artifact, at: ended_at }).collect();
    if around.own.values().any(|command| matches!(*command, "used" | "generated")) {
        match said_inside(workspace, recording.run().id) {
            Ok((said_used, said_generated)) => {
                used.extend(said_used);
                // What was seen to be written comes from what its writer had read, not from all that the run had.
                let is_seen = |said: &Declared| {
                    let written = steps.iter().flat_map(|step| &step.generated);
                    written.map(|edge| &edge.artifact).any(|artifact| *artifact == said.artifact)
                };
                generated.extend(said_generated.into_iter().filter(|said| !is_seen(said)));
            }
            Err(error) => {
                let text = format!(
                    "what was declared inside of the run leads to no other step: {}",
                    error.in_full()
                );
                remarks.push(Remark::new(RemarkKind::Fault, text));
            }
        }
    }
    used.extend(
        around
            .given
            .of_none
            .iter()
            .map(|(artifact, us)| Declared { artifact: artifact.clone(), at: Timestamp::from_micros(*us) }),
    );
    let is_unplaced = !enter_used(&used, steps, remarks);
    let given = used.iter().filter(|used| is_unplaced && used.at == started_at);
    let used: Vec<Used> = given.map(|used| used_edge(used, Evidence::Declared)).collect();
    if used.is_empty() && generated.is_empty() {
        return;
    }
    // Where one step is all there is, it is the run; and an edge of a run without a step needs one.
    let mut whole = match steps.as_slice() {
        [only] if !only.act.is_one_to_one() => steps.remove(0),
        _ => {
            let until = generated.iter().map(|generated| generated.at).max().unwrap_or(ended_at);
            whole_step(recording, observation, read_until(steps, until), Vec::new())
        }
    };
    whole.used.extend(used);
    whole.generated.extend(generated.into_iter().map(|Declared { artifact, at }| Generated {
        artifact,
        at,
        evidence: Evidence::Declared,
        role: Role::Data,
    }));
    steps.push(whole);
}

/// Takes out what lies there as other runs left it, and remarks so of everything that was not seen to be written.
fn leave_to_others(
    workspace: &Workspace,
    run: NodeId,
    clock: FileClock,
    generated: &mut Vec<Artifact>,
    remarks: &mut Vec<Remark>,
) {
    if generated.is_empty() {
        return;
    }
    let mut failure = None;
    let before = Before::of(workspace, run, clock).unwrap_or_else(|error| {
        failure = Some(error);
        None
    });
    generated.retain(|artifact| {
        let writer = before.as_ref().map_or(Ok(None), |before| before.wrote(artifact));
        let writer = writer.unwrap_or_else(|error| {
            failure = Some(error);
            None
        });
        if !artifact.path.is_url() {
            remarks.push(not_written(&artifact.path, writer.as_deref()));
        }
        writer.is_none()
    });
    if let Some(error) = failure {
        let text =
            format!("who wrote the declared outputs before was not to be learned: {}", error.in_full());
        remarks.push(Remark::new(RemarkKind::Fault, text));
    }
}

/// Returns what programs inside of a run declared that it used and made, as recorded.
fn said_inside(workspace: &Workspace, run: NodeId) -> Result<(Vec<Declared>, Vec<Declared>)> {
    let snapshot = workspace.view_as_it_is()?.snapshot;
    let (mut used, mut generated) = (Vec::new(), Vec::new());
    let Some(run) = snapshot.run_no(run)? else { return Ok((used, generated)) };
    let steps = snapshot.whole_steps_of(run)?;
    for step in steps.into_iter().filter(|step| step.name == DECLARED_STEP && step.subject.is_empty()) {
        used.extend(step.used.into_iter().map(|edge| Declared { artifact: edge.artifact, at: edge.at }));
        let made = step.generated.into_iter();
        generated.extend(made.map(|edge| Declared { artifact: edge.artifact, at: edge.at }));
    }
    Ok((used, generated))
}

fn used_edge(declared: &Declared, evidence: Evidence) -> Used {
    Used { artifact: declared.artifact.clone(), at: declared.at, evidence, role: Role::Data }
}

/// Enters what the run used at every step that wrote something since; returns false where that leaves it at none.
fn enter_used(used: &[Declared], steps: &mut [Step], remarks: &mut Vec<Remark>) -> bool {
    let writing = steps.iter().filter(|step| is_from_all(step)).count();
    if writing.saturating_mul(used.len()) > EDGES_MAX {
        let text = format!(
            "{} declared inputs times {writing} steps are too many edges: they are entered once",
            used.len()
        );
        remarks.push(Remark::new(RemarkKind::LeftOut, text));
        return false;
    }
    let mut is_placed = false;
    for step in steps.iter_mut().filter(|step| is_from_all(step)) {
        let Some(last) = step.generated.iter().map(|edge| edge.at).max() else { continue };
        let known: BTreeSet<ArtifactPath> = step.used.iter().map(|edge| edge.artifact.path.clone()).collect();
        let news = used.iter().filter(|used| used.at <= last && !known.contains(&used.artifact.path));
        let edges: Vec<Used> = news.map(|used| used_edge(used, Evidence::Declared)).collect();
        is_placed |= !edges.is_empty();
        step.used.extend(edges);
    }
    is_placed
}

/// Returns true for a step that wrote what may come from all that it knew; what only got another name does not.
fn is_from_all(step: &Step) -> bool {
    !step.generated.is_empty() && !step.act.is_one_to_one()
}

/// Lists what the run had read until a moment and had not made itself: whatever it declares to have made may come from that.
fn read_until(steps: &[Step], until: Timestamp) -> Vec<Used> {
    let made: BTreeSet<&Artifact> =
        steps.iter().flat_map(|step| &step.generated).map(|edge| &edge.artifact).collect();
    let mut seen = BTreeSet::new();
    let reads = steps.iter().flat_map(|step| &step.used).filter(|edge| {
        edge.at <= until
            && edge.role != Role::Environment
            && !made.contains(&edge.artifact)
            && seen.insert(&edge.artifact)
    });
    let reads = reads.map(|edge| {
        let evidence = match edge.evidence {
            Evidence::Observed => Evidence::Inferred,
            other => other,
        };
        Used { evidence, ..edge.clone() }
    });
    reads.collect()
}

/// The inputs, or the outputs.
struct Side<'a> {
    is_output: bool,
    /// What was observed on this side, whatever it is to the command.
    seen: &'a BTreeSet<ArtifactPath>,
    /// What somebody who declares would be expected to declare.
    expected: &'a BTreeSet<ArtifactPath>,
    /// Whether what was not seen did not happen.
    certain: bool,
}

impl Side<'_> {
    /// Returns what is declared and was not observed.
    fn compare(
        &self,
        workspace: &Workspace,
        request: &CommandRequest,
        words: &[OsString],
        remarks: &mut Vec<Remark>,
    ) -> Vec<Artifact> {
        let side = if self.is_output { "output" } else { "input" };
        let mut only_declared = Vec::new();
        let mut declared = BTreeSet::new();
        for word in words {
            let files = match declared_files(workspace, &request.folder, word) {
                Ok(files) => files,
                Err(error) => {
                    let text = format!("an {side} that is not recorded: {}", error.in_full());
                    remarks.push(Remark::new(RemarkKind::NotObserved, text));
                    continue;
                }
            };
            declared.extend(files.links);
            if files.ignored > 0 {
                let text =
                    format!("{side}s that were declared with their folder, and that `.lineageignore` names");
                remarks.push(Remark { kind: RemarkKind::LeftOut, text, count: files.ignored });
            }
            for artifact in files.artifacts {
                declared.insert(artifact.path.clone());
                if self.seen.contains(&artifact.path) {
                    continue;
                }
                // Of outputs it is said when it is known whose they are.
                if self.certain && !self.is_output && !artifact.path.is_url() {
                    let path = &artifact.path;
                    let text = format!("`{path}` was declared as an input, but the command did not read it");
                    remarks.push(Remark::new(RemarkKind::NotObserved, text));
                }
                only_declared.push(artifact);
            }
        }
        let others: Vec<String> =
            self.expected.difference(&declared).map(|path| format!("`{path}`")).collect();
        if !words.is_empty() && !others.is_empty() {
            let more = others.len().saturating_sub(NAMES_MAX);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let named = others[..others.len().min(NAMES_MAX)].join(", ");
            remarks.push(Remark {
                kind: RemarkKind::NotDeclared,
                text: format!("{side}s that were not declared: {named}{more}"),
                count: others.len() as u64,
            });
        }
        only_declared
    }
}
