//! What stands around an observed command when steps are made of it: at its end, and while it is at work.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::own::{self, GivenOut};
use super::steps::{FileClock, Repositories, Surroundings};
use super::{CommandRequest, Ground};
use crate::capture::observe::Observation;
use crate::model::{NodeId, Run};
use crate::ops::{Workspace, code};

/// What is found out of the surroundings of an observed command.
pub(super) struct Around<'a> {
    request: &'a CommandRequest,
    ground: &'a Ground<'a>,
    run: NodeId,
    clock: FileClock,
    pub(super) repositories: Repositories,
    /// A file of metrics that was asked for by its name.
    pub(super) named_metrics: Option<PathBuf>,
    /// Processes of this program that record themselves what they do, by their places among the observed ones, and their commands.
    pub(super) own: BTreeMap<usize, &'a str>,
    given: GivenOut,
}

impl<'a> Around<'a> {
    pub(super) fn of(
        workspace: &Workspace,
        (request, ground): (&'a CommandRequest, &'a Ground<'a>),
        observation: &'a Observation,
        run: &Run,
        (given, clock): (GivenOut, FileClock),
    ) -> Self {
        let code_of = code::CodeOf::run_in(ground.root, &request.folder);
        let named_metrics = request.metrics.as_ref().map(|path| {
            let path = request.folder.join(path);
            path.canonicalize().unwrap_or(path)
        });
        Around {
            request,
            ground,
            run: run.id,
            clock,
            repositories: Repositories::new(code_of.folder, run.code.commit.clone(), ground.started_ns),
            named_metrics,
            own: own::own_processes(observation, &workspace.folder()),
            given,
        }
    }

    pub(super) fn surroundings(&self) -> Surroundings<'_> {
        Surroundings {
            root: self.ground.root,
            copy: self.request.copy.as_ref(),
            home: self.ground.home.as_deref(),
            repositories: &self.repositories,
            with_arguments: self.request.with_arguments,
            streams: &self.ground.streams,
            metrics: self.named_metrics.as_deref(),
            rules: &self.ground.rules,
            own: &self.own,
            given: &self.given,
            run: self.run,
            clock: self.clock,
        }
    }
}
