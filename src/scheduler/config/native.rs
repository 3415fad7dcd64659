//! Phalanx's own format. `scheduler-config/default.yaml` documents every key; an unknown key is an error.

use super::SchedulerConfig;
use super::document::{Entry, Node, Problems, suggestion};
use crate::api::quantity::Quantity;
use crate::api::time::parse_span;
use crate::grouping::GroupedBy;
use crate::placement::{CostTerm, Packing};
use crate::scheduler::admission::AdmissionRules;
use std::time::Duration;

/// Names of the cost terms, in the default order.
const COST_TERMS: [(&str, CostTerm); 5] = [
    (CostTerm::SubgroupTier.name(), CostTerm::SubgroupTier),
    (CostTerm::GangTier.name(), CostTerm::GangTier),
    (CostTerm::Domains.name(), CostTerm::Domains),
    (CostTerm::Stranded.name(), CostTerm::Stranded),
    (CostTerm::NodeScore.name(), CostTerm::NodeScore),
];

pub(super) fn read(root: &Node, problems: &mut Problems) -> SchedulerConfig {
    let mut config = SchedulerConfig::default();
    let keys = ["schedulerNames", "topology", "placement", "admission", "order", "grouping", "sharing"];
    for entry in known(root, &keys, problems) {
        match entry.key.as_str() {
            "schedulerNames" => scheduler_names(&entry.value, &mut config, problems),
            "topology" => topology(&entry.value, &mut config, problems),
            "admission" => admission(&entry.value, &mut config, problems),
            "grouping" => grouping_rules(&entry.value, &mut config, problems),
            "order" => order_of_gangs(&entry.value, &mut config, problems),
            "sharing" => sharing(&entry.value, &mut config, problems),
            _ => placement(&entry.value, &mut config, problems),
        }
    }
    config
}

fn scheduler_names(node: &Node, config: &mut SchedulerConfig, problems: &mut Problems) {
    let names = texts(node, problems, "a scheduler name such as volcano", |name| {
        let bytes = name.bytes();
        let ends =
            |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        name.len() <= 253
            && ends(bytes.clone().next())
            && ends(bytes.clone().next_back())
            && bytes.clone().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.'))
    });
    match names {
        Some(names) if names.is_empty() => {
            problems.error(node, "is empty, so that no pod would be scheduled", "name one, such as volcano");
        }
        Some(names) => config.cluster.scheduler_names = names,
        None => {}
    }
}

fn topology(node: &Node, config: &mut SchedulerConfig, problems: &mut Problems) {
    for entry in known(node, &["domainLabels"], problems) {
        let labels =
            texts(&entry.value, problems, "a label key such as kubernetes.io/hostname", is_label_key);
        if let Some(labels) = labels {
            config.cluster.domain_labels = labels;
        }
    }
}

fn placement(node: &Node, config: &mut SchedulerConfig, problems: &mut Problems) {
    let SchedulerConfig { placement: rules, resource_weights, .. } = config;
    let keys = ["order", "levelWeight", "packing", "searchBudget", "resourceWeights"];
    for Entry { key, value, .. } in known(node, &keys, problems) {
        match key.as_str() {
            "order" => {
                if let Some(order) = order(value, problems) {
                    rules.order = order;
                }
            }
            "levelWeight" => rules.level_weight = number(value, 1, 1000, problems).unwrap_or_default(),
            "packing" => match value.text() {
                Some("tight") => rules.packing = Packing::Tight,
                Some("spread") => rules.packing = Packing::Spread,
                _ => problems.error(value, format!("is {}", value.name()), "write tight or spread"),
            },
            "searchBudget" => {
                let budget = number(value, 1, 1_000_000_000, problems).unwrap_or_default();
                rules.search_budget = budget.unsigned_abs();
            }
            _ => {
                *resource_weights = value
                    .entries(problems, "write resource names with weights, such as nvidia.com/gpu: 10")
                    .iter()
                    .filter_map(|entry| {
                        Some((entry.key.clone(), number(&entry.value, 0, 1_000_000, problems)?))
                    })
                    .collect();
            }
        }
    }
}

fn admission(node: &Node, config: &mut SchedulerConfig, problems: &mut Problems) {
    let mut rules = AdmissionRules::default();
    let mut factor = AdmissionRules::OVERCOMMIT;
    for Entry { key, value, .. } in known(node, &["by", "overcommitFactor", "roomIsKeptFor"], problems) {
        match key.as_str() {
            "by" => match value.text() {
                Some("queue") => rules.by_resources = false,
                Some("resources") => rules.by_resources = true,
                _ => problems.error(value, format!("is {}", value.name()), "write queue or resources"),
            },
            "overcommitFactor" => {
                let written = value.scalar_text().and_then(|text| Quantity(text).milli().ok());
                match written.filter(|milli| (1000..=100_000).contains(milli)) {
                    Some(milli) => factor = milli,
                    None => problems.error(
                        value,
                        format!("is {}", value.name()),
                        "write a number from 1 to 100, such as 1.2",
                    ),
                }
            }
            _ => rules.room_is_kept_for = span(value, problems).unwrap_or_default(),
        }
    }
    rules.overcommit = rules.by_resources.then_some(factor);
    rules.queue_limits = rules.by_resources;
    rules.waiting_times_admit = rules.by_resources;
    config.admission = rules;
}

fn grouping_rules(node: &Node, config: &mut SchedulerConfig, problems: &mut Problems) {
    for Entry { key, value, .. } in known(node, &["by", "wait"], problems) {
        match (key.as_str(), value.text()) {
            ("wait", _) => config.grouping.wait = span(value, problems).unwrap_or_default(),
            (_, Some("auto")) => config.grouping.by = GroupedBy::Auto,
            (_, Some("volcano")) => config.grouping.by = GroupedBy::Volcano,
            (_, Some("phalanx")) => config.grouping.by = GroupedBy::Phalanx,
            (_, Some("nobody")) => config.grouping.by = GroupedBy::Nobody,
            _ => problems.error(
                value,
                format!("is {}", value.name()),
                "write auto, volcano, phalanx or nobody",
            ),
        }
    }
}

fn sharing(node: &Node, config: &mut SchedulerConfig, problems: &mut Problems) {
    let rules = &mut config.sharing;
    let keys = ["reclaim", "preempt", "consolidate", "holdAfter", "pdb"];
    for Entry { key, value, .. } in known(node, &keys, problems) {
        if key == "holdAfter" {
            rules.hold_after = span(value, problems).filter(|span| !span.is_zero());
            continue;
        }
        if key == "pdb" {
            match value.text() {
                Some("hard") => rules.budgets_are_hard = true,
                Some("prefer") => rules.budgets_are_hard = false,
                _ => problems.error(value, format!("is {}", value.name()), "write hard or prefer"),
            }
            continue;
        }
        let Some(on) = value.boolean() else {
            problems.error(value, format!("is {}", value.name()), "write true or false");
            continue;
        };
        match key.as_str() {
            "reclaim" => rules.reclaim = on,
            "preempt" => rules.preempt = on,
            _ => rules.consolidate = on,
        }
    }
}

fn order_of_gangs(node: &Node, config: &mut SchedulerConfig, problems: &mut Problems) {
    for entry in known(node, &["waitingTime"], problems) {
        if entry.value.text() == Some("") {
            continue;
        }
        config.waiting_times.default = span(&entry.value, problems).filter(|span| !span.is_zero());
    }
}

/// A span of time, at most 1,000 hours.
fn span(node: &Node, problems: &mut Problems) -> Option<Duration> {
    let span = node.scalar_text().and_then(|text| parse_span(&text));
    let span = span.filter(|&span| span <= Duration::from_secs(3_600_000));
    if span.is_none() {
        problems.error(node, format!("is {}", node.name()), "write a span of time such as 90s, 30m or 2h");
    }
    span
}

fn order(node: &Node, problems: &mut Problems) -> Option<Vec<CostTerm>> {
    let known: Vec<&str> = COST_TERMS.iter().map(|&(name, _)| name).collect();
    let all = format!("list each of {} once, the most important first", known.join(", "));
    let mut order = Vec::new();
    let items = node.items(problems, &all);
    for item in items {
        let term = item.text().and_then(|text| COST_TERMS.iter().find(|&&(name, _)| name == text));
        match term {
            Some(&(name, term)) if order.contains(&term) => {
                problems.error(item, format!("{name} is listed twice"), &*all)
            }
            Some(&(_, term)) => order.push(term),
            None => {
                let written = item.scalar_text().unwrap_or_default();
                problems.error(
                    item,
                    format!("{} is no cost term", item.name()),
                    suggestion(&written, &known),
                );
            }
        }
    }
    let missing: Vec<&str> =
        COST_TERMS.iter().filter(|(_, term)| !order.contains(term)).map(|&(name, _)| name).collect();
    if !missing.is_empty() && items.len() == order.len() {
        problems.error(node, format!("lacks {}", missing.join(", ")), all);
    }
    (missing.is_empty() && items.len() == order.len()).then_some(order)
}

/// The entries with known keys and a value; an error for each unknown key.
fn known<'a>(node: &'a Node, keys: &[&str], problems: &mut Problems) -> Vec<&'a Entry> {
    let mut found = Vec::new();
    for entry in node.entries(problems, &format!("write keys: {}", keys.join(", "))) {
        if !keys.contains(&entry.key.as_str()) {
            let path = entry.value.path.as_str();
            problems.error_at(entry.line, path, "is not a known key", suggestion(&entry.key, keys));
        } else if !entry.value.is_null() {
            found.push(entry);
        }
    }
    found
}

fn number(node: &Node, least: i64, most: i64, problems: &mut Problems) -> Option<i64> {
    let number = node.integer().filter(|number| (least..=most).contains(number));
    if number.is_none() {
        problems.error(node, format!("is {}", node.name()), format!("write a number from {least} to {most}"));
    }
    number
}

/// A list of texts, each valid and listed once; `None` if there was an error.
fn texts(
    node: &Node,
    problems: &mut Problems,
    what: &str,
    valid: impl Fn(&str) -> bool,
) -> Option<Vec<String>> {
    let mut texts: Vec<String> = Vec::new();
    let items = node.items(problems, &format!("write a list; each item is {what}"));
    for item in items {
        match item.text().filter(|text| valid(text)) {
            None => problems.error(item, format!("is {}", item.name()), format!("write {what}")),
            Some(text) if texts.iter().any(|known| known == text) => {
                problems.error(item, format!("{text} is listed twice"), "list it once");
            }
            Some(text) => texts.push(text.to_owned()),
        }
    }
    let sound = matches!(node.kind, super::document::Kind::List(_)) && texts.len() == items.len();
    sound.then_some(texts)
}

/// `prefix/name` as Kubernetes qualifies names, roughly: what passes here and not there matches no label.
fn is_label_key(key: &str) -> bool {
    let (prefix, name) = key.split_once('/').unwrap_or(("kubernetes.io", key));
    let part = |text: &str, longest: usize| {
        (1..=longest).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
            && text.starts_with(|first: char| first.is_ascii_alphanumeric())
            && text.ends_with(|last: char| last.is_ascii_alphanumeric())
    };
    part(prefix, 253) && part(name, 63)
}
