//! Why outputs differ: the recorded differences on their way, told apart from those that did not go into them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use crate::model::{Artifact, Role, RunStatus, Timestamp};
use crate::query::diff::outputs::OutputDiff;
use crate::query::diff::side::{Side, StepKey, Way, Write};
use crate::query::diff::{EnvironmentDiff, ParameterDiff, RunDiff, StepEnd};

/// A recorded difference that can have made outputs differ.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Something that was read: other bytes, or read by one of the runs only.
    Input {
        /// What it was read for.
        role: Role,
        /// What the first run read.
        a: Option<Artifact>,
        /// What the second run read.
        b: Option<Artifact>,
    },
    /// Something that a step on the way was told.
    StepParameter {
        /// The step's name.
        step: String,
        /// The parameter.
        parameter: ParameterDiff,
    },
    /// Something that the run was told, for all of its steps.
    Parameter(ParameterDiff),
    /// The command.
    Arguments,
    /// A step on the way failed in the run that lacks the output.
    Failed {
        /// The step's name.
        step: String,
        /// What it was about.
        subject: String,
        /// Why it failed.
        reason: String,
    },
    /// The run that lacks the output did not come to its end.
    Unfinished(RunStatus),
    /// Files of the environment have other times of change, and the same sizes.
    EnvironmentTimes,
    /// The code differs, but nobody recorded which of it was read.
    Code,
    /// Another version of this program recorded it.
    Recorder,
}

impl Cause {
    /// Returns true where the steps on the way are recorded to have read it, or to have been told it; false for what may as
    /// well not have mattered.
    pub fn is_likely(&self) -> bool {
        !matches!(self, Cause::EnvironmentTimes | Cause::Code | Cause::Recorder)
    }
}

/// What can have made some outputs differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The recorded differences on their way, likely ones first; none where nothing recorded explains it.
    pub causes: Vec<Cause>,
    /// How many outputs it explains.
    pub outputs: u64,
    /// One of them: its place in the list of outputs that differ.
    pub example: usize,
}

/// Explains every output that differs, and writes down at each which explanation it has.
pub(super) fn explain(a: &Side, b: &Side, found: &mut RunDiff) -> Vec<Explanation> {
    let mut differing = std::mem::take(&mut found.outputs.differing);
    let mut explainer = Explainer {
        sides: [a, b],
        found,
        ends: [a.step_ends(), b.step_ends()],
        own_inputs: [&found.inputs.only_a, &found.inputs.only_b].map(|files| files.iter().collect()),
        ways: HashMap::new(),
    };
    let mut groups: BTreeMap<Vec<Cause>, Vec<usize>> = BTreeMap::new();
    for (at, output) in differing.iter().enumerate() {
        let causes = explainer.causes(output);
        groups.entry(causes).or_default().push(at);
    }
    let mut groups: Vec<(Vec<Cause>, Vec<usize>)> = groups.into_iter().collect();
    groups.sort_by(|x, y| y.1.len().cmp(&x.1.len()).then_with(|| x.0.cmp(&y.0)));
    let mut explanations = Vec::with_capacity(groups.len());
    for (number, (causes, outputs)) in groups.into_iter().enumerate() {
        for at in &outputs {
            differing[*at].explanation = number;
        }
        explanations.push(Explanation { causes, outputs: outputs.len() as u64, example: outputs[0] });
    }
    found.outputs.differing = differing;
    explanations
}

struct Explainer<'a> {
    sides: [&'a Side; 2],
    found: &'a RunDiff,
    ends: [BTreeMap<StepKey, StepEnd>; 2],
    /// What only one of the runs read.
    own_inputs: [HashSet<&'a Artifact>; 2],
    /// The way from the writes of an output, by side and writes: outputs of one step share it.
    ways: HashMap<(usize, Vec<Write>), Rc<Way>>,
}

impl Explainer<'_> {
    fn causes(&mut self, output: &OutputDiff) -> Vec<Cause> {
        let [until_a, until_b] = output.written_at;
        let mut causes = match (output.a.as_ref().zip(until_a), output.b.as_ref().zip(until_b)) {
            (Some(a), Some(b)) => {
                let ways = [self.way(0, a), self.way(1, b)];
                self.between(&ways)
            }
            (Some(a), None) => self.missing(0, a),
            (None, Some(b)) => self.missing(1, b),
            (None, None) => Vec::new(),
        };
        causes.sort();
        causes.sort_by_key(|cause| !cause.is_likely());
        causes.dedup();
        causes
    }

    fn way(&mut self, side: usize, (artifact, written_at): (&Artifact, Timestamp)) -> Rc<Way> {
        let of = self.sides[side];
        let writes = of.writes_of(artifact, written_at, None);
        let way = self.ways.entry((side, writes.clone()));
        way.or_insert_with(|| Rc::new(of.way(&writes))).clone()
    }

    /// Lists what differs between the ways of an output that both runs wrote.
    fn between(&self, ways: &[Rc<Way>; 2]) -> Vec<Cause> {
        let mut causes = self.inputs(ways);
        causes.extend(self.step_parameters(ways));
        // The key of a step promises that input, parameters and tool decide its output alone.
        if self.is_keyed(ways) {
            if causes.is_empty() && self.found.recorder.is_some() {
                causes.push(Cause::Recorder);
            }
            return causes;
        }
        let entries = self.found.environment_entries.as_ref();
        match entries.is_some_and(EnvironmentDiff::is_of_times_alone) {
            true => causes.push(Cause::EnvironmentTimes),
            false => causes.extend(self.environment()),
        }
        causes.extend(self.found.parameters.iter().cloned().map(Cause::Parameter));
        if self.found.arguments.is_some() {
            causes.push(Cause::Arguments);
        }
        let reads_code = ways.iter().any(|way| way.inputs.iter().any(|(_, role)| role.is_code()));
        if !reads_code && self.found.code.may_differ() {
            causes.push(Cause::Code);
        }
        if self.found.recorder.is_some() {
            causes.push(Cause::Recorder);
        }
        causes
    }

    /// Lists how the environments differ, which are those of the whole runs: whatever step holds the list, all steps ran in it.
    fn environment(&self) -> impl Iterator<Item = Cause> {
        let found = &self.found.environment;
        let changed = found.changed.iter().chain(&found.renamed).map(|[a, b]| (Some(a), Some(b)));
        let only_a = found.only_a.iter().map(|a| (Some(a), None));
        let only_b = found.only_b.iter().map(|b| (None, Some(b)));
        changed.chain(only_a).chain(only_b).map(|(a, b)| Cause::Input {
            role: Role::Environment,
            a: a.cloned(),
            b: b.cloned(),
        })
    }

    fn is_keyed(&self, ways: &[Rc<Way>; 2]) -> bool {
        let steps = |side: usize| ways[side].steps.iter().map(move |at| &self.sides[side].steps[*at]);
        steps(0).chain(steps(1)).all(|step| step.key.is_some())
    }

    fn inputs(&self, ways: &[Rc<Way>; 2]) -> Vec<Cause> {
        let by_path = |side: usize| {
            let mut inputs: BTreeMap<String, (&Artifact, Role)> = BTreeMap::new();
            for (artifact, role) in &ways[side].inputs {
                inputs.insert(self.sides[side].neutral_path(&artifact.path), (artifact, *role));
            }
            inputs
        };
        let (of_a, of_b) = (by_path(0), by_path(1));
        let contents = |inputs: &BTreeMap<String, (&Artifact, Role)>| {
            inputs.values().map(|(artifact, _)| artifact.digest).collect::<BTreeSet<_>>()
        };
        let (contents_a, contents_b) = (contents(&of_a), contents(&of_b));
        let paths: BTreeSet<&String> = of_a.keys().chain(of_b.keys()).collect();
        let mut causes = Vec::new();
        for path in paths {
            let (a, b) = (of_a.get(path), of_b.get(path));
            let differs = match (a, b) {
                (Some((a, _)), Some((b, _))) => a.digest != b.digest,
                // The same bytes under another name are no other input.
                (Some((a, _)), None) => !contents_b.contains(&a.digest),
                (None, Some((b, _))) => !contents_a.contains(&b.digest),
                (None, None) => false,
            };
            if let (true, Some((_, role))) = (differs, a.or(b)) {
                causes.push(Cause::Input {
                    role: *role,
                    a: a.map(|(artifact, _)| (*artifact).clone()),
                    b: b.map(|(artifact, _)| (*artifact).clone()),
                });
            }
        }
        causes
    }

    fn step_parameters(&self, ways: &[Rc<Way>; 2]) -> Vec<Cause> {
        let mut values: BTreeMap<(&String, &String), [BTreeSet<&String>; 2]> = BTreeMap::new();
        for (side, way) in ways.iter().enumerate() {
            for step in way.steps.iter().map(|at| &self.sides[side].steps[*at]) {
                for (name, value) in &step.parameters {
                    let place = values.entry((&step.name, name)).or_default();
                    place[side].insert(value);
                }
            }
        }
        let differing = values.into_iter().filter(|(_, [a, b])| a != b);
        let causes = differing.map(|((step, name), sets)| {
            let [a, b] = sets.map(|set| set.into_iter().cloned().collect());
            let parameter = ParameterDiff { name: name.clone(), a, b };
            Cause::StepParameter { step: step.clone(), parameter }
        });
        causes.collect()
    }

    /// Lists why the other run has no such output.
    fn missing(&mut self, side: usize, output: (&Artifact, Timestamp)) -> Vec<Cause> {
        let way = self.way(side, output);
        let (here, there) = (self.sides[side], self.sides[1 - side]);
        let mut causes = Vec::new();
        for step in way.steps.iter().map(|at| &here.steps[*at]) {
            if let Some(StepEnd::Failed(reason)) = self.ends[1 - side].get(&here.key(step)) {
                causes.push(Cause::Failed {
                    step: step.name.clone(),
                    subject: step.subject.clone(),
                    reason: reason.clone(),
                });
            }
        }
        let own = &self.own_inputs[side];
        for (artifact, role) in way.inputs.iter().filter(|(artifact, _)| own.contains(artifact)) {
            let mut pair = [None, None];
            pair[side] = Some(artifact.clone());
            let [a, b] = pair;
            causes.push(Cause::Input { role: *role, a, b });
        }
        if !causes.is_empty() {
            return causes;
        }
        causes.extend(self.found.parameters.iter().cloned().map(Cause::Parameter));
        match there.head.status() {
            RunStatus::Succeeded | RunStatus::Failed => {}
            status => causes.push(Cause::Unfinished(status)),
        }
        if causes.is_empty() {
            if self.found.arguments.is_some() {
                causes.push(Cause::Arguments);
            }
            if self.found.code.may_differ() {
                causes.push(Cause::Code);
            }
            if self.found.recorder.is_some() {
                causes.push(Cause::Recorder);
            }
        }
        causes
    }
}
