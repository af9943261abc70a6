//! The status of a document by one spelling for each.
//!
//! The rule: the words in front of the first dash between spaces or first `( : ; , .`, in lower case, with anything but letters
//! and digits taken as a space. Those words are looked up below; what is not found stands as it is, and is a fault.

/// Each spelling, and those that mean the same.
const STATUSES: &[(&str, &[&str])] = &[
    (
        "complete",
        &[
            "complete",
            "completed",
            "research complete",
            "research completed",
            "done",
            "final",
            "finished",
            "closed",
            "answered",
            "resolved",
            "validated",
            "verified",
            "accepted",
            "approved",
        ],
    ),
    ("implemented", &["implemented", "shipped", "merged", "released"]),
    ("in review", &["ready for review", "in review", "under review", "review", "reviewed"]),
    (
        "active",
        &[
            "active",
            "in progress",
            "ongoing",
            "wip",
            "work in progress",
            "research",
            "open",
            "updated",
            "started",
        ],
    ),
    ("draft", &["draft", "proposed", "proposal", "planned", "todo"]),
    ("pending", &["pending", "blocked", "waiting", "on hold", "deferred", "decision pending"]),
    ("superseded", &["superseded", "obsolete", "deprecated", "outdated", "archived", "replaced"]),
    ("rejected", &["rejected", "abandoned", "cancelled", "canceled", "withdrawn", "wont fix"]),
];

/// A status as it was understood.
pub(super) struct Status {
    /// By one spelling for each; as written, in lower case, where it is not known.
    pub spelling: String,
    /// Whether it is known.
    pub known: bool,
    /// Whether prose follows it.
    pub prose: bool,
}

/// Reads a status.
pub(super) fn read(written: &str) -> Status {
    let end = [" — ", " – ", " - ", " -- ", "(", ":", ";", ",", ". "];
    let end = end.iter().filter_map(|mark| written.find(mark)).min().unwrap_or(written.len());
    let (head, rest) = written.split_at(end);
    let words = head.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let words = words.map(str::to_lowercase).collect::<Vec<_>>().join(" ");
    let found = STATUSES.iter().find(|(_, same)| same.contains(&words.as_str()));
    Status {
        spelling: found.map_or(words, |(spelling, _)| (*spelling).to_owned()),
        known: found.is_some(),
        prose: !rest.trim().is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(written: &str, spelling: &str) {
        let status = read(written);
        assert_eq!(status.spelling, spelling, "{written}");
        assert_eq!(status.known, STATUSES.iter().any(|(known, _)| *known == spelling), "{written}");
    }

    #[test]
    fn a_status_has_one_spelling() {
        for written in
            ["complete", "Completed", "COMPLETE", "research_complete", "FINAL — with findings (§1.4)"]
        {
            check(written, "complete");
        }
        check("ready_for_review", "in review");
        check("RESEARCH — decision pending", "active");
        check("PENDING — no safe way yet", "pending");
        check("IMPLEMENTED — 2026-03-11; shipped. Previous update: x", "implemented");
        check("PHASE_A_COMPLETE_FRAME_SHIFT", "phase a complete frame shift");
        check("", "");
        check("— —", "");
    }
}
