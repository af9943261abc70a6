//! What a document names: runs, commits, files, other documents.

use std::collections::BTreeSet;

use crate::model::{Finding, Reference, ReferenceSort, RunId, check_model_name, percent_decoded};
use crate::research::Surroundings;
use crate::research::body::{Body, LINKS_MAX};
use crate::research::findings;
use crate::research::front_matter::Value;
use crate::research::links::{self, Seen, Target};

/// As many references of a document are recorded.
const REFERENCES_MAX: usize = 2_000;

/// Keys whose values are prose, or are read elsewhere: what looks like a file in them is none.
const PROSE: &[&str] = &[
    "topic",
    "title",
    "subject",
    "question",
    "date",
    "time",
    "timestamp",
    "status",
    "tags",
    "tag",
    "keywords",
    "author",
    "authors",
    "researcher",
    "id",
    "branch",
    "git_branch",
    "repository",
    "project",
    "scope",
    "goal",
    "context",
    "purpose",
    "description",
    "summary",
    "command",
    "type",
    "last_updated",
    "last_updated_by",
    "updated",
    "revision",
    "standard",
];

/// Gathers references and what is wrong with them, each once.
pub(super) struct Gatherer<'a> {
    surroundings: &'a Surroundings<'a>,
    references: BTreeSet<Reference>,
    findings: BTreeSet<Finding>,
}

impl<'a> Gatherer<'a> {
    /// Begins with nothing.
    pub fn new(surroundings: &'a Surroundings<'a>) -> Self {
        Gatherer { surroundings, references: BTreeSet::new(), findings: BTreeSet::new() }
    }

    /// Returns the references in order, and adds the findings to `all`.
    pub fn finish(self, all: &mut Vec<Finding>) -> Vec<Reference> {
        all.extend(self.findings);
        if self.references.len() > REFERENCES_MAX {
            all.push(findings::too_much("references", REFERENCES_MAX));
        }
        self.references.into_iter().take(REFERENCES_MAX).collect()
    }

    fn put(&mut self, sort: ReferenceSort, name: &str, given_by: &str) {
        self.references.insert(reference(sort, name, given_by));
    }

    /// Takes what the value of a key names.
    pub fn field(&mut self, key: &str, value: &Value) {
        let usual = usual_key(key);
        if is_commit_key(&usual) {
            self.each(value, &mut |this, one| this.commit(key, one));
        } else if usual == "run" || usual == "runs" || usual.ends_with("run_id") || usual.ends_with("run_ids")
        {
            self.each(value, &mut |this, one| this.run(key, one));
        } else if matches!(usual.as_str(), "model" | "models" | "model_version" | "model_versions") {
            self.each(value, &mut |this, one| this.model(key, one));
        } else if !PROSE.contains(&usual.as_str()) {
            self.each(value, &mut |this, one| this.paths(key, one, usual.as_str()));
        }
    }

    fn each(&mut self, value: &Value, take: &mut dyn FnMut(&mut Self, &Value)) {
        match value {
            Value::List(values) => values.iter().for_each(|value| self.each(value, take)),
            Value::Map(pairs) => pairs.iter().for_each(|(_, value)| self.each(value, take)),
            one => take(self, one),
        }
    }

    fn commit(&mut self, key: &str, value: &Value) {
        let Some(text) = value.text() else { return };
        let (sha, rest) = sha_of(text);
        match sha {
            None => drop(self.findings.insert(findings::no_sha(key, text))),
            Some(sha) => {
                self.put(ReferenceSort::Commit, &sha, key);
                if !rest.is_empty() {
                    self.findings.insert(findings::sha_with_prose(key, text));
                } else if value.is_number() {
                    self.findings.insert(findings::sha_is_number(key, text));
                }
            }
        }
    }

    fn run(&mut self, key: &str, value: &Value) {
        let Some(text) = value.text() else { return };
        let digits: String = text.chars().filter(|c| *c != '-').collect();
        let is_key = (8..=32).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
        if text.parse::<RunId>().is_ok() {
            self.put(ReferenceSort::Run, text, key);
        } else if is_key {
            self.put(ReferenceSort::Run, &digits.to_lowercase(), key);
        } else {
            self.findings.insert(findings::no_run(key, text));
            return;
        }
        if value.is_number() {
            self.findings.insert(findings::run_is_number(key, text));
        }
    }

    /// Takes the versions of models that a text names, `NAME@VERSION`; a name alone may be any model's.
    fn model(&mut self, key: &str, value: &Value) {
        let Some(text) = value.text() else { return };
        for piece in text.split(',').map(str::trim) {
            let named = piece.split_once('@').filter(|(name, version)| {
                check_model_name(name).is_ok() && check_model_name(version).is_ok()
            });
            match named {
                Some(_) => self.put(ReferenceSort::Model, piece, key),
                None => self.paths(key, &Value::Text { text: piece.to_owned(), plain: false }, ""),
            }
        }
    }

    fn paths(&mut self, key: &str, value: &Value, usual: &str) {
        let Some(text) = value.text() else { return };
        for piece in text.split(',').map(str::trim).filter(|piece| !piece.is_empty()) {
            let is_word = !piece.contains(char::is_whitespace);
            let named = match usual {
                "file" | "files" | "path" | "paths" => is_word,
                "corpus_batch" | "supersedes" | "superseded_by" => is_word && piece.contains('/'),
                _ => false,
            };
            if named || links::looks_like_file(piece) {
                self.path(key, piece, Seen::FromRoot);
            }
            for run in super::body::runs_in(piece) {
                self.put(ReferenceSort::Run, &run, key);
            }
        }
    }

    /// Takes what the text names.
    pub fn body(&mut self, body: &Body) {
        for run in &body.runs {
            self.put(ReferenceSort::Run, run, "");
        }
        for commit in &body.commits {
            self.put(ReferenceSort::Commit, commit, "");
        }
        for link in &body.links {
            self.path("", &percent_decoded(link), Seen::FromDocument);
        }
        if body.cut {
            self.findings.insert(findings::too_much("links, runs or commits in the text", LINKS_MAX));
        }
    }

    fn path(&mut self, key: &str, name: &str, seen: Seen) {
        match links::resolve(self.surroundings.folder, name, seen, self.surroundings.exists) {
            Target::Nowhere => {}
            Target::Outside => drop(self.findings.insert(findings::leads_out(key, name))),
            Target::Path(path, there) => {
                let sort = if links::is_markdown(&path) { ReferenceSort::Note } else { ReferenceSort::File };
                let mut found = reference(sort, &path, key);
                if !there && found.is_looked_for(self.surroundings.folder.as_bytes()) {
                    found.missing = true;
                    self.findings.insert(findings::dangling(key, name));
                }
                self.references.insert(found);
            }
        }
    }
}

fn reference(sort: ReferenceSort, name: &str, given_by: &str) -> Reference {
    Reference { sort, name: name.to_owned(), given_by: given_by.to_owned(), missing: false }
}

/// Returns a key in lower case with `_` between its words.
pub(super) fn usual_key(key: &str) -> String {
    key.trim().to_lowercase().replace([' ', '-'], "_")
}

/// Returns true for keys that name a commit: `git_commit`, `commit`, `git_sha`, `implemented_commit`, `git_commit_full`.
pub(super) fn is_commit_key(usual: &str) -> bool {
    usual.split('_').any(|word| matches!(word, "commit" | "commits" | "sha" | "revision_sha"))
}

/// Splits a text into the SHA at its front, in lower case, and the rest.
pub(super) fn sha_of(text: &str) -> (Option<String>, &str) {
    let text = text.trim().trim_start_matches('`');
    let end = text.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(text.len());
    let right =
        (7..=64).contains(&end) && !text[end..].starts_with(|c: char| c.is_alphanumeric() || c == '_');
    let sha = right.then(|| text[..end].to_lowercase());
    (sha, text[end..].trim_start_matches('`').trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sha_is_what_a_text_begins_with() {
        let check = |text: &str, sha: Option<&str>, rest: &str| {
            assert_eq!(sha_of(text), (sha.map(str::to_owned), rest), "{text}");
        };
        check("ea45dd2", Some("ea45dd2"), "");
        check("CD7DC5A (initial); more", Some("cd7dc5a"), "(initial); more");
        check("`648bf25`", Some("648bf25"), "");
        check("7942943", Some("7942943"), "");
        check("abc", None, "");
        check("decade of work", None, "of work");
        check("deadbeefs", None, "s");
    }
}
