//! What a command writes over or takes away, kept by a thread of its own while the command goes on.

use std::collections::HashSet;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use super::{TOGETHER_MAX, publish};
use crate::content::{Access, Contents};
use crate::disk::{Disk, Together};
use crate::model::Digest;
use crate::ops::Workspace;

/// More than these bytes do not wait to be written: whoever endangers more waits for some of them.
const WAITING_MAX_BYTES: usize = 64 << 20;

/// What lay in files that the command has written over or taken away.
#[derive(Default)]
pub struct Endangered {
    digests: HashSet<Digest>,
    keeper: Option<Keeper>,
    /// What could not be kept, one line each.
    failed: Vec<String>,
}

/// The thread, and what it was given.
struct Keeper {
    tasks: Sender<Task>,
    /// Hears the size of each content once that is written.
    written: Receiver<usize>,
    waiting_bytes: usize,
    thread: JoinHandle<Vec<String>>,
}

enum Task {
    Keep(Digest, Access, Vec<u8>),
    /// Forces all that came before to the disk, and lets this go then.
    Settle(Sender<()>),
}

/// Is waited for until what was endangered before survives a crash, or cannot be made to.
pub struct Settled(Receiver<()>);

impl Settled {
    /// Waits.
    pub fn wait(self) {
        // Nothing is ever sent: the other end is let go.
        let _ = self.0.recv();
    }
}

impl Endangered {
    /// Keeps the bytes of a file, once each.
    pub fn keep(&mut self, workspace: &Workspace, digest: Digest, access: Access, bytes: Vec<u8>) {
        if !self.digests.insert(digest) {
            return;
        }
        if self.keeper.is_none() {
            self.keeper = Keeper::start(workspace.contents().clone(), workspace.disk().clone()).ok();
        }
        match &mut self.keeper {
            Some(keeper) => keeper.take(digest, access, bytes),
            // Where there may be no further thread, the command waits.
            None => {
                let kept = workspace.contents().keep_as(&digest, &bytes, access);
                self.failed.extend(kept.err().map(|error| error.in_full()));
            }
        }
    }

    /// Returns what is to be waited for until all that is here by now survives a crash.
    pub fn so_far(&self) -> Option<Settled> {
        let (settled, waits) = channel();
        self.keeper.as_ref()?.tasks.send(Task::Settle(settled)).ok()?;
        Some(Settled(waits))
    }

    /// Waits until all survives a crash that can be made to.
    pub fn settle(&mut self) {
        if let Some(Keeper { tasks, thread, .. }) = self.keeper.take() {
            drop(tasks);
            let failed = thread.join();
            self.failed.extend(failed.unwrap_or_else(|_| vec!["a fault of this program".to_owned()]));
        }
    }

    /// Does the same, and returns what could not be kept, one line each.
    pub fn settled(mut self) -> Vec<String> {
        self.settle();
        self.failed
    }
}

impl Keeper {
    fn start(contents: Contents, disk: Disk) -> std::io::Result<Self> {
        let ((tasks, given), (says, written)) = (channel(), channel());
        let thread = std::thread::Builder::new().spawn(move || keep(&contents, &disk, &given, &says))?;
        Ok(Keeper { tasks, written, waiting_bytes: 0, thread })
    }

    fn take(&mut self, digest: Digest, access: Access, bytes: Vec<u8>) {
        self.waiting_bytes -= self.written.try_iter().sum::<usize>();
        while self.waiting_bytes > 0 && self.waiting_bytes + bytes.len() > WAITING_MAX_BYTES {
            let Ok(written) = self.written.recv() else { break };
            self.waiting_bytes -= written;
        }
        self.waiting_bytes += bytes.len();
        // If the thread is gone, that is said at the end.
        let _ = self.tasks.send(Task::Keep(digest, access, bytes));
    }
}

/// Keeps what comes, many forced to the disk together: to wait for the disk at each would take longer than all else. Returns what
/// could not be kept, one line each.
fn keep(contents: &Contents, disk: &Disk, tasks: &Receiver<Task>, says: &Sender<usize>) -> Vec<String> {
    let together = Together::new(disk);
    let (mut staged, mut failed) = (Vec::new(), Vec::new());
    for task in tasks {
        let settled = match task {
            Task::Keep(digest, access, bytes) => {
                match contents.stage(&together, &digest, &bytes, access) {
                    Ok(content) => staged.extend(content),
                    Err(error) => failed.push(error.in_full()),
                }
                // Nobody listens any more once all has been given.
                let _ = says.send(bytes.len());
                None
            }
            Task::Settle(settled) => Some(settled),
        };
        if staged.len() >= TOGETHER_MAX || (settled.is_some() && !staged.is_empty()) {
            failed.extend(publish(contents, &together, std::mem::take(&mut staged)));
        }
        drop(settled);
    }
    failed.extend(publish(contents, &together, staged));
    failed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Operation;
    use crate::disk::tests::FailOnce;

    fn kept(disk: Disk) -> (Vec<String>, usize) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        Workspace::init(&root).unwrap();
        let workspace = Workspace::at(&root, disk);
        let mut endangered = Endangered::default();
        let bytes: Vec<Vec<u8>> = (0..3).map(|n: u8| vec![n; 100]).collect();
        for bytes in bytes.iter().chain(&bytes) {
            endangered.keep(&workspace, Digest::of(bytes), Access::OWNER, bytes.clone());
        }
        endangered.so_far().expect("there is a thread").wait();
        let count = |workspace: &Workspace| {
            bytes.iter().filter(|bytes| workspace.contents().holds(&Digest::of(bytes))).count()
        };
        let so_far = count(&workspace);
        let failed = endangered.settled();
        assert_eq!(so_far, count(&workspace));
        (failed, so_far)
    }

    #[test]
    fn what_was_handed_over_is_kept_once_it_was_waited_for_and_what_could_not_be_is_told() {
        assert_eq!(kept(Disk::new()), (vec![], 3));
        let (failed, count) =
            kept(Disk::with_faults(FailOnce::at(1, |operation| operation == Operation::Create)));
        assert_eq!((failed.len(), count), (1, 2), "{failed:?}");
    }
}
