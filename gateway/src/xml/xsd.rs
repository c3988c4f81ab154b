//! The model as an XML schema (XSD 1.0). An object's members may stand in any order, so that every
//! object is an `xs:all`. Of an object with variants it says which members there may be; which go
//! together is for the gateway to say.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::LazyLock;

use super::model::{Member, Model, Node, Shape, model};
use super::{ITEM, NAMESPACE};

/// The schema of the API that this gateway serves.
pub fn alliance_v1() -> &'static str {
    static XSD: LazyLock<String> = LazyLock::new(|| schema(model()));
    &XSD
}

/// The schema of a model.
pub fn schema(model: &Model) -> String {
    let mut out = Out::default();
    out.line("<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
    out.open(&format!(
        "xs:schema xmlns:xs=\"http://www.w3.org/2001/XMLSchema\" xmlns=\"{NAMESPACE}\" \
         targetNamespace=\"{NAMESPACE}\" elementFormDefault=\"qualified\""
    ));
    for root in model.roots() {
        out.line(&format!("<xs:element name=\"{root}\" type=\"{root}\"/>"));
    }
    for (name, kind) in model.types() {
        define(&mut out, name, &kind.doc, &kind.shape);
    }
    out.close("xs:schema");
    out.text
}

/// Lines, each as far in as its element is deep.
#[derive(Default)]
struct Out {
    text: String,
    depth: usize,
}

impl Out {
    fn line(&mut self, line: &str) {
        // Writing to a string does not fail.
        let _ = writeln!(self.text, "{:1$}{line}", "", self.depth * 2);
    }

    fn open(&mut self, tag: &str) {
        self.line(&format!("<{tag}>"));
        self.depth += 1;
    }

    fn close(&mut self, name: &str) {
        self.depth -= 1;
        self.line(&format!("</{name}>"));
    }

    fn doc(&mut self, doc: &str) {
        if !doc.is_empty() {
            let doc = escape(&doc.replace('\n', " "));
            self.line(&format!(
                "<xs:annotation><xs:documentation>{doc}</xs:documentation></xs:annotation>"
            ));
        }
    }
}

fn escape(text: &str) -> String {
    quick_xml::escape::escape(text).into_owned()
}

/// A type that has a name.
fn define(out: &mut Out, name: &str, doc: &str, shape: &Shape) {
    let kind = match shape {
        Shape::Object(_) | Shape::List(_) | Shape::Free => "xs:complexType",
        Shape::Text { .. } | Shape::Whole { .. } | Shape::Truth | Shape::Named(_) => {
            "xs:simpleType"
        }
    };
    out.open(&format!("{kind} name=\"{name}\""));
    out.doc(doc);
    body(out, shape);
    out.close(kind);
}

/// What stands inside of a type's element.
fn body(out: &mut Out, shape: &Shape) {
    match shape {
        Shape::Object(members) => all(out, members),
        Shape::List(item) => {
            out.open("xs:sequence");
            element(out, ITEM, "", " minOccurs=\"0\" maxOccurs=\"unbounded\"", item);
            out.close("xs:sequence");
        }
        Shape::Free => {
            out.open("xs:sequence");
            out.line("<xs:any minOccurs=\"0\" maxOccurs=\"unbounded\" processContents=\"skip\"/>");
            out.close("xs:sequence");
        }
        Shape::Text { pattern, words } => text(out, pattern.as_deref(), words),
        Shape::Whole { minimum } => {
            out.open("xs:restriction base=\"xs:long\"");
            // The one spelling that JSON has, too.
            out.line("<xs:pattern value=\"0|-?[1-9][0-9]*\"/>");
            if let Some(minimum) = minimum {
                out.line(&format!("<xs:minInclusive value=\"{minimum}\"/>"));
            }
            out.close("xs:restriction");
        }
        Shape::Truth => {
            out.open("xs:restriction base=\"xs:boolean\"");
            out.line("<xs:pattern value=\"true|false\"/>");
            out.close("xs:restriction");
        }
        Shape::Named(name) => out.line(&format!("<xs:restriction base=\"{name}\"/>")),
    }
}

fn all(out: &mut Out, members: &BTreeMap<String, Member>) {
    out.open("xs:all");
    for (name, member) in members {
        let occurs = if member.required { "" } else { " minOccurs=\"0\"" };
        element(out, name, &member.doc, occurs, &member.node);
    }
    out.close("xs:all");
}

fn text(out: &mut Out, pattern: Option<&str>, words: &[String]) {
    out.open("xs:restriction base=\"xs:string\"");
    if let Some(pattern) = pattern {
        let pattern = escape(&pattern_of(pattern));
        out.line(&format!("<xs:pattern value=\"{pattern}\"/>"));
    }
    for word in words {
        out.line(&format!("<xs:enumeration value=\"{}\"/>", escape(word)));
    }
    out.close("xs:restriction");
}

/// A pattern of JSON Schema as one of XSD, which is anchored by itself, and whose `\d` is any digit
/// that Unicode has.
fn pattern_of(pattern: &str) -> String {
    let pattern = pattern.strip_prefix('^').unwrap_or(pattern);
    let pattern = pattern.strip_suffix('$').unwrap_or(pattern);
    pattern.replace("\\d", "[0-9]")
}

fn element(out: &mut Out, name: &str, doc: &str, occurs: &str, node: &Node) {
    let nillable = if node.nullable { " nillable=\"true\"" } else { "" };
    if let Some(known) = type_of(&node.shape)
        && doc.is_empty()
    {
        out.line(&format!("<xs:element name=\"{name}\" type=\"{known}\"{nillable}{occurs}/>"));
        return;
    }
    if let Some(known) = type_of(&node.shape) {
        out.open(&format!("xs:element name=\"{name}\" type=\"{known}\"{nillable}{occurs}"));
        out.doc(doc);
    } else {
        out.open(&format!("xs:element name=\"{name}\"{nillable}{occurs}"));
        out.doc(doc);
        let simple = matches!(node.shape, Shape::Text { .. } | Shape::Whole { .. } | Shape::Truth);
        let kind = if simple { "xs:simpleType" } else { "xs:complexType" };
        out.open(kind);
        body(out, &node.shape);
        out.close(kind);
    }
    out.close("xs:element");
}

/// The name of a type that needs no words of its own.
fn type_of(shape: &Shape) -> Option<&str> {
    match shape {
        Shape::Named(name) => Some(name),
        Shape::Text { pattern: None, words } if words.is_empty() => Some("xs:string"),
        _ => None,
    }
}
