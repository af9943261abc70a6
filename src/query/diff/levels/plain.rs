//! The causes of an output as they are defined, found by going through all of them each time.

use super::*;

impl Levels<'_> {
    /// Lists every cause of what a level wrote; each way back is gone to its end.
    fn plainly(&self, question: Question) -> BTreeSet<CauseNo> {
        let level = &self.levels[question.level];
        let mut causes: BTreeSet<CauseNo> = level.always.causes.iter().copied().collect();
        for side in [0, 1] {
            for entry in level.rows[side].iter().filter(|entry| entry.at <= question.until[side]) {
                match entry.adds {
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

    /// Holds the causes of each output against those found plainly, and each file among them against what the steps on its way read.
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
            let [Some(a), Some(b)] = [&output.a, &output.b] else { continue };
            let [a, b] = [(0, a), (1, b)].map(|(side, artifact)| self.on_the_way(side, artifact));
            for cause in &found.causes {
                let [of_a, of_b] = match self.cause(*cause) {
                    Cause::Input { a, b, .. } => [a.as_ref(), b.as_ref()],
                    Cause::Made { a, b } => [Some(a), Some(b)],
                    _ => continue,
                };
                let is_read =
                    of_a.is_some_and(|file| a.contains(file)) || of_b.is_some_and(|file| b.contains(file));
                assert!(is_read, "{output:?} {cause:?}");
            }
        }
    }

    /// Walks back from a version to all that the steps on its way read inside its run; what one of them read later is among it: the other
    /// run may have read its counterpart in time.
    fn on_the_way(&self, side: usize, artifact: &Artifact) -> BTreeSet<Artifact> {
        let mut read = BTreeSet::new();
        let mut frontier = self.sides[side].writes_of(artifact, LAST, None);
        let mut seen = BTreeSet::new();
        while let Some((step, _)) = frontier.pop() {
            if !seen.insert(step) {
                continue;
            }
            for edge in &self.sides[side].steps[step].used {
                read.insert(edge.artifact.clone());
                frontier.extend(self.sides[side].writes_of(&edge.artifact, LAST, Some(step)));
            }
        }
        read
    }
}
