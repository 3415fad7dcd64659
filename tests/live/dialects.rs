//! PodGroups of Kubernetes itself on a real API server that serves them: Jobs in them start whole, are told why they do not, and go
//! with their groups; with the rights of the deployed account and no others.

use crate::cluster::TestCluster;
use crate::phalanx::Phalanx;

const SPACE: &str = "native";

/// A PodGroup of so many pods, all on one kind of nodes, and a Job of as many.
fn gang(name: &str, pods: u32, devices: u32) -> String {
    format!(
        "---\napiVersion: scheduling.k8s.io/v1alpha2\nkind: PodGroup\nmetadata: {{name: {name}, namespace: {SPACE}}}\n\
         spec: {{schedulingPolicy: {{gang: {{minCount: {pods}}}}}, schedulingConstraints: {{topology: [{{key: kubernetes.io/arch}}]}}}}\n\
         ---\napiVersion: batch/v1\nkind: Job\nmetadata: {{name: {name}, namespace: {SPACE}}}\n\
         spec: {{parallelism: {pods}, completions: {pods}, template: {{spec: {{schedulerName: phalanx, restartPolicy: Never, \
         schedulingGroup: {{podGroupName: {name}}}, \
         containers: [{{name: c, image: i, resources: {{limits: {{nvidia.com/gpu: {devices}}}}}}}]}}}}}}\n"
    )
}

fn condition(name: &str, field: &str) -> [String; 6] {
    let path = format!("jsonpath={{.status.conditions[?(@.type==\"PodGroupScheduled\")].{field}}}");
    ["get", "podgroups.scheduling.k8s.io", name, "-n", SPACE]
        .map(str::to_owned)
        .into_iter()
        .chain(["-o".to_owned() + &path])
        .collect::<Vec<_>>()
        .try_into()
        .unwrap()
}

#[test]
fn jobs_in_native_groups_start_whole_and_go_with_them() {
    let Some(cluster) = TestCluster::start_with(&["--native-groups"]) else { return };
    cluster.namespace(SPACE);
    cluster.fleet(&["--nodes", "4", "--no-hypernodes"]);
    cluster.get(["label", "nodes", "--all", "--overwrite", "kubernetes.io/arch=amd64"]);
    let _phalanx = Phalanx::deployed(&cluster, &["--leader-elect=false", "--scheduler-name=phalanx"]);
    cluster.create(&gang("fits", 4, 8));
    cluster.wait_for(&condition("fits", "reason"), "Scheduled");
    let nodes =
        ["get", "pods", "-n", SPACE, "-l", "job-name=fits", "-o", "jsonpath={.items[*].spec.nodeName}"];
    cluster.wait_until(&nodes, "four nodes", |nodes| nodes.split_whitespace().count() == 4);

    cluster.create(&gang("waits", 5, 8));
    cluster.wait_for(&condition("waits", "reason"), "Unschedulable");
    let message = cluster.get(condition("waits", "message"));
    assert!(message.contains("of 5 pods"), "{message}");
    let nodes =
        ["get", "pods", "-n", SPACE, "-l", "job-name=waits", "-o", "jsonpath={.items[*].spec.nodeName}"];
    assert_eq!(cluster.get(nodes), "");

    // The group goes when its last pod has ended: until then its finalizer keeps it.
    cluster.get(["delete", "podgroups.scheduling.k8s.io", "waits", "-n", SPACE, "--wait=false"]);
    let finalizers =
        ["get", "podgroups.scheduling.k8s.io", "waits", "-n", SPACE, "-o", "jsonpath={.metadata.finalizers}"];
    assert!(cluster.get(finalizers).contains("podgroup-protection"));
    cluster.get(["delete", "job", "waits", "-n", SPACE]);
    let left =
        ["get", "podgroups.scheduling.k8s.io", "-n", SPACE, "-o", "jsonpath={.items[*].metadata.name}"];
    cluster.wait_for(&left, "fits");
}
