//! What searches of runs and of model versions that look at all rows have in common: values taken from the facts themselves.

use super::random::NOW;
use crate::error::Result;
use crate::model::{Artifact, Digest, Fact, Metric, MetricValue, NodeId};
use crate::query::filter::Value;
use crate::query::filter::fields::{Aggregate, Field, Names, Subject};
use crate::query::filter::syntax::parse_operand;
use crate::query::filter::value::pattern;
use crate::store::Snapshot;

/// Joins facts so that every name occurs in them that an expression may have.
pub(super) fn with_all_names(mut facts: Vec<Fact>, mut runs: Vec<Fact>, metrics: Vec<Fact>) -> Vec<Fact> {
    if let Some(Fact::RunStarted(run)) = runs.first_mut() {
        let names = ["lr", "seed", "odd name", "tag.team", "tag.risk"];
        run.parameters = names.map(|name| (name.to_owned(), "0.1".to_owned())).to_vec();
        // An id that no other fact has.
        run.id = NodeId::from_u128((9 << 96) | 0x9_0009);
    }
    let point = |name: &str| Metric {
        owner: NodeId::from_u128(77),
        name: name.to_owned(),
        step: 0,
        at: NOW,
        value: MetricValue::new(0.5).unwrap(),
    };
    facts.extend(runs.into_iter().chain(metrics));
    facts.push(Fact::Metrics(vec![point("f1"), point("loss")]));
    facts
}

/// Says whether a word of a question on files names a file.
pub(super) fn fits(word: &str, file: &Artifact) -> bool {
    match word.parse::<Digest>() {
        Ok(wanted) => wanted == file.digest,
        Err(_) if word.contains(['*', '[']) => {
            pattern(word, true).unwrap().is_match(std::str::from_utf8(file.path.as_bytes()).unwrap())
        }
        Err(_) => file.path.as_bytes() == word.as_bytes(),
    }
}

/// Returns what a metric came to, from all its points.
pub(super) fn metric(snapshot: &Snapshot, owner: NodeId, field: &Field) -> Result<Option<Value>> {
    let Field::Metric { name, aggregate, .. } = field else { panic!("{field:?} is no metric") };
    let mut points = snapshot.metrics(owner)?;
    points.retain(|point| point.name == *name);
    points.sort_by_key(|point| (point.step, point.at, point.value));
    let values = points.iter().map(|point| point.value);
    let value = match aggregate {
        Aggregate::Count => return Ok(Some(Value::Number(points.len() as f64))),
        Aggregate::Last => points.last().map(|point| point.value),
        Aggregate::First => points.first().map(|point| point.value),
        Aggregate::Min => values.min(),
        Aggregate::Max => values.max(),
    };
    Ok(value.map(|value| Value::Number(value.get())))
}

/// Finds the field that a word of an order names.
pub(super) fn field_of(snapshot: &Snapshot, subject: Subject, word: &str) -> Field {
    let text = word.trim_start_matches('-');
    Names { snapshot, subject, text }.field(&parse_operand(text).unwrap()).unwrap()
}

/// Sorts rows by their values, the missing last, then by key in the direction of the first.
pub(super) fn sorted(mut found: Vec<(Vec<Option<Value>>, NodeId)>, falling: &[bool]) -> Vec<NodeId> {
    found.sort_by(|(a, a_id), (b, b_id)| {
        for (at, falling) in falling.iter().enumerate() {
            let order = match (&a[at], &b[at]) {
                (Some(a), Some(b)) => {
                    if *falling {
                        b.order(a)
                    } else {
                        a.order(b)
                    }
                }
                (None, None) => std::cmp::Ordering::Equal,
                (a, _) => {
                    if a.is_some() {
                        std::cmp::Ordering::Less
                    } else {
                        std::cmp::Ordering::Greater
                    }
                }
            };
            if order.is_ne() {
                return order;
            }
        }
        if falling[0] { b_id.cmp(a_id) } else { a_id.cmp(b_id) }
    });
    found.into_iter().map(|(_, id)| id).collect()
}
