//! What is decided over several cycles, with a cluster that does at once what it is told: statuses are written, pods that are
//! given a node run, gates go.

mod admission;
mod gates;
mod guard;
mod lost;
mod order;
mod room;

use super::{Decision, Scheduler, SchedulerConfig, config};
use crate::api::time::Timestamp;
use crate::cluster::Event;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A cluster and its scheduler.
pub(super) struct World {
    pub(super) scheduler: Scheduler,
    groups: BTreeMap<String, Value>,
    pods: BTreeMap<String, Value>,
    /// Seconds since 1970.
    pub(super) now: i64,
}

impl World {
    /// Nodes with so many CPUs each, and a scheduler with this configuration.
    pub(super) fn new(nodes: &[u32], config: &str) -> World {
        let config =
            if config.is_empty() { SchedulerConfig::default() } else { config::load(config).unwrap().0 };
        let mut scheduler = Scheduler::configured(config);
        for (index, cpus) in nodes.iter().enumerate() {
            let amounts = json!({"cpu": cpus.to_string(), "memory": "64Gi", "pods": "110"});
            let node =
                json!({"metadata": {"name": format!("node-{index}")}, "status": {"allocatable": amounts}});
            scheduler.apply(Event::Node(&serde_json::from_value(node).unwrap()));
        }
        World { scheduler, groups: BTreeMap::new(), pods: BTreeMap::new(), now: 1_800_000_000 }
    }

    /// A PodGroup, created now.
    pub(super) fn group(&mut self, name: &str, annotations: Value, spec: Value) {
        let created = Timestamp(self.now).to_string();
        let metadata = json!({"namespace": "ns", "name": name, "uid": name, "annotations": annotations,
            "creationTimestamp": created});
        self.groups.insert(name.to_owned(), json!({"metadata": metadata, "spec": spec}));
        self.say_group(name);
    }

    pub(super) fn queue(&mut self, name: &str, spec: Value) {
        let queue = json!({"metadata": {"name": name}, "spec": spec, "status": {"state": "Open"}});
        self.scheduler.apply(Event::Queue(&serde_json::from_value(queue).unwrap()));
    }

    /// A pod of a PodGroup that asks for so many CPUs.
    pub(super) fn pod(&mut self, group: &str, name: &str, cpus: u32) {
        self.pod_with(group, name, cpus, json!({}), json!([]));
    }

    pub(super) fn pod_with(
        &mut self,
        group: &str,
        name: &str,
        cpus: u32,
        mut annotations: Value,
        gates: Value,
    ) {
        annotations["scheduling.k8s.io/group-name"] = json!(group);
        let resources = json!({"requests": {"cpu": cpus.to_string()}});
        let pod = json!({
            "metadata": {"namespace": "ns", "name": name, "uid": name, "annotations": annotations},
            "spec": {"schedulerName": "volcano", "schedulingGates": gates,
                "containers": [{"name": "c", "resources": resources}]},
        });
        self.pods.insert(name.to_owned(), pod);
        self.say_pod(name);
    }

    pub(super) fn pod_gone(&mut self, name: &str) {
        self.pods.remove(name);
        self.scheduler.apply(Event::PodGone { namespace: "ns", name });
    }

    pub(super) fn group_gone(&mut self, name: &str) {
        self.groups.remove(name);
        self.scheduler.apply(Event::PodGroupGone { namespace: "ns", name });
    }

    /// What runs in another world, as far as one gang and a pod of it are concerned.
    pub(super) fn take_over(&mut self, from: &World, group: &str, pod: &str) {
        self.groups.insert(group.to_owned(), from.groups[group].clone());
        self.pods.insert(pod.to_owned(), from.pods[pod].clone());
        self.say_group(group);
        self.say_pod(pod);
    }

    /// Another scheduler binds a pod.
    pub(super) fn foreign_pod(&mut self, name: &str, node: &str, cpus: u32) {
        let resources = json!({"requests": {"cpu": cpus.to_string()}});
        let pod = json!({
            "metadata": {"namespace": "ns", "name": name, "uid": name},
            "spec": {"schedulerName": "default-scheduler", "nodeName": node,
                "containers": [{"name": "c", "resources": resources}]},
        });
        self.scheduler.apply(Event::Pod(&serde_json::from_value(pod).unwrap()));
    }

    /// So many seconds pass, and the scheduler is told the time.
    pub(super) fn pass(&mut self, seconds: i64) {
        self.now += seconds;
        self.scheduler.wake(Timestamp(self.now));
    }

    /// Cycles until there is nothing to do. Returns the pods that got a node, in order.
    pub(super) fn settle(&mut self) -> Vec<String> {
        let mut placed = Vec::new();
        for _ in 0..50 {
            if !self.scheduler.has_work() {
                return placed;
            }
            let now = Timestamp(self.now).to_string();
            for decision in self.scheduler.cycle(&now).decisions {
                self.carry_out(decision, &mut placed);
            }
            assert_eq!(self.scheduler.cluster().audit(), Vec::<String>::new());
        }
        panic!("the scheduler answers its own answers");
    }

    fn carry_out(&mut self, decision: Decision, placed: &mut Vec<String>) {
        match decision {
            Decision::Place(placement) => {
                for bound in placement.pods {
                    let pod = self.pods.get_mut(&bound.pod.name).unwrap();
                    pod["spec"]["nodeName"] = json!(bound.node);
                    pod["status"] = json!({"phase": "Running"});
                    placed.push(bound.pod.name.clone());
                    self.say_pod(&bound.pod.name);
                }
            }
            Decision::GroupStatus { name, status, .. } => {
                if let Some(group) = self.groups.get_mut(&name) {
                    group["status"] = serde_json::to_value(status).unwrap();
                    self.say_group(&name);
                }
            }
            Decision::Ungate { pods } => {
                for pod in pods {
                    self.pods.get_mut(&pod.name).unwrap()["spec"]["schedulingGates"] = json!([]);
                    self.say_pod(&pod.name);
                }
            }
            // Nothing here has asked for evictions.
            Decision::Event { .. } | Decision::Unschedulable { .. } | Decision::Evict { .. } => {}
        }
    }

    pub(super) fn phase(&self, group: &str) -> String {
        self.groups[group]["status"]["phase"].as_str().unwrap_or_default().to_owned()
    }

    /// Status, reason and message of a condition.
    pub(super) fn condition(&self, group: &str, type_: &str) -> Option<[String; 3]> {
        let conditions = self.groups[group]["status"]["conditions"].as_array()?;
        let condition = conditions.iter().find(|condition| condition["type"] == type_)?;
        Some(
            ["status", "reason", "message"].map(|key| condition[key].as_str().unwrap_or_default().to_owned()),
        )
    }

    fn say_group(&mut self, name: &str) {
        let group = serde_json::from_value(self.groups[name].clone()).unwrap();
        self.scheduler.apply(Event::PodGroup(&group));
    }

    fn say_pod(&mut self, name: &str) {
        let pod = serde_json::from_value(self.pods[name].clone()).unwrap();
        self.scheduler.apply(Event::Pod(&pod));
    }
}
