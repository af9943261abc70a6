//! Which of the observed files are recorded, as what, and in which of their versions.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use super::exchanged::runs;
use super::moves::Moves;
use super::repositories::Tracked;
use super::{Read, Surroundings};
use crate::capture::observe::{self, Class, Content, File, LastChange, Observation, Version};
use crate::digests::Stamp;
use crate::model::{Artifact, ArtifactPath, Digest, Link, Role};
use crate::ops::locate::link_text_at;
use crate::ops::run::compiled;
use crate::ops::run::environment::EnvironmentFile;
use crate::ops::run::measured::{self, MetricsFile};
use crate::ops::run::roles::{self, Environments, Place};

/// What processes did with a file that do not record themselves what they do.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Touched {
    is_touched: bool,
    is_written: bool,
}

/// Finds the files that other processes than those of `own` had to do with.
pub(super) fn others_files(
    observation: &Observation,
    own: &BTreeMap<usize, &str>,
) -> HashMap<usize, Touched> {
    let mut files: HashMap<usize, Touched> = HashMap::new();
    if own.is_empty() {
        return files;
    }
    let others = observation.processes.iter().enumerate().filter(|(index, _)| !own.contains_key(index));
    for access in others.flat_map(|(_, process)| &process.accesses) {
        let file = files.entry(access.file).or_default();
        file.is_touched = true;
        file.is_written |= access.written_us.is_some();
    }
    files
}

/// What is recorded of a version of a file.
pub(super) struct Known {
    pub(super) artifact: Artifact,
    pub(super) role: Role,
    /// Whether it is there at the end, or was there before.
    pub(super) lasting: bool,
    /// Whether the run wrote it.
    pub(super) was_written: bool,
    /// When it was given its name.
    pub(super) named_us: Option<i64>,
    /// When it was written for the last time.
    pub(super) last_change: Option<LastChange>,
}

/// A path at which nothing stands at the end, and digest and size of each version that stood there, where they are known.
pub(super) type Gone = (ArtifactPath, Vec<Option<(Digest, u64)>>);

/// As many versions of files that came and went are recorded of a run: a build makes and removes very many.
pub(super) const PASSING_MAX: usize = if cfg!(test) { 8 } else { 1_000 };

pub(super) struct Files {
    pub(super) known: HashMap<Read, Known>,
    /// What is gone at the end, by number.
    pub(super) gone: HashMap<usize, Gone>,
    pub(super) environment: Vec<EnvironmentFile>,
    pub(super) metrics: Vec<MetricsFile>,
    pub(super) left_out: u64,
    pub(super) written_elsewhere: u64,
    /// How many that came and went are left out, since there are too many.
    pub(super) passing_left_out: u64,
    /// Those that are symbolic links, where that can still be seen.
    pub(super) links: Vec<Link>,
}

impl Files {
    /// Returns what is recorded of a version that a group has: groups take up no others.
    pub(super) fn known(&self, version: &Read) -> Option<&Known> {
        let known = self.known.get(version);
        debug_assert!(known.is_some(), "{version:?} is in a group and not known");
        known
    }

    /// Returns true where two versions are known to have the same bytes.
    pub(super) fn have_same_bytes(&self, one: &Read, other: &Read) -> bool {
        let [Some(one), Some(other)] = [one, other].map(|version| self.known.get(version)) else {
            return false;
        };
        one.artifact.has_content() && one.artifact == other.artifact
    }

    pub(super) fn of(observation: &Observation, around: &Surroundings<'_>) -> Self {
        let mut files = Files {
            known: HashMap::new(),
            gone: HashMap::new(),
            environment: Vec::new(),
            metrics: Vec::new(),
            left_out: 0,
            written_elsewhere: 0,
            passing_left_out: 0,
            links: Vec::new(),
        };
        let executed: BTreeSet<usize> = observation
            .processes
            .iter()
            .flat_map(|process| &process.accesses)
            .filter(|access| access.was_executed)
            .map(|access| access.file)
            .collect();
        let others = others_files(observation, around.own);
        let tools = folders_of_tools(observation, around.root);
        let mut environments = Environments::of(around.root);
        for (index, file) in observation.files.iter().enumerate() {
            let Touched { is_touched, is_written: by_others } =
                others.get(&index).copied().unwrap_or_default();
            if !around.own.is_empty() && !is_touched {
                continue;
            }
            let is_written = !matches!(file.class, Class::Input | Class::Temporary | Class::Untouched);
            // Whose source is work was read with it; of others, the source tells what was used, whether or not it was compiled.
            if file.class == Class::Input
                && compiled::is_cache(&file.path)
                && let Some((source, found)) = compiled::source_of(&file.path)
            {
                if roles::place(&source, around.root, around.home) == Place::Environment {
                    let stamp = Stamp::of(&found);
                    files.environment.push(EnvironmentFile { path: source, stamp: Some(stamp) });
                }
                continue;
            }
            let place = if is_written { roles::place_of_written } else { roles::place };
            match place(&file.path, around.root, around.home) {
                Place::Ignored => {}
                _ if around.streams.contains(&file.path) => {}
                Place::Environment if is_written => files.written_elsewhere += 1,
                Place::Environment if file.class == Class::Input => files.add_environment(file),
                Place::Work if is_written && environments.have(&file.path) => files.written_elsewhere += 1,
                Place::Work if file.class == Class::Input && environments.have(&file.path) => {
                    files.add_environment(file);
                }
                Place::Work if file.class == Class::Input && is_in(&file.path, &tools) => {
                    files.add_environment(file);
                }
                // A program from elsewhere is a tool, wherever it lies; a script from elsewhere is read as any other file.
                Place::Work
                    if file.class == Class::Input
                        && executed.contains(&index)
                        && !file.path.starts_with(around.root)
                        && !roles::is_code_name(&file.path)
                        && !around.repositories.tracks(&file.path) =>
                {
                    files.add_environment(file);
                }
                Place::Environment | Place::Work => {
                    let may_be_metrics = around.own.is_empty() || by_others;
                    files.add(index, file, (executed.contains(&index), may_be_metrics), around);
                }
            }
        }
        files
    }

    /// Adds files of the work that were made, read by others and removed again, where all that was read of them is known. A script that
    /// was run and removed is no more than what its program was told. `moves` go by the names that last, and know nothing of these.
    pub(super) fn add_passing(
        &mut self,
        observation: &Observation,
        moves: &Moves,
        around: &Surroundings<'_>,
    ) {
        let mut read: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        let mut scripts: BTreeSet<usize> = BTreeSet::new();
        let others = observation.processes.iter().enumerate();
        for (index, process) in others.filter(|(index, _)| !around.own.contains_key(index)) {
            let opened = process.accesses.iter().filter(|access| access.read());
            let opened = opened.map(|access| (access.file, access.version));
            let named = moves.plain(index).iter().map(|naming| naming.from);
            let is_passing = |(file, _): &Read| {
                let file = &observation.files[*file];
                file.class == Class::Temporary && !file.is_link
            };
            for (file, version) in opened.chain(named).filter(is_passing) {
                if !runs(process, &observation.files[file].path) {
                    read.entry(file).or_default().insert(version);
                } else {
                    scripts.insert(file);
                }
            }
        }
        let mut environments = Environments::of(around.root);
        let mut room = PASSING_MAX;
        for (index, read) in read.into_iter().filter(|(index, _)| !scripts.contains(index)) {
            let file = &observation.files[index];
            let Ok(path) = ArtifactPath::within(around.root, &file.path) else { continue };
            let versions = || read.iter().map(|version| file.versions.get(*version));
            let is_work = path.is_inside()
                && versions().all(|version| version.is_some_and(|version| version.content.is_some()))
                && versions().flatten().any(is_filled)
                && roles::place_of_written(&file.path, around.root, around.home) == Place::Work
                && !around.streams.contains(&file.path)
                && !around.rules.ignores(&file.path, false)
                && !environments.have(&file.path);
            match room.checked_sub(file.versions.len()) {
                _ if !is_work => {}
                Some(left) => {
                    room = left;
                    self.add_gone(index, file, &path, around);
                    self.add_versions((index, file), &path, (false, false), around);
                }
                None => self.passing_left_out += 1,
            }
        }
    }

    fn add_environment(&mut self, file: &File) {
        let stamp = file.versions.first().and_then(|version| version.stamp);
        self.environment.push(EnvironmentFile { path: file.path.clone(), stamp });
    }

    fn add(
        &mut self,
        index: usize,
        file: &File,
        (executed, may_be_metrics): (bool, bool),
        around: &Surroundings<'_>,
    ) {
        // What came and went may be recorded all the same by a run inside this one.
        let may_be_recorded = file.class == Class::Temporary && !around.own.is_empty();
        if matches!(file.class, Class::Temporary | Class::Untouched) && !may_be_recorded {
            return;
        }
        let Ok(path) = ArtifactPath::within(around.root, &file.path) else {
            return;
        };
        let is_named = around.metrics == Some(&file.path);
        let is_metrics = is_named
            || (file.path.file_name().is_some_and(|name| name == "metrics.json") && path.is_inside());
        if is_metrics && may_be_metrics && file.after().is_some_and(|after| after.was_written) {
            let path = match around.copy.filter(|_| path.is_inside()) {
                Some(copy) => below(&copy.name, &path),
                None => path.clone(),
            };
            self.metrics.push(MetricsFile {
                place: file.path.clone(),
                path,
                is_named,
                bytes: known_bytes(file),
            });
        }
        if around.rules.ignores(&file.path, false) {
            self.left_out += 1;
            return;
        }
        if !file.exists {
            self.add_gone(index, file, &path, around);
        }
        if !may_be_recorded {
            self.add_versions((index, file), &path, (executed, is_metrics), around);
        }
    }

    fn add_gone(&mut self, index: usize, file: &File, path: &ArtifactPath, around: &Surroundings<'_>) {
        let path = match around.copy.filter(|_| path.is_inside()) {
            Some(copy) => below(&copy.name, path),
            None => path.clone(),
        };
        let content = |version: &Version| {
            let content = version.content.as_ref()?;
            Some((Digest::from_bytes(content.digest.0), content.size_bytes))
        };
        self.gone.insert(index, (path, file.versions.iter().map(content).collect()));
    }

    fn add_versions(
        &mut self,
        (index, file): (usize, &File),
        path: &ArtifactPath,
        (executed, is_metrics): (bool, bool),
        around: &Surroundings<'_>,
    ) {
        let last = file.versions.len() - 1;
        for (number, version) in file.versions.iter().enumerate() {
            let digest = version.content.map(|content| Digest::from_bytes(content.digest.0));
            let is_overwritten = was_overwritten(file, number);
            if digest.is_none() && !was_read_and_lost(version) && !is_overwritten {
                continue;
            }
            let role = match &version.content {
                _ if is_metrics && version.was_written => Role::Metrics,
                Some(content) if !version.was_written => role_of(file, (version, content), executed, around),
                _ => Role::Data,
            };
            let path = match around.copy {
                Some(copy) if version.was_written && path.is_inside() => below(&copy.name, path),
                Some(copy) if !version.was_written && !path.is_inside() => {
                    let stood_for = ArtifactPath::within(around.root, &copy.stands_for(&file.path));
                    stood_for.unwrap_or_else(|_| path.clone())
                }
                _ => path.clone(),
            };
            let artifact = match digest.zip(version.content) {
                Some((digest, content)) => Artifact { path, digest, size_bytes: content.size_bytes },
                None => Artifact::without_content(path, identity_of(version).as_bytes()),
            };
            let lasting = !version.was_written || is_overwritten || (number == last && file.exists);
            if file.is_link && number == last {
                self.links.extend(link_at(&file.path, &artifact));
            }
            let Version { was_written, named_us, last_change, .. } = *version;
            let known = Known { artifact, role, lasting, was_written, named_us, last_change };
            self.known.insert((index, number), known);
        }
    }
}

/// Returns the link that a version is, where it still lies there.
fn link_at(place: &Path, artifact: &Artifact) -> Option<Link> {
    let text = link_text_at(place).filter(|text| text.digest() == artifact.digest)?;
    Some(Link { path: artifact.path.clone(), text })
}

/// Says what is known of the bytes that stand in a file at the end; of a link, none of those it leads to.
fn known_bytes(file: &File) -> measured::Known {
    match file.after().filter(|_| !file.is_link) {
        Some(Version { content: Some(content), .. }) => {
            measured::Known::Digest(Digest::from_bytes(content.digest.0))
        }
        Some(Version { evidence: observe::Evidence::Lost, .. }) => measured::Known::Lost,
        _ => measured::Known::Nothing,
    }
}

/// Tells whether anything stands in a version, for all that is known.
pub(super) fn is_filled(version: &Version) -> bool {
    version.content.as_ref().is_none_or(|content| content.size_bytes > 0)
}

/// Tells whether a version stood there before the run, and whoever read it read what nobody knows: it was replaced or removed from
/// outside, or only its reader may read it.
fn was_read_and_lost(version: &Version) -> bool {
    use observe::Evidence::{Lost, Unreadable};
    !version.was_written && matches!(version.evidence, Lost | Unreadable)
}

/// Tells whether the run wrote a version that somebody outside wrote over: that it did remains, whether or not anybody knew its
/// bytes before.
fn was_overwritten(file: &File, number: usize) -> bool {
    let version = &file.versions[number];
    let is_followed = file.versions.get(number + 1).is_some_and(|next| !next.was_written);
    let is_unread = version.content.is_none() && version.evidence != observe::Evidence::Lost;
    version.was_written && !is_unread && is_followed
}

/// Tells bytes that nobody knows from others at their path.
fn identity_of(version: &Version) -> String {
    version.stamp.map_or_else(String::new, |stamp| {
        let [device, inode, size] = [stamp.dev, stamp.ino, stamp.size_bytes];
        format!("{device} {inode} {size} {} {}", stamp.mtime_ns, stamp.ctime_ns)
    })
}

/// Returns the folders of programs and libraries of the environments of Python that were in use; the workspace itself is none.
fn folders_of_tools(observation: &Observation, root: &Path) -> BTreeSet<PathBuf> {
    let paths = || observation.files.iter().map(|file| file.path.as_path());
    let virtual_ones = paths().filter(|path| path.ends_with("pyvenv.cfg")).filter_map(Path::parent);
    let whole_ones = paths().filter_map(roles::libraries_around_python);
    let programs = virtual_ones.filter(|folder| *folder != root).map(|folder| folder.join("bin"));
    let libraries = whole_ones.filter(|folder| folder.parent() != Some(root)).map(Path::to_path_buf);
    programs.chain(libraries).collect()
}

fn is_in(path: &Path, folders: &BTreeSet<PathBuf>) -> bool {
    folders.iter().any(|folder| path.starts_with(folder))
}

/// Names a file that was written in a copy of the workspace.
pub(super) fn below(copy: &str, path: &ArtifactPath) -> ArtifactPath {
    let bytes = [copy.as_bytes(), b"/", path.as_bytes()].concat();
    // Only a path of the greatest length becomes too long; it keeps its own name then.
    ArtifactPath::from_bytes(bytes).unwrap_or_else(|_| path.clone())
}

/// Decides whether an input is data or code, and whether git has it as it was read.
pub(super) fn role_of(
    file: &File,
    version: (&Version, &Content),
    executed: bool,
    around: &Surroundings<'_>,
) -> Role {
    // Of a link, its target's name was read.
    if file.is_link {
        return Role::Data;
    }
    let repositories = around.repositories;
    let repository = repositories.around(&file.path);
    let tracked = match &repository {
        Some(repository) => repositories.compare(repository, &file.path, version),
        None => Tracked::No,
    };
    let is_code = executed || roles::is_code_name(&file.path) || roles::is_library(&file.path);
    // A script from elsewhere that no repository has is read as any other file.
    let is_of_work = repository.is_some() || file.path.starts_with(around.root);
    match (is_code, tracked) {
        (true, Tracked::Same) => Role::Code,
        (true, Tracked::Differs) => Role::CodeChanged,
        (true, Tracked::No | Tracked::NotKnown) if is_of_work => Role::CodeUntracked,
        (false, Tracked::Same) => Role::DataTracked,
        (false, Tracked::Differs) => Role::DataChanged,
        (_, Tracked::No | Tracked::NotKnown) => Role::Data,
    }
}
