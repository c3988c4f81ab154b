//! Everything that keeps a text from being a definition. Reading it ends at its first fault; here
//! each member is read by itself, among others that are right, so that every one is told.

use alliance_settlement::alliance::{
    AgreementDefinition, Definition, PartnerDefinition, ProgramDefinition, RatesDefinition,
};
use alliance_settlement::rates::model::ValueModel;
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

/// Where in the text, in bytes, and what is wrong.
pub(super) type Told = (Option<usize>, String);

/// What every table of a kind must have.
const DEFINITION: &str = "alliance = \"a1\"\ncurrency = \"CNY\"";
const PARTNER: &str = "partner = \"a1\"\nname = \"A\"";
const PROGRAM: &str = "program = \"a1\"\npartner = \"a1\"\nname = \"A\"\nscale = 0\nvalue = \"1\"";
const AGREEMENT: &str = "a = \"a1\"\nb = \"b1\"\nfee = \"0\"";
const MODEL: &str = "band = { min = \"1\", max = \"2\" }";

/// An error as it is told.
pub(super) fn told(error: &toml::de::Error) -> Told {
    (error.span().map(|span| span.start), error.message().trim().replace('\n', " "))
}

/// Every fault of a definition, in the order of the text.
pub(super) fn of(document: &Spanned<DeTable<'_>>) -> Vec<Told> {
    let span = document.span();
    let definition = Spanned::new(span, DeValue::Table(document.get_ref().clone()));
    let mut faults = Vec::new();
    let rest =
        taken_off(
            &definition,
            &["partners", "programs", "agreements", "rates"],
            |inner| match inner {
                ("partners", partner) => {
                    of_table::<PartnerDefinition>(partner, PARTNER, &mut faults)
                }
                ("programs", program) => of_program(program, &mut faults),
                ("agreements", one) => of_table::<AgreementDefinition>(one, AGREEMENT, &mut faults),
                (_, rates) => of_table::<RatesDefinition>(rates, "", &mut faults),
            },
        );
    of_table::<Definition>(&rest, DEFINITION, &mut faults);
    faults.sort();
    faults
}

fn of_program(program: &Spanned<DeValue<'_>>, faults: &mut Vec<Told>) {
    let rest = taken_off(program, &["model"], |(_, model)| {
        of_table::<ValueModel>(model, MODEL, faults);
    });
    of_table::<ProgramDefinition>(&rest, PROGRAM, faults);
}

/// The table without the tables, and lists of tables, of these names, each of which is handed over.
fn taken_off<'i>(
    value: &Spanned<DeValue<'i>>,
    names: &[&'static str],
    mut each: impl FnMut((&'static str, &Spanned<DeValue<'i>>)),
) -> Spanned<DeValue<'i>> {
    let DeValue::Table(table) = value.get_ref() else { return value.clone() };
    let mut rest = table.clone();
    for name in names {
        match table.get(*name).map(Spanned::get_ref) {
            Some(DeValue::Table(_)) => table.get(*name).into_iter().for_each(|it| each((name, it))),
            Some(DeValue::Array(list)) => list.iter().for_each(|it| each((name, it))),
            // Something else altogether: read with the rest, where it is refused.
            _ => continue,
        }
        rest.remove(*name);
    }
    Spanned::new(value.span(), DeValue::Table(rest))
}

/// Every fault of what should be a `T`, `whole` being one with nothing but what it must have.
fn of_table<T: DeserializeOwned>(
    value: &Spanned<DeValue<'_>>,
    whole: &'static str,
    faults: &mut Vec<Told>,
) {
    let refused = |value: Spanned<DeValue<'_>>| {
        T::deserialize(ValueDeserializer::from(value)).err().map(|error| told(&error))
    };
    let (DeValue::Table(table), Ok(whole)) = (value.get_ref(), DeTable::parse(whole)) else {
        faults.extend(refused(value.clone()));
        return;
    };
    for (name, member) in table {
        let mut one = whole.get_ref().clone();
        // The name as it stands there, so that an unknown one is told with its place.
        one.remove(name.get_ref().as_ref());
        one.insert(name.clone(), member.clone());
        faults.extend(refused(Spanned::new(value.span(), DeValue::Table(one))));
    }
    for (name, _) in whole.get_ref() {
        let name = name.get_ref().as_ref();
        if !table.contains_key(name) {
            faults.push((Some(value.span().start), format!("missing field `{name}`")));
        }
    }
}
