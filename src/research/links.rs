//! Where a path that a document names leads, seen from the workspace's root.

/// Where a name leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// To this path; whether something is there.
    Path(String, bool),
    /// Out of the workspace.
    Outside,
    /// Not to a file: a URL, an anchor, nothing.
    Nowhere,
}

/// From which folder a name is looked up first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// The document's, as Markdown has it.
    FromDocument,
    /// The workspace's root for what has a `/` in it, as people write in front matter.
    FromRoot,
}

/// Finds where `name` leads from a document in `folder`; of two places, that where something is.
pub(super) fn resolve(folder: &str, name: &str, seen: Seen, exists: &dyn Fn(&str) -> bool) -> Target {
    let name = name.split(['#', '?']).next().unwrap_or_default().trim();
    let scheme = name.split_once(':').is_some_and(|(front, _)| {
        front.len() > 1
            && front.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
            && !front.contains('.')
    });
    if name.is_empty() || scheme || name.starts_with("//") {
        return Target::Nowhere;
    }
    let name = without_lines(name);
    let from_root = joined("", name.trim_start_matches('/'));
    let from_folder = if name.starts_with('/') { None } else { joined(folder, name) };
    let mut places = match seen {
        Seen::FromRoot if name.contains('/') && !name.starts_with('.') => vec![from_root, from_folder],
        _ => vec![from_folder, from_root],
    };
    places.retain(Option::is_some);
    let places: Vec<String> = places.into_iter().flatten().collect();
    match places.iter().find(|place| exists(place)).map(|place| (place, true)) {
        Some((place, there)) => Target::Path(place.clone(), there),
        None => places.into_iter().next().map_or(Target::Outside, |place| Target::Path(place, false)),
    }
}

/// Takes off line numbers: `src/parser.py:12-20`.
fn without_lines(name: &str) -> &str {
    match name.rsplit_once(':') {
        Some((front, lines)) if lines.chars().all(|c| c.is_ascii_digit() || matches!(c, '-' | ',')) => front,
        _ => name,
    }
}

/// Joins a folder and a name, both with `/`; `None` where that leads out of the root, or to it.
fn joined(folder: &str, name: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(name.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    let path = parts.join("/");
    let right = !path.is_empty() && path.len() <= 4_096 && !path.contains(char::is_control);
    right.then_some(path)
}

/// Returns true for the name of a Markdown document.
pub(super) fn is_markdown(path: &str) -> bool {
    let ending = path.rsplit_once('.').map(|(_, ending)| ending.to_lowercase());
    matches!(ending.as_deref(), Some("md" | "markdown"))
}

/// Returns true for text that looks like the path of a file: no spaces, and an ending.
pub(super) fn looks_like_file(text: &str) -> bool {
    let text = without_lines(text);
    let name = text.rsplit('/').next().unwrap_or_default();
    let ending = name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()).map(|(_, ending)| ending);
    let is_ending = |ending: &str| {
        (1..=8).contains(&ending.len())
            && ending.bytes().all(|b| b.is_ascii_alphanumeric())
            && ending.bytes().next().is_some_and(|b| b.is_ascii_alphabetic())
    };
    !text.contains(char::is_whitespace)
        && !text.contains("://")
        && !text.contains('@')
        && ending.is_some_and(is_ending)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, seen: Seen, expected: Target) {
        let there = ["notes/a.md", "docs/b.md", "notes/docs/b.md", "c.md"];
        assert_eq!(resolve("notes", name, seen, &|path| there.contains(&path)), expected, "{name}");
    }

    #[test]
    fn names_lead_to_what_is_there() {
        let to = |path: &str, there| Target::Path(path.to_owned(), there);
        check("a.md", Seen::FromDocument, to("notes/a.md", true));
        check("./a.md#part", Seen::FromDocument, to("notes/a.md", true));
        check("docs/b.md", Seen::FromRoot, to("docs/b.md", true));
        check("docs/b.md", Seen::FromDocument, to("notes/docs/b.md", true));
        check("notes/a.md", Seen::FromDocument, to("notes/a.md", true));
        check("c.md", Seen::FromDocument, to("c.md", true));
        check("/c.md", Seen::FromDocument, to("c.md", true));
        check("gone.md", Seen::FromRoot, to("notes/gone.md", false));
        check("x/gone.md:12-20", Seen::FromRoot, to("x/gone.md", false));
        check("../../../etc/passwd", Seen::FromDocument, Target::Outside);
        check("..", Seen::FromDocument, Target::Outside);
        for nowhere in ["", "#part", "https://a.b/c.md", "mailto:a@b", "//host/x"] {
            check(nowhere, Seen::FromDocument, Target::Nowhere);
        }
    }

    #[test]
    fn files_are_told_from_prose() {
        for file in ["a.py", "src/a.py:12", "PRD-004.md", "data/raw/x.html", ".github/w.yml"] {
            assert!(looks_like_file(file), "{file}");
        }
        for other in ["RFC-007", "a b.md", "https://x.y/z.html", "v1.2", "a@b.com", "", ".gitignore"] {
            assert!(!looks_like_file(other), "{other}");
        }
    }
}
