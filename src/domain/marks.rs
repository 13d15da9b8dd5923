//! What our check run says of single lines: where checks failed, and what was left out of files that
//! are in the commit.

use crate::domain::annotation::{Level, MOST, Mark, Place};
use crate::domain::change::ChangeKind;
use crate::domain::evidence::Evidence;
use crate::domain::job::Harvested;
use crate::domain::render::pull::left_out_of;
use crate::domain::sanitize::neutral;

/// GitHub takes 255 characters.
const TITLE_CHARS: usize = 200;

/// Returns the annotations of a check run, the same ones in the same order for the same job: they are
/// sent in batches, and a batch that was sent is known by how many are there.
#[must_use]
pub fn marks(evidence: &[Evidence], harvested: Option<&Harvested>) -> Vec<Mark> {
    let failed = evidence.iter().filter(|one| !one.ending.succeeded());
    let of_checks = failed.flat_map(|one| {
        let title = neutral::subject(&one.command, TITLE_CHARS);
        one.places.iter().map(move |place| Mark {
            place: place.clone(),
            title: title.clone(),
        })
    });
    let of_policy = harvested.into_iter().flat_map(protected);
    of_checks.chain(of_policy).take(MOST).collect()
}

/// What policy protects and was there before is in the commit as it was: whoever looks at it there
/// should know. What was refused otherwise, or was new, is not in the commit at all.
fn protected(harvested: &Harvested) -> impl Iterator<Item = Mark> {
    harvested.protected.iter().filter_map(|(at, pattern)| {
        let change = harvested.harvest.changes.get(*at)?;
        let word = match change.kind {
            ChangeKind::Added(_) => return None,
            ChangeKind::Modified(_) => "changed",
            ChangeKind::Deleted => "deleted",
        };
        Some(Mark {
            place: Place {
                path: change.path.as_str()?.to_owned(),
                line: 1,
                column: None,
                level: Level::Warning,
                message: left_out_of(word, pattern),
            },
            title: "Left out".to_owned(),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::change::{Change, Entry, Harvest, Mode, RepoPath};
    use crate::domain::evidence::Ending;
    use crate::domain::ids::TreeSha;
    use crate::domain::time::Span;

    fn evidence(code: i32, lines: u32) -> Evidence {
        let place = |line| Place {
            path: "a.c".to_owned(),
            line,
            column: None,
            level: Level::Failure,
            message: "no".to_owned(),
        };
        Evidence {
            command: "make\ntest".to_owned(),
            ending: Ending::Exited(code),
            took: Span::ZERO,
            log_digest: String::new(),
            excerpt: String::new(),
            places: (1..=lines).map(place).collect(),
        }
    }

    fn harvested() -> Harvested {
        let entry = || Entry {
            mode: Mode::File,
            blob: String::new(),
            bytes: 1,
        };
        let change = |path: &str, kind| Change {
            path: RepoPath::new(path),
            kind,
        };
        let tree = TreeSha::new("a");
        Harvested {
            harvest: Harvest {
                base_tree: tree.clone(),
                tree: tree.clone(),
                changes: vec![
                    change("new", ChangeKind::Added(entry())),
                    change("old", ChangeKind::Modified(entry())),
                    change("gone", ChangeKind::Deleted),
                    change("free", ChangeKind::Deleted),
                ],
                refused: Vec::new(),
            },
            protected: (0..3).map(|at| (at, "*".to_owned())).collect(),
            tree,
            leaks: Vec::new(),
            unresolved: Vec::new(),
        }
    }

    #[test]
    fn checks_that_fail_mark_lines_and_policy_marks_files() {
        let checks = [evidence(0, 3), evidence(1, 1)];
        let marks = marks(&checks, Some(&harvested()));
        let shown: Vec<_> = marks
            .iter()
            .map(|mark| (mark.title.as_str(), mark.place.path.as_str()))
            .collect();
        assert_eq!(
            shown,
            [
                ("make test", "a.c"),
                ("Left out", "old"),
                ("Left out", "gone")
            ]
        );
    }

    #[test]
    fn all_of_them_together_are_no_more_than_anybody_reads() {
        let checks = [evidence(1, 150), evidence(2, 150)];
        assert_eq!(marks(&checks, Some(&harvested())).len(), MOST);
    }
}
