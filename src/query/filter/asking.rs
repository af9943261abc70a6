//! Looking through rows: those of a source, each once, until there are enough.

use std::cell::{Cell, Ref, RefCell};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::Hash;
use std::ops::ControlFlow;

use crate::error::Result;
use crate::model::NodeId;
use crate::query::filter::check::Comparison;
use crate::query::filter::fields::{Aggregate, Field, Fixed};
use crate::query::filter::plan::{self, Cheaper, Choice, Order, Rivals, Source};
use crate::query::filter::reach::Reach;
use crate::query::filter::search::{Outside, Search};
use crate::query::filter::truth::{Row, Truth, decide};
use crate::query::filter::value::Value;
use crate::store::{GO_ON, Snapshot, Term};

/// So many rows more are looked at to tell whether there are more answers than were wanted.
const MORE_MAX: u64 = 1_000;

/// What can be searched.
pub(crate) trait Table {
    /// The number of a row.
    type Id: Copy + Eq + Hash;
    /// A row.
    type Item;

    fn snapshot(&self) -> &Snapshot;
    /// Returns how many rows there are.
    fn count(&self) -> Result<u64>;
    /// Reads a row; `None` where it is none after all.
    fn read(&self, id: Self::Id) -> Result<Option<Self::Item>>;
    /// Says whether a row that answers is listed.
    fn is_listed(&self, item: &Self::Item) -> Result<bool>;
    fn key(&self, item: &Self::Item) -> NodeId;
    fn value(&self, item: &Self::Item, field: &Field, outside: &Outside<'_>) -> Result<Option<Value>>;
    /// Returns all values of a field of which a comparison may mean any.
    fn values(&self, item: &Self::Item, field: &Field, outside: &Outside<'_>) -> Result<Vec<Value>> {
        Ok(self.value(item, field, outside)?.into_iter().collect())
    }
    /// Decides a question on files for a row.
    fn files(&self, item: &Self::Item, reach: &mut Reach) -> Result<Truth>;
    /// Returns the rows that the files of a question lead to, where that takes no more than `steps_max` steps.
    fn files_source(&self, reach: &mut Reach, steps_max: usize) -> Result<Option<Source>>;
    /// Returns where the rows can be found that pass a comparison.
    fn source(&self, comparison: &Comparison) -> Result<Option<Source>>;
    /// Returns true where rows with a term come from the newest to the oldest.
    fn is_by_start(&self, term: &Term<'_>) -> bool;
    /// Calls `visit` with each row of a source until it breaks; in falling order where there is one and `falling` says so.
    fn scan<B>(
        &self,
        source: &Source,
        falling: bool,
        visit: &mut dyn FnMut(Self::Id) -> Result<ControlFlow<B>>,
    ) -> Result<ControlFlow<B>>;
}

struct Candidate<T> {
    item: T,
    key: NodeId,
    values: Vec<Option<Value>>,
}

/// Where rows were looked for.
pub(super) struct Looked {
    /// For people.
    pub source: String,
    /// How many rows it has, where that was counted.
    pub rows: Option<u64>,
    /// Whether they came in the order asked for.
    pub ordered: bool,
    /// Where they were looked for before, in the order asked for, and how many came there.
    pub after: Option<(String, u64)>,
}

/// How looking through rows in order ended.
enum Ended {
    /// With enough answers or all of them, and whether there are more.
    Done(Option<bool>),
    /// Since the rest is found cheaper elsewhere.
    Beaten(Cheaper),
}

/// Counts the rows of a source, no further than to a bound.
pub(super) fn count<T: Table>(table: &T, source: &Source, bound: u64) -> Result<u64> {
    plan::counted(bound, |visit| table.scan(source, false, &mut |_| Ok(visit())))
}

/// A search under way.
pub(super) struct Asking<'a, T: Table> {
    search: &'a Search,
    table: &'a T,
    outside: &'a Outside<'a>,
    reaches: RefCell<Vec<Reach>>,
    seen: HashSet<T::Id>,
    found: Vec<Candidate<T::Item>>,
    looked_at: u64,
    undecided: Cell<u64>,
    unlisted: u64,
    /// Commits of which it is not known what they were built on: of all rows that could not be decided, with their number, and
    /// of the row that is looked at.
    unknown_commits: RefCell<(BTreeMap<String, u64>, BTreeSet<String>)>,
}

impl<'a, T: Table> Asking<'a, T> {
    pub fn new(search: &'a Search, table: &'a T, outside: &'a Outside<'a>, reaches: Vec<Reach>) -> Self {
        Asking {
            search,
            table,
            outside,
            reaches: RefCell::new(reaches),
            seen: HashSet::new(),
            found: Vec::new(),
            looked_at: 0,
            undecided: Cell::new(0),
            unlisted: 0,
            unknown_commits: RefCell::default(),
        }
    }

    /// Returns how many rows were looked at.
    pub fn looked_at(&self) -> u64 {
        self.looked_at
    }

    /// Returns of how many rows it could not be decided whether they answer.
    pub fn undecided(&self) -> u64 {
        self.undecided.get()
    }

    /// Returns how many rows were met that answer and are not listed.
    pub fn unlisted(&self) -> u64 {
        self.unlisted
    }

    /// Returns the commits of which it is not known what they were built on, each with the number of rows that could not be
    /// decided for that.
    pub fn unknown_commits(&self) -> Vec<(String, u64)> {
        self.unknown_commits.borrow().0.clone().into_iter().collect()
    }

    /// Returns what is known by now of the questions on files.
    pub fn reaches(&self) -> Ref<'_, Vec<Reach>> {
        self.reaches.borrow()
    }

    /// Returns the rows that answer, in order, and what is known of the questions on files.
    pub fn into_found(self) -> (Vec<T::Item>, Vec<Reach>) {
        let items = self.found.into_iter().map(|candidate| candidate.item).collect();
        (items, self.reaches.into_inner())
    }

    /// Looks through what was chosen, and through something else where that turns out to be cheaper; returns whether there are
    /// more answers than were wanted.
    pub fn look(&mut self, mut choice: Choice, order: Order, total: u64) -> Result<(Looked, Option<bool>)> {
        let mut looked =
            Looked { source: choice.text, rows: choice.rows, ordered: choice.ordered, after: None };
        if !choice.ordered {
            let more = self.gather(&choice.source)?;
            return Ok((looked, Some(more)));
        }
        let falling = match order {
            Order::Time { falling } | Order::Metric { falling, .. } => falling,
            Order::Other | Order::Names => false,
        };
        let (visited, ended) = self.stream(&choice.source, falling, &mut choice.rivals)?;
        let mut more = match ended {
            Ended::Done(more) => more,
            // What was found stays found, and what was looked at is not looked at again.
            Ended::Beaten(cheaper) => {
                looked.after = Some((looked.source, visited));
                (looked.source, looked.rows, looked.ordered) = (cheaper.text, Some(cheaper.rows), false);
                return Ok((looked, Some(self.gather(&cheaper.source)?)));
            }
        };
        // Rows without the metric they are sorted by come last, and stand in another index.
        if let Order::Metric { number, .. } = order
            && more == Some(false)
            && !self.search.wants_metric(number)
        {
            let table = self.table;
            let cheapest = choice.rivals.cheapest(total, &|source, bound| count(table, source, bound))?;
            looked.after = Some((looked.source, visited));
            looked.ordered = false;
            let source;
            (looked.source, looked.rows, source) = match cheapest {
                Some(cheapest) => (cheapest.text, Some(cheapest.rows), cheapest.source),
                None => ("all".to_owned(), None, Source::All),
            };
            more = self.add_rest(&source)?;
        }
        Ok((looked, more))
    }

    /// Takes rows as they come until there are enough, or something else is cheaper; returns how many came.
    fn stream(&mut self, source: &Source, falling: bool, rivals: &mut Rivals) -> Result<(u64, Ended)> {
        let (mut visited, mut beyond) = (0, 0);
        let table = self.table;
        let count = |source: &Source, bound| count(table, source, bound);
        let flow = table.scan(source, falling, &mut |id| {
            if self.found.len() >= self.search.limit {
                beyond += 1;
                if beyond > MORE_MAX {
                    return Ok(ControlFlow::Break(Ended::Done(None)));
                }
            } else if let Some(cheaper) = rivals.cheaper_than(visited, &count)? {
                return Ok(ControlFlow::Break(Ended::Beaten(cheaper)));
            }
            visited += 1;
            let Some(candidate) = self.try_row(id)? else {
                return Ok(ControlFlow::Continue(()));
            };
            if self.found.len() >= self.search.limit {
                return Ok(ControlFlow::Break(Ended::Done(Some(true))));
            }
            self.found.push(candidate);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok((visited, flow.break_value().unwrap_or(Ended::Done(Some(false)))))
    }

    /// Takes all rows of a source, sorts them, and keeps the first.
    fn gather(&mut self, source: &Source) -> Result<bool> {
        let table = self.table;
        let limit = self.search.limit;
        let keep = limit.saturating_mul(2).saturating_add(64);
        let mut more = false;
        let mut found = std::mem::take(&mut self.found);
        table.scan(source, false, &mut |id| {
            found.extend(self.try_row(id)?);
            if found.len() > keep {
                self.sort(&mut found);
                found.truncate(limit);
                more = true;
            }
            Ok(GO_ON)
        })?;
        self.sort(&mut found);
        more |= found.len() > limit;
        found.truncate(limit);
        self.found = found;
        Ok(more)
    }

    /// Adds rows of a source that were not seen yet behind those that were found.
    fn add_rest(&mut self, source: &Source) -> Result<Option<bool>> {
        let front = std::mem::take(&mut self.found);
        let wanted = self.search.limit - front.len();
        let more = self.gather(source)?;
        let rest = std::mem::replace(&mut self.found, front);
        let more = more || rest.len() > wanted;
        self.found.extend(rest.into_iter().take(wanted));
        Ok(Some(more))
    }

    /// Looks at a row, once.
    fn try_row(&mut self, id: T::Id) -> Result<Option<Candidate<T::Item>>> {
        if !self.seen.insert(id) {
            return Ok(None);
        }
        let Some(item) = self.table.read(id)? else {
            return Ok(None);
        };
        self.looked_at += 1;
        if let Some(expr) = self.search.expr() {
            let mut row = AskedRow { asking: self, item: &item };
            let truth = decide(expr, &mut row)?;
            let (unknown, of_row) = &mut *self.unknown_commits.borrow_mut();
            for commit in std::mem::take(of_row).into_iter().filter(|_| truth.is_none()) {
                *unknown.entry(commit).or_default() += 1;
            }
            match truth {
                Some(true) => {}
                Some(false) => return Ok(None),
                None => {
                    self.undecided.set(self.undecided.get() + 1);
                    return Ok(None);
                }
            }
        }
        if !self.search.all && !self.table.is_listed(&item)? {
            self.unlisted += 1;
            return Ok(None);
        }
        let mut values = Vec::with_capacity(self.search.sort.len());
        for (field, _) in &self.search.sort {
            values.push(self.table.value(&item, field, self.outside)?);
        }
        if self.search.sort.is_empty() {
            values.push(self.table.value(&item, &Field::Fixed(Fixed::Started), self.outside)?);
        }
        Ok(Some(Candidate { key: self.table.key(&item), item, values }))
    }

    fn sort(&self, found: &mut [Candidate<T::Item>]) {
        let newest_first = [true];
        let directions: Vec<bool> = match self.search.sort.as_slice() {
            [] => newest_first.to_vec(),
            sort => sort.iter().map(|(_, falling)| *falling).collect(),
        };
        found.sort_by(|a, b| {
            let mut pairs = a.values.iter().zip(&b.values).zip(&directions);
            let by_values = pairs.find_map(|((a, b), falling)| {
                let order = in_direction(a.as_ref(), b.as_ref(), *falling);
                order.is_ne().then_some(order)
            });
            by_values.unwrap_or_else(|| if directions[0] { b.key.cmp(&a.key) } else { a.key.cmp(&b.key) })
        });
    }
}

/// Compares values as they are sorted: in either direction, rows without one come last.
fn in_direction(a: Option<&Value>, b: Option<&Value>, falling: bool) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) if falling => b.order(a),
        (Some(a), Some(b)) => a.order(b),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    }
}

struct AskedRow<'a, 'b, T: Table> {
    asking: &'a Asking<'b, T>,
    item: &'a T::Item,
}

impl<T: Table> Row for AskedRow<'_, '_, T> {
    fn value(&mut self, field: &Field) -> Result<Option<Value>> {
        self.asking.table.value(self.item, field, self.asking.outside)
    }

    fn values(&mut self, field: &Field) -> Result<Vec<Value>> {
        self.asking.table.values(self.item, field, self.asking.outside)
    }

    fn files(&mut self, question: usize) -> Result<Truth> {
        self.asking.table.files(self.item, &mut self.asking.reaches.borrow_mut()[question])
    }

    fn contains(&mut self, question: usize) -> Result<Truth> {
        match self.value(&Field::Fixed(Fixed::Commit))? {
            Some(Value::Text(commit)) => {
                let truth = (self.asking.outside.contains)(question, &commit)?;
                if truth.is_none() {
                    self.asking.unknown_commits.borrow_mut().1.insert(commit);
                }
                Ok(truth)
            }
            _ => Ok(None),
        }
    }
}

/// Returns the value of a metric for an owner.
pub(crate) fn metric_value(snapshot: &Snapshot, owner: NodeId, field: &Field) -> Result<Option<Value>> {
    let Field::Metric { number, aggregate, .. } = field else {
        return Ok(None);
    };
    if *aggregate == Aggregate::Count {
        return Ok(Some(Value::Number(snapshot.metric_count(owner, *number)? as f64)));
    }
    let summary = snapshot.metric_summary(owner, *number)?;
    Ok(summary.map(|summary| {
        Value::Number(match aggregate {
            Aggregate::Last | Aggregate::Count => summary.last.value.get(),
            Aggregate::First => summary.first.value.get(),
            Aggregate::Min => summary.min.get(),
            Aggregate::Max => summary.max.get(),
        })
    }))
}
