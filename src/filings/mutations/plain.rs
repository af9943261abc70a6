//! Changes for plain text: labels, lines, pages and rules as typists set them.

use super::headings::{with_contents, with_exhibit, with_headings, with_mentions, without_contents};
use super::pages::{continued_headers, item_headers, label_headers, without_page_numbers};
use super::rewrite::{apart, lines, relabel, replace_label};
use super::{Change, Filing, Leaves, forms};

/// Changes for plain text.
pub const ALL: &[Change] = &[
    ("lines end in CR LF", Leaves::All, |f| Some(f.text.replace("\r\n", "\n").replace('\n', "\r\n"))),
    ("ITEM 1A", Leaves::All, |f| {
        lines(f, |line| Some(relabel(line, |label, title| format!("{}{}", label.to_uppercase(), title))))
    }),
    ("Item 1a", Leaves::All, |f| {
        lines(f, |line| {
            Some(relabel(line, |label, title| format!("Item{}{}", label[4..].to_lowercase(), title)))
        })
    }),
    ("Item 1A with a dash", Leaves::All, |f| {
        lines(f, |line| {
            Some(relabel(line, |label, title| format!("{} -{title}", label.trim_end_matches('.'))))
        })
    }),
    ("Item  1A", Leaves::All, |f| lines(f, |line| Some(replace_label(line, " ", "   ")))),
    ("indented", Leaves::All, |f| {
        lines(f, |line| (!line.trim().is_empty() && !line.starts_with('<')).then(|| format!("    {line}")))
    }),
    ("spaces at the ends of lines", Leaves::All, |f| {
        lines(f, |line| (!line.trim().is_empty()).then(|| format!("{line}   ")))
    }),
    ("two blank lines for one", Leaves::All, |f| Some(f.text.replace("\n\n", "\n\n\n"))),
    ("no table of contents", Leaves::Numbers, without_contents),
    ("item headers on each page", Leaves::Numbers, |f| item_headers(f, "", "\n", "\n<PAGE>\n")),
    ("continued headers on each page", Leaves::Numbers, |f| continued_headers(f, "", "\n", "\n<PAGE>\n")),
    ("part and number on each page", Leaves::Numbers, |f| label_headers(f, "", "\n", "\n<PAGE>\n")),
    ("no page numbers", Leaves::Numbers, without_page_numbers),
    ("form feeds for <PAGE>", Leaves::All, |f| {
        f.text.contains("<PAGE>").then(|| f.text.replace("<PAGE>", "\u{c}"))
    }),
    ("no pages", Leaves::Numbers, |f| f.text.contains("<PAGE>").then(|| f.text.replace("<PAGE>", ""))),
    ("headings underlined by =", Leaves::All, |f| set(f, |label, title| underlined(label, title, '='))),
    ("headings underlined by -", Leaves::All, |f| set(f, |label, title| underlined(label, title, '-'))),
    ("headings centred", Leaves::All, |f| {
        set(f, |label, title| format!("{:^76}", format!("{label} {title}")))
    }),
    ("label and title on lines of their own", Leaves::All, |f| {
        set(f, |label, title| format!("{label}\n{title}"))
    }),
    ("an empty line between label and title", Leaves::All, |f| {
        set(f, |label, title| format!("{label}\n\n{title}"))
    }),
    ("a tab between label and title", Leaves::All, |f| set(f, |label, title| format!("{label}\t{title}"))),
    ("no period, all in capitals", Leaves::All, |f| {
        set(f, |label, title| format!("{} {title}", label.trim_end_matches('.')).to_uppercase())
    }),
    ("Item 1A:", Leaves::All, |f| set(f, |label, title| format!("{}: {title}", label.trim_end_matches('.')))),
    ("Item 1A--", Leaves::All, |f| {
        set(f, |label, title| format!("{}--{title}", label.trim_end_matches('.')))
    }),
    ("Item 1 A.", Leaves::All, |f| set(f, |label, title| format!("{} {title}", apart(label)))),
    ("all in small letters", Leaves::Numbers, |f| {
        set(f, |label, title| format!("{label} {title}").to_lowercase())
    }),
    ("PART I, ITEM 1A", Leaves::All, |f| {
        with_headings(f, |heading| {
            let part = ["I", "II", "III", "IV"][usize::from(heading.section.part()) - 1];
            (heading.label.starts_with(['I', 'i']))
                .then(|| format!("PART {part}, {} {}", heading.label, heading.title).to_uppercase())
        })
    }),
    ("no empty line below headings", Leaves::Numbers, |f| {
        let text = set(f, |label, title| format!("{label} {title}\u{1}"))?;
        Some(text.replace("\u{1}\n\n", "\n").replace('\u{1}', ""))
    }),
    ("one more table of contents with dots", Leaves::Numbers, |f| {
        with_contents(
            f,
            false,
            |label, title, page| {
                format!("{:.<70}{page:>4}\n", format!("{label} {title} ").replace("&amp;", "&"))
            },
            ("TABLE OF CONTENTS\n\n", "\n"),
        )
    }),
    ("one more table of contents without pages", Leaves::Numbers, |f| {
        with_contents(
            f,
            false,
            |label, title, _| format!("{label}  {}\n\n", title.replace("&amp;", "&")),
            ("TABLE OF CONTENTS\n\n", "\n"),
        )
    }),
    ("lines of text that begin with Item 1A", Leaves::Numbers, |f| {
        with_mentions(
            f,
            "     What we say of the future is subject to the risks that are described in\nItem 1A. Risk Factors, and to those \
             described elsewhere in this report,\nwhich may change from year to year.\n\n",
        )
    }),
    ("lines of text that begin with several items", Leaves::Numbers, |f| {
        with_mentions(
            f,
            "     Such statements are found in Item 1. Business, Item 1A. Risk Factors and in\nItem 7. Management's Discussion and \
             Analysis of Financial Condition and Results\nof Operations. They speak only as of their date.\n\n",
        )
    }),
    ("an exhibit with risk factors behind", Leaves::Numbers, |f| {
        with_exhibit(
            f,
            "\n<PAGE>\n                                                  EXHIBIT 99.1\n\nRISK FACTORS\n\nThe lamps that we sell may \
             fail when they are needed most, and nobody would\nthen buy another lamp from us.\n",
        )
    }),
    ("as HTML", Leaves::Numbers, |f| Some(forms::as_html(&f.parsed))),
];

/// Sets the headings of items anew, given label and title.
fn set(filing: &Filing, write: impl Fn(&str, &str) -> String) -> Option<String> {
    with_headings(filing, |heading| Some(write(&heading.label, &heading.title)))
}

/// Writes a heading with a rule below it.
fn underlined(label: &str, title: &str, rule: char) -> String {
    let text = format!("{label} {title}");
    let rule: String = std::iter::repeat_n(rule, text.chars().count().min(78)).collect();
    format!("{text}\n{rule}")
}
