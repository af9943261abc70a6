//! Modules that Python has compiled: which source one stands for, and whether that is what was compiled.
//!
//! Python runs `__pycache__/mm.cpython-311.pyc` in the place of `mm.py`, without opening the source, while the header of the one
//! says what the system says of the other (PEP 552): its size and the second of its last change; or, where that was asked for,
//! the SipHash of its bytes.

use std::fs::{self, Metadata};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::capture::observe::StoodFor;
use crate::disk::{open_regular, read_regular};

/// What the name of an interpreter begins with in the name of a compiled module: `mm.cpython-311.opt-1.pyc`.
const INTERPRETERS: [&str; 3] = [".cpython-", ".pypy", ".graalpy"];
const HEADER_BYTES: usize = 16;
/// The header holds a hash of the source.
const HOLDS_HASH: u32 = 1;
/// No larger source is hashed to be compared.
const SOURCE_MAX_BYTES: u64 = 16 << 20;

/// Returns true for a compiled module that Python made for itself: in `__pycache__`, or, by its name, in a tree of such modules
/// (`PYTHONPYCACHEPREFIX`). What is called `mm.pyc` was made by somebody, to be had without its source.
pub(super) fn is_cache(path: &Path) -> bool {
    is_compiled(path) && (lies_in_cache(path) || name_of_tagged(path).is_some())
}

/// Finds the source that a compiled module stands for, among what lies on the disk now; named, as it would be had it been read
/// itself, without links.
pub(super) fn source_of(path: &Path) -> Option<(PathBuf, Metadata)> {
    if !is_compiled(path) {
        return None;
    }
    let (source, found) = sources(path).into_iter().find_map(there)?;
    // The folder of a cache is known by its real path already.
    let is_real = lies_in_cache(path) && !source.is_symlink();
    let source = if is_real { source } else { fs::canonicalize(&source).unwrap_or(source) };
    Some((source, found))
}

/// Tells, of a file that is about to be read, which source it stands for, if it is a compiled module and `is_work` holds for the
/// source.
pub(super) fn stands_for(path: &Path, is_work: &dyn Fn(&Path) -> bool) -> Option<StoodFor> {
    if !is_compiled(path) {
        return None;
    }
    // Most are of packages, for which nobody need be asked.
    let (source, found) = sources(path).into_iter().filter(|source| is_work(source)).find_map(there)?;
    let is_as_made = was_made_of(path, &source, &found).unwrap_or(false);
    // What is no cache is code by itself, whatever lies beside it.
    (is_as_made || is_cache(path)).then_some(StoodFor { path: source, is_as_made })
}

fn there(source: PathBuf) -> Option<(PathBuf, Metadata)> {
    let found = fs::metadata(&source).ok()?;
    found.is_file().then_some((source, found))
}

fn is_compiled(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().ends_with(b".pyc")
}

fn lies_in_cache(path: &Path) -> bool {
    path.parent().is_some_and(|folder| folder.ends_with("__pycache__"))
}

/// Returns the module's name, where that of an interpreter follows.
fn name_of_tagged(path: &Path) -> Option<&str> {
    let name = path.file_name()?.to_str()?;
    INTERPRETERS.iter().find_map(|interpreter| Some(name.rsplit_once(interpreter)?.0))
}

/// Lists where the source of a compiled module may lie.
fn sources(path: &Path) -> Vec<PathBuf> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Vec::new();
    };
    let tagged = name_of_tagged(path);
    if lies_in_cache(path) {
        let name = tagged.or_else(|| name.split('.').next());
        return name
            .map(|name| path.ancestors().nth(2).unwrap_or(folder).join(format!("{name}.py")))
            .into_iter()
            .collect();
    }
    let Some(tagged) = tagged else { return vec![path.with_extension("py")] };
    // In a tree of their own, the whole path of the source's folder follows that of the tree.
    let parts: Vec<_> = folder.iter().skip(1).collect();
    let below = |depth| Path::new("/").join(parts[depth..].iter().collect::<PathBuf>());
    (1..=parts.len()).map(|depth| below(depth).join(format!("{tagged}.py"))).collect()
}

/// Tells whether a module was compiled from the bytes that lie in its source; `None` where it cannot be read.
fn was_made_of(compiled: &Path, source: &Path, found: &Metadata) -> Option<bool> {
    // Asked while a command runs that may have put a pipe there.
    let mut file = open_regular(compiled).ok()?;
    let mut header = [0; HEADER_BYTES];
    file.read_exact(&mut header).ok()?;
    let word = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|byte| header[at + byte]));
    if word(4) & HOLDS_HASH != 0 {
        let hash = u64::from(word(8)) | u64::from(word(12)) << 32;
        return holds(source, found, u64::from(word(0)), hash);
    }
    let made = file.metadata().ok()?;
    // The header has the lower halves only.
    let says_so = (word(8), word(12)) == (found.mtime() as u32, found.len() as u32);
    // Changed in the second in which it had been compiled, with the same size: Python does not see that.
    let changed_since = (found.mtime(), found.mtime_nsec()) > (made.mtime(), made.mtime_nsec());
    Some(says_so && !(changed_since && found.mtime() == made.mtime()))
}

/// Tells whether the bytes of a source have this hash: SipHash-1-3, and 2-4 before Python 3.11.
fn holds(source: &Path, found: &Metadata, key: u64, hash: u64) -> Option<bool> {
    if found.len() > SOURCE_MAX_BYTES {
        return None;
    }
    let bytes = read_regular(source).ok()?;
    Some(sip_hash(key, &bytes, (1, 3)) == hash || sip_hash(key, &bytes, (2, 4)) == hash)
}

/// SipHash with so many rounds within and at the end, and the key `key`, 0 (Aumasson and Bernstein, 2012).
fn sip_hash(key: u64, bytes: &[u8], (within, at_end): (usize, usize)) -> u64 {
    let (key_0, key_1) = (key, 0_u64);
    let mut v = [
        key_0 ^ 0x736f_6d65_7073_6575,
        key_1 ^ 0x646f_7261_6e64_6f6d,
        key_0 ^ 0x6c79_6765_6e65_7261,
        key_1 ^ 0x7465_6462_7974_6573,
    ];
    let mix = |v: &mut [u64; 4], word: u64| {
        v[3] ^= word;
        (0..within).for_each(|_| sip_round(v));
        v[0] ^= word;
    };
    let mut words = bytes.chunks_exact(8);
    for word in &mut words {
        mix(&mut v, word.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)));
    }
    let rest = words.remainder().iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
    mix(&mut v, rest | (bytes.len() as u64) << 56);
    v[2] ^= 0xff;
    (0..at_end).for_each(|_| sip_round(&mut v));
    v[0] ^ v[1] ^ v[2] ^ v[3]
}

fn sip_round(v: &mut [u64; 4]) {
    v[0] = v[0].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(13) ^ v[0];
    v[0] = v[0].rotate_left(32);
    v[2] = v[2].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(16) ^ v[2];
    v[0] = v[0].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(21) ^ v[0];
    v[2] = v[2].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(17) ^ v[2];
    v[2] = v[2].rotate_left(32);
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    fn check(path: &str, cache: bool, expected: &[&str]) {
        let expected: Vec<PathBuf> = expected.iter().map(PathBuf::from).collect();
        let path = Path::new(path);
        assert_eq!((is_cache(path), sources(path)), (cache, expected), "{}", path.display());
    }

    #[test]
    fn a_compiled_module_says_by_its_place_and_name_where_its_source_lies() {
        check("/w/a/__pycache__/mm.cpython-311.pyc", true, &["/w/a/mm.py"]);
        check("/w/__pycache__/mm.cpython-311.opt-2.pyc", true, &["/w/mm.py"]);
        check("/w/__pycache__/test_a.cpython-311-pytest-8.3.4.pyc", true, &["/w/test_a.py"]);
        check("/w/__pycache__/run.v2.pypy310.pyc", true, &["/w/run.v2.py"]);
        check("/w/__pycache__/mm.other-1.pyc", true, &["/w/mm.py"]);
        check("/pre/w/a/mm.cpython-312.pyc", true, &["/w/a/mm.py", "/a/mm.py", "/mm.py"]);
        check("/w/a/mm.pyc", false, &["/w/a/mm.py"]);
        assert!(!is_cache(Path::new("/w/__pycache__/f.py311.nbi")));
        assert_eq!(source_of(Path::new("/w/a/mm.txt")).map(|(source, _)| source), None);
    }

    /// A folder with a source of 3 bytes, and a way to write what was compiled from it.
    fn compiled(header: &[u8]) -> (tempfile::TempDir, PathBuf, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let (source, cache) = (folder.path().join("mm.py"), folder.path().join("__pycache__"));
        fs::write(&source, "X=1").unwrap();
        fs::create_dir(&cache).unwrap();
        let compiled = cache.join("mm.cpython-311.pyc");
        fs::write(&compiled, header).unwrap();
        (folder, source, compiled)
    }

    #[test]
    fn a_source_that_is_a_link_is_named_as_what_it_leads_to() {
        let (folder, source, compiled) = compiled(&header(0, [0, 0]));
        let root = folder.path().canonicalize().unwrap();
        assert_eq!(source_of(&compiled).unwrap().0, source);
        fs::rename(&source, root.join("behind.py")).unwrap();
        std::os::unix::fs::symlink("behind.py", &source).unwrap();
        assert_eq!(source_of(&compiled).unwrap().0, root.join("behind.py"));
        let tree = root.join("tree").join(root.strip_prefix("/").unwrap()).join("mm.cpython-311.pyc");
        assert_eq!(source_of(&tree).unwrap().0, root.join("behind.py"));
    }

    fn header(flags: u32, words: [u32; 2]) -> Vec<u8> {
        [0x0a0d_0da7, flags, words[0], words[1]].iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    fn set_time(path: &Path, at: Duration) {
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + at).unwrap();
    }

    #[test]
    fn a_source_is_what_was_compiled_while_size_and_time_are_those_of_the_header() {
        let at = |second: u64, rest: u32| Duration::new(second, rest);
        let check = |second: u32, size: u32, changed: Duration, made: Duration, expected: bool| {
            let (_folder, source, compiled) = compiled(&header(0, [second, size]));
            set_time(&source, changed);
            set_time(&compiled, made);
            let found = stands_for(&compiled, &|_| true).unwrap();
            assert_eq!((found.path, found.is_as_made), (source, expected), "{second} {size} {changed:?}");
        };
        check(1000, 3, at(1000, 0), at(1000, 5), true);
        check(1000, 3, at(1000, 7), at(2000, 0), true);
        check(1000, 3, at(1001, 0), at(2000, 0), false);
        check(1000, 4, at(1000, 0), at(2000, 0), false);
        // In the same second, after it was compiled.
        check(1000, 3, at(1000, 7), at(1000, 5), false);
        // Unpacked in any order, with the times that they had.
        check(1000, 3, at(1000, 7), at(900, 0), true);
    }

    #[test]
    fn a_source_is_what_was_compiled_while_its_hash_is_that_of_the_header() {
        for (rounds, flags) in [((1, 3), 1), ((2, 4), 3)] {
            let hash = sip_hash(0x0a0d_0da7, b"X=1", rounds);
            let (_folder, source, compiled) = compiled(&header(flags, [hash as u32, (hash >> 32) as u32]));
            assert!(stands_for(&compiled, &|_| true).unwrap().is_as_made);
            fs::write(&source, "X=2").unwrap();
            assert!(!stands_for(&compiled, &|_| true).unwrap().is_as_made);
        }
    }

    #[test]
    #[allow(deprecated)]
    fn the_hash_is_that_of_the_standard_library_with_its_rounds() {
        use std::hash::{Hasher as _, SipHasher};
        for size in 0..40 {
            let bytes: Vec<u8> = (0..size).map(|byte: u8| byte.wrapping_mul(37)).collect();
            let mut theirs = SipHasher::new_with_keys(0x0a0d_0da7, 0);
            theirs.write(&bytes);
            assert_eq!(sip_hash(0x0a0d_0da7, &bytes, (2, 4)), theirs.finish(), "{size}");
        }
        let mut theirs = std::hash::DefaultHasher::new();
        theirs.write(b"some bytes");
        assert_eq!(sip_hash(0, b"some bytes", (1, 3)), theirs.finish());
    }

    #[test]
    fn a_header_that_is_cut_proves_nothing_and_a_module_beside_its_source_is_code_itself() {
        let (folder, source, compiled) = compiled(&header(0, [1000, 3])[..15]);
        assert!(!stands_for(&compiled, &|_| true).unwrap().is_as_made);
        assert_eq!(stands_for(&compiled, &|_| false).map(|found| found.path), None);
        let beside = folder.path().join("mm.pyc");
        fs::write(&beside, header(0, [1000, 3])).unwrap();
        set_time(&source, Duration::from_secs(1000));
        assert!(stands_for(&beside, &|_| true).unwrap().is_as_made);
        set_time(&source, Duration::from_secs(1001));
        assert_eq!(stands_for(&beside, &|_| true).map(|found| found.path), None);
        fs::remove_file(&source).unwrap();
        assert_eq!(stands_for(&compiled, &|_| true).map(|found| found.path), None);
    }
}
