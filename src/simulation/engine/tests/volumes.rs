//! Claims that wait for their first consumer, from the node that is named in them to the bind.

use super::*;
use std::collections::BTreeMap;

/// Nodes of one GPU each, and their zones.
fn nodes(zones: &[&str]) -> String {
    let node = |(at, zone): (usize, &&str)| {
        format!(
            "\n---\napiVersion: v1\nkind: Node\nmetadata: {{name: n{at}, labels: {{zone: {zone}}}}}\nstatus: {{capacity: {{gpu: 1}}}}\n"
        )
    };
    zones.iter().enumerate().map(node).collect()
}

/// A class that waits for the first consumer; its volumes are where the first is, in one of these zones.
const ZONED: &str = "
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: s}
provisioner: p
volumeBindingMode: WaitForFirstConsumer
allowedTopologies: [{matchLabelExpressions: [{key: zone, values: [a, b]}]}]
";

const CLAIM: &str = "
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: weights}
spec: {storageClassName: s, accessModes: [ReadWriteMany]}
status: {phase: Pending}
";

/// A gang whose pods all mount the claim.
fn gang(pods: &[&str]) -> String {
    let group = format!(
        "\n---\napiVersion: scheduling.volcano.sh/v1beta1\nkind: PodGroup\nmetadata: {{name: g}}\nspec: {{minMember: {}}}\n",
        pods.len()
    );
    let pod = |name: &&str| {
        format!(
            "\n---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, annotations: {{scheduling.k8s.io/group-name: g}}}}\nspec: {{schedulerName: volcano, containers: [{{name: c, image: i, resources: {{limits: {{gpu: 1}}}}}}], volumes: [{{name: v, persistentVolumeClaim: {{claimName: weights}}}}]}}\n"
        )
    };
    group + &pods.iter().map(pod).collect::<String>()
}

/// Where pods are, or the beginning of why they are not; and that every bound pod reaches its volume.
fn check(world: &str, expect: &[(&str, &str)]) -> Simulation {
    let run = run(world);
    assert_eq!(story(&run), story(&super::run(world)), "the same twice");
    assert_eq!(run.ending, Ending::Quiet);
    let pods = run.store.of_kind(&Kind::Pod).map(|(key, pod)| {
        let at = pod.text("/spec/nodeName");
        let conditions = pod.value["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let why = conditions.iter().find(|c| c["type"] == "PodScheduled").map(|c| c["message"].clone());
        let why = why.unwrap_or_default().as_str().unwrap_or_default().to_owned();
        (key.name.to_string(), if at.is_empty() { why } else { at.to_owned() })
    });
    let pods: BTreeMap<String, String> = pods.collect();
    for (name, expect) in expect {
        assert!(
            pods[*name].starts_with(expect),
            "{name}: {:?} is not {expect:?}\n{:#?}",
            pods[*name],
            story(&run)
        );
    }
    run
}

fn chosen(run: &Simulation) -> &Value {
    &object(run, Kind::PersistentVolumeClaim, "weights")["metadata"]["annotations"]
        [crate::api::keys::SELECTED_NODE]
}

#[test]
fn a_gang_that_shares_a_claim_is_placed_together_and_bound_when_its_volume_is_there() {
    let world = nodes(&["a", "a", "a"]) + ZONED + CLAIM + &gang(&["g-0", "g-1", "g-2"]);
    let run = check(&world, &[("g-0", "n0"), ("g-1", "n1"), ("g-2", "n2")]);
    assert_eq!(chosen(&run), "n0", "the first names its node");
    let happened = story(&run);
    let at = |what: &str| happened.iter().position(|line| line.contains(what)).expect(what);
    assert!(at("NodeChosen weights") < at("ProvisioningSucceeded weights"), "{happened:#?}");
    assert!(at("ProvisioningSucceeded weights") < at("Scheduled g-0"), "{happened:#?}");
    assert_eq!(happened.iter().filter(|line| line.contains("NodeChosen")).count(), 1, "{happened:#?}");
}

/// The claim as somebody left it who had chosen a node.
fn claim_on(node: &str) -> String {
    let annotation = format!("annotations: {{volume.kubernetes.io/selected-node: {node}}}");
    CLAIM.replace("{name: weights}", &format!("{{name: weights, {annotation}}}"))
}

#[test]
fn a_gang_follows_a_volume_whose_node_somebody_else_has_chosen() {
    let world = nodes(&["a", "a", "b", "b"]) + ZONED + &claim_on("n2") + &gang(&["g-0", "g-1"]);
    // One GPU of zone `b` is used for a while.
    let filler = "\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: filler}\nspec: {nodeName: n3, containers: [{name: c, image: i, resources: {limits: {gpu: 1}}}]}\n";
    let steps = "  timeline:\n  - {at: 10s, delete: {kind: Pod, name: filler}}\n";
    let run = check(&(world + filler + &simulation(steps)), &[("g-0", "n2"), ("g-1", "n3")]);
    assert_eq!(chosen(&run), "n2");
    let happened = story(&run);
    let bound = happened.iter().filter(|line| line.contains(" Scheduled ")).collect::<Vec<_>>();
    assert!(
        bound.iter().all(|line| !line.starts_with("0s")),
        "none before there was room for both: {bound:?}"
    );
}

/// Found by looking at a gang in two zones of unlike size: its first pod had the volume made where there was no room for it.
#[test]
fn a_gang_that_shares_a_claim_goes_where_all_of_it_fits() {
    let world = nodes(&["a", "b", "b"]) + ZONED + CLAIM + &gang(&["g-0", "g-1"]);
    let run = check(&world, &[("g-0", "n1"), ("g-1", "n2")]);
    assert_eq!(chosen(&run), "n1");
    assert!(!story(&run).iter().any(|line| line.contains("Repairing")), "{:#?}", story(&run));
}

/// The class names no places; the driver does, on the nodes where it runs.
#[test]
fn places_are_those_that_the_driver_tells_apart() {
    let anywhere = ZONED.lines().filter(|line| !line.starts_with("allowed")).collect::<Vec<_>>().join("\n");
    let driver = |node: &str, keys: &str| {
        format!(
            "\n---\napiVersion: storage.k8s.io/v1\nkind: CSINode\nmetadata: {{name: {node}}}\nspec: {{drivers: [{{name: p, nodeID: x, topologyKeys: [{keys}]}}]}}\n"
        )
    };
    let check = |keys: &str, expect: [&str; 2]| {
        let drivers = ["n0", "n1", "n2"].map(|node| driver(node, keys)).concat();
        let world = nodes(&["a", "b", "b"]) + &anywhere + "\n" + CLAIM + &drivers + &gang(&["g-0", "g-1"]);
        check(&world, &[("g-0", expect[0]), ("g-1", expect[1])])
    };
    check("zone", ["n1", "n2"]);
    check("", ["n0", "n1"]);
    check("kubernetes.io/hostname", ["fits 1 of 2 pods", "fits 1 of 2 pods"]);
}

#[test]
fn a_gang_for_which_there_is_no_room_around_its_volume_says_so() {
    let world = nodes(&["a", "b", "b"]) + ZONED + &claim_on("n0") + &gang(&["g-0", "g-1"]);
    let why = "fits 1 of 2 pods in the cluster; 3 nodes: 2 out of reach of a volume";
    check(&world, &[("g-0", why), ("g-1", why)]);
    let world = nodes(&["a", "b"]) + ZONED + CLAIM + &gang(&["g-0", "g-1"]);
    let run = check(&world, &[("g-0", "fits 1 of 2 pods"), ("g-1", "fits 1 of 2 pods")]);
    assert_eq!(*chosen(&run), Value::Null, "and no volume is made where it could not stay");
}

#[test]
fn a_claim_whose_volumes_are_made_by_hand_holds_its_pods() {
    let by_hand = ZONED.replace("provisioner: p", "provisioner: kubernetes.io/no-provisioner");
    let world = nodes(&["a", "a"]) + &by_hand + CLAIM + &gang(&["g-0", "g-1"]);
    check(&world, &[("g-0", "pod default/g-0: PersistentVolumeClaim weights: waits for its first consumer")]);
}

#[test]
fn whoever_takes_over_leaves_the_choice_that_was_made_and_follows_the_volume() {
    // The record and the first bind, which names the node.
    let steps = "  timeline:\n  - {at: 0s, crashScheduler: {afterWrites: 2, down: 5s}}\n";
    let world = nodes(&["a", "b", "a"]) + ZONED + CLAIM + &gang(&["g-0", "g-1"]) + &simulation(steps);
    let run = check(&world, &[("g-0", "n0"), ("g-1", "n2")]);
    assert_eq!(chosen(&run), "n0");
    let choices = story(&run).into_iter().filter(|line| line.contains("NodeChosen"));
    assert_eq!(choices.collect::<Vec<_>>(), ["0s scheduler NodeChosen weights: for g-0, on n0"]);
}

/// Each pod makes a volume of its own; a node takes as many as its CSINode says, and one without takes any number.
#[test]
fn nodes_take_no_more_volumes_than_they_say() {
    let claim = |name: &str| CLAIM.replace("weights", name);
    let pod = |name: &str| {
        format!(
            "\n---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec: {{schedulerName: volcano, containers: [{{name: c, image: i}}], volumes: [{{name: v, persistentVolumeClaim: {{claimName: {name}}}}}]}}\n"
        )
    };
    let limit = "\n---\napiVersion: storage.k8s.io/v1\nkind: CSINode\nmetadata: {name: n0}\nspec: {drivers: [{name: p, nodeID: i, allocatable: {count: 2}}]}\n";
    let names = ["v0", "v1", "v2"];
    let pods: String = names.map(|name| claim(name) + &pod(name)).concat();
    let full = "fits 0 of 1 pod in the cluster; 1 node: 1 exceed max volume count (p)";
    let run = check(&(nodes(&["a"]) + ZONED + limit + &pods), &[("v0", "n0"), ("v1", "n0"), ("v2", full)]);
    let resources = crate::simulation::report::Report::of(&run, false).summary.resources;
    assert_eq!(resources.keys().map(String::as_str).collect::<Vec<_>>(), ["gpu", "pods"]);
    check(&(nodes(&["a", "c", "b"]) + ZONED + limit + &pods), &[("v0", "n0"), ("v1", "n0"), ("v2", "n2")]);
    // One goes: there is room for another.
    let steps =
        simulation("  timeline:\n  - {at: 10s, delete: {kind: Pod, name: v0, gracePeriodSeconds: 0}}\n");
    check(&(nodes(&["a"]) + ZONED + limit + &pods + &steps), &[("v1", "n0"), ("v2", "n0")]);
}
