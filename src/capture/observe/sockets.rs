//! Sockets with an address: who waits at one, who went there, and whom of the run that brings together.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io::Result;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::acts::Act;
use super::body::Who;
use super::net::Net;
use super::place::{Base, Place};
use super::process::Actor;
use super::{GIVEN_PIPE, Set, sys};

/// The port of questions for names.
const NAMES_PORT: u16 = 53;
/// As many addresses of one process are remembered.
const BOUND_MAX: usize = 64;
/// As many sockets are remembered whose port the kernel chooses, and so often it is asked which.
const PORTLESS_MAX: usize = 4_096;
const LOOKS_MAX: u32 = 1_000;
/// So long may a call take that gives a socket its port, in microseconds.
const BINDING_US_MAX: i64 = 100_000;

/// The two tables of the kernel's that list sockets of one sort, by the sort of their addresses.
type Tables = [&'static str; 2];
const TCP: Tables = ["tcp", "tcp6"];
const UDP: Tables = ["udp", "udp6"];

/// An address as a process names it to the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Address {
    Internet(SocketAddr),
    Path(PathBuf),
    /// A name that is in no folder.
    Abstract(String),
}

impl Address {
    /// Reads a `struct sockaddr`; `None` for what names no place, and for other families.
    fn read(act: Act<'_>, address: u64, length: u64) -> Result<Option<Address>> {
        let mut room = [0_u8; 110];
        let size = (length as usize).min(room.len());
        if size < 3 {
            return Ok(None);
        }
        let read = sys::read_memory(act.thread.tid, address, &mut room[..size])?;
        let port = u16::from_be_bytes([room[2], room[3]]);
        Ok(match i32::from(u16::from_ne_bytes([room[0], room[1]])) {
            libc::AF_UNIX if room[2] == 0 => {
                let name = String::from_utf8_lossy(&room[3..read.max(3)]);
                Some(Address::Abstract(name.trim_end_matches('\0').to_owned()))
            }
            libc::AF_UNIX => {
                let path = room[2..read].split(|byte| *byte == 0).next().unwrap_or_default();
                let folder = std::fs::read_link(format!("/proc/{}/cwd", act.thread.tid)).unwrap_or_default();
                Some(Address::Path(folder.join(OsStr::from_bytes(path))))
            }
            libc::AF_INET if read >= 8 => {
                let address = Ipv4Addr::new(room[4], room[5], room[6], room[7]);
                Some(Address::Internet(SocketAddr::new(IpAddr::V4(address), port)))
            }
            libc::AF_INET6 if read >= 24 => {
                let mut bytes = [0_u8; 16];
                bytes.copy_from_slice(&room[8..24]);
                Some(Address::Internet(SocketAddr::new(IpAddr::V6(Ipv6Addr::from(bytes)), port)))
            }
            _ => None,
        })
    }

    fn name(&self) -> String {
        match self {
            Address::Internet(address) => format!("tcp://{address}"),
            Address::Path(path) => format!("unix://{}", path.display()),
            Address::Abstract(name) => format!("unix://@{name}"),
        }
    }

    /// Tells whether what lies behind it are services of the system, for logins, logs, names and screens.
    fn is_of_the_system(&self) -> bool {
        const FOLDERS: [&str; 6] =
            ["/run/", "/var/run/", "/dev/", "/tmp/.X11-unix", "/tmp/.ICE-unix", "/tmp/dbus-"];
        match self {
            Address::Internet(address) => address.port() == NAMES_PORT,
            Address::Path(path) => FOLDERS.iter().any(|folder| path.to_string_lossy().starts_with(folder)),
            Address::Abstract(name) => {
                name.is_empty() || FOLDERS.iter().any(|folder| name.starts_with(folder))
            }
        }
    }
}

impl Net<'_> {
    /// Remembers where a process goes to.
    pub(super) fn connect(&mut self, act: Act<'_>, address: u64, length: u64) -> Result<()> {
        let Some(address) = Address::read(act, address, length)? else { return Ok(()) };
        if let Address::Path(path) = &address
            && does_work_for_others(path)
        {
            let path = path.display();
            self.gap(format!("the daemon at `{path}` was asked for something; what it did was not seen"));
        } else if !address.is_of_the_system() {
            if let Address::Internet(address) = &address
                && address.ip().is_loopback()
            {
                self.find_host(act, address, &[TCP, UDP]);
            }
            self.connect_to(act.who, address.name(), act.us);
        }
        Ok(())
    }

    /// Remembers that a process opens a pipe that the command was given, by the number that it has in the process, as the shell's
    /// `<(…)` asks for.
    pub(super) fn read_given(&mut self, act: Act<'_>, place: &Place) {
        let number = place.path.strip_prefix(b"fd/").filter(|_| place.base == Base::Process);
        // Of its standard input it is known in any case.
        if let Some(number) = number.map(String::from_utf8_lossy).filter(|number| number != "0") {
            self.connect_to(act.who, format!("{GIVEN_PIPE}{number}"), act.us);
        }
    }

    /// Remembers where a process waits for others. Where it leaves the port to the kernel, that is found out when somebody goes
    /// there.
    pub(super) fn bind(&mut self, act: Act<'_>, address: u64, length: u64) -> Result<()> {
        let Some(address) = Address::read(act, address, length)? else { return Ok(()) };
        if matches!(&address, Address::Internet(address) if address.port() == 0) {
            let socket = act.thread.look_at_descriptor(act.number(0))?.ino;
            if self.portless.hosts.len() < PORTLESS_MAX {
                self.portless.hosts.insert(socket, (act.who, act.us));
                self.portless.last_us = act.us;
                self.portless.strangers.clear();
            }
            return Ok(());
        }
        if !address.is_of_the_system() {
            self.waits_at(act.who, address.name(), act.us);
        }
        Ok(())
    }

    /// Remembers where a process sends something to, where somebody of the run waits there: what goes elsewhere brings nothing back.
    pub(super) fn send_to(&mut self, act: Act<'_>, address: u64, length: u64) -> Result<()> {
        let Some(address) = Address::read(act, address, length)? else { return Ok(()) };
        let name = address.name();
        let is_known = |(known, _): &(String, i64)| *known == name;
        if self.ledger.actors[act.who as usize].connections.iter().any(is_known) {
            return Ok(());
        }
        if let Address::Internet(address) = &address
            && address.ip().is_loopback()
        {
            let is_stream = act.arguments[3] & libc::MSG_FASTOPEN as u64 != 0;
            if is_stream {
                self.find_host(act, address, &[TCP, UDP]);
            } else if !self.portless.strangers.contains(&(act.who, *address)) {
                self.find_host(act, address, &[UDP]);
                self.note_stranger(act, *address);
            }
        }
        if places_of(&name).iter().any(|place| self.bound.contains(place)) {
            self.connect_to(act.who, name, act.us);
        }
        Ok(())
    }

    /// Remembers that nobody of the run waits at an address for datagrams, until somebody else leaves a port to the kernel.
    fn note_stranger(&mut self, act: Act<'_>, address: SocketAddr) {
        let Portless { strangers, last_us, .. } = &mut self.portless;
        // The last one may still be in the call that gives it a port.
        if act.us > last_us.saturating_add(BINDING_US_MAX) && strangers.len() < PORTLESS_MAX {
            strangers.insert((act.who, address));
        }
    }

    fn waits_at(&mut self, who: Who, address: String, us: i64) {
        let bound = &mut self.ledger.actor(who).bound;
        if bound.len() < BOUND_MAX {
            bound.push((address.clone(), us));
            self.bound.insert(address);
        }
    }

    /// Finds out whether somebody of the run waits at a port of this machine that the kernel chose, by tables of the kernel's.
    fn find_host(&mut self, act: Act<'_>, address: &SocketAddr, tables: &[Tables]) {
        let Portless { hosts, looks, .. } = &mut self.portless;
        if hosts.is_empty() || *looks >= LOOKS_MAX {
            return;
        }
        *looks += 1;
        // One who waits at all addresses of either kind stands in the second table.
        let tables =
            tables.iter().flat_map(|[four, six]| address.is_ipv4().then_some(four).into_iter().chain([six]));
        let tables = tables.filter_map(|table| {
            std::fs::read_to_string(format!("/proc/{}/net/{table}", act.thread.tid)).ok()
        });
        let found = tables
            .flat_map(|table| waiting_at(&table, address.port()))
            .find_map(|socket| hosts.remove(&socket));
        if let Some((host, since)) = found {
            self.waits_at(host, format!("tcp://{address}"), since);
        }
    }
}

/// Lists the sockets that wait at a port, by inode, from a table of the kernel's.
fn waiting_at(table: &str, port: u16) -> Vec<u64> {
    // As one who waits for connections, or for datagrams of anybody.
    const WAITS: [&str; 2] = ["0A", "07"];
    let sockets = table.lines().skip(1).filter_map(|line| {
        let mut words = line.split_ascii_whitespace().skip(1);
        let (local, state) = (words.next()?, words.nth(1)?);
        let (_, digits) = local.rsplit_once(':')?;
        let is_it = WAITS.contains(&state) && u16::from_str_radix(digits, 16) == Ok(port);
        is_it.then(|| words.nth(5)?.parse().ok())?
    });
    sockets.collect()
}

/// Sockets whose port the kernel chooses.
#[derive(Debug, Default)]
pub(super) struct Portless {
    /// Whose they are and since when, by inode.
    hosts: BTreeMap<u64, (Who, i64)>,
    /// How often was looked which ports they have.
    looks: u32,
    /// When the last of them left its port to the kernel.
    last_us: i64,
    /// Who sends datagrams to where none of them waits.
    strangers: Set<(Who, SocketAddr)>,
}

/// Whom sockets bring together.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Meetings {
    /// Who waited at an address, and who went there.
    pub(super) parties: Vec<BTreeSet<Who>>,
    /// The addresses at which somebody of the run met somebody of the run.
    pub(super) inside: BTreeSet<String>,
}

/// Finds out who met whom: who went to an address at which another had begun to wait.
pub(super) fn meetings(actors: &[Actor]) -> Meetings {
    let mut waiting: BTreeMap<&str, Vec<(Who, i64)>> = BTreeMap::new();
    for (who, actor) in actors.iter().enumerate() {
        for (address, us) in &actor.bound {
            waiting.entry(address).or_default().push((who as Who, *us));
        }
    }
    let mut parties: BTreeMap<&str, BTreeSet<Who>> = BTreeMap::new();
    let mut inside = BTreeSet::new();
    for (who, actor) in actors.iter().enumerate().filter(|_| !waiting.is_empty()) {
        for (address, us) in &actor.connections {
            let places = places_of(address);
            let met = places.iter().filter_map(|place| waiting.get_key_value(place.as_str()));
            for (bound, hosts) in met {
                let hosts = hosts.iter().filter(|(_, since)| since <= us).map(|(host, _)| *host);
                let hosts: BTreeSet<Who> = hosts.collect();
                if !hosts.is_empty() {
                    inside.extend([address.clone(), (*bound).to_owned()]);
                    let party = parties.entry(bound).or_default();
                    party.extend(hosts);
                    party.insert(who as Who);
                }
            }
        }
    }
    Meetings { parties: parties.into_values().collect(), inside }
}

/// Lists the places at which one may wait to whom a way to `address` leads: there, or at every address of this machine.
fn places_of(address: &str) -> Vec<String> {
    let port = address.strip_prefix("tcp://").and_then(|address| address.rsplit_once(':'));
    let everywhere = port.map(|(_, port)| [format!("tcp://0.0.0.0:{port}"), format!("tcp://[::]:{port}")]);
    std::iter::once(address.to_owned()).chain(everywhere.into_iter().flatten()).collect()
}

/// Tells whether a socket is that of a daemon which runs programs or keeps files for those who ask.
fn does_work_for_others(path: &Path) -> bool {
    const DAEMONS: [&str; 9] = [
        "docker.sock",
        "podman.sock",
        "containerd.sock",
        "buildkitd.sock",
        "crio.sock",
        "systemd/private",
        "mysqld.sock",
        "mysql.sock",
        "redis.sock",
    ];
    let is_postgres = path.file_name().is_some_and(|name| name.as_bytes().starts_with(b".s.PGSQL."));
    is_postgres || DAEMONS.iter().any(|daemon| path.ends_with(daemon))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_goes_where_another_waits_meets_that_one() {
        let mut actors: Vec<Actor> = (0..4).map(|pid| Actor::new(pid, None, 0)).collect();
        actors[0].bound.push(("tcp://0.0.0.0:80".to_owned(), 10));
        actors[1].connections.push(("tcp://127.0.0.1:80".to_owned(), 20));
        // Too early, and to somebody else.
        actors[2].connections.push(("tcp://127.0.0.1:80".to_owned(), 5));
        actors[3].connections.push(("tcp://127.0.0.1:8".to_owned(), 20));
        let met = meetings(&actors);
        assert_eq!(met.parties, [BTreeSet::from([0, 1])]);
        assert_eq!(met.inside.len(), 2);
        actors[0].bound[0].0 = "unix:///s".to_owned();
        assert_eq!(meetings(&actors), Meetings::default());
        // It came once more.
        actors[2].connections.push(("unix:///s".to_owned(), 30));
        actors[2].connections.push(("unix:///s".to_owned(), 5));
        assert_eq!(meetings(&actors).parties, [BTreeSet::from([0, 2])]);
        actors[2].connections.clear();
        actors[3].connections[0].0 = "unix:///s".to_owned();
        assert_eq!(meetings(&actors).parties, [BTreeSet::from([0, 3])]);
    }

    #[test]
    fn who_waits_at_a_port_is_read_from_the_table_of_the_kernel() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 000 100 0 0 10 0
   1: 0100007F:1F90 0100007F:A2C4 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 000 20 4 30 10 -1
   2: 00000000:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1 000 100 0 0 10 0
";
        assert_eq!(waiting_at(table, 8080), [4711]);
        assert_eq!(waiting_at(table, 8081), [4713]);
        assert_eq!(waiting_at(table, 80), [0; 0]);
    }

    #[test]
    fn daemons_are_told_by_their_sockets() {
        assert!(does_work_for_others(Path::new("/run/user/1000/podman/podman.sock")));
        assert!(does_work_for_others(Path::new("/tmp/.s.PGSQL.5432")));
        assert!(!does_work_for_others(Path::new("/tmp/s")));
    }
}
