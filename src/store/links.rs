//! Reading which versions of files are symbolic links.

use std::ops::ControlFlow;

use crate::error::Result;
use crate::model::{Artifact, Fact, Link, LinkText};
use crate::store::damaged;
use crate::store::reading::{GO_ON, Order};
use crate::store::snapshot::{ArtifactNo, Snapshot, record};

impl Snapshot {
    /// Returns the text of the link that an artifact is recorded to be, by who saw it or by a model version that holds it.
    ///
    /// # Errors
    /// A store error where a record is damaged.
    pub fn link_text(&self, artifact: ArtifactNo) -> Result<Option<LinkText>> {
        let seen = self.link_seen(artifact)?;
        if let Some(link) = seen {
            return Ok(Some(link.text));
        }
        let of = self.artifact(artifact)?;
        for id in self.models_with(artifact)? {
            let held = self.model(id)?.map(|model| model.artifacts).unwrap_or_default().into_iter();
            if let Some(text) = held.filter(|held| held.artifact == of).find_map(|held| held.link) {
                return Ok(Some(text));
            }
        }
        Ok(None)
    }

    /// Returns the text of the link that a version of a file is recorded to be.
    ///
    /// # Errors
    /// A store error where a record is damaged.
    pub fn link_text_of(&self, artifact: &Artifact) -> Result<Option<LinkText>> {
        let number = self.version_no(&artifact.path, &artifact.digest)?;
        number.map_or(Ok(None), |number| self.link_text(number))
    }

    /// Returns the fact that an artifact was seen to be a link.
    ///
    /// # Errors
    /// A store error where a record is damaged.
    pub fn link_seen(&self, artifact: ArtifactNo) -> Result<Option<Link>> {
        Ok(self.links_from(&artifact.to_bytes())?.pop())
    }

    /// Returns every link that was seen, by path.
    pub(super) fn links_seen(&self) -> Result<Vec<Link>> {
        let mut found = self.links_from(&[])?;
        found.sort();
        Ok(found)
    }

    /// Calls `visit` on each link that was seen, those that came last first, until it breaks.
    ///
    /// # Errors
    /// A store error where a record is damaged, and what `visit` returns.
    pub fn last_links<B>(
        &self,
        mut visit: impl FnMut(Link) -> Result<ControlFlow<B>>,
    ) -> Result<ControlFlow<B>> {
        self.links.scan_front(&[], Order::Falling, |_, bytes| {
            let Fact::LinkSeen(link) = record(bytes)? else { return Err(damaged("link")) };
            visit(link)
        })
    }

    fn links_from(&self, front: &[u8]) -> Result<Vec<Link>> {
        let mut found = Vec::new();
        self.links.scan_front(front, Order::Rising, |_, bytes| {
            let Fact::LinkSeen(link) = record(bytes)? else { return Err(damaged("link")) };
            found.push(link);
            Ok(GO_ON)
        })?;
        Ok(found)
    }
}
