//! Steps that only copied: each file that they wrote has the bytes of one that they read, and goes back to that alone.

use std::collections::{HashMap, HashSet};

use super::measured::is_carrier;
use crate::model::{Artifact, Digest, Evidence, NodeId, Role, Step, StepAct, Timestamp, Used};

/// In which order a step went about its files.
#[derive(Debug, Default)]
pub struct Order {
    /// When each file written was opened for that, in microseconds since 1970.
    pub opened: HashMap<Artifact, i64>,
    /// What was opened more than once to be read.
    pub read_again: HashSet<Artifact>,
}

/// As many of the files that a step copied may have said what was to be copied.
pub(super) const LISTS_MAX: usize = 8;

/// Tells apart what each of the steps copied, whose orders are known by their ids. Counts in `left_out` the steps that may have gone
/// by more of the files which they copied than are listed.
pub(super) fn all_told_apart(
    steps: Vec<Step>,
    orders: &HashMap<NodeId, Order>,
    left_out: &mut u64,
) -> Vec<Step> {
    let told = steps.into_iter().map(|step| {
        let order = orders.get(&step.id);
        told_apart(step, order, left_out)
    });
    told.collect()
}

/// Makes of a step that copied several files one that says which file is a copy of which.
///
/// It did where each file that it wrote has the bytes of another one that it read, and no data is left over. Of equal files those of
/// one name belong together. A program that chooses what to copy by what it reads elsewhere has that left over; code, and what it was
/// only told of, may have gone into all. So may what it copied as well, where it was read for more than that: it is another input of
/// all that was written since, as far as can be concluded.
fn told_apart(mut step: Step, order: Option<&Order>, left_out: &mut u64) -> Step {
    let Some(copied) = copied(&step) else { return step };
    let lists: Vec<Used> = match order {
        Some(order) if !is_carrier(&step.name) => {
            let lists = lists(&step, &copied, order, left_out);
            lists.into_iter().map(|number| as_list(&step.used[number])).collect()
        }
        _ => Vec::new(),
    };
    let mut is_paired = vec![false; step.used.len()];
    copied.iter().for_each(|number| is_paired[*number] = true);
    let rest = (0..step.used.len()).filter(|number| !is_paired[*number]);
    let order: Vec<usize> = copied.iter().copied().chain(rest).collect();
    let mut place = vec![0; order.len()];
    order.iter().enumerate().for_each(|(to, from)| place[*from] = to as u32);
    step.used = order.iter().map(|number| step.used[*number].clone()).collect();
    step.unchanged_since.iter_mut().for_each(|(number, _)| *number = place[*number as usize]);
    step.unchanged_since.sort_unstable();
    step.used.extend(lists);
    step.act = StepAct::Copied;
    step
}

/// Makes of what was read to be copied what may have said which others are to be. That it was read for both is two things, of which
/// one is sure.
fn as_list(read: &Used) -> Used {
    let at = Timestamp::from_micros(read.at.micros().saturating_add(1));
    Used { at, evidence: Evidence::Inferred, ..read.clone() }
}

/// Returns those of the copied files that were read for more than to be copied: opened again for it, or other files were read
/// before the copy was begun. Who reads many files ahead of what it writes has no list among them that could be told from the rest,
/// unless it is of another sort.
fn lists(step: &Step, copied: &[usize], order: &Order, left_out: &mut u64) -> Vec<usize> {
    let mut read_at: Vec<i64> = copied.iter().map(|number| step.used[*number].at.micros()).collect();
    read_at.sort_unstable();
    let is_list = |written: &Artifact, read: &Used| {
        let next = read_at.partition_point(|at| *at <= read.at.micros());
        let is_ahead =
            || read_at.get(next).zip(order.opened.get(written)).is_some_and(|(at, opened)| at < opened);
        order.read_again.contains(&read.artifact) || is_ahead()
    };
    let pairs = step.generated.iter().zip(copied);
    let lists = pairs.filter(|(write, number)| is_list(&write.artifact, &step.used[**number]));
    let mut lists: Vec<usize> = lists.map(|(_, number)| *number).collect();
    lists.sort_unstable_by_key(|number| (step.used[*number].at, *number));
    if lists.len() > LISTS_MAX {
        let sort = |number: &usize| extension(step.used[*number].artifact.path.file_name());
        let mut counts: HashMap<&[u8], usize> = HashMap::new();
        copied.iter().for_each(|number| *counts.entry(sort(number)).or_default() += 1);
        lists.retain(|number| counts[&sort(number)] <= LISTS_MAX);
        lists.truncate(LISTS_MAX);
        *left_out += 1;
    }
    lists
}

/// Returns the end of a name that says of which sort a file is.
pub(super) fn extension(name: &[u8]) -> &[u8] {
    name.iter().rposition(|byte| *byte == b'.').map_or(&[], |at| &name[at..])
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
    use crate::model::{ArtifactPath, Generated};

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
        let step = told_apart(step(used, generated), None, &mut 0);
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

    /// Names what may have said what was to be copied, by a program that read `used` one after the other, and began to write each file,
    /// `d/a=1@2`, when so many of them had been read.
    fn lists_of(program: &str, used: &str, opened: &str, read_again: &str) -> String {
        let mut order = Order::default();
        order.read_again.extend(read_again.split_whitespace().map(artifact));
        let mut generated = Vec::new();
        for word in opened.split_whitespace() {
            let (word, after) = word.split_once('@').unwrap();
            order.opened.insert(artifact(word), after.parse::<i64>().unwrap() * 10 - 5);
            generated.push(word);
        }
        let mut step = step(used, &generated.join(" "));
        for (number, edge) in step.used.iter_mut().enumerate() {
            edge.at = Timestamp::from_micros(number as i64 * 10);
        }
        step.generated.iter_mut().for_each(|edge| edge.at = Timestamp::from_micros(1_000));
        step.name = program.to_owned();
        let mut left_out = 0;
        let step = told_apart(step, Some(&order), &mut left_out);
        assert_eq!(left_out, u64::from(generated.len() >= 40));
        assert_eq!(step.act, StepAct::Copied);
        let lists = step.used[generated.len()..].iter();
        let lists = lists.filter(|edge| edge.evidence == Evidence::Inferred);
        lists.map(|edge| edge.artifact.path.to_string()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_was_read_for_more_than_to_be_copied_may_have_gone_into_all() {
        let one_by_one = "d/a=1@1 d/b=2@2 d/c=3@3";
        assert_eq!(lists_of("python3", "a=1 b=2 c=3", one_by_one, ""), "");
        assert_eq!(lists_of("python3", "a=1 b=2 c=3", one_by_one, "a=1"), "a");
        // The list is written last, of what was read first.
        assert_eq!(lists_of("python3", "a=1 b=2 c=3", "d/b=2@2 d/c=3@3 d/a=1@3", ""), "a");
        assert_eq!(lists_of("cp", "a=1 b=2 c=3", one_by_one, "a=1"), "");
    }

    #[test]
    fn of_many_files_that_were_read_ahead_of_all_writes_those_of_a_rare_sort_are_lists() {
        let files = |prefix: &str, after: &str| {
            let file = |number: usize| format!("{prefix}{number}.png={number}{after}");
            (0..40).map(file).collect::<Vec<_>>().join(" ")
        };
        let (used, opened) = (files("", ""), files("d/", "@40"));
        assert_eq!(lists_of("python3", &used, &opened, ""), "");
        let (used, opened) = (format!("m.csv=m {used}"), format!("{opened} d/m.csv=m@41"));
        assert_eq!(lists_of("python3", &used, &opened, ""), "m.csv");
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
