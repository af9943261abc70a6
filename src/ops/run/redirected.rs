//! The files of the workspace that a command's standard streams lead to.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use crate::capture::{OwnStream, own_streams};
use crate::model::{ArtifactPath, Stream, StreamWay};

/// Standard streams that a command gets in the place of this process's own.
#[derive(Debug, Clone, Default)]
pub struct Redirected {
    /// Where they lead, as it is recorded.
    pub streams: Vec<Stream>,
    /// What is opened for each of them, in the same order.
    pub files: Vec<Arc<File>>,
}

impl Redirected {
    /// Returns the files by the numbers of the streams.
    pub(super) fn by_number(&self) -> [Option<&File>; 3] {
        let mut files = [None; 3];
        for (stream, file) in self.streams.iter().zip(&self.files) {
            files[usize::from(stream.number)] = Some(&**file);
        }
        files
    }
}

/// Returns where this process's own streams lead to files of the workspace, as far as the system says what is open.
pub(super) fn own(root: &Path) -> Option<Vec<Stream>> {
    Some(own_streams()?.into_iter().filter_map(|stream| within(root, stream)).collect())
}

fn within(root: &Path, stream: OwnStream) -> Option<Stream> {
    let path = ArtifactPath::within(root, &stream.path).ok().filter(ArtifactPath::is_inside)?;
    let way = match stream.number {
        0 if stream.reads => StreamWay::Read,
        _ if !stream.writes => return None,
        _ if stream.appends => StreamWay::Append,
        _ if stream.at_bytes >= stream.size_bytes => StreamWay::Write,
        _ => StreamWay::Update,
    };
    Some(Stream { number: stream.number, path, way, at_bytes: stream.at_bytes, same_as: stream.same_as })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stream_is_open_for_follows_from_how_it_stands() {
        let check = |number, (reads, writes, appends), [at_bytes, size_bytes]: [u64; 2], expected| {
            let path = "/w/a".into();
            let stream =
                OwnStream { number, path, reads, writes, appends, at_bytes, size_bytes, same_as: None };
            assert_eq!(within(Path::new("/w"), stream).map(|stream| stream.way), expected);
        };
        check(0, (true, false, false), [0, 9], Some(StreamWay::Read));
        check(0, (true, true, false), [0, 9], Some(StreamWay::Read));
        check(1, (false, true, false), [0, 0], Some(StreamWay::Write));
        check(1, (false, true, false), [9, 9], Some(StreamWay::Write));
        check(1, (false, true, true), [0, 9], Some(StreamWay::Append));
        check(1, (true, true, false), [0, 9], Some(StreamWay::Update));
        check(1, (true, false, false), [0, 9], None);
    }

    #[test]
    fn what_lies_outside_the_workspace_is_not_told() {
        let stream = OwnStream {
            number: 1,
            path: "/tmp/log".into(),
            reads: false,
            writes: true,
            appends: false,
            at_bytes: 0,
            size_bytes: 0,
            same_as: None,
        };
        assert_eq!(within(Path::new("/w"), stream), None);
    }
}
