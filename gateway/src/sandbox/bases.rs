//! Why a signature does not verify: the base that the gateway has built beside the one that the
//! client has signed. That one is what the client sends as `Alliance-Debug-Base`; without it the
//! mistakes that are usually made are tried, alone and in pairs, until one verifies under the
//! client's key: then that is what was signed.

use alliance_contracts::keys::PublicKey;
use alliance_contracts::sandbox::{BaseDifference, SignatureComparison, SignatureFinding};
use ring::digest::{SHA256, SHA512, digest};

/// Bases that are tried at most: some hundredths of a second.
const TRIES: usize = 1_500;

/// A signature that did not verify, and what there is to find out why.
pub struct Refused<'a> {
    /// What the gateway has built.
    pub base: &'a [u8],
    /// R ‖ S.
    pub signature: &'a [u8; 64],
    /// The key that `keyid` names; none where nobody knows it.
    pub key: Option<&'a PublicKey>,
    /// The same partner's other keys.
    pub others: &'a [PublicKey],
    /// What the client says that it has signed.
    pub sent: Option<&'a [u8]>,
    /// What the client may have taken for `@authority`: its own `Host`, and the gateway's names.
    pub authorities: &'a [String],
    /// `Signature-Input`, as it came.
    pub input: &'a str,
}

/// What can be said of it. None where the signature does verify: then something else was refused.
pub fn compare(refused: &Refused<'_>) -> Option<SignatureComparison> {
    let Refused { base, signature, key, others, sent, .. } = refused;
    let signs = |key: &PublicKey, bytes: &[u8]| key.verify(bytes, *signature).is_ok();
    let told = |finding, client: Option<&[u8]>| {
        let difference = client.and_then(|client| difference(base, client));
        let (client_base, gateway_base) = (client.map(shown), shown(base));
        Some(SignatureComparison { client_base, difference, finding, gateway_base })
    };
    let Some(key) = key else { return told(SignatureFinding::UnknownKey, *sent) };
    if signs(key, base) {
        return None;
    }
    if others.iter().any(|other| signs(other, base)) {
        return told(SignatureFinding::AnotherKey, Some(base));
    }
    if [&SHA256, &SHA512].iter().any(|hash| signs(key, digest(hash, base).as_ref())) {
        return told(SignatureFinding::HashSigned, Some(base));
    }
    match sent {
        Some(sent) if signs(key, sent) => told(SignatureFinding::AnotherBase, Some(sent)),
        Some(sent) if sent == base => told(SignatureFinding::SameBase, Some(sent)),
        Some(sent) => told(SignatureFinding::SentBaseNotSigned, Some(sent)),
        None => match candidates(refused).into_iter().find(|one| signs(key, one.as_bytes())) {
            Some(found) => told(SignatureFinding::AnotherBase, Some(found.as_bytes())),
            None => told(SignatureFinding::NotFound, None),
        },
    }
}

/// The first place where they differ; none where they are equal.
fn difference(gateway: &[u8], client: &[u8]) -> Option<BaseDifference> {
    if gateway == client {
        return None;
    }
    let at = gateway.iter().zip(client).take_while(|(ours, theirs)| ours == theirs).count();
    let before = &gateway[..at];
    let line = before.iter().filter(|byte| **byte == b'\n').count();
    let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let line_of = |base: &[u8]| {
        let rest = base.get(start..).filter(|rest| !rest.is_empty())?;
        let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        Some(shown(&rest[..end]))
    };
    let counted = |zero_based: usize| u64::try_from(zero_based + 1).unwrap_or(u64::MAX);
    Some(BaseDifference {
        byte: counted(at),
        client_line: line_of(client),
        column: counted(at - start),
        gateway_line: line_of(gateway),
        line: counted(line),
    })
}

/// Fields whose values are nobody's business, should a client cover them.
const SECRET: [&str; 3] = ["\"authorization\"", "\"cookie\"", "\"proxy-authorization\""];

/// A base, or a line of it, as it may be shown.
fn shown(base: &[u8]) -> String {
    let line = |line: &str| match SECRET.iter().find(|name| line.starts_with(**name)) {
        Some(name) => format!("{name}: (not shown)"),
        None => line.to_owned(),
    };
    let lines: Vec<String> = String::from_utf8_lossy(base).split('\n').map(line).collect();
    lines.join("\n")
}

/// A base as lines of identifier and value.
type Lines = Vec<(String, String)>;

/// What may have been signed instead, the likeliest first.
fn candidates(refused: &Refused<'_>) -> Vec<String> {
    let Ok(base) = std::str::from_utf8(refused.base) else { return Vec::new() };
    let lines: Lines = base
        .split('\n')
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let others: Vec<Vec<String>> =
        lines.iter().map(|line| other_values(refused, &lines, line)).collect();
    let mut bent = vec![lines.clone()];
    for (at, values) in others.iter().enumerate() {
        bent.extend(values.iter().map(|value| with(&lines, at, value)));
    }
    for (at, values) in others.iter().enumerate() {
        for (beside, more) in others.iter().enumerate().skip(at + 1) {
            let pairs = values.iter().flat_map(|one| more.iter().map(move |other| (one, other)));
            bent.extend(pairs.map(|(one, other)| with(&with(&lines, at, one), beside, other)));
        }
    }
    let written = bent.iter().flat_map(|lines| WRITTEN.iter().map(|write| write(lines)));
    written.filter(|candidate| candidate != base).take(TRIES).collect()
}

fn with(lines: &Lines, at: usize, value: &str) -> Lines {
    let mut lines = lines.clone();
    if let Some(line) = lines.get_mut(at) {
        value.clone_into(&mut line.1);
    }
    lines
}

/// How a base is put together, rightly first.
const WRITTEN: [fn(&Lines) -> String; 6] = [
    |lines| joined(lines, "\n", ": "),
    |lines| joined(lines, "\n", ": ") + "\n",
    |lines| joined(lines, "\r\n", ": "),
    |lines| joined(lines, "\n", ":"),
    |lines| joined(&without_quotes(lines), "\n", ": "),
    // Without the parameters, which are the last line.
    |lines| joined(&lines[..lines.len().saturating_sub(1)], "\n", ": "),
];

fn joined(lines: &[(String, String)], end: &str, between: &str) -> String {
    let line = |(name, value): &(String, String)| [name, between, value].concat();
    lines.iter().map(line).collect::<Vec<_>>().join(end)
}

fn without_quotes(lines: &Lines) -> Lines {
    lines.iter().map(|(name, value)| (name.replace('"', ""), value.clone())).collect()
}

/// What is mistaken for a component's value.
fn other_values(
    refused: &Refused<'_>,
    lines: &Lines,
    (name, value): &(String, String),
) -> Vec<String> {
    let of = |wanted: &str| {
        let found = lines.iter().find(|(name, _)| name == wanted);
        found.map_or("", |(_, value)| value.as_str())
    };
    let mut others: Vec<String> = match name.as_str() {
        "\"@authority\"" => {
            let named = refused.authorities.iter().map(String::as_str);
            let named: Vec<&str> = named.chain([value.as_str()]).collect();
            let hosts = named.iter().filter_map(|name| name.split(':').next());
            let urls = [format!("http://{value}"), format!("https://{value}")];
            named.iter().copied().chain(hosts).map(str::to_owned).chain(urls).collect()
        }
        "\"@method\"" => vec![value.to_lowercase()],
        "\"@path\"" => vec![
            format!("{value}{}", of("\"@query\"")),
            format!("http://{}{value}", of("\"@authority\"")),
            format!("{value}/"),
            value.trim_end_matches('/').to_owned(),
            value.trim_start_matches('/').to_owned(),
        ],
        "\"@query\"" => vec![value.trim_start_matches('?').to_owned(), "?".to_owned()],
        "\"content-type\"" => {
            vec!["application/json".to_owned(), "application/json; charset=utf-8".to_owned()]
        }
        "\"content-digest\"" => {
            let bare = value.trim_start_matches("sha-256=").trim_matches(':');
            vec![bare.to_owned(), format!("sha-256={bare}"), format!("SHA-256={bare}")]
        }
        "\"idempotency-key\"" => vec![format!("\"{value}\"")],
        "\"@signature-params\"" => {
            let raw = refused.input.split_once('=').map_or("", |(_, params)| params);
            vec![raw.to_owned(), refused.input.to_owned(), value.replace(", ", ",")]
        }
        _ => Vec::new(),
    };
    others.retain(|other| other != value);
    others
}

#[cfg(test)]
mod tests {
    use alliance_contracts::keys::SigningKey;

    use super::*;

    const BASE: &str = "\"@method\": POST\n\"@authority\": 127.0.0.1:8787\n\"@path\": /v1/quotes\n\
        \"@query\": ?\n\"content-type\": application/json\n\
        \"content-digest\": sha-256=:RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=:\n\
        \"idempotency-key\": k-1\n\"@signature-params\": (\"@method\");created=1;keyid=\"x\"";

    const DIGEST: &str = "RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=";

    fn key() -> SigningKey {
        SigningKey::from_seed(&[3; 32])
    }

    fn found(signed: &[u8], sent: Option<&[u8]>) -> SignatureComparison {
        let (key, authorities) = (key(), ["localhost:8787".to_owned()]);
        let refused = Refused {
            base: BASE.as_bytes(),
            signature: &key.sign(signed),
            key: Some(key.public_key()),
            others: &[],
            sent,
            authorities: &authorities,
            input: "sig1=(\"@method\");created=1;keyid=\"x\"",
        };
        compare(&refused).unwrap()
    }

    #[test]
    fn usual_mistakes_are_found_without_any_help() {
        for (right, wrong, line) in [
            ("127.0.0.1:8787", "localhost:8787", 2),
            ("127.0.0.1:8787", "127.0.0.1", 2),
            ("127.0.0.1:8787", "localhost", 2),
            ("POST", "post", 1),
            ("\"@query\": ?", "\"@query\": ", 4),
            ("/v1/quotes", "http://127.0.0.1:8787/v1/quotes", 3),
            ("application/json", "application/json; charset=utf-8", 5),
            ("sha-256=:RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=:", DIGEST, 6),
            ("k-1", "\"k-1\"", 7),
        ] {
            let signed = BASE.replacen(right, wrong, 1);
            assert_ne!(signed, BASE);
            let comparison = found(signed.as_bytes(), None);
            assert_eq!(comparison.finding, SignatureFinding::AnotherBase, "{wrong}");
            assert_eq!(comparison.client_base.as_deref(), Some(signed.as_str()));
            assert_eq!(comparison.difference.unwrap().line, line, "{wrong}");
        }
    }

    #[test]
    fn two_mistakes_at_once_and_a_line_end_too_many_are_found() {
        let two = BASE.replace("POST", "post").replace("127.0.0.1:8787", "localhost:8787");
        assert_eq!(found(two.as_bytes(), None).client_base, Some(two));
        let ended = format!("{BASE}\n");
        let comparison = found(ended.as_bytes(), None);
        let difference = comparison.difference.unwrap();
        assert_eq!(difference.byte, u64::try_from(BASE.len()).unwrap() + 1);
        assert_eq!(difference.line, 8);
    }

    #[test]
    fn a_base_that_was_sent_is_believed_only_where_it_was_signed() {
        let odd = BASE.replace("/v1/quotes", "/v1/quota");
        let comparison = found(odd.as_bytes(), Some(odd.as_bytes()));
        assert_eq!(comparison.finding, SignatureFinding::AnotherBase);
        let difference = comparison.difference.unwrap();
        assert_eq!((difference.line, difference.column), (3, 18));
        assert_eq!(difference.gateway_line.as_deref(), Some("\"@path\": /v1/quotes"));
        assert_eq!(difference.client_line.as_deref(), Some("\"@path\": /v1/quota"));
        for (sent, finding) in [
            (BASE, SignatureFinding::SameBase),
            (odd.as_str(), SignatureFinding::SentBaseNotSigned),
        ] {
            assert_eq!(found(b"something else", Some(sent.as_bytes())).finding, finding);
        }
        let nothing = found(b"something else", None);
        assert_eq!((nothing.finding, nothing.client_base), (SignatureFinding::NotFound, None));
    }

    #[test]
    fn what_is_secret_is_not_shown() {
        let line = b"\"@path\": /\n\"authorization\": Bearer abc\n\"cookie\": x";
        let told = "\"@path\": /\n\"authorization\": (not shown)\n\"cookie\": (not shown)";
        assert_eq!(shown(line), told);
    }

    #[test]
    fn a_hash_another_key_and_no_key_are_told_apart() {
        let hash = digest(&SHA256, BASE.as_bytes());
        assert_eq!(found(hash.as_ref(), None).finding, SignatureFinding::HashSigned);
        let (named, other) = (SigningKey::from_seed(&[4; 32]), key());
        let mut refused = Refused {
            base: BASE.as_bytes(),
            signature: &other.sign(BASE.as_bytes()),
            key: Some(named.public_key()),
            others: &[other.public_key().clone()],
            sent: None,
            authorities: &[],
            input: "",
        };
        assert_eq!(compare(&refused).unwrap().finding, SignatureFinding::AnotherKey);
        refused.key = None;
        assert_eq!(compare(&refused).unwrap().finding, SignatureFinding::UnknownKey);
        refused.key = Some(other.public_key());
        assert_eq!(compare(&refused), None);
    }
}
