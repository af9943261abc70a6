//! Finding the filings: files, folders and patterns to a list of files, each with its content's digest and its stem.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use globset::GlobBuilder;
use memchr::memmem;
use rayon::prelude::*;

use crate::disk::open_regular;
use crate::error::{Error, Result};
use crate::filings::utf16;
use crate::model::{ArtifactPath, Digest, printed_word, repeated_word};
use crate::ops::Workspace;
use crate::ops::named::place_on_disk;
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
    /// The digest it had when it was listed; `None` where it was not needed or the file could not be read.
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
    /// Folders that were not entered: linked ones, and those that lie too deep.
    pub not_entered: Vec<ArtifactPath>,
    /// Files with the same bytes as a filing listed: `(file, the filing)`.
    pub duplicates: Vec<(ArtifactPath, ArtifactPath)>,
    /// How many files there were beyond the limit.
    pub beyond_limit: u64,
    /// The stems of filings that the run took up before and that are not among these.
    pub absent: Vec<String>,
}

/// Tells whether a filing was read with some bytes under the name that it has.
pub type IsRead<'a> = &'a dyn Fn(&ArtifactPath, Digest) -> bool;

/// Bytes of a file's front that tell whether it is a filing.
const FRONT_BYTES: u64 = 16 << 10;
/// So many of them are looked at first.
const HEAD_BYTES: usize = 1 << 10;
/// The deepest nesting of folders that is entered.
const DEPTH_MAX: usize = 64;

/// Finds the filings that `requested` names, seen from `folder`; `known_stems` are those that contents have had in this run before, and
/// `is_read` tells which it has read under which name.
///
/// # Errors
/// A request error where an input does not exist, or nothing is found.
pub fn find(
    workspace: &Workspace,
    folder: &Path,
    requested: &[PathBuf],
    limit: Option<usize>,
    known_stems: &HashMap<Digest, String>,
    is_read: IsRead<'_>,
) -> Result<Inputs> {
    let (root, digests) = (workspace.root(), workspace.digests());
    let mut found = Found::new(&|_| true);
    for request in requested {
        found.collect(folder, request)?;
    }
    if found.files.is_empty() {
        let shown: Vec<String> = requested.iter().map(|path| shown(path)).collect();
        let is_packed = |place: &PathBuf| {
            place
                .extension()
                .is_some_and(|ending| ["gz", "zip", "zst", "xz", "bz2"].iter().any(|one| ending == *one))
        };
        let error = Error::request(format!("no filings in {}", shown.join(", ")));
        if let Some(packed) = found.passed_over.iter().find(|place| is_packed(place)) {
            let name = printed_word(packed.file_name().unwrap_or_default());
            return Err(error.hint(format!("packed files are not read: unpack `{name}` and the like first")));
        }
        return Err(error.hint(
            "give files, folders or patterns: `lineage pipeline data/raw`; filings are SGML submissions, HTML, inline XBRL or plain text of Forms 10-K and 10-Q",
        ));
    }
    let named = |places: BTreeSet<PathBuf>| -> Vec<ArtifactPath> {
        let named = places.iter().filter_map(|place| ArtifactPath::within(root, place).ok());
        named.collect()
    };
    let mut inputs = Inputs {
        passed_over: named(found.passed_over),
        not_entered: named(found.not_entered),
        ..Inputs::default()
    };
    let limit = limit.unwrap_or(usize::MAX);
    inputs.beyond_limit = found.files.len().saturating_sub(limit) as u64;
    let mut listed = Vec::with_capacity(found.files.len().min(limit));
    for file in found.files.into_iter().take(limit) {
        let path = ArtifactPath::within(root, &file)?;
        let size_bytes = fs::metadata(&file).map_or(0, |metadata| metadata.len());
        let stem = names::stem(path.file_name());
        listed.push(FilingInput { path, file, size_bytes, digest: None, stem });
    }
    // What is read is hashed while it is worked on. Before that, a digest is needed only to find what was done before, and to
    // tell files of one size, or of one name, apart.
    let (mut sizes, mut stems) = (HashMap::new(), HashMap::new());
    for input in &listed {
        *sizes.entry(input.size_bytes).or_insert(0usize) += 1;
        *stems.entry(input.stem.clone()).or_insert(0usize) += 1;
    }
    let is_needed = |input: &FilingInput| {
        !known_stems.is_empty() || sizes[&input.size_bytes] > 1 || stems[&input.stem] > 1
    };
    listed
        .par_iter_mut()
        .filter(|input| is_needed(input))
        .for_each(|input| input.digest = digests.of(&input.file).ok());
    without_duplicates(listed, is_read, &mut inputs);
    choose_stems(&mut inputs.filings, known_stems);
    Ok(inputs)
}

/// Finds the filings that `requested` names, seen from `folder`, as far as they are wanted; the others are not looked into.
///
/// # Errors
/// A request error where an input does not exist.
pub(in crate::ops) fn find_wanted(
    folder: &Path,
    requested: &[PathBuf],
    wanted: &dyn Fn(&Path) -> bool,
) -> Result<BTreeSet<PathBuf>> {
    let mut found = Found::new(wanted);
    for request in requested {
        found.collect(folder, request)?;
    }
    Ok(found.files)
}

/// Writes an input as messages show it: in backticks, without anything that could drive a terminal.
fn shown(path: &Path) -> String {
    format!("`{}`", repeated_word(path))
}

/// Files found so far, by place.
struct Found<'a> {
    files: BTreeSet<PathBuf>,
    passed_over: BTreeSet<PathBuf>,
    not_entered: BTreeSet<PathBuf>,
    /// What of the files is wanted.
    wanted: &'a dyn Fn(&Path) -> bool,
}

impl<'a> Found<'a> {
    fn new(wanted: &'a dyn Fn(&Path) -> bool) -> Self {
        let (files, passed_over, not_entered) = Default::default();
        Found { files, passed_over, not_entered, wanted }
    }

    fn collect(&mut self, folder: &Path, request: &Path) -> Result<()> {
        if request.as_os_str().is_empty() {
            return Err(Error::request("an empty word names no input").hint("`.` is the folder you are in"));
        }
        let path = place_on_disk(folder, request)?;
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => self.walk(&path, &|_| true).map(|_| ()),
            Ok(metadata) if metadata.is_file() => {
                let place = real_place(&path)?;
                if (self.wanted)(&place) {
                    self.files.insert(place);
                }
                Ok(())
            }
            // Reading a pipe or a device may never come to an end.
            Ok(_) => {
                Err(Error::request(format!("the input {} is neither a file nor a folder", shown(request)))
                    .hint("save what it gives to a file first"))
            }
            Err(_) if is_pattern(request) => self.collect_pattern(folder, request),
            Err(cause) => Err(Error::request(format!("cannot read the input {}", shown(request)))
                .because(cause)
                .hint("give files, folders or patterns that exist; the default is `data/raw`")),
        }
    }

    /// Collects what a pattern such as `data/raw/*.htm` names; `*` does not cross folders, `**` does.
    fn collect_pattern(&mut self, folder: &Path, request: &Path) -> Result<()> {
        let fixed: PathBuf =
            request.components().take_while(|part| !is_pattern(Path::new(part.as_os_str()))).collect();
        let base = folder.join(&fixed);
        let pattern: PathBuf = request.components().skip(fixed.components().count()).collect();
        let wrong = || Error::request(format!("{} is no pattern", shown(request)));
        let pattern = pattern.to_str().ok_or_else(|| wrong().because("a pattern is text in UTF-8"))?;
        let glob = GlobBuilder::new(pattern).literal_separator(true).build();
        let glob = glob.map_err(|cause| wrong().because(cause))?.compile_matcher();
        let matches = |file: &Path| file.strip_prefix(&base).is_ok_and(|inside| glob.is_match(inside));
        if !base.is_dir() || self.walk(&base, &matches)? == 0 {
            return Err(Error::request(format!("nothing matches {}", shown(request)))
                .hint("`*` does not cross folders, `**` does; hidden files are left out"));
        }
        Ok(())
    }

    /// Collects the files below a folder that look like filings, without hidden ones; returns how many files matched.
    fn walk(&mut self, base: &Path, matches: &dyn Fn(&Path) -> bool) -> Result<usize> {
        let (mut matched, mut found) = (0, Vec::new());
        let mut frontier = vec![(base.to_owned(), 0)];
        while let Some((folder, depth)) = frontier.pop() {
            let failed = |cause| {
                Error::request(format!("cannot read the folder {}", shown(&folder)))
                    .because(cause)
                    .hint("name the files in it that you want")
            };
            let real = folder.canonicalize().map_err(failed)?;
            for entry in fs::read_dir(&folder).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                if entry.file_name().as_encoded_bytes().starts_with(b".") {
                    continue;
                }
                let path = entry.path();
                match fs::metadata(&path) {
                    // A linked folder is not entered: it may lead back to where we are.
                    Ok(metadata) if metadata.is_dir() => {
                        if path.is_symlink() || depth >= DEPTH_MAX {
                            self.not_entered.insert(path);
                        } else {
                            frontier.push((path, depth + 1));
                        }
                    }
                    Ok(metadata) if metadata.is_file() && matches(&path) => {
                        matched += 1;
                        let place = real.join(entry.file_name());
                        if (self.wanted)(&place) {
                            found.push((place, path));
                        }
                    }
                    // A link to nothing, as an annex leaves it for a file it has not fetched, shall be missed aloud.
                    Err(_) if matches(&path) && is_named_as_filing(&path) => {
                        matched += 1;
                        let place = real.join(entry.file_name());
                        if (self.wanted)(&place) {
                            self.files.insert(place);
                        }
                    }
                    // A pipe, a socket, a device.
                    Ok(metadata) if !metadata.is_file() && matches(&path) => {
                        self.passed_over.insert(path);
                    }
                    _ => {}
                }
            }
        }
        let is_filing: Vec<bool> = found.par_iter().map(|(_, path)| looks_like_filing(path)).collect();
        for ((file, path), is_filing) in found.into_iter().zip(is_filing) {
            if is_filing {
                self.files.insert(file);
            } else {
                self.passed_over.insert(path);
            }
        }
        Ok(matched)
    }
}

fn is_pattern(request: &Path) -> bool {
    request.to_string_lossy().contains(['*', '?', '[', '{'])
}

/// Returns the file's place with the links of its folder resolved, but not a link that it is itself.
fn real_place(path: &Path) -> Result<PathBuf> {
    let failed = |cause| Error::request(format!("cannot read the input {}", shown(path))).because(cause);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().ok_or_else(|| Error::request(format!("{} is no file", shown(path))))?;
    Ok(folder.canonicalize().map_err(failed)?.join(name))
}

/// Returns true where the front of a file says that it may be a filing. One that cannot be read counts as one: its failure
/// shall be recorded, not passed over.
fn looks_like_filing(path: &Path) -> bool {
    let mut front = Vec::with_capacity(FRONT_BYTES as usize);
    let read = open_regular(path).and_then(|file| file.take(FRONT_BYTES).read_to_end(&mut front));
    if read.is_err() {
        return true;
    }
    // An empty file in a folder of filings is a broken download more likely than anything else; one in UTF-16 was saved anew.
    if front.is_empty() || utf16(&front).is_some() {
        return is_named_as_filing(path);
    }
    // The tag of almost every filing stands in its first lines.
    let head = &front[..front.len().min(HEAD_BYTES)];
    has_tag(head)
        || has_tag(&front)
        || String::from_utf8_lossy(&front).lines().any(|line| is_form_line(line.trim()))
}

/// Returns true where there is a tag of submissions or of HTML.
fn has_tag(front: &[u8]) -> bool {
    let lower = front.to_ascii_lowercase();
    let tags = [
        "<sec-header",
        "<sec-document",
        "<document>",
        "-----begin privacy",
        "<html",
        "<!doctype html",
        "<ims-",
    ];
    tags.iter().any(|tag| memmem::find(&lower, tag.as_bytes()).is_some())
}

/// Returns true where a file's name ends as EDGAR's files do.
fn is_named_as_filing(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    let ending = ending.unwrap_or("").to_ascii_lowercase();
    matches!(ending.as_str(), "txt" | "htm" | "html" | "xhtml" | "sgml")
}

/// Returns true for the line of a cover page that names the form: `FORM 10-K`, alone on its line.
fn is_form_line(line: &str) -> bool {
    line.len() < 40 && (line.starts_with("FORM 10-") || line.starts_with("Form 10-"))
}

/// Keeps one of several files with the same bytes: one that was read before, else the first.
fn without_duplicates(listed: Vec<FilingInput>, is_read: IsRead<'_>, inputs: &mut Inputs) {
    let mut kept: HashMap<Digest, ArtifactPath> = HashMap::new();
    for input in &listed {
        if let Some(digest) = input.digest {
            let known = kept.entry(digest).or_insert_with(|| input.path.clone());
            if is_read(&input.path, digest) && !is_read(known, digest) {
                known.clone_from(&input.path);
            }
        }
    }
    for input in listed {
        match input.digest.map(|digest| &kept[&digest]) {
            Some(same) if *same != input.path => inputs.duplicates.push((input.path, same.clone())),
            _ => inputs.filings.push(input),
        }
    }
}

/// Gives each filing a stem of its own: the one its content had in this run before, else that of its name; where several
/// filings would share one, those that are new get the front of their digest behind it.
///
/// A filing that changed under its old name takes the place of the old one in a run that is taken up again.
fn choose_stems(filings: &mut [FilingInput], known_stems: &HashMap<Digest, String>) {
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    for filing in filings.iter() {
        *count.entry(filing.stem.clone()).or_default() += 1;
    }
    let mut taken: BTreeSet<String> = BTreeSet::new();
    let mut unnamed = Vec::new();
    for filing in filings.iter_mut() {
        let known = filing.digest.and_then(|digest| known_stems.get(&digest));
        match known.filter(|known| taken.insert((*known).clone())) {
            Some(known) => filing.stem.clone_from(known),
            None => unnamed.push(filing),
        }
    }
    for filing in unnamed {
        if count[&filing.stem] == 1 && taken.insert(filing.stem.clone()) {
            continue;
        }
        let digest = filing.digest;
        let mark = digest.unwrap_or_else(|| Digest::of(filing.path.as_bytes())).hex();
        let marked = |digits: usize| format!("{}-{}", filing.stem, &mark[..digits]);
        // Eight digits are as good as always enough; all of them differ, since equal contents are listed once.
        let mut digits = 8;
        while !taken.insert(marked(digits)) && digits < mark.len() {
            digits += 1;
        }
        filing.stem = marked(digits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Disk;

    fn at(root: &Path) -> Workspace {
        Workspace::at(root, Disk::new())
    }

    fn check(files: &[(&str, &str)], requested: &[&str], expected: &str) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        for (name, text) in files {
            fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
            fs::write(root.join(name), text).unwrap();
        }
        let requested: Vec<PathBuf> = requested.iter().map(PathBuf::from).collect();
        let found = match find(&at(&root), &root, &requested, None, &HashMap::new(), &|_, _| false) {
            Ok(inputs) => {
                let mut lines: Vec<String> =
                    inputs.filings.iter().map(|filing| format!("{} {}", filing.path, filing.stem)).collect();
                lines.extend(inputs.duplicates.iter().map(|(file, same)| format!("{file} = {same}")));
                lines.extend(inputs.passed_over.iter().map(|file| format!("not {file}")));
                lines.join("\n")
            }
            Err(error) => error.in_full().replace(root.to_str().unwrap(), ""),
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
        check(&files, &["raw"], "raw/a.htm a\nraw/c.txt c\nraw/sub/b.txt b\nnot raw/notes.tsv");
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
        let files = [("x/a.htm", "<html>1"), ("y/a.htm", "<html>2"), ("z/b.htm", "<html>1")];
        let mark = |text: &str| Digest::of(text.as_bytes()).hex()[..8].to_owned();
        let expected =
            format!("x/a.htm a-{}\ny/a.htm a-{}\nz/b.htm = x/a.htm", mark("<html>1"), mark("<html>2"));
        check(&files, &["x", "y", "z"], &expected);
    }

    #[test]
    fn inputs_that_are_not_there_are_named() {
        check(&[], &["nowhere"], "cannot read the input `nowhere`: No such file or directory (os error 2)");
        check(&[("raw/x.tsv", "1")], &["raw"], "no filings in `raw`");
        check(&[("raw/x.htm.gz", "1")], &["raw"], "no filings in `raw`");
        check(&[("raw/x.tsv", "1")], &["raw/*.htm"], "nothing matches `raw/*.htm`");
    }

    #[test]
    fn what_may_never_end_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let found = find(
            &at(folder.path()),
            folder.path(),
            &[PathBuf::from("/dev/zero")],
            None,
            &HashMap::new(),
            &|_, _| false,
        );
        assert_eq!(found.unwrap_err().in_full(), "the input `/dev/zero` is neither a file nor a folder");
        check(&[("a.htm", "<html>")], &[""], "an empty word names no input");
    }

    #[test]
    fn control_characters_in_a_request_do_not_reach_the_terminal() {
        check(
            &[],
            &["no\u{1b}c\nwhere"],
            "cannot read the input `no\\x1bc\\x0awhere`: No such file or directory (os error 2)",
        );
    }

    #[test]
    fn a_linked_folder_is_named_and_a_link_to_nothing_is_a_filing_that_fails() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("raw")).unwrap();
        fs::write(root.join("raw/a.htm"), "<html>").unwrap();
        std::os::unix::fs::symlink(&root, root.join("raw/loop")).unwrap();
        std::os::unix::fs::symlink("../not/fetched", root.join("raw/b.htm")).unwrap();
        std::os::unix::fs::symlink("../not/fetched", root.join("raw/notes")).unwrap();
        let found =
            find(&at(&root), &root, &[PathBuf::from("raw")], None, &HashMap::new(), &|_, _| false).unwrap();
        let filings: Vec<String> = found.filings.iter().map(|filing| filing.path.to_string()).collect();
        assert_eq!(filings, ["raw/a.htm", "raw/b.htm"]);
        assert_eq!(found.filings[1].digest, None);
        assert_eq!(found.not_entered[0].to_string(), "raw/loop");
    }

    #[test]
    fn a_limit_says_how_many_files_it_leaves_out() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        for name in ["a", "b", "c"] {
            fs::write(root.join(format!("{name}.htm")), format!("<html>{name}")).unwrap();
        }
        let found =
            find(&at(&root), &root, &[PathBuf::from(".")], Some(2), &HashMap::new(), &|_, _| false).unwrap();
        assert_eq!((found.filings.len(), found.beyond_limit), (2, 1));
    }

    #[test]
    fn no_two_filings_ever_share_a_stem() {
        let filing = |name: &str, text: &str| FilingInput {
            path: ArtifactPath::new(name).unwrap(),
            file: PathBuf::from(name),
            size_bytes: 0,
            digest: Some(Digest::of(text.as_bytes())),
            stem: names::stem(name.as_bytes()),
        };
        let mark = |text: &str| Digest::of(text.as_bytes()).hex()[..8].to_owned();
        let stems = |filings: &[FilingInput]| -> Vec<String> {
            filings.iter().map(|filing| filing.stem.clone()).collect()
        };
        // In an earlier stretch, `a.htm` held the old text and then the new one, under one stem; now the old is back beside it.
        let known: HashMap<Digest, String> =
            ["old", "new"].iter().map(|text| (Digest::of(text.as_bytes()), "a".to_owned())).collect();
        let mut filings = [filing("a.htm", "new"), filing("b.htm", "old"), filing("c.htm", "c")];
        choose_stems(&mut filings, &known);
        assert_eq!(stems(&filings), ["a", "b", "c"]);
        // A file that is called as another one is marked.
        let marked = format!("a-{}.htm", mark("x"));
        let mut filings = [filing(&marked, "y"), filing("a.htm", "x"), filing("a.txt", "z")];
        choose_stems(&mut filings, &HashMap::new());
        let mut found = stems(&filings);
        found.sort();
        found.dedup();
        assert_eq!(found.len(), 3);
    }
}
