//! Node pools -> Nodes, HyperNodes and the pods that occupy them.
//!
//! A domain is named after its level and its place: `rack-2-07` is the eighth rack of the third block. Pools whose
//! trees name the same domain share it, so that CPU nodes can stand in the racks of GPU nodes.

use super::random::Random;
use super::scenario::{NodePool, Scenario};
use super::time::print_timestamp;
use crate::apiserver::Kind;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Makes the nodes of all pools, the HyperNodes above them and the pods on them, or says which field cannot be made
/// sense of: path and what is wrong.
pub(crate) fn node_pools(scenario: &Scenario) -> Result<Vec<Value>, (String, String)> {
    let mut objects = Vec::new();
    let mut domains: BTreeMap<String, Domain> = BTreeMap::new();
    let mut taken: BTreeMap<String, usize> = BTreeMap::new();
    for (index, pool) in scenario.node_pools.iter().enumerate() {
        let leaves = leaves(pool).map_err(|(path, what)| (format!("spec.nodePools[{index}]{path}"), what))?;
        let mut names = Vec::new();
        for leaf in &leaves {
            for name in &leaf.nodes {
                objects.push(node(pool, name, &leaf.path));
            }
            for name in &leaf.nodes {
                if let Some(first) = taken.insert(name.clone(), index) {
                    let what = format!("makes node {name}, which spec.nodePools[{first}] has made already");
                    let field = if pool.domains.is_some() { "domains" } else { "name" };
                    return Err((format!("spec.nodePools[{index}].{field}"), what));
                }
            }
            names.extend(leaf.nodes.iter().cloned());
            if pool.hyper_nodes {
                join(&mut domains, pool, leaf);
            }
        }
        occupy(&mut objects, scenario, pool, &names);
    }
    objects.extend(domains.into_iter().map(|(name, domain)| domain.object(&name)));
    Ok(objects)
}

/// An innermost domain: the names of the domains around it, outermost first, its own last, and its nodes.
struct Leaf {
    path: Vec<String>,
    nodes: Vec<String>,
}

struct Domain {
    tier: u32,
    tier_name: String,
    /// Member type and name, in order of appearance.
    members: Vec<(&'static str, String)>,
}

impl Domain {
    fn object(self, name: &str) -> Value {
        let members: Vec<Value> = self
            .members
            .into_iter()
            .map(|(type_, name)| json!({"type": type_, "selector": {"exactMatch": {"name": name}}}))
            .collect();
        json!({
            "apiVersion": Kind::version_of("HyperNode"), "kind": "HyperNode", "metadata": {"name": name},
            "spec": {"tier": self.tier, "tierName": self.tier_name, "members": members},
        })
    }
}

/// Where the nodes of a pool are.
fn leaves(pool: &NodePool) -> Result<Vec<Leaf>, (String, String)> {
    if let Some(domains) = &pool.domains {
        let mut leaves = Vec::new();
        let mut made = 0;
        written_out(pool, domains, &mut Vec::new(), ".domains".into(), &mut made, &mut leaves)?;
        return Ok(leaves);
    }
    let mut places: Vec<Vec<String>> = vec![Vec::new()];
    let mut indices: Vec<String> = vec![String::new()];
    for level in &pool.tree {
        let count = level.count.unwrap_or(1) as usize;
        let (mut inner, mut inner_indices) = (Vec::new(), Vec::new());
        for (place, index) in places.iter().zip(&indices) {
            for child in 0..count {
                let index = format!("{index}-{}", padded(child, count));
                let mut path = place.clone();
                path.push(format!("{}{index}", level.name));
                inner.push(path);
                inner_indices.push(index);
            }
        }
        (places, indices) = (inner, inner_indices);
    }
    let (count, parts) = (pool.count.unwrap_or(0) as usize, places.len());
    let mut next = 0;
    Ok(places
        .into_iter()
        .enumerate()
        .map(|(part, path)| {
            let share = count / parts + usize::from(part < count % parts);
            let nodes = (next..next + share).map(|n| format!("{}-{}", pool.name, padded(n, count))).collect();
            next += share;
            Leaf { path, nodes }
        })
        .collect())
}

fn written_out(
    pool: &NodePool,
    value: &Value,
    path: &mut Vec<String>,
    at: String,
    made: &mut usize,
    leaves: &mut Vec<Leaf>,
) -> Result<(), (String, String)> {
    let depth = pool.tree.len();
    if path.len() < depth {
        let Value::Object(inner) = value else {
            let level = &pool.tree[path.len()].name;
            return Err((
                at,
                format!("is not a map with an entry for each {level}; the tree has {depth} levels"),
            ));
        };
        for (name, value) in inner {
            let part = dns(name);
            let name_of = path.last().map_or(part.clone(), |outer| format!("{outer}-{part}"));
            path.push(name_of);
            written_out(pool, value, path, format!("{at}.{name}"), made, leaves)?;
            path.pop();
        }
        return Ok(());
    }
    let nodes: Vec<String> = match value {
        Value::Number(count) => {
            let count = count.as_u64().filter(|&n| n <= 1_000_000);
            let count = count.ok_or_else(|| (at.clone(), "is not a number of nodes".to_owned()))? as usize;
            (*made..*made + count).map(|n| format!("{}-{n}", pool.name)).collect()
        }
        Value::Array(names) => {
            let name = |name: &Value| {
                let text = name.as_str().map_or_else(|| name.to_string(), str::to_owned);
                format!("{}-{}", pool.name, dns(&text))
            };
            names.iter().map(name).collect()
        }
        _ => return Err((at, "is neither a number of nodes nor a list of names".into())),
    };
    *made += nodes.len();
    leaves.push(Leaf { path: path.clone(), nodes });
    Ok(())
}

/// Adds a leaf, and the domains around it, to the forest.
fn join(domains: &mut BTreeMap<String, Domain>, pool: &NodePool, leaf: &Leaf) {
    for (depth, name) in leaf.path.iter().enumerate() {
        let level = &pool.tree[depth];
        let is_new = !domains.contains_key(name);
        let domain = domains.entry(name.clone()).or_insert_with(|| Domain {
            tier: level.tier,
            tier_name: level.name.clone(),
            members: Vec::new(),
        });
        if depth + 1 == leaf.path.len() {
            domain.members.extend(leaf.nodes.iter().map(|node| ("Node", node.clone())));
        }
        if is_new
            && let Some(outer) = depth.checked_sub(1).map(|depth| &leaf.path[depth])
            && let Some(outer) = domains.get_mut(outer)
        {
            outer.members.push(("HyperNode", name.clone()));
        }
    }
}

fn node(pool: &NodePool, name: &str, path: &[String]) -> Value {
    let mut labels: Map<String, Value> =
        pool.labels.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
    for (level, domain) in pool.tree.iter().zip(path) {
        let key = level.label.clone().unwrap_or_else(|| format!("topology.phalanx.dev/{}", level.name));
        labels.insert(key, json!(domain));
    }
    let capacity: Map<String, Value> =
        pool.capacity.iter().map(|(resource, quantity)| (resource.clone(), json!(quantity))).collect();
    let mut spec = Map::new();
    if !pool.taints.is_empty() {
        spec.insert("taints".into(), json!(pool.taints));
    }
    if pool.unschedulable {
        spec.insert("unschedulable".into(), json!(true));
    }
    json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}, "spec": spec,
        "status": {"capacity": capacity},
    })
}

fn occupy(objects: &mut Vec<Value>, scenario: &Scenario, pool: &NodePool, nodes: &[String]) {
    for (index, occupied) in pool.occupied.iter().enumerate() {
        let mut random = Random::new(scenario.seed, &format!("occupied/{}/{index}", pool.name));
        let count = nodes.len() * occupied.percent as usize / 100;
        let started = print_timestamp(scenario.start);
        for node in random.choose(count, nodes.len()) {
            for pod in 0..occupied.pods {
                let node = &nodes[node];
                objects.push(json!({
                    "apiVersion": "v1", "kind": "Pod",
                    "metadata": {"name": format!("{node}-occupied-{index}-{pod}"), "labels": occupied.labels},
                    "spec": {
                        "nodeName": node, "schedulerName": "default-scheduler",
                        "containers": [{"name": "main", "resources": {"requests": occupied.requests}}],
                    },
                    "status": {
                        "phase": "Running", "startTime": started,
                        "conditions": [{"type": "Ready", "status": "True"}],
                        "containerStatuses": [{"name": "main", "ready": true, "restartCount": 0}],
                    },
                }));
            }
        }
    }
}

/// A number with zeros in front, so that names sort as their numbers do.
pub(crate) fn padded(number: usize, count: usize) -> String {
    format!("{number:0width$}", width = width(count))
}

/// Digits of the largest number below `count`.
pub(crate) fn width(count: usize) -> usize {
    count.saturating_sub(1).max(1).ilog10() as usize + 1
}

/// Lower case letters, digits and dashes.
fn dns(text: &str) -> String {
    let clean = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    text.chars().map(clean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pools(spec: &str) -> Result<Vec<Value>, (String, String)> {
        let mut reader = crate::simulation::reader::Reader::default();
        let head = format!("apiVersion: {}\nkind: Simulation\n", crate::simulation::scenario::API_VERSION);
        reader.read("s.yaml", &format!("{head}spec:\n  nodePools:\n{spec}"));
        node_pools(&Scenario::read(&reader.documents[0]).unwrap())
    }

    /// Renders nodes as `name labels`, HyperNodes as `name tier: members`, pods as `name on node`.
    fn check(spec: &str, expect: &[&str]) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let made: Vec<String> = pools(spec)
            .unwrap()
            .iter()
            .map(|object| {
                let name = text(&object["metadata"]["name"]);
                match text(&object["kind"]).as_str() {
                    "Node" => {
                        let labels = object["metadata"]["labels"].as_object().unwrap();
                        let labels: Vec<String> = labels
                            .iter()
                            .map(|(k, v)| format!("{}={}", k.rsplit('/').next().unwrap(), text(v)))
                            .collect();
                        format!("{name} {}", labels.join(" "))
                    }
                    "HyperNode" => {
                        let members = object["spec"]["members"].as_array().unwrap();
                        let members: Vec<String> =
                            members.iter().map(|m| text(&m["selector"]["exactMatch"]["name"])).collect();
                        format!("{name} {}: {}", object["spec"]["tier"], members.join(" "))
                    }
                    _ => format!("{name} on {}", text(&object["spec"]["nodeName"])),
                }
            })
            .collect();
        assert_eq!(made, expect);
    }

    #[test]
    fn nodes_are_dealt_evenly_onto_the_tree() {
        check(
            "  - {name: g, count: 5, capacity: {cpu: 1}, tree: [{tier: 2, name: block, count: 2}, {tier: 1, name: rack, count: 2}]}",
            &[
                "g-0 block=block-0 rack=rack-0-0",
                "g-1 block=block-0 rack=rack-0-0",
                "g-2 block=block-0 rack=rack-0-1",
                "g-3 block=block-1 rack=rack-1-0",
                "g-4 block=block-1 rack=rack-1-1",
                "block-0 2: rack-0-0 rack-0-1",
                "block-1 2: rack-1-0 rack-1-1",
                "rack-0-0 1: g-0 g-1",
                "rack-0-1 1: g-2",
                "rack-1-0 1: g-3",
                "rack-1-1 1: g-4",
            ],
        );
    }

    #[test]
    fn names_sort_as_their_numbers() {
        let made = pools("  - {name: g, count: 11, capacity: {cpu: 1}}").unwrap();
        let names: Vec<&str> = made.iter().map(|n| n["metadata"]["name"].as_str().unwrap()).collect();
        assert_eq!((names[0], names[10], names.len()), ("g-00", "g-10", 11));
        assert!(names.is_sorted());
    }

    #[test]
    fn a_tree_can_be_written_out() {
        check(
            "  - {name: h, capacity: {cpu: 1}, tree: [{tier: 2, name: psw}, {tier: 1, name: asw, label: asw}], domains: {P1: {S1: 2, S2: [a7]}}}",
            &[
                "h-0 asw=p1-s1 psw=p1",
                "h-1 asw=p1-s1 psw=p1",
                "h-a7 asw=p1-s2 psw=p1",
                "p1 2: p1-s1 p1-s2",
                "p1-s1 1: h-0 h-1",
                "p1-s2 1: h-a7",
            ],
        );
        let wrong = pools(
            "  - {name: h, capacity: {cpu: 1}, tree: [{tier: 2, name: psw}, {tier: 1, name: asw}], domains: {P1: 3}}",
        );
        let what = "is not a map with an entry for each asw; the tree has 2 levels";
        assert_eq!(wrong, Err(("spec.nodePools[0].domains.P1".into(), what.into())));
    }

    #[test]
    fn pools_can_share_domains_and_be_occupied() {
        check(
            "  - {name: a, count: 1, capacity: {cpu: 1}, tree: [{tier: 1, name: rack, count: 1}], occupied: [{requests: {cpu: 1}, pods: 2}]}\n  - {name: b, count: 1, capacity: {cpu: 1}, tree: [{tier: 1, name: rack, count: 1}]}",
            &[
                "a-0 rack=rack-0",
                "a-0-occupied-0-0 on a-0",
                "a-0-occupied-0-1 on a-0",
                "b-0 rack=rack-0",
                "rack-0 1: a-0 b-0",
            ],
        );
        let made = pools(
            "  - {name: a, count: 40, capacity: {cpu: 1}, occupied: [{percent: 30, requests: {cpu: 1}}]}",
        )
        .unwrap();
        assert_eq!(made.len(), 52);
    }
}
