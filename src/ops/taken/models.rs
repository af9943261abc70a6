//! Registered models of MLflow as model versions, with their stages and aliases.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Result;
use crate::model::{
    Fact, ModelAct, ModelAlias, ModelChange, ModelVersion, NamedArtifact, Stage, Timestamp, check_alias,
    check_model_name, recorded_word,
};
use crate::ops::registry::secrets;
use crate::ops::taken::mlflow::{Logged, MlModel, folder_of, local_path, moment};
use crate::ops::taken::{Taking, derived_id, files_below};

/// As much of a name is taken as leaves room for a number behind it.
const NAME_MAX_BYTES: usize = 100;

/// Records versions, stages and aliases that are not recorded yet.
pub(super) fn take(taking: &mut Taking<'_>, models: Vec<MlModel>, logged: &Logged) -> Result<()> {
    let names = names_of(&models);
    for mut model in models {
        let created_at = moment(model.created_ms);
        // The key is that of the name in MLflow, whatever it is called here.
        let id = derived_id("model", &format!("{}\0{}", model.name, model.version), created_at);
        let name_there = model.name.clone();
        match names.get(&model.name) {
            Some(name) => model.name.clone_from(name),
            None => {
                taking.report.leave_out(format!("`{}` is no name of a model", model.name.escape_debug()));
                continue;
            }
        }
        let last = moment(model.updated_ms).max(created_at);
        if taking.is_ahead(last) {
            let (name, version) = (name_there.escape_debug(), model.version.escape_debug());
            taking.report.leave_out(format!("{name} {version} lies ahead: {last}"));
            continue;
        }
        if model.name != name_there {
            taking.report.called.insert(name_there.clone(), model.name.clone());
        }
        if taking.view().snapshot.model(id)?.is_none() {
            taking.report.models += 1;
            let mut version = version_of(taking, &model, logged, id, created_at);
            if model.name != name_there {
                version.fields.push(("mlflow_name".to_owned(), serde_json::json!(name_there).to_string()));
            }
            taking.put(&Fact::ModelRegistered(version))?;
        }
        stage(taking, &model, id)?;
        aliases(taking, &model, id)?;
    }
    Ok(())
}

/// Finds a name for each model: its own where it can be one here, else that with `_` for what cannot stand in it; of two that
/// would be called alike, the second has a number behind it. `None` for a name in which nothing can stand.
fn names_of(models: &[MlModel]) -> BTreeMap<String, String> {
    let all: BTreeSet<&String> = models.iter().map(|model| &model.name).collect();
    let (own, others): (Vec<&String>, Vec<&String>) =
        all.into_iter().partition(|name| check_model_name(name).is_ok());
    let mut names: BTreeMap<String, String> =
        own.iter().map(|name| ((*name).clone(), (*name).clone())).collect();
    let mut taken: BTreeSet<String> = names.keys().cloned().collect();
    for name in others {
        let right = |c: char| if check_model_name(&format!("m{c}")).is_ok() { c } else { '_' };
        let plain: String = name.chars().map(right).collect();
        let mut plain = plain.trim_start_matches(['.', '-']).to_owned();
        plain.truncate(plain.floor_char_boundary(NAME_MAX_BYTES));
        let numbered = (2..).map(|number| format!("{plain}_{number}"));
        let found = std::iter::once(plain.clone()).chain(numbered).find(|name| !taken.contains(name));
        if let Some(found) = found.filter(|found| check_model_name(found).is_ok()) {
            taken.insert(found.clone());
            names.insert(name.clone(), found);
        }
    }
    names
}

fn version_of(
    taking: &mut Taking<'_>,
    model: &MlModel,
    logged: &Logged,
    id: crate::model::NodeId,
    created_at: Timestamp,
) -> ModelVersion {
    let mut report = std::mem::take(&mut taking.report);
    let folder = match logged.named(&model.source) {
        Some(logged) => logged.folder(),
        None => local_path(&model.source).and_then(|folder| folder_of(model.run_uuid.as_deref()?, folder)),
    };
    if folder.is_none() && !model.source.is_empty() {
        let (name, version) = (model.name.escape_debug(), &model.version);
        report.leave_out(format!("the files of {name} {version} lie at {}", model.source.escape_debug()));
    }
    let files = folder.as_ref().map(|folder| files_below(taking.workspace(), folder, &mut report));
    taking.report = report;
    let named = files.into_iter().flatten().map(|(path, artifact)| {
        let inside = folder.as_ref().and_then(|folder| path.strip_prefix(folder).ok());
        let name = recorded_word(inside.unwrap_or(&path));
        NamedArtifact::file(name, artifact)
    });
    let mut fields = vec![("mlflow_version".to_owned(), serde_json::json!(model.version).to_string())];
    if !model.source.is_empty() {
        fields.push(("mlflow_source".to_owned(), serde_json::json!(model.source).to_string()));
    }
    let mut version = ModelVersion {
        run: model.run_uuid.as_deref().and_then(|uuid| taking.id_of(uuid)),
        by: "mlflow".to_owned(),
        description: model.description.clone(),
        metrics: logged.metrics(model),
        artifacts: named.collect(),
        tags: model.tags.clone(),
        fields,
        ..ModelVersion::new(id, &model.name, semantic(&model.version), created_at)
    };
    secrets::mask(&mut version);
    version
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
            taking.report.leave_out(error.in_full());
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
