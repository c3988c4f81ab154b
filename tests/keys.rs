//! Partners' keys with the real binary: two gateways on one database, changed by the command line,
//! used by the SDK (threats T37, T39, T40).

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use alliance_contracts::keys::SigningKey;
use alliance_partner_sdk::client::{Client, KEYS_KNOWN_WITHIN, RetryPolicy};
use alliance_partner_sdk::{Error, contracts::problem::ProblemCode};
use serde_json::Value;

use crate::harness::{Alliance, Engine, Gateway, alliance, alliance_ok};

const PARTNER: &str = "aurora-air";

/// The partner's settings with this gateway and key.
fn settings(alliance: &Alliance, gateway: &Gateway, name: &str, key: &Path) -> PathBuf {
    let folder = alliance.dir().join("partners").join(PARTNER);
    let text = std::fs::read_to_string(folder.join("client.toml")).unwrap();
    let table: toml::Table = text.parse().unwrap();
    let (url, key) = (gateway.url(), key.display());
    let known = |name: &str| table[name].as_str().unwrap().to_owned();
    let kept = ["root", "alliance"].map(|name| format!("{name} = \"{}\"", known(name)));
    let text = format!(
        "gateway = \"{url}\"\npartner = \"{PARTNER}\"\nkey = \"{key}\"\n{}\n",
        kept.join("\n")
    );
    let file = folder.join(format!("{name}.toml"));
    std::fs::write(&file, text).unwrap();
    file
}

fn new_key(alliance: &Alliance, name: &str) -> (PathBuf, SigningKey) {
    let file = alliance.dir().join("partners").join(PARTNER).join(name);
    alliance_ok(&["keys", "generate", file.to_str().unwrap()]);
    let pem = std::fs::read_to_string(&file).unwrap();
    (file, SigningKey::from_pkcs8_pem(&pem).unwrap())
}

/// `alliance partner-keys … --json` as a partner.
fn partner_keys(client: &Path, arguments: &[&str]) -> Value {
    let client = client.to_str().unwrap();
    let arguments = [&["partner-keys"], arguments, &["--client", client, "--json"]].concat();
    serde_json::from_str(&alliance_ok(&arguments)).unwrap()
}

fn is_refused(error: &Error) -> bool {
    matches!(error, Error::Refused(problem) if problem.code == ProblemCode::SignatureInvalid)
}

/// Asks until it is answered, or refused, as is expected; within the promised time.
async fn becomes(client: &Client, accepted: bool) {
    let begun = Instant::now();
    loop {
        match client.programs().await {
            Ok(_) if accepted => return,
            Err(error) if !accepted && is_refused(&error) => return,
            Ok(_) => {}
            Err(error) => assert!(is_refused(&error), "{error}"),
        }
        assert!(begun.elapsed() < KEYS_KNOWN_WITHIN, "not accepted={accepted} within 5 seconds");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn order(client: &Client, alliance: &Alliance, reference: &str) -> Result<String, Error> {
    let (source, target) = alliance.pairs("aurora", "borealis").swap_remove(0);
    let quote = client.exchange(source, target).give("20".parse().unwrap()).await?;
    let done = client.transact(&quote, reference.parse().unwrap()).await?;
    Ok(done.id.to_string())
}

fn made(uses: &Value) -> Vec<&str> {
    let uses = uses["uses"].as_array().unwrap();
    let made = uses.iter().flat_map(|used| used["transactions"].as_array().unwrap());
    made.map(|one| one["id"].as_str().unwrap()).collect()
}

async fn keys_are_changed_at_one_gateway_and_hold_at_all(engine: Engine) {
    let world = Alliance::new("keys", engine);
    let (here, there) = (world.serve(), world.serve());
    let first = world.dir().join("partners").join(PARTNER).join("key.pem");
    let old = settings(&world, &here, "old", &first);
    let (file, key) = new_key(&world, "second.pem");
    let kid = key.kid().to_string();
    let kid = kid.as_str();
    let client = world.client_of(PARTNER, &there.url(), RetryPolicy::default());
    let before = client.kid();

    // A new key: registered here, used there by the client and all its clones.
    let added = partner_keys(&old, &["add", file.to_str().unwrap(), "--scope", "full"]);
    assert_eq!((&added["kid"], &added["in_force"]), (&Value::from(kid), &Value::from(true)));
    order(&client, &world, "before").await.unwrap();
    client.use_key(key);
    becomes(&client, true).await;
    let first = order(&client, &world, "under the new key").await.unwrap();

    // The old one ends: at once here, soon there; the new one goes on.
    let second = settings(&world, &here, "second", &file);
    let now = added["added_at"].as_str().unwrap();
    let past = "2026-01-01T00:00:00.000Z";
    let past = ["partner-keys", "retire", before.as_str(), "--at", past];
    let refused = alliance(&[&past[..], &["--client", second.to_str().unwrap()]].concat());
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("/at"), "{refused:?}");
    let revoked = partner_keys(&second, &["revoke", before.as_str()]);
    assert_eq!(made(&revoked).len(), 1, "what was ordered under it: {revoked}");
    let stale = world.client_of(PARTNER, &there.url(), RetryPolicy::default());
    becomes(&stale, false).await;

    // The new one is stolen: revoked here by a third, and refused there.
    let (file, third) = new_key(&world, "third.pem");
    partner_keys(&second, &["add", file.to_str().unwrap()]);
    let third_settings = settings(&world, &here, "third", &file);
    let uses = partner_keys(&second, &["uses", kid, "--since", now]);
    assert_eq!(made(&uses), [first.as_str()]);
    let quoted = {
        let (source, target) = world.pairs("aurora", "borealis").swap_remove(0);
        client.exchange(source, target).give("20".parse().unwrap()).await.unwrap()
    };
    let revoked = partner_keys(&third_settings, &["revoke", kid, "--since", now]);
    assert!(revoked["revoked_at"].is_string());
    assert_eq!(made(&revoked), [first.as_str()]);
    // No order is accepted any more, whether or not that gateway has looked.
    let refused = client.transact(&quoted, "stolen".parse().unwrap()).await.unwrap_err();
    assert!(is_refused(&refused), "{refused}");
    becomes(&client, false).await;
    let listed = partner_keys(&third_settings, &["list"]);
    assert_eq!(listed["keys"].as_array().unwrap().len(), 3);

    // The operator revokes the last, and everything of it is seen in the operator's list.
    let kid = third.kid().to_string();
    let mut revoke = vec!["partner", "revoke-key", PARTNER, &kid];
    let output = world.run(&revoke);
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&world.run(&revoke).stdout).contains("already"));
    revoke[2] = "borealis-coffee";
    assert_eq!(world.run(&revoke).status.code(), Some(2), "it is not borealis's");
    client.use_key(third);
    becomes(&client, false).await;
    let list = world.run(&["keys", "list", "--json"]);
    let list: Value = serde_json::from_slice(&list.stdout).unwrap();
    let theirs = list["keys"].as_array().unwrap().iter().filter(|line| line["of"] == PARTNER);
    let states: Vec<_> = theirs.map(|line| line["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["revoked"; 3]);

    // T40: what is secret is nowhere in what was said.
    for name in ["key.pem", "second.pem", "third.pem"] {
        let pem = world.dir().join("partners").join(PARTNER).join(name);
        let pem = std::fs::read_to_string(pem).unwrap();
        let secret = pem.lines().nth(1).unwrap();
        for said in [here.log_text(), there.log_text(), list.to_string(), listed.to_string()] {
            assert!(!said.contains(secret), "{name}");
        }
    }
    world.assert_audit_clean();
}

#[tokio::test]
async fn keys_are_changed_at_one_gateway_and_hold_at_all_on_sqlite() {
    keys_are_changed_at_one_gateway_and_hold_at_all(Engine::Sqlite).await;
}

#[tokio::test]
async fn keys_are_changed_at_one_gateway_and_hold_at_all_on_postgres() {
    keys_are_changed_at_one_gateway_and_hold_at_all(Engine::Postgres).await;
}
