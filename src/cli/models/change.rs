//! `lineage models promote`, `archive`, `alias`, `describe` and `delete`

use clap::Args;

use crate::cli::stages::StageWord;
use crate::cli::{REGISTRY_STAYS, Surroundings, changes_nothing, output};
use crate::error::{Error, Result};
use crate::model::{ModelEdit, Stage};
use crate::ops::registry::{Changed, Deletion, Promotion, alias, delete, edit, promote, unalias};
use crate::query::registry::ModelSelector;
use crate::render;

/// Move a version to a stage. Of a model, one version at most is in production: the one before goes into the archive.
#[derive(Args)]
#[command(after_help = "Examples:
  lineage models promote risk_words@1.0.0 --to production  the version in use from now on")]
pub(crate) struct Promote {
    /// The version.
    #[arg(value_name = "NAME@VERSION")]
    model: String,
    /// Where to: development, staging, production or archived.
    #[arg(long, value_name = "STAGE", value_parser = StageWord, hide_possible_values = true)]
    to: String,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Promote {
    pub(crate) fn run(self, surroundings: &Surroundings) -> Result<u8> {
        let promotion = Promotion { stage: self.to.parse()?, reason: self.reason };
        staged(surroundings, &self.model, &promotion, self.json)
    }
}

/// Put a version away: short for `promote --to archived`.
#[derive(Args)]
#[command(after_help = "Examples:
  lineage models archive risk_words@1.0.0 --reason 'too slow'  puts it away, and says why")]
pub(crate) struct Archive {
    /// The version.
    #[arg(value_name = "NAME@VERSION")]
    model: String,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Archive {
    pub(crate) fn run(self, surroundings: &Surroundings) -> Result<u8> {
        let promotion = Promotion { stage: Stage::Archived, reason: self.reason };
        staged(surroundings, &self.model, &promotion, self.json)
    }
}

fn staged(surroundings: &Surroundings, model: &str, promotion: &Promotion, json: bool) -> Result<u8> {
    let selector: ModelSelector = model.parse()?;
    let workspace = surroundings.workspace()?;
    if changes_nothing(&workspace, REGISTRY_STAYS)? {
        return Ok(0);
    }
    let author = surroundings.author();
    told(promote(&workspace, &surroundings.clock, &author, &selector, promotion)?, json)
}

/// Give a version a name that `NAME@ALIAS` finds it by, or take one away.
#[derive(Args)]
#[command(after_help = "Examples:
  lineage models alias risk_words@1.0.0 champion     now `risk_words@champion` names it
  lineage models alias risk_words champion --remove  takes the name away")]
pub(crate) struct Alias {
    /// The version; with --remove the model's name.
    #[arg(value_name = "NAME@VERSION")]
    model: String,
    /// The name, such as `champion`.
    alias: String,
    /// Take the name away from the version that has it.
    #[arg(long)]
    remove: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Alias {
    pub(crate) fn run(self, surroundings: &Surroundings) -> Result<u8> {
        let workspace = surroundings.workspace()?;
        if changes_nothing(&workspace, REGISTRY_STAYS)? {
            return Ok(0);
        }
        let (clock, author) = (&surroundings.clock, surroundings.author());
        let changed = if self.remove {
            let name = self.model.split('@').next().unwrap_or_default();
            unalias(&workspace, clock, &author, name, &self.alias)?
        } else {
            alias(&workspace, clock, &author, &self.model.parse()?, &self.alias)?
        };
        told(changed, self.json)
    }
}

/// Describe a version anew: description, remarks, tags. What was said before stays in its history.
#[derive(Args)]
#[command(after_help = "Examples:
  lineage models describe risk_words@1.0.0 --tag baseline              adds a tag
  lineage models describe risk_words@1.0.0 --notes 'half of the data'  adds a remark")]
pub(crate) struct Describe {
    /// The version.
    #[arg(value_name = "NAME@VERSION")]
    model: String,
    /// What the model is, in a sentence.
    #[arg(long)]
    description: Option<String>,
    /// Remarks; an empty text takes them away.
    #[arg(long)]
    notes: Option<String>,
    /// A word to find it by.
    #[arg(long = "tag", value_name = "NAME[=VALUE]")]
    tags: Vec<String>,
    /// A tag to take away.
    #[arg(long = "untag", value_name = "NAME")]
    untags: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Describe {
    pub(crate) fn run(self, surroundings: &Surroundings) -> Result<u8> {
        let tag = |text: &String| {
            let (name, value) = text.split_once('=').unwrap_or((text, ""));
            (name.to_owned(), value.to_owned())
        };
        let wanted = ModelEdit {
            description: self.description,
            notes: self.notes,
            tags_set: self.tags.iter().map(tag).collect(),
            tags_removed: self.untags,
        };
        if wanted == ModelEdit::default() {
            return Err(Error::request("nothing to describe is given")
                .hint("`--description`, `--notes`, `--tag` and `--untag` say what changes"));
        }
        let selector: ModelSelector = self.model.parse()?;
        let workspace = surroundings.workspace()?;
        if changes_nothing(&workspace, REGISTRY_STAYS)? {
            return Ok(0);
        }
        let author = surroundings.author();
        told(edit(&workspace, &surroundings.clock, &author, &selector, &wanted)?, self.json)
    }
}

/// Withdraw a version: it can be used no more. Its history, its lineage, its number and its files stay; its aliases do not.
#[derive(Args)]
#[command(after_help = "Examples:
  lineage models delete risk_words@1.0.0 --reason 'wrong labels'  withdraws it")]
pub(crate) struct Delete {
    /// The version.
    #[arg(value_name = "NAME@VERSION")]
    model: String,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Also if it is in production, has an alias, or others descend from it.
    #[arg(long)]
    force: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Delete {
    pub(crate) fn run(self, surroundings: &Surroundings) -> Result<u8> {
        let selector: ModelSelector = self.model.parse()?;
        let workspace = surroundings.workspace()?;
        if changes_nothing(&workspace, REGISTRY_STAYS)? {
            return Ok(0);
        }
        let author = surroundings.author();
        let deletion = Deletion { reason: self.reason, force: self.force };
        told(delete(&workspace, &surroundings.clock, &author, &selector, &deletion)?, self.json)
    }
}

fn told(changed: Changed, json: bool) -> Result<u8> {
    output::warnings(&changed.warnings);
    if json {
        output::json(&render::models::changed_json(&changed))?;
    } else {
        output::answer(&render::models::changed(&changed))?;
    }
    Ok(0)
}
