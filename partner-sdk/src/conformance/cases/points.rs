//! What each call does to a member's points.

use alliance_contracts::connector::Step;

use super::Ended;
use crate::conformance::world::{Call, Verdict, World, failed, shown};

pub async fn reserved_points_are_held(world: &mut World<'_>) -> Ended {
    world.count_points().await.map(drop)
}

pub async fn released_points_are_back(world: &mut World<'_>) -> Ended {
    let before = world.balance().await?;
    let after = world.count_points().await?;
    if before == after {
        return Ok(());
    }
    let than = if after < before { "fewer" } else { "more" };
    failed(format!("after everything was released, the member has {than} points than before"))
}

pub async fn captured_points_are_gone(world: &mut World<'_>) -> Ended {
    let before = world.balance().await?;
    let hold = world.hold(10).await?;
    world.has(before - 10, "while 10 points are held").await?;
    let capture = world.capture(&hold);
    world.done(&capture).await?;
    world.has(before - 10, "after they were captured").await
}

pub async fn credited_points_arrive(world: &mut World<'_>) -> Ended {
    let before = world.balance().await?;
    let credit = world.credit(10);
    world.credited(&credit).await?;
    world.has(before + 10, "after a credit of 10").await
}

pub async fn a_hold_ends_once(world: &mut World<'_>) -> Ended {
    let before = world.balance().await?;
    let hold = world.hold(10).await?;
    let release = world.release(&hold);
    world.done(&release).await?;
    let capture = world.capture(&hold);
    must_be_refused(world, &capture).await?;
    world.has(before, "after a release, and a capture that came too late").await
}

/// Refused, whatever the code.
pub async fn must_be_refused(world: &mut World<'_>, call: &Call) -> Result<(), Verdict> {
    let heard = world.answer(call).await?;
    let step: Step = call.key.step;
    match heard.status {
        400..=499 => Ok(()),
        _ => failed(format!("{step}: wanted a refusal, answered {}", shown(&heard))),
    }
}
