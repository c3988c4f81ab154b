//! The command line, as a person or a script meets it: what is said, where, and with which exit
//! code.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use super::harness::{ALLIANCE, Folder, Gateway, alliance, alliance_ok};

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn json(output: &Output) -> Value {
    let text = stdout(output);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// An alliance of two partners, as a newcomer would make it.
fn northern(folder: &Folder) -> String {
    let dir = folder.path().join("northern").to_str().unwrap().to_owned();
    alliance_ok(&["init", &dir]);
    for (partner, program, value, scale) in
        [("aurora-air", "aurora", "0.05", "0"), ("cedar-hotels", "cedar", "0.0723", "2")]
    {
        alliance_ok(&[
            "partner",
            "add",
            partner,
            "--name",
            partner,
            "--program",
            program,
            "--value",
            value,
            "--scale",
            scale,
            "--fee",
            "0.01",
            "--dir",
            &dir,
        ]);
    }
    dir
}

/// A demo of so many orders: its folder, and what it says in JSON.
fn demo(folder: &Folder, orders: &str) -> (String, Value) {
    let dir = folder.path().join("demo").to_str().unwrap().to_owned();
    let listen = "127.0.0.1:0";
    let args = ["demo", "--dir", &dir, "--listen", listen, "--orders", orders, "--once", "--json"];
    let output = alliance(&args);
    assert_eq!(output.status.code(), Some(0), "{}{}", stdout(&output), stderr(&output));
    (dir, json(&output))
}

fn openssl(args: &[&str]) -> Output {
    Command::new("openssl").args(args).stdin(Stdio::null()).output().expect("openssl is there")
}

#[test]
fn a_newcomer_makes_checks_and_serves_an_alliance() {
    let folder = Folder::new("cli-init");
    let dir = northern(&folder);
    let checked = alliance(&["check", "--dir", &dir, "--no-environment"]);
    assert_eq!(checked.status.code(), Some(0), "{}", stderr(&checked));
    assert!(stdout(&checked).contains("2 partners, 2 programs, 1 agreement"));
    let gateway = Gateway::start(&["--dir".to_owned(), dir.clone()]);
    assert_eq!(gateway.terminate(), Some(0));
    // A folder with anything in it is left alone.
    let again = alliance(&["init", &dir]);
    assert_eq!(again.status.code(), Some(2));
    assert!(stderr(&again).contains("left alone"), "{}", stderr(&again));
    let listed = json(&alliance(&["partner", "list", "--dir", &dir, "--json"]));
    assert_eq!(listed["partners"][1]["state"], "active");
    alliance_ok(&["partner", "suspend", "cedar-hotels", "--dir", &dir]);
    let listed = json(&alliance(&["partner", "list", "--dir", &dir, "--json"]));
    assert_eq!(listed["partners"][1]["state"], "suspended");
    // The comments of the file have outlived the additions.
    let text = fs::read_to_string(Path::new(&dir).join("alliance.toml")).unwrap();
    assert!(text.contains("# What the partners settle in") && text.contains("0.0723"));
}

#[test]
fn check_lists_every_fault_and_ends_with_78() {
    let folder = Folder::new("cli-check");
    let dir = northern(&folder);
    let path = |name: &str| Path::new(&dir).join(name);
    let text = fs::read_to_string(path("alliance.toml")).unwrap();
    let text = text.replace("value = \"0.05\"", "value = \"0\"");
    fs::write(path("alliance.toml"), text.replace("[gateway]", "[gateway]\nlisten = \"x\""))
        .unwrap();
    fs::write(path("keys/gateway.pem"), "nonsense").unwrap();
    fs::remove_file(path("keys/master.key")).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path("keys/root.pem"), fs::Permissions::from_mode(0o644)).unwrap();
    }
    let output = alliance(&["check", "--dir", &dir]);
    assert_eq!(output.status.code(), Some(78));
    let said = stderr(&output);
    for word in ["aurora: value must be", "listen", "gateway.pem", "master.key", "root.pem: others"]
    {
        assert!(said.contains(word), "{word}: {said}");
    }
    let output = alliance(&["check", "--dir", &dir, "--json"]);
    assert_eq!(output.status.code(), Some(78));
    assert_eq!(json(&output)["error"]["faults"].as_array().unwrap().len(), 5, "{said}");
    assert!(stderr(&output).is_empty());
    let nowhere = alliance(&["serve", "--dir", &format!("{dir}/nowhere")]);
    assert_eq!(nowhere.status.code(), Some(78));
    assert!(stderr(&nowhere).contains("alliance init"), "{}", stderr(&nowhere));
}

#[test]
fn a_key_that_is_not_listed_is_refused() {
    let folder = Folder::new("cli-unlisted");
    let dir = northern(&folder);
    let key = format!("{dir}/keys/gateway.pem");
    fs::remove_file(&key).unwrap();
    alliance_ok(&["keys", "generate", &key]);
    let output = alliance(&["serve", "--dir", &dir, "--listen", "127.0.0.1:0"]);
    assert_eq!(output.status.code(), Some(78));
    assert!(stderr(&output).contains("not in the books' key list"), "{}", stderr(&output));
}

#[test]
fn what_balances_are_counted_in_does_not_change() {
    let folder = Folder::new("cli-changes");
    let dir = northern(&folder);
    let file = format!("{dir}/alliance.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("scale = 2", "scale = 1")).unwrap();
    for command in [&["serve", "--listen", "127.0.0.1:0"][..], &["check"]] {
        let output = alliance(&[command, &["--dir", &dir]].concat());
        assert_eq!(output.status.code(), Some(78));
        assert!(stderr(&output).contains("scale of cedar: was 2"), "{}", stderr(&output));
    }
}

#[test]
fn openssl_reads_the_keys_and_nobody_else_does() {
    let folder = Folder::new("cli-keys");
    let dir = northern(&folder);
    for file in ["keys/gateway.pem", "keys/root.pem", "partners/aurora-air/key.pem"] {
        let file = format!("{dir}/{file}");
        let output = openssl(&["pkey", "-in", &file, "-noout", "-text"]);
        assert!(output.status.success(), "{file}: {}", stderr(&output));
        assert!(stdout(&output).contains("ED25519 Private-Key"), "{file}");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(&file).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{file}");
        }
    }
    // OpenSSL's own keys are read as well, and public halves agree.
    let (theirs, public) = (format!("{dir}/theirs.pem"), format!("{dir}/public.pem"));
    assert!(openssl(&["genpkey", "-algorithm", "ed25519", "-out", &theirs]).status.success());
    assert!(openssl(&["pkey", "-in", &theirs, "-pubout", "-out", &public]).status.success());
    let exported = alliance_ok(&["keys", "export-public", &theirs, "--format", "pem"]);
    assert_eq!(exported, fs::read_to_string(&public).unwrap());
    let add = ["partner", "add", "delta-shops", "--name", "Delta", "--key-file"];
    let added = alliance(&[&add[..], &[&public, "--dir", &dir, "--json"]].concat());
    let x = alliance_ok(&["keys", "export-public", &theirs, "--format", "x"]);
    assert_eq!(json(&added)["x"], x.trim());
    let twice = alliance(&["keys", "generate", &theirs]);
    assert_eq!(twice.status.code(), Some(2), "a key file is never overwritten");
    let private = alliance(&[&add[..], &[&theirs, "--dir", &dir]].concat());
    assert_eq!(private.status.code(), Some(2));
}

#[test]
fn bad_rows_are_all_listed_and_nothing_is_imported() {
    let folder = Folder::new("cli-import");
    let dir = northern(&folder);
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let good = file("good.csv", "program,member,balance\naurora,A-1,100\ncedar,C-1,10.5\n");
    alliance_ok(&["members", "import", &good, "--dir", &dir]);
    let bad = file(
        "bad.csv",
        "program,member,balance\naurora,A-2,5\naurora,A-1,5\nnowhere,A-3,5\naurora,=1+1,5\n\
         aurora,A-4,1.5\naurora,A-5\naurora,A-2,7\n",
    );
    let output = alliance(&["members", "import", &bad, "--dir", &dir, "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let report = json(&output);
    let rows = report["bad_rows"].as_array().unwrap();
    let places: Vec<_> = rows
        .iter()
        .map(|row| (row["line"].as_u64().unwrap(), row["column"].as_str().unwrap()))
        .collect();
    let wanted =
        [(3, "member"), (4, "program"), (5, "member"), (6, "balance"), (7, "row"), (8, "member")];
    assert_eq!(places, wanted, "{report:#}");
    assert_eq!(report["imported"], 0);
    // A-2 was good, and is not there: it can be imported now.
    let fixed = file("fixed.csv", "program,member,balance\naurora,A-2,5\n");
    let dry = alliance_ok(&["members", "import", &fixed, "--dir", &dir, "--dry-run"]);
    assert!(dry.contains("nothing was"), "{dry}");
    alliance_ok(&["members", "import", &fixed, "--dir", &dir]);
    let header = "program,member,linked_program,linked_member\n";
    let links = file("links.csv", &format!("{header}aurora,A-1,cedar,C-1\naurora,A-9,cedar,C-1\n"));
    let output = alliance(&["links", "import", &links, "--dir", &dir]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("line 3, member: there is no such member"));
    let links = file("links.csv", &format!("{header}aurora,A-1,cedar,C-1\n"));
    alliance_ok(&["links", "import", &links, "--dir", &dir]);
    let output = alliance(&["links", "import", &links, "--dir", &dir]);
    assert!(stdout(&output).contains("linked already"), "{}", stdout(&output));
    alliance_ok(&["audit", "--dir", &dir]);
}

#[test]
fn imports_work_beside_a_running_gateway() {
    let folder = Folder::new("cli-beside");
    let dir = northern(&folder);
    let gateway = Gateway::start(&["--dir".to_owned(), dir.clone()]);
    let rows: String = (0..2_000).map(|number| format!("aurora,A-{number},10\n")).collect();
    let file = folder.path().join("members.csv");
    fs::write(&file, format!("program,member,balance\n{rows}")).unwrap();
    alliance_ok(&["members", "import", file.to_str().unwrap(), "--dir", &dir]);
    assert_eq!(gateway.terminate(), Some(0));
    let audited = json(&alliance(&["audit", "--dir", &dir, "--json"]));
    assert_eq!((&audited["ok"], &audited["members"]), (&true.into(), &2_000.into()));
}

#[test]
fn the_demo_says_everything_as_one_object() {
    let folder = Folder::new("cli-demo");
    let (dir, summary) = demo(&folder, "200");
    assert_eq!(summary["ok"], true, "{summary:#}");
    let orders = &summary["orders"];
    assert_eq!((&orders["sent"], &orders["failed"]), (&200.into(), &0.into()));
    let number = |name: &str| orders[name].as_u64().unwrap();
    assert_eq!(number("accepted") + number("replays") + number("refused"), 200);
    assert!(number("replays") >= 8 && number("reversals") >= 8);
    assert!(number("redemptions") >= 16 && number("accruals") >= 10);
    assert!((1..number("redemptions")).contains(&number("with_cash")));
    let kinds = ["exchanges", "redemptions", "accruals", "reversals"];
    assert_eq!(kinds.into_iter().map(number).sum::<u64>(), number("accepted"));
    for code in [
        "amount_too_small",
        "duplicate_reference",
        "exceeds_net_debit_cap",
        "exceeds_reversible",
        "idempotency_mismatch",
        "insufficient_points",
        "members_not_linked",
        "quote_unknown",
        "quote_used",
    ] {
        assert!(orders["refused_by_code"][code].as_u64().unwrap_or(0) >= 1, "{code}: {orders:#}");
    }
    let corridors = summary["corridors"].as_array().unwrap();
    assert_eq!(corridors.len(), 4);
    let receipts: u64 = corridors.iter().map(|c| c["receipts"].as_u64().unwrap()).sum();
    // A brand that keeps its own balances is asked for four things more, and for one it refuses.
    let asked = summary["connected"]["orders"].as_array().unwrap();
    let done = |order: &&Value| order["state"] == "completed" && order["answers"] == 1;
    assert_eq!(asked.iter().filter(done).count(), 4, "{asked:#?}");
    assert_eq!(asked[4]["failure"], "refused by dune-books");
    assert!(asked[3]["pending_milliseconds"].as_i64().unwrap() >= 1_000, "it answered late");
    assert_eq!(receipts, number("accepted") + 4);
    assert!(corridors.iter().all(|corridor| corridor["both_agree"] == true));
    assert_eq!(summary["positions"]["sum"], "0");
    assert_eq!(summary["positions"]["as_receipts_say"], true);
    assert_eq!(summary["verification"]["receipts_verified"], receipts * 2);
    assert_eq!(summary["audit"]["ok"], true);
    for file in ["config", "jwks", "members", "links", "client", "receipts", "checkpoint"] {
        let path = summary["files"][file].as_str().unwrap();
        assert!(Path::new(path).is_file(), "{path}");
    }
    // Again on the same folder: it goes on.
    let (_, more) = demo(&folder, "100");
    assert_eq!((&more["ok"], &more["run"]), (&true.into(), &2.into()), "{more:#}");
    let members = fs::read_to_string(Path::new(&dir).join("members.csv")).unwrap();
    assert!(members.starts_with("program,member,balance\n") && members.lines().count() == 3_001);
    let links = fs::read_to_string(Path::new(&dir).join("links.csv")).unwrap();
    assert!(links.starts_with("program,member,linked_program,linked_member\n"));
}

#[test]
fn the_demo_is_told_in_text_that_fits_and_leaves_other_folders_alone() {
    let folder = Folder::new("cli-demo-text");
    let dir = folder.path().join("demo").to_str().unwrap().to_owned();
    let text = alliance_ok(&[
        "demo",
        "--dir",
        &dir,
        "--listen",
        "127.0.0.1:0",
        "--orders",
        "100",
        "--once",
    ]);
    assert!(!text.contains('\u{1b}'), "colour in a pipe");
    for line in text.lines().filter(|line| !line.contains(&dir)) {
        assert!(line.chars().count() <= 100, "{line}");
    }
    let words = ["a second", "100 orders", "points and cash", "accruals", "sums to zero"];
    for words in words.into_iter().chain(["alliance serve", "All of it verifies"]) {
        assert!(text.contains(words) || text.contains(&words.replace("alliance ", "")), "{words}");
    }
    let other = folder.path().join("other");
    fs::create_dir_all(&other).unwrap();
    fs::write(other.join("mine.txt"), "mine").unwrap();
    let output = alliance(&["demo", "--dir", other.to_str().unwrap(), "--orders", "1", "--once"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(fs::read_dir(&other).unwrap().count(), 1);
}

#[test]
fn an_address_that_is_taken_is_an_error_only_where_it_was_asked_for() {
    let folder = Folder::new("cli-taken");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let dir = folder.path().join("demo").to_str().unwrap().to_owned();
    let output = alliance(&["demo", "--dir", &dir, "--listen", &listen, "--orders", "1", "--once"]);
    assert_eq!(output.status.code(), Some(78));
    assert!(stderr(&output).contains("--listen"), "{}", stderr(&output));
    assert!(!Path::new(&dir).exists(), "nothing is made before it can be opened");
}

#[test]
fn exports_verify_and_corrupted_ones_name_the_first_bad_receipt() {
    let folder = Folder::new("cli-verify");
    let (dir, _) = demo(&folder, "200");
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (out, note, jwks) = (at("out.ndjson"), at("checkpoint"), format!("{dir}/jwks.json"));
    let corridor = "aurora-air~borealis-coffee";
    alliance_ok(&[
        "receipts",
        "export",
        "--corridor",
        corridor,
        "--out",
        &out,
        "--checkpoint",
        &note,
        "--dir",
        &dir,
    ]);
    // The operator's export is, byte for byte, what the partner downloaded.
    let theirs = format!("{dir}/partners/aurora-air/receipts/{corridor}.ndjson");
    assert_eq!(fs::read(&out).unwrap(), fs::read(&theirs).unwrap());
    let root = root_of(&dir);
    let verify = |file: &str, more: &[&str]| {
        alliance(&[&["verify", file, "--jwks", &jwks, "--json"][..], more].concat())
    };
    let good = verify(&out, &["--checkpoint", &note, "--root", &root]);
    assert_eq!(good.status.code(), Some(0), "{}", stdout(&good));
    assert_eq!(json(&good)["corridor"], corridor);
    assert_eq!(json(&good)["strict"], false);
    // Every signature by itself: the same receipts, the same totals.
    let strict = verify(&out, &["--checkpoint", &note, "--root", &root, "--strict"]);
    assert_eq!(strict.status.code(), Some(0), "{}", stdout(&strict));
    assert_eq!(json(&strict)["strict"], true);
    assert_eq!(json(&strict)["totals"], json(&good)["totals"]);
    let lines: Vec<String> = fs::read_to_string(&out).unwrap().lines().map(str::to_owned).collect();
    let bad = at("bad.ndjson");
    let write = |lines: &[String]| fs::write(&bad, lines.join("\n") + "\n").unwrap();
    let mut changed = lines.clone();
    // One digit of receipt 7's decoded copy.
    let digit = changed[6].rfind(|c: char| c.is_ascii_digit()).unwrap();
    let other = if changed[6].as_bytes()[digit] == b'0' { "1" } else { "0" };
    changed[6].replace_range(digit..=digit, other);
    for (wrong, seq) in [
        (changed, 7),
        ([&lines[..4], &lines[5..]].concat(), 5),
        ([&lines[..9], &lines[8..]].concat(), 10),
        (lines[..lines.len() - 1].to_vec(), lines.len()),
        (lines[2..].to_vec(), 1),
    ] {
        write(&wrong);
        let mut faults = Vec::new();
        for more in [&[][..], &["--strict"]] {
            let output = verify(&bad, more);
            assert_eq!(output.status.code(), Some(1));
            let found = json(&output);
            assert_eq!(found["bad_seq"], seq, "{found:#}");
            faults.push(found["fault"].as_str().unwrap().to_owned());
        }
        assert!(!faults[0].is_empty() && faults[0] == faults[1], "{faults:?}");
    }
    // Begins later, and says so.
    let head = alliance_contracts::encoding::Hash::of(payload(&lines[1]).as_bytes());
    write(&lines[2..]);
    let output = verify(&bad, &["--after", &format!("2:{head}")]);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    // A key list that another root signed.
    let other = Folder::new("cli-verify-other");
    let strange = root_of(&demo(&other, "0").0);
    assert_eq!(verify(&out, &["--root", &strange]).status.code(), Some(1));
    assert_eq!(verify(&at("missing"), &[]).status.code(), Some(2));
}

fn root_of(dir: &str) -> String {
    let client = fs::read_to_string(format!("{dir}/partners/aurora-air/client.toml")).unwrap();
    let client: toml::Table = client.parse().unwrap();
    client["root"].as_str().unwrap().to_owned()
}

/// The decoded receipt of an export's line, which is the payload as it was signed.
fn payload(line: &str) -> &str {
    let (_, rest) = line.split_once(r#"","receipt":"#).unwrap();
    rest.strip_suffix('}').unwrap()
}

#[test]
fn a_demo_ends_on_a_signal_and_its_folder_serves() {
    let folder = Folder::new("cli-signal");
    let dir = folder.path().join("demo");
    let mut child = Command::new(ALLIANCE)
        .args(["demo", "--orders", "50", "--listen", "127.0.0.1:0", "--dir"])
        .arg(&dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().unwrap()));
    let mut open = lines.map_while(Result::ok).filter(|line| line.contains("stays open"));
    let open = open.next().expect("it says that it stays open");
    let address = open.split("http://").nth(1).unwrap().split(' ').next().unwrap();
    assert!(std::net::TcpStream::connect(address).is_ok());
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let gateway = Gateway::start(&["--dir".to_owned(), dir.to_str().unwrap().to_owned()]);
    assert_eq!(gateway.terminate(), Some(0));
}

#[test]
fn documents_and_scripts_are_printed_alone() {
    let openapi = json(&alliance(&["openapi"]));
    assert!(openapi["paths"]["/v1/transactions"].is_object());
    for shell in ["bash", "zsh", "fish"] {
        let script = alliance_ok(&["completions", shell]);
        assert!(script.contains("alliance") && script.contains("receipts"), "{shell}");
    }
    let help = alliance_ok(&["serve", "--help"]);
    assert!(help.contains("Example") && help.contains("--public-url"), "{help}");
    assert_eq!(alliance(&["serve", "--nonsense"]).status.code(), Some(2));
    assert_eq!(alliance(&[]).status.code(), Some(2));
    assert_eq!(alliance(&["--version"]).status.code(), Some(0));
}

/// A draft of an agreement that begins so many hours from now.
fn draft(hours: i64, fee: &str) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let seconds = i64::try_from(now.as_secs()).unwrap() + hours * 3_600;
    let from = alliance_contracts::time::Timestamp::from_millis(seconds * 1_000);
    format!(
        "a = \"aurora-air\"\nb = \"cedar-hotels\"\neffective_at = \"{from}\"\n\
         expiry = \"carry_over\"\nkinds = [\"exchange\"]\nquote_lifetime_seconds = 60\n\
         reversal_period_seconds = 0\n\n[fee]\nbearer = \"member\"\nrate = \"{fee}\"\n\n\
         [[orders]]\nprogram = \"aurora\"\nminimum = \"500\"\nincrement = \"100\"\n"
    )
}

/// Runs a command of `alliance agreements` as one of the two.
fn agreements(dir: &str, partner: &str, args: &[&str]) -> Output {
    let client = format!("{dir}/partners/{partner}/client.toml");
    let mut all = vec!["agreements"];
    all.extend(args);
    all.extend(["--client", &client]);
    alliance(&all)
}

#[test]
fn two_partners_agree_on_the_command_line() {
    let folder = Folder::new("cli-agreements");
    let dir = northern(&folder);
    let gateway = Gateway::start(&["--dir".to_owned(), dir.clone()]);
    for partner in ["aurora-air", "cedar-hotels"] {
        let file = format!("{dir}/partners/{partner}/client.toml");
        let text = fs::read_to_string(&file).unwrap();
        let text: Vec<String> = text
            .lines()
            .map(|line| match line.strip_prefix("gateway = ") {
                Some(_) => format!("gateway = \"{}\"", gateway.url()),
                None => line.to_owned(),
            })
            .collect();
        fs::write(&file, text.join("\n")).unwrap();
    }
    let file = folder.path().join("next.toml");
    let file = file.to_str().unwrap();
    let ok = |output: Output| {
        assert_eq!(output.status.code(), Some(0), "{}{}", stdout(&output), stderr(&output));
        output
    };
    let none = ok(agreements(&dir, "aurora-air", &["list"]));
    assert!(stdout(&none).contains("no such agreements"), "{}", stdout(&none));
    fs::write(file, draft(1, "0.02")).unwrap();
    let proposed = json(&ok(agreements(&dir, "aurora-air", &["propose", file, "--json"])));
    assert_eq!(
        (&proposed["state"], &proposed["agreement"]["version"]),
        (&"proposed".into(), &1.into())
    );
    let id = proposed["id"].as_str().unwrap();
    // Nothing is signed unseen.
    let looked = agreements(&dir, "cedar-hotels", &["countersign", id]);
    assert_eq!(looked.status.code(), Some(2), "{}", stderr(&looked));
    let said = stdout(&looked);
    for words in ["Nothing is signed yet", "fee.rate: none → 0.02", "orders[aurora].minimum"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let command = said.lines().last().unwrap().trim().to_owned();
    let other = format!("{}0", "f".repeat(63));
    let wrong = agreements(&dir, "cedar-hotels", &["countersign", id, "--hash", &other]);
    assert_eq!(wrong.status.code(), Some(1), "{}", stdout(&wrong));
    let own = agreements(&dir, "aurora-air", &["countersign", id]);
    assert_eq!(own.status.code(), Some(78), "{}", stderr(&own));
    let typed: Vec<&str> = command.split(' ').skip(2).collect();
    ok(agreements(&dir, "cedar-hotels", &typed));
    // The next version follows on it by itself.
    fs::write(file, draft(2, "0.015")).unwrap();
    let next = json(&ok(agreements(&dir, "cedar-hotels", &["propose", file, "--json"])));
    assert_eq!(next["agreement"]["version"], 2);
    assert_eq!(next["agreement"]["previous"], proposed["hash"]);
    let next = next["id"].as_str().unwrap();
    let diff = stdout(&ok(agreements(&dir, "aurora-air", &["diff", id, next])));
    assert!(diff.contains("fee.rate: 0.02 → 0.015"), "{diff}");
    let diff = json(&ok(agreements(&dir, "aurora-air", &["diff", next, "--json"])));
    assert_eq!(diff["from"], Value::Null, "the first has not begun");
    let shown = stdout(&ok(agreements(&dir, "aurora-air", &["show", id])));
    for words in ["signed by both", "orders[aurora].increment", "countersigned 20", "sha-256 "] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    ok(agreements(&dir, "aurora-air", &["withdraw", next]));
    let listed = stdout(&ok(agreements(&dir, "cedar-hotels", &["list", "--state", "withdrawn"])));
    assert!(listed.contains(next) && !listed.contains(id), "{listed}");
    // What only the gateway knows.
    fs::write(file, draft(0, "0.015").replace("aurora\"\nminimum", "nowhere\"\nminimum")).unwrap();
    let refused = agreements(&dir, "aurora-air", &["propose", file]);
    assert_eq!(refused.status.code(), Some(1));
    let said = stderr(&refused);
    assert!(said.contains("/orders/0/program: there is no program nowhere"), "{said}");
    assert!(said.contains("/effective_at: must be "), "{said}");
    assert_eq!(gateway.terminate(), Some(0));
}

#[test]
fn a_draft_is_checked_offline_with_all_its_faults() {
    let folder = Folder::new("cli-draft");
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(at("good.toml"), draft(1, "0.01")).unwrap();
    let good = alliance(&["agreements", "check", &at("good.toml")]);
    assert_eq!(good.status.code(), Some(0), "{}", stderr(&good));
    let bad = draft(1, "1").replace("member\"", "nobody\"").replace("carry_over", "never");
    fs::write(at("bad.toml"), bad.replace("kinds", "kind")).unwrap();
    let output = alliance(&["agreements", "check", &at("bad.toml")]);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    for words in
        ["has 5 faults", "/fee/rate: ", "/fee/bearer: ", "/expiry: ", "/kind: ", "/kinds: "]
    {
        assert!(said.contains(words), "{words}: {said}");
    }
    let output = alliance(&["agreements", "check", &at("bad.toml"), "--json"]);
    assert_eq!(json(&output)["error"]["faults"].as_array().unwrap().len(), 5);
    fs::write(at("bad.json"), "{\"a\":1,").unwrap();
    let output = alliance(&["agreements", "check", &at("bad.json")]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let output = alliance(&["agreements", "check", &at("nowhere.toml")]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
}
