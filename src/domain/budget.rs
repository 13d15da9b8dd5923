//! What model calls may cost: hard limits, each for something that many calls share.

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

/// A limit as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The limit, and what was spent.
    pub cap: Cap,
    /// What calls under way may still spend.
    pub held: Usd,
}

/// Why money could not be set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denied {
    /// It could pass this limit, whatever the other calls cost.
    Never(Exceeded),
    /// It could pass this limit if the calls under way cost all they may; they may cost less.
    NotYet(Exceeded),
}

/// Judges whether `most` may be set aside for a call, in every account or in none.
///
/// A call holds the most that it can cost before it is made, and is charged what it did cost
/// afterwards; one of which nobody knows what it cost is charged all that it held. So what is charged
/// never passes a cap, however calls interleave and whoever dies, as long as none costs more than it
/// held, and nobody else changes the accounts between the judgement and the hold.
///
/// # Errors
/// When a cap could be passed.
pub fn judge(accounts: &[Account], most: Usd) -> Result<(), Denied> {
    let mut wait = None;
    for Account { cap, held } in accounts {
        let exceeded = || Exceeded {
            cap: cap.clone(),
            asked: most,
        };
        if cap.spent.plus(most) > cap.most {
            return Err(Denied::Never(exceeded()));
        }
        if cap.spent.plus(*held).plus(most) > cap.most {
            wait.get_or_insert_with(exceeded);
        }
    }
    wait.map_or(Ok(()), |exceeded| Err(Denied::NotYet(exceeded)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::ids::JobId;

    fn cents(cents: u64) -> Usd {
        Usd::from_micros(cents * 10_000)
    }

    fn cap(scope: Scope, most: u64) -> Cap {
        Cap {
            scope,
            most: cents(most),
            spent: Usd::ZERO,
        }
    }

    fn job(ordinal: u32) -> Scope {
        let id: JobId = format!("1-2-3.{ordinal}").parse().unwrap();
        Scope::Job(id)
    }

    /// An account in cents: the limit, what was spent, what is held.
    fn account(scope: Scope, (most, spent, held): (u64, u64, u64)) -> Account {
        Account {
            cap: Cap {
                spent: cents(spent),
                ..cap(scope, most)
            },
            held: cents(held),
        }
    }

    type Class = fn(Exceeded) -> Denied;

    #[test]
    fn a_call_must_fit_under_every_cap() {
        let day = || Scope::Server(Day(1));
        // What stands in the account of the job, in that of the day, and a call's most.
        let fits = [
            ((200, 0, 0), (1_000, 950, 0), 50),
            ((200, 10, 0), (1_000, 960, 0), 40),
            ((100, 20, 50), (100, 0, 0), 30),
            ((0, 0, 0), (0, 0, 0), 0),
        ];
        for (of_job, of_day, most) in fits {
            let accounts = [account(job(1), of_job), account(day(), of_day)];
            assert_eq!(judge(&accounts, cents(most)), Ok(()), "{accounts:?} {most}");
        }
        let (never, not_yet): (Class, Class) = (Denied::Never, Denied::NotYet);
        let denied = [
            ((200, 0, 0), (1_000, 950, 0), 51, never, 1),
            // Only calls under way stand against it.
            ((100, 0, 80), (1_000, 0, 80), 30, not_yet, 0),
            ((100, 0, 80), (1_000, 950, 50), 30, not_yet, 0),
            // No end of another call would help, whatever is looked at first.
            ((100, 0, 80), (1_000, 980, 0), 30, never, 1),
            // More than there was has been spent.
            ((100, 120, 0), (1_000, 120, 0), 1, never, 0),
        ];
        for (of_job, of_day, most, class, which) in denied {
            let accounts = [account(job(1), of_job), account(day(), of_day)];
            let exceeded = Exceeded {
                cap: accounts[which].cap.clone(),
                asked: cents(most),
            };
            assert_eq!(judge(&accounts, cents(most)), Err(class(exceeded)));
        }
    }

    #[test]
    fn no_sum_overflows() {
        let most = Usd::from_micros(u64::MAX);
        let full = Account {
            held: most,
            ..account(job(1), (100, 100, 0))
        };
        assert!(matches!(judge(&[full], most), Err(Denied::Never(_))));
    }

    /// What can happen: a pass calls, a call under way ends, or its process dies, and may turn out
    /// to have lived.
    #[derive(Clone, Debug)]
    enum Step {
        Call { pass: usize, most: u64 },
        End { which: usize, share: u64 },
        Die { which: usize },
        Wake { which: usize, share: u64 },
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0_usize..4, 0_u64..60).prop_map(|(pass, most)| Step::Call { pass, most }),
            3 => (any::<usize>(), 0_u64..=100)
                .prop_map(|(which, share)| Step::End { which, share }),
            1 => any::<usize>().prop_map(|which| Step::Die { which }),
            1 => (any::<usize>(), 0_u64..=100)
                .prop_map(|(which, share)| Step::Wake { which, share }),
        ]
    }

    /// The scopes of a call, and the most that it can cost.
    type Call = ([Scope; 2], Usd);

    #[derive(Default)]
    struct Books {
        /// What is charged and what is held.
        accounts: BTreeMap<Scope, (Usd, Usd)>,
        /// What calls did cost, known or not.
        cost: BTreeMap<Scope, Usd>,
        under_way: Vec<Call>,
        presumed: Vec<Call>,
    }

    impl Books {
        fn admit(&mut self, caps: &[Cap; 2], most: Usd) {
            let account = |cap: &Cap| {
                let (spent, held) = self.accounts.get(&cap.scope).copied().unwrap_or_default();
                let cap = Cap {
                    spent,
                    ..cap.clone()
                };
                Account { cap, held }
            };
            if judge(&[account(&caps[0]), account(&caps[1])], most).is_ok() {
                let call = ([caps[0].scope.clone(), caps[1].scope.clone()], most);
                self.change(&call, |(spent, held)| (spent, held.plus(most)));
                self.under_way.push(call);
            }
        }

        fn change(&mut self, (scopes, _): &Call, change: impl Fn((Usd, Usd)) -> (Usd, Usd)) {
            for scope in scopes {
                let account = self.accounts.entry(scope.clone()).or_default();
                *account = change(*account);
            }
        }

        fn pay(&mut self, (scopes, most): &Call, share: u64) -> Usd {
            let cost = Usd::from_micros(most.as_micros() * share / 100);
            for scope in scopes {
                let sum = self.cost.entry(scope.clone()).or_default();
                *sum = sum.plus(cost);
            }
            cost
        }
    }

    fn one_of(calls: &mut Vec<Call>, which: usize) -> Option<Call> {
        (!calls.is_empty()).then(|| calls.swap_remove(which % calls.len()))
    }

    proptest! {
        #[test]
        fn nothing_passes_a_cap_however_calls_interleave_and_whoever_dies(
            steps in proptest::collection::vec(step(), 0..200),
            most in proptest::array::uniform4(0_u64..200),
        ) {
            let mut books = Books::default();
            let day = Scope::Server(Day(3));
            let passes: Vec<[Cap; 2]> = [0_u32, 1, 2, 2] // the last two are of one job
                .iter()
                .map(|&n| [cap(job(n), most[n as usize]), cap(day.clone(), most[3])])
                .collect();
            for step in steps {
                match step {
                    Step::Call { pass, most } => books.admit(&passes[pass], cents(most)),
                    Step::End { which, share } => {
                        if let Some(call) = one_of(&mut books.under_way, which) {
                            let (most, cost) = (call.1, books.pay(&call, share));
                            books.change(&call, |(spent, held)| (spent.plus(cost), held.less(most)));
                        }
                    }
                    Step::Die { which } => {
                        if let Some(call) = one_of(&mut books.under_way, which) {
                            let most = call.1;
                            books.change(&call, |(spent, held)| (spent.plus(most), held.less(most)));
                            books.presumed.push(call);
                        }
                    }
                    Step::Wake { which, share } => {
                        if let Some(call) = one_of(&mut books.presumed, which) {
                            let (most, cost) = (call.1, books.pay(&call, share));
                            books.change(&call, |(spent, held)| (spent.less(most).plus(cost), held));
                        }
                    }
                }
                for cap in passes.iter().flatten() {
                    let (spent, held) = books.accounts.get(&cap.scope).copied().unwrap_or_default();
                    let cost = books.cost.get(&cap.scope).copied().unwrap_or_default();
                    prop_assert!(spent.plus(held) <= cap.most, "{:?}: {spent} {held}", cap.scope);
                    prop_assert!(cost <= spent, "{:?}: {cost}", cap.scope);
                }
            }
        }
    }
}
