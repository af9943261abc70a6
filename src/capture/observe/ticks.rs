//! The clock that stamps files, held against the clock of the run.
//!
//! Files are stamped with the last tick of the kernel's clock, which lags behind by milliseconds, or by more where a machine is
//! not given its time. So no length of a tick is assumed: at each stopped call it is asked how far behind the ticks are. What
//! changes a file after that call stamps it with that tick or a later one.

use super::checkpoint::record;

/// A clock that jumps back makes no order of events; it may seem to, by so much, since two clocks are not read at once.
const JUMP_NS: i64 = 20_000_000;

/// What the last ticks of the kernel's clocks said, in nanoseconds: of the one that stamps files, and of one that nobody sets.
pub(super) type Ticks = (i64, i64);

/// How far the ticks were behind the run's clock.
#[derive(Debug, Default)]
pub(super) struct Lag {
    most_ns: Option<i64>,
    /// The greatest distance of the two ticks.
    ahead_ns: Option<i64>,
    was_set_back: bool,
}

record!(Lag { most_ns, ahead_ns, was_set_back });

impl Lag {
    /// Takes notice of the ticks at a stopped call, which came at `us` by the run's clock.
    pub(super) fn note(&mut self, us: i64, (stamps_ns, steady_ns): Ticks) {
        let lag = us.saturating_mul(1000).saturating_sub(stamps_ns);
        self.most_ns = Some(self.most_ns.map_or(lag, |most| most.max(lag)));
        let ahead = stamps_ns.saturating_sub(steady_ns);
        let most = self.ahead_ns.map_or(ahead, |most| most.max(ahead));
        self.was_set_back |= ahead < most.saturating_sub(JUMP_NS);
        self.ahead_ns = Some(most);
    }

    /// Returns from when on, in microseconds by the run's clock, a stopped call came after the last change of a file that has this
    /// stamp; `None` where the order of calls and changes cannot be told by clocks.
    pub(super) fn over_us(&self, stamp_ns: i64) -> Option<i64> {
        let most = self.most_ns.filter(|_| !self.was_set_back)?;
        Some(stamp_ns.saturating_add(most).div_euclid(1000).saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    #[test]
    fn a_call_is_after_a_change_only_where_its_tick_is() {
        let mut lag = Lag::default();
        assert_eq!(lag.over_us(0), None, "nothing was seen");
        // Ticks of 4 ms: at 1 ms, 5 ms and 11 ms after 100 ms the last one was at 100, 104 and 108.
        for (us, tick_ms) in [(101_000, 100), (105_000, 104), (111_000, 108)] {
            lag.note(us, (tick_ms * MS, 0));
        }
        // What is stamped with the tick of a call may have come after it.
        assert_eq!(lag.over_us(104 * MS), Some(107_001));
        assert!(lag.over_us(108 * MS).unwrap() > 111_000);
        assert!(lag.over_us(107 * MS).unwrap() <= 111_000);
    }

    #[test]
    fn a_machine_that_was_not_given_its_time_makes_less_certain() {
        let mut lag = Lag::default();
        lag.note(100_000, (98 * MS, 0));
        lag.note(200_000, (150 * MS, 0));
        assert_eq!(lag.over_us(150 * MS), Some(200_001));
    }

    #[test]
    fn a_clock_that_was_set_back_says_nothing() {
        let mut lag = Lag::default();
        lag.note(100_000, (98 * MS, 10 * MS));
        lag.note(110_000, (106 * MS, 22 * MS));
        assert!(lag.over_us(98 * MS).is_some(), "the two ticks are not read at once");
        lag.note(60_000, (56 * MS, 32 * MS));
        lag.note(200_000, (198 * MS, 110 * MS));
        assert_eq!(lag.over_us(98 * MS), None);
    }
}
