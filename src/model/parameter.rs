//! Parameters: what a run is told, at its start or by a program inside it.

use crate::error::{Error, Result};
use crate::model::{NodeId, Timestamp};

/// A parameter: its name and its value as text, as they were given.
pub type Parameter = (String, String);

/// Parameters of a run that were said after its start.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SaidParameters {
    /// The run.
    pub run: NodeId,
    /// When they were said.
    pub at: Timestamp,
    /// The parameters.
    pub parameters: Vec<Parameter>,
}

/// A longer name is refused.
const NAME_MAX_BYTES: usize = 250;
/// A longer value is refused.
const VALUE_MAX_BYTES: usize = 64 << 10;
/// A run is told as many parameters at once.
const PARAMETERS_MAX: usize = 10_000;
/// A run is told as many bytes of parameters at once.
const PARAMETERS_MAX_BYTES: usize = 4 << 20;

/// Checks what a run is to be told.
///
/// # Errors
/// A request error where a name is empty, too long or holds control characters, where a value is too long or holds NUL, and
/// where there are too many.
pub fn check_parameters(parameters: &[Parameter]) -> Result<()> {
    let more = "write them to a file: what the command reads is recorded";
    for (name, value) in parameters {
        let shown: String = name.chars().take(60).collect();
        let shown = shown.escape_debug();
        if name.is_empty() || name.len() > NAME_MAX_BYTES || name.chars().any(char::is_control) {
            return Err(Error::request(format!("`{shown}` cannot be the name of a parameter"))
                .hint(format!("names have 1 to {NAME_MAX_BYTES} bytes and no control characters")));
        }
        if value.len() > VALUE_MAX_BYTES {
            let size = value.len();
            return Err(Error::request(format!(
                "the value of parameter `{shown}` is too long: {size} bytes of {VALUE_MAX_BYTES}"
            ))
            .hint(more));
        }
        if value.contains('\0') {
            return Err(Error::request(format!("the value of parameter `{shown}` holds a zero byte")));
        }
    }
    let bytes: usize = parameters.iter().map(|(name, value)| name.len() + value.len()).sum();
    if parameters.len() > PARAMETERS_MAX || bytes > PARAMETERS_MAX_BYTES {
        return Err(Error::request(format!(
            "{} parameters of {bytes} bytes are too many: at most {PARAMETERS_MAX} of {PARAMETERS_MAX_BYTES}",
            parameters.len()
        ))
        .hint(more));
    }
    Ok(())
}

/// Puts parameters that were said later in the place of those of the same names; new ones come after all others.
///
/// `said` is in the order in which it counts: what comes later replaces what came before.
pub fn replace_parameters(parameters: &mut Vec<Parameter>, said: impl IntoIterator<Item = Parameter>) {
    let mut place: std::collections::HashMap<String, usize> = std::collections::HashMap::new();
    let mut replaced: Vec<Parameter> = Vec::new();
    for (name, value) in said {
        match place.get(&name) {
            Some(at) => replaced[*at].1 = value,
            None => {
                place.insert(name.clone(), replaced.len());
                replaced.push((name, value));
            }
        }
    }
    if replaced.is_empty() {
        return;
    }
    let mut used = vec![false; replaced.len()];
    let kept = parameters.drain(..).filter_map(|parameter| match place.get(&parameter.0) {
        None => Some(parameter),
        Some(at) if !std::mem::replace(&mut used[*at], true) => Some(replaced[*at].clone()),
        Some(_) => None,
    });
    let mut kept: Vec<Parameter> = kept.collect();
    kept.extend(replaced.into_iter().zip(used).filter(|(_, used)| !used).map(|(parameter, _)| parameter));
    *parameters = kept;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<Parameter> {
        let pair = |word: &str| word.split_once('=').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        text.split_whitespace().map(pair).collect()
    }

    fn check(before: &str, said: &str, expected: &str) {
        let mut parameters = pairs(before);
        replace_parameters(&mut parameters, pairs(said));
        assert_eq!(parameters, pairs(expected));
    }

    #[test]
    fn what_is_said_later_takes_the_place_of_what_was_said_before() {
        check("a=1 b=2", "", "a=1 b=2");
        check("a=1 b=2", "c=3", "a=1 b=2 c=3");
        check("a=1 b=2", "c=3 a=4 c=5", "a=4 b=2 c=5");
        check("in=1 in=2 b=2", "in=3", "in=3 b=2");
    }

    #[test]
    fn what_is_no_parameter_is_refused() {
        assert!(check_parameters(&pairs("lr=0.1 a.b/c=")).is_ok());
        for (name, value) in [("", "x"), ("a\n", "x"), ("\u{1b}[31m", "x"), ("a", "x\0")] {
            assert!(check_parameters(&[(name.to_owned(), value.to_owned())]).is_err(), "{name:?}");
        }
        let long = |name: usize, value: usize| vec![("n".repeat(name), "v".repeat(value))];
        assert!(check_parameters(&long(NAME_MAX_BYTES, VALUE_MAX_BYTES)).is_ok());
        assert!(check_parameters(&long(NAME_MAX_BYTES + 1, 1)).is_err());
        let error = check_parameters(&long(1, 100 << 20)).unwrap_err();
        assert_eq!(error.message(), "the value of parameter `n` is too long: 104857600 bytes of 65536");
        let many: Vec<Parameter> = (0..1_000_000).map(|n| (n.to_string(), "v".to_owned())).collect();
        assert!(check_parameters(&many[..PARAMETERS_MAX]).is_ok());
        assert!(check_parameters(&many).unwrap_err().message().starts_with("1000000 parameters"));
    }
}
