//! What the points of a metric come to for one owner: first, last, least and greatest.
//!
//! Each of the four is a least or a greatest of a set, so that points may arrive in any order, and any number of times.

use crate::error::Result;
use crate::model::{Metric, MetricValue, Timestamp};
use crate::store::damaged;
use crate::store::schema::{key, number_of, seal, time_bytes, time_of, unseal};

/// A point at one end of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MetricEnd {
    /// The step of training.
    pub step: i64,
    /// When it was measured.
    pub at: Timestamp,
    /// The value.
    pub value: MetricValue,
}

/// What the points of a metric come to for one owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricSummary {
    /// The point with the least step, of several the earliest, of several that with the least value.
    pub first: MetricEnd,
    /// The point with the greatest step, of several the latest, of several that with the greatest value.
    pub last: MetricEnd,
    /// The least value.
    pub min: MetricValue,
    /// The greatest value.
    pub max: MetricValue,
}

/// By what the owners of a metric lie in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum OrderedBy {
    /// By the value of the last point.
    Last = 0,
    /// By the least value.
    Min = 1,
    /// By the greatest value.
    Max = 2,
}

const ENCODED_BYTES: usize = 64;

impl MetricSummary {
    /// Sums up one point.
    pub(crate) fn of(point: &Metric) -> Self {
        let end = MetricEnd { step: point.step, at: point.at, value: point.value };
        MetricSummary { first: end, last: end, min: point.value, max: point.value }
    }

    /// Sums up the points of both.
    pub(crate) fn merge(&self, other: &Self) -> Self {
        MetricSummary {
            first: self.first.min(other.first),
            last: self.last.max(other.last),
            min: self.min.min(other.min),
            max: self.max.max(other.max),
        }
    }

    /// Returns the keys by which the owner stands in [`crate::store::schema::METRIC_ORDER`].
    pub(crate) fn order_keys(&self, name: &[u8; 8], owner: &[u8; 16]) -> [[u8; 33]; 3] {
        let place = |by: OrderedBy, value: MetricValue| {
            key(&[name, &[by as u8], &value.ordered_bits().to_be_bytes(), owner])
        };
        [
            place(OrderedBy::Last, self.last.value),
            place(OrderedBy::Min, self.min),
            place(OrderedBy::Max, self.max),
        ]
    }

    /// Writes a sealed record.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(ENCODED_BYTES + 4);
        for end in [&self.first, &self.last] {
            bytes.extend_from_slice(&time_bytes(end.step));
            bytes.extend_from_slice(&time_bytes(end.at.micros()));
            bytes.extend_from_slice(&end.value.ordered_bits().to_be_bytes());
        }
        for value in [self.min, self.max] {
            bytes.extend_from_slice(&value.ordered_bits().to_be_bytes());
        }
        seal(bytes)
    }

    /// Reads what [`MetricSummary::encode`] wrote.
    pub(crate) fn decode(sealed: &[u8]) -> Result<Self> {
        let bytes = unseal(sealed).filter(|bytes| bytes.len() == ENCODED_BYTES);
        let bytes = bytes.ok_or_else(|| damaged("metric"))?;
        let value = |at: usize| MetricValue::from_ordered_bits(number_of(&bytes[at..]));
        let end = |at: usize| MetricEnd {
            step: time_of(&bytes[at..]),
            at: Timestamp::from_micros(time_of(&bytes[at + 8..])),
            value: value(at + 16),
        };
        Ok(MetricSummary { first: end(0), last: end(24), min: value(48), max: value(56) })
    }
}
