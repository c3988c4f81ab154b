//! Boards of the real gateway, followed by the SDK and by the command line: none is left out,
//! whatever becomes of the gateway meanwhile, and another history is told.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use alliance_contracts::time::Timestamp;
use alliance_partner_sdk::Error;
use alliance_partner_sdk::client::{BoardStream, Client, FollowedBoard, RetryPolicy};
use alliance_partner_sdk::verify::ForkEvidence;
use alliance_settlement::clearing_house::Clock;
use futures_util::TryStreamExt;

use crate::harness::{ALLIANCE, Alliance, Engine, Gateway, block_on, free_port};

const AURORA: &str = "aurora-air";

/// An alliance whose boards are published by hand, at one address whatever becomes of its gateway.
struct Office {
    alliance: Alliance,
    address: String,
    begun: Timestamp,
    readings: u32,
}

impl Office {
    fn new(name: &str, engine: Engine) -> Self {
        let alliance = Alliance::new(name, engine);
        alliance.publish_by_hand();
        let (address, begun) = (format!("127.0.0.1:{}", free_port()), Clock::system().now());
        Self { alliance, address, begun, readings: 0 }
    }

    fn serve(&self) -> Gateway {
        Gateway::start_at(&self.address, &self.alliance.args())
    }

    fn client(&self) -> Client {
        let patient = RetryPolicy {
            base: Duration::from_millis(10),
            cap: Duration::from_millis(100),
            ..RetryPolicy::default()
        };
        self.alliance.client_of(AURORA, &format!("http://{}", self.address), patient)
    }

    /// Runs a command that must succeed; its JSON.
    fn done(&self, command: &[&str]) -> serde_json::Value {
        let output = self.alliance.run(&[command, &["--json"]].concat());
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command:?}: {errors}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn board_in_force(&self) -> u64 {
        self.done(&["rates", "show"])["board"].as_u64().unwrap()
    }

    /// Reports what aurora's points bought, publishes the board that follows, and waits until it is
    /// in force: the next can be published then.
    fn publish(&mut self, worth: &str) -> u32 {
        self.readings += 1;
        let observed_at = self.begun.plus_seconds(i64::from(self.readings) - 3_600);
        let file = self.alliance.dir().join("reading.csv");
        let row = format!("aurora,redemption,{worth},{observed_at}");
        fs::write(&file, format!("program,feed,value,observed_at\n{row}\n")).unwrap();
        self.done(&["rates", "observe", file.to_str().unwrap()]);
        let board = self.done(&["rates", "publish"])["board"].as_u64().expect("a board");
        while self.board_in_force() != board {
            std::thread::sleep(Duration::from_millis(50));
        }
        u32::try_from(board).unwrap()
    }
}

async fn next(boards: &mut BoardStream) -> FollowedBoard {
    boards.try_next().await.unwrap().expect("it goes on")
}

fn boards_are_followed_over_a_restart(engine: Engine) {
    let mut office = Office::new("follow", engine);
    let first = u32::try_from(office.board_in_force()).unwrap();
    let gateway = office.serve();
    let mut boards = office.client().follow_rates(None);
    let mut seen = vec![block_on(next(&mut boards))];
    let mut published = vec![first];
    // While it follows.
    published.push(office.publish("0.048"));
    seen.push(block_on(next(&mut boards)));
    // While the gateway is away, and after it has been killed.
    assert_eq!(gateway.terminate(), Some(0));
    published.extend(["0.052", "0.047"].map(|worth| office.publish(worth)));
    let gateway = office.serve();
    seen.push(block_on(next(&mut boards)));
    gateway.kill();
    published.push(office.publish("0.053"));
    let _gateway = office.serve();
    while seen.len() < published.len() {
        seen.push(block_on(next(&mut boards)));
    }
    let numbers: Vec<u32> = seen.iter().map(|one| one.board.board().board).collect();
    assert_eq!(numbers, published);
    assert!(numbers.is_sorted_by(|one, next| one + 1 == *next), "{numbers:?}");
    for (one, next) in seen.iter().zip(&seen[1..]) {
        next.board.follows(&one.board).unwrap();
    }
    // Another process goes on where this one was.
    let kept = seen[1].board.clone();
    let mut others = office.client().follow_rates(Some(kept));
    for one in &seen[2..] {
        assert_eq!(block_on(next(&mut others)).jws, one.jws);
    }
    // The gateway shows by number what it has streamed.
    for one in &seen {
        let rates = block_on(office.client().board(one.board.board().board)).unwrap();
        assert_eq!(rates.jws, one.jws);
    }
    office.alliance.assert_audit_clean();
}

#[test]
fn boards_are_followed_without_a_gap_over_a_restart_on_sqlite() {
    boards_are_followed_over_a_restart(Engine::Sqlite);
}

#[test]
fn boards_are_followed_without_a_gap_over_a_restart_on_postgres() {
    boards_are_followed_over_a_restart(Engine::Postgres);
}

#[test]
fn a_gateway_that_comes_back_with_another_history_of_boards_is_found_out() {
    let mut office = Office::new("follow-fork", Engine::Sqlite);
    let gateway = office.serve();
    let mut boards = office.client().follow_rates(None);
    let first = block_on(next(&mut boards));
    assert_eq!(gateway.terminate(), Some(0));
    let (database, backup) =
        (office.alliance.dir().join("alliance.db"), office.alliance.dir().join("backup.db"));
    fs::copy(&database, &backup).unwrap();
    office.publish("0.048");
    let gateway = office.serve();
    let second = block_on(next(&mut boards));
    second.board.follows(&first.board).unwrap();
    assert_eq!(gateway.terminate(), Some(0));
    // The backup comes back, and the same numbers are given once more.
    fs::copy(&backup, &database).unwrap();
    assert_eq!(office.publish("0.052"), second.board.board().board);
    let third = office.publish("0.047");
    let _gateway = office.serve();
    let error = block_on(boards.try_next()).unwrap_err();
    let Error::Fork(evidence) = &error else { panic!("{error:?}") };
    let ForkEvidence::Board { number, seen_number, seen, seen_jws, jws } = &**evidence else {
        panic!("{evidence:?}")
    };
    assert_eq!((*number, *seen_number), (third, second.board.board().board));
    assert_eq!((seen, seen_jws.as_ref()), (second.board.hash(), Some(&second.jws)));
    let shown = block_on(office.client().board(third)).unwrap();
    assert_eq!(*jws, shown.jws);
}

#[test]
fn boards_are_followed_on_the_command_line() {
    let mut office = Office::new("follow-cli", Engine::Sqlite);
    let first = office.board_in_force();
    let _gateway = office.serve();
    let published = ["0.048", "0.052"].map(|worth| u64::from(office.publish(worth)));
    let settings = office.alliance.dir().join("partners").join(AURORA).join("client.toml");
    let text = fs::read_to_string(&settings).unwrap();
    let line = text.lines().find(|line| line.starts_with("gateway = ")).unwrap();
    let address = format!("gateway = \"http://{}\"", office.address);
    fs::write(&settings, text.replace(line, &address)).unwrap();
    let client = settings.to_str().unwrap();
    let output = Command::new(ALLIANCE)
        .args(["rates", "follow", "--client", client, "--after", &first.to_string()])
        .args(["--boards", "2", "--json"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: Vec<serde_json::Value> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let numbers: Vec<u64> = told.iter().map(|one| one["board"].as_u64().unwrap()).collect();
    assert_eq!(numbers, published);
    let value = &told[0]["values"][0];
    assert_eq!(value["program"], "aurora");
    assert!(value["change"].as_str().unwrap().starts_with('-'), "{value}");
}
