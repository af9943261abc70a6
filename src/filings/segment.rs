//! Segmentation: one segment per risk factor, of a length that can be trained on, each with the bytes it was made from.

use std::sync::OnceLock;

use sentencize::Segmenter;
use serde::{Deserialize, Serialize};

use super::VERSION;
use super::clean::Cleaned;
use super::element::{Element, Span};
use super::extract::{Stats, Status};
use super::header::Facts;
use super::outline::{Passage, passages};
use super::section::Section;
use super::words::count_words;
use crate::error::{Error, Result};

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

/// One segment read back from a file, with what says which filing it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentView {
    /// Name of the segment.
    pub chunk_id: String,
    /// The category heading above it.
    pub parent_subsection: Option<String>,
    /// All category headings above it, outermost first.
    pub ancestors: Vec<String>,
    /// The risk factor's own heading.
    pub title: Option<String>,
    /// The text.
    pub text: String,
    /// Words of the text.
    pub word_count: usize,
    /// Bytes of the original file.
    pub span: Span,
    /// The same without what cleaning took out in between; empty where it is the one span.
    pub spans: Vec<Span>,
    /// Name of the filing, see [`Facts::filing_name`].
    pub filing_name: String,
    /// Accession number of the filing.
    pub accession_number: Option<String>,
    /// Identifier of the item, such as `part1item1a`.
    pub identifier: String,
    /// The registrant.
    pub company_name: Option<String>,
    /// The form.
    pub form_type: Option<String>,
    /// The period of report, `YYYYMMDD`.
    pub period_of_report: Option<String>,
}

/// The least a file of segments must hold to be read, whichever version wrote it.
#[derive(Deserialize)]
struct SegmentedFile {
    filing_name: String,
    document_info: DocumentInfo,
    section_metadata: SectionInfo,
    segments: Vec<SegmentRecord>,
}

#[derive(Deserialize)]
struct DocumentInfo {
    #[serde(default)]
    accession_number: Option<String>,
    #[serde(default)]
    company_name: Option<String>,
    #[serde(default)]
    form_type: Option<String>,
    #[serde(default)]
    period_of_report: Option<String>,
}

#[derive(Deserialize)]
struct SectionInfo {
    identifier: String,
}

#[derive(Deserialize)]
struct SegmentRecord {
    chunk_id: String,
    #[serde(default)]
    parent_subsection: Option<String>,
    #[serde(default)]
    ancestors: Vec<String>,
    #[serde(default)]
    title: Option<String>,
    text: String,
    span: Span,
    #[serde(default)]
    spans: Vec<Span>,
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

/// Finds one segment in the bytes of a file `…_segmented_….json`; `None` where it has no segment of that name.
///
/// Files of other versions of this module are read, too, as long as they have text and span.
///
/// # Errors
/// Fails where the bytes are no such document.
pub fn find_segment(segmented_json: &[u8], chunk_id: &str) -> Result<Option<SegmentView>> {
    let file: SegmentedFile = serde_json::from_slice(segmented_json)
        .map_err(|cause| Error::request("not a file of segments").because(cause))?;
    let found = file
        .segments
        .into_iter()
        .find(|segment| segment.chunk_id == chunk_id);
    Ok(found.map(|segment| SegmentView {
        chunk_id: segment.chunk_id,
        parent_subsection: segment.parent_subsection,
        ancestors: segment.ancestors,
        title: segment.title,
        word_count: count_words(&segment.text),
        text: segment.text,
        span: segment.span,
        spans: segment.spans,
        filing_name: file.filing_name,
        accession_number: file.document_info.accession_number,
        identifier: file.section_metadata.identifier,
        company_name: file.document_info.company_name,
        form_type: file.document_info.form_type,
        period_of_report: file.document_info.period_of_report,
    }))
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
        super::json::from_bytes(bytes, "segmented section", |segmented: &Segmented| {
            segmented.version
        })
    }
}

/// A stretch of one element's text.
#[derive(Debug, Clone, Copy)]
struct Piece {
    element: usize,
    start: usize,
    end: usize,
    words: usize,
}

/// Pieces that become one segment.
struct Group {
    passage: usize,
    part: [usize; 2],
    pieces: Vec<Piece>,
}

impl Group {
    fn words(&self) -> usize {
        self.pieces.iter().map(|piece| piece.words).sum()
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

/// Splits a passage into groups of at most [`WORDS_MAX`] words, of about equal length, at ends of sentences.
fn split(elements: &[Element], index: usize, passage: &Passage) -> Vec<Group> {
    let whole: Vec<Piece> = (passage.first..passage.end)
        .map(|element| {
            let text = &elements[element].text;
            Piece {
                element,
                start: 0,
                end: text.len(),
                words: count_words(text),
            }
        })
        .collect();
    let total: usize = whole.iter().map(|piece| piece.words).sum();
    if total <= WORDS_MAX {
        return vec![Group {
            passage: index,
            part: [1, 1],
            pieces: whole,
        }];
    }
    let sentences: Vec<Piece> = whole
        .iter()
        .flat_map(|piece| sentences_of(elements, *piece))
        .collect();
    let mut parts = total.div_ceil(WORDS_MAX);
    let groups = loop {
        let groups = pack(&sentences, total, parts);
        // Sentences are not divisible: where equal shares do not fit, one part more is taken.
        let fits = groups.iter().all(|pieces| words_of(pieces) <= WORDS_MAX);
        if fits || parts >= sentences.len() {
            break groups;
        }
        parts += 1;
    };
    let count = groups.len();
    groups
        .into_iter()
        .enumerate()
        .map(|(part, pieces)| Group {
            passage: index,
            part: [part + 1, count],
            pieces: join(pieces),
        })
        .collect()
}

fn words_of(pieces: &[Piece]) -> usize {
    pieces.iter().map(|piece| piece.words).sum()
}

/// Deals sentences out to `parts` groups of about equal length, in order.
fn pack(sentences: &[Piece], total: usize, parts: usize) -> Vec<Vec<Piece>> {
    let mut groups: Vec<Vec<Piece>> = Vec::with_capacity(parts);
    let mut current: Vec<Piece> = Vec::new();
    let mut dealt = 0;
    for sentence in sentences {
        let goal = total * (groups.len() + 1) / parts;
        let after = dealt + sentence.words;
        let overshoots = after > goal && after - goal > goal.saturating_sub(dealt);
        let is_full = words_of(&current) + sentence.words > WORDS_MAX;
        if !current.is_empty() && (is_full || (overshoots && groups.len() + 1 < parts)) {
            groups.push(std::mem::take(&mut current));
        }
        current.push(*sentence);
        dealt = after;
    }
    if !current.is_empty() {
        groups.push(current);
    }
    groups
}

/// Joins neighbouring pieces of one element.
fn join(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut joined: Vec<Piece> = Vec::with_capacity(pieces.len());
    for piece in pieces {
        match joined.last_mut() {
            Some(last) if last.element == piece.element => {
                last.end = piece.end;
                last.words += piece.words;
            }
            _ => joined.push(piece),
        }
    }
    joined
}

/// Cuts a piece at the ends of its sentences; a sentence that alone is too long is cut after a fixed number of words.
fn sentences_of(elements: &[Element], piece: Piece) -> Vec<Piece> {
    static SEGMENTER: OnceLock<Segmenter> = OnceLock::new();
    let text = &elements[piece.element].text[piece.start..piece.end];
    let segmenter = SEGMENTER.get_or_init(Segmenter::default);
    let mut pieces = Vec::new();
    for (start, end) in segmenter.spans(text) {
        let words = count_words(&text[start..end]);
        let (start, end) = (piece.start + start, piece.start + end);
        if words <= WORDS_MAX {
            pieces.push(Piece {
                element: piece.element,
                start,
                end,
                words,
            });
        } else {
            pieces.extend(cut_words(
                &elements[piece.element].text,
                piece.element,
                start,
                end,
            ));
        }
    }
    pieces
}

/// Cuts a text after every [`WORDS_MAX`] words: a list of names or an enumeration without a period.
fn cut_words(text: &str, element: usize, start: usize, end: usize) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut from = start;
    let mut words = 0;
    let mut in_word = false;
    for (at, letter) in text[start..end].char_indices() {
        if letter.is_whitespace() {
            if in_word {
                words += 1;
                if words == WORDS_MAX / 2 {
                    pieces.push(Piece {
                        element,
                        start: from,
                        end: start + at,
                        words,
                    });
                    from = start + at + letter.len_utf8();
                    words = 0;
                }
            }
            in_word = false;
        } else {
            in_word = true;
        }
    }
    let rest = &text[from..end];
    if !rest.trim().is_empty() {
        pieces.push(Piece {
            element,
            start: from,
            end,
            words: count_words(rest),
        });
    }
    pieces
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
        elements[passage.first..passage.end]
            .iter()
            .map(|element| count_words(&element.text))
            .sum::<usize>()
    };
    passage.title.is_none()
        && passage
            .ancestors
            .last()
            .is_some_and(|name| count_words(name) >= words())
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
    spans
        .into_iter()
        .flat_map(|span| without(span, removed))
        .collect()
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
            kept.push(Span {
                start,
                end: gap.start,
            });
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
