//! Curves drawn in text: with dots of Braille signs, or with a letter for each run where there is no colour to tell them apart.

use std::fmt::Write as _;

use crate::query::{Along, Chart, Curve, CurveColumn, share};
use crate::render::table::number;
use crate::render::units::{counted, one_line};

/// How many rows of text a curve is high.
const HEIGHT: usize = 12;
/// How wide the numbers beside it are.
const LABEL_WIDTH: usize = 11;
/// The narrowest and the widest curve, in characters.
const WIDTHS: (usize, usize) = (20, 160);
/// Colours of the curves, as ANSI has them.
const COLOURS: [&str; 6] = ["36", "33", "35", "32", "34", "31"];
/// What a curve is drawn with where there is no colour.
const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz";

/// How to draw.
#[derive(Debug, Clone, Copy)]
pub struct Drawing {
    /// How many characters a line may have.
    pub width: usize,
    /// Whether curves may be told apart by colour.
    pub colour: bool,
}

impl Drawing {
    fn curve_width(self) -> usize {
        self.width.saturating_sub(LABEL_WIDTH + 2).clamp(WIDTHS.0, WIDTHS.1)
    }

    /// Returns into how many columns the points of a chart of `runs` runs are to be gathered.
    pub fn columns(self, runs: usize) -> usize {
        if self.is_by_letter(runs) { self.curve_width() } else { 2 * self.curve_width() }
    }

    fn is_by_letter(self, runs: usize) -> bool {
        runs > 1 && !self.colour
    }
}

/// Draws a chart; `names` are what the runs are called.
pub fn chart(chart: &Chart, names: &[String], drawing: Drawing) -> String {
    let by_letter = drawing.is_by_letter(names.len());
    let canvas = if by_letter { letters(chart) } else { dots(chart) };
    let mut text = format!("{}\n", one_line(&chart.name));
    for (row, cells) in canvas.iter().enumerate() {
        let label = match row {
            0 => number(chart.y.1),
            row if row == HEIGHT - 1 && chart.y.0 != chart.y.1 => number(chart.y.0),
            row if row == HEIGHT / 2 && chart.y.0 != chart.y.1 => {
                let back = row as f64 / (HEIGHT - 1) as f64;
                number(chart.y.1 * (1.0 - back) + chart.y.0 * back)
            }
            _ => String::new(),
        };
        let sign = if label.is_empty() { '│' } else { '┤' };
        let _ = writeln!(text, "{label:>LABEL_WIDTH$} {sign}{}", painted(cells, drawing.colour));
    }
    let width = canvas.first().map_or(0, Vec::len);
    let _ = writeln!(text, "{:LABEL_WIDTH$} └{}", "", "─".repeat(width));
    let (first, last) = (number(chart.x.0), number(chart.x.1));
    let unit = match chart.along {
        Along::Steps => "step",
        Along::Seconds => "seconds",
    };
    let room = width.saturating_sub(first.chars().count() + last.chars().count());
    let _ = writeln!(text, "{:LABEL_WIDTH$}  {first}{unit:^room$}{last}", "");
    for curve in &chart.curves {
        let mark = if by_letter {
            format!("{} ", letter(curve.run))
        } else if names.len() > 1 && drawing.colour {
            format!("\u{1b}[{}m━━\u{1b}[0m ", colour(curve.run))
        } else {
            String::new()
        };
        let name = names.get(curve.run).map(String::as_str).unwrap_or_default();
        let _ = writeln!(text, "{:LABEL_WIDTH$}  {mark}{}", "", one_line(name));
    }
    text.push_str(&gathered(chart));
    text
}

/// Says how many points were gathered into how many columns.
pub(crate) fn gathered(chart: &Chart) -> String {
    let (points, shared) = chart.points();
    if !shared {
        return String::new();
    }
    let points = counted(points, "point", "points");
    format!(
        "{:LABEL_WIDTH$}  {points} in {} columns; of each column its least and its greatest are drawn\n",
        "", chart.width
    )
}

/// A character of the canvas, and the curve it belongs to.
type Cell = (char, Option<usize>);

fn painted(cells: &[Cell], colour_on: bool) -> String {
    let mut text = String::new();
    let mut current = None;
    for (sign, curve) in cells {
        let wanted = if colour_on { curve.as_ref() } else { None };
        if wanted != current {
            match wanted {
                Some(curve) => {
                    let _ = write!(text, "\u{1b}[{}m", colour(*curve));
                }
                None => text.push_str("\u{1b}[0m"),
            }
            current = wanted;
        }
        text.push(*sign);
    }
    if current.is_some() {
        text.push_str("\u{1b}[0m");
    }
    if colour_on { text } else { text.trim_end().to_owned() }
}

fn colour(curve: usize) -> &'static str {
    COLOURS[curve % COLOURS.len()]
}

fn letter(curve: usize) -> char {
    char::from(LETTERS[curve % LETTERS.len()])
}

/// Calls `set` with each place, from the left and from the top, that a curve goes through on a canvas of so many rows.
fn trace(chart: &Chart, curve: &Curve, rows: usize, mut set: impl FnMut(usize, usize)) {
    let row = |value: f64| ((1.0 - share(value, chart.y)) * (rows - 1) as f64).round() as usize;
    let mut before: Option<&CurveColumn> = None;
    for column in &curve.columns {
        for place in row(column.max)..=row(column.min) {
            set(column.at, place);
        }
        if let Some(before) = before {
            line((before.at, row(before.last)), (column.at, row(column.first)), &mut set);
        }
        before = Some(column);
    }
}

/// Draws a straight line between two places, the ends included (Bresenham's algorithm).
fn line(from: (usize, usize), to: (usize, usize), set: &mut impl FnMut(usize, usize)) {
    let wide = to.0.abs_diff(from.0) as i64;
    let high = to.1.abs_diff(from.1) as i64;
    let (right, down) = (to.0 >= from.0, to.1 >= from.1);
    let (mut x, mut y) = from;
    let mut error = wide - high;
    loop {
        set(x, y);
        if (x, y) == to {
            return;
        }
        let doubled = 2 * error;
        if doubled > -high {
            error -= high;
            x = if right { x + 1 } else { x - 1 };
        }
        if doubled < wide {
            error += wide;
            y = if down { y + 1 } else { y - 1 };
        }
    }
}

/// Draws with dots, two beside and four above one another in a character.
fn dots(chart: &Chart) -> Vec<Vec<Cell>> {
    const BITS: [[u32; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];
    let width = chart.width.div_ceil(2);
    let mut bits = vec![vec![(0_u32, None); width]; HEIGHT];
    for curve in &chart.curves {
        trace(chart, curve, HEIGHT * 4, |x, y| {
            let cell = &mut bits[y / 4][x / 2];
            cell.0 |= BITS[y % 4][x % 2];
            cell.1 = Some(curve.run);
        });
    }
    let sign = |(bits, curve): (u32, Option<usize>)| match bits {
        0 => (' ', None),
        bits => (char::from_u32(0x2800 + bits).unwrap_or('*'), curve),
    };
    bits.into_iter().map(|row| row.into_iter().map(sign).collect()).collect()
}

/// Draws each curve with its letter, and `*` where several meet.
fn letters(chart: &Chart) -> Vec<Vec<Cell>> {
    let mut cells: Vec<Vec<Cell>> = vec![vec![(' ', None); chart.width]; HEIGHT];
    for curve in &chart.curves {
        trace(chart, curve, HEIGHT, |x, y| {
            let cell = &mut cells[y][x];
            *cell = match cell.1 {
                Some(other) if other != curve.run => ('*', Some(other)),
                _ => (letter(curve.run), Some(curve.run)),
            };
        });
    }
    cells
}
