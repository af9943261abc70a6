//! What can have made all differ that some steps wrote, whatever they read and whenever they wrote it.

use std::collections::{BTreeMap, BTreeSet};

use super::{Levels, Reading};
use crate::model::{Role, Step};
use crate::query::diff::causes::{Cause, input};
use crate::query::diff::counterparts::programs;
use crate::query::diff::side::Side;
use crate::query::diff::{EntryDiff, EnvironmentDiff, ParameterDiff, StepEnd};

/// So many parameters, variables and packages are named as causes.
const NAMED_MAX: usize = 20;

impl Levels<'_> {
    /// Lists what can have made all differ that these steps wrote, whenever they did; and whether there is more of it.
    pub(super) fn always(&self, reading: &Reading, is_of_both: bool) -> (Vec<Cause>, bool) {
        let mut causes = self.failed(reading);
        let arguments = self.arguments();
        if is_of_both {
            causes.extend(self.step_parameters(reading));
            // What the run was started with is told of the run, by whatever name its program was started.
            let of_run = match &arguments {
                Some(Cause::Arguments(words)) => Some(words),
                _ => None,
            };
            let commands = self.step_commands(reading).into_iter();
            causes.extend(
                commands.filter(
                    |cause| !matches!(cause, Cause::StepCommand { words, .. } if Some(words) == of_run),
                ),
            );
        }
        // The key of a step promises that input, parameters and tool decide its output alone.
        if self.is_keyed(reading) {
            return (causes, false);
        }
        causes.extend(self.found.parameters.iter().take(NAMED_MAX).cloned().map(Cause::Parameter));
        causes.extend(arguments);
        let more = self.environment(reading, &mut causes) || self.found.parameters.len() > NAMED_MAX;
        let sees_code = self.sides.iter().all(|side| side.sees_all_reads());
        if !reading.reads_code && !sees_code && self.found.code.may_differ() {
            causes.push(Cause::Code);
        }
        if self.found.recorder.is_some() {
            causes.push(Cause::Recorder);
        }
        (causes, more)
    }

    fn steps<'s>(&'s self, reading: &'s Reading, side: usize) -> impl Iterator<Item = &'s Step> {
        reading.steps[side].keys().map(move |at| &self.sides[side].steps[*at])
    }

    pub(super) fn is_keyed(&self, reading: &Reading) -> bool {
        self.steps(reading, 0).chain(self.steps(reading, 1)).all(|step| step.key.is_some())
    }

    /// Lists the steps that failed in one run and not in the other, or not so.
    fn failed(&self, reading: &Reading) -> Vec<Cause> {
        let mut causes = BTreeSet::new();
        for side in [0, 1] {
            for at in reading.steps[side].keys() {
                let Some(tries) = self.pairs.counterparts.last_tries(self.sides, self.pairs, side, *at)
                else {
                    continue;
                };
                let ends = [0, 1].map(|side| self.sides[side].end(&self.sides[side].steps[tries[side]]));
                let key = self.sides[side].key(&self.sides[side].steps[*at]);
                for end in ends.iter().filter(|_| ends[0] != ends[1]) {
                    if let StepEnd::Failed(reason) = end {
                        let (step, subject, reason) = (key.name.clone(), key.subject.clone(), reason.clone());
                        causes.insert(Cause::Failed { step, subject, reason });
                    }
                }
            }
        }
        causes.into_iter().collect()
    }

    fn step_parameters(&self, reading: &Reading) -> Vec<Cause> {
        let mut values: BTreeMap<(&String, &String), [BTreeSet<&String>; 2]> = BTreeMap::new();
        for side in [0, 1] {
            for step in self.steps(reading, side) {
                for (name, value) in &step.parameters {
                    values.entry((&step.name, name)).or_default()[side].insert(value);
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

    /// Lists how the command lines of these steps differ, those of one program together. What the run itself was started with is none of
    /// it, nor are names that programs make up anew each time, and those of files that they read or wrote, which are told as such.
    fn step_commands(&self, reading: &Reading) -> Vec<Cause> {
        let files: BTreeSet<&[u8]> = [0, 1]
            .into_iter()
            .flat_map(|side| self.steps(reading, side))
            .flat_map(|step| {
                let used = step.used.iter().map(|edge| &edge.artifact);
                used.chain(step.generated.iter().map(|edge| &edge.artifact))
            })
            .map(|artifact| artifact.path.file_name())
            .collect();
        let names_file = |word: &str| {
            word.rsplit(['/', '=', ':']).next().is_some_and(|name| files.contains(name.as_bytes()))
        };
        let mut lines: BTreeMap<&String, [BTreeSet<String>; 2]> = BTreeMap::new();
        for side in [0, 1] {
            let own = self.sides[side].neutral_arguments().join(" ");
            for step in self.steps(reading, side).filter(|step| !step.subject.is_empty()) {
                let line = self.sides[side].neutral(&step.subject);
                if line != own && self.sides[side].is_command() {
                    lines.entry(&step.name).or_default()[side].insert(line);
                }
            }
        }
        let differing = lines.into_iter().filter(|(_, [a, b])| !a.is_empty() && !b.is_empty() && a != b);
        let causes = differing.filter_map(|(step, [a, b])| {
            let only = |these: &BTreeSet<String>, those: &BTreeSet<String>| -> Vec<String> {
                these.difference(those).flat_map(|line| line.split(' ')).map(str::to_owned).collect()
            };
            let words = other_words(&only(&a, &b), &only(&b, &a));
            let words = words.map(|words| {
                words.into_iter().filter(|word| !is_made_up(word) && !names_file(word)).collect()
            });
            (words[0] != words[1]).then(|| Cause::StepCommand { step: step.clone(), words })
        });
        causes.collect()
    }

    pub(super) fn arguments(&self) -> Option<Cause> {
        self.found.arguments.as_ref()?;
        let [a, b] = self.sides.map(Side::neutral_arguments);
        let sorted = |words: &[String]| {
            let mut words = words.to_vec();
            words.sort();
            words
        };
        if sorted(&a) == sorted(&b) {
            return Some(Cause::ArgumentOrder);
        }
        Some(Cause::Arguments(other_words(&a, &b)))
    }

    /// Lists how the environments differ, which are those of the whole runs: whatever step holds the list, all steps ran in it. Only what
    /// one run alone read for a program that the other had no need of is none of these steps'.
    fn environment(&self, reading: &Reading, causes: &mut Vec<Cause>) -> bool {
        let Some(entries) = &self.found.environment_entries else {
            let found = &self.found.environment;
            let changed = found.changed.iter().chain(&found.renamed).map(|[a, b]| (Some(a), Some(b)));
            let only_a = found.only_a.iter().map(|a| (Some(a), None));
            let only_b = found.only_b.iter().map(|b| (None, Some(b)));
            let lists = changed.chain(only_a).chain(only_b);
            causes.extend(lists.map(|(a, b)| input(Role::Environment, a, b)));
            return false;
        };
        if entries.is_of_times_alone() {
            causes.push(Cause::EnvironmentTimes);
            return false;
        }
        let EnvironmentDiff { variables, packages, files, .. } = entries;
        causes.extend(variables.iter().take(NAMED_MAX).cloned().map(Cause::Variable));
        let packages = || packages.iter().filter(|package| !self.is_of_other_python(package));
        causes.extend(packages().take(NAMED_MAX).cloned().map(Cause::Package));
        let mut files = files.iter().filter(|file| !self.is_of_other_step(reading, file));
        if let Some(first) = files.next() {
            causes.push(Cause::EnvironmentFiles { count: 1 + files.count() as u64, first: first.clone() });
        }
        variables.len() > NAMED_MAX || packages().count() > NAMED_MAX
    }
}

impl Levels<'_> {
    /// Returns true for a package that one run alone imported, which started Python for more than the other did.
    fn is_of_other_python(&self, package: &EntryDiff) -> bool {
        let side = only_side(package);
        side.is_some_and(|side| {
            self.pairs.counterparts.alone(side).iter().any(|name| name.starts_with("python"))
        })
    }

    /// Returns true for a file that one run alone has, and that may be of a program which that run alone started, or started for more;
    /// or that is the program of steps of which none is among these.
    fn is_of_other_step(&self, reading: &Reading, file: &EntryDiff) -> bool {
        let Some(side) = only_side(file) else { return false };
        let program = file.name.rsplit('/').next().unwrap_or_default();
        if self.programs[side].contains(program) {
            return !self.steps(reading, side).flat_map(programs).any(|other| other == program);
        }
        !self.pairs.counterparts.alone(side).is_empty()
    }
}

/// Returns true for a word of a command line in which a temporary file or a descriptor stands.
fn is_made_up(word: &str) -> bool {
    ["/tmp/", "/dev/fd/", "/proc/", "tmp."].iter().any(|part| word.contains(part))
}

/// Returns the run that alone has an entry.
fn only_side(entry: &EntryDiff) -> Option<usize> {
    match (&entry.a, &entry.b) {
        (Some(_), None) => Some(0),
        (None, Some(_)) => Some(1),
        _ => None,
    }
}

/// Takes from two commands the words that differ; behind the option that they belong to, where that is clear.
fn other_words(a: &[String], b: &[String]) -> [Vec<String>; 2] {
    let is_option = |word: &String| word.starts_with('-');
    if a.len() == b.len() {
        let mut words: [Vec<String>; 2] = Default::default();
        for at in (0..a.len()).filter(|at| a[*at] != b[*at]) {
            let option = at
                .checked_sub(1)
                .map(|before| &a[before])
                .filter(|word| is_option(word) && **word == b[at - 1]);
            for (words, word) in words.iter_mut().zip([&a[at], &b[at]]) {
                words.extend(option.cloned().filter(|_| !is_option(word)));
                words.push(word.clone());
            }
        }
        return words;
    }
    let front = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let (a, b) = (&a[front..], &b[front..]);
    let back = a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count();
    [a, b].map(|words| words[..words.len() - back].to_vec())
}
