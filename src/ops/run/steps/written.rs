//! When a version of a file was written last.

use super::FileClock;
use crate::capture::observe::LastChange;

/// What is known of when a step wrote a version last. Times are microseconds by the clock of the run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Writing {
    /// When it was opened for that, or given its name, which is seen.
    pub opened_at: i64,
    /// What its file system says of its last change, where that says something.
    pub last_change: Option<LastChange>,
    /// When it was given its name.
    pub named_at: Option<i64>,
    /// When another step of the run read it first.
    pub read_at: Option<i64>,
    /// When the step ended.
    pub ended_at: i64,
}

impl Writing {
    /// Returns when it was written last, by a step that learned something at the times `learned`, in order.
    ///
    /// When a file was opened is seen, and when it was last written is told by its file system, or not at all: then that was before
    /// the step ended. In any case it was before another step of the run read what was there, and after all had been read that may
    /// be in it.
    pub(super) fn at(&self, learned: &[i64], clock: FileClock) -> i64 {
        let before = |at: Option<i64>| at.map_or(i64::MAX, |at| at.saturating_sub(1));
        let latest = match self.read_at {
            Some(_) => before(self.read_at),
            None => self.ended_at,
        };
        let told = self.last_change.map_or(latest, |change| {
            let known = learned.partition_point(|at| *at < change.over_us);
            let read = known.checked_sub(1).map_or(i64::MIN, |last| learned[last]);
            clock.tick(change.file_ns).min(before(change.rest_us)).max(read).min(latest)
        });
        let at = told.max(self.opened_at);
        // What was written under another name took the place of what stood here when it was given this one.
        let next = learned.get(learned.partition_point(|read| *read <= at)).copied();
        let next = before(self.read_at.into_iter().chain(next).min());
        self.named_at.map_or(at, |named| at.max(named.min(next)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A write whose file was opened at 10, in a step that ended at 100 and read something at 20 and at 40.
    fn check(writing: impl FnOnce(Writing) -> Writing, expected: i64) {
        let opened =
            Writing { opened_at: 10, last_change: None, named_at: None, read_at: None, ended_at: 100 };
        assert_eq!(writing(opened).at(&[20, 40], FileClock { behind_us: 0 }), expected);
    }

    /// What a file system says: changed at `us`, which it shows once it is `over_us`, and at rest at `rest_us`.
    fn changed(us: i64, over_us: i64, rest_us: Option<i64>) -> Option<LastChange> {
        Some(LastChange { file_ns: us * 1_000, over_us, rest_us })
    }

    #[test]
    fn where_nothing_tells_it_was_before_the_step_ended() {
        check(|opened| opened, 100);
    }

    #[test]
    fn it_was_before_another_step_read_it() {
        check(|opened| Writing { read_at: Some(70), ..opened }, 69);
        check(|opened| Writing { read_at: Some(70), last_change: changed(90, 95, None), ..opened }, 69);
    }

    #[test]
    fn it_was_not_before_it_was_opened() {
        check(|opened| Writing { last_change: changed(5, 6, None), ..opened }, 10);
        check(|opened| Writing { read_at: Some(7), ..opened }, 10);
    }

    #[test]
    fn it_was_when_the_file_system_says_by_the_clock_of_the_run() {
        check(|opened| Writing { last_change: changed(30, 31, None), ..opened }, 30);
        let opened = Writing {
            opened_at: 10,
            last_change: changed(30, 31, None),
            named_at: None,
            read_at: None,
            ended_at: 100,
        };
        assert_eq!(opened.at(&[], FileClock { behind_us: 5 }), 35);
    }

    #[test]
    fn it_was_after_all_had_been_read_that_may_be_in_it() {
        // The clock of files had not ticked since before the read at 40.
        check(|opened| Writing { last_change: changed(38, 45, None), ..opened }, 40);
        check(|opened| Writing { last_change: changed(38, 39, None), ..opened }, 38);
    }

    #[test]
    fn it_was_before_it_was_seen_at_rest() {
        check(|opened| Writing { last_change: changed(60, 61, Some(50)), ..opened }, 49);
    }

    #[test]
    fn what_was_given_its_name_later_was_written_there_then() {
        let written = |opened| Writing { last_change: changed(15, 16, None), ..opened };
        check(|opened| Writing { named_at: Some(18), ..written(opened) }, 18);
        // But before what was read next, and before another step read it.
        check(|opened| Writing { named_at: Some(30), ..written(opened) }, 19);
        check(|opened| Writing { named_at: Some(30), read_at: Some(17), ..written(opened) }, 16);
        check(|opened| Writing { named_at: Some(12), ..written(opened) }, 15);
    }
}
