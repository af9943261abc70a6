//! Every finding there is, on one page: whether it is a fault, its word, and its sentence.
//!
//! A fault is what was lost, guessed, or leads nowhere. What is only written in an unusual way, and understood all the same, is
//! a remark.

use crate::model::Finding;

/// The longest value that a sentence repeats, in characters.
const VALUE_MAX_CHARS: usize = 80;

fn fault(sort: &str, text: impl Into<String>) -> Finding {
    Finding { fault: true, sort: sort.to_owned(), text: text.into() }
}

fn remark(sort: &str, text: impl Into<String>) -> Finding {
    Finding { fault: false, sort: sort.to_owned(), text: text.into() }
}

/// Writes a value in backticks, on one line and cut.
fn quoted(value: &str) -> String {
    format!("`{}`", cut(value, VALUE_MAX_CHARS).replace('`', "'"))
}

/// Returns `text` on one line, and of a long one its front with `…`.
pub(super) fn cut(text: &str, chars_max: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(chars_max) {
        Some((at, _)) => format!("{}…", line[..at].trim_end()),
        None => line,
    }
}

// ---- the file ----

pub(super) fn empty() -> Finding {
    fault("empty", "the file is empty")
}

pub(super) fn too_large(bytes_max: usize) -> Finding {
    fault("too-large", format!("only its first {} MiB were read", bytes_max >> 20))
}

pub(super) fn not_utf8() -> Finding {
    fault("not-utf-8", "not all of it is UTF-8; what is not was replaced")
}

pub(super) fn byte_order_mark() -> Finding {
    remark("byte-order-mark", "it begins with a byte order mark")
}

pub(super) fn crlf(mixed: bool) -> Finding {
    if mixed {
        remark("line-ends", "its lines end in CR LF and in LF, mixed")
    } else {
        remark("line-ends", "its lines end in CR LF")
    }
}

// ---- the front matter as YAML ----

pub(super) fn no_front_matter(from_head: &[String]) -> Finding {
    let text = if from_head.is_empty() {
        "no front matter".to_owned()
    } else {
        let lines: Vec<String> = from_head.iter().map(|key| format!("`**{key}:**`")).collect();
        format!("no front matter; what is known is from its lines {}", lines.join(", "))
    };
    fault("no-front-matter", text)
}

pub(super) fn not_closed() -> Finding {
    fault(
        "front-matter-open",
        "the front matter has no closing `---`; it was read up to the first line that is none of it",
    )
}

pub(super) fn front_matter_too_large(bytes_max: usize) -> Finding {
    fault(
        "front-matter-too-large",
        format!("the front matter has more than {} KiB; it was not read", bytes_max >> 10),
    )
}

pub(super) fn malformed(line: usize, why: &str) -> Finding {
    fault("malformed-yaml", format!("line {line} is no YAML: {why}; the front matter was read line by line"))
}

pub(super) fn not_a_mapping() -> Finding {
    fault("not-a-mapping", "the front matter has no keys")
}

pub(super) fn several_documents() -> Finding {
    fault("several-documents", "there is more than one block of front matter; only the first was read")
}

pub(super) fn key_twice(key: &str) -> Finding {
    fault("key-twice", format!("the key {} stands there twice; the first counts", quoted(key)))
}

pub(super) fn alias(key: &str) -> Finding {
    fault("alias", format!("{} refers to another value by a YAML alias, which is not followed", quoted(key)))
}

pub(super) fn too_much(what: &str, max: usize) -> Finding {
    fault("too-much", format!("more than {max} {what}; the rest was not read"))
}

// ---- what the keys say ----

pub(super) fn key_variant(written: &str, usual: &str) -> Finding {
    remark("key-variant", format!("{} stands for `{usual}`", quoted(written)))
}

pub(super) fn no_topic(from_heading: bool) -> Finding {
    let instead = if from_heading { "its first heading is used" } else { "its file name is used" };
    remark("no-topic", format!("no topic; {instead}"))
}

pub(super) fn no_author() -> Finding {
    remark("no-author", "no author")
}

pub(super) fn no_date(from_name: bool) -> Finding {
    if from_name {
        fault("no-date", "no date; that of its file name is used")
    } else {
        fault("no-date", "no date, in the front matter or in its file name")
    }
}

pub(super) fn wrong_date(value: &str, from_name: bool) -> Finding {
    let instead = if from_name { "; that of its file name is used" } else { "" };
    fault("wrong-date", format!("{} is no date{instead}", quoted(value)))
}

pub(super) fn date_with_prose(value: &str) -> Finding {
    fault("date-with-prose", format!("the date {} is followed by prose", quoted(value)))
}

pub(super) fn date_differs(written: &str, name: &str) -> Finding {
    fault("date-differs", format!("its date is {written}, its file name says {name}"))
}

pub(super) fn date_only() -> Finding {
    remark("date-only", "the date has no time of day")
}

pub(super) fn date_without_zone() -> Finding {
    remark("date-without-zone", "the date has no time zone")
}

pub(super) fn bare_offset() -> Finding {
    remark("bare-offset", "the time zone is written without a colon (`-0600`), which RFC 3339 has not")
}

pub(super) fn time_apart() -> Finding {
    remark("time-apart", "the time of day stands under a key of its own")
}

pub(super) fn wrong_time(value: &str) -> Finding {
    fault("wrong-time", format!("{} is no time of day", quoted(value)))
}

pub(super) fn no_status() -> Finding {
    remark("no-status", "no status")
}

pub(super) fn unknown_status(value: &str) -> Finding {
    fault("unknown-status", format!("the status {} is none of the known ones", quoted(value)))
}

pub(super) fn status_with_prose() -> Finding {
    remark("status-with-prose", "the status is followed by prose")
}

pub(super) fn tags_as_text() -> Finding {
    remark("tags-as-text", "the tags are one text with commas, not a list")
}

pub(super) fn tags_not_text(value: &str) -> Finding {
    remark("tags-not-text", format!("the tag {} is not a text in YAML", quoted(value)))
}

pub(super) fn tags_nested() -> Finding {
    fault("tags-nested", "a tag is a list or a mapping; it was left out")
}

// ---- what it names ----

pub(super) fn no_commit() -> Finding {
    remark("no-commit", "no commit")
}

pub(super) fn sha_is_number(key: &str, value: &str) -> Finding {
    remark(
        "sha-is-number",
        format!("YAML takes the commit {} of `{key}` for a number; it was kept as text", quoted(value)),
    )
}

pub(super) fn sha_with_prose(key: &str, value: &str) -> Finding {
    fault("sha-with-prose", format!("the commit of `{key}` is followed by prose: {}", quoted(value)))
}

pub(super) fn no_sha(key: &str, value: &str) -> Finding {
    fault("no-sha", format!("{} of `{key}` is no SHA", quoted(value)))
}

pub(super) fn run_is_number(key: &str, value: &str) -> Finding {
    remark(
        "run-is-number",
        format!("YAML 1.1 takes the run id {} of `{key}` for a number; it was kept as text", quoted(value)),
    )
}

pub(super) fn no_run(key: &str, value: &str) -> Finding {
    fault("no-run-id", format!("{} of `{key}` is no run id", quoted(value)))
}

pub(super) fn dangling(given_by: &str, target: &str) -> Finding {
    let place = if given_by.is_empty() { "the text".to_owned() } else { format!("`{given_by}`") };
    fault("dangling-link", format!("{place} names {}, which is not there", quoted(target)))
}

pub(super) fn leads_out(given_by: &str, target: &str) -> Finding {
    let place = if given_by.is_empty() { "the text".to_owned() } else { format!("`{given_by}`") };
    fault("link-leads-out", format!("{place} names {}, which lies outside the workspace", quoted(target)))
}
