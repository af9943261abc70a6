//! `lineage split`

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::{Surroundings, output, run_around};
use crate::error::{Error, Result};
use crate::ops::split::{SplitRequest, check, split};
use crate::projection::names::check_run_name;
use crate::render;

/// Split files into training, validation and test parts that stay put.
///
/// All files of a group, such as a company, go to the same part. Which part that is depends on the group, the seed and the
/// ratios alone: adding a company moves no other. Written are a list of paths for each part and `splits_manifest.json` with
/// the digest of every file; both are recorded as made from these files, and are the same bytes for the same files. Of what
/// several runs of the pipeline made of one filing, the last is taken.
#[derive(Args)]
#[command(after_help = "Examples:
  lineage split 'data/processed/*/*_segmented_risks.json' --by company_name  by the company
  lineage split data/raw --by 'stem:^([A-Z]+)_'                              by a part of the name
  lineage split --check                                                      checks the split")]
pub(crate) struct Split {
    /// Files, folders, or patterns such as 'data/processed/*/*_segmented_risks.json'.
    #[arg(value_name = "INPUT", required_unless_present = "check")]
    inputs: Vec<PathBuf>,
    /// What files are grouped by: a field of theirs such as `cik`, `company_name` or `document_info.sic_code`; or
    /// `stem:REGEX`, what the first bracket of the expression finds in the file's name.
    #[arg(long, value_name = "FIELD|stem:REGEX", required_unless_present = "check")]
    by: Option<String>,
    /// How much of the groups each part gets.
    #[arg(long, value_name = "N/N/N", default_value = "80/10/10")]
    ratios: String,
    /// The names of the parts; by default train,validation,test, or train,test.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    names: Vec<String>,
    /// Another seed gives another split.
    #[arg(long, value_name = "TEXT", default_value = "0")]
    seed: String,
    /// Where lists and manifest are put; by default `data/splits` of the workspace.
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// What to do with files that have no group.
    #[arg(long, value_name = "HOW", default_value = "error")]
    missing: Missing,
    /// Overwrite lists that nobody recorded.
    #[arg(long)]
    force: bool,
    /// Only check the split that is there, as its manifest describes it: 1 where it does not hold any more, or a file in what it was
    /// given is in none of its parts. The call that made it can be given again, with this beside it.
    #[arg(long, conflicts_with = "force")]
    check: bool,
    /// The run's name.
    #[arg(long, value_name = "NAME", default_value = "split")]
    run_name: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Missing {
    /// Refuse, and name them.
    Error,
    /// Make each a group of its own.
    Own,
}

impl Split {
    pub(crate) fn run(self, surroundings: &Surroundings) -> Result<u8> {
        let folder = surroundings.real_folder();
        if self.check {
            return self.check_only(surroundings, &folder);
        }
        check_run_name(&self.run_name)?;
        let by = self.by.ok_or_else(|| Error::request("`--by` is missing").hint("`--by cik`"))?;
        let workspace = surroundings.workspace_or_new()?;
        let request = SplitRequest {
            inputs: self.inputs,
            by,
            ratios: self.ratios,
            names: self.names,
            seed: self.seed,
            out: self.out,
            missing_is_own: self.missing == Missing::Own,
            force: self.force,
            folder,
            name: self.run_name,
            arguments: surroundings.arguments.clone(),
            parent: run_around(),
        };
        let summary = split(&workspace, &surroundings.clock, &request)?;
        output::warnings(&summary.notes);
        if self.json {
            output::json(&render::split::json(&summary))?;
        } else {
            output::answer(&render::split::text(&summary))?;
        }
        Ok(0)
    }

    fn check_only(&self, surroundings: &Surroundings, folder: &std::path::Path) -> Result<u8> {
        let workspace = surroundings.workspace()?;
        let (manifest, faults) = check(&workspace, folder, self.out.as_deref(), &self.inputs)?;
        if self.json {
            output::json(&render::split::check_json(&manifest, &faults))?;
        } else {
            output::answer(&render::split::check_text(&manifest, &faults))?;
        }
        Ok(u8::from(!faults.is_empty()))
    }
}
