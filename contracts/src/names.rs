//! Names that cross the wire: programs, partners, alliances, members, corridors, keys of requests
//! (protocol § 1, § 3, § 5). Each is its own type, valid since it was parsed.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, Serializer};

/// The partner name that the alliance keeps for itself in `alliance~p` corridors.
pub const ALLIANCE_PARTY: &str = "alliance";

/// A text that breaks the rule of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} must match {rule}")]
pub struct NameError {
    what: &'static str,
    rule: &'static str,
}

fn is_slug(text: &str) -> bool {
    text.len() >= 2 && is_short_slug(text)
}

/// A slug that may be of one character.
fn is_short_slug(text: &str) -> bool {
    let bytes = text.as_bytes();
    let alphanumeric = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    (1..=31).contains(&bytes.len())
        && alphanumeric(&bytes[0])
        && bytes.iter().all(|b| alphanumeric(b) || *b == b'-')
}

fn is_member(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._:-".contains(&b))
}

fn is_printable_255(text: &str) -> bool {
    (1..=255).contains(&text.len()) && text.bytes().all(|b| (0x20..=0x7e).contains(&b))
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                let valid: fn(&str) -> bool = $valid;
                if valid(text) {
                    Ok(Self(Arc::from(text)))
                } else {
                    Err(NameError { what: $what, rule: $rule })
                }
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                text.parse().map_err(D::Error::custom)
            }
        }
    };
}

name!(
    /// An alliance: one clearing house with its partners (`demo`).
    AllianceId, "an alliance", "[a-z0-9][a-z0-9-]{1,30}", is_slug
);
name!(
    /// One loyalty currency of one partner (`aurora`). Also the name of its points as an asset.
    ProgramId, "a program", "[a-z0-9][a-z0-9-]{1,30}", is_slug
);
name!(
    /// The brand that owns programs and keys (`aurora-air`); never `alliance`.
    PartnerId, "a partner", "[a-z0-9][a-z0-9-]{1,30} and not \"alliance\"",
    |text| is_slug(text) && text != ALLIANCE_PARTY
);
name!(
    /// Whoever owes or is owed money: a partner, or `alliance`.
    Party, "a party", "[a-z0-9][a-z0-9-]{1,30}", is_slug
);

impl From<&PartnerId> for Party {
    fn from(partner: &PartnerId) -> Self {
        Self(Arc::clone(&partner.0))
    }
}

name!(
    /// A calendar of business days (`cn`, `target`).
    CalendarId, "a calendar", "[a-z0-9][a-z0-9-]{1,30}", is_slug
);
name!(
    /// A settlement currency: an ISO 4217 code (`CNY`).
    Currency, "a currency", "[A-Z]{3}",
    |text| text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase())
);
name!(
    /// A member as seen in one corridor: 64 lower-case hex digits (protocol § 5).
    Pseudonym, "a pseudonym", "[0-9a-f]{64}",
    |text| text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
);
name!(
    /// What makes a repeated request harmless: 1 to 255 printable ASCII characters (protocol § 3).
    IdempotencyKey, "an idempotency key", "1 to 255 printable ASCII characters", is_printable_255
);
name!(
    /// The caller's own reference for an order, unique per partner.
    SourceReference, "a source reference", "1 to 255 printable ASCII characters", is_printable_255
);
name!(
    /// A connected brand's own name for what it holds or has given (protocol § 6).
    OperationRef, "a reference", "1 to 255 printable ASCII characters", is_printable_255
);
name!(
    /// A member's tier in a program, as the program's partner calls it (`gold`).
    TierName, "a tier", "[a-z0-9][a-z0-9-]{0,30}", is_short_slug
);
name!(
    /// A group of members, as their program's partner calls it (`new-members`).
    SegmentName, "a segment", "[a-z0-9][a-z0-9-]{0,30}", is_short_slug
);
name!(
    /// What a brand gives for points, as the brand calls it (`flat-white`).
    ItemRef, "an item", "[A-Za-z0-9._:-]{1,64}", is_member
);
name!(
    /// Why a transaction is reversed: a code of the agreement.
    ReasonCode, "a reason code", "[a-z0-9_]{1,40}",
    |text| (1..=40).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
);

name!(
    /// A place in one partner's feed of events. Opaque: what is in it may change; one that was
    /// handed out goes on working, in its own feed alone.
    EventCursor, "a cursor", "[A-Za-z0-9_-]{1,64}",
    |text| (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
);

/// A brand's own id for its member. Personal data: its `Debug` shows nothing.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberRef(Arc<str>);

impl MemberRef {
    /// The reference as text. Whoever prints it shows a person.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl FromStr for MemberRef {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        if is_member(text) {
            Ok(Self(Arc::from(text)))
        } else {
            Err(NameError { what: "a member reference", rule: "[A-Za-z0-9._:-]{1,64}" })
        }
    }
}

impl fmt::Debug for MemberRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemberRef(…)")
    }
}

impl Serialize for MemberRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for MemberRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// The unordered pair of partners that shares one chain of receipts: `min~max`, `p~p` within one
/// partner, `alliance~p` for what a partner has with the alliance itself.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Corridor(Arc<str>);

impl Corridor {
    /// The corridor of two partners, whichever comes first.
    #[must_use]
    pub fn between(one: &PartnerId, other: &PartnerId) -> Self {
        let (low, high) = if one <= other { (one, other) } else { (other, one) };
        Self(Arc::from(format!("{low}~{high}")))
    }

    /// The corridor of what a partner has with the alliance itself.
    #[must_use]
    pub fn with_alliance(partner: &PartnerId) -> Self {
        Self(Arc::from(format!("{ALLIANCE_PARTY}~{partner}")))
    }

    /// The corridor as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this partner is one of the two.
    #[must_use]
    pub fn includes(&self, partner: &PartnerId) -> bool {
        let (low, high) = self.parties();
        low == partner.as_str() || high == partner.as_str()
    }

    /// The two names, in order.
    #[must_use]
    pub fn parties(&self) -> (&str, &str) {
        self.0.split_once('~').unwrap_or((&self.0, ""))
    }
}

impl FromStr for Corridor {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let error = NameError { what: "a corridor", rule: "two partners in order, joined by ~" };
        let (low, high) = text.split_once('~').ok_or(error)?;
        let high: PartnerId = high.parse().map_err(|_| error)?;
        let ordered = low == ALLIANCE_PARTY || (is_slug(low) && low <= high.as_str());
        if ordered { Ok(Self(Arc::from(text))) } else { Err(error) }
    }
}

impl Borrow<str> for Corridor {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Corridor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Corridor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl Serialize for Corridor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Corridor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_corridor_is_the_same_from_both_sides() {
        let (aurora, borealis): (PartnerId, PartnerId) =
            ("aurora-air".parse().unwrap(), "borealis-coffee".parse().unwrap());
        let corridor = Corridor::between(&borealis, &aurora);
        assert_eq!(corridor.as_str(), "aurora-air~borealis-coffee");
        assert_eq!(corridor, Corridor::between(&aurora, &borealis));
        assert!(corridor.includes(&aurora) && corridor.includes(&borealis));
    }

    #[test]
    fn names_that_break_their_rule_are_refused() {
        for bad in ["", "a", "-ab", "Ab", "a_b", "a b", "é1", &"a".repeat(32)] {
            assert!(bad.parse::<ProgramId>().is_err(), "{bad:?}");
        }
        assert!("alliance".parse::<PartnerId>().is_err());
        for bad in ["", "-", "-a", "Gold", "gold_1", "a b", "é", &"a".repeat(32)] {
            assert!(bad.parse::<TierName>().is_err(), "{bad:?}");
        }
        for good in ["1", "a", "gold", "gold-2", "a-", &"a".repeat(31)] {
            assert!(good.parse::<TierName>().is_ok(), "{good:?}");
            assert!(good.parse::<SegmentName>().is_ok(), "{good:?}");
        }
        for bad in ["", "a/b", "a b", "ü", &"m".repeat(65)] {
            assert!(bad.parse::<MemberRef>().is_err(), "{bad:?}");
        }
        for bad in ["b1~a1", "a1", "a1~", "~a1", "a1~b1~c1", "a1~alliance", "A1~b1"] {
            assert!(bad.parse::<Corridor>().is_err(), "{bad:?}");
        }
        for good in ["alliance~zeta", "alliance~abc", "a1~a1", "a1~b1"] {
            assert!(good.parse::<Corridor>().is_ok(), "{good:?}");
        }
    }

    #[test]
    fn a_member_reference_is_not_shown_by_debug() {
        let member: MemberRef = "A-1001".parse().unwrap();
        assert!(!format!("{member:?}").contains("1001"));
    }
}
