//! Reading metrics, point by point; and every fact there is.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::ControlFlow;

use crate::error::Result;
use crate::model::{Fact, Metric, MetricValue, NodeId, Timestamp};
use crate::store::damaged;
use crate::store::reading::{GO_ON, Order};
use crate::store::schema::{self, key, number_of, row_number, time_of, unseal};
use crate::store::snapshot::{RunNo, Snapshot, StepNo, record};

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
        let text = self.metric_name_texts.get(&number.to_be_bytes(), |sealed| {
            Ok(unseal(sealed).and_then(|bytes| String::from_utf8(bytes.to_vec()).ok()))
        })?;
        text.flatten().ok_or_else(|| damaged("metric name"))
    }

    /// Returns the first owner of metrics whose id is not below `id`.
    fn metric_owner_from(&self, id: u128) -> Result<Option<NodeId>> {
        let first = key::<48>(&[&id.to_be_bytes(), &[0; 32]]);
        let owner = self
            .metrics
            .scan(&first, &[0xff; 48], Order::Rising, |place, _| Ok(ControlFlow::Break(node_of(place))))?;
        Ok(owner.break_value())
    }

    /// Calls `visit` with every fact, in an order that is the same in every store with the same facts. Where two facts cannot
    /// both be, with the one that counts; points of metrics are gathered by owner.
    ///
    /// # Errors
    /// Those of `visit`, and a store error where a record is damaged.
    pub fn facts(&self, visit: &mut dyn FnMut(Fact) -> Result<()>) -> Result<()> {
        let mut nodes = Vec::new();
        self.nodes.scan_front(&[], Order::Rising, |place, row| {
            nodes.push((place[16], row_number(row)?));
            Ok(GO_ON)
        })?;
        for (kind, number) in nodes {
            if kind == schema::NodeKind::Run as u8 {
                self.facts_of_run(RunNo(number), visit)?;
            } else {
                let step = self.step(StepNo(number))?.ok_or_else(|| damaged("step"))?;
                visit(Fact::StepDone(step))?;
            }
        }
        // The metrics of a registration are points of the version as well, and are no facts of their own.
        let mut registered: HashMap<NodeId, Vec<Metric>> = HashMap::new();
        self.facts_of_models(&mut |fact| {
            if let Fact::ModelRegistered(model) = &fact {
                registered.insert(model.id, model.points().collect());
            }
            visit(fact)
        })?;
        let mut next = Some(0);
        while let Some(owner) = next.map_or(Ok(None), |id| self.metric_owner_from(id))? {
            let mut points = self.metrics(owner)?;
            if let Some(said) = registered.get(&owner) {
                points.retain(|point| !said.contains(point));
            }
            if !points.is_empty() {
                visit(Fact::Metrics(points))?;
            }
            next = owner.as_u128().checked_add(1);
        }
        self.facts_of_notes(visit)?;
        // Numbers of paths mean nothing elsewhere: the order is that of what is said.
        let mut overwritten = self.overwritten_from(&[])?;
        overwritten.sort();
        overwritten.into_iter().try_for_each(|overwritten| visit(Fact::FileOverwritten(overwritten)))?;
        self.links_seen()?.into_iter().try_for_each(|link| visit(Fact::LinkSeen(link)))
    }

    /// Calls `visit` with every fact on a run but its steps and metrics, in the order of [`facts`](Self::facts).
    ///
    /// # Errors
    /// Those of `visit`, and a store error where a record is damaged.
    pub fn facts_of_run(&self, run: RunNo, visit: &mut dyn FnMut(Fact) -> Result<()>) -> Result<()> {
        self.run(run)?.map_or(Ok(()), |run| visit(Fact::RunStarted(run)))?;
        self.outcomes(run)?.into_iter().try_for_each(|outcome| visit(Fact::RunOutcome(outcome)))?;
        self.said_parameters(run)?.into_iter().try_for_each(|said| visit(Fact::ParametersSaid(said)))?;
        self.run_tags(run)?.into_iter().try_for_each(|tags| visit(Fact::RunTagged(tags)))?;
        let repositories = self.run_repositories(run)?.into_iter();
        repositories.map(Fact::RepositoryRead).try_for_each(&mut *visit)?;
        self.remarks(run)?.into_iter().try_for_each(|remarks| visit(Fact::Remarked(remarks)))
    }

    /// Calls `visit` with every fact on model versions but their metrics, in the order of [`facts`](Self::facts).
    ///
    /// # Errors
    /// Those of `visit`, and a store error where a record is damaged.
    pub fn facts_of_models(&self, visit: &mut dyn FnMut(Fact) -> Result<()>) -> Result<()> {
        for model in self.models()? {
            visit(Fact::ModelRegistered(model))?;
        }
        for change in self.model_changes_from(&[])? {
            visit(Fact::ModelChanged(change))?;
        }
        for alias in self.model_aliases()? {
            visit(Fact::ModelNamed(alias))?;
        }
        Ok(())
    }

    /// Calls `visit` with every fact on documents, in the order of [`facts`](Self::facts).
    ///
    /// # Errors
    /// Those of `visit`, and a store error where a record is damaged.
    pub fn facts_of_notes(&self, visit: &mut dyn FnMut(Fact) -> Result<()>) -> Result<()> {
        self.notes.scan_names_from(&[], |_, bytes| {
            visit(record(bytes)?)?;
            Ok(GO_ON)
        })?;
        Ok(())
    }
}

/// Reads the key of a node at the front of `bytes`.
pub(super) fn node_of(bytes: &[u8]) -> NodeId {
    let mut id = [0; 16];
    id.copy_from_slice(&bytes[..16]);
    NodeId::from_u128(u128::from_be_bytes(id))
}
