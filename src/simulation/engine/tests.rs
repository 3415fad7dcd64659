mod devices;
mod dialects;
mod promises;
mod random_runs;
mod recordings;
mod volumes;

use super::*;
use crate::apiserver::Kind;
use crate::simulation::reader::Reader;
use crate::simulation::scenario::API_VERSION;
use crate::simulation::time::{print_duration, print_timestamp};

const NODE: &str = "
---
apiVersion: v1
kind: Node
metadata: {name: n1}
status: {capacity: {cpu: 8}}
";

/// A pod that has its node already.
fn pod(name: &str, spec: &str) -> String {
    format!(
        "\n---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec: {{nodeName: n1, containers: [{{name: c, image: i}}]{spec}}}\n"
    )
}

fn simulation(spec: &str) -> String {
    format!("---\napiVersion: {API_VERSION}\nkind: Simulation\nspec:\n{spec}\n")
}

/// A recorded run that has not begun.
fn begun(text: &str) -> Simulation {
    let mut reader = Reader::default();
    reader.read("t.yaml", text);
    let world = World::admit(reader).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let mut run = Simulation::new(world, SchedulerConfig::default());
    run.record();
    run
}

fn run(text: &str) -> Simulation {
    let mut run = begun(text);
    run.run(|_| ());
    recordings::check(&mut run);
    assert_eq!(run.scheduler().cluster().audit(), Vec::<String>::new(), "the scheduler's books balance");
    run
}

/// What happened, one line each: `at by reason name: message`.
fn story(run: &Simulation) -> Vec<String> {
    let line = |h: &Happened| {
        let message = if h.message.is_empty() { String::new() } else { format!(": {}", h.message) };
        format!("{} {} {} {}{message}", print_duration(h.at_milliseconds), h.by, h.reason, h.name)
    };
    run.history.entries.iter().map(line).collect()
}

fn check(text: &str, expect: &[&str]) -> Simulation {
    let run = run(text);
    assert_eq!(story(&run), expect);
    assert_eq!(run.ending, Ending::Quiet);
    run
}

fn object<'a>(run: &'a Simulation, kind: Kind, name: &str) -> &'a Value {
    &run.store.get(&Key::new(kind, "", name)).unwrap_or_else(|| panic!("no {name}")).value
}

fn condition(object: &Value, type_: &str) -> String {
    let conditions = object["status"]["conditions"].as_array().unwrap();
    conditions.iter().find(|c| c["type"] == type_).unwrap()["status"].as_str().unwrap().to_owned()
}

#[test]
fn a_pod_starts_and_becomes_ready_after_its_probes_delay() {
    let probe = ", readinessProbe: {initialDelaySeconds: 15}";
    let text = pod("a", "").replace("image: i", &format!("image: i{probe}"));
    let run = check(&format!("{NODE}{text}"), &["2s kubelet Started a: runs on n1", "17s kubelet Ready a"]);
    let pod = object(&run, Kind::Pod, "a");
    assert_eq!((&pod["status"]["phase"], condition(pod, "Ready")), (&"Running".into(), "True".into()));
    assert_eq!(pod["status"]["startTime"], "2026-01-01T00:00:00Z");
    let state = &pod["status"]["containerStatuses"][0];
    assert_eq!((&state["ready"], &state["restartCount"]), (&true.into(), &0.into()));
}

#[test]
fn readiness_gates_hold_a_pod_until_their_condition_is_true() {
    let run = check(
        &format!("{NODE}{}", pod("a", ", readinessGates: [{conditionType: x/balancer}]")),
        &["2s kubelet Started a: runs on n1", "3s kubelet Ready a"],
    );
    assert_eq!(condition(object(&run, Kind::Pod, "a"), "x/balancer"), "True");
}

#[test]
fn an_image_that_cannot_be_pulled_holds_a_pod_until_it_is_changed() {
    let rules = simulation(
        "  kubelet: {unpullable: [\"i*\"]}\n  timeline:\n  - at: 1m\n    patch: {kind: pod, name: a, merge: {spec: {containers: [{name: c, image: good}]}}}",
    );
    let run = check(
        &format!("{NODE}{}{rules}", pod("a", "")),
        &[
            "2s kubelet Failed a: cannot pull image \"i\"",
            "1m user Patched a: {\"spec\":{\"containers\":[{\"image\":\"good\",\"name\":\"c\"}]}}",
            "1m2s kubelet Started a: runs on n1",
            "1m2s kubelet Ready a",
        ],
    );
    assert_eq!(object(&run, Kind::Pod, "a")["status"]["phase"], "Running");
    let stuck =
        self::run(&format!("{NODE}{}{}", pod("a", ""), simulation("  kubelet: {unpullable: [\"*\"]}")));
    let state = &object(&stuck, Kind::Pod, "a")["status"]["containerStatuses"][0]["state"];
    assert_eq!(state["waiting"]["reason"], "ImagePullBackOff");
}

#[test]
fn a_crash_is_followed_by_a_restart() {
    let rules = simulation("  timeline:\n  - {at: 1m, crash: {name: a}}\n  - {at: 2m, crash: {name: b}}");
    let pods = [pod("a", ""), pod("b", ", restartPolicy: Never")].concat();
    let run = check(
        &format!("{NODE}{pods}{rules}"),
        &[
            "2s kubelet Started a: runs on n1",
            "2s kubelet Ready a",
            "2s kubelet Started b: runs on n1",
            "2s kubelet Ready b",
            "1m user Crashed a",
            "1m kubelet BackOff a: containers ended with exit code 1",
            "1m10s kubelet Started a: containers started again",
            "1m10s kubelet Ready a",
            "2m user Crashed b",
            "2m kubelet Failed b: exit code 1",
        ],
    );
    let status = &object(&run, Kind::Pod, "a")["status"]["containerStatuses"][0];
    assert_eq!(status["restartCount"], 1);
    assert_eq!(status["lastState"]["terminated"]["finishedAt"], "2026-01-01T00:01:00Z");
    assert_eq!(object(&run, Kind::Pod, "b")["status"]["phase"], "Failed");
}

#[test]
fn readiness_goes_and_comes() {
    let rules = simulation("  timeline:\n  - {at: 1m, unready: {name: a}}\n  - {at: 2m, ready: {name: a}}");
    check(
        &format!("{NODE}{}{rules}", pod("a", "")),
        &[
            "2s kubelet Started a: runs on n1",
            "2s kubelet Ready a",
            "1m user MadeUnready a",
            "1m kubelet Unhealthy a: readiness probe failed",
            "2m user MadeReady a",
            "2m kubelet Ready a",
        ],
    );
}

#[test]
fn a_deleted_pod_is_stopped_within_its_grace() {
    let rules =
        simulation("  kubelet: {shutdown: 40s}\n  timeline:\n  - {at: 10s, delete: {kind: Pod, name: a}}");
    let run = check(
        &format!("{NODE}{}{rules}", pod("a", "")),
        &[
            "2s kubelet Started a: runs on n1",
            "2s kubelet Ready a",
            "10s user Deleted a",
            "10s kubelet Killing a: containers are stopped",
            "40s kubelet Deleted a",
        ],
    );
    assert_eq!(run.store.of_kind(&Kind::Pod).count(), 0);
}

#[test]
fn a_pod_can_run_its_time() {
    let text =
        pod("a", "").replace("name: a}", "name: a, annotations: {simulation.phalanx.dev/duration: 5m}}");
    let run = check(
        &format!("{NODE}{text}"),
        &["2s kubelet Started a: runs on n1", "2s kubelet Ready a", "5m2s kubelet Succeeded a: exit code 0"],
    );
    assert_eq!(condition(object(&run, Kind::Pod, "a"), "Ready"), "False");
}

#[test]
fn a_dead_node_is_noticed_evicted_from_and_welcomed_back() {
    let rules = simulation(
        "  timeline:\n  - {at: 1m, kill: {node: n1}}\n  - {at: 10m, restore: {node: n1}}\n  - {at: 11m, kill: {node: n1}}\n  - {at: 11m20s, restore: {node: n1}}",
    );
    let run = check(
        &format!("{NODE}{}{}{rules}", pod("a", ""), pod("b", ", tolerations: [{operator: Exists}]")),
        &[
            "2s kubelet Started a: runs on n1",
            "2s kubelet Ready a",
            "2s kubelet Started b: runs on n1",
            "2s kubelet Ready b",
            "1m user Killed n1",
            "1m40s node NodeNotReady n1: the kubelet does not answer",
            "6m40s node TaintManagerEviction a: a taint of node n1 evicts it",
            "10m user Restored n1",
            "10m node NodeReady n1: the kubelet answers again",
            "10m kubelet Killing a: containers are stopped",
            "10m kubelet Ready b",
            "10m1s kubelet Deleted a",
            "11m user Killed n1",
            "11m20s user Restored n1",
            "11m20s node NodeReady n1: the kubelet answers again",
        ],
    );
    let node = object(&run, Kind::Node, "n1");
    assert_eq!((condition(node, "Ready"), &node["spec"]["taints"]), ("True".into(), &serde_json::json!([])));
}

#[test]
fn a_removed_node_takes_its_pods_along() {
    let rules = simulation("  timeline:\n  - {at: 1m, remove: {node: n1}}\n  - {at: 2m, cordon: {node: n1}}");
    let run = check(
        &format!("{NODE}{}{rules}", pod("a", "")),
        &[
            "2s kubelet Started a: runs on n1",
            "2s kubelet Ready a",
            "1m user Removed n1",
            "1m node Deleted a: its node n1 is gone",
            "2m user NotFound n1: there is no such node",
        ],
    );
    assert_eq!(run.store.of_kind(&Kind::Pod).count(), 0);
}

#[test]
fn the_run_stops_where_it_is_told_to() {
    let run = run(&format!("{NODE}{}{}", pod("a", ""), simulation("  until: 1s")));
    assert_eq!((run.ending, run.now), (Ending::Until, 1_000));
    assert_eq!(object(&run, Kind::Pod, "a")["status"]["phase"], "Pending");
}

#[test]
fn an_import_does_not_come_from_the_future() {
    let text = NODE.replace("name: n1", "name: n1, creationTimestamp: \"2030-05-01T00:00:00Z\"");
    assert_eq!(print_timestamp(run(&text).seconds()), "2030-05-01T00:00:00Z");
}

#[test]
fn what_the_timeline_breaks_is_noted_and_nothing_else_breaks() {
    let rules = simulation(
        "  timeline:\n  - {at: 5s, patch: {kind: Pod, name: a, merge: {metadata: {labels: 5}}}}\n  - {at: 6s, scale: {name: x, replicas: 2}}",
    );
    let story = story(&run(&format!("{NODE}{}{rules}", pod("a", ""))));
    assert!(
        story.iter().any(|line| line.starts_with("5s user Malformed a: metadata.labels: invalid type")),
        "{story:?}"
    );
    assert_eq!(story.last().unwrap(), "6s user Refused x: ModelServing default/x does not exist");
}

/// What became of made gangs: `name: nodes, or -; from, to`.
fn gangs(run: &Simulation) -> Vec<String> {
    let time = |at: Option<Millis>| at.map_or("-".to_owned(), print_duration);
    let line = |gang: &made_gangs::MadeGang| {
        let nodes: Vec<&str> = gang.nodes.iter().map(|node| node.as_deref().unwrap_or("-")).collect();
        format!(
            "{}: {}; {} {}",
            run.made_gangs.name(gang).1,
            nodes.join(" "),
            time(gang.placed),
            time(gang.ended)
        )
    };
    run.made_gangs.gangs.iter().map(line).collect()
}

const POOL: &str =
    "  nodePools:\n  - {name: g, count: 4, capacity: {gpu: 8}, tree: [{name: rack, tier: 1, count: 2}]}\n";

#[test]
fn made_gangs_come_wait_run_and_go() {
    let text = "  gangs:\n  - {name: a, count: 3, size: 2, requests: {gpu: 8}, topology: {highestTierAllowed: 1}, arrival: {every: 1m}, duration: 3m}";
    let run = run(&simulation(&format!("{POOL}{text}")));
    // The third gang finds both racks taken and gets the first that is given back.
    let expect = ["a-0: g-0 g-1; 0s 3m", "a-1: g-2 g-3; 1m 4m", "a-2: g-0 g-1; 3m 6m"];
    assert_eq!(gangs(&run), expect);
    assert_eq!((run.placed, run.ending), (6, Ending::Quiet));
}

#[test]
fn a_made_gang_is_placed_whole_or_not_at_all() {
    let text = "  gangs:\n  - {name: a, size: 3, requests: {gpu: 8}, topology: {highestTierAllowed: 1}}\n  - {name: b, size: 5, requests: {gpu: 8}, minMember: 4, topology: {mode: soft}}";
    let run = run(&simulation(&format!("{POOL}{text}")));
    assert_eq!(gangs(&run), ["a-0: - - -; - -", "b-0: g-0 g-1 g-2 g-3 -; 0s -"]);
}

#[test]
fn parts_of_a_made_gang_stay_closer_together() {
    let text = "  gangs:\n  - {name: a, size: 4, requests: {gpu: 8}, subGroup: {size: 2, topology: {highestTierAllowed: 1}}}";
    let run = run(&simulation(&format!("{POOL}{text}")));
    assert_eq!(gangs(&run), ["a-0: g-0 g-1 g-2 g-3; 0s -"]);
}

#[test]
fn drawn_values_depend_on_the_seed_alone() {
    let text = "  gangs:\n  - {name: a, count: 9, sizes: [1, 2], requests: {gpu: 1}, arrival: {every: 1s..9s}, duration: 1m..5m}";
    let story = |seed: u32| gangs(&run(&simulation(&format!("  seed: {seed}\n{POOL}{text}"))));
    assert_eq!(story(1), story(1));
    assert_ne!(story(1), story(2));
}

const SET: &str = "
---
apiVersion: leaderworkerset.x-k8s.io/v1
kind: LeaderWorkerSet
metadata: {name: set}
spec:
  replicas: 2
  leaderWorkerTemplate:
    size: 2
    workerTemplate:
      spec:
        schedulerName: volcano
        containers: [{name: c, image: i, resources: {limits: {gpu: 8}}}]
";

#[test]
fn a_leader_worker_set_runs_and_is_told_how_it_does() {
    let run = run(&format!("{}{SET}", simulation(POOL)));
    let placed: Vec<String> = run
        .store
        .of_kind(&Kind::Pod)
        .map(|(key, pod)| {
            format!("{} {} {}", key.name, pod.text("/spec/nodeName"), pod.text("/status/phase"))
        })
        .collect();
    let expect = [
        "set-0-default-0-0 g-0 Running",
        "set-0-default-0-1 g-1 Running",
        "set-1-default-0-0 g-2 Running",
        "set-1-default-0-1 g-3 Running",
    ];
    assert_eq!(placed, expect);
    let status = &object(&run, Kind::LeaderWorkerSet, "set")["status"];
    assert_eq!((&status["readyReplicas"], &status["observedGeneration"]), (&2.into(), &1.into()));

    let gone = simulation(&format!(
        "{POOL}  timeline:\n  - {{at: 1m, delete: {{kind: LeaderWorkerSet, name: set}}}}"
    ));
    let run = self::run(&format!("{gone}{SET}"));
    let left = [Kind::Pod, Kind::PodGroup, Kind::ModelServing, Kind::Service, Kind::ControllerRevision];
    assert!(left.iter().all(|kind| run.store.of_kind(kind).next().is_none()), "nothing is left");
}

#[test]
fn a_leader_worker_set_that_another_controller_runs_is_left_alone() {
    let text = pod("set-0", "")
        .replace("name: set-0}", "name: set-0, labels: {leaderworkerset.sigs.k8s.io/name: set}}");
    let run = run(&format!("{}{NODE}{text}{SET}", simulation(POOL)));
    assert!(story(&run)[0].contains("LeftAlone set"), "{:?}", story(&run));
    assert_eq!(run.store.of_kind(&Kind::ModelServing).count(), 0);
}

#[test]
fn changes_that_a_webhook_would_refuse_are_refused() {
    let serving = "
---
apiVersion: workload.serving.volcano.sh/v1alpha1
kind: ModelServing
metadata: {name: m}
spec:
  template:
    gangPolicy: {minRoleReplicas: {r: 1}}
    roles:
    - name: r
      replicas: 2
      workerReplicas: 0
      entryTemplate: {spec: {containers: [{name: c, image: i}]}}
";
    let rules = simulation(
        "  timeline:\n  - {at: 1m, patch: {kind: modelserving, name: m, merge: {spec: {template: {gangPolicy: {minRoleReplicas: {r: 2}}}}}}}\n  - {at: 2m, scale: {name: m, role: r, replicas: 3}}",
    );
    let run = run(&format!("{rules}{serving}"));
    let user: Vec<String> = story(&run).into_iter().filter(|line| line.contains(" user ")).collect();
    assert_eq!(user.len(), 2, "{user:?}");
    assert!(user[0].starts_with("1m user Refused m: ModelServing default/m is refused: "), "{user:?}");
    assert!(user[0].contains("minRoleReplicas is immutable"), "{user:?}");
    assert_eq!(user[1], "2m user Scaled m: role r: replicas: 3");
    assert_eq!(object(&run, Kind::ModelServing, "m")["spec"]["template"]["roles"][0]["replicas"], 3);
}

#[test]
fn a_readiness_gate_can_be_opened_and_closed_by_hand() {
    let rules = simulation(
        "  kubelet: {readinessGates: 1d}\n  until: 4m\n  timeline:\n  - {at: 1m, condition: {name: a, type: x/balancer}}\n  - {at: 2m, condition: {name: a, type: x/balancer, status: \"False\"}}\n  - {at: 3m, condition: {name: a, type: x/other}}",
    );
    let run = run(&format!("{NODE}{}{rules}", pod("a", ", readinessGates: [{conditionType: x/balancer}]")));
    let expect = [
        "2s kubelet Started a: runs on n1",
        "1m user ConditionTrue a",
        "1m kubelet Ready a",
        "2m user ConditionNotTrue a",
        "2m kubelet Unhealthy a: a readiness gate closed",
        "3m user ConditionTrue a",
    ];
    assert_eq!(story(&run), expect);
    assert_eq!(condition(object(&run, Kind::Pod, "a"), "Ready"), "False");
}

/// Pods of a Deployment that is annotated as a gang come without a PodGroup: it is made here as on a cluster, and whether
/// Volcano's controllers are among the objects or not, since they do not run here.
#[test]
fn pods_without_a_pod_group_are_grouped_as_on_a_cluster() {
    let deployment = |name: &str, labels: &str, rest: &str| {
        format!(
            "\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, labels: {{{labels}}}, annotations: {{scheduling.volcano.sh/group-min-member: \"3\"}}}}\nspec: {{replicas: 3, selector: {{matchLabels: {{app: {name}}}}}, template: {{metadata: {{labels: {{app: {name}}}}}, spec: {{{rest}containers: [{{name: c, image: i, resources: {{requests: {{cpu: 3}}}}}}]}}}}}}\n"
        )
    };
    let volcano = deployment("volcano-controllers", "app: volcano-controller", "");
    let web = deployment("web", "app: web", "schedulerName: volcano, ");
    let node = |name: &str| NODE.replace("n1", name);
    let bound = |text: &str| {
        let run = run(text);
        let pods = run.store.of_kind(&Kind::Pod).filter(|(_, pod)| !pod.text("/spec/nodeName").is_empty());
        let groups = run.store.of_kind(&Kind::PodGroup).map(|(key, _)| key.name.to_string());
        (pods.count(), groups.collect::<Vec<_>>())
    };
    let (pods, groups) = bound(&format!("{}{web}", node("n1")));
    assert_eq!((pods, groups.len()), (0, 1), "two of three would fit: {groups:?}");
    assert!(groups[0].starts_with("podgroup-"), "{groups:?}");
    let both = format!("{}{}", node("n1"), node("n2"));
    assert_eq!(bound(&format!("{both}{web}")).0, 3);
    assert_eq!(bound(&format!("{both}{web}{volcano}")).0, 3);
}

/// Groups that wait go before those that run, whose nodes they would get for a moment.
#[test]
fn a_scale_down_binds_nothing_that_goes() {
    let serving = "\n---\napiVersion: workload.serving.volcano.sh/v1alpha1\nkind: ModelServing\nmetadata: {name: ms}\nspec: {replicas: 8, template: {roles: [{name: r, replicas: 1, workerReplicas: 0, entryTemplate: {spec: {containers: [{name: c, image: i, resources: {limits: {gpu: 8}}}]}}}]}}\n";
    let rules = simulation(
        "  nodePools: [{name: node, count: 5, capacity: {cpu: 8, gpu: 8}}]\n  kubelet: {shutdown: 0s}\n  timeline: [{at: 1m, scale: {name: ms, replicas: 1}}]",
    );
    let run = run(&format!("{rules}{serving}"));
    let bound = |from: u64| {
        let later = run.history.entries.iter().filter(move |happened| happened.at_milliseconds >= from);
        later.filter(|happened| happened.reason == "Scheduled").count()
    };
    assert_eq!((bound(0), bound(60_000)), (5, 0), "{:?}", story(&run));
    assert_eq!(run.store.of_kind(&Kind::Pod).count(), 1);
}
