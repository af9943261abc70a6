//! The complete backup and tables, out of `lineage export` and into `lineage import`.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use crate::cli::{Surroundings, output};
use crate::disk::{Disk, DiskFile};
use crate::error::{Error, Result};
use crate::ops::export;
use crate::ops::import::import_jsonl;
use crate::render;
use crate::store::{RunNo, Snapshot};

/// Writes the facts of runs as lines, to the standard output where no place is named.
pub(crate) fn write_jsonl(snapshot: &Snapshot, runs: &[RunNo], out: Option<&Path>) -> Result<u8> {
    match out {
        None => {
            let mut stdout = BufWriter::with_capacity(1 << 20, std::io::stdout().lock());
            export::jsonl(snapshot, runs, &mut stdout)?;
        }
        Some(out) => {
            let facts = to_file(free(out)?, snapshot, runs)?;
            output::note(&format!("wrote {facts} facts to {}", out.display()));
        }
    }
    Ok(0)
}

/// Writes tables of runs into a folder.
pub(crate) fn write_csv(snapshot: &Snapshot, runs: &[RunNo], out: Option<&Path>) -> Result<u8> {
    let out = out.ok_or_else(|| Error::request("tables need a folder").hint("name one with `--out`"))?;
    for (file, rows) in export::csv(snapshot, runs, free(out)?)? {
        output::note(&format!("wrote {rows} rows to {}", out.join(file).display()));
    }
    Ok(0)
}

/// Refuses a place where something lies.
fn free(out: &Path) -> Result<&Path> {
    if out.symlink_metadata().is_err() {
        return Ok(out);
    }
    Err(Error::request(format!("`{}` is there already", out.display()))
        .hint("name another place; nothing was written"))
}

/// Takes a backup over: all of it or nothing.
pub(crate) fn read_jsonl(surroundings: &Surroundings, path: &Path, as_json: bool) -> Result<u8> {
    let name = path.display().to_string();
    let mut input: Box<dyn BufRead> = if name == "-" {
        Box::new(std::io::stdin().lock())
    } else {
        let file = File::open(surroundings.folder.join(path))
            .map_err(|cause| Error::request(format!("cannot read `{name}`")).because(cause))?;
        Box::new(BufReader::with_capacity(1 << 20, file))
    };
    let workspace = surroundings.workspace_or_new()?;
    let taken = import_jsonl(&workspace, &name, &mut input)?;
    output::warnings(&workspace.apply_if_free());
    if as_json {
        output::json(&render::merged::json(&taken, &[]))?;
    } else {
        output::answer(&render::merged::text(&taken, &[]))?;
    }
    Ok(0)
}

/// Writes a backup to a file that is whole or not there.
fn to_file(out: &Path, snapshot: &Snapshot, runs: &[RunNo]) -> Result<u64> {
    let (disk, mut facts) = (Disk::new(), Ok(0));
    let written = disk.create_prepared(out, |file| {
        let mut writer = BufWriter::with_capacity(1 << 20, Appending(file));
        facts = export::jsonl(snapshot, runs, &mut writer);
        writer.flush()?;
        drop(writer);
        if facts.is_err() { Err(std::io::ErrorKind::Other.into()) } else { file.sync() }
    });
    let facts = facts?;
    let forced = written.and_then(|_| disk.sync_folder(out.parent().unwrap_or(Path::new("."))));
    forced.map_err(|cause| Error::store(format!("cannot write `{}`", out.display())).because(cause))?;
    Ok(facts)
}

/// A file of ours as a place to write to.
struct Appending<'a>(&'a mut DiskFile);

impl Write for Appending<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.append(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
