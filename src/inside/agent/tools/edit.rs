//! The tool that changes files: one piece of text becomes another.

use std::path::Path;

use serde::Deserialize;

use crate::inside::agent::tools::place;

/// The largest file that is edited.
const MAX_BYTES: u64 = 8 * 1024 * 1024;

#[derive(Debug, Deserialize)]
pub(super) struct Arguments {
    path: String,
    old_text: String,
    new_text: String,
    #[serde(default)]
    replace_all: bool,
}

impl Arguments {
    pub(super) fn title(&self) -> String {
        format!("edit {}", self.path)
    }
}

/// Makes the edit below `root`, and says what was done or why nothing was.
pub(super) fn run(root: &Path, edit: &Arguments) -> Result<String, String> {
    let file = place::below(root, &edit.path)?;
    let told = |error: std::io::Error| format!("{}: {error}", edit.path);
    if edit.old_text.is_empty() {
        if file
            .metadata()
            .is_ok_and(|meta| meta.is_dir() || meta.len() > 0)
        {
            return Err(format!(
                "{} exists: give the text to replace as old_text",
                edit.path
            ));
        }
        if let Some(dir) = file.parent() {
            std::fs::create_dir_all(dir).map_err(told)?;
        }
        std::fs::write(&file, &edit.new_text).map_err(told)?;
        return Ok(format!("wrote {}", edit.path));
    }
    if file.metadata().map_err(told)?.len() > MAX_BYTES {
        return Err(format!("{} is too large to edit here", edit.path));
    }
    let text = std::fs::read_to_string(&file).map_err(told)?;
    let (changed, places) = replaced(&text, edit)?;
    // In place, so that the file keeps its mode.
    std::fs::write(&file, changed).map_err(told)?;
    Ok(match places {
        1 => format!("edited {}", edit.path),
        several => format!("edited {} in {several} places", edit.path),
    })
}

fn replaced(text: &str, edit: &Arguments) -> Result<(String, usize), String> {
    let (old, new) = (edit.old_text.as_str(), edit.new_text.as_str());
    if old == new {
        return Err("old_text and new_text are the same".to_owned());
    }
    match text.matches(old).count() {
        0 => Err(format!(
            "old_text does not stand in the file{}",
            hint(text, old)
        )),
        1 => Ok((text.replacen(old, new, 1), 1)),
        several if edit.replace_all => Ok((text.replace(old, new), several)),
        several => Err(format!(
            "old_text stands in the file {several} times: add lines around it until it is one \
             place, or set replace_all"
        )),
    }
}

/// Says why a text that looks right is not found.
fn hint(text: &str, old: &str) -> &'static str {
    let bare = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.contains("\r\n") && text.replace("\r\n", "\n").contains(old) {
        ": its lines end with \\r\\n"
    } else if bare(text).contains(&bare(old)) {
        ": only with other spaces or line breaks; read that place again and copy it exactly"
    } else {
        ": read it again and copy the text exactly"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(old: &str, new: &str) -> Arguments {
        Arguments {
            path: "a.txt".to_owned(),
            old_text: old.to_owned(),
            new_text: new.to_owned(),
            replace_all: false,
        }
    }

    #[test]
    fn exactly_one_place_is_changed() {
        let text = "one two\ntwo\r\n";
        assert_eq!(
            replaced(text, &edit("one", "1")),
            Ok(("1 two\ntwo\r\n".to_owned(), 1))
        );
        let all = Arguments {
            replace_all: true,
            ..edit("two", "2")
        };
        assert_eq!(replaced(text, &all), Ok(("one 2\n2\r\n".to_owned(), 2)));
        for (old, told) in [
            ("two", "2 times"),
            ("three", "does not stand in the file: read"),
            ("one  two", "other spaces"),
            ("two\ntwo\n", "end with \\r\\n"),
        ] {
            let refused = replaced(text, &edit(old, "x")).unwrap_err();
            assert!(refused.contains(told), "{old:?}: {refused}");
        }
        replaced(text, &edit("one", "one")).unwrap_err();
    }

    #[test]
    fn files_are_made_and_never_made_over() {
        let dir = tempfile::tempdir().unwrap();
        let deep = |text: &str| Arguments {
            path: "deep/er/b.txt".to_owned(),
            ..edit("", text)
        };
        assert_eq!(run(dir.path(), &deep("x")).unwrap(), "wrote deep/er/b.txt");
        assert!(run(dir.path(), &deep("y")).unwrap_err().contains("exists"));
        let text = std::fs::read_to_string(dir.path().join("deep/er/b.txt")).unwrap();
        assert_eq!(text, "x");
        let missing = run(dir.path(), &edit("a", "b")).unwrap_err();
        assert!(missing.contains("a.txt"), "{missing}");
        std::fs::write(dir.path().join("a.txt"), "a\n").unwrap();
        assert_eq!(run(dir.path(), &edit("a", "b")).unwrap(), "edited a.txt");
        let text = std::fs::read_to_string(dir.path().join("a.txt")).unwrap();
        assert_eq!(text, "b\n");
    }
}
