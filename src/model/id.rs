//! Identities: the key of a node, and the label of a run.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::error::{Error, Result};
use crate::model::Timestamp;

/// The key of a run, step, model version or note: a UUID of version 7, so that key order is start order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(u128);

impl NodeId {
    /// Makes a new id from `at` and random bits. What is below a millisecond stands behind the milliseconds (RFC 9562, section
    /// 6.2, method 3), so that ids of different microseconds are in the order of time.
    pub fn new(at: Timestamp) -> Self {
        let micros = at.micros().max(0) as u64;
        let fraction = u128::from(micros % 1_000 * 4096 / 1_000);
        let stamp = uuid::Timestamp::from_unix(
            uuid::NoContext,
            micros / 1_000_000,
            (micros % 1_000_000) as u32 * 1_000,
        );
        NodeId(Uuid::new_v7(stamp).as_u128() & !(0xfff << 64) | fraction << 64)
    }

    /// Reads what its `Display` or [`NodeId::hex`] wrote; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let digits: String = text.chars().filter(|c| *c != '-').collect();
        let right = digits.len() == 32 && digits.bytes().all(|b| b.is_ascii_hexdigit());
        right.then(|| u128::from_str_radix(&digits, 16).ok()).flatten().map(NodeId)
    }

    /// Takes the 128 bits as they are.
    pub const fn from_u128(bits: u128) -> Self {
        NodeId(bits)
    }

    /// Returns the 128 bits.
    pub const fn as_u128(self) -> u128 {
        self.0
    }

    /// Returns the moment that it was made from, to the microsecond below.
    pub fn made_at(self) -> Timestamp {
        let milliseconds = (self.0 >> 80) as i64;
        let fraction = ((self.0 >> 64) & 0xfff) as i64;
        Timestamp::from_micros(milliseconds.saturating_mul(1_000).saturating_add(fraction * 1_000 / 4096))
    }

    /// Returns all 32 hexadecimal digits.
    pub fn hex(self) -> String {
        format!("{:032x}", self.0)
    }

    /// Returns the last `digits` hexadecimal digits: the front of a v7 id is the clock, its tail is random.
    pub fn tail(self, digits: usize) -> String {
        let hex = self.hex();
        hex[hex.len() - digits.min(hex.len())..].to_owned()
    }

    /// The number of digits of the tail that is shown where uniqueness needs no more.
    pub const TAIL_DIGITS: usize = 8;
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Uuid::from_u128(self.0).hyphenated())
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Bytes of `YYYYMMDD_HHMMSS`.
const SECOND_BYTES: usize = 15;

/// The label of a run, `YYYYMMDD_HHMMSS` in UTC, which names its folders and files; unique in a workspace. Where many runs start
/// within a few seconds it has a number behind the second: `YYYYMMDD_HHMMSS_2`.
///
/// Where two workspaces that used the same label are merged, the later run's label is shown with another number, the next that
/// none has: which is later, their keys say, so that it is the same on both sides. What is recorded, and the names of files,
/// stay.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(String);

impl RunId {
    /// Makes the label of a run that starts in the second of `at`.
    pub fn at(at: Timestamp) -> Self {
        RunId(at.compact_second())
    }

    /// Returns the label with this number in the same second: the first has none behind it, the second `_2`.
    #[must_use]
    pub fn numbered(&self, number: usize) -> Self {
        let second = self.second();
        RunId(if number <= 1 { second.to_owned() } else { format!("{second}_{number}") })
    }

    /// Returns the second that is in the label, without the number behind it.
    pub fn second(&self) -> &str {
        &self.0[..SECOND_BYTES]
    }

    /// Returns the number behind the second; 1 where there is none.
    pub fn number(&self) -> usize {
        self.0.get(SECOND_BYTES + 1..).and_then(|number| number.parse().ok()).unwrap_or(1)
    }

    /// Returns the label as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for RunId {
    type Err = Error;

    /// Reads a label.
    ///
    /// # Errors
    /// A request error where the text is not eight digits, `_`, six digits and, perhaps, `_` and a number.
    fn from_str(text: &str) -> Result<Self> {
        let bytes = text.as_bytes();
        let digits = |range: &[u8]| !range.is_empty() && range.iter().all(u8::is_ascii_digit);
        let right = bytes.len() >= 15
            && bytes.len() <= 32
            && digits(&bytes[..8])
            && bytes[8] == b'_'
            && digits(&bytes[9..15])
            && (bytes.len() == 15 || (bytes[15] == b'_' && digits(&bytes[16..])));
        if right {
            Ok(RunId(text.to_owned()))
        } else {
            Err(Error::request(format!("`{}` is not a run id", text.escape_debug()))
                .hint("run ids look like 20251212_174218; `lineage log` lists them"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_id_is_the_second_in_which_the_run_started() {
        let at = Timestamp::from_micros(1_765_561_338_123_456);
        assert_eq!(RunId::at(at).as_str(), "20251212_174218");
        let second: RunId = "20251212_174218_2".parse().unwrap();
        assert_eq!((second.second(), second.number()), ("20251212_174218", 2));
        assert_eq!([1, 2, 10].map(|number| second.numbered(number).number()), [1, 2, 10]);
        assert_eq!(second.numbered(1), RunId::at(at));
        for wrong in ["", "20251212", "20251212-174218", "20251212_17421x", "../../etc_passwd0"] {
            assert!(wrong.parse::<RunId>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn ids_are_ordered_by_time() {
        let early = NodeId::new(Timestamp::from_micros(1_000_000_000));
        let late = NodeId::new(Timestamp::from_micros(2_000_000_000));
        assert!(early < late);
        for micros in 1_000_000..1_002_000 {
            let [id, next] = [micros, micros + 1].map(|at| NodeId::new(Timestamp::from_micros(at)));
            assert!(id < next, "{id} {next}");
            assert_eq!(Uuid::from_u128(id.as_u128()).get_version_num(), 7);
            assert!((micros - 1..=micros).contains(&id.made_at().micros()), "{micros} {:?}", id.made_at());
        }
        assert_eq!(early.tail(8).len(), 8);
    }
}
