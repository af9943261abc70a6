//! Where the symbolic links of a workspace lead: what lies there has a name below each link, too.
//!
//! Of files the place is recorded where they really lie. Rules are written by people, who name what they see: `data/private/`, be
//! `data` a folder or a link to another disk.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};

/// Links are looked for in folders so deep below the root: `data`, `data/raw`, `work/data/raw`.
const DEPTH_MAX: usize = 3;
/// As many names of files and folders are looked at, those of upper folders first.
const NAMES_MAX: usize = 10_000;
/// A folder that tools fill, besides those whose name begins with a dot: no links of the user's are in it.
const OF_TOOLS: [&str; 2] = ["node_modules", "__pycache__"];

/// The symbolic links in the upper folders of a workspace.
#[derive(Debug, Clone, Default)]
pub struct Links {
    root: PathBuf,
    /// The links, named from the root, by what they lead to.
    by_target: HashMap<PathBuf, Vec<PathBuf>>,
}

/// A name that a file has by a symbolic link, and the link; both from the root.
#[derive(Debug, PartialEq, Eq)]
pub struct Name {
    pub link: PathBuf,
    pub path: PathBuf,
}

impl Links {
    /// Finds the links of the workspace at `root` that `counts` is true of. The others are not followed.
    pub fn below(root: &Path, counts: &dyn Fn(&Path) -> bool) -> Self {
        let mut by_target: HashMap<PathBuf, Vec<PathBuf>> = HashMap::new();
        let mut folders = VecDeque::from([(PathBuf::new(), 1)]);
        let mut left = NAMES_MAX;
        while let Some((folder, depth)) = folders.pop_front() {
            let Ok(entries) = std::fs::read_dir(root.join(&folder)) else { continue };
            let entries: Vec<_> = entries.flatten().take(left).collect();
            left -= entries.len();
            for entry in entries {
                let (Ok(kind), name) = (entry.file_type(), entry.file_name()) else { continue };
                let path = folder.join(&name);
                let is_of_tools =
                    name.as_encoded_bytes().starts_with(b".") || OF_TOOLS.iter().any(|tool| name == *tool);
                if kind.is_symlink() && counts(&path) {
                    if let Ok(target) = root.join(&path).canonicalize() {
                        by_target.entry(target).or_default().push(path);
                    }
                } else if kind.is_dir() && depth < DEPTH_MAX && !is_of_tools {
                    folders.push_back((path, depth + 1));
                }
            }
        }
        Links { root: root.to_owned(), by_target }
    }

    /// Returns the names below links of the file or folder at `place`.
    pub fn names(&self, place: &Path) -> Vec<Name> {
        if self.by_target.is_empty() {
            return Vec::new();
        }
        let mut names = Vec::new();
        for target in place.ancestors() {
            // Whatever lies in the workspace is below a link to the folder around it, which says nothing.
            if place.starts_with(&self.root) && self.root.starts_with(target) {
                break;
            }
            let links = self.by_target.get(target).into_iter().flatten();
            let below = place.strip_prefix(target).unwrap_or(Path::new(""));
            names.extend(links.map(|link| {
                // Nothing below it is the link itself, which `join` would write with a slash.
                let path = if below.as_os_str().is_empty() { link.clone() } else { link.join(below) };
                Name { link: link.clone(), path }
            }));
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use std::fs::create_dir_all;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_a_link_leads_to_has_a_name_below_the_link() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().canonicalize().unwrap();
        let (root, disk) = (base.join("w"), base.join("disk"));
        for path in ["w/a/b/c", "w/.git", "w/runs/3", "disk/raw"] {
            create_dir_all(base.join(path)).unwrap();
        }
        std::fs::write(disk.join("x.csv"), "1\n").unwrap();
        for (target, link) in [
            ("../disk", "data"),
            ("../../../disk/raw", "a/b/raw"),
            ("../disk/x.csv", "x"),
            ("runs/3", "latest"),
            ("../..", "a/up"),
            ("../disk/nothing", "dangling"),
            ("/usr", "other"),
            ("../../../../disk", "a/b/c/deep"),
            ("../../disk", ".git/hidden"),
        ] {
            symlink(target, root.join(link)).unwrap();
        }
        let links = Links::below(&root, &|link| link != Path::new("other"));
        let names = |place: &Path| {
            let mut names: Vec<_> = links.names(place).into_iter().map(|name| name.path).collect();
            names.sort();
            names.into_iter().map(|name| name.to_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names(&disk.join("raw/y")), "a/b/raw/y a/up/disk/raw/y data/raw/y");
        assert_eq!(names(&disk.join("x.csv")), "a/up/disk/x.csv data/x.csv x");
        assert_eq!(names(&disk), "a/up/disk data");
        assert_eq!(names(&root.join("runs/3/m")), "latest/m");
        for path in ["runs/4/m", "a/b", "data", ""] {
            assert_eq!(names(&root.join(path)), "", "{path}");
        }
        assert_eq!(names(Path::new("/usr/bin/x")), "");
    }
}
