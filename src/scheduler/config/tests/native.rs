//! Our own format and the files in `scheduler-config/`.

use super::*;
use crate::placement::{CostTerm, Packing};
use std::time::Duration;

#[test]
fn the_default_file_is_the_built_in_default() {
    let text = ready_policy("default.yaml");
    assert_eq!(loaded(&text), (SchedulerConfig::default(), vec![]));
    for key in [
        "schedulerNames",
        "domainLabels",
        "order",
        "levelWeight",
        "packing",
        "searchBudget",
        "resourceWeights",
        "waitingTime",
        "by",
        "overcommitFactor",
        "roomIsKeptFor",
        "wait",
    ] {
        assert!(text.contains(&format!("{key}:")), "default.yaml shows {key}");
    }
    let default = SchedulerConfig::default();
    assert_eq!(default.cluster.scheduler_names, ["volcano"]);
    assert_eq!(default.placement.order[0], CostTerm::SubgroupTier);
}

#[test]
fn ready_policies_load_without_a_word() {
    let (throughput, warnings) = loaded(&ready_policy("throughput.yaml"));
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!(throughput.placement.order[0], CostTerm::Stranded);
    assert_eq!(throughput.placement.packing, Packing::Tight);
    assert!(throughput.resource_weights.contains(&("nvidia.com/gpu".to_owned(), 10)));

    let (latency, warnings) = loaded(&ready_policy("latency.yaml"));
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!(latency.placement.order[0], CostTerm::GangTier);
    assert_eq!(latency.placement.packing, Packing::Spread);
    assert_eq!(latency.placement.level_weight, 100);
    assert_eq!(latency.cluster, SchedulerConfig::default().cluster);
}

#[test]
fn nothing_said_means_the_defaults() {
    for text in ["", "\n", "# only words\n", "---\n", "placement:\n", "topology:\n  domainLabels:\n", "{}"] {
        assert_eq!(loaded(text), (SchedulerConfig::default(), vec![]), "{text:?}");
    }
}

#[test]
fn each_key_is_taken() {
    let (config, warnings) = loaded(
        "schedulerNames: [volcano, phalanx]\n\
         topology: {domainLabels: [example.com/block, rack, kubernetes.io/hostname]}\n\
         placement:\n  \
           order: [nodeScore, stranded, domains, gangTier, subgroupTier]\n  \
           levelWeight: 7\n  \
           packing: spread\n  \
           searchBudget: 9\n  \
           resourceWeights: {nvidia.com/gpu: 10, cpu: 0}\n\
         order: {waitingTime: 90s}\n\
         admission: {by: resources, overcommitFactor: 1.5, roomIsKeptFor: 2h}\n",
    );
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!(config.cluster.scheduler_names, ["volcano", "phalanx"]);
    assert_eq!(config.cluster.domain_labels, ["example.com/block", "rack", "kubernetes.io/hostname"]);
    let placement = &config.placement;
    assert_eq!(placement.order[4], CostTerm::SubgroupTier);
    assert_eq!((placement.level_weight, placement.search_budget), (7, 9));
    assert_eq!(placement.packing, Packing::Spread);
    assert_eq!(config.resource_weights, [("nvidia.com/gpu".to_owned(), 10), ("cpu".to_owned(), 0)]);
    assert_eq!(config.volcano, None);
    assert_eq!(config.waiting_times.default, Some(Duration::from_secs(90)));
    let admission = config.admission;
    assert_eq!((admission.by_resources, admission.overcommit), (true, Some(1500)));
    assert!(admission.queue_limits && admission.waiting_times_admit);
    assert_eq!(admission.room_is_kept_for, Duration::from_secs(7200));
}

#[test]
fn nobody_is_moved_unless_it_is_asked_for() {
    let consolidate = |text: &str| {
        let (config, warnings) = loaded(text);
        assert_eq!(warnings, [""; 0], "{text}");
        config.sharing.consolidate
    };
    assert!(!consolidate("sharing: {reclaim: false}"));
    assert!(consolidate("sharing: {reclaim: false, consolidate: true}"));
}

#[test]
fn errors_of_our_own_format() {
    let check = |text: &str, expect: &[&str]| assert_eq!(refused(text), expect, "{text}");
    check("schedulerName: [x]", &["line 1: schedulerName: is not a known key; did you mean schedulerNames?"]);
    check("placment: {}", &["line 1: placment: is not a known key; did you mean placement?"]);
    check(
        "fairness: {}",
        &[
            "line 1: fairness: is not a known key; known are schedulerNames, topology, placement, admission, order, grouping, \
             sharing",
        ],
    );
    check(
        "placement:\n  packing: tigth\n  levelWeigth: 3\n",
        &[
            "line 2: placement.packing: is the text \"tigth\"; write tight or spread",
            "line 3: placement.levelWeigth: is not a known key; did you mean levelWeight?",
        ],
    );
    check(
        "placement: [a]",
        &[
            "line 1: placement: is a list; write keys: order, levelWeight, packing, searchBudget, resourceWeights",
        ],
    );
    check(
        "placement: {levelWeight: 0}",
        &["line 1: placement.levelWeight: is the number 0; write a number from 1 to 1000"],
    );
    check(
        "placement: {searchBudget: -1}",
        &["line 1: placement.searchBudget: is the number -1; write a number from 1 to 1000000000"],
    );
    check(
        "placement: {searchBudget: 1.5}",
        &["line 1: placement.searchBudget: is the number 1.5; write a number from 1 to 1000000000"],
    );
    check(
        "placement: {resourceWeights: {nvidia.com/gpu: much}}",
        &[
            "line 1: placement.resourceWeights[\"nvidia.com/gpu\"]: is the text \"much\"; write a number from 0 to 1000000",
        ],
    );
    let all =
        "list each of subgroupTier, gangTier, domains, stranded, nodeScore once, the most important first";
    check(
        "placement:\n  order:\n  - gangTier\n  - domains\n",
        &[&format!("line 3: placement.order: lacks subgroupTier, stranded, nodeScore; {all}")],
    );
    check(
        "placement:\n  order: [gangTier, gangTier, domain, subgroupTier, stranded]\n",
        &[
            &format!("line 2: placement.order[1]: gangTier is listed twice; {all}"),
            "line 2: placement.order[2]: the text \"domain\" is no cost term; did you mean domains?",
        ],
    );
    check(
        "schedulerNames: []",
        &["line 1: schedulerNames: is empty, so that no pod would be scheduled; name one, such as volcano"],
    );
    check(
        "schedulerNames: volcano",
        &[
            "line 1: schedulerNames: is the text \"volcano\"; write a list; each item is a scheduler name such as volcano",
        ],
    );
    check(
        "schedulerNames:\n- volcano\n- Volcano\n- volcano\n- 7\n",
        &[
            "line 3: schedulerNames[1]: is the text \"Volcano\"; write a scheduler name such as volcano",
            "line 4: schedulerNames[2]: volcano is listed twice; list it once",
            "line 5: schedulerNames[3]: is the number 7; write a scheduler name such as volcano",
        ],
    );
    check(
        "topology: {domainLabels: [a/b/c]}",
        &[
            "line 1: topology.domainLabels[0]: is the text \"a/b/c\"; write a label key such as kubernetes.io/hostname",
        ],
    );
    check("- a\n- b\n", &["line 1: the configuration is a list; write keys and values"]);
    check(
        "placement:\n  packing: tight\n packing: x\n",
        &["line 3: not valid YAML: while parsing a block mapping, did not find expected key"],
    );
    check("placement: {}\nplacement: {}\n", &["line 2: not valid YAML: duplicate mapping key: placement"]);
    check("{}\n---\n{}\n", &["line 3: not valid YAML: multiple YAML documents detected"]);
}
