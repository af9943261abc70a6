//! Sketches of a text, by which equal and nearly equal texts are found without keeping the texts.
//!
//! Both are whole numbers of 48 bits, so that they can be recorded as counts are. They are our own, and not a crate's, because
//! what is recorded must mean the same for ever.

/// Bits of a sketch.
const BITS: u32 = 48;
/// So many words in a row are compared.
const SHINGLE_WORDS: usize = 3;

/// FNV-1a, which is the same everywhere and for ever.
fn fnv(digest: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(digest, |digest, byte| (digest ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;

/// Spreads a digest over all of its bits.
fn mix(mut digest: u64) -> u64 {
    digest = (digest ^ (digest >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    digest = (digest ^ (digest >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    digest ^ (digest >> 33)
}

/// Digests of the words of a text, in small letters and without punctuation.
fn words(text: &str) -> impl Iterator<Item = u64> + '_ {
    text.split_whitespace().filter_map(|word| {
        let mut digest = FNV_START;
        let mut is_empty = true;
        for letter in word.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase) {
            let mut buffer = [0; 4];
            digest = fnv(digest, letter.encode_utf8(&mut buffer).as_bytes());
            is_empty = false;
        }
        (!is_empty).then_some(digest)
    })
}

/// Returns a number that is equal for texts of the same words; others share it only by chance, once in 10^14 pairs.
pub fn fingerprint(text: &str) -> u64 {
    let all = words(text).fold(FNV_START, |digest, word| fnv(digest, &word.to_le_bytes()));
    mix(all) >> (64 - BITS)
}

/// Returns a sketch of which few bits differ between texts that share most of their runs of three words (Charikar,
/// "Similarity estimation techniques from rounding algorithms", 2002; Manku et al., "Detecting near-duplicates for web
/// crawling", 2007).
pub fn simhash(text: &str) -> u64 {
    let mut balance = [0i32; BITS as usize];
    let mut last = [0u64; SHINGLE_WORDS];
    for (at, word) in words(text).enumerate() {
        last.rotate_left(1);
        last[SHINGLE_WORDS - 1] = word;
        if at + 1 < SHINGLE_WORDS {
            continue;
        }
        let shingle = mix(last.iter().fold(FNV_START, |digest, word| mix(digest ^ word)));
        for (bit, balance) in balance.iter_mut().enumerate() {
            *balance += if shingle >> bit & 1 == 1 { 1 } else { -1 };
        }
    }
    balance.iter().enumerate().fold(0, |sketch, (bit, balance)| sketch | u64::from(*balance > 0) << bit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(from: usize) -> String {
        (from..from + 2000).map(|word| format!("Word{} ", (word * word) % 977)).collect()
    }

    #[test]
    fn equal_words_give_equal_sketches_however_they_are_set() {
        let set_otherwise = text(0).to_uppercase().replace(' ', ",\n ");
        assert_eq!(fingerprint(&text(0)), fingerprint(&set_otherwise));
        assert_eq!(simhash(&text(0)), simhash(&set_otherwise));
        assert!(fingerprint(&text(0)) < 1 << BITS && simhash(&text(0)) < 1 << BITS);
    }

    #[test]
    fn texts_that_share_most_words_differ_in_few_bits() {
        let one = text(0);
        let near = one.replacen("Word4 ", "Other ", 3);
        assert_ne!(fingerprint(&one), fingerprint(&near));
        assert!((simhash(&one) ^ simhash(&near)).count_ones() <= 3);
        let other: String = (0..2000).map(|word| format!("term{} ", word * 7 % 1013)).collect();
        assert!((simhash(&one) ^ simhash(&other)).count_ones() > 8);
    }

    #[test]
    fn what_is_recorded_means_the_same_for_ever() {
        assert_eq!(fingerprint("Our lamps may fail."), fingerprint("our LAMPS may fail"));
        assert_eq!((fingerprint(""), simhash("one two")), (fingerprint(" "), 0));
    }
}
