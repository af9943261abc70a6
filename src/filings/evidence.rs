//! Tests of what an extraction says about itself: evidence, rivals, doubts and confidence.

use super::{Confidence, Extracted, Section, Status, extract, parse};

const COVER: &str = "<p>FORM 10-K</p><p>ANNUAL REPORT</p><p>For the fiscal year ended December 31, 2019</p>";
const TEXT: &str = "<p>Our lamps may fail when they are needed most, and nobody would then buy another lamp from us again.</p>";

fn risk_factors(parts: &[&str]) -> Extracted {
    let document = format!("<html><body>{COVER}{}</body></html>", parts.concat());
    extract(&parse(document.as_bytes()).unwrap(), Section::RISK_FACTORS)
}

/// Items 1, 1A, 1B, 2, 3 and 5 with headings of their own, without those that are left out.
fn body(left_out: &[&str]) -> String {
    let items = [
        ("1", "Business"),
        ("1A", "Risk Factors"),
        ("1B", "Unresolved Staff Comments"),
        ("2", "Properties"),
        ("3", "Legal Proceedings"),
        ("5", "Market for Registrant's Common Equity"),
        ("7", "Management's Discussion and Analysis"),
    ];
    let wanted = items.iter().filter(|(number, _)| !left_out.contains(number));
    wanted
        .map(|(number, title)| format!("<p id='i{number}'><b>Item {number}. {title}</b></p>{TEXT}"))
        .collect()
}

const CONTENTS: &str = "<p><a href='#i1'>Item 1. Business</a></p><p><a href='#i1A'>Item 1A. Risk Factors</a></p>\
    <p><a href='#i1B'>Item 1B. Unresolved Staff Comments</a></p><p><a href='#i2'>Item 2. Properties</a></p>\
    <p><a href='#i3'>Item 3. Legal Proceedings</a></p>";

#[test]
fn a_plain_report_is_sure_of_itself_and_names_the_line_of_its_contents_as_a_rival() {
    let extracted = risk_factors(&[CONTENTS, &body(&[])]);
    let extraction = extracted.extraction();
    assert_eq!(extracted.status(), Status::Found);
    assert!(!extraction.is_doubtful(), "{extraction:?}");
    assert!(extraction.confidence.unwrap() >= Confidence::percent(90), "{extraction:?}");
    for evidence in ["label and title", "emphasized", "target of a link"] {
        assert!(extraction.evidence.iter().any(|text| text == evidence), "{extraction:?}");
    }
    let rivals: Vec<_> =
        extraction.rivals.iter().map(|rival| (rival.text.as_str(), rival.reason.as_str())).collect();
    assert_eq!(rivals, [("Item 1A. Risk Factors", "a line of a table of contents")]);
}

#[test]
fn an_item_that_only_the_contents_name_is_absent_with_a_doubt() {
    let extracted = risk_factors(&[CONTENTS, &body(&["1A"])]);
    assert_eq!(extracted.status(), Status::Absent);
    assert_eq!(
        extracted.extraction().doubts,
        ["a table of contents names the item, but no heading was found"]
    );
    let silent = risk_factors(&[&body(&["1A"])]);
    assert_eq!(silent.extraction().doubts, ["reports of that year have the item"]);
}

#[test]
fn a_section_may_go_on_into_an_item_that_was_not_found() {
    let extracted = risk_factors(&[CONTENTS, &body(&["1B", "2"])]);
    let doubts = &extracted.extraction().doubts;
    assert_eq!(doubts, &["it may go on into part1item1b, part1item2, which was not found"]);
    assert!(extracted.extraction().confidence.unwrap() < Confidence::percent(90));
}

#[test]
fn a_link_that_leads_elsewhere_is_a_doubt() {
    let filler: String =
        (0..12).map(|at| format!("<p>Paragraph {at} of what we do, which is a lot.</p>")).collect();
    let body = body(&[]).replace("<p id='i1A'>", &format!("<p id='i1A'>Summary of risks.</p>{filler}<p>"));
    let extracted = risk_factors(&[CONTENTS, &body]);
    assert_eq!(extracted.status(), Status::Found);
    assert_eq!(extracted.extraction().doubts, ["the table of contents links to another place"]);
}

#[test]
fn risk_factors_inside_of_item_7_of_an_older_report_are_no_item() {
    let document = format!(
        "<html><body>{}{}<p><b>RISK FACTORS</b></p>{TEXT}<p><b>Item 8. Financial Statements</b></p>{TEXT}</body></html>",
        COVER.replace("2019", "1998"),
        body(&["1A", "1B"])
    );
    let extracted = extract(&parse(document.as_bytes()).unwrap(), Section::RISK_FACTORS);
    assert_eq!((extracted.status(), extracted.extraction().is_doubtful()), (Status::Absent, false));
}

#[test]
fn a_stub_points_to_the_annual_report_and_a_smaller_company_says_nothing() {
    let with = |text: &str| {
        risk_factors(&[&body(&[])
            .replace(&format!("Risk Factors</b></p>{TEXT}"), &format!("Risk Factors</b></p><p>{text}</p>"))])
    };
    let stub = with(
        "The information required by this item is incorporated by reference to Exhibit 13, our annual report to shareholders.",
    );
    assert_eq!(stub.status(), Status::ByReference);
    assert!(stub.text().starts_with("The information required"));
    assert_eq!(with("Not applicable to smaller reporting companies.").status(), Status::NotRequired);
    assert_eq!(with("Not required for a smaller reporting company.").status(), Status::NotRequired);
}

#[test]
fn confidence_is_a_share_in_json() {
    assert_eq!(serde_json::to_string(&Confidence::percent(96)).unwrap(), "0.96");
    for percent in 0..=100 {
        let text = serde_json::to_string(&Confidence::percent(percent)).unwrap();
        assert_eq!(serde_json::from_str::<Confidence>(&text).unwrap(), Confidence::percent(percent));
    }
}
