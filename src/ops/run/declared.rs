//! What the request declared beside what was observed, and where the two differ.

use std::collections::BTreeSet;
use std::ffi::OsString;

use crate::capture::observe::Observation;
use crate::model::{
    Artifact, ArtifactPath, Evidence, Generated, Remark, RemarkKind, Role, Step, Timestamp, Used,
};
use crate::ops::inside::declared_artifacts;
use crate::ops::run::{CommandRequest, whole_step};
use crate::ops::{Recording, Workspace};

/// As many names are written into one remark.
const NAMES_MAX: usize = 5;

/// Adds declared edges to the first step, and remarks what is declared and not observed, or the other way round.
///
/// What is declared and cannot be read is remarked; the rest is recorded all the same.
pub fn add(
    workspace: &Workspace,
    recording: &Recording,
    request: &CommandRequest,
    observation: &Observation,
    steps: &mut Vec<Step>,
    remarks: &mut Vec<Remark>,
) {
    let written: BTreeSet<ArtifactPath> =
        steps.iter().flat_map(|step| &step.generated).map(|edge| edge.artifact.path.clone()).collect();
    let reads = steps.iter().flat_map(|step| &step.used);
    let read: BTreeSet<ArtifactPath> = reads.clone().map(|edge| edge.artifact.path.clone()).collect();
    let read_as_data = reads.filter(|edge| edge.role == Role::Data && !written.contains(&edge.artifact.path));
    let read_as_data: BTreeSet<ArtifactPath> = read_as_data.map(|edge| edge.artifact.path.clone()).collect();
    // Without the net nothing is known of reads, so nothing can be missed among them.
    let saw_reads = !observation.processes.is_empty();
    let inputs =
        Side { word: "input", verb: "read", seen: &read, expected: &read_as_data, certain: saw_reads };
    let outputs = Side { word: "output", verb: "write", seen: &written, expected: &written, certain: true };
    let used = inputs.compare(workspace, request, &request.inputs, remarks);
    let generated = outputs.compare(workspace, request, &request.outputs, remarks);
    let (evidence, role) = (Evidence::Declared, Role::Data);
    let at = Timestamp::from_micros(observation.started_us);
    let used: Vec<Used> = used.into_iter().map(|artifact| Used { artifact, at, evidence, role }).collect();
    let at = Timestamp::from_micros(observation.ended_us);
    let generated: Vec<Generated> =
        generated.into_iter().map(|artifact| Generated { artifact, at, evidence, role }).collect();
    if used.is_empty() && generated.is_empty() {
        return;
    }
    match steps.first_mut() {
        Some(first) => {
            first.used.extend(used);
            first.generated.extend(generated);
        }
        None => steps.push(whole_step(recording, observation, used, generated)),
    }
}

/// The inputs, or the outputs.
struct Side<'a> {
    word: &'a str,
    verb: &'a str,
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
        let Side { word: side, verb, .. } = self;
        let mut only_declared = Vec::new();
        let mut declared = BTreeSet::new();
        for word in words {
            let artifacts = match declared_artifacts(workspace, &request.folder, word) {
                Ok(artifacts) => artifacts,
                Err(error) => {
                    let text = format!("declared as an {side}, but not recorded: {error}");
                    remarks.push(Remark::new(RemarkKind::NotObserved, text));
                    continue;
                }
            };
            for artifact in artifacts {
                declared.insert(artifact.path.clone());
                if self.seen.contains(&artifact.path) {
                    continue;
                }
                if self.certain && !artifact.path.is_url() {
                    let path = &artifact.path;
                    let text =
                        format!("`{path}` was declared as an {side}, but the command did not {verb} it");
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
                text: format!("{side}s that were observed, but not declared: {named}{more}"),
                count: others.len() as u64,
            });
        }
        only_declared
    }
}
