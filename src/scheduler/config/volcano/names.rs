//! Every name that a Volcano file may use: actions, plugins, enable flags, arguments, and what becomes of each here.

use super::Action;

/// An action.
pub(super) struct KnownAction {
    pub(super) name: &'static str,
    pub(super) action: Action,
    /// Why it does nothing yet.
    pub(super) idle: Option<&'static str>,
}

const fn action(name: &'static str, action: Action, idle: Option<&'static str>) -> KnownAction {
    KnownAction { name, action, idle }
}

pub(super) const ACTIONS: [KnownAction; 8] = [
    action("enqueue", Action::Enqueue, None),
    action("allocate", Action::Allocate, None),
    action("backfill", Action::Backfill, None),
    action("preempt", Action::Preempt, None),
    action("reclaim", Action::Reclaim, None),
    action("shuffle", Action::Shuffle, Some("running pods are not moved")),
    action("gangpreempt", Action::GangPreempt, None),
    action("gangreclaim", Action::GangReclaim, None),
];

/// A plugin.
pub(super) struct KnownPlugin {
    pub(super) name: &'static str,
    /// Why it does nothing yet; `None` where it has a meaning.
    pub(super) idle: Option<&'static str>,
    /// Arguments that have a meaning. One that ends in a dot is a prefix.
    pub(super) used: &'static [&'static str],
    /// Arguments that have none yet.
    pub(super) unused: &'static [&'static str],
}

const fn idle(name: &'static str, why: &'static str) -> KnownPlugin {
    KnownPlugin { name, idle: Some(why), used: &[], unused: &[] }
}

const fn plugin(
    name: &'static str,
    used: &'static [&'static str],
    unused: &'static [&'static str],
) -> KnownPlugin {
    KnownPlugin { name, idle: None, used, unused }
}

const NOT_SCORED: &str = "nodes are not scored by it yet";

pub(super) const PLUGINS: [KnownPlugin; 24] = [
    plugin(
        "binpack",
        &["binpack.weight", "binpack.cpu", "binpack.memory", "binpack.resources", "binpack.resources."],
        &[],
    ),
    plugin("capacity", &[], &["ancestorReclaimLevel"]),
    plugin("cdp", &[], &[]),
    plugin("conformance", &[], &[]),
    idle("deviceshare", "shared devices count as plain extended resources"),
    plugin("drf", &[], &[]),
    idle("extender", "no extender is called"),
    plugin("gang", &[], &[]),
    plugin(
        "network-topology-aware",
        &[
            "weight",
            "hypernode.binpack.cpu",
            "hypernode.binpack.memory",
            "hypernode.binpack.resources",
            "hypernode.binpack.resources.",
        ],
        &[
            "hypernode.binpack.normal-pod.enable",
            "hypernode.binpack.normal-pod.fading",
            "hypernode.gradient.evict.max-hypernodes",
        ],
    ),
    idle("nodegroup", "queues are not tied to node groups yet"),
    plugin(
        "nodeorder",
        &["leastrequested.weight", "mostrequested.weight"],
        &[
            "nodeaffinity.weight",
            "podaffinity.weight",
            "balancedresource.weight",
            "tainttoleration.weight",
            "imagelocality.weight",
            "podtopologyspread.weight",
        ],
    ),
    idle("numa-aware", "the inside of a node is not looked at"),
    plugin("overcommit", &["overcommit-factor"], &[]),
    plugin("pdb", &[], &[]),
    plugin(
        "predicates",
        &[
            "predicate.NodeAffinityEnable",
            "predicate.NodePortsEnable",
            "predicate.TaintTolerationEnable",
            "predicate.PodAffinityEnable",
            "predicate.NodeVolumeLimitsEnable",
            "predicate.VolumeZoneEnable",
            "predicate.PodTopologySpreadEnable",
            "predicate.VolumeBindingEnable",
        ],
        &["predicate.CacheEnable", "predicate.DynamicResourceAllocationEnable"],
    ),
    plugin("priority", &[], &[]),
    plugin("proportion", &[], &[]),
    idle("rescheduling", "running pods are not moved"),
    idle("resource-strategy-fit", NOT_SCORED),
    idle("resourcequota", "quotas are left to the API server"),
    plugin("sla", &["sla-waiting-time"], &[]),
    idle("task-topology", NOT_SCORED),
    idle("tdm", "nodes are not shared by time of day"),
    idle("usage", "no load figures are read"),
];

/// An enable flag.
pub(super) struct Flag {
    /// As Volcano spells it.
    pub(super) name: &'static str,
    /// Its value where it is not written.
    pub(super) default: bool,
    /// Plugins for which it has a meaning here.
    pub(super) used_by: &'static [&'static str],
    /// What it would switch off, where that cannot be switched off.
    pub(super) guards: Option<&'static str>,
}

const fn flag_of(name: &'static str) -> Flag {
    Flag { name, default: true, used_by: &[], guards: None }
}

const fn guard(name: &'static str, guards: &'static str) -> Flag {
    Flag { name, default: true, used_by: &[], guards: Some(guards) }
}

const fn off(name: &'static str) -> Flag {
    Flag { name, default: false, used_by: &[], guards: None }
}

const fn used(name: &'static str, used_by: &'static [&'static str]) -> Flag {
    Flag { name, default: true, used_by, guards: None }
}

const MINIMUM: &str = "a gang is placed with its minimum or not at all";

pub(super) const FLAGS: [Flag; 25] = [
    used("enableJobOrder", &["sla"]),
    off("enableHierarchy"),
    guard("enableJobReady", MINIMUM),
    guard("enableJobPipelined", MINIMUM),
    flag_of("enableTaskOrder"),
    flag_of("enablePreemptable"),
    flag_of("enableReclaimable"),
    flag_of("enablePreemptive"),
    flag_of("enableQueueOrder"),
    off("enabledClusterOrder"),
    guard("enablePredicate", "nodes are always filtered"),
    flag_of("enableBestNode"),
    used("enableNodeOrder", &["binpack", "nodeorder"]),
    flag_of("enableTargetJob"),
    flag_of("enableReservedNodes"),
    used("enableJobEnqueued", &["overcommit", "proportion", "capacity", "sla"]),
    flag_of("enabledVictim"),
    flag_of("enableJobStarving"),
    flag_of("enabledOverused"),
    flag_of("enabledAllocatable"),
    used("enabledHyperNodeOrder", &["network-topology-aware"]),
    guard("enabledSubJobReady", MINIMUM),
    guard("enabledSubJobPipelined", MINIMUM),
    flag_of("enabledSubJobOrder"),
    guard("enabledHyperNodeGradient", "limits of network topology always bind"),
];

/// The flag that a key means, in either spelling.
pub(super) fn flag(key: &str) -> Option<&'static str> {
    let stem = |name: &str| name.strip_prefix("enabled").or(name.strip_prefix("enable")).map(str::to_owned);
    let wanted = stem(key)?;
    FLAGS.iter().find(|flag| stem(flag.name).is_some_and(|known| known == wanted)).map(|flag| flag.name)
}
