//! The cases, chapter by chapter, in the order in which they are tried. A case's name is part of
//! the report's format; what it wants is said to people.

mod doubt;
mod once;
mod points;
mod refusals;
mod reversals;
mod signatures;

use futures_util::future::LocalBoxFuture;

use super::world::{Verdict, World};

/// How a case ends.
type Ended = Result<(), Verdict>;

/// A scripted case.
pub struct Case {
    pub name: &'static str,
    pub what: &'static str,
    pub run: for<'w, 'a> fn(&'w mut World<'a>) -> LocalBoxFuture<'w, Ended>,
}

/// The body with two points in the place of one.
fn twice_as_many(body: &[u8]) -> Vec<u8> {
    String::from_utf8_lossy(body).replace("\"amount\":\"1\"", "\"amount\":\"2\"").into_bytes()
}

macro_rules! cases {
    ($($chapter:ident::$name:ident: $what:literal,)*) => {
        /// Every case.
        pub const ALL: &[Case] = &[$(Case {
            name: stringify!($name),
            what: $what,
            run: |world| Box::pin($chapter::$name(world)),
        },)*];
    };
}

cases! {
    signatures::a_question_is_answered_signed:
        "an answer is signed by the brand, and bound to the call",
    signatures::a_strangers_call_is_refused: "a call under another key than the gateway's is 401",
    signatures::an_old_call_is_refused: "a call signed more than 300 s ago is 401",
    signatures::a_call_of_the_future_is_refused: "a call signed more than 60 s ahead is 401",
    signatures::an_expired_call_is_refused: "a call past its own expires is 401",
    signatures::a_call_for_another_host_is_refused: "a call signed for another host is 401",
    signatures::a_call_for_another_route_is_refused: "a call sent to another route is 401",
    signatures::an_altered_body_is_refused: "a body that is not the digest's is 401",
    signatures::an_altered_digest_is_refused: "a digest that is not the signature's is 401",
    signatures::an_altered_key_is_refused: "an Idempotency-Key that is not the signature's is 401",
    signatures::an_incomplete_signature_is_refused: "a signature that covers too little is 401",
    signatures::a_partners_tag_is_refused: "a signature with a partner's tag is 401",
    signatures::every_good_signature_is_accepted: "components in any order, expires and nonce",
    points::reserved_points_are_held: "what is reserved cannot be reserved again",
    points::released_points_are_back: "release gives back what was held, and no more",
    points::captured_points_are_gone: "capture takes what was held, and no more",
    points::credited_points_arrive: "credit gives the points",
    points::a_hold_ends_once: "what was released cannot be captured",
    refusals::too_many_points_are_refused: "409 insufficient_points",
    refusals::an_unknown_member_is_refused: "404 member_unknown, by reserve and by credit",
    refusals::a_frozen_member_is_refused: "423 member_frozen, by reserve; by credit, that or 200",
    refusals::a_refusal_is_final: "a refused call stays refused, whatever has changed",
    refusals::a_malformed_call_is_refused: "a body that is none is refused",
    once::a_repeated_call_is_answered_alike: "status and body are those of the first answer",
    once::a_repeated_call_has_one_effect: "reserve, capture, release and credit, each repeated",
    once::calls_at_once_have_one_effect: "one call eight times at once",
    once::a_key_with_another_body_is_refused: "409 idempotency_mismatch, and nothing moves",
    doubt::an_unseen_key_is_unknown: "operations/{key} of a call that never came",
    doubt::a_done_call_is_told: "operations/{key} says done, with the answer's own body",
    doubt::a_refused_call_is_told: "operations/{key} says refused, with status and body",
    doubt::a_call_without_its_caller_is_whole: "the caller hangs up, asks, and repeats",
    doubt::a_gateway_crash_between_reserve_and_capture_is_mended:
        "a gateway that knows only the key finds the reservation, and captures it",
    doubt::a_brand_crash_between_reserve_and_capture_is_mended:
        "the connector is killed and started again in between",
    reversals::points_are_given_back_in_parts: "reserve and capture of a reversal, twice",
    reversals::a_benefit_is_taken_back_in_parts: "cancel, twice, each repeated",
    reversals::more_than_was_given_is_not_taken_back: "409 not_cancellable",
}
