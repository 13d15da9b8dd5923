//! The rule that a person wrote: read, bounded, and refused with a reason.

use std::error::Error;
use std::path::Path;

use ast_grep_config::{GlobalRules, RuleCollection, RuleConfig, from_multiple, from_yaml_string};
use ast_grep_language::SupportLang;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// The longest rule, in bytes.
const MAX_BYTES: usize = 16 * 1024;

/// The languages whose grammars this build has.
const LANGUAGES: [SupportLang; 6] = [
    SupportLang::Go,
    SupportLang::JavaScript,
    SupportLang::Python,
    SupportLang::Rust,
    SupportLang::Tsx,
    SupportLang::TypeScript,
];

/// One rule, ready for use.
pub(super) struct Rule {
    name: String,
    language: SupportLang,
    rules: RuleCollection<SupportLang>,
}

/// What is looked at before the rest is: reading patterns of a language without a grammar panics.
#[derive(Deserialize)]
struct Head {
    id: Option<String>,
    language: Option<String>,
    rule: Option<IgnoredAny>,
    fix: Option<IgnoredAny>,
}

impl Rule {
    /// Reads a rule of YAML.
    ///
    /// # Errors
    /// Says what is wrong with it, for the person who wrote it.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        if text.len() > MAX_BYTES {
            let has = text.len();
            return Err(format!(
                "the rule has {has} bytes, and at most {MAX_BYTES} are read"
            ));
        }
        let heads: Vec<Head> = from_multiple(text)
            .map_err(|error| format!("the rule is not YAML as ast-grep reads it: {error}"))?;
        let head = match heads.as_slice() {
            [head] => head,
            [] => return Err("there is no rule: the text is empty".to_owned()),
            several => return Err(format!("there are {} rules; write one", several.len())),
        };
        let language = language(head.language.as_deref())?;
        if head.rule.is_none() {
            return Err("the rule has no `rule`, which says what to look for".to_owned());
        }
        if head.fix.is_none() {
            return Err("the rule has no `fix`, so it could change nothing; add one".to_owned());
        }
        let name = match head.id.as_deref() {
            None | Some("") => "the rule".to_owned(),
            Some(id) => format!("`{id}`"),
        };
        let configs: Vec<RuleConfig<SupportLang>> = from_yaml_string(text, &GlobalRules::default())
            .map_err(|error| format!("the rule cannot be used: {}", causes(&error)))?;
        if configs.iter().any(|config| config.fixer.len() > 1) {
            return Err("the rule has several fixes to choose from; keep one".to_owned());
        }
        let rules = RuleCollection::try_new(configs)
            .map_err(|error| format!("`files` or `ignores` of the rule: {error}"))?;
        if rules.total_rule_count() == 0 {
            return Err("the rule is turned off by its `severity`".to_owned());
        }
        Ok(Self {
            name,
            language,
            rules,
        })
    }

    /// Returns what to call it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) const fn language(&self) -> SupportLang {
        self.language
    }

    /// Returns the rule as far as it is for a file, by its name.
    pub(super) fn of(&self, path: &Path) -> Vec<&RuleConfig<SupportLang>> {
        self.rules.for_path(path)
    }

    pub(super) fn is_for(&self, path: &Path) -> bool {
        !self.of(path).is_empty()
    }
}

fn language(written: Option<&str>) -> Result<SupportLang, String> {
    let known: Vec<_> = LANGUAGES.iter().map(ToString::to_string).collect();
    let known = known.join(", ");
    let Some(written) = written else {
        return Err(format!(
            "the rule has no `language`; this server has {known}"
        ));
    };
    let found = written.parse().ok();
    found
        .filter(|language| LANGUAGES.contains(language))
        .ok_or_else(|| {
            format!("the language {written:?} is none of those that this server has: {known}")
        })
}

/// Joins an error and what is behind it.
fn causes(error: &dyn Error) -> String {
    let mut said = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        said = format!("{said}: {cause}");
        next = cause.source();
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: &str = "id: a\nlanguage: rs\nrule:\n  pattern: f($A)\nfix: g($A)\n";

    #[test]
    fn a_rule_is_read_as_ast_grep_reads_it() {
        let rule = Rule::read(RULE).unwrap();
        assert_eq!((rule.name(), rule.language()), ("`a`", SupportLang::Rust));
        assert!(rule.is_for(Path::new("src/a.rs")) && !rule.is_for(Path::new("a.py")));
        let full = "language: TypeScript\nrule: {pattern: $A.f($B)}\n\
            constraints: {B: {regex: '^x'}}\ntransform: {C: {replace: {source: $B, replace: x, by: y}}}\n\
            fix: $A.g($C)\nfiles: [src/**]\n";
        let rule = Rule::read(full).unwrap();
        assert_eq!(rule.name(), "the rule");
        assert!(rule.is_for(Path::new("src/a.ts")) && !rule.is_for(Path::new("a.ts")));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let large = format!("{RULE}# {}", "x".repeat(MAX_BYTES));
        for (text, expected) in [
            ("", "there is no rule"),
            ("just words", "not YAML as ast-grep reads it"),
            ("id: [", "not YAML as ast-grep reads it: error: line 1"),
            (large.as_str(), "at most 16384 are read"),
            (
                &RULE
                    .repeat(2)
                    .replace("fix: g($A)\nid", "fix: g($A)\n---\nid"),
                "there are 2 rules",
            ),
            (
                &RULE.replace("language: rs\n", ""),
                "has no `language`; this server has Go, ",
            ),
            (&RULE.replace("rs", "bash"), "\"bash\" is none of those"),
            (
                &RULE.replace("rs", "klingon"),
                "\"klingon\" is none of those",
            ),
            (&RULE.replace("fix: g($A)\n", ""), "has no `fix`"),
            (
                &RULE.replace("rule:\n  pattern: f($A)\n", ""),
                "has no `rule`",
            ),
            (&RULE.replace("pattern", "patern"), "patern"),
            (&RULE.replace("fix: g($A)", "fix: g($B)"), "B"),
            (&format!("{RULE}rules: x\n"), "rules"),
            (&format!("{RULE}severity: off\n"), "turned off"),
            (&format!("{RULE}files: ['a{{b']\n"), "`files` or `ignores`"),
        ] {
            let why = Rule::read(text).err().unwrap();
            assert!(why.contains(expected), "{text:?}: {why}");
        }
    }
}
