//! Reading an agreement with every fault of it ([`crate::drafts`]).

use serde_json::{Value, json};

use super::check::KnownProgram;
use super::{Agreement, MAX_AGREEMENT_BYTES};
use crate::drafts::{self, Draft, Fault, whole};
use crate::encoding::Hash;
use crate::problem::FieldError;

impl Draft for Agreement {
    fn sample() -> Value {
        json!({
            "a": "aa", "alliance": "aa", "b": "bb", "caps": {"a": "0", "b": "0"},
            "effective_at": "2000-01-01T00:00:00.000Z", "expiry": "fresh",
            "fee": {"bearer": "member", "rate": "0", "tiers": [{"from": "1", "rate": "0"}]},
            "kinds": ["exchange"], "member_limits": [{"points": "1", "program": "aa"}],
            "open_quote_limit": "0",
            "orders": [{"increment": "1", "maximum": "1", "minimum": "1", "program": "aa"}],
            "overrides": [{"factor": "1", "source": "aa", "target": "bb"}],
            "previous": Hash::ZERO, "quote_lifetime_seconds": 60, "reversal_period_seconds": 0,
            "tiers": [{
                "multiplier": "1", "source": "aa", "source_tier": "aa",
                "target": "bb", "target_tier": "bb",
            }],
            "until": "9999-01-01T00:00:00.000Z", "v": 1, "version": 1,
        })
    }

    fn all_faults(&self, programs: Option<&[KnownProgram]>) -> Vec<Fault> {
        self.list_faults(programs)
    }
}

impl Agreement {
    /// Reads a draft: JSON in any layout, which may leave out empty lists and what may be null.
    ///
    /// # Errors
    /// Every fault there is, of the form and of what it says; `programs` as for
    /// [`Agreement::faults`].
    ///
    /// ```
    /// use alliance_contracts::agreement::Agreement;
    /// let faults = Agreement::read_draft(br#"{"v":2,"fee":{"rate":"1"}}"#, None).unwrap_err();
    /// assert!(faults.iter().any(|fault| fault.pointer == "/v"));
    /// assert!(faults.iter().any(|fault| fault.pointer == "/fee/bearer"));
    /// assert!(faults.iter().any(|fault| fault.pointer == "/fee/rate"));
    /// ```
    pub fn read_draft(
        text: &[u8],
        programs: Option<&[KnownProgram]>,
    ) -> Result<Self, Vec<FieldError>> {
        if text.len() > MAX_AGREEMENT_BYTES {
            return Err(vec![whole("an agreement has at most 65536 bytes")]);
        }
        drafts::read(text, programs)
    }

    /// Reads the signed bytes: the one RFC 8785 form of an agreement without faults.
    ///
    /// # Errors
    /// As [`Agreement::read_draft`]; and where the bytes are not the one form.
    pub fn read_payload(
        payload: &[u8],
        programs: Option<&[KnownProgram]>,
    ) -> Result<Self, Vec<FieldError>> {
        let agreement = Self::read_draft(payload, programs)?;
        if agreement.payload() == payload {
            Ok(agreement)
        } else {
            Err(vec![whole(
                "not the one form that is signed (RFC 8785): every member there, sorted, no white \
                 space",
            )])
        }
    }
}
