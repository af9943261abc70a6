//! Tests of what real filings do to those who look for Item 1A: one small document of our own for each trap.

use super::{Extracted, FormKind, Section, Status, clean, extract, parse, segment};

const COVER: &str = "<p>FORM 10-K</p><p>ANNUAL REPORT</p><p>For the fiscal year ended December 31, 2019</p>";
const BUSINESS: &str =
    "<p>We make lamps and sell them to people who read at night, in every town that has a night.</p>";
const RISK: &str = "<p>Our lamps may fail when they are needed most, and nobody would then buy another lamp from us again.</p>";
const PROPERTIES: &str =
    "<p>We own a shed by the river and rent a desk in the town hall, which is enough for what we do.</p>";

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

#[test]
fn a_heading_may_be_written_in_many_ways() {
    check_heading("<p><b>Item 1A. Risk Factors</b></p>");
    check_heading("<p>ITEM 1A RISK FACTORS</p>");
    check_heading("<p>Item 1A - Risk Factors</p>");
    check_heading("<p>Item 1A \u{2014} Risk Factors</p>");
    check_heading("<p>Item 1A \u{2013} Risk Factors</p>");
    check_heading("<p>Item 1A: Risk Factors</p>");
    check_heading("<p>ITEM 1(A). RISK FACTORS</p>");
    check_heading("<p>Item 1a. Risk factors.</p>");
    check_heading("<p><b>1A. Risk Factors</b></p>");
    check_heading("<p>ITEM IA. RISK FACTORS</p>");
    check_heading("<p>PART I, Item 1A. Risk Factors</p>");
    check_heading("<p>Item 1A.</p><p>Risk Factors</p>");
    check_heading("<p>ITEM 1A.<br>RISK FACTORS</p>");
    check_heading("<p>RISK FACTORS</p>");
    check_heading("<table><tr><td><span>Item 1A</span><span>RISK FACTORS</span></td></tr></table>");
    check_heading("<p>Item 1ARisk Factors</p>");
}

#[test]
fn a_heading_may_be_split_over_tags_cells_and_odd_spaces() {
    check_heading(
        "<p><font>I</font><font>tem</font>&nbsp;&#160;<b>1</b><b>A.</b>&nbsp;R<i>isk</i> Factors</p>",
    );
    check_heading("<table><tr><td>Item 1A.</td><td>&nbsp;</td><td>Risk Factors</td></tr></table>");
    check_heading("<p>Item\u{200b} 1A.\u{feff} Risk\u{ad} Factors</p>");
    check_heading("<div>Item&#8203; 1A&#46;&ensp;Risk&thinsp;Factors</div>");
    check_heading("<p>I T E M 1A. RISK FACTORS</p>");
}

#[test]
fn a_table_of_contents_is_no_heading() {
    let with_pages = "<table><tr><td>Item 1.</td><td>Business</td><td>3</td></tr><tr><td>Item 1A.</td><td>Risk Factors</td><td>9</td></tr>\
        <tr><td>Item 2.</td><td>Properties</td><td>14</td></tr></table>";
    let linked = "<p><a href='#b'>Item 1. Business</a></p><p><a href='#r'>Item 1A. Risk Factors</a></p><p><a href='#p'>Item 2. \
        Properties</a></p>";
    let bare = "<p>Item 1. Business</p><p>Item 1A. Risk Factors</p><p>Item 2. Properties</p><p>Item 3. Legal Proceedings</p>";
    let broken = "<p>Item 1. Business 3<br>Item 1A. Risk Factors 9<br>Item 2. Properties 14</p>";
    let dotted = "<p>Item 1. Business ..... 3</p><p>Item 1A. Risk Factors ..... 9</p><p>Item 2. Properties ..... 14</p>";
    let apart = "<div>Item 1. Business</div><div>3</div><div>Item 1A. Risk Factors</div><div>9</div><div>Item 2. Properties</div>\
        <div>14</div><div>Item 3. Legal Proceedings</div><div>15</div>";
    for contents in [with_pages, linked, bare, broken, dotted, apart] {
        check(&[
            contents,
            "<p id='b'>Item 1. Business</p>",
            BUSINESS,
            "<p id='r'>Item 1A. Risk Factors</p>",
            RISK,
            "<p id='p'>Item 2. Properties</p>",
            PROPERTIES,
            "<p>Item 3. Legal Proceedings</p><p>There are no proceedings against us that we know of at the time of writing.</p>",
        ]);
    }
}

#[test]
fn a_mention_is_no_heading() {
    let mentions = "<p>Item 1A, \u{201c}Risk Factors,\u{201d} of this report says more about lamps that fail and what we do about them \
        when they do, as far as anything can be done about lamps that fail in the dark of the night.</p>\
        <p>See Item 1A. Risk Factors for more.</p>\
        <p>Item 1A. Risk Factors in this report describes what may go wrong with lamps, which is more than we can say here and \
        more than most people who read at night would ever care to know about the lamps they read by.</p>";
    check(&[
        "<p><b>Item 1. Business</b></p>",
        BUSINESS,
        mentions,
        "<p><b>Item 1A. Risk Factors</b></p>",
        RISK,
        "<p><b>Item 2. Properties</b></p>",
        PROPERTIES,
        mentions,
    ]);
}

#[test]
fn running_headers_and_page_numbers_are_no_text_and_no_headings() {
    let page = |number: usize, header: &str| format!("<p>{number}</p><hr><p>{header}</p>");
    let mut parts = vec!["<p><b>Item 1. Business</b></p>".to_string(), BUSINESS.to_string()];
    parts.push("<p>Item 1A. Risk Factors</p>".to_string());
    for number in 3..9 {
        parts.push(RISK.replace("needed most", ["here", "there", "old", "new", "on", "off"][number - 3]));
        parts.push(page(number, "<b>ITEM 1A. RISK FACTORS</b>"));
    }
    parts.extend(["<p><b>Item 2. Properties</b></p>".to_string(), PROPERTIES.to_string()]);
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let cleaned = clean(&risk_factors(&html(&parts)));
    assert_eq!(cleaned.text().matches("Our lamps may fail").count(), 6, "{}", cleaned.text());
    assert!(!cleaned.text().contains("ITEM 1A"), "{}", cleaned.text());
    assert!(!cleaned.text().contains('5'), "{}", cleaned.text());
    assert!(cleaned.cleaning().page_furniture_removed == 10, "{:?}", cleaned.cleaning());
}

#[test]
fn a_heading_may_begin_the_paragraph_of_its_text() {
    let inline = RISK.replace("<p>", "<p><b>Item 1A. Risk Factors.</b> ");
    check(&[
        "<p><b>Item 1. Business</b></p>",
        BUSINESS,
        &inline,
        "<p><b>Item 2. Properties.</b> We own a shed.</p>",
    ]);
    let plain = RISK.replace("<p>", "<p>Item 1A. Risk Factors. ");
    check(&["<p>Item 1. Business.</p>", BUSINESS, &plain, "<p>Item 2. Properties.</p>", PROPERTIES]);
}

#[test]
fn combined_items_are_taken_apart_where_the_text_does() {
    let extracted = risk_factors(&html(&[
        "<p><b>Items 1 and 1A. Business and Risk Factors</b></p>",
        BUSINESS,
        RISK,
        "<p><b>Item 2. Properties</b></p>",
        PROPERTIES,
    ]));
    assert!(extracted.text().contains("We make lamps") && extracted.text().ends_with("from us again."));
    check(&[
        "<p><b>Items 1 and 1A. Business and Risk Factors</b></p>",
        BUSINESS,
        "<p><b>Risk Factors</b></p>",
        RISK,
        "<p><b>Item 2. Properties</b></p>",
        PROPERTIES,
    ]);
    check(&[
        "<p><b>Item 1. Business</b></p>",
        BUSINESS,
        "<p><b>Items 1A and 1B. Risk Factors and Unresolved Staff Comments</b></p>",
        RISK,
        "<p><b>Item 2. Properties</b></p>",
        PROPERTIES,
    ]);
}

#[test]
fn an_item_out_of_order_ends_at_the_next_heading() {
    check(&[
        "<p><b>Item 1. Business</b></p>",
        BUSINESS,
        "<p><b>Item 2. Properties</b></p>",
        PROPERTIES,
        "<p><b>Item 3. Legal Proceedings</b></p>",
        BUSINESS,
        "<p><b>Item 1A. Risk Factors</b></p>",
        RISK,
        "<p><b>Item 4. Mine Safety Disclosures</b></p><p>We dig no mines, and none of our lamps is made for those who do.</p>",
    ]);
}

#[test]
fn an_index_at_the_end_names_what_stands_under_plain_titles() {
    let style = |text: &str| format!("<p><span style='font-size:14pt;color:#0068b5'>{text}</span></p>");
    let body = |text: &str| text.replace("<p>", "<p style='font-size:9pt'>");
    let index = "<p>Item 1. Business 3</p><p>Item 1A. Risk Factors Pages 9-12</p><p>Item 2. Properties 14</p><p>Item 3. Legal Proceedings 15</p>";
    check(&[
        &style("Our Company"),
        &body(BUSINESS),
        &style("Risk Factors"),
        &body(RISK),
        &style("Places"),
        &body(PROPERTIES),
        index,
    ]);
}

#[test]
fn an_index_gives_pages_answers_and_footnotes_for_items_without_headings() {
    let page = |number: usize, text: &str| {
        let body: String = (0..3)
            .map(|at| {
                format!(
                    "<p style='font-size:9pt'>{text} {}, as anybody can see who looks at it.</p>",
                    ["here", "there", "again"][at]
                )
            })
            .collect();
        format!("{body}<p>Lamps {number}</p><hr style='page-break-after:always'>")
    };
    let names = [
        "Who we are",
        "What we make",
        "What we own",
        "How it went",
        "What it cost",
        "More cost",
        "Accounts",
        "More accounts",
        "Notes",
        "End",
    ];
    let pages: String = names.iter().enumerate().map(|(at, name)| page(at + 3, name)).collect();
    let index = "<p>Item 1. Business 3-4</p><p>Item 1A. Risk Factors Not applicable</p><p>Item 1B. Unresolved Staff Comments None</p>\
        <p>Item 2. Properties 5</p><p>Item 3. Legal Proceedings 4, 8</p><p>Item 7. Management's Discussion and Analysis Pages 6-8</p>\
        <p>Item 8. Financial Statements 9-11</p><p>Item 11. Executive Compensation (a)</p>\
        <p>(a) Incorporated by reference to the proxy statement of next year.</p>";
    let document = html(&["<hr>", &pages, index]);
    let parsed = parse(document.as_bytes()).unwrap();
    let seen = |section: &str| {
        let extracted = extract(&parsed, section.parse().unwrap());
        let first: String = extracted.text().split_whitespace().take(3).collect::<Vec<_>>().join(" ");
        let mut names: Vec<&str> =
            names.into_iter().filter(|name| extracted.text().contains(&format!("{name} here"))).collect();
        names.retain(|name| extracted.text().lines().any(|line| line.starts_with(name)));
        (extracted.status(), first, names.len())
    };
    assert_eq!(seen("1"), (Status::Found, "Who we are".to_string(), 2));
    assert_eq!(seen("1A"), (Status::NotRequired, String::new(), 0));
    assert_eq!(seen("1B").0, Status::NotRequired);
    assert_eq!(seen("2"), (Status::Found, "What we own".to_string(), 1));
    assert_eq!(seen("3"), (Status::Found, "What we make".to_string(), 2));
    assert_eq!(seen("7"), (Status::Found, "How it went".to_string(), 3));
    assert_eq!(seen("8"), (Status::Found, "Accounts here, as".to_string(), 3));
    assert_eq!(seen("11").0, Status::ByReference);
    // Two stretches of one item lead back to their own bytes, without what lies between.
    let segmented = segment(&clean(&extract(&parsed, "3".parse().unwrap())));
    let spans: Vec<&str> = segmented
        .segments()
        .iter()
        .flat_map(|one| one.spans.iter().chain(one.spans.is_empty().then_some(&one.span)))
        .map(|span| &document[span.start as usize..span.end as usize])
        .collect();
    assert!(spans.iter().all(|bytes| !bytes.contains("What we own")), "{spans:?}");
}

#[test]
fn one_statement_answers_for_several_items() {
    let document = html(&[
        "<p><b>Item 1. Business</b></p>",
        BUSINESS,
        "<p><b>Item 2. Properties</b></p>",
        PROPERTIES,
        "<p>PART III</p>",
        "<p>The information called for by Items 10 through 13 and Item 14 is incorporated by reference to the proxy statement.</p>",
        "<p>PART IV</p><p><b>Item 15. Exhibits</b></p><p>None.</p>",
        "<p>Items 4, 5 and 6 are not applicable and have been omitted.</p>",
    ]);
    let parsed = parse(document.as_bytes()).unwrap();
    let status = |section: &str| extract(&parsed, section.parse().unwrap()).status();
    for section in ["10", "11", "12", "13", "14"] {
        assert_eq!(status(section), Status::ByReference, "{section}");
    }
    for section in ["4", "5", "6"] {
        assert_eq!(status(section), Status::NotRequired, "{section}");
    }
    assert_eq!((status("1"), status("3")), (Status::Found, Status::Absent));
}

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
fn pointers_and_statements_are_told_from_text() {
    let status = |body: &str| {
        let parts = [
            "<p><b>Item 1. Business</b></p>",
            BUSINESS,
            "<p><b>Item 1A. Risk Factors</b></p>",
            body,
            "<p><b>Item 2. Properties</b></p>",
            PROPERTIES,
        ];
        risk_factors(&html(&parts)).status()
    };
    assert_eq!(
        status(
            "<p>The information under \u{201c}Risk\u{201d} in our annual report to shareholders is incorporated by reference.</p>"
        ),
        Status::ByReference
    );
    assert_eq!(status("<p>Not applicable.</p>"), Status::NotRequired);
    assert_eq!(
        status("<p>As a smaller reporting company, we are not required to provide this information.</p>"),
        Status::NotRequired
    );
    assert_eq!(status(""), Status::Absent);
    assert_eq!(status(RISK), Status::Found);
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
