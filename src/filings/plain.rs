//! Plain text into elements: paragraphs, headings and tables by blank lines, indentation and the tags of EDGAR's old format.

use super::element::{Element, ElementKind, Run, Span, Style};
use super::encoding::{Source, TextBuffer, line_end, lossy};
use super::html::Draft;
use super::section::{FormKind, Section};
use super::sixteen::{SIXTEEN, Sixteen};
use super::words::{item_label, key};

/// A line of the file without the white space around it.
#[derive(Clone, Copy)]
struct Line {
    /// First byte, before any white space.
    begin: usize,
    /// First byte of the text.
    start: usize,
    end: usize,
    indent: usize,
}

/// A tab in front of a line counts as so many spaces.
const TAB_WIDTH: usize = 8;

struct Reader<'a> {
    source: Source<'a>,
    draft: Draft<'a>,
    lines: Vec<Line>,
    /// Inside `<TABLE>`.
    in_table: bool,
    /// Offset of a form feed, before which there is none from the line on that is read; the end where there is none.
    next_feed: usize,
}

/// Cuts the document into elements.
pub fn read<'a>(source: &Source<'a>) -> Draft<'a> {
    let mut reader = Reader {
        source: *source,
        draft: Draft::default(),
        lines: Vec::new(),
        in_table: false,
        next_feed: source.start,
    };
    let bytes = &source.bytes[..source.end];
    let mut at = source.start;
    while at < source.end {
        let end = line_end(bytes, at);
        reader.line(at, end);
        at = end + 1;
    }
    reader.flush(false);
    reader.draft
}

impl Reader<'_> {
    fn line(&mut self, start: usize, end: usize) {
        let raw = &self.source.bytes[start..end];
        let has_feed = self.has_feed(start, end);
        let (skipped, tabs) = indentation(raw);
        let text = raw[skipped..].trim_ascii_end();
        if text.is_empty() {
            if !self.in_table {
                self.flush(false);
            } else if has_feed {
                self.draft.page_breaks.push(start as u64);
            }
            return;
        }
        if text[0] == b'<' && self.markup(text, start) {
            return;
        }
        let line = Line {
            begin: start,
            start: start + skipped,
            end: start + skipped + text.len(),
            indent: skipped + tabs * (TAB_WIDTH - 1),
        };
        if has_feed {
            self.flush(false);
            self.draft.page_breaks.push(start as u64);
        }
        if text.iter().all(|byte| matches!(byte, b'-' | b'=' | b'_' | b'*' | b' ' | b'~')) {
            if !self.in_table && text.len() > 1 {
                self.flush(true);
            }
            return;
        }
        if !self.in_table && self.begins_paragraph(line) {
            self.flush(false);
        }
        self.lines.push(line);
    }

    /// Tells whether a form feed stands in `start..end`. Lines are asked about in order.
    fn has_feed(&mut self, start: usize, end: usize) -> bool {
        if self.next_feed <= start {
            let rest = &self.source.bytes[start..self.source.end];
            self.next_feed = memchr::memchr(0x0c, rest).map_or(self.source.end, |found| start + found);
        }
        self.next_feed < end
    }

    /// Treats a line that begins with a tag; tells whether there is nothing else in it.
    fn markup(&mut self, text: &[u8], start: usize) -> bool {
        let name_len =
            text[1..].iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'/').count();
        match text[1..1 + name_len].to_ascii_uppercase().as_slice() {
            b"PAGE" => {
                self.flush(false);
                self.draft.page_breaks.push(start as u64);
                true
            }
            b"TABLE" => {
                self.flush(false);
                self.in_table = true;
                true
            }
            b"/TABLE" => {
                self.flush(false);
                self.in_table = false;
                true
            }
            b"CAPTION" | b"/CAPTION" | b"S" | b"C" | b"FN" | b"/FN" | b"TEXT" | b"/TEXT" => {
                memchr::memrchr(b'>', text).is_some_and(|last| last + 1 == text.len())
            }
            _ => false,
        }
    }

    /// Tells whether `line` begins a paragraph although no blank line stands before it.
    fn begins_paragraph(&self, line: Line) -> bool {
        let Some(last) = self.lines.last() else {
            return false;
        };
        let bytes = self.source.bytes;
        let text = &bytes[line.start..line.end];
        if begins_with_label(text) {
            return !self.is_within_sentence(line);
        }
        if self.lines.len() == 1
            && is_whole_heading(&bytes[last.start..last.end], text)
            && !continues_title(text)
        {
            return true;
        }
        let is_short = last.indent + (last.end - last.start) < 55;
        let ends_sentence = bytes[..last.end].ends_with(b".") || bytes[..last.end].ends_with(b":");
        line.indent >= last.indent + 3
            && line.indent <= 12
            && (ends_sentence || (is_short && self.lines.len() == 1))
    }

    /// Tells whether `line`, which begins with the label of an item, only goes on with the sentence of the lines before it.
    fn is_within_sentence(&self, line: Line) -> bool {
        let (Some(first), Some(last)) = (self.lines.first(), self.lines.last()) else {
            return false;
        };
        let bytes = self.source.bytes;
        line.indent <= last.indent
            && leads_into_label(
                &bytes[first.start..first.end],
                &bytes[last.start..last.end],
                &bytes[line.start..line.end],
            )
    }

    /// Ends the paragraph or table; `underlined` says that a rule of dashes stands below it.
    fn flush(&mut self, underlined: bool) {
        let (Some(&first), Some(&last)) = (self.lines.first(), self.lines.last()) else {
            return;
        };
        let lines = std::mem::take(&mut self.lines);
        let is_label = |line: &Line| item_label(&self.source.decode(line.start, line.end)).is_some();
        let is_tabular = self.in_table || is_table(self.source.bytes, &lines);
        if is_tabular && lines.iter().any(is_label) {
            // A table of contents, or a heading set as a table: each line for itself.
            for line in &lines {
                let element = paragraph(&self.source, &[*line], false);
                self.draft.elements.push(element);
            }
        } else if is_tabular {
            // The columns of a table are in its spaces: lines stay as they are.
            let rows: Vec<_> = lines.iter().map(|line| self.source.decode(line.begin, line.end)).collect();
            self.draft.elements.push(Element {
                kind: ElementKind::TableElement,
                text: rows.join("\n"),
                level: 0,
                span: Span { start: first.start as u64, end: last.end as u64 },
                runs: Vec::new(),
                offsets: Vec::new(),
            });
        } else {
            let element = paragraph(&self.source, &lines, underlined);
            self.draft.elements.push(element);
        }
        self.lines = lines;
        self.lines.clear();
    }
}

/// Counts the white space in front of a line's text, and the tabs in it; spaces eight at a time.
fn indentation(line: &[u8]) -> (usize, usize) {
    const SPACES: u64 = u64::from_le_bytes([b' '; 8]);
    let mut skipped = 0;
    for eight in line.as_chunks::<8>().0 {
        let differing = u64::from_le_bytes(*eight) ^ SPACES;
        skipped += differing.trailing_zeros() as usize / 8;
        if differing != 0 {
            break;
        }
    }
    let mut tabs = 0;
    for byte in line[skipped..].iter().take_while(|byte| byte.is_ascii_whitespace()) {
        skipped += 1;
        tabs += usize::from(*byte == b'\t');
    }
    (skipped, tabs)
}

/// Tells whether most lines have columns: gaps of three and more spaces, or dot leaders, beside digits.
fn is_table(bytes: &[u8], lines: &[Line]) -> bool {
    let mut tabular = 0;
    for (at, line) in lines.iter().enumerate() {
        tabular += usize::from(is_tabular(&bytes[line.start..line.end]));
        let left = lines.len() - at - 1;
        if (tabular + left) * 2 <= lines.len() {
            return false;
        }
    }
    true
}

/// Tells whether text of a `<pre>` is a table.
pub fn is_table_text(text: &[u8]) -> bool {
    let mut lines = 0;
    let mut tabular = 0;
    for line in text.split(|byte| *byte == b'\n') {
        let line = line.trim_ascii();
        if !line.is_empty() {
            lines += 1;
            tabular += usize::from(is_tabular(line));
        }
    }
    tabular * 2 > lines && lines > 1
}

/// Tells whether a line begins with the label of an item: "Item 2."
pub fn begins_with_label(line: &[u8]) -> bool {
    let line = line.trim_ascii_start();
    line.get(..4).is_some_and(|word| word.eq_ignore_ascii_case(b"item"))
        && item_label(&lossy(&line[..line.len().min(80)])).is_some()
}

/// Tells whether a line is the heading of an item with its whole title, "ITEM 1A. RISK FACTORS (continued)", or with none of
/// it, "Part I, Item 1A", where `next` does not begin with the title.
fn is_whole_heading(line: &[u8], next: &[u8]) -> bool {
    // Quick refusal of almost every line.
    if line.len() > HEADING_LEN_MAX || memchr::memchr2(b't', b'T', line).is_none_or(|at| at > LABEL_AT_MAX) {
        return false;
    }
    let text = lossy(line);
    let Some(label) = item_label(&text) else { return false };
    let next = lossy(next);
    let written = key(&text[label.end..]);
    let written = written.strip_suffix("continued").unwrap_or(&written);
    [FormKind::Annual, FormKind::Quarterly].into_iter().any(|form| {
        Section::numbered(form, label.first).any(|section| {
            let is_title = section.title(form).is_some_and(|title| key(title) == written);
            is_title || (written.is_empty() && section.title_end(form, &next).is_none())
        })
    })
}

/// "Item" and "Part" have their first "t" no further behind.
const LABEL_AT_MAX: usize = 8;

/// The longest caption of a form does not fit on one line anyway.
const HEADING_LEN_MAX: usize = 100;

/// Tells whether a line goes on with the title of the line before it: "and Uncertainties", "OF OPERATIONS".
fn continues_title(line: &[u8]) -> bool {
    const WORDS: [&[u8]; 9] = [b"and", b"or", b"of", b"for", b"in", b"to", b"with", b"&", b"(continued)"];
    let word = line.split(|byte| byte.is_ascii_whitespace()).next().unwrap_or(line);
    WORDS.iter().any(|other| word.eq_ignore_ascii_case(other))
}

/// Tells whether the label at the beginning of `line` is only named by a sentence, whose paragraph begins with `first` and
/// whose line before is `last`: "which are described in / Item 1A. Risk Factors, and".
pub fn leads_into_label(first: &[u8], last: &[u8], line: &[u8]) -> bool {
    let last = last.trim_ascii();
    let is_full = last.len() >= FULL_LINE_LEN_MIN;
    let goes_on = last.last().is_some_and(|byte| byte.is_ascii_lowercase() || *byte == b',');
    // Lines of a list of contents may be as long, and headings are set in capitals.
    is_full && goes_on && !line.starts_with(b"ITEM") && !begins_with_label(first)
}

/// A sentence that goes on fills its line: two thirds of what a typist's page is wide.
const FULL_LINE_LEN_MIN: usize = 50;

/// Tells whether a line has columns: gaps of three and more bytes beside digits, or three gaps. A tab is a gap by itself.
fn is_tabular(line: &[u8]) -> bool {
    let (mut gaps, mut digits) = (0, 0);
    // Of the three bytes before, those that may belong to a gap.
    let mut before = 0;
    for at in (0..line.len()).step_by(SIXTEEN) {
        let sixteen = Sixteen::at(line, at);
        if sixteen.equal(b'\t') != 0 {
            return is_tabular_with_tabs(line);
        }
        let empty = sixteen.equal(b' ') | sixteen.equal(b'.');
        let run = empty << 3 | before;
        // Behind the end of the line nothing ends a gap.
        let in_line = u32::MAX >> (u32::BITS as usize - (line.len() - at).min(SIXTEEN));
        gaps += (!empty & run >> 2 & run >> 1 & run & in_line).count_ones();
        digits |= sixteen.within(b'0', b'9');
        if gaps >= 3 {
            return true;
        }
        before = run >> SIXTEEN;
    }
    match gaps {
        2 => digits != 0,
        1 => line.last().is_some_and(u8::is_ascii_digit),
        _ => false,
    }
}

fn is_tabular_with_tabs(line: &[u8]) -> bool {
    let mut gaps = 0;
    let mut run = 0;
    let mut has_digit = false;
    for byte in line {
        match byte {
            b' ' | b'.' => run += 1,
            b'\t' => run += 3,
            _ => {
                gaps += usize::from(run >= 3);
                run = 0;
                has_digit |= byte.is_ascii_digit();
                if gaps >= 3 || (gaps == 2 && has_digit) {
                    return true;
                }
            }
        }
    }
    gaps == 1 && line.last().is_some_and(u8::is_ascii_digit)
}

/// Makes one element of lines; a line feed stays where each line ends.
fn paragraph(source: &Source<'_>, lines: &[Line], underlined: bool) -> Element {
    let bytes = lines.iter().map(|line| line.end - line.start + 1).sum();
    // A line is a stretch, and most have a gap in them or are indented.
    let mut buffer = TextBuffer::with_room(bytes, lines.len() * 2);
    for line in lines {
        if !buffer.text.is_empty() {
            let at = buffer.end as usize;
            buffer.push_break('\n', at);
        }
        buffer.push(source, line.start, line.end, false);
    }
    let mut style = Style::default();
    if underlined && lines.len() <= 3 {
        style.flags |= Style::UNDERLINE;
    }
    let is_centred = |line: &Line| {
        let width = 2 * line.indent + (line.end - line.start);
        line.indent >= 12 && (64..=92).contains(&width)
    };
    if lines.len() <= 3 && lines.iter().all(is_centred) {
        style.flags |= Style::CENTER;
    }
    let start = buffer.start();
    if buffer.offsets.len() == 1 {
        buffer.offsets = Vec::new();
    }
    let len = buffer.text.len() as u32;
    let runs = if style == Style::default() { Vec::new() } else { vec![Run(0, len, style)] };
    Element {
        kind: ElementKind::TextElement,
        level: 0,
        span: Span { start, end: buffer.end.max(start) },
        text: buffer.text,
        runs,
        offsets: buffer.offsets,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Line, indentation, is_table, is_tabular};

    proptest! {
        #[test]
        fn a_table_has_columns_in_more_than_half_of_its_lines(columns in proptest::collection::vec(any::<bool>(), 1..9)) {
            let rows: Vec<&str> = columns.iter().map(|columns| if *columns { "a    5" } else { "a 5" }).collect();
            let text = rows.concat();
            let mut end = 0;
            let line = |row: &&str| {
                let start = end;
                end += row.len();
                Line { begin: start, start, end, indent: 0 }
            };
            let lines: Vec<Line> = rows.iter().map(line).collect();
            let tabular = columns.iter().filter(|columns| **columns).count();
            prop_assert_eq!(is_table(text.as_bytes(), &lines), tabular * 2 > rows.len());
        }

        #[test]
        fn the_indentation_of_a_line_is_its_white_space_in_front(line in r"( {0,20}[ \t\r\x0c]{0,3}){0,2}[a ]{0,9}") {
            let text = line.as_bytes().trim_ascii_start();
            let front = &line.as_bytes()[..line.len() - text.len()];
            let tabs = front.iter().filter(|byte| **byte == b'\t').count();
            prop_assert_eq!(indentation(line.as_bytes()), (front.len(), tabs));
        }

        #[test]
        fn columns_are_gaps_beside_digits(line in r"(([a\x2d5]{0,2}[ .\t]{0,4}){0,5}|([a5]{0,9}[ .]{0,4}){0,5})[a5]?") {
            let wide = line.replace('\t', "   ");
            // Gaps end in something, and the white space before the first word counts.
            let gaps = wide.trim_end_matches([' ', '.']).split(|letter| !matches!(letter, ' ' | '.'));
            let gaps = gaps.filter(|gap| gap.len() >= 3).count();
            let has_digit = line.contains('5');
            let expected = gaps >= 3 || (gaps == 2 && has_digit) || (gaps == 1 && line.ends_with('5'));
            prop_assert_eq!(is_tabular(line.as_bytes()), expected);
        }
    }
}
