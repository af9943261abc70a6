//! The outputs of two runs, paired by the steps that wrote them.

use std::collections::{BTreeMap, HashMap};

use crate::model::{Artifact, Role, RunKind, Timestamp};
use crate::query::diff::side::{Side, StepKey};

/// How the outputs of two runs differ.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OutputsDiff {
    /// How many have the same bytes.
    pub same: u64,
    /// How many are metrics files of the pipeline: they name their run, so their bytes always differ; their values, which are all
    /// else that they hold, are compared as metrics.
    pub metrics_files: u64,
    /// Outputs with other bytes, and outputs that only one of the runs has, by path.
    pub differing: Vec<OutputDiff>,
}

impl OutputsDiff {
    /// Returns true where both runs wrote the same.
    pub fn is_equal(&self) -> bool {
        self.differing.is_empty()
    }
}

/// An output that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputDiff {
    /// The name of the step that wrote it.
    pub step: String,
    /// What that step was about.
    pub subject: String,
    /// What the first run wrote.
    pub a: Option<Artifact>,
    /// What the second run wrote.
    pub b: Option<Artifact>,
    /// Which of the explanations it has.
    pub explanation: usize,
    /// When each run last wrote it.
    pub(super) written_at: [Option<Timestamp>; 2],
}

/// The last write of a path.
struct Output {
    path: String,
    artifact: Artifact,
    step: usize,
    at: Timestamp,
    role: Role,
    key: StepKey,
}

/// Compares the outputs of two runs.
///
/// Those are paired that the same step wrote: of the same name, about the same subject, with the same parameters; what is
/// left is paired by path, and then by name and parameters of the step alone, where that is clear.
pub(super) fn compare(a: &Side, b: &Side) -> OutputsDiff {
    let (of_a, of_b) = (outputs(a), outputs(b));
    let mut found = OutputsDiff::default();
    let pairs = pair(&of_a, &of_b);
    let mut taken = [vec![false; of_a.len()], vec![false; of_b.len()]];
    for (at_a, at_b) in pairs {
        (taken[0][at_a], taken[1][at_b]) = (true, true);
        let (output_a, output_b) = (&of_a[at_a], &of_b[at_b]);
        if output_a.artifact.digest == output_b.artifact.digest {
            found.same += 1;
        } else if is_of_pipeline(a, output_a) && is_of_pipeline(b, output_b) {
            found.metrics_files += 1;
        } else {
            found.differing.push(differing(a, Some(output_a), Some(output_b)));
        }
    }
    let left = |taken: &[bool], outputs: &[Output]| -> Vec<usize> {
        (0..outputs.len()).filter(|at| !taken[*at]).collect()
    };
    for at in left(&taken[0], &of_a) {
        found.differing.push(differing(a, Some(&of_a[at]), None));
    }
    for at in left(&taken[1], &of_b) {
        found.differing.push(differing(b, None, Some(&of_b[at])));
    }
    let place = |output: &OutputDiff| output.b.clone().or_else(|| output.a.clone());
    found.differing.sort_by_cached_key(place);
    found
}

/// Tells a file that holds the name of its run and its metrics, and nothing else: what a command writes as its metrics may hold more.
fn is_of_pipeline(side: &Side, output: &Output) -> bool {
    output.role == Role::Metrics && side.head.view.run.kind == RunKind::Pipeline
}

fn differing(side: &Side, a: Option<&Output>, b: Option<&Output>) -> OutputDiff {
    let step = a.or(b).map(|output| &side.steps[output.step]);
    OutputDiff {
        step: step.map(|step| step.name.clone()).unwrap_or_default(),
        subject: step.map(|step| step.subject.clone()).unwrap_or_default(),
        a: a.map(|output| output.artifact.clone()),
        b: b.map(|output| output.artifact.clone()),
        explanation: 0,
        written_at: [a, b].map(|output| output.map(|output| output.at)),
    }
}

/// Returns the last write of each path, by path.
fn outputs(side: &Side) -> Vec<Output> {
    let mut last: BTreeMap<String, Output> = BTreeMap::new();
    for (number, step) in side.steps.iter().enumerate() {
        for edge in &step.generated {
            let path = side.neutral_path(&edge.artifact.path);
            if last.get(&path).is_some_and(|known| known.at > edge.at) {
                continue;
            }
            let output = Output {
                path: path.clone(),
                artifact: edge.artifact.clone(),
                step: number,
                at: edge.at,
                role: edge.role,
                key: side.key(step),
            };
            last.insert(path, output);
        }
    }
    last.into_values().collect()
}

/// Pairs outputs by one sort of key after the other; a key that is not unique on both sides pairs nothing.
fn pair(a: &[Output], b: &[Output]) -> Vec<(usize, usize)> {
    let subject = |output: &Output| format!("{}\0{}", output.key.name, output.key.subject);
    let parameters = |output: &Output| {
        let pairs = output.key.parameters.iter().map(|(name, value)| format!("{name}\0{value}"));
        format!("{}\0{}", output.key.name, pairs.collect::<Vec<_>>().join("\0"))
    };
    let keys: [&dyn Fn(&Output) -> String; 6] = [
        &|output| format!("{}\0{}\0{}", subject(output), parameters(output), output.path),
        &|output| format!("{}\0{}", subject(output), output.path),
        &|output| output.path.clone(),
        &|output| format!("{}\0{}", subject(output), parameters(output)),
        &|output| subject(output),
        &|output| parameters(output),
    ];
    let (mut taken_a, mut taken_b) = (vec![false; a.len()], vec![false; b.len()]);
    let mut pairs = Vec::new();
    for key in keys {
        let places = unique(a, &taken_a, key);
        for (text, at_b) in unique(b, &taken_b, key) {
            if let (Some(at_b), Some(Some(at_a))) = (at_b, places.get(&text)) {
                (taken_a[*at_a], taken_b[at_b]) = (true, true);
                pairs.push((*at_a, at_b));
            }
        }
    }
    pairs.sort_unstable();
    pairs
}

/// Returns where the output with each key lies; `None` where several have it.
fn unique(
    outputs: &[Output],
    taken: &[bool],
    key: &dyn Fn(&Output) -> String,
) -> HashMap<String, Option<usize>> {
    let mut places = HashMap::new();
    for (at, output) in outputs.iter().enumerate().filter(|(at, _)| !taken[*at]) {
        places.entry(key(output)).and_modify(|place| *place = None).or_insert(Some(at));
    }
    places
}
