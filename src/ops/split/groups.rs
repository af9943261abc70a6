//! Which group a file belongs to: by a field in it, or by its name.

use std::path::Path;

use regex::{Regex, RegexBuilder};
use serde_json::Value;

use crate::error::{Error, Result};

/// What files are grouped by.
#[derive(Debug, Clone)]
pub enum By {
    /// A field of a JSON file: `cik`, or with its way `document_info.cik`.
    Field(String),
    /// The front of the file's name, by a regular expression: what its first group matches, or all of it.
    Stem(Regex, String),
}

/// The front of the words that name a regular expression.
const STEM: &str = "stem:";
/// As many bytes may a regular expression have, and may it take when it is compiled.
const REGEX_MAX_BYTES: usize = 1 << 10;
const REGEX_COMPILED_MAX_BYTES: usize = 1 << 20;
/// A longer group is none.
const GROUP_MAX_BYTES: usize = 1 << 10;
/// The object in which the pipeline's files have what is known of the filing.
const DOCUMENT: &str = "document_info";

impl By {
    /// Reads `cik`, `document_info.sic_code`, `stem:^([A-Z]+)_`.
    ///
    /// # Errors
    /// A request error where it is empty, or no regular expression.
    pub fn parse(text: &str) -> Result<Self> {
        if let Some(pattern) = text.strip_prefix(STEM) {
            let wrong = || Error::request(format!("`{}` is no regular expression", pattern.escape_debug()));
            if pattern.is_empty() || pattern.len() > REGEX_MAX_BYTES {
                return Err(wrong().hint("write `stem:^([A-Z]+)_`: the group is what is in the brackets"));
            }
            let regex = RegexBuilder::new(pattern).size_limit(REGEX_COMPILED_MAX_BYTES).build();
            return Ok(By::Stem(regex.map_err(|cause| wrong().because(cause))?, text.to_owned()));
        }
        let right = !text.is_empty() && text.len() <= 250 && text.split('.').all(|part| !part.is_empty());
        if !right || text.chars().any(char::is_control) {
            return Err(Error::request(format!("`{}` names no field", text.escape_debug()))
                .hint("write `cik`, `document_info.sic_code` or `stem:REGEX`"));
        }
        Ok(By::Field(text.to_owned()))
    }

    /// Returns what [`By::parse`] reads.
    pub fn as_str(&self) -> &str {
        match self {
            By::Field(field) => field,
            By::Stem(_, text) => text,
        }
    }

    /// Returns true where a file's bytes are needed to tell its group.
    pub fn needs_content(&self) -> bool {
        matches!(self, By::Field(_))
    }

    /// Returns the group of a file, or why there is none.
    ///
    /// # Errors
    /// Says, for people, why there is none.
    pub fn group(&self, file: &Path, bytes: &[u8]) -> Result<String, String> {
        let group = match self {
            By::Field(field) => by_field(field, bytes)?,
            By::Stem(regex, _) => {
                let stem = file.file_stem().unwrap_or_default().to_string_lossy();
                let found = regex.captures(&stem).and_then(|found| found.get(1).or_else(|| found.get(0)));
                found.ok_or_else(|| "its name does not match".to_owned())?.as_str().to_owned()
            }
        };
        let group = group.trim();
        if group.is_empty() || group.len() > GROUP_MAX_BYTES {
            return Err(format!("`{}` is empty or too long in it", self.as_str()));
        }
        Ok(group.to_owned())
    }
}

fn by_field(field: &str, bytes: &[u8]) -> Result<String, String> {
    let document: Value = serde_json::from_slice(bytes).map_err(|cause| format!("it is no JSON: {cause}"))?;
    let way: Vec<&str> = field.split('.').collect();
    let direct = follow(&document, &way);
    let value = direct.or_else(|| document.get(DOCUMENT).and_then(|inside| follow(inside, &way)));
    let text = match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Bool(yes)) => yes.to_string(),
        Some(Value::Null) | None => return Err(format!("it has no `{field}`")),
        Some(Value::Array(_) | Value::Object(_)) => return Err(format!("its `{field}` is no single value")),
    };
    // EDGAR writes central index keys with and without their leading zeros; they name one company.
    let is_key = way.last() == Some(&"cik") && text.len() <= 10 && text.bytes().all(|b| b.is_ascii_digit());
    Ok(if is_key && !text.is_empty() { format!("{text:0>10}") } else { text })
}

fn follow<'a>(value: &'a Value, way: &[&str]) -> Option<&'a Value> {
    way.iter().try_fold(value, |value, part| value.get(part)).filter(|value| !value.is_null())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(by: &str, file: &str, text: &str, expected: &str) {
        let group = By::parse(by).unwrap().group(Path::new(file), text.as_bytes());
        assert_eq!(group.unwrap_or_else(|why| format!("none: {why}")), expected);
    }

    #[test]
    fn a_group_is_found_by_a_field_wherever_the_pipeline_puts_it() {
        check("cik", "a.json", r#"{"cik": "320193"}"#, "0000320193");
        check("cik", "a.json", r#"{"document_info": {"cik": 320193}}"#, "0000320193");
        check("cik", "a.json", r#"{"cik": null, "document_info": {"cik": "0000320193"}}"#, "0000320193");
        check("company_name", "a.json", r#"{"document_info": {"company_name": " APPLE INC "}}"#, "APPLE INC");
        check("a.b", "a.json", r#"{"a": {"b": true}}"#, "true");
        check("cik", "a.json", r#"{"x": 1}"#, "none: it has no `cik`");
        check("cik", "a.json", r#"{"cik": []}"#, "none: its `cik` is no single value");
        check("cik", "a.json", r#"{"cik": " "}"#, "none: `cik` is empty or too long in it");
        check("cik", "a.json", "[", "none: it is no JSON: EOF while parsing a list at line 1 column 1");
    }

    #[test]
    fn a_group_is_found_by_the_name() {
        check("stem:^([A-Z]+)_", "x/AAPL_10-K_2025.htm", "", "AAPL");
        check("stem:^[^_]+", "x/AAPL_10-K_2025.htm", "", "AAPL");
        check("stem:^([A-Z]+)_", "x/aapl.htm", "", "none: its name does not match");
    }

    #[test]
    fn what_names_no_group_is_refused() {
        for text in ["", ".", "a..b", "a\n", "stem:", "stem:(", "stem:(a{1000}){1000}", &"x".repeat(251)] {
            assert!(By::parse(text).is_err(), "{text}");
        }
    }
}
