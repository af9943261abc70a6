//! Records of the repositories that runs read files of, version 1; published, never to be edited. Below them, the way between
//! them and the model.

use bincode::{Decode, Encode};

use super::v1::CodeV1;
use super::{Fault, path};
use crate::model::{NodeId, RunRepository, Timestamp};

#[derive(Encode, Decode)]
pub(super) struct RunRepositoryV1 {
    run: u128,
    at_us: i64,
    root: Option<Vec<u8>>,
    code: Option<CodeV1>,
}

impl From<&RunRepository> for RunRepositoryV1 {
    fn from(repository: &RunRepository) -> Self {
        RunRepositoryV1 {
            run: repository.run.as_u128(),
            at_us: repository.at.micros(),
            root: repository.root.as_ref().map(|root| root.as_bytes().to_vec()),
            code: repository.code.as_ref().map(CodeV1::from),
        }
    }
}

impl TryFrom<RunRepositoryV1> for RunRepository {
    type Error = Fault;

    fn try_from(record: RunRepositoryV1) -> Result<Self, Fault> {
        Ok(RunRepository {
            run: NodeId::from_u128(record.run),
            at: Timestamp::from_micros(record.at_us),
            root: record.root.map(path).transpose()?,
            code: record.code.map(TryInto::try_into).transpose()?,
        })
    }
}
