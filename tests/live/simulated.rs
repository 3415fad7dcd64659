//! What the other live tests take for granted of the simulated cluster: bound pods run, fail and go as their
//! annotations say, owners take their children with them, and headless Services find their pods.

use crate::cluster::TestCluster;

/// Binds a pod as a scheduler does.
fn bind(cluster: &TestCluster, namespace: &str, pod: &str, node: &str) {
    let binding = format!(
        r#"{{"apiVersion":"v1","kind":"Binding","metadata":{{"name":"{pod}","namespace":"{namespace}"}},"target":{{"apiVersion":"v1","kind":"Node","name":"{node}"}}}}"#
    );
    let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}/binding");
    cluster.feed(["create", "--raw", &path, "-f", "-"], &binding);
}

fn pod(name: &str, annotations: &str, owner: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\n  namespace: simulated\n  labels: {{app: simulated}}\n  annotations: {{{annotations}}}\n{owner}\
         spec:\n  schedulerName: volcano\n  containers:\n  - {{name: main, image: none, resources: {{limits: {{nvidia.com/gpu: 8}}}}}}\n"
    )
}

#[test]
fn bound_pods_run_fail_and_go() {
    let Some(cluster) = TestCluster::shared() else { return };
    cluster.fleet(&["--nodes", "3", "--prefix", "simulated-", "--no-hypernodes"]);
    cluster.namespace("simulated");
    cluster.create(
        "apiVersion: v1\nkind: Service\nmetadata: {name: headless, namespace: simulated}\nspec: {clusterIP: None, selector: {app: simulated}}\n---\n\
         apiVersion: v1\nkind: ConfigMap\nmetadata: {name: owner, namespace: simulated}\n",
    );
    let uid = cluster.get(["get", "configmap", "owner", "-n", "simulated", "-o", "jsonpath={.metadata.uid}"]);
    let owner =
        format!("  ownerReferences: [{{apiVersion: v1, kind: ConfigMap, name: owner, uid: {uid}}}]\n");
    cluster.create(&pod("runs", "", &owner));
    cluster.create(&pod("fails", "kubelet.test/fail: \"true\"", ""));
    cluster.create(&pod("waits", "kubelet.test/startup: 1h", ""));
    for (name, node) in [
        ("runs", "simulated-node-00000"),
        ("fails", "simulated-node-00001"),
        ("waits", "simulated-node-00002"),
    ] {
        bind(cluster, "simulated", name, node);
    }

    let phases = [
        "get",
        "pods",
        "-n",
        "simulated",
        "-o",
        "jsonpath={range .items[*]}{.metadata.name}={.status.phase} {end}",
    ];
    cluster.wait_for(&phases, "fails=Failed runs=Running waits=Pending ");
    let ready = "jsonpath={.status.conditions[?(@.type=='Ready')].status} {.status.conditions[?(@.type=='PodScheduled')].status} {.status.containerStatuses[0].restartCount}";
    let ready = ["get", "pod", "runs", "-n", "simulated", "-o", ready];
    cluster.wait_for(&ready, "True True 0");
    let addresses = [
        "get",
        "endpoints",
        "headless",
        "-n",
        "simulated",
        "-o",
        "jsonpath={.subsets[*].addresses[*].targetRef.name}",
    ];
    cluster.wait_for(&addresses, "runs");

    cluster.get([
        "annotate",
        "pod",
        "runs",
        "-n",
        "simulated",
        "kubelet.test/ready=false",
        "kubelet.test/restarts=2",
    ]);
    cluster.wait_for(&ready, "False True 2");
    cluster.wait_for(&addresses, "");
    cluster.get(["annotate", "pod", "runs", "-n", "simulated", "kubelet.test/ready=true", "--overwrite"]);
    cluster.wait_for(&ready, "True True 2");

    cluster.get(["delete", "configmap", "owner", "-n", "simulated"]);
    cluster.wait_for(&phases, "fails=Failed waits=Pending ");
    cluster.get(["delete", "namespace", "simulated"]);
}
