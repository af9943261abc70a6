//! Headings of items as filers set them.

use super::*;

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
    check_heading("<p>ITEM 1 A RISK FACTORS</p>");
    check_heading("<p>item 1 a. risk factors</p>");
    check_heading("<p>Item&nbsp1A.&NBSP;Risk&nbspFactors</p>");
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
fn a_page_header_right_above_the_heading_of_its_item_is_no_list_of_items() {
    let page = |header: &str, heading: &str, text: &str| {
        format!("<p>7</p><hr><p>PART I</p><p>{header}</p>{heading}{text}")
    };
    let heading = "<p>Item 1A. Risk factors</p>";
    let parts = [
        "<p><b>Item 1. Business</b></p>".to_string(),
        BUSINESS.to_string(),
        page("ITEM 1A. RISK FACTORS", heading, RISK),
        page("ITEM 1A. RISK FACTORS", "", &RISK.replace("lamps", "wicks")),
        page("ITEM 1A. RISK FACTORS", "", &RISK.replace("lamps", "shades")),
        "<p><b>Item 2. Properties</b></p>".to_string(),
        PROPERTIES.to_string(),
    ];
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let extracted = risk_factors(&html(&parts));
    assert!(extracted.text().starts_with("Our lamps may fail"), "{}", extracted.text());
    let cleaned = clean(&extracted);
    assert!(cleaned.text().contains("Our wicks may fail") && cleaned.text().contains("Our shades may fail"));
    assert!(!cleaned.text().to_lowercase().contains("item 1a"), "{}", cleaned.text());
}

#[test]
fn a_typewriter_may_have_no_digit_one() {
    for heading in ["ITEM I. - BUSINESS", "Item l. BUSINESS.", "Item I.  BUSINESS", "ITEM I: BUSINESS"] {
        let heading_of_item = format!("<p>{heading}</p>");
        let parts = [
            &heading_of_item,
            BUSINESS,
            "<p>ITEM 2. PROPERTIES</p>",
            PROPERTIES,
            "<p>ITEM 3. LEGAL PROCEEDINGS</p>",
            RISK,
        ];
        let item = Section::all().find(|section| section.identifier() == "part1item1").unwrap();
        let business = extract(&parse(html(&parts).as_bytes()).unwrap(), item);
        assert_eq!(business.status(), Status::Found, "{heading}");
        assert!(
            business.text().starts_with("We make lamps") && !business.text().contains("shed"),
            "{heading}"
        );
    }
}

/// Checks what is found of Item 6, whose heading and body stand in a report: status, text and doubts.
#[track_caller]
fn check_item_6(heading: &str, body: &str, expected: (Status, &str, &[&str])) {
    let document = html(&[
        "<p><b>Item 1. Business</b></p>",
        BUSINESS,
        "<p><b>Item 2. Properties</b></p>",
        PROPERTIES,
        &format!("<p><b>{heading}</b></p>"),
        body,
        "<p><b>Item 7. Management\u{2019}s Discussion and Analysis</b></p>",
        RISK,
    ]);
    let parsed = parse(document.as_bytes()).unwrap();
    let extracted = extract(&parsed, "part2item6".parse().unwrap());
    let doubts: Vec<&str> = extracted.extraction().doubts.iter().map(String::as_str).collect();
    assert_eq!((extracted.status(), extracted.text(), &doubts[..]), expected, "{extracted:#?}");
    let cleaned = clean(&extracted);
    assert!(!(cleaned.status() == Status::Found && cleaned.text().is_empty() && doubts.is_empty()));
}

#[test]
fn a_reserved_item_holds_no_end_of_a_page() {
    let none = |heading: &str, body: &str| check_item_6(heading, body, (Status::NotRequired, "", &[]));
    none("Item 6. [Reserved]", "");
    none("Item 6. [Reserved]", "<p>27</p>");
    none("ITEM 6. RESERVED", "<p>Lamps Inc. | 2023 Form 10-K | 27</p>");
    none("Item 6. (Reserved)", "<p>27 Lamps Inc. and Subsidiaries</p>");
    // What says something is text of the item.
    let said = "Our shed was sold in 2021.";
    check_item_6("Item 6. [Reserved]", &format!("<p>{said}</p>"), (Status::Found, said, &[]));
}

#[test]
fn an_item_of_tables_alone_is_found_with_a_doubt() {
    let rows: String =
        (2015..2020).map(|year| format!("<tr><td>{year}</td><td>{}</td></tr>", year * 7)).collect();
    let document = format!("<table><tr><td>Year</td><td>Lamps</td></tr>{rows}</table>");
    let text = "Year\tLamps\n2015\t14105\n2016\t14112\n2017\t14119\n2018\t14126\n2019\t14133";
    let doubt = "its text stands in tables, which cleaning takes out";
    check_item_6("Item 6. Selected Financial Data", &document, (Status::Found, text, &[doubt]));
}

#[test]
fn an_item_that_has_none_is_not_required() {
    for body in ["<p>None.</p>", "<p>There are none.</p>", "<p>None.</p><p>PART II</p>"] {
        let document = html(&[
            "<p><b>Item 1. Business</b></p>",
            BUSINESS,
            "<p><b>Item 1B. Unresolved Staff Comments</b></p>",
            body,
            "<p><b>Item 2. Properties</b></p>",
            PROPERTIES,
        ]);
        let extracted = extract(&parse(document.as_bytes()).unwrap(), "part1item1b".parse().unwrap());
        assert_eq!(extracted.status(), Status::NotRequired, "{extracted:#?}");
    }
}
