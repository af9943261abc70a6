//! Texts that are the same or nearly the same, by the sketches recorded with them, without comparing each with each.

use std::collections::{BTreeMap, BTreeSet};

use crate::query::quality::{EqualGroup, NearPair, QualityRow};

/// Near duplicates differ in at most so many bits of their sketches.
///
/// Measured on the items of 75 annual and quarterly reports: of the pairs of at least 100 words that are 4 or fewer bits
/// apart, all share at least 0.62 of their runs of three words, and most 0.9 (a company's reports of following years, and the
/// wording of the form); at 5 bits the first pairs appear that share only 0.42.
pub const NEAR_BITS: u32 = 4;
/// Sketches of shorter texts say little: a few words more or less turn many of their bits.
const NEAR_WORDS_MIN: f64 = 100.0;
/// A sketch is cut into so many blocks: where [`NEAR_BITS`] bits differ, two blocks at least are equal.
const BLOCKS: u32 = NEAR_BITS + 2;
/// Bits of a block; six blocks make the 48 bits of a sketch.
const BLOCK_BITS: u32 = 8;

/// Finds groups of filings whose texts of a section are the same.
pub fn equal_groups(found: &[&QualityRow]) -> Vec<EqualGroup> {
    let groups = by_text(found).into_iter().filter(|(_, rows)| rows.len() > 1);
    let mut groups: Vec<EqualGroup> = groups
        .map(|((section, _), rows)| EqualGroup {
            section: section.to_owned(),
            filings: rows.iter().map(|row| row.filing.clone()).collect(),
        })
        .collect();
    groups.sort();
    groups
}

/// Rows by section and text.
fn by_text<'a>(found: &[&'a QualityRow]) -> BTreeMap<(&'a str, u64), Vec<&'a QualityRow>> {
    let mut equal: BTreeMap<(&str, u64), Vec<&QualityRow>> = BTreeMap::new();
    for row in found {
        if let Some(fingerprint) = row.fingerprint {
            equal.entry((&row.section, fingerprint)).or_default().push(row);
        }
    }
    equal
}

/// Pairs of filings whose texts of a section are nearly the same.
#[derive(Debug, Default)]
pub struct NearPairs {
    /// The first of them, by section and filings.
    pub pairs: Vec<NearPair>,
    /// How many more there are: of filings with one wording, each makes a pair with each.
    pub more: u64,
}

/// Finds pairs of filings whose texts of a section are nearly the same; of equal texts, the first stands for all. At most `limit`
/// are listed, whatever there is.
pub fn near_pairs(found: &[&QualityRow], limit: usize) -> NearPairs {
    let is_long = |row: &&QualityRow| row.words.is_some_and(|words| words >= NEAR_WORDS_MIN);
    let texts: Vec<(&str, u64, &str)> = by_text(found)
        .into_values()
        .filter_map(|rows| rows.first().copied().filter(is_long))
        .filter_map(|row| Some((row.section.as_str(), row.simhash?, row.filing.as_str())))
        .collect();
    // Section, the two filings, bits.
    let mut pairs: BTreeSet<(&str, &str, &str, u32)> = BTreeSet::new();
    let mut more = 0;
    let block = |hash: u64, at: u32| hash >> (at * BLOCK_BITS) & ((1 << BLOCK_BITS) - 1);
    for one in 0..BLOCKS {
        for other in one + 1..BLOCKS {
            let key = |text: &(&str, u64, &str)| (block(text.1, one), block(text.1, other));
            let mut sorted: Vec<_> = texts.iter().map(|text| (text.0, key(text), text)).collect();
            sorted.sort_unstable();
            for alike in sorted.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
                for (at, (section, _, a)) in alike.iter().enumerate() {
                    for (_, _, b) in &alike[at + 1..] {
                        let differing = a.1 ^ b.1;
                        let bits = differing.count_ones();
                        // A pair counts where the first two of its equal blocks are looked at.
                        let mut equal = (0..BLOCKS).filter(|at| block(differing, *at) == 0);
                        if bits <= NEAR_BITS && equal.next() == Some(one) && equal.next() == Some(other) {
                            pairs.insert((section, a.2.min(b.2), a.2.max(b.2), bits));
                            if pairs.len() > limit {
                                pairs.pop_last();
                                more += 1;
                            }
                        }
                    }
                }
            }
        }
    }
    let pairs = pairs.into_iter().map(|(section, one, other, bits)| NearPair {
        section: section.to_owned(),
        one: one.to_owned(),
        other: other.to_owned(),
        bits,
    });
    NearPairs { pairs: pairs.collect(), more }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn row(filing: &str, section: &str, words: f64, simhash: u64) -> QualityRow {
        QualityRow {
            filing: filing.to_owned(),
            section: section.to_owned(),
            status: "found",
            words: Some(words),
            fingerprint: Some(simhash),
            simhash: Some(simhash),
            ..QualityRow::default()
        }
    }

    #[test]
    fn equal_and_nearly_equal_texts_of_one_section_are_found() {
        let base = 0x0123_4567_89ab;
        let rows = [
            row("a", "part1item1a", 100.0, base),
            row("b", "part1item1a", 100.0, base),
            row("c", "part1item1a", 100.0, base ^ 0b1_0000_0000_0001),
            row("d", "part1item1a", 100.0, base ^ 0xffff),
            row("e", "part2item7", 100.0, base ^ 1),
            row("f", "part1item1a", 99.0, base ^ 2),
        ];
        let found: Vec<&QualityRow> = rows.iter().collect();
        let group =
            EqualGroup { section: "part1item1a".to_owned(), filings: vec!["a".to_owned(), "b".to_owned()] };
        assert_eq!(equal_groups(&found), [group]);
        let near: Vec<_> =
            near_pairs(&found, 9).pairs.into_iter().map(|pair| (pair.one, pair.other, pair.bits)).collect();
        assert_eq!(near, [("a".to_owned(), "c".to_owned(), 2)]);
    }

    proptest! {
        #[test]
        fn the_pairs_are_those_of_comparing_each_with_each(
            flips in proptest::collection::vec((0u64..3, proptest::collection::vec(0u32..48, 0..6)), 0..40),
            limit in 0usize..100,
        ) {
            let bases = [0x0123_4567_89ab_u64, 0xfedc_ba98_7654, 0];
            let rows: Vec<QualityRow> = flips
                .iter()
                .enumerate()
                .map(|(at, (base, bits))| {
                    let simhash = bits.iter().fold(bases[*base as usize], |hash, bit| hash ^ (1 << bit));
                    row(&format!("f{at:02}"), "part1item1a", 500.0, simhash)
                })
                .collect();
            let found: Vec<&QualityRow> = rows.iter().collect();
            let mut seen = BTreeSet::new();
            let first: Vec<&QualityRow> = rows.iter().filter(|row| seen.insert(row.simhash)).collect();
            let mut naive = Vec::new();
            for (at, one) in first.iter().enumerate() {
                for other in &first[at + 1..] {
                    let bits = (one.simhash.unwrap() ^ other.simhash.unwrap()).count_ones();
                    if bits <= NEAR_BITS {
                        naive.push((one.filing.clone(), other.filing.clone(), bits));
                    }
                }
            }
            naive.sort();
            let near = near_pairs(&found, limit);
            let more = naive.len().saturating_sub(limit);
            naive.truncate(limit);
            let pairs = near.pairs.into_iter().map(|pair| (pair.one, pair.other, pair.bits));
            prop_assert_eq!((pairs.collect::<Vec<_>>(), near.more), (naive, more as u64));
        }
    }
}
