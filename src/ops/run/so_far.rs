//! What a command at work has read and written so far, by the checkpoints that its recorder has written down.
//!
//! Nothing of it is recorded: what was read when, and which bytes were written, is settled when the command ends. The steps are made
//! as they will be then; of larger files that nobody has the digest of, the content is left open.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::steps::{self, Repositories};
use super::under_way::{self, Beginning, Kept};
use super::{copies, own, roles, with_files_of_interest};
use crate::capture::observe::{self, Content, Evidence, File, Observation, Options, Version};
use crate::disk::open_regular;
use crate::error::Result;
use crate::model::{Artifact, Digest, NodeId, Role, Run, Step, Timestamp};
use crate::ops::{Clock, Workspace, code};
use crate::query::{ByNow, RunHead, report_by_now};
use crate::store::Snapshot;

/// Files of unknown content are read up to this size, in bytes.
const READ_MAX_BYTES: u64 = 1 << 20;
/// All together they are read up to this size, in bytes.
const READ_ALL_MAX_BYTES: u64 = 64 << 20;

/// What is known of a command at work.
#[derive(Debug, Clone)]
pub struct SoFar {
    /// Until when.
    pub until: Timestamp,
    /// The run, and its steps; a step that goes on may read and write more. What is known of a file by its name alone has no content.
    pub by_now: ByNow,
}

/// Returns what is known of each command that is at work on this machine, the latest first. Of one that began a moment ago nothing
/// is.
///
/// # Errors
/// A store error where a record is damaged.
pub fn so_far(workspace: &Workspace, snapshot: &Snapshot) -> Result<Vec<SoFar>> {
    let mut found = Vec::new();
    for file in under_way::files(workspace) {
        // Whatever is wrong with it is told by whoever takes it over.
        let Some(kept) = open_regular(&file).ok().and_then(|mut file| Kept::read(&mut file).ok()) else {
            continue;
        };
        let id = NodeId::parse(&kept.beginning.run).filter(|_| kept.beginning.machine.is_this());
        let Some(number) = id.map_or(Ok(None), |id| snapshot.run_no(id))? else { continue };
        let Some(head) = RunHead::read(snapshot, number)? else { continue };
        if !workspace.is_at_work(snapshot, &head.view)? {
            continue;
        }
        if let Some((until, steps)) = steps_so_far(workspace, &kept, &head.view.run)? {
            let by_now = report_by_now(snapshot, RunHead { alive: true, ..head }, steps)?;
            found.push(SoFar { until, by_now });
        }
    }
    found.sort_by_key(|so_far| std::cmp::Reverse(so_far.by_now.run.head.view.run.id));
    Ok(found)
}

/// Makes steps of the checkpoints of a run; `None` where there is none yet.
fn steps_so_far(workspace: &Workspace, kept: &Kept, run: &Run) -> Result<Option<(Timestamp, Vec<Step>)>> {
    let Beginning { asked, started_ns, behind_us, .. } = &kept.beginning;
    let request = asked.request(run);
    let root = request.root(workspace);
    let ground = kept.beginning.ground(root, &request);
    let clock = Clock::machine();
    let now = || clock.now().micros();
    let options = Options::new(request.arguments.clone(), request.folder.clone(), &now);
    let (left, asked_before) = (Cell::new(READ_ALL_MAX_BYTES), RefCell::default());
    let is_read = |path: &Path| is_read(path, &left, &mut asked_before.borrow_mut());
    let recovered = with_files_of_interest(workspace, &ground, &is_read, options, &mut |options| {
        observe::recover(options, &mut kept.checkpoints())
    });
    let Some(recovered) = recovered else { return Ok(None) };
    let mut observation = recovered.observation;
    let names_alone = name_unknown_contents(workspace, &mut observation);
    let own = own::own_processes(&observation, &workspace.folder());
    let given = own::given_out(workspace, &observation, run.id)?;
    let code_of = code::CodeOf::run_in(root, &request.folder);
    let metrics = request.metrics.as_ref().map(|path| request.folder.join(path));
    let around = steps::Surroundings {
        root,
        copy: request.copy.as_ref(),
        home: ground.home.as_deref(),
        repositories: &Repositories::new(code_of.folder, run.code.commit.clone(), *started_ns),
        with_arguments: request.with_arguments,
        streams: &ground.streams,
        metrics: metrics.as_deref(),
        rules: &ground.rules,
        own: &own,
        given: &given,
        run: run.id,
        clock: steps::FileClock { behind_us: *behind_us },
    };
    let made = steps::steps(&observation, &around);
    let mut steps = copies::all_told_apart(made.steps, &made.orders);
    for step in &mut steps {
        for edge in step.used.iter_mut().filter(|edge| names_alone.contains(&edge.artifact.digest)) {
            edge.artifact = without_content(&edge.artifact);
            // Whether git has those bytes nobody has compared.
            edge.role = if edge.role.is_code() { edge.role } else { Role::Data };
        }
        for edge in step.generated.iter_mut().filter(|edge| names_alone.contains(&edge.artifact.digest)) {
            edge.artifact = without_content(&edge.artifact);
        }
    }
    Ok(Some((Timestamp::from_micros(recovered.until_us), steps)))
}

/// Tells whether a file is read for its digest: code, so that it is compared with what git has, and what is small; as long as there
/// are bytes left.
fn is_read(path: &Path, left: &Cell<u64>, asked_before: &mut HashMap<PathBuf, bool>) -> bool {
    if let Some(is_read) = asked_before.get(path) {
        return *is_read;
    }
    let size = path.symlink_metadata().map_or(u64::MAX, |found| found.size());
    let is_read = (size <= READ_MAX_BYTES || roles::is_code_name(path)) && size <= left.get();
    left.set(left.get() - if is_read { size } else { 0 });
    asked_before.insert(path.to_owned(), is_read);
    is_read
}

/// Gives each version whose bytes nobody knows a digest that stands for them, unless it is remembered; returns these digests.
fn name_unknown_contents(workspace: &Workspace, observation: &mut Observation) -> HashSet<Digest> {
    let digests = workspace.digests();
    let mut names_alone = HashSet::new();
    for File { path, versions, .. } in &mut observation.files {
        for (number, version) in
            versions.iter_mut().enumerate().filter(|(_, version)| version.content.is_none())
        {
            let Version { stamp, .. } = version;
            let known = stamp.as_ref().and_then(|stamp| digests.known(stamp));
            let digest = known.unwrap_or_else(|| {
                let digest = Digest::of(format!("{} {number}", path.display()).as_bytes());
                names_alone.insert(digest);
                digest
            });
            let size_bytes = stamp.map_or(0, |stamp| stamp.size_bytes);
            version.content = Some(Content { digest: observe::Digest(*digest.as_bytes()), size_bytes });
            version.evidence = Evidence::StampOnly;
        }
    }
    names_alone
}

fn without_content(artifact: &Artifact) -> Artifact {
    Artifact::without_content(artifact.path.clone(), b"so far")
}
