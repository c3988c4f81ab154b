//! The scripted cases: brands that conform pass them all, a brand with one fault fails the cases
//! that are about it, and no others.

use std::sync::Arc;
use std::time::Duration;

use alliance_partner_sdk::client::SystemClock;
use alliance_partner_sdk::conformance::{Target, cases, run};
use alliance_partner_sdk::connector::{Service, SqliteStore};
use alliance_partner_sdk::contracts as c;
use c::conformance::{CaseOutcome, ConformanceReport};
use c::jws::{self, JwsType};

use super::brand::example;
use super::double::{Double, Wrong};
use super::gateway::{brand_key, gateway_key};
use super::stores::Folder;

fn target(connector: String) -> Target {
    Target {
        brand_key: brand_key().public_key().clone(),
        connector,
        counterparty: "aurora-air".parse().unwrap(),
        currency: "CNY".parse().unwrap(),
        frozen: Some("B-99".parse().unwrap()),
        item: Some("latte".parse().unwrap()),
        key: Arc::new(gateway_key()),
        member: "B-77".parse().unwrap(),
        patience: Duration::from_secs(30),
        program: "borealis".parse().unwrap(),
        restart: Some(Arc::new(|| Ok(()))),
    }
}

async fn tried(target: &Target) -> ConformanceReport {
    run(target, SystemClock, |_, _| {}).await.unwrap()
}

fn ended(report: &ConformanceReport, outcome: CaseOutcome) -> Vec<(&str, &str)> {
    let cases = report.cases.iter().filter(|case| case.outcome == outcome);
    cases.map(|case| (case.name.as_str(), case.detail.as_str())).collect()
}

fn passes(report: &ConformanceReport) {
    assert_eq!(ended(report, CaseOutcome::Failed), []);
    assert_eq!(ended(report, CaseOutcome::NotTried), []);
    assert_eq!(report.passed as usize, cases().len());
}

#[tokio::test]
async fn the_example_brand_passes_every_case() {
    use actix_web::{App, HttpServer, web};
    let folder = Folder::new("conformance");
    let store = SqliteStore::open(example::database(&folder.0).await.unwrap()).await.unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let name = listener.local_addr().unwrap().to_string();
    let builder = Service::builder(example::Brand, store).key(brand_key()).public_name(&name);
    let service = builder.trust_only(gateway_key().public_key().clone()).build().unwrap();
    let app = move || App::new().service(web::scope("/alliance").configure(service.routes()));
    let server = HttpServer::new(app).workers(2).listen(listener).unwrap();
    tokio::spawn(server.disable_signals().run());
    passes(&tried(&target(format!("http://{name}/alliance"))).await);
}

#[tokio::test]
async fn a_brand_written_without_the_sdk_passes_every_case() {
    let (_double, address) = Double::open(Wrong::Nothing);
    passes(&tried(&target(address)).await);
}

/// With this fault exactly these cases fail.
async fn fails(wrong: Wrong, wanted: &[&str]) {
    let failed = failed_with(wrong).await;
    let names: Vec<&str> = failed.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, wanted, "{wrong:?}: {failed:?}");
}

/// The cases that fail with this fault, and why.
async fn failed_with(wrong: Wrong) -> Vec<(String, String)> {
    let (double, address) = Double::open(wrong);
    let mut target = target(address);
    target.restart = Some(Arc::new(move || {
        double.restart();
        Ok(())
    }));
    let report = tried(&target).await;
    let failed = ended(&report, CaseOutcome::Failed);
    assert!(failed.iter().all(|(_, why)| !why.is_empty() && !why.contains("B-77")), "{failed:?}");
    failed.into_iter().map(|(name, why)| (name.to_owned(), why.to_owned())).collect()
}

/// Also a caller that hangs up and comes again meets itself, where its first call had arrived.
#[tokio::test]
async fn a_brand_that_looks_before_it_leaps() {
    let failed = failed_with(Wrong::LooksBeforeItLeaps).await;
    let certain = "calls_at_once_have_one_effect";
    assert!(failed.iter().any(|(name, _)| name == certain), "{failed:?}");
    let possible = [certain, "a_call_without_its_caller_is_whole"];
    assert!(failed.iter().all(|(name, _)| possible.contains(&name.as_str())), "{failed:?}");
}

macro_rules! faults {
    ($($name:ident: $wrong:ident fails [$($case:ident),*];)*) => {$(
        #[tokio::test]
        async fn $name() {
            fails(Wrong::$wrong, &[$(stringify!($case)),*]).await;
        }
    )*};
}

faults! {
    a_brand_that_accepts_any_signer: AcceptsAnySigner fails [a_strangers_call_is_refused];
    a_brand_that_accepts_any_age: AcceptsAnyAge fails [
        an_old_call_is_refused, a_call_of_the_future_is_refused, an_expired_call_is_refused];
    a_brand_that_accepts_any_host: AcceptsAnyHost fails [a_call_for_another_host_is_refused];
    a_brand_that_ignores_the_digest: IgnoresTheDigest fails [an_altered_body_is_refused];
    a_brand_whose_answers_are_unsigned: AnswersUnsigned fails [a_question_is_answered_signed];
    a_brand_whose_answers_are_bound_to_nothing: SignsForAnotherCall fails [
        a_question_is_answered_signed];
    a_brand_that_holds_nothing: HoldsNothing fails [reserved_points_are_held];
    a_brand_that_releases_nothing: ReleasesNothing fails [released_points_are_back];
    a_brand_that_captures_what_was_taken_already: CapturesTwice fails [
        captured_points_are_gone, a_repeated_call_has_one_effect,
        a_gateway_crash_between_reserve_and_capture_is_mended,
        a_brand_crash_between_reserve_and_capture_is_mended, points_are_given_back_in_parts];
    a_brand_that_gives_too_few: CreditsTooFew fails [
        credited_points_arrive, a_refusal_is_final, a_repeated_call_has_one_effect,
        calls_at_once_have_one_effect, a_key_with_another_body_is_refused,
        a_call_without_its_caller_is_whole, points_are_given_back_in_parts];
    a_brand_that_captures_what_was_released: CapturesWhatWasReleased fails [a_hold_ends_once];
    a_brand_that_overdraws: Overdraws fails [
        reserved_points_are_held, too_many_points_are_refused];
    a_brand_that_knows_everybody: KnowsEverybody fails [an_unknown_member_is_refused];
    a_brand_that_decides_refused_calls_anew: MakesRefusalsAnew fails [
        a_refusal_is_final, a_refused_call_is_told];
    a_brand_that_takes_anything: TakesAnything fails [a_malformed_call_is_refused];
    a_brand_that_answers_repetitions_anew: AnswersRepetitionsAnew fails [
        a_repeated_call_is_answered_alike, calls_at_once_have_one_effect,
        a_key_with_another_body_is_refused, a_brand_crash_between_reserve_and_capture_is_mended];
    a_brand_that_repeats_the_effect: RepeatsTheEffect fails [
        a_repeated_call_has_one_effect, calls_at_once_have_one_effect,
        a_key_with_another_body_is_refused, a_call_without_its_caller_is_whole,
        a_brand_crash_between_reserve_and_capture_is_mended, a_benefit_is_taken_back_in_parts];
    a_brand_that_ignores_the_body: IgnoresTheBody fails [a_key_with_another_body_is_refused];
    a_brand_that_knows_no_keys: KnowsNoKeys fails [
        a_done_call_is_told, a_refused_call_is_told,
        a_gateway_crash_between_reserve_and_capture_is_mended,
        a_brand_crash_between_reserve_and_capture_is_mended];
    a_brand_that_says_done_of_everything: SaysDoneOfEverything fails [an_unseen_key_is_unknown];
    a_brand_that_tells_only_the_state: TellsOnlyTheState fails [
        a_done_call_is_told, a_refused_call_is_told,
        a_gateway_crash_between_reserve_and_capture_is_mended,
        a_brand_crash_between_reserve_and_capture_is_mended];
    a_brand_that_forgets_when_it_is_killed: ForgetsWhenKilled fails [
        a_brand_crash_between_reserve_and_capture_is_mended];
    a_brand_that_refuses_reversals: RefusesReversals fails [points_are_given_back_in_parts];
    a_brand_that_cancels_only_the_whole: CancelsOnlyWhole fails [
        a_benefit_is_taken_back_in_parts];
    a_brand_that_cancels_more_than_it_gave: CancelsMoreThanWasGiven fails [
        more_than_was_given_is_not_taken_back];
}

#[tokio::test]
async fn what_was_not_given_is_not_tried_and_does_not_count_as_passed() {
    let (_double, address) = Double::open(Wrong::Nothing);
    let target = Target { frozen: None, item: None, restart: None, ..target(address) };
    let report = tried(&target).await;
    let names: Vec<_> =
        ended(&report, CaseOutcome::NotTried).iter().map(|(name, _)| *name).collect();
    let wanted = [
        "a_frozen_member_is_refused",
        "a_brand_crash_between_reserve_and_capture_is_mended",
        "a_benefit_is_taken_back_in_parts",
        "more_than_was_given_is_not_taken_back",
    ];
    assert_eq!(names, wanted);
    assert_eq!((report.failed, report.not_tried), (0, 4));
}

#[tokio::test]
async fn a_report_is_signed_over_its_canonical_form() {
    let silent = "http://127.0.0.1:1/alliance".to_owned();
    let report = tried(&target(silent)).await;
    assert_eq!((report.passed, report.failed), (0, 1));
    let parsed = jws::parse(&report.sign(&gateway_key())).unwrap();
    parsed.verify(JwsType::Conformance, gateway_key().public_key()).unwrap();
    assert_eq!(parsed.payload, c::json::canonical(&report));
    assert_eq!(c::json::read::<ConformanceReport>(&parsed.payload).unwrap(), report);
}
