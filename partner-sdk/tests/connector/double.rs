//! A brand written without the SDK, from the protocol alone, which can be told to do one thing
//! wrong. With no fault it is a second implementation that conforms.

use std::collections::HashMap;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use alliance_partner_sdk::contracts as c;
use c::connector::{
    CancelCall, CaptureCall, CreditCall, Credited, Done, Gift, Operation, OperationKey,
    OperationState, Refusal, RefusalCode, ReleaseCall, ReserveCall, Reserved, Step,
};
use c::content_digest::{content_digest, verify_content_digest};
use c::encoding::Hash;
use c::http_signature::{
    HeaderList, Headers, HttpSignatureError, RequestBinding, RequestView, ResponseView, Tag,
    label_and_signature, parse_request, sign_response,
};
use c::json;
use c::time::Timestamp;

use super::gateway::{brand_key, gateway_key};

/// What it does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    Nothing,
    AcceptsAnySigner,
    AcceptsAnyAge,
    AcceptsAnyHost,
    IgnoresTheDigest,
    AnswersUnsigned,
    SignsForAnotherCall,
    HoldsNothing,
    ReleasesNothing,
    CapturesTwice,
    CreditsTooFew,
    CapturesWhatWasReleased,
    Overdraws,
    KnowsEverybody,
    MakesRefusalsAnew,
    TakesAnything,
    AnswersRepetitionsAnew,
    RepeatsTheEffect,
    LooksBeforeItLeaps,
    IgnoresTheBody,
    KnowsNoKeys,
    SaysDoneOfEverything,
    TellsOnlyTheState,
    ForgetsWhenKilled,
    RefusesReversals,
    CancelsOnlyWhole,
    CancelsMoreThanWasGiven,
}

#[derive(Default)]
struct Books {
    operations: HashMap<OperationKey, (Hash, u16, Vec<u8>)>,
    balances: HashMap<String, i64>,
    /// Member and points; none when it has ended, then whether it was released.
    holds: HashMap<String, (String, i64, Option<bool>)>,
    /// Paid, taken back; in millionths.
    benefits: HashMap<String, (i64, i64)>,
    drawn: u32,
}

pub struct Double {
    books: Mutex<Books>,
    name: String,
    wrong: Wrong,
}

impl Double {
    /// Opens it; where it is.
    pub fn open(wrong: Wrong) -> (Arc<Self>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let name = listener.local_addr().unwrap().to_string();
        let balances = [("B-77".to_owned(), 1_000), ("B-99".to_owned(), 300)];
        let books = Books { balances: balances.into(), ..Books::default() };
        let double = Arc::new(Self { books: Mutex::new(books), name: name.clone(), wrong });
        let shared = Arc::clone(&double);
        let app = move || {
            let double = Arc::clone(&shared);
            App::new().default_service(web::to(move |http: HttpRequest, body: web::Bytes| {
                let double = Arc::clone(&double);
                async move { double.answer(&http, &body).await }
            }))
        };
        // Calls at once are worked on at once.
        let server = HttpServer::new(app).workers(2).listen(listener).unwrap();
        tokio::spawn(server.disable_signals().run());
        (double, format!("http://{name}/alliance"))
    }

    /// As if it were killed and started again.
    pub fn restart(&self) {
        if self.wrong == Wrong::ForgetsWhenKilled {
            self.books.lock().unwrap().operations.clear();
        }
    }

    async fn answer(&self, http: &HttpRequest, body: &[u8]) -> HttpResponse {
        let mut headers = HeaderList::default();
        for (name, value) in http.headers() {
            headers.push(name.as_str(), value.as_bytes());
        }
        let authority = match self.wrong {
            Wrong::AcceptsAnyHost => "another-host.example",
            _ => &self.name,
        };
        let view = |authority| RequestView {
            method: http.method().as_str(),
            authority,
            path: http.uri().path(),
            query: http.uri().query(),
            headers: &headers,
        };
        let now = now();
        let mut listened = self.listens_to(&view(&self.name), body, now);
        if listened.is_err() && self.wrong == Wrong::AcceptsAnyHost {
            listened = self.listens_to(&view(authority), body, now);
        }
        let (status, text) = match listened {
            Ok(()) => self.decide(http.uri().path(), &headers, body).await,
            Err(code) => (401, format!("{{\"code\":\"{code}\"}}").into_bytes()),
        };
        let mut response = HttpResponse::build(StatusCode::from_u16(status).unwrap());
        let mut fields = HeaderList::default();
        fields.push("content-type", b"application/json");
        fields.push("content-digest", content_digest(&text).as_bytes());
        let signed = label_and_signature(&headers, Tag::Callback)
            .filter(|_| self.wrong != Wrong::AnswersUnsigned);
        if let Some((label, mut signature)) = signed {
            if self.wrong == Wrong::SignsForAnotherCall {
                signature[0] ^= 1;
            }
            let binding =
                RequestBinding { view: view(&self.name), label: &label, signature: &signature };
            let made = ResponseView { status, headers: &fields };
            let tag = Tag::CallbackResponse;
            if let Ok(made) = sign_response(&made, &binding, tag, now, &brand_key()) {
                response.insert_header(("signature-input", made.signature_input));
                response.insert_header(("signature", made.signature));
            }
        }
        for (name, value) in &fields.0 {
            response.insert_header((name.as_str(), value.as_slice()));
        }
        response.body(text)
    }

    fn listens_to(
        &self,
        view: &RequestView<'_>,
        body: &[u8],
        now: Timestamp,
    ) -> Result<(), &'static str> {
        let mut signed = parse_request(view, Tag::Callback, now);
        if self.wrong == Wrong::AcceptsAnyAge {
            for seconds in [-330, -60, 90] {
                let then = now.plus_seconds(seconds);
                signed = signed.or_else(|error| match error {
                    HttpSignatureError::Expired => parse_request(view, Tag::Callback, then),
                    other => Err(other),
                });
            }
        }
        let signed = signed.map_err(|_| "signature_invalid")?;
        if self.wrong != Wrong::AcceptsAnySigner || signed.kid == *gateway_key().kid() {
            signed.verify(gateway_key().public_key()).map_err(|_| "signature_invalid")?;
        }
        if view.method == "POST" && self.wrong != Wrong::IgnoresTheDigest {
            verify_content_digest(&view.headers.values("content-digest"), body)
                .map_err(|_| "signature_invalid")?;
        }
        Ok(())
    }

    async fn decide(&self, path: &str, headers: &HeaderList, body: &[u8]) -> (u16, Vec<u8>) {
        let last = path.rsplit('/').next().unwrap();
        let Some(step) = Step::from_stored(last) else {
            return (200, json::canonical(&self.operation(last)));
        };
        let key = std::str::from_utf8(headers.values("idempotency-key")[0]).unwrap();
        let key: OperationKey = key.parse().unwrap();
        let known = self.known(&key, body);
        if let Some((status, text)) = known {
            return (status, text);
        }
        if self.wrong == Wrong::LooksBeforeItLeaps && step == Step::Credit {
            // Everybody else looks meanwhile, and finds nothing either.
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let mut books = self.books.lock().unwrap();
        // The lock was let go of: somebody may have been faster.
        if let (Some((_, status, text)), false) =
            (books.operations.get(&key), self.repeats(&books, &key))
        {
            return (*status, text.clone());
        }
        let (status, text) = match self.perform(&mut books, step, body) {
            Ok(text) => (200, text),
            Err(code) => (code.status(), json::canonical(&Refusal::new(code, ""))),
        };
        let forgets = status != 200 && self.wrong == Wrong::MakesRefusalsAnew;
        if !forgets {
            let first = (Hash::of(body), status, text.clone());
            books.operations.entry(key).or_insert(first);
        }
        (status, text)
    }

    fn repeats(&self, books: &Books, key: &OperationKey) -> bool {
        match self.wrong {
            Wrong::LooksBeforeItLeaps => true,
            Wrong::RepeatsTheEffect => books.operations.contains_key(key),
            _ => false,
        }
    }

    fn known(&self, key: &OperationKey, body: &[u8]) -> Option<(u16, Vec<u8>)> {
        let mut books = self.books.lock().unwrap();
        let (request, status, text) = books.operations.get(key)?.clone();
        if request != Hash::of(body) && self.wrong != Wrong::IgnoresTheBody {
            let code = RefusalCode::IdempotencyMismatch;
            return Some((code.status(), json::canonical(&Refusal::new(code, ""))));
        }
        match self.wrong {
            // Done once more, and told as at first.
            Wrong::RepeatsTheEffect if status == 200 => {
                let _ = self.perform(&mut books, key.step, body);
                Some((status, text))
            }
            Wrong::AnswersRepetitionsAnew if status == 200 => {
                books.drawn += 1;
                let name = format!("again-{}", books.drawn);
                let text = String::from_utf8(text).unwrap();
                Some((200, text.replace("hold-", &name).replace("gift-", &name).into_bytes()))
            }
            _ => Some((status, text)),
        }
    }

    fn operation(&self, key: &str) -> Operation {
        let key: OperationKey = key.parse().unwrap();
        let books = self.books.lock().unwrap();
        let known = books.operations.get(&key).filter(|_| self.wrong != Wrong::KnowsNoKeys);
        match known {
            None if self.wrong == Wrong::SaysDoneOfEverything => Operation {
                body: Some(serde_json::json!({})),
                state: OperationState::Done,
                status: Some(200),
            },
            None => Operation::unknown(),
            Some((_, status, text)) => {
                let state = match status {
                    200 => OperationState::Done,
                    _ => OperationState::Refused,
                };
                let body = serde_json::from_slice(text).ok();
                let body = body.filter(|_| self.wrong != Wrong::TellsOnlyTheState);
                Operation { body, state, status: Some(*status) }
            }
        }
    }

    fn perform(&self, books: &mut Books, step: Step, body: &[u8]) -> Result<Vec<u8>, RefusalCode> {
        match step {
            Step::Reserve => {
                let call = read::<ReserveCall>(body);
                if self.wrong == Wrong::TakesAnything && call.is_err() {
                    return Ok(b"{\"reservation\":\"nothing\"}".to_vec());
                }
                let call = call?;
                if self.wrong == Wrong::RefusesReversals && call.reverses.is_some() {
                    return Err(RefusalCode::Refused);
                }
                let (member, points) = (call.member.expose(), whole(call.amount));
                let balance = self.balance(books, member)?;
                if *balance < points && self.wrong != Wrong::Overdraws {
                    return Err(RefusalCode::InsufficientPoints);
                }
                if self.wrong != Wrong::HoldsNothing {
                    *balance -= points;
                }
                let name = format!("hold-{}", call.transaction);
                books.holds.insert(name.clone(), (member.to_owned(), points, None));
                Ok(json::canonical(&Reserved { reservation: name.parse().unwrap() }))
            }
            Step::Capture => {
                let call = read::<CaptureCall>(body)?;
                let (member, points) = self.end(books, call.reservation.as_str(), false)?;
                match self.wrong {
                    Wrong::CapturesTwice | Wrong::HoldsNothing => {
                        *self.balance(books, &member)? -= points;
                    }
                    _ => {}
                }
                Ok(json::canonical(&Done {}))
            }
            Step::Release => {
                let call = read::<ReleaseCall>(body)?;
                let (member, points) = self.end(books, call.reservation.as_str(), true)?;
                if !matches!(self.wrong, Wrong::ReleasesNothing | Wrong::HoldsNothing) {
                    *self.balance(books, &member)? += points;
                }
                Ok(json::canonical(&Done {}))
            }
            Step::Credit => {
                let call = read::<CreditCall>(body)?;
                let name = format!("gift-{}", call.transaction);
                match call.gift().ok_or(RefusalCode::Refused)? {
                    Gift::Points { member, .. } => {
                        let few = i64::from(self.wrong == Wrong::CreditsTooFew);
                        let points = whole(call.amount);
                        *self.balance(books, member.expose())? += (points - few).max(0);
                    }
                    Gift::Benefit(_) => {
                        books.benefits.insert(name.clone(), (call.amount.micros(), 0));
                    }
                }
                Ok(json::canonical(&Credited { reference: name.parse().unwrap() }))
            }
            Step::Cancel => {
                let call = read::<CancelCall>(body)?;
                let reference = call.reference.ok_or(RefusalCode::NotCancellable)?;
                let benefit = books.benefits.get_mut(reference.as_str());
                let (paid, back) = benefit.ok_or(RefusalCode::NotCancellable)?;
                let amount = call.amount.micros();
                let too_much = *back + amount > *paid;
                if self.wrong == Wrong::CancelsOnlyWhole && amount < *paid
                    || too_much && self.wrong != Wrong::CancelsMoreThanWasGiven
                {
                    return Err(RefusalCode::NotCancellable);
                }
                *back += amount;
                Ok(json::canonical(&Done {}))
            }
        }
    }

    fn balance<'b>(&self, books: &'b mut Books, member: &str) -> Result<&'b mut i64, RefusalCode> {
        if member == "B-99" {
            return Err(RefusalCode::MemberFrozen);
        }
        if self.wrong == Wrong::KnowsEverybody {
            return Ok(books.balances.entry(member.to_owned()).or_insert(100));
        }
        books.balances.get_mut(member).ok_or(RefusalCode::MemberUnknown)
    }

    fn end(
        &self,
        books: &mut Books,
        name: &str,
        release: bool,
    ) -> Result<(String, i64), RefusalCode> {
        let (member, points, ended) = books.holds.get_mut(name).ok_or(RefusalCode::Refused)?;
        let late = *ended == Some(true) && !release;
        if ended.is_some() && !(late && self.wrong == Wrong::CapturesWhatWasReleased) {
            return Err(RefusalCode::Refused);
        }
        *ended = Some(release);
        Ok((member.clone(), *points))
    }
}

fn read<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, RefusalCode> {
    json::read(body).map_err(|_| RefusalCode::Refused)
}

fn whole(amount: c::decimal::Decimal) -> i64 {
    amount.to_minor(0).unwrap()
}

fn now() -> Timestamp {
    use alliance_partner_sdk::client::{Clock, SystemClock};
    SystemClock.now()
}
