//! Before a search: the devices of the pools that can be used, what is free of them, and which of them are equal.

use super::{Item, RESULTS, Search};
use crate::api::device::Device;
use crate::api::quantity::Amount;
use crate::cluster::devices::capacity::share;
use crate::cluster::devices::catalogue::Catalogue;
use crate::cluster::devices::constraint::{Held, values};
use crate::cluster::devices::plan::{Choice, Plan};
use crate::cluster::devices::pools::{Pool, PoolState};
use crate::cluster::devices::usage::{Usage, key};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

impl<'a> Search<'a> {
    pub(in crate::cluster::devices) fn new(
        catalogue: &'a Catalogue,
        pools: &'a [Pool<'a>],
        usage: &Usage,
        plans: &'a [&'a Plan],
        reads_lists: bool,
        steps: u64,
    ) -> Self {
        let (mut devices, mut items, mut counters) = (Vec::new(), Vec::new(), Vec::new());
        for pool in pools.iter().filter(|pool| pool.state == PoolState::Complete) {
            let mut places: BTreeMap<(&str, &str), usize> = BTreeMap::new();
            for set in &pool.counters {
                for (name, counter) in &set.counters {
                    places.insert((&set.name, name), counters.len());
                    counters.push(counter.value.amount().unwrap_or_default());
                }
            }
            let near = pool.devices.iter().map(|candidate| candidate.device);
            for device in
                near.chain(pool.elsewhere.iter().copied()).filter(|it| !it.consumes_counters.is_empty())
            {
                if usage.is_held(&key(pool.driver, pool.name, &device.name)) {
                    for (at, amount) in charges(device, &places) {
                        counters[at] = counters[at].minus(amount);
                    }
                }
            }
            let is_overdrawn = places.values().any(|&at| counters[at].is_negative());
            for candidate in &pool.devices {
                let shared = usage.shared(&candidate.key);
                devices.push(candidate);
                items.push(Item {
                    kind: 0,
                    charges: charges(candidate.device, &places).collect(),
                    is_overdrawn,
                    is_whole: usage.is_whole(&candidate.key),
                    is_sharable: candidate.device.is_sharable(),
                    shares: shared.map_or(0, |shared| shared.shares),
                    consumed: shared.map(|shared| shared.consumed.clone()).unwrap_or_default(),
                    holders: Vec::new(),
                });
            }
        }
        let same = |pair: &[&Plan]| pair[0].is_like(pair[1]);
        let repeats: Vec<bool> = std::iter::once(false).chain(plans.windows(2).map(same)).collect();
        let mut origins: Vec<usize> = Vec::with_capacity(plans.len());
        for claim in 0..plans.len() {
            origins.push(if repeats[claim] { origins[claim - 1] } else { claim });
        }
        Search {
            catalogue,
            devices,
            items,
            counters,
            plans,
            all: FxHashMap::default(),
            values: FxHashMap::default(),
            repeats,
            origins,
            held: plans.iter().map(|plan| vec![Held::default(); plan.constraints.len()]).collect(),
            picks: vec![Vec::new(); plans.len()],
            reads_lists,
            steps,
        }
    }

    /// Finds all devices of the choices that ask for all, and whether a claim can have as many devices as it asks for.
    pub(in crate::cluster::devices) fn prepare(&mut self, pools: &[Pool<'_>]) -> Result<(), String> {
        let plans = self.plans;
        for (claim, plan) in
            plans.iter().enumerate().filter(|(claim, _)| self.origins[*claim] == *claim).collect::<Vec<_>>()
        {
            let mut least = 0;
            for (at, request) in plan.requests.iter().enumerate() {
                let mut fewest = usize::MAX;
                for (number, choice) in request.choices.iter().enumerate() {
                    let count = match choice.count {
                        Some(count) => count,
                        None => {
                            let all = self.everything(plan, request.name.as_str(), choice, pools)?;
                            let count = all.len();
                            self.all.insert((claim, at, number), all);
                            count
                        }
                    };
                    fewest = fewest.min(count);
                }
                least += fewest;
            }
            if least > RESULTS {
                return Err(format!(
                    "ResourceClaim {} asks for {least} devices; a claim has {RESULTS} at most",
                    plan.name
                ));
            }
            for (number, constraint) in plan.constraints.iter().enumerate() {
                for (device, candidate) in self.devices.iter().enumerate() {
                    let values = values(candidate, &constraint.attribute, self.reads_lists);
                    self.values.insert((claim, number, device), values);
                }
            }
        }
        Ok(())
    }

    fn everything(
        &self,
        plan: &Plan,
        request: &str,
        choice: &Choice,
        pools: &[Pool<'_>],
    ) -> Result<Vec<usize>, String> {
        let place = format!("ResourceClaim {}, request {}", plan.name, choice.full_name(request));
        for pool in pools {
            let id = format!("{}/{}", pool.driver, pool.name);
            match &pool.state {
                PoolState::Complete => {}
                PoolState::Incomplete(have, count) => {
                    return Err(format!(
                        "{place} asks for all devices, and pool {id} is being updated: {have} of {count} slices are there"
                    ));
                }
                PoolState::Invalid(reason) => {
                    return Err(format!("{place} asks for all devices, and pool {id} is invalid: {reason}"));
                }
            }
        }
        let mut all = Vec::new();
        for device in 0..self.devices.len() {
            if self.selects(choice, device).map_err(|error| format!("{place}: {error}"))?
                && share(self.devices[device].device, choice.capacity.as_ref()).is_some()
            {
                all.push(device);
            }
        }
        Ok(all)
    }

    /// Gives equal devices one kind: equal for every choice and constraint, with equal charges, capacities and use.
    pub(super) fn tell_apart(&mut self) {
        let mut kinds: FxHashMap<String, u32> = FxHashMap::default();
        let choices: Vec<&Choice> = {
            let mut seen: Vec<&Plan> = Vec::new();
            for (plan, repeats) in self.plans.iter().zip(&self.repeats) {
                if !repeats {
                    seen.push(plan);
                }
            }
            seen.iter().flat_map(|plan| &plan.requests).flat_map(|request| &request.choices).collect()
        };
        for device in 0..self.items.len() {
            let candidate = self.devices[device];
            let mut key = String::new();
            for choice in &choices {
                key.push(match self.selects(choice, device) {
                    Ok(true) if choice.tolerates(&candidate.taints) => 'y',
                    Ok(_) => 'n',
                    Err(_) => 'e',
                });
            }
            for (claim, plan) in self.plans.iter().enumerate().filter(|(claim, _)| !self.repeats[*claim]) {
                for number in 0..plan.constraints.len() {
                    key.push_str(&format!("{:?}", self.values[&(claim, number, device)]));
                }
            }
            let item = &self.items[device];
            key.push_str(&format!(
                "{:?}{:?}{}{}{}{}{:?}",
                item.charges.iter().map(|(at, amount)| (at, amount.to_string())).collect::<Vec<_>>(),
                candidate.device.capacity,
                item.is_whole,
                item.is_overdrawn,
                item.is_sharable,
                item.shares > 0,
                item.consumed,
            ));
            let next = kinds.len() as u32;
            self.items[device].kind = *kinds.entry(key).or_insert(next);
        }
    }
}

fn charges<'p>(
    device: &'p Device,
    places: &'p BTreeMap<(&str, &str), usize>,
) -> impl Iterator<Item = (usize, Amount)> + use<'p> {
    device.consumes_counters.iter().flat_map(move |charge| {
        charge.counters.iter().filter_map(move |(name, counter)| {
            let at = places.get(&(charge.counter_set.as_str(), name.as_str()))?;
            Some((*at, counter.value.amount().unwrap_or_default()))
        })
    })
}
