//! PodGroups of other dialects on a real API server that serves them: Jobs in them start whole, and are told why they do not; those
//! of Kubernetes itself go when their last pod has ended. With the rights of the deployed account and no others.

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

/// What scheduler-plugins installs, as far as Phalanx reads it.
const COSCHEDULING: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: podgroups.scheduling.x-k8s.io
  annotations: {api-approved.kubernetes.io: 'https://github.com/kubernetes-sigs/scheduler-plugins/pull/50'}
spec:
  group: scheduling.x-k8s.io
  scope: Namespaced
  names: {kind: PodGroup, listKind: PodGroupList, plural: podgroups, singular: podgroup}
  versions:
  - name: v1alpha1
    served: true
    storage: true
    subresources: {status: {}}
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
";

#[test]
fn jobs_in_coscheduling_groups_start_whole() {
    const SPACE: &str = "coscheduling";
    let Some(cluster) = TestCluster::start() else { return };
    cluster.create(COSCHEDULING);
    cluster.kinds_are_served();
    cluster.namespace(SPACE);
    cluster.fleet(&["--nodes", "4", "--no-hypernodes"]);
    let phalanx = Phalanx::deployed(&cluster, &["--leader-elect=false", "--scheduler-name=phalanx"]);
    let gang = |name: &str, pods: u32| {
        format!(
            "---\napiVersion: scheduling.x-k8s.io/v1alpha1\nkind: PodGroup\nmetadata: {{name: {name}, namespace: {SPACE}}}\nspec: {{minMember: {pods}}}\n\
             ---\napiVersion: batch/v1\nkind: Job\nmetadata: {{name: {name}, namespace: {SPACE}}}\n\
             spec: {{parallelism: {pods}, completions: {pods}, template: {{metadata: {{labels: {{scheduling.x-k8s.io/pod-group: {name}}}}}, \
             spec: {{schedulerName: phalanx, restartPolicy: Never, \
             containers: [{{name: c, image: i, resources: {{limits: {{nvidia.com/gpu: 8}}}}}}]}}}}}}\n"
        )
    };
    let phase =
        |name| ["get", "podgroups.scheduling.x-k8s.io", name, "-n", SPACE, "-o", "jsonpath={.status.phase}"];
    cluster.create(&gang("waits", 5));
    cluster.create(&gang("fits", 4));
    cluster.wait_for(&phase("fits"), "Running");
    let nodes = [
        "get",
        "pods",
        "-n",
        SPACE,
        "-o",
        "jsonpath={range .items[?(@.spec.nodeName)]}{.metadata.name} {end}",
    ];
    let bound = cluster.get(nodes);
    assert!(
        bound.split_whitespace().count() == 4 && bound.split_whitespace().all(|pod| pod.starts_with("fits-")),
        "{bound}"
    );
    cluster.wait_for(&phase("waits"), "Scheduling");
    let log = phalanx.log();
    assert!(!log.to_lowercase().contains("forbidden"), "a right is missing\n{log}");
}
