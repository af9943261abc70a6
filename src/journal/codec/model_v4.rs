//! Records of model versions, version 4: those that hold symbolic links; published, never to be edited. What version 2 holds stands
//! in front. Below it, the way between it and the model.

use bincode::{Decode, Encode};

use super::models_v2::ModelV2;
use super::{Fault, link_v1};
use crate::model::{ModelVersion, TakenEntry, Timestamp};

#[derive(Encode, Decode)]
pub(super) struct ModelV4 {
    model: ModelV2,
    taken: Option<TakenV4>,
    /// The place of a file among those of the version, and the text of the link that it is.
    links: Vec<(u32, Vec<u8>)>,
}

#[derive(Encode, Decode)]
struct TakenV4 {
    as_of_us: i64,
    run_label: Option<String>,
    run_name: Option<String>,
    inputs_total: u64,
}

/// Returns true where no older version can hold a model version.
pub(super) fn is_needed(model: &ModelVersion) -> bool {
    model.artifacts.iter().any(|held| held.link.is_some())
}

impl From<&ModelVersion> for ModelV4 {
    fn from(model: &ModelVersion) -> Self {
        let links = model.artifacts.iter().enumerate().filter_map(|(place, held)| {
            let text = held.link.as_ref()?.as_bytes().to_vec();
            Some((place as u32, text))
        });
        ModelV4 {
            model: ModelV2::from(model),
            taken: model.taken.as_ref().map(|taken| TakenV4 {
                as_of_us: taken.as_of.micros(),
                run_label: taken.run_label.clone(),
                run_name: taken.run_name.clone(),
                inputs_total: taken.inputs_total,
            }),
            links: links.collect(),
        }
    }
}

impl TryFrom<ModelV4> for ModelVersion {
    type Error = Fault;

    fn try_from(record: ModelV4) -> Result<Self, Fault> {
        let mut model: ModelVersion = record.model.try_into()?;
        model.taken = record.taken.map(|taken| TakenEntry {
            as_of: Timestamp::from_micros(taken.as_of_us),
            run_label: taken.run_label,
            run_name: taken.run_name,
            inputs_total: taken.inputs_total,
        });
        for (place, text) in record.links {
            let text = link_v1::text(text)?;
            let held = model.artifacts.get_mut(place as usize);
            let held = held.filter(|held| held.artifact == text.artifact(held.artifact.path.clone()));
            let held =
                held.ok_or_else(|| Fault::Damaged("a link is none of the version's files".to_owned()))?;
            held.link = Some(text);
        }
        Ok(model)
    }
}
