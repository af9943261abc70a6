//! Elements: the pieces a main document is cut into, with their typography and the bytes they came from.

use serde::{Deserialize, Serialize};

/// A byte range in the original file, end excluded; `[start, end]` in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(from = "[u64; 2]", into = "[u64; 2]")]
pub struct Span {
    /// First byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
}

impl From<[u64; 2]> for Span {
    fn from([start, end]: [u64; 2]) -> Self {
        Span { start, end }
    }
}

impl From<Span> for [u64; 2] {
    fn from(span: Span) -> Self {
        [span.start, span.end]
    }
}

/// What an element is; the names in JSON are those Python readers know from `sec-parser`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ElementKind {
    /// The heading of an item of the form.
    TopSectionTitle,
    /// Any other heading.
    TitleElement,
    /// A paragraph, a list item, a line of a cover page.
    TextElement,
    /// A table of data; rows end in a line feed, cells in a tab.
    TableElement,
    /// A line of a table of contents or of a cross-reference index.
    TableOfContentsElement,
    /// Page numbers, running headers and footers, "Table of Contents" links.
    SupplementaryText,
    /// A picture; the text is its alternative text.
    ImageElement,
}

impl ElementKind {
    /// All kinds, in the order in which they are counted.
    pub const ALL: [ElementKind; 7] = [
        ElementKind::TopSectionTitle,
        ElementKind::TitleElement,
        ElementKind::TextElement,
        ElementKind::TableElement,
        ElementKind::TableOfContentsElement,
        ElementKind::SupplementaryText,
        ElementKind::ImageElement,
    ];

    /// Returns the name that stands in JSON.
    pub fn name(self) -> &'static str {
        match self {
            ElementKind::TopSectionTitle => "TopSectionTitle",
            ElementKind::TitleElement => "TitleElement",
            ElementKind::TextElement => "TextElement",
            ElementKind::TableElement => "TableElement",
            ElementKind::TableOfContentsElement => "TableOfContentsElement",
            ElementKind::SupplementaryText => "SupplementaryText",
            ElementKind::ImageElement => "ImageElement",
        }
    }
}

/// Typography of a run of letters; in JSON a short text such as `bi` or `bu14`.
///
/// `b` bold, `i` italic, `u` underlined, `c` centred, `k` coloured, `l` linked; then the font size in points where it is
/// larger than that of the body text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Style {
    /// The flags below, joined.
    pub flags: u8,
    /// Font size in half points, where it is larger than that of the body text; 0 otherwise.
    pub half_points: u8,
}

impl Style {
    /// Bold.
    pub const BOLD: u8 = 1;
    /// Italic.
    pub const ITALIC: u8 = 2;
    /// Underlined.
    pub const UNDERLINE: u8 = 4;
    /// Centred.
    pub const CENTER: u8 = 8;
    /// In another colour than black.
    pub const COLOR: u8 = 16;
    /// A link into the same document.
    pub const LINK: u8 = 32;
    const LETTERS: [(u8, char); 6] = [
        (Self::BOLD, 'b'),
        (Self::ITALIC, 'i'),
        (Self::UNDERLINE, 'u'),
        (Self::CENTER, 'c'),
        (Self::COLOR, 'k'),
        (Self::LINK, 'l'),
    ];

    /// Tells whether all of `flags` are set.
    pub fn has(self, flags: u8) -> bool {
        self.flags & flags == flags
    }

    /// Tells whether letters are bold, italic or underlined.
    pub fn is_emphasized(self) -> bool {
        self.flags & (Self::BOLD | Self::ITALIC | Self::UNDERLINE) != 0
    }
}

impl From<Style> for String {
    fn from(style: Style) -> Self {
        let mut text: String =
            Style::LETTERS.iter().filter(|(flag, _)| style.has(*flag)).map(|(_, letter)| *letter).collect();
        if style.half_points > 0 {
            text.push_str(&(style.half_points / 2).to_string());
            if style.half_points % 2 == 1 {
                text.push_str(".5");
            }
        }
        text
    }
}

impl From<String> for Style {
    fn from(text: String) -> Self {
        let mut style = Style::default();
        for (flag, letter) in Style::LETTERS {
            if text.contains(letter) {
                style.flags |= flag;
            }
        }
        let digits = text.trim_start_matches(|c: char| c.is_ascii_lowercase());
        if let Ok(points) = digits.parse::<f32>() {
            style.half_points = (points * 2.0).clamp(0.0, 255.0) as u8;
        }
        style
    }
}

/// A run of letters of one typography: byte range in the element's text, and the style.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run(pub u32, pub u32, pub Style);

/// One piece of a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Element {
    /// What it is.
    #[serde(rename = "type")]
    pub kind: ElementKind,
    /// The visible text: entities resolved, white space joined; a line feed where the document breaks the line.
    pub text: String,
    /// Depth: 0 for a part, 1 for an item, 2 for headings below, 3 and more for further headings; text has the level of
    /// the heading above it plus one.
    pub level: u8,
    /// The bytes from the first to the last letter.
    pub span: Span,
    /// Runs that differ from the body text of the document, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<Run>,
    /// Where the text lies in the file: `[offset in text, offset in file]` at the start of each stretch in which the two
    /// advance together. Left out where it is one stretch.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub offsets: Vec<(u32, u64)>,
}

impl Element {
    /// Returns the offset in the file of the letter at `offset` in the text.
    pub fn file_offset(&self, offset: usize) -> u64 {
        let after = self.offsets.partition_point(|&(text, _)| text as usize <= offset);
        match after.checked_sub(1).map(|index| self.offsets[index]) {
            Some((text, file)) => file + (offset - text as usize) as u64,
            None => self.span.start + offset as u64,
        }
    }

    /// Returns the bytes of the file that `text[start..end]` was made from; empty ranges give an empty span.
    pub fn span_of(&self, start: usize, end: usize) -> Span {
        if start >= end {
            let at = self.file_offset(start.min(self.text.len()));
            return Span { start: at, end: at };
        }
        if end >= self.text.len() {
            return Span { start: self.file_offset(start), end: self.span.end };
        }
        // The end is where the next letter begins, unless a new stretch begins just there: then the last letter's own
        // stretch says where it ends.
        let at = self.offsets.partition_point(|&(text, _)| (text as usize) < end);
        let end_in_file = match at.checked_sub(1).map(|index| self.offsets[index]) {
            Some((text, file)) => file + (end - text as usize) as u64,
            None => self.span.start + end as u64,
        };
        // Inside an entity the stretch is shorter in the text than in the file: then the next stretch is the truth.
        let next = self.offsets.get(at).map_or(end_in_file, |&(text, file)| {
            if text as usize == end && file < end_in_file + ENTITY_LEN_MAX {
                file.max(end_in_file)
            } else {
                end_in_file
            }
        });
        Span { start: self.file_offset(start), end: next }
    }

    /// Returns the part `text[start..end]` as an element of its own, with its runs, offsets and span.
    ///
    /// `start` and `end` must lie on letters' borders.
    pub fn slice(&self, start: usize, end: usize) -> Element {
        let first = self.runs.partition_point(|run| run.1 as usize <= start);
        let runs = self.runs[first..]
            .iter()
            .take_while(|run| (run.0 as usize) < end)
            .map(|run| {
                Run(run.0.max(start as u32) - start as u32, run.1.min(end as u32) - start as u32, run.2)
            })
            .collect();
        let mut offsets: Vec<(u32, u64)> = Vec::new();
        if !self.offsets.is_empty() {
            offsets.push((0, self.file_offset(start)));
            let first = self.offsets.partition_point(|(text, _)| *text as usize <= start);
            offsets.extend(
                self.offsets[first..]
                    .iter()
                    .take_while(|(text, _)| (*text as usize) < end)
                    .map(|&(text, file)| (text - start as u32, file)),
            );
            if offsets.len() == 1 {
                offsets.clear();
            }
        }
        Element {
            kind: self.kind,
            text: self.text[start..end].to_string(),
            level: self.level,
            span: self.span_of(start, end),
            runs,
            offsets,
        }
    }

    /// Returns the style of the letter at `offset` in the text; the body's style (no flags) outside of every run.
    pub fn style_at(&self, offset: usize) -> Style {
        let at = self.runs.partition_point(|run| run.1 as usize <= offset);
        self.runs.get(at).filter(|run| run.0 as usize <= offset).map_or(Style::default(), |run| run.2)
    }

    /// Returns the flags that all letters of the text share.
    pub fn common_flags(&self) -> u8 {
        let mut flags = u8::MAX;
        let mut covered = 0;
        for run in &self.runs {
            let gap = self.text.get(covered..run.0 as usize).unwrap_or("");
            if gap.bytes().any(|byte| byte.is_ascii_alphanumeric()) {
                return 0;
            }
            let inside = self.text.get(run.0 as usize..run.1 as usize).unwrap_or("");
            if inside.bytes().any(|byte| byte.is_ascii_alphanumeric()) {
                flags &= run.2.flags;
            }
            covered = run.1 as usize;
        }
        let rest = self.text.get(covered..).unwrap_or("");
        if flags == u8::MAX || rest.bytes().any(|byte| byte.is_ascii_alphanumeric()) { 0 } else { flags }
    }
}

/// Longest distance that a single letter of the text may take in the file: an entity with its tags around it is never
/// bridged, only the entity.
const ENTITY_LEN_MAX: u64 = 12;
