//! A PostgreSQL cluster of a test's own, to be crashed: durability as it is by default, nothing
//! left when it goes. Others share the cluster of `tests/run`, which nobody may take down.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::harness::{Alliance, Folder, block_on, free_port};
use crate::load::{Chance, Load};

const CRASHES: usize = 6;

/// A running cluster.
struct Cluster {
    folder: Folder,
    programs: PathBuf,
    port: u16,
    server: Option<Child>,
}

impl Cluster {
    fn new() -> Self {
        let folder = Folder::new("cluster");
        let programs = programs();
        let mut cluster = Self { folder, programs, port: free_port(), server: None };
        if let Some((user, group)) = database_user() {
            std::os::unix::fs::chown(cluster.folder.path(), Some(user), Some(group)).unwrap();
        }
        let data = cluster.data();
        let output = cluster
            .program("initdb")
            .args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"])
            .args(["-D", data.to_str().unwrap()])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        cluster.start();
        cluster
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// A server program, as a user it agrees to run as.
    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        if let Some((user, group)) = database_user() {
            command.uid(user).gid(group);
        }
        command
    }

    fn start(&mut self) {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("log"))
            .unwrap();
        let sockets = format!("unix_socket_directories={}", self.folder.path().display());
        let server = self
            .program("postgres")
            .args(["-D", self.data().to_str().unwrap(), "-p", &self.port.to_string()])
            .args(["-c", "listen_addresses=127.0.0.1", "-c", &sockets])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.server = Some(server);
        self.wait_until_ready();
    }

    fn wait_until_ready(&self) {
        let begun = Instant::now();
        let port = self.port.to_string();
        let ready = || {
            let mut ask = self.program("pg_isready");
            ask.args(["-q", "-h", "127.0.0.1", "-U", "postgres", "-p", &port]);
            ask.status().unwrap().success()
        };
        while !ready() {
            assert!(begun.elapsed() < Duration::from_secs(60), "{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Immediate shutdown: every process ends where it is, as in a crash.
    fn crash(&mut self) {
        let mut server = self.server.take().expect("it runs");
        let pid = server.id().to_string();
        assert!(Command::new("kill").args(["-QUIT", &pid]).status().unwrap().success());
        server.wait().unwrap();
    }

    /// Waits until a backend is writing, and has it killed. The server then ends all others, throws
    /// its memory away and recovers from its log.
    fn kill_a_writer(&self) {
        // A backend that is gone before it is killed is no crash: then it is tried with the next.
        let kill = "DO $$ DECLARE writer int; BEGIN LOOP \
            PERFORM pg_stat_clear_snapshot(); \
            SELECT pid INTO writer FROM pg_stat_activity \
                WHERE application_name = 'alliance' AND backend_xid IS NOT NULL; \
            IF FOUND THEN \
                EXECUTE format('COPY (SELECT) TO PROGRAM %L', \
                    'cat && kill -KILL ' || writer || ' || true'); \
            END IF; \
            PERFORM pg_sleep(0.001); \
            END LOOP; END $$";
        // It ends with the connection that asked.
        let psql = Command::new("psql").args([&self.url(), "-qX", "-c", kill]).output().unwrap();
        let said = String::from_utf8_lossy(&psql.stderr);
        assert!(said.contains("crash of another server process"), "{said}");
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.server.is_some() {
            self.crash();
        }
    }
}

/// Where the server's programs are, of the newest version; Debian keeps them off `PATH`.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let found = versions
        .filter_map(|entry| {
            let version: u32 = entry.file_name().to_str()?.parse().ok()?;
            let programs = entry.path().join("bin");
            programs.join("initdb").exists().then_some((version, programs))
        })
        .max();
    let on_path = || {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).find(|folder| folder.join("initdb").exists())
    };
    found.map(|(_, programs)| programs).or_else(on_path).expect("PostgreSQL is installed")
}

/// Whom the server runs as where we are root, which it refuses.
fn database_user() -> Option<(u32, u32)> {
    let id = |args: &[&str]| -> Option<u32> {
        let output = Command::new("id").args(args).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().parse().ok()
    };
    if id(&["-u"]) != Some(0) {
        return None;
    }
    let user = if id(&["-u", "postgres"]).is_some() { "postgres" } else { "nobody" };
    id(&["-u", user]).zip(id(&["-g", user]))
}

/// T52: PostgreSQL crashes and comes back, in two ways in turn; what it had committed is there.
#[test]
fn postgres_that_crashes_under_load_loses_nothing() {
    let mut chance = Chance::seeded();
    let mut cluster = Cluster::new();
    let alliance = Alliance::kept_in("crash", Some(cluster.url()));
    let gateway = alliance.serve();
    let mut load = Load::new(&alliance, &[gateway.url()]);
    block_on(async {
        for crash in 0..CRASHES {
            let crashed = async {
                tokio::time::sleep(chance.millis(50..=400)).await;
                if crash % 2 == 0 {
                    cluster.crash();
                    tokio::time::sleep(chance.millis(0..=500)).await;
                    cluster.start();
                } else {
                    cluster.kill_a_writer();
                }
            };
            load.during(crashed).await;
            load.verify().await;
            alliance.assert_audit_clean();
        }
        load.verify_all().await;
    });
    gateway.assert_faultless();
    let recoveries = cluster.log().matches("automatic recovery in progress").count();
    assert!(recoveries >= CRASHES, "it recovered {recoveries} times:\n{}", cluster.log());
    println!("{} orders done, {recoveries} recoveries", load.done());
}
