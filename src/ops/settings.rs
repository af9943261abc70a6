//! `.lineage/config.toml`: what a workspace is told to keep.
//!
//! ```toml
//! [keep]
//! outputs_up_to = "16 MiB"        # outputs of `lineage run` up to this size are kept; "0" keeps none
//! inputs_up_to = "256 KiB"        # so are code, configuration and data that it read and no commit has; "0" keeps none
//! include = ["models/**"]         # these are kept whatever their size
//! exclude = ["data/tmp/"]         # these are not
//! ```
//! What `exclude` names, or looks like credentials, does not stand in patches either.
//! A folder's name stands for all below it. A configuration that is not understood keeps nothing: no command is run then.
//!
//! What the pipeline writes, patches and configurations are always kept; so are the files of models that are registered, but for what
//! `exclude` names. Where inputs are kept at all, a file that a command
//! writes over or takes away is up to 1 MiB, since it lies nowhere else afterwards. What looks like credentials by its name is
//! neither kept as an input nor as an output, unless `include` names it. A file that a symbolic link of the workspace leads to is
//! named by where it lies and by the link.
//!
//! A file of 1 MiB and more is kept without being copied where the file system can do that (Btrfs, XFS, bcachefs): it shares its
//! place on the disk with the file it came from, until that is changed, and so does what `lineage restore` brings back. All
//! else is compressed, small inputs several to a file. Neither is a setting: which it is, the file system says.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use globset::{Glob, GlobSet, GlobSetBuilder};
use serde::Deserialize;

use crate::capture::credentials::is_credentials;
use crate::capture::links::Links;
use crate::disk::read_regular_text;
use crate::error::{Error, Result};
use crate::model::{Artifact, ArtifactPath, os_word};
use crate::ops::Workspace;

/// The name of the file, below `.lineage`.
const NAME: &str = "config.toml";
/// Outputs of commands are kept up to this size unless the workspace says otherwise.
const OUTPUTS_UP_TO: u64 = 16 << 20;
/// Inputs of commands are kept up to this size unless the workspace says otherwise.
const INPUTS_UP_TO: u64 = 256 << 10;
/// Those that a command writes over or takes away are kept up to this size, if inputs are kept at all.
const ENDANGERED_UP_TO: u64 = 1 << 20;
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
    inputs_up_to: Option<SizeText>,
    include: Vec<String>,
    exclude: Vec<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum SizeText {
    Bytes(u64),
    Text(String),
}

impl SizeText {
    fn bytes(self) -> Result<u64, String> {
        match self {
            SizeText::Bytes(bytes) => Ok(bytes),
            SizeText::Text(text) => size(&text),
        }
    }
}

/// Which inputs and outputs of commands are kept.
#[derive(Debug, Clone)]
pub struct KeepPolicy {
    outputs_up_to_bytes: u64,
    inputs_up_to_bytes: u64,
    include: GlobSet,
    exclude: GlobSet,
    /// Where paths lie, and which symbolic links lead there.
    root: PathBuf,
    links: OnceLock<Links>,
}

/// Returns false for lines that only point at a place in the line above them.
fn says_something(line: &str) -> bool {
    !line.chars().all(|c| matches!(c, '|' | '^' | ' ' | '-'))
}

impl Default for KeepPolicy {
    fn default() -> Self {
        KeepPolicy {
            outputs_up_to_bytes: OUTPUTS_UP_TO,
            inputs_up_to_bytes: INPUTS_UP_TO,
            include: GlobSet::empty(),
            exclude: GlobSet::empty(),
            root: PathBuf::new(),
            links: OnceLock::new(),
        }
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
        Ok(KeepPolicy { root: workspace.root().to_owned(), ..Self::parse(&text).map_err(wrong)? })
    }

    fn parse(text: &str) -> Result<Self, String> {
        let file: ConfigFile = toml::from_str(text).map_err(|cause| cause.to_string())?;
        let bytes = |size: Option<SizeText>, default| size.map_or(Ok(default), SizeText::bytes);
        Ok(KeepPolicy {
            outputs_up_to_bytes: bytes(file.keep.outputs_up_to, OUTPUTS_UP_TO)?,
            inputs_up_to_bytes: bytes(file.keep.inputs_up_to, INPUTS_UP_TO)?,
            include: globs(&file.keep.include)?,
            exclude: globs(&file.keep.exclude)?,
            ..Self::default()
        })
    }

    /// Returns true where an output of a command is to be kept.
    pub fn keeps_output(&self, artifact: &Artifact) -> bool {
        !self.hides(&artifact.path)
            && self.keeps_up_to(&artifact.path, artifact.size_bytes, self.outputs_up_to_bytes)
    }

    /// Returns true where a file of a version that is taken over is to be kept: whoever registered it named it.
    pub fn keeps_taken(&self, artifact: &Artifact) -> bool {
        self.keeps_up_to(&artifact.path, artifact.size_bytes, self.outputs_up_to_bytes)
    }

    /// Returns true where a file is not to be kept whatever it is.
    pub fn excludes(&self, path: &ArtifactPath) -> bool {
        self.is_named_in(&self.exclude, path)
    }

    /// Returns true where not even a patch is to hold what was changed in a file.
    pub fn withholds(&self, path: &ArtifactPath) -> bool {
        self.excludes(path) || self.hides(path)
    }

    /// Returns true where a file that a command read is to be kept, if no commit has it.
    pub fn keeps_input(&self, path: &ArtifactPath, size_bytes: u64) -> bool {
        !self.hides(path) && self.keeps_up_to(path, size_bytes, self.inputs_up_to_bytes)
    }

    /// Returns true where a file is to be kept that a command is about to write over or to take away.
    pub fn keeps_endangered(&self, path: &ArtifactPath, size_bytes: u64) -> bool {
        !self.hides(path) && self.keeps_up_to(path, size_bytes, self.endangered_up_to_bytes())
    }

    /// Returns up to which size such a file is kept that nothing more is said of.
    pub fn endangered_up_to_bytes(&self) -> u64 {
        if self.inputs_up_to_bytes == 0 { 0 } else { self.inputs_up_to_bytes.max(ENDANGERED_UP_TO) }
    }

    /// Returns true for what looks like credentials and was not asked for.
    fn hides(&self, path: &ArtifactPath) -> bool {
        is_credentials(Path::new(&os_name(path))) && !self.is_named_in(&self.include, path)
    }

    fn keeps_up_to(&self, path: &ArtifactPath, size_bytes: u64, up_to_bytes: u64) -> bool {
        !self.excludes(path)
            && (size_bytes <= up_to_bytes && up_to_bytes > 0 || self.is_named_in(&self.include, path))
    }

    /// Returns true where a pattern names a file, by where it lies or by a symbolic link that leads there.
    fn is_named_in(&self, patterns: &GlobSet, path: &ArtifactPath) -> bool {
        if patterns.is_empty() || patterns.is_match(os_name(path)) {
            return !patterns.is_empty();
        }
        let links = self.links.get_or_init(|| Links::below(&self.root, &|_| true));
        let names = path.on_disk(&self.root).map(|place| links.names(&place)).unwrap_or_default();
        names.iter().any(|name| patterns.is_match(&name.path))
    }
}

/// Names a path for matching.
fn os_name(path: &ArtifactPath) -> OsString {
    os_word(path.as_bytes().to_vec())
}

/// Reads patterns. One that names a folder, with a `/` behind it or without, names all below; one that begins with `/` or `./` is seen
/// from the workspace's root, or names what lies outside of it.
fn globs(patterns: &[String]) -> Result<GlobSet, String> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let named = match pattern.trim_end_matches('/') {
            "" | "." => "**",
            named => named,
        };
        let inside = named.trim_start_matches("./").trim_start_matches('/');
        for named in [named, inside] {
            for form in [named.to_owned(), format!("{named}/**")] {
                set.add(Glob::new(&form).map_err(|cause| cause.to_string())?);
            }
        }
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

    fn policy(text: &str) -> KeepPolicy {
        KeepPolicy::parse(&format!("[keep]\n{text}\n")).unwrap()
    }

    #[test]
    fn outputs_are_kept_up_to_a_size_with_exceptions_both_ways() {
        let some = policy("outputs_up_to = \"1 KiB\"\ninclude = [\"models/**\"]\nexclude = [\"**/tmp/*\"]");
        assert!(some.keeps_output(&artifact("out/a", 1024)));
        assert!(!some.keeps_output(&artifact("out/a", 1025)));
        assert!(some.keeps_output(&artifact("models/m/model.pt", 1 << 40)));
        assert!(!some.keeps_output(&artifact("out/tmp/a", 1)));
        assert!(!policy("outputs_up_to = 0").keeps_output(&artifact("a", 0)));
        assert!(policy("").keeps_output(&artifact("a", 16 << 20)));
    }

    #[test]
    fn a_folder_is_named_however_its_name_is_written() {
        let named = [
            "data/private",
            "data/private/",
            "./data/private/**",
            "/data/private/",
            "data/private/*",
            "data/private/**",
        ];
        for named in named {
            let some = policy(&format!("exclude = [\"{named}\"]"));
            for path in ["data/private/p.csv", "data/private/a/b"] {
                assert!(!some.keeps_output(&artifact(path, 1)), "{named}: {path}");
            }
            for path in ["data/private.csv", "data/public/p.csv", "old/data/private/p.csv"] {
                assert!(some.keeps_output(&artifact(path, 1)), "{named}: {path}");
            }
        }
        let outside = policy("exclude = [\"/srv/patients\"]");
        assert!(outside.excludes(&ArtifactPath::new("/srv/patients/a").unwrap()));
    }

    #[test]
    fn inputs_have_a_limit_of_their_own_and_none_are_kept_where_it_is_0() {
        let path = |path: &str| ArtifactPath::new(path).unwrap();
        let default = policy("outputs_up_to = 0");
        assert!(default.keeps_input(&path("train.sh"), 256 << 10));
        assert!(!default.keeps_input(&path("train.sh"), (256 << 10) + 1));
        assert!(default.keeps_endangered(&path("train.sh"), 1 << 20));
        assert!(!default.keeps_endangered(&path("train.sh"), (1 << 20) + 1));
        let none = policy("inputs_up_to = \"0\"\ninclude = [\"lib/**\"]");
        for size in [0, 1] {
            assert!(
                !none.keeps_input(&path("train.sh"), size) && !none.keeps_endangered(&path("train.sh"), size)
            );
        }
        assert!(none.keeps_input(&path("lib/a.py"), 1) && none.keeps_endangered(&path("lib/a.py"), 1));
        assert!(policy("inputs_up_to = \"8 MiB\"").keeps_endangered(&path("a"), 8 << 20));
    }

    #[test]
    fn what_looks_like_credentials_is_kept_only_where_it_is_named() {
        let path = |path: &str| ArtifactPath::new(path).unwrap();
        let default = policy("");
        assert!(!default.keeps_input(&path(".env"), 1) && !default.keeps_endangered(&path(".env"), 1));
        assert!(!default.keeps_output(&artifact("tls/server.pem", 1)));
        assert!(default.keeps_taken(&artifact("model.key", 1)), "it was named");
        let named = policy("include = [\"vocabulary.key\"]\nexclude = [\"*.pem\"]");
        assert!(named.keeps_input(&path("vocabulary.key"), 1) && !named.keeps_input(&path("other.key"), 1));
        assert!(!named.keeps_taken(&artifact("a.pem", 1)), "what is excluded is not kept at all");
    }

    proptest::proptest! {
        #[test]
        fn of_two_files_of_a_name_the_smaller_is_kept_where_the_larger_is_and_an_input_where_it_is_endangered(
            name in proptest::sample::select(vec!["a", "lib/a", "tmp/a", ".env", "lib/.env", "x.key"]),
            limit in proptest::sample::select(vec![0u64, 1, 100, 1 << 20, 1 << 21]),
            sizes in [0u64..(3 << 20), 0u64..(3 << 20)],
        ) {
            let text = format!("inputs_up_to = {limit}\noutputs_up_to = {limit}\ninclude = [\"lib/**\"]\nexclude = [\"tmp/*\"]");
            let (policy, path) = (policy(&text), ArtifactPath::new(name).unwrap());
            let [small, large] = if sizes[0] <= sizes[1] { sizes } else { [sizes[1], sizes[0]] };
            proptest::prop_assert!(policy.keeps_input(&path, small) || !policy.keeps_input(&path, large));
            proptest::prop_assert!(policy.keeps_endangered(&path, large) || !policy.keeps_input(&path, large));
            proptest::prop_assert_eq!(policy.keeps_input(&path, large), policy.keeps_output(&artifact(name, large)));
        }
    }

    #[test]
    fn what_is_not_understood_is_refused_and_named() {
        for (text, expected) in [
            ("[keep]\noutput_up_to = 1", "outputs_up_to"),
            ("[kept]\n", "keep"),
            ("[keep]\noutputs_up_to = \"16 elephants\"", "16 elephants"),
            ("[keep]\ninputs_up_to = \"-1\"", "no size"),
            ("[keep]\noutputs_up_to = \"99999999999 GiB\"", "no size"),
            ("[keep]\ninclude = [\"a[\"]", "a["),
            ("[keep", "keep"),
        ] {
            let error = KeepPolicy::parse(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
