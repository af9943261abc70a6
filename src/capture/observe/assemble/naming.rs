//! Which names of a file count, and who gave it which.

use std::collections::BTreeMap;

use super::super::body::{Body, Ending, Name, Who};
use super::super::ledger::What;
use super::super::{Naming, Removal};
use super::{Assembly, Segment};

impl Assembly<'_> {
    /// Tells whether a name counts; one that was given up for another was only a way to it, where the run made the file, or where its
    /// writer did so.
    pub(super) fn counts(&self, body: &Body, index: usize) -> bool {
        let name = &body.names[index];
        let Some((end_us, by, ending)) = name.end else {
            return true;
        };
        let stands = |name: &Name| name.end.is_none() && name.from_us <= end_us;
        if is_made_here(body) && (ending == Ending::Renamed || body.names.iter().any(stands)) {
            return false;
        }
        let is_original = body.existed && index == 0;
        if is_original {
            return true;
        }
        let has_another =
            body.names.iter().enumerate().any(|(other, name)| other > index && self.wrote(body, name.by));
        match ending {
            Ending::Renamed if body.existed => {
                by.map(|by| self.executor(by)) != name.by.map(|by| self.executor(by))
            }
            Ending::Renamed => !self.wrote(body, by),
            Ending::Removed => !(has_another && self.wrote(body, by)),
        }
    }

    /// Enters who gave a file another name: it read it under the one and wrote it under the other.
    pub(super) fn enter_names(&mut self) {
        for of_body in self.of_body.values().cloned().collect::<Vec<_>>() {
            for (position, index) in of_body.iter().enumerate().skip(1) {
                let to = &self.segments[*index];
                let Some(who) = to.by else { continue };
                let us = to.from_us;
                let is_left = |index: &&usize| matches!(self.segments[**index].end, Some((at, _, Ending::Renamed)) if at == us);
                let left = of_body.iter().find(is_left);
                let from = &self.segments[*left.unwrap_or(&of_body[position - 1])];
                let source =
                    (from.file, from.offset + (to.first.clamp(from.first, from.last) - from.first) as usize);
                let target = (to.file, to.offset);
                let body = self.body(to.what);
                let is_link = left.is_none();
                if body.existed || !self.wrote(body, Some(who)) {
                    let access = self.access(who, source);
                    access.was_only_named_from |= access.read_us.is_none();
                    access.read_us = Some(access.read_us.map_or(us, |known| known.min(us)));
                    let who = self.executor(who);
                    let naming = Naming { from: source, to: target, us, is_link, maker: None };
                    self.namings.entry(who).or_default().push(naming);
                    let access = self.access(who, target);
                    access.was_only_named_to |= access.written_us.is_none();
                }
                let access = self.access(who, target);
                access.written_us = access.written_us.max(Some(us));
            }
        }
        let mut passed: BTreeMap<What, Vec<usize>> = BTreeMap::new();
        for (index, segment) in self.segments.iter().enumerate().filter(|(_, segment)| segment.is_passed) {
            passed.entry(segment.what).or_default().push(index);
        }
        for (what, passed) in passed {
            let of_body = self.of_body.get(&what).map_or(&[][..], Vec::as_slice);
            let all: Vec<usize> = passed.iter().chain(of_body).copied().collect();
            passed.iter().for_each(|index| self.enter_passed(*index, &all));
        }
    }

    /// Enters who gave a file that the run made another name than the one it gave up.
    fn enter_passed(&mut self, index: usize, of_body: &[usize]) {
        let from = &self.segments[index];
        let Some((end_us, ..)) = from.end.filter(|_| from.is_passed) else { return };
        let goes_on = |to: &&Segment| to.name > from.name && to.from_us <= end_us;
        let Some(to) =
            of_body.iter().map(|index| &self.segments[*index]).filter(goes_on).min_by_key(|to| to.name)
        else {
            return;
        };
        let body = self.body(from.what);
        let Some(who) = to.by.filter(|who| !self.wrote(body, Some(*who))) else { return };
        let version = from.last.clamp(to.first, to.last);
        let naming = Naming {
            from: (from.file, from.offset + (from.last - from.first) as usize),
            to: (to.file, to.offset + (version - to.first) as usize),
            us: to.from_us,
            is_link: end_us != to.from_us,
            maker: body.versions[0].writers.first().map(|maker| self.executor(*maker) as usize),
        };
        self.namings.entry(self.executor(who)).or_default().push(naming);
        let access = self.access(who, naming.from);
        access.was_only_named_from |= access.read_us.is_none();
        access.read_us.get_or_insert(naming.us);
        let access = self.access(who, naming.to);
        access.was_only_named_to |= access.written_us.is_none();
        access.written_us = access.written_us.max(Some(naming.us));
    }

    /// Lists who took away what is gone at the end.
    pub(super) fn removals(&self) -> BTreeMap<Who, Vec<Removal>> {
        let mut removals: BTreeMap<Who, Vec<Removal>> = BTreeMap::new();
        // The segments of a path stand together, the last one last.
        for of_file in self.segments.chunk_by(|one, other| one.file == other.file) {
            let last = of_file.iter().filter_map(|segment| Some((segment, segment.end?)));
            let last =
                last.max_by_key(|(_, (us, ..))| *us).filter(|(segment, _)| !self.files[segment.file].exists);
            if let Some((segment, (us, Some(who), _))) = last {
                let version = segment.offset + (segment.last - segment.first) as usize;
                let removal = Removal { file: segment.file, version, us };
                removals.entry(self.executor(who)).or_default().push(removal);
            }
        }
        removals
    }
}

/// Tells whether a file was made by the run: then a name says nothing of it but where it lies.
pub(super) fn is_made_here(body: &Body) -> bool {
    body.versions[0].written
}
