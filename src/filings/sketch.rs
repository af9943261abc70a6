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

/// Sketches of one text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sketch {
    /// Equal for texts of the same words; others share it only by chance, once in 10^14 pairs.
    pub fingerprint: u64,
    /// Few of its bits differ between texts that share most of their runs of three words (Charikar, "Similarity estimation
    /// techniques from rounding algorithms", 2002; Manku et al., "Detecting near-duplicates for web crawling", 2007).
    pub simhash: u64,
}

/// Digests of the words of a text, in small letters and without punctuation.
fn words(text: &str) -> impl Iterator<Item = u64> + '_ {
    text.split_whitespace().filter_map(|word| {
        let digest = if word.is_ascii() {
            let letters = word.bytes().filter(u8::is_ascii_alphanumeric);
            letters.fold(FNV_START, |digest, byte| fnv(digest, &[byte.to_ascii_lowercase()]))
        } else {
            let letters = word.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase);
            letters.fold(FNV_START, |digest, letter| {
                let mut buffer = [0; 4];
                fnv(digest, letter.encode_utf8(&mut buffer).as_bytes())
            })
        };
        (digest != FNV_START).then_some(digest)
    })
}

/// Sketches a text.
pub fn sketch(text: &str) -> Sketch {
    let mut all = FNV_START;
    let mut balance = [0i32; BITS as usize];
    let mut last = [0u64; SHINGLE_WORDS];
    for (at, word) in words(text).enumerate() {
        all = mix(all ^ word);
        last.rotate_left(1);
        last[SHINGLE_WORDS - 1] = word;
        if at + 1 < SHINGLE_WORDS {
            continue;
        }
        let shingle = last.iter().fold(FNV_START, |digest, word| mix(digest ^ word));
        for (bit, balance) in balance.iter_mut().enumerate() {
            *balance += (shingle >> bit & 1) as i32 * 2 - 1;
        }
    }
    let bits = balance.iter().enumerate();
    let simhash = bits.fold(0, |sketch, (bit, balance)| sketch | (u64::from(*balance > 0) << bit));
    Sketch { fingerprint: mix(all) >> (64 - BITS), simhash }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(from: usize) -> String {
        (from..from + 2000).map(|word| format!("Word{} ", (word * word) % 977)).collect()
    }

    fn bits_between(one: &str, other: &str) -> u32 {
        (sketch(one).simhash ^ sketch(other).simhash).count_ones()
    }

    #[test]
    fn equal_words_give_equal_sketches_however_they_are_set() {
        let set_otherwise = text(0).to_uppercase().replace(' ', ",\n ");
        assert_eq!(sketch(&text(0)), sketch(&set_otherwise));
        assert_eq!(sketch("Na\u{ef}ve lamps"), sketch("NA\u{cf}VE \u{2014} lamps"));
        assert!(sketch(&text(0)).fingerprint < 1 << BITS && sketch(&text(0)).simhash < 1 << BITS);
    }

    #[test]
    fn texts_that_share_most_words_differ_in_few_bits() {
        let near = text(0).replacen("Word4 ", "Other ", 3);
        assert_ne!(sketch(&text(0)).fingerprint, sketch(&near).fingerprint);
        assert!(bits_between(&text(0), &near) <= 3);
        let other: String = (0..2000).map(|word| format!("term{} ", word * 7 % 1013)).collect();
        assert!(bits_between(&text(0), &other) > 8);
    }
}
