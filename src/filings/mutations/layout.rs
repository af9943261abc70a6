//! Changes of HTML that set whole headings, or the whole document, in another way.

use super::headings::{
    headings, with_contents, with_exhibit, with_headings, with_html_headings, with_mentions,
};
use super::rewrite::rebuild;
use super::{Change, Filing, Leaves};
use crate::filings::Section;
use crate::filings::tokenizer::Token;

pub const ALL: &[Change] = &[
    ("label and title in cells", Leaves::All, |f| {
        with_html_headings(f, |label, title| {
            format!("<table><tr><td><b>{label}</b></td><td>&nbsp;</td><td><b>{title}</b></td></tr></table>")
        })
    }),
    ("label and title in rows", Leaves::All, |f| {
        with_html_headings(f, |label, title| {
            format!("<table><tr><td><b>{label}</b></td></tr><tr><td><b>{title}</b></td></tr></table>")
        })
    }),
    ("label and title in paragraphs of their own", Leaves::All, |f| {
        with_html_headings(f, |label, title| format!("<p><b>{label}</b></p>\n<p><b>{title}</b></p>"))
    }),
    ("label in a column of its own, title in capitals", Leaves::All, |f| {
        with_html_headings(f, |label, title| {
            let title = title.to_uppercase().replace("&AMP;", "&amp;");
            format!(
                "<table width=100%><tr><td width=10%><font size=2>{label}</font></td><td><font size=2><u>{title}</u></font></td></tr></table>"
            )
        })
    }),
    ("fonts around each word", Leaves::All, |f| {
        with_html_headings(f, |label, title| {
            let words = format!("{label} {title}");
            let words: Vec<String> = words
                .split_whitespace()
                .map(|word| format!("<FONT FACE=\"Times\" SIZE=\"2\"><B>{word}</B></FONT>"))
                .collect();
            format!("<P ALIGN=\"LEFT\">{}</P>", words.join("<FONT SIZE=1>&nbsp;</FONT>"))
        })
    }),
    ("first letters larger", Leaves::All, |f| {
        with_html_headings(f, |label, title| {
            let words = format!("{label} {title}");
            let words: Vec<String> = words
                .split(' ')
                .map(|word| match word.chars().next() {
                    Some(first) if first.is_ascii_alphabetic() => format!(
                        "{first}<small>{}</small>",
                        word[1..].to_uppercase().replace("&AMP;", "&amp;")
                    ),
                    _ => word.to_string(),
                })
                .collect();
            format!("<p align=center><b>{}</b></p>", words.join(" "))
        })
    }),
    ("headings as h2", Leaves::All, |f| {
        with_html_headings(f, |label, title| format!("<h2>{label} {title}</h2>"))
    }),
    ("headings underlined", Leaves::All, |f| {
        with_html_headings(f, |label, title| format!("<p><u>{label}</u> <u>{title}</u></p>"))
    }),
    ("headings in a list", Leaves::All, |f| {
        with_html_headings(f, |label, title| {
            format!("<ul style=\"list-style:none\"><li><b>{label} {title}</b></li></ul>")
        })
    }),
    ("headings link back to the contents", Leaves::All, |f| {
        let text = with_html_headings(f, |label, title| {
            format!("<p><a href=\"#contents_top\"><b>{label} {title}</b></a></p>")
        })?;
        let body = text.to_ascii_lowercase().find("<body")?;
        let at = body + text[body..].find('>')? + 1;
        Some(format!("{}<a name=\"contents_top\"></a>{}", &text[..at], &text[at..]))
    }),
    ("no period, title in capitals", Leaves::All, |f| {
        with_html_headings(f, |label, title| {
            let title = title.to_uppercase().replace("&AMP;", "&amp;");
            format!("<p>{} {title}</p>", label.to_uppercase().trim_end_matches('.'))
        })
    }),
    ("all in small letters", Leaves::Numbers, |f| {
        with_html_headings(f, |label, title| {
            format!("<p><b>{} {}</b></p>", label.to_lowercase(), title.to_lowercase())
        })
    }),
    ("Part I, Item 1A", Leaves::All, |f| {
        with_headings(f, |heading| {
            let part = ["I", "II", "III", "IV"][usize::from(heading.section.part()) - 1];
            let title = heading.title.replace('&', "&amp;");
            (heading.label.starts_with(['I', 'i']))
                .then(|| format!("<p><b>Part {part}, {} {title}</b></p>", heading.label))
        })
    }),
    ("label &#151; title", Leaves::All, |f| {
        with_html_headings(f, |label, title| {
            format!("<p><b>{} &#151; {title}</b></p>", label.trim_end_matches(|c: char| !c.is_alphanumeric()))
        })
    }),
    ("spaces by entities without semicolon", Leaves::All, |f| {
        with_html_headings(f, |label, title| {
            format!("<p><b>{}&nbsp&#160 {title}</b></p>", label.replace(' ', "&nbsp"))
        })
    }),
    ("&NBSP;", Leaves::All, |f| {
        with_html_headings(f, |label, title| {
            format!("<P><B>{}&NBSP;&NBSP;{title}</B></P>", label.replace(' ', "&NBSP;"))
        })
    }),
    ("word joiners and zero-width spaces", Leaves::All, |f| {
        with_html_headings(f, |label, title| {
            format!(
                "<p><b>&#8288;{}&#xFEFF;&#8203; {}</b></p>",
                label.replace("em", "e&zwnj;m"),
                title.replace("ctor", "c&shy;tor")
            )
        })
    }),
    ("a picture of the heading above it", Leaves::All, |f| {
        with_html_headings(f, |label, title| {
            format!(
                "<p><img src=\"g1.jpg\" alt=\"{label} {}\"></p><p><b>{label} {title}</b></p>",
                title.replace('"', "")
            )
        })
    }),
    ("a rule above and below each heading", Leaves::All, |f| {
        with_html_headings(f, |label, title| format!("<hr><p><b>{label} {title}</b></p><hr>"))
    }),
    ("number without the word", Leaves::Numbers, |f| {
        with_headings(f, |heading| {
            let number =
                heading.label.split_whitespace().nth(1)?.trim_end_matches(|c: char| !c.is_alphanumeric());
            let title = heading.title.replace('&', "&amp;");
            Some(format!("<p><b>{number}. {title}</b></p>"))
        })
    }),
    ("Item 1A without its number", Leaves::Numbers, |f| {
        headings(f)
            .iter()
            .find(|heading| heading.section == Section::RISK_FACTORS && heading.label.len() < 10)?;
        with_headings(f, |heading| {
            (heading.section == Section::RISK_FACTORS && !heading.title.is_empty())
                .then(|| format!("<p><b>{}</b></p>", heading.title.to_uppercase()))
        })
    }),
    ("one more table of contents", Leaves::Numbers, |f| {
        with_contents(
            f,
            false,
            |label, title, page| format!("<tr><td>{label}</td><td>{title}</td><td>{page}</td></tr>"),
            ("<p>TABLE OF CONTENTS</p><table>", "</table>"),
        )
    }),
    ("one more table of contents as lines", Leaves::Numbers, |f| {
        with_contents(
            f,
            false,
            |label, title, _| format!("<p>{label} {title}</p>"),
            ("<p><b>TABLE OF CONTENTS</b></p>", ""),
        )
    }),
    ("one more table of contents in one paragraph", Leaves::Numbers, |f| {
        with_contents(
            f,
            false,
            |label, title, page| format!("{label} {title} ........ {page}<br>\n"),
            ("<p>INDEX<br>", "</p>"),
        )
    }),
    ("pages below the lines of the contents", Leaves::Numbers, |f| {
        with_contents(
            f,
            false,
            |label, title, page| format!("<div>{label}</div><div>{title}</div><div>{page}</div>"),
            ("<div>Index</div><div>Page</div>", ""),
        )
    }),
    ("cross-reference index behind", Leaves::Numbers, |f| {
        with_contents(
            f,
            true,
            |label, title, page| {
                format!("<tr><td>{label}</td><td>{title}</td><td>{page}-{}</td></tr>", page + 3)
            },
            ("<p><b>FORM 10-K CROSS-REFERENCE INDEX</b></p><table>", "</table>"),
        )
    }),
    ("mentions in quotes", Leaves::All, |f| {
        with_mentions(
            f,
            "<p>See \u{201c}Item 1A. Risk Factors\u{201d} and \u{201c}Item 7\u{201d} of this report.</p>",
        )
    }),
    ("sentences that begin with Item 1A", Leaves::All, |f| {
        with_mentions(
            f,
            "<p>Item 1A, \u{201c}Risk Factors,\u{201d} of this report tells more of what may go wrong, and so does Item 7A.</p>",
        )
    }),
    ("sentences that begin with Item 1A. Risk Factors", Leaves::All, |f| {
        with_mentions(f, "<p>Item 1A. Risk Factors of this report tells more of what may go wrong.</p>")
    }),
    ("a list of items to read", Leaves::Numbers, |f| {
        with_mentions(
            f,
            "<p>Such statements stand under these headings:</p><ul><li>Item 1. Business</li><li>Item 1A. Risk Factors</li>\
             <li>Item 7. Management\u{2019}s Discussion and Analysis of Financial Condition and Results of Operations</li></ul>\
             <p>We do not undertake to bring them up to date after the date of this report, whatever happens to us then.</p>",
        )
    }),
    ("a heading that sends to Item 1A", Leaves::Numbers, |f| {
        with_mentions(f, "<p><i>Risk Factors</i></p><p>See Item 1A of Part I of this report.</p>")
    }),
    ("an exhibit with risk factors behind", Leaves::Numbers, |f| {
        with_exhibit(
            f,
            "<hr><p align=right><b>EXHIBIT 99.1</b></p><p><b>RISK FACTORS</b></p><p>The lamps that we sell may fail when they \
             are needed most, and nobody would then buy another lamp from us.</p><p>Item 1A. of our report says the same.</p>",
        )
    }),
    ("certifications behind", Leaves::Numbers, |f| {
        with_exhibit(
            f,
            "<hr><p><b>EXHIBIT 31.1</b></p><p><b>CERTIFICATION</b></p><p>I certify that:</p><p>1. I have reviewed this annual \
             report on Form 10-K;</p><p>2. Based on my knowledge, this report does not contain any untrue statement;</p><p>3. \
             Based on my knowledge, the financial statements fairly present the condition of the registrant.</p>",
        )
    }),
    ("the document in one cell", Leaves::All, |f| {
        let lower = f.text.to_ascii_lowercase();
        let body = lower.find("<body")?;
        let at = body + f.text[body..].find('>')? + 1;
        let end = lower.rfind("</body")?;
        let inside = f.text.get(at..end)?;
        Some(format!("{}<table><tr><td>{inside}</td></tr></table>{}", &f.text[..at], &f.text[end..]))
    }),
    ("paragraphs by line breaks", Leaves::All, |f| {
        rebuild(f, |part, token| match token {
            Token::Open(tag) => part[1..tag.name_end - tag.start].eq_ignore_ascii_case("p").then(String::new),
            Token::Close(tag) => {
                part[2..tag.name_end - tag.start].eq_ignore_ascii_case("p").then(|| "<br><br>\n".to_string())
            }
            _ => None,
        })
    }),
    ("paragraphs are never closed", Leaves::All, never_closed),
];

fn never_closed(filing: &Filing) -> Option<String> {
    rebuild(filing, |part, token| match token {
        Token::Close(tag) => part[2..tag.name_end - tag.start].eq_ignore_ascii_case("p").then(String::new),
        _ => None,
    })
}
