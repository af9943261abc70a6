//! The workers: each takes the largest filing that is left, and reads and parses its first while the run is still being recorded.

use std::cmp::Reverse;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc;

use crate::error::{Error, Result};
use crate::model::Run;
use crate::ops::pipeline::inputs::FilingInput;
use crate::ops::pipeline::work::{self, Bench, Worked};

/// The run that is worked for. Its start is recorded while the workers begin: nothing of it may be written before.
#[derive(Debug, Default)]
pub struct ComingRun {
    run: OnceLock<Option<Run>>,
}

impl ComingRun {
    /// Says that the start of the run is recorded.
    pub fn has_come(&self, run: Run) {
        self.settle(Some(run));
    }

    /// Returns true where the start of the run is recorded.
    pub fn is_here(&self) -> bool {
        self.run.get().is_some_and(Option::is_some)
    }

    /// Waits until the start of the run is recorded; `None` where that has failed.
    pub fn wait(&self) -> Option<&Run> {
        self.run.wait().as_ref()
    }

    fn settle(&self, run: Option<Run>) {
        // Whatever is said first holds.
        let _ = self.run.set(run);
    }
}

/// Sends those who wait for a run home when it is dropped and the run has not come, also by a panic.
pub struct SendHome<'a>(pub &'a ComingRun);

impl Drop for SendHome<'_> {
    fn drop(&mut self) {
        self.0.settle(None);
    }
}

/// Makes the threads of the workers: so many, or one for each core.
///
/// # Errors
/// A fault of ours where the system gives no threads.
pub fn threads(workers: Option<usize>) -> Result<rayon::ThreadPool> {
    let mut pool = rayon::ThreadPoolBuilder::new();
    if let Some(workers) = workers {
        pool = pool.num_threads(workers);
    }
    pool.build().map_err(|cause| Error::bug("cannot start worker threads").because(cause))
}

/// What the workers share.
pub struct Workers<'a> {
    bench: &'a Bench<'a>,
    run: &'a ComingRun,
    /// The filings, the largest first: the last ones are small, so that no worker is long at one while the others have none.
    filings: Vec<&'a FilingInput>,
    next: AtomicUsize,
    failures_max: u64,
    failures: AtomicU64,
    is_cancelled: AtomicBool,
}

impl<'a> Workers<'a> {
    /// Begins with all there is to do. When more than `failures_max` filings fail, no further ones are taken up.
    pub fn new(
        bench: &'a Bench<'a>,
        run: &'a ComingRun,
        filings: &'a [FilingInput],
        failures_max: u64,
    ) -> Self {
        let mut filings: Vec<&FilingInput> = filings.iter().collect();
        filings.sort_by_key(|filing| Reverse(filing.size_bytes));
        Workers {
            bench,
            run,
            filings,
            next: AtomicUsize::new(0),
            failures_max,
            failures: AtomicU64::new(0),
            is_cancelled: AtomicBool::new(false),
        }
    }

    /// Works on one filing after the other on every thread of `pool`, and sends what came of each, until all are done.
    pub fn work(&self, pool: &rayon::ThreadPool, sender: &mpsc::SyncSender<Result<Worked>>) {
        pool.broadcast(|_| while self.work_on_next(sender).is_some() {});
    }

    /// Takes up no further filings.
    pub fn cancel(&self) {
        self.is_cancelled.store(true, Ordering::Relaxed);
    }

    /// Returns how many filings have failed.
    pub fn failed(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// `None` where there is nothing more to do.
    fn work_on_next(&self, sender: &mpsc::SyncSender<Result<Worked>>) -> Option<()> {
        if self.is_cancelled.load(Ordering::Relaxed) {
            return None;
        }
        let filing = self.filings.get(self.next.fetch_add(1, Ordering::Relaxed))?;
        let worked = work::work(self.bench, self.run, filing).transpose()?;
        let too_many = match &worked {
            Ok(worked) if worked.outcome.failure.is_none() => false,
            Ok(_) => self.failures.fetch_add(1, Ordering::Relaxed) + 1 > self.failures_max,
            Err(_) => true,
        };
        if too_many {
            self.cancel();
        }
        // The receiver is gone only when recording failed, and then nothing is to be sent.
        sender.send(worked).ok()
    }
}
