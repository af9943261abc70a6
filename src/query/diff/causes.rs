//! Why outputs differ: the recorded differences on their way, told apart from those that did not go into them.

use std::collections::BTreeMap;

use crate::model::{Artifact, Role, RunStatus};
use crate::query::diff::levels::{CauseNo, Levels};
use crate::query::diff::outputs::Pairs;
use crate::query::diff::side::Side;
use crate::query::diff::{EntryDiff, ParameterDiff, RunDiff};

/// About so many causes are kept of all outputs together, where each has others.
const CAUSES_TOGETHER: usize = 50_000;

/// At least and at most so many are kept of each output.
const CAUSES_OF_EACH: [usize; 2] = [5, 1000];

/// A recorded difference that can have made outputs differ.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// A step on the way failed in one of the runs.
    Failed {
        /// The step's name.
        step: String,
        /// What it was about.
        subject: String,
        /// Why it failed.
        reason: String,
    },
    /// One of the runs did not come to its end.
    Unfinished(RunStatus),
    /// Something that was read: other bytes, or read by one of the runs only.
    Input {
        /// What it was read for.
        role: Role,
        /// What the first run read.
        a: Option<Artifact>,
        /// What the second run read.
        b: Option<Artifact>,
    },
    /// Something that both runs made and read, with other bytes, which nothing recorded explains.
    Made {
        /// What the first run made.
        a: Artifact,
        /// What the second run made.
        b: Artifact,
    },
    /// Something that a step on the way was told.
    StepParameter {
        /// The step's name.
        step: String,
        /// The parameter.
        parameter: ParameterDiff,
    },
    /// The command line of a step: the words that it has in the first run only, and in the second run only.
    StepCommand {
        /// The step's name.
        step: String,
        /// The words.
        words: [Vec<String>; 2],
    },
    /// Something that the run was told, for all of its steps.
    Parameter(ParameterDiff),
    /// The command: the words that only the first run and only the second run was given.
    Arguments([Vec<String>; 2]),
    /// A variable of the environment.
    Variable(EntryDiff),
    /// A Python package.
    Package(EntryDiff),
    /// Files of the environment.
    EnvironmentFiles {
        /// How many.
        count: u64,
        /// The first of them.
        first: EntryDiff,
    },
    /// The same bytes, read under another name.
    Renamed {
        /// What the first run read.
        a: Artifact,
        /// What the second run read.
        b: Artifact,
    },
    /// The command has the same words, in another order.
    ArgumentOrder,
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
        match self {
            Cause::Input { a, b, .. } => [a, b].into_iter().flatten().all(Artifact::has_content),
            Cause::Renamed { .. }
            | Cause::ArgumentOrder
            | Cause::EnvironmentTimes
            | Cause::Code
            | Cause::Recorder => false,
            _ => true,
        }
    }

    /// Returns where its sort stands among the others.
    fn rank(&self) -> (bool, u8) {
        let sort = match self {
            Cause::Failed { .. } => 0,
            Cause::Unfinished(_) => 1,
            Cause::Input { role: Role::Environment, .. } => 10,
            Cause::Input { role, .. } if role.is_code() => 3,
            Cause::Input { .. } => 2,
            Cause::Made { .. } => 4,
            Cause::StepParameter { .. } | Cause::StepCommand { .. } => 5,
            Cause::Parameter(_) => 6,
            Cause::Arguments(_) => 7,
            Cause::Variable(_) => 8,
            Cause::Package(_) => 9,
            Cause::EnvironmentFiles { .. } => 10,
            Cause::Renamed { .. } => 11,
            Cause::ArgumentOrder => 12,
            Cause::EnvironmentTimes => 13,
            Cause::Code => 14,
            Cause::Recorder => 15,
        };
        (!self.is_likely(), sort)
    }
}

/// Something of which the runs read other versions, or only one of them read any.
pub(super) fn input(role: Role, a: Option<&Artifact>, b: Option<&Artifact>) -> Cause {
    Cause::Input { role, a: a.cloned(), b: b.cloned() }
}

/// What can have made some outputs differ.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation {
    /// The recorded differences on their way, likely ones first, and of files those first that were read last; none where
    /// nothing recorded explains it.
    pub causes: Vec<Cause>,
    /// Whether there are more causes than are kept.
    pub more: bool,
    /// How many outputs it explains.
    pub outputs: u64,
    /// One of them: its place in the list of outputs that differ.
    pub example: usize,
}

/// Outputs with the same causes, in the order in which the first of them has these.
struct Group {
    causes: Vec<CauseNo>,
    outputs: Vec<usize>,
}

/// Explains every output that differs, and writes down at each which explanation it has.
pub(super) fn explain(a: &Side, b: &Side, pairs: &Pairs, found: &mut RunDiff) -> Vec<Explanation> {
    let mut differing = std::mem::take(&mut found.outputs.differing);
    let [least, most] = CAUSES_OF_EACH;
    let causes_max = (CAUSES_TOGETHER / differing.len().max(1)).clamp(least, most);
    let mut levels = Levels::new([a, b], pairs, found, causes_max);
    let mut groups: BTreeMap<(Vec<CauseNo>, bool), Group> = BTreeMap::new();
    for (at, output) in differing.iter().enumerate() {
        let set = levels.of_output(output);
        let mut members = set.causes.clone();
        members.sort_unstable();
        let group = groups.entry((members, set.more));
        let group = group.or_insert_with(|| Group { causes: set.causes.clone(), outputs: Vec::new() });
        group.outputs.push(at);
    }
    let mut explanations: Vec<(Explanation, Vec<usize>)> = Vec::with_capacity(groups.len());
    for ((_, more), Group { causes, outputs }) in groups {
        let mut causes: Vec<Cause> = causes.into_iter().map(|number| levels.cause(number).clone()).collect();
        causes.sort_by_key(Cause::rank);
        let explanation = Explanation { causes, more, outputs: outputs.len() as u64, example: outputs[0] };
        explanations.push((explanation, outputs));
    }
    explanations.sort_by(|(x, of_x), (y, of_y)| y.outputs.cmp(&x.outputs).then_with(|| of_x.cmp(of_y)));
    for (number, (_, outputs)) in explanations.iter().enumerate() {
        for at in outputs {
            differing[*at].explanation = Some(number);
        }
    }
    found.outputs.differing = differing;
    explanations.into_iter().map(|(explanation, _)| explanation).collect()
}
