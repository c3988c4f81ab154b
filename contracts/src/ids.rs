//! Ids: TypeID, a prefix, `_`, and 26 characters of base32 over a UUIDv7 (protocol § 1).
//!
//! Out of scope: drawing new ids. That takes a clock and randomness, so the door does it and hands
//! the 128 bits in.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, Serializer};

/// Crockford's alphabet in lower case, as TypeID has it.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const DIGITS: usize = 26;

/// What an id is of; its prefix.
pub trait Kind: Copy + Eq + Ord + std::hash::Hash + Send + Sync + 'static {
    /// The part before `_`.
    const PREFIX: &'static str;
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident, $alias:ident, $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $kind {}
        impl Kind for $kind {
            const PREFIX: &'static str = $prefix;
        }
        $(#[$doc])*
        pub type $alias = Id<$kind>;
    )*};
}

kinds! {
    /// Terms offered for an order.
    Quote, QuoteId, "quo";
    /// An order that was performed, or is being performed.
    Transaction, TransactionId, "txn";
    /// A signed receipt.
    Receipt, ReceiptId, "rcp";
    /// Two members' accounts that belong to one person.
    Link, LinkId, "lnk";
    /// A version of what two partners have agreed on.
    Agreement, AgreementId, "agr";
    /// A consent to be debited.
    Consent, ConsentId, "cns";
    /// A campaign: more points for a while, out of a budget.
    Campaign, CampaignId, "cmp";
    /// A settlement window.
    Window, WindowId, "win";
    /// A settlement statement.
    Statement, StatementId, "stm";
    /// A reconciliation run.
    Reconciliation, ReconciliationId, "rec";
    /// A difference found by reconciliation.
    Break, BreakId, "brk";
    /// A dispute.
    Dispute, DisputeId, "dsp";
    /// A member that was forgotten.
    Erasure, ErasureId, "ers";
    /// Where a partner's events are pushed to.
    Endpoint, EndpointId, "end";
    /// An event.
    Event, EventId, "evt";
    /// One HTTP request, as logs and problems name it.
    Request, RequestId, "req";
}

/// 128 bits of a UUIDv7 that know what they name.
///
/// ```
/// use alliance_contracts::ids::QuoteId;
/// let id: QuoteId = "quo_01h455vb4pex5vsknk084sn02q".parse()?;
/// assert_eq!(id.to_string(), "quo_01h455vb4pex5vsknk084sn02q");
/// assert!("txn_01h455vb4pex5vsknk084sn02q".parse::<QuoteId>().is_err());
/// # Ok::<(), alliance_contracts::ids::IdError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id<K: Kind>(u128, PhantomData<K>);

/// Why a text is not an id of the asked kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an id of the form {prefix}_ and 26 characters of base32 over a UUIDv7")]
pub struct IdError {
    prefix: &'static str,
}

impl<K: Kind> Id<K> {
    /// The id of these UUIDv7 bits.
    #[must_use]
    pub const fn from_u128(bits: u128) -> Self {
        Self(bits, PhantomData)
    }

    /// The UUIDv7 bits.
    #[must_use]
    pub const fn as_u128(self) -> u128 {
        self.0
    }

    /// The 16 bytes of the UUID, in network order: how ids are stored.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// The id of 16 stored bytes.
    ///
    /// # Errors
    /// Any other length.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, IdError> {
        let bytes = <[u8; 16]>::try_from(bytes).map_err(|_| IdError { prefix: K::PREFIX })?;
        Ok(Self::from_u128(u128::from_be_bytes(bytes)))
    }

    fn digits(self) -> [u8; DIGITS] {
        let mut digits = [0; DIGITS];
        for (at, digit) in digits.iter_mut().enumerate() {
            let shift = 5 * (DIGITS - 1 - at);
            *digit = ALPHABET[usize::try_from((self.0 >> shift) & 31).unwrap_or(0)];
        }
        digits
    }
}

impl<K: Kind> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.digits();
        write!(f, "{}_{}", K::PREFIX, std::str::from_utf8(&digits).unwrap_or_default())
    }
}

impl<K: Kind> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<K: Kind> FromStr for Id<K> {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let error = IdError { prefix: K::PREFIX };
        let digits = text
            .strip_prefix(K::PREFIX)
            .and_then(|rest| rest.strip_prefix('_'))
            .filter(|digits| digits.len() == DIGITS)
            .ok_or(error)?;
        // 26 digits hold 130 bits: a first digit over 7 would not fit 128.
        if digits.as_bytes()[0] > b'7' {
            return Err(error);
        }
        let mut bits = 0_u128;
        for digit in digits.bytes() {
            let value = ALPHABET.iter().position(|d| *d == digit).ok_or(error)?;
            bits = (bits << 5) | u128::try_from(value).map_err(|_| error)?;
        }
        let (version, variant) = ((bits >> 76) & 0xf, (bits >> 62) & 0b11);
        if version == 7 && variant == 0b10 { Ok(Self::from_u128(bits)) } else { Err(error) }
    }
}

impl<K: Kind> Serialize for Id<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, K: Kind> Deserialize<'de> for Id<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_example_of_typeid_holds() {
        // TypeID specification 0.3.0, valid.json "uuidv7".
        let id: LinkId = "lnk_01h455vb4pex5vsknk084sn02q".parse().unwrap();
        assert_eq!(id.as_u128(), 0x01890a5d_ac96_774b_bcce_b302099a8057);
        assert_eq!(LinkId::from_bytes(&id.to_bytes()), Ok(id));
    }

    #[test]
    fn other_spellings_are_refused() {
        for bad in [
            "01h455vb4pex5vsknk084sn02q",
            "quo_01H455VB4PEX5VSKNK084SN02Q",
            "quo_81h455vb4pex5vsknk084sn02q",
            "quo_01h455vb4pex5vsknk084sn02",
            "quo_01h455vb4pex5vsknk084sn02qq",
            "quo_01h455vb4pex5vsknk084sn02i",
            "quo_00000000000000000000000000",
            "quo-01h455vb4pex5vsknk084sn02q",
            "",
        ] {
            assert!(bad.parse::<QuoteId>().is_err(), "{bad:?}");
        }
    }
}
