//! The form of the files.

use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Nodes and their network.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Nodes>,
    #[serde(default)]
    pub(crate) domains: Vec<Domain>,
}

/// Nodes that are alike.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nodes {
    pub(crate) names: Names,
    pub(crate) cpu: Amount,
    pub(crate) memory: Amount,
    pub(crate) pods: Amount,
    #[serde(default)]
    pub(crate) labels: Labels,
    pub(crate) taken: Option<Taken>,
}

/// What the system's own pods use on a node.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Taken {
    pub(crate) cpu: Amount,
    pub(crate) memory: Amount,
}

/// A HyperNode.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Domain {
    pub(crate) name: String,
    pub(crate) tier: u32,
    #[serde(default)]
    pub(crate) tier_name: String,
    #[serde(default)]
    pub(crate) nodes: Names,
    #[serde(default)]
    pub(crate) domains: Names,
}

/// A case.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) cluster: String,
    #[serde(default)]
    pub(crate) pods: Vec<Pods>,
    pub(crate) gangs: Vec<Gang>,
    pub(crate) recreate: Option<String>,
    pub(crate) expect: Expect,
}

/// A PodGroup and its pods.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Gang {
    pub(crate) name: String,
    pub(crate) queue: Option<String>,
    pub(crate) min_member: u32,
    #[serde(default)]
    pub(crate) min_task_member: BTreeMap<String, u32>,
    pub(crate) topology: Option<Rule>,
    #[serde(default)]
    pub(crate) subgroups: Vec<Subgroup>,
    #[serde(default)]
    pub(crate) pods: Vec<Pods>,
}

/// A kind of subgroup.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Subgroup {
    pub(crate) name: String,
    pub(crate) match_label_keys: Vec<String>,
    #[serde(default)]
    pub(crate) label_selector: Labels,
    pub(crate) size: u32,
    #[serde(default)]
    pub(crate) minimum: u32,
    pub(crate) topology: Option<Rule>,
}

/// Pods that are alike.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Pods {
    pub(crate) names: Names,
    #[serde(default)]
    pub(crate) node: Names,
    pub(crate) role: Option<String>,
    pub(crate) cpu: Amount,
    pub(crate) memory: Amount,
    #[serde(default)]
    pub(crate) labels: Labels,
    #[serde(default)]
    pub(crate) node_selector: Labels,
    #[serde(default)]
    pub(crate) deleting: bool,
}

/// What should come of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Expect {
    pub(crate) binds: usize,
    #[serde(default)]
    pub(crate) places: BTreeMap<String, String>,
    pub(crate) only_nodes: Option<Names>,
    pub(crate) within_any: Option<Names>,
    #[serde(default)]
    pub(crate) pods_in: BTreeMap<String, usize>,
    #[serde(default)]
    pub(crate) together: BTreeMap<String, u32>,
    #[serde(default)]
    pub(crate) subgroups_in: BTreeMap<String, Vec<String>>,
    pub(crate) waiting: Option<usize>,
    #[serde(default)]
    pub(crate) says: BTreeMap<String, Vec<String>>,
}

pub(crate) type Labels = BTreeMap<String, String>;

/// Names in one text.
#[derive(Debug, Default)]
pub(crate) struct Names(pub(crate) Vec<String>);

/// A quantity.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(untagged)]
pub(crate) enum Amount {
    Number(i64),
    Text(String),
}

/// A rule about the network.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    Soft,
    Hard(Limit),
}

/// How far a hard rule reaches.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    Unnamed,
    Tier(u32),
    Name(String),
}

impl Amount {
    pub(crate) fn quantity(&self) -> phalanx::api::quantity::Quantity {
        let value = serde_json::to_value(self).expect("numbers and texts are values");
        serde_json::from_value(value).expect("a quantity")
    }
}

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Names(String::deserialize(deserializer)?.split_whitespace().map(str::to_owned).collect()))
    }
}

impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let words: Vec<&str> = text.split_whitespace().collect();
        match words[..] {
            ["soft"] => Ok(Rule::Soft),
            ["hard"] => Ok(Rule::Hard(Limit::Unnamed)),
            ["hard", limit] => Ok(Rule::Hard(match limit.parse() {
                Ok(tier) => Limit::Tier(tier),
                Err(_) => Limit::Name(limit.to_owned()),
            })),
            _ => Err(D::Error::custom(format!("{text:?} is no rule; write soft, hard, or hard and a tier"))),
        }
    }
}

impl Cluster {
    /// The names of all nodes inside a domain, by what is written, even if that goes round in circles.
    pub(crate) fn nodes_in(&self, domain: &str) -> Vec<&str> {
        let mut nodes = Vec::new();
        let mut inside = vec![domain];
        let mut at = 0;
        while let Some(&name) = inside.get(at) {
            at += 1;
            let domain = self.domains.iter().find(|known| known.name == name);
            let domain = domain.unwrap_or_else(|| panic!("the cluster has no domain {name}"));
            nodes.extend(domain.nodes.0.iter().map(String::as_str));
            for inner in &domain.domains.0 {
                if !inside.contains(&inner.as_str()) {
                    inside.push(inner);
                }
            }
        }
        nodes
    }

    /// Above all domains.
    pub(crate) fn root_tier(&self) -> u32 {
        self.domains.iter().map(|domain| domain.tier + 1).max().unwrap_or(1)
    }

    /// The tier that a rule limits to; nothing if it does not limit.
    pub(crate) fn limit(&self, rule: Option<&Rule>) -> Option<u32> {
        match rule {
            None | Some(Rule::Soft) => None,
            Some(Rule::Hard(Limit::Tier(tier))) => Some(*tier),
            Some(Rule::Hard(Limit::Unnamed)) => self.domains.iter().map(|domain| domain.tier).min(),
            Some(Rule::Hard(Limit::Name(name))) => {
                let named = self.domains.iter().find(|domain| domain.tier_name == *name);
                Some(named.unwrap_or_else(|| panic!("no domain has the tier name {name}")).tier)
            }
        }
    }
}

impl Case {
    /// All pods but the system's own: gang, kind, index within it.
    pub(crate) fn all_pods(&self) -> impl Iterator<Item = Pod<'_>> {
        let loose = self.pods.iter().map(|pods| (None, pods));
        let ours = self.gangs.iter().flat_map(|gang| gang.pods.iter().map(move |pods| (Some(gang), pods)));
        loose.chain(ours).flat_map(|(gang, pods)| {
            assert!(
                pods.node.0.is_empty() || pods.node.0.len() == pods.names.0.len(),
                "{}: a node for each pod",
                self.id
            );
            pods.names.0.iter().enumerate().map(move |(at, name)| Pod {
                name,
                gang,
                node: pods.node.0.get(at).map(String::as_str),
                spec: pods,
            })
        })
    }
}

/// One pod of a case.
#[derive(Clone, Copy)]
pub(crate) struct Pod<'a> {
    pub(crate) name: &'a str,
    pub(crate) gang: Option<&'a Gang>,
    /// Where it ran before.
    pub(crate) node: Option<&'a str>,
    pub(crate) spec: &'a Pods,
}

impl Pod<'_> {
    /// Its labels, the role among them.
    pub(crate) fn labels(&self) -> Labels {
        let mut labels = self.spec.labels.clone();
        if let Some(role) = &self.spec.role {
            labels.insert("volcano.sh/task-spec".to_owned(), role.clone());
        }
        labels
    }

    /// The kind of subgroup it belongs to, and what tells its subgroup apart from others of that kind.
    pub(crate) fn subgroup(&self) -> Option<(usize, Vec<String>)> {
        let labels = self.labels();
        self.gang?.subgroups.iter().enumerate().find_map(|(at, kind)| {
            let selected = kind.label_selector.iter().all(|(key, value)| labels.get(key) == Some(value));
            let values: Option<Vec<String>> = kind
                .match_label_keys
                .iter()
                .map(|key| labels.get(key).filter(|v| !v.is_empty()).cloned())
                .collect();
            Some((at, values.filter(|values| selected && !values.is_empty())?))
        })
    }
}
