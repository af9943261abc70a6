//! Values, and the tests that a comparison puts them to.

use std::cmp::Ordering;

use globset::{Candidate, GlobBuilder, GlobMatcher};

use crate::model::{MetricValue, Timestamp, version_key};

/// A value of a field.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// A finite number.
    Number(f64),
    /// A text.
    Text(String),
    /// Yes or no.
    Boolean(bool),
    /// A moment.
    Moment(Timestamp),
    /// A length of time, in microseconds.
    Length(i64),
    /// A semantic version.
    Version(String),
}

impl Value {
    /// Returns the number that it is; a text that reads as one is one.
    pub fn number(&self) -> Option<f64> {
        match self {
            Value::Number(number) => Some(*number),
            Value::Text(text) => number_of(text),
            _ => None,
        }
    }

    /// Returns the order in which a table is sorted: texts that are numbers by what they are, and before other texts.
    pub(crate) fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Value::Text(a), Value::Text(b)) => match (number_of(a), number_of(b)) {
                (Some(x), Some(y)) => {
                    x.total_cmp(&y).then_with(|| whole_of(a).cmp(&whole_of(b))).then_with(|| a.cmp(b))
                }
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => a.cmp(b),
            },
            (Value::Number(a), Value::Number(b)) => a.total_cmp(b),
            (Value::Boolean(a), Value::Boolean(b)) => a.cmp(b),
            (Value::Moment(a), Value::Moment(b)) => a.cmp(b),
            (Value::Length(a), Value::Length(b)) => a.cmp(b),
            (Value::Version(a), Value::Version(b)) => version_key(a).cmp(&version_key(b)),
            // One field has values of one sort.
            _ => Ordering::Equal,
        }
    }
}

/// Returns the finite number that a text is, as the index of parameters has it.
pub(crate) fn number_of(text: &str) -> Option<f64> {
    MetricValue::of_text(text).map(MetricValue::get)
}

/// Returns the whole number that a text is. Beyond 2^53 the number that [`number_of`] gives for it is not the only one.
pub(crate) fn whole_of(text: &str) -> Option<i128> {
    text.parse().ok()
}

/// Reads a length of time: `90s`, `1.5h`, `7d`; in microseconds.
pub(crate) fn length_of(text: &str) -> Option<i64> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let unit = match &text[digits..] {
        "us" => 1.0,
        "ms" => 1e3,
        "s" => 1e6,
        "m" | "min" => 60e6,
        "h" => 3_600e6,
        "d" => 86_400e6,
        "w" => 604_800e6,
        _ => return None,
    };
    let micros = number_of(&text[..digits])? * unit;
    (micros <= i64::MAX as f64 / 4.0).then_some(micros.round() as i64)
}

/// How a value must compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Relation {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Relation {
    fn holds(self, order: Ordering) -> bool {
        match self {
            Relation::Equal => order.is_eq(),
            Relation::Less => order.is_lt(),
            Relation::LessOrEqual => order.is_le(),
            Relation::Greater => order.is_gt(),
            Relation::GreaterOrEqual => order.is_ge(),
        }
    }
}

/// What a value is held against.
#[derive(Debug, Clone)]
pub(crate) enum Test {
    Number(Relation, f64),
    /// A whole number so large that its neighbours are the same as floating-point numbers.
    Whole(Relation, i128),
    Text(Relation, String),
    /// A text that says yes or no, in any case of letters.
    Boolean(bool),
    /// The first and the last microsecond of a stretch.
    Moment(Relation, (Timestamp, Timestamp)),
    Length(Relation, i64),
    /// By precedence, of one precedence by build.
    Version(Relation, String),
    /// The front of a commit.
    Front(String),
    /// The tail of a key.
    Tail(String),
    Like(GlobMatcher),
}

impl Test {
    /// Says whether a value passes; `None` where the two cannot be compared, as the text of a parameter with a number.
    pub(crate) fn passes(&self, value: &Value) -> Option<bool> {
        Some(match (self, value) {
            (Test::Number(relation, wanted), value) => relation.holds(value.number()?.partial_cmp(wanted)?),
            (Test::Whole(relation, wanted), value) => {
                let whole = match value {
                    Value::Text(text) => whole_of(text),
                    _ => None,
                };
                relation.holds(match whole {
                    Some(whole) => whole.cmp(wanted),
                    None => value.number()?.partial_cmp(&(*wanted as f64))?,
                })
            }
            (Test::Text(relation, wanted), Value::Text(text)) => relation.holds(text.as_str().cmp(wanted)),
            (Test::Boolean(wanted), Value::Boolean(value)) => wanted == value,
            (Test::Boolean(wanted), Value::Text(text)) => {
                let is = |word| text.eq_ignore_ascii_case(word);
                if is("true") {
                    *wanted
                } else if is("false") {
                    !*wanted
                } else {
                    return None;
                }
            }
            (Test::Moment(relation, (first, last)), Value::Moment(at)) => match relation {
                Relation::Equal => first <= at && at <= last,
                Relation::Less => at < first,
                Relation::LessOrEqual => at <= last,
                Relation::Greater => at > last,
                Relation::GreaterOrEqual => at >= first,
            },
            (Test::Length(relation, wanted), Value::Length(length)) => relation.holds(length.cmp(wanted)),
            (Test::Version(relation, wanted), Value::Version(version)) => {
                relation.holds(version_key(version).cmp(&version_key(wanted)))
            }
            (Test::Front(front), Value::Text(text)) => {
                text.get(..front.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(front))
            }
            (Test::Tail(tail), Value::Text(text)) => text.ends_with(tail.as_str()),
            (Test::Like(pattern), Value::Text(text) | Value::Version(text)) => {
                pattern.is_match_candidate(&Candidate::from_bytes(text))
            }
            _ => return None,
        })
    }
}

/// The longest pattern, in bytes.
pub(crate) const PATTERN_MAX_BYTES: usize = 1_024;

/// Reads a pattern: `*`, `?`, `[a-z]`, `{one,two}`, and `\` before what is meant as it stands. In paths, `*` and `?` stop at `/`
/// and `**` does not; elsewhere `/` is a character like any other.
pub(crate) fn pattern(text: &str, is_path: bool) -> Result<GlobMatcher, String> {
    if text.len() > PATTERN_MAX_BYTES {
        return Err(format!("the pattern has {} bytes; at most {PATTERN_MAX_BYTES} are taken", text.len()));
    }
    let built = GlobBuilder::new(text).literal_separator(is_path).backslash_escape(true).build();
    built.map(|glob| glob.compile_matcher()).map_err(|cause| cause.kind().to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn texts_that_are_numbers_have_one_order(
            texts in proptest::collection::vec("[+]?0{0,2}900719925474099[1-4](\\.0)?|[a-z]?", 3),
        ) {
            let values: Vec<Value> = texts.into_iter().map(Value::Text).collect();
            for (a, b, c) in [(0, 1, 2), (1, 2, 0), (2, 0, 1)] {
                let order = |a: usize, b: usize| values[a].order(&values[b]);
                prop_assert_eq!(order(a, b), order(b, a).reverse());
                if order(a, b).is_le() && order(b, c).is_le() {
                    prop_assert!(order(a, c).is_le());
                }
            }
        }
    }
}
