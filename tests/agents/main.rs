//! Real agents against a scripted model: what they are started with, what they print, what they do.
//!
//! `scripts/setup agents` installs them. `PROVA_RECORD=1` writes what they print to
//! `fixtures/agents`.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, also in what its functions share"
)]

#[path = "../gateway/accounts.rs"]
mod accounts;
mod acp;
mod cage;
mod case;
mod headless;
#[expect(dead_code, reason = "stories of the server alone use the rest")]
#[path = "../serve/home.rs"]
mod home;
mod house;
mod installed;
mod known;
mod model;
#[path = "../serve/octocat.rs"]
mod octocat;
mod outcome;
mod over_acp;
mod planted;
mod protocol;
mod record;
mod run;
mod serving;
mod steered;
mod through;
mod whole;
