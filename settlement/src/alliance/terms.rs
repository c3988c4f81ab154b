//! The terms between two partners at a moment, wherever they stand: in an agreement that both have
//! signed, or in the definition that the operator was handed.

use alliance_contracts::agreement::{
    Agreement, Caps, Expiry, FeeTier, MemberLimit, OrderBounds, RateOverride, TierMapping,
};
use alliance_contracts::decimal::Decimal;
use alliance_contracts::ids::AgreementId;
use alliance_contracts::names::{PartnerId, ProgramId, TierName};
use alliance_contracts::quote::{FeeBearer, TransactionKind};

use super::{AgreementDefinition, AgreementRecord};

/// What holds between two partners. What a definition cannot say is as if not agreed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgreementTerms<'r> {
    /// The partner that comes first by its bytes.
    pub a: &'r PartnerId,
    /// The other.
    pub b: &'r PartnerId,
    /// The version that both have signed; none: the definition's terms.
    pub signed: Option<AgreementId>,
    /// How far each may owe the other in the open window.
    pub caps: Option<Caps>,
    /// What becomes of the points' expiry date.
    pub expiry: Expiry,
    /// Who bears the fee.
    pub fee_bearer: FeeBearer,
    /// The fee rate below the first tier.
    pub fee_rate: Decimal,
    /// Other rates for larger months, by `from`.
    pub fee_tiers: &'r [FeeTier],
    /// Which kinds of order are allowed.
    pub kinds: &'r [TransactionKind],
    /// What members may give in a UTC day, by program.
    pub member_limits: &'r [MemberLimit],
    /// How long a transaction may wait for a connected brand before a person is told.
    pub answer_deadline_seconds: Option<i64>,
    /// The least gross of an order, in the settlement currency; only a definition has one.
    pub minimum_gross: Decimal,
    /// The gross of orders of one direction on boards that have been superseded.
    pub open_quote_limit: Option<Decimal>,
    /// What one order may give, by program.
    pub orders: &'r [OrderBounds],
    /// Less than the board's ratio, by direction.
    pub overrides: &'r [RateOverride],
    /// How long a quote stands.
    pub quote_lifetime_seconds: i64,
    /// How long the source partner may reverse.
    pub reversal_period_seconds: i64,
    /// Which tier is which.
    pub tiers: &'r [TierMapping],
}

impl<'r> AgreementTerms<'r> {
    /// The terms of a version that both have signed.
    #[must_use]
    pub fn of_signed(record: &'r AgreementRecord) -> Self {
        let Agreement { a, b, fee, .. } = &record.agreement;
        let agreed = &record.agreement;
        Self {
            a,
            b,
            signed: Some(record.id),
            answer_deadline_seconds: agreed.answer_deadline_seconds,
            caps: agreed.caps,
            expiry: agreed.expiry,
            fee_bearer: fee.bearer,
            fee_rate: fee.rate,
            fee_tiers: &fee.tiers,
            kinds: &agreed.kinds,
            member_limits: &agreed.member_limits,
            minimum_gross: Decimal::ZERO,
            open_quote_limit: agreed.open_quote_limit,
            orders: &agreed.orders,
            overrides: &agreed.overrides,
            quote_lifetime_seconds: agreed.quote_lifetime_seconds,
            reversal_period_seconds: agreed.reversal_period_seconds,
            tiers: &agreed.tiers,
        }
    }

    /// The terms that the operator was handed.
    #[must_use]
    pub fn of_definition(agreed: &'r AgreementDefinition) -> Self {
        let (a, b) =
            if agreed.a <= agreed.b { (&agreed.a, &agreed.b) } else { (&agreed.b, &agreed.a) };
        Self {
            a,
            b,
            signed: None,
            answer_deadline_seconds: None,
            caps: None,
            expiry: Expiry::Fresh,
            fee_bearer: FeeBearer::Member,
            fee_rate: agreed.fee,
            fee_tiers: &[],
            kinds: &agreed.kinds,
            member_limits: &[],
            minimum_gross: agreed.minimum_gross,
            open_quote_limit: agreed.open_quote_limit,
            orders: &[],
            overrides: &[],
            quote_lifetime_seconds: agreed.quote_lifetime_seconds,
            reversal_period_seconds: agreed.reversal_period_seconds,
            tiers: &[],
        }
    }

    /// The fee rate of an order, of a pair that has had this gross in the UTC month before it.
    #[must_use]
    pub fn fee_rate_at(&self, month_gross: Decimal) -> Decimal {
        let reached = self.fee_tiers.iter().rev().find(|tier| tier.from <= month_gross);
        reached.map_or(self.fee_rate, |tier| tier.rate)
    }

    /// The factor on the board's ratio, in one direction; one where none is agreed.
    #[must_use]
    pub fn factor(&self, source: &ProgramId, target: &ProgramId) -> Decimal {
        let agreed = self.overrides.iter().find(|o| o.source == *source && o.target == *target);
        agreed.map_or(Decimal::ONE, |agreed| agreed.factor)
    }

    /// What one order may give of a program's points.
    #[must_use]
    pub fn order_bounds(&self, source: &ProgramId) -> Option<&'r OrderBounds> {
        self.orders.iter().find(|bounds| bounds.program == *source)
    }

    /// What a member of a program may give in a UTC day, in points.
    #[must_use]
    pub fn member_limit(&self, program: &ProgramId) -> Option<Decimal> {
        self.member_limits.iter().find(|limit| limit.program == *program).map(|limit| limit.points)
    }

    /// What a member's tier is in the other program, and what it brings.
    #[must_use]
    pub fn tier(
        &self,
        source: &ProgramId,
        source_tier: &TierName,
        target: &ProgramId,
    ) -> Option<&'r TierMapping> {
        self.tiers.iter().find(|one| {
            one.source == *source && one.source_tier == *source_tier && one.target == *target
        })
    }
}
