//! An order of things of which some come after others.

use std::collections::BTreeSet;

/// Puts things in an order in which each stands behind those that it comes after. Those that come after one another, and whatever is
/// free, stand in the order of their numbers: the least that can be next is.
///
/// Of each thing, `after` has those that it comes after.
pub(super) fn in_order(after: &[BTreeSet<usize>]) -> Vec<usize> {
    let circles = circles(after);
    // Of each circle, what waits until all of it is placed, once for each time that it comes after something in it.
    let mut waiting: Vec<Vec<usize>> = vec![Vec::new(); after.len()];
    let mut waits = vec![0; after.len()];
    let mut members: Vec<Vec<usize>> = vec![Vec::new(); after.len()];
    for (at, before) in after.iter().enumerate() {
        let own = circles[at];
        members[own].push(at);
        for other in before.iter().map(|other| circles[*other]).filter(|other| *other != own) {
            waiting[other].push(own);
            waits[own] += 1;
        }
    }
    let mut left: Vec<usize> = members.iter().map(Vec::len).collect();
    let free = members.iter().zip(&waits).filter(|(_, waits)| **waits == 0);
    let mut ready: BTreeSet<usize> = free.flat_map(|(members, _)| members).copied().collect();
    let mut order = Vec::with_capacity(after.len());
    while let Some(next) = ready.pop_first() {
        order.push(next);
        let circle = circles[next];
        left[circle] -= 1;
        if left[circle] == 0 {
            for other in &waiting[circle] {
                waits[*other] -= 1;
                if waits[*other] == 0 {
                    ready.extend(&members[*other]);
                }
            }
        }
    }
    order
}

/// Returns, of each thing, the number of its circle: things that come after one another have the same.
fn circles(after: &[BTreeSet<usize>]) -> Vec<usize> {
    // A thing is done when all that it comes after is; who then goes the ways back, from the last one done, stays in its circle.
    let mut done = Vec::with_capacity(after.len());
    let mut seen = vec![false; after.len()];
    for start in 0..after.len() {
        if std::mem::replace(&mut seen[start], true) {
            continue;
        }
        let mut frontier = vec![(start, after[start].iter())];
        while let Some((at, rest)) = frontier.last_mut() {
            match rest.next() {
                Some(next) if !std::mem::replace(&mut seen[*next], true) => {
                    frontier.push((*next, after[*next].iter()));
                }
                Some(_) => {}
                None => {
                    done.push(*at);
                    frontier.pop();
                }
            }
        }
    }
    let mut before: Vec<Vec<usize>> = vec![Vec::new(); after.len()];
    for (at, others) in after.iter().enumerate() {
        others.iter().for_each(|other| before[*other].push(at));
    }
    let mut circles: Vec<Option<usize>> = vec![None; after.len()];
    for start in done.into_iter().rev() {
        let mut frontier = vec![start];
        while let Some(at) = frontier.pop() {
            if circles[at].is_none() {
                circles[at] = Some(start);
                // Of an earlier circle all have their number by now.
                frontier.extend(before[at].iter().filter(|next| circles[**next].is_none()));
            }
        }
    }
    circles.into_iter().enumerate().map(|(at, circle)| circle.unwrap_or(at)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The plain definition: again and again, the least of which everything is placed that it comes after, however indirectly, and that
    /// does not come after it as well.
    fn plain(after: &[BTreeSet<usize>]) -> Vec<usize> {
        let count = after.len();
        let mut comes_after = vec![vec![false; count]; count];
        for (at, before) in after.iter().enumerate() {
            before.iter().for_each(|other| comes_after[at][*other] = true);
        }
        for by in 0..count {
            for from in 0..count {
                for to in 0..count {
                    comes_after[from][to] |= comes_after[from][by] && comes_after[by][to];
                }
            }
        }
        let mut order: Vec<usize> = Vec::new();
        while order.len() < count {
            let may_be_next = |at: &usize| {
                let waits_for =
                    (0..count).filter(|other| comes_after[*at][*other] && !comes_after[*other][*at]);
                !order.contains(at) && waits_for.into_iter().all(|other| order.contains(&other))
            };
            let next = (0..count).find(may_be_next).unwrap();
            order.push(next);
        }
        order
    }

    fn check(text: &str, expected: &[usize]) {
        let after: Vec<BTreeSet<usize>> = text
            .split(", ")
            .map(|before| before.split_whitespace().filter_map(|word| word.parse().ok()).collect())
            .collect();
        assert_eq!(in_order(&after), expected);
    }

    #[test]
    fn what_comes_after_others_stands_behind_them_and_else_the_least_first() {
        check("-, 0, 1", &[0, 1, 2]);
        check("2, -, -", &[1, 2, 0]);
        check("3, -, 0, -", &[1, 3, 0, 2]);
    }

    #[test]
    fn those_that_come_after_one_another_stand_in_the_order_of_their_numbers() {
        check("2, 0, 1", &[0, 1, 2]);
        // 0 comes after the circle of 1 and 2, and 3 comes after 0.
        check("1, 2, 1, 0", &[1, 2, 0, 3]);
        check("0, 1", &[0, 1]);
    }

    proptest! {
        #[test]
        fn the_order_is_that_of_the_plain_definition(
            after in (1..9_usize).prop_flat_map(|count| {
                prop::collection::vec(prop::collection::btree_set(0..count, 0..3), count)
            })
        ) {
            prop_assert_eq!(in_order(&after), plain(&after));
        }
    }
}
