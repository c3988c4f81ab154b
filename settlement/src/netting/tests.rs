//! What netting promises, on cases by hand and on thousands of others.

use std::collections::BTreeMap;

use alliance_contracts::json;
use alliance_contracts::names::Party;
use alliance_contracts::netting::{CertificateFault, Effort, NettingCertificate, Owed};
use alliance_contracts::total::Total;
use proptest::prelude::*;

use super::{NettingFault, Obligations, Run, net};

fn run() -> Run {
    Run {
        alliance: "demo".parse().unwrap(),
        currency: "CNY".parse().unwrap(),
        window: Some("win_01h455vb4pex5vsknk084sn02q".parse().unwrap()),
        carried: Vec::new(),
    }
}

fn party(name: &str) -> Party {
    name.parse().unwrap()
}

fn netted(owed: &[(&str, &str, i128)]) -> NettingCertificate {
    let mut obligations = Obligations::new();
    for (debtor, creditor, amount) in owed {
        obligations.add(&party(debtor), &party(creditor), amount * 1_000_000).unwrap();
    }
    let certificate = net(run(), &obligations).unwrap();
    assert_eq!(certificate.check(), Ok(()));
    certificate
}

fn effort(moved: i128, payments: u32) -> Effort {
    Effort { moved: Total::from_micros(moved * 1_000_000), payments }
}

/// A finance person's table: who owes whom, then what each way moves.
#[test]
fn each_way_moves_what_a_person_would_work_out() {
    let triangle = [("aa", "bb", 100), ("bb", "cc", 80), ("cc", "aa", 70)];
    let both = [("aa", "bb", 100), ("bb", "aa", 60)];
    let even = [("aa", "bb", 50), ("bb", "cc", 50), ("cc", "aa", 50)];
    let chain = [("aa", "bb", 100), ("bb", "cc", 100)];
    let fees = [("aa", "bb", 100), ("aa", "alliance", 1), ("bb", "alliance", 2)];
    for (owed, gross, bilateral, set_off, multilateral) in [
        (&triangle[..], effort(250, 3), effort(250, 3), effort(40, 2), effort(60, 3)),
        (&both[..], effort(160, 2), effort(40, 1), effort(40, 1), effort(80, 2)),
        (&even[..], effort(150, 3), effort(150, 3), effort(0, 0), effort(0, 0)),
        // Without novation B stands between: nobody owes anybody new.
        (&chain[..], effort(200, 2), effort(200, 2), effort(200, 2), effort(200, 2)),
        // What the alliance earned stays with it: A pays 101, B is paid 98.
        (&fees[..], effort(103, 3), effort(103, 3), effort(103, 3), effort(199, 2)),
        (&[], effort(0, 0), effort(0, 0), effort(0, 0), effort(0, 0)),
    ] {
        let found = netted(owed);
        assert_eq!(found.gross, gross, "gross of {owed:?}");
        assert_eq!(found.bilateral, bilateral, "bilateral of {owed:?}");
        assert_eq!(found.set_off.effort, set_off, "set-off of {owed:?}");
        assert_eq!(found.multilateral, multilateral, "multilateral of {owed:?}");
    }
}

/// A pair's difference first, or the first cycle that is found, would leave more.
#[test]
fn set_off_is_the_least_and_not_merely_without_cycles() {
    // D and B owe each other one; ten more go the long way round from D to B.
    let found = netted(&[
        ("aa", "bb", 10),
        ("bb", "dd", 1),
        ("cc", "aa", 10),
        ("dd", "bb", 1),
        ("dd", "cc", 10),
    ]);
    // Set off as a pair, the short way is gone: 30 by C and A. Kept, it spares one unit the long one.
    assert_eq!(found.bilateral, effort(30, 3));
    assert_eq!(found.set_off.effort, effort(28, 4));
    let found = netted(&[
        ("aa", "bb", 10),
        ("bb", "dd", 25),
        ("bb", "cc", 10),
        ("cc", "ee", 10),
        ("ee", "bb", 10),
        ("dd", "aa", 10),
    ]);
    // B→C→E→B is gone, and ten of A→B→D→A.
    assert_eq!(found.set_off.effort, effort(15, 1));
}

#[test]
fn what_nobody_owes_is_no_obligation() {
    let mut obligations = Obligations::new();
    obligations.add(&party("aa"), &party("aa"), 5).unwrap();
    obligations.add(&party("aa"), &party("bb"), 0).unwrap();
    let certificate = net(run(), &obligations).unwrap();
    assert!(certificate.parties.is_empty() && certificate.obligations.is_empty());
    assert_eq!(certificate.check(), Ok(()));
}

#[test]
fn totals_beyond_all_counting_are_refused() {
    let mut obligations = Obligations::new();
    obligations.add(&party("aa"), &party("bb"), i128::MAX).unwrap();
    assert_eq!(obligations.add(&party("aa"), &party("bb"), 1), Err(NettingFault::Beyond));
    obligations.add(&party("cc"), &party("bb"), 1).unwrap();
    assert_eq!(net(run(), &obligations), Err(NettingFault::Beyond));
}

/// Every rule of the check by itself: one thing changed, and its fault named.
#[test]
fn a_changed_certificate_is_refused_for_what_was_changed() {
    let good = netted(&[("aa", "bb", 100), ("bb", "cc", 80), ("cc", "aa", 70)]);
    let broken = |change: fn(&mut NettingCertificate)| {
        let mut certificate = good.clone();
        change(&mut certificate);
        certificate.check().unwrap_err()
    };
    assert_eq!(broken(|c| c.v = 2), CertificateFault::Version);
    assert_eq!(broken(|c| c.parties.swap(0, 1)), CertificateFault::PartyOrder(party("aa")));
    assert_eq!(broken(|c| c.nets.truncate(2)), CertificateFault::Length("nets"));
    assert_eq!(
        broken(|c| c.set_off.distances.push(0)),
        CertificateFault::Length("set_off.distances")
    );
    let entry = |entry| CertificateFault::Entry { list: "obligations", entry };
    assert_eq!(broken(|c| c.obligations[1].creditor = 9), entry(1));
    assert_eq!(broken(|c| c.obligations[1].creditor = 1), entry(1));
    assert_eq!(broken(|c| c.obligations[2].amount = Total::ZERO), entry(2));
    let order = CertificateFault::EntryOrder { list: "obligations", entry: 1 };
    assert_eq!(broken(|c| c.obligations.swap(0, 1)), order);
    assert_eq!(broken(|c| c.nets[2] = Total::ZERO), CertificateFault::Net(party("cc")));
    assert_eq!(
        broken(|c| c.set_off.paid[0].amount = Total::from_micros(1)),
        CertificateFault::SetOffNet(party("aa"))
    );
    // A pays C instead of B paying for it: everybody's net is kept, but A owed C nothing.
    let novated = broken(|c| {
        c.set_off.paid = vec![
            Owed { debtor: 0, creditor: 1, amount: Total::from_micros(20_000_000) },
            Owed { debtor: 0, creditor: 2, amount: Total::from_micros(10_000_000) },
        ];
    });
    let created = CertificateFault::SetOffCreates { debtor: party("aa"), creditor: party("cc") };
    assert_eq!(novated, created);
    assert!(matches!(
        broken(|c| c.set_off.paid.clone_from(&c.obligations)),
        CertificateFault::SetOffNotLeast { .. }
    ));
    assert!(matches!(
        broken(|c| c.set_off.distances = vec![0, 0, 0]),
        CertificateFault::SetOffNotLeast { .. }
    ));
    assert_eq!(broken(|c| c.gross.payments = 4), CertificateFault::Effort("gross"));
    assert_eq!(broken(|c| c.bilateral.payments = 4), CertificateFault::Effort("bilateral"));
    assert_eq!(broken(|c| c.set_off.effort.payments = 4), CertificateFault::Effort("set_off"));
    assert_eq!(
        broken(|c| c.multilateral.moved = Total::ZERO),
        CertificateFault::Effort("multilateral")
    );
}

/// Who owes whom how much, among few parties, so that there are cycles everywhere.
fn debts() -> impl Strategy<Value = Vec<(u8, u8, i64)>> {
    let amount = prop_oneof![1..20_i64, 1..=1_000_000_000_000_000_000_i64];
    proptest::collection::vec((0..9_u8, 0..9_u8, amount), 0..80)
}

fn obligations(debts: &[(u8, u8, i64)]) -> Obligations {
    let mut obligations = Obligations::new();
    for (debtor, creditor, micros) in debts {
        let name = |number: &u8| party(&format!("partner-{number}"));
        obligations.add(&name(debtor), &name(creditor), i128::from(*micros)).unwrap();
    }
    obligations
}

/// What is left of debts when cycles are cancelled one after the other, whichever is found first.
fn cancelled_greedily(certificate: &NettingCertificate) -> i128 {
    let mut left: BTreeMap<(u32, u32), i128> = certificate
        .obligations
        .iter()
        .map(|owed| ((owed.debtor, owed.creditor), owed.amount.micros()))
        .collect();
    while let Some(cycle) = some_cycle(&left) {
        let narrowest = cycle.iter().map(|arc| left[arc]).min().unwrap();
        for arc in cycle {
            let amount = left.get_mut(&arc).unwrap();
            *amount -= narrowest;
            if *amount == 0 {
                left.remove(&arc);
            }
        }
    }
    left.values().sum()
}

fn some_cycle(left: &BTreeMap<(u32, u32), i128>) -> Option<Vec<(u32, u32)>> {
    fn from(
        start: u32,
        way: &mut Vec<(u32, u32)>,
        left: &BTreeMap<(u32, u32), i128>,
        done: &mut Vec<u32>,
    ) -> Option<Vec<(u32, u32)>> {
        for &(debtor, creditor) in left.keys().filter(|(debtor, _)| *debtor == start) {
            if let Some(at) = way.iter().position(|(debtor, _)| *debtor == creditor) {
                way.push((debtor, creditor));
                return Some(way.split_off(at));
            }
            if done.contains(&creditor) {
                continue;
            }
            way.push((debtor, creditor));
            if let Some(cycle) = from(creditor, way, left, done) {
                return Some(cycle);
            }
            way.pop();
        }
        done.push(start);
        None
    }
    let mut done = Vec::new();
    left.keys().find_map(|(debtor, _)| from(*debtor, &mut Vec::new(), left, &mut done))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// The document's own check proves nets, obligations and that nothing less is possible.
    #[test]
    fn every_run_proves_itself(debts in debts()) {
        let certificate = net(run(), &obligations(&debts)).unwrap();
        prop_assert_eq!(certificate.check(), Ok(()));
        let sum: i128 = certificate.nets.iter().map(|net| net.micros()).sum();
        prop_assert_eq!(sum, 0);
        let moved = certificate.set_off.effort.moved;
        prop_assert!(moved <= certificate.bilateral.moved);
        prop_assert!(certificate.bilateral.moved <= certificate.gross.moved);
        prop_assert!(moved.micros() <= cancelled_greedily(&certificate));
    }

    /// A run has one spelling, whatever the order in which receipts are read.
    #[test]
    fn order_changes_no_byte(debts in debts(), cut in 0..80_usize) {
        let certificate = net(run(), &obligations(&debts)).unwrap();
        let mut turned = debts.clone();
        turned.rotate_left(cut.min(debts.len()));
        turned.reverse();
        let again = net(run(), &obligations(&turned)).unwrap();
        prop_assert_eq!(json::canonical(&certificate), json::canonical(&again));
        let read: NettingCertificate = json::read(&json::canonical(&certificate)).unwrap();
        prop_assert_eq!(read, certificate);
    }
}
