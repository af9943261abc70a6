//! A search: what was asked, checked; how it is carried out; what was found.

use std::cell::{Cell, RefCell};
use std::cmp::Ordering;
use std::collections::HashSet;
use std::hash::Hash;
use std::ops::ControlFlow;

use crate::error::{Error, Result};
use crate::model::{NodeId, Timestamp};
use crate::query::filter::check::{Checked, Expr, check};
use crate::query::filter::fault::{Span, fault};
use crate::query::filter::fields::{Aggregate, Field, Fixed, Names, Subject};
use crate::query::filter::plan::{self, Choice, Order, Source};
use crate::query::filter::reach::Reach;
use crate::query::filter::syntax::{parse, parse_operand};
use crate::query::filter::truth::{Row, Truth, decide, sorted_by_cost};
use crate::query::filter::value::Value;
use crate::store::{Snapshot, Term};

/// What is asked.
#[derive(Debug, Clone, Default)]
pub struct SearchRequest {
    /// What must be true of a row; all rows where it is `None`.
    pub filter: Option<String>,
    /// Fields to sort by, each with `-` before it for the greatest first. The newest first where there is none.
    pub sort: Vec<String>,
    /// Fields whose values are wanted beside each row; the metrics and parameters that the others name where there are none.
    pub columns: Vec<String>,
    /// How many rows are wanted at most.
    pub limit: usize,
    /// Whether also model versions are wanted that were withdrawn, or whose name another has.
    pub all: bool,
}

/// What no fact says and an answer may depend on.
pub struct Outside<'a> {
    /// Says whether the process lives that writes a journal segment.
    pub is_alive: &'a dyn Fn(u128) -> bool,
    /// Says whether the commit asked for by the question of this number is another or one that the other was built on; `None`
    /// where that is not known.
    pub contains: &'a dyn Fn(usize, &str) -> Result<Option<bool>>,
}

/// A column of values.
#[derive(Debug, Clone)]
pub struct Column {
    /// As it was asked for.
    pub title: String,
    /// The field.
    pub field: Field,
}

/// A row that answers.
#[derive(Debug, Clone)]
pub struct FoundRow<T> {
    /// What it is.
    pub item: T,
    /// The values of the columns; `None` where it has none.
    pub values: Vec<Option<Value>>,
}

/// What was found.
#[derive(Debug, Clone)]
pub struct Found<T> {
    /// The rows, in the order asked for.
    pub rows: Vec<FoundRow<T>>,
    /// Whether there are more; `None` where so many more rows would have to be looked at to tell that it was not done.
    pub more: Option<bool>,
    /// The columns.
    pub columns: Vec<Column>,
    /// How it was found.
    pub explanation: Explanation,
}

/// How a search went.
#[derive(Debug, Clone, Default)]
pub struct Explanation {
    /// Where rows were looked for.
    pub source: String,
    /// Whether they came in the order asked for, so that the search could end early.
    pub ordered: bool,
    /// How many rows the source has, where that was counted.
    pub source_rows: Option<u64>,
    /// How many rows there are.
    pub total: u64,
    /// How many were looked at.
    pub looked_at: u64,
    /// Of how many it could not be decided whether they answer, since a value is missing.
    pub undecided: u64,
    /// How questions on files were answered, one line each.
    pub questions: Vec<String>,
    /// Words that name no recorded file, as the expression has them.
    pub unknown_files: Vec<String>,
}

/// A search that was checked.
#[derive(Debug)]
pub struct Search {
    subject: Subject,
    /// Whether rows are listed that usually are not.
    all: bool,
    text: String,
    checked: Option<Checked>,
    sort: Vec<(Field, bool)>,
    columns: Vec<Column>,
    limit: usize,
}

/// How model versions are sorted unless somebody says otherwise.
const MODELS_ORDER: [(Fixed, bool); 2] = [(Fixed::Name, false), (Fixed::Version, true)];
/// So many rows more are looked at to tell whether there are more answers than were wanted.
const MORE_MAX: u64 = 1_000;
/// As many fields may be named for sorting, and as columns.
const FIELDS_MAX: usize = 64;

impl Search {
    /// Checks a request. `now` is what an expression calls so.
    ///
    /// # Errors
    /// A request error that says what is wrong with the expression, and where.
    pub fn prepare(
        snapshot: &Snapshot,
        subject: Subject,
        request: &SearchRequest,
        now: Timestamp,
    ) -> Result<Self> {
        let text = request.filter.clone().unwrap_or_default();
        let checked = match &request.filter {
            None => None,
            Some(text) => {
                let names = Names { snapshot, subject, text };
                let mut checked = check(&names, &parse(text)?, now)?;
                checked.expr = sorted_by_cost(checked.expr);
                Some(checked)
            }
        };
        if request.sort.len() > FIELDS_MAX || request.columns.len() > FIELDS_MAX {
            return Err(Error::request(format!("more than {FIELDS_MAX} fields are named")));
        }
        let field = |text: &str| Names { snapshot, subject, text }.field(&parse_operand(text)?);
        let mut sort = Vec::new();
        for word in &request.sort {
            let (word, falling) = match word.strip_prefix('-') {
                Some(word) => (word, true),
                None => (word.as_str(), false),
            };
            sort.push((field(word)?, falling));
        }
        if sort.is_empty() && subject == Subject::Models {
            sort = MODELS_ORDER.map(|(fixed, falling)| (Field::Fixed(fixed), falling)).to_vec();
        }
        let mut columns = Vec::new();
        for word in &request.columns {
            columns.push(Column { title: word.clone(), field: field(word)? });
        }
        if request.columns.is_empty() {
            columns = named(checked.as_ref().map(|checked| &checked.expr), &sort);
        }
        Ok(Search { subject, text, checked, sort, columns, limit: request.limit, all: request.all })
    }

    /// Returns the commits that the expression asks about, by the number of their question.
    pub fn commits(&self) -> impl Iterator<Item = &str> {
        self.checked.iter().flat_map(|checked| checked.commits.iter().map(|(commit, _)| commit.as_str()))
    }

    /// Makes the error for a commit that cannot be asked about.
    pub fn wrong_commit(&self, question: usize, message: impl Into<String>) -> Error {
        let commits = self.checked.as_ref().map(|checked| checked.commits.as_slice()).unwrap_or_default();
        let span = commits.get(question).map_or(Span { start: 0, end: 0 }, |(_, span)| *span);
        fault(&self.text, span, message)
    }

    fn expr(&self) -> Option<&Expr> {
        self.checked.as_ref().map(|checked| &checked.expr)
    }

    fn order(&self) -> Order {
        match self.sort.as_slice() {
            [] => Order::Time { falling: true },
            [(Field::Fixed(Fixed::Started), falling)] if self.subject == Subject::Runs => {
                Order::Time { falling: *falling }
            }
            [(Field::Fixed(a), a_falling), (Field::Fixed(b), b_falling)]
                if self.subject == Subject::Models
                    && [(*a, *a_falling), (*b, *b_falling)] == MODELS_ORDER =>
            {
                Order::Names
            }
            [(Field::Metric { number, aggregate, .. }, falling)] => match plan::ordered_by(*aggregate) {
                Some(by) => Order::Metric { number: *number, by, falling: *falling },
                None => Order::Other,
            },
            _ => Order::Other,
        }
    }

    /// Carries the search out on a table.
    pub(crate) fn run<T: Table>(&self, table: &T, outside: &Outside<'_>) -> Result<Found<T::Item>> {
        let mut reaches = Vec::new();
        for question in self.checked.iter().flat_map(|checked| &checked.files) {
            let wrong = |message: String| fault(&self.text, question.span, message);
            reaches.push(Reach::new(table.snapshot(), question, &wrong)?);
        }
        let total = table.count()?;
        let order = self.order();
        let choice = self.choose(table, order, total, &mut reaches)?;
        let mut asking = Asking {
            search: self,
            table,
            outside,
            reaches: RefCell::new(reaches),
            seen: HashSet::new(),
            found: Vec::new(),
            looked_at: 0,
            undecided: Cell::new(0),
        };
        let more = asking.look(&choice, order)?;
        let mut explanation = Explanation {
            source: choice.text,
            ordered: choice.ordered,
            source_rows: choice.rows,
            total,
            looked_at: asking.looked_at,
            undecided: asking.undecided.get(),
            questions: Vec::new(),
            unknown_files: Vec::new(),
        };
        let questions = self.checked.iter().flat_map(|checked| &checked.files);
        for (question, reach) in questions.zip(asking.reaches.borrow().iter()) {
            let relation = question.relation.as_str();
            if reach.names_nothing() {
                explanation.unknown_files.push(question.word.clone());
            }
            explanation.questions.push(format!("{relation}({:?}): {}", question.word, reach.way()));
        }
        let found = std::mem::take(&mut asking.found);
        let mut rows = Vec::with_capacity(found.len());
        for candidate in found {
            let mut values = Vec::with_capacity(self.columns.len());
            for column in &self.columns {
                values.push(table.value(&candidate.item, &column.field, outside)?);
            }
            rows.push(FoundRow { item: candidate.item, values });
        }
        Ok(Found { rows, more, columns: self.columns.clone(), explanation })
    }

    fn choose<T: Table>(&self, table: &T, order: Order, total: u64, reaches: &mut [Reach]) -> Result<Choice> {
        /// Each answer of a walk costs a few steps.
        const STEPS_A_ROW: usize = 16;
        let limit = u64::try_from(self.limit).unwrap_or(u64::MAX).max(1);
        let steps_max = (limit.saturating_mul(total).isqrt() as usize).saturating_mul(STEPS_A_ROW).max(1_024);
        let mut sources = Vec::new();
        for part in self.expr().map(plan::conjuncts).unwrap_or_default() {
            match part {
                Expr::Compare(comparison) => {
                    let text = &self.text[comparison.span.start..comparison.span.end];
                    sources.extend(table.source(comparison)?.map(|source| (source, text.to_owned())));
                }
                Expr::Files(question) => {
                    let source = table.files_source(&mut reaches[*question], steps_max)?;
                    sources.extend(source.map(|source| (source, "what the files lead to".to_owned())));
                }
                _ => {}
            }
        }
        let count = |source: &Source, bound: u64| {
            plan::counted(bound, |visit| table.scan(source, false, &mut |_| Ok(visit())))
        };
        let is_by_start = |term: &Term<'_>| table.is_by_start(term);
        plan::choose(plan::joined(sources), order, (limit, total), &count, &is_by_start)
    }
}

/// Returns the metrics and parameters that an expression and an order name, each once.
fn named(expr: Option<&Expr>, sort: &[(Field, bool)]) -> Vec<Column> {
    let mut fields: Vec<&Field> = sort.iter().map(|(field, _)| field).collect();
    let mut frontier: Vec<&Expr> = expr.into_iter().collect();
    while let Some(expr) = frontier.pop() {
        match expr {
            Expr::And(parts) | Expr::Or(parts) => frontier.extend(parts.iter().rev()),
            Expr::Not(inner) => frontier.push(inner),
            Expr::Compare(comparison) => fields.push(&comparison.field),
            Expr::Has(field) => fields.push(field),
            Expr::Files(_) | Expr::Contains(_) => {}
        }
    }
    let mut columns: Vec<Column> = Vec::new();
    for field in fields {
        let is_fixed = matches!(field, Field::Fixed(_));
        if !is_fixed && columns.len() < FIELDS_MAX && columns.iter().all(|column| column.field != *field) {
            columns.push(Column { title: field.title(), field: field.clone() });
        }
    }
    columns
}

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
    /// Decides a question on files for a row.
    fn files(&self, item: &Self::Item, reach: &mut Reach) -> Result<Truth>;
    /// Returns the rows that the files of a question lead to, where that takes no more than `steps_max` steps.
    fn files_source(&self, reach: &mut Reach, steps_max: usize) -> Result<Option<Source>>;
    /// Returns where the rows can be found that pass a comparison.
    fn source(&self, comparison: &crate::query::filter::check::Comparison) -> Result<Option<Source>>;
    /// Returns true where rows with a term come from the newest to the oldest.
    fn is_by_start(&self, term: &Term<'_>) -> bool;
    /// Calls `visit` with each row of a source until it breaks; in falling order where there is one and `falling` says so.
    fn scan(
        &self,
        source: &Source,
        falling: bool,
        visit: &mut dyn FnMut(Self::Id) -> Result<ControlFlow<()>>,
    ) -> Result<()>;
}

struct Candidate<T> {
    item: T,
    key: NodeId,
    values: Vec<Option<Value>>,
}

struct Asking<'a, T: Table> {
    search: &'a Search,
    table: &'a T,
    outside: &'a Outside<'a>,
    reaches: RefCell<Vec<Reach>>,
    seen: HashSet<T::Id>,
    found: Vec<Candidate<T::Item>>,
    looked_at: u64,
    undecided: Cell<u64>,
}

impl<T: Table> Asking<'_, T> {
    /// Looks through what was chosen; returns whether there are more answers than were wanted.
    fn look(&mut self, choice: &Choice, order: Order) -> Result<Option<bool>> {
        if !choice.ordered {
            return self.gather(&choice.source).map(Some);
        }
        let falling = match order {
            Order::Time { falling } | Order::Metric { falling, .. } => falling,
            Order::Other | Order::Names => false,
        };
        let mut more = self.stream(&choice.source, falling)?;
        // Rows without the metric they are sorted by come last, and stand in another index.
        if let Order::Metric { number, .. } = order
            && more == Some(false)
            && !plan::wants_metric(self.search.expr(), number)
        {
            more = self.add_rest()?;
        }
        Ok(more)
    }

    /// Takes rows as they come until there are enough.
    fn stream(&mut self, source: &Source, falling: bool) -> Result<Option<bool>> {
        let mut more = Some(false);
        let mut beyond = 0;
        let table = self.table;
        table.scan(source, falling, &mut |id| {
            if self.found.len() >= self.search.limit {
                beyond += 1;
                if beyond > MORE_MAX {
                    more = None;
                    return Ok(ControlFlow::Break(()));
                }
            }
            let Some(candidate) = self.try_row(id)? else {
                return Ok(ControlFlow::Continue(()));
            };
            if self.found.len() >= self.search.limit {
                more = Some(true);
                return Ok(ControlFlow::Break(()));
            }
            self.found.push(candidate);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(more)
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
            Ok(ControlFlow::Continue(()))
        })?;
        self.sort(&mut found);
        more |= found.len() > limit;
        found.truncate(limit);
        self.found = found;
        Ok(more)
    }

    /// Adds rows that were not seen yet behind those that were found.
    fn add_rest(&mut self) -> Result<Option<bool>> {
        let front = std::mem::take(&mut self.found);
        let wanted = self.search.limit - front.len();
        let more = self.gather(&Source::All)?;
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
            match decide(expr, &mut row)? {
                Some(true) => {}
                Some(false) => return Ok(None),
                None => {
                    self.undecided.set(self.undecided.get() + 1);
                    return Ok(None);
                }
            }
        }
        if !self.search.all && !self.table.is_listed(&item)? {
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

    fn files(&mut self, question: usize) -> Result<Truth> {
        self.asking.table.files(self.item, &mut self.asking.reaches.borrow_mut()[question])
    }

    fn contains(&mut self, question: usize) -> Result<Truth> {
        match self.value(&Field::Fixed(Fixed::Commit))? {
            Some(Value::Text(commit)) => (self.asking.outside.contains)(question, &commit),
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
