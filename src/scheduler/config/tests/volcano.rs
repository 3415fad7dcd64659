//! Volcano's format.

use super::*;
use crate::placement::Packing;
use serde_json::json;

/// The three configurations that Volcano ships, as specs of its defaults list them.
const BUILT_IN: &str = "
actions: \"enqueue, allocate, backfill\"
tiers:
- plugins:
  - name: priority
  - name: gang
  - name: conformance
- plugins:
  - name: overcommit
  - name: drf
  - name: predicates
  - name: proportion
  - name: nodeorder
";
const HELM: &str = "
actions: \"enqueue, allocate, backfill\"
tiers:
- plugins:
  - name: priority
  - name: gang
    enablePreemptable: false
  - name: conformance
- plugins:
  - name: overcommit
  - name: drf
    enablePreemptable: false
  - name: predicates
  - name: proportion
  - name: nodeorder
  - name: binpack
";
const CI: &str = "
actions: \"enqueue, allocate, backfill, reclaim, preempt\"
tiers:
- plugins:
  - name: priority
  - name: gang
    enablePreemptable: false
  - name: conformance
  - name: sla
- plugins:
  - name: overcommit
  - name: drf
    enablePreemptable: false
  - name: predicates
    arguments:
      predicate.DynamicResourceAllocationEnable: true
  - name: proportion
  - name: nodeorder
  - name: binpack
  - name: network-topology-aware
";

fn volcano(text: &str) -> VolcanoConfig {
    loaded(text).0.volcano.expect("a Volcano file")
}

fn names(file: &VolcanoConfig) -> Vec<Vec<&str>> {
    file.tiers.iter().map(|tier| tier.iter().map(|plugin| plugin.name.as_str()).collect()).collect()
}

#[test]
fn configurations_that_volcano_ships() {
    let file = volcano(BUILT_IN);
    assert_eq!(file.actions, [Action::Enqueue, Action::Allocate, Action::Backfill]);
    let second = vec!["overcommit", "drf", "predicates", "proportion", "nodeorder"];
    assert_eq!(names(&file), [vec!["priority", "gang", "conformance"], second.clone()]);
    assert_eq!(loaded(BUILT_IN).0.placement.packing, Packing::Spread, "nodeorder prefers empty nodes");
    assert_eq!(loaded(BUILT_IN).1, [""; 0]);

    let file = volcano(HELM);
    assert_eq!(names(&file)[1], [second.as_slice(), &["binpack"]].concat());
    assert_eq!(file.tiers[0][1].flags, [("enablePreemptable", false)].into());
    assert_eq!(loaded(HELM).0.placement.packing, Packing::Tight, "binpack draws with nodeorder");
    let warnings = loaded(HELM).1;
    assert_eq!(warnings.len(), 1, "{warnings:#?}");
    assert!(warnings.contains(
        &"line 7: tiers[0].plugins[1].enablePreemptable: enablePreemptable: false of gang, drf has no meaning yet"
            .to_owned()
    ));

    let (config, warnings) = loaded(CI);
    let file = config.volcano.expect("a Volcano file");
    assert_eq!(file.actions[3..], [Action::Reclaim, Action::Preempt]);
    let argument = json!(true);
    assert_eq!(file.tiers[1][2].arguments["predicate.DynamicResourceAllocationEnable"], argument);
    assert_eq!((config.sharing.reclaim, config.sharing.preempt), (true, true));
    assert_eq!(warnings.len(), 2, "{warnings:#?}");
    assert_eq!(config.cluster, SchedulerConfig::default().cluster);
    assert_eq!(config.placement, SchedulerConfig::default().placement);
}

#[test]
fn wrapped_in_a_config_map() {
    let indented = HELM.trim().replace('\n', "\n    ");
    let wrapped = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: volcano-scheduler-configmap\ndata:\n  \
         volcano-scheduler.conf: |\n    {indented}\n"
    );
    assert_eq!(loaded(&wrapped).0, loaded(HELM).0);
    let shifted = wrapped.replace("name: binpack", "name: binpakc");
    let warnings = loaded(&shifted).1;
    let line = shifted.lines().position(|line| line.contains("binpakc")).unwrap() + 1;
    let expect =
        format!("line {line}: tiers[1].plugins[5]: there is no plugin binpakc; did you mean binpack?");
    assert!(warnings.contains(&expect), "{warnings:#?}");

    let own = "kind: ConfigMap\ndata:\n  default.yaml: |\n    placement:\n      packing: x\n";
    assert_eq!(refused(own), ["line 5: placement.packing: is the text \"x\"; write tight or spread"]);
    let quoted = "kind: ConfigMap\ndata:\n  x: 'placement: {packing: x}'\n";
    assert_eq!(refused(quoted), ["line 3: placement.packing: is the text \"x\"; write tight or spread"]);
    let two = "kind: ConfigMap\ndata: {a: 'x', b: 'y'}\n";
    assert_eq!(
        refused(two),
        ["line 1: data: the ConfigMap has 2 entries; give data one entry that holds the configuration",]
    );
    assert!(refused("kind: ConfigMap\n")[0].contains("has 0 entries"));
}

#[test]
fn every_action_and_plugin_name_is_known() {
    let actions = "enqueue,allocate ,backfill, preempt,reclaim,shuffle,gangpreempt,gangreclaim";
    let plugins = "binpack capacity cdp conformance deviceshare drf extender gang network-topology-aware nodegroup \
                   nodeorder numa-aware overcommit pdb predicates priority proportion rescheduling \
                   resource-strategy-fit resourcequota sla task-topology tdm usage";
    let plugins: Vec<&str> = plugins.split_whitespace().collect();
    assert_eq!(plugins.len(), 24);
    let list: String = plugins.iter().map(|name| format!("  - name: {name}\n")).collect();
    let (config, warnings) = loaded(&format!("actions: \"{actions}\"\ntiers:\n- plugins:\n{list}"));
    assert_eq!(config.volcano.expect("a Volcano file").actions.len(), 8);
    assert!(warnings.iter().all(|warning| warning.contains("has no meaning yet: ")), "{warnings:#?}");
    // One action, and plugins that score, move or look into nodes and load.
    assert_eq!(warnings.len(), 1 + 10, "{warnings:#?}");
}

#[test]
fn both_spellings_of_every_flag() {
    let flags = "enableJobOrder enableHierarchy enableJobReady enableJobPipelined enableTaskOrder enablePreemptable \
                 enableReclaimable enablePreemptive enableQueueOrder enabledClusterOrder enablePredicate enableBestNode \
                 enableNodeOrder enableTargetJob enableReservedNodes enableJobEnqueued enabledVictim enableJobStarving \
                 enabledOverused enabledAllocatable enabledHyperNodeOrder enabledSubJobReady enabledSubJobPipelined \
                 enabledSubJobOrder enabledHyperNodeGradient";
    let flags: Vec<&str> = flags.split_whitespace().collect();
    assert_eq!(flags.len(), 25);
    for flag in flags {
        let stem = flag.strip_prefix("enabled").or(flag.strip_prefix("enable")).unwrap();
        for (spelling, value, expect) in [
            ("enable", "false", false),
            ("enabled", "\"true\"", true),
            ("enable", "no", false),
            ("enabled", "On", true),
        ] {
            let text = format!(
                "actions: allocate\ntiers:\n- plugins:\n  - name: priority\n    {spelling}{stem}: {value}\n"
            );
            let file = volcano(&text);
            assert_eq!(file.tiers[0][0].flags, [(flag, expect)].into(), "{text}");
        }
    }
    let (config, warnings) =
        loaded("actions: allocate\ntiers:\n- plugins:\n  - name: gang\n    enableJobRaedy: false\n");
    assert_eq!(
        warnings,
        [
            "line 5: tiers[0].plugins[0].enableJobRaedy: is not a known key and is ignored; did you mean enableJobReady?",
        ]
    );
    assert!(config.volcano.expect("a Volcano file").tiers[0][0].flags.is_empty());
}

#[test]
fn weights_decide_packing() {
    let check = |plugins: &str, expect: Packing| {
        assert_eq!(loaded(&with_plugins(plugins)).0.placement.packing, expect, "{plugins}");
    };
    let nodeorder = |arguments: &str| format!("  - {{name: nodeorder, arguments: {{{arguments}}}}}\n");
    let binpack = |arguments: &str| format!("  - {{name: binpack, arguments: {{{arguments}}}}}\n");
    check("  - name: gang\n", Packing::Tight);
    check("  - name: nodeorder\n", Packing::Spread);
    check("  - {name: nodeorder, enableNodeOrder: false}\n", Packing::Tight);
    check(&nodeorder("leastrequested.weight: 0"), Packing::Tight);
    check(&nodeorder("mostrequested.weight: 1"), Packing::Tight);
    check(&nodeorder("mostrequested.weight: 1, leastrequested.weight: 2"), Packing::Spread);
    check(&nodeorder("mostrequested.weight: '1', leastrequested.weight: \"0\""), Packing::Tight);
    check(&(nodeorder("") + "  - name: binpack\n"), Packing::Tight);
    check(&(nodeorder("leastrequested.weight: 5") + &binpack("binpack.weight: 4")), Packing::Spread);
    check(&(nodeorder("leastrequested.weight: 5") + &binpack("binpack.weight: '10'")), Packing::Tight);
    check(&(nodeorder("") + "  - {name: binpack, enabledNodeOrder: false}\n"), Packing::Spread);
    check(&(nodeorder("") + "  - name: network-topology-aware\n"), Packing::Tight);
    check(&(nodeorder("") + "  - {name: network-topology-aware, arguments: {weight: 0}}\n"), Packing::Spread);
    check(
        &(nodeorder("") + "  - {name: network-topology-aware, enabledHyperNodeOrder: off}\n"),
        Packing::Spread,
    );
}

#[test]
fn weights_of_resources() {
    let check = |plugins: &str, expect: &[(&str, i64)], warnings: &[&str]| {
        let (config, found) = loaded(&with_plugins(plugins));
        let weights: Vec<_> =
            config.resource_weights.iter().map(|(name, weight)| (name.as_str(), *weight)).collect();
        assert_eq!(weights, expect, "{plugins}");
        assert_eq!(found, warnings, "{plugins}");
    };
    check("  - name: binpack\n", &[], &[]);
    check(
        "  - name: binpack\n    arguments:\n      binpack.weight: 10\n      binpack.cpu: 5\n      \
         binpack.resources: nvidia.com/gpu, example.com/foo\n      binpack.resources.nvidia.com/gpu: '2'\n",
        &[("cpu", 5), ("example.com/foo", 1), ("memory", 1), ("nvidia.com/gpu", 2)],
        &[],
    );
    check(
        "  - name: binpack\n    arguments:\n      binpack.cpu: 5\n      binpack.resources.nvidia.com/gpu: 2\n",
        &[("cpu", 5), ("memory", 1)],
        &["line 7: tiers[0].plugins[0].arguments[\"binpack.resources.nvidia.com/gpu\"]: has no effect: \
           nvidia.com/gpu is not listed in binpack.resources"],
    );
    check(
        "  - name: binpack\n    arguments: {binpack.cpu: 2}\n  - name: network-topology-aware\n    \
         arguments: {hypernode.binpack.cpu: 3, hypernode.binpack.resources: a.b/c}\n",
        &[("a.b/c", 1), ("cpu", 3), ("memory", 1)],
        &["line 6: tiers: hypernode.binpack.* weigh nodes too: weights of binpack that differ are not used"],
    );
    check(
        "  - name: binpack\n    arguments: {binpack.cpu: many, binpack.memory: -1}\n",
        &[("cpu", 1), ("memory", 1)],
        &[
            "line 5: tiers[0].plugins[0].arguments[\"binpack.cpu\"]: is the text \"many\", not a number of at least 0; \
             1 is used",
            "line 5: tiers[0].plugins[0].arguments[\"binpack.memory\"]: is the number -1, not a number of at least 0; \
             1 is used",
        ],
    );
}

#[test]
fn one_warning_for_each_name_without_meaning() {
    let check = |text: &str, expect: &[&str]| assert_eq!(loaded(text).1, expect, "{text}");
    check(
        &with_plugins("  - name: gnag\n"),
        &["line 4: tiers[0].plugins[0]: there is no plugin gnag; did you mean gang?"],
    );
    check(
        &with_plugins("  - name: gang\n    arguments: {x: 1}\n"),
        &["line 5: tiers[0].plugins[0].arguments.x: gang has no arguments"],
    );
    check(
        &with_plugins("  - {name: nodeorder, arguments: {imagelocality.weight: 2, podafinity.weight: 1}}\n"),
        &[
            "line 4: tiers[0].plugins[0].arguments[\"imagelocality.weight\"]: has no meaning yet",
            "line 4: tiers[0].plugins[0].arguments[\"podafinity.weight\"]: is not a known argument of nodeorder; \
         did you mean podaffinity.weight?",
        ],
    );
    check(
        &with_plugins("  - name: usage\n- plugins:\n  - name: usage\n"),
        &["line 4: tiers[0].plugins[0]: usage has no meaning yet: no load figures are read"],
    );
    check(
        "actions: allocate\nconfigurations:\n- name: allocate\n  arguments: {predicateErrorCacheEnable: true}\n- name: x\n",
        &[
            "line 3: configurations[0]: arguments of allocate have no meaning yet",
            "line 5: configurations[1]: there is no action \"x\"; known are enqueue, allocate, backfill, preempt, \
             reclaim, shuffle, gangpreempt, gangreclaim",
        ],
    );
    check(
        "actions: allocate\nmetrics: {type: prometheus, interval: 30s}\n",
        &["line 2: metrics: has no meaning yet: no load figures are read"],
    );
    check(
        "actions: allocate\ntier: []\n",
        &["line 2: tier: is not a known key and is ignored; did you mean tiers?"],
    );
    check("actions: enqueue, backfill\n", &["actions: gangs are placed although allocate is not listed"]);
}

#[test]
fn what_the_file_says_is_carried() {
    let file = volcano(
        "actions: allocate\nconfigurations:\n- name: gangpreempt\n  arguments: {maxDomains: 4, allowWholeBundle: false}\n\
         metrics: {type: prometheus, address: 'http://m:9090', interval: 30}\n\
         tiers:\n- plugins:\n  - name: overcommit\n    arguments: {overcommit-factor: 1.5, nested: {a: [1]}}\n",
    );
    assert_eq!(file.configurations[0].name, "gangpreempt");
    assert_eq!(file.configurations[0].arguments["maxDomains"], json!(4));
    assert_eq!(file.configurations[0].arguments["allowWholeBundle"], json!(false));
    assert_eq!(file.metrics["interval"], "30");
    assert_eq!(file.tiers[0][0].arguments["overcommit-factor"], json!(1.5));
    assert_eq!(file.tiers[0][0].arguments["nested"], json!({"a": [1]}));
}

#[test]
fn errors_of_a_volcano_file() {
    let check = |text: &str, expect: &[&str]| assert_eq!(refused(text), expect, "{text}");
    check(
        "actions: enqueue, alocate\n",
        &["line 1: actions: there is no action \"alocate\"; did you mean allocate?"],
    );
    check("tiers: []\n", &["line 1: lists no actions; write actions: \"enqueue, allocate, backfill\""]);
    check(
        "actions: [allocate]\n",
        &["line 1: actions: is a list; write one text with commas: \"enqueue, allocate, backfill\""],
    );
    check(
        "actions: allocate\ntiers: {plugins: []}\n",
        &["line 2: tiers: is a map; write a list of tiers, each with plugins"],
    );
    check(
        "actions: allocate\ntiers:\n- plugins:\n  - gang\n  - enableJobOrder: maybe\n",
        &[
            "line 4: tiers[0].plugins[0]: is the text \"gang\"; write name: followed by the plugin's name",
            "line 5: tiers[0].plugins[1].enableJobOrder: is the text \"maybe\"; write true or false",
            "line 5: tiers[0].plugins[1]: the plugin has no name; write name: gang, for example",
        ],
    );
    check(
        "actions: allocate\ntiers:\n- plugins:\n  - {name: drf, enableHierarchy: true}\n  - name: proportion\n",
        &[
            "line 4: tiers[0].plugins[0]: drf with enableHierarchy and proportion are in one tier; remove one of the two",
        ],
    );
}
