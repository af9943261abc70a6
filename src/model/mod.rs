//! The words of the glossary as plain values; no clock, no disk, no encoding.

mod artifact;
mod code;
mod digest;
mod environment;
mod fact;
mod id;
mod link;
mod metric;
mod models;
mod note;
mod parameter;
mod path;
mod printed;
mod remark;
mod repository;
mod run;
mod step;
mod tags;
mod time;
mod version;

pub use artifact::{Artifact, Evidence, Generated, Overwritten, Removed, Role, Used};
pub use code::{ChangeKind, ChangedFile, CodeState, Submodule};
pub use digest::Digest;
pub use environment::{EnvironmentLine, FileState};
pub use fact::Fact;
pub use id::{NodeId, RunId};
pub use link::{Link, LinkText};
pub use metric::{Metric, MetricValue};
pub(crate) use metric::{check_metric_name, shown_metric};
pub use models::{
    ModelAct, ModelAlias, ModelChange, ModelEdit, ModelVersion, NamedArtifact, Stage, TakenEntry,
    check_alias, check_model_name,
};
pub use note::{Finding, Note, NoteGone, NoteSummary, Reference, ReferenceSort};
pub use parameter::{Parameter, SaidParameters, check_parameters, replace_parameters};
pub(crate) use path::ENVIRONMENT_SCHEME;
pub use path::{ArtifactPath, percent_decoded, percent_decoded_bytes, percent_encoded};
pub use printed::{from_printed, printed, printed_word, recorded_word, repeated_word};
pub(crate) use printed::{is_unsafe_to_print, os_word};
pub use remark::{
    CaptureLevel, IGNORED_FILES, REMARKS_MAX, Remark, RemarkKind, Remarks, SEVERAL_METRICS_FILES,
    SHORT_LIVED_POINTS,
};
pub use repository::RunRepository;
pub use run::{
    Run, RunKind, RunOutcome, RunStatus, Stream, StreamWay, command_line, recorded_words, redirections,
    words_of,
};
pub(crate) use step::Passing;
pub use step::{APPENDING, DECLARED_STEP, Step, StepAct, StepStatus, TOOL_PARAMETER};
pub use tags::{RunTags, TAG_FRONT};
pub use time::Timestamp;
pub use version::check_version;
pub(crate) use version::version_key;
