//! Records of the model registry: version 2 of its registrations and changes, and version 1 of its aliases; published, never
//! to be edited. Below them, the way between them and the model.

use bincode::{Decode, Encode};

use super::v1::{ArtifactV1, named_artifacts};
use super::{Fault, by_code, code_of, name};
use crate::model::{
    Artifact, MetricValue, ModelAct, ModelAlias, ModelChange, ModelEdit, ModelVersion, NodeId, Stage,
    Timestamp,
};

type PairV2 = (String, String);

#[derive(Encode, Decode)]
pub(super) struct ModelV2 {
    id: u128,
    name: String,
    version: String,
    run: Option<u128>,
    created_at_us: i64,
    registered_at_us: i64,
    by: String,
    stage: u8,
    description: String,
    model_type: Option<String>,
    base_model: Option<String>,
    training_config: Option<String>,
    dataset_info: Option<String>,
    promoted_from: Option<String>,
    notes: Option<String>,
    git_sha: Option<String>,
    git_dirty: bool,
    branch: Option<String>,
    metrics: Vec<(String, f64)>,
    inputs: Vec<ArtifactV1>,
    artifacts: Vec<(String, ArtifactV1)>,
    tags: Vec<PairV2>,
    fields: Vec<PairV2>,
}

#[derive(Encode, Decode)]
pub(super) struct ModelChangeV2 {
    id: u128,
    model: u128,
    name: String,
    at_us: i64,
    by: String,
    reason: Option<String>,
    act: ActV2,
}

#[derive(Encode, Decode)]
enum ActV2 {
    Staged { stage: u8, displaced: Option<u128> },
    Edited(EditV2),
    Deleted,
}

#[derive(Encode, Decode)]
struct EditV2 {
    description: Option<String>,
    notes: Option<String>,
    tags_set: Vec<PairV2>,
    tags_removed: Vec<String>,
}

#[derive(Encode, Decode)]
pub(super) struct AliasV1 {
    id: u128,
    name: String,
    alias: String,
    model: Option<u128>,
    at_us: i64,
    by: String,
}

// ---- between these and the model ----

impl From<&ModelVersion> for ModelV2 {
    fn from(model: &ModelVersion) -> Self {
        ModelV2 {
            id: model.id.as_u128(),
            name: model.name.clone(),
            version: model.version.clone(),
            run: model.run.map(NodeId::as_u128),
            created_at_us: model.created_at.micros(),
            registered_at_us: model.registered_at.micros(),
            by: model.by.clone(),
            stage: code_of(&Stage::ALL, &model.stage),
            description: model.description.clone(),
            model_type: model.model_type.clone(),
            base_model: model.base_model.clone(),
            training_config: model.training_config.clone(),
            dataset_info: model.dataset_info.clone(),
            promoted_from: model.promoted_from.clone(),
            notes: model.notes.clone(),
            git_sha: model.git_sha.clone(),
            git_dirty: model.git_dirty,
            branch: model.branch.clone(),
            metrics: model.metrics.iter().map(|(name, value)| (name.clone(), value.get())).collect(),
            inputs: model.inputs.iter().map(ArtifactV1::from).collect(),
            artifacts: model
                .artifacts
                .iter()
                .map(|held| (held.name.clone(), ArtifactV1::from(&held.artifact)))
                .collect(),
            tags: model.tags.clone(),
            fields: model.fields.clone(),
        }
    }
}

impl TryFrom<ModelV2> for ModelVersion {
    type Error = Fault;

    fn try_from(model: ModelV2) -> Result<Self, Fault> {
        let metric = |(name, value): (String, f64)| {
            let value = MetricValue::new(value).map_err(|error| Fault::Damaged(error.in_full()))?;
            Ok((name, value))
        };
        Ok(ModelVersion {
            id: NodeId::from_u128(model.id),
            name: name(model.name)?,
            version: name(model.version)?,
            run: model.run.map(NodeId::from_u128),
            created_at: Timestamp::from_micros(model.created_at_us),
            registered_at: Timestamp::from_micros(model.registered_at_us),
            by: model.by,
            stage: by_code(&Stage::ALL, model.stage, "stage")?,
            description: model.description,
            model_type: model.model_type,
            base_model: model.base_model,
            training_config: model.training_config,
            dataset_info: model.dataset_info,
            promoted_from: model.promoted_from,
            notes: model.notes,
            git_sha: model.git_sha,
            git_dirty: model.git_dirty,
            branch: model.branch,
            metrics: model.metrics.into_iter().map(metric).collect::<Result<_, Fault>>()?,
            inputs: model.inputs.into_iter().map(Artifact::try_from).collect::<Result<_, Fault>>()?,
            artifacts: named_artifacts(model.artifacts)?,
            tags: model.tags,
            fields: model.fields,
            taken: None,
        })
    }
}

impl From<&ModelChange> for ModelChangeV2 {
    fn from(change: &ModelChange) -> Self {
        let act = match &change.act {
            ModelAct::Staged { stage, displaced } => ActV2::Staged {
                stage: code_of(&Stage::ALL, stage),
                displaced: displaced.map(NodeId::as_u128),
            },
            ModelAct::Edited(edit) => ActV2::Edited(EditV2 {
                description: edit.description.clone(),
                notes: edit.notes.clone(),
                tags_set: edit.tags_set.clone(),
                tags_removed: edit.tags_removed.clone(),
            }),
            ModelAct::Deleted => ActV2::Deleted,
        };
        ModelChangeV2 {
            id: change.id.as_u128(),
            model: change.model.as_u128(),
            name: change.name.clone(),
            at_us: change.at.micros(),
            by: change.by.clone(),
            reason: change.reason.clone(),
            act,
        }
    }
}

impl TryFrom<ModelChangeV2> for ModelChange {
    type Error = Fault;

    fn try_from(change: ModelChangeV2) -> Result<Self, Fault> {
        let act = match change.act {
            ActV2::Staged { stage, displaced } => ModelAct::Staged {
                stage: by_code(&Stage::ALL, stage, "stage")?,
                displaced: displaced.map(NodeId::from_u128),
            },
            ActV2::Edited(edit) => ModelAct::Edited(ModelEdit {
                description: edit.description,
                notes: edit.notes,
                tags_set: edit.tags_set,
                tags_removed: edit.tags_removed,
            }),
            ActV2::Deleted => ModelAct::Deleted,
        };
        Ok(ModelChange {
            id: NodeId::from_u128(change.id),
            model: NodeId::from_u128(change.model),
            name: name(change.name)?,
            at: Timestamp::from_micros(change.at_us),
            by: change.by,
            reason: change.reason,
            act,
        })
    }
}

impl From<&ModelAlias> for AliasV1 {
    fn from(alias: &ModelAlias) -> Self {
        AliasV1 {
            id: alias.id.as_u128(),
            name: alias.name.clone(),
            alias: alias.alias.clone(),
            model: alias.model.map(NodeId::as_u128),
            at_us: alias.at.micros(),
            by: alias.by.clone(),
        }
    }
}

impl TryFrom<AliasV1> for ModelAlias {
    type Error = Fault;

    fn try_from(alias: AliasV1) -> Result<Self, Fault> {
        Ok(ModelAlias {
            id: NodeId::from_u128(alias.id),
            name: name(alias.name)?,
            alias: name(alias.alias)?,
            model: alias.model.map(NodeId::from_u128),
            at: Timestamp::from_micros(alias.at_us),
            by: alias.by,
        })
    }
}
