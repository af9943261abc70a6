//! Tables of values that a search gives: cells, and their fitting into a terminal.

use serde_json::{Map, Value as Json, json};

use crate::model::Evidence;
use crate::query::filter::{Column, Explanation, Found, Lack, Value};
use crate::render::log::plain_table;
use crate::render::units::{counted, duration, one_line, thousands};

/// A cell narrower than this is not narrowed further.
const CELL_MIN: usize = 8;
/// Columns are this far apart.
const GAP: usize = 2;
/// How columns are had that a terminal has no room for, where they can be chosen.
pub(crate) const COLUMNS_CHOOSE: &str = "`--columns` chooses";
/// How they are had where they cannot.
pub(crate) const IN_JSON: &str = "`--json` has all";
/// As many commits are named of which something is not known.
const COMMITS_MAX: usize = 3;

/// Writes a value for people.
pub(crate) fn cell(value: Option<&Value>) -> String {
    match value {
        None => "-".to_owned(),
        Some(Value::Number(value)) => in_full(*value),
        Some(Value::Text(text) | Value::Version(text)) => one_line(text),
        Some(Value::Boolean(true)) => "yes".to_owned(),
        Some(Value::Boolean(false)) => "no".to_owned(),
        Some(Value::Moment(at)) => at.format("%Y-%m-%d %H:%M:%S"),
        Some(Value::Length(micros)) => duration(*micros),
    }
}

/// Writes a value as JSON.
pub(crate) fn cell_json(value: Option<&Value>) -> Json {
    match value {
        None => Json::Null,
        Some(Value::Number(number)) => json!(number),
        Some(Value::Text(text) | Value::Version(text)) => json!(text),
        Some(Value::Boolean(yes)) => json!(yes),
        Some(Value::Moment(at)) => json!(at.rfc3339()),
        Some(Value::Length(micros)) => json!(*micros as f64 / 1e6),
    }
}

/// Writes the values of columns as JSON, by the names they were asked for by.
pub(crate) fn values_json(columns: &[Column], values: &[Option<Value>]) -> Json {
    let pairs =
        columns.iter().zip(values).map(|(column, value)| (column.title.clone(), cell_json(value.as_ref())));
    Json::Object(pairs.collect::<Map<_, _>>())
}

/// Adds a column for each question on files that a row answers otherwise than by what was observed.
pub(crate) fn add_evidence<T>(found: &Found<T>, header: &mut Vec<String>, rows: &mut [Vec<String>]) {
    let relation = |question: &str| question.split('(').next().unwrap_or_default().to_owned();
    for (at, question) in found.questions.iter().enumerate() {
        let evidence = || found.rows.iter().map(move |row| row.evidence[at]);
        if evidence().flatten().all(|evidence| evidence == Evidence::Observed) {
            continue;
        }
        let alike = found.questions.iter().filter(|other| relation(other) == relation(question)).count();
        header.push(if alike == 1 { relation(question) } else { one_line(question) });
        for (row, evidence) in rows.iter_mut().zip(evidence()) {
            row.push(evidence.map_or("-", Evidence::as_str).to_owned());
        }
    }
}

/// Writes how surely a row answers each question on files as JSON, by the questions.
pub(crate) fn evidence_json(questions: &[String], evidence: &[Option<Evidence>]) -> Json {
    let word = |evidence: &Option<Evidence>| json!(evidence.map(Evidence::as_str));
    let pairs = questions.iter().zip(evidence).map(|(question, evidence)| (question.clone(), word(evidence)));
    Json::Object(pairs.collect::<Map<_, _>>())
}

/// Writes a number with at most six digits that mean something, and whole where it is a whole number.
pub fn number(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 || (value.fract() == 0.0 && size < 1e15) {
        return format!("{value}");
    }
    if !(1e-4..1e15).contains(&size) {
        return format!("{value:.5e}");
    }
    let before = size.log10().floor() as i32 + 1;
    let decimals = (6 - before).clamp(0, 9) as usize;
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// Writes a number with all its digits, one that is very large or very small with an exponent.
pub fn in_full(value: f64) -> String {
    let plain = value == 0.0 || (1e-5..1e17).contains(&value.abs());
    if plain { value.to_string() } else { format!("{value:e}") }
}

/// Writes rows below a header, in columns. Where there is a width to fit into, `spare` columns are left out first, in their order;
/// then cells are shortened, the widest first; then the last columns are left out. What was left out is named below, with what
/// `elsewhere` says of how it is to be had.
pub(crate) fn table(
    header: &[String],
    rows: &[Vec<String>],
    spare: &[usize],
    width: Option<usize>,
    elsewhere: &str,
) -> String {
    let length = |text: &str| text.chars().count();
    let column_width =
        |at: usize| rows.iter().map(|row| length(&row[at])).chain([length(&header[at])]).max().unwrap_or(0);
    let mut widths: Vec<usize> = (0..header.len()).map(column_width).collect();
    let mut kept: Vec<usize> = (0..header.len()).collect();
    let mut spare = spare.iter();
    while let Some(width) = width {
        let needed = kept.iter().map(|at| widths[*at]).sum::<usize>() + GAP * (kept.len() - 1);
        let Some(over) = needed.checked_sub(width).filter(|over| *over > 0) else { break };
        if let Some(spare) = spare.next() {
            kept.retain(|at| at != spare);
            continue;
        }
        // The first column is what a row is called by.
        let least = |at: usize| CELL_MIN.max(length(&header[at]));
        let widest =
            kept.iter().skip(1).copied().max_by_key(|at| (widths[*at].saturating_sub(least(*at)), *at));
        match widest {
            Some(at) if widths[at] > least(at) => {
                // As far as to the next widest, so that several share what is missing.
                let others = kept.iter().skip(1).filter(|other| **other != at).map(|other| widths[*other]);
                let next = others.max().unwrap_or(0).min(widths[at] - 1);
                widths[at] = widths[at].saturating_sub(over).max(least(at)).max(next);
            }
            Some(_) => {
                kept.pop();
            }
            None => break,
        }
    }
    let mut table = plain_table();
    let line = |cells: &[String]| -> Vec<String> {
        kept.iter().map(|at| shortened(&cells[*at], widths[*at])).collect()
    };
    table.set_header(line(header));
    for row in rows {
        table.add_row(line(row));
    }
    let mut text: String = table.lines().map(|line| format!("{}\n", line.trim())).collect();
    let left_out = (0..header.len()).filter(|at| !kept.contains(at)).map(|at| header[at].as_str());
    let left_out: Vec<&str> = left_out.collect();
    if !left_out.is_empty() {
        text.push_str(&format!("too narrow for {}; {elsewhere}\n", left_out.join(", ")));
    }
    text
}

fn shortened(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(width.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// Says of each file in an expression that nothing is recorded of it, and of how many rows it is not known whether they answer.
pub fn not_known(explanation: &Explanation, one: &str, many: &str) -> Vec<String> {
    let words = explanation.unknown_files.iter();
    let files = words.map(|word| format!("no file is recorded that `{}` names", one_line(word)));
    let commits = explanation.unknown_commits.iter().take(COMMITS_MAX).map(|(commit, rows)| {
        let commit = one_line(commit.get(..7).unwrap_or(commit));
        let rows = counted(*rows, one, many);
        format!(
            "of {rows} it is not known: commit {commit}, or what it was built on, is not in this repository"
        )
    });
    let more = explanation.unknown_commits.get(COMMITS_MAX..).unwrap_or_default();
    let rows = more.iter().map(|(_, rows)| rows).sum();
    let commits_left = counted(more.len() as u64, "more commit", "more commits");
    let rest = format!("nor of {} for {commits_left}", counted(rows, one, many));
    files.chain(commits).chain((!more.is_empty()).then_some(rest)).collect()
}

/// Adds what an answer lacks: why it has no rows and what may have been meant, words that name no recorded file, and of what it is
/// not known whether it answers.
pub(crate) fn add_lacking<T>(found: &Found<T>, document: &mut Json) {
    let explanation = &found.explanation;
    let commits = explanation.unknown_commits.iter();
    document["not_known"] = commits.map(|(commit, rows)| json!({"commit": commit, "rows": rows})).collect();
    document["unknown_files"] = json!(explanation.unknown_files);
    document["lack"] = json!(found.lack().map(Lack::as_str));
    document["hints"] = json!(explanation.hints);
}

/// Says how a search went.
pub fn explanation(explanation: &Explanation, one: &str, many: &str) -> String {
    let mut text = format!("plan: looked in {}", one_line(&explanation.source));
    if let Some(rows) = explanation.source_rows {
        text.push_str(&format!(" ({})", counted(rows, one, many)));
    }
    text.push_str(if explanation.ordered {
        ", in the order asked for until there were enough"
    } else {
        ", all of it, and sorted what was found"
    });
    if let Some((before, rows)) = &explanation.after {
        text.push_str(&format!(
            "\nplan: before that in {}, in the order asked for: {} came, with too few answers among them",
            one_line(before),
            counted(*rows, "row", "rows")
        ));
    }
    text.push_str(&format!(
        "\nplan: looked at {} of {}",
        thousands(explanation.looked_at),
        counted(explanation.total, one, many)
    ));
    if explanation.undecided > 0 {
        text.push_str(&format!(
            "; {} could not be decided for want of a value",
            thousands(explanation.undecided)
        ));
    }
    for question in &explanation.questions {
        text.push_str(&format!("\nplan: {}", one_line(question)));
    }
    text
}

/// Writes how a search went as JSON.
pub fn explanation_json(explanation: &Explanation) -> Json {
    json!({
        "source": explanation.source,
        "source_rows": explanation.source_rows,
        "ordered": explanation.ordered,
        "after": explanation.after.as_ref().map(|(source, rows)| json!({ "source": source, "rows": rows })),
        "total": explanation.total,
        "looked_at": explanation.looked_at,
        "undecided": explanation.undecided,
        "unlisted": explanation.unlisted,
        "questions": explanation.questions,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_six_digits_at_most() {
        for (value, expected) in [
            (0.0, "0"),
            (0.812_345_678, "0.812346"),
            (0.5, "0.5"),
            (-1234.5678, "-1234.57"),
            (42.0, "42"),
            (1e-7, "1.00000e-7"),
            (123_456_789.5, "123456790"),
            (1e300, "1.00000e300"),
            (0.000_123_456_7, "0.000123457"),
        ] {
            assert_eq!(number(value), expected);
        }
    }

    #[test]
    fn a_table_fits_the_terminal_or_says_what_it_left_out() {
        let header = ["run", "name", "code"].map(str::to_owned);
        let rows = vec![["e55a90bd", "a_very_long_name_of_a_run", "ea45dd2"].map(str::to_owned).to_vec()];
        let wide = table(&header, &rows, &[], None, COLUMNS_CHOOSE);
        assert_eq!(wide.lines().nth(1), Some("e55a90bd  a_very_long_name_of_a_run  ea45dd2"));
        let narrow = table(&header, &rows, &[], Some(34), COLUMNS_CHOOSE);
        assert_eq!(narrow.lines().nth(1), Some("e55a90bd  a_very_long_na…  ea45dd2"));
        let narrower = table(&header, &rows, &[], Some(20), COLUMNS_CHOOSE);
        assert_eq!(
            narrower,
            "run       name\ne55a90bd  a_very_…\ntoo narrow for code; `--columns` chooses\n"
        );
    }
}
