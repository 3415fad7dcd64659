//! The rules of pod requests, each with an example of the field, and a property against the definition by moments.

use super::*;
use crate::cluster::capacity::{EPHEMERAL_STORAGE, MEMORY};
use proptest::prelude::*;
use serde_json::{Value, json};

fn spec(value: Value) -> Pod {
    pod(value, json!({}))
}

fn pod(spec: Value, status: Value) -> Pod {
    serde_json::from_value(json!({"spec": spec, "status": status})).unwrap()
}

/// Requests of a pod spec, as `name=amount` in the order of the ids.
fn check(pod_spec: Value, expect: &str) {
    check_pod(&spec(pod_spec), expect);
}

fn check_pod(pod: &Pod, expect: &str) {
    let mut resources = Resources::default();
    let found = match pod_requests(pod, &mut resources) {
        Ok(requests) => requests
            .iter()
            .map(|&(id, amount)| format!("{}={amount}", resources.name(id)))
            .collect::<Vec<_>>()
            .join(" "),
        Err(error) => format!("error: {}", error.field),
    };
    assert_eq!(found, expect);
}

fn check_node(status: Value, expect: &[(&str, i64)], errors: &[&str]) {
    let mut resources = Resources::default();
    let node: Node = serde_json::from_value(json!({"metadata": {"name": "n"}, "status": status})).unwrap();
    let found = node_amounts(&node, &mut resources);
    let amounts: Vec<_> = found.amounts.iter().map(|&(id, amount)| (resources.name(id), amount)).collect();
    assert_eq!(amounts, expect);
    let fields: Vec<_> = found.errors.iter().map(|error| error.field.as_str()).collect();
    assert_eq!(fields, errors);
}

fn container(requests: Value) -> Value {
    json!({"name": "c", "resources": {"requests": requests}})
}

fn sidecar(requests: Value) -> Value {
    json!({"name": "s", "restartPolicy": "Always", "resources": {"requests": requests}})
}

#[test]
fn containers_add_up_and_every_pod_is_one() {
    check(json!({"containers": []}), "pods=1");
    check(json!({"containers": [{"name": "c"}]}), "pods=1");
    check(
        json!({"containers": [
            container(json!({"cpu": "500m", "memory": "1Gi", "nvidia.com/gpu": 8})),
            container(json!({"cpu": "1.5", "memory": "512Mi", "ephemeral-storage": "1k"})),
        ]}),
        "cpu=2000 memory=1610612736 ephemeral-storage=1000 pods=1 nvidia.com/gpu=8",
    );
}

#[test]
fn zero_requests_are_dropped() {
    check(json!({"containers": [container(json!({"cpu": "0", "nvidia.com/gpu": 0}))]}), "pods=1");
}

#[test]
fn requests_for_pods_do_not_count() {
    check(json!({"containers": [container(json!({"pods": 5}))], "overhead": {"pods": 3}}), "pods=1");
}

#[test]
fn fractions_round_up() {
    check(
        json!({"containers": [container(json!({"cpu": "0.1m", "memory": "1500m"}))]}),
        "cpu=1 memory=2 pods=1",
    );
}

#[test]
fn limits_stand_in_for_absent_requests_by_container_and_resource() {
    check(
        json!({"containers": [
            {"name": "a", "resources": {"limits": {"cpu": 4, "nvidia.com/gpu": 8}, "requests": {"cpu": 1}}},
            {"name": "b", "resources": {"limits": {"cpu": 2}}},
        ]}),
        "cpu=3000 pods=1 nvidia.com/gpu=8",
    );
    // A request of 0 is a request.
    check(
        json!({"containers": [{"name": "a", "resources": {"limits": {"cpu": 4}, "requests": {"cpu": 0}}}]}),
        "pods=1",
    );
    check(
        json!({"containers": [], "initContainers": [{"name": "i", "resources": {"limits": {"memory": 7}}}]}),
        "memory=7 pods=1",
    );
}

#[test]
fn the_largest_init_container_counts_where_it_exceeds_the_containers() {
    check(
        json!({
            "containers": [container(json!({"cpu": 2, "memory": 100}))],
            "initContainers": [container(json!({"cpu": 3, "memory": 10})), container(json!({"cpu": 1, "memory": 50}))],
        }),
        "cpu=3000 memory=100 pods=1",
    );
}

#[test]
fn sidecars_add_to_the_containers_and_to_later_init_containers() {
    // A sidecar that starts first runs beside the big init container: 1 + 4 > 1 + 2.
    check(
        json!({
            "containers": [container(json!({"cpu": 2}))],
            "initContainers": [sidecar(json!({"cpu": 1})), container(json!({"cpu": 4}))],
        }),
        "cpu=5000 pods=1",
    );
    // One that starts later does not.
    check(
        json!({
            "containers": [container(json!({"cpu": 2}))],
            "initContainers": [container(json!({"cpu": 4})), sidecar(json!({"cpu": 1}))],
        }),
        "cpu=4000 pods=1",
    );
    check(
        json!({
            "containers": [container(json!({"cpu": 2}))],
            "initContainers": [sidecar(json!({"cpu": 1})), sidecar(json!({"cpu": 3})), container(json!({"memory": 5}))],
        }),
        "cpu=6000 memory=5 pods=1",
    );
}

#[test]
fn overhead_comes_on_top() {
    check(
        json!({
            "containers": [container(json!({"cpu": 1}))],
            "initContainers": [container(json!({"cpu": 2}))],
            "overhead": {"cpu": "250m", "memory": "120Mi"},
        }),
        "cpu=2250 memory=125829120 pods=1",
    );
}

#[test]
fn pod_level_requests_replace_those_of_the_containers() {
    check(
        json!({
            "containers": [container(json!({"cpu": 1, "memory": 10, "nvidia.com/gpu": 2}))],
            "resources": {"requests": {"cpu": 4, "nvidia.com/gpu": 9, "hugepages-2Mi": "4Mi"}},
            "overhead": {"cpu": 1},
        }),
        "cpu=5000 memory=10 pods=1 nvidia.com/gpu=2 hugepages-2Mi=4194304",
    );
}

#[test]
fn pod_level_limits_stand_in_where_nobody_requests() {
    // cpu: a container asks for it. memory: nobody does. Huge pages: always the limit.
    check(
        json!({
            "containers": [container(json!({"cpu": 1, "hugepages-2Mi": "2Mi"}))],
            "resources": {"limits": {"cpu": 8, "memory": 64, "hugepages-2Mi": "4Mi", "nvidia.com/gpu": 1}},
        }),
        "cpu=1000 memory=64 pods=1 hugepages-2Mi=4194304",
    );
    check(
        json!({
            "containers": [container(json!({"cpu": 1}))],
            "resources": {"limits": {"cpu": 8}, "requests": {"cpu": 2}},
        }),
        "cpu=2000 pods=1",
    );
}

#[test]
fn a_bad_quantity_names_its_field() {
    check(
        json!({"containers": [container(json!({})), container(json!({"nvidia.com/gpu": "eight"}))]}),
        "error: spec.containers[1].resources.requests[nvidia.com/gpu] (container \"c\")",
    );
    check(
        json!({"containers": [], "initContainers": [{"name": "i", "resources": {"limits": {"cpu": "-1"}}}]}),
        "error: spec.initContainers[0].resources.limits[cpu] (container \"i\")",
    );
    check(json!({"containers": [], "overhead": {"cpu": "x"}}), "error: spec.overhead[cpu]");
    check(
        json!({"containers": [], "resources": {"requests": {"memory": "-5"}}}),
        "error: spec.resources.requests[memory]",
    );
    let error = pod_requests(
        &spec(json!({"containers": [container(json!({"memory": "-5"}))]})),
        &mut Resources::default(),
    );
    assert_eq!(error.unwrap_err().problem, "\"-5\" is negative; an amount is 0 or more");
}

#[test]
fn more_than_any_machine_has_fits_nowhere() {
    let huge = i64::MAX.to_string();
    check(
        json!({"containers": [container(json!({"memory": huge})), container(json!({"memory": 1}))]}),
        &format!("memory={TOO_MUCH} pods=1"),
    );
    check_node(
        json!({"allocatable": {"memory": huge, "pods": 1}}),
        &[("memory", MOST_OF_A_NODE), ("pods", 1)],
        &[],
    );
}

#[test]
fn a_node_gives_its_allocatable_else_its_capacity() {
    check_node(
        json!({
            "allocatable": {"cpu": "127500m", "memory": "2000Gi", "pods": "250", "nvidia.com/gpu": "8"},
            "capacity": {"cpu": "128", "pods": "300"},
        }),
        &[("cpu", 127_500), ("memory", 2000 << 30), ("pods", 250), ("nvidia.com/gpu", 8)],
        &[],
    );
    check_node(json!({"capacity": {"cpu": "128"}}), &[("cpu", 128_000), ("pods", 110)], &[]);
    check_node(json!({"allocatable": {"pods": 0}}), &[("pods", 0)], &[]);
    check_node(json!({}), &[("pods", 110)], &[]);
}

#[test]
fn a_bad_quantity_of_a_node_counts_as_nothing_and_is_reported() {
    check_node(
        json!({"allocatable": {"cpu": "4", "memory": "lots", "nvidia.com/gpu": "-8"}}),
        &[("cpu", 4_000), ("memory", 0), ("pods", 110), ("nvidia.com/gpu", 0)],
        &["status.allocatable[memory]", "status.allocatable[nvidia.com/gpu]"],
    );
}

#[test]
fn ids_of_the_fixed_resources_are_those_of_capacity() {
    let mut resources = Resources::default();
    let ids = [CPU, MEMORY, EPHEMERAL_STORAGE, PODS].map(|id| resources.name(id).to_owned());
    assert_eq!(ids, FIXED_RESOURCES);
    let gpu = resources.intern("nvidia.com/gpu");
    assert_eq!(
        (gpu, resources.find("nvidia.com/gpu"), resources.find("amd.com/gpu")),
        (ResourceId(4), Some(gpu), None)
    );
}

proptest! {
    /// Over one resource the request is the maximum over the moments of the pod's life: each init container with the
    /// sidecars before it, and the containers with all sidecars.
    #[test]
    fn requests_are_the_largest_moment(
        containers in prop::collection::vec(0i64..10, 0..4),
        init in prop::collection::vec((0i64..10, any::<bool>()), 0..5),
    ) {
        let sidecars_before = |end: usize| -> i64 {
            init[..end].iter().filter(|entry| entry.1).map(|entry| entry.0).sum()
        };
        let moments = (0..init.len()).map(|i| init[i].0 + sidecars_before(i));
        let expect = moments.chain([containers.iter().sum::<i64>() + sidecars_before(init.len())]).max().unwrap();

        let pod = spec(json!({
            "containers": containers.iter().map(|&n| container(json!({"nvidia.com/gpu": n}))).collect::<Vec<_>>(),
            "initContainers": init.iter().map(|&(n, always)| {
                if always { sidecar(json!({"nvidia.com/gpu": n})) } else { container(json!({"nvidia.com/gpu": n})) }
            }).collect::<Vec<_>>(),
        }));
        let mut resources = Resources::default();
        let found = pod_requests(&pod, &mut resources).unwrap();
        let gpu = resources.intern("nvidia.com/gpu");
        let amount = found.iter().find(|entry| entry.0 == gpu).map_or(0, |entry| entry.1);
        prop_assert_eq!(amount, expect);
    }
}

/// KEP-1287, as kube-scheduler counts it.
#[test]
fn while_a_pod_is_resized_the_largest_counts() {
    let has = |list: &str, name: &str, has: Value, allocated: Value| json!({list: [{"name": name, "resources": {"requests": has}, "allocatedResources": allocated}]});
    let main = json!({"containers": [container(json!({"cpu": 4, "memory": "1Gi"}))]});
    let check_status =
        |spec: &Value, status: Value, expect: &str| check_pod(&pod(spec.clone(), status), expect);
    let small = || has("containerStatuses", "c", json!({"cpu": 2, "memory": "1Gi"}), json!({"cpu": 2}));
    let large = has("containerStatuses", "c", json!({"cpu": 6, "memory": "1Gi"}), json!({"cpu": 8}));
    // growing: what is asked for; shrinking: what the node still holds
    check_status(&main, small(), "cpu=4000 memory=1073741824 pods=1");
    check_status(&main, large, "cpu=8000 memory=1073741824 pods=1");
    // a resize that never comes takes nothing
    let mut never = small();
    never["conditions"] = json!([{"type": "PodResizePending", "status": "True", "reason": "Infeasible"}]);
    check_status(&main, never.clone(), "cpu=2000 memory=1073741824 pods=1");
    never["conditions"][0]["reason"] = json!("Deferred");
    check_status(&main, never, "cpu=4000 memory=1073741824 pods=1");
    // without resources in its status, or of another container, it says nothing
    let silent = json!({"containerStatuses": [{"name": "c", "allocatedResources": {"cpu": 9}}]});
    check_status(&main, silent, "cpu=4000 memory=1073741824 pods=1");
    check_status(
        &main,
        has("containerStatuses", "d", json!({"cpu": 9}), json!({})),
        "cpu=4000 memory=1073741824 pods=1",
    );
    // sidecars too, other init containers not
    let with = |init: Value| json!({"containers": [container(json!({"cpu": 1}))], "initContainers": [init]});
    check_status(
        &with(sidecar(json!({"cpu": 1}))),
        has("initContainerStatuses", "s", json!({"cpu": 3}), json!({})),
        "cpu=4000 pods=1",
    );
    check_status(
        &with(container(json!({"cpu": 1}))),
        has("initContainerStatuses", "c", json!({"cpu": 3}), json!({})),
        "cpu=1000 pods=1",
    );
    // the pod as a whole, for what it asks for itself
    let whole = json!({"containers": [{"name": "c"}], "resources": {"requests": {"cpu": 4}}});
    let status = |more: Value| {
        let mut status = json!({"resources": {"requests": {"cpu": 6, "memory": "1Gi"}}});
        status.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        status
    };
    check_status(&whole, status(json!({})), "cpu=6000 pods=1");
    check_status(&whole, status(json!({"allocatedResources": {"cpu": 7}})), "cpu=7000 pods=1");
    check_status(&whole, json!({"allocatedResources": {"cpu": 7}}), "cpu=4000 pods=1");
    let error = json!({"containerStatuses": [{"name": "c", "resources": {"requests": {"cpu": "x"}}}]});
    check_status(&main, error, "error: status.containerStatuses[c].resources.requests[cpu]");
}
