//! Semantic versions: which texts are some, and their order as bytes.

use crate::error::{Error, Result};

/// Longer versions are refused.
const LENGTH_MAX_BYTES: usize = 100;

/// Checks that a text is a version by Semantic Versioning 2.0.0.
///
/// # Errors
/// A request error where it is none, or longer than a hundred bytes.
pub fn check_version(text: &str) -> Result<()> {
    let shown: String = text.chars().take(LENGTH_MAX_BYTES).collect();
    let refused = || Error::request(format!("`{}` is no semantic version", shown.escape_debug()));
    let hint = "versions are MAJOR.MINOR.PATCH, such as 1.2.0 or 2.0.0-rc.1";
    if text.len() > LENGTH_MAX_BYTES {
        return Err(refused().because("it is too long").hint(hint));
    }
    match semver::Version::parse(text) {
        Ok(_) => Ok(()),
        Err(cause) => Err(refused().because(cause).hint(hint)),
    }
}

/// Returns bytes whose order is the precedence of versions; of equal precedence, by build. A text that is no version comes
/// before all that are. No two texts have the same bytes, and none's bytes are the front of another's.
pub(crate) fn version_key(text: &str) -> Vec<u8> {
    const END: u8 = 0;
    const NUMERIC: u8 = 1;
    const WORD: u8 = 2;
    const PRERELEASE: u8 = 0;
    const RELEASE: u8 = 1;
    let parsed = (text.len() <= LENGTH_MAX_BYTES).then(|| semver::Version::parse(text).ok()).flatten();
    let Some(version) = parsed else {
        let mut key = vec![0];
        key.extend_from_slice(text.as_bytes());
        key.push(END);
        return key;
    };
    let mut key = vec![1];
    for number in [version.major, version.minor, version.patch] {
        key.extend_from_slice(&number.to_be_bytes());
    }
    key.push(if version.pre.is_empty() { RELEASE } else { PRERELEASE });
    for part in version.pre.as_str().split('.').filter(|part| !part.is_empty()) {
        if part.bytes().all(|b| b.is_ascii_digit()) {
            // No leading zeros: the longer number is the greater.
            key.extend_from_slice(&[NUMERIC, part.len() as u8]);
        } else {
            key.push(WORD);
        }
        key.extend_from_slice(part.as_bytes());
        key.push(END);
    }
    key.push(END);
    key.extend_from_slice(version.build.as_str().as_bytes());
    key.push(END);
    key
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_semantic_version_is_refused() {
        for right in ["0.0.1", "1.2.3", "1.0.0-rc.1", "1.0.0+build.7", "10.20.30-alpha-1.0x+a"] {
            check_version(right).unwrap();
        }
        for wrong in
            ["", "1", "1.2", "v1.2.3", "1.2.3.4", "01.2.3", "1.2.3-", "latest", "1.2.3/../..", "1.2.3\n"]
        {
            assert!(check_version(wrong).is_err(), "{wrong}");
        }
        assert!(check_version(&format!("1.0.0-{}", "a".repeat(100))).is_err());
    }

    fn version() -> impl Strategy<Value = String> {
        let part = prop_oneof!["0|[1-9][0-9]{0,2}", "[a-b-][0-9a-b-]{0,2}"];
        let parts = proptest::collection::vec(part, 0..3);
        (0_u64..3, 0_u64..3, 0_u64..11, parts, "|\\+[a-b0-1]{1,2}").prop_map(
            |(major, minor, patch, pre, build)| {
                let pre = if pre.is_empty() { String::new() } else { format!("-{}", pre.join(".")) };
                format!("{major}.{minor}.{patch}{pre}{build}")
            },
        )
    }

    proptest! {
        #[test]
        fn the_order_of_the_bytes_is_the_precedence_of_the_versions(a in version(), b in version()) {
            let (x, y) = (semver::Version::parse(&a).unwrap(), semver::Version::parse(&b).unwrap());
            let (key_a, key_b) = (version_key(&a), version_key(&b));
            match x.cmp_precedence(&y) {
                std::cmp::Ordering::Equal => prop_assert_eq!(key_a == key_b, a == b),
                order => prop_assert_eq!(key_a.cmp(&key_b), order),
            }
            prop_assert!(a == b || !key_a.starts_with(&key_b));
        }
    }
}
