//! A partner computes boards and quotes again, by what the gateway publishes, and gets the same
//! digits: with an agreement that both have signed, an override, a member's tier, a surcharge and a
//! campaign in force, over boards that have moved since.

use std::fs;

use alliance_contracts::agreement::Agreement;
use alliance_contracts::decimal::Decimal;
use alliance_contracts::encoding::Hash;
use alliance_contracts::quote::{
    FeeBearer, MemberAccount, Quote, QuoteRequest, Side, SideAmount, TransactionKind,
};
use alliance_contracts::time::Timestamp;
use alliance_partner_sdk::client::Client;
use alliance_partner_sdk::verify::board::{
    QuoteFault, VerifiedBoard, recompute_bonus, recompute_quote,
};
use alliance_settlement::clearing_house::Clock;

use crate::harness::{Alliance, Engine, Gateway, block_on, quote};

const AURORA: &str = "aurora-air";
const BOREALIS: &str = "borealis-coffee";
/// What gold at aurora brings at borealis.
const TIER: &str = "1.01";

fn done(alliance: &Alliance, command: &[&str]) -> serde_json::Value {
    let output = alliance.run(&[command, &["--json"]].concat());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

async fn until<F: Future<Output = bool>>(mut seen: impl FnMut() -> F) {
    while !seen().await {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

/// The two partners' gateway, and what one partner asks of it.
struct Desk {
    alliance: Alliance,
    gateway: Gateway,
    aurora: Client,
    borealis: Client,
    begun: Timestamp,
}

impl Desk {
    /// Quotes stand a second until the two have signed something else.
    fn new(name: &str, engine: Engine) -> Self {
        let alliance = Alliance::new(name, engine);
        alliance.publish_by_hand();
        let file = alliance.dir().join("alliance.toml");
        let text = fs::read_to_string(&file).unwrap();
        let kinds = "kinds = [\"exchange\", \"redemption\", \"accrual\"]";
        assert!(text.contains(kinds));
        let short = format!("{kinds}\nquote_lifetime_seconds = 1");
        fs::write(&file, text.replace(kinds, &short)).unwrap();
        let gateway = alliance.serve();
        let (aurora, borealis) =
            (alliance.client(AURORA, &gateway), alliance.client(BOREALIS, &gateway));
        Self { alliance, gateway, aurora, borealis, begun: Clock::system().now() }
    }

    /// Both sign; the terms come with the next board after they hold.
    async fn agree(&self) {
        let effective_at = Clock::system().now().plus_seconds(4);
        let agreement: Agreement = serde_json::from_value(serde_json::json!({
            "a": AURORA, "alliance": "demo", "b": BOREALIS, "effective_at": effective_at,
            "expiry": "fresh", "fee": {"bearer": "member", "rate": "0.0123"},
            "kinds": ["exchange"], "previous": Hash::ZERO, "quote_lifetime_seconds": 600,
            "overrides": [{"source": "borealis", "target": "aurora", "factor": "0.9375"}],
            "reversal_period_seconds": 0, "v": 1, "version": 1,
            "tiers": [{"source": "aurora", "source_tier": "gold", "target": "borealis",
                "target_tier": "platinum", "multiplier": TIER}],
        }))
        .unwrap();
        let proposed = self.aurora.propose_agreement(&agreement).await.unwrap();
        let reviewed = self.borealis.review_agreement(proposed.id).await.unwrap();
        self.borealis.countersign_agreement(&reviewed).await.unwrap();
        let with = BOREALIS.parse().unwrap();
        until(async || self.aurora.agreement_in_force(&with).await.unwrap().is_some()).await;
    }

    /// A second of points for gold members, held until it is over.
    fn campaign(&self) {
        let day = |days: i64| self.begun.plus_seconds(days * 86_400);
        let document = serde_json::json!({
            "v": 1, "alliance": "demo", "name": "Half as much again", "sponsor": BOREALIS,
            "source": "aurora", "target": "borealis", "multiplier": "1.5", "budget": "1000",
            "from": day(-1), "until": day(7), "holdback_days": 9, "tiers": ["gold"],
        });
        let file = self.alliance.dir().join("campaign.json");
        fs::write(&file, document.to_string()).unwrap();
        let file = file.display().to_string();
        let proposed = done(&self.alliance, &["campaigns", "propose", &file, "--as", "lin"]);
        let id = proposed["id"].as_str().unwrap();
        done(&self.alliance, &["campaigns", "approve", id, "--as", "chen"]);
    }

    /// Reports what aurora's points bought, and publishes; the number of the board in force then.
    async fn publish(&self, nth: i64, worth: &str) -> u32 {
        let observed_at = self.begun.plus_seconds(nth - 3_600);
        let file = self.alliance.dir().join("reading.csv");
        let row = format!("aurora,redemption,{worth},{observed_at}");
        fs::write(&file, format!("program,feed,value,observed_at\n{row}\n")).unwrap();
        done(&self.alliance, &["rates", "observe", file.to_str().unwrap()]);
        let board = done(&self.alliance, &["rates", "publish"])["board"].as_u64().expect("a board");
        let board = u32::try_from(board).unwrap();
        until(async || self.aurora.rates().await.unwrap().board.board == board).await;
        board
    }
}

fn asked(
    (source, target): &(MemberAccount, MemberAccount),
    side: Side,
    points: &str,
    tier: Option<&str>,
) -> QuoteRequest {
    QuoteRequest {
        expiry: None,
        amount: Some(SideAmount { side, value: decimal(points) }),
        kind: TransactionKind::Exchange,
        segment: None,
        source: source.clone().into(),
        target: target.clone().into(),
        tier: tier.map(|tier| tier.parse().unwrap()),
    }
}

/// What the partner does with a quote: the board of its number, every value of it, the rate, the
/// amounts, the bonus.
async fn recomputed(client: &Client, request: &QuoteRequest, quoted: &Quote) {
    let rates = client.board(quoted.rate.board).await.unwrap();
    let keys = client.gateway_keys().await.unwrap();
    let board = VerifiedBoard::verify(&rates.jws, &keys).unwrap();
    board.commits_to(&rates.pairs).unwrap();
    let programs = client.programs().await.unwrap();
    let tier = if request.tier.is_some() { decimal(TIER) } else { Decimal::ONE };
    recompute_quote(&rates, &programs, request, quoted, tier).unwrap();
    let campaigns = client.campaigns().await.unwrap();
    recompute_bonus(&campaigns, &programs, request, quoted).unwrap();
    // A digit more is told.
    if let Some(bonus) = &quoted.bonus {
        let more = Decimal::from_micros(bonus.cost.micros() + 1).unwrap();
        let mut dearer = quoted.clone();
        dearer.bonus.as_mut().unwrap().cost = more;
        let fault = recompute_bonus(&campaigns, &programs, request, &dearer).unwrap_err();
        assert!(matches!(fault, QuoteFault::Bonus { .. }), "{fault}");
        let plain = QuoteRequest { tier: None, ..request.clone() };
        let fault = recompute_bonus(&campaigns, &programs, &plain, quoted).unwrap_err();
        assert_eq!(fault, QuoteFault::Campaign(bonus.campaign));
    }
    let mut cheaper = quoted.clone();
    cheaper.rate.fee = decimal("0.0001");
    cheaper.rate.surcharge = Decimal::ZERO;
    let fault = recompute_quote(&rates, &programs, request, &cheaper, tier).unwrap_err();
    assert!(matches!(fault, QuoteFault::Rate { .. }), "{fault}");
}

fn a_partner_gets_the_same_digits(engine: Engine) {
    let desk = Desk::new("recompute", engine);
    let there = desk.alliance.pairs("aurora", "borealis").swap_remove(0);
    let back = (there.1.clone(), there.0.clone());
    block_on(async {
        // 1,200 points there are 60, of which 40 are beyond what costs nothing.
        let first = quote(&desk.aurora, &there, "1200").await;
        desk.aurora.transact(&first, "first".parse().unwrap()).await.unwrap();
        desk.agree().await;
        desk.campaign();
        let board = desk.publish(1, "0.0487").await;
        let give = asked(&there, Side::Source, "1234", Some("gold"));
        let receive = asked(&there, Side::Target, "567", Some("gold"));
        let plain = asked(&there, Side::Source, "999", None);
        let home = asked(&back, Side::Source, "321", None);
        let mut quotes = Vec::new();
        for request in [&give, &receive, &plain] {
            quotes.push((&desk.aurora, request, desk.aurora.quote(request).await.unwrap()));
        }
        quotes.push((&desk.borealis, &home, desk.borealis.quote(&home).await.unwrap()));
        // All of it is in force.
        let rate = |at: usize| &quotes[at].2.rate;
        assert!(!rate(0).surcharge.is_zero() && !rate(2).surcharge.is_zero());
        assert_eq!(rate(0).fee.micros() - rate(0).surcharge.micros(), 12_300);
        assert_eq!((rate(0).multiplier, rate(2).multiplier), (decimal(TIER), Decimal::ONE));
        assert_eq!((rate(3).multiplier, rate(3).surcharge), (decimal("0.9375"), Decimal::ZERO));
        assert_eq!(rate(0).fee_bearer, FeeBearer::Member);
        let bonuses: Vec<bool> = quotes.iter().map(|(.., quote)| quote.bonus.is_some()).collect();
        assert_eq!(bonuses, [true, true, false, false]);
        for (client, request, quoted) in &quotes {
            assert_eq!(quoted.rate.board, board);
            recomputed(client, request, quoted).await;
        }
        // On its board a quote stays what it was, whatever is published since.
        let next = desk.publish(2, "0.0519").await;
        for (client, request, quoted) in &quotes {
            recomputed(client, request, quoted).await;
        }
        let fresh = desk.aurora.quote(&give).await.unwrap();
        assert_eq!(fresh.rate.board, next);
        assert_ne!(fresh.rate.source_value, quotes[0].2.rate.source_value);
        recomputed(&desk.aurora, &give, &fresh).await;
        let rates = desk.aurora.board(next).await.unwrap();
        let programs = desk.aurora.programs().await.unwrap();
        let old = &quotes[0].2;
        let fault = recompute_quote(&rates, &programs, &give, old, decimal(TIER)).unwrap_err();
        assert_eq!(fault, QuoteFault::AnotherBoard { quoted: board, shown: next });
        // What is ordered is what was quoted, and the receipt says so to both.
        let made = desk.aurora.transact(old, "made".parse().unwrap()).await.unwrap();
        for client in [&desk.aurora, &desk.borealis] {
            let signed =
                client.receipt(made.id.to_string().replace("txn_", "rcp_").parse().unwrap());
            let receipt = client.verify_receipt(&signed.await.unwrap()).await.unwrap();
            let receipt = receipt.receipt();
            assert_eq!((&receipt.rate, &receipt.bonus), (&old.rate, &old.bonus));
            assert_eq!(receipt.settlement, old.settlement);
        }
    });
    assert_eq!(desk.gateway.terminate(), Some(0));
    desk.alliance.assert_audit_clean();
}

#[test]
fn a_partner_recomputing_boards_and_quotes_gets_the_same_digits_on_sqlite() {
    a_partner_gets_the_same_digits(Engine::Sqlite);
}

#[test]
fn a_partner_recomputing_boards_and_quotes_gets_the_same_digits_on_postgres() {
    a_partner_gets_the_same_digits(Engine::Postgres);
}
