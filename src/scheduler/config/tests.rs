//! Both formats: what loads, what is warned of, what is refused and how the refusal reads; and that nothing hard can be
//! configured away.

mod native;
mod volcano;

use super::*;
use proptest::prelude::*;

fn loaded(text: &str) -> (SchedulerConfig, Vec<String>) {
    match load(text) {
        Ok((config, warnings)) => (config, warnings.iter().map(ToString::to_string).collect()),
        Err(errors) => panic!("{errors}\n---\n{text}"),
    }
}

fn refused(text: &str) -> Vec<String> {
    match load(text) {
        Ok(_) => panic!("was accepted:\n{text}"),
        Err(errors) => errors.0.iter().map(ToString::to_string).collect(),
    }
}

#[expect(clippy::disallowed_methods, reason = "reads files of the repository")]
fn ready_policy(name: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("scheduler-config").join(name);
    std::fs::read_to_string(path).expect("the file is part of the repository")
}

fn with_plugins(plugins: &str) -> String {
    format!("actions: allocate\ntiers:\n- plugins:\n{plugins}")
}

/// Whatever a file says, what it yields can only order, weigh and break ties: the fields of [`PlacementRules`] and
/// [`Settings`] are named here one by one, so that a new one has to answer for itself.
fn settles_nothing_hard(config: &SchedulerConfig) {
    // The rest of the configuration has no place for anything hard: a Volcano file is only carried.
    let SchedulerConfig { cluster, placement, resource_weights, volcano: _ } = config;
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
