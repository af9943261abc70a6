//! Questions on a snapshot: ancestry, impact, selectors, history, differences, staleness, searches, metrics.
//!
//! **Invariant.** Nothing here sees a clock, the environment, the disk or a terminal: an answer is a function of the facts.

mod ancestry;
mod carried;
pub mod diff;
mod duplicates;
pub mod filter;
#[cfg(test)]
mod histories;
mod history;
mod labels;
mod metrics;
mod names;
mod newest;
mod origin;
mod pairs;
pub mod quality;
pub mod registry;
mod removal;
mod report;
mod selector;
mod staleness;
mod together;

pub use ancestry::{
    Cut, Direction, Far, Start, Trace, downstream, downstream_by_names, downstream_of, upstream, upstream_of,
    upstream_of_steps,
};
pub use carried::{OnRead, written_on_by};
pub(crate) use history::RERUN_SCHEME;
pub use history::{
    ChangeSort, FileChange, RunView, file_history, last_values, rerun_name, run_tags, run_view, runs,
    unique_tail,
};
pub use labels::shown_label;
pub use metrics::{Along, Chart, Curve, CurveColumn, MetricEnd, MetricRow, chart, metric_rows, share};
pub use names::other_names_of;
pub use newest::{NewestFile, newest_file_known_to, newest_files, superseded_among};
pub use origin::{Origin, Write, last_writer, origin, writers};
pub(crate) use origin::{is_telling, last_write_at_path};
pub use removal::{Removal, RemovedBy, Removers, removed, removed_as_known_to};
pub use report::{
    ByNow, CameFrom, Folded, Gap, RunHead, RunLack, TraceFile, TraceReport, TraceRun, TraceRunStep,
    Unwritten, files, folded, report, report_by_now, unwritten,
};
pub use selector::{RunSelector, find_digest, find_run, find_run_if_any, latest_run, run_back};
pub use staleness::{Ancestry, Causes, Now, OutOfDate, Outdated};
pub(crate) use together::{Runs, began_inside, is_part_of, written_along};
pub use together::{also_claimed_by, as_its_own_run_has_it, own_parts, parts_of};
