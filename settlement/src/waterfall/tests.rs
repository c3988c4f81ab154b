//! The order in which partners are listed.

use alliance_contracts::waterfall::LossShare;
use proptest::prelude::*;

use super::*;

fn failed(rule: LossRule, others: Vec<Other>) -> Failed {
    Failed {
        alliance: "demo".parse().unwrap(),
        currency: "CNY".parse().unwrap(),
        window: "win_01h455vb4pex5vsknk084sn02q".parse().unwrap(),
        defaulter: "delta-cinemas".parse().unwrap(),
        owed: Total::from_micros(1_000_000_001),
        prefunding: Total::from_micros(300),
        collateral: Total::from_micros(20),
        rule,
        others,
    }
}

#[test]
fn the_definitions_table_is_read_and_has_a_rule_without_one() {
    let read = |text: &str| toml::from_str::<LossDefinition>(text);
    assert_eq!(read("").unwrap().rule, LossRule::ProRataGross);
    for (text, rule) in [
        ("equal", LossRule::Equal),
        ("pro_rata_gross", LossRule::ProRataGross),
        ("creditors_first", LossRule::CreditorsFirst),
    ] {
        assert_eq!(read(&format!("rule = \"{text}\"")).unwrap().rule, rule);
    }
    assert!(read("rule = \"lottery\"").is_err() && read("rules = \"equal\"").is_err());
}

#[test]
fn a_partner_listed_twice_and_one_that_bears_its_own_loss_are_refused() {
    let other = |name: &str| Other {
        net: Total::ZERO,
        partner: name.parse().unwrap(),
        traded: Total::ZERO,
    };
    for others in [vec![other("aa"), other("aa")], vec![other("delta-cinemas")]] {
        assert_eq!(resolve(failed(LossRule::Equal, others)), Err(WaterfallFault::Others));
    }
}

proptest! {
    #[test]
    fn the_order_of_partners_does_not_matter(
        rule in prop::sample::select(
            vec![LossRule::Equal, LossRule::ProRataGross, LossRule::CreditorsFirst]
        ),
        (others, shuffled) in prop::collection::vec((-500..500_i128, 0..500_i128), 0..9)
            .prop_map(|figures| {
                let other = |(at, (net, traded)): (usize, (i128, i128))| Other {
                    net: Total::from_micros(net * 1_000_000),
                    partner: format!("p{at}").parse().unwrap(),
                    traded: Total::from_micros(traded * 1_000_000),
                };
                figures.into_iter().enumerate().map(other).collect::<Vec<_>>()
            })
            .prop_flat_map(|others| (Just(others.clone()), Just(others).prop_shuffle())),
    ) {
        let (one, other) = (resolve(failed(rule, others)), resolve(failed(rule, shuffled)));
        prop_assert_eq!(&one, &other);
        let waterfall = one.unwrap();
        prop_assert_eq!(waterfall.check(), Ok(()));
        let shares = waterfall.shares().unwrap();
        prop_assert!(shares.iter().map(LossShare::check).all(|check| check == Ok(())));
    }
}
