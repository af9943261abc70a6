//! A search: what was asked, checked; how it is carried out; what was found.

use crate::error::{Error, Result};
use crate::model::{ArtifactPath, Evidence, Timestamp};
use crate::query::RunView;
use crate::query::filter::asking::{Asking, Table, count};
use crate::query::filter::check::{Checked, Expr, FileQuestion, check};
use crate::query::filter::fields::{Aggregate, Field, Fixed, Names, Subject};
use crate::query::filter::hints::hints;
use crate::query::filter::plan::{self, Choice, Order, Source};
use crate::query::filter::reach::Reach;
use crate::query::filter::syntax::parse_operand;
use crate::query::filter::truth::sorted_by_cost;
use crate::query::filter::value::Value;
use crate::store::{MetricNo, Snapshot, Term};

/// What is asked.
#[derive(Debug, Clone, Default)]
pub struct SearchRequest {
    /// What must be true of a row, each of these expressions; all rows where there are none.
    pub filters: Vec<String>,
    /// Fields to sort by, each with `-` before it for the greatest first. The newest first where there is none.
    pub sort: Vec<String>,
    /// Fields whose values are wanted beside each row; the metrics and parameters that the others name where there are none.
    pub columns: Vec<String>,
    /// How many rows are wanted at most.
    pub limit: usize,
    /// Whether also those are wanted that a question leaves out otherwise: repetitions of runs, and model versions that were
    /// withdrawn or whose name another has.
    pub all: bool,
}

/// What no fact says and an answer may depend on.
pub struct Outside<'a> {
    /// Says whether a run that has no end is at work.
    pub is_at_work: &'a dyn Fn(&RunView) -> Result<bool>,
    /// Says whether the commit asked for by the question of this number is another or one that the other was built on; `None`
    /// where that is not known.
    pub contains: &'a dyn Fn(usize, &str) -> Result<Option<bool>>,
    /// Says where a folder really lies, and where it lay, in which symbolic links may stand or have stood.
    pub real_folders: &'a dyn Fn(&ArtifactPath) -> Result<Vec<ArtifactPath>>,
    /// The whole path of the workspace's root.
    pub root: &'a str,
}

/// A column of values.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Column {
    /// As it was asked for.
    pub title: String,
    /// The field.
    pub(crate) field: Field,
}

impl Column {
    /// Returns the metric whose values it has.
    pub fn metric(&self) -> Option<&str> {
        match &self.field {
            Field::Metric { name, .. } => Some(name),
            _ => None,
        }
    }
}

/// A row that answers.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FoundRow<T> {
    /// What it is.
    pub item: T,
    /// The values of the columns; `None` where it has none.
    pub values: Vec<Option<Value>>,
    /// For each question on files that was asked, how the least sure edge is known on the way from the row to the files, of several
    /// ways on the surest; `None` where the row answers by something else.
    pub evidence: Vec<Option<Evidence>>,
}

/// What was found.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Found<T> {
    /// The rows, in the order asked for.
    pub rows: Vec<FoundRow<T>>,
    /// Whether there are more; `None` where so many more rows would have to be looked at to tell that it was not done.
    pub more: Option<bool>,
    /// The columns.
    pub columns: Vec<Column>,
    /// The questions on files that were asked, such as `trained_on("train.csv")`.
    pub questions: Vec<String>,
    /// How it was found.
    pub explanation: Explanation,
}

/// Why a list has no rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Lack {
    /// Nothing of the sort is recorded.
    NothingRecorded,
    /// All that is recorded was withdrawn, or has the name of another; it is listed where all are asked for.
    NoneCurrent,
    /// The expression is true of nothing that is recorded.
    NoneAnswers,
}

impl Lack {
    /// Returns the words for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Lack::NothingRecorded => "nothing recorded",
            Lack::NoneCurrent => "none current",
            Lack::NoneAnswers => "none answers",
        }
    }
}

impl<T> Found<T> {
    /// Says why there are no rows; `None` where there are.
    pub fn lack(&self) -> Option<Lack> {
        match self.explanation.total {
            _ if !self.rows.is_empty() => None,
            0 => Some(Lack::NothingRecorded),
            _ => Some(Lack::NoneAnswers),
        }
    }
}

/// How a search went.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Explanation {
    /// Where rows were looked for.
    pub source: String,
    /// Whether they came in the order asked for, so that the search could end early.
    pub ordered: bool,
    /// How many rows the source has, where that was counted.
    pub source_rows: Option<u64>,
    /// Where rows were looked for before, in the order asked for, until looking for the rest elsewhere was cheaper or there were
    /// no more; and how many came.
    pub after: Option<(String, u64)>,
    /// How many rows there are.
    pub total: u64,
    /// How many were looked at.
    pub looked_at: u64,
    /// Of how many it could not be decided whether they answer, since a value is missing.
    pub undecided: u64,
    /// How many of these answer and are not listed: repetitions of runs, model versions that were withdrawn or whose name another has.
    pub unlisted: u64,
    /// How questions on files were answered, one line each.
    pub questions: Vec<String>,
    /// Words that name no recorded file, as the expression has them.
    pub unknown_files: Vec<String>,
    /// Commits of which the repository does not know what they were built on, and of how many rows it could not be decided for
    /// that whether they answer.
    pub unknown_commits: Vec<(String, u64)>,
    /// Where nothing answers, what may have been meant, one line each.
    pub hints: Vec<String>,
}

/// A search that was checked.
#[derive(Debug)]
pub struct Search {
    subject: Subject,
    /// Whether rows are listed that usually are not.
    pub(super) all: bool,
    texts: Vec<String>,
    checked: Option<Checked>,
    pub(super) sort: Vec<(Field, bool)>,
    columns: Vec<Column>,
    pub(super) limit: usize,
    /// So few rows are looked through without thinking of other ways.
    pub(super) few: u64,
}

const FEW_ROWS: u64 = 64;
/// How model versions are sorted unless somebody says otherwise.
const MODELS_ORDER: [(Fixed, bool); 2] = [(Fixed::Name, false), (Fixed::Version, true)];
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
        let texts = request.filters.clone();
        let checked = check(snapshot, subject, &texts, now)?
            .map(|checked| Checked { expr: sorted_by_cost(checked.expr), ..checked });
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
        let SearchRequest { limit, all, .. } = *request;
        Ok(Search { subject, texts, checked, sort, columns, limit, all, few: FEW_ROWS })
    }

    /// Returns the commits that the expression asks about, by the number of their question.
    pub fn commits(&self) -> impl Iterator<Item = &str> {
        self.checked.iter().flat_map(|checked| checked.commits.iter().map(|(commit, _)| commit.as_str()))
    }

    /// Makes the error for a commit that cannot be asked about.
    pub fn wrong_commit(&self, question: usize, message: impl Into<String>) -> Error {
        match self.checked.as_ref().and_then(|checked| checked.commits.get(question)) {
            Some((_, place)) => place.fault(&self.texts, message),
            None => Error::request(message),
        }
    }

    pub(super) fn expr(&self) -> Option<&Expr> {
        self.checked.as_ref().map(|checked| &checked.expr)
    }

    /// Tells whether only rows that have a value of their own for a metric can answer.
    pub(super) fn wants_metric(&self, wanted: MetricNo) -> bool {
        plan::wants_metric(self.expr(), wanted, |aggregate| match self.subject {
            Subject::Models => aggregate == Aggregate::Last,
            // How many points there are is known where there are none.
            Subject::Runs => aggregate != Aggregate::Count,
        })
    }

    /// Says whether there is a condition or an order.
    pub(super) fn is_question(&self) -> bool {
        self.checked.is_some() || !self.sort.is_empty()
    }

    /// Says whether the condition names a field.
    pub(super) fn names(&self, field: &Field) -> bool {
        fields_of(self.expr()).contains(&field)
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
            // But for their last values, versions have the metrics of their runs, which no index has by version.
            [(Field::Metric { aggregate, .. }, _)]
                if self.subject == Subject::Models && *aggregate != Aggregate::Last =>
            {
                Order::Other
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
            let wrong = |message: String| question.place.fault(&self.texts, message);
            reaches.push(Reach::new(table.snapshot(), question, outside, &wrong)?);
        }
        let total = table.count()?;
        let order = self.order();
        let choice = self.choose(table, order, total, &mut reaches)?;
        let mut asking = Asking::new(self, table, outside, reaches);
        let (looked, more) = asking.look(choice, order, total)?;
        let mut explanation = Explanation {
            source: looked.source,
            ordered: looked.ordered,
            source_rows: looked.rows,
            after: looked.after,
            total,
            looked_at: asking.looked_at(),
            undecided: asking.undecided(),
            unlisted: asking.unlisted(),
            questions: Vec::new(),
            unknown_files: Vec::new(),
            unknown_commits: asking.unknown_commits(),
            hints: Vec::new(),
        };
        let questions = || self.checked.iter().flat_map(|checked| &checked.files);
        for (question, reach) in questions().zip(asking.reaches().iter()) {
            if reach.names_nothing() {
                explanation.unknown_files.push(question.word.clone());
            }
            explanation.questions.push(format!("{}: {}", question.text(), reach.way()));
        }
        let (found, reaches) = asking.into_found();
        if let Some(expr) = self.expr().filter(|_| found.is_empty()) {
            explanation.hints = hints(table.snapshot(), expr)?;
        }
        let mut reaches: Vec<Vec<(Evidence, Reach)>> = reaches.into_iter().map(Reach::by_evidence).collect();
        let mut rows = Vec::with_capacity(found.len());
        for item in found {
            let mut values = Vec::with_capacity(self.columns.len());
            for column in &self.columns {
                values.push(table.value(&item, &column.field, outside)?);
            }
            let evidence = reaches.iter_mut().map(|reaches| evidence_of(table, &item, reaches));
            let evidence = evidence.collect::<Result<_>>()?;
            rows.push(FoundRow { item, values, evidence });
        }
        let questions = questions().map(FileQuestion::text).collect();
        Ok(Found { rows, more, columns: self.columns.clone(), questions, explanation })
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
                    let text = comparison.place.words(&self.texts);
                    sources.extend(table.source(comparison)?.map(|source| (source, text.to_owned())));
                }
                Expr::Files(question) => {
                    let source = table.files_source(&mut reaches[*question], steps_max)?;
                    sources.extend(source.map(|source| (source, "what the files lead to".to_owned())));
                }
                _ => {}
            }
        }
        let count = |source: &Source, bound| count(table, source, bound);
        let is_by_start = |term: &Term<'_>| table.is_by_start(term);
        plan::choose(plan::joined(sources), order, (limit, total), self.few, &count, &is_by_start)
    }
}

/// Finds the surest evidence by which a row answers a question on files, of which the whole comes last.
fn evidence_of<T: Table>(
    table: &T,
    item: &T::Item,
    reaches: &mut [(Evidence, Reach)],
) -> Result<Option<Evidence>> {
    let Some(((weakest, whole), surer)) = reaches.split_last_mut() else {
        return Ok(None);
    };
    if table.files(item, whole)? != Some(true) {
        return Ok(None);
    }
    for (evidence, reach) in surer {
        if table.files(item, reach)? == Some(true) {
            return Ok(Some(*evidence));
        }
    }
    Ok(Some(*weakest))
}

/// Returns the metrics and parameters that an expression and an order name, each once.
fn named(expr: Option<&Expr>, sort: &[(Field, bool)]) -> Vec<Column> {
    let mut columns: Vec<Column> = Vec::new();
    for field in sort.iter().map(|(field, _)| field).chain(fields_of(expr)) {
        let is_fixed = matches!(field, Field::Fixed(_));
        if !is_fixed && columns.len() < FIELDS_MAX && columns.iter().all(|column| column.field != *field) {
            columns.push(Column { title: field.title(), field: field.clone() });
        }
    }
    columns
}

/// Returns the fields that an expression compares or asks for, in its order.
fn fields_of(expr: Option<&Expr>) -> Vec<&Field> {
    let mut fields = Vec::new();
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
    fields
}
