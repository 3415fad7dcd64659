//! Allocation: the devices of claims on one node, as kube-scheduler would write them.
//!
//! Semantics: `k8s.io/dynamic-resource-allocation/structured` of Kubernetes 1.37.

use super::catalogue::Catalogue;
use super::plan::{Plan, plan};
use super::pools::{Candidate, NodeView, PoolState, gather};
use super::search::{Found, Pick, search};
use super::usage::Usage;
use crate::api::core::{NodeSelector, NodeSelectorTerm};
use crate::api::device::{
    AllocatedDevice, AllocationConfiguration, AllocationResult, ClaimAllocation, DeviceClaim,
};
use crate::api::meta::{LabelSelectorRequirement, SelectorOperator};
use std::collections::BTreeSet;

/// Steps of a search, beyond which it is cut short: some milliseconds.
pub const STEPS: u64 = 200_000;

/// A claim that wants devices.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// How messages call it.
    pub name: &'a str,
    /// Makes the identifiers of its shares differ from those of other claims: its uid.
    pub uid: &'a str,
    /// What it asks for.
    pub devices: &'a DeviceClaim,
}

/// What became of an attempt on one node.
#[derive(Clone, Debug, PartialEq)]
pub enum Allocated {
    /// Devices of each claim.
    All(Vec<AllocationResult>),
    /// The node cannot serve the claims.
    No,
    /// The node cannot serve them, and some pool that it sees is invalid, for this reason.
    Invalid(String),
    /// The search was cut short: there may be an arrangement.
    Cut,
}

/// How attributes are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Do constraints read lists (`DRAListTypeAttributes`)?
    pub reads_lists: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Rules { reads_lists: true }
    }
}

/// Allocates devices for claims, all together, on one node. `Err` says what is wrong with the claims, or with what an
/// expression reads, whatever the node: the attempt ends for all nodes.
pub fn allocate(
    catalogue: &Catalogue,
    node: NodeView<'_>,
    usage: &Usage,
    claims: &[Wanted<'_>],
    rules: Rules,
) -> Result<Allocated, String> {
    let pools = gather(catalogue, node);
    let plans = claims.iter().map(|claim| plan(claim.name, claim.devices, catalogue));
    let plans: Vec<Plan> = plans.collect::<Result<_, _>>()?;
    let all: Vec<&Plan> = plans.iter().collect();
    let mut steps = STEPS;
    let (found, devices) = search(catalogue, &pools, usage, &all, rules.reads_lists, &mut steps)?;
    let picks = match found {
        Found::All(picks) => picks,
        Found::Cut => return Ok(Allocated::Cut),
        Found::No => {
            let invalid = pools.iter().find_map(|pool| match &pool.state {
                PoolState::Invalid(reason) => {
                    Some(format!("pool {}/{} is invalid: {reason}", pool.driver, pool.name))
                }
                _ => None,
            });
            return Ok(invalid.map_or(Allocated::No, Allocated::Invalid));
        }
    };
    let results = claims.iter().zip(&plans).zip(&picks);
    let results =
        results.map(|((claim, plan), picks)| result(catalogue, node, *claim, plan, picks, &devices));
    Ok(Allocated::All(results.collect::<Result<_, _>>()?))
}

fn result(
    catalogue: &Catalogue,
    node: NodeView<'_>,
    claim: Wanted<'_>,
    plan: &Plan,
    picks: &[Pick],
    devices: &[&Candidate<'_>],
) -> Result<AllocationResult, String> {
    let results = picks.iter().enumerate().map(|(at, pick)| {
        let candidate = devices[pick.candidate];
        let request = &plan.requests[pick.request];
        let choice = &request.choices[pick.choice];
        let consumed = pick.consumed.as_ref().filter(|consumed| !consumed.is_empty());
        AllocatedDevice {
            request: choice.full_name(&request.name),
            driver: candidate.driver.to_owned(),
            pool: candidate.pool.to_owned(),
            device: candidate.device.name.clone(),
            admin_access: choice.is_admin.then_some(true),
            tolerations: choice.tolerations.clone(),
            binding_conditions: candidate.device.binding_conditions.clone(),
            binding_failure_conditions: candidate.device.binding_failure_conditions.clone(),
            share_id: pick.consumed.is_some().then(|| share_id(claim.uid, at, &candidate.key)),
            consumed_capacity: consumed.map(|consumed| {
                consumed.iter().map(|(name, amount)| (name.clone(), amount.to_quantity())).collect()
            }),
        }
    });
    let results = results.collect();
    let config = configuration(catalogue, claim.devices, plan, picks);
    let node_selector = reach(node, picks, devices)?;
    Ok(AllocationResult {
        devices: ClaimAllocation { results, config },
        node_selector,
        allocation_timestamp: None,
    })
}

/// The identifier of a share: the same for the same claim and device, and no other's.
fn share_id(uid: &str, at: usize, device: &str) -> String {
    let digest = sha1_smol::Sha1::from(format!("{uid}/{at}/{device}")).digest().bytes();
    let mut bytes = [0u8; 16];
    bytes.copy_from_slice(&digest[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x50;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    [&hex[..4], &hex[4..6], &hex[6..8], &hex[8..10], &hex[10..]].map(<[String]>::concat).join("-")
}

/// Parameters of the classes that were chosen, each class once with the requests that it serves, then those of the claim
/// that concern what was chosen. Those that concern all requests name none.
fn configuration(
    catalogue: &Catalogue,
    claim: &DeviceClaim,
    plan: &Plan,
    picks: &[Pick],
) -> Vec<AllocationConfiguration> {
    let mut all: Vec<AllocationConfiguration> = Vec::new();
    let mut classes: Vec<(&str, std::ops::Range<usize>)> = Vec::new();
    let chosen = |at: usize| {
        let pick = picks.iter().find(|pick| pick.request == at);
        &plan.requests[at].choices[pick.map_or(0, |pick| pick.choice)]
    };
    for (at, request) in plan.requests.iter().enumerate() {
        let choice = chosen(at);
        let name = choice.full_name(&request.name);
        if let Some((_, range)) = classes.iter().find(|(class, _)| *class == choice.class) {
            all[range.clone()].iter_mut().for_each(|config| config.requests.push(name.clone()));
            continue;
        }
        let start = all.len();
        for config in catalogue.class(&choice.class).into_iter().flat_map(|class| &class.spec.config) {
            all.push(AllocationConfiguration {
                source: "FromClass".to_owned(),
                requests: vec![name.clone()],
                opaque: config.opaque.clone(),
            });
        }
        classes.push((&choice.class, start..all.len()));
    }
    for config in &claim.config {
        let concerned = plan.requests.iter().enumerate().filter(|(at, request)| {
            let full = chosen(*at).full_name(&request.name);
            config.requests.iter().any(|name| *name == request.name || *name == full)
        });
        let times = if config.requests.is_empty() { 1 } else { concerned.count() };
        for _ in 0..times {
            all.push(AllocationConfiguration {
                source: "FromClaim".to_owned(),
                requests: config.requests.clone(),
                opaque: config.opaque.clone(),
            });
        }
    }
    for config in all.iter_mut().filter(|config| config.requests.len() == plan.requests.len()) {
        config.requests.clear();
    }
    all
}

/// Which nodes reach the devices: this one where one of them is its own or binds to it, else those that all selectors of
/// the devices select; `None` is every node.
fn reach(
    node: NodeView<'_>,
    picks: &[Pick],
    devices: &[&Candidate<'_>],
) -> Result<Option<NodeSelector>, String> {
    let mut term = NodeSelectorTerm::default();
    for pick in picks {
        let candidate = devices[pick.candidate];
        let (device, spec) = (candidate.device, &candidate.slice.spec);
        let (name, selector) = match spec.per_device_node_selection {
            Some(true) => (&device.node_name, &device.node_selector),
            _ => (&spec.node_name, &spec.node_selector),
        };
        if name.is_some() || device.binds_to_node == Some(true) {
            let pin = LabelSelectorRequirement {
                key: "metadata.name".to_owned(),
                operator: SelectorOperator::In,
                values: vec![node.name.to_owned()],
            };
            let term = NodeSelectorTerm { match_expressions: Vec::new(), match_fields: vec![pin] };
            return Ok(Some(NodeSelector { node_selector_terms: vec![term] }));
        }
        let terms = selector.as_ref().map_or(&[][..], |selector| &selector.node_selector_terms);
        match terms {
            [] => {}
            [one] => {
                one.match_fields.iter().for_each(|asked| join(&mut term.match_fields, asked));
                one.match_expressions.iter().for_each(|asked| join(&mut term.match_expressions, asked));
            }
            more => {
                return Err(format!(
                    "ResourceSlice {}: its node selector has {} terms; one is allowed",
                    candidate.slice.name,
                    more.len()
                ));
            }
        }
    }
    let is_empty = term.match_fields.is_empty() && term.match_expressions.is_empty();
    Ok((!is_empty).then(|| NodeSelector { node_selector_terms: vec![term] }))
}

/// Adds a requirement that is not there yet; the order of its values does not matter.
fn join(all: &mut Vec<LabelSelectorRequirement>, asked: &LabelSelectorRequirement) {
    let values = |it: &LabelSelectorRequirement| it.values.iter().cloned().collect::<BTreeSet<String>>();
    let is_there = all.iter().any(|known| {
        known.key == asked.key && known.operator == asked.operator && values(known) == values(asked)
    });
    if !is_there {
        all.push(asked.clone());
    }
}
