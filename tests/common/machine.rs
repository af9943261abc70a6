//! What the machine has for the tests, and what becomes of a test that it cannot run.
//!
//! Such a test says so and passes, since its machine is not at fault; unless `LINEAGE_TESTS` names what it lacks, with commas
//! between, or is `all`: then it fails. Where `LINEAGE_TESTS_SKIPPED` names a file, each leaves a line there.

use std::fmt::Display;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// What a test may lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lack {
    /// The git program.
    Git,
    /// Commands can be observed.
    Net,
    /// Python, or one of its packages.
    Python,
    /// Another program: a compiler, an interpreter, a tool.
    Program,
    /// The filings and documents that are too large for the repository.
    Data,
    /// Something of the system: a namespace, a mount, a file system, a file of `/proc`; or a program that is new enough.
    System,
    /// The right user. Some tests are of root and others of anybody else, so that no machine runs them all.
    User,
}

impl Lack {
    const ALL: [Lack; 7] =
        [Lack::Git, Lack::Net, Lack::Python, Lack::Program, Lack::Data, Lack::System, Lack::User];

    fn name(self) -> &'static str {
        match self {
            Lack::Git => "git",
            Lack::Net => "net",
            Lack::Python => "python",
            Lack::Program => "program",
            Lack::Data => "data",
            Lack::System => "system",
            Lack::User => "user",
        }
    }

    /// Tells whether what is demanded includes this.
    ///
    /// # Panics
    /// Where something is demanded that nobody lacks.
    pub fn is_demanded(self, demanded: &str) -> bool {
        let words = demanded.split(',').map(str::trim).filter(|word| !word.is_empty());
        words.into_iter().any(|word| match word {
            "all" => self != Lack::User,
            name => {
                assert!(Lack::ALL.iter().any(|lack| lack.name() == name), "LINEAGE_TESTS names `{name}`");
                name == self.name()
            }
        })
    }
}

/// To be called by a test that cannot be run, which then returns.
///
/// # Panics
/// Where `LINEAGE_TESTS` demands what is lacking.
pub fn skipped(lack: Lack, why: impl Display) {
    let demanded = std::env::var("LINEAGE_TESTS").unwrap_or_default();
    assert!(!lack.is_demanded(&demanded), "cannot be skipped (LINEAGE_TESTS={demanded}): {why}");
    eprintln!("skipped: {why}");
    if let Some(path) = std::env::var_os("LINEAGE_TESTS_SKIPPED") {
        let thread = std::thread::current();
        let line = format!("{}: {}: {why}\n", lack.name(), thread.name().unwrap_or("a thread"));
        let file = OpenOptions::new().create(true).append(true).open(path);
        file.and_then(|mut file| file.write_all(line.as_bytes())).unwrap();
    }
}

/// Returns a folder with what is too large for the repository (`filings`, `research`): below `LINEAGE_TEST_DATA`, else below
/// `shared` beside the repository.
pub fn data(name: &str) -> PathBuf {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    std::env::var_os("LINEAGE_TEST_DATA").map_or_else(beside, PathBuf::from).join(name)
}
