//! Repositories: whose code a run read, where that is not all of one repository.

use crate::model::{ArtifactPath, CodeState, NodeId, Timestamp};

/// A git repository that a run read files of: one besides that of its own code state, or that one itself where it lies below the
/// workspace's root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRepository {
    /// The run.
    pub run: NodeId,
    /// When this was said.
    pub at: Timestamp,
    /// The root of its work tree; `None` for the repository that the workspace's root lies in.
    pub root: Option<ArtifactPath>,
    /// Its code state; `None` where the run's own code state is that of this repository.
    pub code: Option<CodeState>,
}

impl RunRepository {
    /// Finds the repository that a file lies in among those of a run: the innermost of them. `None` where none of them is said to
    /// hold it, which then lies in that of the run's own code state, if in any.
    pub fn of_file<'a>(repositories: &'a [RunRepository], path: &ArtifactPath) -> Option<&'a RunRepository> {
        let holds = |root: &ArtifactPath| {
            path.as_bytes().strip_prefix(root.as_bytes()).is_some_and(|rest| rest.starts_with(b"/"))
        };
        let inner = repositories.iter().filter(|repository| repository.root.as_ref().is_some_and(holds));
        let innermost =
            inner.max_by_key(|repository| repository.root.as_ref().map(|root| root.as_bytes().len()));
        innermost.or_else(|| repositories.iter().find(|repository| repository.root.is_none()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(roots: &[Option<&str>], path: &str, expected: Option<Option<&str>>) {
        let path_of = |text: &str| ArtifactPath::new(text).unwrap();
        let repository = |root: &Option<&str>| RunRepository {
            run: NodeId::from_u128(1),
            at: Timestamp::default(),
            root: root.map(path_of),
            code: Some(CodeState::default()),
        };
        let repositories: Vec<RunRepository> = roots.iter().map(repository).collect();
        let found = RunRepository::of_file(&repositories, &path_of(path));
        assert_eq!(found.map(|found| found.root.clone()), expected.map(|root| root.map(path_of)), "{path}");
    }

    #[test]
    fn a_file_lies_in_the_innermost_repository() {
        let roots = [Some("third/x"), Some("third/x/y"), Some("/home/me/lib")];
        check(&roots, "third/x/a.py", Some(Some("third/x")));
        check(&roots, "third/x/y/a.py", Some(Some("third/x/y")));
        check(&roots, "third/xy/a.py", None);
        check(&roots, "/home/me/lib/a.py", Some(Some("/home/me/lib")));
        check(&roots, "a.py", None);
        check(&[None, Some("proj")], "a.py", Some(None));
        check(&[None, Some("proj")], "/home/me/around/a.py", Some(None));
        check(&[None, Some("proj")], "proj/a.py", Some(Some("proj")));
    }
}
