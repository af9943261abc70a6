//! What is asked of runs and steps file by file, and of models version by version: their records may be long, and are read once.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::Hash;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use crate::error::Result;
use crate::model::{ArtifactPath, Digest, NodeId, RunKind, Timestamp};
use crate::store::damaged;
use crate::store::snapshot::{ArtifactNo, RunNo, Snapshot, StepNo};

/// No more files are held for all steps, or all runs, together, nor names for all models; then what is held is let go.
const FILES_MAX: usize = 4 << 20;

/// What was read so far.
#[derive(Default)]
pub(super) struct Memo {
    steps: Known<StepNo, StepTimes>,
    runs: Known<RunNo, RunOrigin>,
    models: Known<String, Holders>,
    states: Known<(StepNo, bool), StateReads>,
}

/// Reads of files that a step wrote on, each with the contents, by number, that tell what was read.
pub type StateReads = HashMap<(ArtifactNo, i64), Vec<u32>>;

/// Which versions of a model are called what.
#[derive(Debug)]
pub struct Holders {
    /// The one in production.
    pub in_production: Option<NodeId>,
    /// Those that an alias names.
    pub aliases: BTreeMap<String, NodeId>,
    by_version: HashMap<NodeId, Vec<String>>,
}

impl Holders {
    /// Puts together what is known of a model.
    pub fn new(in_production: Option<NodeId>, aliases: BTreeMap<String, NodeId>) -> Self {
        let mut by_version: HashMap<NodeId, Vec<String>> = HashMap::new();
        for (alias, id) in &aliases {
            by_version.entry(*id).or_default().push(alias.clone());
        }
        Holders { in_production, aliases, by_version }
    }

    /// Returns the aliases that name a version, in order.
    pub fn aliases_of(&self, id: NodeId) -> &[String] {
        self.by_version.get(&id).map(Vec::as_slice).unwrap_or_default()
    }
}

/// When a step began, and since when what it read had lain there.
#[derive(Debug)]
pub struct StepTimes {
    /// When it began.
    pub started_at: Timestamp,
    unchanged_since: HashMap<ArtifactNo, Timestamp>,
}

impl StepTimes {
    /// Returns since when a file had lain in its place, unchanged, when the step read it, as far as that is known.
    pub fn unchanged_since(&self, artifact: ArtifactNo) -> Option<Timestamp> {
        self.unchanged_since.get(&artifact).copied()
    }
}

/// As what, where and when a run began, and what lay beside its code.
#[derive(Debug)]
pub struct RunOrigin {
    /// Its key.
    pub id: NodeId,
    /// What sort of execution it is.
    pub kind: RunKind,
    /// When it began.
    pub started_at: Timestamp,
    /// The journal segment that it is recorded in.
    pub segment: u128,
    /// The machine.
    pub host: String,
    /// The run that it is a part of.
    pub parent: Option<NodeId>,
    /// Whether it is a repetition of another.
    pub is_repetition: bool,
    listed: HashSet<(ArtifactPath, Digest)>,
}

impl RunOrigin {
    /// Returns true where its code state lists any file as changed or not tracked.
    pub fn lists_files(&self) -> bool {
        !self.listed.is_empty()
    }

    /// Returns true where its code state lists a file with these bytes as changed or not tracked.
    pub fn lists(&self, path: ArtifactPath, digest: Digest) -> bool {
        self.listed.contains(&(path, digest))
    }
}

impl Snapshot {
    /// Returns the times of a step; `None` where there is none.
    ///
    /// # Errors
    /// A store error where a record is damaged.
    pub fn step_times(&self, step: StepNo) -> Result<Option<Arc<StepTimes>>> {
        self.memo.steps.get(
            step,
            |times| times.unchanged_since.len(),
            || {
                let Some(record) = self.step_without_edges(step)? else { return Ok(None) };
                let mut unchanged_since = HashMap::with_capacity(record.unchanged_since.len());
                if !record.unchanged_since.is_empty() {
                    let used = self.edges(step)?.ok_or_else(|| damaged("edges"))?.used;
                    for (number, since) in record.unchanged_since {
                        if let Some(edge) = used.get(number as usize) {
                            unchanged_since.entry(edge.artifact).or_insert(since);
                        }
                    }
                }
                Ok(Some(StepTimes { started_at: record.started_at, unchanged_since }))
            },
        )
    }

    /// Returns which versions of a model are called what, as `read` finds it the first time.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn holders(&self, model: &str, read: impl FnOnce() -> Result<Holders>) -> Result<Arc<Holders>> {
        let found = self.memo.models.get(model.to_owned(), |held| held.aliases.len(), || read().map(Some))?;
        Ok(found.expect("what is read is always there"))
    }

    /// Returns the reads of files that a step wrote on, or also those of which it `is_told`, as `find` finds them the first time.
    ///
    /// # Errors
    /// Those of `find`.
    pub fn state_reads(
        &self,
        step: StepNo,
        is_told: bool,
        find: impl FnOnce() -> Result<StateReads>,
    ) -> Result<Arc<StateReads>> {
        let found = self.memo.states.get((step, is_told), StateReads::len, || find().map(Some))?;
        Ok(found.expect("what is found is always there"))
    }

    /// Returns as what, where and when a run began; `None` where only others speak of it so far.
    ///
    /// # Errors
    /// A store error where a record is damaged.
    pub fn run_origin(&self, run: RunNo) -> Result<Option<Arc<RunOrigin>>> {
        self.memo.runs.get(
            run,
            |origin| origin.listed.len(),
            || {
                let Some(run) = self.run(run)? else { return Ok(None) };
                let files = run.code.changed.into_iter().chain(run.code.untracked);
                let listed = files.filter_map(|file| Some((file.path, file.digest?))).collect();
                Ok(Some(RunOrigin {
                    id: run.id,
                    kind: run.kind,
                    started_at: run.started_at,
                    segment: run.segment,
                    host: run.host,
                    parent: run.parent,
                    is_repetition: run.rerun_of.is_some(),
                    listed,
                }))
            },
        )
    }
}

/// Records as they are wanted, by their number or name.
struct Known<K, V> {
    held: RwLock<Held<K, V>>,
}

struct Held<K, V> {
    records: HashMap<K, Arc<Place<V>>>,
    files: usize,
}

impl<K, V> Default for Held<K, V> {
    fn default() -> Self {
        Held { records: HashMap::new(), files: 0 }
    }
}

/// Where a record comes once it is read, and the right to read it.
struct Place<V> {
    record: OnceLock<Option<Arc<V>>>,
    reading: Mutex<()>,
}

impl<V> Default for Place<V> {
    fn default() -> Self {
        Place { record: OnceLock::new(), reading: Mutex::new(()) }
    }
}

impl<K, V> Default for Known<K, V> {
    fn default() -> Self {
        Known { held: RwLock::default() }
    }
}

impl<K: Eq + Hash + Clone, V> Known<K, V> {
    /// Returns a record, which is read if it was not; `files` says how many files, or names, it holds.
    fn get(
        &self,
        number: K,
        files: impl Fn(&V) -> usize,
        read: impl FnOnce() -> Result<Option<V>>,
    ) -> Result<Option<Arc<V>>> {
        // A thread that panicked has left nothing half done here.
        let known = self.held.read().unwrap_or_else(PoisonError::into_inner).records.get(&number).cloned();
        let place = known.unwrap_or_else(|| {
            let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
            held.records.entry(number.clone()).or_default().clone()
        });
        if let Some(record) = place.record.get() {
            return Ok(record.clone());
        }
        // Whoever asks for the same meanwhile waits: two at once would be twice the memory. Who asks for another does not.
        let _reading = place.reading.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(record) = place.record.get() {
            return Ok(record.clone());
        }
        let record = read()?.map(Arc::new);
        let more = 1 + record.as_deref().map_or(0, files);
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        if held.files + more > FILES_MAX {
            *held = Held::default();
        }
        held.files += more;
        held.records.insert(number, place.clone());
        Ok(place.record.get_or_init(|| record).clone())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn one_record_is_read_while_another_is_and_none_twice() {
        let known: Known<u8, u8> = Known::default();
        let (both, read) = (Barrier::new(2), AtomicUsize::new(0));
        let ask = |number: u8| {
            let record = known.get(
                number,
                |_| 1,
                || {
                    both.wait();
                    read.fetch_add(1, Ordering::SeqCst);
                    Ok(Some(number))
                },
            );
            assert_eq!(record.unwrap().as_deref(), Some(&number));
        };
        std::thread::scope(|scope| {
            for number in [1, 2, 1, 2] {
                scope.spawn(move || ask(number));
            }
        });
        assert_eq!(read.into_inner(), 2);
        assert_eq!(known.held.into_inner().unwrap().files, 4);
    }

    #[test]
    fn what_could_not_be_read_is_read_again_and_what_is_too_much_is_let_go() {
        let known: Known<u8, u8> = Known::default();
        assert!(known.get(1, |_| 0, || Err(damaged("run"))).is_err());
        assert_eq!(known.get(1, |_| 0, || Ok(None)).unwrap(), None);
        assert_eq!(known.get(2, |_| FILES_MAX - 1, || Ok(Some(2))).unwrap().as_deref(), Some(&2));
        let held = known.held.read().unwrap();
        assert_eq!((held.records.len(), held.files), (1, FILES_MAX));
    }
}
