//! The quality of a pipeline run's results, as JSON.

use serde_json::{Value, json};

use crate::query::quality::{Distribution, Quality};

/// Writes the report's numbers.
pub fn json(quality: &Quality) -> Value {
    let coverage = quality.coverage.iter().map(|((form, year), counts)| {
        json!({
            "form": form, "year": year, "found": counts.found, "by_reference": counts.by_reference,
            "not_required": counts.not_required, "absent": counts.absent, "failed": counts.failed,
            "doubtful": counts.doubtful,
        })
    });
    json!({
        "coverage": coverage.collect::<Vec<_>>(),
        "segments": distribution(&quality.segments),
        "words": distribution(&quality.words),
        "confidence": distribution(&quality.confidence),
        "item_share": distribution(&quality.item_share),
        "outliers": quality.outliers.iter().map(|outlier| json!({
            "path": outlier.filing, "section": outlier.section, "what": outlier.what, "value": outlier.value,
        })).collect::<Vec<_>>(),
        "doubtful": quality.doubtful.iter().map(|(filing, section)| json!({
            "path": filing, "section": section,
        })).collect::<Vec<_>>(),
        "duplicates": quality.duplicates.iter().map(|group| json!({
            "section": group.section, "paths": group.filings,
        })).collect::<Vec<_>>(),
        "near_duplicates": quality.near_duplicates.iter().map(|pair| json!({
            "section": pair.section, "paths": [pair.one, pair.other], "bits": pair.bits,
        })).collect::<Vec<_>>(),
        "near_duplicates_more": quality.near_duplicates_more,
        "failures": quality.failures.iter().map(|(reason, count)| json!({
            "reason": reason, "count": count,
        })).collect::<Vec<_>>(),
    })
}

fn distribution(spread: &Distribution) -> Value {
    json!({
        "count": spread.count, "min": spread.min, "lower_quartile": spread.lower_quartile, "median": spread.median,
        "upper_quartile": spread.upper_quartile, "max": spread.max, "mean": spread.mean,
    })
}
