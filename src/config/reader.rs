//! TOML to typed values, with every problem of the file and not just the first.
//!
//! A table is read by asking for its keys; whatever was not asked for is unknown. A getter returns
//! `None` for a key that is absent, and also for one that is wrong, after taking note of why: the
//! builder goes on with a default, and the whole result is dropped in the end.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::report::{Fault, Problem, Problems};
use crate::domain::name::Name;
use crate::domain::store_url::shown;
use crate::domain::suggest;

/// Largest file that is read, in bytes.
pub const MAX_BYTES: usize = 64 * 1024;

/// Reads a TOML text: `build` asks the top table for its keys.
///
/// # Errors
/// With all that is wrong: what is not TOML, or else bad values and unknown keys at every level.
pub fn read<T>(
    file: &str,
    text: &str,
    build: impl FnOnce(&mut Table<'_, '_>) -> T,
) -> Result<T, Problems> {
    if text.len() > MAX_BYTES {
        let message = format!(
            "the file has {} bytes, expected at most {MAX_BYTES}",
            text.len()
        );
        return read_after(Some(message), file, "", build);
    }
    read_after(None, file, text, build)
}

/// Reads TOML from bytes, as [`read`] does from text.
///
/// # Errors
/// As [`read`], and when the bytes are not UTF-8.
pub fn read_bytes<T>(
    file: &str,
    bytes: &[u8],
    build: impl FnOnce(&mut Table<'_, '_>) -> T,
) -> Result<T, Problems> {
    match std::str::from_utf8(bytes) {
        Ok(text) => read(file, text, build),
        Err(error) => {
            let at = error.valid_up_to();
            let message = format!("the file is not UTF-8 from byte {at} on; save it as UTF-8");
            read_after(Some(message), file, "", build)
        }
    }
}

fn read_after<T>(
    refusal: Option<String>,
    file: &str,
    text: &str,
    build: impl FnOnce(&mut Table<'_, '_>) -> T,
) -> Result<T, Problems> {
    let mut notes = Notes {
        file,
        text,
        problems: Vec::new(),
    };
    if let Some(message) = refusal {
        notes.add(None, String::new(), Fault::File(message));
    }
    let (root, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        notes.add(
            error.span(),
            String::new(),
            Fault::Syntax(error.message().to_owned()),
        );
    }
    // After a mistake the parser guesses; only the first of a line tells the person anything.
    notes.problems.sort_by_key(|problem| problem.place);
    notes
        .problems
        .dedup_by_key(|problem| problem.place.map(|(line, _)| line));
    let fatal = std::mem::take(&mut notes.problems);
    let mut table = Table {
        entries: root.get_ref(),
        path: String::new(),
        place: None,
        asked: Vec::new(),
        notes: &mut notes,
    };
    let values = build(&mut table);
    table.end();
    // What could be saved of a text that is not TOML would only raise false alarms.
    let problems = if fatal.is_empty() {
        notes.problems
    } else {
        fatal
    };
    match Problems::new(file, problems) {
        None => Ok(values),
        Some(problems) => Err(problems),
    }
}

/// One table of the file. `'t` is the life of the text.
pub struct Table<'n, 't> {
    entries: &'n DeTable<'t>,
    path: String,
    /// Where its header stands; `None` for the top table.
    place: Option<Range<usize>>,
    asked: Vec<&'static str>,
    notes: &'n mut Notes<'t>,
}

/// A key with its value.
struct Entry<'n, 't> {
    key: String,
    value: &'n Spanned<DeValue<'t>>,
}

impl<'n, 't> Table<'n, 't> {
    /// Reads a text; `parse` says why it cannot be used.
    pub fn text<T, E: std::fmt::Display>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let entry = self.ask(key)?;
        self.parse_text(&entry, "a text in quotes", parse)
    }

    /// Reads a text that must be there.
    pub fn required_text<T, E: std::fmt::Display>(
        &mut self,
        key: &'static str,
        expected: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        if !self.has(key) {
            self.missing(key, expected);
        }
        self.text(key, parse)
    }

    /// Reads a list of at most `limit` texts.
    pub fn texts<T, E: std::fmt::Display>(
        &mut self,
        key: &'static str,
        limit: usize,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<Vec<T>> {
        let entry = self.ask(key)?;
        let DeValue::Array(items) = entry.value.get_ref() else {
            self.wrong_type(&entry, "a list of texts, such as [\"a\", \"b\"]");
            return None;
        };
        self.count(&entry, items.len(), limit);
        let mut texts = Vec::new();
        for (index, value) in items.iter().enumerate() {
            let item = Entry {
                key: format!("{}[{index}]", entry.key),
                value,
            };
            texts.extend(self.parse_text(&item, "a text in quotes", &parse));
        }
        Some(texts)
    }

    /// Reads `true` or `false`.
    pub fn flag(&mut self, key: &'static str) -> Option<bool> {
        let entry = self.ask(key)?;
        if let DeValue::Boolean(flag) = entry.value.get_ref() {
            return Some(*flag);
        }
        self.wrong_type(&entry, "true or false");
        None
    }

    /// Reads one of a few words.
    pub fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        choices: &[(&'static str, T)],
    ) -> Option<T> {
        self.text(key, |text| {
            let chosen = choices.iter().find(|(word, _)| *word == text);
            chosen.map(|(_, value)| *value).ok_or_else(|| {
                let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
                format!("expected one of {}", words.join(", "))
            })
        })
    }

    /// Reads a whole number within bounds.
    pub fn whole(&mut self, key: &'static str, bounds: RangeInclusive<u64>) -> Option<u64> {
        let entry = self.ask(key)?;
        let DeValue::Integer(number) = entry.value.get_ref() else {
            self.wrong_type(&entry, "a whole number");
            return None;
        };
        let number = u64::from_str_radix(number.as_str(), number.radix()).ok();
        let number = number.filter(|number| bounds.contains(number));
        if number.is_none() {
            let why = format!(
                "expected a whole number from {} to {}",
                bounds.start(),
                bounds.end()
            );
            self.bad_value(&entry, why);
        }
        number
    }

    /// Reads a number, with or without decimals, from its decimal text.
    pub fn number<T, E: std::fmt::Display>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let entry = self.ask(key)?;
        let (DeValue::Integer(_) | DeValue::Float(_)) = entry.value.get_ref() else {
            self.wrong_type(&entry, "a number");
            return None;
        };
        match parse(&self.notes.written(entry.value).replace('_', "")) {
            Ok(value) => Some(value),
            Err(why) => {
                self.bad_value(&entry, why.to_string());
                None
            }
        }
    }

    /// Reads a table within this one; `None` when it is absent.
    pub fn table<T>(
        &mut self,
        key: &'static str,
        build: impl FnOnce(&mut Table<'_, 't>) -> T,
    ) -> Option<T> {
        let entry = self.ask(key)?;
        self.enter(&entry, build)
    }

    /// Reads a table of at most `limit` named tables, such as `[recipes.NAME]`. Those that `build`
    /// gives up on are left out, after it has said why by asking for a required key.
    pub fn named<T>(
        &mut self,
        key: &'static str,
        limit: usize,
        build: impl Fn(&mut Table<'_, 't>) -> Option<T>,
    ) -> BTreeMap<Name, T> {
        let mut named = BTreeMap::new();
        let Some(entry) = self.ask(key) else {
            return named;
        };
        let DeValue::Table(tables) = entry.value.get_ref() else {
            self.wrong_type(&entry, "tables with names");
            return named;
        };
        self.count(&entry, tables.len(), limit);
        for (written, value) in tables {
            let inner = Entry {
                key: joined(&entry.key, written.get_ref()),
                value,
            };
            let name: Option<Name> = match written.get_ref().parse() {
                Ok(name) => Some(name),
                Err(why) => {
                    let fault = Fault::BadValue {
                        found: written.get_ref().to_string(),
                        why: format!("{why}"),
                    };
                    self.notes
                        .add(Some(written.span()), inner.key.clone(), fault);
                    None
                }
            };
            let values = self.enter(&inner, &build).flatten();
            named.extend(name.zip(values));
        }
        named
    }

    /// Reads a table of at most `limit` tables whose keys are free, such as the names of models.
    /// Those that `build` gives up on are left out, as by [`Self::named`].
    pub fn keyed<T>(
        &mut self,
        key: &'static str,
        limit: usize,
        build: impl Fn(&mut Table<'_, 't>) -> Option<T>,
    ) -> BTreeMap<String, T> {
        let mut keyed = BTreeMap::new();
        let Some(entry) = self.ask(key) else {
            return keyed;
        };
        let DeValue::Table(tables) = entry.value.get_ref() else {
            self.wrong_type(&entry, "tables with names");
            return keyed;
        };
        self.count(&entry, tables.len(), limit);
        for (written, value) in tables {
            let inner = Entry {
                key: joined(&entry.key, written.get_ref()),
                value,
            };
            let values = self.enter(&inner, &build).flatten();
            keyed.extend(values.map(|values| (written.get_ref().to_string(), values)));
        }
        keyed
    }

    /// Reads a table of at most `limit` texts whose keys are free, such as an environment.
    pub fn map<T, E: std::fmt::Display>(
        &mut self,
        key: &'static str,
        limit: usize,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<BTreeMap<String, T>> {
        let entry = self.ask(key)?;
        let DeValue::Table(entries) = entry.value.get_ref() else {
            self.wrong_type(&entry, "a table of texts, such as { LANG = \"C\" }");
            return None;
        };
        self.count(&entry, entries.len(), limit);
        let mut map = BTreeMap::new();
        for (written, value) in entries {
            let item = Entry {
                key: joined(&entry.key, written.get_ref()),
                value,
            };
            let value = self.parse_text(&item, "a text in quotes", &parse);
            map.extend(value.map(|value| (written.get_ref().to_string(), value)));
        }
        Some(map)
    }

    /// Passes over a key that belongs to something else, and tells whether it is there.
    pub fn skip(&mut self, key: &'static str) -> bool {
        self.ask(key).is_some()
    }

    /// Tells whether a key is there, without asking for it.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Notes that a key must be there; a dotted one names a key of a table in this one.
    pub fn missing(&mut self, key: &'static str, expected: &'static str) {
        self.asked.push(key);
        self.absent(key, expected);
    }

    /// Notes as [`Self::missing`] does, for a key whose name is free.
    pub fn absent(&mut self, key: &str, expected: impl Into<Cow<'static, str>>) {
        let expected = expected.into();
        let fault = Fault::Missing { expected };
        let whole = key
            .split('.')
            .fold(self.path.clone(), |path, part| joined(&path, part));
        self.notes.add(self.place.clone(), whole, fault);
    }

    /// Notes that a key's value cannot be used, for what only several keys together tell.
    pub fn refuse(&mut self, key: &'static str, why: impl Into<String>) {
        if let Some(entry) = self.ask(key) {
            self.bad_value(&entry, why.into());
        }
    }

    fn ask(&mut self, key: &'static str) -> Option<Entry<'n, 't>> {
        self.asked.push(key);
        let value = self.entries.get(key)?;
        Some(Entry {
            key: joined(&self.path, key),
            value,
        })
    }

    fn enter<T>(
        &mut self,
        entry: &Entry<'_, 't>,
        build: impl FnOnce(&mut Table<'_, 't>) -> T,
    ) -> Option<T> {
        let DeValue::Table(entries) = entry.value.get_ref() else {
            self.wrong_type(entry, "a table");
            return None;
        };
        let mut table = Table {
            entries,
            path: entry.key.clone(),
            place: Some(entry.value.span()),
            asked: Vec::new(),
            notes: self.notes,
        };
        let values = build(&mut table);
        table.end();
        Some(values)
    }

    fn parse_text<T, E: std::fmt::Display>(
        &mut self,
        entry: &Entry<'_, 't>,
        expected: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let DeValue::String(text) = entry.value.get_ref() else {
            self.wrong_type(entry, expected);
            return None;
        };
        match parse(text) {
            Ok(value) => Some(value),
            Err(why) => {
                let fault = Fault::BadValue {
                    found: without_password(text),
                    why: why.to_string(),
                };
                self.notes
                    .add(Some(entry.value.span()), entry.key.clone(), fault);
                None
            }
        }
    }

    fn count(&mut self, entry: &Entry<'_, 't>, found: usize, limit: usize) {
        if found > limit {
            let fault = Fault::BadValue {
                found: format!("{found} entries"),
                why: format!("expected at most {limit}"),
            };
            self.notes
                .add(Some(entry.value.span()), entry.key.clone(), fault);
        }
    }

    fn wrong_type(&mut self, entry: &Entry<'_, 't>, expected: &'static str) {
        let found = type_of(entry.value.get_ref());
        let fault = Fault::WrongType { found, expected };
        self.notes
            .add(Some(entry.value.span()), entry.key.clone(), fault);
    }

    fn bad_value(&mut self, entry: &Entry<'_, 't>, why: String) {
        let found = self.notes.written(entry.value).to_owned();
        self.notes.add(
            Some(entry.value.span()),
            entry.key.clone(),
            Fault::BadValue { found, why },
        );
    }

    /// Notes the keys that nobody asked for.
    fn end(self) {
        for key in self.entries.keys() {
            let written: &str = key.get_ref();
            if self.asked.contains(&written) {
                continue;
            }
            let nearest = suggest::nearest(written, self.asked.iter().copied()).map(str::to_owned);
            let mut known: Vec<String> = self.asked.iter().map(|key| (*key).to_owned()).collect();
            known.sort();
            known.dedup();
            let fault = Fault::UnknownKey { nearest, known };
            self.notes
                .add(Some(key.span()), joined(&self.path, written), fault);
        }
    }
}

/// What was found wrong so far.
struct Notes<'t> {
    file: &'t str,
    text: &'t str,
    problems: Vec<Problem>,
}

impl<'t> Notes<'t> {
    fn add(&mut self, span: Option<Range<usize>>, key: String, fault: Fault) {
        let place = span.map(|span| {
            let before = self.text.get(..span.start).unwrap_or(self.text);
            let line_start = before.rfind('\n').map_or(0, |at| at + 1);
            let line = before.matches('\n').count() + 1;
            (
                line,
                before.get(line_start..).unwrap_or_default().chars().count() + 1,
            )
        });
        self.problems.push(Problem {
            file: self.file.to_owned(),
            place,
            key,
            fault,
        });
    }

    fn written(&self, value: &Spanned<DeValue<'_>>) -> &'t str {
        self.text.get(value.span()).unwrap_or_default()
    }
}

/// Joins a path and a key, in quotes when it could not be written bare.
fn joined(path: &str, key: &str) -> String {
    let bare = !key.is_empty()
        && key
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    let key = if bare {
        key.to_owned()
    } else {
        format!("{key:?}")
    };
    if path.is_empty() {
        key
    } else {
        format!("{path}.{key}")
    }
}

fn type_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
/// A value that could not be read, as it is said to whoever wrote it: not the password of an URL.
fn without_password(text: &str) -> String {
    if text.contains('@') && text.contains('/') {
        shown(text).into_owned()
    } else {
        text.to_owned()
    }
}
