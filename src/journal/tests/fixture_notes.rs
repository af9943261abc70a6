//! The segments of notes (versions 2 and 3), notes gone, tags of runs and files written over (version 1) that every later program must read the same way
//! for ever.

use std::fs;
use std::path::{Path, PathBuf};

use super::read;
use crate::disk::Disk;
use crate::journal::{self, Writer};
use crate::model::{
    Artifact, ArtifactPath, Digest, Fact, Finding, NodeId, Note, NoteGone, NoteSummary, Overwritten,
    Reference, ReferenceSort, RunTags, Timestamp,
};

const SEGMENT: u128 = 0x0193_b8f0_2f3e_7cc1_8b2a_5d6e_7f80_91a7;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/journal").join(name)
}

fn path(bytes: &[u8]) -> ArtifactPath {
    ArtifactPath::from_bytes(bytes.to_vec()).unwrap()
}

fn notes() -> Vec<Fact> {
    let artifact = Artifact { path: path(b"notes/\xffa.md"), digest: Digest::of(b"text"), size_bytes: 4 };
    let plain = Note {
        id: NodeId::from_u128(0x0193_b8f0_2f3e_7000_8000_0000_0000_0030),
        artifact,
        at: Timestamp::from_micros(1_765_561_338_123_456),
        folder: None,
        fields: Vec::new(),
        summary: NoteSummary::default(),
        references: Vec::new(),
        findings: Vec::new(),
        reader: 7,
    };
    let reference = |sort: ReferenceSort| Reference {
        sort,
        name: format!("a {}", sort.as_str()),
        given_by: "related".to_owned(),
        missing: sort == ReferenceSort::Note,
    };
    let finding =
        |fault, sort: &str| Finding { fault, sort: sort.to_owned(), text: "a sentence — of it".to_owned() };
    let full = Note {
        folder: Some(path(b"notes")),
        fields: vec![("git_commit".to_owned(), "7942943".to_owned()), (String::new(), String::new())],
        summary: NoteSummary {
            topic: "What it is about".to_owned(),
            date: "2025-12-03 17:51:31".to_owned(),
            status: "complete".to_owned(),
            status_written: "FINAL — at last".to_owned(),
            tags: vec!["a".to_owned(), "b".to_owned()],
            author: "somebody".to_owned(),
            commit: "7942943".to_owned(),
        },
        references: ReferenceSort::ALL[..4].iter().copied().map(reference).collect(),
        findings: vec![finding(true, "dangling-link"), finding(false, "key-variant")],
        reader: 1,
        ..plain.clone()
    };
    let gone = NoteGone { path: path(b"notes/\xffa.md"), at: Timestamp::from_micros(-1) };
    vec![Fact::NoteRead(plain), Fact::NoteRead(full), Fact::NoteGone(gone)]
}

fn tags() -> Vec<Fact> {
    let run = NodeId::from_u128(0x0193_b8f0_2f3e_7000_8000_0000_0000_0001);
    let at = Timestamp::from_micros(1_765_561_338_123_456);
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let tags = vec![pair("team", "risk"), pair("", ""), pair("ünïcode", "a\nb")];
    vec![
        Fact::RunTagged(RunTags { run, at, tags }),
        Fact::RunTagged(RunTags { run, at: Timestamp::from_micros(-1), tags: Vec::new() }),
    ]
}

fn notes_3() -> Vec<Fact> {
    let Some(Fact::NoteRead(mut note)) = notes().into_iter().nth(1) else { panic!("a note is the second") };
    note.references.push(Reference {
        sort: ReferenceSort::Model,
        name: "risk@1.0.0".to_owned(),
        given_by: "model".to_owned(),
        missing: false,
    });
    vec![Fact::NoteRead(note)]
}

fn overwritten() -> Vec<Fact> {
    let of = |name: &[u8], text: &[u8], at_us, command: &str| {
        let artifact = Artifact { path: path(name), digest: Digest::of(text), size_bytes: text.len() as u64 };
        let at = Timestamp::from_micros(at_us);
        Fact::FileOverwritten(Overwritten { artifact, at, command: command.to_owned() })
    };
    vec![of(b"models/\xff.pt", b"mine", 1_765_561_338_123_456, "restore"), of(b"/srv/a", b"", -1, "")]
}

pub(super) fn check_read(name: &str, expected: &[Fact]) {
    let bytes = fs::read(fixture(name)).expect("the fixture is a part of the repository");
    let found = read(&bytes, SEGMENT);
    assert_eq!(found.error, None);
    assert_eq!(found.facts, expected);
    assert!(found.damaged.is_empty());
}

/// A published record version is never edited. The fixtures were made once, each by its test under `LINEAGE_WRITE_FIXTURE`.
pub(super) fn check_written(name: &str, expected: &[Fact]) {
    if std::env::var_os("LINEAGE_WRITE_FIXTURE").is_some() && !fixture(name).exists() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = Writer::create(&Disk::new(), folder.path(), SEGMENT).unwrap();
        expected.iter().for_each(|fact| writer.append(fact).unwrap());
        writer.commit().unwrap();
        fs::copy(folder.path().join(format!("{SEGMENT:032x}.seg")), fixture(name)).unwrap();
    }
    let kept = fs::read(fixture(name)).unwrap();
    for fact in expected {
        let bytes = journal::encode(fact).unwrap();
        assert!(kept.windows(bytes.len()).any(|window| window == bytes), "{fact:?} is written otherwise");
    }
}

#[test]
fn notes_are_read_as_they_were_written() {
    check_read("note_v2.seg", &notes());
}

#[test]
fn notes_are_still_written_as_when_they_were_published() {
    check_written("note_v2.seg", &notes());
}

#[test]
fn notes_that_name_models_are_read_as_they_were_written() {
    check_read("note_v3.seg", &notes_3());
}

#[test]
fn notes_that_name_models_are_still_written_as_when_they_were_published() {
    check_written("note_v3.seg", &notes_3());
}

#[test]
fn tags_of_runs_are_read_as_they_were_written() {
    check_read("run_tags_v1.seg", &tags());
}

#[test]
fn tags_of_runs_are_still_written_as_when_they_were_published() {
    check_written("run_tags_v1.seg", &tags());
}

#[test]
fn files_written_over_are_read_as_they_were_written() {
    check_read("overwritten_v1.seg", &overwritten());
}

#[test]
fn files_written_over_are_still_written_as_when_they_were_published() {
    check_written("overwritten_v1.seg", &overwritten());
}
