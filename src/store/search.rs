//! Reading the indexes that searches go by: runs by terms and by time, metrics by value.

use std::ops::{Bound, ControlFlow};

use crate::error::Result;
use crate::model::{Metric, MetricValue, NodeId, Stage, Timestamp};
use crate::store::damaged;
use crate::store::reading::{GO_ON, Order};
use crate::store::records::node_of;
use crate::store::schema::{key, number_of, row_number, time_bytes, time_of};
use crate::store::snapshot::{RunNo, Snapshot};
use crate::store::summary::{MetricSummary, OrderedBy};
use crate::store::terms::{self, Sort, TERM_TAIL_BYTES, Term};

/// The number of a metric's name in this store; it means nothing elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MetricNo(u64);

impl Snapshot {
    // ---- runs ----

    /// Calls `visit` with each run that may have a term, until it breaks; from the newest start to the oldest where
    /// [`Snapshot::has_order`] says so. A run may come more than once.
    pub fn runs_with<B>(
        &self,
        term: &Term<'_>,
        mut visit: impl FnMut(RunNo) -> Result<ControlFlow<B>>,
    ) -> Result<ControlFlow<B>> {
        let (front, whole) = term.front();
        self.run_terms.scan_names_with(&front, Order::Falling, |place, row| {
            let is_other = whole && place.len() != front.len() + TERM_TAIL_BYTES;
            if is_other { Ok(ControlFlow::Continue(())) } else { visit(RunNo(row_number(row)?)) }
        })
    }

    /// Returns true where the runs with a term lie in the order of their start.
    pub fn has_order(&self, term: &Term<'_>) -> bool {
        term.front().1
    }

    /// Calls `visit` with each run that has a parameter whose value is a number in a range, until it breaks.
    pub fn runs_with_number<B>(
        &self,
        name: &str,
        (first, last): (Bound<MetricValue>, Bound<MetricValue>),
        mut visit: impl FnMut(RunNo) -> Result<ControlFlow<B>>,
    ) -> Result<ControlFlow<B>> {
        let front = terms::number_front(name);
        let (first, last) = (first_bits(first), last_bits(last));
        // No number has all bits set.
        let first = [front.as_slice(), &first.to_be_bytes()].concat();
        let end = [front.as_slice(), &last.saturating_add(1).to_be_bytes()].concat();
        self.run_terms.scan_names_between(&first, &end, Order::Rising, |place, row| {
            let is_other = place.len() < front.len() + 8 + TERM_TAIL_BYTES;
            if is_other { Ok(ControlFlow::Continue(())) } else { visit(RunNo(row_number(row)?)) }
        })
    }

    /// Returns the names of parameters of runs, at most `limit`. Costs as many seeks as there are names.
    pub fn parameter_names(&self, limit: usize) -> Result<Vec<String>> {
        let mut names: Vec<String> = Vec::new();
        let mut from = vec![Sort::Parameter as u8];
        let end = [Sort::Parameter as u8 + 1];
        while names.len() < limit {
            let found = self.run_terms.scan_names_between(&from, &end, Order::Rising, |place, _| {
                let name = place[1..].split(|byte| *byte == 0).next().unwrap_or_default();
                Ok(ControlFlow::Break(name.to_vec()))
            })?;
            let Some(name) = found.break_value() else { break };
            from = vec![Sort::Parameter as u8];
            from.extend_from_slice(&name);
            from.push(1);
            names.push(String::from_utf8_lossy(&name).into_owned());
        }
        Ok(names)
    }

    /// Calls `visit` with each run that started from `first` to `last` microseconds, both included, from the newest to the
    /// oldest or the other way round, until it breaks.
    pub fn runs_between<B>(
        &self,
        (first, last): (i64, i64),
        newest_first: bool,
        mut visit: impl FnMut(RunNo) -> Result<ControlFlow<B>>,
    ) -> Result<ControlFlow<B>> {
        let first = key::<24>(&[&time_bytes(first), &[0; 16]]);
        let last = key::<24>(&[&time_bytes(last), &[0xff; 16]]);
        let order = if newest_first { Order::Falling } else { Order::Rising };
        self.run_times.scan(&first, &last, order, |_, row| visit(RunNo(row_number(row)?)))
    }

    // ---- model versions ----

    /// Returns how many model versions there are, a version that several statements speak of counted as often.
    pub fn model_count(&self) -> Result<u64> {
        self.models.count()
    }

    /// Calls `visit` with each model version that is or ever was in one of `stages`, until it breaks. One may come more than once.
    pub fn models_ever_in<B>(
        &self,
        stages: &[Stage],
        visit: &mut dyn FnMut(NodeId) -> Result<ControlFlow<B>>,
    ) -> Result<ControlFlow<B>> {
        let mut codes: Vec<u8> = stages.iter().map(|stage| *stage as u8).collect();
        if stages.contains(&Stage::Archived) {
            // Whoever leaves production for another goes there without a statement of its own.
            codes.push(Stage::Production as u8);
        }
        for code in codes {
            let flow = self
                .model_stages
                .scan_front(&[code], Order::Rising, |place, _| visit(node_of(&place[1..])))?;
            if flow.is_break() {
                return Ok(flow);
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    // ---- metrics ----

    /// Returns the number of a metric's name.
    pub fn metric_no(&self, name: &str) -> Result<Option<MetricNo>> {
        self.metric_names.get(name.as_bytes(), |row| Ok(MetricNo(row_number(row)?)))
    }

    /// Returns the names of metrics in order, at most `limit`.
    pub fn metric_names(&self, limit: usize) -> Result<Vec<String>> {
        let mut names = Vec::new();
        let _full = self.metric_names.scan_names_from(&[], |name, _| {
            if names.len() == limit {
                return Ok(ControlFlow::Break(()));
            }
            names.push(String::from_utf8(name.to_vec()).map_err(|_| damaged("metric name"))?);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(names)
    }

    /// Returns what a metric came to for a run or model version.
    pub fn metric_summary(&self, owner: NodeId, metric: MetricNo) -> Result<Option<MetricSummary>> {
        let place = key::<24>(&[&owner.as_u128().to_be_bytes(), &metric.0.to_be_bytes()]);
        self.metric_summaries.get(&place, MetricSummary::decode)
    }

    /// Returns what each metric of a run or model version came to, by name.
    pub fn metric_summaries(&self, owner: NodeId) -> Result<Vec<(String, MetricSummary)>> {
        let mut found = Vec::new();
        self.metric_summaries.scan_front(&owner.as_u128().to_be_bytes(), Order::Rising, |place, row| {
            found.push((number_of(&place[16..]), MetricSummary::decode(row)?));
            Ok(GO_ON)
        })?;
        let mut named = Vec::with_capacity(found.len());
        for (number, summary) in found {
            named.push((self.metric_name(number)?, summary));
        }
        named.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(named)
    }

    /// Returns how many points a metric has for a run or model version. Linear in them.
    pub fn metric_count(&self, owner: NodeId, metric: MetricNo) -> Result<u64> {
        let mut count = 0;
        let front: [u8; 24] = key(&[&owner.as_u128().to_be_bytes(), &metric.0.to_be_bytes()]);
        self.metrics.scan_front(&front, Order::Rising, |_, _| {
            count += 1;
            Ok(GO_ON)
        })?;
        Ok(count)
    }

    /// Calls `visit` with the value and the owner of each run or model version whose metric lies in a range, from the least
    /// value to the greatest or the other way round, of one value by owner in the same direction, until it breaks.
    pub fn metric_owners<B>(
        &self,
        metric: MetricNo,
        by: OrderedBy,
        (first, last): (Bound<MetricValue>, Bound<MetricValue>),
        falling: bool,
        mut visit: impl FnMut(MetricValue, NodeId) -> Result<ControlFlow<B>>,
    ) -> Result<ControlFlow<B>> {
        let (first, last) = (first_bits(first), last_bits(last));
        let front: [u8; 9] = key(&[&metric.0.to_be_bytes(), &[by as u8]]);
        let first = key::<33>(&[&front, &first.to_be_bytes(), &[0; 16]]);
        let last = key::<33>(&[&front, &last.to_be_bytes(), &[0xff; 16]]);
        let order = if falling { Order::Falling } else { Order::Rising };
        self.metric_order.scan(&first, &last, order, |place, _| {
            visit(MetricValue::from_ordered_bits(number_of(&place[9..])), node_of(&place[17..]))
        })
    }

    /// Returns the greatest step of a metric of a run or model version, and its values at that step, by time.
    pub fn last_metric_values(
        &self,
        owner: NodeId,
        metric: MetricNo,
    ) -> Result<Option<(i64, Vec<MetricValue>)>> {
        let Some(summary) = self.metric_summary(owner, metric)? else { return Ok(None) };
        let (id, step) = (owner.as_u128().to_be_bytes(), summary.last.step);
        let front: [u8; 32] = key(&[&id, &metric.0.to_be_bytes(), &time_bytes(step)]);
        let mut values = Vec::new();
        self.metrics.scan_front(&front, Order::Rising, |place, _| {
            values.push(MetricValue::from_ordered_bits(number_of(&place[40..])));
            Ok(GO_ON)
        })?;
        Ok(Some((step, values)))
    }

    /// Calls `visit` with each point of a metric of a run or model version, by step and time.
    pub fn metric_points<B>(
        &self,
        owner: NodeId,
        metric: MetricNo,
        mut visit: impl FnMut(Metric) -> Result<ControlFlow<B>>,
    ) -> Result<ControlFlow<B>> {
        let front: [u8; 24] = key(&[&owner.as_u128().to_be_bytes(), &metric.0.to_be_bytes()]);
        let name = self.metric_name(metric.0)?;
        self.metrics.scan_front(&front, Order::Rising, |place, _| {
            visit(Metric {
                owner,
                name: name.clone(),
                step: time_of(&place[24..]),
                at: Timestamp::from_micros(time_of(&place[32..])),
                value: MetricValue::from_ordered_bits(number_of(&place[40..])),
            })
        })
    }
}

/// Returns the ordered bits from which a range goes. Those of finite numbers lie between 0 and the greatest number.
fn first_bits(first: Bound<MetricValue>) -> u64 {
    match first {
        Bound::Included(value) => value.ordered_bits(),
        Bound::Excluded(value) => value.ordered_bits() + 1,
        Bound::Unbounded => 0,
    }
}

/// Returns the ordered bits up to which a range goes.
fn last_bits(last: Bound<MetricValue>) -> u64 {
    match last {
        Bound::Included(value) => value.ordered_bits(),
        Bound::Excluded(value) => value.ordered_bits() - 1,
        Bound::Unbounded => u64::MAX,
    }
}
