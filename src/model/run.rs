//! Runs: one execution of one command.

use std::ffi::OsString;

use crate::model::{
    ArtifactPath, CodeState, NodeId, Parameter, RunId, Timestamp, from_printed, os_word, recorded_word,
};

/// One execution of one command, as it is known when it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Its key.
    pub id: NodeId,
    /// Its label, which names folders and files.
    pub run_id: RunId,
    /// The name that its user gave it, or the command's.
    pub name: String,
    /// What sort of execution it is.
    pub kind: RunKind,
    /// The command, one argument each, secrets masked.
    pub arguments: Vec<String>,
    /// The positions of those arguments that are not UTF-8: they stand as [`printed`](crate::model::printed) writes them.
    pub printed_arguments: Vec<u32>,
    /// The command's standard streams that led to files of the workspace; `None` where nobody knows where they led.
    pub streams: Option<Vec<Stream>>,
    /// What the run was told, by name.
    pub parameters: Vec<Parameter>,
    /// The working folder, relative to the workspace's root; empty for the root.
    pub folder: String,
    /// The code it was made by.
    pub code: CodeState,
    /// When it started, by the machine's clock.
    pub started_at: Timestamp,
    /// The run it was started by.
    pub parent: Option<NodeId>,
    /// The run whose command it runs again.
    pub rerun_of: Option<NodeId>,
    /// The program that recorded it, and its version: `lineage 0.1.0`.
    pub recorder: String,
    /// The machine's name.
    pub host: String,
    /// Who started it, as [`ModelVersion::by`](crate::model::ModelVersion::by) is found; empty where nobody recorded it.
    pub by: String,
    /// The journal segment it is recorded in; its writer holds that segment's lock while the run lives.
    pub segment: u128,
}

impl Run {
    /// What a run says that recorded it which was taken over from MLflow.
    pub const RECORDED_BY_MLFLOW: &str = "mlflow";

    /// Names a run that this program records and of which nothing else is known.
    pub fn new(
        id: NodeId,
        run_id: RunId,
        name: impl Into<String>,
        kind: RunKind,
        started_at: Timestamp,
        segment: u128,
    ) -> Self {
        Run {
            id,
            run_id,
            name: name.into(),
            kind,
            arguments: Vec::new(),
            printed_arguments: Vec::new(),
            streams: None,
            parameters: Vec::new(),
            folder: String::new(),
            code: CodeState::default(),
            started_at,
            parent: None,
            rerun_of: None,
            recorder: concat!("lineage ", env!("CARGO_PKG_VERSION")).to_owned(),
            host: String::new(),
            by: String::new(),
            segment,
        }
    }

    /// Returns the command's words as they were given, but for what is masked in them.
    pub fn words(&self) -> Vec<OsString> {
        let words = self.arguments.iter().zip(0..).map(|(argument, at)| {
            let bytes = from_printed(argument).filter(|_| self.printed_arguments.contains(&at));
            bytes.map_or_else(|| OsString::from(argument), os_word)
        });
        words.collect()
    }
}

/// A standard stream of a command that led to a file when the command began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// 0 is standard input, 1 output, 2 error.
    pub number: u8,
    /// The file.
    pub path: ArtifactPath,
    /// What it was open for.
    pub way: StreamWay,
    /// Where in the file it stood, in bytes.
    pub at_bytes: u64,
    /// The stream before it that goes through the same opening of the file: `2>&1`.
    pub same_as: Option<u8>,
}

/// What a standard stream was open for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum StreamWay {
    /// `< in`.
    Read,
    /// `> out`: nothing stood behind the place where it began.
    Write,
    /// `>> out`: whatever is written comes to the end.
    Append,
    /// `1<> out`: written over what stood there.
    Update,
}

impl StreamWay {
    /// Every value, in the order of its code.
    pub const ALL: [StreamWay; 4] = [StreamWay::Read, StreamWay::Write, StreamWay::Append, StreamWay::Update];

    /// Returns the word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            StreamWay::Read => "read",
            StreamWay::Write => "write",
            StreamWay::Append => "append",
            StreamWay::Update => "update",
        }
    }

    /// Returns how a shell is asked for it.
    const fn sign(self) -> &'static str {
        match self {
            StreamWay::Read => "<",
            StreamWay::Write => ">",
            StreamWay::Append => ">>",
            StreamWay::Update => "<>",
        }
    }
}

/// Writes where streams led as a shell is told so, each after a blank: ` < in > out 2>&1`.
pub fn redirections(streams: &[Stream]) -> String {
    let written = streams.iter().map(|stream| {
        let is_usual = match stream.way {
            StreamWay::Read => stream.number == 0,
            StreamWay::Write | StreamWay::Append => stream.number == 1,
            // `<>` alone is standard input.
            StreamWay::Update => false,
        };
        let number = if is_usual { String::new() } else { stream.number.to_string() };
        match stream.same_as {
            Some(same) => format!(" {number}>&{same}"),
            None => {
                let path = stream.path.to_string();
                format!(" {number}{} {}", stream.way.sign(), command_line(&[path]))
            }
        }
    });
    written.collect()
}

/// Writes the words of a command as [`Run::arguments`] and [`Run::printed_arguments`] have them.
pub fn recorded_words(words: &[OsString]) -> (Vec<String>, Vec<u32>) {
    let are_text = words.iter().map(|word| word.to_str().is_some());
    let printed = are_text.zip(0..).filter(|(is_text, _)| !is_text).map(|(_, at)| at).collect();
    (words.iter().map(recorded_word).collect(), printed)
}

/// Writes a command so that it can be pasted into a shell.
pub fn command_line(arguments: &[String]) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./=:,+@%".contains(c);
    let quoted = arguments.iter().map(|argument| {
        if !argument.is_empty() && argument.chars().all(plain) {
            argument.clone()
        } else {
            format!("'{}'", argument.replace('\'', "'\\''"))
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

/// Undoes [`command_line`]; `None` for text that it does not write.
pub fn words_of(line: &str) -> Option<Vec<String>> {
    let mut words = vec![String::new()];
    let mut is_quoted = false;
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match (character, words.last_mut()?) {
            ('\'', _) => is_quoted = !is_quoted,
            ('\\', word) if !is_quoted => word.push(characters.next()?),
            (' ', _) if !is_quoted => words.push(String::new()),
            (character, word) => word.push(character),
        }
    }
    (command_line(&words) == line).then_some(words)
}

/// What sort of execution a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum RunKind {
    /// `lineage pipeline`: filings to segments.
    Pipeline,
    /// `lineage run`: an observed command.
    Command,
    /// A program that called the library.
    Library,
    /// Files or records taken over from elsewhere.
    Import,
}

impl RunKind {
    /// Every value, in the order of its code.
    pub const ALL: [RunKind; 4] = [RunKind::Pipeline, RunKind::Command, RunKind::Library, RunKind::Import];

    /// Returns the word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            RunKind::Pipeline => "pipeline",
            RunKind::Command => "command",
            RunKind::Library => "library",
            RunKind::Import => "import",
        }
    }
}

/// A later word on a run: that it was taken up again, or how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunOutcome {
    /// The run.
    pub run: NodeId,
    /// When.
    pub at: Timestamp,
    /// What it is since then.
    pub status: RunStatus,
    /// The command's exit code, where it ended.
    pub exit_code: Option<i32>,
    /// Why, where it failed or stopped early.
    pub reason: Option<String>,
    /// Where it was taken up again: the code of that moment.
    pub code: Option<CodeState>,
    /// Where it was taken up again: the command of that moment.
    pub arguments: Vec<String>,
    /// Where it was taken up again: the journal segment that goes on with it.
    pub segment: u128,
}

impl RunOutcome {
    /// Says what a run is from a moment on, in a journal segment, and nothing else of it.
    pub fn new(run: NodeId, at: Timestamp, status: RunStatus, segment: u128) -> Self {
        RunOutcome {
            run,
            at,
            status,
            exit_code: None,
            reason: None,
            code: None,
            arguments: Vec::new(),
            segment,
        }
    }
}

/// What has become of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum RunStatus {
    /// Started, or taken up again, and not yet ended.
    Running,
    /// Ended as it should.
    Succeeded,
    /// Ended with a failure of its own or of some of its steps.
    Failed,
    /// Ended by a signal, or found without its process.
    Interrupted,
}

impl RunStatus {
    /// Every value, in the order of its code.
    pub const ALL: [RunStatus; 4] =
        [RunStatus::Running, RunStatus::Succeeded, RunStatus::Failed, RunStatus::Interrupted];

    /// Returns the word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            RunStatus::Running => "running",
            RunStatus::Succeeded => "ok",
            RunStatus::Failed => "failed",
            RunStatus::Interrupted => "interrupted",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_command_line_is_read_as_the_words_it_was_written_from(words in prop::collection::vec("[ab '\"\\\\$-]{0,4}", 1..5)) {
            prop_assert_eq!(words_of(&command_line(&words)), Some(words));
        }
    }

    #[test]
    fn what_no_command_line_is_written_as_has_no_words() {
        for line in ["", "a  b", "echo \"a\"", "a && b", "'a", "\"", "a\\"] {
            assert_eq!(words_of(line), None, "{line}");
        }
        assert_eq!(words_of("sh t.sh").unwrap(), ["sh", "t.sh"]);
    }

    #[test]
    fn redirections_are_written_as_a_shell_takes_them() {
        let stream = |number, path: &str, way, same_as| Stream {
            number,
            path: ArtifactPath::new(path).unwrap(),
            way,
            at_bytes: 0,
            same_as,
        };
        let streams = [
            stream(0, "in", StreamWay::Read, None),
            stream(1, "a b", StreamWay::Append, None),
            stream(2, "a b", StreamWay::Append, Some(1)),
        ];
        assert_eq!(redirections(&streams), " < in >> 'a b' 2>&1");
        assert_eq!(redirections(&[stream(2, "log", StreamWay::Write, None)]), " 2> log");
        assert_eq!(redirections(&[stream(1, "db", StreamWay::Update, None)]), " 1<> db");
        assert_eq!(redirections(&[]), "");
    }
}
