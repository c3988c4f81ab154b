//! When windows are closed and how they are settled, as the alliance has agreed: the table
//! `[settlement]` of the definition.

use alliance_contracts::calendar::Calendar;
use alliance_contracts::names::CalendarId;
use serde::{Deserialize, Serialize};

use crate::calendar::shipped;
use crate::payments::accounts::BankAccount;
use crate::rates::proposal::OperatorName;
use crate::waterfall::LossDefinition;

/// Business days between a window's closing and its payments at most.
const MAX_DAYS: u32 = 60;

/// How what partners owe each other is paid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NettingWay {
    /// Through the alliance, which becomes everybody's counterparty: one payment a partner.
    #[default]
    Multilateral,
    /// Each pair the difference.
    Bilateral,
    /// Cycles cancelled, along what is owed: nobody owes anybody new.
    SetOff,
}

/// What an operator may do about settlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Closes and nets windows; takes bank files in.
    Operator,
    /// The same, and proposes and approves what moves money.
    Finance,
    /// Reads.
    Auditor,
}

/// A person of the alliance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatorDefinition {
    /// Who.
    pub name: OperatorName,
    /// What it may do.
    pub role: Role,
}

/// Windows, payments, losses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SettlementDefinition {
    /// The alliance's own bank account; none: its payments are not written into a bank's file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<BankAccount>,
    /// Calendars that must all have a business day: of the definition, or shipped (`cn`, `target`).
    /// None: Saturdays and Sundays are no business days.
    pub calendars: Vec<CalendarId>,
    /// Payments are due so many business days after a window's closing: T+N.
    pub days: u32,
    /// How losses are shared.
    pub loss: LossDefinition,
    /// How what is owed is paid.
    pub netting: NettingWay,
    /// Who may do what; empty: everybody who runs the command line may do everything, but nobody
    /// approves what they have proposed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub operators: Vec<OperatorDefinition>,
    /// When windows are closed (cron, five fields, or six with seconds first); empty: by hand only.
    pub schedule: String,
    /// The time zone that `schedule` and days are told in (IANA).
    pub time_zone: String,
}

impl Default for SettlementDefinition {
    fn default() -> Self {
        Self {
            account: None,
            calendars: Vec::new(),
            days: 2,
            loss: LossDefinition::default(),
            netting: NettingWay::default(),
            operators: Vec::new(),
            schedule: String::new(),
            time_zone: "UTC".to_owned(),
        }
    }
}

impl SettlementDefinition {
    /// Everything that is wrong with it but schedule and time zone, which the gateway reads.
    #[must_use]
    pub fn check(&self, calendars: &[Calendar]) -> Vec<String> {
        let mut faults = Vec::new();
        if self.days > MAX_DAYS {
            faults.push(format!("days must be 0 to {MAX_DAYS}"));
        }
        for (at, id) in self.calendars.iter().enumerate() {
            if calendar(calendars, id).is_none() {
                faults.push(format!(
                    "calendars[{at}]: there is no calendar {id}: define it, or use cn or target"
                ));
            }
        }
        for (at, operator) in self.operators.iter().enumerate() {
            if self.operators[..at].iter().any(|other| other.name == operator.name) {
                faults.push(format!("operators[{at}]: {} stands here twice", operator.name));
            }
        }
        faults
    }

    /// Whether this person may do what takes this role.
    #[must_use]
    pub fn permits(&self, name: &OperatorName, needed: Role) -> bool {
        let known = self.operators.iter().find(|operator| operator.name == *name);
        match (known, needed) {
            (None, _) => self.operators.is_empty(),
            (Some(operator), Role::Finance) => operator.role == Role::Finance,
            (Some(operator), Role::Operator) => operator.role != Role::Auditor,
            (Some(_), Role::Auditor) => true,
        }
    }

    /// The calendars that are named, as they are defined or shipped.
    #[must_use]
    pub fn resolve(&self, calendars: &[Calendar]) -> Vec<Calendar> {
        self.calendars.iter().filter_map(|id| calendar(calendars, id)).collect()
    }
}

fn calendar(defined: &[Calendar], id: &CalendarId) -> Option<Calendar> {
    let found = defined.iter().find(|calendar| calendar.calendar == *id).cloned();
    found.or_else(|| shipped().into_iter().find(|calendar| calendar.calendar == *id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> SettlementDefinition {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn faults_are_told_together() {
        let said = r#"days = 61
            calendars = ["cn", "mars"]
            operators = [{name = "ann", role = "finance"}, {name = "Ann", role = "auditor"}]"#;
        let faults = read(said).check(&[]);
        assert_eq!(faults.len(), 3, "{faults:?}");
        assert!(faults[0].contains("days") && faults[1].contains("mars"));
        assert!(faults[2].contains("ann stands here twice"));
        assert!(SettlementDefinition::default().check(&[]).is_empty());
    }

    #[test]
    fn roles_permit_what_they_say() {
        let said = r#"operators = [{name = "ann", role = "finance"},
            {name = "bo", role = "operator"}, {name = "cy", role = "auditor"}]"#;
        let settlement = read(said);
        let permits = |name: &str| {
            let name = name.parse().unwrap();
            [Role::Auditor, Role::Operator, Role::Finance]
                .map(|role| settlement.permits(&name, role))
        };
        assert_eq!(permits("ann"), [true, true, true]);
        assert_eq!(permits("bo"), [true, true, false]);
        assert_eq!(permits("cy"), [true, false, false]);
        assert_eq!(permits("dan"), [false, false, false]);
        let nobody = SettlementDefinition::default();
        assert!(nobody.permits(&"dan".parse().unwrap(), Role::Finance));
    }
}
