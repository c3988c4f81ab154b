//! The gateway that is measured: `alliance serve`, this same program, as a process of its own.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::cli::failure::Failure;

/// How long it may take to end when it is asked to.
const ENDS_WITHIN: Duration = Duration::from_secs(30);
/// The log's file name, in the alliance's folder.
const LOG_FILE: &str = "serve.log";

/// A running `alliance serve`. Dropped, it is killed.
pub struct Serving {
    child: Child,
    /// What partners call it.
    pub url: String,
}

/// Of what `serve --json` says when it is open, the address.
#[derive(Deserialize)]
struct Ready {
    url: String,
}

impl Serving {
    /// Starts a program as the gateway of a folder, on a free port, and waits until it is open.
    /// What it logs goes into the folder; the environment's `ALLIANCE_…` do not reach it.
    ///
    /// # Errors
    /// [`Failure`] with the last that it logged.
    pub fn start(program: &Path, folder: &Path, database: &str) -> Result<Self, Failure> {
        let log = folder.join(LOG_FILE);
        let file = File::create(&log).map_err(Failure::wrong)?;
        let mut command = Command::new(program);
        command.args(["serve", "--json", "--listen", "127.0.0.1:0", "--database", database]);
        command.arg("--dir").arg(folder);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("ALLIANCE_") {
                command.env_remove(name);
            }
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file);
        let mut child = command.spawn().map_err(Failure::wrong)?;
        let url = child.stdout.take().and_then(url_of);
        match url {
            Some(url) => Ok(Self { child, url }),
            None => {
                let _ = child.kill();
                let _ = child.wait();
                let said = std::fs::read_to_string(&log).unwrap_or_default();
                let said = said.lines().next_back().unwrap_or("it said nothing").to_owned();
                Err(Failure::wrong(format!("the gateway did not open: {said}")))
            }
        }
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end, and waits until it has answered everything and closed its books.
    ///
    /// # Errors
    /// [`Failure`] where it does not end well, or not in time.
    pub fn stop(mut self) -> Result<(), Failure> {
        let ask = format!("kill -TERM {}", self.pid());
        let asked = Command::new("sh").args(["-c", &ask]).status().map_err(Failure::wrong)?;
        if !asked.success() {
            return Err(Failure::wrong("the gateway had ended before it was asked to"));
        }
        let begun = Instant::now();
        while begun.elapsed() < ENDS_WITHIN {
            match self.child.try_wait().map_err(Failure::wrong)? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => {
                    return Err(Failure::wrong(format!("the gateway ended badly: {status}")));
                }
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        }
        Err(Failure::wrong("the gateway did not end when it was asked to"))
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Both fail where it has ended, which is what they are for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads what the gateway says when it is open, and keeps reading, so that it never waits for us.
fn url_of(stdout: ChildStdout) -> Option<String> {
    let mut lines = BufReader::new(stdout);
    let mut said = String::new();
    // An object over several lines: its end stands at the beginning of a line.
    while lines.read_line(&mut said).ok()? > 0 && !said.ends_with("\n}\n") {}
    let ready: Ready = serde_json::from_str(&said).ok()?;
    std::thread::spawn(move || {
        let mut rest = Vec::new();
        let _ = lines.read_to_end(&mut rest);
    });
    Some(ready.url)
}
