//! Volcano's `scheduler.conf` (volcano `pkg/scheduler/conf`, `pkg/scheduler/util.go`), read as it is.
//!
//! What Volcano refuses is refused: an unknown action, a value of the wrong type. What Volcano ignores is ignored, with
//! one warning for each name. Numbers and booleans written as texts count, and every enable flag is known by both of
//! its spellings (`enableX`, `enabledX`). What the file means for placement is in `meaning`.

mod meaning;
mod names;

use super::SchedulerConfig;
use super::document::{Entry, Node, Problems, suggestion};
use names::{ACTIONS, FLAGS};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// A Volcano file, in its own terms.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VolcanoConfig {
    /// What a cycle does, in order.
    pub actions: Vec<Action>,
    /// Plugins by tier; earlier tiers decide first.
    pub tiers: Vec<Vec<Plugin>>,
    /// Arguments of actions.
    pub configurations: Vec<ActionArguments>,
    /// Where load figures come from.
    pub metrics: BTreeMap<String, String>,
}

/// A step of Volcano's cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[allow(missing_docs)] // the names are Volcano's
pub enum Action {
    Enqueue,
    Allocate,
    Backfill,
    Preempt,
    Reclaim,
    Shuffle,
    GangPreempt,
    GangReclaim,
}

/// A plugin of a tier.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Plugin {
    /// One of Volcano's 24, or a name that Volcano does not know either.
    pub name: String,
    /// Extension points that are switched on or off, by the name that Volcano writes.
    #[serde(deserialize_with = "known_flags")]
    pub flags: BTreeMap<&'static str, bool>,
    /// Its arguments, as written.
    pub arguments: BTreeMap<String, Value>,
}

/// Arguments of an action.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ActionArguments {
    /// The action.
    pub name: String,
    /// Its arguments, as written.
    pub arguments: BTreeMap<String, Value>,
}

/// Flags as they were written out; those that nobody knows are left out.
fn known_flags<'de, D: serde::Deserializer<'de>>(from: D) -> Result<BTreeMap<&'static str, bool>, D::Error> {
    let written = BTreeMap::<String, bool>::deserialize(from)?;
    let known = |(name, on)| Some((FLAGS.iter().find(|flag| flag.name == name)?.name, on));
    Ok(written.into_iter().filter_map(known).collect())
}

const KEYS: [&str; 4] = ["actions", "tiers", "configurations", "metrics"];

/// Is it a Volcano file?
pub(super) fn claims(root: &Node) -> bool {
    KEYS.iter().any(|key| root.get(key).is_some())
}

pub(super) fn read(root: &Node, problems: &mut Problems) -> SchedulerConfig {
    let mut file = VolcanoConfig::default();
    let mut plugins = Vec::new();
    for entry in root.entries(problems, "") {
        let value = &entry.value;
        match entry.key.as_str() {
            "actions" => file.actions = actions(value, problems),
            "tiers" => plugins = tiers(value, problems),
            "configurations" => file.configurations = configurations(value, problems),
            "metrics" => file.metrics = metrics(value, problems),
            _ => unknown_key(entry, &KEYS, problems),
        }
    }
    if root.get("actions").is_none() {
        problems.error(root, "lists no actions", "write actions: \"enqueue, allocate, backfill\"");
    }
    let mut config = SchedulerConfig::default();
    meaning::apply(&file.actions, &plugins, &mut config, problems);
    file.tiers = plugins.iter().map(|tier| tier.iter().map(Written::plugin).collect()).collect();
    config.volcano = Some(file);
    config
}

/// A plugin as written, with the places of its parts.
#[derive(Debug)]
struct Written<'a> {
    node: &'a Node,
    name: String,
    flags: BTreeMap<&'static str, (&'a Entry, bool)>,
    arguments: &'a [Entry],
}

impl Written<'_> {
    fn plugin(&self) -> Plugin {
        Plugin {
            name: self.name.clone(),
            flags: self.flags.iter().map(|(&flag, &(_, value))| (flag, value)).collect(),
            arguments: to_json(self.arguments),
        }
    }

    /// Is an extension point on? `flag` is one of [`FLAGS`].
    fn enabled(&self, flag: &str) -> bool {
        let default = FLAGS.iter().find(|known| known.name == flag).is_none_or(|known| known.default);
        self.flags.get(flag).map_or(default, |&(_, value)| value)
    }
}

fn actions(node: &Node, problems: &mut Problems) -> Vec<Action> {
    let known: Vec<&str> = ACTIONS.iter().map(|action| action.name).collect();
    let Some(text) = node.text() else {
        let remedy = "write one text with commas: \"enqueue, allocate, backfill\"";
        problems.error(node, format!("is {}", node.name()), remedy);
        return Vec::new();
    };
    let mut actions = Vec::new();
    for name in text.split(',').map(str::trim) {
        match ACTIONS.iter().find(|action| action.name == name) {
            Some(action) => actions.push(action.action),
            None => problems.error(node, format!("there is no action {name:?}"), suggestion(name, &known)),
        }
    }
    actions
}

fn tiers<'a>(node: &'a Node, problems: &mut Problems) -> Vec<Vec<Written<'a>>> {
    let mut tiers = Vec::new();
    for tier in node.items(problems, "write a list of tiers, each with plugins") {
        let mut plugins = Vec::new();
        for entry in tier.entries(problems, "write plugins: followed by a list") {
            if entry.key != "plugins" {
                unknown_key(entry, &["plugins"], problems);
                continue;
            }
            for item in entry.value.items(problems, "write a list of plugins, each with a name") {
                plugins.extend(plugin(item, problems));
            }
        }
        let hierarchical_drf = plugins
            .iter()
            .find(|plugin: &&Written<'_>| plugin.name == "drf" && plugin.enabled("enableHierarchy"));
        if let Some(drf) = hierarchical_drf
            && plugins.iter().any(|plugin| plugin.name == "proportion")
        {
            problems.error(
                drf.node,
                "drf with enableHierarchy and proportion are in one tier",
                "remove one of the two",
            );
        }
        tiers.push(plugins);
    }
    tiers
}

fn plugin<'a>(node: &'a Node, problems: &mut Problems) -> Option<Written<'a>> {
    let mut flags: BTreeMap<&'static str, (&Entry, bool)> = BTreeMap::new();
    let mut arguments: &[Entry] = &[];
    for entry in node.entries(problems, "write name: followed by the plugin's name") {
        let value = &entry.value;
        match entry.key.as_str() {
            "name" => {}
            "arguments" => arguments = value.entries(problems, "write argument names with values"),
            key => match names::flag(key) {
                Some(_) if value.is_null() => {}
                Some(flag) => match value.boolean() {
                    Some(on) => {
                        flags.insert(flag, (entry, on));
                    }
                    None => problems.error(value, format!("is {}", value.name()), "write true or false"),
                },
                None => {
                    let mut keys: Vec<&str> = FLAGS.iter().map(|flag| flag.name).collect();
                    keys.extend(["name", "arguments"]);
                    unknown_key(entry, &keys, problems);
                }
            },
        }
    }
    let name = node.get("name").and_then(Node::scalar_text);
    if name.is_none() && matches!(node.kind, super::document::Kind::Map(_)) {
        problems.error(node, "the plugin has no name", "write name: gang, for example");
    }
    Some(Written { node, name: name?, flags, arguments })
}

fn configurations(node: &Node, problems: &mut Problems) -> Vec<ActionArguments> {
    let mut configurations = Vec::new();
    for item in node.items(problems, "write a list, each item with name and arguments") {
        let mut configuration = ActionArguments::default();
        for entry in item.entries(problems, "write name: and arguments:") {
            match entry.key.as_str() {
                "name" => configuration.name = entry.value.scalar_text().unwrap_or_default(),
                "arguments" => {
                    let arguments = entry.value.entries(problems, "write argument names with values");
                    configuration.arguments = to_json(arguments);
                }
                _ => unknown_key(entry, &["name", "arguments"], problems),
            }
        }
        let known: Vec<&str> = ACTIONS.iter().map(|action| action.name).collect();
        let name = &configuration.name;
        let message = match known.contains(&name.as_str()) {
            true => format!("arguments of {name} have no meaning yet"),
            false => format!("there is no action {name:?}; {}", suggestion(name, &known)),
        };
        problems.warn(item.line, &item.path, message);
        configurations.push(configuration);
    }
    configurations
}

fn metrics(node: &Node, problems: &mut Problems) -> BTreeMap<String, String> {
    let mut metrics = BTreeMap::new();
    for entry in node.entries(problems, "write keys such as type: and address:") {
        match entry.value.scalar_text() {
            Some(text) => {
                metrics.insert(entry.key.clone(), text);
            }
            None if entry.value.is_null() => {}
            None => problems.error(&entry.value, format!("is {}", entry.value.name()), "write a text"),
        }
    }
    if !metrics.is_empty() {
        problems.warn(node.line, &node.path, "has no meaning yet: no load figures are read");
    }
    metrics
}

fn unknown_key(entry: &Entry, known: &[&str], problems: &mut Problems) {
    let message = format!("is not a known key and is ignored; {}", suggestion(&entry.key, known));
    problems.warn(entry.line, &entry.value.path, message);
}

fn to_json(entries: &[Entry]) -> BTreeMap<String, Value> {
    entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json())).collect()
}
