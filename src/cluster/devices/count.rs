//! How many pods of one kind fit on a node beside what is in use and promised there: exactly, or never too many.
//!
//! Constraints never reach over claims, so that pods are so many of each claim: all are searched for together, which is
//! what pod by pod loses (`big` devices taken for requests that any device serves). A bound says where to look; between
//! what fits and what cannot, the largest number is found by halving. Each search has a budget; where one is cut short, the
//! largest number that was found stands, and is said not to be proven.

use super::allocate::{Rules, Wanted};
use super::catalogue::Catalogue;
use super::plan::{Plan, plan};
use super::pools::{NodeView, Pool, gather};
use super::search::{Found, Search, search};
use super::usage::Usage;

/// How many pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// So many fit.
    pub pods: u32,
    /// And no more.
    pub is_exact: bool,
}

/// Steps for all searches of one count.
const STEPS: u64 = 200_000;

/// How many pods with these claims fit on a node, each with its own copies, beside claims that are promised there; at most
/// `limit`. `Err` says what is wrong with the claims, or with what an expression reads.
pub fn count(
    catalogue: &Catalogue,
    node: NodeView<'_>,
    usage: &Usage,
    promised: &[Wanted<'_>],
    pod: &[Wanted<'_>],
    limit: u32,
    rules: Rules,
) -> Result<Count, String> {
    let read = |claims: &[Wanted<'_>]| {
        claims
            .iter()
            .map(|claim| plan(claim.name, claim.devices, catalogue))
            .collect::<Result<Vec<Plan>, String>>()
    };
    let (promised, pod) = (read(promised)?, read(pod)?);
    let pools = gather(catalogue, node);
    let trial = Trial { catalogue, pools: &pools, usage, rules, promised: &promised, pod: &pod };
    trial.count(limit)
}

/// Can a pod with these claims be placed on a node beside what is promised there? `None` where the search was cut short.
pub fn fits(
    catalogue: &Catalogue,
    node: NodeView<'_>,
    usage: &Usage,
    claims: &[Wanted<'_>],
    rules: Rules,
) -> Result<Option<bool>, String> {
    let all = claims.iter().map(|claim| plan(claim.name, claim.devices, catalogue));
    let all = all.collect::<Result<Vec<Plan>, String>>()?;
    let pools = gather(catalogue, node);
    let trial = Trial { catalogue, pools: &pools, usage, rules, promised: &all, pod: &[] };
    trial.fits()
}

/// A question about one node.
pub(super) struct Trial<'a> {
    pub(super) catalogue: &'a Catalogue,
    pub(super) pools: &'a [Pool<'a>],
    pub(super) usage: &'a Usage,
    pub(super) rules: Rules,
    /// What must fit in any case.
    pub(super) promised: &'a [Plan],
    /// Claims of a pod.
    pub(super) pod: &'a [Plan],
}

impl Trial<'_> {
    /// Does what is promised fit? `None` where the search was cut short.
    pub(super) fn fits(&self) -> Result<Option<bool>, String> {
        self.holds(0, &mut { STEPS })
    }

    /// How many pods fit beside what is promised.
    pub(super) fn count(&self, limit: u32) -> Result<Count, String> {
        let mut steps = STEPS;
        if self.holds(1.min(limit), &mut steps)? != Some(true) {
            return Ok(Count { pods: 0, is_exact: steps > 0 });
        }
        let one: Vec<&Plan> = self.promised.iter().chain(self.pod).collect();
        let mut measure =
            Search::new(self.catalogue, self.pools, self.usage, &one, self.rules.reads_lists, 0);
        measure.prepare(self.pools)?;
        let (mut fit, mut most) = (1.min(limit), measure.bound(self.promised.len(), u64::from(limit)) as u32);
        let mut is_exact = true;
        let mut next = most;
        while fit < most {
            // A search that finds nothing is the dear one: it may take a part of what is left.
            let mut share = if next == most { steps / 2 } else { steps };
            let before = share;
            let found = self.holds(next, &mut share)?;
            steps -= before - share;
            match found {
                Some(true) => fit = next,
                Some(false) => most = next - 1,
                None => {
                    is_exact = false;
                    most = next - 1;
                }
            }
            next = fit + (most - fit).div_ceil(2);
        }
        Ok(Count { pods: fit, is_exact })
    }

    /// Do so many copies fit? `None` where the search was cut short.
    fn holds(&self, copies: u32, steps: &mut u64) -> Result<Option<bool>, String> {
        // Who only watches comes last: upstream lets nobody have a device that an administrator got in the same attempt.
        let watches =
            |plan: &&Plan| plan.requests.iter().any(|it| it.choices.iter().any(|choice| choice.is_admin));
        let copies = self.pod.iter().flat_map(|plan| std::iter::repeat_n(plan, copies as usize));
        let all: Vec<&Plan> = self.promised.iter().chain(copies).collect();
        let (last, first): (Vec<&Plan>, Vec<&Plan>) = all.into_iter().partition(watches);
        let all = [first, last].concat();
        let (found, _) = search(self.catalogue, self.pools, self.usage, &all, self.rules.reads_lists, steps)?;
        Ok(match found {
            Found::All(_) => Some(true),
            Found::No => Some(false),
            Found::Cut => None,
        })
    }
}
