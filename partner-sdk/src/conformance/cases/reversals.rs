//! Reversals: points that are given back in parts, benefits that are taken back in parts.

use alliance_contracts::connector::RefusalCode;
use alliance_contracts::decimal::Decimal;
use alliance_contracts::names::OperationRef;

use super::Ended;
use crate::conformance::world::{Call, Verdict, World, failed};

pub async fn points_are_given_back_in_parts(world: &mut World<'_>) -> Ended {
    let before = world.balance().await?;
    let credit = world.credit(10);
    world.credited(&credit).await?;
    let member = world.target.member.clone();
    for (part, left) in [(4, 6), (6, 0)] {
        let reserve = world.reserve_of(&member, part, Some(credit.key.transaction));
        let hold = world.hold_by(&reserve).await?;
        let capture = world.capture(&hold);
        world.done(&capture).await?;
        world.has(before + left, &format!("after {part} of 10 points were turned round")).await?;
    }
    Ok(())
}

/// So many millionths of the currency's unit.
fn money(micros: i64) -> Result<Decimal, Verdict> {
    Decimal::from_micros(micros)
        .ok_or_else(|| Verdict::NotTried("such an amount cannot be written".to_owned()))
}

/// A benefit that 30 were paid for.
async fn given(world: &mut World<'_>) -> Result<(Call, OperationRef), Verdict> {
    let Some(item) = world.target.item.clone() else {
        return Err(Verdict::NotTried("name a benefit with --item".to_owned()));
    };
    let call = world.benefit(&item, money(30_000_000)?);
    let reference = world.credited(&call).await?;
    Ok((call, reference))
}

pub async fn a_benefit_is_taken_back_in_parts(world: &mut World<'_>) -> Ended {
    let (given, reference) = given(world).await?;
    // Each repeated: a part that is taken back twice leaves too little for the other.
    for micros in [12_500_000, 17_500_000] {
        let cancel = world.cancel(&given, &reference, money(micros)?);
        let first = world.done(&cancel).await?;
        if world.answer(&cancel).await? != first {
            return failed("cancel: answered otherwise when it was repeated");
        }
    }
    Ok(())
}

pub async fn more_than_was_given_is_not_taken_back(world: &mut World<'_>) -> Ended {
    let (given, reference) = given(world).await?;
    let all = world.cancel(&given, &reference, money(30_000_000)?);
    world.done(&all).await?;
    let more = world.cancel(&given, &reference, money(10_000)?);
    world.refused(&more, RefusalCode::NotCancellable).await.map(drop)
}
