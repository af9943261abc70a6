//! The digest of a content.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// The digest of a content: BLAKE3, 32 bytes, written `blake3:<64 hexadecimal digits>`.
///
/// The algorithm is part of what is written, so that another may stand beside it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Takes 32 bytes as a BLAKE3 digest.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Digest(bytes)
    }

    /// Computes the digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Digest(*blake3::hash(bytes).as_bytes())
    }

    /// Returns the 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the 64 hexadecimal digits, without the algorithm.
    pub fn hex(&self) -> String {
        blake3::Hash::from_bytes(self.0).to_hex().to_string()
    }

    /// Returns `blake3:` and the first twelve digits, for people.
    pub fn short(&self) -> String {
        format!("blake3:{}", &self.hex()[..12])
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "blake3:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.short())
    }
}

impl FromStr for Digest {
    type Err = Error;

    /// Reads `blake3:<64 hexadecimal digits>`.
    ///
    /// # Errors
    /// A request error where the algorithm is another or the digits are wrong.
    fn from_str(text: &str) -> Result<Self> {
        let hex = text.strip_prefix("blake3:").ok_or_else(|| {
            Error::request(format!("`{}` is not a digest", text.escape_debug())).hint(
                "digests are written `blake3:<64 hexadecimal digits>`, or by 4 and more of the first digits",
            )
        })?;
        let hash = blake3::Hash::from_hex(hex).map_err(|cause| {
            Error::request(format!("`{}` is not a digest", text.escape_debug())).because(cause)
        })?;
        Ok(Digest(*hash.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_read_as_it_is_written() {
        let digest = Digest::of(b"abc");
        assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
        // The first test vector of the BLAKE3 specification's reference for the empty input.
        assert!(Digest::of(b"").hex().starts_with("af1349b9f5f9a1a6a0404dea36dcc949"));
        assert!("sha256:00".parse::<Digest>().is_err());
    }
}
