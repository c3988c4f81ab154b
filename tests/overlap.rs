//! Keys that take each other's place under load: while both hold, nothing fails (threat T39). The
//! hundred thousand of the threat are verified in this process, half of them requests and half their
//! signed answers; thousands more go over HTTP, to two gateways.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use alliance_contracts::content_digest::content_digest;
use alliance_contracts::encoding::Hash;
use alliance_contracts::http_signature::{
    HeaderList, LABEL, RequestBinding, RequestSignatureParams, RequestView, ResponseView, Tag,
    parse_request, parse_response, required_components, sign_request, sign_response,
};
use alliance_contracts::key_list::{Jwk, KeyStatement, TrustedKeys};
use alliance_contracts::keys::SigningKey;
use alliance_contracts::partner_key::KeyScope;
use alliance_contracts::time::Timestamp;
use alliance_partner_sdk::client::{Client, KEYS_KNOWN_WITHIN};

use crate::harness::{Alliance, Engine, Gateway, alliance_ok, once, quote};

/// Requests, each with an answer: two verifications.
const EXCHANGES: i64 = 50_000;
/// One every two milliseconds: the old key ends at 80 s, the new begins at 40 s of 100 s.
const EVERY_MILLIS: i64 = 2;
const NEW_FROM: i64 = 40_000;
const OLD_UNTIL: i64 = 80_000;
/// Nobody signs with a key any more that ends in so many milliseconds (docs/partner-keys.md).
const CARE: i64 = 5_000;
/// Calls over HTTP at least.
const CALLS: usize = 3_000;
const CALLERS: usize = 4;

/// An old key and a new one, and the list that has both.
struct Overlap {
    keys: [SigningKey; 2],
    list: TrustedKeys,
}

impl Overlap {
    fn new(seed: u8, begin: Timestamp) -> Self {
        let keys = [seed, seed + 1].map(|seed| SigningKey::from_seed(&[seed; 32]));
        let at = |millis| Some(Timestamp::from_millis(begin.as_millis() + millis));
        let old = Jwk { exp: at(OLD_UNTIL), ..Jwk::new(keys[0].public_key(), None) };
        let new = Jwk::new(keys[1].public_key(), at(NEW_FROM));
        let statement = KeyStatement {
            alliance: "demo".to_owned(),
            keys: vec![old, new],
            number: 1,
            previous: Hash::ZERO,
        };
        let root = SigningKey::from_seed(&[99; 32]);
        let list = statement.publish(&root).verify(root.public_key()).unwrap();
        Self { keys, list }
    }

    /// The key to sign the nth with: by turns while both hold.
    fn signer(&self, nth: i64) -> &SigningKey {
        let millis = nth * EVERY_MILLIS;
        let new = match millis {
            ..NEW_FROM => false,
            _ if millis >= OLD_UNTIL - CARE => true,
            _ => nth % 2 == 0,
        };
        &self.keys[usize::from(new)]
    }
}

/// One request and its signed answer, each verified where it arrives, a little later. Gives which
/// of the two did not verify.
fn exchange(nth: i64, begin: Timestamp, partner: &Overlap, gateway: &Overlap) -> [bool; 2] {
    let body = format!("{{\"nth\":{nth}}}");
    let sent = Timestamp::from_millis(begin.as_millis() + nth * EVERY_MILLIS);
    let arrived = Timestamp::from_millis(sent.as_millis() + nth % 700);
    let mut headers = HeaderList::default();
    headers.push("content-type", b"application/json");
    headers.push("content-digest", content_digest(body.as_bytes()).as_bytes());
    headers.push("idempotency-key", format!("key-{nth}").as_bytes());
    let components = required_components("POST");
    let (authority, path) = ("gateway.example", "/v1/quotes");
    fn view<'a>(authority: &'a str, path: &'a str, headers: &'a HeaderList) -> RequestView<'a> {
        RequestView { method: "POST", authority, path, query: None, headers }
    }
    let params =
        RequestSignatureParams { created: sent, expires: None, nonce: None, tag: Tag::Request };
    let signing = view(authority, path, &headers);
    let signed = sign_request(&signing, components, &params, partner.signer(nth)).unwrap();
    headers.push("signature-input", signed.signature_input.as_bytes());
    headers.push("signature", signed.signature.as_bytes());

    let view = view(authority, path, &headers);
    let received = parse_request(&view, Tag::Request, arrived).unwrap();
    let holds =
        |overlap: &Overlap, kid, at| overlap.list.find(kid).filter(|k| k.valid_at(at)).cloned();
    let key = holds(partner, &received.kid, arrived);
    let request_fails = key.is_none_or(|key| received.verify(&key.public).is_err());

    let binding = RequestBinding { view, label: LABEL, signature: &received.signature };
    let mut answer = HeaderList::default();
    answer.push("content-type", b"application/json");
    answer.push("content-digest", content_digest(b"{}").as_bytes());
    let unsigned = ResponseView { status: 200, headers: &answer };
    let signed =
        sign_response(&unsigned, &binding, Tag::Response, arrived, gateway.signer(nth)).unwrap();
    answer.push("signature-input", signed.signature_input.as_bytes());
    answer.push("signature", signed.signature.as_bytes());
    let back = Timestamp::from_millis(arrived.as_millis() + nth % 500);
    let answered = ResponseView { status: 200, headers: &answer };
    let answered = parse_response(&answered, &binding, Tag::Response, back).unwrap();
    let key = holds(gateway, &answered.kid, back);
    [request_fails, key.is_none_or(|key| answered.verify(&key.public).is_err())]
}

#[test]
fn a_hundred_thousand_verifications_succeed_while_keys_overlap() {
    let begin: Timestamp = "2026-11-23T04:00:00.000Z".parse().unwrap();
    let (partner, gateway) = (Overlap::new(1, begin), Overlap::new(3, begin));
    let halves = [0, 1].map(|half| (half..EXCHANGES).step_by(2));
    let failed: usize = std::thread::scope(|scope| {
        let (partner, gateway) = (&partner, &gateway);
        let counting = halves.map(|half| {
            scope.spawn(move || {
                let failed = half.flat_map(|nth| exchange(nth, begin, partner, gateway));
                failed.filter(|failed| *failed).count()
            })
        });
        counting.into_iter().map(|half| half.join().unwrap()).sum()
    });
    assert_eq!(failed, 0, "of {} verifications", 2 * EXCHANGES);
    // Both were used, and what the list says of them is what is verified by.
    let used =
        |key: usize| (0..EXCHANGES).any(|n| partner.signer(n).kid() == partner.keys[key].kid());
    assert!(used(0) && used(1));
    let late = partner.list.find(partner.keys[0].kid()).unwrap();
    assert!(!late.valid_at(Timestamp::from_millis(begin.as_millis() + OLD_UNTIL)));
}

/// The alliance's folder once more, for a gateway with another key on the same books.
fn second_folder(world: &Alliance, key: &Path) -> Vec<String> {
    let (first, second) = (world.dir(), world.dir().with_file_name("second"));
    let copied = Command::new("cp").arg("-r").args([&first, &second]).status().unwrap();
    assert!(copied.success());
    std::fs::copy(key, second.join("keys/gateway.pem")).unwrap();
    let database = format!("sqlite:{}", first.join("alliance.db").display());
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    vec!["--dir".to_owned(), text(&second), "--database".to_owned(), database]
}

/// What the callers call, in turns.
type Calling = Arc<RwLock<Vec<Client>>>;

async fn go_on(calling: Calling, world: Arc<Alliance>, caller: usize, done: Arc<AtomicUsize>) {
    let pair = world.pairs("aurora", "borealis").swap_remove(caller);
    let mut call = 0;
    while !calling.read().unwrap().is_empty() {
        let client = {
            let clients = calling.read().unwrap();
            match clients.len() {
                0 => return,
                some => clients[(call + caller) % some].clone(),
            }
        };
        if call % 20 == 0 {
            let quoted = quote(&client, &pair, "20").await;
            let reference = format!("{caller}-{call}").parse().unwrap();
            let done = client.transact(&quoted, reference).await.unwrap();
            client.verify_receipt(&done.receipt.unwrap()).await.unwrap();
        } else {
            client.programs().await.unwrap();
        }
        call += 1;
        done.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_go_on_while_the_partners_and_the_gateways_key_are_replaced() {
    let world = Arc::new(Alliance::new("overlap", Engine::Sqlite));
    let first = world.serve();
    let client = |gateway: &Gateway| {
        // One attempt, and only an answer that is signed is one.
        let folder = world.dir().join("partners/aurora-air");
        let builder =
            alliance_partner_sdk::client::ClientBuilder::from_config(settings(&folder, gateway));
        builder.unwrap().retry(once()).verify_answers(true).build().unwrap()
    };
    let calling: Calling = Arc::new(RwLock::new(vec![client(&first)]));
    let done = Arc::new(AtomicUsize::new(0));
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| tokio::spawn(go_on(calling.clone(), world.clone(), caller, done.clone())))
        .collect();

    // The gateway's: introduced and imported, and a second gateway signs with it.
    let folder = world.dir();
    let at = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    alliance_ok(&["keys", "generate", &at("next.pem")]);
    let public = alliance_ok(&["keys", "export-public", &at("next.pem"), "--format", "x"]);
    let (list, root, next) = (at("jwks.json"), at("keys/root.pem"), at("next.json"));
    let introduce = ["keys", "introduce", public.trim(), "--list", &list, "--root", &root];
    alliance_ok(&[&introduce[..], &["--out", &next]].concat());
    assert!(world.run(&["keys", "import", &next]).status.success());
    let second = Gateway::start(&second_folder(&world, Path::new(&at("next.pem"))));
    let to_second = client(&second);
    calling.write().unwrap().push(to_second.clone());

    // The partner's: registered here, and used everywhere once every gateway knows it.
    let new = SigningKey::from_seed(&[77; 32]);
    let own = calling.read().unwrap()[0].clone();
    let asked = own.key_registration(&new, KeyScope::Full).await.unwrap();
    own.register_key(&asked, &new).await.unwrap();
    tokio::time::sleep(KEYS_KNOWN_WITHIN).await;
    let key = || SigningKey::from_seed(&[77; 32]);
    for client in calling.read().unwrap().iter() {
        client.use_key(key());
    }

    // The first gateway, with the old key, goes.
    calling.write().unwrap().remove(0);
    tokio::time::sleep(Duration::from_millis(500)).await;
    while done.load(Ordering::Relaxed) < CALLS {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    calling.write().unwrap().clear();
    for caller in callers {
        caller.await.expect("every call was answered, and every answer and receipt verified");
    }
    assert_eq!(first.terminate(), Some(0));
    println!("{} calls, none failed", done.load(Ordering::Relaxed));
    let listed = to_second.gateway_keys().await.unwrap();
    assert_eq!((listed.number(), listed.iter().count()), (2, 2));
    world.assert_audit_clean();
}

/// The partner's settings with this gateway.
fn settings(folder: &Path, gateway: &Gateway) -> std::path::PathBuf {
    let text = std::fs::read_to_string(folder.join("client.toml")).unwrap();
    let line = text.lines().find(|line| line.starts_with("gateway = ")).unwrap();
    let file = folder.join(format!("{}.toml", gateway.pid()));
    std::fs::write(&file, text.replace(line, &format!("gateway = \"{}\"", gateway.url()))).unwrap();
    file
}
