//! SEC filings as pure functions: container, parse, extract, clean, segment.
//!
//! Each stage is a function of the stage before it alone, and sees no clock, disk, environment or terminal: the same bytes
//! give the same bytes. What each stage writes can be read back ([`Parsed::from_json`] and its sisters), and the next stage
//! then gives the same as before. All spans are byte ranges in the original file.
//!
//! ```text
//! bytes --parse--> Parsed --extract--> Extracted --clean--> Cleaned --segment--> Segmented
//!       container    elements, facts,    one item,  without    risk factors,
//!       tokenizer    places of items     status     furniture  with their bytes
//! ```
//!
//! How the items are found: every paragraph that begins with an item's label is a candidate, weighed by title, typography
//! and standing alone (`items`); lines of tables of contents and cross-reference indexes are set aside (`contents`); of the
//! rest, the chain of greatest weight is taken that is in the order of the document and of the form at once (`items`); items
//! without a number, inside of combined items or out of order are added (`complete`); documents that do not number their
//! items are read by titles, typography and links (`titles`), and by the pages of their cross-reference index (`crossref`).
//! What speaks against a place is kept with it (`doubts`).

mod clean;
mod complete;
mod container;
mod contents;
mod cover;
mod crossref;
mod dates;
mod doubts;
mod element;
mod encoding;
mod extract;
mod furniture;
mod header;
mod html;
mod items;
mod json;
mod locate;
mod outline;
mod parse;
mod plain;
mod section;
mod segment;
mod sixteen;
mod sketch;
mod split;
mod style;
mod table;
mod titles;
mod tokenizer;
mod view;
mod words;

#[cfg(test)]
mod evidence;
#[cfg(test)]
mod mutations;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod traps;

pub use clean::{Cleaned, clean};
pub(crate) use container::utf16;
#[cfg(test)]
use element::{ElementKind, Span};
#[cfg(test)]
use extract::Status;
pub use extract::{Extracted, extract};
#[cfg(test)]
use locate::{Confidence, Located};
pub use parse::{Parsed, parse};
pub use section::{FormKind, Section};
pub use segment::{Segmented, segment};
pub use sketch::sketch;
pub use view::{SegmentView, find_segment};
pub use words::count_words;

/// Version of what this module writes: raised whenever the bytes of an output may change for the same input.
pub const VERSION: u32 = 9;
