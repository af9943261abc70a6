//! The rung below the net: what stands in some folders before and after a command.

use std::collections::BTreeMap;
use std::path::PathBuf;

use rayon::prelude::*;

use super::stamp::Look;
use super::{Class, Content, Evidence, File, Options, Version, digest};

/// The files below some folders, by path.
pub(super) struct Snapshot(BTreeMap<PathBuf, Look>);

impl Snapshot {
    /// Looks at every file below the roots.
    pub(super) fn take(options: &Options<'_>) -> Snapshot {
        let mut files = BTreeMap::new();
        let mut folders = options.roots.clone();
        while let Some(folder) = folders.pop() {
            let Ok(entries) = std::fs::read_dir(&folder) else {
                continue;
            };
            for path in entries.flatten().map(|entry| entry.path()) {
                if (options.is_skipped)(&path) {
                    continue;
                }
                match digest::look(&path) {
                    Ok(look) if look.is_folder() => folders.push(path),
                    Ok(look) if look.is_regular() || look.is_link() => {
                        files.insert(path, look);
                    }
                    _ => {}
                }
            }
        }
        Snapshot(files)
    }

    /// Returns the files that were written or removed between this snapshot and a later one.
    pub(super) fn compare(&self, after: &Snapshot, options: &Options<'_>) -> Vec<File> {
        let mut files = vec![];
        for (path, now) in &after.0 {
            let before = self.0.get(path);
            if before.is_some_and(|before| before.stamp() == now.stamp()) {
                continue;
            }
            let mut versions: Vec<Version> =
                before.map(|before| former(before, options)).into_iter().collect();
            versions.push(Version {
                was_written: true,
                content: None,
                evidence: Evidence::Inferred,
                stamp: Some(now.stamp()),
                named_us: None,
                last_change: None,
            });
            let (existed, is_link) = (before.is_some(), now.is_link());
            let class = Class::Output;
            files.push(File { path: path.clone(), class, existed, exists: true, is_link, versions });
        }
        for (path, before) in self.0.iter().filter(|(path, _)| !after.0.contains_key(*path)) {
            let (class, is_link) = (Class::Deleted, before.is_link());
            let versions = vec![former(before, options)];
            files.push(File { path: path.clone(), class, existed: true, exists: false, is_link, versions });
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let wanted: Vec<bool> =
            files.iter().map(|file| file.exists && (options.is_wanted)(&file.path)).collect();
        let pairs: Vec<(&mut File, bool)> = files.iter_mut().zip(wanted).collect();
        pairs.into_par_iter().filter(|(_, wanted)| *wanted).for_each(|(file, _)| hash(file));
        files
    }
}

fn former(before: &Look, options: &Options<'_>) -> Version {
    let stamp = before.stamp();
    let content = (options.known_digest)(&stamp).map(|digest| Content { digest, size_bytes: before.size });
    let evidence = if content.is_some() { Evidence::Known } else { Evidence::Lost };
    Version { was_written: false, content, evidence, stamp: Some(stamp), named_us: None, last_change: None }
}

fn hash(file: &mut File) {
    let Some(version) = file.versions.last_mut() else {
        return;
    };
    if file.is_link {
        version.content = digest::of_link(&file.path)
            .map(|digest| Content { digest, size_bytes: version.stamp.map_or(0, |stamp| stamp.size_bytes) });
        return;
    }
    match digest::open(&file.path).and_then(|open| digest::read(&open, 0)) {
        Ok(read) => {
            version.content = Some(Content { digest: read.digest, size_bytes: read.stamp.size_bytes });
            version.stamp = Some(read.stamp);
        }
        Err(_) => version.evidence = Evidence::Unreadable,
    }
}
