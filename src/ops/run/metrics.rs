//! Metrics that a command writes: `metrics.json` at its end, and lines of JSON while it runs.

use serde_json::Value;

use crate::model::MetricValue;

/// A point as a program wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// The metric's name.
    pub name: String,
    /// Its value.
    pub value: MetricValue,
    /// The step of training, 0 where none was given.
    pub step: i64,
}

/// Longer names are refused.
const NAME_MAX_BYTES: usize = 250;
/// A document nested deeper gives no metrics.
const DEPTH_MAX: usize = 8;

/// Reads the metrics in a JSON document: every number in it, nested names joined by `.`; a field `metrics`, if there is one, is
/// taken for the whole. Returns what could not be taken as lines for people.
pub fn from_document(bytes: &[u8]) -> (Vec<Point>, Vec<String>) {
    let document: Value = match serde_json::from_slice(bytes) {
        Ok(document) => document,
        Err(cause) => return (Vec::new(), vec![format!("no metrics were read: {cause}")]),
    };
    let whole = document.get("metrics").filter(|metrics| metrics.is_object()).unwrap_or(&document);
    let (mut points, mut refused) = (Vec::new(), Vec::new());
    collect(whole, "", 0, &mut points, &mut refused);
    (points, refused)
}

fn collect(value: &Value, name: &str, depth: usize, points: &mut Vec<Point>, refused: &mut Vec<String>) {
    match value {
        Value::Number(number) => match number.as_f64().map(MetricValue::new) {
            Some(Ok(value)) if !name.is_empty() && name.len() <= NAME_MAX_BYTES => {
                points.push(Point { name: name.to_owned(), value, step: 0 });
            }
            _ => {
                refused.push(format!("metric `{}` was refused: it is no finite number", name.escape_debug()))
            }
        },
        Value::Object(fields) if depth < DEPTH_MAX => {
            for (key, value) in fields {
                let name = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
                collect(value, &name, depth + 1, points, refused);
            }
        }
        _ => {}
    }
}

/// Reads one line `{"name": "loss", "value": 0.31, "step": 10}`.
///
/// # Errors
/// Says, for people, why the line is refused.
pub fn from_line(line: &str) -> Result<Point, String> {
    let shown: String = line.chars().take(120).collect();
    let refused = |why: &str| format!("metric line `{}` was refused: {why}", shown.escape_debug());
    let value: Value = serde_json::from_str(line).map_err(|cause| refused(&cause.to_string()))?;
    let name = value.get("name").and_then(Value::as_str).filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| refused("it has no `name`"))?;
    if name.len() > NAME_MAX_BYTES || name.chars().any(char::is_control) {
        return Err(refused("its name is too long or holds control characters"));
    }
    let number =
        value.get("value").and_then(Value::as_f64).ok_or_else(|| refused("its `value` is no number"))?;
    let number = MetricValue::new(number).map_err(|error| refused(error.message()))?;
    let step = match value.get("step") {
        None | Some(Value::Null) => 0,
        Some(step) => step.as_i64().ok_or_else(|| refused("its `step` is no whole number"))?,
    };
    Ok(Point { name: name.to_owned(), value: number, step })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(document: &str, expected: &str) {
        let (points, refused) = from_document(document.as_bytes());
        let mut lines: Vec<String> = points.iter().map(|p| format!("{}={}", p.name, p.value.get())).collect();
        lines.extend(refused);
        assert_eq!(lines.join("\n"), expected);
    }

    #[test]
    fn every_number_of_a_document_is_a_metric() {
        check(
            r#"{"accuracy": 0.9, "eval": {"f1": 0.5, "name": "x"}, "n": 3}"#,
            "accuracy=0.9\neval.f1=0.5\nn=3",
        );
        check(r#"{"run_id": 7, "metrics": {"loss": 1e-3}}"#, "loss=0.001");
        check(r#"{"loss": NaN}"#, "no metrics were read: expected value at line 1 column 10");
    }

    #[test]
    fn a_line_that_is_no_finite_number_is_refused_by_name() {
        assert_eq!(from_line(r#"{"name":"loss","value":0.31,"step":10}"#).unwrap().step, 10);
        for line in
            [r#"{"name":"loss","value":NaN}"#, r#"{"name":"loss","value":1e999}"#, r#"{"value":1}"#, "x"]
        {
            assert!(from_line(line).unwrap_err().contains("was refused"), "{line}");
        }
    }
}
