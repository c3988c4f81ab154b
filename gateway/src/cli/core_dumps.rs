//! No core dumps: a process that holds private keys must not leave its memory in a file.

/// The size of the largest core dump, in bytes. Nothing fits into one byte; and Linux takes just
/// this limit to forbid also dumps that are handed to a program, which 0 lets pass.
#[cfg(unix)]
const LARGEST: u64 = 1;

/// Forbids core dumps of this process from now on, for good. Why it cannot be done, otherwise.
#[cfg(unix)]
pub(super) fn forbid() -> Result<(), String> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    // Where it is lower already it cannot be raised, and need not be.
    let before = getrlimit(Resource::Core).maximum;
    let largest = Some(before.map_or(LARGEST, |before| before.min(LARGEST)));
    setrlimit(Resource::Core, Rlimit { current: largest, maximum: largest })
        .map_err(|error| format!("core dumps cannot be forbidden: {error}"))
}

/// Elsewhere there are none, or they are the operator's to forbid.
#[cfg(not(unix))]
pub(super) fn forbid() -> Result<(), String> {
    Ok(())
}
