//! `.lineage/config.toml`: what a workspace is told to keep.
//!
//! ```toml
//! [keep]
//! outputs_up_to = "16 MiB"        # outputs of `lineage run` up to this size are kept; "0" keeps none
//! include = ["models/**"]         # these are kept whatever their size
//! exclude = ["data/tmp/**"]       # these are not
//! ```
//! What the pipeline writes, patches and configurations are always kept.
//!
//! A file of 1 MiB and more is kept without being copied where the file system can do that (Btrfs, XFS, bcachefs): it shares its
//! place on the disk with the file it came from, until that is changed, and so does what `lineage restore` brings back. All
//! else is compressed by zstd. Neither is a setting: which it is, the file system says.

use std::ffi::OsString;

use globset::{Glob, GlobSet, GlobSetBuilder};
use serde::Deserialize;

use crate::disk::read_regular_text;
use crate::error::{Error, Result};
use crate::model::{Artifact, ArtifactPath, os_word};
use crate::ops::Workspace;

/// The name of the file, below `.lineage`.
const NAME: &str = "config.toml";
/// Outputs of commands are kept up to this size unless the workspace says otherwise.
const OUTPUTS_UP_TO: u64 = 16 << 20;
/// The file is read up to this size.
const FILE_MAX_BYTES: u64 = 1 << 20;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ConfigFile {
    keep: KeepTable,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct KeepTable {
    outputs_up_to: Option<SizeText>,
    include: Vec<String>,
    exclude: Vec<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum SizeText {
    Bytes(u64),
    Text(String),
}

/// Which outputs of commands are kept.
#[derive(Debug, Clone)]
pub struct KeepPolicy {
    up_to_bytes: u64,
    include: GlobSet,
    exclude: GlobSet,
}

/// Returns false for lines that only point at a place in the line above them.
fn says_something(line: &str) -> bool {
    !line.chars().all(|c| matches!(c, '|' | '^' | ' ' | '-'))
}

impl Default for KeepPolicy {
    fn default() -> Self {
        KeepPolicy { up_to_bytes: OUTPUTS_UP_TO, include: GlobSet::empty(), exclude: GlobSet::empty() }
    }
}

impl KeepPolicy {
    /// Reads the policy of a workspace; the default where it has no configuration.
    ///
    /// # Errors
    /// A request error where the configuration says what is not understood.
    pub fn of(workspace: &Workspace) -> Result<Self> {
        let path = workspace.folder().join(NAME);
        let wrong = |cause: String| {
            // A cause with a drawing of the place has several lines; in a remark, an error is one.
            let cause: Vec<&str> = cause.lines().map(str::trim).filter(|line| says_something(line)).collect();
            Error::request(format!("cannot use the configuration `{}`", path.display()))
                .because(cause.join("; "))
                .hint("mend the file or remove it; `[keep] outputs_up_to = \"16 MiB\"` is an example")
        };
        let length = match path.metadata() {
            Ok(metadata) => metadata.len(),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(cause) => return Err(wrong(cause.to_string())),
        };
        if length > FILE_MAX_BYTES {
            return Err(wrong(format!("it has {length} bytes")));
        }
        let text = read_regular_text(&path).map_err(|cause| wrong(cause.to_string()))?;
        Self::parse(&text).map_err(wrong)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let file: ConfigFile = toml::from_str(text).map_err(|cause| cause.to_string())?;
        let up_to_bytes = match file.keep.outputs_up_to {
            None => OUTPUTS_UP_TO,
            Some(SizeText::Bytes(bytes)) => bytes,
            Some(SizeText::Text(text)) => size(&text)?,
        };
        Ok(KeepPolicy {
            up_to_bytes,
            include: globs(&file.keep.include)?,
            exclude: globs(&file.keep.exclude)?,
        })
    }

    /// Returns true where an output of a command is to be kept.
    pub fn keeps(&self, artifact: &Artifact) -> bool {
        let name = os_name(&artifact.path);
        if self.exclude.is_match(&name) {
            return false;
        }
        artifact.size_bytes <= self.up_to_bytes && self.up_to_bytes > 0 || self.include.is_match(&name)
    }
}

/// Names a path for matching.
fn os_name(path: &ArtifactPath) -> OsString {
    os_word(path.as_bytes().to_vec())
}

fn globs(patterns: &[String]) -> Result<GlobSet, String> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        set.add(Glob::new(pattern).map_err(|cause| cause.to_string())?);
    }
    set.build().map_err(|cause| cause.to_string())
}

/// Reads a size: `16 MiB`, `500 kB`, `0`.
fn size(text: &str) -> Result<u64, String> {
    let wrong =
        || format!("`{}` is no size: write `16 MiB`, `500 KB` or a number of bytes", text.escape_debug());
    let trimmed = text.trim();
    let digits = trimmed.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = trimmed[..digits].parse().map_err(|_| wrong())?;
    let unit: u64 = match trimmed[digits..].trim().to_ascii_lowercase().as_str() {
        "" | "b" | "bytes" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => return Err(wrong()),
    };
    number.checked_mul(unit).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Digest;

    fn artifact(path: &str, size_bytes: u64) -> Artifact {
        Artifact { path: ArtifactPath::new(path).unwrap(), digest: Digest::of(b""), size_bytes }
    }

    #[test]
    fn outputs_are_kept_up_to_a_size_with_exceptions_both_ways() {
        let policy = KeepPolicy::parse(
            "[keep]\noutputs_up_to = \"1 KiB\"\ninclude = [\"models/**\"]\nexclude = [\"**/tmp/*\"]\n",
        );
        let policy = policy.unwrap();
        assert!(policy.keeps(&artifact("out/a", 1024)));
        assert!(!policy.keeps(&artifact("out/a", 1025)));
        assert!(policy.keeps(&artifact("models/m/model.pt", 1 << 40)));
        assert!(!policy.keeps(&artifact("out/tmp/a", 1)));
        assert!(!KeepPolicy::parse("[keep]\noutputs_up_to = 0").unwrap().keeps(&artifact("a", 0)));
        assert!(KeepPolicy::parse("").unwrap().keeps(&artifact("a", 16 << 20)));
    }

    #[test]
    fn what_is_not_understood_is_refused_and_named() {
        for (text, expected) in [
            ("[keep]\noutput_up_to = 1", "outputs_up_to"),
            ("[kept]\n", "keep"),
            ("[keep]\noutputs_up_to = \"16 elephants\"", "16 elephants"),
            ("[keep]\noutputs_up_to = \"99999999999 GiB\"", "no size"),
            ("[keep]\ninclude = [\"a[\"]", "a["),
            ("[keep", "keep"),
        ] {
            let error = KeepPolicy::parse(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
