//! The causes of an output as they are defined, found by going through all of them each time.

use super::*;

impl Levels<'_> {
    /// Lists every cause of what a level wrote; each way back is gone to its end.
    fn plainly(&self, question: Question) -> BTreeSet<CauseNo> {
        let level = &self.levels[question.level];
        let mut causes: BTreeSet<CauseNo> = level.always.causes.iter().copied().collect();
        for side in [0, 1] {
            for entry in level.rows[side].entries.iter().filter(|entry| entry.at <= question.until[side]) {
                match entry.adds(question.until[1 - side]) {
                    Adds::Cause(cause) => causes.extend([cause]),
                    Adds::Made(made, differs) => {
                        let made = self.plainly(made);
                        causes.extend(if made.is_empty() { BTreeSet::from([differs]) } else { made });
                    }
                }
            }
        }
        if causes.is_empty() {
            causes.extend(level.otherwise);
        }
        causes
    }

    /// Holds the causes of each output against those found plainly, and each file among them against what the run had read by then.
    pub(in crate::query::diff) fn check(&mut self, outputs: &[OutputDiff]) {
        for output in outputs {
            let question = self.question(output);
            let found = self.answer(question);
            assert_eq!(
                found.causes.iter().copied().collect::<BTreeSet<_>>(),
                self.plainly(question),
                "{output:?}"
            );
            assert!(!found.more);
            let [Some(a), Some(b)] = [0, 1].map(|side| {
                let artifact = [&output.a, &output.b][side].as_ref();
                artifact
                    .zip(output.written_at[side])
                    .map(|(artifact, at)| self.on_the_way(side, artifact, at))
            }) else {
                continue;
            };
            for cause in &found.causes {
                let [of_a, of_b] = match self.cause(*cause) {
                    Cause::Input { a, b, .. } => [a.as_ref(), b.as_ref()],
                    Cause::Made { a, b } | Cause::Renamed { a, b } => [Some(a), Some(b)],
                    _ => continue,
                };
                let is_read = |file: Option<&Artifact>, read: &BTreeSet<Artifact>| {
                    file.is_none_or(|file| read.contains(file))
                };
                assert!(is_read(of_a, &a) && is_read(of_b, &b), "{output:?} {cause:?}");
            }
        }
    }

    /// Walks back from a version to all that it was made from inside its run.
    fn on_the_way(&self, side: usize, artifact: &Artifact, written_at: Timestamp) -> BTreeSet<Artifact> {
        let mut read = BTreeSet::new();
        let mut frontier = self.sides[side].writes_of(artifact, written_at, None);
        let mut seen = BTreeSet::new();
        while let Some((step, until)) = frontier.pop() {
            if !seen.insert((step, until)) {
                continue;
            }
            for edge in self.sides[side].steps[step].used.iter().filter(|edge| edge.at <= until) {
                read.insert(edge.artifact.clone());
                frontier.extend(self.sides[side].writes_of(&edge.artifact, edge.at, Some(step)));
            }
        }
        read
    }
}
