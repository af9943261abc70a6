//! Front matter: where it begins and ends, and its keys and values, every scalar as its text.

use granit_parser::{Event, Options, Parser, ScalarStyle};
use serde_json::json;

use crate::model::Finding;
use crate::research::findings;

/// The longest front matter that is read, in bytes.
const FRONT_MATTER_MAX_BYTES: usize = 64 << 10;
/// As many lists and mappings may lie in one another.
const DEPTH_MAX: usize = 32;
/// As many keys are read.
const KEYS_MAX: usize = 500;

/// The front matter of a document, and where its text begins.
#[derive(Debug, Default)]
pub(super) struct FrontMatter {
    /// Whether there is one at all.
    pub present: bool,
    /// Its keys and values, in order.
    pub fields: Vec<(String, Value)>,
    /// Where the text below begins, in bytes.
    pub body_start: usize,
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// A scalar; `plain` where YAML decides by its looks what it is.
    Text { text: String, plain: bool },
    /// A list.
    List(Vec<Value>),
    /// A mapping.
    Map(Vec<(String, Value)>),
}

impl Value {
    fn quoted(text: impl Into<String>) -> Self {
        Value::Text { text: text.into(), plain: false }
    }

    /// Returns the value as it is recorded: a scalar as its text, anything else as JSON.
    pub fn as_field(&self) -> String {
        match self {
            Value::Text { text, .. } => text.clone(),
            other => other.json().to_string(),
        }
    }

    fn json(&self) -> serde_json::Value {
        match self {
            Value::Text { text, .. } => json!(text),
            Value::List(values) => values.iter().map(Value::json).collect(),
            Value::Map(pairs) => pairs.iter().map(|(key, value)| (key.clone(), value.json())).collect(),
        }
    }

    /// Returns the text of a scalar; `None` for what is no scalar, or says nothing (`null`, `~`, or nothing).
    pub fn text(&self) -> Option<&str> {
        match self {
            Value::Text { text, plain } => {
                let nothing =
                    text.trim().is_empty() || (*plain && matches!(text.as_str(), "~" | "null" | "Null"));
                (!nothing).then_some(text.trim())
            }
            _ => None,
        }
    }

    /// Returns true for a plain scalar that YAML takes for a number, by the rules of version 1.1 or 1.2.
    pub fn is_number(&self) -> bool {
        let Value::Text { text, plain: true } = self else {
            return false;
        };
        let digits = text.trim_start_matches(['-', '+']).replace('_', "");
        let whole = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        let begins = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.');
        whole || (begins && digits.parse::<f64>().is_ok())
    }

    /// Returns true for a plain scalar that is no text in YAML: a number, a truth value, a date.
    pub fn is_no_text(&self) -> bool {
        let Value::Text { text, plain: true } = self else {
            return false;
        };
        let word = matches!(
            text.to_lowercase().as_str(),
            "true" | "false" | "yes" | "no" | "on" | "off" | "null" | "~"
        );
        let date = super::dates::read(text).is_some_and(|(_, rest)| rest.is_empty());
        word || date || self.is_number()
    }
}

/// Finds and reads the front matter of `text`, a document without a byte order mark.
pub(super) fn read(text: &str, findings: &mut Vec<Finding>) -> FrontMatter {
    let Some(first) = text.split_inclusive('\n').next().filter(|line| line.trim_end() == "---") else {
        return FrontMatter::default();
    };
    let start = first.len();
    let mut end = start;
    let mut closing = None;
    for line in text[start..].split_inclusive('\n') {
        if matches!(line.trim_end(), "---" | "...") {
            closing = Some(line.len());
            break;
        }
        end += line.len();
        if end - start > FRONT_MATTER_MAX_BYTES {
            findings.push(findings::front_matter_too_large(FRONT_MATTER_MAX_BYTES));
            return FrontMatter { present: true, fields: Vec::new(), body_start: start };
        }
    }
    let Some(closing) = closing else {
        findings.push(findings::not_closed());
        let (fields, read) = by_line(&text[start..], true);
        return FrontMatter { present: true, fields, body_start: start + read };
    };
    let block = &text[start..end];
    let body_start = end + closing;
    if has_second_block(&text[body_start..]) {
        findings.push(findings::several_documents());
    }
    let fields = match by_yaml(block, findings) {
        Ok(fields) => fields,
        Err(line) => {
            findings.push(findings::malformed(line + 1, reason(block, line)));
            by_line(block, false).0
        }
    };
    FrontMatter { present: true, fields: without_repeats(fields, findings), body_start }
}

/// Returns true where another block of keys between lines `---` follows at once: a line in the text has prose behind it.
fn has_second_block(body: &str) -> bool {
    let mut lines = body.lines().skip_while(|line| line.trim().is_empty());
    if lines.next().is_none_or(|line| line.trim_end() != "---") {
        return false;
    }
    let mut keys = 0;
    for line in lines.take(KEYS_MAX) {
        if line.trim_end() == "---" {
            return keys > 0;
        }
        if key_of(line).is_some() {
            keys += 1;
        } else if !line.starts_with([' ', '-', '#']) {
            return false;
        }
    }
    false
}

fn without_repeats(fields: Vec<(String, Value)>, findings: &mut Vec<Finding>) -> Vec<(String, Value)> {
    let mut seen = std::collections::HashSet::new();
    let mut kept = Vec::with_capacity(fields.len());
    for (key, value) in fields {
        if kept.len() == KEYS_MAX {
            findings.push(findings::too_much("keys", KEYS_MAX));
            break;
        }
        if seen.insert(key.clone()) {
            kept.push((key, value));
        } else {
            findings.push(findings::key_twice(&key));
        }
    }
    kept
}

// ---- as YAML ----

/// Reads the keys and values of a YAML mapping, each scalar as its text and what is no scalar as JSON; `None` for null. For
/// the small files that other programs write.
///
/// # Errors
/// The line, from 1, that is no YAML.
pub fn yaml_pairs(text: &str) -> Result<Vec<(String, Option<String>)>, usize> {
    let pairs = by_yaml(text, &mut Vec::new())?;
    let value = |value: Value| match &value {
        Value::Text { .. } => value.text().map(str::to_owned),
        other => Some(other.as_field()),
    };
    Ok(pairs.into_iter().map(|(key, one)| (key, value(one))).collect())
}

/// Reads the block as YAML; the error is the line, from 1, that is none.
fn by_yaml(block: &str, findings: &mut Vec<Finding>) -> Result<Vec<(String, Value)>, usize> {
    let mut options = Options::default();
    options.flow_nesting_limit = DEPTH_MAX;
    options.block_nesting_limit = DEPTH_MAX;
    let parser = Parser::new_from_str_with_options(block, options);
    let mut tree = Tree { parser, aliased: false, aliases: Vec::new() };
    let mut root = None;
    let mut documents = 0;
    while let Some(event) = tree.next()? {
        match event {
            Event::DocumentStart(..) => documents += 1,
            Event::StreamEnd => break,
            Event::StreamStart | Event::DocumentEnd => {}
            event if documents == 1 => root = Some(tree.value(event, 0)?),
            // A second document is looked at for its faults alone.
            event => drop(tree.value(event, 0)?),
        }
    }
    if documents > 1 {
        findings.push(findings::several_documents());
    }
    match root {
        Some(Value::Map(pairs)) => {
            findings.extend(tree.aliases.iter().map(|key| findings::alias(key)));
            Ok(pairs)
        }
        _ => {
            findings.push(findings::not_a_mapping());
            Ok(Vec::new())
        }
    }
}

struct Tree<'a> {
    parser: Parser<'a, granit_parser::StrInput<'a>>,
    /// Whether an alias was met since the last key at the top.
    aliased: bool,
    /// The keys at the top below which an alias stands.
    aliases: Vec<String>,
}

impl<'a> Tree<'a> {
    fn next(&mut self) -> Result<Option<Event<'a>>, usize> {
        match self.parser.next_event() {
            None => Ok(None),
            Some(Ok((event, _))) => Ok(Some(event)),
            Some(Err(error)) => Err(error.marker().line().max(1)),
        }
    }

    /// Reads the value that begins with `event`. The parser bounds how deep it goes.
    fn value(&mut self, event: Event<'a>, depth: usize) -> Result<Value, usize> {
        match event {
            Event::Scalar(text, style, ..) => {
                Ok(Value::Text { text: text.into_owned(), plain: style == ScalarStyle::Plain })
            }
            Event::Alias(_) => {
                self.aliased = true;
                Ok(Value::quoted(""))
            }
            Event::SequenceStart(..) => {
                let mut values = Vec::new();
                while let Some(event) = self.next()? {
                    if matches!(event, Event::SequenceEnd) {
                        break;
                    }
                    values.push(self.value(event, depth + 1)?);
                }
                Ok(Value::List(values))
            }
            Event::MappingStart(..) => {
                let mut pairs = Vec::new();
                while let Some(event) = self.next()? {
                    if matches!(event, Event::MappingEnd) {
                        break;
                    }
                    let key = self.value(event, depth + 1)?.as_field();
                    let Some(event) = self.next()? else { break };
                    let value = self.value(event, depth + 1)?;
                    // An alias further down is told of by the key at the top.
                    if depth == 0 && std::mem::take(&mut self.aliased) {
                        self.aliases.push(key.clone());
                    }
                    pairs.push((key, value));
                }
                Ok(Value::Map(pairs))
            }
            _ => Ok(Value::quoted("")),
        }
    }
}

// ---- line by line ----

/// Says why a line, counted from 1, is no YAML, as far as its looks tell.
fn reason(block: &str, line: usize) -> &'static str {
    let written = block.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    let Some((_, value)) = key_of(written) else {
        return if written.starts_with('\t') {
            "a tab cannot indent"
        } else {
            "it is neither a key nor a value"
        };
    };
    let quoted = value.starts_with(['"', '\'', '[', '{', '|', '>']);
    if !quoted && value.contains(": ") {
        "a value with a colon and a space in it needs quotes"
    } else if value.starts_with(['"', '\'']) {
        "a quoted value does not end where it should"
    } else if value.starts_with(['[', '{']) {
        "a list or mapping does not end where it should"
    } else if value.starts_with(['@', '`', '%', '&', '*', '!']) {
        "a value that begins with a special character needs quotes"
    } else {
        "the value is not understood"
    }
}

/// Splits a line into a key that begins it and the rest.
fn key_of(line: &str) -> Option<(&str, &str)> {
    let (key, rest) = line.split_once(':')?;
    let right = !key.is_empty()
        && key.len() <= 64
        && key.starts_with(char::is_alphabetic)
        && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ' '));
    (right && (rest.is_empty() || rest.starts_with(char::is_whitespace)))
        .then_some((key.trim_end(), rest.trim()))
}

/// Reads lines `key: value`, lists below a key, and text that goes on from the line above; with `stops` only up to the first
/// line that is none of these. Returns how many bytes were read, too.
fn by_line(block: &str, stops: bool) -> (Vec<(String, Value)>, usize) {
    let mut fields: Vec<(String, Value)> = Vec::new();
    let mut read = 0;
    for line in block.split_inclusive('\n').take(4 * KEYS_MAX) {
        let written = line.trim_end();
        let within = line.starts_with([' ', '\t', '-']) && !fields.is_empty();
        if let Some((key, value)) = key_of(written) {
            fields.push((key.to_owned(), value_of(value)));
        } else if within && !written.trim().is_empty() {
            if let Some((_, value)) = fields.last_mut() {
                go_on(value, written.trim());
            }
        } else if stops && !written.starts_with('#') {
            break;
        }
        read += line.len();
    }
    (fields, read)
}

fn value_of(text: &str) -> Value {
    let inside = |open, close| text.strip_prefix(open).and_then(|rest: &str| rest.strip_suffix(close));
    if let Some(items) = inside('[', ']') {
        let items = items.split(',').map(str::trim).filter(|item| !item.is_empty());
        return Value::List(items.map(value_of).collect());
    }
    match inside('"', '"').or_else(|| inside('\'', '\'')) {
        Some(inner) => Value::quoted(inner),
        None if matches!(text, "|" | ">" | "|-" | ">-") => Value::quoted(""),
        None => Value::Text { text: text.to_owned(), plain: true },
    }
}

fn go_on(value: &mut Value, line: &str) {
    match (line.strip_prefix("- "), &mut *value) {
        (Some(item), Value::List(items)) => items.push(value_of(item.trim())),
        (Some(item), Value::Text { text, .. }) if text.is_empty() => {
            *value = Value::List(vec![value_of(item.trim())]);
        }
        (_, Value::Text { text, .. }) => {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(line);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, fields: &str, sorts: &[&str]) -> usize {
        let mut findings = Vec::new();
        let found = read(text, &mut findings);
        let words: Vec<String> =
            found.fields.iter().map(|(key, value)| format!("{key}={}", value.as_field())).collect();
        assert_eq!(words.join(" | "), fields, "{text}");
        assert_eq!(
            findings.iter().map(|f| f.sort.as_str()).collect::<Vec<_>>(),
            sorts,
            "{text}: {findings:?}"
        );
        found.body_start
    }

    #[test]
    fn every_scalar_is_its_text() {
        check(
            "---\na: 7942943\nb: 3e1075\nc: 0123\nd: yes\ne: 2025-12-03\nf: \"x: y\"\ng: [1, two]\nh:\n  k: v\n---\nrest",
            "a=7942943 | b=3e1075 | c=0123 | d=yes | e=2025-12-03 | f=x: y | g=[\"1\",\"two\"] | h={\"k\":\"v\"}",
            &[],
        );
        let number = |text: &str| Value::Text { text: text.to_owned(), plain: true }.is_number();
        assert!(number("7942943") && number("3e1075") && number("20260223_182806") && number("1.5"));
        assert!(!number("ea45dd2") && !number("") && !number("e5") && !number("inf"));
    }

    #[test]
    fn malformed_yaml_is_read_line_by_line() {
        check(
            "---\ntitle: \"A — B\"\nstatus: DONE. Previous update 2026: more\ntags:\n  - a\n  - b\n---\n",
            "title=A — B | status=DONE. Previous update 2026: more | tags=[\"a\",\"b\"]",
            &["malformed-yaml"],
        );
        check("---\na: [1, 2\nb: x\n---\n", "a=[1, 2 | b=x", &["malformed-yaml"]);
    }

    #[test]
    fn what_is_no_front_matter_is_none() {
        for text in ["", "# Title\n---\na: b\n---\n", " ---\na: b\n---\n", "----\na: b\n---\n"] {
            assert!(!read(text, &mut Vec::new()).present, "{text:?}");
        }
        check("---\n---\n", "", &["not-a-mapping"]);
        check("---\njust words\n---\n", "", &["not-a-mapping"]);
        check("---\na: b\n\n# Title\n", "a=b", &["front-matter-open"]);
    }

    #[test]
    fn several_blocks_are_told_from_lines_in_the_text() {
        check("---\na: b\n---\n---\nc: d\n---\n", "a=b", &["several-documents"]);
        check("---\na: b\n---\n\n---\n\n## Text\n\n---\n", "a=b", &[]);
        check("---\na: b\n...\n", "a=b", &[]);
        let start = check("---\r\na: b\r\n---\r\nrest", "a=b", &[]);
        assert_eq!(start, 16);
    }

    #[test]
    fn what_explodes_or_repeats_is_bounded_and_named() {
        check(
            "---\na: &x [1]\nb: [*x, *x]\nc: *x\n---\n",
            "a=[\"1\"] | b=[\"\",\"\"] | c=",
            &["alias", "alias"],
        );
        check("---\na: 1\na: 2\n---\n", "a=1", &["key-twice"]);
        let deep = format!("---\na: {}\n---\n", "[".repeat(10_000));
        let mut findings = Vec::new();
        read(&deep, &mut findings);
        assert_eq!(findings[0].sort, "malformed-yaml");
        let long = format!("---\na: {}\n---\n", "x".repeat(FRONT_MATTER_MAX_BYTES));
        findings.clear();
        assert!(read(&long, &mut findings).fields.is_empty());
        assert_eq!(findings[0].sort, "front-matter-too-large");
        let many: String = (0..KEYS_MAX + 1).map(|n| format!("k{n}: v\n")).collect();
        findings.clear();
        assert_eq!(read(&format!("---\n{many}---\n"), &mut findings).fields.len(), KEYS_MAX);
        assert_eq!(findings[0].sort, "too-much");
    }
}
