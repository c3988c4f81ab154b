//! The terms of an agreement one by one, and what differs between two. Items of lists are told by
//! what they are about, not by their place: `orders[aurora].minimum`.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::Agreement;
use crate::quote::FeeBearer;

/// One term, for reading and comparing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Term {
    /// What it is (`fee.rate`, `orders[aurora].minimum`).
    pub name: String,
    /// Where it stands in the document (RFC 6901).
    pub pointer: String,
    /// What is agreed.
    pub value: String,
}

/// A term that differs between two agreements.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// What the second has; null where it says nothing about it.
    pub after: Option<String>,
    /// What the first has; null where it says nothing about it.
    pub before: Option<String>,
    /// What it is (`fee.rate`, `orders[aurora].minimum`).
    pub name: String,
    /// Where it stands in the second document, or in the first where the second has it no more
    /// (RFC 6901).
    pub pointer: String,
}

impl std::fmt::Display for Change {
    /// `fee.rate: 0.01 → 0.012`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let told = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
        write!(f, "{}: {} → {}", self.name, told(&self.before), told(&self.after))
    }
}

/// What differs between two agreements, in the order of the first's terms; then what only the
/// second has. None for the first: all of the second is new. The chain (`previous`) is left out.
///
/// ```
/// # use alliance_contracts::agreement::{Agreement, diff};
/// # fn f(present: &Agreement, proposed: &Agreement) {
/// for change in diff(Some(present), proposed) {
///     println!("{change}"); // fee.rate: 0.01 → 0.012
/// }
/// # }
/// ```
#[must_use]
pub fn diff(before: Option<&Agreement>, after: &Agreement) -> Vec<Change> {
    let first = before.map(Agreement::terms).unwrap_or_default();
    let second = after.terms();
    let by_name: HashMap<&str, &Term> = second.iter().map(|t| (t.name.as_str(), t)).collect();
    let known: HashMap<&str, &Term> = first.iter().map(|t| (t.name.as_str(), t)).collect();
    let mut changes = Vec::new();
    for term in &first {
        let now = by_name.get(term.name.as_str());
        if now.is_none_or(|now| now.value != term.value) {
            changes.push(Change {
                after: now.map(|now| now.value.clone()),
                before: Some(term.value.clone()),
                name: term.name.clone(),
                pointer: now.unwrap_or(&term).pointer.clone(),
            });
        }
    }
    for Term { name, pointer, value } in second.iter().filter(|t| !known.contains_key(&*t.name)) {
        let (name, pointer) = (name.clone(), pointer.clone());
        changes.push(Change { after: Some(value.clone()), before: None, name, pointer });
    }
    changes
}

#[derive(Default)]
struct Terms(Vec<Term>);

impl Terms {
    fn push(&mut self, name: impl Into<String>, pointer: impl Into<String>, value: impl ToString) {
        let (name, pointer) = (name.into(), pointer.into());
        self.0.push(Term { name, pointer, value: value.to_string() });
    }

    fn maybe(&mut self, name: String, pointer: String, value: Option<impl ToString>) {
        if let Some(value) = value {
            self.push(name, pointer, value);
        }
    }
}

impl Agreement {
    /// Every term that is agreed on, in the order in which people ask.
    #[must_use]
    pub fn terms(&self) -> Vec<Term> {
        let mut terms = Terms::default();
        self.parties_and_times(&mut terms);
        self.fee_terms(&mut terms);
        self.order_terms(&mut terms);
        self.rate_terms(&mut terms);
        terms.0
    }

    fn parties_and_times(&self, terms: &mut Terms) {
        terms.push("alliance", "/alliance", &self.alliance);
        terms.push("a", "/a", &self.a);
        terms.push("b", "/b", &self.b);
        terms.push("version", "/version", self.version);
        terms.push("effective_at", "/effective_at", self.effective_at);
        terms.maybe("until".to_owned(), "/until".to_owned(), self.until);
        let kinds: Vec<&str> = self.kinds.iter().map(|kind| kind.as_str()).collect();
        terms.push("kinds", "/kinds", kinds.join(", "));
    }

    fn fee_terms(&self, terms: &mut Terms) {
        terms.push("fee.rate", "/fee/rate", self.fee.rate);
        for (at, tier) in self.fee.tiers.iter().enumerate() {
            let name = format!("fee.tiers[from {}].rate", tier.from);
            terms.push(name, format!("/fee/tiers/{at}/rate"), tier.rate);
        }
        let bearer = match self.fee.bearer {
            FeeBearer::Member => "member",
            FeeBearer::SourcePartner => "source_partner",
            FeeBearer::TargetPartner => "target_partner",
        };
        terms.push("fee.bearer", "/fee/bearer", bearer);
    }

    fn order_terms(&self, terms: &mut Terms) {
        for (at, bounds) in self.orders.iter().enumerate() {
            let named = [
                ("minimum", bounds.minimum),
                ("maximum", bounds.maximum),
                ("increment", bounds.increment),
            ];
            for (name, value) in named {
                let pointer = format!("/orders/{at}/{name}");
                terms.maybe(format!("orders[{}].{name}", bounds.program), pointer, value);
            }
        }
        for (at, limit) in self.member_limits.iter().enumerate() {
            let name = format!("member_limits[{}].points", limit.program);
            terms.push(name, format!("/member_limits/{at}/points"), limit.points);
        }
        if let Some(caps) = &self.caps {
            terms.push("caps.a", "/caps/a", caps.a);
            terms.push("caps.b", "/caps/b", caps.b);
        }
        let (name, pointer) = ("open_quote_limit".to_owned(), "/open_quote_limit".to_owned());
        terms.maybe(name, pointer, self.open_quote_limit);
        let (lifetime, period) = (self.quote_lifetime_seconds, self.reversal_period_seconds);
        terms.push("quote_lifetime_seconds", "/quote_lifetime_seconds", lifetime);
        terms.push("reversal_period_seconds", "/reversal_period_seconds", period);
        let deadline = self.answer_deadline_seconds;
        let name = "answer_deadline_seconds";
        terms.maybe(name.to_owned(), format!("/{name}"), deadline);
        terms.push("expiry", "/expiry", self.expiry.as_str());
    }

    fn rate_terms(&self, terms: &mut Terms) {
        for (at, one) in self.overrides.iter().enumerate() {
            let name = format!("overrides[{} → {}].factor", one.source, one.target);
            terms.push(name, format!("/overrides/{at}/factor"), one.factor);
        }
        for (at, one) in self.tiers.iter().enumerate() {
            let name = format!("tiers[{} {} → {}]", one.source, one.source_tier, one.target);
            let pointer = |member: &str| format!("/tiers/{at}/{member}");
            let target_tier = format!("{name}.target_tier");
            terms.push(target_tier, pointer("target_tier"), &one.target_tier);
            terms.push(format!("{name}.multiplier"), pointer("multiplier"), one.multiplier);
        }
    }
}
