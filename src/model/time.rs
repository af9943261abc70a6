//! A moment, in whole microseconds, always UTC.

use std::fmt;

use chrono::{
    DateTime, Datelike, Days, FixedOffset, Months, NaiveDate, NaiveDateTime, NaiveTime, SecondsFormat,
    TimeDelta, Timelike, Utc,
};

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
        let long = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M"].iter();
        let mut moments = long.filter_map(|pattern| NaiveDateTime::parse_from_str(&text_utc, pattern).ok());
        let day = || NaiveDate::parse_from_str(&text_utc, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0);
        let moment = moments.next().or_else(day).ok_or_else(|| {
            Error::request(format!("`{}` is no time", text.escape_debug()))
                .hint("times are written `2025-12-12`, `2025-12-12 17:42:18` in UTC, or `2025-12-12T17:42:18+01:00`")
        })?;
        Ok(Timestamp(moment.and_utc().timestamp_micros()))
    }

    /// Reads a stretch of time as people write it, and returns its first and its last microsecond: `2025-12` is a month,
    /// `2025-12-01` a day, `2025-12-01T10:30` a minute, `2025-12-01T10:30:05` a second. A time of day may end in `Z` or in an
    /// offset such as `+02:00`; without, it is UTC.
    pub fn stretch(text: &str) -> Option<(Timestamp, Timestamp)> {
        let (first, next) = match text.split_once(['T', ' ']) {
            Some((date, time)) => time_of_day(date_of(date)?, time)?,
            None => {
                let dashes = text.bytes().filter(|byte| *byte == b'-').count();
                let first = if dashes == 1 { date_of(&format!("{text}-01"))? } else { date_of(text)? };
                let next = match dashes {
                    1 => first.checked_add_months(Months::new(1))?,
                    _ => first.checked_add_days(Days::new(1))?,
                };
                (first.and_time(NaiveTime::MIN), next.and_time(NaiveTime::MIN))
            }
        };
        let micros = |moment: NaiveDateTime| moment.and_utc().timestamp_micros();
        Some((Timestamp(micros(first)), Timestamp(micros(next) - 1)))
    }

    /// Reads RFC 3339, which names its zone.
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        let moment = DateTime::parse_from_rfc3339(text).ok()?;
        Some(Timestamp(moment.timestamp_micros()))
    }

    /// Writes the moment by a `strftime` pattern, in UTC; moments that no calendar holds as their number.
    pub fn format(self, pattern: &str) -> String {
        match DateTime::<Utc>::from_timestamp_micros(self.0) {
            Some(moment) => moment.format(pattern).to_string(),
            None => format!("{}us", self.0),
        }
    }

    /// Writes the second that the moment lies in as run ids have it: `20251212_174218`.
    pub(crate) fn compact_second(self) -> String {
        match DateTime::<Utc>::from_timestamp_micros(self.0) {
            Some(at) if (0..=9999).contains(&at.year()) => {
                let (year, month, day) = (at.year(), at.month(), at.day());
                format!("{year:04}{month:02}{day:02}_{:02}{:02}{:02}", at.hour(), at.minute(), at.second())
            }
            _ => self.format("%Y%m%d_%H%M%S"),
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

/// Reads `2025-12-01`, each part with all its digits.
fn date_of(text: &str) -> Option<NaiveDate> {
    let shaped = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    if shaped { NaiveDate::parse_from_str(text, "%Y-%m-%d").ok() } else { None }
}

/// Reads a time of day; returns its beginning and what comes next after it.
fn time_of_day(date: NaiveDate, text: &str) -> Option<(NaiveDateTime, NaiveDateTime)> {
    let (time, offset) = match text.find(['Z', '+', '-']) {
        Some(at) if &text[at..] == "Z" => (&text[..at], 0),
        Some(at) => (&text[..at], text[at..].parse::<FixedOffset>().ok()?.local_minus_utc()),
        None => (text, 0),
    };
    let digits = time.bytes().all(|byte| byte.is_ascii_digit() || byte == b':' || byte == b'.');
    let (first, length) = match time.len() {
        5 => (NaiveTime::parse_from_str(time, "%H:%M").ok()?, TimeDelta::minutes(1)),
        8 => (NaiveTime::parse_from_str(time, "%H:%M:%S").ok()?, TimeDelta::seconds(1)),
        10..=15 => (NaiveTime::parse_from_str(time, "%H:%M:%S%.f").ok()?, TimeDelta::microseconds(1)),
        _ => return None,
    };
    let first = date.and_time(first).checked_sub_signed(TimeDelta::seconds(i64::from(offset)))?;
    digits.then_some((first, first.checked_add_signed(length)?))
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
    fn a_compact_second_is_written_as_a_pattern_would_write_it() {
        let ends = [
            i64::MIN,
            i64::MAX,
            -62_167_219_200_000_001,
            -62_167_219_200_000_000,
            253_402_300_800_000_000,
            0,
            -1,
        ];
        let steps = (-40_000..40_000).map(|step: i64| step * 7_919_333_777_111);
        for micros in ends.into_iter().chain(steps) {
            let at = Timestamp::from_micros(micros);
            assert_eq!(at.compact_second(), at.format("%Y%m%d_%H%M%S"), "{micros}");
        }
    }

    #[test]
    fn a_stretch_of_time_is_as_long_as_it_is_written() {
        let check = |text: &str, expected: Option<(&str, &str)>| {
            let found = Timestamp::stretch(text).map(|(first, last)| (first.rfc3339(), last.rfc3339()));
            let expected = expected.map(|(first, last)| (first.to_owned(), last.to_owned()));
            assert_eq!(found, expected, "{text}");
        };
        check("2024-02", Some(("2024-02-01T00:00:00.000000Z", "2024-02-29T23:59:59.999999Z")));
        check("2025-12-01", Some(("2025-12-01T00:00:00.000000Z", "2025-12-01T23:59:59.999999Z")));
        check("2025-12-01T10:30", Some(("2025-12-01T10:30:00.000000Z", "2025-12-01T10:30:59.999999Z")));
        check(
            "2025-12-01T10:30:05+02:00",
            Some(("2025-12-01T08:30:05.000000Z", "2025-12-01T08:30:05.999999Z")),
        );
        check(
            "2025-12-01 10:30:05.25Z",
            Some(("2025-12-01T10:30:05.250000Z", "2025-12-01T10:30:05.250000Z")),
        );
        for text in [
            "",
            "2025",
            "2025-13",
            "2025-02-30",
            "2025-1-1",
            "2025-12-01T",
            "2025-12-01T25:00",
            "+99999-01-01",
            "-2025-01-01",
        ] {
            check(text, None);
        }
    }

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
