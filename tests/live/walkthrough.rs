//! The walkthrough that users hold in their hands, every command of it, with the real kubectl and helm: install, apply the
//! ModelServing, look at it, reach it, delete it, uninstall. The page installs a scheduler and a controller from two
//! charts of the internet; Phalanx's own stands in for both, each release with its half. The binary runs as their
//! Deployments run it, with the rights of their service accounts and no others, so that a right that is missing there
//! fails here.

use crate::cluster::{TestCluster, skipped};
use crate::phalanx::Phalanx;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Stdio;

const MANIFEST: &str = include_str!("../../src/modelserving/tests/llama-multinode.yaml");
const SELECTOR: &str = "modelserving.volcano.sh/name=llama-multinode";
const PODS: [&str; 4] = [
    "llama-multinode-0-405b-0-0",
    "llama-multinode-0-405b-0-1",
    "llama-multinode-0-405b-1-0",
    "llama-multinode-0-405b-1-1",
];

#[test]
fn the_walkthrough_works_as_written() {
    let Some(cluster) = TestCluster::start() else { return };
    if !cluster.binaries.join("helm").exists() {
        return skipped("the walkthrough: tests/cluster/binaries --helm builds what it needs");
    }
    cluster.fleet(&["--nodes", "8", "--per-rack", "4", "--no-hypernodes"]);
    let bare = everything(&cluster);

    // 1.1 and 1.2, without the repository of charts that the page adds
    let installed =
        install(&cluster, "helm install volcano volcano-sh/volcano -n volcano-system --create-namespace");
    assert!(installed.contains("STATUS: deployed"), "{installed}");
    let installed = install(
        &cluster,
        "helm install kthena oci://ghcr.io/volcano-sh/charts/kthena --version v0.1.0 --namespace kthena-system --create-namespace",
    );
    assert!(installed.contains("STATUS: deployed"), "{installed}");
    let crds = cluster.shell("kubectl get crd | grep modelserving");
    assert!(crds.starts_with("modelservings.workload.serving.volcano.sh "), "{crds}");
    cluster.kinds_are_served();
    cluster.feed(["create", "-f", "-"], &hyper_nodes());

    // 3.1 and 3.2
    let secret = ["create", "secret", "generic", "hf-token", "-n", "default"];
    cluster.get(secret.iter().copied().chain(["--from-literal=HUGGING_FACE_HUB_TOKEN=<your-token>"]));
    let applied = cluster.feed(["apply", "-f", "-"], MANIFEST);
    assert_eq!(applied, "modelserving.workload.serving.volcano.sh/llama-multinode created\n");

    // Without a scheduler first, so that the time before the pods run can be looked at.
    let controller = Phalanx::of_deployment(&cluster, "kthena-system", "kthena-phalanx", &[]);
    let progress =
        "jsonpath={.status.replicas} {range .status.conditions[*]}{.type}={.status} {.message};{end}";
    let progress = ["get", "modelserving", "llama-multinode", "-n", "default", "-o", progress];
    cluster.wait_for(&progress, "1 Progressing=True Some groups is progressing: [0];");
    let waiting = [
        "get",
        "pods",
        "-l",
        SELECTOR,
        "-o",
        "jsonpath={range .items[*]}{.status.phase}{.spec.nodeName} {end}",
    ];
    cluster.wait_for(&waiting, "Pending Pending Pending Pending ");
    let scheduler = Phalanx::of_deployment(&cluster, "volcano-system", "volcano-phalanx", &[]);
    let available = "jsonpath={.status.conditions[?(@.type=='Available')].status}";
    cluster.wait_for(&["get", "modelserving", "llama-multinode", "-n", "default", "-o", available], "True");

    // 4.1
    let status = cluster.shell("kubectl get modelserving -oyaml | grep status -A 10");
    for line in [
        "    availableReplicas: 1\n",
        "    conditions:\n",
        "      message: All Serving groups are ready\n",
        "      reason: AllGroupsReady\n      status: \"True\"\n      type: Available\n",
        "      status: \"False\"\n      type: Progressing\n",
        "    currentReplicas: 1\n",
        "    replicas: 1\n",
        "    updatedReplicas: 1\n",
    ] {
        assert!(status.contains(line), "{line:?} in\n{status}");
    }

    // 4.2
    let table = cluster.get(["get", "pod", "-owide", "-l", SELECTOR]);
    let rows: Vec<Vec<&str>> = table.lines().skip(1).map(|row| row.split_whitespace().collect()).collect();
    assert_eq!(rows.iter().map(|row| row[0]).collect::<Vec<_>>(), PODS, "{table}");
    for row in &rows {
        assert_eq!(row[1..4], ["1/1", "Running", "0"], "{table}");
        assert!(row[5].starts_with("10.244."), "{table}");
    }
    let nodes: BTreeSet<&str> = rows.iter().map(|row| row[6]).collect();
    assert_eq!(nodes.len(), 4, "eight GPUs each, so a node a pod\n{table}");
    let racks: BTreeSet<bool> = nodes.iter().map(|node| *node < "node-00004").collect();
    assert_eq!(racks.len(), 1, "one rack has room for all\n{table}");

    objects_are_as_documented(&cluster);
    the_leaders_answer(&cluster);

    for source in ["phalanx", "modelserving-controller"] {
        let selector = format!("type=Warning,source={source}");
        let warnings =
            ["get", "events", "-A", "--field-selector", &selector, "-o", "jsonpath={.items[*].message}"];
        assert_eq!(cluster.get(warnings), "", "nothing to warn of");
    }

    let explained = std::process::Command::new(env!("CARGO_BIN_EXE_phalanx"))
        .args(["explain", "modelserving", "llama-multinode", "--kubeconfig"])
        .arg(&cluster.kubeconfig)
        .output()
        .unwrap();
    let explained = crate::cluster::succeed(explained);
    for line in ["PodGroup default/llama-multinode-0 is placed", "1 1 1", "Available True AllGroupsReady"] {
        let squeezed = explained.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(squeezed.contains(line), "{line} in\n{explained}");
    }
    println!("{explained}");

    // 7, with what the page created by hand
    let deleted = cluster.get(["delete", "modelserving", "llama-multinode", "-n", "default"]);
    assert!(deleted.contains("\"llama-multinode\" deleted"), "{deleted}");
    cluster.get(["delete", "service/llama-multinode-openai", "secret/hf-token"]);
    // the collector looks for kinds that are new to it every 30 seconds, and may need two looks
    let left =
        ["get", "pods,podgroups.scheduling.volcano.sh,controllerrevisions,modelservings", "-A", "-o", "name"];
    let deployed = |line: &str| line.contains("-phalanx-");
    cluster.wait_until(&left, "only Phalanx's own pods", |left| left.lines().all(deployed));
    cluster.wait_for(&["get", "services", "-n", "default", "-o", "name"], "service/kubernetes\n");

    for phalanx in [controller, scheduler] {
        let log = phalanx.log();
        assert!(!log.to_lowercase().contains("forbidden"), "a right is missing\n{log}");
        assert!(!log.contains("WARN") && !log.contains("ERROR"), "nothing to warn of\n{log}");
    }

    cluster.shell("helm uninstall kthena -n kthena-system");
    cluster.shell("helm uninstall volcano -n volcano-system");
    cluster.get(["delete", "hypernodes", "--all"]);
    only_definitions_are_left(&cluster, &bare);
}

/// Installs as the page says, with the chart of this project in the place of those of the page.
fn install(cluster: &TestCluster, command: &str) -> String {
    let chart = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/chart/phalanx");
    let ours = |controllers: &str| format!("{chart} --set controllers={controllers}");
    let command = command.replace("volcano-sh/volcano ", &(ours("scheduler") + " "));
    cluster.shell(&command.replace("oci://ghcr.io/volcano-sh/charts/kthena", &ours("modelserving")))
}

/// All objects of all kinds, as `kind/name` with their namespaces.
fn everything(cluster: &TestCluster) -> BTreeSet<String> {
    let kinds = cluster.get(["api-resources", "--verbs=list,delete", "-o", "name"]);
    let kinds: Vec<&str> = kinds.lines().filter(|kind| !kind.starts_with("events")).collect();
    let each = r#"jsonpath={range .items[*]}{.kind}/{.metadata.namespace}/{.metadata.name}{"\n"}{end}"#;
    let list = cluster.get(["get", &kinds.join(","), "-A", "--ignore-not-found", "-o", each]);
    list.lines().map(str::to_owned).collect()
}

/// What the releases leave: definitions, which helm never removes; namespaces, which nobody asked it to remove, with what
/// Kubernetes puts into each; the leases that the binaries held; and the scheduler's journal.
fn only_definitions_are_left(cluster: &TestCluster, bare: &BTreeSet<String>) {
    let of_any_namespace =
        ["ServiceAccount/{}/default", "ConfigMap/{}/kube-root-ca.crt", "Namespace//{}", "Lease/{}/phalanx"];
    let mut expect: BTreeSet<String> = ["volcano-system", "kthena-system"]
        .iter()
        .flat_map(|namespace| of_any_namespace.map(|object| object.replace("{}", namespace)))
        .collect();
    expect.insert("ConfigMap/volcano-system/phalanx-journal-0".to_owned());
    let names = [
        "podgroups.scheduling.volcano.sh",
        "queues.scheduling.volcano.sh",
        "hypernodes.topology.volcano.sh",
        "modelservings.workload.serving.volcano.sh",
    ];
    expect.extend(names.map(|name| format!("CustomResourceDefinition//{name}")));
    // The scheduler makes these two where they are absent, as Volcano's does.
    expect.extend(["root", "default"].map(|name| format!("Queue//{name}")));
    let started = std::time::Instant::now();
    loop {
        let now = everything(cluster);
        let left: BTreeSet<String> =
            now.difference(bare).filter(|object| !object.starts_with("APIService/")).cloned().collect();
        if left == expect {
            return;
        }
        assert!(started.elapsed().as_secs() < 120, "{:#?}", left.symmetric_difference(&expect));
        std::thread::sleep(std::time::Duration::from_secs(1));
    }
}

/// What comes after the page, with the same rights: a pod is lost, replicas come and go, the image changes.
#[test]
fn the_deployed_rights_suffice_for_the_days_after() {
    let Some(cluster) = TestCluster::start() else { return };
    cluster.fleet(&["--nodes", "8", "--no-hypernodes"]);
    let phalanx = Phalanx::deployed(&cluster, &[]);
    cluster.get(["create", "secret", "generic", "hf-token", "--from-literal=HUGGING_FACE_HUB_TOKEN=x"]);
    cluster.feed(["apply", "-f", "-"], MANIFEST);
    let status = "jsonpath={.status.replicas} {.status.availableReplicas} {.status.updatedReplicas} {.status.conditions[?(@.type=='Available')].status}";
    let status = ["get", "modelserving", "llama-multinode", "-o", status];
    cluster.wait_for(&status, "1 1 1 True");

    let uids = [
        "get",
        "pod",
        "-l",
        SELECTOR,
        "-o",
        "jsonpath={range .items[*]}{.metadata.name} {.metadata.uid} {.status.phase};{end}",
    ];
    let before = cluster.get(uids);
    cluster.get(["delete", "pod", PODS[3]]);
    let survivors = |now: &str| before.split_inclusive(';').filter(|row| now.contains(row)).count();
    cluster.wait_until(&uids, "the role replica of the lost pod is made anew, the other stays", |now| {
        now.matches(" Running;").count() == 4 && survivors(now) == 2
    });
    cluster.wait_for(&status, "1 1 1 True");

    cluster.get(["scale", "modelserving", "llama-multinode", "--replicas=2"]);
    cluster.wait_for(&status, "2 2 2 True");
    let image = r#"[{"op":"replace","path":"/spec/template/roles/0/entryTemplate/spec/containers/0/image","value":"vllm/vllm-openai:v2"}]"#;
    cluster.get(["patch", "modelserving", "llama-multinode", "--type=json", "-p", image]);
    let images = [
        "get",
        "pod",
        "-l",
        "modelserving.volcano.sh/entry=true",
        "-o",
        "jsonpath={.items[*].spec.containers[0].image} {.items[*].status.phase}",
    ];
    let new = ["vllm/vllm-openai:v2"; 4].join(" ") + " Running Running Running Running";
    cluster.wait_for(&images, &new);
    cluster.wait_for(&status, "2 2 2 True");
    cluster.get(["scale", "modelserving", "llama-multinode", "--replicas=1"]);
    cluster.wait_for(&status, "1 1 1 True");
    let groups = ["get", "podgroups.scheduling.volcano.sh", "-o", "jsonpath={.items[*].metadata.name}"];
    cluster.wait_for(&groups, "llama-multinode-0");
    cluster.get(["delete", "podgroups.scheduling.volcano.sh", "llama-multinode-0"]);
    let group = [
        "get",
        "podgroups.scheduling.volcano.sh",
        "-o",
        "jsonpath={.items[*].metadata.name} {.items[*].status.phase}",
    ];
    cluster.wait_for(&group, "llama-multinode-0 Running");

    let log = phalanx.log();
    assert!(!log.to_lowercase().contains("forbidden"), "a right is missing\n{log}");
}

/// Labels, environment and PodGroup, as specs of the controller have them.
fn objects_are_as_documented(cluster: &TestCluster) {
    let get = |kind: &str, name: &str| -> serde_json::Value {
        serde_json::from_str(&cluster.get(["get", kind, name, "-n", "default", "-o", "json"])).unwrap()
    };
    for name in PODS {
        let pod = get("pod", name);
        let [replica, ordinal] = [&name[23..24], &name[25..26]];
        let mut labels = pod["metadata"]["labels"].clone();
        let revision = labels["modelserving.volcano.sh/revision"].take();
        labels["modelserving.volcano.sh/role-template-hash"].take();
        let mut expect = serde_json::json!({
            "modelserving.volcano.sh/name": "llama-multinode",
            "modelserving.volcano.sh/group-name": "llama-multinode-0",
            "modelserving.volcano.sh/role": "405b",
            "modelserving.volcano.sh/role-id": format!("405b-{replica}"),
            "modelserving.volcano.sh/revision": null,
            "modelserving.volcano.sh/role-template-hash": null,
        });
        if ordinal == "0" {
            expect["modelserving.volcano.sh/entry"] = "true".into();
        }
        assert_eq!(labels, expect, "{name}");
        assert_eq!(revision, get("modelserving", "llama-multinode")["status"]["currentRevision"]);
        let annotations = &pod["metadata"]["annotations"];
        assert_eq!(annotations["scheduling.k8s.io/group-name"], "llama-multinode-0");
        assert_eq!(annotations["volcano.sh/task-spec"], format!("405b-{replica}"));
        let env = pod["spec"]["containers"][0]["env"].as_array().unwrap();
        let value = |name: &str| env.iter().find(|env| env["name"] == name).unwrap()["value"].clone();
        assert_eq!(value("GROUP_SIZE"), "2");
        assert_eq!(value("ENTRY_ADDRESS"), format!("llama-multinode-0-405b-{replica}-0.default"));
        assert_eq!(value("WORKER_INDEX"), ordinal);
        assert_eq!(pod["metadata"]["ownerReferences"][0]["kind"], "ModelServing");
        assert_eq!(pod["spec"]["schedulerName"], "volcano");
    }
    let group = get("podgroups.scheduling.volcano.sh", "llama-multinode-0");
    assert_eq!(
        group["spec"],
        serde_json::json!({
            "minMember": 2,
            "queue": "default",
            "minResources": {
                "cpu": "250", "memory": "2248Gi", "ephemeral-storage": "1600Gi", "nvidia.com/gpu": "16",
            },
            "subGroupPolicy": [{
                "name": "405b", "subGroupSize": 2, "minSubGroups": 1,
                "labelSelector": { "matchLabels": {
                    "modelserving.volcano.sh/name": "llama-multinode", "modelserving.volcano.sh/role": "405b",
                }},
                "matchLabelKeys": ["modelserving.volcano.sh/role-id"],
            }],
        })
    );
    let status = "jsonpath={.status.phase} {.status.running} {range .status.conditions[*]}{.type}={.status} {.reason};{end}";
    let status = ["get", "podgroups.scheduling.volcano.sh", "llama-multinode-0", "-o", status];
    cluster.wait_for(&status, "Running 4 Scheduled=True tasks in gang are ready to be scheduled;");
    // each role replica has a name of its own, for its leader
    let services = [
        "get",
        "services",
        "-n",
        "default",
        "-o",
        "jsonpath={range .items[*]}{.metadata.name}={.spec.clusterIP} {end}",
    ];
    let services = cluster.get(services);
    for service in ["llama-multinode-0-405b-0-0=None ", "llama-multinode-0-405b-1-0=None "] {
        assert!(services.contains(service), "{service} in {services}");
    }
}

/// Section 6: the Service finds the two leaders, and what comes through a port-forward is an answer.
fn the_leaders_answer(cluster: &TestCluster) {
    cluster.create(include_str!("../../deploy/examples/llama-multinode-service.yaml"));
    let targets = "jsonpath={.subsets[0].addresses[*].targetRef.name}";
    let endpoints = ["get", "endpoints", "llama-multinode-openai", "-o", targets];
    let leaders = BTreeSet::from([PODS[0], PODS[2]]);
    // in the order of their addresses, which is the order in which the kubelets happened to start them
    cluster.wait_until(&endpoints, "the two leaders", |names| {
        names.split(' ').collect::<BTreeSet<_>>() == leaders
    });

    let mut forward = cluster
        .kubectl([
            "port-forward",
            "svc/llama-multinode-openai",
            ":80",
            "-n",
            "default",
            "--address",
            "127.0.0.1",
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let mut output = BufReader::new(forward.stdout.take().unwrap());
    output.read_line(&mut said).unwrap();
    let port = said.strip_prefix("Forwarding from 127.0.0.1:").and_then(|rest| rest.split(' ').next());
    let port: u16 = port.unwrap_or_else(|| panic!("{said}")).parse().unwrap();
    let ask = |request: String| {
        let mut connection = TcpStream::connect(("127.0.0.1", port)).unwrap();
        connection.write_all(request.as_bytes()).unwrap();
        connection.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
        let mut answer = String::new();
        // the forwarded connection stays open
        while !answer.ends_with('}') {
            let mut bytes = [0; 4096];
            let count = connection.read(&mut bytes).unwrap();
            assert!(count > 0, "{answer}");
            answer.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
        }
        answer
    };
    let models = ask("GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned());
    assert!(models.starts_with("HTTP/1.1 200 OK") && models.contains("\"object\":\"list\""), "{models}");
    let body = r#"{ "model": "meta-llama/Llama-3.1-405B-Instruct", "prompt": "Once upon a time,", "max_tokens": 10 }"#;
    let completion = ask(format!(
        "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    assert!(completion.contains("\"object\":\"text_completion\""), "{completion}");
    forward.kill().unwrap();
    forward.wait().unwrap();
}

/// Two racks of four nodes under one spine.
fn hyper_nodes() -> String {
    let rack = |name: &str, nodes: std::ops::Range<u32>| {
        let members: Vec<String> = nodes
            .map(|node| format!("{{type: Node, selector: {{exactMatch: {{name: node-{node:05}}}}}}}"))
            .collect();
        format!(
            "---\napiVersion: topology.volcano.sh/v1alpha1\nkind: HyperNode\nmetadata: {{name: {name}}}\nspec: {{tier: 1, members: [{}]}}\n",
            members.join(", ")
        )
    };
    format!("{}{}", rack("rack-0", 0..4), rack("rack-1", 4..8))
}
