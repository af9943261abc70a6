//! `run_config.yaml`: what a run was told, and by which code it was made.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::model::{CodeState, Parameter};
use crate::query::RunView;

/// As many changed files are listed.
const CHANGED_MAX: usize = 1_000;

/// Writes the configuration of a run.
pub(crate) fn run_config(view: &RunView) -> String {
    let run = &view.run;
    let mut text =
        String::from("# Written by lineage from what it recorded; `lineage project` writes it again.\n");
    line(&mut text, 0, "run_id", &quoted(run.run_id.as_str()));
    line(&mut text, 0, "id", &quoted(&run.id.to_string()));
    line(&mut text, 0, "name", &quoted(&run.name));
    line(&mut text, 0, "kind", run.kind.as_str());
    line(&mut text, 0, "started_at", &quoted(&run.started_at.rfc3339()));
    line(&mut text, 0, "command", &list(&run.arguments));
    line(&mut text, 0, "folder", &quoted(if run.folder.is_empty() { "." } else { &run.folder }));
    line(&mut text, 0, "host", &quoted(&run.host));
    if !run.by.is_empty() {
        line(&mut text, 0, "by", &quoted(&run.by));
    }
    line(&mut text, 0, "recorder", &quoted(&run.recorder));
    parameters(&mut text, &run.parameters);
    text.push_str("code:\n");
    code(&mut text, &run.code);
    let resumed = view.outcomes.iter().filter_map(|outcome| Some((outcome, outcome.code.as_ref()?)));
    let resumed: Vec<_> = resumed.collect();
    if !resumed.is_empty() {
        text.push_str("resumed:\n");
    }
    for (outcome, state) in resumed {
        let _ = writeln!(text, "  - at: {}", quoted(&outcome.at.rfc3339()));
        line(&mut text, 4, "command", &list(&outcome.arguments));
        line(&mut text, 4, "commit", &optional(state.commit.as_deref()));
        line(&mut text, 4, "dirty", bool_text(state.dirty));
        line(&mut text, 4, "patch", &optional(state.patch.map(|patch| patch.to_string()).as_deref()));
    }
    text
}

/// Writes parameters by name; one that was given several times as a list.
fn parameters(text: &mut String, parameters: &[Parameter]) {
    let mut by_name: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (name, value) in parameters {
        by_name.entry(name).or_default().push(value.clone());
    }
    text.push_str(if by_name.is_empty() { "parameters: {}\n" } else { "parameters:\n" });
    for (name, values) in by_name {
        let value = match values.as_slice() {
            [one] => quoted(one),
            several => list(several),
        };
        line(text, 2, &quoted(name), &value);
    }
}

fn code(text: &mut String, code: &CodeState) {
    line(text, 2, "repository", bool_text(code.repository));
    line(text, 2, "commit", &optional(code.commit.as_deref()));
    line(text, 2, "branch", &optional(code.branch.as_deref()));
    line(text, 2, "dirty", bool_text(code.dirty));
    line(text, 2, "patch", &optional(code.patch.map(|patch| patch.to_string()).as_deref()));
    if let Some(reason) = &code.unreadable {
        line(text, 2, "unreadable", &quoted(reason));
    }
    for (name, files) in [("changed", &code.changed), ("untracked", &code.untracked)] {
        let listed: Vec<String> = files.iter().take(CHANGED_MAX).map(|file| file.path.to_string()).collect();
        line(text, 2, name, &list(&listed));
        let omitted = files.len().saturating_sub(CHANGED_MAX) as u64;
        let omitted = omitted + if name == "untracked" { code.untracked_omitted } else { 0 };
        if omitted > 0 {
            line(text, 2, &format!("{name}_omitted"), &omitted.to_string());
        }
    }
}

fn line(text: &mut String, indent: usize, name: &str, value: &str) {
    let _ = writeln!(text, "{:indent$}{name}: {value}", "");
}

fn bool_text(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

fn optional(value: Option<&str>) -> String {
    value.map_or_else(|| "null".to_owned(), quoted)
}

fn list(values: &[String]) -> String {
    let values: Vec<String> = values.iter().map(|value| quoted(value)).collect();
    format!("[{}]", values.join(", "))
}

/// Writes a double-quoted scalar of YAML 1.2. Every text is quoted, so that none is taken for a number, a key or the end of
/// the document; what YAML does not call printable is escaped (YAML 1.2.2, section 5.1), and so are marks that turn the
/// reading direction.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        let code = u32::from(character);
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                let _ = write!(out, "\\u{code:04x}");
            }
            _ if crate::model::is_unsafe_to_print(character) => {
                let _ = write!(out, "\\u{code:04x}");
            }
            _ => out.push(character),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_breaks_out_of_its_quotes() {
        for (text, expected) in [
            ("a: b", r#""a: b""#),
            ("\"\nevil: true", r#""\"\nevil: true""#),
            ("7e60180", r#""7e60180""#),
            ("\\", r#""\\""#),
            ("\u{85}\u{2028}\u{202e}\u{0}", r#""\u0085\u2028\u202e\u0000""#),
            ("größe 😀", r#""größe 😀""#),
        ] {
            assert_eq!(quoted(text), expected);
        }
    }

    #[test]
    fn a_parameter_given_twice_is_a_list() {
        let mut text = String::new();
        let given = [("input", "a"), ("stages", "segment"), ("input", "b")];
        let given: Vec<Parameter> = given.map(|(n, v)| (n.to_owned(), v.to_owned())).into();
        parameters(&mut text, &given);
        assert_eq!(text, "parameters:\n  \"input\": [\"a\", \"b\"]\n  \"stages\": \"segment\"\n");
    }
}
