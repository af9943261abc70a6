//! HTML tables: which of them hold data, and which only place a heading, a bullet or a paragraph on the page.

use super::element::{Element, ElementKind, Run};
use super::words::item_label;

/// A table that is being read: where each of its elements stands.
pub struct TableFrame {
    first: usize,
    row: u32,
    cell: u32,
    /// Row and cell of each element from `first` on.
    places: Vec<(u32, u32)>,
    has_inner: bool,
}

/// What the cells of a table look like, taken together.
#[derive(Default)]
struct Shape {
    rows: usize,
    cells: usize,
    numeric: usize,
    prose: usize,
    row_cells_max: usize,
    labels: usize,
}

impl TableFrame {
    /// Begins a table before the element with index `first`.
    pub fn new(first: usize) -> Self {
        TableFrame { first, row: 0, cell: 0, places: Vec::new(), has_inner: false }
    }

    /// Goes to the next row.
    pub fn next_row(&mut self) {
        self.row += 1;
        self.cell = 0;
    }

    /// Goes to the next cell.
    pub fn next_cell(&mut self) {
        self.cell += 1;
    }

    /// Notes that an element with index `index` is about to be added.
    pub fn note(&mut self, index: usize, _element: &Element) {
        self.places.resize(index - self.first, (self.row, self.cell));
        self.places.push((self.row, self.cell));
    }

    /// Notes that a table inside this one has ended, and that there are now `len` elements.
    pub fn note_inner(&mut self, len: usize) {
        self.has_inner |= len.saturating_sub(self.first) > self.places.len();
        self.places.resize(len.saturating_sub(self.first), (self.row, self.cell));
    }

    /// Joins the cells of the table: to one element where it holds data, else to one per row or paragraph.
    pub fn finish(mut self, elements: &mut Vec<Element>) {
        let first = self.first.min(elements.len());
        self.places.resize(elements.len() - first, (self.row, self.cell));
        if self.places.is_empty() {
            return;
        }
        let cells: Vec<Element> = elements.drain(first..).collect();
        let is_data = !self.has_inner && is_data(&shape(&cells, &self.places));
        if is_data {
            elements.push(join_data(cells, &self.places));
        } else {
            join_layout(cells, &self.places, elements);
        }
    }
}

fn shape(cells: &[Element], places: &[(u32, u32)]) -> Shape {
    let mut shape = Shape::default();
    let mut row = None;
    let mut in_row = 0;
    for (element, place) in cells.iter().zip(places) {
        let text = element.text.as_str();
        if row != Some(place.0) {
            row = Some(place.0);
            shape.rows += 1;
            in_row = 0;
            shape.labels += usize::from(item_label(text).is_some());
        }
        let letters = text.bytes().filter(u8::is_ascii_alphabetic).count();
        let digits = text.bytes().filter(u8::is_ascii_digit).count();
        if letters == 0 && digits == 0 && !text.contains(['—', '–', '-']) {
            continue;
        }
        in_row += 1;
        shape.row_cells_max = shape.row_cells_max.max(in_row);
        shape.cells += 1;
        shape.numeric += usize::from(letters <= 2);
        shape.prose += usize::from(is_prose(text));
    }
    shape
}

/// Tells whether the text is sentences and not a label.
fn is_prose(text: &str) -> bool {
    text.len() > 250 || (text.len() > 90 && text.trim_end().ends_with(['.', ';', ':']))
}

fn is_data(shape: &Shape) -> bool {
    if shape.labels > 0 || shape.row_cells_max <= 1 {
        return false;
    }
    if shape.prose > 0 && shape.numeric * 3 < shape.cells {
        return false;
    }
    if shape.numeric * 5 >= shape.cells && shape.rows > 1 {
        return true;
    }
    shape.rows > 2 && shape.row_cells_max > 1
}

/// Joins all cells: a tab between cells, a line feed between rows. Typography and offsets are not kept for data.
fn join_data(cells: Vec<Element>, places: &[(u32, u32)]) -> Element {
    let mut cells = cells.into_iter().zip(places);
    let Some((mut table, mut last)) = cells.next() else {
        unreachable!("a table without elements is not joined");
    };
    for (cell, place) in cells {
        table.text.push(if place.0 == last.0 { '\t' } else { '\n' });
        table.text.push_str(&cell.text);
        table.span.end = table.span.end.max(cell.span.end);
        last = place;
    }
    table.kind = ElementKind::TableElement;
    table.runs.clear();
    table.offsets.clear();
    table
}

/// Joins the cells of each row where they read as one line; cells of several paragraphs stay apart.
fn join_layout(cells: Vec<Element>, places: &[(u32, u32)], elements: &mut Vec<Element>) {
    let mut row_first = elements.len();
    let mut last: Option<(u32, u32)> = None;
    for (cell, place) in cells.into_iter().zip(places) {
        let is_same_row = last.is_some_and(|last| last.0 == place.0);
        let is_same_cell = last == Some(*place);
        last = Some(*place);
        if !is_same_row {
            row_first = elements.len();
        }
        let is_line_so_far = elements.len() == row_first + 1;
        match elements.last_mut() {
            Some(line)
                if is_same_row
                    && !is_same_cell
                    && is_line_so_far
                    && line.kind == ElementKind::TextElement
                    && cell.kind == ElementKind::TextElement
                    && !(is_prose(&line.text) && is_prose(&cell.text)) =>
            {
                append(line, " ", &cell);
            }
            _ => elements.push(cell),
        }
    }
}

/// Adds `next` to the end of `element`, with `separator` between their texts.
pub fn append(element: &mut Element, separator: &str, next: &Element) {
    if element.offsets.is_empty() {
        element.offsets.push((0, element.span.start));
    }
    element.text.push_str(separator);
    let shift = element.text.len() as u32;
    element.text.push_str(&next.text);
    element.runs.extend(next.runs.iter().map(|run| Run(run.0 + shift, run.1 + shift, run.2)));
    if next.offsets.is_empty() {
        element.offsets.push((shift, next.span.start));
    } else {
        element.offsets.extend(next.offsets.iter().map(|&(text, file)| (text + shift, file)));
    }
    element.span.end = element.span.end.max(next.span.end);
}
