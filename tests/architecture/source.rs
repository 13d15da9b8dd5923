//! One file of `src`, and the house that all of them make.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use proc_macro2::TokenStream;

use crate::scan::{Mention, Scan};

/// One file of `src`.
#[derive(Debug)]
pub(crate) struct Source {
    /// The path from the root of the package, with `/`.
    pub(crate) file: String,
    /// The module it holds: empty for `lib.rs`, `["domain", "ids"]` for `src/domain/ids.rs`.
    pub(crate) module: Vec<String>,
    /// Whether it is a `mod.rs`, the face of a directory.
    pub(crate) is_face: bool,
    /// How many lines stand before its test module.
    pub(crate) production_lines: usize,
    /// What it names.
    pub(crate) scan: Scan,
}

impl Source {
    /// Reads a file's text.
    ///
    /// # Errors
    ///
    /// The file and the reason when the text is not Rust.
    pub(crate) fn parse(file: &str, text: &str) -> Result<Self, String> {
        let tokens: TokenStream = text
            .parse()
            .map_err(|error| format!("{file}: not Rust: {error}"))?;
        let all_tests = file.ends_with("/tests.rs") || file.contains("/tests/");
        let scan = Scan::of(tokens, all_tests);
        let lines = if all_tests { 0 } else { text.lines().count() };
        Ok(Self {
            file: file.to_owned(),
            module: module_of(file),
            is_face: file.ends_with("/mod.rs"),
            production_lines: scan.tests_at.map_or(lines, |at| at - 1),
            scan,
        })
    }

    /// The floor it stands on; `main` for the binary's root, none for the library's.
    pub(crate) fn floor(&self) -> Option<&str> {
        self.module.first().map(String::as_str)
    }

    /// The room on its floor; none for the floor's own face.
    pub(crate) fn room(&self) -> Option<&str> {
        self.module.get(1).map(String::as_str)
    }

    /// The paths that production code names.
    pub(crate) fn production(&self) -> impl Iterator<Item = &Mention> {
        self.scan
            .mentions
            .iter()
            .filter(|mention| !mention.in_tests)
    }

    /// Whether it is the module at `place` (as in `adapters/git`) or below it.
    pub(crate) fn is_within(&self, place: &str) -> bool {
        let place: Vec<&str> = place.split('/').collect();
        self.module.len() >= place.len() && self.module.iter().zip(place).all(|(a, b)| a == b)
    }
}

/// All of `src`.
#[derive(Debug)]
pub(crate) struct House {
    /// Its files, ordered by path.
    pub(crate) sources: Vec<Source>,
    modules: BTreeSet<Vec<String>>,
}

impl House {
    /// Makes a house of files.
    pub(crate) fn of(sources: Vec<Source>) -> Self {
        let modules = sources.iter().map(|source| source.module.clone()).collect();
        Self { sources, modules }
    }

    /// Reads every `.rs` file below `root/src`.
    ///
    /// # Errors
    ///
    /// The file and the reason when one cannot be read or is not Rust.
    pub(crate) fn read(root: &Path) -> Result<Self, String> {
        let mut files = Vec::new();
        list(&root.join("src"), &mut files).map_err(|error| format!("src: {error}"))?;
        files.sort();
        let mut sources = Vec::new();
        for path in files {
            let text = fs::read_to_string(&path);
            let file = path
                .strip_prefix(root)
                .unwrap_or(&path)
                .to_string_lossy()
                .into_owned();
            let text = text.map_err(|error| format!("{file}: {error}"))?;
            sources.push(Source::parse(&file, &text)?);
        }
        Ok(Self::of(sources))
    }

    /// Where in the house a path leads, floor first; none when it leads out of the house.
    pub(crate) fn resolve(&self, source: &Source, mention: &Mention) -> Option<Vec<String>> {
        let (first, rest) = mention.segments.split_first()?;
        match first.as_str() {
            "crate" => Some(rest.to_vec()),
            "prova" if source.floor() == Some("main") => Some(rest.to_vec()),
            "self" if mention.is_qualified() => Some([source.module.as_slice(), rest].concat()),
            _ => {
                // A bare name may be a child module of this one.
                let child = [source.module.as_slice(), std::slice::from_ref(first)].concat();
                (mention.is_qualified() && self.has_module(&child))
                    .then(|| [child.as_slice(), rest].concat())
            }
        }
    }

    /// Whether a file holds this module.
    pub(crate) fn has_module(&self, module: &[String]) -> bool {
        self.modules.contains(module)
    }
}

fn module_of(file: &str) -> Vec<String> {
    let inner = file.trim_start_matches("src/").trim_end_matches(".rs");
    let mut module: Vec<String> = inner.split('/').map(str::to_owned).collect();
    if module
        .last()
        .is_some_and(|last| last == "mod" || last == "lib")
    {
        module.pop();
    }
    module
}

fn list(directory: &Path, files: &mut Vec<std::path::PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            list(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}
