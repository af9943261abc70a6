//! The `metrics.json` of a run's folder.

use serde_json::{Map, Value, json};

use crate::model::{MetricValue, Run};
use crate::projection::plan::number;

/// Writes the `metrics.json` of a run's folder: `{run_id, name, git_sha, timestamp, metrics{…}}`.
///
/// The time is the start of the run, so that the same facts give the same bytes whenever the file is written.
pub fn metrics_json(run: &Run, metrics: &[(String, MetricValue)]) -> Vec<u8> {
    let metrics: Map<String, Value> =
        metrics.iter().map(|(name, value)| (name.clone(), number(*value))).collect();
    let document = json!({
        "run_id": run.run_id.as_str(),
        "name": run.name,
        "git_sha": run.code.label(),
        "timestamp": run.started_at.rfc3339(),
        "metrics": metrics,
    });
    let mut bytes = serde_json::to_vec_pretty(&document)
        .expect("a JSON value of strings and finite numbers can be written");
    bytes.push(b'\n');
    bytes
}
