//! What pods ask for that is still to be allocated, as kinds: pods of one template have equal profiles although their
//! claims differ. Each profile is one counted resource; of it a node has as many as pods with the profile fit there.
//!
//! Counts hold beside what is promised on the node, whatever its profile. Promises are demands, not picks: which device
//! is which is decided when the pods are bound. Nodes that look the same to every claim share one state, and a count is
//! made once for a state and what is promised there.

use super::allocate::Rules;
use super::catalogue::Catalogue;
use super::count::Trial;
use super::plan::{Plan, plan};
use super::pools::{NodeView, Pool, PoolState, gather};
use super::usage::{Usage, key};
use crate::api::device::DeviceClaim;
use crate::cluster::ids::{NodeId, ResourceId};
use crate::words::counted;
use rustc_hash::FxHashMap;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What some pods ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::cluster) struct ProfileId(u32);

/// What a node looks like to claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct State(u32);

/// What is asked for: claims that are open, and extended resources that classes serve.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::cluster) struct DeviceDemand {
    /// Claims of a pod that are to be allocated on its node, in the order of the pod.
    pub(in crate::cluster) claims: Vec<DeviceClaim>,
    /// Extended resources and amounts.
    pub(in crate::cluster) extended: Vec<(ResourceId, String, i64)>,
}

/// A node as profiles are counted on it.
#[derive(Clone, Copy)]
pub(in crate::cluster) struct Site<'a, 'b> {
    pub(in crate::cluster) id: NodeId,
    pub(in crate::cluster) view: NodeView<'a>,
    /// Extended resources that a device plugin of the node gives.
    pub(in crate::cluster) plugged: &'b [ResourceId],
}

/// More pods than this are not looked for on one node.
const PODS: u32 = 512;
/// So many pods fit where a profile asks for no device of the node.
pub(in crate::cluster) const ANY: u32 = 1 << 20;
/// Answers that are kept.
const KEPT: usize = 1 << 16;

#[derive(Debug)]
struct Profile {
    resource: ResourceId,
    asked: DeviceDemand,
    /// Claims as classes have them now: those of pods, then one of each extended resource.
    plans: Result<Vec<Plan>, String>,
    /// What an expression could not be computed of: then nothing fits anywhere.
    error: Option<String>,
    /// May it get a device that several nodes reach?
    is_wide: bool,
    /// Does any pod have it that waits or is promised a node?
    is_active: bool,
}

/// Profiles, and what of them is promised where.
#[derive(Debug, Default)]
pub(super) struct Profiles {
    all: Vec<Profile>,
    by_text: BTreeMap<String, ProfileId>,
    by_resource: FxHashMap<ResourceId, ProfileId>,
    /// Pods by node and profile.
    promised: BTreeMap<NodeId, BTreeMap<ProfileId, u32>>,
    /// Pods on any node whose profile may get devices that several nodes reach.
    wide: BTreeMap<ProfileId, u32>,
    states: RefCell<States>,
}

/// Derived from slices and use: what is asked again and again.
#[derive(Debug, Default)]
struct States {
    of_node: FxHashMap<NodeId, State>,
    by_text: FxHashMap<Box<str>, State>,
    counts: FxHashMap<(State, ProfileId, Vec<(ProfileId, u32)>), u32>,
    fits: FxHashMap<(State, Vec<(ProfileId, u32)>), bool>,
}

/// What a profile asks for, in words: `8 devices of class gpus, 1 device of class nics`.
pub(super) fn words(asked: &DeviceDemand) -> String {
    let mut words: Vec<String> = Vec::new();
    for request in asked.claims.iter().flat_map(|claim| &claim.requests) {
        let of_class = |mode: Option<&str>, count: Option<i64>, class: &str| match mode {
            Some("All") => format!("all devices of class {class}"),
            _ => format!("{} of class {class}", counted(count.unwrap_or(1), "device")),
        };
        let exactly = request
            .exactly
            .iter()
            .map(|one| of_class(one.allocation_mode.as_deref(), one.count, &one.device_class_name));
        let choices = request
            .first_available
            .iter()
            .map(|one| of_class(one.allocation_mode.as_deref(), one.count, &one.device_class_name));
        words.push(exactly.chain(choices).collect::<Vec<_>>().join(" or "));
    }
    words.extend(
        asked.extended.iter().map(|(_, name, amount)| format!("{} for {name}", counted(*amount, "device"))),
    );
    words.join(", ")
}

impl Profiles {
    /// The resource of what is asked for, if it is known; it is counted from now on.
    pub(super) fn find(&self, asked: &DeviceDemand) -> Option<(ProfileId, ResourceId)> {
        let id = *self.by_text.get(&text(asked))?;
        Some((id, self.all[id.0 as usize].resource))
    }

    /// Counts a profile from now on. False if it was counted already.
    pub(super) fn activate(&mut self, id: ProfileId) -> bool {
        !std::mem::replace(&mut self.all[id.0 as usize].is_active, true)
    }

    /// Profiles that no pod has any more are not counted.
    pub(super) fn retain(&mut self, is_needed: impl Fn(ResourceId) -> bool) {
        self.all.iter_mut().for_each(|profile| profile.is_active &= is_needed(profile.resource));
        self.forget();
    }

    /// A profile is new; the resource stands for it.
    pub(super) fn add(&mut self, asked: &DeviceDemand, resource: ResourceId, catalogue: &Catalogue) {
        let id = ProfileId(self.all.len() as u32);
        self.by_text.insert(text(asked), id);
        self.by_resource.insert(resource, id);
        let mut profile = Profile {
            resource,
            asked: asked.clone(),
            plans: Ok(Vec::new()),
            error: None,
            is_wide: false,
            is_active: true,
        };
        profile.read(catalogue);
        self.all.push(profile);
    }

    /// Classes, or slices that several nodes reach, have changed.
    pub(super) fn read_again(&mut self, catalogue: &Catalogue) {
        self.forget();
        self.all.iter_mut().for_each(|profile| profile.read(catalogue));
        self.wide.clear();
        for promised in self.promised.values() {
            for (&id, &count) in promised {
                if self.all[id.0 as usize].is_wide {
                    *self.wide.entry(id).or_default() += count;
                }
            }
        }
    }

    /// Forgets what is derived.
    pub(super) fn forget(&mut self) {
        *self.states.get_mut() = States::default();
    }

    /// The slices or the use of a node's devices have changed.
    pub(super) fn forget_node(&mut self, node: NodeId) {
        self.states.get_mut().of_node.remove(&node);
    }

    /// Errors of expressions may be gone. Were there any?
    pub(super) fn retry(&mut self) -> bool {
        let errors = self.all.iter_mut().filter_map(|profile| profile.error.take());
        errors.count() > 0
    }

    /// Why a profile fits nowhere: a class that does not exist, an expression that cannot be computed.
    pub(super) fn fault(&self, id: ProfileId) -> Option<&str> {
        let profile = &self.all[id.0 as usize];
        profile.plans.as_ref().err().or(profile.error.as_ref()).map(String::as_str)
    }

    /// The profile that a resource stands for.
    pub(super) fn of(&self, resource: ResourceId) -> Option<ProfileId> {
        self.by_resource.get(&resource).copied()
    }

    /// What a profile asks for.
    pub(super) fn asked(&self, id: ProfileId) -> &DeviceDemand {
        &self.all[id.0 as usize].asked
    }

    /// Profiles that are counted, with their resources.
    pub(super) fn active(&self) -> Vec<(ProfileId, ResourceId)> {
        let all = (0..).map(ProfileId).zip(&self.all).filter(|(_, profile)| profile.is_active);
        all.map(|(id, profile)| (id, profile.resource)).collect()
    }

    /// May a profile get a device that several nodes reach?
    pub(super) fn is_wide(&self, id: ProfileId) -> bool {
        self.all[id.0 as usize].is_wide
    }

    /// One pod more, or less, of a profile is promised on a node.
    pub(super) fn promise(&mut self, node: NodeId, id: ProfileId, more: bool) {
        let promised = self.promised.entry(node).or_default();
        change(promised, id, more);
        if promised.is_empty() {
            self.promised.remove(&node);
        }
        if self.is_wide(id) {
            change(&mut self.wide, id, more);
        }
    }

    /// What is promised on a node, and on others what may take the same devices.
    pub(super) fn promised(&self, node: NodeId) -> Vec<(ProfileId, u32)> {
        let local = self.promised.get(&node).into_iter().flatten();
        let local = local.filter(|(id, _)| !self.is_wide(**id));
        let mut all: Vec<(ProfileId, u32)> =
            local.chain(&self.wide).map(|(&id, &count)| (id, count)).collect();
        all.sort_unstable();
        all
    }

    /// The claims of so many pods of each profile on a node. A profile that cannot be read has none.
    fn plans(&self, pods: &[(ProfileId, u32)], site: Site<'_, '_>) -> Vec<Plan> {
        let mut all: Vec<Plan> = Vec::new();
        for &(id, count) in pods {
            for plan in self.of_pod(id, site) {
                all.extend(std::iter::repeat_n(plan, count as usize).cloned());
            }
        }
        grouped(all)
    }

    /// The claims of one pod of a profile on a node: what a device plugin gives needs none.
    pub(super) fn of_pod(&self, id: ProfileId, site: Site<'_, '_>) -> Vec<&Plan> {
        let profile = &self.all[id.0 as usize];
        let plans = profile.plans.as_deref().unwrap_or_default();
        let claims = profile.asked.claims.len();
        let asked = plans.iter().enumerate().filter(|(at, _)| {
            let extended = at.checked_sub(claims).map(|at| profile.asked.extended[at].0);
            extended.is_none_or(|resource| !site.plugged.contains(&resource))
        });
        asked.map(|(_, plan)| plan).collect()
    }

    /// How many pods of a profile fit on a node beside so many of others. A profile that cannot be read fits nowhere.
    pub(super) fn count(
        &mut self,
        id: ProfileId,
        promised: &[(ProfileId, u32)],
        catalogue: &Catalogue,
        usage: &Usage,
        site: Site<'_, '_>,
    ) -> u32 {
        if self.fault(id).is_some() {
            return 0;
        }
        let pod: Vec<Plan> = self.of_pod(id, site).into_iter().cloned().collect();
        if pod.is_empty() {
            return ANY;
        }
        let (state, pools) = self.state(catalogue, usage, site);
        let memo = (state, id, promised.to_vec());
        if let Some(&known) = self.states.borrow().counts.get(&memo) {
            return known;
        }
        let pools = pools.unwrap_or_else(|| gather(catalogue, site.view));
        let fixed = self.plans(promised, site);
        let rules = Rules::default();
        let trial = Trial { catalogue, pools: &pools, usage, rules, promised: &fixed, pod: &pod };
        let count = match trial.count(PODS) {
            Ok(count) => count.pods,
            Err(error) => {
                self.all[id.0 as usize].error = Some(error);
                return 0;
            }
        };
        let states = self.states.get_mut();
        if states.counts.len() >= KEPT {
            states.counts.clear();
        }
        states.counts.insert(memo, count);
        count
    }

    /// Do pods of these profiles, ascending, fit on a node together?
    pub(super) fn fit(
        &self,
        pods: &[(ProfileId, u32)],
        catalogue: &Catalogue,
        usage: &Usage,
        site: Site<'_, '_>,
    ) -> bool {
        if pods.iter().any(|&(id, _)| self.fault(id).is_some()) {
            return false;
        }
        let (state, pools) = self.state(catalogue, usage, site);
        let memo = (state, pods.to_vec());
        if let Some(&known) = self.states.borrow().fits.get(&memo) {
            return known;
        }
        let pools = pools.unwrap_or_else(|| gather(catalogue, site.view));
        let all = self.plans(pods, site);
        let rules = Rules::default();
        let trial = Trial { catalogue, pools: &pools, usage, rules, promised: &all, pod: &[] };
        let fit = trial.fits() == Ok(Some(true));
        let mut states = self.states.borrow_mut();
        if states.fits.len() >= KEPT {
            states.fits.clear();
        }
        states.fits.insert(memo, fit);
        fit
    }

    /// What a node looks like, and its pools where they had to be looked at.
    fn state<'a>(
        &self,
        catalogue: &'a Catalogue,
        usage: &Usage,
        site: Site<'_, '_>,
    ) -> (State, Option<Vec<Pool<'a>>>) {
        let mut states = self.states.borrow_mut();
        if let Some(&known) = states.of_node.get(&site.id) {
            return (known, None);
        }
        let pools = gather(catalogue, site.view);
        let text = signature(&pools, usage, site.plugged);
        let next = State(states.by_text.len() as u32);
        let state = *states.by_text.entry(text.into()).or_insert(next);
        states.of_node.insert(site.id, state);
        (state, Some(pools))
    }
}

fn change(counts: &mut BTreeMap<ProfileId, u32>, id: ProfileId, more: bool) {
    let count = counts.entry(id).or_default();
    *count = if more { *count + 1 } else { count.saturating_sub(1) };
    if *count == 0 {
        counts.remove(&id);
    }
}

/// Equal claims one after the other, so that the search sees that they are equal.
fn grouped(plans: Vec<Plan>) -> Vec<Plan> {
    let mut groups: Vec<Vec<Plan>> = Vec::new();
    for plan in plans {
        match groups.iter_mut().find(|group| group[0].is_like(&plan)) {
            Some(group) => group.push(plan),
            None => groups.push(vec![plan]),
        }
    }
    groups.concat()
}

impl Profile {
    fn read(&mut self, catalogue: &Catalogue) {
        self.error = None;
        let claims = self.asked.claims.iter().map(|claim| plan("of a pod", claim, catalogue));
        let extended = self.asked.extended.iter().map(|(_, name, amount)| {
            let claim = catalogue.claim_of(name, *amount);
            let claim = claim.ok_or_else(|| format!("no DeviceClass serves {name} any more"))?;
            plan(&format!("for {name}"), &claim, catalogue)
        });
        self.plans = claims.chain(extended).collect();
        self.is_wide =
            self.plans.as_ref().is_ok_and(|plans| plans.iter().any(|plan| catalogue.is_wide(plan)));
    }
}

fn text(asked: &DeviceDemand) -> String {
    let mut text = serde_json::to_string(&asked.claims).unwrap_or_default();
    asked.extended.iter().for_each(|(_, name, amount)| {
        let _ = write!(text, ";{name}={amount}");
    });
    text
}

/// All that a count depends on of what a node sees, names of pools left out.
fn signature(pools: &[Pool<'_>], usage: &Usage, plugged: &[ResourceId]) -> String {
    let mut text = String::with_capacity(64);
    for resource in plugged {
        let _ = write!(text, "{},", resource.index());
    }
    for pool in pools {
        text.push_str(pool.driver);
        if pool.state != PoolState::Complete {
            let _ = write!(text, "{:?}", pool.state);
        }
        if !pool.counters.is_empty() {
            let _ = write!(text, "{:?}", pool.counters);
        }
        for candidate in &pool.devices {
            let _ = write!(text, ",{}", candidate.shape.number());
            if !candidate.is_reached {
                text.push('-');
            }
            if usage.is_whole(&candidate.key) {
                text.push('w');
            }
            if let Some(shared) = usage.shared(&candidate.key) {
                let _ = write!(text, "{shared:?}");
            }
            if !candidate.taints.is_empty() {
                let _ = write!(text, "{:?}", candidate.taints);
            }
            if !candidate.device.consumes_counters.is_empty() {
                let _ = write!(text, "{:?}", candidate.device.consumes_counters);
            }
        }
        text.push(';');
        let held = |name: &str| usage.is_held(&key(pool.driver, pool.name, name));
        for device in pool.elsewhere.iter().filter(|device| held(&device.name)) {
            let _ = write!(text, "{:?}", device.consumes_counters);
        }
    }
    text
}
