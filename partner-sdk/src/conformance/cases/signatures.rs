//! Who is listened to. A call that is not the gateway's is refused with 401; whether it had an
//! effect all the same is seen by the cases that count points.

use alliance_contracts::connector::{Operation, OperationKey, Step};
use alliance_contracts::content_digest::content_digest;
use alliance_contracts::http_signature::{Tag, required_components};

use super::{Ended, twice_as_many};
use crate::conformance::call::{Signed, Signing};
use crate::conformance::world::{World, failed};

pub async fn a_question_is_answered_signed(world: &mut World<'_>) -> Ended {
    let key = OperationKey { transaction: world.caller.draw(), step: Step::Reserve };
    // What it says of the key is another case's.
    world.operation(&key).await.map(|_: Operation| ())
}

/// Sends a reserve that is signed so, and altered so; it must be 401.
async fn is_refused(
    world: &mut World<'_>,
    signing: Signing,
    alter: impl FnOnce(&mut Signed),
) -> Ended {
    let call = world.reserve(1);
    let mut signed = world.caller.sign(&call.key, &call.body, &signing)?;
    alter(&mut signed);
    match world.caller.status_of(&signed).await? {
        401 => Ok(()),
        status => failed(format!("wanted 401, answered {status}")),
    }
}

pub async fn a_strangers_call_is_refused(world: &mut World<'_>) -> Ended {
    is_refused(world, Signing { foreign: true, ..Signing::default() }, |_| {}).await
}

pub async fn an_old_call_is_refused(world: &mut World<'_>) -> Ended {
    is_refused(world, Signing { created: -330, ..Signing::default() }, |_| {}).await
}

pub async fn a_call_of_the_future_is_refused(world: &mut World<'_>) -> Ended {
    is_refused(world, Signing { created: 90, ..Signing::default() }, |_| {}).await
}

pub async fn an_expired_call_is_refused(world: &mut World<'_>) -> Ended {
    let signing = Signing { created: -60, expires: Some(-30), ..Signing::default() };
    is_refused(world, signing, |_| {}).await
}

pub async fn a_call_for_another_host_is_refused(world: &mut World<'_>) -> Ended {
    let authority = Some("another-host.example".to_owned());
    is_refused(world, Signing { authority, ..Signing::default() }, |_| {}).await
}

pub async fn a_call_for_another_route_is_refused(world: &mut World<'_>) -> Ended {
    is_refused(world, Signing::default(), |call| {
        let path = call.url.path().trim_end_matches(Step::Reserve.as_str()).to_owned();
        call.url.set_path(&format!("{path}{}", Step::Credit));
    })
    .await
}

pub async fn an_altered_body_is_refused(world: &mut World<'_>) -> Ended {
    // As large and as well-formed as before.
    is_refused(world, Signing::default(), |call| call.body = twice_as_many(&call.body)).await
}

pub async fn an_altered_digest_is_refused(world: &mut World<'_>) -> Ended {
    is_refused(world, Signing::default(), |call| {
        call.body = twice_as_many(&call.body);
        let digest = content_digest(&call.body);
        call.set("content-digest", digest.as_bytes());
    })
    .await
}

pub async fn an_altered_key_is_refused(world: &mut World<'_>) -> Ended {
    let other = OperationKey { transaction: world.caller.draw(), step: Step::Reserve }.to_string();
    is_refused(world, Signing::default(), |call| call.set("idempotency-key", other.as_bytes()))
        .await
}

pub async fn an_incomplete_signature_is_refused(world: &mut World<'_>) -> Ended {
    for left_out in required_components("POST") {
        let components = required_components("POST").iter().copied();
        let components = Some(components.filter(|name| name != left_out).collect());
        let signing = Signing { components, ..Signing::default() };
        let refused = is_refused(world, signing, |_| {}).await;
        refused.map_err(|verdict| verdict.about(&format!("without {left_out}")))?;
    }
    Ok(())
}

pub async fn a_partners_tag_is_refused(world: &mut World<'_>) -> Ended {
    is_refused(world, Signing { tag: Some(Tag::Request), ..Signing::default() }, |_| {}).await
}

pub async fn every_good_signature_is_accepted(world: &mut World<'_>) -> Ended {
    let backwards: Vec<&'static str> = required_components("POST").iter().rev().copied().collect();
    let ways = [
        ("in another order", Signing { components: Some(backwards), ..Signing::default() }),
        ("with expires", Signing { expires: Some(60), ..Signing::default() }),
        ("with a nonce", Signing { nonce: Some("n-1"), ..Signing::default() }),
        ("a minute ago", Signing { created: -60, ..Signing::default() }),
    ];
    for (way, signing) in ways {
        // A refusal that changes nothing: who is listened to is told so.
        let call = world.credit_to(&world.target.member, 0);
        let signed = world.caller.sign(&call.key, &call.body, &signing)?;
        let heard = world.caller.send(&signed).await?;
        if heard.status == 401 {
            return failed(format!("a call signed {way} is 401"));
        }
    }
    Ok(())
}
