//! A walk as a picture: Graphviz dot and Mermaid.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::model::{Artifact, ArtifactPath, Evidence};
use crate::ops::show::{ProjectedOrigin, Shown};
use crate::query::{CameFrom, TraceFile, TraceReport};
use crate::render::show::{cut_words, folded_words};
use crate::render::units::{counted, digest_words, one_line};

/// Nodes and edges, in the order in which they were met.
#[derive(Default)]
struct Graph {
    files: Vec<Artifact>,
    numbers: BTreeMap<Artifact, usize>,
    steps: Vec<String>,
    /// `(from, to, label)`: from what is read to who reads, from who writes to what is written.
    edges: Vec<(Node, Node, &'static str)>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Node {
    File(usize),
    Step(usize),
}

impl std::fmt::Display for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Node::File(number) => write!(f, "f{number}"),
            Node::Step(number) => write!(f, "s{number}"),
        }
    }
}

/// Writes the way as Graphviz dot.
pub fn dot(shown: &Shown) -> String {
    let graph = report(shown).map(Graph::of).unwrap_or_default();
    let mut text = String::from("digraph lineage {\n  rankdir=LR;\n");
    for (number, label) in graph.file_labels().enumerate() {
        let _ = writeln!(text, "  f{number} [shape=box, label=\"{}\"];", dot_text(&label));
    }
    for (number, step) in graph.steps.iter().enumerate() {
        let _ = writeln!(text, "  s{number} [shape=ellipse, label=\"{}\"];", dot_text(step));
    }
    for (from, to, label) in &graph.edges {
        let _ = writeln!(text, "  {from} -> {to} [label=\"{label}\"];");
    }
    if let Some(left_out) = report(shown).and_then(left_out) {
        let _ = writeln!(text, "  cut [shape=note, label=\"{}\"];", dot_text(&left_out));
    }
    text.push_str("}\n");
    text
}

/// Says what is not in the picture.
fn left_out(report: &TraceReport) -> Option<String> {
    let runs = report.runs_total.saturating_sub(report.runs.len() as u64);
    let runs = (runs > 0).then(|| format!("{} more, not named", counted(runs, "run", "runs")));
    let words: Vec<String> = runs.into_iter().chain(cut_words(report)).chain(folded_words(report)).collect();
    (!words.is_empty()).then(|| words.join("; "))
}

/// Writes the way as a Mermaid flow chart.
pub fn mermaid(shown: &Shown) -> String {
    let graph = report(shown).map(Graph::of).unwrap_or_default();
    let mut text = String::from("flowchart LR\n");
    for (number, label) in graph.file_labels().enumerate() {
        let _ = writeln!(text, "  f{number}[\"{}\"]", mermaid_text(&label));
    }
    for (number, step) in graph.steps.iter().enumerate() {
        let _ = writeln!(text, "  s{number}([\"{}\"])", mermaid_text(step));
    }
    for (from, to, label) in &graph.edges {
        if label.is_empty() {
            let _ = writeln!(text, "  {from} --> {to}");
        } else {
            let _ = writeln!(text, "  {from} -.->|{label}| {to}");
        }
    }
    if let Some(left_out) = report(shown).and_then(left_out) {
        let _ = writeln!(text, "  cut>\"{}\"]", mermaid_text(&left_out));
    }
    text
}

/// Returns the way; none where what is shown has none.
pub(super) fn report(shown: &Shown) -> Option<&TraceReport> {
    Some(match shown {
        Shown::File(report) => &report.trace,
        Shown::Linked(linked) => return report(&linked.shown),
        Shown::Run(report) => &report.trace,
        Shown::Model(report) => &report.trace,
        Shown::Segment(report) => &report.file.trace,
        Shown::Projected(report) => match &report.origin {
            ProjectedOrigin::Run(report) => &report.trace,
            ProjectedOrigin::Model(report) => &report.trace,
            ProjectedOrigin::Documents(_) => return None,
        },
        Shown::AtWork(_) => return None,
    })
}

/// What an edge is called that may lead on, or not.
fn label(file: &TraceFile) -> &'static str {
    if file.evidence == Evidence::Carried { Evidence::Carried.as_str() } else { "" }
}

fn dot_text(text: &str) -> String {
    one_line(text).replace('\\', "\\\\").replace('"', "\\\"")
}

/// Mermaid reads quotes and markup inside labels unless they are written as entities.
fn mermaid_text(text: &str) -> String {
    let mut escaped = String::new();
    for character in one_line(text).chars() {
        match character {
            '"' | '<' | '>' | '&' | '#' | '`' | '\\' => {
                let _ = write!(escaped, "#{};", u32::from(character));
            }
            other => escaped.push(other),
        }
    }
    escaped
}

impl Graph {
    fn of(report: &TraceReport) -> Self {
        let mut graph = Graph::default();
        for run in &report.runs {
            for step in &run.steps {
                let number = Node::Step(graph.steps.len());
                graph.steps.push(format!("{} ({})", step.step.name, run.head.tail));
                for file in &step.used {
                    let node = graph.file(&file.artifact);
                    graph.edges.push((node, number, label(file)));
                    if let Some(CameFrom::CopyOf(artifact, _)) = &file.from {
                        let original = graph.file(artifact);
                        graph.edges.push((original, node, "copied"));
                    }
                }
                for file in &step.generated {
                    let node = graph.file(&file.artifact);
                    graph.edges.push((number, node, label(file)));
                }
            }
        }
        graph.edges.sort();
        graph.edges.dedup();
        graph
    }

    /// Labels files by their paths; versions of one path by their contents as well.
    fn file_labels(&self) -> impl Iterator<Item = String> {
        let mut versions: BTreeMap<&ArtifactPath, usize> = BTreeMap::new();
        self.files.iter().for_each(|file| *versions.entry(&file.path).or_default() += 1);
        self.files.iter().map(move |file| match versions[&file.path] {
            1 => file.path.to_string(),
            _ => format!("{} ({})", file.path, digest_words(file)),
        })
    }

    fn file(&mut self, artifact: &Artifact) -> Node {
        let next = self.files.len();
        let number = *self.numbers.entry(artifact.clone()).or_insert(next);
        if number == next {
            self.files.push(artifact.clone());
        }
        Node::File(number)
    }
}
