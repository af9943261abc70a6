//! Facts about a filing: from the submission's header, else from inline XBRL's `dei:` facts, else from the cover page.

use memchr::{memchr, memmem, memrchr};
use serde::{Deserialize, Serialize};

use super::container::Container;
use super::cover::{self, STATES};
use super::dates::{parse_date, parse_month_day};
use super::element::Element;
use super::encoding::{Source, lossy};

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
    /// Returns the fiscal year as a number, else the year of the period or of the filing.
    pub fn year(&self) -> Option<u32> {
        let dates = [&self.fiscal_year, &self.period_of_report, &self.filed_as_of_date];
        let year = |date: &String| date.get(..4).and_then(|year| year.parse().ok());
        dates.into_iter().flatten().find_map(year)
    }

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
        let known = [self.company_name.as_deref(), self.form_type.as_deref(), period.as_deref()];
        let parts: Vec<&str> = known.into_iter().flatten().collect();
        if parts.is_empty() { "unnamed filing".to_string() } else { parts.join(" ") }
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
    let cover = cover::read(elements);
    facts.or(Facts { form_type: container.document_type.clone(), ..Facts::default() });
    facts.or(cover);
    if facts.fiscal_year.is_none() {
        facts.fiscal_year =
            facts.period_of_report.as_ref().and_then(|date| date.get(..4)).map(str::to_string);
    }
    if facts.amendment_flag.is_none() {
        facts.amendment_flag = facts.form_type.as_ref().map(|form| form.ends_with("/A"));
    }
    let is_annual =
        facts.form_type.as_ref().is_some_and(|form| form.starts_with("10-K") && !form.starts_with("10-KT"));
    if facts.fiscal_year_end.is_none() && is_annual {
        facts.fiscal_year_end =
            facts.period_of_report.as_ref().and_then(|date| date.get(4..)).map(str::to_string);
    }
    facts
}

/// Reads the `<SEC-HEADER>` of a submission; of several filers the first counts.
fn from_submission(header: &[u8]) -> Facts {
    let text = lossy(header);
    let value = |name: &str| {
        text.lines().find_map(|line| {
            let rest = line.trim_start().strip_prefix(name)?.trim_start().strip_prefix(':')?.trim();
            (!rest.is_empty()).then(|| rest.to_string())
        })
    };
    let sic = value("STANDARD INDUSTRIAL CLASSIFICATION");
    let (sic_name, sic_code) = match sic.as_deref().and_then(|sic| sic.rsplit_once('[')) {
        Some((name, code)) => (Some(name.trim().to_string()), Some(code.trim_end_matches(']').to_string())),
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
        period_of_report: value("CONFORMED PERIOD OF REPORT").as_deref().and_then(parse_date),
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
    let text = htmlize::unescape(text.as_str()).split_whitespace().collect::<Vec<_>>().join(" ");
    Some((&document[start..name_end], text))
}

/// A short fact with its inner tags takes no more bytes than this.
const FACT_MARKUP_LEN_MAX: usize = 8 * 1024;

/// Reads an employer number; nine zeros stand for none.
pub fn parse_ein(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    (digits.len() == 9 && digits != "000000000").then_some(digits)
}

fn ten_digits(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    (!digits.is_empty() && digits.len() <= 10).then(|| format!("{digits:0>10}"))
}
