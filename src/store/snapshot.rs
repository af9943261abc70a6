//! Reading: one consistent state of the store.

use std::ops::ControlFlow;

use redb::{ReadOnlyDatabase, ReadableDatabase};

use crate::error::Result;
use crate::journal;
use crate::model::{
    Digest, Evidence, Fact, Generated, NodeId, Remarks, Role, Run, RunOutcome, RunTags, SaidParameters, Step,
    Timestamp, Used,
};
use crate::store::numbers::Counters;
use crate::store::reading::{GO_ON, Order, Reading};
use crate::store::schema::{self, Key, key, number_of, seal, time_bytes, time_of, unseal};
use crate::store::{broken, damaged};

macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident),+) => {
        $($(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub(crate) u64);

        impl $name {
            #[allow(dead_code, reason = "paths are stored in four bytes")]
            pub(crate) fn to_bytes(self) -> [u8; 8] {
                self.0.to_be_bytes()
            }
        })+
    };
}

numbers!(
    /// A run's number in this store; it means nothing elsewhere.
    RunNo,
    /// A step's number in this store; it means nothing elsewhere.
    StepNo,
    /// A path's number in this store; it means nothing elsewhere.
    PathNo,
    /// An artifact's number in this store, made of its path's and its content's; it means nothing elsewhere.
    ArtifactNo
);

impl ArtifactNo {
    pub(crate) fn new(path: u32, content: u32) -> Self {
        ArtifactNo(u64::from(path) << 32 | u64::from(content))
    }

    pub(crate) fn path(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// Returns the number of its content in this store.
    pub fn content_no(self) -> u32 {
        self.0 as u32
    }

    /// Returns the content's number in front of the path's.
    pub(crate) fn turned(self) -> [u8; 8] {
        self.0.rotate_left(32).to_be_bytes()
    }

    pub(crate) fn from_turned(bytes: [u8; 8]) -> Self {
        ArtifactNo(u64::from_be_bytes(bytes).rotate_left(32))
    }

    /// Returns a key by which artifacts of one content lie together, as [`Snapshot::have_copies`] wants them.
    pub fn by_content(self) -> u64 {
        self.0.rotate_left(32)
    }

    /// Returns true where both have the same content.
    pub fn has_content_of(self, other: ArtifactNo) -> bool {
        self.content_no() == other.content_no()
    }
}

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
    pub(crate) fn new(id: NodeId, run: u64) -> Self {
        Edges { id, run: RunNo(run), used: Vec::new(), generated: Vec::new() }
    }

    /// Writes a sealed record.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let count = self.used.len() + self.generated.len();
        let mut bytes = Vec::with_capacity(EDGES_HEAD_BYTES + count * EDGE_BYTES + 4);
        bytes.extend_from_slice(&self.run.to_bytes());
        bytes.extend_from_slice(&self.id.as_u128().to_be_bytes());
        bytes.extend_from_slice(&(self.used.len() as u32).to_be_bytes());
        bytes.extend_from_slice(&(self.generated.len() as u32).to_be_bytes());
        for edge in self.used.iter().chain(&self.generated) {
            bytes.extend_from_slice(&edge.artifact.to_bytes());
            bytes.extend_from_slice(&time_bytes(edge.at));
            bytes.push(edge.evidence as u8);
            bytes.push(edge.role as u8);
        }
        seal(bytes)
    }

    /// Reads what [`Edges::encode`] wrote, without its seal.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
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

macro_rules! tables {
    ($($reading:ident: $kind:ty => $table:ident),+ $(,)?) => {
        /// One consistent state of the store; what is applied later does not change it.
        pub struct Snapshot {
            $(pub(super) $reading: Reading<$kind>,)+
            latest: Timestamp,
        }

        impl Snapshot {
            fn open(transaction: &redb::ReadTransaction, latest: Timestamp) -> Result<Self> {
                Ok(Snapshot {
                    $($reading: Reading::open(transaction, schema::$table)?,)+
                    latest,
                })
            }
        }
    };
}

tables!(
    segments: Key<16> => SEGMENTS,
    packed: Key<16> => PACKED,
    packs: Key<16> => PACKS,
    damage: Key<24> => DAMAGE,
    nodes: Key<17> => NODES,
    runs: Key<8> => RUNS,
    run_outcomes: Key<24> => RUN_OUTCOMES,
    run_parameters: Key<24> => RUN_PARAMETERS,
    run_remarks: Key<24> => RUN_REMARKS,
    run_labels: Bytes => RUN_LABELS,
    run_times: Key<24> => RUN_TIMES,
    run_tags: Key<24> => RUN_TAGS,
    run_commits: Bytes => RUN_COMMITS,
    run_terms: Bytes => RUN_TERMS,
    run_tails: Key<16> => RUN_TAILS,
    run_steps: Key<24> => RUN_STEPS,
    steps: Key<8> => STEPS,
    step_edges: Key<8> => STEP_EDGES,
    step_keys: Key<32> => STEP_KEYS,
    paths: Bytes => PATHS,
    path_names: Key<8> => PATH_NAMES,
    contents: Key<40> => CONTENTS,
    content_names: Key<8> => CONTENT_NAMES,
    content_paths: Key<8> => CONTENT_PATHS,
    path_contents: Key<8> => PATH_CONTENTS,
    generated: Key<24> => GENERATED,
    path_writes: Key<24> => PATH_WRITES,
    content_writes: Key<24> => CONTENT_WRITES,
    used: Key<24> => USED,
    metric_names: Bytes => METRIC_NAMES,
    metric_name_texts: Key<8> => METRIC_NAME_TEXTS,
    metrics: Key<48> => METRICS,
    metric_summaries: Key<24> => METRIC_SUMMARIES,
    metric_order: Key<33> => METRIC_ORDER,
    models: Key<24> => MODELS,
    model_changes: Key<32> => MODEL_CHANGES,
    model_names: Bytes => MODEL_NAMES,
    model_promotions: Bytes => MODEL_PROMOTIONS,
    model_aliases: Bytes => MODEL_ALIASES,
    model_stages: Key<17> => MODEL_STAGES,
    model_artifacts: Key<24> => MODEL_ARTIFACTS,
    model_inputs: Key<24> => MODEL_INPUTS,
    model_bases: Key<32> => MODEL_BASES,
    model_runs: Key<32> => MODEL_RUNS,
    notes: Bytes => NOTES,
    note_references: Bytes => NOTE_REFERENCES,
);

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
        Snapshot::open(&transaction, counters.unwrap_or_default().latest).map(Some)
    }

    // ---- what is applied ----

    /// Returns how many bytes of a journal segment are applied.
    pub fn applied_bytes(&self, segment: u128) -> Result<u64> {
        let place = segment.to_be_bytes();
        let loose = self.segments.get(&place, |bytes| Ok(number_of(bytes)))?;
        match loose {
            Some(bytes) => Ok(bytes),
            None => Ok(self.packed.get(&place, |bytes| Ok(number_of(bytes)))?.unwrap_or(0)),
        }
    }

    /// Returns the segments of which something is applied and that lie in no known pack.
    pub(crate) fn loose_segments(&self) -> Result<Vec<u128>> {
        let mut segments = Vec::new();
        self.segments.scan_front(&[], Order::Rising, |place, _| {
            segments.push(u128::from_be_bytes(*place));
            Ok(GO_ON)
        })?;
        Ok(segments)
    }

    /// Returns the segments that lie in known packs, each with its pack. Linear in the journal.
    pub(crate) fn packed_segments(&self) -> Result<Vec<(u128, u128)>> {
        let mut segments = Vec::new();
        self.packed.scan_front(&[], Order::Rising, |place, row| {
            let pack: &[u8; 16] =
                row.get(8..).and_then(|pack| pack.try_into().ok()).ok_or_else(|| damaged("pack"))?;
            segments.push((u128::from_be_bytes(*place), u128::from_be_bytes(*pack)));
            Ok(GO_ON)
        })?;
        Ok(segments)
    }

    /// Returns the packs of which all is applied.
    pub(crate) fn known_packs(&self) -> Result<Vec<u128>> {
        let mut packs = Vec::new();
        self.packs.scan_front(&[], Order::Rising, |place, _| {
            packs.push(u128::from_be_bytes(*place));
            Ok(GO_ON)
        })?;
        Ok(packs)
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
        let place = key::<17>(&[&id.as_u128().to_be_bytes(), &[schema::NodeKind::Run as u8]]);
        self.nodes.get(&place, |row| Ok(RunNo(number_of(row))))
    }

    /// Returns a run as it was recorded at its start; `None` where only others speak of it so far.
    pub fn run(&self, run: RunNo) -> Result<Option<Run>> {
        self.runs.get(&run.to_bytes(), |bytes| match record(bytes)? {
            Fact::RunStarted(run) => Ok(run),
            _ => Err(damaged("run")),
        })
    }

    /// Returns what became of a run, in the order of time.
    pub fn outcomes(&self, run: RunNo) -> Result<Vec<RunOutcome>> {
        let mut outcomes = Vec::new();
        self.run_outcomes.scan_front(&run.to_bytes(), Order::Rising, |_, bytes| {
            if let Fact::RunOutcome(outcome) = record(bytes)? {
                outcomes.push(outcome);
            }
            Ok(GO_ON)
        })?;
        Ok(outcomes)
    }

    /// Returns what a run was told after its start, in the order in which it counts: by time, then by digest.
    pub fn said_parameters(&self, run: RunNo) -> Result<Vec<SaidParameters>> {
        let mut all = Vec::new();
        self.run_parameters.scan_front(&run.to_bytes(), Order::Rising, |_, bytes| {
            if let Fact::ParametersSaid(said) = record(bytes)? {
                all.push(said);
            }
            Ok(GO_ON)
        })?;
        Ok(all)
    }

    /// Returns the tags that a run was given, in the order in which they count: by time, then by digest.
    pub fn run_tags(&self, run: RunNo) -> Result<Vec<RunTags>> {
        let mut all = Vec::new();
        self.run_tags.scan_front(&run.to_bytes(), Order::Rising, |_, bytes| {
            if let Fact::RunTagged(tags) = record(bytes)? {
                all.push(tags);
            }
            Ok(GO_ON)
        })?;
        Ok(all)
    }

    /// Returns what was remarked of a run, in the order of time.
    pub fn remarks(&self, run: RunNo) -> Result<Vec<Remarks>> {
        let mut all = Vec::new();
        self.run_remarks.scan_front(&run.to_bytes(), Order::Rising, |_, bytes| {
            if let Fact::Remarked(remarks) = record(bytes)? {
                all.push(remarks);
            }
            Ok(GO_ON)
        })?;
        Ok(all)
    }

    /// Returns the runs with a label: one, or several after a merge.
    pub fn runs_labelled(&self, label: &str) -> Result<Vec<RunNo>> {
        let mut front = label.as_bytes().to_vec();
        front.push(0);
        let mut runs = Vec::new();
        self.run_labels.scan_names_with(&front, Order::Rising, |_, row| {
            runs.push(RunNo(number_of(row)));
            Ok(GO_ON)
        })?;
        Ok(runs)
    }

    /// Calls `visit` with each label from `first` on, in their order, until it breaks; a label that several runs have comes as
    /// often.
    pub fn labels_from<B>(
        &self,
        first: &str,
        mut visit: impl FnMut(&str) -> ControlFlow<B>,
    ) -> Result<ControlFlow<B>> {
        self.run_labels.scan_names_from(first.as_bytes(), |place, _| {
            let label = place.split(|byte| *byte == 0).next().unwrap_or_default();
            Ok(visit(std::str::from_utf8(label).map_err(|_| damaged("label"))?))
        })
    }

    /// Returns runs that started at a commit whose SHA begins with `front`, the newest of each commit first, at most `limit`.
    pub fn runs_at_commit(&self, front: &str, limit: usize) -> Result<Vec<RunNo>> {
        let mut runs = Vec::new();
        let _full = self.run_commits.scan_names_with(front.as_bytes(), Order::Rising, |_, row| {
            if runs.len() == limit {
                return Ok(ControlFlow::Break(()));
            }
            runs.push(RunNo(number_of(row)));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(runs)
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
        let _full = self.run_tails.scan(&place(&first)?, &place(&last)?, Order::Rising, |_, row| {
            found.push(RunNo(number_of(row)));
            Ok(if found.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        Ok(found)
    }

    /// Returns runs from the newest start to the oldest, until `visit` breaks.
    pub fn runs_newest_first<B>(
        &self,
        mut visit: impl FnMut(RunNo) -> Result<ControlFlow<B>>,
    ) -> Result<ControlFlow<B>> {
        self.run_times.scan_front(&[], Order::Falling, |_, row| visit(RunNo(number_of(row))))
    }

    /// Returns the steps of a run, in the order of their keys: that of their beginnings.
    pub fn steps_of(&self, run: RunNo) -> Result<Vec<StepNo>> {
        let mut steps = Vec::new();
        self.run_steps.scan_front(&run.to_bytes(), Order::Rising, |_, row| {
            steps.push(StepNo(number_of(row)));
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
        let edges = self.edges(step)?.ok_or_else(|| damaged("edges"))?;
        for edge in edges.used {
            whole.used.push(Used {
                artifact: self.artifact(edge.artifact)?,
                at: Timestamp::from_micros(edge.at),
                evidence: edge.evidence,
                role: edge.role,
            });
        }
        for edge in edges.generated {
            whole.generated.push(Generated {
                artifact: self.artifact(edge.artifact)?,
                at: Timestamp::from_micros(edge.at),
                evidence: edge.evidence,
                role: edge.role,
            });
        }
        Ok(Some(whole))
    }

    /// Returns a step as it was recorded, with no edges in it.
    pub fn step_without_edges(&self, step: StepNo) -> Result<Option<Step>> {
        self.steps.get(&step.to_bytes(), |bytes| match record(bytes)? {
            Fact::StepDone(step) => Ok(step),
            _ => Err(damaged("step")),
        })
    }

    /// Returns the edges of a step.
    pub fn edges(&self, step: StepNo) -> Result<Option<Edges>> {
        self.step_edges
            .get(&step.to_bytes(), |bytes| Edges::decode(unseal(bytes).ok_or_else(|| damaged("edges"))?))
    }

    /// Returns the edges of `steps`, which are sorted by number; `None` for a step that is not there.
    pub fn edges_of(&self, steps: &[StepNo]) -> Result<Vec<Option<Edges>>> {
        let mut found = vec![None; steps.len()];
        let places = steps.iter().map(|step| step.to_bytes());
        self.step_edges.get_each(places, |position, bytes| {
            let bytes = unseal(bytes).ok_or_else(|| damaged("edges"))?;
            found[position] = Some(Edges::decode(bytes)?);
            Ok(())
        })?;
        Ok(found)
    }

    /// Returns the steps whose key is `digest`, in the order of their own keys.
    pub fn steps_by_key(&self, digest: &Digest) -> Result<Vec<StepNo>> {
        let mut steps = Vec::new();
        self.step_keys.scan_front(&digest.as_bytes()[..16], Order::Rising, |_, row| {
            steps.push(StepNo(number_of(row)));
            Ok(GO_ON)
        })?;
        Ok(steps)
    }

    // ---- sizes ----

    /// Returns how many runs, steps and artifacts there are.
    pub fn counts(&self) -> Result<(u64, u64, u64)> {
        Ok((self.runs.count()?, self.steps.count()?, self.path_contents.count()?))
    }
}

/// Reads a sealed record.
pub(super) fn record(sealed: &[u8]) -> Result<Fact> {
    journal::decode(unseal(sealed).ok_or_else(|| damaged("checksum"))?)
}

/// Reads the record of a content, without its seal.
pub(crate) fn content_of(bytes: &[u8]) -> Result<(Digest, u64)> {
    let bytes: &[u8; 40] = bytes.try_into().map_err(|_| damaged("content"))?;
    let mut digest = [0; 32];
    digest.copy_from_slice(&bytes[..32]);
    Ok((Digest::from_bytes(digest), number_of(&bytes[32..])))
}
