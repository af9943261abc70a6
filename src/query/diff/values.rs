//! Parameters and metrics of two runs.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{ArtifactPath, Metric, MetricValue, Parameter};

/// A parameter that differs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct ParameterDiff {
    /// Its name.
    pub name: String,
    /// Its values in the first run, in the order in which they were given; none where it was not given.
    pub a: Vec<String>,
    /// Its values in the second run.
    pub b: Vec<String>,
}

/// A metric that differs: in its last value, or in any point before.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MetricDiff {
    /// Its name.
    pub name: String,
    /// The file that gives it, where several of a run give one of this name.
    pub file: Option<ArtifactPath>,
    /// Its last value in the first run.
    pub a: Option<MetricValue>,
    /// Its last value in the second run.
    pub b: Option<MetricValue>,
    /// Where the curves part; `None` where one of the runs has no point, or each has but one.
    pub parting: Option<Parting>,
}

/// The first point in which two curves are not the same. Times do not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Parting {
    /// Its place in the curves, counted from 1.
    pub point: u64,
    /// Its step of training.
    pub step: i64,
    /// Whether the points of the curves are of several steps.
    pub has_steps: bool,
    /// The value in the first run; `None` where it has no such point.
    pub a: Option<MetricValue>,
    /// The value in the second run.
    pub b: Option<MetricValue>,
}

impl MetricDiff {
    /// Makes one of what a file says in two runs.
    pub(crate) fn of_file(
        name: String,
        file: ArtifactPath,
        a: Option<MetricValue>,
        b: Option<MetricValue>,
    ) -> Self {
        MetricDiff { name, file: Some(file), a, b, parting: None }
    }

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

/// Compares all points of the metrics of two runs; lists the metrics that differ by name, and counts the others.
pub fn compare_metrics(a: &[Metric], b: &[Metric]) -> (Vec<MetricDiff>, u64) {
    let mut curves: BTreeMap<&str, [Vec<&Metric>; 2]> = BTreeMap::new();
    for (side, metrics) in [a, b].into_iter().enumerate() {
        for metric in metrics {
            curves.entry(&metric.name).or_default()[side].push(metric);
        }
    }
    let all = curves.len() as u64;
    let differing = curves.into_iter().filter_map(|(name, mut curves)| {
        curves.iter_mut().for_each(|points| points.sort_by_key(|point| (point.step, point.at, point.value)));
        let last = curves.each_ref().map(|points| points.last().map(|point| point.value));
        let parting = parting(&curves);
        let has_curves = !curves.iter().any(Vec::is_empty) && curves.iter().any(|points| points.len() > 1);
        (parting.is_some() || last[0] != last[1]).then(|| MetricDiff {
            name: name.to_owned(),
            file: None,
            a: last[0],
            b: last[1],
            parting: parting.filter(|_| has_curves),
        })
    });
    let differing: Vec<MetricDiff> = differing.collect();
    let same = all - differing.len() as u64;
    (differing, same)
}

/// Finds the first point in which two curves are not the same.
fn parting([a, b]: &[Vec<&Metric>; 2]) -> Option<Parting> {
    let alike = a.iter().zip(b).take_while(|(a, b)| (a.step, a.value) == (b.step, b.value)).count();
    let next = [a.get(alike), b.get(alike)];
    let step = next.iter().flatten().map(|point| point.step).min()?;
    let [of_a, of_b] = next.map(|point| point.filter(|point| point.step == step).map(|point| point.value));
    let goes_on = |points: &[&Metric]| points.first().map(|p| p.step) != points.last().map(|p| p.step);
    Some(Parting { point: alike as u64 + 1, step, has_steps: goes_on(a) || goes_on(b), a: of_a, b: of_b })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{NodeId, Timestamp};

    /// Makes the points of a metric of words such as `3:0.5`, step and value.
    fn curve(words: &str) -> Vec<Metric> {
        let points = words.split_whitespace().zip(1..).map(|(word, at)| {
            let (step, value) = word.split_once(':').unwrap();
            Metric {
                owner: NodeId::from_u128(1),
                name: "loss".to_owned(),
                step: step.parse().unwrap(),
                at: Timestamp::from_micros(at),
                value: MetricValue::of_text(value).unwrap(),
            }
        });
        points.collect()
    }

    fn check(a: &str, b: &str, expected: &str) {
        let (differing, same) = compare_metrics(&curve(a), &curve(b));
        let value =
            |value: Option<MetricValue>| value.map_or("-".to_owned(), |value| value.get().to_string());
        let told = differing.iter().map(|metric| {
            let parting = metric.parting.map(|parting| {
                let place = if parting.has_steps { parting.step as u64 } else { parting.point };
                format!(" from {place}: {} {}", value(parting.a), value(parting.b))
            });
            format!("{} {}{}", value(metric.a), value(metric.b), parting.unwrap_or_default())
        });
        let told: Vec<String> = told.collect();
        assert_eq!(told.join("\n"), expected, "{a} | {b}");
        assert_eq!(same, u64::from(expected.is_empty()));
    }

    #[test]
    fn curves_are_compared_point_by_point() {
        check("1:3 2:2 3:1", "1:3 2:2 3:1", "");
        check("1:3 2:2 3:1", "1:3 2:5 3:1", "1 1 from 2: 2 5");
        check("1:3 2:2 3:1", "1:3 3:1", "1 1 from 2: 2 -");
        check("1:3 2:2", "1:3 2:2 3:1", "2 1 from 3: - 1");
        check("0:3 0:2 0:1", "0:3 0:4 0:1", "1 1 from 2: 2 4");
        // One value each is no curve.
        check("0:1", "0:2", "1 2");
        check("0:1", "5:1", "1 1");
        check("", "1:1 2:2", "- 2");
    }
}
