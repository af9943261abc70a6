//! The name of a run: as a user gives it, and where nobody does.

use std::path::Path;

use crate::error::{Error, Result};

/// The longest name of a run.
const NAME_MAX_BYTES: usize = 120;

/// Checks a name that a run of a command is given: it stands in lines of text, may become part of a file's name, and names the run
/// where a word that begins with `@` is counted from the latest.
pub(super) fn check_command_name(name: &str) -> Result<()> {
    let right = |c: char| !c.is_control() && c != '/' && c != '\\';
    let fits = !name.trim().is_empty() && name.len() <= NAME_MAX_BYTES && !name.starts_with(['.', '-', '@']);
    if fits && name.chars().all(right) {
        return Ok(());
    }
    let shown: String = name.chars().take(NAME_MAX_BYTES).collect();
    Err(Error::request(format!("`{}` cannot be the name of a run", shown.escape_debug())).hint(format!(
        "names hold neither `/` nor `\\` nor control characters, begin with none of `. - @`, and have at most \
         {NAME_MAX_BYTES} bytes; nothing was run"
    )))
}

/// Returns what a run is called that nobody named: by its program, and where that is an interpreter, by the script or the module
/// that it is given. A history in which all is called `python3`, or `env`, tells nothing apart.
pub(super) fn default_name(words: &[String]) -> String {
    let mut words = words;
    while let Some(rest) = wrapped(words) {
        words = rest;
    }
    let Some((program, arguments)) = words.split_first() else { return "command".to_owned() };
    let program = program.rsplit('/').next().unwrap_or_default();
    script(program, arguments).unwrap_or_else(|| match stem(program) {
        Some(name) => name.to_owned(),
        None if program.is_empty() => "command".to_owned(),
        None => program.to_owned(),
    })
}

/// Returns what a command line has in common with others of the same program: its script, or the program and what it was told to do,
/// where that is its first word; `None` where that is not plain.
pub(crate) fn program(words: &[String]) -> Option<[&str; 2]> {
    let mut words = words;
    while let Some(rest) = wrapped(words) {
        words = rest;
    }
    let (program, arguments) = words.split_first()?;
    let name = program.rsplit('/').next()?;
    match given(name, arguments.iter().map(String::as_str)) {
        Some(Given::Script(script) | Given::Module(script)) => Some([script, ""]),
        None if stem(name).is_some() => Some([program, ""]),
        None if interpreter(name).is_some() => None,
        None => {
            let told = arguments.first().filter(|word| !word.starts_with('-'));
            Some([program, told.map_or("", String::as_str)])
        }
    }
}

/// Tells whether the name of a run says what was run: that of an interpreter could be anything.
pub(crate) fn says_what_ran(name: &str) -> bool {
    interpreter(name).is_none() && name != "command"
}

/// Programs that run another one, which comes behind options, of which these have a value of their own, and so many more words.
const WRAPPERS: [(&[&str], &[&str], usize); 17] = [
    (&["conda", "run"], &["-n", "-p", "--name", "--prefix", "--cwd"], 0),
    (&["env"], &["-u", "-C", "--unset", "--chdir"], 0),
    (&["flock"], &["-w", "-E", "--timeout", "--conflict-exit-code"], 1),
    (&["ionice"], &["-c", "-n", "--class", "--classdata"], 0),
    (&["mamba", "run"], &["-n", "-p", "--name", "--prefix", "--cwd"], 0),
    (&["micromamba", "run"], &["-n", "-p", "--name", "--prefix", "--cwd"], 0),
    (&["nice"], &["-n", "--adjustment"], 0),
    (&["nohup"], &[], 0),
    (&["pdm", "run"], &[], 0),
    (&["pipenv", "run"], &[], 0),
    (&["pixi", "run"], &["-e", "--environment"], 0),
    (&["poetry", "run"], &[], 0),
    (&["setsid"], &[], 0),
    (&["stdbuf"], &["-i", "-o", "-e"], 0),
    (&["time"], &["-f", "-o", "--format", "--output"], 0),
    (&["timeout"], &["-k", "-s", "--kill-after", "--signal"], 1),
    (&["uv", "run"], &["-p", "--python", "--with", "--extra", "--group"], 0),
];

/// Returns the words of the command that a wrapper runs; `None` of other programs.
fn wrapped(words: &[String]) -> Option<&[String]> {
    let (program, _) = words.split_first()?;
    let program = program.rsplit('/').next()?;
    let is_this = |wrapper: &str, at: usize| {
        if at == 0 { wrapper == program } else { words.get(at).is_some_and(|word| word == wrapper) }
    };
    let (called, valued, behind) = WRAPPERS
        .iter()
        .find(|(called, ..)| called.iter().enumerate().all(|(at, wrapper)| is_this(wrapper, at)))?;
    let mut at = called.len();
    while let Some(word) = words.get(at) {
        let is_variable = program == "env" && word.contains('=');
        match word.as_str() {
            "--" => {
                at += 1;
                break;
            }
            // A whole command in one word.
            "-S" | "--split-string" if program == "env" => return None,
            word if valued.contains(&word) => at += 2,
            word if word.starts_with('-') || is_variable => at += 1,
            _ => break,
        }
    }
    words.get(at + behind..).filter(|rest| !rest.is_empty() && !rest[0].starts_with('-'))
}

/// Endings of scripts that are started by their own names.
const ENDINGS: [&str; 7] = [".R", ".bash", ".jl", ".pl", ".py", ".rb", ".sh"];

/// Returns the name of a script without its ending.
fn stem(name: &str) -> Option<&str> {
    let stem = ENDINGS.iter().find_map(|ending| name.strip_suffix(ending))?;
    check_command_name(stem).is_ok().then_some(stem)
}

/// Returns the name of the script or module that an interpreter is given, without its ending; `None` where it is not plain which
/// word that is.
fn script(program: &str, arguments: &[String]) -> Option<String> {
    let name = match given(program, arguments.iter().map(String::as_str))? {
        Given::Module(name) => name,
        Given::Script(path) => Path::new(path).file_stem()?.to_str()?,
    };
    check_command_name(name).is_ok().then(|| name.to_owned())
}

/// What an interpreter is to run.
pub(super) enum Given<'a> {
    /// The file of this path.
    Script(&'a str),
    /// The module of this name.
    Module(&'a str),
}

/// The options of an interpreter that are known.
struct Interpreter {
    /// Letters that take no value: what follows another one may be its value.
    plain: &'static str,
    /// Options whose value is the next word.
    valued: &'static [&'static str],
    /// The option with which it runs a module.
    module: Option<&'static str>,
}

fn interpreter(program: &str) -> Option<Interpreter> {
    let (plain, valued, module) = match program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.') {
        "python" | "pypy" => ("bBdEiIOPqsSuvx", &["-W", "-X"][..], Some("-m")),
        "sh" | "bash" | "dash" | "ksh" | "zsh" => ("efuvx", &[][..], None),
        "R" | "julia" | "node" | "perl" | "Rscript" | "ruby" => ("", &[][..], None),
        _ => return None,
    };
    Some(Interpreter { plain, valued, module })
}

/// Finds what an interpreter is given to run, among its arguments behind its own name; `None` of other programs, and where it is not
/// plain which word that is.
pub(super) fn given<'a>(program: &str, arguments: impl Iterator<Item = &'a str>) -> Option<Given<'a>> {
    let Interpreter { plain, valued, module } = interpreter(program)?;
    let mut rest = arguments;
    if program == "R" {
        // What `Rscript` becomes.
        let mut options = rest.take_while(|word| word.starts_with("--"));
        return options.find_map(|word| word.strip_prefix("--file=")).map(Given::Script);
    }
    loop {
        let word = rest.next()?;
        let letters = word.strip_prefix('-').filter(|letters| !letters.is_empty());
        match letters {
            _ if valued.contains(&word) => drop(rest.next()),
            _ if module == Some(word) => return rest.next().map(Given::Module),
            Some(letters) if letters.chars().all(|letter| plain.contains(letter)) => {}
            _ if word.starts_with('-') => return None,
            _ => return Some(Given::Script(word)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_nobody_named_is_called_by_its_script_where_that_is_plain() {
        for (line, expected) in [
            ("python train.py --lr 0.1", "train"),
            ("python3.11 -u -OO scripts/train.v2.py", "train.v2"),
            ("python -m pkg.train --lr 0.1", "pkg.train"),
            ("bash -eux run", "run"),
            ("Rscript fit.R", "fit"),
            ("node ./a/b.mjs x", "b"),
            ("python", "python"),
            ("python -", "python"),
            ("python -m", "python"),
            ("python -W ignore -X dev train.py", "train"),
            ("python -Wignore train.py", "python"),
            ("env A=1 -u B /usr/bin/python3 train.py", "train"),
            ("/usr/bin/env python train.py", "train"),
            ("env", "env"),
            ("nohup nice -n 5 timeout -k 3 60 stdbuf -oL python train.py", "train"),
            ("flock -n /tmp/x.lock ./nightly.sh 3", "nightly"),
            ("flock -n /tmp/x.lock -c nightly", "flock"),
            ("uv run --with numpy train.py", "train"),
            ("uv pip install x", "uv"),
            ("conda run -n e python -m pkg.train", "pkg.train"),
            ("time -v make -j", "make"),
            ("./go.sh", "go"),
            ("python -c print(1)", "python"),
            ("sh -ec true", "sh"),
            ("sh -s train.sh", "sh"),
            ("perl -pe s/a/b/ x.pl", "perl"),
            ("sh .profile", "sh"),
            ("python ..", "python"),
            ("sort train.py", "sort"),
            ("R --no-echo --no-restore --file=fit.R --args 3", "fit"),
            ("R --no-save", "R"),
            ("train.sh a.py", "train"),
            (".sh", ".sh"),
        ] {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            assert_eq!(default_name(&words), expected, "{line}");
        }
        assert_eq!(default_name(&[]), "command");
    }

    #[test]
    fn a_script_is_the_same_whatever_its_words_and_a_program_for_the_same_task() {
        let is_same = |one: &str, other: &str| {
            let [one, other] =
                [one, other].map(|line| line.split(' ').map(str::to_owned).collect::<Vec<_>>());
            program(&one).is_some() && program(&one) == program(&other)
        };
        assert!(is_same("python t.py --lr 1", "env A=1 python -u t.py --lr 2"));
        assert!(is_same("snakemake --cores 1", "timeout 6 snakemake --cores 1 --rerun-incomplete"));
        assert!(is_same("./t.sh 1", "./t.sh 2"));
        assert!(!is_same("make train", "make clean"));
        assert!(!is_same("sh -c true", "sh -c true"));
        assert!(!is_same("python a/t.py", "python b/t.py"));
    }

    #[test]
    fn a_name_is_one_line_that_a_file_could_be_called() {
        for name in ["train", "a@b", "train (lr = 0.1)", "läuft", "a&b", &"x".repeat(NAME_MAX_BYTES)] {
            assert!(check_command_name(name).is_ok(), "{name}");
        }
        let long = "x".repeat(NAME_MAX_BYTES + 1);
        for name in
            ["", "  ", "@", "@x", "../../x", "a/b", "a\\b", ".hidden", "-x", "two\nlines", "bell\x07", &long]
        {
            assert!(check_command_name(name).is_err(), "{name}");
        }
    }
}
