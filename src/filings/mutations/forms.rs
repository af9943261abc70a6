//! The same document in another form: HTML as plain text, plain text as HTML.

use crate::filings::{ElementKind, Parsed};

/// Writes the document as plain text, as filings were before 2001: lines of 80, pages, no typography.
pub fn as_plain(parsed: &Parsed, capitals: bool) -> String {
    let mut out = String::new();
    for element in parsed.elements() {
        match element.kind {
            ElementKind::ImageElement => continue,
            ElementKind::SupplementaryText => {
                out.push_str(&format!("{:>45}\n<PAGE>\n\n", element.text.trim()))
            }
            ElementKind::TableElement => {
                out.push_str(&format!("<TABLE>\n{}\n</TABLE>\n\n", element.text.replace('\t', "     ")))
            }
            kind => {
                let is_heading = capitals && kind == ElementKind::TopSectionTitle;
                let text = if is_heading { element.text.to_uppercase() } else { element.text.clone() };
                let mut width = 0;
                for word in text.split_whitespace() {
                    if width + word.len() > 78 {
                        out.push('\n');
                        width = 0;
                    } else if width > 0 {
                        out.push(' ');
                    }
                    out.push_str(word);
                    width += word.len() + 1;
                }
                out.push_str("\n\n");
            }
        }
    }
    out.replace('<', "(")
        .replace("(PAGE>", "<PAGE>")
        .replace("(TABLE>", "<TABLE>")
        .replace("(/TABLE>", "</TABLE>")
}

/// Writes plain text as simple HTML: a paragraph for each.
pub fn as_html(parsed: &Parsed) -> String {
    let mut out = String::from("<html><body>\n");
    for element in parsed.elements() {
        let text = element.text.replace('&', "&amp;").replace('<', "&lt;");
        match element.kind {
            ElementKind::TableElement => out.push_str(&format!("<pre>\n{text}\n</pre>\n")),
            ElementKind::SupplementaryText => out.push_str(&format!("<p align=center>{text}</p><hr>\n")),
            _ => out.push_str(&format!("<p>{text}</p>\n")),
        }
    }
    out + "</body></html>\n"
}
