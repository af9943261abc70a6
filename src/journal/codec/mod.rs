//! Facts to bytes and back: the only place that names bincode.
//!
//! **A published record version is never edited.** A change of what is recorded is a new struct, a new version number and a
//! new arm in [`decode_parts`]; the old ones stay. `tests/fixtures/journal` holds a segment of each past version.

mod link_v1;
mod model_v3;
mod model_v4;
mod models_v2;
mod note_v2;
mod of_runs;
mod overwritten;
mod repository_v1;
mod run_tags;
mod run_v4;
mod run_v5;
mod step_v3;
mod step_v4;
mod step_v5;
mod v1;

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use bincode::{Decode, Encode};

use crate::error::{Error, Kind, Result};
use crate::journal::frame::PAYLOAD_MAX_BYTES;
use crate::model::{ArtifactPath, Fact, Metric};

use link_v1::LinkV1;
use model_v3::ModelV3;
use model_v4::ModelV4;
use models_v2::{AliasV1, ModelChangeV2, ModelV2};
use note_v2::{NoteGoneV1, NoteV2};
use of_runs::{RemarksV1, RunV2, RunV3, SaidParametersV1, StepV2};
use overwritten::OverwrittenV1;
use repository_v1::RunRepositoryV1;
use run_tags::RunTagsV1;
use run_v4::RunV4;
use run_v5::RunV5;
use step_v3::StepV3;
use step_v4::StepV4;
use step_v5::StepV5;
use v1::{MetricsV1, ModelChangeV1, ModelV1, NoteV1, OutcomeV1, PointV1, RunV1, StepV1};

/// Why a payload cannot be decoded.
#[derive(Debug)]
pub(crate) enum Fault {
    /// A kind or version that this program does not know.
    Unknown,
    /// The bytes do not say what such a record must say.
    Damaged(String),
}

type Settings<const LIMIT: usize> = Configuration<LittleEndian, Varint, Limit<LIMIT>>;

/// Settings for payloads of so many bytes at most, by size: what a payload says it needs in memory is refused past 32 times
/// that, which no payload of these types needs (a pair of empty texts takes 2 bytes, and 48 in memory). Without a limit a
/// forged length would make us allocate any amount.
const SMALL_BYTES: usize = 64 << 10;
const MIDDLE_BYTES: usize = 2 << 20;
const SMALL: Settings<{ 32 * SMALL_BYTES }> = bincode::config::standard().with_limit();
const MIDDLE: Settings<{ 32 * MIDDLE_BYTES }> = bincode::config::standard().with_limit();
const LARGE: Settings<{ 32 * PAYLOAD_MAX_BYTES }> = bincode::config::standard().with_limit();

const RUN: u8 = 1;
const OUTCOME: u8 = 2;
const STEP: u8 = 3;
const METRICS: u8 = 4;
const MODEL: u8 = 5;
const MODEL_CHANGE: u8 = 6;
const NOTE: u8 = 7;
const SAID_PARAMETERS: u8 = 8;
const REMARKS: u8 = 9;
const MODEL_ALIAS: u8 = 10;
const RUN_TAGS: u8 = 14;
const NOTE_GONE: u8 = 15;
const LINK: u8 = 18;
const RUN_REPOSITORY: u8 = 20;
const OVERWRITTEN: u8 = 22;

/// Encodes a fact as kind, version and payload in one piece, as the store keeps it.
///
/// # Errors
/// A bug where bincode refuses, which it does for no value of these types.
pub fn encode(fact: &Fact) -> Result<Vec<u8>> {
    let (kind, version, payload) = encode_parts(fact)?;
    let mut bytes = vec![kind, version];
    bytes.extend_from_slice(&payload);
    Ok(bytes)
}

/// Decodes what [`encode`] gave.
///
/// # Errors
/// A store error where the bytes are damaged or from a newer program.
pub fn decode(bytes: &[u8]) -> Result<Fact> {
    let [kind, version, payload @ ..] = bytes else {
        return Err(Error::new(Kind::Damage, "a record of the store is empty")
            .hint("delete `.lineage/store.redb`: it is rebuilt"));
    };
    decode_parts(*kind, *version, payload).map_err(|fault| match fault {
        Fault::Unknown => {
            Error::new(Kind::Newer, "a record of the store is of a version this `lineage` does not know")
                .hint("use the newer `lineage` that wrote it; nothing was changed")
        }
        Fault::Damaged(cause) => Error::new(Kind::Damage, "a record of the store is damaged")
            .because(cause)
            .hint("delete `.lineage/store.redb`: it is rebuilt from the journal"),
    })
}

/// Encodes a fact as its kind, a version of that kind, and the payload. The version of a run is the oldest that can hold it, so
/// that older programs read what they can.
pub(crate) fn encode_parts(fact: &Fact) -> Result<(u8, u8, Vec<u8>)> {
    let (kind, version, payload) = match fact {
        Fact::RunStarted(run) if run_v5::is_needed(run) => (RUN, 5, bytes_of(&RunV5::from(run))?),
        Fact::RunStarted(run) => match (&run.streams, run.rerun_of) {
            (Some(streams), _) => (RUN, 4, bytes_of(&RunV4::new(run, streams))?),
            _ if !run.printed_arguments.is_empty() => (RUN, 3, bytes_of(&RunV3::from(run))?),
            (None, Some(rerun_of)) => (RUN, 2, bytes_of(&RunV2::new(run, rerun_of))?),
            (None, None) => (RUN, 1, bytes_of(&RunV1::from(run))?),
        },
        Fact::RunOutcome(outcome) => (OUTCOME, 1, bytes_of(&OutcomeV1::from(outcome))?),
        Fact::StepDone(step) if step_v5::is_needed(step) => (STEP, 5, bytes_of(&StepV5::new(step)?)?),
        Fact::StepDone(step) if step_v4::is_needed(step) => (STEP, 4, bytes_of(&StepV4::new(step)?)?),
        Fact::StepDone(step) if step_v3::is_needed(step) => (STEP, 3, bytes_of(&StepV3::from(step))?),
        Fact::StepDone(step) if step.unchanged_since.is_empty() => (STEP, 1, bytes_of(&StepV1::from(step))?),
        Fact::StepDone(step) => (STEP, 2, bytes_of(&StepV2::from(step))?),
        Fact::Metrics(points) => {
            (METRICS, 1, bytes_of(&MetricsV1 { points: points.iter().map(PointV1::from).collect() })?)
        }
        Fact::ModelRegistered(model) if model_v4::is_needed(model) => {
            (MODEL, 4, bytes_of(&ModelV4::from(model))?)
        }
        Fact::ModelRegistered(model) => match &model.taken {
            None => (MODEL, 2, bytes_of(&ModelV2::from(model))?),
            Some(taken) => (MODEL, 3, bytes_of(&ModelV3::new(model, taken))?),
        },
        Fact::ModelChanged(change) => (MODEL_CHANGE, 2, bytes_of(&ModelChangeV2::from(change))?),
        Fact::ModelNamed(alias) => (MODEL_ALIAS, 1, bytes_of(&AliasV1::from(alias))?),
        // Version 3 has the fields of version 2, and documents that name models.
        Fact::NoteRead(note) if note_v2::names_a_model(note) => (NOTE, 3, bytes_of(&NoteV2::from(note))?),
        Fact::NoteRead(note) if note_v2::is_of_v1(note) => (NOTE, 1, bytes_of(&NoteV1::from(note))?),
        Fact::NoteRead(note) => (NOTE, 2, bytes_of(&NoteV2::from(note))?),
        Fact::ParametersSaid(said) => (SAID_PARAMETERS, 1, bytes_of(&SaidParametersV1::from(said))?),
        Fact::Remarked(remarks) => (REMARKS, 1, bytes_of(&RemarksV1::from(remarks))?),
        Fact::NoteGone(gone) => (NOTE_GONE, 1, bytes_of(&NoteGoneV1::from(gone))?),
        Fact::RunTagged(tags) => (RUN_TAGS, 1, bytes_of(&RunTagsV1::from(tags))?),
        Fact::RepositoryRead(repository) => {
            (RUN_REPOSITORY, 1, bytes_of(&RunRepositoryV1::from(repository))?)
        }
        Fact::LinkSeen(link) => (LINK, 1, bytes_of(&LinkV1::from(link))?),
        Fact::FileOverwritten(overwritten) => (OVERWRITTEN, 1, bytes_of(&OverwrittenV1::from(overwritten))?),
    };
    Ok((kind, version, payload))
}

/// Returns true where every fact of a kind and version is encoded as just that, with the same payload, whoever wrote it down.
pub(crate) fn is_as_encoded(kind: u8, version: u8) -> bool {
    match kind {
        RUN => matches!(version, 1..=5),
        STEP => matches!(version, 1..=5),
        OUTCOME | SAID_PARAMETERS | REMARKS | MODEL_ALIAS | RUN_TAGS | NOTE_GONE | RUN_REPOSITORY
        | OVERWRITTEN | LINK => version == 1,
        MODEL => matches!(version, 2..=4),
        MODEL_CHANGE => version == 2,
        // Points of metrics are known each by itself, and which version a note is encoded as depends on what it says.
        _ => false,
    }
}

/// Decodes a payload of a kind and version.
pub(crate) fn decode_parts(kind: u8, version: u8, payload: &[u8]) -> Result<Fact, Fault> {
    match (kind, version) {
        (RUN, 1) => Ok(Fact::RunStarted(value_of::<RunV1>(payload)?.try_into()?)),
        (RUN, 2) => Ok(Fact::RunStarted(value_of::<RunV2>(payload)?.try_into()?)),
        (RUN, 3) => Ok(Fact::RunStarted(value_of::<RunV3>(payload)?.try_into()?)),
        (RUN, 4) => Ok(Fact::RunStarted(value_of::<RunV4>(payload)?.try_into()?)),
        (RUN, 5) => Ok(Fact::RunStarted(value_of::<RunV5>(payload)?.try_into()?)),
        (OUTCOME, 1) => Ok(Fact::RunOutcome(value_of::<OutcomeV1>(payload)?.try_into()?)),
        (STEP, 1) => Ok(Fact::StepDone(value_of::<StepV1>(payload)?.try_into()?)),
        (STEP, 2) => Ok(Fact::StepDone(value_of::<StepV2>(payload)?.try_into()?)),
        (STEP, 3) => Ok(Fact::StepDone(value_of::<StepV3>(payload)?.try_into()?)),
        (STEP, 4) => Ok(Fact::StepDone(value_of::<StepV4>(payload)?.try_into()?)),
        (STEP, 5) => Ok(Fact::StepDone(value_of::<StepV5>(payload)?.try_into()?)),
        (METRICS, 1) => {
            let points = value_of::<MetricsV1>(payload)?.points;
            Ok(Fact::Metrics(points.into_iter().map(Metric::try_from).collect::<Result<_, Fault>>()?))
        }
        (MODEL, 1) => Ok(Fact::ModelRegistered(value_of::<ModelV1>(payload)?.try_into()?)),
        (MODEL, 2) => Ok(Fact::ModelRegistered(value_of::<ModelV2>(payload)?.try_into()?)),
        (MODEL, 3) => Ok(Fact::ModelRegistered(value_of::<ModelV3>(payload)?.try_into()?)),
        (MODEL, 4) => Ok(Fact::ModelRegistered(value_of::<ModelV4>(payload)?.try_into()?)),
        (MODEL_CHANGE, 1) => Ok(Fact::ModelChanged(value_of::<ModelChangeV1>(payload)?.try_into()?)),
        (MODEL_CHANGE, 2) => Ok(Fact::ModelChanged(value_of::<ModelChangeV2>(payload)?.try_into()?)),
        (MODEL_ALIAS, 1) => Ok(Fact::ModelNamed(value_of::<AliasV1>(payload)?.try_into()?)),
        (NOTE, 2 | 3) => Ok(Fact::NoteRead(value_of::<NoteV2>(payload)?.try_into()?)),
        (RUN_TAGS, 1) => Ok(Fact::RunTagged(value_of::<RunTagsV1>(payload)?.into())),
        (RUN_REPOSITORY, 1) => Ok(Fact::RepositoryRead(value_of::<RunRepositoryV1>(payload)?.try_into()?)),
        (NOTE_GONE, 1) => Ok(Fact::NoteGone(value_of::<NoteGoneV1>(payload)?.try_into()?)),
        (LINK, 1) => Ok(Fact::LinkSeen(value_of::<LinkV1>(payload)?.try_into()?)),
        (OVERWRITTEN, 1) => Ok(Fact::FileOverwritten(value_of::<OverwrittenV1>(payload)?.try_into()?)),
        (NOTE, 1) => Ok(Fact::NoteRead(value_of::<NoteV1>(payload)?.try_into()?)),
        (SAID_PARAMETERS, 1) => Ok(Fact::ParametersSaid(value_of::<SaidParametersV1>(payload)?.into())),
        (REMARKS, 1) => Ok(Fact::Remarked(value_of::<RemarksV1>(payload)?.try_into()?)),
        _ => Err(Fault::Unknown),
    }
}

fn bytes_of<T: Encode>(value: &T) -> Result<Vec<u8>> {
    bincode::encode_to_vec(value, LARGE).map_err(|cause| Error::bug("cannot encode a record").because(cause))
}

fn value_of<T: Decode<()>>(payload: &[u8]) -> Result<T, Fault> {
    let decoded = match payload.len() {
        length if length <= SMALL_BYTES => bincode::decode_from_slice::<T, _>(payload, SMALL),
        length if length <= MIDDLE_BYTES => bincode::decode_from_slice::<T, _>(payload, MIDDLE),
        _ => bincode::decode_from_slice::<T, _>(payload, LARGE),
    };
    let (value, used) = decoded.map_err(|cause| Fault::Damaged(cause.to_string()))?;
    if used == payload.len() {
        Ok(value)
    } else {
        Err(Fault::Damaged(format!("{} bytes too many", payload.len() - used)))
    }
}

/// Finds the value with a code, the position in `all`.
fn by_code<T: Copy>(all: &[T], code: u8, what: &str) -> Result<T, Fault> {
    all.get(usize::from(code))
        .copied()
        .ok_or_else(|| Fault::Damaged(format!("no {what} has the code {code}")))
}

/// Returns the code of a value, its position in `all`.
fn code_of<T: PartialEq>(all: &[T], value: &T) -> u8 {
    all.iter().position(|one| one == value).expect("ALL holds every value") as u8
}

fn path(bytes: Vec<u8>) -> Result<ArtifactPath, Fault> {
    ArtifactPath::from_bytes(bytes).map_err(|error| Fault::Damaged(error.in_full()))
}

/// Takes a name that keys of the store are made of: NUL parts them.
fn name(text: String) -> Result<String, Fault> {
    if text.contains('\0') { Err(Fault::Damaged("a name holds NUL".to_owned())) } else { Ok(text) }
}
