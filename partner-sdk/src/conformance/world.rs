//! What cases are made of: calls that must be done or refused, and a member's points, counted.

use std::time::Duration;

use alliance_contracts::connector::{
    Benefit, CancelCall, CaptureCall, CreditCall, Credited, Operation, OperationKey, Refusal,
    RefusalCode, ReleaseCall, ReserveCall, Reserved, Step,
};
use alliance_contracts::decimal::Decimal;
use alliance_contracts::ids::TransactionId;
use alliance_contracts::json;
use alliance_contracts::names::{ItemRef, MemberRef, OperationRef};
use alliance_contracts::quote::TransactionKind;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Target;
use super::call::{Caller, Heard, Signed, Signing};

/// A case needs so many points.
const FEWEST: i64 = 20;
/// Points are counted up to twice that many, less one.
const MOST: i64 = 1 << 39;

/// So often a call is repeated that is answered with "not now".
const PATIENT_FOR: u32 = 10;
/// After so long.
const LATER: Duration = Duration::from_millis(300);

/// Why a case did not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Failed(String),
    NotTried(String),
}

impl Verdict {
    /// The same, of this.
    pub fn about(self, what: &str) -> Self {
        match self {
            Self::Failed(why) => Self::Failed(format!("{what}: {why}")),
            Self::NotTried(why) => Self::NotTried(why),
        }
    }
}

impl From<String> for Verdict {
    fn from(why: String) -> Self {
        Self::Failed(why)
    }
}

pub fn failed<T>(why: impl Into<String>) -> Result<T, Verdict> {
    Err(Verdict::Failed(why.into()))
}

/// A call: its key and its body.
#[derive(Clone, Debug)]
pub struct Call {
    pub key: OperationKey,
    pub body: Vec<u8>,
}

impl Call {
    fn new(step: Step, transaction: TransactionId, body: &impl Serialize) -> Self {
        Self { key: OperationKey { transaction, step }, body: json::canonical(body) }
    }
}

/// Points that are held.
#[derive(Clone, Debug)]
pub struct Hold {
    pub transaction: TransactionId,
    pub reservation: OperationRef,
}

/// What a case works with.
pub struct World<'a> {
    balance: Option<i64>,
    pub caller: Caller,
    pub target: &'a Target,
    /// Why the member's points cannot be counted.
    uncountable: Option<String>,
}

impl<'a> World<'a> {
    pub const fn new(target: &'a Target, caller: Caller) -> Self {
        Self { balance: None, caller, target, uncountable: None }
    }

    pub const fn calls(&self) -> u32 {
        self.caller.calls
    }

    pub const fn forget_balance(&mut self) {
        self.balance = None;
    }

    // --- calls ------------------------------------------------------------------------------

    pub fn reserve(&self, points: i64) -> Call {
        self.reserve_of(&self.target.member, points, None)
    }

    /// `reverses`: the points are given back, of a transaction that has given them.
    pub fn reserve_of(
        &self,
        member: &MemberRef,
        points: i64,
        reverses: Option<TransactionId>,
    ) -> Call {
        let transaction = self.caller.draw();
        let body = ReserveCall {
            amount: whole(points),
            counterparty: self.target.counterparty.clone(),
            kind: kind(reverses),
            member: member.clone(),
            program: self.target.program.clone(),
            reverses,
            transaction,
        };
        Call::new(Step::Reserve, transaction, &body)
    }

    pub fn capture(&self, hold: &Hold) -> Call {
        let Hold { transaction, reservation } = hold.clone();
        Call::new(Step::Capture, transaction, &CaptureCall { reservation, transaction })
    }

    pub fn release(&self, hold: &Hold) -> Call {
        let Hold { transaction, reservation } = hold.clone();
        Call::new(Step::Release, transaction, &ReleaseCall { reservation, transaction })
    }

    pub fn credit(&self, points: i64) -> Call {
        self.credit_to(&self.target.member, points)
    }

    pub fn credit_to(&self, member: &MemberRef, points: i64) -> Call {
        let transaction = self.caller.draw();
        let body = CreditCall {
            amount: whole(points),
            benefit: None,
            counterparty: self.target.counterparty.clone(),
            expiry: None,
            kind: TransactionKind::Exchange,
            member: Some(member.clone()),
            program: Some(self.target.program.clone()),
            reverses: None,
            transaction,
        };
        Call::new(Step::Credit, transaction, &body)
    }

    /// The benefit, for so much.
    pub fn benefit(&self, item: &ItemRef, price: Decimal) -> Call {
        let transaction = self.caller.draw();
        let body = CreditCall {
            amount: price,
            benefit: Some(Benefit {
                cash: Decimal::ZERO,
                currency: self.target.currency.clone(),
                item: item.clone(),
                price,
            }),
            counterparty: self.target.counterparty.clone(),
            expiry: None,
            kind: TransactionKind::Redemption,
            member: None,
            program: None,
            reverses: None,
            transaction,
        };
        Call::new(Step::Credit, transaction, &body)
    }

    pub fn cancel(&self, of: &Call, reference: &OperationRef, amount: Decimal) -> Call {
        let transaction = self.caller.draw();
        let body = CancelCall {
            amount,
            counterparty: self.target.counterparty.clone(),
            reference: Some(reference.clone()),
            reverses: of.key.transaction,
            transaction,
        };
        Call::new(Step::Cancel, transaction, &body)
    }

    pub fn sign(&self, call: &Call) -> Result<Signed, Verdict> {
        Ok(self.caller.sign(&call.key, &call.body, &Signing::default())?)
    }

    // --- answers ----------------------------------------------------------------------------

    pub async fn answer(&mut self, call: &Call) -> Result<Heard, Verdict> {
        let step = call.key.step;
        for _ in 0..PATIENT_FOR {
            let signed = self.sign(call)?;
            let heard = self.caller.send(&signed).await;
            let heard = heard.map_err(|why| Verdict::Failed(format!("{step}: {why}")))?;
            if !says_later(&heard) {
                return Ok(heard);
            }
            tokio::time::sleep(LATER).await;
        }
        failed(format!("{step}: no decision, {PATIENT_FOR} times in a row"))
    }

    /// The call must be done; what was answered.
    pub async fn done(&mut self, call: &Call) -> Result<Heard, Verdict> {
        let heard = self.answer(call).await?;
        match heard.status {
            200 => Ok(heard),
            _ => failed(format!("{}: wanted 200, answered {}", call.key.step, shown(&heard))),
        }
    }

    /// The call must be refused with this code.
    pub async fn refused(&mut self, call: &Call, code: RefusalCode) -> Result<Heard, Verdict> {
        let heard = self.answer(call).await?;
        let refusal = json::read::<Refusal>(&heard.body).ok();
        let right = heard.status == code.status() && refusal.is_some_and(|r| r.code == code);
        if right {
            return Ok(heard);
        }
        let (step, status) = (call.key.step, code.status());
        failed(format!("{step}: wanted {status} {}, answered {}", code.as_str(), shown(&heard)))
    }

    pub async fn hold(&mut self, points: i64) -> Result<Hold, Verdict> {
        let call = self.reserve(points);
        self.hold_by(&call).await
    }

    pub async fn hold_by(&mut self, call: &Call) -> Result<Hold, Verdict> {
        let heard = self.done(call).await?;
        let Reserved { reservation } = body_of(call.key.step, &heard)?;
        Ok(Hold { transaction: call.key.transaction, reservation })
    }

    /// The call's `reference`.
    pub async fn credited(&mut self, call: &Call) -> Result<OperationRef, Verdict> {
        let heard = self.done(call).await?;
        let Credited { reference } = body_of(call.key.step, &heard)?;
        Ok(reference)
    }

    /// What the connector says has become of a call.
    pub async fn operation(&mut self, key: &OperationKey) -> Result<Operation, Verdict> {
        let question = self.caller.question(key)?;
        let heard = self.caller.send(&question).await;
        let heard = heard.map_err(|why| Verdict::Failed(format!("operations: {why}")))?;
        match heard.status {
            200 => json::read(&heard.body).map_err(|fault| {
                Verdict::Failed(format!("operations: {} {}", fault.pointer, fault.detail))
            }),
            _ => failed(format!("operations: wanted 200, answered {}", shown(&heard))),
        }
    }

    // --- points -----------------------------------------------------------------------------

    /// What the member has, by reserving all of it, and letting it go.
    pub async fn count_points(&mut self) -> Result<i64, Verdict> {
        let mut holds = Vec::new();
        let counted = self.hold_everything(&mut holds).await;
        for hold in &holds {
            let release = self.release(hold);
            self.done(&release).await?;
        }
        let points = counted?;
        self.balance = Some(points);
        Ok(points)
    }

    async fn hold_everything(&mut self, holds: &mut Vec<Hold>) -> Result<i64, Verdict> {
        let (mut piece, mut points) = (MOST, 0);
        while piece > 0 {
            if let Some(hold) = self.try_hold(piece).await? {
                if piece == MOST {
                    holds.push(hold);
                    return failed(format!("reserve: a member has {MOST} points and more"));
                }
                holds.push(hold);
                points += piece;
            }
            piece /= 2;
        }
        match self.try_hold(1).await? {
            None => Ok(points),
            Some(hold) => {
                holds.push(hold);
                failed("reserve: points that are held already can be held once more")
            }
        }
    }

    async fn try_hold(&mut self, points: i64) -> Result<Option<Hold>, Verdict> {
        let call = self.reserve(points);
        let heard = self.answer(&call).await?;
        if heard.status == 200 {
            let Reserved { reservation } = body_of(Step::Reserve, &heard)?;
            return Ok(Some(Hold { transaction: call.key.transaction, reservation }));
        }
        match json::read::<Refusal>(&heard.body).map(|refusal| refusal.code) {
            Ok(RefusalCode::InsufficientPoints) => Ok(None),
            _ => failed(format!("reserve of {points}: answered {}", shown(&heard))),
        }
    }

    /// What the member has; a case that cannot know it is not tried, as another has failed for it.
    pub async fn balance(&mut self) -> Result<i64, Verdict> {
        if let Some(why) = &self.uncountable {
            return Err(Verdict::NotTried(why.clone()));
        }
        let points = match self.balance {
            Some(points) => points,
            None => match self.count_points().await {
                Ok(points) => points,
                Err(Verdict::Failed(why) | Verdict::NotTried(why)) => {
                    let why = format!("the member's points cannot be counted: {why}");
                    self.uncountable = Some(why.clone());
                    return Err(Verdict::NotTried(why));
                }
            },
        };
        if points < FEWEST {
            let why = format!("the member has {points} points: give it {FEWEST} and more");
            return Err(Verdict::NotTried(why));
        }
        Ok(points)
    }

    /// That the member has so many points now, neither fewer nor more.
    pub async fn has(&mut self, points: i64, after: &str) -> Result<(), Verdict> {
        match self.try_hold(points).await? {
            None => return failed(format!("{after}, the member has fewer points than it should")),
            Some(hold) => {
                let release = self.release(&hold);
                self.done(&release).await?;
            }
        }
        if let Some(hold) = self.try_hold(points + 1).await? {
            let release = self.release(&hold);
            self.done(&release).await?;
            return failed(format!("{after}, the member has more points than it should"));
        }
        self.balance = Some(points);
        Ok(())
    }
}

const fn kind(reverses: Option<TransactionId>) -> TransactionKind {
    match reverses {
        Some(_) => TransactionKind::Reversal,
        None => TransactionKind::Exchange,
    }
}

fn whole(points: i64) -> Decimal {
    Decimal::from_minor(points, 0).unwrap_or(Decimal::ZERO)
}

pub fn body_of<T: DeserializeOwned>(step: Step, heard: &Heard) -> Result<T, Verdict> {
    json::read(&heard.body)
        .map_err(|fault| Verdict::Failed(format!("{step}: 200, but {}", fault.detail)))
}

/// No decision yet: a gateway comes again with the same call.
fn says_later(heard: &Heard) -> bool {
    let body = || json::read::<serde_json::Value>(&heard.body).unwrap_or_default();
    match heard.status {
        408 | 425 | 429 | 503 => true,
        409 => body()["code"] == "idempotency_in_flight",
        _ => false,
    }
}

/// An answer, in a few words that name no member.
pub fn shown(heard: &Heard) -> String {
    let body = json::read::<serde_json::Value>(&heard.body).unwrap_or_default();
    match body["code"].as_str() {
        Some(code) => format!("{} {code}", heard.status),
        None => heard.status.to_string(),
    }
}
