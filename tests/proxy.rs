//! A proxy before PostgreSQL that knows a COMMIT when it passes, and does to it what it is told.
//!
//! It reads just enough of the protocol (version 3, without TLS): the length of every message, the
//! text of simple queries and of prepared statements, the tag of a completed command. A COMMIT is
//! found wherever it stands as a word: alone, among other statements of a simple query, or as a
//! prepared statement that is bound, in a pipeline or not.
//!
//! Two threads a connection, one each way. A fault is armed for the next COMMIT, whichever
//! connection it comes on, and strikes once.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// What is done to the next COMMIT.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// The connection is cut before it: the server never sees it.
    CutBefore,
    /// It is passed on, and the gateway's side is cut at once: both are at it at the same time.
    CutAfter,
    /// It is passed on and done; its answer is thrown away and the gateway's side is cut.
    CutAnswered,
    /// The gateway's side is cut, and only so much later it reaches the server: for so long the old
    /// transaction holds the row, and then commits.
    CutAndCommitLater(Duration),
    /// Neither it nor anything after it reaches anybody; both sides stay connected.
    SilentBefore,
    /// It is passed on and done; nothing comes back, and both sides stay connected.
    SilentAfter,
    /// It is passed on so much later.
    Late(Duration),
}

/// How a connection is treated.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Treatment {
    Pass,
    /// Answers are dropped until the commit's, and the gateway is cut off then.
    CutWhenCommitted,
    DropAnswers,
    /// Nothing passes in either direction; both sides stay connected.
    Silence,
}

#[derive(Default)]
struct Shared {
    server: String,
    fault: Mutex<Option<Fault>>,
    /// Faults that have struck.
    struck: AtomicUsize,
    /// How each connection is treated, those that have ended as well.
    connections: Mutex<Vec<Arc<Mutex<Treatment>>>>,
    /// COMMITs that were seen.
    commits: AtomicUsize,
    /// How long everything takes, each way.
    slow_millis: AtomicU64,
    /// The byte before which a connection is cut, counted over all of them; none where it is none.
    bytes_left: Mutex<Option<usize>>,
}

/// A proxy that runs until the test ends.
pub struct Proxy {
    url: String,
    shared: Arc<Shared>,
}

impl Proxy {
    /// A proxy before the server of this database.
    pub fn before(url: &str) -> Self {
        let (scheme, rest) = url.split_once("://").unwrap();
        let (user, rest) = rest.split_once('@').unwrap();
        let (server, database) = rest.split_once('/').unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("{scheme}://{user}@{}/{database}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared { server: server.to_owned(), ..Shared::default() });
        let accepting = shared.clone();
        std::thread::spawn(move || {
            for gateway in listener.incoming().map_while(Result::ok) {
                // A server that is down refuses: so do we.
                let Ok(server) = TcpStream::connect(&accepting.server) else { continue };
                Connection::start(&accepting, &gateway, &server).unwrap();
            }
        });
        Self { url, shared }
    }

    /// The database, reached through the proxy.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Does this to the next COMMIT.
    pub fn arm(&self, fault: Fault) {
        *lock(&self.shared.fault) = Some(fault);
    }

    /// Cuts the connection over which the byte after so many more comes, in the middle of it.
    pub fn cut_after(&self, bytes: usize) {
        *lock(&self.shared.bytes_left) = Some(bytes);
    }

    /// From now on nothing passes over the connections there are; others can be made.
    pub fn silence(&self) {
        for treatment in lock(&self.shared.connections).iter() {
            *lock(treatment) = Treatment::Silence;
        }
    }

    /// Every question and every answer takes so much longer.
    pub fn slow_down(&self, by: Duration) {
        let millis = u64::try_from(by.as_millis()).unwrap();
        self.shared.slow_millis.store(millis, Ordering::Relaxed);
    }

    /// How many faults have struck.
    pub fn struck(&self) -> usize {
        self.shared.struck.load(Ordering::SeqCst)
    }

    /// How many COMMITs have been seen.
    pub fn commits(&self) -> usize {
        self.shared.commits.load(Ordering::SeqCst)
    }
}

impl Shared {
    fn strike(&self) {
        self.struck.fetch_add(1, Ordering::SeqCst);
    }

    /// Passes bytes on, or as many as come before the cut, and an error then.
    fn pass(&self, bytes: &[u8], to: &mut TcpStream) -> io::Result<()> {
        let passing = {
            let mut left = lock(&self.bytes_left);
            match *left {
                None => bytes.len(),
                Some(more) if more >= bytes.len() => {
                    *left = Some(more - bytes.len());
                    bytes.len()
                }
                Some(more) => {
                    *left = None;
                    more
                }
            }
        };
        to.write_all(&bytes[..passing])?;
        if passing == bytes.len() {
            return Ok(());
        }
        self.strike();
        Err(io::ErrorKind::ConnectionAborted.into())
    }

    fn take_time(&self) {
        let millis = self.slow_millis.load(Ordering::Relaxed);
        if millis > 0 {
            std::thread::sleep(Duration::from_millis(millis));
        }
    }
}

/// One connection, for one of its two threads.
struct Connection {
    shared: Arc<Shared>,
    gateway: TcpStream,
    server: TcpStream,
    treatment: Arc<Mutex<Treatment>>,
}

impl Connection {
    fn start(shared: &Arc<Shared>, gateway: &TcpStream, server: &TcpStream) -> io::Result<()> {
        let treatment = Arc::new(Mutex::new(Treatment::Pass));
        lock(&shared.connections).push(treatment.clone());
        for run in [Self::ask, Self::answer] {
            gateway.set_nodelay(true)?;
            server.set_nodelay(true)?;
            let (gateway, server) = (gateway.try_clone()?, server.try_clone()?);
            let (shared, treatment) = (shared.clone(), treatment.clone());
            let mut connection = Self { shared, gateway, server, treatment };
            std::thread::spawn(move || {
                // However it ends, the connection ends with it.
                let _ = run(&mut connection);
                if matches!(connection.treatment(), Treatment::Pass | Treatment::CutWhenCommitted) {
                    connection.cut_gateway();
                }
                let _ = connection.server.shutdown(Shutdown::Write);
            });
        }
        Ok(())
    }

    fn treatment(&self) -> Treatment {
        *lock(&self.treatment)
    }

    fn treat(&self, treatment: Treatment) {
        *lock(&self.treatment) = treatment;
    }

    fn cut_gateway(&self) {
        let _ = self.gateway.shutdown(Shutdown::Both);
    }

    /// From the gateway to the server.
    fn ask(&mut self) -> io::Result<()> {
        self.begin()?;
        let mut prepared = BTreeSet::new();
        loop {
            let message = read_message(&mut self.gateway)?;
            if self.treatment() == Treatment::Silence {
                continue;
            }
            if matches!(message[0], b'Q' | b'S') {
                self.shared.take_time();
            }
            if is_commit(&message, &mut prepared) {
                self.shared.commits.fetch_add(1, Ordering::SeqCst);
                let fault = lock(&self.shared.fault).take();
                if let Some(fault) = fault {
                    self.shared.strike();
                    self.suffer(fault, &message)?;
                    continue;
                }
            }
            self.shared.pass(&message, &mut self.server)?;
        }
    }

    /// The start-up: encryption is declined here, the rest is passed on.
    fn begin(&mut self) -> io::Result<()> {
        const TLS: [u8; 4] = 80_877_103_u32.to_be_bytes();
        const GSS: [u8; 4] = 80_877_104_u32.to_be_bytes();
        loop {
            let start = read_sized(&mut self.gateway, Vec::new())?;
            if start[4..8] == TLS || start[4..8] == GSS {
                self.gateway.write_all(b"N")?;
            } else {
                return self.shared.pass(&start, &mut self.server);
            }
        }
    }

    /// Does to a COMMIT what was armed; an error ends the connection.
    fn suffer(&mut self, fault: Fault, commit: &[u8]) -> io::Result<()> {
        let cut = || Err(io::ErrorKind::ConnectionAborted.into());
        match fault {
            Fault::CutBefore => cut(),
            Fault::CutAfter => {
                self.treat(Treatment::DropAnswers);
                self.cut_gateway();
                self.server.write_all(commit)?;
                self.sync_if_bound(commit)?;
                cut()
            }
            Fault::CutAnswered => {
                self.treat(Treatment::CutWhenCommitted);
                self.server.write_all(commit)
            }
            Fault::CutAndCommitLater(later) => {
                self.treat(Treatment::DropAnswers);
                self.cut_gateway();
                std::thread::sleep(later);
                self.server.write_all(commit)?;
                self.sync_if_bound(commit)?;
                cut()
            }
            Fault::SilentBefore => {
                self.treat(Treatment::Silence);
                Ok(())
            }
            Fault::SilentAfter => {
                self.treat(Treatment::DropAnswers);
                self.server.write_all(commit)
            }
            Fault::Late(by) => {
                std::thread::sleep(by);
                self.server.write_all(commit)
            }
        }
    }

    /// A bound statement is executed by the messages after it; where the gateway is cut off, they
    /// are made up here: Execute and Sync.
    fn sync_if_bound(&mut self, commit: &[u8]) -> io::Result<()> {
        if commit[0] != b'B' {
            return Ok(());
        }
        let portal = text(&commit[5..]);
        let mut messages = vec![b'E'];
        messages.extend(u32::try_from(4 + portal.len() + 1 + 4).unwrap().to_be_bytes());
        messages.extend(portal);
        messages.extend([0; 5]);
        messages.extend([b'S', 0, 0, 0, 4]);
        self.server.write_all(&messages)
    }

    /// From the server to the gateway.
    fn answer(&mut self) -> io::Result<()> {
        loop {
            let message = read_message(&mut self.server)?;
            match self.treatment() {
                Treatment::Pass => {
                    if message[0] == b'Z' {
                        self.shared.take_time();
                    }
                    self.shared.pass(&message, &mut self.gateway)?;
                }
                Treatment::DropAnswers | Treatment::Silence => {}
                Treatment::CutWhenCommitted => {
                    let ended = matches!(text(&message[5..]), b"COMMIT" | b"ROLLBACK");
                    if (message[0] == b'C' && ended) || message[0] == b'E' {
                        return Err(io::ErrorKind::ConnectionAborted.into());
                    }
                }
            }
        }
    }
}

/// A message with its type and its length.
fn read_message(from: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut kind = [0; 1];
    from.read_exact(&mut kind)?;
    read_sized(from, kind.into())
}

/// Reads a length, and what it says of bytes, after what was read before.
fn read_sized(from: &mut TcpStream, mut message: Vec<u8>) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let rest = u32::from_be_bytes(length).checked_sub(4).ok_or(io::ErrorKind::InvalidData)?;
    message.extend(length);
    from.take(rest.into()).read_to_end(&mut message)?;
    Ok(message)
}

/// The text up to the first zero.
fn text(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// Whether this message is what makes the server commit. `prepared` are the names of statements
/// that say COMMIT.
fn is_commit(message: &[u8], prepared: &mut BTreeSet<Vec<u8>>) -> bool {
    let body = &message[5..];
    match message[0] {
        b'Q' => says_commit(text(body)),
        b'P' => {
            let name = text(body).to_vec();
            if says_commit(text(&body[name.len() + 1..])) {
                prepared.insert(name);
            } else {
                prepared.remove(&name);
            }
            false
        }
        b'B' => prepared.contains(text(&body[text(body).len() + 1..])),
        _ => false,
    }
}

/// Whether COMMIT stands there as a word of its own (`synchronous_commit` is another).
fn says_commit(sql: &[u8]) -> bool {
    sql.split(|byte| !(byte.is_ascii_alphanumeric() || *byte == b'_'))
        .any(|word| word.eq_ignore_ascii_case(b"COMMIT"))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap()
}

#[test]
fn the_proxy_knows_a_commit_however_it_is_sent() {
    let message = |kind: u8, body: &[u8]| {
        let mut message = vec![kind];
        message.extend(u32::try_from(4 + body.len()).unwrap().to_be_bytes());
        message.extend(body);
        message
    };
    let mut prepared = BTreeSet::new();
    let mut seen = |kind, body: &[u8]| is_commit(&message(kind, body), &mut prepared);
    assert!(seen(b'Q', b"COMMIT\0"));
    assert!(seen(b'Q', b"UPDATE t SET a = 1; commit;\0"));
    assert!(!seen(b'Q', b"SET synchronous_commit = 'on'\0"));
    // Prepared under a name, and later bound; or unnamed, and replaced by another.
    assert!(!seen(b'P', b"end\0COMMIT\0\0\0"));
    assert!(!seen(b'P', b"\0SELECT 1\0\0\0"));
    assert!(!seen(b'B', b"\0\0\0\0\0\0\0\0"));
    assert!(seen(b'B', b"\0end\0\0\0\0\0\0\0"));
    assert!(!seen(b'P', b"\0COMMIT\0\0\0"));
    assert!(seen(b'B', b"portal\0\0\0\0\0\0\0\0"));
    assert!(!seen(b'P', b"\0SELECT 1\0\0\0"));
    assert!(!seen(b'B', b"\0\0\0\0\0\0\0\0"));
}
