use super::*;
use crate::simulation::reader::Reader;

fn read(text: &str) -> Result<Scenario, Vec<Problem>> {
    let mut reader = Reader::default();
    reader.read("s.yaml", text);
    assert_eq!(reader.problems, []);
    Scenario::read(&reader.documents[0])
}

/// Reads `spec`, which starts on line 3.
fn spec(spec: &str) -> Result<Scenario, Vec<Problem>> {
    read(&format!("apiVersion: {API_VERSION}\nkind: Simulation\n{spec}"))
}

fn check(text: &str, expect: &[&str]) {
    let found = spec(text).map(|_| ()).unwrap_err();
    let found: Vec<String> = found
        .iter()
        .map(|p| p.to_string().replacen("s.yaml:", "", 1).replacen(" document 1 (Simulation):", "", 1))
        .collect();
    assert_eq!(found, expect, "{text}");
}

#[test]
fn defaults() {
    let scenario = spec("spec: {}").unwrap();
    assert_eq!((scenario.seed, scenario.until), (1, None));
    assert_eq!(scenario.start, 1_767_225_600);
    assert_eq!(scenario.kubelet.startup, Range(2_000, 2_000));
    assert_eq!(scenario.kubelet.lost_after, 40_000);
    let plain = Scenario::plain();
    assert_eq!(format!("{plain:?}"), format!("{scenario:?}"));
}

#[test]
fn a_full_document() {
    let scenario = spec(
        "spec:
  seed: 7
  until: 1h
  nodePools:
  - name: gpu
    count: 64
    capacity: {cpu: 192, nvidia.com/gpu: 8}
    taints: [{key: gpu, effect: NoSchedule}]
    tree: [{tier: 2, name: block, count: 4}, {tier: 1, name: rack, count: 8, label: rack}]
    occupied: [{percent: 30, requests: {nvidia.com/gpu: 4}}]
  - name: net
    capacity: {cpu: 1}
    tree: [{tier: 1, name: asw}]
    domains: {S1: 8, S2: [a, b]}
  gangs:
  - name: train
    count: 100
    sizes: [2, 4]
    requests: {nvidia.com/gpu: 8}
    topology: {highestTierAllowed: 1}
    arrival: {every: 5s..15s}
    duration: 10m
  kubelet: {startup: 1s..3s, unpullable: [bad/*]}
  timeline:
  - {at: 60s, scale: {name: llama, replicas: 3}}
  - {at: 2m, kill: {node: gpu-3}}
  - {at: 3m, delete: {kind: pods, name: x}}
  - at: 4m
    patch: {kind: PodGroup, name: g, merge: {spec: {minMember: 1}}}
  - {at: 5m, crash: {name: p}}
  - {at: 6m, failCalls: {call: evict, with: lost}}
",
    )
    .unwrap();
    assert_eq!(scenario.node_pools[0].tree[1].tier, 1);
    assert_eq!(scenario.gangs[0].arrival, Arrival { first: 0, every: Range(5_000, 15_000) });
    assert_eq!(scenario.gangs[0].topology.as_ref().unwrap().highest_tier_allowed, Some(1));
    assert_eq!(scenario.timeline.len(), 6);
    let Action::FailCalls(fault) = &scenario.timeline[5].action else { panic!("{:?}", scenario.timeline[5]) };
    let FailCalls { call, ref namespace, ref name, after, count, with } = *fault;
    assert_eq!((call, namespace.as_str(), name, after, count), (CallKind::Evict, "default", &None, 0, 1));
    assert_eq!(with, Failure::Lost);
    assert!(
        matches!(&scenario.timeline[0].action, Action::Scale { namespace, replicas: 3, .. } if namespace == "default")
    );
    assert!(matches!(&scenario.timeline[2].action, Action::Delete { object, .. } if object.key().is_some()));
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    check("", &["1: spec: is missing; add it, even as spec: {}"]);
    check("spec:\n  nodepools: []\n", &["4: spec.nodepools: is not a field; did you mean nodePools?"]);
    check(
        "spec: {seed: -1, until: 5}",
        &["3: spec.seed: is -1; write 0 or more", "3: spec.until: is the number 5; put it in quotes"],
    );
    check(
        "spec:\n  nodePools:\n  - name: Gpu\n",
        &[
            "5: spec.nodePools[0].capacity: is missing; add it (What a node can hold, as in {cpu: 192, memory: 2Ti, nvidia.com/gpu: 8})",
            "5: spec.nodePools[0].name: is \"Gpu\"; it must match ^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        ],
    );
    check(
        "spec:\n  nodePools:\n  - name: g\n    capacity: {cpu: 8x}\n",
        &["6: spec.nodePools[0].capacity.cpu: is \"8x\"; write a quantity such as 8, 100m or 800Gi"],
    );
    let pool = "spec:\n  nodePools:\n  - name: g\n    capacity: {cpu: 8}\n";
    check(pool, &["5: spec.nodePools[0].count: is missing; say how many nodes, or write out the domains"]);
    check(
        &format!("{pool}    count: 4\n    tree: [{{name: a, tier: 1, count: 2}}, {{name: b, tier: 1}}]\n"),
        &[
            "8: spec.nodePools[0].tree[1].count: is missing; say how many in each domain of the level above",
            "8: spec.nodePools[0].tree[1].tier: is not below the tier of the level above; list the outermost level first",
        ],
    );
    check(
        "spec:\n  gangs:\n  - {name: g, requests: {cpu: 1}}\n",
        &["5: spec.gangs[0].size: is missing; say how many pods a gang has"],
    );
}

#[test]
fn the_timeline_does_one_thing_at_a_time() {
    let check = |item: &str, expect: &[&str]| check(&format!("spec:\n  timeline:\n  - {item}\n"), expect);
    check(
        "{at: 5s}",
        &["5: spec.timeline[0]: does nothing; say what to do: apply, scale, delete, kill, ..."],
    );
    check(
        "{at: 5s, crash: {name: a}, fail: {name: a}}",
        &["5: spec.timeline[0]: does several things: crash, fail; make an item of its own for each"],
    );
    check(
        "{at: 5s, kill: {}}",
        &["5: spec.timeline[0].kill: does not name one place; give either node or hyperNode"],
    );
    check(
        "{at: 5s, delete: {kind: Pot, name: a}}",
        &["5: spec.timeline[0].delete.kind: is \"Pot\"; did you mean Pod?"],
    );
    check(
        "{at: 5s, apply: {kind: Pod, metadata: {}}}",
        &[
            "5: spec.timeline[0].apply.apiVersion: is missing; write a whole object",
            "5: spec.timeline[0].apply.metadata.name: is missing; write a whole object",
        ],
    );
    check("{at: 5s, carsh: {name: a}}", &["5: spec.timeline[0].carsh: is not a field; did you mean crash?"]);
}

#[test]
fn another_version_is_refused() {
    let problems = read("apiVersion: simulation.phalanx.dev/v1\nkind: Simulation\nspec: {}\n").unwrap_err();
    assert!(
        problems[0]
            .to_string()
            .ends_with("apiVersion: is \"simulation.phalanx.dev/v1\"; write simulation.phalanx.dev/v1alpha1")
    );
}

#[test]
fn two_gangs_or_node_pools_of_one_name() {
    check(
        "spec:
  nodePools: [{name: node, count: 4, capacity: {cpu: 4}}, {name: node, count: 2, capacity: {cpu: 4}}]
  gangs:
  - {name: g, size: 2, requests: {cpu: 1}}
  - {name: g, size: 1, requests: {cpu: 1}, namespace: other}
  - {name: g, size: 1, requests: {cpu: 1}}
",
        &[
            "4: spec.nodePools[1].name: node is taken by spec.nodePools[0]; give each pool a name of its own; pools of \
             one tree share its domains",
            "8: spec.gangs[2].name: g is taken by spec.gangs[0] (same namespace, default); give each a name of its own",
        ],
    );
}

#[test]
fn a_patch_that_would_leave_no_object() {
    check(
        "spec:
  timeline:
  - {at: 1s, patch: {kind: Pod, name: p, merge: {metadata: 5}}}
  - {at: 1s, patch: {kind: Pod, name: p, merge: {spec: [], metadata: {labels: {a: b}}}}}
  - {at: 1s, patch: {kind: Pod, name: p, merge: {spec: {a: 1}, status: null, metadata: {annotations: null}}}}
",
        &[
            "5: spec.timeline[0].patch.merge.metadata: is a number, not a map; write the fields to change as a map",
            "6: spec.timeline[1].patch.merge.spec: is a list, not a map; write the fields to change as a map",
        ],
    );
}

#[test]
fn more_than_a_simulation_can_make() {
    check(
        "spec:
  nodePools:
  - name: node
    count: 1
    capacity: {cpu: 4}
    tree: [{name: zone, tier: 3, count: 2000}, {name: block, tier: 2, count: 2000}, {name: rack, tier: 1, count: 2000}]
  - {name: a, count: 600000, capacity: {cpu: 4}, occupied: [{pods: 110, requests: {cpu: 1}}]}
  - {name: b, count: 600000, capacity: {cpu: 4}}
  gangs:
  - {name: g, count: 100, size: 10, requests: {cpu: 1}}
  - {name: h, count: 10000000, size: 100000, requests: {cpu: 1}}
",
        &[
            "8: spec.nodePools[0].tree: makes it 8004002000 domains; a simulation has 1000000 at most; ask for less",
            "9: spec.nodePools[1].occupied[0].pods: makes it 66000000 pods on nodes; a simulation has 1000000 at most; \
             ask for less",
            "10: spec.nodePools[2].count: makes it 1200001 nodes; a simulation has 1000000 at most; ask for less",
            "13: spec.gangs[1].count: makes it 1000000001000 pods of made gangs; a simulation has 10000000 at most; \
             ask for less",
        ],
    );
}
