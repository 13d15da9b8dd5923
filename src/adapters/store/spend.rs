//! What model calls cost, by scope.

use std::collections::{BTreeMap, BTreeSet};

use crate::adapters::store::SqlStore;
use crate::adapters::store::codec::to_json;
use crate::adapters::store::error::Error;
use crate::adapters::store::holds;
use crate::adapters::store::session::{Arg, Session, args};
use crate::domain::budget::{Cap, Denied, Scope};
use crate::domain::money::Usd;
use crate::domain::time::Timestamp;
use crate::ports::fault::Fault;
use crate::ports::gateway::{Charge, Hold};
use crate::ports::store::Spending;

/// Adds a call, with 1 at the end when it is only presumed what it cost.
pub(super) const ADD_CALL: &str = "INSERT INTO model_call (id, at, job, endpoint, model, tokens, micros, presumed) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO NOTHING";

/// What changes in the scopes of a call: what it cost, and what counted for it before.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Settled {
    pub(super) cost: Usd,
    pub(super) held: Usd,
    pub(super) presumed: Usd,
}

/// As many as the limits of a job, which are read and changed most.
const AT_ONCE: usize = 5;

/// Returns values for the scopes of a statement, the missing ones empty.
fn padded(keys: &[String]) -> Vec<Arg> {
    let mut values: Vec<Arg> = keys.iter().map(|key| Arg::from(key.as_str())).collect();
    values.resize_with(AT_ONCE, || Arg::from(""));
    values
}

/// Returns values for statements that change these scopes, so many at a time, with `more` behind them.
pub(super) fn by_scope<const N: usize>(
    keys: &[String],
    more: [Usd; N],
) -> impl Iterator<Item = Vec<Arg>> {
    keys.chunks(AT_ONCE).map(move |some| {
        let mut values = padded(some);
        values.extend(more.map(Arg::from));
        values
    })
}

/// Returns the keys of scopes, each once, in the order in which their rows are changed: of one kind
/// after the other, so that no two transactions wait for each other.
pub(super) fn keys<'a>(scopes: impl IntoIterator<Item = &'a Scope>) -> Vec<String> {
    let scopes: BTreeSet<_> = scopes.into_iter().collect();
    scopes.iter().map(ToString::to_string).collect()
}

/// Makes the rows of scopes, or changes them: the first row of an insertion must keep the rules that
/// its change makes it keep in the end.
pub(super) const SETTLE: &str = "INSERT INTO spend (scope, micros, held) \
     SELECT column1, $6, 0 FROM (VALUES ($1), ($2), ($3), ($4), ($5)) AS given WHERE column1 <> '' \
     ON CONFLICT (scope) DO UPDATE SET micros = spend.micros + $6 - $8, held = spend.held - $7";

/// Charges a call in its scopes.
pub(super) async fn settle(
    session: &mut Session,
    keys: &[String],
    settled: Settled,
) -> Result<(), Error> {
    if settled == Settled::default() {
        return Ok(());
    }
    let amounts = [settled.cost, settled.held, settled.presumed];
    for values in by_scope(keys, amounts) {
        session.run(SETTLE, values).await?;
    }
    Ok(())
}

/// Takes away what a call was charged because nobody knew.
pub(super) const UNPRESUME: &str =
    "DELETE FROM model_call WHERE id = $1 AND presumed = 1 RETURNING micros";

pub(super) async fn unpresume(session: &mut Session, id: &str) -> Result<Option<Usd>, Error> {
    let row = session.row(UNPRESUME, args![id]).await?;
    row.map(|row| row.usd(0)).transpose()
}

/// Adds a call; `false` when it is there.
async fn add_call(session: &mut Session, charge: &Charge, at: Timestamp) -> Result<bool, Error> {
    let row = args![
        charge.id.as_str(),
        at,
        charge.job,
        charge.endpoint.as_str(),
        charge.model.as_str(),
        to_json(&charge.tokens)?,
        charge.cost,
        0_i64,
    ];
    Ok(session.run(ADD_CALL, row).await? == 1)
}

async fn record(session: &mut Session, charge: &Charge, at: Timestamp) -> Result<(), Error> {
    let mut settled = Settled {
        cost: charge.cost,
        held: holds::take(session, &charge.id).await?,
        presumed: Usd::ZERO,
    };
    if !add_call(session, charge, at).await? {
        match unpresume(session, &charge.id).await? {
            Some(presumed) => {
                settled.presumed = presumed;
                add_call(session, charge, at).await?;
            }
            // It was recorded before.
            None => settled.cost = Usd::ZERO,
        }
    }
    settle(session, &keys(&charge.scopes), settled).await
}

pub(super) const SPENT: &str =
    "SELECT scope, micros FROM spend WHERE scope IN ($1, $2, $3, $4, $5)";

/// Reads what was spent in each scope that has a row.
pub(super) async fn spent(
    session: &mut Session,
    keys: &[String],
) -> Result<BTreeMap<String, Usd>, Error> {
    let mut found = BTreeMap::new();
    for some in keys.chunks(AT_ONCE) {
        for row in session.rows(SPENT, padded(some)).await? {
            found.insert(row.text(0)?, row.usd(1)?);
        }
    }
    Ok(found)
}

pub(super) const FORGET: &str = "DELETE FROM model_call WHERE at < $1";

#[async_trait::async_trait]
impl Spending for SqlStore {
    async fn set_aside(
        &self,
        hold: &Hold,
        caps: &[Cap],
        holder: (&str, Timestamp),
    ) -> Result<Result<(), Denied>, Fault> {
        let work = async {
            let mut session = self.write().await?;
            match holds::set_aside(&mut session, hold, caps, holder).await {
                // Nothing of it stays.
                Ok(Err(denied)) => {
                    session.undo().await;
                    Ok(Err(denied))
                }
                outcome => session.end(outcome).await,
            }
        };
        work.await.map_err(|error: Error| {
            error.fault(format!("set money aside for a model call of {}", hold.job))
        })
    }

    async fn keep_aside(&self, id: &str, until: Timestamp) -> Result<(), Fault> {
        self.change(holds::KEEP, args![id, until])
            .await
            .map(drop)
            .map_err(|error| error.fault("keep money set aside for a model call"))
    }

    async fn free_call(&self, id: &str, scopes: &[Scope]) -> Result<(), Fault> {
        let work = async {
            let mut session = self.write().await?;
            let outcome = holds::free(&mut session, id, scopes).await;
            session.end(outcome).await
        };
        work.await
            .map_err(|error: Error| error.fault("free what was set aside for a model call"))
    }

    async fn charge_ended(&self, now: Timestamp) -> Result<u64, Fault> {
        let work = async {
            let mut count = 0;
            loop {
                // Each by itself: the scopes of two have no common order.
                let mut session = self.write().await?;
                let charged = holds::charge_ended(&mut session, now).await;
                if !session.end(charged).await? {
                    return Ok(count);
                }
                count += 1;
            }
        };
        work.await
            .map_err(|error: Error| error.fault("charge model calls whose end nobody has seen"))
    }

    async fn end_holds(&self, holder: &str, now: Timestamp) -> Result<(), Fault> {
        self.change(holds::END, args![holder, now])
            .await
            .map(drop)
            .map_err(|error| error.fault("end what a worker has set aside"))
    }

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
        let keys: Vec<_> = scopes.iter().map(ToString::to_string).collect();
        let work = async {
            let mut session = self.read().await?;
            let outcome = spent(&mut session, &keys).await;
            session.end(outcome).await
        };
        let found = work
            .await
            .map_err(|error: Error| error.fault("read what was spent"))?;
        let of = |key: &String| found.get(key).copied().unwrap_or(Usd::ZERO);
        Ok(keys.iter().map(of).collect())
    }

    async fn forget_calls(&self, before: Timestamp) -> Result<u64, Fault> {
        self.change(FORGET, args![before])
            .await
            .map_err(|error| error.fault("delete old model calls"))
    }
}
