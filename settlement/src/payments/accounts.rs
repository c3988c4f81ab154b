//! Bank accounts of parties: who is paid where.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest name of an account's holder, in characters (ISO 20022 `Max140Text`).
pub const MAX_NAME_CHARS: usize = 140;
/// Longest name of a town, in characters (`Max35Text`).
pub const MAX_TOWN_CHARS: usize = 35;

/// Why something is no bank account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountFault {
    /// Not of an IBAN's form.
    #[error("not an IBAN: two letters, two digits, 11 to 30 letters and digits")]
    IbanForm,
    /// The check digits are others: something was mistyped.
    #[error("the IBAN's check digits do not fit: something is mistyped")]
    IbanChecksum,
    /// Not of a BIC's form.
    #[error("not a BIC: 8 or 11 capital letters and digits")]
    Bic,
    /// Neither letters nor digits, or too many.
    #[error("not an account number: 1 to 34 letters, digits and -")]
    Other,
    /// Not of a clearing system's form.
    #[error("not a clearing member: a system such as CNAPS, and 1 to 35 letters and digits")]
    Clearing,
    /// Not of a country's form.
    #[error("not a country: two capital letters (ISO 3166-1)")]
    Country,
    /// Neither an IBAN nor another number, or both.
    #[error("an account has either an iban or an other number")]
    Which,
    /// A number that says nothing of its bank.
    #[error("an other number needs its bank: a bic, or a clearing member")]
    NoBank,
    /// No name, a long one, or one with control characters.
    #[error("a name has 1 to {MAX_NAME_CHARS} characters, no control characters, no space around")]
    Name,
    /// A town like that.
    #[error("a town has 1 to {MAX_TOWN_CHARS} characters, no control characters, no space around")]
    Town,
}

/// An International Bank Account Number (ISO 13616) whose check digits fit.
///
/// ```
/// use alliance_settlement::payments::accounts::{AccountFault, Iban};
/// let iban: Iban = "DE89 3704 0044 0532 0130 00".parse()?;
/// assert_eq!(iban.as_str(), "DE89370400440532013000");
/// let swapped = "DE98370400440532013000".parse::<Iban>();
/// assert_eq!(swapped, Err(AccountFault::IbanChecksum));
/// # Ok::<(), AccountFault>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Iban(String);

/// The number of an account that has no IBAN, as its bank writes it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OtherAccount(String);

/// A bank's identifier (ISO 9362).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Bic(String);

/// A country (ISO 3166-1, two letters).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Country(String);

macro_rules! text {
    ($($name:ident),*) => {$(
        impl $name {
            /// As text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = AccountFault;

            fn try_from(text: String) -> Result<Self, AccountFault> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> Self {
                text.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    )*};
}

text!(Iban, OtherAccount, Bic, Country);

impl Iban {
    /// The country whose bank keeps the account.
    #[must_use]
    pub fn country(&self) -> &str {
        self.0.get(..2).unwrap_or_default()
    }
}

impl FromStr for Iban {
    type Err = AccountFault;

    /// Reads it as it is written by machines or, in groups of four, by people.
    fn from_str(text: &str) -> Result<Self, AccountFault> {
        let iban = text.replace(' ', "");
        let bytes = iban.as_bytes();
        let all = |range: std::ops::Range<usize>, is: fn(&u8) -> bool| {
            bytes.get(range).is_some_and(|bytes| bytes.iter().all(is))
        };
        let form = (15..=34).contains(&bytes.len())
            && all(0..2, u8::is_ascii_uppercase)
            && all(2..4, u8::is_ascii_digit)
            && all(4..bytes.len(), |byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        if !form {
            return Err(AccountFault::IbanForm);
        }
        if remainder(bytes) == 1 { Ok(Self(iban)) } else { Err(AccountFault::IbanChecksum) }
    }
}

/// The number modulo 97, its first four characters last, A to Z as 10 to 35 (ISO 7064, MOD 97-10).
fn remainder(bytes: &[u8]) -> u32 {
    let rotated = bytes[4..].iter().chain(&bytes[..4]);
    rotated.fold(0, |rest, byte| match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        _ => (rest * 100 + u32::from(byte - b'A') + 10) % 97,
    })
}

impl FromStr for OtherAccount {
    type Err = AccountFault;

    fn from_str(text: &str) -> Result<Self, AccountFault> {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let good = (1..=34).contains(&text.len()) && text.bytes().all(known);
        if good { Ok(Self(text.to_owned())) } else { Err(AccountFault::Other) }
    }
}

impl FromStr for Bic {
    type Err = AccountFault;

    fn from_str(text: &str) -> Result<Self, AccountFault> {
        let bytes = text.as_bytes();
        let good = matches!(bytes.len(), 8 | 11)
            && bytes.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
            && bytes[4..6].iter().all(u8::is_ascii_uppercase);
        if good { Ok(Self(text.to_owned())) } else { Err(AccountFault::Bic) }
    }
}

impl FromStr for Country {
    type Err = AccountFault;

    fn from_str(text: &str) -> Result<Self, AccountFault> {
        let good = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase());
        if good { Ok(Self(text.to_owned())) } else { Err(AccountFault::Country) }
    }
}

/// A bank as its country's clearing knows it, where no BIC says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "SpelledClearing", into = "SpelledClearing")]
pub struct ClearingMember {
    system: String,
    member: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SpelledClearing {
    member: String,
    system: String,
}

impl ClearingMember {
    /// A member of a clearing system, such as 102100099996 of `CNAPS`.
    ///
    /// # Errors
    /// [`AccountFault::Clearing`].
    pub fn new(system: &str, member: &str) -> Result<Self, AccountFault> {
        let plain = |text: &str, most: usize, known: fn(&u8) -> bool| {
            (1..=most).contains(&text.len()) && text.as_bytes().iter().all(known)
        };
        let capital = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
        if !plain(system, 5, capital) || !plain(member, 35, u8::is_ascii_alphanumeric) {
            return Err(AccountFault::Clearing);
        }
        Ok(Self { system: system.to_owned(), member: member.to_owned() })
    }

    /// The system (ISO 20022 `ExternalClearingSystemIdentification1Code`).
    #[must_use]
    pub fn system(&self) -> &str {
        &self.system
    }

    /// The bank's number in it.
    #[must_use]
    pub fn member(&self) -> &str {
        &self.member
    }
}

impl TryFrom<SpelledClearing> for ClearingMember {
    type Error = AccountFault;

    fn try_from(spelled: SpelledClearing) -> Result<Self, AccountFault> {
        Self::new(&spelled.system, &spelled.member)
    }
}

impl From<ClearingMember> for SpelledClearing {
    fn from(clearing: ClearingMember) -> Self {
        let ClearingMember { system, member } = clearing;
        Self { member, system }
    }
}

/// An account's number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccountNumber {
    /// An IBAN.
    Iban(Iban),
    /// Another one.
    Other(OtherAccount),
}

impl AccountNumber {
    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Iban(iban) => iban.as_str(),
            Self::Other(other) => other.as_str(),
        }
    }
}

/// Where a party has its money. As TOML or JSON a table of `name`, `country` and either `iban` or
/// `other`; also `town`, and of the bank `bic` or `clearing`, one of which `other` needs.
///
/// ```
/// use alliance_settlement::payments::accounts::BankAccount;
/// let account: BankAccount = serde_json::from_str(
///     r#"{"name": "北冥咖啡有限公司", "country": "CN", "other": "6222021001116245702",
///         "clearing": {"system": "CNAPS", "member": "102100099996"}}"#,
/// )?;
/// assert_eq!(account.number().as_str(), "6222021001116245702");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Spelled", into = "Spelled")]
pub struct BankAccount {
    bic: Option<Bic>,
    clearing: Option<ClearingMember>,
    country: Country,
    name: String,
    number: AccountNumber,
    town: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Spelled {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bic: Option<Bic>,
    country: Country,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    iban: Option<Iban>,
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    other: Option<OtherAccount>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    town: Option<String>,
    // Last: in TOML a table follows all that is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    clearing: Option<ClearingMember>,
}

/// One line of text that every XML document can hold.
fn is_line(text: &str, most: usize) -> bool {
    // Control characters, and the two that no XML 1.0 document can hold.
    let bad = |c: char| c.is_control() || matches!(c, '\u{FFFE}' | '\u{FFFF}');
    (1..=most).contains(&text.chars().count()) && text.trim() == text && !text.contains(bad)
}

impl BankAccount {
    /// Its holder, as the bank knows it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where the holder is.
    #[must_use]
    pub const fn country(&self) -> &Country {
        &self.country
    }

    /// The town there.
    #[must_use]
    pub fn town(&self) -> Option<&str> {
        self.town.as_deref()
    }

    /// Its number.
    #[must_use]
    pub const fn number(&self) -> &AccountNumber {
        &self.number
    }

    /// Its bank.
    #[must_use]
    pub const fn bic(&self) -> Option<&Bic> {
        self.bic.as_ref()
    }

    /// Its bank, as the clearing knows it.
    #[must_use]
    pub const fn clearing(&self) -> Option<&ClearingMember> {
        self.clearing.as_ref()
    }
}

impl TryFrom<Spelled> for BankAccount {
    type Error = AccountFault;

    fn try_from(spelled: Spelled) -> Result<Self, AccountFault> {
        let Spelled { bic, country, iban, name, other, town, clearing } = spelled;
        let number = match (iban, other) {
            (Some(iban), None) => AccountNumber::Iban(iban),
            (None, Some(_)) if bic.is_none() && clearing.is_none() => {
                return Err(AccountFault::NoBank);
            }
            (None, Some(other)) => AccountNumber::Other(other),
            _ => return Err(AccountFault::Which),
        };
        if !is_line(&name, MAX_NAME_CHARS) {
            return Err(AccountFault::Name);
        }
        if town.as_ref().is_some_and(|town| !is_line(town, MAX_TOWN_CHARS)) {
            return Err(AccountFault::Town);
        }
        Ok(Self { bic, clearing, country, name, number, town })
    }
}

impl From<BankAccount> for Spelled {
    fn from(account: BankAccount) -> Self {
        let BankAccount { bic, clearing, country, name, number, town } = account;
        let (iban, other) = match number {
            AccountNumber::Iban(iban) => (Some(iban), None),
            AccountNumber::Other(other) => (None, Some(other)),
        };
        Self { bic, country, iban, name, other, town, clearing }
    }
}
