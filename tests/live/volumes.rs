//! Claims on a real API server, with its own controller that binds volumes: a pod goes where its volume is, a claim that
//! waits for its first consumer learns the node and is waited for, and what cannot be used holds the pod back.

use crate::cluster::TestCluster;
use crate::phalanx::{Phalanx, simulate};

fn pod(name: &str, claim: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: volumes}}\nspec:\n  schedulerName: volcano\n  containers: [{{name: main, image: none}}]\n  \
         volumes: [{{name: data, persistentVolumeClaim: {{claimName: {claim}}}}}]\n"
    )
}

fn claim(name: &str, class: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: {name}, namespace: volumes}}\n\
         spec: {{storageClassName: {class}, accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 1Gi}}}}}}\n"
    )
}

/// A volume for a claim, reached from these nodes only.
fn volume(claim: &str, class: &str, nodes: &[&str]) -> String {
    let nodes = nodes.join(", ");
    format!(
        "---\napiVersion: v1\nkind: PersistentVolume\nmetadata: {{name: of-{claim}}}\nspec:\n  storageClassName: {class}\n  capacity: {{storage: 1Gi}}\n  accessModes: [ReadWriteOnce]\n  \
         claimRef: {{namespace: volumes, name: {claim}}}\n  local: {{path: /data}}\n  nodeAffinity: {{required: {{nodeSelectorTerms: [{{matchExpressions: [{{key: kubernetes.io/hostname, operator: In, values: [{nodes}]}}]}}]}}}}\n"
    )
}

#[test]
fn the_simulator_follows_volumes_too() {
    let mut yaml = String::new();
    for node in 0..4 {
        yaml.push_str(&format!(
            "---\napiVersion: v1\nkind: Node\nmetadata: {{name: node-0000{node}, labels: {{kubernetes.io/hostname: node-0000{node}}}}}\nstatus: {{allocatable: {{pods: 110}}}}\n"
        ));
    }
    yaml.push_str(&pod("missing", "missing"));
    yaml.push_str(&(volume("bound", "none", &["node-00003"]) + &pod("bound", "bound")));
    yaml.push_str(
        "---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: bound, namespace: volumes}\n\
         spec: {storageClassName: none, volumeName: of-bound, accessModes: [ReadWriteOnce]}\n",
    );
    let report = simulate(&yaml);
    let pods = report["pods"].as_array().unwrap();
    assert_eq!((&pods[0]["name"], &pods[0]["node"]), (&"bound".into(), &"node-00003".into()));
    assert_eq!(pods[1]["node"], serde_json::Value::Null);
    let message = pods[1]["message"].as_str().unwrap();
    assert!(message.starts_with("PersistentVolumeClaim missing: does not exist"), "{message}");
}

#[test]
fn pods_go_where_their_volumes_are() {
    let Some(cluster) = TestCluster::start() else { return };
    cluster.fleet(&["--nodes", "4", "--no-hypernodes"]);
    let phalanx = Phalanx::deployed(&cluster, &[]);
    cluster.namespace("volumes");
    cluster.create(
        "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: at-once}\nprovisioner: volumes.test/none\n---\n\
         apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: on-demand}\nprovisioner: volumes.test/none\nvolumeBindingMode: WaitForFirstConsumer\n\
         allowedTopologies: [{matchLabelExpressions: [{key: kubernetes.io/hostname, values: [node-00002]}]}]\n",
    );
    let node = |pod: &str| {
        ["get", "pod", pod, "-n", "volumes", "-o", "jsonpath={.spec.nodeName} {.status.phase}"]
            .map(str::to_owned)
    };
    let said = |pod: &str| {
        [
            "get",
            "pod",
            pod,
            "-n",
            "volumes",
            "-o",
            "jsonpath={.status.conditions[?(@.type=='PodScheduled')].message}",
        ]
        .map(str::to_owned)
    };

    // Missing first, then there, then bound to a volume on one node.
    cluster.create(&pod("early", "early"));
    cluster.wait_until(&said("early"), "it is missed", |text| {
        text.contains("PersistentVolumeClaim early: does not exist")
    });
    cluster.create(&claim("early", "at-once"));
    cluster.create(&volume("early", "at-once", &["node-00003"]));
    cluster.wait_for(&node("early"), "node-00003 Running");

    // Nobody makes a volume for it: the pod waits, and says so.
    cluster.create(&(claim("never", "at-once") + &pod("never", "never")));
    cluster.wait_until(&said("never"), "it is not bound", |text| {
        text.contains("PersistentVolumeClaim never: is not bound yet")
    });

    // The node comes first, then the volume, then the bind.
    cluster.create(&(claim("later", "on-demand") + &pod("later", "later")));
    let chosen = "jsonpath={.metadata.annotations.volume\\.kubernetes\\.io/selected-node}";
    cluster.wait_for(&["get", "pvc", "later", "-n", "volumes", "-o", chosen], "node-00002");
    std::thread::sleep(std::time::Duration::from_secs(1));
    assert_eq!(cluster.get(node("later")), " Pending", "not before its claim is bound");
    let nominated = ["get", "pod", "later", "-n", "volumes", "-o", "jsonpath={.status.nominatedNodeName}"];
    cluster.wait_for(&nominated, "node-00002");
    cluster.create(&volume("later", "on-demand", &["node-00002"]));
    cluster.wait_for(&node("later"), "node-00002 Running");
    assert_eq!(cluster.get(nominated), "");

    assert_eq!(cluster.get(node("never")), " Pending");
    let log = phalanx.log();
    assert!(!log.to_lowercase().contains("forbidden"), "{log}");
}

/// A gang that shares one claim: placed together, the first of it names its node, and when the volume is there and one of the
/// promised nodes does not reach it, all are bound where it is reached.
#[test]
fn a_gang_shares_a_claim_that_waits() {
    let Some(cluster) = TestCluster::start() else { return };
    cluster.fleet(&["--nodes", "4", "--no-hypernodes"]);
    let phalanx = Phalanx::deployed(&cluster, &[]);
    cluster.namespace("volumes");
    let members = ["llm-0", "llm-1", "llm-2"];
    let member = |name: &str| {
        let whole = "containers: [{name: main, image: none, resources: {limits: {nvidia.com/gpu: 8}}}]";
        let joins =
            format!("{{name: {name}, namespace: volumes, annotations: {{scheduling.k8s.io/group-name: llm}}");
        pod(name, "weights")
            .replace("containers: [{name: main, image: none}]", whole)
            .replace(&format!("{{name: {name}, namespace: volumes"), &joins)
    };
    let gang = "---\napiVersion: scheduling.volcano.sh/v1beta1\nkind: PodGroup\nmetadata: {name: llm, namespace: volumes}\nspec: {minMember: 3}\n";
    let class = "---\napiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: on-demand}\nprovisioner: volumes.test/none\nvolumeBindingMode: WaitForFirstConsumer\n";
    cluster.create(&(class.to_owned() + &claim("weights", "on-demand") + gang));
    cluster.create(&members.map(member).concat());
    let get = |of: &str, path: &str| {
        let (kind, name) = of.split_once('/').expect("kind/name");
        let path = format!("jsonpath={path}");
        ["get", kind, name, "-n", "volumes", "-o", &path].map(str::to_owned)
    };
    let nominated = |pod: &str| get(&format!("pod/{pod}"), "{.status.nominatedNodeName}");
    for member in members {
        cluster.wait_until(&nominated(member), "it shows its node", |text| text.starts_with("node-"));
    }
    let promised = members.map(|member| cluster.get(nominated(member)));
    let chosen =
        cluster.get(get("pvc/weights", "{.metadata.annotations.volume\\.kubernetes\\.io/selected-node}"));
    assert_eq!(chosen, promised[0], "the first names its node");

    // All but the node of the second.
    let all = ["node-00000", "node-00001", "node-00002", "node-00003"];
    let reached: Vec<&str> = all.into_iter().filter(|node| *node != promised[1]).collect();
    cluster.create(&volume("weights", "on-demand", &reached));
    let at = |pod: &str| get(&format!("pod/{pod}"), "{.spec.nodeName} {.status.phase}");
    let mut nodes: Vec<String> = members
        .iter()
        .map(|member| {
            cluster.wait_until(&at(member), "it runs", |text| text.ends_with(" Running"));
            cluster.get(at(member)).replace(" Running", "")
        })
        .collect();
    nodes.sort();
    assert_eq!(nodes, reached, "each on a node of its own from which the volume is reached");
    let log = phalanx.log();
    assert!(!log.to_lowercase().contains("forbidden"), "{log}");
}

/// Nodes take as many volumes of a CSI driver as their CSINodes say.
#[test]
fn nodes_take_so_many_volumes() {
    let Some(cluster) = TestCluster::start() else { return };
    cluster.fleet(&["--nodes", "4", "--no-hypernodes"]);
    let limit = |node: &str, count: u32| {
        format!(
            "---\napiVersion: storage.k8s.io/v1\nkind: CSINode\nmetadata: {{name: {node}}}\nspec: {{drivers: [{{name: csi.test, nodeID: {node}, topologyKeys: [], allocatable: {{count: {count}}}}}]}}\n"
        )
    };
    cluster.create(&(limit("node-00000", 0) + &limit("node-00001", 0) + &limit("node-00002", 0)));
    cluster.create(&limit("node-00003", 1));
    let phalanx = Phalanx::deployed(&cluster, &[]);
    cluster.namespace("volumes");
    let attached = |name: &str| {
        let local = "local: {path: /data}";
        let of = volume(name, "at-once", &[]);
        let (before, _) = of.split_once(local).expect("it says so");
        format!("{before}csi: {{driver: csi.test, volumeHandle: {name}}}\n")
    };
    let class = "---\napiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: at-once}\nprovisioner: csi.test\n";
    cluster.create(&(class.to_owned() + &attached("one") + &attached("two")));
    cluster.create(&(claim("one", "at-once") + &claim("two", "at-once")));
    for claim in ["one", "two"] {
        cluster.wait_for(&["get", "pvc", claim, "-n", "volumes", "-o", "jsonpath={.status.phase}"], "Bound");
    }
    cluster.create(&pod("one", "one"));
    let at = |pod: &str| {
        let path = "jsonpath={.spec.nodeName} {.status.phase}";
        ["get", "pod", pod, "-n", "volumes", "-o", path].map(str::to_owned)
    };
    cluster.wait_for(&at("one"), "node-00003 Running");
    cluster.create(&pod("two", "two"));
    let path = "jsonpath={.status.conditions[?(@.type=='PodScheduled')].message}";
    cluster.wait_until(&["get", "pod", "two", "-n", "volumes", "-o", path], "it says why", |text| {
        text.contains("4 exceed max volume count (csi.test)")
    });
    cluster.kubectl(["delete", "csinode", "node-00001"]).status().expect("kubectl runs");
    cluster.wait_for(&at("two"), "node-00001 Running");
    let log = phalanx.log();
    assert!(!log.to_lowercase().contains("forbidden"), "{log}");
}

/// Local disks without a provisioner: a gang waits while one member finds none, then each gets one of its own, the smallest
/// that fits, and the control plane binds what was chosen.
#[test]
fn a_gang_takes_local_volumes() {
    let Some(cluster) = TestCluster::start() else { return };
    cluster.fleet(&["--nodes", "4", "--no-hypernodes"]);
    let phalanx = Phalanx::deployed(&cluster, &[]);
    cluster.namespace("volumes");
    let free = |name: &str, size: &str, node: &str| {
        volume(name, "local", &[node])
            .replace(&format!("  claimRef: {{namespace: volumes, name: {name}}}\n"), "")
            .replace("capacity: {storage: 1Gi}", &format!("capacity: {{storage: {size}}}"))
    };
    let member = |name: &str, claim: &str| {
        let joins =
            format!("{{name: {name}, namespace: volumes, annotations: {{scheduling.k8s.io/group-name: db}}");
        pod(name, claim).replace(&format!("{{name: {name}, namespace: volumes"), &joins)
    };
    let gang = "---\napiVersion: scheduling.volcano.sh/v1beta1\nkind: PodGroup\nmetadata: {name: db, namespace: volumes}\nspec: {minMember: 2}\n";
    let class = "---\napiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: local}\nprovisioner: kubernetes.io/no-provisioner\nvolumeBindingMode: WaitForFirstConsumer\n";
    cluster.create(
        &(class.to_owned() + &free("right", "1Gi", "node-00001") + &free("small", "1Mi", "node-00000")),
    );
    cluster.create(
        &(claim("a", "local") + &claim("b", "local") + gang + &member("db-0", "a") + &member("db-1", "b")),
    );
    let said = [
        "get",
        "podgroup.scheduling.volcano.sh",
        "db",
        "-n",
        "volumes",
        "-o",
        "jsonpath={.status.conditions[*].message}",
    ];
    cluster.wait_until(&said, "one volume is missing", |text| {
        text.contains("short of free volumes of class local, 1Gi or more")
    });
    let at = |pod: &str| {
        ["get", "pod", pod, "-n", "volumes", "-o", "jsonpath={.spec.nodeName} {.status.phase}"]
            .map(str::to_owned)
    };
    assert_eq!(cluster.get(at("db-0")), " Pending", "all or none");
    // The smaller first: the gang is placed as soon as there is any second volume.
    cluster.create(&(free("other", "2Gi", "node-00003") + &free("large", "8Gi", "node-00003")));
    let bound = ["get", "pvc", "-n", "volumes", "-o", "jsonpath={.items[*].spec.volumeName}"];
    cluster.wait_until(&bound, "both are bound", |text| {
        let mut names: Vec<&str> = text.split(' ').collect();
        names.sort_unstable();
        names == ["of-other", "of-right"] || names == ["of-large", "of-other"]
    });
    for pod in ["db-0", "db-1"] {
        cluster.wait_until(&at(pod), "it runs", |text| text.ends_with(" Running"));
    }
    let log = phalanx.log();
    assert!(!log.to_lowercase().contains("forbidden"), "{log}");
}
