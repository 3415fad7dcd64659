//! Random runs: a cluster, gangs, ModelServings and a timeline of edits and faults, drawn by a seed. Each is recorded and done
//! again: what is decided is decided again, whatever happened on the way. A failure prints its seed and its documents.

use super::*;
use crate::simulation::generate::padded;
use crate::simulation::random::Random;
use std::fmt::Write;

/// A thousand where the compiler optimises; the stream of a seed does not depend on how many are run.
const RUNS: u64 = if cfg!(debug_assertions) { 25 } else { 1_000 };

#[test]
fn what_a_random_run_decides_is_decided_again() {
    let (mut placed, mut recordings) = (0, 0);
    for seed in 0..RUNS {
        let text = documents(seed);
        let done = std::panic::catch_unwind(|| {
            let mut run = begun(&text);
            run.run(|_| ());
            let found = super::recordings::check(&mut run);
            (run.placed, found)
        });
        let Ok((pods, found)) = done else { panic!("seed {seed}:\n{text}") };
        (placed, recordings) = (placed + pods, recordings + found);
    }
    // Two engines a run, and more where one crashed.
    assert!(placed > RUNS * 4, "{placed} pods were placed in {RUNS} runs");
    assert!(recordings as u64 > RUNS * 2, "{recordings} recordings of {RUNS} runs");
}

/// What a run begins with, and what happens in it.
fn documents(seed: u64) -> String {
    let mut random = Random::new(seed, "documents");
    let nodes = 4 + random.below(9);
    let mut text = format!(
        "\n---\napiVersion: {API_VERSION}\nkind: Simulation\nspec:\n  seed: {seed}\n  until: 20m\n  nodePools:\n  \
         - {{name: node, count: {nodes}, capacity: {{cpu: 8, nvidia.com/gpu: 4}}, tree: [{{name: rack, tier: 1, count: 2}}]}}\n"
    );
    if random.below(3) == 0 {
        let (count, size) = (1 + random.below(6), 1 + random.below(4));
        let _ = writeln!(
            text,
            "  gangs: [{{name: made, count: {count}, size: {size}, requests: {{nvidia.com/gpu: 1}}, arrival: {{every: \
             10s..90s}}, duration: 1m..5m}}]"
        );
    }
    text.push_str("  timeline:\n");
    for _ in 0..2 + random.below(8) {
        let action = action(&mut random, nodes);
        let _ = writeln!(text, "  - {{at: {}s, {action}}}", random.below(900));
    }
    text.push_str(&serving(&mut random));
    for gang in 0..1 + random.below(3) {
        text.push_str(&pod_group(&mut random, gang));
    }
    text
}

fn action(random: &mut Random, nodes: u64) -> String {
    let node = format!("node-{}", padded(random.below(nodes) as usize, nodes as usize));
    let pod = match random.below(2) {
        0 => format!("ms-{}-a-0-{}", random.below(3), random.below(2)),
        _ => format!("g{}-{}", random.below(3), random.below(3)),
    };
    match random.below(15) {
        0 => format!("scale: {{name: ms, replicas: {}}}", random.below(5)),
        1 | 2 => format!("setImage: {{name: ms, image: \"i:{}\"}}", random.below(3)),
        3 => format!("crash: {{name: {pod}}}"),
        4 => format!("fail: {{name: {pod}}}"),
        5 => format!("delete: {{kind: pod, name: {pod}}}"),
        6 => format!("kill: {{node: {node}}}"),
        7 => format!("restore: {{node: {node}}}"),
        8 => format!("cordon: {{node: {node}}}"),
        9 => format!("drain: {{node: {node}}}"),
        10 => format!("remove: {{node: {node}}}"),
        11 => format!("delete: {{kind: podgroup, name: g{}}}", random.below(3)),
        12 => format!("crashScheduler: {{afterWrites: {}}}", random.below(4)),
        13 => format!("crashController: {{afterWrites: {}}}", random.below(4)),
        _ => {
            let with = ["unavailable", "lost", "refused"][random.below(3) as usize];
            let call = ["record", "bind", "evict", "read"][random.below(4) as usize];
            format!("failCalls: {{call: {call}, count: {}, with: {with}}}", 1 + random.below(3))
        }
    }
}

fn serving(random: &mut Random) -> String {
    let (replicas, workers, gpus) = (random.below(4), random.below(2), 1 + random.below(3));
    let policy = ["RoleRecreate", "ServingGroupRecreate", "None"][random.below(3) as usize];
    let unavailable = 1 + random.below(2);
    let pod = format!(
        "{{spec: {{containers: [{{name: c, image: \"i:0\", resources: {{limits: {{nvidia.com/gpu: {gpus}}}}}}}]}}}}"
    );
    let worker = if workers > 0 { format!(", workerTemplate: {pod}") } else { String::new() };
    format!(
        "---\napiVersion: workload.serving.volcano.sh/v1alpha1\nkind: ModelServing\nmetadata: {{name: ms}}\nspec:\n  \
         schedulerName: volcano\n  replicas: {replicas}\n  recoveryPolicy: {policy}\n  rolloutStrategy: {{type: \
         ServingGroupRollingUpdate, rollingUpdateConfiguration: {{maxUnavailable: {unavailable}}}}}\n  template:\n    roles: \
         [{{name: a, replicas: 1, workerReplicas: {workers}, entryTemplate: {pod}{worker}}}]\n"
    )
}

fn pod_group(random: &mut Random, gang: u64) -> String {
    let (size, gpus) = (1 + random.below(4), random.below(4));
    let minimum = 1 + random.below(size);
    let topology = match random.below(3) {
        0 => ", networkTopology: {mode: hard, highestTierAllowed: 1}",
        1 => ", networkTopology: {mode: soft, highestTierAllowed: 1}",
        _ => "",
    };
    let mut text = format!(
        "---\n{{apiVersion: scheduling.volcano.sh/v1beta1, kind: PodGroup, metadata: {{name: g{gang}}}, spec: {{minMember: \
         {minimum}{topology}}}}}\n"
    );
    for index in 0..size {
        let _ = writeln!(
            text,
            "---\n{{apiVersion: v1, kind: Pod, metadata: {{name: g{gang}-{index}, annotations: \
             {{scheduling.k8s.io/group-name: g{gang}}}}}, spec: {{schedulerName: volcano, containers: [{{name: c, image: i, \
             resources: {{limits: {{nvidia.com/gpu: {gpus}}}}}}}]}}}}"
        );
    }
    text
}
