//! What is read, what is refused and how long that takes; that the model is whole.

use std::time::Duration;

use serde_json::{Value, json};

use super::model::{Member, Node, Shape, model};
use super::{NAMESPACE, XSI, read, write, xsd};

/// What a request may take, however it is made (threat T47).
const SOON: Duration = Duration::from_millis(100);
/// The size of a trap: the greatest body of one order. Without the compiler's optimisation all of
/// this is fifty times slower, so that it is a smaller one.
const SIZE: usize = if cfg!(debug_assertions) { 1 << 17 } else { 1 << 20 };

/// How long this thread has had a processor: whatever else the machine does is not counted.
fn busy() -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(told.split(' ').next().unwrap().parse().unwrap())
}

fn read(name: &str, xml: &str) -> Result<Value, (String, String)> {
    let json = read::read(model(), name, xml.as_bytes());
    json.map(|json| serde_json::from_slice(&json).unwrap())
        .map_err(|fault| (fault.pointer, fault.detail))
}

/// A quote request with this inside of its root.
fn quote(inside: &str) -> String {
    format!("<QuoteRequest xmlns=\"{NAMESPACE}\" xmlns:xsi=\"{XSI}\">{inside}</QuoteRequest>")
}

#[test]
fn a_request_reads_as_its_json() {
    let xml = format!(
        r#"<?xml version="1.0" encoding="utf-8" standalone="yes"?>
        <!-- terms -->
        <QuoteRequest xmlns="{NAMESPACE}">
          <kind>redemption</kind>
          <source><program>aurora</program><member>A&#x2D;1<![CDATA[<&]]>&amp;&lt;é <!-- - --> </member></source>
          <target>
            <partner>borealis-coffee</partner><item>latte</item><price>12.5</price>
          </target>
          <tier xsi:nil="true" xmlns:xsi="{XSI}"/>
          <segment xsi:nil="false" xmlns:xsi="{XSI}"></segment>
        </QuoteRequest>
        <!-- that is all -->
        "#
    );
    let read = read("QuoteRequest", &xml).unwrap();
    assert_eq!(
        read,
        json!({
            "kind": "redemption",
            "source": {"program": "aurora", "member": "A-1<&&<é  "},
            "target": {"partner": "borealis-coffee", "item": "latte", "price": "12.5"},
            "tier": null,
            "segment": "",
        })
    );
}

#[test]
fn arrays_numbers_and_empty_things_read_as_what_the_type_says() {
    let links = format!(
        "<Links xmlns=\"{NAMESPACE}\"><items> </items><more>\n true </more><next_after/></Links>"
    );
    assert_eq!(
        read("Links", &links).unwrap(),
        json!({"items": [], "more": true, "next_after": ""})
    );
    let page = |next: &str| {
        let open = format!("<ReceiptPage xmlns=\"{NAMESPACE}\"><next_after>");
        read("ReceiptPage", &format!("{open}{next}</next_after></ReceiptPage>"))
    };
    assert_eq!(
        page(" 9007199254740993 ").unwrap(),
        json!({"next_after": 9_007_199_254_740_993_i64})
    );
    for bad in ["", "01", "+1", "1.0", "1e3", "-0", "9223372036854775808", "one"] {
        let (pointer, detail) = page(bad).unwrap_err();
        assert_eq!(pointer, "/next_after", "{bad}");
        assert!(detail.contains("whole number"), "{bad}: {detail}");
    }
    assert_eq!(read("Empty", &format!("\u{FEFF}<Empty xmlns='{NAMESPACE}'/>")), Ok(json!({})));
    let batch = format!(
        "<QuoteBatchRequest xmlns=\"{NAMESPACE}\"><quotes><item/><item><kind>exchange</kind></item>\
        </quotes></QuoteBatchRequest>"
    );
    assert_eq!(
        read("QuoteBatchRequest", &batch).unwrap(),
        json!({"quotes": [{}, {"kind": "exchange"}]})
    );
}

#[test]
fn line_ends_are_read_as_xml_says() {
    let json = read("QuoteRequest", &quote("<kind>a\r\nb\rc&#13;d\te</kind>")).unwrap();
    assert_eq!(json, json!({"kind": "a\nb\nc\rd\te"}));
}

/// Each with the place that is named and a part of what is said.
#[test]
fn what_json_has_no_word_for_is_refused() {
    let nested = |depth: usize| {
        // No type of ours is so deep: by one that a test makes up.
        format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth))
    };
    let doctype = |subset: &str| format!("<!DOCTYPE QuoteRequest{subset}>{}", quote(""));
    for (xml, pointer, says) in [
        (doctype(""), "", "DOCTYPE is refused"),
        (doctype(" SYSTEM \"file:///etc/passwd\""), "", "DOCTYPE is refused"),
        (doctype(" PUBLIC \"a\" \"http://127.0.0.1/a.dtd\""), "", "DOCTYPE is refused"),
        (doctype(" [<!ENTITY a \"b\">]"), "", "DOCTYPE is refused"),
        (format!("<?xml version='1.0'?>{}", doctype("")), "", "DOCTYPE is refused"),
        (quote("<kind>&a;</kind>"), "/kind", "no entity that is known"),
        (quote("<kind>&#0;</kind>"), "/kind", "no entity that is known"),
        (quote("<kind>&#1;</kind>"), "/kind", "no entity that is known"),
        (quote("<kind>&#xD800;</kind>"), "/kind", "no entity that is known"),
        (quote("<kind>a & b</kind>"), "/kind", "not well-formed"),
        (quote("<kind>]]></kind>"), "/kind", "]]&gt;"),
        (quote("<kind>\u{1}</kind>"), "/kind", "a character that XML 1.0 does not have"),
        (quote("<?php echo 1 ?>"), "", "processing instructions"),
        (quote("<?xml version=\"1.0\"?>"), "", "at the very beginning"),
        (format!(" <?xml version=\"1.0\"?>{}", quote("")), "", "at the very beginning"),
        (format!("<?xml version=\"1.1\"?>{}", quote("")), "", "version=\"1.0\""),
        (format!("<?xml version=\"1.0\" encoding=\"latin1\"?>{}", quote("")), "", "UTF-8"),
        (format!("<?xml-stylesheet href=\"a\"?>{}", quote("")), "", "processing instructions"),
        (quote("<kind a=\"b\">exchange</kind>"), "/kind", "attribute a is not known"),
        (quote("<kind xsi:type=\"b\">exchange</kind>"), "/kind", "attribute xsi:type"),
        (quote("<kind a>exchange</kind>"), "/kind", "name=\"value\""),
        (quote("<kind xsi:nil=\"yes\"/>"), "/kind", "xsi:nil must be"),
        (quote("<kind xsi:nil=\"true\" xsi:nil=\"true\"/>"), "/kind", "xsi:nil must be"),
        (quote("<kind xsi:nil=\"true\">exchange</kind>"), "/kind", "must be empty"),
        (quote("<kind xmlns=\"urn:other\">exchange</kind>"), "/kind", "xmlns must be"),
        (quote("<kind xmlns:xsi=\"urn:other\">exchange</kind>"), "/kind", "xmlns:xsi must be"),
        (quote("<a:kind xmlns:a=\"urn:alliance:v1\">exchange</a:kind>"), "", "has a prefix"),
        (quote("<kind>exchange</kind><kind>exchange</kind>"), "/kind", "there twice"),
        (quote("<colour>red</colour>"), "", "<colour> is no member"),
        (quote("<source><colour>red</colour></source>"), "/source", "<colour> is no member"),
        (quote("text"), "", "no text"),
        (quote("<![CDATA[ ]]>"), "", "no text"),
        (quote("&#32;"), "", "no text"),
        (quote("<kind><b>exchange</b></kind>"), "/kind", "not the element <b>"),
        (quote("<source>aurora</source>"), "/source", "no text"),
        (quote("<!-- a -- b -->"), "", "not well-formed"),
        (quote("<kind>exchange</source>"), "/kind", "tags do not match"),
        (quote("<kind"), "", "is no member"),
        (quote(&nested(3)), "", "<a> is no member"),
        (format!("{0}{0}", quote("")), "", "nothing may follow"),
        (format!("{}text", quote("")), "", "nothing may follow"),
        (format!("{}<!DOCTYPE a>", quote("")), "", "nothing may follow"),
        (format!("text{}", quote("")), "", "no text"),
        (String::new(), "", "ends before"),
        ("<QuoteRequest".to_owned(), "", "not well-formed"),
        ("{}".to_owned(), "", "no text"),
        ("<QuoteRequest/>".to_owned(), "", "must have xmlns"),
        (format!("<Quote xmlns=\"{NAMESPACE}\"/>"), "", "must be <QuoteRequest"),
        (format!("<a:QuoteRequest xmlns:a=\"{NAMESPACE}\"/>"), "", "must be <QuoteRequest"),
        (
            format!("<QuoteRequest xmlns=\"{NAMESPACE}\"><tier xsi:nil=\"true\"/></QuoteRequest>"),
            "/tier",
            "xsi:nil needs xmlns:xsi",
        ),
        (quote("").replace("</QuoteRequest>", ""), "", "ends before"),
        (quote("").replace("</QuoteRequest>", "</QuoteRequest"), "", "not well-formed"),
    ] {
        let (at, detail) = read("QuoteRequest", &xml).expect_err(&xml);
        assert_eq!(at, pointer, "{xml}: {detail}");
        assert!(detail.contains(says), "{xml}: {detail}");
        assert!(detail.len() < 300, "{detail}");
    }
    let latin = read::read(model(), "QuoteRequest", b"<QuoteRequest>\xE9</QuoteRequest>");
    assert!(latin.unwrap_err().detail.contains("UTF-8"));
    let wide: Vec<u8> = quote("").encode_utf16().flat_map(u16::to_be_bytes).collect();
    assert!(read::read(model(), "QuoteRequest", &wide).is_err());
}

/// A type that may stand in itself: elements in one another end somewhere.
#[test]
fn depth_has_an_end() {
    let document = json!({"components": {"schemas": {"Nest": {
        "type": "object",
        "properties": {"n": {"$ref": "#/components/schemas/Nest"}},
    }}}});
    let model = super::model::Model::of(&document);
    let nest = |depth: usize| {
        let (open, close) = ("<n>".repeat(depth), "</n>".repeat(depth));
        let xml = format!("<Nest xmlns=\"{NAMESPACE}\">{open}{close}</Nest>");
        read::read(&model, "Nest", xml.as_bytes())
    };
    nest(31).unwrap();
    assert!(nest(32).unwrap_err().detail.contains("more than 32 deep"));
    let started = busy();
    assert!(nest(SIZE / 7).is_err());
    assert!(busy() - started < SOON);
}

/// Threat T47: every kind of trap is refused, soon, and by few words.
#[test]
fn traps_are_refused_soon() {
    let laughs: String = (0..9)
        .map(|n| format!("<!ENTITY l{} \"{}\">", n + 1, format!("&l{n};").repeat(10)))
        .collect();
    let laughs =
        format!("<!DOCTYPE a [<!ENTITY l0 \"lol\">{laughs}]>{}", quote("<kind>&l9;</kind>"));
    let blow_up = format!(
        "<!DOCTYPE a [<!ENTITY a \"{}\">]>{}",
        "a".repeat(SIZE / 2),
        quote(&format!("<kind>{}</kind>", "&a;".repeat(SIZE / 6)))
    );
    let cyclic = "<!DOCTYPE a [<!ENTITY a \"&b;\"><!ENTITY b \"&a;\">]>";
    let xxe = "<!DOCTYPE a [<!ENTITY a SYSTEM \"file:///etc/passwd\">]>";
    let fetched = "<!DOCTYPE a [<!ENTITY % a SYSTEM \"http://127.0.0.1:1/a\"> %a;]>";
    let many = |one: &dyn Fn(usize) -> String| (0..SIZE / 16).map(one).collect::<String>();
    let attributes = many(&|n| format!(" a{n}=\"b\""));
    let same = " a=\"b\"".repeat(SIZE / 6);
    let namespaces = many(&|n| format!(" xmlns:a{n}=\"urn:{n}\""));
    let defaults = format!(" xmlns=\"{NAMESPACE}\"").repeat(SIZE / 25);
    for (what, xml) in [
        ("billion laughs", laughs),
        ("quadratic blow-up", blow_up),
        ("cyclic entities", format!("{cyclic}{}", quote("<kind>&a;</kind>"))),
        ("a file", format!("{xxe}{}", quote("<kind>&a;</kind>"))),
        ("a URL", format!("{fetched}{}", quote(""))),
        ("references to nothing", quote(&format!("<kind>{}</kind>", "&a;".repeat(SIZE / 3)))),
        ("attributes", quote(&format!("<kind{attributes}/>"))),
        ("attributes of the root", format!("<QuoteRequest{attributes}/>")),
        ("one attribute", quote(&format!("<kind{same}/>"))),
        ("namespaces", quote(&format!("<kind{namespaces}/>"))),
        ("one namespace", quote(&format!("<kind{defaults}/>"))),
        ("nested elements", quote(&"<source>".repeat(SIZE / 8))),
        ("a long name", quote(&format!("<{}/>", "a".repeat(SIZE)))),
        ("a long prefix", quote(&format!("<{}:a/>", "a".repeat(SIZE)))),
        ("a long entity", quote(&format!("<kind>&{};</kind>", "a".repeat(SIZE)))),
        ("a long comment's end", quote(&format!("<!--{}-->", " -- ".repeat(SIZE / 4)))),
        ("comments", format!("{}<", quote(&"<!---->".repeat(SIZE / 7)))),
        ("an open attribute", format!("<QuoteRequest a=\"{}", "<".repeat(SIZE))),
        ("open sections", quote(&"<![CDATA[".repeat(SIZE / 9))),
        ("open document types", "<!DOCTYPE a [".repeat(SIZE / 13)),
        ("bangs", "<!".repeat(SIZE / 2)),
        ("instructions", "<?".repeat(SIZE / 2)),
        ("a member again and again", quote(&"<kind/>".repeat(SIZE / 7))),
        ("items where there are none", quote(&"<item/>".repeat(SIZE / 7))),
    ] {
        let started = busy();
        let refused = read("QuoteRequest", &xml);
        let took = busy() - started;
        assert!(took < SOON, "{what}: {took:?}");
        let (pointer, detail) = refused.expect_err(what);
        assert!(pointer.len() + detail.len() < 400, "{what}: {detail}");
    }
}

/// What is allowed may be as long as a body may be.
#[test]
fn what_is_written_is_bounded_by_what_was_read() {
    for text in ["\"", "\\", "\t", "&#9;", "<![CDATA[\"]]>", "é", "<!---->"] {
        let xml = quote(&format!("<kind>{}</kind>", text.repeat(SIZE / text.len())));
        let json = read::read(model(), "QuoteRequest", xml.as_bytes()).unwrap();
        assert!(json.len() < 2 * xml.len(), "{text}: {}", json.len());
    }
    let items = |items: usize| {
        let items = "<item/>".repeat(items);
        let xml = format!(
            "<QuoteBatchRequest xmlns=\"{NAMESPACE}\"><quotes>{items}</quotes></QuoteBatchRequest>"
        );
        read::read(model(), "QuoteBatchRequest", xml.as_bytes())
    };
    assert_eq!(items(65_534).unwrap().len(), 65_534 * 3 + 12);
    assert!(items(65_535).unwrap_err().detail.contains("more than 65536 elements"));
}

#[test]
fn an_answer_reads_back_as_it_was() {
    let answer = json!({
        "items": [
            {
                "a": {"program": "aurora", "partner": "aurora-air", "member": "A\r\n\t<&>\"' é𝄞"},
                "b": {"program": "borealis", "partner": "borealis-coffee", "member": null},
                "consent": {"scope": ["exchange", "accrual"], "until": null},
            },
            {"a": {}},
        ],
        "more": false,
    });
    let xml = write::write("Links", answer.to_string().as_bytes()).unwrap();
    let text = std::str::from_utf8(&xml).unwrap();
    assert!(text.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Links xmlns=\""));
    assert!(text.contains("<scope><item>exchange</item><item>accrual</item></scope>"));
    assert!(text.contains("<member xsi:nil=\"true\"/>"));
    assert_eq!(read("Links", text).unwrap(), answer);
    let odd = json!({"title": "a\u{0}b\u{1F}c\u{FFFE}d\u{7F}"});
    let xml = write::write("Problem", odd.to_string().as_bytes()).unwrap();
    let odd = read("Problem", std::str::from_utf8(&xml).unwrap()).unwrap();
    assert_eq!(odd, json!({"title": "a\u{FFFD}b\u{FFFD}c\u{FFFD}d\u{7F}"}));
    for not in [&b"[]"[..], b"1", b"", b"{", br#"{"a b":1}"#, br#"{"":1}"#, br#"{"1":1}"#] {
        assert_eq!(write::write("Links", not), None, "{}", String::from_utf8_lossy(not));
    }
}

fn nodes<'a>(shape: &'a Shape, all: &mut Vec<&'a Node>) {
    match shape {
        Shape::List(item) => {
            all.push(item);
            nodes(&item.shape, all);
        }
        Shape::Object(members) => {
            for Member { node, .. } in members.values() {
                all.push(node);
                nodes(&node.shape, all);
            }
        }
        _ => {}
    }
}

/// Every type is understood; what is free is named here. Variants do not contradict one another.
#[test]
fn the_model_is_whole() {
    let model = model();
    let document: Value = serde_json::from_str(&crate::api::openapi_json()).unwrap();
    assert_eq!(model.types().count(), document["components"]["schemas"].as_object().unwrap().len());
    let mut free = Vec::new();
    for (name, kind) in model.types() {
        assert!(write::is_name(name), "{name}");
        assert!(kind.shape != Shape::Free, "{name}");
        let mut all = Vec::new();
        nodes(&kind.shape, &mut all);
        for node in all {
            match &node.shape {
                Shape::Free => free.push(name),
                Shape::Named(other) => assert!(model.named(other).is_some(), "{other} in {name}"),
                Shape::Object(members) => {
                    assert!(members.keys().all(|member| write::is_name(member)), "{name}");
                }
                _ => {}
            }
        }
        if let Shape::Object(members) = &kind.shape {
            assert!(members.keys().all(|member| write::is_name(member)), "{name}");
        }
    }
    assert_eq!(free, ["Event"], "its data differs by its type");
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let place = format!("{method} {path}");
            if method == "post" {
                let taken = model.request(path).unwrap_or_else(|| panic!("{place}"));
                assert!(matches!(model.named(taken), Some(Shape::Object(_))), "{place}");
            }
            // All successes of an operation are of one type; some are no JSON.
            let answered: Vec<&str> = operation["responses"]
                .as_object()
                .unwrap()
                .iter()
                .filter(|(status, _)| status.starts_with('2'))
                .filter_map(|(_, one)| {
                    one["content"]["application/json"]["schema"]["$ref"].as_str()
                })
                .collect();
            let name = model.answer(&method.to_uppercase(), path);
            let expected = name.map(|name| format!("#/components/schemas/{name}"));
            assert!(answered.iter().all(|one| Some(*one) == expected.as_deref()), "{place}");
            assert_eq!(answered.is_empty(), name.is_none(), "{place}");
        }
    }
    // A flattened type and one of variants.
    let member = |kind: &str, name: &str| match model.named(kind) {
        Some(Shape::Object(members)) => members[name].clone(),
        other => panic!("{kind}: {other:?}"),
    };
    assert!(member("Rates", "values").required && member("Rates", "jws").required);
    assert!(member("AskedSide", "partner").node.shape == Shape::Named("PartnerId".to_owned()));
    assert!(!member("AskedSide", "partner").required);
    assert!(member("TransactionSide", "partner").required);
    assert!(member("TransactionSide", "member").node.nullable);
    assert!(!member("Problem", "ours").required);
}

#[test]
fn the_schema_says_what_the_model_says() {
    let xsd = xsd::alliance_v1();
    for line in [
        "  <xs:element name=\"QuoteRequest\" type=\"QuoteRequest\"/>",
        "      <xs:enumeration value=\"redemption\"/>",
        "      <xs:pattern value=\"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z\"/>",
    ] {
        assert!(xsd.lines().any(|found| found == line), "{line}");
    }
    assert!(!xsd.contains("<xs:element name=\"Decimal\" type=\"Decimal\"/>"), "is no document");
}

/// What `docs/formats/xml.md` shows reads as what it says it is.
#[test]
fn the_page_shows_documents_that_read() {
    let page = include_str!("../../../docs/formats/xml.md");
    let shown: Vec<&str> =
        page.split("```xml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    let names = ["QuoteRequest", "Quote", "OrderRequest"];
    assert_eq!(shown.len(), names.len());
    for (name, xml) in names.iter().zip(shown) {
        read(name, xml).unwrap();
    }
}
