//! What a file is to a run, by where it lies: data, code, environment, or nothing worth a record.

use std::path::Path;

/// What a place says about the files there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Not recorded: kernel files, our own, caches of compilers and test runners.
    Ignored,
    /// Interpreters, libraries, packages, system files.
    Environment,
    /// Part of the work: in the workspace, or anywhere else that is neither of the above.
    Work,
}

/// Folders in a workspace that hold nothing of the work.
const IGNORED_FOLDERS: &[&str] = &[
    ".git",
    ".lineage",
    "__pycache__",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
    ".ipynb_checkpoints",
    ".hg",
    ".svn",
];
/// Folders whose contents are packages, wherever they lie.
const PACKAGE_FOLDERS: &[&str] = &["site-packages", "dist-packages", "node_modules"];
/// Where systems keep what they are made of.
const SYSTEM_FOLDERS: &[&str] = &[
    "/usr",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/bin",
    "/sbin",
    "/opt",
    "/etc",
    "/nix/store",
    "/gnu/store",
    "/var/lib",
    "/var/cache",
    "/run",
    "/snap",
    "/boot",
];
/// Folders of a home that hold models and data sets, which are data although they look like caches.
const DATA_CACHES: &[&str] = &[
    ".cache/huggingface",
    ".cache/torch",
    ".cache/kagglehub",
    "nltk_data",
    ".keras",
    "scikit_learn_data",
    ".cache/gensim-data",
];
/// Folders of a home that hold programs, packages and settings.
const HOME_ENVIRONMENT: &[&str] = &[
    ".cache",
    ".config",
    ".local/lib",
    ".local/share",
    ".local/bin",
    ".cargo",
    ".rustup",
    ".pyenv",
    ".conda",
    ".nv",
    ".npm",
    ".nvm",
    ".asdf",
    ".ipython",
    ".jupyter",
    ".matplotlib",
    "miniconda3",
    "anaconda3",
    "miniforge3",
    "mambaforge",
    ".m2",
];
/// Endings of files that are code rather than data when git tracks them.
const CODE_ENDINGS: &[&str] = &[
    "py",
    "pyi",
    "pyx",
    "ipynb",
    "r",
    "rmd",
    "jl",
    "sh",
    "bash",
    "zsh",
    "pl",
    "rb",
    "js",
    "mjs",
    "cjs",
    "ts",
    "lua",
    "m",
    "sql",
    "c",
    "h",
    "cc",
    "cpp",
    "cxx",
    "hpp",
    "cu",
    "cuh",
    "rs",
    "go",
    "java",
    "kt",
    "scala",
    "swift",
    "f90",
    "mk",
    "cmake",
    "make",
    "toml",
    "yaml",
    "yml",
    "ini",
    "cfg",
    "conf",
    "jinja",
    "j2",
    "hydra",
    "gradle",
    "dockerfile",
];

/// Returns what a place says, for a workspace at `root` and a user whose home is `home`.
pub fn place(path: &Path, root: &Path, home: Option<&Path>) -> Place {
    let bytes = path.as_os_str().as_encoded_bytes();
    let under = |folder: &str| path.starts_with(folder);
    if (under("/proc") || under("/sys") || under("/dev")) && !under("/dev/shm") {
        return Place::Ignored;
    }
    let has_part = |names: &[&str], path: &Path| {
        path.iter().any(|part| part.to_str().is_some_and(|p| names.contains(&p)))
    };
    if let Ok(inside) = path.strip_prefix(root) {
        if has_part(IGNORED_FOLDERS, inside) || bytes.ends_with(b".pyc") {
            return Place::Ignored;
        }
        return if has_part(PACKAGE_FOLDERS, inside) || is_library(bytes) {
            Place::Environment
        } else {
            Place::Work
        };
    }
    if let Some(inside) = home.and_then(|home| path.strip_prefix(home).ok()) {
        if DATA_CACHES.iter().any(|folder| inside.starts_with(folder)) {
            return Place::Work;
        }
        if HOME_ENVIRONMENT.iter().any(|folder| inside.starts_with(folder)) {
            return Place::Environment;
        }
    }
    let is_system = SYSTEM_FOLDERS.iter().any(|folder| under(folder));
    if is_system || has_part(PACKAGE_FOLDERS, path) || is_library(bytes) || bytes.ends_with(b".pyc") {
        return Place::Environment;
    }
    Place::Work
}

/// Returns true for shared libraries: `libm.so`, `libm.so.6`, `x.dylib`.
fn is_library(path: &[u8]) -> bool {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    let text = String::from_utf8_lossy(name);
    text.ends_with(".so") || text.contains(".so.") || text.ends_with(".dylib")
}

/// Returns true for a file that is code by its name.
pub fn is_code_name(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let ending =
        path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    CODE_ENDINGS.contains(&ending.as_str())
        || matches!(name.as_str(), "makefile" | "dockerfile" | "snakefile" | "justfile")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expected: Place) {
        assert_eq!(
            place(Path::new(path), Path::new("/home/me/w"), Some(Path::new("/home/me"))),
            expected,
            "{path}"
        );
    }

    #[test]
    fn the_place_of_a_file_says_what_it_is() {
        check("/home/me/w/data/a.csv", Place::Work);
        check("/home/me/w/.git/index", Place::Ignored);
        check("/home/me/w/src/__pycache__/a.cpython-311.pyc", Place::Ignored);
        check("/home/me/w/.venv/lib/python3.11/site-packages/numpy/__init__.py", Place::Environment);
        check("/usr/lib/python3.11/os.py", Place::Environment);
        check("/home/me/.cache/huggingface/hub/model.bin", Place::Work);
        check("/home/me/.cache/pip/x", Place::Environment);
        check("/home/me/other/data.csv", Place::Work);
        check("/tmp/x.csv", Place::Work);
        check("/proc/self/maps", Place::Ignored);
        check("/dev/shm/x", Place::Work);
        check("/home/me/w/build/libx.so.1", Place::Environment);
    }

    #[test]
    fn code_is_known_by_its_name() {
        for code in ["train.py", "a/Makefile", "conf/x.yaml", "run.SH"] {
            assert!(is_code_name(Path::new(code)), "{code}");
        }
        for data in ["x.csv", "x.json", "x.parquet", "README.md", "model.pt"] {
            assert!(!is_code_name(Path::new(data)), "{data}");
        }
    }
}
