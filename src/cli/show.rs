//! `lineage show`

use std::ffi::{OsStr, OsString};

use clap::{Args, ValueEnum, ValueHint};
use serde_json::json;

use crate::cli::{Surroundings, output};
use crate::error::{Error, Kind, Result};
use crate::model::repeated_word;
use crate::ops::show::{ShowRequest, Shown, also_a_run, show};
use crate::query::Direction;
use crate::render;

/// Show where a file, a run or a segment came from, or with --down what was made from it.
///
/// A file is found by its path, also as it is printed (`\\xff` for a byte that is no text), and by its bytes when it was copied
/// or renamed. Every line says how it is known:
/// observed, declared or inferred; what has no recorded origin is called a source or a gap. What a step read and wrote on, a database
/// of trainings or a checkpoint, may have gone into its other files, or not: that is carried.
#[derive(Args)]
#[command(after_help = "Examples:
  lineage show model.txt                 where it came from
  lineage show model.txt --down          what was made from it
  lineage show risk_words@1.0.0 --files  the files behind a model version, one a line")]
pub(crate) struct Show {
    /// A file; `FILE@RUN` (as that run wrote it, else as it read it); a segment `FILE#1A_014`; a version of a model
    /// `NAME@1.2.0`; a run: `@` (the latest of this workspace that is neither a repetition nor a part of another), `@-` (the one before), its run id, the end of its key or its name; a run's folder; `blake3:<digest>`.
    /// Several are answered one after the other.
    #[arg(value_name = "FILE|RUN", required = true, value_hint = ValueHint::AnyPath)]
    words: Vec<OsString>,
    /// What was made from it, instead of what it was made from.
    #[arg(long)]
    down: bool,
    /// Follow at most N steps in a row.
    #[arg(long, value_name = "N")]
    depth: Option<u32>,
    /// Name at most N runs; 0 names all. By default 50 on paper, all in JSON.
    #[arg(long, short = 'n', value_name = "N")]
    limit: Option<usize>,
    /// Follow also what was carried; without this it is counted.
    #[arg(long)]
    carried: bool,
    /// List also what the runs were made with: packages, libraries, system files.
    #[arg(long)]
    environment: bool,
    /// List the files on the way, one a line: the sources first, data before code.
    #[arg(long, conflicts_with_all = ["json", "format"])]
    files: bool,
    /// Print JSON.
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// How to draw it.
    #[arg(long, value_name = "FORMAT", default_value = "tree")]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Text, run by run.
    Tree,
    /// Graphviz.
    Dot,
    /// A Mermaid flow chart.
    Mermaid,
}

/// As many runs are named in text.
const RUNS_MAX: usize = 50;

impl Show {
    pub(crate) fn run(self, surroundings: &Surroundings) -> Result<u8> {
        let Some(first) = self.words.first() else { return Err(Error::request("nothing is named")) };
        if self.words.len() > 1 && self.format != Format::Tree {
            return Err(Error::request("one graph is drawn at a time")
                .hint("name one file or run, or leave `--format` away"));
        }
        let workspace = surroundings.workspace_of(first)?;
        let view = workspace.view()?;
        output::warnings(&view.warnings);
        let (mut found, mut code, mut front) = (Vec::new(), 0, "");
        for word in &self.words {
            let shown = show(&workspace, &view, &surroundings.folder, &self.request(word));
            let shown = match shown {
                Err(error) if self.words.len() > 1 && error.kind() != Kind::Damage => {
                    output::error(&error);
                    code = code.max(error.kind().exit_code());
                    continue;
                }
                shown => shown?,
            };
            let name = repeated_word(word);
            if matches!(shown, Shown::AtWork(_)) && self.format != Format::Tree {
                return Err(Error::request(format!(
                    "nothing is recorded of `{name}` yet, so there is nothing to draw"
                ))
                .hint("without `--format`, what the command at work has done so far is told"));
            }
            if let Shown::Run(report) = &shown
                && report.head.view.run.name.as_str() == word.as_os_str()
                && surroundings.folder.join(word).metadata().is_ok_and(|found| !found.is_dir())
            {
                output::note(&format!(
                    "nothing is recorded of what lies at `{name}`; this is the run of that name"
                ));
            } else if let Some(run) = also_a_run(&view.snapshot, word, &shown)? {
                output::note(&format!("a run is named `{name}`, too: `lineage show {run}` shows it"));
            }
            if self.json {
                found.push(render::show_json::json(&shown));
            } else if self.files {
                output::answer(&render::show::files(&shown))?;
                if let Some(folded) = render::show::folded(&shown) {
                    output::note(&folded);
                }
            } else {
                output::answer(&format!("{front}{}", self.drawn(&shown)))?;
                front = "\n";
            }
        }
        if self.json && self.words.len() > 1 {
            output::json(&json!({"format": 1, "answers": found}))?;
        } else if let Some(one) = found.first() {
            output::json(one)?;
        }
        Ok(code)
    }

    fn request(&self, word: &OsStr) -> ShowRequest {
        let all_by_default = self.json || self.format != Format::Tree;
        ShowRequest {
            word: word.to_owned(),
            direction: if self.down { Direction::Down } else { Direction::Up },
            depth_max: self.depth.unwrap_or(u32::MAX),
            runs_max: match self.limit {
                Some(0) => usize::MAX,
                Some(limit) => limit,
                None if all_by_default => usize::MAX,
                None if self.files => 0,
                None => RUNS_MAX,
            },
            carried: self.carried,
            files: self.files,
            environment: self.environment,
        }
    }

    fn drawn(&self, shown: &Shown) -> String {
        match self.format {
            Format::Tree => render::show::text(shown),
            Format::Dot => render::graph::dot(shown),
            Format::Mermaid => render::graph::mermaid(shown),
        }
    }
}
