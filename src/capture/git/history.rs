//! Questions about two commits.

use std::collections::HashMap;
use std::path::Path;

use gix::hash::{ObjectId, Prefix};

use super::ChangeKind;
use super::open::{cannot, open};
use crate::error::{Error, Result};

/// Says whether the commit `ancestor` is `descendant` or one of the commits it was built on.
///
/// `None` when that cannot be known here: no repository, a commit that is not here, or a history that is cut off
/// (shallow clone, pruned objects) before `ancestor` is met. Ids are full or abbreviated; the cost is linear in the history
/// between the two, and in all of it for a no.
///
/// # Errors
/// An id that is not hexadecimal or ambiguous, and a repository that cannot be read.
#[cfg(test)]
pub fn is_ancestor(root: &Path, ancestor: &str, descendant: &str) -> Result<Option<bool>> {
    let Some(repo) = open(root)? else { return Ok(None) };
    let (Some(ancestor), Some(descendant)) = (commit_id(&repo, ancestor)?, commit_id(&repo, descendant)?)
    else {
        return Ok(None);
    };
    let walk = repo.rev_walk([descendant]).all().map_err(|cause| cannot(&repo, "the history", cause))?;
    for commit in walk {
        match commit {
            Ok(commit) if commit.id == ancestor => return Ok(Some(true)),
            Ok(_) => {}
            // A missing commit in the middle: what lies behind it is unknown.
            Err(_) => return Ok(None),
        }
    }
    let cut_off = repo.is_shallow().map_err(|cause| cannot(&repo, "the history", cause))?;
    Ok(if cut_off { None } else { Some(false) })
}

/// A commit, and for each other that was asked about whether it was built on it: all questions together cost one walk through
/// the history.
pub struct BuiltOn {
    repo: gix::Repository,
    /// What was found out, beginning with the commit itself.
    known: HashMap<ObjectId, Option<bool>>,
}

/// A commit on the way down, with its parents.
struct Visit {
    id: ObjectId,
    parents: Vec<ObjectId>,
    next: usize,
    is_unknown: bool,
}

impl BuiltOn {
    /// Finds the commit that `word` names: a full or abbreviated id, a branch or a tag. `None` where there is none here.
    ///
    /// # Errors
    /// An abbreviated id that is ambiguous, and a repository that cannot be read.
    pub fn find(root: &Path, word: &str) -> Result<Option<Self>> {
        let Some(repo) = open(root)? else { return Ok(None) };
        let is_hex = word.len() >= 4 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        let by_id = if is_hex && word.len() <= repo.object_hash().len_in_hex() {
            commit_id(&repo, word)?
        } else {
            None
        };
        let commit = by_id.or_else(|| {
            let mut reference = repo.try_find_reference(word).ok()??;
            let id = reference.peel_to_id().ok()?.detach();
            repo.find_commit(id).is_ok().then_some(id)
        });
        Ok(commit.map(|commit| BuiltOn { repo, known: HashMap::from([(commit, Some(true))]) }))
    }

    /// Says whether the commit with the full id `descendant` is this one or was built on it; `None` where the history here is
    /// cut off before that can be told, or has no such commit.
    pub fn is_in(&mut self, descendant: &str) -> Option<bool> {
        let id = ObjectId::from_hex(descendant.as_bytes()).ok()?;
        let mut way: Vec<Visit> = Vec::new();
        // What was found out of the commit that was looked at last.
        let mut found = self.enter(id, &mut way);
        while let Some(visit) = way.last_mut() {
            match found.take() {
                Some(Some(true)) => {
                    self.known.insert(visit.id, Some(true));
                    way.pop();
                    found = Some(Some(true));
                    continue;
                }
                Some(None) => visit.is_unknown = true,
                Some(Some(false)) | None => {}
            }
            if let Some(parent) = visit.parents.get(visit.next).copied() {
                visit.next += 1;
                found = self.enter(parent, &mut way);
                continue;
            }
            let answer = if visit.is_unknown { None } else { Some(false) };
            self.known.insert(visit.id, answer);
            way.pop();
            found = Some(answer);
        }
        found.flatten()
    }

    /// Returns what is known of a commit; where that is nothing, puts it on the way.
    fn enter(&self, id: ObjectId, way: &mut Vec<Visit>) -> Option<Option<bool>> {
        if let Some(known) = self.known.get(&id) {
            return Some(*known);
        }
        let Ok(commit) = self.repo.find_commit(id) else {
            return Some(None);
        };
        let parents = commit.parent_ids().map(|parent| parent.detach()).collect();
        way.push(Visit { id, parents, next: 0, is_unknown: false });
        None
    }
}

/// Files that differ, by path (bytes below the work tree), and how.
pub type ChangedFiles = Vec<(Vec<u8>, ChangeKind)>;

/// Lists the files that differ between the trees of two commits, by path, from `a` to `b`. Renames are a deletion and an addition.
///
/// `None` when there is no repository, or a commit (or a tree of it) is not here.
///
/// # Errors
/// An id that is not hexadecimal or ambiguous, and a repository that cannot be read.
pub fn changed_between(root: &Path, a: &str, b: &str) -> Result<Option<ChangedFiles>> {
    use gix::diff::tree::recorder::Change;
    let Some(repo) = open(root)? else { return Ok(None) };
    let (Some(a), Some(b)) = (commit_id(&repo, a)?, commit_id(&repo, b)?) else {
        return Ok(None);
    };
    let tree_of = |id| repo.find_commit(id).ok()?.tree().ok();
    let (Some(tree_a), Some(tree_b)) = (tree_of(a), tree_of(b)) else {
        return Ok(None);
    };
    let mut recorder = gix::diff::tree::Recorder::default();
    let entries = |data| gix::objs::TreeRefIter::from_bytes(data, repo.object_hash());
    let compared = gix::diff::tree(
        entries(&tree_a.data),
        entries(&tree_b.data),
        gix::diff::tree::State::default(),
        &repo.objects,
        &mut recorder,
    );
    if compared.is_err() {
        return Ok(None);
    }
    let mut changed: ChangedFiles = recorder
        .records
        .into_iter()
        .filter_map(|record| match record {
            Change::Addition { entry_mode, path, .. } if !entry_mode.is_tree() => {
                Some((path, ChangeKind::Added))
            }
            Change::Deletion { entry_mode, path, .. } if !entry_mode.is_tree() => {
                Some((path, ChangeKind::Deleted))
            }
            Change::Modification { previous_entry_mode, entry_mode, path, .. } if !entry_mode.is_tree() => {
                let same_type = previous_entry_mode.value() & 0o170_000 == entry_mode.value() & 0o170_000;
                Some((path, if same_type { ChangeKind::Modified } else { ChangeKind::TypeChanged }))
            }
            _ => None,
        })
        .map(|(path, kind)| (path.into(), kind))
        .collect();
    changed.sort();
    Ok(Some(changed))
}

/// Says of each id, full or abbreviated, whether it is that of a commit here; `None` where that cannot be known: there is no
/// repository, its history is cut off, or the id is no one commit's.
///
/// # Errors
/// A repository that cannot be read.
pub fn are_here(root: &Path, shas: &[&str]) -> Result<Vec<Option<bool>>> {
    let Some(repo) = open(root)? else { return Ok(vec![None; shas.len()]) };
    let cut_off = repo.is_shallow().map_err(|cause| cannot(&repo, "the history", cause))?;
    let is_here = |sha: &&str| match commit_id(&repo, sha) {
        Ok(Some(_)) => Some(true),
        Ok(None) if !cut_off => Some(false),
        _ => None,
    };
    Ok(shas.iter().map(is_here).collect())
}

/// What keeps a commit in a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// `HEAD`, a branch, a tag or another reference leads to it.
    Reference,
    /// None does: it is there until git clears away what nobody leads to.
    Nothing,
    /// It is not there.
    NotHere,
}

/// Clocks of those who commit differ by less than this, mostly.
const CLOCKS_SECONDS: i64 = 24 * 60 * 60;
/// Where no reference seems to lead to a commit, so many commits are looked at, whatever their times say.
const COMMITS_MAX: usize = 200_000;

/// Says what keeps the commit with this full id; `None` where that cannot be known: there is no repository, or too long or damaged a
/// history.
///
/// Cost: mostly that of the commits which were made after it.
///
/// # Errors
/// An id that is not hexadecimal, and a repository that cannot be read.
pub fn hold_on(root: &Path, sha: &str) -> Result<Option<Hold>> {
    use gix::revision::walk::Sorting;
    let Some(repo) = open(root)? else { return Ok(None) };
    let Some(wanted) = commit_id(&repo, sha)? else { return Ok(Some(Hold::NotHere)) };
    let failed = |cause: &dyn std::fmt::Display| cannot(&repo, "its references", cause.to_string());
    let references = repo.references().map_err(|cause| failed(&cause))?;
    let mut tips: Vec<ObjectId> = repo.head_id().ok().map(|id| id.detach()).into_iter().collect();
    // Git keeps what any of the linked work trees is at.
    let linked = repo.worktrees().unwrap_or_default().into_iter();
    let linked = linked.filter_map(|linked| linked.into_repo_with_possibly_inaccessible_worktree().ok());
    tips.extend(
        linked.chain(repo.main_repo().ok()).filter_map(|linked| Some(linked.head_id().ok()?.detach())),
    );
    for reference in references.all().map_err(|cause| failed(&cause))?.flatten() {
        let mut reference = reference;
        // What a tag names may be no commit.
        let id = reference.peel_to_id().ok().map(|id| id.detach());
        tips.extend(id.filter(|id| repo.find_commit(*id).is_ok()));
    }
    if tips.contains(&wanted) {
        return Ok(Some(Hold::Reference));
    }
    let made_at = repo.find_commit(wanted).ok().and_then(|commit| Some(commit.time().ok()?.seconds));
    let newer = Sorting::ByCommitTimeCutoff {
        order: gix::traverse::commit::simple::CommitTimeOrder::NewestFirst,
        seconds: made_at.unwrap_or(0).saturating_sub(CLOCKS_SECONDS),
    };
    for sorting in [newer, Sorting::BreadthFirst] {
        let walk = repo.rev_walk(tips.clone()).sorting(sorting).all();
        for (count, commit) in walk.map_err(|cause| cannot(&repo, "the history", cause))?.enumerate() {
            match commit {
                Ok(commit) if commit.id == wanted => return Ok(Some(Hold::Reference)),
                Ok(_) if count < COMMITS_MAX => {}
                Ok(_) | Err(_) => return Ok(None),
            }
        }
    }
    Ok(Some(Hold::Nothing))
}

/// Finds the commit with a full or abbreviated id; `None` when there is no such commit here.
fn commit_id(repo: &gix::Repository, sha: &str) -> Result<Option<ObjectId>> {
    let wrong =
        |why: &str| Error::request(format!("`{sha}` is not the id of a commit")).because(why.to_owned());
    if sha.len() > repo.object_hash().len_in_hex() {
        return Err(wrong("it is too long"));
    }
    let prefix = Prefix::from_hex(sha).map_err(|cause| wrong(&cause.to_string()))?;
    let found =
        repo.objects.lookup_prefix(prefix, None).map_err(|cause| cannot(repo, "its objects", cause))?;
    match found {
        None => Ok(None),
        Some(Err(())) => Err(wrong("several objects begin like this").hint("give more digits")),
        Some(Ok(id)) => Ok(repo.find_commit(id).is_ok().then_some(id)),
    }
}
