//! What may have been meant, where nothing answers.

use std::ops::{Bound, ControlFlow};

use crate::error::Result;
use crate::model::MetricValue;
use crate::query::filter::check::{Comparison, Expr};
use crate::query::filter::fields::{Field, shown};
use crate::query::filter::plan::ordered_by;
use crate::query::filter::value::{Relation, Test};
use crate::store::{MetricNo, OrderedBy, Snapshot};

/// As many hints are given.
const HINTS_MAX: usize = 3;

/// Looks at each comparison for what people often mean by it.
pub(crate) fn hints(snapshot: &Snapshot, expr: &Expr) -> Result<Vec<String>> {
    let mut hints = Vec::new();
    let mut frontier = vec![expr];
    while let Some(expr) = frontier.pop() {
        match expr {
            Expr::And(parts) | Expr::Or(parts) => frontier.extend(parts.iter().rev()),
            Expr::Not(inner) => frontier.push(inner),
            Expr::Compare(comparison) => hints.extend(hint(snapshot, comparison)?),
            Expr::Has(_) | Expr::Files(_) | Expr::Contains(_) => {}
        }
    }
    hints.truncate(HINTS_MAX);
    Ok(hints)
}

fn hint(snapshot: &Snapshot, comparison: &Comparison) -> Result<Option<String>> {
    Ok(match (&comparison.field, comparison.tests.as_slice()) {
        _ if comparison.negated => None,
        (_, [Test::Like(pattern)]) => within(pattern.glob().glob()),
        (field @ Field::Metric { number, aggregate, .. }, [Test::Number(Relation::Equal, wanted)]) => {
            let nearest = match ordered_by(*aggregate) {
                Some(by) => nearest(snapshot, *number, by, *wanted)?,
                None => None,
            };
            nearest.filter(|nearest| nearest != wanted).map(|nearest| {
                format!("no `{}` is exactly {wanted}; the nearest is {nearest}", shown(&field.title()))
            })
        }
        _ => None,
    })
}

/// Says how a pattern is written that finds a text within others, where this one does not; people may have meant one of another
/// language, in which `.*` is what `*` is here.
fn within(pattern: &str) -> Option<String> {
    if pattern.starts_with('*') && pattern.ends_with('*') {
        return None;
    }
    let inner = pattern.trim_start_matches('^').trim_end_matches('$');
    let inner = inner.strip_prefix(".*").unwrap_or(inner);
    let inner = inner.strip_suffix(".*").unwrap_or(inner).trim_matches('*');
    (!inner.is_empty()).then(|| {
        let (pattern, inner) = (shown(pattern), shown(inner));
        format!("`~ \"{pattern}\"` fits whole texts only; `~ \"*{inner}*\"` finds those that hold `{inner}`")
    })
}

/// Finds the recorded value that is nearest to a number, of two equally near the smaller.
fn nearest(snapshot: &Snapshot, metric: MetricNo, by: OrderedBy, wanted: f64) -> Result<Option<f64>> {
    let Ok(value) = MetricValue::new(wanted) else { return Ok(None) };
    let first = |range, falling| -> Result<Option<f64>> {
        let found = snapshot
            .metric_owners(metric, by, range, falling, |value, _| Ok(ControlFlow::Break(value.get())))?;
        Ok(found.break_value())
    };
    let below = first((Bound::Unbounded, Bound::Included(value)), true)?;
    let above = first((Bound::Included(value), Bound::Unbounded), false)?;
    let distance = |found: &f64| (found - wanted).abs();
    Ok(below.into_iter().chain(above).min_by(|a, b| distance(a).total_cmp(&distance(b))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_that_fits_whole_texts_is_told_how_to_fit_within() {
        for (pattern, inner) in [
            ("al", Some("*al*")),
            ("al*", Some("*al*")),
            ("al.*", Some("*al*")),
            ("^.*al$", Some("*al*")),
            ("train_[ab]", Some("*train_[ab]*")),
            ("*al*", None),
            ("*", None),
        ] {
            let found = within(pattern);
            assert_eq!(found.is_some(), inner.is_some(), "{pattern}: {found:?}");
            let said =
                found.zip(inner).is_none_or(|(found, inner)| found.contains(&format!("`~ \"{inner}\"`")));
            assert!(said, "{pattern}");
        }
    }
}
