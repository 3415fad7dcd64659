//! From a run to rows.

use super::{
    ExcludedRow, ModelServingRow, PlacementRow, PodGroupRow, PodRow, ResourceRow, ShortfallRow, Summary,
    TierRow, status,
};
use crate::api::core::PodPhase;
use crate::api::gang::{Dialect, membership_in};
use crate::api::meta::Condition;
use crate::apiserver::At as _;
use crate::apiserver::{Key, Kind, Object};
use crate::cluster::capacity::{CPU, FIXED_RESOURCES};
use crate::cluster::gangs::GangKind;
use crate::cluster::ids::{NodeId, ResourceId};
use crate::cluster::natural;
pub(super) use crate::cluster::requests::amount_text;
use crate::cluster::topology::Topology;
use crate::modelserving::conditions;
use crate::placement::Proof;
use crate::scheduler::GangReport;
use crate::scheduler::Quality;
use crate::scheduler::explain::Explanation;
use crate::simulation::engine::Simulation;
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// The innermost HyperNode around a node.
pub(super) fn domain_of<'a>(run: &'a Simulation, node: &str) -> Option<&'a str> {
    let cluster = run.scheduler().cluster();
    let topology = cluster.view().topology;
    let domain = topology.leaf(topology.position(cluster.nodes().id(node)?)?);
    (domain != Topology::ROOT).then(|| topology.name(domain))
}

pub(super) fn pods(run: &Simulation) -> Vec<PodRow> {
    let alone: BTreeMap<(String, String), GangReport> = run
        .scheduler()
        .reports()
        .into_iter()
        .filter(|gang| gang.kind == GangKind::Pod && gang.reason.is_some())
        .map(|gang| ((gang.namespace.clone(), gang.name.clone()), gang))
        .collect();
    let made = run.made_gangs.gangs.iter().filter(|gang| gang.ended.is_none()).map(|gang| gang.nodes.len());
    let mut rows: Vec<PodRow> =
        Vec::with_capacity(run.store.of_kind(&Kind::Pod).count() + made.sum::<usize>());
    rows.extend(run.store.of_kind(&Kind::Pod).map(|(key, pod)| {
        let mut row = pod_row(run, key, pod);
        if let Some(gang) = alone.get(&(row.namespace.to_string(), row.name.to_string())) {
            row.reason = gang.reason.map(|reason| reason.to_string());
            row.message.clone_from(&gang.message);
        }
        row
    }));
    made_pods(run, &mut rows);
    rows.sort_by(|a, b| {
        a.namespace
            .cmp(&b.namespace)
            .then_with(|| natural::compare(&a.name, &b.name))
            .then_with(|| a.name.cmp(&b.name))
    });
    rows
}

fn pod_row(run: &Simulation, key: &Key, pod: &Object) -> PodRow {
    let node = Some(pod.text("/spec/nodeName")).filter(|node| !node.is_empty());
    let group = membership_in(&pod.value);
    PodRow {
        namespace: SmolStr::new(&*key.namespace),
        name: SmolStr::new(&*key.name),
        domain: node.and_then(|node| domain_of(run, node)).map(SmolStr::new),
        node: node.map(SmolStr::new),
        pod_group: group.map(SmolStr::new),
        phase: pod.text("/status/phase").into(),
        ready: status::ready(&pod.value).into(),
        status: status::status(&pod.value).into(),
        ours: run.is_ours(pod.text("/spec/schedulerName")),
        reason: None,
        message: String::new(),
    }
}

fn made_pods(run: &Simulation, rows: &mut Vec<PodRow>) {
    for gang in run.made_gangs.gangs.iter().filter(|gang| gang.ended.is_none()) {
        let (group, pods) = run.made_gangs.objects(gang);
        for pod in pods {
            let node = pod.spec.node_name;
            let phase = pod.status.phase.unwrap_or(PodPhase::Pending);
            rows.push(PodRow {
                namespace: pod.metadata.namespace.into(),
                name: pod.metadata.name.into(),
                domain: node.as_deref().and_then(|node| domain_of(run, node)).map(SmolStr::new),
                ready: if node.is_some() { "1/1".into() } else { "0/1".into() },
                node: node.map(SmolStr::from),
                pod_group: Some(SmolStr::new(&group.metadata.name)),
                status: phase.to_string().into(),
                phase: phase.to_string().into(),
                ours: run.is_ours(pod.spec.scheduler_name.as_deref().unwrap_or("")),
                reason: None,
                message: String::new(),
            });
        }
    }
}

pub(super) fn pod_groups(run: &Simulation) -> Vec<PodGroupRow> {
    let reports = run.scheduler().reports();
    let classes = run.scheduler().classes();
    let mut rows: Vec<PodGroupRow> = Vec::new();
    let phases: BTreeMap<(String, String), String> = run
        .made_gangs
        .gangs
        .iter()
        .filter(|gang| gang.ended.is_none())
        .map(|gang| {
            let (namespace, name) = run.made_gangs.name(gang);
            let phase = gang.status.phase.as_ref().map_or("Pending", |phase| phase.as_str());
            ((namespace.to_owned(), name), phase.to_owned())
        })
        .collect();
    for gang in reports.into_iter().filter(|gang| gang.kind == GangKind::PodGroup) {
        let (dialect, name) = Dialect::split(&gang.name);
        let key = Key::new(dialect.kind().into(), &gang.namespace, name);
        let has_minimum = gang.counts.placed() >= gang.minimum.max(1);
        let phase = match run.store.get(&key) {
            // These have conditions and no phase.
            Some(_) if dialect == Dialect::Native => {
                if has_minimum { "Scheduled" } else { "Pending" }.to_owned()
            }
            Some(group) => group.text("/status/phase").to_owned(),
            None => phases.get(&(gang.namespace.clone(), gang.name.clone())).cloned().unwrap_or_default(),
        };
        let counts = gang.counts;
        let pods = counts.scheduled() + counts.assumed + counts.pending + counts.releasing;
        let class = classes.get(&format!("{}/{}", gang.namespace, gang.name));
        rows.push(PodGroupRow {
            class: class.map(|class| class.name()),
            promised: gang.promised,
            namespace: gang.namespace,
            name: gang.name,
            phase: if phase.is_empty() { "Pending".into() } else { phase },
            scheduled: counts.placed(),
            min_member: gang.minimum,
            pods,
            domain: gang.domain,
            tier: gang.tier,
            placement: gang.quality.map(placement),
            reason: gang.reason.map(|reason| reason.to_string()),
            message: gang.message,
            shortfall: gang.explanation.map(shortfall),
        });
    }
    rows.sort_by(|a, b| {
        a.namespace
            .cmp(&b.namespace)
            .then_with(|| natural::compare(&a.name, &b.name))
            .then_with(|| a.name.cmp(&b.name))
    });
    rows
}

fn placement(quality: Quality) -> PlacementRow {
    PlacementRow {
        cost: quality.terms.iter().map(|term| (term.term.name(), term.cost)).collect(),
        bound: quality.terms.iter().map(|term| (term.term.name(), term.bound)).collect(),
        gap_percent: quality.gap_percent(),
        proof: if quality.proof == Proof::Proven { "proven" } else { "cutShort" },
    }
}

pub(crate) fn shortfall(explanation: Explanation) -> ShortfallRow {
    let tiers = explanation.tiers.into_iter().map(|best| {
        let (tier, domain) = best.domain.unzip();
        TierRow { tier, domain, fits: best.fits, allowed: best.allowed }
    });
    let excluded = explanation.excluded.into_iter().map(|(cause, nodes)| ExcludedRow { cause, nodes });
    ShortfallRow {
        needed: explanation.needed,
        nodes: explanation.nodes,
        tiers: tiers.collect(),
        excluded: excluded.collect(),
        absent: explanation.absent,
        remedies: explanation.remedies.iter().map(|action| action.text.clone()).collect(),
        actions: explanation.remedies,
        proven: explanation.proven,
    }
}

pub(super) fn model_servings(run: &Simulation) -> Vec<ModelServingRow> {
    let count = |object: &Object, field: &str| {
        object.value.at(&format!("/status/{field}")).and_then(serde_json::Value::as_i64).unwrap_or(0)
    };
    run.store
        .of_kind(&Kind::ModelServing)
        .map(|(key, object)| (key, object, trouble(object)))
        .map(|(key, object, (reason, message))| ModelServingRow {
            reason,
            message,
            namespace: key.namespace.to_string(),
            name: key.name.to_string(),
            wanted: object.value.at("/spec/replicas").and_then(serde_json::Value::as_i64).unwrap_or(1),
            replicas: count(object, "replicas"),
            available_replicas: count(object, "availableReplicas"),
            updated_replicas: count(object, "updatedReplicas"),
        })
        .collect()
}

/// What the conditions of a ModelServing say is in its way: code and sentence.
fn trouble(serving: &Object) -> (Option<String>, String) {
    let conditions: Vec<Condition> = serving
        .value
        .at("/status/conditions")
        .and_then(|conditions| serde_json::from_value(conditions.clone()).ok())
        .unwrap_or_default();
    let (reason, message) = conditions::trouble(&conditions).unwrap_or_default();
    (Some(reason.to_owned()).filter(|reason| !reason.is_empty()), message.to_owned())
}

pub(super) fn summary(run: &Simulation, pods: &[PodRow], pod_groups: &[PodGroupRow]) -> Summary {
    let mut phases: BTreeMap<String, u32> = BTreeMap::new();
    for pod in pods.iter().filter(|pod| pod.ours) {
        *phases.entry(pod.phase.to_string()).or_default() += 1;
    }
    let ready = |node: &Object| {
        let conditions = node.value.at("/status/conditions").and_then(serde_json::Value::as_array);
        conditions.into_iter().flatten().any(|c| c["type"] == "Ready" && c["status"] == "True")
    };
    Summary {
        ended: run.ending.as_str(),
        simulated_milliseconds: run.now,
        nodes: run.store.of_kind(&Kind::Node).count() as u32,
        ready_nodes: run.store.of_kind(&Kind::Node).filter(|(_, node)| ready(node)).count() as u32,
        waiting_pods: pods.iter().filter(|pod| pod.waits()).count() as u32,
        pods: phases,
        pod_groups: pod_groups.len() as u32,
        waiting_pod_groups: pod_groups.iter().filter(|group| waits(group)).count() as u32,
        ended_gangs: run.made_gangs.gangs.iter().filter(|gang| gang.ended.is_some()).count() as u32,
        longest_wait_milliseconds: run
            .made_gangs
            .gangs
            .iter()
            .map(|gang| gang.placed.unwrap_or(run.now) - gang.came)
            .max()
            .unwrap_or(0),
        placements: run.placed,
        resources: resources(run),
    }
}

/// Has the gang less than its minimum, or nothing at all where no minimum is known?
pub(super) fn waits(group: &PodGroupRow) -> bool {
    group.scheduled < group.min_member.max(u32::from(group.reason.is_some()))
}

fn resources(run: &Simulation) -> BTreeMap<String, ResourceRow> {
    let cluster = run.scheduler().cluster();
    let capacity = cluster.view().capacity;
    let mut rows = BTreeMap::new();
    for index in 0..capacity.resources() {
        let resource = ResourceId(index as u32);
        let (mut allocatable, mut free) = (0, 0);
        for (node, _, _) in cluster.nodes().present() {
            allocatable += capacity.allocatable(node, resource);
            free += capacity.free(node, resource);
        }
        // Limits on volumes are no resources to those who look.
        if allocatable > 0 && cluster.resources().claimed(resource).is_none() {
            let name = cluster.resources().name(resource);
            let text = |amount: i64| amount_text(name, amount);
            let row = ResourceRow { allocatable: text(allocatable), requested: text(allocatable - free) };
            rows.insert(name.to_owned(), row);
        }
    }
    rows
}

/// Parts of the names of resources that are accelerators.
const ACCELERATORS: [&str; 12] =
    ["gpu", "gaudi", "tpu", "neuron", "npu", "ascend", "mlu", "dcu", "mig-", "accelerator", "i915", "xe"];

/// The resource that tables and trees count: what pods of ours ask for, accelerators before other devices, then what is
/// closest to its end; cpu where nobody asks for a device and no node has one.
pub(super) fn scarce(run: &Simulation) -> ResourceId {
    let cluster = run.scheduler().cluster();
    let view = cluster.view();
    let capacity = view.capacity;
    let mut asked = vec![0i64; capacity.resources()];
    for (_, pod) in cluster.pods().iter().filter(|(_, pod)| pod.gang.is_some()) {
        for &(resource, amount) in &view.classes.get(pod.class).requests {
            if let Some(sum) = asked.get_mut(resource.0 as usize) {
                *sum = sum.saturating_add(amount);
            }
        }
    }
    let sum =
        |of: &dyn Fn(NodeId) -> i64| cluster.nodes().present().map(|(node, _, _)| of(node)).sum::<i64>();
    let mut devices: Vec<ResourceId> = (FIXED_RESOURCES.len()..capacity.resources())
        .map(|index| ResourceId(index as u32))
        .filter(|&resource| {
            // Limits on volumes and huge pages are no devices.
            cluster.resources().claimed(resource).is_none()
                && !cluster.resources().name(resource).starts_with("hugepages-")
        })
        .filter(|&resource| sum(&|node| capacity.allocatable(node, resource)) > 0)
        .collect();
    devices.sort_by_cached_key(|&resource| {
        let name = cluster.resources().name(resource);
        let kind = name.rsplit('/').next().unwrap_or(name).to_lowercase();
        let all = i128::from(sum(&|node| capacity.allocatable(node, resource)).max(1));
        let free = i128::from(sum(&|node| capacity.free(node, resource)));
        let is_asked = asked.get(resource.0 as usize).is_some_and(|&asked| asked > 0);
        let is_accelerator = ACCELERATORS.iter().any(|part| kind.contains(part));
        (!is_asked, !is_accelerator, free * 1000 / all, all, name.to_owned())
    });
    devices.first().copied().unwrap_or(CPU)
}
