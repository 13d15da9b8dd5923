//! The HTTP face: webhook, health, metrics and a read-only page of tasks.

pub mod body;
pub mod connections;
pub mod refusals;
pub mod signature;

pub mod face;

pub mod dashboard;
pub mod health;
pub mod printed;
pub mod webhook;

pub mod router;
