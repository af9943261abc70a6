//! The part of `RUN_REPORT.md` that tells how good the results are: the numbers of `lineage pipeline --json`, as tables.

use std::fmt::Write as _;

use crate::projection::markdown::{code, escaped};
use crate::projection::plan::report::left_out;
use crate::query::quality::{Distribution, NEAR_BITS, Quality, StatusCounts};

/// As many sections or pairs are named in each table.
const ROWS_MAX: usize = 200;

/// Writes the numbers.
pub(super) fn write(text: &mut String, quality: &Quality) {
    coverage(text, quality);
    distributions(text, quality);
    let outliers = quality.outliers.iter().map(|outlier| {
        format!(
            "{} | {} | {} | {}",
            code(&outlier.filing),
            escaped(&outlier.section),
            outlier.what,
            outlier.value
        )
    });
    table(
        text,
        "Outliers",
        "filing | section | what | number",
        "---|---|---|---:",
        outliers,
        (0, "outliers"),
    );
    let doubtful =
        quality.doubtful.iter().map(|(filing, section)| format!("{} | {}", code(filing), escaped(section)));
    table(text, "Doubtful places", "filing | section", "---|---", doubtful, (0, "doubtful places"));
    let equal = quality.duplicates.iter().map(|group| {
        let filings: Vec<String> = group.filings.iter().map(|filing| code(filing)).collect();
        format!("{} | {}", escaped(&group.section), filings.join(", "))
    });
    table(text, "The same text", "section | filings", "---|---", equal, (0, "groups"));
    let near = quality.near_duplicates.iter().map(|pair| {
        format!("{} | {} | {} | {}", escaped(&pair.section), code(&pair.one), code(&pair.other), pair.bits)
    });
    let title = format!("Nearly the same text (sketches at most {NEAR_BITS} bits apart)");
    table(
        text,
        &title,
        "section | filing | filing | bits",
        "---|---|---|---:",
        near,
        (quality.near_duplicates_more, "pairs"),
    );
}

fn coverage(text: &mut String, quality: &Quality) {
    if quality.coverage.is_empty() {
        return;
    }
    text.push_str("\n## Coverage by form and year\n\n");
    text.push_str(
        "| form | fiscal year | found | by reference | not required | absent | failed | doubtful |\n",
    );
    text.push_str("|---|---|---:|---:|---:|---:|---:|---:|\n");
    for ((form, year), counts) in &quality.coverage {
        let StatusCounts { found, by_reference, not_required, absent, failed, doubtful } = counts;
        let form = if form.is_empty() { "not known" } else { form };
        let year = year.map_or_else(|| "not known".to_owned(), |year| year.to_string());
        let _ = writeln!(
            text,
            "| {form} | {year} | {found} | {by_reference} | {not_required} | {absent} | {failed} | {doubtful} |"
        );
    }
}

fn distributions(text: &mut String, quality: &Quality) {
    let rows = [
        ("segments of a section", &quality.segments),
        ("words of a section", &quality.words),
        ("confidence", &quality.confidence),
        ("share of a document in items", &quality.item_share),
    ];
    if rows.iter().all(|(_, spread)| spread.count == 0) {
        return;
    }
    text.push_str("\n## Distributions\n\n");
    text.push_str("| | count | least | lower quartile | median | upper quartile | greatest | mean |\n");
    text.push_str("|---|---:|---:|---:|---:|---:|---:|---:|\n");
    for (what, spread) in rows.iter().filter(|(_, spread)| spread.count > 0) {
        let Distribution { count, .. } = spread;
        let numbers = [
            spread.min,
            spread.lower_quartile,
            spread.median,
            spread.upper_quartile,
            spread.max,
            spread.mean,
        ];
        let numbers = numbers.map(rounded).join(" | ");
        let _ = writeln!(text, "| {what} | {count} | {numbers} |");
    }
}

/// Writes a count as it is, and a share to a thousandth.
fn rounded(number: f64) -> String {
    if number.fract() == 0.0 { number.to_string() } else { format!("{number:.3}") }
}

/// Writes a table where there are rows, and how many of them it leaves out, with the `more` that are not among them.
fn table(
    text: &mut String,
    title: &str,
    heads: &str,
    lines: &str,
    rows: impl ExactSizeIterator<Item = String>,
    (more, what): (u64, &str),
) {
    let count = rows.len();
    if count == 0 {
        return;
    }
    let _ = writeln!(text, "\n## {title}\n\n| {heads} |\n|{lines}|");
    for row in rows.take(ROWS_MAX) {
        let _ = writeln!(text, "| {row} |");
    }
    left_out(text, count.saturating_add(usize::try_from(more).unwrap_or(usize::MAX)), ROWS_MAX, what);
}
