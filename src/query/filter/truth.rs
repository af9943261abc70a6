//! Yes, no, and not known: the logic of what is compared with values that may be missing.
//!
//! A comparison with what a row does not have is neither true nor false, and neither is its contrary. `and` is false where one
//! side is, `or` true where one side is, whatever the other; a row answers where the whole is true.

use crate::error::Result;
use crate::query::filter::check::{Comparison, Expr};
use crate::query::filter::fields::Field;
use crate::query::filter::value::Value;

/// Yes, no, or not known.
pub(crate) type Truth = Option<bool>;

/// What an expression asks of a row.
pub(crate) trait Row {
    fn value(&mut self, field: &Field) -> Result<Option<Value>>;
    /// Returns all values of a field of which a comparison may mean any.
    fn values(&mut self, field: &Field) -> Result<Vec<Value>> {
        Ok(self.value(field)?.into_iter().collect())
    }
    fn files(&mut self, question: usize) -> Result<Truth>;
    fn contains(&mut self, question: usize) -> Result<Truth>;
}

/// Decides an expression for a row. What costs least to know decides first: the parts of `and` and `or` are taken in the order
/// of [`cost`], which changes no answer.
pub(crate) fn decide(expr: &Expr, row: &mut dyn Row) -> Result<Truth> {
    match expr {
        Expr::And(parts) => fold(parts, row, false),
        Expr::Or(parts) => fold(parts, row, true),
        Expr::Not(inner) => Ok(decide(inner, row)?.map(|truth| !truth)),
        Expr::Compare(comparison) => Ok(compare(comparison, &row.values(&comparison.field)?)),
        Expr::Has(field) => Ok(Some(row.value(field)?.is_some())),
        Expr::Files(question) => row.files(*question),
        Expr::Contains(question) => row.contains(*question),
    }
}

/// Decides parts of which one that is `decisive` decides the whole.
fn fold(parts: &[Expr], row: &mut dyn Row, decisive: bool) -> Result<Truth> {
    let mut whole = Some(!decisive);
    for part in parts {
        match decide(part, row)? {
            Some(truth) if truth == decisive => return Ok(Some(decisive)),
            Some(_) => {}
            None => whole = None,
        }
    }
    Ok(whole)
}

fn compare(comparison: &Comparison, values: &[Value]) -> Truth {
    let mut known = !values.is_empty();
    for (value, test) in
        values.iter().flat_map(|value| comparison.tests.iter().map(move |test| (value, test)))
    {
        match test.passes(value) {
            Some(true) => return Some(!comparison.negated),
            Some(false) => {}
            None => known = false,
        }
    }
    known.then_some(comparison.negated)
}

/// Puts the parts of `and` and `or` in the order of what they cost.
pub(crate) fn sorted_by_cost(expr: Expr) -> Expr {
    let sorted = |parts: Vec<Expr>| {
        let mut parts: Vec<Expr> = parts.into_iter().map(sorted_by_cost).collect();
        parts.sort_by_key(cost);
        parts
    };
    match expr {
        Expr::And(parts) => Expr::And(sorted(parts)),
        Expr::Or(parts) => Expr::Or(sorted(parts)),
        Expr::Not(inner) => Expr::Not(Box::new(sorted_by_cost(*inner))),
        other => other,
    }
}

/// What a part costs to decide: a look at the row, at its metrics, at the history of code, a walk over the graph.
fn cost(expr: &Expr) -> u32 {
    match expr {
        Expr::Compare(Comparison { field: Field::Metric { .. }, .. }) | Expr::Has(Field::Metric { .. }) => 2,
        Expr::Compare(_) | Expr::Has(_) => 1,
        Expr::Contains(_) => 3,
        Expr::Files(_) => 4,
        Expr::Not(inner) => cost(inner),
        Expr::And(parts) | Expr::Or(parts) => parts.iter().map(cost).max().unwrap_or(0),
    }
}
