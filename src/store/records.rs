//! Reading what is no graph: metrics, model versions, notes; and every fact there is.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::error::Result;
use crate::model::{Fact, Metric, MetricValue, ModelChange, ModelVersion, NodeId, Timestamp};
use crate::store::damaged;
use crate::store::reading::Order;
use crate::store::schema::{self, number_of, time_of};
use crate::store::snapshot::{ArtifactNo, GO_ON, RunNo, Snapshot, StepNo, record};

impl Snapshot {
    /// Returns the points of metrics of a run or model version, by name, step and time.
    pub fn metrics(&self, owner: NodeId) -> Result<Vec<Metric>> {
        self.metrics_from(&owner.as_u128().to_be_bytes())
    }

    /// Returns the points whose keys begin with `front`, by owner, name, step and time.
    fn metrics_from(&self, front: &[u8]) -> Result<Vec<Metric>> {
        let mut rows = Vec::new();
        self.metrics.scan_front(front, Order::Rising, |place, _| {
            rows.push(*place);
            Ok(GO_ON)
        })?;
        let mut names: HashMap<u64, String> = HashMap::new();
        let mut points = Vec::with_capacity(rows.len());
        for row in rows {
            let name_no = number_of(&row[16..]);
            let name = match names.entry(name_no) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(place) => place.insert(self.metric_name(name_no)?),
            };
            points.push(Metric {
                owner: node_of(&row),
                name: name.clone(),
                step: time_of(&row[24..]),
                at: Timestamp::from_micros(time_of(&row[32..])),
                value: MetricValue::from_ordered_bits(number_of(&row[40..])),
            });
        }
        points.sort();
        Ok(points)
    }

    /// Returns the name of a metric.
    pub(super) fn metric_name(&self, number: u64) -> Result<String> {
        let text = self.metric_name_texts.get(&number.to_be_bytes(), |bytes| {
            String::from_utf8(bytes.to_vec()).map_err(|_| damaged("metric name"))
        })?;
        text.ok_or_else(|| damaged("metric name"))
    }

    /// Returns every model version, each once.
    pub fn models(&self) -> Result<Vec<ModelVersion>> {
        self.models_from(&[])
    }

    /// Returns a model version.
    pub fn model(&self, id: NodeId) -> Result<Option<ModelVersion>> {
        Ok(self.models_from(&id.as_u128().to_be_bytes())?.pop())
    }

    fn models_from(&self, front: &[u8]) -> Result<Vec<ModelVersion>> {
        let mut models: Vec<ModelVersion> = Vec::new();
        self.models.scan_front(front, Order::Rising, |_, bytes| {
            let Fact::ModelRegistered(model) = record(bytes)? else {
                return Err(damaged("model"));
            };
            // Of two statements on one version the same one counts in every store: that with the greater digest, the last.
            if models.last().is_some_and(|last| last.id == model.id) {
                models.pop();
            }
            models.push(model);
            Ok(GO_ON)
        })?;
        Ok(models)
    }

    /// Returns the changes of a model version, in the order of time.
    pub fn model_changes(&self, model: NodeId) -> Result<Vec<ModelChange>> {
        self.model_changes_from(&model.as_u128().to_be_bytes())
    }

    fn model_changes_from(&self, front: &[u8]) -> Result<Vec<ModelChange>> {
        let mut changes = Vec::new();
        self.model_changes.scan_front(front, Order::Rising, |_, bytes| {
            let Fact::ModelChanged(change) = record(bytes)? else {
                return Err(damaged("model change"));
            };
            changes.push(change);
            Ok(GO_ON)
        })?;
        Ok(changes)
    }

    /// Returns the keys of the model versions that hold an artifact.
    pub fn models_with(&self, artifact: ArtifactNo) -> Result<Vec<NodeId>> {
        let mut models = Vec::new();
        self.model_artifacts.scan_front(&artifact.to_bytes(), Order::Rising, |place, _| {
            models.push(node_of(&place[8..]));
            Ok(GO_ON)
        })?;
        // Of two statements on one version, the one that does not count may be the one that names the file.
        let this = self.artifact(artifact)?;
        let mut found = Vec::with_capacity(models.len());
        for id in models {
            let model = self.model(id)?.ok_or_else(|| damaged("model"))?;
            if model.artifacts.iter().any(|held| held.artifact == this) {
                found.push(id);
            }
        }
        Ok(found)
    }

    /// Calls `visit` with every fact, in an order that is the same in every store with the same facts. Where two facts cannot
    /// both be, with the one that counts; points of metrics are gathered by owner.
    ///
    /// # Errors
    /// Those of `visit`, and a store error where a record is damaged.
    pub fn facts(&self, visit: &mut dyn FnMut(Fact) -> Result<()>) -> Result<()> {
        let mut nodes = Vec::new();
        self.nodes.scan_front(&[], Order::Rising, |place, row| {
            nodes.push((place[16], number_of(row)));
            Ok(GO_ON)
        })?;
        for (kind, number) in nodes {
            if kind == schema::NodeKind::Run as u8 {
                if let Some(run) = self.run(RunNo(number))? {
                    visit(Fact::RunStarted(run))?;
                }
                let run = RunNo(number);
                self.outcomes(run)?.into_iter().try_for_each(|outcome| visit(Fact::RunOutcome(outcome)))?;
                self.said_parameters(run)?
                    .into_iter()
                    .try_for_each(|said| visit(Fact::ParametersSaid(said)))?;
                self.remarks(run)?.into_iter().try_for_each(|remarks| visit(Fact::Remarked(remarks)))?;
            } else {
                let step = self.step(StepNo(number))?.ok_or_else(|| damaged("step"))?;
                visit(Fact::StepDone(step))?;
            }
        }
        for model in self.models()? {
            visit(Fact::ModelRegistered(model))?;
        }
        for change in self.model_changes_from(&[])? {
            visit(Fact::ModelChanged(change))?;
        }
        let points = self.metrics_from(&[])?;
        for of_owner in points.chunk_by(|a, b| a.owner == b.owner) {
            visit(Fact::Metrics(of_owner.to_vec()))?;
        }
        self.notes.scan_names(&[], |_, bytes| {
            visit(record(bytes)?)?;
            Ok(GO_ON)
        })
    }
}

/// Reads the key of a node at the front of `bytes`.
pub(super) fn node_of(bytes: &[u8]) -> NodeId {
    let mut id = [0; 16];
    id.copy_from_slice(&bytes[..16]);
    NodeId::from_u128(u128::from_be_bytes(id))
}
