//! Reading: one consistent state of the store.

use std::ops::ControlFlow;

use redb::{
    ReadOnlyDatabase, ReadOnlyTable, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition,
    TableError,
};

use crate::error::Result;
use crate::journal;
use crate::model::{
    Artifact, ArtifactPath, Digest, Evidence, Fact, Generated, Metric, MetricValue, ModelChange,
    ModelVersion, NodeId, Note, Role, Run, RunOutcome, Step, Timestamp, Used,
};
use crate::store::batch::Counters;
use crate::store::schema::{self, key, number_of, time_bytes, time_of, unseal};
use crate::store::{broken, damaged};

macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident),+) => {
        $($(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub(crate) u64);)+
    };
}

numbers!(
    /// A run's number in this store; it means nothing elsewhere.
    RunNo,
    /// A step's number in this store; it means nothing elsewhere.
    StepNo,
    /// A path's number in this store; it means nothing elsewhere.
    PathNo,
    /// An artifact's number in this store; it means nothing elsewhere.
    ArtifactNo
);

/// An edge as a walk sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    /// The artifact.
    pub artifact: ArtifactNo,
    /// Microseconds: of the first read, or of the last write.
    pub at: i64,
    /// How the edge is known.
    pub evidence: Evidence,
    /// What the artifact is to the step.
    pub role: Role,
}

/// The edges of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edges {
    /// The step's key, which orders steps the same way in every store.
    pub id: NodeId,
    /// The run that the step is a part of.
    pub run: RunNo,
    /// What it read.
    pub used: Vec<Edge>,
    /// What it wrote.
    pub generated: Vec<Edge>,
}

const EDGES_HEAD_BYTES: usize = 32;
const EDGE_BYTES: usize = 18;

impl Edges {
    pub(crate) fn decode(sealed: &[u8]) -> Result<Self> {
        let bytes = unseal(sealed).ok_or_else(|| damaged("edges"))?;
        if bytes.len() < EDGES_HEAD_BYTES || !(bytes.len() - EDGES_HEAD_BYTES).is_multiple_of(EDGE_BYTES) {
            return Err(damaged("edges"));
        }
        let mut id = [0; 16];
        id.copy_from_slice(&bytes[8..24]);
        let count = (number_of(&bytes[24..]) >> 32) as usize;
        let mut edges = bytes[EDGES_HEAD_BYTES..].chunks_exact(EDGE_BYTES).map(|row| {
            Ok(Edge {
                artifact: ArtifactNo(number_of(row)),
                at: time_of(&row[8..]),
                evidence: *Evidence::ALL.get(usize::from(row[16])).ok_or_else(|| damaged("edges"))?,
                role: *Role::ALL.get(usize::from(row[17])).ok_or_else(|| damaged("edges"))?,
            })
        });
        let used = edges.by_ref().take(count).collect::<Result<Vec<_>>>()?;
        let generated = edges.collect::<Result<Vec<_>>>()?;
        let id = NodeId::from_u128(u128::from_be_bytes(id));
        Ok(Edges { id, run: RunNo(number_of(bytes)), used, generated })
    }
}

type Bytes = &'static [u8];

/// One consistent state of the store; what is applied later does not change it.
pub struct Snapshot {
    runs: Reading<u64>,
    run_outcomes: Reading<schema::Key<24>>,
    run_labels: Reading<Bytes>,
    run_times: Reading<schema::Key<24>>,
    run_tails: Reading<schema::Key<16>>,
    run_steps: Reading<schema::Key<16>>,
    steps: Reading<u64>,
    step_edges: Reading<u64>,
    step_keys: Reading<schema::Key<24>>,
    nodes: Reading<schema::Key<16>>,
    paths: Reading<Bytes>,
    path_names: Reading<u64>,
    artifacts: Reading<u64>,
    artifact_keys: Reading<schema::Key<40>>,
    contents: Reading<schema::Key<24>>,
    generated: Reading<schema::Key<24>>,
    used: Reading<schema::Key<24>>,
    path_writes: Reading<schema::Key<32>>,
    metric_name_texts: Reading<u64>,
    metrics: Reading<schema::Key<48>>,
    models: Reading<schema::Key<24>>,
    model_changes: Reading<schema::Key<32>>,
    model_artifacts: Reading<schema::Key<24>>,
    notes: Reading<Bytes>,
    segments: Reading<schema::Key<16>>,
    packs: Reading<schema::Key<16>>,
    latest: Timestamp,
}

/// A table, or none where nothing of its kind was ever recorded.
struct Reading<K: redb::Key + 'static>(Option<ReadOnlyTable<K, Bytes>>);

impl<K: redb::Key + 'static> Reading<K> {
    fn open(transaction: &redb::ReadTransaction, table: TableDefinition<'static, K, Bytes>) -> Result<Self> {
        match transaction.open_table(table) {
            Ok(table) => Ok(Reading(Some(table))),
            Err(TableError::TableDoesNotExist(_)) => Ok(Reading(None)),
            Err(cause) => Err(broken(cause)),
        }
    }

    fn get<T>(&self, place: K::SelfType<'_>, read: impl FnOnce(&[u8]) -> Result<T>) -> Result<Option<T>> {
        let Some(table) = &self.0 else { return Ok(None) };
        match table.get(place).map_err(broken)? {
            Some(row) => read(row.value()).map(Some),
            None => Ok(None),
        }
    }

    fn count(&self) -> Result<u64> {
        self.0.as_ref().map_or(Ok(0), |table| table.len().map_err(broken))
    }
}

/// Which way a range is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Rising,
    Falling,
}

impl<const N: usize> Reading<schema::Key<N>> {
    /// Calls `visit` on each row from `first` to `last`, both included, until it breaks.
    fn scan(
        &self,
        first: &[u8; N],
        last: &[u8; N],
        order: Order,
        mut visit: impl FnMut(&[u8; N], &[u8]) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let Some(table) = &self.0 else { return Ok(()) };
        if first > last {
            return Ok(());
        }
        let mut rows = table.range::<&[u8; N]>(first..=last).map_err(broken)?;
        loop {
            let row = if order == Order::Rising { rows.next() } else { rows.next_back() };
            let Some(row) = row else { return Ok(()) };
            let (place, value) = row.map_err(broken)?;
            if visit(place.value(), value.value())?.is_break() {
                return Ok(());
            }
        }
    }

    /// Calls `visit` on each row whose key begins with `front`.
    fn scan_front(
        &self,
        front: &[u8],
        order: Order,
        visit: impl FnMut(&[u8; N], &[u8]) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let (mut first, mut last) = ([0; N], [0xff; N]);
        first[..front.len()].copy_from_slice(front);
        last[..front.len()].copy_from_slice(front);
        self.scan(&first, &last, order, visit)
    }
}

const GO_ON: ControlFlow<()> = ControlFlow::Continue(());
const STOP: ControlFlow<()> = ControlFlow::Break(());

impl Snapshot {
    /// Begins a read transaction; `None` where the store is of another format and must be rebuilt.
    pub(crate) fn of(database: &ReadOnlyDatabase) -> Result<Option<Self>> {
        let transaction = database.begin_read().map_err(broken)?;
        let meta = Reading::open(&transaction, schema::META)?;
        let format = meta.get(b"format".as_slice(), |bytes| Ok(bytes.to_vec()))?;
        if format.as_deref() != Some(schema::FORMAT.to_be_bytes().as_slice()) {
            return Ok(None);
        }
        let counters = meta.get(b"counters".as_slice(), |bytes| {
            Counters::from_bytes(bytes).ok_or_else(|| damaged("counters"))
        })?;
        let latest = Timestamp::from_micros(counters.unwrap_or_default().latest_us);
        let t = &transaction;
        Ok(Some(Snapshot {
            runs: Reading::open(t, schema::RUNS)?,
            run_outcomes: Reading::open(t, schema::RUN_OUTCOMES)?,
            run_labels: Reading::open(t, schema::RUN_LABELS)?,
            run_times: Reading::open(t, schema::RUN_TIMES)?,
            run_tails: Reading::open(t, schema::RUN_TAILS)?,
            run_steps: Reading::open(t, schema::RUN_STEPS)?,
            steps: Reading::open(t, schema::STEPS)?,
            step_edges: Reading::open(t, schema::STEP_EDGES)?,
            step_keys: Reading::open(t, schema::STEP_KEYS)?,
            nodes: Reading::open(t, schema::NODES)?,
            paths: Reading::open(t, schema::PATHS)?,
            path_names: Reading::open(t, schema::PATH_NAMES)?,
            artifacts: Reading::open(t, schema::ARTIFACTS)?,
            artifact_keys: Reading::open(t, schema::ARTIFACT_KEYS)?,
            contents: Reading::open(t, schema::CONTENTS)?,
            generated: Reading::open(t, schema::GENERATED)?,
            used: Reading::open(t, schema::USED)?,
            path_writes: Reading::open(t, schema::PATH_WRITES)?,
            metric_name_texts: Reading::open(t, schema::METRIC_NAME_TEXTS)?,
            metrics: Reading::open(t, schema::METRICS)?,
            models: Reading::open(t, schema::MODELS)?,
            model_changes: Reading::open(t, schema::MODEL_CHANGES)?,
            model_artifacts: Reading::open(t, schema::MODEL_ARTIFACTS)?,
            notes: Reading::open(t, schema::NOTES)?,
            segments: Reading::open(t, schema::SEGMENTS)?,
            packs: Reading::open(t, schema::PACKS)?,
            latest,
        }))
    }

    // ---- what is applied ----

    /// Returns how many bytes of a journal segment are applied.
    pub fn applied_bytes(&self, segment: u128) -> Result<u64> {
        let bytes = self.segments.get(&segment.to_be_bytes(), |bytes| Ok(number_of(bytes)))?;
        Ok(bytes.unwrap_or(0))
    }

    /// Returns true where all segments of a journal pack are applied.
    pub fn knows_pack(&self, pack: u128) -> Result<bool> {
        Ok(self.packs.get(&pack.to_be_bytes(), |_| Ok(()))?.is_some())
    }

    /// Returns the latest time that any fact names.
    pub fn latest(&self) -> Timestamp {
        self.latest
    }

    // ---- runs ----

    /// Returns the number of a run, by its key.
    pub fn run_no(&self, id: NodeId) -> Result<Option<RunNo>> {
        let found = self.nodes.get(&id.as_u128().to_be_bytes(), |row| {
            Ok((row.first() == Some(&(schema::NodeKind::Run as u8))).then(|| RunNo(number_of(&row[1..]))))
        })?;
        Ok(found.flatten())
    }

    /// Returns a run as it was recorded at its start; `None` where only others speak of it so far.
    pub fn run(&self, run: RunNo) -> Result<Option<Run>> {
        self.runs.get(run.0, |bytes| match record(bytes)? {
            Fact::RunStarted(run) => Ok(run),
            _ => Err(damaged("run")),
        })
    }

    /// Returns what became of a run, in the order of time.
    pub fn outcomes(&self, run: RunNo) -> Result<Vec<RunOutcome>> {
        let mut outcomes = Vec::new();
        self.run_outcomes.scan_front(&run.0.to_be_bytes(), Order::Rising, |_, bytes| {
            if let Fact::RunOutcome(outcome) = record(bytes)? {
                outcomes.push(outcome);
            }
            Ok(GO_ON)
        })?;
        Ok(outcomes)
    }

    /// Returns the runs with a label: one, or several after a merge.
    pub fn runs_labelled(&self, label: &str) -> Result<Vec<RunNo>> {
        let Some(table) = &self.run_labels.0 else {
            return Ok(Vec::new());
        };
        let mut first = label.as_bytes().to_vec();
        first.push(0);
        let mut last = first.clone();
        last.extend_from_slice(&[0xff; 16]);
        let rows = table.range::<&[u8]>(first.as_slice()..=last.as_slice()).map_err(broken)?;
        rows.map(|row| Ok(RunNo(number_of(row.map_err(broken)?.1.value())))).collect()
    }

    /// Returns runs whose key ends in the hexadecimal digits `tail`, at most `limit`.
    pub fn runs_with_tail(&self, tail: &str, limit: usize) -> Result<Vec<RunNo>> {
        if tail.is_empty() || tail.len() > 32 || !tail.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Ok(Vec::new());
        }
        let turned: String = tail.chars().rev().collect();
        let (first, last) = (format!("{turned:0<32}"), format!("{turned:f<32}"));
        let place =
            |text: &str| u128::from_str_radix(text, 16).map(u128::to_be_bytes).map_err(|_| damaged("tail"));
        let mut found = Vec::new();
        self.run_tails.scan(&place(&first)?, &place(&last)?, Order::Rising, |_, row| {
            found.push(RunNo(number_of(row)));
            Ok(if found.len() < limit { GO_ON } else { STOP })
        })?;
        Ok(found)
    }

    /// Returns runs from the newest start to the oldest, until `visit` breaks.
    pub fn runs_newest_first(&self, mut visit: impl FnMut(RunNo) -> Result<ControlFlow<()>>) -> Result<()> {
        self.run_times.scan_front(&[], Order::Falling, |_, row| visit(RunNo(number_of(row))))
    }

    /// Returns the steps of a run.
    pub fn steps_of(&self, run: RunNo) -> Result<Vec<StepNo>> {
        let mut steps = Vec::new();
        self.run_steps.scan_front(&run.0.to_be_bytes(), Order::Rising, |place, _| {
            steps.push(StepNo(number_of(&place[8..])));
            Ok(GO_ON)
        })?;
        Ok(steps)
    }

    // ---- steps ----

    /// Returns a step with its edges.
    pub fn step(&self, step: StepNo) -> Result<Option<Step>> {
        let Some(mut whole) = self.step_without_edges(step)? else {
            return Ok(None);
        };
        let Some(edges) = self.edges(step)? else {
            return Ok(None);
        };
        for edge in edges.used {
            let artifact = self.artifact(edge.artifact)?;
            let at = Timestamp::from_micros(edge.at);
            whole.used.push(Used { artifact, at, evidence: edge.evidence, role: edge.role });
        }
        for edge in edges.generated {
            let artifact = self.artifact(edge.artifact)?;
            let at = Timestamp::from_micros(edge.at);
            whole.generated.push(Generated { artifact, at, evidence: edge.evidence, role: edge.role });
        }
        Ok(Some(whole))
    }

    /// Returns a step as it was recorded, with no edges in it.
    pub fn step_without_edges(&self, step: StepNo) -> Result<Option<Step>> {
        self.steps.get(step.0, |bytes| match record(bytes)? {
            Fact::StepDone(step) => Ok(step),
            _ => Err(damaged("step")),
        })
    }

    /// Returns the edges of a step.
    pub fn edges(&self, step: StepNo) -> Result<Option<Edges>> {
        self.step_edges.get(step.0, Edges::decode)
    }

    /// Returns the steps whose key is `digest`.
    pub fn steps_by_key(&self, digest: &Digest) -> Result<Vec<StepNo>> {
        let mut steps = Vec::new();
        self.step_keys.scan_front(&digest.as_bytes()[..16], Order::Rising, |place, _| {
            steps.push(StepNo(number_of(&place[16..])));
            Ok(GO_ON)
        })?;
        Ok(steps)
    }

    // ---- paths, artifacts, contents ----

    /// Returns the number of a path.
    pub fn path_no(&self, path: &ArtifactPath) -> Result<Option<PathNo>> {
        self.paths.get(path.as_bytes(), |row| Ok(PathNo(number_of(row))))
    }

    /// Returns every path recorded that begins with `front`, in order, until `visit` breaks.
    pub fn paths_from(
        &self,
        front: &[u8],
        mut visit: impl FnMut(&[u8], PathNo) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let Some(table) = &self.paths.0 else { return Ok(()) };
        for row in table.range::<&[u8]>(front..).map_err(broken)? {
            let (path, number) = row.map_err(broken)?;
            if !path.value().starts_with(front)
                || visit(path.value(), PathNo(number_of(number.value())))?.is_break()
            {
                break;
            }
        }
        Ok(())
    }

    /// Returns the versions of a path.
    pub fn versions(&self, path: PathNo) -> Result<Vec<ArtifactNo>> {
        let mut versions = Vec::new();
        self.artifact_keys.scan_front(&path.0.to_be_bytes(), Order::Rising, |_, row| {
            versions.push(ArtifactNo(number_of(row)));
            Ok(GO_ON)
        })?;
        Ok(versions)
    }

    /// Returns the artifact with this path and content.
    pub fn artifact_no(&self, path: PathNo, digest: &Digest) -> Result<Option<ArtifactNo>> {
        let place = key::<40>(&[&path.0.to_be_bytes(), digest.as_bytes()]);
        self.artifact_keys.get(&place, |row| Ok(ArtifactNo(number_of(row))))
    }

    /// Returns the artifacts with this content, wherever they lay.
    pub fn artifacts_with(&self, digest: &Digest) -> Result<Vec<ArtifactNo>> {
        let mut candidates = Vec::new();
        self.contents.scan_front(&digest.as_bytes()[..16], Order::Rising, |place, _| {
            candidates.push(ArtifactNo(number_of(&place[16..])));
            Ok(GO_ON)
        })?;
        // The index holds the front of the digest only.
        let mut found = Vec::with_capacity(candidates.len());
        for candidate in candidates {
            if self.artifact_row(candidate)?.2 == *digest {
                found.push(candidate);
            }
        }
        Ok(found)
    }

    /// Returns the path's number of an artifact.
    pub fn path_of(&self, artifact: ArtifactNo) -> Result<PathNo> {
        Ok(self.artifact_row(artifact)?.0)
    }

    /// Returns an artifact.
    pub fn artifact(&self, artifact: ArtifactNo) -> Result<Artifact> {
        let (path, size_bytes, digest) = self.artifact_row(artifact)?;
        let path = self.path_names.get(path.0, |bytes| Ok(bytes.to_vec()))?.ok_or_else(|| damaged("path"))?;
        let path = ArtifactPath::from_bytes(path).map_err(|_| damaged("path"))?;
        Ok(Artifact { path, digest, size_bytes })
    }

    fn artifact_row(&self, artifact: ArtifactNo) -> Result<(PathNo, u64, Digest)> {
        let row = self.artifacts.get(artifact.0, |sealed| {
            let bytes =
                unseal(sealed).filter(|bytes| bytes.len() == 48).ok_or_else(|| damaged("artifact"))?;
            let mut digest = [0; 32];
            digest.copy_from_slice(&bytes[16..]);
            Ok((PathNo(number_of(bytes)), number_of(&bytes[8..]), Digest::from_bytes(digest)))
        })?;
        row.ok_or_else(|| damaged("artifact"))
    }

    // ---- edges from the artifact's side ----

    /// Calls `visit` with the time and the step of each write of an artifact up to `until`, the last first.
    pub fn writes_until(
        &self,
        artifact: ArtifactNo,
        until: i64,
        mut visit: impl FnMut(i64, StepNo) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let front = artifact.0.to_be_bytes();
        let first = key::<24>(&[&front, &[0; 16]]);
        let last = key::<24>(&[&front, &time_bytes(until), &[0xff; 8]]);
        self.generated.scan(&first, &last, Order::Falling, |place, _| {
            visit(time_of(&place[8..]), StepNo(number_of(&place[16..])))
        })
    }

    /// Calls `visit` with the time and the step of each write of an artifact from `from` on, the first first.
    pub fn writes_from(
        &self,
        artifact: ArtifactNo,
        from: i64,
        mut visit: impl FnMut(i64, StepNo) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let front = artifact.0.to_be_bytes();
        let first = key::<24>(&[&front, &time_bytes(from), &[0; 8]]);
        let last = key::<24>(&[&front, &[0xff; 16]]);
        self.generated.scan(&first, &last, Order::Rising, |place, _| {
            visit(time_of(&place[8..]), StepNo(number_of(&place[16..])))
        })
    }

    /// Calls `visit` with the time and the step of each read of an artifact from `from` to `until`, the first first.
    pub fn reads_between(
        &self,
        artifact: ArtifactNo,
        from: i64,
        until: i64,
        mut visit: impl FnMut(i64, StepNo) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let front = artifact.0.to_be_bytes();
        let first = key::<24>(&[&front, &time_bytes(from), &[0; 8]]);
        let last = key::<24>(&[&front, &time_bytes(until), &[0xff; 8]]);
        self.used.scan(&first, &last, Order::Rising, |place, _| {
            visit(time_of(&place[8..]), StepNo(number_of(&place[16..])))
        })
    }

    /// Calls `visit` with the time, the step and the artifact of each write at a path up to `until`, the last first.
    pub fn path_writes_until(
        &self,
        path: PathNo,
        until: i64,
        mut visit: impl FnMut(i64, StepNo, ArtifactNo) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let front = path.0.to_be_bytes();
        let first = key::<32>(&[&front, &[0; 24]]);
        let last = key::<32>(&[&front, &time_bytes(until), &[0xff; 16]]);
        self.path_writes.scan(&first, &last, Order::Falling, |place, _| {
            visit(time_of(&place[8..]), StepNo(number_of(&place[16..])), ArtifactNo(number_of(&place[24..])))
        })
    }

    // ---- metrics, models, notes ----

    /// Returns the points of metrics of a run or model version, by name, step and time.
    pub fn metrics(&self, owner: NodeId) -> Result<Vec<Metric>> {
        let mut rows = Vec::new();
        self.metrics.scan_front(&owner.as_u128().to_be_bytes(), Order::Rising, |place, _| {
            rows.push(*place);
            Ok(GO_ON)
        })?;
        let mut names = std::collections::HashMap::new();
        let mut points = Vec::with_capacity(rows.len());
        for row in rows {
            let name_no = number_of(&row[16..]);
            if let std::collections::hash_map::Entry::Vacant(entry) = names.entry(name_no) {
                let text = self
                    .metric_name_texts
                    .get(name_no, |bytes| Ok(String::from_utf8_lossy(bytes).into_owned()))?;
                entry.insert(text.ok_or_else(|| damaged("metric name"))?);
            }
            points.push(Metric {
                owner,
                name: names[&name_no].clone(),
                step: time_of(&row[24..]),
                at: Timestamp::from_micros(time_of(&row[32..])),
                value: MetricValue::from_ordered_bits(number_of(&row[40..])),
            });
        }
        points.sort();
        Ok(points)
    }

    /// Returns every model version, each once.
    pub fn models(&self) -> Result<Vec<ModelVersion>> {
        let mut models: Vec<ModelVersion> = Vec::new();
        self.models.scan_front(&[], Order::Rising, |_, bytes| {
            if let Fact::ModelRegistered(model) = record(bytes)? {
                // Of two statements on one version the same one counts in every store: that with the greater digest, the last.
                if models.last().is_some_and(|last| last.id == model.id) {
                    models.pop();
                }
                models.push(model);
            }
            Ok(GO_ON)
        })?;
        Ok(models)
    }

    /// Returns the changes of a model version, in the order of time.
    pub fn model_changes(&self, model: NodeId) -> Result<Vec<ModelChange>> {
        let mut changes = Vec::new();
        self.model_changes.scan_front(&model.as_u128().to_be_bytes(), Order::Rising, |_, bytes| {
            if let Fact::ModelChanged(change) = record(bytes)? {
                changes.push(change);
            }
            Ok(GO_ON)
        })?;
        Ok(changes)
    }

    /// Returns the keys of the model versions that hold an artifact.
    pub fn models_with(&self, artifact: ArtifactNo) -> Result<Vec<NodeId>> {
        let mut models = Vec::new();
        self.model_artifacts.scan_front(&artifact.0.to_be_bytes(), Order::Rising, |place, _| {
            let mut id = [0; 16];
            id.copy_from_slice(&place[8..]);
            models.push(NodeId::from_u128(u128::from_be_bytes(id)));
            Ok(GO_ON)
        })?;
        Ok(models)
    }

    /// Returns every reading of every note, by path and time.
    pub fn notes(&self) -> Result<Vec<Note>> {
        let Some(table) = &self.notes.0 else {
            return Ok(Vec::new());
        };
        let mut notes = Vec::new();
        for row in table.iter().map_err(broken)? {
            if let Fact::NoteRead(note) = record(row.map_err(broken)?.1.value())? {
                notes.push(note);
            }
        }
        Ok(notes)
    }

    // ---- sizes ----

    /// Returns how many runs, steps and artifacts there are.
    pub fn counts(&self) -> Result<(u64, u64, u64)> {
        Ok((self.runs.count()?, self.steps.count()?, self.artifacts.count()?))
    }

    /// Calls `visit` with every fact, in an order that is the same in every store with the same facts.
    ///
    /// # Errors
    /// Those of `visit`, and a store error where a record is damaged.
    pub fn facts(&self, visit: &mut dyn FnMut(Fact) -> Result<()>) -> Result<()> {
        let mut nodes = Vec::new();
        self.nodes.scan_front(&[], Order::Rising, |_, row| {
            nodes.push((row[0], number_of(&row[1..])));
            Ok(GO_ON)
        })?;
        let mut owners = Vec::new();
        for (kind, number) in nodes {
            if kind == schema::NodeKind::Run as u8 {
                if let Some(run) = self.run(RunNo(number))? {
                    owners.push(run.id);
                    visit(Fact::RunStarted(run))?;
                }
                self.outcomes(RunNo(number))?
                    .into_iter()
                    .try_for_each(|outcome| visit(Fact::RunOutcome(outcome)))?;
            } else if let Some(step) = self.step(StepNo(number))? {
                visit(Fact::StepDone(step))?;
            }
        }
        for model in self.models()? {
            owners.push(model.id);
            let changes = self.model_changes(model.id)?;
            visit(Fact::ModelRegistered(model))?;
            changes.into_iter().try_for_each(|change| visit(Fact::ModelChanged(change)))?;
        }
        for owner in owners {
            let points = self.metrics(owner)?;
            if !points.is_empty() {
                visit(Fact::Metrics(points))?;
            }
        }
        self.notes()?.into_iter().try_for_each(|note| visit(Fact::NoteRead(note)))
    }
}

fn record(sealed: &[u8]) -> Result<Fact> {
    journal::decode(unseal(sealed).ok_or_else(|| damaged("checksum"))?)
}
