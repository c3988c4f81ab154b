//! RFC 9651 dictionaries, read into plain lists that hide nothing.
//!
//! sfv's visitors see every member and parameter; the RFC's rule "the last duplicate wins" is
//! replaced by a refusal, since two readers that disagree about it would see different messages.
//! Sizes are bounded, so that checking for duplicates stays cheap.

use std::borrow::Cow;
use std::convert::Infallible;

use sfv::visitor::{
    DictionaryVisitor, EntryVisitor, InnerListVisitor, ItemVisitor, ParameterVisitor,
};
use sfv::{BareItemFromInput, KeyRef, Parser};

use super::Headers;
use crate::encoding::base64_decode;

/// The longest field read: the fields here carry a few signatures or digests.
const MAX_BYTES: usize = 16 * 1024;
/// The most members of a dictionary, items of a list or parameters of an item.
const MAX_ENTRIES: usize = 64;

/// Why a field is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StructureError {
    /// Not a dictionary of RFC 9651.
    #[error("not a structured dictionary")]
    Syntax,
    /// Longer or larger than anything the profile needs.
    #[error("too large")]
    TooLarge,
    /// A member or parameter is there twice.
    #[error("a key occurs twice")]
    DuplicateKey,
    /// A byte sequence is not canonical base64.
    #[error("a byte sequence is not canonical base64")]
    NotCanonical,
}

/// Parameters in the order written.
pub(crate) type Params<'de> = Vec<(&'de KeyRef, BareItemFromInput<'de>)>;

/// A member of a dictionary.
pub(crate) struct Member<'de> {
    pub key: &'de str,
    pub value: Value<'de>,
    pub params: Params<'de>,
}

/// A member's value.
pub(crate) enum Value<'de> {
    Item(BareItemFromInput<'de>),
    List(Vec<Item<'de>>),
}

/// An item of an inner list.
pub(crate) struct Item<'de> {
    pub value: BareItemFromInput<'de>,
    pub params: Params<'de>,
}

impl<'de> Member<'de> {
    /// The parameter of that name.
    pub fn param(&self, name: &str) -> Option<&BareItemFromInput<'de>> {
        self.params.iter().find(|(key, _)| key.as_str() == name).map(|(_, value)| value)
    }
}

/// All lines of a field as one value (RFC 9110 §5.3), borrowed where there is one line.
pub(crate) fn combined<'h>(headers: &'h dyn Headers, name: &str) -> Option<Cow<'h, [u8]>> {
    match *headers.values(name) {
        [] => None,
        [one] => Some(Cow::Borrowed(one)),
        ref many => Some(Cow::Owned(many.join(&b", "[..]))),
    }
}

/// Reads a dictionary; keys and parameters are unique.
pub(crate) fn dictionary(field: &[u8]) -> Result<Vec<Member<'_>>, StructureError> {
    if field.len() > MAX_BYTES {
        return Err(StructureError::TooLarge);
    }
    let members = Parser::new(field)
        .parse_dictionary_with_visitor(Collector(Vec::new()))
        .map_err(|_| StructureError::Syntax)?;
    check_keys(members.iter().map(|member| member.key))?;
    for member in &members {
        check_params(&member.params)?;
        if let Value::List(items) = &member.value {
            check_size(items.len())?;
            items.iter().try_for_each(|item| check_params(&item.params))?;
        }
    }
    Ok(members)
}

fn check_params(params: &Params<'_>) -> Result<(), StructureError> {
    check_keys(params.iter().map(|(key, _)| key.as_str()))
}

fn check_keys<'a>(
    keys: impl ExactSizeIterator<Item = &'a str> + Clone,
) -> Result<(), StructureError> {
    check_size(keys.len())?;
    let twice = keys.clone().enumerate().any(|(at, key)| keys.clone().take(at).any(|k| k == key));
    if twice { Err(StructureError::DuplicateKey) } else { Ok(()) }
}

fn check_size(entries: usize) -> Result<(), StructureError> {
    if entries > MAX_ENTRIES { Err(StructureError::TooLarge) } else { Ok(()) }
}

/// Refuses base64 with wrong padding or stray bits in a field that [`dictionary`] has accepted:
/// sfv decodes it all the same, as RFC 9651 §4.2.7 allows.
pub(crate) fn refuse_second_spellings(field: &[u8]) -> Result<(), StructureError> {
    let mut at = 0;
    while let Some(&byte) = field.get(at) {
        let inside = field.get(at + 1..).unwrap_or_default();
        // Tokens may hold colons, but never begin with one, nor hold what stands before a value.
        let begins_value = at > 0 && matches!(field[at - 1], b'=' | b'(' | b' ');
        at += match byte {
            b'"' => length_of_string(inside) + 2,
            b':' if begins_value => canonical_length(inside)? + 2,
            _ => 1,
        };
    }
    Ok(())
}

/// Bytes up to the closing quote.
fn length_of_string(inside: &[u8]) -> usize {
    let mut escaped = false;
    inside
        .iter()
        .position(|&byte| {
            let closes = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            closes
        })
        .unwrap_or(inside.len())
}

/// Bytes up to the closing colon, if they are canonical base64.
fn canonical_length(inside: &[u8]) -> Result<usize, StructureError> {
    let length = inside.iter().position(|&byte| byte == b':').unwrap_or(inside.len());
    std::str::from_utf8(&inside[..length])
        .ok()
        .and_then(|text| base64_decode(text).ok())
        .map(|_| length)
        .ok_or(StructureError::NotCanonical)
}

// The visitors only collect; every rule is in `dictionary`, where it can be read in one place.

struct Collector<'de>(Vec<Member<'de>>);

impl<'de> DictionaryVisitor<'de> for Collector<'de> {
    type Out = Vec<Member<'de>>;
    type Error = Infallible;

    fn entry(&mut self, key: &'de KeyRef) -> Result<impl EntryVisitor<'de>, Infallible> {
        Ok(EntryCollector { key: key.as_str(), members: &mut self.0 })
    }

    fn finish(self) -> Result<Self::Out, Infallible> {
        Ok(self.0)
    }
}

struct EntryCollector<'de, 'v> {
    key: &'de str,
    members: &'v mut Vec<Member<'de>>,
}

impl<'de, 'v> EntryCollector<'de, 'v> {
    fn begin(self, value: Value<'de>) -> Option<&'v mut Member<'de>> {
        self.members.push(Member { key: self.key, value, params: Vec::new() });
        self.members.last_mut()
    }
}

impl<'de> EntryVisitor<'de> for EntryCollector<'de, '_> {
    type Error = Infallible;

    fn item(self) -> Result<impl ItemVisitor<'de>, Infallible> {
        Ok(self)
    }

    fn inner_list(self) -> Result<impl InnerListVisitor<'de>, Infallible> {
        Ok(self.begin(Value::List(Vec::new())).map(ListCollector))
    }
}

impl<'de> ItemVisitor<'de> for EntryCollector<'de, '_> {
    type Out = Option<()>;
    type Error = Infallible;

    fn bare_item(
        self,
        value: BareItemFromInput<'de>,
    ) -> Result<impl ParameterVisitor<'de, Out = Self::Out>, Infallible> {
        Ok(self.begin(Value::Item(value)).map(|member| ParamCollector(&mut member.params)))
    }
}

struct ListCollector<'de, 'v>(&'v mut Member<'de>);

impl<'de> InnerListVisitor<'de> for ListCollector<'de, '_> {
    type Error = Infallible;

    fn item(&mut self) -> Result<impl ItemVisitor<'de>, Infallible> {
        Ok(match &mut self.0.value {
            Value::List(items) => Some(ItemCollector(items)),
            Value::Item(_) => None,
        })
    }

    fn finish(self) -> Result<impl ParameterVisitor<'de>, Infallible> {
        Ok(ParamCollector(&mut self.0.params))
    }
}

struct ItemCollector<'de, 'v>(&'v mut Vec<Item<'de>>);

impl<'de> ItemVisitor<'de> for ItemCollector<'de, '_> {
    type Out = Option<()>;
    type Error = Infallible;

    fn bare_item(
        self,
        value: BareItemFromInput<'de>,
    ) -> Result<impl ParameterVisitor<'de, Out = Self::Out>, Infallible> {
        self.0.push(Item { value, params: Vec::new() });
        Ok(self.0.last_mut().map(|item| ParamCollector(&mut item.params)))
    }
}

struct ParamCollector<'de, 'v>(&'v mut Params<'de>);

impl<'de> ParameterVisitor<'de> for ParamCollector<'de, '_> {
    type Out = ();
    type Error = Infallible;

    fn parameter(
        &mut self,
        key: &'de KeyRef,
        value: BareItemFromInput<'de>,
    ) -> Result<(), Infallible> {
        self.0.push((key, value));
        Ok(())
    }

    fn finish(self) -> Result<(), Infallible> {
        Ok(())
    }
}
