//! Tests of what real filings do to those who look for Item 1A: one small document of our own for each trap.

use super::{Extracted, FormKind, Section, Status, clean, extract, parse, segment};

const COVER: &str = "<p>FORM 10-K</p><p>ANNUAL REPORT</p><p>For the fiscal year ended December 31, 2019</p>";
const BUSINESS: &str =
    "<p>We make lamps and sell them to people who read at night, in every town that has a night.</p>";
const RISK: &str = "<p>Our lamps may fail when they are needed most, and nobody would then buy another lamp from us again.</p>";
const PROPERTIES: &str =
    "<p>We own a shed by the river and rent a desk in the town hall, which is enough for what we do.</p>";

mod documents;
mod headings;
mod lists;

fn html(parts: &[&str]) -> String {
    format!("<html><body>{COVER}{}</body></html>", parts.concat())
}

fn risk_factors(document: &str) -> Extracted {
    extract(&parse(document.as_bytes()).unwrap(), Section::RISK_FACTORS)
}

/// Checks that the text of Item 1A is the risk and nothing else.
#[track_caller]
fn check(parts: &[&str]) {
    let document = html(parts);
    let extracted = risk_factors(&document);
    assert_eq!(extracted.status(), Status::Found, "{document}\n{extracted:?}");
    let text = extracted.text().split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(text, RISK.trim_start_matches("<p>").trim_end_matches("</p>"), "{document}");
}

#[track_caller]
fn check_heading(heading: &str) {
    check(&[
        "<p><b>Item 1. Business</b></p>",
        BUSINESS,
        heading,
        RISK,
        "<p><b>Item 2. Properties</b></p>",
        PROPERTIES,
    ]);
}
