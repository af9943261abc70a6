//! Metrics that a command writes: a document at its end, JSON or YAML, and lines of JSON while it runs.

mod document;

use serde_json::Value;

use crate::model::{MetricValue, check_metric_name};

pub(crate) use document::yaml;
pub use document::{Form, from_document};

/// A point as a program wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// The metric's name.
    pub name: String,
    /// Its value.
    pub value: MetricValue,
    /// The step of training, where one was given.
    pub step: Option<i64>,
}

/// Reads one line `{"name": "loss", "value": 0.31, "step": 10}`.
///
/// # Errors
/// Says, for people, why the line is refused.
pub fn from_line(line: &str) -> Result<Point, String> {
    let refused = |why: &str| {
        let shown: String = line.chars().take(120).collect();
        format!("metric line `{shown}` was refused: {why}")
    };
    let value: Value = serde_json::from_str(line).map_err(|cause| refused(&cause.to_string()))?;
    let name = value.get("name").and_then(Value::as_str).filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| refused("it has no `name`"))?;
    check_metric_name(name).map_err(refused)?;
    let number = match value.get("value") {
        Some(Value::String(text)) => MetricValue::of_text(text),
        number => number
            .and_then(Value::as_f64)
            .map(|number| MetricValue::new(number).map_err(|error| refused(error.message())))
            .transpose()?,
    };
    let number = number.ok_or_else(|| refused("its `value` is no number"))?;
    let step = match value.get("step") {
        None | Some(Value::Null) => None,
        Some(step) => Some(step.as_i64().ok_or_else(|| refused("its `step` is no whole number"))?),
    };
    Ok(Point { name: name.to_owned(), value: number, step })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_no_finite_number_is_refused_by_name() {
        assert_eq!(from_line(r#"{"name":"loss","value":0.31,"step":10}"#).unwrap().step, Some(10));
        assert_eq!(from_line(r#"{"name":"loss","value":"3e-1"}"#).unwrap().value.get(), 0.3);
        for line in [
            r#"{"name":"loss","value":NaN}"#,
            r#"{"name":"loss","value":"NaN"}"#,
            r#"{"name":"loss","value":1e999}"#,
            r#"{"name":"loss"}"#,
            r#"{"name":"loss","value":true}"#,
            r#"{"value":1}"#,
            "x",
        ] {
            assert!(from_line(line).unwrap_err().contains("was refused"), "{line}");
        }
    }
}
