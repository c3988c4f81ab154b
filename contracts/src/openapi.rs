//! Schemas of the wire's own types, for the OpenAPI document. Only built for the gateway.

use std::borrow::Cow;

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{
    AdditionalProperties, ObjectBuilder, OneOfBuilder, Ref, Schema, Type,
};
use utoipa::{PartialSchema, ToSchema};

use crate::decimal::Decimal;
use crate::encoding::Hash;
use crate::ids::{Id, Kind};
use crate::keys::Kid;
use crate::names::{
    AllianceId, Corridor, Currency, EventCursor, IdempotencyKey, ItemRef, MemberRef, PartnerId,
    ProgramId, Pseudonym, ReasonCode, SegmentName, SourceReference, TierName,
};
use crate::partner_key::UseCursor;
use crate::side::{AskedSide, MemberAccount, PricedItem, QuoteSide, ReceiptSide, TransactionSide};
use crate::time::Timestamp;
use crate::total::Total;

fn text(pattern: &str, description: &str, example: &str) -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some(pattern))
        .description(Some(description))
        .examples([serde_json::Value::from(example)])
        .build()
        .into()
}

macro_rules! texts {
    ($($type:ty, $name:literal, $pattern:literal, $description:literal, $example:literal;)*) => {$(
        impl PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                text($pattern, $description, $example)
            }
        }
        impl ToSchema for $type {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed($name)
            }
        }
    )*};
}

texts! {
    Decimal, "Decimal", r"^(0|[1-9][0-9]*)(\.[0-9]{0,5}[1-9])?$", "A plain decimal in its one shortest spelling, in a string.", "49.5";
    Total, "Total", r"^-?(0|[1-9][0-9]*)(\.[0-9]{0,5}[1-9])?$", "A signed total in its one shortest spelling, in a string.", "-1234567.5";
    Hash, "Sha256", "^[0-9a-f]{64}$", "SHA-256 in lower-case hex.", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    Kid, "Kid", "^[A-Za-z0-9_-]{43}$", "RFC 7638 thumbprint of an Ed25519 public key.", "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";
    AllianceId, "AllianceId", "^[a-z0-9][a-z0-9-]{1,30}$", "An alliance.", "demo";
    Corridor, "Corridor", "^[a-z0-9-]+~[a-z0-9-]+$", "The unordered pair of partners that shares one chain of receipts.", "aurora-air~borealis-coffee";
    EventCursor, "EventCursor", "^[A-Za-z0-9_-]{1,64}$", "A place in the caller's feed of events; opaque.", "AAAAAAAAAAAuBkRP";
    Currency, "Currency", "^[A-Z]{3}$", "An ISO 4217 code.", "CNY";
    IdempotencyKey, "IdempotencyKey", "^[ -~]{1,255}$", "Makes a repeated request harmless.", "order-2026-000117";
    ItemRef, "ItemRef", "^[A-Za-z0-9._:-]{1,64}$", "What a brand gives for points: the brand's own id for it.", "flat-white";
    MemberRef, "MemberRef", "^[A-Za-z0-9._:-]{1,64}$", "A brand's own id for its member.", "A-1001";
    PartnerId, "PartnerId", "^[a-z0-9][a-z0-9-]{1,30}$", "A brand.", "aurora-air";
    ProgramId, "ProgramId", "^[a-z0-9][a-z0-9-]{1,30}$", "One loyalty currency of one partner.", "aurora";
    Pseudonym, "Pseudonym", "^[0-9a-f]{64}$", "A member as seen in one corridor.", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    ReasonCode, "ReasonCode", "^[a-z0-9_]{1,40}$", "Why a transaction is reversed.", "customer_request";
    SegmentName, "SegmentName", "^[a-z0-9][a-z0-9-]{0,30}$", "A group of members, as their program's partner calls it.", "new-members";
    SourceReference, "SourceReference", "^[ -~]{1,255}$", "The caller's own reference, unique per partner.", "order-117";
    TierName, "TierName", "^[a-z0-9][a-z0-9-]{0,30}$", "A member's tier in a program, as the program's partner calls it.", "gold";
    UseCursor, "UseCursor", r"^[0-9]+\.req_[0-7][0-9a-hjkmnp-tv-z]{25}$", "A place in a list; opaque.", "1795406706789.req_01h455vb4pex5vsknk084sn02q";
    Timestamp, "Timestamp", r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$", "RFC 3339, UTC, exactly three decimals.", "2026-11-23T04:05:06.789Z";
}

impl<K: Kind> PartialSchema for Id<K> {
    fn schema() -> RefOr<Schema> {
        text(
            &format!("^{}_[0-7][0-9a-hjkmnp-tv-z]{{25}}$", K::PREFIX),
            "A TypeID: prefix, underscore, 26 characters of base32 over a UUIDv7.",
            &format!("{}_01h455vb4pex5vsknk084sn02q", K::PREFIX),
        )
    }
}

impl<K: Kind> ToSchema for Id<K> {
    fn name() -> Cow<'static, str> {
        Cow::Owned(format!("{}Id", K::PREFIX))
    }
}

/// A brand and nothing else: what has more members is of another form.
fn partner_alone(description: &str) -> RefOr<Schema> {
    let partner = ObjectBuilder::new()
        .description(Some(description))
        .property("partner", Ref::from_schema_name("PartnerId"))
        .required("partner")
        .additional_properties(Some(AdditionalProperties::FreeForm(false)));
    partner.build().into()
}

impl PartialSchema for AskedSide {
    fn schema() -> RefOr<Schema> {
        let forms = OneOfBuilder::new()
            .description(Some("A side of an order as it is asked for."))
            .item(Ref::from_schema_name(MemberAccount::name()))
            .item(Ref::from_schema_name(PricedItem::name()))
            .item(partner_alone("A brand alone: it pays."));
        RefOr::T(Schema::OneOf(forms.build()))
    }
}

impl ToSchema for AskedSide {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("AskedSide")
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.extend([
            (MemberAccount::name().into_owned(), MemberAccount::schema()),
            (PartnerId::name().into_owned(), PartnerId::schema()),
            (PricedItem::name().into_owned(), PricedItem::schema()),
        ]);
        MemberAccount::schemas(schemas);
        PricedItem::schemas(schemas);
    }
}

/// An object of one of the three forms that a side has.
fn side(member: RefOr<Schema>) -> RefOr<Schema> {
    let form = |description: &str, members: Vec<(&str, RefOr<Schema>)>| -> RefOr<Schema> {
        let form = ObjectBuilder::new().description(Some(description));
        let form = members
            .into_iter()
            .fold(form, |form, (name, schema)| form.property(name, schema).required(name));
        form.build().into()
    };
    let named = |name: &str| -> RefOr<Schema> { Ref::from_schema_name(name).into() };
    let account = vec![
        ("amount", named("Decimal")),
        ("member", member),
        ("partner", named("PartnerId")),
        ("program", named("ProgramId")),
    ];
    let item = vec![
        ("amount", named("Decimal")),
        ("cash", named("Decimal")),
        ("item", named("ItemRef")),
        ("partner", named("PartnerId")),
        ("price", named("Decimal")),
    ];
    let forms = OneOfBuilder::new()
        .item(form("A member's account, and how many points.", account))
        .item(form("An item, and what of its price is paid in points.", item))
        .item(partner_alone("A brand alone: it gives no points."))
        .build();
    RefOr::T(Schema::OneOf(forms))
}

macro_rules! sides {
    ($($type:ty, $name:literal, $member:expr;)*) => {$(
        impl PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                side($member)
            }
        }
        impl ToSchema for $type {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed($name)
            }

            fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
                schemas.extend([
                    (Decimal::name().into_owned(), Decimal::schema()),
                    (ItemRef::name().into_owned(), ItemRef::schema()),
                    (PartnerId::name().into_owned(), PartnerId::schema()),
                    (ProgramId::name().into_owned(), ProgramId::schema()),
                    (Pseudonym::name().into_owned(), Pseudonym::schema()),
                ]);
            }
        }
    )*};
}

sides! {
    QuoteSide, "QuoteSide", String::schema();
    ReceiptSide, "ReceiptSide", Ref::from_schema_name("Pseudonym").into();
    TransactionSide, "TransactionSide", Option::<String>::schema();
}
