//! Tests against repositories made with git itself. Where there is no `git`, they say on stderr that they are skipped.

mod hostile;
mod patches;
mod questions;
mod random;
mod states;
mod support;
