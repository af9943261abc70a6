//! What only names an item: tables of contents, mentions, indexes, statements and pointers.

use super::*;

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
    for pointer in [
        "<p>Our results are subject to various risks, including those described in Part I, Item 1A, \"Risk Factors\" in our \
            Annual Report on Form 10-K for the year ended December 31, 2018, which could harm our business.</p>",
        "<p>The risks that we believe are material to our investors are discussed in the company\u{2019}s Annual Report on \
            Form 10-K under the caption \u{201c}Risk Factors,\u{201d} which is on file with the SEC.</p>",
        &format!(
            "<p>Our risk factors have not changed significantly from those disclosed in our 2018 Form 10-K. {}</p>",
            "These risk factors should be read carefully in connection with evaluating our business. "
                .repeat(11)
        ),
    ] {
        assert_eq!(status(pointer), Status::ByReference, "{pointer}");
    }
    // What stands in this report is no pointer, nor is one with something new below it.
    for told in [
        "<p>Except as set forth below, there have been no material changes from the risk factors disclosed in our Annual Report on \
            Form 10-K.</p><p>Our only supplier burned down on May 1, and we may not be able to get lamps from anybody else for a \
            year or longer.</p>",
        "<p>There have been no material changes to our risk factors, except for the following: our only supplier burned down on \
            May 1, and we may not be able to get lamps from anybody else for a year.</p>",
        "<p>Our risk factors are incorporated by reference to our Annual Report on Form 10-K. The following supplements them.</p>\
            <p>A fire destroyed the only works that make our lamps, and nobody knows whether they will be built again.</p>",
    ] {
        assert_eq!(status(told), Status::Found, "{told}");
    }
    let nothing = "<p>There have been no material changes other than those set forth below under Item 5 of this report.</p>";
    assert_eq!(status(nothing), Status::ByReference);
    assert_eq!(
        status(
            "<p>Our lamps may fail, and the outcome is uncertain. What we know of it is described in Part II, Item 8 of this Form \
                10-K, and if one of them fails we may have to pay for the house it stood in.</p>"
        ),
        Status::Found
    );
    assert_eq!(
        status(&format!(
            "<p>We discuss in our Annual Report on Form 10-K various risks that are described in Part I of it.</p>\
                <p><b>Recent reports of lamps that fail</b></p>{RISK}"
        )),
        Status::Found
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
fn a_list_of_items_to_read_is_no_heading() {
    let list = "<p>What we say of the future stands under these headings:</p><ul><li>Item 1. Business</li><li>Item 1A. Risk \
        Factors</li><li>Item 2. Properties</li></ul><p>We do not bring it up to date after the date of this report.</p>";
    check(&[
        list,
        "<p>Item 1. Business</p>",
        BUSINESS,
        list,
        "<p>Item 1A. Risk Factors</p>",
        RISK,
        "<p>Item 2. Properties</p>",
        PROPERTIES,
    ]);
}

#[test]
fn a_short_sentence_that_begins_with_an_item_is_no_heading() {
    for mention in [
        "<p>Item 1A. Risk Factors of this report tells more of what may go wrong.</p>",
        "<p>Item 1A. Risk Factors, and what we say elsewhere, tell more of what may go wrong.</p>",
        "<p>Item 1A. Risk Factors describes in more detail what may go wrong.</p>",
    ] {
        check(&[
            "<p>Item 1. Business</p>",
            BUSINESS,
            mention,
            mention,
            BUSINESS,
            "<p>Item 1A. Risk Factors</p>",
            RISK,
            "<p>Item 2. Properties</p>",
            PROPERTIES,
            mention,
        ]);
    }
}

#[test]
fn short_items_are_headings_although_an_index_names_them_again() {
    let none = |item: &str| format!("<p>{item}</p><p>None.</p>");
    let index = "<table><tr><td>Item 1A.</td><td>Risk Factors</td><td>9-12</td></tr><tr><td>Item 1B.</td><td>Unresolved Staff \
        Comments</td><td>13</td></tr><tr><td>Item 2.</td><td>Properties</td><td>13</td></tr><tr><td>Item 3.</td><td>Legal \
        Proceedings</td><td>13</td></tr><tr><td>Item 4.</td><td>Mine Safety Disclosures</td><td>13</td></tr></table>";
    check(&[
        "<p>Item 1. Business</p>",
        BUSINESS,
        "<p>Item 1A. Risk Factors</p>",
        RISK,
        &none("Item 1B. Unresolved Staff Comments"),
        &none("Item 2. Properties"),
        &none("Item 3. Legal Proceedings"),
        &none("Item 4. Mine Safety Disclosures"),
        "<p>Form 10-K Cross-Reference Index</p>",
        index,
    ]);
}
