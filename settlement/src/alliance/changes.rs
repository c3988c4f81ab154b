//! What may not change between two versions of a definition, because receipts, balances and
//! signatures of before would lose their meaning. Kept by the only writer: `ledger::decide` refuses
//! such a definition, whoever hands it in.

use std::collections::HashMap;

use alliance_contracts::names::PartnerId;

use super::{Definition, DefinitionFault, PartnerKeyRecord};

/// Every change that may not be made; none where `after` may follow `before`.
#[must_use]
pub fn forbidden(before: &Definition, after: &Definition) -> Vec<DefinitionFault> {
    let mut faults = Vec::new();
    let mut fault = |place: String, fault: String| faults.push(DefinitionFault { place, fault });
    if before.currency != after.currency {
        fault(
            "currency".to_owned(),
            format!("was {} and stays so: positions are kept in it", before.currency),
        );
    }
    for was in &before.partners {
        let partner = &was.partner;
        let Some(is) = after.partners.iter().find(|is| is.partner == *partner) else {
            fault(
                format!("the partner {partner}"),
                format!(
                    "is gone, but its receipts are not: put it back, and `alliance partner \
                     suspend {partner}`"
                ),
            );
            continue;
        };
        for key in was.keys.iter().filter(|key| is.keys.iter().all(|is| is.x != key.x)) {
            fault(
                format!("the key {} of {partner}", key.x),
                "is gone, but what it signed is not: put it back, with revoked_at".to_owned(),
            );
        }
    }
    for was in &before.programs {
        let program = &was.program;
        let Some(is) = after.programs.iter().find(|is| is.program == *program) else {
            let gone = "is gone, but its members' points are not";
            fault(format!("the program {program}"), gone.to_owned());
            continue;
        };
        if is.scale != was.scale {
            fault(
                format!("scale of {program}"),
                format!("was {} and stays so: every balance is counted in it", was.scale),
            );
        }
        if is.balances != was.balances {
            fault(
                format!("balances of {program}"),
                "stay where they are: whoever keeps them keeps their history".to_owned(),
            );
        }
        if is.partner != was.partner {
            let stays = format!("was {} and stays so", was.partner);
            fault(format!("the partner of {program}"), stays);
        }
    }
    faults
}

/// Keys of the definition's that another partner has registered.
pub fn taken_keys<'a>(
    definition: &Definition,
    registered: impl IntoIterator<Item = &'a PartnerKeyRecord>,
) -> Vec<DefinitionFault> {
    let owners: HashMap<&str, &PartnerId> =
        registered.into_iter().map(|key| (key.x.as_str(), &key.partner)).collect();
    let mut faults = Vec::new();
    for partner in &definition.partners {
        for key in &partner.keys {
            let owner = owners.get(key.x.as_str()).filter(|owner| **owner != &partner.partner);
            faults.extend(owner.map(|owner| DefinitionFault {
                place: format!("the key {} of {}", key.x, partner.partner),
                fault: format!("is registered by {owner} already: a key has one owner"),
            }));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition() -> Definition {
        serde_json::from_value(serde_json::json!({
            "alliance": "demo", "currency": "CNY",
            "partners": [
                {"partner": "aurora-air", "name": "Aurora",
                 "keys": [{"x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]},
                {"partner": "cedar-hotels", "name": "Cedar"}
            ],
            "programs": [
                {"program": "aurora", "partner": "aurora-air", "name": "M",
                 "scale": 0, "value": "0.05"},
                {"program": "cedar", "partner": "cedar-hotels", "name": "N",
                 "scale": 2, "value": "1"}
            ]
        }))
        .unwrap()
    }

    #[test]
    fn values_names_and_additions_may_change() {
        let before = definition();
        let mut after = before.clone();
        after.programs[0].value = "0.06".parse().unwrap();
        after.partners[0].name = "Another".to_owned();
        let mut another = after.partners[1].clone();
        another.partner = "delta-shops".parse().unwrap();
        after.partners.push(another);
        assert_eq!(forbidden(&before, &after), []);
    }

    #[test]
    fn what_receipts_and_balances_rest_on_may_not() {
        let before = definition();
        let mut after = before.clone();
        after.currency = "EUR".parse().unwrap();
        after.partners[0].keys.clear();
        after.partners.remove(1);
        after.programs[0].scale = 2;
        after.programs.remove(1);
        let faults = forbidden(&before, &after);
        let said: Vec<String> = faults.iter().map(ToString::to_string).collect();
        for words in
            ["currency", "revoked_at", "cedar-hotels: is gone", "scale of aurora", "cedar: is gone"]
        {
            assert!(said.iter().any(|fault| fault.contains(words)), "{words}: {said:#?}");
        }
        assert_eq!(said.len(), 5);
    }
}
