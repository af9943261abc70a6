//! The answer to a stopped call.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use super::sys::{self, InHand, Notification, Slot};

/// What happens to a stopped call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Continue,
    Refuse(i32),
    /// It is not made, and returns this number.
    Return(i32),
}

/// Answers the call when it is dropped, so that none is ever forgotten.
pub(super) struct Reply {
    pub(super) listener: Arc<OwnedFd>,
    pub(super) id: u64,
    pub(super) verdict: Verdict,
    in_hand: Option<(Arc<InHand>, Slot)>,
}

impl Reply {
    /// Takes on the answer to a call. Should this process die before it is given, the guardian gives it.
    pub(super) fn to(
        notification: &Notification,
        listener: Arc<OwnedFd>,
        in_hand: Option<&Arc<InHand>>,
    ) -> Reply {
        let id = notification.id;
        let in_hand = in_hand.map(|in_hand| (Arc::clone(in_hand), in_hand.take(id)));
        Reply { listener, id, verdict: Verdict::Continue, in_hand }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        sys::answer(self.listener.as_fd(), self.id, self.verdict);
        if let Some((in_hand, slot)) = &self.in_hand {
            in_hand.release(slot);
        }
    }
}
