//! The language in which runs and models are searched, and how a search is carried out.
//!
//! ```text
//! f1_score >= 0.8 and git.dirty = false and trained_on("data/processed/**")
//! ```
//!
//! # Grammar
//!
//! ```text
//! expression  = conjunction { "or" conjunction }
//! conjunction = negation { "and" negation }
//! negation    = "not" negation | "(" expression ")" | comparison | question | field
//! comparison  = field ( "=" | "!=" | "<" | "<=" | ">" | ">=" | "~" | "!~" ) value
//!             | field [ "not" ] "in" "(" value { "," value } ")"
//! question    = "has" "(" field ")"
//!             | ( "used" | "generated" | "trained_on" ) "(" text ")"
//!             | "code" "." "contains" "(" commit ")"
//! field       = name { "." ( name | text ) }
//!             | ( "last" | "first" | "min" | "max" | "count" ) "(" metric ")"
//! value       = number | text | word | "true" | "false" | date | length | moment
//! moment      = ( "now" | "today" ) [ ( "-" | "+" ) length ]
//! ```
//!
//! A text stands in quotes, with `\` before a quote or a backslash. A date is `2025-12`, `2025-12-01`, `2025-12-01T10:30` or
//! `2025-12-01T10:30:05Z`, in UTC unless it says otherwise; a length is `90s`, `30m`, `1.5h`, `7d`, `2w`. `==` is `=`; words of the
//! language may be written in capitals. A field alone, where it is true or false, asks whether it is true.
//!
//! # What the fields are
//!
//! A name alone is a field of [`Fixed`], else a metric; `metric."odd name"` is always a metric, `param.lr` a parameter, `tag.team` a
//! tag: of a model version its own, of a run what it was told as parameter `tag.team` or given since. A model version has the fields of the run that trained it, but its `created` and `status`, which is its
//! stage, are its own. A metric's
//! value is its last one. Dates are stretches: `started = 2025-12-01` is that day, `<` before it, `>` after it. A key is meant by
//! its end, a commit by its front. A parameter is compared as a number with a number, as a text with a text in quotes. `~` compares
//! with a pattern of `*`, `?`, `[a-z]` and `{one,two}`. Files are named from the workspace's root, or by `blake3:<digest>`; in
//! their patterns `*` stops at `/` and `**` does not. `used` and `generated` ask what a run itself read and wrote, `trained_on` what
//! it read or what that was made from, however far back. `code.contains(X)` asks whether the run's commit is X or was built on it.
//!
//! # What is missing
//!
//! A comparison with a value that is not there, or that is no number where a number is wanted, is neither true nor false: neither
//! `f1 > 0.8` nor `not f1 > 0.8` finds a run without `f1`; `not has(f1)` does. `and` is false where one side is, `or` true where
//! one side is. What is not known of a commit, since the repository here has not its history, is likewise neither.
//!
//! # Bounds
//!
//! 16 KiB for an expression, 64 parentheses and `not` in one another, 1,000 values in a list, 100 questions on files and as many
//! on commits, 1 KiB for a pattern; patterns are matched in time linear in the text.

mod asking;
mod check;
mod fault;
mod fields;
mod hints;
mod lexer;
mod models;
mod plan;
mod reach;
mod runs;
mod search;
mod syntax;
#[cfg(test)]
mod tests;
mod truth;
mod value;

pub(crate) use fault::meant;
pub use fields::{Aggregate, Field, Fixed, Subject};
pub use models::{metric_names, search_models};
pub use runs::search_runs;
pub use search::{Column, Explanation, Found, FoundRow, Outside, Search, SearchRequest};
pub use value::Value;
