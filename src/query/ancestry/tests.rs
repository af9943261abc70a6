//! The walks: against the definitions, and cases made by hand.

mod by_hand;
mod definitions;
mod walks;

use crate::model::{
    Artifact, Evidence, Fact, Generated, NodeId, Role, Run, RunId, RunKind, Step, Timestamp, Used,
};
use crate::store::tests::world::{CONTENTS, PATHS, artifact};
use crate::store::{ArtifactNo, Snapshot};

fn number(snapshot: &Snapshot, artifact: &Artifact) -> Option<ArtifactNo> {
    snapshot.version_no(&artifact.path, &artifact.digest).unwrap()
}

/// Reads `id: reads > writes`, each edge `path=content@time`, paths and contents by number, with `?` behind it where it is inferred; a
/// step of run 1, or of that in `id of run: …`.
fn step_from(line: &str) -> Fact {
    let (id, edges) = line.split_once(':').unwrap();
    let (id, run) = id.split_once(" of ").unwrap_or((id, "1"));
    let (reads, writes) = edges.split_once('>').unwrap();
    let edge = |text: &str| {
        let (text, evidence) = match text.strip_suffix('?') {
            Some(text) => (text, Evidence::Inferred),
            None => (text, Evidence::Observed),
        };
        let (name, at) = text.split_once('@').unwrap();
        let (path, content) = name.split_once('=').unwrap();
        let artifact =
            artifact(PATHS[path.parse::<usize>().unwrap()], CONTENTS[content.parse::<usize>().unwrap()]);
        (artifact, Timestamp::from_micros(at.parse().unwrap()), evidence)
    };
    let role = Role::Data;
    Fact::StepDone(Step {
        used: reads
            .split_whitespace()
            .map(edge)
            .map(|(artifact, at, evidence)| Used { artifact, at, evidence, role })
            .collect(),
        generated: writes
            .split_whitespace()
            .map(edge)
            .map(|(artifact, at, evidence)| Generated { artifact, at, evidence, role })
            .collect(),
        ..Step::new(
            NodeId::from_u128(id.trim().parse().unwrap()),
            NodeId::from_u128(run.trim().parse().unwrap()),
            "step",
            [Timestamp::from_micros(0), Timestamp::from_micros(9)],
        )
    })
}

fn a_run(id: NodeId) -> Run {
    let at = Timestamp::from_micros(0);
    Run { host: "h".to_owned(), ..Run::new(id, RunId::at(at), "r", RunKind::Library, at, 1) }
}
