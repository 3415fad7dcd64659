//! What a Volcano file means for placement, and a warning for each name that means nothing yet.
//!
//! Upstream adds up weighted scores; here cost terms have an order and ties are broken by how full nodes and domains
//! are. So the scores that pull towards full nodes (`binpack.weight`, `mostrequested.weight`, `weight` of
//! network-topology-aware) are weighed against the one that pulls towards empty ones (`leastrequested.weight`), with
//! upstream's defaults, and the heavier side decides `packing`; at a draw it is tight. Weights of resources are taken
//! where the file gives any: from network-topology-aware, else from binpack.

use super::names::{ACTIONS, FLAGS, KnownPlugin, PLUGINS};
use super::{Action, Written};
use crate::api::quantity::Quantity;
use crate::api::time::parse_span;
use crate::placement::Packing;
use crate::scheduler::admission::AdmissionRules;
use crate::scheduler::config::SchedulerConfig;
use crate::scheduler::config::document::{Node, Problems, suggestion};
use std::collections::BTreeMap;
use std::time::Duration;

/// No weight counts for more than this.
const LARGEST_WEIGHT: i64 = 1_000_000;

pub(super) fn apply(
    actions: &[Action],
    tiers: &[Vec<Written<'_>>],
    config: &mut SchedulerConfig,
    problems: &mut Problems,
) {
    idle_actions(actions, problems);
    config.waiting_times.count = false;
    let does = |names: [Action; 2]| names.iter().any(|action| actions.contains(action));
    config.sharing.reclaim = does([Action::Reclaim, Action::GangReclaim]);
    config.sharing.preempt = does([Action::Preempt, Action::GangPreempt]);
    config.admission.by_resources = actions.contains(&Action::Enqueue);
    let mut warned: Vec<&str> = Vec::new();
    let (mut tight, mut spread) = (0, 0);
    let mut weights: [Option<Vec<(String, i64)>>; 2] = [None, None];
    let mut weights_line = 0;
    for plugin in tiers.iter().flatten() {
        let Some(known) = PLUGINS.iter().find(|known| known.name == plugin.name) else {
            let names: Vec<&str> = PLUGINS.iter().map(|known| known.name).collect();
            let message = format!("there is no plugin {}; {}", plugin.name, suggestion(&plugin.name, &names));
            problems.warn(plugin.node.line, &plugin.node.path, message);
            continue;
        };
        if matches!(known.name, "proportion" | "capacity") && plugin.enabled("enableJobEnqueued") {
            config.admission.queue_limits = config.admission.by_resources;
        }
        if let Some(why) = known.idle {
            if !warned.contains(&known.name) {
                warned.push(known.name);
                let message = format!("{} has no meaning yet: {why}", known.name);
                problems.warn(plugin.node.line, &plugin.node.path, message);
            }
            continue;
        }
        unused_arguments(plugin, known, problems);
        match known.name {
            "binpack" if plugin.enabled("enableNodeOrder") => {
                tight += weight(plugin, "binpack.weight", 1, problems);
                weights[1] = resource_weights(plugin, "binpack", problems).or(weights[1].take());
            }
            "network-topology-aware" if plugin.enabled("enabledHyperNodeOrder") => {
                tight += weight(plugin, "weight", 1, problems);
                weights[0] = resource_weights(plugin, "hypernode.binpack", problems).or(weights[0].take());
                weights_line = plugin.node.line;
            }
            "nodeorder" if plugin.enabled("enableNodeOrder") => {
                tight += weight(plugin, "mostrequested.weight", 0, problems);
                spread += weight(plugin, "leastrequested.weight", 1, problems);
            }
            "predicates" => filters(plugin, known, problems),
            "overcommit" if plugin.enabled("enableJobEnqueued") && config.admission.by_resources => {
                config.admission.overcommit = Some(overcommit(plugin, problems));
            }
            "sla" => {
                config.waiting_times.count = plugin.enabled("enableJobOrder");
                config.waiting_times.default = waiting_time(plugin, problems);
                config.admission.waiting_times_admit = plugin.enabled("enableJobEnqueued");
            }
            _ => {}
        }
    }
    idle_flags(tiers, problems);
    config.placement.packing = if spread > tight { Packing::Spread } else { Packing::Tight };
    if let [Some(domains), Some(nodes)] = &weights
        && domains != nodes
    {
        let message = "hypernode.binpack.* weigh nodes too: weights of binpack that differ are not used";
        problems.warn(weights_line, "tiers", message);
    }
    let [domains, nodes] = weights;
    if let Some(weights) = domains.or(nodes) {
        config.resource_weights = weights;
    }
}

fn idle_actions(actions: &[Action], problems: &mut Problems) {
    for known in &ACTIONS {
        if let Some(why) = known.idle
            && actions.contains(&known.action)
        {
            problems.warn(0, "actions", format!("{} has no meaning yet: {why}", known.name));
        }
    }
    if !actions.is_empty() && !actions.contains(&Action::Allocate) {
        problems.warn(0, "actions", "gangs are placed although allocate is not listed");
    }
}

/// One warning for each flag that is not at its default and has no effect, naming the plugins.
fn idle_flags(tiers: &[Vec<Written<'_>>], problems: &mut Problems) {
    for flag in &FLAGS {
        let mut plugins: Vec<&str> = Vec::new();
        let mut first = None;
        for plugin in tiers.iter().flatten() {
            let set = plugin.flags.get(flag.name).filter(|&&(_, value)| value != flag.default);
            if let Some((entry, _)) = set
                && !flag.used_by.contains(&plugin.name.as_str())
            {
                first.get_or_insert(*entry);
                plugins.push(&plugin.name);
            }
        }
        let Some(entry) = first else { continue };
        let (value, plugins) = (!flag.default, plugins.join(", "));
        let message = match flag.guards {
            Some(what) => format!("{}: {value} of {plugins} has no effect: {what}", flag.name),
            None => format!("{}: {value} of {plugins} has no meaning yet", flag.name),
        };
        problems.warn(entry.line, &entry.value.path, message);
    }
}

fn unused_arguments(plugin: &Written<'_>, known: &KnownPlugin, problems: &mut Problems) {
    for entry in plugin.arguments {
        let key = entry.key.as_str();
        let is_used =
            known.used.iter().any(|&name| key == name || (name.ends_with('.') && key.starts_with(name)));
        if is_used {
            continue;
        }
        let message = if known.unused.contains(&key) {
            "has no meaning yet".to_owned()
        } else if known.used.is_empty() && known.unused.is_empty() {
            format!("{} has no arguments", known.name)
        } else {
            let names: Vec<&str> = known.used.iter().chain(known.unused).copied().collect();
            format!("is not a known argument of {}; {}", known.name, suggestion(key, &names))
        };
        problems.warn(entry.line, &entry.value.path, message);
    }
}

/// Filters that the file would switch off.
fn filters(plugin: &Written<'_>, known: &KnownPlugin, problems: &mut Problems) {
    for entry in plugin.arguments.iter().filter(|entry| known.used.contains(&entry.key.as_str())) {
        if entry.value.boolean() == Some(false) {
            problems.warn(entry.line, &entry.value.path, "has no effect: nodes are always filtered by it");
        }
    }
}

/// A weight of a score: a number of at least 0, or upstream's default with a warning.
fn weight(plugin: &Written<'_>, key: &str, default: i64, problems: &mut Problems) -> i64 {
    let Some(value) = argument(plugin, key) else { return default };
    match value.integer() {
        Some(number) if number >= 0 => number.min(LARGEST_WEIGHT),
        _ => {
            let message = format!("is {}, not a number of at least 0; {default} is used", value.name());
            problems.warn(value.line, &value.path, message);
            default
        }
    }
}

/// The factor that the cluster counts by, in thousandths; upstream's default where it is below 1 or no number.
fn overcommit(plugin: &Written<'_>, problems: &mut Problems) -> i64 {
    let Some(value) = argument(plugin, "overcommit-factor") else { return AdmissionRules::OVERCOMMIT };
    let written = value.scalar_text().and_then(|text| Quantity(text).milli().ok());
    match written.filter(|milli| (1000..=LARGEST_WEIGHT).contains(milli)) {
        Some(milli) => milli,
        None => {
            let message = format!("is {}, not a number of at least 1; 1.2 is used", value.name());
            problems.warn(value.line, &value.path, message);
            AdmissionRules::OVERCOMMIT
        }
    }
}

/// How long a gang without a waiting time of its own may wait.
fn waiting_time(plugin: &Written<'_>, problems: &mut Problems) -> Option<Duration> {
    let value = argument(plugin, "sla-waiting-time")?;
    let span = value.text().and_then(parse_span).filter(|span| !span.is_zero());
    if span.is_none() {
        let message = format!("is {}, not a span such as 1h30m; it is left out", value.name());
        problems.warn(value.line, &value.path, message);
    }
    span
}

/// The weights of cpu, memory and further resources; `None` if the file gives none.
fn resource_weights(
    plugin: &Written<'_>,
    prefix: &str,
    problems: &mut Problems,
) -> Option<Vec<(String, i64)>> {
    let listed = argument(plugin, &format!("{prefix}.resources")).and_then(Node::text).unwrap_or_default();
    let listed: Vec<&str> = listed.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    let given = ["cpu", "memory"].iter().any(|name| argument(plugin, &format!("{prefix}.{name}")).is_some());
    let mut weights = BTreeMap::new();
    for resource in &listed {
        let key = format!("{prefix}.resources.{resource}");
        weights.insert((*resource).to_owned(), weight(plugin, &key, 1, problems));
    }
    for resource in ["cpu", "memory"] {
        weights.insert(resource.to_owned(), weight(plugin, &format!("{prefix}.{resource}"), 1, problems));
    }
    for entry in plugin.arguments {
        let resource = entry.key.strip_prefix(&format!("{prefix}.resources."));
        if let Some(resource) = resource.filter(|resource| !listed.contains(resource)) {
            let message = format!("has no effect: {resource} is not listed in {prefix}.resources");
            problems.warn(entry.line, &entry.value.path, message);
        }
    }
    (given || !listed.is_empty()).then(|| weights.into_iter().collect())
}

fn argument<'a>(plugin: &'a Written<'_>, key: &str) -> Option<&'a Node> {
    plugin.arguments.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
}
