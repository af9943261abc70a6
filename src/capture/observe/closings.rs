//! When those who wrote a file were done with it.
//!
//! No close is stopped, but the kernel tells when the last descriptor of an opening for writing goes, and the last mapping with it:
//! a file in a folder that is listened in **rests** when as many openings have ended as were seen. What somebody opens afterwards
//! is nothing that it can have been made from. Whatever leaves a doubt (an opening that was not seen or that failed, a folder that
//! was moved, a queue that ran over) leaves the file without a rest, until nobody is found to have it open.

use std::path::Path;

use super::body::Counted;
use super::checkpoint::record;
use super::digest;
use super::ledger::What;
use super::net::Net;
use super::sys::Ears;
use crate::digests::kernel_time_ns;

/// When a file was at rest that had been opened for writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rest {
    /// What is opened at this time or later had no part in it, in microseconds by the run's clock.
    pub(super) us: i64,
    /// The same moment or a later one by the clock that stamps files, in nanoseconds since 1970.
    pub(super) file_ns: i64,
}

record!(Rest { us, file_ns });

impl Rest {
    pub(super) fn at(us: i64) -> Rest {
        Rest { us, file_ns: kernel_time_ns() }
    }
}

/// Where closings are heard.
#[derive(Debug, Default)]
pub(super) enum Closings {
    /// Nothing was opened for writing yet.
    #[default]
    Unasked,
    Heard(Ears),
    /// They cannot be heard.
    Deaf,
}

impl Net<'_> {
    /// Listens, before a file is opened for writing, in the folder it is opened in; tells whether its closing will be heard.
    pub(super) fn listen_for(&mut self, path: &Path) -> bool {
        let Some(folder) = path.parent().filter(|_| !self.lies_in_served(path)) else { return false };
        if matches!(self.closings, Closings::Unasked) {
            self.closings = Ears::new().map_or(Closings::Deaf, Closings::Heard);
        }
        match &mut self.closings {
            Closings::Heard(ears) => ears.listen(folder).is_ok(),
            _ => false,
        }
    }

    /// Takes notice of the closings until now; `us` is now, or the time of the call that is stopped now.
    pub(super) fn hear_closings(&mut self, us: i64) {
        let Closings::Heard(ears) = &mut self.closings else { return };
        let heard = ears.heard();
        for path in &heard.closed {
            // Somebody may just have made it.
            self.settle_path(path);
            if let Some(what) = self.ledger.at(path)
                && self.ledger.body(what).was_closed()
            {
                self.rests(what, us);
            }
        }
        if heard.is_broken {
            self.forget_closings();
        }
    }

    /// Forgets what was heard, since paths mean something else now, or something was missed.
    pub(super) fn forget_closings(&mut self) {
        if matches!(self.closings, Closings::Heard(_)) {
            self.closings = Closings::Unasked;
            for body in self.ledger.bodies.iter_mut().flatten() {
                if matches!(body.counted, Counted::Openings { .. }) {
                    body.counted = Counted::Unknown;
                }
            }
        }
    }

    /// Tells whether a process of the run may be asked for what lies there, and that perhaps in a stopped call.
    pub(super) fn lies_in_served(&self, path: &Path) -> bool {
        self.served.iter().any(|folder| path.starts_with(folder))
    }

    /// Takes notice that nobody has a file open for writing, and of how it stands.
    pub(super) fn rests(&mut self, what: What, us: i64) {
        let body = self.ledger.body(what);
        let first = body.versions[0].stamp;
        let name = body.live_name().map(|name| name.path.clone()).filter(|path| !self.lies_in_served(path));
        let look = name.and_then(|path| digest::look(&path).ok());
        let body = self.ledger.body(what);
        if let Some(look) = look.filter(|look| (look.dev, look.ino) == (first.dev, first.ino)) {
            body.refresh(&look.stamp());
            body.rested = Some(look.stamp());
            body.stamp_is_sure = false;
            self.rest_unwritten(what, &look);
        }
        let body = self.ledger.body(what);
        body.counted = Counted::Openings { opened: 0, closed: 0 };
        body.rest(us);
        self.openings.remove(what);
    }
}
