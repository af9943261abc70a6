//! What is wrong with an expression is said where it is.

use crate::model::{Fact, Metric, MetricValue, NodeId, Timestamp};
use crate::query::filter::{Search, SearchRequest, Subject};
use crate::store::tests::world::{run, store_of};

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

/// Prepares a search over a store with the metrics `f1_score` and `val/loss` and the parameter `lr`; returns the error.
fn refused(expression: &str) -> Option<String> {
    let mut runner = TestRunner::deterministic();
    let Fact::RunStarted(mut run) = run().new_tree(&mut runner).unwrap().current() else { unreachable!() };
    run.parameters = vec![("lr".to_owned(), "0.1".to_owned())];
    let point = |name: &str| Metric {
        owner: NodeId::from_u128(1),
        name: name.to_owned(),
        step: 0,
        at: Timestamp::from_micros(0),
        value: MetricValue::new(0.5).unwrap(),
    };
    let metrics = Fact::Metrics(vec![point("f1_score"), point("val/loss"), point("eval.auc")]);
    let (_place, snapshot) = store_of(&[Fact::RunStarted(run), metrics]);
    let request =
        SearchRequest { filters: vec![expression.to_owned()], limit: 9, ..SearchRequest::default() };
    let now = Timestamp::from_micros(1_765_561_338_000_000);
    Search::prepare(&snapshot, Subject::Runs, &request, now).err().map(|error| {
        let hint = error.hint_text().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
        format!("{}{hint}", error.in_full())
    })
}

fn check(expression: &str, expected: &str) {
    assert_eq!(refused(expression).as_deref(), Some(expected), "{expression}");
}

#[test]
fn what_is_right_is_taken() {
    for expression in [
        "f1_score >= 0.8",
        "metric.\"val/loss\" < 1e-3 and min(\"val/loss\") > -2",
        "eval.auc > 0.5 or metric.eval.auc > 0.5",
        "NOT (f1_score == 0.8 OR f1_score != 1)",
        "started > now - 7d and ended < today and took <= 1.5h",
        "started = 2025-12-01T10:30:05+02:00",
        "run = e55a90bd and git.commit = 3e51234",
        "git.branch = feature/x".replace("feature/x", "\"feature/x\"").as_str(),
        "git.branch = v1.2-rc",
        "name in ('a', \"b\\\"c\", d)",
        "param.lr = 0.1 and has(param.lr) and not git.dirty",
        "trained_on('data/**') and code.contains(ea45dd2)",
    ] {
        assert_eq!(refused(expression), None, "{expression}");
    }
}

#[test]
fn names_that_are_not_known_are_met_with_what_was_meant() {
    check(
        "f1 >= 0.8",
        "unknown metric or field `f1`\n  f1 >= 0.8\n  ^^\nhint: did you mean `f1_score`? `lineage metrics` lists all metrics, `lineage log --help` all fields",
    );
    check(
        "git.dirty and min(val_loss) > 1",
        "unknown metric `val_loss`\n  git.dirty and min(val_loss) > 1\n                    ^^^^^^^^\nhint: did you mean `metric.\"val/loss\"`? `lineage metrics` lists all 3",
    );
    check("lr = 0.1", "unknown metric or field `lr`\n  lr = 0.1\n  ^^\nhint: did you mean `param.lr`?");
    check(
        "param.ler = 1",
        "no run has a parameter `ler`\n  param.ler = 1\n  ^^^^^^^^^\nhint: did you mean `param.lr`?",
    );
    check("use(\"a\")", "no `use(…)` gives a value\n  use(\"a\")\n  ^^^^^^^^\nhint: did you mean `used(…)`?");
}

#[test]
fn sorts_that_do_not_go_together_are_refused_where_they_meet() {
    check(
        "f1_score > \"0.8\"",
        "`f1_score` is a number, and `0.8` is none\n  f1_score > \"0.8\"\n             ^^^^^\nhint: such as `f1_score >= 0.8`",
    );
    check(
        "f1_score > NaN",
        "`f1_score` is a number, and `NaN` is none\n  f1_score > NaN\n             ^^^\nhint: such as `f1_score >= 0.8`",
    );
    check(
        "f1_score < 1e999",
        "`f1_score` is a number, and `1e999` is none\n  f1_score < 1e999\n             ^^^^^\nhint: such as `f1_score >= 0.8`",
    );
    check(
        "started > yesterday",
        "`started` is a moment, and `yesterday` is none\n  started > yesterday\n            ^^^^^^^^^\nhint: such as `started >= 2025-12-01` or `started > now - 7d`",
    );
    check(
        "status = sucess",
        "`status` is one of a few words, and `sucess` is none\n  status = sucess\n           ^^^^^^\nhint: `=` and `in` compare it with one of running, ok, failed, interrupted",
    );
    check(
        "f1_score",
        "a comparison is missing behind this field\n  f1_score\n  ^^^^^^^^\nhint: such as `f1_score >= 0.8`; `has(…)` asks whether there is a value",
    );
    check(
        "took ~ \"1*\"",
        "a pattern fits texts only, and this is a length of time\n  took ~ \"1*\"\n         ^^^^",
    );
    check(
        "name ~ \"[\"",
        "this is no pattern: unclosed character class; missing ']'\n  name ~ \"[\"\n         ^^^",
    );
    check(
        "run = zz",
        "`run` is the end of a run's key, compared by `=` and `in`, and `zz` is none\n  run = zz\n        ^^\nhint: such as `run = e55a90bd`",
    );
}

#[test]
fn what_breaks_off_is_said_where_it_does() {
    check("", "the expression is empty\n  \n  ^\nhint: such as `f1_score >= 0.8 and kind = command`");
    check("f1_score >=", "a value is missing here\n  f1_score >=\n             ^");
    check("(f1_score > 1", "`)` is missing here\n  (f1_score > 1\n               ^");
    check(
        "f1_score > 1 git.dirty",
        "`and` or `or` is missing here\n  f1_score > 1 git.dirty\n               ^^^^^^^^^"
            .replace("^^^^^^^^^", "^^^")
            .as_str(),
    );
    check("name = \"a", "a text has no end\n  name = \"a\n         ^\nhint: it ends with \", as it begins");
    check(
        "name in a",
        "`in` wants a list\n  name in a\n          ^\nhint: such as `stage in (staging, production)`",
    );
    check("and", "a field is wanted here, not `and`\n  and\n  ^^^");
}

#[test]
fn other_languages_are_met_with_ours() {
    let quoted = "`metric.\"val/loss\"`";
    check(
        "val/loss < 3",
        &format!(
            "`/` means nothing here\n  val/loss < 3\n     ^\nhint: such a name stands in quotes: {quoted}, `param.\"val/loss\"`"
        ),
    );
    check(
        "\"val/loss\" < 3",
        &format!(
            "a field is wanted here, not a text\n  \"val/loss\" < 3\n  ^^^^^^^^^^\nhint: {quoted} is the metric of that name, `param.\"val/loss\"` the parameter"
        ),
    );
    check(
        "name = a/b",
        "`/` means nothing here\n  name = a/b\n          ^\nhint: texts stand in quotes, as in `name = \"train\"`",
    );
    check(
        "name <> 'a'",
        "`<>` means nothing here\n  name <> 'a'\n       ^^\nhint: not equal is written `!=`",
    );
    check(
        "git.dirty && git.dirty",
        "`&&` means nothing here\n  git.dirty && git.dirty\n            ^^\nhint: write `and`",
    );
    check(
        "name LIKE 'a%'",
        "`like` means nothing here\n  name LIKE 'a%'\n       ^^^^\nhint: patterns are written as `name ~ \"train*\"`",
    );
    check(
        "name is null",
        "`is` means nothing here\n  name is null\n       ^^\nhint: `has(…)` and `not has(…)` ask whether there is a value",
    );
    check(
        "name = 'a'; drop table runs",
        "`;` means nothing here\n  name = 'a'; drop table runs\n            ^\nhint: one expression is taken, without `;`",
    );
}

#[test]
fn everything_has_a_bound_and_nothing_reaches_the_terminal_raw() {
    let deep = format!("{}git.dirty{}", "(".repeat(10_000), ")".repeat(10_000));
    assert!(refused(&deep).unwrap().starts_with("the expression has 20009 bytes; at most 16384 are taken"));
    let deep = format!("{}git.dirty{}", "(".repeat(1_000), ")".repeat(1_000));
    assert!(
        refused(&deep).unwrap().starts_with("parentheses and `not` stand more than 64 deep in one another\n")
    );
    let deep = format!("{}git.dirty", "not ".repeat(1_000));
    assert!(refused(&deep).unwrap().starts_with("parentheses and `not` stand more than 64 deep"));
    let list = format!("name in ({})", vec!["a"; 1_001].join(","));
    assert!(refused(&list).unwrap().starts_with("the list has more than 1000 values"));
    let pattern = format!("name ~ \"{}\"", "*".repeat(2_000));
    assert!(refused(&pattern).unwrap().starts_with("this is no pattern: the pattern has 2000 bytes"));
    let huge = "x".repeat(1 << 20);
    assert!(refused(&huge).unwrap().len() < 300);
    check(
        "name = \u{1b}[31m",
        "`\\u{1b}` means nothing here\n  name = �[31m\n         ^\nhint: texts stand in quotes, as in `name = \"train\"`",
    );
    let error = refused("\"\u{1b}[31m\u{202e}\" = 1").unwrap();
    assert!(!error.contains(['\u{1b}', '\u{202e}']), "{error:?}");
}
