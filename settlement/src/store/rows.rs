//! Values on their way into the databases and rows on their way out, the same for both engines.
//!
//! | what | for |
//! | --- | --- |
//! | [`Value`], [`List`], [`Rows`] | what a statement is given: single values, and whole tables |
//! | [`Sql`], [`Dialect`] | a statement's text, written once, and how each engine reads a list |
//! | [`Row`], [`Columns`] | what a query gives: integers first, then texts, then bytes |
//! | `key`, `member`, `link`, … | the records of those rows |
//!
//! What does not decode is [`StoreError::Corrupt`], never a panic.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

use alliance_contracts::agreement::{Agreement, AgreementState};
use alliance_contracts::arithmetic::Reversed;
use alliance_contracts::board::{Board, FrozenPair};
use alliance_contracts::campaign::{Campaign, CampaignState};
use alliance_contracts::connector::{RefusalCode, Step};
use alliance_contracts::debit_consent::DebitConsent;
use alliance_contracts::encoding::{self, Hash};
use alliance_contracts::endpoint::DeliveryState;
use alliance_contracts::event::EventType;
use alliance_contracts::ids::{Id, Kind as IdKind};
use alliance_contracts::json;
use alliance_contracts::jws::{self, JwsType};
use alliance_contracts::keys::Kid;
use alliance_contracts::link::{Consent, LinkState};
use alliance_contracts::member::{Erasure, SignedErasure};
use alliance_contracts::merkle::Frontier;
use alliance_contracts::names::{Corridor, ProgramId};
use alliance_contracts::partner_key::UsedForTransaction;
use alliance_contracts::problem::ProblemCode;
use alliance_contracts::quote::TransactionKind;
use alliance_contracts::receipt::{self, Receipt, ReceiptSide};
use alliance_contracts::time::Timestamp;
use alliance_contracts::total::Total;
use alliance_contracts::transaction::TransactionState;
use alliance_contracts::window::WindowState;
use sqlx::{ColumnIndex, Decode, Type};

use super::{KeyUseRecord, StoreError, WindowRange};
use crate::alliance::{
    AgreementRecord, AgreementSignature, CampaignRecord, ConsentRecord, ConsentSpent, GatewayKeys,
    MasterKeyRecord, MasterKeys, PartnerKeyRecord, PublishedBoard, RegistryParts,
};
use crate::command::{Cosignature, MemberNo, Outcome, RequestEvidence, SignedCheckpoint};
use crate::ledger::lots::Lot;
use crate::ledger::working_set::{
    BankEntryRow, BankFile, MemberDay, ObservationRow, SealedMember, WindowDocument,
};
use crate::ledger::{
    AccountBalance, ChainHead, Flow, FlowRow, KeyRecord, LinkRecord, LinkSideRecord, SeenMember,
    TransactionRecord, TransactionSideRecord,
};
use crate::payments::instructions::{EndToEndId, PaymentInstruction};
use crate::payments::matching::{Counted, Tracked};
use crate::payments::rounding::Settled;
use crate::rates::feeds::{FeedKind, Feeds, Observation};
use crate::rates::proposal::RateProposal;
use crate::rates::terms::BoardTerms;
use crate::receipts::StoredReceipt;
use crate::rekeying::WrappedMember;
use crate::saga::{Given, Phase, Plan, Remark, Saga, SignedAnswer, Taken};
use crate::vault::{Lookup, MasterKeyId};
use crate::webhooks::{
    AttemptRecord, DeliveryRecord, EndpointRecord, EndpointView, OldSecret, Standing, Told,
};
use crate::windows::{SettlementProposal, WindowRecord};

type Result<T> = std::result::Result<T, StoreError>;

// ---------------------------------------------------------------------------------------------
// Into the database
// ---------------------------------------------------------------------------------------------

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Int,
    Text,
    Bytes,
}

/// One value, typed even where there is none.
#[derive(Clone, Debug)]
pub(super) enum Value<'a> {
    Int(Option<i64>),
    Text(Option<Cow<'a, str>>),
    Bytes(Option<Cow<'a, [u8]>>),
}

impl Value<'_> {
    /// How many bytes it has.
    fn size(&self) -> usize {
        match self {
            Self::Bytes(Some(bytes)) => bytes.len(),
            Self::Text(Some(text)) => text.len(),
            _ => 0,
        }
    }

    /// The value of an id.
    pub(super) fn id<K: IdKind>(id: Id<K>) -> Self {
        Self::Bytes(Some(Cow::Owned(id.to_bytes().to_vec())))
    }

    /// The value of an id, or none.
    pub(super) fn id_or_null<K: IdKind>(id: Option<Id<K>>) -> Self {
        Self::Bytes(id.map(|id| Cow::Owned(id.to_bytes().to_vec())))
    }
}

impl Value<'_> {
    /// The value of a text, or none.
    pub(super) fn text_or_null(text: Option<String>) -> Self {
        Self::Text(text.map(Cow::Owned))
    }
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Self::Int(Some(value))
    }
}

impl From<Option<i64>> for Value<'_> {
    fn from(value: Option<i64>) -> Self {
        Self::Int(value)
    }
}

impl From<Timestamp> for Value<'_> {
    fn from(value: Timestamp) -> Self {
        Self::Int(Some(value.as_millis()))
    }
}

impl From<MemberNo> for Value<'_> {
    fn from(value: MemberNo) -> Self {
        Self::Int(Some(value.0))
    }
}

impl From<Option<MemberNo>> for Value<'_> {
    fn from(value: Option<MemberNo>) -> Self {
        Self::Int(value.map(|member| member.0))
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(Some(Cow::Borrowed(value)))
    }
}

impl<'a> From<Option<&'a str>> for Value<'a> {
    fn from(value: Option<&'a str>) -> Self {
        Self::Text(value.map(Cow::Borrowed))
    }
}

impl From<String> for Value<'_> {
    fn from(value: String) -> Self {
        Self::Text(Some(Cow::Owned(value)))
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(value: &'a [u8]) -> Self {
        Self::Bytes(Some(Cow::Borrowed(value)))
    }
}

impl<'a> From<Option<&'a [u8]>> for Value<'a> {
    fn from(value: Option<&'a [u8]>) -> Self {
        Self::Bytes(value.map(Cow::Borrowed))
    }
}

impl From<Vec<u8>> for Value<'_> {
    fn from(value: Vec<u8>) -> Self {
        Self::Bytes(Some(Cow::Owned(value)))
    }
}

/// A sequence number on its way into a `BIGINT`. No chain comes near 2⁶³.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A table that a statement is given: its alias in the text, its columns.
#[derive(Debug)]
pub(super) struct List {
    pub(super) name: &'static str,
    pub(super) columns: &'static [(&'static str, Kind)],
}

impl List {
    /// Whether any column holds bytes.
    pub(super) fn has_bytes(&self) -> bool {
        self.columns.iter().any(|(_, kind)| *kind == Kind::Bytes)
    }

    /// How many values a row has as JSON.
    fn json_width(&self) -> usize {
        let bytes = self.columns.iter().filter(|(_, kind)| *kind == Kind::Bytes).count();
        self.columns.len() + bytes
    }
}

/// The rows of a [`List`], one after the other.
#[derive(Clone, Debug)]
pub(super) struct Rows<'a> {
    pub(super) list: &'static List,
    pub(super) values: Cow<'a, [Value<'a>]>,
}

impl<'a> Rows<'a> {
    /// No rows yet.
    pub(super) const fn new(list: &'static List) -> Self {
        Self { list, values: Cow::Owned(Vec::new()) }
    }

    /// Adds a row. Its length is checked by the tests of every statement.
    pub(super) fn push<const N: usize>(&mut self, row: [Value<'a>; N]) {
        debug_assert_eq!(N, self.list.columns.len(), "{}", self.list.name);
        self.values.to_mut().extend(row);
    }

    /// How many rows.
    pub(super) fn len(&self) -> usize {
        self.values.len() / self.list.columns.len()
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The same rows in parts of at most `size`.
    pub(super) fn chunks(&self, size: usize) -> impl Iterator<Item = Rows<'_>> {
        let part = size * self.list.columns.len();
        let list = self.list;
        self.values.chunks(part).map(move |values| Rows { list, values: Cow::Borrowed(values) })
    }

    /// The values of one column.
    pub(super) fn column(&self, at: usize) -> impl Iterator<Item = &Value<'a>> {
        self.values.iter().skip(at).step_by(self.list.columns.len())
    }

    /// All rows as JSON, an array of arrays, or of values where each row has one; and beside it
    /// all bytes put together: in the JSON a column of bytes is two numbers, where they begin
    /// (from 1) and how many they are. JSON itself would have them as hex, twice as long, written
    /// here only to be read there.
    pub(super) fn to_json(&self) -> (String, Vec<u8>) {
        use std::fmt::Write as _;
        let columns = self.list.columns;
        let single = self.list.json_width() == 1;
        let all: usize = self.values.iter().map(Value::size).sum();
        let mut json = String::with_capacity(self.values.len() * 16 + all / 4);
        // What is empty would be null: so the bytes are never none at all.
        let mut bytes = Vec::with_capacity(all + 1);
        bytes.push(0);
        json.push('[');
        for (number, row) in self.values.chunks(columns.len()).enumerate() {
            json.push_str(if number > 0 { "," } else { "" });
            json.push_str(if single { "" } else { "[" });
            for (place, (value, (_, kind))) in row.iter().zip(columns).enumerate() {
                json.push_str(if place > 0 { "," } else { "" });
                // Writing to memory cannot fail.
                match value {
                    Value::Int(Some(number)) => _ = write!(json, "{number}"),
                    Value::Text(Some(text)) => {
                        json.push_str(&serde_json::to_string(text).unwrap_or_default());
                    }
                    Value::Bytes(Some(part)) => {
                        _ = write!(json, "{},{}", bytes.len() + 1, part.len());
                        bytes.extend_from_slice(part);
                    }
                    _ => json.push_str(if *kind == Kind::Bytes { "null,null" } else { "null" }),
                }
            }
            json.push_str(if single { "" } else { "]" });
        }
        json.push(']');
        (json, bytes)
    }
}

/// Which database reads the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    /// The text with its joins written out.
    fn joins(self, text: &str) -> String {
        let mut parts = text.split('{');
        let mut out = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (join, rest) = part.split_once('}').unwrap_or((part, ""));
            let (kind, looked_up) = join.split_once(' ').unwrap_or_default();
            let (table, condition) = looked_up.split_once(" WHERE ").unwrap_or_default();
            let (_, alias) = table.split_once(' ').unwrap_or_default();
            let (join, end) =
                if kind == "maybe" { ("LEFT JOIN", " ON true") } else { ("CROSS JOIN", "") };
            out.push_str(&match self {
                Self::Sqlite => format!("{join} {table} ON {condition}"),
                // OFFSET keeps the subquery as it is.
                Self::Postgres => format!(
                    "{join} LATERAL (SELECT {alias}.* FROM {table} WHERE {condition} \
                     OFFSET 0) AS {alias}{end}"
                ),
            });
            out.push_str(rest);
        }
        out
    }

    /// How a list stands in a `FROM`; `next` is the number of the first free parameter.
    fn source(self, list: &List, next: &mut usize) -> String {
        let name = list.name;
        match self {
            // One parameter a column, each an array.
            Self::Postgres => {
                let array = |(_, kind): &(_, Kind)| {
                    let array = match kind {
                        Kind::Int => "bigint[]",
                        Kind::Text => "text[]",
                        Kind::Bytes => "bytea[]",
                    };
                    let text = format!("${next}::{array}");
                    *next += 1;
                    text
                };
                let arrays: Vec<String> = list.columns.iter().map(array).collect();
                let names: Vec<&str> = list.columns.iter().map(|(name, _)| *name).collect();
                format!("UNNEST({}) AS {name}({})", arrays.join(", "), names.join(", "))
            }
            // One parameter, JSON; and a second where there are bytes: all of them together.
            Self::Sqlite => {
                let single = list.json_width() == 1;
                let (json, bytes) = (*next, *next + 1);
                let mut place = 0;
                let mut column = |(name, kind): &(_, Kind)| {
                    let mut value = || {
                        place += 1;
                        if single { "value".to_owned() } else { format!("value ->> {}", place - 1) }
                    };
                    match kind {
                        Kind::Bytes => {
                            format!("substr(${bytes}, {}, {}) AS {name}", value(), value())
                        }
                        Kind::Int | Kind::Text => format!("{} AS {name}", value()),
                    }
                };
                let columns: Vec<String> = list.columns.iter().map(&mut column).collect();
                *next += 1 + usize::from(list.has_bytes());
                format!("(SELECT {} FROM jsonb_each(${json})) AS {name}", columns.join(", "))
            }
        }
    }
}

/// A statement, written once for both engines. `$1`, `$2`, … are single values.
///
/// | in the text | stands for |
/// | --- | --- |
/// | `{name}` | the list of that name |
/// | `{each table t WHERE …}` | joined to what stands before it: the rows found, row by row |
/// | `{maybe table t WHERE …}` | the same, or nulls |
///
/// `each` and `maybe` are joins that no planner turns round. A planner that has no statistics yet
/// believes that few rows have the alliance in question, and would read them all.
#[derive(Debug)]
pub(super) struct Sql {
    pub(super) template: Cow<'static, str>,
    /// How many single values it takes.
    pub(super) values: usize,
    /// The lists it takes.
    pub(super) lists: &'static [&'static List],
    /// How many integers, texts and bytes a row of its answer has, in that order.
    pub(super) shape: Shape,
    texts: [OnceLock<Arc<str>>; 2],
}

/// How many integers, texts and bytes a row has, in that order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) ints: usize,
    pub(super) texts: usize,
    pub(super) bytes: usize,
}

/// A shape of so many integers, texts and bytes.
pub(super) const fn shape(ints: usize, texts: usize, bytes: usize) -> Shape {
    Shape { ints, texts, bytes }
}

impl Sql {
    /// A query that takes single values.
    pub(super) const fn query(template: &'static str, values: usize, shape: Shape) -> Self {
        Self::of(Cow::Borrowed(template), values, &[], shape)
    }

    /// A statement that takes the alliance and a list, and answers nothing.
    pub(super) const fn write(template: &'static str, lists: &'static [&'static List]) -> Self {
        Self::of(Cow::Borrowed(template), 1, lists, shape(0, 0, 0))
    }

    /// Any statement.
    pub(super) const fn of(
        template: Cow<'static, str>,
        values: usize,
        lists: &'static [&'static List],
        shape: Shape,
    ) -> Self {
        Self { template, values, lists, shape, texts: [const { OnceLock::new() }; 2] }
    }

    /// The text for an engine.
    pub(super) fn text(&self, dialect: Dialect) -> Arc<str> {
        let [sqlite, postgres] = &self.texts;
        let text = match dialect {
            Dialect::Sqlite => sqlite,
            Dialect::Postgres => postgres,
        };
        text.get_or_init(|| Arc::from(self.render(dialect, &mut (self.values + 1)))).clone()
    }

    /// The text, its lists' parameters counted from `next`.
    pub(super) fn render(&self, dialect: Dialect, next: &mut usize) -> String {
        let text = self.lists.iter().fold(self.template.to_string(), |text, list| {
            text.replace(&format!("{{{}}}", list.name), &dialect.source(list, next))
        });
        dialect.joins(&text)
    }
}

// ---------------------------------------------------------------------------------------------
// Out of the database
// ---------------------------------------------------------------------------------------------

/// What to select for a record: integers, texts, bytes.
pub(super) struct Columns {
    pub(super) ints: &'static [&'static str],
    pub(super) texts: &'static [&'static str],
    pub(super) bytes: &'static [&'static str],
}

/// The shape of rows that can hold any record, after the integer that says which.
pub(super) const WIDE: Shape = shape(8, 7, 6);

impl Columns {
    /// The select list of this record alone.
    pub(super) fn select(&self) -> String {
        [self.ints, self.texts, self.bytes].concat().join(", ")
    }

    /// The shape of that.
    pub(super) const fn shape(&self) -> Shape {
        shape(self.ints.len(), self.texts.len(), self.bytes.len())
    }

    /// The select list of this record among others: a number that says which record it is, then
    /// nulls where it has less than the widest.
    pub(super) fn wide(&self, tag: i64) -> String {
        let padded = |columns: &[&str], to: usize| {
            debug_assert!(columns.len() <= to, "{columns:?} would be cut off");
            let mut columns: Vec<String> = columns.iter().map(|&c| c.to_owned()).collect();
            columns.resize(to, "NULL".to_owned());
            columns
        };
        let mut columns = vec![tag.to_string()];
        columns.extend(padded(self.ints, WIDE.ints - 1));
        columns.extend(padded(self.texts, WIDE.texts));
        columns.extend(padded(self.bytes, WIDE.bytes));
        columns.join(", ")
    }

    /// The first part of a union of wide rows: one integer. It says the types, once for all.
    pub(super) fn first(tag: i64, int: &str) -> String {
        let null = |name: &str, count: usize| vec![format!("CAST(NULL AS {name})"); count];
        let mut columns = vec![format!("CAST({tag} AS BIGINT)"), int.to_owned()];
        columns.extend(null("BIGINT", WIDE.ints - 2));
        columns.extend(null("TEXT", WIDE.texts));
        columns.extend(null("BYTEA", WIDE.bytes));
        columns.join(", ")
    }
}

/// One row, read from left to right in each of its three parts.
#[derive(Debug)]
pub(super) struct Row {
    ints: std::vec::IntoIter<Option<i64>>,
    texts: std::vec::IntoIter<Option<String>>,
    bytes: std::vec::IntoIter<Option<Vec<u8>>>,
}

pub(super) fn corrupt(what: impl Display) -> StoreError {
    StoreError::Corrupt(what.to_string())
}

impl Row {
    pub(super) fn new(
        ints: Vec<Option<i64>>,
        texts: Vec<Option<String>>,
        bytes: Vec<Option<Vec<u8>>>,
    ) -> Self {
        Self { ints: ints.into_iter(), texts: texts.into_iter(), bytes: bytes.into_iter() }
    }

    /// Takes a database's row apart.
    pub(super) fn read<R: sqlx::Row>(row: &R, shape: Shape) -> sqlx::Result<Self>
    where
        usize: ColumnIndex<R>,
        for<'r> i64: Decode<'r, R::Database> + Type<R::Database>,
        for<'r> String: Decode<'r, R::Database> + Type<R::Database>,
        for<'r> Vec<u8>: Decode<'r, R::Database> + Type<R::Database>,
    {
        let Shape { ints, texts, bytes } = shape;
        Ok(Self::new(
            (0..ints).map(|at| row.try_get(at)).collect::<sqlx::Result<_>>()?,
            (ints..ints + texts).map(|at| row.try_get(at)).collect::<sqlx::Result<_>>()?,
            (ints + texts..ints + texts + bytes)
                .map(|at| row.try_get(at))
                .collect::<sqlx::Result<_>>()?,
        ))
    }

    pub(super) fn maybe_int(&mut self) -> Option<i64> {
        self.ints.next().flatten()
    }

    pub(super) fn maybe_text(&mut self) -> Option<String> {
        self.texts.next().flatten()
    }

    pub(super) fn maybe_bytes(&mut self) -> Option<Vec<u8>> {
        self.bytes.next().flatten()
    }

    pub(super) fn int(&mut self, what: &str) -> Result<i64> {
        self.maybe_int().ok_or_else(|| corrupt(format_args!("{what} is missing")))
    }

    pub(super) fn text(&mut self, what: &str) -> Result<String> {
        self.maybe_text().ok_or_else(|| corrupt(format_args!("{what} is missing")))
    }

    pub(super) fn bytes(&mut self, what: &str) -> Result<Vec<u8>> {
        self.maybe_bytes().ok_or_else(|| corrupt(format_args!("{what} is missing")))
    }

    /// A number that is never negative.
    pub(super) fn count(&mut self, what: &str) -> Result<u64> {
        let number = self.int(what)?;
        u64::try_from(number).map_err(|_| corrupt(format_args!("{what} is {number}")))
    }

    pub(super) fn time(&mut self, what: &str) -> Result<Timestamp> {
        self.int(what).map(Timestamp::from_millis)
    }

    pub(super) fn member_no(&mut self) -> Option<MemberNo> {
        self.maybe_int().map(MemberNo)
    }

    /// A text that names something.
    pub(super) fn name<T: FromStr<Err: Display>>(&mut self, what: &str) -> Result<T> {
        parsed(what, &self.text(what)?)
    }

    pub(super) fn maybe_name<T: FromStr<Err: Display>>(&mut self, what: &str) -> Result<Option<T>> {
        self.maybe_text().map(|text| parsed(what, &text)).transpose()
    }

    pub(super) fn id<K: IdKind>(&mut self, what: &str) -> Result<Id<K>> {
        id(what, &self.bytes(what)?)
    }

    pub(super) fn maybe_id<K: IdKind>(&mut self, what: &str) -> Result<Option<Id<K>>> {
        self.maybe_bytes().map(|bytes| id(what, &bytes)).transpose()
    }

    pub(super) fn hash(&mut self, what: &str) -> Result<Hash> {
        array::<32>(what, &self.bytes(what)?).map(Hash::from)
    }

    pub(super) fn maybe_kid(&mut self) -> Result<Option<Kid>> {
        let parse =
            |text: String| Kid::parse(&text).map_err(|e| corrupt(format_args!("a kid: {e}")));
        self.maybe_text().map(parse).transpose()
    }

    pub(super) fn maybe_lookup(&mut self, what: &str) -> Result<Option<Lookup>> {
        self.maybe_bytes().map(|bytes| array(what, &bytes).map(Lookup)).transpose()
    }
}

fn parsed<T: FromStr<Err: Display>>(what: &str, text: &str) -> Result<T> {
    text.parse().map_err(|error| corrupt(format_args!("{what}: {error}")))
}

fn id<K: IdKind>(what: &str, bytes: &[u8]) -> Result<Id<K>> {
    Id::from_bytes(bytes).map_err(|error| corrupt(format_args!("{what}: {error}")))
}

fn array<const N: usize>(what: &str, bytes: &[u8]) -> Result<[u8; N]> {
    bytes.try_into().map_err(|_| corrupt(format_args!("{what} has {} bytes", bytes.len())))
}

// ---------------------------------------------------------------------------------------------
// Records
// ---------------------------------------------------------------------------------------------

/// Of `idempotency_keys k`.
pub(super) const KEY: Columns = Columns {
    ints: &[],
    texts: &["k.partner", "k.key", "k.outcome"],
    bytes: &["k.subject_id", "k.digest", "k.request_id"],
};

/// How an outcome is kept: a word, and what it is about.
pub(super) fn stored_outcome(outcome: &Outcome) -> Result<(&'static str, Option<Vec<u8>>)> {
    match outcome {
        Outcome::Transaction(id) => Ok(("transaction", Some(id.to_bytes().to_vec()))),
        Outcome::Link(id) => Ok(("link", Some(id.to_bytes().to_vec()))),
        Outcome::Agreement(id) => Ok(("agreement", Some(id.to_bytes().to_vec()))),
        Outcome::Consent(id) => Ok(("consent", Some(id.to_bytes().to_vec()))),
        Outcome::Erased(id) => Ok(("erasure", Some(id.to_bytes().to_vec()))),
        Outcome::Member => Ok(("member", None)),
        Outcome::Key(kid) => {
            Ok(("key", Some(encoding::base64url_decode(kid.as_str()).map_err(corrupt)?)))
        }
        Outcome::Cosigned => Ok(("cosigned", None)),
        Outcome::Endpoint(id) => Ok(("endpoint", Some(id.to_bytes().to_vec()))),
        Outcome::Observed => Ok(("observed", None)),
        Outcome::Refused(code) => Ok((code.as_str(), None)),
        Outcome::ObservationsRefused(_) => Err(StoreError::Contradiction(
            "readings that were not taken leave their idempotency key unused".to_owned(),
        )),
        Outcome::AgreementRefused(_) | Outcome::ConsentRefused(_) | Outcome::KeyRefused(_) => {
            let text = "a faulty agreement, consent or key leaves its idempotency key unused";
            Err(StoreError::Contradiction(text.to_owned()))
        }
        Outcome::Done(_)
        | Outcome::BadRows(_)
        | Outcome::RotationRefused(_)
        | Outcome::DefinitionRefused(_)
        | Outcome::BoardStale
        | Outcome::Proposal(_)
        | Outcome::ProposalRefused(_)
        | Outcome::CampaignRefused(_)
        | Outcome::CampaignStale
        | Outcome::KeyListRefused(_)
        | Outcome::Taken(_)
        | Outcome::CheckpointRefused
        | Outcome::SettlementRefused(_)
        | Outcome::SettlementStale => Err(StoreError::Contradiction(
            "an operator's command has no idempotency key".to_owned(),
        )),
    }
}

pub(super) fn key(row: &mut Row) -> Result<KeyRecord> {
    let (partner, name) = (row.name("a key's partner")?, row.name("a key")?);
    let outcome = match row.text("a key's outcome")?.as_str() {
        "transaction" => Outcome::Transaction(row.id("a key's transaction")?),
        "link" => Outcome::Link(row.id("a key's link")?),
        "agreement" => Outcome::Agreement(row.id("a key's agreement")?),
        "consent" => Outcome::Consent(row.id("a key's consent")?),
        "erasure" => Outcome::Erased(row.id("a key's erasure")?),
        "member" => {
            row.maybe_bytes();
            Outcome::Member
        }
        "endpoint" => Outcome::Endpoint(row.id("a key's endpoint")?),
        "observed" => {
            row.maybe_bytes();
            Outcome::Observed
        }
        "key" => {
            let kid = encoding::base64url_encode(&row.bytes("a key's kid")?);
            Outcome::Key(Kid::parse(&kid).map_err(corrupt)?)
        }
        "cosigned" => {
            row.maybe_bytes();
            Outcome::Cosigned
        }
        code => {
            row.maybe_bytes();
            let code = ProblemCode::from_code(code)
                .ok_or_else(|| corrupt(format_args!("a key's outcome is {code:?}")))?;
            Outcome::Refused(code)
        }
    };
    let (digest, request) = (row.hash("a key's digest")?, row.id("a key's request")?);
    Ok(KeyRecord { partner, key: name, digest, outcome, request })
}

/// Of `members m` and `balances b`.
pub(super) const MEMBER: Columns = Columns {
    ints: &["m.member", "b.balance", "m.frozen_at"],
    texts: &["m.program"],
    bytes: &["m.lookup", "m.wrapped_key", "m.sealed_reference"],
};

pub(super) fn member(row: &mut Row) -> Result<SealedMember> {
    Ok(SealedMember {
        member: MemberNo(row.int("a member's number")?),
        balance: row.int("a member's balance")?,
        frozen: row.maybe_int().is_some(),
        lots: Vec::new(),
        program: row.name("a member's program")?,
        lookup: row.maybe_lookup("a member's lookup")?,
        wrapped_key: row.maybe_bytes(),
        sealed_reference: row.maybe_bytes(),
    })
}

/// Of `members m` that were not forgotten.
pub(super) const WRAPPED_MEMBER: Columns = Columns {
    ints: &["m.member"],
    texts: &["m.program"],
    bytes: &["m.lookup", "m.wrapped_key", "m.sealed_reference"],
};

pub(super) fn wrapped_member(row: &mut Row) -> Result<WrappedMember> {
    Ok(WrappedMember {
        member: MemberNo(row.int("a member's number")?),
        program: row.name("a member's program")?,
        lookup: row.maybe_lookup("a member's lookup")?,
        wrapped_key: row.bytes("a member's key")?,
        sealed_reference: row.bytes("a member's reference")?,
    })
}

/// Of `master_keys`.
pub(super) const MASTER_KEY: Columns = Columns {
    ints: &["generation", "begun_at", "ended_at"],
    texts: &["key_id"],
    bytes: &["blind_key"],
};

pub(super) fn master_key(row: &mut Row) -> Result<MasterKeyRecord> {
    let generation = row.int("a master key's generation")?;
    let begun_at = row.time("when a master key became the one")?;
    let ended_at = row.maybe_int().map(Timestamp::from_millis);
    let text = row.text("a master key's id")?;
    let id = MasterKeyId::parse(&text).ok_or_else(|| corrupt("a master key's id"))?;
    let blind_key = row.maybe_bytes();
    Ok(MasterKeyRecord { generation, id, begun_at, ended_at, blind_key })
}

/// Of `links l`.
pub(super) const LINK: Columns = Columns {
    ints: &["l.created_at", "l.until", "l.a_member", "l.b_member"],
    texts: &[
        "l.state",
        "l.scope",
        "l.proposed_by",
        "l.a_partner",
        "l.a_program",
        "l.b_partner",
        "l.b_program",
    ],
    bytes: &["l.link_id", "l.a_lookup", "l.a_supplied", "l.b_lookup", "l.b_supplied"],
};

/// How a consent's scope is kept.
pub(super) fn stored_scope(consent: &Consent) -> String {
    let kinds: Vec<&str> = consent.scope.iter().map(|kind| kind.as_str()).collect();
    kinds.join(",")
}

fn scope(text: &str) -> Result<Vec<TransactionKind>> {
    text.split(',')
        .filter(|kind| !kind.is_empty())
        .map(|kind| {
            TransactionKind::from_stored(kind)
                .ok_or_else(|| corrupt(format_args!("a link's scope has {kind:?}")))
        })
        .collect()
}

pub(super) fn link(row: &mut Row) -> Result<LinkRecord> {
    let (created_at, until) = (row.time("a link's time")?, row.maybe_int());
    let (a_member, b_member) = (row.member_no(), row.member_no());
    let state = row.text("a link's state")?;
    let state = LinkState::from_stored(&state)
        .ok_or_else(|| corrupt(format_args!("a link's state is {state:?}")))?;
    let scope = scope(&row.text("a link's scope")?)?;
    let proposed_by = row.name("a link's proposer")?;
    let id = row.id("a link's id")?;
    let mut side = |member| -> Result<LinkSideRecord> {
        Ok(LinkSideRecord {
            partner: row.name("a link's partner")?,
            program: row.name("a link's program")?,
            member,
            lookup: row.maybe_lookup("a link's lookup")?,
            supplied: row.maybe_bytes(),
        })
    };
    Ok(LinkRecord {
        id,
        state,
        a: side(a_member)?,
        b: side(b_member)?,
        consent: Consent { scope, until: until.map(Timestamp::from_millis) },
        proposed_by,
        created_at,
    })
}

/// Of `agreements g`.
pub(super) const AGREEMENT: Columns = Columns {
    ints: &["g.proposed_at", "g.countersigned_at"],
    texts: &["g.state", "g.proposed_by", "g.a_kid", "g.b_kid"],
    bytes: &["g.agreement_id", "g.payload", "g.a_signature", "g.b_signature"],
};

/// An agreement. What it says stands in the payload; the other columns are for finding it.
pub(super) fn agreement(row: &mut Row) -> Result<AgreementRecord> {
    let (proposed_at, countersigned_at) = (row.time("an agreement's time")?, row.maybe_int());
    let state = row.text("an agreement's state")?;
    let state = AgreementState::from_stored(&state)
        .ok_or_else(|| corrupt(format_args!("an agreement's state is {state:?}")))?;
    let proposed_by = row.name("an agreement's proposer")?;
    let kids = [row.maybe_kid()?, row.maybe_kid()?];
    let id = row.id("an agreement's id")?;
    let payload = row.bytes("an agreement")?;
    let agreement: Agreement = json::read_canonical(&payload)
        .ok_or_else(|| corrupt(format_args!("{id} is no agreement in its one form")))?;
    let [a, b] = kids.map(|kid| -> Result<_> {
        match (kid, row.maybe_bytes()) {
            (Some(kid), Some(bytes)) => {
                let signature = array("an agreement's signature", &bytes)?;
                Ok(Some(AgreementSignature { kid, signature }))
            }
            (None, None) => Ok(None),
            _ => Err(corrupt(format_args!("half a signature of {id}"))),
        }
    });
    let countersigned_at = countersigned_at.map(Timestamp::from_millis);
    Ok(AgreementRecord {
        id,
        state,
        agreement,
        payload,
        a: a?,
        b: b?,
        proposed_by,
        proposed_at,
        countersigned_at,
    })
}

/// Of `campaigns y`.
pub(super) const CAMPAIGN: Columns = Columns {
    ints: &["y.warned", "y.needs_two", "y.proposed_at", "y.approved_at", "y.stopped_at"],
    texts: &["y.state", "y.proposed_by", "y.approved_by", "y.stopped_by"],
    bytes: &["y.campaign_id", "y.payload"],
};

/// A campaign. What it says stands in the payload, and nowhere else.
pub(super) fn campaign(row: &mut Row) -> Result<CampaignRecord> {
    let warned = u32::try_from(row.int("a campaign's warnings")?).map_err(corrupt)?;
    let needs_two = row.int("who approves a campaign")? != 0;
    let proposed_at = row.time("a campaign's time")?;
    let (approved_at, stopped_at) = (row.maybe_int(), row.maybe_int());
    let state = row.text("a campaign's state")?;
    let state = CampaignState::from_stored(&state)
        .ok_or_else(|| corrupt(format_args!("a campaign's state is {state:?}")))?;
    let proposed_by = row.name("a campaign's proposer")?;
    let approved_by = row.maybe_name("a campaign's approver")?;
    let stopped_by = row.maybe_name("who stopped a campaign")?;
    let id = row.id("a campaign's id")?;
    let payload = row.bytes("a campaign")?;
    let campaign: Campaign = json::read_canonical(&payload)
        .ok_or_else(|| corrupt(format_args!("{id} is no campaign in its one form")))?;
    Ok(CampaignRecord {
        id,
        campaign,
        state,
        warned,
        needs_two,
        proposed_by,
        proposed_at,
        approved_by,
        approved_at: approved_at.map(Timestamp::from_millis),
        stopped_by,
        stopped_at: stopped_at.map(Timestamp::from_millis),
    })
}

/// Of `lots o`.
pub(super) const LOT: Columns = Columns {
    ints: &["o.member", "o.day", "o.points", "o.held_until"],
    texts: &[],
    bytes: &["o.campaign_id"],
};

pub(super) fn lot(row: &mut Row) -> Result<(MemberNo, Lot)> {
    let member = MemberNo(row.int("a lot's member")?);
    let (day, points) = (row.int("a lot's day")?, row.int("a lot's points")?);
    let held_until = row.time("a lot's end")?;
    Ok((member, Lot { campaign: row.id("a lot's campaign")?, day, points, held_until }))
}

/// Of `receipts r`.
pub(super) const RECEIPT: Columns = Columns {
    ints: &["r.seq"],
    texts: &["r.corridor", "r.kid"],
    bytes: &["r.transaction_id", "r.signature", "r.payload"],
};

pub(super) fn stored_receipt(row: &mut Row) -> Result<StoredReceipt> {
    Ok(StoredReceipt {
        seq: row.count("a receipt's seq")?,
        corridor: row.name("a receipt's corridor")?,
        kid: kid(row)?,
        transaction: row.id("a receipt's transaction")?,
        signature: array("a signature", &row.bytes("a receipt's signature")?)?,
        payload: row.bytes("a receipt's payload")?,
    })
}

fn kid(row: &mut Row) -> Result<Kid> {
    let text = row.text("a kid")?;
    Kid::parse(&text).map_err(|error| corrupt(format_args!("a kid: {error}")))
}

/// Of `transactions t` and its receipt `r`.
pub(super) const TRANSACTION: Columns = Columns {
    ints: &[
        "t.created_at",
        "t.reversed_source",
        "t.reversed_target",
        "t.request_index",
        "t.source_member",
        "t.target_member",
        "t.seq",
    ],
    texts: &[
        "t.kind",
        "t.state",
        "t.caller",
        "t.source_reference",
        "t.corridor",
        "t.reason",
        "r.kid",
    ],
    bytes: &[
        "t.transaction_id",
        "t.request_id",
        "t.quote_id",
        "t.reverses",
        "r.signature",
        "COALESCE(r.payload, s.terms)",
    ],
};

/// A transaction and its receipt. What the row does not say stands in the payload: of its receipt,
/// or, where it has none yet or never will, of its saga.
pub(super) fn transaction(row: &mut Row) -> Result<(TransactionRecord, Option<StoredReceipt>)> {
    let created_at = row.time("a transaction's time")?;
    let reversed =
        Reversed { source: row.int("reversed_source")?, target: row.int("reversed_target")? };
    let request_index = u32::try_from(row.int("request_index")?).map_err(corrupt)?;
    let (source_member, target_member) = (row.member_no(), row.member_no());
    let seq = row.maybe_int().map(u64::try_from).transpose().map_err(corrupt)?;
    let (kind, state) = (row.text("a transaction's kind")?, row.text("a transaction's state")?);
    let kind = TransactionKind::from_stored(&kind)
        .ok_or_else(|| corrupt(format_args!("a transaction's kind is {kind:?}")))?;
    let state = TransactionState::from_stored(&state)
        .ok_or_else(|| corrupt(format_args!("a transaction's state is {state:?}")))?;
    let caller = row.name("a transaction's caller")?;
    let source_reference = row.name("a transaction's reference")?;
    let corridor: Corridor = row.name("a transaction's corridor")?;
    let reason = row.maybe_name("a transaction's reason")?;
    let kid = row.maybe_kid()?;
    let id = row.id("a transaction's id")?;
    let (request, quote) = (row.id("a request")?, row.maybe_id("a quote")?);
    let reverses = row.maybe_id("the transaction reversed")?;
    let signature = row.maybe_bytes();
    let payload = row.bytes("a receipt's payload")?;
    let terms = receipt::parse(&payload).map_err(|error| corrupt(format_args!("{id}: {error}")))?;
    let same_place = (&terms.corridor, terms.seq) == (&corridor, seq.unwrap_or(0));
    if terms.transaction != id || terms.kind != kind || !same_place {
        return Err(corrupt(format_args!("{id} and its receipt do not fit together")));
    }
    let completed_at = terms.completed_at;
    let Receipt { adjustment, bonus, expiry, order, source, target, rate, settlement, .. } = terms;
    let side = |side: ReceiptSide, number| -> TransactionSideRecord {
        side.map(|pseudonym| SeenMember { number, pseudonym })
    };
    let record = TransactionRecord {
        id,
        kind,
        state,
        caller,
        source_reference,
        quote,
        order,
        source: side(source, source_member),
        target: side(target, target_member),
        rate,
        settlement,
        bonus,
        expiry,
        adjustment,
        created_at,
        completed_at: seq.map(|_| completed_at),
        reversed,
        reverses,
        reason,
        corridor: corridor.clone(),
        seq,
        request,
        request_index,
    };
    let receipt = match (seq, kid, signature) {
        (Some(seq), Some(kid), Some(signature)) => {
            let signature = array("a signature", &signature)?;
            Some(StoredReceipt { corridor, seq, transaction: id, payload, signature, kid })
        }
        (None, None, None) => None,
        _ => return Err(corrupt(format_args!("{id} has half a receipt"))),
    };
    Ok((record, receipt))
}

/// Of `sagas s`.
pub(super) const SAGA: Columns = Columns {
    ints: &["s.due_at", "s.attempts", "s.deadline_at", "s.parked_at", "s.held"],
    // As wide as the widest row: words of closed lists stand together.
    texts: &[
        "s.taken || ' ' || s.given || ' ' || s.phase",
        "s.giver",
        "s.receiver",
        "s.reservation",
        "s.reference",
        "s.refused_step || ' ' || s.refusal",
        "s.remark",
    ],
    bytes: &["s.transaction_id", "s.reverses", "s.terms"],
};

pub(super) fn saga(row: &mut Row) -> Result<Saga> {
    let due_at = row.time("when a saga is due")?;
    let attempts = u32::try_from(row.int("a saga's attempts")?).map_err(corrupt)?;
    let deadline_at = row.time("a saga's deadline")?;
    let parked_at = row.maybe_int().map(Timestamp::from_millis);
    let held = row.int("what a saga holds")?;
    let words = row.text("where a saga stands")?;
    let mut words = words.split(' ');
    let taken = stored("what is taken", words.next().unwrap_or(""), Taken::from_stored)?;
    let given = stored("what is given", words.next().unwrap_or(""), Given::from_stored)?;
    let phase = stored("a phase", words.next().unwrap_or(""), Phase::from_stored)?;
    let (giver, receiver) = (row.name("a giver")?, row.name("a receiver")?);
    let (reservation, reference) =
        (row.maybe_name("a reservation")?, row.maybe_name("a reference")?);
    let refusal = row.maybe_text();
    let refusal = refusal.map(|refusal| {
        let (step, code) = refusal.split_once(' ').ok_or_else(|| corrupt("half a refusal"))?;
        let step = stored("a refused step", step, Step::from_stored)?;
        Ok((step, stored("a refusal", code, RefusalCode::from_stored)?))
    });
    let refusal = refusal.transpose()?;
    let remark = row.maybe_text();
    let remark =
        remark.map(|remark| stored("a remark", &remark, Remark::from_stored)).transpose()?;
    Ok(Saga {
        transaction: row.id("a saga's transaction")?,
        plan: Plan { taken, given },
        phase,
        giver,
        receiver,
        due_at,
        attempts,
        deadline_at,
        parked_at,
        reservation,
        reference,
        refusal,
        remark,
        held,
        reverses: row.maybe_id("the transaction reversed")?,
        terms: row.bytes("a saga's terms")?,
    })
}

/// A word out of a closed list.
fn stored<T>(what: &str, text: &str, find: fn(&str) -> Option<T>) -> Result<T> {
    find(text).ok_or_else(|| corrupt(format_args!("{what} is {text:?}")))
}

/// Of `answers w`.
pub(super) const SIGNED_ANSWER: Columns = Columns {
    ints: &["w.received_at"],
    texts: &["w.step", "w.partner", "w.kid"],
    bytes: &["w.transaction_id", "w.base", "w.signature", "w.body"],
};

pub(super) fn signed_answer(row: &mut Row) -> Result<SignedAnswer> {
    let received_at = row.time("an answer's time")?;
    let step = stored("an answer's step", &row.text("an answer's step")?, Step::from_stored)?;
    let (partner, kid) = (row.name("an answer's partner")?, kid(row)?);
    let (transaction, base) = (row.id("an answer's transaction")?, row.bytes("an answer's base")?);
    let signature = array("an answer's signature", &row.bytes("an answer's signature")?)?;
    let (base_hash, body) = (Hash::of(&base), row.bytes("an answer")?);
    Ok(SignedAnswer {
        transaction,
        step,
        partner,
        kid,
        base,
        base_hash,
        signature,
        body,
        received_at,
    })
}

/// Of `endpoints h`.
pub(super) const ENDPOINT: Columns = Columns {
    ints: &["h.taken_up", "h.leased_until", "h.old_until", "h.created_at"],
    texts: &["h.partner", "h.url", "h.types", "h.state", "h.changed_by"],
    bytes: &["h.endpoint_id", "h.secret", "h.old_secret"],
};

pub(super) fn endpoint(row: &mut Row) -> Result<EndpointRecord> {
    let taken_up = row.count("an endpoint's place")?;
    let leased_until = row.time("an endpoint's lease")?;
    let old_until = row.maybe_int().map(Timestamp::from_millis);
    let created_at = row.time("when an endpoint was made")?;
    let (partner, url) = (row.name("an endpoint's partner")?, row.text("an endpoint's address")?);
    let types = row.text("an endpoint's types")?;
    let types = types.split(' ').filter(|text| !text.is_empty()).map(event_type).collect();
    let state = row.text("an endpoint's state")?;
    let standing = stored("an endpoint's state", &state, Standing::from_stored)?;
    let changed_by = kid(row)?;
    let (id, secret) = (row.id("an endpoint's id")?, row.bytes("an endpoint's secret")?);
    let old_secret = row.maybe_bytes().zip(old_until);
    let old_secret = old_secret.map(|(wrapped, until)| OldSecret { wrapped, until });
    Ok(EndpointRecord {
        id,
        partner,
        url,
        types,
        standing,
        secret,
        old_secret,
        taken_up,
        leased_until,
        created_at,
        changed_by,
    })
}

/// Of `endpoints h`, with what there is to do for it.
pub(super) const ENDPOINT_VIEW: Columns = Columns {
    ints: &[
        "h.taken_up",
        "h.leased_until",
        "h.old_until",
        "h.created_at",
        "(SELECT MIN(d.due_at) FROM deliveries d WHERE d.alliance = h.alliance \
          AND d.endpoint_id = h.endpoint_id AND d.due_at IS NOT NULL)",
        "(SELECT COALESCE(MAX(e.last_number), 0) FROM events e WHERE e.alliance = h.alliance \
          AND e.partner = h.partner)",
    ],
    texts: ENDPOINT.texts,
    bytes: ENDPOINT.bytes,
};

pub(super) fn endpoint_view(row: &mut Row) -> Result<EndpointView> {
    let record = endpoint(row)?;
    let due_at = row.maybe_int().map(Timestamp::from_millis);
    Ok(EndpointView { record, due_at, last_event: row.count("an event's number")? })
}

/// What a partner may ask for is known; a type that a later version knows is kept.
fn event_type(text: &str) -> EventType {
    EventType::known(text).unwrap_or_else(|| EventType::Other(text.into()))
}

/// Of `deliveries d`.
pub(super) const DELIVERY: Columns = Columns {
    ints: &["d.number", "d.tried", "d.attempts", "d.due_at", "d.last_at", "d.last_status"],
    texts: &["d.subject", "d.type", "d.state"],
    bytes: &["d.endpoint_id", "d.event_id"],
};

pub(super) fn delivery(row: &mut Row) -> Result<DeliveryRecord> {
    let number = row.count("a delivery's number")?;
    let tried = u32::try_from(row.int("a delivery's attempts")?).map_err(corrupt)?;
    let attempts = u32::try_from(row.int("a delivery's attempts")?).map_err(corrupt)?;
    let due_at = row.maybe_int().map(Timestamp::from_millis);
    let last_at = row.maybe_int().map(Timestamp::from_millis);
    let last_status = row.maybe_int().map(u16::try_from).transpose().map_err(corrupt)?;
    let (subject, kind) = (row.text("a delivery's subject")?, row.text("a delivery's type")?);
    let state = row.text("a delivery's state")?;
    let state = stored("a delivery's state", &state, DeliveryState::from_stored)?;
    let endpoint = row.id("a delivery's endpoint")?;
    let event = row.id("a delivery's event")?;
    let told = Told { number, event, subject, r#type: event_type(&kind) };
    Ok(DeliveryRecord { endpoint, told, state, tried, attempts, due_at, last_at, last_status })
}

/// Of `attempts w`.
pub(super) const ATTEMPT: Columns = Columns {
    ints: &["w.number", "w.attempt", "w.at", "w.took_millis", "w.status"],
    texts: &["w.said"],
    bytes: &["w.endpoint_id"],
};

pub(super) fn attempt(row: &mut Row) -> Result<AttemptRecord> {
    let number = row.count("a delivery's number")?;
    let attempt = u32::try_from(row.int("an attempt's number")?).map_err(corrupt)?;
    let (at, took_millis) = (row.time("an attempt's time")?, row.int("how long it took")?);
    let status = row.maybe_int().map(u16::try_from).transpose().map_err(corrupt)?;
    let (said, endpoint) = (row.text("what was said")?, row.id("an attempt's endpoint")?);
    Ok(AttemptRecord { endpoint, number, attempt, at, took_millis, status, said })
}

/// Of `accounts a`.
pub(super) const ACCOUNT: Columns =
    Columns { ints: &[], texts: &["a.account", "a.asset", "a.balance"], bytes: &[] };

pub(super) fn account(row: &mut Row) -> Result<AccountBalance> {
    Ok(AccountBalance {
        account: row.name("an account")?,
        asset: row.name("an asset")?,
        balance: row.name("an account's balance")?,
    })
}

/// Of `windows o`. What a value date rests on stands behind it: rows are as wide as the widest.
pub(super) const WINDOW: Columns = Columns {
    ints: &[
        "o.number",
        "o.opened_at",
        "o.slot",
        "o.closed_at",
        "o.netted_at",
        "o.to_post",
        "o.ended_at",
    ],
    texts: &["o.currency", "o.state", "o.closed_on", "o.value_date || ' ' || o.provisional"],
    bytes: &["o.window_id", "o.carried_into"],
};

pub(super) fn window(row: &mut Row) -> Result<WindowRecord> {
    let (number, opened_at) = (row.count("a window's number")?, row.time("a window's opening")?);
    let [slot, closed_at, netted_at] =
        [(); 3].map(|()| row.maybe_int().map(Timestamp::from_millis));
    let to_post = row.maybe_int().map(u64::try_from).transpose().map_err(corrupt)?;
    let ended_at = row.maybe_int().map(Timestamp::from_millis);
    let currency = row.name("a window's currency")?;
    let state = row.text("a window's state")?;
    let state = stored("a window's state", &state, WindowState::from_stored)?;
    let closed_on = row.maybe_name("the day of a window's closing")?;
    let due = row.maybe_text();
    let due = due.as_deref().map(|due| due.split_once(' ').ok_or_else(|| corrupt("half a date")));
    let (value_date, provisional) = match due.transpose()? {
        None => (None, false),
        Some((date, provisional)) => (Some(date.parse().map_err(corrupt)?), provisional != "0"),
    };
    Ok(WindowRecord {
        id: row.id("a window")?,
        number,
        currency,
        state,
        opened_at,
        slot,
        closed_at,
        closed_on,
        netted_at,
        value_date,
        provisional,
        to_post,
        ended_at,
        carried_into: row.maybe_id("where a window's obligations are")?,
    })
}

/// Of `window_ranges r`, and `window_ranges b`, the one before it in its chain.
pub(super) const RANGE: Columns = Columns {
    ints: &["r.after_seq", "r.seq"],
    texts: &["r.corridor"],
    bytes: &["r.window_id", "r.head", "r.frontier", "b.head", "b.frontier"],
};

pub(super) fn range(row: &mut Row) -> Result<WindowRange> {
    let (after, seq) = (row.count("a range's start")?, row.count("a range's end")?);
    let corridor: Corridor = row.name("a range's corridor")?;
    let window = row.id("a range's window")?;
    let wrong = |error| corrupt(format_args!("a frontier of {corridor}: {error}"));
    let head = row.hash("a range's head")?;
    let frontier = Frontier::from_bytes(seq, &row.bytes("a frontier")?).map_err(wrong)?;
    let before = (row.maybe_bytes(), row.maybe_bytes());
    let (head_after, frontier_after) = match before {
        (Some(head), Some(frontier)) => {
            let frontier = Frontier::from_bytes(after, &frontier).map_err(wrong)?;
            (Hash::from(array::<32>("a head", &head)?), frontier)
        }
        (None, None) if after == 0 => (Hash::ZERO, Frontier::new()),
        _ => return Err(corrupt(format_args!("{corridor} has no range up to {after}"))),
    };
    Ok(WindowRange { window, corridor, after, seq, head_after, frontier_after, head, frontier })
}

/// Of `window_lines l`.
pub(super) const LINE: Columns = Columns {
    ints: &[],
    texts: &["l.party", "l.opening", "l.activity", "l.net", "l.payment", "l.carried"],
    bytes: &[],
};

pub(super) fn line(row: &mut Row) -> Result<Settled> {
    let party = row.name("a line's party")?;
    let mut total = || row.name::<i128>("a line's figure").map(Total::from_micros);
    let (opening, activity, net) = (total()?, total()?, total()?);
    let (payment, carried) = (total()?, total()?);
    Ok(Settled { party, opening, activity, net, payment, carried })
}

/// Of `window_documents d`.
pub(super) const WINDOW_DOCUMENT: Columns =
    Columns { ints: &[], texts: &["d.name"], bytes: &["d.window_id", "d.document"] };

pub(super) fn window_document(row: &mut Row) -> Result<WindowDocument> {
    let (name, window) = (row.text("a document's name")?, row.id("a document's window")?);
    Ok(WindowDocument { window, name, document: row.bytes("a document")? })
}

/// Of `payments p`. Whether the bank refused it stands behind its value date.
pub(super) const PAYMENT: Columns = Columns {
    ints: &[
        "p.number",
        "p.attempt",
        "p.amount",
        "p.sent",
        "p.sent_back",
        "p.received",
        "p.given_back",
    ],
    texts: &["p.debtor", "p.creditor", "p.currency", "p.value_date || ' ' || p.refused"],
    bytes: &["p.window_id"],
};

pub(super) fn payment(row: &mut Row) -> Result<Tracked> {
    let number = u32::try_from(row.int("a payment's number")?).map_err(corrupt)?;
    let attempt = u8::try_from(row.int("a payment's attempt")?).map_err(corrupt)?;
    let amount = row.count("a payment's amount")?;
    let mut counted = || row.count("what a bank said of a payment").map(u128::from);
    let counted = Counted {
        sent: counted()?,
        sent_back: counted()?,
        received: counted()?,
        given_back: counted()?,
    };
    let (debtor, creditor) = (row.name("a debtor")?, row.name("a creditor")?);
    let currency = row.name("a currency")?;
    let due = row.text("a value date")?;
    let (date, refused) = due.split_once(' ').ok_or_else(|| corrupt("half a date"))?;
    let (value_date, refused) = (date.parse().map_err(corrupt)?, refused != "0");
    let window = row.id("a payment's window")?;
    let end_to_end_id = EndToEndId::of(window, number, attempt)
        .ok_or_else(|| corrupt(format_args!("payment {number}, attempt {attempt}")))?;
    let instruction = PaymentInstruction {
        amount,
        attempt,
        creditor,
        currency,
        debtor,
        end_to_end_id,
        number,
        value_date,
        window,
    };
    Ok(Tracked { instruction, counted, refused })
}

/// Of `settlement_proposals q`.
pub(super) const SETTLEMENT_PROPOSAL: Columns = Columns {
    ints: &["q.number", "q.proposed_at", "q.approved_at", "q.withdrawn_at"],
    texts: &["q.action", "q.proposed_by", "q.approved_by", "q.withdrawn_by"],
    bytes: &[],
};

pub(super) fn settlement_proposal(row: &mut Row) -> Result<SettlementProposal> {
    let number = u32::try_from(row.int("a proposal's number")?).map_err(corrupt)?;
    let proposed_at = row.time("a proposal's time")?;
    let [approved_at, withdrawn_at] = [(); 2].map(|()| row.maybe_int().map(Timestamp::from_millis));
    let action = row.text("what is proposed")?;
    let action = serde_json::from_str(&action)
        .map_err(|error| corrupt(format_args!("proposal {number}: {error}")))?;
    Ok(SettlementProposal {
        number,
        action,
        proposed_by: row.name("who proposed")?,
        proposed_at,
        approved_by: row.maybe_name("who approved")?,
        approved_at,
        withdrawn_by: row.maybe_name("who withdrew")?,
        withdrawn_at,
    })
}

/// Of `bank_files f`.
pub(super) const BANK_FILE: Columns = Columns {
    ints: &["f.imported_at", "f.entries"],
    texts: &["f.name", "f.imported_by"],
    bytes: &["f.file_hash"],
};

pub(super) fn bank_file(row: &mut Row) -> Result<BankFile> {
    let (at, entries) = (row.time("a file's time")?, row.count("a file's entries")?);
    let (name, by) = (row.text("a file's name")?, row.name("who brought a file")?);
    Ok(BankFile { hash: row.hash("a file's hash")?, name, by, at, entries })
}

/// Of `bank_entries e`.
pub(super) const BANK_ENTRY: Columns = Columns {
    ints: &["e.place"],
    texts: &["e.payment", "e.became", "e.entry"],
    bytes: &["e.entry_key", "e.file_hash"],
};

pub(super) fn bank_entry(row: &mut Row) -> Result<BankEntryRow> {
    Ok(BankEntryRow {
        place: row.count("an entry's place")?,
        payment: row.maybe_name("an entry's payment")?,
        became: row.text("what an entry became")?,
        entry: row.text("an entry")?,
        key: row.hash("an entry's key")?,
        file: row.hash("an entry's file")?,
    })
}

/// Of `corridors c`.
pub(super) const HEAD: Columns = Columns {
    ints: &["c.seq", "c.completed_at", "c.checkpoint_size", "c.checkpoint_at"],
    texts: &["c.corridor", "c.checkpoint_note"],
    bytes: &["c.head", "c.frontier", "c.checkpoint_root"],
};

pub(super) fn head(row: &mut Row) -> Result<(Corridor, ChainHead)> {
    let seq = row.count("a head's seq")?;
    let completed_at = row.time("a head's time")?;
    let (size, signed_at) = (row.maybe_int(), row.maybe_int());
    let corridor: Corridor = row.name("a head's corridor")?;
    let note = row.maybe_text();
    let head = row.hash("a head")?;
    let frontier = Frontier::from_bytes(seq, &row.bytes("a frontier")?)
        .map_err(|error| corrupt(format_args!("the frontier of {corridor}: {error}")))?;
    let root = row.maybe_bytes().map(|root| array::<32>("a root", &root)).transpose()?;
    let checkpoint = match (size, signed_at, note, root) {
        (Some(size), Some(signed_at), Some(note), Some(root)) => Some(SignedCheckpoint {
            corridor: corridor.clone(),
            size: u64::try_from(size).map_err(corrupt)?,
            root: root.into(),
            note,
            signed_at: Timestamp::from_millis(signed_at),
        }),
        (None, None, None, None) => None,
        _ => return Err(corrupt(format_args!("half a checkpoint of {corridor}"))),
    };
    Ok((corridor, ChainHead { seq, head, frontier, completed_at, checkpoint }))
}

/// Of `requests q`.
pub(super) const REQUEST: Columns = Columns {
    ints: &["q.received_at"],
    texts: &["q.partner", "q.kid"],
    bytes: &["q.request_id", "q.base", "q.signature", "q.body", "q.orders", "q.transactions"],
};

pub(super) fn request(row: &mut Row) -> Result<RequestEvidence> {
    let received_at = row.time("a request's time")?;
    let (partner, kid) = (row.name("a request's partner")?, kid(row)?);
    let (id, base) = (row.id("a request's id")?, row.bytes("a signature base")?);
    let signature = array("a request's signature", &row.bytes("a request's signature")?)?;
    let body = row.maybe_bytes();
    let orders = row.maybe_bytes().unwrap_or_default();
    let (orders, rest) = orders.as_chunks::<32>();
    if !rest.is_empty() {
        return Err(corrupt("a request's orders are no row of hashes"));
    }
    let transactions = ids("a request's transactions", row.maybe_bytes())?;
    Ok(RequestEvidence {
        transactions,
        id,
        partner,
        kid,
        base_hash: Hash::of(&base),
        base,
        signature,
        body,
        orders: orders.iter().map(|order| Hash::from(*order)).collect(),
        received_at,
    })
}

/// Ids one after the other.
fn ids<K: IdKind>(what: &str, bytes: Option<Vec<u8>>) -> Result<Vec<Id<K>>> {
    let bytes = bytes.unwrap_or_default();
    let (ids, rest) = bytes.as_chunks::<16>();
    if !rest.is_empty() {
        return Err(corrupt(format_args!("{what} are no row of ids")));
    }
    ids.iter().map(|bytes| id(what, bytes)).collect()
}

/// Of `requests q`: what a key was accepted for.
pub(super) const USE_OF_REQUEST: Columns = Columns {
    ints: &["q.received_at"],
    texts: &["'orders'", "CAST(NULL AS TEXT)"],
    bytes: &["q.request_id", "q.transactions"],
};
/// Of `key_uses u`.
pub(super) const USE: Columns = Columns {
    ints: &["u.received_at"],
    texts: &["u.what", "u.subject"],
    bytes: &["u.request_id", "NULL"],
};

pub(super) fn key_use(row: &mut Row) -> Result<KeyUseRecord> {
    Ok(KeyUseRecord {
        received_at: row.time("a use's time")?,
        what: row.text("what a key was used for")?,
        subject: row.maybe_text(),
        request: row.id("a use's request")?,
        transactions: ids("a use's transactions", row.maybe_bytes())?,
    })
}

/// Of `transactions t`: where a transaction stands.
pub(super) const STANDING: Columns =
    Columns { ints: &["t.seq"], texts: &["t.corridor", "t.state"], bytes: &["t.transaction_id"] };

pub(super) fn standing(row: &mut Row) -> Result<UsedForTransaction> {
    let seq = row.maybe_int().map(u64::try_from).transpose().map_err(corrupt)?;
    let corridor = row.name("a transaction's corridor")?;
    let state = row.text("a transaction's state")?;
    let state = TransactionState::from_stored(&state)
        .ok_or_else(|| corrupt(format_args!("a transaction's state is {state:?}")))?;
    Ok(UsedForTransaction { corridor, id: row.id("a transaction's id")?, seq, state })
}

/// Of `cosignatures o`.
pub(super) const COSIGNATURE: Columns = Columns {
    ints: &["o.size", "o.cosigned_at"],
    texts: &["o.corridor", "o.partner", "o.kid", "o.note"],
    bytes: &[],
};

pub(super) fn cosignature(row: &mut Row) -> Result<Cosignature> {
    let size = u64::try_from(row.int("a cosignature's size")?).map_err(corrupt)?;
    Ok(Cosignature {
        size,
        cosigned_at: row.time("a cosignature's time")?,
        corridor: row.name("a cosignature's corridor")?,
        partner: row.name("a cosignature's partner")?,
        kid: kid(row)?,
        note: row.text("a cosignature's note")?,
    })
}

/// Of `consents z`.
pub(super) const CONSENT: Columns = Columns {
    ints: &["z.granted_at", "z.revoked_at"],
    texts: &["z.kid"],
    bytes: &["z.consent_id", "z.signature", "z.payload"],
};

pub(super) fn consent(row: &mut Row) -> Result<ConsentRecord> {
    let granted_at = row.time("a consent's time")?;
    let revoked_at = row.maybe_int().map(Timestamp::from_millis);
    let (kid, id) = (kid(row)?, row.id("a consent's id")?);
    let signature = row.bytes("a consent's signature")?;
    let signature = signature.try_into().map_err(|_| corrupt("a consent's signature"))?;
    let consent: DebitConsent = json::read_canonical(&row.bytes("a consent")?)
        .ok_or_else(|| corrupt(format_args!("{id} is no consent in its one form")))?;
    Ok(ConsentRecord { id, consent, kid, signature, granted_at, revoked_at })
}

/// Of `consents_spent p`.
pub(super) const CONSENT_SPENT: Columns = Columns {
    ints: &["p.day", "p.in_day", "p.month", "p.in_month"],
    texts: &[],
    bytes: &["p.consent_id"],
};

pub(super) fn consent_spent(row: &mut Row) -> Result<ConsentSpent> {
    let mut number = || row.int("what was ordered under a consent");
    let (day, in_day) = (number()?, number()?);
    let (month, in_month) = (number()?, number()?);
    let consent = row.id("a consent's id")?;
    Ok(ConsentSpent { consent, day, in_day, month, in_month })
}

/// Of `erasures e`.
pub(super) const ERASURE: Columns =
    Columns { ints: &[], texts: &["e.jws"], bytes: &["e.erasure_id"] };

pub(super) fn erasure(row: &mut Row) -> Result<SignedErasure> {
    let jws = row.text("an erasure")?;
    let signed = jws::parse(&jws).map_err(corrupt)?;
    let erasure: Erasure = json::read_canonical(&signed.payload)
        .ok_or_else(|| corrupt("an erasure that is not in its canonical form"))?;
    if erasure.id != row.id("an erasure's id")? {
        return Err(corrupt("an erasure says that it is another"));
    }
    Ok(SignedErasure { erasure, jws })
}

/// Of `partner_keys v`.
pub(super) const PARTNER_KEY: Columns = Columns {
    ints: &["v.nbf", "v.exp", "v.revoked_at", "v.added_at"],
    texts: &["v.kid", "v.partner", "v.x", "v.scope", "v.changed_by"],
    bytes: &[],
};

pub(super) fn partner_key(row: &mut Row) -> Result<PartnerKeyRecord> {
    let mut time = || row.maybe_int().map(Timestamp::from_millis);
    let [nbf, exp, revoked_at, added_at] = [time(), time(), time(), time()];
    Ok(PartnerKeyRecord {
        nbf,
        exp,
        revoked_at,
        added_at,
        kid: kid(row)?,
        partner: row.name("a key's partner")?,
        x: row.text("a public key")?,
        scope: row.name("a key's scope")?,
        changed_by: row.maybe_name("who changed a key")?,
    })
}

/// A list of the gateway's keys.
pub(super) fn gateway_keys(row: &mut Row) -> Result<Arc<GatewayKeys>> {
    let document = row.text("a key list")?;
    GatewayKeys::read(&document).map(Arc::new).map_err(|e| corrupt(format_args!("keys: {e}")))
}

/// The registry's parts as they are kept.
#[derive(Debug, Default)]
pub(super) struct StoredRegistry {
    pub(super) version: i64,
    pub(super) document: String,
    /// The last two, by number.
    pub(super) boards: Vec<PublishedBoard>,
    pub(super) partner_keys_jws: Option<String>,
    /// Windows whose obligations have not been discharged.
    pub(super) windows: Vec<WindowRecord>,
    /// By number: of those that stand there twice, one.
    pub(super) settlement_proposals: BTreeMap<u32, SettlementProposal>,
    pub(super) suspended: Vec<alliance_contracts::names::PartnerId>,
    pub(super) frozen: Vec<FrozenPair>,
    pub(super) feeds: BTreeMap<ProgramId, Feeds>,
    /// By number: of those that stand there twice, one.
    pub(super) proposals: BTreeMap<u32, RateProposal>,
    pub(super) agreements: Vec<Arc<AgreementRecord>>,
    pub(super) campaigns: Vec<Arc<CampaignRecord>>,
    pub(super) consents: Vec<Arc<ConsentRecord>>,
    pub(super) partner_keys: Vec<PartnerKeyRecord>,
    pub(super) gateway_keys: Option<Arc<GatewayKeys>>,
    pub(super) master_keys: Vec<MasterKeyRecord>,
}

/// The parts out of what is kept.
pub(super) fn registry(stored: StoredRegistry) -> Result<RegistryParts> {
    let definition: crate::alliance::Definition =
        json::read(stored.document.as_bytes()).map_err(|error| {
            corrupt(format_args!("the definition: {} {}", error.pointer, error.detail))
        })?;
    if stored.boards.is_empty() {
        return Err(corrupt("there is no board"));
    }
    let partner_keys_jws =
        stored.partner_keys_jws.ok_or_else(|| corrupt("there is no partner key list"))?;
    let currency = definition.currency.as_str();
    let open = |window: &&WindowRecord| {
        window.state == WindowState::Open && window.currency.as_str() == currency
    };
    let window = stored.windows.iter().find(open).ok_or_else(|| corrupt("no window is open"))?.id;
    Ok(RegistryParts {
        version: stored.version,
        boards: stored.boards,
        partner_keys_jws,
        window,
        windows: stored.windows,
        settlement_proposals: stored.settlement_proposals.into_values().collect(),
        suspended: stored.suspended,
        frozen: stored.frozen,
        feeds: stored.feeds,
        proposals: stored.proposals.into_values().collect(),
        agreements: stored.agreements,
        campaigns: stored.campaigns,
        consents: stored.consents,
        partner_keys: stored.partner_keys,
        gateway_keys: stored.gateway_keys,
        master_keys: MasterKeys::of(stored.master_keys),
        definition,
    })
}

/// Of `boards`.
pub(super) const BOARD: Columns = Columns { ints: &["slot"], texts: &["jws", "terms"], bytes: &[] };

pub(super) fn board(row: &mut Row) -> Result<PublishedBoard> {
    let slot = row.maybe_int().map(Timestamp::from_millis);
    let (jws, terms) = (row.text("a board")?, row.text("a board's terms")?);
    published(jws, &terms, slot)
}

/// A board as it was published. What it says stands in its JWS, and nowhere else.
pub(super) fn published(
    jws: String,
    terms: &str,
    slot: Option<Timestamp>,
) -> Result<PublishedBoard> {
    let terms: BoardTerms = serde_json::from_str(terms)
        .map_err(|error| corrupt(format_args!("a board's terms: {error}")))?;
    Ok(PublishedBoard { board: board_of(&jws)?, jws, terms: terms.into(), slot })
}

/// Of `flows f`.
pub(super) const FLOW: Columns =
    Columns { ints: &[], texts: &["f.source", "f.target", "f.exchanged", "f.late"], bytes: &[] };

pub(super) fn flow(row: &mut Row) -> Result<FlowRow> {
    Ok(FlowRow {
        source: row.name("a flow's source")?,
        target: row.name("a flow's target")?,
        flow: Flow { exchanged: row.name("a flow")?, late: row.name("a late flow")? },
    })
}

/// Of `member_days d`.
pub(super) const MEMBER_DAY: Columns =
    Columns { ints: &["d.member", "d.day", "d.given"], texts: &["d.corridor"], bytes: &[] };

pub(super) fn member_day(row: &mut Row) -> Result<MemberDay> {
    Ok(MemberDay {
        member: MemberNo(row.int("a member's number")?),
        day: row.int("a member's day")?,
        given: row.int("what a member gave")?,
        corridor: row.name("a member's corridor")?,
    })
}

/// Of `feeds`: program and state.
pub(super) fn feeds(row: &mut Row) -> Result<(ProgramId, Feeds)> {
    let (program, state) = (row.name("a program with feeds")?, row.text("feeds")?);
    let state = json::read(state.as_bytes()).map_err(|error| {
        corrupt(format_args!("feeds of {program}: {} {}", error.pointer, error.detail))
    })?;
    Ok((program, state))
}

/// Of `observations o`.
pub(super) const OBSERVATION: Columns = Columns {
    ints: &["o.observed_at", "o.taken_at"],
    texts: &["o.program", "o.feed", "o.value", "o.partner"],
    bytes: &[],
};

pub(super) fn observation(row: &mut Row) -> Result<ObservationRow> {
    let (observed_at, taken_at) = (row.time("a reading's time")?, row.time("a reading's time")?);
    let (program, feed) = (row.name("a reading's program")?, row.text("a reading's feed")?);
    let feed = FeedKind::from_stored(&feed)
        .ok_or_else(|| corrupt(format_args!("a reading's feed is {feed:?}")))?;
    let value = row.name("a reading's value")?;
    let partner = row.maybe_name("a reading's partner")?;
    let observation = Observation { feed, observed_at, program, value };
    Ok(ObservationRow { observation, partner, taken_at })
}

/// Of `rate_proposals p`.
pub(super) const PROPOSAL: Columns = Columns {
    ints: &[
        "p.number",
        "p.proposed_at",
        "p.approved_at",
        "p.withdrawn_at",
        "p.applied_at",
        "p.applied_board",
    ],
    texts: &["p.document", "p.proposed_by", "p.approved_by", "p.withdrawn_by"],
    bytes: &[],
};

pub(super) fn proposal(row: &mut Row) -> Result<RateProposal> {
    let number = u32::try_from(row.int("a proposal's number")?).map_err(corrupt)?;
    let proposed_at = row.time("a proposal's time")?;
    let [approved_at, withdrawn_at, applied_at] =
        [(); 3].map(|()| row.maybe_int().map(Timestamp::from_millis));
    let applied_board = row.maybe_int().map(u32::try_from).transpose().map_err(corrupt)?;
    let document = row.text("a proposal")?;
    let proposal = json::read(document.as_bytes()).map_err(|error| {
        corrupt(format_args!("proposal {number}: {} {}", error.pointer, error.detail))
    })?;
    Ok(RateProposal {
        number,
        proposal,
        proposed_by: row.name("who proposed")?,
        proposed_at,
        approved_by: row.maybe_name("who approved")?,
        approved_at,
        withdrawn_by: row.maybe_name("who withdrew")?,
        withdrawn_at,
        applied_at,
        applied_board,
    })
}

/// Of `frozen_pairs`: board and since, source and target.
pub(super) fn frozen_pair(row: &mut Row) -> Result<FrozenPair> {
    let board = u32::try_from(row.int("a frozen pair's board")?).map_err(corrupt)?;
    let since = row.time("a frozen pair's time")?;
    let (source, target) = (row.name("a frozen pair")?, row.name("a frozen pair")?);
    Ok(FrozenPair { board, since, source, target })
}

/// The board that a JWS holds.
fn board_of(text: &str) -> Result<Board> {
    let parsed = jws::parse(text).map_err(|error| corrupt(format_args!("the board: {error}")))?;
    if parsed.typ != JwsType::Board {
        return Err(corrupt("the board is no board"));
    }
    json::read(&parsed.payload)
        .map_err(|error| corrupt(format_args!("the board: {} {}", error.pointer, error.detail)))
}

#[cfg(test)]
mod tests {
    use super::*;

    static PAIRS: List = List { name: "w", columns: &[("name", Kind::Text), ("id", Kind::Bytes)] };
    static LISTS: [&List; 1] = [&SINGLES];
    static SINGLES: List = List { name: "one", columns: &[("n", Kind::Int)] };

    #[test]
    fn a_table_is_an_array_of_arrays_and_a_column_an_array() {
        let mut pairs = Rows::new(&PAIRS);
        assert_eq!(pairs.to_json(), ("[]".to_owned(), vec![0]));
        pairs.push(["a \"b\" \\ é\n".into(), vec![0, 255].into()]);
        pairs.push([Value::Text(None), Value::Bytes(None)]);
        pairs.push(["".into(), vec![].into()]);
        let json = r#"[["a \"b\" \\ é\n",2,2],[null,null,null],["",4,0]]"#;
        assert_eq!(pairs.to_json(), (json.to_owned(), vec![0, 0, 255]));
        assert_eq!((pairs.len(), pairs.is_empty()), (3, false));
        let mut singles = Rows::new(&SINGLES);
        for number in [i64::MIN, 0, i64::MAX] {
            singles.push([number.into()]);
        }
        assert_eq!(singles.to_json().0, "[-9223372036854775808,0,9223372036854775807]");
        let parts: Vec<String> = singles.chunks(2).map(|part| part.to_json().0).collect();
        assert_eq!(parts, ["[-9223372036854775808,0]", "[9223372036854775807]"]);
    }

    #[test]
    fn one_text_is_both_databases() {
        let sql = Sql::of(
            "SELECT {one} {each t a WHERE a.x = one.n} {maybe u b WHERE b.y = a.y}".into(),
            2,
            &LISTS,
            shape(0, 0, 0),
        );
        assert_eq!(
            &*sql.text(Dialect::Sqlite),
            "SELECT (SELECT value AS n FROM jsonb_each($3)) AS one \
             CROSS JOIN t a ON a.x = one.n LEFT JOIN u b ON b.y = a.y"
        );
        assert_eq!(
            &*sql.text(Dialect::Postgres),
            "SELECT UNNEST($3::bigint[]) AS one(n) \
             CROSS JOIN LATERAL (SELECT a.* FROM t a WHERE a.x = one.n OFFSET 0) AS a \
             LEFT JOIN LATERAL (SELECT b.* FROM u b WHERE b.y = a.y OFFSET 0) AS b ON true"
        );
    }

    #[test]
    fn rows_that_lack_something_are_corrupt() {
        let empty = || Row::new(vec![None], vec![None], vec![None]);
        assert!(matches!(key(&mut empty()), Err(StoreError::Corrupt(_))));
        assert!(matches!(member(&mut empty()), Err(StoreError::Corrupt(_))));
        assert!(matches!(link(&mut empty()), Err(StoreError::Corrupt(_))));
        assert!(matches!(campaign(&mut empty()), Err(StoreError::Corrupt(_))));
        assert!(matches!(lot(&mut empty()), Err(StoreError::Corrupt(_))));
        assert!(matches!(agreement(&mut empty()), Err(StoreError::Corrupt(_))));
        assert!(matches!(transaction(&mut empty()), Err(StoreError::Corrupt(_))));
        assert!(matches!(saga(&mut empty()), Err(StoreError::Corrupt(_))));
        assert!(matches!(signed_answer(&mut empty()), Err(StoreError::Corrupt(_))));
        assert!(matches!(stored_receipt(&mut empty()), Err(StoreError::Corrupt(_))));
        assert!(matches!(account(&mut empty()), Err(StoreError::Corrupt(_))));
        assert!(matches!(head(&mut empty()), Err(StoreError::Corrupt(_))));
        assert!(matches!(request(&mut empty()), Err(StoreError::Corrupt(_))));
        let negative = &mut Row::new(vec![Some(-1)], vec![], vec![]);
        assert!(matches!(negative.count("a count"), Err(StoreError::Corrupt(_))));
    }
}
