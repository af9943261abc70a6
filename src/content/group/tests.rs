//! Contents in one file are kept as surely as those in files of their own, and each goes by itself.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::content::encoding::{CODEC_LZ4, CODEC_PLAIN};
use crate::content::tests::verified;
use crate::disk::tests::{Crash, FailOnce, Leaves, NoLinks};
use crate::disk::{Disk, Operation};

fn contents(folder: &Path) -> Contents {
    Contents::at(Disk::new(), folder.join("objects"))
}

/// Keeps texts in one file; returns their digests, and whether they are acknowledged.
fn keep(contents: &Contents, texts: &[Vec<u8>]) -> (Vec<Digest>, Result<()>) {
    let digests: Vec<Digest> = texts.iter().map(|text| Digest::of(text)).collect();
    let kept = || {
        let mut group = Group::new(Access::ALL);
        for (digest, text) in digests.iter().zip(texts) {
            contents.add_to(&mut group, digest, text);
        }
        let together = Together::new(&contents.disk);
        let mut staged: Vec<StagedContent> = contents.stage_group(&together, group)?.into_iter().collect();
        together.sync(staged.iter_mut().map(StagedContent::file).collect());
        contents.publish(&together, staged).into_iter().collect()
    };
    let kept = kept();
    (digests, kept)
}

fn texts() -> Vec<Vec<u8>> {
    let noise = (0..300u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    vec![b"all work and no play ".repeat(400), noise, b"a".to_vec(), Vec::new()]
}

fn inode(contents: &Contents, digest: &Digest) -> (u64, u64) {
    let metadata = contents.file(digest).metadata().unwrap();
    (metadata.ino(), metadata.nlink())
}

proptest! {
    #[test]
    fn what_is_kept_together_is_read_back(texts in proptest::collection::vec(proptest::collection::vec(0u8..4, 0..3000), 0..6)) {
        let folder = tempfile::tempdir().unwrap();
        let contents = contents(folder.path());
        let (digests, kept) = keep(&contents, &texts);
        kept.unwrap();
        for (digest, text) in digests.iter().zip(&texts) {
            prop_assert_eq!(contents.read(digest).unwrap(), Some(text.clone()));
        }
        let mut listed = digests;
        listed.sort();
        listed.dedup();
        prop_assert_eq!(verified(&contents), (listed.len() as u64, Vec::new()));
        prop_assert_eq!(contents.list().unwrap(), (listed, Vec::new()));
    }

    #[test]
    fn forged_bytes_are_refused_and_never_waited_or_paid_for(front in any::<bool>(), bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let front: &[u8] = if front { b"LINEAGEO\x02" } else { b"" };
        let digest = Digest::of(b"what is looked for");
        let named = [front, digest.as_bytes(), &bytes].concat();
        for stored in [&named, &named[..named.len() / 2]] {
            if let Ok(read) = decode(stored, &digest) {
                prop_assert!(read.len() <= stored.len() * 255);
            }
            let folder = tempfile::tempdir().unwrap();
            let contents = contents(folder.path());
            fs::create_dir_all(contents.file(&digest).parent().unwrap()).unwrap();
            fs::write(contents.file(&digest), stored).unwrap();
            prop_assert!(contents.read(&digest).is_err());
        }
    }
}

#[test]
fn contents_kept_together_take_one_file_and_each_goes_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let contents = contents(folder.path());
    let (digests, kept) = keep(&contents, &texts());
    kept.unwrap();
    let (file, names) = inode(&contents, &digests[0]);
    assert!(digests.iter().all(|digest| inode(&contents, digest) == (file, 4)), "{names}");
    // What is kept already is not kept once more, whatever comes with it.
    let more = [texts(), vec![b"another".to_vec()]].concat();
    let (again, kept) = keep(&contents, &more);
    kept.unwrap();
    assert!(inode(&contents, &digests[0]) == (file, 4) && inode(&contents, &again[4]).1 == 1);
    // They go one by one, the first of them too.
    for (at, digest) in digests.iter().enumerate() {
        let wanted = contents.file(digest).metadata().unwrap().modified().unwrap();
        assert!(contents.remove(digest, wanted).unwrap());
        for (at_other, (other, text)) in digests.iter().zip(texts()).enumerate() {
            assert_eq!(contents.read(other).unwrap(), (at_other > at).then_some(text));
        }
    }
    assert_eq!(contents.list().unwrap().0, [again[4]]);
}

#[test]
fn damage_to_one_harms_no_other_and_is_mended_in_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let contents = contents(folder.path());
    let texts = texts();
    let (digests, kept) = keep(&contents, &texts);
    kept.unwrap();
    let path = contents.file(&digests[0]);
    let stored = fs::read(&path).unwrap();
    let codec = |text: &[u8]| compressed(text, |codec, _| codec);
    assert_eq!((codec(&texts[0]), codec(&texts[1])), (CODEC_LZ4, CODEC_PLAIN));
    for at in 0..stored.len() {
        let mut flipped = stored.clone();
        flipped[at] ^= 0x10;
        // The file is written in its place, under all of its names.
        fs::write(&path, &flipped).unwrap();
        verified(&contents);
        let read: Vec<_> = digests.iter().map(|digest| contents.read(digest)).collect();
        for (read, text) in read.iter().zip(&texts) {
            assert!(read.as_ref().map_or(true, |read| read.as_ref() == Some(text)), "byte {at}");
        }
    }
    // A byte of the body of the second.
    let body = stored.windows(texts[1].len()).position(|window| window == texts[1]).unwrap();
    let mut flipped = stored.clone();
    flipped[body + 7] ^= 1;
    fs::write(&path, &flipped).unwrap();
    let whole: Vec<bool> = digests.iter().map(|digest| contents.read(digest).is_ok()).collect();
    assert_eq!(whole, [true, false, true, true]);
    assert_eq!(verified(&contents).1.len(), 1);
    let (_, kept) = keep(&contents, &texts);
    kept.unwrap();
    assert_eq!(verified(&contents), (4, Vec::new()));
    for length in 0..stored.len() {
        fs::write(&path, &stored[..length]).unwrap();
        assert!(contents.read(&digests[3]).is_err(), "cut at {length}");
        verified(&contents);
    }
    let (_, kept) = keep(&contents, &texts);
    kept.unwrap();
    assert_eq!(verified(&contents), (4, Vec::new()), "damaged names that are in the way are replaced");
}

#[test]
fn contents_in_one_file_survive_a_power_cut_or_are_not_acknowledged() {
    let texts = texts();
    for leaves in Leaves::ALL {
        let mut has_ended = false;
        for operations in 0..60 {
            let folder = tempfile::tempdir().unwrap();
            fs::create_dir_all(folder.path().join("objects")).unwrap();
            let crash = Crash::after(operations);
            let faulty = Contents::at(Disk::with_faults(crash.clone()), folder.path().join("objects"));
            let (digests, kept) = keep(&faulty, &texts);
            has_ended |= !crash.happened();
            crash.settle(leaves);
            let whole = contents(folder.path());
            for (digest, text) in digests.iter().zip(&texts) {
                let read = whole.read(digest).unwrap_or(None);
                assert!(read.is_none() || read.as_ref() == Some(text));
                assert!(kept.is_err() || read.is_some(), "lost after {operations} operations, {leaves:?}");
            }
            // Whatever is left there is in nobody's way.
            keep(&whole, &texts).1.unwrap();
            assert_eq!(verified(&whole), (4, Vec::new()));
        }
        assert!(has_ended, "the last of them came to its end");
    }
}

#[test]
fn where_files_have_one_name_only_each_content_has_a_copy() {
    for no_links in NoLinks::ALL {
        let folder = tempfile::tempdir().unwrap();
        let contents = Contents::at(Disk::with_faults(Arc::new(no_links)), folder.path().join("objects"));
        let (digests, kept) = keep(&contents, &texts());
        kept.unwrap();
        assert_eq!(verified(&contents), (4, Vec::new()));
        assert!(digests.iter().all(|digest| inode(&contents, digest).1 == 1));
        let mode = |digest: &Digest| contents.file(digest).metadata().unwrap().permissions().mode();
        assert!(digests.iter().all(|digest| mode(digest) == mode(&digests[0])));
    }
    let folder = tempfile::tempdir().unwrap();
    let fails = FailOnce::at(1, |operation| operation == Operation::Link);
    let full = Contents::at(Disk::with_faults(fails), folder.path().join("objects"));
    let (digests, kept) = keep(&full, &texts());
    assert!(kept.is_err(), "what went wrong is said");
    let there: Vec<bool> = digests.iter().map(|digest| full.holds(digest)).collect();
    assert_eq!(there, [false, true, false, false], "the one that had its name already is whole");
    assert_eq!(verified(&full), (1, Vec::new()));
    assert_eq!(full.list().unwrap().1, Vec::<PathBuf>::new(), "nothing else is left over");
}

#[test]
fn contents_in_one_file_are_read_by_those_whom_their_group_names() {
    let folder = tempfile::tempdir().unwrap();
    let contents = contents(folder.path());
    let together = Together::new(&contents.disk);
    let modes = [Access::ALL, Access::OWNER].map(|access| {
        let (mut group, texts) = (Group::new(access), [0, 1].map(|number| format!("{access:?} {number}")));
        let digests = texts.each_ref().map(|text| Digest::of(text.as_bytes()));
        for (digest, text) in digests.iter().zip(&texts) {
            contents.add_to(&mut group, digest, text.as_bytes());
        }
        let mut staged = contents.stage_group(&together, group).unwrap().unwrap();
        together.sync(vec![staged.file()]);
        assert!(contents.publish(&together, vec![staged]).iter().all(Result::is_ok));
        digests.map(|digest| contents.file(&digest).metadata().unwrap().permissions().mode() & 0o777)
    });
    let [all, owner] = modes;
    assert_eq!(owner, all.map(|mode| mode & !0o044));
}
