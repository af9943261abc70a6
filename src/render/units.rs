//! Sizes, durations and names as people read them.

use crate::model::{Artifact, command_line, is_unsafe_to_print, printed};

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

/// As many characters of a command line are written.
const COMMAND_MAX: usize = 300;
/// As many words that are the same stand before those in which two long command lines differ.
const SAME_WORDS: usize = 3;

/// Writes a command line on one line; of a long one the front, and how many words are left out.
pub(crate) fn command_words(arguments: &[String]) -> String {
    let mut line = String::new();
    let mut room = COMMAND_MAX;
    for (at, argument) in arguments.iter().enumerate() {
        let word = one_line(&command_line(std::slice::from_ref(argument)));
        let front = if at == 0 { "" } else { " " };
        let room_for_word = room.saturating_sub(front.len());
        if let Some((end, _)) = word.char_indices().nth(room_for_word) {
            let (front, begun) = if end == 0 { ("", 0) } else { (front, 1) };
            let left = match arguments.len() - at - begun {
                0 => String::new(),
                left => format!(" and {}", counted(left as u64, "more word", "more words")),
            };
            return format!("{line}{front}{}…{left}, in full in `--json`", &word[..end]);
        }
        line.push_str(front);
        line.push_str(&word);
        room = room_for_word - word.chars().count();
    }
    line
}

/// Writes two command lines as [`command_words`] does; of long ones that begin with the same words, from shortly before those in which
/// they differ.
pub(crate) fn command_words_of_two<'a>(a: &'a [String], b: &'a [String]) -> [String; 2] {
    let is_long = |words: &&[String]| command_line(words).chars().count() > COMMAND_MAX;
    let same = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let skipped = if [a, b].iter().any(is_long) { same.saturating_sub(SAME_WORDS) } else { 0 };
    let front = if skipped > 0 { "… " } else { "" };
    [a, b].map(|words| format!("{front}{}", command_words(&words[skipped..])))
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
    fn a_command_line_is_written_up_to_a_bound_and_the_rest_is_counted() {
        let words = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            command_words(&words)
        };
        assert_eq!(words(&["python", "t.py", "a b"]), "python t.py 'a b'");
        assert_eq!(words(&[]), "");
        let long = "x".repeat(400);
        assert_eq!(words(&[&long]), format!("{}…, in full in `--json`", &long[..300]));
        let many = vec!["ü.csv"; 1000];
        let written = words(&many);
        let (shown, left) = written.split_once("… and ").unwrap();
        assert_eq!(left, "950 more words, in full in `--json`");
        assert!(shown.chars().count() <= COMMAND_MAX, "{shown}");
        assert_eq!(shown.split(' ').count(), 50);
    }

    #[test]
    fn of_two_long_command_lines_the_words_are_seen_in_which_they_differ() {
        let words = |last: &str| {
            let mut words = vec!["data.csv".to_owned(); 1000];
            words.push(last.to_owned());
            words
        };
        let [a, b] = command_words_of_two(&words("0.1"), &words("1"));
        assert_eq!(a, "… data.csv data.csv data.csv 0.1");
        assert_eq!(b, "… data.csv data.csv data.csv 1");
        let short = |word: &str| vec!["t.py".to_owned(), word.to_owned()];
        assert_eq!(command_words_of_two(&short("0.1"), &short("1")), ["t.py 0.1", "t.py 1"]);
    }

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
