//! Secrets in values that are structured: `{"password": "abc"}`, as JSON, YAML or Python writes it.

use super::MASK;
use super::names::is_secret;

/// Longer names are none.
const NAME_MAX_BYTES: usize = 100;

/// Masks the secret values of quoted names; `None` where there are none. What was JSON is JSON.
pub fn masked_pairs(text: &str) -> Option<String> {
    if !text.contains(':') || !text.contains(['"', '\'']) {
        return None;
    }
    let mut masked = String::new();
    let (mut written, mut at) = (0, 0);
    while let Some(found) = text[at..].find(['"', '\'']) {
        let quote = at + found;
        at = quote + 1;
        let open = Quote::at(text, quote);
        let Some(end) = open.closed(text, at, NAME_MAX_BYTES) else { continue };
        let name = &text[quote + 1..end];
        let Some(rest) = text[end + open.text.len()..].trim_start().strip_prefix(':') else { continue };
        let value = text.len() - rest.trim_start().len();
        let (from, to, is_quoted) = value_at(text, value, &open);
        if from == to || !is_secret(name, &text[from..to]) {
            at = value;
            continue;
        }
        let quotes = if is_quoted { "" } else { open.text };
        masked.push_str(&text[written..from]);
        masked.push_str(&format!("{quotes}{MASK}{quotes}"));
        (written, at) = (to, to);
    }
    masked.push_str(&text[written..]);
    (written > 0 && masked != text).then_some(masked)
}

/// A quotation mark, with the backslashes before it where it stands in a quotation itself.
struct Quote<'a> {
    text: &'a str,
}

impl<'a> Quote<'a> {
    fn at(text: &'a str, quote: usize) -> Self {
        let front = text[..quote].trim_end_matches('\\').len();
        Quote { text: &text[front..=quote] }
    }

    /// Returns where this quotation ends that is open at `from`, if it does within so many bytes.
    fn closed(&self, text: &str, from: usize, bytes_max: usize) -> Option<usize> {
        let mark = self.text.chars().last()?;
        let inner = text.get(from..)?;
        let ends = inner.char_indices().take_while(|(end, _)| *end <= bytes_max).filter(|(_, c)| *c == mark);
        let mut ends = ends.map(|(end, _)| from + end + 1 - Quote::at(text, from + end).text.len());
        ends.find(|end| *end >= from && text[*end..].starts_with(self.text) && !text[..*end].ends_with('\\'))
    }
}

/// Returns from where to where the value at `at` goes, and whether its quotation marks stay around it.
fn value_at(text: &str, at: usize, open: &Quote<'_>) -> (usize, usize, bool) {
    let rest = &text[at..];
    let mark = rest.trim_start_matches('\\').chars().next();
    if let Some('"' | '\'') = mark {
        let quote = at + rest.len() - rest.trim_start_matches('\\').len();
        let inner = Quote::at(text, quote);
        return match inner.closed(text, quote + 1, usize::MAX) {
            Some(end) => (quote + 1, end, true),
            None => (at, at, true),
        };
    }
    match mark {
        // What is in it has names of its own.
        Some('{') | None => (at, at, false),
        Some('[') => (at, end_of_list(rest).map_or(at, |end| at + end), false),
        _ => {
            let ends = |c: char| matches!(c, ',' | '}' | ']' | ')' | ';') || c.is_whitespace();
            let bare = rest.split(ends).next().unwrap_or_default();
            let bare = bare.strip_suffix(open.text).unwrap_or(bare);
            (at, at + bare.len(), false)
        }
    }
}

fn end_of_list(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '[' => depth += 1,
            ']' if depth == 1 => return Some(at + 1),
            ']' => depth -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let masked = masked_pairs(text).unwrap_or_else(|| text.to_owned());
        assert_eq!(masked, expected);
        assert_eq!(masked_pairs(&masked), None, "{masked}");
    }

    #[test]
    fn the_secret_values_of_a_document_are_masked_and_it_stays_one() {
        check(r#"{"password": "hunter5", "lr": 0.1}"#, r#"{"password": "***", "lr": 0.1}"#);
        check(r#"{"db":{"user":"me","password":12345}}"#, r#"{"db":{"user":"me","password":"***"}}"#);
        check(r#"{"tokens":["a"],"api_keys":["a","b"],"n":1}"#, r#"{"tokens":["a"],"api_keys":"***","n":1}"#);
        check(r"{'token': 'a b', 'x': None}", r"{'token': '***', 'x': None}");
        check(r#"{"password": "a\"b"}"#, r#"{"password": "***"}"#);
        check(r#"echo "{\"password\": \"ab\"}" > c"#, r#"echo "{\"password\": \"***\"}" > c"#);
        check(
            r#"--config={"secrets":{"db":"x","token":"y"}}"#,
            r#"--config={"secrets":{"db":"x","token":"***"}}"#,
        );
    }

    #[test]
    fn everything_else_stays_as_it_is() {
        for text in [
            r#"{"secret_dim": 3, "pad_token": "<pad>", "token": null, "password": ""}"#,
            r#"{"a": "password"}"#,
            r#"it's a "password" or not: a"#,
            r#""password":"#,
            r#""password": ""#,
            "don't: \"",
            "\\\"\\",
        ] {
            check(text, text);
        }
    }

    proptest::proptest! {
        #[test]
        fn masking_ends_and_is_stable(text in "([\"'\\\\:{}\\[\\], ]|password|token|a|é){0,30}") {
            if let Some(masked) = masked_pairs(&text) {
                proptest::prop_assert!(masked.contains(MASK));
            }
        }
    }
}
