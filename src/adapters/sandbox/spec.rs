//! What no backend can run, refused before anything is started.

use crate::ports::door::Door;
use crate::ports::fault::Fault;
use crate::ports::sandbox::Spec;

/// Bytes that the kernel passes in one argument or variable, with its NUL (`MAX_ARG_STRLEN`).
const WORD_BYTES: usize = 128 * 1024;

/// Returns `spec` with the variables that say where the `door` is, checked. They count before the
/// run's own: another place would be none.
///
/// # Errors
/// A permanent fault that names what no backend can run.
pub(super) fn checked(spec: &Spec, door: Option<&dyn Door>) -> Result<Spec, Fault> {
    let mut spec = spec.clone();
    spec.env.extend(door.map(Door::env).unwrap_or_default());
    check(&spec)?;
    Ok(spec)
}

/// Checks command and environment of `spec`.
///
/// A NUL would be more than an unreadable word: bubblewrap's options are separated by it, so one in
/// a variable, which may hold a person's text, could add an option that opens the sandbox.
///
/// # Errors
/// A permanent fault that names the word.
fn check(spec: &Spec) -> Result<(), Fault> {
    let refuse = |cause: String| Err(Fault::permanent("start the sandbox", cause));
    if spec.command.first().is_none_or(String::is_empty) {
        return refuse("the command is empty".to_owned());
    }
    for (n, word) in spec.command.iter().enumerate() {
        if let Some(flaw) = flaw(word, 0) {
            return refuse(format!("word {} of the command {flaw}", n + 1));
        }
    }
    for (name, value) in &spec.env {
        if name.is_empty() || name.contains(['=', '\0']) {
            return refuse(format!("{name:?} cannot be the name of a variable"));
        }
        if let Some(flaw) = flaw(value, name.len() + 1) {
            return refuse(format!("the variable {name} {flaw}"));
        }
    }
    Ok(())
}

fn flaw(word: &str, beside: usize) -> Option<String> {
    if word.contains('\0') {
        return Some("holds a NUL character".to_owned());
    }
    let most = WORD_BYTES.saturating_sub(beside + 1);
    (word.len() > most)
        .then(|| format!("is {} bytes long, at most {most} can be passed", word.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Span;
    use crate::ports::sandbox::{Limits, Profile};
    use crate::ports::tree::Tree;

    fn refused(command: &[&str], env: &[(&str, &str)]) -> String {
        let spec = Spec {
            command: command.iter().map(ToString::to_string).collect(),
            env: env
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            tree: Tree::Plain("/checkout".into()),
            hide: Vec::new(),
            input: None,
            output: None,
            objects: None,
            home: None,
            own: None,
            log: "/log".into(),
            limits: Limits {
                wall: Span::seconds(1),
                output_bytes: 1,
                file_bytes: 1,
                processes: 1,
                memory_bytes: 1,
                milli_cpus: None,
                disk_bytes: 1,
            },
            profile: Profile::default(),
        };
        check(&spec).map_or_else(|fault| fault.cause, |()| String::new())
    }

    #[test]
    fn what_cannot_be_passed_is_named() {
        assert_eq!(refused(&["sh", ""], &[("A", "")]), "");
        assert_eq!(refused(&[], &[]), "the command is empty");
        assert_eq!(refused(&[""], &[]), "the command is empty");
        let nul = "x\0--bind\0/\0/";
        assert_eq!(
            refused(&["sh", nul], &[]),
            "word 2 of the command holds a NUL character"
        );
        assert_eq!(
            refused(&["sh"], &[("A", nul)]),
            "the variable A holds a NUL character"
        );
        for name in ["", "A=B", "A\0B"] {
            assert!(
                refused(&["sh"], &[(name, "")]).contains("name of a variable"),
                "{name:?}"
            );
        }
        let long = "x".repeat(131_070);
        assert_eq!(
            refused(&["sh"], &[("A", &long)]),
            "the variable A is 131070 bytes long, at most 131069 can be passed"
        );
        assert_eq!(refused(&["sh", &long], &[("A", &long[1..])]), "");
    }
}
