//! The clock of a workspace: it never goes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::model::Timestamp;

/// A clock that never gives the same moment twice and never goes back, whatever the machine's clock does.
///
/// Ancestry is a matter of before and after. When the machine's clock is put back, what is recorded next would seem to lie
/// before its own causes; so this clock begins after the latest moment a workspace has recorded, and goes on from there
/// until the machine's clock has caught up.
#[derive(Clone)]
pub struct Clock {
    wall: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    last: Arc<AtomicI64>,
}

impl Clock {
    /// Makes a clock that reads `wall`.
    pub fn new(wall: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Clock { wall: Arc::new(wall), last: Arc::new(AtomicI64::new(i64::MIN)) }
    }

    /// Returns a clock that reads the machine's.
    pub fn machine() -> Self {
        Clock::new(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH);
            // Before 1970 is as good as not set.
            Timestamp::from_micros(since.map_or(0, |since| since.as_micros() as i64))
        })
    }

    /// Sees to it that every later moment lies after `floor`.
    pub fn not_before(&self, floor: Timestamp) {
        self.last.fetch_max(floor.micros(), Ordering::SeqCst);
    }

    /// Returns the next moment.
    pub fn now(&self) -> Timestamp {
        let wall = (self.wall)().micros();
        let mut last = self.last.load(Ordering::SeqCst);
        loop {
            let next = wall.max(last.saturating_add(1));
            match self.last.compare_exchange(last, next, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => return Timestamp::from_micros(next),
                Err(newer) => last = newer,
            }
        }
    }

    /// Returns what the machine's clock says, for labels and displays only.
    pub fn wall(&self) -> Timestamp {
        (self.wall)()
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
}
