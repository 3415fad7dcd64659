//! Why a node has no devices for what a pod asks for, in words.

use super::Devices;
use super::constraint::{Element, values};
use super::plan::{Choice, Plan};
use super::pools::{Candidate, Pool, PoolState, gather};
use super::profiles::{ProfileId, Site};
use crate::words::counted;
use std::collections::BTreeMap;

/// What is in the way on a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cluster) struct Shortage {
    /// Devices that would do and are free: the more, the closer it is.
    pub(in crate::cluster) free: usize,
    pub(in crate::cluster) text: String,
}

impl Devices {
    /// Why a node takes no more pods of a profile; `None` if it sees no device at all.
    pub(in crate::cluster) fn shortage(&self, id: ProfileId, site: Site<'_, '_>) -> Option<Shortage> {
        let pools = gather(&self.catalogue, site.view);
        let devices: Vec<&Candidate<'_>> =
            pools.iter().flat_map(|pool| &pool.devices).filter(|device| device.is_reached).collect();
        if devices.is_empty() {
            return None;
        }
        let unusable = pools.iter().find_map(unusable);
        let mut sum = 0;
        let mut text = None;
        for plan in self.profiles.of_pod(id, site) {
            for request in &plan.requests {
                let tries = request.choices.iter().map(|choice| self.short(choice, &devices, &pools));
                let tries: Vec<(usize, Option<String>)> = tries.collect();
                sum += tries.iter().map(|(free, _)| *free).max().unwrap_or(0);
                if tries.iter().all(|(_, short)| short.is_some()) {
                    text = text.or(tries.into_iter().find_map(|(_, short)| short));
                }
            }
            text = text.or_else(|| self.apart(plan, &devices));
        }
        let promised: u32 = self.profiles.promised(site.id).iter().map(|(_, pods)| pods).sum();
        let text = unusable.or(text).unwrap_or_else(|| match promised {
            0 => "what is free does not go together as it is asked for".to_owned(),
            promised => format!("what is free is promised to {}", counted(promised, "pod")),
        });
        Some(Shortage { free: sum, text })
    }

    /// How many devices of a choice are free, and what is missing.
    fn short(
        &self,
        choice: &Choice,
        devices: &[&Candidate<'_>],
        pools: &[Pool<'_>],
    ) -> (usize, Option<String>) {
        let of_choice: Vec<_> =
            devices.iter().filter(|device| self.is_of(choice, device) && is_usable(device, pools)).collect();
        let tainted = of_choice.iter().filter(|device| !choice.tolerates(&device.taints)).count();
        let used = of_choice.iter().filter(|device| self.is_taken(device)).count();
        let free = of_choice
            .iter()
            .filter(|device| choice.tolerates(&device.taints) && !self.is_taken(device))
            .count();
        let (class, all) = (&choice.class, of_choice.len());
        let asked = choice.count.map_or(free < all || all == 0, |count| free < count);
        if !asked {
            return (free, None);
        }
        let wanted = match choice.count {
            Some(1) => "1 is asked for".to_owned(),
            Some(count) => format!("{count} are asked for"),
            None => "all are asked for".to_owned(),
        };
        let taint = if tainted > 0 { format!(", {tainted} tainted") } else { String::new() };
        let text = match all {
            0 => format!("no device is of {class} as it is asked for"),
            _ => format!("{free} of {all} devices of {class} are free ({used} in use{taint}), {wanted}"),
        };
        (free, Some(text))
    }

    /// A constraint that keeps what is free apart.
    fn apart(&self, plan: &Plan, devices: &[&Candidate<'_>]) -> Option<String> {
        for constraint in plan.constraints.iter().filter(|constraint| !constraint.is_distinct) {
            let mut wanted: Vec<(&Choice, usize)> = Vec::new();
            for request in &plan.requests {
                let choice = request.choices.first()?;
                if constraint.concerns(&request.name, choice) {
                    wanted.push((choice, choice.count.unwrap_or(1)));
                }
            }
            let mut groups: BTreeMap<Element, Vec<usize>> = BTreeMap::new();
            for device in devices.iter().filter(|device| !self.is_taken(device)) {
                for value in values(device, &constraint.attribute, true).into_iter().flatten() {
                    let counts = groups.entry(value).or_insert_with(|| vec![0; wanted.len()]);
                    for (at, (choice, _)) in wanted.iter().enumerate() {
                        counts[at] +=
                            usize::from(self.is_of(choice, device) && choice.tolerates(&device.taints));
                    }
                }
            }
            let fits =
                |counts: &Vec<usize>| counts.iter().zip(&wanted).all(|(have, (_, count))| have >= count);
            if !groups.values().any(fits) {
                let wanted: Vec<String> =
                    wanted.iter().map(|(choice, count)| format!("{count} of {}", choice.class)).collect();
                let attribute = constraint.attribute.rsplit('/').next().unwrap_or(&constraint.attribute);
                return Some(format!("no {} that are free share a {attribute}", wanted.join(" and ")));
            }
        }
        None
    }

    fn is_of(&self, choice: &Choice, device: &Candidate<'_>) -> bool {
        let mut selectors = self.catalogue.selectors.borrow_mut();
        choice.selectors.iter().all(|&one| selectors.selects(one, device.shape) == Ok(true))
    }

    fn is_taken(&self, device: &Candidate<'_>) -> bool {
        let usage = &self.claims.usage;
        usage.is_whole(&device.key) || !device.device.is_sharable() && usage.is_held(&device.key)
    }
}

fn is_usable(device: &Candidate<'_>, pools: &[Pool<'_>]) -> bool {
    let of_pool = pools.iter().find(|pool| pool.driver == device.driver && pool.name == device.pool);
    of_pool.is_none_or(|pool| pool.state == PoolState::Complete)
}

/// A pool from which nothing is taken.
fn unusable(pool: &Pool<'_>) -> Option<String> {
    let (driver, name) = (pool.driver, pool.name);
    match &pool.state {
        PoolState::Complete => None,
        PoolState::Incomplete(there, all) => {
            Some(format!("pool {driver}/{name} is incomplete: {there} of {all} slices are there"))
        }
        PoolState::Invalid(why) => Some(format!("pool {driver}/{name} is invalid: {why}")),
    }
}
