//! What a run can be found by: short words out of its facts, each a key in [`crate::store::schema::RUN_TERMS`].
//!
//! A term narrows a search down, it does not decide it: words of an outcome stay when a later outcome says otherwise, and long
//! values are cut. Whoever searches looks at the run itself then.

use std::borrow::Cow;

use crate::model::{
    Digest, MetricValue, NodeId, Parameter, Run, RunKind, RunOutcome, RunStatus, RunTags, SaidParameters,
    TAG_FRONT, Timestamp,
};
use crate::store::schema::time_bytes;

/// Something that a run can be found by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Term<'a> {
    /// Its name.
    Name(Cow<'a, str>),
    /// What sort of execution it is.
    Kind(RunKind),
    /// The machine's name.
    Host(Cow<'a, str>),
    /// Who started it.
    By(Cow<'a, str>),
    /// The branch of its code.
    Branch(Cow<'a, str>),
    /// The front of its commit, in lower case.
    Commit(Cow<'a, str>),
    /// A parameter and its value, as text.
    Parameter(Cow<'a, str>, Cow<'a, str>),
    /// What has become of it, now or at some time before.
    Status(RunStatus),
    /// The code it ended with, now or at some time before.
    ExitCode(i32),
    /// The end of the key of the run that it is a part of, in lower case.
    Parent(Cow<'a, str>),
}

/// Sorts of terms, as keys have them.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Sort {
    Name = 1,
    Kind = 2,
    Host = 3,
    Branch = 4,
    Commit = 5,
    /// Name, NUL, value.
    Parameter = 6,
    /// Name, NUL, ordered bits of the number that the value is.
    Number = 7,
    Status = 8,
    ExitCode = 9,
    /// The digits of a key, turned round.
    Parent = 10,
    By = 11,
}

/// What stands in a key behind the value: time and node id.
pub(crate) const TERM_TAIL_BYTES: usize = 24;
/// A longer value is cut, and its digest stands in for the rest.
const VALUE_MAX_BYTES: usize = 128;

impl Term<'_> {
    /// Returns the front of the keys of runs with this term, and whether what follows is time and node id alone, so that the
    /// runs lie in the order of their start.
    pub(crate) fn front(&self) -> (Vec<u8>, bool) {
        match self {
            Term::Name(name) => (front(Sort::Name, &[name.as_bytes()]), true),
            Term::Kind(kind) => (front(Sort::Kind, &[kind.as_str().as_bytes()]), true),
            Term::Host(host) => (front(Sort::Host, &[host.as_bytes()]), true),
            Term::By(by) => (front(Sort::By, &[by.as_bytes()]), true),
            Term::Branch(branch) => (front(Sort::Branch, &[branch.as_bytes()]), true),
            // The front of a commit is the front of a key, not a whole value.
            Term::Commit(digits) => ([&[Sort::Commit as u8], digits.as_bytes()].concat(), false),
            Term::Parameter(name, value) => {
                // It may have been said after the start.
                (front(Sort::Parameter, &[name.as_bytes(), value.as_bytes()]), false)
            }
            Term::Status(status) => (front(Sort::Status, &[status.as_str().as_bytes()]), false),
            Term::ExitCode(code) => (front(Sort::ExitCode, &[code.to_string().as_bytes()]), false),
            Term::Parent(digits) => (parent_front(digits), false),
        }
    }
}

/// `sort | values, NUL between and behind them`.
fn front(sort: Sort, values: &[&[u8]]) -> Vec<u8> {
    let mut bytes = vec![sort as u8];
    for value in values {
        match value.split_at_checked(VALUE_MAX_BYTES) {
            Some((begin, rest)) if !rest.is_empty() => {
                bytes.extend_from_slice(begin);
                bytes.extend_from_slice(&Digest::of(value).as_bytes()[..16]);
            }
            _ => bytes.extend_from_slice(value),
        }
        bytes.push(0);
    }
    bytes
}

/// `sort | name | NUL`, behind which ordered bits follow.
pub(crate) fn number_front(name: &str) -> Vec<u8> {
    front(Sort::Number, &[name.as_bytes()])
}

/// `sort | digits from the last`: so many as are asked for, or all of a key.
fn parent_front(digits: &str) -> Vec<u8> {
    std::iter::once(Sort::Parent as u8).chain(digits.bytes().rev()).collect()
}

/// Returns the keys of a run as it started.
pub(crate) fn of_run(run: &Run) -> Vec<Vec<u8>> {
    let mut keys = vec![
        Term::Name(run.name.as_str().into()).front().0,
        Term::Kind(run.kind).front().0,
        Term::Host(run.host.as_str().into()).front().0,
    ];
    // A run of which nobody recorded it has none, so that a store of before is as one that is built now.
    keys.extend((!run.by.is_empty()).then(|| Term::By(run.by.as_str().into()).front().0));
    keys.extend(run.code.branch.as_deref().map(|branch| Term::Branch(branch.into()).front().0));
    keys.extend(run.code.commit.as_deref().map(|commit| {
        let commit = commit.to_ascii_lowercase();
        front(Sort::Commit, &[commit.as_bytes()])
    }));
    keys.extend(run.parent.map(|parent| parent_front(&parent.hex())));
    keys.extend(parameter_fronts(&run.parameters));
    finished(keys, run.started_at.micros(), run.id.as_u128())
}

/// Returns the keys of a run by one of its outcomes.
pub(crate) fn of_outcome(outcome: &RunOutcome) -> Vec<Vec<u8>> {
    let mut keys = vec![Term::Status(outcome.status).front().0];
    keys.extend(outcome.exit_code.map(|code| Term::ExitCode(code).front().0));
    finished(keys, outcome.at.micros(), outcome.run.as_u128())
}

/// Returns the keys of a run by parameters that it was told later.
pub(crate) fn of_parameters(said: &SaidParameters) -> Vec<Vec<u8>> {
    later(&said.parameters, said.at, said.run)
}

/// Returns the keys of a run by tags that it was given, under the names that they have as parameters.
pub(crate) fn of_tags(tags: &RunTags) -> Vec<Vec<u8>> {
    let named = tags.tags.iter().map(|(name, value)| (format!("{TAG_FRONT}{name}"), value.clone()));
    later(&named.collect::<Vec<_>>(), tags.at, tags.run)
}

fn later(parameters: &[Parameter], at: Timestamp, run: NodeId) -> Vec<Vec<u8>> {
    let fronts = parameter_fronts(parameters).collect();
    let mut keys = finished(fronts, at.micros(), run.as_u128());
    // No key of a statement on a start, which may be taken away, is one of these.
    keys.iter_mut().for_each(|key| key.push(1));
    keys
}

fn parameter_fronts(parameters: &[Parameter]) -> impl Iterator<Item = Vec<u8>> + '_ {
    parameters.iter().flat_map(|(name, value)| {
        let number = MetricValue::of_text(value).map(|number| {
            let mut bytes = number_front(name);
            bytes.extend_from_slice(&number.ordered_bits().to_be_bytes());
            bytes
        });
        std::iter::once(Term::Parameter(name.into(), value.into()).front().0).chain(number)
    })
}

fn finished(mut keys: Vec<Vec<u8>>, at: i64, id: u128) -> Vec<Vec<u8>> {
    for key in &mut keys {
        key.extend_from_slice(&time_bytes(at));
        key.extend_from_slice(&id.to_be_bytes());
    }
    keys
}
