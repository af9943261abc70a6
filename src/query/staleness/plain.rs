//! A plain model of staleness: in a small world files are edited and commands run, and each way back is gone by itself.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::tests::out_of_date;
use crate::store::tests::world::tries;

const SOURCES: [&str; 3] = ["s0", "s1", "s2"];
const OUTPUTS: [&str; 4] = ["o0", "o1", "o2", "o3"];

/// What lies where, and how it came to be.
#[derive(Default)]
struct World {
    disk: BTreeMap<&'static str, String>,
    writes: Vec<Made>,
    /// What each step read itself: its run, its line, and the files.
    read: Vec<(usize, usize, Vec<String>)>,
    /// The same, as a recorded history.
    lines: Vec<String>,
    runs: usize,
}

struct Made {
    run: usize,
    /// The line of the step; that of the last of two.
    step: usize,
    path: &'static str,
    content: String,
    reads: Vec<Input>,
    command: u8,
    /// The command, but where two had a hand in it, one of which may not have read all.
    script: Option<u8>,
}

#[derive(Clone)]
struct Input {
    path: &'static str,
    content: String,
    from: Option<usize>,
    /// How much had been written before.
    at: usize,
    /// It was only told of.
    is_told: bool,
}

/// A step that goes on with what it read, on the way to a file.
#[derive(Clone, Copy)]
struct GoesOn<'a> {
    reader: &'a Made,
    read: &'a Input,
    has_written: bool,
    /// Not the step itself read it, but one that wrote the same version together with it.
    is_beside: bool,
}

/// What is asked of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Stale,
    KeptUp,
    MayBe,
    Carried,
}

/// How what was read tells of what was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Told {
    Certainly,
    Perhaps,
    /// It was written on elsewhere.
    Carried,
}

/// Something that happens in the world.
#[derive(Debug, Clone)]
enum Act {
    Edit {
        path: usize,
        content: u8,
    },
    /// A command reads some files and writes one; with two parts, both of them have a hand in what is written.
    Run {
        reads: Vec<usize>,
        /// What it is told of; with two parts, nothing.
        told: Vec<usize>,
        out: usize,
        parts: u8,
        /// Whether it goes on with what the last run did, as a part of that.
        goes_on: bool,
        script: u8,
    },
    /// A command reads and writes, reads on and writes something else.
    Series {
        parts: Vec<(Vec<usize>, usize)>,
        script: u8,
    },
}

fn name(at: usize) -> &'static str {
    SOURCES.iter().chain(&OUTPUTS).nth(at % 7).unwrap()
}

/// Returns what a command makes of what it read: one of so many results.
fn made(out: &str, words: &[String], kinds: u64) -> String {
    let digest = crate::model::Digest::of(format!("{out} {}", words.join(" ")).as_bytes());
    format!("{out}:{}", u64::from_be_bytes(digest.as_bytes()[..8].try_into().unwrap()) % kinds)
}

impl Input {
    fn word(&self) -> String {
        format!("{}{}={}", if self.is_told { "~" } else { "" }, self.path, self.content)
    }
}

impl World {
    fn new() -> Self {
        let disk = SOURCES.iter().map(|path| (*path, format!("{path}:0"))).collect();
        World { disk, ..World::default() }
    }

    /// Does something; `kinds` is how many different results a command can come to.
    fn act(&mut self, act: &Act, kinds: u64) {
        match act {
            Act::Edit { path: at, content } => {
                let path = name(*at);
                let made = self.writes.iter().filter(|made| made.path == path);
                let versions: Vec<&str> = made.map(|made| made.content.as_str()).collect();
                let text = match versions.get(usize::from(*content)) {
                    // An output is put back as it was at some time.
                    Some(version) => (*version).to_owned(),
                    // By hand nothing comes to what a command would have made.
                    None if OUTPUTS.contains(&path) => format!("{path}:hand{}", self.lines.len()),
                    None => format!("{path}:{content}"),
                };
                if self.disk.contains_key(path) {
                    self.disk.insert(path, text);
                }
            }
            Act::Run { reads, told, out, parts, goes_on, script } => {
                if !goes_on || self.runs == 0 {
                    self.runs += 1;
                }
                let out = OUTPUTS[*out];
                let reads: BTreeSet<&str> = reads.iter().map(|at| name(*at)).collect();
                let told: BTreeSet<&str> = told.iter().filter(|_| *parts == 1).map(|at| name(*at)).collect();
                let told = told.into_iter().filter(|path| *path != out && !reads.contains(path));
                let told: Vec<Input> = told.filter_map(|path| self.input(path)).collect();
                let told = told.into_iter().map(|input| Input { is_told: true, ..input });
                let reads = reads.into_iter().filter_map(|path| self.input(path)).chain(told).collect();
                self.run(out, reads, (*parts, *script), kinds);
            }
            Act::Series { parts, script } => {
                self.runs += 1;
                self.series(parts, *script, kinds);
            }
        }
    }

    fn input(&self, path: &'static str) -> Option<Input> {
        let content = self.disk.get(path)?.clone();
        let from = self.writes.iter().rposition(|made| made.path == path && made.content == content);
        Some(Input { path, content, from, at: self.writes.len(), is_told: false })
    }

    fn run(&mut self, out: &'static str, reads: Vec<Input>, (parts, script): (u8, u8), kinds: u64) {
        let words: Vec<String> = reads.iter().map(Input::word).collect();
        let content = made(out, &words, kinds);
        let run = self.runs - 1;
        // The last one reads nothing that the others have written by then.
        let (first, second): (Vec<&String>, Vec<&String>) = match parts {
            1 => (words.iter().collect(), Vec::new()),
            _ => words.iter().partition(|word| word.starts_with(out)),
        };
        let mut line = |reads: Vec<&String>| {
            let reads: Vec<&str> = reads.iter().map(|word| word.as_str()).collect();
            self.lines.push(format!("{run} sh sh {script}: {} -> {out}={content}", reads.join(" ")));
            self.read.push((run, self.lines.len(), reads.into_iter().map(str::to_owned).collect()));
        };
        line(first);
        if parts > 1 {
            line(second);
        }
        self.disk.insert(out, content.clone());
        let (command, script) = (script, (parts == 1).then_some(script));
        self.writes.push(Made { run, step: self.lines.len(), path: out, content, reads, command, script });
    }

    /// One step writes one file after another: each from all that it had read by then.
    fn series(&mut self, parts: &[(Vec<usize>, usize)], script: u8, kinds: u64) {
        let (run, step) = (self.runs - 1, self.lines.len() + 1);
        let mut read: Vec<Input> = Vec::new();
        let (mut written, mut line) = (BTreeSet::new(), Vec::new());
        for (reads, out) in parts {
            let out = OUTPUTS[*out];
            if !written.insert(out) {
                continue;
            }
            let known: BTreeSet<&str> = read.iter().map(|read| read.path).collect();
            let reads: BTreeSet<&str> = reads.iter().map(|at| name(*at)).collect();
            // What it wrote itself is no input of it.
            let news = reads.into_iter().filter(|path| !known.contains(path));
            let news = news.filter(|path| *path == out || !written.contains(path));
            let news: Vec<Input> = news.filter_map(|path| self.input(path)).collect();
            let words: Vec<String> = news.iter().map(Input::word).collect();
            read.extend(news);
            let content = made(out, &read.iter().map(Input::word).collect::<Vec<_>>(), kinds);
            line.push(format!("{} -> {out}={content}", words.join(" ")));
            self.disk.insert(out, content.clone());
            let reads = read.clone();
            let command = script;
            self.writes.push(Made { run, step, path: out, content, reads, command, script: Some(script) });
        }
        if !line.is_empty() {
            self.lines.push(format!("{run} sh sh {script}: {}", line.join("; ")));
            self.read.push((run, step, read.iter().map(Input::word).collect()));
        }
    }

    /// Returns the paths that make stale what was made so, in as much as nothing nearer on the way settles them.
    ///
    /// A path is settled by what was read there nearer to the file, and by the run that read it, where that wrote what lies there now
    /// after that. What was read does no harm when the last who wrote the same did it from what there is now;
    /// `anew` are those being asked that. Asked for are the paths that the command which read them has kept up since, or the others,
    /// or the others also on ways that are doubts. `goes_on` are the reads on the way to the file.
    fn causes(
        &self,
        made: usize,
        asked: Asked,
        settled: &BTreeSet<&'static str>,
        (anew, goes_on): (&[usize], &[GoesOn]),
    ) -> BTreeSet<&'static str> {
        let run = self.writes[made].run;
        let mut causes = BTreeSet::new();
        let reads = self.along(made).flat_map(|made| made.reads.iter().map(move |read| (made, read)));
        for (reader, read) in reads {
            let mut found = BTreeSet::new();
            let wanted = match asked {
                Asked::Stale => Told::Certainly,
                Asked::MayBe => Told::Perhaps,
                Asked::KeptUp | Asked::Carried => Told::Carried,
            };
            let Some(says) = self.says(reader, read).filter(|says| *says <= wanted) else { continue };
            let is_told = says != Told::Certainly;
            let is_moved = self.disk[read.path] != read.content;
            let is_beside = |path| is_told && self.is_known_beside(reader, read, path, Asked::Stale);
            let is_asked = || {
                self.along(made).any(|made| {
                    made.reads.iter().any(|one| std::ptr::eq(one, read)) && self.is_kept_up(read, made)
                }) == (asked == Asked::KeptUp)
            };
            let is_open = !settled.contains(read.path) && !self.is_written_since(read, run);
            if is_moved && is_asked() && is_open && !is_beside(read.path) {
                found.insert(read.path);
            }
            if let Some(from) = read.from
                && !self.is_made_anew(made, reader, read, asked, anew)
            {
                let mut settled = settled.clone();
                settled.insert(read.path);
                let has_written = self.has_written_on(reader, read);
                let before = goes_on.iter().filter(|before| before.has_written).copied();
                let own =
                    (says != Told::Perhaps).then_some(GoesOn { reader, read, has_written, is_beside: false });
                // Of several that wrote a version together, who was first is not known.
                let beside = self.along(made).filter(|other| other.step != reader.step);
                let beside = beside.filter(|other| read.path == other.path && self.has_read_first(other));
                let beside =
                    beside.map(|other| GoesOn { reader: other, read, has_written: true, is_beside: true });
                let goes_on: Vec<GoesOn> = before.chain(own).chain(beside).collect();
                let above = self.causes(from, asked, &settled, (anew, &goes_on)).into_iter();
                let counts = |path: &&str| {
                    // What another command had made may still be in it.
                    let is_anew =
                        asked == Asked::Stale && self.is_written_anew(reader, read, path, Asked::Stale);
                    let is_copy = self.is_copy_anew(reader, read, path);
                    !(is_told || is_anew || is_copy)
                        || !self.is_known_beside(reader, read, path, Asked::Stale)
                };
                found.extend(above.filter(counts));
            }
            // What an earlier go of a command brought into a file, a later one of it has brought up to date.
            let is_up_to_date = |path: &&'static str| {
                goes_on.iter().any(|later| {
                    let is_go = later.read.path == reader.path && self.is_another_go(reader, later.reader);
                    let is_new = later.is_beside
                        || self.disk[later.read.path] != later.read.content
                        || self.is_written_anew(later.reader, later.read, path, Asked::MayBe);
                    is_go && is_new && self.is_known_beside(later.reader, later.read, path, Asked::MayBe)
                })
            };
            causes.extend(found.into_iter().filter(|path| !is_up_to_date(path)));
        }
        causes
    }

    /// Says whether what was read was last made from what there is now, and came to the same.
    fn is_made_anew(&self, made: usize, reader: &Made, read: &Input, asked: Asked, anew: &[usize]) -> bool {
        let last = self.writes.iter().enumerate().rposition(|(at, other)| {
            let is_anothers = at != made && other.step != reader.step;
            is_anothers && other.path == read.path && other.content == read.content
        });
        let last = last.filter(|last| read.from.is_some_and(|from| *last > from) && !anew.contains(last));
        last.is_some_and(|last| {
            let anew = [anew, [last].as_slice()].concat();
            let asked = if asked == Asked::KeptUp { Asked::Carried } else { asked };
            self.causes(last, asked, &BTreeSet::new(), (&anew, &[])).is_empty()
        })
    }

    /// Says how what a step read went into what it made; `None` where it did not.
    fn says(&self, made: &Made, read: &Input) -> Option<Told> {
        let says = self.says_of_all(made, read)?;
        let goes_on = |other: &Made| {
            (other.step, other.path) == (made.step, read.path) && other.content != read.content
        };
        let is_carried = read.path != made.path && read.from.is_some() && self.writes.iter().any(goes_on);
        Some(if is_carried { Told::Carried } else { says })
    }

    /// Likewise, were all files of a step the same.
    fn says_of_all(&self, made: &Made, read: &Input) -> Option<Told> {
        if !read.is_told || made.reads.iter().all(|read| read.is_told) {
            return Some(Told::Certainly);
        }
        let word = format!("{}={}", read.path, read.content);
        let others = self.read.iter().filter(|(run, step, _)| *run == made.run && *step != made.step);
        let has_place = others.into_iter().any(|(.., words)| words.contains(&word));
        (!has_place).then_some(Told::Perhaps)
    }

    /// Says whether two steps are goes of the same command at the same work.
    fn is_another_go(&self, one: &Made, other: &Made) -> bool {
        let wrote = |step: usize| {
            let made = self.writes.iter().filter(move |made| made.step == step);
            made.map(|made| made.path).collect::<BTreeSet<_>>()
        };
        one.command == other.command && !wrote(one.step).is_disjoint(&wrote(other.step))
    }

    /// Says whether the step that read something wrote to the same file later.
    fn has_written_on(&self, reader: &Made, read: &Input) -> bool {
        let mut written = self.writes.iter().filter(|made| made.step == reader.step);
        written.any(|made| {
            let has_read =
                made.reads.iter().any(|one| (one.path, &one.content) == (read.path, &read.content));
            made.path == read.path && has_read
        })
    }

    /// Says whether a step wrote to a file that it had read before.
    fn has_read_first(&self, reader: &Made) -> bool {
        let mut written =
            self.writes.iter().filter(|made| made.step == reader.step && made.path == reader.path);
        written.any(|made| made.reads.iter().any(|one| one.path == reader.path))
    }

    /// Says whether the step that read something wrote the same file anew, after it had also read, itself, what lies at a path now, or
    /// may have been told of that.
    fn is_written_anew(&self, reader: &Made, read: &Input, path: &str, asked: Asked) -> bool {
        let is_it = |made: &Made, one: &Input| {
            let says = self.says_of_all(made, one);
            let is_said = says == Some(Told::Certainly) || (asked != Asked::Stale && says.is_some());
            one.path == path && self.disk[path] == one.content && is_said
        };
        // Of two that had a hand in a file the one that read that file read nothing else.
        let mut written = self.writes.iter().filter(|made| made.script.is_some() && made.step == reader.step);
        written.any(|made| {
            let has_read =
                made.reads.iter().any(|one| (one.path, &one.content) == (read.path, &read.content));
            made.path == read.path && has_read && made.reads.iter().any(|one| is_it(made, one))
        })
    }

    /// Says whether that is what lies at the path, byte for byte.
    fn is_copy_anew(&self, reader: &Made, read: &Input, path: &str) -> bool {
        self.disk[read.path] == self.disk[path] && self.is_written_anew(reader, read, path, Asked::Stale)
    }

    /// Says whether the step that read something also knows what lies at a path now, for certain or perhaps.
    fn is_known_beside(&self, reader: &Made, read: &Input, path: &str, asked: Asked) -> bool {
        // Of two that had a hand in a file the one read that file, and the other all else.
        let is_of_same = |other: &&Input| {
            reader.script.is_some() || (other.path == reader.path) == (read.path == reader.path)
        };
        reader.reads.iter().filter(is_of_same).any(|other| self.is_known_by(reader, other, path, asked))
    }

    fn is_known_by(&self, reader: &Made, read: &Input, path: &str, asked: Asked) -> bool {
        let is_it = read.path == path && self.disk[path] == read.content;
        let says = self.says(reader, read);
        let wanted = if asked == Asked::Stale { Told::Certainly } else { Told::Perhaps };
        says.is_some_and(|says| says <= wanted)
            && (is_it || read.from.is_some_and(|from| self.is_known(from, path, asked)))
    }

    /// Says whether a version goes back to what lies at a path now.
    fn is_known(&self, made: usize, path: &str, asked: Asked) -> bool {
        self.along(made).any(|made| made.reads.iter().any(|read| self.is_known_by(made, read, path, asked)))
    }

    /// Returns all that a run did to one version: what it wrote again, while no other run wrote the same, is the same version.
    fn along(&self, made: usize) -> impl Iterator<Item = &Made> {
        let Made { run, path, content, .. } = &self.writes[made];
        let same = self.writes[..=made]
            .iter()
            .rev()
            .filter(|other| (other.path, &other.content) == (*path, content));
        same.take_while(|other| other.run == *run)
    }

    /// Says whether a run wrote what lies where something was read, after that.
    fn is_written_since(&self, read: &Input, run: usize) -> bool {
        let mut since = self.writes[read.at..].iter();
        since.any(|made| {
            let is_there = made.path == read.path && self.disk[read.path] == made.content;
            is_there && made.run == run
        })
    }

    /// Says whether only one command has written there since `made` read something, each time from what lay there, which is that of
    /// `made` and wrote there, too, or made what was read, in the same run.
    fn is_kept_up(&self, read: &Input, made: &Made) -> bool {
        let mut since = self.writes[read.at..].iter().filter(|other| other.path == read.path);
        let Some(last) = since.clone().next_back() else { return false };
        let reads = |other: &Made| other.reads.iter().any(|one| one.path == read.path);
        let is_kept = last.script.is_some() && since.all(|other| reads(other) && other.script == last.script);
        let wrote = self.writes.iter().any(|other| other.step == made.step && other.path == read.path);
        let mut makers = read.from.into_iter().flat_map(|from| self.along(from));
        let is_by = |command: u8| Some(command) == last.script;
        let is_own = wrote && made.script.is_some_and(is_by);
        let is_of_run = makers.any(|maker| maker.run == made.run && is_by(maker.command));
        last.content == self.disk[read.path] && is_kept && (is_own || is_of_run)
    }

    fn out_of_date(&self) -> [Vec<String>; 4] {
        let mut lines: [Vec<String>; 4] = Default::default();
        for path in OUTPUTS {
            let Some(last) = self.writes.iter().rposition(|made| made.path == path) else { continue };
            if self.disk[path] != self.writes[last].content {
                continue;
            }
            let causes = |asked| self.causes(last, asked, &BTreeSet::new(), (&[], &[]));
            let [stale, kept_up] = [Asked::Stale, Asked::KeptUp].map(causes);
            let may_be = if stale.is_empty() { causes(Asked::MayBe) } else { BTreeSet::new() };
            let is_settled = [&stale, &kept_up, &may_be].iter().any(|causes| !causes.is_empty());
            let carried = if is_settled { BTreeSet::new() } else { causes(Asked::Carried) };
            for (causes, lines) in [stale, kept_up, may_be, carried].iter().zip(&mut lines) {
                if !causes.is_empty() {
                    let causes: Vec<&str> = causes.iter().copied().collect();
                    lines.push(format!("{path} <- {}", causes.join(" ")));
                }
            }
        }
        lines
    }
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        1 => (0usize..7, 0u8..3).prop_map(|(path, content)| Act::Edit { path, content }),
        2 => (
            (proptest::collection::vec(0usize..7, 0..4), proptest::collection::vec(0usize..7, 0..3)),
            (0usize..4, 1u8..3, any::<bool>(), 0u8..2),
        )
            .prop_map(|((reads, told), (out, parts, goes_on, script))| {
                Act::Run { reads, told, out, parts, goes_on, script }
            }),
        1 => (proptest::collection::vec((proptest::collection::vec(0usize..7, 0..3), 0usize..4), 1..4), 0u8..2)
            .prop_map(|(parts, script)| Act::Series { parts, script }),
    ]
}

proptest! {
    #![proptest_config(tries(256))]

    #[test]
    fn stale_is_what_has_a_way_back_to_something_that_is_no_longer_so(
        acts in proptest::collection::vec(act(), 1..14),
        kinds in prop_oneof![Just(2u64), Just(u64::MAX)],
    ) {
        let mut world = World::new();
        for act in &acts {
            world.act(act, kinds);
        }
        let disk: Vec<String> = world.disk.iter().map(|(path, content)| format!("{path}={content}")).collect();
        let disk: Vec<&str> = disk.iter().map(String::as_str).collect();
        let expected = world.out_of_date();
        prop_assert_eq!(out_of_date(&world.lines.join("\n"), &disk), expected, "{:#?} {:?}", world.lines, disk);
    }
}
