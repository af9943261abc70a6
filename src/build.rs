//! The build script: tells the linker how the program is laid out.
//!
//! On Linux the program stands at a fixed address, as programs made by Go do: a program that can be moved is relocated at every
//! start, half a megabyte of tables of functions page by page, which is a sixth of the time of a command as short as
//! `lineage run -- true`. Libraries, heap and stack lie at random addresses as ever.
//!
//! What unwinds the stack is linked in where the compiler has it as an archive. As a library, `libgcc_s`, it would be looked for,
//! loaded and set up at every start, and small containers do not have it.

use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=src/build.rs");
    let target = |part: &str| std::env::var(format!("CARGO_CFG_TARGET_{part}")).unwrap_or_default();
    if target("OS") == "linux" && target("ENV") == "gnu" {
        println!("cargo::rustc-link-arg-bins=-no-pie");
        // Who builds for another machine may have named its linker where a build script is not told of it.
        let is_at_home = std::env::var_os("HOST") == std::env::var_os("TARGET");
        if let Some(folder) = is_at_home.then(unwinder).flatten() {
            println!("cargo::rustc-link-search=native={}", folder.display());
        }
    }
}

/// Makes a folder in which the linker finds an archive under the name of the library, before it finds the library; `None` where
/// there is no such archive.
fn unwinder() -> Option<PathBuf> {
    let linker = std::env::var_os("RUSTC_LINKER").unwrap_or_else(|| "cc".into());
    let found = |name: &str| {
        let asked = Command::new(&linker).arg(format!("-print-file-name={name}")).output().ok()?;
        let path = PathBuf::from(String::from_utf8(asked.stdout).ok()?.trim());
        // Of what it does not find, it says the name alone.
        path.is_absolute().then_some(path)
    };
    let archives = [found("libgcc_eh.a")?, found("libgcc.a")?];
    let folder = Path::new(&std::env::var_os("OUT_DIR")?).join("unwinder");
    std::fs::create_dir_all(&folder).ok()?;
    let script = format!("GROUP ( {} {} )\n", archives[0].display(), archives[1].display());
    std::fs::write(folder.join("libgcc_s.so"), script).ok()?;
    Some(folder)
}
