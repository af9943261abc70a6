//! The name of a run, as a user gives it.

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

#[cfg(test)]
mod tests {
    use super::*;

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
