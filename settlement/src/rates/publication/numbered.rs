//! Programs and partners by number: their names are compared once, numbers ever after.

use std::collections::HashMap;

use alliance_contracts::names::{PartnerId, ProgramId};

use crate::alliance::ProgramDefinition;
use crate::rates::terms::AgreedTerms;

/// The programs of a board, in its order, and whose they are.
pub(super) struct Numbered<'a> {
    pub(super) programs: &'a [&'a ProgramDefinition],
    by_name: HashMap<&'a str, usize>,
    /// By name.
    partners: Vec<&'a PartnerId>,
    /// By program.
    owners: Vec<usize>,
}

impl<'a> Numbered<'a> {
    pub(super) fn of(programs: &'a [&'a ProgramDefinition]) -> Self {
        let mut partners: Vec<&PartnerId> = programs.iter().map(|p| &p.partner).collect();
        partners.sort_unstable();
        partners.dedup();
        let by_name = programs.iter().enumerate().map(|(at, p)| (p.program.as_str(), at));
        // Every program's partner is among the partners.
        let owner = |p: &&ProgramDefinition| partners.binary_search(&&p.partner).unwrap_or(0);
        let owners = programs.iter().map(owner).collect();
        Self { programs, by_name: by_name.collect(), partners, owners }
    }

    /// Whose a program is.
    pub(super) fn owner(&self, program: usize) -> usize {
        self.owners[program]
    }

    /// Each with its number, in the order that they stand in: by source and target. None where
    /// there is no such program any more.
    pub(super) fn directions<'t, T>(
        &self,
        pairs: &'t [T],
        ends: impl Fn(&'t T) -> (&'t ProgramId, &'t ProgramId),
    ) -> Vec<Option<(usize, usize)>> {
        let number = |program: &ProgramId| self.by_name.get(program.as_str()).copied();
        let mut source: Option<(&ProgramId, Option<usize>)> = None;
        let direction = |pair| {
            let (from, to) = ends(pair);
            let number_of_source = match source {
                Some((last, number)) if last == from => number,
                _ => number(from),
            };
            source = Some((from, number_of_source));
            number_of_source.zip(number(to))
        };
        pairs.iter().map(direction).collect()
    }

    /// Something of every direction, in a table of all.
    pub(super) fn table<T: Clone>(&self, nothing: T) -> Vec<T> {
        vec![nothing; self.programs.len() * self.programs.len()]
    }

    pub(super) fn slot(&self, (from, to): (usize, usize)) -> usize {
        from * self.programs.len() + to
    }

    /// Something of every two partners, in a table of all.
    pub(super) fn partners_table<T: Clone>(&self, nothing: T) -> Vec<T> {
        vec![nothing; self.partners.len() * self.partners.len()]
    }

    /// Where two partners stand in it: the owners of a direction's programs, in its order.
    pub(super) fn partners_slot(&self, (from, to): (usize, usize)) -> usize {
        self.owners[from] * self.partners.len() + self.owners[to]
    }

    /// Both places of two partners in it; none where one of them has no program.
    pub(super) fn both(&self, a: &PartnerId, b: &PartnerId) -> Option<[usize; 2]> {
        let number = |partner: &PartnerId| self.partners.binary_search(&partner).ok();
        let (a, b) = number(a).zip(number(b))?;
        Some([a * self.partners.len() + b, b * self.partners.len() + a])
    }

    /// What every two partners have agreed on, both ways.
    pub(super) fn between<'t>(&self, agreed: &'t [AgreedTerms]) -> Vec<Option<&'t AgreedTerms>> {
        let mut table = self.partners_table(None);
        for terms in agreed {
            for place in self.both(&terms.a, &terms.b).into_iter().flatten() {
                table[place] = Some(terms);
            }
        }
        table
    }
}
