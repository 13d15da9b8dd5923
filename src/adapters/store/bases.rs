//! Repositories whose branches are to be compared with their bases.

use crate::adapters::store::SqlStore;
use crate::adapters::store::codec::parsed;
use crate::adapters::store::error::Error;
use crate::adapters::store::session::{Row, Session, args};
use crate::domain::ids::RepoId;
use crate::domain::time::Timestamp;
use crate::ports::fault::Fault;
use crate::ports::store::{Bases, DueBases};

/// Asks for a comparison. One that has failed is not made earlier by that.
pub(super) const ASK: &str = "INSERT INTO base (repo, due) VALUES ($1, $2) \
     ON CONFLICT (repo) DO UPDATE SET asked = base.asked + 1, \
         due = CASE WHEN base.attempts > 0 OR base.due < excluded.due \
             THEN base.due ELSE excluded.due END";

pub(super) const NEXT: &str =
    "SELECT repo, asked, attempts FROM base WHERE due <= $1 ORDER BY due, repo LIMIT 1";
pub(super) const DONE: &str = "DELETE FROM base WHERE repo = $1 AND asked = $2";
pub(super) const AGAIN: &str = "UPDATE base SET attempts = 0, due = $2 WHERE repo = $1";
pub(super) const PUT_OFF: &str =
    "UPDATE base SET attempts = attempts + 1, due = $2 WHERE repo = $1";

pub(super) async fn ask(session: &mut Session, repo: RepoId, from: Timestamp) -> Result<(), Error> {
    session.run(ASK, args![repo, from]).await.map(drop)
}

fn due(row: &Row) -> Result<DueBases, Error> {
    Ok(DueBases {
        repo: RepoId(parsed("a repository", &row.text(0)?)?),
        asked: row.int(1)?,
        attempts: row.count(2)?,
    })
}

#[async_trait::async_trait]
impl Bases for SqlStore {
    async fn next_bases(&self, now: Timestamp) -> Result<Option<DueBases>, Fault> {
        self.one(NEXT, args![now], due)
            .await
            .map_err(|error| error.fault("look for branches to compare"))
    }

    async fn bases_compared(&self, due: &DueBases, again: Timestamp) -> Result<(), Fault> {
        let work = async {
            let mut session = self.write().await?;
            let outcome = async {
                if session.run(DONE, args![due.repo, due.asked]).await? == 0 {
                    session.run(AGAIN, args![due.repo, again]).await?;
                }
                Ok(())
            }
            .await;
            session.end(outcome).await
        };
        work.await
            .map_err(|error: Error| error.fault("note that branches were compared"))
    }

    async fn put_bases_off(&self, due: &DueBases, until: Timestamp) -> Result<(), Fault> {
        self.change(PUT_OFF, args![due.repo, until])
            .await
            .map(drop)
            .map_err(|error| error.fault("put a comparison of branches off"))
    }
}
