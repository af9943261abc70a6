//! Items of Form 10-K and Form 10-Q: their identifiers, their titles, and which of them belong to which form.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::words::{ItemNumber, title_end};
use crate::error::Error;

/// Annual (10-K and its variants) or quarterly (10-Q).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FormKind {
    /// Form 10-K, 10-K405, 10-KSB, 10-KT.
    Annual,
    /// Form 10-Q, 10-QSB.
    Quarterly,
}

/// An item of Form 10-K or 10-Q.
///
/// `part1item1a` is Item 1A of Part I. The numbers of the two forms overlap: `part1item2` is "Properties" in Form 10-K and
/// "Management's Discussion" in Form 10-Q.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Section {
    part: u8,
    number: u8,
    letter: u8,
}

/// What is known of an item: forms, title, and the beginnings of the titles filers write (letters and digits only).
struct Known {
    section: Section,
    annual: Option<(&'static str, &'static [&'static str])>,
    quarterly: Option<(&'static str, &'static [&'static str])>,
}

const fn section(part: u8, number: u8, letter: u8) -> Section {
    Section { part, number, letter }
}

const fn annual(section: Section, title: &'static str, begins: &'static [&'static str]) -> Known {
    Known { section, annual: Some((title, begins)), quarterly: None }
}

const fn both(
    section: Section,
    annual: (&'static str, &'static [&'static str]),
    quarterly: (&'static str, &'static [&'static str]),
) -> Known {
    Known { section, annual: Some(annual), quarterly: Some(quarterly) }
}

const fn quarterly(section: Section, title: &'static str, begins: &'static [&'static str]) -> Known {
    Known { section, annual: None, quarterly: Some((title, begins)) }
}

const MDA: &str = "Management's Discussion and Analysis of Financial Condition and Results of Operations";
const MARKET_RISK: &str = "Quantitative and Qualitative Disclosures About Market Risk";
const STATEMENTS: &[&str] = &[
    "financialstatement",
    "consolidatedfinancial",
    "consolidatedstatement",
    "condensed",
    "unaudited",
    "interim",
    "indextofinancial",
];

/// The items in the order of the forms: General Instructions and captions of Form 10-K and Form 10-Q (SEC 1673, SEC 1296),
/// with the captions in force since 1993.
const KNOWN: [Known; 28] = [
    both(
        section(1, 1, 0),
        (
            "Business",
            &[
                "business",
                "descriptionofbusiness",
                "generaldevelopment",
                "descriptionofthebusiness",
                "ourbusiness",
                "general",
            ],
        ),
        ("Financial Statements", STATEMENTS),
    ),
    annual(
        section(1, 1, b'A'),
        "Risk Factors",
        &["riskfactor", "certainriskfactor", "riskfactorsand", "factorsthatmay", "riskand", "risksrelat"],
    ),
    annual(
        section(1, 1, b'B'),
        "Unresolved Staff Comments",
        &["unresolvedstaff", "unresolvedsecstaff", "unresolvedcomments"],
    ),
    annual(section(1, 1, b'C'), "Cybersecurity", &["cybersecurity", "cyberrisk"]),
    both(
        section(1, 2, 0),
        ("Properties", &["propert", "descriptionofpropert", "realestate"]),
        (
            MDA,
            &[
                "managementsdiscussion",
                "managementdiscussion",
                "managementsanalysis",
                "discussionandanalysis",
                "managements",
                "planofoperation",
            ],
        ),
    ),
    both(
        section(1, 3, 0),
        ("Legal Proceedings", &["legalproceeding", "legalmatters", "litigation"]),
        (
            MARKET_RISK,
            &["quantitativeandqualitative", "qualitativeandquantitative", "quantitative", "marketrisk"],
        ),
    ),
    both(
        section(1, 4, 0),
        (
            "Mine Safety Disclosures",
            &["minesafety", "submissionofmatter", "reserved", "removedandreserved", "submission"],
        ),
        ("Controls and Procedures", &["controlsandprocedures", "disclosurecontrols", "controls"]),
    ),
    quarterly(section(2, 1, 0), "Legal Proceedings", &["legalproceeding", "legalmatters", "litigation"]),
    quarterly(section(2, 1, b'A'), "Risk Factors", &["riskfactor"]),
    quarterly(
        section(2, 2, 0),
        "Unregistered Sales of Equity Securities and Use of Proceeds",
        &[
            "unregisteredsale",
            "changesinsecurities",
            "changesinsecurity",
            "issuerpurchase",
            "salesofunregistered",
            "purchasesofequity",
            "recentsales",
        ],
    ),
    quarterly(section(2, 3, 0), "Defaults Upon Senior Securities", &["default"]),
    quarterly(
        section(2, 4, 0),
        "Mine Safety Disclosures",
        &["minesafety", "submissionofmatter", "reserved", "removedandreserved"],
    ),
    both(
        section(2, 5, 0),
        (
            "Market for Registrant's Common Equity, Related Stockholder Matters and Issuer Purchases of Equity Securities",
            &["market"],
        ),
        ("Other Information", &["otherinformation", "otherevents", "othermatters"]),
    ),
    both(
        section(2, 6, 0),
        ("[Reserved]", &["selected", "reserved", "removedandreserved", "consolidatedselected", "fiveyear"]),
        ("Exhibits", &["exhibit"]),
    ),
    annual(
        section(2, 7, 0),
        MDA,
        &[
            "managementsdiscussion",
            "managementdiscussion",
            "managementsanalysis",
            "discussionandanalysis",
            "managements",
            "planofoperation",
        ],
    ),
    annual(
        section(2, 7, b'A'),
        MARKET_RISK,
        &[
            "quantitativeandqualitative",
            "qualitativeandquantitative",
            "quantitative",
            "qualitative",
            "marketrisk",
            "disclosuresaboutmarket",
        ],
    ),
    annual(
        section(2, 8, 0),
        "Financial Statements and Supplementary Data",
        &[
            "financialstatement",
            "consolidatedfinancial",
            "consolidatedstatement",
            "financialinformation",
            "indextofinancial",
        ],
    ),
    annual(
        section(2, 9, 0),
        "Changes in and Disagreements With Accountants on Accounting and Financial Disclosure",
        &["changesin", "disagreement", "changeinand", "changeinaccountant"],
    ),
    annual(
        section(2, 9, b'A'),
        "Controls and Procedures",
        &["controlsandprocedures", "controlandprocedures", "disclosurecontrols", "evaluationofdisclosure"],
    ),
    annual(section(2, 9, b'B'), "Other Information", &["otherinformation"]),
    annual(
        section(2, 9, b'C'),
        "Disclosure Regarding Foreign Jurisdictions that Prevent Inspections",
        &["disclosureregarding", "disclosuresregarding"],
    ),
    annual(
        section(3, 10, 0),
        "Directors, Executive Officers and Corporate Governance",
        &["director", "executiveofficer"],
    ),
    annual(
        section(3, 11, 0),
        "Executive Compensation",
        &["executivecompensation", "managementremuneration", "remuneration"],
    ),
    annual(
        section(3, 12, 0),
        "Security Ownership of Certain Beneficial Owners and Management and Related Stockholder Matters",
        &["securityownership", "ownershipofsecurit"],
    ),
    annual(
        section(3, 13, 0),
        "Certain Relationships and Related Transactions, and Director Independence",
        &["certainrelationship", "certaintransaction", "relationships"],
    ),
    annual(
        section(3, 14, 0),
        "Principal Accountant Fees and Services",
        &["principalaccount", "exhibit", "controlsandprocedures", "independentauditor"],
    ),
    annual(
        section(4, 15, 0),
        "Exhibits and Financial Statement Schedules",
        &["exhibit", "financialstatement", "principalaccount", "schedules"],
    ),
    annual(
        section(4, 16, 0),
        "Form 10-K Summary",
        &["form10ksummary", "summary", "exhibit", "principalaccount"],
    ),
];

impl Section {
    /// Item 1A, Risk Factors: Part I of Form 10-K. In a Form 10-Q it stands for Item 1A of Part II.
    pub const RISK_FACTORS: Section = section(1, 1, b'A');

    /// Iterates over all items of both forms in their order.
    pub fn all() -> impl Iterator<Item = Section> {
        KNOWN.iter().map(|known| known.section)
    }

    /// Returns the identifier, such as `part1item1a`.
    pub fn identifier(self) -> String {
        self.to_string()
    }

    /// Iterates over the items of one form in their order.
    pub fn of_form(form: FormKind) -> impl Iterator<Item = Section> {
        Section::all().filter(move |section| section.title(form).is_some())
    }

    /// Returns the item's short name, such as `1A`: what begins a segment's `chunk_id`.
    ///
    /// Items 1 to 4 of Part II of Form 10-Q share their numbers with those of Part I: they are `II-1` to `II-4`.
    pub fn label(self) -> String {
        let is_shared = self.part == 2 && self.number <= 4 && self.letter == 0;
        let mut label = if is_shared { "II-".to_string() } else { String::new() };
        label.push_str(&self.number.to_string());
        if self.letter != 0 {
            label.push(char::from(self.letter));
        }
        label
    }

    /// Returns the number of the part, 1 to 4.
    pub fn part(self) -> u8 {
        self.part
    }

    /// Returns the number and letter.
    pub(super) fn item(self) -> ItemNumber {
        ItemNumber { number: self.number, letter: self.letter }
    }

    /// Returns the caption of the item in the form; `None` where the form has no such item.
    pub fn title(self, form: FormKind) -> Option<&'static str> {
        self.captions(form).map(|(title, _)| title)
    }

    fn captions(self, form: FormKind) -> Option<(&'static str, &'static [&'static str])> {
        let known = KNOWN.iter().find(|known| known.section == self)?;
        match form {
            FormKind::Annual => known.annual,
            FormKind::Quarterly => known.quarterly,
        }
    }

    /// Returns the item of `form` that this one asks for: itself where the form has it, else the one on the same subject.
    ///
    /// Form 10-Q has no `part1item1a`; asked for it, its `part2item1a` answers.
    pub fn in_form(self, form: FormKind) -> Option<Section> {
        if self.title(form).is_some() {
            return Some(self);
        }
        let other = match form {
            FormKind::Annual => FormKind::Quarterly,
            FormKind::Quarterly => FormKind::Annual,
        };
        let title = self.title(other)?;
        Section::all().find(|section| section.title(form) == Some(title))
    }

    /// Returns the items of `form` that answer to `asked`, in the order of the form, each once, with the one that was asked
    /// for: itself where it was named, else the first on the same subject. What the form has no item for is left out.
    pub fn answering(asked: &[Section], form: FormKind) -> Vec<(Section, Section)> {
        let answers = |own: Section| {
            let named = asked.iter().find(|asked| **asked == own);
            named.or_else(|| asked.iter().find(|asked| asked.in_form(form) == Some(own))).copied()
        };
        Section::of_form(form).filter_map(|own| Some((own, answers(own)?))).collect()
    }

    /// Tells whether this is Item 1A, Risk Factors, of either form.
    pub fn is_risk_factors(self) -> bool {
        self.item() == Section::RISK_FACTORS.item()
    }

    /// Iterates over the items of `form` that bear this number.
    pub(super) fn numbered(form: FormKind, item: ItemNumber) -> impl Iterator<Item = Section> {
        Section::all().filter(move |section| {
            section.number == item.number && section.letter == item.letter && section.title(form).is_some()
        })
    }

    /// Returns where the title at the beginning of `text` ends, where it is one that filers give this item.
    pub(super) fn title_end(self, form: FormKind, text: &str) -> Option<usize> {
        let (caption, begins) = self.captions(form)?;
        title_end(text, caption).or_else(|| begins.iter().find_map(|begin| title_end(text, begin)))
    }

    /// Returns a number that grows in the order of the form.
    pub(super) fn rank(self, form: FormKind) -> u32 {
        let letter = if self.letter == 0 { 0 } else { u32::from(self.letter - b'A') + 1 };
        let item = u32::from(self.number) * 8 + letter;
        match form {
            // Filers put items under the wrong part now and then; in an annual report the number alone gives the order.
            FormKind::Annual => 1000 + item,
            FormKind::Quarterly => 1000 * u32::from(self.part) + item,
        }
    }
}

/// Letters and digits in lower case.
fn key_of(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "part{}item{}", self.part, self.number)?;
        if self.letter != 0 {
            write!(f, "{}", char::from(self.letter.to_ascii_lowercase()))?;
        }
        Ok(())
    }
}

impl From<Section> for String {
    fn from(section: Section) -> Self {
        section.to_string()
    }
}

impl TryFrom<String> for Section {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl FromStr for Section {
    type Err = Error;

    /// Reads `1A`, `item1a`, `Item 1A`, `II-1` or `part1item1a`. Without a part, the item of Form 10-K is meant.
    fn from_str(text: &str) -> Result<Self, Error> {
        let key = key_of(text);
        let found = Section::all().find(|section| {
            let identifier = section.identifier();
            let label = key_of(&section.label());
            let is_annual = section.title(FormKind::Annual).is_some();
            let is_short = key == label || key == format!("item{label}");
            key == identifier || (is_short && (is_annual || label.starts_with('i')))
        });
        found.ok_or_else(|| {
            let known: Vec<String> = Section::all().map(Section::identifier).collect();
            Error::request(format!("unknown section `{text}`"))
                .hint(format!("known are {}, or short: 1A, 7, 9A", known.join(", ")))
        })
    }
}
