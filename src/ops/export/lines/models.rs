//! Lines on model versions: their registration, what becomes of them, and their names.

use serde::{Deserialize, Serialize};

use super::links::link_text;
use super::words::{ArtifactLine, PathText, artifact_line, node, word};
use crate::error::Result;
use crate::model::{
    LinkText, MetricValue, ModelAct, ModelAlias, ModelChange, ModelEdit, ModelVersion, NamedArtifact, NodeId,
    Parameter, Stage, TakenEntry, Timestamp,
};

/// What stands in `training_config`, `dataset_info` and `fields` is JSON as text: each byte of it is part of the fact.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModelLine {
    id: String,
    name: String,
    version: String,
    run: Option<String>,
    created_at_us: i64,
    registered_at_us: i64,
    by: String,
    stage: String,
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
    inputs: Vec<ArtifactLine>,
    artifacts: Vec<NamedLine>,
    tags: Vec<Parameter>,
    fields: Vec<Parameter>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    taken: Option<TakenLine>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TakenLine {
    as_of_us: i64,
    run_label: Option<String>,
    run_name: Option<String>,
    inputs_total: u64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NamedLine {
    name: String,
    artifact: ArtifactLine,
    /// The text of the symbolic link that it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    link: Option<PathText>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeLine {
    id: String,
    model: String,
    name: String,
    at_us: i64,
    by: String,
    reason: Option<String>,
    act: ActLine,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum ActLine {
    Staged { stage: String, displaced: Option<String> },
    Edited(EditLine),
    Deleted {},
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EditLine {
    description: Option<String>,
    notes: Option<String>,
    tags_set: Vec<Parameter>,
    tags_removed: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AliasLine {
    id: String,
    name: String,
    alias: String,
    model: Option<String>,
    at_us: i64,
    by: String,
}

pub(super) fn model_line(model: &ModelVersion) -> ModelLine {
    let named = |held: &NamedArtifact| NamedLine {
        name: held.name.clone(),
        artifact: artifact_line(&held.artifact),
        link: held.link.as_ref().map(link_text),
    };
    ModelLine {
        id: model.id.to_string(),
        name: model.name.clone(),
        version: model.version.clone(),
        run: model.run.map(|run| run.to_string()),
        created_at_us: model.created_at.micros(),
        registered_at_us: model.registered_at.micros(),
        by: model.by.clone(),
        stage: model.stage.as_str().to_owned(),
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
        inputs: model.inputs.iter().map(artifact_line).collect(),
        artifacts: model.artifacts.iter().map(named).collect(),
        tags: model.tags.clone(),
        fields: model.fields.clone(),
        taken: model.taken.as_ref().map(|taken| TakenLine {
            as_of_us: taken.as_of.micros(),
            run_label: taken.run_label.clone(),
            run_name: taken.run_name.clone(),
            inputs_total: taken.inputs_total,
        }),
    }
}

pub(super) fn change_line(change: &ModelChange) -> ChangeLine {
    ChangeLine {
        id: change.id.to_string(),
        model: change.model.to_string(),
        name: change.name.clone(),
        at_us: change.at.micros(),
        by: change.by.clone(),
        reason: change.reason.clone(),
        act: match &change.act {
            ModelAct::Staged { stage, displaced } => ActLine::Staged {
                stage: stage.as_str().to_owned(),
                displaced: displaced.map(|displaced| displaced.to_string()),
            },
            ModelAct::Edited(edit) => ActLine::Edited(EditLine {
                description: edit.description.clone(),
                notes: edit.notes.clone(),
                tags_set: edit.tags_set.clone(),
                tags_removed: edit.tags_removed.clone(),
            }),
            ModelAct::Deleted => ActLine::Deleted {},
        },
    }
}

pub(super) fn alias_line(alias: &ModelAlias) -> AliasLine {
    AliasLine {
        id: alias.id.to_string(),
        name: alias.name.clone(),
        alias: alias.alias.clone(),
        model: alias.model.map(|model| model.to_string()),
        at_us: alias.at.micros(),
        by: alias.by.clone(),
    }
}

fn node_of(text: Option<String>) -> Result<Option<NodeId>> {
    text.as_deref().map(node).transpose()
}

impl ModelLine {
    pub(super) fn into_model(self) -> Result<ModelVersion> {
        let metric = |(name, value)| Ok((name, MetricValue::new(value)?));
        let named = |line: NamedLine| {
            let artifact = line.artifact.into_artifact()?;
            match line.link {
                None => Ok(NamedArtifact::file(line.name, artifact)),
                Some(text) => NamedArtifact::link(line.name, artifact, LinkText::new(text.into_bytes()?)?),
            }
        };
        Ok(ModelVersion {
            id: node(&self.id)?,
            name: self.name,
            version: self.version,
            run: node_of(self.run)?,
            created_at: Timestamp::from_micros(self.created_at_us),
            registered_at: Timestamp::from_micros(self.registered_at_us),
            by: self.by,
            stage: word(&Stage::ALL, Stage::as_str, &self.stage, "stage")?,
            description: self.description,
            model_type: self.model_type,
            base_model: self.base_model,
            training_config: self.training_config,
            dataset_info: self.dataset_info,
            promoted_from: self.promoted_from,
            notes: self.notes,
            git_sha: self.git_sha,
            git_dirty: self.git_dirty,
            branch: self.branch,
            metrics: self.metrics.into_iter().map(metric).collect::<Result<_>>()?,
            inputs: self.inputs.into_iter().map(ArtifactLine::into_artifact).collect::<Result<_>>()?,
            artifacts: self.artifacts.into_iter().map(named).collect::<Result<_>>()?,
            tags: self.tags,
            fields: self.fields,
            taken: self.taken.map(|line| TakenEntry {
                as_of: Timestamp::from_micros(line.as_of_us),
                run_label: line.run_label,
                run_name: line.run_name,
                inputs_total: line.inputs_total,
            }),
        })
    }
}

impl ChangeLine {
    pub(super) fn into_change(self) -> Result<ModelChange> {
        let act = match self.act {
            ActLine::Staged { stage, displaced } => ModelAct::Staged {
                stage: word(&Stage::ALL, Stage::as_str, &stage, "stage")?,
                displaced: node_of(displaced)?,
            },
            ActLine::Edited(edit) => ModelAct::Edited(ModelEdit {
                description: edit.description,
                notes: edit.notes,
                tags_set: edit.tags_set,
                tags_removed: edit.tags_removed,
            }),
            ActLine::Deleted {} => ModelAct::Deleted,
        };
        Ok(ModelChange {
            id: node(&self.id)?,
            model: node(&self.model)?,
            name: self.name,
            at: Timestamp::from_micros(self.at_us),
            by: self.by,
            reason: self.reason,
            act,
        })
    }
}

impl AliasLine {
    pub(super) fn into_alias(self) -> Result<ModelAlias> {
        Ok(ModelAlias {
            id: node(&self.id)?,
            name: self.name,
            alias: self.alias,
            model: node_of(self.model)?,
            at: Timestamp::from_micros(self.at_us),
            by: self.by,
        })
    }
}
