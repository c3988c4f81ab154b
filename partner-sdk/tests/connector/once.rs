//! One effect per key, and one answer: for every store alike.

use std::sync::atomic::Ordering;

use alliance_partner_sdk::contracts::connector::{Operation, OperationState, Step};
use serde_json::json;

use super::gateway::{ask, call, operation, reserve, reserve_call, transaction};
use super::shop::{Counting, Shop};

pub async fn a_repeated_call_has_one_effect_and_is_answered_alike<S: Counting>(store: S) {
    let service = Shop::new().open(store.clone());
    let first = ask(&service, reserve(transaction(1), "A-1", "10")).await;
    assert_eq!((first.status, first.replayed), (200, false));
    assert_eq!(first.body, json!({"reservation": format!("hold-{}", transaction(1))}));
    for _ in 0..3 {
        let again = ask(&service, reserve(transaction(1), "A-1", "10")).await;
        assert_eq!((again.status, again.replayed), (200, true));
        assert_eq!(again.body, first.body);
    }
    assert_eq!(store.counted().await, 1);
    // Another transaction is another call.
    ask(&service, reserve(transaction(2), "A-1", "10")).await;
    assert_eq!(store.counted().await, 2);
}

pub async fn a_key_with_another_body_is_refused_and_changes_nothing<S: Counting>(store: S) {
    let service = Shop::new().open(store.clone());
    let first = ask(&service, reserve(transaction(1), "A-1", "10")).await;
    let other = ask(&service, reserve(transaction(1), "A-1", "11")).await;
    assert_eq!((other.status, &other.body["code"]), (409, &json!("idempotency_mismatch")));
    let again = ask(&service, reserve(transaction(1), "A-1", "10")).await;
    assert_eq!(again.body, first.body);
    assert_eq!(store.counted().await, 1);
}

pub async fn a_refusal_is_kept_and_what_was_written_is_taken_back<S: Counting>(store: S) {
    let service = Shop::new().open(store.clone());
    for member in ["poor", "refused-after-a-bad-statement"] {
        let id = transaction(if member == "poor" { 1 } else { 2 });
        let first = ask(&service, reserve(id, member, "10")).await;
        let again = ask(&service, reserve(id, member, "10")).await;
        assert!((400..500).contains(&first.status), "{first:?}");
        assert_eq!((again.status, again.replayed), (first.status, true), "{member}");
        assert_eq!(again.body, first.body);
        let key = format!("{id}.reserve");
        let wanted = Operation {
            body: Some(first.body),
            state: OperationState::Refused,
            status: Some(first.status),
        };
        assert_eq!(operation(&service, &key).await, wanted);
    }
    assert_eq!(store.counted().await, 0);
}

pub async fn a_failure_or_a_panic_keeps_nothing_and_the_repetition_decides<S: Counting>(store: S) {
    for (number, member) in [(1, "fails"), (2, "panics"), (3, "bad-statement")] {
        let shop = Shop::new();
        let broken = shop.broken.clone();
        let service = shop.open(store.clone());
        let before = store.counted().await;
        let id = transaction(number);
        let failed = ask(&service, reserve(id, member, "10")).await;
        assert_eq!((failed.status, &failed.body["code"]), (503, &json!("unavailable")), "{member}");
        assert_eq!(operation(&service, &format!("{id}.reserve")).await, Operation::unknown());
        assert_eq!(store.counted().await, before);
        broken.store(false, Ordering::Relaxed);
        let decided = ask(&service, reserve(id, member, "10")).await;
        assert_eq!((decided.status, decided.replayed), (200, false), "{member}");
        assert_eq!(store.counted().await, before + 1);
    }
}

pub async fn many_repetitions_at_once_have_one_effect<S: Counting>(store: S) {
    let service = Shop::new().open(store.clone());
    let all = (0..20).map(|_| ask(&service, reserve(transaction(1), "A-1", "10")));
    let heard = futures_util::future::join_all(all).await;
    assert!(heard.iter().all(|one| one.status == 200 && one.body == heard[0].body), "{heard:?}");
    assert_eq!(heard.iter().filter(|one| !one.replayed).count(), 1);
    assert_eq!(store.counted().await, 1);
}

pub async fn what_is_not_committed_is_unknown_and_then_done<S: Counting>(store: S, waits: bool) {
    let shop = Shop::new();
    let gate = shop.gate.clone();
    let service = shop.open(store.clone());
    let key = format!("{}.reserve", transaction(1));
    let first = tokio::spawn({
        let service = service.clone();
        async move { ask(&service, reserve(transaction(1), "waits", "10")).await }
    });
    gate.reached.notified().await;
    // A store that can be read meanwhile says what is committed: nothing.
    if !waits {
        assert_eq!(operation(&service, &key).await, Operation::unknown());
    }
    gate.go.notify_one();
    let heard = first.await.unwrap();
    let wanted =
        Operation { body: Some(heard.body), state: OperationState::Done, status: Some(200) };
    assert_eq!(operation(&service, &key).await, wanted);
}

pub async fn a_call_is_finished_when_the_caller_hangs_up<S: Counting>(store: S) {
    let shop = Shop::new();
    let gate = shop.gate.clone();
    let service = shop.open(store.clone());
    let body = reserve_call(transaction(1), "waits", "10");
    let hung_up = tokio::spawn({
        let (service, body) = (service.clone(), body.clone());
        async move { service.answer(call(Step::Reserve, transaction(1), &body)).await }
    });
    gate.reached.notified().await;
    hung_up.abort();
    assert!(hung_up.await.unwrap_err().is_cancelled());
    gate.go.notify_one();
    // The repetition waits for the first call's end, and is given its answer.
    let again = ask(&service, call(Step::Reserve, transaction(1), &body)).await;
    assert_eq!((again.status, again.replayed), (200, true));
    assert_eq!(store.counted().await, 1);
}
