//! The cover page of a form: what it says about the filing, where neither header nor inline XBRL does.

use memchr::memmem;

use super::container::is_main_type;
use super::dates::parse_date;
use super::element::{Element, ElementKind};
use super::header::{Facts, parse_ein};

/// Reads the cover page: the first elements of the document.
pub fn read(elements: &[Element]) -> Facts {
    let cover = &elements[..elements.len().min(COVER_ELEMENTS)];
    let mut facts = Facts::default();
    for (index, element) in cover.iter().enumerate() {
        let text = element.text.as_str();
        let lower = text.to_ascii_lowercase();
        if facts.form_type.is_none() {
            facts.form_type = form_on_cover(&lower);
        }
        // Quick refusals of almost every text: all of the words that are looked for have these in them.
        let has = |words: &str| find(&lower, words).is_some();
        if facts.period_of_report.is_none() && has("ended") {
            facts.period_of_report = PERIOD_WORDS.iter().find_map(|words| {
                let at = find(&lower, words)? + words.len();
                parse_date(text.get(at..)?).or_else(|| parse_date(&cover.get(index + 1)?.text))
            });
        }
        if facts.company_name.is_none()
            && let Some(at) = find(&lower, "exact name of")
        {
            let in_column = || name_in_column(text, at).filter(|_| element.kind == ElementKind::TableElement);
            facts.company_name = in_column().or_else(|| name_before(&text[..at])).or_else(|| {
                cover[index.saturating_sub(NAME_DISTANCE_MAX)..index]
                    .iter()
                    .rev()
                    .map(|before| before.text.trim())
                    .find(|name| is_name(name))
                    .map(str::to_string)
            });
        }
        if facts.sec_file_number.is_none() && has("file n") {
            facts.sec_file_number = file_number(&lower);
        }
        if facts.state_of_incorporation.is_none() && has("state o") {
            facts.state_of_incorporation = state_on_cover(cover, index, &lower);
        }
        if facts.ein.is_none() && lower.contains("-") {
            facts.ein = text.split(|c: char| c.is_whitespace()).find(|word| is_ein(word)).and_then(parse_ein);
        }
    }
    facts
}

/// Finds words in a text; quicker for short texts than what the standard library has.
fn find(text: &str, words: &str) -> Option<usize> {
    memmem::find(text.as_bytes(), words.as_bytes())
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
    let at = find(lower, "form 10")? + 5;
    let word: String =
        lower[at..].chars().take_while(|c| c.is_alphanumeric() || matches!(c, '-' | '–' | '/')).collect();
    let form = word.replace('–', "-").to_ascii_uppercase();
    let form = form.trim_end_matches(['/', '-']);
    is_main_type(form).then(|| form.to_string())
}

fn is_name(text: &str) -> bool {
    const OTHER: [&str; 13] = [
        "commission file",
        "exchange commission",
        "mark one",
        "pursuant to section",
        "transition report",
        "annual report",
        "quarterly report",
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
        && !OTHER.iter().any(|words| find(&lower, words).is_some())
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

/// Returns the name in the column of the caption at `at`, in the nearest row above it, else below it.
fn name_in_column(table: &str, at: usize) -> Option<String> {
    let row_start = table[..at].rfind('\n').map_or(0, |end| end + 1);
    let column = table[row_start..at].matches('\t').count();
    let name = |row: &str| {
        // A cell of a caption may have several lines: they have fewer columns than a row has.
        let cells: Vec<&str> = row.split('\t').collect();
        let cell = cells.get(column).map(|cell| cell.trim()).filter(|cell| is_name(cell));
        cell.filter(|_| cells.len() >= ROW_CELLS_MIN).map(str::to_string)
    };
    let above = table[..row_start].lines().rev().find_map(name);
    above.or_else(|| table[at..].lines().skip(1).find_map(name))
}

/// Name, state and number of a registrant.
const ROW_CELLS_MIN: usize = 3;

fn file_number(lower: &str) -> Option<String> {
    let at = ["commission file n", "file number", "file no."]
        .iter()
        .find_map(|words| find(lower, words).map(|at| at + words.len()))?;
    let rest = lower[at..].trim_start_matches(|c: char| !c.is_ascii_digit());
    let number: String = rest.chars().take_while(|c| c.is_ascii_digit() || matches!(c, '-' | '–')).collect();
    let number = number.replace('–', "-");
    (number.contains('-') && number.len() >= 3 && number.len() <= 14).then_some(number)
}

/// Reads the state above or before "(State or other jurisdiction of incorporation)".
fn state_on_cover(cover: &[Element], index: usize, lower: &str) -> Option<String> {
    let at = ["state or other jurisdiction", "state of incorporation", "state or jurisdiction"]
        .iter()
        .find_map(|words| find(lower, words))?;
    let before =
        cover.get(index.wrapping_sub(1)).map_or(String::new(), |element| element.text.to_ascii_lowercase());
    [&lower[..at], before.as_str()].iter().find_map(|text| {
        let state = |(name, code): &(&str, &str)| {
            let place = find(text, name)?;
            let is_word = !text[..place].ends_with(char::is_alphabetic)
                && !text[place + name.len()..].starts_with(char::is_alphabetic);
            is_word.then(|| code.to_string())
        };
        STATES.iter().find_map(state)
    })
}

/// States of the United States with their codes, those first whose name ends in another's.
pub const STATES: [(&str, &str); 51] = [
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
