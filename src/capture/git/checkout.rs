//! A commit checked out elsewhere, with a patch on top. The repository it comes from is only read.
//!
//! This is the one thing for which the `git` program is needed: it knows the user's filters and line endings.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use super::open::REPOSITORY_VARIABLES;
use crate::error::{Error, Result};

/// Makes `folder`, which must not exist, a work tree of its own at `commit` of the repository that `root` is in; its objects are
/// borrowed from there. `branch` is what it is called there, whatever the branch is now. No hooks run.
///
/// # Errors
/// A request error where there is no `git`, or no such commit in the repository.
pub fn check_out(root: &Path, commit: &str, branch: Option<&str>, folder: &Path) -> Result<()> {
    let shown = folder.display();
    let failed = |output: Output| {
        Error::request(format!("cannot check out commit {commit} in `{shown}`")).because(words_of(&output))
    };
    let mut clone = git(root);
    clone.args(["clone", "--quiet", "--shared", "--no-checkout", "--no-tags", "--"]).arg(root).arg(folder);
    run(clone, b"")?.map_err(failed)?;
    let mut checkout = git(folder);
    checkout.args(["checkout", "--quiet"]);
    match branch {
        Some(branch) => checkout.args(["-B", branch]),
        None => checkout.arg("--detach"),
    };
    checkout.args([commit, "--"]);
    run(checkout, b"")?.map_err(failed)
}

/// Applies a patch to the work tree at `folder`.
///
/// # Errors
/// A request error where it does not apply.
pub fn apply_patch(folder: &Path, patch: &[u8]) -> Result<()> {
    let mut apply = git(folder);
    apply.args(["apply", "--binary", "--whitespace=nowarn", "-"]);
    run(apply, patch)?.map_err(|output| {
        Error::request(format!("the recorded patch does not apply in `{}`", folder.display()))
            .because(words_of(&output))
    })
}

/// Tells the index of a work tree the times that its files have now.
///
/// # Errors
/// A request error where git cannot.
pub fn refresh(folder: &Path) -> Result<()> {
    let mut refresh = git(folder);
    refresh.args(["update-index", "-q", "--refresh"]);
    run(refresh, b"")?.map_err(|output| {
        Error::request(format!("cannot refresh the index of `{}`", folder.display()))
            .because(words_of(&output))
    })
}

fn git(folder: &Path) -> Command {
    let mut command = Command::new("git");
    for name in REPOSITORY_VARIABLES {
        command.env_remove(name);
    }
    command.current_dir(folder).env("GIT_TERMINAL_PROMPT", "0");
    command.args([
        "-c",
        "core.hooksPath=/dev/null",
        "-c",
        "protocol.file.allow=always",
        "-c",
        "advice.detachedHead=false",
    ]);
    command
}

fn run(mut command: Command, input: &[u8]) -> Result<Result<(), Output>> {
    let failed =
        |cause| Error::request("cannot run `git`, which is needed to check out a commit").because(cause);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A git that has heard enough closes its end; what it says of that counts.
        let _ = stdin.write_all(input);
    }
    let output = child.wait_with_output().map_err(failed)?;
    Ok(if output.status.success() { Ok(()) } else { Err(output) })
}

fn words_of(output: &Output) -> String {
    let words = String::from_utf8_lossy(&output.stderr);
    let words: Vec<&str> = words.lines().filter(|line| !line.trim().is_empty()).take(3).collect();
    if words.is_empty() { format!("git ended with {}", output.status) } else { words.join("; ") }
}
