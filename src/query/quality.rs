//! The quality of a pipeline run's results, from what is recorded with its steps: coverage, distributions, duplicates, failures.
//!
//! [`rows`] reads the recorded facts, [`quality`] is a pure function of them, so that a report made of it is the same on every
//! machine. The steps of a pipeline record these counts: `parse` `forms_annual` or `forms_quarterly`, `fiscal_year`,
//! `item_share`; `extract` `sections_<status>`, `sections_doubtful`, `confidence`; `segment` `segments`, `segment_words`,
//! `text_fingerprint`, `text_simhash`.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Result;
use crate::model::StepStatus;
use crate::query::duplicates;
pub use crate::query::duplicates::NEAR_BITS;
use crate::store::{RunNo, Snapshot};

/// As many pairs of nearly equal texts are listed.
const NEAR_MAX: usize = 10_000;

/// What is recorded of one section of one filing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct QualityRow {
    /// The filing.
    pub filing: String,
    /// The section, such as `part1item1a`; empty where the filing failed before.
    pub section: String,
    /// `annual`, `quarterly`, or empty.
    pub form: &'static str,
    /// The fiscal year.
    pub year: Option<u32>,
    /// `found`, `by_reference`, `not_required`, `absent`, or `failed`.
    pub status: &'static str,
    /// How sure the place of the section is, from 0 to 1.
    pub confidence: Option<f64>,
    /// Whether something speaks against it.
    pub is_doubtful: bool,
    /// The share of the document's letters that lies in items.
    pub item_share: Option<f64>,
    /// Number of segments.
    pub segments: Option<f64>,
    /// Words of all segments.
    pub words: Option<f64>,
    /// Equal for equal texts.
    pub fingerprint: Option<u64>,
    /// Few bits apart for texts that share most of their words.
    pub simhash: Option<u64>,
    /// Why it failed.
    pub failure: Option<String>,
}

/// How often each status came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StatusCounts {
    /// Sections with a text of their own.
    pub found: u64,
    /// Sections that only point elsewhere.
    pub by_reference: u64,
    /// Sections that say that nothing is required.
    pub not_required: u64,
    /// Filings without the section.
    pub absent: u64,
    /// Filings that failed.
    pub failed: u64,
    /// Sections among those found whose place is doubtful.
    pub doubtful: u64,
}

/// How numbers are spread.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Distribution {
    /// How many there are.
    pub count: u64,
    /// The least.
    pub min: f64,
    /// A quarter is no greater.
    pub lower_quartile: f64,
    /// Half are no greater.
    pub median: f64,
    /// Three quarters are no greater.
    pub upper_quartile: f64,
    /// The greatest.
    pub max: f64,
    /// Their mean.
    pub mean: f64,
}

/// A filing whose number is far from those of the others.
#[derive(Debug, Clone, PartialEq)]
pub struct Outlier {
    /// The filing.
    pub filing: String,
    /// The section.
    pub section: String,
    /// What was counted: `segments` or `words`.
    pub what: &'static str,
    /// The number.
    pub value: f64,
}

/// Two filings whose texts are nearly the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NearPair {
    /// The section.
    pub section: String,
    /// One filing.
    pub one: String,
    /// The other.
    pub other: String,
    /// In how many of 48 bits their sketches differ: at most [`NEAR_BITS`].
    pub bits: u32,
}

/// Filings whose texts of a section are the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EqualGroup {
    /// The section.
    pub section: String,
    /// The filings.
    pub filings: Vec<String>,
}

/// The quality of a run's results.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Quality {
    /// Statuses by form and fiscal year.
    pub coverage: BTreeMap<(&'static str, Option<u32>), StatusCounts>,
    /// Segments of each section that was found.
    pub segments: Distribution,
    /// Words of each section that was found.
    pub words: Distribution,
    /// Confidence of each section that was found.
    pub confidence: Distribution,
    /// Share of each document that lies in items.
    pub item_share: Distribution,
    /// Sections far from the others, the farthest first.
    pub outliers: Vec<Outlier>,
    /// Sections whose place is doubtful: filing and section.
    pub doubtful: Vec<(String, String)>,
    /// Groups of filings whose texts are the same.
    pub duplicates: Vec<EqualGroup>,
    /// Pairs of filings whose texts are nearly the same, without those that are the same: of equal ones, the first stands for
    /// all.
    pub near_duplicates: Vec<NearPair>,
    /// How many more pairs there are than are listed.
    pub near_duplicates_more: u64,
    /// Failures by reason, the most frequent first.
    pub failures: Vec<(String, u64)>,
}

/// Reads what is recorded of each section of each filing of a run.
///
/// # Errors
/// A store error where a record is damaged.
pub fn rows(snapshot: &Snapshot, run: RunNo) -> Result<Vec<QualityRow>> {
    let mut steps = snapshot.whole_steps_of(run)?;
    steps.sort_by_key(|step| (step.ended_at, step.id));
    // What every section of a filing shares, and each section's own.
    let mut parsed: BTreeMap<String, QualityRow> = BTreeMap::new();
    let mut sections: BTreeMap<(String, String), QualityRow> = BTreeMap::new();
    for step in steps {
        if !matches!(step.name.as_str(), "parse" | "extract" | "clean" | "segment") {
            continue;
        }
        let found = step.parameters.iter().find(|(name, _)| name == "section");
        let section = found.map_or_else(String::new, |(_, value)| value.clone());
        let row = match step.name.as_str() {
            "parse" => {
                // What was parsed again has no sections yet.
                let front = (step.subject.clone(), String::new());
                let known = sections.range(front..).map(|(key, _)| key);
                let before: Vec<_> =
                    known.take_while(|(filing, _)| *filing == step.subject).cloned().collect();
                before.iter().for_each(|key| drop(sections.remove(key)));
                parsed.entry(step.subject.clone()).insert_entry(QualityRow::default()).into_mut()
            }
            _ => sections.entry((step.subject.clone(), section)).or_default(),
        };
        row.failure = step.reason.clone().filter(|_| step.status != StepStatus::Succeeded);
        for point in snapshot.metrics(step.id)? {
            row.note(&point.name, point.value.get());
        }
    }
    let mut rows = Vec::with_capacity(sections.len());
    for ((filing, section), row) in &sections {
        let of_filing = parsed.get(filing).cloned().unwrap_or_default();
        rows.push(QualityRow {
            filing: filing.clone(),
            section: section.clone(),
            form: of_filing.form,
            year: of_filing.year,
            item_share: of_filing.item_share,
            ..row.clone()
        });
    }
    let with_sections: BTreeSet<&String> = sections.keys().map(|(filing, _)| filing).collect();
    let alone = parsed.iter().filter(|(filing, _)| !with_sections.contains(filing));
    rows.extend(alone.map(|(filing, row)| QualityRow { filing: filing.clone(), ..row.clone() }));
    for row in rows.iter_mut().filter(|row| row.failure.is_some()) {
        row.status = "failed";
    }
    rows.sort_by(|a, b| (&a.filing, &a.section).cmp(&(&b.filing, &b.section)));
    Ok(rows)
}

impl QualityRow {
    fn note(&mut self, name: &str, value: f64) {
        match name {
            "forms_annual" => self.form = "annual",
            "forms_quarterly" => self.form = "quarterly",
            "fiscal_year" => self.year = Some(value as u32),
            "item_share" => self.item_share = Some(value),
            "sections_found" => self.status = "found",
            "sections_by_reference" => self.status = "by_reference",
            "sections_not_required" => self.status = "not_required",
            "sections_absent" => self.status = "absent",
            "sections_doubtful" => self.is_doubtful = value > 0.0,
            "confidence" => self.confidence = Some(value),
            "segments" => self.segments = Some(value),
            "segment_words" => self.words = Some(value),
            "text_fingerprint" => self.fingerprint = Some(value as u64),
            "text_simhash" => self.simhash = Some(value as u64),
            _ => {}
        }
    }
}

/// Makes the report's numbers; the order of `rows` is of no importance.
pub fn quality(rows: &[QualityRow]) -> Quality {
    let mut rows: Vec<&QualityRow> = rows.iter().collect();
    rows.sort_by(|a, b| (&a.filing, &a.section).cmp(&(&b.filing, &b.section)));
    let mut quality = Quality::default();
    let mut failures: BTreeMap<&str, u64> = BTreeMap::new();
    for row in &rows {
        let counts = quality.coverage.entry((row.form, row.year)).or_default();
        match row.status {
            "found" => counts.found += 1,
            "by_reference" => counts.by_reference += 1,
            "not_required" => counts.not_required += 1,
            "absent" => counts.absent += 1,
            "failed" => counts.failed += 1,
            _ => {}
        }
        counts.doubtful += u64::from(row.is_doubtful);
        if row.is_doubtful {
            quality.doubtful.push((row.filing.clone(), row.section.clone()));
        }
        if let Some(reason) = &row.failure {
            *failures.entry(reason).or_default() += 1;
        }
    }
    let found: Vec<&QualityRow> = rows.iter().copied().filter(|row| row.status == "found").collect();
    quality.segments = distribution(found.iter().filter_map(|row| row.segments));
    quality.words = distribution(found.iter().filter_map(|row| row.words));
    quality.confidence = distribution(found.iter().filter_map(|row| row.confidence));
    let mut documents: BTreeMap<&str, f64> = BTreeMap::new();
    documents.extend(rows.iter().filter_map(|row| Some((row.filing.as_str(), row.item_share?))));
    quality.item_share = distribution(documents.into_values());
    quality.outliers = outliers(&found, &quality.segments, &quality.words);
    quality.duplicates = duplicates::equal_groups(&found);
    let near = duplicates::near_pairs(&found, NEAR_MAX);
    (quality.near_duplicates, quality.near_duplicates_more) = (near.pairs, near.more);
    quality.failures = failures.into_iter().map(|(reason, count)| (reason.to_owned(), count)).collect();
    quality.failures.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    quality
}

fn distribution(numbers: impl Iterator<Item = f64>) -> Distribution {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    let (Some(min), Some(max)) = (numbers.first(), numbers.last()) else {
        return Distribution::default();
    };
    // The nearest rank: a number that is really there.
    let quantile = |share: f64| numbers[((numbers.len() as f64 * share).ceil() as usize).max(1) - 1];
    Distribution {
        count: numbers.len() as u64,
        min: *min,
        lower_quartile: quantile(0.25),
        median: quantile(0.5),
        upper_quartile: quantile(0.75),
        max: *max,
        mean: numbers.iter().sum::<f64>() / numbers.len() as f64,
    }
}

/// Fewer sections than this have no outliers.
const OUTLIERS_ROWS_MIN: u64 = 8;

/// Names sections whose number of segments or words lies far out: by ratio, three times the distance of the quartiles beyond
/// them (Tukey's outer fences, on logarithms, since sections grow by factors).
fn outliers(found: &[&QualityRow], segments: &Distribution, words: &Distribution) -> Vec<Outlier> {
    let mut outliers: Vec<(f64, Outlier)> = Vec::new();
    let log = |value: f64| (value + 1.0).ln();
    for (what, distribution) in [("segments", segments), ("words", words)] {
        if distribution.count < OUTLIERS_ROWS_MIN {
            continue;
        }
        let (lower, upper) = (log(distribution.lower_quartile), log(distribution.upper_quartile));
        let reach = 3.0 * (upper - lower);
        for row in found {
            let value = if what == "words" { row.words } else { row.segments };
            let Some(value) = value else { continue };
            let beyond = (lower - reach - log(value)).max(log(value) - upper - reach);
            if beyond > 0.0 {
                let (filing, section) = (row.filing.clone(), row.section.clone());
                outliers.push((beyond, Outlier { filing, section, what, value }));
            }
        }
    }
    outliers.sort_by(|a, b| {
        b.0.total_cmp(&a.0).then_with(|| (&a.1.filing, a.1.what).cmp(&(&b.1.filing, b.1.what)))
    });
    outliers.into_iter().map(|(_, outlier)| outlier).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(filing: &str, words: f64, simhash: u64) -> QualityRow {
        QualityRow {
            filing: filing.to_owned(),
            section: "part1item1a".to_owned(),
            form: "annual",
            year: Some(2020),
            status: "found",
            confidence: Some(0.9),
            segments: Some(words / 200.0),
            words: Some(words),
            fingerprint: Some(simhash),
            simhash: Some(simhash),
            ..QualityRow::default()
        }
    }

    #[test]
    fn the_numbers_do_not_depend_on_the_order_of_the_rows() {
        let mut rows: Vec<QualityRow> = (0..40)
            .map(|at| {
                row(
                    &format!("f{at:02}"),
                    5000.0 + f64::from(at) * 100.0,
                    (0x1111_2222_0000 * (at as u64 + 1)) & 0xffff_ffff_ffff,
                )
            })
            .collect();
        rows.push(row("tiny", 30.0, 7));
        rows.push(QualityRow {
            status: "failed",
            failure: Some("no text".to_owned()),
            form: "",
            ..row("bad", 0.0, 9)
        });
        let expected = quality(&rows);
        for turn in 1..rows.len() {
            rows.rotate_left(turn);
            assert_eq!(quality(&rows), expected);
        }
        let counts = expected.coverage[&("annual", Some(2020))];
        assert_eq!((counts.found, counts.failed), (41, 0));
        assert_eq!(expected.failures, [("no text".to_owned(), 1)]);
        let named: Vec<(&str, &str)> =
            expected.outliers.iter().map(|outlier| (outlier.filing.as_str(), outlier.what)).collect();
        assert_eq!(named, [("tiny", "words"), ("tiny", "segments")]);
    }

    #[test]
    fn quartiles_are_numbers_that_are_there() {
        let spread = distribution([4.0, 1.0, 3.0, 2.0].into_iter());
        assert_eq!(
            (spread.min, spread.lower_quartile, spread.median, spread.upper_quartile, spread.max),
            (1.0, 1.0, 2.0, 3.0, 4.0)
        );
        assert_eq!(distribution(std::iter::empty()), Distribution::default());
    }
}
