//! Devices around the double: a driver's slices, the claim controller of kube-controller-manager, and another scheduler that
//! takes devices of the same nodes and gives them back.

use super::dice::Dice;
use super::store::{Key, Store, key, text};
use super::world::NAMESPACE;
use serde_json::{Value, json};
use std::collections::BTreeSet;

pub(crate) const DEVICE_CLAIMS: &str = "resourceclaims";
const DRIVER: &str = "gpu.example.com";
const CLASS: &str = "gpus";
const TEMPLATE: &str = "one";
const FINALIZER: &str = "resource.kubernetes.io/delete-protection";

/// Who publishes devices, makes claims and takes devices.
#[derive(Debug)]
pub(crate) struct Devices {
    dice: Dice,
    /// How soon claims are made and tidied up, in thousandths of a chance each turn.
    pace: u64,
    claims: usize,
}

/// The pod with a claim of its own to one device.
pub(crate) fn asks_for_one(mut pod: Value) -> Value {
    pod["spec"]["resourceClaims"] = json!([{ "name": "gpu", "resourceClaimTemplateName": TEMPLATE }]);
    pod
}

/// The claims of a pod: names by its status; `None` while they are not all made.
fn claims_of(pod: &Value) -> Option<Vec<Key>> {
    let asked = pod["spec"]["resourceClaims"].as_array().map_or(0, Vec::len);
    let made = pod["status"]["resourceClaimStatuses"].as_array().cloned().unwrap_or_default();
    let namespace = text(pod, "/metadata/namespace");
    let keys = made.iter().map(|status| key(DEVICE_CLAIMS, namespace, text(status, "/resourceClaimName")));
    (made.len() == asked).then(|| keys.collect())
}

/// Node and device of each result of a claim's allocation: pools are called as their nodes.
pub(crate) fn allocated(claim: &Value) -> Vec<(String, String)> {
    let results = claim.pointer("/status/allocation/devices/results").and_then(Value::as_array);
    let results = results.into_iter().flatten();
    results.map(|result| (text(result, "/pool").to_owned(), text(result, "/device").to_owned())).collect()
}

/// Is it reserved for whoever has this uid?
fn is_reserved(claim: &Value, uid: &str) -> bool {
    let users = claim.pointer("/status/reservedFor").and_then(Value::as_array);
    users.into_iter().flatten().any(|user| user["uid"] == uid)
}

/// What a pod lacks that is bound to a node; `None` if all its claims are allocated there and reserved for it.
pub(crate) fn lacks(store: &Store, pod: &Value, node: &str) -> Option<String> {
    let uid = text(pod, "/metadata/uid");
    let Some(claims) = claims_of(pod) else { return Some("its claim is not made".to_owned()) };
    claims.iter().find_map(|key| {
        let Some(claim) = store.find(key) else { return Some(format!("claim {} is gone", key.2)) };
        let is_there = allocated(claim).iter().all(|(pool, _)| pool == node) && !allocated(claim).is_empty();
        (!is_there || !is_reserved(claim, uid)).then(|| format!("claim {} is {}", key.2, claim["status"]))
    })
}

/// Devices of a node that no claim has.
fn free(store: &Store, node: &str) -> Vec<String> {
    let taken: BTreeSet<(String, String)> = store.all(DEVICE_CLAIMS, "").flat_map(allocated).collect();
    let slices = store.all("resourceslices", "").filter(|slice| text(slice, "/spec/nodeName") == node);
    let devices = slices.flat_map(|slice| slice["spec"]["devices"].as_array().cloned().unwrap_or_default());
    let names = devices.map(|device| text(&device, "/name").to_owned());
    names.filter(|name| !taken.contains(&(node.to_owned(), name.clone()))).collect()
}

fn allocation(node: &str, device: &str) -> Value {
    json!({
        "devices": { "results": [{ "request": "gpu", "driver": DRIVER, "pool": node, "device": device }] },
        "nodeSelector": { "nodeSelectorTerms": [
            { "matchFields": [{ "key": "metadata.name", "operator": "In", "values": [node] }] },
        ] },
    })
}

/// Allocates what is open of a pod's claims on a node and reserves them, as another scheduler would before it binds the
/// pod. False if it cannot be bound there.
pub(crate) fn grant_as_another(store: &mut Store, pod: &Value, node: &str) -> bool {
    let Some(claims) = claims_of(pod) else { return false };
    let consumer =
        json!({ "resource": "pods", "name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"] });
    for key in claims {
        let Some(claim) = store.find(&key).cloned() else { return false };
        let held = allocated(&claim);
        if held.iter().any(|(pool, _)| pool != node) || !claim["metadata"]["deletionTimestamp"].is_null() {
            return false;
        }
        let device = free(store, node).into_iter().next();
        let Some(device) = device.or_else(|| held.first().map(|(_, device)| device.clone())) else {
            return false;
        };
        store.as_another(|store| {
            store.change(&key, |claim| {
                claim["metadata"]["finalizers"] = json!([FINALIZER]);
                if held.is_empty() {
                    claim["status"]["allocation"] = allocation(node, &device);
                }
                claim["status"]["reservedFor"] = json!([consumer]);
            });
        });
    }
    true
}

impl Devices {
    /// A class and a template; how quick the claim controller is.
    pub(crate) fn install(store: &mut Store, seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let expression = format!("device.driver == \"{DRIVER}\"");
        let class = json!({ "spec": { "selectors": [{ "cel": { "expression": expression } }] } });
        store.create(key("deviceclasses", "", CLASS), class);
        let requests = json!([{ "name": "gpu", "exactly": { "deviceClassName": CLASS } }]);
        let template = json!({ "spec": { "spec": { "devices": { "requests": requests } } } });
        store.create(key("resourceclaimtemplates", NAMESPACE, TEMPLATE), template);
        let pace = [1000, 300, 50][dice.below(3)];
        Devices { dice, pace, claims: 0 }
    }

    /// A node's devices: at least one for each GPU that it counts.
    pub(crate) fn publish(&mut self, store: &mut Store, node: &str, gpus: u64) {
        let count = self.dice.range(gpus, gpus + 1);
        let devices: Vec<Value> = (0..count).map(|at| json!({ "name": format!("g{at}") })).collect();
        let spec = json!({
            "driver": DRIVER, "nodeName": node, "devices": devices,
            "pool": { "name": node, "generation": 1, "resourceSliceCount": 1 },
        });
        store.create(key("resourceslices", "", &format!("slice-{node}")), json!({ "spec": spec }));
    }

    /// Does a gang ask for devices by claim?
    pub(crate) fn are_asked_for(&mut self) -> bool {
        self.dice.chance(700)
    }

    /// What the claim controller does: claims of templates are made and named; what was reserved for pods that are over is
    /// free; claims that nobody has lose their devices, and claims of pods that are over go.
    pub(crate) fn control(&mut self, store: &mut Store) {
        store.as_another(|store| self.work(store));
    }

    fn work(&mut self, store: &mut Store) {
        let pods: Vec<Value> = store.all("pods", "").cloned().collect();
        for pod in &pods {
            let is_over = matches!(text(pod, "/status/phase"), "Failed" | "Succeeded");
            if pod["spec"]["resourceClaims"].is_null()
                || claims_of(pod).is_some()
                || is_over
                || !pod["metadata"]["deletionTimestamp"].is_null()
                || !self.dice.chance(self.pace)
            {
                continue;
            }
            let uid = text(pod, "/metadata/uid");
            let owned = |claim: &&Value| claim["metadata"]["ownerReferences"][0]["uid"] == uid;
            let made = store.all(DEVICE_CLAIMS, NAMESPACE).find(owned);
            if let Some(claim) = made {
                let statuses = json!([{ "name": "gpu", "resourceClaimName": claim["metadata"]["name"] }]);
                let at = key("pods", NAMESPACE, text(pod, "/metadata/name"));
                store.change(&at, |pod| pod["status"]["resourceClaimStatuses"] = statuses);
                continue;
            }
            self.claims += 1;
            let name = format!("{}-gpu-{}", text(pod, "/metadata/name"), self.claims);
            let template = store.find(&key("resourceclaimtemplates", NAMESPACE, TEMPLATE));
            let spec = template.map_or(Value::Null, |template| template["spec"]["spec"].clone());
            let owner = json!([{
                "apiVersion": "v1", "kind": "Pod", "name": pod["metadata"]["name"], "uid": uid, "controller": true,
            }]);
            let claim = json!({ "metadata": { "ownerReferences": owner }, "spec": spec });
            store.create(key(DEVICE_CLAIMS, NAMESPACE, &name), claim);
        }
        let is_user = |user: &Value| {
            let pod = pods.iter().find(|pod| pod["metadata"]["uid"] == user["uid"]);
            pod.is_some_and(|pod| !matches!(text(pod, "/status/phase"), "Failed" | "Succeeded"))
        };
        let claims: Vec<Value> = store.all(DEVICE_CLAIMS, NAMESPACE).cloned().collect();
        for claim in claims {
            let name = text(&claim, "/metadata/name");
            if name.starts_with("foreign-") || !self.dice.chance(self.pace) {
                continue;
            }
            let at = key(DEVICE_CLAIMS, NAMESPACE, name);
            let users =
                claim.pointer("/status/reservedFor").and_then(Value::as_array).cloned().unwrap_or_default();
            let (stay, go): (Vec<Value>, Vec<Value>) = users.into_iter().partition(is_user);
            if !go.is_empty() {
                store.change(&at, |claim| {
                    claim["status"]["reservedFor"] = stay.clone().into();
                    if stay.is_empty() {
                        claim["status"] = json!({});
                    }
                });
            }
            let owner = &claim["metadata"]["ownerReferences"][0];
            if !is_user(owner) && claim["metadata"]["deletionTimestamp"].is_null() {
                store.delete(&at);
            }
            let Some(claim) = store.find(&at) else { continue };
            if !claim["metadata"]["deletionTimestamp"].is_null() && allocated(claim).is_empty() {
                store.remove(&at);
            }
        }
    }

    /// Another scheduler takes a device that is free as far as claims say, promised or not; or gives one back.
    pub(crate) fn meddle(&mut self, store: &mut Store) -> &'static str {
        let held: Vec<String> = store
            .all(DEVICE_CLAIMS, NAMESPACE)
            .map(|claim| text(claim, "/metadata/name").to_owned())
            .filter(|name| name.starts_with("foreign-"))
            .collect();
        if !held.is_empty() && self.dice.chance(500) {
            store.remove(&key(DEVICE_CLAIMS, NAMESPACE, &held[self.dice.below(held.len())]));
            return "devices given back by another scheduler";
        }
        let nodes: Vec<String> =
            store.all("nodes", "").map(|node| text(node, "/metadata/name").to_owned()).collect();
        let node = &nodes[self.dice.below(nodes.len())];
        let free = free(store, node);
        if free.is_empty() {
            return "nothing";
        }
        let device = &free[self.dice.below(free.len())];
        self.claims += 1;
        let name = format!("foreign-{}", self.claims);
        let requests = json!([{ "name": "gpu", "exactly": { "deviceClassName": CLASS } }]);
        let status = json!({
            "allocation": allocation(node, device),
            "reservedFor": [{ "resource": "pods", "name": "another", "uid": name }],
        });
        let claim = json!({ "spec": { "devices": { "requests": requests } }, "status": status });
        store.as_another(|store| store.create(key(DEVICE_CLAIMS, NAMESPACE, &name), claim));
        "devices taken by another scheduler"
    }

    /// From now on claims are made and tidied up at once, and the other scheduler has nothing.
    pub(crate) fn heal(&mut self, store: &mut Store) {
        self.pace = 1000;
        let names: Vec<String> = store
            .all(DEVICE_CLAIMS, NAMESPACE)
            .map(|claim| text(claim, "/metadata/name").to_owned())
            .collect();
        let foreign = names.iter().filter(|name| name.starts_with("foreign-"));
        foreign.for_each(|name| store.remove(&key(DEVICE_CLAIMS, NAMESPACE, name)));
    }
}

/// What is not as it should be with claims when nothing goes wrong any more: bound pods have what they asked for, nothing
/// is allocated for pods that wait, and no device has two claims.
pub(crate) fn unsettled(store: &Store) -> Vec<String> {
    let mut wrong = Vec::new();
    let pods = store.all("pods", "").filter(|pod| !pod["spec"]["resourceClaims"].is_null());
    for pod in pods.filter(|pod| text(pod, "/status/phase") != "Failed") {
        let (name, node) = (text(pod, "/metadata/name"), text(pod, "/spec/nodeName"));
        if !node.is_empty() && pod["metadata"]["deletionTimestamp"].is_null() {
            wrong.extend(lacks(store, pod, node).map(|lack| format!("devices: {name} is on {node}: {lack}")));
        }
    }
    let mut devices: BTreeSet<(String, String)> = BTreeSet::new();
    for claim in store.all(DEVICE_CLAIMS, "") {
        let name = text(claim, "/metadata/name");
        for device in allocated(claim) {
            let owner = &claim["metadata"]["ownerReferences"][0];
            let pod = store.find(&key("pods", NAMESPACE, text(owner, "/name")));
            let pod = pod.filter(|pod| pod["metadata"]["uid"] == owner["uid"]);
            if pod.is_none_or(|pod| text(pod, "/spec/nodeName").is_empty()) {
                wrong.push(format!("devices: claim {name} is stuck with {device:?}"));
            }
            if !devices.insert(device.clone()) {
                wrong.push(format!("devices: {device:?} has {name} and another claim"));
            }
        }
    }
    wrong
}
