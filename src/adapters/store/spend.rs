//! What model calls cost, by scope.

use std::collections::BTreeMap;

use crate::adapters::store::SqlStore;
use crate::adapters::store::codec::to_json;
use crate::adapters::store::error::Error;
use crate::adapters::store::session::{Arg, Session, args};
use crate::domain::budget::Scope;
use crate::domain::money::Usd;
use crate::domain::time::Timestamp;
use crate::ports::fault::Fault;
use crate::ports::gateway::Charge;
use crate::ports::store::Spending;

pub(super) const ADD_CALL: &str = "INSERT INTO model_call (id, at, job, endpoint, model, tokens, micros) \
     VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING";
pub(super) const ADD_SPEND: &str = "INSERT INTO spend (scope, micros) VALUES ($1, $2) \
     ON CONFLICT (scope) DO UPDATE SET micros = spend.micros + excluded.micros";

async fn record(session: &mut Session, charge: &Charge, at: Timestamp) -> Result<(), Error> {
    let row = args![
        charge.id.as_str(),
        at,
        charge.job,
        charge.endpoint.as_str(),
        charge.model.as_str(),
        to_json(&charge.tokens)?,
        charge.cost,
    ];
    if session.run(ADD_CALL, row).await? == 0 {
        return Ok(());
    }
    for scope in &charge.scopes {
        session.run(ADD_SPEND, args![scope, charge.cost]).await?;
    }
    Ok(())
}

/// As many as the limits of a job, which are read most.
const AT_ONCE: usize = 5;
pub(super) const SPENT: &str =
    "SELECT scope, micros FROM spend WHERE scope IN ($1, $2, $3, $4, $5)";

async fn spent(session: &mut Session, scopes: &[Scope]) -> Result<Vec<Usd>, Error> {
    let mut found = BTreeMap::new();
    for some in scopes.chunks(AT_ONCE) {
        let mut keys: Vec<Arg> = some.iter().map(Arg::from).collect();
        keys.resize_with(AT_ONCE, || Arg::from(""));
        for row in session.rows(SPENT, keys).await? {
            found.insert(row.text(0)?, row.usd(1)?);
        }
    }
    let of = |scope: &Scope| found.get(&scope.to_string()).copied().unwrap_or(Usd::ZERO);
    Ok(scopes.iter().map(of).collect())
}

pub(super) const FORGET: &str = "DELETE FROM model_call WHERE at < $1";

#[async_trait::async_trait]
impl Spending for SqlStore {
    async fn record_call(&self, charge: &Charge, at: Timestamp) -> Result<(), Fault> {
        let work = async {
            let mut session = self.write().await?;
            let outcome = record(&mut session, charge, at).await;
            session.end(outcome).await
        };
        work.await
            .map_err(|error: Error| error.fault(format!("record a model call of {}", charge.job)))
    }

    async fn spent(&self, scopes: &[Scope]) -> Result<Vec<Usd>, Fault> {
        let work = async {
            let mut session = self.read().await?;
            let outcome = spent(&mut session, scopes).await;
            session.end(outcome).await
        };
        work.await
            .map_err(|error: Error| error.fault("read what was spent"))
    }

    async fn forget_calls(&self, before: Timestamp) -> Result<u64, Fault> {
        self.change(FORGET, args![before])
            .await
            .map_err(|error| error.fault("delete old model calls"))
    }
}
