//! One side of an order, whatever its kind (protocol § 4): a member's account, an item, or a
//! partner alone.
//!
//! | kind | source | target |
//! | --- | --- | --- |
//! | exchange | account | account |
//! | redemption | account | item |
//! | accrual | partner | account |
//! | reversal | as its original | as its original |
//!
//! The wire has no tag: which of the three it is, its members say, and every other combination is
//! refused. What stands for the member is the reader's: a reference, a pseudonym, what is sealed.

use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};

use crate::decimal::Decimal;
use crate::names::{ItemRef, MemberRef, PartnerId, ProgramId, Pseudonym};

/// A member's account in a program.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct MemberAccount {
    /// The brand's own id for its member.
    pub member: MemberRef,
    /// The program.
    pub program: ProgramId,
}

/// An item as it is asked for: goods or a benefit of a brand.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PricedItem {
    /// The part of the price that the customer pays the brand in money, at most the price; 0
    /// where it is left out.
    #[cfg_attr(feature = "openapi", schema(required = false))]
    pub cash: Decimal,
    /// The brand's own id for it.
    pub item: ItemRef,
    /// The brand that gives it.
    pub partner: PartnerId,
    /// What it costs, in the settlement currency.
    pub price: Decimal,
}

impl PricedItem {
    /// What is left to be paid in points; none where the cash is more than the price.
    #[must_use]
    pub const fn amount(&self) -> Option<Decimal> {
        Decimal::from_micros(self.price.micros() - self.cash.micros())
    }
}

/// A side of an order as it is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(untagged)]
pub enum AskedSide {
    /// A member's account.
    Account(MemberAccount),
    /// An item of a brand.
    Item(PricedItem),
    /// A brand alone.
    Partner {
        /// The brand.
        partner: PartnerId,
    },
}

impl AskedSide {
    /// The account, where it is one.
    #[must_use]
    pub const fn account(&self) -> Option<&MemberAccount> {
        match self {
            Self::Account(account) => Some(account),
            Self::Item(_) | Self::Partner { .. } => None,
        }
    }
}

impl From<MemberAccount> for AskedSide {
    fn from(account: MemberAccount) -> Self {
        Self::Account(account)
    }
}

/// A member's account, and how many points.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AccountSide<M> {
    /// Points.
    pub amount: Decimal,
    /// The member, as the reader may see it.
    pub member: M,
    /// The brand.
    pub partner: PartnerId,
    /// The program.
    pub program: ProgramId,
}

/// An item, and what of its price is paid in points.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ItemSide {
    /// The price less the cash: what the points pay, in the settlement currency.
    pub amount: Decimal,
    /// What the customer pays the brand in money: recorded, never settled.
    pub cash: Decimal,
    /// The brand's own id for it.
    pub item: ItemRef,
    /// The brand that gives it.
    pub partner: PartnerId,
    /// What it costs, in the settlement currency.
    pub price: Decimal,
}

/// One side of a quote, a transaction or a receipt; `M` stands for the member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum SideOf<M> {
    /// A member's account.
    Account(AccountSide<M>),
    /// An item of a brand.
    Item(ItemSide),
    /// A brand alone: it gives no points.
    Partner {
        /// The brand.
        partner: PartnerId,
    },
}

/// A side of a quote: the member as the caller named it; in the token, sealed for the gateway.
pub type QuoteSide = SideOf<String>;
/// A side of a receipt: the member as seen in this corridor.
pub type ReceiptSide = SideOf<Pseudonym>;
/// A side of a transaction as its caller may see it: its own member's reference, or what it
/// supplied itself; else the pseudonym. None where the member has been forgotten.
pub type TransactionSide = SideOf<Option<String>>;

impl<M> SideOf<M> {
    /// The brand.
    #[must_use]
    pub const fn partner(&self) -> &PartnerId {
        match self {
            Self::Account(AccountSide { partner, .. })
            | Self::Item(ItemSide { partner, .. })
            | Self::Partner { partner } => partner,
        }
    }

    /// Points of an account, money of an item; of a partner alone zero.
    ///
    /// ```
    /// use alliance_contracts::side::ReceiptSide;
    /// let json = r#"{"amount":"10","cash":"2","item":"latte","partner":"borealis","price":"12"}"#;
    /// let side: ReceiptSide = serde_json::from_str(json)?;
    /// assert_eq!(side.amount(), "10".parse()?);
    /// let shop: ReceiptSide = serde_json::from_str(r#"{"partner":"corner-shop"}"#)?;
    /// assert!(shop.amount().is_zero());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn amount(&self) -> Decimal {
        match self {
            Self::Account(AccountSide { amount, .. }) | Self::Item(ItemSide { amount, .. }) => {
                *amount
            }
            Self::Partner { .. } => Decimal::ZERO,
        }
    }

    /// The account, where it is one.
    #[must_use]
    pub const fn account(&self) -> Option<&AccountSide<M>> {
        match self {
            Self::Account(account) => Some(account),
            Self::Item(_) | Self::Partner { .. } => None,
        }
    }

    /// The account, to be changed.
    #[must_use]
    pub const fn account_mut(&mut self) -> Option<&mut AccountSide<M>> {
        match self {
            Self::Account(account) => Some(account),
            Self::Item(_) | Self::Partner { .. } => None,
        }
    }

    /// The item, where it is one.
    #[must_use]
    pub const fn item(&self) -> Option<&ItemSide> {
        match self {
            Self::Item(item) => Some(item),
            Self::Account(_) | Self::Partner { .. } => None,
        }
    }

    /// The program, of an account.
    #[must_use]
    pub const fn program(&self) -> Option<&ProgramId> {
        match self.account() {
            Some(account) => Some(&account.program),
            None => None,
        }
    }

    /// The member, of an account.
    #[must_use]
    pub const fn member(&self) -> Option<&M> {
        match self.account() {
            Some(account) => Some(&account.member),
            None => None,
        }
    }

    /// The same side with another amount; of a partner alone, the same. What an item costs, and
    /// what of it was paid in cash, stays as it was.
    #[must_use]
    pub fn with_amount(mut self, moved: Decimal) -> Self {
        match &mut self {
            Self::Account(AccountSide { amount, .. }) | Self::Item(ItemSide { amount, .. }) => {
                *amount = moved;
            }
            Self::Partner { .. } => {}
        }
        self
    }

    /// The same side with another word for its member.
    pub fn map<N>(self, name: impl FnOnce(M) -> N) -> SideOf<N> {
        match self {
            Self::Account(AccountSide { amount, member, partner, program }) => {
                SideOf::Account(AccountSide { amount, member: name(member), partner, program })
            }
            Self::Item(item) => SideOf::Item(item),
            Self::Partner { partner } => SideOf::Partner { partner },
        }
    }
}

impl<M> SideOf<Option<M>> {
    /// The side, where it has no member or its member has a name.
    #[must_use]
    pub fn named(self) -> Option<SideOf<M>> {
        Some(match self {
            Self::Account(AccountSide { amount, member, partner, program }) => {
                SideOf::Account(AccountSide { amount, member: member?, partner, program })
            }
            Self::Item(item) => SideOf::Item(item),
            Self::Partner { partner } => SideOf::Partner { partner },
        })
    }
}

/// What is there is read as what it must be: a null is not the same as nothing.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

/// All members that any side can have. Requests, quotes and receipts know these and no others;
/// a transaction may have more one day.
macro_rules! members {
    ($(#[$strictness:meta])? $name:ident) => {
        #[derive(Deserialize)]
        #[serde(bound(deserialize = "M: Deserialize<'de>"))]
        $(#[$strictness])?
        struct $name<M> {
            #[serde(default, deserialize_with = "present")]
            amount: Option<Decimal>,
            #[serde(default, deserialize_with = "present")]
            cash: Option<Decimal>,
            #[serde(default, deserialize_with = "present")]
            item: Option<ItemRef>,
            #[serde(default, deserialize_with = "present")]
            member: Option<M>,
            #[serde(default, deserialize_with = "present")]
            partner: Option<PartnerId>,
            #[serde(default, deserialize_with = "present")]
            price: Option<Decimal>,
            #[serde(default, deserialize_with = "present")]
            program: Option<ProgramId>,
        }

        impl<M> $name<M> {
            fn side(self) -> Option<SideOf<M>> {
                let Self { amount, cash, item, member, partner, price, program } = self;
                let partner = partner?;
                Some(match (amount, cash, item, member, price, program) {
                    (Some(amount), None, None, Some(member), None, Some(program)) => {
                        SideOf::Account(AccountSide { amount, member, partner, program })
                    }
                    (Some(amount), Some(cash), Some(item), None, Some(price), None) => {
                        SideOf::Item(ItemSide { amount, cash, item, partner, price })
                    }
                    (None, None, None, None, None, None) => SideOf::Partner { partner },
                    _ => return None,
                })
            }
        }
    };
}

members!(
    #[serde(deny_unknown_fields)]
    Known
);
members!(Growing);

const SIDES: &str = "a side is {amount, member, partner, program}, {amount, cash, item, partner, \
                     price} or {partner}";
const ASKED_SIDES: &str = "a side is {member, program}, {cash, item, partner, price} or {partner}";

macro_rules! readable {
    ($($member:ty: $members:ident;)*) => {$(
        impl<'de> Deserialize<'de> for SideOf<$member> {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                $members::deserialize(from)?.side().ok_or_else(|| D::Error::custom(SIDES))
            }
        }
    )*};
}

readable! {
    Pseudonym: Known;
    String: Known;
    Option<String>: Growing;
}

impl<'de> Deserialize<'de> for AskedSide {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let Known { amount, cash, item, member, partner, price, program } =
            Known::<MemberRef>::deserialize(from)?;
        if amount.is_some() {
            return Err(D::Error::custom(ASKED_SIDES));
        }
        Ok(match (cash, item, member, partner, price, program) {
            (None, None, Some(member), None, None, Some(program)) => {
                Self::Account(MemberAccount { member, program })
            }
            (cash, Some(item), None, Some(partner), Some(price), None) => {
                let cash = cash.unwrap_or(Decimal::ZERO);
                Self::Item(PricedItem { cash, item, partner, price })
            }
            (None, None, None, Some(partner), None, None) => Self::Partner { partner },
            _ => return Err(D::Error::custom(ASKED_SIDES)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    const ACCOUNT: &str =
        r#"{"amount":"1","member":"A-1","partner":"aurora-air","program":"aurora"}"#;
    const ITEM: &str =
        r#"{"amount":"10","cash":"2.5","item":"latte","partner":"borealis-coffee","price":"12.5"}"#;
    const PARTNER: &str = r#"{"partner":"corner-shop"}"#;

    #[test]
    fn each_side_is_read_from_its_members_and_written_as_it_was() {
        for text in [ACCOUNT, ITEM, PARTNER] {
            let side: QuoteSide = json::read_canonical(text.as_bytes()).expect(text);
            assert_eq!(json::canonical(&side), text.as_bytes());
            assert_eq!(side.clone().map(Some).named(), Some(side));
        }
        let forgotten = ACCOUNT.replace(r#""A-1""#, "null");
        let side: TransactionSide = json::read(forgotten.as_bytes()).unwrap();
        assert_eq!(side.member(), Some(&None));
        assert_eq!(json::canonical(&side), forgotten.as_bytes());
        assert!(json::read::<QuoteSide>(forgotten.as_bytes()).is_err(), "a member that is null");
    }

    #[test]
    fn a_mixture_of_sides_is_no_side() {
        let mixtures = [
            r#"{}"#.to_owned(),
            PARTNER.replace('}', r#","program":"aurora"}"#),
            PARTNER.replace('}', r#","amount":"1"}"#),
            ACCOUNT.replace(r#""amount":"1","#, ""),
            ACCOUNT.replace(r#""member":"A-1","#, ""),
            ACCOUNT.replace('}', r#","item":"latte"}"#),
            ITEM.replace(r#""cash":"2.5","#, ""),
            ITEM.replace(r#""cash":"2.5""#, r#""cash":null"#),
            ITEM.replace('}', r#","program":"borealis"}"#),
        ];
        for text in mixtures {
            assert!(json::read::<QuoteSide>(text.as_bytes()).is_err(), "{text}");
            assert!(json::read::<TransactionSide>(text.as_bytes()).is_err(), "{text}");
        }
        let more = PARTNER.replace('}', r#","colour":"red"}"#);
        assert!(json::read::<QuoteSide>(more.as_bytes()).is_err(), "a member nobody knows");
        assert!(json::read::<TransactionSide>(more.as_bytes()).is_ok(), "one of days to come");
    }

    #[test]
    fn what_is_asked_for_has_no_amount_and_cash_may_be_left_out() {
        let read = |text: &str| json::read::<AskedSide>(text.as_bytes());
        let item = read(r#"{"item":"latte","partner":"borealis-coffee","price":"12.5"}"#).unwrap();
        let AskedSide::Item(item) = item else { panic!("not an item") };
        assert_eq!((item.cash, item.amount()), (Decimal::ZERO, Some("12.5".parse().unwrap())));
        let dearer = PricedItem { cash: "12.500001".parse().unwrap(), ..item };
        assert_eq!(dearer.amount(), None);
        assert!(read(PARTNER).is_ok());
        assert!(read(r#"{"member":"A-1","program":"aurora"}"#).unwrap().account().is_some());
        for bad in [
            ACCOUNT,
            ITEM,
            "{}",
            r#"{"member":"A-1","partner":"aurora-air","program":"aurora"}"#,
            r#"{"cash":"1","partner":"borealis-coffee"}"#,
            r#"{"item":"latte","partner":"borealis-coffee"}"#,
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn another_amount_leaves_price_and_cash_alone() {
        let side: QuoteSide = json::read(ITEM.as_bytes()).unwrap();
        let moved = side.with_amount("4".parse().unwrap());
        let item = moved.item().unwrap();
        let told = [item.amount, item.cash, item.price].map(|amount| amount.to_string());
        assert_eq!(told, ["4", "2.5", "12.5"]);
        let shop: QuoteSide = json::read(PARTNER.as_bytes()).unwrap();
        assert_eq!(shop.clone().with_amount(Decimal::ONE), shop);
    }
}
