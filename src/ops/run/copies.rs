//! Steps that only copied: each file that they wrote has the bytes of one that they read, and goes back to that alone.

use std::collections::HashMap;

use crate::model::{Digest, Evidence, Role, Step, StepAct};

/// Makes of a step that copied several files one that says which file is a copy of which.
///
/// It did where each file that it wrote has the bytes of another one that it read, and no data is left over. Of equal files those of
/// one name belong together. A program that chooses what to copy by what it reads elsewhere has that left over; code, and what it was
/// only told of, may have gone into all.
pub(super) fn told_apart(mut step: Step) -> Step {
    let Some(copied) = copied(&step) else { return step };
    let mut is_paired = vec![false; step.used.len()];
    copied.iter().for_each(|number| is_paired[*number] = true);
    let rest = (0..step.used.len()).filter(|number| !is_paired[*number]);
    let order: Vec<usize> = copied.iter().copied().chain(rest).collect();
    let mut place = vec![0; order.len()];
    order.iter().enumerate().for_each(|(to, from)| place[*from] = to as u32);
    step.used = order.iter().map(|number| step.used[*number].clone()).collect();
    step.unchanged_since.iter_mut().for_each(|(number, _)| *number = place[*number as usize]);
    step.unchanged_since.sort_unstable();
    step.act = StepAct::Copied;
    step
}

/// Returns, for each file written, which of those read it is a copy of; `None` where that is not so of all.
fn copied(step: &Step) -> Option<Vec<usize>> {
    let is_seen = step.generated.iter().all(|edge| edge.evidence == Evidence::Observed);
    if step.act != StepAct::Made || step.generated.len() < 2 || !is_seen {
        return None;
    }
    let mut by_name: HashMap<(Digest, &[u8]), Vec<usize>> = HashMap::new();
    let mut by_bytes: HashMap<Digest, Vec<usize>> = HashMap::new();
    // The last ones first, so that the first are taken first.
    for (number, edge) in step.used.iter().enumerate().rev() {
        if edge.evidence == Evidence::Observed && edge.role != Role::Environment {
            let artifact = &edge.artifact;
            by_name.entry((artifact.digest, artifact.path.file_name())).or_default().push(number);
            by_bytes.entry(artifact.digest).or_default().push(number);
        }
    }
    let mut is_taken = vec![false; step.used.len()];
    let mut copied: Vec<Option<usize>> = vec![None; step.generated.len()];
    for is_by_name in [true, false] {
        for (edge, copied) in step.generated.iter().zip(&mut copied).filter(|(_, copied)| copied.is_none()) {
            let (digest, name) = (edge.artifact.digest, edge.artifact.path.file_name());
            let mut known =
                if is_by_name { by_name.get_mut(&(digest, name)) } else { by_bytes.get_mut(&digest) };
            while let Some(number) = known.as_mut().and_then(|known| known.pop()) {
                // To write what lies there anew is to make it.
                let is_another = step.used[number].artifact.path != edge.artifact.path;
                if is_another && !is_taken[number] && step.used[number].at <= edge.at {
                    is_taken[number] = true;
                    *copied = Some(number);
                    break;
                }
            }
        }
    }
    let may_go_into_all = |number: usize| {
        let edge = &step.used[number];
        edge.role == Role::Environment || edge.role.is_code() || edge.evidence == Evidence::Inferred
    };
    let is_all = (0..step.used.len()).all(|number| is_taken[number] || may_go_into_all(number));
    copied.into_iter().collect::<Option<Vec<usize>>>().filter(|_| is_all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Artifact, ArtifactPath, Generated, NodeId, Timestamp, Used};

    fn artifact(word: &str) -> Artifact {
        let (path, bytes) = word.split_once('=').unwrap();
        Artifact {
            path: ArtifactPath::new(path).unwrap(),
            digest: Digest::of(bytes.as_bytes()),
            size_bytes: bytes.len() as u64,
        }
    }

    /// Makes a step of what was read, `!` before code and `~` before what was told, and of what was written, in order of time.
    fn step(used: &str, generated: &str) -> Step {
        let at = Timestamp::from_micros;
        let mut step = Step::new(NodeId::from_u128(2), NodeId::from_u128(1), "cp", [at(0), at(99)]);
        for (number, word) in used.split_whitespace().enumerate() {
            let (evidence, role) = match word.as_bytes()[0] {
                b'!' => (Evidence::Observed, Role::Code),
                b'~' => (Evidence::Inferred, Role::Data),
                _ => (Evidence::Observed, Role::Data),
            };
            let artifact = artifact(word.trim_start_matches(['!', '~']));
            step.used.push(Used { artifact, at: at(number as i64), evidence, role });
            step.unchanged_since.push((number as u32, at(100 + number as i64)));
        }
        for word in generated.split_whitespace() {
            let (evidence, role) = (Evidence::Observed, Role::Data);
            step.generated.push(Generated { artifact: artifact(word), at: at(50), evidence, role });
        }
        step
    }

    fn told(used: &str, generated: &str) -> Option<String> {
        let step = told_apart(step(used, generated));
        for (number, since) in &step.unchanged_since {
            assert_eq!(
                step.used[*number as usize].at.micros() + 100,
                since.micros(),
                "it goes with its file"
            );
        }
        let names = step.used.iter().map(|edge| edge.artifact.path.to_string());
        (step.act == StepAct::Copied).then(|| names.collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn what_was_copied_is_told_apart_by_bytes_and_by_name() {
        let is = |used, generated, order: &str| {
            assert_eq!(told(used, generated).as_deref(), Some(order), "{used}")
        };
        is("a=1 b=2 c=3", "d/c=3 d/a=1 d/b=2", "c a b");
        is("a=1 b=1", "d/b=1 d/a=1", "b a");
        is("a= b= c=3", "d/x= d/b= d/c=3", "a b c");
        is("!copy.py=s ~list=l b=2 a=1", "d/a=1 d/b=2", "a b copy.py list");
        // Code that is copied is copied.
        is("!a.py=1 !b.py=2", "d/a.py=1 d/b.py=2", "a.py b.py");
    }

    #[test]
    fn where_anything_else_may_have_gone_in_nothing_is_told_apart() {
        for (used, generated) in [
            ("a=1", "d/a=1"),
            ("a=1", "d/a=1 d/b=1"),
            ("a=1 b=2 which=w", "d/a=1 d/b=2"),
            ("a=1 b=2", "d/a=1 d/b=2 log=3"),
            ("a=1 b=2", "d/a=1 d/b=9"),
            ("a=1 b=2", "a=1 d/b=2"),
        ] {
            assert_eq!(told(used, generated), None, "{used} -> {generated}");
        }
    }
}
