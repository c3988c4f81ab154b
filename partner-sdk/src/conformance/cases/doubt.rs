//! Answers that got lost: what `operations/{key}` says, and how a gateway goes on.

use alliance_contracts::connector::{
    Operation, OperationKey, OperationState, RefusalCode, Reserved, Step,
};

use super::Ended;
use crate::conformance::call::Heard;
use crate::conformance::world::{Call, Hold, Verdict, World, failed};

pub async fn an_unseen_key_is_unknown(world: &mut World<'_>) -> Ended {
    for step in Step::ALL {
        let key = OperationKey { transaction: world.caller.draw(), step };
        let operation = world.operation(&key).await?;
        if operation != Operation::unknown() {
            return failed(format!("operations: a {step} that never came is not unknown"));
        }
    }
    Ok(())
}

/// What must be told about a call that was answered so.
fn told(heard: &Heard, state: OperationState) -> Result<Operation, Verdict> {
    let body = serde_json::from_slice(&heard.body)
        .map_err(|_| Verdict::Failed("the answer's body is not JSON".to_owned()))?;
    Ok(Operation { body: Some(body), state, status: Some(heard.status) })
}

async fn is_told(world: &mut World<'_>, call: &Call, wanted: &Operation) -> Ended {
    let operation = world.operation(&call.key).await?;
    let step = call.key.step;
    if operation.state != wanted.state {
        return failed(format!("operations: {step} is told as {:?}", operation.state));
    }
    if operation != *wanted {
        return failed(format!("operations: {step} is not told as it was answered"));
    }
    Ok(())
}

pub async fn a_done_call_is_told(world: &mut World<'_>) -> Ended {
    world.balance().await?;
    world.forget_balance();
    let reserve = world.reserve(1);
    let heard = world.done(&reserve).await?;
    is_told(world, &reserve, &told(&heard, OperationState::Done)?).await?;
    let hold = world.hold(1).await?;
    let release = world.release(&hold);
    let heard = world.done(&release).await?;
    is_told(world, &release, &told(&heard, OperationState::Done)?).await?;
    let credit = world.credit(1);
    let heard = world.done(&credit).await?;
    is_told(world, &credit, &told(&heard, OperationState::Done)?).await
}

pub async fn a_refused_call_is_told(world: &mut World<'_>) -> Ended {
    let call = world.reserve(1_000_000_000_000);
    let heard = world.answer(&call).await?;
    if heard.status == 200 {
        return Err(Verdict::NotTried("too many points are not refused".to_owned()));
    }
    is_told(world, &call, &told(&heard, OperationState::Refused)?).await
}

/// Goes on as a gateway does that has had no answer: asks, and repeats what is unknown.
async fn find_out(world: &mut World<'_>, call: &Call) -> Result<Operation, Verdict> {
    for _ in 0..3 {
        let operation = world.operation(&call.key).await?;
        if operation.state != OperationState::Unknown {
            return Ok(operation);
        }
        world.done(call).await?;
    }
    failed(format!("operations: {} stays unknown after it was answered", call.key.step))
}

pub async fn a_call_without_its_caller_is_whole(world: &mut World<'_>) -> Ended {
    let before = world.balance().await?;
    for _ in 0..3 {
        let credit = world.credit(1);
        let signed = world.sign(&credit)?;
        world.caller.hang_up(&signed).await;
        // Not asked about, as `operations` is another case's: repeated.
        world.done(&credit).await?;
    }
    world.has(before + 3, "after three credits whose caller hung up, and repeated them").await
}

/// The reservation, found with nothing but the key.
async fn found(world: &mut World<'_>, reserve: &Call) -> Result<Hold, Verdict> {
    let operation = find_out(world, reserve).await?;
    let body = operation.body.unwrap_or_default();
    match serde_json::from_value::<Reserved>(body) {
        Ok(Reserved { reservation }) => {
            Ok(Hold { transaction: reserve.key.transaction, reservation })
        }
        Err(_) => failed("operations: a done reserve is told without its reservation"),
    }
}

pub async fn a_gateway_crash_between_reserve_and_capture_is_mended(world: &mut World<'_>) -> Ended {
    let before = world.balance().await?;
    let reserve = world.reserve(5);
    let signed = world.sign(&reserve)?;
    world.caller.hang_up(&signed).await;
    world.caller.start_again()?;
    let hold = found(world, &reserve).await?;
    let capture = world.capture(&hold);
    let signed = world.sign(&capture)?;
    world.caller.hang_up(&signed).await;
    world.caller.start_again()?;
    world.done(&capture).await?;
    world.has(before - 5, "after a gateway's crash between reserve and capture of 5").await
}

pub async fn a_brand_crash_between_reserve_and_capture_is_mended(world: &mut World<'_>) -> Ended {
    let Some(restart) = world.target.restart.clone() else {
        let why = "say with --restart what kills the connector and starts it again";
        return Err(Verdict::NotTried(why.to_owned()));
    };
    let before = world.balance().await?;
    let reserve = world.reserve(5);
    let heard = world.done(&reserve).await?;
    let again = tokio::task::spawn_blocking(move || restart()).await;
    again.map_err(|_| "what restarts it has panicked".to_owned())??;
    world.caller.start_again()?;
    is_told(world, &reserve, &told(&heard, OperationState::Done)?).await?;
    if world.answer(&reserve).await? != heard {
        return failed("reserve: answered otherwise after the crash");
    }
    let hold = found(world, &reserve).await?;
    let capture = world.capture(&hold);
    world.done(&capture).await?;
    world.has(before - 5, "after the brand's crash between reserve and capture of 5").await?;
    // A call that is refused by then is refused for ever.
    let again = world.release(&hold);
    match world.answer(&again).await?.status {
        400..=499 => Ok(()),
        _ => failed(format!("{}: what was captured is released", RefusalCode::Refused.as_str())),
    }
}
