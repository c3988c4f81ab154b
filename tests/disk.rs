//! What becomes of the disk (T54): full, read-only, its files taken away. Nothing is answered that
//! is not durable, and whoever asks is told 503; what was answered is there afterwards.
//!
//! A small disk is a `tmpfs` of its own. Where nobody may mount one, those tests say so and end;
//! that of the file that may not grow needs no privilege and always runs.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use alliance_contracts::ids::TransactionId;
use alliance_contracts::names::IdempotencyKey;
use alliance_contracts::problem::ProblemCode;
use alliance_contracts::quote::Quote;
use alliance_contracts::transaction::Transaction;
use alliance_partner_sdk::client::{Call, Client, Error};
use futures_util::TryStreamExt;

use crate::harness::{ALLIANCE, Alliance, Engine, Gateway, block_on, once, psql, quote};

const AURORA: &str = "aurora-air";
const CORRIDOR: &str = "aurora-air~borealis-coffee";

/// A disk of a few megabytes.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// None where this user may mount nothing.
    fn mount(at: PathBuf, megabytes: u32) -> Option<Self> {
        std::fs::create_dir_all(&at).unwrap();
        let size = format!("size={megabytes}m,mode=0755");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&at).stderr(Stdio::null());
        if mount.status().is_ok_and(|status| status.success()) {
            return Some(Self(at));
        }
        // Whoever may do everything may mount: there a test that was not run has not passed.
        let user = Command::new("id").arg("-u").output().unwrap();
        assert_ne!(user.stdout.trim_ascii(), b"0", "root cannot mount a tmpfs at {}", at.display());
        println!("not tested: only root mounts a disk");
        None
    }

    fn remount(&self, how: &str) {
        let options = format!("remount,{how}");
        let status = Command::new("mount").args(["-o", &options]).arg(&self.0).status().unwrap();
        assert!(status.success(), "{options}");
    }

    /// Takes up all that is left.
    fn fill(&self) {
        let mut file = std::fs::File::create(self.filler()).unwrap();
        let mut size = 1 << 20;
        while size > 0 {
            match file.write(&vec![1; size]) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => size /= 4,
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn free(&self) {
        std::fs::remove_file(self.filler()).unwrap();
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["-l"]).arg(&self.0).status();
    }
}

/// An answered order: it must be there for ever.
struct Answer {
    key: IdempotencyKey,
    quote: Quote,
    id: TransactionId,
}

/// A client that keeps what it was answered.
struct Caller<'a> {
    alliance: &'a Alliance,
    answers: Vec<Answer>,
    sent: usize,
}

impl<'a> Caller<'a> {
    fn new(alliance: &'a Alliance) -> Self {
        Self { alliance, answers: Vec::new(), sent: 0 }
    }

    fn client(&self, gateway: &Gateway) -> Client {
        self.alliance.client(AURORA, gateway)
    }

    /// Another order: its key, its terms, and whether it was answered. What is neither 201 nor
    /// "unavailable" ends the test.
    async fn order(&mut self, gateway: &Gateway) -> (IdempotencyKey, Quote, bool) {
        let client = self.client(gateway);
        let pairs = self.alliance.pairs("aurora", "borealis");
        let quote = quote(&client, &pairs[self.sent % pairs.len()], "20").await;
        let key: IdempotencyKey = format!("disk-{}", self.sent).parse().unwrap();
        self.sent += 1;
        match call(&client, &key, &quote).send().await {
            Ok(answer) => {
                assert_eq!((answer.status, answer.replayed), (201, false));
                let id = answer.body.id;
                self.answers.push(Answer { key: key.clone(), quote: quote.clone(), id });
                (key, quote, true)
            }
            Err(error) => {
                assert!(is_unavailable(&error), "{error:?}");
                (key, quote, false)
            }
        }
    }

    /// Orders until one is told that nothing can be done.
    async fn order_until_refused(&mut self, gateway: &Gateway) -> (IdempotencyKey, Quote) {
        for _ in 0..400 {
            let (key, quote, answered) = self.order(gateway).await;
            if !answered {
                return (key, quote);
            }
        }
        panic!("the disk never became full");
    }

    /// Repeats an order that was not answered, now that it can be.
    async fn repeat(&mut self, gateway: &Gateway, key: &IdempotencyKey, quote: &Quote) {
        let again = call(&self.client(gateway), key, quote).send().await.unwrap();
        assert_eq!(again.status, 201);
        let (key, quote, id) = (key.clone(), quote.clone(), again.body.id);
        self.answers.push(Answer { key, quote, id });
    }

    /// All that was answered is there once, and nothing else.
    async fn everything_is_there(&self, gateway: &Gateway) {
        let client = self.client(gateway);
        for Answer { key, quote, id } in &self.answers {
            let again = call(&client, key, quote).send().await.unwrap();
            assert!(again.replayed && again.body.id == *id, "{key} was answered, and is lost");
        }
        assert_eq!(receipts(&client).await, self.answers.len(), "one effect for each answer");
    }
}

fn call(client: &Client, key: &IdempotencyKey, quote: &Quote) -> Call<Transaction> {
    let reference = key.as_str().parse().unwrap();
    client.transact(quote, reference).idempotency_key(key.clone()).retry(once())
}

fn is_unavailable(error: &Error) -> bool {
    let Error::Indeterminate { last, .. } = error else { return false };
    last.problem()
        .is_some_and(|problem| problem.status == 503 && problem.code == ProblemCode::Unavailable)
}

async fn receipts(client: &Client) -> usize {
    let stream = client.receipts(&CORRIDOR.parse().unwrap()).stream();
    stream.try_fold(0, |n, _| async move { Ok(n + 1) }).await.unwrap()
}

/// The status of a health page, and its header lines.
fn health(gateway: &Gateway, page: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(gateway.address()).unwrap();
    let host = gateway.address();
    write!(stream, "GET /health/{page} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer.split("\r\n\r\n").next().unwrap().to_lowercase())
}

/// It lives, is not ready, and says when to come back.
fn assert_not_ready(gateway: &Gateway) {
    let (status, head) = health(gateway, "ready");
    assert_eq!(status, 503, "{head}");
    assert!(head.contains("\r\nretry-after: "), "{head}");
    assert_eq!(health(gateway, "live").0, 200);
}

/// Moves an alliance's books to another folder.
fn move_books(alliance: &mut Alliance, to: &Path) {
    let books = to.join("alliance.db");
    std::fs::copy(alliance.dir().join("alliance.db"), &books).unwrap();
    alliance.keep_in(format!("sqlite:{}", books.display()));
}

/// Full, then freed: without a restart, or killed while it was full.
fn a_full_disk(killed: bool) {
    let mut alliance = Alliance::new("full", Engine::Sqlite);
    let Some(disk) = SmallDisk::mount(alliance.dir().join("disk"), 16) else { return };
    move_books(&mut alliance, &disk.0);
    let gateway = alliance.serve();
    let mut caller = Caller::new(&alliance);
    block_on(async {
        assert!(caller.order(&gateway).await.2);
        assert_eq!(health(&gateway, "ready").0, 200);
        disk.fill();
        let (key, quote) = caller.order_until_refused(&gateway).await;
        assert_not_ready(&gateway);
        let member = &alliance.pairs("aurora", "borealis")[0].0;
        caller.client(&gateway).member_balance(member).await.unwrap();
        assert_eq!(receipts(&caller.client(&gateway)).await, caller.answers.len(), "no effect");
        let gateway = if killed {
            gateway.signal("-KILL");
            gateway.wait();
            disk.free();
            alliance.serve()
        } else {
            disk.free();
            gateway
        };
        caller.repeat(&gateway, &key, &quote).await;
        assert_eq!(health(&gateway, "ready").0, 200);
        caller.everything_is_there(&gateway).await;
        assert_eq!(gateway.terminate(), Some(0));
        caller.everything_is_there(&alliance.serve()).await;
    });
    alliance.assert_audit_clean();
}

#[test]
fn a_full_disk_is_told_and_nothing_is_lost_on_sqlite() {
    a_full_disk(false);
}

#[test]
fn a_kill_while_the_disk_is_full_loses_nothing_on_sqlite() {
    a_full_disk(true);
}

/// The same by a limit on the size of files (EFBIG), which takes no privilege.
#[test]
fn a_file_that_may_not_grow_is_told_and_nothing_is_lost_on_sqlite() {
    let alliance = Alliance::new("limit", Engine::Sqlite);
    let mut command = Command::new("bash");
    command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\"", ALLIANCE]);
    let gateway = Gateway::launch(command, &alliance.args()).unwrap();
    let limit = |bytes: &str| {
        let (pid, limit) = (gateway.pid().to_string(), format!("--fsize={bytes}:"));
        let status = Command::new("prlimit").args(["--pid", &pid, &limit]).status().unwrap();
        assert!(status.success());
    };
    let mut caller = Caller::new(&alliance);
    block_on(async {
        assert!(caller.order(&gateway).await.2);
        let books = std::fs::metadata(alliance.dir().join("alliance.db")).unwrap().len();
        limit(&(books + 100_000).to_string());
        let (key, quote) = caller.order_until_refused(&gateway).await;
        assert_not_ready(&gateway);
        assert_eq!(receipts(&caller.client(&gateway)).await, caller.answers.len(), "no effect");
        limit("unlimited");
        caller.repeat(&gateway, &key, &quote).await;
        assert_eq!(health(&gateway, "ready").0, 200);
        caller.everything_is_there(&gateway).await;
    });
    assert_eq!(gateway.terminate(), Some(0));
    alliance.assert_audit_clean();
}

#[test]
fn a_read_only_disk_is_not_served_from_on_sqlite() {
    let mut alliance = Alliance::new("read-only", Engine::Sqlite);
    let Some(disk) = SmallDisk::mount(alliance.dir().join("disk"), 16) else { return };
    move_books(&mut alliance, &disk.0);
    disk.remount("ro");
    let Err(log) = Gateway::try_start(&alliance.args()) else { panic!("it was served from") };
    assert!(log.contains("readonly") || log.contains("read-only"), "it says why: {log}");
    disk.remount("rw");
    let gateway = alliance.serve();
    assert!(block_on(Caller::new(&alliance).order(&gateway)).2);
    assert_eq!(gateway.terminate(), Some(0));
    alliance.assert_audit_clean();
}

/// A role that has lost its right to write, as on a server that has become read-only.
#[test]
fn a_database_that_has_become_read_only_is_told_and_nothing_is_lost_on_postgres() {
    let mut alliance = Alliance::new("revoked", Engine::Postgres);
    let url = alliance.database().unwrap().to_owned();
    let (server, name) = url.rsplit_once('/').unwrap();
    let (_, host) = server.split_once('@').unwrap();
    let role = format!("keeper_of_{name}");
    psql(&url, &format!("CREATE ROLE {role} LOGIN"));
    let may = |word: &str, direction: &str| {
        let tables = "ON ALL TABLES IN SCHEMA public";
        psql(&url, &format!("{word} INSERT, UPDATE, DELETE {tables} {direction} {role}"));
    };
    psql(&url, &format!("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"));
    may("GRANT", "TO");
    alliance.keep_in(format!("postgres://{role}@{host}/{name}"));
    let mut args = alliance.args();
    args.push("--no-migrate".to_owned());
    let gateway = Gateway::start(&args);
    let mut caller = Caller::new(&alliance);
    block_on(async {
        assert!(caller.order(&gateway).await.2);
        may("REVOKE", "FROM");
        let (key, quote, answered) = caller.order(&gateway).await;
        assert!(!answered);
        assert_not_ready(&gateway);
        assert_eq!(receipts(&caller.client(&gateway)).await, 1, "it is still read");
        may("GRANT", "TO");
        caller.repeat(&gateway, &key, &quote).await;
        assert_eq!(health(&gateway, "ready").0, 200);
        caller.everything_is_there(&gateway).await;
    });
    assert_eq!(gateway.terminate(), Some(0));
    alliance.keep_in(url.clone());
    alliance.assert_audit_clean();
    psql(&url, &format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

/// A database on a disk of its own. It is dropped before the disk goes: a server whose files vanish
/// would take the other tests with it.
struct SmallTablespace {
    admin: String,
    name: String,
    disk: SmallDisk,
}

impl SmallTablespace {
    fn new(admin: &str, disk: SmallDisk) -> Self {
        let data = psql(admin, "SHOW data_directory");
        let owner = std::fs::metadata(data).unwrap();
        chown(&disk.0, Some(owner.uid()), Some(owner.gid())).unwrap();
        let name = format!("small_{}", std::process::id());
        let location = disk.0.display();
        psql(admin, &format!("CREATE TABLESPACE {name} LOCATION '{location}'"));
        Self { admin: admin.to_owned(), name, disk }
    }
}

impl Drop for SmallTablespace {
    fn drop(&mut self) {
        let Self { admin, name, .. } = self;
        for drop in
            [format!("DROP DATABASE {name} WITH (FORCE)"), format!("DROP TABLESPACE {name}")]
        {
            psql(admin, &drop);
        }
    }
}

#[test]
fn a_full_disk_is_told_and_nothing_is_lost_on_postgres() {
    let mut alliance = Alliance::new("full", Engine::Postgres);
    let Some(disk) = SmallDisk::mount(alliance.dir().join("disk"), 40) else { return };
    let url = alliance.database().unwrap().to_owned();
    let (server, name) = url.rsplit_once('/').unwrap();
    let space = SmallTablespace::new(&format!("{server}/postgres"), disk);
    let small = &space.name;
    psql(&space.admin, &format!("CREATE DATABASE {small} TEMPLATE {name} TABLESPACE {small}"));
    alliance.keep_in(format!("{server}/{small}"));
    let gateway = alliance.serve();
    let mut caller = Caller::new(&alliance);
    block_on(async {
        assert!(caller.order(&gateway).await.2);
        space.disk.fill();
        let (key, quote) = caller.order_until_refused(&gateway).await;
        assert_not_ready(&gateway);
        assert_eq!(receipts(&caller.client(&gateway)).await, caller.answers.len(), "no effect");
        space.disk.free();
        caller.repeat(&gateway, &key, &quote).await;
        assert_eq!(health(&gateway, "ready").0, 200);
        caller.everything_is_there(&gateway).await;
    });
    assert_eq!(gateway.terminate(), Some(0));
    alliance.assert_audit_clean();
}

/// The log deleted under a gateway that runs: it goes on writing into a file without a name, which
/// would be gone with it. So it answers nothing any more; what it had answered survives its end.
#[test]
fn a_log_deleted_under_a_running_gateway_stops_it_and_loses_nothing() {
    let alliance = Alliance::new("log-gone", Engine::Sqlite);
    let gateway = alliance.serve();
    let mut caller = Caller::new(&alliance);
    block_on(async {
        for _ in 0..3 {
            assert!(caller.order(&gateway).await.2);
        }
        std::fs::remove_file(alliance.dir().join("alliance.db-wal")).unwrap();
        let (key, quote, answered) = caller.order(&gateway).await;
        assert!(!answered, "it would not have been durable");
        assert_not_ready(&gateway);
        assert_eq!(gateway.terminate(), Some(0));
        let gateway = alliance.serve();
        caller.everything_is_there(&gateway).await;
        caller.repeat(&gateway, &key, &quote).await;
        caller.everything_is_there(&gateway).await;
    });
    alliance.assert_audit_clean();
}

/// The log deleted after a crash takes with it what had not been moved into the books. Where a
/// checkpoint was signed over it, that is noticed, and nothing is served (T31).
#[test]
fn a_log_deleted_after_a_crash_is_noticed_by_the_checkpoints() {
    let alliance = Alliance::new("log-lost", Engine::Sqlite);
    let gateway = alliance.serve();
    let mut caller = Caller::new(&alliance);
    block_on(async {
        for _ in 0..3 {
            assert!(caller.order(&gateway).await.2);
        }
        let signed = caller.client(&gateway).checkpoint(&CORRIDOR.parse().unwrap()).await.unwrap();
        assert_eq!(signed.size(), 3);
    });
    gateway.signal("-KILL");
    gateway.wait();
    std::fs::remove_file(alliance.dir().join("alliance.db-wal")).unwrap();
    let Err(log) = Gateway::try_start(&alliance.args()) else { panic!("lost orders were served") };
    assert!(log.contains(CORRIDOR), "it names the chain: {log}");
}
