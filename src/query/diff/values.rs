//! Parameters and metrics of two runs.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Metric, MetricValue, Parameter};

/// A parameter that differs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParameterDiff {
    /// Its name.
    pub name: String,
    /// Its values in the first run, in the order in which they were given; none where it was not given.
    pub a: Vec<String>,
    /// Its values in the second run.
    pub b: Vec<String>,
}

/// A metric whose last value differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricDiff {
    /// Its name.
    pub name: String,
    /// Its last value in the first run.
    pub a: Option<MetricValue>,
    /// Its last value in the second run.
    pub b: Option<MetricValue>,
}

impl MetricDiff {
    /// Returns second value less first, where both are there.
    pub fn difference(&self) -> Option<f64> {
        Some(self.b?.get() - self.a?.get())
    }

    /// Returns the difference as a share of the first value's size; `None` where that is zero.
    pub fn relative(&self) -> Option<f64> {
        let a = self.a?.get().abs();
        (a > 0.0).then(|| self.difference().map(|difference| difference / a))?
    }
}

/// Lists what two lists of parameters do not agree on, by name.
pub(super) fn parameters(a: &[Parameter], b: &[Parameter]) -> Vec<ParameterDiff> {
    let names: BTreeSet<&String> = a.iter().chain(b).map(|(name, _)| name).collect();
    let values = |parameters: &[Parameter], name: &String| {
        let of_name = parameters.iter().filter(|(other, _)| other == name);
        of_name.map(|(_, value)| value.clone()).collect::<Vec<_>>()
    };
    let pairs = names.into_iter().map(|name| ParameterDiff {
        name: name.clone(),
        a: values(a, name),
        b: values(b, name),
    });
    pairs.filter(|pair| pair.a != pair.b).collect()
}

pub(super) fn metrics(a: &[Metric], b: &[Metric]) -> (Vec<MetricDiff>, u64) {
    let mut values: BTreeMap<&str, [Option<MetricValue>; 2]> = BTreeMap::new();
    for (side, metrics) in [a, b].into_iter().enumerate() {
        for metric in metrics {
            values.entry(&metric.name).or_default()[side] = Some(metric.value);
        }
    }
    let all = values.len() as u64;
    let differing = values.into_iter().filter(|(_, [a, b])| a != b);
    let differing: Vec<MetricDiff> =
        differing.map(|(name, [a, b])| MetricDiff { name: name.to_owned(), a, b }).collect();
    let same = all - differing.len() as u64;
    (differing, same)
}
