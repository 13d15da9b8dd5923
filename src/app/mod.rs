//! Use cases over ports. Nothing here names an adapter, speaks SQL or HTTP, or reads the clock but
//! through its port.

mod assess;
mod check_run;
pub mod duty;
pub mod headroom;
pub mod presence;

pub mod context;

pub mod surroundings;

pub mod remote;

pub mod cleanup;
pub mod dispatch;
pub mod ingest;
pub mod ledger;
pub mod reconcile;
pub mod recover;
pub mod reviews;
pub mod run_job;
pub mod update;

pub mod bases;
pub mod publish;
pub mod worker;

pub mod serve;
