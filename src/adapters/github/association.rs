//! What an author has to do with a repository, as GitHub says beside what they wrote.

/// Returns whether the author belongs to the repository. `CONTRIBUTOR` only means that a pull
/// request of theirs was merged once.
pub(super) fn is_insider(author_association: Option<&str>) -> bool {
    matches!(
        author_association,
        Some("OWNER" | "MEMBER" | "COLLABORATOR")
    )
}
