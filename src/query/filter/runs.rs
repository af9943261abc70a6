//! Runs as a table that can be searched.

use std::ops::ControlFlow;

use crate::error::Result;
use crate::model::{NodeId, RunStatus, TAG_FRONT};
use crate::query::filter::asking::{Table, metric_value};
use crate::query::filter::check::Comparison;
use crate::query::filter::fields::{Field, Fixed};
use crate::query::filter::plan::{Source, source_of};
use crate::query::filter::reach::Reach;
use crate::query::filter::search::{Found, Outside, Search};
use crate::query::filter::truth::Truth;
use crate::query::filter::value::{Relation, Test, Value};
use crate::query::history::{RunView, run_tags, run_view};
use crate::store::{RunNo, Snapshot, Term};

/// Searches runs.
///
/// # Errors
/// A request error where a question on files cannot be asked; a store error where a record is damaged.
pub fn search_runs(snapshot: &Snapshot, search: &Search, outside: &Outside<'_>) -> Result<Found<RunView>> {
    // Without a question it is the list of what was carried out. A question is for what was found out, and a repetition found out
    // nothing of its own.
    let repetitions = !search.is_question() || search.names(&Field::Fixed(Fixed::RerunOf));
    search.run(&Runs { snapshot, repetitions }, outside)
}

pub(crate) struct Runs<'a> {
    pub snapshot: &'a Snapshot,
    /// Whether repetitions of other runs are listed.
    pub repetitions: bool,
}

impl Runs<'_> {
    fn tag(&self, item: &RunView, name: &str) -> Result<Option<Value>> {
        let tag = run_tags(self.snapshot, item.number, &item.run)?.remove(name);
        Ok(tag.map(Value::Text))
    }
}

impl Table for Runs<'_> {
    type Id = RunNo;
    type Item = RunView;

    fn snapshot(&self) -> &Snapshot {
        self.snapshot
    }

    fn count(&self) -> Result<u64> {
        Ok(self.snapshot.counts()?.0)
    }

    fn read(&self, id: RunNo) -> Result<Option<RunView>> {
        run_view(self.snapshot, id)
    }

    fn is_listed(&self, item: &RunView) -> Result<bool> {
        Ok(self.repetitions || item.run.rerun_of.is_none())
    }

    fn key(&self, item: &RunView) -> NodeId {
        item.run.id
    }

    fn value(&self, item: &RunView, field: &Field, outside: &Outside<'_>) -> Result<Option<Value>> {
        Ok(match field {
            Field::Metric { .. } => metric_value(self.snapshot, item.run.id, field)?,
            Field::Parameter(name) => match name.strip_prefix(TAG_FRONT) {
                Some(tag) => self.tag(item, tag)?,
                None if item.said_several.contains_key(name) => {
                    Some(Value::Text(item.said_several[name].join(", ")))
                }
                None => {
                    // Of several values, the last was meant.
                    let given = item.run.parameters.iter().rev().find(|(known, _)| known == name);
                    given.map(|(_, value)| Value::Text(value.clone()))
                }
            },
            Field::Fixed(fixed) => fixed_value(item, *fixed, outside)?,
            Field::Tag(name) => self.tag(item, name)?,
        })
    }

    fn values(&self, item: &RunView, field: &Field, outside: &Outside<'_>) -> Result<Vec<Value>> {
        let several = match field {
            Field::Parameter(name) => item.said_several.get(name),
            _ => None,
        };
        match several {
            Some(values) => Ok(values.iter().cloned().map(Value::Text).collect()),
            None => Ok(self.value(item, field, outside)?.into_iter().collect()),
        }
    }

    fn files(&self, item: &RunView, reach: &mut Reach) -> Result<Truth> {
        reach.holds(self.snapshot, item.number, item.run.id).map(Some)
    }

    fn files_source(&self, reach: &mut Reach, steps_max: usize) -> Result<Option<Source>> {
        let reached = reach.reached(self.snapshot, steps_max)?;
        Ok(reached.map(|reached| {
            let mut runs: Vec<RunNo> = reached.runs.iter().copied().collect();
            runs.sort_unstable();
            Source::Runs(runs)
        }))
    }

    fn source(&self, comparison: &Comparison) -> Result<Option<Source>> {
        if comparison.negated {
            return Ok(None);
        }
        match (&comparison.field, comparison.tests.as_slice()) {
            (Field::Fixed(Fixed::Run), [Test::Tail(tail)]) => {
                Ok(Some(Source::Runs(self.snapshot.runs_with_tail(tail, usize::MAX)?)))
            }
            (Field::Fixed(Fixed::RunId), [Test::Text(Relation::Equal, label)]) => {
                Ok(Some(Source::Runs(self.snapshot.runs_labelled(label)?)))
            }
            _ => Ok(source_of(comparison)),
        }
    }

    fn is_by_start(&self, term: &Term<'_>) -> bool {
        self.snapshot.has_order(term)
    }

    fn scan<B>(
        &self,
        source: &Source,
        falling: bool,
        visit: &mut dyn FnMut(RunNo) -> Result<ControlFlow<B>>,
    ) -> Result<ControlFlow<B>> {
        match source {
            Source::All => self.snapshot.runs_between((i64::MIN, i64::MAX), falling, visit),
            // Those are of model versions alone.
            Source::Names(_) | Source::Stages(_) | Source::Models(_) => Ok(ControlFlow::Continue(())),
            Source::Time(first, last) => self.snapshot.runs_between((*first, *last), falling, visit),
            Source::Metric { number, by, range } => {
                self.snapshot.metric_owners(*number, *by, *range, falling, |_, owner| {
                    match self.snapshot.run_no(owner)? {
                        Some(run) => visit(run),
                        // A model version's.
                        None => Ok(ControlFlow::Continue(())),
                    }
                })
            }
            Source::Number { name, range } => self.snapshot.runs_with_number(name, *range, visit),
            Source::Runs(runs) => {
                for run in runs {
                    let flow = visit(*run)?;
                    if flow.is_break() {
                        return Ok(flow);
                    }
                }
                Ok(ControlFlow::Continue(()))
            }
            Source::Terms(terms) => {
                for term in terms {
                    let flow = self.snapshot.runs_with(term, &mut *visit)?;
                    if flow.is_break() {
                        return Ok(flow);
                    }
                }
                Ok(ControlFlow::Continue(()))
            }
        }
    }
}

/// Returns the value of a field that every run has a place for.
pub(crate) fn fixed_value(view: &RunView, fixed: Fixed, outside: &Outside<'_>) -> Result<Option<Value>> {
    let run = &view.run;
    let text = |text: &str| Some(Value::Text(text.to_owned()));
    Ok(match fixed {
        Fixed::Name => text(&run.name),
        Fixed::Status => {
            let has_no_end = view.status() == RunStatus::Running;
            text(view.status_now(has_no_end && (outside.is_at_work)(view)?).as_str())
        }
        Fixed::Started => Some(Value::Moment(run.started_at)),
        Fixed::Ended => view.ended_at().map(Value::Moment),
        Fixed::Took => view.duration_us().map(Value::Length),
        Fixed::Run => Some(Value::Text(run.id.hex())),
        Fixed::RerunOf => run.rerun_of.map(|original| Value::Text(original.hex())),
        Fixed::Parent => run.parent.map(|parent| Value::Text(parent.hex())),
        Fixed::RunId => text(run.run_id.as_str()),
        Fixed::Kind => text(run.kind.as_str()),
        Fixed::ExitCode => {
            let code = view.outcomes.last().and_then(|last| last.exit_code);
            code.map(|code| Value::Number(f64::from(code)))
        }
        Fixed::Host => text(&run.host),
        Fixed::By => Some(run.by.as_str()).filter(|by| !by.is_empty()).and_then(text),
        Fixed::Command => Some(Value::Text(run.arguments.join(" "))),
        Fixed::Folder => text(&run.folder),
        Fixed::Reason => view.reason().and_then(text),
        Fixed::Commit => run.code.commit.as_deref().and_then(text),
        Fixed::Branch => run.code.branch.as_deref().and_then(text),
        Fixed::Dirty => view.is_dirty().map(Value::Boolean),
        Fixed::Version
        | Fixed::Stage
        | Fixed::Created
        | Fixed::Updated
        | Fixed::Description
        | Fixed::ModelType
        | Fixed::BaseModel => None,
    })
}
