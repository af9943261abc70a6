//! Which projected files a request is about.

use std::path::Path;

use crate::error::{Error, Result};
use crate::model::{ArtifactPath, Digest};
use crate::ops::project::ProjectRequest;
use crate::projection::Planned;

/// The files that are asked about.
pub(super) struct Asked {
    fronts: Vec<ArtifactPath>,
    all: bool,
}

impl Asked {
    pub(super) fn new(root: &Path, request: &ProjectRequest) -> Result<Self> {
        let mut asked = Asked { fronts: Vec::new(), all: request.paths.is_empty() };
        for path in &request.paths {
            let joined = request.folder.join(path);
            // What is gone is to be brought back, so as much of the way is resolved as is there.
            let there = joined.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?)));
            let place = match there {
                Some((above, real)) => match joined.strip_prefix(above) {
                    Ok(rest) if !rest.as_os_str().is_empty() => real.join(rest),
                    _ => real,
                },
                None => joined,
            };
            if place == root {
                asked.all = true;
            } else {
                asked.fronts.push(ArtifactPath::within(root, &place)?);
            }
        }
        Ok(asked)
    }

    fn has(&self, path: &ArtifactPath) -> bool {
        self.all || self.fronts.iter().any(|front| is_at_or_below(path, front))
    }

    pub(super) fn select<T>(&self, mut files: Vec<T>, path: impl Fn(&T) -> &ArtifactPath) -> Vec<T> {
        files.retain(|file| self.has(path(file)));
        files
    }

    pub(super) fn refuse_strangers(
        &self,
        planned: &[Planned],
        unwanted: &[(ArtifactPath, Digest)],
    ) -> Result<()> {
        for front in self.fronts.iter().filter(|_| !self.all) {
            let known = planned.iter().any(|file| is_at_or_below(&file.path, front))
                || unwanted.iter().any(|(path, _)| is_at_or_below(path, front));
            if !known {
                return Err(Error::request(format!("no projected file lies at `{front}`"))
                    .hint("`lineage project --dry-run` without a path looks at all of them"));
            }
        }
        Ok(())
    }
}

fn is_at_or_below(path: &ArtifactPath, front: &ArtifactPath) -> bool {
    let rest = path.as_bytes().strip_prefix(front.as_bytes());
    rest.is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}
