//! Every table of the store, on one page.
//!
//! Keys are fixed-width bytes in big-endian order (or plain bytes where they are names), values are opaque bytes: an upgrade
//! of redb cannot change their meaning. Numbers (`run_no`, `step_no`, `path_no`, `content_no`) are given out by this store in
//! the order in which facts arrive; they mean nothing outside it, and no answer shows them or is sorted by them. An artifact
//! is its path's number and its content's number, 32 bits each, so that it needs no table of its own.
//! Times in keys are microseconds with the sign bit flipped. Records end in a CRC-32 (see [`seal`]).

use redb::TableDefinition;

use crate::error::Result;
use crate::model::{Digest, ReferenceSort};
use crate::store::damaged;

/// The number of this layout. Another number means: rebuild from the journal.
pub(crate) const FORMAT: u64 = 18;

type Table<K, V> = TableDefinition<'static, K, V>;
/// A key of `N` bytes.
pub(crate) type Key<const N: usize> = &'static [u8; N];
/// A key or a value of any length.
pub(crate) type Bytes = &'static [u8];

/// `format`, and the next number of each kind.
pub(crate) const META: Table<Bytes, Bytes> = TableDefinition::new("meta");
/// segment id -> how many of its bytes are applied; segments that lie in no pack that [`PACKS`] knows.
pub(crate) const SEGMENTS: Table<Key<16>, Bytes> = TableDefinition::new("segments");
/// segment id -> how many of its bytes are applied, and the id of the pack it lies in.
pub(crate) const PACKED: Table<Key<16>, Bytes> = TableDefinition::new("packed");
/// pack id -> how long its file is; all of its segments are applied.
pub(crate) const PACKS: Table<Key<16>, Bytes> = TableDefinition::new("packs");
/// segment id | place in the segment -> the file it was read from: records that are damaged there were passed over. See
/// [`crate::store::damage`].
pub(crate) const DAMAGE: Table<Key<24>, Bytes> = TableDefinition::new("damage");

/// node id, kind -> number.
pub(crate) const NODES: Table<Key<17>, Bytes> = TableDefinition::new("nodes");
/// run_no -> the fact that it started.
pub(crate) const RUNS: Table<Key<8>, Bytes> = TableDefinition::new("runs");
/// run_no | time | digest of the fact -> the fact of an outcome.
pub(crate) const RUN_OUTCOMES: Table<Key<24>, Bytes> = TableDefinition::new("run_outcomes");
/// run_no | time | digest of the fact -> the fact that parameters were said.
pub(crate) const RUN_PARAMETERS: Table<Key<24>, Bytes> = TableDefinition::new("run_parameters");
/// run_no | time | digest of the fact -> the fact of remarks.
pub(crate) const RUN_REMARKS: Table<Key<24>, Bytes> = TableDefinition::new("run_remarks");
/// label, NUL, node id -> run_no.
pub(crate) const RUN_LABELS: Table<Bytes, Bytes> = TableDefinition::new("run_labels");
/// start | node id -> run_no.
pub(crate) const RUN_TIMES: Table<Key<24>, Bytes> = TableDefinition::new("run_times");
/// sort of term | value | NUL | start | node id -> run_no; what a run can be found by. See [`crate::store::search`].
pub(crate) const RUN_TERMS: Table<Bytes, Bytes> = TableDefinition::new("run_terms");
/// node id with its digits turned round -> run_no; for looking up by tail.
pub(crate) const RUN_TAILS: Table<Key<16>, Bytes> = TableDefinition::new("run_tails");
/// full SHA, NUL, start (later ones first), node id -> run_no: the runs made at a commit.
pub(crate) const RUN_COMMITS: Table<Bytes, Bytes> = TableDefinition::new("run_commits");
/// run_no | time | digest of the fact -> the fact that a run was given tags.
pub(crate) const RUN_TAGS: Table<Key<24>, Bytes> = TableDefinition::new("run_tags");
/// run_no | time | digest of the fact -> the fact that a run read files of a repository.
pub(crate) const RUN_REPOSITORIES: Table<Key<24>, Bytes> = TableDefinition::new("run_repositories");
/// run_no | path_no | content_no, four bytes each | 0 or 1: code that a step of the run read, and that differed from the commit, or
/// that git did not track. As in [`PATH_CONTENTS`], also what a statement says of a step that another one replaced.
pub(crate) const RUN_CODE: Table<Key<17>, Bytes> = TableDefinition::new("run_code");
/// run_no | node id of the step -> step_no.
pub(crate) const RUN_STEPS: Table<Key<24>, Bytes> = TableDefinition::new("run_steps");

/// step_no -> the fact that it was done, without its edges.
pub(crate) const STEPS: Table<Key<8>, Bytes> = TableDefinition::new("steps");
/// step_no -> run_no, node id, act: all that is asked of most steps, of which the edges may be many.
pub(crate) const STEP_HEADS: Table<Key<8>, Bytes> = TableDefinition::new("step_heads");
/// step_no -> run_no, node id and the step's edges; what a walk reads.
pub(crate) const STEP_EDGES: Table<Key<8>, Bytes> = TableDefinition::new("step_edges");
/// front of the step's key | node id of the step -> step_no.
pub(crate) const STEP_KEYS: Table<Key<32>, Bytes> = TableDefinition::new("step_keys");

/// path -> path_no.
pub(crate) const PATHS: Table<Bytes, Bytes> = TableDefinition::new("paths");
/// path_no -> path.
pub(crate) const PATH_NAMES: Table<Key<8>, Bytes> = TableDefinition::new("path_names");
/// digest | size -> content_no.
pub(crate) const CONTENTS: Table<Key<40>, Bytes> = TableDefinition::new("contents");
/// content_no -> digest, size.
pub(crate) const CONTENT_NAMES: Table<Key<8>, Bytes> = TableDefinition::new("content_names");
/// content_no | path_no, four bytes each: where a content lay.
pub(crate) const CONTENT_PATHS: Table<Key<8>, Bytes> = TableDefinition::new("content_paths");
/// path_no | content_no, four bytes each: what lay at a path.
///
/// In these six tables stays what any fact ever named, also one that another with its id has replaced since: so the numbers of
/// rows do not depend on which of the two came first. Two facts with one id are made by nobody; they come from a journal that was
/// tampered with. No read, write, model version or document leads to such a file, so that no answer has it, and what carries
/// facts on (a backup, a merge) does not carry it. All that can be seen of it is that something is not said: `lineage status PATH`
/// and a search for `used("PATH")` find nothing, where of a path that was never named they add that nothing is recorded of it,
/// and `lineage status` does not list the file as unknown.
pub(crate) const PATH_CONTENTS: Table<Key<8>, Bytes> = TableDefinition::new("path_contents");

/// path_no | content_no | time of last write | step_no: the writes of an artifact, in the order of time.
pub(crate) const GENERATED: Table<Key<24>, Bytes> = TableDefinition::new("generated");
/// path_no | time of last write | step_no | content_no: the writes at a path.
pub(crate) const PATH_WRITES: Table<Key<24>, Bytes> = TableDefinition::new("path_writes");
/// content_no | time of last write | step_no | path_no: the writes of a content.
pub(crate) const CONTENT_WRITES: Table<Key<24>, Bytes> = TableDefinition::new("content_writes");
/// path_no | content_no | time of first read | step_no: the reads of an artifact.
pub(crate) const USED: Table<Key<24>, Bytes> = TableDefinition::new("used");

/// path_no | time | step_no -> content_no, eight bytes, where it is known: the removals at a path, in the order of time.
pub(crate) const PATH_REMOVALS: Table<Key<20>, Bytes> = TableDefinition::new("path_removals");

/// metric name -> name_no.
pub(crate) const METRIC_NAMES: Table<Bytes, Bytes> = TableDefinition::new("metric_names");
/// owner | name_no | step | time | ordered value; the points of an owner.
pub(crate) const METRICS: Table<Key<48>, Bytes> = TableDefinition::new("metrics");
/// owner | name_no -> first and last point, least and greatest value; see [`crate::store::summary`].
pub(crate) const METRIC_SUMMARIES: Table<Key<24>, Bytes> = TableDefinition::new("metric_summaries");
/// name_no | last, least or greatest | ordered value | owner: the owners of a metric, by what it came to.
pub(crate) const METRIC_ORDER: Table<Key<33>, Bytes> = TableDefinition::new("metric_order");
/// name_no -> metric name.
pub(crate) const METRIC_NAME_TEXTS: Table<Key<8>, Bytes> = TableDefinition::new("metric_name_texts");

/// node id | digest of the fact -> the fact that a model version was registered.
pub(crate) const MODELS: Table<Key<24>, Bytes> = TableDefinition::new("models");
/// name, NUL, version so that byte order is precedence, node id: the versions of a model.
pub(crate) const MODEL_NAMES: Table<Bytes, Bytes> = TableDefinition::new("model_names");
/// model version | time | digest of the fact -> the fact of a change.
pub(crate) const MODEL_CHANGES: Table<Key<32>, Bytes> = TableDefinition::new("model_changes");
/// name, NUL, time, digest of the fact, model version: who was put into production, by registration or change.
pub(crate) const MODEL_PROMOTIONS: Table<Bytes, Bytes> = TableDefinition::new("model_promotions");
/// name, NUL, alias, NUL, time, digest of the fact -> the fact that it was given or taken away.
pub(crate) const MODEL_ALIASES: Table<Bytes, Bytes> = TableDefinition::new("model_aliases");
/// stage | model version: which model versions were put into a stage.
pub(crate) const MODEL_STAGES: Table<Key<17>, Bytes> = TableDefinition::new("model_stages");
/// artifact | model version: which model versions hold a file.
pub(crate) const MODEL_ARTIFACTS: Table<Key<24>, Bytes> = TableDefinition::new("model_artifacts");
/// artifact | model version: which model versions are said to have learned from a file.
pub(crate) const MODEL_INPUTS: Table<Key<24>, Bytes> = TableDefinition::new("model_inputs");
/// front of the digest of a label | model version: which model versions were made from what has the label, or took its place.
pub(crate) const MODEL_BASES: Table<Key<32>, Bytes> = TableDefinition::new("model_bases");
/// node id of the run | model version: which model versions a run trained.
pub(crate) const MODEL_RUNS: Table<Key<32>, Bytes> = TableDefinition::new("model_runs");

/// path, NUL, time, digest of the fact -> the fact that a note was read, or found gone.
pub(crate) const NOTES: Table<Bytes, Bytes> = TableDefinition::new("notes");
/// sort of reference, name, NUL, path of the note: which notes name a thing, or once did.
pub(crate) const NOTE_REFERENCES: Table<Bytes, Bytes> = TableDefinition::new("note_references");

/// artifact | time | digest of the fact -> the fact that it was written over.
pub(crate) const OVERWRITTEN: Table<Key<24>, Bytes> = TableDefinition::new("overwritten");

/// artifact -> the fact that it is a symbolic link. Those that model versions hold stand in these.
pub(crate) const LINKS: Table<Key<8>, Bytes> = TableDefinition::new("links");

/// The kind of a node, as [`NODES`] keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum NodeKind {
    /// A run.
    Run = 1,
    /// A step.
    Step = 2,
}

/// Returns the front of the keys of [`NOTE_REFERENCES`] for one thing.
pub(crate) fn note_reference_front(sort: ReferenceSort, name: &str) -> Vec<u8> {
    let mut front = vec![sort as u8];
    front.extend_from_slice(name.as_bytes());
    front.push(0);
    front
}

/// Returns the front of the keys of [`MODEL_BASES`] for what has a label.
pub(crate) fn model_base_front(label: &str) -> [u8; 16] {
    let mut front = [0; 16];
    front.copy_from_slice(&Digest::of(label.as_bytes()).as_bytes()[..16]);
    front
}

/// Writes a time so that byte order is time order.
pub(crate) fn time_bytes(micros: i64) -> [u8; 8] {
    ((micros as u64) ^ (1 << 63)).to_be_bytes()
}

/// Reads what [`time_bytes`] wrote.
pub(crate) fn time_of(bytes: &[u8]) -> i64 {
    (number_of(bytes) ^ (1 << 63)) as i64
}

/// Reads eight big-endian bytes at the front of `bytes`.
pub(crate) fn number_of(bytes: &[u8]) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[..8]);
    u64::from_be_bytes(number)
}

/// Reads the number that is the value of a row, or that it begins with.
pub(crate) fn row_number(value: &[u8]) -> Result<u64> {
    value.first_chunk::<8>().map(|number| u64::from_be_bytes(*number)).ok_or_else(|| damaged("number"))
}

/// Joins parts to a key of exactly `N` bytes.
pub(crate) fn key<const N: usize>(parts: &[&[u8]]) -> [u8; N] {
    let mut key = [0; N];
    let mut at = 0;
    for part in parts {
        key[at..at + part.len()].copy_from_slice(part);
        at += part.len();
    }
    debug_assert_eq!(at, N);
    key
}

/// Turns the hexadecimal digits of a node id round, so that those with the same tail lie together.
pub(crate) fn turned(id: u128) -> [u8; 16] {
    let mut bytes = id.to_be_bytes();
    bytes.reverse();
    for byte in &mut bytes {
        *byte = byte.rotate_left(4);
    }
    bytes
}

/// Appends the checksum of a record.
pub(crate) fn seal(mut record: Vec<u8>) -> Vec<u8> {
    let sum = crc32fast::hash(&record);
    record.extend_from_slice(&sum.to_le_bytes());
    record
}

/// Takes off the checksum of a record; `None` where it is wrong.
pub(crate) fn unseal(sealed: &[u8]) -> Option<&[u8]> {
    let (record, sum) = sealed.split_last_chunk::<4>()?;
    (crc32fast::hash(record) == u32::from_le_bytes(*sum)).then_some(record)
}
