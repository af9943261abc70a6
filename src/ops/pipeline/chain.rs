//! The stages one after the other on one filing: values in memory, each computed when it is first asked for.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::Kind;
use crate::filings::{self, Cleaned, Extracted, FormKind, Parsed, Section, Segmented};
use crate::model::{MetricValue, Parameter};
use crate::ops::pipeline::stages::{Part, PipelineStage};

/// The values of a filing on its way through the stages, each computed when it is first asked for.
pub struct Chain<'a> {
    /// As many of the filing's bytes, from the first on, as decide what it is parsed to.
    bytes: &'a [u8],
    parsed: Option<Parsed>,
    section: Option<Section>,
    extracted: Option<Extracted>,
    cleaned: Option<Cleaned>,
}

/// The names of what a filing says of itself.
pub const FACTS: [&str; 4] = ["company", "cik", "form", "fiscal_year"];

/// A stage's output and its counts.
pub type Made = (Vec<u8>, Vec<(String, MetricValue)>);
/// The same, or why there is none.
pub type Computed = Result<Made, String>;

impl<'a> Chain<'a> {
    /// Begins with the front of a filing that decides what it is parsed to.
    pub fn new(bytes: &'a [u8]) -> Self {
        Chain { bytes, parsed: None, section: None, extracted: None, cleaned: None }
    }

    /// Computes a part. A panic is a fault of ours; it costs this filing, not the run.
    pub fn compute(&mut self, part: Part) -> Computed {
        catch_unwind(AssertUnwindSafe(|| self.compute_part(part))).unwrap_or_else(|panic| {
            let text =
                panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
            Err(format!("a fault of lineage, please report it: {}", text.unwrap_or("panic")))
        })
    }

    /// Parses the filing, so that this need not be done later. What goes wrong shows when the result is asked for.
    pub fn parse_ahead(&mut self) {
        let _ = catch_unwind(AssertUnwindSafe(|| self.parsed().is_ok()));
    }

    /// Returns what the filing says of itself, as parameters of the step that parses it; nothing before that is done.
    pub fn facts(&self) -> Vec<Parameter> {
        let Some(parsed) = &self.parsed else { return Vec::new() };
        let facts = parsed.facts();
        let values = [&facts.company_name, &facts.cik, &facts.form_type, &facts.fiscal_year];
        let named = FACTS.iter().zip(values);
        named.filter_map(|(name, value)| Some(((*name).to_owned(), value.clone()?))).collect()
    }

    fn compute_part(&mut self, part: Part) -> Computed {
        let section = part.section.unwrap_or(Section::RISK_FACTORS);
        match part.stage {
            PipelineStage::Parse => {
                let parsed = self.parsed()?;
                let form = form_metric(parsed.form_kind());
                let mut metrics = vec![count("elements", parsed.elements_count()), count(form, 1)];
                metrics.extend(parsed.facts().year().map(|year| count("fiscal_year", year as usize)));
                metrics.push(share("item_share", parsed.coverage().share()));
                Ok((parsed.to_json(), metrics))
            }
            PipelineStage::Extract => {
                let extracted = self.extracted(section)?;
                let words = filings::count_words(extracted.text());
                let status = format!("sections_{}", extracted.status().name().replace('-', "_"));
                let mut metrics = vec![count(&status, 1), count("extracted_words", words)];
                let extraction = extracted.extraction();
                metrics.extend(extraction.confidence.map(|sure| share("confidence", sure.into())));
                if extraction.is_doubtful() {
                    metrics.push(count("sections_doubtful", 1));
                }
                Ok((extracted.to_json(), metrics))
            }
            PipelineStage::Clean => {
                let cleaned = self.cleaned(section)?;
                let words = filings::count_words(cleaned.text());
                Ok((cleaned.to_json(), vec![count("cleaned_words", words)]))
            }
            PipelineStage::Segment => {
                let cleaned = self.cleaned(section)?;
                let sketch = (!cleaned.text().is_empty()).then(|| filings::sketch(cleaned.text()));
                let segmented: Segmented = filings::segment(cleaned);
                let words = segmented.segments().iter().map(|segment| segment.word_count).sum();
                let mut metrics =
                    vec![count("segments", segmented.segments().len()), count("segment_words", words)];
                if let Some(sketch) = sketch {
                    metrics.push(count("text_fingerprint", sketch.fingerprint as usize));
                    metrics.push(count("text_simhash", sketch.simhash as usize));
                }
                Ok((segmented.to_json(), metrics))
            }
        }
    }

    fn parsed(&mut self) -> Result<&Parsed, String> {
        if self.parsed.is_none() {
            self.parsed = Some(filings::parse(self.bytes).map_err(|error| match error.kind() {
                Kind::Bug => format!("a fault of lineage, please report it: {}", error.in_full()),
                _ => error.in_full(),
            })?);
        }
        Ok(self.parsed.as_ref().expect("it was just put there"))
    }

    fn extracted(&mut self, section: Section) -> Result<&Extracted, String> {
        if self.section != Some(section) || self.extracted.is_none() {
            let extracted = filings::extract(self.parsed()?, section);
            self.extracted = Some(extracted);
            self.cleaned = None;
            self.section = Some(section);
        }
        Ok(self.extracted.as_ref().expect("it was just put there"))
    }

    fn cleaned(&mut self, section: Section) -> Result<&Cleaned, String> {
        if self.section != Some(section) || self.cleaned.is_none() {
            let cleaned = filings::clean(self.extracted(section)?);
            self.cleaned = Some(cleaned);
        }
        Ok(self.cleaned.as_ref().expect("it was just put there"))
    }
}

/// Returns the name under which filings of a form are counted: it also says, without parsing again, which items to ask for.
fn form_metric(form: FormKind) -> &'static str {
    match form {
        FormKind::Annual => "forms_annual",
        FormKind::Quarterly => "forms_quarterly",
    }
}

/// Returns the form of a filing by the counts of its parsing.
pub fn form_of(metrics: &[(String, MetricValue)]) -> FormKind {
    let is_quarterly = metrics.iter().any(|(name, _)| name == form_metric(FormKind::Quarterly));
    if is_quarterly { FormKind::Quarterly } else { FormKind::Annual }
}

/// Counts that are of one filing alone: their sum over filings says nothing.
pub const OF_ONE_FILING: [&str; 5] =
    ["fiscal_year", "item_share", "confidence", "text_fingerprint", "text_simhash"];

fn share(name: &str, share: f64) -> (String, MetricValue) {
    (name.to_owned(), MetricValue::new(share).expect("a share is finite"))
}

fn count(name: &str, count: usize) -> (String, MetricValue) {
    (name.to_owned(), MetricValue::new(count as f64).expect("a count is finite"))
}
