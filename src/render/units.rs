//! Sizes, durations and names as people read them.

use crate::model::{Artifact, is_unsafe_to_print, printed};

/// Writes a size: `438.0 KB`, in powers of 1000.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["KB", "MB", "GB", "TB", "PB"];
    if count < 1_000 {
        return counted(count, "byte", "bytes");
    }
    let mut value = count as f64 / 1_000.0;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1_000.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// Writes a length of time: `7.1 s`, `31m 34s`, `2h 5m`.
pub fn duration(micros: i64) -> String {
    let micros = micros.max(0);
    let seconds = micros / 1_000_000;
    match seconds {
        0 if micros < 1_000 => format!("{micros} us"),
        0 => format!("{} ms", micros / 1_000),
        1..60 => format!("{:.1} s", micros as f64 / 1e6),
        60..3_600 => format!("{}m {}s", seconds / 60, seconds % 60),
        _ => format!("{}h {}m", seconds / 3_600, seconds % 3_600 / 60),
    }
}

/// Writes text on one line that cannot change what a terminal shows: control characters and marks of reading direction are
/// written as escapes.
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        if is_unsafe_to_print(character) {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

/// Writes the digest of an artifact's content, for people.
pub(crate) fn digest_words(artifact: &Artifact) -> String {
    artifact.known_digest().map_or_else(|| "content not recorded".to_owned(), |digest| digest.short())
}

/// Writes the size of an artifact's content.
pub(crate) fn size_words(artifact: &Artifact) -> String {
    artifact.known_size().map_or_else(|| "-".to_owned(), bytes)
}

/// Writes how the content of one artifact became that of another.
pub(crate) fn change_words(a: &Artifact, b: &Artifact) -> String {
    match (a.known_digest(), b.known_digest()) {
        (None, None) => "content not recorded, so it may differ".to_owned(),
        _ => format!("{} -> {}", digest_words(a), digest_words(b)),
    }
}

/// Writes digest and size of an artifact's content.
pub(crate) fn content_words(artifact: &Artifact) -> String {
    match artifact.known_size() {
        Some(size) => format!("{}, {}", artifact.digest.short(), bytes(size)),
        None => digest_words(artifact),
    }
}

/// Writes the name of a folder: `data/raw/`.
pub(crate) fn folder_name(folder: &[u8]) -> String {
    match folder {
        b"" => "the workspace's root".to_owned(),
        folder => format!("{}/", printed(folder)),
    }
}

/// Writes `1 run`, `2 runs`.
pub fn counted(count: u64, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{} {many}", thousands(count)) }
}

/// Writes a count with commas: `200,001`.
pub(crate) fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_carry_units() {
        assert_eq!(bytes(1), "1 byte");
        assert_eq!(bytes(999), "999 bytes");
        assert_eq!(bytes(438_000), "438.0 KB");
        assert_eq!(bytes(999_999), "1.0 MB");
        assert_eq!(duration(7_100_000), "7.1 s");
        assert_eq!(duration(1_894_000_000), "31m 34s");
        assert_eq!(duration(7_500_000_000), "2h 5m");
        assert_eq!(thousands(200_001), "200,001");
        assert_eq!(thousands(1_000), "1,000");
    }

    #[test]
    fn nothing_recorded_can_drive_a_terminal() {
        assert_eq!(one_line("a\u{1b}[31m\nb\u{202e}"), "a\\u{1b}[31m\\nb\\u{202e}");
    }
}
