//! HTML into elements: a pass over the tokens that keeps only the open tags, never a tree.

use std::collections::HashMap;

use super::element::{Element, ElementKind, Run, Span, Style};
use super::encoding::{Source, TextBuffer, line_end};
use super::plain::{begins_with_label, is_table_text, leads_into_label};
use super::style::{Change, StyleCache, font_change};
use super::table::TableFrame;
use super::tokenizer::{Tag, Token, Tokens, attributes};

/// The elements of a document and what else was seen on the way.
#[derive(Default)]
pub struct Draft<'a> {
    /// Elements in the order of the document.
    pub elements: Vec<Element>,
    /// Links into the same document: target name, and the bytes of the linked text.
    pub links: Vec<(&'a [u8], u64)>,
    /// Where each name that a link may point to stands.
    pub anchors: HashMap<&'a [u8], u64>,
    /// Offsets in the file where a page ends.
    pub page_breaks: Vec<u64>,
}

/// How a tag is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Block,
    Paragraph,
    Table,
    Row,
    Cell,
    Break,
    Rule,
    Image,
    Anchor,
    Inline,
    /// Never shown, with all it holds.
    Hidden,
    /// No influence on what is read here.
    Neutral,
}

/// A tag that waits for its end.
struct Open {
    name: [u8; NAME_LEN_MAX],
    role: Role,
    /// The style outside of it.
    outside: Style,
}

const NAME_LEN_MAX: usize = 12;
/// Tags nested deeper than this are read as if they were not there: hostile input must not take memory without end.
const DEPTH_MAX: usize = 512;

/// Tables nested deeper than this place things on the page and hold no data; each level costs a pass over what is in it.
const TABLES_DEPTH_MAX: usize = 24;

/// Cuts the document into elements.
pub fn read<'a>(source: &Source<'a>) -> Draft<'a> {
    let mut reader = Reader {
        source: *source,
        draft: Draft::default(),
        open: Vec::new(),
        style: Style::default(),
        buffer: TextBuffer::default(),
        runs: Vec::new(),
        hidden: None,
        styles: StyleCache::new(),
        tables: Vec::new(),
        tables_ignored: 0,
        breaks: 0,
        is_list_item: false,
        lines_depth: 0,
    };
    for token in Tokens::new(source.bytes, source.start, source.end) {
        match token {
            Token::Text { start, end } => reader.text(start, end),
            Token::Raw => {}
            Token::Open(tag) => reader.open_tag(tag),
            Token::Close(tag) => reader.close_tag(tag),
        }
    }
    reader.flush();
    while let Some(table) = reader.tables.pop() {
        table.finish(&mut reader.draft.elements);
    }
    reader.draft
}

struct Reader<'a> {
    source: Source<'a>,
    draft: Draft<'a>,
    open: Vec<Open>,
    style: Style,
    buffer: TextBuffer,
    runs: Vec<Run>,
    /// Name of the hidden tag and how many of its name are open inside.
    hidden: Option<([u8; NAME_LEN_MAX], usize)>,
    styles: StyleCache<'a>,
    tables: Vec<TableFrame>,
    /// Open tables that are nested too deeply to be read as tables.
    tables_ignored: usize,
    /// Line breaks since the last letter.
    breaks: usize,
    is_list_item: bool,
    /// How many `<pre>` are open: in them, lines are lines.
    lines_depth: usize,
}

const PARAGRAPH: [u8; NAME_LEN_MAX] = *b"p\0\0\0\0\0\0\0\0\0\0\0";
const PRE: [u8; NAME_LEN_MAX] = *b"pre\0\0\0\0\0\0\0\0\0";

/// Returns the lower-case name, cut to its first letters.
fn short_name(bytes: &[u8]) -> [u8; NAME_LEN_MAX] {
    // Put together in a register: to copy a few bytes and to read them as many at once makes the processor wait.
    let mut name = 0u128;
    for (at, byte) in bytes.iter().take(NAME_LEN_MAX).enumerate() {
        name |= u128::from(byte.to_ascii_lowercase()) << (8 * at);
    }
    let [name @ .., _, _, _, _] = name.to_le_bytes();
    name
}

/// Returns the letters of a short name.
fn letters(name: &[u8; NAME_LEN_MAX]) -> &[u8] {
    let len = name.iter().position(|byte| *byte == 0).unwrap_or(NAME_LEN_MAX);
    &name[..len]
}

fn role_of(name: &[u8]) -> (Role, Change) {
    let none = Change::default();
    match name {
        b"p" => (Role::Paragraph, none),
        b"div" | b"body" | b"html" | b"ul" | b"ol" | b"dl" | b"dt" | b"dd" | b"blockquote" | b"section"
        | b"article" | b"header" | b"footer" | b"main" | b"nav" | b"address" | b"form" | b"pre"
        | b"fieldset" | b"figure" | b"document" | b"text" | b"page" => (Role::Block, none),
        b"li" | b"caption" => (Role::Paragraph, none),
        b"center" => (Role::Block, Change::setting(Style::CENTER)),
        b"h1" | b"h2" | b"h3" | b"h4" | b"h5" | b"h6" => (Role::Paragraph, Change::setting(Style::BOLD)),
        b"table" => (Role::Table, Change::clearing(Style::CENTER)),
        b"tr" => (Role::Row, none),
        b"td" => (Role::Cell, none),
        b"th" => (Role::Cell, Change::setting(Style::BOLD)),
        b"br" => (Role::Break, none),
        b"hr" => (Role::Rule, none),
        b"img" => (Role::Image, none),
        b"a" => (Role::Anchor, none),
        b"b" | b"strong" => (Role::Inline, Change::setting(Style::BOLD)),
        b"i" | b"em" | b"cite" => (Role::Inline, Change::setting(Style::ITALIC)),
        b"u" | b"ins" => (Role::Inline, Change::setting(Style::UNDERLINE)),
        b"span" | b"font" | b"small" | b"big" | b"sup" | b"sub" => (Role::Inline, none),
        b"ix:header" | b"ix:hidden" | b"noscript" | b"title" => (Role::Hidden, none),
        _ => (Role::Neutral, none),
    }
}

/// Tells whether a tag begins a block, before which a paragraph ends.
fn is_block(name: &[u8]) -> bool {
    matches!(role_of(name).0, Role::Block | Role::Paragraph | Role::Table | Role::Rule)
}

impl<'a> Reader<'a> {
    fn text(&mut self, start: usize, end: usize) {
        if self.hidden.is_some() {
            return;
        }
        if self.lines_depth == 0 {
            return self.text_part(start, end);
        }
        let mut at = start;
        while at <= end {
            let stop = line_end(&self.source.bytes[..end], at);
            let is_line_start = self.buffer.text.is_empty() || self.buffer.text.ends_with('\n');
            let line = &self.source.bytes[at..stop];
            if is_line_start && begins_with_label(line) && !self.is_within_sentence(line) {
                self.flush();
            }
            self.text_part(at, stop);
            if stop < end {
                if self.buffer.text.is_empty() || self.buffer.text.ends_with('\n') {
                    self.flush();
                } else {
                    self.buffer.push_break('\n', stop);
                }
            }
            at = stop + 1;
        }
    }

    /// Tells whether a line that begins with the label of an item only goes on with the sentence of the lines before it.
    fn is_within_sentence(&self, line: &[u8]) -> bool {
        let mut lines = self.buffer.text.trim_end().split('\n');
        let first = lines.next().unwrap_or("");
        let last = lines.next_back().unwrap_or(first);
        leads_into_label(first.as_bytes(), last.as_bytes(), line)
    }

    /// Adds text to the element under construction, with its style.
    fn text_part(&mut self, start: usize, end: usize) {
        let before = self.buffer.text.len();
        self.buffer.push(&self.source, start, end, true);
        let after = self.buffer.text.len();
        if after == before {
            return;
        }
        self.breaks = 0;
        if self.style == Style::default() {
            return;
        }
        match self.runs.last_mut() {
            Some(run) if run.2 == self.style && run.1 as usize == before => run.1 = after as u32,
            _ => self.runs.push(Run(before as u32, after as u32, self.style)),
        }
    }

    /// Ends the element under construction.
    fn flush(&mut self) {
        self.breaks = 0;
        let text = self.buffer.text.trim_end();
        if text.is_empty() {
            self.buffer.clear();
            self.runs.clear();
            return;
        }
        let len = text.len() as u32;
        let mut runs = std::mem::take(&mut self.runs);
        runs.retain_mut(|run| {
            run.1 = run.1.min(len);
            run.0 < run.1
        });
        let mut offsets = self.buffer.offsets.clone();
        let start = self.buffer.start();
        if offsets.len() == 1 {
            offsets.clear();
        }
        let span = Span { start, end: self.buffer.end };
        let mut element =
            Element { kind: ElementKind::TextElement, text: text.to_string(), level: 0, span, runs, offsets };
        if self.lines_depth > 0 && is_table_text(&self.source.bytes[span.start as usize..span.end as usize]) {
            element.kind = ElementKind::TableElement;
            element.runs.clear();
            element.offsets.clear();
        }
        if let Some(table) = self.tables.last_mut() {
            table.note(self.draft.elements.len(), &element);
        }
        self.draft.elements.push(element);
        self.buffer.clear();
    }

    fn open_tag(&mut self, tag: Tag) {
        let bytes = self.source.bytes;
        let name = short_name(&bytes[tag.name..tag.name_end]);
        if let Some((hidden, depth)) = &mut self.hidden {
            // A paragraph ends where a block begins, whether its end is written or not.
            if *hidden != PARAGRAPH || !is_block(letters(&name)) {
                if *hidden == name && !bytes[..tag.end].ends_with(b"/>") {
                    *depth += 1;
                }
                return;
            }
            self.hidden = None;
        }
        let (role, change) = role_of(letters(&name));
        if role == Role::Neutral {
            return;
        }
        let inside = &bytes[tag.name_end..tag.end - 1];
        let change =
            if inside.is_empty() { change } else { change.and(self.read_attributes(role, inside, tag)) };
        // Inline XBRL is XHTML, in which any tag may close itself; older HTML does not write "/>" on tags with content.
        let is_closed = bytes[..tag.end].ends_with(b"/>");
        if role == Role::Hidden || (change.hidden && !matches!(role, Role::Break | Role::Rule | Role::Image))
        {
            if !is_closed {
                self.hidden = Some((name, 1));
            }
            return;
        }
        match role {
            Role::Break => return self.line_break(tag, change),
            Role::Rule => {
                self.flush();
                self.draft.page_breaks.push(tag.start as u64);
                return;
            }
            Role::Image => return self.image(inside, tag),
            Role::Inline | Role::Anchor => {
                if change.block {
                    self.flush();
                }
            }
            Role::Block | Role::Paragraph if change.inline => {}
            _ => self.open_block(role, letters(&name), tag),
        }
        if change.page_break {
            self.draft.page_breaks.push(tag.start as u64);
        }
        if is_closed || self.open.len() >= DEPTH_MAX {
            return;
        }
        self.lines_depth += usize::from(name == PRE);
        let role = match role {
            Role::Inline if change.block => Role::Block,
            Role::Block | Role::Paragraph if change.inline => Role::Inline,
            other => other,
        };
        self.open.push(Open { name, role, outside: self.style });
        self.style = change.apply(self.style);
    }

    /// Does what the beginning of a block means for the element before it and for tags left open.
    fn open_block(&mut self, role: Role, name: &[u8], tag: Tag) {
        match role {
            Role::Table => {
                self.flush();
                if self.tables.len() < TABLES_DEPTH_MAX {
                    self.tables.push(TableFrame::new(self.draft.elements.len()));
                } else {
                    self.tables_ignored += 1;
                }
            }
            Role::Row => {
                self.flush();
                self.close_until(|open| matches!(open.role, Role::Row | Role::Cell));
                if let Some(table) = self.tables.last_mut() {
                    table.next_row();
                }
            }
            Role::Cell => {
                self.flush();
                self.close_until(|open| open.role == Role::Cell);
                if let Some(table) = self.tables.last_mut() {
                    table.next_cell();
                }
            }
            Role::Paragraph => {
                // A bullet and its paragraph are one: `<li><p>`.
                if !(name == b"p" && self.is_list_item && self.buffer.text.is_empty()) {
                    self.flush();
                }
                self.close_until(|open| open.name == short_name(name) && open.role == Role::Paragraph);
                self.is_list_item = name == b"li";
            }
            _ => self.flush(),
        }
        if name == b"page" {
            self.draft.page_breaks.push(tag.start as u64);
        }
    }

    /// Closes what is open down to the nearest tag that `is_it`, if there is one in the same table or block.
    fn close_until(&mut self, is_it: impl Fn(&Open) -> bool) {
        let stop =
            self.open.iter().rposition(|open| is_it(open) || matches!(open.role, Role::Table | Role::Block));
        if let Some(index) = stop
            && is_it(&self.open[index])
        {
            self.style = self.open[index].outside;
            self.open.truncate(index);
        }
    }

    fn line_break(&mut self, tag: Tag, change: Change) {
        if change.page_break {
            self.draft.page_breaks.push(tag.start as u64);
        }
        self.breaks += 1;
        if self.breaks >= 2 {
            let breaks = self.breaks;
            self.flush();
            self.breaks = breaks;
        } else {
            self.buffer.push_break('\n', tag.start);
        }
    }

    fn image(&mut self, inside: &'a [u8], tag: Tag) {
        let alt = attributes(inside)
            .find(|(name, _)| name.eq_ignore_ascii_case(b"alt"))
            .map_or(&b""[..], |(_, v)| v);
        let alt = String::from_utf8_lossy(alt);
        let text = htmlize::unescape_attribute(alt.as_ref()).split_whitespace().collect::<Vec<_>>().join(" ");
        if self.buffer.text.is_empty() && self.tables.is_empty() {
            self.draft.elements.push(Element {
                kind: ElementKind::ImageElement,
                text,
                level: 0,
                span: Span { start: tag.start as u64, end: tag.end as u64 },
                runs: Vec::new(),
                offsets: Vec::new(),
            });
        }
    }

    fn read_attributes(&mut self, role: Role, inside: &'a [u8], tag: Tag) -> Change {
        let mut change = Change::default();
        if matches!(role, Role::Image) {
            return change;
        }
        for (name, value) in attributes(inside) {
            match (name.len(), name.first().map(u8::to_ascii_lowercase)) {
                (5, Some(b's')) if name.eq_ignore_ascii_case(b"style") => {
                    change = change.and(self.styles.get(value));
                }
                (5, Some(b'a')) if name.eq_ignore_ascii_case(b"align") => {
                    change = change.and(if value.eq_ignore_ascii_case(b"center") {
                        Change::setting(Style::CENTER)
                    } else {
                        Change::clearing(Style::CENTER)
                    });
                }
                (4, Some(b's')) if name.eq_ignore_ascii_case(b"size") && role == Role::Inline => {
                    change = font_change(value).and(change);
                }
                (2, Some(b'i')) if name.eq_ignore_ascii_case(b"id") => self.anchor(value, tag),
                (4, Some(b'n')) if name.eq_ignore_ascii_case(b"name") => self.anchor(value, tag),
                (4, Some(b'h')) if name.eq_ignore_ascii_case(b"href") && role == Role::Anchor => {
                    if let Some(target) = value.strip_prefix(b"#")
                        && !target.is_empty()
                    {
                        self.draft.links.push((target, tag.end as u64));
                        change = change.and(Change::setting(Style::LINK));
                    }
                }
                _ => {}
            }
        }
        change
    }

    fn anchor(&mut self, name: &'a [u8], tag: Tag) {
        if !name.is_empty() {
            self.draft.anchors.entry(name).or_insert(tag.start as u64);
        }
    }

    fn close_tag(&mut self, tag: Tag) {
        let name = short_name(&self.source.bytes[tag.name..tag.name_end]);
        if let Some((hidden, depth)) = &mut self.hidden {
            if *hidden == name {
                *depth -= 1;
                if *depth == 0 {
                    self.hidden = None;
                }
            }
            return;
        }
        let (role, _) = role_of(letters(&name));
        match role {
            Role::Neutral | Role::Image | Role::Rule | Role::Hidden => return,
            Role::Break => return self.line_break(tag, Change::default()),
            _ => {}
        }
        let is_inline_tag = matches!(role, Role::Inline | Role::Anchor);
        // An inline tag is never looked for beyond its cell; a block never beyond its table.
        let stop = self.open.iter().rposition(|open| {
            open.name == name || open.role == Role::Table || (is_inline_tag && open.role == Role::Cell)
        });
        let found = stop.filter(|index| self.open[*index].name == name);
        let shown = found.map_or(role, |index| self.open[index].role);
        if !matches!(shown, Role::Inline | Role::Anchor) {
            self.flush();
        }
        if let Some(index) = found {
            self.lines_depth -= usize::from(name == PRE).min(self.lines_depth);
            self.style = self.open[index].outside;
            // An inline tag that is closed out of order leaves the blocks opened since untouched.
            if is_inline_tag {
                self.open.remove(index);
                for open in &mut self.open[index..] {
                    open.outside = self.style;
                }
            } else {
                self.open.truncate(index);
            }
        }
        match role {
            Role::Row => {
                if let Some(table) = self.tables.last_mut() {
                    table.next_row();
                }
            }
            Role::Table if self.tables_ignored > 0 => self.tables_ignored -= 1,
            Role::Table => {
                if let Some(table) = self.tables.pop() {
                    table.finish(&mut self.draft.elements);
                    if let Some(outer) = self.tables.last_mut() {
                        outer.note_inner(self.draft.elements.len());
                    }
                }
            }
            _ => {}
        }
    }
}
