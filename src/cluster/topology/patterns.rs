//! Which names match which regular expressions, without trying every name with every expression.
//!
//! Most patterns contain a fixed part that few names have (`^rack-7-`). One automaton finds the fixed parts of all
//! patterns in all names in one pass, and only names that contain a fixed part of a pattern are tried with it. What
//! this costs is known before it is spent, and patterns that ask for too much are dropped, costliest first.

use super::finding::MemberFault;
use aho_corasick::AhoCorasick;
use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::hir::{Hir, HirKind, Literal, Look};
use rustc_hash::FxHashMap;

/// What one build may spend on patterns, and again on selectors, in tries of one name (below a microsecond each).
const BUDGET: usize = 5_000_000;
/// States of one pattern when its repetitions are written out: enough for a list of a few hundred names.
const MAX_STATES: usize = 10_000;
/// What compiling costs for each state, in tries.
const COST_OF_STATE: usize = 4;
/// Bytes of a fixed part that are looked for.
const MAX_FIXED: usize = 24;

/// A pattern that has been read but not compiled yet.
pub(super) struct Pattern<'a> {
    text: &'a str,
    states: usize,
    /// Every match contains one of these; empty if nothing is known.
    fixed: Vec<Vec<u8>>,
    /// The same question without a regular expression, if there is one.
    plain: Option<Plain>,
}

/// A question that needs no regular expression.
enum Plain {
    StartsWith(Box<[u8]>),
    Contains(Box<[u8]>),
}

impl<'a> Pattern<'a> {
    /// Reads a pattern.
    pub(super) fn parse(text: &'a str) -> Result<Self, MemberFault> {
        if text.is_empty() {
            return Err(bad(text, "it is empty"));
        }
        // as in `compile`
        let hir = regex_syntax::ParserBuilder::new().unicode(false).utf8(false).build().parse(text);
        let hir = hir.map_err(|error| bad(text, &error.to_string()))?;
        let states = states(&hir);
        if states > MAX_STATES {
            return Err(too_large(text));
        }
        let plain = plain(&hir);
        Ok(Pattern { text, states, fixed: fixed_parts(&hir).unwrap_or_default(), plain })
    }

    /// Unanchored, and with ASCII classes, as Go's are; names of objects are ASCII.
    fn compile(&self) -> Result<Compiled<'_>, MemberFault> {
        if let Some(plain) = &self.plain {
            return Ok(Compiled::Plain(plain));
        }
        let regex = RegexBuilder::new(self.text).unicode(false).build().map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => too_large(self.text),
            error => bad(self.text, &error.to_string()),
        });
        regex.map(Compiled::Regex)
    }
}

enum Compiled<'p> {
    Plain(&'p Plain),
    Regex(Regex),
}

impl Compiled<'_> {
    fn is_match(&self, name: &[u8]) -> bool {
        match self {
            Compiled::Plain(Plain::StartsWith(start)) => name.starts_with(start),
            Compiled::Plain(Plain::Contains(part)) => {
                name.windows(part.len()).any(|window| *window == **part)
            }
            Compiled::Regex(regex) => regex.is_match(name),
        }
    }
}

fn too_large(text: &str) -> MemberFault {
    bad(text, "it is too large when its repetitions are written out")
}

/// Parsers draw the pattern over several lines; the reason is the last.
fn bad(text: &str, error: &str) -> MemberFault {
    let line = error.lines().last().unwrap_or_default().trim();
    let line = line.strip_prefix("error: ").unwrap_or(line);
    MemberFault::BadPattern { pattern: text.into(), error: line.into() }
}

/// Roughly the size of the automaton.
fn states(hir: &Hir) -> usize {
    match hir.kind() {
        HirKind::Literal(literal) => literal.0.len(),
        HirKind::Capture(capture) => states(&capture.sub),
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min.saturating_add(1)).max(1);
            states(&repetition.sub).saturating_mul(times as usize)
        }
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().map(states).fold(1, usize::saturating_add)
        }
        HirKind::Empty | HirKind::Look(_) | HirKind::Class(_) => 1,
    }
}

/// Most patterns are `rack-7-` or `^rack-7-.*`; compiling them would cost more than all the rest.
fn plain(hir: &Hir) -> Option<Plain> {
    let mut parts = match hir.kind() {
        HirKind::Concat(parts) => parts.as_slice(),
        _ => std::slice::from_ref(hir),
    };
    // what may follow and may be missing does not matter, as long as nothing follows that
    while let [rest @ .., last] = parts
        && matches!(last.kind(), HirKind::Repetition(repetition) if repetition.min == 0)
    {
        parts = rest;
    }
    match parts.iter().map(Hir::kind).collect::<Vec<_>>()[..] {
        [HirKind::Look(Look::Start), HirKind::Literal(Literal(text))] => {
            Some(Plain::StartsWith(text.clone()))
        }
        [HirKind::Literal(Literal(text))] => Some(Plain::Contains(text.clone())),
        _ => None,
    }
}

/// Texts of which every match contains at least one; `None` if there is no such set.
fn fixed_parts(hir: &Hir) -> Option<Vec<Vec<u8>>> {
    match hir.kind() {
        HirKind::Literal(literal) => {
            let bytes = &literal.0;
            Some(vec![bytes[bytes.len().saturating_sub(MAX_FIXED)..].to_vec()])
        }
        HirKind::Capture(capture) => fixed_parts(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => fixed_parts(&repetition.sub),
        HirKind::Concat(parts) => parts.iter().filter_map(fixed_parts).max_by_key(|parts| {
            let shortest = parts.iter().map(Vec::len).min().unwrap_or(0);
            (shortest, std::cmp::Reverse(parts.len()))
        }),
        HirKind::Alternation(parts) => {
            let mut all = Vec::new();
            for part in parts {
                all.extend(fixed_parts(part)?);
            }
            Some(all)
        }
        _ => None,
    }
}

/// Calls `found(pattern, name)` for every match. `users[p]` says how often pattern `p` is used, and so what its
/// matches cost. Returns the patterns that were dropped, ascending, and why.
pub(super) fn match_all(
    patterns: &[Pattern<'_>],
    users: &[usize],
    names: &[&str],
    mut found: impl FnMut(usize, u32),
) -> Vec<(usize, MemberFault)> {
    let containing = Containing::new(patterns, names);
    let candidates: Vec<usize> = patterns
        .iter()
        .map(|pattern| match pattern.fixed.as_slice() {
            [] => names.len(),
            fixed => fixed.iter().map(|fixed| containing.get(fixed).len()).sum::<usize>().min(names.len()),
        })
        .collect();
    let costs = patterns.iter().zip(&candidates).zip(users);
    let costs = costs.map(|((pattern, &candidates), &users)| {
        candidates.saturating_mul(users).saturating_add(COST_OF_STATE * pattern.states)
    });
    let affordable = affordable(&costs.collect::<Vec<_>>());

    let mut dropped = Vec::new();
    for (at, pattern) in patterns.iter().enumerate() {
        if !affordable[at] {
            dropped.push((at, MemberFault::TooBroad { candidates: candidates[at] }));
            continue;
        }
        let compiled = match pattern.compile() {
            Ok(compiled) => compiled,
            Err(fault) => {
                dropped.push((at, fault));
                continue;
            }
        };
        let mut try_on = |name: u32| {
            if compiled.is_match(names[name as usize].as_bytes()) {
                found(at, name);
            }
        };
        match pattern.fixed.as_slice() {
            [] => (0..names.len() as u32).for_each(&mut try_on),
            [one] => containing.get(one).iter().copied().for_each(&mut try_on),
            several => {
                let lists = several.iter().flat_map(|fixed| containing.get(fixed));
                let mut union: Vec<u32> = lists.copied().collect();
                union.sort_unstable();
                union.dedup();
                union.into_iter().for_each(&mut try_on);
            }
        }
    }
    dropped
}

/// Which of these can be had within the budget if the costliest are left out. What costs the same stays or goes
/// together, so that the order does not matter.
pub(super) fn affordable(costs: &[usize]) -> Vec<bool> {
    let mut ascending = costs.to_vec();
    ascending.sort_unstable();
    let mut total = 0usize;
    let limit = ascending.into_iter().find(|&cost| {
        total = total.saturating_add(cost);
        total > BUDGET
    });
    costs.iter().map(|&cost| limit.is_none_or(|limit| cost < limit)).collect()
}

/// Which names contain a text.
struct Containing<'p> {
    index: FxHashMap<&'p [u8], usize>,
    names: Vec<Vec<u32>>,
}

impl<'p> Containing<'p> {
    fn new(patterns: &'p [Pattern<'_>], names: &[&str]) -> Self {
        let mut index = FxHashMap::default();
        let mut texts: Vec<&[u8]> = Vec::new();
        for fixed in patterns.iter().flat_map(|pattern| &pattern.fixed) {
            index.entry(fixed.as_slice()).or_insert_with(|| {
                texts.push(fixed);
                texts.len() - 1
            });
        }
        let mut containing: Vec<Vec<u32>> = vec![Vec::new(); texts.len()];
        let automaton = AhoCorasick::new(&texts).expect("fixed parts take far less than 2^31 bytes");
        for (name, at) in names.iter().zip(0..) {
            for hit in automaton.find_overlapping_iter(name) {
                let list = &mut containing[hit.pattern().as_usize()];
                if list.last() != Some(&at) {
                    list.push(at);
                }
            }
        }
        Containing { index, names: containing }
    }

    fn get(&self, text: &[u8]) -> &[u32] {
        self.index.get(text).map_or(&[], |&at| &self.names[at])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_pattern() -> impl Strategy<Value = String> {
        let atom = prop::sample::select(vec![
            "a", "b", "ab", "-", "7", "a7-", ".", "[a7]", "[^b]", "(ab|7)", "(a|[b-])",
        ]);
        let times = prop::sample::select(vec!["", "", "", "*", "+", "?", "{2}", "{0,2}"]);
        let atoms = prop::collection::vec((atom, times), 1..5);
        let ends = (prop::sample::select(vec!["", "^", "(?m)^"]), prop::sample::select(vec!["", "$"]));
        (atoms, ends).prop_map(|(atoms, (start, end))| {
            let atoms: String = atoms
                .iter()
                .map(|(atom, times)| match *times {
                    "" => (*atom).to_owned(),
                    times => format!("({atom}){times}"),
                })
                .collect();
            format!("{start}{atoms}{end}")
        })
    }

    proptest! {
        #[test]
        fn short_cuts_change_nothing(
            patterns in prop::collection::vec(any_pattern(), 1..6),
            names in prop::collection::vec("[ab7-]{0,8}", 0..12),
        ) {
            let read: Vec<Pattern<'_>> = patterns.iter().map(|text| Pattern::parse(text).expect("valid")).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let mut found = Vec::new();
            let dropped = match_all(&read, &vec![1; read.len()], &names, |pattern, name| found.push((pattern, name)));
            prop_assert_eq!(dropped.len(), 0);
            let mut expected = Vec::new();
            for (at, text) in patterns.iter().enumerate() {
                let regex = regex::Regex::new(text).expect("valid");
                expected.extend((0..).zip(&names).filter(|(_, name)| regex.is_match(name)).map(|(name, _)| (at, name)));
            }
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn what_costs_most_is_dropped_first_and_equals_together() {
        let check = |costs: &[usize], kept: &[bool]| assert_eq!(affordable(costs), kept);
        check(&[], &[]);
        check(&[BUDGET], &[true]);
        check(&[BUDGET + 1], &[false]);
        check(&[1, BUDGET, 2], &[true, false, true]);
        check(&[BUDGET / 2, BUDGET / 2, BUDGET / 2], &[false, false, false]);
        check(&[usize::MAX, 5, usize::MAX], &[false, true, false]);
    }
}
