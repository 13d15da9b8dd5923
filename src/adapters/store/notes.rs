//! What the server remembers for itself.

use crate::adapters::store::SqlStore;
use crate::adapters::store::session::args;
use crate::ports::fault::Fault;
use crate::ports::store::Notes;

pub(super) const READ: &str = "SELECT value FROM meta WHERE key = 'note/' || $1";
pub(super) const WRITE: &str = "INSERT INTO meta (key, value) VALUES ('note/' || $1, $2) \
     ON CONFLICT (key) DO UPDATE SET value = excluded.value";

#[async_trait::async_trait]
impl Notes for SqlStore {
    async fn note(&self, name: &str) -> Result<Option<String>, Fault> {
        self.one(READ, args![name], |row| row.text(0))
            .await
            .map_err(|error| error.fault(format!("read the note {name}")))
    }

    async fn set_note(&self, name: &str, text: &str) -> Result<(), Fault> {
        self.change(WRITE, args![name, text])
            .await
            .map(drop)
            .map_err(|error| error.fault(format!("write the note {name}")))
    }
}
