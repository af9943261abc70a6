//! The names that files have besides by symbolic links of which a run knows, and that lead there still: what is published, `latest`.

use std::collections::HashMap;
use std::ops::ControlFlow;

use crate::error::Result;
use crate::model::ArtifactPath;
use crate::ops::Workspace;
use crate::ops::locate::link_text_at;
use crate::query::TraceReport;
use crate::store::Snapshot;

/// So many recorded links are looked at, those that came last.
const LINKS_MAX: usize = 10_000;

/// The links, by what they lead to in the end: a file or a folder.
pub(crate) struct LinkNames {
    by_target: HashMap<ArtifactPath, Vec<ArtifactPath>>,
}

impl LinkNames {
    /// Looks where the recorded links lead that lie as they were recorded.
    ///
    /// # Errors
    /// A store error where a record is damaged.
    pub(crate) fn of(workspace: &Workspace, snapshot: &Snapshot) -> Result<Self> {
        let root = workspace.root();
        let mut by_target: HashMap<ArtifactPath, Vec<ArtifactPath>> = HashMap::new();
        let mut left = LINKS_MAX;
        let _rest = snapshot.last_links(|link| {
            let place =
                link.path.on_disk(root).filter(|place| link_text_at(place).as_ref() == Some(&link.text));
            let target = place.and_then(|place| ArtifactPath::within(root, &place.canonicalize().ok()?).ok());
            if let Some(target) = target.filter(|target| *target != link.path) {
                by_target.entry(target).or_default().push(link.path);
            }
            left -= 1;
            Ok(if left > 0 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        Ok(LinkNames { by_target })
    }

    /// Lists the names that a file has by links to it, or to a folder around it, in order.
    pub(crate) fn of_file(&self, path: &ArtifactPath) -> Vec<ArtifactPath> {
        let bytes = path.as_bytes();
        let ends = (0..bytes.len()).filter(|at| bytes[*at] == b'/').chain([bytes.len()]);
        let mut names: Vec<ArtifactPath> = Vec::new();
        for end in ends.filter(|_| !self.by_target.is_empty()) {
            let links = ArtifactPath::from_bytes(bytes[..end].to_vec())
                .ok()
                .and_then(|above| self.by_target.get(&above));
            let named = links
                .into_iter()
                .flatten()
                .filter_map(|link| ArtifactPath::from_bytes([link.as_bytes(), &bytes[end..]].concat()).ok());
            names.extend(named);
        }
        names.sort();
        names.dedup();
        names
    }

    /// Puts these names to what was written on a way down.
    pub(crate) fn name(&self, report: &mut TraceReport) {
        let steps = report.runs.iter_mut().flat_map(|run| &mut run.steps);
        for file in steps.flat_map(|step| &mut step.generated) {
            file.link_names = self.of_file(&file.artifact.path);
        }
    }
}
