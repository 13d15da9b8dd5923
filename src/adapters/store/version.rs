//! Which code can run on a database: its schema, and the oldest one whose code still can.

use crate::adapters::store::error::Error;
use crate::adapters::store::schema;
use crate::adapters::store::session::{Row, Session, args};
use crate::domain::process::Schema;

/// The version of Prova whose code this is.
pub(super) const PROVA: &str = env!("CARGO_PKG_VERSION");

pub(super) const READ: &str = "SELECT \
     (SELECT max(version) FROM _sqlx_migrations), \
     (SELECT CAST(value AS BIGINT) FROM meta WHERE key = 'oldest_code'), \
     (SELECT value FROM meta WHERE key = 'schema_by')";

/// Says which version the schema is the own one of.
pub(super) const SIGN: &str = "INSERT INTO meta (key, value) VALUES ('schema_by', $1) \
     ON CONFLICT (key) DO UPDATE SET value = excluded.value";

fn facts(row: &Row) -> Result<Schema, Error> {
    Ok(Schema {
        known: schema::newest(),
        found: row.maybe_int(0)?.unwrap_or(0),
        oldest: row.maybe_int(1)?.unwrap_or(1),
        by: row.maybe_text(2)?,
    })
}

/// Reads what schema there is.
pub(super) async fn read(session: &mut Session) -> Result<Schema, Error> {
    match session.row(READ, args![]).await? {
        Some(row) => facts(&row),
        None => Err(Error::Damaged {
            what: "the schema".to_owned(),
            why: "it says nothing of itself".to_owned(),
        }),
    }
}

/// Refuses a database on which this code cannot run, and signs one whose schema is this code's own.
pub(super) async fn admit(session: &mut Session) -> Result<(), Error> {
    let schema = read(session).await?;
    if let Some(why) = schema.refusal(PROVA) {
        return Err(Error::Refused(why));
    }
    if schema.by.as_deref() != Some(PROVA) && schema.found == schema.known {
        session.run(SIGN, args![PROVA]).await?;
    }
    Ok(())
}
