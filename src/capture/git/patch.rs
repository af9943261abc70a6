//! The changed files: their digests, and the patch from `HEAD` to the work tree in git's own format.

use std::collections::BTreeMap;
use std::path::Path;

use gix::bstr::BString;
use gix::diff::blob::{Algorithm, Diff, Hunk, InternedInput, sources::byte_lines};
use gix::hash::ObjectId;
use gix::index::entry::Mode;

use super::open::cannot;
use super::status::{Pending, Recorded};
use super::work_file::{self, WorkFile};
use super::{Change, CodeState, Limits, Omission, Options};
use crate::digests::Digests;
use crate::error::Result;

/// Unchanged lines around a change, as `git diff` has them.
const CONTEXT_LINES: u32 = 3;

/// A file's mode and bytes as git stores them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stored {
    mode: Mode,
    bytes: Vec<u8>,
}

/// Fills `changed`, `patch` and `patch_omitted` of `state` from the `pending` paths.
pub(super) fn describe(
    repo: &gix::Repository,
    index: &gix::index::File,
    work_tree: &Path,
    pending: BTreeMap<BString, Pending>,
    options: &Options<'_>,
    state: &mut CodeState,
) -> Result<()> {
    if pending.is_empty() {
        return Ok(());
    }
    let mut writer = Writer::new(repo, index, work_tree, options)?;
    for (path, pending) in &pending {
        let (size_bytes, digest) = writer.change(path, pending);
        if let Some((from, head)) = &pending.renamed_from {
            writer.change(from, &Pending { head: Some(*head), ..Pending::default() });
        }
        state.changed.push(Change {
            path: path.to_vec(),
            index: pending.index,
            work_tree: pending.work_tree,
            renamed_from: pending.renamed_from.as_ref().map(|(from, _)| from.to_vec()),
            hidden: pending.hidden,
            digest,
            size_bytes,
        });
    }
    state.patch = writer.patch;
    state.patch_omitted = writer.omitted;
    state.patch_omitted.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(())
}

/// Writes a patch, file by file.
struct Writer<'a> {
    repo: &'a gix::Repository,
    index: &'a gix::index::File,
    work_tree: &'a Path,
    is_withheld: &'a dyn Fn(&[u8]) -> bool,
    limits: &'a Limits,
    digests: &'a Digests,
    filters: gix::filter::Pipeline<'a>,
    capabilities: gix::fs::Capabilities,
    patch: Vec<u8>,
    omitted: Vec<Omission>,
}

impl<'a> Writer<'a> {
    fn new(
        repo: &'a gix::Repository,
        index: &'a gix::index::File,
        work_tree: &'a Path,
        options: &'a Options<'_>,
    ) -> Result<Self> {
        let (filters, _) = repo.filter_pipeline(None).map_err(|cause| cannot(repo, "the filters", cause))?;
        let capabilities =
            repo.filesystem_options().map_err(|cause| cannot(repo, "the configuration", cause))?;
        Ok(Writer {
            repo,
            index,
            work_tree,
            is_withheld: options.is_withheld,
            limits: &options.limits,
            digests: &options.digests,
            filters,
            capabilities,
            patch: Vec::new(),
            omitted: Vec::new(),
        })
    }

    /// Adds one path to the patch or to what it omits; returns size and digest of the file in the work tree.
    fn change(&mut self, path: &BString, pending: &Pending) -> (Option<u64>, Option<[u8; 32]>) {
        let file = match work_file::look(self.work_tree, path) {
            Ok(file) => file,
            Err(error) => {
                self.omit(path, format!("cannot be read: {error}"));
                return (None, None);
            }
        };
        let seen = self.look(path, &file);
        let is_submodule =
            |recorded: Option<Recorded>| recorded.is_some_and(|recorded| recorded.mode.is_submodule());
        if is_submodule(pending.head) || is_submodule(pending.index_entry) {
            self.omit(path, "a submodule: its commit is noted, its files are not carried".into());
        } else if (self.is_withheld)(path) {
            self.omit(path, "its name says that it is not to be kept".into());
        } else {
            match self.stored(path, pending, &file, seen.bytes) {
                Ok(new) => self.push(path, pending.head, new),
                Err(reason) => self.omit(path, reason),
            }
        }
        (seen.size_bytes, seen.digest)
    }

    fn omit(&mut self, path: &BString, reason: String) {
        self.omitted.push(Omission { path: path.to_vec(), reason });
    }

    /// Reads a file of the work tree once, for its digest and for the patch.
    fn look(&self, path: &BString, file: &WorkFile) -> Seen {
        match file {
            WorkFile::Absent | WorkFile::Folder | WorkFile::Special => Seen::default(),
            WorkFile::Link(target) => Seen {
                size_bytes: Some(target.len() as u64),
                digest: Some(*blake3::hash(target).as_bytes()),
                bytes: Ok(target.clone()),
            },
            WorkFile::Regular { size_bytes, .. } => {
                let size_bytes = Some(*size_bytes);
                let on_disk = work_file::on_disk(self.work_tree, path);
                let max_bytes = self.limits.patch_file_max_bytes;
                match on_disk.and_then(|on_disk| Ok((work_file::read_at_most(&on_disk, max_bytes)?, on_disk)))
                {
                    Err(error) => {
                        Seen { size_bytes, digest: None, bytes: Err(format!("cannot be read: {error}")) }
                    }
                    Ok((Some(bytes), _)) => {
                        Seen { size_bytes, digest: Some(*blake3::hash(&bytes).as_bytes()), bytes: Ok(bytes) }
                    }
                    Ok((None, on_disk)) => Seen {
                        size_bytes,
                        digest: (size_bytes <= Some(self.limits.digest_file_max_bytes))
                            .then(|| self.digests.of(&on_disk).ok())
                            .flatten()
                            .map(|digest| *digest.as_bytes()),
                        bytes: Err(too_large(max_bytes)),
                    },
                }
            }
        }
    }

    /// Returns the file as git would store it (filters and line ends applied), `None` when there is none.
    fn stored(
        &mut self,
        path: &BString,
        pending: &Pending,
        file: &WorkFile,
        bytes: Result<Vec<u8>, String>,
    ) -> Result<Option<Stored>, String> {
        let recorded = pending.index_entry.or(pending.head).map(|recorded| recorded.mode);
        let executable = match file {
            WorkFile::Absent | WorkFile::Folder => return Ok(None),
            WorkFile::Special => return Err("neither a file nor a symbolic link".into()),
            WorkFile::Link(_) => {
                return Ok(Some(Stored { mode: Mode::SYMLINK, bytes: bytes? }));
            }
            WorkFile::Regular { .. } if !self.capabilities.symlink && recorded == Some(Mode::SYMLINK) => {
                return Ok(Some(Stored { mode: Mode::SYMLINK, bytes: bytes? }));
            }
            WorkFile::Regular { executable, .. } if self.capabilities.executable_bit => *executable,
            WorkFile::Regular { .. } => recorded == Some(Mode::FILE_EXECUTABLE),
        };
        let bytes = bytes?;
        let relative = gix::path::from_bstr(gix::bstr::BStr::new(path)).map_err(|error| error.to_string())?;
        let mut stored = Vec::new();
        let mut converted = self
            .filters
            .convert_to_git(bytes.as_slice(), &relative, self.index)
            .map_err(|error| format!("git's filters fail: {error}"))?;
        std::io::copy(&mut converted, &mut stored).map_err(|error| format!("git's filters fail: {error}"))?;
        let mode = if executable { Mode::FILE_EXECUTABLE } else { Mode::FILE };
        Ok(Some(Stored { mode, bytes: stored }))
    }

    /// Appends the difference between the file at `HEAD` and `new`.
    fn push(&mut self, path: &BString, head: Option<Recorded>, new: Option<Stored>) {
        let old = match head.map(|head| self.blob(head)).transpose() {
            Ok(old) => old,
            Err(reason) => return self.omit(path, reason),
        };
        let kind = self.repo.object_hash();
        let mut diff = Vec::new();
        match (&old, &new) {
            (Some(old_file), Some(new_file)) if is_link(old_file) != is_link(new_file) => {
                push_file(kind, path, Some(old_file), None, &mut diff);
                push_file(kind, path, None, Some(new_file), &mut diff);
            }
            _ => push_file(kind, path, old.as_ref(), new.as_ref(), &mut diff),
        }
        if (self.patch.len() + diff.len()) as u64 > self.limits.patch_max_bytes {
            return self
                .omit(path, format!("the patch would be larger than {} bytes", self.limits.patch_max_bytes));
        }
        self.patch.extend_from_slice(&diff);
    }

    /// Reads what `HEAD` records. A partial clone may not have it, and nothing is fetched.
    fn blob(&self, recorded: Recorded) -> Result<Stored, String> {
        let unreadable =
            |error: &dyn std::fmt::Display| format!("its version at `HEAD` cannot be read: {error}");
        let header = self.repo.find_header(recorded.id).map_err(|error| unreadable(&error))?;
        if header.size() > self.limits.patch_file_max_bytes {
            return Err(too_large(self.limits.patch_file_max_bytes));
        }
        let mut blob = self.repo.find_blob(recorded.id).map_err(|error| unreadable(&error))?;
        Ok(Stored { mode: recorded.mode, bytes: blob.take_data() })
    }
}

/// A file of the work tree as read, or why it was not.
struct Seen {
    size_bytes: Option<u64>,
    digest: Option<[u8; 32]>,
    bytes: Result<Vec<u8>, String>,
}

impl Default for Seen {
    fn default() -> Self {
        Seen { size_bytes: None, digest: None, bytes: Ok(Vec::new()) }
    }
}

fn too_large(max_bytes: u64) -> String {
    format!("larger than {max_bytes} bytes")
}

fn is_link(stored: &Stored) -> bool {
    stored.mode == Mode::SYMLINK
}

/// Appends the section of one file: headers, then text hunks or a binary body. Appends nothing for equal files.
fn push_file(
    kind: gix::hash::Kind,
    path: &[u8],
    old: Option<&Stored>,
    new: Option<&Stored>,
    out: &mut Vec<u8>,
) {
    if old == new {
        return;
    }
    let (name_a, name_b) = (quoted(b"a/", path), quoted(b"b/", path));
    let mut line = |parts: &[&[u8]]| {
        parts.iter().for_each(|part| out.extend_from_slice(part));
        out.push(b'\n');
    };
    line(&[b"diff --git ", &name_a, b" ", &name_b]);
    let mode = |stored: &Stored| format!("{:06o}", stored.mode.bits()).into_bytes();
    let mut mode_kept = Vec::new();
    match (old, new) {
        (None, Some(new)) => line(&[b"new file mode ", &mode(new)]),
        (Some(old), None) => line(&[b"deleted file mode ", &mode(old)]),
        (Some(old), Some(new)) if old.mode != new.mode => {
            line(&[b"old mode ", &mode(old)]);
            line(&[b"new mode ", &mode(new)]);
        }
        (Some(old), _) => mode_kept = [b" ".as_slice(), &mode(old)].concat(),
        (None, None) => {}
    }
    let (before, after) = (bytes_of(old), bytes_of(new));
    if before == after && old.is_some() == new.is_some() {
        return;
    }
    line(&[b"index ", id(kind, old).as_bytes(), b"..", id(kind, new).as_bytes(), &mode_kept]);
    if before == after {
        return;
    }
    // Git looks for NUL at the front only; looking everywhere keeps NUL out of text hunks altogether.
    if memchr::memchr(0, before).or(memchr::memchr(0, after)).is_some() {
        super::binary::push_patch(before, after, out);
        return;
    }
    // Git ends these lines with a tab if the name holds a space, so that other programs find the name's end.
    let tab: &[u8] =
        if path.iter().any(u8::is_ascii_whitespace) && !name_a.starts_with(b"\"") { b"\t" } else { b"" };
    match old {
        Some(_) => line(&[b"--- ", &name_a, tab]),
        None => line(&[b"--- /dev/null"]),
    }
    match new {
        Some(_) => line(&[b"+++ ", &name_b, tab]),
        None => line(&[b"+++ /dev/null"]),
    }
    push_hunks(before, after, out);
}

fn bytes_of(stored: Option<&Stored>) -> &[u8] {
    stored.map_or(&[], |stored| &stored.bytes)
}

/// The whole id of a blob, all zeros for none: abbreviated ones do not do for binary patches.
fn id(kind: gix::hash::Kind, stored: Option<&Stored>) -> String {
    let computed =
        stored.and_then(|stored| gix::objs::compute_hash(kind, gix::objs::Kind::Blob, &stored.bytes).ok());
    computed.unwrap_or_else(|| ObjectId::null(kind)).to_string()
}

/// Appends the text hunks that lead from `before` to `after`.
fn push_hunks(before: &[u8], after: &[u8], out: &mut Vec<u8>) {
    let input = InternedInput::new(byte_lines(before), byte_lines(after));
    let mut diff = Diff::compute(Algorithm::Histogram, &input);
    diff.postprocess_lines(&input);
    let mut group: Vec<Hunk> = Vec::new();
    for hunk in diff.hunks() {
        if group.last().is_some_and(|last| hunk.before.start - last.before.end > 2 * CONTEXT_LINES) {
            push_group(&input, &group, out);
            group.clear();
        }
        group.push(hunk);
    }
    push_group(&input, &group, out);
}

/// Appends one `@@` section: changes that share their context.
fn push_group(input: &InternedInput<&[u8]>, group: &[Hunk], out: &mut Vec<u8>) {
    let (Some(first), Some(last)) = (group.first(), group.last()) else {
        return;
    };
    let lead = first.before.start.min(CONTEXT_LINES);
    let tail = (input.before.len() as u32 - last.before.end).min(CONTEXT_LINES);
    let before = first.before.start - lead..last.before.end + tail;
    let after = first.after.start - lead..last.after.end + tail;
    // An empty range is named by the line before it.
    let place = |range: &std::ops::Range<u32>| (range.start + u32::from(!range.is_empty()), range.len());
    let ((start_a, length_a), (start_b, length_b)) = (place(&before), place(&after));
    out.extend_from_slice(format!("@@ -{start_a},{length_a} +{start_b},{length_b} @@\n").as_bytes());
    let mut push = |sign: u8, tokens: &[gix::diff::blob::Token]| {
        for token in tokens {
            let text = input.interner[*token];
            out.push(sign);
            out.extend_from_slice(text);
            if !text.ends_with(b"\n") {
                out.extend_from_slice(b"\n\\ No newline at end of file\n");
            }
        }
    };
    let mut at = before.start;
    for hunk in group {
        push(b' ', &input.before[at as usize..hunk.before.start as usize]);
        push(b'-', &input.before[hunk.before.start as usize..hunk.before.end as usize]);
        push(b'+', &input.after[hunk.after.start as usize..hunk.after.end as usize]);
        at = hunk.before.end;
    }
    push(b' ', &input.before[at as usize..before.end as usize]);
}

/// Returns a name as git quotes it in patches (`quote.c`, with `core.quotePath`): in C's manner where needed, bytes beyond
/// ASCII in octal.
pub(super) fn quoted(prefix: &[u8], path: &[u8]) -> Vec<u8> {
    let plain = |byte: &u8| (0x20..0x7f).contains(byte) && *byte != b'"' && *byte != b'\\';
    if path.iter().all(plain) {
        return [prefix, path].concat();
    }
    let mut name = vec![b'"'];
    name.extend_from_slice(prefix);
    for byte in path {
        match byte {
            b'"' | b'\\' => name.extend_from_slice(&[b'\\', *byte]),
            0x07 => name.extend_from_slice(b"\\a"),
            0x08 => name.extend_from_slice(b"\\b"),
            b'\t' => name.extend_from_slice(b"\\t"),
            b'\n' => name.extend_from_slice(b"\\n"),
            0x0b => name.extend_from_slice(b"\\v"),
            0x0c => name.extend_from_slice(b"\\f"),
            b'\r' => name.extend_from_slice(b"\\r"),
            byte if plain(byte) => name.push(*byte),
            byte => name.extend_from_slice(format!("\\{byte:03o}").as_bytes()),
        }
    }
    name.push(b'"');
    name
}
