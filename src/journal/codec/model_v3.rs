//! Records of model versions, version 3: those that were taken from their entry; published, never to be edited. What version 2
//! holds stands in front. Below it, the way between it and the model.

use bincode::{Decode, Encode};

use super::Fault;
use super::models_v2::ModelV2;
use crate::model::{ModelVersion, TakenEntry, Timestamp};

#[derive(Encode, Decode)]
pub(super) struct ModelV3 {
    model: ModelV2,
    as_of_us: i64,
    run_label: Option<String>,
    run_name: Option<String>,
    inputs_total: u64,
}

impl ModelV3 {
    pub fn new(model: &ModelVersion, taken: &TakenEntry) -> Self {
        ModelV3 {
            model: ModelV2::from(model),
            as_of_us: taken.as_of.micros(),
            run_label: taken.run_label.clone(),
            run_name: taken.run_name.clone(),
            inputs_total: taken.inputs_total,
        }
    }
}

impl TryFrom<ModelV3> for ModelVersion {
    type Error = Fault;

    fn try_from(record: ModelV3) -> Result<Self, Fault> {
        let taken = TakenEntry {
            as_of: Timestamp::from_micros(record.as_of_us),
            run_label: record.run_label,
            run_name: record.run_name,
            inputs_total: record.inputs_total,
        };
        Ok(ModelVersion { taken: Some(taken), ..record.model.try_into()? })
    }
}
