//! Following boards over connections that break: each once, each after the one before, none missing.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]

mod support;

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use alliance_partner_sdk::Error;
use alliance_partner_sdk::client::{Client, ConfigError, DecodeError, RetryPolicy};
use alliance_partner_sdk::contracts as c;
use alliance_partner_sdk::verify::ForkEvidence;
use alliance_partner_sdk::verify::board::VerifiedBoard;
use c::board::{Board, Rates, TermsRoot};
use c::decimal::Decimal;
use c::encoding::{Hash, base64url_encode};
use c::json;
use c::jws::{self, JwsType};
use c::problem::{PROBLEM_JSON, Problem, ProblemCode};
use c::valuation::{Band, Basis, Input, InputKind, InputStatus, ProgramValuation};
use futures_util::TryStreamExt;
use support::{decimal, gateway, gateway_list, keys, list_json, partner_key, root, start};
use wiremock::matchers::{path, query_param};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

fn value(previous: Option<&str>, base: &str) -> ProgramValuation {
    let inputs = [Input {
        as_of: None,
        input: InputKind::Base,
        status: InputStatus::Declared,
        value: decimal(base),
        weight: Decimal::ONE,
    }];
    let basis = Basis {
        band: Band { max: decimal("2"), min: decimal("0.01") },
        halvings: 0,
        inputs: &inputs,
        max_step: decimal("0.5"),
        previous: previous.map(decimal),
        smoothing: Decimal::ONE,
    };
    ProgramValuation::of("aurora".parse().unwrap(), &basis).unwrap()
}

/// What aurora's point is worth on each board.
fn worth(number: u32) -> String {
    format!("0.0{}", 50 + number)
}

/// A history of boards; `turn` makes another one from that board on.
fn history(boards: u32, turn: Option<u32>) -> Vec<Board> {
    let mut history: Vec<Board> = Vec::new();
    for number in 1..=boards {
        let late = i64::from(turn.is_some_and(|turn| number >= turn));
        let published_at = start().plus_seconds(i64::from(number) * 60 + late);
        let before = (number > 1).then(|| worth(number - 1));
        history.push(Board {
            alliance: support::ALLIANCE.parse().unwrap(),
            board: number,
            currency: "CNY".parse().unwrap(),
            effective_at: published_at,
            previous: history.last().map_or(Hash::ZERO, |last| Hash::of(&last.payload())),
            published_at,
            terms: TermsRoot::of(&[]),
            values: vec![value(before.as_deref(), &worth(number))],
        });
    }
    history
}

fn signed(board: &Board) -> String {
    jws::sign(JwsType::Board, &board.payload(), &gateway())
}

fn sent<'a>(boards: impl IntoIterator<Item = &'a Board>) -> String {
    let each = boards.into_iter().map(|board| {
        let Board { board: number, effective_at, .. } = board;
        let jws = signed(board);
        format!(
            "event: board\nid: {number}\ndata: {{\"board\":{number},\
             \"effective_at\":\"{effective_at}\",\"jws\":\"{jws}\"}}\n\n"
        )
    });
    format!(": boards as they are published\n\n{}", each.collect::<String>())
}

fn stream(text: impl Into<String>) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_raw(text.into(), "text/event-stream")
}

fn refusal(code: ProblemCode) -> ResponseTemplate {
    let problem = Problem::of(code);
    ResponseTemplate::new(problem.status).set_body_raw(json::canonical(&problem), PROBLEM_JSON)
}

struct Script(Mutex<VecDeque<ResponseTemplate>>);

impl Script {
    fn of(answers: impl IntoIterator<Item = ResponseTemplate>) -> Self {
        Self(Mutex::new(answers.into_iter().collect()))
    }
}

impl Respond for Script {
    fn respond(&self, _: &Request) -> ResponseTemplate {
        self.0.lock().unwrap().pop_front().unwrap_or_else(|| refusal(ProblemCode::KeyScope))
    }
}

/// A gateway that streams these answers in turn.
async fn streams(answers: impl IntoIterator<Item = ResponseTemplate>) -> MockServer {
    let server = MockServer::start().await;
    let list = list_json(&gateway_list());
    let list = ResponseTemplate::new(200).set_body_raw(list, "application/json");
    Mock::given(path("/.well-known/jwks.json")).respond_with(list).mount(&server).await;
    let script = Script::of(answers);
    Mock::given(path("/v1/rates/stream")).respond_with(script).mount(&server).await;
    server
}

fn shown(board: &Board) -> ResponseTemplate {
    let rates = Rates {
        board: board.clone(),
        fees: Vec::new(),
        frozen: Vec::new(),
        jws: signed(board),
        next: None,
        pairs: Vec::new(),
    };
    ResponseTemplate::new(200).set_body_raw(json::canonical(&rates), "application/json")
}

/// Answers questions for the board of this number in turn.
async fn asked_for(
    server: &MockServer,
    number: u32,
    answers: impl IntoIterator<Item = ResponseTemplate>,
) {
    Mock::given(path("/v1/rates"))
        .and(query_param("board", number.to_string()))
        .respond_with(Script::of(answers))
        .mount(server)
        .await;
}

fn client(server: &MockServer) -> Client {
    let quick = RetryPolicy {
        base: Duration::from_millis(1),
        cap: Duration::from_millis(5),
        max_attempts: 1,
        ..RetryPolicy::default()
    };
    Client::builder(&server.uri())
        .partner("aurora-air")
        .key(partner_key())
        .root(base64url_encode(root().public_key().as_bytes()))
        .clock(start)
        .retry(quick)
        .build()
        .unwrap()
}

fn verified(board: &Board) -> VerifiedBoard {
    VerifiedBoard::verify(&signed(board), &keys()).unwrap()
}

#[tokio::test]
async fn boards_are_followed_over_every_break_and_each_comes_once() {
    let all = history(7, None);
    let whole = sent(&all[2..4]);
    let server = streams([
        refusal(ProblemCode::Unavailable),
        stream(sent(&all[..2])),
        // Cut in the middle of its second board.
        stream(&whole[..whole.len() - 20]),
        stream(": nothing yet\n\n"),
        refusal(ProblemCode::RateLimited).insert_header("retry-after", "0"),
        // The last one again, and those after it.
        stream(sent(&all[2..6])),
        stream(sent(&all[6..])),
    ])
    .await;
    let mut boards = client(&server).follow_rates(None);
    for board in &all {
        let followed = boards.try_next().await.unwrap().unwrap();
        assert_eq!((followed.board.board(), followed.jws), (board, signed(board)));
    }
    // The script has ended: refused for good, and told at once.
    let refused = boards.try_next().await.unwrap_err();
    assert_eq!(refused.code(), Some(ProblemCode::KeyScope));
    let asked = server.received_requests().await.unwrap();
    let streams = asked.iter().filter(|request| request.url.path() == "/v1/rates/stream");
    let after: Vec<Option<&str>> = streams
        .map(|request| {
            let field = |name| request.headers.get(name).map(|value| value.to_str().unwrap());
            let id = field("last-event-id");
            let covered = field("signature-input").unwrap().contains("\"last-event-id\"");
            assert_eq!(covered, id.is_some(), "it is signed where it is sent");
            id
        })
        .collect();
    let some = |id: &'static str| Some(id);
    assert_eq!(
        after,
        [None, None, some("2"), some("3"), some("3"), some("3"), some("6"), some("7")]
    );
}

#[tokio::test]
async fn boards_that_a_stream_leaves_out_are_asked_for_by_number() {
    let all = history(6, None);
    let server = streams([stream(sent([&all[0], &all[3]])), stream(sent([&all[5]]))]).await;
    asked_for(&server, 2, [shown(&all[1])]).await;
    // Not to be had at first: what was had meanwhile is not lost, nor handed out twice.
    let unavailable = || refusal(ProblemCode::Unavailable);
    asked_for(&server, 3, [unavailable(), unavailable(), shown(&all[2])]).await;
    asked_for(&server, 5, [shown(&all[4])]).await;
    let mut boards = client(&server).follow_rates(None);
    for board in &all {
        assert_eq!(boards.try_next().await.unwrap().unwrap().board.board(), board);
    }
}

#[tokio::test]
async fn a_stream_goes_on_after_a_board_that_was_kept_and_has_to_follow_on_it() {
    let (all, others) = (history(3, None), history(3, Some(2)));
    let server = streams([stream(sent(&all[2..]))]).await;
    let mut boards = client(&server).follow_rates(Some(verified(&all[1])));
    assert_eq!(boards.try_next().await.unwrap().unwrap().board.board(), &all[2]);
    let first = &server.received_requests().await.unwrap()[0];
    assert_eq!(first.headers.get("last-event-id").unwrap(), "2");

    let server = streams([stream(sent(&all[2..]))]).await;
    let mut boards = client(&server).follow_rates(Some(verified(&others[1])));
    let Error::Fork(evidence) = boards.try_next().await.unwrap_err() else { panic!("missed") };
    let expected = ForkEvidence::Board {
        number: 3,
        seen_number: 2,
        seen: *verified(&others[1]).hash(),
        seen_jws: None,
        jws: signed(&all[2]),
    };
    assert_eq!((&*evidence, evidence.corridor()), (&expected, None));
}

#[tokio::test]
async fn a_board_of_another_history_ends_the_stream_with_both() {
    let (all, others) = (history(4, None), history(4, Some(2)));
    // In the place of the last, as the next, and among those that were missing.
    for (text, number) in [
        (sent([&all[0], &all[1], &others[1]]), 2),
        (sent([&all[0], &all[1], &others[2]]), 3),
        (sent([&all[0], &all[1], &all[3]]), 3),
    ] {
        let server = streams([stream(text)]).await;
        asked_for(&server, 3, [shown(&others[2])]).await;
        let mut boards = client(&server).follow_rates(None);
        for board in &all[..2] {
            assert_eq!(boards.try_next().await.unwrap().unwrap().board.board(), board);
        }
        let error = boards.try_next().await.unwrap_err();
        let Error::Fork(evidence) = &error else { panic!("{error:?}") };
        let other = usize::try_from(number - 1).unwrap();
        let expected = ForkEvidence::Board {
            number,
            seen_number: 2,
            seen: *verified(&all[1]).hash(),
            seen_jws: Some(signed(&all[1])),
            jws: signed(&others[other]),
        };
        assert_eq!(**evidence, expected);
        assert!(boards.try_next().await.unwrap().is_none(), "it has ended");
    }
}

#[tokio::test]
async fn what_is_no_board_or_does_not_verify_is_an_error() {
    let all = history(3, None);
    let mut raised = all[1].clone();
    raised.values[0].value = decimal("0.06");
    let strangers = jws::sign(JwsType::Board, &all[1].payload(), &partner_key());
    let strange = sent([&all[1]]).replace(&signed(&all[1]), &strangers);
    let renumbered = sent([&all[1]]).replace("\"board\":2", "\"board\":3");
    for text in [sent([&raised]), strange, renumbered] {
        let server = streams([stream(text.clone())]).await;
        let wrong = client(&server).follow_rates(None).try_next().await.unwrap_err();
        assert!(matches!(wrong, Error::Verification(_)), "{text}: {wrong:?}");
    }
    for text in ["data: {}\n\n".to_owned(), sent([&all[1], &all[0]])] {
        let server = streams([stream(text.clone())]).await;
        let mut boards = client(&server).follow_rates(None);
        let wrong = loop {
            match boards.try_next().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("it ended well"),
                Err(error) => break error,
            }
        };
        let form = |source: &DecodeError| matches!(source, DecodeError::Form(_));
        let json = |source: &DecodeError| matches!(source, DecodeError::Json(_));
        let said = matches!(&wrong, Error::Decode { source, .. } if form(source) || json(source));
        assert!(said, "{text}: {wrong:?}");
    }
    // Without a pinned root key nothing can be verified, and nothing is handed out.
    let server = streams([stream(sent([&all[0]]))]).await;
    let unpinned =
        Client::builder(&server.uri()).partner("aurora-air").key(partner_key()).build().unwrap();
    let wrong = unpinned.follow_rates(None).try_next().await.unwrap_err();
    assert!(matches!(wrong, Error::Config(ConfigError::NoRoot)), "{wrong:?}");
}
