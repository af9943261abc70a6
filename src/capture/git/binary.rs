//! Git's notation for binary changes in a patch: deflated bytes in base 85 (`literal` hunks).

use std::io::Write;

use gix::zlib::{Compression, stream::deflate};

/// Digits of git's base 85 (`base85.c`), the same as in RFC 1924.
const DIGITS: &[u8; 85] =
    b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~";

/// Bytes per line; a line starts with a letter for their number: `A` for 1 to `Z` for 26, `a` for 27 to `z` for 52.
const LINE_BYTES: usize = 52;

/// Appends the body of a binary patch: the new bytes, and the old ones so that it can be taken back.
pub(super) fn push_patch(old: &[u8], new: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"GIT binary patch\n");
    push_literal(new, out);
    push_literal(old, out);
}

fn push_literal(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("literal {}\n", bytes.len()).as_bytes());
    for line in deflated(bytes).chunks(LINE_BYTES) {
        let length = line.len() as u8;
        out.push(if length <= 26 { b'A' + length - 1 } else { b'a' + length - 27 });
        for group in line.chunks(4) {
            let mut word = [0; 4];
            word[..group.len()].copy_from_slice(group);
            push_base85(u32::from_be_bytes(word), out);
        }
        out.push(b'\n');
    }
    out.push(b'\n');
}

fn push_base85(mut word: u32, out: &mut Vec<u8>) {
    let mut digits = [0; 5];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(word % 85) as usize];
        word /= 85;
    }
    out.extend_from_slice(&digits);
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut stream = deflate::Write::new(Vec::new(), Compression::DEFAULT);
    stream.write_all(bytes).and_then(|()| stream.flush()).expect("writing into memory does not fail");
    stream.into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_written_as_git_writes_it() {
        let mut out = Vec::new();
        push_base85(0, &mut out);
        push_base85(u32::MAX, &mut out);
        assert_eq!(out, b"00000|NsC0");
    }

    #[test]
    fn lines_hold_at_most_52_bytes_and_name_their_length() {
        let mut out = Vec::new();
        let noise: Vec<u8> = blake3::hash(b"noise")
            .as_bytes()
            .iter()
            .chain(blake3::hash(b"more").as_bytes())
            .copied()
            .collect();
        push_literal(&noise, &mut out);
        let text = String::from_utf8(out).expect("base 85 is ASCII");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "literal 64");
        assert!(lines[1].starts_with('z') && lines[1].len() == 1 + 65);
        assert_eq!(lines.last(), Some(&""));
    }
}
