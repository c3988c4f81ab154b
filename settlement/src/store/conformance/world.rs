//! An alliance in a store, worked on by the real ledger: three brands, their members and links.

use std::sync::Arc;

use alliance_contracts::agreement::Agreement;
use alliance_contracts::board::{Board, PairTerms, TermsRoot, Volume};
use alliance_contracts::encoding::{Hash, base64url_encode};
use alliance_contracts::ids::{AgreementId, Id, Kind, LinkId, QuoteId, RequestId, TransactionId};
use alliance_contracts::jws::{self, JwsType};
use alliance_contracts::key_list::{Jwk, KeyStatement};
use alliance_contracts::keys::SigningKey;
use alliance_contracts::link::Consent;
use alliance_contracts::names::{Corridor, MemberRef, PartnerId, ProgramId};
use alliance_contracts::quote::{
    AskedSide, MemberAccount, QuoteRequest, Side, SideAmount, TransactionKind,
};
use alliance_contracts::time::Timestamp;
use alliance_contracts::total::Total;

use crate::alliance::{Definition, ProgramDefinition, Registry, keys};
use crate::command::{
    Command, CountersignAgreement, Define, Keyed, LinkEnd, NewLink, NewMember, Order, Outcome,
    ProposeAgreement, ProposeLink, Publish, Quoted, QuotedSide, QuotedTerms, RequestEvidence,
    Reverse,
};
use crate::ledger::working_set::BoardRow;
use crate::ledger::{self, Wanted, WorkingSet, Writes};
use crate::rates::terms::BoardTerms;
use crate::store::{Batch, Store, StoreError};
use crate::vault::{Lookup, Sought, Vault};
use crate::{pricing, receipts};

/// Members of each program: `M-0`, `M-1`, … Those of one number are the same person's.
pub const PEOPLE: usize = 8;
/// What each is imported with, in minor units.
pub const OPENING: i64 = 1_000_000;
/// Each brand and its program.
pub const BRANDS: [(&str, &str); 3] =
    [("aurora-air", "aurora"), ("borealis-coffee", "borealis"), ("cumulus-stay", "cumulus")];

/// An alliance at work in a store.
pub struct World {
    pub store: Arc<dyn Store>,
    pub vault: Arc<Vault>,
    pub key: SigningKey,
    pub now: Timestamp,
    /// Brands that keep their members' balances themselves.
    pub connected: Vec<usize>,
    drawn: u64,
}

/// Everything of a batch but the commit.
pub struct Prepared {
    pub batch: Box<dyn Batch>,
    pub writes: Writes,
    pub outcomes: Vec<Outcome>,
}

impl Prepared {
    pub async fn commit(self) -> Result<(), StoreError> {
        self.batch.commit(&self.writes).await
    }
}

/// All that a registry says, and what orders find in it on each of its boards.
fn said(registry: &Registry) -> String {
    let programs = &registry.definition.programs;
    let on = |number: u32, source: &ProgramDefinition, target: &ProgramDefinition| {
        let board = registry.board_numbered(number).unwrap();
        (board.value(&source.program), board.directed(source, target))
    };
    let mut found = Vec::new();
    for published in &registry.boards {
        for source in programs {
            found.extend(programs.iter().map(|target| on(published.board.board, source, target)));
        }
    }
    format!("{} {:?} {found:?}", registry.seen_version, **registry)
}

/// Parses a name.
pub fn name<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

/// The chain of the first two brands.
pub fn corridor() -> Corridor {
    name("aurora-air~borealis-coffee")
}

impl World {
    /// A world on a store that may hold one already; nothing is written.
    pub fn on(store: Arc<dyn Store>) -> Self {
        let vault = Arc::new(Vault::new(store.alliance().clone(), &[7; 32]));
        let key = SigningKey::from_seed(&[8; 32]);
        let now = Timestamp::from_millis(1_790_000_000_000);
        Self { store, vault, key, now, connected: Vec::new(), drawn: 0 }
    }

    /// A world with its definition, its members, and all links of each person.
    pub async fn new(store: Arc<dyn Store>) -> Self {
        Self::connected(store, Vec::new()).await
    }

    /// The same, in which some brands keep their members' balances themselves.
    pub async fn connected(store: Arc<dyn Store>, connected: Vec<usize>) -> Self {
        let mut world = Self { connected, ..Self::on(store) };
        world.define().await;
        let mut members = Vec::new();
        for (at, (_, program)) in BRANDS.into_iter().enumerate() {
            let opening = if world.connected.contains(&at) { 0 } else { OPENING };
            members.extend((0..PEOPLE).map(|person| world.new_member(program, person, opening)));
        }
        let imported = world.decide(vec![Command::ImportMembers(Arc::new(members))]).await;
        assert_eq!(imported, [Outcome::Done(PEOPLE * BRANDS.len())]);
        let mut links = Vec::new();
        for person in 0..PEOPLE {
            for (a, b) in [(0, 1), (2, 1), (0, 2)] {
                links.push(world.new_link((a, person), (b, person)));
            }
        }
        let count = links.len();
        let imported = world.decide(vec![Command::ImportLinks(Arc::new(links))]).await;
        assert_eq!(imported, [Outcome::Done(count)]);
        world
    }

    /// Applies the definition.
    pub async fn define(&mut self) {
        let window = self.id();
        let definition = self.definition();
        let define = Define { definition, window };
        let defined = self.decide(vec![Command::Define(Box::new(define))]).await;
        assert_eq!(defined, [Outcome::Done(1)]);
    }

    pub fn definition(&self) -> Definition {
        let partner = |(at, (partner, _)): (usize, &(&str, &str))| {
            let x = base64url_encode(self.partner_key(at).public_key().as_bytes());
            let keys = if at < 2 { serde_json::json!([{ "x": x }]) } else { "[]".parse().unwrap() };
            let mut partner = serde_json::json!({
                "partner": partner, "name": "Ærøskøbing Ærlines", "keys": keys
            });
            if self.connected.contains(&at) {
                partner["connector"] = "http://127.0.0.1:9/connector".into();
            }
            partner
        };
        let program = |(at, (partner, program)): (usize, &(&str, &str))| {
            let value = ["0.1", "0.05", "0.2"][at];
            let balances = if self.connected.contains(&at) { "connected" } else { "hosted" };
            serde_json::json!({
                "partner": partner, "program": program, "name": program, "scale": at,
                "value": value, "balances": balances
            })
        };
        let agreement = |(a, b): (usize, usize)| {
            let (a, b) = (BRANDS[a].0, BRANDS[b].0);
            let kinds = ["exchange", "redemption", "accrual"];
            serde_json::json!({ "a": a, "b": b, "fee": "0.02", "kinds": kinds })
        };
        let agreements = [(0, 1), (1, 2), (0, 2)].map(agreement);
        let document = serde_json::json!({
            "alliance": self.store.alliance(),
            "currency": "CNY",
            "partners": BRANDS.iter().enumerate().map(partner).collect::<Vec<_>>(),
            "programs": BRANDS.iter().enumerate().map(program).collect::<Vec<_>>(),
            "agreements": agreements,
        });
        let definition: Definition = serde_json::from_value(document).unwrap();
        definition.check().unwrap();
        definition
    }

    /// A brand's key; the first has the world's own, the last has none in the definition.
    pub fn partner_key(&self, brand: usize) -> SigningKey {
        SigningKey::from_seed(&[8 + u8::try_from(brand).unwrap(); 32])
    }

    /// The version of the first two brands' agreement that follows on `before`.
    pub fn agreement(&self, before: Option<&Agreement>) -> Agreement {
        let version = before.map_or(1, |before| before.version + 1);
        let draft = serde_json::json!({
            "a": BRANDS[0].0, "alliance": self.store.alliance(), "b": BRANDS[1].0,
            "effective_at": self.now.plus_seconds(3_600), "expiry": "fresh",
            "fee": {"bearer": "member", "rate": "0.01"}, "kinds": ["exchange"],
            "previous": before.map_or(Hash::ZERO, Agreement::hash), "quote_lifetime_seconds": 60,
            "reversal_period_seconds": 0, "v": 1, "version": version,
        });
        serde_json::from_value(draft).unwrap()
    }

    pub fn propose(&mut self, brand: usize, agreement: &Agreement) -> Command {
        let signed = jws::parse(&agreement.sign(&self.partner_key(brand))).unwrap();
        let proposal = ProposeAgreement { id: self.id(), agreement: agreement.clone(), signed };
        Command::ProposeAgreement(self.keyed(BRANDS[brand].0), Box::new(proposal))
    }

    pub fn countersign(&mut self, brand: usize, id: AgreementId, agreement: &Agreement) -> Command {
        let signed = jws::parse(&agreement.sign(&self.partner_key(brand))).unwrap();
        let order = CountersignAgreement { id, signed };
        Command::CountersignAgreement(self.keyed(BRANDS[brand].0), Box::new(order))
    }

    /// Proposes and countersigns a version.
    pub async fn agree(&mut self, agreement: &Agreement) -> AgreementId {
        let proposed = self.propose(0, agreement);
        let [Outcome::Agreement(id)] = self.decide(vec![proposed]).await[..] else {
            panic!("not proposed")
        };
        let countersigned = self.countersign(1, id, agreement);
        assert_eq!(self.decide(vec![countersigned]).await, [Outcome::Agreement(id)]);
        id
    }

    /// Another id, later than all before.
    pub fn id<K: Kind>(&mut self) -> Id<K> {
        self.drawn += 1;
        let millis = u128::from(u64::try_from(self.now.as_millis()).unwrap());
        Id::from_u128((millis << 80) | (7 << 76) | (0b10 << 62) | u128::from(self.drawn))
    }

    /// Where a brand's member of a person may be found.
    pub fn sought(&self, brand: usize, person: usize) -> Sought {
        self.vault.sought(&name(BRANDS[brand].1), &self.person(person))
    }

    /// Leaves a gap in the ids, so that two worlds on one database draw different ones.
    pub fn skip_ids(&mut self, count: u64) {
        self.drawn += count;
    }

    pub fn person(&self, person: usize) -> MemberRef {
        name(&format!("M-{person}"))
    }

    pub fn lookup(&self, brand: usize, person: usize) -> Lookup {
        self.sought(brand, person).first()
    }

    pub fn new_member(&mut self, program: &str, person: usize, opening: i64) -> NewMember {
        self.drawn += 1;
        let mut nonce = [0; 12];
        nonce[..8].copy_from_slice(&self.drawn.to_be_bytes());
        let mut key = [1; 32];
        key[..8].copy_from_slice(&self.drawn.to_be_bytes());
        let (program, member): (ProgramId, MemberRef) = (name(program), self.person(person));
        let wrapped_key = self.vault.wrap(&key, nonce);
        let sealed_reference = self.vault.unwrap(&wrapped_key).unwrap().seal(&member, nonce);
        let lookup = self.vault.sought(&program, &member);
        NewMember { program, lookup, wrapped_key, sealed_reference, opening }
    }

    pub fn new_link(&mut self, a: (usize, usize), b: (usize, usize)) -> NewLink {
        let end = |(brand, person): (usize, usize)| {
            let (partner, program) = BRANDS[brand];
            (name(partner), name(program), self.sought(brand, person))
        };
        let (a, b) = (end(a), end(b));
        NewLink { link: self.id(), a, b, consent: consent() }
    }

    pub fn proposal(&mut self, a: (usize, usize), b: (usize, usize)) -> ProposeLink {
        let end = |(brand, person): (usize, usize)| LinkEnd {
            partner: name(BRANDS[brand].0),
            program: name(BRANDS[brand].1),
            member: self.person(person),
            lookup: self.sought(brand, person),
            newcomer: None,
        };
        let (a, b) = (end(a), end(b));
        let link: LinkId = self.id();
        let mut nonce = [9; 12];
        nonce[..8].copy_from_slice(&self.drawn.to_be_bytes());
        ProposeLink { link, a, b, consent: consent(), nonce }
    }

    /// A request that somebody signed. Its base is not ASCII.
    pub fn request(&mut self, partner: &str) -> Arc<RequestEvidence> {
        let id: RequestId = self.id();
        let base = format!("\"@method\": POST\n\"é\": {id}\u{0}").into_bytes();
        Arc::new(RequestEvidence {
            id,
            partner: name(partner),
            kid: self.key.kid().clone(),
            base_hash: Hash::of(&base),
            signature: self.key.sign(&base),
            base,
            body: Some(br#"{"quote":"..."}"#.to_vec()),
            orders: Vec::new(),
            transactions: Vec::new(),
            received_at: self.now,
        })
    }

    pub fn keyed(&mut self, partner: &str) -> Keyed {
        let request = self.request(partner);
        self.keyed_by(&request, 0)
    }

    pub fn keyed_by(&mut self, request: &Arc<RequestEvidence>, index: u32) -> Keyed {
        self.drawn += 1;
        let key = name(&format!("key \"{}\" \\ {}", self.drawn, request.id));
        let digest = Hash::of(&self.drawn.to_be_bytes());
        Keyed {
            partner: request.partner.clone(),
            key,
            digest: digest.into(),
            request: request.clone(),
            index,
        }
    }

    pub async fn registry(&self) -> Registry {
        let (version, parts) = self.store.registry().await.unwrap().unwrap();
        Registry::new(version, parts)
    }

    /// An order of a brand's member for points of another brand.
    pub async fn exchange(
        &mut self,
        source: usize,
        target: usize,
        person: usize,
        amount: i64,
    ) -> Command {
        let registry = self.registry().await;
        let keyed = self.keyed(BRANDS[source].0);
        let order = self.order(&registry, source, target, person, amount);
        Command::Order(keyed, order)
    }

    pub fn order(
        &mut self,
        registry: &Registry,
        source: usize,
        target: usize,
        person: usize,
        amount: i64,
    ) -> Order {
        let scale = u32::try_from(source).unwrap();
        let value = alliance_contracts::decimal::Decimal::from_minor(amount, scale).unwrap();
        let request = QuoteRequest {
            expiry: None,
            amount: Some(SideAmount { side: Side::Source, value }),
            kind: TransactionKind::Exchange,
            segment: None,
            source: self.account(source, person),
            target: self.account(target, person),
            tier: None,
        };
        self.order_of(registry, source, &request)
    }

    /// A member's account, as it is asked for.
    pub fn account(&self, brand: usize, person: usize) -> AskedSide {
        let (member, program) = (self.person(person), name(BRANDS[brand].1));
        AskedSide::Account(MemberAccount { member, program })
    }

    /// An order of a brand, of any kind.
    pub fn order_of(
        &mut self,
        registry: &Registry,
        caller: usize,
        request: &QuoteRequest,
    ) -> Order {
        let caller: PartnerId = name(BRANDS[caller].0);
        let priced = pricing::price(registry, &caller, request, self.now).unwrap();
        let side = |side| QuotedSide::of(side, registry, &self.vault).unwrap();
        let (source, target) = (side(priced.source), side(priced.target));
        let id: QuoteId = self.id();
        let (kind, expires_at) = (request.kind, priced.expires_at);
        let (rate, settlement) = (priced.rate, priced.settlement);
        let (bonus, expiry) = (priced.bonus, priced.expiry);
        let terms =
            QuotedTerms { id, kind, expires_at, rate, settlement, source, target, bonus, expiry };
        let transaction: TransactionId = self.id();
        Order {
            transaction,
            source_reference: name(&format!("order {}", self.drawn)),
            quote: Quoted::Open(Box::new(terms)),
        }
    }

    /// Turns a transaction round, all or so many points of its target.
    pub async fn reversal(&mut self, original: TransactionId, target: Option<&str>) -> Command {
        let detail = self.store.transaction(original).await.unwrap().unwrap();
        let record = detail.record;
        let keyed = self.keyed(record.target.partner().as_str());
        let members = record.members().into_iter().flatten().collect();
        let transaction = self.id();
        let amount = target.map(|value| SideAmount { side: Side::Target, value: name(value) });
        Command::Reverse(
            keyed,
            Reverse {
                transaction,
                original,
                corridor: record.corridor,
                members,
                amount,
                reason: name("mistake"),
                source_reference: name(&format!("reversal {}", self.drawn)),
            },
        )
    }

    /// Decides commands in a batch, and signs; everything but the commit.
    pub async fn prepare(&mut self, commands: Vec<Command>) -> Prepared {
        let mut batch = self.store.begin().await.unwrap();
        let known = batch.registry().await.unwrap();
        let registry = Arc::new(match known {
            Some((version, parts)) => Registry::new(version, parts),
            None => self.no_registry(),
        });
        let mut wanted = Wanted::default();
        commands.iter().for_each(|command| wanted.add(&registry, command));
        let loaded = batch.load(&wanted).await.unwrap();
        let mut set = WorkingSet::new(registry, self.vault.clone(), loaded);
        let decided = commands.iter().map(|command| ledger::decide(&mut set, command, self.now));
        let outcomes = decided.map(|decided| decided.outcome).collect();
        let mut receipts = receipts::chain(&mut set, self.now, self.key.kid());
        ledger::events::pack(&mut set, self.now);
        ledger::master::settle(&mut set);
        receipts::sign(&mut receipts, &self.key);
        let changes_keys = set.writes.changes_partner_keys();
        let listed = changes_keys.then(|| keys::jwks(&set.listed_keys()));
        let mut writes = set.writes;
        writes.receipts = receipts;
        self.sign_documents(&mut writes, listed);
        Prepared { batch, writes, outcomes }
    }

    fn sign_documents(&self, writes: &mut Writes, listed: Option<Vec<Jwk>>) {
        let sign = |row: &BoardRow| jws::sign(JwsType::Board, &row.board.payload(), &self.key);
        writes.board_jws = writes.board.as_ref().map(sign);
        for row in &mut writes.erasures {
            row.jws = Some(row.erasure.sign(&self.key));
        }
        writes.partner_keys_jws = listed.map(|keys| {
            let alliance = self.store.alliance().to_string();
            let statement = KeyStatement { alliance, keys, number: 1, previous: Hash::ZERO };
            statement.sign(&self.key)
        });
    }

    fn no_registry(&self) -> Registry {
        Registry::empty(self.store.alliance().clone(), name("XXX"))
    }

    /// The board that follows on the last, with some terms and another value.
    pub async fn next_board(&self, value: &str, slot: Option<Timestamp>) -> Publish {
        let (based_on, parts) = self.store.registry().await.unwrap().unwrap();
        let last = parts.boards.last().unwrap();
        let pair = |source: &str, target: &str| PairTerms {
            exchanged: Total::from_micros(-1),
            fee: name("0.02"),
            flow: Total::from_micros(i128::from(i64::MAX) * 1_000),
            late: Total::ZERO,
            limit: Some(name("7.5")),
            multiplier: name("0.95"),
            source: name(source),
            surcharge: name("0.001"),
            suspended: true,
            target: name(target),
            volume: Volume { before: Total::ZERO, month: "2026-09".into(), so_far: Total::ZERO },
            withheld: false,
        };
        let pairs = vec![pair(BRANDS[0].1, BRANDS[1].1), pair(BRANDS[1].1, BRANDS[0].1)];
        let terms = BoardTerms { pairs, ..(*last.terms).clone() };
        let mut values = last.board.values.clone();
        values[0].value = name(value);
        let board = Board {
            board: last.board.board + 1,
            effective_at: self.now.plus_seconds(60),
            previous: last.hash(),
            published_at: self.now,
            terms: TermsRoot::of(&terms.pairs),
            values,
            ..last.board.clone()
        };
        Publish { board, terms: terms.into(), proposals: Vec::new(), based_on, slot }
    }

    /// Decides commands and commits. What a batch is known to have made of the registry is what is
    /// read of it.
    pub async fn decide(&mut self, commands: Vec<Command>) -> Vec<Outcome> {
        let before = self.store.registry().await.unwrap();
        let Prepared { batch, writes, outcomes } = self.prepare(commands).await;
        batch.commit(&writes).await.unwrap();
        if writes.changes_registry()
            && let Some((change, (version, parts))) = writes.registry_change().zip(before)
        {
            let known = Registry::new(version, parts).changed(version + 1, change);
            assert_eq!(said(&known), said(&self.registry().await));
        }
        outcomes
    }

    /// Performs one exchange.
    pub async fn perform(&mut self, source: usize, target: usize, person: usize) -> TransactionId {
        let order = self.exchange(source, target, person, 1_000).await;
        match self.decide(vec![order]).await.as_slice() {
            [Outcome::Transaction(id)] => *id,
            other => panic!("{other:?}"),
        }
    }

    /// Everything that reads show, as text: equal before and after where nothing was written.
    pub async fn picture(&self) -> String {
        let store = &self.store;
        let first = crate::command::MemberNo(0);
        let heads = store.heads().await.unwrap();
        let mut receipts = Vec::new();
        let mut nodes = Vec::new();
        for (corridor, _) in &heads {
            receipts.push(store.receipts(corridor, 0, 10_000).await.unwrap());
            nodes.push(store.nodes(corridor, 8, 0, 1_000).await.unwrap());
        }
        let (mut links, mut agreements, mut events) = (Vec::new(), Vec::new(), Vec::new());
        for (partner, _) in BRANDS {
            links.push(store.links(&name(partner), None, None, 10_000).await.unwrap());
            let partner = name(partner);
            events.push(store.events(&partner, 0, 1_000_000).await.unwrap());
            agreements.push(store.agreements(&partner, None, None, None, 10_000).await.unwrap());
        }
        let accounts = store.accounts().await.unwrap();
        let accounts: std::collections::BTreeSet<String> =
            accounts.iter().map(|account| format!("{account:?}")).collect();
        format!(
            "{:?}",
            (
                store.registry().await.unwrap().map(|(version, parts)| (version, parts.campaigns)),
                (heads, receipts, nodes, links, agreements, events),
                accounts,
                store.member_books(first, 100_000).await.unwrap(),
                store.transaction_places(None, 100_000).await.unwrap(),
                store.quote_keys().await.unwrap(),
                store.suspensions().await.unwrap(),
            )
        )
    }

    /// Commits what must contradict, and sees that nothing of it is there.
    pub async fn contradicts(&self, prepared: Prepared) {
        let before = self.picture().await;
        let refused = prepared.commit().await;
        assert!(matches!(refused, Err(StoreError::Contradiction(_))), "{refused:?}");
        assert_eq!(self.picture().await, before);
        let batch = self.store.begin().await.unwrap();
        drop(batch);
    }
}

pub fn consent() -> Consent {
    Consent { scope: vec![TransactionKind::Exchange], until: None }
}
