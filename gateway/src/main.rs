//! `alliance`: the clearing house of a loyalty alliance.

/// Thousands of requests a second allocate and free on one thread what another one made; mimalloc
/// does that for half of what the system's allocator takes (docs/performance.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    alliance_gateway::cli::run()
}
