//! Dates as people write them: with a time zone, without, with one that has no colon, as a day alone, in a file name.

use std::fmt::Write as _;

/// A date by its writer's own clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Written {
    day: (u16, u8, u8),
    time: Option<(u8, u8, Option<u8>)>,
    /// How the time zone was written.
    pub zone: Zone,
}

/// How a time zone is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Zone {
    /// Not at all.
    None,
    /// As RFC 3339 has it, or as `UTC`: so many minutes before it.
    Known(i16),
    /// As `-0600` or `-06`.
    Bare(i16),
}

impl Zone {
    fn minutes(self) -> Option<i16> {
        match self {
            Zone::None => None,
            Zone::Known(minutes) | Zone::Bare(minutes) => Some(minutes),
        }
    }
}

impl Written {
    /// Returns `2025-12-03`.
    pub fn day(&self) -> String {
        let (year, month, day) = self.day;
        format!("{year:04}-{month:02}-{day:02}")
    }

    /// Returns `2025-12-03`, `2025-12-03 17:51` or `2025-12-03 17:51:31`; a time with its offset from UTC, `+00:00` or `-06:00`,
    /// where that was written.
    pub fn text(&self) -> String {
        let Some((hour, minute, second)) = self.time else {
            return self.day();
        };
        let mut text = format!("{} {hour:02}:{minute:02}", self.day());
        if let Some(second) = second {
            let _ = write!(text, ":{second:02}");
        }
        if let Some(minutes) = self.zone.minutes() {
            let (sign, minutes) = (if minutes < 0 { '-' } else { '+' }, minutes.unsigned_abs());
            let _ = write!(text, " {sign}{:02}:{:02}", minutes / 60, minutes % 60);
        }
        text
    }

    /// Returns true where a time of day is known.
    pub fn has_time(&self) -> bool {
        self.time.is_some()
    }

    /// Takes over a time of day written elsewhere; false where it is none.
    pub fn set_time(&mut self, text: &str) -> bool {
        let mut rest = text.trim();
        let time = time_of(&mut rest);
        rest = rest.trim_start();
        let zone = zone_of(&mut rest);
        let right = time.is_some() && rest.is_empty();
        if right {
            (self.time, self.zone) = (time, zone);
        }
        right
    }
}

/// Reads a date at the front of `text`; with it what follows it.
pub(super) fn read(text: &str) -> Option<(Written, &str)> {
    let mut rest = text.trim();
    let year = digits(&mut rest, 4)?;
    eat(&mut rest, &['-', '/', '.'])?;
    let month = digits(&mut rest, 2)? as u8;
    eat(&mut rest, &['-', '/', '.'])?;
    let day = digits(&mut rest, 2)? as u8;
    if rest.starts_with(|c: char| c.is_ascii_digit()) || !is_day(year, month, day) {
        return None;
    }
    let mut written = Written { day: (year, month, day), time: None, zone: Zone::None };
    let mut after = rest;
    if eat(&mut after, &['T', 't', ' ', '_']).is_some() {
        after = after.trim_start();
        if let Some(time) = time_of(&mut after) {
            written.time = Some(time);
            rest = after;
            let mut after = rest.trim_start();
            let zone = zone_of(&mut after);
            if zone != Zone::None {
                written.zone = zone;
                rest = after;
            }
        }
    }
    Some((written, rest.trim()))
}

/// Reads the date that a file name begins with: `2025-12-03_17-51-31_topic.md`.
pub(super) fn of_file_name(name: &str) -> Option<Written> {
    read(name).map(|(written, _)| written)
}

fn time_of(rest: &mut &str) -> Option<(u8, u8, Option<u8>)> {
    let mut at = *rest;
    let hour = digits(&mut at, 2)? as u8;
    // One separator for both: the `-` in `14:30-06:00` begins a time zone.
    let separator = at.chars().next().filter(|c| matches!(c, ':' | '-' | '.'))?;
    eat(&mut at, &[separator])?;
    let minute = digits(&mut at, 2)? as u8;
    let mut end = at;
    let mut second = None;
    if eat(&mut at, &[separator]).is_some()
        && let Some(found) = digits(&mut at, 2)
        && !at.starts_with(|c: char| c.is_ascii_digit())
    {
        second = Some(found as u8);
        end = at;
        if eat(&mut at, &['.']).is_some() && at.starts_with(|c: char| c.is_ascii_digit()) {
            end = at.trim_start_matches(|c: char| c.is_ascii_digit());
        }
    }
    let right = hour < 24 && minute < 60 && second.is_none_or(|second| second <= 60);
    if !right || end.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    *rest = end;
    Some((hour, minute, second))
}

fn zone_of(rest: &mut &str) -> Zone {
    for name in ["UTC", "GMT", "Z", "z"] {
        if let Some(after) = rest.strip_prefix(name)
            && !after.starts_with(char::is_alphanumeric)
        {
            *rest = after;
            return Zone::Known(0);
        }
    }
    let mut at = *rest;
    let west = at.starts_with('-');
    if eat(&mut at, &['+', '-']).is_none() {
        return Zone::None;
    }
    let hours = digits(&mut at, 2);
    let colon = eat(&mut at, &[':']).is_some();
    let minutes = digits(&mut at, 2);
    if at.starts_with(char::is_alphanumeric) || (colon && minutes.is_none()) {
        return Zone::None;
    }
    let (Some(hours @ 0..24), minutes @ 0..60) = (hours, minutes.unwrap_or(0)) else {
        return Zone::None;
    };
    *rest = at;
    let minutes = (hours * 60 + minutes) as i16;
    let minutes = if west { -minutes } else { minutes };
    if colon { Zone::Known(minutes) } else { Zone::Bare(minutes) }
}

fn digits(rest: &mut &str, count: usize) -> Option<u16> {
    let front = rest.get(..count).filter(|front| front.bytes().all(|b| b.is_ascii_digit()))?;
    *rest = &rest[count..];
    front.parse().ok()
}

fn eat(rest: &mut &str, any: &[char]) -> Option<()> {
    *rest = rest.strip_prefix(any)?;
    Some(())
}

fn is_day(year: u16, month: u8, day: u8) -> bool {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let last = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return false,
    };
    (1..=last).contains(&day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let found =
            read(text).map(|(written, rest)| format!("{} {:?} {rest:?}", written.text(), written.zone));
        assert_eq!(found.unwrap_or_default(), expected, "{text}");
    }

    #[test]
    fn dates_are_read_in_every_spelling() {
        check("2025-12-03T17:51:31-06:00", "2025-12-03 17:51:31 -06:00 Known(-360) \"\"");
        check("2026-02-23T15:20:10-0600", "2026-02-23 15:20:10 -06:00 Bare(-360) \"\"");
        check("2026-02-18T22:31:06.123Z", "2026-02-18 22:31:06 +00:00 Known(0) \"\"");
        check("2025-12-28T19:30:00", "2025-12-28 19:30:00 None \"\"");
        check("2025-12-28 14:30 UTC", "2025-12-28 14:30 +00:00 Known(0) \"\"");
        check("2025-12-28T14:30-0600", "2025-12-28 14:30 -06:00 Bare(-360) \"\"");
        check("2025-12-28T14:30-06:00", "2025-12-28 14:30 -06:00 Known(-360) \"\"");
        check("2026-01-05T10:00:00+05:30", "2026-01-05 10:00:00 +05:30 Known(330) \"\"");
        check("2026-01-05T10:00:00+25:00", "2026-01-05 10:00:00 None \"+25:00\"");
        check("2026-02-19", "2026-02-19 None \"\"");
        check("2026-02-18_15-26-29", "2026-02-18 15:26:29 None \"\"");
        check("2025-12-03 (first draft)", "2025-12-03 None \"(first draft)\"");
        for wrong in
            ["", "2025", "2025-13-01", "2025-02-29", "yesterday", "2025-1-1", "20251203", "2025-12-031"]
        {
            check(wrong, "");
        }
    }

    #[test]
    fn a_file_name_begins_with_its_date() {
        let check = |name: &str, expected: &str| {
            assert_eq!(of_file_name(name).map(|w| w.text()).unwrap_or_default(), expected, "{name}");
        };
        check("2025-12-03_17-51-31_config.md", "2025-12-03 17:51:31");
        check("2025-12-03_19-16_extractor.md", "2025-12-03 19:16");
        check("2025-12-03_notes.md", "2025-12-03");
        check("README_PR.md", "");
    }
}
