//! XML → JSON, by the type that is expected. What JSON has no word for is refused: document types,
//! instructions, entities of one's own, attributes, text between elements. One pass over bytes that
//! are there already, no tree, nothing fetched, nothing expanded: what is written is never more
//! than twice what was read (threat T47).

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use alliance_contracts::problem::{FieldError, ProblemCode};
use quick_xml::Reader;
use quick_xml::errors::{Error, IllFormedError};
use quick_xml::events::{BytesDecl, BytesRef, BytesStart, Event};

use super::model::{Member, Model, Node, Shape};
use super::{ITEM, NAMESPACE, XSI, is_char};

/// Elements in one another. Our own types are a quarter of it deep.
const MAX_DEPTH: usize = 32;
/// Elements in all. The largest batch that is taken has a quarter of it.
const MAX_ELEMENTS: usize = 65_536;
/// How much of the caller's own text a refusal repeats.
const QUOTED_CHARS: usize = 64;

/// Reads a document whose root is of this type, as JSON.
///
/// # Errors
/// The first thing at fault: the place as a JSON pointer, and what to do.
pub fn read(model: &Model, name: &str, bytes: &[u8]) -> Result<Vec<u8>, FieldError> {
    let refused = |detail: &str| fault("", detail);
    let text = std::str::from_utf8(bytes)
        .map_err(|_| refused("the body is not UTF-8, the only encoding that is read"))?;
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let shape =
        model.named(name).ok_or_else(|| refused("this operation takes no XML: send it as JSON"))?;
    let mut reader = Reader::from_str(text);
    let config = reader.config_mut();
    config.check_comments = true;
    config.expand_empty_elements = true;
    let document = Document {
        model,
        reader,
        pointer: String::new(),
        elements: 0,
        // Most of XML is names, which JSON writes once.
        json: Vec::with_capacity(text.len()),
    };
    document.read(name, shape)
}

fn fault(pointer: &str, detail: impl Into<String>) -> FieldError {
    let (detail, pointer) = (detail.into(), pointer.to_owned());
    FieldError { code: ProblemCode::Malformed, detail, pointer }
}

/// A name of the caller's as a refusal repeats it.
fn quoted(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(QUOTED_CHARS) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

fn is_space(text: &str) -> bool {
    text.bytes().all(|byte| b" \t\r\n".contains(&byte))
}

struct Document<'a> {
    model: &'a Model,
    reader: Reader<&'a [u8]>,
    /// Where we are.
    pointer: String,
    /// How many elements there have been.
    elements: usize,
    /// What has been read.
    json: Vec<u8>,
}

/// What an element's own tag says.
struct Tag {
    /// Whether the prefix `xsi` may be used in it.
    xsi: bool,
    /// Whether it is null.
    nil: bool,
    /// Whether it names our namespace.
    namespace: bool,
}

impl<'a> Document<'a> {
    fn read(mut self, name: &str, shape: &'a Shape) -> Result<Vec<u8>, FieldError> {
        let root = self.root()?;
        let found = root.name().0;
        if found != name {
            let detail = format!(
                "the root element must be <{name} xmlns=\"{NAMESPACE}\">, not <{}>",
                quoted(found)
            );
            return self.refuse(detail);
        }
        let tag = self.tag(&root, false)?;
        if !tag.namespace {
            return self.refuse(format!("the root element must have xmlns=\"{NAMESPACE}\""));
        }
        self.element(&Node { shape: shape.clone(), nullable: false }, &tag, 1)?;
        loop {
            match self.event()? {
                Event::Text(text) if is_space(&text) => {}
                Event::Eof => return Ok(self.json),
                _ => return self.refuse("nothing may follow the root element"),
            }
        }
    }

    /// What comes before the root element, and its tag.
    fn root(&mut self) -> Result<BytesStart<'a>, FieldError> {
        match self.raw_event()? {
            Event::Decl(declaration) => self.declaration(&declaration)?,
            Event::Start(root) => return Ok(root),
            Event::Comment(_) => {}
            Event::Text(text) if is_space(&text) => {}
            other => return self.unexpected(&other),
        }
        loop {
            match self.event()? {
                Event::Start(root) => return Ok(root),
                Event::Text(text) if is_space(&text) => {}
                other => return self.unexpected(&other),
            }
        }
    }

    fn declaration(&self, declaration: &BytesDecl<'_>) -> Result<(), FieldError> {
        if !declaration.version().is_ok_and(|version| version == "1.0") {
            return self.refuse("the XML declaration must say version=\"1.0\"");
        }
        match declaration.encoding() {
            None => Ok(()),
            Some(Ok(encoding)) if encoding.eq_ignore_ascii_case("UTF-8") => Ok(()),
            Some(_) => self.refuse("encoding in the XML declaration must be UTF-8, or left out"),
        }
    }

    /// An element's content, behind its start tag, to its end tag.
    fn element(&mut self, node: &Node, tag: &Tag, depth: usize) -> Result<(), FieldError> {
        if depth > MAX_DEPTH {
            return self.refuse(format!("elements stand more than {MAX_DEPTH} deep"));
        }
        self.elements += 1;
        if self.elements > MAX_ELEMENTS {
            return self.refuse(format!("there are more than {MAX_ELEMENTS} elements"));
        }
        if tag.nil {
            return self.null();
        }
        let shape = match &node.shape {
            Shape::Named(name) => self.model.named(name),
            shape => Some(shape),
        };
        match shape {
            Some(Shape::Object(members)) => self.object(members, tag, depth),
            Some(Shape::List(item)) => self.list(item, tag, depth),
            Some(Shape::Text { .. }) => {
                let text = self.text()?;
                self.write_text(&text)
            }
            Some(Shape::Whole { .. }) => self.whole(),
            Some(Shape::Truth) => self.truth(),
            Some(Shape::Free | Shape::Named(_)) | None => {
                self.refuse("this member is not read as XML: send the request as JSON")
            }
        }
    }

    fn object(
        &mut self,
        members: &BTreeMap<String, Member>,
        tag: &Tag,
        depth: usize,
    ) -> Result<(), FieldError> {
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        self.json.push(b'{');
        while let Some(child) = self.child()? {
            let found = child.name().0;
            let Some((name, member)) = members.get_key_value(found) else {
                return self.unknown(found);
            };
            let outer = self.pointer.len();
            self.pointer.push('/');
            self.pointer.push_str(name);
            if !seen.insert(name) {
                return self.refuse("the member is there twice");
            }
            if seen.len() > 1 {
                self.json.push(b',');
            }
            self.write_text(name)?;
            self.json.push(b':');
            let own = self.tag(&child, tag.xsi)?;
            self.element(&member.node, &own, depth + 1)?;
            self.pointer.truncate(outer);
        }
        self.json.push(b'}');
        Ok(())
    }

    fn list(&mut self, item: &Node, tag: &Tag, depth: usize) -> Result<(), FieldError> {
        let mut at = 0_usize;
        self.json.push(b'[');
        while let Some(child) = self.child()? {
            let found = child.name().0;
            if found != ITEM {
                let found = quoted(found);
                return self
                    .refuse(format!("an array's elements are named <{ITEM}>, not <{found}>"));
            }
            if at > 0 {
                self.json.push(b',');
            }
            let outer = self.pointer.len();
            self.pointer.push('/');
            self.pointer.push_str(&at.to_string());
            let own = self.tag(&child, tag.xsi)?;
            self.element(item, &own, depth + 1)?;
            self.pointer.truncate(outer);
            at += 1;
        }
        self.json.push(b']');
        Ok(())
    }

    fn whole(&mut self) -> Result<(), FieldError> {
        let text = self.text()?;
        let text = text.trim_matches([' ', '\t', '\r', '\n']);
        let number: Result<i64, _> = text.parse();
        match number {
            // In its one spelling: no sign that says nothing, no zeros before it.
            Ok(number) if number.to_string() == text => {
                self.json.extend_from_slice(text.as_bytes());
                Ok(())
            }
            _ => self.refuse("a whole number is expected, in its shortest spelling"),
        }
    }

    fn truth(&mut self) -> Result<(), FieldError> {
        let text = self.text()?;
        match text.trim_matches([' ', '\t', '\r', '\n']) {
            truth @ ("true" | "false") => {
                self.json.extend_from_slice(truth.as_bytes());
                Ok(())
            }
            _ => self.refuse("true or false is expected"),
        }
    }

    fn null(&mut self) -> Result<(), FieldError> {
        match self.event()? {
            Event::End(_) => {
                self.json.extend_from_slice(b"null");
                Ok(())
            }
            _ => self.refuse("an element with xsi:nil=\"true\" must be empty"),
        }
    }

    /// The next element of an element that has only elements; none at its end.
    fn child(&mut self) -> Result<Option<BytesStart<'a>>, FieldError> {
        loop {
            match self.event()? {
                Event::Start(child) => return Ok(Some(child)),
                Event::End(_) => return Ok(None),
                Event::Text(text) if is_space(&text) => {}
                other => return self.unexpected(&other),
            }
        }
    }

    /// The text of an element that has only text.
    fn text(&mut self) -> Result<String, FieldError> {
        let mut whole = String::new();
        loop {
            match self.event()? {
                Event::End(_) => return Ok(whole),
                Event::Text(text) if text.contains("]]>") => {
                    return self.refuse("]]> must be written ]]&gt; in text");
                }
                // Line ends become line feeds, as XML says.
                Event::Text(text) => self.keep(&mut whole, &text.xml10_content())?,
                Event::CData(text) => self.keep(&mut whole, &text.xml10_content())?,
                Event::GeneralRef(reference) => {
                    whole.push(self.resolve(&reference)?);
                }
                Event::Start(child) => {
                    let found = quoted(child.name().0);
                    return self.refuse(format!("text is expected, not the element <{found}>"));
                }
                other => return self.unexpected(&other),
            }
        }
    }

    fn keep(&self, whole: &mut String, text: &str) -> Result<(), FieldError> {
        if !text.chars().all(is_char) {
            return self.refuse("the text has a character that XML 1.0 does not have");
        }
        whole.push_str(text);
        Ok(())
    }

    /// One of the five entities that XML has, or a character by its number.
    fn resolve(&self, reference: &BytesRef<'_>) -> Result<char, FieldError> {
        let character = match &**reference {
            "amp" => Some('&'),
            "lt" => Some('<'),
            "gt" => Some('>'),
            "quot" => Some('"'),
            "apos" => Some('\''),
            _ => reference.resolve_char_ref().ok().flatten().filter(|c| is_char(*c)),
        };
        character.map_or_else(
            || {
                let found = quoted(reference);
                self.refuse(format!(
                    "&{found}; is no entity that is known: write the character itself, \
                     or &amp; &lt; &gt; &quot; &apos; or its number"
                ))
            },
            Ok,
        )
    }

    /// What a start tag says beside its name.
    fn tag(&self, start: &BytesStart<'_>, xsi: bool) -> Result<Tag, FieldError> {
        let mut tag = Tag { xsi, nil: false, namespace: false };
        let (mut declared, mut nil) = (false, None);
        // Duplicates are looked for here: of three names that there can be.
        for attribute in start.attributes().with_checks(false) {
            let Ok(attribute) = attribute else {
                return self.refuse("an attribute is not written as name=\"value\"");
            };
            let (name, value) = (attribute.key.0, &*attribute.value);
            match (name, value) {
                ("xmlns", NAMESPACE) if !tag.namespace => tag.namespace = true,
                ("xmlns:xsi", XSI) if !declared => declared = true,
                ("xsi:nil", "true" | "1" | "false" | "0") if nil.is_none() => {
                    nil = Some(matches!(value, "true" | "1"));
                }
                _ => return self.attribute(name),
            }
        }
        tag.xsi |= declared;
        tag.nil = nil.unwrap_or(false);
        if nil.is_some() && !tag.xsi {
            return self.refuse(format!("xsi:nil needs xmlns:xsi=\"{XSI}\""));
        }
        Ok(tag)
    }

    fn attribute<T>(&self, name: &str) -> Result<T, FieldError> {
        let detail = match name {
            "xmlns" => format!("xmlns must be \"{NAMESPACE}\", once"),
            "xmlns:xsi" => format!("xmlns:xsi must be \"{XSI}\", once"),
            "xsi:nil" => "xsi:nil must be \"true\" or \"false\", once".to_owned(),
            _ => format!("the attribute {} is not known: leave it out", quoted(name)),
        };
        self.refuse(detail)
    }

    fn unknown<T>(&self, found: &str) -> Result<T, FieldError> {
        let found = quoted(found);
        if found.contains(':') {
            return self.refuse(format!(
                "<{found}> has a prefix: write the name alone, under xmlns=\"{NAMESPACE}\""
            ));
        }
        self.refuse(format!("<{found}> is no member here"))
    }

    /// The next event that is no comment.
    fn event(&mut self) -> Result<Event<'a>, FieldError> {
        loop {
            match self.raw_event()? {
                Event::Comment(_) => {}
                event => return Ok(event),
            }
        }
    }

    fn raw_event(&mut self) -> Result<Event<'a>, FieldError> {
        self.reader.read_event().map_err(|error| self.ill_formed(&error))
    }

    fn ill_formed(&self, error: &Error) -> FieldError {
        let detail = match error {
            // The reader's own words would repeat the caller's names, however long.
            Error::IllFormed(
                IllFormedError::MismatchedEndTag { .. }
                | IllFormedError::UnmatchedEndTag(_)
                | IllFormedError::MissingEndTag(_),
            ) => "the body is not well-formed XML: tags do not match".to_owned(),
            Error::Syntax(error) => format!("the body is not well-formed XML: {error}"),
            _ => "the body is not well-formed XML".to_owned(),
        };
        fault(&self.pointer, detail)
    }

    fn unexpected<T>(&self, event: &Event<'_>) -> Result<T, FieldError> {
        self.refuse(match event {
            Event::DocType(_) => "DOCTYPE is refused: leave it out",
            Event::PI(_) => "processing instructions are refused: leave them out",
            Event::Decl(_) => "the XML declaration may stand at the very beginning only",
            Event::Eof => "the body ends before its root element does",
            Event::Text(_) | Event::CData(_) | Event::GeneralRef(_) => {
                "only elements may stand here, no text"
            }
            _ => "the body is not well-formed XML",
        })
    }

    fn refuse<T>(&self, detail: impl Into<String>) -> Result<T, FieldError> {
        Err(fault(&self.pointer, detail))
    }

    fn write_text(&mut self, text: &str) -> Result<(), FieldError> {
        serde_json::to_writer(&mut self.json, text)
            .map_err(|_| fault(&self.pointer, "the text is not written as JSON"))
    }
}
