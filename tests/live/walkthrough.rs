//! The walkthrough that users hold in their hands: apply the ModelServing, look at it, reach it, delete it, with the
//! real kubectl.

use crate::cluster::TestCluster;
use crate::phalanx::Phalanx;

const MANIFEST: &str = include_str!("../../deploy/examples/llama-multinode.yaml");

#[test]
fn the_walkthrough_works_as_written() {
    let Some(cluster) = TestCluster::start() else { return };
    cluster.install_crds();
    cluster.fleet(&["--nodes", "8"]);
    let _phalanx = Phalanx::start(&cluster.kubeconfig, &[]);
    let selector = "modelserving.volcano.sh/name=llama-multinode";
    cluster.get(["create", "secret", "generic", "hf-token", "--from-literal=HUGGING_FACE_HUB_TOKEN=x"]);
    cluster.feed(["apply", "-f", "-"], MANIFEST);

    let available = "jsonpath={.status.availableReplicas}/{.status.replicas}/{.status.updatedReplicas} {.status.conditions[?(@.type=='Available')].status} {.status.conditions[?(@.type=='Available')].reason} {.status.conditions[?(@.type=='Progressing')].status}";
    let status = ["get", "modelserving", "llama-multinode", "-o", available];
    cluster.wait_for(&status, "1/1/1 True AllGroupsReady False");
    let pods = "jsonpath={range .items[*]}{.metadata.name} {.status.phase} {.metadata.labels.modelserving\\.volcano\\.sh/entry};{end}";
    assert_eq!(
        cluster.get(["get", "pod", "-l", selector, "-o", pods]),
        "llama-multinode-0-405b-0-0 Running true;llama-multinode-0-405b-0-1 Running ;\
         llama-multinode-0-405b-1-0 Running true;llama-multinode-0-405b-1-1 Running ;"
    );
    let nodes = cluster.get(["get", "pod", "-l", selector, "-o", "jsonpath={.items[*].spec.nodeName}"]);
    let distinct: std::collections::BTreeSet<&str> = nodes.split(' ').collect();
    assert_eq!(distinct.len(), 4, "eight GPUs each: a node a pod: {nodes}");
    let group = "jsonpath={.status.phase} {.status.running} {.spec.minMember} {.spec.subGroupPolicy[0].subGroupSize} {.spec.subGroupPolicy[0].minSubGroups} {.spec.minResources.nvidia\\.com/gpu}";
    let group = ["get", "podgroups.scheduling.volcano.sh", "llama-multinode-0", "-o", group];
    cluster.wait_for(&group, "Running 4 2 2 1 16");
    let env = "jsonpath={range .spec.containers[0].env[*]}{.name}={.value};{end}";
    let env = cluster.get(["get", "pod", "llama-multinode-0-405b-1-1", "-o", env]);
    for pair in ["GROUP_SIZE=2;", "ENTRY_ADDRESS=llama-multinode-0-405b-1-0.default;", "WORKER_INDEX=1;"] {
        assert!(env.contains(pair), "{pair} in {env}");
    }

    // section 6: the two leaders answer for the service
    cluster.create(
        "apiVersion: v1\nkind: Service\nmetadata: {name: llama-multinode-openai, namespace: default}\nspec:\n  \
         selector: {modelserving.volcano.sh/name: llama-multinode, modelserving.volcano.sh/entry: \"true\"}\n  \
         ports: [{name: http, port: 80, targetPort: 8080}]\n",
    );
    let targets = "jsonpath={.subsets[0].addresses[*].targetRef.name}";
    let endpoints = ["get", "endpoints", "llama-multinode-openai", "-o", targets];
    cluster.wait_for(&endpoints, "llama-multinode-0-405b-0-0 llama-multinode-0-405b-1-0");

    cluster.get(["delete", "modelserving", "llama-multinode", "-n", "default"]);
    let left = ["get", "pods,podgroups.scheduling.volcano.sh,controllerrevisions", "-o", "name"];
    cluster.wait_for(&left, "");
    let services = ["get", "services", "-l", selector, "-o", "name"];
    cluster.wait_for(&services, "");
}
