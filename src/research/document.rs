//! A whole document: its bytes in; summary, fields, references and findings out.

use crate::model::{Finding, NoteSummary, Parameter, Reference};
use crate::research::body::{self, Body};
use crate::research::dates::{self, Zone};
use crate::research::front_matter::{self, Value};
use crate::research::references::{Gatherer, is_commit_key, sha_of, usual_key};
use crate::research::{findings, status};

/// The number of the rules in this room. To be raised with every change that reads a document otherwise.
pub const READER: u32 = 3;
/// As many bytes of a document are read.
pub const DOCUMENT_MAX_BYTES: usize = 16 << 20;
/// The longest text of a summary, in characters.
const SUMMARY_MAX_CHARS: usize = 300;
/// The longest value of a field that is recorded, in bytes.
const FIELD_MAX_BYTES: usize = 16 << 10;
/// As many tags are taken.
const TAGS_MAX: usize = 100;

/// Where a document stands, and what stands around it.
pub struct Surroundings<'a> {
    /// The document's file name.
    pub name: &'a str,
    /// The folder it lies in, seen from the workspace's root.
    pub folder: &'a str,
    /// Tells whether there is a file or folder at a path, seen from the workspace's root.
    pub exists: &'a dyn Fn(&str) -> bool,
}

/// What was read of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its front matter by key.
    pub fields: Vec<Parameter>,
    /// What an index says of it.
    pub summary: NoteSummary,
    /// What it names, in order, each once.
    pub references: Vec<Reference>,
    /// What is wrong with it, or unusual: faults first.
    pub findings: Vec<Finding>,
}

/// Reads a document. Everything is understood as far as it goes; what was wrong is among the findings.
pub fn read(bytes: &[u8], surroundings: &Surroundings<'_>) -> Document {
    let mut findings = Vec::new();
    let bytes = bytes.get(..DOCUMENT_MAX_BYTES).map_or(bytes, |front| {
        if bytes.len() > DOCUMENT_MAX_BYTES {
            findings.push(findings::too_large(DOCUMENT_MAX_BYTES));
        }
        front
    });
    let text = text_of(bytes, &mut findings);
    let front = front_matter::read(&text, &mut findings);
    let below = &text[front.body_start..];
    let body = body::read(below);
    let mut fields = front.fields;
    if !front.present && !text.trim().is_empty() {
        let head = body::head_lines(below);
        let keys: Vec<String> = head.iter().map(|(key, _)| key.clone()).collect();
        findings.push(findings::no_front_matter(&keys));
        let text = |value: String| Value::Text { text: value, plain: false };
        fields = head.into_iter().map(|(key, value)| (usual_key(&key), text(value))).collect();
    }
    let mut gatherer = Gatherer::new(surroundings);
    for (key, value) in &fields {
        gatherer.field(key, value);
    }
    gatherer.body(&body);
    let summary = Reading { fields: &fields, findings: &mut findings }.summary(&body, surroundings.name);
    let references = gatherer.finish(&mut findings);
    findings.sort_by_key(|finding| !finding.fault);
    let fields =
        fields.iter().map(|(key, value)| (key.clone(), cut_bytes(value.as_field(), FIELD_MAX_BYTES)));
    Document { fields: fields.collect(), summary, references, findings }
}

fn text_of(bytes: &[u8], findings: &mut Vec<Finding>) -> String {
    let (bytes, marked) = match bytes.strip_prefix(b"\xef\xbb\xbf") {
        Some(rest) => (rest, true),
        None => (bytes, false),
    };
    if marked {
        findings.push(findings::byte_order_mark());
    }
    let text = String::from_utf8_lossy(bytes);
    if matches!(text, std::borrow::Cow::Owned(_)) {
        findings.push(findings::not_utf8());
    }
    if text.trim().is_empty() {
        findings.push(findings::empty());
    }
    let crlf = text.matches("\r\n").count();
    if crlf == 0 {
        return text.into_owned();
    }
    findings.push(findings::crlf(crlf < text.matches('\n').count()));
    text.replace("\r\n", "\n")
}

fn cut_bytes(mut text: String, bytes_max: usize) -> String {
    if text.len() > bytes_max {
        text.truncate(text.floor_char_boundary(bytes_max));
        text.push('…');
    }
    text
}

/// The keys that mean the same, the usual one first.
const TOPIC: &[&str] = &["topic", "title", "subject", "question", "name"];
const AUTHOR: &[&str] = &["researcher", "author", "authors", "written_by", "last_updated_by"];
const COMMIT: &[&str] = &["git_commit", "commit", "git_sha", "sha", "commit_sha", "git_commit_full"];
const DATE: &[&str] = &["date", "research_date", "research_completed", "created", "created_at", "timestamp"];
const STATUS: &[&str] = &["status", "state"];
const TAGS: &[&str] = &["tags", "tag", "keywords"];

struct Reading<'a> {
    fields: &'a [(String, Value)],
    findings: &'a mut Vec<Finding>,
}

impl Reading<'_> {
    fn summary(mut self, body: &Body, name: &str) -> NoteSummary {
        let (status, status_written) = self.status();
        NoteSummary {
            topic: self.topic(body, name),
            date: self.date(name),
            status,
            status_written,
            tags: self.tags(),
            author: self.author(),
            commit: self.commit(),
        }
    }

    /// Finds the first of `keys` that says something.
    fn find(&self, keys: &[&str]) -> Option<(&str, &Value)> {
        keys.iter().find_map(|wanted| {
            let found =
                self.fields.iter().find(|(key, value)| usual_key(key) == *wanted && says_something(value))?;
            Some((found.0.as_str(), &found.1))
        })
    }

    /// As [`Reading::find`], as text; says so where the key is not the usual one.
    fn text(&mut self, keys: &[&str]) -> Option<String> {
        self.text_as(keys[0], keys)
    }

    fn text_as(&mut self, usual: &str, keys: &[&str]) -> Option<String> {
        let (key, value) = self.find(keys)?;
        let (key, text) = (key.to_owned(), value.text().map_or_else(|| value.as_field(), str::to_owned));
        if key != usual {
            self.findings.push(findings::key_variant(&key, usual));
        }
        Some(text)
    }

    fn topic(&mut self, body: &Body, name: &str) -> String {
        // Where there are both, the title stands above the text, and the topic says more than fits into a row.
        let has_title = self.find(&["title"]).is_some();
        let found = self.text_as(TOPIC[0], if has_title { &["title"] } else { TOPIC });
        let topic = found.unwrap_or_else(|| {
            // Without front matter that is said already.
            if !self.fields.is_empty() {
                self.findings.push(findings::no_topic(body.heading.is_some()));
            }
            body.heading.clone().unwrap_or_else(|| name.to_owned())
        });
        findings::cut(&topic, SUMMARY_MAX_CHARS)
    }

    fn author(&mut self) -> String {
        let found = self.text(AUTHOR);
        if found.is_none() {
            self.findings.push(findings::no_author());
        }
        findings::cut(&found.unwrap_or_default(), SUMMARY_MAX_CHARS)
    }

    fn commit(&mut self) -> String {
        let found = self.text(COMMIT).or_else(|| {
            let other = self
                .fields
                .iter()
                .find(|(key, value)| is_commit_key(&usual_key(key)) && says_something(value));
            other.map(|(_, value)| value.as_field())
        });
        match found {
            None => {
                self.findings.push(findings::no_commit());
                String::new()
            }
            // What is no SHA is said by whoever gathers references.
            Some(text) => sha_of(&text).0.unwrap_or_default(),
        }
    }

    fn date(&mut self, name: &str) -> String {
        let of_name = dates::of_file_name(name);
        let instead = of_name.map(|written| written.text()).unwrap_or_default();
        let Some(text) = self.text(DATE) else {
            self.findings.push(findings::no_date(of_name.is_some()));
            return instead;
        };
        let Some((mut date, rest)) = dates::read(&text) else {
            self.findings.push(findings::wrong_date(&text, of_name.is_some()));
            return instead;
        };
        if !rest.is_empty() {
            self.findings.push(findings::date_with_prose(&text));
        }
        if !date.has_time() {
            self.time_apart(&mut date);
        } else if date.zone == Zone::None {
            self.findings.push(findings::date_without_zone());
        } else if matches!(date.zone, Zone::Bare(_)) {
            self.findings.push(findings::bare_offset());
        }
        if let Some(of_name) = of_name
            && of_name.day() != date.day()
        {
            self.findings.push(findings::date_differs(&date.day(), &of_name.day()));
        }
        date.text()
    }

    /// Looks for the time of day of a date that has none: under `time:`, or in a `timestamp:` of the same day.
    fn time_apart(&mut self, date: &mut dates::Written) {
        if let Some(time) = self.find(&["time"]).and_then(|(_, value)| value.text()).map(str::to_owned) {
            let right = date.set_time(&time);
            self.findings.push(if right { findings::time_apart() } else { findings::wrong_time(&time) });
            return;
        }
        let stamp = self.find(&["timestamp"]).and_then(|(_, value)| value.text());
        let stamp = stamp.and_then(|text| dates::read(text).map(|(stamp, _)| stamp));
        match stamp.filter(|stamp| stamp.has_time() && stamp.day() == date.day()) {
            Some(stamp) => {
                *date = stamp;
                self.findings.push(findings::time_apart());
            }
            None => self.findings.push(findings::date_only()),
        }
    }

    fn status(&mut self) -> (String, String) {
        let Some(written) = self.text(STATUS) else {
            self.findings.push(findings::no_status());
            return (String::new(), String::new());
        };
        let read = status::read(&written);
        if !read.known {
            self.findings.push(findings::unknown_status(&written));
        }
        if read.prose {
            self.findings.push(findings::status_with_prose());
        }
        let cut = |text: &str| findings::cut(text, SUMMARY_MAX_CHARS);
        (cut(&read.spelling), cut(&written))
    }

    fn tags(&mut self) -> Vec<String> {
        let Some((_, value)) = self.find(TAGS) else {
            return Vec::new();
        };
        let mut said = Vec::new();
        let mut tags = Vec::new();
        let values = match value {
            Value::List(values) => values.as_slice(),
            one => std::slice::from_ref(one),
        };
        for one in values {
            match one.text() {
                Some(text) if one.is_no_text() => {
                    said.push(findings::tags_not_text(text));
                    tags.push(text.to_owned());
                }
                Some(text) if matches!(value, Value::List(_)) => tags.push(text.to_owned()),
                Some(text) => {
                    let split = |c: char| c == ',' || c == ';';
                    if text.contains(split) {
                        said.push(findings::tags_as_text());
                    }
                    tags.extend(text.split(split).map(|tag| tag.trim().trim_matches('#').to_owned()));
                }
                None if matches!(one, Value::Text { .. }) => {}
                None => said.push(findings::tags_nested()),
            }
        }
        let mut seen = std::collections::HashSet::new();
        tags.retain(|tag| !tag.is_empty() && seen.insert(tag.clone()));
        if tags.len() > TAGS_MAX {
            said.push(findings::too_much("tags", TAGS_MAX));
            tags.truncate(TAGS_MAX);
        }
        self.findings.extend(said);
        tags.into_iter().map(|tag| findings::cut(&tag, 80)).collect()
    }
}

fn says_something(value: &Value) -> bool {
    match value {
        Value::Text { .. } => value.text().is_some(),
        Value::List(values) => !values.is_empty(),
        Value::Map(pairs) => !pairs.is_empty(),
    }
}

#[cfg(test)]
mod tests;
