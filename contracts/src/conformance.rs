//! What `alliance conformance` says of a brand's connector: the scripted cases, one by one, signed
//! by whoever tried them.

use serde::{Deserialize, Serialize};

use crate::json;
use crate::jws::{self, JwsType};
use crate::keys::{Kid, SigningKey};
use crate::names::ProgramId;
use crate::time::Timestamp;

/// How a case ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaseOutcome {
    /// The connector did what it must.
    Passed,
    /// It did not.
    Failed,
    /// It was not tried: something that it needs was not given, or an earlier case failed.
    NotTried,
}

/// One case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseReport {
    /// How many calls were made for it.
    pub calls: u32,
    /// What went wrong, or why it was not tried; names no member. Empty where it passed.
    pub detail: String,
    /// The case: a stable name.
    pub name: String,
    /// How it ended.
    pub outcome: CaseOutcome,
}

/// The report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConformanceReport {
    /// The key that the connector's answers were signed with.
    pub brand_key: Kid,
    /// Every case, in the order in which they were tried.
    pub cases: Vec<CaseReport>,
    /// The connector's address.
    pub connector: String,
    /// How many failed.
    pub failed: u32,
    /// When the last case had ended.
    pub finished_at: Timestamp,
    /// How many were not tried.
    pub not_tried: u32,
    /// How many passed.
    pub passed: u32,
    /// The program whose points were moved.
    pub program: ProgramId,
    /// When the first case began.
    pub started_at: Timestamp,
    /// What tried them: name and version.
    pub tool: String,
    /// 1.
    pub v: u8,
}

impl ConformanceReport {
    /// How many cases ended so.
    #[must_use]
    pub fn count(cases: &[CaseReport], outcome: CaseOutcome) -> u32 {
        let count = cases.iter().filter(|case| case.outcome == outcome).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// The compact JWS (`typ` `alliance-conformance+jws`) over the report's RFC 8785 form.
    #[must_use]
    pub fn sign(&self, key: &SigningKey) -> String {
        jws::sign(JwsType::Conformance, &json::canonical(self), key)
    }
}
