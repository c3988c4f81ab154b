//! What may not change between two versions of a definition, because receipts, balances and
//! signatures of before would lose their meaning.

use alliance_settlement::alliance::Definition;

use super::{CONFIG_FILE, Fault};

/// Every change that may not be made; none where `after` may follow `before`.
#[must_use]
pub fn forbidden(before: &Definition, after: &Definition) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut fault = |text: String| faults.push(Fault::new(CONFIG_FILE, text));
    if before.currency != after.currency {
        fault(format!("currency was {} and stays so: positions are kept in it", before.currency));
    }
    for was in &before.partners {
        let partner = &was.partner;
        let Some(is) = after.partners.iter().find(|is| is.partner == *partner) else {
            fault(format!(
                "the partner {partner} is gone, but its receipts are not: put it back, and \
                 `alliance partner suspend {partner}`"
            ));
            continue;
        };
        for key in was.keys.iter().filter(|key| is.keys.iter().all(|is| is.x != key.x)) {
            fault(format!(
                "the key {} of {partner} is gone, but what it signed is not: put it back, with \
                 revoked_at",
                key.x
            ));
        }
    }
    for was in &before.programs {
        let program = &was.program;
        let Some(is) = after.programs.iter().find(|is| is.program == *program) else {
            fault(format!("the program {program} is gone, but its members' points are not"));
            continue;
        };
        if is.scale != was.scale {
            fault(format!(
                "scale of {program} was {} and stays so: every balance is counted in it",
                was.scale
            ));
        }
        if is.partner != was.partner {
            fault(format!("{program} belonged to {} and stays so", was.partner));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instance::import::definition_for_tests;

    #[test]
    fn values_names_and_additions_may_change() {
        let before = definition_for_tests();
        let mut after = before.clone();
        after.programs[0].value = "0.06".parse().unwrap();
        after.partners[0].name = "Another".to_owned();
        let mut another = after.partners[0].clone();
        another.partner = "delta-shops".parse().unwrap();
        after.partners.push(another);
        assert_eq!(forbidden(&before, &after), []);
    }

    #[test]
    fn what_receipts_and_balances_rest_on_may_not() {
        let mut before = definition_for_tests();
        let key = toml::from_str("x = \"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"").unwrap();
        before.partners[0].keys = vec![key];
        let mut after = before.clone();
        after.currency = "EUR".parse().unwrap();
        after.partners[0].keys.clear();
        after.partners.remove(1);
        after.programs[0].scale = 2;
        after.programs.remove(1);
        let said: Vec<String> =
            forbidden(&before, &after).iter().map(|fault| fault.fault.clone()).collect();
        for words in
            ["currency", "revoked_at", "cedar-hotels is gone", "scale of aurora", "cedar is gone"]
        {
            assert!(said.iter().any(|fault| fault.contains(words)), "{words}: {said:#?}");
        }
        assert_eq!(said.len(), 5);
    }
}
