//! `lineage export` with the program itself; each format is read by a program of its own ecosystem, where Python has it.

mod common;

use std::collections::BTreeMap;
use std::fs;

use common::{Place, python_with, validated};
use serde_json::Value;

/// A pipeline run, a command with metrics and parameters, one with hostile names, one that failed, and one that runs while it is
/// exported, into `live.ndjson`.
fn place() -> Option<Place> {
    let place = Place::new()?;
    place.ok(&["pipeline", "--quiet", "--run-name", "demo"]);
    let metrics = "echo '{\"name\": \"loss\", \"value\": 0.5, \"step\": 3}' >> \"$LINEAGE_METRICS\"; cat data/raw/* > all";
    let parameters = ["--param", "seed=42", "--param", "note=a|\"b\""];
    place.ok(&[&["run", "--name", "train"], &parameters[..], &["--", "sh", "-c", metrics]].concat());
    let hostile = "printf x > \"$(printf 'a\\033[31m \\377\\n%%41|<b>.txt')\"; cat a* > 'C:\\..\\x\"y.txt'";
    place.ok(&["run", "--name", "hostile", "--", "sh", "-c", hostile]);
    let failing = place.run(&["run", "--name", "failing", "--", "sh", "-c", "echo y > partial; exit 3"]);
    assert_eq!(failing.code, 3);
    let program = env!("CARGO_BIN_EXE_lineage");
    let live = ["export", "--format", "openlineage", "--out", "live.ndjson"];
    place.ok(&[&["run", "--name", "live", "--", program], &live[..]].concat());
    Some(place)
}

fn events(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The kinds of the events of each job, in order.
fn kinds(events: &[Value]) -> BTreeMap<&str, Vec<&str>> {
    let mut kinds: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for event in events {
        let name = event["job"]["name"].as_str().unwrap();
        kinds.entry(name).or_default().push(event["eventType"].as_str().unwrap());
    }
    kinds
}

#[test]
fn openlineage_has_one_start_and_one_terminal_event_for_each_run() {
    let Some(place) = place() else { return };
    let live = events(&String::from_utf8(place.read("live.ndjson")).unwrap());
    assert_eq!(kinds(&live)["live"], ["START"]);
    let text = place.ok(&["export", "--format", "openlineage", "--namespace", "here"]).stdout;
    let events = events(&text);
    let kinds = kinds(&events);
    for (name, end) in
        [("demo", "COMPLETE"), ("train", "COMPLETE"), ("failing", "FAIL"), ("live", "COMPLETE")]
    {
        assert_eq!(kinds[name], ["START", end], "{name}");
    }
    let train = events.iter().find(|e| e["job"]["name"] == "train" && e["eventType"] == "COMPLETE").unwrap();
    let facets = &train["run"]["facets"];
    assert_eq!(facets["lineage_metrics"]["points"][0]["value"], 0.5);
    assert_eq!(facets["executionParameters"]["parameters"][0]["key"], "seed");
    let has = |side: &str, name: &str| {
        let name = place.root().join(name);
        let is_it = |file: &Value| file["name"].as_str() == name.to_str() && file["namespace"] == "file";
        train[side].as_array().unwrap().iter().any(is_it)
    };
    assert!(has("outputs", "all") && has("inputs", "data/raw/NORDWIND_10-K_2023.txt"), "{train}");
    let failing = events.iter().find(|e| e["eventType"] == "FAIL").unwrap();
    assert!(failing["run"]["facets"]["errorMessage"]["message"].is_string());
    assert_eq!(place.ok(&["export", "--format", "openlineage", "--namespace", "here"]).stdout, text);
    let one = place.ok(&["export", "--format", "openlineage", "@"]).stdout;
    assert_eq!(one.lines().count(), 2);
    if let Some(python) = python_with(&["openlineage.client.generated"]) {
        let file = place.at("events.ndjson");
        fs::write(&file, &text).unwrap();
        let said = validated(&python, "run_events.py", &[&file]);
        assert_eq!(said.lines().count(), events.len());
    }
}

#[test]
fn prov_json_is_read_by_the_prov_package() {
    let Some(place) = place() else { return };
    let text = place.ok(&["export", "--format", "prov-json"]).stdout;
    let document: Value = serde_json::from_str(&text).unwrap();
    let count = |section: &str| document[section].as_object().map_or(0, serde_json::Map::len);
    // The program, and who started it.
    assert_eq!(count("agent"), 2);
    assert_eq!(count("wasAssociatedWith"), 10);
    assert!(count("entity") > 10 && count("used") > 10 && count("wasGeneratedBy") > 10);
    let names: Vec<&String> = document["entity"].as_object().unwrap().keys().collect();
    assert!(names.iter().any(|name| name.contains(":a%1B%5B31m%20%FF%0A%2541%7C%3Cb%3E.txt")), "{names:?}");
    if let Some(python) = python_with(&["prov.model"]) {
        let file = place.at("prov.json");
        fs::write(&file, &text).unwrap();
        let said = validated(&python, "prov_json.py", &[&file]);
        let sections = [
            ("entity", "entity"),
            ("activity", "activity"),
            ("used", "used"),
            ("generated", "wasGeneratedBy"),
        ];
        for (word, section) in sections {
            assert!(said.contains(&format!("{word} {}\n", count(section))), "{said}");
        }
    }
}

#[test]
fn no_export_says_that_a_file_is_made_from_what_was_only_carried() {
    let place = Place::empty().with_real_clock();
    for name in ["d1", "d2"] {
        place.write(name, format!("the data of {name}\n").as_bytes());
    }
    place.ok(&["run", "-q", "--", "sh", "-c", "read d < d1; echo \"$d\" > state"]);
    if !place.was_observed() {
        return;
    }
    // A training that goes on from a checkpoint, or notes itself in a table.
    let train = "read s < state; read d < d2; echo \"$s, $d\" > state; echo \"net $d\" > net";
    place.ok(&["run", "-q", "--name", "train", "--", "sh", "-c", train]);
    let text = place.ok(&["export", "--format", "prov-json"]).stdout;
    let document: Value = serde_json::from_str(&text).unwrap();
    let section = |name: &str| document[name].as_object().unwrap().values().collect::<Vec<_>>();
    let [derived] = section("wasDerivedFrom")[..] else { panic!("{text}") };
    assert_eq!(derived["prov:type"]["$"], "prov:Revision");
    for side in ["prov:generatedEntity", "prov:usedEntity"] {
        assert!(derived[side].as_str().unwrap().ends_with(":state"), "{derived}");
    }
    let used = section("used");
    let written_on: Vec<_> = used.iter().filter(|edge| edge["lineage:writtenOn"] == true).collect();
    assert_eq!(written_on.len(), 1);
    assert_eq!(written_on[0]["prov:entity"], derived["prov:usedEntity"]);
    let text = place.ok(&["export", "--format", "openlineage"]).stdout;
    let events = events(&text);
    let is_train = |event: &&Value| event["job"]["name"] == "train" && event["eventType"] == "COMPLETE";
    let inputs = events.iter().find(is_train).unwrap()["inputs"].as_array().unwrap();
    let went_into = |input: &Value| input["facets"]["lineage_writtenOn"]["wentInto"].clone();
    let written_on: Vec<Value> = inputs.iter().map(went_into).filter(|outputs| !outputs.is_null()).collect();
    let state = place.at("state");
    assert_eq!(
        written_on,
        [serde_json::json!([{ "namespace": "file", "name": state.to_str() }])],
        "{inputs:#?}"
    );
    place.ok(&["export", "--format", "csv", "--out", "csv"]);
    let edges = String::from_utf8(place.read("csv/edges.csv")).unwrap();
    let written_on: Vec<&str> = edges.lines().filter(|row| row.ends_with(",true")).collect();
    assert!(matches!(written_on[..], [row] if row.contains(",used,state,")), "{edges}");
    place.ok(&["export", "--format", "ro-crate", "--out", "crate"]);
    let crated: Value = serde_json::from_slice(&place.read("crate/ro-crate-metadata.json")).unwrap();
    let graph = crated["@graph"].as_array().unwrap();
    let based: Vec<&Value> = graph.iter().filter(|entity| !entity["isBasedOn"].is_null()).collect();
    assert!(matches!(based[..], [file] if file["alternateName"] == "state"), "{based:?}");
    let origin = graph.iter().find(|entity| entity["@id"] == based[0]["isBasedOn"][0]["@id"]).unwrap();
    assert_eq!(origin["alternateName"], "state");
    for (module, script, name, bytes) in [
        ("prov.model", "prov_json.py", "prov.json", document.to_string()),
        ("openlineage.client.generated", "run_events.py", "events.ndjson", text),
    ] {
        if let Some(python) = python_with(&[module]) {
            fs::write(place.at(name), &bytes).unwrap();
            validated(&python, script, &[&place.at(name)]);
        }
    }
    if let Some(python) = python_with(&["rocrate"]) {
        validated(&python, "ro_crate.py", &[&place.at("crate")]);
    }
}

#[test]
fn parquet_tables_are_read_by_duckdb() {
    let Some(place) = place() else { return };
    let answer = place.ok(&["export", "--format", "parquet", "--out", "tables"]);
    assert!(answer.stdout.is_empty() && answer.stderr.starts_with("wrote 5 runs to "), "{answer:?}");
    let entries = fs::read_dir(place.at("tables")).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let tables = [
        "aliases",
        "artifacts",
        "edges",
        "links",
        "metrics",
        "model_changes",
        "models",
        "note_findings",
        "note_references",
        "notes",
        "outcomes",
        "overwritten",
        "parameters",
        "remarks",
        "repositories",
        "runs",
        "steps",
        "tags",
    ];
    assert_eq!(names, tables.map(|table| format!("{table}.parquet")));
    if let Some(python) = python_with(&["duckdb"]) {
        let said = validated(&python, "parquet.py", &[&place.at("tables")]);
        for line in ["runs 5\n", "run train ok ended\n", "run failing failed ended\n", "metric loss 0.5\n"] {
            assert!(said.contains(line), "{said}");
        }
    }
}

/// A workspace with a model version that was promoted, described, named and withdrawn, and with documents.
fn with_models_and_notes() -> Place {
    let place = Place::empty();
    place.ok(&["init", "."]);
    place.write("m.bin", b"model\n");
    place.write("docs/a.md", b"---\ntopic: A, \"b\"\ntags: [x]\n---\n[gone](nowhere.md)\n");
    place.write("docs/b.md", b"# B\n");
    for arguments in [
        ["register", "risk", "1.0.0", "--artifact", "model=m.bin", "--metric", "f1=0.5", "--tag", "team=a"]
            .as_slice(),
        &["models", "promote", "risk@1.0.0", "--to", "staging", "--reason", "=1+1"],
        &["models", "describe", "risk@1.0.0", "--description", "new", "--untag", "team"],
        &["models", "alias", "risk@1.0.0", "champion"],
        &["models", "alias", "risk", "champion", "--remove"],
        &["models", "delete", "risk@1.0.0", "--reason", "old"],
    ] {
        place.ok(arguments);
    }
    place.run(&["research", "docs"]);
    fs::remove_file(place.at("docs/b.md")).unwrap();
    place.run(&["research", "docs"]);
    place
}

#[test]
fn models_documents_and_tags_have_tables_in_csv_and_parquet_and_lines_in_the_backup() {
    let place = with_models_and_notes();
    let csv = place.json(&["export", "--format", "csv", "--out", "csv"]);
    let parquet = place.json(&["export", "--format", "parquet", "--out", "parquet"]);
    let rows = |written: &Value| {
        let tables = written["tables"].as_array().unwrap().iter();
        let row = |table: &Value| {
            let name = table["file"].as_str().unwrap().split('.').next().unwrap().to_owned();
            (name, table["rows"].as_u64().unwrap())
        };
        tables.map(row).collect::<BTreeMap<String, u64>>()
    };
    let (csv, parquet) = (rows(&csv), rows(&parquet));
    for (table, expected) in [
        ("models", 1),
        ("model_changes", 3),
        ("aliases", 2),
        ("tags", 1),
        ("notes", 3),
        ("note_references", 1),
        ("metrics", 1),
    ] {
        assert_eq!((csv[table], parquet[table]), (expected, expected), "{table}");
        let text = String::from_utf8(place.read(&format!("csv/{table}.csv"))).unwrap();
        assert_eq!(text.matches("\r\n").count() as u64, expected + 1, "{text}");
    }
    assert_eq!(csv["note_findings"], parquet["note_findings"]);
    let changes = String::from_utf8(place.read("csv/model_changes.csv")).unwrap();
    assert!(changes.contains(",staged,staging,,,,,,'=1+1\r\n"), "{changes}");
    if let Some(python) = python_with(&["duckdb"]) {
        let said = validated(&python, "parquet.py", &[&place.at("parquet")]);
        for line in ["model risk 1.0.0 archived deleted\n", "note docs/b.md gone\n", "alias champion None\n"]
        {
            assert!(said.contains(line), "{said}");
        }
    }
    let backup = place.ok(&["export", "--format", "jsonl"]).stdout;
    assert!(!backup.contains("\"record\""), "{backup}");
    assert!(!backup.contains("{\"metrics\""), "those of a registration are no facts of their own: {backup}");
    for words in [
        "{\"model_registered\":{",
        "\"act\":{\"staged\":{\"stage\":\"staging\",\"displaced\":null}}",
        "\"act\":{\"deleted\":{}}",
        "{\"model_named\":{",
        "\"topic\":\"A, \\\"b\\\"\"",
        "{\"note_gone\":{\"path\":\"docs/b.md\"",
    ] {
        assert!(backup.contains(words), "{words}: {backup}");
    }
    let other = Place::empty();
    other.write("b.jsonl", backup.as_bytes());
    other.ok(&["import", "--format", "jsonl", "b.jsonl"]);
    assert_eq!(other.ok(&["export", "--format", "jsonl"]).stdout, backup);
}

/// The columns that are published, in the order of CSV. What is renamed, moved or retyped here breaks what others have built.
const PUBLISHED: &[(&str, &str)] = &[
    (
        "runs",
        "run:text run_id:text name:text kind:text started_at:time command:text folder:text commit:text branch:text \
         dirty:truth host:text status:text exit_code:whole reason:text ended_at:time arguments:text parameters:text \
         parent:text recorder:text rerun_of:text by:text",
    ),
    ("outcomes", "run:text at:time status:text exit_code:whole reason:text"),
    (
        "steps",
        "step:text run:text name:text subject:text status:text reason:text started_at:time ended_at:time \
         cached_from:text parameters:text key:text",
    ),
    (
        "edges",
        "step:text run:text direction:text path:text digest:text size_bytes:whole at:time evidence:text role:text \
         written_on:truth",
    ),
    ("artifacts", "path:text digest:text size_bytes:whole path_percent_encoded:text"),
    ("metrics", "owner:text name:text step:whole at:time value:real of:text"),
    ("parameters", "owner:text name:text value:text of:text"),
    ("remarks", "run:text at:time kind:text text:text count:whole"),
    (
        "models",
        "model:text name:text version:text run:text created_at:time stage:text description:text tags:text file:text \
         path:text digest:text size_bytes:whole registered_at:time by:text model_type:text base_model:text commit:text \
         dirty:truth branch:text notes:text training_config:text dataset_info:text deleted_at:time",
    ),
    (
        "model_changes",
        "change:text model:text name:text at:time by:text act:text stage:text displaced:text description:text \
         notes:text tags_set:text tags_removed:text reason:text",
    ),
    ("aliases", "id:text name:text alias:text model:text at:time by:text"),
    ("tags", "owner:text of:text at:time name:text value:text"),
    (
        "notes",
        "note:text path:text state:text at:time digest:text size_bytes:whole folder:text date:text topic:text \
         status:text status_written:text tags:text author:text commit:text fields:text",
    ),
    ("note_references", "note:text path:text sort:text name:text given_by:text missing:truth"),
    ("note_findings", "note:text path:text fault:truth sort:text text:text"),
    ("repositories", "run:text at:time root:text commit:text branch:text dirty:truth"),
    ("overwritten", "path:text digest:text size_bytes:whole at:time command:text"),
    ("links", "path:text digest:text text:text"),
];

/// Reads the names and types of a Parquet file's columns, and how many rows it has.
fn columns_and_rows(path: &std::path::Path) -> (String, i64) {
    use parquet::basic::{LogicalType, Type as Physical};
    use parquet::file::reader::{FileReader, SerializedFileReader};
    let file = SerializedFileReader::new(fs::File::open(path).unwrap()).unwrap();
    let metadata = file.metadata().file_metadata();
    let columns = metadata.schema_descr().columns().iter().map(|column| {
        let kind = match (column.physical_type(), column.logical_type_ref()) {
            (Physical::BYTE_ARRAY, Some(LogicalType::String)) => "text",
            (Physical::INT64, None) => "whole",
            (Physical::INT64, Some(LogicalType::Timestamp { .. })) => "time",
            (Physical::DOUBLE, None) => "real",
            (Physical::BOOLEAN, None) => "truth",
            other => panic!("{other:?}"),
        };
        format!("{}:{kind}", column.name())
    });
    (columns.collect::<Vec<_>>().join(" "), metadata.num_rows())
}

#[test]
fn csv_and_parquet_have_the_same_rows_in_the_columns_that_are_published() {
    let place = with_models_and_notes();
    place.run(&["run", "--quiet", "--param", "lr=0.1", "--", "sh", "-c", "cat m.bin > n.bin; exit 3"]);
    place.ok(&["export", "--format", "csv", "--out", "csv"]);
    place.ok(&["export", "--format", "parquet", "--out", "parquet"]);
    for (table, published) in PUBLISHED {
        let (columns, rows) = columns_and_rows(&place.at(&format!("parquet/{table}.parquet")));
        assert_eq!(&columns, published, "{table}");
        let text = String::from_utf8(place.read(&format!("csv/{table}.csv"))).unwrap();
        let names = published.split(' ').map(|column| column.split(':').next().unwrap());
        let mut header = names.collect::<Vec<_>>().join(",");
        if matches!(*table, "runs" | "steps") {
            header = format!("id{}", &header[header.find(',').unwrap()..]);
        }
        assert_eq!(text.lines().next(), Some(header.as_str()), "{table}");
        assert_eq!(text.matches("\r\n").count() as i64, rows + 1, "{table}: {text}");
        let at_least = match *table {
            "note_findings" | "remarks" | "overwritten" | "repositories" | "links" => 0,
            _ => 1,
        };
        assert!(rows >= at_least, "{table} has {rows} rows");
    }
    assert_eq!(fs::read_dir(place.at("csv")).unwrap().count(), PUBLISHED.len());
    assert_eq!(fs::read_dir(place.at("parquet")).unwrap().count(), PUBLISHED.len());
    let runs = String::from_utf8(place.read("csv/runs.csv")).unwrap();
    assert!(runs.contains(",failed,3,"), "what became of the run stands beside its start: {runs}");
    let csv = |table: &str| String::from_utf8(place.read(&format!("csv/{table}.csv"))).unwrap();
    assert!(csv("metrics").contains(",0.5,model\r\n"), "{}", csv("metrics"));
    assert!(csv("parameters").contains(",lr,0.1,run\r\n"), "{}", csv("parameters"));
}

#[test]
fn an_older_export_is_replaced_with_force_and_nothing_else_is() {
    let place = with_models_and_notes();
    for (format, out) in [("jsonl", "f.jsonl"), ("csv", "csv"), ("parquet", "parquet"), ("ro-crate", "c.zip")]
    {
        let write = ["export", "--format", format, "--out", out];
        place.ok(&write);
        let (code, text) = place.refused(&write);
        assert!(code == 2 && text.contains("--force"), "{text}");
        place.ok(&[&write[..], &["--force"]].concat());
        let written = place.json(&[&write[..], &["--force"]].concat());
        assert_eq!(written["exported"], format);
    }
    place.write("csv/mine.txt", b"mine");
    let (code, text) = place.refused(&["export", "--format", "csv", "--out", "csv", "--force"]);
    assert!(code == 2 && text.contains("`mine.txt`"), "{text}");
    assert_eq!(place.read("csv/mine.txt"), b"mine");
    assert_eq!(place.refused(&["export", "--format", "jsonl", "--out", "csv", "--force"]).0, 2);
    assert_eq!(place.refused(&["export", "--format", "csv", "--out", "f.jsonl", "--force"]).0, 2);
    assert_eq!(place.refused(&["export", "--format", "jsonl", "--json"]).0, 2);
}

#[test]
fn a_crate_is_opened_by_rocrate_as_folder_and_as_zip() {
    let Some(place) = place() else { return };
    let answer = place.ok(&["export", "--format", "ro-crate", "--out", "crate"]);
    assert!(answer.stderr.starts_with("wrote 5 runs to "), "{answer:?}");
    place.ok(&["export", "--format", "ro-crate", "--out", "crate.zip"]);
    place.ok(&["export", "--format", "ro-crate", "--out", "again.zip"]);
    assert!(place.read("crate.zip") == place.read("again.zip"), "the same facts give the same bytes");
    let document: Value = serde_json::from_slice(&place.read("crate/ro-crate-metadata.json")).unwrap();
    let graph = document["@graph"].as_array().unwrap();
    let is_train = |entity: &&Value| entity["name"].as_str().is_some_and(|name| name.ends_with(" train"));
    let train = graph.iter().find(is_train).unwrap();
    assert_eq!(train["actionStatus"]["@id"], "http://schema.org/CompletedActionStatus");
    if let Some(python) = python_with(&["rocrate"]) {
        for name in ["crate", "crate.zip"] {
            let said = validated(&python, "ro_crate.py", &[&place.at(name)]);
            assert!(
                said.contains("action failing FailedActionStatus") && said.contains("actions 5\n"),
                "{said}"
            );
        }
    }
}

#[test]
fn a_crate_tells_of_files_whose_bytes_it_has_not() {
    let place = Place::empty();
    place.ok(&["run", "-q", "--input", "hf://a/b", "--", "sh", "-c", "echo 1 > o"]);
    place.ok(&["export", "--format", "ro-crate", "--out", "crate"]);
    let document: Value = serde_json::from_slice(&place.read("crate/ro-crate-metadata.json")).unwrap();
    let graph = document["@graph"].as_array().unwrap();
    let sort = |path: &str| {
        let entity = graph.iter().find(|entity| entity["alternateName"] == path);
        entity.map(|entity| entity["@type"].clone())
    };
    assert_eq!(
        (sort("o"), sort("hf://a/b")),
        (Some("File".into()), Some("CreativeWork".into())),
        "{graph:#?}"
    );
    if let Some(python) = python_with(&["rocrate"]) {
        assert!(validated(&python, "ro_crate.py", &[&place.at("crate")]).contains("actions 1\n"));
    }
}

#[test]
fn a_crate_holds_what_lies_outside_or_is_ignored_only_where_that_is_asked_for() {
    let place = Place::empty();
    place.git(&["init", "-q"]);
    place.write(".gitignore", b".env\nsecrets/\nout/\n");
    for name in [".env", "secrets/key", "data.csv"] {
        place.write(name, format!("of {name}").as_bytes());
    }
    let beside = tempfile::tempdir().unwrap();
    let outside = beside.path().canonicalize().unwrap().join("customers.csv");
    fs::write(&outside, "of others").unwrap();
    let inputs = [".env", "secrets/key", "data.csv", outside.to_str().unwrap()];
    let inputs = inputs.iter().flat_map(|input| ["--input", input]);
    let command = ["--", "sh", "-c", "mkdir out && echo 1 > out/o"];
    place.ok(&["run", "-q"].into_iter().chain(inputs).chain(command).collect::<Vec<_>>());
    let files = |crate_name: &str, options: &[&str]| {
        let export = ["export", "--format", "ro-crate", "--out", crate_name];
        let answer = place.json(&[&export[..], options].concat());
        let document: Value =
            serde_json::from_slice(&place.read(&format!("{crate_name}/ro-crate-metadata.json"))).unwrap();
        let graph = document["@graph"].as_array().unwrap().clone();
        let held = |path: &str| {
            let entity = graph.iter().find(|entity| entity["alternateName"] == path);
            entity.unwrap_or_else(|| panic!("{path}: {graph:#?}"))["@type"] == "File"
        };
        let outside = outside.to_str().unwrap();
        let held = [".env", "secrets/key", "data.csv", "out/o", outside].map(held);
        (held, answer["withheld"].as_u64().unwrap())
    };
    assert_eq!(files("crate", &[]), ([false, false, true, true, false], 3));
    assert_eq!(files("all", &["--with-contents"]), ([true; 5], 0));
    let text = place.ok(&["export", "--format", "ro-crate", "--out", "c.zip"]).stderr;
    assert!(
        text.contains(
            "3 files outside the workspace, ignored by git or named like credentials are named, not packed"
        ),
        "{text}"
    );
    assert_eq!(place.refused(&["export", "--format", "jsonl", "--with-contents"]).0, 2);
}

#[test]
fn a_crate_holds_no_credentials_whether_git_knows_of_them_or_not() {
    for with_git in [false, true] {
        let place = Place::empty();
        if with_git {
            place.git(&["init", "-q"]);
        }
        place.ok(&["init", "."]);
        for name in [".env", "id_rsa", ".aws/config", "data.csv"] {
            place.write(name, format!("of {name}").as_bytes());
        }
        place.shell("cat .env id_rsa .aws/config data.csv > o; echo 1 > server.key");
        let answer = place.json(&["export", "--format", "ro-crate", "--out", "crate"]);
        assert_eq!(
            (answer["contents"].as_u64(), answer["withheld"].as_u64()),
            (Some(3), Some(4)),
            "{answer:#}"
        );
        let answer = place.json(&["export", "--format", "ro-crate", "--out", "all", "--with-contents"]);
        assert_eq!(answer["contents"].as_u64(), Some(7), "{answer:#}");
    }
}

#[test]
fn no_format_of_others_has_the_digest_or_the_size_of_credentials() {
    let place = Place::empty().with_real_clock();
    place.write(".env", b"PIN=1234\n");
    let digest = lineage::model::Digest::of(b"PIN=1234\n").to_string();
    let hex = digest.strip_prefix("blake3:").unwrap();
    place.ok(&[
        "run",
        "-q",
        "--",
        "sh",
        "-c",
        "wc -l < .env > n; echo >> .env; cp .env copy; mv .env .envrc",
    ]);
    if !place.was_observed() {
        return;
    }
    place.ok(&["export", "--format", "ro-crate", "--out", "crate"]);
    let crated = String::from_utf8(place.read("crate/ro-crate-metadata.json")).unwrap();
    let other = |format| place.ok(&["export", "--format", format]).stdout;
    for text in [crated, other("prov-json"), other("openlineage")] {
        assert!(text.contains(".env") && !text.contains(hex), "{text}");
    }
    assert!(other("jsonl").contains(hex));
    if let Some(python) = python_with(&["prov.model"]) {
        fs::write(place.at("prov.json"), other("prov-json")).unwrap();
        validated(&python, "prov_json.py", &[&place.at("prov.json")]);
    }
    place.ok(&["export", "--format", "ro-crate", "--out", "all", "--with-contents"]);
    assert!(String::from_utf8(place.read("all/ro-crate-metadata.json")).unwrap().contains(hex));
}

#[test]
fn a_version_of_a_model_is_exported_by_its_name_with_all_runs_behind_it() {
    let place = Place::empty().with_real_clock();
    place.write("raw", b"3\n1\n2\n");
    place.ok(&["run", "-q", "--name", "clean", "--", "sh", "-c", "sort raw > clean"]);
    if !place.was_observed() {
        return;
    }
    place.ok(&["run", "-q", "--name", "other", "--", "sh", "-c", "rev raw > other"]);
    place.ok(&["run", "-q", "--name", "train", "--", "sh", "-c", "tail -n 1 clean > model"]);
    place.ok(&["register", "net", "1.0.0", "--run", "@", "--artifact", "model=model"]);
    place.ok(&["models", "promote", "net@1.0.0", "--to", "production", "--reason", "good"]);
    let names = |text: &str| -> Vec<String> {
        let named = events(text).into_iter().filter(|event| event["eventType"] == "START");
        named.map(|event| event["job"]["name"].as_str().unwrap().to_owned()).collect()
    };
    let lines = |word: &str| place.ok(&["export", word, "--format", "openlineage"]).stdout;
    assert_eq!(names(&lines("net@1.0.0")), ["clean", "train"]);
    assert_eq!(names(&lines("model")), ["clean", "train"]);
    assert_eq!(names(&lines("clean")), ["clean"]);
    assert_eq!(names(&lines("train")), ["train"]);
    let text = lines("net@production");
    let last = events(&text).pop().unwrap();
    let registered = &last["outputs"][0]["facets"]["lineage_registered"]["models"][0];
    assert_eq!((&registered["version"], &registered["stage"]), (&"1.0.0".into(), &"production".into()));
    for word in ["raw", "nothing"] {
        assert_eq!(place.refused(&["export", word, "--format", "prov-json"]).0, 2);
    }

    let text = place.ok(&["export", "net@1.0.0", "--format", "prov-json"]).stdout;
    let document: Value = serde_json::from_str(&text).unwrap();
    let (name, version) = document["entity"]
        .as_object()
        .unwrap()
        .iter()
        .find(|(_, entity)| entity["prov:label"] == "net@1.0.0")
        .unwrap();
    assert_eq!(version["lineage:stage"], "production");
    let section = |name: &str| document[name].as_object().unwrap().values().collect::<Vec<_>>();
    let [member] = section("hadMember")[..] else { panic!("{text}") };
    assert_eq!(member["prov:collection"], name.as_str());
    assert!(member["prov:entity"].as_str().unwrap().ends_with(":model"));
    assert!(section("wasGeneratedBy").iter().any(|edge| edge["prov:entity"] == name.as_str()));
    let decided = section("wasAttributedTo");
    assert!(
        decided.iter().any(|one| one["lineage:stage"] == "production" && one["lineage:reason"] == "good")
    );

    place.ok(&["export", "net@1.0.0", "--format", "ro-crate", "--out", "crate"]);
    let crated: Value = serde_json::from_slice(&place.read("crate/ro-crate-metadata.json")).unwrap();
    let graph = crated["@graph"].as_array().unwrap();
    let of_type = |sort: &str| graph.iter().filter(|entity| entity["@type"] == sort).collect::<Vec<_>>();
    let [version] = of_type("Collection")[..] else { panic!("{graph:#?}") };
    assert_eq!(
        (&version["name"], &version["creativeWorkStatus"]),
        (&"net@1.0.0".into(), &"production".into())
    );
    assert_eq!(of_type("CreateAction").len(), 2);
    assert!(of_type("UpdateAction").iter().any(|action| action["name"] == "net@1.0.0 staged as production"));
    for (module, script, name, bytes) in [
        ("prov.model", "prov_json.py", "prov.json", Some(text)),
        ("openlineage.client.generated", "run_events.py", "events.ndjson", Some(lines("net@1.0.0"))),
        ("rocrate", "ro_crate.py", "crate", None),
    ] {
        if let Some(python) = python_with(&[module]) {
            bytes.iter().for_each(|bytes| fs::write(place.at(name), bytes).unwrap());
            validated(&python, script, &[&place.at(name)]);
        }
    }
}

#[test]
fn the_latest_run_is_that_of_this_workspace_whatever_was_taken_over() {
    let [here, there] = [Place::empty().with_real_clock(), Place::empty().with_real_clock()];
    here.ok(&["run", "-q", "--name", "here", "--", "true"]);
    there.ok(&["run", "-q", "--name", "there", "--", "true"]);
    here.ok(&["merge", there.root().to_str().unwrap()]);
    let text = here.ok(&["export", "@", "--format", "openlineage"]).stdout;
    assert_eq!(events(&text)[0]["job"]["name"], "here");
}

#[test]
fn an_empty_store_is_exported_as_nothing() {
    let place = Place::empty();
    place.ok(&["init", "."]);
    assert_eq!(place.ok(&["export", "--format", "openlineage"]).stdout, "");
    let text = place.ok(&["export", "--format", "prov-json"]).stdout;
    assert!(serde_json::from_str::<Value>(&text).unwrap()["prefix"].is_object());
    place.ok(&["export", "--format", "parquet", "--out", "tables"]);
    place.ok(&["export", "--format", "ro-crate", "--out", "crate"]);
    place.write("prov.json", text.as_bytes());
    if let Some(python) = python_with(&["prov.model"]) {
        validated(&python, "prov_json.py", &[&place.at("prov.json")]);
    }
    if let Some(python) = python_with(&["duckdb"]) {
        assert!(validated(&python, "parquet.py", &[&place.at("tables")]).starts_with("runs 0\nsteps 0\n"));
    }
}

#[test]
fn what_cannot_be_exported_is_refused_and_nothing_is_written() {
    let place = Place::empty();
    place.ok(&["init", "."]);
    let (code, text) = place.refused(&["export", "--format", "parquet"]);
    assert!(code == 2 && text.contains("this format is more than one file"), "{text}");
    place.write("there", b"mine");
    let (code, text) = place.refused(&["export", "--format", "prov-json", "--out", "there"]);
    assert!(code == 2 && text.contains("is there already"), "{text}");
    assert_eq!(place.read("there"), b"mine");
    let (code, _) = place.refused(&["export", "--format", "prov-json", "20200101_000000"]);
    assert_eq!(code, 2);
    let (code, text) = place.refused(&["export", "--format", "ro-crate", "--out", "nowhere/crate.zip"]);
    assert!(code == 3 && text.contains("cannot write the export"), "{text}");
    assert_eq!(fs::read_dir(place.root()).unwrap().count(), 2);
}
