//! The devices for some claims on one node: the first arrangement in upstream's order, by exact backtracking.
//!
//! Order: claims as given, requests of a claim, entries of a choice by preference, devices as pools have them; within one
//! request combinations, not permutations (`k8s.io/dynamic-resource-allocation/structured`). Two shortcuts find the same
//! arrangement sooner: a device that led nowhere is not followed by one that nothing can tell apart from it, and of equal
//! claims that follow each other the later one never starts with an earlier device: exchanged, the two would have been
//! found before. The search ends after a number of steps; then nothing is said but that it was cut short.

mod bound;
mod prepare;

use super::capacity::share;
use super::catalogue::Catalogue;
use super::constraint::{Element, Held};
use super::plan::{Choice, Plan};
use super::pools::{Candidate, Pool};
use super::usage::Usage;
use crate::api::quantity::Amount;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

/// Devices that a claim has at most.
const RESULTS: usize = 32;

/// One device of a claim.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pick {
    pub(super) request: usize,
    pub(super) choice: usize,
    /// Among the devices of the search.
    pub(super) candidate: usize,
    /// What a share takes.
    pub(super) consumed: Option<BTreeMap<String, Amount>>,
}

/// How a search ends.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Found {
    /// Picks of each claim, in the order of its results.
    All(Vec<Vec<Pick>>),
    No,
    /// It was cut short: there may be an arrangement.
    Cut,
}

/// Why a search ends early.
enum Stop {
    Abort(String),
    Cut,
}

#[derive(Clone, Copy, PartialEq)]
enum Step {
    Done,
    No,
    /// The claim would have too many devices.
    TooMany,
}

/// Place in the claims.
#[derive(Clone, Copy)]
struct At {
    claim: usize,
    request: usize,
    device: usize,
}

/// A device as the search sees it.
struct Item {
    /// Devices of one kind cannot be told apart by any claim.
    kind: u32,
    /// Counter and what is charged to it.
    charges: Vec<(usize, Amount)>,
    /// A counter of the pool is overdrawn already.
    is_overdrawn: bool,
    is_whole: bool,
    is_sharable: bool,
    shares: u32,
    consumed: BTreeMap<String, Amount>,
    /// Claims of this search that hold it, the last one at the end.
    holders: Vec<usize>,
}

/// A search on one node.
pub(super) struct Search<'a> {
    catalogue: &'a Catalogue,
    pub(super) devices: Vec<&'a Candidate<'a>>,
    items: Vec<Item>,
    counters: Vec<Amount>,
    plans: &'a [&'a Plan],
    /// All devices of a choice that asks for all, by claim, request and choice.
    all: FxHashMap<(usize, usize, usize), Vec<usize>>,
    /// Values of constrained attributes, by claim, constraint and device.
    values: FxHashMap<(usize, usize, usize), Option<Vec<Element>>>,
    /// Is it the same claim as the one before?
    repeats: Vec<bool>,
    /// The first of the equal claims that follow each other.
    origins: Vec<usize>,
    held: Vec<Vec<Held>>,
    picks: Vec<Vec<Pick>>,
    reads_lists: bool,
    steps: u64,
}

/// Searches; `Err` aborts the attempt for all nodes. Takes at most so many steps, and says how many are left.
pub(super) fn search<'a>(
    catalogue: &'a Catalogue,
    pools: &'a [Pool<'a>],
    usage: &Usage,
    plans: &'a [&'a Plan],
    reads_lists: bool,
    budget: &mut u64,
) -> Result<(Found, Vec<&'a Candidate<'a>>), String> {
    let mut search = Search::new(catalogue, pools, usage, plans, reads_lists, *budget);
    search.prepare(pools)?;
    search.tell_apart();
    let result = search.place(At { claim: 0, request: 0, device: 0 }, None, 0);
    *budget = search.steps;
    match result {
        Ok(Step::Done) => Ok((Found::All(search.picks), search.devices)),
        Ok(_) => Ok((Found::No, search.devices)),
        Err(Stop::Cut) => Ok((Found::Cut, search.devices)),
        Err(Stop::Abort(reason)) => Err(reason),
    }
}

impl Search<'_> {
    /// Do the selectors of a choice select a device, and does the node reach it?
    fn selects(&self, choice: &Choice, device: usize) -> Result<bool, String> {
        let candidate = self.devices[device];
        let mut selectors = self.catalogue.selectors.borrow_mut();
        for &expression in &choice.selectors {
            match selectors.selects(expression, candidate.shape) {
                Ok(true) => {}
                Ok(false) => return Ok(false),
                Err(error) => {
                    let text = selectors.text(expression);
                    return Err(format!("expression {text:?} on device {}: {error}", candidate.key));
                }
            }
        }
        Ok(candidate.is_reached)
    }

    /// Places what is still to be placed; of a request with choices this one, if one is being tried.
    fn place(&mut self, at: At, trying: Option<usize>, from: usize) -> Result<Step, Stop> {
        self.steps = self.steps.checked_sub(1).ok_or(Stop::Cut)?;
        let plans = self.plans;
        let Some(plan) = plans.get(at.claim) else { return Ok(Step::Done) };
        let Some(request) = plan.requests.get(at.request) else {
            return Ok(match self.place(At { claim: at.claim + 1, request: 0, device: 0 }, None, 0)? {
                Step::TooMany => Step::No, // another choice of an earlier claim may leave other choices here
                other => other,
            });
        };
        let Some(number) = trying else {
            let first = self.before(at).map_or(0, |before| before.choice);
            let mut exceeds = request.choices.len() > 1;
            for number in first..request.choices.len() {
                match self.place(at, Some(number), 0)? {
                    Step::Done => return Ok(Step::Done),
                    Step::No => exceeds = false,
                    Step::TooMany if request.choices.len() == 1 => return Ok(Step::TooMany),
                    Step::TooMany => {}
                }
            }
            return Ok(if exceeds { Step::TooMany } else { Step::No });
        };
        let choice = &request.choices[number];
        let all = match choice.count {
            Some(_) => None,
            None => self.all.get(&(self.origins[at.claim], at.request, number)).cloned(),
        };
        if all.as_ref().is_some_and(Vec::is_empty) {
            return Ok(Step::No);
        }
        let count = choice.count.unwrap_or_else(|| all.as_ref().map_or(0, Vec::len));
        if at.device >= count {
            return self.place(At { claim: at.claim, request: at.request + 1, device: 0 }, None, 0);
        }
        if self.picks[at.claim].len() + count - at.device > RESULTS {
            return Ok(Step::TooMany);
        }
        let next = At { device: at.device + 1, ..at };
        if let Some(all) = all {
            let device = all[at.device];
            if !self.take(at, number, device, true)? {
                return Ok(Step::No);
            }
            let step = self.place(next, Some(number), 0)?;
            if step != Step::Done {
                self.give_back(at.claim);
            }
            return Ok(step);
        }
        let from = match self.before(at) {
            Some(before) if before.choice == number => from.max(before.candidate),
            _ => from,
        };
        let mut failed: Vec<u32> = Vec::new();
        for device in from..self.devices.len() {
            let item = &self.items[device];
            let is_fresh = item.holders.is_empty();
            let kind = item.kind;
            if is_fresh && failed.contains(&kind) {
                continue;
            }
            if !self.is_usable(at.claim, choice, device) {
                continue;
            }
            match self.selects(choice, device) {
                Ok(true) => {}
                Ok(false) => continue,
                Err(error) => {
                    let place = choice.full_name(&request.name);
                    return Err(Stop::Abort(format!(
                        "ResourceClaim {}, request {place}: {error}",
                        plan.name
                    )));
                }
            }
            if self.take(at, number, device, false)? {
                let step = self.place(next, Some(number), device + 1)?;
                if step == Step::Done {
                    return Ok(step);
                }
                self.give_back(at.claim);
                if step == Step::TooMany {
                    return Ok(step);
                }
            }
            if is_fresh {
                failed.push(kind);
            }
        }
        Ok(Step::No)
    }

    /// The first pick of an equal claim that comes just before, where the first device of a claim is looked for.
    fn before(&self, at: At) -> Option<&Pick> {
        let is_first = at.request == 0 && at.device == 0 && at.claim > 0 && self.repeats[at.claim];
        if is_first { self.picks[at.claim - 1].first() } else { None }
    }

    /// Is a device free for a choice of a claim, whatever it asks for?
    fn is_usable(&self, claim: usize, choice: &Choice, device: usize) -> bool {
        let item = &self.items[device];
        if choice.is_admin {
            return item.is_sharable || !item.holders.contains(&claim);
        }
        let held = item.holders.iter().any(|_| !item.is_sharable);
        !item.is_whole && !held && (item.is_sharable || item.shares == 0)
    }

    /// Takes a device if it is free, its counters and capacities suffice, its taints are tolerated and the constraints of
    /// the claim hold. Where it must be taken, a constraint that does not hold is an error.
    fn take(&mut self, at: At, number: usize, device: usize, must: bool) -> Result<bool, Stop> {
        let plan = self.plans[at.claim];
        let request = &plan.requests[at.request];
        let choice = &request.choices[number];
        let candidate = self.devices[device];
        let item = &self.items[device];
        if !self.is_usable(at.claim, choice, device) {
            return Ok(false);
        }
        let Some(taken) = share(candidate.device, choice.capacity.as_ref()) else { return Ok(false) };
        let is_shared_already = item.is_sharable && item.shares > 0;
        let left = |&(at, amount): &(usize, Amount)| self.counters[at] >= amount;
        let charges = !is_shared_already && !item.charges.is_empty();
        if charges && (item.is_overdrawn || !item.charges.iter().all(left)) {
            return Ok(false);
        }
        if !choice.tolerates(&candidate.taints) {
            return Ok(false);
        }
        let fits = |(name, amount): (&String, &Amount)| {
            let used = item.consumed.get(name).copied().unwrap_or_default();
            let value = candidate.device.capacity[name].value.amount().unwrap_or_default();
            used.plus(*amount) <= value
        };
        if !taken.iter().all(fits) {
            return Ok(false);
        }
        for (number, constraint) in plan.constraints.iter().enumerate() {
            if !constraint.concerns(&request.name, choice) {
                continue;
            }
            let values = self.values.get(&(self.origins[at.claim], number, device)).and_then(Option::as_ref);
            if self.held[at.claim][number].add(values, constraint.is_distinct) {
                continue;
            }
            if must {
                return Err(Stop::Abort(format!(
                    "ResourceClaim {}, request {} asks for all devices, and constraint {number} on {} leaves out device {}",
                    plan.name,
                    choice.full_name(&request.name),
                    constraint.attribute,
                    candidate.key
                )));
            }
            for (earlier, constraint) in plan.constraints[..number].iter().enumerate() {
                if constraint.concerns(&request.name, choice) {
                    self.held[at.claim][earlier].undo();
                }
            }
            return Ok(false);
        }
        let item = &mut self.items[device];
        if charges {
            item.charges.iter().for_each(|&(at, amount)| self.counters[at] = self.counters[at].minus(amount));
        }
        item.holders.push(at.claim);
        if item.is_sharable {
            item.shares += 1;
            for (name, amount) in &taken {
                let sum = item.consumed.entry(name.clone()).or_default();
                *sum = sum.plus(*amount);
            }
        }
        let consumed = item.is_sharable.then_some(taken);
        self.picks[at.claim].push(Pick { request: at.request, choice: number, candidate: device, consumed });
        Ok(true)
    }

    /// Gives back the device that was taken last.
    fn give_back(&mut self, claim: usize) {
        let Some(pick) = self.picks[claim].pop() else { return };
        let plan = self.plans[claim];
        let request = &plan.requests[pick.request];
        for (number, constraint) in plan.constraints.iter().enumerate() {
            if constraint.concerns(&request.name, &request.choices[pick.choice]) {
                self.held[claim][number].undo();
            }
        }
        let item = &mut self.items[pick.candidate];
        item.holders.pop();
        if let Some(consumed) = &pick.consumed {
            item.shares -= 1;
            for (name, amount) in consumed {
                if let Some(sum) = item.consumed.get_mut(name) {
                    *sum = sum.minus(*amount);
                }
            }
        }
        if !item.is_sharable || item.shares == 0 {
            item.charges.iter().for_each(|&(at, amount)| self.counters[at] = self.counters[at].plus(amount));
        }
    }
}
