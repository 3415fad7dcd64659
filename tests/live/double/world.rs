//! The world around the double: nodes, kubelets, controllers that recreate pods, and people who delete them.

use super::dice::Dice;
use super::server::Server;
use super::store::{Store, key, text};
use serde_json::{Value, json};

pub(crate) const NAMESPACE: &str = "ns";
pub(crate) const SCHEDULER: &str = "volcano";

/// A gang that somebody wants.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) name: String,
    pub(crate) size: usize,
    pub(crate) recreated: bool,
}

pub(crate) fn node(name: &str, gpus: u64) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Node", "metadata": { "name": name }, "spec": {},
        "status": { "allocatable": { "nvidia.com/gpu": gpus.to_string(), "cpu": "64", "memory": "256Gi", "pods": "110" } },
    })
}

pub(crate) fn group(name: &str, minimum: usize) -> Value {
    json!({
        "apiVersion": "scheduling.volcano.sh/v1beta1", "kind": "PodGroup", "metadata": { "name": name },
        "spec": { "minMember": minimum },
    })
}

/// `rack`: only there.
pub(crate) fn pod(name: &str, gang: &str, scheduler: &str, recreated: bool, rack: &str) -> Value {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name },
        "spec": { "schedulerName": scheduler, "containers": [{
            "name": "main", "image": "none", "resources": { "limits": { "nvidia.com/gpu": 1 } },
        }] },
    });
    if !gang.is_empty() {
        pod["metadata"]["annotations"] = json!({ "scheduling.k8s.io/group-name": gang });
    }
    if recreated {
        pod["metadata"]["ownerReferences"] = json!([{ "apiVersion": "apps/v1", "kind": "Keeper", "name": gang, "uid": "u", "controller": true }]);
    }
    if !rack.is_empty() {
        pod["spec"]["nodeSelector"] = json!({ "fleet.test/rack": rack });
    }
    pod
}

pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) wanted: Vec<Wanted>,
    pub(crate) dice: Dice,
    /// Pods that the cluster has room for.
    room: usize,
    groups: usize,
}

impl World {
    pub(crate) fn new(server: Server, seed: u64) -> Self {
        World { server, wanted: Vec::new(), dice: Dice::new(seed), room: 0, groups: 0 }
    }

    pub(crate) fn add_node(&mut self, name: &str, gpus: u64) {
        self.room += gpus as usize;
        let _ = self.server.store().create(key("nodes", "", name), node(name, gpus));
        self.server.tell();
    }

    /// A gang, if there is room for it.
    pub(crate) fn add_gang(&mut self, most: usize) {
        let size = self.dice.range(1, most as u64) as usize;
        if self.room < size {
            return;
        }
        self.room -= size;
        self.groups += 1;
        let name = format!("g{}", self.groups);
        let minimum = if self.dice.chance(600) { size } else { self.dice.range(1, size as u64) as usize };
        let recreated = self.dice.chance(700);
        let mut store = self.server.store();
        let _ = store.create(key("podgroups", NAMESPACE, &name), group(&name, minimum));
        for member in 0..size {
            let pod_name = format!("{name}-{member:02}");
            let pod = pod(&pod_name, &name, SCHEDULER, recreated, "");
            let _ = store.create(key("pods", NAMESPACE, &pod_name), pod);
        }
        drop(store);
        self.wanted.push(Wanted { name, size, recreated });
        self.server.tell();
    }

    pub(crate) fn add_single(&mut self, name: &str) {
        if self.room > 0 {
            self.room -= 1;
            let pod = pod(name, "", SCHEDULER, true, "");
            let _ = self.server.store().create(key("pods", NAMESPACE, name), pod);
            self.server.tell();
        }
    }

    /// What kubelets and controllers do, ten times a second.
    pub(crate) fn turn(&mut self) {
        let World { server, wanted, dice, .. } = self;
        let mut store = server.store();
        let before = store.version;
        let pods: Vec<Value> = store.all("pods", "").cloned().collect();
        for pod in &pods {
            let at = key("pods", NAMESPACE, text(pod, "/metadata/name"));
            let has_node = !text(pod, "/spec/nodeName").is_empty();
            let deleting = !pod["metadata"]["deletionTimestamp"].is_null();
            if deleting && dice.chance(150) {
                let _ = store.remove(&at);
            } else if has_node && !deleting && text(pod, "/status/phase") == "Pending" && dice.chance(300) {
                store.change(&at, |pod| pod["status"]["phase"] = "Running".into());
            } else if has_node && !deleting && is_lost(&store, text(pod, "/spec/nodeName")) && dice.chance(50)
            {
                let _ = store.delete(&at, "", false);
            }
        }
        for gang in wanted.iter().filter(|gang| gang.recreated) {
            if store.find(&key("podgroups", NAMESPACE, &gang.name)).is_none() {
                continue;
            }
            for member in 0..gang.size {
                let name = format!("{}-{member:02}", gang.name);
                let at = key("pods", NAMESPACE, &name);
                if store.find(&at).is_none() && dice.chance(200) {
                    let _ = store.create(at, pod(&name, &gang.name, SCHEDULER, true, ""));
                }
            }
        }
        let changed = store.version != before;
        drop(store);
        if changed {
            self.server.tell();
        }
    }

    /// Something happens. What, for the count.
    pub(crate) fn mischief(&mut self) -> &'static str {
        let kind = self.dice.below(12);
        if kind == 0 {
            self.add_gang(5);
            return "gangs added";
        }
        let World { server, wanted, dice, .. } = self;
        let mut store = server.store();
        let pods: Vec<String> =
            store.all("pods", "").map(|pod| text(pod, "/metadata/name").to_owned()).collect();
        let nodes: Vec<String> =
            store.all("nodes", "").map(|node| text(node, "/metadata/name").to_owned()).collect();
        if pods.is_empty() || wanted.is_empty() {
            return "nothing";
        }
        let pod = key("pods", NAMESPACE, &pods[dice.below(pods.len())]);
        let gang = wanted[dice.below(wanted.len())].clone();
        let group = key("podgroups", NAMESPACE, &gang.name);
        let what = match kind {
            1..=3 => {
                let _ = store.delete(&pod, "", false);
                "pods deleted"
            }
            4 | 5 => {
                let node = key("nodes", "", &nodes[dice.below(nodes.len())]);
                store.change(&node, |node| {
                    let lost = node["spec"]["taints"].is_null();
                    let taint = json!([{ "key": "node.kubernetes.io/not-ready", "effect": "NoExecute" }]);
                    node["spec"]["taints"] = if lost { taint } else { Value::Null };
                });
                "nodes lost or back"
            }
            6 => {
                let minimum = dice.range(1, gang.size as u64);
                store.change(&group, |group| group["spec"]["minMember"] = minimum.into());
                "minima changed"
            }
            7 => {
                let silent = dice.chance(500);
                // Nobody who watches from before hears of it.
                if silent {
                    let _ = store.delete(&pod, "", false);
                    let _ = store.remove(&pod);
                }
                store.compacted = store.version;
                "watches expired, with silent deletes"
            }
            8 => {
                store.change(&pod, |pod| {
                    if !text(pod, "/spec/nodeName").is_empty() {
                        pod["status"]["phase"] = "Failed".into();
                    }
                });
                if gang.recreated {
                    let failed: Vec<String> = store
                        .all("pods", "")
                        .filter(|pod| {
                            text(pod, "/status/phase") == "Failed"
                                && !pod["metadata"]["ownerReferences"].is_null()
                        })
                        .map(|pod| text(pod, "/metadata/name").to_owned())
                        .collect();
                    failed
                        .iter()
                        .for_each(|name| drop(store.delete(&key("pods", NAMESPACE, name), "", false)));
                }
                "pods failed"
            }
            _ => {
                let note = dice.roll().to_string();
                store.change(&group, |group| group["metadata"]["annotations"]["note"] = note.into());
                "groups changed by others"
            }
        };
        drop(store);
        self.server.tell();
        what
    }

    /// From now on all is well: nodes are back, failed pods are cleared away.
    pub(crate) fn heal(&mut self) {
        let mut store = self.server.store();
        let nodes: Vec<String> =
            store.all("nodes", "").map(|node| text(node, "/metadata/name").to_owned()).collect();
        for node in nodes {
            store.change(&key("nodes", "", &node), |node| node["spec"] = json!({}));
        }
        let failed: Vec<String> = store
            .all("pods", "")
            .filter(|pod| text(pod, "/status/phase") == "Failed")
            .map(|pod| text(pod, "/metadata/name").to_owned())
            .collect();
        failed.iter().for_each(|name| drop(store.delete(&key("pods", NAMESPACE, name), "", false)));
        drop(store);
        self.server.tell();
    }
}

fn is_lost(store: &Store, node: &str) -> bool {
    store.find(&key("nodes", "", node)).is_none_or(|node| !node["spec"]["taints"].is_null())
}
