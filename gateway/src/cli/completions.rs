//! `alliance completions`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Cli;
use super::failure::{Exit, Failure};
use super::printer::Printer;

/// For which shell.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    alliance completions bash > ~/.local/share/bash-completion/completions/alliance\n  \
    alliance completions fish > ~/.config/fish/completions/alliance.fish")]
pub struct CompletionsArgs {
    /// Which shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn run(args: &CompletionsArgs, printer: Printer) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "alliance", &mut script);
    printer.document(&String::from_utf8_lossy(&script));
    Ok(Exit::Good)
}
