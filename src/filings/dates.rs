//! Dates as filings write them, made `YYYYMMDD` and `MMDD`.

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// Reads a date at the beginning of `text`: `20240928`, `2024-09-28`, `9/28/2024`, "September 28, 2024".
pub fn parse_date(text: &str) -> Option<String> {
    let text = text.trim_start_matches(|c: char| !c.is_alphanumeric());
    let numbers: Vec<u32> = text
        .get(..text.len().min(14))
        .unwrap_or(text)
        .split(|c: char| !c.is_ascii_digit())
        .filter(|part| !part.is_empty())
        .filter_map(|part| part.parse().ok())
        .collect();
    let digits = text.chars().take_while(char::is_ascii_digit).count();
    let (year, month, day) = match (digits, numbers.as_slice()) {
        (8, [all, ..]) => (all / 10_000, all / 100 % 100, all % 100),
        (4, [year, month, day, ..]) => (*year, *month, *day),
        (1 | 2, [month, day, year, ..]) => (if *year < 100 { century(*year) } else { *year }, *month, *day),
        _ => written_date(text)?,
    };
    let is_date = (1980..2100).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    is_date.then(|| format!("{year:04}{month:02}{day:02}"))
}

fn century(year: u32) -> u32 {
    if year < 70 { 2000 + year } else { 1900 + year }
}

/// Reads "September 28, 2024" or "Sept. 28, 2024".
fn written_date(text: &str) -> Option<(u32, u32, u32)> {
    let head: String = text.chars().take(40).collect::<String>().to_ascii_lowercase();
    let mut words = head.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let month = month_number(words.next()?)?;
    let day = words.next()?.trim_end_matches(|c: char| c.is_alphabetic()).parse().ok()?;
    let year = words.next()?.parse().ok()?;
    Some((year, month, day))
}

fn month_number(word: &str) -> Option<u32> {
    let is_month = |month: &&str| month.starts_with(word) && word.len() >= 3;
    MONTHS
        .iter()
        .position(|month| is_month(month) || (word == "sept" && *month == "september"))
        .map(|at| at as u32 + 1)
}

/// Reads the end of a fiscal year: `0928`, `--09-28`, `12/31`, "September 28".
pub fn parse_month_day(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let (month, day) = if digits.len() == 4 {
        (digits[..2].parse::<u32>().ok()?, digits[2..].parse::<u32>().ok()?)
    } else {
        let lower = text.to_ascii_lowercase();
        let mut words = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        (month_number(words.next()?)?, words.next()?.parse().ok()?)
    };
    ((1..=12).contains(&month) && (1..=31).contains(&day)).then(|| format!("{month:02}{day:02}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_in_all_spellings() {
        for text in [
            "20240928",
            "2024-09-28",
            "9/28/2024",
            "09-28-24",
            "September 28, 2024",
            ": Sept. 28, 2024.",
            "SEPTEMBER 28,\n2024",
        ] {
            assert_eq!(parse_date(text).as_deref(), Some("20240928"), "{text}");
        }
        for text in ["", "soon", "2024", "13/13/2024", "September", "September 28", "99999999"] {
            assert_eq!(parse_date(text), None, "{text}");
        }
        for text in ["0928", "--09-28", "09/28", "September 28", "Sept 28"] {
            assert_eq!(parse_month_day(text).as_deref(), Some("0928"), "{text}");
        }
        assert_eq!(parse_month_day("1399"), None);
    }
}
