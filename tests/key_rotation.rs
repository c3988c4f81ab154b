//! The gateway's own key, stolen: what docs/key-rotation.md says is typed, and what it promises
//! holds (threats T34, T38).

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use alliance_contracts::encoding::Hash;
use alliance_contracts::json;
use alliance_contracts::jws::{self, JwsType};
use alliance_contracts::keys::SigningKey;
use alliance_contracts::names::Corridor;
use alliance_contracts::problem::ProblemCode;
use alliance_contracts::receipt::Receipt;
use alliance_contracts::transaction::SignedReceipt;
use alliance_partner_sdk::Error;
use alliance_partner_sdk::client::{Client, KEYS_KNOWN_WITHIN};
use alliance_partner_sdk::verify::{ReceiptFault, VerifiedReceipt, keys};
use futures_util::TryStreamExt;
use serde_json::Value;

use crate::harness::{ALLIANCE, Alliance, Engine, Folder, Gateway, once, quote};

const PAGE: &str = include_str!("../docs/key-rotation.md");

/// What the page says to type on a machine under this heading.
fn typed(block: &str) -> String {
    let begin = format!("```sh {block}\n");
    let (_, rest) = PAGE.split_once(&begin).unwrap_or_else(|| panic!("the page has no {block}"));
    rest.split_once("```").unwrap().0.to_owned()
}

/// A machine: a folder, and what the page calls things.
struct Machine<'a> {
    folder: &'a Path,
    old: &'a str,
    database: Option<&'a str>,
}

impl Machine<'_> {
    fn type_in(&self, block: &str) -> Output {
        self.run(&typed(block))
    }

    fn run(&self, script: &str) -> Output {
        let path = std::env::var("PATH").unwrap();
        let bin = Path::new(ALLIANCE).parent().unwrap().display();
        let mut shell = Command::new("sh");
        shell.args(["-euc", script]).current_dir(self.folder);
        shell.env("PATH", format!("{bin}:{path}")).env("OLD", self.old);
        if let Some(database) = self.database {
            shell.env("ALLIANCE_DATABASE", database);
        }
        shell.output().unwrap()
    }

    fn type_well(&self, block: &str) -> String {
        let output = self.type_in(block);
        assert!(output.status.success(), "{block}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    }
}

fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

fn carry(from: &Path, to: &Path, files: &[&str]) {
    for file in files {
        std::fs::copy(from.join(file), to.join(file)).unwrap();
    }
}

async fn order(client: &Client, world: &Alliance, target: &str, reference: &str) -> SignedReceipt {
    let pair = world.pairs("aurora", target).swap_remove(0);
    let quoted = quote(client, &pair, "20").await;
    let done = client.transact(&quoted, reference.parse().unwrap()).await.unwrap();
    done.receipt.unwrap()
}

/// The settings of a partner in the folder, with this gateway.
fn client_toml(world: &Alliance, partner: &str, gateway: &Gateway) {
    let file = world.dir().join("partners").join(partner).join("client.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let line = text.lines().find(|line| line.starts_with("gateway = ")).unwrap();
    let text = text.replace(line, &format!("gateway = \"{}\"", gateway.url()));
    std::fs::write(file, text).unwrap();
}

async fn status(url: &str) -> u16 {
    reqwest::get(url).await.unwrap().status().as_u16()
}

async fn listed_number(gateway: &Gateway) -> u64 {
    let url = format!("{}/.well-known/jwks.json", gateway.url());
    let list = reqwest::get(url).await.unwrap().bytes().await.unwrap();
    keys::trust_key_list(&list).unwrap().number()
}

async fn within_five_seconds(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < KEYS_KNOWN_WITHIN, "{what}, within 5 seconds");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A receipt of the thief's: the next of its chain, dated back, under the stolen key.
fn forged(last: &str, stolen: &SigningKey) -> (String, Vec<u8>) {
    let payload = jws::parse(last).unwrap().payload;
    let mut receipt: Value = serde_json::from_slice(&payload).unwrap();
    receipt["seq"] = (receipt["seq"].as_u64().unwrap() + 1).into();
    receipt["prev"] = Hash::of(&payload).to_string().into();
    let receipt: Receipt = serde_json::from_value(receipt).unwrap();
    let payload = json::canonical(&receipt);
    (jws::sign(JwsType::Receipt, &payload, stolen), payload)
}

async fn a_stolen_gateway_key_is_revoked_by_the_page(engine: Engine) {
    let world = Alliance::new("rotation", engine);
    let dir = world.dir();
    let apart = Folder::new("root-machine");
    std::fs::rename(dir.join("keys/root.pem"), apart.path().join("root.pem")).unwrap();
    let pem = std::fs::read_to_string(dir.join("keys/gateway.pem")).unwrap();
    let stolen = SigningKey::from_pkcs8_pem(&pem).unwrap();
    let old = stolen.kid().to_string();
    let database = world.database();
    let here = Machine { folder: &dir, old: &old, database };
    let root = Machine { folder: apart.path(), old: &old, database: None };
    let partner_dir = dir.join("partners/borealis-coffee");
    let partner = Machine { folder: &partner_dir, old: &old, database: None };
    let corridor: Corridor = "aurora-air~borealis-coffee".parse().unwrap();

    // What was witnessed, and what was not.
    let gateway = world.serve();
    client_toml(&world, "borealis-coffee", &gateway);
    let aurora = world.client("aurora-air", &gateway);
    let witnessed = order(&aurora, &world, "borealis", "witnessed").await;
    let alone = order(&aurora, &world, "cedar", "nobody saw it").await;
    partner.type_well("partner lists");
    let (_, held) = (listed_number(&gateway).await, gateway.url());

    // The root introduces a key and revokes the old one.
    here.type_well("gateway draw");
    carry(&dir, apart.path(), &["gateway-next.pub.pem", "jwks.json"]);
    root.type_well("root introduce");
    root.type_well("root revoke");
    carry(apart.path(), &dir, &["next.json", "revoked.json"]);

    // Out of order, or without saying that it is meant, nothing is taken.
    let gap = here.run("alliance keys import revoked.json --force");
    assert!(
        gap.status.code() == Some(1) && said(&gap).contains("import 2 first"),
        "{}",
        said(&gap)
    );
    here.type_well("gateway import");
    within_five_seconds("the list is served", async || listed_number(&gateway).await == 2).await;
    let unmeant = here.run("alliance keys import revoked.json");
    assert_eq!(unmeant.status.code(), Some(1), "{}", said(&unmeant));
    assert!(said(&unmeant).contains("--force"), "{}", said(&unmeant));
    order(&aurora, &world, "cedar", "both keys hold").await;

    // From the revocation on the gateway signs nothing, and says why.
    here.type_well("gateway revoke");
    let impatient = world.client_of("aurora-air", &held, once());
    let pair = world.pairs("aurora", "borealis").swap_remove(0);
    within_five_seconds("quotes are refused", async || {
        let (source, target) = pair.clone();
        let asked = impatient.exchange(source, target).give("20".parse().unwrap()).await;
        matches!(asked, Err(Error::Refused(problem)) if problem.code == ProblemCode::Unavailable)
    })
    .await;
    assert_eq!(status(&format!("{held}/health/ready")).await, 503);
    assert_eq!(status(&format!("{held}/health/live")).await, 200);
    within_five_seconds("the log says so", async || {
        gateway.log_text().lines().any(|line| {
            line.contains("nothing is signed any more") && line.contains("docs/key-rotation.md")
        })
    })
    .await;
    let checked = here.run("alliance check");
    assert_eq!(checked.status.code(), Some(78));
    assert!(said(&checked).contains("is revoked"), "{}", said(&checked));
    assert_eq!(gateway.terminate(), Some(0));
    let log = Gateway::try_start(&world.args()).err().unwrap();
    assert!(log.contains("is revoked") && log.contains("docs/key-rotation.md"), "{log}");

    // With the new key it serves on, and everybody believes it.
    here.type_well("gateway restart");
    let gateway = world.serve();
    client_toml(&world, "borealis-coffee", &gateway);
    let aurora = world.client("aurora-air", &gateway);
    within_five_seconds("lists and boards are signed anew", async || {
        aurora.partner_keys().await.is_ok() && aurora.rates().await.is_ok()
    })
    .await;
    let later = order(&aurora, &world, "borealis", "under the new key").await;
    let new_kid = jws::parse(&later.jws).unwrap().kid;
    assert_ne!(new_kid, *stolen.kid());
    let trusted = aurora.gateway_keys().await.unwrap();
    assert_eq!(trusted.number(), 3);
    assert!(trusted.find(stolen.kid()).unwrap().revoked_at.is_some());

    judged_by_the_sdk(&aurora, &corridor, &witnessed, &alone, &later, &stolen).await;
    judged_by_verify(&here, &partner, &later, &stolen);
    world.assert_audit_clean();
}

/// What was witnessed stays; what was not, and what the thief signs, is refused.
async fn judged_by_the_sdk(
    aurora: &Client,
    corridor: &Corridor,
    witnessed: &SignedReceipt,
    alone: &SignedReceipt,
    later: &SignedReceipt,
    stolen: &SigningKey,
) {
    let revoked = |error: &Error| format!("{error:?}").contains("RevokedKey");
    aurora.verify_receipt(witnessed).await.unwrap();
    aurora.verify_receipt(later).await.unwrap();
    let refused = aurora.verify_receipt(alone).await.unwrap_err();
    assert!(revoked(&refused), "{refused:?}");
    let all: Vec<VerifiedReceipt> = aurora.receipts(corridor).stream().try_collect().await.unwrap();
    assert_eq!(all.len(), 2);
    let unseen = "aurora-air~cedar-hotels".parse().unwrap();
    let refused = aurora.receipts(&unseen).stream().try_collect::<Vec<_>>().await.unwrap_err();
    assert!(revoked(&refused), "{refused:?}");
    let (forged, _) = forged(&later.jws, stolen);
    let keys = aurora.gateway_keys().await.unwrap();
    let fault = VerifiedReceipt::verify(&forged, &keys).unwrap_err();
    assert!(matches!(fault, ReceiptFault::RevokedKey { .. }), "{fault}");
}

/// The same offline, with files: what the partner has kept, and an export.
fn judged_by_verify(
    here: &Machine<'_>,
    partner: &Machine<'_>,
    later: &SignedReceipt,
    stolen: &SigningKey,
) {
    let export = "alliance receipts export --corridor aurora-air~borealis-coffee \
                  --out partners/borealis-coffee/receipts.ndjson";
    let exported = here.run(export);
    assert!(exported.status.success(), "{}", said(&exported));
    partner.type_well("partner lists");
    let good = partner.type_well("partner verify");
    assert!(good.contains("all good"), "{good}");
    let bare = "alliance verify receipts.ndjson --jwks witness/jwks.json --json";
    let bare = partner.run(bare);
    let told: Value = serde_json::from_slice(&bare.stdout).unwrap();
    assert_eq!((bare.status.code(), &told["bad_seq"]), (Some(1), &Value::from(1)), "{told}");

    // The thief adds a receipt of its own.
    let file = partner.folder.join("receipts.ndjson");
    let text = std::fs::read_to_string(&file).unwrap();
    let (jws, payload) = forged(&later.jws, stolen);
    let (head, decoded) = (Hash::of(&payload), String::from_utf8(payload).unwrap());
    let mut lines: Vec<&str> = text.lines().collect();
    lines.pop();
    let item = format!("{{\"jws\":\"{jws}\",\"receipt\":{decoded}}}");
    let end = format!("{{\"end\":{{\"head\":\"{head}\",\"seq\":3}}}}");
    std::fs::write(&file, format!("{}\n{item}\n{end}\n", lines.join("\n"))).unwrap();
    let output = partner.type_in("partner verify");
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("receipt 3") && said(&output).contains("revoked"));
}

#[tokio::test]
async fn a_stolen_gateway_key_is_revoked_by_the_page_on_sqlite() {
    a_stolen_gateway_key_is_revoked_by_the_page(Engine::Sqlite).await;
}

#[tokio::test]
async fn a_stolen_gateway_key_is_revoked_by_the_page_on_postgres() {
    a_stolen_gateway_key_is_revoked_by_the_page(Engine::Postgres).await;
}

/// The commands of the root's machine need a list, a key and nothing else, and write no list that
/// partners would not follow.
#[test]
fn the_root_signs_no_list_that_does_not_follow_the_last() {
    let apart = Folder::new("root-alone");
    let world = Folder::new("root-init");
    let dir = world.path().join("north");
    let init = ["init", dir.to_str().unwrap(), "--alliance", "north"];
    crate::harness::alliance_ok(&init);
    carry(&dir, apart.path(), &["jwks.json"]);
    carry(&dir.join("keys"), apart.path(), &["root.pem"]);
    let root = Machine { folder: apart.path(), old: "", database: None };
    let refused = |script: &str, why: &str| {
        let output = root.run(script);
        assert_eq!(output.status.code(), Some(2), "{script}: {}", said(&output));
        assert!(said(&output).contains(why), "{script}: {}", said(&output));
    };
    let done = |script: &str| {
        let output = root.run(script);
        assert!(output.status.success(), "{script}: {}", said(&output));
        said(&output)
    };
    done("alliance keys generate next.pem && alliance keys generate other.pem");
    let with = "--list jwks.json --root root.pem";
    let introduce = format!(
        "alliance keys introduce \"$(alliance keys export-public next.pem \
                             --format x)\" {with}"
    );
    assert!(done(&introduce).contains("jwks-2.json"), "beside the last");
    refused(&introduce, "left alone");
    let listed = keys::trust_key_list(&std::fs::read(apart.path().join("jwks-2.json")).unwrap());
    assert_eq!(listed.unwrap().number(), 2);
    let second = "--list jwks-2.json --root root.pem";
    refused(&introduce.replace(with, second), "is in the list already");
    refused(&format!("alliance keys introduce next.pem {second}"), "is a private key");
    refused(&format!("alliance keys introduce nothing {second}"), "malformed");
    refused("alliance keys introduce x --list next.pem --root root.pem", "");
    let by_another = introduce.replace(with, "--list jwks.json --root other.pem --out o.json");
    refused(&by_another, "cannot be followed");
    let kid =
        "kid=$(alliance keys export-public next.pem | sed -n 's/.*\"kid\": \"\\(.*\\)\",/\\1/p');";
    let future =
        format!("{kid} alliance keys revoke \"$kid\" --at 2999-01-01T00:00:00.000Z {second}");
    refused(&future, "now or earlier");
    let unknown = "8EvNM8o_HDtjj6l8HzbdNAJRB32ryA8INCj1E9Mo7SA";
    refused(&format!("alliance keys revoke {unknown} {second}"), "has no key");
    done(&format!("{kid} alliance keys revoke \"$kid\" {second}"));
    let third = "--list jwks-3.json --root root.pem";
    refused(&format!("{kid} alliance keys revoke \"$kid\" {third}"), "is revoked since");
    // By hand: an end may be given, and nothing taken back.
    refused(&format!("alliance keys sign-list jwks-3.json {third}"), "nothing to sign");
    refused(&format!("alliance keys sign-list jwks-2.json {third}"), "cannot be followed");
    let end =
        "sed '0,/\"exp\": null/s//\"exp\": \"2999-01-01T00:00:00.000Z\"/' jwks-3.json > draft.json";
    let signed = done(&format!("{end}; alliance keys sign-list draft.json {third}"));
    assert!(signed.contains("ends ") && signed.contains("jwks-4.json"), "{signed}");
}
