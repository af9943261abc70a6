//! Rows on their way into the tables: gathered, sorted, and inserted together, which a B-tree takes several times faster than
//! rows in the order of arrival.

use std::ops::Bound;

use redb::{ReadableTable, Table, WriteTransaction};

use crate::error::Result;
use crate::store::broken;
use crate::store::schema::{self, Bytes, Key, key};

/// Rows of one table: a key of `N` bytes, and a value.
pub(crate) struct Rows<const N: usize, V> {
    rows: Vec<([u8; N], V)>,
}

impl<const N: usize, V> Default for Rows<N, V> {
    fn default() -> Self {
        Rows { rows: Vec::new() }
    }
}

impl<const N: usize, V: AsRef<[u8]>> Rows<N, V> {
    /// Adds a row.
    pub fn put(&mut self, place: [u8; N], value: V) {
        self.rows.push((place, value));
    }

    fn flush(&mut self, table: &mut Table<'_, Key<N>, Bytes>) -> Result<()> {
        // Rows with one key have one value: nothing that is pending is ever stated anew.
        self.rows.sort_unstable_by_key(|row| row.0);
        self.rows.dedup_by_key(|row| row.0);
        let last = table.last().map_err(broken)?.map(|(place, _)| *place.value());
        let after = last.map_or(0, |last| self.rows.partition_point(|row| row.0 <= last));
        for (place, value) in &self.rows[..after] {
            table.insert(place, value.as_ref()).map_err(broken)?;
        }
        // What comes after all that is there, as most of what is keyed by numbers does, is written page by page.
        if after < self.rows.len() {
            let mut cursor = table.upper_bound_mut(Bound::<&[u8; N]>::Unbounded).map_err(broken)?;
            for (place, value) in &self.rows[after..] {
                cursor.insert_before(place, value.as_ref()).map_err(broken)?;
            }
            cursor.close().map_err(broken)?;
        }
        self.rows.clear();
        Ok(())
    }
}

impl<const N: usize> Rows<N, [u8; 0]> {
    /// Adds a row that is all key.
    pub fn add(&mut self, parts: &[&[u8]]) {
        self.rows.push((key(parts), []));
    }
}

/// Rows of a table whose keys are names: bytes of any length.
pub(crate) struct Named<V> {
    rows: Vec<(Vec<u8>, V)>,
}

impl<V> Default for Named<V> {
    fn default() -> Self {
        Named { rows: Vec::new() }
    }
}

impl<V: AsRef<[u8]> + Ord> Named<V> {
    /// Adds a row.
    pub fn put(&mut self, name: Vec<u8>, value: V) {
        self.rows.push((name, value));
    }

    fn flush(&mut self, table: &mut Table<'_, Bytes, Bytes>) -> Result<()> {
        self.rows.sort_unstable();
        for (name, value) in self.rows.drain(..) {
            table.insert(name.as_slice(), value.as_ref()).map_err(broken)?;
        }
        Ok(())
    }
}

type Number = [u8; 8];
type Record = Vec<u8>;
type Nothing = [u8; 0];

macro_rules! pending {
    ($($rows:ident: $kind:ty => $table:ident),+ $(,)?) => {
        /// Rows not yet inserted, by table.
        #[derive(Default)]
        pub(crate) struct Pending {
            $(pub $rows: $kind,)+
        }

        impl Pending {
            /// Inserts all rows.
            pub fn flush(&mut self, transaction: &WriteTransaction) -> Result<()> {
                $(if !self.$rows.rows.is_empty() {
                    self.$rows.flush(&mut transaction.open_table(schema::$table).map_err(broken)?)?;
                })+
                Ok(())
            }

            /// Returns how many rows there are.
            pub fn count(&self) -> usize {
                0 $(+ self.$rows.rows.len())+
            }
        }
    };
}

pending!(
    nodes: Rows<17, Number> => NODES,
    runs: Rows<8, Record> => RUNS,
    run_outcomes: Rows<24, Record> => RUN_OUTCOMES,
    run_parameters: Rows<24, Record> => RUN_PARAMETERS,
    run_remarks: Rows<24, Record> => RUN_REMARKS,
    run_labels: Named<Number> => RUN_LABELS,
    run_times: Rows<24, Number> => RUN_TIMES,
    run_tags: Rows<24, Record> => RUN_TAGS,
    run_repositories: Rows<24, Record> => RUN_REPOSITORIES,
    run_code: Rows<17, Nothing> => RUN_CODE,
    run_commits: Named<Number> => RUN_COMMITS,
    run_terms: Named<Number> => RUN_TERMS,
    run_tails: Rows<16, Number> => RUN_TAILS,
    run_steps: Rows<24, Number> => RUN_STEPS,
    steps: Rows<8, Record> => STEPS,
    step_heads: Rows<8, Record> => STEP_HEADS,
    step_edges: Rows<8, Record> => STEP_EDGES,
    step_keys: Rows<32, Number> => STEP_KEYS,
    paths: Named<Number> => PATHS,
    path_names: Rows<8, Record> => PATH_NAMES,
    contents: Rows<40, Number> => CONTENTS,
    content_names: Rows<8, Record> => CONTENT_NAMES,
    content_paths: Rows<8, Nothing> => CONTENT_PATHS,
    path_contents: Rows<8, Nothing> => PATH_CONTENTS,
    generated: Rows<24, Nothing> => GENERATED,
    path_writes: Rows<24, Nothing> => PATH_WRITES,
    content_writes: Rows<24, Nothing> => CONTENT_WRITES,
    used: Rows<24, Nothing> => USED,
    path_removals: Rows<20, Record> => PATH_REMOVALS,
    metric_names: Named<Number> => METRIC_NAMES,
    metric_name_texts: Rows<8, Record> => METRIC_NAME_TEXTS,
    metrics: Rows<48, Nothing> => METRICS,
    metric_summaries: Rows<24, Record> => METRIC_SUMMARIES,
    metric_order: Rows<33, Nothing> => METRIC_ORDER,
    models: Rows<24, Record> => MODELS,
    model_names: Named<Nothing> => MODEL_NAMES,
    model_changes: Rows<32, Record> => MODEL_CHANGES,
    model_promotions: Named<Nothing> => MODEL_PROMOTIONS,
    model_aliases: Named<Record> => MODEL_ALIASES,
    model_stages: Rows<17, Nothing> => MODEL_STAGES,
    model_artifacts: Rows<24, Nothing> => MODEL_ARTIFACTS,
    model_inputs: Rows<24, Nothing> => MODEL_INPUTS,
    model_bases: Rows<32, Nothing> => MODEL_BASES,
    model_runs: Rows<32, Nothing> => MODEL_RUNS,
    notes: Named<Record> => NOTES,
    overwritten: Rows<24, Record> => OVERWRITTEN,
    links: Rows<8, Record> => LINKS,
    note_references: Named<Nothing> => NOTE_REFERENCES,
);
