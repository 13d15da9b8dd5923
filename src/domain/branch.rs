//! Names of branches: checked by git's own rules, and the one that a thread's work goes to.

use serde::{Deserialize, Serialize};

use crate::domain::ids::{JobId, ThreadNumber};
use crate::domain::name::Name;
use crate::domain::redact::Redactor;

/// A branch's name without `refs/heads/`, as `git check-ref-format --branch` would accept it.
///
/// **Invariant:** it never starts with `-`, so that it cannot become an option of a command.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BranchName(String);

/// Why a text is not a branch's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is not a branch name: {why}")]
pub struct BadBranchName {
    name: String,
    why: &'static str,
}

/// Longer slugs are cut: the branch is also shown in lists.
const MAX_SLUG: usize = 40;

/// A file system takes 255 bytes a component, and git adds `.lock` while it writes.
const MAX_COMPONENT: usize = 250;

impl BranchName {
    /// What every branch of ours starts with.
    pub const NAMESPACE: &'static str = "prova/";

    /// Names the branch for the work on a thread: `prova/<number>-<slug of the title>`.
    ///
    /// Any title yields a valid name without a secret, and the same title the same name. Titles change, so a task
    /// keeps the name that it was given first.
    #[must_use]
    pub fn for_thread(number: ThreadNumber, title: &str) -> Self {
        let slug = slug(&Redactor::default().redact(title));
        let dash = if slug.is_empty() { "" } else { "-" };
        Self(format!("{}{number}{dash}{slug}", Self::NAMESPACE))
    }

    /// Names the branch for a thread's later tasks: `-2` and so on is appended from the second.
    #[must_use]
    pub fn numbered(self, ordinal: u32) -> Self {
        if ordinal < 2 {
            self
        } else {
            Self(format!("{}-{ordinal}", self.0))
        }
    }

    /// Names the branch that keeps what a job left for a pull request whose own branch may not have it.
    #[must_use]
    pub fn kept(job: JobId) -> Self {
        let (number, task) = (job.task.thread.number, job.task.ordinal);
        Self(format!(
            "{}{number}-kept-{task}-{}",
            Self::NAMESPACE,
            job.ordinal
        ))
    }

    /// Names the branch for what a contestant of a race left that is not proposed; `job` is the
    /// ordinal of the task's job, since a task may have several races. It is beside this branch and
    /// not below it: git cannot have `a` and `a/b`.
    #[must_use]
    pub fn of_rival(&self, job: u32, agent: &Name) -> Self {
        Self(format!("{}-{job}-{agent}", self.0))
    }

    /// Returns the number of the thread that a branch of ours is for.
    #[must_use]
    pub fn thread(&self) -> Option<ThreadNumber> {
        let rest = self.0.strip_prefix(Self::NAMESPACE)?;
        let number = rest.split('-').next().unwrap_or_default();
        let plain = number.bytes().all(|byte| byte.is_ascii_digit());
        let number = number.parse().ok().filter(|_| plain)?;
        Some(ThreadNumber(number))
    }

    /// Returns the name without `refs/heads/`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the name with `refs/heads/`.
    #[must_use]
    pub fn full(&self) -> String {
        format!("refs/heads/{}", self.0)
    }

    /// Tells whether the branch is in our namespace.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.0.starts_with(Self::NAMESPACE)
    }
}

impl std::str::FromStr for BranchName {
    type Err = BadBranchName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match fault(text) {
            None => Ok(Self(text.to_owned())),
            Some(why) => Err(BadBranchName {
                name: text.chars().take(120).collect(),
                why,
            }),
        }
    }
}

impl TryFrom<String> for BranchName {
    type Error = BadBranchName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<BranchName> for String {
    fn from(name: BranchName) -> Self {
        name.0
    }
}

impl std::fmt::Display for BranchName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Finds the rule that a name breaks; the rules of `git-check-ref-format(1)`.
fn fault(name: &str) -> Option<&'static str> {
    let forbidden = |c: char| c.is_ascii_control() || " ~^:?*[\\".contains(c);
    let part = |test: fn(&str) -> bool| name.split('/').any(test);
    let rules = [
        (name.is_empty(), "it is empty"),
        (name.starts_with('-'), "it starts with `-`"),
        (
            name == "HEAD" || name == "@",
            "git gives that name a meaning of its own",
        ),
        (
            name.contains(forbidden),
            "it has a space, a control character or one of ~ ^ : ? * [ \\",
        ),
        (name.contains(".."), "it has `..`"),
        (name.contains("@{"), "it has `@{`"),
        (name.ends_with('.'), "it ends with `.`"),
        (part(str::is_empty), "it has an empty part between slashes"),
        (part(|p| p.starts_with('.')), "a part starts with `.`"),
        (
            part(|p| p.strip_suffix(".lock").is_some()),
            "a part ends with `.lock`",
        ),
        (
            part(|p| p.len() > MAX_COMPONENT),
            "a part is longer than 250 bytes",
        ),
    ];
    rules
        .iter()
        .find(|(broken, _)| *broken)
        .map(|(_, why)| *why)
}

/// Keeps ASCII letters and digits in lower case; anything else becomes single dashes between them.
fn slug(title: &str) -> String {
    let mut slug = String::with_capacity(MAX_SLUG);
    let mut gap = false;
    for c in title.chars() {
        if !c.is_ascii_alphanumeric() {
            gap = true;
            continue;
        }
        if gap && !slug.is_empty() {
            slug.push('-');
        }
        gap = false;
        if slug.len() >= MAX_SLUG {
            break;
        }
        slug.push(c.to_ascii_lowercase());
    }
    slug.truncate(slug.trim_end_matches('-').len());
    slug
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn named(title: &str) -> String {
        BranchName::for_thread(ThreadNumber(12), title).to_string()
    }

    #[test]
    fn a_thread_names_its_branch() {
        assert_eq!(named("Fix the parser"), "prova/12-fix-the-parser");
        assert_eq!(
            named("  --Évitez *les* pièges!! "),
            "prova/12-vitez-les-pi-ges"
        );
        assert_eq!(named("config.lock"), "prova/12-config-lock");
        assert_eq!(named("日本語"), "prova/12");
        assert_eq!(named(""), "prova/12");
        assert_eq!(named("\u{202e}\"; rm -rf / #"), "prova/12-rm-rf");
        let long = named("a title that goes on for much longer than anybody reads");
        assert_eq!(long, "prova/12-a-title-that-goes-on-for-much-longer-tha");
    }

    #[test]
    fn later_tasks_get_branches_of_their_own() {
        let first = BranchName::for_thread(ThreadNumber(12), "fix");
        assert_eq!(first.clone().numbered(1), first);
        assert_eq!(first.numbered(2).as_str(), "prova/12-fix-2");
    }

    #[test]
    fn gits_rules_hold() {
        for good in [
            "main",
            "a/b",
            "feature/x.y",
            "é",
            "a@b",
            "-x/y".trim_start_matches('-'),
        ] {
            assert_eq!(
                good.parse::<BranchName>().map(String::from),
                Ok(good.to_owned())
            );
        }
        let bad = [
            "",
            "-x",
            "--upload-pack=x",
            "HEAD",
            "@",
            "a b",
            "a\nb",
            "a\0",
            "a~1",
            "a^",
            "a:b",
            "a?",
            "a*",
            "a[b",
            "a\\b",
            "a..b",
            "a@{1}",
            "a.",
            "/a",
            "a/",
            "a//b",
            ".a",
            "a/.b",
            "a.lock",
            "a.lock/b",
        ];
        for name in bad {
            assert!(name.parse::<BranchName>().is_err(), "{name:?}");
        }
        assert_eq!(
            "a..b".parse::<BranchName>().unwrap_err().to_string(),
            "\"a..b\" is not a branch name: it has `..`"
        );
    }

    proptest! {
        #[test]
        fn any_title_yields_a_valid_name(number: u64, title: String, ordinal: u32) {
            let name = BranchName::for_thread(ThreadNumber(number), &title);
            prop_assert_eq!(fault(name.as_str()), None);
            prop_assert!(name.is_ours() && name.as_str().len() <= 70);
            prop_assert!(!name.as_str().ends_with('-'));
            let later = name.numbered(ordinal);
            prop_assert_eq!(fault(later.as_str()), None);
        }
    }
}
