//! `inside-ast-grep`: applies one rule of ast-grep to the files of its language.

mod apply;
mod rule;

use std::path::Path;

use crate::domain::policy::protected::Protected;
use crate::inside::files;
use crate::inside::recipe::{Told, Trouble, count};
use crate::inside::rewriting::apply::Applied;
use crate::inside::rewriting::rule::Rule;

/// Rewrites the files of the working directory by the rule in `PROVA_INPUT`.
#[expect(
    clippy::disallowed_methods,
    reason = "the environment is the sandbox's, and has what the recipe works on"
)]
pub(super) fn rewrite(protected: &Protected, told: &mut Told<'_>) -> Result<String, Trouble> {
    let text = std::env::var("PROVA_INPUT").unwrap_or_default();
    below(Path::new("."), &text, protected, told)
}

fn below(
    root: &Path,
    rule: &str,
    protected: &Protected,
    told: &mut Told<'_>,
) -> Result<String, Trouble> {
    let rule = Rule::read(rule).map_err(Trouble::Wrong)?;
    let (mut looked, mut changed, mut replaced, mut inner) = (0, 0, 0, 0);
    for path in files::find(root, protected)? {
        if !rule.is_for(&path) {
            continue;
        }
        let at = root.join(&path);
        let Some(text) = files::read(&at)? else {
            continue;
        };
        looked += 1;
        let applied = apply::apply(&rule, &path, &text);
        let Applied { text: better, .. } = applied;
        inner += applied.inner;
        if better == text {
            continue;
        }
        files::write(&at, &better)?;
        changed += 1;
        replaced += applied.replaced;
        let replacements = count(applied.replaced, "replacement");
        told.line(&format!("{}: {replacements}", path.display()))?;
    }
    let (name, language) = (rule.name(), rule.language());
    let files = count(looked, &format!("{language} file"));
    let mut sum = if changed == 0 {
        format!("{name} changes nothing in {files}")
    } else {
        let replacements = count(replaced, "replacement");
        format!("{name} made {replacements} in {changed} of {files}")
    };
    if inner > 0 {
        let matches = count(inner, "match");
        sum = format!("{sum}; run it again for {matches} inside of what it replaced");
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{create_dir, read_to_string, write};

    const RULE: &str =
        "id: no-print\nlanguage: python\nrule:\n  pattern: print($A)\nfix: log($A)\n";

    fn run(root: &Path, rule: &str) -> (Result<String, String>, String) {
        let mut out = Vec::new();
        let protected = Protected::new(vec!["kept/**".to_owned()]).unwrap();
        let sum = below(root, rule, &protected, &mut Told::new(&mut out));
        let sum = sum.map_err(|trouble| trouble.to_string());
        (sum, String::from_utf8(out).unwrap())
    }

    #[test]
    fn files_of_the_language_are_rewritten_and_counted() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        create_dir(at("kept")).unwrap();
        for name in ["a.py", "b.py", "c.rs", "kept/d.py"] {
            write(at(name), "print(1)\nprint(print(2))\n").unwrap();
        }
        write(at("b.py"), "x = 1\n").unwrap();
        let sum = "`no-print` made 2 replacements in 1 of 2 Python files; run it again for 1 match \
            inside of what it replaced";
        let (said, told) = run(dir.path(), RULE);
        assert_eq!(
            (said.as_deref(), told.as_str()),
            (Ok(sum), "a.py: 2 replacements\n")
        );
        let a = "log(1)\nlog(print(2))\n";
        assert_eq!(read_to_string(at("a.py")).unwrap(), a);
        for name in ["c.rs", "kept/d.py"] {
            assert!(
                read_to_string(at(name)).unwrap().contains("print(1)"),
                "{name}"
            );
        }
    }

    #[test]
    fn nothing_found_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let nothing = |files: &str| {
            (
                Ok(format!("`no-print` changes nothing in {files}")),
                String::new(),
            )
        };
        assert_eq!(run(dir.path(), RULE), nothing("0 Python files"));
        write(dir.path().join("a.py"), "x = (\n").unwrap();
        assert_eq!(run(dir.path(), RULE), nothing("1 Python file"));
    }

    #[test]
    fn a_wrong_rule_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path().join("a.py"), "print(1)\n").unwrap();
        let (said, _) = run(dir.path(), &RULE.replace("fix:", "fixed:"));
        assert!(said.unwrap_err().contains("the rule has no `fix`"));
        assert_eq!(
            read_to_string(dir.path().join("a.py")).unwrap(),
            "print(1)\n"
        );
    }
}
