//! Masking of what looks like a credential, before it reaches the journal.
//!
//! Six rules: the value of an argument whose name says that it is secret, the same in a document such as JSON, with all texts below
//! such a name, and in a connection string, the password in a URL, what a header says that carries credentials, what well-known
//! programs take as a password behind an option or as a word, and words that carry the prefix by which a service marks its tokens.
//! In an argument that is a script, as after `sh -c`, and in a text for people, they hold for each of its words.
//! What is masked is replaced by `***`; nothing else is changed.

use names::{is_plain, is_secret};
use pairs::{masked_lines, masked_pairs};
use programs::Reading;
use texts::masked_script;

pub use names::{covers, is_covered};
pub use texts::masked_prose;

mod names;
mod pairs;
mod programs;
#[cfg(test)]
mod tests;
mod texts;

/// What stands in its place.
pub const MASK: &str = "***";

/// Fronts of tokens, with the length from which on a word is taken for one.
const TOKEN_FRONTS: &[(&str, usize)] = &[
    ("ghp_", 20),
    ("gho_", 20),
    ("ghs_", 20),
    ("github_pat_", 30),
    ("glpat-", 20),
    ("hf_", 20),
    ("sk-", 20),
    ("xoxb-", 20),
    ("xoxp-", 20),
    ("AKIA", 20),
    ("ASIA", 20),
    ("AIza", 30),
    ("eyJ", 40),
    ("npm_", 20),
    ("pypi-", 20),
];

/// Headers that carry credentials, besides those whose name says so.
const SECRET_HEADERS: &[&str] = &["authorization", "proxy-authorization", "cookie", "set-cookie"];

/// Scripts in scripts are looked into so deep.
const DEPTH_MAX: u32 = 4;

/// Masks a command line.
pub fn masked(arguments: &[String]) -> Vec<String> {
    let mut reading = Words::default();
    arguments.iter().map(|argument| reading.masked(argument, 0)).collect()
}

/// Masks the value of a parameter, a tag or a field of this name.
pub fn masked_value(name: &str, value: &str) -> String {
    match is_secret(name, value) {
        true => MASK.to_owned(),
        false => Words::default().masked(masked_lines(value).as_deref().unwrap_or(value), 0),
    }
}

/// What the words before a word say of it.
#[derive(Default)]
struct Words {
    /// The option whose value it is.
    option: Option<String>,
    /// It is a script.
    is_script: bool,
    /// It stands behind `-e`, which other programs have for a variable.
    is_expression: bool,
    /// It may be `-u` of `curl`.
    is_of_curl: bool,
    /// It is `NAME:PASSWORD`.
    is_user: bool,
    /// Which program they started, and what it was told.
    command: Reading,
}

impl Words {
    /// Masks the next word.
    fn masked(&mut self, word: &str, depth: u32) -> String {
        let name = word.trim_start_matches('-');
        let is_option = name.len() < word.len();
        let before = std::mem::take(self);
        let is_curl = word == "curl" || word.ends_with("/curl");
        *self = Words {
            option: (is_option && !word.contains(|c: char| c == '=' || c.is_whitespace()))
                .then(|| name.to_owned()),
            // `-c`, `-lc`, `-e`; an option with a longer name says something else.
            is_script: is_option && !word.starts_with("--") && name.len() <= 3 && name.ends_with(['c', 'e']),
            is_expression: word == "-e",
            is_of_curl: is_curl || before.is_of_curl,
            is_user: before.is_of_curl && user_of_curl(word).is_some_and(|(_, user)| user.is_empty()),
            command: before.command,
        };
        if let Some(begin) = self.command.password_in(word)
            && begin < word.len()
        {
            return format!("{}{MASK}", &word[..begin]);
        }
        if self.command.sets_values() && !is_option {
            self.option = Some(name.to_owned());
        }
        if !is_option && before.option.is_some_and(|option| is_secret(&option, word)) {
            return MASK.to_owned();
        }
        let user = match before.is_user {
            true => Some(("", word)),
            false => user_of_curl(word).filter(|_| before.is_of_curl),
        };
        if let Some((option, user)) = user
            && let Some((name, _)) = user.split_once(':')
        {
            return format!("{option}{name}:{MASK}");
        }
        if let Some(header) = masked_header(word) {
            return header;
        }
        let pairs = masked_pairs(word);
        let word = pairs.as_deref().unwrap_or(word);
        // `--password=two words` is one argument, `echo --password=x and more` a script; `PASSWORD=two words` behind `-e` is a
        // variable, and behind `-c` a script.
        let first = word.split(char::is_whitespace).next().unwrap_or_default();
        let is_value = word.split_once('=').is_some_and(|(name, value)| {
            name.len() < first.len()
                && is_secret(name, if before.is_script { &first[name.len() + 1..] } else { value })
        });
        let is_script = !is_value || before.is_script && !before.is_expression;
        if first.len() < word.len() && is_script && depth < DEPTH_MAX {
            return masked_script(word, depth + 1);
        }
        masked_word(word)
    }
}

/// Options of `curl` of one letter that have no value, and so may stand before another in one word.
const CURL_FLAGS: &str = "0123469aBfgGiIjJklLMnNOpqRsSvVZ#";

/// Splits an option of `curl` that says `NAME:PASSWORD`, into the option and what follows in the same word: `-u`, `-uNAME:PASSWORD`,
/// `-suNAME:PASSWORD`, `--user=NAME:PASSWORD`, and the same for a proxy.
fn user_of_curl(word: &str) -> Option<(&str, &str)> {
    if let Some(long) = word.strip_prefix("--") {
        let (name, _) = long.split_once('=').unwrap_or((long, ""));
        let end = "--".len() + name.len() + usize::from(long.len() > name.len());
        return matches!(name, "user" | "proxy-user").then(|| word.split_at(end));
    }
    let letters = word.strip_prefix('-')?;
    let at = letters.find(|letter| !CURL_FLAGS.contains(letter))?;
    letters[at..].starts_with(['u', 'U']).then(|| word.split_at(at + 2))
}

/// Masks a header that carries credentials, `Authorization: Bearer abc`, also behind `-H` or `--header=`.
fn masked_header(word: &str) -> Option<String> {
    let start = match word.split_once('=') {
        Some((option, _)) if option.starts_with('-') && !option.contains([':', ' ']) => option.len() + 1,
        _ if word.starts_with("-H") => 2,
        _ => 0,
    };
    let (front, header) = word.split_at(start);
    let (name, value) = header.split_once(':')?;
    let is_name =
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    let lower = name.to_ascii_lowercase();
    let said = value.trim();
    let is_secret = SECRET_HEADERS.contains(&lower.as_str()) || is_secret(name, said);
    if !is_name || !is_secret || said.is_empty() || said.starts_with("//") {
        return None;
    }
    // How it is said (`Bearer`, `Basic`) is no secret.
    match said.split_once(' ') {
        Some((scheme, _)) if lower.ends_with("authorization") => {
            Some(format!("{front}{name}: {scheme} {MASK}"))
        }
        _ => Some(format!("{front}{name}: {MASK}")),
    }
}

/// Masks one word: `NAME=value`, a URL, a token.
pub fn masked_word(word: &str) -> String {
    if let Some((name, value)) = word.split_once('=')
        && is_secret(name, value)
        && !name.contains("://")
    {
        return format!("{name}={MASK}");
    }
    if is_token(word) {
        return MASK.to_owned();
    }
    let url = masked_url(word);
    let word = url.as_deref().unwrap_or(word);
    // The query of a URL has been seen to, and ends where its fragment begins.
    let query = word.find("://").and_then(|_| word.find(['?', '#'])).unwrap_or(word.len());
    masked_among(&word[..query]) + &word[query..]
}

/// What stands between the values in a word that has several.
const BETWEEN_VALUES: [char; 3] = [';', ',', '&'];

/// Masks the secret values among those in one word: `Server=h;Password=abc`, `user=me&password=abc`.
fn masked_among(word: &str) -> String {
    let mut masked = String::with_capacity(word.len());
    let (mut written, mut at) = (0, 0);
    while let Some(found) = word[at..].find('=') {
        let value = at + found + 1;
        let name = word[at..value - 1].rfind(BETWEEN_VALUES).map_or(at, |before| at + before + 1);
        let end = end_of_value(word, value, word[..name].chars().next_back());
        at = value;
        let (name, said) = (&word[name..value - 1], &word[value..end]);
        if !name.contains("://") && is_secret(name, said) || is_token(said) {
            masked.push_str(&word[written..value]);
            masked.push_str(MASK);
            (written, at) = (end, end);
        }
    }
    masked + &word[written..]
}

/// Returns where a value ends: where `between` stands, which stood before its name too, and another name follows; or else with
/// the word, for a password may hold any character.
fn end_of_value(word: &str, value: usize, between: Option<char>) -> usize {
    let Some(between) = between.filter(|between| BETWEEN_VALUES.contains(between)) else { return word.len() };
    let closing = match word[value..].chars().next() {
        Some('{') => Some('}'),
        quote => quote.filter(|quote| matches!(quote, '\'' | '"')),
    };
    let quoted = closing.and_then(|closing| word[value + 1..].find(closing)).map_or(0, |end| end + 1);
    let from = value + quoted;
    let mut ends = word[from..].match_indices(between).map(|(end, _)| from + end);
    let is_end = |end: &usize| {
        let next = &word[end + between.len_utf8()..];
        next.is_empty() || next.split(between).next().is_some_and(|next| next.contains('='))
    };
    ends.find(is_end).unwrap_or(word.len())
}

/// Masks the user's part and secret parameters of a URL; `None` where there is nothing to mask.
fn masked_url(word: &str) -> Option<String> {
    let at = word.find("://")?;
    let (scheme, rest) = word.split_at(at + 3);
    let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(authority_end);
    let shown_authority = match authority.rsplit_once('@') {
        Some((user, host)) => match user.split_once(':') {
            Some((name, _)) => format!("{name}:{MASK}@{host}"),
            None if is_token_before(scheme, user) => format!("{MASK}@{host}"),
            None => authority.to_owned(),
        },
        None => authority.to_owned(),
    };
    let query = path.find(['?', '#']).unwrap_or(path.len());
    let (path, query) = path.split_at(query);
    let parts = query.split_inclusive(['?', '#', '&', ';']).map(|part| {
        let end = part.trim_end_matches(['?', '#', '&', ';']).len();
        match part[..end].split_once('=') {
            Some((name, value)) if is_secret(name, value) || is_opening(name, value) || is_token(value) => {
                format!("{name}={MASK}{}", &part[end..])
            }
            _ => part.to_owned(),
        }
    });
    let shown_path = format!("{path}{}", parts.collect::<String>());
    let shown = format!("{scheme}{shown_authority}{shown_path}");
    (shown != word).then_some(shown)
}

/// Returns true for what may be a token in the place of a user: a name is none where the scheme has names there, as
/// `abfss://container@account` and `ssh://git@host`.
fn is_token_before(scheme: &str, user: &str) -> bool {
    scheme.ends_with("http://") || scheme.ends_with("https://") || is_token(user) || user.len() > 30
}

fn is_token(word: &str) -> bool {
    TOKEN_FRONTS.iter().any(|(front, length)| word.starts_with(front) && word.len() >= *length)
}

/// Returns true for what opens a URL: its signature, or a key.
fn is_opening(name: &str, value: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let is_signature = name == "sig" || name.contains("signature");
    match name.as_str() {
        "auth" => !is_plain(value),
        "key" => is_opaque(value),
        _ => is_signature && !value.is_empty(),
    }
}

/// Returns true for letters mixed with digits, as keys are: of an object too there may be a `key`, which is a place, a word, a
/// number, or a word that is counted up.
fn is_opaque(value: &str) -> bool {
    const LONG: usize = 16;
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    let letters = value.bytes().filter(u8::is_ascii_alphabetic).count();
    let stem = value.trim_end_matches(|c: char| c.is_ascii_digit());
    let is_counted = stem.len() == letters && digits > 2;
    let is_short_one = value.len() >= 8 && digits + letters == value.len() && !is_counted;
    let is_of_words = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    digits > 0 && letters > 0 && is_of_words && (value.len() >= LONG || is_short_one)
}
