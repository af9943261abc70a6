//! The metrics of runs as a table, as JSON and as CSV.

use serde_json::{Value, json};

use crate::model::{ArtifactPath, Metric, MetricValue, Remark, RemarkKind, command_line};
use crate::ops::metrics::{MetricsReport, RunMetrics};
use crate::query::{MetricEnd, MetricRow, RunHead};
use crate::render::show::remark_words;
use crate::render::show_json::remark_json;
use crate::render::table::{IN_JSON, in_full, table};
use crate::render::units::{one_line, thousands};

/// Returns what a run is called beside others: the end of its key, its run id and its name.
pub fn run_name(head: &RunHead) -> String {
    format!("{}  {}  {}", head.tail, head.view.run.run_id, one_line(&head.view.run.name))
}

/// Writes the metrics of runs as a table; says whether they were chosen by name.
pub fn text(report: &MetricsReport, by_name: bool, width: Option<usize>) -> String {
    let several = report.runs.len() > 1;
    let mut header = vec!["metric", "last", "min", "max", "points", "steps"];
    if several {
        header.insert(0, "run");
    }
    let header: Vec<String> = header.into_iter().map(str::to_owned).collect();
    let mut rows = Vec::new();
    for run in &report.runs {
        for row in run.rows.iter().flat_map(|metric| lines(run, metric)) {
            let run = several.then(|| run.head.tail.clone());
            rows.push(run.into_iter().chain(row).collect());
        }
    }
    let mut text =
        if rows.is_empty() { none(report, by_name) } else { table(&header, &rows, &[], width, IN_JSON) };
    let left_out: usize = report.runs.iter().map(|run| run.left_out).sum();
    if left_out > 0 {
        text.push_str(&format!("and {} more; `--limit 0` lists all\n", thousands(left_out as u64)));
    }
    for RunMetrics { head, .. } in &report.runs {
        let front = if several { format!("run {}: ", head.tail) } else { String::new() };
        let refused: Vec<&Remark> = refused(head).collect();
        for remark in refused.iter().take(REFUSED_MAX) {
            text.push_str(&format!("refused  {front}{}\n", remark_words(remark)));
        }
        let more = refused.len().saturating_sub(REFUSED_MAX) as u64;
        if more > 0 {
            text.push_str(&format!("refused  {front}{} more; `--json` lists all\n", thousands(more)));
        }
    }
    text
}

/// As much of what was refused is told of each run.
const REFUSED_MAX: usize = 10;

/// Returns what the command of a run gave and was not taken: where a loss ends before it was no number, that is not its end.
fn refused(head: &RunHead) -> impl Iterator<Item = &Remark> {
    head.view.all_remarks().0.filter(|remark| remark.kind == RemarkKind::Refused)
}

fn none(report: &MetricsReport, by_name: bool) -> String {
    let who = match report.runs.as_slice() {
        [run] => format!("run {} has", run.head.tail),
        _ => "these runs have".to_owned(),
    };
    let store = report.runs.iter().find_map(|run| run.mlflow.as_ref());
    if let Some(store) = store {
        let import =
            command_line(&["lineage", "import", &store.to_string(), "--format", "mlflow"].map(str::to_owned));
        return format!("{who} no metrics here; what MLflow has in {store}, `{import}` takes over\n");
    }
    match by_name {
        true => format!("{who} no metric of such a name\n"),
        false => format!(
            "{who} no metrics; `lineage metric`, called by the command, and its file `metrics.json` record them\n"
        ),
    }
}

/// Writes a metric; what several files gave, file by file.
fn lines(run: &RunMetrics, metric: &MetricRow) -> Vec<Vec<String>> {
    let Some(files) = run.by_file.get(&metric.name) else { return vec![cells(metric)] };
    let of_file = |(file, value): (&ArtifactPath, &MetricValue)| {
        let unsaid = std::iter::repeat_n(String::new(), 4);
        [in_file(&metric.name, file), in_full(value.get())].into_iter().chain(unsaid).collect()
    };
    files.iter().map(of_file).collect()
}

/// Returns what a metric is called that one of several files of a run gives.
pub(crate) fn in_file(name: &str, file: &ArtifactPath) -> String {
    format!("{} in {file}", one_line(name))
}

fn cells(metric: &MetricRow) -> Vec<String> {
    let summary = &metric.summary;
    let (first, last) = (summary.first.step, summary.last.step);
    vec![
        one_line(&metric.name),
        in_full(summary.last.value.get()),
        in_full(summary.min.get()),
        in_full(summary.max.get()),
        thousands(metric.points),
        if first == last { first.to_string() } else { format!("{first} to {last}") },
    ]
}

/// The points of each metric of a run, and how many of them are left out.
pub type Points = Vec<(Vec<Metric>, u64)>;

/// Writes the metrics of runs as JSON, with the points of each run.
pub fn json(report: &MetricsReport, points: &[Points]) -> Value {
    let runs = report.runs.iter().zip(points).map(|(run, points)| {
        let head = &run.head;
        let metrics = run.rows.iter().zip(points).map(|(metric, points)| {
            let mut row = metric_json(metric, points);
            let files = run.by_file.get(&metric.name).into_iter().flatten();
            let files = files.map(|(file, value)| json!({"path": file.in_json(), "value": value.get()}));
            row["files"] = files.collect();
            row
        });
        json!({
            "id": head.view.run.id.to_string(),
            "run_id": head.view.run.run_id.as_str(),
            "name": head.view.run.name,
            "metrics": metrics.collect::<Vec<_>>(),
            "metrics_left_out": run.left_out,
            "refused": refused(head).map(remark_json).collect::<Vec<_>>(),
        })
    });
    json!({"format": 1, "runs": runs.collect::<Vec<_>>()})
}

fn metric_json(metric: &MetricRow, (points, left_out): &(Vec<Metric>, u64)) -> Value {
    let end = |end: &MetricEnd| json!({"step": end.step, "at": end.at.rfc3339(), "value": end.value.get()});
    let point =
        |point: &Metric| json!({"step": point.step, "at": point.at.rfc3339(), "value": point.value.get()});
    json!({
        "name": metric.name,
        "count": metric.points,
        "first": end(&metric.summary.first),
        "last": end(&metric.summary.last),
        "min": metric.summary.min.get(),
        "max": metric.summary.max.get(),
        "points": points.iter().map(point).collect::<Vec<_>>(),
        "points_left_out": left_out,
    })
}

/// The first line of a table of points.
pub const CSV_HEADER: &str = "run_id,run,metric,step,at,value\n";

/// Writes a point as a line of CSV (RFC 4180).
pub fn csv_line(head: &RunHead, point: &Metric) -> String {
    let run = &head.view.run;
    format!(
        "{},{},{},{},{},{}\n",
        run.run_id,
        run.id,
        csv_text(&point.name),
        point.step,
        point.at.rfc3339(),
        in_full(point.value.get())
    )
}

/// Writes a text as CSV holds it. What a spreadsheet would take for a formula gets a `'` before it.
fn csv_text(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if is_formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

/// Writes the names of all metrics, one a line.
pub fn names(names: &[String], more: bool) -> String {
    let mut text: String = names.iter().map(|name| format!("{}\n", one_line(name))).collect();
    if names.is_empty() {
        text.push_str("no metric is recorded yet\n");
    }
    if more {
        text.push_str("there are more metrics; `--limit 0` lists all\n");
    }
    text
}

/// Writes the names of all metrics as JSON.
pub fn names_json(names: &[String], more: bool) -> Value {
    json!({"format": 1, "metrics": names, "more": more})
}
