//! Campaigns over HTTP and by the command line: proposed by one, approved by another, spent by
//! everybody at once, and over exactly at their red line.

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use alliance_contracts::campaign::CampaignState;
use alliance_contracts::problem::ProblemCode;
use alliance_contracts::quote::{QuoteRequest, Side, SideAmount, TransactionKind};
use alliance_contracts::time::Timestamp;
use alliance_partner_sdk::client::Client;
use futures_util::future::join_all;
use futures_util::stream::TryStreamExt;

use crate::harness::{Alliance, Engine, Gateway, block_on, quote};

const AURORA: &str = "aurora-air";
const BOREALIS: &str = "borealis-coffee";

fn days_from_now(days: i64) -> Timestamp {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Timestamp::from_millis(i64::try_from(now.as_millis()).unwrap()).plus_seconds(days * 86_400)
}

/// Twice the stars, since yesterday and for a week, held until it is over.
fn document(budget: &str, holdback_days: u32) -> serde_json::Value {
    serde_json::json!({
        "v": 1, "alliance": "demo", "name": "Double stars", "sponsor": BOREALIS,
        "source": "aurora", "target": "borealis", "multiplier": "2", "budget": budget,
        "from": days_from_now(-1), "until": days_from_now(7), "holdback_days": holdback_days
    })
}

/// A file of the instance with this campaign in it.
fn file(alliance: &Alliance, document: &serde_json::Value) -> String {
    let path = alliance.dir().join("campaign.json");
    fs::write(&path, document.to_string()).unwrap();
    path.display().to_string()
}

/// Runs a command that must succeed; its JSON.
fn done(alliance: &Alliance, command: &[&str]) -> serde_json::Value {
    let output = alliance.run(&[command, &["--json"]].concat());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Runs a command that must end with 1; what it says.
fn refused(alliance: &Alliance, command: &[&str]) -> String {
    let output = alliance.run(command);
    assert_eq!(output.status.code(), Some(1), "{command:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Proposed by lin, approved by chen: its id.
fn run_campaign(alliance: &Alliance, document: &serde_json::Value) -> String {
    let file = file(alliance, document);
    let proposed = done(alliance, &["campaigns", "propose", &file, "--as", "lin"]);
    let id = proposed["id"].as_str().unwrap().to_owned();
    done(alliance, &["campaigns", "approve", &id, "--as", "chen"]);
    id
}

/// A thousand orders in flight, each worth a hundredth of what is left: a hundred are performed,
/// and the campaign stands exactly at its red line.
fn a_budget_ends_exactly_at_its_red_line(engine: Engine, gateways: usize) {
    let alliance = Alliance::new("red-line", engine);
    // 20 miles are 9 stars, and 9 more for 0.9: a hundred times to nine tenths of 100.
    let mut campaign = document("100", 9);
    campaign["red_line"] = "0.9".into();
    campaign["warn_at"] = serde_json::json!(["0.5", "0.8", "0.9"]);
    let id = run_campaign(&alliance, &campaign);
    let gateways: Vec<Gateway> = (0..gateways).map(|_| alliance.serve()).collect();
    let clients: Vec<Client> =
        gateways.iter().map(|gateway| alliance.client(AURORA, gateway)).collect();
    let pairs = alliance.pairs("aurora", "borealis");
    block_on(async {
        let asked = (0..1_000).map(|n| {
            let (source, target) = pairs[n % pairs.len()].clone();
            let amount = Some(SideAmount { side: Side::Source, value: "20".parse().unwrap() });
            let (kind, segment, tier) = (TransactionKind::Exchange, None, None);
            let (source, target) = (source.into(), target.into());
            QuoteRequest { expiry: None, amount, kind, segment, source, target, tier }
        });
        let quotes = clients[0].quotes(asked.collect()).await.unwrap().results;
        let orders = quotes.into_iter().enumerate().map(|(n, result)| {
            let quote = result.quote.unwrap();
            let bonus = quote.bonus.as_ref().unwrap();
            assert_eq!(
                (bonus.points.to_string(), bonus.cost.to_string()),
                ("9".into(), "0.9".into())
            );
            let reference = format!("order-{n}").parse().unwrap();
            clients[n % clients.len()].transact(&quote, reference).send()
        });
        let outcomes = join_all(orders).await;
        let made = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        let code = |code: ProblemCode| {
            let is = |o: &&Result<_, alliance_partner_sdk::client::Error>| matches!(o, Err(error) if error.code() == Some(code));
            outcomes.iter().filter(is).count()
        };
        let over = code(ProblemCode::ExceedsCampaignBudget);
        assert_eq!(made, 100, "exactly as many as fit");
        assert_eq!(made + over + code(ProblemCode::InsufficientPoints), 1_000);
        // Whoever pays sees what it came to; whoever gives points sees that it has stopped.
        let payer = alliance.client(BOREALIS, &gateways[0]);
        let seen = payer.campaigns().await.unwrap().campaigns.remove(0);
        let budget = seen.budget.unwrap();
        assert_eq!((budget.spent.to_string(), budget.warned), ("90".to_owned(), 3));
        assert_eq!((seen.state, seen.id.to_string()), (CampaignState::Stopped, id.clone()));
        let seen = clients[0].campaigns().await.unwrap().campaigns.remove(0);
        assert!(seen.budget.is_none() && seen.state == CampaignState::Stopped);
        // The next quote has no bonus, and is performed.
        let next = quote(&clients[0], &pairs[0], "20").await;
        assert!(next.bonus.is_none());
        // The stream verifies: signatures, chain, terms and the two lines of each bonus.
        let corridor = "aurora-air~borealis-coffee".parse().unwrap();
        let receipts = clients[0].receipts(&corridor).stream();
        let bonuses = receipts
            .try_fold(0, |n, receipt| async move {
                Ok(n + usize::from(receipt.receipt().bonus.is_some()))
            })
            .await
            .unwrap();
        assert_eq!(bonuses, 100);
    });
    let shown = done(&alliance, &["campaigns", "show", &id]);
    assert_eq!((shown["state"].as_str(), shown["spent"].as_str()), (Some("stopped"), Some("90")));
    assert_eq!(shown["stopped_by"], serde_json::Value::Null, "by itself");
    alliance.assert_audit_clean();
}

#[test]
fn a_budget_ends_exactly_at_its_red_line_with_a_thousand_orders_in_flight_on_sqlite() {
    a_budget_ends_exactly_at_its_red_line(Engine::Sqlite, 1);
}

#[test]
fn a_budget_ends_exactly_at_its_red_line_over_two_gateways_on_postgres() {
    a_budget_ends_exactly_at_its_red_line(Engine::Postgres, 2);
}

#[test]
fn a_bonus_shows_as_held_and_goes_nowhere_until_the_holdback_ends() {
    let alliance = Alliance::new("held", Engine::Sqlite);
    run_campaign(&alliance, &document("100", 9));
    let gateway = alliance.serve();
    let (aurora, borealis) =
        (alliance.client(AURORA, &gateway), alliance.client(BOREALIS, &gateway));
    let (mile, star) = alliance.pairs("aurora", "borealis").remove(0);
    block_on(async {
        let before = borealis.member_balance(&star).await.unwrap();
        assert_eq!(before.held.to_string(), "0");
        let quoted = quote(&aurora, &(mile.clone(), star.clone()), "20").await;
        let made = aurora.transact(&quoted, "one".parse().unwrap()).await.unwrap();
        assert_eq!(made.bonus, quoted.bonus);
        let after = borealis.member_balance(&star).await.unwrap();
        assert_eq!(after.held.to_string(), "9");
        let all = after.balance.to_string();
        let onward = quote(&borealis, &(star.clone(), mile.clone()), &all).await;
        let refusal = borealis.transact(&onward, "two".parse().unwrap()).await.unwrap_err();
        assert_eq!(refusal.code(), Some(ProblemCode::InsufficientPoints));
        let free = all.parse::<i64>().unwrap() - 9;
        let onward = quote(&borealis, &(star.clone(), mile.clone()), &free.to_string()).await;
        borealis.transact(&onward, "three".parse().unwrap()).await.unwrap();
        let left = borealis.member_balance(&star).await.unwrap();
        assert_eq!((left.balance.to_string(), left.held.to_string()), ("9".into(), "9".into()));
    });
    alliance.assert_audit_clean();
}

#[test]
fn a_campaign_is_refused_whole_by_whom_it_must_not_start_with_or_where_somebody_would_gain() {
    let alliance = Alliance::new("refused", Engine::Sqlite);
    let mut bad = document("0", 9);
    bad["multiplier"] = "11".into();
    bad["target"] = "nowhere".into();
    let bad = file(&alliance, &bad);
    for command in
        [vec!["campaigns", "check", &bad], vec!["campaigns", "propose", &bad, "--as", "lin"]]
    {
        let told = refused(&alliance, &command);
        for place in ["/budget", "/multiplier", "/target"] {
            assert!(told.contains(place), "{told}");
        }
    }
    let round = file(&alliance, &document("100", 0));
    let told = refused(&alliance, &["campaigns", "check", &round]);
    assert!(told.contains("aurora → borealis") && told.contains("multiplies by"), "{told}");
    let proposed = done(&alliance, &["campaigns", "propose", &round, "--as", "lin"]);
    let id = proposed["id"].as_str().unwrap();
    let told = refused(&alliance, &["campaigns", "approve", id, "--as", "chen"]);
    assert!(told.contains("multiplies by"), "{told}");
    let good = file(&alliance, &document("100", 9));
    done(&alliance, &["campaigns", "check", &good]);
    let proposed = done(&alliance, &["campaigns", "propose", &good, "--as", "lin"]);
    let id = proposed["id"].as_str().unwrap();
    let told = refused(&alliance, &["campaigns", "approve", id, "--as", "lin"]);
    assert!(told.contains("another operator"), "{told}");
    done(&alliance, &["campaigns", "approve", id, "--as", "chen"]);
    done(&alliance, &["campaigns", "stop", id, "--as", "lin"]);
    let listed = done(&alliance, &["campaigns", "list"]);
    let states: Vec<&str> = listed["campaigns"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|c| c["state"].as_str())
        .collect();
    assert_eq!(states, ["proposed", "stopped"]);
}
