//! Components and the signature base (RFC 9421 §2).
//!
//! Values are appended straight to the base. Nothing that could forge a line of it gets in: a
//! value is one line of printable ASCII (and inner tabs), an identifier is a quoted name.

use sfv::{BareItemFromInput, ItemSerializer};

use super::structured::Item;
use super::{HttpSignatureError, RequestView};

/// A covered component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Component {
    /// `content-type`, `@path`.
    pub name: String,
    /// Of the request that is answered (`;req`).
    pub req: bool,
    /// The member of a dictionary field (`;key="…"`).
    pub key: Option<String>,
    /// As it is written in base and `Signature-Input`: quotes and parameters included.
    pub identifier: String,
}

impl Component {
    /// A component of the message itself.
    pub fn plain(name: &str) -> Result<Self, HttpSignatureError> {
        check_name(name)?;
        Ok(Self {
            name: name.to_owned(),
            req: false,
            key: None,
            identifier: ["\"", name, "\""].concat(),
        })
    }

    /// A component of the request that is answered.
    pub fn of_request(name: &str) -> Result<Self, HttpSignatureError> {
        let mut component = Self::plain(name)?;
        component.req = true;
        component.identifier.push_str(";req");
        Ok(component)
    }

    /// Takes what the signer wrote, in the parameters' order.
    pub fn read(item: &Item<'_>) -> Result<Self, HttpSignatureError> {
        let BareItemFromInput::String(name) = &item.value else {
            return Err(HttpSignatureError::Invalid("a component is not a string"));
        };
        let mut component = Self::plain(name.as_str())?;
        if item.params.is_empty() {
            return Ok(component);
        }
        for (key, value) in &item.params {
            match (key.as_str(), value) {
                ("req", BareItemFromInput::Boolean(true)) => component.req = true,
                ("key", BareItemFromInput::String(key)) => {
                    component.key = Some(key.as_str().to_owned());
                }
                _ => return Err(HttpSignatureError::Invalid("a component has a parameter")),
            }
        }
        component.identifier = serialized(item);
        Ok(component)
    }

    pub fn has_params(&self) -> bool {
        self.req || self.key.is_some()
    }

    /// Whether both name the same thing, whatever the order of their parameters.
    pub fn names_same(&self, other: &Self) -> bool {
        (&self.name, self.req, &self.key) == (&other.name, other.req, &other.key)
    }
}

fn serialized(item: &Item<'_>) -> String {
    let mut serializer = ItemSerializer::new().bare_item(&item.value);
    for (key, value) in &item.params {
        serializer = serializer.parameter(key, value);
    }
    serializer.finish()
}

/// A lower-case field name (RFC 9110 §5.1), or a derived component's with its `@`.
fn check_name(name: &str) -> Result<(), HttpSignatureError> {
    let token = name.strip_prefix('@').unwrap_or(name);
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || is_token_mark(b);
    if !token.is_empty() && token.bytes().all(allowed) {
        Ok(())
    } else {
        Err(HttpSignatureError::Invalid("a component's name is not a lower-case token"))
    }
}

const fn is_token_mark(byte: u8) -> bool {
    matches!(
        byte,
        b'!' | b'#'
            | b'$'
            | b'%'
            | b'&'
            | b'\''
            | b'*'
            | b'+'
            | b'-'
            | b'.'
            | b'^'
            | b'_'
            | b'`'
            | b'|'
            | b'~'
    )
}

/// Refuses two components of one name and parameters (RFC 9421 §2).
pub(super) fn refuse_duplicates(components: &[Component]) -> Result<(), HttpSignatureError> {
    let twice = components
        .iter()
        .enumerate()
        .any(|(at, one)| components[..at].iter().any(|other| one.names_same(other)));
    if twice { Err(HttpSignatureError::Invalid("a component is covered twice")) } else { Ok(()) }
}

/// The base: a line for each component, then the parameters without a line end (§2.5). `value`
/// appends a component's value.
pub(super) fn build(
    components: &[Component],
    params: &str,
    mut value: impl FnMut(&mut Vec<u8>, &Component) -> Result<(), HttpSignatureError>,
) -> Result<Vec<u8>, HttpSignatureError> {
    let mut base = Vec::with_capacity(params.len() + 64 * (components.len() + 1));
    for component in components {
        base.extend_from_slice(component.identifier.as_bytes());
        base.extend_from_slice(b": ");
        value(&mut base, component)?;
        base.push(b'\n');
    }
    base.extend_from_slice(b"\"@signature-params\": ");
    base.extend_from_slice(params.as_bytes());
    Ok(base)
}

/// Appends the value of a request's component (§2.1, §2.2).
pub(super) fn append_of_request(
    base: &mut Vec<u8>,
    view: &RequestView<'_>,
    name: &str,
) -> Result<(), HttpSignatureError> {
    match name {
        "@method" => append_target_part(base, view.method),
        "@authority" => {
            let start = base.len();
            append_target_part(base, view.authority)?;
            base[start..].make_ascii_lowercase();
            Ok(())
        }
        "@path" => {
            if view.path.contains('?') {
                return Err(HttpSignatureError::Invalid("the path holds a query"));
            }
            append_target_part(base, if view.path.is_empty() { "/" } else { view.path })
        }
        "@query" => {
            base.push(b'?');
            match view.query {
                None | Some("") => Ok(()),
                Some(query) => append_target_part(base, query),
            }
        }
        _ => append_field(base, view.headers, name),
    }
}

/// Method, authority, path and query: visible ASCII only, without a fragment, never empty.
fn append_target_part(base: &mut Vec<u8>, part: &str) -> Result<(), HttpSignatureError> {
    let clean = part.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    if part.is_empty() || !clean {
        return Err(HttpSignatureError::Invalid("the request line holds a forbidden byte"));
    }
    base.extend_from_slice(part.as_bytes());
    Ok(())
}

/// A header field's value: it must be there once, on one line (§2.1).
pub(super) fn append_field(
    base: &mut Vec<u8>,
    headers: &dyn super::Headers,
    name: &str,
) -> Result<(), HttpSignatureError> {
    if name.starts_with('@') {
        return Err(HttpSignatureError::Invalid("an unsupported derived component is covered"));
    }
    let value = match *headers.values(name) {
        [] => return Err(HttpSignatureError::missing(name)),
        [one] => trim_blanks(one),
        _ => return Err(HttpSignatureError::RepeatedField { name: name.to_owned() }),
    };
    // Line ends would forge lines of the base; the RFC wants other bytes wrapped (`bs`).
    if !value.iter().all(|&byte| byte == b'\t' || byte == b' ' || byte.is_ascii_graphic()) {
        return Err(HttpSignatureError::Invalid("a covered field is not one line of ASCII"));
    }
    base.extend_from_slice(value);
    Ok(())
}

/// Without leading and trailing spaces and tabs; a line end is not a blank (no `obs-fold`).
fn trim_blanks(value: &[u8]) -> &[u8] {
    let solid = |byte: &u8| !matches!(byte, b' ' | b'\t');
    let start = value.iter().position(solid).unwrap_or(value.len());
    let end = value.iter().rposition(solid).map_or(start, |last| last + 1);
    &value[start..end]
}
