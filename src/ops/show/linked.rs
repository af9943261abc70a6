//! What `lineage show` says of a symbolic link that a run made: who made it, and then all that is recorded of what it leads to.

use crate::error::{Kind, Result};
use crate::model::{Artifact, ArtifactPath, LinkText};
use crate::ops::link_names::LinkNames;
use crate::ops::locate::{Target, link_text_at, locate, real_place};
use crate::ops::show::{Showing, Shown, Writer};
use crate::ops::{DiskState, FileTarget};

/// Links, one leading to the next, and what the last one leads to.
#[derive(Debug, Clone)]
pub struct LinkedReport {
    /// The links, the one that was asked for first.
    pub links: Vec<LinkReport>,
    /// What is recorded of what the last leads to; of the last link itself where that is nothing.
    pub shown: Shown,
    /// Whether anything is recorded of what the last leads to.
    pub is_recorded: bool,
}

/// A link that lies where a run made it, or lay there.
#[derive(Debug, Clone)]
pub struct LinkReport {
    /// The link; its digest is that of its text.
    pub artifact: Artifact,
    /// Its text.
    pub text: LinkText,
    /// Whether it lies there: else it is gone.
    pub lies_there: bool,
    /// What it leads to, as it is named in the workspace.
    pub to: Option<ArtifactPath>,
    /// Who made it.
    pub writer: Option<Writer>,
}

impl Showing<'_> {
    /// Shows a file; of a link that lies as it was recorded, what it leads to.
    pub(super) fn file_or_linked(&self, target: FileTarget) -> Result<Shown> {
        let mut links = Vec::new();
        let mut last = target;
        let beyond = loop {
            let is_new = links.iter().all(|link: &LinkReport| link.artifact.path != last.path);
            let Some(text) = self.link_text(&last)?.filter(|_| is_new) else { break None };
            let place = last.path.on_disk(self.workspace.root()).unwrap_or_default();
            let to = real_place(&place.parent().unwrap_or(self.workspace.root()).join(text.to_path()));
            links.push(LinkReport {
                artifact: last.artifact.clone(),
                text: text.clone(),
                lies_there: self.lies_as_link(&last),
                to: ArtifactPath::within(self.workspace.root(), &to).ok(),
                writer: self.writer(self.written(&last)?)?,
            });
            match locate(self.workspace, self.snapshot, self.workspace.root(), &to) {
                Ok(Target::File(next)) if self.link_text(&next)?.is_some() => last = next,
                Ok(found) => break Some(found),
                Err(error) if error.kind() == Kind::Damage => return Err(error),
                Err(_) => break None,
            }
        };
        let is_recorded = beyond.is_some();
        let shown = self.shown(beyond.unwrap_or(Target::File(last)))?;
        if links.is_empty() {
            return Ok(shown);
        }
        Ok(Shown::Linked(Box::new(LinkedReport { links, shown, is_recorded })))
    }

    /// Returns the text of the link that a version is: as it lies there, else as it is recorded where nothing lies there any more.
    pub(super) fn link_text(&self, target: &FileTarget) -> Result<Option<LinkText>> {
        let Some(place) = target.path.on_disk(self.workspace.root()) else { return Ok(None) };
        match link_text_at(&place) {
            Some(text) => Ok(Some(text).filter(|text| text.digest() == target.artifact.digest)),
            None if target.state == DiskState::Gone => self.snapshot.link_text(target.number),
            None => Ok(None),
        }
    }

    pub(super) fn link_names(&self) -> Result<&LinkNames> {
        if let Some(known) = self.link_names.get() {
            return Ok(known);
        }
        let names = LinkNames::of(self.workspace, self.snapshot)?;
        Ok(self.link_names.get_or_init(|| names))
    }

    fn lies_as_link(&self, target: &FileTarget) -> bool {
        target.path.on_disk(self.workspace.root()).and_then(|place| link_text_at(&place)).is_some()
    }
}
