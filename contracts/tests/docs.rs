//! Keeps `docs/formats` true: every fenced block that names its kind is read, and verified with
//! the crate. A JSON block may be broken into lines; its canonical form is what counts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use alliance_contracts::agreement::{Agreement, KnownProgram, SignedAt, diff, verify_agreement};
use alliance_contracts::arithmetic::{
    self, Amounts, Reversal, ReversalAsk, Reversed, Terms, exchange_by_source, exchange_by_target,
};
use alliance_contracts::board::{Board, CommittedTerms, PairTerms, TermsRoot};
use alliance_contracts::calendar::Calendar;
use alliance_contracts::campaign::Campaign;
use alliance_contracts::conformance::{CaseOutcome, ConformanceReport};
use alliance_contracts::connector::{
    CreditCall, Gift, Operation, OperationKey, OperationState, Refusal, RefusalCode, ReserveCall,
    Reserved, Step,
};
use alliance_contracts::content_digest::{
    content_digest, orders_digest, parse_orders_digest, verify_content_digest,
};
use alliance_contracts::corridor::{
    EvidenceList, Opening, OrderInclusion, Proof, Seen, StreamTrailer,
};
use alliance_contracts::debit_consent::DebitConsent;
use alliance_contracts::decimal::{Decimal, format_micros};
use alliance_contracts::encoding::{
    Hash, base64_decode, base64_decode_array, base64url_decode, hex_decode, hex_encode, sha256,
};
use alliance_contracts::event::{
    AgreementEvent, BoardEvent, CampaignEvent, ConsentEvent, EndpointEvent, Event, EventCursor,
    EventType, LinkEvent, MemberEvent, OverrideEvent, PairEvent, PartnerEvent, StatementEvent,
    TransactionEvent, event_id,
};
use alliance_contracts::http_signature::{
    ACCEPT_SIGNATURE, HeaderList, Headers, RequestBinding, RequestView, ResponseView, Tag,
    parse_request, parse_response, required_components,
};
use alliance_contracts::ids::{QuoteId, ReceiptId, TransactionId};
use alliance_contracts::json;
use alliance_contracts::jws::{self, JwsType};
use alliance_contracts::key_list::{KeyList, KeyStatement, TrustedKeys};
use alliance_contracts::keys::{PublicKey, SigningKey};
use alliance_contracts::member::Erasure;
use alliance_contracts::merkle::{
    leaf_hash, node_hash, root_of, verify_consistency, verify_inclusion,
};
use alliance_contracts::names::{
    Corridor, Currency, IdempotencyKey, MemberRef, PartnerId, ProgramId, ReasonCode,
};
use alliance_contracts::netting::NettingCertificate;
use alliance_contracts::note::{
    ALG_COSIGNATURE_V1, ALG_ED25519, VerifierKey, parse_note, verify_cosignature, verify_note,
};
use alliance_contracts::partner_key::{KeyRegistration, KeyScope, KeyUseKind};
use alliance_contracts::problem::{Problem, ProblemCode};
use alliance_contracts::quote::{
    AskedSide, Bonus, FeeBearer, Quote, QuoteClaims, QuoteRequest, QuoteSide, Rate, Settlement,
    Side, TransactionKind,
};
use alliance_contracts::receipt::{self, Account, Evidence, Posting, Receipt};
use alliance_contracts::revenue::RevenueInputs;
use alliance_contracts::time::Timestamp;
use alliance_contracts::tlog_proof::TlogProof;
use alliance_contracts::transaction::{
    OrderBatchRequest, OrderRequest, ReversalRequest, SignedReceipt, order_bytes, orders_root,
    reversal_bytes,
};
use alliance_contracts::waterfall::{LossShare, Waterfall};
use alliance_contracts::window::Window;
use ring::hmac;
use serde_json::Value;

/// Every kind of block, each once, and the page it stands on.
const KINDS: &[(&str, &str)] = &[
    ("accrual-postings", "kinds.md"),
    ("accrual-request", "kinds.md"),
    ("accrual-terms", "kinds.md"),
    ("agreement", "agreements.md"),
    ("agreement-a-jws", "agreements.md"),
    ("agreement-b-jws", "agreements.md"),
    ("agreement-diff", "agreements.md"),
    ("agreement-hash", "agreements.md"),
    ("agreement-next", "agreements.md"),
    ("alliance-orders", "http-signatures.md"),
    ("alliance-seen", "http-signatures.md"),
    ("arithmetic", "quotes.md"),
    ("arithmetic-extended", "quotes.md"),
    // The gateway compares these with what it reads and writes.
    ("bank-accounts", "bank-files.md"),
    ("bank-camt053", "bank-files.md"),
    ("bank-pain001", "bank-files.md"),
    ("board", "boards.md"),
    ("board-jws", "boards.md"),
    ("board-pairs", "boards.md"),
    ("calendar", "calendars.md"),
    ("campaign", "campaigns.md"),
    ("campaign-bonus", "campaigns.md"),
    ("campaign-postings", "campaigns.md"),
    ("checkpoint", "checkpoints-and-proofs.md"),
    ("checkpoint-earlier", "checkpoints-and-proofs.md"),
    ("conformance-jws", "connectors.md"),
    ("conformance-report", "connectors.md"),
    ("connector-answer", "connectors.md"),
    ("connector-benefit", "connectors.md"),
    ("connector-call", "connectors.md"),
    ("connector-operation", "connectors.md"),
    ("connector-refusal", "connectors.md"),
    ("consent", "consents.md"),
    ("consent-jws", "consents.md"),
    ("consistency-proof", "checkpoints-and-proofs.md"),
    ("erasure", "erasures.md"),
    ("erasure-jws", "erasures.md"),
    ("event", "events.md"),
    ("event-cursor", "events.md"),
    ("event-samples", "events.md"),
    ("evidence", "receipts.md"),
    ("evidence-batch", "receipts.md"),
    ("gateway-keys", "keys.md"),
    ("inclusion-proof", "checkpoints-and-proofs.md"),
    // The settlement crate compares these with what it writes, the world's tests with the tools.
    ("journal-beancount", "journal.md"),
    ("journal-csv", "journal.md"),
    ("journal-hledger", "journal.md"),
    ("key-registration", "keys.md"),
    ("key-registration-jws", "keys.md"),
    ("key-statement", "keys.md"),
    ("loss-share", "shares.md"),
    ("netting", "netting.md"),
    ("opening", "receipts.md"),
    ("order-leaves", "http-signatures.md"),
    ("partner-keys", "keys.md"),
    ("problem", "problems.md"),
    ("pseudonym-input", "receipts.md"),
    ("quote", "quotes.md"),
    ("quote-claims", "quotes.md"),
    ("quote-request", "quotes.md"),
    ("rate", "quotes.md"),
    ("receipt-hash", "receipts.md"),
    ("receipt-jws", "receipts.md"),
    ("receipt-payload", "receipts.md"),
    ("receipts-file", "receipts-file.md"),
    ("receipts-file-head", "receipts-file.md"),
    ("redemption-postings", "kinds.md"),
    ("redemption-request", "kinds.md"),
    ("redemption-reversal", "kinds.md"),
    ("redemption-terms", "kinds.md"),
    ("request", "http-signatures.md"),
    ("request-base", "http-signatures.md"),
    ("response", "http-signatures.md"),
    ("response-base", "http-signatures.md"),
    ("revenue-inputs", "shares.md"),
    ("reversal-postings", "receipts.md"),
    ("root-key", "keys.md"),
    ("statement-hash", "keys.md"),
    ("tlog-proof", "checkpoints-and-proofs.md"),
    ("tree", "checkpoints-and-proofs.md"),
    ("value-sample", "values.md"),
    ("values-bad", "values.md"),
    ("values-good", "values.md"),
    ("vkeys", "checkpoints-and-proofs.md"),
    ("waterfall", "shares.md"),
    ("weak-keys", "keys.md"),
];

// --- reading the pages -------------------------------------------------------------------------

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/formats")
}

fn page(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn page_names() -> Vec<String> {
    let entries = std::fs::read_dir(folder()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut pages: Vec<String> = names.filter(|name| name.ends_with(".md")).collect();
    pages.sort();
    pages
}

/// The blocks of a page that name a kind: kind and text, with its last line end.
fn blocks_of(page: &str) -> Vec<(String, String)> {
    let (mut blocks, mut open) = (Vec::new(), None);
    for line in page.lines() {
        match (line.strip_prefix("```"), open.take()) {
            (Some(info), None) => {
                let kind = info.split_whitespace().nth(1).map(str::to_owned);
                open = Some((kind, String::new()));
            }
            (Some(""), Some((Some(kind), text))) => blocks.push((kind, text)),
            (Some(""), Some((None, _))) | (None, None) => {}
            (Some(info), Some(_)) => panic!("a block opens inside a block: {info}"),
            (None, Some((kind, text))) => open = Some((kind, text + line + "\n")),
        }
    }
    assert!(open.is_none(), "a block without an end");
    blocks
}

/// The one block of that kind.
fn block(kind: &str) -> String {
    let name = KINDS.iter().find(|(known, _)| *known == kind).expect(kind).1;
    let found = blocks_of(&page(name)).into_iter().find(|(at, _)| at == kind);
    found.unwrap_or_else(|| panic!("{name} has no block {kind}")).1
}

fn line(kind: &str) -> String {
    let text = block(kind);
    let line = text.strip_suffix('\n').unwrap();
    assert!(!line.contains('\n'), "{kind} is one line");
    line.to_owned()
}

/// A JSON block as the crate's type; for types that are answers and may have unknown members.
fn read<T: serde::de::DeserializeOwned>(kind: &str) -> T {
    json::read(block(kind).as_bytes()).unwrap_or_else(|error| panic!("{kind}: {error:?}"))
}

/// The RFC 8785 bytes of a JSON block, by another canonicaliser than the crate's.
fn jcs(kind: &str) -> Vec<u8> {
    serde_json_canonicalizer::to_vec(&read::<Value>(kind)).unwrap()
}

/// A block that, as the crate's type, is written back to the same canonical bytes.
fn read_whole<T: serde::de::DeserializeOwned + serde::Serialize>(kind: &str) -> T {
    let value: T = read(kind);
    assert_eq!(text_of(&json::canonical(&value)), text_of(&jcs(kind)), "{kind}");
    value
}

fn text_of(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn row_cells(row: &str) -> Vec<&str> {
    row.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect()
}

// --- the story's keys and receipts -------------------------------------------------------------

fn key(name: &str) -> SigningKey {
    SigningKey::from_seed(&sha256(format!("alliance example: {name}").as_bytes()))
}

fn gateway_keys() -> TrustedKeys {
    read::<KeyList>("gateway-keys").verify(key("root").public_key()).unwrap()
}

fn partner_keys() -> TrustedKeys {
    read::<KeyList>("partner-keys").verify(key("gateway").public_key()).unwrap()
}

/// The payloads of the receipts file, each verified under the gateway's key.
fn payloads() -> Vec<Vec<u8>> {
    let keys = gateway_keys();
    let file = block("receipts-file");
    let lines = file.lines().filter(|line| line.starts_with(r#"{"jws""#));
    lines
        .map(|line| {
            let item: SignedReceipt = json::read(line.as_bytes()).unwrap();
            assert_eq!(json::canonical(&item), line.as_bytes());
            let parsed = jws::parse(&item.jws).unwrap();
            let key = keys.find(&parsed.kid).unwrap();
            parsed.verify(JwsType::Receipt, &key.public).unwrap();
            assert_eq!(item.receipt.get().as_bytes(), parsed.payload);
            let at = receipt::parse(&parsed.payload).unwrap().completed_at;
            assert!(key.valid_at(at));
            parsed.payload
        })
        .collect()
}

fn receipts() -> Vec<Receipt> {
    payloads().iter().map(|payload| receipt::parse(payload).unwrap()).collect()
}

// --- the pages as a whole ----------------------------------------------------------------------

#[test]
fn every_block_is_of_a_known_kind_and_each_kind_stands_once() {
    let mut found = Vec::new();
    for name in page_names() {
        for (kind, _) in blocks_of(&page(&name)) {
            found.push((kind, name.clone()));
        }
    }
    found.sort();
    let known: Vec<_> = KINDS.iter().map(|(k, p)| ((*k).to_owned(), (*p).to_owned())).collect();
    assert_eq!(found, known);
}

#[test]
fn every_page_is_in_the_index_and_has_its_five_parts() {
    let index = page("README.md");
    for name in page_names().into_iter().filter(|name| name != "README.md") {
        assert!(index.contains(&format!("[{name}]({name})")), "{name} is not in the index");
        let text = page(&name);
        let at = |heading: &str| {
            text.find(heading).unwrap_or_else(|| panic!("{name} has no part {heading:?}"))
        };
        let last = if name == "problems.md" { "\n## What to do" } else { "\n## Verify" };
        let parts =
            [at("\n## Example"), at(last), at("\n## Deliberately absent"), at("\n## Source")];
        assert!(parts.is_sorted(), "{name}: {parts:?}");
    }
}

#[test]
fn every_link_between_the_pages_leads_somewhere() {
    for name in page_names() {
        let text = page(&name);
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            assert!(folder().join(target).is_file(), "{name} links to {target}");
        }
    }
}

#[test]
fn the_keys_of_the_examples_come_from_their_published_seeds() {
    let index = page("README.md");
    for name in ["root", "gateway", "aurora-air", "aurora-air-2", "borealis-coffee"] {
        let row = index.lines().find(|line| line.starts_with(&format!("| {name} |"))).unwrap();
        let cells = row_cells(row);
        let key = key(name);
        let seed = sha256(format!("alliance example: {name}").as_bytes());
        assert_eq!(cells[1], hex_encode(&seed));
        assert_eq!(base64url_decode(cells[2]).unwrap(), key.public_key().as_bytes());
        assert_eq!(cells[3], key.kid().as_str());
    }
}

// --- values.md ---------------------------------------------------------------------------------

fn parses(rule: &str, text: &str) -> bool {
    fn comes_back<T: FromStr + std::fmt::Display>(text: &str) -> bool {
        text.parse::<T>().is_ok_and(|value| value.to_string() == text)
    }
    match rule {
        "decimal" => comes_back::<Decimal>(text),
        "program" => comes_back::<ProgramId>(text),
        "partner" => comes_back::<PartnerId>(text),
        "member" => text.parse::<MemberRef>().is_ok(),
        "corridor" => comes_back::<Corridor>(text),
        "currency" => comes_back::<Currency>(text),
        "reason" => comes_back::<ReasonCode>(text),
        "quote" => comes_back::<QuoteId>(text),
        "transaction" => comes_back::<TransactionId>(text),
        "time" => comes_back::<Timestamp>(text),
        "base64" => base64_decode(text).is_ok(),
        "base64url" => base64url_decode(text).is_ok(),
        "hex" => hex_decode(text).is_ok(),
        _ => panic!("no rule {rule}"),
    }
}

#[test]
fn good_values_parse_and_bad_ones_are_refused() {
    for row in block("values-good").lines() {
        let mut words = row.split(' ');
        let rule = words.next().unwrap();
        words.for_each(|text| assert!(parses(rule, text), "{rule} {text}"));
    }
    for row in block("values-bad").lines() {
        let (rule, rest) = row.split_once(' ').unwrap();
        let (text, reason) = rest.strip_prefix('"').unwrap().split_once("\" ").unwrap();
        assert!(!parses(rule, text), "{rule} {text:?}: {reason}");
    }
}

#[test]
fn the_sample_of_values_is_made_of_values_of_the_story() {
    let sample: BTreeMap<String, String> = read("value-sample");
    for (member, rule) in [
        ("completed_at", "time"),
        ("corridor", "corridor"),
        ("fee", "decimal"),
        ("member", "member"),
        ("points", "decimal"),
        ("program", "program"),
        ("transaction", "transaction"),
    ] {
        assert!(parses(rule, &sample[member]), "{member}");
    }
    let first = &receipts()[0];
    let ids = (first.id.to_string(), first.transaction.to_string());
    assert_eq!(first.id.as_u128(), first.transaction.as_u128());
    let text = page("values.md");
    assert!(text.contains(&ids.0) && text.contains(&ids.1));
    assert!(ids.0.parse::<ReceiptId>().is_ok());
}

// --- connectors.md -----------------------------------------------------------------------------

#[test]
fn the_call_and_the_connectors_answer_verify() {
    let (asked, answer) = (message("connector-call"), message("connector-answer"));
    assert!(asked.has_its_digest() && answer.has_its_digest());
    let call: ReserveCall = json::read(&asked.body).unwrap();
    assert_eq!(json::canonical(&call), asked.body);
    let key_of_call = OperationKey { transaction: call.transaction, step: Step::Reserve };
    assert_eq!(asked.field("idempotency-key"), key_of_call.to_string());
    assert_eq!(call.transaction, receipts()[0].transaction);
    let view = RequestView { authority: "aurora.example", ..asked.request() };
    let request = parse_request(&view, Tag::Callback, created()).unwrap();
    request.verify(key("gateway").public_key()).unwrap();
    let binding = RequestBinding { view, label: &request.label, signature: &request.signature };
    let response = ResponseView { status: 200, headers: &answer.headers };
    let signed = parse_response(&response, &binding, Tag::CallbackResponse, created()).unwrap();
    signed.verify(key("aurora-air").public_key()).unwrap();
    let operation: Operation = read_whole("connector-operation");
    assert_eq!((operation.state, operation.status), (OperationState::Done, Some(200)));
    let reserved: Reserved = json::read(&answer.body).unwrap();
    assert_eq!(serde_json::to_value(reserved).unwrap(), operation.body.unwrap());
    assert!(page("connectors.md").contains(&format!("operations/{key_of_call}`")));
}

#[test]
fn the_connectors_refusals_are_the_codes_own() {
    let refusal: Refusal = read_whole("connector-refusal");
    assert_eq!(refusal, Refusal::new(RefusalCode::InsufficientPoints, "too few points"));
    let text = page("connectors.md");
    for code in RefusalCode::ALL {
        let row = format!("| `{}` | {} |", code.as_str(), code.status());
        assert_eq!(text.matches(&row).count(), 1, "{row}");
    }
    for step in Step::ALL {
        assert!(text.contains(&format!("| `POST {step}` |")), "{step}");
    }
}

#[test]
fn the_benefit_is_given_by_a_credit() {
    let call: CreditCall = read_whole("connector-benefit");
    let Some(Gift::Benefit(benefit)) = call.gift() else { panic!("no benefit") };
    assert_eq!(benefit.price.micros() - benefit.cash.micros(), call.amount.micros());
}

#[test]
fn the_conformance_report_is_signed_and_counts_its_cases() {
    let report: ConformanceReport = read_whole("conformance-report");
    let parsed = jws::parse(&line("conformance-jws")).unwrap();
    parsed.verify(JwsType::Conformance, key("gateway").public_key()).unwrap();
    assert_eq!(parsed.payload, json::canonical(&report));
    assert_eq!(report.brand_key, *key("aurora-air").kid());
    for (outcome, count) in [
        (CaseOutcome::Passed, report.passed),
        (CaseOutcome::Failed, report.failed),
        (CaseOutcome::NotTried, report.not_tried),
    ] {
        assert_eq!(ConformanceReport::count(&report.cases, outcome), count);
    }
}

// --- consents.md -------------------------------------------------------------------------------

#[test]
fn the_consent_is_signed_by_its_source_over_its_canonical_form() {
    let consent: DebitConsent = read_whole("consent");
    let (signed, shown) = DebitConsent::read_signed(&line("consent-jws")).unwrap();
    assert_eq!((&shown, signed.payload.as_slice()), (&consent, jcs("consent").as_slice()));
    let at = "2026-11-23T04:05:06.789Z".parse().unwrap();
    assert_eq!(consent.verify_signature(&signed, &partner_keys(), at), Ok(()));
    assert!(consent.covers(TransactionKind::Redemption, Some(&"aurora".parse().unwrap()), at));
    let Value::Object(members) = read::<Value>("consent") else { panic!("an object") };
    let text = page("consents.md");
    assert!(members.keys().all(|member| text.contains(&format!("`{member}`"))));
}

// --- calendars.md ------------------------------------------------------------------------------

#[test]
fn the_calendar_is_sound_and_every_member_of_it_is_described() {
    let calendar: Calendar = read_whole("calendar");
    assert_eq!(calendar.check(), Ok(()));
    let works = |day: &str| calendar.is_business_day(day.parse().unwrap());
    let days = ["2026-05-05", "2026-05-06", "2026-05-07", "2026-05-08", "2026-05-09", "2026-05-10"];
    assert_eq!(days.map(works), [false, true, true, true, true, false]);
    let Value::Object(members) = read::<Value>("calendar") else { panic!("an object") };
    let text = page("calendars.md");
    assert!(members.keys().all(|member| text.contains(&format!("`{member}`"))));
}

// --- netting.md --------------------------------------------------------------------------------

#[test]
fn the_netting_certificate_proves_itself_and_every_member_of_it_is_described() {
    let certificate: NettingCertificate = read_whole("netting");
    assert_eq!(certificate.check(), Ok(()));
    // The page works the proof out: 42 less 1.
    let text = page("netting.md");
    assert!(text.contains("42 − 1 = 41") && certificate.set_off.effort.moved.to_string() == "41");
    let Value::Object(members) = read::<Value>("netting") else { panic!("an object") };
    for member in members.keys() {
        assert!(text.contains(&format!("`{member}`")), "{member}");
    }
}

// --- shares.md ---------------------------------------------------------------------------------

#[test]
fn calculations_prove_themselves_and_every_member_of_them_is_described() {
    let inputs: RevenueInputs = read_whole("revenue-inputs");
    assert_eq!(inputs.check(), Ok(()));
    let waterfall: Waterfall = read_whole("waterfall");
    assert_eq!(waterfall.check(), Ok(()));
    let share: LossShare = read_whole("loss-share");
    assert_eq!(share.check(), Ok(()));
    assert!(waterfall.shares().unwrap().contains(&share));
    let text = page("shares.md");
    for kind in ["revenue-inputs", "waterfall", "loss-share"] {
        let Value::Object(members) = read::<Value>(kind) else { panic!("an object") };
        for member in members.keys() {
            assert!(text.contains(&format!("`{member}`")), "{kind}: {member}");
        }
    }
}

// --- erasures.md -------------------------------------------------------------------------------

#[test]
fn the_erasure_is_signed_over_exactly_the_payload_shown_and_names_a_receipts_member() {
    let erasure: Erasure = read_whole("erasure");
    let parsed = jws::parse(&line("erasure-jws")).unwrap();
    parsed.verify(JwsType::Erasure, key("gateway").public_key()).unwrap();
    assert_eq!(parsed.payload, erasure.payload());
    assert_eq!(parsed.payload, jcs("erasure"));
    assert_eq!(erasure.requested_with, *key("aurora-air").kid());
    let receipt = &receipts()[0];
    let named = erasure.pseudonyms.iter().find(|one| one.corridor == receipt.corridor);
    assert_eq!(Some(&named.unwrap().member), receipt.source.member());
    let Value::Object(members) = read::<Value>("erasure") else { panic!("an object") };
    let text = page("erasures.md");
    for member in members.keys() {
        assert!(text.contains(&format!("`{member}`")), "{member}");
    }
}

// --- http-signatures.md ------------------------------------------------------------------------

/// A message as its page shows it: start line, fields, an empty line, the body on one line.
struct Message {
    start: String,
    headers: HeaderList,
    body: Vec<u8>,
}

fn message(kind: &str) -> Message {
    let text = block(kind);
    let (head, body) = text.split_once("\n\n").unwrap();
    let mut lines = head.lines();
    let start = lines.next().unwrap().to_owned();
    let mut headers = HeaderList::default();
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        headers.push(name, value.as_bytes());
    }
    Message { start, headers, body: body.strip_suffix('\n').unwrap().as_bytes().to_vec() }
}

impl Message {
    fn field(&self, name: &str) -> String {
        match *self.headers.values(name) {
            [one] => text_of(one).to_owned(),
            ref other => panic!("{} fields {name}", other.len()),
        }
    }

    fn request(&self) -> RequestView<'_> {
        let words: Vec<&str> = self.start.split(' ').collect();
        let (path, query) = match words[1].split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (words[1], None),
        };
        let authority = "gateway.example";
        RequestView { method: words[0], authority, path, query, headers: &self.headers }
    }

    fn has_its_digest(&self) -> bool {
        verify_content_digest(&self.headers.values("content-digest"), &self.body).is_ok()
    }
}

/// When the story's first request was signed.
fn created() -> Timestamp {
    "2026-11-23T04:05:06.000Z".parse().unwrap()
}

#[test]
fn the_request_verifies_and_its_base_is_the_one_shown() {
    let message = message("request");
    assert_eq!(message.field("host"), "gateway.example");
    assert!(message.has_its_digest());
    assert!(message.field("idempotency-key").parse::<IdempotencyKey>().is_ok());
    assert_eq!(message.field("accept-signature"), ACCEPT_SIGNATURE);
    let signed = parse_request(&message.request(), Tag::Request, created()).unwrap();
    signed.verify(key("aurora-air").public_key()).unwrap();
    assert_eq!(format!("{}\n", text_of(&signed.base)), block("request-base"));
    assert_eq!(signed.covered, required_components("POST"));
    assert!(page("http-signatures.md").contains(&Hash::of(&signed.base).to_string()));

    let at =
        |seconds| parse_request(&message.request(), Tag::Request, created().plus_seconds(seconds));
    assert!(at(300).is_ok() && at(301).is_err() && at(-60).is_ok() && at(-61).is_err());
}

#[test]
fn the_request_orders_the_pages_quote() {
    let order: OrderRequest = json::read(&message("request").body).unwrap();
    let quote: Quote = read("quote");
    assert_eq!(order.quote, quote.token);
    let first = &receipts()[0];
    assert_eq!(Hash::of(&order_bytes(&quote.id.to_string(), &order.source_reference)), first.order);
    assert_eq!(first.quote, Some(quote.id));
}

#[test]
fn the_answer_verifies_and_its_base_is_the_one_shown() {
    let (asked, answer) = (message("request"), message("response"));
    assert!(answer.has_its_digest());
    let request = parse_request(&asked.request(), Tag::Request, created()).unwrap();
    let status = answer.start.split(' ').nth(1).unwrap().parse().unwrap();
    let view = ResponseView { status, headers: &answer.headers };
    let binding = RequestBinding {
        view: asked.request(),
        label: &request.label,
        signature: &request.signature,
    };
    let signed = parse_response(&view, &binding, Tag::Response, created()).unwrap();
    signed.verify(key("gateway").public_key()).unwrap();
    assert_eq!(format!("{}\n", text_of(&signed.base)), block("response-base"));
    let problem: Problem = json::read(&answer.body).unwrap();
    assert_eq!(problem.status, status);
    assert_eq!(text_of(&answer.body), text_of(&jcs("problem")));
}

#[test]
fn the_batchs_orders_lead_to_the_root_that_it_carries() {
    let leaves = block("order-leaves");
    let field = line("alliance-orders");
    let root = orders_root(leaves.lines().map(str::as_bytes));
    assert_eq!(orders_digest(&root), field);
    assert_eq!(parse_orders_digest(&[field.as_bytes()]), Ok(root));
    let first = leaves.lines().next().unwrap();
    assert_eq!(Hash::of(first.as_bytes()), receipts()[1].order);
}

#[test]
fn the_seen_receipt_is_the_second() {
    let seen: Seen = line("alliance-seen").parse().unwrap();
    let second = &payloads()[1];
    assert_eq!((seen.seq, seen.hash), (2, Hash::of(second)));
    assert_eq!(seen.to_string(), line("alliance-seen"));
}

#[test]
fn an_order_without_an_amount_has_null_in_its_place() {
    let body = br#"{"reason":"customer_request","source_reference":"return-9"}"#;
    let request: ReversalRequest = json::read(body).unwrap();
    let bytes = reversal_bytes(receipts()[0].transaction, &request);
    assert!(text_of(&bytes).starts_with(r#"{"amount":null,"source_reference":"#));
    assert!(page("http-signatures.md").contains(r#"`"amount":null`"#));
}

// --- boards.md ---------------------------------------------------------------------------------

#[test]
fn the_board_is_signed_computed_and_commits_to_its_pairs() {
    let board: Board = read("board");
    let signed = jws::parse(&line("board-jws")).unwrap();
    assert_eq!(text_of(&signed.payload), text_of(&jcs("board")));
    assert_eq!(text_of(&board.payload()), text_of(&signed.payload));
    signed.verify(JwsType::Board, key("gateway").public_key()).unwrap();
    for value in &board.values {
        value.recompute().unwrap();
    }
    let pairs: Vec<CommittedTerms> = read("board-pairs");
    assert!(pairs.iter().all(|pair| pair.stand_on(&board)), "{pairs:?}");
    let terms: Vec<PairTerms> = pairs.into_iter().map(|pair| pair.terms).collect();
    assert_eq!(TermsRoot::of(&terms), board.terms);
}

#[test]
fn the_page_of_boards_names_every_member() {
    let tables: String = page("boards.md").lines().filter(|line| line.starts_with('|')).collect();
    let Value::Object(members) = read::<Value>("board") else { panic!("an object") };
    let Value::Array(pairs) = read::<Value>("board-pairs") else { panic!("a list") };
    let value = members["values"][0].as_object().unwrap();
    let terms = pairs[0]["terms"].as_object().unwrap();
    for name in members.keys().chain(value.keys()).chain(terms.keys()) {
        // Whose points are given and arrive, and how many, is said where the pair is.
        let said = ["source", "target", "volume", "flow"].contains(&name.as_str());
        assert!(said || tables.contains(&format!("`{name}`")), "{name}");
    }
}

// --- events.md ---------------------------------------------------------------------------------

#[test]
fn the_event_tells_what_its_receipt_says_and_its_id_and_cursor_follow_from_its_place() {
    let event: Event = read("event");
    assert_eq!(serde_json::to_value(&event).unwrap(), read::<Value>("event"));
    let (alliance, partner) = ("demo".parse().unwrap(), "aurora-air".parse().unwrap());
    let number = event.number().unwrap();
    assert_eq!(event.id, event_id(&alliance, &partner, number, event.time));
    let cursor: EventCursor = line("event-cursor").parse().unwrap();
    assert_eq!(cursor.number(&alliance, &partner), Some(number));
    assert!(page("events.md").matches(cursor.as_str()).count() > 2, "the page uses one cursor");
    let (told, receipt) = (event.data::<TransactionEvent>().unwrap(), &receipts()[0]);
    assert_eq!((told.receipt, told.seq), (Some(receipt.id), Some(receipt.seq)));
    assert_eq!((told.source, told.target), (receipt.source.clone(), receipt.target.clone()));
    assert_eq!((told.rate, told.settlement), (receipt.rate.clone(), receipt.settlement.clone()));
    assert_eq!((told.id, event.time), (receipt.transaction, receipt.completed_at));
}

/// What a type's data is written back to.
fn written_back(kind: &EventType, data: Value) -> Value {
    fn through<T: serde::de::DeserializeOwned + serde::Serialize>(data: Value) -> Value {
        serde_json::to_value(serde_json::from_value::<T>(data).unwrap()).unwrap()
    }
    match kind.as_str().split('.').next().unwrap() {
        "transaction" => through::<TransactionEvent>(data),
        "link" => through::<LinkEvent>(data),
        "consent" => through::<ConsentEvent>(data),
        "member" => through::<MemberEvent>(data),
        "board" => through::<BoardEvent>(data),
        "pair" => through::<PairEvent>(data),
        "override" => through::<OverrideEvent>(data),
        "agreement" => through::<AgreementEvent>(data),
        "campaign" => through::<CampaignEvent>(data),
        "endpoint" => through::<EndpointEvent>(data),
        "partner" => through::<PartnerEvent>(data),
        "statement" => through::<StatementEvent>(data),
        "window" => through::<Window>(data),
        other => panic!("no data of {other} is known"),
    }
}

#[test]
fn every_type_of_event_has_its_row_and_its_sample() {
    let samples = block("event-samples");
    let mut seen = Vec::new();
    for line in samples.lines() {
        let sample: Value = json::read(line.as_bytes()).unwrap();
        assert_eq!(text_of(&serde_json_canonicalizer::to_vec(&sample).unwrap()), line);
        let kind = EventType::known(sample["type"].as_str().unwrap()).unwrap();
        assert_eq!(written_back(&kind, sample["data"].clone()), sample["data"], "{line}");
        seen.push(kind);
    }
    assert_eq!(seen, EventType::KNOWN);
    let text = page("events.md");
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| `")).collect();
    let named = rows.iter().map(|row| row_cells(row)[0]).filter_map(EventType::known);
    assert_eq!(named.collect::<Vec<_>>(), EventType::KNOWN);
    let Value::Object(members) = read::<Value>("event") else { panic!("an object") };
    for member in members.keys() {
        assert!(rows.iter().any(|row| row_cells(row)[0] == member), "{member}");
    }
}

// --- agreements.md -----------------------------------------------------------------------------

#[test]
fn the_campaign_adds_what_the_page_says() {
    let campaign: Campaign = read_whole("campaign");
    assert_eq!(campaign.faults(None), []);
    assert!(!campaign.comes_round());
    let quote: Quote = read("quote");
    let segment = "new-members".parse().unwrap();
    assert!(campaign.covers(quote.source.program().unwrap(), quote.target.program().unwrap()));
    assert!(campaign.is_for(None, Some(&segment)) && !campaign.is_for(None, None));
    let bonus: Bonus = read_whole("campaign-bonus");
    let target = quote.target.amount().to_minor(0).unwrap();
    let added = arithmetic::bonus(target, 0, quote.rate.target_value, campaign.multiplier).unwrap();
    assert_eq!(bonus.points.to_minor(0), Some(added.points));
    assert_eq!(bonus.cost.micros(), added.cost);
    let lines: Vec<Posting> = read_whole("campaign-postings");
    assert_eq!((lines[0].amount, lines[1].amount), (bonus.points, bonus.cost));
    assert_eq!(lines[1].debit, Account::Campaign(bonus.campaign));
    assert_eq!(lines[1].credit, Account::Position(quote.target.partner().clone()));
}

#[test]
fn the_agreement_is_signed_by_both_over_its_canonical_form() {
    let agreement: Agreement = read_whole("agreement");
    let known = |partner: &str, program: &str| KnownProgram {
        partner: partner.parse().unwrap(),
        program: program.parse().unwrap(),
        scale: 0,
    };
    let programs = [known("aurora-air", "aurora"), known("borealis-coffee", "borealis")];
    assert_eq!(agreement.faults(Some(&programs)), []);
    let (a, b) = (line("agreement-a-jws"), line("agreement-b-jws"));
    assert_eq!(a, agreement.sign(&key("aurora-air")));
    assert_eq!(b, agreement.sign(&key("borealis-coffee")));
    let now: Timestamp = "2026-11-23T04:05:06.789Z".parse().unwrap();
    let at = SignedAt { a: now, b: now };
    let verified = verify_agreement(&a, &b, &partner_keys(), at).unwrap();
    assert_eq!(verified.hash.to_string(), line("agreement-hash"));
    assert_eq!(text_of(&agreement.payload()), text_of(&jcs("agreement")));
}

#[test]
fn the_next_agreement_follows_on_it_and_changes_what_is_said() {
    let first: Agreement = read_whole("agreement");
    let next: Agreement = read_whole("agreement-next");
    assert_eq!(next.faults(None), []);
    assert_eq!((next.previous, next.version), (first.hash(), first.version + 1));
    let changes: Vec<String> = diff(Some(&first), &next).iter().map(ToString::to_string).collect();
    assert_eq!(changes.join("\n") + "\n", block("agreement-diff"));
}

#[test]
fn the_page_of_agreements_names_every_member() {
    let Value::Object(members) = read::<Value>("agreement") else { panic!("an object") };
    let text = page("agreements.md");
    let table = text.split("## Format").nth(1).unwrap().split("## Versions").next().unwrap();
    for member in members.keys() {
        let told = [format!("`{member}`"), format!("`{member}.")];
        assert!(told.iter().any(|told| table.contains(told)), "{member}");
    }
}

// --- quotes.md ---------------------------------------------------------------------------------

#[test]
fn the_token_is_signed_and_says_what_the_quote_says() {
    let request: QuoteRequest = read_whole("quote-request");
    let quote: Quote = read_whole("quote");
    let claims: QuoteClaims = read_whole("quote-claims");
    let token = jws::parse(&quote.token).unwrap();
    token.verify(JwsType::Quote, key("gateway").public_key()).unwrap();
    assert_eq!(text_of(&token.payload), text_of(&jcs("quote-claims")));
    let mut said: Value = read("quote");
    let mut claimed: Value = read("quote-claims");
    for member in ["alliance", "caller"] {
        claimed.as_object_mut().unwrap().remove(member).unwrap();
    }
    said.as_object_mut().unwrap().remove("token").unwrap();
    for side in ["source", "target"] {
        assert_ne!(claimed[side]["member"], said[side]["member"]);
        claimed[side]["member"] = said[side]["member"].clone();
    }
    assert_eq!(claimed, said);
    assert_eq!((claims.alliance.as_str(), claims.caller.as_str()), ("demo", "aurora-air"));
    let asked = request.amount.unwrap();
    assert_eq!((asked.side, asked.value), (Side::Source, quote.source.amount()));
}

#[test]
fn the_rate_with_every_member_says_nothing_twice() {
    let rate: Rate = read_whole("rate");
    assert!(rate.in_range() && !rate.surcharge.is_zero());
    assert!(rate.fee_bearer != FeeBearer::Member && rate.multiplier != Decimal::ONE);
    let plain = Rate::plain(rate.board, rate.fee, rate.source_value, rate.target_value);
    let members = json::canonical(&plain);
    let members = text_of(&members);
    for member in ["fee_bearer", "multiplier", "surcharge"] {
        assert!(!members.contains(member), "{members}");
        assert!(page("quotes.md").contains(&format!("| `{member}` |")));
    }
}

fn part(case: &Value, member: &str) -> Decimal {
    case[member].as_str().unwrap().parse().unwrap()
}

fn part_or(case: &Value, member: &str, absent: Decimal) -> Decimal {
    if case.get(member).is_some() { part(case, member) } else { absent }
}

#[test]
fn the_arithmetic_comes_to_the_digits_shown() {
    let (mut remainders, mut bearers) = (0, BTreeSet::new());
    let blocks = [block("arithmetic"), block("arithmetic-extended")].concat();
    for row in blocks.lines() {
        let case: Value = json::read(row.as_bytes()).unwrap();
        let scale = |member: &str| u32::try_from(case[member].as_u64().unwrap()).unwrap();
        let bearer = case.get("fee_bearer").cloned().unwrap_or_else(|| "member".into());
        bearers.insert(bearer.to_string());
        let terms = Terms {
            source_scale: scale("source_scale"),
            source_value: part(&case, "source_value"),
            target_scale: scale("target_scale"),
            target_value: part(&case, "target_value"),
            multiplier: part_or(&case, "multiplier", Decimal::ONE),
            fee: part(&case, "fee"),
            fee_bearer: serde_json::from_value(bearer).unwrap(),
        };
        let value = part(&case, "value");
        let result = match case["side"].as_str().unwrap() {
            "source" => exchange_by_source(&terms, value.to_minor(terms.source_scale).unwrap()),
            _ => exchange_by_target(&terms, value.to_minor(terms.target_scale).unwrap()),
        };
        let shown = &case["result"];
        let money = |member: &str| part(shown, member).micros();
        let expected = Amounts {
            source: part(shown, "source").to_minor(terms.source_scale).unwrap(),
            target: part(shown, "target").to_minor(terms.target_scale).unwrap(),
            gross: money("gross"),
            fee: money("fee"),
            net: money("net"),
            remainder: money("remainder"),
        };
        assert_eq!(result, Ok(expected), "{row}");
        remainders += i32::from(expected.remainder > 0);
    }
    assert!(remainders > 0 && bearers.len() == 3);
}

#[test]
fn the_receipts_follow_from_the_arithmetic() {
    let receipts = receipts();
    let amounts = |receipt: &Receipt| {
        let settlement = receipt.settlement.as_ref().unwrap();
        Amounts {
            source: receipt.source.amount().to_minor(0).unwrap(),
            target: receipt.target.amount().to_minor(0).unwrap(),
            gross: settlement.gross.micros(),
            fee: settlement.fee.micros(),
            net: settlement.net.micros(),
            remainder: settlement.remainder.micros(),
        }
    };
    for receipt in &receipts[..2] {
        let rate = &receipt.rate;
        let computed =
            exchange_by_source(&rate.terms(0, 0), receipt.source.amount().to_minor(0).unwrap());
        assert_eq!(computed, Ok(amounts(receipt)));
    }
    let (original, done) = (amounts(&receipts[0]), Reversed::default());
    let Reversal { moves, exceeds, .. } =
        arithmetic::reversal(&original, done, ReversalAsk::Source(10)).unwrap();
    assert!(!exceeds);
    assert_eq!(moves, amounts(&receipts[2]));
    // The digits that the page tells in words.
    let text = page("quotes.md");
    for micros in [moves.net, moves.fee, moves.gross] {
        assert!(text.contains(&format!("`{}`", format_micros(micros.into()))));
    }
}

// --- kinds.md ----------------------------------------------------------------------------------

/// What of a quote, or of a receipt, the page shows.
#[derive(serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
struct KindTerms {
    kind: TransactionKind,
    rate: Rate,
    settlement: Settlement,
    source: QuoteSide,
    target: QuoteSide,
}

impl KindTerms {
    fn amounts(&self, source_scale: u32, target_scale: u32) -> Amounts {
        Amounts {
            source: self.source.amount().to_minor(source_scale).unwrap(),
            target: self.target.amount().to_minor(target_scale).unwrap(),
            gross: self.settlement.gross.micros(),
            fee: self.settlement.fee.micros(),
            net: self.settlement.net.micros(),
            remainder: self.settlement.remainder.micros(),
        }
    }

    /// What the lines come to, by debit and credit: those of an exchange, the side left out that
    /// has no account.
    fn lines(&self) -> Vec<(String, String, Decimal)> {
        let s = &self.settlement;
        let position = |partner: &PartnerId| format!("position:{partner}");
        let mut lines = Vec::new();
        if let Some(source) = self.source.account() {
            let (member, issued) = (source.member.clone(), format!("issued:{}", source.program));
            lines.push((member, issued, source.amount));
        }
        if let Some(target) = self.target.account() {
            let (member, issued) = (target.member.clone(), format!("issued:{}", target.program));
            lines.push((issued, member, target.amount));
        }
        let debtor = position(&s.debtor);
        lines.push((debtor.clone(), position(&s.creditor), s.net));
        lines.push((debtor.clone(), "alliance:fees".to_owned(), s.fee));
        lines.push((debtor, "alliance:rounding".to_owned(), s.remainder));
        lines.retain(|(.., amount)| !amount.is_zero());
        lines
    }
}

/// The lines as the page shows them, members by the reference that their pseudonym stands for.
fn shown_lines(kind: &str) -> Vec<(String, String, Decimal)> {
    let receipts = receipts();
    let names = [("A-1001", receipts[0].source.member()), ("B-77", receipts[0].target.member())];
    let name = |account: &Account| match account {
        Account::Member(_, pseudonym) => {
            let known = names.iter().find(|(_, known)| *known == Some(pseudonym));
            known.expect("one of the story's two").0.to_owned()
        }
        other => other.to_string(),
    };
    let shown: Vec<Posting> = read_whole(kind);
    shown.iter().map(|line| (name(&line.debit), name(&line.credit), line.amount)).collect()
}

#[test]
fn a_redemption_comes_to_the_digits_shown_and_so_does_its_reversal() {
    let request: QuoteRequest = read_whole("redemption-request");
    let terms: KindTerms = read_whole("redemption-terms");
    let AskedSide::Item(asked) = &request.target else { panic!("an item") };
    let item = terms.target.item().unwrap();
    assert_eq!((&item.item, item.price, item.cash), (&asked.item, asked.price, asked.cash));
    assert_eq!((Some(item.amount), request.amount), (asked.amount(), None));
    assert_eq!((terms.kind, request.kind), (TransactionKind::Redemption, request.kind));
    let quote: Quote = read("quote");
    assert_eq!(terms.rate.source_value, quote.rate.source_value);
    let whole = terms.amounts(0, 6);
    let computed = exchange_by_target(&terms.rate.terms(0, 6), item.amount.micros());
    assert_eq!(computed, Ok(whole));
    assert_eq!(shown_lines("redemption-postings"), terms.lines());
    let back: KindTerms = read_whole("redemption-reversal");
    let part = ReversalAsk::Target(back.target.amount().micros());
    let worked = arithmetic::reversal(&whole, Reversed::default(), part).unwrap();
    assert_eq!((worked.moves, worked.exceeds), (back.amounts(0, 6), false));
    assert_eq!(back.rate, terms.rate);
    assert_eq!(back.settlement.debtor, terms.settlement.creditor);
    assert_eq!(back.target, terms.target.with_amount(back.target.amount()));
}

#[test]
fn an_accrual_comes_to_the_digits_shown() {
    let request: QuoteRequest = read_whole("accrual-request");
    let terms: KindTerms = read_whole("accrual-terms");
    assert_eq!((request.kind, terms.kind), (TransactionKind::Accrual, request.kind));
    let asked = request.amount.unwrap();
    assert_eq!((asked.side, asked.value), (Side::Target, terms.target.amount()));
    let quote: Quote = read("quote");
    assert_eq!(terms.rate.target_value, quote.rate.target_value);
    let minor = asked.value.to_minor(0).unwrap();
    let computed = arithmetic::accrual(0, terms.rate.target_value, terms.rate.fee, minor);
    assert_eq!(computed, Ok(terms.amounts(0, 0)));
    assert_eq!(shown_lines("accrual-postings"), terms.lines());
}

// --- receipts.md -------------------------------------------------------------------------------

#[test]
fn the_receipt_is_signed_over_exactly_the_payload_shown() {
    let payload = jcs("receipt-payload");
    let jws = line("receipt-jws");
    let parsed = jws::parse(&jws).unwrap();
    parsed.verify(JwsType::Receipt, key("gateway").public_key()).unwrap();
    assert_eq!(text_of(&parsed.payload), text_of(&payload));
    assert_eq!(receipt::parse(&payload).unwrap().to_payload(), payload);
    assert_eq!(Hash::of(&payload).to_string(), line("receipt-hash"));
    assert_eq!(payloads()[0], payload);
    assert!(page("receipts.md").contains(&format!("({} bytes)", payload.len())));
}

#[test]
fn the_table_of_the_payload_names_every_member() {
    let text = page("receipts.md");
    let table = text.split("## Format: payload").nth(1).unwrap().split("\n## ").next().unwrap();
    let firsts: String =
        table.lines().filter_map(|row| row.strip_prefix("| ")?.split(" | ").next()).collect();
    let payload: BTreeMap<String, Value> = read("receipt-payload");
    for member in payload.keys() {
        assert!(firsts.contains(&format!("`{member}`")), "{member}");
    }
}

#[test]
fn the_reversal_posts_the_originals_lines_the_other_way_round() {
    let receipts = receipts();
    let shown: Vec<Posting> = read_whole("reversal-postings");
    assert_eq!(shown, receipts[2].postings);
    assert_eq!(receipts[2].kind, TransactionKind::Reversal);
    assert_eq!(receipts[2].reverses, Some(receipts[0].transaction));
    for (there, back) in receipts[0].postings.iter().zip(&shown) {
        assert_eq!((&there.debit, &there.credit), (&back.credit, &back.debit));
    }
    let (one, other) =
        (receipts[0].settlement.as_ref().unwrap(), receipts[2].settlement.as_ref().unwrap());
    assert_eq!((&one.debtor, &one.creditor), (&other.creditor, &other.debtor));
}

#[test]
fn the_opening_gives_the_pseudonym() {
    let opening: Opening = read_whole("opening");
    let secret = base64_decode_array::<32>(&opening.key).unwrap();
    let message = json::canonical(&("demo", &opening.corridor, "aurora", "A-1001"));
    assert_eq!(text_of(&message), line("pseudonym-input"));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), &message);
    assert_eq!(hex_encode(tag.as_ref()), opening.member.as_str());
    assert_eq!(receipts()[0].source.member(), Some(&opening.member));
}

/// A piece of evidence as the page shows it.
struct Shown {
    base: Vec<u8>,
    body: Option<Vec<u8>>,
    evidence: Evidence,
    inclusion: Option<OrderInclusion>,
    order: Vec<u8>,
}

fn shown_evidence(kind: &str) -> Shown {
    let list: Value = read(kind);
    let [detail] = list["evidence"].as_array().unwrap().as_slice() else { panic!("one entry") };
    let bytes = |member: &str| detail[member].as_str().map(|text| base64_decode(text).unwrap());
    Shown {
        base: bytes("base").unwrap(),
        body: bytes("body"),
        evidence: serde_json::from_value(detail["evidence"].clone()).unwrap(),
        inclusion: detail.get("inclusion").map(|i| serde_json::from_value(i.clone()).unwrap()),
        order: bytes("order").unwrap(),
    }
}

fn covered<'b>(base: &'b [u8], component: &str) -> &'b str {
    let start = format!("\"{component}\": ");
    text_of(base).lines().find_map(|line| line.strip_prefix(&start)).expect(component)
}

fn check_signature(shown: &Shown, receipt: &Receipt) {
    assert_eq!(receipt.evidence, std::slice::from_ref(&shown.evidence).to_vec());
    assert_eq!(Hash::of(&shown.base), shown.evidence.base);
    let keys = partner_keys();
    let key = keys.find(&shown.evidence.kid).unwrap();
    assert_eq!(key.partner.as_deref(), Some(shown.evidence.partner.as_str()));
    assert!(key.valid_at(receipt.completed_at));
    let signature = base64_decode(&shown.evidence.signature).unwrap();
    key.public.verify(&shown.base, &signature).unwrap();
    assert_eq!(Hash::of(&shown.order), receipt.order);
}

#[test]
fn the_evidence_proves_who_ordered_the_first_receipt() {
    let (shown, first) = (shown_evidence("evidence"), &receipts()[0]);
    check_signature(&shown, first);
    assert_eq!(format!("{}\n", text_of(&shown.base)), block("request-base"));
    let body = shown.body.unwrap();
    assert_eq!(body, message("request").body);
    assert_eq!(covered(&shown.base, "content-digest"), content_digest(&body));
}

#[test]
fn the_evidence_of_a_batch_proves_who_ordered_the_second() {
    let (shown, second) = (shown_evidence("evidence-batch"), &receipts()[1]);
    check_signature(&shown, second);
    assert!(shown.body.is_none());
    let inclusion = shown.inclusion.unwrap();
    let hashes = hashes(&inclusion.hashes);
    let field = covered(&shown.base, "alliance-orders");
    assert_eq!(field, line("alliance-orders"));
    let root = parse_orders_digest(&[field.as_bytes()]).unwrap();
    let leaf = leaf_hash(&shown.order);
    verify_inclusion(inclusion.index, inclusion.size, &leaf, &root, &hashes).unwrap();
    assert_eq!(covered(&shown.base, "@path"), "/v1/transactions/batch");
    let seen: Seen = covered(&shown.base, "alliance-seen").parse().unwrap();
    assert_eq!((seen.seq, seen.hash), (1, Hash::of(&payloads()[0])));
}

#[test]
fn the_crate_reads_and_writes_the_evidence_as_the_page_shows_it() {
    read_whole::<EvidenceList>("evidence");
    read_whole::<EvidenceList>("evidence-batch");
}

#[test]
fn a_batch_request_is_read_as_the_crate_has_it() {
    // The batch's body is not on a page; its form is.
    let body = br#"{"orders":[{"key":"k","quote":"t","source_reference":"r"}]}"#;
    assert!(json::read::<OrderBatchRequest>(body).is_ok());
}

// --- receipts-file.md --------------------------------------------------------------------------

#[test]
fn the_file_is_a_whole_chain_and_its_end_says_so() {
    let file = block("receipts-file");
    let payloads = payloads();
    assert_eq!(file.lines().count(), payloads.len() + 1);
    let mut prev = Hash::ZERO;
    let mut then = Timestamp::from_millis(0);
    for (at, payload) in payloads.iter().enumerate() {
        let receipt = receipt::parse(payload).unwrap();
        assert_eq!(receipt.seq, at as u64 + 1);
        assert_eq!(receipt.prev, prev);
        assert_eq!(receipt.id.as_u128(), receipt.transaction.as_u128());
        assert!(receipt.completed_at >= then);
        (prev, then) = (Hash::of(payload), receipt.completed_at);
    }
    let last = file.lines().last().unwrap();
    let trailer: StreamTrailer = json::read(last.as_bytes()).unwrap();
    assert_eq!(json::canonical(&trailer), last.as_bytes());
    assert_eq!((trailer.end.seq, trailer.end.head), (payloads.len() as u64, prev));
    let said = format!("aurora-air~borealis-coffee: {} receipts, head {prev}", payloads.len());
    assert_eq!(line("receipts-file-head"), said);
}

// --- checkpoints-and-proofs.md -----------------------------------------------------------------

fn hashes(texts: &[String]) -> Vec<Hash> {
    texts.iter().map(|text| base64_decode_array::<32>(text).unwrap().into()).collect()
}

fn leaves() -> Vec<Hash> {
    payloads().iter().map(|payload| leaf_hash(payload)).collect()
}

const ORIGIN: &str = "alliance/demo/aurora-air~borealis-coffee";

#[test]
fn the_tree_has_the_hashes_shown() {
    let leaves = leaves();
    let expected = format!(
        "leaf 0 {}\nleaf 1 {}\nleaf 2 {}\nnode 0-1 {}\nroot {}\n",
        leaves[0],
        leaves[1],
        leaves[2],
        node_hash(&leaves[0], &leaves[1]),
        root_of(&leaves),
    );
    assert_eq!(block("tree"), expected);
}

#[test]
fn the_checkpoints_are_signed_and_cosigned_over_the_receipts() {
    let vkeys: Vec<VerifierKey> =
        block("vkeys").lines().map(|text| VerifierKey::parse(text).unwrap()).collect();
    let [log, clock, witness] = vkeys.as_slice() else { panic!("three verifier keys") };
    assert_eq!((log.name.as_str(), log.alg), (ORIGIN, ALG_ED25519));
    assert_eq!((clock.name.as_str(), clock.alg), (ORIGIN, ALG_COSIGNATURE_V1));
    assert_eq!(witness.alg, ALG_COSIGNATURE_V1);
    for (kind, size) in [("checkpoint", 3), ("checkpoint-earlier", 2)] {
        let text = block(kind);
        let note = parse_note(&text).unwrap();
        assert_eq!(note.to_string(), text);
        let checkpoint = note.checkpoint().unwrap();
        assert_eq!((checkpoint.origin.as_str(), checkpoint.size), (ORIGIN, size));
        assert_eq!(checkpoint.root, root_of(&leaves()[..usize::try_from(size).unwrap()]));
        verify_note(&note, &log.name, key("gateway").public_key()).unwrap();
        verify_cosignature(&note, &clock.name, key("gateway").public_key()).unwrap();
    }
    let note = parse_note(&block("checkpoint")).unwrap();
    assert_eq!(note.signatures.len(), 3);
    verify_cosignature(&note, &witness.name, key("borealis-coffee").public_key()).unwrap();
    assert_eq!(log.public, *key("gateway").public_key());
    assert_eq!(witness.public, *key("borealis-coffee").public_key());
}

#[test]
fn the_proofs_hold() {
    let leaves = leaves();
    let (two, three) = (root_of(&leaves[..2]), root_of(&leaves));
    let inclusion: Proof = read_whole("inclusion-proof");
    verify_inclusion(1, 3, &leaves[1], &three, &hashes(&inclusion.hashes)).unwrap();
    let consistency: Proof = read_whole("consistency-proof");
    verify_consistency(2, &two, 3, &three, &hashes(&consistency.hashes)).unwrap();

    let text = block("tlog-proof");
    let proof = TlogProof::parse(&text).unwrap();
    assert_eq!(proof.to_string(), text);
    assert_eq!((proof.index, &proof.path), (1, &hashes(&inclusion.hashes)));
    assert_eq!(proof.checkpoint, block("checkpoint"));
    proof.verify(&payloads()[1], ORIGIN, key("gateway").public_key()).unwrap();
}

// --- keys.md -----------------------------------------------------------------------------------

#[test]
fn the_gateway_list_is_the_roots_and_the_partner_list_the_gateways() {
    let pinned = PublicKey::from_bytes(&base64url_decode(&line("root-key")).unwrap()).unwrap();
    assert_eq!(pinned, *key("root").public_key());
    let list: KeyList = read_whole("gateway-keys");
    let trusted = list.verify(&pinned).unwrap();
    assert_eq!(
        (trusted.alliance(), trusted.number(), *trusted.previous()),
        ("demo", 1, Hash::ZERO)
    );
    assert_eq!(trusted.hash().to_string(), line("statement-hash"));
    let statement: KeyStatement = read_whole("key-statement");
    assert_eq!(jws::parse(&list.statement).unwrap().payload, statement.payload());
    assert!(trusted.iter().all(|key| key.partner.is_none() && key.scope.is_none()));

    let partners: KeyList = read_whole("partner-keys");
    let signer = jws::parse(&partners.statement).unwrap().kid;
    let trusted_partners = partners.verify(&trusted.find(&signer).unwrap().public).unwrap();
    assert!(partners.verify(&pinned).is_err());
    assert!(list.verify(key("gateway").public_key()).is_err());
    for name in ["aurora-air", "borealis-coffee"] {
        let found = trusted_partners.find(key(name).kid()).unwrap();
        assert_eq!((found.partner.as_deref(), found.scope.as_deref()), (Some(name), Some("full")));
    }
}

#[test]
fn the_registration_proves_that_the_partner_has_its_second_key() {
    let asked: KeyRegistration = read_whole("key-registration");
    let second = key("aurora-air-2");
    assert_eq!(line("key-registration-jws"), asked.sign(&second));
    let jws = line("key-registration-jws");
    let proven = KeyRegistration::prove(&jws, &asked.alliance, &asked.partner).unwrap();
    assert_eq!((proven.registration(), proven.public()), (&asked, second.public_key()));
}

#[test]
fn the_table_of_scopes_is_the_scopes_own() {
    let yes = |is| if is { "yes" } else { "no" };
    let page = page("keys.md");
    for scope in KeyScope::ALL {
        let kinds = [KeyUseKind::Ask, KeyUseKind::Trade, KeyUseKind::Witness, KeyUseKind::Govern];
        let cells = kinds.map(|kind| yes(scope.allows(kind))).join(" | ");
        let row = format!("| `{}` | {cells} |", scope.as_str());
        assert!(page.contains(&row), "{row}");
    }
}

#[test]
fn the_weak_keys_are_refused() {
    for row in block("weak-keys").lines() {
        let (bytes, reason) = row.split_once(' ').unwrap();
        assert!(include_str!("../vectors/ed25519_keys.json").contains(bytes), "{bytes}");
        let bytes = hex_decode(bytes).unwrap();
        assert_eq!(bytes.len(), 32);
        assert!(PublicKey::from_bytes(&bytes).is_err(), "{reason}");
    }
}

// --- problems.md -------------------------------------------------------------------------------

#[test]
fn the_table_of_codes_is_the_codes_own() {
    let yes = |is| if is { "yes" } else { "no" };
    let expected: Vec<String> = ProblemCode::ALL
        .iter()
        .map(|code| {
            let (key, retry) = (yes(code.is_decision()), yes(code.is_retryable()));
            format!("| `{code}` | {} | {key} | {retry} | {} |", code.status(), code.meaning())
        })
        .collect();
    let text = page("problems.md");
    let table = text.split("| code | status | consumes key |").nth(1).expect("the table of codes");
    let rows: Vec<&str> = table.lines().skip(2).take_while(|line| line.starts_with('|')).collect();
    assert_eq!(rows, expected);
}

#[test]
fn the_problem_is_one_of_ours() {
    let problem: Problem = read_whole("problem");
    let new = Problem::new(problem.code, problem.detail.clone());
    assert_eq!(
        (new.status, &new.title, &new.kind),
        (problem.status, &problem.title, &problem.kind)
    );
    assert!(page("problems.md").contains(&format!("`{}<code>`", "/docs/problems#")));
}
