//! Records of symbolic links, version 1; published, never to be edited.

use bincode::{Decode, Encode};

use super::{Fault, path};
use crate::model::{Link, LinkText};

#[derive(Encode, Decode)]
pub(super) struct LinkV1 {
    path: Vec<u8>,
    text: Vec<u8>,
}

impl From<&Link> for LinkV1 {
    fn from(link: &Link) -> Self {
        LinkV1 { path: link.path.as_bytes().to_vec(), text: link.text.as_bytes().to_vec() }
    }
}

impl TryFrom<LinkV1> for Link {
    type Error = Fault;

    fn try_from(record: LinkV1) -> Result<Self, Fault> {
        Ok(Link { path: path(record.path)?, text: text(record.text)? })
    }
}

/// Takes the text of a link.
pub(super) fn text(bytes: Vec<u8>) -> Result<LinkText, Fault> {
    LinkText::new(bytes).map_err(|error| Fault::Damaged(error.in_full()))
}
