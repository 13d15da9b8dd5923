//! What model calls may cost: hard limits, each for something that many calls share.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::domain::ids::{JobId, Login, RepoId, TaskId};
use crate::domain::money::Usd;

/// What a limit is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "scope", content = "of", rename_all = "snake_case")]
pub enum Scope {
    /// One job, all its attempts.
    Job(JobId),
    /// One task, all its jobs.
    Task(TaskId),
    /// One repository, one day.
    Repository(RepoId, Day),
    /// One person who asks, one day.
    Person(Login, Day),
    /// The whole server, one day.
    Server(Day),
}

/// A day in UTC: days since 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Day(pub i64);

/// A limit, and how much of it was used before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cap {
    /// What it is for.
    pub scope: Scope,
    /// The most that may be spent.
    pub most: Usd,
    /// What had been spent when it was read.
    pub spent: Usd,
}

/// Why a call was not let through: it could have passed a limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exceeded {
    /// The limit.
    pub cap: Cap,
    /// The most that the call could have cost.
    pub asked: Usd,
}

/// What has been spent and what calls under way may still spend, over all passes that are open.
///
/// A call holds the most that it can cost before it is made, and is charged what it did cost
/// afterwards. So what is charged never passes a cap, however calls interleave, as long as none
/// costs more than it held.
#[derive(Debug, Default)]
pub struct Book {
    accounts: BTreeMap<Scope, Account>,
}

#[derive(Debug, Default)]
struct Account {
    spent: Usd,
    held: Usd,
    passes: usize,
}

/// Money set aside for one call.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "what is held and not settled is missing to every later call"]
pub struct Hold {
    scopes: Vec<Scope>,
    most: Usd,
}

/// Why money could not be set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denied {
    /// It could pass this limit, whatever the other calls cost.
    Never(Exceeded),
    /// It could pass this limit if the calls under way cost all they may; they may cost less.
    NotYet(Exceeded),
}

impl Book {
    /// Counts a pass in. What is known here and what was read with the caps are of one history, so
    /// the larger is the newer.
    pub fn open(&mut self, caps: &[Cap]) {
        for cap in caps {
            let account = self.accounts.entry(cap.scope.clone()).or_default();
            account.spent = account.spent.max(cap.spent);
            account.passes += 1;
        }
    }

    /// Counts a pass out. What no pass shares any more is forgotten, so it must be recorded before.
    pub fn close(&mut self, caps: &[Cap]) {
        for cap in caps {
            if let Some(account) = self.accounts.get_mut(&cap.scope) {
                account.passes = account.passes.saturating_sub(1);
                if account.passes == 0 {
                    self.accounts.remove(&cap.scope);
                }
            }
        }
    }

    /// Sets `most` aside, of every cap or of none.
    ///
    /// # Errors
    /// When a cap could be passed.
    pub fn admit(&mut self, caps: &[Cap], most: Usd) -> Result<Hold, Denied> {
        let mut wait = None;
        for cap in caps {
            let (spent, held) = self.state(cap);
            let exceeded = || Exceeded {
                cap: Cap {
                    spent,
                    ..cap.clone()
                },
                asked: most,
            };
            if spent.plus(most) > cap.most {
                return Err(Denied::Never(exceeded()));
            }
            if spent.plus(held).plus(most) > cap.most {
                wait.get_or_insert_with(exceeded);
            }
        }
        if let Some(exceeded) = wait {
            return Err(Denied::NotYet(exceeded));
        }
        let scopes: BTreeSet<&Scope> = caps.iter().map(|cap| &cap.scope).collect();
        for scope in &scopes {
            let account = self.accounts.entry((*scope).clone()).or_default();
            account.held = account.held.plus(most);
        }
        Ok(Hold {
            scopes: scopes.into_iter().cloned().collect(),
            most,
        })
    }

    /// Gives back what was set aside and charges what the call cost.
    pub fn settle(&mut self, hold: Hold, cost: Usd) {
        for scope in hold.scopes {
            if let Some(account) = self.accounts.get_mut(&scope) {
                account.held = account.held.less(hold.most);
                account.spent = account.spent.plus(cost);
            }
        }
    }

    fn state(&self, cap: &Cap) -> (Usd, Usd) {
        self.accounts
            .get(&cap.scope)
            .map_or((cap.spent, Usd::ZERO), |account| {
                (account.spent, account.held)
            })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::ids::{JobId, RepoId};

    fn cents(cents: u64) -> Usd {
        Usd::from_micros(cents * 10_000)
    }

    fn cap(scope: Scope, most: u64, spent: u64) -> Cap {
        Cap {
            scope,
            most: cents(most),
            spent: cents(spent),
        }
    }

    fn job(ordinal: u32) -> Scope {
        let id: JobId = format!("1-2-3.{ordinal}").parse().unwrap();
        Scope::Job(id)
    }

    #[test]
    fn a_call_that_could_pass_a_cap_is_refused_with_the_cap() {
        let mut book = Book::default();
        let caps = [cap(job(1), 200, 0), cap(Scope::Server(Day(1)), 1_000, 950)];
        book.open(&caps);
        let denied = book.admit(&caps, cents(51)).unwrap_err();
        assert_eq!(
            denied,
            Denied::Never(Exceeded {
                cap: caps[1].clone(),
                asked: cents(51)
            })
        );
        let hold = book.admit(&caps, cents(50)).unwrap();
        book.settle(hold, cents(10));
        assert!(book.admit(&caps, cents(40)).is_ok());
    }

    #[test]
    fn a_call_that_only_others_under_way_stand_against_may_ask_again() {
        let mut book = Book::default();
        let caps = [cap(job(1), 100, 0)];
        book.open(&caps);
        let first = book.admit(&caps, cents(80)).unwrap();
        assert!(matches!(
            book.admit(&caps, cents(30)),
            Err(Denied::NotYet(_))
        ));
        book.settle(first, cents(20));
        assert!(book.admit(&caps, cents(30)).is_ok());
    }

    #[test]
    fn what_a_call_costs_beyond_its_hold_is_charged_all_the_same() {
        let mut book = Book::default();
        let caps = [cap(job(1), 100, 0)];
        book.open(&caps);
        let hold = book.admit(&caps, cents(10)).unwrap();
        book.settle(hold, cents(120));
        assert!(matches!(book.admit(&caps, cents(1)), Err(Denied::Never(_))));
    }

    #[test]
    fn a_shared_cap_goes_by_the_newer_of_memory_and_store() {
        let mut book = Book::default();
        let day = Scope::Repository(RepoId(7), Day(1));
        let first = [cap(day.clone(), 100, 0)];
        book.open(&first);
        let hold = book.admit(&first, cents(60)).unwrap();
        book.settle(hold, cents(60));
        // Read before the sixty cents were recorded.
        let second = [cap(day.clone(), 100, 30)];
        book.open(&second);
        assert!(book.admit(&second, cents(41)).is_err());
        book.close(&first);
        assert!(book.admit(&second, cents(41)).is_err());
        book.close(&second);
        // Nobody shares it any more: what is read next time counts.
        let third = [cap(day, 100, 10)];
        book.open(&third);
        assert!(book.admit(&third, cents(41)).is_ok());
    }

    /// What can happen to a book: a pass calls, or one of the calls under way ends.
    #[derive(Clone, Debug)]
    enum Step {
        Call { pass: usize, most: u64 },
        End { which: usize, share: u64 },
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0_usize..4, 0_u64..60).prop_map(|(pass, most)| Step::Call { pass, most }),
            (any::<usize>(), 0_u64..=100).prop_map(|(which, share)| Step::End { which, share }),
        ]
    }

    proptest! {
        #[test]
        fn charges_never_pass_a_cap_however_calls_interleave(
            steps in proptest::collection::vec(step(), 0..200),
            most in proptest::array::uniform4(0_u64..200),
        ) {
            let mut book = Book::default();
            let day = Scope::Server(Day(3));
            let passes: Vec<[Cap; 2]> = [0_u32, 1, 2, 2] // the last two are of one job
                .iter()
                .map(|&n| [cap(job(n), most[n as usize], 0), cap(day.clone(), most[3], 0)])
                .collect();
            for caps in &passes {
                book.open(caps);
            }
            let mut under_way = Vec::new();
            let mut charged: BTreeMap<Scope, Usd> = BTreeMap::new();
            for step in steps {
                match step {
                    Step::Call { pass, most } => {
                        if let Ok(hold) = book.admit(&passes[pass], cents(most)) {
                            under_way.push(hold);
                        }
                    }
                    Step::End { which, share } => {
                        if !under_way.is_empty() {
                            let hold = under_way.swap_remove(which % under_way.len());
                            let cost = Usd::from_micros(hold.most.as_micros() * share / 100);
                            for scope in &hold.scopes {
                                let sum = charged.entry(scope.clone()).or_default();
                                *sum = sum.plus(cost);
                            }
                            book.settle(hold, cost);
                        }
                    }
                }
                for caps in &passes {
                    for cap in caps {
                        let spent = charged.get(&cap.scope).copied().unwrap_or_default();
                        prop_assert!(spent <= cap.most, "{:?}: {spent} of {}", cap.scope, cap.most);
                    }
                }
            }
        }
    }
}
