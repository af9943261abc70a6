//! Bytes of a text looked at sixteen at a time.

use wide::u8x16;

/// So many bytes are looked at at a time.
pub const SIXTEEN: usize = 16;

/// Sixteen bytes of a text.
#[derive(Clone, Copy)]
pub struct Sixteen(u8x16);

impl Sixteen {
    /// Takes the bytes from `at` on; behind the end of `bytes` stand zeros.
    #[inline]
    pub fn at(bytes: &[u8], at: usize) -> Self {
        let rest = &bytes[at..];
        let whole = rest.first_chunk::<SIXTEEN>().copied();
        Sixteen(u8x16::new(whole.unwrap_or_else(|| {
            let mut filled = [0; SIXTEEN];
            filled[..rest.len()].copy_from_slice(rest);
            filled
        })))
    }

    /// Tells which of them are `byte`: the lowest bit stands for the first one.
    #[inline]
    pub fn equal(self, byte: u8) -> u32 {
        self.0.simd_eq(u8x16::splat(byte)).to_bitmask()
    }

    /// Tells which of them lie in `first..=last`.
    #[inline]
    pub fn within(self, first: u8, last: u8) -> u32 {
        (self.0 - u8x16::splat(first)).simd_le(u8x16::splat(last - first)).to_bitmask()
    }

    /// Makes capital letters small; other bytes than letters may become others.
    #[inline]
    pub fn small(self) -> Self {
        Sixteen(self.0 | u8x16::splat(0x20))
    }
}
