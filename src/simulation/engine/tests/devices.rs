//! Device claims from templates to binds and back, with schedulers that die in between and devices that others take.

use super::*;
use crate::simulation::random::Random;
use std::collections::{BTreeMap, BTreeSet};

const CLASS: &str = "
---
apiVersion: resource.k8s.io/v1
kind: DeviceClass
metadata: {name: gpus}
spec: {selectors: [{cel: {expression: device.driver == \"gpu.example.com\"}}]}
---
apiVersion: resource.k8s.io/v1
kind: ResourceClaimTemplate
metadata: {name: one}
spec: {spec: {devices: {requests: [{name: gpu, exactly: {deviceClassName: gpus}}]}}}
";

/// Nodes n0, n1, ... with so many devices each.
fn nodes(devices: &[usize]) -> String {
    let node = |(at, &count): (usize, &usize)| {
        let devices: Vec<String> = (0..count).map(|at| format!("{{name: g{at}}}")).collect();
        format!(
            "\n---\napiVersion: v1\nkind: Node\nmetadata: {{name: n{at}}}\nstatus: {{capacity: {{cpu: 8}}}}\n\
             ---\napiVersion: resource.k8s.io/v1\nkind: ResourceSlice\nmetadata: {{name: s{at}}}\nspec: {{driver: \
             gpu.example.com, nodeName: n{at}, pool: {{name: n{at}, generation: 1, resourceSliceCount: 1}}, devices: \
             [{}]}}\n",
            devices.join(", ")
        )
    };
    devices.iter().enumerate().map(node).collect()
}

/// A gang whose pods have a claim each.
fn gang(name: &str, pods: usize) -> String {
    let group = format!(
        "\n---\napiVersion: scheduling.volcano.sh/v1beta1\nkind: PodGroup\nmetadata: {{name: {name}}}\nspec: {{minMember: {pods}}}\n"
    );
    let pod = |at: usize| {
        format!(
            "\n---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}-{at}, annotations: {{scheduling.k8s.io/group-name: {name}}}}}\n\
             spec: {{schedulerName: volcano, containers: [{{name: c, image: i}}], resourceClaims: [{{name: gpu, \
             resourceClaimTemplateName: one}}]}}\n"
        )
    };
    group + &(0..pods).map(pod).collect::<String>()
}

/// Node of each pod that has one.
fn placed(run: &Simulation) -> BTreeMap<String, String> {
    let pods = run.store.of_kind(&Kind::Pod);
    let placed = pods.filter(|(_, pod)| !pod.text("/spec/nodeName").is_empty());
    placed.map(|(key, pod)| (key.name.to_string(), pod.text("/spec/nodeName").to_owned())).collect()
}

/// Devices of each claim.
fn devices(run: &Simulation) -> BTreeMap<String, Vec<String>> {
    let of = |claim: &Value| {
        let results =
            claim["status"]["allocation"]["devices"]["results"].as_array().cloned().unwrap_or_default();
        results.iter().map(|it| format!("{}/{}", it["pool"], it["device"]).replace('"', "")).collect()
    };
    let claims = run.store.of_kind(&Kind::ResourceClaim);
    claims.map(|(key, claim)| (key.name.to_string(), of(&claim.value))).collect()
}

/// No device has two claims, every bound pod that is not over has its claims, reserved for it and on its node, and nobody
/// else's claim has devices.
fn judge(run: &Simulation, foreign: &BTreeSet<String>) {
    let mut taken: BTreeMap<String, String> = BTreeMap::new();
    for (claim, devices) in devices(run) {
        for device in devices {
            let other = taken.insert(device.clone(), claim.clone());
            assert!(other.is_none(), "{device} has {claim} and {other:?}\n{:#?}", story(run));
        }
    }
    let nodes = placed(run);
    for (key, claim) in
        run.store.of_kind(&Kind::ResourceClaim).filter(|(key, _)| !foreign.contains(&*key.name))
    {
        let pod = key.name.strip_suffix("-gpu").unwrap_or_else(|| panic!("{key}"));
        let users = claim.value["status"]["reservedFor"].as_array().cloned().unwrap_or_default();
        let pool =
            claim.value["status"]["allocation"]["devices"]["results"][0]["pool"].as_str().map(str::to_owned);
        assert_eq!(pool.as_ref(), nodes.get(pod), "claim {key}\n{:#?}", story(run));
        assert_eq!(users.len(), usize::from(pool.is_some()), "claim {key} is reserved for its pod");
    }
}

#[test]
fn claims_are_made_allocated_and_reserved_before_pods_are_bound() {
    let run = run(&format!("{CLASS}{}{}", nodes(&[1, 2]), gang("g", 3)));
    assert_eq!(placed(&run).len(), 3, "{:#?}", story(&run));
    judge(&run, &BTreeSet::new());
    let claim = object(&run, Kind::ResourceClaim, "g-0-gpu");
    assert_eq!(claim["metadata"]["ownerReferences"][0]["name"], "g-0");
    assert_eq!(claim["metadata"]["finalizers"][0], "resource.kubernetes.io/delete-protection");
    assert_eq!(claim["status"]["reservedFor"][0]["name"], "g-0");
    let pod = object(&run, Kind::Pod, "g-0");
    assert_eq!(pod["status"]["resourceClaimStatuses"][0]["resourceClaimName"], "g-0-gpu");
}

#[test]
fn devices_of_pods_that_end_go_to_who_waits() {
    let ends = simulation(
        "  timeline:\n  - at: 5m\n    succeed: {name: a-0}\n  - at: 6m\n    delete: {kind: pod, name: a-1}",
    );
    let run = run(&format!("{CLASS}{}{}{}{ends}", nodes(&[2]), gang("a", 2), gang("b", 2)));
    assert_eq!(placed(&run).len(), 3, "{:#?}", story(&run));
    let claims: Vec<String> = devices(&run).into_keys().collect();
    assert_eq!(claims, ["b-0-gpu", "b-1-gpu"], "claims of pods that are over are gone");
    judge(&run, &BTreeSet::new());
}

#[test]
fn a_gang_that_lacks_a_device_is_not_placed_and_says_which() {
    let run = run(&format!("{CLASS}{}{}", nodes(&[1, 1]), gang("g", 3)));
    assert!(placed(&run).is_empty());
    assert!(devices(&run).values().all(Vec::is_empty), "nothing is allocated for a gang that waits");
    let group = object(&run, Kind::PodGroup, "g").to_string();
    assert!(group.contains("fits 2 of 3 pods") && group.contains("of class gpus"), "{group}");
}

#[test]
fn a_gang_whose_devices_are_in_use_says_which() {
    let run = run(&format!("{CLASS}{}{}{}", nodes(&[1, 1]), gang("a", 2), gang("g", 1)));
    assert_eq!(placed(&run).len(), 2);
    let group = object(&run, Kind::PodGroup, "g").to_string();
    assert!(
        group.contains("2 nodes: 2 without free devices for a claim to 1 device of class gpus; on n0 "),
        "{group}"
    );
}

#[test]
fn a_scheduler_that_dies_anywhere_leaves_no_device_promised_twice_and_no_claim_stuck() {
    for writes in 0..14 {
        let dies = simulation(&format!(
            "  timeline:\n  - at: 0s\n    crashScheduler: {{afterWrites: {writes}, down: 10s}}"
        ));
        let run = run(&format!("{CLASS}{}{}{dies}", nodes(&[2, 1]), gang("g", 3)));
        assert_eq!(placed(&run).len(), 3, "after {writes} writes\n{:#?}", story(&run));
        judge(&run, &BTreeSet::new());
    }
}

/// Some devices are somebody else's, calls fail, schedulers die, a pod goes: no device is ever held by two claims.
#[test]
fn devices_that_others_take_are_not_given_again() {
    for seed in 0..60 {
        let mut random = Random::new(seed, "devices");
        let sizes: Vec<usize> = (0..2 + random.below(3)).map(|_| random.below(4) as usize).collect();
        let mut world = format!("{CLASS}{}", nodes(&sizes));
        let (mut foreign, mut taken) = (BTreeSet::new(), BTreeSet::new());
        for at in 0..random.below(3) as usize {
            let node = random.below(sizes.len() as u64) as usize;
            let Some(device) = sizes[node].checked_sub(1).filter(|_| taken.insert(node)) else { continue };
            let name = format!("foreign-{at}");
            world.push_str(&format!(
                "\n---\napiVersion: resource.k8s.io/v1\nkind: ResourceClaim\nmetadata: {{name: {name}}}\nspec: {{devices: \
                 {{requests: [{{name: gpu, exactly: {{deviceClassName: gpus}}}}]}}}}\nstatus: {{allocation: {{devices: \
                 {{results: [{{request: gpu, driver: gpu.example.com, pool: n{node}, device: g{device}}}]}}}}, \
                 reservedFor: [{{resource: pods, name: x, uid: x-{at}}}]}}\n"
            ));
            foreign.insert(name);
        }
        for at in 0..1 + random.below(3) {
            world.push_str(&gang(&format!("g{at}"), 1 + random.below(3) as usize));
        }
        let mut steps = String::from("  timeline:\n");
        for call in ["bind", "bind"] {
            let (after, count) = (random.below(3), 1 + random.below(2));
            steps.push_str(&format!(
                "  - at: 0s\n    failCalls: {{call: {call}, with: {}, after: {after}, count: {count}}}\n",
                ["unavailable", "lost"][random.below(2) as usize]
            ));
        }
        steps.push_str(&format!(
            "  - at: 0s\n    crashScheduler: {{afterWrites: {}, down: 5s}}\n",
            random.below(20)
        ));
        steps.push_str("  - at: 2m\n    delete: {kind: pod, name: g0-0}\n");
        let run = run(&format!("{world}{}", simulation(&steps)));
        let mut ours: BTreeMap<String, String> = BTreeMap::new();
        let all = devices(&run);
        let others: BTreeSet<&String> = all
            .iter()
            .filter(|(claim, _)| foreign.contains(*claim))
            .flat_map(|(_, devices)| devices)
            .collect();
        for (claim, devices) in all.iter().filter(|(claim, _)| !foreign.contains(*claim)) {
            for device in devices {
                let other = ours.insert(device.clone(), claim.clone());
                assert!(
                    other.is_none() && !others.contains(device),
                    "seed {seed}: {device} twice\n{:#?}",
                    story(&run)
                );
            }
        }
    }
}
