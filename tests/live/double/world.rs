//! The world around the double: nodes, kubelets, controllers that recreate pods, and people who delete them.

use super::devices::{Devices, asks_for_one, grant_as_another};
use super::dice::Dice;
use super::server::Server;
use super::store::{Key, Store, key, text};
use serde_json::{Value, json};
use std::collections::BTreeSet;

pub(crate) const NAMESPACE: &str = "ns";
pub(crate) const SCHEDULER: &str = "volcano";
pub(crate) const CLAIMS: &str = "persistentvolumeclaims";
const NAME_LABEL: &str = "fleet.test/name";
const ZONE_LABEL: &str = "fleet.test/zone";
const SELECTED_NODE: &str = "/metadata/annotations/volume.kubernetes.io~1selected-node";

/// A gang that somebody wants.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) name: String,
    pub(crate) size: usize,
    pub(crate) recreated: bool,
    /// Pods of a subgroup; 0: it has none.
    pub(crate) part: usize,
    claims: Claims,
}

/// What the pods of a gang use of claims, which wait for their first consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Claims {
    None,
    /// One each, whose volume every node reaches.
    Own,
    /// One for all, whose volume some nodes do not reach.
    Shared,
    /// A device each.
    Devices,
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
        pod["metadata"]["ownerReferences"] = json!([{ "apiVersion": "apps/v1", "kind": "Keeper", "name": if gang.is_empty() { "keeper" } else { gang }, "uid": "u", "controller": true }]);
    }
    if !rack.is_empty() {
        pod["spec"]["nodeSelector"] = json!({ "fleet.test/rack": rack });
    }
    pod
}

/// A PodGroup of subgroups of `part` pods each, so many of which must be whole.
pub(crate) fn parted(name: &str, minimum: usize, part: usize, wholes: usize) -> Value {
    let mut group = group(name, minimum);
    group["spec"]["subGroupPolicy"] = json!([{
        "name": "part", "subGroupSize": part, "minSubGroups": wholes, "matchLabelKeys": ["subgroup"],
    }]);
    group
}

/// The n-th pod of a gang with subgroups of `part` pods; of one without, if it is 0.
pub(crate) fn nth(mut pod: Value, n: usize, part: usize) -> Value {
    if let Some(subgroup) = n.checked_div(part) {
        pod["metadata"]["labels"] = json!({ "subgroup": subgroup.to_string() });
    }
    pod
}

/// The pod of a gang with what it uses of claims.
fn with_claim(mut pod: Value, gang: &str, claims: Claims) -> Value {
    let name = match claims {
        Claims::None => return pod,
        Claims::Devices => return asks_for_one(pod),
        Claims::Own => pod["metadata"]["name"].clone(),
        Claims::Shared => gang.into(),
    };
    pod["spec"]["volumes"] = json!([{ "name": "data", "persistentVolumeClaim": { "claimName": name } }]);
    pod
}

/// The class of claims that wait for their first consumer.
const ON_DEMAND: &str = "on-demand";

pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) wanted: Vec<Wanted>,
    pub(crate) dice: Dice,
    /// Pods that the cluster has room for.
    room: usize,
    groups: usize,
    /// How soon volumes are made, in thousandths of a chance each turn.
    provisioning: u64,
    /// Which claims are shared, and what reaches their volumes; of its own, so that worlds without claims stay as they are.
    sharing: Dice,
    /// Who publishes devices and makes claims to them, in worlds that have some.
    devices: Option<Devices>,
}

impl World {
    pub(crate) fn new(server: Server, seed: u64) -> Self {
        let class =
            json!({ "provisioner": "made.test/on-demand", "volumeBindingMode": "WaitForFirstConsumer" });
        server.store().create(key("storageclasses", "", ON_DEMAND), class);
        let mut dice = Dice::new(seed);
        let provisioning = [100, 20, 5][dice.below(3)];
        let sharing = Dice::new(!seed);
        World { server, wanted: Vec::new(), dice, room: 0, groups: 0, provisioning, sharing, devices: None }
    }

    /// From now on nodes have devices, and gangs ask for them by claim.
    pub(crate) fn with_devices(mut self, seed: u64) -> Self {
        self.devices = Some(Devices::install(&mut self.server.store(), seed));
        self
    }

    /// Another scheduler takes devices, or gives them back.
    pub(crate) fn take_devices(&mut self) -> &'static str {
        let World { server, devices, .. } = self;
        let what = devices.as_mut().map_or("nothing", |devices| devices.meddle(&mut server.store()));
        self.server.tell();
        what
    }

    pub(crate) fn add_node(&mut self, name: &str, gpus: u64) {
        self.room += gpus as usize;
        let mut store = self.server.store();
        let zone = ["a", "b"][store.all("nodes", "").count() % 2];
        let mut node = node(name, gpus);
        node["metadata"]["labels"] = json!({ NAME_LABEL: name, ZONE_LABEL: zone });
        store.create(key("nodes", "", name), node);
        if let Some(devices) = &mut self.devices {
            devices.publish(&mut store, name, gpus);
        }
        drop(store);
        self.server.tell();
    }

    /// A gang, if there is room for it.
    pub(crate) fn add_gang(&mut self, most: usize) {
        let part = if self.dice.chance(350) { self.dice.range(2, 3) as usize } else { 0 };
        let size = self.dice.range(1, most as u64) as usize;
        let size = if part == 0 { size } else { size.div_ceil(part) * part };
        if self.room < size {
            return;
        }
        self.room -= size;
        self.groups += 1;
        let name = format!("g{}", self.groups);
        let minimum = if self.dice.chance(600) { size } else { self.dice.range(1, size as u64) as usize };
        let recreated = self.dice.chance(700);
        let by_claim = self.devices.as_mut().is_some_and(Devices::are_asked_for);
        let claims = match self.dice.chance(250) {
            _ if by_claim => Claims::Devices,
            false => Claims::None,
            true if self.sharing.chance(600) => Claims::Shared,
            true => Claims::Own,
        };
        let mut store = self.server.store();
        let group = match size.checked_div(part) {
            Some(parts) => {
                let minimum = if self.dice.chance(500) { 0 } else { minimum };
                parted(&name, minimum, part, self.dice.range(1, parts as u64) as usize)
            }
            None => group(&name, minimum),
        };
        store.create(key("podgroups", NAMESPACE, &name), group);
        let claim = || json!({ "spec": { "storageClassName": ON_DEMAND }, "status": { "phase": "Pending" } });
        if claims == Claims::Shared {
            store.create(key(CLAIMS, NAMESPACE, &name), claim());
        }
        for member in 0..size {
            let pod_name = format!("{name}-{member:02}");
            let pod = nth(pod(&pod_name, &name, SCHEDULER, recreated, ""), member, part);
            let pod = with_claim(pod, &name, claims);
            if claims == Claims::Own {
                store.create(key(CLAIMS, NAMESPACE, &pod_name), claim());
            }
            store.create(key("pods", NAMESPACE, &pod_name), pod);
        }
        drop(store);
        // Some owners are there in name only.
        let recreated = recreated && self.dice.chance(800);
        self.wanted.push(Wanted { name, size, recreated, part, claims });
        self.server.tell();
    }

    /// Queues of a full cluster: one lends out what it uses, one is promised so many GPUs.
    pub(crate) fn add_queues(&mut self, promised: u64) {
        let mut store = self.server.store();
        for (name, deserved) in [("lender", 0), ("owner", promised)] {
            let spec = json!({ "deserved": { "nvidia.com/gpu": deserved.to_string() } });
            store.create(key("queues", "", name), json!({ "spec": spec }));
        }
        drop(store);
        self.server.tell();
    }

    /// A gang of a queue, of pods that are recreated, whether there is room for it or not.
    pub(crate) fn add_to_queue(&mut self, queue: &str, size: usize, minimum: usize) -> String {
        self.groups += 1;
        let name = format!("{queue}{}", self.groups);
        let mut store = self.server.store();
        let mut group = group(&name, minimum);
        group["spec"]["queue"] = queue.into();
        store.create(key("podgroups", NAMESPACE, &name), group);
        for member in 0..size {
            let pod_name = format!("{name}-{member:02}");
            store.create(key("pods", NAMESPACE, &pod_name), pod(&pod_name, &name, SCHEDULER, true, ""));
        }
        drop(store);
        self.wanted.push(Wanted { name: name.clone(), size, recreated: true, part: 0, claims: Claims::None });
        self.server.tell();
        name
    }

    /// The gang is gone, with its pods.
    pub(crate) fn remove_gang(&mut self, name: &str) {
        self.wanted.retain(|gang| gang.name != name);
        let mut store = self.server.store();
        let pods = store.all("pods", "").filter(|pod| super::judge::gang_of(pod) == name);
        let pods: Vec<String> = pods.map(|pod| text(pod, "/metadata/name").to_owned()).collect();
        pods.iter().for_each(|pod| store.delete(&key("pods", NAMESPACE, pod)));
        store.delete(&key("podgroups", NAMESPACE, name));
        drop(store);
        self.server.tell();
    }

    pub(crate) fn add_single(&mut self, name: &str) {
        if self.room > 0 {
            self.room -= 1;
            let pod = pod(name, "", SCHEDULER, true, "");
            self.server.store().create(key("pods", NAMESPACE, name), pod);
            self.server.tell();
        }
    }

    /// What kubelets and controllers do, ten times a second.
    pub(crate) fn turn(&mut self) {
        let World { server, wanted, dice, provisioning, sharing, devices, .. } = self;
        let mut store = server.store();
        let before = store.version;
        provision(&mut store, dice, *provisioning, sharing);
        if let Some(devices) = devices {
            devices.control(&mut store);
        }
        let pods: Vec<Value> = store.all("pods", "").cloned().collect();
        for pod in &pods {
            let at = key("pods", NAMESPACE, text(pod, "/metadata/name"));
            let has_node = !text(pod, "/spec/nodeName").is_empty();
            let deleting = !pod["metadata"]["deletionTimestamp"].is_null();
            if deleting && dice.chance(150) {
                store.remove(&at);
            } else if has_node && !deleting && text(pod, "/status/phase") == "Pending" && dice.chance(300) {
                store.change(&at, |pod| pod["status"]["phase"] = "Running".into());
            } else if has_node && !deleting && is_lost(&store, text(pod, "/spec/nodeName")) && dice.chance(50)
            {
                store.delete(&at);
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
                    let pod = nth(pod(&name, &gang.name, SCHEDULER, true, ""), member, gang.part);
                    store.create(at, with_claim(pod, &gang.name, gang.claims));
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
        let kind = self.dice.below(16);
        if kind == 0 {
            self.add_gang(5);
            return "gangs added";
        }
        if (9..=11).contains(&kind) {
            return self.bind_as_another(false);
        }
        if kind == 15 {
            return self.abandon();
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
                store.delete(&pod);
                "pods deleted"
            }
            4 | 5 => {
                let node = key("nodes", "", &nodes[dice.below(nodes.len())]);
                store.change(&node, |node| {
                    let lost = node["spec"]["taints"].is_null();
                    let taint =
                        |effect: &str| json!({ "key": "node.kubernetes.io/not-ready", "effect": effect });
                    let taint = json!([taint("NoSchedule"), taint("NoExecute")]);
                    node["spec"]["taints"] = if lost { taint } else { Value::Null };
                });
                "nodes lost or back"
            }
            6 => {
                let minimum = dice.range(1, gang.size as u64);
                let wholes = gang.size.checked_div(gang.part).map(|parts| dice.range(0, parts as u64));
                store.change(&group, |group| {
                    group["spec"]["minMember"] = minimum.into();
                    if let Some(wholes) = wholes {
                        group["spec"]["subGroupPolicy"][0]["minSubGroups"] = wholes.into();
                    }
                });
                "minima changed"
            }
            7 => {
                let silent = dice.chance(500);
                // Nobody who watches from before hears of it.
                if silent {
                    store.delete(&pod);
                    store.remove(&pod);
                }
                store.expire();
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
                    failed.iter().for_each(|name| store.delete(&key("pods", NAMESPACE, name)));
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

    /// Something happens in the middle of a gang.
    pub(crate) fn meddle(&mut self) -> &'static str {
        if self.dice.chance(600) {
            return self.bind_as_another(true);
        }
        let mut store = self.server.store();
        let promised: Vec<String> = store
            .all("pods", "")
            .filter(|pod| super::judge::promised(&store, pod).is_some())
            .map(|pod| text(pod, "/metadata/name").to_owned())
            .collect();
        if promised.is_empty() {
            return "nothing";
        }
        let pod = &promised[self.dice.below(promised.len())];
        store.delete(&key("pods", NAMESPACE, pod));
        drop(store);
        self.server.tell();
        "pods deleted in mid-gang"
    }

    /// A controller makes no more pods, whatever their owner references promise.
    fn abandon(&mut self) -> &'static str {
        let World { wanted, dice, .. } = self;
        if wanted.is_empty() {
            return "nothing";
        }
        let at = dice.below(wanted.len());
        wanted[at].recreated = false;
        "controllers that stopped"
    }

    /// Another scheduler or a user binds one of our pods, where there is room for it as far as it can see.
    /// `promised`: only one that has been promised a node.
    fn bind_as_another(&mut self, promised: bool) -> &'static str {
        let World { server, dice, .. } = self;
        let mut store = server.store();
        let waits = |pod: &&Value| {
            text(pod, "/spec/nodeName").is_empty()
                && pod["metadata"]["deletionTimestamp"].is_null()
                && (!promised || super::judge::promised(&store, pod).is_some())
        };
        let waiting: Vec<Value> = store.all("pods", "").filter(waits).cloned().collect();
        if waiting.is_empty() {
            return "nothing";
        }
        let pod = &waiting[dice.below(waiting.len())];
        let at = key("pods", NAMESPACE, text(pod, "/metadata/name"));
        let promised = super::judge::promised(&store, pod);
        let has_room = |node: &&Value| {
            let name = text(node, "/metadata/name");
            let there = store.all("pods", "").filter(|pod| text(pod, "/spec/nodeName") == name).count();
            let room = text(node, "/status/allocatable/nvidia.com~1gpu").parse().unwrap_or(0);
            there < room && !is_lost(&store, name)
        };
        let free =
            store.all("nodes", "").filter(has_room).map(|node| text(node, "/metadata/name").to_owned());
        let (same, others): (Vec<String>, Vec<String>) =
            free.partition(|name| promised.as_ref() == Some(name));
        let (nodes, what) = if dice.chance(500) && !same.is_empty() {
            (same, "pods bound by others where they were to go")
        } else if promised.is_some() {
            (others, "pods bound by others elsewhere than promised")
        } else {
            (others, "pods bound by others before a promise")
        };
        if nodes.is_empty() {
            return "nothing";
        }
        let node = &nodes[dice.below(nodes.len())];
        let pod = pod.clone();
        if !pod["spec"]["resourceClaims"].is_null() && !grant_as_another(&mut store, &pod, node) {
            return "nothing";
        }
        store.bind_as_another(&at, node);
        drop(store);
        self.server.tell();
        what
    }

    /// From now on all is well: nodes are back, failed pods are cleared away, volumes are made soon.
    pub(crate) fn heal(&mut self) {
        self.provisioning = 100;
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
        failed.iter().for_each(|name| store.delete(&key("pods", NAMESPACE, name)));
        if let Some(devices) = &mut self.devices {
            devices.heal(&mut store);
        }
        drop(store);
        self.server.tell();
    }
}

fn is_lost(store: &Store, node: &str) -> bool {
    store.find(&key("nodes", "", node)).is_none_or(|node| !node["spec"]["taints"].is_null())
}

/// Makes volumes for claims that have been told their node, or takes the node back.
fn provision(store: &mut Store, dice: &mut Dice, chance: u64, sharing: &mut Dice) {
    let waiting = store
        .all(CLAIMS, "")
        .filter(|claim| text(claim, "/status/phase") == "Pending" && !text(claim, SELECTED_NODE).is_empty());
    let waiting: Vec<String> = waiting.map(|claim| text(claim, "/metadata/name").to_owned()).collect();
    for name in waiting {
        let claim = key(CLAIMS, NAMESPACE, &name);
        if dice.chance(chance) {
            let is_shared = store.find(&key("podgroups", NAMESPACE, &name)).is_some();
            let spec = if is_shared { reached_by_some(store, &claim, sharing) } else { json!({}) };
            store.create(key("persistentvolumes", "", &name), json!({ "spec": spec }));
            store.change(&claim, |claim| {
                claim["spec"]["volumeName"] = name.clone().into();
                claim["status"]["phase"] = "Bound".into();
            });
        } else if dice.chance(5) {
            store.change(&claim, |claim| claim["metadata"]["annotations"] = Value::Null);
        }
    }
}

/// A volume that the node on its claim reaches, and another node or the nodes of another zone do not.
fn reached_by_some(store: &Store, claim: &Key, sharing: &mut Dice) -> Value {
    let label = if sharing.chance(500) { NAME_LABEL } else { ZONE_LABEL };
    let of = |node: &Value| node["metadata"]["labels"][label].as_str().unwrap_or("").to_owned();
    let chosen = store.find(claim).map_or("", |claim| text(claim, SELECTED_NODE));
    let chosen = store.find(&key("nodes", "", chosen)).map(of);
    let others: BTreeSet<String> =
        store.all("nodes", "").map(of).filter(|value| Some(value) != chosen.as_ref()).collect();
    let others: Vec<String> = others.into_iter().collect();
    if others.is_empty() {
        return json!({});
    }
    let excluded = &others[sharing.below(others.len())];
    json!({ "nodeAffinity": { "required": { "nodeSelectorTerms": [
        { "matchExpressions": [{ "key": label, "operator": "NotIn", "values": [excluded] }] },
    ] } } })
}

/// Is a volume of [`reached_by_some`] reached from the node?
pub(crate) fn is_reached(volume: &Value, node: &Value) -> bool {
    let term = "/spec/nodeAffinity/required/nodeSelectorTerms/0/matchExpressions/0";
    let Some(asked) = volume.pointer(term) else { return true };
    node["metadata"]["labels"][text(asked, "/key")] != asked["values"][0]
}
