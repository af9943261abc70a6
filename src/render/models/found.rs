//! Model versions that a search found, as a table and as JSON.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::query::filter::{Found, FoundRow, Lack};
use crate::query::registry::ModelView;
use crate::render::log::more_words;
use crate::render::models::json::view_json;
use crate::render::models::stage_words;
use crate::render::table::{
    COLUMNS_CHOOSE, add_evidence, add_lacking, cell, evidence_json, in_full, table, values_json,
};
use crate::render::units::one_line;

/// As many metrics are shown where nobody chose any.
const METRICS_MAX: usize = 4;

/// Writes model versions as a table: what is most asked for and the columns, or the columns alone where they were chosen. Where
/// no metric was named, those that most of the versions have are shown.
pub fn found(found: &Found<ModelView>, is_chosen: bool, width: Option<usize>) -> String {
    match found.lack() {
        None => {}
        Some(Lack::NothingRecorded) => return "no model versions yet\n".to_owned(),
        Some(_) => return "no model version answers\n".to_owned(),
    }
    let mut header = vec!["model".to_owned()];
    if !is_chosen {
        header.extend(["stage", "created (UTC)", "run"].map(str::to_owned));
    }
    header.extend(found.columns.iter().map(|column| one_line(&column.title)));
    let metrics = if found.columns.is_empty() { common_metrics(found) } else { Vec::new() };
    header.extend(metrics.iter().map(|name| one_line(name)));
    let mut rows = Vec::with_capacity(found.rows.len());
    for row in &found.rows {
        let mut cells = vec![one_line(&row.item.label())];
        if !is_chosen {
            cells.extend([
                stage_words(&row.item),
                row.item.model.created_at.format("%Y-%m-%d %H:%M"),
                row.item.model.run.map_or_else(|| "-".to_owned(), |run| run.tail(8)),
            ]);
        }
        cells.extend(row.values.iter().map(|value| cell(value.as_ref())));
        cells.extend(metrics.iter().map(|name| {
            let metric = row.item.metrics.iter().find(|metric| metric.name == *name);
            metric.map_or_else(|| "-".to_owned(), |metric| in_full(metric.value.get()))
        }));
        rows.push(cells);
    }
    add_evidence(found, &mut header, &mut rows);
    let spare: &[usize] = if is_chosen { &[] } else { &[3, 2] };
    let mut text = table(&header, &rows, spare, width, COLUMNS_CHOOSE);
    text.push_str(&more_words(found.more, "model versions"));
    text
}

/// Returns the metrics that most of the versions have, by name.
fn common_metrics(found: &Found<ModelView>) -> Vec<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for metric in found.rows.iter().flat_map(|row| &row.item.metrics) {
        *counts.entry(&metric.name).or_default() += 1;
    }
    let mut names: Vec<(&str, usize)> = counts.into_iter().collect();
    names.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    names.truncate(METRICS_MAX);
    names.sort_unstable();
    names.into_iter().map(|(name, _)| name.to_owned()).collect()
}

/// Writes model versions as JSON, each with the values of the columns.
pub fn found_json(found: &Found<ModelView>) -> Value {
    let model = |row: &FoundRow<ModelView>| {
        let mut value = view_json(&row.item);
        if !found.columns.is_empty() {
            value["values"] = values_json(&found.columns, &row.values);
        }
        if !found.questions.is_empty() {
            value["evidence"] = evidence_json(&found.questions, &row.evidence);
        }
        value
    };
    let mut document = json!({
        "format": 1,
        "models": found.rows.iter().map(model).collect::<Vec<_>>(),
        "more": found.more,
    });
    add_lacking(found, &mut document);
    document
}
