//! The order in which facts arrive changes no answer, however they are split.

use proptest::prelude::*;

use super::world::{Place, everything, facts, store_of, tries};
use crate::model::Fact;

/// Splits facts into pieces of the given sizes, round and round.
fn pieces<'a>(facts: &'a [Fact], sizes: &[usize]) -> Vec<&'a [Fact]> {
    let mut rest = facts;
    let mut pieces = Vec::new();
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, after) = rest.split_at((*size).min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

proptest! {
    #![proptest_config(tries(40))]

    #[test]
    fn shuffled_facts_in_any_pieces_give_the_same_answers(
        (facts, shuffled) in facts().prop_flat_map(|facts| (Just(facts.clone()), Just(facts).prop_shuffle())),
        sizes in proptest::collection::vec(1_usize..6, 1..4),
        apply_each in any::<bool>(),
    ) {
        let (_place, snapshot) = store_of(&facts);
        let expected = everything(&snapshot);
        let mut place = Place::new();
        for piece in pieces(&shuffled, &sizes) {
            place.record(piece);
            if apply_each {
                place.apply();
            }
        }
        prop_assert_eq!(&everything(&place.apply()), &expected);
        place.store().rebuild(&place.journal()).unwrap();
        prop_assert_eq!(&everything(&place.snapshot()), &expected, "rebuilt");
    }

    #[test]
    fn facts_applied_twice_change_nothing(facts in facts()) {
        let (mut place, snapshot) = store_of(&facts);
        let expected = everything(&snapshot);
        place.record(&facts);
        prop_assert_eq!(everything(&place.apply()), expected);
    }

    #[test]
    fn the_facts_of_a_store_make_the_same_store(facts in facts()) {
        let (_place, snapshot) = store_of(&facts);
        let told = |snapshot: &crate::store::Snapshot| {
            let mut told = Vec::new();
            snapshot.facts(&mut |fact| { told.push(fact); Ok(()) }).unwrap();
            told
        };
        let first = told(&snapshot);
        let (_other, again) = store_of(&first);
        prop_assert_eq!(told(&again), first);
    }
}
