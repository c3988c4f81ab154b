//! What a run costs: processor time, bytes written, memory. Read from `/proc`; where that is not
//! there, or not readable, nothing is said rather than something wrong.
//!
//! | of | processor time is | bytes are |
//! | --- | --- | --- |
//! | the client | this process's | – |
//! | the gateway | its process's, threads that have ended included | what it has had written |
//! | PostgreSQL | the postmaster's, its children's, and what it has reaped | theirs, likewise |
//!
//! SQLite runs inside the gateway, and so does what it costs.

use std::collections::HashMap;
use std::fs;
use std::ops::Add;
use std::path::Path;

/// Ticks a second in `/proc/PID/stat`: a constant of Linux on all platforms that this is built for.
const TICKS: u64 = 100;

/// What is read at one moment. Differences of two are costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Milliseconds of processor time of this process.
    pub client_ms: Option<u64>,
    /// Milliseconds of processor time of the gateway.
    pub gateway_ms: Option<u64>,
    /// Milliseconds of processor time of the database's processes.
    pub database_ms: Option<u64>,
    /// Bytes that the processes have had written to the disk.
    pub written: Option<u64>,
}

impl Cost {
    /// What came to it since an earlier moment.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        let less = |now: Option<u64>, then: Option<u64>| Some(now?.saturating_sub(then?));
        Self {
            client_ms: less(self.client_ms, earlier.client_ms),
            gateway_ms: less(self.gateway_ms, earlier.gateway_ms),
            database_ms: less(self.database_ms, earlier.database_ms),
            written: less(self.written, earlier.written),
        }
    }
}

/// A cost that is unknown in one part is unknown as a whole.
impl Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let sum = |one: Option<u64>, other: Option<u64>| Some(one? + other?);
        Self {
            client_ms: sum(self.client_ms, other.client_ms),
            gateway_ms: sum(self.gateway_ms, other.gateway_ms),
            database_ms: sum(self.database_ms, other.database_ms),
            written: sum(self.written, other.written),
        }
    }
}

/// Whose costs are looked at.
#[derive(Clone, Copy, Debug)]
pub struct Watched {
    /// This process, where it is only a client.
    pub client: Option<u32>,
    /// The process that does the work, if the client does not do it alone.
    pub gateway: Option<u32>,
    /// PostgreSQL's first process; none: an embedded database, or one that is not on this machine.
    pub postmaster: Option<u32>,
}

impl Watched {
    /// What was spent up to now.
    #[must_use]
    pub fn cost(&self) -> Cost {
        let database = self.postmaster.map(family);
        let working = self.worker();
        let written = match &database {
            // The gateway itself writes next to nothing then.
            Some(family) => family.iter().map(|pid| written(*pid)).sum(),
            None => written(working),
        };
        Cost {
            client_ms: self.client.and_then(ticks).map(|t| millis(t.own)),
            gateway_ms: self.gateway.and_then(ticks).map(|t| millis(t.own)),
            database_ms: database.and_then(|family| cpu_of(&family)),
            written,
        }
    }

    /// Bytes of memory that the working process has now.
    #[must_use]
    pub fn resident(&self) -> Option<u64> {
        status(self.worker(), "VmRSS:")
    }

    /// Bytes of memory that it had at most.
    #[must_use]
    pub fn resident_at_most(&self) -> Option<u64> {
        status(self.worker(), "VmHWM:")
    }

    fn worker(&self) -> u32 {
        self.gateway.unwrap_or_else(std::process::id)
    }
}

/// The postmaster that a backend belongs to, where it is a process of this machine.
#[must_use]
pub fn postmaster_of(backend: u32) -> Option<u32> {
    let is_postgres = |pid: u32| {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
        name.starts_with("postgres").then_some(pid)
    };
    is_postgres(backend)?;
    is_postgres(ticks(backend)?.parent)
}

/// The postmaster, first, and its children.
fn family(postmaster: u32) -> Vec<u32> {
    let mut family = vec![postmaster];
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    family.extend(pids.filter(|pid| ticks(*pid).is_some_and(|t| t.parent == postmaster)));
    family
}

/// What a whole family has used, those included that have ended and were waited for.
fn cpu_of(family: &[u32]) -> Option<u64> {
    let (postmaster, children) = family.split_first()?;
    let first = ticks(*postmaster)?;
    // One that has ended meanwhile is in what the postmaster has waited for, next time.
    let living: u64 = children.iter().filter_map(|pid| ticks(*pid)).map(|t| t.own).sum();
    Some(millis(first.own + first.waited_for + living))
}

/// What `/proc/PID/stat` says.
struct Ticks {
    parent: u32,
    own: u64,
    waited_for: u64,
}

fn ticks(pid: u32) -> Option<Ticks> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    ticks_in(&text)
}

/// The program's name stands in brackets and may hold anything: what follows the last of them is
/// counted.
fn ticks_in(text: &str) -> Option<Ticks> {
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    Some(Ticks {
        parent: fields.get(1)?.parse().ok()?,
        own: number(11)? + number(12)?,
        waited_for: number(13)? + number(14)?,
    })
}

const fn millis(ticks: u64) -> u64 {
    ticks * 1_000 / TICKS
}

/// What kind of file system an SQLite database lies on: on `tmpfs` a commit costs nothing.
#[must_use]
pub fn file_system_of(database: &str) -> Option<String> {
    let file = fs::canonicalize(database.strip_prefix("sqlite:")?).ok()?;
    let mounts = fs::read_to_string("/proc/mounts").ok()?;
    kind_in(&mounts, &file)
}

/// The kind of the mount that is nearest above a file; of two in one place the later.
fn kind_in(mounts: &str, file: &Path) -> Option<String> {
    let places = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let (place, kind) = (fields.next()?, fields.next()?);
        file.starts_with(place).then_some((place.len(), kind))
    });
    places.max_by_key(|(length, _)| *length).map(|(_, kind)| kind.to_owned())
}

/// Bytes that a process has had written to the disk.
fn written(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/io")).ok()?;
    let fields: HashMap<&str, &str> = text.lines().filter_map(|l| l.split_once(": ")).collect();
    fields.get("write_bytes")?.parse().ok()
}

/// A size in `/proc/PID/status`, in bytes.
fn status(pid: u32, name: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kilobytes * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_blanks_is_no_field() {
        let text = "7 (a) b) (c) S 3 7 7 0 -1 4194304 1 2 3 4 250 50 6 4 20 0 1 0 9 0 0";
        let ticks = ticks_in(text).unwrap();
        assert_eq!((ticks.parent, ticks.own, ticks.waited_for), (3, 300, 10));
        assert_eq!(millis(ticks.own), 3_000);
    }

    #[test]
    fn a_file_is_on_the_mount_that_is_nearest_above_it() {
        let mounts = "/dev/a / ext4 rw 0 0\nnone /tmp tmpfs rw 0 0\nb /tmpx xfs rw 0 0\n";
        let kind = |file: &str| kind_in(mounts, Path::new(file));
        assert_eq!(kind("/tmp/x/a.db").as_deref(), Some("tmpfs"));
        assert_eq!(kind("/tmpx/a.db").as_deref(), Some("xfs"));
        assert_eq!(kind("/tmpy").as_deref(), Some("ext4"));
        assert_eq!(kind_in("", Path::new("/a")), None);
    }

    #[test]
    fn what_is_unknown_once_is_unknown_in_the_sum() {
        let known = Cost { client_ms: Some(5), written: Some(1), ..Cost::default() };
        let sum = known + Cost { client_ms: Some(1), ..Cost::default() };
        assert_eq!((sum.client_ms, sum.written), (Some(6), None));
        assert_eq!(known.since(sum).client_ms, Some(0));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_is_found() {
        let client = Some(std::process::id());
        let watched = Watched { client, gateway: None, postmaster: None };
        assert!(watched.cost().client_ms.is_some() && watched.cost().written.is_some());
        let (now, most) = (watched.resident().unwrap(), watched.resident_at_most().unwrap());
        assert!(now > 1_000_000 && most >= now / 2, "{now} {most}");
        assert_eq!(postmaster_of(std::process::id()), None);
    }
}
