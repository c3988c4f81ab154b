//! One effect per key, and one answer.

use alliance_contracts::connector::RefusalCode;

use super::{Ended, twice_as_many};
use crate::conformance::call::Heard;
use crate::conformance::world::{Call, Verdict, World, failed, shown};

/// How often one call is made at once.
const AT_ONCE: usize = 8;

/// Every step that moves points, each for a hold of its own.
async fn steps(world: &mut World<'_>) -> Result<[Call; 4], Verdict> {
    let reserve = world.reserve(1);
    let (first, second) = (world.hold(1).await?, world.hold(1).await?);
    Ok([reserve, world.capture(&first), world.release(&second), world.credit(1)])
}

pub async fn a_repeated_call_is_answered_alike(world: &mut World<'_>) -> Ended {
    world.balance().await?;
    world.forget_balance();
    for call in steps(world).await? {
        let first = world.done(&call).await?;
        let again = world.answer(&call).await?;
        if again != first {
            let step = call.key.step;
            let again = shown(&again);
            return failed(format!("{step}: answered otherwise when it was repeated: {again}"));
        }
    }
    Ok(())
}

pub async fn a_repeated_call_has_one_effect(world: &mut World<'_>) -> Ended {
    let before = world.balance().await?;
    // Two are held to begin with. Each step is looked at by itself, so that none hides another.
    let calls = steps(world).await?;
    for (call, left) in calls.iter().zip([-3, -3, -2, -1]) {
        for _ in 0..3 {
            world.answer(call).await?;
        }
        let after = format!("after a {} was made three times", call.key.step);
        world.has(before + left, &after).await?;
    }
    Ok(())
}

pub async fn calls_at_once_have_one_effect(world: &mut World<'_>) -> Ended {
    let before = world.balance().await?;
    let credit = world.credit(1);
    let signed = world.sign(&credit)?;
    let heard: Vec<Heard> = {
        let all = world.caller.send_at_once(&signed, AT_ONCE).await;
        // One that is told to wait, or to ask again, has no answer yet.
        all.into_iter().filter_map(Result::ok).filter(|heard| heard.status == 200).collect()
    };
    let first = world.done(&credit).await?;
    if heard.iter().any(|other| *other != first) {
        return failed("credit: several calls at once were answered differently");
    }
    world.has(before + 1, "after one credit was sent eight times at once").await
}

pub async fn a_key_with_another_body_is_refused(world: &mut World<'_>) -> Ended {
    let before = world.balance().await?;
    let credit = world.credit(1);
    let first = world.done(&credit).await?;
    // Another amount for the same transaction.
    let other = Call { key: credit.key, body: twice_as_many(&credit.body) };
    world.refused(&other, RefusalCode::IdempotencyMismatch).await?;
    if world.answer(&credit).await? != first {
        return failed("credit: its answer has changed with the other call");
    }
    world.has(before + 1, "after a key was used again with another body").await
}
