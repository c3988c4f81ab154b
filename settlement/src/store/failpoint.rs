//! Places where a test makes the writer fail, stop or die. They stand in the sequencer and in the
//! store as one line each, and are nothing without the feature `failpoints`, which only tests ask
//! for.
//!
//! The environment variable `ALLIANCE_FAILPOINTS` names a file. While the file is there, each of
//! its lines `POINT=ACTION` is in force: so a test arms and disarms a server that runs. An action
//! is one of the crate `fail`, where `return` takes what is to become of the batch:
//!
//! | action | the point |
//! | --- | --- |
//! | `return(unavailable)` | fails: nothing has been written |
//! | `return(unknown)` | fails: nobody knows what has been written |
//! | `return(kill)` | ends the process at once |
//! | `panic` | panics |
//! | `1*off->return(unknown)` | passes once, and fails from then on |

#[cfg(feature = "failpoints")]
use super::StoreError;

/// A place where a test interferes; ends the function with an error where it is to fail. `ignored`:
/// nothing there can fail any more.
macro_rules! failpoint {
    ($point:expr) => {
        #[cfg(feature = "failpoints")]
        $crate::store::failpoint::reach($point)?;
    };
    ($point:expr, ignored) => {
        #[cfg(feature = "failpoints")]
        let _ = $crate::store::failpoint::reach($point);
    };
    ($point:expr, before $part:expr) => {
        #[cfg(feature = "failpoints")]
        $crate::store::failpoint::reach(&format!("{}::{}", $point, $part))?;
    };
}
pub(crate) use failpoint;

/// Does at a point what the file says.
#[cfg(feature = "failpoints")]
pub(crate) fn reach(point: &str) -> Result<(), StoreError> {
    read_file();
    fail::fail_point!(point, |what| {
        let text = format!("planned at {point}");
        match what.as_deref() {
            Some("kill") => std::process::abort(),
            Some("unknown") => Err(StoreError::UnknownCommit(text)),
            _ => Err(StoreError::Unavailable(text)),
        }
    });
    Ok(())
}

/// Puts the file's lines in force, where it has changed: counts go on otherwise.
#[cfg(feature = "failpoints")]
fn read_file() {
    static IN_FORCE: std::sync::Mutex<String> = std::sync::Mutex::new(String::new());
    let Some(file) = std::env::var_os("ALLIANCE_FAILPOINTS") else { return };
    let wanted = std::fs::read_to_string(file).unwrap_or_default();
    let mut in_force = IN_FORCE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if *in_force == wanted {
        return;
    }
    for (point, _) in fail::list() {
        fail::remove(point);
    }
    for (point, action) in wanted.lines().filter_map(|line| line.split_once('=')) {
        if let Err(error) = fail::cfg(point, action) {
            tracing::error!(point, action, error, "no such action");
        }
    }
    *in_force = wanted;
}
