//! Changes for HTML: labels, tags, attributes and layout as other makers' software writes them.

use super::headings::without_contents;
use super::pages::{continued_headers, item_headers, label_headers, running, without_page_numbers};
use super::rewrite::{apart, rebuild, relabel, replace_label, rewrite, tags, texts};
use super::{Change, Filing, Leaves, forms};
use crate::filings::tokenizer::{Tag, Token};

/// Changes for HTML; each with what it leaves to go by.
pub const ALL: &[Change] = &[
    ("ITEM 1A", Leaves::All, |f| {
        texts(f, |text| Some(relabel(text, |label, title| format!("{}{}", label.to_uppercase(), title))))
    }),
    ("item 1a", Leaves::All, |f| {
        texts(f, |text| {
            Some(relabel(text, |label, title| format!("Item{}{}", label[4..].to_lowercase(), title)))
        })
    }),
    ("RISK FACTORS", Leaves::All, |f| {
        texts(f, |text| Some(relabel(text, |label, title| format!("{label}{}", title.to_uppercase()))))
    }),
    ("Item 1A without a period", Leaves::All, |f| {
        texts(f, |text| Some(relabel(text, |label, title| format!("{}{title}", label.trim_end_matches('.')))))
    }),
    ("Item 1A with a colon", Leaves::All, |f| {
        texts(f, |text| {
            Some(relabel(text, |label, title| format!("{}:{title}", label.trim_end_matches('.'))))
        })
    }),
    ("Item 1A with a dash", Leaves::All, |f| {
        texts(f, |text| {
            Some(relabel(text, |label, title| format!("{} \u{2014}{title}", label.trim_end_matches('.'))))
        })
    }),
    ("Item 1A with a double hyphen", Leaves::All, |f| {
        texts(f, |text| {
            Some(relabel(text, |label, title| {
                format!("{}--{}", label.trim_end_matches('.'), title.trim_start())
            }))
        })
    }),
    ("Item&nbsp;1A", Leaves::All, |f| texts(f, |text| Some(replace_label(text, " ", "&nbsp;")))),
    ("Item&#160;&#160;1A", Leaves::All, |f| texts(f, |text| Some(replace_label(text, " ", "&#160;&#160; ")))),
    ("It<span>em</span>", Leaves::All, |f| {
        texts(f, |text| Some(replace_label(text, "tem", "t<span>e</span><span>m</span>")))
    }),
    ("It&#8203;em", Leaves::All, |f| texts(f, |text| Some(replace_label(text, "tem", "t&#8203;em&#8203;")))),
    ("Risk Fac&shy;tors", Leaves::All, |f| {
        texts(f, |text| text.contains("Factors").then(|| text.replace("Factors", "Fac&shy;tors")))
    }),
    ("a comment and an anchor in the label", Leaves::All, |f| {
        texts(f, |text| Some(replace_label(text, " ", " <!-- c --><a name=\"zz\"></a>")))
    }),
    ("label<br>title", Leaves::All, |f| {
        texts(f, |text| {
            Some(relabel(text, |label, title| {
                if title.trim().is_empty() {
                    format!("{label}{title}")
                } else {
                    format!("{label}<br>{}", title.trim_start())
                }
            }))
        })
    }),
    ("no links and anchors", Leaves::All, |f| {
        tags(f, |name, given| rewrite(name, given, |key, _| !matches!(key, "href" | "id" | "name"), false))
    }),
    ("attributes the other way round", Leaves::All, |f| {
        tags(f, |name, given| rewrite(name, given, |_, _| true, true))
    }),
    ("capital tags", Leaves::All, |f| {
        tags(f, |name, given| Some(format!("<{}{given}>", name.to_uppercase())))
    }),
    ("no table of contents", Leaves::Numbers, without_contents),
    ("no styles", Leaves::Numbers, |f| {
        tags(f, |name, given| rewrite(name, given, |key, _| key != "style" && key != "align", false))
    }),
    ("no emphasis at all", Leaves::Numbers, without_emphasis),
    ("div for p", Leaves::All, |f| rename(f, "p", "div")),
    ("p for div", Leaves::All, |f| rename(f, "div", "p")),
    ("each paragraph a table", Leaves::All, paragraphs_in_tables),
    ("lines end in CR LF", Leaves::All, |f| {
        f.text.contains('\n').then(|| f.text.replace("\r\n", "\n").replace('\n', "\r\n"))
    }),
    ("no line ends between tags", Leaves::All, |f| {
        f.text.contains(">\n<").then(|| f.text.replace(">\r\n<", "><").replace(">\n<", "><"))
    }),
    ("line ends for spaces", Leaves::All, |f| texts(f, |text| Some(wrap_spaces(text)))),
    ("tags on lines of their own", Leaves::All, |f| {
        tags(f, |name, given| {
            matches!(name, "p" | "div" | "tr" | "td" | "table").then(|| format!("\n<{name}{given}>\n"))
        })
    }),
    ("typographic entities", Leaves::All, entities),
    ("running headers", Leaves::All, |f| {
        running(
            f,
            "<p style=\"text-align:center\">Annual Report of the Company",
            "</p>",
            "<hr style=\"page-break-after:always\">",
        )
    }),
    ("item headers on each page", Leaves::Numbers, |f| {
        item_headers(f, "<p><b>", "</b></p>", "<hr style=\"page-break-after:always\">")
    }),
    ("continued headers on each page", Leaves::Numbers, |f| {
        continued_headers(f, "<p><i>", "</i></p>", "<hr style=\"page-break-after:always\">")
    }),
    ("part and number on each page", Leaves::Numbers, |f| {
        label_headers(f, "<p>", "</p>", "<hr style=\"page-break-after:always\">")
    }),
    ("as plain text", Leaves::Numbers, |f| Some(forms::as_plain(&f.parsed, false))),
    ("as plain text with capital headings", Leaves::Numbers, |f| Some(forms::as_plain(&f.parsed, true))),
    ("as preformatted text", Leaves::Numbers, |f| {
        Some(format!(
            "<html><body><pre>\n{}\n</pre></body></html>",
            forms::as_plain(&f.parsed, false).replace('&', "&amp;").replace("<PAGE>", "")
        ))
    }),
    ("Item 1 A", Leaves::All, |f| {
        texts(f, |text| Some(relabel(text, |label, title| format!("{}{title}", apart(label)))))
    }),
    ("Item 1A with an en dash", Leaves::All, |f| {
        texts(f, |text| {
            Some(relabel(text, |label, title| format!("{} \u{2013}{title}", label.trim_end_matches('.'))))
        })
    }),
    ("Risk factors", Leaves::All, |f| {
        texts(f, |text| text.contains("Risk Factors").then(|| text.replace("Risk Factors", "Risk factors")))
    }),
    ("title run into the label", Leaves::All, |f| {
        texts(f, |text| Some(relabel(text, |label, title| format!("{label}{}", title.trim_start()))))
    }),
    ("label and title in tags of their own", Leaves::All, |f| {
        texts(f, |text| {
            Some(relabel(text, |label, title| {
                format!("<span style=\"font-weight:bold\">{label}</span><span> {title}</span>")
            }))
        })
    }),
    ("blocks in blocks", Leaves::All, |f| {
        rebuild(f, |part, token| match token {
            Token::Open(tag) => {
                let name = &part[1..tag.name_end - tag.start];
                name.eq_ignore_ascii_case("p").then(|| format!("<div><div style=\"margin:0\">{part}"))
            }
            Token::Close(tag) => {
                let name = &part[2..tag.name_end - tag.start];
                name.eq_ignore_ascii_case("p").then(|| format!("{part}</div></div>"))
            }
            _ => None,
        })
    }),
    ("a link to the contents on each page", Leaves::All, |f| {
        running(f, "<p><a href=\"#toc\">Table of Contents</a></p><p>", "</p>", "<hr>")
    }),
    ("no page numbers", Leaves::Numbers, without_page_numbers),
    ("tags that nobody knows", Leaves::All, |f| {
        tags(f, |name, given| (name == "p").then(|| format!("<xyz:block><{name}{given}>")))
    }),
];

fn without_emphasis(filing: &Filing) -> Option<String> {
    rebuild(filing, |part, token| match token {
        Token::Open(tag) => {
            let name = part[1..tag.name_end - tag.start].to_ascii_lowercase();
            if matches!(name.as_str(), "b" | "i" | "u" | "strong" | "em" | "font" | "center") {
                return Some(String::new());
            }
            rewrite(
                &name,
                &part[tag.name_end - tag.start..part.len() - 1],
                |key, value| (key != "style" && key != "align") || value.contains("display:none"),
                false,
            )
        }
        Token::Close(tag) => {
            let name = part[2..tag.name_end - tag.start].to_ascii_lowercase();
            matches!(name.as_str(), "b" | "i" | "u" | "strong" | "em" | "font" | "center").then(String::new)
        }
        _ => None,
    })
}

fn rename(filing: &Filing, from: &str, to: &str) -> Option<String> {
    rebuild(filing, |part, token| {
        let (tag, name_start) = match token {
            Token::Open(tag) => (tag, 1),
            Token::Close(tag) => (tag, 2),
            _ => return None,
        };
        let name_end = tag.name_end - tag.start;
        part[name_start..name_end]
            .eq_ignore_ascii_case(from)
            .then(|| format!("{}{to}{}", &part[..name_start], &part[name_end..]))
    })
}

/// Sets each paragraph as a table of one cell, where it is no table's content itself.
fn paragraphs_in_tables(filing: &Filing) -> Option<String> {
    let depth = std::cell::Cell::new(0usize);
    let open = std::cell::Cell::new(false);
    rebuild(filing, |part, token| {
        let name_of = |from: usize, tag: Tag| part[from..tag.name_end - tag.start].to_ascii_lowercase();
        match token {
            Token::Open(tag) => match name_of(1, tag).as_str() {
                "table" => {
                    depth.set(depth.get() + 1);
                    None
                }
                "p" if depth.get() == 0 && !open.replace(true) => Some(format!("<table><tr><td>{part}")),
                _ => None,
            },
            Token::Close(tag) => match name_of(2, tag).as_str() {
                "table" => {
                    depth.set(depth.get().saturating_sub(1));
                    None
                }
                "p" if depth.get() == 0 && open.replace(false) => Some(format!("{part}</td></tr></table>")),
                _ => None,
            },
            _ => None,
        }
    })
}

/// Turns every eighth space into a line's end.
fn wrap_spaces(text: &str) -> String {
    let mut count = 0;
    text.chars()
        .map(|letter| {
            count += usize::from(letter == ' ');
            if letter == ' ' && count % 8 == 0 { '\n' } else { letter }
        })
        .collect()
}

fn entities(filing: &Filing) -> Option<String> {
    texts(filing, |text| {
        let other = text
            .replace('\u{2019}', "&rsquo;")
            .replace('\u{201c}', "&#8220;")
            .replace('\u{201d}', "&#x201D;")
            .replace('\u{2014}', "&mdash;");
        (other != text).then_some(other)
    })
}
