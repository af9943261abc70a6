//! Two statements under one id, which cannot both be: whichever order they come in, the one whose encoding is greater stays. Nobody
//! makes such; they come from a journal that was tampered with.

use redb::ReadableTable;

use crate::error::Result;
use crate::journal;
use crate::model::{Artifact, ArtifactPath, Fact, NodeId, Step};
use crate::store::batch::{
    Batch, content_write_key, edge_key, label_key, path_write_key, removal_key, run_commit_key, run_time_key,
};
use crate::store::edges::Edges;
use crate::store::schema::{self, Bytes, Key, key};
use crate::store::snapshot::{ArtifactNo, PathNo, content_of};
use crate::store::terms;
use crate::store::{broken, damaged};

impl Batch<'_> {
    /// Takes away the older statement on the start of a run; returns false where it stays.
    pub(super) fn replace_run(&mut self, id: NodeId, number: u64, bytes: &[u8]) -> Result<bool> {
        self.flush_if_stated(id)?;
        let Some(before) = self.stored(schema::RUNS, number)? else {
            return Ok(true);
        };
        if before.as_slice() >= bytes {
            return Ok(false);
        }
        if let Fact::RunStarted(old) = journal::decode(&before)? {
            let mut labels = self.transaction.open_table(schema::RUN_LABELS).map_err(broken)?;
            labels.remove(label_key(&old).as_slice()).map_err(broken)?;
            let mut times = self.transaction.open_table(schema::RUN_TIMES).map_err(broken)?;
            times.remove(&run_time_key(&old)).map_err(broken)?;
            if let Some(commit) = run_commit_key(&old) {
                let mut commits = self.transaction.open_table(schema::RUN_COMMITS).map_err(broken)?;
                commits.remove(commit.as_slice()).map_err(broken)?;
            }
            let mut terms = self.transaction.open_table(schema::RUN_TERMS).map_err(broken)?;
            for term in terms::of_run(&old) {
                terms.remove(term.as_slice()).map_err(broken)?;
            }
        }
        Ok(true)
    }

    /// Takes away the older statement on a step; returns false where it stays.
    pub(super) fn replace_step(&mut self, number: u64, step: &Step) -> Result<bool> {
        self.flush_if_stated(step.id)?;
        let stored = (self.stored(schema::STEPS, number)?, self.stored(schema::STEP_EDGES, number)?);
        let (Some(record), Some(edges)) = stored else {
            return Ok(true);
        };
        // What names the files of the old statement may be pending still.
        self.flush()?;
        let edges = Edges::decode(&edges)?;
        let old = self.whole_step(&record, edges.clone())?;
        let (old_key, old_id) = (old.key, old.id.as_u128().to_be_bytes());
        let encoded = |step: Step| journal::encode(&Fact::StepDone(step));
        if encoded(old)? >= encoded(step.clone())? {
            return Ok(false);
        }
        let used = edges.used.iter().map(|edge| edge_key(edge, number));
        self.remove(schema::USED, used)?;
        let writes = || edges.generated.iter();
        self.remove(schema::GENERATED, writes().map(|edge| edge_key(edge, number)))?;
        self.remove(schema::PATH_WRITES, writes().map(|edge| path_write_key(edge, number)))?;
        self.remove(schema::CONTENT_WRITES, writes().map(|edge| content_write_key(edge, number)))?;
        let removals = edges.removed.iter().map(|removed| removal_key(removed, number));
        self.remove(schema::PATH_REMOVALS, removals)?;
        let run = edges.run.to_bytes();
        self.remove(schema::RUN_STEPS, [key(&[&run, &old_id])].into_iter())?;
        if let Some(digest) = old_key {
            let place = key(&[&digest.as_bytes()[..16], &old_id]);
            self.remove(schema::STEP_KEYS, [place].into_iter())?;
        }
        Ok(true)
    }

    /// Puts a stored step together again.
    fn whole_step(&self, record: &[u8], edges: Edges) -> Result<Step> {
        let Fact::StepDone(mut step) = journal::decode(record)? else {
            return Err(damaged("step"));
        };
        let path = |path: PathNo| self.path(path.0);
        edges.put_into(&mut step, |artifact| self.artifact(artifact), path)?;
        Ok(step)
    }

    fn artifact(&self, artifact: ArtifactNo) -> Result<Artifact> {
        let path = self.path(u64::from(artifact.path()))?;
        let content = self
            .stored(schema::CONTENT_NAMES, u64::from(artifact.content_no()))?
            .ok_or_else(|| damaged("content"))?;
        let (digest, size_bytes) = content_of(&content)?;
        Ok(Artifact { path, digest, size_bytes })
    }

    fn path(&self, number: u64) -> Result<ArtifactPath> {
        let path = self.stored(schema::PATH_NAMES, number)?.ok_or_else(|| damaged("path"))?;
        ArtifactPath::from_bytes(path).map_err(|_| damaged("path"))
    }

    /// Reads a sealed record.
    fn stored(
        &self,
        table: redb::TableDefinition<'static, Key<8>, Bytes>,
        number: u64,
    ) -> Result<Option<Vec<u8>>> {
        let table = self.transaction.open_table(table).map_err(broken)?;
        let Some(row) = table.get(&number.to_be_bytes()).map_err(broken)? else {
            return Ok(None);
        };
        let record = schema::unseal(row.value()).ok_or_else(|| damaged("checksum"))?;
        Ok(Some(record.to_vec()))
    }

    fn remove<const N: usize>(
        &self,
        table: redb::TableDefinition<'static, Key<N>, Bytes>,
        places: impl Iterator<Item = [u8; N]>,
    ) -> Result<()> {
        let mut table = self.transaction.open_table(table).map_err(broken)?;
        for place in places {
            table.remove(&place).map_err(broken)?;
        }
        Ok(())
    }

    fn flush_if_stated(&mut self, id: NodeId) -> Result<()> {
        if self.stated.contains(&id) { self.flush() } else { Ok(()) }
    }
}
