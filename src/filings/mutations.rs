//! Filings altered by program, as other makers' software would have written them: the answer must stay the same.

use std::path::PathBuf;

use rayon::prelude::*;

use super::tokenizer::{Token, Tokens, attributes};
use super::{ElementKind, Parsed, Section, Status, clean, extract, parse};

/// The main document of a filing, with what was found in it unaltered.
struct Filing {
    text: String,
    parsed: Parsed,
}

/// Changes the main document; `None` where there is nothing to change in this filing.
type Mutator = fn(&Filing) -> Option<String>;

/// What the alterations leave: with `Numbers`, only the labels of the items tell where they begin.
#[derive(Clone, Copy, PartialEq)]
enum Leaves {
    All,
    Numbers,
}

/// Changes for HTML; each with what it leaves to go by.
const HTML: [(&str, Leaves, Mutator); 33] = [
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
    ("as plain text", Leaves::Numbers, |f| Some(as_plain(f, false))),
    ("as plain text with capital headings", Leaves::Numbers, |f| Some(as_plain(f, true))),
    ("as preformatted text", Leaves::Numbers, |f| {
        Some(format!(
            "<html><body><pre>\n{}\n</pre></body></html>",
            as_plain(f, false).replace('&', "&amp;").replace("<PAGE>", "")
        ))
    }),
];

/// Changes for plain text.
const PLAIN: [(&str, Leaves, Mutator); 11] = [
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
    ("as HTML", Leaves::Numbers, |f| Some(as_html(f))),
];

/// Rewrites the text between tags where `change` gives another.
fn texts(filing: &Filing, change: impl Fn(&str) -> Option<String>) -> Option<String> {
    rebuild(filing, |part, token| match token {
        Token::Text { .. } => change(part),
        _ => None,
    })
}

/// Rewrites opening tags, given the name and the rest without `>`, where `change` gives another.
fn tags(filing: &Filing, change: impl Fn(&str, &str) -> Option<String>) -> Option<String> {
    rebuild(filing, |part, token| match token {
        Token::Open(tag) => {
            let name_end = tag.name_end - tag.start;
            let name = part[1..name_end].to_ascii_lowercase();
            change(&name, &part[name_end..part.len() - 1])
        }
        _ => None,
    })
}

fn rebuild(filing: &Filing, change: impl Fn(&str, Token) -> Option<String>) -> Option<String> {
    let text = filing.text.as_str();
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    let (mut at, mut is_changed) = (0, false);
    for token in Tokens::new(text.as_bytes(), 0, text.len()) {
        let (start, end) = match token {
            Token::Text { start, end } => (start, end),
            Token::Open(tag) | Token::Close(tag) => (tag.start, tag.end),
            Token::Raw => continue,
        };
        if let Some(other) = change(&text[start..end], token) {
            is_changed |= other != text[start..end];
            out.push_str(&text[at..start]);
            out.push_str(&other);
            at = end;
        }
    }
    out.push_str(&text[at..]);
    is_changed.then_some(out)
}

/// Writes a tag again with those of its attributes that are wanted.
fn rewrite(
    name: &str,
    given: &str,
    wanted: impl Fn(&str, &str) -> bool,
    is_reversed: bool,
) -> Option<String> {
    let mut kept: Vec<String> = Vec::new();
    for (key, value) in attributes(given.as_bytes()) {
        let (key, value) = (std::str::from_utf8(key).ok()?, std::str::from_utf8(value).ok()?);
        if wanted(&key.to_ascii_lowercase(), value) {
            kept.push(format!(" {key}=\"{}\"", value.replace('"', "&quot;")));
        }
    }
    if is_reversed {
        kept.reverse();
    }
    let close = if given.trim_end().ends_with('/') { "/" } else { "" };
    Some(format!("<{name}{}{close}>", kept.concat()))
}

/// Changes a label such as "Item 1A." at the beginning of a text, and the title behind it.
fn relabel(text: &str, change: impl Fn(&str, &str) -> String) -> String {
    let front = text.len() - text.trim_start().len();
    let rest = &text[front..];
    let is_label = rest.get(..5).is_some_and(|word| word.eq_ignore_ascii_case("item "));
    if !is_label {
        return text.to_string();
    }
    let digits = rest[5..].bytes().take_while(u8::is_ascii_digit).count();
    let mut end = 5 + digits;
    end += usize::from(rest[end..].starts_with(['A', 'B', 'C', 'a', 'b', 'c']));
    if digits == 0 || rest[end..].starts_with(char::is_alphanumeric) || rest.len() > 400 {
        return text.to_string();
    }
    // An own separator, such as a dash, stays alone.
    let has_other =
        rest[end..].trim_start().starts_with(|c: char| !c.is_alphanumeric() && c != '.' && c != '[');
    if has_other {
        return text.to_string();
    }
    end += usize::from(rest[end..].starts_with('.'));
    format!("{}{}", &text[..front], change(&rest[..end], &rest[end..]))
}

/// Replaces `from` by `to` once in the label at the beginning of a text.
fn replace_label(text: &str, from: &str, to: &str) -> String {
    relabel(text, |label, title| format!("{}{title}", label.replacen(from, to, 1)))
}

fn lines(filing: &Filing, change: impl Fn(&str) -> Option<String>) -> Option<String> {
    let changed: Vec<String> =
        filing.text.split('\n').map(|line| change(line).unwrap_or_else(|| line.to_string())).collect();
    let text = changed.join("\n");
    (text != filing.text).then_some(text)
}

/// Takes out the bytes of all lines of tables of contents that stand before the first item.
fn without_contents(filing: &Filing) -> Option<String> {
    let first = filing.parsed.sections().first()?.heading;
    let start = filing.parsed.document_span().start as usize;
    let mut text = filing.text.clone();
    let elements = filing.parsed.elements()[..first].iter().rev();
    let mut is_changed = false;
    for element in elements.filter(|element| element.kind == ElementKind::TableOfContentsElement) {
        let (from, to) = (element.span.start as usize - start, element.span.end as usize - start);
        let inside = &text[from..to];
        let tags: String = Tokens::new(inside.as_bytes(), 0, inside.len())
            .filter_map(|token| match token {
                Token::Open(tag) | Token::Close(tag) => Some(&inside[tag.start..tag.end]),
                _ => None,
            })
            .collect();
        text.replace_range(from..to, &tags);
        is_changed = true;
    }
    is_changed.then_some(text)
}

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
        let name_of = |from: usize, tag: super::tokenizer::Tag| {
            part[from..tag.name_end - tag.start].to_ascii_lowercase()
        };
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

/// Where blocks of the main document begin, outside of tables, about every forty elements: places for a new page.
fn new_pages(filing: &Filing) -> Vec<(usize, usize)> {
    let start = filing.parsed.document_span().start as usize;
    let elements = filing.parsed.elements();
    let bytes = filing.text.as_bytes();
    let mut places = Vec::new();
    let mut last = 0;
    for (index, element) in elements.iter().enumerate().skip(30) {
        let at = element.span.start as usize - start;
        let is_paragraph =
            |window: &str| ["<p", "<div", "<P", "<DIV"].iter().any(|tag| window.starts_with(tag));
        // Before the block's own tag, and only where nothing but that tag stands between.
        let from = at.saturating_sub(400);
        let tag = (from..at).rev().find(|at| {
            bytes[*at] == b'<' && filing.text.is_char_boundary(*at) && is_paragraph(&filing.text[*at..])
        });
        let place =
            if filing.parsed.is_html() { tag } else { filing.text[..at].rfind('\n').map(|end| end + 1) };
        let is_clear = |place: usize| {
            !filing.parsed.is_html()
                || Tokens::new(bytes, place, at)
                    .all(|token| !matches!(token, Token::Close(_) | Token::Text { .. }))
        };
        if index >= last + 40
            && let Some(place) = place.filter(|place| is_clear(*place))
            && element.kind == ElementKind::TextElement
            && !in_table(filing, place)
        {
            places.push((place, index));
            last = index;
        }
    }
    places
}

fn in_table(filing: &Filing, at: usize) -> bool {
    let before = filing.text[at.saturating_sub(200_000)..at].to_ascii_lowercase();
    before.rfind("<table") > before.rfind("</table")
}

fn running(filing: &Filing, open: &str, close: &str, page: &str) -> Option<String> {
    let mut text = filing.text.clone();
    let places = new_pages(filing);
    for (number, (place, _)) in places.iter().enumerate().rev() {
        text.insert_str(*place, &format!("{open} {}{close}{page}", number + 2));
    }
    (!places.is_empty()).then_some(text)
}

/// Puts the heading of the item that a page belongs to on top of it.
fn item_headers(filing: &Filing, open: &str, close: &str, page: &str) -> Option<String> {
    let mut text = filing.text.clone();
    let places = new_pages(filing);
    let sections = filing.parsed.sections();
    for (number, (place, index)) in places.iter().enumerate().rev() {
        let inside = sections.iter().find(|s| s.start.element < *index && *index < s.end.element);
        let Some(section) = inside else { continue };
        let title: String = section.title.chars().take(90).collect();
        let (number_open, number_close) =
            if filing.parsed.is_html() { ("<p>", "</p>") } else { ("\n", "\n") };
        text.insert_str(
            *place,
            &format!(
                "{number_open}{}{number_close}{page}{open}{}{close}",
                number + 2,
                title.replace('&', "&amp;")
            ),
        );
    }
    (text != filing.text).then_some(text)
}

/// Writes the document as plain text, as filings were before 2001: lines of 80, pages, no typography.
fn as_plain(filing: &Filing, capitals: bool) -> String {
    let mut out = String::new();
    for element in filing.parsed.elements() {
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
fn as_html(filing: &Filing) -> String {
    let mut out = String::from("<html><body>\n");
    for element in filing.parsed.elements() {
        let text = element.text.replace('&', "&amp;").replace('<', "&lt;");
        match element.kind {
            ElementKind::TableElement => out.push_str(&format!("<pre>\n{text}\n</pre>\n")),
            ElementKind::SupplementaryText => out.push_str(&format!("<p align=center>{text}</p><hr>\n")),
            _ => out.push_str(&format!("<p>{text}</p>\n")),
        }
    }
    out + "</body></html>\n"
}

/// What is compared: status, and the letters of the cleaned text.
fn answer(bytes: &[u8], section: Section) -> (Status, String) {
    let parsed = match parse(bytes) {
        Ok(parsed) => parsed,
        Err(error) => return (Status::Absent, format!("cannot be parsed: {error}")),
    };
    let extracted = extract(&parsed, section);
    let letters = clean(&extracted)
        .text()
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .flat_map(char::to_lowercase)
        .collect();
    (extracted.status(), letters)
}

/// Tells what differs, if more than a hundredth of the letters, the beginning or the end does.
fn difference(expected: &(Status, String), found: &(Status, String)) -> Option<String> {
    if expected.0 != found.0 {
        return Some(format!(
            "{:?} instead of {:?}, {} letters instead of {}",
            found.0,
            expected.0,
            found.1.len(),
            expected.1.len()
        ));
    }
    let ends = |text: &str| {
        (text[..text.len().min(45)].to_string(), text[text.len().saturating_sub(45)..].to_string())
    };
    let length = expected.1.len().abs_diff(found.1.len());
    (ends(&expected.1) != ends(&found.1) || length * 100 > expected.1.len()).then(|| {
        format!(
            "{} letters instead of {}: {:?} instead of {:?}",
            found.1.len(),
            expected.1.len(),
            ends(&found.1),
            ends(&expected.1)
        )
    })
}

/// Applies those of all changes that `wanted` says to a filing; returns how many there were, and what differs.
fn check(name: &str, bytes: &[u8], wanted: impl Fn(usize) -> bool) -> (usize, Vec<String>) {
    let parsed = parse(bytes).unwrap();
    let span = parsed.document_span();
    let (start, end) = (span.start as usize, span.end as usize);
    // Only filings in UTF-8 are altered: offsets stay those of the file.
    let Ok(text) = std::str::from_utf8(&bytes[start..end]) else { return (0, Vec::new()) };
    let expected = answer(bytes, Section::RISK_FACTORS);
    let is_numbered = parsed.is_numbered();
    let filing = Filing { text: text.to_string(), parsed };
    let mutators: &[(&str, Leaves, Mutator)] = if filing.parsed.is_html() { &HTML } else { &PLAIN };
    let (mut count, mut faults) = (0, Vec::new());
    for (at, (what, leaves, mutator)) in mutators.iter().enumerate() {
        if !wanted(at) || (*leaves == Leaves::Numbers && !is_numbered) {
            continue;
        }
        let Some(altered) = mutator(&filing) else { continue };
        count += 1;
        let mut whole = bytes[..start].to_vec();
        whole.extend_from_slice(altered.as_bytes());
        whole.extend_from_slice(&bytes[end..]);
        if let Some(fault) = difference(&expected, &answer(&whole, Section::RISK_FACTORS)) {
            faults.push(format!("{name}, {what}: {fault}"));
        }
    }
    (count, faults)
}

fn files(folder: PathBuf) -> Vec<(String, Vec<u8>)> {
    let Ok(entries) = std::fs::read_dir(&folder) else {
        eprintln!("skipped: no filings in {}", folder.display());
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt" || extension == "htm"));
    paths.sort();
    let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    paths.iter().map(|path| (name(path), std::fs::read(path).unwrap())).collect()
}

#[test]
fn filings_altered_by_program_keep_their_answer() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let samples = files(root.join("data/raw"));
    let real = files(root.join("../shared/filings"));
    // All changes of all real filings take minutes; by default each filing gets some of them, and each change many filings.
    let all = std::env::var_os("LINEAGE_TEST_ALL").is_some();
    let checked: Vec<(usize, Vec<String>)> = samples
        .par_iter()
        .map(|(name, bytes)| check(name, bytes, |_| true))
        .chain(
            real.par_iter()
                .enumerate()
                .map(|(index, (name, bytes))| check(name, bytes, |at| all || (at + index) % 8 == 0)),
        )
        .collect();
    let count: usize = checked.iter().map(|(count, _)| count).sum();
    let faults: Vec<String> = checked.into_iter().flat_map(|(_, faults)| faults).collect();
    eprintln!("{count} altered filings");
    assert!(count >= 60, "only {count} changes were made");
    assert!(
        faults.is_empty(),
        "{} of {count} altered filings changed their answer:\n{}",
        faults.len(),
        faults.join("\n")
    );
}
