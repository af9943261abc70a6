//! Which nodes of a graph lead to each other.

/// Returns the sets of several nodes each of which leads to all others of its set; `next` says where each node leads at once.
pub(super) fn circles(next: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut found: Vec<Vec<usize>> = Vec::new();
    // Tarjan's way: of nodes that lead to each other, all stand on the stack from the first that was met on.
    let (mut met, mut lowest): (Vec<Option<usize>>, Vec<usize>) =
        (vec![None; next.len()], vec![0; next.len()]);
    let mut is_on_stack = vec![false; next.len()];
    let (mut stack, mut count) = (Vec::new(), 0);
    for start in 0..next.len() {
        let mut path: Vec<(usize, usize)> = match met[start] {
            Some(_) => continue,
            None => vec![(start, 0)],
        };
        while let Some((node, at)) = path.last_mut() {
            let node = *node;
            if *at == 0 {
                met[node] = Some(count);
                lowest[node] = count;
                count += 1;
                stack.push(node);
                is_on_stack[node] = true;
            }
            let Some(other) = next[node].get(*at).copied() else {
                path.pop();
                if let Some((above, _)) = path.last() {
                    lowest[*above] = lowest[*above].min(lowest[node]);
                }
                if met[node] == Some(lowest[node]) {
                    let first = stack.iter().rposition(|other| *other == node).unwrap_or(0);
                    let circle = stack.split_off(first);
                    circle.iter().for_each(|node| is_on_stack[*node] = false);
                    if circle.len() > 1 {
                        found.push(circle);
                    }
                }
                continue;
            };
            *at += 1;
            match met[other] {
                None => path.push((other, 0)),
                Some(number) if is_on_stack[other] => lowest[node] = lowest[node].min(number),
                Some(_) => {}
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn reached(next: &[Vec<usize>], from: usize) -> BTreeSet<usize> {
        let (mut seen, mut frontier) = (BTreeSet::new(), vec![from]);
        while let Some(node) = frontier.pop() {
            frontier.extend(next[node].iter().filter(|other| seen.insert(**other)));
        }
        seen
    }

    proptest! {
        #[test]
        fn they_are_those_that_reach_each_other(
            next in (1..9_usize).prop_flat_map(|count| {
                prop::collection::vec(prop::collection::vec(0..count, 0..4), count)
            })
        ) {
            let reached: Vec<BTreeSet<usize>> = (0..next.len()).map(|node| reached(&next, node)).collect();
            let circle = |node: usize| {
                let others = (0..next.len()).filter(|other| {
                    *other == node || reached[node].contains(other) && reached[*other].contains(&node)
                });
                others.collect::<BTreeSet<usize>>()
            };
            let expected: BTreeSet<BTreeSet<usize>> =
                (0..next.len()).map(circle).filter(|circle| circle.len() > 1).collect();
            let found: BTreeSet<BTreeSet<usize>> =
                circles(&next).into_iter().map(|circle| circle.into_iter().collect()).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
