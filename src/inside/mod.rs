//! Programs of ours that work inside a sandbox, hidden among the server's commands.
//!
//! A sandbox has nothing of the server in it but this program, and nothing here asks for more: no
//! settings, no store, no key that is worth anything outside. What is to be done comes in variables,
//! as it does for every other program inside.

#[cfg(feature = "builtin")]
mod agent;

use std::ffi::OsString;
use std::process::ExitCode;

#[cfg(feature = "builtin")]
use crate::domain::builtin;

/// Runs the program that `args`, the whole command line, asks for, if it is one of these.
#[must_use]
pub fn program(args: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    match args.into_iter().nth(1)?.to_str()? {
        #[cfg(feature = "builtin")]
        builtin::COMMAND => Some(agent::main()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_names_are_answered() {
        for words in [&["prova"][..], &["prova", "serve"], &["prova", "inside"]] {
            let args = words.iter().map(OsString::from);
            assert!(program(args).is_none(), "{words:?}");
        }
    }
}
