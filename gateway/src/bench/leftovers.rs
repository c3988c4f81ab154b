//! What a run must not leave behind, however it ends: its folder, and the gateway it started.
//!
//! An end in order drops both. Ctrl-C and SIGTERM end the process where it stands, so a thread
//! waits for them, ends the gateway, takes the folder away and ends the process.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::signal::unix::{SignalKind, signal};

use crate::cli::failure::{Exit, Failure};

/// A run's leftovers. Clones are one.
#[derive(Clone, Default)]
pub struct Leftovers(Arc<Mutex<Left>>);

#[derive(Default)]
struct Left {
    gateway: Option<u32>,
    folder: Option<PathBuf>,
}

impl Leftovers {
    /// Begins to wait for signals.
    ///
    /// # Errors
    /// Where they cannot be waited for.
    pub fn watch() -> Result<Self, Failure> {
        let leftovers = Self::default();
        let runtime = crate::instance::open::runtime().map_err(Failure::wrong)?;
        let signals = runtime.block_on(async {
            let (terminate, interrupt) = (SignalKind::terminate(), SignalKind::interrupt());
            Ok::<_, std::io::Error>((signal(terminate)?, signal(interrupt)?))
        });
        let (mut terminate, mut interrupt) = signals.map_err(Failure::wrong)?;
        let left = leftovers.clone();
        std::thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
            });
            left.clear();
            std::process::exit(i32::from(Exit::Wrong.code()));
        });
        Ok(leftovers)
    }

    /// The gateway that runs now; none: it has ended.
    pub fn gateway(&self, pid: Option<u32>) {
        self.lock().gateway = pid;
    }

    /// A folder that is taken away in the end.
    pub fn folder(&self, path: &Path) {
        self.lock().folder = Some(path.to_owned());
    }

    /// Ends the gateway, takes the folder away. What is gone already is no fault.
    pub fn clear(&self) {
        let mut left = self.lock();
        if let Some(pid) = left.gateway.take() {
            let _ = Command::new("sh").args(["-c", &format!("kill -KILL {pid}")]).status();
        }
        if let Some(folder) = left.folder.take() {
            let _ = std::fs::remove_dir_all(folder);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Left> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
