//! `alliance openapi`.

use clap::Args;

use super::failure::{Exit, Failure};
use super::printer::Printer;
use crate::server;

/// Nothing to choose.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  alliance openapi > openapi.json")]
pub struct OpenapiArgs {}

pub(super) fn run(_args: &OpenapiArgs, printer: Printer) -> Result<Exit, Failure> {
    printer.document(&server::openapi_json());
    Ok(Exit::Good)
}
