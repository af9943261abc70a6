//! The best version of a model by a metric.

use std::collections::BTreeSet;
use std::ops::{Bound, ControlFlow};

use crate::error::Result;
use crate::model::{MetricValue, ModelVersion, NodeId, version_key};
use crate::query::registry::{ModelView, model_view};
use crate::store::{MetricNo, Order, OrderedBy, Snapshot};

/// So much is looked at in each of two ways before more is looked at in either.
const FIRST_BOUND: usize = 64;

/// Which value of a metric is the best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Best {
    /// The greatest, as of an accuracy.
    Greatest,
    /// The smallest, as of a loss.
    Smallest,
}

/// Returns the version of a model with the best value of a metric; of equal ones the greater version.
/// What was withdrawn, and what has the name of another, does not count.
///
/// Cost: what the cheaper of two ways takes, and a small part of that of the other: down from the best value that anything has,
/// or through the model's versions.
///
/// # Errors
/// A store error where a record is damaged.
pub fn best(snapshot: &Snapshot, name: &str, metric: &str, best: Best) -> Result<Option<ModelView>> {
    let Some(metric) = snapshot.metric_no(metric)? else {
        return Ok(None);
    };
    best_from(snapshot, &Wanted { name, metric, best }, FIRST_BOUND)
}

/// What is asked for.
pub(super) struct Wanted<'a> {
    pub name: &'a str,
    pub metric: MetricNo,
    pub best: Best,
}

/// How far a way went.
enum Way {
    /// To its end, and this is the answer.
    Ended(Option<Box<ModelView>>),
    /// To its bound.
    Bounded,
}

/// Why a way was left.
enum Stop {
    /// What is still to come is no better than what was found.
    Done,
    Bound,
}

/// Goes both ways by turns, each time further, from `bound` on.
pub(super) fn best_from(
    snapshot: &Snapshot,
    wanted: &Wanted<'_>,
    mut bound: usize,
) -> Result<Option<ModelView>> {
    const FURTHER: usize = 4;
    loop {
        if let Way::Ended(found) = down_from_the_best(snapshot, wanted, bound)? {
            return Ok(found.map(|view| *view));
        }
        if let Way::Ended(found) = through_the_versions(snapshot, wanted, bound)? {
            return Ok(found.map(|view| *view));
        }
        bound = bound.saturating_mul(FURTHER);
    }
}

/// Looks at no more than `bound` runs and model versions that have the metric, from the best value on.
fn down_from_the_best(snapshot: &Snapshot, wanted: &Wanted<'_>, bound: usize) -> Result<Way> {
    let all = (Bound::Unbounded, Bound::Unbounded);
    let mut best: Option<(MetricValue, ModelView)> = None;
    let mut looked_at = 0;
    let flow = snapshot.metric_owners(
        wanted.metric,
        OrderedBy::Last,
        all,
        wanted.best == Best::Greatest,
        |value, owner| {
            if best.as_ref().is_some_and(|(found, _)| *found != value) {
                return Ok(ControlFlow::Break(Stop::Done));
            }
            looked_at += 1;
            if looked_at > bound {
                return Ok(ControlFlow::Break(Stop::Bound));
            }
            let Some(model) = snapshot.model(owner)?.filter(|model| model.name == wanted.name) else {
                return Ok(ControlFlow::Continue(()));
            };
            if best.as_ref().is_none_or(|(_, view)| precedence(&model) > precedence(&view.model)) {
                let view = model_view(snapshot, owner)?.filter(ModelView::is_current);
                best = view.map(|view| (value, view)).or(best.take());
            }
            Ok(ControlFlow::Continue(()))
        },
    )?;
    Ok(ended(flow, best))
}

/// Tells how a way ended that has found `best`.
fn ended(flow: ControlFlow<Stop>, best: Option<(MetricValue, ModelView)>) -> Way {
    match flow {
        ControlFlow::Break(Stop::Bound) => Way::Bounded,
        ControlFlow::Break(Stop::Done) | ControlFlow::Continue(()) => {
            Way::Ended(best.map(|(_, view)| Box::new(view)))
        }
    }
}

/// Looks at no more than `bound` versions, the greatest first.
fn through_the_versions(snapshot: &Snapshot, wanted: &Wanted<'_>, bound: usize) -> Result<Way> {
    let mut best: Option<(MetricValue, ModelView)> = None;
    let mut looked_at = 0;
    let flow = snapshot.model_versions(wanted.name, Order::Falling, |model| {
        looked_at += 1;
        if looked_at > bound {
            return Ok(ControlFlow::Break(Stop::Bound));
        }
        let Some(summary) = snapshot.metric_summary(model.id, wanted.metric)? else {
            return Ok(ControlFlow::Continue(()));
        };
        let value = summary.last.value;
        let is_better = |found: MetricValue| match wanted.best {
            Best::Greatest => value > found,
            Best::Smallest => value < found,
        };
        if best.as_ref().is_none_or(|(found, _)| is_better(*found)) {
            let view = model_view(snapshot, model.id)?.filter(ModelView::is_current);
            best = view.map(|view| (value, view)).or(best.take());
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(ended(flow, best))
}

/// Returns the names of the metrics that the greatest versions of a model have, in order; `None` where no model has the name.
///
/// # Errors
/// A store error where a record is damaged.
pub fn metrics_of(snapshot: &Snapshot, name: &str) -> Result<Option<Vec<String>>> {
    const VERSIONS_MAX: usize = 1_000;
    let mut versions = Vec::new();
    let _full = snapshot.model_versions(name, Order::Falling, |model| {
        versions.push(model.id);
        Ok(if versions.len() < VERSIONS_MAX { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })?;
    let mut names = BTreeSet::new();
    for id in &versions {
        names.extend(snapshot.metric_summaries(*id)?.into_iter().map(|(name, _)| name));
    }
    Ok((!versions.is_empty()).then(|| names.into_iter().collect()))
}

/// The place of a version among those of its model, as [`Snapshot::model_versions`] has them.
fn precedence(model: &ModelVersion) -> (Vec<u8>, NodeId) {
    (version_key(&model.version), model.id)
}
