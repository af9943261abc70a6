//! Programs that take a password behind an option, or as a word of its own.

use super::names::is_variable;

/// How a program takes a password.
#[derive(Debug)]
struct Program {
    names: &'static [&'static str],
    /// Only behind this word: `docker login -p`, and not `docker run -p`.
    behind: Option<&'static str>,
    /// Without one, it is the first word that is no option.
    options: &'static [&'static str],
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
    /// In the next word only, behind this front: other fronts say where it is to be found.
    ApartBehind(&'static str),
    /// In the same word or in the next.
    Either,
    /// As `Either`, behind a name and this sign.
    BehindName(char),
}

const fn program(names: &'static [&'static str], options: &'static [&'static str], form: Form) -> Program {
    Program { names, behind: None, options, form, runs_others: false }
}

/// A program may have several rows.
const PROGRAMS: &[Program] = &[
    program(
        &[
            "mysql",
            "mysqladmin",
            "mysqlcheck",
            "mysqldump",
            "mysqlimport",
            "mysqlpump",
            "mysqlshow",
            "mysqlslap",
            "mariadb",
            "mariadb-admin",
            "mariadb-backup",
            "mariadb-check",
            "mariadb-dump",
            "mariadb-import",
            "mariadb-show",
        ],
        &["-p"],
        Form::Attached,
    ),
    program(&["7z", "7za", "7zr", "7zz", "rar", "unrar"], &["-p"], Form::Attached),
    program(
        &[
            "beeline",
            "cqlsh",
            "cypher-shell",
            "mongo",
            "mongodump",
            "mongoexport",
            "mongofiles",
            "mongoimport",
            "mongorestore",
            "mongosh",
            "mongostat",
            "mycli",
            "mysqlsh",
            "ncftpget",
            "ncftpput",
            "rabbitmqadmin",
        ],
        &["-p"],
        Form::Either,
    ),
    program(&["vsql"], &["-w"], Form::Either),
    program(&["redis-cli"], &["-a"], Form::Either),
    program(&["ldapsearch", "ldapadd", "ldapmodify", "ldapdelete", "ldapwhoami"], &["-w"], Form::Either),
    program(&["zip", "unzip", "zipcloak"], &["-P"], Form::Either),
    program(&["bcp", "ipmitool", "mosquitto_pub", "mosquitto_sub", "sqlcmd"], &["-P"], Form::Either),
    program(&["sqlplus", "sqlldr", "expdp", "impdp"], &[], Form::BehindName('/')),
    program(&["openssl"], &["-k"], Form::Apart),
    program(&["openssl"], &["-pass", "-passin", "-passout"], Form::ApartBehind("pass:")),
    program(&["ssh-keygen"], &["-N", "-P"], Form::Either),
    program(&["curl"], &["-b"], Form::BehindName('=')),
    program(&["curl"], &["-E", "--cert", "--proxy-cert"], Form::BehindName(':')),
    program(&["curl"], &["--pass"], Form::Either),
    program(&["lftp"], &["-u"], Form::BehindName(',')),
    program(&["smbclient", "smbget", "rpcclient"], &["-U"], Form::BehindName('%')),
    program(&["http", "https", "xh"], &["-a"], Form::BehindName(':')),
    program(
        &["skopeo", "podman", "buildah"],
        &["--creds", "--src-creds", "--dest-creds"],
        Form::BehindName(':'),
    ),
    Program { runs_others: true, ..program(&["sshpass"], &["-p"], Form::Either) },
    Program {
        behind: Some("login"),
        ..program(&["docker", "podman", "skopeo", "buildah", "helm", "az", "oc"], &["-p"], Form::Either)
    },
    Program { behind: Some("login"), ..program(&["glab"], &["-t"], Form::Either) },
    Program { behind: Some("login"), ..program(&["wandb", "vault"], &[], Form::Either) },
    Program { behind: Some("upload"), ..program(&["twine"], &["-p"], Form::Either) },
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
    /// What is known of its program, and whether the word has come that the password stands behind.
    rows: Vec<(&'static Program, bool)>,
    /// The next word is the password, or has it in this form.
    next: Option<Form>,
    /// Of a command that takes a name and its value as two words: how many of its words have come.
    settings: Option<(&'static [&'static str], usize)>,
}

/// Commands behind which a name and its value are two words.
const SETTINGS: &[&[&str]] = &[
    &["aws", "configure", "set"],
    &["dvc", "remote", "modify"],
    &["git", "config"],
    &["lineage", "param"],
    &["poetry", "config"],
];

impl Reading {
    /// Takes the next word; returns where in it the password begins, if it holds one.
    pub fn password_in(&mut self, word: &str) -> Option<usize> {
        let is_option = word.starts_with('-');
        let is_behind_option = std::mem::replace(&mut self.is_behind_option, is_option);
        if let Some(form) = self.next.take() {
            return form.begin_in(word);
        }
        if !is_option && self.rows.iter().any(|(program, _)| program.runs_others) {
            *self = Reading::default();
            return self.password_in(word);
        }
        let name = word.rsplit('/').next().unwrap_or(word);
        self.settings = match self.settings {
            Some((words, known)) if known == words.len() => Some((words, known)),
            Some((words, known)) if words[known] == name => Some((words, known + 1)),
            None if !self.is_begun => SETTINGS.iter().find(|words| words[0] == name).map(|words| (*words, 1)),
            _ => None,
        };
        // `NAME=value` before a command is none.
        let may_be_program = !is_option && !word.contains('=');
        if may_be_program && (!self.is_begun || self.has_runner && !is_behind_option) {
            self.has_runner |= RUNNERS.contains(&name);
            self.is_begun = true;
            let mut rows = PROGRAMS.iter().filter(|program| program.names.contains(&name)).peekable();
            if rows.peek().is_some() {
                self.rows = rows.map(|program| (program, program.behind.is_none())).collect();
                return None;
            }
        }
        let mut found = None;
        for (program, is_behind) in &mut self.rows {
            if *is_behind && found.is_none() {
                let is_first = program.options.is_empty() && !is_option;
                if is_first {
                    // An address, a setting, or the name of a script is none.
                    let is_plain = word.starts_with(['/', '@']) || word.contains('=') || word.contains("://");
                    *is_behind = false;
                    found = program.form.begin_in(word).filter(|_| !is_plain);
                }
                for option in program.options {
                    let Some(attached) = word.strip_prefix(option) else { continue };
                    if attached.is_empty() {
                        self.next = (program.form != Form::Attached).then_some(program.form);
                        continue;
                    }
                    let sign = if option.starts_with("--") { "=" } else { "" };
                    if let Some(value) = attached.strip_prefix(sign)
                        && !matches!(program.form, Form::Apart | Form::ApartBehind(_))
                    {
                        let begin = program.form.begin_in(value);
                        found = found.or(begin.map(|begin| option.len() + sign.len() + begin));
                    }
                }
            }
            *is_behind |= program.behind == Some(word);
        }
        found
    }

    /// Returns true where a name and its value stand as two words.
    pub fn sets_values(&self) -> bool {
        self.settings.is_some_and(|(words, known)| known == words.len())
    }
}

impl Form {
    /// Returns where the password begins in a word that says it; a variable of the shell is none.
    fn begin_in(self, value: &str) -> Option<usize> {
        let begin = match self {
            Form::BehindName(sign) => value.find(sign)? + sign.len_utf8(),
            Form::ApartBehind(front) => value.starts_with(front).then_some(front.len())?,
            Form::Attached | Form::Apart | Form::Either => 0,
        };
        (!is_variable(value[begin..].trim_start_matches('"'))).then_some(begin)
    }
}
