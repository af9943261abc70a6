//! Model versions, and those that hold or learned from what is shown.

use std::fmt::Write as _;

use super::more;
use super::trace::trace;
use crate::ops::show::{LearnedModel, ModelReport};
use crate::query::registry::ModelView;
use crate::render::models::{card, stage_words};
use crate::render::status::aligned;
use crate::render::units::{counted, one_line};

/// As many model versions are named.
const MODELS_MAX: usize = 50;

pub(super) fn model(report: &ModelReport, text: &mut String) {
    text.push_str(&card(&report.card, false));
    learned(&report.learned, text);
    trace(&report.trace, &report.disk, text);
}

/// Names model versions, each with where it stands.
pub(super) fn holding(label: &str, models: &[ModelView], text: &mut String) {
    for view in models.iter().take(MODELS_MAX) {
        let _ = writeln!(text, "  {label:<8} {}  {}", one_line(&view.label()), stage_words(view));
    }
    more(text, models.len(), MODELS_MAX, "models");
}

/// Names the model versions that learned from what is shown.
pub(super) fn learned(models: &[LearnedModel], text: &mut String) {
    if models.is_empty() {
        return;
    }
    let _ = writeln!(text, "  learned  {}:", counted(models.len() as u64, "model version", "model versions"));
    let rows = models.iter().take(MODELS_MAX).map(|model| {
        let by = format!("by {}", model.how.as_str());
        let evidence = model.evidence.as_str().to_owned();
        vec![String::new(), one_line(&model.view.label()), stage_words(&model.view), by, evidence]
    });
    text.push_str(&aligned(rows.collect()));
    more(text, models.len(), MODELS_MAX, "model versions");
}
