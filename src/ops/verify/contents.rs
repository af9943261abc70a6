//! The kept contents: each as its name says, and all there that must be.

use crate::content::Verified;
use crate::error::Result;
use crate::journal;
use crate::model::Digest;
use crate::ops::committed::Commits;
use crate::ops::here::Here;
use crate::ops::needed::{Needed, Origin, Promise};
use crate::ops::registry::lost_code;
use crate::ops::settings::KeepPolicy;
use crate::ops::verify::{Area, Verifying};
use crate::query::registry::model_view;
use crate::store::Snapshot;

impl Verifying<'_> {
    /// Reads every kept content, and looks for those that facts promise.
    pub(super) fn contents(&mut self, snapshot: &Snapshot) -> Result<()> {
        let contents = self.workspace.contents();
        let mut commits = Commits::new(self.workspace, snapshot);
        // The policy says nothing of what is promised.
        let here = Here::of(self.workspace);
        // Where the journal cannot be listed, nothing is put down to others.
        let mut is_from_here = |origin: Origin<'_>| match origin {
            Origin::Run(run) => here.has_run(snapshot, run).unwrap_or(true),
            Origin::Fact(fact) => {
                journal::encode(fact).map_or(true, |fact| !self.taken.contains(&Digest::of(&fact)))
            }
        };
        let mut promised = Needed::of(snapshot, &KeepPolicy::default(), &mut is_from_here)?.promised;
        self.report.totals.contents_needed = promised.len() as u64;
        let Verified { count, damaged, strangers, unreadable } = contents.verify()?;
        self.report.totals.contents = count;
        for error in unreadable {
            self.fault(Area::Contents, "objects", error.in_full());
        }
        for damage in damaged {
            let name = self.named(&damage.path);
            let mut what = format!("damaged, and never used: {}", damage.fault);
            if let Some(promise) = promised.remove(&damage.digest)
                && !self.a_file_does(snapshot, &mut commits, &damage.digest, &promise)?
            {
                what.push_str(&format!("; needed: {}", promise.by));
            }
            self.fault(Area::Contents, name, what);
        }
        for stranger in strangers {
            let name = self.named(&stranger);
            self.remark(Area::Contents, name, "no kept content; it is passed over");
        }
        promised.retain(|digest, _| !contents.holds(digest));
        for (digest, promise) in promised {
            let name = digest.to_string();
            if contents.hides(&digest) {
                let what = format!("only its owner can see whether it is kept: {}", promise.by);
                self.remark(Area::Contents, name, what);
            } else if self.a_file_does(snapshot, &mut commits, &digest, &promise)? {
                // It is to be had.
            } else if !promise.is_from_here {
                let what = format!("not kept here, and recorded elsewhere: {}", promise.by);
                self.remark(Area::Contents, name, what);
            } else {
                let nowhere = if promise.a_file_will_do {
                    ", and no recorded file and no commit has these bytes"
                } else {
                    ""
                };
                self.fault(Area::Contents, name, format!("not kept{nowhere}: {}", promise.by));
            }
        }
        Ok(())
    }

    /// Looks for the code that versions of models were made by, where a commit had it: those are cleared away.
    pub(super) fn code_of_models(&mut self, snapshot: &Snapshot) -> Result<()> {
        let mut views = Vec::new();
        for model in snapshot.models()? {
            views.extend(model_view(snapshot, model.id)?);
        }
        for lost in lost_code(self.workspace, snapshot, &views)? {
            let commit = lost.commit.unwrap_or_else(|| "a commit".to_owned());
            let what = format!(
                "was in git at {commit}, which is gone, and is not kept: code of model {}",
                lost.label
            );
            self.fault(Area::Contents, lost.artifact.path.to_string(), what);
        }
        Ok(())
    }

    /// Returns true where a file will do in the place of a kept content, and one that is recorded to hold it still does, or git
    /// has it: each is read.
    fn a_file_does(
        &self,
        snapshot: &Snapshot,
        commits: &mut Commits<'_>,
        digest: &Digest,
        promise: &Promise,
    ) -> Result<bool> {
        if !promise.a_file_will_do {
            return Ok(false);
        }
        let digests = self.workspace.digests().reading_all();
        for number in snapshot.artifacts_with(digest)? {
            let place = snapshot.artifact(number)?.path.on_disk(self.workspace.root());
            if place.is_some_and(|place| digests.of(&place).is_ok_and(|found| found == *digest)) {
                return Ok(true);
            }
            if commits.find(number)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
