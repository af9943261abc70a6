//! A moment, in whole microseconds, always UTC.

use std::fmt;

use chrono::{DateTime, NaiveDate, NaiveDateTime, SecondsFormat, Utc};

use crate::error::{Error, Result};

/// A moment as microseconds since 1970-01-01 00:00 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Takes microseconds since 1970-01-01 00:00 UTC.
    pub const fn from_micros(micros: i64) -> Self {
        Timestamp(micros)
    }

    /// Returns microseconds since 1970-01-01 00:00 UTC.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Returns the moment `micros` microseconds later.
    #[must_use]
    pub const fn plus_micros(self, micros: i64) -> Self {
        Timestamp(self.0.saturating_add(micros))
    }

    /// Reads RFC 3339, or `2025-12-12`, `2025-12-12 17:42` or `2025-12-12 17:42:18`, all of these in UTC.
    ///
    /// # Errors
    /// A request error where the text is none of these.
    pub fn parse(text: &str) -> Result<Self> {
        if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
            return Ok(Timestamp(moment.timestamp_micros()));
        }
        let text_utc = text.strip_suffix(" UTC").unwrap_or(text).replace('T', " ");
        let long = ["%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M"].iter();
        let mut moments = long.filter_map(|pattern| NaiveDateTime::parse_from_str(&text_utc, pattern).ok());
        let day = || NaiveDate::parse_from_str(&text_utc, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0);
        let moment = moments.next().or_else(day).ok_or_else(|| {
            Error::request(format!("`{}` is no time", text.escape_debug()))
                .hint("times are written `2025-12-12`, `2025-12-12 17:42:18` in UTC, or `2025-12-12T17:42:18+01:00`")
        })?;
        Ok(Timestamp(moment.and_utc().timestamp_micros()))
    }

    /// Writes the moment by a `strftime` pattern, in UTC; moments that no calendar holds as their number.
    pub fn format(self, pattern: &str) -> String {
        match DateTime::<Utc>::from_timestamp_micros(self.0) {
            Some(moment) => moment.format(pattern).to_string(),
            None => format!("{}us", self.0),
        }
    }

    /// Writes RFC 3339 with microseconds and `Z`, as JSON has it.
    pub fn rfc3339(self) -> String {
        match DateTime::<Utc>::from_timestamp_micros(self.0) {
            Some(moment) => moment.to_rfc3339_opts(SecondsFormat::Micros, true),
            None => format!("{}us", self.0),
        }
    }
}

impl fmt::Display for Timestamp {
    /// Writes `2025-12-12 17:42:18 UTC`, as people read it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.format("%Y-%m-%d %H:%M:%S UTC"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_name_their_zone() {
        let at = Timestamp::from_micros(1_765_561_338_123_456);
        assert_eq!(at.to_string(), "2025-12-12 17:42:18 UTC");
        assert_eq!(at.rfc3339(), "2025-12-12T17:42:18.123456Z");
        assert_eq!(Timestamp::from_micros(i64::MAX).to_string(), "9223372036854775807us");
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        let check = |text: &str, expected: &str| {
            assert_eq!(
                Timestamp::parse(text).map(Timestamp::rfc3339).unwrap_or_default(),
                expected,
                "{text}"
            );
        };
        check("2025-12-12", "2025-12-12T00:00:00.000000Z");
        check("2025-12-12 17:42", "2025-12-12T17:42:00.000000Z");
        check("2025-12-12T17:42:18", "2025-12-12T17:42:18.000000Z");
        check("2025-12-12 17:42:18 UTC", "2025-12-12T17:42:18.000000Z");
        check("2025-12-12T17:42:18.5+01:00", "2025-12-12T16:42:18.500000Z");
        for wrong in ["", "now", "2025-13-01", "2025-12-12 25:00", "99999-01-01", "2025-12-12\n"] {
            check(wrong, "");
        }
    }
}
