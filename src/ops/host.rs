//! The machine's name.

/// Returns the machine's name, as far as it is to be had without asking the network.
pub fn host() -> String {
    let from_kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = from_kernel.or_else(|| std::env::var("HOSTNAME").ok()).unwrap_or_default();
    name.trim().chars().filter(|c| !c.is_control()).take(255).collect()
}
