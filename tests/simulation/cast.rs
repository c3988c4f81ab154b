//! Who plays: four brands with five programs, their people, and the documents and requests that
//! they hand in. Names and numbers only; nothing here decides anything.

use std::sync::Arc;

use alliance_contracts::encoding::{Hash, base64url_encode};
use alliance_contracts::ids::{Id, Kind};
use alliance_contracts::key_list::{Jwk, KeyStatement, TrustedKeys};
use alliance_contracts::keys::SigningKey;
use alliance_contracts::link::Consent;
use alliance_contracts::names::MemberRef;
use alliance_contracts::quote::TransactionKind;
use alliance_contracts::time::Timestamp;
use alliance_settlement::alliance::Definition;
use alliance_settlement::clearing_house::Settings;
use alliance_settlement::command::{NewMember, RequestEvidence};
use alliance_settlement::vault::{Lookup, Sought, Vault};

/// The brands. The last has no agreement with the second.
pub const PARTNERS: [&str; 4] = ["aurora-air", "borealis-coffee", "cumulus-stay", "dune-rail"];

/// Programs: name, partner, decimals.
pub const PROGRAMS: [(&str, usize, u32); 5] = [
    ("aurora", 0, 0),
    ("aurora-gold", 0, 2),
    ("borealis", 1, 1),
    ("cumulus", 2, 2),
    ("dune", 3, 0),
];

/// Settlement currency per point at the beginning, in 10⁻⁶.
pub const VALUES: [i64; 5] = [100_000, 3_500_000, 50_000, 200_000, 1_250_000];

/// When the world begins.
pub const BEGINNING: i64 = 1_790_000_000_000;

/// A person in a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Person {
    pub program: usize,
    pub number: usize,
}

impl Person {
    pub const fn partner(self) -> usize {
        PROGRAMS[self.program].1
    }

    pub fn reference(self) -> MemberRef {
        name(&format!("M-{}", self.number))
    }
}

/// Parses a name.
pub fn name<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

pub fn partner_index(partner: &str) -> Option<usize> {
    PARTNERS.iter().position(|name| *name == partner)
}

pub fn program_index(program: &str) -> Option<usize> {
    PROGRAMS.iter().position(|(name, ..)| *name == program)
}

/// What the alliance agrees on: the numbers that change while the world runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// Each program's value, in 10⁻⁶.
    pub values: [i64; 5],
    /// Each partner's net debit cap, in 10⁻⁶; none: no bound.
    pub caps: [Option<i64>; 4],
    /// How long before it takes effect a board is published.
    pub notice_seconds: i64,
    /// Of each pair: what it has agreed on; none: nothing.
    pub pairs: Vec<((usize, usize), Option<Pair>)>,
}

/// What a pair has agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// In 10⁻⁶.
    pub fee: i64,
    /// Whether exchanges are allowed.
    pub exchange: bool,
    /// In 10⁻⁶ of the currency.
    pub minimum_gross: i64,
    /// In 10⁻⁶ of the currency: what a board takes of orders on boards before it, in a direction.
    pub open_quote_limit: Option<i64>,
    pub quote_seconds: i64,
    pub reversal_seconds: i64,
}

impl Agreed {
    /// As it is at the beginning.
    pub fn first() -> Self {
        let pair = |fee| {
            Some(Pair {
                fee,
                exchange: true,
                minimum_gross: 0,
                open_quote_limit: None,
                quote_seconds: 60,
                reversal_seconds: 86_400,
            })
        };
        let pairs = vec![
            ((0, 1), pair(20_000)),
            ((0, 2), pair(1)),
            ((0, 3), pair(0)),
            ((1, 2), pair(333_333)),
            ((1, 3), None),
            ((2, 3), pair(5_000)),
        ];
        Self { values: VALUES, caps: [None; 4], notice_seconds: 4, pairs }
    }

    pub fn pair(&self, one: usize, other: usize) -> Option<Pair> {
        let ends = (one.min(other), one.max(other));
        self.pairs.iter().find(|(pair, _)| *pair == ends).and_then(|(_, agreed)| *agreed)
    }

    /// The document that says so.
    pub fn definition(&self, key: &SigningKey) -> Definition {
        let key = base64url_encode(key.public_key().as_bytes());
        let partner = |(at, partner): (usize, &&str)| {
            let mut partner = serde_json::json!({
                "partner": partner, "name": partner, "keys": [],
            });
            if at == 0 {
                partner["keys"] = serde_json::json!([{ "x": key }]);
            }
            if let Some(cap) = self.caps[at] {
                partner["net_debit_cap"] = decimal(cap).into();
            }
            partner
        };
        let program = |(at, (program, partner, scale)): (usize, &(&str, usize, u32))| {
            serde_json::json!({
                "program": program, "partner": PARTNERS[*partner], "name": program,
                "scale": scale, "value": decimal(self.values[at]),
            })
        };
        let agreement = |((a, b), pair): &((usize, usize), Option<Pair>)| {
            let pair = (*pair)?;
            let kinds: &[&str] = if pair.exchange { &["exchange"] } else { &[] };
            let mut document = serde_json::json!({
                "a": PARTNERS[*a], "b": PARTNERS[*b], "fee": decimal(pair.fee), "kinds": kinds,
                "minimum_gross": decimal(pair.minimum_gross),
                "quote_lifetime_seconds": pair.quote_seconds,
                "reversal_period_seconds": pair.reversal_seconds,
            });
            if let Some(limit) = pair.open_quote_limit {
                document["open_quote_limit"] = decimal(limit).into();
            }
            Some(document)
        };
        let document = serde_json::json!({
            "alliance": "demo",
            "currency": "CNY",
            "partners": PARTNERS.iter().enumerate().map(partner).collect::<Vec<_>>(),
            "programs": PROGRAMS.iter().enumerate().map(program).collect::<Vec<_>>(),
            "rates": { "notice_seconds": self.notice_seconds },
            "agreements": self.pairs.iter().filter_map(agreement).collect::<Vec<_>>(),
        });
        let definition: Definition = serde_json::from_value(document).unwrap();
        definition.check().unwrap();
        definition
    }

    /// What a document says, read back.
    pub fn of(definition: &Definition) -> Self {
        let mut agreed = Self::first();
        for program in &definition.programs {
            let at = program_index(program.program.as_str()).unwrap();
            agreed.values[at] = program.value.micros();
        }
        agreed.notice_seconds = definition.rates.notice_seconds;
        for partner in &definition.partners {
            let at = partner_index(partner.partner.as_str()).unwrap();
            agreed.caps[at] = partner.net_debit_cap.map(|cap| cap.micros());
        }
        for (ends, pair) in &mut agreed.pairs {
            let (a, b) = (PARTNERS[ends.0], PARTNERS[ends.1]);
            let found = definition.agreements.iter().find(|agreement| {
                let names = (agreement.a.as_str(), agreement.b.as_str());
                names == (a, b) || names == (b, a)
            });
            *pair = found.map(|agreement| Pair {
                fee: agreement.fee.micros(),
                exchange: agreement.kinds.contains(&TransactionKind::Exchange),
                minimum_gross: agreement.minimum_gross.micros(),
                open_quote_limit: agreement.open_quote_limit.map(|limit| limit.micros()),
                quote_seconds: agreement.quote_lifetime_seconds,
                reversal_seconds: agreement.reversal_period_seconds,
            });
        }
        agreed
    }
}

/// So many 10⁻⁶ as the wire spells them.
pub fn decimal(micros: i64) -> String {
    let (whole, rest) = (micros / 1_000_000, micros % 1_000_000);
    if rest == 0 {
        return whole.to_string();
    }
    format!("{whole}.{rest:06}").trim_end_matches('0').to_owned()
}

/// Keys and ids: what is drawn at the door.
pub struct Props {
    pub vault: Arc<Vault>,
    master: [u8; 32],
    pub key: Arc<SigningKey>,
    drawn: u64,
    base: Vec<u8>,
    base_hash: Hash,
    signature: [u8; 64],
}

impl Props {
    pub fn new() -> Self {
        let key = Arc::new(SigningKey::from_seed(&[8; 32]));
        let base = b"\"@method\": POST\n\"\xc3\xa9\": a request that somebody signed".to_vec();
        Self {
            vault: Arc::new(Vault::new(name("demo"), &[7; 32])),
            master: [7; 32],
            drawn: 0,
            base_hash: Hash::of(&base),
            signature: key.sign(&base),
            base,
            key,
        }
    }

    /// The gateway's key list.
    pub fn trusted(&self) -> TrustedKeys {
        let statement = KeyStatement {
            alliance: "demo".to_owned(),
            keys: vec![Jwk::new(self.key.public_key(), None)],
            number: 1,
            previous: Hash::ZERO,
        };
        statement.publish(&self.key).trust_without_root().unwrap()
    }

    /// What a gateway is started with, but for its clock.
    pub fn settings(&self, trusted: &TrustedKeys) -> Settings {
        let (alliance, currency) = (name("demo"), name("CNY"));
        let (master, key) = (self.master, self.key.clone());
        Settings::new(alliance, currency, String::new(), master, key, trusted.clone())
    }

    pub fn number(&mut self) -> u64 {
        self.drawn += 1;
        self.drawn
    }

    /// Another id, later than all before.
    pub fn id<K: Kind>(&mut self) -> Id<K> {
        let millis = u128::from(u64::try_from(BEGINNING).unwrap());
        let drawn = u128::from(self.number());
        Id::from_u128((millis << 80) | (7 << 76) | (0b10 << 62) | drawn)
    }

    /// A request as it arrives at a door: every delivery is another one.
    pub fn request(&mut self, partner: usize, now: i64) -> Arc<RequestEvidence> {
        Arc::new(RequestEvidence {
            id: self.id(),
            partner: name(PARTNERS[partner]),
            kid: self.key.kid().clone(),
            base: self.base.clone(),
            base_hash: self.base_hash,
            signature: self.signature,
            body: Some(b"{}".to_vec()),
            orders: Vec::new(),
            transactions: Vec::new(),
            received_at: Timestamp::from_millis(now),
        })
    }

    pub fn lookup(&self, person: Person) -> Lookup {
        self.sought(person).first()
    }

    /// Where a person's member may be found.
    pub fn sought(&self, person: Person) -> Sought {
        self.vault.sought(&name(PROGRAMS[person.program].0), &person.reference())
    }

    pub fn nonce(&mut self) -> [u8; 12] {
        let mut nonce = [3; 12];
        nonce[..8].copy_from_slice(&self.number().to_be_bytes());
        nonce
    }

    pub fn new_member(&mut self, person: Person, opening: i64) -> NewMember {
        let nonce = self.nonce();
        let mut key = [1; 32];
        key[..12].copy_from_slice(&nonce);
        let wrapped_key = self.vault.wrap(&key, nonce);
        let member = self.vault.unwrap(&wrapped_key).unwrap();
        NewMember {
            program: name(PROGRAMS[person.program].0),
            lookup: self.sought(person),
            wrapped_key,
            sealed_reference: member.seal(&person.reference(), nonce),
            opening,
        }
    }
}

pub fn consent(until: Option<i64>) -> Consent {
    let until = until.map(Timestamp::from_millis);
    Consent { scope: vec![TransactionKind::Exchange], until }
}
