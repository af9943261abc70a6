//! The names of projected folders and files: one function makes each, and nothing ever parses a name to learn a fact.

use crate::error::{Error, Result};
use crate::model::{ArtifactPath, CodeState, Run, RunId};

/// The longest name of a run or a file's stem, in bytes: with run id and ending it stays below the 255 of common file systems.
const NAME_MAX_BYTES: usize = 120;

/// The file that says what a run was told.
pub const CONFIG_NAME: &str = "run_config.yaml";
/// The file that says what a run came to.
pub const REPORT_NAME: &str = "RUN_REPORT.md";

/// The folder of a stage's outputs, below `data/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OutputFolder {
    /// `data/interim/parsed`
    Parsed,
    /// `data/interim/extracted`
    Extracted,
    /// `data/processed`
    Processed,
}

impl OutputFolder {
    /// Every folder.
    pub const ALL: [OutputFolder; 3] =
        [OutputFolder::Parsed, OutputFolder::Extracted, OutputFolder::Processed];

    /// Returns the folder of the outputs of a stage, by the stage's name; the last there is where no stage has that name.
    pub fn of_stage(stage: &str) -> Self {
        match stage {
            "parse" => OutputFolder::Parsed,
            "extract" | "clean" => OutputFolder::Extracted,
            _ => OutputFolder::Processed,
        }
    }

    /// Returns the folder, relative to the workspace's root.
    pub fn as_str(self) -> &'static str {
        match self {
            OutputFolder::Parsed => "data/interim/parsed",
            OutputFolder::Extracted => "data/interim/extracted",
            OutputFolder::Processed => "data/processed",
        }
    }
}

/// Checks the name of a run as it is taken from a user.
///
/// # Errors
/// A request error where it is empty, too long, begins with `.` or `-`, or holds anything but letters, digits and `_ - . + =`.
pub fn check_run_name(name: &str) -> Result<()> {
    let right = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '+' | '=');
    if !name.is_empty()
        && name.len() <= NAME_MAX_BYTES
        && !name.starts_with(['.', '-'])
        && name.chars().all(right)
    {
        return Ok(());
    }
    Err(Error::request(format!("`{}` cannot be the name of a run", name.escape_debug())).hint(format!(
        "names are made of letters, digits and `_ - . + =`, begin with none of `. -`, and have at most {NAME_MAX_BYTES} bytes"
    )))
}

/// Returns the name of a run's folders: `{run_id}_{run_name}_{git_sha}`, without git `{run_id}_{run_name}`.
pub fn run_folder_name(run_id: &RunId, name: &str, code: &CodeState) -> String {
    match code.label() {
        Some(sha) => format!("{run_id}_{name}_{sha}"),
        None => format!("{run_id}_{name}"),
    }
}

/// Returns the folder of a run's outputs.
pub fn run_folder(folder: OutputFolder, run: &Run) -> String {
    format!("{}/{}", folder.as_str(), run_folder_name(&run.run_id, &run.name, &run.code))
}

/// Returns the path of a stage's output: `{folder}/{stem}_{run_id}_{output}.json`.
///
/// # Errors
/// A request error where the path would be no path.
pub fn stage_file(folder: OutputFolder, run: &Run, stem: &str, output: &str) -> Result<ArtifactPath> {
    ArtifactPath::new(format!("{}/{stem}_{}_{output}.json", run_folder(folder, run), run.run_id))
}

/// Returns the path of the metrics of a run's folder.
///
/// # Errors
/// A request error where the path would be no path.
pub fn metrics_file(folder: OutputFolder, run: &Run) -> Result<ArtifactPath> {
    ArtifactPath::new(format!("{}/metrics.json", run_folder(folder, run)))
}

/// Returns the path of the configuration of a run, in one of its folders.
///
/// # Errors
/// A request error where the path would be no path.
pub fn config_file(folder: OutputFolder, run: &Run) -> Result<ArtifactPath> {
    ArtifactPath::new(format!("{}/{CONFIG_NAME}", run_folder(folder, run)))
}

/// Returns the path of the report on a run, in one of its folders.
///
/// # Errors
/// A request error where the path would be no path.
pub fn report_file(folder: OutputFolder, run: &Run) -> Result<ArtifactPath> {
    ArtifactPath::new(format!("{}/{REPORT_NAME}", run_folder(folder, run)))
}

/// Returns the path of the metadata of a version of a model.
///
/// # Errors
/// A request error where the path would be no path.
pub fn model_metadata_file(name: &str, version: &str) -> Result<ArtifactPath> {
    ArtifactPath::new(format!("models/registry/{name}/{version}/metadata.json"))
}

/// Makes the stem of output files from an input's file name: without its ending, and with what is no letter, digit or one of
/// `_ - . + =` replaced by `_`.
pub fn stem(file_name: &[u8]) -> String {
    let text = String::from_utf8_lossy(file_name);
    let text = match text.rfind('.') {
        Some(at) if at > 0 => &text[..at],
        _ => &text,
    };
    let clean = |c: char| {
        if c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '+' | '=') { c } else { '_' }
    };
    let mut stem: String = text.chars().map(clean).collect();
    while stem.len() > NAME_MAX_BYTES {
        stem.pop();
    }
    if stem.trim_matches('.').is_empty() { "_".to_owned() } else { stem }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_run_names_are_refused() {
        for name in ["all", "test_naming", "v1.2+x=3", "größe"] {
            check_run_name(name).unwrap();
        }
        for name in ["", ".", "..", "a/b", "a\\b", "a b", "a\nb", "-x", "../../etc", &"x".repeat(121), "a\0"]
        {
            let error = check_run_name(name).unwrap_err();
            assert_eq!(error.kind().exit_code(), 2, "{name}");
        }
    }

    #[test]
    fn a_stem_is_a_plain_file_name() {
        for (name, expected) in [
            ("AAPL_10-K_2025.htm", "AAPL_10-K_2025"),
            ("full-submission.txt", "full-submission"),
            (".hidden", ".hidden"),
            ("a b\n.txt", "a_b_"),
            ("noending", "noending"),
            ("..", "_"),
        ] {
            assert_eq!(stem(name.as_bytes()), expected);
        }
        assert_eq!(stem(b"a\xffb.txt"), "a_b");
    }
}
