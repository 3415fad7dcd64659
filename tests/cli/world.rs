//! The simulated world around the scheduler: kubelets, the node controller, claims, budgets.

use crate::binary::simulate;

const GPU: &str = "containers: [{name: main, image: i, resources: {limits: {nvidia.com/gpu: 4}}}]";

/// Expects that the timeline has lines with these texts, and none with those.
fn check(input: &str, has: &[&str], lacks: &[&str]) {
    let answer = simulate(&["-", "--timeline"], input);
    assert_eq!((answer.code, answer.err.as_str()), (0, ""), "{input}");
    for text in has {
        assert!(answer.out.contains(text), "{text}\n{}", answer.out);
    }
    for text in lacks {
        assert!(!answer.out.contains(text), "{text}\n{}", answer.out);
    }
}

#[test]
fn kubelets_of_nodes_that_are_down_from_the_start_do_nothing() {
    let node = "apiVersion: v1\nkind: Node\nmetadata: {name: dead}\n\
                status: {allocatable: {nvidia.com/gpu: '8'}, conditions: [{type: Ready, status: Unknown}]}\n";
    let pod = |name: &str, metadata: &str| {
        format!(
            "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: default{metadata}}}\n\
             spec: {{schedulerName: volcano, nodeName: dead, {GPU}}}\n"
        )
    };
    let going = ", deletionTimestamp: '2026-01-01T00:00:00Z', deletionGracePeriodSeconds: 30";
    let input = format!("{node}{}status: {{phase: Running}}\n{}", pod("stuck", going), pod("bound", ""));
    check(&input, &["Terminating", "Pending"], &["Deleted", "Started"]);
}

const SERVING: &str = "---\napiVersion: workload.serving.volcano.sh/v1alpha1\nkind: ModelServing\nmetadata: {name: m, namespace: default}\n\
    spec: {replicas: 1, template: {roles: [{name: r, replicas: 1, workerReplicas: 1, entryTemplate: TEMPLATE, workerTemplate: TEMPLATE}]}}\n";

#[test]
fn a_node_that_is_out_of_service_gives_its_pods_back() {
    let world = "apiVersion: simulation.phalanx.dev/v1alpha1\nkind: Simulation\nspec:\n  nodePools:\n  \
                 - {name: h, count: 3, capacity: {nvidia.com/gpu: 8}}\n  timeline:\n  - {at: 1m, kill: {node: h-0}}\n  \
                 - {at: 20m, patch: {kind: Node, name: h-0, merge: {spec: {taints: [{key: node.kubernetes.io/out-of-service, effect: NoExecute}]}}}}\n";
    let template = "{spec: {containers: [{name: c, image: i, resources: {limits: {nvidia.com/gpu: 8}}}]}}";
    check(
        &format!("{world}{}", SERVING.replace("TEMPLATE", template)),
        &["its node h-0 is out of service", "2 running", "MODELSERVING", "1/1"],
        &[],
    );
}

#[test]
fn claims_of_ephemeral_volumes_are_made() {
    let input = "apiVersion: v1\nkind: Node\nmetadata: {name: n1}\nstatus: {allocatable: {nvidia.com/gpu: '8'}}\n---\n\
        apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: nvme}\nprovisioner: csi.example.com\nvolumeBindingMode: WaitForFirstConsumer\n---\n\
        apiVersion: v1\nkind: Pod\nmetadata: {name: cache, namespace: default}\nspec:\n  schedulerName: volcano\n  \
        containers: [{name: main, image: i, resources: {limits: {nvidia.com/gpu: 1}}}]\n  volumes:\n  - name: warm\n    \
        ephemeral: {volumeClaimTemplate: {spec: {accessModes: [ReadWriteOnce], storageClassName: nvme, resources: {requests: {storage: 100Gi}}}}}\n";
    check(input, &["PersistentVolumeClaim default/cache-warm", "1 running"], &["does not exist"]);
}

/// A class that binds at once needs no node: its claims stayed pending, and their pods with them.
#[test]
fn claims_of_classes_that_bind_at_once_get_their_volumes() {
    let node =
        "apiVersion: v1\nkind: Node\nmetadata: {name: n1}\nstatus: {allocatable: {nvidia.com/gpu: '8'}}\n";
    let class = |more: &str| {
        format!(
            "---\napiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {{name: nvme{more}}}\nprovisioner: csi.example.com\n"
        )
    };
    let pod = |source: &str| {
        format!(
            "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: cache, namespace: default}}\nspec: {{schedulerName: volcano, \
             containers: [{{name: c, image: i}}], volumes: [{{name: warm, {source}}}]}}\n"
        )
    };
    let ask = "accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}";
    let ephemeral =
        pod(&format!("ephemeral: {{volumeClaimTemplate: {{spec: {{storageClassName: nvme, {ask}}}}}}}"));
    // The class may be read after the claim.
    for input in [format!("{node}{}{ephemeral}", class("")), format!("{node}{ephemeral}{}", class(""))] {
        check(&input, &["ProvisioningSucceeded", "1 running"], &["binds at once"]);
    }
    let claim = format!(
        "---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: data, namespace: default}}\nspec: {{{ask}}}\n"
    );
    let claimed = claim + &pod("persistentVolumeClaim: {claimName: data}");
    let default = class(", annotations: {storageclass.kubernetes.io/is-default-class: 'true'}");
    check(&format!("{node}{default}{claimed}"), &["1 running"], &["no storage class"]);
    check(&format!("{node}{}{claimed}", class("")), &["has no storage class; name one"], &["1 running"]);
    let by_hand = class("").replace("csi.example.com", "kubernetes.io/no-provisioner");
    check(
        &format!("{node}{by_hand}{ephemeral}"),
        &["storage class nvme makes no volumes; create a PersistentVolume that fits"],
        &["1 running"],
    );
}

#[test]
fn a_drain_heeds_budgets() {
    let pods: String = (0..2)
        .map(|index| {
            format!(
                "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: w-{index}, namespace: default, labels: {{app: w}}, ownerReferences: \
                 [{{apiVersion: a/v1, kind: Set, name: w, uid: u, controller: true}}]}}\nspec: {{schedulerName: volcano, {GPU}}}\n"
            )
        })
        .collect();
    let world = "apiVersion: simulation.phalanx.dev/v1alpha1\nkind: Simulation\nspec:\n  nodePools:\n  \
                 - {name: h, count: 2, capacity: {nvidia.com/gpu: 8}}\n  timeline:\n  - {at: 1m, drain: {node: h-0}}\n";
    let budget = |least: u32| {
        format!(
            "---\napiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {{name: b, namespace: default}}\n\
             spec: {{minAvailable: {least}, selector: {{matchLabels: {{app: w}}}}}}\n"
        )
    };
    check(
        &format!("{world}{pods}{}", budget(2)),
        &["stays: PodDisruptionBudget b allows no eviction"],
        &["Deleted"],
    );
    check(&format!("{world}{pods}{}", budget(1)), &["DrainWaits", "Deleted", "2 running"], &[]);
}

#[test]
fn the_tree_counts_what_the_gangs_ask_for() {
    let input = "apiVersion: simulation.phalanx.dev/v1alpha1\nkind: Simulation\nspec:\n  nodePools:\n  - name: p5\n    count: 2\n    \
                 capacity: {cpu: 192, memory: 2Ti, hugepages-2Mi: 5Gi, nvidia.com/gpu: 8, vpc.amazonaws.com/efa: 32, rdma/hca_shared_devices_a: 1000}\n---\n\
                 apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {schedulerName: volcano, containers: [{name: c, image: i, \
                 resources: {limits: {nvidia.com/gpu: 8, vpc.amazonaws.com/efa: 32, rdma/hca_shared_devices_a: 1, hugepages-2Mi: 5Gi, memory: 1Gi}}}]}\n";
    let answer = simulate(&["-", "--tree"], input);
    assert!(answer.out.starts_with("cluster  2 nodes  8/16 gpu\n"), "{}", answer.out);
}

/// A role that is scaled beyond what the hard rule allows waits with a line in the timeline.
#[test]
fn pods_beyond_the_minimum_that_do_not_fit_are_in_the_timeline() {
    let world = "apiVersion: simulation.phalanx.dev/v1alpha1\nkind: Simulation\nspec:\n  nodePools:\n  \
                 - {name: h, count: 4, capacity: {nvidia.com/gpu: 8}, tree: [{name: block, tier: 2, count: 2}]}\n  timeline:\n  \
                 - {at: 1m, scale: {name: m, role: r, replicas: 2}}\n";
    let template = "{spec: {containers: [{name: c, image: i, resources: {limits: {nvidia.com/gpu: 8}}}]}}";
    let rule = "template: {gangPolicy: {minRoleReplicas: {r: 1}}, networkTopology: {groupPolicy: {mode: hard, highestTierAllowed: 2}}, ";
    let serving = SERVING.replace("TEMPLATE", template).replace("template: {", rule);
    let answer = simulate(&["-", "--timeline"], &format!("{world}{serving}"));
    let mut lines = answer
        .out
        .lines()
        .filter(|line| line.contains("Unschedulable") && line.contains("PodGroup default/m-0"));
    assert!(lines.next().is_some_and(|line| line.starts_with("1m")), "{}", answer.out);
}

/// Each group of a LeaderWorkerSet has a domain of its own where it asks for that.
#[test]
fn exclusive_topology_gives_each_group_its_own_domain() {
    let pool = |name: &str, count: u32| {
        format!(
            "  - {{name: {name}, count: {count}, labels: {{pool: {name}}}, capacity: {{nvidia.com/gpu: 8}}}}\n"
        )
    };
    let world = format!(
        "apiVersion: simulation.phalanx.dev/v1alpha1\nkind: Simulation\nspec:\n  nodePools:\n{}{}{}---\n",
        pool("a", 1),
        pool("b", 2),
        pool("c", 2)
    );
    let set = "apiVersion: leaderworkerset.x-k8s.io/v1\nkind: LeaderWorkerSet\nmetadata:\n  name: vllm\n  \
               annotations: {leaderworkerset.sigs.k8s.io/exclusive-topology: pool}\nspec:\n  replicas: 2\n  startupPolicy: LeaderReady\n  \
               leaderWorkerTemplate:\n    size: 2\n    workerTemplate: {spec: {schedulerName: volcano, containers: [{name: w, image: i, \
               resources: {limits: {nvidia.com/gpu: 8}}}]}}\n";
    let answer = simulate(&["-", "-o", "json"], &format!("{world}{set}"));
    let report: serde_json::Value = serde_json::from_str(&answer.out).unwrap();
    let pool_of = |name: &str| {
        let pod = report["pods"].as_array().unwrap().iter().find(|pod| pod["name"] == name).unwrap();
        pod["node"].as_str().unwrap_or("none").split('-').next().unwrap().to_owned()
    };
    let pools: Vec<String> =
        ["vllm-0-default-0-0", "vllm-0-default-0-1", "vllm-1-default-0-0", "vllm-1-default-0-1"]
            .map(pool_of)
            .to_vec();
    assert_eq!((&pools[0], &pools[2]), (&pools[1], &pools[3]), "{pools:?}");
    assert_ne!(pools[0], pools[2], "{pools:?}");
    assert!(!pools.contains(&"a".to_owned()) && !pools.contains(&"none".to_owned()), "{pools:?}");
    assert!(
        report["warnings"].to_string().contains("spec.startupPolicy: LeaderReady"),
        "{}",
        report["warnings"]
    );
}
