//! People that there are not: names in Chinese and English, tiers, accounts at the sandbox's
//! brands, and which of them are one person's. The same seed gives the same bytes.
//!
//! | file | holds | goes into the books |
//! | --- | --- | --- |
//! | `members.csv` | accounts whose balances the gateway keeps | by `alliance members import` |
//! | `links.csv` | which of those are one person's | by `alliance links import` |
//! | `people.csv` | names, tiers and all accounts | never: no name does |

use alliance_contracts::decimal::Decimal;

use super::cast::{BRANDS, Brand, OWN};
use crate::demo::random::Seeded;

/// The members' file.
const MEMBERS_FILE: &str = "members.csv";
/// The links' file.
const LINKS_FILE: &str = "links.csv";
/// The file of names.
const PEOPLE_FILE: &str = "people.csv";

/// Of a hundred people, so many have a Chinese name.
const CHINESE_PERCENT: usize = 60;
/// Of a hundred people who have both accounts that the gateway keeps, so many have linked them.
const LINKED_PERCENT: usize = 85;

/// How good a customer somebody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tier {
    /// What it is called.
    pub name: &'static str,
    /// Of a hundred people, so many are this or better.
    percent: usize,
    /// What an account has at least and at most, in minor units of its program.
    pub balance: (i64, i64),
}

/// The tiers, the best first.
pub const TIERS: [Tier; 4] = [
    Tier { name: "platinum", percent: 2, balance: (200_000, 2_000_000) },
    Tier { name: "gold", percent: 10, balance: (40_000, 300_000) },
    Tier { name: "silver", percent: 30, balance: (5_000, 60_000) },
    Tier { name: "basic", percent: 100, balance: (0, 8_000) },
];

/// One account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Where.
    pub brand: Brand,
    /// The brand's own reference.
    pub member: String,
    /// Its balance, in minor units.
    pub balance: i64,
}

/// One person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Its name, as it is written.
    pub name: String,
    /// The same in Latin letters.
    pub latin: String,
    /// `zh` or `en`.
    pub language: &'static str,
    /// How good a customer.
    pub tier: Tier,
    /// Its accounts, in the order of [`BRANDS`]; at least one.
    pub accounts: Vec<Account>,
    /// Whether its two accounts that the gateway keeps are linked.
    pub linked: bool,
}

impl PartialEq for Brand {
    fn eq(&self, other: &Self) -> bool {
        self.partner == other.partner
    }
}

impl Eq for Brand {}

/// Everybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct People(pub Vec<Person>);

/// Family names by how often they are met, the first the most often, and how they are spoken.
const FAMILY_ZH: [(&str, &str); 24] = [
    ("王", "Wang"),
    ("李", "Li"),
    ("张", "Zhang"),
    ("刘", "Liu"),
    ("陈", "Chen"),
    ("杨", "Yang"),
    ("黄", "Huang"),
    ("赵", "Zhao"),
    ("吴", "Wu"),
    ("周", "Zhou"),
    ("徐", "Xu"),
    ("孙", "Sun"),
    ("马", "Ma"),
    ("朱", "Zhu"),
    ("胡", "Hu"),
    ("郭", "Guo"),
    ("何", "He"),
    ("高", "Gao"),
    ("林", "Lin"),
    ("罗", "Luo"),
    ("郑", "Zheng"),
    ("梁", "Liang"),
    ("欧阳", "Ouyang"),
    ("司马", "Sima"),
];
const GIVEN_ZH: [(&str, &str); 32] = [
    ("伟", "wei"),
    ("芳", "fang"),
    ("娜", "na"),
    ("敏", "min"),
    ("静", "jing"),
    ("强", "qiang"),
    ("磊", "lei"),
    ("军", "jun"),
    ("洋", "yang"),
    ("勇", "yong"),
    ("艳", "yan"),
    ("杰", "jie"),
    ("涛", "tao"),
    ("明", "ming"),
    ("超", "chao"),
    ("秀", "xiu"),
    ("霞", "xia"),
    ("平", "ping"),
    ("刚", "gang"),
    ("桂", "gui"),
    ("英", "ying"),
    ("华", "hua"),
    ("玉", "yu"),
    ("兰", "lan"),
    ("梓", "zi"),
    ("涵", "han"),
    ("轩", "xuan"),
    ("怡", "yi"),
    ("欣", "xin"),
    ("雨", "yu"),
    ("晨", "chen"),
    ("思", "si"),
];
const FAMILY_EN: [&str; 24] = [
    "Smith",
    "Jones",
    "Williams",
    "Brown",
    "Taylor",
    "Davies",
    "Evans",
    "Thomas",
    "Johnson",
    "Roberts",
    "Walker",
    "Wright",
    "Robinson",
    "Thompson",
    "White",
    "Hughes",
    "Edwards",
    "Green",
    "Hall",
    "Wood",
    "Harris",
    "Clarke",
    "O'Neill",
    "Fitzgerald",
];
const GIVEN_EN: [&str; 28] = [
    "Olivia",
    "Amelia",
    "Isla",
    "Ava",
    "Emily",
    "Grace",
    "Sophie",
    "Ella",
    "Charlotte",
    "Alice",
    "Ruby",
    "Hannah",
    "Margaret",
    "Priya",
    "Noah",
    "George",
    "Arthur",
    "Oliver",
    "Leo",
    "Harry",
    "Oscar",
    "Henry",
    "Jack",
    "James",
    "William",
    "Thomas",
    "Daniel",
    "Samuel",
];

impl People {
    /// So many people of a seed. The first has accounts at both brands whose balances the gateway
    /// keeps, linked, with points to begin with.
    #[must_use]
    pub fn new(seed: u64, count: usize) -> Self {
        let mut seeded = Seeded::new(seed);
        Self((0..count).map(|at| person(at, &mut seeded)).collect())
    }

    /// All three files: name and text.
    #[must_use]
    pub fn files(&self) -> [(&'static str, String); 3] {
        [
            (MEMBERS_FILE, self.members_csv()),
            (LINKS_FILE, self.links_csv()),
            (PEOPLE_FILE, self.people_csv()),
        ]
    }

    /// `members.csv`: `program,member,balance`.
    #[must_use]
    pub fn members_csv(&self) -> String {
        let mut text = String::from("program,member,balance\n");
        for person in &self.0 {
            for account in person.accounts.iter().filter(|account| account.brand.mood.is_none()) {
                let balance = points(account);
                text.push_str(&format!("{},{},{balance}\n", account.brand.program, account.member));
            }
        }
        text
    }

    /// `links.csv`: `program,member,linked_program,linked_member`.
    #[must_use]
    pub fn links_csv(&self) -> String {
        let mut text = String::from("program,member,linked_program,linked_member\n");
        for [one, other] in self.0.iter().filter_map(Person::link) {
            let end = |account: &Account| format!("{},{}", account.brand.program, account.member);
            text.push_str(&format!("{},{}\n", end(one), end(other)));
        }
        text
    }

    /// `people.csv`: a line for each account.
    #[must_use]
    pub fn people_csv(&self) -> String {
        let mut text = String::from("person,name,latin,language,tier,program,member,balance\n");
        for (at, person) in self.0.iter().enumerate() {
            let Person { name, latin, language, tier, .. } = person;
            for account in &person.accounts {
                let (program, balance) = (account.brand.program, points(account));
                text.push_str(&format!(
                    "{},{name},{latin},{language},{},{program},{},{balance}\n",
                    at + 1,
                    tier.name,
                    account.member
                ));
            }
        }
        text
    }
}

impl Person {
    /// The two accounts that are linked.
    #[must_use]
    pub fn link(&self) -> Option<[&Account; 2]> {
        let mut hosted = self.accounts.iter().filter(|account| account.brand.mood.is_none());
        let both = [hosted.next()?, hosted.next()?];
        self.linked.then_some(both)
    }
}

fn points(account: &Account) -> Decimal {
    Decimal::from_minor(account.balance, account.brand.scale).unwrap_or_default()
}

fn person(at: usize, seeded: &mut Seeded) -> Person {
    let first = at == 0;
    let (name, latin, language) = name(seeded);
    let drawn = seeded.below(100);
    let tier = TIERS.iter().find(|tier| drawn < tier.percent).unwrap_or(&TIERS[3]);
    let tier = if first { TIERS[1] } else { *tier };
    let chances = BRANDS.map(|brand| match brand.mood {
        _ if brand == OWN => 90,
        None => 70,
        Some(_) => 30,
    });
    let mut accounts: Vec<Account> = Vec::new();
    for (brand, chance) in BRANDS.into_iter().zip(chances) {
        // Drawn of everybody for every brand, so that nobody's chance hangs on another's.
        let (has, account) = (seeded.percent(chance), account(at, brand, tier, seeded));
        if has || (first && brand.mood.is_none()) {
            accounts.push(account);
        }
    }
    if accounts.is_empty() {
        accounts.push(account(at, OWN, tier, seeded));
    }
    let linked = seeded.percent(LINKED_PERCENT) || first;
    Person { name, latin, language, tier, accounts, linked }
}

/// References as brands have them that never agreed on a form; the person's number keeps them
/// apart.
fn account(at: usize, brand: Brand, tier: Tier, seeded: &mut Seeded) -> Account {
    let noise = seeded.below(97);
    let member = match brand.program {
        "own" => format!("OWN-{:06}", 100_000 + at * 97 + noise),
        "beans" => format!("bean.{:02}.{:05}", noise, 10_000 + at * 3),
        program => format!("{}{:07}", program[..1].to_uppercase(), 1_000_000 + at * 97 + noise),
    };
    let (low, high) = tier.balance;
    // Many have little: the smaller of two draws.
    let drawn = seeded.between(low, high).min(seeded.between(low, high));
    Account { brand, member, balance: drawn }
}

fn name(seeded: &mut Seeded) -> (String, String, &'static str) {
    if seeded.percent(CHINESE_PERCENT) {
        // The smaller of two draws: common names are met more often.
        let at = seeded.below(FAMILY_ZH.len()).min(seeded.below(FAMILY_ZH.len()));
        let (family, spoken) = FAMILY_ZH[at];
        let (mut given, mut sound) = (String::new(), String::new());
        let last = seeded.below(GIVEN_ZH.len());
        let two = seeded.percent(75);
        let before = seeded.below(GIVEN_ZH.len());
        for at in if two && before != last { vec![before, last] } else { vec![last] } {
            given.push_str(GIVEN_ZH[at].0);
            sound.push_str(GIVEN_ZH[at].1);
        }
        let sound = sound[..1].to_uppercase() + &sound[1..];
        return (format!("{family}{given}"), format!("{spoken} {sound}"), "zh");
    }
    let given = GIVEN_EN[seeded.below(GIVEN_EN.len())];
    let family = FAMILY_EN[seeded.below(FAMILY_EN.len())];
    let name = format!("{given} {family}");
    (name.clone(), name, "en")
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use alliance_contracts::names::MemberRef;

    use super::*;

    const COUNT: usize = 3_000;

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_another_others() {
        let files = |seed| {
            let people = People::new(seed, 500);
            [people.members_csv(), people.links_csv(), people.people_csv()]
        };
        assert_eq!(files(7), files(7));
        for (one, other) in files(7).iter().zip(files(8)) {
            assert_ne!(*one, other);
        }
        // More of a seed are the same ones, and more.
        let (few, many) = (People::new(7, 50).people_csv(), People::new(7, 60).people_csv());
        assert!(many.starts_with(&few));
    }

    #[test]
    fn no_reference_is_met_twice_and_links_join_one_persons_accounts() {
        let people = People::new(1, COUNT);
        let mut owners: HashMap<(String, String), String> = HashMap::new();
        for line in people.people_csv().lines().skip(1) {
            let row: Vec<&str> = line.split(',').collect();
            let [person, _, _, _, _, program, member, _] = row[..] else { panic!("{line}") };
            member.parse::<MemberRef>().unwrap();
            let before = owners.insert((program.into(), member.into()), person.into());
            assert_eq!(before, None, "{line}");
        }
        let hosted: HashSet<(String, String)> = people
            .members_csv()
            .lines()
            .skip(1)
            .map(|line| line.split(',').collect::<Vec<_>>())
            .map(|row| (row[0].to_owned(), row[1].to_owned()))
            .collect();
        let links = people.links_csv();
        for line in links.lines().skip(1) {
            let row: Vec<&str> = line.split(',').collect();
            let [p, m, q, n] = row[..] else { panic!("{line}") };
            let ends = [(p.to_owned(), m.to_owned()), (q.to_owned(), n.to_owned())];
            assert_ne!(p, q);
            assert!(ends.iter().all(|end| hosted.contains(end)), "{line}");
            assert_eq!(owners[&ends[0]], owners[&ends[1]], "{line}");
        }
        let linked = links.lines().count() - 1;
        assert!((COUNT / 2..COUNT * 6 / 10).contains(&linked), "{linked}");
    }

    #[test]
    fn people_are_as_people_are() {
        let people = People::new(2, COUNT);
        let of = |language: &str| people.0.iter().filter(|one| one.language == language).count();
        assert!(of("zh") > COUNT / 2 && of("en") > COUNT / 3, "{} {}", of("zh"), of("en"));
        let names: HashSet<&str> = people.0.iter().map(|person| person.name.as_str()).collect();
        assert!(names.len() > COUNT / 2, "{}", names.len());
        for person in &people.0 {
            assert!(!person.accounts.is_empty());
            assert!(person.latin.is_ascii() && person.latin.contains(' '), "{}", person.latin);
            assert_eq!(person.name.is_ascii(), person.language == "en");
            let (low, high) = person.tier.balance;
            for account in &person.accounts {
                assert!((low..=high).contains(&account.balance));
            }
        }
        let share = |name| people.0.iter().filter(|one| one.tier.name == name).count();
        assert!(share("basic") > share("silver") && share("silver") > share("gold"));
        assert!(share("gold") > share("platinum") && share("platinum") > 0);
        assert_eq!(
            people.0[0].link().map(|both| both.map(|one| one.brand.program)),
            Some(["own", "beans"])
        );
    }
}
