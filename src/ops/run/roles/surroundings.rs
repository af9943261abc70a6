//! Which folders outside a workspace hold what systems and tools are made of, rather than anybody's data.
//!
//! In some of them nothing else is to be expected, and in others, such as `/opt` or `~/.cache`, both lie side by side. There, only
//! what looks like a tool is one, and all else is data: to list a tool's file as a source is a nuisance, to miss a source is a lie.

use std::ffi::OsStr;
use std::path::Path;

/// Where systems keep what they are made of, and nothing else.
const SYSTEM_FOLDERS: &[&str] = &[
    "/usr",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/bin",
    "/sbin",
    "/etc",
    "/nix/store",
    "/gnu/store",
    "/var/cache",
    "/var/db",
    "/run",
    "/snap",
    "/boot",
];

/// A folder in which tools and data lie side by side.
struct Shared {
    folder: &'static str,
    /// What the names of the tools in it are, or, with a star, begin with.
    tools: &'static [&'static str],
}

/// Such folders of the system.
const SHARED: &[Shared] = &[
    Shared {
        folder: "/opt",
        tools: &[
            "aws-cli",
            "az",
            "conda*",
            "cuda*",
            "google",
            "google-cloud-sdk",
            "homebrew",
            "intel",
            "java*",
            "jdk*",
            "mambaforge*",
            "miniconda*",
            "miniforge*",
            "anaconda*",
            "nvidia",
            "rocm*",
            "spark*",
        ],
    },
    Shared {
        folder: "/usr/local",
        tools: &["cargo", "cuda*", "games", "go", "man", "rustup", "spark*", "texlive"],
    },
    Shared { folder: "/usr/src", tools: &["debug", "kernels", "linux*"] },
    Shared { folder: "/run/media", tools: &[] },
    Shared {
        folder: "/run/user",
        // Below the folder of a user, whatever his number.
        tools: &[
            "bus",
            "containers",
            "crun",
            "dbus*",
            "dconf",
            "doc",
            "gnupg",
            "gvfs*",
            "keyring",
            "libpod",
            "pipewire*",
            "pulse",
            "runc",
            "systemd",
            "wayland*",
        ],
    },
    Shared {
        folder: "/var/lib",
        tools: &[
            "AccountsService",
            "NetworkManager",
            "PackageKit",
            "alternatives",
            "app-info",
            "apt",
            "aspell",
            "ca-certificates*",
            "command-not-found",
            "containerd",
            "containers",
            "dbus",
            "dhcp*",
            "dictionaries-common",
            "dnf",
            "docker",
            "dpkg",
            "emacsen-common",
            "flatpak",
            "gems",
            "ghc",
            "ieee-data",
            "ispell",
            "kubelet",
            "logrotate",
            "man-db",
            "misc",
            "mlocate",
            "pacman",
            "pam",
            "plocate",
            "polkit-1",
            "portage",
            "python",
            "rpm",
            "samba",
            "sgml-base",
            "snapd",
            "sss",
            "sudo",
            "swcatalog",
            "systemd",
            "tex*",
            "ucf",
            "update-*",
            "usbutils",
            "vim",
            "xkb",
            "xml-core",
            "yum",
            "zypp",
        ],
    },
];

/// Such folders of a home.
const SHARED_OF_HOME: &[Shared] = &[
    Shared {
        folder: ".cache",
        tools: &[
            "JetBrains",
            "Microsoft",
            "R",
            "Cypress",
            "babl",
            "bazel*",
            "black",
            "bun",
            "ccache",
            "chromium",
            "composer",
            "conda",
            "deno",
            "dconf",
            "electron*",
            "fish",
            "fontconfig",
            "gegl*",
            "gh",
            "gitstatus",
            "go",
            "go-build",
            "golangci-lint",
            "google-chrome*",
            "gstreamer*",
            "gopls",
            "hatch",
            "helm",
            "huggingface/accelerate",
            "huggingface/hub/.locks",
            "huggingface/hub/version.txt",
            "huggingface/modules",
            "huggingface/stored_tokens",
            "huggingface/token",
            "ibus",
            "jedi",
            "julia",
            "mamba",
            "matplotlib",
            "mesa_shader_cache*",
            "meson",
            "motd.legal-displayed",
            "mozilla",
            "ms-playwright*",
            "mypy*",
            "node*",
            "npm",
            "nvidia",
            "nvim",
            "nv",
            "p10k*",
            "parso",
            "pdm",
            "pip",
            "pip-tools",
            "pipenv",
            "pipx",
            "pnpm",
            "poetry",
            "pre-commit",
            "prisma",
            "puppeteer",
            "pylint",
            "pypoetry",
            "pytest*",
            "qt*",
            "rattler",
            "rosetta",
            "ruff",
            "sccache",
            "selenium",
            "shellcheck",
            "starship",
            "tectonic",
            "thumbnails",
            "torch/inductor*",
            "torch/kernels",
            "torch_extensions",
            "tracker*",
            "triton",
            "trivy",
            "typescript",
            "uv",
            "virtualenv",
            "vscode*",
            "yarn",
            "zig",
        ],
    },
    Shared {
        folder: ".local/share",
        tools: &[
            "DBeaverData",
            "JetBrains",
            "NuGet",
            "R",
            "Trash",
            "applications",
            "apptainer",
            "atuin",
            "bash-completion",
            "cargo",
            "claude",
            "code-server",
            "composer",
            "conda",
            "containers",
            "dotnet",
            "fish",
            "flatpak",
            "fnm",
            "fonts",
            "gem",
            "gh",
            "gnupg",
            "gvfs-metadata",
            "hatch",
            "icons",
            "jupyter",
            "keyrings",
            "mamba",
            "man",
            "mime",
            "mise",
            "nano",
            "nvim",
            "nvm",
            "pdm",
            "pipx",
            "pnpm",
            "powershell",
            "pypoetry",
            "python_keyring",
            "recently-used.xbel",
            "rtx",
            "rustup",
            "sddm",
            "session*",
            "systemd",
            "tracker*",
            "uv",
            "vim",
            "virtualenv*",
            "xorg",
            "zoxide",
            "zsh",
        ],
    },
];

/// Folders of a home that hold programs, packages and settings, and nothing else.
const HOME_ENVIRONMENT: &[&str] = &[
    ".R",
    ".ansible",
    ".aws",
    ".asdf",
    ".astropy/config",
    ".azure",
    ".bash_sessions",
    ".bazel",
    ".bun",
    ".bundle",
    ".cargo",
    ".conda",
    ".config",
    ".continuum",
    ".cpan",
    ".cursor",
    ".cursor-server",
    ".databricks",
    ".dbus",
    ".debug",
    ".deno",
    ".docker",
    ".dotnet",
    ".emacs.d",
    ".gem",
    ".gnupg",
    ".gradle",
    ".gsutil",
    ".ipython",
    ".ivy2",
    ".java",
    ".julia/compiled",
    ".julia/config",
    ".julia/environments",
    ".julia/juliaup",
    ".julia/logs",
    ".julia/packages",
    ".julia/registries",
    ".jupyter",
    ".kaggle",
    ".kube",
    ".local/bin",
    ".local/lib",
    ".local/pipx",
    ".local/state",
    ".m2",
    ".matplotlib",
    ".mozilla",
    ".npm",
    ".nuget",
    ".nv",
    ".nvm",
    ".oci",
    ".oh-my-zsh",
    ".pki",
    ".pnpm-store",
    ".pyenv",
    ".rbenv",
    ".rustup",
    ".rye",
    ".sbt",
    ".sdkman",
    ".snowflake",
    ".ssh",
    ".subversion",
    ".terraform.d",
    ".triton",
    ".vim",
    ".vscode",
    ".vscode-server",
    ".yarn",
    ".zsh_sessions",
    "anaconda3",
    "mambaforge",
    "miniconda3",
    "miniforge3",
];

/// Folders that hold data although what lies around them is the system: where Amazon SageMaker puts a job's inputs and outputs.
const DATA_FOLDERS: &[&str] = &["/opt/ml"];

/// What the folders of an installed tool are called.
const PARTS_OF_TOOLS: &[&str] = &[
    "bin", "sbin", "lib", "lib32", "lib64", "libexec", "include", "share", "etc", "conf", "man", "jars",
    "jre", "jmods", "nvvm",
];

/// What the names of files end with that tools are made of, where they are not those of a program's source.
const ENDINGS_OF_TOOLS: &[&str] = &["a", "class", "jar", "o", "pak"];

/// Endings of programs' sources: in a cache, they are what somebody else's package consists of.
const ENDINGS_OF_SOURCES: &[&str] =
    &["c", "cc", "cpp", "cu", "cuh", "h", "hpp", "js", "mjs", "cjs", "py", "pyc", "pyi", "pyx", "so", "ts"];

/// What the names of files begin with in which interactive programs remember, besides those that have "history" in them.
const HISTORIES: &[&str] = &[
    ".ICEauthority",
    ".Xauthority",
    ".histfile",
    ".lesshst",
    ".mysql_hist",
    ".viminf",
    ".wget-hsts",
    ".xsession-errors",
    ".zhistfile",
];

/// Where what is written is a cache, worth neither a record nor a remark, unless it is data.
const CACHE_FOLDERS: &[&str] = &["/var/cache", "/run"];

/// Returns true for what lies, outside the workspace at `root`, where systems and tools are, and looks like theirs.
pub(super) fn is_environment(path: &Path, root: &Path, home: Option<&Path>) -> bool {
    is_of_tools(path, home) && !is_beside(path, root, home)
}

/// Returns true for what lies where caches do, among that for which [`is_environment`] holds.
pub(super) fn is_in_cache(path: &Path, home: Option<&Path>) -> bool {
    CACHE_FOLDERS.iter().any(|folder| path.starts_with(folder))
        || home.is_some_and(|home| path.starts_with(home.join(".cache")))
}

/// Returns true for a file in which an interactive program keeps what was typed, or where its windows were: it says nothing of what
/// is made, and is written all the time.
pub(super) fn is_history(path: &Path, home: Option<&Path>) -> bool {
    let is_of_home = home.is_some_and(|home| path.parent() == Some(home));
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    is_of_home
        && name.starts_with('.')
        && (name.to_ascii_lowercase().contains("history")
            || HISTORIES.iter().any(|known| name.starts_with(known)))
}

fn is_of_tools(path: &Path, home: Option<&Path>) -> bool {
    if DATA_FOLDERS.iter().any(|folder| path.starts_with(folder)) {
        return false;
    }
    if let Some(inside) = home.and_then(|home| path.strip_prefix(home).ok()) {
        if is_setting(inside) || HOME_ENVIRONMENT.iter().any(|folder| inside.starts_with(folder)) {
            return true;
        }
        if let Some((shared, inside)) = shared(inside, SHARED_OF_HOME) {
            // Nobody's own programs lie in a cache.
            let is_source = shared.folder == ".cache" && has_ending(inside, ENDINGS_OF_SOURCES);
            return is_source || is_tool(inside, shared.tools);
        }
    }
    if let Some((shared, inside)) = shared(path, SHARED) {
        let mut inside = inside.components();
        if shared.folder == "/run/user" {
            inside.next();
        }
        return is_tool(inside.as_path(), shared.tools);
    }
    SYSTEM_FOLDERS.iter().any(|folder| path.starts_with(folder))
}

/// Returns true for a file whose name begins with a dot, directly in a home.
fn is_setting(inside: &Path) -> bool {
    inside.parent() == Some(Path::new("")) && inside.as_os_str().as_encoded_bytes().first() == Some(&b'.')
}

fn shared<'p>(path: &'p Path, all: &'static [Shared]) -> Option<(&'static Shared, &'p Path)> {
    all.iter().find_map(|shared| Some((shared, path.strip_prefix(shared.folder).ok()?)))
}

/// Returns true for what looks like a tool among what lies side by side with tools.
fn is_tool(inside: &Path, tools: &[&str]) -> bool {
    let is_named = |tool: &&str| match tool.strip_suffix('*') {
        Some(start) => inside.as_os_str().as_encoded_bytes().starts_with(start.as_bytes()),
        None => inside.starts_with(tool),
    };
    tools.iter().any(is_named) || looks_like_tool(inside)
}

fn looks_like_tool(inside: &Path) -> bool {
    has_part_of_tool(inside.parent().unwrap_or(Path::new(""))) || has_ending(inside, ENDINGS_OF_TOOLS)
}

fn has_part_of_tool(folder: &Path) -> bool {
    folder.iter().any(|part| part.to_str().is_some_and(|part| PARTS_OF_TOOLS.contains(&part)))
}

fn has_ending(path: &Path, endings: &[&str]) -> bool {
    path.extension().and_then(OsStr::to_str).is_some_and(|ending| endings.contains(&ending))
}

/// Returns true for what lies beside a workspace that itself lies among tools, such as the folder of a service, and does not look
/// like a tool.
fn is_beside(path: &Path, root: &Path, home: Option<&Path>) -> bool {
    let Some(folder) = root.parent() else { return false };
    let Ok(beside) = path.strip_prefix(folder) else { return false };
    // What holds the workspace by chance is no folder of it.
    let Some(inside) = in_known_folder(folder, home).filter(|inside| *inside != Path::new("")) else {
        return false;
    };
    is_of_tools(root, home) && !has_part_of_tool(inside) && !looks_like_tool(beside)
}

/// Returns where a folder lies in the one of those listed here that it lies in.
fn in_known_folder<'p>(folder: &'p Path, home: Option<&Path>) -> Option<&'p Path> {
    let in_home = home.and_then(|home| folder.strip_prefix(home).ok());
    let of_home =
        in_home.and_then(|inside| HOME_ENVIRONMENT.iter().find_map(|known| inside.strip_prefix(known).ok()));
    let shared_of_home = in_home.and_then(|inside| Some(shared(inside, SHARED_OF_HOME)?.1));
    let shared = shared(folder, SHARED).map(|(_, inside)| inside);
    let of_system = || SYSTEM_FOLDERS.iter().find_map(|known| folder.strip_prefix(known).ok());
    of_home.or(shared_of_home).or(shared).or_else(of_system)
}
