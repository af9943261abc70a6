//! Forms, containers and encodings, and what is made of a section once it is found.

use super::*;

#[test]
fn each_form_answers_with_its_own_items() {
    let all: Vec<Section> = Section::all().collect();
    for form in [FormKind::Annual, FormKind::Quarterly] {
        let own: Vec<Section> = Section::of_form(form).collect();
        let answers: Vec<Section> = Section::answering(&all, form).into_iter().map(|(own, _)| own).collect();
        assert_eq!(answers, own);
    }
    let ask = |asked: &[&str], form| -> Vec<(String, String)> {
        let asked: Vec<Section> = asked.iter().map(|name| name.parse().unwrap()).collect();
        let answers = Section::answering(&asked, form);
        answers.into_iter().map(|(own, asked)| (own.identifier(), asked.identifier())).collect()
    };
    let pair = |own: &str, asked: &str| (own.to_string(), asked.to_string());
    assert_eq!(
        ask(&["7", "1A"], FormKind::Quarterly),
        [pair("part1item2", "part2item7"), pair("part2item1a", "part1item1a")]
    );
    assert_eq!(ask(&["7", "part1item2"], FormKind::Quarterly), [pair("part1item2", "part1item2")]);
    assert_eq!(ask(&["1B"], FormKind::Quarterly), []);
}

#[test]
fn risk_factors_inside_of_an_older_report_are_no_item() {
    let document = html(&[
        "<p><b>Item 1. Business</b></p>",
        BUSINESS,
        "<p><b>RISK FACTORS</b></p>",
        RISK,
        "<p><b>Item 2. Properties</b></p>",
        PROPERTIES,
    ])
    .replace("2019", "1998");
    assert_eq!(risk_factors(&document).status(), Status::Absent);
}

#[test]
fn item_1a_of_an_older_report_may_be_about_its_officers() {
    let document = |heading: &str| {
        html(&[
            "<p><b>Item 1. Business</b></p>",
            BUSINESS,
            heading,
            RISK,
            "<p><b>Item 2. Properties</b></p>",
            PROPERTIES,
        ])
        .replace("2019", "1995")
    };
    let officers = document("<p><b>ITEM 1A. EXECUTIVE OFFICERS OF THE REGISTRANT</b></p>");
    assert_eq!(risk_factors(&officers).status(), Status::Absent);
    assert_eq!(risk_factors(&document("<p><b>Item 1A. Risk Factors</b></p>")).status(), Status::Found);
}

#[test]
fn a_combined_heading_has_the_items_that_it_names() {
    let status = |heading: &str, item: Section| {
        let heading = format!("<p><b>{heading}</b></p>");
        let document =
            html(&[&heading, BUSINESS, PROPERTIES, "<p><b>Item 9A. Controls and Procedures</b></p>", RISK]);
        extract(&parse(document.as_bytes()).unwrap(), item).status()
    };
    let item = |name: &str| Section::all().find(|section| section.identifier() == name).unwrap();
    for (heading, name, expected) in [
        ("Items 1 and 2. Business and Properties", "part1item1", Status::Found),
        ("Items 1 and 2. Business and Properties", "part1item1a", Status::Absent),
        ("Items 1 and 2. Business and Properties", "part1item2", Status::Found),
        ("Items 1., 1A. and 2. Business, Risk Factors and Properties", "part1item1a", Status::Found),
        ("Items 1, 6 and 7. Business; Selected Financial Data; Discussion", "part1item3", Status::Absent),
        ("Items 1, 6 and 7. Business; Selected Financial Data; Discussion", "part2item6", Status::Found),
        ("Items 7 through 8. Discussion and Statements", "part2item7a", Status::Found),
    ] {
        assert_eq!(status(heading, item(name)), expected, "{heading}: {name}");
    }
}

#[test]
fn a_quarterly_report_answers_with_item_1a_of_part_two() {
    let document = format!(
        "<html><body><p>FORM 10-Q</p><p>For the quarterly period ended June 30, 2019</p><p>PART I. FINANCIAL INFORMATION</p>\
         <p>Item 1. Financial Statements</p>{BUSINESS}<p>Item 2. Management's Discussion and Analysis</p>{PROPERTIES}\
         <p>PART II. OTHER INFORMATION</p><p>Item 1. Legal Proceedings</p><p>None.</p><p>Item 1A. Risk Factors</p>{RISK}\
         <p>Item 2. Unregistered Sales of Equity Securities</p><p>None.</p><p>Item 6. Exhibits</p>{BUSINESS}</body></html>"
    );
    let extracted = risk_factors(&document);
    assert_eq!(extracted.section().identifier(), "part2item1a");
    assert!(
        extracted.text().starts_with("Our lamps") && extracted.text().ends_with("again."),
        "{}",
        extracted.text()
    );
    let parsed = parse(document.as_bytes()).unwrap();
    let statements = extract(&parsed, "part1item1".parse().unwrap());
    assert!(statements.text().starts_with("We make lamps"), "{}", statements.text());
}

#[test]
fn hidden_facts_are_not_read_and_continued_facts_are() {
    check(&[
        "<div style='display:none'><ix:header><ix:hidden><p>Item 1A. Risk Factors</p><p>hidden</p></ix:hidden></ix:header></div>",
        "<p><b>Item 1. Business</b></p>",
        BUSINESS,
        "<p><b>Item 1A. Risk Factors</b></p><table><tr><td style='display:none'/></tr></table>",
        "<ix:nonNumeric name='x:y' continuedAt='z'><p>Our lamps may fail when they are needed most,</p></ix:nonNumeric>",
        "<ix:continuation id='z'><p>and nobody would then buy another lamp from us again.</p></ix:continuation>",
        "<p><b>Item 2. Properties</b></p>",
        PROPERTIES,
    ]);
}

fn submission(main_type: &str, main: &str) -> String {
    format!(
        "<SEC-DOCUMENT>0000000001-20-000001.txt : 20200301\n<SEC-HEADER>0000000001-20-000001.hdr.sgml : 20200301\n\
         ACCESSION NUMBER:\t\t0000000001-20-000001\nCONFORMED SUBMISSION TYPE:\t10-K\nCONFORMED PERIOD OF REPORT:\t20191231\n\
         FILED AS OF DATE:\t\t20200301\nFILER:\n\tCOMPANY DATA:\n\t\tCOMPANY CONFORMED NAME:\t\tNIGHT LAMPS INC\n\
         \t\tCENTRAL INDEX KEY:\t\t0000000001\n\t\tSTANDARD INDUSTRIAL CLASSIFICATION:\tLAMPS [3640]\n</SEC-HEADER>\n\
         <DOCUMENT>\n<TYPE>EX-99\n<SEQUENCE>2\n<TEXT>\n<html><p>Item 1A. Risk Factors</p><p>of the exhibit</p></html>\n</TEXT>\n</DOCUMENT>\n\
         <DOCUMENT>\n<TYPE>{main_type}\n<SEQUENCE>1\n<TEXT>\n{main}\n</TEXT>\n</DOCUMENT>\n\
         <DOCUMENT>\n<TYPE>GRAPHIC\n<SEQUENCE>3\n<TEXT>\nbegin 644 a.jpg\nM1234\nend\n</TEXT>\n</DOCUMENT>\n"
    )
}

#[test]
fn of_a_submission_the_main_document_is_read() {
    let main = html(&[
        "<p>Item 1. Business</p>",
        BUSINESS,
        "<p>Item 1A. Risk Factors</p>",
        RISK,
        "<p>Item 2. Properties</p>",
        PROPERTIES,
    ]);
    let document = submission("10-K", &main);
    let parsed = parse(document.as_bytes()).unwrap();
    let extracted = extract(&parsed, Section::RISK_FACTORS);
    assert!(extracted.text().starts_with("Our lamps") && extracted.text().ends_with("again."));
    let span = extracted.span().unwrap();
    assert!(document[span.start as usize..span.end as usize].starts_with("Our lamps"));
    assert_eq!(parsed.facts().accession_number.as_deref(), Some("0000000001-20-000001"));
    assert_eq!(parsed.facts().company_name.as_deref(), Some("NIGHT LAMPS INC"));
    assert_eq!(parsed.facts().sic_code.as_deref(), Some("3640"));
    let error = parse(submission("8-K", &main).as_bytes()).unwrap_err();
    assert_eq!(error.message(), "the submission has no main document: found EX-99, 8-K, GRAPHIC");
    let unclosed = document.replace("</TEXT>\n</DOCUMENT>\n", "");
    let extracted = risk_factors(&unclosed);
    assert!(extracted.text().starts_with("Our lamps") && extracted.text().ends_with("again."));
}

#[test]
fn plain_text_has_pages_wrapped_lines_and_divided_words() {
    let main = "                             FORM 10-K\n\n<TABLE>\n<S>                <C>\nItem 1.  Business ............ 3\nItem 1A. Risk Factors ........ 9\n\
        Item 2.  Properties .......... 14\nItem 3.  Legal Proceedings ... 15\n</TABLE>\n\n<PAGE>\n\nITEM 1.  BUSINESS\n\n     We make lamps.\n\n\
        ITEM 1A.  RISK FACTORS\n---------------------\n\n     Our lamps may fail when they are needed most, and our reputa-\ntion would suf-\n\
        fer for it. Our reputation is long-\nlived, and\n\n                                   12\n<PAGE>\n\n\
        we would suffer long.\n\nITEM 2.  PROPERTIES\n\n     We own a shed.\n\nITEM 3.  LEGAL PROCEEDINGS\n\n     None.\n";
    let document = submission("10-K", main);
    let cleaned = clean(&risk_factors(&document));
    assert_eq!(
        cleaned.text(),
        "Our lamps may fail when they are needed most, and our reputation would suffer for it. Our reputation is long-lived, and we \
         would suffer long."
    );
    assert_eq!(cleaned.cleaning().hyphenated_words_joined, 3);
    assert_eq!(cleaned.cleaning().paragraphs_rejoined, 1);
}

#[test]
fn windows_1252_is_read_and_spans_stay_in_the_file() {
    let document = html(&[
        "<p>Item 1. Business</p>",
        BUSINESS,
        "<p>Item 1A. Risk Factors</p><p>Na\u{ef}ve lamps</p>",
        RISK,
        "<p>Item 2. Properties</p>",
        PROPERTIES,
    ]);
    let bytes = encoding_rs::WINDOWS_1252.encode(&document).0.into_owned();
    assert!(std::str::from_utf8(&bytes).is_err());
    let extracted = extract(&parse(&bytes).unwrap(), Section::RISK_FACTORS);
    assert!(extracted.text().starts_with("Na\u{ef}ve lamps"));
    let span = extracted.span().unwrap();
    assert!(
        bytes[span.start as usize..].starts_with(b"Na\xefve lamps")
            && bytes[..span.end as usize].ends_with(b"again.")
    );
}

#[test]
fn each_marked_risk_is_a_segment_under_its_category() {
    let risk = |title: &str, words: usize| {
        let text = "The night is long and lamps are few. ".repeat(words / 8 + 1);
        format!("<p><b><i>{title}</i></b></p><p>{text}</p>")
    };
    let document = html(&[
        "<p><b>Item 1. Business</b></p>",
        BUSINESS,
        "<p><b>Item 1A. Risk Factors</b></p><p>These are the risks that we know of, and there may be others that we have not yet thought of at all.</p>",
        "<p><b><u>Risks Related to Lamps</u></b></p>",
        &risk("Our lamps may fail.", 40),
        &risk("Our lamps may burn a house down.", 900),
        "<p><b><u>Risks Related to the Night</u></b></p>",
        &risk("The night may end.", 60),
        "<p><b>Item 2. Properties</b></p>",
        PROPERTIES,
    ]);
    let segmented = segment(&clean(&risk_factors(&document)));
    let seen: Vec<_> = segmented
        .segments()
        .iter()
        .map(|one| (one.chunk_id.as_str(), one.parent_subsection.as_deref(), one.title.as_deref(), one.part))
        .collect();
    let (lamps, night) = (Some("Risks Related to Lamps"), Some("Risks Related to the Night"));
    assert_eq!(
        seen,
        [
            ("1A_001", None, None, [1, 1]),
            ("1A_002", lamps, Some("Our lamps may fail."), [1, 1]),
            ("1A_003", lamps, Some("Our lamps may burn a house down."), [1, 3]),
            ("1A_004", lamps, Some("Our lamps may burn a house down."), [2, 3]),
            ("1A_005", lamps, Some("Our lamps may burn a house down."), [3, 3]),
            ("1A_006", night, Some("The night may end."), [1, 1]),
        ]
    );
    for one in segmented.segments() {
        assert!((20..=380).contains(&one.word_count), "{one:?}");
        assert!(one.text.trim_end().ends_with('.'), "{one:?}");
    }
}

#[test]
fn sections_are_named_in_three_ways() {
    for name in ["1A", "1a", "item1a", "Item 1A", "part1item1a"] {
        assert_eq!(name.parse::<Section>().unwrap(), Section::RISK_FACTORS);
    }
    assert_eq!("II-1".parse::<Section>().unwrap().identifier(), "part2item1");
    let labels: std::collections::BTreeSet<String> =
        Section::of_form(FormKind::Quarterly).map(Section::label).collect();
    assert_eq!(labels.len(), Section::of_form(FormKind::Quarterly).count());
    assert_eq!("7".parse::<Section>().unwrap().identifier(), "part2item7");
    assert_eq!("part2item1a".parse::<Section>().unwrap().identifier(), "part2item1a");
    let error = "1Z".parse::<Section>().unwrap_err();
    assert!(error.hint_text().unwrap().contains("part1item1a"));
    assert_eq!(Section::all().count(), 28);
}

/// Checks the text of Item 1A in plain text, given what stands between Item 1 and Item 2.
#[track_caller]
fn check_plain(middle: &str, text: &str) {
    let main = format!(
        "FORM 10-K\n\nITEM 1. BUSINESS\n\n     We make lamps.\n\n{middle}\nITEM 2. PROPERTIES\n\n     We own a shed.\n\n\
         ITEM 3. LEGAL PROCEEDINGS\n\n     None.\n"
    );
    let cleaned = clean(&risk_factors(&submission("10-K", &main)));
    assert_eq!(cleaned.text(), text, "{main}");
}

#[test]
fn a_line_of_a_sentence_may_begin_with_an_item() {
    check_plain(
        "     What we say of the future is subject to the risks that are described in\nItem 1A. Risk Factors, and to others, which \
         may change.\n\nItem 1A. Risk Factors\n\n     Our lamps may fail.\n",
        "Our lamps may fail.",
    );
}

#[test]
fn a_heading_in_plain_text_needs_no_empty_line_below() {
    check_plain("ITEM 1A. RISK FACTORS\nLamps Fail\nOur lamps may fail.\n", "Lamps Fail Our lamps may fail.");
    check_plain("ITEM 1A.\nRISK FACTORS\n\nOur lamps may fail.\n", "Our lamps may fail.");
    check_plain("ITEM 1A. RISK FACTORS\nAND UNCERTAINTIES\n\nOur lamps may fail.\n", "Our lamps may fail.");
    check_plain(
        "ITEM 1A. RISK FACTORS\n=====================\nOur lamps may fail.\n\n12\n<PAGE>\nITEM 1A. RISK FACTORS (continued)\nOur \
         lamps may burn.\n\n13\n<PAGE>\nPART I, ITEM 1A\nOur lamps may break.\n",
        "Our lamps may fail.\n\nOur lamps may burn.\n\nOur lamps may break.",
    );
}

#[test]
fn a_hidden_paragraph_ends_where_the_next_block_begins() {
    check(&[
        "<p>Item 1. Business</p>",
        BUSINESS,
        "<p style='display:none'>nobody reads this<p>Item 1A. Risk Factors</p>",
        RISK,
        "<p>Item 2. Properties</p>",
        PROPERTIES,
    ]);
}

/// Checks the company's name on a cover page, given what stands below the boxes for the kind of report.
#[track_caller]
fn check_name(cover: &str, name: Option<&str>) {
    let document = format!(
        "<html><body><p>FORM 10-K</p><p>\u{fd} ANNUAL REPORT PURSUANT TO SECTION 13 OR 15(d)</p><p>For the fiscal year ended \
         December 31, 2015</p><p>\u{a8} TRANSITION REPORT PURSUANT TO SECTION 13 OR 15(d)</p><p>For the transition period from to \
         .</p>{cover}<p>Item 1. Business</p>{BUSINESS}</body></html>"
    );
    let parsed = parse(document.as_bytes()).unwrap();
    assert_eq!(parsed.facts().company_name.as_deref(), name, "{document}");
}

#[test]
fn the_company_is_named_above_or_below_its_caption_and_never_by_a_box_of_the_form() {
    check_name(
        "<p>NIGHT LAMPS, INC.</p><p>(Exact name of registrant as specified in its charter)</p>",
        Some("NIGHT LAMPS, INC."),
    );
    check_name(
        "<table><tr><td>State of<br>Incorporation</td><td>Exact Name of Registrant as specified in its Charter</td><td>Commission<br>\
         File Number</td><td>IRS Employer<br>No.</td></tr><tr><td>Delaware</td><td>Night Lamps Inc.</td><td>001-37580</td><td>\
         61-1767919</td></tr><tr><td>Delaware</td><td>Day Lamps Inc.</td><td>001-36380</td><td>77-0493581</td></tr></table>",
        Some("Night Lamps Inc."),
    );
    check_name(
        "<table><tr><td>Delaware</td><td>Night Lamps Inc.</td><td>61-1767919</td></tr><tr><td>(State of incorporation)</td><td>(Exact \
         name of registrant as specified in its charter)</td><td>(IRS Employer No.)</td></tr><tr><td>1 Dark Lane</td><td>Lampton</td>\
         <td>98001</td></tr></table>",
        Some("Night Lamps Inc."),
    );
    check_name(
        "<p><img src='logo.jpg'></p><p>(Exact name of registrant as specified in its charter)</p>",
        None,
    );
}
