//! What is hard stays hard, whatever is configured: by what a configuration can hold, and by what is then placed.

use super::*;
use crate::cluster::Event;
use crate::scheduler::{Decision, Scheduler};
use serde_json::json;

/// Whatever a file says, what it yields can only order, weigh and break ties: the fields of [`PlacementRules`] and
/// [`Settings`] are named here one by one, so that a new one has to answer for itself.
fn settles_nothing_hard(config: &SchedulerConfig) {
    // The rest of the configuration has no place for anything hard: a Volcano file is only carried, waiting times order, and
    // admission lets in later, never more.
    let SchedulerConfig {
        cluster,
        placement,
        resource_weights,
        waiting_times: _,
        admission: _,
        grouping: _,
        // Evictions are judged by rules that no setting switches off; these only forbid kinds of them.
        sharing: _,
        volcano: _,
    } = config;
    let Settings { scheduler_names, domain_labels: _ } = cluster;
    let PlacementRules { order, level_weight, packing: _, search_budget, resource_weights: _ } = placement;
    let mut terms = order.clone();
    terms.sort();
    terms.dedup();
    assert_eq!(terms.len(), 5, "every cost term counts, in some order");
    assert!(*level_weight >= 1 && *search_budget >= 1);
    assert!(resource_weights.iter().all(|&(_, weight)| weight >= 0));
    assert!(!scheduler_names.is_empty());
}

/// Four nodes of eight GPUs in two racks, and a gang of `pods` whole-node pods that must share a rack.
fn pods_placed(config: SchedulerConfig, pods: usize) -> usize {
    let mut scheduler = Scheduler::configured(config);
    for rack in 0..2 {
        let names = [format!("node-{rack}-0"), format!("node-{rack}-1")];
        let members: Vec<serde_json::Value> = names
            .iter()
            .map(|name| json!({"type": "Node", "selector": {"exactMatch": {"name": name}}}))
            .collect();
        let hyper_node =
            json!({"metadata": {"name": format!("rack-{rack}")}, "spec": {"tier": 1, "members": members}});
        scheduler.apply(Event::HyperNode(&serde_json::from_value(hyper_node).unwrap()));
        for name in names {
            let amounts = json!({"cpu": "64", "memory": "512Gi", "pods": "110", "nvidia.com/gpu": "8"});
            let ready = json!([{"type": "Ready", "status": "True"}]);
            let status = json!({"allocatable": amounts, "capacity": amounts, "conditions": ready});
            let node = json!({"metadata": {"name": name, "uid": name}, "status": status});
            scheduler.apply(Event::Node(&serde_json::from_value(node).unwrap()));
        }
    }
    let group = json!({
        "metadata": {"namespace": "ml", "name": "gang", "uid": "gang"},
        "spec": {"minMember": pods, "networkTopology": {"mode": "hard", "highestTierAllowed": 1}},
    });
    scheduler.apply(Event::PodGroup(&serde_json::from_value(group).unwrap()));
    for index in 0..pods {
        let name = format!("pod-{index}");
        let resources =
            json!({"limits": {"nvidia.com/gpu": "8"}, "requests": {"nvidia.com/gpu": "8", "cpu": "8"}});
        let pod = json!({
            "metadata": {"namespace": "ml", "name": name, "uid": name,
                "annotations": {"scheduling.k8s.io/group-name": "gang"}},
            "spec": {"schedulerName": "volcano", "containers": [{"name": "c", "resources": resources}]},
        });
        scheduler.apply(Event::Pod(&serde_json::from_value(pod).unwrap()));
    }
    let cycle = scheduler.cycle("2026-01-01T00:00:00Z");
    cycle
        .decisions
        .iter()
        .map(|decision| match decision {
            Decision::Place(gang) => gang.pods.len(),
            _ => 0,
        })
        .sum()
}

/// A gang of two fits a rack, a gang of three does not; with every filter, plugin and flag off as with none.
#[test]
fn no_configuration_lets_a_gang_out_of_its_rack() {
    let off = "actions: enqueue
tiers:
- plugins:
  - {name: gang, enableJobReady: false, enableJobPipelined: false, enabledSubJobReady: false, enableJobStarving: false}
  - {name: predicates, enablePredicate: false}
  - name: network-topology-aware
    enabledHyperNodeGradient: false
    enabledHyperNodeOrder: false
    arguments: {weight: 0}
  - {name: nodeorder, arguments: {leastrequested.weight: 1000}}
";
    let empty = "actions: allocate\ntiers: []\n";
    let weighed = "placement: {resourceWeights: {nvidia.com/gpu: 0, cpu: 7}, searchBudget: 1}";
    let (throughput, latency) = (ready_policy("throughput.yaml"), ready_policy("latency.yaml"));
    for text in ["", off, empty, weighed, "placement: {packing: spread}", &throughput, &latency] {
        assert_eq!(pods_placed(loaded(text).0, 2), 2, "{text}");
        assert_eq!(pods_placed(loaded(text).0, 3), 0, "{text}");
    }
}

#[test]
fn switching_hard_things_off_is_answered_with_a_warning() {
    let check = |plugin: &str, expect: &str| {
        let (config, warnings) = loaded(&with_plugins(plugin));
        settles_nothing_hard(&config);
        assert_eq!(config.placement, SchedulerConfig::default().placement);
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains(expect), "{warnings:?}");
    };
    let minimum = "has no effect: a gang is placed with its minimum or not at all";
    check("  - {name: gang, enableJobReady: false}\n", minimum);
    check("  - {name: gang, enableJobPipelined: false}\n", minimum);
    check("  - {name: gang, enabledSubJobReady: false}\n", minimum);
    check("  - {name: gang, enableSubJobPipelined: false}\n", minimum);
    check("  - {name: predicates, enablePredicate: false}\n", "has no effect: nodes are always filtered");
    check(
        "  - {name: network-topology-aware, enableHyperNodeGradient: false}\n",
        "has no effect: limits of network topology always bind",
    );
    for filter in
        ["NodeAffinity", "NodePorts", "TaintToleration", "PodAffinity", "PodTopologySpread", "VolumeBinding"]
    {
        let plugin =
            format!("  - {{name: predicates, arguments: {{predicate.{filter}Enable: \"false\"}}}}\n");
        check(&plugin, "has no effect: nodes are always filtered by it");
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,80}|([a-z]{1,9}: ?[\\[\\]{}a-z0-9,:'|>-]{0,12}\n){0,6}") {
        let _ = load(&text);
    }

    #[test]
    fn no_configuration_reaches_what_is_hard(
        actions in proptest::sample::subsequence(vec!["enqueue", "allocate", "backfill", "preempt", "gangreclaim"], 1..5),
        plugins in proptest::collection::vec((
            proptest::sample::select(vec!["gang", "predicates", "network-topology-aware", "binpack", "nodeorder", "drf"]),
            proptest::sample::select(vec!["enableJobReady", "enabledHyperNodeGradient", "enablePredicate", "enableNodeOrder"]),
            any::<bool>(),
            proptest::sample::select(vec!["weight", "binpack.weight", "binpack.cpu", "leastrequested.weight"]),
            any::<i32>(),
        ), 0..8),
    ) {
        let list: String = plugins
            .iter()
            .map(|(name, flag, on, argument, value)| {
                format!("  - {{name: {name}, {flag}: {on}, arguments: {{{argument}: {value}}}}}\n")
            })
            .collect();
        let text = format!("actions: \"{}\"\ntiers:\n- plugins:\n{list}", actions.join(", "));
        settles_nothing_hard(&load(&text).expect("only known names").0);
    }

    #[test]
    fn nor_does_our_own_format(
        order in Just(vec!["subgroupTier", "gangTier", "domains", "stranded", "nodeScore"]).prop_shuffle(),
        level in -3i64..2000, budget in any::<i32>(), tight in any::<bool>(), weight in -3i64..3,
    ) {
        let packing = if tight { "tight" } else { "spread" };
        let text = format!(
            "placement: {{order: [{}], levelWeight: {level}, searchBudget: {budget}, packing: {packing}, \
             resourceWeights: {{cpu: {weight}}}}}",
            order.join(", ")
        );
        if let Ok((config, _)) = load(&text) {
            settles_nothing_hard(&config);
        }
    }
}
