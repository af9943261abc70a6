//! Facts to rows: one write transaction's worth of nodes, edges and index entries.

mod replacing;

use std::collections::{BTreeMap, HashSet};

use redb::{ReadableTable, WriteTransaction};

use crate::error::Result;
use crate::journal;
use crate::model::{
    ArtifactPath, Digest, Evidence, Fact, Metric, ModelAct, ModelAlias, ModelChange, ModelVersion, NodeId,
    Note, NoteGone, Role, Run, Stage, Step, Timestamp, version_key,
};
use crate::store::broken;
use crate::store::edges::{Edge, Edges, RemovedEdge, StepHead};
use crate::store::numbers::Numbers;
use crate::store::rows::Pending;
use crate::store::schema::{self, key, seal, time_bytes};
use crate::store::snapshot::{ArtifactNo, PathNo};
use crate::store::summary::MetricSummary;
use crate::store::terms;

/// What one write transaction adds.
pub(crate) struct Batch<'t> {
    transaction: &'t WriteTransaction,
    numbers: Numbers<'t>,
    pending: Pending,
    /// Runs and steps of which a statement is pending.
    stated: HashSet<NodeId>,
    /// What the pending points of metrics come to, by owner and number of the name.
    summaries: BTreeMap<(u128, u64), MetricSummary>,
    flushed: usize,
}

impl<'t> Batch<'t> {
    /// Begins a batch in a write transaction.
    pub fn begin(transaction: &'t WriteTransaction) -> Result<Self> {
        Ok(Batch {
            transaction,
            numbers: Numbers::begin(transaction)?,
            pending: Pending::default(),
            stated: HashSet::new(),
            summaries: BTreeMap::new(),
            flushed: 0,
        })
    }

    /// Returns how many rows were added.
    pub fn rows(&self) -> usize {
        self.flushed + self.pending.count()
    }

    /// Adds a fact. A fact that is there already changes nothing.
    pub fn add(&mut self, fact: Fact) -> Result<()> {
        if let Some(latest) = fact.latest() {
            self.numbers.note_time(latest);
        }
        match fact {
            Fact::RunStarted(run) => self.add_run(run),
            Fact::RunOutcome(ref outcome) => {
                let (place, record) = self.said_of(outcome.run, outcome.at, &fact)?;
                self.pending.run_outcomes.put(place, record);
                self.add_terms(outcome.run, terms::of_outcome(outcome))
            }
            Fact::StepDone(step) => self.add_step(step),
            Fact::Metrics(points) => points.iter().try_for_each(|point| self.add_metric(point)),
            Fact::ModelRegistered(model) => self.add_model(model),
            Fact::ModelChanged(change) => self.add_model_change(change),
            Fact::ModelNamed(alias) => self.add_model_alias(alias),
            Fact::NoteRead(note) => self.add_note(note),
            Fact::ParametersSaid(ref said) => {
                let (place, record) = self.said_of(said.run, said.at, &fact)?;
                self.pending.run_parameters.put(place, record);
                self.add_terms(said.run, terms::of_parameters(said))
            }
            Fact::Remarked(ref remarks) => {
                let (place, record) = self.said_of(remarks.run, remarks.at, &fact)?;
                self.pending.run_remarks.put(place, record);
                Ok(())
            }
            Fact::RunTagged(ref tags) => {
                let (place, record) = self.said_of(tags.run, tags.at, &fact)?;
                self.pending.run_tags.put(place, record);
                self.add_terms(tags.run, terms::of_tags(tags))
            }
            Fact::RepositoryRead(ref repository) => {
                let (place, record) = self.said_of(repository.run, repository.at, &fact)?;
                self.pending.run_repositories.put(place, record);
                Ok(())
            }
            Fact::NoteGone(gone) => self.add_note_gone(gone),
            Fact::LinkSeen(ref link) => {
                let artifact = self.numbers.artifact_no(&link.artifact(), &mut self.pending)?;
                self.pending.links.put(artifact.to_bytes(), seal(journal::encode(&fact)?));
                Ok(())
            }
            Fact::FileOverwritten(ref overwritten) => {
                let artifact = self.numbers.artifact_no(&overwritten.artifact, &mut self.pending)?;
                let at = time_bytes(overwritten.at.micros());
                let bytes = journal::encode(&fact)?;
                let place = key(&[&artifact.to_bytes(), &at, &front(&bytes)]);
                self.pending.overwritten.put(place, seal(bytes));
                Ok(())
            }
        }
    }

    // ---- runs ----

    fn add_run(&mut self, run: Run) -> Result<()> {
        let (number, fresh) = self.numbers.run_no(run.id, &mut self.pending)?;
        let (label, time, commit) = (label_key(&run), run_time_key(&run), run_commit_key(&run));
        let terms = terms::of_run(&run);
        let id = run.id;
        let bytes = journal::encode(&Fact::RunStarted(run))?;
        if !fresh && !self.replace_run(id, number, &bytes)? {
            return Ok(());
        }
        self.stated.insert(id);
        self.pending.runs.put(number.to_be_bytes(), seal(bytes));
        self.pending.run_labels.put(label, number.to_be_bytes());
        if let Some(commit) = commit {
            self.pending.run_commits.put(commit, number.to_be_bytes());
        }
        self.pending.run_times.put(time, number.to_be_bytes());
        self.add_terms(id, terms)
    }

    /// Adds words by which a run is found.
    fn add_terms(&mut self, run: NodeId, terms: Vec<Vec<u8>>) -> Result<()> {
        let (number, _) = self.numbers.run_no(run, &mut self.pending)?;
        for term in terms {
            self.pending.run_terms.put(term, number.to_be_bytes());
        }
        Ok(())
    }

    /// Makes the row of a fact that is said of a run at a time: in the order of time, then of digests.
    fn said_of(&mut self, run: NodeId, at: Timestamp, fact: &Fact) -> Result<([u8; 24], Vec<u8>)> {
        let (number, _) = self.numbers.run_no(run, &mut self.pending)?;
        let bytes = journal::encode(fact)?;
        let at = time_bytes(at.micros());
        Ok((key(&[&number.to_be_bytes(), &at, front(&bytes).as_slice()]), seal(bytes)))
    }

    // ---- steps ----

    fn add_step(&mut self, mut step: Step) -> Result<()> {
        let (run_no, _) = self.numbers.run_no(step.run, &mut self.pending)?;
        let (number, fresh) = self.numbers.step_no(step.id, &mut self.pending)?;
        // Whichever statement stays, the files of both are known: see `schema::PATH_CONTENTS`.
        let edges = self.edges(run_no, &step)?;
        for edge in &edges.used {
            let is_untracked = match edge.role {
                Role::CodeChanged => 0,
                Role::CodeUntracked => 1,
                _ => continue,
            };
            self.pending.run_code.add(&[&run_no.to_be_bytes(), &edge.artifact.to_bytes(), &[is_untracked]]);
        }
        if !fresh && !self.replace_step(number, &step)? {
            return Ok(());
        }
        self.stated.insert(step.id);
        (step.used, step.generated, step.removed) = (Vec::new(), Vec::new(), Vec::new());
        let (id, digest) = (step.id.as_u128().to_be_bytes(), step.key);
        let record = seal(journal::encode(&Fact::StepDone(step))?);
        let step_no = number.to_be_bytes();
        let pending = &mut self.pending;
        pending.steps.put(step_no, record);
        pending.step_heads.put(step_no, StepHead::of(&edges).encode());
        pending.step_edges.put(step_no, edges.encode());
        pending.run_steps.put(key(&[&run_no.to_be_bytes(), &id]), step_no);
        if let Some(digest) = digest {
            pending.step_keys.put(key(&[&digest.as_bytes()[..16], &id]), step_no);
        }
        for edge in &edges.used {
            pending.used.put(edge_key(edge, number), []);
        }
        for edge in &edges.generated {
            pending.generated.put(edge_key(edge, number), []);
            pending.path_writes.put(path_write_key(edge, number), []);
            pending.content_writes.put(content_write_key(edge, number), []);
        }
        for removed in &edges.removed {
            let content = removed.artifact.map(|artifact| u64::from(artifact.content_no()).to_be_bytes());
            let content = content.map_or_else(Vec::new, |content| content.to_vec());
            pending.path_removals.put(removal_key(removed, number), content);
        }
        Ok(())
    }

    fn edges(&mut self, run_no: u64, step: &Step) -> Result<Edges> {
        let mut edges = Edges::new(step.id, run_no, step.act);
        edges.used.reserve_exact(step.used.len());
        edges.generated.reserve_exact(step.generated.len());
        for edge in &step.used {
            let artifact = self.numbers.artifact_no(&edge.artifact, &mut self.pending)?;
            edges.used.push(edge_of(artifact, edge.at, edge.evidence, edge.role));
        }
        for edge in &step.generated {
            let artifact = self.numbers.artifact_no(&edge.artifact, &mut self.pending)?;
            edges.generated.push(edge_of(artifact, edge.at, edge.evidence, edge.role));
        }
        for removed in &step.removed {
            let path = PathNo(u64::from(self.numbers.path(&removed.path, &mut self.pending)?));
            let artifact = match removed.artifact() {
                Some(artifact) => Some(self.numbers.artifact_no(&artifact, &mut self.pending)?),
                None => None,
            };
            let (at, evidence) = (removed.at.micros(), removed.evidence);
            edges.removed.push(RemovedEdge { path, artifact, at, evidence });
        }
        Ok(edges)
    }

    // ---- metrics, models, notes ----

    fn add_metric(&mut self, point: &Metric) -> Result<()> {
        let name = self.numbers.metric_no(&point.name, &mut self.pending)?;
        let summary = MetricSummary::of(point);
        self.summaries
            .entry((point.owner.as_u128(), name))
            .and_modify(|known| *known = known.merge(&summary))
            .or_insert(summary);
        let name = name.to_be_bytes();
        let owner = point.owner.as_u128().to_be_bytes();
        let step = time_bytes(point.step);
        let at = time_bytes(point.at.micros());
        let value = point.value.ordered_bits().to_be_bytes();
        self.pending.metrics.add(&[&owner, &name, &step, &at, &value]);
        Ok(())
    }

    /// Merges what pending points come to with what was known before, and puts each owner at its new place in the order.
    fn merge_summaries(&mut self) -> Result<()> {
        if self.summaries.is_empty() {
            return Ok(());
        }
        let known = self.transaction.open_table(schema::METRIC_SUMMARIES).map_err(broken)?;
        let mut order = self.transaction.open_table(schema::METRIC_ORDER).map_err(broken)?;
        for ((owner, name), summary) in std::mem::take(&mut self.summaries) {
            let (owner, name) = (owner.to_be_bytes(), name.to_be_bytes());
            let place = key::<24>(&[&owner, &name]);
            let before = known.get(&place).map_err(broken)?;
            let before = before.map(|row| MetricSummary::decode(row.value())).transpose()?;
            let merged = before.map_or(summary, |before| before.merge(&summary));
            if before == Some(merged) {
                continue;
            }
            for old in before.iter().flat_map(|before| before.order_keys(&name, &owner)) {
                order.remove(&old).map_err(broken)?;
            }
            self.pending.metric_summaries.put(place, merged.encode());
            for new in merged.order_keys(&name, &owner) {
                self.pending.metric_order.put(new, []);
            }
        }
        Ok(())
    }

    fn add_model(&mut self, model: ModelVersion) -> Result<()> {
        let id = model.id.as_u128().to_be_bytes();
        for held in &model.artifacts {
            let artifact = self.numbers.artifact_no(&held.artifact, &mut self.pending)?;
            self.pending.model_artifacts.add(&[&artifact.to_bytes(), &id]);
        }
        for input in &model.inputs {
            let artifact = self.numbers.artifact_no(input, &mut self.pending)?;
            self.pending.model_inputs.add(&[&artifact.to_bytes(), &id]);
        }
        for point in model.points() {
            self.add_metric(&point)?;
        }
        for base in model.bases() {
            self.pending.model_bases.add(&[&schema::model_base_front(&base), &id]);
        }
        if let Some(run) = model.run {
            self.pending.model_runs.add(&[&run.as_u128().to_be_bytes(), &id]);
        }
        let mut name = model.name.clone().into_bytes();
        name.push(0);
        let promoted = [&name, &time_bytes(model.as_of().micros())[..]].concat();
        name.extend_from_slice(&version_key(&model.version));
        name.extend_from_slice(&id);
        self.pending.model_names.put(name, []);
        self.pending.model_stages.add(&[&[model.stage as u8], &id]);
        let in_production = model.stage == Stage::Production;
        let bytes = journal::encode(&Fact::ModelRegistered(model))?;
        let front = front(&bytes);
        if in_production {
            self.pending.model_promotions.put([&promoted[..], &front, &id].concat(), []);
        }
        self.pending.models.put(key(&[&id, &front]), seal(bytes));
        Ok(())
    }

    fn add_model_change(&mut self, change: ModelChange) -> Result<()> {
        let model = change.model.as_u128().to_be_bytes();
        let at = time_bytes(change.at.micros());
        let stage = match &change.act {
            ModelAct::Staged { stage, .. } => Some(*stage),
            // What is withdrawn stands in the archive.
            ModelAct::Deleted => Some(Stage::Archived),
            ModelAct::Edited(_) => None,
        };
        if let Some(stage) = stage {
            self.pending.model_stages.add(&[&[stage as u8], &model]);
        }
        let promoted = matches!(change.act, ModelAct::Staged { stage: Stage::Production, .. })
            .then(|| [change.name.as_bytes(), &[0], &at].concat());
        let bytes = journal::encode(&Fact::ModelChanged(change))?;
        let front = front(&bytes);
        if let Some(promoted) = promoted {
            self.pending.model_promotions.put([&promoted[..], &front, &model].concat(), []);
        }
        self.pending.model_changes.put(key(&[&model, &at, &front]), seal(bytes));
        Ok(())
    }

    fn add_model_alias(&mut self, alias: ModelAlias) -> Result<()> {
        let place = [alias.name.as_bytes(), &[0], alias.alias.as_bytes(), &[0]].concat();
        let at = time_bytes(alias.at.micros());
        let bytes = journal::encode(&Fact::ModelNamed(alias))?;
        let place = [&place[..], &at, &front(&bytes)].concat();
        self.pending.model_aliases.put(place, seal(bytes));
        Ok(())
    }

    fn add_note(&mut self, note: Note) -> Result<()> {
        self.numbers.artifact_no(&note.artifact, &mut self.pending)?;
        for reference in &note.references {
            let mut place = schema::note_reference_front(reference.sort, &reference.name);
            place.extend_from_slice(note.artifact.path.as_bytes());
            self.pending.note_references.put(place, []);
        }
        let (path, at) = (note.artifact.path.clone(), note.at);
        self.put_note(&path, at, &Fact::NoteRead(note))
    }

    fn add_note_gone(&mut self, gone: NoteGone) -> Result<()> {
        let (path, at) = (gone.path.clone(), gone.at);
        self.put_note(&path, at, &Fact::NoteGone(gone))
    }

    fn put_note(&mut self, path: &ArtifactPath, at: Timestamp, fact: &Fact) -> Result<()> {
        let mut place = path.as_bytes().to_vec();
        place.push(0);
        place.extend_from_slice(&time_bytes(at.micros()));
        let bytes = journal::encode(fact)?;
        place.extend_from_slice(&front(&bytes));
        self.pending.notes.put(place, seal(bytes));
        Ok(())
    }

    // ---- rows ----

    /// Inserts what is pending.
    fn flush(&mut self) -> Result<()> {
        self.numbers.close_tables();
        self.merge_summaries()?;
        self.flushed += self.pending.count();
        self.stated.clear();
        self.pending.flush(self.transaction)
    }

    /// Inserts all rows and the counters; the transaction can be committed then.
    pub fn finish(mut self) -> Result<()> {
        self.flush()?;
        let mut meta = self.transaction.open_table(schema::META).map_err(broken)?;
        let counters = self.numbers.counters().to_bytes();
        meta.insert(b"counters".as_slice(), counters.as_slice()).map_err(broken)?;
        Ok(())
    }
}

/// The front of the digest of an encoded fact, which tells facts apart that share all else of a key.
fn front(bytes: &[u8]) -> [u8; 8] {
    let mut front = [0; 8];
    front.copy_from_slice(&Digest::of(bytes).as_bytes()[..8]);
    front
}

fn label_key(run: &Run) -> Vec<u8> {
    let mut bytes = run.run_id.as_str().as_bytes().to_vec();
    bytes.push(0);
    bytes.extend_from_slice(&run.id.as_u128().to_be_bytes());
    bytes
}

/// `commit, NUL, later times first, node id`; `None` for a run at no commit.
fn run_commit_key(run: &Run) -> Option<Vec<u8>> {
    let mut bytes = run.code.commit.as_ref()?.as_bytes().to_vec();
    bytes.push(0);
    bytes.extend(time_bytes(run.started_at.micros()).map(|byte| !byte));
    bytes.extend_from_slice(&run.id.as_u128().to_be_bytes());
    Some(bytes)
}

fn run_time_key(run: &Run) -> [u8; 24] {
    key(&[&time_bytes(run.started_at.micros()), &run.id.as_u128().to_be_bytes()])
}

fn edge_of(artifact: ArtifactNo, at: Timestamp, evidence: Evidence, role: Role) -> Edge {
    Edge { artifact, at: at.micros(), evidence, role }
}

/// `path | content | time | step`, as [`schema::GENERATED`] and [`schema::USED`] have it.
fn edge_key(edge: &Edge, step_no: u64) -> [u8; 24] {
    key(&[&edge.artifact.to_bytes(), &time_bytes(edge.at), &step_no.to_be_bytes()])
}

/// `path | time | step | content`.
fn path_write_key(edge: &Edge, step_no: u64) -> [u8; 24] {
    key(&[
        &edge.artifact.path().to_be_bytes(),
        &time_bytes(edge.at),
        &step_no.to_be_bytes(),
        &edge.artifact.content_no().to_be_bytes(),
    ])
}

/// `content | time | step | path`.
fn content_write_key(edge: &Edge, step_no: u64) -> [u8; 24] {
    key(&[
        &edge.artifact.content_no().to_be_bytes(),
        &time_bytes(edge.at),
        &step_no.to_be_bytes(),
        &edge.artifact.path().to_be_bytes(),
    ])
}

/// `path | time | step`.
fn removal_key(removed: &RemovedEdge, step_no: u64) -> [u8; 20] {
    let path = (removed.path.0 as u32).to_be_bytes();
    key(&[&path, &time_bytes(removed.at), &step_no.to_be_bytes()])
}
