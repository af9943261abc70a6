//! Which names have secret values: by the words that a name is made of, and by what the value looks like.

/// What a name ends in whose value is secret, without what stands between its words: `db_password`, `sslpassword`, `X-Api-Key`.
const SECRETS: &[&str] = &[
    "password",
    "passwords",
    "passwd",
    "passphrase",
    "secret",
    "secrets",
    "token",
    "apikey",
    "apikeys",
    "accesskey",
    "accountkey",
    "authkey",
    "privatekey",
    "secretkey",
    "licensekey",
    "anthropickey",
    "cometkey",
    "hfkey",
    "neptunekey",
    "openaikey",
    "sseckey",
    "wandbkey",
    "credential",
    "credentials",
    "bearer",
    "cookie",
];

/// What a name begins with that says how many there are: `num_secrets=3`.
const COUNTS: &[&str] = &["count", "max", "min", "n", "num", "number", "total"];

/// As the last word of a name, a header that says who asks.
const AUTHORIZATION: &str = "authorization";

/// Whose `tokens` open something, where they are no numbers: of `tokens` that nothing else is said of, those with names.
const OF_TOKENS: &[&str] = &["access", "api", "auth", "bearer", "deploy", "refresh"];

/// Whose `token` is a mark in a text, of which a document may say more: `"pad_token": {"content": "<pad>"}`.
const OF_MARKS: &[&str] = &["bos", "cls", "eos", "mask", "pad", "sep", "special", "unk"];

/// Whose `pass` or `pw` is a password, and not the second pass of something, or a band pass.
const OF_PASSES: &[&str] = &[
    "admin", "auth", "db", "ftp", "http", "imap", "key", "keystore", "login", "mail", "mysql", "pg",
    "postgres", "proxy", "redis", "root", "sftp", "smtp", "ssh", "ssl", "store", "user",
];

/// Whose `auth` is what somebody logs in with: `--http-auth me:abc`; behind other words it is whether or how, as in `no_auth`.
const OF_AUTHS: &[&str] =
    &["admin", "api", "basic", "db", "http", "https", "proxy", "redis", "registry", "server", "user"];

/// Words in which these have no word of their own, and speak of a secret all the same: `passwordhash`.
const FRONTS: &[&str] = &["password", "passwd", "passphrase", "apikey"];

/// What a name ends in that has such a word before, and is no secret: `token_type`, `secret_dim`, `password_file`.
const PROPERTIES: &[&str] = &[
    "count",
    "dim",
    "dims",
    "dir",
    "dropout",
    "embedding",
    "embeddings",
    "file",
    "folder",
    "helper",
    "layer",
    "layers",
    "len",
    "length",
    "limit",
    "loss",
    "max",
    "min",
    "name",
    "names",
    "num",
    "path",
    "prob",
    "rate",
    "ratio",
    "size",
    "type",
    "types",
    "url",
    "uri",
    "weight",
];

/// Values that are none: nobody's password is `true`.
const SWITCHES: &[&str] = &["", "true", "false", "yes", "no", "on", "off", "none", "null"];

/// A number with more digits than this may be a secret.
const DIGITS_MAX: usize = 8;

/// What `--auth` is told that is no secret: in which way somebody proves who they are, and where that is read from.
const AUTH_SORTS: &[&str] = &[
    "anonymous",
    "apikey",
    "aws",
    "azure",
    "basic",
    "bearer",
    "browser",
    "cert",
    "certificate",
    "cli",
    "cookie",
    "default",
    "digest",
    "disabled",
    "enabled",
    "env",
    "external",
    "file",
    "gcp",
    "github",
    "google",
    "gssapi",
    "iam",
    "interactive",
    "jwt",
    "kerberos",
    "key",
    "ldap",
    "local",
    "login",
    "negotiate",
    "ntlm",
    "oauth",
    "oauth1",
    "oauth2",
    "oidc",
    "optional",
    "password",
    "plain",
    "required",
    "saml",
    "session",
    "ssh",
    "sso",
    "tls",
    "token",
    "user",
];

/// Returns true where the value of a name is secret.
pub fn is_secret(name: &str, value: &str) -> bool {
    let words = words(name);
    let value = value.trim();
    if is_plain(value) {
        return false;
    }
    let Some((last, before)) = words.split_last() else { return false };
    let is_one = |word: &str| SECRETS.contains(&word);
    if last == AUTHORIZATION {
        return true;
    }
    if last == "auth" && before.last().is_none_or(|word| OF_AUTHS.contains(&word.as_str())) {
        return !AUTH_SORTS.contains(&value.to_ascii_lowercase().as_str())
            && !value.starts_with(['/', '.', '~', '@'])
            && !is_variable(value);
    }
    // For a shell it is the folder that it is in.
    if last == "pwd" {
        return !value.starts_with(['/', '.', '~', '$']);
    }
    if matches!(last.as_str(), "pass" | "pw") {
        return before.last().is_some_and(|word| OF_PASSES.contains(&word.as_str()));
    }
    let whole = words.concat();
    if is_count(&words) && is_number(value) {
        return false;
    }
    if SECRETS.iter().any(|secret| whole.ends_with(secret)) {
        // The tokens of a language model are marks in a text, or their numbers: `pad_token=<pad>`, `eos_token=2`.
        return !(last.ends_with("token") && (is_mark(value) || !before.is_empty() && is_number(value)));
    }
    let speaks_of_one =
        words.iter().any(|word| is_one(word) || FRONTS.iter().any(|front| word.starts_with(front)))
            || words.windows(2).any(|two| is_one(&two.concat()));
    speaks_of_one && !PROPERTIES.contains(&last.as_str()) && !is_list_of_numbers(value)
}

/// Returns true where a name in a document says that all texts below it are secret: `{"password": {"value": "abc"}}`.
pub fn covers(name: &str) -> bool {
    let words = words(name);
    let Some((last, before)) = words.split_last() else { return false };
    let whole = words.concat();
    let is_of = |whose: &[&str]| before.last().is_some_and(|word| whose.contains(&word.as_str()));
    match last.as_str() {
        _ if is_count(&words) => false,
        AUTHORIZATION => true,
        "tokens" => before.is_empty() || is_of(OF_TOKENS),
        "token" => !is_of(OF_MARKS),
        _ => SECRETS.iter().any(|secret| whole.ends_with(secret)),
    }
}

/// Returns true for a text that is secret below such a name.
pub fn is_covered(text: &str) -> bool {
    let text = text.trim();
    !is_plain(text) && !is_mark(text) && !is_number(text)
}

/// Returns true for what is nobody's password: `true`.
pub fn is_plain(value: &str) -> bool {
    SWITCHES.contains(&value.to_ascii_lowercase().as_str())
}

/// Returns the words of a name in small letters: `dbPassword`, `DB_PASSWORD` and `--db-password` have two. What counts names up
/// at its end is no part of it.
fn words(name: &str) -> Vec<String> {
    let letters: Vec<char> = name.trim_end_matches(|c: char| c.is_ascii_digit()).chars().collect();
    let mut words = vec![String::new()];
    for (at, letter) in letters.iter().enumerate() {
        let is_after_small = at > 0 && letters[at - 1].is_lowercase();
        let is_last_of_shouted = at > 0
            && letters[at - 1].is_uppercase()
            && letters.get(at + 1).is_some_and(|next| next.is_lowercase());
        if !letter.is_alphanumeric() || letter.is_uppercase() && (is_after_small || is_last_of_shouted) {
            words.push(String::new());
        }
        if letter.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(letter.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Returns true for what begins with a variable of the shell: `$TOKEN`, `$HOME/token`, `${token}`, `$(cat token)`. A password may
/// begin with the same sign.
pub fn is_variable(value: &str) -> bool {
    let Some(name) = value.strip_prefix('$') else { return false };
    let is_of_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let rest = name.trim_start_matches(is_of_name);
    name.starts_with(['{', '(', '@', '*'])
        || rest.len() < name.len() && !rest.starts_with(|c: char| c.is_ascii_alphanumeric())
}

fn is_count(words: &[String]) -> bool {
    words.len() > 1 && COUNTS.contains(&words[0].as_str())
}

/// Returns true for a mark in a text: `<pad>`, `[MASK]`, `<|endoftext|>`.
fn is_mark(value: &str) -> bool {
    let inner = value.strip_prefix('<').and_then(|rest| rest.strip_suffix('>'));
    let inner = inner.or_else(|| value.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')));
    inner.is_some_and(|inner| inner.len() <= 24 && !inner.contains(['<', '>', '"', '\'']))
}

fn is_number(value: &str) -> bool {
    value.len() <= DIGITS_MAX && value.parse::<f64>().is_ok()
}

fn is_list_of_numbers(value: &str) -> bool {
    let inner =
        value.strip_prefix(['[', '(']).and_then(|rest| rest.strip_suffix([']', ')'])).unwrap_or(value);
    inner.split([',', ' ']).filter(|part| !part.is_empty()).all(is_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_secret_by_the_words_of_its_name_and_by_what_it_looks_like() {
        for (name, value) in [
            ("password", "hunter2"),
            ("password", "1234"),
            ("DB_PASSWORD", "x"),
            ("dbPassword2", "x"),
            ("--db-password", "x"),
            ("PassWord", "x"),
            ("sslpassword", "zzz"),
            ("token", "123456"),
            ("hf_token", "abc"),
            ("accessToken", "abc"),
            ("apiKey", "abc"),
            ("X-Api-Key", "abc"),
            ("APIKey", "abc"),
            ("AWS_SECRET_ACCESS_KEY", "abc"),
            ("AWS_ACCESS_KEY_ID", "abc"),
            ("SECRET_KEY_BASE", "0a1b"),
            ("client_secret", "abc"),
            ("secret_value", "123456789012"),
            ("credentials", "{…}"),
            ("Authorization", "Bearer abc"),
            ("proxyAuthorization", "abc"),
            ("passwordhash", "abc"),
            ("--pwd", "hunter18"),
            ("--wandb_key", "abc"),
            ("HF_KEY", "abc"),
            ("--sse-c-key", "abc"),
            ("DB_PWD", "x"),
            ("--auth", "leakAAAg"),
            ("auth", "me:hunter2"),
            ("--auth", "$ecret"),
            ("--http-auth", "me:hunter2"),
            ("proxyAuth", "me:hunter2"),
        ] {
            assert!(is_secret(name, value), "{name}={value}");
        }
        for (name, value) in [
            ("secret_dim", "3"),
            ("secret_dims", "[3, 4]"),
            ("secret_scale", "0.5"),
            ("token_type", "bpe"),
            ("token-len", "512"),
            ("num_token", "512"),
            ("num_secrets", "3"),
            ("pad_token", "<pad>"),
            ("mask_token", "[MASK]"),
            ("eos_token", "50256"),
            ("use_auth_token", "true"),
            ("max_tokens", "512"),
            ("tokenizer", "bert"),
            ("secretary", "Ms. Jones"),
            ("password_file", "/run/pw"),
            ("PWD", "/work"),
            ("OLDPWD", "x"),
            ("pwd", "$HOME"),
            ("author", "me"),
            ("authorization_mode", "RBAC"),
            ("key", "a"),
            ("monkey", "a"),
            ("wandb_key_file", "a"),
            ("--auth", "basic"),
            ("--auth", "OAuth2"),
            ("--auth", "~/auth.json"),
            ("--auth", "false"),
            ("--auth", "$TOKEN"),
            ("--auth", "${token}"),
            ("--auth", "$(cat token)"),
            ("--http-auth", "digest"),
            ("--no-auth", "x"),
            ("--auth-type", "x"),
            ("oauth", "x"),
            ("", "a"),
        ] {
            assert!(!is_secret(name, value), "{name}={value}");
        }
    }

    #[test]
    fn a_name_of_credentials_covers_what_is_below_it_and_one_of_marks_and_numbers_does_not() {
        for name in [
            "password",
            "dbPasswords",
            "secrets",
            "credentials",
            "tokens",
            "api_tokens",
            "token",
            "hf_token",
            "API_KEYS",
        ] {
            assert!(covers(name), "{name}");
        }
        for name in [
            "pad_token",
            "max_tokens",
            "special_tokens",
            "num_secrets",
            "tokenizer",
            "secret_dim",
            "token_type",
            "keys",
            "author",
            "",
        ] {
            assert!(!covers(name), "{name}");
        }
        for text in ["abc", "a b", "123456789012"] {
            assert!(is_covered(text), "{text}");
        }
        for text in ["", "512", "true", "<pad>", " none "] {
            assert!(!is_covered(text), "{text}");
        }
    }
}
