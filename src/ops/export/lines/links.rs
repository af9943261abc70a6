//! Lines on symbolic links.

use serde::{Deserialize, Serialize};

use super::words::{PathText, bytes_text, path_text};
use crate::error::Result;
use crate::model::{Link, LinkText};

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LinkLine {
    path: PathText,
    text: PathText,
}

pub(super) fn link_line(link: &Link) -> LinkLine {
    LinkLine { path: path_text(&link.path), text: link_text(&link.text) }
}

pub(super) fn link_text(text: &LinkText) -> PathText {
    bytes_text(text.as_bytes())
}

impl LinkLine {
    pub(super) fn into_link(self) -> Result<Link> {
        Ok(Link { path: self.path.into_path()?, text: LinkText::new(self.text.into_bytes()?)? })
    }
}
