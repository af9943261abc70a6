//! The symbolic links that a path leads through: which file was read depended on them.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::Reading;
use super::acts::Act;
use super::digest;
use super::ledger::What;
use super::net::Net;
use super::place::Place;
use super::tracee::Found;

/// The kernel follows as many.
const LINKS_MAX: usize = 40;

impl Net<'_> {
    /// Records, of a file that is read, the links below the roots that the path led through; `is_direct` where the last name is
    /// none.
    pub(super) fn read_links(
        &mut self,
        act: Act<'_>,
        place: &Place,
        is_direct: bool,
        what: What,
        reading: Reading,
    ) {
        let Some((folder, name)) = place.split() else { return };
        if is_direct && folder.path == b"." {
            // A working folder is known by its real path.
            return;
        }
        let Some(mut path) = act.thread.folder_key(&folder) else { return };
        if !is_direct {
            path = [&path[..], b"/", name.as_bytes()].concat();
        }
        let links = match self.folders.links(&path, act.us) {
            Some(links) => links.to_vec(),
            None => {
                let roots = self.options.roots.iter();
                let links =
                    roots.flat_map(|root| links_below(root, Path::new(OsStr::from_bytes(&path)))).collect();
                self.folders.put_links(path, links, act.us)
            }
        };
        if links.is_empty() || !self.is_wanted(what) {
            return;
        }
        for path in links.into_iter().filter(|path| (self.options.is_wanted)(path)) {
            let Ok(look) = digest::look(&path) else { continue };
            if look.is_link()
                && let Some(what) = self.identify(Found { look, path, is_nameless: false }, act.us)
            {
                self.read_as(act, what, &look, reading);
            }
        }
    }

    fn is_wanted(&mut self, what: What) -> bool {
        if self.ledger.is_forgotten(what) {
            return false;
        }
        let name = self.ledger.body(what).main_name().map(|name| name.path.clone());
        name.is_some_and(|path| (self.options.is_wanted)(&path))
    }
}

/// Lists the links below `root`, which is a real path, that `path` leads through, in their order.
fn links_below(root: &Path, path: &Path) -> Vec<PathBuf> {
    let parts = |path: &Path| path.iter().map(OsStr::to_owned).collect::<VecDeque<OsString>>();
    let Ok(inside) = path.strip_prefix(root) else { return vec![] };
    let (mut at, mut left, mut found) = (root.to_path_buf(), parts(inside), vec![]);
    while let Some(part) = left.pop_front() {
        if part == ".." {
            at.pop();
            if !at.starts_with(root) {
                break;
            }
            continue;
        }
        let next = at.join(&part);
        let Ok(target) = std::fs::read_link(&next) else {
            at = next;
            continue;
        };
        found.push(next);
        let target = match target.strip_prefix(root) {
            Ok(inside) => {
                at = root.to_path_buf();
                inside
            }
            Err(_) if target.is_absolute() => break,
            Err(_) => &target,
        };
        if found.len() >= LINKS_MAX {
            break;
        }
        for part in parts(target).into_iter().rev() {
            left.push_front(part);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn the_links_of_a_path_are_found_in_their_order_and_below_the_root_only() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let check = |path: &str, expected: &[&str]| {
            let expected: Vec<PathBuf> = expected.iter().map(|link| root.join(link)).collect();
            assert_eq!(links_below(&root, &root.join(path)), expected, "{path}");
        };
        std::fs::create_dir_all(root.join("v1/sub")).unwrap();
        symlink("v1", root.join("data")).unwrap();
        symlink("data/sub", root.join("chain")).unwrap();
        symlink(root.join("v1"), root.join("whole")).unwrap();
        symlink("/usr", root.join("out")).unwrap();
        symlink("../data", root.join("v1/up")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        check("v1/sub/x", &[]);
        check("data/x", &["data"]);
        check("./v1//../data/sub", &["data"]);
        check("chain/x", &["chain", "data"]);
        check("whole/sub", &["whole"]);
        check("out/lib", &["out"]);
        check("v1/up/sub", &["v1/up", "data"]);
        check("v1/../../x", &[]);
        assert_eq!(links_below(&root, &root.join("loop")).len(), LINKS_MAX);
        assert_eq!(links_below(&root.join("v1"), &root.join("data")), [""; 0].map(PathBuf::from));
    }
}
