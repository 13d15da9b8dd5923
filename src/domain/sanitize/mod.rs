//! Text that others wrote, made safe for where it goes.
//!
//! `visible` is for briefs: the agent gets what a reader of the thread sees, and nothing more.
//! `neutral` is for our own comments, commits and pull requests: foreign text in them is shown, and
//! never mentions, links, closes or formats anything. `said` is for what agents say there: with its
//! lists, tables and code, and as little effect.

pub mod html;
pub mod invisible;
pub mod markup;
pub mod neutral;
pub mod pictures;
pub mod said;
pub mod visible;
