//! What stands in one place of a table.

use crate::model::Timestamp;

/// What the places of a column hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Whole,
    Real,
    Truth,
    /// Microseconds since 1970, UTC.
    Time,
}

/// A value, or none.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    Text(Option<String>),
    Whole(Option<i64>),
    Real(Option<f64>),
    Truth(Option<bool>),
    Time(Option<i64>),
}

impl Cell {
    pub fn text(value: impl ToString) -> Self {
        Cell::Text(Some(value.to_string()))
    }

    pub fn maybe(value: Option<impl ToString>) -> Self {
        Cell::Text(value.map(|value| value.to_string()))
    }

    pub fn at(value: Timestamp) -> Self {
        Cell::Time(Some(value.micros()))
    }

    /// The empty place of a column.
    pub fn none(kind: Kind) -> Self {
        match kind {
            Kind::Text => Cell::Text(None),
            Kind::Whole => Cell::Whole(None),
            Kind::Real => Cell::Real(None),
            Kind::Truth => Cell::Truth(None),
            Kind::Time => Cell::Time(None),
        }
    }

    /// Writes the value as text; nothing where there is none.
    pub fn into_text(self) -> String {
        match self {
            Cell::Text(value) => value.unwrap_or_default(),
            Cell::Whole(value) => value.map(|value| value.to_string()).unwrap_or_default(),
            Cell::Real(value) => value.map(|value| value.to_string()).unwrap_or_default(),
            Cell::Truth(value) => value.map(|value| value.to_string()).unwrap_or_default(),
            Cell::Time(value) => {
                value.map(|value| Timestamp::from_micros(value).rfc3339()).unwrap_or_default()
            }
        }
    }
}
