//! What is kept is what was given, or nothing, whatever becomes of the disk.

use std::os::unix::fs::PermissionsExt as _;

use proptest::prelude::*;

use super::encoding::{CODEC_PLAIN, CODEC_SHARED, CODEC_ZSTD, HEADER_BYTES, header};
use super::*;
use crate::disk::SHARED_ALIGNMENT;
use crate::disk::tests::{Crash, Leaves};

/// Returns how many kept contents were read, and those that are damaged: those that are if each is read alone.
pub(in crate::content) fn verified(contents: &Contents) -> (u64, Vec<Damage>) {
    let Verified { count, damaged, unreadable, .. } = contents.verify().unwrap();
    assert_eq!(unreadable.len(), 0);
    let fault = |digest| Some((digest, contents.check(&digest).err()?.causes().first()?.clone()));
    let alone: Vec<(Digest, String)> = contents.list().unwrap().0.into_iter().filter_map(fault).collect();
    assert_eq!(damaged.iter().map(|one| (one.digest, one.fault.clone())).collect::<Vec<_>>(), alone);
    (count, damaged)
}

#[test]
fn what_was_to_be_removed_by_somebody_who_was_killed_is_still_handed_out_and_kept_anew() {
    let folder = tempfile::tempdir().unwrap();
    let contents = Contents::at(Disk::new(), folder.path().join("objects"));
    let digest = contents.keep(b"bytes").unwrap();
    let path = contents.file(&digest);
    fs::rename(&path, path.with_extension(ASIDE_ENDING)).unwrap();
    assert_eq!(contents.read(&digest).unwrap().unwrap(), b"bytes");
    // What may be removed the next moment is not relied on.
    assert!(!contents.is_kept(&digest, Access::ALL));
    contents.keep(b"bytes").unwrap();
    contents.put_back().unwrap();
    assert_eq!(names_in(&folder.path().join("objects")), [path]);
}

fn contents(folder: &Path) -> Contents {
    Contents::at(Disk::new(), folder.join("objects"))
}

proptest! {
    #[test]
    fn what_is_kept_is_read_back(bytes in proptest::collection::vec(any::<u8>(), 0..2000), times in 1usize..20) {
        let folder = tempfile::tempdir().unwrap();
        let contents = contents(folder.path());
        let bytes = bytes.repeat(times);
        let digest = contents.keep(&bytes).unwrap();
        prop_assert_eq!(contents.read(&digest).unwrap(), Some(bytes));
    }
}

/// A target that says how much it was given at once at the most.
#[derive(Default)]
struct Parts {
    bytes: Vec<u8>,
    part_max: usize,
}

impl std::io::Write for Parts {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        self.part_max = self.part_max.max(bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

proptest! {
    #[test]
    fn what_is_kept_part_by_part_is_what_is_kept_at_once(
        bytes in proptest::collection::vec(any::<u8>(), 0..3000), times in 1usize..200, wrong in any::<bool>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let at_once = contents(folder.path());
        let in_parts = Contents::at(Disk::new(), folder.path().join("parts"));
        let copied = Contents::at(Disk::new(), folder.path().join("copied"));
        let place = folder.path().join("back");
        let bytes = bytes.repeat(times);
        let digest = at_once.keep(&bytes).unwrap();
        let other = Digest::of(b"something else");
        let named = if wrong { other } else { digest };
        let kept = in_parts.keep_stream(&named, &mut bytes.as_slice(), bytes.len() as u64, Access::ALL).unwrap();
        prop_assert_eq!(kept, !wrong);
        let longer = bytes.len() as u64 + 1;
        prop_assert!(!in_parts.keep_stream(&other, &mut bytes.as_slice(), longer, Access::ALL).unwrap());
        prop_assert!(names_in(&folder.path().join("parts")).len() == usize::from(kept), "nothing is left over");
        if kept {
            prop_assert_eq!(copied.keep_from(&in_parts, &digest).unwrap(), Some(bytes.len() as u64));
            for contents in [&at_once, &in_parts, &copied] {
                prop_assert_eq!(contents.check(&digest).unwrap(), Some(bytes.len() as u64));
                let mut parts = Parts::default();
                prop_assert_eq!(contents.copy(&digest, &mut parts).unwrap(), Some(bytes.len() as u64));
                prop_assert!(parts.bytes == bytes && parts.part_max <= 128 << 10);
                prop_assert!(contents.write(&digest, &place, &|_| Ok(())).unwrap());
                prop_assert!(fs::read(&place).unwrap() == bytes);
            }
        }
        prop_assert_eq!(copied.keep_from(&at_once, &other).unwrap(), None);
        prop_assert!(!at_once.write(&other, &place, &|_| Ok(())).unwrap());
    }
}

#[test]
fn a_damaged_copy_is_given_no_name_and_kept_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let ours = contents(folder.path());
    let others = Contents::at(Disk::new(), folder.path().join("others"));
    let place = folder.path().join("place");
    fs::write(&place, "as it was").unwrap();
    for times in [10, 300] {
        let digest = ours.keep(&b"all work and no play ".repeat(times)).unwrap();
        let mut stored = fs::read(ours.file(&digest)).unwrap();
        *stored.last_mut().unwrap() ^= 1;
        fs::write(ours.file(&digest), &stored).unwrap();
        assert!(matches!(ours.write(&digest, &place, &|_| Ok(())), Err(NotCopied::Kept(_))));
        assert!(matches!(others.keep_from(&ours, &digest), Err(NotCopied::Kept(_))));
        assert_eq!(fs::read(&place).unwrap(), b"as it was");
    }
    let names: Vec<PathBuf> = entries(folder.path()).unwrap();
    assert!(names.iter().all(|name| !name.to_string_lossy().contains(".lineage-tmp-")), "{names:?}");
}

#[test]
fn what_becomes_of_the_target_is_told_from_what_is_wrong_with_the_kept_copy() {
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let contents = contents(folder.path());
    let digest = contents.keep(b"something").unwrap();
    let fault = contents.copy(&digest, &mut Full).unwrap_err();
    assert!(matches!(fault, NotCopied::Target(cause) if cause.kind() == io::ErrorKind::StorageFull));
    assert!(contents.check(&digest).is_ok());
}

/// Sees whether it was asked for shared bytes.
#[derive(Default)]
struct Asked(std::sync::atomic::AtomicBool);

impl crate::disk::Faults for Asked {
    fn before(&self, operation: crate::disk::Operation, _: &Path, _: Option<&Path>) -> io::Result<usize> {
        if operation == crate::disk::Operation::Share {
            self.0.store(true, std::sync::atomic::Ordering::Relaxed);
        }
        Ok(usize::MAX)
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Keeps a file with a mode, in a folder with a mode, in a workspace whose own folder has a mode; returns the modes of the folder of
/// kept contents and of the kept content.
fn modes_of_kept(own: u32, folder: u32, file: u32) -> (u32, u32) {
    let place = tempfile::tempdir().unwrap();
    let root = place.path();
    let (objects, source) = (root.join(".lineage/objects"), root.join("folder/source"));
    for made in [&objects, &root.join("folder")] {
        fs::create_dir_all(made).unwrap();
    }
    // As an older program left it.
    set_mode(&objects, 0o777);
    set_mode(&root.join(".lineage"), own);
    fs::write(&source, "a secret").unwrap();
    set_mode(&source, file);
    set_mode(&root.join("folder"), folder);
    let contents = Contents::at(Disk::new(), &objects);
    let digest = Digest::of(b"a secret");
    contents.keep_as(&digest, b"a secret", Access::of_path(root, &source)).unwrap();
    (mode(&objects), mode(&contents.file(&digest)))
}

#[test]
fn nobody_reads_a_kept_content_who_may_not_read_the_file_it_came_from() {
    // What the umask of whoever runs the tests takes away is given to nobody.
    let probe = tempfile::tempdir().unwrap();
    fs::write(probe.path().join("plain"), "").unwrap();
    let plain = mode(&probe.path().join("plain"));
    for (own, objects) in [(0o700, 0o700), (0o755, 0o700), (0o775, 0o770), (0o777, 0o777)] {
        for (folder, file, kept) in [
            (0o755, 0o644, plain),
            (0o755, 0o600, plain & !0o044),
            (0o755, 0o640, plain & !0o004),
            (0o700, 0o644, plain & !0o044),
            (0o750, 0o644, plain & !0o004),
            (0o755, 0o755, plain | (plain & 0o444) >> 2),
            (0o755, 0o700, plain & !0o044 | 0o100),
        ] {
            assert_eq!(modes_of_kept(own, folder, file), (objects, kept), "{own:o} {folder:o} {file:o}");
        }
    }
}

#[test]
fn a_file_elsewhere_is_as_closed_as_the_folders_that_lead_to_it() {
    let (workspace, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let source = elsewhere.path().join("source");
    fs::write(&source, "a secret").unwrap();
    set_mode(&source, 0o644);
    let contents = Contents::at(Disk::new(), workspace.path().join("objects"));
    let digest = Digest::of(b"a secret");
    set_mode(elsewhere.path(), 0o700);
    contents.keep_as(&digest, b"a secret", Access::of_path(workspace.path(), &source)).unwrap();
    assert_eq!(mode(&contents.file(&digest)) & 0o077, 0);
}

fn names_in(folder: &Path) -> Vec<PathBuf> {
    entries(folder).unwrap().iter().flat_map(|folder| entries(folder).unwrap()).collect()
}

#[test]
fn a_file_is_shared_where_the_file_system_can_and_else_nothing_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let objects = folder.path().join("objects");
    let asked = std::sync::Arc::new(Asked::default());
    let contents = Contents::at(Disk::with_faults(asked.clone()), &objects);
    let bytes: Vec<u8> = (0..SHARED_MIN_BYTES + 77).map(|at| ((at * at) >> 7) as u8).collect();
    let (source, place) = (folder.path().join("source"), folder.path().join("back"));
    fs::write(&source, &bytes).unwrap();
    let file = fs::File::open(&source).unwrap();
    let digest = Digest::of(&bytes);
    let other = contents.keep_shared(&Digest::of(b"other"), &file, bytes.len() as u64, Access::ALL).unwrap();
    assert!(asked.0.load(std::sync::atomic::Ordering::Relaxed), "the file system was asked");
    assert_eq!(names_in(&objects), Vec::<PathBuf>::new());
    match contents.keep_shared(&digest, &file, bytes.len() as u64, Access::ALL).unwrap() {
        Sharing::Done => {
            assert_eq!(other, Sharing::OtherBytes);
            fs::write(&source, "changed").unwrap();
            assert_eq!(contents.read(&digest).unwrap().as_deref(), Some(bytes.as_slice()));
            assert!(contents.write_shared(&digest, &place, &|_| Ok(())).unwrap());
            assert_eq!(fs::read(&place).unwrap(), bytes);
        }
        answer => {
            assert_eq!((answer, other), (Sharing::Cannot, Sharing::Cannot));
            assert_eq!(names_in(&objects), Vec::<PathBuf>::new(), "nothing is left over");
            assert!(!contents.write_shared(&digest, &place, &|_| Ok(())).unwrap() && !place.exists());
        }
    }
}

#[test]
fn what_was_kept_by_sharing_is_read_on_every_file_system() {
    let folder = tempfile::tempdir().unwrap();
    let contents = contents(folder.path());
    let bytes = b"shared once".repeat(500);
    let digest = Digest::of(&bytes);
    let mut stored = header(CODEC_SHARED, bytes.len() as u64);
    stored.resize(SHARED_ALIGNMENT as usize, 0);
    stored.extend_from_slice(&bytes);
    fs::create_dir_all(contents.file(&digest).parent().unwrap()).unwrap();
    for cut in [stored.len(), stored.len() - 1, SHARED_ALIGNMENT as usize, SHARED_ALIGNMENT as usize - 1, 20]
    {
        fs::write(contents.file(&digest), &stored[..cut]).unwrap();
        match contents.read(&digest) {
            Ok(read) => assert_eq!((read, cut), (Some(bytes.clone()), stored.len())),
            Err(error) => assert!(error.message().contains("is damaged"), "{error}"),
        }
    }
}

#[test]
fn a_damaged_copy_is_never_handed_out_and_is_written_again() {
    // As it is, since it takes no more than a block, and compressed.
    for (times, codec) in [(10, CODEC_PLAIN), (300, CODEC_ZSTD)] {
        check_damage(&b"all work and no play ".repeat(times), codec);
    }
}

fn check_damage(bytes: &[u8], codec: u8) {
    let folder = tempfile::tempdir().unwrap();
    let contents = contents(folder.path());
    let digest = contents.keep(bytes).unwrap();
    let path = contents.path(&digest);
    let stored = fs::read(&path).unwrap();
    assert_eq!(stored[..HEADER_BYTES], header(codec, bytes.len() as u64));
    for at in 0..stored.len() {
        let mut flipped = stored.clone();
        flipped[at] ^= 0x10;
        fs::write(&path, &flipped).unwrap();
        match contents.read(&digest) {
            // A flip that the decoder does not look at, in zstd's own header, harms nothing.
            Ok(read) => assert_eq!(read.as_deref(), Some(bytes), "byte {at}"),
            Err(error) => assert_eq!(error.kind().exit_code(), 3),
        }
    }
    for length in 0..stored.len() {
        fs::write(&path, &stored[..length]).unwrap();
        assert!(contents.read(&digest).is_err(), "cut at {length}");
    }
    assert_eq!(verified(&contents).1.len(), 1);
    contents.keep(bytes).unwrap();
    assert_eq!(verified(&contents), (1, Vec::new()));
}

fn keep_together(
    contents: &Contents,
    together: &Together,
    digests: &[Digest],
    texts: &[Vec<u8>],
) -> Vec<Result<()>> {
    let staged =
        digests.iter().zip(texts).map(|(digest, text)| contents.stage(together, digest, text, Access::ALL));
    let mut staged: Vec<Result<Option<StagedContent>>> = staged.collect();
    together.sync(staged.iter_mut().flatten().flatten().map(StagedContent::file).collect());
    let (mut ready, mut kept) = (Vec::new(), Vec::new());
    for staged in staged {
        kept.push(staged.map(|staged| ready.extend(staged)));
    }
    let mut published = contents.publish(together, ready).into_iter();
    // In these tests nothing is kept already.
    let settle = |kept: Result<()>| kept.and_then(|()| published.next().unwrap());
    kept.into_iter().map(settle).collect()
}

#[test]
fn contents_kept_together_survive_a_power_cut_or_are_not_acknowledged() {
    let texts: Vec<Vec<u8>> = (0..5u8).map(|at| [b'a' + at; 300].to_vec()).collect();
    let digests: Vec<Digest> = texts.iter().map(|text| Digest::of(text)).collect();
    for leaves in Leaves::ALL {
        for operations in 0..60 {
            let folder = tempfile::tempdir().unwrap();
            fs::create_dir_all(folder.path().join("objects")).unwrap();
            let crash = Crash::after(operations);
            let faulty = Contents::at(Disk::with_faults(crash.clone()), folder.path().join("objects"));
            let together = Together::new(&faulty.disk);
            let results = keep_together(&faulty, &together, &digests, &texts);
            crash.settle(leaves);
            let whole = contents(folder.path());
            for ((digest, text), result) in digests.iter().zip(&texts).zip(results) {
                let read = whole.read(digest).unwrap_or(None);
                assert!(read.is_none() || read.as_ref() == Some(text));
                assert!(result.is_err() || read.is_some(), "lost after {operations} operations, {leaves:?}");
            }
        }
    }
}

#[test]
fn a_crash_while_keeping_leaves_all_or_nothing() {
    for operations in 0..12 {
        let folder = tempfile::tempdir().unwrap();
        let crash = Crash::after(operations);
        let faulty = Contents::at(Disk::with_faults(crash), folder.path().join("objects"));
        let bytes = b"some bytes that matter".repeat(50);
        let kept = faulty.keep(&bytes);
        let read = contents(folder.path()).read(&Digest::of(&bytes)).unwrap();
        assert!(read.is_none() || read.as_deref() == Some(bytes.as_slice()));
        assert!(kept.is_err() || read.is_some(), "acknowledged and lost after {operations} operations");
    }
}

#[test]
fn a_content_that_is_wanted_again_while_it_is_let_go_stays() {
    let folder = tempfile::tempdir().unwrap();
    let contents = Contents::at(Disk::new(), folder.path().join("objects"));
    let digest = contents.keep(b"x").unwrap();
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(1_000);
    let wanted_last = || contents.file(&digest).metadata().unwrap().modified().unwrap();
    std::fs::File::open(contents.file(&digest)).unwrap().set_modified(long_ago).unwrap();
    let seen = wanted_last();
    contents.keep(b"x").unwrap();
    assert!(!contents.remove(&digest, seen).unwrap());
    assert_eq!(contents.read(&digest).unwrap().as_deref(), Some(&b"x"[..]));
    // One that was taken aside by a process that was killed then comes back.
    std::fs::rename(contents.file(&digest), contents.file(&digest).with_extension(ASIDE_ENDING)).unwrap();
    contents.put_back().unwrap();
    assert!(contents.holds(&digest));
    assert!(contents.remove(&digest, wanted_last()).unwrap());
    assert!(!contents.holds(&digest));
}

#[test]
fn what_an_older_program_kept_is_read() {
    // As 0.2.0 kept it, before contents could share a file: one zstd frame.
    let stored =
        b"LINEAGEO\x01\x01\x38\x18\0\0\0\0\0\0\x28\xb5\x2f\xfd\x60\x38\x17\x3d\x01\0\xf8where did this file \
        come from?\n\x01\0\x5b\xa0\xe8\x95\x13";
    let folder = tempfile::tempdir().unwrap();
    let contents = contents(folder.path());
    let bytes = b"where did this file come from?\n".repeat(200);
    let digest = Digest::of(&bytes);
    fs::create_dir_all(contents.file(&digest).parent().unwrap()).unwrap();
    fs::write(contents.file(&digest), stored).unwrap();
    assert_eq!(contents.read(&digest).unwrap(), Some(bytes));
}
