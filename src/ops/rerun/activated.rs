//! The environment of Python that was activated as a command ran, in the place of that which is activated now.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Names the folder of the environment that is activated.
pub(super) const VARIABLE: &str = "VIRTUAL_ENV";

/// Has programs found as they were with the environment of Python in `then`, where that is another one than in `environment`: its
/// own come first, and those of the other are not looked for. Returns what is to be said of it.
pub(super) fn activate(environment: &mut Vec<(OsString, OsString)>, then: Option<&str>) -> Option<String> {
    let value =
        |name: &str| environment.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    let now = value(VARIABLE).map(PathBuf::from);
    let then = then.map(PathBuf::from);
    if now == then {
        return None;
    }
    let programs = |folder: &PathBuf| folder.join("bin");
    let own = then.as_ref().map(programs).filter(|folder| folder.is_dir());
    let others = now.as_ref().map(programs);
    let path = value("PATH").unwrap_or_default();
    let rest = std::env::split_paths(&path)
        .filter(|folder| Some(folder) != others.as_ref() && Some(folder) != own.as_ref());
    let joined = std::env::join_paths(own.iter().cloned().chain(rest));
    environment.retain(|(name, _)| name != VARIABLE);
    if let Ok(path) = joined {
        environment.retain(|(name, _)| name != "PATH");
        environment.push(("PATH".into(), path));
    }
    let shown = |folder: &Path| format!("`{}`", folder.display());
    Some(match (&then, &own, &now) {
        (Some(then), Some(_), _) => {
            environment.push((VARIABLE.into(), then.into()));
            format!("{} is activated, as then", shown(then))
        }
        (Some(then), None, _) => format!(
            "{} was activated and is not there: other programs may stand for those of then",
            shown(then)
        ),
        (None, _, Some(now)) => format!("{} is not activated, as then", shown(now)),
        (None, _, None) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Activates what was activated then; returns `PATH`, and the environment that is activated.
    fn check(now: &[(&str, &str)], then: Option<&str>) -> (String, Option<String>, bool) {
        let mut environment = now.iter().map(|(name, value)| (name.into(), value.into())).collect();
        let said = activate(&mut environment, then).is_some();
        let value = |name: &str| {
            let found = environment.iter().find(|(known, _)| known == name);
            found.map(|(_, value): &(OsString, OsString)| value.to_str().unwrap().to_owned())
        };
        (value("PATH").unwrap(), value(VARIABLE), said)
    }

    #[test]
    fn programs_are_found_as_they_were_then() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("bin")).unwrap();
        let then = folder.path().to_str().unwrap();
        let path = |rest: &str| format!("{then}/bin:{rest}");
        let activated = || Some(then.to_owned());
        assert_eq!(check(&[("PATH", "/usr/bin")], Some(then)), (path("/usr/bin"), activated(), true));
        let other = [("PATH", "/other/bin:/usr/bin"), (VARIABLE, "/other")];
        assert_eq!(check(&other, Some(then)), (path("/usr/bin"), activated(), true));
        assert_eq!(check(&other, None), ("/usr/bin".to_owned(), None, true));
        assert_eq!(check(&other, Some("/gone")), ("/usr/bin".to_owned(), None, true));
        let same = [("PATH", "/a:/other/bin"), (VARIABLE, "/other")];
        assert_eq!(
            check(&same, Some("/other")),
            ("/a:/other/bin".to_owned(), Some("/other".to_owned()), false)
        );
        assert_eq!(check(&[("PATH", "/a")], None), ("/a".to_owned(), None, false));
    }
}
