//! Of two ways to the answers, a search costs no more than twice the cheaper one, and says which it went.

use crate::model::{Fact, Metric, MetricValue, ModelVersion, NodeId, Run, RunId, RunKind, Timestamp};
use crate::query::filter::{Explanation, Outside, Search, SearchRequest, Subject, search_models};
use crate::store::tests::world::store_of;

/// 300 versions of `common` with f1 from 0 to 299, and 100 of `rare` with f1 from `rare_from` on; every tenth has no f1.
fn facts(rare_from: i32) -> Vec<Fact> {
    let versions = |name: &'static str, count: u32, from: i32| {
        (0..count).map(move |number| {
            let key = u128::from(number) + if name == "rare" { 1_000 } else { 1 };
            let at = Timestamp::from_micros(i64::from(number));
            let mut model =
                ModelVersion::new(NodeId::from_u128(key << 64 | key), name, format!("{number}.0.0"), at);
            let value = f64::from(from) + f64::from(number);
            if number % 10 > 0 {
                model.metrics = vec![("f1".to_owned(), MetricValue::new(value).unwrap())];
            }
            Fact::ModelRegistered(model)
        })
    };
    versions("common", 300, 0).chain(versions("rare", 100, rare_from)).collect()
}

/// Asks for the best versions of `rare`; returns them and how they were found.
fn best(rare_from: i32, limit: usize) -> (Vec<String>, Explanation) {
    best_of(&facts(rare_from), "name = rare", limit)
}

/// Asks for the best versions that answer.
fn best_of(facts: &[Fact], filter: &str, limit: usize) -> (Vec<String>, Explanation) {
    let (_place, snapshot) = store_of(facts);
    let request = SearchRequest {
        filters: vec![filter.to_owned()],
        sort: vec!["-f1".to_owned()],
        limit,
        ..SearchRequest::default()
    };
    let search = Search::prepare(&snapshot, Subject::Models, &request, Timestamp::from_micros(0)).unwrap();
    let outside = Outside {
        is_at_work: &|_| Ok(true),
        contains: &|_, _| Ok(None),
        real_folders: &|_| Ok(Vec::new()),
        root: "",
    };
    let found = search_models(&snapshot, &search, &outside).unwrap();
    (found.rows.into_iter().map(|row| row.item.model.version).collect(), found.explanation)
}

#[test]
fn answers_at_the_top_are_found_in_order() {
    let (versions, how) = best(1_000, 3);
    assert_eq!(versions, ["99.0.0", "98.0.0", "97.0.0"]);
    assert!(how.ordered && how.after.is_none() && how.looked_at <= 4, "{how:?}");
}

#[test]
fn answers_far_down_are_found_elsewhere_before_that_is_the_cheaper_half() {
    let (versions, how) = best(-1_000, 3);
    assert_eq!(versions, ["99.0.0", "98.0.0", "97.0.0"]);
    assert_eq!((how.source.as_str(), how.source_rows, how.ordered), ("name = rare", Some(100), false));
    let all = "all with the metric they are sorted by".to_owned();
    assert_eq!(how.after, Some((all, 100)));
    assert_eq!(how.looked_at, 200);
}

#[test]
fn answers_that_are_spread_are_found_in_order_unless_that_is_dearer() {
    let (versions, how) = best(200, 3);
    assert_eq!(versions, ["99.0.0", "98.0.0", "97.0.0"]);
    assert!(how.ordered && how.looked_at <= 8, "{how:?}");
    // Ten have no f1: they come last. By then, all of `rare` is the cheaper way.
    let (versions, how) = best(200, 95);
    assert_eq!(versions.len(), 95);
    assert_eq!(versions[89], "1.0.0");
    assert!(versions[90..].iter().all(|version| version.ends_with("0.0.0")), "{versions:?}");
    assert!(how.looked_at <= 200, "{how:?}");
    assert_eq!(how.source, "name = rare");
}

#[test]
fn a_version_with_no_such_metric_of_its_own_is_found_by_what_its_run_measured() {
    let (at, run) = (Timestamp::from_micros(0), NodeId::from_u128(1));
    let started = Run::new(run, RunId::at(at), "r", RunKind::Library, at, 1);
    let value = MetricValue::new(0.5).unwrap();
    let measured = Metric { owner: run, name: "f1".to_owned(), step: 0, at, value };
    let model = ModelVersion::new(NodeId::from_u128(2), "m", "1.0.0".to_owned(), at);
    let model = ModelVersion { run: Some(run), ..model };
    let facts = [Fact::RunStarted(started), Fact::Metrics(vec![measured]), Fact::ModelRegistered(model)];
    for (filter, expected) in
        [("first(f1) = 0.5", &["1.0.0"][..]), ("first(f1) < 0.5", &[]), ("f1 = 0.5", &[])]
    {
        assert_eq!(best_of(&facts, filter, 3).0, expected, "{filter}");
    }
}
