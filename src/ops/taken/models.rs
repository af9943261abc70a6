//! Registered models of MLflow as model versions, with their stages and aliases.

use crate::error::Result;
use crate::model::{
    Fact, ModelAct, ModelAlias, ModelChange, ModelVersion, NamedArtifact, Stage, Timestamp, check_alias,
    check_model_name, recorded_word,
};
use crate::ops::taken::mlflow::{MlModel, local_path, moment};
use crate::ops::taken::{Taking, derived_id, files_below};

/// Records versions, stages and aliases that are not recorded yet.
pub(super) fn take(taking: &mut Taking<'_>, models: Vec<MlModel>) -> Result<()> {
    for model in models {
        if let Err(error) = check_model_name(&model.name) {
            taking.report.leave_out(error.to_string());
            continue;
        }
        let created_at = moment(model.created_ms);
        let id = derived_id("model", &format!("{}\0{}", model.name, model.version), created_at);
        if taking.view().snapshot.model(id)?.is_none() {
            taking.report.models += 1;
            let version = version_of(taking, &model, id, created_at);
            taking.put(&Fact::ModelRegistered(version))?;
        }
        stage(taking, &model, id)?;
        aliases(taking, &model, id)?;
    }
    Ok(())
}

fn version_of(
    taking: &mut Taking<'_>,
    model: &MlModel,
    id: crate::model::NodeId,
    created_at: Timestamp,
) -> ModelVersion {
    let mut report = std::mem::take(&mut taking.report);
    let folder = local_path(&model.source).filter(|folder| folder.is_dir());
    let files = folder.as_ref().map(|folder| files_below(taking.workspace(), folder, &mut report));
    taking.report = report;
    let named = files.into_iter().flatten().map(|(path, artifact)| {
        let inside = folder.as_ref().and_then(|folder| path.strip_prefix(folder).ok());
        let name = recorded_word(inside.unwrap_or(&path));
        NamedArtifact { name, artifact }
    });
    let mut fields = vec![("mlflow_version".to_owned(), serde_json::json!(model.version).to_string())];
    if !model.source.is_empty() {
        fields.push(("mlflow_source".to_owned(), serde_json::json!(model.source).to_string()));
    }
    ModelVersion {
        run: model.run_uuid.as_deref().and_then(|uuid| taking.id_of(uuid)),
        by: "mlflow".to_owned(),
        description: model.description.clone(),
        artifacts: named.collect(),
        tags: model.tags.clone(),
        fields,
        ..ModelVersion::new(id, &model.name, semantic(&model.version), created_at)
    }
}

/// MLflow counts versions: its third is 3.0.0.
fn semantic(version: &str) -> String {
    if version.bytes().all(|byte| byte.is_ascii_digit()) && !version.is_empty() {
        let number = version.trim_start_matches('0');
        format!("{}.0.0", if number.is_empty() { "0" } else { number })
    } else {
        version.to_owned()
    }
}

fn stage(taking: &mut Taking<'_>, model: &MlModel, id: crate::model::NodeId) -> Result<()> {
    let stage = match model.stage.as_str() {
        "Staging" => Stage::Staging,
        "Production" => Stage::Production,
        "Archived" => Stage::Archived,
        _ => return Ok(()),
    };
    let at = moment(model.updated_ms.max(model.created_ms));
    let change = ModelChange {
        id: derived_id("stage", &format!("{id}\0{}", model.stage), at),
        model: id,
        name: model.name.clone(),
        at,
        by: "mlflow".to_owned(),
        reason: None,
        act: ModelAct::Staged { stage, displaced: None },
    };
    if taking.view().snapshot.model_changes(id)?.iter().any(|known| known.id == change.id) {
        return Ok(());
    }
    taking.put(&Fact::ModelChanged(change))
}

fn aliases(taking: &mut Taking<'_>, model: &MlModel, id: crate::model::NodeId) -> Result<()> {
    for alias in &model.aliases {
        if let Err(error) = check_alias(alias) {
            taking.report.leave_out(error.to_string());
            continue;
        }
        let at = moment(model.updated_ms.max(model.created_ms));
        let named = ModelAlias {
            id: derived_id("alias", &format!("{id}\0{alias}"), at),
            name: model.name.clone(),
            alias: alias.clone(),
            model: Some(id),
            at,
            by: "mlflow".to_owned(),
        };
        let known = taking.view().snapshot.alias_statements(&model.name, alias)?;
        if !known.iter().any(|known| known.id == named.id) {
            taking.put(&Fact::ModelNamed(named))?;
        }
    }
    Ok(())
}
