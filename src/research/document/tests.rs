//! A document for each fault there is: it is listed with all that can be known of it, and the fault is named.

use super::*;
use crate::model::ReferenceSort;

fn document(text: impl AsRef<[u8]>) -> Document {
    let there = ["notes/other.md", "docs/plan.md", "src/a.py"];
    let exists = |path: &str| there.contains(&path);
    let surroundings = Surroundings { name: "2025-12-03_17-51_config.md", folder: "notes", exists: &exists };
    read(text.as_ref(), &surroundings)
}

fn sorts(document: &Document, fault: bool) -> Vec<&str> {
    document.findings.iter().filter(|f| f.fault == fault).map(|f| f.sort.as_str()).collect()
}

/// Checks the faults of a document with `lines` in its front matter beside what none complains of.
fn check(lines: &str, faults: &[&str], remarks: &[&str]) -> Document {
    let mut rest = String::new();
    for line in [
        "topic: A",
        "date: 2025-12-03T17:51:00Z",
        "researcher: B",
        "git_commit: ea45dd2",
        "status: complete",
        "tags: [a]",
    ] {
        let key = line.split(':').next().unwrap();
        let others = [("topic", "title:"), ("researcher", "author:"), ("git_commit", "commit:")];
        let given = lines.lines().any(|given| {
            given.starts_with(&format!("{key}:"))
                || others.contains(&(key, &given[..given.find(':').unwrap_or(0) + 1]))
        });
        if !given {
            rest.push_str(line);
            rest.push('\n');
        }
    }
    let found = document(format!("---\n{lines}\n{rest}---\n\n# Heading\n"));
    assert_eq!(sorts(&found, true), faults, "{lines}: {:?}", found.findings);
    assert_eq!(sorts(&found, false), remarks, "{lines}: {:?}", found.findings);
    found
}

fn names(document: &Document, sort: ReferenceSort) -> Vec<(&str, &str)> {
    let of_sort = document.references.iter().filter(|reference| reference.sort == sort);
    of_sort.map(|reference| (reference.name.as_str(), reference.given_by.as_str())).collect()
}

#[test]
fn a_document_as_it_should_be_has_no_findings() {
    let found = check("related_research: [other.md, docs/plan.md]", &[], &[]);
    assert_eq!(found.summary.date, "2025-12-03 17:51:00 +00:00");
    assert_eq!((found.summary.topic.as_str(), found.summary.status.as_str()), ("A", "complete"));
    assert_eq!(found.summary.tags, ["a"]);
    assert_eq!(names(&found, ReferenceSort::Commit), [("ea45dd2", "git_commit")]);
    let by = "related_research";
    assert_eq!(names(&found, ReferenceSort::Note), [("docs/plan.md", by), ("notes/other.md", by)]);
}

#[test]
fn short_shas_and_run_ids_stay_text() {
    for sha in ["7942943", "3e10752", "0123456"] {
        let found = check(&format!("git_commit: {sha}"), &[], &["sha-is-number"]);
        assert_eq!(found.summary.commit, sha);
    }
    let found = check("git_commit: \"7942943\"", &[], &[]);
    assert_eq!(found.summary.commit, "7942943");
    let found = check("run_id: 20260223_182806", &[], &["run-is-number"]);
    assert_eq!(names(&found, ReferenceSort::Run), [("20260223_182806", "run_id")]);
    check("run_id: yesterday's", &["no-run-id"], &[]);
}

#[test]
fn a_sha_may_be_followed_by_prose_or_be_none() {
    let found = check("git_commit: cd7dc5a (initial); fixes applied", &["sha-with-prose"], &[]);
    assert_eq!(found.summary.commit, "cd7dc5a");
    assert_eq!(names(&found, ReferenceSort::Commit), [("cd7dc5a", "git_commit")]);
    let found = check("git_commit: HEAD", &["no-sha"], &[]);
    assert_eq!(found.summary.commit, "");
}

#[test]
fn dates_are_taken_as_written_or_from_the_file_name() {
    let date = |lines: &str, faults: &[&str], remarks: &[&str]| check(lines, faults, remarks).summary.date;
    assert_eq!(date("date: 2025-12-03T17:51:31-0600", &[], &["bare-offset"]), "2025-12-03 17:51:31 -06:00");
    assert_eq!(date("date: 2025-12-03T17:51:31", &[], &["date-without-zone"]), "2025-12-03 17:51:31");
    assert_eq!(date("date: 2025-12-03", &[], &["date-only"]), "2025-12-03");
    assert_eq!(date("date: 2025-12-03\ntime: \"14:22:00\"", &[], &["time-apart"]), "2025-12-03 14:22:00");
    assert_eq!(
        date("date: 2025-12-03\ntimestamp: 2025-12-03_15-26-29", &[], &["time-apart"]),
        "2025-12-03 15:26:29"
    );
    assert_eq!(date("date: 2025-12-03\ntime: noon", &["wrong-time"], &[]), "2025-12-03");
    assert_eq!(date("date: 2025-02-30", &["wrong-date"], &[]), "2025-12-03 17:51");
    assert_eq!(date("date: ~", &["no-date"], &[]), "2025-12-03 17:51");
    assert_eq!(date("date: 2025-12-04T00:00:00Z", &["date-differs"], &[]), "2025-12-04 00:00:00 +00:00");
    assert_eq!(date("date: 2025-12-03 (draft)", &["date-with-prose"], &["date-only"]), "2025-12-03");
}

#[test]
fn keys_have_variants_and_values_have_shapes() {
    let found =
        check("title: T\nauthor: C\ncommit: 648bf25", &[], &["key-variant", "key-variant", "key-variant"]);
    assert_eq!((found.summary.topic.as_str(), found.summary.author.as_str()), ("T", "C"));
    assert_eq!(found.summary.commit, "648bf25");
    assert_eq!(check("tags: a, b,a", &[], &["tags-as-text"]).summary.tags, ["a", "b"]);
    assert_eq!(check("tags: [2025, a]", &[], &["tags-not-text"]).summary.tags, ["2025", "a"]);
    assert_eq!(check("tags: [[a], b]", &["tags-nested"], &[]).summary.tags, ["b"]);
    assert_eq!(check("status: Nearly", &["unknown-status"], &[]).summary.status, "nearly");
    let found = check("status: FINAL — with findings", &[], &["status-with-prose"]);
    assert_eq!(
        (found.summary.status.as_str(), found.summary.status_written.as_str()),
        ("complete", "FINAL — with findings")
    );
}

#[test]
fn what_leads_nowhere_is_named() {
    let found = check("related_research: gone.md\nsupersedes: notes/other.md", &["dangling-link"], &[]);
    assert_eq!(
        names(&found, ReferenceSort::Note),
        [("notes/gone.md", "related_research"), ("notes/other.md", "supersedes")]
    );
    assert_eq!(found.references.iter().filter(|r| r.missing).count(), 1);
    check("related_plans: ../../../../etc/x.md", &["link-leads-out"], &[]);
    // Data and code come and go.
    let found = check(
        "corpus_batch: data/processed/20260218_142659_pre_0b83409\nfiles_analyzed:\n  - src/gone.py",
        &[],
        &[],
    );
    assert_eq!(names(&found, ReferenceSort::Run), [("20260218_142659", "corpus_batch")]);
    assert_eq!(names(&found, ReferenceSort::File).len(), 2);
    assert_eq!(names(&check("files: [d, x/y.csv]", &[], &[]), ReferenceSort::File).len(), 2);
    // But a picture that the text shows lies with it, or is missed.
    let found = document("---\ntopic: A\n---\n![p](pic.png) [q](../src/gone.py)\n");
    assert_eq!(sorts(&found, true).iter().filter(|sort| **sort == "dangling-link").count(), 1);
    let missing = |found: &Document| -> Vec<String> {
        found.references.iter().filter(|r| r.missing).map(|r| r.name.clone()).collect()
    };
    assert_eq!(missing(&found), ["notes/pic.png"]);
    let found = document("---\ntopic: A\n---\n[x](gone%20too.md) [y](other.md#z) [z](https://a.b/c.md)\n");
    assert!(sorts(&found, true).contains(&"dangling-link"));
    assert_eq!(names(&found, ReferenceSort::Note), [("notes/gone too.md", ""), ("notes/other.md", "")]);
}

#[test]
fn documents_without_front_matter_are_read_at_their_head() {
    let found = document(
        "# Topic of it\n\n**Date:** 2025-12-03\n**Author:** Me\n**Commit:** 648bf25 (Add x)\n**Status:** Complete\n\n---\n\ntext\n\n---\n",
    );
    assert_eq!(found.summary.topic, "Topic of it");
    assert_eq!((found.summary.date.as_str(), found.summary.author.as_str()), ("2025-12-03", "Me"));
    assert_eq!((found.summary.commit.as_str(), found.summary.status.as_str()), ("648bf25", "complete"));
    assert_eq!(sorts(&found, true), ["no-front-matter", "sha-with-prose"]);
    let found = document("text");
    assert_eq!(found.summary.topic, "2025-12-03_17-51_config.md");
    assert_eq!(sorts(&found, true), ["no-front-matter", "no-date"]);
    assert_eq!(sorts(&document(""), true), ["empty", "no-date"]);
}

#[test]
fn bytes_of_any_sort_are_read() {
    let found = document(b"\xef\xbb\xbf---\r\ntopic: A\r\n---\r\n\r\n# B\r\n".as_slice());
    assert_eq!(found.summary.topic, "A");
    let remarks = sorts(&found, false);
    assert!(remarks.contains(&"byte-order-mark") && remarks.contains(&"line-ends"));
    let found = document(b"---\ntopic: A\xff\nstatus: complete\n---\n".as_slice());
    assert_eq!(found.summary.topic, "A\u{fffd}");
    assert!(sorts(&found, true).contains(&"not-utf-8"));
    for hostile in [b"\0\0\0".as_slice(), b"---", b"---\n", b"---\n---", b"---\n- a\n---\n", b"\xff\xfe#\0"] {
        let found = document(hostile);
        assert!(found.findings.iter().any(|finding| finding.fault), "{hostile:?}");
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn nothing_a_document_holds_is_too_much(text in "(---\n)?([a-z_]{1,8}: [-\\[\\]{}&*!|>'\"%@`#a-z0-9:, ]{0,20}\n){0,6}(---\n)?(\\PC|\n){0,80}") {
        let found = document(&text);
        proptest::prop_assert_eq!(found, document(&text));
    }
}

#[test]
fn a_version_of_a_model_is_named_by_name_and_version() {
    let found = check("model: risk@1.0.0", &[], &[]);
    assert_eq!(names(&found, ReferenceSort::Model), [("risk@1.0.0", "model")]);
    let found = check("models: [risk@champion, 'a@1.0.0, b@2.0.0']", &[], &[]);
    let by = "models";
    assert_eq!(
        names(&found, ReferenceSort::Model),
        [("a@1.0.0", by), ("b@2.0.0", by), ("risk@champion", by)]
    );
    // A model from elsewhere, an address and what cannot be a name are none.
    for other in
        ["model: ProsusAI/finbert", "model: risk", "model: a b@1.0.0", "model: risk@", "contact: a@b.c"]
    {
        assert_eq!(names(&check(other, &[], &[]), ReferenceSort::Model), [], "{other}");
    }
}
