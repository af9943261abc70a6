//! Finding the filings: files, folders and patterns to a list of files, each with its content's digest and its stem.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use globset::GlobBuilder;
use rayon::prelude::*;

use crate::content::digest_of;
use crate::error::{Error, Result};
use crate::model::{ArtifactPath, Digest};
use crate::projection::names;

/// A filing to work on.
#[derive(Debug, Clone)]
pub struct FilingInput {
    /// Its name in the workspace.
    pub path: ArtifactPath,
    /// Where it lies.
    pub file: PathBuf,
    /// How many bytes it had when it was listed.
    pub size_bytes: u64,
    /// The digest it had when it was listed; `None` where it could not be read.
    pub digest: Option<Digest>,
    /// The front of its outputs' names.
    pub stem: String,
}

/// What the inputs came to.
#[derive(Debug, Default)]
pub struct Inputs {
    /// Filings, by path.
    pub filings: Vec<FilingInput>,
    /// Files in folders that are no filings, passed over.
    pub passed_over: Vec<ArtifactPath>,
    /// Files with the same bytes as a filing listed: `(file, the filing)`.
    pub duplicates: Vec<(ArtifactPath, ArtifactPath)>,
}

/// Bytes of a file's front that tell whether it is a filing.
const FRONT_BYTES: u64 = 16 << 10;
/// The deepest nesting of folders that is entered.
const DEPTH_MAX: usize = 64;

/// Finds the filings that `requested` names, seen from `folder`; `known_stems` are those that contents have had in this run before.
///
/// # Errors
/// A request error where an input does not exist, or nothing is found.
pub fn find(
    root: &Path,
    folder: &Path,
    requested: &[PathBuf],
    limit: Option<usize>,
    known_stems: &HashMap<Digest, String>,
) -> Result<Inputs> {
    let mut files = BTreeSet::new();
    let mut passed_over = BTreeSet::new();
    for request in requested {
        collect(folder, request, &mut files, &mut passed_over)?;
    }
    let mut inputs = Inputs::default();
    for file in passed_over {
        inputs.passed_over.extend(ArtifactPath::within(root, &file));
    }
    let mut listed = Vec::with_capacity(files.len());
    for file in files.into_iter().take(limit.unwrap_or(usize::MAX)) {
        let path = ArtifactPath::within(root, &file)?;
        let size_bytes = fs::metadata(&file).map_or(0, |metadata| metadata.len());
        let stem = names::stem(path.file_name());
        listed.push(FilingInput {
            path,
            file,
            size_bytes,
            digest: None,
            stem,
        });
    }
    if listed.is_empty() {
        let shown: Vec<String> = requested
            .iter()
            .map(|path| format!("`{}`", path.display()))
            .collect();
        return Err(Error::request(format!("no filings in {}", shown.join(", "))).hint(
            "give files, folders or patterns: `lineage pipeline data/raw`; filings are SGML submissions, HTML, inline XBRL or plain text of Forms 10-K and 10-Q",
        ));
    }
    listed
        .par_iter_mut()
        .for_each(|input| input.digest = digest_of(&input.file).ok());
    without_duplicates(listed, &mut inputs);
    choose_stems(&mut inputs.filings, known_stems);
    Ok(inputs)
}

fn collect(
    folder: &Path,
    request: &Path,
    files: &mut BTreeSet<PathBuf>,
    passed_over: &mut BTreeSet<PathBuf>,
) -> Result<()> {
    let path = folder.join(request);
    match fs::metadata(&path) {
        Ok(metadata) if metadata.is_dir() => walk(&path, &|_| true, files, passed_over),
        Ok(_) => {
            files.insert(real_place(&path)?);
            Ok(())
        }
        Err(_) if is_pattern(request) => collect_pattern(folder, request, files, passed_over),
        Err(cause) => Err(
            Error::request(format!("cannot read the input `{}`", request.display()))
                .because(cause)
                .hint("give files, folders or patterns that exist; the default is `data/raw`"),
        ),
    }
}

fn is_pattern(request: &Path) -> bool {
    request.to_string_lossy().contains(['*', '?', '[', '{'])
}

/// Collects what a pattern such as `data/raw/*.htm` names; `*` does not cross folders, `**` does.
fn collect_pattern(
    folder: &Path,
    request: &Path,
    files: &mut BTreeSet<PathBuf>,
    passed_over: &mut BTreeSet<PathBuf>,
) -> Result<()> {
    let wrong = |cause: globset::Error| {
        Error::request(format!("`{}` is no pattern", request.display())).because(cause)
    };
    let fixed: PathBuf = request
        .components()
        .take_while(|part| !is_pattern(Path::new(part.as_os_str())))
        .collect();
    let base = folder.join(&fixed);
    let pattern: PathBuf = request.components().skip(fixed.components().count()).collect();
    let pattern = pattern.to_string_lossy().into_owned();
    let glob = GlobBuilder::new(&pattern)
        .literal_separator(true)
        .build()
        .map_err(wrong)?
        .compile_matcher();
    let before = files.len() + passed_over.len();
    if base.is_dir() {
        let matches = |file: &Path| file.strip_prefix(&base).is_ok_and(|inside| glob.is_match(inside));
        walk(&base, &matches, files, passed_over)?;
    }
    if files.len() + passed_over.len() == before {
        return Err(Error::request(format!("nothing matches `{}`", request.display())));
    }
    Ok(())
}

/// Collects the files below a folder that look like filings, without hidden ones.
fn walk(
    base: &Path,
    matches: &dyn Fn(&Path) -> bool,
    files: &mut BTreeSet<PathBuf>,
    passed_over: &mut BTreeSet<PathBuf>,
) -> Result<()> {
    let mut frontier = vec![(base.to_owned(), 0)];
    while let Some((folder, depth)) = frontier.pop() {
        let failed =
            |cause| Error::request(format!("cannot read the folder `{}`", folder.display())).because(cause);
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = entry.path();
            let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            let Ok(metadata) = fs::metadata(&path) else {
                continue;
            };
            if hidden {
                continue;
            }
            // A linked folder is not entered: it may lead back to where we are.
            if metadata.is_dir() && !path.is_symlink() && depth < DEPTH_MAX {
                frontier.push((path, depth + 1));
            } else if metadata.is_file() && matches(&path) {
                if looks_like_filing(&path) {
                    files.insert(real_place(&path)?);
                } else {
                    passed_over.insert(path);
                }
            }
        }
    }
    Ok(())
}

/// Returns the file's place with the links of its folder resolved, but not a link that it is itself.
fn real_place(path: &Path) -> Result<PathBuf> {
    let failed = |cause| Error::request(format!("cannot read the input `{}`", path.display())).because(cause);
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let name = path
        .file_name()
        .ok_or_else(|| Error::request(format!("`{}` is no file", path.display())))?;
    Ok(folder.canonicalize().map_err(failed)?.join(name))
}

/// Returns true where the front of a file says that it may be a filing. One that cannot be read counts as one: its failure
/// shall be recorded, not passed over.
fn looks_like_filing(path: &Path) -> bool {
    let mut front = Vec::new();
    let read = File::open(path).and_then(|file| file.take(FRONT_BYTES).read_to_end(&mut front));
    if read.is_err() {
        return true;
    }
    // An empty file in a folder of filings is a broken download more likely than anything else.
    let ending = path
        .extension()
        .and_then(|e| e.to_str())
        .unwrap_or("")
        .to_ascii_lowercase();
    if front.is_empty() {
        return matches!(ending.as_str(), "txt" | "htm" | "html" | "xhtml" | "sgml");
    }
    let text = String::from_utf8_lossy(&front);
    let lower = text.to_ascii_lowercase();
    let tags = [
        "<sec-header",
        "<sec-document",
        "<document>",
        "-----begin privacy",
        "<html",
        "<!doctype html",
        "<ims-",
    ];
    tags.iter().any(|tag| lower.contains(tag)) || text.lines().any(|line| is_form_line(line.trim()))
}

/// Returns true for the line of a cover page that names the form: `FORM 10-K`, alone on its line.
fn is_form_line(line: &str) -> bool {
    line.len() < 40 && (line.starts_with("FORM 10-") || line.starts_with("Form 10-"))
}

/// Keeps the first of several files with the same bytes.
fn without_duplicates(listed: Vec<FilingInput>, inputs: &mut Inputs) {
    let mut first: HashMap<Digest, ArtifactPath> = HashMap::new();
    for input in listed {
        match input.digest.and_then(|digest| first.get(&digest)) {
            Some(same) => inputs.duplicates.push((input.path, same.clone())),
            None => {
                if let Some(digest) = input.digest {
                    first.insert(digest, input.path.clone());
                }
                inputs.filings.push(input);
            }
        }
    }
}

/// Gives each filing a stem of its own: the one it had in this run before, else that of its name; where several filings
/// would share one, those that are new get the front of their digest behind it.
fn choose_stems(filings: &mut [FilingInput], known_stems: &HashMap<Digest, String>) {
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    for filing in filings.iter() {
        *count.entry(filing.stem.clone()).or_default() += 1;
    }
    let known_stem = |filing: &FilingInput| filing.digest.and_then(|digest| known_stems.get(&digest));
    let taken: BTreeSet<String> = filings.iter().filter_map(known_stem).cloned().collect();
    for filing in filings.iter_mut() {
        if let Some(known) = known_stem(filing) {
            filing.stem.clone_from(known);
        } else if count[&filing.stem] > 1 || taken.contains(&filing.stem) {
            let mark = filing
                .digest
                .unwrap_or_else(|| Digest::of(filing.path.as_bytes()))
                .hex();
            filing.stem = format!("{}-{}", filing.stem, &mark[..8]);
        }
        // A filing that changed under its old name takes the place of the old one in a run that is taken up again.
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(files: &[(&str, &str)], requested: &[&str], expected: &str) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        for (name, text) in files {
            fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
            fs::write(root.join(name), text).unwrap();
        }
        let requested: Vec<PathBuf> = requested.iter().map(PathBuf::from).collect();
        let found = match find(&root, &root, &requested, None, &HashMap::new()) {
            Ok(inputs) => {
                let mut lines: Vec<String> = inputs
                    .filings
                    .iter()
                    .map(|filing| format!("{} {}", filing.path, filing.stem))
                    .collect();
                lines.extend(
                    inputs
                        .duplicates
                        .iter()
                        .map(|(file, same)| format!("{file} = {same}")),
                );
                lines.extend(inputs.passed_over.iter().map(|file| format!("not {file}")));
                lines.join("\n")
            }
            Err(error) => error.to_string().replace(root.to_str().unwrap(), ""),
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn a_folder_gives_the_filings_in_it_and_passes_over_the_rest() {
        let files = [
            ("raw/a.htm", "<html>a"),
            ("raw/sub/b.txt", "<SEC-HEADER>b"),
            ("raw/c.txt", "   FORM 10-K\n text"),
            ("raw/notes.tsv", "a\tb"),
            ("raw/.hidden.htm", "<html>"),
        ];
        check(
            &files,
            &["raw"],
            "raw/a.htm a\nraw/c.txt c\nraw/sub/b.txt b\nnot raw/notes.tsv",
        );
    }

    #[test]
    fn one_file_is_listed_once_however_it_is_named() {
        check(
            &[("raw/a.htm", "<html>a")],
            &["raw/a.htm", "./raw/../raw/a.htm", "raw", "raw/*.htm"],
            "raw/a.htm a",
        );
    }

    #[test]
    fn equal_bytes_are_worked_on_once_and_equal_names_are_told_apart() {
        let files = [
            ("x/a.htm", "<html>1"),
            ("y/a.htm", "<html>2"),
            ("z/b.htm", "<html>1"),
        ];
        let mark = |text: &str| Digest::of(text.as_bytes()).hex()[..8].to_owned();
        let expected = format!(
            "x/a.htm a-{}\ny/a.htm a-{}\nz/b.htm = x/a.htm",
            mark("<html>1"),
            mark("<html>2")
        );
        check(&files, &["x", "y", "z"], &expected);
    }

    #[test]
    fn inputs_that_are_not_there_are_named() {
        check(
            &[],
            &["nowhere"],
            "cannot read the input `nowhere`: No such file or directory (os error 2)",
        );
        check(&[("raw/x.tsv", "1")], &["raw"], "no filings in `raw`");
        check(
            &[("raw/x.tsv", "1")],
            &["raw/*.htm"],
            "nothing matches `raw/*.htm`",
        );
    }
}
