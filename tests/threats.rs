//! Threats that need a whole gateway, or the command line; the others stand beside the code they
//! threaten (docs/security.md names each).

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use alliance_contracts::content_digest::content_digest;
use alliance_contracts::encoding::base64url_encode;
use alliance_contracts::http_signature::{
    HeaderList, RequestSignatureParams, RequestView, Tag, required_components, sign_request,
};
use alliance_contracts::keys::SigningKey;
use alliance_contracts::time::Timestamp;

use crate::harness::{ALLIANCE, Alliance, Engine, Folder, Gateway, alliance};

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap())
}

/// A signed POST as bytes, with whatever made wrong that a row asks for.
struct Signed<'a> {
    key: &'a SigningKey,
    authority: &'a str,
    path: &'a str,
    body: &'a [u8],
    created: Timestamp,
}

impl Signed<'_> {
    fn send(&self, gateway: &Gateway) -> (u16, serde_json::Value) {
        let mut headers = HeaderList::default();
        headers.push("content-type", b"application/json");
        headers.push("content-digest", content_digest(self.body).as_bytes());
        headers.push("idempotency-key", b"threat");
        let view = RequestView {
            method: "POST",
            authority: self.authority,
            path: self.path,
            query: None,
            headers: &headers,
        };
        let params = RequestSignatureParams {
            created: self.created,
            expires: None,
            nonce: None,
            tag: Tag::Request,
        };
        let signed = sign_request(&view, required_components("POST"), &params, self.key).unwrap();
        let mut request = format!(
            "POST {} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-length: {}\r\n",
            self.path,
            self.authority,
            self.body.len()
        );
        for (name, value) in &headers.0 {
            request.push_str(&format!("{name}: {}\r\n", String::from_utf8_lossy(value)));
        }
        request.push_str(&format!("signature-input: {}\r\n", signed.signature_input));
        request.push_str(&format!("signature: {}\r\n\r\n", signed.signature));
        let mut bytes = request.into_bytes();
        bytes.extend_from_slice(self.body);
        exchange(gateway, &bytes)
    }
}

fn exchange(gateway: &Gateway, request: &[u8]) -> (u16, serde_json::Value) {
    let mut stream = TcpStream::connect(gateway.address()).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    stream.write_all(request).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let text = String::from_utf8_lossy(&answer).into_owned();
    let status = text.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status, serde_json::from_str(body).unwrap_or(serde_json::Value::Null))
}

fn partner_key(alliance: &Alliance, partner: &str) -> SigningKey {
    let path = alliance.dir().join("partners").join(partner).join("key.pem");
    SigningKey::from_pkcs8_pem(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// T04, T09, T13: another environment's signature, a stranger's key, a captured request later on.
#[test]
fn a_signature_counts_here_now_and_under_a_known_key() {
    let alliance = Alliance::new("signature", Engine::Sqlite);
    let gateway = alliance.serve();
    let key = partner_key(&alliance, "aurora-air");
    let stranger = SigningKey::from_seed(&[42; 32]);
    let here = gateway.address().to_owned();
    let body = br#"{"quote":"no-token","source_reference":"x"}"#;
    let base =
        Signed { key: &key, authority: &here, path: "/v1/transactions", body, created: now() };
    let year = 365 * 24 * 3_600;
    let rows: [(&str, Signed<'_>, u16, &str); 6] = [
        ("as it should be", Signed { ..base }, 404, "quote_unknown"),
        ("another host", Signed { authority: "sandbox.example", ..base }, 401, "signature_invalid"),
        ("a stranger's key", Signed { key: &stranger, ..base }, 401, "signature_invalid"),
        (
            "a day later",
            Signed { created: now().plus_seconds(-86_400), ..base },
            401,
            "signature_expired",
        ),
        (
            "a year later",
            Signed { created: now().plus_seconds(-year), ..base },
            401,
            "signature_expired",
        ),
        (
            "from the future",
            Signed { created: now().plus_seconds(120), ..base },
            401,
            "signature_expired",
        ),
    ];
    for (row, request, status, code) in rows {
        let (got, problem) = request.send(&gateway);
        assert_eq!((got, problem["code"].as_str()), (status, Some(code)), "{row}: {problem}");
        assert!(problem["request_id"].as_str().unwrap().starts_with("req_"), "{row}");
    }
}

/// T08: a weak key is refused where keys are registered.
#[test]
fn a_weak_key_is_refused_at_registration() {
    let house = Alliance::new("weak", Engine::Sqlite);
    let dir = house.dir();
    let dir = dir.to_str().unwrap();
    let identity = {
        let mut point = [0; 32];
        point[0] = 1;
        point
    };
    let mut not_canonical = [0xff; 32];
    not_canonical[0] = 0xee;
    not_canonical[31] = 0x7f;
    for weak in [[0; 32], identity, not_canonical] {
        let x = base64url_encode(&weak);
        let output = alliance(&[
            "partner",
            "add",
            "weak-brand",
            "--name",
            "Weak",
            "--jwk-x",
            &x,
            "--dir",
            dir,
        ]);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{x} was registered");
        assert!(error.contains("weak"), "{error}");
    }
    let file = std::fs::read_to_string(house.dir().join("alliance.toml")).unwrap();
    assert!(!file.contains("weak-brand"), "nothing was half registered");
}

/// T50: what a stranger sends cannot write lines of its own into the log.
#[test]
fn a_log_line_is_ours_whatever_is_sent() {
    let alliance = Alliance::new("log", Engine::Sqlite);
    let gateway = alliance.serve();
    let long = "x".repeat(7_000);
    for hostile in [
        "\u{1b}[31mred".to_owned(),
        "%0d%0a{\"level\":\"ERROR\",\"forged\":true}".to_owned(),
        long.clone(),
    ] {
        let request = format!(
            "GET /v1/programs HTTP/1.1\r\nhost: {}\r\nuser-agent: {hostile}\r\nx-request-id: {hostile}\r\nsignature-input: {hostile}\r\nconnection: close\r\n\r\n",
            gateway.address()
        );
        exchange(&gateway, request.as_bytes());
        let request = format!(
            "GET /v1/{} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n",
            hostile.replace(['\u{1b}', ' '], "%1b"),
            gateway.address()
        );
        exchange(&gateway, request.as_bytes());
    }
    let log = gateway.log_text();
    for line in log.lines() {
        let parsed: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|_| panic!("not a JSON line: {line:?}"));
        assert!(parsed.get("forged").is_none(), "{line}");
        assert!(line.len() < 8_000 && !line.contains('\u{1b}'), "{line}");
    }
    assert!(!log.contains("forged") && !log.contains(&long), "nothing of it is in the log");
}

/// T46: sizes, bombs and depths end early and cheaply; the gateway goes on.
#[test]
fn oversized_and_hostile_bodies_are_refused_and_the_gateway_goes_on() {
    let alliance = Alliance::new("sizes", Engine::Sqlite);
    let gateway = alliance.serve();
    let host = gateway.address().to_owned();
    let request = |head: &str, body: &[u8]| {
        let mut bytes = format!(
            "POST /v1/quotes HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\nconnection: close\r\n{head}\r\n"
        )
        .into_bytes();
        bytes.extend_from_slice(body);
        exchange(&gateway, &bytes)
    };
    let (status, problem) = request("content-length: 2000000\r\n", b"");
    assert_eq!((status, problem["code"].as_str()), (413, Some("body_too_large")));
    let (status, problem) = request("content-encoding: gzip\r\ncontent-length: 2\r\n", b"{}");
    assert_eq!((status, problem["code"].as_str()), (415, Some("unsupported_media_type")));
    let mut chunked = Vec::new();
    for _ in 0..40 {
        chunked.extend_from_slice(b"10000\r\n");
        chunked.extend(std::iter::repeat_n(b'[', 0x10000));
        chunked.extend_from_slice(b"\r\n");
    }
    let mut stream = TcpStream::connect(&host).unwrap();
    let head = format!(
        "POST /v1/quotes HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let _ = stream.write_all(&chunked);
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
    let many: String = (0..100_000).map(|n| format!("x-{n}: y\r\n")).collect();
    let (status, _) = request(&many, b"");
    assert!(matches!(status, 0 | 400 | 431), "{status}");
    // HTTP/2 by prior knowledge is not spoken here (T48).
    let (status, _) = exchange(&gateway, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    assert!(matches!(status, 0 | 400 | 404 | 405 | 505), "{status}");
    let live = format!("GET /health/live HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    assert_eq!(exchange(&gateway, live.as_bytes()).0, 200);
}

/// T40: the memory of a gateway that dies is in no file, whatever the shell before it allowed.
#[test]
fn a_gateway_that_dies_leaves_no_core_dump() {
    let alliance = Alliance::new("core", Engine::Sqlite);
    let folder = Folder::new("core-dumps");
    let mut command = Command::new("bash");
    let unlimited = "ulimit -S -c \"$(ulimit -H -c)\"; exec \"$0\" \"$@\"";
    command.args(["-c", unlimited, ALLIANCE]).current_dir(folder.path());
    let gateway = Gateway::launch(command, &alliance.args()).unwrap();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", gateway.pid())).unwrap();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max core file size")).unwrap();
    // One byte, which Linux reads as none, also where dumps are handed to a program; none where
    // the shell could not allow more.
    let allowed: Vec<&str> = line.split_whitespace().collect();
    assert!(matches!(allowed[..], ["1" | "0", "1" | "0", "bytes"]), "{line}");
    gateway.signal("-ABRT");
    let ended = gateway.wait_for_status();
    assert_eq!((ended.signal(), ended.core_dumped()), (Some(6), false));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// The most memory that the process has had so far, in KiB.
fn peak_memory_kib(gateway: &Gateway) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// T46: a gigabyte in chunks, to a route that takes none of it and to one that takes a little, and
/// brackets 10^5 deep: refused, in little memory.
#[test]
fn a_gigabyte_in_chunks_and_endless_nesting_take_no_memory() {
    let alliance = Alliance::new("gigabyte", Engine::Sqlite);
    let gateway = alliance.serve();
    let key = partner_key(&alliance, "aurora-air");
    let host = gateway.address().to_owned();
    let before = peak_memory_kib(&gateway);
    let mut chunk = b"10000\r\n".to_vec();
    chunk.extend(std::iter::repeat_n(b'[', 0x10000));
    chunk.extend_from_slice(b"\r\n");
    for path in ["/v1/quotes", "/v1/transactions/batch", "/v1/nowhere", "/health/live"] {
        let mut stream = TcpStream::connect(&host).unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        // 16,384 chunks of 64 KiB, or as many as there are before the gateway hangs up: for a
        // moment it reads on, so that whoever still sends can see the answer.
        let _ = (0..16_384).take_while(|_| stream.write_all(&chunk).is_ok()).count();
        let mut answer = [0; 12];
        let read = stream.read(&mut answer).unwrap_or(0);
        let refused = [&b"HTTP/1.1 413"[..], b"HTTP/1.1 404", b"HTTP/1.1 405", b""];
        assert!(refused.contains(&&answer[..read]), "{path}: {:?}", answer.escape_ascii());
    }
    // Signed, and within the size: depth alone.
    for opening in [&b"["[..], b"{\"a\":"] {
        let body = opening.repeat(100_000);
        let deep =
            Signed { key: &key, authority: &host, path: "/v1/quotes", body: &body, created: now() };
        let (status, problem) = deep.send(&gateway);
        assert_eq!((status, problem["code"].as_str()), (400, Some("malformed")), "{problem}");
    }
    let after = peak_memory_kib(&gateway);
    assert!(after < before + 64 * 1_024, "from {before} KiB to {after} KiB");
    let live = format!("GET /health/live HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    assert_eq!(exchange(&gateway, live.as_bytes()).0, 200);
}
