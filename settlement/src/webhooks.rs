//! Pushing events to partners: what decides, without doing it.

pub mod schedule;
