//! Parsing: the bytes of a file into elements, facts and the places of the form's items.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer};

use super::VERSION;
use super::container;
use super::element::{Element, ElementKind, Run, Span, Style};
use super::encoding::Source;
use super::header::{self, Facts};
use super::locate::{Located, outline};
use super::section::{FormKind, Section};
use super::words::{has_at_most_words, is_capitals};
use super::{furniture, html, items, plain};
use crate::error::{Error, Result};

/// A filing's main document, cut into elements.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Parsed {
    version: u32,
    form_type: Option<String>,
    metadata: ParsedMetadata,
    section_names: Vec<String>,
    sections: Vec<Located>,
    /// The items were found by their numbers.
    is_numbered: bool,
    /// Items that a table of contents or cross-reference index names.
    listed: Vec<Section>,
    tree: Vec<TreeNode>,
    /// The last field: [`Parsed::to_json`] writes it by itself.
    #[serde(serialize_with = "leave_out")]
    elements: Vec<Element>,
}

/// Writes an empty list in the place of the elements.
fn leave_out<S: Serializer>(_: &[Element], serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_seq([(); 0])
}

/// The facts of the filing and counts of the elements.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct ParsedMetadata {
    #[serde(flatten)]
    facts: Facts,
    filing_name: String,
    encoding: String,
    format: String,
    document_span: Span,
    total_elements: usize,
    num_sections: usize,
    element_types: BTreeMap<String, usize>,
}

/// How much of a document's text, in bytes, lies in items, and where the rest lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Coverage {
    /// Text of items and their headings.
    pub in_items: usize,
    /// Text before the first item: cover page and table of contents.
    pub before: usize,
    /// Text between items that belongs to none.
    pub between: usize,
    /// Text behind the last item: signatures, exhibits, statements that an item only points to.
    pub behind: usize,
}

impl Coverage {
    /// Returns the share of the text in items, from 0 to 1; 0 for a document without text.
    pub fn share(&self) -> f64 {
        let all = self.in_items + self.before + self.between + self.behind;
        if all == 0 { 0.0 } else { self.in_items as f64 / all as f64 }
    }
}

/// A heading in the tree of headings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct TreeNode {
    text: String,
    #[serde(rename = "type")]
    kind: ElementKind,
    level: u8,
    /// Number of headings above it.
    depth: usize,
}

/// Parses the bytes of one whole file as it lies on disk: a submission, one HTML document, or plain text.
///
/// Of a submission only the main document is read, by byte range.
///
/// # Errors
/// Fails where the bytes are empty, no filing, or hold no main document. The message does not name the file.
pub fn parse(bytes: &[u8]) -> Result<Parsed> {
    let container = container::locate(bytes)?;
    let source = Source::new(bytes, container.start, container.end);
    let draft = if container.is_html { html::read(&source) } else { plain::read(&source) };
    let mut elements = draft.elements;
    if elements.is_empty() {
        return Err(
            Error::request("the main document holds no text").hint("fetch the filing again from EDGAR")
        );
    }
    if container.is_html {
        split_at_labels(&mut elements);
    }
    settle_body_style(&mut elements);
    furniture::mark(&mut elements, &draft.page_breaks);
    let facts = header::read(&source, &container, &elements);
    let form = form_kind(facts.form_type.as_deref());
    let links = resolve_links(&elements, &draft.links, &draft.anchors);
    let pages = furniture::pages(&mut elements, &draft.page_breaks);
    let outline = outline(&elements, form, &links, &pages, is_after_2005(&facts));
    name_kinds(&mut elements, &outline);
    let section_names: Vec<String> = outline.sections.iter().map(|section| section.title.clone()).collect();
    let metadata = ParsedMetadata {
        filing_name: facts.filing_name(),
        encoding: source.encoding().to_string(),
        format: if container.is_html { "html" } else { "text" }.to_string(),
        document_span: Span { start: container.start as u64, end: container.end as u64 },
        total_elements: elements.len(),
        num_sections: section_names.len(),
        element_types: count_kinds(&elements),
        facts,
    };
    Ok(Parsed {
        version: VERSION,
        form_type: metadata.facts.form_type.clone(),
        section_names,
        is_numbered: outline.is_numbered,
        sections: outline.sections,
        listed: outline.listed,
        tree: tree(&elements),
        metadata,
        elements,
    })
}

impl Parsed {
    /// Returns the number of elements.
    pub fn elements_count(&self) -> usize {
        self.elements.len()
    }

    /// Returns the form type, such as `10-K405/A`, where the filing says it.
    pub fn form_type(&self) -> Option<&str> {
        self.form_type.as_deref()
    }

    /// Tells whether the main document is HTML; it is plain text otherwise.
    pub fn is_html(&self) -> bool {
        self.metadata.format == "html"
    }

    /// Returns the bytes of the main document in the file.
    pub fn document_span(&self) -> Span {
        self.metadata.document_span
    }

    /// Returns the facts of the filing.
    pub fn facts(&self) -> &Facts {
        &self.metadata.facts
    }

    /// Returns the items that were found, in the order of the document.
    pub fn sections(&self) -> &[Located] {
        &self.sections
    }

    /// Counts how much of the document lies in items. Headings of parts, page furniture and tables of contents count for
    /// none of the places.
    pub fn coverage(&self) -> Coverage {
        let mut is_covered = vec![false; self.elements.len()];
        let (mut first, mut last) = (self.elements.len(), 0);
        for section in &self.sections {
            for (start, end) in section.stretches() {
                let from = if start == section.start { section.heading } else { start.element };
                let to = end.element + usize::from(end.offset > 0);
                // What an index says of an item stands in the index, not among the items.
                if self.elements.get(from).is_some_and(|e| e.kind == ElementKind::TableOfContentsElement) {
                    continue;
                }
                let to = to.clamp(from, self.elements.len());
                is_covered[from..to].fill(true);
                first = first.min(from);
                last = last.max(to);
            }
        }
        let mut coverage = Coverage::default();
        for (index, element) in self.elements.iter().enumerate() {
            let is_part = element.kind == ElementKind::TopSectionTitle && element.level == 0;
            let is_text =
                !matches!(element.kind, ElementKind::SupplementaryText | ElementKind::TableOfContentsElement);
            let place = if is_covered[index] {
                &mut coverage.in_items
            } else if is_part || !is_text {
                continue;
            } else if index < first {
                &mut coverage.before
            } else if index >= last {
                &mut coverage.behind
            } else {
                &mut coverage.between
            };
            *place += element.text.len();
        }
        coverage
    }

    /// Tells whether the items were found by their numbers, and not by titles, pages and statements.
    pub fn is_numbered(&self) -> bool {
        self.is_numbered
    }

    /// Returns the elements in the order of the document.
    pub fn elements(&self) -> &[Element] {
        &self.elements
    }

    /// Tells whether a table of contents or cross-reference index names the item.
    pub(super) fn lists(&self, section: Section) -> bool {
        self.listed.contains(&section)
    }

    /// Tells whether the form has Item 1A at the time of the filing.
    pub(super) fn is_after_2005(&self) -> bool {
        is_after_2005(self.facts())
    }

    /// Returns the kind of form, annual where the filing does not say.
    pub fn form_kind(&self) -> FormKind {
        form_kind(self.form_type())
    }

    /// Returns the bytes of the file `…_parsed.json`: one JSON document and a line feed.
    pub fn to_json(&self) -> Vec<u8> {
        // Text with its escapes, and of each element the names of its fields, its numbers and its stretches.
        let about = |element: &Element| {
            element.text.len() * 17 / 16 + 96 + element.offsets.len() * 16 + element.runs.len() * 16
        };
        let about = self.elements.iter().map(about).sum::<usize>() + 4096;
        super::json::to_bytes_with_elements(self, &self.elements, about)
    }

    /// Reads such a file back.
    ///
    /// # Errors
    /// Fails where the bytes are no such document, or one of another version.
    pub fn from_json(bytes: &[u8]) -> Result<Parsed> {
        super::json::from_bytes(bytes, "parsed filing", |parsed: &Parsed| parsed.version)
    }
}

fn form_kind(form: Option<&str>) -> FormKind {
    match form {
        Some(form) if form.contains("10-Q") => FormKind::Quarterly,
        _ => FormKind::Annual,
    }
}

/// Item 1A came with fiscal years that end on or after 1 December 2005 (SEC Release 33-8591).
fn is_after_2005(facts: &Facts) -> bool {
    let is_late = |date: &Option<String>, from: &str| date.as_ref().map(|date| date.as_str() >= from);
    is_late(&facts.period_of_report, "20051201")
        .or_else(|| is_late(&facts.filed_as_of_date, "20060101"))
        .unwrap_or(false)
}

/// Splits elements in which several lines begin with the label of an item: a list of contents broken by `<br>`.
fn split_at_labels(elements: &mut Vec<Element>) {
    let is_split =
        |element: &Element| element.kind == ElementKind::TextElement && label_lines(&element.text).len() > 1;
    if !elements.iter().any(is_split) {
        return;
    }
    let mut split = Vec::with_capacity(elements.len() + 16);
    for element in elements.drain(..) {
        let lines = if is_split(&element) { label_lines(&element.text) } else { Vec::new() };
        if lines.is_empty() {
            split.push(element);
            continue;
        }
        let mut start = 0;
        for line in lines.into_iter().skip_while(|line| *line == 0).chain([element.text.len()]) {
            let end = start + element.text[start..line].trim_end().len();
            if end > start {
                split.push(element.slice(start, end));
            }
            start = line;
        }
    }
    *elements = split;
}

/// Returns the offsets of the lines that begin with "Item 2." or "PART II".
fn label_lines(text: &str) -> Vec<usize> {
    if !text.contains('\n') {
        return Vec::new();
    }
    let mut offsets = Vec::new();
    let mut at = 0;
    // First line of the part and line before this one.
    let mut before: Option<(&str, &str)> = None;
    for line in text.split('\n') {
        let is_named = before.is_some_and(|(first, last)| {
            plain::leads_into_label(first.as_bytes(), last.as_bytes(), line.as_bytes())
        });
        before = Some((before.map_or(line, |(first, _)| first), line));
        if plain::begins_with_label(line.as_bytes()) && !is_named {
            offsets.push(at);
            before = Some((line, line));
        }
        at += line.len() + 1;
    }
    if offsets.first().is_some_and(|first| *first > 0) {
        offsets.insert(0, 0);
    }
    offsets
}

/// Size of text that says nothing about its size, as browsers have it: 12 points.
const HALF_POINTS_DEFAULT: u8 = 24;

/// Finds the style of most letters, and leaves runs only where letters differ from it. Sizes stay where they are larger.
fn settle_body_style(elements: &mut [Element]) {
    let mut letters: BTreeMap<(u8, u8), usize> = BTreeMap::new();
    for element in elements.iter().filter(|element| element.kind == ElementKind::TextElement) {
        let mut covered = 0;
        for run in &element.runs {
            *letters.entry((run.2.half_points, run.2.flags & Style::COLOR)).or_default() +=
                (run.1 - run.0) as usize;
            covered += (run.1 - run.0) as usize;
        }
        *letters.entry((0, 0)).or_default() += element.text.len() - covered;
    }
    let body = letters.iter().max_by_key(|(_, count)| **count).map_or((0, 0), |(style, _)| *style);
    let body_size = if body.0 == 0 { HALF_POINTS_DEFAULT } else { body.0 };
    for element in elements.iter_mut() {
        if element.runs.is_empty() {
            continue;
        }
        let mut runs: Vec<Run> = Vec::with_capacity(element.runs.len().min(4));
        for mut run in element.runs.drain(..) {
            if run.2.half_points <= body_size {
                run.2.half_points = 0;
            }
            if body.1 != 0 {
                run.2.flags &= !Style::COLOR;
            }
            if run.2 == Style::default() {
                continue;
            }
            match runs.last_mut() {
                Some(last) if last.2 == run.2 && (run.0 - last.1) <= 1 => last.1 = run.1,
                _ => runs.push(run),
            }
        }
        element.runs = runs;
    }
}

/// Finds the elements at both ends of each link into the same document.
fn resolve_links(
    elements: &[Element],
    links: &[(&[u8], u64)],
    anchors: &std::collections::HashMap<&[u8], u64>,
) -> Vec<(usize, usize)> {
    let element_after = |at: u64| elements.partition_point(|element| element.span.end <= at);
    let mut pairs: Vec<(usize, usize)> = links
        .iter()
        .filter_map(|(name, at)| Some((element_after(*at), element_after(*anchors.get(name)?))))
        .filter(|(from, to)| *from < elements.len() && *to < elements.len() && from != to)
        .collect();
    pairs.sort_unstable();
    pairs.dedup();
    pairs
}

/// Gives each element its final kind and level.
fn name_kinds(elements: &mut [Element], outline: &super::locate::Outline) {
    for element in elements.iter_mut() {
        if element.kind == ElementKind::TextElement && is_title(element) {
            element.kind = ElementKind::TitleElement;
        }
    }
    for index in &outline.contents {
        elements[*index].kind = ElementKind::TableOfContentsElement;
    }
    for index in &outline.repeated {
        elements[*index].kind = ElementKind::SupplementaryText;
    }
    for index in &outline.parts {
        if elements[*index].kind != ElementKind::TableOfContentsElement {
            elements[*index].kind = ElementKind::TopSectionTitle;
            elements[*index].level = 0;
        }
    }
    let mut is_item = vec![false; elements.len()];
    for section in &outline.sections {
        let end = if section.start.offset == 0 {
            section.start.element.min(elements.len())
        } else {
            section.heading
        };
        for index in section.heading..end {
            // What an index says of an item is a line of the index.
            if elements[index].kind != ElementKind::TableOfContentsElement {
                elements[index].kind = ElementKind::TopSectionTitle;
                is_item[index] = true;
            }
        }
    }
    let mut level = 1;
    for (index, element) in elements.iter_mut().enumerate() {
        element.level = match element.kind {
            ElementKind::TopSectionTitle if is_item[index] => 1,
            ElementKind::TopSectionTitle => 0,
            ElementKind::TitleElement => title_level(element),
            _ => level + 1,
        };
        if matches!(element.kind, ElementKind::TopSectionTitle | ElementKind::TitleElement) {
            level = element.level;
        }
    }
}

/// Tells whether a whole element is set as a heading.
pub(super) fn is_title(element: &Element) -> bool {
    let text = element.text.as_str();
    let flags = element.common_flags();
    let is_emphasized = flags & (Style::BOLD | Style::ITALIC | Style::UNDERLINE) != 0;
    let capitals = is_capitals(text);
    if !capitals && !is_emphasized && flags & Style::COLOR == 0 {
        return false;
    }
    let is_short = has_at_most_words(text, items::TITLE_WORDS_MAX);
    let is_coloured = flags & Style::COLOR != 0 && flags & Style::LINK == 0 && is_short;
    (is_emphasized || is_coloured || (is_short && capitals))
        && has_at_most_words(text, HEADING_WORDS_MAX)
        && text.chars().any(char::is_alphabetic)
}

/// A risk factor's heading may be a paragraph; longer than this, emphasis is only emphasis.
const HEADING_WORDS_MAX: usize = 110;

fn title_level(element: &Element) -> u8 {
    let flags = element.common_flags();
    if flags & Style::CENTER != 0 || is_capitals(&element.text) || element.style_at(0).half_points > 0 {
        2
    } else if flags & Style::BOLD != 0 && flags & Style::ITALIC == 0 {
        3
    } else {
        4
    }
}

fn count_kinds(elements: &[Element]) -> BTreeMap<String, usize> {
    ElementKind::ALL
        .iter()
        .map(|kind| {
            (kind.name().to_string(), elements.iter().filter(|element| element.kind == *kind).count())
        })
        .filter(|(_, count)| *count > 0)
        .collect()
}

/// Lists the headings with the number of headings above each.
fn tree(elements: &[Element]) -> Vec<TreeNode> {
    let mut above: Vec<u8> = Vec::new();
    let mut nodes = Vec::new();
    for element in elements {
        if !matches!(element.kind, ElementKind::TopSectionTitle | ElementKind::TitleElement) {
            continue;
        }
        while above.last().is_some_and(|level| *level >= element.level) {
            above.pop();
        }
        let text = super::locate::one_line(&element.text);
        nodes.push(TreeNode { text, kind: element.kind, level: element.level, depth: above.len() });
        above.push(element.level);
    }
    nodes
}
