//! The edges of a run as a program declares them, and the steps they are recorded as.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::error::Result;
use crate::model::{
    Artifact, Evidence, Generated, NodeId, Parameter, Role, Step, StepStatus, Timestamp, Used,
    check_parameters, replace_parameters,
};

/// Edges of a run in progress are recorded when they have waited so long, and the run has gone on for twice as long as at
/// the time of the last such record: so that a run that is killed leaves what is known of it, and a long one does not record
/// its inputs again and again.
const WAIT: Duration = Duration::from_secs(1);
/// They wait no longer than this.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// What a program has said of the files of one run.
///
/// What a run declares belongs together: each output is made from every input that was read by then. A recorded step never
/// changes, so outputs that are declared later come with all inputs once more, in a step of their own.
#[derive(Debug)]
pub(super) struct Edges {
    run: NodeId,
    name: String,
    parameters: Vec<Parameter>,
    started: (Timestamp, Instant),
    last: Instant,
    used: BTreeMap<Artifact, Declared>,
    generated: BTreeMap<Artifact, Declared>,
    /// When the last of the outputs was written that are recorded.
    recorded_until: Option<Timestamp>,
    /// Whether an input that was declared late belongs to outputs that are recorded without it.
    is_late: bool,
    /// Whether it must be recorded although it read and wrote nothing.
    is_step: bool,
}

#[derive(Debug, Clone, Copy)]
struct Declared {
    at: Timestamp,
    evidence: Evidence,
    role: Role,
    /// When the file was last changed, by the machine's clock.
    changed_at: Timestamp,
    recorded: bool,
}

/// A file as a program declared it.
#[derive(Debug, Clone)]
pub(super) struct FileRead {
    /// Path and content.
    pub artifact: Artifact,
    /// When it was last changed.
    pub changed_at: Timestamp,
    /// How it is known: declared, or observed where this library wrote it.
    pub evidence: Evidence,
}

impl Edges {
    /// Begins with no edges.
    pub fn new(run: NodeId, name: String, at: Timestamp, now: Instant) -> Self {
        Edges {
            run,
            name,
            parameters: Vec::new(),
            started: (at, now),
            last: now,
            used: BTreeMap::new(),
            generated: BTreeMap::new(),
            recorded_until: None,
            is_late: false,
            is_step: false,
        }
    }

    /// Makes them those of a step that a program names, which is recorded in any case.
    pub fn of_step(self) -> Self {
        Edges { is_step: true, ..self }
    }

    /// Returns the run that they are of.
    pub fn run(&self) -> NodeId {
        self.run
    }

    /// Takes what the step was told; of several values of one name the latest counts.
    ///
    /// # Errors
    /// A request error where they cannot be taken.
    pub fn add_parameters(&mut self, told: Vec<Parameter>) -> Result<()> {
        let mut parameters = self.parameters.clone();
        replace_parameters(&mut parameters, told);
        check_parameters(&parameters)?;
        self.parameters = parameters;
        Ok(())
    }

    /// Takes an input. That it was read before is not forgotten. What the run itself wrote before is none: what that was made from,
    /// the run's other outputs are made from as well.
    pub fn add_used(&mut self, file: FileRead, at: Timestamp, role: Role) {
        if self.generated.contains_key(&file.artifact) && !self.used.contains_key(&file.artifact) {
            return;
        }
        let declared =
            Declared { at, evidence: file.evidence, role, changed_at: file.changed_at, recorded: false };
        let known = self.used.entry(file.artifact).or_insert(declared);
        if !known.recorded {
            self.is_late |= self.recorded_until.is_some_and(|until| until >= known.changed_at);
        }
    }

    /// Takes an output; of several writes of the same bytes, the last counts.
    pub fn add_generated(&mut self, file: FileRead, at: Timestamp, role: Role) {
        let declared =
            Declared { at, evidence: file.evidence, role, changed_at: file.changed_at, recorded: false };
        self.generated.insert(file.artifact, declared);
    }

    /// Returns true where something is not recorded.
    pub fn is_waiting(&self) -> bool {
        self.is_late || self.used.values().chain(self.generated.values()).any(|edge| !edge.recorded)
    }

    /// Returns true where it is time to record what waits.
    pub fn is_due(&self, now: Instant) -> bool {
        let wait = self.last.duration_since(self.started.1).clamp(WAIT, WAIT_MAX);
        now.duration_since(self.last) >= wait && self.is_waiting()
    }

    /// Returns a step of what is not recorded yet; `None` where there is nothing.
    pub fn step(&mut self, at: Timestamp, now: Instant) -> Option<Step> {
        self.is_waiting().then(|| self.next_step(at, now, StepStatus::Succeeded, None))
    }

    /// Returns the step that a run ends with, if it needs one: for edges not recorded yet, or for a failure.
    pub fn last_step(&mut self, at: Timestamp, status: StepStatus, reason: Option<String>) -> Option<Step> {
        let needed = self.is_waiting() || self.is_step || status == StepStatus::Failed;
        needed.then(|| self.next_step(at, Instant::now(), status, reason))
    }

    fn next_step(&mut self, at: Timestamp, now: Instant, status: StepStatus, reason: Option<String>) -> Step {
        self.last = now;
        self.is_step = false;
        // Outputs that are recorded without an input are recorded once more: of equal writes, the later step counts.
        let again = std::mem::take(&mut self.is_late);
        let is_wanted = |edge: &Declared| again || !edge.recorded;
        let outputs = self.generated.iter().filter(|(_, edge)| is_wanted(edge));
        let generated: Vec<Generated> = outputs
            .map(|(artifact, edge)| Generated {
                artifact: artifact.clone(),
                at: edge.at,
                evidence: edge.evidence,
                role: edge.role,
            })
            .collect();
        let first_output = generated.iter().map(|edge| edge.at).min();
        self.recorded_until = generated.iter().map(|edge| edge.at).max().max(self.recorded_until);
        let inputs = self.used.iter().filter(|(_, edge)| !generated.is_empty() || !edge.recorded);
        let used = inputs.map(|(artifact, edge)| Used {
            artifact: artifact.clone(),
            at: edge.read_at(self.started.0, first_output),
            evidence: edge.evidence,
            role: edge.role,
        });
        let used: Vec<Used> = used.collect();
        for edge in self.used.values_mut().chain(self.generated.values_mut()) {
            edge.recorded = true;
        }
        Step {
            status,
            reason,
            parameters: self.parameters.clone(),
            used,
            generated,
            ..Step::new(NodeId::new(at), self.run, self.name.clone(), [self.started.0, at])
        }
    }
}

impl Declared {
    /// Returns when an input was read, as far as can be said: when it was declared; or when the first output was, where that
    /// came before and the file had its bytes by then, since programs declare in any order what they read and wrote.
    fn read_at(&self, started_at: Timestamp, first_output: Option<Timestamp>) -> Timestamp {
        match first_output {
            Some(output) if output < self.at => self.at.min(output.max(self.changed_at)).max(started_at),
            _ => self.at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ArtifactPath, Digest};

    fn file(name: &str, changed_at: i64) -> FileRead {
        let artifact = Artifact {
            path: ArtifactPath::new(name).unwrap(),
            digest: Digest::of(name.as_bytes()),
            size_bytes: 1,
        };
        FileRead { artifact, changed_at: Timestamp::from_micros(changed_at), evidence: Evidence::Declared }
    }

    /// Says a run that starts at 100: `<a@7` reads at the next moment `a`, last changed at 7; `>b` writes; `|` records.
    fn check(said: &str, expected: &[&str]) {
        let now = Instant::now();
        let mut edges = Edges::new(NodeId::from_u128(1), "x".to_owned(), Timestamp::from_micros(100), now);
        let mut steps = Vec::new();
        for (number, word) in said.split(' ').chain(["|"]).enumerate() {
            let at = Timestamp::from_micros(101 + number as i64);
            let (name, changed) = word[1..].split_once('@').unwrap_or((&word[1..], "0"));
            match &word[..1] {
                "<" => edges.add_used(file(name, changed.parse().unwrap()), at, Role::Data),
                ">" => edges.add_generated(file(name, 0), at, Role::Data),
                _ => steps.extend(edges.step(at, now)),
            }
        }
        let of = |step: &Step| {
            let used = step.used.iter().map(|e| format!("<{}@{}", e.artifact.path, e.at.micros()));
            let made = step.generated.iter().map(|e| format!(">{}@{}", e.artifact.path, e.at.micros()));
            used.chain(made).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(steps.iter().map(of).collect::<Vec<_>>(), expected, "{said}");
    }

    #[test]
    fn what_is_declared_in_order_is_one_step() {
        check("<a <b >c", &["<a@101 <b@102 >c@103"]);
        check("<a", &["<a@101"]);
        check("|", &[]);
    }

    #[test]
    fn an_output_recorded_later_comes_with_all_inputs() {
        check("<a >b | >c", &["<a@101 >b@102", "<a@101 >c@104"]);
        check("<a | <b | >c", &["<a@101", "<b@103", "<a@101 <b@103 >c@105"]);
    }

    #[test]
    fn an_input_declared_after_the_outputs_counts_for_them_unless_it_is_younger() {
        check(">b <a", &["<a@101 >b@101"]);
        check(">b <a@102", &["<a@102 >b@101"]);
        check(">b | <a", &[">b@101", "<a@101 >b@101"]);
        check(">b | <a@102", &[">b@101", "<a@103"]);
    }

    #[test]
    fn a_long_run_records_its_edges_more_and_more_rarely() {
        let start = Instant::now();
        let mut edges = Edges::new(NodeId::from_u128(1), String::new(), Timestamp::from_micros(1), start);
        let mut recorded = Vec::new();
        for second in 1..=300_u64 {
            let now = start + Duration::from_secs(second);
            edges.add_generated(file(&format!("f{second}"), 0), Timestamp::from_micros(2), Role::Data);
            if edges.is_due(now) && edges.step(Timestamp::from_micros(3), now).is_some() {
                recorded.push(second);
            }
        }
        assert_eq!(recorded, [1, 2, 4, 8, 16, 32, 64, 124, 184, 244]);
    }
}
