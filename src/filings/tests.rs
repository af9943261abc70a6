//! Tests of the stages together: no input makes them fail otherwise than by an error, and spans lead back to the bytes.

use std::path::PathBuf;

use proptest::prelude::*;

use super::{
    Cleaned, ElementKind, Extracted, Parsed, Section, Span, clean, extract, find_segment, parse, segment,
};

/// Runs all stages for all sections; an error is a fine end, a panic is not.
fn run_all(bytes: &[u8]) {
    let Ok(parsed) = parse(bytes) else { return };
    for section in Section::all() {
        let segmented = segment(&clean(&extract(&parsed, section)));
        for one in segmented.segments() {
            assert!(one.span.start <= one.span.end && one.span.end <= bytes.len() as u64);
        }
    }
    let _ = parsed.to_json();
}

/// Reads the filings kept beside the repository, if they are there.
fn filings() -> Vec<(String, Vec<u8>)> {
    let folder = crate::machine::data("filings");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        crate::machine::skipped(crate::machine::Lack::Data, format!("no filings in {}", folder.display()));
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt" || extension == "htm"));
    paths.sort();
    paths.iter().map(|path| (path.display().to_string(), std::fs::read(path).unwrap())).collect()
}

#[test]
fn every_filing_goes_through_all_stages_and_back() {
    for (name, bytes) in filings() {
        let parsed = parse(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(Parsed::from_json(&parsed.to_json()).unwrap(), parsed, "{name}");
        let extracted = extract(&parsed, Section::RISK_FACTORS);
        assert_eq!(Extracted::from_json(&extracted.to_json()).unwrap(), extracted, "{name}");
        let cleaned = clean(&extracted);
        assert_eq!(Cleaned::from_json(&cleaned.to_json()).unwrap(), cleaned, "{name}");
        let segmented = segment(&cleaned);
        let json = segmented.to_json();
        for one in segmented.segments() {
            let view = find_segment(&json, &one.chunk_id).unwrap().unwrap();
            let seen = (&view.text, view.span, &view.parent_subsection, view.word_count);
            assert_eq!(seen, (&one.text, one.span, &one.parent_subsection, one.word_count), "{name}");
            assert_eq!(view.accession_number, parsed.facts().accession_number);
        }
        assert_eq!(find_segment(&json, "9Z_999").unwrap(), None);
    }
}

/// Checks the items of one filing against each other: order, overlap, tables of contents, and what lies between them.
fn check_items(name: &str, parsed: &Parsed) {
    let form = parsed.form_kind();
    let is_own = |section: &&super::Located| section.evidence.iter().any(|text| text.starts_with("label"));
    let own: Vec<_> = parsed.sections().iter().filter(is_own).collect();
    for pair in own.windows(2) {
        let (one, next) = (pair[0], pair[1]);
        assert!(one.end.element <= next.heading, "{name}: {one:?} reaches into {next:?}");
        let is_out_of_order =
            [one, next].iter().any(|s| s.evidence.iter().any(|text| text.contains("out of the order")));
        let (before, after) = (one.identifier.rank(form), next.identifier.rank(form));
        assert!(before < after || is_out_of_order, "{name}: {} before {}", one.identifier, next.identifier);
    }
    let mut seen = std::collections::BTreeSet::new();
    for section in parsed.sections() {
        assert!(
            section.identifier.title(form).is_some(),
            "{name}: {} is of another form",
            section.identifier
        );
        assert!(seen.insert(section.identifier), "{name}: {} twice", section.identifier);
        let starts_in = parsed.elements().get(section.start.element).map(|element| element.kind);
        let has_body = section.start < section.end;
        assert!(
            !(has_body && starts_in == Some(ElementKind::TableOfContentsElement)),
            "{name}: {} starts in a table of contents",
            section.identifier
        );
    }
    let coverage = parsed.coverage();
    let all = coverage.in_items + coverage.before + coverage.between + coverage.behind;
    if parsed.is_numbered() {
        // "The following items have been omitted", between the parts.
        assert!(coverage.between * 50 <= all, "{name}: {coverage:?}");
    }
    assert!(coverage.share() > 0.2, "{name}: {coverage:?}");
}

#[test]
fn items_are_in_order_apart_and_cover_every_filing() {
    for (name, bytes) in filings() {
        check_items(&name, &parse(&bytes).unwrap());
    }
}

/// Titles of risk factors as digests: FNV-1a of their ASCII letters and digits in lower case.
fn title_digest(title: &str) -> String {
    let letters = title.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase() as u8);
    let digest = letters.fold(0xcbf2_9ce4_8422_2325_u64, |digest, byte| {
        (digest ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{digest:016x}")
}

#[test]
fn risk_titles_are_those_that_a_person_read() {
    let table = include_str!("../../tests/fixtures/filings/risk_titles.tsv");
    let mut gold: std::collections::BTreeMap<&str, Vec<&str>> = std::collections::BTreeMap::new();
    for (name, digest) in table.lines().filter_map(|line| line.split_once('\t')) {
        gold.entry(name).or_default().push(digest);
    }
    assert_eq!((gold.len(), gold.values().map(Vec::len).sum::<usize>()), (10, 253));
    let (mut right, mut given, mut wanted) = (0, 0, 0);
    let mut faults = Vec::new();
    for (name, bytes) in filings() {
        let stem = name.rsplit('/').next().unwrap_or(&name).rsplit_once('.').map_or("", |(stem, _)| stem);
        let Some(titles) = gold.get(stem) else { continue };
        let segmented = segment(&clean(&extract(&parse(&bytes).unwrap(), Section::RISK_FACTORS)));
        let mut seen = std::collections::BTreeSet::new();
        for title in segmented.segments().iter().filter_map(|one| one.title.as_deref()) {
            if seen.insert(title_digest(title)) && !titles.contains(&title_digest(title).as_str()) {
                faults.push(format!("{stem}: not a title: {title}"));
            }
        }
        right += titles.iter().filter(|digest| seen.contains(**digest)).count();
        given += seen.len();
        wanted += titles.len();
    }
    let percent = |part: usize, whole: usize| 100.0 * part as f64 / whole.max(1) as f64;
    eprintln!(
        "titles of risk factors: precision {:.1} % ({right} of {given} given), recall {:.1} % ({right} of {wanted})",
        percent(right, given),
        percent(right, wanted)
    );
    // Of 100 titles, 97 must be found, and of 100 found, 97 must be titles.
    assert!(
        right * 100 >= wanted * 97 && right * 100 >= given * 97,
        "{right} of {wanted}, {given} given: {faults:#?}"
    );
}

/// Letters and digits of a file's bytes without markup, as the standard's own tokenizer sees them.
fn letters_of(bytes: &[u8], span: Span, is_html: bool) -> String {
    let part = &bytes[span.start as usize..span.end as usize];
    let text = match std::str::from_utf8(part) {
        Ok(text) => text.to_string(),
        Err(_) => encoding_rs::WINDOWS_1252.decode(part).0.into_owned(),
    };
    let visible = if is_html {
        let mut visible = String::new();
        for token in html5gum::Tokenizer::new(text.as_str()) {
            if let Ok(html5gum::Token::String(string)) = token {
                visible.push_str(&String::from_utf8_lossy(&string));
            }
        }
        visible
    } else {
        // The tags of EDGAR's plain text stand on lines of their own.
        text.lines().filter(|line| !line.trim_start().starts_with('<')).collect::<Vec<_>>().join("\n")
    };
    visible.chars().filter(|letter| letter.is_alphanumeric()).collect()
}

fn alphanumeric(text: &str) -> String {
    text.chars().filter(|letter| letter.is_alphanumeric()).collect()
}

#[test]
fn the_bytes_of_every_span_give_its_text() {
    for (name, bytes) in filings() {
        let parsed = parse(&bytes).unwrap();
        let is_html = parsed.is_html();
        for element in parsed.elements().iter().filter(|element| element.kind != ElementKind::ImageElement) {
            let found = letters_of(&bytes, element.span, is_html);
            assert_eq!(found, alphanumeric(&element.text), "{name}: {:?}", element.span);
        }
        // All items where the filing is small; the oracle is slow.
        let sections: Vec<Section> = Section::all()
            .filter(|section| bytes.len() < 600_000 || *section == Section::RISK_FACTORS)
            .collect();
        let segments = sections.into_iter().flat_map(|section| {
            let segmented = segment(&clean(&extract(&parsed, section)));
            segmented.segments().to_vec()
        });
        for one in segments {
            let spans = if one.spans.is_empty() { vec![one.span] } else { one.spans.clone() };
            let found: String = spans.iter().map(|span| letters_of(&bytes, *span, is_html)).collect();
            assert_eq!(found, alphanumeric(&one.text), "{name}: {} {spans:?}", one.chunk_id);
        }
    }
}

#[test]
fn a_cut_off_filing_is_read_as_far_as_it_goes() {
    for (at, (_, bytes)) in filings().into_iter().enumerate().filter(|(at, _)| at % 6 == 0) {
        for part in 1..4 {
            run_all(&bytes[..bytes.len() * part / 4 + at]);
        }
    }
}

#[test]
fn nothing_and_white_space_are_refused() {
    for bytes in [&b""[..], b"  \n\t ", b"%PDF-1.4 ", b"PK\x03\x04", b"hello world"] {
        assert!(parse(bytes).is_err());
    }
}

/// Small units written very often: what takes more than linear time would not end.
#[test]
fn hostile_repetition_is_read() {
    let units = [
        "<p>Item 1. Business</p><p>PART II</p><p>Item 7A. Quantitative</p>",
        "<p><a href='#a'>Item 1A. Risk Factors</a></p><p id=a>x</p>",
        "Item 1. Business<br>",
        "<table><tr><td>x",
        "<b>x <i>y",
        "<a b=\"",
        "<td>1",
        "</b></p></div>",
        "&nbsp;&foo;",
    ];
    for unit in units {
        run_all(format!("<html>{}", unit.repeat(20_000)).as_bytes());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_refused_or_read(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        run_all(&bytes);
        let mut html = b"<html><body>".to_vec();
        html.extend(&bytes);
        run_all(&html);
    }

    #[test]
    fn any_markup_is_read(parts in proptest::collection::vec(prop::sample::select(vec![
        "<p>", "</p>", "<table>", "</table>", "<tr>", "<td>", "</td>", "<b>", "</b>", "Item 1A.", " Risk Factors", "Item 2.", "&nbsp;",
        "&#160;", "\u{200b}", "<br>", "<br/>", "PART II", "<div style=\"display:none\">", "</div>", "<pre>", "</pre>", "\n", "12",
        "The quick brown fox. ", "risk-\nfactors ", "<DOCUMENT>", "<TYPE>10-K", "<TEXT>", "<PAGE>", "<ix:header>", "</ix:header>", "é", "\u{ad}",
        "Items 1 and 1A", "<span style='font-weight:bold'>", "</span>", "<a href=\"#x\">", "</a>", "<a name=x>", "<", "&", "<!--", "-->",
    ]), 0..80)) {
        run_all(format!("<html>{}", parts.concat()).as_bytes());
        run_all(format!("FORM 10-K\n{}", parts.concat()).as_bytes());
    }
}
