//! The world: the real binary on real databases, driven by the SDK and by raw HTTP. One binary, so
//! that it is linked once. Start it with `tests/run`: it brings PostgreSQL.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "tests fail by panicking and speak to whoever runs them"
)]

mod bench;
mod campaigns;
mod canaries;
mod cli;
mod cluster;
mod crash_table;
mod cuts;
mod disk;
mod exactly_once;
mod example_brand;
mod faults;
mod flood;
mod frozen;
mod harness;
mod journal;
mod key_rotation;
mod keys;
mod kills;
mod load;
mod lost_commits;
mod master_key;
mod members;
mod overlap;
mod partner_cli;
mod policy;
mod proxy;
mod rates_cli;
mod rates_follow;
mod rates_simulate;
mod real_input;
mod recompute;
mod sagas;
mod sandbox;
mod settle_cli;
mod settlement;
mod statement_files;
mod store;
mod threats;
mod webhooks;
