//! A small alliance made of fixed keys: its key lists, its receipts, its checkpoints.
#![allow(dead_code, reason = "each test binary uses its part")]

use alliance_partner_sdk::contracts as c;
use c::arithmetic::{Amounts, ReversalAsk, Reversed, Terms, exchange_by_source, reversal};
use c::corridor::{StreamEnd, StreamTrailer};
use c::decimal::Decimal;
use c::encoding::{Hash, base64_encode};
use c::ids::{QuoteId, ReceiptId, TransactionId, WindowId};
use c::jws::{self, JwsType};
use c::key_list::{Jwk, KeyList, KeyStatement, TrustedKeys};
use c::keys::SigningKey;
use c::merkle;
use c::names::{Corridor, PartnerId, Pseudonym};
use c::note::{Checkpoint, corridor_origin, sign_checkpoint};
use c::quote::{FeeBearer, Rate, Settlement, TransactionKind};
use c::receipt::{Account, Asset, Evidence, Posting, Receipt, ReceiptSide};
use c::side::AccountSide;
use c::time::Timestamp;

pub const ALLIANCE: &str = "demo";

pub fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

pub fn root() -> SigningKey {
    key(1)
}

pub fn gateway() -> SigningKey {
    key(2)
}

pub fn partner_key() -> SigningKey {
    key(3)
}

pub fn start() -> Timestamp {
    "2026-11-23T04:00:00.000Z".parse().unwrap()
}

pub fn jwk(key: &SigningKey) -> Jwk {
    Jwk::new(key.public_key(), Some("2026-01-01T00:00:00.000Z".parse().unwrap()))
}

pub fn list(number: u64, previous: Hash, keys: Vec<Jwk>) -> KeyList {
    KeyStatement { alliance: ALLIANCE.to_owned(), keys, number, previous }.publish(&root())
}

pub fn list_json(list: &KeyList) -> Vec<u8> {
    serde_json::to_vec(list).unwrap()
}

pub fn gateway_list() -> KeyList {
    list(1, Hash::ZERO, vec![jwk(&gateway())])
}

pub fn keys() -> TrustedKeys {
    gateway_list().verify(root().public_key()).unwrap()
}

pub fn corridor() -> Corridor {
    "aurora-air~borealis-coffee".parse().unwrap()
}

/// UUIDv7 bits that hold a number.
const fn bits(n: u64) -> u128 {
    (0x0190_0000_0000 << 80) | (7 << 76) | (0b10 << 62) | n as u128
}

pub fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn money(micros: i64) -> Decimal {
    Decimal::from_micros(micros).unwrap()
}

pub fn terms() -> Terms {
    Rate::plain(1, decimal("0.0125"), decimal("0.05"), decimal("0.0723")).terms(0, 2)
}

/// Terms with every member of a rate, each bearer in its turn.
pub fn extended_terms(seq: u64) -> Terms {
    let bearers = [FeeBearer::SourcePartner, FeeBearer::TargetPartner, FeeBearer::Member];
    let fee_bearer = bearers[usize::try_from(seq).unwrap() % bearers.len()];
    Terms { fee_bearer, multiplier: decimal("1.0625"), ..terms() }
}

/// The receipt of an exchange at such terms; of the fee, 0.0025 is a surcharge.
pub fn extended_receipt(seq: u64, prev: Hash) -> Receipt {
    let terms = extended_terms(seq);
    let amounts = exchange_by_source(&terms, 1_000 + i64::try_from(seq).unwrap()).unwrap();
    let mut receipt = with_amounts(seq, prev, &terms, &amounts, false);
    receipt.rate.surcharge = decimal("0.0025");
    receipt
}

/// The receipt of an exchange of that many aurora points, or of its partial reversal.
pub fn receipt(seq: u64, prev: Hash) -> Receipt {
    let exchanged = exchange_by_source(&terms(), 1_000 + i64::try_from(seq).unwrap()).unwrap();
    let reverses = seq.is_multiple_of(4);
    let amounts = match reverses {
        false => exchanged,
        true => reversal(&exchanged, Reversed::default(), ReversalAsk::Source(100)).unwrap().moves,
    };
    with_amounts(seq, prev, &terms(), &amounts, reverses)
}

pub fn with_amounts(
    seq: u64,
    prev: Hash,
    terms: &Terms,
    amounts: &Amounts,
    reverses: bool,
) -> Receipt {
    let (aurora, borealis): (PartnerId, PartnerId) =
        ("aurora-air".parse().unwrap(), "borealis-coffee".parse().unwrap());
    let (debtor, creditor) = if reverses { (&borealis, &aurora) } else { (&aurora, &borealis) };
    let points = |minor, scale| Decimal::from_minor(minor, scale).unwrap();
    let pseudonym = |hex: &str| hex.repeat(64).parse::<Pseudonym>().unwrap();
    let source = AccountSide {
        amount: points(amounts.source, terms.source_scale),
        member: pseudonym("a"),
        partner: aurora.clone(),
        program: "aurora".parse().unwrap(),
    };
    let target = AccountSide {
        amount: points(amounts.target, terms.target_scale),
        member: pseudonym("b"),
        partner: borealis.clone(),
        program: "borealis".parse().unwrap(),
    };
    let settlement = Settlement {
        creditor: creditor.clone(),
        currency: "CNY".parse().unwrap(),
        debtor: debtor.clone(),
        fee: money(amounts.fee),
        gross: money(amounts.gross),
        net: money(amounts.net),
        remainder: money(amounts.remainder),
    };
    let order = format!("order {seq}");
    Receipt {
        adjustment: None,
        alliance: ALLIANCE.parse().unwrap(),
        bonus: None,
        expiry: None,
        completed_at: start().plus_seconds(i64::try_from(seq).unwrap() / 2),
        corridor: corridor(),
        evidence: vec![Evidence {
            base: Hash::of(order.as_bytes()),
            kid: partner_key().kid().clone(),
            partner: aurora,
            signature: base64_encode(&partner_key().sign(order.as_bytes())),
        }],
        id: ReceiptId::from_u128(bits(seq)),
        kind: if reverses { TransactionKind::Reversal } else { TransactionKind::Exchange },
        order: Hash::of(order.as_bytes()),
        postings: postings(&source, &target, &settlement, reverses),
        prev,
        quote: (!reverses).then(|| QuoteId::from_u128(bits(seq))),
        rate: Rate {
            fee_bearer: terms.fee_bearer,
            multiplier: terms.multiplier,
            ..Rate::plain(1, terms.fee, terms.source_value, terms.target_value)
        },
        reverses: reverses.then(|| TransactionId::from_u128(bits(seq - 1))),
        seq,
        settlement: Some(settlement),
        source: ReceiptSide::Account(source),
        target: ReceiptSide::Account(target),
        transaction: TransactionId::from_u128(bits(seq)),
        v: 1,
        window: WindowId::from_u128(bits(1)),
    }
}

/// The member's account that a side is, to be changed.
pub fn of(side: &mut ReceiptSide) -> &mut AccountSide<Pseudonym> {
    side.account_mut().unwrap()
}

fn postings(
    source: &AccountSide<Pseudonym>,
    target: &AccountSide<Pseudonym>,
    s: &Settlement,
    reverses: bool,
) -> Vec<Posting> {
    let member =
        |side: &AccountSide<Pseudonym>| Account::Member(side.program.clone(), side.member.clone());
    let issued = |side: &AccountSide<Pseudonym>| Account::Issued(side.program.clone());
    let points = |side: &AccountSide<Pseudonym>| Asset::Program(side.program.clone());
    let money = Asset::Currency(s.currency.clone());
    let debtor = Account::Position(source.partner.clone());
    let creditor = Account::Position(target.partner.clone());
    [
        (member(source), issued(source), points(source), source.amount),
        (issued(target), member(target), points(target), target.amount),
        (debtor.clone(), creditor, money.clone(), s.net),
        (debtor.clone(), Account::Fees, money.clone(), s.fee),
        (debtor, Account::Rounding, money, s.remainder),
    ]
    .into_iter()
    .filter(|(.., amount)| !amount.is_zero())
    .map(|(debit, credit, asset, amount)| {
        let (debit, credit) = if reverses { (credit, debit) } else { (debit, credit) };
        Posting { amount, asset, credit, debit }
    })
    .collect()
}

/// Signed receipts in a chain.
#[derive(Clone)]
pub struct Chain {
    pub payloads: Vec<Vec<u8>>,
    pub jws: Vec<String>,
}

impl Chain {
    pub fn of(receipts: u64) -> Self {
        Self::altered(receipts, |_| {})
    }

    /// A chain of which some receipts say something else.
    pub fn altered(receipts: u64, alter: impl Fn(&mut Receipt)) -> Self {
        let mut chain = Self { payloads: Vec::new(), jws: Vec::new() };
        for seq in 1..=receipts {
            let mut receipt = receipt(seq, chain.head());
            alter(&mut receipt);
            let payload = receipt.to_payload();
            chain.jws.push(jws::sign(JwsType::Receipt, &payload, &gateway()));
            chain.payloads.push(payload);
        }
        chain
    }

    pub fn head(&self) -> Hash {
        self.payloads.last().map_or(Hash::ZERO, |payload| Hash::of(payload))
    }

    pub fn head_at(&self, seq: usize) -> Hash {
        if seq == 0 { Hash::ZERO } else { Hash::of(&self.payloads[seq - 1]) }
    }

    pub fn leaves(&self) -> Vec<Hash> {
        self.payloads.iter().map(|payload| merkle::leaf_hash(payload)).collect()
    }

    pub fn line(&self, seq: usize) -> Vec<u8> {
        line(&self.jws[seq - 1], &self.payloads[seq - 1])
    }

    pub fn end(&self) -> Vec<u8> {
        let seq = self.payloads.len() as u64;
        let trailer = StreamTrailer { end: StreamEnd { head: self.head(), seq } };
        [c::json::canonical(&trailer), b"\n".to_vec()].concat()
    }

    pub fn ndjson(&self) -> Vec<u8> {
        let mut all: Vec<u8> = (1..=self.jws.len()).flat_map(|seq| self.line(seq)).collect();
        all.extend(self.end());
        all
    }

    /// The signed checkpoint over the first `size` receipts.
    pub fn checkpoint(&self, size: usize, cosigned_at: Timestamp) -> String {
        checkpoint(size as u64, merkle::root_of(&self.leaves()[..size]), cosigned_at)
    }
}

pub fn line(jws: &str, payload: &[u8]) -> Vec<u8> {
    [br#"{"jws":""#, jws.as_bytes(), br#"","receipt":"#, payload, b"}\n"].concat()
}

pub fn checkpoint(size: u64, root: Hash, cosigned_at: Timestamp) -> String {
    let origin = corridor_origin(ALLIANCE, corridor().as_str());
    let seconds = u64::try_from(cosigned_at.as_seconds()).unwrap();
    sign_checkpoint(&Checkpoint { origin, size, root }, &gateway(), seconds).unwrap()
}

/// A whole export of that many receipts, drawn up without keeping the receipts.
pub fn export(receipts: u64) -> Vec<u8> {
    let (mut export, mut head, gateway) = (Vec::new(), Hash::ZERO, gateway());
    for seq in 1..=receipts {
        let payload = receipt(seq, head).to_payload();
        export.extend(line(&jws::sign(JwsType::Receipt, &payload, &gateway), &payload));
        head = Hash::of(&payload);
    }
    export.extend(c::json::canonical(&StreamTrailer { end: StreamEnd { head, seq: receipts } }));
    export.push(b'\n');
    export
}

/// The receipt of that payload, signed by the gateway with a point of low order added to R: what
/// nobody but the key's owner can make.
pub fn torsioned(payload: &[u8], torsion: usize) -> String {
    use curve25519_dalek::constants::EIGHT_TORSION;
    use curve25519_dalek::{EdwardsPoint, Scalar};
    use ring::digest::{SHA512, digest};
    let hash = |parts: &[&[u8]]| {
        let digest = digest(&SHA512, &parts.concat());
        Scalar::from_bytes_mod_order_wide(digest.as_ref().try_into().unwrap())
    };
    // RFC 8032 § 5.1.5: the secret is the clamped first half of the seed's hash.
    let mut secret: [u8; 32] = digest(&SHA512, &[2; 32]).as_ref()[..32].try_into().unwrap();
    secret[0] &= 248;
    secret[31] = secret[31] & 63 | 64;
    let secret = Scalar::from_bytes_mod_order(secret);
    let key = gateway();
    assert_eq!(EdwardsPoint::mul_base(&secret).compress().as_bytes(), key.public_key().as_bytes());
    let message = jws::signing_input(JwsType::Receipt, key.kid(), payload);
    let nonce = hash(&[b"any number will do", &message]);
    let r = (EdwardsPoint::mul_base(&nonce) + EIGHT_TORSION[torsion]).compress();
    let s = nonce + hash(&[r.as_bytes(), key.public_key().as_bytes(), &message]) * secret;
    let signature = [r.to_bytes(), s.to_bytes()].concat().try_into().unwrap();
    jws::assemble(JwsType::Receipt, key.kid(), payload, &signature)
}
