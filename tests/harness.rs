//! An alliance in a folder, gateways in front of it, and partners that call them.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use alliance_contracts::quote::{MemberAccount, Quote};
use alliance_partner_sdk::client::{Client, RetryPolicy, account};

/// The freshly built binary.
pub const ALLIANCE: &str = env!("CARGO_BIN_EXE_alliance");

/// A folder of its own for each test, removed when it goes.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        static DRAWN: AtomicU64 = AtomicU64::new(0);
        let drawn = DRAWN.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("alliance-{name}-{}-{drawn}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs the binary to its end.
pub fn alliance(args: &[&str]) -> Output {
    Command::new(ALLIANCE).args(args).stdin(Stdio::null()).output().unwrap()
}

/// Runs the binary and asserts that it ends well.
pub fn alliance_ok(args: &[&str]) -> String {
    let output = alliance(args);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "alliance {args:?}: {}\n{}\n{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout)
}

/// Which engine an alliance is kept in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

/// Runs a demo in a new folder. The port that it finds free stands in its files before it listens:
/// where somebody has taken it meanwhile, it begins again.
fn demo(args: &[&str], dir: &str) {
    for _ in 0..3 {
        let output = alliance(args);
        if output.status.success() {
            return;
        }
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.contains("Address already in use"), "alliance {args:?}: {error}");
        std::fs::remove_dir_all(dir).unwrap();
    }
    panic!("three ports in a row were taken: {args:?}");
}

/// The demo's three partners, with members and links, and no order yet.
pub struct Alliance {
    folder: Folder,
    database: Option<String>,
}

impl Alliance {
    pub fn new(name: &str, engine: Engine) -> Self {
        Self::kept_in(name, (engine == Engine::Postgres).then(postgres_database))
    }

    /// Kept in a PostgreSQL database of the caller's; in the folder's own where there is none.
    pub fn kept_in(name: &str, database: Option<String>) -> Self {
        let folder = Folder::new(name);
        let dir = folder.path().join("demo");
        let dir = dir.to_str().unwrap();
        let address = "127.0.0.1:0";
        demo(&["demo", "--dir", dir, "--listen", address, "--orders", "0", "--once"], dir);
        if let Some(url) = &database {
            alliance_ok(&["migrate", "--dir", dir, "--database", url]);
            for what in ["members", "links"] {
                let file = format!("{dir}/{what}.csv");
                alliance_ok(&[what, "import", &file, "--dir", dir, "--database", url]);
            }
        }
        Self { folder, database }
    }

    pub fn dir(&self) -> PathBuf {
        self.folder.path().join("demo")
    }

    /// `--dir D`, and `--database URL` where it is not the folder's own.
    pub fn args(&self) -> Vec<String> {
        self.args_over(self.database())
    }

    /// The same where the database is reached another way.
    pub fn args_over(&self, database: Option<&str>) -> Vec<String> {
        let mut args = vec!["--dir".to_owned(), self.dir().to_str().unwrap().to_owned()];
        if let Some(database) = database {
            args.extend(["--database".to_owned(), database.to_owned()]);
        }
        args
    }

    /// Runs a command on this alliance.
    pub fn run(&self, command: &[&str]) -> Output {
        let mut args: Vec<String> = command.iter().map(ToString::to_string).collect();
        args.extend(self.args());
        alliance(&args.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// The books must be in order: `alliance audit` says so.
    pub fn assert_audit_clean(&self) {
        let output = self.run(&["audit"]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "audit: {text}\n{error}");
    }

    pub fn serve(&self) -> Gateway {
        Gateway::start(&self.args())
    }

    /// A partner that calls this gateway.
    pub fn client(&self, partner: &str, gateway: &Gateway) -> Client {
        self.client_of(partner, &gateway.url(), RetryPolicy::default())
    }

    /// A partner that calls whatever gateway is at this address, as patient as it is told.
    pub fn client_of(&self, partner: &str, url: &str, retry: RetryPolicy) -> Client {
        let dir = self.dir().join("partners").join(partner);
        let pem = std::fs::read_to_string(dir.join("key.pem")).unwrap();
        let config: toml::Table =
            std::fs::read_to_string(dir.join("client.toml")).unwrap().parse().unwrap();
        Client::builder(url)
            .retry(retry)
            .partner(partner)
            .key_pem(pem)
            .root(config["root"].as_str().unwrap())
            .alliance(config["alliance"].as_str().unwrap())
            .build()
            .unwrap()
    }

    /// Linked pairs of members of two programs, as the links file has them.
    pub fn pairs(&self, source: &str, target: &str) -> Vec<(MemberAccount, MemberAccount)> {
        let links = std::fs::read_to_string(self.dir().join("links.csv")).unwrap();
        let rows = links.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
        let pairs: Vec<_> = rows
            .filter_map(|row| match row[..] {
                [p, m, q, n] if p == source && q == target => Some((m.to_owned(), n.to_owned())),
                [p, m, q, n] if p == target && q == source => Some((n.to_owned(), m.to_owned())),
                _ => None,
            })
            .map(|(m, n)| (account(source, &m).unwrap(), account(target, &n).unwrap()))
            .collect();
        assert!(!pairs.is_empty(), "links.csv joins no {source} with {target}");
        pairs
    }

    /// Leaves the schedule of boards empty, from the next start on: nothing is committed then but
    /// what a test asks for.
    pub fn publish_by_hand(&self) {
        let file = self.dir().join("alliance.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        let line = text.lines().find(|line| line.starts_with("schedule = ")).unwrap();
        std::fs::write(file, text.replace(line, "schedule = \"\"")).unwrap();
    }

    /// Keeps the books in another database from now on, whoever filled it.
    pub fn keep_in(&mut self, database: String) {
        self.database = Some(database);
    }

    pub fn database(&self) -> Option<&str> {
        self.database.as_deref()
    }
}

/// A new, empty database in the throw-away cluster.
pub fn postgres_database() -> String {
    let admin = std::env::var("ALLIANCE_TEST_POSTGRES")
        .expect("ALLIANCE_TEST_POSTGRES names a throw-away PostgreSQL: run tests/run");
    static DRAWN: AtomicU64 = AtomicU64::new(0);
    let drawn = DRAWN.fetch_add(1, Ordering::Relaxed);
    let name = format!("world_{}_{drawn}", std::process::id());
    psql(&admin, &format!("CREATE DATABASE {name}"));
    let (server, _) = admin.rsplit_once('/').unwrap();
    format!("{server}/{name}")
}

/// A free port of 127.0.0.1, below the range that the kernel hands out by itself: while the server
/// that had it is down, nobody is given it, and no client that tries it is connected to itself.
pub fn free_port() -> u16 {
    loop {
        let drawn = RandomState::new().build_hasher().finish();
        let port = 20_000 + u16::try_from(drawn % 12_000).unwrap();
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Runs one statement with the stock client.
pub fn psql(url: &str, statement: &str) -> String {
    let output =
        Command::new("psql").args([url, "-qtAX", "-c", statement]).output().expect("psql is there");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A running `alliance serve`.
pub struct Gateway {
    child: Child,
    address: String,
    pub log: PathBuf,
    _log_folder: Folder,
}

impl Gateway {
    pub fn start(args: &[String]) -> Self {
        Self::try_start(args).unwrap_or_else(|log| panic!("serve did not start:\n{log}"))
    }

    /// Starts, or gives what it said instead.
    pub fn try_start(args: &[String]) -> Result<Self, String> {
        Self::try_start_at("127.0.0.1:0", args)
    }

    /// Starts at an address, as the one that was there before.
    pub fn start_at(listen: &str, args: &[String]) -> Self {
        Self::try_start_at(listen, args)
            .unwrap_or_else(|log| panic!("serve did not start at {listen}:\n{log}"))
    }

    fn try_start_at(listen: &str, args: &[String]) -> Result<Self, String> {
        Self::launch_at(Command::new(ALLIANCE), listen, args)
    }

    /// Starts by a command that ends in the binary, its surroundings prepared.
    pub fn launch(command: Command, args: &[String]) -> Result<Self, String> {
        Self::launch_at(command, "127.0.0.1:0", args)
    }

    fn launch_at(mut command: Command, listen: &str, args: &[String]) -> Result<Self, String> {
        let folder = Folder::new("serve");
        let log = folder.path().join("log");
        let file = std::fs::File::create(&log).unwrap();
        let mut child = command
            .arg("serve")
            .args(args)
            .args(["--listen", listen])
            .env("ALLIANCE_LOG_FORMAT", "json")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(file)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines.find_map(|line| {
            let line = line.ok()?;
            let (_, rest) = line.split_once("http://")?;
            let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == ':'));
            Some(rest[..end.unwrap_or(rest.len())].to_owned())
        });
        let Some(address) = address else {
            let _ = child.wait();
            return Err(std::fs::read_to_string(&log).unwrap_or_default());
        };
        // Keep reading, so that it never waits for us.
        std::thread::spawn(move || lines.for_each(drop));
        let gateway = Self { child, address, log, _log_folder: folder };
        gateway.wait_until_ready();
        Ok(gateway)
    }

    fn wait_until_ready(&self) {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(30) {
            if let Ok(stream) = std::net::TcpStream::connect(&self.address) {
                drop(stream);
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("{} does not accept connections", self.address);
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: &str) {
        let pid = self.pid().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// Asks it to stop, and gives its exit code.
    pub fn terminate(mut self) -> Option<i32> {
        self.signal("-TERM");
        self.child.wait().unwrap().code()
    }

    /// Kills it: not one more of its instructions is executed.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        assert_eq!(self.child.wait().unwrap().code(), None, "it ended by itself");
        self.assert_faultless();
    }

    /// It has met nothing that it cannot explain. A client that repeats its keys would not notice: a
    /// batch that contradicts the database was decided without knowing what had been committed.
    pub fn assert_faultless(&self) {
        let faults = [
            "contradicts the database",
            "replaying a batch",
            "ended without an answer",
            "internal_error",
            "panicked",
        ];
        let log = self.log_text();
        let found = log.lines().find(|line| faults.iter().any(|fault| line.contains(fault)));
        assert_eq!(found, None, "a fault of the gateway's own");
    }

    /// Waits for its end, however it comes.
    pub fn wait(self) -> Option<i32> {
        self.wait_for_status().code()
    }

    /// The same, with the signal that ended it.
    pub fn wait_for_status(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    pub fn log_text(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One attempt, so that a test sees the answer itself.
pub fn once() -> RetryPolicy {
    RetryPolicy { max_attempts: 1, ..RetryPolicy::default() }
}

/// A quote for so many source points.
pub async fn quote(
    client: &Client,
    (source, target): &(MemberAccount, MemberAccount),
    points: &str,
) -> Quote {
    client.exchange(source.clone(), target.clone()).give(points.parse().unwrap()).await.unwrap()
}

/// Runs a future on a runtime of its own.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}
