//! Labels and titles of items as filers write them: "ITEM 1A. RISK FACTORS", "Items 1 and 1A", "1A.", "Part II, Item 1A —".

use super::section::{FormKind, Section};

/// Number and letter of an item, such as `1A`; the letter is 0 where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemNumber {
    /// 1 to 16.
    pub number: u8,
    /// `b'A'` to `b'C'`, or 0.
    pub letter: u8,
}

/// A label found at the beginning of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ItemLabel {
    /// The (first) item.
    pub first: ItemNumber,
    /// The last item of a combined heading ("Items 1 and 1A"); the same as `first` otherwise.
    pub last: ItemNumber,
    /// The part, where the label names it.
    pub part: Option<u8>,
    /// Offset of the text after the label and its punctuation.
    pub end: usize,
    /// The word "item" stands there; a bare "1A." is weaker.
    pub has_word: bool,
    /// What follows the label is punctuation, a line's end or the end of the text, not a word in the same breath.
    pub is_delimited: bool,
    /// A comma follows, as in a sentence that names the item.
    pub has_comma: bool,
}

/// Walks over a text, passing over what readers do not see.
struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

/// Tells whether a letter takes no room on the page: soft hyphen, zero-width characters, byte order mark.
pub fn is_invisible(letter: char) -> bool {
    matches!(letter, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
}

impl Scanner<'_> {
    fn peek(&mut self) -> Option<char> {
        loop {
            let letter = self.text[self.at..].chars().next()?;
            if !is_invisible(letter) {
                return Some(letter);
            }
            self.at += letter.len_utf8();
        }
    }

    fn skip_while(&mut self, accepts: impl Fn(char) -> bool) -> usize {
        let start = self.at;
        while let Some(letter) = self.peek() {
            if !accepts(letter) {
                break;
            }
            self.at += letter.len_utf8();
        }
        self.at - start
    }

    /// Reads `word` without regard to case, allowing spaces between its letters as loose typesetting leaves them.
    fn word(&mut self, word: &str) -> bool {
        let start = self.at;
        for (index, wanted) in word.chars().enumerate() {
            if index > 0 {
                self.skip_while(|letter| letter == ' ');
            }
            match self.peek() {
                Some(letter) if letter.eq_ignore_ascii_case(&wanted) => self.at += letter.len_utf8(),
                _ => {
                    self.at = start;
                    return false;
                }
            }
        }
        true
    }

    fn number(&mut self) -> Option<u8> {
        let mut number = 0u8;
        let mut digits = 0;
        while let Some(digit) = self.peek().and_then(|letter| letter.to_digit(10)) {
            if digits == 2 {
                return None;
            }
            number = number * 10 + digit as u8;
            digits += 1;
            self.at += 1;
        }
        (digits > 0 && (1..=16).contains(&number)).then_some(number)
    }

    /// Reads `1A`, `1 A.`, `1(a)`, `9A(T)`.
    fn item_number(&mut self) -> Option<ItemNumber> {
        let number = self.number()?;
        let after_number = self.at;
        let spaces = self.skip_while(|letter| matches!(letter, ' ' | '\n' | '(' | '.' | '-'));
        let skipped = &self.text[after_number..after_number + spaces];
        let mut letter = 0;
        if let Some(found) = self.peek()
            && matches!(found.to_ascii_uppercase(), 'A' | 'B' | 'C')
        {
            let before = self.at;
            self.at += 1;
            let next = self.peek();
            // "1ARisk" and "1ARISK": label and title stood in cells or spans with no space between them.
            let is_run_together =
                spaces == 0 && found.is_ascii_uppercase() && next.is_some_and(char::is_uppercase);
            let is_alone = is_run_together || next.is_none_or(|next| !next.is_alphanumeric());
            let is_near = spaces == 0 || skipped == "(" || skipped == " (" || skipped == "-";
            // "1 A." is a label, "1 A company" is not.
            let ends = next.is_none_or(|next| matches!(next, '.' | ':' | '-' | '–' | '—' | ')' | '\n'));
            let is_apart = ends && !skipped.contains('.') && found.is_ascii_uppercase();
            let is_titled = || skipped == " " && title_follows(number, found, &self.text[self.at..]);
            if is_alone && (is_near || is_apart || is_titled()) {
                letter = found.to_ascii_uppercase() as u8;
            } else if spaces == 0 && !(found.is_ascii_uppercase() && next.is_some_and(char::is_lowercase)) {
                return None;
            } else {
                self.at = before;
            }
        } else if spaces == 0
            && self.peek().is_some_and(|next| next.is_alphanumeric() && !next.is_uppercase())
        {
            return None;
        }
        if letter == 0 {
            self.at = after_number;
        } else {
            self.skip_while(|letter| letter == ')');
            let at = self.at;
            if !(self.skip_while(|letter| letter == '(') > 0
                && self.word("T")
                && self.skip_while(|letter| letter == ')') > 0)
            {
                self.at = at;
            }
        }
        Some(ItemNumber { number, letter })
    }

    /// Reads `IA` and `I.`, as some typists write `1A` and `1.`: old typewriters have no other digit one.
    fn typed_as_letter(&mut self) -> Option<ItemNumber> {
        let mut rest = self.text[self.at..].chars();
        rest.next().filter(|one| matches!(one, 'I' | 'l'))?;
        let next = rest.next();
        if matches!(next, Some('.' | ':' | '-' | '–' | '—')) {
            self.at += 1;
            return Some(ItemNumber { number: 1, letter: 0 });
        }
        let letter = next.filter(|letter| matches!(letter, 'A' | 'B' | 'C'))?;
        if rest.next().is_some_and(char::is_alphanumeric) {
            return None;
        }
        self.at += 2;
        Some(ItemNumber { number: 1, letter: letter as u8 })
    }

    /// Reads what goes on with a list of numbers, " and 1B", ", 2", " & 3", " through 4", as long as they rise; and whether what
    /// lies between is meant as well. The word "item" may stand before the number.
    fn next_number(&mut self, last: ItemNumber) -> Option<(ItemNumber, bool)> {
        let start = self.at;
        self.skip_while(|letter| matches!(letter, ' ' | '.' | ',' | ';' | '\n'));
        let is_range = self.word("through") || self.word("to") || self.word("-") || self.word("–");
        let is_joined = is_range
            || self.word("and")
            || self.word("&")
            || self.word("/")
            || self.text[start..self.at].contains(',');
        self.skip_while(|letter| matches!(letter, ' ' | '\n' | ','));
        if is_joined && self.word("item") {
            self.word("s");
            self.skip_while(|letter| matches!(letter, ' ' | '\n'));
        }
        let next = is_joined.then(|| self.item_number()).flatten().filter(|next| *next > last);
        if next.is_none() {
            self.at = start;
        }
        next.map(|next| (next, is_range))
    }
}

/// Tells whether the title of an item with a letter follows its number and letter: "1 A Risk Factors".
fn title_follows(number: u8, letter: char, rest: &str) -> bool {
    let item = ItemNumber { number, letter: letter.to_ascii_uppercase() as u8 };
    [FormKind::Annual, FormKind::Quarterly]
        .into_iter()
        .any(|form| Section::numbered(form, item).any(|section| section.title_end(form, rest).is_some()))
}

/// Reads "PART II" at the beginning of a text; gives the part and the offset after it.
pub fn part_label(text: &str) -> Option<(u8, usize)> {
    // Quick refusal of almost every text: its first letter is another one.
    if text.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric() && !matches!(first, b'p' | b'P'))
    {
        return None;
    }
    let mut scanner = Scanner { text, at: 0 };
    scanner.skip_while(|letter| !letter.is_alphanumeric());
    if !scanner.word("part") {
        return None;
    }
    if scanner.skip_while(|letter| matches!(letter, ' ' | '\n' | '-' | '–' | '—')) == 0 {
        return None;
    }
    let start = scanner.at;
    scanner.skip_while(|letter| matches!(letter, 'I' | 'V' | 'i' | 'v' | '1'..='4'));
    let part = match text[start..scanner.at].to_ascii_uppercase().as_str() {
        "I" | "1" => 1,
        "II" | "2" => 2,
        "III" | "3" => 3,
        "IV" | "4" => 4,
        _ => return None,
    };
    let is_word = scanner.peek().is_some_and(char::is_alphanumeric);
    (!is_word).then_some((part, scanner.at))
}

/// The items that a text names.
#[derive(Debug, Default)]
pub struct NamedItems {
    /// Their numbers, in order, each once; those of a range as well, without the letters that may lie in it.
    pub items: Vec<ItemNumber>,
    /// Whether there is a range among them: "Items 7 through 9".
    pub has_range: bool,
}

/// Reads the numbers of all items that a text names after the word "item": "Items 2, 3 and 4, and Item 10 — Directors".
pub fn items_named(text: &str) -> NamedItems {
    let mut named = NamedItems::default();
    let lower = text.to_ascii_lowercase();
    let mut from = 0;
    while let Some(found) = lower[from..].find("item") {
        let at = from + found;
        from = at + "item".len();
        if text[..at].ends_with(char::is_alphanumeric) || named.items.len() >= ITEMS_NAMED_MAX {
            continue;
        }
        let mut scanner = Scanner { text, at: from };
        scanner.word("s");
        scanner.skip_while(|letter| matches!(letter, ' ' | '\n' | '\u{a0}'));
        let Some(mut last) = scanner.item_number() else { continue };
        named.items.push(last);
        while let Some((next, is_range)) = scanner.next_number(last) {
            let between = if is_range { last.number + 1..next.number } else { 0..0 };
            named.items.extend(between.map(|number| ItemNumber { number, letter: 0 }));
            named.items.push(next);
            named.has_range |= is_range;
            last = next;
        }
        from = scanner.at;
    }
    named.items.sort_unstable();
    named.items.dedup();
    named
}

/// A text names no more items than this.
const ITEMS_NAMED_MAX: usize = 64;

/// Reads the label of an item at the beginning of a text.
///
/// Leading bullets, quotes and "PART I" are passed over. Without the word "item", a label needs its period: `1A.`
pub fn item_label(text: &str) -> Option<ItemLabel> {
    if may_be_label(text.as_bytes()) { read_label(text) } else { None }
}

/// Refuses almost every text quickly: a label has a digit near its beginning, or the word "item" at it, and its first letter is
/// that of "item" or "part".
fn may_be_label(text: &[u8]) -> bool {
    let is_passed_over = |byte: &u8| byte.is_ascii() && !byte.is_ascii_alphanumeric() && *byte != b'(';
    let mut letters = text.iter().skip_while(|byte| is_passed_over(byte)).map(u8::to_ascii_lowercase);
    let (first, second) = (letters.next().unwrap_or(0), letters.next().unwrap_or(0));
    let is_first = match first {
        b'i' => second == b't' || !second.is_ascii_alphabetic(),
        b'p' => second == b'a' || !second.is_ascii_alphabetic(),
        _ => !first.is_ascii_alphabetic(),
    };
    let has_digit = || text.iter().take(LABEL_LEN_MAX).any(u8::is_ascii_digit);
    is_first
        && (text.first_chunk::<4>().is_some_and(|word| word.eq_ignore_ascii_case(b"item")) || has_digit())
}

/// Reads a label that [`may_be_label`] has not refused.
fn read_label(text: &str) -> Option<ItemLabel> {
    let mut scanner = Scanner { text, at: 0 };
    scanner.skip_while(|letter| !letter.is_alphanumeric() && letter != '(');
    let part = part_label(&text[scanner.at..]);
    if let Some((_, len)) = part {
        scanner.at += len;
        scanner.skip_while(|letter| !letter.is_alphanumeric() && letter != '(');
    }
    let has_word = scanner.word("item");
    if has_word {
        let after = scanner.at;
        if scanner.word("s") && scanner.peek().is_some_and(|letter| letter.is_alphabetic()) {
            scanner.at = after;
        }
        scanner.skip_while(|letter| {
            matches!(letter, ' ' | '\n' | '\t' | '.' | ':' | '#' | '-' | '–' | '—' | '(')
        });
    }
    let first = match scanner.item_number() {
        Some(item) => item,
        None if has_word => scanner.typed_as_letter()?,
        None => return None,
    };
    let mut last = first;
    while has_word && let Some((next, _)) = scanner.next_number(last) {
        last = next;
    }
    let after = scanner.at;
    let next = scanner.peek();
    let punctuation = scanner
        .skip_while(|letter| !letter.is_alphanumeric() && !matches!(letter, '(' | '“' | '"' | '[' | '$'));
    let marks = &text[after..after + punctuation];
    let has_mark = marks.contains(['.', ':', '-', '–', '—', '\n', '\t', '|', ')']);
    if !(has_word || marks.starts_with(['.', ':'])) {
        return None;
    }
    Some(ItemLabel {
        first,
        last,
        part: part.map(|(part, _)| part),
        end: scanner.at,
        has_word,
        is_delimited: has_mark || next.is_none(),
        has_comma: marks.starts_with(','),
    })
}

/// A label and what stands before it are no longer than this.
const LABEL_LEN_MAX: usize = 60;

/// Matches letters and digits of `text` against those of `title`, which is ASCII, from the beginning and without regard to case.
///
/// Returns the offset in `text` after the last letter that matched, where all of `title` did.
pub fn title_end(text: &str, title: &str) -> Option<usize> {
    let mut wanted = title.bytes().filter(u8::is_ascii_alphanumeric);
    let mut next = wanted.next();
    for (at, letter) in text.char_indices() {
        let Some(expected) = next else { return Some(at) };
        if !letter.is_alphanumeric() {
            continue;
        }
        if !letter.is_ascii() || !(letter as u8).eq_ignore_ascii_case(&expected) {
            return None;
        }
        next = wanted.next();
    }
    next.is_none().then_some(text.len())
}

/// Counts words: what white space separates.
pub fn count_words(text: &str) -> usize {
    let mut rest = text;
    let mut words = 0;
    let mut was_space = true;
    while !rest.is_empty() {
        let (plain, after) = rest.split_at(ascii_len(rest.as_bytes()));
        words += words_begun(plain.as_bytes(), was_space);
        was_space = plain.as_bytes().last().map_or(was_space, |last| is_ascii_space(*last));
        let mut letters = after.chars();
        if let Some(letter) = letters.next() {
            words += usize::from(was_space && !letter.is_whitespace());
            was_space = letter.is_whitespace();
        }
        rest = letters.as_str();
    }
    words
}

fn is_ascii_space(byte: u8) -> bool {
    byte == b' ' || byte.wrapping_sub(9) < 5
}

/// Returns how many bytes there are before the first that is not ASCII.
fn ascii_len(bytes: &[u8]) -> usize {
    let chunks = bytes.chunks(32).take_while(|chunk| chunk.is_ascii()).map(<[u8]>::len);
    let plain: usize = chunks.sum();
    plain + bytes[plain..].iter().take_while(|byte| byte.is_ascii()).count()
}

/// Counts the words that begin in a stretch of ASCII, behind white space or not; many bytes at a time.
fn words_begun(bytes: &[u8], was_space: bool) -> usize {
    let Some((first, behind)) = bytes.split_first() else { return 0 };
    let begins = |before: u8, byte: u8| u8::from(is_ascii_space(before) & !is_ascii_space(byte));
    let mut words = usize::from(was_space && !is_ascii_space(*first));
    // No more than a byte can count.
    for (before, bytes) in bytes.chunks(128).zip(behind.chunks(128)) {
        let pairs = before.iter().zip(bytes);
        words += usize::from(pairs.map(|(before, byte)| begins(*before, *byte)).sum::<u8>());
    }
    words
}

/// Tells whether a text has at most `words_max` words, without reading more of it than that takes.
pub fn has_at_most_words(text: &str, words_max: usize) -> bool {
    let mut words = 0;
    let mut was_space = true;
    for letter in text.bytes() {
        // Bytes of letters beyond ASCII count as letters: white space beyond ASCII was made a space when the text was read.
        let is_space = letter == b' ' || (9..=13).contains(&letter);
        words += usize::from(was_space && !is_space);
        if words > words_max {
            return false;
        }
        was_space = is_space;
    }
    true
}

/// Tells whether a text has letters and none of them is small.
pub fn is_capitals(text: &str) -> bool {
    let mut capitals = 0;
    for letter in text.chars() {
        if letter.is_lowercase() {
            return false;
        }
        capitals += usize::from(letter.is_uppercase());
    }
    capitals > 1
}

/// Keeps letters and digits, in lower case: what two spellings of a heading share.
pub fn key(text: &str) -> String {
    if text.is_ascii() {
        let mut key = String::with_capacity(text.len());
        let letters = text.bytes().filter(u8::is_ascii_alphanumeric);
        key.extend(letters.map(|letter| char::from(letter.to_ascii_lowercase())));
        return key;
    }
    key_beyond_ascii(text)
}

fn key_beyond_ascii(text: &str) -> String {
    text.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_key_of_ascii_is_that_of_any_text(text in "[ -~\\n\\t]{0,30}") {
            prop_assert_eq!(key(&text), key_beyond_ascii(&text));
        }

        #[test]
        fn no_label_is_refused_quickly(text in r#"["(\[• \u{ad}]{0,3}(part|PART|p art|i tem|ITEM|Item|In|Pa|1|12|Net)?[ -]?(II?)?,? ?(Item )?[ (]?[0-9IA]{0,3}[.: ]?.{0,8}7?"#) {
            // A label without the word "item" at its very beginning is only looked for where a digit is near.
            let is_near = text.as_bytes().iter().take(LABEL_LEN_MAX).any(u8::is_ascii_digit);
            if is_near && !may_be_label(text.as_bytes()) {
                prop_assert_eq!(read_label(&text), None);
            }
        }
    }

    proptest! {
        #[test]
        fn words_are_counted_as_the_standard_library_splits_them(text in r"([a-zA-Z0-9.,]{0,40}[ \t\n\x0b\x0c\r\x1c\x1f]{0,2}([\u{a0}\u{85}\u{2003}\u{2019}é])?){0,12}") {
            prop_assert_eq!(count_words(&text), text.split_whitespace().count());
        }
    }

    #[test]
    fn items_named_in_a_sentence_are_found() {
        let named = |text: &str| -> Vec<String> {
            let show = |item: &ItemNumber| match item.letter {
                0 => item.number.to_string(),
                letter => format!("{}{}", item.number, char::from(letter)),
            };
            items_named(text).items.iter().map(show).collect()
        };
        assert_eq!(named("ITEMS 2, 3, 4, 9 and 10 are not applicable"), ["2", "3", "4", "9", "10"]);
        assert_eq!(named("Items 10 through 13 are omitted"), ["10", "11", "12", "13"]);
        assert_eq!(named("Items 1, 1A & 2. Business, Risk Factors and Properties"), ["1", "1A", "2"]);
        assert_eq!(named("Item 1. Business and Item 2. Properties let to others"), ["1", "2"]);
        assert!(items_named("Items 7 to 9").has_range && !items_named("Items 7 and 9 refer to it").has_range);
        assert_eq!(named("Part III (Item 10 — Directors, Item 11 — Pay, and Item 1A)"), ["1A", "10", "11"]);
        assert!(named("items of equipment and itemised bills, Item 405").is_empty());
    }
}
