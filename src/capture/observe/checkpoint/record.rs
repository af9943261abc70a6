//! How what is known of a run under way is written down: one value after the other, without names.
//!
//! Numbers take as many bytes as they need, seven bits in each. What is read is bounded by the bytes that are there.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::digest::Digest;
use super::super::stamp::Stamp;

/// A value that can be written down and read back.
pub(in super::super) trait Record: Sized {
    fn put(&self, out: &mut Vec<u8>);
    /// Reads a value off the front of `bytes`; `None` where there is none.
    fn take(bytes: &mut &[u8]) -> Option<Self>;
}

/// Makes a struct a record of these fields, in this order; fields behind the `;` are not written, and read as their defaults.
macro_rules! record {
    ($type:ty { $($field:ident),* $(; $($left_out:ident),*)? }) => {
        impl crate::capture::observe::checkpoint::Record for $type {
            fn put(&self, out: &mut Vec<u8>) {
                $(crate::capture::observe::checkpoint::Record::put(&self.$field, out);)*
            }

            fn take(bytes: &mut &[u8]) -> Option<Self> {
                Some(Self {
                    $($field: crate::capture::observe::checkpoint::Record::take(bytes)?,)*
                    $($($left_out: Default::default(),)*)?
                })
            }
        }
    };
}

/// Makes an enum without fields a record, each value by its number.
macro_rules! choice {
    ($type:ident { $($value:ident = $number:literal),* }) => {
        impl crate::capture::observe::checkpoint::Record for $type {
            fn put(&self, out: &mut Vec<u8>) {
                out.push(match self { $($type::$value => $number),* });
            }

            fn take(bytes: &mut &[u8]) -> Option<Self> {
                match <u8 as crate::capture::observe::checkpoint::Record>::take(bytes)? {
                    $($number => Some($type::$value),)*
                    _ => None,
                }
            }
        }
    };
}

pub(in super::super) use {choice, record};

fn split<'b>(bytes: &mut &'b [u8], length: usize) -> Option<&'b [u8]> {
    let (front, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(front)
}

impl Record for u8 {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(*self);
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        split(bytes, 1).map(|byte| byte[0])
    }
}

impl Record for bool {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        u8::take(bytes).map(|byte| byte != 0)
    }
}

impl Record for u64 {
    fn put(&self, out: &mut Vec<u8>) {
        let mut left = *self;
        while left >= 0x80 {
            out.push(left as u8 | 0x80);
            left >>= 7;
        }
        out.push(left as u8);
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = u8::take(bytes)?;
            number |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }
}

impl Record for i64 {
    fn put(&self, out: &mut Vec<u8>) {
        // Small numbers stay short whatever their sign.
        ((self << 1) ^ (self >> 63)).cast_unsigned().put(out);
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        let number = u64::take(bytes)?;
        Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }
}

impl Record for u32 {
    fn put(&self, out: &mut Vec<u8>) {
        u64::from(*self).put(out);
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        u64::take(bytes)?.try_into().ok()
    }
}

impl Record for i32 {
    fn put(&self, out: &mut Vec<u8>) {
        i64::from(*self).put(out);
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        i64::take(bytes)?.try_into().ok()
    }
}

impl Record for usize {
    fn put(&self, out: &mut Vec<u8>) {
        (*self as u64).put(out);
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        u64::take(bytes)?.try_into().ok()
    }
}

fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    bytes.len().put(out);
    out.extend_from_slice(bytes);
}

fn take_bytes(bytes: &mut &[u8]) -> Option<Vec<u8>> {
    let length = usize::take(bytes)?;
    split(bytes, length).map(<[u8]>::to_vec)
}

impl Record for OsString {
    fn put(&self, out: &mut Vec<u8>) {
        put_bytes(self.as_bytes(), out);
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        take_bytes(bytes).map(OsString::from_vec)
    }
}

impl Record for String {
    fn put(&self, out: &mut Vec<u8>) {
        put_bytes(self.as_bytes(), out);
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        String::from_utf8(take_bytes(bytes)?).ok()
    }
}

impl Record for PathBuf {
    fn put(&self, out: &mut Vec<u8>) {
        put_bytes(self.as_os_str().as_bytes(), out);
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        OsString::take(bytes).map(PathBuf::from)
    }
}

impl Record for Arc<Path> {
    fn put(&self, out: &mut Vec<u8>) {
        put_bytes(self.as_os_str().as_bytes(), out);
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        PathBuf::take(bytes).map(Arc::from)
    }
}

impl<T: Record> Record for Box<T> {
    fn put(&self, out: &mut Vec<u8>) {
        (**self).put(out);
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        T::take(bytes).map(Box::new)
    }
}

impl<T: Record> Record for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.is_some().put(out);
        if let Some(value) = self {
            value.put(out);
        }
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        Some(if bool::take(bytes)? { Some(T::take(bytes)?) } else { None })
    }
}

impl<T: Record> Record for Vec<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.len().put(out);
        for value in self {
            value.put(out);
        }
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        // Whatever the number says, no more room is taken than values are there.
        (0..usize::take(bytes)?).map(|_| T::take(bytes)).collect()
    }
}

impl<T: Record, const N: usize> Record for [T; N] {
    fn put(&self, out: &mut Vec<u8>) {
        for value in self {
            value.put(out);
        }
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        let values: Vec<T> = (0..N).map(|_| T::take(bytes)).collect::<Option<_>>()?;
        values.try_into().ok()
    }
}

impl<A: Record, B: Record> Record for (A, B) {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
        self.1.put(out);
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        Some((A::take(bytes)?, B::take(bytes)?))
    }
}

impl<A: Record, B: Record, C: Record> Record for (A, B, C) {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
        self.1.put(out);
        self.2.put(out);
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        Some((A::take(bytes)?, B::take(bytes)?, C::take(bytes)?))
    }
}

impl Record for Digest {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        <[u8; 32]>::try_from(split(bytes, 32)?).ok().map(Digest)
    }
}

record!(Stamp { dev, ino, size_bytes, mtime_ns, ctime_ns });

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check<T: Record + PartialEq + std::fmt::Debug>(value: &T) {
        let mut bytes = vec![];
        value.put(&mut bytes);
        let mut rest = &bytes[..];
        assert_eq!(T::take(&mut rest).as_ref(), Some(value));
        assert!(rest.is_empty());
        for length in 0..bytes.len() {
            assert_eq!(T::take(&mut &bytes[..length]), None, "{value:?} cut at {length}");
        }
    }

    #[test]
    fn the_ends_of_the_numbers_are_read_back() {
        [0, 1, 127, 128, u64::MAX - 1, u64::MAX].iter().for_each(check::<u64>);
        [0, 1, -1, 63, -64, 64, i64::MIN, i64::MAX].iter().for_each(check::<i64>);
        [i32::MIN, -1, 0, i32::MAX].iter().for_each(check::<i32>);
    }

    #[test]
    fn a_length_that_is_not_there_takes_no_room() {
        let mut bytes = vec![];
        u64::MAX.put(&mut bytes);
        assert_eq!(<Vec<u64>>::take(&mut &bytes[..]), None);
        assert_eq!(String::take(&mut &bytes[..]), None);
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_read_back(
            values in proptest::collection::vec((any::<u64>(), any::<Option<i64>>(), any::<String>()), 0..9),
        ) {
            check(&values);
        }

        #[test]
        fn any_bytes_are_read_without_a_fault(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = <Vec<(String, Option<Stamp>)>>::take(&mut &bytes[..]);
        }
    }
}
