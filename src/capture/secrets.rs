//! Masking of what looks like a credential, before it reaches the journal.
//!
//! Six rules: the value of an argument whose name says that it is secret, the same in a document such as JSON and in a connection
//! string, the password in a URL, what a header says that carries credentials, what well-known programs take as a password behind
//! an option of one letter, and words that carry the prefix by which a service marks its tokens. In an argument that is a script, as after `sh -c`, and in a text for people, they hold for each of its words.
//! What is masked is replaced by `***`; nothing else is changed.

use names::{is_plain, is_secret};
use pairs::masked_pairs;
use programs::Reading;

mod names;
mod pairs;
mod programs;

const MASK: &str = "***";

/// Fronts of tokens, with the length from which on a word is taken for one.
const TOKEN_FRONTS: &[(&str, usize)] = &[
    ("ghp_", 20),
    ("gho_", 20),
    ("ghs_", 20),
    ("github_pat_", 30),
    ("glpat-", 20),
    ("hf_", 20),
    ("sk-", 20),
    ("xoxb-", 20),
    ("xoxp-", 20),
    ("AKIA", 20),
    ("ASIA", 20),
    ("AIza", 30),
    ("eyJ", 40),
    ("npm_", 20),
    ("pypi-", 20),
];

/// Headers that carry credentials, besides those whose name says so.
const SECRET_HEADERS: &[&str] = &["authorization", "proxy-authorization", "cookie", "set-cookie"];

/// Scripts in scripts are looked into so deep.
const DEPTH_MAX: u32 = 4;

/// Masks a command line.
pub fn masked(arguments: &[String]) -> Vec<String> {
    let mut reading = Words::default();
    arguments.iter().map(|argument| reading.masked(argument, 0)).collect()
}

/// Masks the value of a parameter, a tag or a field of this name.
pub fn masked_value(name: &str, value: &str) -> String {
    match is_secret(name, value) {
        true => MASK.to_owned(),
        false => Words::default().masked(value, 0),
    }
}

/// Masks what looks like a credential in a text for people, which may quote a command: also `password: abc`, of two words.
pub fn masked_prose(text: &str) -> String {
    let pairs = masked_pairs(text);
    let mut rest = pairs.as_deref().unwrap_or(text);
    let mut masked = String::with_capacity(rest.len());
    let mut reading = Words::default();
    let (mut before, mut name) = ("", None);
    while !rest.is_empty() {
        let gap = rest.find(|c: char| !c.is_whitespace()).unwrap_or(rest.len());
        masked.push_str(&rest[..gap]);
        let (word, after) = rest[gap..].split_at(end_of_said(&rest[gap..]));
        rest = after;
        let (quote, inner) = match unquoted(word) {
            Some((quote, inner)) => (Some(quote), inner),
            None => (None, word),
        };
        let shown = reading.masked(inner, if quote.is_some() { 0 } else { DEPTH_MAX });
        let is_value = name.is_some_and(|name| is_secret(name, inner)) && !inner.contains(MASK);
        masked.extend(quote);
        masked.push_str(if is_value { MASK } else { &shown });
        masked.extend(quote);
        name = match word {
            ":" | "=" => Some(before),
            _ => word.strip_suffix([':', '=']),
        };
        before = word;
    }
    masked
}

/// Returns where the word at the front of a text for people ends: a quotation is one, and an apostrophe begins none.
fn end_of_said(text: &str) -> usize {
    let until_gap = |from: usize| text[from..].find(char::is_whitespace).map_or(text.len(), |end| from + end);
    let plain = until_gap(0);
    let mut quotes = text[..plain].char_indices().filter(|(_, c)| matches!(c, '\'' | '"'));
    let open = quotes.find(|(at, _)| *at == 0 || text[..*at].ends_with(['=', ':']));
    let closed = open.and_then(|(at, quote)| Some(at + 1 + text[at + 1..].find(quote)? + 1));
    closed.map_or(plain, until_gap)
}

/// What the words before a word say of it.
#[derive(Default)]
struct Words {
    /// The option whose value it is.
    option: Option<String>,
    /// It is a script.
    is_script: bool,
    /// It stands behind `-e`, which other programs have for a variable.
    is_expression: bool,
    /// It may be `-u` of `curl`.
    is_of_curl: bool,
    /// It is `NAME:PASSWORD`.
    is_user: bool,
    /// Which program they started, and what it was told.
    command: Reading,
}

impl Words {
    /// Masks the next word.
    fn masked(&mut self, word: &str, depth: u32) -> String {
        let name = word.trim_start_matches('-');
        let is_option = name.len() < word.len();
        let before = std::mem::take(self);
        let is_curl = word == "curl" || word.ends_with("/curl");
        *self = Words {
            option: (is_option && !word.contains(|c: char| c == '=' || c.is_whitespace()))
                .then(|| name.to_owned()),
            // `-c`, `-lc`, `-e`; an option with a longer name says something else.
            is_script: is_option && !word.starts_with("--") && name.len() <= 3 && name.ends_with(['c', 'e']),
            is_expression: word == "-e",
            is_of_curl: is_curl || before.is_of_curl,
            is_user: before.is_of_curl && user_of_curl(word).is_some_and(|(_, user)| user.is_empty()),
            command: before.command,
        };
        if let Some(begin) = self.command.password_in(word)
            && begin < word.len()
        {
            return format!("{}{MASK}", &word[..begin]);
        }
        if self.command.sets_values() && !is_option {
            self.option = Some(name.to_owned());
        }
        if !is_option && before.option.is_some_and(|option| is_secret(&option, word)) {
            return MASK.to_owned();
        }
        let user = match before.is_user {
            true => Some(("", word)),
            false => user_of_curl(word).filter(|_| before.is_of_curl),
        };
        if let Some((option, user)) = user
            && let Some((name, _)) = user.split_once(':')
        {
            return format!("{option}{name}:{MASK}");
        }
        if let Some(header) = masked_header(word) {
            return header;
        }
        let pairs = masked_pairs(word);
        let word = pairs.as_deref().unwrap_or(word);
        // `--password=two words` is one argument, `echo --password=x and more` a script; `PASSWORD=two words` behind `-e` is a
        // variable, and behind `-c` a script.
        let first = word.split(char::is_whitespace).next().unwrap_or_default();
        let is_value = word.split_once('=').is_some_and(|(name, value)| {
            name.len() < first.len()
                && is_secret(name, if before.is_script { &first[name.len() + 1..] } else { value })
        });
        let is_script = !is_value || before.is_script && !before.is_expression;
        if first.len() < word.len() && is_script && depth < DEPTH_MAX {
            return masked_script(word, depth + 1);
        }
        masked_word(word)
    }
}

/// Options of `curl` of one letter that have no value, and so may stand before another in one word.
const CURL_FLAGS: &str = "0123469aBfgGiIjJklLMnNOpqRsSvVZ#";

/// Splits an option of `curl` that says `NAME:PASSWORD`, into the option and what follows in the same word: `-u`, `-uNAME:PASSWORD`,
/// `-suNAME:PASSWORD`, `--user=NAME:PASSWORD`, and the same for a proxy.
fn user_of_curl(word: &str) -> Option<(&str, &str)> {
    if let Some(long) = word.strip_prefix("--") {
        let (name, _) = long.split_once('=').unwrap_or((long, ""));
        let end = "--".len() + name.len() + usize::from(long.len() > name.len());
        return matches!(name, "user" | "proxy-user").then(|| word.split_at(end));
    }
    let letters = word.strip_prefix('-')?;
    let at = letters.find(|letter| !CURL_FLAGS.contains(letter))?;
    letters[at..].starts_with(['u', 'U']).then(|| word.split_at(at + 2))
}

/// Masks the words of a script, and changes nothing between them.
fn masked_script(script: &str, depth: u32) -> String {
    let mut masked = String::with_capacity(script.len());
    let mut reading = Words::default();
    // The words before: `password = "abc"` is said in three.
    let (mut before, mut name) = ("", None);
    let mut rest = script;
    while !rest.is_empty() {
        let gap = rest.find(|c: char| !is_between_words(c)).unwrap_or(rest.len());
        if rest[..gap].contains([';', '|', '&', '\n', '(', ')']) {
            // Another command: nothing that was said before is about it.
            (reading, before, name) = (Words::default(), "", None);
        }
        masked.push_str(&rest[..gap]);
        let word = &rest[gap..];
        let (word, after) = word.split_at(end_of_word(word));
        rest = after;
        let (quote, inner) = match unquoted(word) {
            Some((quote, inner)) => (Some(quote), inner),
            None => (None, word),
        };
        if !inner.is_empty() {
            let shown = reading.masked(inner, if quote.is_some() { depth } else { DEPTH_MAX });
            // What stands without quotes may be another name.
            let is_value = quote.is_some() && name.is_some_and(|name| is_secret(name, inner));
            masked.extend(quote);
            masked.push_str(if is_value { MASK } else { &shown });
            masked.extend(quote);
        } else {
            masked.push_str(word);
        }
        name = if word == "=" { Some(before) } else { None };
        before = word;
    }
    masked
}

fn is_between_words(c: char) -> bool {
    c.is_whitespace() || matches!(c, ';' | '|' | '&' | '(' | ')' | '<' | '>')
}

/// Returns where the word at the front of `text` ends: what is in quotes belongs to it.
fn end_of_word(text: &str) -> usize {
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match quote {
            _ if std::mem::take(&mut escaped) => {}
            _ if c == '\\' && quote != Some('\'') => escaped = true,
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if matches!(c, '\'' | '"') => quote = Some(c),
            None if is_between_words(c) => return at,
            None => {}
        }
    }
    text.len()
}

/// Takes the quotes off a word that is in quotes altogether.
fn unquoted(word: &str) -> Option<(char, &str)> {
    let quote = word.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let inner = word.strip_prefix(quote)?.strip_suffix(quote)?;
    (!inner.contains(quote)).then_some((quote, inner))
}

/// Masks a header that carries credentials, `Authorization: Bearer abc`, also behind `-H` or `--header=`.
fn masked_header(word: &str) -> Option<String> {
    let start = match word.split_once('=') {
        Some((option, _)) if option.starts_with('-') && !option.contains([':', ' ']) => option.len() + 1,
        _ if word.starts_with("-H") => 2,
        _ => 0,
    };
    let (front, header) = word.split_at(start);
    let (name, value) = header.split_once(':')?;
    let is_name =
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    let lower = name.to_ascii_lowercase();
    let said = value.trim();
    let is_secret = SECRET_HEADERS.contains(&lower.as_str()) || is_secret(name, said);
    if !is_name || !is_secret || said.is_empty() || said.starts_with("//") {
        return None;
    }
    // How it is said (`Bearer`, `Basic`) is no secret.
    match said.split_once(' ') {
        Some((scheme, _)) if lower.ends_with("authorization") => {
            Some(format!("{front}{name}: {scheme} {MASK}"))
        }
        _ => Some(format!("{front}{name}: {MASK}")),
    }
}

/// Masks one word: `NAME=value`, a URL, a token.
pub fn masked_word(word: &str) -> String {
    if let Some((name, value)) = word.split_once('=')
        && is_secret(name, value)
        && !name.contains("://")
    {
        return format!("{name}={MASK}");
    }
    if is_token(word) {
        return MASK.to_owned();
    }
    let url = masked_url(word);
    let word = url.as_deref().unwrap_or(word);
    // The query of a URL has been seen to, and ends where its fragment begins.
    let query = word.find("://").and_then(|_| word.find(['?', '#'])).unwrap_or(word.len());
    masked_among(&word[..query]) + &word[query..]
}

/// What stands between the values in a word that has several.
const BETWEEN_VALUES: [char; 3] = [';', ',', '&'];

/// Masks the secret values among those in one word: `Server=h;Password=abc`, `user=me&password=abc`.
fn masked_among(word: &str) -> String {
    let mut masked = String::with_capacity(word.len());
    let (mut written, mut at) = (0, 0);
    while let Some(found) = word[at..].find('=') {
        let value = at + found + 1;
        let name = word[at..value - 1].rfind(BETWEEN_VALUES).map_or(at, |before| at + before + 1);
        let end = end_of_value(word, value, word[..name].chars().next_back());
        at = value;
        let (name, said) = (&word[name..value - 1], &word[value..end]);
        if !name.contains("://") && is_secret(name, said) || is_token(said) {
            masked.push_str(&word[written..value]);
            masked.push_str(MASK);
            (written, at) = (end, end);
        }
    }
    masked + &word[written..]
}

/// Returns where a value ends: where `between` stands, which stood before its name too, and another name follows; or else with
/// the word, for a password may hold any character.
fn end_of_value(word: &str, value: usize, between: Option<char>) -> usize {
    let Some(between) = between.filter(|between| BETWEEN_VALUES.contains(between)) else { return word.len() };
    let closing = match word[value..].chars().next() {
        Some('{') => Some('}'),
        quote => quote.filter(|quote| matches!(quote, '\'' | '"')),
    };
    let quoted = closing.and_then(|closing| word[value + 1..].find(closing)).map_or(0, |end| end + 1);
    let from = value + quoted;
    let mut ends = word[from..].match_indices(between).map(|(end, _)| from + end);
    let is_end = |end: &usize| {
        let next = &word[end + between.len_utf8()..];
        next.is_empty() || next.split(between).next().is_some_and(|next| next.contains('='))
    };
    ends.find(is_end).unwrap_or(word.len())
}

/// Masks the user's part and secret parameters of a URL; `None` where there is nothing to mask.
fn masked_url(word: &str) -> Option<String> {
    let at = word.find("://")?;
    let (scheme, rest) = word.split_at(at + 3);
    let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(authority_end);
    let shown_authority = match authority.rsplit_once('@') {
        Some((user, host)) => match user.split_once(':') {
            Some((name, _)) => format!("{name}:{MASK}@{host}"),
            None if is_token_before(scheme, user) => format!("{MASK}@{host}"),
            None => authority.to_owned(),
        },
        None => authority.to_owned(),
    };
    let query = path.find(['?', '#']).unwrap_or(path.len());
    let (path, query) = path.split_at(query);
    let parts = query.split_inclusive(['?', '#', '&', ';']).map(|part| {
        let end = part.trim_end_matches(['?', '#', '&', ';']).len();
        match part[..end].split_once('=') {
            Some((name, value)) if is_secret(name, value) || is_opening(name, value) || is_token(value) => {
                format!("{name}={MASK}{}", &part[end..])
            }
            _ => part.to_owned(),
        }
    });
    let shown_path = format!("{path}{}", parts.collect::<String>());
    let shown = format!("{scheme}{shown_authority}{shown_path}");
    (shown != word).then_some(shown)
}

/// Returns true for what may be a token in the place of a user: a name is none where the scheme has names there, as
/// `abfss://container@account` and `ssh://git@host`.
fn is_token_before(scheme: &str, user: &str) -> bool {
    scheme.ends_with("http://") || scheme.ends_with("https://") || is_token(user) || user.len() > 30
}

fn is_token(word: &str) -> bool {
    TOKEN_FRONTS.iter().any(|(front, length)| word.starts_with(front) && word.len() >= *length)
}

/// Returns true for what opens a URL: its signature, or a key.
fn is_opening(name: &str, value: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let is_signature = name == "sig" || name.contains("signature");
    match name.as_str() {
        "auth" => !is_plain(value),
        "key" => is_opaque(value),
        _ => is_signature && !value.is_empty(),
    }
}

/// Returns true for letters mixed with digits, as keys are: of an object too there may be a `key`, which is a place, a word, a
/// number, or a word that is counted up.
fn is_opaque(value: &str) -> bool {
    const LONG: usize = 16;
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    let letters = value.bytes().filter(u8::is_ascii_alphabetic).count();
    let stem = value.trim_end_matches(|c: char| c.is_ascii_digit());
    let is_counted = stem.len() == letters && digits > 2;
    let is_short_one = value.len() >= 8 && digits + letters == value.len() && !is_counted;
    let is_of_words = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    digits > 0 && letters > 0 && is_of_words && (value.len() >= LONG || is_short_one)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(arguments: &[&str], expected: &[&str]) {
        let arguments: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).collect();
        assert_eq!(masked(&arguments), expected);
    }

    #[test]
    fn what_looks_like_a_credential_is_masked() {
        check(&["x", "--password", "hunter2", "-v"], &["x", "--password", "***", "-v"]);
        check(&["x", "--pwd", "hunter18", "-v"], &["x", "--pwd", "***", "-v"]);
        check(&["x", "--api-key=abc", "DB_PASSWORD=abc"], &["x", "--api-key=***", "DB_PASSWORD=***"]);
        check(&["psql", "postgres://me:pw@host/db"], &["psql", "postgres://me:***@host/db"]);
        check(&["curl", "https://h/x?token=abc&n=1"], &["curl", "https://h/x?token=***&n=1"]);
        check(&["x", "ghp_abcdefghijklmnopqrstuvwxyz0123"], &["x", "***"]);
        check(&["x", "--dsn=host=h user=me password=abc"], &["x", "--dsn=host=h user=me password=***"]);
        check(&["x", "--config", "{\"password\": \"a b\"}"], &["x", "--config", "{\"password\": \"***\"}"]);
    }

    #[test]
    fn passwords_behind_the_short_options_of_programs_are_masked() {
        for (said, expected) in [
            ("mysql -uroot -pabc db", "mysql -uroot -p*** db"),
            ("/usr/bin/mysqldump -p db", "/usr/bin/mysqldump -p db"),
            ("docker login -u u -p abc r", "docker login -u u -p *** r"),
            ("docker run -p 80:80 image", "docker run -p 80:80 image"),
            ("sshpass -p abc ssh -p 22 h", "sshpass -p *** ssh -p 22 h"),
            ("sshpass -pabc mysql -px", "sshpass -p*** mysql -p***"),
            ("redis-cli -h h -a abc get k", "redis-cli -h h -a *** get k"),
            ("unzip -Pabc a.zip -d out", "unzip -P*** a.zip -d out"),
            ("zip -r -P abc a.zip in", "zip -r -P *** a.zip in"),
            ("7z x -pabc a.7z", "7z x -p*** a.7z"),
            ("openssl enc -k abc -in f", "openssl enc -k *** -in f"),
            ("smbclient -U u%abc //h/s", "smbclient -U u%*** //h/s"),
            ("http -a u:abc h", "http -a u:*** h"),
            ("aws configure set aws_secret_access_key abc", "aws configure set aws_secret_access_key ***"),
            ("aws configure set region eu-1", "aws configure set region eu-1"),
            ("cp -p a b", "cp -p a b"),
            (
                "x --license-key abc --bearer abc --cookie s=abc",
                "x --license-key *** --bearer *** --cookie ***",
            ),
            (
                "DB_PASS=abc rclone --sftp-pass abc --db-pw abc",
                "DB_PASS=*** rclone --sftp-pass *** --db-pw ***",
            ),
            ("ffmpeg -pass 1 --first-pass 2", "ffmpeg -pass 1 --first-pass 2"),
        ] {
            let words: Vec<&str> = said.split(' ').collect();
            check(&words, &expected.split(' ').collect::<Vec<_>>());
            check(
                &["sh", "-c", &format!("true; {said} && true")],
                &["sh", "-c", &format!("true; {expected} && true")],
            );
        }
        for said in [
            "openssl req -key key.pem -keyout k2",
            "load.py --db mysql -port 3306 -pretrained x",
            "cat.py --source zip -P 8 --scheme http -a model.bin:v2",
            "mysql -p\"$PW\" db",
            "filter.py --band-pass 0.5-40 --high-pass butter --render-pass diffuse band_pass=0.5-40",
        ] {
            let words: Vec<&str> = said.split(' ').collect();
            check(&words, &words);
            check(&["sh", "-c", said], &["sh", "-c", said]);
        }
        for (said, expected) in [
            ("sudo -u me mysql -pabc", "sudo -u me mysql -p***"),
            ("docker exec db mysql -uroot -pabc", "docker exec db mysql -uroot -p***"),
            ("A=1 redis-cli -a abc", "A=1 redis-cli -a ***"),
            ("ssh -i key h mysqldump -pabc db", "ssh -i key h mysqldump -p*** db"),
        ] {
            check(&["sh", "-c", said], &["sh", "-c", expected]);
        }
        check(
            &["python", "-c", "t.pad_token = t.eos_token; password = value"],
            &["python", "-c", "t.pad_token = t.eos_token; password = value"],
        );
        check(&["perl", "-e", "my $password = \"abc\";"], &["perl", "-e", "my $password = \"***\";"]);
        check(&["sh", "-c", "test $x = abc"], &["sh", "-c", "test $x = abc"]);
    }

    #[test]
    fn of_urls_what_opens_them_is_masked_and_names_stay() {
        for (url, expected) in [
            ("s3://AKIA:hunter9@b/k", "s3://AKIA:***@b/k"),
            ("https://abc@h/r", "https://***@h/r"),
            ("ssh://git@h/r", "ssh://git@h/r"),
            ("abfss://container@account/p", "abfss://container@account/p"),
            ("https://h/x?n=1&sslpassword=zzz#p", "https://h/x?n=1&sslpassword=***#p"),
            ("https://h/x?sv=1&sig=abc", "https://h/x?sv=1&sig=***"),
            ("https://h/x#access_token=abc&n=1", "https://h/x#access_token=***&n=1"),
            (
                "https://h/x?X-Amz-Credential=a&X-Amz-Signature=b",
                "https://h/x?X-Amz-Credential=***&X-Amz-Signature=***",
            ),
            ("https://h/x?secret_dim=3", "https://h/x?secret_dim=3"),
            ("https://h/?key=hunter33&n=1", "https://h/?key=***&n=1"),
            ("https://h/?key=0123456789abcdef-_X", "https://h/?key=***"),
            ("https://h/?auth=hunter33", "https://h/?auth=***"),
            ("https://h/?x=ghp_abcdefghijklmnopqrstuvwxyz0123", "https://h/?x=***"),
            ("https://h/?key=train&auth=true", "https://h/?key=train&auth=true"),
            ("https://h/?key=data/part-1.csv", "https://h/?key=data/part-1.csv"),
            ("https://h/?key=part0001", "https://h/?key=part0001"),
            ("jdbc:sqlserver://h:1;user=u;password=p;n=1", "jdbc:sqlserver://h:1;user=u;password=***;n=1"),
        ] {
            assert_eq!(masked_word(url), expected);
            assert_eq!(masked_word(expected), expected);
        }
    }

    #[test]
    fn among_several_values_in_a_word_the_secret_ones_are_masked() {
        for (word, expected) in [
            ("Server=h;Password=hunter35", "Server=h;Password=***"),
            ("Server=h;PWD=a=b;Database=d", "Server=h;PWD=***;Database=d"),
            ("Server=h;Password={a;b=c};Database=d;", "Server=h;Password=***;Database=d;"),
            ("Server=h;Password=a;b", "Server=h;Password=***"),
            ("--dsn=Server=h;Password=a", "--dsn=Server=h;Password=***"),
            ("user=me&password=a&n=1", "user=me&password=***&n=1"),
            ("n=1,token=abc", "n=1,token=***"),
            ("n=1;key=value,secret_dim=3", "n=1;key=value,secret_dim=3"),
        ] {
            assert_eq!(masked_word(word), expected);
            assert_eq!(masked_word(expected), expected);
        }
        assert_eq!(masked_value("conn", "Server=h;Password=x"), "Server=h;Password=***");
    }

    #[test]
    fn in_a_text_for_people_the_secret_words_are_masked_and_no_others() {
        for (text, expected) in [
            ("curl -u u:hunter52 https://h", "curl -u u:*** https://h"),
            ("see https://u:hunter48@h, password=hunter60\n", "see https://u:***@h, password=***\n"),
            ("its password: hunter65 and  more", "its password: *** and  more"),
            ("password = hunter65, user = me", "password = *** user = me"),
            ("password: 'a b' it's", "password: '***' it's"),
            ("password=\"a b\" x", "password=*** x"),
            ("x --token abc -v", "x --token *** -v"),
            ("-H 'Authorization: Bearer abc' u", "-H 'Authorization: Bearer ***' u"),
            ("{\"password\": \"a\", \"n\": 1}", "{\"password\": \"***\", \"n\": 1}"),
            ("Server=h;Password=hunter35", "Server=h;Password=***"),
            (
                "it's key=value, secret_dim=3: --key-column id",
                "it's key=value, secret_dim=3: --key-column id",
            ),
            (
                "the token is 'a word', don't: pad_token: <pad>",
                "the token is 'a word', don't: pad_token: <pad>",
            ),
            ("max_tokens: 512, in /a/b", "max_tokens: 512, in /a/b"),
        ] {
            assert_eq!(masked_prose(text), expected);
            assert_eq!(masked_prose(expected), expected);
        }
    }

    #[test]
    fn the_value_of_a_parameter_is_masked_by_its_name_and_by_what_is_in_it() {
        for (name, value, expected) in [
            ("password", "a b", "***"),
            ("secret_dim", "3", "3"),
            ("cfg", "{\"password\": \"hunter5\"}", "{\"password\": \"***\"}"),
            ("url", "https://u:p@h/", "https://u:***@h/"),
            ("command", "x --password p -v", "x --password *** -v"),
            ("note", "a = b", "a = b"),
        ] {
            assert_eq!(masked_value(name, value), expected, "{name}");
        }
    }

    #[test]
    fn headers_and_users_of_curl_are_masked_and_say_of_what_sort_they_are() {
        check(&["curl", "-H", "Authorization: Bearer abc"], &["curl", "-H", "Authorization: Bearer ***"]);
        check(&["curl", "-HX-Api-Key: abc", "u"], &["curl", "-HX-Api-Key: ***", "u"]);
        check(&["curl", "--header=Cookie: a=b; c=d"], &["curl", "--header=Cookie: ***"]);
        check(&["curl", "-H", "Accept: text/html"], &["curl", "-H", "Accept: text/html"]);
        check(&["/usr/bin/curl", "-s", "-u", "me:pw", "u"], &["/usr/bin/curl", "-s", "-u", "me:***", "u"]);
        check(&["docker", "run", "-u", "1000:1000"], &["docker", "run", "-u", "1000:1000"]);
        check(&["curl", "-ume:pw", "--user=me:pw"], &["curl", "-ume:***", "--user=me:***"]);
        check(&["curl", "-sSu", "me:p:w", "u"], &["curl", "-sSu", "me:***", "u"]);
        // A name alone, an option with a value of its own, and what only looks like one.
        let plain = ["curl", "-ume", "-output:x", "--user-agent=a:b", "-o", "u:x", "--url=http://h:80/"];
        check(&plain, &plain);
        check(&["docker", "run", "-e", "PASSWORD=two words"], &["docker", "run", "-e", "PASSWORD=***"]);
    }

    #[test]
    fn in_a_script_only_the_secret_words_are_masked() {
        let scripts = [
            (": --token abc123", ": --token ***"),
            ("echo --password=x and the rest", "echo --password=*** and the rest"),
            (
                "API_TOKEN=x python a.py --lr 3; echo $API_TOKEN",
                "API_TOKEN=*** python a.py --lr 3; echo $API_TOKEN",
            ),
            ("x --password='a b' c >out", "x --password=*** c >out"),
            ("x --password 'a b' && y", "x --password '***' && y"),
            ("curl -H 'Authorization: Bearer abc' u|jq .", "curl -H 'Authorization: Bearer ***' u|jq ."),
            ("sh -c \"x --token abc; y\"", "sh -c \"x --token ***; y\""),
            ("git clone https://me:pw@h/r && make", "git clone https://me:***@h/r && make"),
            ("x --token; y abc", "x --token; y abc"),
            ("for f in *.txt; do wc -l $f; done", "for f in *.txt; do wc -l $f; done"),
        ];
        for (script, expected) in scripts {
            check(&["sh", "-c", script], &["sh", "-c", expected]);
        }
        // An argument that is no script is secret to its end.
        check(&["x", "--password=two words"], &["x", "--password=***"]);
        check(&["x", "--note", "the token is fine"], &["x", "--note", "the token is fine"]);
    }

    proptest::proptest! {
        #[test]
        fn of_users_of_curl_the_password_is_masked_and_no_more(
            flags in "[skvL]{0,3}",
            letter in "[uU]",
            long in proptest::sample::select(vec!["--user", "--proxy-user"]),
            user in "[a-z]{1,6}",
            password in "[a-z0-9:]{1,8}",
        ) {
            let said = format!("{user}:{password}");
            let shown = format!("{user}:{MASK}");
            let short = format!("-{flags}{letter}");
            for (words, expected) in [
                (vec![format!("{short}{said}")], vec![format!("{short}{shown}")]),
                (vec![short.clone(), said.clone()], vec![short.clone(), shown.clone()]),
                (vec![format!("{long}={said}")], vec![format!("{long}={shown}")]),
                (vec![long.to_owned(), said.clone()], vec![long.to_owned(), shown.clone()]),
            ] {
                let of = |words: &[String]| [&["curl".to_owned()], words, &["https://h/".to_owned()]].concat();
                proptest::prop_assert_eq!(masked(&of(&words)), of(&expected));
                // The same in a script.
                let script = |words: &[String]| vec!["sh".to_owned(), "-c".to_owned(), of(words).join(" ")];
                proptest::prop_assert_eq!(masked(&script(&words)), script(&expected));
                // Of another program they are no passwords.
                let other = [&["id".to_owned()], words.as_slice()].concat();
                proptest::prop_assert_eq!(masked(&other), other);
            }
        }

        #[test]
        fn masking_is_stable_and_changes_nothing_but_by_masks(script in "[-a-z=:'\"; |\\\\]{0,40}") {
            let words = [String::from("sh"), String::from("-c"), script];
            let once = masked(&words);
            proptest::prop_assert_eq!(once[2].contains(MASK), once[2] != words[2]);
            proptest::prop_assert_eq!(masked(&once), once);
        }
    }

    #[test]
    fn everything_else_stays_as_it_is() {
        let plain = [
            "python",
            "train.py",
            "--epochs",
            "3",
            "--max-tokens",
            "512",
            "--tokenizer",
            "bert",
            "--key-column",
            "id",
            "--pwd",
            "/work",
            "hf://a/b",
            "a=b",
        ];
        check(&plain, &plain);
    }
}
