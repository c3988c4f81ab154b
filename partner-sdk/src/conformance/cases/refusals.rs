//! What is refused, and how.

use alliance_contracts::connector::{OperationKey, RefusalCode, Step};

use super::Ended;
use super::points::must_be_refused;
use crate::conformance::world::{Call, Verdict, World, failed};

pub async fn too_many_points_are_refused(world: &mut World<'_>) -> Ended {
    // As many as an amount can be.
    let call = world.reserve(1_000_000_000_000);
    world.refused(&call, RefusalCode::InsufficientPoints).await.map(drop)
}

pub async fn an_unknown_member_is_refused(world: &mut World<'_>) -> Ended {
    let name = format!("nobody-{}", world.caller.draw());
    let nobody = name.parse().map_err(|error| format!("{error}"))?;
    let reserve = world.reserve_of(&nobody, 1, None);
    world.refused(&reserve, RefusalCode::MemberUnknown).await?;
    let credit = world.credit_to(&nobody, 1);
    world.refused(&credit, RefusalCode::MemberUnknown).await.map(drop)
}

pub async fn a_frozen_member_is_refused(world: &mut World<'_>) -> Ended {
    let Some(frozen) = world.target.frozen.clone() else {
        return Err(Verdict::NotTried("name a frozen member with --frozen".to_owned()));
    };
    let reserve = world.reserve_of(&frozen, 1, None);
    world.refused(&reserve, RefusalCode::MemberFrozen).await?;
    // Whether such a member may still be given points is for the brand to say.
    let credit = world.credit_to(&frozen, 1);
    match world.answer(&credit).await?.status {
        200 => Ok(()),
        _ => world.refused(&credit, RefusalCode::MemberFrozen).await.map(drop),
    }
}

pub async fn a_refusal_is_final(world: &mut World<'_>) -> Ended {
    let before = world.balance().await?;
    let call = world.reserve(before + 5);
    let first = world.refused(&call, RefusalCode::InsufficientPoints).await?;
    let credit = world.credit(10);
    world.credited(&credit).await?;
    // There are enough now; the key's answer is what it was.
    let again = world.answer(&call).await?;
    if again != first {
        return failed("reserve: refused at first, and answered otherwise when it was repeated");
    }
    world.has(before + 10, "after a refused call was repeated").await
}

pub async fn a_malformed_call_is_refused(world: &mut World<'_>) -> Ended {
    for body in ["{}", "[]", "{\"amount\":\"1\"", "null"] {
        let key = OperationKey { transaction: world.caller.draw(), step: Step::Reserve };
        let call = Call { key, body: body.as_bytes().to_vec() };
        must_be_refused(world, &call).await?;
    }
    Ok(())
}
