//! What there is to say of a pod, a queue, a node and a HyperNode.

use super::super::found::Found;
use super::waiting::{table, waiting};
use crate::cluster::cause::Cause;
use crate::cluster::gangs::GangKind;
use crate::cluster::ids::{ConstraintId, NodeId, ResourceId};
use crate::cluster::requests::amount_text;
use crate::cluster::topology::Topology;
use crate::scheduler::explain::cause_text;
use crate::simulation::report::columns::columns;
use crate::words::counted;
use serde_json::{Value, json};
use std::fmt::Write;

/// Text for people, and the same for programs.
pub(in crate::cli) type Account = (String, Value);

/// A pod, with its gang.
pub(in crate::cli) fn pod(found: &Found, namespace: &str, name: &str) -> Option<Account> {
    let cluster = found.scheduler.cluster();
    let key = format!("{namespace}/{name}");
    let pod = cluster.pods().get(cluster.pods().id(&key)?)?;
    let node = pod.node.map(|node| cluster.nodes().name(node).to_owned());
    let state = super::state(pod);
    let mut text = format!("Pod {key}: {state}");
    if let Some(node) = &node {
        let _ = write!(text, " (node {node})");
    }
    text.push('\n');
    let gang = pod.gang.and_then(|gang| cluster.gangs().get(gang));
    let mut value =
        json!({ "kind": "Pod", "namespace": namespace, "name": name, "node": node, "state": state });
    match gang {
        None => {
            let names = &found.scheduler_names;
            let _ = writeln!(text, "It does not ask for this scheduler ({}).", names.join(", "));
            value["ours"] = json!(false);
        }
        Some(gang) if gang.kind == GangKind::PodGroup => {
            let (account, group) = super::of_pod_group(found, &gang.key)?;
            let _ = write!(text, "\n{account}");
            value["podGroup"] = group;
        }
        Some(_) => {
            let own = waiting(found, |report| {
                report.kind == GangKind::Pod && report.name == name && report.namespace == namespace
            });
            if let Some(it) = own.first() {
                text.push('\n');
                table(&own, &mut text);
                value["waits"] = it.json();
            }
        }
    }
    Some((text, value))
}

/// A queue, with the gangs in it that wait.
pub(in crate::cli) fn queue(found: &Found, name: &str) -> Option<Account> {
    let cluster = found.scheduler.cluster();
    let queue = cluster.queue(name)?;
    let state = if queue.open { "open" } else { "not open" };
    let of = |group: &str| if group.is_empty() { "default" } else { group } == name;
    let inside =
        cluster.gangs().iter().filter(|(_, gang)| gang.group.as_ref().is_some_and(|it| of(&it.spec.queue)));
    let gangs = inside.count();
    let waits = waiting(found, |report| {
        report.kind == GangKind::PodGroup
            && found.pod_groups.iter().any(|group| {
                group.metadata.name == report.name
                    && group.metadata.namespace == report.namespace
                    && of(&group.spec.queue)
            })
    });
    let mut text = format!(
        "Queue {name} is {state}, of priority {}; {gangs} PodGroup{} in it\n\n",
        queue.priority,
        if gangs == 1 { " is" } else { "s are" }
    );
    let shared = found.scheduler.queue_reports().into_iter().find(|report| report.name == name);
    let (shares, value) = shared.map_or_else(Default::default, |report| super::shares::shares(&report));
    text.push_str(&shares);
    table(&waits, &mut text);
    let waits: Vec<Value> = waits.iter().map(super::waiting::Waiting::json).collect();
    Some((
        text,
        json!({ "kind": "Queue", "name": name, "open": queue.open, "priority": queue.priority,
            "podGroups": gangs, "shares": value, "waiting": waits }),
    ))
}

/// Free and allocatable amounts of these nodes, of every resource that one of them has.
fn amounts(found: &Found, nodes: &[NodeId]) -> Vec<(String, i64, i64)> {
    let cluster = found.scheduler.cluster();
    let capacity = cluster.view().capacity;
    let mut rows = Vec::new();
    for resource in (0..capacity.resources() as u32).map(ResourceId) {
        let all: i64 = nodes.iter().map(|&node| capacity.allocatable(node, resource)).sum();
        let free: i64 = nodes.iter().map(|&node| capacity.free(node, resource)).sum();
        if all > 0 && cluster.resources().claimed(resource).is_none() {
            rows.push((cluster.resources().name(resource).to_owned(), free, all));
        }
    }
    rows
}

fn amounts_table(rows: &[(String, i64, i64)], text: &mut String) {
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|(name, free, all)| vec![name.clone(), amount_text(name, *free), amount_text(name, *all)])
        .collect();
    text.push_str(&columns(&["RESOURCE", "FREE", "ALLOCATABLE"], &rows));
}

fn amounts_json(rows: &[(String, i64, i64)]) -> Value {
    let entry = |(name, free, all): &(String, i64, i64)| {
        (name.clone(), json!({ "free": amount_text(name, *free), "allocatable": amount_text(name, *all) }))
    };
    Value::Object(rows.iter().map(entry).collect())
}

/// A node: whether it takes pods, what is free, who sits there, and what keeps those that wait from it.
pub(in crate::cli) fn node(found: &Found, name: &str) -> Option<Account> {
    let cluster = found.scheduler.cluster();
    let view = cluster.view();
    let id = cluster.nodes().id(name).filter(|&id| cluster.nodes().get(id).present)?;
    // The constraint that demands nothing and tolerates nothing.
    let cause = view.eligibility.cause(ConstraintId(0), id);
    let state = cause.map_or("takes pods".to_owned(), |cause| cause_text(cluster, cause));
    let mut domains = Vec::new();
    if let Some(position) = view.topology.position(id) {
        let mut at = view.topology.leaf(position);
        while at != Topology::ROOT {
            domains.push(view.topology.name(at).to_owned());
            at = view.topology.parent(at);
        }
    }
    let place = if domains.is_empty() {
        "in no HyperNode".to_owned()
    } else {
        format!("in {}", domains.join(" in "))
    };
    let mut text = format!("Node {name}: {state}; {place}\n\n");
    let free = amounts(found, &[id]);
    amounts_table(&free, &mut text);
    let here = cluster.pods().iter().filter(|(_, pod)| pod.holds() == Some(id));
    let mut pods: Vec<(String, String)> =
        here.map(|(_, pod)| (pod.key.to_string(), super::state(pod))).collect();
    pods.sort();
    if !pods.is_empty() {
        let rows: Vec<Vec<String>> =
            pods.iter().map(|(key, state)| vec![key.clone(), state.clone()]).collect();
        let _ = write!(text, "\n{}", columns(&["POD", "STATE"], &rows));
    }
    let mut keeps = Vec::new();
    for (gang, class) in found.scheduler.waiting_classes() {
        let class = view.classes.get(class);
        let why = view.eligibility.cause(class.constraint, id).or_else(|| {
            let short =
                class.requests.iter().rev().find(|&&(it, amount)| view.capacity.free(id, it) < amount);
            short.map(|&(resource, _)| Cause::Resource(resource))
        });
        keeps.push((
            gang.to_owned(),
            why.map_or("has room for one pod of it".to_owned(), |it| cause_text(cluster, it)),
        ));
    }
    keeps.sort();
    keeps.dedup();
    if !keeps.is_empty() {
        let rows: Vec<Vec<String>> =
            keeps.iter().map(|(gang, why)| vec![gang.clone(), why.clone()]).collect();
        let _ = write!(text, "\n{}", columns(&["GANG THAT WAITS", "THIS NODE"], &rows));
    }
    let pair = |list: &[(String, String)], a: &str, b: &str| -> Vec<Value> {
        list.iter().map(|(first, second)| json!({ a: first, b: second })).collect()
    };
    let value = json!({
        "kind": "Node", "name": name, "state": state, "domains": domains, "resources": amounts_json(&free),
        "pods": pair(&pods, "pod", "state"), "waiting": pair(&keeps, "gang", "node"),
    });
    Some((text, value))
}

/// A HyperNode: where it stands in the tree, what is free in it, and what is wrong with it.
pub(in crate::cli) fn hyper_node(found: &Found, name: &str) -> Option<Account> {
    let cluster = found.scheduler.cluster();
    let topology = cluster.view().topology;
    let problems: Vec<String> = cluster
        .findings()
        .iter()
        .map(ToString::to_string)
        .filter(|text| {
            text.split(|c: char| !(c.is_alphanumeric() || "-._".contains(c))).any(|word| word == name)
        })
        .collect();
    let domain =
        topology.by_tier().iter().flat_map(|(_, domains)| domains).find(|&&it| topology.name(it) == name);
    let mut text = String::new();
    let mut value = json!({ "kind": "HyperNode", "name": name, "problems": problems });
    match domain {
        None if problems.is_empty() => return None,
        None => {
            let _ = writeln!(text, "HyperNode {name} is not used");
        }
        Some(&domain) => {
            let parent = topology.parent(domain);
            let inside = if parent == Topology::ROOT { "the cluster" } else { topology.name(parent) };
            let nodes = topology.nodes(domain);
            let tier = topology.tier(domain);
            let _ = writeln!(
                text,
                "HyperNode {name}: tier {tier}, {}, in {inside}\n",
                counted(nodes.len(), "node")
            );
            let free = amounts(found, nodes);
            amounts_table(&free, &mut text);
            let reports = found.scheduler.reports();
            let within = |report: &&crate::scheduler::GangReport| {
                let at = report.domain.as_deref().and_then(|it| {
                    let mut all = topology.by_tier().iter().flat_map(|(_, domains)| domains);
                    all.find(|&&known| topology.name(known) == it)
                });
                at.is_some_and(|&at| topology.is_within(at, domain))
            };
            let gangs: Vec<String> =
                reports.iter().filter(within).map(|it| format!("{}/{}", it.namespace, it.name)).collect();
            if !gangs.is_empty() {
                let _ = writeln!(text, "\nGangs in it: {}", gangs.join(", "));
            }
            let children: Vec<&str> = topology.children(domain).iter().map(|&it| topology.name(it)).collect();
            value["tier"] = json!(tier);
            value["parent"] = json!((parent != Topology::ROOT).then_some(inside));
            value["children"] = json!(children);
            value["nodes"] = json!(nodes.iter().map(|&node| cluster.nodes().name(node)).collect::<Vec<_>>());
            value["resources"] = amounts_json(&free);
            value["gangs"] = json!(gangs);
        }
    }
    for problem in &problems {
        let _ = writeln!(text, "- {problem}");
    }
    Some((text, value))
}
