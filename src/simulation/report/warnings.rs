//! What is wrong with the cluster's objects and was worked around, or is read and not honoured: broken HyperNodes, objects
//! and steps of the timeline that were refused, fields that do not exist, marks that nobody reads, workloads whose
//! controllers do not run here, scheduler names that nobody answers to.

use super::{PodGroupRow, WarningRow};
use crate::api::gang::Dialect;
use crate::api::nearest::nearest;
use crate::api::unsupported::{self, Notice};
use crate::apiserver::{Key, Kind, Object};
use crate::cluster::cause::Cause;
use crate::cluster::topology::Severity;
use crate::scheduler::explain::cause_text;
use crate::scheduler::notices;
use crate::simulation::engine::Simulation;
use crate::simulation::time::print_duration;
use crate::simulation::workloads::{self, others};
use std::collections::{BTreeMap, BTreeSet};

/// Gangs that a sentence names.
const NAMED: usize = 3;
/// A workload makes pods of ours through a controller that does not run here.
pub(super) const NOT_SIMULATED: &str = "ControllerNotSimulated";
/// Pods ask for a scheduler that nobody answers to.
pub(super) const SCHEDULER_NAME: &str = "SchedulerNotAnswered";

/// All warnings: the gravest first, then as they were found.
pub(super) fn warnings(run: &Simulation, groups: &[PodGroupRow]) -> Vec<WarningRow> {
    let cluster = run.scheduler().cluster();
    let mut rows: Vec<WarningRow> = cluster
        .findings()
        .iter()
        .map(|finding| WarningRow {
            severity: match finding.severity() {
                Severity::Quarantined => "Quarantined",
                Severity::Ignored => "Ignored",
                Severity::Note => "Note",
            },
            code: finding.code().to_owned(),
            objects: finding.hyper_nodes().into_iter().map(|name| format!("HyperNode/{name}")).collect(),
            message: finding.to_string(),
        })
        .collect();
    rows.extend(quarantined_nodes(run, groups));
    let refused = |reason: &str| matches!(reason, "GroupMinMember" | "Malformed" | "Refused");
    let mut said = BTreeSet::new();
    for event in run.history.entries.iter().filter(|event| refused(&event.reason)) {
        let object = match event.namespace.as_str() {
            "" => format!("{}/{}", event.kind, event.name),
            namespace => format!("{}/{namespace}/{}", event.kind, event.name),
        };
        // A refusal names its object, a message about a field does not.
        let message = match event.reason.as_str() {
            "GroupMinMember" => format!("{}: {}", object.replacen('/', " ", 1), event.message),
            "Malformed" => format!("{object}: {}", event.message),
            _ if event.by == "user" => {
                format!("spec.timeline, at {}: {}", print_duration(event.at_milliseconds), event.message)
            }
            _ => event.message.clone(),
        };
        if said.insert(message.clone()) {
            let (code, objects) = (event.reason.clone(), vec![object]);
            rows.push(WarningRow { severity: "Ignored", code, objects, message });
        }
    }
    rows.extend(run.read.iter().map(|(code, problem)| WarningRow {
        severity: severity(code),
        code: (*code).to_owned(),
        objects: vec![problem.object.replacen(' ', "/", 1)],
        message: problem.to_string(),
    }));
    let mut collected = Collected::default();
    not_run(run, &mut collected);
    scheduler_names(run, &mut collected);
    of_objects(run, &mut collected);
    let is_owned = |name: &str| {
        let (namespace, name) = name.split_once('/').unwrap_or_default();
        let (dialect, name) = Dialect::split(name);
        let group = run.store.get(&Key::new(dialect.kind().into(), namespace, name));
        group.is_some_and(|group| group.value["metadata"]["ownerReferences"].is_array())
    };
    for found in notices::notices(cluster) {
        // The pods of a PodGroup that a controller made are that controller's affair.
        if found.notice.code == "PodGroupWithoutPods" && is_owned(&found.name) {
            continue;
        }
        collected.add(found.kind, &found.name, found.notice);
    }
    rows.extend(collected.rows());
    rows.sort_by_key(|row| ["Quarantined", "Ignored", "Note"].iter().position(|name| *name == row.severity));
    rows
}

/// Notices, each with all the objects that it is about.
#[derive(Default)]
struct Collected {
    /// In the order in which they were first found.
    notices: Vec<(Notice, Vec<String>)>,
    at: BTreeMap<Notice, usize>,
}

impl Collected {
    fn add(&mut self, kind: &str, name: &str, notice: Notice) {
        let at = *self.at.entry(notice.clone()).or_insert_with(|| {
            self.notices.push((notice, Vec::new()));
            self.notices.len() - 1
        });
        self.notices[at].1.push(format!("{kind}/{name}"));
    }

    fn about(&mut self, key: &Key, notice: Notice) {
        let name = match &*key.namespace {
            "" => key.name.to_string(),
            namespace => format!("{namespace}/{}", key.name),
        };
        self.add(&key.kind.to_string(), &name, notice);
    }

    fn rows(self) -> impl Iterator<Item = WarningRow> {
        self.notices.into_iter().map(|(notice, objects)| {
            let more = match objects.len() {
                1 => String::new(),
                count => format!(" and {} more", count - 1),
            };
            WarningRow {
                severity: severity(notice.code),
                code: notice.code.to_owned(),
                message: format!("{}{more}: {}", objects[0].replacen('/', " ", 1), notice.message),
                objects,
            }
        })
    }
}

/// Is something left out, or is it taken as it stands?
fn severity(code: &str) -> &'static str {
    match code {
        "PodGroupWithoutPods" | "UnlikelyValue" => "Note",
        _ => "Ignored",
    }
}

/// Workloads that would make pods of ours, and whose controllers do not run here.
fn not_run(run: &Simulation, collected: &mut Collected) {
    for key in others::not_run(&run.store, &|name| run.is_ours(name)) {
        // One row for each kind.
        let message = format!(
            "its controller is not simulated, so its pods are missing here; give the pods and PodGroups of each {} as well, \
             as kubectl get -o yaml shows them",
            key.kind
        );
        collected.about(key, Notice::new(NOT_SIMULATED, message));
    }
}

/// Objects that name a scheduler that is not there: those of kinds that are ours alone, and names that are nearly right.
fn scheduler_names(run: &Simulation, collected: &mut Collected) {
    let ours = &run.ours;
    let mut say = |key: &Key, name: &str, is_ours_alone: bool| {
        let is_known = run.is_ours(name) || name.is_empty();
        let near = nearest(name, ours.iter().map(String::as_str));
        if !is_known && (near.is_some() || is_ours_alone) {
            let whose = if key.kind == Kind::Pod { "it is" } else { "its pods are" };
            let message = format!(
                "asks for scheduler {name}, and this scheduler answers to {}: {whose} left alone; write schedulerName: {}",
                ours.join(", "),
                near.or(ours.first().map(String::as_str)).unwrap_or_default()
            );
            collected.about(key, Notice::new(SCHEDULER_NAME, message));
        }
    };
    for (key, serving) in run.store.of_kind(&Kind::ModelServing) {
        say(key, serving.text("/spec/schedulerName"), true);
    }
    for kind in workloads::KINDS {
        for (key, workload) in run.store.of_kind(&kind) {
            let name = workloads::scheduler_name(&kind, &workload.value);
            say(key, name, kind == Kind::VolcanoJob && name != "default-scheduler");
        }
    }
    for (key, pod) in run.store.of_kind(&Kind::Pod) {
        let is_owned =
            pod.value["metadata"]["ownerReferences"].as_array().is_some_and(|owners| !owners.is_empty());
        // What its owner was told need not be said of each pod.
        if !is_owned && pod.text("/spec/nodeName").is_empty() {
            say(key, pod.text("/spec/schedulerName"), false);
        }
    }
}

/// What objects ask for and nobody reads.
fn of_objects(run: &Simulation, collected: &mut Collected) {
    for (name, notice) in run.scheduler().queue_notices() {
        collected.about(&Key::new(Kind::Queue, "", &name), notice);
    }
    for kind in [
        Kind::Queue,
        Kind::PodGroup,
        Kind::NativePodGroup,
        Kind::LeaderWorkerSet,
        Kind::VolcanoJob,
        Kind::Pod,
    ] {
        for (key, object) in run.store.of_kind(&kind).filter(|(key, object)| concerns(run, key, object)) {
            for notice in unsupported::notices(&object.value) {
                collected.about(key, notice);
            }
            if kind == Kind::Pod {
                priority(run, key, object, collected);
                runtime_class(key, object, collected);
            }
        }
    }
}

/// Is the object ours to place, and not over?
fn concerns(run: &Simulation, key: &Key, object: &Object) -> bool {
    match key.kind {
        Kind::Pod => {
            run.is_ours(object.text("/spec/schedulerName"))
                && !matches!(object.text("/status/phase"), "Succeeded" | "Failed")
        }
        Kind::VolcanoJob => run.is_ours(workloads::scheduler_name(&key.kind, &object.value)),
        _ => true,
    }
}

/// An API server refuses a pod whose PriorityClass does not exist: where a dump has one, the classes were left out.
fn priority(run: &Simulation, key: &Key, pod: &Object, collected: &mut Collected) {
    let class = pod.text("/spec/priorityClassName");
    let is_known =
        class.starts_with("system-") || run.store.get(&Key::new(Kind::PriorityClass, "", class)).is_some();
    // A pod that an API server has taken in knows its number.
    if !class.is_empty() && !is_known && pod.value["spec"]["priority"].as_i64().unwrap_or(0) == 0 {
        let message = format!(
            "spec.priorityClassName: PriorityClass {class} does not exist, so the pod's priority is 0; create it, or add \
             it to the files"
        );
        collected.about(key, Notice::new("PriorityClassNotFound", message));
    }
}

/// An API server adds what the class asks for to the pods that it takes in; here nobody does.
fn runtime_class(key: &Key, pod: &Object, collected: &mut Collected) {
    let class = pod.text("/spec/runtimeClassName");
    if !class.is_empty() && pod.value["spec"]["overhead"].is_null() {
        let message = format!(
            "spec.runtimeClassName: RuntimeClass {class} is not read: its overhead and node selector count where the pod has \
             them itself"
        );
        collected.about(key, Notice::new("RuleNotRead", message));
    }
}

/// Nodes below broken HyperNodes, and the gangs that wait and could have used them.
fn quarantined_nodes(run: &Simulation, groups: &[PodGroupRow]) -> Option<WarningRow> {
    let cluster = run.scheduler().cluster();
    let topology = cluster.view().topology;
    let nodes = cluster.nodes().present().filter(|(node, ..)| topology.is_in_quarantine(*node)).count();
    if nodes == 0 {
        return None;
    }
    let cause = cause_text(cluster, Cause::Quarantined);
    let concerned: Vec<String> = groups
        .iter()
        .filter(|group| {
            let excluded = group.shortfall.iter().flat_map(|shortfall| &shortfall.excluded);
            excluded.into_iter().any(|excluded| excluded.cause == cause)
        })
        .map(|group| format!("{}/{}", group.namespace, group.name))
        .collect();
    let (s, lie) = if nodes == 1 { ("", "lies") } else { ("s", "lie") };
    let waiting = match concerned.len() {
        0 => "no gang waits for that".to_owned(),
        1 => format!("{} waits and could use them", concerned[0]),
        count => {
            let first = concerned[..count.min(NAMED)].join(", ");
            let more = if count > NAMED { format!(" and {} more", count - NAMED) } else { String::new() };
            format!("{first}{more} wait and could use them")
        }
    };
    let message = format!(
        "{nodes} node{s} {lie} in broken HyperNodes and may be out of reach of gangs with a hard topology rule until \
         these are mended; {waiting}"
    );
    let objects = concerned.into_iter().map(|name| format!("PodGroup/{name}")).collect();
    Some(WarningRow { severity: "Quarantined", code: "QuarantinedNodes".into(), objects, message })
}
