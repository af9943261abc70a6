//! Where to look: which index gives the fewest rows, or gives them in the order asked for.

use std::ops::{Bound, ControlFlow};

use crate::error::Result;
use crate::model::{MetricValue, NodeId, RunKind, RunStatus, Stage, TAG_FRONT, Timestamp};
use crate::query::filter::check::{Comparison, Expr};
use crate::query::filter::fields::{Aggregate, Field, Fixed};
use crate::query::filter::value::{Relation, Test};
use crate::store::{MetricNo, OrderedBy, RunNo, Term};

/// A range of values.
pub(crate) type Range = (Bound<MetricValue>, Bound<MetricValue>);

/// A place to find rows in. It may give rows that do not answer, and a row more than once, but none that answers is missing.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// All rows: runs by their start, model versions by name and version.
    All,
    /// Runs by their start, of a stretch of time in microseconds.
    Time(i64, i64),
    /// Those with a metric in a range.
    Metric { number: MetricNo, by: OrderedBy, range: Range },
    /// Those with one of these terms.
    Terms(Vec<Term<'static>>),
    /// Those with a parameter that is a number in a range.
    Number { name: String, range: Range },
    /// Those of these runs.
    Runs(Vec<RunNo>),
    /// The versions of these models.
    Names(Vec<String>),
    /// Those that were in one of these stages, now or at some time before.
    Stages(Vec<Stage>),
    /// These model versions.
    Models(Vec<NodeId>),
}

/// An order in which rows are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// By start, then key.
    Time { falling: bool },
    /// By name, of one name the greatest version first.
    Names,
    /// By a metric, then key; rows without it come last.
    Metric { number: MetricNo, by: OrderedBy, falling: bool },
    /// By something that no index has.
    Other,
}

/// Returns by which index a metric's aggregate lies in order.
pub(crate) fn ordered_by(aggregate: Aggregate) -> Option<OrderedBy> {
    match aggregate {
        Aggregate::Last => Some(OrderedBy::Last),
        Aggregate::Min => Some(OrderedBy::Min),
        Aggregate::Max => Some(OrderedBy::Max),
        Aggregate::First | Aggregate::Count => None,
    }
}

/// Returns the parts that must all hold.
pub(crate) fn conjuncts(expr: &Expr) -> Vec<&Expr> {
    let mut found = Vec::new();
    let mut frontier = vec![expr];
    while let Some(expr) = frontier.pop() {
        match expr {
            Expr::And(parts) => frontier.extend(parts.iter().rev()),
            other => found.push(other),
        }
    }
    found
}

/// Returns true where only rows that have a value of their own for a metric can answer, of those aggregates that are `their_own`: what
/// a metric of a version of a model came to is asked of its run.
pub(crate) fn wants_metric(
    expr: Option<&Expr>,
    wanted: MetricNo,
    their_own: impl Fn(Aggregate) -> bool,
) -> bool {
    expr.is_some_and(|expr| {
        conjuncts(expr).iter().any(|part| match part {
            Expr::Compare(Comparison { field: Field::Metric { number, aggregate, .. }, .. })
            | Expr::Has(Field::Metric { number, aggregate, .. }) => {
                *number == wanted && their_own(*aggregate)
            }
            _ => false,
        })
    })
}

/// Returns the numbers that pass a test.
pub(crate) fn range_of(relation: Relation, value: f64) -> Option<Range> {
    let value = MetricValue::new(value).ok()?;
    Some(match relation {
        Relation::Equal => (Bound::Included(value), Bound::Included(value)),
        Relation::Less => (Bound::Unbounded, Bound::Excluded(value)),
        Relation::LessOrEqual => (Bound::Unbounded, Bound::Included(value)),
        Relation::Greater => (Bound::Excluded(value), Bound::Unbounded),
        Relation::GreaterOrEqual => (Bound::Included(value), Bound::Unbounded),
    })
}

/// Returns numbers among which are all that pass a test on whole numbers.
fn range_around(relation: Relation, whole: i128) -> Option<Range> {
    let relation = match relation {
        Relation::Less => Relation::LessOrEqual,
        Relation::Greater => Relation::GreaterOrEqual,
        other => other,
    };
    range_of(relation, whole as f64)
}

/// Returns the stretch of time that passes a test, in microseconds, both ends included.
pub(crate) fn stretch_of(relation: Relation, (first, last): (Timestamp, Timestamp)) -> (i64, i64) {
    let (first, last) = (first.micros(), last.micros());
    match relation {
        Relation::Equal => (first, last),
        Relation::Less => (i64::MIN, first.saturating_sub(1)),
        Relation::LessOrEqual => (i64::MIN, last),
        Relation::Greater => (last.saturating_add(1), i64::MAX),
        Relation::GreaterOrEqual => (first, i64::MAX),
    }
}

/// Returns where the runs that pass a comparison can be found, where an index knows. What asks for runs by name is for the caller.
pub(crate) fn source_of(comparison: &Comparison) -> Option<Source> {
    if comparison.negated {
        return None;
    }
    match (&comparison.field, comparison.tests.as_slice()) {
        (Field::Metric { number, aggregate, .. }, [Test::Number(relation, value)]) => Some(Source::Metric {
            number: *number,
            by: ordered_by(*aggregate)?,
            range: range_of(*relation, *value)?,
        }),
        (Field::Parameter(name), [Test::Number(relation, value)]) => {
            Some(Source::Number { name: name.clone(), range: range_of(*relation, *value)? })
        }
        (Field::Tag(name), [Test::Number(relation, value)]) => {
            Some(Source::Number { name: format!("{TAG_FRONT}{name}"), range: range_of(*relation, *value)? })
        }
        (Field::Parameter(name), [Test::Whole(relation, whole)]) => {
            Some(Source::Number { name: name.clone(), range: range_around(*relation, *whole)? })
        }
        (Field::Tag(name), [Test::Whole(relation, whole)]) => Some(Source::Number {
            name: format!("{TAG_FRONT}{name}"),
            range: range_around(*relation, *whole)?,
        }),
        (Field::Fixed(Fixed::Started), [Test::Moment(relation, stretch)]) => {
            let (first, last) = stretch_of(*relation, *stretch);
            Some(Source::Time(first, last))
        }
        (field, tests) => {
            let terms = tests.iter().map(|test| term_of(field, test)).collect::<Option<Vec<_>>>()?;
            Some(Source::Terms(terms))
        }
    }
}

fn term_of(field: &Field, test: &Test) -> Option<Term<'static>> {
    match (field, test) {
        (Field::Parameter(name), Test::Text(Relation::Equal, value)) => {
            Some(Term::Parameter(name.clone().into(), value.clone().into()))
        }
        (Field::Tag(name), Test::Text(Relation::Equal, value)) => {
            Some(Term::Parameter(format!("{TAG_FRONT}{name}").into(), value.clone().into()))
        }
        (Field::Fixed(Fixed::Commit), Test::Front(front)) => Some(Term::Commit(front.clone().into())),
        (Field::Fixed(Fixed::Parent), Test::Tail(tail)) => Some(Term::Parent(tail.clone().into())),
        (Field::Fixed(Fixed::ExitCode), Test::Number(Relation::Equal, code)) => {
            let whole = code.fract() == 0.0 && code.abs() <= f64::from(i32::MAX);
            whole.then_some(Term::ExitCode(*code as i32))
        }
        (Field::Fixed(fixed), Test::Text(Relation::Equal, text)) => {
            let word = || text.clone().into();
            match fixed {
                Fixed::Name => Some(Term::Name(word())),
                Fixed::Host => Some(Term::Host(word())),
                Fixed::By => Some(Term::By(word())),
                Fixed::Branch => Some(Term::Branch(word())),
                Fixed::Kind => RunKind::ALL.into_iter().find(|kind| kind.as_str() == text).map(Term::Kind),
                // A run without end may be running or interrupted: its process tells, no fact does.
                Fixed::Status => [RunStatus::Succeeded, RunStatus::Failed]
                    .into_iter()
                    .find(|status| status.as_str() == text)
                    .map(Term::Status),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Joins sources that lie in one index: what is asked of both ends is one range.
pub(crate) fn joined(sources: Vec<(Source, String)>) -> Vec<(Source, String)> {
    let mut joined: Vec<(Source, String)> = Vec::new();
    for (source, text) in sources {
        let known = joined.iter_mut().find_map(|(known, known_text)| {
            intersection(known, &source).map(|both| (known, known_text, both))
        });
        match known {
            Some((known, known_text, both)) => {
                *known = both;
                known_text.push_str(" and ");
                known_text.push_str(&text);
            }
            None => joined.push((source, text)),
        }
    }
    joined
}

fn intersection(a: &Source, b: &Source) -> Option<Source> {
    match (a, b) {
        (Source::Time(a, b), Source::Time(c, d)) => Some(Source::Time(*a.max(c), *b.min(d))),
        (
            Source::Metric { number, by, range },
            Source::Metric { number: other, by: other_by, range: other_range },
        ) if number == other && by == other_by => {
            Some(Source::Metric { number: *number, by: *by, range: overlap(*range, *other_range) })
        }
        // A parameter may have been given several times, with a value in each of two ranges.
        _ => None,
    }
}

fn overlap((a, b): Range, (c, d): Range) -> Range {
    let first = match (a, c) {
        (Bound::Unbounded, other) | (other, Bound::Unbounded) => other,
        (Bound::Included(x), Bound::Excluded(y)) | (Bound::Excluded(y), Bound::Included(x)) => {
            if y >= x {
                Bound::Excluded(y)
            } else {
                Bound::Included(x)
            }
        }
        (Bound::Included(x), Bound::Included(y)) => Bound::Included(x.max(y)),
        (Bound::Excluded(x), Bound::Excluded(y)) => Bound::Excluded(x.max(y)),
    };
    let last = match (b, d) {
        (Bound::Unbounded, other) | (other, Bound::Unbounded) => other,
        (Bound::Included(x), Bound::Excluded(y)) | (Bound::Excluded(y), Bound::Included(x)) => {
            if y <= x {
                Bound::Excluded(y)
            } else {
                Bound::Included(x)
            }
        }
        (Bound::Included(x), Bound::Included(y)) => Bound::Included(x.min(y)),
        (Bound::Excluded(x), Bound::Excluded(y)) => Bound::Excluded(x.min(y)),
    };
    (first, last)
}

/// Says whether a source gives its rows in an order.
pub(crate) fn gives(source: &Source, order: Order, is_by_start: &dyn Fn(&Term<'_>) -> bool) -> bool {
    match (source, order) {
        (Source::All, Order::Time { .. } | Order::Names) | (Source::Time(..), Order::Time { .. }) => true,
        (Source::Names(names), Order::Names) => names.len() < 2,
        (Source::Metric { number, by, .. }, Order::Metric { number: wanted, by: wanted_by, .. }) => {
            *number == wanted && *by == wanted_by
        }
        (Source::Terms(terms), Order::Time { falling: true }) => {
            matches!(terms.as_slice(), [term] if is_by_start(term))
        }
        (Source::Runs(runs), Order::Time { .. }) => runs.len() < 2,
        _ => false,
    }
}

/// What was chosen.
pub(crate) struct Choice {
    pub source: Source,
    /// Whether its rows come in the order asked for.
    pub ordered: bool,
    /// For people.
    pub text: String,
    /// How many rows it has, where that was counted.
    pub rows: Option<u64>,
    /// Where else all answers can be found, in no order: what to turn to where too many rows of an ordered source do not answer.
    pub rivals: Rivals,
}

/// Counts the rows of a source, no further than to a bound.
pub(crate) type Count<'a> = &'a dyn Fn(&Source, u64) -> Result<u64>;

/// Chooses between the sources that parts of an expression name and the order asked for. Where one has no more than `few` rows,
/// or than are wanted, it is taken. Otherwise rows are looked through in the order asked for, where an index has it, as long as
/// that is cheaper than each of the others, see [`Rivals`].
pub(crate) fn choose(
    mut sources: Vec<(Source, String)>,
    order: Order,
    (limit, total): (u64, u64),
    few: u64,
    count: Count<'_>,
    is_by_start: &dyn Fn(&Term<'_>) -> bool,
) -> Result<Choice> {
    let is_ordered = |source: &Source| gives(source, order, is_by_start);
    let has_order = order != Order::Other;
    let bound = if has_order { few.max(limit).min(total.max(few)) } else { total };
    let bound = bound.saturating_add(1);
    if let Some((at, rows)) = smallest(&sources, bound, count)? {
        let (source, text) = sources.swap_remove(at);
        let ordered = is_ordered(&source);
        return Ok(Choice { source, ordered, text, rows: Some(rows), rivals: Rivals::none() });
    }
    let (source, text) = match (sources.iter().position(|(source, _)| is_ordered(source)), order) {
        (Some(at), _) => sources.swap_remove(at),
        (None, Order::Time { .. } | Order::Names | Order::Other) => (Source::All, "all".to_owned()),
        (None, Order::Metric { number, by, .. }) => {
            let all = Source::Metric { number, by, range: (Bound::Unbounded, Bound::Unbounded) };
            (all, "all with the metric they are sorted by".to_owned())
        }
    };
    let rivals = Rivals { sources, least: bound, smallest: None };
    Ok(Choice { source, ordered: has_order, text, rows: None, rivals })
}

/// Sources that each have all answers, beside one that gives them in order.
///
/// Nobody knows how many rows must be looked at in order until there are enough answers. So that is done until it has cost as
/// much as the smallest rival would; then the rest is looked for there. Whatever the answers are, the whole costs no more than
/// twice the cheaper of the two ways.
pub(crate) struct Rivals {
    sources: Vec<(Source, String)>,
    /// Each has so many rows, or more.
    least: u64,
    /// The position of the smallest, and how many rows it has, once that is known.
    smallest: Option<(usize, u64)>,
}

/// A source that turned out to be the cheaper one.
pub(crate) struct Cheaper {
    pub source: Source,
    pub text: String,
    pub rows: u64,
}

impl Rivals {
    fn none() -> Self {
        Rivals { sources: Vec::new(), least: u64::MAX, smallest: None }
    }

    /// Gives the smallest source away once `visited` rows are as many as it has. It is counted as far as has been visited, and
    /// as far again.
    pub(crate) fn cheaper_than(&mut self, visited: u64, count: Count<'_>) -> Result<Option<Cheaper>> {
        if self.sources.is_empty() {
            return Ok(None);
        }
        if self.smallest.is_none() && visited >= self.least {
            self.least = visited.saturating_mul(2).saturating_add(1);
            self.smallest = smallest_below(&self.sources, self.least, count)?;
        }
        Ok(match self.smallest {
            Some((_, rows)) if visited >= rows => self.take_smallest(),
            _ => None,
        })
    }

    /// Gives the smallest source away, whatever its size.
    pub(crate) fn cheapest(&mut self, total: u64, count: Count<'_>) -> Result<Option<Cheaper>> {
        if self.smallest.is_none() {
            self.smallest = smallest(&self.sources, total.saturating_add(1), count)?;
        }
        Ok(self.take_smallest())
    }

    fn take_smallest(&mut self) -> Option<Cheaper> {
        let (at, rows) = self.smallest.take()?;
        let (source, text) = self.sources.swap_remove(at);
        Some(Cheaper { source, text, rows })
    }
}

/// Finds the smallest source, where one has fewer than `bound` rows; all are counted to bounds that grow together.
fn smallest(sources: &[(Source, String)], bound: u64, count: Count<'_>) -> Result<Option<(usize, u64)>> {
    const FIRST_BOUND: u64 = 64;
    let mut reach = FIRST_BOUND.min(bound);
    loop {
        let best = smallest_below(sources, reach, count)?;
        if best.is_some() || reach == bound || sources.is_empty() {
            return Ok(best);
        }
        reach = reach.saturating_mul(8).min(bound);
    }
}

/// Finds the smallest source with fewer rows than `bound`: its position, and how many rows it has.
fn smallest_below(
    sources: &[(Source, String)],
    bound: u64,
    count: Count<'_>,
) -> Result<Option<(usize, u64)>> {
    let mut best: Option<(usize, u64)> = None;
    for (at, (source, _)) in sources.iter().enumerate() {
        let bound = best.map_or(bound, |(_, least)| least);
        let rows = count(source, bound)?;
        if rows < bound {
            best = Some((at, rows));
        }
    }
    Ok(best)
}

/// Counts what a scan visits, no further than to `bound`.
pub(crate) fn counted(
    bound: u64,
    scan: impl FnOnce(&mut dyn FnMut() -> ControlFlow<()>) -> Result<ControlFlow<()>>,
) -> Result<u64> {
    if bound == 0 {
        return Ok(0);
    }
    let mut rows = 0;
    let _bound = scan(&mut || {
        rows += 1;
        if rows >= bound { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok(rows)
}
