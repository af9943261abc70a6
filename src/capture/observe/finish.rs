//! After the command: what became of each file, and the digests that are still missing.

use std::path::PathBuf;

use rayon::prelude::*;

use super::body::{Bytes, Ending};
use super::ledger::What;
use super::net::{Net, open_same};
use super::stamp::Look;
use super::{Evidence, digest, sys};
use crate::digests::kernel_time_ns;

const TMPFS: u32 = 0x0102_1994;
const RAMFS: u32 = 0x8584_58f6;

const FEW: usize = 32;
const FEW_BYTES: u64 = 1 << 20;

/// A file whose present bytes are wanted.
pub(super) struct Task {
    pub(super) what: What,
    pub(super) version: u32,
    pub(super) path: PathBuf,
    pub(super) look: Look,
}

/// Settles what is open and hashes what is there.
pub(super) fn finish(net: &mut Net<'_>) {
    net.collect(true);
    net.take_early();
    net.settle_all(true);
    net.settle_starts();
    let mut tasks = vec![];
    for what in 0..net.ledger.bodies.len() as What {
        if net.ledger.bodies[what as usize].is_some()
            && let Some((path, look)) = look_again(net, what)
            && let Some(task) = task(net, what, path, look)
        {
            tasks.push(task);
        }
    }
    net.ledger.settle_relays();
    net.ledger.part_forks(true);
    for (task, bytes) in read_all(net, tasks) {
        enter(net, task.what, task.version, bytes);
    }
    net.say_what_was_left();
    for what in 0..net.ledger.bodies.len() as What {
        recall(net, what);
    }
}

/// Tells whether the files of a file system, by its kind as `statfs` names it, lie in memory alone.
pub(super) fn is_in_memory(kind: u32) -> bool {
    matches!(kind, TMPFS | RAMFS)
}

/// Reads files for their digests, which are remembered.
pub(super) fn read_all(net: &Net<'_>, tasks: Vec<Task>) -> Vec<(Task, Bytes)> {
    let began_ns = kernel_time_ns();
    let read = |task: Task| {
        let bytes = bytes_of(&task);
        (task, bytes)
    };
    let size: u64 = tasks.iter().map(|task| task.look.size).sum();
    // To wake all cores takes longer than to hash a few small files.
    let results: Vec<(Task, Bytes)> = if tasks.len() < FEW && size < FEW_BYTES {
        tasks.into_iter().map(read).collect()
    } else {
        tasks.into_par_iter().map(read).collect()
    };
    for (_, bytes) in &results {
        if let Bytes::Hashed { digest, stamp, .. } = bytes {
            (net.options.learned_digest)(stamp, digest, began_ns);
        }
    }
    results
}

/// Finds out what was read of a file that stands there no more, or cannot be read any more.
pub(super) fn recall(net: &mut Net<'_>, what: What) {
    let Some(body) = &mut net.ledger.bodies[what as usize] else { return };
    let path = body.main_name().map(|name| name.path.clone());
    let mut is_unknown = false;
    for version in &mut body.versions {
        let is_lost = matches!(version.bytes, Bytes::Unread | Bytes::Unreadable);
        if version.written || version.first_reader.is_none() || !is_lost {
            continue;
        }
        let stamp = version.stamp;
        if let Some((digest, stamp)) = version.early.as_deref().copied() {
            version.bytes = Bytes::Hashed { digest, stamp, evidence: Evidence::Hashed };
        } else if let Some(digest) = (net.options.known_digest)(&stamp) {
            version.bytes = Bytes::Hashed { digest, stamp, evidence: Evidence::Known };
        } else {
            is_unknown = true;
        }
    }
    if let Some(path) = path.filter(|path| is_unknown && (net.options.is_wanted)(path))
        && !net.lies_in_served(&path)
    {
        net.say_unknown(&path);
    }
}

/// Looks at a file's names once more; returns one under which it still stands.
fn look_again(net: &mut Net<'_>, what: What) -> Option<(PathBuf, Look)> {
    let body = net.ledger.body(what);
    let identity = (body.versions[0].stamp.dev, body.versions[0].stamp.ino);
    let names: Vec<PathBuf> =
        body.names.iter().filter(|name| name.end.is_none()).map(|name| name.path.to_path_buf()).collect();
    let mut standing = None;
    for path in names {
        let look = digest::c_path(&path).and_then(|path| sys::look(sys::here(), &path, false)).ok();
        let is_there = look.is_some();
        match look.filter(|look| (look.dev, look.ino) == identity) {
            Some(look) => standing = Some((path, look)),
            None => {
                // Removed or replaced by somebody outside.
                net.say_taken(what, &path, if is_there { "replaced" } else { "removed" });
                let us = (net.options.clock)();
                net.ledger.end_name(what, &path, None, us, Ending::Removed);
            }
        }
    }
    net.ledger.bodies[what as usize].as_ref()?;
    if let Some((_, look)) = &standing {
        net.notice_outsiders(what, look);
        net.ledger.body(what).refresh(&look.stamp());
    }
    standing
}

/// Decides whether the bytes that stand in a file are to be read.
pub(super) fn task(net: &mut Net<'_>, what: What, path: PathBuf, look: Look) -> Option<Task> {
    let in_memory = is_in_memory(net.file_system(&look, &path));
    let body = net.ledger.body(what);
    let current = body.current();
    let tentative = body.version(current).tentative;
    // A change through a mapping moves no time in memory; a time set back does not fool ctime.
    let is_doubtful = tentative.is_some_and(|opened| in_memory || opened.ctime_ns != look.ctime_ns);
    let version = if is_doubtful { current } else { body.standing() };
    if body.version(version).bytes != Bytes::Unread {
        return None;
    }
    let stamp = look.stamp();
    let early = body.version(version).early.as_deref().copied();
    let bytes = if !(net.options.is_wanted)(&path) {
        Bytes::Unwanted
    } else if let Some((digest, stamp)) = early {
        Bytes::Hashed { digest, stamp, evidence: Evidence::Hashed }
    } else if look.is_link() {
        digest::of_link(&path).map_or(Bytes::Unreadable, |digest| Bytes::Hashed {
            digest,
            stamp,
            evidence: Evidence::Hashed,
        })
    } else if let Some(digest) = (net.options.known_digest)(&stamp) {
        Bytes::Hashed { digest, stamp, evidence: Evidence::Known }
    } else {
        return Some(Task { what, version, path, look });
    };
    enter(net, what, version, bytes);
    None
}

fn bytes_of(task: &Task) -> Bytes {
    let read = open_same(&task.path, &task.look).and_then(|file| digest::read(&file, 0).ok());
    read.map_or(Bytes::Unreadable, |read| Bytes::Hashed {
        digest: read.digest,
        stamp: read.stamp,
        evidence: Evidence::Hashed,
    })
}

/// Enters the bytes of a version; one that was only perhaps written is one if its bytes are others.
pub(super) fn enter(net: &mut Net<'_>, what: What, version: u32, bytes: Bytes) {
    let body = net.ledger.body(what);
    if body.version(version).tentative.is_some()
        && let (Bytes::Hashed { digest, .. }, Bytes::Hashed { digest: before, .. }) =
            (bytes, body.version(version - 1).bytes)
        && digest != before
    {
        body.version(version).tentative = None;
    }
    body.version(version).bytes = bytes;
}
