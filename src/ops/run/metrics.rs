//! Metrics that a command writes: a document at its end, JSON or YAML, and lines of JSON while it runs.

mod document;

use serde_json::Value;

use crate::model::{MetricValue, check_metric_name, shown_metric};

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
    let value: Value = document::json_with_words(line.as_bytes()).map_err(|cause| refused(&cause))?;
    let name = value.get("name").and_then(Value::as_str).filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| refused("it has no `name`"))?;
    check_metric_name(name).map_err(refused)?;
    let step = match value.get("step") {
        None | Some(Value::Null) => None,
        Some(step) => Some(step.as_i64().ok_or_else(|| refused("its `step` is no whole number"))?),
    };
    let number = match value.get("value") {
        Some(Value::String(text)) => match document::no_number(text) {
            Some(word) => return Err(not_finite(name, step, word)),
            None if text.trim().parse().is_ok_and(|number: f64| !number.is_finite()) => {
                return Err(not_finite(name, step, text.trim()));
            }
            None => MetricValue::of_text(text),
        },
        number => number
            .and_then(Value::as_f64)
            .map(|number| MetricValue::new(number).map_err(|error| refused(error.message())))
            .transpose()?,
    };
    let number = number.ok_or_else(|| refused("its `value` is no number"))?;
    Ok(Point { name: name.to_owned(), value: number, step })
}

/// Says that a point of a metric was refused.
pub(crate) fn not_finite(name: &str, step: Option<i64>, value: &str) -> String {
    let at = step.map_or_else(String::new, |step| format!(" at step {step}"));
    format!("metric {}{at} was refused: {value} is no finite number", shown_metric(name))
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
        let line = r#"{"name": "loss", "value": -Infinity, "step": 3}"#;
        assert_eq!(
            from_line(line).unwrap_err(),
            "metric `loss` at step 3 was refused: -Infinity is no finite number"
        );
    }
}
