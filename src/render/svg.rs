//! Curves as SVG: one picture, a panel for each metric; no scripts, no fonts, no links, and the same bytes for the same curves.

use std::fmt::Write as _;

use crate::model::is_unsafe_to_print;
use crate::query::{Along, Chart, Curve, share};
use crate::render::table::number;
use crate::render::units::counted;

/// How the file begins, after its opening tag; by this a picture of ours is known.
const MARK: &str = "<!-- drawn by lineage -->";
const WIDTH: usize = 760;
const PANEL_HEIGHT: usize = 300;
const LEFT: usize = 80;
const RIGHT: usize = 20;
const TOP: usize = 36;
const BOTTOM: usize = 48;
const LEGEND_LINE: usize = 18;
/// Into as many columns the points of a curve are to be gathered: one for each pixel.
pub const COLUMNS: usize = WIDTH - LEFT - RIGHT;
/// Colours that people with any kind of sight can tell apart (Okabe and Ito, 2008).
const COLOURS: [&str; 7] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"];
const DASHES: [&str; 4] = ["", "6 3", "2 2", "8 3 2 3"];

/// Returns true for a picture that [`charts`] drew.
pub fn is_ours(bytes: &[u8]) -> bool {
    let front = &bytes[..bytes.len().min(400)];
    front.windows(MARK.len()).any(|part| part == MARK.as_bytes())
}

/// Draws charts, one below the other; `names` are what the runs are called.
pub fn charts(charts: &[Chart], names: &[String]) -> String {
    let panel = PANEL_HEIGHT + LEGEND_LINE * names.len() + LEGEND_LINE;
    let height = panel * charts.len();
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n{MARK}\n<rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#ffffff\"/>\n"
    );
    for (at, chart) in charts.iter().enumerate() {
        let _ = writeln!(svg, "<g transform=\"translate(0 {})\">", panel * at);
        draw(chart, names, &mut svg);
        svg.push_str("</g>\n");
    }
    svg.push_str("</svg>\n");
    svg
}

fn draw(chart: &Chart, names: &[String], svg: &mut String) {
    let bottom = PANEL_HEIGHT - BOTTOM;
    let _ = writeln!(
        svg,
        "<text x=\"{LEFT}\" y=\"22\" font-size=\"14\" font-weight=\"bold\">{}</text>",
        escaped(&chart.name)
    );
    for (quarter, value) in quarters(chart.y).into_iter().enumerate() {
        let y = bottom as f64 - quarter as f64 / 4.0 * (bottom - TOP) as f64;
        if chart.y.0 != chart.y.1 || quarter == 2 {
            let _ = writeln!(
                svg,
                "<path d=\"M{LEFT} {y:.2}H{}\" stroke=\"#dddddd\"/><text x=\"{}\" y=\"{:.2}\" text-anchor=\"end\">{}</text>",
                WIDTH - RIGHT,
                LEFT - 6,
                y + 4.0,
                number(value)
            );
        }
    }
    let marks = match chart.along {
        Along::Steps => whole(chart.x),
        Along::Seconds => quarters(chart.x).to_vec(),
    };
    for value in marks {
        let x = LEFT as f64 + share(value, chart.x) * (COLUMNS - 1) as f64;
        let _ = writeln!(
            svg,
            "<text x=\"{x:.2}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            bottom + 18,
            number(value)
        );
    }
    let _ = writeln!(
        svg,
        "<path d=\"M{LEFT} {TOP}V{bottom}H{}\" fill=\"none\" stroke=\"#444444\"/>",
        WIDTH - RIGHT
    );
    let unit = match chart.along {
        Along::Steps => "step",
        Along::Seconds => "seconds since the first point",
    };
    let _ = writeln!(
        svg,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{unit}</text>",
        LEFT + COLUMNS / 2,
        bottom + 36
    );
    for (line, curve) in chart.curves.iter().enumerate() {
        let style = style(curve.run);
        let _ = writeln!(
            svg,
            "<path d=\"{}\" fill=\"none\" stroke-linejoin=\"round\" {style}/>",
            path(chart, curve)
        );
        let y = PANEL_HEIGHT + LEGEND_LINE * line;
        let name = names.get(curve.run).map(String::as_str).unwrap_or_default();
        let _ = writeln!(
            svg,
            "<path d=\"M{LEFT} {}h24\" {style}/><text x=\"{}\" y=\"{y}\">{}</text>",
            y - 4,
            LEFT + 32,
            escaped(name)
        );
    }
    let (points, shared) = chart.points();
    if shared {
        let _ = writeln!(
            svg,
            "<text x=\"{LEFT}\" y=\"{}\" fill=\"#666666\">{} in {} columns; of each its least and its greatest are drawn</text>",
            PANEL_HEIGHT + LEGEND_LINE * chart.curves.len(),
            counted(points, "point", "points"),
            chart.width
        );
    }
}

/// Returns the ends of an axis and what divides it into four.
fn quarters((first, last): (f64, f64)) -> [f64; 5] {
    [0.0, 0.25, 0.5, 0.75, 1.0].map(|part| first * (1.0 - part) + last * part)
}

/// Returns whole numbers on an axis of steps, as far apart as 1, 2 or 5 with noughts behind it, so that there are at most six.
fn whole((first, last): (f64, f64)) -> Vec<f64> {
    let least = ((last - first) / 5.0).max(1.0);
    let power = 10_f64.powf(least.log10().floor());
    let gaps = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
    let gap = gaps.into_iter().find(|gap| *gap >= least).unwrap_or(least.ceil());
    let begin = (first / gap).ceil();
    let marks = (0..6_u8).map(|at| (begin + f64::from(at)) * gap).take_while(|value| *value <= last);
    let mut marks: Vec<f64> = marks.collect();
    // Beyond 2^53, a number and the next one may be the same.
    marks.dedup();
    marks
}

fn style(run: usize) -> String {
    let dash = DASHES[run / COLOURS.len() % DASHES.len()];
    let dash = if dash.is_empty() { String::new() } else { format!(" stroke-dasharray=\"{dash}\"") };
    format!("stroke=\"{}\" stroke-width=\"1.5\"{dash}", COLOURS[run % COLOURS.len()])
}

/// Writes the way of a curve: through the first, the least, the greatest and the last of each column.
fn path(chart: &Chart, curve: &Curve) -> String {
    let bottom = (PANEL_HEIGHT - BOTTOM) as f64;
    let y = |value: f64| bottom - share(value, chart.y) * (bottom - TOP as f64);
    let mut path = String::new();
    let mut last = None;
    for column in &curve.columns {
        let x = LEFT as f64 + column.at as f64 * (COLUMNS - 1) as f64 / (chart.width - 1) as f64;
        for value in [column.first, column.min, column.max, column.last] {
            let place = format!("{x:.2} {:.2}", y(value));
            if last.as_ref() != Some(&place) {
                let _ = write!(path, "{}{place}", if last.is_none() { "M" } else { "L" });
                last = Some(place);
            }
        }
    }
    // A single point would not be seen.
    if curve.columns.len() == 1 && !path.contains('L') {
        path.push_str("h0.01");
    }
    path
}

/// Writes text so that it is text in XML, without what XML cannot hold or what would turn the reading direction.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            character if is_unsafe_to_print(character) || matches!(character, '\u{fffe}' | '\u{ffff}') => {
                safe.extend(character.escape_default());
            }
            character => safe.push(character),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_marked_at_whole_numbers() {
        let check = |first: f64, last: f64, expected: &[f64]| assert_eq!(whole((first, last)), expected);
        check(0.0, 1.0, &[0.0, 1.0]);
        check(0.0, 7.0, &[0.0, 2.0, 4.0, 6.0]);
        check(3.0, 8.0, &[3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
        check(0.0, 9_999.0, &[0.0, 2_000.0, 4_000.0, 6_000.0, 8_000.0]);
        check(-30.0, 12.0, &[-30.0, -20.0, -10.0, 0.0, 10.0]);
        check(1e18, 1e18, &[1e18]);
    }
}
