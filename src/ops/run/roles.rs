//! What a file is to a run, by where it lies: data, code, environment, or nothing worth a record.

mod environments;
mod surroundings;

use std::ffi::OsStr;
use std::path::Path;

use super::compiled;

pub use environments::Environments;

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
const IGNORED_FOLDERS: &[&str] =
    &[".git", ".lineage", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".ipynb_checkpoints", ".hg", ".svn"];
/// Folders in which repositories and workspaces keep themselves, wherever they lie: a workspace may lie below the root of one, and a
/// copy of it beside it.
const REPOSITORY_FOLDERS: &[&str] = &[".git", ".hg", ".svn", ".lineage"];
/// Where in a repository git-annex and DVC keep the data.
const STORED_DATA: &[&[&str]] = &[&[".git", "annex", "objects"], &[".dvc", "cache", "files"]];
/// Where tools for pipelines keep their own books: locks, logs, and what they have done already.
const BOOKS: &[&[&str]] = &[
    &[".dvc", "cache", "runs"],
    &[".dvc", "tmp"],
    &[".nextflow"],
    &[".snakemake", "auxiliary"],
    &[".snakemake", "incomplete"],
    &[".snakemake", "iocache"],
    &[".snakemake", "locks"],
    &[".snakemake", "log"],
    &[".snakemake", "metadata"],
];
/// The same of DVC, outside of repositories.
const DVC_SITE: &str = "/var/tmp/dvc";
/// Folders whose contents are packages, wherever they lie.
const PACKAGE_FOLDERS: &[&str] = &["site-packages", "dist-packages", "node_modules"];
/// Endings of files that are data wherever they lie, but among packages.
const DATA_ENDINGS: &[&str] = &[
    "csv",
    "tsv",
    "jsonl",
    "ndjson",
    "parquet",
    "feather",
    "arrow",
    "avro",
    "orc",
    "npy",
    "npz",
    "h5",
    "hdf5",
    "pkl",
    "pickle",
    "joblib",
    "pt",
    "pth",
    "ckpt",
    "safetensors",
    "onnx",
    "gguf",
    "tfrecord",
    "xlsx",
];
/// Endings of files that are code rather than data when git tracks them.
const CODE_ENDINGS: &[&str] = &[
    "py",
    "pyi",
    "pyc",
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

/// Returns what a place says of a file that is read, for a workspace at `root` and a user whose home is `home`.
pub fn place(path: &Path, root: &Path, home: Option<&Path>) -> Place {
    let under = |folder: &&str| path.starts_with(folder);
    if ["/proc", "/sys", "/dev"].iter().any(under) && !under(&"/dev/shm") {
        return Place::Ignored;
    }
    if is_stored_data(path) {
        return Place::Work;
    }
    if leads_through(path, BOOKS) || path.starts_with(DVC_SITE) {
        return Place::Ignored;
    }
    let inside = path.strip_prefix(root).ok();
    let is_package = is_in_packages(path, inside);
    if inside.is_some_and(|inside| has_part(inside, IGNORED_FOLDERS) || (is_cache(path) && !is_package))
        || has_part(path, REPOSITORY_FOLDERS)
    {
        return Place::Ignored;
    }
    if is_package || is_cache(path) || surroundings::is_history(path, home) {
        return Place::Environment;
    }
    // A library of the workspace was built there, or put there as its data was.
    let is_of_system =
        || is_library(path) || (surroundings::is_environment(path, root, home) && !is_data_name(path));
    if inside.is_none() && is_of_system() {
        return Place::Environment;
    }
    Place::Work
}

/// Returns what a place says of a file that is written, as [`place`] does: a library that is made is work, and a cache that is
/// filled is nothing.
pub fn place_of_written(path: &Path, root: &Path, home: Option<&Path>) -> Place {
    // What is put there was written under the name that it has in the work tree.
    if is_stored_data(path) {
        return Place::Ignored;
    }
    let place = place(path, root, home);
    if place != Place::Environment {
        return place;
    }
    let is_cache = is_cache(path) || surroundings::is_in_cache(path, home);
    let inside = path.strip_prefix(root).ok();
    if is_cache || surroundings::is_history(path, home) {
        Place::Ignored
    } else if is_in_packages(path, inside)
        || (inside.is_none() && surroundings::is_environment(path, root, home))
    {
        Place::Environment
    } else {
        Place::Work
    }
}

fn has_part(path: &Path, names: &[&str]) -> bool {
    path.iter().any(|part| part.to_str().is_some_and(|part| names.contains(&part)))
}

/// Returns true for data that git-annex, and so DataLad, or DVC keeps in a repository: in the work tree there are links to it, or copies.
pub fn is_stored_data(path: &Path) -> bool {
    leads_through(path, STORED_DATA)
}

/// Returns true where a path leads through one of `folders`: names, the first with a dot in front, each in the one before.
fn leads_through(path: &Path, folders: &[&[&str]]) -> bool {
    let parts: Vec<&OsStr> =
        path.iter().skip_while(|part| !part.as_encoded_bytes().starts_with(b".")).collect();
    let is_at = |at: usize, folder: &[&str]| {
        folder.iter().enumerate().all(|(below, name)| parts.get(at + below).is_some_and(|part| part == name))
    };
    (0..parts.len()).any(|at| folders.iter().any(|folder| is_at(at, folder)))
}

fn is_in_packages(path: &Path, inside: Option<&Path>) -> bool {
    is_package(inside.unwrap_or(path))
}

/// Returns true for a file of an installed package, of the library of Python, or of a virtual environment.
pub fn is_package(path: &Path) -> bool {
    // A virtual environment of Python says by this file where its interpreter is.
    has_part(path, PACKAGE_FOLDERS) || is_in_library_of_python(path) || path.ends_with("pyvenv.cfg")
}

/// Returns the folder of libraries of an interpreter of Python that a file is of: what lies above `python3.11` in
/// `env/lib/python3.11/os.py`.
pub fn libraries_around_python(path: &Path) -> Option<&Path> {
    path.ancestors().filter(|folder| is_library_of_python(folder)).last()?.parent()
}

/// Returns true below `lib/python3.11`, wherever an interpreter was put.
fn is_in_library_of_python(path: &Path) -> bool {
    path.ancestors().any(is_library_of_python)
}

fn is_library_of_python(folder: &Path) -> bool {
    let is_versioned = |name: &OsStr| {
        let version =
            name.to_str().and_then(|name| name.strip_prefix("python").or(name.strip_prefix("pypy")));
        version.is_some_and(|version| version.starts_with(|first: char| first.is_ascii_digit()))
    };
    let above = folder.parent().and_then(Path::file_name);
    above.is_some_and(|above| above == "lib" || above == "lib64")
        && folder.file_name().is_some_and(is_versioned)
}

fn is_data_name(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    ending.is_some_and(|ending| DATA_ENDINGS.iter().any(|known| known.eq_ignore_ascii_case(ending)))
}

/// Returns true for what Python, and what compiles for it, keeps to be quicker the next time.
pub fn is_cache(path: &Path) -> bool {
    has_part(path, &["__pycache__"]) || compiled::is_cache(path)
}

/// Returns true for shared libraries: `libm.so`, `libm.so.6`, `x.dylib`.
pub fn is_library(path: &Path) -> bool {
    let Some(text) = path.file_name().map(|name| name.to_string_lossy()) else {
        return false;
    };
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
        check("/home/me/w/.git/annex/objects/X1/Zz/MD5E-s2--b0.csv/MD5E-s2--b0.csv", Place::Work);
        check("/home/me/w/.git/annex/index", Place::Ignored);
        check("/home/me/w/.dvc/cache/files/md5/24/d9e9c9", Place::Work);
        check("/home/me/other/.dvc/cache/runs/0a/0a7d/1698", Place::Ignored);
        check("/home/me/w/.dvc/tmp/rwlock", Place::Ignored);
        check("/home/me/w/.dvc/config", Place::Work);
        check("/var/tmp/dvc/repo/210f/hashes/local/cache.db", Place::Ignored);
        check("/home/me/w/.snakemake/metadata/b3V0L2E=", Place::Ignored);
        check("/home/me/w/.snakemake/scripts/tmp1.train.py", Place::Work);
        check("/home/me/w/src/__pycache__/a.cpython-311.pyc", Place::Ignored);
        check("/home/me/w/.venv/lib/python3.11/site-packages/numpy/__init__.py", Place::Environment);
        check("/home/me/w/.venv/pyvenv.cfg", Place::Environment);
        check(
            "/home/me/w/.venv/lib/python3.11/site-packages/a/__pycache__/b.cpython-311.pyc",
            Place::Environment,
        );
        check("/data/env/lib/python3.11/os.py", Place::Environment);
        check("/home/me/w/lib/python/os.py", Place::Work);
        check("/home/me/w/.pycache/home/me/w/a.cpython-311.pyc", Place::Ignored);
        check("/home/me/w/a.pyc", Place::Work);
        check("/usr/lib/python3.11/os.py", Place::Environment);
        check("/home/me/.cache/huggingface/hub/model.bin", Place::Work);
        check("/home/me/.cache/pip/x", Place::Environment);
        check("/home/me/other/data.csv", Place::Work);
        check("/tmp/x.csv", Place::Work);
        check("/proc/self/maps", Place::Ignored);
        check("/dev/shm/x", Place::Work);
        check("/home/me/w/build/libx.so.1", Place::Work);
        check("/home/me/other/libx.so.1", Place::Environment);
        check("/home/me/w/node_modules/a/b.so", Place::Environment);
        check("/home/me/.git/index", Place::Ignored);
        check("/home/me/other/.lineage/store.redb", Place::Ignored);
        check("/home/me/.gitconfig", Place::Environment);
        check("/home/me/w/.env", Place::Work);
        check("/home/me/.data/t", Place::Work);
        check("/opt/ml/input/data/train/t", Place::Work);
        check("/opt/conda/lib/libz.a", Place::Environment);
        check("/opt/data/t.csv", Place::Work);
        check("/var/lib/jobs/in.parquet", Place::Work);
        check("/usr/share/zoneinfo/tzdata.zi", Place::Environment);
        check("/home/me/.cache/whisper/base.pt", Place::Work);
        check("/home/me/.bash_history", Place::Environment);
        check("/home/me/.aws/credentials", Place::Environment);
        check("/home/me/.ssh/known_hosts", Place::Environment);
        check("/home/me/.kaggle/kaggle.json", Place::Environment);
        check("/home/me/.netrc", Place::Environment);
        check("/usr/lib/python3/dist-packages/sklearn/datasets/data/iris.csv", Place::Environment);
    }

    #[test]
    fn where_tools_and_data_lie_side_by_side_what_looks_like_no_tool_is_data() {
        for data in [
            "/opt/qd/x.json",
            "/opt/x.txt",
            "/opt/ml/input/lib/x.json",
            "/opt/app/train.py",
            "/usr/local/data/x.json",
            "/usr/src/app/in.txt",
            "/var/lib/jenkins/data/x.txt",
            "/home/me/.cache/my_dataset/train.json",
            "/home/me/.cache/huggingface/hub/models--a--b/snapshots/1/config.json",
            "/home/me/.cache/huggingface/datasets/d/dataset_info.json",
            "/home/me/.cache/torch/hub/checkpoints/r.bin",
            "/home/me/.local/share/corpus/a.txt",
            "/run/media/me/disk/a.txt",
            "/run/user/1000/a.txt",
        ] {
            check(data, Place::Work);
        }
        for tool in [
            "/opt/conda/x.json",
            "/opt/tool/1.2/share/words.txt",
            "/opt/tool/lib/t.jar",
            "/usr/local/lib/python3.11/json/decoder.py",
            "/usr/local/share/locale/de.mo",
            "/usr/local/cargo/registry/src/a/lib.rs",
            "/usr/share/dict/words",
            "/usr/src/linux-headers-6.1/Makefile",
            "/var/lib/dpkg/status",
            "/home/me/.cache/pip/http/a",
            "/home/me/.cache/fontconfig/a.cache-8",
            "/home/me/.cache/matplotlib/fontlist-v390.json",
            "/home/me/.cache/huggingface/modules/transformers_modules/a/modeling.py",
            "/home/me/.cache/huggingface/token",
            "/home/me/.cache/torch/hub/pytorch_vision_main/hubconf.py",
            "/home/me/.local/share/jupyter/kernels/python3/kernel.json",
            "/home/me/.local/share/uv/python/cpython/BUILD",
            "/run/user/1000/dconf/user",
        ] {
            check(tool, Place::Environment);
        }
    }

    #[test]
    fn what_lies_beside_a_workspace_among_tools_is_data() {
        let check = |root: &str, path: &str, expected: Place| {
            assert_eq!(
                place(Path::new(path), Path::new(root), Some(Path::new("/home/me"))),
                expected,
                "{path}"
            );
        };
        check("/var/lib/docker/volumes/v/_data/w", "/var/lib/docker/volumes/v/_data/in.txt", Place::Work);
        check(
            "/var/lib/docker/volumes/v/_data/w",
            "/var/lib/docker/volumes/u/_data/in.txt",
            Place::Environment,
        );
        check("/home/me/.config/app/w", "/home/me/.config/app/in.txt", Place::Work);
        check("/home/me/.config/app/w", "/home/me/.config/app/bin/tool", Place::Environment);
        check("/home/me/.config/w", "/home/me/.config/fish/config.fish", Place::Environment);
        check("/etc/w", "/etc/ld.so.cache", Place::Environment);
        check("/usr/lib/a/w", "/usr/lib/a/data.bin", Place::Environment);
        check("/home/me/w", "/home/me/.netrc", Place::Environment);
        check("/home/me", "/home/me/.bash_history", Place::Environment);
        check("/home/me", "/home/me/.env", Place::Work);
    }

    #[test]
    fn what_is_made_is_work_where_what_is_used_would_be_environment() {
        let check = |path: &str, expected: Place| {
            let (root, home) = (Path::new("/home/me/w"), Path::new("/home/me"));
            assert_eq!(place_of_written(Path::new(path), root, Some(home)), expected, "{path}");
        };
        check("/home/me/w/build/libx.so.1", Place::Work);
        check("/srv/libx.so", Place::Work);
        check("/opt/ml/model/m", Place::Work);
        check("/opt/conda/lib/libz.so", Place::Environment);
        check("/home/me/w/.venv/lib/python3.11/site-packages/a/b.so", Place::Environment);
        check("/home/me/.cache/fontconfig/x", Place::Ignored);
        check("/home/me/.cache/my_dataset/train.json", Place::Work);
        check("/opt/qd/out.json", Place::Work);
        check("/home/me/.python_history", Place::Ignored);
        check("/home/me/.gitconfig", Place::Environment);
        check("/usr/lib/python3/__pycache__/a.pyc", Place::Ignored);
        check("/home/me/w/a/__pycache__/a.pyc", Place::Ignored);
        check(
            "/home/me/w/.venv/lib/python3.11/site-packages/a/__pycache__/b.cpython-311.pyc",
            Place::Ignored,
        );
        check("/home/me/w/.venv/lib/python3.11/site-packages/a/__pycache__/f.py311.nbi", Place::Ignored);
        check("/home/me/w/a.pyc", Place::Work);
        check("/proc/self/comm", Place::Ignored);
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
