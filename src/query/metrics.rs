//! Metrics of runs: what each came to, and its curve, gathered to as many columns as can be drawn.

use crate::error::Result;
use crate::model::NodeId;
use crate::store::{GO_ON, Snapshot};

pub use crate::store::{MetricEnd, MetricSummary};

/// What a metric came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricRow {
    /// Its name.
    pub name: String,
    /// First, last, least and greatest.
    pub summary: MetricSummary,
    /// How many points it has.
    pub points: u64,
}

/// Lists the metrics of a run whose names `is_wanted` accepts, by name, at most `limit`; and how many more there are.
///
/// # Errors
/// A store error where a record is damaged.
pub fn metric_rows(
    snapshot: &Snapshot,
    owner: NodeId,
    is_wanted: &dyn Fn(&str) -> bool,
    limit: usize,
) -> Result<(Vec<MetricRow>, usize)> {
    let mut wanted = snapshot.metric_summaries(owner)?;
    wanted.retain(|(name, _)| is_wanted(name));
    let left_out = wanted.len().saturating_sub(limit);
    let mut rows = Vec::with_capacity(wanted.len() - left_out);
    for (name, summary) in wanted.into_iter().take(limit) {
        let points = match snapshot.metric_no(&name)? {
            Some(metric) => snapshot.metric_count(owner, metric)?,
            None => 0,
        };
        rows.push(MetricRow { name, summary, points });
    }
    Ok((rows, left_out))
}

/// What a curve goes along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Along {
    /// Steps of training.
    Steps,
    /// Seconds since the first point, where the steps of a metric are all one.
    Seconds,
}

/// The points of a metric that fall into one column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CurveColumn {
    /// The column, counted from 0.
    pub at: usize,
    /// The value of the first point.
    pub first: f64,
    /// The least value.
    pub min: f64,
    /// The greatest value.
    pub max: f64,
    /// The value of the last point.
    pub last: f64,
    /// How many points there are.
    pub points: u64,
}

/// The curve of a metric of one run.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// The run, by its place among those asked for.
    pub run: usize,
    /// The columns that have points, from left to right.
    pub columns: Vec<CurveColumn>,
    /// How many points it has.
    pub points: u64,
}

/// The curves of one metric of several runs, on common axes.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// The metric.
    pub name: String,
    /// What the curves go along.
    pub along: Along,
    /// Where the axis begins and ends: steps, or seconds.
    pub x: (f64, f64),
    /// The least and the greatest value.
    pub y: (f64, f64),
    /// How many columns there are.
    pub width: usize,
    /// The curves.
    pub curves: Vec<Curve>,
}

impl Chart {
    /// Returns how many points there are, and true where several share a column.
    pub fn points(&self) -> (u64, bool) {
        let columns = self.curves.iter().flat_map(|curve| &curve.columns);
        let shared = columns.clone().any(|column| column.points > 1);
        (columns.map(|column| column.points).sum(), shared)
    }
}

/// Gathers the curves of a metric of several runs into `width` columns; `None` where none of them has two points.
///
/// Nothing is left out: of the points in a column the first, the least, the greatest and the last are kept, which is all that can
/// be seen of them. Linear in the points, in memory of the columns alone.
///
/// # Errors
/// A store error where a record is damaged.
pub fn chart(snapshot: &Snapshot, owners: &[NodeId], name: &str, width: usize) -> Result<Option<Chart>> {
    let Some(metric) = snapshot.metric_no(name)? else {
        return Ok(None);
    };
    let mut summaries = Vec::new();
    for (run, owner) in owners.iter().enumerate() {
        summaries.extend(snapshot.metric_summary(*owner, metric)?.map(|summary| (run, summary)));
    }
    let goes_on = |summary: &MetricSummary| summary.first != summary.last;
    let (first, rest) = match summaries.split_first() {
        Some(((_, first), rest)) if summaries.iter().any(|(_, summary)| goes_on(summary)) => (*first, rest),
        _ => return Ok(None),
    };
    let has_steps = |summary: &MetricSummary| summary.first.step != summary.last.step;
    let along =
        if summaries.iter().any(|(_, summary)| has_steps(summary)) { Along::Steps } else { Along::Seconds };
    let seconds = |micros: i64| micros as f64 / 1e6;
    let ends = |summary: &MetricSummary| match along {
        Along::Steps => (summary.first.step as f64, summary.last.step as f64),
        Along::Seconds => (0.0, seconds(summary.last.at.micros().saturating_sub(summary.first.at.micros()))),
    };
    let mut x = ends(&first);
    let mut y = (first.min.get(), first.max.get());
    for (_, summary) in rest {
        let (begin, end) = ends(summary);
        x = (x.0.min(begin), x.1.max(end));
        y = (y.0.min(summary.min.get()), y.1.max(summary.max.get()));
    }
    let width = width.max(2);
    let mut curves = Vec::with_capacity(summaries.len());
    for (run, summary) in &summaries {
        let mut columns: Vec<CurveColumn> = Vec::new();
        let mut points = 0;
        snapshot.metric_points(owners[*run], metric, |point| {
            let place = match along {
                Along::Steps => point.step as f64,
                Along::Seconds => seconds(point.at.micros().saturating_sub(summary.first.at.micros())),
            };
            let at = (share(place, x) * (width - 1) as f64).round() as usize;
            let value = point.value.get();
            points += 1;
            match columns.last_mut().filter(|column| column.at == at) {
                Some(column) => {
                    column.min = column.min.min(value);
                    column.max = column.max.max(value);
                    column.last = value;
                    column.points += 1;
                }
                None => {
                    columns.push(CurveColumn {
                        at,
                        first: value,
                        min: value,
                        max: value,
                        last: value,
                        points: 1,
                    });
                }
            }
            Ok(GO_ON)
        })?;
        curves.push(Curve { run: *run, columns, points });
    }
    Ok(Some(Chart { name: name.to_owned(), along, x, y, width, curves }))
}

/// Returns where a value lies in a range, from 0 to 1; in the middle where the range is a point.
pub fn share(value: f64, (first, last): (f64, f64)) -> f64 {
    // Halves, so that the difference of the greatest and the least number is one still.
    let length = last / 2.0 - first / 2.0;
    if length <= 0.0 { 0.5 } else { ((value / 2.0 - first / 2.0) / length).clamp(0.0, 1.0) }
}
