//! Names that differ in time stamps, ids and counters only, and which of two lists of names are each other's so.

use std::collections::HashMap;

/// How much of a name is left open.
#[derive(Clone, Copy)]
enum Open {
    /// Time stamps and ids.
    Stamps,
    /// Those, and the counters of one part of the path.
    CountersOf(usize),
    /// Those, and all counters of folders.
    CountersOfFolders,
    /// Those, and all counters.
    Counters,
}

/// So many parts of a path, from its front, have their counters left open one after the other.
const PARTS_MAX: usize = 8;

/// Pairs names by what they say beside time stamps, ids and counters: those whose pattern is the only one of its kind on either
/// side, whether the other names of that kind are `taken` or not.
///
/// The least that must be left open is tried first. Returns places in the two lists.
pub(crate) fn pairs(names: [&[&str]; 2], taken: [&[bool]; 2]) -> Vec<(usize, usize)> {
    let mut taken = taken.map(<[bool]>::to_vec);
    let left = |taken: &[bool]| taken.iter().any(|taken| !taken);
    let parts = names[0].iter().chain(names[1]).map(|name| name.split('/').count()).max().unwrap_or(0);
    let each = (0..parts.min(PARTS_MAX)).map(Open::CountersOf);
    let all = std::iter::once(Open::Stamps).chain(each).chain([Open::CountersOfFolders, Open::Counters]);
    let mut pairs = Vec::new();
    for open in all {
        if !(left(&taken[0]) && left(&taken[1])) {
            break;
        }
        let [of_a, of_b] = names.map(|names| only_ones(names, open));
        for (pattern, at_a) in of_a {
            let (Some(at_a), Some(Some(at_b))) = (at_a, of_b.get(&pattern)) else { continue };
            if !taken[0][at_a] && !taken[1][*at_b] {
                (taken[0][at_a], taken[1][*at_b]) = (true, true);
                pairs.push((at_a, *at_b));
            }
        }
    }
    pairs.sort_unstable();
    pairs
}

/// Returns where the name of each pattern stands; `None` where several have it.
fn only_ones(names: &[&str], open: Open) -> HashMap<String, Option<usize>> {
    let mut places = HashMap::new();
    for (at, name) in names.iter().enumerate() {
        places.entry(pattern(name, open)).and_modify(|place| *place = None).or_insert(Some(at));
    }
    places
}

fn pattern(name: &str, open: Open) -> String {
    let last = name.split('/').count() - 1;
    let parts = name.split('/').enumerate().map(|(at, part)| {
        let counters = match open {
            Open::Stamps => false,
            Open::CountersOf(part) => part == at,
            Open::CountersOfFolders => at < last,
            Open::Counters => true,
        };
        part_pattern(part, counters)
    });
    parts.collect::<Vec<_>>().join("/")
}

/// Writes two names that are a pair as one: `out/{time}/model.bin`. Parts that are equal stand as they are.
pub(crate) fn as_one(a: &str, b: &str) -> String {
    if a.split('/').count() != b.split('/').count() {
        return b.to_owned();
    }
    let parts = a.split('/').zip(b.split('/')).map(|(a, b)| {
        let stamps = part_pattern(b, false);
        match () {
            () if a == b => b.to_owned(),
            () if part_pattern(a, false) == stamps => stamps,
            () => part_pattern(b, true),
        }
    });
    parts.collect::<Vec<_>>().join("/")
}

/// Writes one part of a path with `{time}`, `{id}` and, where asked, `{n}` in the place of what these are.
fn part_pattern(part: &str, counters: bool) -> String {
    let bytes = part.as_bytes();
    let mut written = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let before = at.checked_sub(1).map(|before| bytes[before]);
        let begins = !before.is_some_and(|byte| byte.is_ascii_alphanumeric());
        let begins_number = rest[0].is_ascii_digit() && !before.is_some_and(|byte| byte.is_ascii_digit());
        let found = if let Some(length) = (begins_number || begins).then(|| time(rest)).flatten() {
            Some(("{time}", length))
        } else if let Some(length) = begins.then(|| id(&bytes[..at], rest)).flatten() {
            Some(("{id}", length))
        } else if counters && begins_number {
            Some(("{n}", digits(rest)))
        } else {
            None
        };
        match found {
            Some((word, length)) => {
                written.extend_from_slice(word.as_bytes());
                at += length;
            }
            None => {
                written.push(rest[0]);
                at += 1;
            }
        }
    }
    String::from_utf8(written).expect("only whole ASCII characters were replaced")
}

fn digits(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// Reads a number of exactly two digits that is at most `max`, and is not the front of a longer one where `is_last`.
fn two(bytes: &[u8], max: u8) -> Option<&[u8]> {
    let [tens, ones, rest @ ..] = bytes else { return None };
    let is_number = tens.is_ascii_digit() && ones.is_ascii_digit();
    (is_number && (tens - b'0') * 10 + (ones - b'0') <= max).then_some(rest)
}

fn without<'a>(bytes: &'a [u8], separators: &[u8]) -> (Option<u8>, &'a [u8]) {
    match bytes {
        [first, rest @ ..] if separators.contains(first) => (Some(*first), rest),
        _ => (None, bytes),
    }
}

/// Returns how long the time stamp is that `bytes` begin with.
fn time(bytes: &[u8]) -> Option<usize> {
    let rest = date(bytes).map(|rest| with_time_of_day(rest).unwrap_or(rest));
    let rest = rest.or_else(|| month_and_time(bytes)).or_else(|| time_of_day(bytes, true));
    // No more digits follow: that would be another number.
    let rest = rest.filter(|rest| digits(rest) == 0).or_else(|| epoch(bytes))?;
    Some(bytes.len() - rest.len())
}

/// `20261127`, `2026-11-27`.
fn date(bytes: &[u8]) -> Option<&[u8]> {
    let rest = bytes.strip_prefix(b"19").or_else(|| bytes.strip_prefix(b"20"))?;
    let (separator, rest) = without(two(rest, 99)?, b"-_.");
    let month = rest;
    let rest = two(rest, 12).filter(|_| !month.starts_with(b"00"))?;
    let (same, rest) = without(rest, separator.as_slice());
    let rest = two(rest, 31).filter(|_| same == separator && !rest.starts_with(b"00"))?;
    Some(rest)
}

/// What may follow a date: `_101500`, `T10:15:00.123Z`, `-10-15`.
fn with_time_of_day(rest: &[u8]) -> Option<&[u8]> {
    let (_, after) = without(rest, b"-_T. ");
    let after = time_of_day(after, false)?;
    let (point, fraction) = without(after, b"._-,");
    let has_fraction = point.is_some() && [3, 6].contains(&digits(fraction));
    let after = if has_fraction { &fraction[digits(fraction)..] } else { after };
    Some(without(after, b"Z").1)
}

/// `10-15-00`; where it need not stand `alone`, `101500` and `10-15` as well.
fn time_of_day(bytes: &[u8], alone: bool) -> Option<&[u8]> {
    let (separator, rest) = without(two(bytes, 23)?, b"-:_.h");
    let rest = two(rest, 59).filter(|_| separator.is_some() || !alone)?;
    let (_, seconds) =
        without(rest, separator.map_or(&b""[..], |separator| if separator == b'h' { b"m" } else { b"-:_." }));
    match two(seconds, 60).filter(|rest| digits(rest) == 0) {
        Some(rest) => Some(rest),
        None => Some(rest).filter(|rest| !alone && digits(rest) == 0),
    }
}

/// `Nov27_10-15-00`.
fn month_and_time(bytes: &[u8]) -> Option<&[u8]> {
    const MONTHS: [&[u8; 3]; 12] =
        [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
    let rest = MONTHS.iter().find_map(|month| bytes.strip_prefix(*month))?;
    let (separator, rest) = without(two(rest, 31)?, b"-_");
    separator.and_then(|_| time_of_day(rest, true))
}

/// Seconds, milliseconds or microseconds since 1970, from 2001 to 2033.
fn epoch(bytes: &[u8]) -> Option<&[u8]> {
    let length = digits(bytes);
    ([10, 13, 16].contains(&length) && bytes[0] == b'1').then(|| &bytes[length..])
}

/// Returns how long the id is that `bytes` begin with: a UUID, a digest or a part of one, what a tool draws as the name of a run
/// or of a temporary file.
fn id(before: &[u8], bytes: &[u8]) -> Option<usize> {
    let is_uuid = bytes.len() >= 36
        && bytes[..36].iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    if is_uuid {
        return Some(36);
    }
    let token = bytes.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
    let word = &bytes[..token];
    let count = |wanted: fn(&u8) -> bool| word.iter().filter(|byte| wanted(byte)).count();
    let (numbers, letters) = (count(u8::is_ascii_digit), count(u8::is_ascii_alphabetic));
    let is_hex = token >= 7 && numbers > 0 && letters > 0 && word.iter().all(u8::is_ascii_hexdigit);
    // Letters and digits change places in what is drawn, and not in `ckpt0012`.
    let changes = word.windows(2).filter(|two| two[0].is_ascii_digit() != two[1].is_ascii_digit()).count();
    let begins = before.last().is_none_or(|byte| b"-_".contains(byte));
    let is_drawn = token == 8 && changes >= 3 && begins;
    let is_temporary = (6..=12).contains(&token)
        && [&b"tmp."[..], b"tmp-", b"tmp_"].iter().any(|front| before.ends_with(front))
        && word.iter().any(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
    (is_hex || is_drawn || is_temporary).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_stamps_ids_and_counters_are_left_open_and_nothing_else() {
        let check = |part: &str, stamps: &str, counters: &str| {
            assert_eq!(
                (part_pattern(part, false).as_str(), part_pattern(part, true).as_str()),
                (stamps, counters)
            );
        };
        for stamp in [
            "20261127_101500",
            "2026-11-27",
            "10-15-00",
            "2026-11-27T10:15:00.123Z",
            "20261127101500",
            "20261127-1015",
            "2026-11-27_10h15m00",
            "Nov27_10-15-00",
            "1700000000",
            "1700000000123",
            "20261127_101500_123456",
            "2026_11_27",
        ] {
            check(stamp, "{time}", "{time}");
            check(&format!("run-{stamp}.d"), "run-{time}.d", "run-{time}.d");
        }
        for drawn in [
            "0190a0c4-7d8e-7abc-8def-0123456789ab",
            "ea45dd2",
            "k3jx9q2v",
            "9f3ac1d27b0e44aa9f3ac1d27b0e44aa",
        ] {
            check(drawn, "{id}", "{id}");
            check(&format!("run_{drawn}"), "run_{id}", "run_{id}");
        }
        check("tmp.L98ZIC", "tmp.{id}", "tmp.{id}");
        check("20261127_101500_2", "{time}_2", "{time}_{n}");
        check("exp-3", "exp-3", "exp-{n}");
        check("ckpt0012.pt", "ckpt0012.pt", "ckpt{n}.pt");
        check("worker.4711.log", "worker.4711.log", "worker.{n}.log");
        check(
            "events.out.tfevents.1700000000.host.31.0",
            "events.out.tfevents.{time}.host.31.0",
            "events.out.tfevents.{time}.host.{n}.{n}",
        );
        for plain in ["model.bin", "tmp_result", "feedback", "decade", "größe.txt", ""] {
            check(plain, plain, plain);
        }
        check("2026-13-45", "2026-13-45", "{n}-{n}-{n}");
        check("123456789012", "123456789012", "{n}");
    }

    fn paired(a: &str, b: &str) -> Vec<String> {
        let (a, b): (Vec<&str>, Vec<&str>) = (a.split(' ').collect(), b.split(' ').collect());
        let taken =
            |own: &[&str], other: &[&str]| own.iter().map(|name| other.contains(name)).collect::<Vec<_>>();
        let pairs = pairs([&a, &b], [&taken(&a, &b), &taken(&b, &a)]);
        pairs.into_iter().map(|(x, y)| format!("{}={}: {}", a[x], b[y], as_one(a[x], b[y]))).collect()
    }

    #[test]
    fn names_are_paired_by_the_least_that_must_be_left_open() {
        assert_eq!(
            paired("out/20261127_101500/m.bin", "out/20261128_090000/m.bin"),
            ["out/20261127_101500/m.bin=out/20261128_090000/m.bin: out/{time}/m.bin"]
        );
        assert_eq!(
            paired("runs/exp-3/fold-1/m runs/exp-3/fold-2/m", "runs/exp-4/fold-1/m runs/exp-4/fold-2/m"),
            [
                "runs/exp-3/fold-1/m=runs/exp-4/fold-1/m: runs/exp-{n}/fold-1/m",
                "runs/exp-3/fold-2/m=runs/exp-4/fold-2/m: runs/exp-{n}/fold-2/m",
            ]
        );
        assert_eq!(
            paired("o/2026-11-27/10-15-00/c/1.yaml", "o/2026-11-28/11-00-00/c/1.yaml"),
            ["o/2026-11-27/10-15-00/c/1.yaml=o/2026-11-28/11-00-00/c/1.yaml: o/{time}/{time}/c/1.yaml"]
        );
    }

    #[test]
    fn names_of_a_kind_of_which_there_are_several_are_not_paired() {
        // Either run lacks one of a row of pictures, each another one.
        assert_eq!(paired("i/1.png i/2.png i/3.png", "i/1.png i/2.png i/4.png"), [""; 0]);
        assert_eq!(paired("a/1 a/2", "a/3"), [""; 0]);
        assert_eq!(paired("model.bin", "other.bin"), [""; 0]);
    }
}
