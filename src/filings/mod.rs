//! SEC filings as pure functions: container, parse, extract, clean, segment.
//!
//! Each stage is a function of the stage before it alone, and sees no clock, disk, environment or terminal: the same bytes
//! give the same bytes. All spans are byte ranges in the original file.

mod clean;
mod container;
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
mod style;
mod table;
mod titles;
mod tokenizer;
mod words;

#[cfg(test)]
mod tests;

pub use clean::{Cleaned, Cleaning, clean};
pub use element::{Element, ElementKind, Run, Span, Style};
pub use extract::{Extracted, Status, extract};
pub use header::Facts;
pub use locate::{Located, Position};
pub use parse::{Parsed, parse};
pub use section::{FormKind, Section};
pub use segment::{Segment, SegmentView, Segmented, WORDS_MAX, WORDS_MIN, find_segment, segment};

/// Version of what this module writes: raised whenever the bytes of an output may change for the same input.
pub const VERSION: u32 = 1;
