//! Where there is no net: starts the command and compares what stands in some folders before and after.

use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::Command;

use crate::error::Error;

use super::refusal::{Refusal, find_program};
use super::snapshot::Snapshot;
use super::{Digest, Exit, Gap, GapSort, Level, Observation, Options, Recovered};

pub(super) fn observe(
    options: &Options<'_>,
    _keep: &mut dyn FnMut(&Path, &Digest, Vec<u8>),
) -> Result<Observation, Refusal> {
    let program = find_program(options)?;
    let wants_snapshot =
        options.level.is_none_or(|level| level == Level::Snapshot) && !options.roots.is_empty();
    let before = wants_snapshot.then(|| Snapshot::take(options));
    let started_us = (options.clock)();
    let mut command = Command::new(program);
    command.arg0(&options.arguments[0]).args(&options.arguments[1..]).current_dir(&options.folder);
    command.env_clear().envs(options.environment.iter().map(|(key, value)| (key, value)));
    let failed = |cause| {
        Refusal::Failed(Error::request("cannot give the command its standard streams").because(cause))
    };
    let copies =
        options.streams.map(|stream| stream.map(|file| file.try_clone().map_err(failed)).transpose());
    let [input, output, error] = copies;
    if let Some(file) = input? {
        command.stdin(file);
    }
    if let Some(file) = output? {
        command.stdout(file);
    }
    if let Some(file) = error? {
        command.stderr(file);
    }
    let shown = options.arguments[0].display();
    let status = command.status().map_err(|error| {
        let kind = error.kind();
        let message = Error::request(format!("cannot run `{shown}`")).because(error);
        match kind {
            std::io::ErrorKind::NotFound => Refusal::NotFound(message),
            _ => Refusal::NotExecutable(message),
        }
    })?;
    let ended_us = (options.clock)();
    let exit = match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(number)) => Exit::Signal { number, dumped_core: status.core_dumped() },
        (None, None) => Exit::Unknown,
    };
    let level = if before.is_some() { Level::Snapshot } else { Level::Nothing };
    let files = before.map(|before| before.compare(&Snapshot::take(options), options));
    Ok(Observation {
        level,
        exit,
        is_whole: true,
        started_us,
        ended_us,
        processes: vec![],
        files: files.unwrap_or_default(),
        gaps: vec![Gap {
            sort: GapSort::Unseen,
            text: "the net can be had on Linux only".to_string(),
            count: 1,
        }],
        connections: vec![],
        had_input: false,
        private_temporaries: 0,
        traps: 0,
    })
}

/// There are no checkpoints.
pub(super) fn recover(_options: &Options<'_>, _parts: &mut dyn Iterator<Item = &[u8]>) -> Option<Recovered> {
    None
}
