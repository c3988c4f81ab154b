use std::collections::{BTreeMap, BTreeSet};
use std::path::Path as File;

use alliance_contracts::encoding::Hash;
use alliance_contracts::names::ProgramId;
use alliance_contracts::receipt::{self, Account, Asset, Receipt};
use proptest::prelude::*;

use super::accounts::Path;
use super::{Balances, Format, Holder, Journal, Members, Place, Span, amounts, beancount, hledger};

fn page(name: &str) -> String {
    let folder = File::new(env!("CARGO_MANIFEST_DIR")).join("../docs/formats");
    std::fs::read_to_string(folder.join(name)).unwrap()
}

fn block(page: &str, kind: &str) -> String {
    let (_, rest) = page.split_once(&format!(" {kind}\n")).unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

/// The receipts of the formats' story.
fn story() -> Vec<(Receipt, Hash)> {
    let file = block(&page("receipts-file.md"), "receipts-file");
    let payloads = file.lines().filter_map(|line| line.split_once(",\"receipt\":"));
    let payloads = payloads.map(|(_, rest)| rest.strip_suffix('}').unwrap().as_bytes());
    payloads.map(|payload| (receipt::parse(payload).unwrap(), Hash::of(payload))).collect()
}

fn scales() -> BTreeMap<ProgramId, u32> {
    ["aurora", "borealis"].map(|program| (program.parse().unwrap(), 0)).into()
}

/// The story's journal from its third receipt on; members were imported with points before.
fn exported(format: Format, members: Members) -> String {
    let (mut openings, aurora) = (Balances::default(), Asset::Program("aurora".parse().unwrap()));
    let all = Holder::Members("aurora".parse().unwrap());
    openings.add_minor(&all, &aurora, 5_000, 0);
    let issued = Holder::Account("issued:aurora".parse().unwrap());
    openings.add_minor(&issued, &aurora, -5_000, 0);
    let mut journal = Journal::new(format, members, scales(), openings);
    let after = Some("2026-11-23T05:05:00.000Z".parse().unwrap());
    let span = Span { after, until: None };
    let (mut out, story) = (String::new(), story());
    let (before, within): (Vec<_>, Vec<_>) =
        story.iter().partition(|(receipt, _)| span.place(receipt.completed_at) == Place::Before);
    assert_eq!((before.len(), within.len()), (2, 1));
    before.iter().for_each(|(receipt, _)| journal.before(receipt));
    journal.begin(&story[0].0.alliance, after, &mut out);
    within.iter().for_each(|(receipt, payload)| journal.receipt(receipt, payload, &mut out));
    let (written, differences) = journal.end(None, &mut out);
    assert_eq!((written.receipts, written.postings, differences), (1, 4, vec![]));
    out
}

#[test]
fn the_page_shows_what_is_written() {
    let page = page("journal.md");
    for (kind, format) in [
        ("journal-hledger", Format::Hledger),
        ("journal-beancount", Format::Beancount),
        ("journal-csv", Format::Csv),
    ] {
        let written = exported(format, Members::Folded);
        assert_eq!(block(&page, kind), written, "{kind}\n{written}");
    }
    for account in ["member:", "issued:", "position:", "held:", "campaign:", "alliance:"] {
        assert!(page.contains(account), "the table has no {account}");
    }
    for column in super::csv::HEADER.split(',') {
        assert!(page.contains(&format!("`{column}`")), "{column}");
    }
}

#[test]
fn pseudonyms_are_shown_only_where_they_are_asked_for() {
    let pseudonym = story()[2].0.source.member().unwrap().to_string();
    for format in [Format::Hledger, Format::Beancount, Format::Csv] {
        assert!(!exported(format, Members::Folded).contains(&pseudonym));
        assert!(exported(format, Members::Pseudonyms).contains(&pseudonym));
    }
}

#[test]
fn a_balance_that_the_books_have_otherwise_is_told() {
    let (receipt, payload) = &story()[0];
    let ended = |by: i128| {
        let openings = Balances::default();
        let mut journal = Journal::new(Format::Hledger, Members::Folded, scales(), openings);
        let (mut out, mut books) = (String::new(), Balances::default());
        journal.begin(&receipt.alliance, None, &mut out);
        journal.receipt(receipt, payload, &mut out);
        journal.later(receipt);
        books.post(receipt);
        books.post(receipt);
        let (fees, money) = (Holder::Account(Account::Fees), "CNY".parse().unwrap());
        books.add(&fees, &money, by);
        (journal.end(Some(&books), &mut out).1, fees)
    };
    assert_eq!(ended(0).0, vec![]);
    let (found, fees) = ended(1);
    assert_eq!((found.len(), &found[0].holder), (1, &fees));
    assert_eq!(found[0].books - found[0].journal, 1);
}

const SLUG: &str = "[a-z0-9][a-z0-9-]{1,30}";

/// What beancount takes for a commodity and for a part of an account's name.
fn is_commodity(text: &str) -> bool {
    let bytes = text.as_bytes();
    let inner = |b: &u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b"'._-".contains(b);
    let end = bytes.last().is_some_and(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    bytes.first().is_some_and(u8::is_ascii_uppercase) && bytes.iter().all(inner) && end
}

fn is_part(text: &str) -> bool {
    let bytes = text.as_bytes();
    let begins = |b: &u8| b.is_ascii_uppercase() || b.is_ascii_digit();
    bytes.first().is_some_and(begins)
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-')
}

proptest! {
    #[test]
    fn no_two_assets_have_one_name(names in prop::collection::btree_set(SLUG, 1..20)) {
        let programs = names.iter().map(|name| Asset::Program(name.parse().unwrap()));
        // A currency that a program's name could be taken for.
        let codes = names.iter().filter_map(|name| name.to_ascii_uppercase().parse().ok());
        let assets: BTreeSet<Asset> = programs.chain(codes.map(Asset::Currency)).collect();
        let beancount: BTreeSet<String> = assets.iter().map(beancount::commodity).collect();
        let hledger: BTreeSet<String> = assets.iter().map(hledger::commodity).collect();
        prop_assert_eq!((beancount.len(), hledger.len()), (assets.len(), assets.len()));
        prop_assert!(beancount.iter().all(|name| is_commodity(name)), "{:?}", beancount);
    }

    #[test]
    fn no_two_accounts_have_one_name(
        names in prop::collection::btree_set(SLUG, 1..8), seed in "[0-9a-f]{64}", id in any::<u128>(),
    ) {
        let campaign = alliance_contracts::ids::CampaignId::from_u128(id);
        let mut accounts = BTreeSet::from([
            Account::Fees, Account::Rounding, Account::Campaign(campaign),
        ]);
        for name in &names {
            accounts.insert(Account::Member(name.parse().unwrap(), seed.parse().unwrap()));
            accounts.insert(Account::Issued(name.parse().unwrap()));
            if let Ok(partner) = name.parse::<alliance_contracts::names::PartnerId>() {
                accounts.insert(Account::Position(partner.clone()));
                accounts.insert(Account::Held(partner));
            }
        }
        for members in [Members::Folded, Members::Pseudonyms] {
            let paths = accounts.iter().map(|account| Path::of_account(account, members));
            let names: BTreeSet<_> = paths.map(|path| (path.hledger(), path.beancount())).collect();
            let (hledger, beancount): (BTreeSet<_>, BTreeSet<_>) = names.into_iter().unzip();
            prop_assert_eq!((hledger.len(), beancount.len()), (accounts.len(), accounts.len()));
            for name in &beancount {
                prop_assert!(name.split(':').all(is_part), "{}", name);
            }
        }
    }

    #[test]
    fn an_amount_is_spelled_whole(micros in any::<i64>(), scale in 0_u32..=6) {
        let text = amounts::spelled(i128::from(micros), scale);
        let (whole, rest) = text.split_once('.').unwrap_or((&text, ""));
        prop_assert!(rest.len() >= scale as usize && rest.len() <= 6);
        let back: i128 = format!("{whole}{rest:0<6}").parse().unwrap();
        prop_assert_eq!(back, i128::from(micros));
    }
}
