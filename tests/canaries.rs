//! Canaries: secrets that are looked for in everything that a run says (threat T40): logs at their
//! most talkative, errors, metrics, spans, the command line's output, and `Debug`.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alliance_contracts::encoding::{base64_decode, base64_encode, base64url_encode, hex_encode};
use alliance_contracts::endpoint::EndpointRequest;
use alliance_contracts::keys::SigningKey;
use alliance_gateway::instance::{Instance, Overrides};
use alliance_partner_sdk::client::ClientBuilder;

use crate::harness::{Alliance, Engine, Gateway, alliance, free_port, once, quote};

const PASSWORD: &str = "canary-of-the-database-4711";

/// A secret in every form in which it could slip out.
struct Secret {
    name: String,
    forms: Vec<String>,
}

impl Secret {
    fn of(name: &str, bytes: &[u8]) -> Self {
        let hex = hex_encode(bytes);
        let listed = |bytes: &[u8]| {
            let all: Vec<String> = bytes.iter().take(8).map(ToString::to_string).collect();
            all.join(", ")
        };
        let forms = vec![
            base64_encode(bytes),
            base64url_encode(bytes),
            hex.to_uppercase(),
            hex,
            listed(bytes),
        ];
        Self { name: name.to_owned(), forms }
    }

    /// Of a private key's file: its seed, and the line of the file.
    fn of_key(path: &Path) -> Self {
        let pem = std::fs::read_to_string(path).unwrap();
        let line = pem.lines().nth(1).unwrap().to_owned();
        let der = base64_decode(&line).unwrap();
        let mut secret = Self::of(&path.display().to_string(), &der[der.len() - 32..]);
        secret.forms.push(line);
        secret
    }
}

/// Takes whatever a gateway exports, and keeps it.
fn collector() -> (String, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let heard = Arc::new(Mutex::new(Vec::new()));
    let kept = heard.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let kept = kept.clone();
            std::thread::spawn(move || {
                let mut bytes = [0; 16_384];
                let _ = stream.set_read_timeout(Some(Duration::from_millis(300)));
                while let Ok(read @ 1..) = stream.read(&mut bytes) {
                    kept.lock().unwrap().extend(&bytes[..read]);
                }
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
            });
        }
    });
    (endpoint, heard)
}

async fn text(url: String) -> String {
    reqwest::get(url).await.unwrap().text().await.unwrap()
}

fn said(output: &std::process::Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

/// Orders, refusals, a witness, webhooks: a run in which everything secret is used. Gives what was
/// said, and the secrets that were drawn on the way.
async fn use_everything(
    world: &Alliance,
    gateway: &Gateway,
    receiver: &str,
) -> (Vec<String>, Vec<Secret>) {
    let mut told = Vec::new();
    let client = world.client("aurora-air", gateway);
    let asked = EndpointRequest { types: Vec::new(), url: format!("{receiver}/hook") };
    let endpoint = client.create_endpoint(asked).await.unwrap();
    let id = endpoint.endpoint.id;
    let rotated = client.rotate_endpoint_secret(id, None).await.unwrap();
    told.push(format!("{endpoint:?} {rotated:?} {:?}", client.endpoints().await.unwrap()));
    let secrets = [endpoint.secret, rotated.secret].map(|secret| {
        let bytes = base64_decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        Secret::of("a webhook's secret", &bytes)
    });
    let pair = world.pairs("aurora", "borealis").swap_remove(0);
    let quoted = quote(&client, &pair, "20").await;
    let done = client.transact(&quoted, "canary".parse().unwrap()).await.unwrap();
    told.push(format!("{done:?}"));
    client.verify_receipt(&done.receipt.unwrap()).await.unwrap();
    told.push(client.transact(&quoted, "again".parse().unwrap()).await.unwrap_err().to_string());
    let corridor = "aurora-air~borealis-coffee".parse().unwrap();
    told.push(format!("{:?}", client.witness(&corridor).await.unwrap()));
    told.push(format!("{client:?} {:?}", client.memory()));
    let stranger = ClientBuilder::from_config(world.dir().join("partners/aurora-air/client.toml"));
    let stranger = stranger.unwrap().key(SigningKey::from_seed(&[5; 32]));
    told.push(format!("{stranger:?}"));
    told.push(format!("{:?}", stranger.retry(once()).build().unwrap().programs().await));
    for path in ["/openapi.json", "/health/ready", "/.well-known/jwks.json", "/docs/problems", "/x"]
    {
        told.push(text(format!("{}{path}", gateway.url())).await);
    }
    (told, secrets.into())
}

/// The command line, with what it says of what is good, and of what is wrong.
fn type_everything(world: &Alliance) -> Vec<String> {
    let dir = world.dir();
    let at = |name: &str| dir.join(name).to_str().unwrap().to_owned();
    let mut told = Vec::new();
    for command in [
        vec!["check"],
        vec!["check", "--json"],
        vec!["migrate"],
        vec!["keys", "list"],
        vec!["keys", "list", "--json"],
        vec!["partner", "list", "--json"],
        vec!["audit", "--json"],
        vec!["receipts", "export", "--corridor", "aurora-air~borealis-coffee", "--out", &at("r")],
        vec!["keys", "import", &at("jwks.json")],
    ] {
        told.push(said(&world.run(&command)));
    }
    let (key, list, root) = (at("keys/gateway.pem"), at("jwks.json"), at("keys/root.pem"));
    for command in [
        vec!["keys", "export-public", &key],
        vec!["keys", "export-public", &key, "--format", "pem"],
        // A private key where a public one is asked for.
        vec!["keys", "introduce", &key, "--list", &list, "--root", &root],
        // A list where a key is, a key where a list is.
        vec!["keys", "introduce", "x", "--list", &key, "--root", &list],
        vec!["keys", "generate", &key],
    ] {
        told.push(said(&alliance(&command)));
    }
    // Keys that are none: what is wrong is said, not what stands there.
    let master = std::fs::read_to_string(at("keys/master.key")).unwrap();
    std::fs::write(at("keys/master.key"), format!("{}x\n", master.trim())).unwrap();
    told.push(said(&world.run(&["check"])));
    std::fs::write(at("keys/master.key"), master).unwrap();
    told
}

/// Everywhere that a database's address is told, or refused.
fn name_databases(world: &Alliance) -> Vec<String> {
    let (dir, port) = (world.dir(), free_port());
    let dir = dir.to_str().unwrap();
    let url = format!("postgres://canary:{PASSWORD}@127.0.0.1:{port}/none?password={PASSWORD}");
    let odd = format!("mysql://canary:{PASSWORD}@127.0.0.1/none");
    let mut told = Vec::new();
    for url in [&url, &odd] {
        for command in [&["check"][..], &["migrate"], &["serve"], &["keys", "list"], &["audit"]] {
            let output = alliance(&[command, &["--dir", dir, "--database", url]].concat());
            assert!(!output.status.success(), "{command:?} {url}");
            told.push(said(&output));
        }
    }
    let overrides = Overrides { database: Some(url.into()), ..Overrides::default() };
    let instance = Instance::load(Path::new(dir), &overrides).unwrap();
    told.push(format!("{overrides:?} {instance:?} {:?}", instance.gateway));
    told.push(format!("{:?} {:?}", instance.signing_key, instance.first_list));
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_secret_is_in_anything_that_is_said() {
    let world = Alliance::new("canaries", Engine::Sqlite);
    let (endpoint, spans) = collector();
    let file = world.dir().join("alliance.toml");
    let config = std::fs::read_to_string(&file).unwrap();
    let metrics = format!("127.0.0.1:{}", free_port());
    let table =
        format!("[gateway]\notlp_endpoint = \"{endpoint}\"\nmetrics_listen = \"{metrics}\"");
    std::fs::write(&file, config.replacen("[gateway]", &table, 1)).unwrap();
    let mut args = world.args();
    args.extend(["--log".to_owned(), "trace".to_owned()]);
    let gateway = Gateway::start(&args);

    let (mut told, drawn) = use_everything(&world, &gateway, &endpoint).await;
    told.push(text(format!("http://{metrics}/metrics")).await);
    told.extend(type_everything(&world));
    let log = gateway.log.clone();
    let lines = gateway.log_text();
    assert!(lines.contains("TRACE") || lines.contains("DEBUG"), "the log is at its most talkative");
    assert_eq!(gateway.terminate(), Some(0));
    told.push(lines);
    told.push(std::fs::read_to_string(log).unwrap_or_default());
    told.extend(name_databases(&world));
    let spans = String::from_utf8_lossy(&spans.lock().unwrap()).into_owned();
    assert!(spans.contains("/v1/traces") || spans.contains("/v1/metrics"), "spans were exported");
    told.push(spans);

    let keys = world.dir().join("keys");
    let mut secrets = vec![Secret::of_key(&keys.join("gateway.pem"))];
    secrets.extend(drawn);
    secrets.push(Secret::of_key(&keys.join("root.pem")));
    for partner in ["aurora-air", "borealis-coffee", "cedar-hotels"] {
        let key = world.dir().join("partners").join(partner).join("key.pem");
        secrets.push(Secret::of_key(&key));
    }
    let master = std::fs::read_to_string(keys.join("master.key")).unwrap();
    secrets.push(Secret::of("the master key", &base64_decode(master.trim()).unwrap()));
    let password = Secret { name: "the password".to_owned(), forms: vec![PASSWORD.to_owned()] };
    secrets.push(password);
    for secret in &secrets {
        for form in &secret.forms {
            let found = told.iter().find(|text| text.contains(form));
            assert_eq!(found, None, "{} was told", secret.name);
        }
    }
    // The canaries sing where they are: what is looked for can be found.
    let pem = std::fs::read_to_string(keys.join("gateway.pem")).unwrap();
    assert!(secrets[0].forms.iter().any(|form| pem.contains(form)));
}
