//! Rules over a change, applied by the server before anything is published.

use crate::domain::change::{Change, ChangeKind, Harvest};
use crate::domain::job::{PutBack, Restored};
use crate::domain::policy::Policy;
use crate::domain::steering::collide;

/// What stands in the place of a pattern for a file that an agent got as the default branch has it.
const RESTORED: &str = "the default branch, as which the agent got it";

/// Returns the changes that policy protects, as (index into the changes, the pattern), in order.
///
/// A protected path may be neither changed nor deleted nor added.
#[must_use]
pub fn protected(harvest: &Harvest, policy: &Policy) -> Vec<(usize, String)> {
    harvest
        .changes
        .iter()
        .enumerate()
        .filter_map(|(n, change)| {
            let pattern = policy.protect.matches(change.path.as_bytes())?;
            Some((n, pattern.to_owned()))
        })
        .collect()
}

/// Puts a harvest that was compared with restored files onto the base itself, and returns the changes
/// that cannot be made there, as [`protected`] does.
///
/// What was only put back is the agent's change in no way, and stays on the branch as it is. What the
/// agent made of a restored file would undo what the branch says there without having seen it, so it
/// is left out; unless it is just what the branch says.
pub fn onto_base(harvest: &mut Harvest, restored: &Restored) -> Vec<(usize, String)> {
    harvest.base_tree = restored.base_tree.clone();
    let as_base = |change: &Change, file: &PutBack| {
        let now = match &change.kind {
            ChangeKind::Added(entry) | ChangeKind::Modified(entry) => Some(&entry.blob),
            ChangeKind::Deleted => None,
        };
        file.path == change.path && file.base.as_ref() == now
    };
    harvest
        .changes
        .retain(|change| !restored.files.iter().any(|file| as_base(change, file)));
    let touched = harvest.changes.iter().enumerate().filter(|(_, change)| {
        let files = &mut restored.files.iter();
        files.any(|file| collide(&change.path, &file.path))
    });
    touched.map(|(n, _)| (n, RESTORED.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::change::{Entry, Mode, RepoPath};
    use crate::domain::ids::{CommitSha, TreeSha};

    fn change(path: &str, blob: Option<&str>) -> Change {
        let entry = blob.map(|blob| Entry {
            mode: Mode::File,
            blob: blob.to_owned(),
            bytes: 1,
        });
        Change {
            path: RepoPath::new(path),
            kind: entry.map_or(ChangeKind::Deleted, ChangeKind::Modified),
        }
    }

    #[test]
    fn what_was_put_back_is_neither_published_nor_undone() {
        let file = |path: &str, base: Option<&str>| PutBack {
            path: RepoPath::new(path),
            base: base.map(str::to_owned),
        };
        let restored = Restored {
            start: CommitSha::new("start"),
            base_tree: TreeSha::new("base"),
            files: vec![
                file(".claude/hook", Some("b1")),
                file("CLAUDE.md", Some("b2")),
                file("gone.md", None),
            ],
        };
        let mut harvest = Harvest {
            base_tree: TreeSha::new("restored"),
            tree: TreeSha::new("made"),
            changes: vec![
                change(".claude/hook", Some("other")),
                change("CLAUDE.md", Some("b2")),
                change("gone.md", None),
                change("src/a", Some("other")),
            ],
            refused: Vec::new(),
        };
        let left_out = onto_base(&mut harvest, &restored);
        assert_eq!(left_out, [(0, RESTORED.to_owned())]);
        let paths: Vec<_> = harvest
            .changes
            .iter()
            .map(|change| change.path.to_string())
            .collect();
        assert_eq!(paths, [".claude/hook", "src/a"]);
        assert_eq!(harvest.base_tree, TreeSha::new("base"));
    }
}
