//! To which part a group goes: a function of the group, the seed and the ratios alone.
//!
//! ```text
//! key      = BLAKE3 derive_key("lineage 2026-11 split of files by groups", seed)         (the seed's text as UTF-8)
//! place    = first 8 bytes of BLAKE3 keyed_hash(key, kind | group), little-endian, as a fraction of 2^64
//! part     = the first whose ratio, added to those before it, lies above the place
//! ```
//! `kind` is one byte: 0 for a group that was found, 1 for a file that is a group of its own, whose group is its path. So
//! whoever adds a group moves no other, and whoever changes a ratio moves only groups that lie between the old and the new
//! bound. What is written here is kept for good: a new way would be a new `method` in the manifest.

use crate::error::{Error, Result};

/// The name of this way of doing it, as manifests have it.
pub const METHOD: &str = "blake3-keyed-1";
const PURPOSE: &str = "lineage 2026-11 split of files by groups";

/// As many parts can there be.
const PARTS_MAX: usize = 16;
/// Ratios are counted in millionths of what is given.
const UNIT: f64 = 1e6;
/// No ratio is larger than this.
const RATIO_MAX: f64 = 1e6;

/// The parts of a split, each with its share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ratios {
    shares: Vec<u64>,
}

impl Ratios {
    /// Reads `80/10/10`, `0.8/0.1/0.1` or whatever other numbers; only how they relate to each other counts.
    ///
    /// # Errors
    /// A request error where they are no positive numbers, or too many.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = || {
            Error::request(format!("`{}` are no ratios", text.escape_debug()))
                .hint(format!("2 to {PARTS_MAX} positive numbers, such as `80/10/10`"))
        };
        let share = |word: &str| {
            let number: f64 = word.trim().parse().ok().filter(|n: &f64| n.is_finite() && *n <= RATIO_MAX)?;
            let share = (number * UNIT).round() as u64;
            (number > 0.0 && share > 0).then_some(share)
        };
        let shares: Option<Vec<u64>> = text.split('/').take(PARTS_MAX + 1).map(share).collect();
        let shares = shares.filter(|shares| (2..=PARTS_MAX).contains(&shares.len())).ok_or_else(wrong)?;
        Ok(Ratios { shares })
    }

    /// Returns how many parts there are.
    pub fn count(&self) -> usize {
        self.shares.len()
    }

    /// Returns the share of each part, all together 1.
    pub fn fractions(&self) -> Vec<f64> {
        let total = self.total() as f64;
        self.shares.iter().map(|share| *share as f64 / total).collect()
    }

    /// Says what per cent that do not add up to a hundred are taken for.
    pub fn not_all_of_it(&self) -> Option<String> {
        let total = self.total() as f64 / UNIT;
        let is_meant = (90.0..=110.0).contains(&total) || (0.9..=1.1).contains(&total);
        let is_whole = [1.0, 100.0].iter().any(|whole| (total - whole).abs() < 1e-3);
        (is_meant && !is_whole).then(|| {
            let whole = if total < 2.0 { 1 } else { 100 };
            format!("the ratios add up to {total}, not to {whole}: each is taken as its part of that")
        })
    }

    fn total(&self) -> u64 {
        self.shares.iter().sum()
    }

    /// Returns the part that `place` of 2^64 lies in.
    fn part_at(&self, place: u64) -> usize {
        let place = u128::from(place) * u128::from(self.total());
        let mut bound = 0_u128;
        for (part, share) in self.shares.iter().enumerate() {
            bound += u128::from(*share) << 64;
            if place < bound {
                return part;
            }
        }
        self.shares.len() - 1
    }
}

/// What files of one part have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// What was found in them, or in their names.
    Found(String),
    /// One file of which nothing was found, by its path.
    Own(String),
}

/// Assigns groups to parts.
#[derive(Debug, Clone)]
pub struct Assigner {
    key: [u8; 32],
    ratios: Ratios,
}

impl Assigner {
    /// Makes the assigner of a seed and ratios.
    pub fn new(seed: &str, ratios: Ratios) -> Self {
        Assigner { key: blake3::derive_key(PURPOSE, seed.as_bytes()), ratios }
    }

    /// Returns the part of a group.
    pub fn part(&self, group: &Group) -> usize {
        let (kind, text) = match group {
            Group::Found(text) => (0, text),
            Group::Own(path) => (1, path),
        };
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(&[kind]);
        hasher.update(text.as_bytes());
        let mut place = [0; 8];
        hasher.finalize_xof().fill(&mut place);
        self.ratios.part_at(u64::from_le_bytes(place))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn found(number: usize) -> Group {
        Group::Found(format!("{number:010}"))
    }

    #[test]
    fn the_way_of_assigning_never_changes() {
        // Fixed for good: lists made years apart must agree.
        let assigner = Assigner::new("42", Ratios::parse("80/10/10").unwrap());
        let parts: String = (0..40).map(|n| char::from(b'0' + assigner.part(&found(n)) as u8)).collect();
        assert_eq!(parts, "0010000000020010102000021000000000210200");
    }

    #[test]
    fn per_cent_that_do_not_add_up_are_told() {
        let told = |text: &str| Ratios::parse(text).unwrap().not_all_of_it();
        assert!(told("50/25/20").unwrap().starts_with("the ratios add up to 95, not to 100"));
        assert!(told("0.8/0.15").unwrap().starts_with("the ratios add up to 0.95, not to 1"));
        for text in ["80/10/10", "0.8/0.1/0.1", "2/1", "33.3/33.3/33.4", "8/1/1"] {
            assert_eq!(told(text), None, "{text}");
        }
    }

    #[test]
    fn only_how_ratios_relate_to_each_other_counts() {
        for text in ["80/10/10", "0.8/0.1/0.1", "8/1/1", " 8 / 1 / 1 "] {
            let fractions = Ratios::parse(text).unwrap().fractions();
            assert_eq!(fractions, [0.8, 0.1, 0.1], "{text}");
        }
        for text in ["", "1", "1/0", "1/-1", "1/NaN", "1/inf", "a/b", "1//1", "1/1e300", &"1/".repeat(40)] {
            assert!(Ratios::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_reached_comes_close_to_what_was_asked_for() {
        let groups = 20_000;
        for (seed, text) in [("1", "80/10/10"), ("x", "50/50"), ("7", "1/2/3/4")] {
            let ratios = Ratios::parse(text).unwrap();
            let assigner = Assigner::new(seed, ratios.clone());
            let mut counts = vec![0_usize; ratios.count()];
            (0..groups).for_each(|number| counts[assigner.part(&found(number))] += 1);
            for (count, fraction) in counts.iter().zip(ratios.fractions()) {
                // Five standard deviations of a binomial.
                let spread = 5.0 * (groups as f64 * fraction * (1.0 - fraction)).sqrt();
                assert!((*count as f64 - groups as f64 * fraction).abs() < spread, "{text}: {counts:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn a_larger_share_of_the_first_part_only_takes_from_the_others(
            seed in "[a-z0-9]{0,8}", a in 1_u32..99, more in 0_u32..99, groups in 1_usize..200,
        ) {
            let b = (a + more).min(99);
            let of = |first: u32| Assigner::new(&seed, Ratios::parse(&format!("{first}/{}", 100 - first)).unwrap());
            let (small, large) = (of(a), of(b));
            for number in 0..groups {
                let group = found(number);
                prop_assert!(small.part(&group) != 0 || large.part(&group) == 0);
            }
        }

        #[test]
        fn the_part_of_a_group_depends_on_no_other(
            seed in "[a-z0-9]{0,8}", groups in proptest::collection::btree_set("[a-zA-Z0-9 ]{1,12}", 1..60), drop in 0_usize..60,
        ) {
            let assigner = Assigner::new(&seed, Ratios::parse("80/10/10").unwrap());
            let all: BTreeMap<&String, usize> =
                groups.iter().map(|g| (g, assigner.part(&Group::Found(g.clone())))).collect();
            let fewer = groups.iter().enumerate().filter(|(at, _)| *at != drop % groups.len());
            for (_, group) in fewer {
                prop_assert_eq!(all[group], assigner.part(&Group::Found(group.clone())));
            }
        }
    }
}
