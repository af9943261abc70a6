//! The progress bar of long work, on a terminal only.

use std::io::IsTerminal as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::model::Run;
use crate::ops::pipeline::{FilingOutcome, Progress};

/// Shows filings done, megabytes a second, time left and failures.
pub(crate) struct Bar {
    bar: Mutex<Option<ProgressBar>>,
    failures: AtomicU64,
    quiet: bool,
}

impl Bar {
    /// Makes a bar that shows nothing where `quiet`, or where stderr is no terminal.
    pub(crate) fn new(quiet: bool) -> Self {
        let quiet = quiet || !std::io::stderr().is_terminal();
        Bar {
            bar: Mutex::new(None),
            failures: AtomicU64::new(0),
            quiet,
        }
    }

    fn with(&self, show: impl FnOnce(&ProgressBar)) {
        if let Ok(bar) = self.bar.lock()
            && let Some(bar) = bar.as_ref()
        {
            show(bar);
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
        if let Ok(mut place) = self.bar.lock() {
            *place = Some(bar);
        }
    }

    fn filing(&self, outcome: &FilingOutcome) {
        let failures = match outcome.failure {
            Some(_) => self.failures.fetch_add(1, Ordering::Relaxed) + 1,
            None => self.failures.load(Ordering::Relaxed),
        };
        self.with(|bar| {
            bar.inc(outcome.size_bytes);
            let failed = if failures > 0 {
                format!(", {failures} failed")
            } else {
                String::new()
            };
            bar.set_message(format!("{}{failed}", outcome.path));
        });
    }

    fn end(&self) {
        self.with(ProgressBar::finish_and_clear);
    }
}
