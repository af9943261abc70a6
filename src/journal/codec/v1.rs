//! Records of version 1; published, never to be edited. Below them, the way between them and the model.

use bincode::{Decode, Encode};

use super::{Fault, by_code, code_of, name, path};
use crate::error::Error;
use crate::model::{
    Artifact, ChangeKind, ChangedFile, CodeState, Digest, Evidence, Generated, Metric, MetricValue, ModelAct,
    ModelChange, ModelVersion, NamedArtifact, NodeId, Note, NoteSummary, Reference, ReferenceSort, Role, Run,
    RunKind, RunOutcome, RunStatus, Stage, Step, StepAct, StepStatus, Submodule, Timestamp, Used,
};

type PairV1 = (String, String);

#[derive(Encode, Decode)]
pub(super) struct RunV1 {
    id: u128,
    run_id: String,
    name: String,
    kind: u8,
    arguments: Vec<String>,
    parameters: Vec<PairV1>,
    folder: String,
    code: CodeV1,
    started_at_us: i64,
    parent: Option<u128>,
    recorder: String,
    host: String,
    segment: u128,
}

#[derive(Encode, Decode)]
pub(super) struct CodeV1 {
    repository: bool,
    commit: Option<String>,
    commit_short: Option<String>,
    branch: Option<String>,
    dirty: bool,
    changed: Vec<ChangedV1>,
    untracked: Vec<ChangedV1>,
    untracked_omitted: u64,
    patch: Option<[u8; 32]>,
    patch_omitted: Vec<String>,
    submodules: Vec<SubmoduleV1>,
    unreadable: Option<String>,
}

#[derive(Encode, Decode)]
pub(super) struct ChangedV1 {
    path: Vec<u8>,
    kind: u8,
    digest: Option<[u8; 32]>,
    size_bytes: u64,
}

#[derive(Encode, Decode)]
pub(super) struct SubmoduleV1 {
    path: Vec<u8>,
    recorded: Option<String>,
    checked_out: Option<String>,
}

#[derive(Encode, Decode)]
pub(super) struct OutcomeV1 {
    run: u128,
    at_us: i64,
    status: u8,
    exit_code: Option<i32>,
    reason: Option<String>,
    code: Option<CodeV1>,
    arguments: Vec<String>,
    segment: u128,
}

#[derive(Encode, Decode)]
pub(super) struct StepV1 {
    id: u128,
    run: u128,
    name: String,
    subject: String,
    status: u8,
    reason: Option<String>,
    started_at_us: i64,
    ended_at_us: i64,
    parameters: Vec<PairV1>,
    key: Option<[u8; 32]>,
    cached_from: Option<u128>,
    used: Vec<EdgeV1>,
    generated: Vec<EdgeV1>,
}

#[derive(Encode, Decode)]
pub(super) struct ArtifactV1 {
    path: Vec<u8>,
    digest: [u8; 32],
    size_bytes: u64,
}

#[derive(Encode, Decode)]
pub(super) struct EdgeV1 {
    artifact: ArtifactV1,
    at_us: i64,
    evidence: u8,
    role: u8,
}

#[derive(Encode, Decode)]
pub(super) struct MetricsV1 {
    pub(super) points: Vec<PointV1>,
}

#[derive(Encode, Decode)]
pub(super) struct PointV1 {
    owner: u128,
    name: String,
    step: i64,
    at_us: i64,
    value: f64,
}

#[derive(Encode, Decode)]
pub(super) struct ModelV1 {
    id: u128,
    name: String,
    version: String,
    run: Option<u128>,
    created_at_us: i64,
    description: String,
    fields: Vec<PairV1>,
    artifacts: Vec<(String, ArtifactV1)>,
    tags: Vec<PairV1>,
}

#[derive(Encode, Decode)]
pub(super) struct ModelChangeV1 {
    id: u128,
    model: u128,
    stage: u8,
    displaced: Option<u128>,
    at_us: i64,
    by: String,
    reason: Option<String>,
}

#[derive(Encode, Decode)]
pub(super) struct NoteV1 {
    id: u128,
    artifact: ArtifactV1,
    at_us: i64,
    fields: Vec<PairV1>,
    references: Vec<PairV1>,
}

// ---- between version 1 and the model ----

impl From<&Run> for RunV1 {
    fn from(run: &Run) -> Self {
        RunV1 {
            id: run.id.as_u128(),
            run_id: run.run_id.as_str().to_owned(),
            name: run.name.clone(),
            kind: code_of(&RunKind::ALL, &run.kind),
            arguments: run.arguments.clone(),
            parameters: run.parameters.clone(),
            folder: run.folder.clone(),
            code: CodeV1::from(&run.code),
            started_at_us: run.started_at.micros(),
            parent: run.parent.map(NodeId::as_u128),
            recorder: run.recorder.clone(),
            host: run.host.clone(),
            segment: run.segment,
        }
    }
}

impl TryFrom<RunV1> for Run {
    type Error = Fault;

    fn try_from(run: RunV1) -> Result<Self, Fault> {
        Ok(Run {
            id: NodeId::from_u128(run.id),
            run_id: run.run_id.parse().map_err(|error: Error| Fault::Damaged(error.in_full()))?,
            name: run.name,
            kind: by_code(&RunKind::ALL, run.kind, "kind of run")?,
            arguments: run.arguments,
            printed_arguments: Vec::new(),
            streams: None,
            parameters: run.parameters,
            folder: run.folder,
            code: run.code.try_into()?,
            started_at: Timestamp::from_micros(run.started_at_us),
            parent: run.parent.map(NodeId::from_u128),
            rerun_of: None,
            recorder: run.recorder,
            host: run.host,
            by: String::new(),
            segment: run.segment,
        })
    }
}

impl From<&CodeState> for CodeV1 {
    fn from(code: &CodeState) -> Self {
        CodeV1 {
            repository: code.repository,
            commit: code.commit.clone(),
            commit_short: code.commit_short.clone(),
            branch: code.branch.clone(),
            dirty: code.dirty,
            changed: code.changed.iter().map(ChangedV1::from).collect(),
            untracked: code.untracked.iter().map(ChangedV1::from).collect(),
            untracked_omitted: code.untracked_omitted,
            patch: code.patch.map(|digest| *digest.as_bytes()),
            patch_omitted: code.patch_omitted.clone(),
            submodules: code
                .submodules
                .iter()
                .map(|module| SubmoduleV1 {
                    path: module.path.as_bytes().to_vec(),
                    recorded: module.recorded.clone(),
                    checked_out: module.checked_out.clone(),
                })
                .collect(),
            unreadable: code.unreadable.clone(),
        }
    }
}

impl TryFrom<CodeV1> for CodeState {
    type Error = Fault;

    fn try_from(code: CodeV1) -> Result<Self, Fault> {
        let files =
            |files: Vec<ChangedV1>| files.into_iter().map(ChangedFile::try_from).collect::<Result<_, _>>();
        Ok(CodeState {
            repository: code.repository,
            commit: code.commit,
            commit_short: code.commit_short,
            branch: code.branch,
            dirty: code.dirty,
            changed: files(code.changed)?,
            untracked: files(code.untracked)?,
            untracked_omitted: code.untracked_omitted,
            patch: code.patch.map(Digest::from_bytes),
            patch_omitted: code.patch_omitted,
            submodules: code
                .submodules
                .into_iter()
                .map(|module| {
                    Ok(Submodule {
                        path: path(module.path)?,
                        recorded: module.recorded,
                        checked_out: module.checked_out,
                    })
                })
                .collect::<Result<_, Fault>>()?,
            unreadable: code.unreadable,
        })
    }
}

impl From<&ChangedFile> for ChangedV1 {
    fn from(file: &ChangedFile) -> Self {
        ChangedV1 {
            path: file.path.as_bytes().to_vec(),
            kind: code_of(&ChangeKind::ALL, &file.kind),
            digest: file.digest.map(|digest| *digest.as_bytes()),
            size_bytes: file.size_bytes,
        }
    }
}

impl TryFrom<ChangedV1> for ChangedFile {
    type Error = Fault;

    fn try_from(file: ChangedV1) -> Result<Self, Fault> {
        Ok(ChangedFile {
            path: path(file.path)?,
            kind: by_code(&ChangeKind::ALL, file.kind, "kind of change")?,
            digest: file.digest.map(Digest::from_bytes),
            size_bytes: file.size_bytes,
        })
    }
}

impl From<&RunOutcome> for OutcomeV1 {
    fn from(outcome: &RunOutcome) -> Self {
        OutcomeV1 {
            run: outcome.run.as_u128(),
            at_us: outcome.at.micros(),
            status: code_of(&RunStatus::ALL, &outcome.status),
            exit_code: outcome.exit_code,
            reason: outcome.reason.clone(),
            code: outcome.code.as_ref().map(CodeV1::from),
            arguments: outcome.arguments.clone(),
            segment: outcome.segment,
        }
    }
}

impl TryFrom<OutcomeV1> for RunOutcome {
    type Error = Fault;

    fn try_from(outcome: OutcomeV1) -> Result<Self, Fault> {
        Ok(RunOutcome {
            run: NodeId::from_u128(outcome.run),
            at: Timestamp::from_micros(outcome.at_us),
            status: by_code(&RunStatus::ALL, outcome.status, "status of a run")?,
            exit_code: outcome.exit_code,
            reason: outcome.reason,
            code: outcome.code.map(CodeState::try_from).transpose()?,
            arguments: outcome.arguments,
            segment: outcome.segment,
        })
    }
}

impl From<&Step> for StepV1 {
    fn from(step: &Step) -> Self {
        StepV1 {
            id: step.id.as_u128(),
            run: step.run.as_u128(),
            name: step.name.clone(),
            subject: step.subject.clone(),
            status: code_of(&StepStatus::ALL, &step.status),
            reason: step.reason.clone(),
            started_at_us: step.started_at.micros(),
            ended_at_us: step.ended_at.micros(),
            parameters: step.parameters.clone(),
            key: step.key.map(|digest| *digest.as_bytes()),
            cached_from: step.cached_from.map(NodeId::as_u128),
            used: step.used.iter().map(|e| EdgeV1::new(&e.artifact, e.at, e.evidence, e.role)).collect(),
            generated: step
                .generated
                .iter()
                .map(|e| EdgeV1::new(&e.artifact, e.at, e.evidence, e.role))
                .collect(),
        }
    }
}

impl TryFrom<StepV1> for Step {
    type Error = Fault;

    fn try_from(step: StepV1) -> Result<Self, Fault> {
        let used = |edge: EdgeV1| {
            let (artifact, at, evidence, role) = edge.parts()?;
            Ok(Used { artifact, at, evidence, role })
        };
        let generated = |edge: EdgeV1| {
            let (artifact, at, evidence, role) = edge.parts()?;
            Ok(Generated { artifact, at, evidence, role })
        };
        Ok(Step {
            id: NodeId::from_u128(step.id),
            run: NodeId::from_u128(step.run),
            name: step.name,
            subject: step.subject,
            status: by_code(&StepStatus::ALL, step.status, "status of a step")?,
            reason: step.reason,
            started_at: Timestamp::from_micros(step.started_at_us),
            ended_at: Timestamp::from_micros(step.ended_at_us),
            parameters: step.parameters,
            key: step.key.map(Digest::from_bytes),
            cached_from: step.cached_from.map(NodeId::from_u128),
            unchanged_since: Vec::new(),
            act: StepAct::Made,
            removed: Vec::new(),
            used: step.used.into_iter().map(used).collect::<Result<_, Fault>>()?,
            generated: step.generated.into_iter().map(generated).collect::<Result<_, Fault>>()?,
        })
    }
}

impl EdgeV1 {
    fn new(artifact: &Artifact, at: Timestamp, evidence: Evidence, role: Role) -> Self {
        EdgeV1 {
            artifact: ArtifactV1::from(artifact),
            at_us: at.micros(),
            evidence: code_of(&Evidence::RECORDED, &evidence),
            role: code_of(&Role::ALL, &role),
        }
    }

    fn parts(self) -> Result<(Artifact, Timestamp, Evidence, Role), Fault> {
        Ok((
            self.artifact.try_into()?,
            Timestamp::from_micros(self.at_us),
            by_code(&Evidence::RECORDED, self.evidence, "evidence")?,
            by_code(&Role::ALL, self.role, "role")?,
        ))
    }
}

impl From<&Artifact> for ArtifactV1 {
    fn from(artifact: &Artifact) -> Self {
        ArtifactV1 {
            path: artifact.path.as_bytes().to_vec(),
            digest: *artifact.digest.as_bytes(),
            size_bytes: artifact.size_bytes,
        }
    }
}

impl TryFrom<ArtifactV1> for Artifact {
    type Error = Fault;

    fn try_from(artifact: ArtifactV1) -> Result<Self, Fault> {
        Ok(Artifact {
            path: path(artifact.path)?,
            digest: Digest::from_bytes(artifact.digest),
            size_bytes: artifact.size_bytes,
        })
    }
}

impl From<&Metric> for PointV1 {
    fn from(point: &Metric) -> Self {
        PointV1 {
            owner: point.owner.as_u128(),
            name: point.name.clone(),
            step: point.step,
            at_us: point.at.micros(),
            value: point.value.get(),
        }
    }
}

impl TryFrom<PointV1> for Metric {
    type Error = Fault;

    fn try_from(point: PointV1) -> Result<Self, Fault> {
        Ok(Metric {
            owner: NodeId::from_u128(point.owner),
            name: point.name,
            step: point.step,
            at: Timestamp::from_micros(point.at_us),
            value: MetricValue::new(point.value).map_err(|error| Fault::Damaged(error.in_full()))?,
        })
    }
}

impl TryFrom<ModelV1> for ModelVersion {
    type Error = Fault;

    fn try_from(model: ModelV1) -> Result<Self, Fault> {
        let (id, created_at) = (NodeId::from_u128(model.id), Timestamp::from_micros(model.created_at_us));
        Ok(ModelVersion {
            run: model.run.map(NodeId::from_u128),
            description: model.description,
            artifacts: named_artifacts(model.artifacts)?,
            tags: model.tags,
            fields: model.fields,
            ..ModelVersion::new(id, name(model.name)?, name(model.version)?, created_at)
        })
    }
}

/// Puts the files of a model version together.
pub(super) fn named_artifacts(artifacts: Vec<(String, ArtifactV1)>) -> Result<Vec<NamedArtifact>, Fault> {
    let named = |(name, artifact): (String, ArtifactV1)| Ok(NamedArtifact::file(name, artifact.try_into()?));
    artifacts.into_iter().map(named).collect()
}

impl TryFrom<ModelChangeV1> for ModelChange {
    type Error = Fault;

    fn try_from(change: ModelChangeV1) -> Result<Self, Fault> {
        Ok(ModelChange {
            id: NodeId::from_u128(change.id),
            model: NodeId::from_u128(change.model),
            name: String::new(),
            at: Timestamp::from_micros(change.at_us),
            by: change.by,
            reason: change.reason,
            act: ModelAct::Staged {
                stage: by_code(&Stage::ALL, change.stage, "stage")?,
                displaced: change.displaced.map(NodeId::from_u128),
            },
        })
    }
}

impl From<&Note> for NoteV1 {
    fn from(note: &Note) -> Self {
        let reference = |reference: &Reference| (reference.sort.as_str().to_owned(), reference.name.clone());
        NoteV1 {
            id: note.id.as_u128(),
            artifact: ArtifactV1::from(&note.artifact),
            at_us: note.at.micros(),
            fields: note.fields.clone(),
            references: note.references.iter().map(reference).collect(),
        }
    }
}

impl TryFrom<NoteV1> for Note {
    type Error = Fault;

    fn try_from(note: NoteV1) -> Result<Self, Fault> {
        let reference = |(sort, name): PairV1| {
            let known = ReferenceSort::ALL.into_iter().find(|known| known.as_str() == sort);
            let sort = known.ok_or_else(|| Fault::Damaged("no such sort of reference".to_owned()))?;
            Ok(Reference { sort, name, given_by: String::new(), missing: false })
        };
        Ok(Note {
            id: NodeId::from_u128(note.id),
            artifact: note.artifact.try_into()?,
            at: Timestamp::from_micros(note.at_us),
            folder: None,
            fields: note.fields,
            summary: NoteSummary::default(),
            references: note.references.into_iter().map(reference).collect::<Result<_, Fault>>()?,
            findings: Vec::new(),
            reader: 0,
        })
    }
}
