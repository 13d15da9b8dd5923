//! A ledger in memory that keeps to the rules.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use prova::domain::budget::{Account, Cap, Denied, Scope, judge};
use prova::domain::money::Usd;
use prova::ports::fault::Fault;
use prova::ports::gateway::{Charge, Hold, Ledger};

/// The accounts.
#[derive(Default)]
pub(crate) struct Accounts {
    /// Every charge, in order.
    pub(crate) charges: Mutex<Vec<Charge>>,
    /// What is set aside, by call, and in which scopes.
    pub(crate) holds: Mutex<BTreeMap<String, (Hold, Vec<Scope>)>>,
    /// How often it heard that a call is under way.
    pub(crate) kept: AtomicU64,
    /// Whether it fails.
    pub(crate) away: AtomicBool,
}

impl Accounts {
    fn answers(&self) -> Result<(), Fault> {
        if self.away.load(Ordering::SeqCst) {
            return Err(Fault::transient("ask the ledger", "it is away"));
        }
        Ok(())
    }
}

fn sum(amounts: impl Iterator<Item = Usd>) -> Usd {
    amounts.fold(Usd::ZERO, Usd::plus)
}

#[async_trait::async_trait]
impl Ledger for Accounts {
    async fn set_aside(&self, hold: &Hold, caps: &[Cap]) -> Result<Result<(), Denied>, Fault> {
        self.answers()?;
        let mut holds = self.holds.lock().unwrap();
        let charges = self.charges.lock().unwrap();
        let account = |cap: &Cap| {
            let charged = charges.iter().filter(|one| one.scopes.contains(&cap.scope));
            let held = holds.values().filter(|(_, of)| of.contains(&cap.scope));
            Account {
                held: sum(held.map(|(hold, _)| hold.most)),
                cap: Cap {
                    spent: sum(charged.map(|charge| charge.cost)),
                    ..cap.clone()
                },
            }
        };
        let accounts: Vec<_> = caps.iter().map(account).collect();
        let verdict = judge(&accounts, hold.most);
        if verdict.is_ok() {
            let scopes = caps.iter().map(|cap| cap.scope.clone()).collect();
            holds.insert(hold.id.clone(), (hold.clone(), scopes));
        }
        Ok(verdict)
    }

    async fn keep(&self, id: &str) -> Result<(), Fault> {
        self.answers()?;
        assert!(self.holds.lock().unwrap().contains_key(id), "{id}");
        self.kept.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    async fn free(&self, id: &str, _: &[Scope]) -> Result<(), Fault> {
        self.answers()?;
        self.holds.lock().unwrap().remove(id);
        Ok(())
    }

    async fn record(&self, charge: &Charge) -> Result<(), Fault> {
        self.answers()?;
        let mut holds = self.holds.lock().unwrap();
        holds.remove(&charge.id);
        self.charges.lock().unwrap().push(charge.clone());
        Ok(())
    }
}
