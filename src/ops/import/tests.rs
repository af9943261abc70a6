//! Merging is the union of sets: whichever way round, through a backup or not, and in whatever order.

use std::collections::HashMap;
use std::io::BufReader;

use proptest::prelude::*;

use crate::disk::Disk;
use crate::model::{Fact, ModelVersion, NodeId};
use crate::ops::Workspace;
use crate::ops::export::jsonl;
use crate::ops::import::{BackupOf, Taken, import_jsonl, merge};
use crate::projection;
use crate::query::shown_label;
use crate::store::GO_ON;
use crate::store::tests::world::{facts, record_as, tries};

struct Here {
    folder: tempfile::TempDir,
    workspace: Workspace,
}

impl Here {
    fn with(facts: &[Fact]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace::at(folder.path().canonicalize().unwrap(), Disk::new());
        std::fs::create_dir_all(workspace.journal()).unwrap();
        record_as(&workspace.journal(), 1, facts);
        Here { folder, workspace }
    }

    fn merge(&self, other: &Here) -> Taken {
        merge(&self.workspace, other.folder.path(), false).unwrap().taken
    }

    fn import(&self, other: &Here) -> Taken {
        import_jsonl(
            &self.workspace,
            "other",
            &mut BufReader::new(other.backup().as_slice()),
            BackupOf::Other,
        )
        .unwrap()
    }

    fn backup(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        jsonl(&self.workspace.view().unwrap().snapshot, &[], &mut bytes).unwrap();
        bytes
    }

    /// What is answered from: every fact that counts, the labels of runs, the projected files. A file that is named only by a
    /// fact that another has replaced is known where that fact was recorded, and nowhere told of.
    fn says(&self) -> Vec<String> {
        let view = self.workspace.view().unwrap();
        assert_eq!(view.warnings, Vec::<String>::new());
        let snapshot = &view.snapshot;
        let mut said: Vec<String> =
            String::from_utf8(self.backup()).unwrap().lines().map(str::to_owned).collect();
        snapshot
            .runs_newest_first(|number| {
                let run = snapshot.run(number)?.expect("it is listed");
                said.push(format!("{} is {}", run.id, shown_label(snapshot, number, &run.run_id)?));
                Ok(GO_ON)
            })
            .unwrap();
        let planned = projection::plan(snapshot).unwrap();
        said.extend(planned.iter().map(|planned| format!("{} holds {}", planned.path, planned.digest())));
        said
    }

    fn journal_files(&self) -> Vec<(std::ffi::OsString, u64)> {
        let entries = std::fs::read_dir(self.workspace.journal()).unwrap().map(Result::unwrap);
        let mut files: Vec<_> =
            entries.map(|entry| (entry.file_name(), entry.metadata().unwrap().len())).collect();
        files.sort();
        files
    }
}

/// Leaves out registrations that have the id of another one. Nobody makes two with one id; where a damaged journal holds them, the
/// metrics of both are found under the one that counts, and a backup of it is a fact that nobody has recorded.
fn with_ids_of_their_own<const N: usize>(worlds: [Vec<Fact>; N]) -> [Vec<Fact>; N] {
    let mut met: HashMap<NodeId, ModelVersion> = HashMap::new();
    let mut is_alone = |fact: &Fact| match fact {
        Fact::ModelRegistered(model) => met.entry(model.id).or_insert_with(|| model.clone()) == model,
        _ => true,
    };
    worlds.map(|facts| facts.into_iter().filter(&mut is_alone).collect())
}

proptest! {
    #![proptest_config(tries(12))]

    #[test]
    fn a_merge_is_the_same_both_ways_through_a_backup_and_done_twice(a in facts(), b in facts()) {
        let [a, b] = with_ids_of_their_own([a, b]);
        let (here, there, by_lines) = (Here::with(&a), Here::with(&b), Here::with(&a));
        let taken = by_lines.import(&there);
        prop_assert_eq!(here.merge(&there), taken);
        there.merge(&here);
        let merged = here.says();
        prop_assert_eq!(&there.says(), &merged, "the other way round");
        prop_assert_eq!(&by_lines.says(), &merged, "through a backup");
        let files = here.journal_files();
        for again in [here.merge(&there), here.import(&there), here.import(&by_lines)] {
            prop_assert_eq!((again.new, again.runs), (0, 0));
        }
        prop_assert_eq!(here.journal_files(), files, "what is known is not recorded again");
        prop_assert_eq!(here.says(), merged);
    }

    #[test]
    fn of_three_it_does_not_matter_which_two_are_merged_first(a in facts(), b in facts(), c in facts()) {
        let [a, b, c] = with_ids_of_their_own([a, b, c]);
        let left = Here::with(&a);
        left.merge(&Here::with(&b));
        left.merge(&Here::with(&c));
        let (right, first) = (Here::with(&a), Here::with(&b));
        first.merge(&Here::with(&c));
        right.merge(&first);
        prop_assert_eq!(left.says(), right.says());
        let all = Here::with(&[c, a, b].concat());
        prop_assert_eq!(left.says(), all.says(), "the union in one workspace");
    }
}
