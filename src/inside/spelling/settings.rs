//! What a repository's own settings for `typos` say, as far as they are data that is simple.

use std::collections::BTreeMap;
use std::path::Path;

use ignore::gitignore::{Gitignore, GitignoreBuilder};
use regex::Regex;
use serde::Deserialize;

use crate::inside::files;
use crate::inside::recipe::Trouble;

/// Where they stand, the first that there is.
const FILES: [&str; 3] = ["typos.toml", "_typos.toml", ".typos.toml"];

/// The settings, ready for use.
#[derive(Debug)]
pub(super) struct Settings {
    /// Words in lower case, and what is right instead.
    pub(super) words: BTreeMap<String, String>,
    /// Stretches of text that are spared.
    pub(super) spared: Vec<Regex>,
    excluded: Gitignore,
}

/// The part of the file that counts; what else it says is not asked.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Written {
    default: General,
    files: Files,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct General {
    extend_words: BTreeMap<String, String>,
    extend_ignore_re: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Files {
    extend_exclude: Vec<String>,
}

impl Settings {
    /// Reads those of a directory; without any, nothing is added to the dictionary.
    pub(super) fn find(root: &Path) -> Result<Self, Trouble> {
        for file in FILES {
            let path = root.join(file);
            if path.symlink_metadata().is_err() {
                continue;
            }
            if let Some(text) = files::read(&path)? {
                return Self::read(&text).map_err(|why| Trouble::Wrong(format!("{file}: {why}")));
            }
        }
        Self::read("").map_err(Trouble::Wrong)
    }

    fn read(text: &str) -> Result<Self, String> {
        let written: Written = toml::from_str(text).map_err(|error| error.to_string())?;
        let words = written.default.extend_words.into_iter();
        let spared = written.default.extend_ignore_re.iter().map(|pattern| {
            Regex::new(pattern).map_err(|error| format!("default.extend-ignore-re: {error}"))
        });
        let mut excluded = GitignoreBuilder::new("");
        for pattern in &written.files.extend_exclude {
            let added = excluded.add_line(None, pattern);
            added.map_err(|error| format!("files.extend-exclude: {error}"))?;
        }
        let excluded = excluded.build();
        Ok(Self {
            words: words
                .map(|(word, right)| (word.to_lowercase(), right))
                .collect(),
            spared: spared.collect::<Result<_, _>>()?,
            excluded: excluded.map_err(|error| format!("files.extend-exclude: {error}"))?,
        })
    }

    /// Returns whether a file is left alone; its path is from the root.
    pub(super) fn excludes(&self, path: &Path) -> bool {
        let own = FILES.iter().any(|file| path == Path::new(file));
        let excluded = self.excluded.matched_path_or_any_parents(path, false);
        own || excluded.is_ignore()
    }
}
