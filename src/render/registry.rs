//! What taking a registry's files over came to, as text and as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::ops::registry::{RegistryTaken, TakenNews, TakenVersion};
use crate::render::units::{counted, one_line};

/// As many lines of a sort are printed for people.
const LINES_MAX: usize = 20;

/// Writes the report for people.
pub fn text(report: &RegistryTaken) -> String {
    let of = |news| report.entries.iter().filter(|entry| entry.news == news).count();
    let mut text = format!(
        "{}, {} new",
        counted(report.entries.len() as u64, "version", "versions"),
        of(TakenNews::New)
    );
    let changed = of(TakenNews::Changed);
    if changed > 0 {
        let _ = write!(text, ", {changed} changed");
    }
    text.push('\n');
    let news = report.entries.iter().filter(|entry| entry.news != TakenNews::Known);
    lines(&mut text, news.map(news_words).collect());
    let remarks = report.entries.iter().flat_map(|entry| {
        let (label, remarks) = (one_line(&entry.label), entry.remarks.iter());
        remarks.map(move |remark| format!("  note      {label}: {}", one_line(remark)))
    });
    lines(&mut text, remarks.collect());
    let differs = report.entries.iter().filter(|entry| !entry.differs.is_empty());
    let words = |entry: &TakenVersion| {
        let fields = one_line(&entry.differs.join(", "));
        format!("  differs   {} from what is recorded here: {fields}", one_line(&entry.file))
    };
    lines(&mut text, differs.map(words).collect());
    lines(&mut text, report.left_out.iter().map(|line| format!("  left out  {}", one_line(line))).collect());
    text
}

fn news_words(entry: &TakenVersion) -> String {
    let (here, all) = entry.files_here;
    let mut words = format!("  {:<9} {}, ", entry.news.as_str(), one_line(&entry.label));
    let _ = match (here, all) {
        (_, 0) => write!(words, "no files"),
        (here, all) if here == all => write!(words, "{} as registered", counted(all as u64, "file", "files")),
        (here, all) => write!(words, "{here} of {} here as registered", counted(all as u64, "file", "files")),
    };
    if entry.run_recorded == Some(false) {
        words.push_str("; the run that trained it is not recorded here");
    }
    words
}

fn lines(text: &mut String, all: Vec<String>) {
    for line in all.iter().take(LINES_MAX) {
        let _ = writeln!(text, "{line}");
    }
    if all.len() > LINES_MAX {
        let _ = writeln!(text, "            and {} more; `--json` lists all", all.len() - LINES_MAX);
    }
}

/// Writes the report as JSON.
pub fn json(report: &RegistryTaken) -> Value {
    let models = report.entries.iter().map(|entry| {
        json!({
            "id": entry.id.to_string(),
            "label": entry.label,
            "file": entry.file,
            "news": entry.news.as_str(),
            "run_recorded": entry.run_recorded,
            "files": entry.files_here.1,
            "files_here": entry.files_here.0,
            "differs": entry.differs,
            "remarks": entry.remarks,
        })
    });
    json!({"format": 1, "models": models.collect::<Vec<_>>(), "left_out": report.left_out})
}
