//! Situations from public reports and from first attempts on a cluster: each file of `shared/cases/reported` beside the
//! checkout, where it is present, and what is right for it. What a file stands for is tested with inputs of our own in
//! `silence`, `remedies`, `members` and `world`; those that need a cluster are in `tests/live`.

use crate::binary::{Answer, simulate};
use std::path::{Path, PathBuf};

/// What is right for a file.
#[derive(Clone, Copy, Debug)]
struct Right {
    file: &'static str,
    arguments: &'static [&'static str],
    code: i32,
    has: &'static [&'static str],
    has_not: &'static [&'static str],
}

/// A file that is simulated and shows all of these texts, and none of those.
const fn shows(file: &'static str, has: &'static [&'static str], has_not: &'static [&'static str]) -> Right {
    Right { file, arguments: &[], code: 0, has, has_not }
}

/// A file that is refused with all of these texts.
const fn refused(file: &'static str, has: &'static [&'static str]) -> Right {
    Right { file, arguments: &[], code: 2, has, has_not: &["panicked"] }
}

impl Right {
    const fn with(self, arguments: &'static [&'static str]) -> Right {
        Right { arguments, ..self }
    }

    const fn code(self, code: i32) -> Right {
        Right { code, ..self }
    }
}

/// Two nodes of 8 GPUs, for files that are about pods alone.
const NODES: &str = "\
apiVersion: v1
kind: Node
metadata: {name: node-a}
status:
  allocatable: {cpu: '256', memory: 2Ti, ephemeral-storage: 2Ti, pods: '110', nvidia.com/gpu: '8'}
  conditions: [{type: Ready, status: 'True'}]
---
apiVersion: v1
kind: Node
metadata: {name: node-b}
status:
  allocatable: {cpu: '256', memory: 2Ti, ephemeral-storage: 2Ti, pods: '110', nvidia.com/gpu: '8'}
  conditions: [{type: Ready, status: 'True'}]
";

const TIMELINE: &[&str] = &["--timeline"];

const RIGHT: &[Right] = &[
    shows(
        "adv-anti-affinity-told-to-find-gpus",
        &["fits 3 of 7 pods", "excluded by pod anti-affinity", "a minimum of 3"],
        &["room for"],
    ),
    shows("adv-elastic-places-one-fewer", &["33 pods (23 pending, 10 running)"], &[]),
    shows("adv-half-node-role-opens-third-block", &["17 pods (17 running)"], &["rack0"]),
    shows("adv-hard-role-fits-512-nodes-refused", &["120 pods (120 running)"], &[]),
    shows(
        "adv-name-conflict-never-ends",
        &["no more changes after", "Pod ms-0-r-0-0 belongs to another owner"],
        &[],
    ),
    refused("adv-patch-of-metadata-panics", &["spec.timeline[0].patch.merge.metadata"]),
    shows(
        "adv-room-remedy-asks-for-too-much",
        &["fits 2 of 4 pods", "room for 2 more pods (nvidia.com/gpu) in rack0"],
        &["room for 4"],
    ),
    shows("adv-soft-role-makes-hard-role-homeless", &["46 pods (46 running)"], &[]),
    refused("adv-tree-of-counts-exhausts-memory", &["spec.nodePools[0].tree", "8004002000"]),
    refused("adv-two-gangs-of-one-name-panic", &["spec.gangs[1].name", "spec.gangs[0]"]),
    shows("adv-two-nodes-where-one-does", &["4 pods (4 running)", "n14"], &["n1 ", "n3 "]),
    shows("cordon-taint-hides-the-remedy", &["uncordon n0", "1 cordoned"], &["tolerate taint"]),
    refused(
        "core-enums-not-checked",
        &[
            "spec.taints[0].effect: is \"Noschedule\"; did you mean NoSchedule?",
            "operator: is \"exists\"; did you mean Exists?",
            "effect: is \"noSchedule\"; did you mean NoSchedule?",
            "restartPolicy: is \"always\"; did you mean Always?",
        ],
    ),
    refused("cpu-500mi-told-to-write-500Mi", &["write 500m\n"]),
    shows("ephemeral-volume-claim-never-made", &["cache-warm", "Running"], &["create it"]).with(TIMELINE),
    shows(
        "failed-members-counted-as-scheduled-and-as-not-existing",
        &["0/3", "1 of 3 pods can run: j-0 and j-1 have failed"],
        &["2/3", "pods exist"],
    ),
    shows(
        "gang-marks-of-other-schedulers-ignored-silently",
        &["2 of 3 pods exist (spec.minMember)", "Koordinator", "annotation scheduling.k8s.io/group-name"],
        &[],
    ),
    shows(
        "idle-nodes-in-no-domain-not-mentioned",
        &["4 nodes: 2 in no domain of tier 1", "w3 and w4 added to leaf-a"],
        &[],
    ),
    shows(
        "kubelet-acts-on-nodes-that-are-down-in-the-dump",
        &["stuck   0/1     Terminating", "1 pending"],
        &["Deleted", "Started", "Ready   "],
    )
    .with(TIMELINE),
    refused(
        "live-min-role-replicas-above-replicas",
        &["minRoleReplicas[405b]", "cannot exceed replicas (2)", "role nosuch does not exist"],
    ),
    refused("live-refused-pod-name-contains-test", &["volumeMounts[0].name", "nosuch"]),
    shows(
        "lws-exclusive-topology-ignored-silently",
        &[
            "startupPolicy",
            "subGroupPolicy",
            "vllm-0-default-0-0   1/1     Running   b-0",
            "vllm-1-default-0-0   1/1     Running   c-0",
        ],
        &["a-0"],
    ),
    shows(
        "member-names-another-scheduler-told-it-does-not-exist",
        &["1 of 3 pods name this scheduler; train-1 names vocalno, train-2 default-scheduler"],
        &["pods exist"],
    ),
    shows(
        "min-resources-ignored-silently-two-drivers-block-each-other",
        &["spec.minResources", "a-exec-2   1/1     Running", "b-driver   0/1     Pending"],
        &["these pod do", "a minimum of 1"],
    ),
    shows(
        "min-task-member-pods-without-role",
        &["6 pods name no role; write volcano.sh/task-spec: decode or prefill on them"],
        &["pods of role"],
    ),
    shows(
        "model-serving-wrong-scheduler-name",
        &["4 pods ask for scheduler volcanoo; this scheduler answers to volcano"],
        &[],
    )
    .with(&["-", "--require-all"])
    .code(1),
    shows(
        "node-dies-serving-group-waits-without-reason",
        &[
            "m-0-r-0-0 is being deleted on h100-0, which does not answer",
            "delete it by force, or taint h100-0 node.kubernetes.io/out-of-service",
            "ModelServing default/m",
            "PodStuckOnNode",
        ],
        &[],
    )
    .with(&["--timeline", "--require-all"])
    .code(1),
    shows("not-ready-taint-hides-the-cause", &["1 not ready", "n0 ready again"], &["tolerate taint"]),
    shows(
        "out-of-service-taint-does-nothing",
        &["m-0-r-0-0   1/1     Running   h100-1", "m-0-r-0-1   1/1     Running   h100-2", "1/1         1"],
        &[],
    ),
    shows(
        "pod-larger-than-any-node",
        &["asks for 16 huawei.com/Ascend910 (8 of them for the sidecar cache-agent), the largest node has 8"],
        &["room for", "would fit"],
    ),
    shows(
        "pod-of-16-gpus-offered-room",
        &["asks for 16 nvidia.com/gpu, the largest node has 8", "no node has the label gpu: h300"],
        &["room for"],
    )
    .with(&["-"]),
    shows(
        "priority-class-missing-counts-as-zero-silently",
        &["PriorityClass urgent does not exist, so the gang's priority is 0"],
        &[],
    ),
    shows("room-for-two-where-one-suffices", &["room for 1 more pod"], &["room for 2"]),
    shows(
        "room-offered-where-a-selector-excludes-the-nodes",
        &["no node has the label gpu: h100", "1 more node like a100-0 that matches the node selector"],
        &["room for 1 more pod in the cluster"],
    ),
    shows(
        "spread-control-plane-zone-remedy-missing",
        &[
            "tolerate taint node-role.kubernetes.io/control-plane",
            "a looser topology spread",
            "a minimum of 2",
        ],
        &[],
    ),
    shows(
        "subgroup-shortfall-counts-whole-subgroups",
        &["fits 3 of 4 pods at tier 1 (rack-0)", "room for 1 more pod (nvidia.com/gpu) in rack-0"],
        &["room for 4"],
    ),
    shows(
        "surplus-pods-that-do-not-fit-missing-in-timeline",
        &[
            "1m   scheduler    Unschedulable          PodGroup default/pd-0",
            "fits 0 of 2 pods at tier 2 (block-0)",
        ],
        &[],
    )
    .with(TIMELINE),
    shows("tree-shows-hugepages-instead-of-gpus", &["cluster  2 nodes  16/16 gpu"], &[]).with(&["--tree"]),
    refused(
        "unknown-fields-of-pods-ignored-silently",
        &[
            "spec.taint: is not a field; did you mean taints?",
            "spec.nodeselector: is not a field; did you mean nodeSelector?",
            "resources.limit: is not a field; did you mean limits?",
            "tolerations: is not a field; it belongs to spec",
        ],
    ),
    shows("vcjob-read-and-not-used-silently", &["ray-head-0", "ray-worker-0", "0/2"], &[]),
    shows(
        "vgpu-memory-counted-over-all-cards-silently",
        &["volcano.sh/vgpu-memory is a share of one card"],
        &[],
    ),
    shows("workloads-of-other-controllers-silent", &["730 pods", "0/30"], &[])
        .with(&["--require-all"])
        .code(1),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/cases/reported")
}

/// Simulates a file, and says what of the right value is not there.
fn check(right: &Right) -> Vec<String> {
    let path = folder().join(format!("{}.yaml", right.file));
    if !path.exists() {
        return Vec::new();
    }
    let path = path.to_str().unwrap().to_owned();
    let arguments = [&[path.as_str()], right.arguments].concat();
    let Answer { code, out, err } = simulate(&arguments, NODES);
    let all = format!("{out}{err}");
    let mut faults = Vec::new();
    if code != right.code {
        faults.push(format!("{}: the exit code is {code}, not {}", right.file, right.code));
    }
    faults.extend(
        right
            .has
            .iter()
            .filter(|text| !all.contains(**text))
            .map(|text| format!("{}: lacks {text:?}", right.file)),
    );
    faults.extend(
        right
            .has_not
            .iter()
            .filter(|text| all.contains(**text))
            .map(|text| format!("{}: has {text:?}", right.file)),
    );
    if !faults.is_empty() {
        faults.push(all);
    }
    faults
}

#[test]
fn each_file_shows_what_is_right() {
    let faults: Vec<String> = RIGHT.iter().flat_map(check).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
