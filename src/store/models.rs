//! Reading the model registry: versions by key, by name, by file and by run; changes, promotions and aliases.

use std::ops::ControlFlow;

use crate::error::Result;
use crate::model::{
    Fact, ModelAct, ModelAlias, ModelChange, ModelVersion, NodeId, Stage, Timestamp, version_key,
};
use crate::store::damaged;
use crate::store::reading::{GO_ON, Order, Reading};
use crate::store::records::node_of;
use crate::store::schema::{Key, key, model_base_front, time_bytes, time_of};
use crate::store::snapshot::{ArtifactNo, RunNo, Snapshot, record};

/// The place of a statement in the order of all statements on a model: its time, then the digest of what it says, so that
/// simultaneous ones are in the same order in every store.
pub type ChangeOrder = (Timestamp, [u8; 8]);

impl Snapshot {
    /// Returns every model version, each once, in the order of their keys. Linear in their number.
    pub fn models(&self) -> Result<Vec<ModelVersion>> {
        Ok(self.models_from(&[])?.into_iter().map(|(model, _)| model).collect())
    }

    /// Returns a model version as it was registered.
    pub fn model(&self, id: NodeId) -> Result<Option<ModelVersion>> {
        Ok(self.model_with_order(id)?.map(|(model, _)| model))
    }

    /// Returns a model version and the place of its registration among the statements on its model.
    pub fn model_with_order(&self, id: NodeId) -> Result<Option<(ModelVersion, ChangeOrder)>> {
        let found = self.models_from(&id.as_u128().to_be_bytes())?.pop();
        Ok(found.map(|(model, digest)| {
            let order = (model.as_of(), digest);
            (model, order)
        }))
    }

    fn models_from(&self, front: &[u8]) -> Result<Vec<(ModelVersion, [u8; 8])>> {
        let mut models: Vec<(ModelVersion, [u8; 8])> = Vec::new();
        self.models.scan_front(front, Order::Rising, |place, bytes| {
            let Fact::ModelRegistered(model) = record(bytes)? else {
                return Err(damaged("model"));
            };
            let digest = digest_of(&place[16..]);
            match models.last_mut().filter(|(last, _)| last.id == model.id) {
                // Of two statements on one version the same one counts in every store; of equals that with the greater digest,
                // the last.
                Some(last) if rank(&model) >= rank(&last.0) => *last = (model, digest),
                Some(_) => {}
                None => models.push((model, digest)),
            }
            Ok(GO_ON)
        })?;
        Ok(models)
    }

    /// Calls `visit` with the names of models in the order of their bytes, until it breaks. Cost: one look-up a name, however many
    /// versions it has.
    pub fn model_names<B>(
        &self,
        mut visit: impl FnMut(&str) -> Result<ControlFlow<B>>,
    ) -> Result<ControlFlow<B>> {
        let mut first = Vec::new();
        loop {
            let found = self.model_names.scan_names_from(&first, |place, _| {
                let end = place.iter().position(|byte| *byte == 0).ok_or_else(|| damaged("model name"))?;
                Ok(ControlFlow::Break(place[..end].to_vec()))
            })?;
            let Some(mut name) = found.break_value() else {
                return Ok(ControlFlow::Continue(()));
            };
            let text = std::str::from_utf8(&name).map_err(|_| damaged("model name"))?;
            let flow = visit(text)?;
            if flow.is_break() {
                return Ok(flow);
            }
            name.push(1);
            first = name;
        }
    }

    /// Calls `visit` with each version of a model in the order of precedence, until it breaks. Where several were registered
    /// under one version, each is visited.
    pub fn model_versions<B>(
        &self,
        name: &str,
        order: Order,
        mut visit: impl FnMut(ModelVersion) -> Result<ControlFlow<B>>,
    ) -> Result<ControlFlow<B>> {
        let first = [name.as_bytes(), &[0]].concat();
        let end = [name.as_bytes(), &[1]].concat();
        self.model_names.scan_names_between(&first, &end, order, |place, _| {
            let (front, id) = place.split_last_chunk::<16>().ok_or_else(|| damaged("model name"))?;
            let model = self.model(node_of(id))?.ok_or_else(|| damaged("model"))?;
            // Of two statements on one version, the one that does not count may have named another.
            let counts = model.name == name
                && front.strip_prefix(&first[..]) == Some(&version_key(&model.version)[..]);
            if counts { visit(model) } else { Ok(ControlFlow::Continue(())) }
        })
    }

    /// Returns the number of the run that a model version was registered with; `None` where there is none.
    pub fn run_of_model(&self, model: &ModelVersion) -> Result<Option<RunNo>> {
        model.run.map_or(Ok(None), |run| self.run_no(run))
    }

    /// Returns what was registered under a name and a version: nothing, one, or several after a merge; the one that counts
    /// first: that which was registered first, then that with the smallest key.
    pub fn models_named(&self, name: &str, version: &str) -> Result<Vec<NodeId>> {
        let first = [name.as_bytes(), &[0], &version_key(version)].concat();
        let mut found = Vec::new();
        self.model_names.scan_names_with(&first, Order::Rising, |place, _| {
            found.push(last_node_of(place)?);
            Ok(GO_ON)
        })?;
        let mut ranked = Vec::with_capacity(found.len());
        for id in found {
            // A statement that does not count may have named another version.
            let model = self.model(id)?.filter(|model| model.name == name && model.version == version);
            ranked.extend(model.map(|model| (model.registered_at, id)));
        }
        ranked.sort_unstable();
        Ok(ranked.into_iter().map(|(_, id)| id).collect())
    }

    /// Returns the changes of a model version in the order of time, each with its place in the order of all.
    pub fn model_changes_ordered(&self, model: NodeId) -> Result<Vec<(ChangeOrder, ModelChange)>> {
        self.changes_from(&model.as_u128().to_be_bytes())
    }

    /// Returns the changes of a model version in the order of time.
    pub fn model_changes(&self, model: NodeId) -> Result<Vec<ModelChange>> {
        self.model_changes_from(&model.as_u128().to_be_bytes())
    }

    pub(super) fn model_changes_from(&self, front: &[u8]) -> Result<Vec<ModelChange>> {
        Ok(self.changes_from(front)?.into_iter().map(|(_, change)| change).collect())
    }

    fn changes_from(&self, front: &[u8]) -> Result<Vec<(ChangeOrder, ModelChange)>> {
        let mut changes = Vec::new();
        self.model_changes.scan_front(front, Order::Rising, |place, bytes| {
            let Fact::ModelChanged(change) = record(bytes)? else {
                return Err(damaged("model change"));
            };
            changes.push(((change.at, digest_of(&place[24..])), change));
            Ok(GO_ON)
        })?;
        Ok(changes)
    }

    /// Calls `visit` with the statements that put a version of a model into production, the last first, until it breaks.
    pub fn promotions<B>(
        &self,
        name: &str,
        mut visit: impl FnMut(ChangeOrder, NodeId) -> Result<ControlFlow<B>>,
    ) -> Result<ControlFlow<B>> {
        self.promotions_in_order(name, None, Order::Falling, &mut visit)
    }

    /// Calls `visit` with the statements after `after` that put a version of a model into production, the first first, until it breaks.
    pub fn promotions_after<B>(
        &self,
        name: &str,
        after: ChangeOrder,
        mut visit: impl FnMut(ChangeOrder, NodeId) -> Result<ControlFlow<B>>,
    ) -> Result<ControlFlow<B>> {
        self.promotions_in_order(name, Some(after), Order::Rising, &mut visit)
    }

    /// Goes through the rows of a model, and between them, in the same order, through those that name none.
    fn promotions_in_order<B>(
        &self,
        name: &str,
        after: Option<ChangeOrder>,
        order: Order,
        visit: &mut impl FnMut(ChangeOrder, NodeId) -> Result<ControlFlow<B>>,
    ) -> Result<ControlFlow<B>> {
        // Older programs did not write down the name of what they changed; there is hardly anything of theirs.
        let mut nameless = Vec::new();
        if !name.is_empty() {
            self.promotion_rows("", after, Order::Falling, |at, id| {
                nameless.push((at, id));
                Ok(GO_ON)
            })?;
        }
        // The last of them is the next.
        let is_rising = matches!(order, Order::Rising);
        if !is_rising {
            nameless.reverse();
        }
        let mut tell = |(at, id): (ChangeOrder, NodeId)| {
            let counts = self.is_promotion(name, at, id)?;
            if counts { visit(at, id) } else { Ok(ControlFlow::Continue(())) }
        };
        let flow = self.promotion_rows(name, after, order, |at, id| {
            let comes_first =
                |row: &mut (ChangeOrder, NodeId)| if is_rising { *row < (at, id) } else { *row > (at, id) };
            while let Some(row) = nameless.pop_if(comes_first) {
                let flow = tell(row)?;
                if flow.is_break() {
                    return Ok(flow);
                }
            }
            tell((at, id))
        })?;
        if flow.is_break() {
            return Ok(flow);
        }
        while let Some(row) = nameless.pop() {
            let flow = tell(row)?;
            if flow.is_break() {
                return Ok(flow);
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn promotion_rows<B>(
        &self,
        name: &str,
        after: Option<ChangeOrder>,
        order: Order,
        mut visit: impl FnMut(ChangeOrder, NodeId) -> Result<ControlFlow<B>>,
    ) -> Result<ControlFlow<B>> {
        let front = [name.as_bytes(), &[0]].concat();
        let end = [name.as_bytes(), &[1]].concat();
        let first = after.map_or_else(Vec::new, |(at, digest)| {
            [&time_bytes(at.micros())[..], &digest, &[0xff; 17]].concat()
        });
        self.model_promotions.scan_names_between(&[&front[..], &first].concat(), &end, order, |place, _| {
            let row = place.get(front.len()..).filter(|row| row.len() == 32);
            let row = row.ok_or_else(|| damaged("promotion"))?;
            let order = (Timestamp::from_micros(time_of(row)), digest_of(&row[8..]));
            visit(order, node_of(&row[16..]))
        })
    }

    /// Holds a row against the statement it stands for, which may be one that does not count.
    fn is_promotion(&self, name: &str, order: ChangeOrder, id: NodeId) -> Result<bool> {
        let Some((model, registered)) = self.model_with_order(id)? else {
            return Ok(false);
        };
        if model.name != name {
            return Ok(false);
        }
        if registered == order && model.stage == Stage::Production {
            return Ok(true);
        }
        let place = key::<32>(&[&id.as_u128().to_be_bytes(), &time_bytes(order.0.micros()), &order.1]);
        let change = self.model_changes.get(&place, record)?;
        Ok(matches!(
            change,
            Some(Fact::ModelChanged(ModelChange {
                act: ModelAct::Staged { stage: Stage::Production, .. },
                ..
            }))
        ))
    }

    /// Returns every statement on the aliases of a model, by alias and time.
    pub fn aliases_of(&self, name: &str) -> Result<Vec<ModelAlias>> {
        let first = [name.as_bytes(), &[0]].concat();
        let end = [name.as_bytes(), &[1]].concat();
        self.aliases_between(&first, &end)
    }

    /// Returns every statement on one alias of a model, by time.
    pub fn alias_statements(&self, name: &str, alias: &str) -> Result<Vec<ModelAlias>> {
        let first = [name.as_bytes(), &[0], alias.as_bytes(), &[0]].concat();
        let end = [name.as_bytes(), &[0], alias.as_bytes(), &[1]].concat();
        self.aliases_between(&first, &end)
    }

    pub(super) fn model_aliases(&self) -> Result<Vec<ModelAlias>> {
        // No text begins with a byte that UTF-8 does not have.
        self.aliases_between(&[], &[0xff])
    }

    fn aliases_between(&self, first: &[u8], end: &[u8]) -> Result<Vec<ModelAlias>> {
        let mut aliases = Vec::new();
        self.model_aliases.scan_names_between(first, end, Order::Rising, |_, bytes| {
            let Fact::ModelNamed(alias) = record(bytes)? else {
                return Err(damaged("alias"));
            };
            aliases.push(alias);
            Ok(GO_ON)
        })?;
        Ok(aliases)
    }

    /// Returns the keys of the model versions that hold an artifact.
    pub fn models_with(&self, artifact: ArtifactNo) -> Result<Vec<NodeId>> {
        Ok(self.models_with_any(&[artifact])?.into_iter().map(|(_, id)| id).collect())
    }

    /// Returns the model versions that hold one of `artifacts`, which are sorted; each with the position of what it holds.
    pub fn models_with_any(&self, artifacts: &[ArtifactNo]) -> Result<Vec<(usize, NodeId)>> {
        self.of_artifacts(&self.model_artifacts, artifacts, |model, artifact| {
            model.artifacts.iter().any(|held| held.artifact == *artifact)
        })
    }

    /// Returns the model versions of which it was said that they learned from one of `artifacts`, which are sorted; each with
    /// the position of what it learned from.
    pub fn models_with_any_input(&self, artifacts: &[ArtifactNo]) -> Result<Vec<(usize, NodeId)>> {
        self.of_artifacts(&self.model_inputs, artifacts, |model, artifact| model.inputs.contains(artifact))
    }

    fn of_artifacts(
        &self,
        table: &Reading<Key<24>>,
        artifacts: &[ArtifactNo],
        holds: impl Fn(&ModelVersion, &crate::model::Artifact) -> bool,
    ) -> Result<Vec<(usize, NodeId)>> {
        let ranges = artifacts.iter().map(|artifact| {
            let front = artifact.to_bytes();
            (key(&[&front, &[0; 16]]), key(&[&front, &[0xff; 16]]))
        });
        let mut rows = Vec::new();
        table.scan_ranges(ranges, |position, place, _| {
            rows.push((position, node_of(&place[8..])));
            Ok(GO_ON)
        })?;
        // Of two statements on one version, the one that does not count may be the one that names the file.
        let mut found = Vec::with_capacity(rows.len());
        for (position, id) in rows {
            let artifact = self.artifact(artifacts[position])?;
            let model = self.model(id)?.ok_or_else(|| damaged("model"))?;
            if holds(&model, &artifact) {
                found.push((position, id));
            }
        }
        Ok(found)
    }

    /// Returns the keys of the model versions that a run trained, by their entries.
    pub fn models_of_run(&self, run: NodeId) -> Result<Vec<NodeId>> {
        self.models_under(&self.model_runs, run.as_u128().to_be_bytes(), |model| model.run == Some(run))
    }

    /// Returns the keys of the model versions of which their entries say that they were made from what has a label
    /// (`NAME@VERSION`, or the name of a model from elsewhere), or made to take its place.
    pub fn models_based_on(&self, label: &str) -> Result<Vec<NodeId>> {
        let front = model_base_front(label);
        self.models_under(&self.model_bases, front, |model| model.bases().any(|base| base == label))
    }

    /// Returns the keys of the model versions that an index has under `front`, where they are as the index says: of two
    /// statements on one version, it may have been the one that does not count.
    fn models_under(
        &self,
        index: &Reading<Key<32>>,
        front: [u8; 16],
        holds: impl Fn(&ModelVersion) -> bool,
    ) -> Result<Vec<NodeId>> {
        let mut rows = Vec::new();
        index.scan_front(&front, Order::Rising, |place, _| {
            rows.push(node_of(&place[16..]));
            Ok(GO_ON)
        })?;
        let mut found = Vec::with_capacity(rows.len());
        for id in rows {
            if self.model(id)?.is_some_and(|model| holds(&model)) {
                found.push(id);
            }
        }
        Ok(found)
    }
}

/// Ranks the statements on one version: a registration counts more than any entry, and of entries the newest.
fn rank(model: &ModelVersion) -> (bool, Option<Timestamp>) {
    (model.taken.is_none(), model.taken.as_ref().map(|taken| taken.as_of))
}

fn digest_of(bytes: &[u8]) -> [u8; 8] {
    let mut digest = [0; 8];
    digest.copy_from_slice(&bytes[..8]);
    digest
}

/// Reads the key of a node at the end of `place`.
fn last_node_of(place: &[u8]) -> Result<NodeId> {
    place.last_chunk::<16>().map(|id| node_of(id)).ok_or_else(|| damaged("model name"))
}
