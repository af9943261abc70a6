//! Programs that take a password behind an option of one letter.

/// How a program takes a password.
#[derive(Debug)]
pub struct Program {
    names: &'static [&'static str],
    /// Only behind this word: `docker login -p`, and not `docker run -p`.
    behind: Option<&'static str>,
    option: &'static str,
    form: Form,
    /// What follows its first word that is no option belongs to another program.
    runs_others: bool,
}

/// Where the password stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// In the same word only: `-pabc`, where `-p abc` asks for it and opens `abc`.
    Attached,
    /// In the next word only.
    Apart,
    /// In the same word or in the next.
    Either,
    /// As `Either`, behind a name and this sign.
    BehindName(char),
}

const fn program(names: &'static [&'static str], option: &'static str, form: Form) -> Program {
    Program { names, behind: None, option, form, runs_others: false }
}

const PROGRAMS: &[Program] = &[
    program(
        &["mysql", "mysqldump", "mysqladmin", "mysqlimport", "mariadb", "mariadb-dump", "mariadb-admin"],
        "-p",
        Form::Attached,
    ),
    program(&["7z", "7za", "7zr", "7zz"], "-p", Form::Attached),
    program(
        &["mongo", "mongosh", "mongodump", "mongorestore", "mongoexport", "mongoimport"],
        "-p",
        Form::Either,
    ),
    program(&["redis-cli"], "-a", Form::Either),
    program(&["ldapsearch", "ldapadd", "ldapmodify", "ldapdelete", "ldapwhoami"], "-w", Form::Either),
    program(&["zip", "unzip", "zipcloak"], "-P", Form::Either),
    program(&["openssl"], "-k", Form::Apart),
    program(&["smbclient", "smbget", "rpcclient"], "-U", Form::BehindName('%')),
    program(&["http", "https", "xh"], "-a", Form::BehindName(':')),
    Program { runs_others: true, ..program(&["sshpass"], "-p", Form::Either) },
    Program {
        behind: Some("login"),
        ..program(&["docker", "podman", "skopeo", "buildah", "helm", "az", "oc"], "-p", Form::Either)
    },
];

/// Programs that start others: any of their words may name one.
const RUNNERS: &[&str] = &[
    "apptainer",
    "command",
    "docker",
    "env",
    "exec",
    "kubectl",
    "nice",
    "nohup",
    "podman",
    "setsid",
    "singularity",
    "srun",
    "ssh",
    "stdbuf",
    "sudo",
    "time",
    "timeout",
    "xargs",
];

/// The words of a command, as far as they say where a password stands.
#[derive(Debug, Default)]
pub struct Reading {
    /// What the command begins with has come.
    is_begun: bool,
    /// It begins with a program that starts others.
    has_runner: bool,
    /// The word before is an option.
    is_behind_option: bool,
    program: Option<&'static Program>,
    /// The word that the password stands behind has come.
    is_behind: bool,
    /// The next word is the password.
    is_next: bool,
    /// `aws configure set`, behind which a name and its value are two words.
    settings: usize,
}

const SETTINGS: [&str; 3] = ["aws", "configure", "set"];

impl Reading {
    /// Takes the next word; returns where in it the password begins, if it holds one.
    pub fn password_in(&mut self, word: &str) -> Option<usize> {
        let is_next = std::mem::take(&mut self.is_next);
        let is_behind_option = std::mem::replace(&mut self.is_behind_option, word.starts_with('-'));
        if let Some(program) = self.program {
            if is_next {
                return program.form.begin_in(word);
            }
            if program.runs_others && !word.starts_with('-') {
                *self = Reading::default();
                return self.password_in(word);
            }
        }
        let name = word.rsplit('/').next().unwrap_or(word);
        self.settings = match self.settings {
            known if known == SETTINGS.len() => known,
            known if known > 0 || !self.is_begun => usize::from(name == SETTINGS[known]) * (known + 1),
            _ => 0,
        };
        // `NAME=value` before a command is none.
        let may_be_program = !word.starts_with('-') && !word.contains('=');
        if may_be_program && (!self.is_begun || self.has_runner && !is_behind_option) {
            self.has_runner |= RUNNERS.contains(&name);
            self.is_begun = true;
            if let Some(found) = PROGRAMS.iter().find(|program| program.names.contains(&name)) {
                (self.program, self.is_behind) = (Some(found), found.behind.is_none());
                return None;
            }
        }
        let program = self.program?;
        self.is_behind |= program.behind == Some(word);
        let attached = word.strip_prefix(program.option).filter(|_| self.is_behind)?;
        if attached.is_empty() {
            self.is_next = program.form != Form::Attached;
            return None;
        }
        (program.form != Form::Apart).then_some(())?;
        Some(program.option.len() + program.form.begin_in(attached)?)
    }

    /// Returns true where a name and its value stand as two words.
    pub fn sets_values(&self) -> bool {
        self.settings == SETTINGS.len()
    }
}

impl Form {
    /// Returns where the password begins in a word that says it; a variable of the shell is none.
    fn begin_in(self, value: &str) -> Option<usize> {
        let begin = match self {
            Form::BehindName(sign) => value.find(sign)? + sign.len_utf8(),
            Form::Attached | Form::Apart | Form::Either => 0,
        };
        (!value[begin..].trim_start_matches('"').starts_with('$')).then_some(begin)
    }
}
