//! The stopped calls that the supervisor has been given and has not answered, on a page that outlives it.
//!
//! The kernel gives each stopped call to one reader of the listener, once. Were the supervisor killed with one in hand, the thread
//! that made the call would wait for ever: so the guardian finds here which calls it must let go.

use std::io::Result;
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use super::super::reply::Verdict;
use super::{answer, check};

/// As many calls can be in hand at once; those of a run that reads more endangered files at the same time are not remembered.
const SLOTS: usize = 510;
/// The kernel numbers calls one after the other. The call that was being given to the supervisor when it died has one of the next
/// numbers after the last that it wrote down; those between were of threads that have died.
const NEXT_MAX: u64 = 4_096;

#[repr(C)]
struct Page {
    /// The last number that was given, in `has_last`.
    last: AtomicU64,
    has_last: AtomicU64,
    /// Numbers in hand, plus one; 0 where there is none.
    slots: [AtomicU64; SLOTS],
}

/// A page shared with the guardian.
pub(in super::super) struct InHand {
    page: NonNull<Page>,
}

// SAFETY: the page holds atomics alone and is mapped as long as this lives.
unsafe impl Send for InHand {}
// SAFETY: as above.
unsafe impl Sync for InHand {}

/// A call that is written down as being in hand.
#[derive(Debug)]
pub(in super::super) struct Slot(Option<usize>);

impl InHand {
    /// Maps a page, to be shared with processes that are forked from now on.
    pub(in super::super) fn new() -> Result<InHand> {
        let (access, sort) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
        // SAFETY: a fresh mapping of zeroes, which are valid atomics, aligned to a page.
        let page = unsafe { libc::mmap(std::ptr::null_mut(), size_of::<Page>(), access, sort, -1, 0) };
        if page == libc::MAP_FAILED {
            check(-1)?;
        }
        let page = NonNull::new(page.cast()).ok_or(std::io::ErrorKind::OutOfMemory)?;
        Ok(InHand { page })
    }

    fn page(&self) -> &Page {
        // SAFETY: mapped until this is dropped.
        unsafe { self.page.as_ref() }
    }

    /// Writes down that a call was given.
    pub(in super::super) fn take(&self, id: u64) -> Slot {
        let page = self.page();
        let free = page.slots.iter().position(|slot| slot.load(Ordering::Relaxed) == 0);
        if let Some(free) = free {
            page.slots[free].store(id.wrapping_add(1), Ordering::Release);
        }
        page.last.store(id, Ordering::Release);
        page.has_last.store(1, Ordering::Release);
        Slot(free)
    }

    /// Forgets a call that was answered.
    pub(in super::super) fn release(&self, slot: &Slot) {
        if let Some(slot) = slot.0 {
            self.page().slots[slot].store(0, Ordering::Release);
        }
    }

    /// Lets all calls go on that are in hand. Makes system calls alone.
    pub(super) fn let_go(&self, listener: BorrowedFd<'_>) {
        let page = self.page();
        for slot in &page.slots {
            let id = slot.load(Ordering::Acquire);
            if id != 0 {
                answer(listener, id.wrapping_sub(1), Verdict::Continue);
            }
        }
        if page.has_last.load(Ordering::Acquire) == 1 {
            let last = page.last.load(Ordering::Acquire);
            for next in 1..=NEXT_MAX {
                // A call that nobody was given is not answered by this: the guardian is given it.
                answer(listener, last.wrapping_add(next), Verdict::Continue);
            }
        }
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        // SAFETY: it was mapped with this size, and nobody has a reference to it any more.
        unsafe { libc::munmap(self.page.as_ptr().cast(), size_of::<Page>()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_hand_is_written_down_until_it_is_answered() {
        let in_hand = InHand::new().unwrap();
        let held = |in_hand: &InHand| {
            let slots = in_hand.page().slots.iter().map(|slot| slot.load(Ordering::Relaxed));
            slots.filter(|id| *id != 0).map(|id| id.wrapping_sub(1)).collect::<Vec<_>>()
        };
        let first = in_hand.take(7);
        let second = in_hand.take(u64::MAX - 1);
        assert_eq!(held(&in_hand), [7, u64::MAX - 1]);
        in_hand.release(&first);
        assert_eq!(held(&in_hand), [u64::MAX - 1]);
        let third = in_hand.take(9);
        assert_eq!(held(&in_hand), [9, u64::MAX - 1]);
        in_hand.release(&second);
        in_hand.release(&third);
        assert_eq!(held(&in_hand), [0_u64; 0]);
        let many: Vec<Slot> = (0..SLOTS as u64 + 3).map(|id| in_hand.take(id)).collect();
        assert_eq!(held(&in_hand).len(), SLOTS);
        many.iter().for_each(|slot| in_hand.release(slot));
        assert_eq!(held(&in_hand), [0_u64; 0]);
    }
}
