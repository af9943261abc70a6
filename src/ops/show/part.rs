//! A part of a file that may be very large.

use std::io::{Result, Write};

/// Takes one part of what is written to it, and lets the rest go by.
pub(super) struct Part {
    /// So many bytes stand before it.
    before: u64,
    /// As many of its bytes are still to come.
    left: usize,
    bytes: Vec<u8>,
}

impl Part {
    /// Begins to take `length` bytes from `start` on.
    pub fn new(start: u64, length: usize) -> Self {
        Part { before: start, left: length, bytes: Vec::new() }
    }

    /// Returns what there was of it; `None` where all ended before it began.
    pub fn into_bytes(self) -> Option<Vec<u8>> {
        (self.before == 0).then_some(self.bytes)
    }
}

impl Write for Part {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        let passed = usize::try_from(self.before).map_or(bytes.len(), |before| before.min(bytes.len()));
        self.before -= passed as u64;
        let part = &bytes[passed..];
        let part = &part[..part.len().min(self.left)];
        self.left -= part.len();
        self.bytes.extend_from_slice(part);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_the_same_however_the_whole_is_written() {
        let whole = b"0123456789";
        for start in 0..12 {
            for length in 0..12 {
                let end = (start + length).min(whole.len());
                let expected = whole.get(start..end.max(start)).map(<[u8]>::to_vec);
                for chunk in 1..11 {
                    let mut part = Part::new(start as u64, length);
                    whole.chunks(chunk).for_each(|bytes| part.write_all(bytes).unwrap());
                    assert_eq!(part.into_bytes(), expected, "{start} {length} {chunk}");
                }
            }
        }
    }
}
