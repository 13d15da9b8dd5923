//! What is set aside for model calls under way: one row for each call, and a sum for each scope.
//!
//! The rows of the scopes are what makes a budget one for all processes: whoever sets aside changes
//! them first and judges then, so on PostgreSQL, too, two that share a scope do so one after the other.

use std::collections::BTreeMap;

use crate::adapters::store::codec::{from_json, to_json};
use crate::adapters::store::dialect::{Claim, claim};
use crate::adapters::store::error::Error;
use crate::adapters::store::session::{Session, args};
use crate::adapters::store::spend::{ADD_CALL, Settled, by_scope, keys, settle, spent, unpresume};
use crate::domain::budget::{Account, Cap, Denied, Scope, judge};
use crate::domain::money::Usd;
use crate::domain::time::Timestamp;
use crate::domain::traffic::Tokens;
use crate::ports::gateway::Hold;

pub(super) const ADD: &str = "INSERT INTO hold (id, holder, until, job, endpoint, model, scopes, micros) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO NOTHING";

/// Makes the rows of scopes where they are missing, holds them, and sets $6 more aside in each.
pub(super) const SET_ASIDE: &str = "INSERT INTO spend (scope, micros, held) \
     SELECT column1, 0, $6 FROM (VALUES ($1), ($2), ($3), ($4), ($5)) AS given WHERE column1 <> '' \
     ON CONFLICT (scope) DO UPDATE SET held = spend.held + excluded.held \
     RETURNING scope, micros, held";

/// Sets money aside, or says why not; then what was written is to be rolled back.
pub(super) async fn set_aside(
    session: &mut Session,
    hold: &Hold,
    caps: &[Cap],
    (holder, until): (&str, Timestamp),
) -> Result<Result<(), Denied>, Error> {
    let keys = keys(caps.iter().map(|cap| &cap.scope));
    if caps.iter().any(|cap| hold.most > cap.most) {
        // Denied whatever else is set aside; and a row may be too small for it.
        let spent = spent(session, &keys).await?;
        let alone = |key: &String| spent.get(key).map(|spent| (*spent, Usd::ZERO));
        return Ok(judge(&accounts(caps, alone), hold.most));
    }
    let row = args![
        hold.id.as_str(),
        holder,
        until,
        hold.job,
        hold.endpoint.as_str(),
        hold.model.as_str(),
        to_json(&keys)?,
        hold.most,
    ];
    if session.run(ADD, row).await? == 0 {
        return Ok(Ok(()));
    }
    let mut found = BTreeMap::new();
    for values in by_scope(&keys, [hold.most]) {
        for row in session.rows(SET_ASIDE, values).await? {
            found.insert(row.text(0)?, (row.usd(1)?, row.usd(2)?.less(hold.most)));
        }
    }
    let before = |key: &String| found.get(key).copied();
    Ok(judge(&accounts(caps, before), hold.most))
}

/// Returns limits as they stand by what was spent and is held in a scope; nothing where there is no
/// row.
fn accounts(caps: &[Cap], of: impl Fn(&String) -> Option<(Usd, Usd)>) -> Vec<Account> {
    let account = |cap: &Cap| {
        let (spent, held) = of(&cap.scope.to_string()).unwrap_or_default();
        let cap = Cap {
            spent,
            ..cap.clone()
        };
        Account { cap, held }
    };
    caps.iter().map(account).collect()
}

pub(super) const KEEP: &str = "UPDATE hold SET until = $2 WHERE id = $1 AND until < $2";

pub(super) const TAKE: &str = "DELETE FROM hold WHERE id = $1 RETURNING micros";

/// Takes away what is set aside for a call and returns how much it was; its scopes are to be settled.
pub(super) async fn take(session: &mut Session, id: &str) -> Result<Usd, Error> {
    let row = session.row(TAKE, args![id]).await?;
    row.map_or(Ok(Usd::ZERO), |row| row.usd(0))
}

/// Frees what is set aside for a call, or charged because nobody knew its cost.
pub(super) async fn free(session: &mut Session, id: &str, scopes: &[Scope]) -> Result<(), Error> {
    let freed = Settled {
        cost: Usd::ZERO,
        held: take(session, id).await?,
        presumed: unpresume(session, id).await?.unwrap_or_default(),
    };
    settle(session, &keys(scopes), freed).await
}

pub(super) const END: &str = "UPDATE hold SET until = $2 WHERE holder = $1 AND until > $2";

/// The call that has been silent for the longest time. Who extends it in this moment is faster or
/// later, and finds none.
pub(super) const ENDED: Claim = claim!(
    "SELECT id, job, endpoint, model, micros, scopes FROM hold WHERE until <= $1 \
     ORDER BY until LIMIT 1"
);

/// Charges one call in full whose time has run out; `false` when there is none.
pub(super) async fn charge_ended(session: &mut Session, now: Timestamp) -> Result<bool, Error> {
    let Some(row) = session.claim(&ENDED, args![now]).await? else {
        return Ok(false);
    };
    let (id, most) = (row.text(0)?, row.usd(4)?);
    let keys: Vec<String> = from_json("what is set aside", &row.text(5)?)?;
    let held = take(session, &id).await?;
    let unknown = to_json(&Tokens::default())?;
    let call = args![
        id,
        now,
        row.text(1)?,
        row.text(2)?,
        row.text(3)?,
        unknown,
        most,
        1_i64
    ];
    let is_new = session.run(ADD_CALL, call).await? == 1;
    let charged = Settled {
        cost: if is_new { most } else { Usd::ZERO },
        held,
        presumed: Usd::ZERO,
    };
    settle(session, &keys, charged).await?;
    Ok(true)
}
