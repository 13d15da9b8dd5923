//! Programs of ours that run inside a sandbox, hidden among the server's commands: what they read is
//! the repository's, and hostile.

#[cfg(feature = "builtin")]
mod agent;
#[cfg(any(feature = "typos", feature = "ast-grep"))]
mod files;
#[cfg(any(feature = "typos", feature = "ast-grep"))]
mod recipe;
#[cfg(feature = "ast-grep")]
mod rewriting;
#[cfg(feature = "typos")]
mod spelling;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::process::ExitCode;

use crate::domain::built_in::BuiltIn;
#[cfg(feature = "builtin")]
use crate::domain::builtin;

/// Runs one of the programs to its end when `args`, the whole command line, ask for it.
#[must_use]
pub fn program(args: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let mut args = args.into_iter().skip(1);
    let name = args.next()?;
    #[cfg(feature = "builtin")]
    if name == builtin::COMMAND {
        return Some(agent::main());
    }
    let asked = BuiltIn::ALL.into_iter().find(|one| name == one.program());
    match asked? {
        #[cfg(feature = "ast-grep")]
        BuiltIn::AstGrep => Some(recipe::run(args.collect(), rewriting::rewrite)),
        #[cfg(not(feature = "ast-grep"))]
        BuiltIn::AstGrep => None,
        #[cfg(feature = "typos")]
        BuiltIn::Typos => Some(recipe::run(args.collect(), spelling::correct)),
        #[cfg(not(feature = "typos"))]
        BuiltIn::Typos => None,
    }
}

/// Returns the recipes that this build has.
#[must_use]
pub fn offered() -> BTreeSet<BuiltIn> {
    let offered = BuiltIn::ALL.into_iter().filter(|one| match one {
        BuiltIn::AstGrep => cfg!(feature = "ast-grep"),
        BuiltIn::Typos => cfg!(feature = "typos"),
    });
    offered.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_names_are_answered() {
        for words in [&["prova"][..], &["prova", "serve"], &["prova", "typos"]] {
            let args = words.iter().map(OsString::from);
            assert!(program(args).is_none(), "{words:?}");
        }
    }
}
