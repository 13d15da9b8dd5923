//! Resolving revisions to objects.

use std::path::Path;

use crate::adapters::git::call::Call;
use crate::adapters::git::object::ObjectId;
use crate::adapters::git::process;
use crate::adapters::git::trouble::{Kind, Trouble};

/// Resolves a revision that the server wrote itself.
pub(crate) async fn rev_parse(git_dir: &Path, revision: &str) -> Result<ObjectId, Trouble> {
    let call = Call::new(
        git_dir,
        ["rev-parse", "--verify", "--end-of-options", revision],
    );
    let printed = process::run(&call).await?;
    // Older versions of git print the option as well.
    printed
        .trim_ascii_end()
        .rsplit(|&byte| byte == b'\n')
        .next()
        .and_then(ObjectId::parse)
        .ok_or_else(|| Trouble::new(Kind::Lasting, format!("{revision} is not one object")))
}
