//! The clock of a workspace: it never goes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::model::Timestamp;

/// A clock that never gives the same moment twice and never goes back, whatever the machine's clock does.
///
/// Ancestry is a matter of before and after. When the machine's clock is put back, what is recorded next would seem to lie
/// before its own causes; so this clock begins after the latest moment a workspace has recorded, and goes on from there
/// as fast as the machine's clock does, until that has caught up.
#[derive(Clone)]
pub struct Clock {
    wall: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    last: Arc<AtomicI64>,
    /// How far this clock is ahead of the machine's, where that is more than two threads that ask at once can make of it.
    ahead: Arc<AtomicI64>,
}

/// The year 10000 begins.
const YEAR_10000_MICROS: i64 = 253_402_300_800_000_000;
/// A machine's clock that is so far behind was put back.
const STEP_BACK_MICROS: i64 = 1_000_000;

/// So far may the clock of another machine be ahead.
const AHEAD_MAX_MICROS: i64 = 60 * 60 * 1_000_000;

/// Returns true where others say that something was at a time which lies ahead of `now`. None of that is taken: all that is recorded
/// later would have to be later still.
pub fn lies_ahead(at: Timestamp, now: Timestamp) -> bool {
    at > now.plus_micros(AHEAD_MAX_MICROS)
}

impl Clock {
    /// Makes a clock that reads `wall`.
    pub fn new(wall: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Clock { wall: Arc::new(wall), last: Arc::new(AtomicI64::new(i64::MIN)), ahead: Arc::default() }
    }

    /// Returns a clock that reads the machine's.
    pub fn machine() -> Self {
        Clock::new(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH);
            Timestamp::from_micros(since.map_or(-1, |since| since.as_micros() as i64))
        })
    }

    fn read(&self) -> Timestamp {
        let wall = (self.wall)();
        // Before 1970, and where no run id can say the year, it is as good as not set.
        if (0..YEAR_10000_MICROS).contains(&wall.micros()) { wall } else { Timestamp::from_micros(0) }
    }

    /// Sees to it that every later moment lies after `floor`.
    pub fn not_before(&self, floor: Timestamp) {
        self.last.fetch_max(floor.micros(), Ordering::SeqCst);
    }

    /// Returns the next moment.
    pub fn now(&self) -> Timestamp {
        let mut wall = self.read().micros().saturating_add(self.ahead.load(Ordering::SeqCst));
        let mut last = self.last.load(Ordering::SeqCst);
        let behind = last.saturating_sub(wall);
        if behind > STEP_BACK_MICROS {
            self.ahead.fetch_add(behind, Ordering::SeqCst);
            wall = last;
        }
        loop {
            let next = wall.max(last.saturating_add(1));
            match self.last.compare_exchange(last, next, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => return Timestamp::from_micros(next),
                Err(newer) => last = newer,
            }
        }
    }

    /// Returns the next moment where that lies more than a second after what the machine's clock says.
    pub fn now_if_ahead(&self) -> Option<Timestamp> {
        let now = self.now();
        (now.micros().saturating_sub(self.read().micros()) > STEP_BACK_MICROS).then_some(now)
    }

    /// Returns what the machine's clock says, for labels and displays only.
    pub fn wall(&self) -> Timestamp {
        self.read()
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Clock(after {})", self.last.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn a_clock_that_is_put_back_still_goes_on() {
        let readings = Mutex::new(vec![50, 40, 30, 100]);
        let clock = Clock::new(move || Timestamp::from_micros(readings.lock().unwrap().pop().unwrap_or(0)));
        clock.not_before(Timestamp::from_micros(90));
        let moments: Vec<i64> = (0..4).map(|_| clock.now().micros()).collect();
        assert_eq!(moments, [100, 101, 102, 103]);
    }

    #[test]
    fn a_clock_that_says_what_no_run_id_can_is_as_good_as_not_set() {
        for micros in [-5_000_000, YEAR_10000_MICROS, i64::MAX, i64::MIN] {
            assert_eq!(Clock::new(move || Timestamp::from_micros(micros)).wall(), Timestamp::from_micros(0));
        }
        let last = Timestamp::from_micros(YEAR_10000_MICROS - 1);
        let label = crate::model::RunId::at(Clock::new(move || last).wall());
        assert_eq!(label.as_str().parse::<crate::model::RunId>().unwrap(), label);
    }

    #[test]
    fn a_clock_that_is_far_behind_what_is_recorded_still_tells_how_long_things_take() {
        let second = 1_000_000;
        let readings = Mutex::new(vec![14 * second, 13 * second, 10 * second]);
        let clock = Clock::new(move || Timestamp::from_micros(readings.lock().unwrap().pop().unwrap()));
        clock.not_before(Timestamp::from_micros(500 * second));
        let moments: Vec<i64> = (0..3).map(|_| clock.now().micros() - 500 * second).collect();
        assert_eq!(moments, [1, 3 * second, 4 * second]);
    }
}
