//! What pipes, sockets and terminals make of processes: which are one step, and who only told another something.
//!
//! No read of a pipe is seen, and no write, but who holds its ends. An end that was **made for** a program, or that it opened by a
//! name, is what it works with: the programs at both ends of such a pipe are one group. An end that a program only **shares** with
//! who started it may be for either of them. And who made a pipe and started those at its ends, mostly a shell, may have read or
//! written as well, or only handed the ends on. To join a shell with everything that it ever shared a pipe with would make one
//! step of all that a script does. So it is joined only with groups that write no files of their own, which live on only in what
//! the shell makes of them; others feed it, or are fed by it, and what passes there is inferred. A pool of workers that write
//! files is parted likewise: each may have told anything to whoever started it, and the other way round. A shell that was given one
//! plain command, as `popen` does, is that command: what was made for the one is for the other.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher as _;

use super::body::Who;
use super::forks::TALKERS_MAX;
use super::process::{Actor, Direction};
use super::sockets::Meetings;
use super::{Channel, ChannelSort, TERMINAL};

/// Marks what is no inode, but the number of a socket at which processes met.
const MEETING: u64 = 1 << 62;

/// Marks what is no inode, but the number of a piece of memory that processes share.
const SEGMENT: u64 = 1 << 61;
/// Marks what is no inode, but stands for the name of a queue of messages.
const QUEUE: u64 = 1 << 60;

/// Marks what is no inode, but the key of a queue of messages.
const KEY: u64 = 1 << 59;

/// Returns what memory of this number is known by among pipes.
pub(super) fn segment(number: i32) -> u64 {
    SEGMENT | u64::from(number.cast_unsigned())
}

/// Returns what a queue of messages of this name is known by among pipes.
pub(super) fn queue(name: &[u8]) -> u64 {
    QUEUE | (foldhash::quality::FixedState::default().hash_one(name) & (QUEUE - 1))
}

/// Returns what a queue of messages of this key is known by among pipes.
pub(super) fn keyed_queue(key: i32) -> u64 {
    KEY | u64::from(key.cast_unsigned())
}

fn is_terminal(inode: u64) -> bool {
    inode & TERMINAL != 0
}

/// How somebody came to hold an end, the surest use of it first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Hold {
    /// It was made for it, or it opened it by a name.
    Own,
    /// It is a standard stream, and who started it has it as the same one.
    Shared,
    /// It hands it to what it starts, or has it as a fork.
    HandsOn,
    /// It is no standard stream, and who started it has it at the same place.
    Beside,
}

#[derive(Debug, Clone, Copy)]
struct End {
    who: Who,
    hold: Hold,
    /// It is no standard stream, and was not opened by a name.
    is_beside: bool,
    /// Somebody may still have written to it when its holder began; of readers only.
    is_fed: bool,
}

/// Those who hold ends of one pipe.
#[derive(Debug, Default)]
struct Pipe {
    writers: Vec<End>,
    readers: Vec<End>,
    /// Hold it in a way that leaves its direction open.
    others: Vec<Who>,
    /// Who made it, as far as can be told: the first above its holders that was not born with it.
    maker: Option<Who>,
}

/// What pipes make of processes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Joined {
    /// The first of the group that each actor belongs to.
    pub(super) groups: Vec<Who>,
    /// Who wrote into a pipe that another read, without being one group with it.
    pub(super) feeds: BTreeSet<(Who, Who)>,
    /// Likewise, who made a pipe for the one that read it, so that nobody else can have written into it; also one that was filled and
    /// closed before.
    pub(super) poured: BTreeSet<(Who, Who)>,
}

/// Joins what must be seen as one step: processes that share a pipe, by index of the first of each group.
///
/// What the command was given itself (a terminal's pager) joins nobody; a pipe that leads to no other program leads to who
/// made it. One that was filled and closed before its reader began holds what its maker knew then, and joins nobody.
pub(super) fn join_by_pipes(actors: &[Actor], executors: &[Who], met: &Meetings) -> Joined {
    let mut leaders: Vec<Who> = (0..actors.len() as Who).collect();
    let own = writes_files(actors, executors);
    let mut feeds = feeds_of_forks(actors, executors);
    let shells = shells_stood_for(actors, executors);
    for (who, shell) in shells.iter().enumerate() {
        if let Some(shell) = shell.filter(|shell| is_made_for(&actors[*shell as usize], &actors[who], 0)) {
            join(&mut leaders, executors[shell as usize], executors[who]);
        }
    }
    let mut pipes = pipes(actors, executors, &shells, met);
    pipes.retain(|_, pipe| {
        let is_of_a_pool = pipe.is_of_a_pool(&own);
        if is_of_a_pool {
            feeds.extend(pipe.part_pool(&own, &mut leaders));
        }
        !is_of_a_pool
    });
    for (inode, pipe) in &pipes {
        join_all(&mut leaders, pipe.made_for(is_terminal(*inode)));
    }
    // What is asked of the groups is asked of all pipes as the groups stand now, so that the order makes no difference.
    let writing = Writing::of(&mut leaders, &own);
    for pipe in pipes.values().filter(|pipe| !pipe.is_captured()) {
        join_all(&mut leaders, pipe.said_by(&|who| writing.has(who)));
    }
    let writing = Writing::of(&mut leaders, &own);
    for (from, to) in heard(actors, executors) {
        if to < from && !writing.has(from) {
            join(&mut leaders, from, to);
        } else {
            feeds.insert((from, to));
        }
    }
    let captured: BTreeSet<(Who, Who)> = pipes.values().flat_map(Pipe::captures).collect();
    for (inode, pipe) in &pipes {
        let Sides { mut from, mut to, from_apart: mut feeders, to_apart: mut fed } =
            pipe.sides(is_terminal(*inode), &|who| writing.has(who), &captured);
        from.extend(&pipe.others);
        to.extend(&pipe.others);
        join_all(&mut leaders, from.iter().chain(&to).copied());
        // One stands for all that are joined.
        let first = from.iter().chain(&to).min();
        feeders.extend(first.filter(|_| !from.is_empty()));
        fed.extend(first.filter(|_| !to.is_empty()));
        feeds.extend(feeders.iter().flat_map(|from| fed.iter().map(move |to| (*from, *to))));
    }
    let groups = all_leaders(&mut leaders);
    feeds.retain(|(from, to)| groups[*from as usize] != groups[*to as usize]);
    let poured = pipes.iter().filter(|(inode, _)| !is_terminal(**inode)).flat_map(|(_, pipe)| pipe.poured());
    let poured = poured.filter(|(from, to)| groups[*from as usize] != groups[*to as usize]).collect();
    Joined { groups, feeds, poured }
}

/// Which groups write files of their own.
struct Writing {
    leaders: Vec<Who>,
    writes: Vec<bool>,
}

impl Writing {
    fn of(leaders: &mut [Who], own: &[bool]) -> Self {
        let leaders = all_leaders(leaders);
        let mut writes = vec![false; own.len()];
        for (who, own) in own.iter().enumerate() {
            writes[leaders[who] as usize] |= own;
        }
        Writing { leaders, writes }
    }

    /// Tells whether anybody of a process's group writes files of its own.
    fn has(&self, who: Who) -> bool {
        self.writes[self.leaders[who as usize] as usize]
    }
}

/// The two sides of a pipe: who is joined through it, and who only feeds those or is fed by them.
#[derive(Default)]
struct Sides {
    from: Vec<Who>,
    to: Vec<Who>,
    from_apart: Vec<Who>,
    to_apart: Vec<Who>,
}

impl Pipe {
    /// Lists those who work with the pipe without a doubt, and so with each other.
    fn made_for(&self, is_terminal: bool) -> BTreeSet<Who> {
        let is_private = self.is_private();
        let made = |end: &&End| end.hold == Hold::Own || is_private;
        let ends = self.writers.iter().chain(&self.readers).filter(made).map(|end| end.who);
        let ends: BTreeSet<Who> = ends.chain(self.others.iter().copied()).collect();
        let is_both_ways = self.others.is_empty() && ends.len() == 1 && self.is_in_one_hand();
        if is_terminal || is_both_ways || is_private {
            return ends.into_iter().chain(self.maker).collect();
        }
        let is_written = !(self.writers.is_empty() && self.others.is_empty());
        if is_written && !self.is_captured() { ends } else { BTreeSet::new() }
    }

    /// Lists those who write to it what they share with who started them, and nowhere else, with those it was made for.
    fn said_by(&self, writes: &dyn Fn(Who) -> bool) -> Vec<Who> {
        let said = self.writers.iter().filter(|end| end.hold == Hold::Shared && !writes(end.who));
        if said.clone().next().is_none() {
            return Vec::new();
        }
        let heard = self.readers.iter().filter(|end| end.hold == Hold::Own);
        said.chain(heard).map(|end| end.who).chain(self.others.iter().copied()).collect()
    }

    /// Tells whether it leads, beside the standard streams, from who made it to what that started, and to nobody else: programs that
    /// go to such lengths speak with their own parts.
    fn is_private(&self) -> bool {
        let mut ends = self.writers.iter().chain(&self.readers);
        self.others.is_empty() && ends.all(|end| end.is_beside)
    }

    /// Tells whether it is one of those through which a program speaks with parts of its own that write files each.
    fn is_of_a_pool(&self, own: &[bool]) -> bool {
        let writers = self.holders().into_iter().filter(|who| own[*who as usize]).count();
        self.is_private() && (2..=TALKERS_MAX).contains(&writers)
    }

    /// Joins those who write no files with who made it; returns who feeds whom of the others.
    fn part_pool(&self, own: &[bool], leaders: &mut [Who]) -> Vec<(Who, Who)> {
        let (workers, others): (Vec<Who>, Vec<Who>) =
            self.holders().into_iter().partition(|who| own[*who as usize]);
        let center = self.maker.unwrap_or(workers[0]);
        join_all(leaders, others.into_iter().chain([center]));
        let workers = workers.into_iter().filter(|worker| *worker != center);
        workers.flat_map(|worker| [(worker, center), (center, worker)]).collect()
    }

    /// Lists those who hold an end, or made it.
    fn holders(&self) -> BTreeSet<Who> {
        let ends = self.writers.iter().chain(&self.readers).map(|end| end.who);
        ends.chain(self.maker).collect()
    }

    /// Tells whether one program alone holds both ends.
    fn is_in_one_hand(&self) -> bool {
        let holders: BTreeSet<Who> = self.writers.iter().chain(&self.readers).map(|end| end.who).collect();
        holders.len() == 1 && !self.writers.is_empty() && !self.readers.is_empty()
    }

    /// Tells whether what is written to it is for nobody but those who hand its end on, or who made it.
    fn is_captured(&self) -> bool {
        self.others.is_empty() && !self.readers.iter().any(|end| end.hold == Hold::Own)
    }

    /// Lists whose output is captured by whom.
    fn captures(&self) -> Vec<(Who, Who)> {
        let writers = self.writers.iter().filter(|end| end.hold == Hold::Own && self.is_captured());
        self.maker.into_iter().flat_map(|maker| writers.clone().map(move |end| (maker, end.who))).collect()
    }

    /// Lists who alone can have written into it, for whom it was made.
    fn poured(&self) -> impl Iterator<Item = (Who, Who)> {
        let maker = self.maker.filter(|_| self.writers.is_empty() && self.others.is_empty());
        let fed = self.readers.iter().filter(|end| end.hold == Hold::Own);
        maker.into_iter().flat_map(move |maker| fed.clone().map(move |end| (maker, end.who)))
    }

    fn sides(
        &self,
        is_terminal: bool,
        writes: &dyn Fn(Who) -> bool,
        captured: &BTreeSet<(Who, Who)>,
    ) -> Sides {
        let mut sides = Sides::default();
        let is_private = self.is_private();
        let is_captured = self.is_captured() && !is_terminal && !is_private;
        // What was made for one is not for the others in whom it was left open.
        let is_left = |end: &&End, ends: &[End]| {
            let is_for_another = |other: &End| other.hold == Hold::Own && Some(other.who) != self.maker;
            end.hold == Hold::Beside && ends.iter().any(is_for_another)
        };
        for end in self.writers.iter().filter(|end| !is_left(end, &self.writers)) {
            let is_joined = match end.hold {
                Hold::Own => !is_captured || !writes(end.who),
                Hold::Shared => !writes(end.who),
                Hold::HandsOn => false,
                Hold::Beside => is_private,
            };
            let side = if is_joined { &mut sides.from } else { &mut sides.from_apart };
            side.push(end.who);
        }
        // What nobody is known to write to is written by who made it, if by anybody.
        let is_the_makers = self.writers.is_empty() && self.others.is_empty() && !is_terminal;
        let readers = self.readers.iter().filter(|end| !is_left(end, &self.readers));
        for end in readers.filter(|end| end.is_fed || !is_the_makers) {
            let waits = || self.maker.is_some_and(|maker| captured.contains(&(maker, end.who)));
            let is_joined = match end.hold {
                Hold::Own => !is_the_makers || !writes(end.who) || waits(),
                Hold::Shared => !writes(end.who),
                Hold::HandsOn => is_captured,
                Hold::Beside => is_private,
            };
            let side = if is_joined { &mut sides.to } else { &mut sides.to_apart };
            side.push(end.who);
        }
        let is_beside = |ends: &[End]| ends.iter().all(|end| end.hold == Hold::Beside);
        if let Some(maker) = self.maker.filter(|_| self.others.is_empty()) {
            if !self.writers.is_empty() && is_beside(&self.readers) {
                sides.to.push(maker);
            } else if is_beside(&self.writers) {
                let is_joined = self.writers.is_empty();
                let side = if is_joined { &mut sides.from } else { &mut sides.from_apart };
                side.push(maker);
            } else if is_terminal {
                sides.to.push(maker);
            }
        }
        sides
    }
}

/// Says of each process whether it writes files of its own, or those it was forked into do.
fn writes_files(actors: &[Actor], executors: &[Who]) -> Vec<bool> {
    let mut writes_files = vec![false; actors.len()];
    for (actor, executor) in actors.iter().zip(executors) {
        writes_files[*executor as usize] |= actor.writes_besides(&actors[0]);
    }
    writes_files
}

fn pipes(actors: &[Actor], executors: &[Who], shells: &[Option<Who>], met: &Meetings) -> BTreeMap<u64, Pipe> {
    let mut pipes: BTreeMap<u64, Pipe> = BTreeMap::new();
    for (index, actor) in actors.iter().enumerate() {
        let who = executors[index];
        let is_fed = actor.is_fed || actor.program.is_none();
        let born = actor.standard.iter().enumerate().filter_map(|(slot, channel)| {
            let channel = channel.filter(|channel| channel.sort != ChannelSort::Outside)?;
            let is_own = shells[index].is_some_and(|shell| is_made_for(&actors[shell as usize], actor, slot));
            let is_shared = channel.sort == ChannelSort::Shared && actor.program.is_some() && !is_own;
            let hold = if is_shared { Hold::Shared } else { Hold::Own };
            Some((channel.inode, slot > 0, End { who, hold, is_beside: false, is_fed }))
        });
        let handed_on = actor.holds.iter().map(|(inode, slot)| {
            (*inode, *slot > 0, End { who, hold: Hold::HandsOn, is_beside: false, is_fed })
        });
        let others = actor.ends.iter().filter(|end| end.direction != Direction::Both).map(|end| {
            let hands_on = actor.holds.iter().any(|(inode, _)| *inode == end.inode);
            let hold = match end.is_shared {
                true => Hold::Beside,
                // A shell opens what it redirects to.
                false if hands_on => Hold::HandsOn,
                false => Hold::Own,
            };
            (
                end.inode,
                end.direction == Direction::Writes,
                End { who, hold, is_beside: end.is_born, is_fed: true },
            )
        });
        for (inode, is_writer, end) in born.chain(handed_on).chain(others) {
            let pipe = pipes.entry(inode).or_default();
            let ends = if is_writer { &mut pipe.writers } else { &mut pipe.readers };
            match ends.iter_mut().find(|known| known.who == who) {
                Some(known) => {
                    (known.hold, known.is_fed) = (known.hold.min(end.hold), known.is_fed | end.is_fed);
                    known.is_beside &= end.is_beside;
                }
                None => ends.push(end),
            }
            let is_opened = actor.program.is_some() && !actor.is_born_with(inode);
            if pipe.maker.is_none() && !is_opened {
                pipe.maker = maker(actors, executors, index, inode);
            }
        }
        let open = actor.ends.iter().filter(|end| end.direction == Direction::Both).map(|end| end.inode);
        for inode in open.chain(actor.channels.iter().copied()) {
            pipes.entry(inode).or_default().others.push(who);
        }
    }
    for (number, party) in met.parties.iter().enumerate() {
        let party: BTreeSet<Who> = party.iter().map(|who| executors[*who as usize]).collect();
        pipes.entry(MEETING | number as u64).or_default().others.extend(party);
    }
    pipes
}

/// Climbs from one who holds a pipe to the first who was not born with it; `None` where nobody above it can have made it.
fn maker(actors: &[Actor], executors: &[Who], holder: usize, inode: u64) -> Option<Who> {
    let mut at = holder;
    loop {
        let actor = &actors[at];
        if actor.program.is_some() && !actor.is_born_with(inode) {
            return Some(at as Who);
        }
        // A parent is entered before its children.
        let above = if executors[at] as usize == at { actor.parent? } else { executors[at] };
        let above = if actors[above as usize].program.is_some() { above } else { executors[above as usize] };
        if above as usize >= at {
            return None;
        }
        at = above as usize;
    }
}

/// Tells whether a standard stream of a program was made for the shell that it stands for.
fn is_made_for(shell: &Actor, program: &Actor, slot: usize) -> bool {
    let [of_shell, own] = [shell, program].map(|actor| actor.standard[slot]);
    let is_it = |(one, other): (Channel, Channel)| one.inode == other.inode && one.sort == ChannelSort::Own;
    of_shell.zip(own).is_some_and(is_it)
}

/// Names for each process the shell that was started for nothing but it: it is the shell's one program, and the command begins with it
/// that the shell was given. A shell that itself did anything with its streams before would have been given that first.
fn shells_stood_for(actors: &[Actor], executors: &[Who]) -> Vec<Option<Who>> {
    let mut programs: BTreeMap<Who, Vec<usize>> = BTreeMap::new();
    for (index, actor) in actors.iter().enumerate().filter(|(_, actor)| actor.program.is_some()) {
        if let Some(parent) = actor.parent {
            programs.entry(executors[parent as usize]).or_default().push(index);
        }
    }
    let mut shells = vec![None; actors.len()];
    for (above, programs) in programs {
        let ([program], Some(shell)) = (&programs[..], &actors[above as usize].program) else { continue };
        let name = actors[*program].program.as_ref().and_then(|program| program.arguments.first());
        shells[*program] = name.is_some_and(|name| shell.is_given_only(name)).then_some(above);
    }
    shells
}

/// Lists who may have told whom something of forks that count as processes of their own, and those they were forked from.
fn feeds_of_forks(actors: &[Actor], executors: &[Who]) -> BTreeSet<(Who, Who)> {
    let mut feeds = BTreeSet::new();
    for (fork, actor) in actors.iter().enumerate().filter(|(_, actor)| actor.is_apart && actor.talks) {
        if let Some(parent) = actor.parent {
            let (fork, parent) = (fork as Who, executors[parent as usize]);
            feeds.extend([(fork, parent), (parent, fork)]);
        }
    }
    feeds
}

/// Lists who may have heard whom through a file without a name: as through a pipe, who wrote into it comes first.
fn heard(actors: &[Actor], executors: &[Who]) -> Vec<(Who, Who)> {
    let heard = actors
        .iter()
        .zip(executors)
        .flat_map(|(actor, to)| actor.heard.iter().map(|from| (executors[*from as usize], *to)));
    heard.collect()
}

fn join_all(leaders: &mut [Who], members: impl IntoIterator<Item = Who>) {
    let mut members = members.into_iter();
    let Some(first) = members.next() else { return };
    members.for_each(|who| join(leaders, first, who));
}

fn join(leaders: &mut [Who], one: Who, other: Who) {
    let (one, other) = (leader(leaders, one), leader(leaders, other));
    leaders[one.max(other) as usize] = one.min(other);
}

fn leader(leaders: &mut [Who], of: Who) -> Who {
    let mut at = of;
    while leaders[at as usize] != at {
        let next = leaders[at as usize];
        leaders[at as usize] = leaders[next as usize];
        at = next;
    }
    at
}

fn all_leaders(leaders: &mut [Who]) -> Vec<Who> {
    (0..leaders.len() as Who).map(|own| leader(leaders, own)).collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::ledger::Touch;
    use super::super::process::{HeldEnd, Program, executors};
    use super::*;

    /// Each line: parent (or `-`), whether it executed a program, and its pipes (`0=7` own, `0~7` shared with the parent,
    /// `0^7` from outside, `1+7` held by a fork, `r7` and `w7` opened by a name, `r=7` and `w=7` given beside those, `r*7` and `w*7` also shared with the
    /// parent); then the groups, and who fed whom.
    fn check(text: &str, expected: &[Who], feeds: &[(Who, Who)]) {
        let joined = joined(text);
        assert_eq!(joined.groups, expected, "{text}");
        assert_eq!(joined.feeds.into_iter().collect::<Vec<_>>(), feeds, "{text}");
    }

    /// Joins the processes of such a text; `exec:NAME` is a program, and `exec:sh-c:LINE` a shell that was given a line.
    fn joined(text: &str) -> Joined {
        let actors: Vec<Actor> = text
            .lines()
            .map(|line| {
                let mut words = line.split_whitespace();
                let parent = words.next().and_then(|word| word.parse().ok());
                let mut actor = Actor::new(1, parent, 0);
                let program = words.next().and_then(|word| word.strip_prefix("exec"));
                if let Some(line) = program {
                    let arguments = match line.strip_prefix(":sh-c:") {
                        Some(line) => vec!["sh".into(), "-c".into(), line.into()],
                        None => line.strip_prefix(':').map(Into::into).into_iter().collect(),
                    };
                    actor.program = Some(Program {
                        exe: PathBuf::from(arguments.first().cloned().unwrap_or_default()),
                        arguments,
                        arguments_were_cut: false,
                        folder: PathBuf::new(),
                    });
                }
                for word in words {
                    match word {
                        "fed" => actor.is_fed = true,
                        "writes" => {
                            let touch = Touch { written_us: Some(1), ..Touch::default() };
                            actor.touches.insert((0, 0), touch);
                        }
                        word if word.starts_with(['r', 'w']) => {
                            let is_shared = word.contains('*');
                            let inode = word.trim_start_matches(['r', 'w', '*', '=']).parse().unwrap();
                            let direction = Direction::of(word.starts_with('r'), word.starts_with('w'));
                            let is_born = is_shared || word.contains('=');
                            actor.ends.push(HeldEnd { inode, direction, is_born, is_shared });
                        }
                        word => {
                            let sign = word.find(['=', '~', '^', '+']).unwrap();
                            let slot: usize = word[..sign].parse().unwrap();
                            let inode = word[sign + 1..].parse().unwrap();
                            let sort = match &word[sign..=sign] {
                                "=" => ChannelSort::Own,
                                "~" => ChannelSort::Shared,
                                "^" => ChannelSort::Outside,
                                _ => {
                                    actor.holds.push((inode, slot));
                                    continue;
                                }
                            };
                            actor.standard[slot] = Some(Channel { inode, sort });
                        }
                    }
                }
                actor
            })
            .collect();
        join_by_pipes(&actors, &executors(&actors), &Meetings::default())
    }

    #[test]
    fn the_members_of_a_pipeline_are_one_group_without_their_shell() {
        check("- exec\n0 exec 1=7\n0 exec 0=7 1=8\n0 exec 0=8\n0 exec", &[0, 1, 1, 1, 4], &[]);
    }

    #[test]
    fn a_pipe_from_outside_joins_nobody() {
        check("- exec 1^7\n0 exec 1^7\n0 exec 1^7", &[0, 1, 2], &[]);
    }

    #[test]
    fn readers_of_a_pipe_without_a_writer_are_not_joined() {
        check("- exec\n0 exec 0=7\n0 exec 0=7", &[0, 1, 2], &[]);
        check("- exec\n0 exec fed 0=7", &[0, 0], &[]);
    }

    #[test]
    fn a_captured_command_is_one_group_with_its_parent() {
        check("- exec\n0 exec 1=7\n0 exec", &[0, 0, 2], &[]);
        check("- exec\n0 fork\n1 exec 1=7", &[0, 1, 0], &[]);
    }

    #[test]
    fn a_captured_command_that_writes_files_is_apart_and_feeds_its_parent() {
        check("- exec\n0 exec 1=7 writes\n0 exec 1=8 writes", &[0, 1, 2], &[(1, 0), (2, 0)]);
        // What it is fed with comes from its parent, which waits for the answer.
        check("- exec\n0 exec fed 0=7 1=8 writes", &[0, 0], &[]);
    }

    #[test]
    fn what_a_loop_writes_into_a_pipe_reaches_its_reader() {
        check("- exec\n0 fork\n1 exec 1~7\n1 exec 1~7\n0 exec 0=7", &[0, 1, 2, 2, 2], &[]);
        // Perhaps the sub-shell itself writes too.
        check("- exec\n0 fork 1+7\n1 exec 1~7\n0 exec 0=7", &[0, 1, 2, 2], &[(0, 2)]);
    }

    #[test]
    fn all_commands_of_a_captured_script_are_captured() {
        check("- exec\n0 exec 1=7\n1 exec 1~7\n1 exec 1~7", &[0, 0, 0, 0], &[]);
        check("- exec\n0 fork\n1 exec 1~7", &[0, 1, 0], &[]);
    }

    #[test]
    fn commands_of_a_script_with_a_log_stay_steps_of_their_own() {
        check(
            "- exec\n0 exec 1=7\n1 exec 1~7 writes\n1 exec 1~7 writes\n0 exec 0=7",
            &[0, 1, 2, 3, 1],
            &[(2, 1), (3, 1)],
        );
        check("- exec\n0 exec 1=7\n1 exec 1~7 writes", &[0, 0, 2], &[(2, 0)]);
        check(
            "- exec\n0 exec 1=7\n0 fork\n2 exec 0~7 writes\n2 exec 0~7 writes",
            &[0, 1, 2, 3, 4],
            &[(1, 3), (1, 4)],
        );
    }

    #[test]
    fn a_pipe_that_a_shell_makes_for_two_of_its_commands_joins_those_alone() {
        check("- exec\n0 exec 1=7\n0 exec r*7 r7", &[0, 1, 1], &[]);
        check("- exec\n0 exec w*7 w7\n0 exec 0=7", &[0, 1, 1], &[]);
        // It opens what it redirects to, for others.
        check("- exec w7 1+7\n0 exec 1~7\n0 exec 1~7 writes\n0 exec 0=7", &[0, 1, 2, 1], &[(0, 1), (2, 1)]);
        // It was left open in the next command.
        check("- exec\n0 exec 1=7\n0 exec r*7 r7\n0 exec r*7", &[0, 1, 1, 3], &[]);
        // Nobody is known to read but the shell, or perhaps who was started with the end open.
        check("- exec r7\n0 exec 1=7\n0 exec r*7", &[0, 0, 2], &[(0, 2)]);
        check("- exec\n0 exec 1=7\n0 exec r*7", &[0, 0, 2], &[(0, 2)]);
    }

    #[test]
    fn a_program_that_opens_pipes_to_its_own_parts_is_one_with_them() {
        check("- exec\n0 exec w*7 writes\n0 exec r*7", &[0, 0, 0], &[]);
        check("- exec\n0 exec r*7 writes", &[0, 0], &[]);
        // Who started it may have closed its own by then.
        check("- exec\n0 exec w*7 writes\n0 exec r=7", &[0, 0, 0], &[]);
        check("- exec\n0 exec w=7 writes\n0 exec r=7", &[0, 0, 0], &[]);
    }

    #[test]
    fn what_writes_files_of_its_own_is_not_one_with_the_shell_that_hears_it() {
        check("- exec\n0 exec 1=7\n0 exec 0=7 1=8 writes\n0 fork 0+8", &[0, 1, 1, 3], &[(2, 0)]);
        check(
            "- exec\n0 exec 1=7\n0 fork 0+7\n2 exec 0~7 1=8\n2 exec 0=8 writes",
            &[0, 0, 2, 3, 3],
            &[(0, 3)],
        );
        // The same where it is at the end of another pipe than the shell's.
        check(
            "- exec\n0 exec 1=7\n0 fork 0+7\n2 exec 0~7 1~8\n0 exec 0=8 writes",
            &[0, 0, 2, 3, 3],
            &[(0, 3)],
        );
        check("- exec\n0 exec 1=7\n0 exec 0=7 1=8\n0 exec 0=7 writes", &[0, 1, 1, 1], &[(2, 0)]);
    }

    #[test]
    fn who_is_fed_and_writes_files_is_one_with_its_parent_only_where_that_waits_for_an_answer() {
        check("- exec\n0 exec fed 0=7 writes", &[0, 1], &[(0, 1)]);
        check("- exec\n0 exec fed 0=7 1=8 writes", &[0, 0], &[]);
    }

    #[test]
    fn a_program_that_a_shell_was_started_for_has_what_was_made_for_the_shell() {
        check("- exec\n0 exec 1=7\n0 exec:sh-c:gzip 0=7\n2 exec:gzip 0~7 writes", &[0, 1, 1, 1], &[]);
        // Any of the commands of such a shell may have read it, or the shell itself.
        check("- exec\n0 exec 1=7\n0 exec:sh-c:read 0=7\n2 exec:gzip 0~7 writes", &[0, 1, 1, 3], &[(1, 3)]);
        check(
            "- exec\n0 exec 1=7\n0 exec:sh-c:gzip 0=7\n2 exec:gzip 0~7 writes\n2 exec:cat 0~7 writes",
            &[0, 1, 1, 3, 4],
            &[(1, 3), (1, 4)],
        );
        // It was not made for the shell either.
        check(
            "- exec\n0 exec 1=7\n1 exec:sh-c:cc 1~7\n2 exec:cc 1~7 writes\n0 exec 0=7",
            &[0, 1, 1, 3, 1],
            &[(3, 1)],
        );
    }

    #[test]
    fn what_a_program_alone_pours_into_another_is_told_from_what_it_may_have_handed_on() {
        let poured = |text: &str| joined(text).poured.into_iter().collect::<Vec<_>>();
        assert_eq!(poured("- exec\n0 exec fed 0=7 writes"), [(0, 1)]);
        assert_eq!(poured("- exec\n0 exec 0=7 writes"), [(0, 1)], "it was filled and closed before");
        assert_eq!(poured("- exec\n0 exec:sh-c:gzip 0=7\n1 exec:gzip 0~7 writes"), [(0, 1), (0, 2)]);
        assert_eq!(poured("- exec\n0 fork 1+7\n1 exec 1~7\n0 exec fed 0=7 writes"), []);
    }

    #[test]
    fn workers_that_write_files_each_are_apart_and_feed_who_started_them() {
        check(
            "- exec\n0 exec\n1 exec r=7 writes\n1 exec r=7 writes\n1 exec r=8",
            &[0, 1, 2, 3, 1],
            &[(1, 2), (1, 3), (2, 1), (3, 1)],
        );
        // One that writes is a part of the whole.
        check("- exec\n0 exec\n1 exec r=7 writes\n1 exec r=7", &[0, 1, 1, 1], &[]);
    }

    #[test]
    fn a_terminal_of_the_run_leads_to_who_made_it() {
        let terminal = TERMINAL | 3;
        check(&format!("- exec 0^5\n0 exec 0={terminal} 1={terminal}\n1 exec 1~{terminal}"), &[0, 0, 0], &[]);
    }
}
