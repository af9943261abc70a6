//! Segmentation: one segment per risk factor, of a length that can be trained on, each with the bytes it was made from.

use serde::{Deserialize, Serialize};

use super::VERSION;
use super::clean::Cleaned;
use super::element::{Element, Span};
use super::extract::{Stats, Status};
use super::header::Facts;
use super::outline::{Passage, passages};
use super::section::Section;
use super::split::{Group, Piece, split};
use super::words::count_words;
use crate::error::Result;

/// A segment longer than this many words is split at the ends of sentences.
pub const WORDS_MAX: usize = 380;
/// A segment shorter than this many words goes to the next one.
pub const WORDS_MIN: usize = 20;

/// A piece of a section to train on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// Unique in the filing: the item and a number, such as `1A_014`.
    pub chunk_id: String,
    /// The category heading above, the nearest one.
    pub parent_subsection: Option<String>,
    /// All category headings above, outermost first.
    pub ancestors: Vec<String>,
    /// The risk factor's own heading, where the filing sets one.
    pub title: Option<String>,
    /// Which part of a risk factor that was split, and of how many; `[1, 1]` for a whole one.
    pub part: [usize; 2],
    /// The text: heading and paragraphs, a line feed between them.
    pub text: String,
    /// Letters of the text (Unicode scalar values).
    pub char_count: usize,
    /// Words of the text.
    pub word_count: usize,
    /// Bytes of the original file from the segment's first to its last letter.
    pub span: Span,
    /// The same without what cleaning took out in between; left out where it is the one span.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spans: Vec<Span>,
}

/// What a segment needs to be understood without the filing's other files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SectionMetadata {
    identifier: Section,
    title: Option<String>,
    status: Status,
    stats: Stats,
}

/// The segments of one item of a filing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segmented {
    version: u32,
    filing_name: String,
    document_info: Facts,
    section_metadata: SectionMetadata,
    num_segments: usize,
    segments: Vec<Segment>,
}

/// Cuts a cleaned section into segments. A section without a body of its own has none.
pub fn segment(cleaned: &Cleaned) -> Segmented {
    let segments = match cleaned.status {
        Status::Found => segments_of(cleaned),
        Status::ByReference | Status::NotRequired | Status::Absent => Vec::new(),
    };
    Segmented {
        version: VERSION,
        filing_name: cleaned.filing_name.clone(),
        document_info: cleaned.facts.clone(),
        section_metadata: SectionMetadata {
            identifier: cleaned.identifier,
            title: cleaned.title.clone(),
            status: cleaned.status,
            stats: cleaned.stats.clone(),
        },
        num_segments: segments.len(),
        segments,
    }
}

impl Segmented {
    /// Returns the segments in the order of the filing.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Returns the bytes of the file `…_segmented_….json`.
    pub fn to_json(&self) -> Vec<u8> {
        super::json::to_bytes(self)
    }

    /// Reads such a file back.
    ///
    /// # Errors
    /// Fails where the bytes are no such document, or one of another version.
    pub fn from_json(bytes: &[u8]) -> Result<Segmented> {
        super::json::from_bytes(bytes, "segmented section", |segmented: &Segmented| segmented.version)
    }
}

fn segments_of(cleaned: &Cleaned) -> Vec<Segment> {
    let elements = &cleaned.elements;
    let passages = passages(elements);
    let split: Vec<Group> = passages
        .iter()
        .enumerate()
        .filter(|(_, passage)| !is_bare_category(elements, passage))
        .flat_map(|(index, passage)| split(elements, index, passage))
        .collect();
    let groups = merge_short(split, &passages);
    let label = cleaned.identifier.label();
    groups
        .iter()
        .enumerate()
        .map(|(index, group)| {
            let passage = &passages[group.passage];
            let text = text_of(elements, &group.pieces);
            let spans = spans_of(elements, &group.pieces, cleaned.removed());
            let span = hull(&spans);
            Segment {
                chunk_id: format!("{label}_{:03}", index + 1),
                parent_subsection: passage.ancestors.last().cloned(),
                ancestors: passage.ancestors.clone(),
                title: passage.title.clone(),
                part: group.part,
                char_count: text.chars().count(),
                word_count: count_words(&text),
                text,
                span,
                spans: if spans.len() > 1 { spans } else { Vec::new() },
            }
        })
        .collect()
}

/// Moves what is too short to the group after it, or to the one before where only that is of the same category.
///
/// The heading of a category without text of its own is no segment: it stands in the `ancestors` of those below it.
fn merge_short(groups: Vec<Group>, passages: &[Passage]) -> Vec<Group> {
    let mut merged: Vec<Group> = Vec::with_capacity(groups.len());
    let mut waiting: Option<Group> = None;
    for mut group in groups {
        let ancestors = |group: &Group| &passages[group.passage].ancestors;
        if let Some(short) = waiting.take() {
            match merged.last_mut() {
                Some(last)
                    if ancestors(&short) != ancestors(&group) && ancestors(&short) == ancestors(last) =>
                {
                    last.pieces.extend(short.pieces);
                }
                _ => {
                    group.pieces.splice(0..0, short.pieces);
                }
            }
        }
        if group.words() < WORDS_MIN {
            waiting = Some(group);
        } else {
            merged.push(group);
        }
    }
    if let Some(short) = waiting {
        match merged.last_mut() {
            Some(last) => last.pieces.extend(short.pieces),
            None => merged.push(short),
        }
    }
    merged
}

/// Tells whether a passage is the heading of a category and nothing else.
fn is_bare_category(elements: &[Element], passage: &Passage) -> bool {
    let words = || {
        elements[passage.first..passage.end].iter().map(|element| count_words(&element.text)).sum::<usize>()
    };
    passage.title.is_none() && passage.ancestors.last().is_some_and(|name| count_words(name) >= words())
}

fn text_of(elements: &[Element], pieces: &[Piece]) -> String {
    let mut text = String::new();
    for piece in pieces {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(elements[piece.element].text[piece.start..piece.end].trim());
    }
    text
}

/// Returns the bytes of the pieces, in order, without what was taken out between and inside of them.
fn spans_of(elements: &[Element], pieces: &[Piece], removed: &[Span]) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    let mut before: Option<usize> = None;
    for piece in pieces {
        let span = elements[piece.element].span_of(piece.start, piece.end);
        let is_next = before.is_some_and(|before| piece.element <= before + 1);
        before = Some(piece.element);
        let is_apart = |last: &Span| {
            let next = removed.partition_point(|gap| gap.start < last.end);
            !is_next || removed.get(next).is_some_and(|gap| gap.start < span.start)
        };
        match spans.last_mut() {
            Some(last) if !is_apart(last) => last.end = last.end.max(span.end),
            _ => spans.push(span),
        }
    }
    spans.into_iter().flat_map(|span| without(span, removed)).collect()
}

/// Returns a span without the parts of it that were taken out.
fn without(span: Span, removed: &[Span]) -> Vec<Span> {
    let mut kept = Vec::new();
    let mut start = span.start;
    for gap in &removed[removed.partition_point(|gap| gap.end <= span.start)..] {
        if gap.start >= span.end {
            break;
        }
        if gap.start > start {
            kept.push(Span { start, end: gap.start });
        }
        start = start.max(gap.end);
    }
    if start < span.end {
        kept.push(Span { start, end: span.end });
    }
    kept
}

fn hull(spans: &[Span]) -> Span {
    let start = spans.first().map_or(0, |span| span.start);
    let end = spans.iter().map(|span| span.end).max().unwrap_or(start);
    Span { start, end }
}
