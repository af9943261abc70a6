//! Masking of what looks like a credential, before it reaches the journal.
//!
//! Three rules: the value of an argument whose name says that it is secret, the password in a URL, and words that carry the
//! prefix by which a service marks its tokens. What is masked is replaced by `***`; nothing else is changed.

const MASK: &str = "***";

/// Parts of names whose values are secret.
const SECRET_NAMES: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "api-key",
    "api_key",
    "apikey",
    "access-key",
    "access_key",
    "private-key",
    "private_key",
    "credential",
    "auth-key",
    "auth_key",
];

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

/// Masks a command line.
pub fn masked(arguments: &[String]) -> Vec<String> {
    let mut masked = Vec::with_capacity(arguments.len());
    let mut next_is_secret = false;
    for argument in arguments {
        if std::mem::take(&mut next_is_secret) && !argument.starts_with('-') {
            masked.push(MASK.to_owned());
            continue;
        }
        let name = argument.trim_start_matches('-');
        let is_option = name.len() < argument.len();
        next_is_secret = is_option && !argument.contains('=') && is_secret_name(name);
        masked.push(masked_word(argument));
    }
    masked
}

/// Masks one word: `NAME=value`, a URL, a token.
pub fn masked_word(word: &str) -> String {
    if let Some((name, value)) = word.split_once('=')
        && is_secret_name(name)
        && !name.contains("://")
        && !value.is_empty()
    {
        return format!("{name}={MASK}");
    }
    if let Some(url) = masked_url(word) {
        return url;
    }
    let is_token = |word: &str| {
        TOKEN_FRONTS.iter().any(|(front, length)| word.starts_with(front) && word.len() >= *length)
    };
    match word.split_once('=') {
        Some((name, value)) if is_token(value) => format!("{name}={MASK}"),
        _ if is_token(word) => MASK.to_owned(),
        _ => word.to_owned(),
    }
}

fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    // `--tokenizer` and `--max-tokens` are no secrets.
    let harmless = ["tokenizer", "tokens", "token-len", "token_len", "num-token", "num_token"];
    SECRET_NAMES.iter().any(|part| name.contains(part)) && !harmless.iter().any(|part| name.contains(part))
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
            None => format!("{MASK}@{host}"),
        },
        None => authority.to_owned(),
    };
    let shown_path = match path.split_once('?') {
        Some((path, query)) => {
            let parts = query.split('&').map(|part| match part.split_once('=') {
                Some((name, _))
                    if is_secret_name(name) || name.to_ascii_lowercase().contains("signature") =>
                {
                    format!("{name}={MASK}")
                }
                _ => part.to_owned(),
            });
            format!("{path}?{}", parts.collect::<Vec<_>>().join("&"))
        }
        None => path.to_owned(),
    };
    let shown = format!("{scheme}{shown_authority}{shown_path}");
    (shown != word).then_some(shown)
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
        check(&["x", "--api-key=abc", "DB_PASSWORD=abc"], &["x", "--api-key=***", "DB_PASSWORD=***"]);
        check(&["psql", "postgres://me:pw@host/db"], &["psql", "postgres://me:***@host/db"]);
        check(&["curl", "https://h/x?token=abc&n=1"], &["curl", "https://h/x?token=***&n=1"]);
        check(&["x", "ghp_abcdefghijklmnopqrstuvwxyz0123"], &["x", "***"]);
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
            "hf://a/b",
            "a=b",
        ];
        check(&plain, &plain);
    }
}
