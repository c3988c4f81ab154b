//! What a request asks for: its kind, two ends that fit the kind, an amount. Everything that can be
//! seen without an agreement or a board.

use alliance_contracts::decimal::Decimal;
use alliance_contracts::limits::{self, MONEY_SCALE};
use alliance_contracts::names::{PartnerId, ProgramId};
use alliance_contracts::problem::ProblemCode;
use alliance_contracts::quote::{
    AskedSide, MemberAccount, PricedItem, QuoteRequest, Side, TransactionKind,
};

use super::Unpriced;
use crate::alliance::{ProgramDefinition, Registry};

/// One end of an order to be priced.
#[derive(Clone, Copy)]
pub(super) enum End<'a> {
    /// A member's account, and its program.
    Program(&'a ProgramDefinition, &'a MemberAccount),
    /// An item, and what points pay of it.
    Item(&'a PricedItem, Decimal),
    /// A partner alone.
    Partner(&'a PartnerId),
}

impl<'a> End<'a> {
    pub(super) const fn partner(self) -> &'a PartnerId {
        match self {
            Self::Program(program, _) => &program.partner,
            Self::Item(item, _) => &item.partner,
            Self::Partner(partner) => partner,
        }
    }

    pub(super) const fn program(self) -> Option<&'a ProgramDefinition> {
        match self {
            Self::Program(program, _) => Some(program),
            Self::Item(..) | Self::Partner(_) => None,
        }
    }

    /// How finely it is counted.
    pub(super) const fn scale(self) -> u32 {
        match self {
            Self::Program(program, _) => program.scale,
            Self::Item(..) => MONEY_SCALE,
            Self::Partner(_) => 0,
        }
    }
}

/// A request, understood.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) kind: TransactionKind,
    pub(super) source: End<'a>,
    pub(super) target: End<'a>,
    /// In whose points, or money, the amount is told.
    pub(super) side: Side,
    /// The amount.
    pub(super) value: Decimal,
    /// Where it stands.
    pub(super) pointer: &'static str,
}

impl Asked<'_> {
    fn end(&self) -> &End<'_> {
        match self.side {
            Side::Source => &self.source,
            Side::Target => &self.target,
        }
    }

    /// The amount in minor units of its end.
    pub(super) fn minor(&self) -> Result<i64, Unpriced> {
        let scale = self.end().scale();
        let minor = self.value.to_minor(scale).filter(|_| limits::amount_in_range(self.value));
        minor.ok_or_else(|| {
            let detail = match self.end() {
                End::Item(..) => "prices go up to 1000000000000",
                _ => "points go up to 1000000000000",
            };
            Unpriced::at(ProblemCode::AmountOutOfRange, self.pointer, detail)
        })
    }

    /// More decimals than the program has is a fault of the spelling, not a rounding.
    fn check_decimals(&self) -> Result<(), Unpriced> {
        let Some(program) = self.end().program() else { return Ok(()) };
        if limits::amount_in_range(self.value) && self.value.to_minor(program.scale).is_none() {
            let detail = format!("{} has {} decimals", program.program, program.scale);
            return Err(Unpriced::at(ProblemCode::Malformed, self.pointer, detail));
        }
        Ok(())
    }
}

/// Reads a request by its kind.
///
/// # Errors
/// `malformed`, `not_found`, `kind_not_allowed`.
pub(super) fn read<'a>(
    registry: &'a Registry,
    request: &'a QuoteRequest,
) -> Result<Asked<'a>, Unpriced> {
    let asked = match request.kind {
        TransactionKind::Exchange => exchange(registry, request)?,
        TransactionKind::Redemption => redemption(registry, request)?,
        TransactionKind::Accrual => accrual(registry, request)?,
        TransactionKind::Reversal | TransactionKind::Adjustment => {
            let detail = "a quote is for an exchange, a redemption or an accrual";
            return Err(Unpriced::at(ProblemCode::KindNotAllowed, "/kind", detail));
        }
    };
    asked.check_decimals()?;
    Ok(asked)
}

const VALUE: &str = "/amount/value";

fn exchange<'a>(registry: &'a Registry, request: &'a QuoteRequest) -> Result<Asked<'a>, Unpriced> {
    let (from, to) = (account(&request.source, "/source")?, account(&request.target, "/target")?);
    let amount = request.amount.ok_or_else(|| malformed("/amount", "say how many points"))?;
    let source = program(registry, from, "/source/program")?;
    let target = program(registry, to, "/target/program")?;
    let (kind, side, value) = (request.kind, amount.side, amount.value);
    Ok(Asked { kind, source, target, side, value, pointer: VALUE })
}

fn redemption<'a>(
    registry: &'a Registry,
    request: &'a QuoteRequest,
) -> Result<Asked<'a>, Unpriced> {
    let from = account(&request.source, "/source")?;
    let AskedSide::Item(item) = &request.target else {
        return Err(malformed("/target", "the target of a redemption is {partner, item, price}"));
    };
    if request.amount.is_some() {
        let detail = "the price less the cash is the amount of a redemption: leave it out";
        return Err(malformed("/amount", detail));
    }
    let in_range = limits::amount_in_range(item.price) && limits::amount_in_range(item.cash);
    let value = item.amount().filter(|_| in_range);
    if in_range && value.is_none() {
        return Err(malformed("/target/cash", "the cash is more than the price"));
    }
    no_tier(request)?;
    let source = program(registry, from, "/source/program")?;
    partner(registry, &item.partner, "/target/partner")?;
    let value = value.unwrap_or(Decimal::BEYOND);
    let (kind, target, side) = (request.kind, End::Item(item, value), Side::Target);
    Ok(Asked { kind, source, target, side, value, pointer: "/target/price" })
}

fn accrual<'a>(registry: &'a Registry, request: &'a QuoteRequest) -> Result<Asked<'a>, Unpriced> {
    let AskedSide::Partner { partner: payer } = &request.source else {
        return Err(malformed("/source", "the source of an accrual is {partner}: who pays"));
    };
    let to = account(&request.target, "/target")?;
    let amount = request.amount.ok_or_else(|| malformed("/amount", "say how many points"))?;
    if amount.side != Side::Target {
        let detail = "an accrual is told in the points that arrive: side target";
        return Err(malformed("/amount/side", detail));
    }
    no_tier(request)?;
    partner(registry, payer, "/source/partner")?;
    let target = program(registry, to, "/target/program")?;
    let (kind, source, value) = (request.kind, End::Partner(payer), amount.value);
    Ok(Asked { kind, source, target, side: Side::Target, value, pointer: VALUE })
}

/// A tier that says nothing must not pass for one that does.
fn no_tier(request: &QuoteRequest) -> Result<(), Unpriced> {
    match request.tier {
        Some(_) => Err(malformed("/tier", "a tier is for an exchange: leave it out")),
        None => Ok(()),
    }
}

fn malformed(pointer: &'static str, detail: &str) -> Unpriced {
    Unpriced::at(ProblemCode::Malformed, pointer, detail)
}

fn account<'a>(side: &'a AskedSide, pointer: &'static str) -> Result<&'a MemberAccount, Unpriced> {
    side.account().ok_or_else(|| malformed(pointer, "say {program, member}"))
}

fn program<'a>(
    registry: &'a Registry,
    account: &'a MemberAccount,
    pointer: &'static str,
) -> Result<End<'a>, Unpriced> {
    let found = registry.program(&account.program);
    found.map(|program| End::Program(program, account)).ok_or_else(|| {
        let program: &ProgramId = &account.program;
        let detail = format!("there is no program {program}: GET /v1/programs lists them");
        Unpriced::at(ProblemCode::NotFound, pointer, detail)
    })
}

fn partner(
    registry: &Registry,
    partner: &PartnerId,
    pointer: &'static str,
) -> Result<(), Unpriced> {
    match registry.partner(partner) {
        Some(_) => Ok(()),
        None => {
            let detail = format!("there is no partner {partner}");
            Err(Unpriced::at(ProblemCode::NotFound, pointer, detail))
        }
    }
}
