//! Reading: one consistent state of the store.

use std::collections::HashMap;
use std::sync::Arc;

use redb::{ReadOnlyDatabase, ReadTransaction, ReadableDatabase};

use crate::error::Result;
use crate::journal;
use crate::model::{Digest, Fact, Timestamp};
use crate::store::memo::Memo;
use crate::store::numbers::Counters;
use crate::store::reading::{GO_ON, Order, Reading};
use crate::store::schema::{self, Bytes, Key, number_of, row_number, unseal};
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

macro_rules! tables {
    ($($reading:ident: $kind:ty => $table:ident),+ $(,)?) => {
        /// One consistent state of the store; what is applied later does not change it.
        pub struct Snapshot {
            $(pub(super) $reading: Reading<$kind>,)+
            latest: Timestamp,
            pub(super) memo: Memo,
        }

        impl Snapshot {
            fn new(transaction: &Arc<ReadTransaction>, latest: Timestamp) -> Self {
                Snapshot { $($reading: Reading::new(transaction, schema::$table),)+ latest, memo: Memo::default() }
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
    run_repositories: Key<24> => RUN_REPOSITORIES,
    run_code: Key<17> => RUN_CODE,
    run_commits: Bytes => RUN_COMMITS,
    run_terms: Bytes => RUN_TERMS,
    run_tails: Key<16> => RUN_TAILS,
    run_steps: Key<24> => RUN_STEPS,
    steps: Key<8> => STEPS,
    step_heads: Key<8> => STEP_HEADS,
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
    path_removals: Key<20> => PATH_REMOVALS,
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
    overwritten: Key<24> => OVERWRITTEN,
    links: Key<8> => LINKS,
    note_references: Bytes => NOTE_REFERENCES,
);

impl Snapshot {
    /// Begins a read transaction; `None` where the store is of another format and must be rebuilt.
    pub(crate) fn of(database: &ReadOnlyDatabase) -> Result<Option<Self>> {
        let transaction = Arc::new(database.begin_read().map_err(broken)?);
        let meta = Reading::new(&transaction, schema::META);
        if meta.get(b"format".as_slice(), row_number)? != Some(schema::FORMAT) {
            return Ok(None);
        }
        let counters = meta.get(b"counters".as_slice(), |bytes| {
            Counters::from_bytes(bytes).ok_or_else(|| damaged("counters"))
        })?;
        let snapshot = Snapshot::new(&transaction, counters.unwrap_or_default().latest);
        snapshot.open_what_is_applied()?;
        Ok(Some(snapshot))
    }

    /// Begins a read transaction whatever the format: of another one only what is applied may be asked for.
    pub(super) fn of_any_format(database: &ReadOnlyDatabase) -> Result<Self> {
        let transaction = Arc::new(database.begin_read().map_err(broken)?);
        let snapshot = Snapshot::new(&transaction, Timestamp::default());
        snapshot.open_what_is_applied()?;
        Ok(snapshot)
    }

    /// Returns the number of the layout of a database; `None` where it does not say.
    pub(crate) fn format_of(database: &ReadOnlyDatabase) -> Result<Option<u64>> {
        let transaction = Arc::new(database.begin_read().map_err(broken)?);
        let meta = Reading::new(&transaction, schema::META);
        meta.get(b"format".as_slice(), row_number)
    }

    // ---- what is applied ----

    /// Opens the tables that tell what is applied: where one of them is damaged the store is built anew, before a run starts.
    fn open_what_is_applied(&self) -> Result<()> {
        self.segments.table()?;
        self.packed.table()?;
        self.packs.table()?;
        self.damage.table()?;
        self.run_labels.table()?;
        Ok(())
    }

    /// Returns how many bytes of a journal segment are applied.
    pub fn applied_bytes(&self, segment: u128) -> Result<u64> {
        match self.applied_loose_bytes(segment)? {
            Some(bytes) => Ok(bytes),
            None => Ok(self.packed.get(&segment.to_be_bytes(), row_number)?.unwrap_or(0)),
        }
    }

    /// Returns how many bytes are applied of a journal segment that lies in no known pack; `None` where it does, or none is.
    pub(crate) fn applied_loose_bytes(&self, segment: u128) -> Result<Option<u64>> {
        self.segments.get(&segment.to_be_bytes(), row_number)
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

    /// Returns the packs of which all is applied, each with how long its file was.
    pub(crate) fn known_packs(&self) -> Result<HashMap<u128, u64>> {
        let mut packs = HashMap::new();
        self.packs.scan_front(&[], Order::Rising, |place, row| {
            packs.insert(u128::from_be_bytes(*place), row_number(row)?);
            Ok(GO_ON)
        })?;
        Ok(packs)
    }

    /// Returns the latest time that any fact names.
    pub fn latest(&self) -> Timestamp {
        self.latest
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
