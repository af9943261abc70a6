//! What people type first, and what they are told then.

mod common;

use common::Place;

#[test]
fn metrics_and_parameters_are_taken_in_one_word_as_well() {
    let place = Place::empty();
    let program = env!("CARGO_BIN_EXE_lineage");
    let script = format!(
        "{program} metric f1=0.5; {program} metric loss -0.25 --step 2; {program} metric a=b 1; {program} param lr=1e-3"
    );
    place.shell(&script);
    let run = &place.json(&["show", "@"])["run"];
    assert_eq!(run["parameters"], serde_json::json!([{"name": "lr", "value": "1e-3"}]), "{run}");
    let metrics = place.json(&["metrics", "@"]);
    for name in ["f1", "loss", "a=b"] {
        assert!(metrics.to_string().contains(&format!("\"{name}\"")), "{metrics}");
    }
    for (words, said) in [
        (["metric", "f1"], "NAME=VALUE"),
        (["metric", "f1=high"], "is no number"),
        (["param", "lr"], "has no value"),
    ] {
        let (code, text) = place.refused(&words);
        assert!(code == 2 && text.contains(said), "{text}");
    }
}

#[test]
fn a_word_of_other_tools_leads_to_ours() {
    let place = Place::empty();
    place.ok(&["init"]);
    for (words, said) in [
        (&["runs"][..], "`lineage log`"),
        (&["list"], "`lineage log`"),
        (&["history", "m"], "`lineage log FILE`"),
        (&["promote", "m@1.0.0"], "`lineage models promote"),
        (&["models", "list"], "`lineage models`"),
        (&["models", "rm", "m@1.0.0"], "`lineage models delete"),
    ] {
        let (code, text) = place.refused(words);
        assert!(code == 2 && text.contains(said), "{words:?}: {text}");
        assert!(!text.contains("similar subcommand"), "{text}");
    }
}

#[test]
fn an_artifact_without_a_name_is_told_of_the_shape_it_wants() {
    let place = Place::empty();
    place.ok(&["init"]);
    place.write("out/m.pkl", b"1");
    let (code, text) = place.refused(&["register", "m", "1.0.0", "--artifact", "out/m.pkl"]);
    assert!(code == 2 && text.contains("--artifact model=out/m.pkl"), "{text}");
}

#[test]
fn a_folder_of_inputs_is_told_of_the_question_that_is_meant() {
    let place = Place::empty();
    place.ok(&["init"]);
    place.write("data/x", b"1");
    place.write("data/unread", b"1");
    place.shell("cat data/x > o");
    let (code, text) = place.refused(&["show", "data", "--down"]);
    assert!(code == 2 && text.contains("`lineage show data/x --down`"), "{text}");
}
