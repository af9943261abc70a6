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
/// that it is given. A history in which all is called `python3` tells nothing apart.
pub(super) fn default_name(program: Option<String>, arguments: &[String]) -> String {
    let script = program.as_deref().and_then(|program| script(program, arguments));
    script.or(program).unwrap_or_else(|| "command".to_owned())
}

/// Returns the name of the script or module that an interpreter is given, without its ending; `None` where it is not plain which
/// word that is.
fn script(program: &str, arguments: &[String]) -> Option<String> {
    let (letters, module) = match program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.') {
        "python" | "pypy" => ("bBdEiIOPqsSuvx", Some("-m")),
        "sh" | "bash" | "dash" | "ksh" | "zsh" => ("efuvx", None),
        "julia" | "node" | "perl" | "Rscript" | "ruby" => ("", None),
        _ => return None,
    };
    // Options that take no value: what follows another one may be its value.
    let is_plain = |word: &&String| {
        let option = word.strip_prefix('-').filter(|option| !option.is_empty());
        option.is_some_and(|option| option.chars().all(|letter| letters.contains(letter)))
    };
    let mut rest = arguments.iter().skip_while(is_plain).map(String::as_str);
    let name = match rest.next()? {
        word if module == Some(word) => rest.next()?,
        word if word.starts_with('-') => return None,
        word => Path::new(word).file_stem()?.to_str()?,
    };
    check_command_name(name).is_ok().then(|| name.to_owned())
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
            ("python -W ignore train.py", "python"),
            ("python -c print(1)", "python"),
            ("sh -ec true", "sh"),
            ("sh -s train.sh", "sh"),
            ("perl -pe s/a/b/ x.pl", "perl"),
            ("sh .profile", "sh"),
            ("python ..", "python"),
            ("sort train.py", "sort"),
            ("train.sh a.py", "train.sh"),
        ] {
            let mut words = line.split(' ').map(str::to_owned);
            let program = words.next();
            assert_eq!(default_name(program, &words.collect::<Vec<_>>()), expected, "{line}");
        }
        assert_eq!(default_name(None, &[]), "command");
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
