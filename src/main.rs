//! Parse, run, exit; nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    lineage::cli::main()
}
