//! A Process Run Crate 0.6 (RO-Crate 1.3): a folder or a zip file with the files and, in `ro-crate-metadata.json`, what made them.
//!
//! Each run is an action. The bytes of a file come along where they are kept, or lie on the disk as they were recorded; the
//! others are named by their URN. So are, unless they are asked for, files outside the workspace, those that git ignores and no
//! run wrote, and those that look like credentials by their names: a crate is made to be handed out, and a program reads more than
//! its user thinks of, such as `.env`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::versions::Version;
use super::{Exported, Source, file_urn, not_written, producer, write_json, write_text};
use crate::capture::git::Ignored;
use crate::content::NotCopied;
use crate::disk::open_regular;
use crate::error::{Error, Result};
use crate::model::{Artifact, RunStatus, command_line, percent_encoded, printed};
use crate::query::RunHead;

const METADATA: &str = "ro-crate-metadata.json";
const SPECIFICATION: &str = "https://w3id.org/ro/crate/1.3";
const PROFILE: &str = "https://w3id.org/ro/wfrun/process/0.6";

/// Something that files are put into one after the other.
pub(super) trait Place {
    /// Begins a file; the one before is complete then.
    fn begin(&mut self, name: &str) -> Result<&mut dyn Write>;
    /// Completes the last file.
    fn finish(&mut self) -> Result<()>;
}

/// A folder.
pub(super) struct Folder<'a> {
    root: &'a Path,
    open: Option<BufWriter<File>>,
}

impl<'a> Folder<'a> {
    /// Puts files into `root`.
    pub fn new(root: &'a Path) -> Self {
        Folder { root, open: None }
    }
}

impl Place for Folder<'_> {
    fn begin(&mut self, name: &str) -> Result<&mut dyn Write> {
        self.finish()?;
        let place = self.root.join(name);
        std::fs::create_dir_all(place.parent().unwrap_or(self.root)).map_err(not_written)?;
        let file = File::create_new(place).map_err(not_written)?;
        Ok(self.open.insert(BufWriter::new(file)))
    }

    fn finish(&mut self) -> Result<()> {
        match self.open.take() {
            Some(file) => file.into_inner().map_err(not_written)?.sync_all().map_err(not_written),
            None => Ok(()),
        }
    }
}

/// A zip file.
pub(super) struct Zip {
    writer: Option<ZipWriter<File>>,
}

impl Zip {
    /// Writes a zip file.
    pub fn new(file: File) -> Self {
        Zip { writer: Some(ZipWriter::new(file)) }
    }
}

impl Place for Zip {
    fn begin(&mut self, name: &str) -> Result<&mut dyn Write> {
        // Without a time of its own an entry has that of the format's beginning: the same facts give the same bytes.
        let options = SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Stored)
            .last_modified_time(zip::DateTime::default())
            .large_file(true);
        let writer = self.writer.as_mut().ok_or_else(|| Error::bug("the zip file is closed already"))?;
        writer.start_file(name, options).map_err(not_written)?;
        Ok(writer)
    }

    fn finish(&mut self) -> Result<()> {
        match self.writer.take() {
            Some(writer) => writer.finish().map(drop).map_err(not_written),
            None => Ok(()),
        }
    }
}

/// Writes the crate.
pub(super) fn write(source: &Source<'_>, place: &mut dyn Place) -> Result<Exported> {
    let ignored = Ignored::of(source.workspace.root())?;
    let mut crating = Crating { source, ignored, held: HashMap::new(), exported: Exported::default() };
    crating.exported.runs = source.runs.len() as u64;
    crating.contents(place)?;
    crating.metadata(place.begin(METADATA)?)?;
    place.finish()?;
    Ok(crating.exported)
}

struct Crating<'a> {
    source: &'a Source<'a>,
    ignored: Option<Ignored>,
    /// Digests of the names of files, and whether their bytes are in the crate.
    held: HashMap<[u8; 32], bool>,
    exported: Exported,
}

/// Where a file's bytes are to be had.
enum Bytes {
    Kept,
    OnDisk(PathBuf),
}

impl Crating<'_> {
    fn contents(&mut self, place: &mut dyn Place) -> Result<()> {
        let source = self.source;
        source.each_run(&mut |run| {
            let (used, generated) = source.files(run)?;
            used.iter().chain(&generated).try_for_each(|artifact| self.content(artifact, place))
        })?;
        let files = source.versions()?.iter().flat_map(|version| &version.files);
        files.into_iter().try_for_each(|artifact| self.content(artifact, place))
    }

    fn content(&mut self, artifact: &Artifact, place: &mut dyn Place) -> Result<()> {
        let key = *blake3::hash(file_urn(artifact).as_bytes()).as_bytes();
        if self.held.contains_key(&key) {
            return Ok(());
        }
        if !self.source.with_contents && self.is_withheld(artifact)? {
            self.held.insert(key, false);
            self.exported.withheld += 1;
            return Ok(());
        }
        let bytes = self.bytes(artifact);
        self.held.insert(key, bytes.is_some());
        let Some(bytes) = bytes else {
            // A link has no bytes but its text, which is told.
            let is_link = self.source.snapshot.link_text_of(artifact)?.is_some();
            self.exported.absent += u64::from(!is_link);
            return Ok(());
        };
        self.exported.contents += 1;
        self.exported.content_bytes += artifact.size_bytes;
        let target = place.begin(&crate_path(artifact))?;
        match bytes {
            Bytes::Kept => match self.source.workspace.contents().copy(&artifact.digest, target) {
                Ok(Some(_)) => Ok(()),
                Ok(None) => Err(changed(artifact)),
                Err(NotCopied::Kept(error)) => Err(error),
                Err(NotCopied::Target(cause)) => Err(not_written(cause)),
            },
            Bytes::OnDisk(file) => copy(&file, artifact, target),
        }
    }

    fn bytes(&self, artifact: &Artifact) -> Option<Bytes> {
        if !artifact.has_content() {
            return None;
        }
        // A damaged copy is as good as none.
        if let Ok(Some(_)) = self.source.workspace.contents().check(&artifact.digest) {
            return Some(Bytes::Kept);
        }
        let file = artifact.path.on_disk(self.source.workspace.root()).filter(|file| file.is_file());
        let digests = self.source.workspace.digests();
        let whole = file.filter(|file| digests.of(file).is_ok_and(|digest| digest == artifact.digest));
        whole.map(Bytes::OnDisk)
    }

    /// Returns true for a file that may be somebody's own affair.
    fn is_withheld(&mut self, artifact: &Artifact) -> Result<bool> {
        // What stands behind a name that is no path is of our own making, such as the list of an environment.
        if artifact.path.is_url() {
            return Ok(false);
        }
        if self.source.is_secret(&artifact.path) || artifact.has_content() && !artifact.path.is_inside() {
            return Ok(true);
        }
        if !artifact.has_content() {
            return Ok(false);
        }
        let (Some(ignored), Some(file)) =
            (&mut self.ignored, artifact.path.on_disk(self.source.workspace.root()))
        else {
            return Ok(false);
        };
        if !ignored.has(&file) {
            return Ok(false);
        }
        let snapshot = self.source.snapshot;
        let number = snapshot.version_no(&artifact.path, &artifact.digest)?;
        let Some(number) = number else { return Ok(true) };
        Ok(!snapshot.is_written(number)?)
    }

    fn is_held(&self, artifact: &Artifact) -> bool {
        let key = *blake3::hash(file_urn(artifact).as_bytes()).as_bytes();
        self.held.get(&key).copied().unwrap_or(false)
    }

    fn id(&self, artifact: &Artifact) -> String {
        if self.is_held(artifact) {
            percent_encoded(crate_path(artifact).as_bytes())
        } else {
            file_urn(artifact)
        }
    }

    // ---- ro-crate-metadata.json ----

    fn metadata(&self, stream: &mut dyn Write) -> Result<()> {
        write_text(stream, "{\"@context\":")?;
        let context =
            json!([format!("{SPECIFICATION}/context"), "https://w3id.org/ro/terms/workflow-run/context"]);
        write_json(stream, &context)?;
        write_text(stream, ",\"@graph\":[\n")?;
        let about = json!({
            "@id": METADATA,
            "@type": "CreativeWork",
            "conformsTo": { "@id": SPECIFICATION },
            "about": { "@id": "./" },
        });
        write_json(stream, &about)?;
        let profile =
            json!({ "@id": PROFILE, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.6" });
        entity(stream, &profile)?;
        self.root(stream)?;
        let mut tools: BTreeSet<String> = BTreeSet::new();
        let mut persons: BTreeSet<String> = BTreeSet::new();
        let mut written: std::collections::HashSet<String> = std::collections::HashSet::new();
        let written_on = self.written_on()?;
        let mut put_file = |stream: &mut dyn Write, artifact: &Artifact| -> Result<()> {
            let id = self.id(artifact);
            if !written.insert(blake3::hash(id.as_bytes()).to_hex().to_string()) {
                return Ok(());
            }
            let mut file = file(&id, artifact, self.is_held(artifact));
            if let Some(text) = self.source.snapshot.link_text_of(artifact)? {
                file["description"] = json!(format!("a symbolic link to {text}"));
            }
            if let Some(from) = written_on.get(artifact) {
                file["isBasedOn"] = from.iter().map(|from| json!({ "@id": self.id(from) })).collect();
            }
            entity(stream, &file)
        };
        self.source.each_run(&mut |run| {
            let tool = tool(run);
            if tools.insert(tool["@id"].to_string()) {
                entity(stream, &tool)?;
            }
            let by = &run.view.run.by;
            if !by.is_empty() && persons.insert(by.clone()) {
                entity(stream, &person(by))?;
            }
            let (used, generated) = self.source.files(run)?;
            used.iter().chain(&generated).try_for_each(|artifact| put_file(stream, artifact))?;
            self.action(stream, run, &used, &generated, &tool)
        })?;
        let versions = self.source.versions()?;
        for version in versions {
            version.files.iter().try_for_each(|artifact| put_file(stream, artifact))?;
            for by in version.decisions.iter().map(|decision| &decision.by) {
                if !by.is_empty() && persons.insert(by.clone()) {
                    entity(stream, &person(by))?;
                }
            }
            self.version(stream, version)?;
        }
        if !versions.is_empty() {
            entity(stream, &recorder())?;
        }
        write_text(stream, "\n]}\n")
    }

    /// Returns what was read and written on, by what it became.
    fn written_on(&self) -> Result<BTreeMap<Artifact, BTreeSet<Artifact>>> {
        let mut became: BTreeMap<Artifact, BTreeSet<Artifact>> = BTreeMap::new();
        self.source.each_run(&mut |run| {
            self.source.each_step(run, &mut |step| {
                for read in self.source.written_on(&step)? {
                    let from = &step.used[read.used].artifact;
                    for to in read.generated.iter().map(|place| &step.generated[*place].artifact) {
                        if to != from {
                            became.entry(to.clone()).or_default().insert(from.clone());
                        }
                    }
                }
                Ok(())
            })
        })?;
        Ok(became)
    }

    /// Writes the root: what is in the crate, and what it tells of, one after the other.
    fn root(&self, stream: &mut dyn Write) -> Result<()> {
        let source = self.source;
        let published = source.snapshot.latest();
        let mut root = Map::new();
        let text = |text: &str| json!(text);
        root.insert("@id".to_owned(), text("./"));
        root.insert("@type".to_owned(), text("Dataset"));
        root.insert("conformsTo".to_owned(), json!({ "@id": PROFILE }));
        root.insert("name".to_owned(), json!(format!("Runs of {}", source.namespace)));
        root.insert("description".to_owned(), text("Runs and files as recorded by lineage."));
        // The time of the last fact, so that the same facts give the same bytes.
        root.insert("datePublished".to_owned(), json!(published.format("%Y-%m-%d")));
        root.insert("license".to_owned(), text("not stated"));
        let open = Value::Object(root).to_string();
        write_text(stream, ",\n")?;
        write_text(stream, open.trim_end_matches('}'))?;
        write_text(stream, ",\"hasPart\":[")?;
        let mut first = true;
        let mut listed: std::collections::HashSet<[u8; 32]> = std::collections::HashSet::new();
        let mut list = |stream: &mut dyn Write, artifact: &Artifact| {
            let id = self.id(artifact);
            match self.is_held(artifact) && listed.insert(*blake3::hash(id.as_bytes()).as_bytes()) {
                true => item(stream, &mut first, &json!({ "@id": id })),
                false => Ok(()),
            }
        };
        source.each_run(&mut |run| {
            let (used, generated) = source.files(run)?;
            used.iter().chain(&generated).try_for_each(|artifact| list(stream, artifact))
        })?;
        let versions = source.versions()?;
        let files = versions.iter().flat_map(|version| &version.files);
        files.into_iter().try_for_each(|artifact| list(stream, artifact))?;
        write_text(stream, "],\"mentions\":[")?;
        first = true;
        source.each_run(&mut |run| item(stream, &mut first, &json!({ "@id": action_id(run) })))?;
        for version in versions {
            item(stream, &mut first, &json!({ "@id": version_id(version) }))?;
            for at in 0..version.decisions.len() {
                item(stream, &mut first, &json!({ "@id": decision_id(version, at) }))?;
            }
        }
        write_text(stream, "]}")
    }

    fn action(
        &self,
        stream: &mut dyn Write,
        run: &RunHead,
        used: &BTreeSet<Artifact>,
        generated: &BTreeSet<Artifact>,
        tool: &Value,
    ) -> Result<()> {
        let recorded = &run.view.run;
        let named = |artifact: &Artifact| json!({ "@id": self.id(artifact) });
        let mut objects: Vec<Value> = used.iter().map(named).collect();
        let mut results: Vec<Value> = generated.iter().map(named).collect();
        for (at, (name, value)) in recorded.parameters.iter().enumerate() {
            let id = format!("#{}-parameter-{at}", recorded.id);
            entity(stream, &json!({ "@id": id, "@type": "PropertyValue", "name": name, "value": value }))?;
            objects.push(json!({ "@id": id }));
        }
        for (at, point) in crate::query::last_values(&self.source.metrics(recorded.id)?).iter().enumerate() {
            let id = format!("#{}-metric-{at}", recorded.id);
            let value = json!({ "@id": id, "@type": "PropertyValue", "name": point.name, "value": point.value.get() });
            entity(stream, &value)?;
            results.push(json!({ "@id": id }));
        }
        let (status, error) = match run.status() {
            RunStatus::Succeeded => ("CompletedActionStatus", None),
            RunStatus::Running => ("ActiveActionStatus", None),
            RunStatus::Failed | RunStatus::Interrupted => ("FailedActionStatus", run.view.reason()),
        };
        let mut action = json!({
            "@id": action_id(run),
            // An action without results creates nothing.
            "@type": if results.is_empty() { "ActivateAction" } else { "CreateAction" },
            "name": format!("{} {}", recorded.run_id, recorded.name),
            "description": command_line(&recorded.arguments),
            "startTime": recorded.started_at.rfc3339(),
            "instrument": { "@id": tool["@id"] },
            "actionStatus": { "@id": format!("http://schema.org/{status}") },
        });
        let mut put = |key: &str, value: Value| action[key] = value;
        if !recorded.by.is_empty() {
            put("agent", json!({ "@id": person_id(&recorded.by) }));
        }
        if let Some(ended) = self.source.ended_at(run)? {
            put("endTime", json!(ended.rfc3339()));
        }
        if !objects.is_empty() {
            put("object", Value::Array(objects));
        }
        if !results.is_empty() {
            put("result", Value::Array(results));
        }
        if let Some(error) = error {
            put("error", json!(error));
        }
        entity(stream, &action)
    }

    /// Writes a model version, and who decided where it stands.
    fn version(&self, stream: &mut dyn Write, version: &Version) -> Result<()> {
        let view = &version.view;
        let files: BTreeSet<String> = version.files.iter().map(|artifact| self.id(artifact)).collect();
        let mut about = json!({
            "@id": version_id(version),
            "@type": "Collection",
            "name": view.label(),
            "version": view.model.version,
            "dateCreated": view.model.created_at.rfc3339(),
            "creativeWorkStatus": if view.deleted.is_some() { "withdrawn" } else { view.stage.as_str() },
            "hasPart": files.iter().map(|id| json!({ "@id": id })).collect::<Vec<_>>(),
        });
        if !view.description.is_empty() {
            about["description"] = json!(view.description);
        }
        if !view.aliases.is_empty() {
            about["alternateName"] = json!(view.aliases);
        }
        entity(stream, &about)?;
        for (at, decision) in version.decisions.iter().enumerate() {
            let stage = decision.stage.map_or_else(String::new, |stage| format!(" as {}", stage.as_str()));
            let mut action = json!({
                "@id": decision_id(version, at),
                "@type": "UpdateAction",
                "name": format!("{} {}{stage}", view.label(), decision.act),
                "instrument": { "@id": producer() },
                "object": [{ "@id": version_id(version) }],
                "result": [{ "@id": version_id(version) }],
                "endTime": decision.at.rfc3339(),
                "actionStatus": { "@id": "http://schema.org/CompletedActionStatus" },
            });
            if !decision.by.is_empty() {
                action["agent"] = json!({ "@id": person_id(&decision.by) });
            }
            if let Some(reason) = &decision.reason {
                action["description"] = json!(reason);
            }
            entity(stream, &action)?;
        }
        Ok(())
    }
}

/// The program that wrote down who decided what of a model version.
fn recorder() -> Value {
    json!({
        "@id": producer(),
        "@type": "SoftwareApplication",
        "name": "lineage",
        "softwareVersion": env!("CARGO_PKG_VERSION"),
    })
}

fn version_id(version: &Version) -> String {
    format!("urn:uuid:{}", version.view.model.id)
}

fn decision_id(version: &Version, at: usize) -> String {
    format!("#{}-decision-{at}", version.view.model.id)
}

fn person(by: &str) -> Value {
    json!({ "@id": person_id(by), "@type": "Person", "name": by })
}

fn action_id(run: &RunHead) -> String {
    format!("urn:uuid:{}", run.view.run.id)
}

fn person_id(by: &str) -> String {
    format!("#person-{}", percent_encoded(by.as_bytes()))
}

/// Where a file's bytes lie in the crate: below the front of their digest, under a name that every system takes.
fn crate_path(artifact: &Artifact) -> String {
    let name = String::from_utf8_lossy(artifact.path.file_name());
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    let name: String = name.chars().map(plain).take(120).collect();
    let name = name.trim_start_matches('.');
    // Two files of one content and one name at two paths are two entities.
    let path = blake3::hash(artifact.path.as_bytes()).to_hex();
    format!(
        "files/{}-{}/{}",
        &artifact.digest.hex()[..16],
        &path[..8],
        if name.is_empty() { "file" } else { name }
    )
}

/// Describes a file; one whose bytes are not in the crate is no data entity, which must be a part of the root, but is told of.
fn file(id: &str, artifact: &Artifact, is_held: bool) -> Value {
    let mut file = json!({
        "@id": id,
        "@type": if is_held { "File" } else { "CreativeWork" },
        "name": printed(artifact.path.file_name()),
        "alternateName": artifact.path.to_string(),
    });
    if let Some((digest, size)) = artifact.known_digest().zip(artifact.known_size()) {
        file["contentSize"] = json!(size.to_string());
        file["identifier"] = json!(digest.to_string());
    }
    file
}

/// The program of a run, at the code it was run with.
fn tool(run: &RunHead) -> Value {
    let recorded = &run.view.run;
    let program = recorded.arguments.first().map_or("unknown", String::as_str);
    let name = program.rsplit('/').next().unwrap_or(program);
    let label = run.view.code_label();
    let id = match &label {
        Some(label) => format!("#{}-{label}", percent_encoded(name.as_bytes())),
        None => format!("#{}", percent_encoded(name.as_bytes())),
    };
    let mut tool = json!({ "@id": id, "@type": "SoftwareApplication", "name": name });
    if let Some(label) = label {
        // Of what the program is a part of: its own version is not known.
        tool["softwareVersion"] = json!(label);
    }
    if let Some(commit) = &recorded.code.commit {
        tool["identifier"] = json!(format!("urn:lineage:commit:{commit}"));
    }
    tool
}

fn entity(stream: &mut dyn Write, value: &Value) -> Result<()> {
    write_text(stream, ",\n")?;
    write_json(stream, value)
}

fn item(stream: &mut dyn Write, first: &mut bool, value: &Value) -> Result<()> {
    if !std::mem::take(first) {
        write_text(stream, ",")?;
    }
    write_json(stream, value)
}

/// Copies a file, and sees to it that it is still the one that was recorded.
fn copy(file: &Path, artifact: &Artifact, target: &mut dyn Write) -> Result<()> {
    let mut reader = open_regular(file).map_err(not_written)?;
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; 256 << 10];
    loop {
        let count = reader.read(&mut buffer).map_err(not_written)?;
        if count == 0 {
            break;
        }
        hasher.update(&buffer[..count]);
        target.write_all(&buffer[..count]).map_err(not_written)?;
    }
    if hasher.finalize().as_bytes() != artifact.digest.as_bytes() {
        return Err(changed(artifact));
    }
    Ok(())
}

fn changed(artifact: &Artifact) -> Error {
    Error::request(format!("`{}` changed while it was exported", artifact.path))
        .hint("nothing was written; try again when nobody writes to it")
}
