//! The profile against `vectors/http_signature.json`, and the base against RFC 9421's own.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::encoding::hex_decode;
use crate::keys::{PublicKey, SigningKey};
use crate::time::Timestamp;

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../vectors/http_signature.json")).unwrap()
}

fn text<'a>(case: &'a Value, member: &str) -> &'a str {
    case[member].as_str().unwrap()
}

fn bytes(case: &Value, member: &str) -> Vec<u8> {
    hex_decode(text(case, member)).unwrap()
}

fn headers(message: &Value) -> HeaderList {
    let mut list = HeaderList::default();
    for line in message["headers"].as_array().unwrap() {
        list.push(line[0].as_str().unwrap(), line[1].as_str().unwrap().as_bytes());
    }
    list
}

fn view<'a>(request: &'a Value, headers: &'a HeaderList) -> RequestView<'a> {
    RequestView {
        method: text(request, "method"),
        authority: text(request, "authority"),
        path: text(request, "path"),
        query: request["query"].as_str(),
        headers,
    }
}

fn tag(case: &Value) -> Tag {
    [Tag::Request, Tag::Response, Tag::Callback, Tag::CallbackResponse]
        .into_iter()
        .find(|tag| tag.as_str() == text(case, "tag"))
        .unwrap()
}

fn now(case: &Value) -> Timestamp {
    Timestamp::from_millis(case["now"].as_i64().unwrap())
}

fn public(case: &Value) -> PublicKey {
    PublicKey::from_bytes(&bytes(case, "public")).unwrap()
}

/// The code and what it names, as the vectors spell them.
fn name(error: HttpSignatureError) -> String {
    match error {
        HttpSignatureError::Incomplete { missing } => format!("signature_incomplete {missing}"),
        HttpSignatureError::Expired => "signature_expired".to_owned(),
        HttpSignatureError::RepeatedField { name } => format!("malformed {name}"),
        HttpSignatureError::Invalid(_) => "signature_invalid".to_owned(),
    }
}

fn read_request(case: &Value) -> Result<SignedRequest, HttpSignatureError> {
    let headers = headers(&case["request"]);
    let signed = parse_request(&view(&case["request"], &headers), tag(case), now(case))?;
    signed.verify(&public(case))?;
    Ok(signed)
}

fn read_response(case: &Value) -> Result<SignedResponse, HttpSignatureError> {
    let request_headers = headers(&case["request"]);
    let response_headers = headers(&case["response"]);
    let signature = bytes(case, "request_signature").try_into().unwrap();
    let binding = RequestBinding {
        view: view(&case["request"], &request_headers),
        label: text(case, "request_label"),
        signature: &signature,
    };
    let status = case["response"]["status"].as_u64().unwrap().try_into().unwrap();
    let response = ResponseView { status, headers: &response_headers };
    verify_response(&response, &binding, tag(case), now(case), &public(case))
}

#[test]
fn the_good_requests_verify() {
    for case in vectors()["good"].as_array().unwrap() {
        let signed = read_request(case).unwrap_or_else(|error| panic!("{error}: {case}"));
        assert_eq!(String::from_utf8(signed.base.clone()).unwrap(), text(case, "base"));
        assert_eq!(signed.signature[..], bytes(case, "signature"));
        assert_eq!(signed.label, text(case, "label"));
        let covered: Vec<&str> =
            case["covered"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        assert_eq!(signed.covered, covered);
        assert!(signed.covers("@path") && !signed.covers("@status"));
    }
}

#[test]
fn the_bad_requests_are_refused_by_name() {
    // T01, T02, T03, T05, T06, T09
    for case in vectors()["bad"].as_array().unwrap() {
        let refused = read_request(case).map(|_| ()).map_err(name);
        assert_eq!(refused, Err(text(case, "error").to_owned()), "{case}");
    }
}

#[test]
fn the_good_responses_verify() {
    for case in vectors()["responses"]["good"].as_array().unwrap() {
        let signed = read_response(case).unwrap_or_else(|error| panic!("{error}: {case}"));
        assert_eq!(String::from_utf8(signed.base.clone()).unwrap(), text(case, "base"));
        assert_eq!(signed.signature[..], bytes(case, "signature"));
    }
}

#[test]
fn the_bad_responses_are_refused_by_name() {
    for case in vectors()["responses"]["bad"].as_array().unwrap() {
        let refused = read_response(case).map(|_| ()).map_err(name);
        assert_eq!(refused, Err(text(case, "error").to_owned()), "{case}");
    }
}

#[test]
fn a_signed_answer_is_asked_for_by_tag() {
    for case in vectors()["accept_signature"].as_array().unwrap() {
        let headers = [("Accept-Signature", text(case, "value"))];
        assert_eq!(wants_signed_response(&headers), case["wanted"].as_bool().unwrap(), "{case}");
    }
    assert!(wants_signed_response(&[("accept-signature", ACCEPT_SIGNATURE)]));
    assert!(!wants_signed_response(&HeaderList::default()));
}

#[test]
fn fields_have_bounds() {
    let keys = |count| (0..count).map(|i| format!("k{i}")).collect::<Vec<_>>();
    let read =
        |field: String| structured::dictionary(field.as_bytes()).map(|members| members.len());
    let too_large = Err(structured::StructureError::TooLarge);
    assert_eq!(read(keys(64).join(", ")), Ok(64));
    assert_eq!(read(keys(65).join(", ")), too_large);
    assert_eq!(read(format!("a;{}", keys(65).join(";"))), too_large);
    assert_eq!(read(format!("a=({})", keys(65).join(" "))), too_large);
    assert_eq!(read(format!("a=(b;{})", keys(65).join(";"))), too_large);
    assert_eq!(read(format!("a=\"{}\"", "x".repeat(16 * 1024))), too_large);
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

const NOW: Timestamp = Timestamp::from_millis(1_795_406_706_789);

fn params(tag: Tag) -> RequestSignatureParams<'static> {
    RequestSignatureParams { created: NOW, expires: None, nonce: None, tag }
}

/// Signs and puts the two fields into the list.
fn signed_fields(view: RequestView<'_>, list: &HeaderList, key: &SigningKey) -> HeaderList {
    let signed =
        sign_request(&view, required_components(view.method), &params(Tag::Request), key).unwrap();
    with_fields(list, &signed)
}

fn with_fields(list: &HeaderList, signed: &SignatureHeaders) -> HeaderList {
    let mut list = list.clone();
    list.push("Signature-Input", signed.signature_input.as_bytes());
    list.push("Signature", signed.signature.as_bytes());
    list
}

#[test]
fn what_we_sign_we_read_and_answer() {
    let mut list = HeaderList::default();
    list.push("Content-Type", b"application/json");
    list.push("Content-Digest", crate::content_digest::content_digest(b"{}").as_bytes());
    list.push("Idempotency-Key", b"k");
    let view = RequestView {
        method: "POST",
        authority: "Gateway.example",
        path: "/v1/quotes",
        query: Some("a=1"),
        headers: &list,
    };
    let list = signed_fields(view, &list, &key(1));
    let view = RequestView { headers: &list, ..view };
    let request = parse_request(&view, Tag::Request, NOW).unwrap();
    request.verify(key(1).public_key()).unwrap();
    assert_eq!(request.created.as_millis(), 1_795_406_706_000);
    assert!(request.verify(key(2).public_key()).is_err());

    let mut answer = HeaderList::default();
    answer.push("content-type", b"application/json");
    answer.push("content-digest", crate::content_digest::content_digest(b"[]").as_bytes());
    let binding = RequestBinding { view, label: LABEL, signature: &request.signature };
    let response = ResponseView { status: 201, headers: &answer };
    let signed = sign_response(&response, &binding, Tag::Response, NOW, &key(2)).unwrap();
    let answer = with_fields(&answer, &signed);
    let response = ResponseView { status: 201, headers: &answer };
    let read = verify_response(&response, &binding, Tag::Response, NOW, key(2).public_key());
    assert_eq!(read.unwrap().base, signed.base);
}

#[test]
fn parameters_are_written_in_order() {
    let view = RequestView {
        method: "GET",
        authority: "g",
        path: "/",
        query: None,
        headers: &HeaderList::default(),
    };
    let params = RequestSignatureParams {
        expires: Some(NOW.plus_seconds(9)),
        nonce: Some("a\"b"),
        ..params(Tag::Callback)
    };
    let signed = sign_request(&view, &["@method"], &params, &key(1)).unwrap();
    let kid = key(1).kid().clone();
    let expected = format!(
        "sig1=(\"@method\");created=1795406706;expires=1795406715;keyid=\"{kid}\";\
         nonce=\"a\\\"b\";tag=\"alliance-cb-v1\""
    );
    assert_eq!(signed.signature_input, expected);
}

#[test]
fn what_could_not_be_read_is_not_signed() {
    let list = [("twice", "1"), ("Twice", "2"), ("split", "a\r\n b"), ("bytes", "\u{e9}")];
    let view =
        RequestView { method: "GET", authority: "g", path: "/", query: None, headers: &list };
    let sign = |components: &[&str]| {
        sign_request(&view, components, &params(Tag::Request), &key(1)).map_err(name).err()
    };
    assert_eq!(sign(&["absent"]).unwrap(), "signature_incomplete absent");
    assert_eq!(sign(&["twice"]).unwrap(), "malformed twice");
    for bad in [&["split"][..], &["bytes"], &["@path", "@path"], &["@status"], &["Host"], &["\""]] {
        assert_eq!(sign(bad).unwrap(), "signature_invalid", "{bad:?}");
    }
    let nonce = RequestSignatureParams { nonce: Some("\u{e9}"), ..params(Tag::Request) };
    assert!(sign_request(&view, &[], &nonce, &key(1)).is_err());
    let late = Timestamp::from_millis(i64::MAX);
    let late = RequestSignatureParams { created: late, ..params(Tag::Request) };
    assert!(sign_request(&view, &[], &late, &key(1)).is_err());
    let binding = RequestBinding { view, label: "a\";x", signature: &[0; 64] };
    let response = ResponseView { status: 200, headers: &list };
    assert!(sign_response(&response, &binding, Tag::Response, NOW, &key(1)).is_err());
}

#[test]
fn a_status_has_three_digits() {
    let list = [("content-type", "a/b"), ("content-digest", "x")];
    let view =
        RequestView { method: "GET", authority: "g", path: "/", query: None, headers: &list };
    let binding = RequestBinding { view, label: LABEL, signature: &[0; 64] };
    for (status, signed) in [(99, false), (100, true), (999, true), (1000, false)] {
        let response = ResponseView { status, headers: &list };
        let made = sign_response(&response, &binding, Tag::Response, NOW, &key(1));
        assert_eq!(made.is_ok(), signed, "{status}");
    }
}

#[test]
fn every_method_with_a_body_covers_it() {
    for method in ["GET", "HEAD", "DELETE"] {
        assert!(!required_components(method).contains(&"content-digest"));
    }
    for method in ["POST", "PUT", "PATCH", "post", "QUERY"] {
        assert!(required_components(method).contains(&"content-digest"));
    }
}

/// Everything of RFC 9421 appendix B.2 that can be said in plain components; `@query-param`, which
/// the profile refuses, is put in by hand to see the base around it.
#[test]
fn the_base_is_the_rfcs() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/vectors/rfc9421/appendix-b.json");
    let Ok(file) = std::fs::read_to_string(path) else {
        println!("passed over: the published vectors of RFC 9421 are not here");
        return;
    };
    let file: Value = serde_json::from_str(&file).unwrap();
    for case in file["cases"].as_array().unwrap() {
        let message = &file[text(case, "message")];
        let headers = headers(message);
        let view = RequestView {
            method: "POST",
            authority: "example.com",
            path: "/foo",
            query: Some("param=Value&Pet=dog"),
            headers: &headers,
        };
        let field = text(case, "signature_input");
        let member = structured::dictionary(field.as_bytes()).unwrap().remove(0);
        let structured::Value::List(items) = &member.value else { panic!("no list") };
        let components: Vec<_> = items.iter().map(component_of_the_rfc).collect();
        let params = envelope::serialized(items, &member.params);
        assert_eq!(params, field.split_once('=').unwrap().1);
        let base = base::build(&components, &params, |base, component| {
            match &*component.name {
                "@status" => base.extend_from_slice(b"200"),
                "@query-param" => base.extend_from_slice(b"dog"),
                name => base::append_of_request(base, &view, name)?,
            }
            Ok(())
        });
        assert_eq!(String::from_utf8(base.unwrap()).unwrap(), text(case, "signature_base"));
    }
}

fn component_of_the_rfc(item: &structured::Item<'_>) -> base::Component {
    base::Component::read(item).unwrap_or_else(|_| {
        let mut component = base::Component::plain("@query-param").unwrap();
        component.identifier.push_str(";name=\"Pet\"");
        component
    })
}

#[test]
fn the_rfcs_ed25519_signature_verifies() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/vectors/rfc9421/appendix-b.json");
    let Ok(file) = std::fs::read_to_string(path) else {
        println!("passed over: the published vectors of RFC 9421 are not here");
        return;
    };
    let file: Value = serde_json::from_str(&file).unwrap();
    let x = text(&file["keys"]["test-key-ed25519"]["jwk"], "x");
    let key = PublicKey::from_bytes(&crate::encoding::base64url_decode(x).unwrap()).unwrap();
    let case = file["cases"].as_array().unwrap().iter().find(|c| c["alg"] == "ed25519").unwrap();
    let headers = [("signature", text(case, "signature"))];
    let signature = envelope::read_signature(&headers, "sig-b26").unwrap();
    key.verify(text(case, "signature_base").as_bytes(), &signature).unwrap();
}

proptest! {
    /// No bytes in any field make the reader panic, and what it reads back it has checked.
    #[test]
    fn no_field_makes_it_panic(
        input in prop::collection::vec(any::<u8>(), 0..80),
        start in prop::sample::select(vec!["", "sig1=(", "sig1=(\"@method\";", "sig1=:", "a=\""]),
        end in prop::sample::select(vec!["", ");tag=\"alliance-v1\"", ":", "\""]),
    ) {
        let field = [start.as_bytes(), &input, end.as_bytes()].concat();
        let mut list = HeaderList::default();
        list.push("signature-input", &field);
        list.push("signature", &field);
        list.push("accept-signature", &field);
        let view =
            RequestView { method: "GET", authority: "g", path: "/", query: None, headers: &list };
        prop_assert!(parse_request(&view, Tag::Request, NOW).is_err());
        let _ = wants_signed_response(&list);
        let _ = structured::refuse_second_spellings(&field);
        let _ = crate::content_digest::verify_content_digest(&[&field], b"");
    }

    /// The base has a line for each component and one for the parameters, whatever the values.
    #[test]
    fn values_can_not_forge_lines(path in ".{0,20}", query in ".{0,20}", value in ".{0,20}") {
        let list = [("x", value.as_str())];
        let view = RequestView {
            method: "GET", authority: "g", path: &path, query: Some(&query), headers: &list,
        };
        let components = ["@method", "@authority", "@path", "@query", "x"];
        if let Ok(signed) = sign_request(&view, &components, &params(Tag::Request), &key(1)) {
            let base = String::from_utf8(signed.base).unwrap();
            prop_assert!(base.is_ascii());
            prop_assert_eq!(base.lines().count(), components.len() + 1);
        }
    }
}
