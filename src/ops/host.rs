//! The names of the machine and of whoever uses it.

/// Returns the machine's name, as far as it is to be had without asking the network.
pub fn host() -> String {
    let from_kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = from_kernel.or_else(|| std::env::var("HOSTNAME").ok()).unwrap_or_default();
    name.trim().chars().filter(|c| !c.is_control()).take(255).collect()
}

/// Returns the name of the person that runs the program: as the session says, else as the machine lists its users.
pub fn user() -> String {
    let said = ["USER", "LOGNAME"].iter().filter_map(|name| std::env::var(name).ok());
    let clean =
        |name: String| -> String { name.trim().chars().filter(|c| !c.is_control()).take(120).collect() };
    if let Some(name) = said.map(clean).find(|name| !name.is_empty()) {
        return name;
    }
    if let Ok(process) = std::fs::metadata("/proc/self") {
        let id = std::os::unix::fs::MetadataExt::uid(&process).to_string();
        let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let named = users.lines().find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            (fields.nth(1)? == id).then(|| name.to_owned())
        });
        return named.map(clean).unwrap_or_else(|| format!("user {id}"));
    }
    "unknown".to_owned()
}
