//! Metrics: named finite numbers of a run or a model version.

use crate::error::{Error, Result};
use crate::model::{NodeId, Timestamp, is_unsafe_to_print};

/// A finite number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MetricValue(f64);

impl MetricValue {
    /// Takes a finite number; negative zero becomes zero.
    ///
    /// # Errors
    /// A request error for NaN and the infinities.
    pub fn new(value: f64) -> Result<Self> {
        if value.is_finite() {
            Ok(MetricValue(if value == 0.0 { 0.0 } else { value }))
        } else {
            Err(Error::request(format!("`{value}` is no metric value: metrics are finite numbers")))
        }
    }

    /// Returns the number that a text is; `None` where it is none, or not finite.
    pub fn of_text(text: &str) -> Option<Self> {
        // Rust reads `inf` and `nan` as numbers; they are words here.
        MetricValue::new(text.trim().parse().ok()?).ok()
    }

    /// Returns the number.
    pub fn get(self) -> f64 {
        self.0
    }

    /// Returns bits whose order as an unsigned number is the order of the values.
    pub fn ordered_bits(self) -> u64 {
        let bits = self.0.to_bits();
        if bits >> 63 == 1 { !bits } else { bits | (1 << 63) }
    }

    /// Takes back what [`MetricValue::ordered_bits`] gave.
    pub fn from_ordered_bits(bits: u64) -> Self {
        MetricValue(f64::from_bits(if bits >> 63 == 1 { bits & !(1 << 63) } else { !bits }))
    }
}

/// As many bytes may a metric's name have.
const NAME_MAX_BYTES: usize = 250;

/// Checks the name of a metric.
///
/// # Errors
/// Says, for people, what is wrong with it.
pub(crate) fn check_metric_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        Err("it has no name")
    } else if name.len() > NAME_MAX_BYTES || name.contains(is_unsafe_to_print) {
        Err("its name has more than 250 bytes or holds control characters")
    } else {
        Ok(())
    }
}

/// Writes the name of a metric as remarks on it do.
pub(crate) fn shown_metric(name: &str) -> String {
    let front: String = name.chars().take(80).collect();
    format!("`{}`", front.escape_debug())
}

impl Eq for MetricValue {}

impl PartialOrd for MetricValue {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for MetricValue {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.ordered_bits().cmp(&other.ordered_bits())
    }
}

/// One point of a metric.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Metric {
    /// The run or the model version it is a metric of.
    pub owner: NodeId,
    /// Its name.
    pub name: String,
    /// The step of training it belongs to; 0 where there are none.
    pub step: i64,
    /// When it was measured.
    pub at: Timestamp,
    /// The value.
    pub value: MetricValue,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_not_finite_is_refused() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(MetricValue::new(value).is_err());
        }
        assert_eq!(
            MetricValue::new(-0.0).unwrap().ordered_bits(),
            MetricValue::new(0.0).unwrap().ordered_bits()
        );
    }

    proptest! {
        #[test]
        fn the_order_of_the_bits_is_the_order_of_the_values(a in proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL | proptest::num::f64::ZERO, b in proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL | proptest::num::f64::ZERO) {
            let (x, y) = (MetricValue::new(a).unwrap(), MetricValue::new(b).unwrap());
            prop_assert_eq!(x.ordered_bits().cmp(&y.ordered_bits()), x.get().partial_cmp(&y.get()).unwrap());
            prop_assert_eq!(MetricValue::from_ordered_bits(x.ordered_bits()).get(), x.get());
        }
    }
}
