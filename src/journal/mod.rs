//! The journal: facts as framed, checksummed, versioned bytes in append-only segment files.
//!
//! A segment belongs to one writer. It begins with a header that names the segment and the program that wrote it; frames
//! follow. A frame that was not written to its end is a torn tail: everything before it counts, and it does not. A frame of a
//! version that this program does not know is refused by name and left as it is.

mod codec;
mod frame;
mod pack;
mod parts;
mod reader;
mod segments;
#[cfg(test)]
mod tests;
mod writer;

pub use codec::{decode, encode};
pub(crate) use codec::{encode_parts, is_as_encoded};
pub(crate) use frame::segment_of_file;
pub use pack::pack;
pub use reader::{Reader, Record, Tail};
pub use segments::{Listing, SegmentBytes, SegmentRef, list, pack_of, read_segment, writer_is_alive};
pub(crate) use segments::{file_name as segment_name, loose_length, pack_length, segment_called};
pub use writer::{SyncPoint, Writer};
