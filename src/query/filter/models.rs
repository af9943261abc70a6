//! Model versions as a table that can be searched, each with the run that trained it.

use std::cell::OnceCell;
use std::collections::HashSet;
use std::ops::ControlFlow;

use crate::error::{Error, Result};
use crate::model::{Evidence, ModelVersion, NodeId, Stage};
use crate::query::ancestry::{Reached, Wanted, are_made_from};
use crate::query::filter::asking::{Table, metric_value};
use crate::query::filter::check::{Comparison, FileRelation};
use crate::query::filter::fields::{Aggregate, Field, Fixed};
use crate::query::filter::plan::{Source, source_of};
use crate::query::filter::reach::Reach;
use crate::query::filter::runs::{Runs, fixed_value as run_value};
use crate::query::filter::search::{Found, FoundRow, Outside, Search};
use crate::query::filter::truth::Truth;
use crate::query::filter::value::{Relation, Test, Value};
use crate::query::history::{RunView, run_view};
use crate::query::registry::{ModelView, is_current, is_written_by, made_by, model_view};
use crate::store::{ArtifactNo, GO_ON, Order, OrderedBy, RunNo, Snapshot, Term};

/// Searches model versions; those that were withdrawn, and those whose name and version another has, are not among them.
///
/// # Errors
/// A request error where a question on files cannot be asked; a store error where a record is damaged.
pub fn search_models(
    snapshot: &Snapshot,
    search: &Search,
    outside: &Outside<'_>,
) -> Result<Found<ModelView>> {
    let models = Models::new(snapshot);
    let mut found = search.run(&models, outside)?;
    let mut rows = Vec::with_capacity(found.rows.len());
    for row in std::mem::take(&mut found.rows) {
        if let Some(item) = models.view(&row.item)?.cloned() {
            rows.push(FoundRow { item, values: row.values, evidence: row.evidence });
        }
    }
    let Found { more, columns, questions, explanation, .. } = found;
    Ok(Found { rows, more, columns, questions, explanation })
}

pub(crate) struct Models<'a> {
    pub snapshot: &'a Snapshot,
    runs: Runs<'a>,
}

/// A model version; what has become of it and its run are read when they are asked for.
pub(crate) struct ModelRow {
    pub model: ModelVersion,
    view: OnceCell<Option<ModelView>>,
    run: OnceCell<Option<RunView>>,
}

impl<'a> Models<'a> {
    pub fn new(snapshot: &'a Snapshot) -> Self {
        Models { snapshot, runs: Runs { snapshot, repetitions: true } }
    }

    fn view<'r>(&self, row: &'r ModelRow) -> Result<Option<&'r ModelView>> {
        if row.view.get().is_none() {
            let _ = row.view.set(model_view(self.snapshot, row.model.id)?);
        }
        Ok(row.view.get().and_then(Option::as_ref))
    }

    fn run<'r>(&self, row: &'r ModelRow) -> Result<Option<&'r RunView>> {
        if row.run.get().is_none() {
            let number = self.snapshot.run_of_model(&row.model)?;
            let _ = row.run.set(number.map_or(Ok(None), |number| run_view(self.snapshot, number))?);
        }
        Ok(row.run.get().and_then(Option::as_ref))
    }

    fn fixed(&self, row: &ModelRow, fixed: Fixed, outside: &Outside<'_>) -> Result<Option<Value>> {
        let model = &row.model;
        let text = |text: &str| Some(Value::Text(text.to_owned()));
        let of_run = |fixed| self.run(row)?.map_or(Ok(None), |run| run_value(run, fixed, outside));
        Ok(match fixed {
            Fixed::Name => text(&model.name),
            Fixed::Version => Some(Value::Version(model.version.clone())),
            Fixed::Stage => self.view(row)?.and_then(|view| text(view.stage.as_str())),
            Fixed::Created => Some(Value::Moment(model.created_at)),
            Fixed::Updated => self.view(row)?.map(|view| Value::Moment(view.updated_at)),
            Fixed::Description => {
                let view = self.view(row)?.filter(|view| !view.description.is_empty());
                view.and_then(|view| text(&view.description))
            }
            Fixed::ModelType => model.model_type.as_deref().and_then(text),
            Fixed::BaseModel => model.base_model.as_deref().and_then(text),
            // Who registered it, also where somebody else trained it.
            Fixed::By => Some(model.by.as_str()).filter(|by| !by.is_empty()).and_then(text),
            Fixed::Run => model.run.map(|run| Value::Text(run.hex())),
            // The entry says it where no run is named, or none that is recorded here.
            Fixed::Commit => match of_run(fixed)? {
                None => model.git_sha.as_deref().and_then(text),
                commit => commit,
            },
            Fixed::Branch => match of_run(fixed)? {
                None => model.branch.as_deref().and_then(text),
                branch => branch,
            },
            // Where a commit of the run's code is known, an entry made from it knows no more than the run does.
            Fixed::Dirty => match self.run(row)?.filter(|view| knows_commit(view)) {
                Some(run) => run_value(run, fixed, outside)?,
                None => {
                    let view = self.view(row)?.filter(|_| model.git_sha.is_some());
                    view.map(|view| Value::Boolean(view.git_dirty))
                }
            },
            fixed => of_run(fixed)?,
        })
    }

    /// Returns the run of a version where none of its files is known to be that run's: all that the run read counts then.
    fn loose_run(&self, model: &ModelVersion) -> Result<Option<RunNo>> {
        let number = self.snapshot.run_of_model(model)?;
        let Some(run) = number else { return Ok(None) };
        Ok((!is_written_by(self.snapshot, model, run)?).then_some(run))
    }

    fn learned(&self, model: &ModelVersion, reached: &Reached, weakest: Evidence) -> Result<bool> {
        if made_by(self.snapshot, model)?.iter().any(|write| reached.made.contains(write)) {
            return Ok(true);
        }
        // All else goes by what its entry says.
        if weakest < Evidence::Declared {
            return Ok(false);
        }
        // What a version is said to have learned from may be one of the files themselves; what it holds was made from them.
        if self.snapshot.artifact_nos(&model.inputs)?.iter().any(|file| reached.files.contains(file)) {
            return Ok(true);
        }
        Ok(self.loose_run(model)?.is_some_and(|run| reached.runs.contains(&run)))
    }

    fn ask(
        &self,
        model: &ModelVersion,
        files: &HashSet<ArtifactNo>,
        weakest: Evidence,
        steps_max: usize,
    ) -> Result<(Option<bool>, usize)> {
        let is_said = weakest >= Evidence::Declared;
        let inputs = self.snapshot.artifact_nos(model.inputs.iter().filter(|_| is_said))?;
        if inputs.iter().any(|file| files.contains(file)) {
            return Ok((Some(true), 1));
        }
        let made_by = made_by(self.snapshot, model)?.into_iter();
        let mut steps: Vec<Wanted> = made_by.map(|(file, at, step)| (step, at, Some(file))).collect();
        for file in inputs {
            self.snapshot.writes_from(file, i64::MIN, |at, step| {
                steps.push((step, at, Some(file)));
                Ok(GO_ON)
            })?;
        }
        if is_said && let Some(run) = self.loose_run(model)? {
            steps.extend(self.snapshot.steps_of(run)?.into_iter().map(|step| (step, i64::MAX, None)));
        }
        are_made_from(self.snapshot, steps, files, weakest, steps_max)
    }

    /// Returns the versions that learned from what was reached.
    fn all_learned(&self, reached: &Reached) -> Result<Vec<NodeId>> {
        let mut files: Vec<ArtifactNo> = reached.files.iter().copied().collect();
        let mut made: Vec<ArtifactNo> = reached.made.iter().map(|(file, ..)| *file).collect();
        files.sort_unstable();
        made.sort_unstable();
        made.dedup();
        let mut models: Vec<NodeId> = Vec::new();
        models.extend(self.snapshot.models_with_any(&made)?.into_iter().map(|(_, id)| id));
        models.extend(self.snapshot.models_with_any_input(&files)?.into_iter().map(|(_, id)| id));
        models.extend(self.of_runs(reached.runs.iter().copied())?);
        models.sort_unstable();
        models.dedup();
        Ok(models)
    }

    fn of_runs(&self, runs: impl IntoIterator<Item = RunNo>) -> Result<Vec<NodeId>> {
        let mut models = Vec::new();
        for run in runs {
            if let Some(run) = self.snapshot.run_key(run)? {
                models.extend(self.snapshot.models_of_run(run)?);
            }
        }
        Ok(models)
    }
}

/// Returns true where a commit of code that the run read is known: of its own repository or another.
fn knows_commit(view: &RunView) -> bool {
    view.run.code.commit.is_some() || view.other_repositories().next().is_some()
}

impl Table for Models<'_> {
    type Id = NodeId;
    type Item = ModelRow;

    fn snapshot(&self) -> &Snapshot {
        self.snapshot
    }

    fn count(&self) -> Result<u64> {
        self.snapshot.model_count()
    }

    fn read(&self, id: NodeId) -> Result<Option<ModelRow>> {
        let model = self.snapshot.model(id)?;
        Ok(model.map(|model| ModelRow { model, view: OnceCell::new(), run: OnceCell::new() }))
    }

    fn is_listed(&self, item: &ModelRow) -> Result<bool> {
        is_current(self.snapshot, &item.model)
    }

    fn key(&self, item: &ModelRow) -> NodeId {
        item.model.id
    }

    fn value(&self, item: &ModelRow, field: &Field, outside: &Outside<'_>) -> Result<Option<Value>> {
        match field {
            Field::Metric { number, aggregate, .. } => {
                let series = match aggregate {
                    Aggregate::Last => None,
                    _ => self.run(item)?,
                };
                // Values of several files at one step are no curve: of this version is only its own.
                let is_series = |run: &RunView| {
                    let summary = self.snapshot.metric_summary(run.run.id, *number)?;
                    Ok::<_, Error>(summary.is_some_and(|summary| {
                        summary.first.step != summary.last.step || !run.has_metrics_of_several_files()
                    }))
                };
                match series {
                    Some(run) if is_series(run)? => metric_value(self.snapshot, run.run.id, field),
                    _ => metric_value(self.snapshot, item.model.id, field),
                }
            }
            Field::Parameter(_) => match self.run(item)? {
                Some(run) => self.runs.value(run, field, outside),
                None => Ok(None),
            },
            Field::Tag(name) => {
                let tags = self.view(item)?.map(|view| view.tags.as_slice()).unwrap_or_default();
                let tag = tags.iter().find(|(known, _)| known == name);
                Ok(tag.map(|(_, value)| Value::Text(value.clone())))
            }
            Field::Fixed(fixed) => self.fixed(item, *fixed, outside),
        }
    }

    fn files(&self, item: &ModelRow, reach: &mut Reach) -> Result<Truth> {
        let model = &item.model;
        if reach.relation() != FileRelation::TrainedOn {
            let run = self.run(item)?.map(|run| run.number);
            return run.map_or(Ok(None), |run| reach.holds(self.snapshot, run, model.id).map(Some));
        }
        let weakest = reach.weakest();
        let is_reached = |reached: &Reached| self.learned(model, reached, weakest);
        let ask = |files: &HashSet<ArtifactNo>, steps_max: usize| self.ask(model, files, weakest, steps_max);
        reach.decide(self.snapshot, model.id, &is_reached, &ask).map(Some)
    }

    fn files_source(&self, reach: &mut Reach, steps_max: usize) -> Result<Option<Source>> {
        let relation = reach.relation();
        let Some(reached) = reach.reached(self.snapshot, steps_max)? else {
            return Ok(None);
        };
        Ok(Some(Source::Models(match relation {
            FileRelation::TrainedOn => self.all_learned(reached)?,
            FileRelation::Used | FileRelation::Generated => self.of_runs(reached.runs.iter().copied())?,
        })))
    }

    fn source(&self, comparison: &Comparison) -> Result<Option<Source>> {
        if comparison.negated {
            return Ok(None);
        }
        let words = || {
            comparison.tests.iter().map(|test| match test {
                Test::Text(Relation::Equal, text) => Some(text.clone()),
                _ => None,
            })
        };
        Ok(match &comparison.field {
            Field::Fixed(Fixed::Name) => words().collect::<Option<_>>().map(Source::Names),
            Field::Fixed(Fixed::Stage) => {
                let stage = |word: Option<String>| {
                    Stage::ALL.into_iter().find(|stage| Some(stage.as_str()) == word.as_deref())
                };
                words().map(stage).collect::<Option<_>>().map(Source::Stages)
            }
            // Values that the entry may have where the run has none are not found by the run, nor those that are the entry's alone.
            Field::Fixed(Fixed::Run | Fixed::Commit | Fixed::Branch | Fixed::Started | Fixed::By)
            | Field::Tag(_) => None,
            Field::Fixed(_) | Field::Parameter(_) => self.runs.source(comparison)?,
            Field::Metric { aggregate: Aggregate::Last, .. } => source_of(comparison),
            // The others are of the run's points, where it has any.
            Field::Metric { .. } => None,
        })
    }

    fn is_by_start(&self, _: &Term<'_>) -> bool {
        false
    }

    fn scan<B>(
        &self,
        source: &Source,
        falling: bool,
        visit: &mut dyn FnMut(NodeId) -> Result<ControlFlow<B>>,
    ) -> Result<ControlFlow<B>> {
        match source {
            Source::All => self.snapshot.model_names(|name| self.of_name(name, visit)),
            Source::Names(names) => {
                for name in names {
                    let flow = self.of_name(name, visit)?;
                    if flow.is_break() {
                        return Ok(flow);
                    }
                }
                Ok(ControlFlow::Continue(()))
            }
            Source::Stages(stages) => self.snapshot.models_ever_in(stages, visit),
            Source::Models(models) => {
                for id in models {
                    let flow = visit(*id)?;
                    if flow.is_break() {
                        return Ok(flow);
                    }
                }
                Ok(ControlFlow::Continue(()))
            }
            // The owners of a metric are runs as well, which are no rows here.
            Source::Metric { number, by, range } => {
                self.snapshot.metric_owners(*number, *by, *range, falling, |_, owner| visit(owner))
            }
            Source::Time(..) | Source::Terms(_) | Source::Number { .. } | Source::Runs(_) => {
                self.runs.scan(source, falling, &mut |run| {
                    for id in self.of_runs([run])? {
                        let flow = visit(id)?;
                        if flow.is_break() {
                            return Ok(flow);
                        }
                    }
                    Ok(ControlFlow::Continue(()))
                })
            }
        }
    }
}

impl Models<'_> {
    /// Visits the versions of a model, the greatest first.
    fn of_name<B>(
        &self,
        name: &str,
        visit: &mut dyn FnMut(NodeId) -> Result<ControlFlow<B>>,
    ) -> Result<ControlFlow<B>> {
        self.snapshot.model_versions(name, Order::Falling, |model| visit(model.id))
    }
}

/// Returns the names of the metrics that model versions have, in order, at most `limit`; and whether there are more.
///
/// # Errors
/// A store error where a record is damaged.
pub fn metric_names(snapshot: &Snapshot, limit: usize) -> Result<(Vec<String>, bool)> {
    let mut names = Vec::new();
    for name in snapshot.metric_names(usize::MAX)? {
        let Some(metric) = snapshot.metric_no(&name)? else { continue };
        let all = (std::ops::Bound::Unbounded, std::ops::Bound::Unbounded);
        let of_models = snapshot.metric_owners(metric, OrderedBy::Last, all, true, |_, owner| {
            let is_model = snapshot.model(owner)?.is_some();
            Ok(if is_model { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        if of_models.is_break() {
            if names.len() == limit {
                return Ok((names, true));
            }
            names.push(name);
        }
    }
    Ok((names, false))
}
