//! The progress bar of long work, on a terminal only.

use std::io::IsTerminal as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::model::Run;
use crate::ops::pipeline::{FilingOutcome, Progress};

/// Shows filings done, filings and megabytes a second, time left and failures.
pub(crate) struct Bar {
    shown: Mutex<Option<Shown>>,
    done: AtomicU64,
    failures: AtomicU64,
    quiet: bool,
}

/// A bar on the terminal.
struct Shown {
    bar: ProgressBar,
    filings: u64,
    since: Instant,
}

impl Bar {
    /// Makes a bar that shows nothing where `quiet`, or where stderr is no terminal.
    pub(crate) fn new(quiet: bool) -> Self {
        let quiet = quiet || !std::io::stderr().is_terminal();
        Bar { shown: Mutex::new(None), done: AtomicU64::new(0), failures: AtomicU64::new(0), quiet }
    }

    fn with(&self, show: impl FnOnce(&Shown)) {
        if let Ok(shown) = self.shown.lock()
            && let Some(shown) = shown.as_ref()
        {
            show(shown);
        }
    }
}

impl Progress for Bar {
    fn begin(&self, run: &Run, filings: u64, bytes: u64) {
        if self.quiet {
            return;
        }
        let bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::stderr());
        let template = "{prefix} [{bar:30}] {msg}  {bytes_per_sec}  {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(run.run_id.to_string());
        bar.set_message(format!("0 of {filings} filings"));
        bar.enable_steady_tick(Duration::from_millis(200));
        if let Ok(mut shown) = self.shown.lock() {
            *shown = Some(Shown { bar, filings, since: Instant::now() });
        }
    }

    fn filing(&self, outcome: &FilingOutcome) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        let failures = match outcome.failure {
            Some(_) => self.failures.fetch_add(1, Ordering::Relaxed) + 1,
            None => self.failures.load(Ordering::Relaxed),
        };
        self.with(|shown| {
            shown.bar.inc(outcome.size_bytes);
            let rate = done as f64 / shown.since.elapsed().as_secs_f64().max(0.001);
            let failed = if failures > 0 { format!(", {failures} failed") } else { String::new() };
            let message = format!("{done} of {} filings{failed}  {rate:.0} filings/s", shown.filings);
            shown.bar.set_message(message);
        });
    }

    fn end(&self) {
        self.with(|shown| shown.bar.finish_and_clear());
    }
}
