//! Which kernel this is, for what some can and others cannot.

use std::sync::OnceLock;

/// Returns true where the kernel is Linux of this version or newer.
pub fn kernel_is_at_least(version: (u32, u32)) -> bool {
    static RUNNING: OnceLock<(u32, u32)> = OnceLock::new();
    let read = || std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    *RUNNING.get_or_init(|| version_of(&read())) >= version
}

fn version_of(release: &str) -> (u32, u32) {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_a_kernel_is_read_as_makers_of_systems_write_it() {
        let read = ["5.8.0", "6.13rc1", "6.13-rc1", "5.7.19-arch1", "4.19", "10.0\n", "", "what"];
        let versions = [(5, 8), (6, 13), (6, 13), (5, 7), (4, 19), (10, 0), (0, 0), (0, 0)];
        assert_eq!(read.map(version_of), versions);
    }
}
