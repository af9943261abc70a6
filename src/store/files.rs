//! Reading the graph from the side of files: paths, contents, artifacts, and who wrote and read them.

use std::ops::ControlFlow;

use crate::error::Result;
use crate::model::{Artifact, ArtifactPath, Digest};
use crate::store::damaged;
use crate::store::reading::{GO_ON, Order};
use crate::store::schema::{key, number_of, row_number, time_bytes, time_of, unseal};
use crate::store::snapshot::{ArtifactNo, PathNo, Snapshot, StepNo, content_of};

impl Snapshot {
    // ---- paths, contents, artifacts ----

    /// Returns the number of a path.
    pub fn path_no(&self, path: &ArtifactPath) -> Result<Option<PathNo>> {
        self.paths.get(path.as_bytes(), |row| Ok(PathNo(row_number(row)?)))
    }

    /// Returns every path recorded that begins with `front`, in order, until `visit` breaks.
    pub fn paths_from<B>(
        &self,
        front: &[u8],
        mut visit: impl FnMut(&[u8], PathNo) -> Result<ControlFlow<B>>,
    ) -> Result<ControlFlow<B>> {
        self.paths.scan_names_with(front, Order::Rising, |path, row| visit(path, PathNo(row_number(row)?)))
    }

    /// Returns the versions of a path, by digest.
    pub fn versions(&self, path: PathNo) -> Result<Vec<ArtifactNo>> {
        let front = (path.0 as u32).to_be_bytes();
        let mut versions = Vec::new();
        self.path_contents.scan_front(&front, Order::Rising, |place, _| {
            versions.push(ArtifactNo(u64::from_be_bytes(*place)));
            Ok(GO_ON)
        })?;
        // The numbers tell the order of arrival, which no answer may show.
        let mut sorted = Vec::with_capacity(versions.len());
        for version in versions {
            sorted.push((self.content(version)?, version));
        }
        sorted.sort_unstable();
        Ok(sorted.into_iter().map(|(_, version)| version).collect())
    }

    /// Returns the artifact with this path and content, as [`Snapshot::artifact_no`] does.
    pub fn version_no(&self, path: &ArtifactPath, digest: &Digest) -> Result<Option<ArtifactNo>> {
        self.path_no(path)?.map_or(Ok(None), |path| self.artifact_no(path, digest))
    }

    /// Returns the artifact with this path and content. Where two statements differ on the size of the content, that with the
    /// smaller one.
    pub fn artifact_no(&self, path: PathNo, digest: &Digest) -> Result<Option<ArtifactNo>> {
        for content in self.contents_with(digest)? {
            let artifact = ArtifactNo::new(path.0 as u32, content);
            let there = self.path_contents.get(&artifact.to_bytes(), |_| Ok(()))?;
            if there.is_some() {
                return Ok(Some(artifact));
            }
        }
        Ok(None)
    }

    /// Returns those of `artifacts` that are recorded, in their order.
    pub fn artifact_nos<'a>(
        &self,
        artifacts: impl IntoIterator<Item = &'a Artifact>,
    ) -> Result<Vec<ArtifactNo>> {
        let mut numbers = Vec::new();
        for artifact in artifacts {
            numbers.extend(self.version_no(&artifact.path, &artifact.digest)?);
        }
        Ok(numbers)
    }

    /// Returns the artifacts with this content, wherever they lay, by path.
    pub fn artifacts_with(&self, digest: &Digest) -> Result<Vec<ArtifactNo>> {
        let mut found = Vec::new();
        for content in self.contents_with(digest)? {
            self.content_paths.scan_front(&content.to_be_bytes(), Order::Rising, |place, _| {
                found.push(ArtifactNo::from_turned(*place));
                Ok(GO_ON)
            })?;
        }
        let mut sorted = Vec::with_capacity(found.len());
        for artifact in found {
            let artifact_path = self.path_name(self.path_of(artifact))?;
            sorted.push((artifact_path, self.content(artifact)?.1, artifact));
        }
        sorted.sort_unstable();
        Ok(sorted.into_iter().map(|(.., artifact)| artifact).collect())
    }

    /// Returns the artifacts with the same content as `artifact`, itself among them, in no order that means anything.
    pub fn copies_of<B>(
        &self,
        artifact: ArtifactNo,
        mut visit: impl FnMut(ArtifactNo) -> Result<ControlFlow<B>>,
    ) -> Result<ControlFlow<B>> {
        let front = artifact.content_no().to_be_bytes();
        self.content_paths
            .scan_front(&front, Order::Rising, |place, _| visit(ArtifactNo::from_turned(*place)))
    }

    /// Says of each of `artifacts`, sorted by content, whether its content lay at another path as well.
    pub fn have_copies(&self, artifacts: &[ArtifactNo]) -> Result<Vec<bool>> {
        let mut found = vec![false; artifacts.len()];
        let mut contents: Vec<u32> = artifacts.iter().map(|artifact| artifact.content_no()).collect();
        contents.dedup();
        let ranges = contents.iter().map(|content| {
            let front = content.to_be_bytes();
            (key(&[&front, &[0; 4]]), key(&[&front, &[0xff; 4]]))
        });
        let mut counts = vec![0_u8; contents.len()];
        self.content_paths.scan_ranges(ranges, |position, _, _| {
            counts[position] += 1;
            Ok(if counts[position] < 2 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        let mut position = 0;
        for (artifact, found) in artifacts.iter().zip(&mut found) {
            while contents[position] != artifact.content_no() {
                position += 1;
            }
            *found = counts[position] > 1;
        }
        Ok(found)
    }

    /// Returns the numbers of the contents with a digest: one, unless two statements differ on its size.
    fn contents_with(&self, digest: &Digest) -> Result<Vec<u32>> {
        let mut contents = Vec::new();
        self.contents.scan_front(digest.as_bytes(), Order::Rising, |_, row| {
            contents.push(row_number(row)? as u32);
            Ok(GO_ON)
        })?;
        Ok(contents)
    }

    /// Returns the first `limit` digests, in order, of recorded contents whose hexadecimal digits begin with `digits`, in small
    /// letters. What has no content counts for none.
    pub fn digests_beginning(&self, digits: &str, limit: usize) -> Result<Vec<Digest>> {
        let whole = digits.as_bytes().chunks_exact(2).take(32);
        let front: Option<Vec<u8>> =
            whole.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect();
        let Some(front) = front else { return Ok(Vec::new()) };
        let mut found: Vec<Digest> = Vec::new();
        let _ = self.contents.scan_front(&front, Order::Rising, |row, _| {
            let (mut digest, mut size) = ([0; 32], [0; 8]);
            digest.copy_from_slice(&row[..32]);
            size.copy_from_slice(&row[32..]);
            let digest = Digest::from_bytes(digest);
            let is_content = size != [0; 8] || digest == Digest::of(b"");
            if is_content && digest.hex().starts_with(digits) && found.last() != Some(&digest) {
                found.push(digest);
            }
            Ok(if found.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        Ok(found)
    }

    /// Returns the path's number of an artifact.
    pub fn path_of(&self, artifact: ArtifactNo) -> PathNo {
        PathNo(u64::from(artifact.path()))
    }

    /// Returns an artifact.
    pub fn artifact(&self, artifact: ArtifactNo) -> Result<Artifact> {
        let (digest, size_bytes) = self.content(artifact)?;
        Ok(Artifact { path: self.artifact_path(artifact)?, digest, size_bytes })
    }

    /// Returns the path of an artifact.
    pub fn artifact_path(&self, artifact: ArtifactNo) -> Result<ArtifactPath> {
        self.path(self.path_of(artifact))
    }

    /// Returns the path with a number.
    pub fn path(&self, path: PathNo) -> Result<ArtifactPath> {
        ArtifactPath::from_bytes(self.path_name(path)?).map_err(|_| damaged("path"))
    }

    fn path_name(&self, path: PathNo) -> Result<Vec<u8>> {
        let place = path.to_bytes();
        let name = self.path_names.get(&place, |sealed| Ok(unseal(sealed).map(<[u8]>::to_vec)))?;
        name.flatten().ok_or_else(|| damaged("path"))
    }

    /// Returns digest and size of an artifact's content.
    pub fn content(&self, artifact: ArtifactNo) -> Result<(Digest, u64)> {
        let place = u64::from(artifact.content_no()).to_be_bytes();
        let content = self
            .content_names
            .get(&place, |sealed| content_of(unseal(sealed).ok_or_else(|| damaged("content"))?))?;
        content.ok_or_else(|| damaged("content"))
    }

    // ---- writes and reads ----

    /// Calls `visit` with the time and the step of each write of an artifact up to `until`, the last first.
    pub fn writes_until<B>(
        &self,
        artifact: ArtifactNo,
        until: i64,
        mut visit: impl FnMut(i64, StepNo) -> Result<ControlFlow<B>>,
    ) -> Result<ControlFlow<B>> {
        let front = artifact.to_bytes();
        let first = key::<24>(&[&front, &[0; 16]]);
        let last = key::<24>(&[&front, &time_bytes(until), &[0xff; 8]]);
        self.generated.scan(&first, &last, Order::Falling, |place, _| {
            visit(time_of(&place[8..]), StepNo(number_of(&place[16..])))
        })
    }

    /// Returns true where a step wrote an artifact by `until`.
    pub fn is_written_until(&self, artifact: ArtifactNo, until: i64) -> Result<bool> {
        Ok(self.writes_until(artifact, until, |_, _| Ok(ControlFlow::Break(())))?.is_break())
    }

    /// Returns true where a step wrote an artifact.
    pub fn is_written(&self, artifact: ArtifactNo) -> Result<bool> {
        self.is_written_until(artifact, i64::MAX)
    }

    /// Calls `visit` with the time and the step of each write of an artifact from `from` on, the first first.
    pub fn writes_from<B>(
        &self,
        artifact: ArtifactNo,
        from: i64,
        mut visit: impl FnMut(i64, StepNo) -> Result<ControlFlow<B>>,
    ) -> Result<ControlFlow<B>> {
        let front = artifact.to_bytes();
        let first = key::<24>(&[&front, &time_bytes(from), &[0; 8]]);
        let last = key::<24>(&[&front, &[0xff; 16]]);
        self.generated.scan(&first, &last, Order::Rising, |place, _| {
            visit(time_of(&place[8..]), StepNo(number_of(&place[16..])))
        })
    }

    /// Calls `visit` with the time and the step of each read of an artifact from `from` to `until`, the first first.
    pub fn reads_between<B>(
        &self,
        artifact: ArtifactNo,
        from: i64,
        until: i64,
        mut visit: impl FnMut(i64, StepNo) -> Result<ControlFlow<B>>,
    ) -> Result<ControlFlow<B>> {
        let front = artifact.to_bytes();
        let first = key::<24>(&[&front, &time_bytes(from), &[0; 8]]);
        let last = key::<24>(&[&front, &time_bytes(until), &[0xff; 8]]);
        self.used.scan(&first, &last, Order::Rising, |place, _| {
            visit(time_of(&place[8..]), StepNo(number_of(&place[16..])))
        })
    }

    /// Returns when, and by which step, an artifact was first read.
    pub fn first_read(&self, artifact: ArtifactNo) -> Result<Option<(i64, StepNo)>> {
        self.first_read_since(artifact, i64::MIN)
    }

    /// Likewise, from `since` on.
    pub fn first_read_since(&self, artifact: ArtifactNo, since: i64) -> Result<Option<(i64, StepNo)>> {
        let first = |at, step| Ok(ControlFlow::Break((at, step)));
        Ok(self.reads_between(artifact, since, i64::MAX, first)?.break_value())
    }

    /// Calls `visit` with the time, the step and the artifact of each write at a path up to `until`, the last first.
    pub fn path_writes_until<B>(
        &self,
        path: PathNo,
        until: i64,
        mut visit: impl FnMut(i64, StepNo, ArtifactNo) -> Result<ControlFlow<B>>,
    ) -> Result<ControlFlow<B>> {
        let path = path.0 as u32;
        let front = path.to_be_bytes();
        let first = key::<24>(&[&front, &[0; 20]]);
        let last = key::<24>(&[&front, &time_bytes(until), &[0xff; 12]]);
        self.path_writes.scan(&first, &last, Order::Falling, |place, _| {
            let artifact = ArtifactNo::new(path, small_number_of(&place[20..]));
            visit(time_of(&place[4..]), StepNo(number_of(&place[12..])), artifact)
        })
    }

    /// Calls `visit` with the time and the step of each removal at a path up to `until`, the last first, and with the version that
    /// was taken away, where that is known.
    pub fn removals_until<B>(
        &self,
        path: PathNo,
        until: i64,
        mut visit: impl FnMut(i64, StepNo, Option<ArtifactNo>) -> Result<ControlFlow<B>>,
    ) -> Result<ControlFlow<B>> {
        let path = path.0 as u32;
        let front = path.to_be_bytes();
        let first = key::<20>(&[&front, &[0; 16]]);
        let last = key::<20>(&[&front, &time_bytes(until), &[0xff; 8]]);
        self.path_removals.scan(&first, &last, Order::Falling, |place, content| {
            let artifact = match content {
                [] => None,
                content => Some(ArtifactNo::new(path, row_number(content)? as u32)),
            };
            visit(time_of(&place[4..]), StepNo(number_of(&place[12..])), artifact)
        })
    }

    /// Calls `visit` with the time, the step and the artifact of each write of the content of `artifact`, at whatever path, up
    /// to `until`, the last first.
    pub fn content_writes_until<B>(
        &self,
        artifact: ArtifactNo,
        until: i64,
        mut visit: impl FnMut(i64, StepNo, ArtifactNo) -> Result<ControlFlow<B>>,
    ) -> Result<ControlFlow<B>> {
        let content = artifact.content_no();
        let front = content.to_be_bytes();
        let first = key::<24>(&[&front, &[0; 20]]);
        let last = key::<24>(&[&front, &time_bytes(until), &[0xff; 12]]);
        self.content_writes.scan(&first, &last, Order::Falling, |place, _| {
            let artifact = ArtifactNo::new(small_number_of(&place[20..]), content);
            visit(time_of(&place[4..]), StepNo(number_of(&place[12..])), artifact)
        })
    }

    /// Says of each of `artifacts`, which are sorted and each there once, whether anybody read it at `from` or later.
    pub fn are_read_from(&self, artifacts: &[(ArtifactNo, i64)]) -> Result<Vec<bool>> {
        let mut found = vec![false; artifacts.len()];
        let ranges = artifacts.iter().map(|(artifact, from)| {
            let front = artifact.to_bytes();
            let first = key(&[&front, &time_bytes(*from), &[0; 8]]);
            (first, key(&[&front, &[0xff; 16]]))
        });
        self.used.scan_ranges(ranges, |position, _, _| {
            found[position] = true;
            Ok(ControlFlow::Break(()))
        })?;
        Ok(found)
    }
}

fn small_number_of(bytes: &[u8]) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[..4]);
    u32::from_be_bytes(number)
}
