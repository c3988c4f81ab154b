//! The door of the alliance: authenticates, turns HTTP into commands, serves the API and the
//! command line.
//!
//! Deliberately absent: SQL, arithmetic on points or money, building a receipt.

pub mod api;
pub mod bank;
pub mod bench;
pub mod cli;
pub mod demo;
pub mod draw;
pub mod driver;
pub mod instance;
pub mod outbound;
pub mod publisher;
pub mod sandbox;
pub mod schedule;
pub mod server;
pub mod settler;
pub mod statement_files;
pub mod telemetry;
pub mod webhooks;
pub mod xml;
