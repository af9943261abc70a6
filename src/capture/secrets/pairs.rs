//! Secrets in values that are structured: `{"password": "abc"}`, as JSON, YAML or Python writes it.

use super::MASK;
use super::names::{covers, is_covered, is_secret};

/// Longer names are none.
const NAME_MAX_BYTES: usize = 100;

/// Masks the secret values of quoted names; `None` where there are none. What was JSON is JSON.
pub fn masked_pairs(text: &str) -> Option<String> {
    if !text.contains(':') || !text.contains(['"', '\'']) {
        return None;
    }
    let mut masked = String::new();
    let (mut written, mut at) = (0, 0);
    // How far all texts are secret, and the option before, whose value a text in a list may be.
    let (mut covered, mut option) = (0, None);
    while let Some(found) = text[at..].find(['"', '\'']) {
        let quote = at + found;
        let open = Quote::at(text, quote);
        let bytes_max = if quote < covered || option.is_some() { usize::MAX } else { NAME_MAX_BYTES };
        let gap = text.get(at..quote + 1 - open.text.len()).unwrap_or_default();
        let before = std::mem::take(&mut option).filter(|_| gap.trim() == ",");
        at = quote + 1;
        let Some(end) = open.closed(text, at, bytes_max) else { continue };
        let said = &text[quote + 1..end];
        let after = end + open.text.len();
        let mut mask = |from: usize, to: usize, quotes: &str| {
            masked.push_str(&text[written..from]);
            masked.push_str(&format!("{quotes}{MASK}{quotes}"));
            written = to;
        };
        let Some(rest) = text[after..].trim_start().strip_prefix(':') else {
            let is_option = said.starts_with('-') && text[after..].trim_start().starts_with(',');
            if quote < covered && is_covered(said) || before.is_some_and(|before| is_secret(before, said)) {
                mask(quote + 1, end, "");
            } else if is_option {
                option = Some(said.trim_start_matches('-'));
            }
            // Elsewhere this may have been an apostrophe, and another one ends no quotation.
            if quote < covered || is_option || written == end {
                at = after;
            }
            continue;
        };
        let value = text.len() - rest.trim_start().len();
        let (from, to, is_quoted) = value_at(text, value, &open);
        if from < to && is_secret(said, &text[from..to]) {
            mask(from, to, if is_quoted { "" } else { open.text });
            at = to;
            continue;
        }
        if text[value..].starts_with('{') && covers(said) {
            covered = covered.max(end_of_object(text, value));
        }
        at = value;
    }
    masked.push_str(&text[written..]);
    (written > 0 && masked != text).then_some(masked)
}

/// Returns where the object ends that begins at `at`: with the text, if nothing ends it.
fn end_of_object(text: &str, at: usize) -> usize {
    let (mut at, mut depth) = (at, 0_usize);
    while let Some(found) = text[at..].find(['{', '}', '"', '\'']) {
        at += found;
        match text.as_bytes()[at] {
            b'{' => depth += 1,
            b'}' if depth <= 1 => return at,
            b'}' => depth -= 1,
            _ => {
                let open = Quote::at(text, at);
                at = open.closed(text, at + 1, usize::MAX).map_or(at, |end| end + open.text.len() - 1);
            }
        }
        at += 1;
    }
    text.len()
}

/// Masks the secret values in the lines of a block of YAML, and all that is indented below a name of credentials; `None` where there
/// are none.
pub fn masked_lines(text: &str) -> Option<String> {
    if !text.contains('\n') {
        return None;
    }
    let mut masked = String::with_capacity(text.len());
    // What is indented deeper is below the name. What a list of tokens has in it are no credentials, but a text in parts.
    let mut covered: Option<(usize, bool)> = None;
    for line in text.split_inclusive('\n') {
        let said = line.trim_end();
        // An item of a list is below its name, even where its sign is not indented.
        let indent = said.len() - said.trim_start_matches([' ', '-']).len();
        if indent == said.len() {
            masked.push_str(line);
            continue;
        }
        covered = covered.filter(|(above, _)| indent > *above);
        let is_name = |name: &str| !name.contains(|c: char| c.is_whitespace() || matches!(c, '{' | '['));
        let pair = said[indent..].split_once(':').filter(|(name, value)| {
            is_name(name) && (value.is_empty() || value.starts_with(char::is_whitespace))
        });
        let (name, value) = pair.unwrap_or(("", &said[indent..]));
        let value = value.trim_start();
        if matches!(value, "" | "|" | "|-" | ">" | ">-") {
            if covered.is_none() && covers(name) {
                covered = Some((indent, name.to_lowercase().ends_with("tokens")));
            }
            masked.push_str(line);
        } else if covered.is_some_and(|(_, of_tokens)| pair.is_some() || !of_tokens) && is_covered(value)
            || is_secret(name, value)
        {
            masked.push_str(&said[..said.len() - value.len()]);
            masked.push_str(MASK);
            masked.push_str(&line[said.len()..]);
        } else {
            masked.push_str(line);
        }
    }
    (masked != text).then_some(masked)
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
            r#"--config={"secrets":{"db":"***","token":"***"}}"#,
        );
    }

    #[test]
    fn all_texts_below_a_name_of_credentials_are_secret_and_lists_of_arguments_are_command_lines() {
        check(
            r#"{"password":{"value":"a}b","n":1},"x":"a"}"#,
            r#"{"password":{"value":"***","n":1},"x":"a"}"#,
        );
        check(
            r#"{"credentials":{"user":"u","deep":{"of":["a", "b"], "on":"true"}},"user":"u"}"#,
            r#"{"credentials":{"user":"***","deep":{"of":["***", "***"], "on":"true"}},"user":"u"}"#,
        );
        check(
            r"{'tokens': {'hf': 'a', 'pad': '<pad>'}, 'a': 'b'}",
            r"{'tokens': {'hf': '***', 'pad': '<pad>'}, 'a': 'b'}",
        );
        check(r#""{\"secrets\": {\"a\": \"b\"}}""#, r#""{\"secrets\": {\"a\": \"***\"}}""#);
        check(r#"{"headers":{"Authorization":"Bearer a"}}"#, r#"{"headers":{"Authorization":"***"}}"#);
        check(r#"{"args":["-v", "--password", "a", "b"]}"#, r#"{"args":["-v", "--password", "***", "b"]}"#);
        let long = "x".repeat(2 * NAME_MAX_BYTES);
        check(&format!(r#"{{"secrets":{{"a":"{long}"}}}}"#), r#"{"secrets":{"a":"***"}}"#);
        check(&format!(r#"{{"args":["--token","{long}"]}}"#), r#"{"args":["--token","***"]}"#);
    }

    #[test]
    fn the_lines_of_a_block_of_yaml_are_masked_as_a_document_is() {
        let check = |text: &str, expected: &str| {
            assert_eq!(masked_lines(text).unwrap_or_else(|| text.to_owned()), expected);
            assert_eq!(masked_lines(expected), None);
        };
        check("lr: 0.1\napi_key: a b\nn: 1\n", "lr: 0.1\napi_key: ***\nn: 1\n");
        check(
            "a:\n  secrets:\n    db: x\n\n    n: 3\n    of:\n      - y\n  c: d\n",
            "a:\n  secrets:\n    db: ***\n\n    n: 3\n    of:\n      - ***\n  c: d\n",
        );
        check("passwords:\n- a\n- 'b'\nc: d", "passwords:\n- ***\n- ***\nc: d");
        check("private_key: |\n  abc\n  def\nc: d", "private_key: |\n  ***\n  ***\nc: d");
        check("headers:\n  Authorization: Bearer a\n", "headers:\n  Authorization: ***\n");
        for plain in [
            "tokens: 512\nmax_tokens: 3\ntokenizer: bert\n",
            "tokens:\n  max: 5\n  pad: <pad>\n",
            "tokens:\n- a\n- b",
            "the token: is\nfine",
            "a: b",
        ] {
            check(plain, plain);
        }
    }

    #[test]
    fn everything_else_stays_as_it_is() {
        for text in [
            r#"{"tokens": {"max": 512}, "pad_token": {"content": "a"}, "tokenizer": {"type": "bpe"}}"#,
            r#"{"num_secrets": {"of": "a"}, "tokens": [{"text": "a"}], "author": {"name": "a"}}"#,
            r#"{"args": ["--max-tokens", "512", "--tokenizer", "bert", "--password"], "b": "a"}"#,
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
