//! Whole conversations with the program, kept as they are read in `tests/transcripts/`: each command is run, in order, and must
//! print what stands below it, word for word.
//!
//! What differs each time has a name in its place: the end of a run's key is `‹run 07›`, with the number that the run has in the
//! order of their start; times of day are `hh:mm:ss`, and how long something took is `‹took›`. A line `[exit 1]` says how a
//! command ended that did not end with 0; lines that begin with `#` are for the reader.
//! `LINEAGE_WRITE_TRANSCRIPTS=1` writes down what is printed now.

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::{CLOCK_US, Place};
use regex::Regex;

/// Trains by copying a part of its input, and writes metrics.
const TRAINER: &str = r#"# train INPUT OUT ACCURACY F1 LOSS
head -c 64 "$1" > "$2"
echo "{\"accuracy\": $3, \"f1_score\": $4, \"loss\": $5}" > metrics.json
"#;

/// One piece of a transcript.
enum Piece {
    /// Lines for the reader.
    Words(String),
    /// A command, and what it prints.
    Exchange { command: String, printed: String },
}

fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for line in text.split_inclusive('\n') {
        match pieces.last_mut() {
            _ if line.starts_with("$ ") => {
                let command = line[2..].trim_end().to_owned();
                pieces.push(Piece::Exchange { command, printed: String::new() });
            }
            Some(Piece::Words(words)) => words.push_str(line),
            Some(Piece::Exchange { printed, .. }) if !line.starts_with("# ") => printed.push_str(line),
            _ => pieces.push(Piece::Words(line.to_owned())),
        }
    }
    pieces
}

/// Names what differs each time.
struct Names {
    runs: Vec<String>,
    times: Regex,
    labels: Regex,
    lengths: Regex,
}

impl Names {
    fn of(place: &Place) -> Self {
        let tail = |id: &str| id[id.len() - 8..].to_owned();
        let runs = place.runs().into_iter().rev().map(|run| tail(run["id"].as_str().unwrap()));
        Names {
            runs: runs.collect(),
            times: Regex::new(r"\b(\d{4}-\d\d-\d\d[ T])\d\d:\d\d(:\d\d)?(\.\d+)?").unwrap(),
            // In which second a run began, and as which of that second, is the machine's doing.
            labels: Regex::new(r"\b20\d{6}_\d{6}(_\d+)?\b").unwrap(),
            lengths: Regex::new(r"\b\d+(\.\d+)? (us|ms|s)\b").unwrap(),
        }
    }

    fn put_in(&self, printed: &str) -> String {
        let mut text = printed.to_owned();
        for (number, run) in self.runs.iter().enumerate() {
            text = text.replace(run, &format!("‹run {:02}›", number + 1));
        }
        let text = self.times.replace_all(&text, |found: &regex::Captures<'_>| {
            format!("{}hh:mm{}", &found[1], if found.get(2).is_some() { ":ss" } else { "" })
        });
        let text = self.labels.replace_all(&text, "‹run id›").into_owned();
        self.lengths.replace_all(&text, "‹took›").into_owned()
    }
}

/// Runs a line of a shell; returns all that it printed, and how it ended where not well.
fn shell(place: &Place, line: &str) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_lineage"));
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let output = Command::new("sh")
        .args(["-c", &format!("{{ {line}\n}} 2>&1")])
        .current_dir(place.root())
        .env_clear()
        .envs([("PATH", path.as_str()), ("HOME", "/nonexistent"), ("GIT_CONFIG_GLOBAL", "/dev/null")])
        .envs([("USER", "ada"), ("LINEAGE_CLOCK_US", &CLOCK_US.to_string())])
        .output()
        .unwrap();
    let mut printed =
        String::from_utf8(output.stdout).unwrap().replace(place.root().to_str().unwrap(), "ROOT");
    match output.status.code() {
        Some(0) => {}
        code => printed.push_str(&format!("[exit {}]\n", code.unwrap_or(-1))),
    }
    printed
}

/// Holds a transcript against what is printed now.
fn check(place: &Place, name: &str) {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests/transcripts", name].iter().collect();
    let kept = std::fs::read_to_string(&path).unwrap();
    let names = Names::of(place);
    let is_written = std::env::var_os("LINEAGE_WRITE_TRANSCRIPTS").is_some();
    let mut written = String::new();
    for piece in pieces(&kept) {
        match piece {
            Piece::Words(words) => written.push_str(&words),
            Piece::Exchange { command, printed } => {
                let now = names.put_in(&shell(place, &command));
                // An empty line stands between two commands in the transcript alone.
                let (now, printed) = (now.trim_end_matches('\n'), printed.trim_end_matches('\n'));
                let end = if now.is_empty() { "" } else { "\n" };
                written.push_str(&format!("$ {command}\n{now}{end}\n"));
                assert!(
                    is_written || now == printed,
                    "{name} says otherwise of `{command}`, which printed\n{now}"
                );
            }
        }
    }
    if is_written {
        std::fs::write(&path, written).unwrap();
    }
}

/// Makes a registry of 3 models with 40 versions of 40 recorded runs.
fn registry() -> Option<Place> {
    let place = Place::empty_in_memory();
    place.write("train.sh", TRAINER.as_bytes());
    for part in 0..8 {
        place.write(&format!("data/part_{part}.txt"), format!("Part {part}. ").repeat(40).as_bytes());
    }
    place.write("out/.keep", b"");
    let place = place.with_commit()?;
    let models =
        [("risk_classifier", 20, "credit"), ("section_ranker", 12, "filings"), ("topic_model", 8, "credit")];
    let mut number = 0;
    for (model, versions, team) in models {
        for minor in 0..versions {
            number += 1;
            let f1 = 0.70 + f64::from(number * 37 % 40) / 160.0;
            let (f1, accuracy, loss) =
                (format!("{f1:.4}"), format!("{:.4}", f1 + 0.02), format!("{:.4}", 1.2 - f1));
            let (seed, lr) = (format!("seed={number}"), format!("lr=0.{:03}", number % 5 + 1));
            let (name, part) = (format!("train_{model}"), format!("data/part_{}.txt", number % 8));
            let out = format!("out/{model}-{minor}.bin");
            let train = ["sh", "train.sh", &part, &out, &accuracy, &f1, &loss];
            let options = ["run", "--quiet", "--name", &name, "--param", &seed, "--param", &lr, "--"];
            place.ok(&[&options[..], &train].concat());
            let (version, file, tag) =
                (format!("1.{minor}.0"), format!("model={out}"), format!("team={team}"));
            let base = if minor == 3 { &["--base-model", "risk_classifier@1.2.0"][..] } else { &[] };
            let register = ["register", model, &version, "--run", "@", "--artifact", &file, "--tag", &tag];
            let said = place.command(&[&register[..], base].concat()).env("USER", "ada").output().unwrap();
            assert!(said.status.success(), "{said:?}");
        }
    }
    assert_eq!(number, 40);
    Some(place)
}

#[test]
fn a_registry_of_forty_versions_answers_as_written_down() {
    let Some(place) = registry() else { return };
    check(&place, "models.txt");
}
