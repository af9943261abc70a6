//! Random expressions over random sets of facts: every answer equals that of a search that looks at every run, takes values from
//! the facts themselves, and knows no index.

use std::collections::HashSet;

use proptest::prelude::*;
use proptest::sample::select;

use super::plain::{field_of, fits, metric, sorted, with_all_names};
use crate::error::Result;
use crate::model::{Digest, Fact, NodeId, RunKind, TAG_FRONT, Timestamp};
use crate::query::filter::check::{Checked, FileRelation, check};
use crate::query::filter::fields::{Field, Subject};
use crate::query::filter::runs::fixed_value;
use crate::query::filter::syntax::parse;
use crate::query::filter::truth::{Row, Truth, decide};
use crate::query::filter::{Outside, Search, SearchRequest, Value, search_runs};
use crate::query::origin::Origin;
use crate::query::{RunView, other_names_of, run_view, upstream_of_steps};
use crate::store::tests::world::{CONTENTS, facts, metrics, run, store_of, tries};
use crate::store::{GO_ON, Snapshot};

pub(super) const NOW: Timestamp = Timestamp::from_micros(6);

fn atom() -> impl Strategy<Value = String> {
    let number = || select(vec!["-1", "-0.5", "0", "0.5", "1", "1e-1"]);
    let sign = || select(vec!["=", "!=", "<", "<=", ">", ">="]);
    let metric =
        || select(vec!["f1", "loss", "min(f1)", "max(loss)", "count(f1)", "first(loss)", "metric.\"f1\""]);
    let moment = || {
        let at = (0_u32..8).prop_map(|at| format!("1970-01-01T00:00:00.{at:06}Z"));
        prop_oneof![
            at,
            Just("now - 2us".to_owned()),
            Just("1970-01-01".to_owned()),
            Just("2020-01".to_owned())
        ]
    };
    let text = vec![
        "name = train",
        "name != \"train\"",
        "name ~ \"t*\"",
        "name in (train, segment)",
        "name not in (train, \"x\")",
        "name > \"t\"",
        "kind = command",
        "kind in (command, library)",
        "status = ok",
        "status in (failed, ok)",
        "status = running",
        "status != interrupted",
        "exit_code = 1",
        "exit_code > 0",
        "host = here",
        "by = anna",
        "by != anna",
        "has(by)",
        "host !~ \"*ere\"",
        "git.commit = ea45",
        "git.commit in (0123456, ea45dd2)",
        "git.branch = main",
        "git.dirty",
        "git.dirty = false",
        "param.lr = 0.1",
        "param.lr >= -2",
        "param.lr < 0.1 and param.lr > -3",
        "param.lr = \"high\"",
        "param.lr = \"0.1\"",
        "param.lr = true",
        "param.lr ~ \"h*\"",
        "param.\"odd name\" = 0",
        "param.seed in (0, \"high\", -2)",
        "run = 00010001",
        "run in (00020002, 00030003)",
        "run_id = 19700101_000001",
        "took > 1us",
        "ended >= 1970-01-01",
        "code.contains(ea45dd2)",
        "has(rerun_of)",
        "rerun_of = 00010001",
        "has(parent)",
        "parent = 00010001",
        "parent in (00010001, 00020002)",
        "has(f1)",
        "has(count(loss))",
        "has(param.lr)",
        "has(git.branch)",
        "command ~ \"py*\"",
        "reason = \"x\"",
        "tag.team = yes",
        "tag.team in (yes, \"high\")",
        "tag.team >= 1",
        "tag.team != 2",
        "has(tag.risk)",
        "param.\"tag.team\" = 2",
    ];
    let files = select(vec![
        "data/a",
        "data/*",
        "out/c",
        "/srv/d",
        "**",
        "*",
        "{data,out}/[ac]",
        "not/there",
        "CONTENT",
    ]);
    let relation = select(vec!["used", "generated", "trained_on"]);
    prop_oneof![
        4 => (metric(), sign(), number()).prop_map(|(a, b, c)| format!("{a} {b} {c}")),
        1 => (metric(), number(), number()).prop_map(|(a, b, c)| format!("{a} in ({b}, {c})")),
        2 => (select(vec!["started", "created", "ended"]), sign(), moment()).prop_map(|(a, b, c)| format!("{a} {b} {c}")),
        8 => select(text).prop_map(str::to_owned),
        3 => (relation, files).prop_map(|(relation, files)| {
            let files = files.replace("CONTENT", &Digest::of(CONTENTS[1].as_bytes()).to_string());
            format!("{relation}(\"{files}\")")
        }),
    ]
}

pub(super) fn expression() -> impl Strategy<Value = String> {
    atom().prop_recursive(4, 24, 4, |inner| {
        let parts = || prop::collection::vec(inner.clone(), 1..4);
        prop_oneof![
            3 => parts().prop_map(|parts| format!("({})", parts.join(" and "))),
            2 => parts().prop_map(|parts| format!("({})", parts.join(" OR "))),
            1 => inner.clone().prop_map(|inner| format!("not {inner}")),
        ]
    })
}

fn sort() -> impl Strategy<Value = Vec<String>> {
    let fields = vec![
        "f1",
        "-f1",
        "loss",
        "-max(loss)",
        "min(f1)",
        "count(f1)",
        "started",
        "-started",
        "name",
        "-param.lr",
        "took",
        "exit_code",
        "git.dirty",
        "-tag.team",
    ];
    prop::collection::vec(select(fields).prop_map(str::to_owned), 0..3)
}

/// Facts in which every name occurs that an expression may have.
fn world() -> impl Strategy<Value = Vec<Fact>> {
    let more = (prop::collection::vec(run(), 1..5), prop::collection::vec(metrics(), 1..4));
    (facts(), more).prop_map(|(facts, (runs, metrics))| with_all_names(facts, runs, metrics))
}

/// A run, looked at the long way.
struct Plain<'a> {
    snapshot: &'a Snapshot,
    view: RunView,
    checked: &'a Checked,
    outside: &'a Outside<'a>,
}

impl Plain<'_> {
    /// What programs in a run of a command said of a parameter, each value once.
    fn said(&self, field: &Field) -> Vec<String> {
        let mut values = Vec::new();
        let Field::Parameter(name) = field else { return values };
        if self.view.run.kind != RunKind::Command || name.starts_with(TAG_FRONT) {
            return values;
        }
        for said in self.snapshot.said_parameters(self.view.number).unwrap() {
            for (known, value) in said.parameters {
                if known == *name && !values.contains(&value) {
                    values.push(value);
                }
            }
        }
        values
    }
}

impl Row for Plain<'_> {
    fn value(&mut self, field: &Field) -> Result<Option<Value>> {
        Ok(match field {
            Field::Metric { .. } => metric(self.snapshot, self.view.run.id, field)?,
            // A parameter that is called as a tag is the tag.
            Field::Parameter(name) if name.starts_with(TAG_FRONT) => {
                self.value(&Field::Tag(name[TAG_FRONT.len()..].to_owned()))?
            }
            Field::Parameter(_) if self.said(field).len() > 1 => {
                Some(Value::Text(self.said(field).join(", ")))
            }
            Field::Parameter(name) => {
                let given = self.view.run.parameters.iter().rev().find(|(known, _)| known == name);
                given.map(|(_, value)| Value::Text(value.clone()))
            }
            Field::Fixed(fixed) => fixed_value(&self.view, *fixed, self.outside)?,
            Field::Tag(name) => {
                let given = self.snapshot.run_tags(self.view.number)?.into_iter();
                let given = given.flat_map(|given| given.tags).rfind(|(known, _)| known == name);
                let front = format!("{TAG_FRONT}{name}");
                let told = self.view.run.parameters.iter().rev().find(|(known, _)| *known == front);
                given.or(told.cloned()).map(|(_, value)| Value::Text(value))
            }
        })
    }

    fn values(&mut self, field: &Field) -> Result<Vec<Value>> {
        match self.said(field) {
            said if said.len() > 1 => Ok(said.into_iter().map(Value::Text).collect()),
            _ => Ok(self.value(field)?.into_iter().collect()),
        }
    }

    fn files(&mut self, question: usize) -> Result<Truth> {
        let question = &self.checked.files[question];
        let steps = self.snapshot.steps_of(self.view.number)?;
        let mut files = Vec::new();
        if question.relation == FileRelation::TrainedOn {
            for step in upstream_of_steps(self.snapshot, &steps, u32::MAX)?.steps {
                for edge in step.used {
                    files.push(self.snapshot.artifact(edge.artifact)?);
                    for other in other_names_of(self.snapshot, edge.artifact)? {
                        files.push(self.snapshot.artifact(other)?);
                    }
                    if let Some(Origin::Copied(write)) = edge.origin {
                        files.push(self.snapshot.artifact(write.artifact)?);
                    }
                }
            }
        } else {
            for step in steps {
                let step = self.snapshot.step(step)?.unwrap();
                match question.relation {
                    FileRelation::Used => files.extend(step.used.into_iter().map(|edge| edge.artifact)),
                    _ => files.extend(step.generated.into_iter().map(|edge| edge.artifact)),
                }
            }
        }
        Ok(Some(files.iter().any(|file| fits(&question.word, file))))
    }

    fn contains(&mut self, question: usize) -> Result<Truth> {
        match &self.view.run.code.commit {
            Some(commit) => (self.outside.contains)(question, commit),
            None => Ok(None),
        }
    }
}

/// Returns the keys of all runs that answer, in order.
fn plainly(snapshot: &Snapshot, request: &SearchRequest, outside: &Outside<'_>) -> Vec<NodeId> {
    let parts: Vec<String> = request.filters.iter().map(|part| format!("({part})")).collect();
    let checked = check(snapshot, Subject::Runs, &[parts.join(" and ")], NOW).unwrap().unwrap();
    let asks_for_repetitions = request.filters.iter().any(|part| part.contains("rerun_of"));
    let mut found = Vec::new();
    let mut views = Vec::new();
    snapshot
        .runs_newest_first(|number| {
            views.push(run_view(snapshot, number)?.unwrap());
            Ok(GO_ON)
        })
        .unwrap();
    for view in views {
        let id = view.run.id;
        // A repetition answers who asks for repetitions.
        let is_listed = request.all || asks_for_repetitions || view.run.rerun_of.is_none();
        let mut row = Plain { snapshot, view, checked: &checked, outside };
        if is_listed && decide(&checked.expr, &mut row).unwrap() == Some(true) {
            let sort =
                request.sort.iter().map(|word| row.value(&field_of(snapshot, Subject::Runs, word)).unwrap());
            let mut values: Vec<Option<Value>> = sort.collect();
            values.push(Some(Value::Moment(row.view.run.started_at)));
            found.push((values, id));
        }
    }
    if request.sort.is_empty() {
        return sorted(found, &[true]);
    }
    let falling: Vec<bool> = request.sort.iter().map(|word| word.starts_with('-')).collect();
    sorted(found, &falling)
}

proptest! {
    #![proptest_config(tries(150))]

    #[test]
    fn every_search_answers_as_one_that_looks_at_every_run(
        (facts, shuffled) in world().prop_flat_map(|facts| (Just(facts.clone()), Just(facts).prop_shuffle())),
        filters in proptest::collection::vec(expression(), 1..3),
        sort in sort(),
        few in select(vec![0, 1, 64]),
        alive in any::<bool>(),
        limit in select(vec![1, 2, 3, usize::MAX]),
        all in any::<bool>(),
    ) {
        let contains = |_: usize, commit: &str| Ok(match &commit[..1] { "e" => Some(true), _ => None });
        let outside = Outside { is_at_work: &|_| Ok(alive), contains: &contains, real_folders: &|_| Ok(Vec::new()), root: "" };
        let request = SearchRequest { filters, sort, columns: Vec::new(), limit, all };
        let mut answers = HashSet::new();
        for facts in [facts, shuffled] {
            let (_place, snapshot) = store_of(&facts);
            let expected = plainly(&snapshot, &request, &outside);
            let mut search = Search::prepare(&snapshot, Subject::Runs, &request, NOW).unwrap();
            search.few = few;
            let found = search_runs(&snapshot, &search, &outside).unwrap();
            let ids: Vec<NodeId> = found.rows.iter().map(|row| row.item.run.id).collect();
            prop_assert_eq!(&ids[..], &expected[..expected.len().min(limit)], "{:?}", found.explanation);
            if let Some(more) = found.more {
                prop_assert_eq!(more, expected.len() > limit);
            }
            answers.insert(ids);
        }
        prop_assert_eq!(answers.len(), 1, "the order of arrival changed the answer");
    }

    #[test]
    fn no_text_makes_the_reader_of_expressions_fail(text in "\\PC{0,60}", signs in "[()a-z0-9.=<>~\"' ,-]{0,80}") {
        for text in [text, signs] {
            let _ = parse(&text);
        }
    }
}
