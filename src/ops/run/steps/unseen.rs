//! Without the net nothing is known of processes.

use super::Surroundings;
use super::files::Files;
use crate::capture::observe::Observation;
use crate::model::{Evidence, Generated, NodeId, Removed, Step, Timestamp};

/// Makes one step that wrote what is new or changed.
pub(super) fn inferred_step(
    observation: &Observation,
    files: &Files,
    around: &Surroundings<'_>,
) -> Option<Step> {
    let mut generated = Vec::new();
    for (index, file) in observation.files.iter().enumerate() {
        let Some(last) = file.versions.len().checked_sub(1) else { continue };
        if let Some(known) =
            files.known.get(&(index, last)).filter(|_| file.exists && file.versions[last].was_written)
        {
            generated.push(Generated {
                artifact: known.artifact.clone(),
                at: Timestamp::from_micros(observation.ended_us),
                evidence: Evidence::Inferred,
                role: known.role,
            });
        }
    }
    let mut removed: Vec<Removed> = files
        .gone
        .values()
        .map(|(path, contents)| Removed {
            path: path.clone(),
            content: contents.last().copied().flatten(),
            at: Timestamp::from_micros(observation.ended_us),
            evidence: Evidence::Inferred,
        })
        .collect();
    removed.sort();
    (!generated.is_empty() || !removed.is_empty()).then(|| Step {
        generated,
        removed,
        ..Step::new(
            NodeId::new(Timestamp::from_micros(observation.started_us)),
            around.run,
            "command",
            [Timestamp::from_micros(observation.started_us), Timestamp::from_micros(observation.ended_us)],
        )
    })
}
