//! `alliance`: the clearing house of a loyalty alliance.

fn main() -> std::process::ExitCode {
    alliance_gateway::cli::run()
}
