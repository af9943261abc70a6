//! Facts about a filing: from the submission's header, else from inline XBRL's `dei:` facts, else from the cover page.

use memchr::{memchr, memmem, memrchr};
use serde::{Deserialize, Serialize};

use super::container::Container;
use super::element::Element;
use super::encoding::Source;

/// What is known of a filing; what was not found is null, and nothing comes from a file's name.
///
/// Values are written as the header of a submission writes them, whatever the source: dates `YYYYMMDD`, the end of the fiscal
/// year `MMDD`, the CIK with ten digits, the employer number with nine.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Facts {
    /// Registrant's name as filed.
    pub company_name: Option<String>,
    /// Central Index Key.
    pub cik: Option<String>,
    /// Standard Industrial Classification, four digits.
    pub sic_code: Option<String>,
    /// Its name.
    pub sic_name: Option<String>,
    /// Form type, such as `10-K405/A`.
    pub form_type: Option<String>,
    /// Accession number, the filing's identity at the SEC.
    pub accession_number: Option<String>,
    /// Day of filing.
    pub filed_as_of_date: Option<String>,
    /// Last day of the period reported on.
    pub period_of_report: Option<String>,
    /// `dei:DocumentFiscalYearFocus`, else the year in which the period of report ends.
    pub fiscal_year: Option<String>,
    /// Last day of the fiscal year.
    pub fiscal_year_end: Option<String>,
    /// Employer identification number of the IRS.
    pub ein: Option<String>,
    /// State of incorporation by its code (`DE`); a country as filed.
    pub state_of_incorporation: Option<String>,
    /// Commission file number.
    pub sec_file_number: Option<String>,
    /// First trading symbol.
    pub ticker: Option<String>,
    /// True for an amendment.
    pub amendment_flag: Option<bool>,
    /// Filer category, such as "Large Accelerated Filer".
    pub entity_filer_category: Option<String>,
}

impl Facts {
    /// Returns a name for the filing: the accession number, else company, form and period as far as they are known.
    ///
    /// Never a file's name: the same bytes have the same name wherever they lie.
    pub fn filing_name(&self) -> String {
        if let Some(accession) = &self.accession_number {
            return accession.clone();
        }
        let period = self
            .period_of_report
            .as_ref()
            .filter(|date| date.len() == 8)
            .map(|date| format!("{}-{}-{}", &date[..4], &date[4..6], &date[6..]));
        let known = [
            self.company_name.as_deref(),
            self.form_type.as_deref(),
            period.as_deref(),
        ];
        let parts: Vec<&str> = known.into_iter().flatten().collect();
        if parts.is_empty() {
            "unnamed filing".to_string()
        } else {
            parts.join(" ")
        }
    }

    /// Fills what is still unknown from `other`.
    fn or(&mut self, other: Facts) {
        self.amendment_flag = self.amendment_flag.or(other.amendment_flag);
        let pairs = [
            (&mut self.company_name, other.company_name),
            (&mut self.cik, other.cik),
            (&mut self.sic_code, other.sic_code),
            (&mut self.sic_name, other.sic_name),
            (&mut self.form_type, other.form_type),
            (&mut self.accession_number, other.accession_number),
            (&mut self.filed_as_of_date, other.filed_as_of_date),
            (&mut self.period_of_report, other.period_of_report),
            (&mut self.fiscal_year, other.fiscal_year),
            (&mut self.fiscal_year_end, other.fiscal_year_end),
            (&mut self.ein, other.ein),
            (&mut self.state_of_incorporation, other.state_of_incorporation),
            (&mut self.sec_file_number, other.sec_file_number),
            (&mut self.ticker, other.ticker),
            (&mut self.entity_filer_category, other.entity_filer_category),
        ];
        for (known, found) in pairs {
            if known.is_none() {
                *known = found.filter(|value| !value.is_empty());
            }
        }
    }
}

/// Collects the facts of a filing, the most reliable source first.
pub fn read(source: &Source<'_>, container: &Container, elements: &[Element]) -> Facts {
    let mut facts = from_submission(&source.bytes[container.header.clone()]);
    if container.is_html {
        facts.or(from_inline_xbrl(source));
    }
    let cover = from_cover(elements);
    facts.or(Facts {
        form_type: container.document_type.clone(),
        ..Facts::default()
    });
    facts.or(cover);
    if facts.fiscal_year.is_none() {
        facts.fiscal_year = facts
            .period_of_report
            .as_ref()
            .and_then(|date| date.get(..4))
            .map(str::to_string);
    }
    if facts.amendment_flag.is_none() {
        facts.amendment_flag = facts.form_type.as_ref().map(|form| form.ends_with("/A"));
    }
    let is_annual = facts
        .form_type
        .as_ref()
        .is_some_and(|form| form.starts_with("10-K") && !form.starts_with("10-KT"));
    if facts.fiscal_year_end.is_none() && is_annual {
        facts.fiscal_year_end = facts
            .period_of_report
            .as_ref()
            .and_then(|date| date.get(4..))
            .map(str::to_string);
    }
    facts
}

/// Reads the `<SEC-HEADER>` of a submission; of several filers the first counts.
fn from_submission(header: &[u8]) -> Facts {
    let text = String::from_utf8_lossy(header);
    let value = |name: &str| {
        text.lines().find_map(|line| {
            let rest = line
                .trim_start()
                .strip_prefix(name)?
                .trim_start()
                .strip_prefix(':')?
                .trim();
            (!rest.is_empty()).then(|| rest.to_string())
        })
    };
    let sic = value("STANDARD INDUSTRIAL CLASSIFICATION");
    let (sic_name, sic_code) = match sic.as_deref().and_then(|sic| sic.rsplit_once('[')) {
        Some((name, code)) => (
            Some(name.trim().to_string()),
            Some(code.trim_end_matches(']').to_string()),
        ),
        None => match &sic {
            Some(code) if code.bytes().all(|byte| byte.is_ascii_digit()) => (None, sic),
            _ => (sic, None),
        },
    };
    Facts {
        company_name: value("COMPANY CONFORMED NAME"),
        cik: value("CENTRAL INDEX KEY").and_then(|cik| ten_digits(&cik)),
        sic_code,
        sic_name: sic_name.filter(|name| !name.is_empty()),
        form_type: value("CONFORMED SUBMISSION TYPE").or_else(|| value("FORM TYPE")),
        accession_number: value("ACCESSION NUMBER"),
        filed_as_of_date: value("FILED AS OF DATE").as_deref().and_then(parse_date),
        period_of_report: value("CONFORMED PERIOD OF REPORT")
            .as_deref()
            .and_then(parse_date),
        fiscal_year_end: value("FISCAL YEAR END").as_deref().and_then(parse_month_day),
        ein: value("IRS NUMBER").as_deref().and_then(parse_ein),
        state_of_incorporation: value("STATE OF INCORPORATION"),
        sec_file_number: value("SEC FILE NUMBER"),
        ..Facts::default()
    }
}

/// Reads the `dei:` facts of an inline XBRL document; of several values of one fact the first counts.
fn from_inline_xbrl(source: &Source<'_>) -> Facts {
    let mut facts = Facts::default();
    let document = &source.bytes[..source.end];
    let finder = memmem::Finder::new(b"\"dei:");
    let mut at = source.start;
    while let Some(found) = finder.find(&document[at..]) {
        let name_start = at + found + 5;
        at = name_start;
        let Some((name, value)) = fact_at(source, document, name_start) else {
            continue;
        };
        if value.is_empty() || value.len() > FACT_LEN_MAX {
            continue;
        }
        if name == b"AmendmentFlag" {
            facts.amendment_flag = facts.amendment_flag.or(value.to_ascii_lowercase().parse().ok());
        }
        let slot = match name {
            b"EntityRegistrantName" => &mut facts.company_name,
            b"EntityCentralIndexKey" => &mut facts.cik,
            b"DocumentType" => &mut facts.form_type,
            b"DocumentPeriodEndDate" => &mut facts.period_of_report,
            b"DocumentFiscalYearFocus" => &mut facts.fiscal_year,
            b"CurrentFiscalYearEndDate" => &mut facts.fiscal_year_end,
            b"EntityTaxIdentificationNumber" => &mut facts.ein,
            b"EntityIncorporationStateCountryCode" => &mut facts.state_of_incorporation,
            b"EntityFileNumber" => &mut facts.sec_file_number,
            b"TradingSymbol" => &mut facts.ticker,
            b"EntityFilerCategory" => &mut facts.entity_filer_category,
            _ => continue,
        };
        if slot.is_none() {
            *slot = Some(value);
        }
    }
    facts.cik = facts.cik.and_then(|cik| ten_digits(&cik));
    facts.period_of_report = facts.period_of_report.as_deref().and_then(parse_date);
    facts.fiscal_year_end = facts.fiscal_year_end.as_deref().and_then(parse_month_day);
    facts.ein = facts.ein.as_deref().and_then(parse_ein);
    facts.ticker = facts
        .ticker
        .filter(|ticker| !matches!(ticker.to_ascii_lowercase().as_str(), "n/a" | "none" | "na" | "-"));
    facts.state_of_incorporation = facts.state_of_incorporation.map(|state| {
        let code = STATES
            .iter()
            .find(|(name, _)| state.eq_ignore_ascii_case(name))
            .map(|(_, code)| code.to_string());
        code.unwrap_or(state)
    });
    facts
}

/// A fact of the cover page is shorter than this; longer ones are text blocks.
const FACT_LEN_MAX: usize = 200;

/// Reads name and text of the fact whose name begins at `start`; `None` where it is no fact with text.
fn fact_at<'a>(source: &Source<'a>, document: &'a [u8], start: usize) -> Option<(&'a [u8], String)> {
    let name_end = start + memchr(b'"', &document[start..])?;
    let tag = memrchr(b'<', &document[..start])?;
    if !document[tag..].starts_with(b"<ix:non") {
        return None;
    }
    let text_start = name_end + memchr(b'>', &document[name_end..])? + 1;
    if document[..text_start].ends_with(b"/>") {
        return None;
    }
    let window = &document[text_start..document.len().min(text_start + FACT_MARKUP_LEN_MAX)];
    let text_end = text_start + memmem::find(window, b"</ix:non")?;
    let mut text = String::new();
    let mut depth = 0;
    for letter in source.decode(text_start, text_end).chars() {
        match letter {
            '<' => depth = 1,
            '>' if depth == 1 => depth = 0,
            _ if depth == 0 => text.push(letter),
            _ => {}
        }
    }
    let text = htmlize::unescape(text.as_str())
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    Some((&document[start..name_end], text))
}

/// A short fact with its inner tags takes no more bytes than this.
const FACT_MARKUP_LEN_MAX: usize = 8 * 1024;

/// Reads the cover page: the first elements of the document.
fn from_cover(elements: &[Element]) -> Facts {
    let cover = &elements[..elements.len().min(COVER_ELEMENTS)];
    let mut facts = Facts::default();
    for (index, element) in cover.iter().enumerate() {
        let text = element.text.as_str();
        let lower = text.to_ascii_lowercase();
        if facts.form_type.is_none() {
            facts.form_type = form_on_cover(&lower);
        }
        if facts.period_of_report.is_none() {
            facts.period_of_report = PERIOD_WORDS.iter().find_map(|words| {
                let at = lower.find(words)? + words.len();
                parse_date(text.get(at..)?).or_else(|| parse_date(&cover.get(index + 1)?.text))
            });
        }
        if facts.company_name.is_none()
            && let Some(at) = lower.find("exact name of")
        {
            facts.company_name = name_before(&text[..at]).or_else(|| {
                cover[index.saturating_sub(NAME_DISTANCE_MAX)..index]
                    .iter()
                    .rev()
                    .map(|before| before.text.trim())
                    .find(|name| is_name(name))
                    .map(str::to_string)
            });
        }
        if facts.sec_file_number.is_none() {
            facts.sec_file_number = file_number(&lower);
        }
        if facts.state_of_incorporation.is_none() {
            facts.state_of_incorporation = state_on_cover(cover, index, &lower);
        }
        if facts.ein.is_none() && lower.contains("-") {
            facts.ein = text
                .split(|c: char| c.is_whitespace())
                .find(|word| is_ein(word))
                .and_then(parse_ein);
        }
    }
    facts
}

/// The registrant's name stands no more elements than this above its caption.
const NAME_DISTANCE_MAX: usize = 3;

/// A cover page and what precedes it has no more elements than this.
const COVER_ELEMENTS: usize = 60;

const PERIOD_WORDS: [&str; 6] = [
    "fiscal year ended",
    "quarterly period ended",
    "quarter ended",
    "year ended",
    "transition period ended",
    "period ended",
];

fn form_on_cover(lower: &str) -> Option<String> {
    let at = lower.find("form 10")? + 5;
    let word: String = lower[at..]
        .chars()
        .take_while(|c| c.is_alphanumeric() || matches!(c, '-' | '–' | '/'))
        .collect();
    let form = word.replace('–', "-").to_ascii_uppercase();
    let form = form.trim_end_matches(['/', '-']);
    super::container::is_main_type(form).then(|| form.to_string())
}

fn is_name(text: &str) -> bool {
    const OTHER: [&str; 7] = [
        "commission file",
        "incorporation",
        "jurisdiction",
        "form 10",
        "transition period",
        "period ended",
        "year ended",
    ];
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    let lower = text.to_ascii_lowercase();
    letters >= 3
        && text.len() <= 120
        && !text.contains("____")
        && !OTHER.iter().any(|words| lower.contains(words))
}

/// Returns the last line before "(Exact name of registrant".
fn name_before(text: &str) -> Option<String> {
    let text = text.trim_end_matches(|c: char| c.is_whitespace() || c == '(');
    text.rsplit('\n')
        .map(str::trim)
        .find(|line| is_name(line))
        .filter(|line| !line.is_empty())
        .map(str::to_string)
}

fn file_number(lower: &str) -> Option<String> {
    let at = ["commission file n", "file number", "file no."]
        .iter()
        .find_map(|words| lower.find(words).map(|at| at + words.len()))?;
    let rest = lower[at..].trim_start_matches(|c: char| !c.is_ascii_digit());
    let number: String = rest
        .chars()
        .take_while(|c| c.is_ascii_digit() || matches!(c, '-' | '–'))
        .collect();
    let number = number.replace('–', "-");
    (number.contains('-') && number.len() >= 3 && number.len() <= 14).then_some(number)
}

/// Reads the state above or before "(State or other jurisdiction of incorporation)".
fn state_on_cover(cover: &[Element], index: usize, lower: &str) -> Option<String> {
    let at = [
        "state or other jurisdiction",
        "state of incorporation",
        "state or jurisdiction",
    ]
    .iter()
    .find_map(|words| lower.find(words))?;
    let before = cover
        .get(index.wrapping_sub(1))
        .map_or(String::new(), |element| element.text.to_ascii_lowercase());
    [&lower[..at], before.as_str()].iter().find_map(|text| {
        let state = |(name, code): &(&str, &str)| {
            let place = text.find(name)?;
            let is_word = !text[..place].ends_with(char::is_alphabetic)
                && !text[place + name.len()..].starts_with(char::is_alphabetic);
            is_word.then(|| code.to_string())
        };
        STATES.iter().find_map(state)
    })
}

/// States of the United States with their codes, those first whose name ends in another's.
const STATES: [(&str, &str); 51] = [
    ("west virginia", "WV"),
    ("alabama", "AL"),
    ("alaska", "AK"),
    ("arizona", "AZ"),
    ("arkansas", "AR"),
    ("california", "CA"),
    ("colorado", "CO"),
    ("connecticut", "CT"),
    ("delaware", "DE"),
    ("florida", "FL"),
    ("georgia", "GA"),
    ("hawaii", "HI"),
    ("idaho", "ID"),
    ("illinois", "IL"),
    ("indiana", "IN"),
    ("iowa", "IA"),
    ("kansas", "KS"),
    ("kentucky", "KY"),
    ("louisiana", "LA"),
    ("maine", "ME"),
    ("maryland", "MD"),
    ("massachusetts", "MA"),
    ("michigan", "MI"),
    ("minnesota", "MN"),
    ("mississippi", "MS"),
    ("missouri", "MO"),
    ("montana", "MT"),
    ("nebraska", "NE"),
    ("nevada", "NV"),
    ("new hampshire", "NH"),
    ("new jersey", "NJ"),
    ("new mexico", "NM"),
    ("new york", "NY"),
    ("north carolina", "NC"),
    ("north dakota", "ND"),
    ("ohio", "OH"),
    ("oklahoma", "OK"),
    ("oregon", "OR"),
    ("pennsylvania", "PA"),
    ("rhode island", "RI"),
    ("south carolina", "SC"),
    ("south dakota", "SD"),
    ("tennessee", "TN"),
    ("texas", "TX"),
    ("utah", "UT"),
    ("vermont", "VT"),
    ("virginia", "VA"),
    ("washington", "WA"),
    ("wisconsin", "WI"),
    ("wyoming", "WY"),
    ("district of columbia", "DC"),
];

fn is_ein(word: &str) -> bool {
    let bytes = word.as_bytes();
    bytes.len() == 10 && bytes[2] == b'-' && bytes.iter().filter(|byte| byte.is_ascii_digit()).count() == 9
}

fn parse_ein(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    (digits.len() == 9 && digits != "000000000").then_some(digits)
}

fn ten_digits(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    (!digits.is_empty() && digits.len() <= 10).then(|| format!("{digits:0>10}"))
}

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
    let mut words = head
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty());
    let month = month_number(words.next()?)?;
    let day = words
        .next()?
        .trim_end_matches(|c: char| c.is_alphabetic())
        .parse()
        .ok()?;
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
fn parse_month_day(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let (month, day) = if digits.len() == 4 {
        (digits[..2].parse::<u32>().ok()?, digits[2..].parse::<u32>().ok()?)
    } else {
        let lower = text.to_ascii_lowercase();
        let mut words = lower
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty());
        (month_number(words.next()?)?, words.next()?.parse().ok()?)
    };
    ((1..=12).contains(&month) && (1..=31).contains(&day)).then(|| format!("{month:02}{day:02}"))
}
