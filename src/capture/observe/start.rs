//! Starts the command, on the best rung that can be had, and stays with it to its end.

use std::ffi::{CString, OsStr, OsString};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use crate::error::Error;

use super::calls::Abi;
use super::checkpoint::{Head, Observer, Pace};
use super::filter;
use super::net::Net;
use super::refusal::{Refusal, find_program};
use super::snapshot::Snapshot;
use super::sys::{
    self, Adoption, Blocked, End, Forwarding, Guardian, InHand, Launched, Report, Stage, Stops,
};
use super::{Digest, Exit, GapSort, Level, Observation, Options, assemble, finish};

fn c_string(string: &OsStr) -> Result<CString, Refusal> {
    let zero = |_| Refusal::Failed(Error::request("an argument of the command holds a zero byte"));
    CString::new(string.as_bytes()).map_err(zero)
}

fn c_strings<'s>(strings: impl Iterator<Item = &'s OsStr>) -> Result<Vec<CString>, Refusal> {
    strings.map(c_string).collect()
}

/// As many calls are answered before it is asked whether a checkpoint is due.
const CALLS_BETWEEN: u64 = 32;

/// A command under way.
struct Course<'a> {
    net: Net<'a>,
    launched: Launched,
    reports_open: bool,
    guardian: Option<Guardian>,
    forwarding: Option<Forwarding>,
    stops: Option<Stops>,
    before: Option<Snapshot>,
    /// Who has the net, where it is another one that tells what it saw of the command.
    observer: Option<Observer>,
    level: Level,
    has_ended: bool,
    /// How it ended, where that could be learned.
    end: Option<End>,
    ended_us: i64,
    linger_until: Option<Instant>,
    /// What is still to be done once, and when.
    after: Option<(Instant, &'a dyn Fn())>,
    pace: Option<Pace<'a>>,
    started_us: i64,
}

pub(super) fn observe(
    options: &Options<'_>,
    keep: &mut dyn FnMut(&Path, &Digest, Vec<u8>),
) -> Result<Observation, Refusal> {
    let program = find_program(options)?;
    let abis = Abi::native();
    let wants_net = options.level.is_none_or(|level| level == Level::Net) && !abis.is_empty();
    let shown = c_strings(options.arguments.iter().map(OsString::as_os_str))?;
    let entries: Vec<OsString> = options
        .environment
        .iter()
        .map(|(key, value)| [key.as_os_str(), OsStr::new("="), value.as_os_str()].into_iter().collect())
        .collect();
    let environment = c_strings(entries.iter().map(OsString::as_os_str))?;
    let [program, folder] = [program.as_os_str(), options.folder.as_os_str()].map(c_string);
    let before = (options.level == Some(Level::Snapshot)).then(|| Snapshot::take(options));
    let started_us = (options.clock)();
    let _adoption = Adoption::begin();
    let blocked = Blocked::all();
    let forwarding = options.forward_signals.then(Forwarding::begin).flatten();
    let stops = forwarding.as_ref().and_then(|_| Stops::watch().ok());
    let launch = sys::Launch {
        program: program?,
        arguments: shown,
        environment,
        folder: folder?,
        streams: options.streams.map(|stream| stream.map(AsRawFd::as_raw_fd)),
        filter: wants_net.then(|| filter::program(abis)),
    };
    // What comes later reaches the new process by the terminal, or is handed on from here.
    let came = forwarding.is_some().then(|| blocked.take());
    let launched = sys::launch(launch, &blocked)
        .map_err(|error| Refusal::Failed(Error::request("cannot start a process").because(error)))?;
    if let Some(forwarding) = &forwarding {
        forwarding.aim(launched.pid);
        came.into_iter().flatten().for_each(|signal| forwarding.hand_on(signal));
    }
    drop(blocked);
    let level = if before.is_some() { Level::Snapshot } else { Level::Nothing };
    let mut course = Course {
        net: Net::new(options, keep),
        launched,
        reports_open: true,
        guardian: None,
        forwarding,
        stops,
        before,
        observer: None,
        level,
        has_ended: false,
        end: None,
        ended_us: started_us,
        linger_until: None,
        after: options.after.map(|(delay, act)| (Instant::now() + delay, act)),
        pace: options.checkpoints.map(Pace::new),
        started_us,
    };
    if options.forward_signals && course.forwarding.is_none() {
        let text = "so many commands run in this process that signals are not handed on to this one";
        course.net.gap(text.to_owned());
    }
    course.go()?;
    Ok(course.conclude())
}

impl Course<'_> {
    /// Answers whatever comes until the command has ended and nothing of it is left, or the patience with what is left is over.
    fn go(&mut self) -> Result<(), Refusal> {
        loop {
            let listener = self.net.listener();
            if self.has_ended && (listener.is_none() || self.is_out_of_patience()) {
                return Ok(());
            }
            let ready = sys::wait(
                [
                    listener.as_ref().map(|listener| listener.as_fd()),
                    (!self.has_ended).then(|| self.launched.process.as_fd()),
                    self.reports_open.then(|| self.launched.reports.as_fd()),
                    self.stops.as_ref().map(Stops::as_fd),
                ],
                self.timeout_ms(),
            );
            let Ok([calls, process, reports, stops]) = ready else {
                return self.give_up();
            };
            // It is asked once for each call: to ask for the time at each turn of it would add up.
            let now = Instant::now();
            if let Some((_, act)) = self.after.take_if(|(when, _)| *when <= now) {
                act();
            }
            if reports.readable || reports.hung_up {
                self.take_report()?;
            }
            if calls.readable {
                self.net.serve(now);
                self.net.collect(false);
            } else if calls.hung_up {
                self.net.detach();
            }
            if process.readable && !self.has_ended {
                self.take_end();
            }
            if let Some(watched) = self.stops.as_ref().filter(|_| stops.readable) {
                watched.follow(self.launched.pid);
            }
            self.net.look_who_writes(now);
            self.net.look_who_reads(now);
            self.net.read_early(now);
            if !calls.readable || self.net.traps.is_multiple_of(CALLS_BETWEEN) {
                self.make_checkpoint_if_due();
            }
        }
    }

    fn make_checkpoint_if_due(&mut self) {
        if self.pace.as_ref().is_some_and(|pace| pace.is_due(&self.net)) {
            self.make_checkpoint();
        }
    }

    fn make_checkpoint(&mut self) {
        // Where there is no net, nothing is known before the command's end.
        let Some(pace) = self.pace.as_mut().filter(|_| self.level == Level::Net) else { return };
        let at_us = (self.net.options.clock)();
        let exit = self.has_ended.then(|| self.end.map_or(Exit::Unknown, exit_of));
        let head = Head {
            at_us,
            started_us: self.started_us,
            ended_us: if exit.is_some() { self.ended_us } else { at_us },
            command: self.launched.pid,
            exit,
            had_input: false,
            temporaries: 0,
        };
        pace.make(&mut self.net, head);
    }

    /// Without a way to wait for calls there is nothing left but to let the guardian answer them.
    fn give_up(&mut self) -> Result<(), Refusal> {
        self.net.gap("the observer could not go on; what came after was not seen".to_string());
        self.net.detach();
        self.guardian = None;
        self.take_end();
        Ok(())
    }

    fn is_out_of_patience(&self) -> bool {
        self.linger_until.is_some_and(|until| until <= Instant::now())
    }

    /// How long to wait for a call, -1 for ever.
    fn timeout_ms(&self) -> i32 {
        let after = self.after.map(|(when, _)| when);
        let look = self.net.openings.next_look();
        let readers = self.net.readers.next_look();
        let early = self.net.early.next();
        let checkpoint = self.pace.as_ref().and_then(|pace| pace.next(&self.net));
        let all = [after, look, readers, early, checkpoint, self.linger_until];
        all.into_iter().flatten().min().map_or(-1, ms_until)
    }

    fn take_report(&mut self) -> Result<(), Refusal> {
        let report = self.launched.next_report();
        match report {
            Ok(Report::Listener(listener, no_new_privileges)) => {
                let in_hand = InHand::new().ok().map(Arc::new);
                self.guardian =
                    in_hand.as_ref().and_then(|in_hand| Guardian::start(listener.as_fd(), in_hand).ok());
                if self.guardian.is_none() {
                    self.net.gap(
                        "no guardian could be started: had the observer died, so had the command".to_string(),
                    );
                }
                self.net.attach(listener, in_hand, no_new_privileges);
                self.level = Level::Net;
            }
            Ok(Report::NoNet(errno)) => {
                if errno == libc::EBUSY && self.net.options.level.is_none() {
                    self.observer = Observer::find();
                    self.net.note_input();
                }
                if self.observer.is_none() {
                    self.say_no_net(errno);
                }
                if self.net.options.level.is_none() && !self.net.options.roots.is_empty() {
                    self.before = Some(Snapshot::take(self.net.options));
                    self.level = Level::Snapshot;
                }
                sys::go(self.launched.reports.as_fd());
            }
            Ok(Report::Failed(stage, errno)) => {
                self.reports_open = false;
                return Err(self.refuse(stage, errno));
            }
            Ok(Report::Running) | Err(_) => self.reports_open = false,
        }
        Ok(())
    }

    fn say_no_net(&mut self, errno: i32) {
        let why = match errno {
            libc::EBUSY => "another observer holds it".to_string(),
            errno => std::io::Error::from_raw_os_error(errno).to_string(),
        };
        self.net.gap(format!("the net could not be had: {why}"));
    }

    /// Clears away what was started in vain.
    fn refuse(&mut self, stage: Stage, errno: i32) -> Refusal {
        // The process has its last call still before it, which is stopped as all others are.
        loop {
            let listener = self.net.listener();
            let calls = listener.as_ref().map(|listener| listener.as_fd());
            match sys::wait([calls, Some(self.launched.process.as_fd())], -1) {
                Ok([_, process]) if process.readable => break,
                Ok([calls, _]) if calls.readable => self.net.serve(Instant::now()),
                Ok(_) => {}
                Err(_) => break,
            }
        }
        self.net.detach();
        if let Some(guardian) = self.guardian.take() {
            drop(guardian.dismiss());
        }
        let _ = self.launched.wait_for_end();
        sys::reap(self.launched.pid);
        let options = self.net.options;
        let shown = options.arguments.first().map(|name| name.display().to_string()).unwrap_or_default();
        let cause = std::io::Error::from_raw_os_error(errno);
        match stage {
            Stage::Folder => {
                let folder = options.folder.display();
                Refusal::Failed(Error::request(format!("cannot enter the folder `{folder}`")).because(cause))
            }
            Stage::Program if errno == libc::ENOENT => {
                let error = Error::request(format!("cannot run `{shown}`: its interpreter is not there"));
                Refusal::NotFound(error.because(cause))
            }
            Stage::Program => {
                Refusal::NotExecutable(Error::request(format!("cannot run `{shown}`")).because(cause))
            }
        }
    }

    fn take_end(&mut self) {
        self.end = self.launched.wait_for_end().ok();
        if self.end.is_none() {
            self.net.gap("how the command ended could not be learned".to_string());
        }
        self.has_ended = true;
        if let Some(forwarding) = &self.forwarding {
            forwarding.aim_at_nobody();
        }
        self.stops = None;
        sys::reap(self.launched.pid);
        self.ended_us = (self.net.options.clock)();
        self.linger_until = Some(Instant::now() + self.net.options.linger);
        self.reap_orphans();
    }

    /// Orphans that have ended would keep the net open on kernels before 6.11.
    fn reap_orphans(&self) {
        if !sys::has_ended_children() {
            return;
        }
        for pid in self.net.current.keys().filter(|pid| **pid != self.launched.pid) {
            sys::reap(*pid);
        }
    }

    fn conclude(mut self) -> Observation {
        self.reap_orphans();
        let survivors = self.survivors();
        for name in survivors {
            let text = format!("{name} was still running when the record was closed");
            self.net.gap_of(GapSort::StillRunning, text);
        }
        let _dismissed = match (self.guardian.take(), self.net.listener()) {
            (Some(guardian), None) => Some(guardian.dismiss()),
            (Some(guardian), Some(_)) => {
                // It goes on for those who are left, and ends when they do.
                guardian.take_over();
                None
            }
            (None, _) => None,
        };
        self.net.detach();
        // What comes now may take long, where there is much to read.
        if self.pace.as_ref().is_some_and(|pace| pace.has_begun) {
            self.make_checkpoint();
        }
        let exit = self.end.map_or(Exit::Unknown, exit_of);
        let mut observation = Observation {
            level: self.level,
            exit,
            is_whole: true,
            started_us: self.started_us,
            ended_us: self.ended_us,
            processes: vec![],
            files: vec![],
            gaps: vec![],
            connections: vec![],
            had_input: false,
            private_temporaries: 0,
            traps: self.net.traps,
        };
        if let Some(observer) = self.observer.take() {
            let known =
                Observation { gaps: self.net.gaps(), had_input: self.net.had_input(), ..observation.clone() };
            if let Some(whole) = observer.complete(self.net.options, self.launched.pid, known) {
                return whole;
            }
            self.say_no_net(libc::EBUSY);
        }
        if let Some(before) = self.before.take() {
            observation.files = before.compare(&Snapshot::take(self.net.options), self.net.options);
        }
        if self.level == Level::Net {
            finish::finish(&mut self.net);
            observation.had_input = self.net.had_input();
            assemble::assemble(&self.net.ledger, self.launched.pid, &mut observation);
        }
        observation.gaps = self.net.gaps();
        observation.connections = std::mem::take(&mut self.net.connections).into_iter().collect();
        observation
    }

    fn survivors(&self) -> Vec<String> {
        if self.net.listener().is_none() {
            return vec![];
        }
        let mut names = vec![];
        for (pid, who) in &self.net.current {
            let has_ended = self.net.ledger.actors[*who as usize].ended_us.is_some();
            if !has_ended && Path::new(&format!("/proc/{pid}/exe")).exists() {
                names.push(format!("`{}` (process {pid})", self.net.program_name(*who)));
            }
        }
        if names.is_empty() && has_exact_end() {
            names.push("a process that the command left behind".to_string());
        }
        names.sort();
        names
    }
}

fn exit_of(end: End) -> Exit {
    match end {
        End::Signal { number, dumped_core } => Exit::Signal { number, dumped_core },
        End::Code(code) => Exit::Code(code),
    }
}

fn ms_until(when: Instant) -> i32 {
    let left = when.saturating_duration_since(Instant::now());
    i32::try_from(left.as_micros().div_ceil(1000)).unwrap_or(i32::MAX)
}

/// Tells whether the kernel ends the net with the last process, and not only once that one has been reaped
/// (Linux 6.11 or newer).
fn has_exact_end() -> bool {
    crate::digests::kernel_is_at_least((6, 11))
}
