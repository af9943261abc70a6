//! `lineage models show`, `compare`, `history` and `verify`

use clap::Args;

use crate::cli::{Surroundings, output};
use crate::error::{Error, Result};
use crate::ops::View;
use crate::ops::registry::{card, check, compare, overview};
use crate::query::registry::{
    ModelSelector, ModelView, find_model, history, model_names, model_view, unknown_model, versions,
};
use crate::render;

/// Show one version of a model, or all that is registered under a name.
#[derive(Args)]
#[command(after_help = "Examples:
  lineage models show risk_words        all versions of a model
  lineage models show risk_words@1.0.0  one of them")]
pub(crate) struct Show {
    /// The version `NAME@…`, or the model's name.
    #[arg(value_name = "NAME[@VERSION]")]
    model: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Show {
    pub(crate) fn run(self, surroundings: &Surroundings) -> Result<u8> {
        let (workspace, view) = surroundings.view()?;
        if self.model.contains('@') {
            let card = card(&workspace, &view.snapshot, find(&view, &self.model)?, true)?;
            if self.json {
                output::json(&render::models::card_json(&card))?;
            } else {
                output::answer(&render::models::card(&card, true))?;
            }
            return Ok(0);
        }
        let Some(overview) = overview(&workspace, &view.snapshot, &self.model)? else {
            return Err(unknown_model(&view.snapshot, &self.model)?);
        };
        if self.json {
            output::json(&render::models::overview_json(&overview))?;
        } else {
            output::answer(&render::models::overview(&overview, output::width()))?;
        }
        Ok(0)
    }
}

/// Finds the version that a word names.
pub(super) fn find(view: &View, word: &str) -> Result<ModelView> {
    let selector: ModelSelector = word.parse()?;
    let id = find_model(&view.snapshot, &selector)?;
    model_view(&view.snapshot, id)?.ok_or_else(|| Error::store("a model version is named and not there"))
}

/// Compare versions of models: metrics, parameters, data and code, and by how much they differ from the first.
#[derive(Args)]
#[command(after_help = "Examples:
  lineage models compare risk_words@1.0.0 risk_words@1.1.0  what differs between the two")]
pub(crate) struct Compare {
    /// The versions, two at least.
    #[arg(required = true, num_args = 2.., value_name = "NAME@VERSION")]
    models: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Compare {
    pub(crate) fn run(self, surroundings: &Surroundings) -> Result<u8> {
        let (workspace, view) = surroundings.view()?;
        let views = find_different(&view, &self.models)?;
        let comparison = compare(&workspace, &view.snapshot, views)?;
        if self.json {
            output::json(&render::models::compare_json(&comparison))?;
        } else {
            output::answer(&render::models::compare(&comparison))?;
        }
        Ok(0)
    }
}

/// Finds the versions that words name; one that two of them name would be compared with itself.
fn find_different(view: &View, words: &[String]) -> Result<Vec<ModelView>> {
    let mut found: Vec<ModelView> = Vec::with_capacity(words.len());
    for word in words {
        let version = find(view, word)?;
        if let Some(earlier) = found.iter().position(|other| other.model.id == version.model.id) {
            let said = match &words[earlier] {
                same if same == word => format!("`{word}` is named twice"),
                other => format!("`{other}` and `{word}` both name {}", version.label()),
            };
            return Err(Error::request(said).hint("versions are compared with others; name each once"));
        }
        found.push(version);
    }
    Ok(found)
}

/// List all that became of a model or one of its versions: who, when, from what.
#[derive(Args)]
#[command(after_help = "Examples:
  lineage models history risk_words        all that became of a model
  lineage models history risk_words@1.0.0  of one version")]
pub(crate) struct History {
    /// The version `NAME@…`, or the model's name.
    #[arg(value_name = "NAME[@VERSION]")]
    model: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl History {
    pub(crate) fn run(self, surroundings: &Surroundings) -> Result<u8> {
        let (_, view) = surroundings.view()?;
        let entries = if self.model.contains('@') {
            let id = find(&view, &self.model)?.model;
            let mut entries = history(&view.snapshot, &id.name)?;
            entries.retain(|entry| entry.concerns(id.id));
            entries
        } else {
            history(&view.snapshot, &self.model)?
        };
        if entries.is_empty() {
            return Err(unknown_model(&view.snapshot, &self.model)?);
        }
        if self.json {
            output::json(&render::models::history_json(&self.model, &entries))?;
        } else {
            output::answer(&render::models::history(&self.model, &entries))?;
        }
        Ok(0)
    }
}

/// Check that what was registered of versions can still be had. Exit code 1 where a file neither holds it nor is kept.
///
/// Every file is read; where another version was trained into it, or it is gone, the kept copy is read. A file that was written
/// over and is kept is listed, and is no fault. Code that a version was made by is looked for, too: it is a fault where it is neither
/// kept, nor in its place, nor in any commit.
#[derive(Args)]
#[command(after_help = "Examples:
  lineage models verify                        every version
  lineage models verify risk_words@production  the one in production")]
pub(crate) struct Verify {
    /// Versions or models; all that were not withdrawn where none are named.
    #[arg(value_name = "NAME[@VERSION]")]
    models: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Verify {
    pub(crate) fn run(self, surroundings: &Surroundings) -> Result<u8> {
        let (workspace, view) = surroundings.view()?;
        let words = if self.models.is_empty() { model_names(&view.snapshot)? } else { self.models };
        let mut views = Vec::new();
        for word in &words {
            if word.contains('@') {
                views.push(find(&view, word)?);
                continue;
            }
            let of_name = versions(&view.snapshot, word)?;
            if of_name.is_empty() {
                return Err(unknown_model(&view.snapshot, word)?);
            }
            views.extend(of_name.into_iter().filter(|view| view.deleted.is_none()));
        }
        let report = check(&workspace, &view.snapshot, &views)?;
        if self.json {
            output::json(&render::models::check_json(&report))?;
        } else {
            output::answer(&render::models::check(&report))?;
        }
        Ok(u8::from(!report.is_sound()))
    }
}
