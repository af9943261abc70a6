//! `lineage metrics`

use std::ffi::OsString;
use std::ops::ControlFlow;
use std::path::PathBuf;

use clap::Args;

use crate::cli::{Surroundings, output};
use crate::error::Result;
use crate::ops::metrics::{
    MetricsReport, NamePattern, RunMetrics, charts, metrics, name_pattern, write_picture,
};
use crate::ops::{View, Workspace};
use crate::render;
use crate::render::metrics::Points;
use crate::store::GO_ON;

/// Show the metrics of runs: what each came to, and the curves of those that have several points.
///
/// Without RUN, list the names of all metrics. The last value is that of the greatest step, and of several at one step the one
/// that was reported last.
#[derive(Args)]
#[command(after_help = "Examples:
  lineage metrics                                       the names of all metrics
  lineage metrics @ --plot                              the curves of the latest run
  lineage metrics @- @ --name 'val_*' --svg curves.svg  those of two runs in one drawing")]
pub(crate) struct Metrics {
    /// Runs: `@` (the latest), `@-` (the one before), run ids, or the ends of their keys. Several are drawn in one plot.
    #[arg(value_name = "RUN")]
    runs: Vec<OsString>,
    /// Only metrics whose names fit this pattern: `val_*`, `{loss,f1}`.
    #[arg(long, value_name = "PATTERN")]
    name: Option<String>,
    /// Draw the curves.
    #[arg(long, requires = "runs")]
    plot: bool,
    /// Draw the curves into an SVG file.
    #[arg(long, value_name = "FILE", requires = "runs")]
    svg: Option<PathBuf>,
    /// Replace a file that something else made.
    #[arg(long, requires = "svg")]
    force: bool,
    /// Of each run at most N metrics, and in JSON of each metric at most N points; 0 for all.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 1_000)]
    limit: usize,
    /// Print every point as CSV.
    #[arg(long, conflicts_with_all = ["json", "plot"], requires = "runs")]
    csv: bool,
    /// Print JSON.
    #[arg(long, conflicts_with = "plot")]
    json: bool,
}

/// As many curves are drawn at once.
const CHARTS_MAX: usize = 16;
/// How wide curves are drawn where there is no terminal.
const WIDTH: usize = 80;

impl Metrics {
    pub(crate) fn run(self, surroundings: &Surroundings) -> Result<u8> {
        let (workspace, view) = surroundings.view()?;
        let pattern = self.name.as_deref().map(name_pattern).transpose()?;
        if self.runs.is_empty() {
            return self.names(&view, pattern.as_ref());
        }
        let limit = if self.limit == 0 || self.csv { usize::MAX } else { self.limit };
        let folder = &surroundings.folder;
        let report = metrics(&workspace, &view, folder, &self.runs, pattern.as_ref(), limit)?;
        if self.svg.is_some() {
            self.draw_file(&workspace, &view, surroundings, &report)?;
        }
        if self.csv {
            csv(&view, &report)?;
        } else if self.json {
            output::json(&render::metrics::json(&report, &points(&view, &report, limit)?))?;
        } else if self.plot {
            draw(&view, &report, pattern.is_some())?;
        } else if self.svg.is_none() {
            output::answer(&render::metrics::text(&report, pattern.is_some(), output::width()))?;
        }
        Ok(0)
    }

    /// Says whether it changes nothing, and prints nothing before all is read.
    pub(crate) fn only_asks(&self) -> bool {
        !self.csv && self.svg.is_none()
    }

    fn names(&self, view: &View, pattern: Option<&NamePattern>) -> Result<u8> {
        let mut names = view.snapshot.metric_names(usize::MAX)?;
        names.retain(|name| pattern.is_none_or(|pattern| pattern.fits(name)));
        let limit = if self.limit == 0 { usize::MAX } else { self.limit };
        let more = names.len() > limit;
        names.truncate(limit);
        if self.json {
            output::json(&render::metrics::names_json(&names, more))?;
        } else {
            output::answer(&render::metrics::names(&names, more))?;
        }
        Ok(0)
    }

    fn draw_file(
        &self,
        workspace: &Workspace,
        view: &View,
        surroundings: &Surroundings,
        report: &MetricsReport,
    ) -> Result<()> {
        let Some(file) = &self.svg else { return Ok(()) };
        let (charts, left_out) = charts(view, report, render::svg::COLUMNS, CHARTS_MAX)?;
        let svg = render::svg::charts(&charts, &run_names(report));
        let path = surroundings.folder.join(file);
        write_picture(workspace, &path, svg.as_bytes(), &render::svg::is_ours, self.force)?;
        let metrics = if charts.len() == 1 { "metric" } else { "metrics" };
        output::note(&format!("drew {} {metrics} into {}", charts.len(), file.display()));
        say_left_out(left_out);
        Ok(())
    }
}

fn run_names(report: &MetricsReport) -> Vec<String> {
    report.runs.iter().map(|run| render::metrics::run_name(&run.head)).collect()
}

fn say_left_out(left_out: usize) {
    if left_out > 0 {
        output::note(&format!("{left_out} more metrics have curves; `--name` chooses"));
    }
}

fn draw(view: &View, report: &MetricsReport, by_name: bool) -> Result<()> {
    let width = output::width();
    let drawing = render::plot::Drawing { width: width.unwrap_or(WIDTH), colour: output::colour() };
    let (charts, left_out) = charts(view, report, drawing.columns(report.runs.len()), CHARTS_MAX)?;
    if charts.is_empty() {
        output::note("no metric has two points, so that there is no curve");
        return output::answer(&render::metrics::text(report, by_name, width));
    }
    let names = run_names(report);
    let drawn: Vec<String> = charts.iter().map(|chart| render::plot::chart(chart, &names, drawing)).collect();
    output::answer(&drawn.join("\n"))?;
    say_left_out(left_out);
    Ok(())
}

/// Reads the points of each metric in a report, at most `limit` of each, and counts the others.
fn points(view: &View, report: &MetricsReport, limit: usize) -> Result<Vec<Points>> {
    let mut of_runs = Vec::new();
    for RunMetrics { head, rows, .. } in &report.runs {
        let mut of_run = Vec::with_capacity(rows.len());
        for row in rows {
            let mut points = Vec::new();
            if let Some(metric) = view.snapshot.metric_no(&row.name)? {
                let _full = view.snapshot.metric_points(head.view.run.id, metric, |point| {
                    points.push(point);
                    Ok(if points.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
                })?;
            }
            let left_out = row.points.saturating_sub(points.len() as u64);
            of_run.push((points, left_out));
        }
        of_runs.push(of_run);
    }
    Ok(of_runs)
}

/// Writes every point, some at a time.
fn csv(view: &View, report: &MetricsReport) -> Result<()> {
    const CHUNK_BYTES: usize = 1 << 16;
    let mut text = render::metrics::CSV_HEADER.to_owned();
    for RunMetrics { head, rows, .. } in &report.runs {
        for row in rows {
            let Some(metric) = view.snapshot.metric_no(&row.name)? else { continue };
            view.snapshot.metric_points(head.view.run.id, metric, |point| {
                text.push_str(&render::metrics::csv_line(head, &point));
                if text.len() > CHUNK_BYTES {
                    output::answer(&text)?;
                    text.clear();
                }
                Ok(GO_ON)
            })?;
        }
    }
    output::answer(&text)
}
