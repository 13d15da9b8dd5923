//! Who runs on this database, with what version, and who has which duty.

use crate::adapters::store::SqlStore;
use crate::adapters::store::dialect::Engine;
use crate::adapters::store::error::Error;
use crate::adapters::store::session::{Row, args};
use crate::adapters::store::version;
use crate::domain::process::{Host, Process, Role, Schema};
use crate::domain::time::Timestamp;
use crate::ports::fault::Fault;
use crate::ports::store::{Duty, Processes, Reach};

pub(super) const NOTE: &str = "INSERT INTO process \
         (id, role, host, kernel, version, schema, started_at, seen_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
     ON CONFLICT (id) DO UPDATE SET role = excluded.role, host = excluded.host, \
         kernel = excluded.kernel, version = excluded.version, schema = excluded.schema, \
         started_at = excluded.started_at, seen_at = excluded.seen_at";

pub(super) const ALL: &str = "SELECT id, role, host, kernel, version, schema, started_at, seen_at \
     FROM process ORDER BY role, id";

fn process(row: &Row) -> Result<Process, Error> {
    let role = row.text(1)?;
    Ok(Process {
        id: row.text(0)?,
        role: Role::of(&role).ok_or_else(|| Error::Damaged {
            what: "a process".to_owned(),
            why: format!("{role:?} is no role"),
        })?,
        host: Host {
            name: row.text(2)?,
            kernel: row.text(3)?,
        },
        version: row.text(4)?,
        schema: row.int(5)?,
        started_at: row.time(6)?,
        seen_at: row.time(7)?,
    })
}

pub(super) const LEAVE: &str = "DELETE FROM process WHERE id = $1";
pub(super) const GIVE_UP: &str = "DELETE FROM duty WHERE holder = $1";
pub(super) const FORGET: &str = "DELETE FROM process WHERE seen_at < $1";

/// Changes a row when the duty is the holder's already, or nobody's any more; else none.
pub(super) const TAKE: &str = "INSERT INTO duty (name, holder, until) VALUES ($1, $2, $4) \
     ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until \
     WHERE duty.holder = excluded.holder OR duty.until <= $3";

const fn name(duty: Duty) -> &'static str {
    match duty {
        Duty::Dispatch => "dispatch",
        Duty::Reconcile => "reconcile",
        Duty::Bases => "bases",
    }
}

#[async_trait::async_trait]
impl Processes for SqlStore {
    fn reach(&self) -> Reach {
        match self.writer.engine() {
            Engine::Sqlite => Reach::OneMachine,
            Engine::Postgres => Reach::AnyMachine,
        }
    }

    async fn note_process(&self, process: &Process) -> Result<(), Fault> {
        let row = args![
            process.id.as_str(),
            process.role.word(),
            process.host.name.as_str(),
            process.host.kernel.as_str(),
            process.version.as_str(),
            process.schema,
            process.started_at,
            process.seen_at
        ];
        self.change(NOTE, row)
            .await
            .map(drop)
            .map_err(|error| error.fault("note that this process runs"))
    }

    async fn leave(&self, id: &str) -> Result<(), Fault> {
        let work = async {
            let mut session = self.write().await?;
            let outcome = async {
                session.run(GIVE_UP, args![id]).await?;
                session.run(LEAVE, args![id]).await
            }
            .await;
            session.end(outcome).await
        };
        work.await
            .map(drop)
            .map_err(|error: Error| error.fault("note that this process ends"))
    }

    async fn processes(&self) -> Result<Vec<Process>, Fault> {
        self.all(ALL, args![], process)
            .await
            .map_err(|error| error.fault("list the processes"))
    }

    async fn forget_processes(&self, before: Timestamp) -> Result<u64, Fault> {
        self.change(FORGET, args![before])
            .await
            .map_err(|error| error.fault("forget processes that are gone"))
    }

    async fn take_duty(
        &self,
        duty: Duty,
        holder: &str,
        (now, until): (Timestamp, Timestamp),
    ) -> Result<bool, Fault> {
        self.change(TAKE, args![name(duty), holder, now, until])
            .await
            .map(|changed| changed == 1)
            .map_err(|error| error.fault(format!("take the duty to {}", name(duty))))
    }

    async fn schema(&self) -> Result<Schema, Fault> {
        let work = async {
            let mut session = self.read().await?;
            let read = version::read(&mut session).await;
            session.end(read).await
        };
        work.await
            .map_err(|error: Error| error.fault("read the schema"))
    }
}
