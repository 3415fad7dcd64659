//! What users are told on a cluster: what objects ask for and do not get, schedulers that nobody answers to, and what `explain` and
//! `simulate --from-cluster` read with the rights of who asks.

use crate::cluster::TestCluster;
use crate::phalanx::Phalanx;
use std::path::Path;
use std::process::{Command, Output};

const SPACE: &str = "told";

/// A cluster of its own, since what is told of nodes would be of those of others: two nodes, and a running Phalanx.
fn start() -> Option<(TestCluster, Phalanx)> {
    let cluster = TestCluster::start()?;
    cluster.install_crds();
    cluster.fleet(&["--nodes", "2", "--no-hypernodes"]);
    cluster.namespace(SPACE);
    let phalanx = Phalanx::start(&cluster.kubeconfig, &["--leader-elect=false", "--leader-elect-name=told"]);
    Some((cluster, phalanx))
}

fn pod(name: &str, metadata: &str, scheduler: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: {SPACE}, {metadata}}}\n\
         spec: {{schedulerName: {scheduler}, containers: [{{name: c, image: i, resources: {{limits: {{nvidia.com/gpu: 99}}}}}}]}}\n"
    )
}

fn member(name: &str, group: &str, scheduler: &str) -> String {
    pod(name, &format!("annotations: {{scheduling.k8s.io/group-name: {group}}}"), scheduler)
}

fn group(name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: scheduling.volcano.sh/v1beta1\nkind: PodGroup\nmetadata: {{name: {name}, namespace: {SPACE}}}\n\
         spec: {{{spec}}}\n"
    )
}

fn serving(name: &str, scheduler: &str, field: &str) -> String {
    let template = format!("{{spec: {{{field}containers: [{{name: c, image: i}}]}}}}");
    format!(
        "---\napiVersion: workload.serving.volcano.sh/v1alpha1\nkind: ModelServing\nmetadata: {{name: {name}, namespace: {SPACE}}}\n\
         spec: {{schedulerName: {scheduler}, template: {{gangPolicy: {{}}, roles: [{{name: r, replicas: 2, workerReplicas: 0, entryTemplate: {template}}}]}}}}\n"
    )
}

/// Waits until an object has an event of this reason, whose message has this text.
fn has_event(cluster: &TestCluster, object: &str, reason: &str, text: &str) {
    let selector = format!("involvedObject.name={object},reason={reason}");
    let messages =
        ["get", "events", "-A", "--field-selector", &selector, "-o", "jsonpath={.items[*].message}"];
    cluster.wait_until(&messages, text, |said| said.contains(text));
}

/// Runs the binary with these credentials.
fn run(kubeconfig: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_phalanx"))
        .args(arguments)
        .env("KUBECONFIG", kubeconfig)
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn what_is_read_and_not_done_is_told_on_the_object_and_explained() {
    let Some((cluster, phalanx)) = start() else { return };
    cluster.create(&pod("marked", "labels: {pod-group.scheduling.sigs.k8s.io: cs}", "volcano"));
    cluster.create(
        "apiVersion: scheduling.volcano.sh/v1beta1\nkind: Queue\nmetadata: {name: linked}\n\
         spec: {weight: 1, extendClusters: [{name: other, weight: 1}]}\n",
    );
    has_event(
        &cluster,
        "marked",
        "GangMarkNotRead",
        "pod-group.scheduling.sigs.k8s.io: cs is a gang of scheduler-plugins",
    );
    has_event(&cluster, "linked", "QueueLimitNotEnforced", "spec.extendClusters is not read");

    cluster.create(
        &(group("misspelt", "minMember: 2")
            + &member("m-0", "misspelt", "volcanoo")
            + &member("m-1", "misspelt", "volcanoo")),
    );
    let told = "2 pods ask for scheduler volcanoo; this scheduler answers to volcano";
    has_event(&cluster, "misspelt", "Unschedulable", told);
    let condition = "jsonpath={.status.conditions[?(@.type=='Unschedulable')].reason}";
    cluster.wait_for(
        &["get", "podgroups.scheduling.volcano.sh", "misspelt", "-n", SPACE, "-o", condition],
        "OtherScheduler",
    );

    cluster
        .create(&(serving("wrong", "vocalno", "") + &serving("field", "volcano", "nodeselector: {a: b}, ")));
    has_event(&cluster, "wrong", "OtherScheduler", "2 pods ask for scheduler vocalno");
    cluster.wait_for(&["get", "modelserving", "wrong", "-n", SPACE, "-o", condition], "OtherScheduler");
    has_event(&cluster, "field", "UnknownField", "nodeselector: is not a field; did you mean nodeSelector?");

    let explain = |arguments: &[&str]| said(&run(&cluster.kubeconfig, &[&["explain"], arguments].concat()));
    let text = explain(&["pod", "marked", "-n", SPACE]);
    assert!(
        text.contains(
            "Asked for and not done:\n- Pod told/marked: metadata.labels: pod-group.scheduling.sigs.k8s.io"
        ),
        "{text}"
    );
    let text = explain(&["podgroup", "misspelt", "-n", SPACE]);
    assert!(text.contains("PodGroup told/misspelt waits: OtherScheduler") && text.contains(told), "{text}");
    let text = explain(&[]);
    let lines = ["marked", "misspelt", "GangMarkNotRead"].map(|word| text.contains(word));
    assert_eq!(lines, [true, true, false], "{text}");
    let json: serde_json::Value = serde_json::from_slice(
        &run(&cluster.kubeconfig, &["explain", "queue", "linked", "-o", "json"]).stdout,
    )
    .unwrap();
    assert_eq!(json["warnings"][0]["code"], "QueueLimitNotEnforced", "{json}");

    let log = phalanx.log();
    for line in [
        "Phalanx starts version=",
        "waits: OtherScheduler: 2 pods ask for scheduler volcanoo",
        "code=\"GangMarkNotRead\"",
    ] {
        assert!(log.contains(line), "{line} in\n{log}");
    }
}

/// Somebody who may read pods and PodGroups of the cluster and no more gets an answer, and is told what it lacks.
#[test]
fn who_may_read_little_is_told_what_could_not_be_read() {
    let Some((cluster, _phalanx)) = start() else { return };
    cluster.create(&(group("large", "minMember: 1") + &member("l-0", "large", "volcano")));
    has_event(&cluster, "large", "Unschedulable", "NotEnoughResources");
    cluster.get(["create", "serviceaccount", "reader", "-n", SPACE]);
    let resources = "--resource=pods,podgroups.scheduling.volcano.sh";
    cluster.get(["create", "clusterrole", "reader", "--verb=list,get", resources]);
    let account = format!("--serviceaccount={SPACE}:reader");
    cluster.get(["create", "clusterrolebinding", "reader", "--clusterrole=reader", &account]);
    let reader = cluster.as_service_account(SPACE, "reader");

    let explained = run(&reader, &["explain", "podgroup", "large", "-n", SPACE]);
    let text = said(&explained);
    assert!(explained.status.success(), "{text}");
    for part in [
        "PodGroup told/large waits",
        "Not read, so that what depends on it may be told wrongly:",
        "may not list nodes",
        "may not list queues",
        "what is promised is not known: ",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    let nobody = run(&cluster.as_service_account(SPACE, "default"), &["explain"]);
    assert!(
        !nobody.status.success() && said(&nobody).contains("nothing of the cluster may be read"),
        "{}",
        said(&nobody)
    );

    let file = cluster.kubeconfig.with_file_name("small.yaml");
    let small =
        (group("small", "minMember: 1") + &member("s-0", "small", "volcano")).replace("gpu: 99", "gpu: 1");
    std::fs::write(&file, small).unwrap();
    let file = file.to_str().unwrap();
    let whole = run(&cluster.kubeconfig, &["simulate", "--from-cluster", file, "--diff"]);
    let text = said(&whole);
    assert!(whole.status.success() && text.contains("1 pod placed, 0 moved, 0 evicted"), "{text}");
    assert!(text.lines().any(|line| line.starts_with("placed") && line.contains("s-0")), "{text}");
    let partly = run(&reader, &["simulate", "--from-cluster", file]);
    assert!(said(&partly).contains("note: may not list nodes"), "{}", said(&partly));
}

/// The files of `shared/cases/reported` that need a cluster, with what their heads call right.
#[test]
fn reported_model_servings_that_cannot_run_say_so_on_themselves() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/cases/reported");
    if !folder.is_dir() {
        return;
    }
    let Some((cluster, _phalanx)) = start() else { return };
    for (file, object, reason, part) in [
        ("live-min-role-replicas-above-replicas", "gtb", "InvalidSpec", "cannot exceed replicas (2)"),
        ("live-refused-pod-name-contains-test", "test-bv", "FailedCreate", "volumeMounts[0].name"),
    ] {
        cluster.create(&std::fs::read_to_string(folder.join(format!("{file}.yaml"))).unwrap());
        has_event(&cluster, object, reason, part);
        let messages = "jsonpath={.status.conditions[?(@.status=='True')].message}";
        cluster
            .wait_until(&["get", "modelserving", object, "-o", messages], part, |said| said.contains(part));
    }
    let pods = cluster.get(["get", "pods", "-n", "default", "-o", "name"]);
    assert!(!pods.contains("gtb-"), "nothing of an object that is not carried out is made:\n{pods}");
}
