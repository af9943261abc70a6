//! `.lineageignore`: files of a workspace that are none of the work, named as git's `.gitignore` names them.
//!
//! A file of rules at the workspace's root or in a folder below speaks of what lies in its folder; of rules that match, the last
//! in the deepest file decides, and what lies in an ignored folder is ignored whatever else is said of it. A file that a symbolic
//! link of the workspace leads to is ignored by either name, wherever it lies.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use gix::bstr::{BStr, ByteSlice as _};
use gix::glob::pattern::Case;
use gix::ignore::Search;
use gix::ignore::search::Ignore;

use super::links::Links;
use crate::digests;

/// The name of the files that hold the rules.
pub const IGNORE_FILE: &str = ".lineageignore";

/// No more of a file of rules is read.
const FILE_MAX_BYTES: u64 = 1 << 20;
/// As many rules of one file count.
const RULES_MAX: usize = 10_000;
/// A longer rule does not count.
const RULE_MAX_BYTES: usize = 1_000;
/// A rule with more stars does not count: matching it could take for ever.
const STARS_MAX: usize = 8;

/// The rules of a workspace, each file of them read once, when it is first asked about something below it.
pub struct IgnoreRules {
    root: PathBuf,
    folders: RefCell<HashMap<PathBuf, Folder>>,
    faults: RefCell<Vec<String>>,
    /// The symbolic links that rules speak of.
    links: OnceCell<Links>,
}

#[derive(Clone)]
struct Folder {
    is_ignored: bool,
    /// The rules of this folder and those above it, the deepest last.
    rules: Rc<Vec<Search>>,
}

impl IgnoreRules {
    /// Names the rules of the workspace at `root`; reads nothing yet.
    pub fn of(root: &Path) -> Self {
        IgnoreRules {
            root: root.to_owned(),
            folders: RefCell::default(),
            faults: RefCell::default(),
            links: OnceCell::new(),
        }
    }

    /// Returns true for a file, or a folder, that is ignored: by the name of where it lies, or by one below a symbolic link. What
    /// lies outside the workspace has none but the latter.
    pub fn ignores(&self, path: &Path, is_folder: bool) -> bool {
        let inside = path.strip_prefix(&self.root).ok();
        if inside.is_some_and(|inside| self.names(inside, is_folder)) {
            return true;
        }
        let links = self.links.get_or_init(|| {
            let has_rules = |link: &Path| !self.folder(link.parent().unwrap_or(link)).rules.is_empty();
            Links::below(&self.root, &has_rules)
        });
        // A rule that names a link itself, such as `latest`, does not mean the files of the workspace that it leads to just now.
        links.names(path).iter().any(|name| {
            self.names(&name.path, is_folder) && (inside.is_none() || !self.names(&name.link, true))
        })
    }

    /// Returns true where a rule names a file or a folder, which is named from the root.
    fn names(&self, inside: &Path, is_folder: bool) -> bool {
        let Some(above) = inside.parent() else {
            return false;
        };
        let folder = self.folder(above);
        folder.is_ignored || matches(&folder.rules, inside, is_folder)
    }

    /// Returns what of the rules could not be used, one line each.
    pub fn faults(&self) -> Vec<String> {
        self.faults.borrow().clone()
    }

    /// Returns the rules for what lies in a folder, named from the root.
    fn folder(&self, inside: &Path) -> Folder {
        // From the root down, as far as it is not known yet.
        let mut unknown: Vec<&Path> = Vec::new();
        let mut found = None;
        for above in inside.ancestors() {
            if let Some(known) = self.folders.borrow().get(above) {
                found = Some(known.clone());
                break;
            }
            unknown.push(above);
        }
        let mut folder = found.unwrap_or(Folder { is_ignored: false, rules: Rc::default() });
        for inside in unknown.into_iter().rev() {
            if !inside.as_os_str().is_empty() && !folder.is_ignored {
                folder.is_ignored = matches(&folder.rules, inside, true);
            }
            if !folder.is_ignored
                && let Some(rules) = self.read(inside)
            {
                let mut all = folder.rules.as_ref().clone();
                all.push(rules);
                folder.rules = Rc::new(all);
            }
            self.folders.borrow_mut().insert(inside.to_owned(), folder.clone());
        }
        folder
    }

    /// Reads the rules in a folder.
    fn read(&self, inside: &Path) -> Option<Search> {
        let path = self.root.join(inside).join(IGNORE_FILE);
        // A pipe of that name would keep us waiting for ever.
        if !std::fs::metadata(&path).is_ok_and(|found| found.is_file()) {
            return None;
        }
        let mut bytes = Vec::new();
        let shown = inside.join(IGNORE_FILE);
        let fault = |why: String| {
            self.faults.borrow_mut().push(format!("`{}`: {why}", shown.to_string_lossy().escape_debug()));
        };
        if let Err(cause) =
            digests::open(&path).and_then(|file| file.take(FILE_MAX_BYTES).read_to_end(&mut bytes))
        {
            fault(format!("cannot be read: {cause}"));
            return None;
        }
        if bytes.len() as u64 == FILE_MAX_BYTES {
            fault(format!("only its first {FILE_MAX_BYTES} bytes count"));
        }
        let (mut kept, mut refused) = (Vec::with_capacity(bytes.len()), 0_usize);
        for (number, line) in bytes.lines().enumerate() {
            if number >= RULES_MAX || is_costly(line) {
                refused += 1;
                // The lines keep their numbers.
                kept.push(b'\n');
                continue;
            }
            kept.extend_from_slice(line);
            kept.push(b'\n');
        }
        if refused > 0 {
            fault(format!(
                "{refused} rules do not count: more than {RULES_MAX} lines, {RULE_MAX_BYTES} bytes in a line or {STARS_MAX} stars"
            ));
        }
        let mut search = Search::default();
        let rules = Ignore { support_precious: false };
        search.add_patterns_buffer(&kept, &path, Some(&self.root), rules).ok()?;
        Some(search)
    }
}

fn is_costly(line: &[u8]) -> bool {
    // Stars side by side cost no more than one.
    let stars =
        line.iter().zip(b" ".iter().chain(line)).filter(|(this, last)| **this == b'*' && **last != b'*');
    line.len() > RULE_MAX_BYTES || stars.count() > STARS_MAX
}

fn matches(rules: &[Search], inside: &Path, is_folder: bool) -> bool {
    let name: &BStr = inside.as_os_str().as_encoded_bytes().as_bstr();
    let found = rules
        .iter()
        .rev()
        .find_map(|rules| rules.pattern_matching_relative_path(name, Some(is_folder), Case::Sensitive));
    found.is_some_and(|found| !found.pattern.is_negative())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Files of rules by folder, and which of the paths they ignore; a path that ends in `/` is a folder.
    fn check(rules: &[(&str, &str)], paths: &str, expected: &str) {
        let folder = tempfile::tempdir().unwrap();
        for (inside, text) in rules {
            std::fs::create_dir_all(folder.path().join(inside)).unwrap();
            std::fs::write(folder.path().join(inside).join(IGNORE_FILE), text).unwrap();
        }
        let rules = IgnoreRules::of(folder.path());
        let is_ignored =
            |path: &&str| rules.ignores(&folder.path().join(path.trim_end_matches('/')), path.ends_with('/'));
        let found: Vec<&str> = paths.split(' ').filter(is_ignored).collect();
        assert_eq!(found.join(" "), expected);
        assert_eq!(rules.faults(), Vec::<String>::new());
    }

    #[test]
    fn rules_are_read_as_git_reads_them() {
        let paths = "a.log d/a.log d/b.txt tmp/ tmp/x d/tmp/x";
        check(&[], paths, "");
        check(&[("", "# all logs\n*.log\n\ntmp/\n")], paths, "a.log d/a.log tmp/ tmp/x d/tmp/x");
        check(&[("", "/a.log\n/tmp\n")], paths, "a.log tmp/ tmp/x");
        check(&[("", "*.log\n!d/a.log\n")], paths, "a.log");
        check(&[("", "*.log\n"), ("d", "!a.log\nb.*\n")], paths, "a.log d/b.txt");
        check(&[("", "tmp/\n!tmp/x\n")], paths, "tmp/ tmp/x d/tmp/x");
        check(&[("", "d/**/x\n")], paths, "d/tmp/x");
        check(&[("", "{a,b}.log\n")], paths, "");
    }

    #[test]
    fn what_a_link_leads_to_is_ignored_by_either_name() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().canonicalize().unwrap();
        let root = base.join("w");
        for path in ["w/runs/3", "w/sub", "disk/private"] {
            std::fs::create_dir_all(base.join(path)).unwrap();
        }
        for (target, link) in
            [("../disk", "data"), ("runs/3", "latest"), ("runs", "all"), ("../../disk", "sub/d")]
        {
            std::os::unix::fs::symlink(target, root.join(link)).unwrap();
        }
        let check = |folder: &str, text: &str, expected: &[&str]| {
            let file = root.join(folder).join(IGNORE_FILE);
            std::fs::write(&file, text).unwrap();
            let rules = IgnoreRules::of(&root);
            let files = ["disk/a", "disk/private/p", "disk/x.log", "w/runs/3/m", "w/runs/4/m", "w/x"];
            let found: Vec<&str> =
                files.into_iter().filter(|file| rules.ignores(&base.join(file), false)).collect();
            assert_eq!(found, expected, "{text:?}");
            std::fs::remove_file(file).unwrap();
        };
        check("", "data/private/\n", &["disk/private/p"]);
        check("sub", "private\n", &["disk/private/p"]);
        check("", "*.log\n", &["disk/x.log"]);
        check("", "data\n", &["disk/a", "disk/private/p", "disk/x.log"]);
        check("", "all/4/\n", &["w/runs/4/m"]);
        check("", "latest\nall\n", &[]);
        check("runs", "a\n", &[]);
    }

    #[test]
    fn what_lies_outside_and_no_link_leads_to_is_never_ignored() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(IGNORE_FILE), "*\n").unwrap();
        let rules = IgnoreRules::of(folder.path());
        assert!(rules.ignores(&folder.path().join("x"), false));
        assert!(!rules.ignores(Path::new("/etc/passwd"), false));
        assert!(!rules.ignores(folder.path(), true));
    }

    #[test]
    fn hostile_rules_are_left_out_and_said() {
        let folder = tempfile::tempdir().unwrap();
        let hostile = format!("{}b\n{}\n*.log\n", "*a".repeat(400), "x".repeat(RULE_MAX_BYTES + 1));
        std::fs::write(folder.path().join(IGNORE_FILE), hostile).unwrap();
        let rules = IgnoreRules::of(folder.path());
        assert!(!rules.ignores(&folder.path().join("a".repeat(250)), false));
        assert!(rules.ignores(&folder.path().join("a.log"), false));
        assert_eq!(rules.faults().len(), 1, "{:?}", rules.faults());
        assert!(rules.faults()[0].starts_with("`.lineageignore`: 2 rules do not count"));
    }
}
