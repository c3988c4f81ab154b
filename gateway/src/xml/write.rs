//! JSON → XML. Members become elements by their names, an array's become `<item>`, null becomes
//! `xsi:nil`. What XML 1.0 cannot hold becomes U+FFFD.

use serde_json::Value;

use super::{ITEM, NAMESPACE, XSI, is_char};

/// A document whose root is of this type; none of what is no JSON object, or has a member whose
/// name is no element's. Of our own types none has (`the_model_is_whole`).
pub fn write(name: &str, json: &[u8]) -> Option<Vec<u8>> {
    let value: Value = serde_json::from_slice(json).ok()?;
    let root = value.is_object().then_some(&value)?;
    let mut out = String::with_capacity(json.len().saturating_mul(2));
    out.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let attributes = format!(" xmlns=\"{NAMESPACE}\" xmlns:xsi=\"{XSI}\"");
    element(&mut out, name, &attributes, root)?;
    out.push('\n');
    Some(out.into_bytes())
}

fn element(out: &mut String, name: &str, attributes: &str, value: &Value) -> Option<()> {
    if !is_name(name) {
        return None;
    }
    out.push('<');
    out.push_str(name);
    out.push_str(attributes);
    if value.is_null() {
        out.push_str(" xsi:nil=\"true\"/>");
        return Some(());
    }
    out.push('>');
    content(out, value)?;
    out.push_str("</");
    out.push_str(name);
    out.push('>');
    Some(())
}

fn content(out: &mut String, value: &Value) -> Option<()> {
    match value {
        Value::Null => {}
        Value::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
        Value::Number(number) => out.push_str(&number.to_string()),
        Value::String(text) => escape(out, text),
        Value::Array(items) => {
            for item in items {
                element(out, ITEM, "", item)?;
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                element(out, name, "", member)?;
            }
        }
    }
    Some(())
}

/// Text as content. A carriage return would be read as a line feed.
fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\r' => out.push_str("&#13;"),
            c if is_char(c) => out.push(c),
            _ => out.push(char::REPLACEMENT_CHARACTER),
        }
    }
}

/// An element's name, of the characters that ours are made of.
pub fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}
