//! Facts to rows: one write transaction's worth of nodes, edges and index entries.
//!
//! Names are given their numbers at once; rows are gathered, sorted and inserted together, which a B-tree takes several
//! times faster than rows in the order of arrival.

use std::collections::HashMap;

use redb::{ReadableTable, Table, WriteTransaction};

use crate::error::Result;
use crate::journal;
use crate::model::{
    Artifact, Digest, Evidence, Fact, Metric, ModelChange, ModelVersion, NodeId, Note, Role, Run, RunOutcome,
    Step,
};
use crate::store::schema::{self, NodeKind, key, seal, time_bytes};
use crate::store::{broken, damaged};

/// Rows of an index whose values are empty.
struct Index<const N: usize> {
    rows: Vec<[u8; N]>,
}

impl<const N: usize> Default for Index<N> {
    fn default() -> Self {
        Index { rows: Vec::new() }
    }
}

impl<const N: usize> Index<N> {
    fn add(&mut self, parts: &[&[u8]]) {
        self.rows.push(key(parts));
    }

    fn flush(&mut self, table: &mut Table<'_, schema::Key<N>, &'static [u8]>) -> Result<()> {
        self.rows.sort_unstable();
        for row in self.rows.drain(..) {
            table.insert(&row, [].as_slice()).map_err(broken)?;
        }
        Ok(())
    }
}

/// Rows keyed by a number or a fixed-width key.
struct Rows<K> {
    rows: Vec<(K, Vec<u8>)>,
}

impl<K> Default for Rows<K> {
    fn default() -> Self {
        Rows { rows: Vec::new() }
    }
}

impl Rows<u64> {
    fn flush(&mut self, table: &mut Table<'_, u64, &'static [u8]>) -> Result<()> {
        self.rows.sort_unstable();
        for (number, value) in self.rows.drain(..) {
            table.insert(number, value.as_slice()).map_err(broken)?;
        }
        Ok(())
    }
}

impl<const N: usize> Rows<[u8; N]> {
    fn flush(&mut self, table: &mut Table<'_, schema::Key<N>, &'static [u8]>) -> Result<()> {
        self.rows.sort_unstable();
        for (row, value) in self.rows.drain(..) {
            table.insert(&row, value.as_slice()).map_err(broken)?;
        }
        Ok(())
    }
}

impl Rows<Vec<u8>> {
    fn flush(&mut self, table: &mut Table<'_, &'static [u8], &'static [u8]>) -> Result<()> {
        self.rows.sort_unstable();
        for (row, value) in self.rows.drain(..) {
            table.insert(row.as_slice(), value.as_slice()).map_err(broken)?;
        }
        Ok(())
    }
}

/// The next number of each kind, and the latest time recorded.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counters {
    runs: u64,
    steps: u64,
    paths: u64,
    artifacts: u64,
    metric_names: u64,
    /// Microseconds.
    pub latest_us: i64,
}

impl Counters {
    fn to_bytes(self) -> Vec<u8> {
        [self.runs, self.steps, self.paths, self.artifacts, self.metric_names, self.latest_us as u64]
            .iter()
            .flat_map(|number| number.to_be_bytes())
            .collect()
    }

    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut numbers = bytes.chunks_exact(8).map(schema::number_of);
        let mut next = || numbers.next();
        Some(Counters {
            runs: next()?,
            steps: next()?,
            paths: next()?,
            artifacts: next()?,
            metric_names: next()?,
            latest_us: next()? as i64,
        })
    }
}

/// What one write transaction adds.
pub(crate) struct Batch<'t> {
    transaction: &'t WriteTransaction,
    nodes: Table<'t, schema::Key<16>, &'static [u8]>,
    paths: Table<'t, &'static [u8], &'static [u8]>,
    artifact_keys: Table<'t, schema::Key<40>, &'static [u8]>,
    metric_names: Table<'t, &'static [u8], &'static [u8]>,
    counters: Counters,
    known_nodes: HashMap<u128, u64>,
    known_paths: HashMap<Vec<u8>, u64>,
    known_artifacts: HashMap<(u64, [u8; 32]), u64>,
    known_metrics: HashMap<String, u64>,
    pending: Pending,
    edges: usize,
}

/// Rows not yet inserted.
#[derive(Default)]
struct Pending {
    nodes: Rows<[u8; 16]>,
    runs: Rows<u64>,
    run_outcomes: Rows<[u8; 24]>,
    run_labels: Rows<Vec<u8>>,
    run_times: Rows<[u8; 24]>,
    run_tails: Rows<[u8; 16]>,
    run_steps: Index<16>,
    steps: Rows<u64>,
    step_edges: Rows<u64>,
    step_keys: Index<24>,
    paths: Rows<Vec<u8>>,
    path_names: Rows<u64>,
    artifacts: Rows<u64>,
    artifact_keys: Rows<[u8; 40]>,
    contents: Index<24>,
    generated: Index<24>,
    used: Index<24>,
    path_writes: Index<32>,
    metric_names: Rows<Vec<u8>>,
    metric_name_texts: Rows<u64>,
    metrics: Index<48>,
    metric_values: Index<48>,
    models: Rows<[u8; 24]>,
    model_names: Rows<Vec<u8>>,
    model_changes: Rows<[u8; 32]>,
    model_artifacts: Index<24>,
    notes: Rows<Vec<u8>>,
}

impl<'t> Batch<'t> {
    /// Begins a batch in a write transaction.
    pub fn begin(transaction: &'t WriteTransaction) -> Result<Self> {
        let counters = {
            let meta = transaction.open_table(schema::META).map_err(broken)?;
            let stored = meta.get(b"counters".as_slice()).map_err(broken)?;
            match stored {
                Some(bytes) => Counters::from_bytes(bytes.value()).ok_or_else(|| damaged("counters"))?,
                None => Counters::default(),
            }
        };
        Ok(Batch {
            transaction,
            nodes: transaction.open_table(schema::NODES).map_err(broken)?,
            paths: transaction.open_table(schema::PATHS).map_err(broken)?,
            artifact_keys: transaction.open_table(schema::ARTIFACT_KEYS).map_err(broken)?,
            metric_names: transaction.open_table(schema::METRIC_NAMES).map_err(broken)?,
            counters,
            known_nodes: HashMap::new(),
            known_paths: HashMap::new(),
            known_artifacts: HashMap::new(),
            known_metrics: HashMap::new(),
            pending: Pending::default(),
            edges: 0,
        })
    }

    /// Returns how many edges were added.
    pub fn edges(&self) -> usize {
        self.edges
    }

    /// Adds a fact. A fact that is there already changes nothing.
    pub fn add(&mut self, fact: &Fact) -> Result<()> {
        match fact {
            Fact::RunStarted(run) => self.add_run(run, fact),
            Fact::RunOutcome(outcome) => self.add_outcome(outcome, fact),
            Fact::StepDone(step) => self.add_step(step),
            Fact::Metrics(points) => points.iter().try_for_each(|point| self.add_metric(point)),
            Fact::ModelRegistered(model) => self.add_model(model, fact),
            Fact::ModelChanged(change) => self.add_model_change(change, fact),
            Fact::NoteRead(note) => self.add_note(note, fact),
        }
    }

    fn add_run(&mut self, run: &Run, fact: &Fact) -> Result<()> {
        let (number, fresh) = self.run_no(run.id)?;
        let bytes = seal(journal::encode(fact)?);
        if !fresh && !self.replace_run(number, &bytes)? {
            return Ok(());
        }
        self.pending.runs.rows.push((number, bytes));
        self.counters.latest_us = self.counters.latest_us.max(run.started_at.micros());
        let number = number.to_be_bytes().to_vec();
        self.pending.run_labels.rows.push((label_key(run), number.clone()));
        self.pending.run_times.rows.push((run_time_key(run), number));
        Ok(())
    }

    /// Takes away an older statement on the start of a run; returns false where it stays.
    ///
    /// Two such statements cannot both be; whichever order they come in, the same one stays.
    fn replace_run(&mut self, number: u64, bytes: &[u8]) -> Result<bool> {
        self.flush()?;
        let before = {
            let runs = self.transaction.open_table(schema::RUNS).map_err(broken)?;
            runs.get(number).map_err(broken)?.map(|record| record.value().to_vec())
        };
        let Some(before) = before else { return Ok(true) };
        if before.as_slice() >= bytes {
            return Ok(false);
        }
        let body = schema::unseal(&before).ok_or_else(|| damaged("run"))?;
        if let Fact::RunStarted(old) = journal::decode(body)? {
            self.forget_run(&old)?;
        }
        Ok(true)
    }

    fn forget_run(&self, run: &Run) -> Result<()> {
        let mut labels = self.transaction.open_table(schema::RUN_LABELS).map_err(broken)?;
        labels.remove(label_key(run).as_slice()).map_err(broken)?;
        let mut times = self.transaction.open_table(schema::RUN_TIMES).map_err(broken)?;
        times.remove(&run_time_key(run)).map_err(broken)?;
        Ok(())
    }

    fn add_outcome(&mut self, outcome: &RunOutcome, fact: &Fact) -> Result<()> {
        let (number, _) = self.run_no(outcome.run)?;
        let bytes = journal::encode(fact)?;
        self.counters.latest_us = self.counters.latest_us.max(outcome.at.micros());
        let place = key(&[
            &number.to_be_bytes(),
            &time_bytes(outcome.at.micros()),
            &Digest::of(&bytes).as_bytes()[..8],
        ]);
        self.pending.run_outcomes.rows.push((place, seal(bytes)));
        Ok(())
    }

    fn add_step(&mut self, step: &Step) -> Result<()> {
        let (run_no, _) = self.run_no(step.run)?;
        let (number, fresh) = self.node_no(step.id, NodeKind::Step)?;
        let record = seal(journal::encode(&Fact::StepDone(Step {
            used: Vec::new(),
            generated: Vec::new(),
            ..step.clone()
        }))?);
        let edges = self.edge_record(run_no, step)?;
        if !fresh && !self.replace_step(number, run_no, &record, &edges)? {
            return Ok(());
        }
        let step_no = number.to_be_bytes();
        self.pending.run_steps.add(&[&run_no.to_be_bytes(), &step_no]);
        if let Some(digest) = step.key {
            self.pending.step_keys.add(&[&digest.as_bytes()[..16], &step_no]);
        }
        for edge in &step.used {
            let artifact = self.artifact_no(&edge.artifact)?;
            self.pending.used.add(&[&artifact.to_be_bytes(), &time_bytes(edge.at.micros()), &step_no]);
        }
        for edge in &step.generated {
            let artifact = self.artifact_no(&edge.artifact)?.to_be_bytes();
            let path = self.path_no(edge.artifact.path.as_bytes())?.to_be_bytes();
            let at = time_bytes(edge.at.micros());
            self.pending.generated.add(&[&artifact, &at, &step_no]);
            self.pending.path_writes.add(&[&path, &at, &step_no, &artifact]);
        }
        let times = step.used.iter().map(|edge| edge.at).chain(step.generated.iter().map(|edge| edge.at));
        self.counters.latest_us = times.map(|at| at.micros()).fold(self.counters.latest_us, i64::max);
        self.edges += step.used.len() + step.generated.len();
        self.pending.steps.rows.push((number, record));
        self.pending.step_edges.rows.push((number, edges));
        Ok(())
    }

    /// Takes away what was recorded of a step under the same id, where the new statement takes its place; returns false where the old one stays.
    fn replace_step(&mut self, number: u64, run_no: u64, record: &[u8], edges: &[u8]) -> Result<bool> {
        self.flush()?;
        let steps = self.transaction.open_table(schema::STEPS).map_err(broken)?;
        let edge_table = self.transaction.open_table(schema::STEP_EDGES).map_err(broken)?;
        let old_record = steps.get(number).map_err(broken)?.map(|bytes| bytes.value().to_vec());
        let old_edges = edge_table.get(number).map_err(broken)?.map(|bytes| bytes.value().to_vec());
        let (Some(old_record), Some(old_edges)) = (old_record, old_edges) else {
            return Ok(true);
        };
        drop((steps, edge_table));
        // Numbers differ from store to store, so the digests of artifacts decide, not the record of edges.
        let old = self.rank(&old_record, &old_edges)?;
        let new = self.rank(record, edges)?;
        if old >= new {
            return Ok(false);
        }
        let old = crate::store::snapshot::Edges::decode(&old_edges)?;
        let step_no = number.to_be_bytes();
        let mut used = self.transaction.open_table(schema::USED).map_err(broken)?;
        for edge in &old.used {
            let row = key::<24>(&[&edge.artifact.0.to_be_bytes(), &time_bytes(edge.at), &step_no]);
            used.remove(&row).map_err(broken)?;
        }
        let mut generated = self.transaction.open_table(schema::GENERATED).map_err(broken)?;
        let mut path_writes = self.transaction.open_table(schema::PATH_WRITES).map_err(broken)?;
        let artifacts = self.transaction.open_table(schema::ARTIFACTS).map_err(broken)?;
        for edge in &old.generated {
            let (artifact, at) = (edge.artifact.0.to_be_bytes(), time_bytes(edge.at));
            generated.remove(&key::<24>(&[&artifact, &at, &step_no])).map_err(broken)?;
            let record =
                artifacts.get(edge.artifact.0).map_err(broken)?.ok_or_else(|| damaged("artifact"))?;
            let path = &record.value()[..8];
            path_writes.remove(&key::<32>(&[path, &at, &step_no, &artifact])).map_err(broken)?;
        }
        if old.run.0 != run_no {
            let mut run_steps = self.transaction.open_table(schema::RUN_STEPS).map_err(broken)?;
            run_steps.remove(&key::<16>(&[&old.run.0.to_be_bytes(), &step_no])).map_err(broken)?;
        }
        let body = schema::unseal(&old_record).ok_or_else(|| damaged("step"))?;
        if let Fact::StepDone(Step { key: Some(digest), .. }) = journal::decode(body)? {
            let mut step_keys = self.transaction.open_table(schema::STEP_KEYS).map_err(broken)?;
            step_keys.remove(&key::<24>(&[&digest.as_bytes()[..16], &step_no])).map_err(broken)?;
        }
        Ok(true)
    }

    /// Returns bytes that order two statements on one step the same way in every store.
    fn rank(&self, record: &[u8], edges: &[u8]) -> Result<Vec<u8>> {
        let artifacts = self.transaction.open_table(schema::ARTIFACTS).map_err(broken)?;
        let names = self.transaction.open_table(schema::PATH_NAMES).map_err(broken)?;
        let edges = crate::store::snapshot::Edges::decode(edges)?;
        let mut rank = record.to_vec();
        for edge in edges.used.iter().chain(&edges.generated) {
            let artifact =
                artifacts.get(edge.artifact.0).map_err(broken)?.ok_or_else(|| damaged("artifact"))?;
            let artifact = schema::unseal(artifact.value()).ok_or_else(|| damaged("artifact"))?;
            let name =
                names.get(schema::number_of(artifact)).map_err(broken)?.ok_or_else(|| damaged("path"))?;
            rank.extend_from_slice(name.value());
            rank.extend_from_slice(&artifact[8..]);
            rank.extend_from_slice(&time_bytes(edge.at));
            rank.extend_from_slice(&[edge.evidence as u8, edge.role as u8]);
        }
        Ok(rank)
    }

    fn edge_record(&mut self, run_no: u64, step: &Step) -> Result<Vec<u8>> {
        let count = step.used.len() + step.generated.len();
        let mut bytes = Vec::with_capacity(32 + count * 18 + 4);
        bytes.extend_from_slice(&run_no.to_be_bytes());
        bytes.extend_from_slice(&step.id.as_u128().to_be_bytes());
        bytes.extend_from_slice(&(step.used.len() as u32).to_be_bytes());
        bytes.extend_from_slice(&(step.generated.len() as u32).to_be_bytes());
        for edge in &step.used {
            let artifact = self.artifact_no(&edge.artifact)?;
            write_edge(&mut bytes, artifact, edge.at.micros(), edge.evidence, edge.role);
        }
        for edge in &step.generated {
            let artifact = self.artifact_no(&edge.artifact)?;
            write_edge(&mut bytes, artifact, edge.at.micros(), edge.evidence, edge.role);
        }
        Ok(seal(bytes))
    }

    fn add_metric(&mut self, point: &Metric) -> Result<()> {
        let name = self.metric_no(&point.name)?.to_be_bytes();
        let owner = point.owner.as_u128().to_be_bytes();
        let step = time_bytes(point.step);
        let at = time_bytes(point.at.micros());
        let value = point.value.ordered_bits().to_be_bytes();
        self.pending.metrics.add(&[&owner, &name, &step, &at, &value]);
        self.pending.metric_values.add(&[&name, &value, &owner, &step, &at]);
        Ok(())
    }

    fn add_model(&mut self, model: &ModelVersion, fact: &Fact) -> Result<()> {
        let bytes = journal::encode(fact)?;
        let id = model.id.as_u128().to_be_bytes();
        let place = key(&[&id, &Digest::of(&bytes).as_bytes()[..8]]);
        self.pending.models.rows.push((place, seal(bytes)));
        let mut name = format!("{}\0{}\0", model.name, model.version).into_bytes();
        name.extend_from_slice(&id);
        self.pending.model_names.rows.push((name, Vec::new()));
        for held in &model.artifacts {
            let artifact = self.artifact_no(&held.artifact)?;
            self.pending.model_artifacts.add(&[&artifact.to_be_bytes(), &id]);
        }
        Ok(())
    }

    fn add_model_change(&mut self, change: &ModelChange, fact: &Fact) -> Result<()> {
        let bytes = journal::encode(fact)?;
        let model = change.model.as_u128().to_be_bytes();
        let digest = Digest::of(&bytes);
        let place = key(&[&model, &time_bytes(change.at.micros()), &digest.as_bytes()[..8]]);
        self.pending.model_changes.rows.push((place, seal(bytes)));
        Ok(())
    }

    fn add_note(&mut self, note: &Note, fact: &Fact) -> Result<()> {
        let bytes = journal::encode(fact)?;
        let mut place = note.artifact.path.as_bytes().to_vec();
        place.push(0);
        place.extend_from_slice(&time_bytes(note.at.micros()));
        place.extend_from_slice(&Digest::of(&bytes).as_bytes()[..8]);
        self.artifact_no(&note.artifact)?;
        self.pending.notes.rows.push((place, seal(bytes)));
        Ok(())
    }

    fn run_no(&mut self, id: NodeId) -> Result<(u64, bool)> {
        let (number, fresh) = self.node_no(id, NodeKind::Run)?;
        if fresh {
            let row = (schema::turned(id.as_u128()), number.to_be_bytes().to_vec());
            self.pending.run_tails.rows.push(row);
        }
        Ok((number, fresh))
    }

    /// Returns the number of a node, and whether it was given just now.
    fn node_no(&mut self, id: NodeId, kind: NodeKind) -> Result<(u64, bool)> {
        let bits = id.as_u128();
        if let Some(number) = self.known_nodes.get(&bits) {
            return Ok((*number, false));
        }
        let stored = self.nodes.get(&bits.to_be_bytes()).map_err(broken)?.map(|row| row.value().to_vec());
        if let Some(row) = stored {
            let number = schema::number_of(row.get(1..9).ok_or_else(|| damaged("node"))?);
            self.known_nodes.insert(bits, number);
            return Ok((number, false));
        }
        let counter = match kind {
            NodeKind::Run => &mut self.counters.runs,
            NodeKind::Step => &mut self.counters.steps,
        };
        let number = *counter;
        *counter += 1;
        let mut row = vec![kind as u8];
        row.extend_from_slice(&number.to_be_bytes());
        self.pending.nodes.rows.push((bits.to_be_bytes(), row));
        self.known_nodes.insert(bits, number);
        Ok((number, true))
    }

    fn path_no(&mut self, path: &[u8]) -> Result<u64> {
        if let Some(number) = self.known_paths.get(path) {
            return Ok(*number);
        }
        let stored = self.paths.get(path).map_err(broken)?.map(|row| schema::number_of(row.value()));
        let number = match stored {
            Some(number) => number,
            None => {
                let number = self.counters.paths;
                self.counters.paths += 1;
                self.pending.paths.rows.push((path.to_vec(), number.to_be_bytes().to_vec()));
                self.pending.path_names.rows.push((number, path.to_vec()));
                number
            }
        };
        self.known_paths.insert(path.to_vec(), number);
        Ok(number)
    }

    fn artifact_no(&mut self, artifact: &Artifact) -> Result<u64> {
        let path = self.path_no(artifact.path.as_bytes())?;
        let digest = artifact.digest.as_bytes();
        if let Some(number) = self.known_artifacts.get(&(path, *digest)) {
            return Ok(*number);
        }
        let row = key::<40>(&[&path.to_be_bytes(), digest]);
        let stored = self.artifact_keys.get(&row).map_err(broken)?.map(|row| schema::number_of(row.value()));
        let number = match stored {
            Some(number) => number,
            None => {
                let number = self.counters.artifacts;
                self.counters.artifacts += 1;
                let mut record = path.to_be_bytes().to_vec();
                record.extend_from_slice(&artifact.size_bytes.to_be_bytes());
                record.extend_from_slice(digest);
                self.pending.artifacts.rows.push((number, seal(record)));
                self.pending.artifact_keys.rows.push((row, number.to_be_bytes().to_vec()));
                self.pending.contents.add(&[&digest[..16], &number.to_be_bytes()]);
                number
            }
        };
        self.known_artifacts.insert((path, *digest), number);
        Ok(number)
    }

    fn metric_no(&mut self, name: &str) -> Result<u64> {
        if let Some(number) = self.known_metrics.get(name) {
            return Ok(*number);
        }
        let stored =
            self.metric_names.get(name.as_bytes()).map_err(broken)?.map(|row| schema::number_of(row.value()));
        let number = match stored {
            Some(number) => number,
            None => {
                let number = self.counters.metric_names;
                self.counters.metric_names += 1;
                self.pending
                    .metric_names
                    .rows
                    .push((name.as_bytes().to_vec(), number.to_be_bytes().to_vec()));
                self.pending.metric_name_texts.rows.push((number, name.as_bytes().to_vec()));
                number
            }
        };
        self.known_metrics.insert(name.to_owned(), number);
        Ok(number)
    }

    /// Inserts what is pending.
    fn flush(&mut self) -> Result<()> {
        let pending = &mut self.pending;
        let transaction = self.transaction;
        pending.nodes.flush(&mut self.nodes)?;
        pending.paths.flush(&mut self.paths)?;
        pending.artifact_keys.flush(&mut self.artifact_keys)?;
        pending.metric_names.flush(&mut self.metric_names)?;
        macro_rules! flush {
            ($($rows:ident => $table:ident),+ $(,)?) => {
                $(if !pending.$rows.rows.is_empty() {
                    pending.$rows.flush(&mut transaction.open_table(schema::$table).map_err(broken)?)?;
                })+
            };
        }
        flush!(
            runs => RUNS, run_outcomes => RUN_OUTCOMES, run_labels => RUN_LABELS, run_times => RUN_TIMES,
            run_tails => RUN_TAILS, run_steps => RUN_STEPS, steps => STEPS, step_edges => STEP_EDGES,
            step_keys => STEP_KEYS, path_names => PATH_NAMES, artifacts => ARTIFACTS, contents => CONTENTS,
            generated => GENERATED, used => USED, path_writes => PATH_WRITES, metric_name_texts => METRIC_NAME_TEXTS, metrics => METRICS,
            metric_values => METRIC_VALUES, models => MODELS, model_names => MODEL_NAMES,
            model_changes => MODEL_CHANGES, model_artifacts => MODEL_ARTIFACTS, notes => NOTES,
        );
        Ok(())
    }

    /// Inserts all rows and the counters; the transaction can be committed then.
    pub fn finish(mut self) -> Result<()> {
        self.flush()?;
        let mut meta = self.transaction.open_table(schema::META).map_err(broken)?;
        meta.insert(b"counters".as_slice(), self.counters.to_bytes().as_slice()).map_err(broken)?;
        Ok(())
    }
}

fn label_key(run: &Run) -> Vec<u8> {
    let mut bytes = run.run_id.as_str().as_bytes().to_vec();
    bytes.push(0);
    bytes.extend_from_slice(&run.id.as_u128().to_be_bytes());
    bytes
}

fn run_time_key(run: &Run) -> [u8; 24] {
    key(&[&time_bytes(run.started_at.micros()), &run.id.as_u128().to_be_bytes()])
}

fn write_edge(bytes: &mut Vec<u8>, artifact: u64, at_us: i64, evidence: Evidence, role: Role) {
    bytes.extend_from_slice(&artifact.to_be_bytes());
    bytes.extend_from_slice(&time_bytes(at_us));
    bytes.push(evidence as u8);
    bytes.push(role as u8);
}
