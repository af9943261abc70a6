//! Keeping what commands read and wrote, as far as the workspace's policy goes.

mod endangered;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use rayon::prelude::*;

use crate::capture::ignored::IgnoreRules;
use crate::content::{Access, Contents, Group, SHARED_MIN_BYTES, STREAMED_MIN_BYTES, Sharing, StagedContent};
use crate::disk::{Together, open_regular, read_regular};
use crate::error::{Error, Result};
use crate::model::{Artifact, ArtifactPath, ChangedFile, Digest, Generated, Role, Step};
use crate::ops::Workspace;
use crate::ops::run::is_code;
use crate::ops::settings::KeepPolicy;
use crate::store::ArtifactNo;

use endangered::Endangered;
pub(crate) use endangered::Settled;

/// Less is kept by one thread: so many files, or groups of them.
const FEW: usize = 4;
/// As many are forced to the disk together.
const TOGETHER_MAX: usize = 512;
/// Inputs up to this size share a file with others.
const SMALL_MAX_BYTES: u64 = 64 << 10;
/// As many share one, and as many bytes: to read one of them, all are read.
const GROUP_MAX: usize = 64;
const GROUP_MAX_BYTES: usize = 256 << 10;
/// Inputs that may be replaced while a command runs are held in memory up to this.
const IN_HAND_MAX_BYTES: u64 = 16 << 20;

/// What a command reads and writes is kept by, while it runs and when it has ended.
pub(crate) struct Keeping<'a> {
    workspace: &'a Workspace,
    /// The folder that is the workspace's root to the command.
    root: &'a Path,
    policy: KeepPolicy,
    in_hand: RefCell<InHand>,
    endangered: RefCell<Endangered>,
}

/// Inputs that were read while the command went on. Should they be replaced before it ends, they are nowhere else.
#[derive(Default)]
struct InHand {
    contents: HashMap<Digest, (Access, Vec<u8>)>,
    size_bytes: u64,
}

impl<'a> Keeping<'a> {
    /// Keeps by the policy of a workspace what a command reads and writes to which `root` is the workspace's root.
    ///
    /// # Errors
    /// A request error where the policy is not understood: nothing may be kept then that it may have excluded.
    pub fn new(workspace: &'a Workspace, root: &'a Path) -> Result<Self> {
        Ok(Keeping {
            workspace,
            root,
            policy: KeepPolicy::of(workspace)?,
            in_hand: RefCell::default(),
            endangered: RefCell::default(),
        })
    }

    /// Returns up to which size files are to be handed to [`Keeping::keep_endangered`].
    pub fn endangered_up_to_bytes(&self) -> u64 {
        self.policy.endangered_up_to_bytes()
    }

    /// Keeps what lay in a file that the command is about to write over or to take away, on a thread of its own: the command waits
    /// for that no longer than it takes to hand it over.
    pub fn keep_endangered(&self, place: &Path, digest: &Digest, bytes: Vec<u8>) {
        let path = ArtifactPath::within(self.root, place);
        if path.is_ok_and(|path| self.policy.keeps_endangered(&path, bytes.len() as u64)) {
            let access = Access::of_path(self.workspace.root(), place);
            self.endangered.borrow_mut().keep(self.workspace, *digest, access, bytes);
        }
    }

    /// Returns what is to be waited for before anything says what became of the files: then all that was endangered so far survives a
    /// crash.
    pub fn endangered_so_far(&self) -> Option<Settled> {
        self.endangered.borrow().so_far()
    }

    /// Waits until all that was endangered survives a crash.
    pub fn settle_endangered(&self) {
        self.endangered.borrow_mut().settle();
    }

    /// Returns true where the bytes of a file that the command has read are to be handed to [`Keeping::hold`].
    pub fn holds(&self, place: &Path, size_bytes: u64, digest: Option<&Digest>) -> bool {
        let has_room = || self.in_hand.borrow().size_bytes.saturating_add(size_bytes) <= IN_HAND_MAX_BYTES;
        let is_kept = |digest| self.workspace.contents().holds(digest);
        size_bytes <= IN_HAND_MAX_BYTES
            && ArtifactPath::within(self.root, place)
                .is_ok_and(|path| self.policy.keeps_input(&path, size_bytes))
            && has_room()
            && !digest.is_some_and(is_kept)
    }

    /// Holds on to bytes that the command has read.
    pub fn hold(&self, place: &Path, digest: Digest, bytes: Vec<u8>) {
        let mut in_hand = self.in_hand.borrow_mut();
        let size_bytes = in_hand.size_bytes + bytes.len() as u64;
        if size_bytes <= IN_HAND_MAX_BYTES {
            let access = Access::of_path(self.workspace.root(), place);
            in_hand.contents.insert(digest, (access, bytes));
            in_hand.size_bytes = size_bytes;
        }
    }

    /// Keeps the inputs and outputs of a run's `steps` that the policy names, and the code that it may have read where reads were not
    /// seen; returns what went wrong, one line each. What `.lineageignore` names is kept for nobody, also where somebody declared it. To
    /// be called before the steps are recorded.
    ///
    /// A file that has changed since it was recorded is kept only where its recorded bytes are in hand: else they are gone.
    pub fn keep(&self, may_be_read: &[ChangedFile], steps: &[Step], rules: &IgnoreRules) -> Vec<String> {
        let mut warnings = Vec::new();
        let outputs = self.outputs(steps, rules);
        let failed_outputs = keep_all(self.workspace, &outputs);
        let inputs = self.inputs(may_be_read, steps, rules);
        let failed_inputs = self.keep_inputs(&inputs);
        let failed_endangered = self.endangered.take().settled();
        for (failed, one, several) in [
            (failed_outputs, "output", "outputs"),
            (failed_inputs, "input", "inputs"),
            (
                failed_endangered,
                "file that was written over or removed",
                "files that were written over or removed",
            ),
        ] {
            if let Some(first) = failed.first() {
                let files = if failed.len() == 1 { one } else { several };
                warnings.push(format!("{} {files} could not be kept: {first}", failed.len()));
            }
        }
        warnings
    }

    /// Lists the outputs to be kept.
    fn outputs<'s>(&self, steps: &'s [Step], rules: &IgnoreRules) -> Vec<&'s Artifact> {
        // A step that began before another may have written after it: a shell that appends to what a command of its wrote.
        let mut last: BTreeMap<&ArtifactPath, &Generated> = BTreeMap::new();
        for edge in steps.iter().flat_map(|step| &step.generated) {
            let known = last.entry(&edge.artifact.path).or_insert(edge);
            if edge.at >= known.at {
                *known = edge;
            }
        }
        let mut known = HashSet::new();
        let artifacts = last.into_values().map(|edge| &edge.artifact).filter(|artifact| {
            artifact.path.is_inside()
                && self.policy.keeps_output(artifact)
                && !self.ignores(rules, artifact)
                && known.insert(artifact.digest)
        });
        artifacts.collect()
    }

    /// Lists the inputs to be kept: what no commit has as it was read, and the run did not write itself; and code that may be read.
    fn inputs(&self, may_be_read: &[ChangedFile], steps: &[Step], rules: &IgnoreRules) -> Vec<Artifact> {
        let own: HashSet<&Artifact> =
            steps.iter().flat_map(|step| &step.generated).map(|edge| &edge.artifact).collect();
        let used = steps.iter().flat_map(|step| &step.used);
        let read = used.filter(|edge| edge.role != Role::Environment && !edge.role.is_as_committed());
        let read = read.map(|edge| &edge.artifact).filter(|artifact| !own.contains(artifact)).cloned();
        let may_be_read =
            may_be_read.iter().filter(|file| is_code(&file.path)).filter_map(ChangedFile::artifact);
        let mut known = HashSet::new();
        let wanted = read.chain(may_be_read).filter(|artifact| {
            !artifact.path.is_url()
                && artifact.has_content()
                && self.policy.keeps_input(&artifact.path, artifact.size_bytes)
                && !self.ignores(rules, artifact)
                && known.insert(artifact.digest)
                // Not read: there may be a hundred thousand that no run has changed. `lineage verify` finds those that are damaged.
                && !self.holds_for_all(artifact)
        });
        wanted.collect()
    }

    fn ignores(&self, rules: &IgnoreRules, artifact: &Artifact) -> bool {
        artifact.path.on_disk(self.root).is_some_and(|place| rules.ignores(&place, false))
    }

    /// Returns true where a file's content is kept, for all who may read the file.
    fn holds_for_all(&self, artifact: &Artifact) -> bool {
        let root = self.workspace.root();
        let place = artifact.path.on_disk(root);
        place.is_some_and(|place| self.workspace.contents().holds_for(&artifact.digest, root, &place))
    }

    /// Keeps inputs as they lie on disk, else as they are in hand: small ones several to a file. Returns what went wrong, one line
    /// each.
    fn keep_inputs(&self, inputs: &[Artifact]) -> Vec<String> {
        let held = self.in_hand.borrow();
        let in_hand = &held.contents;
        let (small, large): (Vec<&Artifact>, Vec<&Artifact>) =
            inputs.iter().partition(|artifact| artifact.size_bytes <= SMALL_MAX_BYTES);
        let mut failed = keep_all(self.workspace, &large);
        let workspace = self.workspace;
        for artifact in large {
            if let Some((access, bytes)) = in_hand.get(&artifact.digest)
                && !self.holds_for_all(artifact)
            {
                let kept = workspace.contents().keep_as(&artifact.digest, bytes, *access);
                failed.extend(kept.err().map(|error| error.in_full()));
            }
        }
        let together = Together::new(workspace.disk());
        let stage = |few: &[&Artifact]| stage_small(workspace, &together, few, in_hand);
        let pool = pool_for(small.len() / GROUP_MAX);
        for small in small.chunks(TOGETHER_MAX * GROUP_MAX) {
            let staged: Vec<Vec<Result<StagedContent>>> = match &pool {
                Some(pool) => pool.install(|| small.par_chunks(GROUP_MAX).map(stage).collect()),
                None => small.chunks(GROUP_MAX).map(stage).collect(),
            };
            let mut ready = Vec::new();
            for staged in staged.into_iter().flatten() {
                match staged {
                    Ok(staged) => ready.push(staged),
                    Err(error) => failed.push(error.in_full()),
                }
            }
            failed.extend(publish(workspace.contents(), &together, ready));
        }
        failed
    }
}

/// Writes small contents so that they can be forced to the disk together with others, several to a file: those that the same may
/// read.
fn stage_small(
    workspace: &Workspace,
    together: &Together,
    artifacts: &[&Artifact],
    in_hand: &HashMap<Digest, (Access, Vec<u8>)>,
) -> Vec<Result<StagedContent>> {
    let contents = workspace.contents();
    let mut groups: HashMap<Access, Group> = HashMap::new();
    let mut staged = Vec::new();
    for Artifact { path, digest, size_bytes } in artifacts {
        let on_disk = path.on_disk(workspace.root()).and_then(|place| {
            let bytes = plain_file(&place, *size_bytes).then(|| read_regular(&place).ok())??;
            (Digest::of(&bytes) == *digest).then(|| (Access::of_path(workspace.root(), &place), bytes))
        });
        let found = match &on_disk {
            Some((access, bytes)) => Some((*access, bytes)),
            None => in_hand.get(digest).map(|(access, bytes)| (*access, bytes)),
        };
        let Some((access, bytes)) = found else { continue };
        let access = contents.access_of_new(digest, access);
        let group = groups.entry(access).or_insert_with(|| Group::new(access));
        contents.add_to(group, digest, bytes);
        if group.size_bytes() >= GROUP_MAX_BYTES {
            let full = std::mem::replace(group, Group::new(access));
            staged.extend(contents.stage_group(together, full).transpose());
        }
    }
    staged.extend(groups.into_values().filter_map(|group| contents.stage_group(together, group).transpose()));
    staged
}

/// Keeps files that are registered, whatever their size: where the file system can have the same bytes twice, at no cost. Returns what
/// is kept nowhere but where it lies, since the workspace is told to exclude it, and what else went wrong, one line each.
///
/// # Errors
/// A store error where one cannot be kept.
pub(crate) fn keep_registered(workspace: &Workspace, artifacts: &[&Artifact]) -> Result<Vec<String>> {
    let policy = KeepPolicy::of(workspace)?;
    let contents = workspace.contents();
    let inside = artifacts.iter().filter(|artifact| artifact.path.is_inside());
    let (mut excluded, wanted): (Vec<&Artifact>, Vec<&Artifact>) =
        inside.partition(|artifact| policy.excludes(&artifact.path));
    excluded.retain(|artifact| !contents.is_kept(&artifact.digest, Access::OWNER));
    let mut said = keep_all(workspace, &wanted);
    let is_there = |digest| contents.holds(digest) || contents.hides(digest);
    if let Some(lacks) = wanted.iter().find(|artifact| !is_there(&artifact.digest)) {
        let why = said.into_iter().next().unwrap_or_else(|| "it was changed just now".to_owned());
        return Err(Error::store(format!("cannot keep `{}`, which is to be registered", lacks.path))
            .because(why)
            .hint("`--no-keep` leaves it where it lies, and nowhere else; nothing was registered"));
    }
    said.extend(excluded.iter().map(|artifact| {
        format!(
            "{} is kept nowhere but where it lies: [keep] exclude in .lineage/config.toml names it",
            artifact.path
        )
    }));
    Ok(said)
}

/// Keeps files that runs read as commits had them, as far as the policy goes: as they lie on disk, else as `committed` gives them. Returns
/// what went wrong, one line each.
///
/// # Errors
/// A request error where the policy is not understood, a store error where a record is damaged.
pub(crate) fn keep_committed(
    workspace: &Workspace,
    files: &[(Artifact, ArtifactNo)],
    committed: &mut dyn FnMut(ArtifactNo) -> Result<Option<Vec<u8>>>,
) -> Result<Vec<String>> {
    let keeping = Keeping::new(workspace, workspace.root())?;
    let rules = IgnoreRules::of(workspace.root());
    let (mut known, mut wanted, mut failed) = (HashSet::new(), Vec::new(), Vec::new());
    for (artifact, number) in files {
        let Artifact { path, digest, size_bytes } = artifact;
        let Some(place) = path.on_disk(workspace.root()) else { continue };
        let is_wanted = artifact.has_content()
            && keeping.policy.keeps_input(path, *size_bytes)
            && !keeping.ignores(&rules, artifact)
            && known.insert(*digest);
        if !is_wanted || workspace.contents().holds(digest) {
            continue;
        }
        if keeping.in_hand.borrow().size_bytes.saturating_add(*size_bytes) > IN_HAND_MAX_BYTES {
            failed.extend(keeping.keep_inputs(&std::mem::take(&mut wanted)));
            keeping.in_hand.take();
        }
        if !workspace.digests().of(&place).is_ok_and(|found| found == *digest)
            && let Some(bytes) = committed(*number)?
        {
            keeping.hold(&place, *digest, bytes);
        }
        wanted.push(artifact.clone());
    }
    failed.extend(keeping.keep_inputs(&wanted));
    Ok(failed)
}

/// Keeps files of versions that are taken over from elsewhere: those that the policy names, and larger ones where the file system can
/// have the same bytes twice at no cost. Returns what is kept nowhere but where it lies, one line each.
///
/// # Errors
/// A request error where the policy is not understood.
pub(crate) fn keep_taken(workspace: &Workspace, artifacts: &[&Artifact]) -> Result<Vec<String>> {
    let policy = KeepPolicy::of(workspace)?;
    let contents = workspace.contents();
    let inside = artifacts.iter().filter(|artifact| artifact.path.is_inside());
    let (small, mut large): (Vec<&Artifact>, Vec<&Artifact>) =
        inside.partition(|artifact| policy.keeps_taken(artifact));
    large.retain(|artifact| !contents.is_kept(&artifact.digest, Access::OWNER));
    let mut said = keep_all(workspace, &small);
    for artifact in large {
        let place = artifact.path.on_disk(workspace.root());
        let shared = place.and_then(|place| {
            let file = open_regular(&place).ok()?;
            let access = Access::of_path(workspace.root(), &place);
            Some(contents.keep_shared(&artifact.digest, &file, artifact.size_bytes, access))
        });
        if !matches!(shared, Some(Ok(Sharing::Done))) {
            let (path, size) = (&artifact.path, artifact.size_bytes);
            said.push(format!(
                "{path} is kept nowhere but where it lies: with {size} bytes it is over what is kept of outputs \
                 ([keep] outputs_up_to, include in .lineage/config.toml)"
            ));
        }
    }
    Ok(said)
}

/// Keeps files as they lie on disk; returns what went wrong, one line each.
fn keep_all(workspace: &Workspace, wanted: &[&Artifact]) -> Vec<String> {
    let pool = pool_for(wanted.len());
    let together = Together::new(workspace.disk());
    let mut failed = Vec::new();
    for wanted in wanted.chunks(TOGETHER_MAX) {
        let stage = |artifact: &&Artifact| stage(workspace, &together, artifact);
        let staged: Vec<Result<Option<StagedContent>>> = match &pool {
            Some(pool) => pool.install(|| wanted.par_iter().map(stage).collect()),
            None => wanted.iter().map(stage).collect(),
        };
        let mut ready = Vec::new();
        for staged in staged {
            match staged {
                Ok(staged) => ready.extend(staged),
                Err(error) => failed.push(error.in_full()),
            }
        }
        failed.extend(publish(workspace.contents(), &together, ready));
    }
    failed
}

/// Returns threads for so much work, where it pays: to start them for a few takes longer, and there may be none.
fn pool_for(count: usize) -> Option<rayon::ThreadPool> {
    if count < FEW { None } else { rayon::ThreadPoolBuilder::new().build().ok() }
}

/// Forces what is written to the disk and gives it its names; returns what went wrong, one line each.
fn publish(contents: &Contents, together: &Together, mut ready: Vec<StagedContent>) -> Vec<String> {
    together.sync(ready.iter_mut().map(StagedContent::file).collect());
    let published = contents.publish(together, ready);
    published.into_iter().filter_map(Result::err).map(|error| error.in_full()).collect()
}

/// Writes a content so that it can be forced to the disk together with others; `None` where nothing is left to do.
fn stage(workspace: &Workspace, together: &Together, artifact: &Artifact) -> Result<Option<StagedContent>> {
    let Some(place) = artifact.path.on_disk(workspace.root()) else {
        return Ok(None);
    };
    let access = Access::of_path(workspace.root(), &place);
    if workspace.contents().is_kept(&artifact.digest, access) {
        return Ok(None);
    }
    // What is no plain file any more, or another one, holds other bytes than were recorded.
    if !plain_file(&place, artifact.size_bytes) {
        return Ok(None);
    }
    if artifact.size_bytes >= SHARED_MIN_BYTES {
        let Ok(file) = open_regular(&place) else { return Ok(None) };
        let shared = workspace.contents().keep_shared(&artifact.digest, &file, artifact.size_bytes, access);
        match shared? {
            Sharing::Done | Sharing::OtherBytes => return Ok(None),
            Sharing::Cannot => {}
        }
    }
    if artifact.size_bytes >= STREAMED_MIN_BYTES {
        let Ok(mut file) = open_regular(&place) else { return Ok(None) };
        let (digest, size) = (&artifact.digest, artifact.size_bytes);
        let kept = workspace.contents().keep_stream(digest, &mut file, size, access);
        return kept.map(|_| None);
    }
    let Ok(bytes) = read_regular(&place) else { return Ok(None) };
    if Digest::of(&bytes) != artifact.digest {
        return Ok(None);
    }
    workspace.contents().stage(together, &artifact.digest, &bytes, access)
}

fn plain_file(place: &Path, size_bytes: u64) -> bool {
    place.metadata().is_ok_and(|found| found.is_file() && found.len() == size_bytes)
}
