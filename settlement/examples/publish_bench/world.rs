//! An alliance of 500 programs in which every two partners have signed an agreement, and all that a
//! board of it is made from. The same one every time.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;

use alliance_contracts::agreement::{Agreement, AgreementState};
use alliance_contracts::encoding::{Hash, base64url_encode};
use alliance_contracts::ids::{Id, Kind, WindowId};
use alliance_contracts::keys::SigningKey;
use alliance_contracts::names::ProgramId;
use alliance_contracts::observation::{FeedKind, Observation};
use alliance_contracts::time::Timestamp;
use alliance_settlement::alliance::{
    AgreementRecord, Definition, PublishedBoard, Registry, RegistryParts,
};
use alliance_settlement::ledger::{Flow, FlowRow};
use alliance_settlement::rates::feeds::Feeds;
use alliance_settlement::rates::model::ValueModel;

pub const PROGRAMS: u64 = 500;
pub const PARTNERS: u64 = 100;
pub const OVERRIDES: usize = 5_000;
/// Longer than a busy machine takes for a board.
pub const NOTICE_SECONDS: i64 = 10;
/// Directions in which something is exchanged.
const FLOWS: u64 = 10_000;

pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Steele, Lea and Flood's SplitMix64: the same board every time.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below(high.abs_diff(low) + 1).cast_signed()
    }
}

pub fn partner(number: u64) -> String {
    format!("partner-{number:03}")
}

pub fn program(number: u64) -> String {
    format!("program-{number:03}")
}

/// Whose program it is.
pub const fn owner(program: u64) -> u64 {
    program % PARTNERS
}

pub fn key(partner: u64) -> SigningKey {
    let mut seed = [9; 32];
    seed[..8].copy_from_slice(&partner.to_be_bytes());
    SigningKey::from_seed(&seed)
}

pub fn id<K: Kind>(at: Timestamp, number: u64) -> Id<K> {
    let millis = u128::from(at.as_millis().unsigned_abs());
    Id::from_u128((millis << 80) | (7 << 76) | (0b10 << 62) | u128::from(number))
}

/// 10⁻⁶, as documents have it.
fn decimal(micros: i64) -> String {
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

fn trimmed(micros: i64) -> String {
    decimal(micros).trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Every value by base and by feeds, all the way at once, a tenth at most.
pub fn definition(random: &mut Random) -> Result<Definition> {
    let programs = (0..PROGRAMS).map(|number| {
        let value = random.between(1_000, 900_000);
        serde_json::json!({
            "program": program(number), "partner": partner(owner(number)),
            "name": program(number), "scale": number % 3, "value": trimmed(value),
            "model": {
                "band": {"min": trimmed(value / 2), "max": trimmed(value * 2)},
                "max_step": "0.1", "smoothing": "1", "redemption_weight": "1",
                "weights": {"base": "0.05", "redemption": "0.9", "cost": "0.05"}
            }
        })
    });
    let programs: Vec<_> = programs.collect();
    let partners = (0..PARTNERS).map(|number| {
        let x = base64url_encode(key(number).public_key().as_bytes());
        let (partner, begun) = (partner(number), Timestamp::from_millis(0));
        let keys = [serde_json::json!({"x": x, "nbf": begun})];
        serde_json::json!({"partner": partner, "name": partner, "keys": keys})
    });
    let document = serde_json::json!({
        "alliance": "bench", "currency": "CNY", "programs": programs,
        "partners": partners.collect::<Vec<_>>(),
        "rates": {
            "approval_threshold": "0.2", "notice_seconds": NOTICE_SECONDS, "schedule": "",
            "breaker": {"factor": "100", "floor": "1000000"},
            "surcharge": {}
        }
    });
    let definition: Definition = serde_json::from_value(document)?;
    match definition.check() {
        Ok(()) => Ok(definition),
        Err(faults) => Err(format!("{faults:?}").into()),
    }
}

/// One for every two partners: fees of 0.5 % to 2 %, a tier of volume, and overrides of directions
/// between their programs, 5,000 in all.
pub fn agreements(random: &mut Random, effective_at: Timestamp) -> Result<Vec<Agreement>> {
    let pairs: Vec<(u64, u64)> =
        (0..PARTNERS).flat_map(|a| (a + 1..PARTNERS).map(move |b| (a, b))).collect();
    let mut left = OVERRIDES;
    let mut agreements = Vec::with_capacity(pairs.len());
    for (at, (a, b)) in pairs.iter().enumerate() {
        let mine = left.div_ceil(pairs.len() - at);
        left -= mine;
        let overrides = (0..mine as u64).map(|number| {
            let there = PARTNERS * (random.below(PROGRAMS / PARTNERS) + number);
            let (one, other) = (a + there % PROGRAMS, b + PARTNERS * random.below(5));
            let (source, target) = if number % 2 == 0 { (one, other) } else { (other, one) };
            let factor = trimmed(random.between(900_000, 999_999));
            serde_json::json!({
                "factor": factor, "source": program(source), "target": program(target)
            })
        });
        let overrides: Vec<_> = overrides.collect();
        let rate = random.between(5_000, 20_000);
        agreements.push(serde_json::from_value(serde_json::json!({
            "a": partner(*a), "alliance": "bench", "b": partner(*b), "caps": null,
            "effective_at": effective_at, "expiry": "fresh",
            "fee": {
                "bearer": "member", "rate": trimmed(rate),
                "tiers": [{"from": "100000", "rate": trimmed(rate * 9 / 10)}]
            },
            "kinds": ["exchange"], "open_quote_limit": "1000000", "overrides": overrides,
            "previous": Hash::ZERO, "quote_lifetime_seconds": 60,
            "reversal_period_seconds": 0, "until": null, "v": 1, "version": 1
        }))?);
    }
    Ok(agreements)
}

/// What partners report at one moment: what each program's points bought and cost, up to so many
/// parts in 10⁶ above or below its base.
pub fn readings(
    random: &mut Random,
    definition: &Definition,
    most: i64,
    now: Timestamp,
) -> Result<Vec<Observation>> {
    let mut readings = Vec::new();
    for program in &definition.programs {
        for feed in [FeedKind::Redemption, FeedKind::Cost] {
            let base = program.value.micros();
            let micros = base + base * random.between(-most, most) / 1_000_000;
            let program = program.program.clone();
            let value = trimmed(micros).parse()?;
            readings.push(Observation { feed, observed_at: now, program, value });
        }
    }
    Ok(readings)
}

/// The alliance as boards are worked out from it, in memory.
pub struct World {
    pub random: Random,
    pub definition: Definition,
    agreements: Vec<Arc<AgreementRecord>>,
    pub boards: Vec<PublishedBoard>,
    pub flows: Vec<FlowRow>,
    pub feeds: BTreeMap<ProgramId, Feeds>,
    pub now: Timestamp,
}

impl World {
    pub fn new(seed: u64, now: Timestamp) -> Result<Self> {
        let mut random = Random(seed);
        let definition = definition(&mut random)?;
        let agreements = agreements(&mut random, now)?;
        let record = |(at, agreement): (usize, Agreement)| {
            Arc::new(AgreementRecord {
                id: id(now, at as u64),
                state: AgreementState::Active,
                payload: agreement.payload(),
                proposed_by: agreement.a.clone(),
                agreement,
                a: None,
                b: None,
                proposed_at: now,
                countersigned_at: Some(now),
            })
        };
        let agreements = agreements.into_iter().enumerate().map(record).collect();
        let (mut flows, feeds) = (BTreeMap::new(), BTreeMap::new());
        while flows.len() < usize::try_from(FLOWS)? {
            let (source, target) = (random.below(PROGRAMS), random.below(PROGRAMS));
            if owner(source) != owner(target) {
                flows.insert((program(source), program(target)), Flow::default());
            }
        }
        let row = |((source, target), flow): ((String, String), Flow)| -> Result<FlowRow> {
            Ok(FlowRow { source: source.parse()?, target: target.parse()?, flow })
        };
        let flows = flows.into_iter().map(row).collect::<Result<_>>()?;
        Ok(Self { random, definition, agreements, boards: Vec::new(), flows, feeds, now })
    }

    /// A while passes: orders are performed, and every program reports.
    pub fn goes_on(&mut self, seconds: i64, most: i64) -> Result<()> {
        self.now = self.now.plus_seconds(seconds);
        for row in &mut self.flows {
            row.flow.exchanged += i128::from(self.random.between(0, 3_000_000_000));
        }
        let readings = readings(&mut self.random, &self.definition, most, self.now)?;
        for reading in readings {
            let model = self.definition.programs.iter().find(|p| p.program == reading.program);
            let model = ValueModel::of(model.ok_or("a reading of no program")?);
            let feeds = self.feeds.entry(reading.program.clone()).or_default();
            *feeds = feeds.observe(&reading, &model, self.now)?;
        }
        Ok(())
    }

    pub fn registry(&self) -> Registry {
        let parts = RegistryParts {
            windows: Vec::new(),
            settlement_proposals: Vec::new(),
            consents: Vec::new(),
            partner_keys: Vec::new(),
            gateway_keys: None,
            master_keys: Default::default(),
            definition: self.definition.clone(),
            version: 1,
            boards: self.boards.iter().rev().take(2).rev().cloned().collect(),
            partner_keys_jws: String::new(),
            window: WindowId::from_u128(1),
            suspended: Vec::new(),
            frozen: Vec::new(),
            agreements: self.agreements.clone(),
            feeds: self.feeds.clone(),
            proposals: Vec::new(),
            campaigns: Vec::new(),
        };
        Registry::new(1, parts)
    }
}
