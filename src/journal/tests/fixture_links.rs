//! The segments of symbolic links (version 1) and of model versions that hold some (version 4), which every later program must read
//! the same way for ever.

use super::fixture_notes::{check_read, check_written};
use crate::journal::{self, decode};
use crate::model::{
    Artifact, ArtifactPath, Digest, Fact, Link, LinkText, ModelVersion, NamedArtifact, NodeId, TakenEntry,
    Timestamp,
};

fn path(bytes: &[u8]) -> ArtifactPath {
    ArtifactPath::from_bytes(bytes.to_vec()).unwrap()
}

fn text(bytes: &[u8]) -> LinkText {
    LinkText::new(bytes.to_vec()).unwrap()
}

fn links() -> Vec<Fact> {
    [(&b"ck/last.pt"[..], &b"e2.pt"[..]), (b"non\xff", b"../\xff\n"), (b"/srv/a", b"/")]
        .map(|(at, to)| Fact::LinkSeen(Link { path: path(at), text: text(to) }))
        .to_vec()
}

fn models() -> Vec<Fact> {
    let at = |micros: i64| Timestamp::from_micros(1_765_561_338_000_000 + micros);
    let artifact = Artifact { path: path(b"ck/e2.pt"), digest: Digest::of(b"weights"), size_bytes: 7 };
    let id = NodeId::from_u128(0x0193_b8f0_2f3e_7000_8000_0000_0000_0010);
    let plain = ModelVersion {
        artifacts: vec![
            NamedArtifact::file("ck/e2.pt", artifact),
            NamedArtifact::of_link("ck/last.pt", path(b"ck/last.pt"), text(b"e2.pt")),
            NamedArtifact::of_link("ck/\\xff", path(b"ck/\xff"), text(b"\xff")),
        ],
        ..ModelVersion::new(id, "k", "1.0.0", at(8))
    };
    let entry = TakenEntry { as_of: at(12), run_label: None, run_name: None, inputs_total: 3 };
    let full = TakenEntry {
        run_label: Some("20251212_174218".to_owned()),
        run_name: Some("train".to_owned()),
        ..entry.clone()
    };
    let taken = [entry, full].map(|taken| ModelVersion { taken: Some(taken), ..plain.clone() });
    std::iter::once(plain.clone()).chain(taken).map(Fact::ModelRegistered).collect()
}

#[test]
fn links_are_read_as_they_were_written() {
    check_read("link_v1.seg", &links());
}

#[test]
fn links_are_still_written_as_when_they_were_published() {
    check_written("link_v1.seg", &links());
}

#[test]
fn models_with_links_are_read_as_they_were_written() {
    check_read("model_v4.seg", &models());
}

#[test]
fn models_with_links_are_still_written_as_when_they_were_published() {
    check_written("model_v4.seg", &models());
}

/// What a link says is what its digest is of; a record that says otherwise was not written by this program.
#[test]
fn a_link_that_has_other_bytes_than_its_text_is_damaged() {
    let bytes = journal::encode(&models()[0]).unwrap();
    let at = bytes.windows(5).rposition(|window| window == b"e2.pt").unwrap();
    assert!(decode(&bytes).is_ok());
    for change in [&b"e3.pt"[..], b"e2.p\0"] {
        let mut changed = bytes.clone();
        changed[at..at + 5].copy_from_slice(change);
        assert!(decode(&changed).is_err(), "{change:?}");
    }
}
