//! Stages, clashes and aliases are functions of the set of facts: held against going through all statements one by one.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;
use proptest::sample::select;

use super::best::{Wanted, best_from};
use super::*;
use crate::journal;
use crate::model::{Digest, Fact, MetricValue};
use crate::store::tests::world::{metrics, model, model_alias, model_change, store_of, tries};

/// What is expected of the versions of one model.
#[derive(Debug, PartialEq, Eq, Default)]
struct Expected {
    stages: BTreeMap<NodeId, Stage>,
    production: Option<NodeId>,
    clashes: BTreeMap<NodeId, NodeId>,
    deleted: Vec<NodeId>,
    /// Who left production for another last of all that became of it, and when.
    displaced: BTreeMap<NodeId, Timestamp>,
    aliases: BTreeMap<String, NodeId>,
}

/// Goes through all statements on all models in order.
fn expected(facts: &[Fact]) -> BTreeMap<String, Expected> {
    let front = |fact: &Fact| {
        <[u8; 8]>::try_from(&Digest::of(&journal::encode(fact).unwrap()).as_bytes()[..8]).unwrap()
    };
    let mut models: HashMap<NodeId, ([u8; 8], ModelVersion)> = HashMap::new();
    for fact in facts {
        if let Fact::ModelRegistered(model) = fact {
            let known = models.entry(model.id).or_insert_with(|| (front(fact), model.clone()));
            let rank =
                |model: &ModelVersion| (model.taken.is_none(), model.taken.as_ref().map(|taken| taken.as_of));
            if (rank(model), front(fact)) > (rank(&known.1), known.0) {
                *known = (front(fact), model.clone());
            }
        }
    }
    let mut first: HashMap<(String, String), (Timestamp, NodeId)> = HashMap::new();
    type Act<'a> = (NodeId, Option<(&'a String, &'a ModelAct)>);
    let mut statements: BTreeMap<(Timestamp, [u8; 8]), Act<'_>> = BTreeMap::new();
    for (id, (digest, model)) in &models {
        let rank = (model.registered_at, *id);
        let place = first.entry((model.name.clone(), model.version.clone())).or_insert(rank);
        *place = rank.min(*place);
        statements.insert((model.as_of(), *digest), (*id, None));
    }
    for fact in facts {
        if let Fact::ModelChanged(change) = fact {
            statements.insert((change.at, front(fact)), (change.model, Some((&change.name, &change.act))));
        }
    }
    let mut found: BTreeMap<String, Expected> = BTreeMap::new();
    for ((at, _), (id, act)) in statements {
        let (named, act) = (act.map(|(named, _)| named), act.map(|(_, act)| act));
        let Some((_, model)) = models.get(&id) else { continue };
        if named.is_some_and(|named| !named.is_empty() && *named != model.name) {
            continue;
        }
        let of_name = found.entry(model.name.clone()).or_default();
        let holder = first[&(model.name.clone(), model.version.clone())].1;
        if holder != id {
            of_name.clashes.insert(id, holder);
        }
        of_name.stages.entry(id).or_insert(Stage::Archived);
        if of_name.deleted.contains(&id) {
            continue;
        }
        let stage = match act {
            None => model.stage,
            Some(ModelAct::Staged { stage, .. }) => *stage,
            Some(ModelAct::Deleted) => {
                of_name.deleted.push(id);
                Stage::Archived
            }
            Some(ModelAct::Edited(_)) => continue,
        };
        let stage = if stage == Stage::Production && holder != id { Stage::Archived } else { stage };
        of_name.displaced.remove(&id);
        if of_name.production == Some(id) {
            of_name.production = None;
        }
        if stage == Stage::Production {
            of_name.stages.extend(of_name.production.map(|before| (before, Stage::Archived)));
            of_name.displaced.extend(of_name.production.map(|before| (before, at)));
            of_name.production = Some(id);
        }
        of_name.stages.insert(id, stage);
    }
    found.values_mut().for_each(|of_name| of_name.deleted.sort());
    type Named<'a> = (&'a String, &'a String, Option<NodeId>);
    let mut aliases: BTreeMap<(Timestamp, [u8; 8]), Named<'_>> = BTreeMap::new();
    for fact in facts {
        if let Fact::ModelNamed(alias) = fact {
            aliases.insert((alias.at, front(fact)), (&alias.name, &alias.alias, alias.model));
        }
    }
    for (name, alias, id) in aliases.into_values() {
        let Some(of_name) = found.get_mut(name) else { continue };
        of_name.aliases.remove(alias);
        let known = id.filter(|id| models.get(id).is_some_and(|(_, model)| model.name == *name));
        of_name.aliases.extend(known.map(|id| (alias.clone(), id)));
    }
    for Expected { aliases, deleted, .. } in found.values_mut() {
        aliases.retain(|_, id| !deleted.contains(id));
    }
    found
}

/// Says when a version left production for another, where that is the last that became of it.
fn left_production(snapshot: &Snapshot, view: &ModelView) -> Option<Timestamp> {
    let (model, registered) = snapshot.model_with_order(view.model.id).unwrap().unwrap();
    let life = Life::of(registered, &model, &changes_of(snapshot, &model).unwrap());
    match life.staged {
        Some((order, true)) if view.is_current() && view.stage != Stage::Production => {
            displaced_at(snapshot, &model, order).unwrap()
        }
        _ => None,
    }
}

fn answered(snapshot: &Snapshot) -> BTreeMap<String, Expected> {
    let mut found = BTreeMap::new();
    for name in model_names(snapshot).unwrap() {
        let mut of_name = Expected {
            production: production(snapshot, &name).unwrap(),
            aliases: aliases(snapshot, &name).unwrap(),
            ..Expected::default()
        };
        for view in versions(snapshot, &name).unwrap() {
            let id = view.model.id;
            assert!(of_name.stages.insert(id, view.stage).is_none(), "each once");
            of_name.clashes.extend(view.clash_with.map(|other| (id, other)));
            let displaced = left_production(snapshot, &view);
            assert!(displaced.is_none_or(|at| at <= view.updated_at), "that it left is an update");
            of_name.displaced.extend(displaced.map(|at| (id, at)));
            of_name.deleted.extend(view.deleted.map(|_| id));
        }
        of_name.deleted.sort();
        // A name may stem from statements alone that do not count.
        if !of_name.stages.is_empty() {
            found.insert(name, of_name);
        }
    }
    found
}

/// Goes through the history that is told to people, and returns where it leaves every version.
fn told(snapshot: &Snapshot, name: &str) -> BTreeMap<NodeId, Stage> {
    let mut stages = BTreeMap::new();
    for entry in history(snapshot, name).unwrap() {
        let Some(id) = entry.model else { continue };
        let (to, displaced) = match entry.act {
            HistoryAct::Registered { stage, displaced } | HistoryAct::TakenOver { stage, displaced, .. } => {
                (stage, displaced)
            }
            HistoryAct::Staged { to, displaced, from } => {
                let before = stages.get(&id).copied().unwrap_or(Stage::Development);
                assert_eq!(from, before);
                (to, displaced)
            }
            HistoryAct::Deleted => (Stage::Archived, None),
            _ => continue,
        };
        match entry.void {
            Some(why) if why.contains("withdrawn") => {
                stages.entry(id).or_insert(Stage::Archived);
                continue;
            }
            Some(_) if to == Stage::Production => stages.insert(id, Stage::Archived),
            _ => stages.insert(id, to),
        };
        if let Some((other, _)) = displaced {
            assert_eq!(stages.insert(other, Stage::Archived), Some(Stage::Production));
        }
    }
    stages
}

fn facts() -> impl Strategy<Value = Vec<Fact>> {
    let fact = prop_oneof![3 => model(), 6 => model_change(), 1 => model_alias()];
    proptest::collection::vec(fact, 0..24)
}

proptest! {
    #![proptest_config(tries(128))]

    #[test]
    fn every_version_stands_where_all_statements_in_order_put_it_whatever_order_they_came_in(
        (facts, shuffled) in facts().prop_flat_map(|facts| (Just(facts.clone()), Just(facts).prop_shuffle())),
    ) {
        let (_place, snapshot) = store_of(&shuffled);
        let found = answered(&snapshot);
        prop_assert_eq!(&found, &expected(&facts));
        for (name, of_name) in &found {
            let in_production = of_name.stages.values().filter(|stage| **stage == Stage::Production).count();
            prop_assert!(in_production <= 1);
            prop_assert_eq!(in_production == 1, of_name.production.is_some());
            prop_assert_eq!(&told(&snapshot, name), &of_name.stages);
        }
    }

    #[test]
    fn the_latest_is_the_greatest_that_can_be_used(facts in facts()) {
        let (_place, snapshot) = store_of(&facts);
        for name in model_names(&snapshot).unwrap() {
            let views = versions(&snapshot, &name).unwrap();
            let usable: Vec<&ModelView> = views.iter().filter(|view| view.is_current()).collect();
            let released = usable.iter().find(|view| !view.model.version.contains('-'));
            let expected = released.or(usable.first()).map(|view| view.model.id);
            prop_assert_eq!(latest(&snapshot, &name).unwrap(), expected);
        }
    }

    #[test]
    fn the_best_is_the_same_whichever_way_is_gone(
        facts in facts(),
        points in proptest::collection::vec(metrics(), 0..4),
        first_bound in 1_usize..6,
        wanted in select(vec![Best::Greatest, Best::Smallest]),
    ) {
        let facts: Vec<Fact> = facts.into_iter().chain(points).collect();
        let (_place, snapshot) = store_of(&facts);
        for name in model_names(&snapshot).unwrap() {
            let mut expected: Option<(MetricValue, NodeId)> = None;
            // The greatest version comes first, and stays where another has the same value.
            for view in versions(&snapshot, &name).unwrap().into_iter().filter(ModelView::is_current) {
                let Some(value) = view.metrics.iter().find(|metric| metric.name == "f1").map(|f1| f1.value) else {
                    continue;
                };
                let is_better = |found: MetricValue| match wanted {
                    Best::Greatest => value > found,
                    Best::Smallest => value < found,
                };
                if expected.is_none_or(|(found, _)| is_better(found)) {
                    expected = Some((value, view.model.id));
                }
            }
            let id = |view: Option<ModelView>| view.map(|view| view.model.id);
            prop_assert_eq!(id(best(&snapshot, &name, "f1", wanted).unwrap()), expected.map(|(_, id)| id));
            if let Some(metric) = snapshot.metric_no("f1").unwrap() {
                let wanted = Wanted { name: &name, metric, best: wanted };
                let found = best_from(&snapshot, &wanted, first_bound).unwrap();
                prop_assert_eq!(id(found), expected.map(|(_, id)| id));
            }
        }
    }

    #[test]
    fn what_a_version_is_the_base_of_is_found_by_the_index(facts in facts()) {
        let (_place, snapshot) = store_of(&facts);
        for label in ["classifier@1.0.0", "classifier@1.1.0", "classifier@1.1.0-rc.1", "ranker@1.0.0", "ranker@2.0.0"] {
            let mut expected = snapshot.models().unwrap();
            let (name, version) = label.split_once('@').unwrap();
            expected.retain(|model| {
                model.base_model.as_deref() == Some(label)
                    || (model.name == name && model.promoted_from.as_deref() == Some(version))
            });
            let expected: Vec<NodeId> = expected.into_iter().map(|model| model.id).collect();
            prop_assert_eq!(snapshot.models_based_on(label).unwrap(), expected);
        }
    }
}
