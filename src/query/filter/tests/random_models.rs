//! The same for model versions: every answer equals that of a search that looks at every version, and that takes who learned
//! from a file from the walk down from it.

use std::iter;

use proptest::prelude::*;
use proptest::sample::select;

use super::plain::{field_of, fits, metric, sorted, with_all_names};
use super::random::{NOW, expression as of_runs};
use crate::error::Result;
use crate::model::{Evidence, Fact, NodeId};
use crate::query::filter::asking::Table;
use crate::query::filter::check::{Checked, FileRelation, check};
use crate::query::filter::fields::{Aggregate, Field, Subject};
use crate::query::filter::models::{ModelRow, Models};
use crate::query::filter::truth::{Row, Truth, decide};
use crate::query::filter::{Outside, Search, SearchRequest, Value, search_models};
use crate::query::registry::{learned_from, model_view};
use crate::query::{Start, downstream, other_names_of};
use crate::store::Snapshot;
use crate::store::tests::world::{artifacts, facts, metrics, model, model_change, run, store_of, tries};

fn expression() -> impl Strategy<Value = String> {
    let own = select(vec![
        "version >= 1.1.0-rc.1",
        "version = 1.0.0",
        "version in (1.0.0, \"1.1.0\")",
        "stage = production",
        "status = archived",
        "stage in (staging, development)",
        "stage != production",
        "created >= 1970-01-01",
        "tag.team = \"x\"",
        "has(tag.team)",
        "by = somebody",
        "trained_on(\"data/*\")",
        "trained_on(\"out/c\") and stage != archived",
        "trained_on(\"data/a\") or stage = production",
        "trained_on(\"**\")",
        "trained_on(\"**\", observed)",
        "trained_on(\"data/*\", declared)",
        "trained_on(\"out/*\", inferred)",
    ]);
    // What is asked of runs can be asked of model versions, but for what a run has become.
    let run = of_runs().prop_filter("no status", |text| !text.contains("status")).boxed();
    let own = own.prop_map(str::to_owned).boxed();
    prop_oneof![
        2 => own.clone(),
        2 => run.clone(),
        2 => (own.clone(), run.clone()).prop_map(|(a, b)| format!("{a} and ({b})")),
        1 => (own, run).prop_map(|(a, b)| format!("not ({a}) or {b}")),
    ]
}

fn sort() -> impl Strategy<Value = Vec<String>> {
    let fields = vec![
        "f1", "-f1", "-loss", "min(f1)", "version", "-version", "name", "stage", "-created", "run",
        "param.lr",
    ];
    prop::collection::vec(select(fields).prop_map(str::to_owned), 0..3)
}

fn world() -> impl Strategy<Value = Vec<Fact>> {
    let models = (prop::collection::vec(model(), 1..6), prop::collection::vec(model_change(), 0..4));
    let more = (prop::collection::vec(run(), 1..5), prop::collection::vec(metrics(), 1..3));
    (facts(), models, more).prop_map(|(facts, (models, changes), (runs, metrics))| {
        let mut facts = with_all_names(facts, runs, metrics);
        facts.extend(models.into_iter().chain(changes));
        facts
    })
}

/// A model version, looked at the long way.
struct Plain<'a> {
    models: &'a Models<'a>,
    row: ModelRow,
    checked: &'a Checked,
    outside: &'a Outside<'a>,
}

impl Row for Plain<'_> {
    fn value(&mut self, field: &Field) -> Result<Option<Value>> {
        match field {
            Field::Metric { name, aggregate, .. } => {
                let (snapshot, model) = (self.models.snapshot, &self.row.model);
                let run = match snapshot.run_of_model(model)? {
                    Some(number) => snapshot.run(number)?.map(|run| run.id),
                    None => None,
                };
                let has_points =
                    |run: &NodeId| snapshot.metrics(*run).unwrap().iter().any(|point| point.name == *name);
                let series = run.filter(|run| *aggregate != Aggregate::Last && has_points(run));
                metric(snapshot, series.unwrap_or(model.id), field)
            }
            _ => self.models.value(&self.row, field, self.outside),
        }
    }

    fn files(&mut self, question: usize) -> Result<Truth> {
        let snapshot = self.models.snapshot;
        let question = &self.checked.files[question];
        let model = &self.row.model;
        if question.relation == FileRelation::TrainedOn {
            return Ok(Some(
                learned_how(snapshot, model.id, &question.word)?.is_some_and(|e| e <= question.weakest),
            ));
        }
        let Some(run) = snapshot.run_of_model(model)? else {
            return Ok(None);
        };
        if snapshot.run(run)?.is_none() {
            return Ok(None);
        }
        for step in snapshot.steps_of(run)? {
            let step = snapshot.step(step)?.unwrap();
            let used = step.used.into_iter().map(|edge| edge.artifact);
            let generated = step.generated.into_iter().map(|edge| edge.artifact);
            let files: Vec<_> =
                if question.relation == FileRelation::Used { used.collect() } else { generated.collect() };
            if files.iter().any(|file| fits(&question.word, file)) {
                return Ok(Some(true));
            }
        }
        Ok(Some(false))
    }

    fn contains(&mut self, question: usize) -> Result<Truth> {
        match self.value(&Field::Fixed(crate::query::filter::fields::Fixed::Commit))? {
            Some(Value::Text(commit)) => (self.outside.contains)(question, &commit),
            _ => Ok(None),
        }
    }
}

/// Says how it is known that a version learned from files, by the walks down from each.
fn learned_how(snapshot: &Snapshot, model: NodeId, word: &str) -> Result<Option<Evidence>> {
    let mut surest = None;
    for artifact in artifacts().into_iter().filter(|artifact| fits(word, artifact)) {
        let Some(path) = snapshot.path_no(&artifact.path)? else { continue };
        let Some(number) = snapshot.artifact_no(path, &artifact.digest)? else { continue };
        let others = other_names_of(snapshot, number)?.into_iter().map(|other| (other, Evidence::Inferred));
        for (number, surest_of_name) in iter::once((number, Evidence::Observed)).chain(others) {
            let trace = downstream(snapshot, number, u32::MAX)?;
            let learned = learned_from(snapshot, Start::Files(&[number]), &trace, u32::MAX)?;
            let found = learned.into_iter().filter(|learned| learned.model == model);
            let found = found.map(|learned| learned.evidence.max(surest_of_name));
            surest = surest.into_iter().chain(found).min();
        }
    }
    Ok(surest)
}

fn plainly(snapshot: &Snapshot, request: &SearchRequest, outside: &Outside<'_>) -> Vec<NodeId> {
    let checked = check(snapshot, Subject::Models, &request.filters, NOW).unwrap().unwrap();
    let models = Models::new(snapshot);
    let order = if request.sort.is_empty() {
        vec!["name".to_owned(), "-version".to_owned()]
    } else {
        request.sort.clone()
    };
    let mut found = Vec::new();
    for model in snapshot.models().unwrap() {
        let id = model.id;
        if !model_view(snapshot, id).unwrap().unwrap().is_current() {
            continue;
        }
        let mut row =
            Plain { models: &models, row: models.read(id).unwrap().unwrap(), checked: &checked, outside };
        if decide(&checked.expr, &mut row).unwrap() != Some(true) {
            continue;
        }
        let values = order.iter().map(|word| row.value(&field_of(snapshot, Subject::Models, word)).unwrap());
        found.push((values.collect(), id));
    }
    let falling: Vec<bool> = order.iter().map(|word| word.starts_with('-')).collect();
    sorted(found, &falling)
}

proptest! {
    #![proptest_config(tries(150))]

    #[test]
    fn every_search_of_models_answers_as_one_that_looks_at_every_version(
        (facts, shuffled) in world().prop_flat_map(|facts| (Just(facts.clone()), Just(facts).prop_shuffle())),
        filter in expression(),
        sort in sort(),
        few in select(vec![0, 1, 64]),
        limit in select(vec![1, 2, usize::MAX]),
    ) {
        let contains = |_: usize, commit: &str| Ok(match &commit[..1] { "e" => Some(true), _ => None });
        let outside = Outside { is_at_work: &|_| Ok(true), contains: &contains, real_folders: &|_| Ok(Vec::new()), root: "" };
        let request = SearchRequest { filters: vec![filter.clone()], sort, limit, ..SearchRequest::default() };
        for facts in [facts, shuffled] {
            let (_place, snapshot) = store_of(&facts);
            let expected = plainly(&snapshot, &request, &outside);
            let mut search = Search::prepare(&snapshot, Subject::Models, &request, NOW).unwrap();
            search.few = few;
            let found = search_models(&snapshot, &search, &outside).unwrap();
            let ids: Vec<NodeId> = found.rows.iter().map(|row| row.item.model.id).collect();
            prop_assert_eq!(&ids[..], &expected[..expected.len().min(limit)], "{:?}", found.explanation);
            if let Some(word) = filter.strip_prefix("trained_on(\"").and_then(|rest| rest.strip_suffix("\")"))
                && !word.contains('"')
            {
                for row in &found.rows {
                    let how = learned_how(&snapshot, row.item.model.id, word).unwrap();
                    prop_assert_eq!(&row.evidence, &[how]);
                }
            }
            if let Some(more) = found.more {
                prop_assert_eq!(more, expected.len() > limit);
            }
        }
    }
}
