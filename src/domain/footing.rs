//! How the branch of a task stands to its base, and what follows from that.
//!
//! GitHub tells nobody when a base that moves brings conflicts, so branches are compared with their
//! bases by merging them in memory. A base that moved is merged into the branch by one more commit:
//! nothing is forced, and nobody's commits are lost.

use serde::{Deserialize, Serialize};

use crate::domain::change::RepoPath;
use crate::domain::effect::ReactionTarget;
use crate::domain::ids::{CommitSha, ThreadKey, TreeSha};
use crate::domain::repo::Actor;

/// The two commits that are compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Pair {
    /// The head of the base.
    pub base: CommitSha,
    /// The head of the branch.
    pub head: CommitSha,
}

/// What merging a base into a branch gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Merge {
    /// The branch has everything of the base.
    UpToDate,
    /// A tree, without conflicts.
    Clean(TreeSha),
    /// Conflicts in these paths, ordered.
    Conflicting(Vec<RepoPath>),
}

/// How a branch stands to its base.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stand {
    /// Nobody has looked, or there was no branch to look at.
    #[default]
    Unknown,
    /// It has everything of its base.
    UpToDate,
    /// The base has moved on, and merges without conflicts.
    Behind {
        /// The tree of the merge.
        tree: TreeSha,
    },
    /// The base has moved on, and conflicts in these paths.
    Conflicting(Vec<RepoPath>),
    /// There is no branch of the base's name any more.
    BaseGone,
}

/// How the branch of a task stands to its base, as last seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Footing {
    /// The base's name; `None` until somebody has looked.
    pub onto: Option<String>,
    /// What was compared last.
    pub compared: Option<Pair>,
    /// What came of it.
    pub stand: Stand,
    /// Who asked to bring the branch up to date, until that is done or answered.
    pub asked: Option<Asked>,
    /// How many merges of the base were begun.
    pub updates: u32,
    /// Whether a merge of the base came before the first job: then the status comment stands above what
    /// is asked for next.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub came_first: bool,
    /// The last merge of the base into the branch, until something else is asked for.
    pub update: Option<Update>,
    /// The head that the branch had when it was taken up, where it was not put there by us.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<CommitSha>,
}

/// A person's wish to bring the branch up to date.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Whose.
    pub by: Actor,
    /// What they asked by.
    pub target: ReactionTarget,
    /// Where, which is where they are answered.
    pub thread: ThreadKey,
}

/// A merge of the base into the branch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Update {
    /// What is merged.
    pub pair: Pair,
    /// Whether the task was in review before, and is again afterwards.
    pub in_review: bool,
    /// What became of it.
    pub came: Came,
}

/// What became of a merge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Came {
    /// It is on its way.
    OnItsWay,
    /// It is on the branch, as this commit.
    Made(CommitSha),
    /// It could not be made: why, as Markdown.
    Not(String),
}

/// What a commit says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Its first line.
    pub subject: String,
    /// The rest; may be empty.
    pub body: String,
}

/// Returns whether `result`, a file that had conflicts, still has markers: lines that neither side has,
/// of those that git puts around the two.
#[must_use]
pub fn has_markers(result: &[u8], sides: [&[u8]; 2]) -> bool {
    let lines = |text| <[u8]>::split(text, |&byte| byte == b'\n').map(<[u8]>::trim_ascii_end);
    let is_marker = |line: &&[u8]| {
        let ends = [&b"<<<<<<<"[..], b"|||||||", b">>>>>>>"];
        let rest = ends.iter().find_map(|end| line.strip_prefix(*end));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b" "))
    };
    let is_divider = |line: &&[u8]| *line == b"=======";
    let has = |line: &[u8]| {
        sides
            .iter()
            .any(|side| lines(side).any(|other| other == line))
    };
    let dividers = |text| lines(text).filter(is_divider).count();
    let [ours, theirs] = sides;
    lines(result).filter(is_marker).any(|line| !has(line))
        || dividers(result) > dividers(ours) + dividers(theirs)
}

impl Footing {
    /// Returns whether there is nothing to keep.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns whether a merge is on its way to the branch.
    #[must_use]
    pub fn is_updating(&self) -> bool {
        (self.update.as_ref()).is_some_and(|update| update.came == Came::OnItsWay)
    }
}

impl Stand {
    /// Returns how a branch stands for which merging has given that.
    #[must_use]
    pub fn of(merge: &Merge) -> Self {
        match merge {
            Merge::UpToDate => Self::UpToDate,
            Merge::Clean(tree) => Self::Behind { tree: tree.clone() },
            Merge::Conflicting(paths) => Self::Conflicting(paths.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_are_lines_that_neither_side_has() {
        let ours: &[u8] = b"Title\n=======\none\n";
        let theirs: &[u8] = b"Title\n=======\ntwo\n";
        for (result, expected) in [
            ("Title\n=======\none and two\n", false),
            ("<<<<<<< a\none\n=======\ntwo\n>>>>>>> b\n", true),
            ("one\n>>>>>>> b\n", true),
            ("<<<<<<<\r\none\n", true),
            ("||||||| base\n", true),
            ("a = b <<<<<<< c\n<<<<<<<<< d\n", false),
            ("=======\n=======\n=======\n", true),
            ("", false),
        ] {
            let found = has_markers(result.as_bytes(), [ours, theirs]);
            assert_eq!(found, expected, "{result:?}");
        }
        let about = b"How it looks:\n<<<<<<< ours\n";
        assert!(!has_markers(about, [about, b""]));
    }
}
