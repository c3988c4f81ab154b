//! Changing the text of alliance.toml: people's comments stay, and nothing is written where the
//! whole would not be right.

use super::Place;
use super::failure::{Exit, Failure};
use crate::instance::config::Config;
use crate::instance::{Instance, create};

/// Adds an entry at the file's end, where every TOML file takes it.
pub(super) fn append(instance: &Instance, place: &Place, entry: &str) -> Result<(), Failure> {
    let mut text = read(instance)?;
    text.push_str(entry);
    write(instance, place, &text)
}

/// Puts an entry in the place of the one between the same two lines, or at the file's end where
/// there is none.
///
/// # Errors
/// `None` where the entry `stands` in the file without those lines.
pub(super) fn put(
    instance: &Instance,
    place: &Place,
    (begin, end): (&str, &str),
    entry: &str,
    stands: bool,
) -> Result<(), Option<Failure>> {
    let text = read(instance)?;
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let at = |mark: &str| lines.iter().position(|line| line.trim_end() == mark);
    let whole = match (at(begin), at(end)) {
        (Some(first), Some(last)) if first < last => {
            [&lines[..first].concat(), entry, &lines[last + 1..].concat()].concat()
        }
        _ if stands => return Err(None),
        _ => format!("{text}\n{entry}"),
    };
    Ok(write(instance, place, &whole)?)
}

fn read(instance: &Instance) -> Result<String, Failure> {
    let path = &instance.config_file;
    let mut text = std::fs::read_to_string(path)
        .map_err(|error| Failure::config(format!("{} {error}", path.display())))?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

fn write(instance: &Instance, place: &Place, text: &str) -> Result<(), Failure> {
    Config::parse(text, &instance.folder, &place.overrides())
        .map_err(|faults| Failure { exit: Exit::Usage, ..Failure::of_faults(&faults) })?;
    create::write(&instance.config_file, text).map_err(Failure::wrong)
}
