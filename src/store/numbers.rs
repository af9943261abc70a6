//! The numbers that a store gives to nodes, paths, contents and names, in the order in which it meets them.

use std::collections::{HashMap, HashSet};

use redb::{ReadableTable, Table, WriteTransaction};

use crate::error::{Error, Result};
use crate::model::{Artifact, ArtifactPath, NodeId, Timestamp};
use crate::store::rows::Pending;
use crate::store::schema::{self, Bytes, Key, NodeKind, key, row_number, seal};
use crate::store::snapshot::ArtifactNo;
use crate::store::{broken, damaged};

/// The next number of each kind, and the latest time recorded.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counters {
    runs: u64,
    steps: u64,
    paths: u64,
    contents: u64,
    metric_names: u64,
    /// The latest time that any fact names.
    pub latest: Timestamp,
}

impl Counters {
    /// Writes the counters.
    pub fn to_bytes(self) -> Vec<u8> {
        [self.runs, self.steps, self.paths, self.contents, self.metric_names, self.latest.micros() as u64]
            .iter()
            .flat_map(|number| number.to_be_bytes())
            .collect()
    }

    /// Reads what [`Counters::to_bytes`] wrote; `None` where the bytes are too few.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut numbers = bytes.chunks_exact(8).map(schema::number_of);
        let mut next = || numbers.next();
        Some(Counters {
            runs: next()?,
            steps: next()?,
            paths: next()?,
            contents: next()?,
            metric_names: next()?,
            latest: Timestamp::from_micros(next()? as i64),
        })
    }
}

/// The tables that tell which numbers are given out already.
struct Given<'t> {
    nodes: Table<'t, Key<17>, Bytes>,
    paths: Table<'t, Bytes, Bytes>,
    contents: Table<'t, Key<40>, Bytes>,
    content_paths: Table<'t, Key<8>, Bytes>,
    metric_names: Table<'t, Bytes, Bytes>,
}

/// Gives out numbers within one write transaction.
pub(crate) struct Numbers<'t> {
    transaction: &'t WriteTransaction,
    /// Open while nothing is inserted into them.
    given: Option<Given<'t>>,
    counters: Counters,
    known_nodes: HashMap<(u128, NodeKind), u64>,
    known_paths: HashMap<Vec<u8>, u32>,
    known_contents: HashMap<[u8; 40], u32>,
    known_artifacts: HashSet<ArtifactNo>,
    known_metrics: HashMap<String, u64>,
}

/// As many paths, and as many contents, have a number.
const NUMBERS_END: u64 = 1 << 32;

impl<'t> Numbers<'t> {
    /// Goes on where the last transaction ended.
    pub fn begin(transaction: &'t WriteTransaction) -> Result<Self> {
        let meta = transaction.open_table(schema::META).map_err(broken)?;
        let stored = meta.get(b"counters".as_slice()).map_err(broken)?;
        let counters = match &stored {
            Some(bytes) => Counters::from_bytes(bytes.value()).ok_or_else(|| damaged("counters"))?,
            None => Counters::default(),
        };
        Ok(Numbers {
            transaction,
            given: None,
            counters,
            known_nodes: HashMap::new(),
            known_paths: HashMap::new(),
            known_contents: HashMap::new(),
            known_artifacts: HashSet::new(),
            known_metrics: HashMap::new(),
        })
    }

    /// Lets go of the tables, so that rows can be inserted into them.
    pub fn close_tables(&mut self) {
        self.given = None;
    }

    /// Takes note of a time that a fact names.
    pub fn note_time(&mut self, at: Timestamp) {
        self.counters.latest = self.counters.latest.max(at);
    }

    /// Returns the counters as they are now.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Returns the number of a run, and whether it was given just now.
    pub fn run_no(&mut self, id: NodeId, pending: &mut Pending) -> Result<(u64, bool)> {
        let (number, fresh) = self.node_no(id, NodeKind::Run, pending)?;
        if fresh {
            pending.run_tails.put(schema::turned(id.as_u128()), number.to_be_bytes());
        }
        Ok((number, fresh))
    }

    /// Returns the number of a step, and whether it was given just now.
    pub fn step_no(&mut self, id: NodeId, pending: &mut Pending) -> Result<(u64, bool)> {
        self.node_no(id, NodeKind::Step, pending)
    }

    fn node_no(&mut self, id: NodeId, kind: NodeKind, pending: &mut Pending) -> Result<(u64, bool)> {
        let known = (id.as_u128(), kind);
        if let Some(number) = self.known_nodes.get(&known) {
            return Ok((*number, false));
        }
        let row = key::<17>(&[&id.as_u128().to_be_bytes(), &[kind as u8]]);
        let stored = given(&mut self.given, self.transaction)?.nodes.get(&row).map_err(broken)?;
        if let Some(number) = stored {
            let number = row_number(number.value())?;
            self.known_nodes.insert(known, number);
            return Ok((number, false));
        }
        let counter = match kind {
            NodeKind::Run => &mut self.counters.runs,
            NodeKind::Step => &mut self.counters.steps,
        };
        let number = *counter;
        *counter += 1;
        pending.nodes.put(row, number.to_be_bytes());
        self.known_nodes.insert(known, number);
        Ok((number, true))
    }

    /// Returns the number of a path, and whether it was given just now.
    fn path_no(&mut self, path: &[u8], pending: &mut Pending) -> Result<(u32, bool)> {
        if let Some(number) = self.known_paths.get(path) {
            return Ok((*number, false));
        }
        let stored = given(&mut self.given, self.transaction)?.paths.get(path).map_err(broken)?;
        let stored = stored.map(|row| row_number(row.value())).transpose()?.map(|number| number as u32);
        let number = match stored {
            Some(number) => number,
            None => {
                let number = next(&mut self.counters.paths, "paths")?;
                pending.paths.put(path.to_vec(), u64::from(number).to_be_bytes());
                pending.path_names.put(u64::from(number).to_be_bytes(), seal(path.to_vec()));
                number
            }
        };
        self.known_paths.insert(path.to_vec(), number);
        Ok((number, stored.is_none()))
    }

    /// Returns the number of a content, and whether it was given just now.
    fn content_no(&mut self, artifact: &Artifact, pending: &mut Pending) -> Result<(u32, bool)> {
        let row = key::<40>(&[artifact.digest.as_bytes(), &artifact.size_bytes.to_be_bytes()]);
        if let Some(number) = self.known_contents.get(&row) {
            return Ok((*number, false));
        }
        let stored = given(&mut self.given, self.transaction)?.contents.get(&row).map_err(broken)?;
        let stored = stored.map(|row| row_number(row.value())).transpose()?.map(|number| number as u32);
        let number = match stored {
            Some(number) => number,
            None => {
                let number = next(&mut self.counters.contents, "contents")?;
                let wide = u64::from(number).to_be_bytes();
                pending.contents.put(row, wide);
                pending.content_names.put(wide, seal(row.to_vec()));
                number
            }
        };
        self.known_contents.insert(row, number);
        Ok((number, stored.is_none()))
    }

    /// Returns the number of an artifact.
    pub fn artifact_no(&mut self, artifact: &Artifact, pending: &mut Pending) -> Result<ArtifactNo> {
        let (path, fresh_path) = self.path_no(artifact.path.as_bytes(), pending)?;
        let (content, fresh_content) = self.content_no(artifact, pending)?;
        let number = ArtifactNo::new(path, content);
        if !self.known_artifacts.insert(number) {
            return Ok(number);
        }
        let there = !fresh_path
            && !fresh_content
            && given(&mut self.given, self.transaction)?
                .content_paths
                .get(&number.turned())
                .map_err(broken)?
                .is_some();
        if !there {
            pending.content_paths.put(number.turned(), []);
            pending.path_contents.put(number.to_bytes(), []);
        }
        Ok(number)
    }

    /// Returns the number of a path of which no version need be known.
    pub fn path(&mut self, path: &ArtifactPath, pending: &mut Pending) -> Result<u32> {
        Ok(self.path_no(path.as_bytes(), pending)?.0)
    }

    /// Returns the number of a metric's name.
    pub fn metric_no(&mut self, name: &str, pending: &mut Pending) -> Result<u64> {
        if let Some(number) = self.known_metrics.get(name) {
            return Ok(*number);
        }
        let stored =
            given(&mut self.given, self.transaction)?.metric_names.get(name.as_bytes()).map_err(broken)?;
        let number = match stored {
            Some(row) => row_number(row.value())?,
            None => {
                let number = self.counters.metric_names;
                self.counters.metric_names += 1;
                pending.metric_names.put(name.as_bytes().to_vec(), number.to_be_bytes());
                pending.metric_name_texts.put(number.to_be_bytes(), seal(name.as_bytes().to_vec()));
                number
            }
        };
        self.known_metrics.insert(name.to_owned(), number);
        Ok(number)
    }
}

fn given<'s, 't>(
    tables: &'s mut Option<Given<'t>>,
    transaction: &'t WriteTransaction,
) -> Result<&'s Given<'t>> {
    let open = match tables.take() {
        Some(open) => open,
        None => Given {
            nodes: transaction.open_table(schema::NODES).map_err(broken)?,
            paths: transaction.open_table(schema::PATHS).map_err(broken)?,
            contents: transaction.open_table(schema::CONTENTS).map_err(broken)?,
            content_paths: transaction.open_table(schema::CONTENT_PATHS).map_err(broken)?,
            metric_names: transaction.open_table(schema::METRIC_NAMES).map_err(broken)?,
        },
    };
    Ok(tables.insert(open))
}

fn next(counter: &mut u64, what: &str) -> Result<u32> {
    let number = *counter;
    if number >= NUMBERS_END {
        return Err(Error::store(format!("the store has numbers for {NUMBERS_END} {what} and no more"))
            .hint("the journal is not harmed"));
    }
    *counter += 1;
    Ok(number as u32)
}
