//! The build script: tells the linker how the program is laid out.
//!
//! On Linux the program stands at a fixed address, as programs made by Go do: a program that can be moved is relocated at every
//! start, half a megabyte of tables of functions page by page, which is a sixth of the time of a command as short as
//! `lineage run -- true`. Libraries, heap and stack lie at random addresses as ever.

fn main() {
    println!("cargo::rerun-if-changed=src/build.rs");
    let target = |part: &str| std::env::var(format!("CARGO_CFG_TARGET_{part}")).unwrap_or_default();
    if target("OS") == "linux" && target("ENV") == "gnu" {
        println!("cargo::rustc-link-arg-bins=-no-pie");
    }
}
