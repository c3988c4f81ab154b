//! Signed messages: request heads as one text, so that every field of them is mutated together.
//!
//! The first line is method, authority and target; then a header field a line.

use std::str;

use alliance_contracts::content_digest::{
    content_digest, parse_orders_digest, verify_content_digest,
};
use alliance_contracts::encoding::{Hash, base64_encode, hex_decode};
use alliance_contracts::http_signature::{
    HeaderList, Headers, HttpSignatureError, RequestBinding, RequestView, ResponseView,
    SignedMessage, Tag, parse_request, parse_response, required_components, sign_response,
    wants_signed_response,
};
use alliance_contracts::keys::{PublicKey, SigningKey};
use alliance_contracts::time::Timestamp;
use serde_json::Value;

use crate::engine::{Answer, Target};
use crate::vectors;

const NOW: Timestamp = Timestamp::from_millis(1_795_406_706_000);

/// A request's head, read back from its lines.
struct Head<'a> {
    method: &'a str,
    authority: &'a str,
    path: &'a str,
    query: Option<&'a str>,
    headers: HeaderList,
}

impl<'a> Head<'a> {
    fn read(input: &'a [u8]) -> Option<Self> {
        let mut lines = input.split(|byte| *byte == b'\n');
        let mut first = str::from_utf8(lines.next()?).ok()?.splitn(3, ' ');
        let (method, authority, target) = (first.next()?, first.next()?, first.next()?);
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        let mut headers = HeaderList::default();
        for line in lines.filter(|line| !line.is_empty()) {
            let colon = line.iter().position(|byte| *byte == b':')?;
            headers.push(str::from_utf8(&line[..colon]).ok()?, &line[colon + 1..]);
        }
        Some(Self { method, authority, path, query, headers })
    }

    fn view<'v>(&'v self, headers: &'v HeaderList) -> RequestView<'v> {
        let Self { method, authority, path, query, .. } = *self;
        RequestView { method, authority, path, query, headers }
    }

    /// What RFC 9421 § 2 says a plain component's value is, worked out here once more.
    fn value(&self, component: &str) -> Vec<u8> {
        match component {
            "@method" => self.method.into(),
            "@authority" => self.authority.to_ascii_lowercase().into(),
            "@path" if self.path.is_empty() => b"/".to_vec(),
            "@path" => self.path.into(),
            "@query" => format!("?{}", self.query.unwrap_or_default()).into(),
            field => {
                let values = self.headers.values(field);
                assert_eq!(values.len(), 1, "{field} is covered and not there once");
                let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
                let start = values[0].iter().take_while(|byte| blank(byte)).count();
                let end = values[0].iter().rev().take_while(|byte| blank(byte)).count();
                values[0].get(start..values[0].len() - end).unwrap_or_default().to_vec()
            }
        }
    }
}

/// The last line of a signature base: what is signed about the signature itself.
fn params_of(base: &[u8]) -> &str {
    let last = base.rsplit(|byte| *byte == b'\n').next().unwrap();
    str::from_utf8(last.strip_prefix(b"\"@signature-params\": ").unwrap()).unwrap()
}

/// The same head, saying nothing about its signature but what was accepted, in its one spelling.
fn respelled(head: &Head<'_>, signed: &SignedMessage) -> HeaderList {
    let mut headers = head.headers.clone();
    headers.0.retain(|(name, _)| {
        !name.eq_ignore_ascii_case("signature") && !name.eq_ignore_ascii_case("signature-input")
    });
    let input = format!("{}={}", signed.label, params_of(&signed.base));
    let signature = format!("{}=:{}:", signed.label, base64_encode(&signed.signature));
    headers.push("signature-input", input.as_bytes());
    headers.push("signature", signature.as_bytes());
    headers
}

fn text<'a>(case: &'a Value, member: &str) -> &'a str {
    case[member].as_str().unwrap()
}

fn head_of(request: &Value) -> Vec<u8> {
    let query = request["query"].as_str().map_or(String::new(), |query| format!("?{query}"));
    let (method, authority) = (text(request, "method"), text(request, "authority"));
    let mut head = format!("{method} {authority} {}{query}\n", text(request, "path"));
    for line in request["headers"].as_array().unwrap() {
        head += &format!("{}: {}\n", line[0].as_str().unwrap(), line[1].as_str().unwrap());
    }
    head.into_bytes()
}

/// Whose signatures the vectors hold.
fn signers(cases: &[Value]) -> Vec<PublicKey> {
    let keys = cases.iter().map(|case| hex_decode(text(case, "public")).unwrap());
    keys.map(|bytes| PublicKey::from_bytes(&bytes).unwrap()).collect()
}

fn refused(error: &HttpSignatureError) -> Answer {
    Answer::Refused(error.to_string())
}

#[test]
fn an_accepted_request_has_the_base_of_the_rfc_and_verifies_only_as_it_was_signed() {
    let all = vectors("http_signature.json");
    let cases = ["good", "bad"].map(|list| all[list].as_array().unwrap().clone()).concat();
    let seeds: Vec<Vec<u8>> = cases.iter().map(|case| head_of(&case["request"])).collect();
    let keys = signers(&cases);
    let own = SigningKey::from_seed(&[11; 32]);
    let check = |input: &[u8]| {
        let Some(head) = Head::read(input) else { return Answer::Refused("no head".into()) };
        let view = head.view(&head.headers);
        let wanted = wants_signed_response(view.headers);
        let signed = match parse_request(&view, Tag::Request, NOW) {
            Ok(signed) => signed,
            Err(error) => return refused(&error),
        };
        // All that must be covered is, each component once, and the base says what the head says.
        for component in required_components(head.method) {
            assert!(signed.covers(component), "{component}");
        }
        let mut base = Vec::new();
        for (at, component) in signed.covered.iter().enumerate() {
            assert!(!signed.covered[..at].contains(component), "{component} twice");
            base.extend([b"\"", component.as_bytes(), b"\": "].concat());
            base.extend(head.value(component));
            base.push(b'\n');
        }
        base.extend_from_slice(b"\"@signature-params\": ");
        assert!(signed.base.starts_with(&base));
        assert_eq!(signed.base.iter().filter(|b| **b == b'\n').count(), signed.covered.len());
        assert!(signed.base.len() <= 2 * input.len() + 64, "the base outgrows the head");
        let age = NOW.as_millis() - signed.created.as_millis();
        assert!((-60_000..=300_000).contains(&age));
        assert!(signed.expires.is_none_or(|expires| NOW <= expires));
        // Spelled anew from what was accepted, it is accepted as the same.
        let again = respelled(&head, &signed);
        assert_eq!(parse_request(&head.view(&again), Tag::Request, NOW), Ok(signed.clone()));
        // Nobody has signed anything but the vectors.
        if keys.iter().any(|key| signed.verify(key).is_ok()) {
            let signature = base64_encode(&signed.signature).into_bytes();
            let made = seeds.iter().any(|seed| seed.windows(88).any(|part| part == signature));
            assert!(made, "verifies, and nobody has made that signature");
        }
        assert!(signed.verify(own.public_key()).is_err());
        Answer::Accepted(format!("covers {}, asks {wanted}", signed.covered.join(" ")))
    };
    Target { name: "signatures", inputs: 50_000, seeds: &seeds, open: true, check: &check }.fuzz();
}

#[test]
fn an_accepted_answer_is_bound_to_its_request_and_verifies_only_as_it_was_signed() {
    let key = SigningKey::from_seed(&[12; 32]);
    let all = vectors("http_signature.json");
    let request = head_of(&all["good"][0]["request"]);
    let request = Head::read(&request).unwrap();
    let signature = [7; 64];
    let binding = |view| RequestBinding { view, label: "sig1", signature: &signature };
    let mut headers = HeaderList::default();
    headers.push("content-type", b"application/json");
    headers.push("content-digest", content_digest(b"{}").as_bytes());
    let unsigned = ResponseView { status: 200, headers: &headers };
    let of_request = binding(request.view(&request.headers));
    let made = sign_response(&unsigned, &of_request, Tag::Response, NOW, &key).unwrap();
    headers.push("signature-input", made.signature_input.as_bytes());
    headers.push("signature", made.signature.as_bytes());
    let mut seed = b"200\n".to_vec();
    for (name, value) in &headers.0 {
        seed.extend([name.as_bytes(), b":", value, b"\n"].concat());
    }
    let unlike = String::from_utf8(seed.clone()).unwrap().replace(";req", "");
    let check = |input: &[u8]| {
        // The request's line stands in for the status line.
        let split = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
        let status = str::from_utf8(&input[..split]).ok().and_then(|text| text.parse().ok());
        let lines = [b"x x x", &input[split..]].concat();
        let (Some(status), Some(head)) = (status, Head::read(&lines)) else {
            return Answer::Refused("no head".into());
        };
        let view = ResponseView { status, headers: &head.headers };
        let signed = match parse_response(&view, &of_request, Tag::Response, NOW) {
            Ok(signed) => signed,
            Err(error) => return refused(&error),
        };
        assert!((100..=999).contains(&status));
        for part in ["@status", "@method;req", "@path;req", "signature;req"] {
            assert!(signed.covers(part), "{part}");
        }
        assert_eq!(signed.base.iter().filter(|b| **b == b'\n').count(), signed.covered.len());
        assert!(signed.verify(key.public_key()).is_err() || signed.base == made.base);
        let again = respelled(&head, &signed);
        let again = ResponseView { status, headers: &again };
        assert_eq!(parse_response(&again, &of_request, Tag::Response, NOW), Ok(signed.clone()));
        Answer::Accepted(signed.covered.join(" "))
    };
    Target {
        name: "responses",
        inputs: 50_000,
        seeds: &[seed, unlike.into_bytes()],
        open: true,
        check: &check,
    }
    .fuzz();
}

#[test]
fn an_accepted_digest_is_that_of_the_body_in_its_one_spelling() {
    let own = content_digest(b"{}");
    let seeds = [
        own.clone(),
        format!("sha-512=:AA==:, {own}"),
        format!("{own}, x=token;p=1, y=(\"a\" :AA==:);z, w=\"{own}\", v=?0, u=1.5, t=@1"),
        content_digest(b""),
    ]
    .map(String::into_bytes);
    let check = |input: &[u8]| {
        let root = parse_orders_digest(&[input]);
        match verify_content_digest(&[input], b"{}") {
            Ok(()) => {
                let at = input.windows(own.len()).position(|part| part == own.as_bytes());
                assert!(at.is_some(), "accepted, and the digest does not stand in it");
                assert_eq!(root, Ok(Hash::of(b"{}")));
                Answer::Accepted(String::new())
            }
            Err(error) => Answer::Refused(format!("{error} {}", root.is_ok())),
        }
    };
    Target { name: "digests", inputs: 50_000, seeds: &seeds, open: true, check: &check }.fuzz();
}
