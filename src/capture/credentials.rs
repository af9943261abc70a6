//! Which files hold credentials, as far as their names tell.

use std::path::Path;

/// Names of files in which programs keep what they log in with.
const NAMES: &[&str] = &[
    ".boto",
    ".databrickscfg",
    ".dockercfg",
    ".env",
    ".envrc",
    ".git-credentials",
    ".htpasswd",
    ".my.cnf",
    ".netrc",
    ".npmrc",
    ".pgpass",
    ".pypirc",
    ".s3cfg",
    "_netrc",
    "auth.json",
    "cookies.txt",
    "id_dsa",
    "id_ecdsa",
    "id_ed25519",
    "id_rsa",
    "kaggle.json",
    "keystore",
    "my.cnf",
    "password.csv",
    "passwords.csv",
    "profiles.yml",
    "rclone.conf",
    "secrets.py",
];
/// Endings of files that are keys, or hold some.
const ENDINGS: &[&str] =
    &["env", "jks", "kdbx", "key", "keystore", "p12", "pem", "pfx", "ppk", "tfstate", "tfvars"];
/// Endings of what was set aside: the name before them is what counts.
const ASIDE: &[&str] = &["~", ".backup", ".bak", ".old", ".orig", ".save", ".swp"];
/// Endings of `.env` that mark what is to be copied and filled in.
const FORMS: &[&str] = &["example", "sample", "template", "dist"];
/// Folders in which there is little else.
const FOLDERS: &[&str] = &[".aws", ".azure", ".docker", ".gnupg", ".kube", ".secrets", ".ssh", "secrets"];
/// What a name begins with that speaks of them.
const FRONTS: &[&str] = &["credential", "client_secret", "service_account", "service-account"];
/// What a name is, or ends in, that speaks of them.
const WORDS: &[&str] = &[
    "access_key",
    "account_key",
    "api_key",
    "api_keys",
    "apikey",
    "apikeys",
    "credential",
    "credentials",
    "kubeconfig",
    "passphrase",
    "passwd",
    "password",
    "passwords",
    "private_key",
    "sa_key",
    "secret",
    "secret_key",
    "secrets",
    "token",
    "vault_pass",
];
/// Endings, besides none, of files in which a secret is written down. `token.py` is about tokens.
const WRITTEN_DOWN: &[&str] = &["txt", "json", "yaml", "yml", "toml", "ini", "cfg", "conf"];

/// Returns true for a file that looks like credentials: `.env`, `*.pem`, `id_rsa`, `.netrc`, `credentials.json`.
pub fn is_credentials(path: &Path) -> bool {
    let lower = path.to_string_lossy().to_lowercase();
    let (folders, name) = lower.rsplit_once('/').unwrap_or(("", &lower));
    if folders.split('/').any(|folder| FOLDERS.contains(&folder)) {
        return true;
    }
    let name = set_aside(name);
    // `dvc remote modify --local` writes passwords there.
    if name == "config.local" && folders.rsplit('/').next() == Some(".dvc") {
        return true;
    }
    if let Some(variant) = name.strip_prefix(".env.") {
        return !FORMS.contains(&variant);
    }
    // Of a name that begins with a dot, the rest is the name.
    let plain = name.strip_prefix('.').unwrap_or(name);
    let (stem, ending) = plain.rsplit_once('.').unwrap_or((plain, ""));
    NAMES.contains(&name)
        || ENDINGS.contains(&ending)
        || FRONTS.iter().any(|front| plain.starts_with(front))
        || ((ending.is_empty() || WRITTEN_DOWN.contains(&ending)) && speaks_of_secrets(stem))
}

/// Returns the name of a file before it was set aside, as `x` for `x.1700000000.backup`.
fn set_aside(mut name: &str) -> &str {
    loop {
        let number = name.rsplit_once('.').filter(|(before, digits)| {
            !before.is_empty() && !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
        });
        let ending = ASIDE.iter().find_map(|ending| name.strip_suffix(ending));
        match ending.or(number.map(|(before, _)| before)) {
            Some(before) => name = before,
            None => return name,
        }
    }
}

fn speaks_of_secrets(stem: &str) -> bool {
    let stem = stem.replace('-', "_");
    WORDS.iter().any(|word| {
        stem.strip_suffix(word).is_some_and(|before| before.is_empty() || before.ends_with(['_', '.']))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn files_that_hold_credentials_are_known_by_their_names() {
        for secret in [
            ".env",
            "a/.env.local",
            "prod.env",
            "server.pem",
            "tls/Server.KEY",
            "id_rsa",
            "/home/me/.netrc",
            "credentials",
            "credentials.json",
            "Credentials-prod.py",
            ".credentials",
            "client_secret_12.json",
            "secrets.yaml",
            ".token",
            "token",
            "hf_token.txt",
            "api-key.txt",
            "db-password.txt",
            ".aws/config",
            "secrets/db",
            "kaggle.json",
            "gcp/application_default_credentials.json",
            "aws_credentials",
            "prod-sa-key.json",
            "api_keys.yaml",
            "password.csv",
            "vault_pass.txt",
            ".dvc/config.local",
            "/repo/.dvc/config.local",
            "infra/terraform.tfstate",
            "infra/terraform.tfstate.backup",
            "infra/terraform.tfstate.1700000000.backup",
            "id_rsa.bak~",
            "id_rsa.1",
            "prod.tfvars",
            ".databrickscfg",
            "kubeconfig.yaml",
            "config/secrets.py",
            "id_ecdsa.bak",
            ".env~",
        ] {
            assert!(is_credentials(Path::new(secret)), "{secret}");
        }
        for plain in [
            "train.py",
            "token.py",
            "tokens.txt",
            "tokenizer.json",
            "next_token.csv",
            "secretary.txt",
            "keys.py",
            ".env.example",
            "environment.yaml",
            "id_rsa.pub",
            "config.json",
            "data/passwordless.txt",
            "config.local",
            ".dvc/config",
            "lowpass.txt",
            "primary_key.json",
            "model.bak",
            "~",
            "model.safetensors",
            "a",
            "",
        ] {
            assert!(!is_credentials(Path::new(plain)), "{plain}");
        }
    }

    proptest! {
        #[test]
        fn where_a_file_lies_and_how_its_name_is_written_makes_no_secret_public(
            folder in "[a-z]{0,5}",
            name in proptest::sample::select([NAMES, &["credentials.json", "x.pem", ".token"]].concat()),
        ) {
            for path in [name.to_owned(), format!("{folder}/{name}"), format!("/{folder}/{}", name.to_uppercase())] {
                prop_assert!(is_credentials(Path::new(&path)), "{}", path);
            }
        }
    }
}
