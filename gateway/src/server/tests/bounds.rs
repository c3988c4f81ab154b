//! Sizes, media types, spellings (threats T26, T46).

use super::world::{Answer, World, aurora, order, quote, world};

async fn bytes(world: &World, path: &str, body: Vec<u8>) -> Answer {
    let mut call = world.post(aurora(), path, "");
    call.body = Some(body);
    world.send(&call).await
}

#[actix_web::test]
async fn a_body_beyond_its_bound_is_refused_before_anything_else() {
    // T46: nothing is signed here, and nobody looks.
    let world = world().await;
    for (path, limit) in [
        ("/v1/quotes", 1 << 20),
        ("/v1/transactions", 1 << 20),
        ("/v1/quotes/batch", 4 << 20),
        ("/v1/transactions/batch", 4 << 20),
    ] {
        let json = [("content-type".to_owned(), "application/json".to_owned())];
        let over = world.raw("POST", path, &json, vec![b' '; limit + 1]).await;
        assert_eq!((over.status, &*over.code()), (413, "body_too_large"), "{path}");
        let at = world.raw("POST", path, &json, vec![b' '; limit]).await;
        assert_eq!((at.status, &*at.code()), (401, "signature_incomplete"), "{path}");
    }
}

#[actix_web::test]
async fn only_plain_json_is_read() {
    let world = world().await;
    for media in ["text/plain", "application/x-json", "application/json; charset=latin1", ""] {
        let fields = [("content-type".to_owned(), media.to_owned())];
        let answer = world.raw("POST", "/v1/quotes", &fields, b"{}".to_vec()).await;
        assert_eq!((answer.status, &*answer.code()), (415, "unsupported_media_type"), "{media}");
    }
    for coding in ["gzip", "br", "identity"] {
        let fields = [
            ("content-type".to_owned(), "application/json".to_owned()),
            ("content-encoding".to_owned(), coding.to_owned()),
        ];
        let answer = world.raw("POST", "/v1/quotes", &fields, b"{}".to_vec()).await;
        assert_eq!((answer.status, &*answer.code()), (415, "unsupported_media_type"), "{coding}");
    }
    let mut call = world.post(
        aurora(),
        "/v1/quotes",
        quote("aurora", "A-1001", "borealis", "B-77", "source", "10"),
    );
    call.content_type = "Application/JSON; charset=UTF-8";
    world.send(&call).await.ok(201);
}

#[test]
fn actix_decompresses_nothing() {
    // T46: with `__compress` a small body could become any number of bytes before our cap sees it.
    let manifest = env!("CARGO_MANIFEST_DIR");
    let tree = std::process::Command::new(env!("CARGO"))
        .args(["tree", "--offline", "-e", "features,normal", "-i", "actix-web"])
        .args(["--manifest-path", &format!("{manifest}/Cargo.toml")])
        .output()
        .unwrap();
    let features = String::from_utf8(tree.stdout).unwrap();
    assert!(features.contains("actix-web feature \"rustls-0_23\""), "{features}");
    for unwanted in ["__compress", "compress-", "http2", "\"default\"\n└── alliance"] {
        assert!(!features.contains(unwanted), "{unwanted} in {features}");
    }
}

#[actix_web::test]
async fn malformed_bodies_are_told_where() {
    let world = world().await;
    let good = quote("aurora", "A-1001", "borealis", "B-77", "source", "10").to_string();
    for (body, pointer) in [
        (good.replace("\"source\",\"value\"", "\"both\",\"value\""), "/amount/side"),
        (good.replace("\"aurora\"", "\"AURORA\""), "/source/program"),
        (good.replace("\"A-1001\"", "\"A 1001\""), "/source/member"),
        (good.replace("\"A-1001\"", "1001"), "/source/member"),
        (good.replacen('{', "{\"more\":1,", 1), "/more"),
        (good.replacen("\"kind\"", "\"kind\":\"exchange\",\"kind\"", 1), ""),
        (good.clone() + "{}", ""),
        (String::new(), ""),
        ("[]".to_owned(), ""),
        ("null".to_owned(), ""),
        ("[".repeat(100_000), ""),
        (format!("{{\"kind\":{}", "[".repeat(100_000)), "/kind"),
    ] {
        let answer = bytes(&world, "/v1/quotes", body.clone().into_bytes()).await;
        assert_eq!((answer.status, &*answer.code()), (400, "malformed"), "{body:.100}");
        let error = &answer.json()["errors"][0];
        assert_eq!(error["pointer"], pointer, "{error} for {body:.100}");
        assert_eq!(error["code"], "malformed");
    }
    let invalid = bytes(&world, "/v1/quotes", b"{\"kind\":\"\xff\"}".to_vec()).await;
    assert_eq!((invalid.status, &*invalid.code()), (400, "malformed"));
}

#[actix_web::test]
async fn an_amount_has_one_spelling() {
    // T26
    let world = world().await;
    for bad in [
        "1e5",
        "01",
        "+1",
        " 1",
        "1.",
        "1.23abc",
        "-1",
        "",
        "1.0",
        "0x10",
        "NaN",
        "1,5",
        ".5",
        "0.0000001",
        "\u{0661}",
    ] {
        let asked = quote("aurora", "A-1001", "borealis", "B-77", "source", bad);
        let answer = world.send(&world.post(aurora(), "/v1/quotes", asked)).await;
        assert_eq!((answer.status, &*answer.code()), (400, "malformed"), "{bad:?}");
    }
    for number in ["1", "1.5", "1e5", "1e400"] {
        let body = quote("aurora", "A-1001", "borealis", "B-77", "source", "?").to_string();
        let body = body.replace("\"?\"", number);
        let answer = world.send(&world.post(aurora(), "/v1/quotes", body)).await;
        assert_eq!((answer.status, &*answer.code()), (400, "malformed"), "{number}");
    }
    for beyond in ["1000000000001", "1000000000000000000000000000000"] {
        let asked = quote("aurora", "A-1001", "borealis", "B-77", "source", beyond);
        let answer = world.send(&world.post(aurora(), "/v1/quotes", asked)).await;
        assert_eq!((answer.status, &*answer.code()), (422, "amount_out_of_range"), "{beyond}");
        assert_eq!(answer.json()["errors"][0]["pointer"], "/amount/value");
    }
    // More decimals than the program has.
    let asked = quote("aurora", "A-1001", "borealis", "B-77", "source", "1.5");
    let answer = world.send(&world.post(aurora(), "/v1/quotes", asked)).await;
    assert_eq!((answer.status, &*answer.code()), (400, "malformed"));
    let asked = quote("aurora", "A-1001", "borealis", "B-77", "source", "0");
    let answer = world.send(&world.post(aurora(), "/v1/quotes", asked)).await;
    assert_eq!((answer.status, &*answer.code()), (422, "amount_too_small"));
}

#[actix_web::test]
async fn an_idempotency_key_is_printable() {
    let world = world().await;
    let long = "k".repeat(256);
    for bad in ["", &long, "a\tb"] {
        let call = world.post(aurora(), "/v1/transactions", order("x", "r")).key(bad);
        let answer = world.send(&call).await;
        assert_eq!((answer.status, &*answer.code()), (400, "malformed"), "{bad:?}");
    }
    // A quote decides nothing: its key is not looked at.
    let asked = quote("aurora", "A-1001", "borealis", "B-77", "source", "10");
    world.send(&world.post(aurora(), "/v1/quotes", asked).key("")).await.ok(201);
}

#[actix_web::test]
async fn a_get_has_no_body() {
    let world = world().await;
    let mut call = world.get(aurora(), "/v1/programs");
    let (fields, signed) = call.sign(world.now());
    call.body = Some(b"{}".to_vec());
    let answer = world.send_signed(&call, &fields, &signed).await;
    assert_eq!((answer.status, &*answer.code()), (400, "malformed"));
}
