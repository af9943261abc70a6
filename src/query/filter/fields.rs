//! The fields that an expression may name, and what is known by those names.

use crate::error::Result;
use crate::model::{RunKind, RunStatus, Stage, TAG_FRONT};
use crate::query::filter::fault::{Span, fault, meant};
use crate::query::filter::syntax::{Argument, Operand};
use crate::store::{MetricNo, Snapshot};

/// What is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// Runs.
    Runs,
    /// Model versions.
    Models,
}

impl Subject {
    /// Returns the word for many of them.
    pub fn plural(self) -> &'static str {
        match self {
            Subject::Runs => "runs",
            Subject::Models => "model versions",
        }
    }

    /// Returns the command that lists them.
    pub(crate) fn command(self) -> &'static str {
        match self {
            Subject::Runs => "lineage log",
            Subject::Models => "lineage models",
        }
    }
}

/// Which of the points of a metric is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Aggregate {
    /// The last, by step and time.
    Last,
    /// The first.
    First,
    /// The least value.
    Min,
    /// The greatest value.
    Max,
    /// How many there are.
    Count,
}

impl Aggregate {
    const ALL: [(&'static str, Aggregate); 5] = [
        ("last", Aggregate::Last),
        ("first", Aggregate::First),
        ("min", Aggregate::Min),
        ("max", Aggregate::Max),
        ("count", Aggregate::Count),
    ];

    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, aggregate)| *aggregate == self).map_or("last", |(word, _)| word)
    }
}

/// A field.
#[derive(Debug, Clone, PartialEq)]
pub enum Field {
    /// One that every row has a place for.
    Fixed(Fixed),
    /// A metric.
    Metric {
        /// Its name.
        name: String,
        /// Its number.
        number: MetricNo,
        /// Which of its points.
        aggregate: Aggregate,
    },
    /// A parameter of the run, by name.
    Parameter(String),
    /// A tag, by name.
    Tag(String),
}

/// What sort of values a field has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    Number,
    Text,
    Boolean,
    Moment,
    Length,
    Version,
    /// The key of a run, meant by its tail.
    Key,
    /// A commit, meant by its front.
    Commit,
    /// One of a few words.
    Word(&'static [&'static str]),
    /// A text that may be a number: what the value is compared with decides.
    Free,
}

macro_rules! fixed {
    ($($(#[doc = $doc:literal])+ $name:ident $word:literal $sort:expr,)+) => {
        /// A field that every row has a place for.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Fixed {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Fixed {
            const ALL: &'static [(&'static str, Fixed)] = &[$(($word, Fixed::$name),)+];

            pub(crate) fn sort(self) -> Sort {
                match self {
                    $(Fixed::$name => $sort,)+
                }
            }

            /// Returns the field's name.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Fixed::$name => $word,)+
                }
            }
        }
    };
}

fixed! {
    /// The name.
    Name "name" Sort::Text,
    /// The semantic version of a model.
    Version "version" Sort::Version,
    /// Where a model version stands.
    Stage "stage" Sort::Word(&STAGES),
    /// When a model version was made.
    Created "created" Sort::Moment,
    /// When something last became of a model version.
    Updated "updated" Sort::Moment,
    /// What a model version is, in a sentence.
    Description "description" Sort::Text,
    /// What sort of model it is.
    ModelType "model_type" Sort::Text,
    /// The model it was made from.
    BaseModel "base_model" Sort::Text,
    /// Who started a run, or registered a model version.
    By "by" Sort::Text,
    /// What has become of a run.
    Status "status" Sort::Word(&STATUSES),
    /// When the run started.
    Started "started" Sort::Moment,
    /// When the run ended.
    Ended "ended" Sort::Moment,
    /// How long the run took.
    Took "took" Sort::Length,
    /// The run's key.
    Run "run" Sort::Key,
    /// The key of the run that the run repeats.
    RerunOf "rerun_of" Sort::Key,
    /// The key of the run that the run is a part of.
    Parent "parent" Sort::Key,
    /// The run's label.
    RunId "run_id" Sort::Text,
    /// What sort of execution the run is.
    Kind "kind" Sort::Word(&KINDS),
    /// The code the run ended with.
    ExitCode "exit_code" Sort::Number,
    /// The machine's name.
    Host "host" Sort::Text,
    /// The command, its arguments joined by spaces.
    Command "command" Sort::Text,
    /// The run's working folder, from the workspace's root.
    Folder "folder" Sort::Text,
    /// Why the run failed.
    Reason "reason" Sort::Text,
    /// The full SHA of the commit.
    Commit "git.commit" Sort::Commit,
    /// The branch.
    Branch "git.branch" Sort::Text,
    /// Whether tracked files differed from the commit.
    Dirty "git.dirty" Sort::Boolean,
}

impl Fixed {
    /// Says whether it is a field of what is searched. A model version has those of the run that trained it as well.
    fn is_of(self, subject: Subject) -> bool {
        let is_of_models = matches!(
            self,
            Fixed::Version
                | Fixed::Stage
                | Fixed::Created
                | Fixed::Updated
                | Fixed::Description
                | Fixed::ModelType
                | Fixed::BaseModel
        );
        match subject {
            Subject::Runs => !is_of_models,
            Subject::Models => self != Fixed::Status,
        }
    }
}

/// Other names of fields.
const ALIASES: [(&str, &str); 5] = [
    ("id", "run"),
    ("duration", "took"),
    ("commit", "git.commit"),
    ("branch", "git.branch"),
    ("dirty", "git.dirty"),
];

/// Names that mean a field of one subject only.
const OWN_ALIASES: [(Subject, &str, &str); 2] =
    [(Subject::Runs, "created", "started"), (Subject::Models, "status", "stage")];

const STAGES: [&str; 4] = [
    Stage::Development.as_str(),
    Stage::Staging.as_str(),
    Stage::Production.as_str(),
    Stage::Archived.as_str(),
];
const STATUSES: [&str; 4] = [
    RunStatus::Running.as_str(),
    RunStatus::Succeeded.as_str(),
    RunStatus::Failed.as_str(),
    RunStatus::Interrupted.as_str(),
];
const KINDS: [&str; 4] = [
    RunKind::Pipeline.as_str(),
    RunKind::Command.as_str(),
    RunKind::Library.as_str(),
    RunKind::Import.as_str(),
];

impl Field {
    /// Returns what to call it in a table.
    pub fn title(&self) -> String {
        match self {
            Field::Fixed(fixed) => fixed.as_str().to_owned(),
            Field::Metric { name, aggregate, .. } => match aggregate.as_str() {
                "last" => name.clone(),
                aggregate => format!("{aggregate}({name})"),
            },
            Field::Parameter(name) => format!("param.{name}"),
            Field::Tag(name) => format!("tag.{name}"),
        }
    }

    pub(crate) fn sort(&self) -> Sort {
        match self {
            Field::Fixed(fixed) => fixed.sort(),
            Field::Metric { .. } => Sort::Number,
            Field::Parameter(_) | Field::Tag(_) => Sort::Free,
        }
    }
}

/// As many names are looked at for what was meant by one that is not known.
const NAMES_MAX: usize = 10_000;

/// Names as a store has them.
pub(crate) struct Names<'a> {
    pub snapshot: &'a Snapshot,
    pub subject: Subject,
    /// The expression, for what is said of it.
    pub text: &'a str,
}

impl Names<'_> {
    /// Finds the field that `operand` names.
    pub(crate) fn field(&self, operand: &Operand) -> Result<Field> {
        if operand.arguments.is_some() {
            return self.aggregate(operand);
        }
        let front = operand.names[0].as_str();
        match (front, operand.names.len()) {
            ("metric", 2..) => self.metric(&operand.names[1..].join("."), Aggregate::Last, operand.span),
            ("tag" | "tags", 2..) => self.tag(&operand.names[1..].join("."), operand.span),
            ("param" | "params" | "parameter", 2..) => {
                self.parameter(&operand.names[1..].join("."), operand.span)
            }
            _ => self.bare(&operand.names.join("."), operand.span),
        }
    }

    /// Finds `min(loss)` and its like.
    fn aggregate(&self, operand: &Operand) -> Result<Field> {
        let word = operand.names.join(".");
        let Some((_, aggregate)) = Aggregate::ALL.iter().find(|(name, _)| *name == word) else {
            return Err(self.unknown_call(&word, operand.span, "gives a value"));
        };
        let wrong = || {
            fault(self.text, operand.span, format!("`{word}` wants one metric"))
                .hint(format!("such as `{word}(loss)` or `{word}(\"val/loss\")`"))
        };
        let Some([argument]) = operand.arguments.as_deref() else {
            return Err(wrong());
        };
        match argument {
            Argument::Literal(literal) if literal.quoted => {
                self.metric(&literal.text, *aggregate, literal.span)
            }
            Argument::Operand(inner) if inner.arguments.is_none() => {
                let names = match inner.names.as_slice() {
                    [front, rest @ ..] if front == "metric" && !rest.is_empty() => rest,
                    names => names,
                };
                self.metric(&names.join("."), *aggregate, inner.span)
            }
            _ => Err(wrong()),
        }
    }

    /// Makes the error for a call that is not known.
    pub(crate) fn unknown_call(&self, word: &str, span: Span, what: &str) -> crate::error::Error {
        let known = [
            "has",
            "used",
            "generated",
            "trained_on",
            "code.contains",
            "last",
            "first",
            "min",
            "max",
            "count",
        ];
        let error = fault(self.text, span, format!("no `{}(…)` {what}", shown(word)));
        match meant(word, known) {
            Some(name) if name != word => error.hint(format!("did you mean `{name}(…)`?")),
            _ => error.hint(format!("known are {}", known.join(", "))),
        }
    }

    fn metric(&self, name: &str, aggregate: Aggregate, span: Span) -> Result<Field> {
        match self.snapshot.metric_no(name)? {
            Some(number) => Ok(Field::Metric { name: name.to_owned(), number, aggregate }),
            None => {
                let names = self.snapshot.metric_names(NAMES_MAX)?;
                let error = fault(self.text, span, format!("unknown metric `{}`", shown(name)));
                let all = match names.len() {
                    0 => "no metric is recorded yet".to_owned(),
                    count => format!("`lineage metrics` lists all {count}"),
                };
                Err(match meant(name, names.iter().map(String::as_str)) {
                    Some(other) => error.hint(format!("did you mean `{}`? {all}", written(other))),
                    None => error.hint(all),
                })
            }
        }
    }

    fn tag(&self, name: &str, span: Span) -> Result<Field> {
        let field = Field::Tag(name.to_owned());
        if self.subject == Subject::Models {
            return Ok(field);
        }
        let all = self.snapshot.parameter_names(NAMES_MAX)?;
        let names: Vec<&str> = all.iter().filter_map(|known| known.strip_prefix(TAG_FRONT)).collect();
        if all.len() == NAMES_MAX || names.contains(&name) {
            return Ok(field);
        }
        let error = fault(self.text, span, format!("no run has a tag `{}`", shown(name)));
        Err(match meant(name, names.iter().copied()) {
            Some(other) => error.hint(format!("did you mean `tag.{}`?", parameter_written(other))),
            None if names.is_empty() => error.hint("no run has a tag yet"),
            None => {
                let some: Vec<String> = names.iter().take(5).map(|name| parameter_written(name)).collect();
                error.hint(format!("recorded are {}", some.join(", ")))
            }
        })
    }

    fn parameter(&self, name: &str, span: Span) -> Result<Field> {
        let names = self.snapshot.parameter_names(NAMES_MAX)?;
        // Where there are more names than are looked at, a name is taken at its word.
        if names.len() == NAMES_MAX || names.iter().any(|known| known == name) {
            return Ok(Field::Parameter(name.to_owned()));
        }
        let error = fault(self.text, span, format!("no run has a parameter `{}`", shown(name)));
        Err(match meant(name, names.iter().map(String::as_str)) {
            Some(other) => error.hint(format!("did you mean `param.{}`?", parameter_written(other))),
            None if names.is_empty() => error.hint("no parameter is recorded yet"),
            None => {
                let some: Vec<String> = names.iter().take(5).map(|name| parameter_written(name)).collect();
                error.hint(format!("recorded are {}", some.join(", ")))
            }
        })
    }

    fn bare(&self, word: &str, span: Span) -> Result<Field> {
        let own = OWN_ALIASES.iter().find(|(subject, alias, _)| *subject == self.subject && *alias == word);
        let name = own.map(|(_, _, name)| *name);
        let name =
            name.or(ALIASES.iter().find(|(alias, _)| *alias == word).map(|(_, name)| *name)).unwrap_or(word);
        let is_known = |(known, fixed): &&(&str, Fixed)| *known == name && fixed.is_of(self.subject);
        if let Some((_, fixed)) = Fixed::ALL.iter().find(is_known) {
            return Ok(Field::Fixed(*fixed));
        }
        if let Some(number) = self.snapshot.metric_no(word)? {
            return Ok(Field::Metric { name: word.to_owned(), number, aggregate: Aggregate::Last });
        }
        Err(self.unknown(word, span)?)
    }

    /// Makes the error for a field that is none, with what was most likely meant.
    fn unknown(&self, word: &str, span: Span) -> Result<crate::error::Error> {
        let metrics = self.snapshot.metric_names(NAMES_MAX)?;
        let parameters = self.snapshot.parameter_names(NAMES_MAX)?;
        if let Some((_, other)) = Fixed::ALL.iter().find(|(name, _)| *name == word) {
            let names = self.subject.plural();
            let error = fault(self.text, span, format!("{names} have no `{}`", other.as_str()));
            return Ok(
                error.hint("`lineage models --where` searches model versions, `lineage log --where` runs")
            );
        }
        let own = Fixed::ALL.iter().filter(|(_, fixed)| fixed.is_of(self.subject));
        let fixed = own.map(|(name, _)| *name).chain(ALIASES.iter().map(|(name, _)| *name));
        let what = if word.contains('.') { "unknown field" } else { "unknown metric or field" };
        let error = fault(self.text, span, format!("{what} `{}`", shown(word)));
        if parameters.iter().any(|name| name == word) {
            return Ok(error.hint(format!("did you mean `param.{word}`?")));
        }
        let metric = meant(word, metrics.iter().map(String::as_str)).map(written);
        let fixed = meant(word, fixed).map(str::to_owned);
        let all =
            format!("`lineage metrics` lists all metrics, `{} --help` all fields", self.subject.command());
        Ok(match metric.or(fixed) {
            Some(name) => error.hint(format!("did you mean `{name}`? {all}")),
            None => error.hint(all),
        })
    }
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_alphanumeric() || c == '_')
}

/// Writes the name of a parameter as it stands behind `param.`.
fn parameter_written(name: &str) -> String {
    if name.split('.').all(is_word) { name.to_owned() } else { quoted(name) }
}

/// Writes a name from an expression in a message.
pub(crate) fn shown(name: &str) -> String {
    let mut text: String = name.chars().take(64).flat_map(char::escape_debug).collect();
    if name.chars().nth(64).is_some() {
        text.push('…');
    }
    text
}

/// Writes a name as an expression must have it: in quotes where it is no word.
pub(crate) fn written(name: &str) -> String {
    if name.split('.').all(is_word) { name.to_owned() } else { format!("metric.{}", quoted(name)) }
}

/// Writes a name in quotes, as an expression takes it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", shown(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_of_the_language_names_every_field_and_word() {
        let documentation = include_str!("../../api/search.rs");
        let words = Fixed::ALL.iter().map(|(word, _)| *word).chain(STAGES).chain(STATUSES);
        let missing: Vec<&str> = words.filter(|word| !documentation.contains(&format!("`{word}`"))).collect();
        assert_eq!(missing, Vec::<&str>::new());
    }
}
