//! Who plays: three brands of different character, and a thousand people with an account at each.

use alliance_contracts::decimal::Decimal;
use alliance_contracts::names::{ItemRef, MemberRef, PartnerId, ProgramId};
use alliance_contracts::quote::TransactionKind;

use super::random::Seeded;

/// People, and so members of each program.
pub const PEOPLE: usize = 1_000;
/// People of a company's account: so many points that one order would break its brand's cap.
pub const COMPANIES: usize = 4;
/// Of a hundred people, so many have linked their accounts of two programs.
const LINKED_PERCENT: usize = 93;
/// The cast is the same in every demo.
const SEED: u64 = 0x616c_6c69_616e_6365;

/// A brand and its program.
#[derive(Clone, Copy, Debug)]
pub struct Brand {
    /// Its slug.
    pub partner: &'static str,
    /// What people call it.
    pub name: &'static str,
    /// Its program's slug.
    pub program: &'static str,
    /// What people call the program.
    pub program_name: &'static str,
    /// Decimals of its points.
    pub scale: u32,
    /// What a point is worth, in CNY.
    pub value: &'static str,
    /// The least and the most that a point is ever worth.
    pub band: (&'static str, &'static str),
    /// How far it may owe the others, in CNY.
    pub net_debit_cap: &'static str,
    /// What it is like: a remark in the configuration.
    pub character: &'static str,
    /// Opening balances, from and to, in minor units.
    opening: (i64, i64),
    /// Orders, from and to, in minor units: CNY 1 to 12 of worth.
    pub order: (i64, i64),
    /// What it gives for other brands' points: the item, and what it costs, in CNY.
    items: [(&'static str, &'static str); 2],
}

impl Brand {
    /// One of the things that it gives for points: which, and what it costs.
    #[must_use]
    pub fn item(&self, which: usize) -> (ItemRef, Decimal) {
        let (item, price) = self.items[which % self.items.len()];
        (parsed(item), parsed(price))
    }
}

/// The brands. Their order is that of their names.
pub const BRANDS: [Brand; 3] = [
    Brand {
        partner: "aurora-air",
        name: "Aurora Air",
        program: "aurora",
        program_name: "Aurora Miles",
        scale: 0,
        value: "0.05",
        band: ("0.045", "0.055"),
        net_debit_cap: "5000000",
        character: "An airline: many small points, whole ones.",
        opening: (2_000, 80_000),
        order: (20, 240),
        items: [("seat-choice", "9.9"), ("lounge-hour", "12")],
    },
    Brand {
        partner: "borealis-coffee",
        name: "Borealis Coffee",
        program: "borealis",
        program_name: "Borealis Beans",
        scale: 0,
        value: "0.1",
        band: ("0.09", "0.11"),
        net_debit_cap: "5000000",
        character: "Coffee shops: few points, collected by the cup.",
        opening: (1_000, 12_000),
        order: (10, 120),
        items: [("espresso", "2.5"), ("flat-white", "4.8")],
    },
    Brand {
        partner: "cedar-hotels",
        name: "Cedar Hotels",
        program: "cedar",
        program_name: "Cedar Nights",
        scale: 2,
        value: "0.0723",
        band: ("0.065", "0.08"),
        net_debit_cap: "30000",
        character: "Hotels: points with two decimals, and a cap that a company's order can break.",
        opening: (150_000, 3_000_000),
        order: (1_400, 16_600),
        items: [("late-checkout", "11.5"), ("breakfast", "7.25")],
    },
];

/// What the pairs have agreed on: places in [`BRANDS`], and the fee.
pub const AGREEMENTS: [(usize, usize, &str); 3] =
    [(0, 1, "0.01"), (0, 2, "0.015"), (1, 2, "0.0125")];

/// Which kinds of order all of them allow.
pub const KINDS: [TransactionKind; 3] =
    [TransactionKind::Exchange, TransactionKind::Redemption, TransactionKind::Accrual];

/// Where the hotels stand in [`BRANDS`]: the brand with the tight cap.
pub const TIGHT: usize = 2;
/// What a company has there, in minor units: worth CNY 65,070.
const COMPANY_OPENING: i64 = 90_000_000;
/// What a company asks for there, in minor units: worth CNY 57,840, more than the cap.
pub const COMPANY_ORDER: i64 = 80_000_000;

/// One person's account at a brand.
#[derive(Clone, Debug)]
pub struct Account {
    /// The brand's reference for the person.
    pub member: MemberRef,
    /// Opening balance, in minor units.
    pub opening: i64,
}

/// One person.
#[derive(Clone, Debug)]
pub struct Person {
    /// An account at each of [`BRANDS`].
    pub accounts: [Account; 3],
    /// Which pairs of [`AGREEMENTS`] are linked.
    pub linked: [bool; 3],
}

/// Everybody.
#[derive(Clone, Debug)]
pub struct Cast {
    /// The brands' partners.
    pub partners: [PartnerId; 3],
    /// The brands' programs.
    pub programs: [ProgramId; 3],
    /// The people; the first are companies.
    pub people: Vec<Person>,
}

const FIRST: [&str; 20] = [
    "amber", "brisk", "calm", "dusky", "early", "fresh", "golden", "hazel", "ivory", "jolly",
    "keen", "late", "misty", "nutty", "orange", "plain", "quiet", "rusty", "sunny", "tidy",
];
const SECOND: [&str; 20] = [
    "badger", "crane", "dove", "egret", "fox", "gull", "heron", "ibis", "jay", "kite", "lark",
    "marten", "newt", "otter", "panda", "quail", "robin", "stork", "tern", "wren",
];

impl Cast {
    /// The cast.
    #[must_use]
    pub fn new() -> Self {
        let mut seeded = Seeded::new(SEED);
        let people = (0..PEOPLE).map(|at| person(at, &mut seeded)).collect();
        Self {
            partners: BRANDS.map(|b| parsed(b.partner)),
            programs: BRANDS.map(|b| parsed(b.program)),
            people,
        }
    }

    /// `members.csv`: `program,member,balance`.
    #[must_use]
    pub fn members_csv(&self) -> String {
        let mut text = String::from("program,member,balance\n");
        for (at, brand) in BRANDS.iter().enumerate() {
            for person in &self.people {
                let Account { member, opening } = &person.accounts[at];
                let balance = points(*opening, brand.scale);
                text.push_str(&format!("{},{},{balance}\n", brand.program, member.expose()));
            }
        }
        text
    }

    /// `links.csv`: `program,member,linked_program,linked_member`.
    #[must_use]
    pub fn links_csv(&self) -> String {
        let mut text = String::from("program,member,linked_program,linked_member\n");
        for (pair, (a, b, _)) in AGREEMENTS.iter().enumerate() {
            for person in self.people.iter().filter(|person| person.linked[pair]) {
                let end = |at: usize| {
                    format!("{},{}", BRANDS[at].program, person.accounts[at].member.expose())
                };
                text.push_str(&format!("{},{}\n", end(*a), end(*b)));
            }
        }
        text
    }
}

impl Default for Cast {
    fn default() -> Self {
        Self::new()
    }
}

fn person(at: usize, seeded: &mut Seeded) -> Person {
    let company = at < COMPANIES;
    // Numbers that grow with gaps, words with a number, a year with a running number: as brands
    // that never agreed on a form would have them.
    let airline = format!("AU{:07}", 2_100_000 + at * 83 + seeded.below(83));
    let coffee = {
        let (first, second) = (seeded.below(FIRST.len()), seeded.below(SECOND.len()));
        format!("{}.{}.{:03}", FIRST[first], SECOND[second], at)
    };
    let hotel = format!("CH-{}-{:05}", 2009 + seeded.below(17), 10_000 + at * 7);
    let mut openings = BRANDS.map(|brand| seeded.between(brand.opening.0, brand.opening.1));
    if company {
        openings[TIGHT] = COMPANY_OPENING;
    }
    let linked = AGREEMENTS.map(|_| seeded.percent(LINKED_PERCENT) || company);
    let account = |member: String, opening| Account { member: parsed(&member), opening };
    let [a, b, c] = openings;
    Person { accounts: [account(airline, a), account(coffee, b), account(hotel, c)], linked }
}

/// So many minor units as points.
#[must_use]
pub fn points(minor: i64, scale: u32) -> Decimal {
    Decimal::from_minor(minor, scale).unwrap_or_default()
}

/// A constant of ours, read by its rule.
pub fn parsed<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().expect("the demo's own names keep the rules: a test reads all of them")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_cast_is_the_same_every_time_and_nobody_meets_a_double() {
        let (one, other) = (Cast::new(), Cast::new());
        assert_eq!(one.members_csv(), other.members_csv());
        assert_eq!(one.links_csv(), other.links_csv());
        for at in 0..3 {
            let members: HashSet<_> =
                one.people.iter().map(|person| &person.accounts[at].member).collect();
            assert_eq!(members.len(), PEOPLE);
        }
        let links = one.links_csv().lines().count() - 1;
        assert!((2_650..2_900).contains(&links), "{links}");
    }

    #[test]
    fn every_value_is_one() {
        for brand in BRANDS {
            let _: (Decimal, Decimal) = (parsed(brand.value), parsed(brand.net_debit_cap));
            let _ = [brand.item(0), brand.item(1)];
        }
        for (_, _, fee) in AGREEMENTS {
            let _: Decimal = parsed(fee);
        }
        assert!(BRANDS.is_sorted_by_key(|brand| brand.partner));
    }
}
