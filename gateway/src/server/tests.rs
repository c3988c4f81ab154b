//! The server's own tests: every route and every refusal, against a clearing house in memory, with
//! requests signed as a partner signs them.

mod agreements;
mod bounds;
mod consents;
mod cosignatures;
mod documents;
mod events;
mod keys;
mod kinds;
mod lifecycle;
mod limits;
mod links;
mod members;
mod observations;
mod orders;
mod rates;
mod receipts;
mod sandbox;
mod signatures;
mod webhooks;
mod windows;
mod world;
mod xml;
