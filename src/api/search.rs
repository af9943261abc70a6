//! Questions on runs and model versions, in the language of `lineage log --where` and `lineage models --where`.

use std::sync::Arc;

use crate::api::Answer;
use crate::error::Result;
use crate::model::Timestamp;
use crate::ops::library::Library;
use crate::ops::{self, View};
use crate::query::RunView;
use crate::query::filter::{Found, SearchRequest};
use crate::query::registry::ModelView;

/// A question on runs or on model versions; [`Search::find`] asks it.
///
/// Indexes answer it: [`Found::explanation`] says which was chosen, and how many rows were looked at.
///
/// ```
/// use lineage::Workspace;
///
/// # fn main() -> lineage::error::Result<()> {
/// # let folder = tempfile::tempdir().unwrap();
/// let workspace = Workspace::init(folder.path())?;
/// for (seed, f1) in [(1, 0.78), (2, 0.91), (3, 0.85)] {
///     let run = workspace.run("train").param("seed", seed).tag("team", "credit").start()?;
///     run.metric("f1_score", f1, 0)?;
///     run.finish()?;
/// }
///
/// let best = workspace.log().filter("f1_score > 0.8 and tag.team = credit").sort("-f1_score").limit(1).find()?;
/// assert_eq!(best.rows[0].item.run.parameters[0], ("seed".to_owned(), "2".to_owned()));
/// assert_eq!(best.more, Some(true));
///
/// // What is wrong with an expression is said with its place, and what was likely meant.
/// let error = workspace.log().filter("f1_scor > 0.8").find().unwrap_err();
/// assert!(error.hint_text().unwrap().contains("did you mean `f1_score`?"));
/// # Ok(())
/// # }
/// ```
///
/// # Grammar
///
/// ```text
/// expression  = conjunction { "or" conjunction }
/// conjunction = negation { "and" negation }
/// negation    = "not" negation | "(" expression ")" | comparison | question | field
/// comparison  = field ( "=" | "!=" | "<" | "<=" | ">" | ">=" | "~" | "!~" ) value
///             | field [ "not" ] "in" "(" value { "," value } ")"
/// question    = "has" "(" field ")"
///             | ( "used" | "generated" | "trained_on" ) "(" text [ "," ( "observed" | "declared" | "inferred" | "doubtful" ) ] ")"
///             | "code" "." "contains" "(" commit ")"
/// field       = name { "." ( name | text ) }
///             | ( "last" | "first" | "min" | "max" | "count" ) "(" metric ")"
/// value       = number | text | word | "true" | "false" | date | length | moment
/// moment      = ( "now" | "today" ) [ ( "-" | "+" ) length ]
/// ```
///
/// A text stands in quotes, with `\` before a quote or a backslash. A date is `2025-12`, `2025-12-01`, `2025-12-01T10:30` or
/// `2025-12-01T10:30:05Z`, in UTC unless it says otherwise; a length is `90s`, `30m`, `1.5h`, `7d`, `2w`. `==` is `=`; words of the
/// language may be written in capitals. A field alone, where it is true or false, asks whether it is true.
///
/// # What the fields are
///
/// | of | fields |
/// |---|---|
/// | both | `name`, `by`, `started`, `ended`, `took`, `run`, `run_id`, `rerun_of`, `parent`, `kind`, `exit_code`, `host`, `command`, `folder`, `reason`, `git.commit`, `git.branch`, `git.dirty` |
/// | runs | `status` (`running`, `ok`, `failed`, `interrupted`) |
/// | model versions | `version`, `stage` (`development`, `staging`, `production`, `archived`), `created`, `updated`, `description`, `model_type`, `base_model` |
///
/// Any other name is a metric, and so is `metric."odd name"` in any case; `param.lr` is a parameter, `tag.team` a tag: a model
/// version has its own, a run those it was told as the parameter `tag.team` or given since. A model version has the fields of the
/// run that trained it as well; `by` is who started a run, and who registered a model version. A metric's value is its last one; `min(loss)` and the like ask for another.
///
/// A repetition of a run has the measurements of that run once more: a question on runs, which is an expression or an order, leaves
/// repetitions out unless the expression names `rerun_of`, or [`Search::all`] asks for them.
///
/// Dates are stretches: `started = 2025-12-01` is that day, `<` before it, `>` after it. A key is meant by its end, a commit by its
/// front. A parameter is compared as a number with a number, as a text with a text in quotes. `~` compares with a pattern of `*`,
/// `?`, `[a-z]` and `{one,two}`. Files are named from the workspace's root, or by `blake3:<digest>`; in their patterns `*` stops at
/// `/` and `**` does not; where no file is called so, `NAME@VERSION` is the files of a model version. `used` and `generated` ask what a run itself read and wrote, `trained_on` what it read or what that was
/// made from, however far back. A way to a file is as sure as the least sure edge on it, and that a file is a copy of another is
/// inferred from their bytes, where these are not a few; what only the entry of a model version says is declared. [`FoundRow::evidence`](crate::api::FoundRow::evidence) says it of the surest
/// way of each row, and a word behind the file wants it: `trained_on("a.csv", observed)` finds nothing that is less sure,
/// `declared` also what somebody said, `inferred` also what was concluded, `doubtful` also what changed while it was read, and no
/// word also what was carried: through a file that a step read and wrote on, into what else it wrote. Of a run as a whole, such a
/// file and all behind it is as sure as it is for what the run wrote elsewhere; of a run that wrote nothing elsewhere, as sure as
/// that it was read. `used` has no such doubt: it is what was read.
/// `code.contains(X)` asks whether the run's commit is X or was built on it.
/// `git.dirty` is true where tracked files of the run's own repository differed from its commit, or what it read of another from
/// that one's.
///
/// # What is missing
///
/// A comparison with a value that is not there, or that is no number where a number is wanted, is neither true nor false: neither
/// `f1 > 0.8` nor `not f1 > 0.8` finds a run without `f1`; `not has(f1)` does. `and` is false where one side is, `or` true where
/// one side is. What is not known of a commit, since the repository here has not its history, is likewise neither.
///
/// # Bounds
///
/// 16 KiB for an expression, 64 parentheses and `not` in one another, 1,000 values in a list, 100 questions on files and as many
/// on commits, 1 KiB for a pattern; patterns are matched in time linear in the text.
#[derive(Debug, Clone)]
#[must_use = "a question is asked by `find`"]
pub struct Search<T> {
    library: Arc<Library>,
    request: SearchRequest,
    ask: Ask<T>,
}

type Ask<T> = fn(&ops::Workspace, &View, &SearchRequest, Timestamp) -> Result<Found<T>>;

impl Search<RunView> {
    pub(super) fn of_runs(library: Arc<Library>) -> Self {
        Search::new(library, ops::search::runs)
    }
}

impl Search<ModelView> {
    pub(super) fn of_models(library: Arc<Library>) -> Self {
        Search::new(library, ops::search::models)
    }
}

impl<T> Search<T> {
    fn new(library: Arc<Library>, ask: Ask<T>) -> Self {
        let request = SearchRequest { limit: usize::MAX, ..SearchRequest::default() };
        Search { library, request, ask }
    }

    /// Asks for those that an expression is true of; of several expressions, all must be true. Each is read by itself: one that comes
    /// from a user cannot undo another.
    ///
    /// ```
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let workspace = lineage::Workspace::init(folder.path())?;
    /// # for name in ["train", "evaluate"] {
    /// #     let run = workspace.run(name).start()?;
    /// #     run.metric("f1", 0.9, 0)?;
    /// #     run.finish()?;
    /// # }
    /// let found = |asked: &str| workspace.log().filter("name = train").filter(asked).find();
    /// assert_eq!(found("f1 > 0 or f1 < 1")?.rows.len(), 1);
    /// let error = found("f1 > 0) or (f1 > 0").unwrap_err();
    /// assert!(error.message().contains("\n  f1 > 0) or (f1 > 0\n"));
    /// # Ok::<(), lineage::Error>(())
    /// ```
    pub fn filter(mut self, expression: impl Into<String>) -> Self {
        self.request.filters.push(expression.into());
        self
    }

    /// Sorts by a field, with `-` before it the greatest first; a further field decides between equal ones. By default runs come
    /// from the newest to the oldest, model versions by name, of one name the greatest first.
    pub fn sort(mut self, field: impl Into<String>) -> Self {
        self.request.sort.push(field.into());
        self
    }

    /// Asks for the value of a field beside each row. By default, for those of the metrics, parameters and tags that the
    /// question names.
    pub fn column(mut self, field: impl Into<String>) -> Self {
        self.request.columns.push(field.into());
        self
    }

    /// Asks for so many at most.
    pub fn limit(mut self, limit: usize) -> Self {
        self.request.limit = limit;
        self
    }

    /// Asks also for those that a question leaves out otherwise: repetitions of runs, and model versions that were withdrawn, or
    /// whose name another has.
    pub fn all(mut self) -> Self {
        self.request.all = true;
        self
    }

    /// Asks the question, with everything in view that was recorded before the call.
    ///
    /// # Errors
    /// A request error where the expression or a field is wrong: it says where, and what was likely meant. A store error where
    /// a record is damaged.
    pub fn find(self) -> Result<Answer<Found<T>>> {
        let workspace = self.library.workspace();
        let view = workspace.view()?;
        let value = (self.ask)(workspace, &view, &self.request, self.library.clock().wall())?;
        Ok(Answer { value, warnings: view.warnings })
    }
}
