//! The wire types as the OpenAPI document describes them, in the form that XML needs: an object is
//! a set of named members, whatever variants or flattened parts it is made of.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::Value;

/// Every wire type, by its name.
pub struct Model {
    types: BTreeMap<String, Type>,
    /// By the path's template: what a `POST` takes.
    requests: BTreeMap<String, String>,
    /// By the method and the path's template: what success answers.
    answers: BTreeMap<(String, String), String>,
}

/// A type that has a name.
pub struct Type {
    /// What it is, for people.
    pub doc: String,
    /// What it is made of.
    pub shape: Shape,
}

/// What a value is made of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Shape {
    /// Text.
    Text {
        /// What all of it matches (ECMA-262).
        pattern: Option<String>,
        /// What it is one of; of anything where there are none.
        words: Vec<String>,
    },
    /// A whole number.
    Whole {
        /// The least that it may be.
        minimum: Option<i64>,
    },
    /// `true` or `false`.
    Truth,
    /// An array.
    List(Box<Node>),
    /// An object.
    Object(BTreeMap<String, Member>),
    /// Another type, by its name.
    Named(String),
    /// An object of members that the document does not tell.
    Free,
}

/// A value's place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Node {
    /// What stands there.
    pub shape: Shape,
    /// Whether `null` may stand there.
    pub nullable: bool,
}

/// A member of an object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// What it is, for people.
    pub doc: String,
    /// Whether it is always there.
    pub required: bool,
    /// Its value.
    pub node: Node,
}

/// The model of the API that this gateway serves.
pub fn model() -> &'static Model {
    static MODEL: LazyLock<Model> = LazyLock::new(|| {
        // The document is our own: a part that is not as expected is left out of the model, and
        // `the_model_is_whole` fails.
        let document = serde_json::from_str(&crate::api::openapi_json()).unwrap_or_default();
        Model::of(&document)
    });
    &MODEL
}

impl Model {
    /// The model that an OpenAPI document describes.
    pub fn of(document: &Value) -> Self {
        let schemas = &document["components"]["schemas"];
        let types = members(schemas)
            .map(|(name, schema)| {
                (name.clone(), Type { doc: doc_of(schema), shape: node_of(schemas, schema).shape })
            })
            .collect();
        let mut model = Self { types, requests: BTreeMap::new(), answers: BTreeMap::new() };
        for (path, item) in members(&document["paths"]) {
            for (method, operation) in members(item) {
                model.learn(path, method, operation);
            }
        }
        model
    }

    fn learn(&mut self, path: &str, method: &str, operation: &Value) {
        if let Some(name) = json_type(&operation["requestBody"]) {
            self.requests.insert(path.to_owned(), name);
        }
        let success = members(&operation["responses"])
            .filter(|(status, _)| status.starts_with('2'))
            .find_map(|(_, answer)| json_type(answer));
        if let Some(name) = success {
            self.answers.insert((method.to_ascii_uppercase(), path.to_owned()), name);
        }
    }

    /// The type that a `POST` to this template takes.
    pub fn request(&self, template: &str) -> Option<&str> {
        self.requests.get(template).map(String::as_str)
    }

    /// The type that this operation answers.
    pub fn answer(&self, method: &str, template: &str) -> Option<&str> {
        let operation = (method.to_owned(), template.to_owned());
        self.answers.get(&operation).map(String::as_str)
    }

    /// Every type.
    pub fn types(&self) -> impl Iterator<Item = (&str, &Type)> {
        self.types.iter().map(|(name, kind)| (name.as_str(), kind))
    }

    /// The types that a document can be: what is asked for and what is answered.
    pub fn roots(&self) -> impl Iterator<Item = &str> {
        let mut roots: Vec<&str> =
            self.requests.values().chain(self.answers.values()).map(String::as_str).collect();
        roots.push(PROBLEM);
        roots.sort_unstable();
        roots.dedup();
        roots.into_iter()
    }

    /// What a name stands for; none of a name that is no type's.
    pub fn named(&self, name: &str) -> Option<&Shape> {
        match &self.types.get(name)?.shape {
            // A type that is another's second name. Chains of them are as short as the document.
            Shape::Named(other) if other != name => self.named(other),
            shape => Some(shape),
        }
    }
}

/// The name of an error answer's type.
pub const PROBLEM: &str = "Problem";

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// The name of the type that stands as JSON in a body or an answer.
fn json_type(holder: &Value) -> Option<String> {
    name_of(&holder["content"]["application/json"]["schema"])
}

fn name_of(schema: &Value) -> Option<String> {
    let reference = schema["$ref"].as_str()?;
    reference.strip_prefix("#/components/schemas/").map(str::to_owned)
}

fn doc_of(schema: &Value) -> String {
    schema["description"].as_str().unwrap_or_default().to_owned()
}

fn node_of(schemas: &Value, schema: &Value) -> Node {
    if let Some(name) = name_of(schema) {
        return Node { shape: Shape::Named(name), nullable: false };
    }
    if let Some(parts) = schema["allOf"].as_array() {
        let shape = Shape::Object(all_of(schemas, parts));
        return Node { shape, nullable: false };
    }
    if let Some(variants) = schema["oneOf"].as_array() {
        return one_of(schemas, variants);
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect(),
    };
    let kind = types.iter().copied().find(|kind| *kind != "null");
    Node { shape: shape_of(schemas, schema, kind), nullable: types.contains(&"null") }
}

fn shape_of(schemas: &Value, schema: &Value, kind: Option<&str>) -> Shape {
    match kind {
        Some("string") => Shape::Text {
            pattern: schema["pattern"].as_str().map(str::to_owned),
            words: words(&schema["enum"]),
        },
        Some("integer") => Shape::Whole { minimum: schema["minimum"].as_i64() },
        Some("boolean") => Shape::Truth,
        Some("array") => Shape::List(Box::new(node_of(schemas, &schema["items"]))),
        Some("object") if schema["properties"].is_object() => {
            Shape::Object(properties(schemas, schema))
        }
        // `{}` and nothing else.
        Some("object") if schema["additionalProperties"] == false => Shape::Object(BTreeMap::new()),
        _ => Shape::Free,
    }
}

fn words(value: &Value) -> Vec<String> {
    let words = value.as_array().into_iter().flatten();
    words.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn properties(schemas: &Value, schema: &Value) -> BTreeMap<String, Member> {
    let required = words(&schema["required"]);
    let member = |(name, property): (&String, &Value)| {
        let node = node_of(schemas, property);
        let member = Member { doc: doc_of(property), required: required.contains(name), node };
        (name.clone(), member)
    };
    members(&schema["properties"]).map(member).collect()
}

/// The members of an object, by its own schema or by its name.
fn object(schemas: &Value, schema: &Value) -> BTreeMap<String, Member> {
    let node = match name_of(schema) {
        Some(name) => node_of(schemas, &schemas[name]),
        None => node_of(schemas, schema),
    };
    match node.shape {
        Shape::Object(members) => members,
        _ => BTreeMap::new(),
    }
}

/// An object that is several at once.
fn all_of(schemas: &Value, parts: &[Value]) -> BTreeMap<String, Member> {
    parts.iter().flat_map(|part| object(schemas, part)).collect()
}

/// A value that may be null; or an object that is one of several: every variant's members, always
/// there where every variant has them always.
fn one_of(schemas: &Value, variants: &[Value]) -> Node {
    let (nulls, others): (Vec<&Value>, Vec<&Value>) =
        variants.iter().partition(|variant| variant["type"] == "null");
    let nullable = !nulls.is_empty();
    if let [only] = others[..] {
        return Node { nullable, ..node_of(schemas, only) };
    }
    let variants: Vec<_> = others.iter().map(|variant| object(schemas, variant)).collect();
    let mut merged: BTreeMap<String, Member> = BTreeMap::new();
    for (name, member) in variants.iter().flatten() {
        merged.entry(name.clone()).or_insert_with(|| member.clone());
    }
    for (name, member) in &mut merged {
        let always = |variant: &BTreeMap<String, Member>| {
            variant.get(name).is_some_and(|member| member.required)
        };
        member.required = variants.iter().all(always);
    }
    Node { shape: Shape::Object(merged), nullable }
}
