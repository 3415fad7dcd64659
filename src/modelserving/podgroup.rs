//! The PodGroup of a ServingGroup: how many pods must start together, and how close. Computed from the revision that the
//! group runs. A minimum that rises is written when the pods that it counts exist, one that falls before its pods go, so
//! that a gang that runs is at no moment short of its own minimum. Source: kthena `pkg/model-serving-controller/podgroupmanager`.

use super::assess::{Context, RevisedRole};
use super::change::Change;
use super::names;
use super::settings::{role_pods, role_replicas};
use crate::api::keys;
use crate::api::meta::{LabelSelector, ObjectMeta, OwnerReference};
use crate::api::model_serving::{PodTemplate, Role};
use crate::api::pod_group::{NetworkTopology, PodGroup, PodGroupSpec, SubGroupPolicy, TopologyMode};
use crate::api::quantity::{Amount, Quantity, ResourceList, ResourceTotal, same_resources};
use serde_json::Value;
use std::collections::BTreeMap;

/// What the gang asks of one role.
#[derive(Clone, Debug)]
struct RoleMinimum<'r> {
    name: &'r str,
    /// Pods in a role replica.
    size: u32,
    /// Role replicas that must start together.
    replicas: u32,
    /// What one role replica needs.
    resources: ResourceTotal,
}

/// The gang of one revision. Made once, used for every group that runs it.
#[derive(Clone, Debug)]
pub(crate) struct Gang<'r> {
    roles: Vec<RoleMinimum<'r>>,
    priority_class: &'r str,
    wanted: PodGroupSpec,
}

/// How many role replicas of a role exist with all of their pods, and of how many pods the smallest of them is; 0 if there are
/// none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Complete {
    pub(crate) replicas: u32,
    pub(crate) smallest: u32,
}

impl<'r> Gang<'r> {
    /// Counts what these roles need: a role that `minRoleReplicas` does not name needs all of its replicas.
    pub(crate) fn new(context: &Context<'_>, roles: &[RevisedRole<'r>]) -> Self {
        let policy = context.object.spec.template.gang_policy.as_ref();
        let minimum = policy.and_then(|policy| policy.min_role_replicas.as_ref());
        let roles: Vec<&'r Role> = roles.iter().map(|revised| revised.role).collect();
        let templates =
            || roles.iter().flat_map(|role| [Some(&role.entry_template), role.worker_template.as_ref()]);
        let priority_class = templates()
            .flatten()
            .filter_map(|template| template.spec.as_ref()?.get("priorityClassName")?.as_str())
            .find(|class| !class.is_empty());
        let roles = roles.into_iter().map(|role| {
            let wanted = role_replicas(role);
            let named = minimum.and_then(|minimum| minimum.get(&role.name));
            let mut resources = ResourceTotal::default();
            add_requests(&mut resources, Some(&role.entry_template), 1);
            add_requests(&mut resources, role.worker_template.as_ref(), role_pods(role) - 1);
            RoleMinimum {
                name: &role.name,
                size: role_pods(role),
                replicas: named.map_or(wanted, |&named| u32::try_from(named).unwrap_or(0).min(wanted)),
                resources,
            }
        });
        let mut gang = Gang {
            roles: roles.collect(),
            priority_class: priority_class.unwrap_or_default(),
            wanted: PodGroupSpec::default(),
        };
        gang.wanted = gang.spec(context);
        gang
    }

    /// The spec with these minimums.
    fn spec(&self, context: &Context<'_>) -> PodGroupSpec {
        let template = &context.object.spec.template;
        let topology = template.network_topology.as_ref();
        let mut members = 0u32;
        let mut resources = ResourceTotal::default();
        let mut policies = Vec::new();
        for role in &self.roles {
            members = members.saturating_add(role.size.saturating_mul(role.replicas));
            for (name, quantity) in role.resources.to_list() {
                if let (Ok(amount), 1..) = (quantity.amount(), role.replicas) {
                    resources.add_amount(&name, amount.times(role.replicas));
                }
            }
            if context.capabilities().sub_group_policy {
                let labels =
                    [(keys::MODEL_SERVING_NAME, context.name()), (keys::MODEL_SERVING_ROLE, role.name)];
                policies.push(SubGroupPolicy {
                    name: role.name.to_owned(),
                    sub_group_size: Some(wire(role.size)),
                    min_sub_groups: Some(wire(role.replicas)),
                    label_selector: Some(LabelSelector {
                        match_labels: labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
                        match_expressions: Vec::new(),
                    }),
                    match_label_keys: vec![keys::MODEL_SERVING_ROLE_ID.to_owned()],
                    network_topology: topology.and_then(|topology| topology.role_policy.clone()),
                });
            }
        }
        PodGroupSpec {
            min_member: Some(wire(members)),
            min_resources: Some(resources.to_list()),
            queue: context.object.metadata.annotations.get(keys::QUEUE_NAME).cloned().unwrap_or_default(),
            priority_class_name: self.priority_class.to_owned(),
            network_topology: topology.and_then(|topology| topology.group_policy.clone()),
            sub_group_policy: policies,
            ..PodGroupSpec::default()
        }
    }

    /// Creates the PodGroup of a group: whole for a new one, and as far as complete role replicas carry it for one whose
    /// PodGroup was lost.
    pub(crate) fn create(
        &self,
        context: &Context<'_>,
        group: u32,
        complete: Option<&dyn Fn(&str) -> Complete>,
    ) -> Change {
        let name = names::group(context.name(), group);
        let own = [(keys::MODEL_SERVING_NAME, context.name()), (keys::MODEL_SERVING_GROUP, name.as_str())];
        let metadata = ObjectMeta {
            namespace: context.object.metadata.namespace.clone(),
            labels: own.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            annotations: BTreeMap::from([(keys::GROUP_NAME.to_owned(), name.clone())]),
            owner_references: vec![OwnerReference {
                api_version: keys::WORKLOAD_V1ALPHA1.to_owned(),
                kind: "ModelServing".to_owned(),
                name: context.name().to_owned(),
                uid: context.object.metadata.uid.clone(),
                controller: Some(true),
                block_owner_deletion: None,
            }],
            name,
            ..ObjectMeta::default()
        };
        let spec = match complete {
            Some(complete) => self.limited_to(complete).spec(context),
            None => self.wanted.clone(),
        };
        Change::CreatePodGroup(Box::new(PodGroup { metadata, spec, ..PodGroup::default() }))
    }

    fn limited_to(&self, complete: &dyn Fn(&str) -> Complete) -> Self {
        let mut gang = self.clone();
        for role in &mut gang.roles {
            let have = complete(role.name);
            role.replicas = role.replicas.min(have.replicas);
            if have.smallest > 0 {
                role.size = role.size.min(have.smallest);
            }
        }
        gang
    }

    /// The next spec on the way from `current` to this gang, or `None` if `current` is as good. Without `complete` only
    /// what falls is changed; with it, what rises as well, as far as complete role replicas carry it.
    pub(crate) fn step(
        &self,
        context: &Context<'_>,
        current: &PodGroupSpec,
        complete: Option<&dyn Fn(&str) -> Complete>,
    ) -> Option<PodGroupSpec> {
        if same(&self.wanted, current) {
            return None;
        }
        let mut next = self.clone();
        let mut all = true;
        for role in &mut next.roles {
            let policy = current.sub_group_policy.iter().find(|policy| policy.name == role.name);
            let count = |value: Option<i32>| value.and_then(|value| u32::try_from(value).ok());
            let have = complete.map(|complete| complete(role.name)).unwrap_or_default();
            let had = policy.and_then(|policy| count(policy.min_sub_groups)).unwrap_or(0);
            let had_size = policy.and_then(|policy| count(policy.sub_group_size)).unwrap_or(role.size);
            all &= have.replicas >= role.replicas && have.smallest >= role.size;
            if role.replicas > had && have.replicas < role.replicas {
                role.replicas = had;
            }
            if have.smallest > 0 {
                role.size = role.size.min(have.smallest);
            } else if role.size > had_size {
                role.size = had_size;
            }
        }
        let mut spec = next.spec(context);
        if !context.capabilities().sub_group_policy {
            // Only the total is known: keep it until everything that the new one counts is there.
            spec = self.wanted.clone();
            if spec.min_member > current.min_member && !all {
                spec.min_member = current.min_member;
                spec.min_resources.clone_from(&current.min_resources);
            }
        }
        (!same(&spec, current)).then_some(spec)
    }
}

/// Do two specs mean the same? Amounts are compared, not texts; no queue is the queue `default`, and no mode is `hard`.
pub(crate) fn same(left: &PodGroupSpec, right: &PodGroupSpec) -> bool {
    fn queue(spec: &PodGroupSpec) -> &str {
        if spec.queue.is_empty() { "default" } else { &spec.queue }
    }
    let none = ResourceList::new();
    let resources = |left: Option<&ResourceList>, right: Option<&ResourceList>| {
        left == right || same_resources(left.unwrap_or(&none), right.unwrap_or(&none))
    };
    let policies = left.sub_group_policy.iter().zip(&right.sub_group_policy);
    left.min_member.unwrap_or(0) == right.min_member.unwrap_or(0)
        && left.min_task_member == right.min_task_member
        && queue(left) == queue(right)
        && left.priority_class_name == right.priority_class_name
        && same_topology(left.network_topology.as_ref(), right.network_topology.as_ref())
        && left.sub_group_policy.len() == right.sub_group_policy.len()
        && policies.into_iter().all(|(left, right)| {
            left.name == right.name
                && left.sub_group_size == right.sub_group_size
                && left.min_sub_groups.unwrap_or(0) == right.min_sub_groups.unwrap_or(0)
                && left.label_selector == right.label_selector
                && left.match_label_keys == right.match_label_keys
                && same_topology(left.network_topology.as_ref(), right.network_topology.as_ref())
        })
        && resources(left.min_resources.as_ref(), right.min_resources.as_ref())
}

fn same_topology(left: Option<&NetworkTopology>, right: Option<&NetworkTopology>) -> bool {
    match (left, right) {
        (Some(left), Some(right)) => {
            let mode = |topology: &NetworkTopology| topology.mode.clone().unwrap_or(TopologyMode::Hard);
            let name = |topology: &NetworkTopology| topology.highest_tier_name.clone().unwrap_or_default();
            mode(left) == mode(right)
                && left.highest_tier_allowed == right.highest_tier_allowed
                && name(left) == name(right)
        }
        (left, right) => left.is_none() && right.is_none(),
    }
}

/// Adds what the containers of a template ask for; a limit stands in for an absent request, as at pod admission. (Upstream
/// counts requests alone, and so no GPU that only limits name.)
fn add_requests(total: &mut ResourceTotal, template: Option<&PodTemplate>, times: u32) {
    let containers = template
        .and_then(|template| template.spec.as_ref()?.get("containers")?.as_array())
        .filter(|_| times > 0)
        .into_iter()
        .flatten();
    for container in containers {
        let list = |key: &str| container.pointer("/resources")?.get(key)?.as_object();
        let (requests, limits) = (list("requests"), list("limits"));
        let requested = |name: &str| requests.is_some_and(|requests| requests.contains_key(name));
        let standing_in = limits.into_iter().flatten().filter(|(name, _)| !requested(name));
        for (name, quantity) in requests.into_iter().flatten().chain(standing_in) {
            if let Some(amount) = amount(quantity) {
                total.add_amount(name, amount.times(times));
            }
        }
    }
}

fn amount(value: &Value) -> Option<Amount> {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    Quantity(text).amount().ok()
}

fn wire(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
