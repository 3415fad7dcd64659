//! Random small clusters with one gang, and what a remedy does to their objects.

use crate::cluster::{Event, Settings};
use crate::placement::PlacementRules;
use crate::scheduler::Scheduler;
use crate::scheduler::explain::{Action, Explanation};
use serde_json::{Value, json};

/// A plain generator, so that every run sees the same clusters.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// How a node is cordoned, or not ready: not at all, by its field, by its taint, or by both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    No,
    Field,
    Taint,
    Both,
}

impl Mark {
    fn random(random: &mut Random, one_in: u64) -> Mark {
        match random.below(one_in * 3) {
            0 => Mark::Field,
            1 => Mark::Taint,
            2 => Mark::Both,
            _ => Mark::No,
        }
    }
}

#[derive(Clone, Debug)]
struct Node {
    name: String,
    /// The rack; `None` is no HyperNode of tier 1.
    rack: Option<usize>,
    zone: u64,
    model: &'static str,
    allocatable: Value,
    used: u64,
    cordon: Mark,
    not_ready: Mark,
    taint: Option<&'static str>,
}

/// A rule about other pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    None,
    Affinity,
    AntiAffinity(&'static str),
    Spread,
    Port,
}

#[derive(Clone, Debug)]
struct Gang {
    /// GPUs of each pod.
    pods: Vec<u64>,
    /// CPUs of each pod: nobody else uses any.
    cpu: u64,
    /// Minima of the large pods and of the others (`minTaskMember`); they bind where the gang's covers their sum.
    roles: Option<[usize; 2]>,
    minimum: usize,
    tier: Option<u32>,
    /// Size of subgroups, and their tier.
    subgroups: Option<(usize, Option<u32>)>,
    tolerations: Vec<String>,
    selector: bool,
    affinity: bool,
    rule: Rule,
    /// Pods that run already, by their place in `pods`, each with its node. They keep the rule with which they were made.
    running: Vec<(usize, String)>,
    rule_of_running: Rule,
}

/// A cluster of racks of tier 1, two in a block of tier 2, and a gang.
#[derive(Clone, Debug)]
pub(super) struct World {
    racks: usize,
    nodes: Vec<Node>,
    gang: Gang,
}

const HOST: &str = "kubernetes.io/hostname";

impl World {
    pub(super) fn random(random: &mut Random) -> World {
        let racks = 1 + random.below(4) as usize;
        let count = 2 + random.below(6) as usize;
        let troubled = 2 + random.below(6);
        let nodes = (0..count).map(|index| {
            let size = if random.one_in(4) { 4 } else { 8 };
            Node {
                name: format!("n{index}"),
                // Without any HyperNode a hard rule is held before anything is looked at.
                rack: (index == 0 || !random.one_in(6)).then(|| random.below(racks as u64) as usize),
                zone: random.below(3),
                model: if random.one_in(5) { "a100" } else { "h100" },
                allocatable: json!({"cpu": if random.one_in(3) { 32 } else { 64 }, "pods": 20, "nvidia.com/gpu": size}),
                used: if random.one_in(3) { 2 * (1 + random.below(size / 2)) } else { 0 },
                cordon: Mark::random(random, troubled),
                not_ready: Mark::random(random, 2 * troubled),
                taint: random.one_in(troubled).then(|| if random.one_in(2) { "team" } else { "other" }),
            }
        });
        let nodes: Vec<Node> = nodes.collect();
        let subgroups =
            random.one_in(3).then(|| (2 + random.below(2) as usize, (!random.one_in(4)).then_some(1)));
        let mut pods: Vec<u64> = match subgroups {
            Some((size, _)) => vec![0; size * (1 + random.below(2) as usize)],
            None => vec![0; 1 + random.below(6) as usize],
        };
        let (large, small) = (if random.one_in(2) { 8 } else { 4 }, 2 * (1 + random.below(2)));
        let mixed = random.one_in(4);
        let period = subgroups.map_or(2, |(size, _)| size);
        for (index, gpus) in pods.iter_mut().enumerate() {
            *gpus = if mixed && index % period == 0 { small } else { large };
        }
        let minimum =
            if random.one_in(3) { 1 + random.below(pods.len() as u64) as usize } else { pods.len() };
        let rule = match random.below(12) {
            0 => Rule::Affinity,
            1 => Rule::AntiAffinity("zone"),
            2 => Rule::AntiAffinity(HOST),
            3 => Rule::Spread,
            4 => Rule::Port,
            _ => Rule::None,
        };
        let largest = pods.iter().copied().max().unwrap_or(0);
        let of_role = |large: bool| pods.iter().filter(|&&gpus| (gpus == largest) == large).count();
        let roles = random
            .one_in(5)
            .then(|| [true, false].map(|large| random.below(of_role(large) as u64 + 1) as usize));
        let gang = Gang {
            minimum,
            cpu: [0, 0, 16, 32][random.below(4) as usize],
            roles,
            pods,
            tier: [None, Some(1), Some(2)][random.below(3) as usize],
            subgroups,
            tolerations: if random.one_in(4) { vec!["team".to_owned()] } else { Vec::new() },
            selector: random.one_in(3),
            affinity: random.one_in(6),
            rule,
            running: Vec::new(),
            rule_of_running: rule,
        };
        let mut world = World { racks, nodes, gang };
        if random.one_in(4) {
            world.start_some(random);
        }
        world
    }

    /// Some pods of the gang run, as after a loss of the others: each where it had room, and within the tiers of its rules.
    fn start_some(&mut self, random: &mut Random) {
        for pod in 0..self.gang.pods.len() {
            let node = &self.nodes[random.below(self.nodes.len() as u64) as usize];
            if !random.one_in(3) && self.free_gpus(node) >= self.gang.pods[pod] && self.is_near(pod, node) {
                let name = node.name.clone();
                self.gang.running.push((pod, name));
            }
        }
    }

    /// Is the node within the tiers that the gang and the pod's subgroup may span with those that run?
    fn is_near(&self, pod: usize, node: &Node) -> bool {
        let on =
            |name: &String| self.nodes.iter().find(|node| node.name == *name).expect("the node is known");
        let within = |a: Option<usize>, b: Option<usize>, tier: Option<u32>| match (tier, a, b) {
            (None, ..) => true,
            (Some(1), Some(a), Some(b)) => a == b,
            (Some(_), Some(a), Some(b)) => a / 2 == b / 2,
            _ => false,
        };
        let is_inside = node.rack.is_some()
            || self.gang.tier.is_none() && self.gang.subgroups.is_none_or(|(_, tier)| tier.is_none());
        is_inside
            && self.gang.running.iter().all(|(other, name)| {
                let rack = on(name).rack;
                let near = |(size, tier): (usize, Option<u32>)| {
                    other / size != pod / size || within(rack, node.rack, tier)
                };
                within(rack, node.rack, self.gang.tier) && self.gang.subgroups.is_none_or(near)
            })
    }

    /// GPUs of a node that neither others nor the gang's running pods use.
    fn free_gpus(&self, node: &Node) -> u64 {
        let own = self.gang.running.iter().filter(|(_, on)| *on == node.name);
        let own: u64 = own.map(|(pod, _)| self.gang.pods[*pod]).sum();
        node.allocatable["nvidia.com/gpu"].as_u64().unwrap_or(0).saturating_sub(node.used + own)
    }

    /// What is said of the gang; `None` if it has its minimum.
    pub(super) fn place(&self) -> Option<Explanation> {
        let mut scheduler = Scheduler::new(Settings::default(), PlacementRules::default());
        for node in self.node_objects() {
            scheduler.apply(Event::Node(&serde_json::from_value(node).expect("a node")));
        }
        for hyper_node in self.hyper_nodes() {
            scheduler.apply(Event::HyperNode(&serde_json::from_value(hyper_node).expect("a HyperNode")));
        }
        scheduler.apply(Event::PodGroup(&serde_json::from_value(self.group()).expect("a PodGroup")));
        for pod in self.pod_objects() {
            scheduler.apply(Event::Pod(&serde_json::from_value(pod).expect("a pod")));
        }
        scheduler.cycle("");
        let reports = scheduler.reports();
        let report = reports.into_iter().find(|report| report.name == "g").expect("the gang is known");
        (report.counts.assumed + report.counts.placed() < report.minimum)
            .then(|| report.explanation.unwrap_or_default())
    }

    /// The same after a remedy.
    pub(super) fn with(&self, action: &Action, random: &mut Random) -> World {
        let mut world = self.clone();
        let gang = &mut world.gang;
        match action.kind {
            "uncordon" => world.nodes_of(action, |node| node.cordon = Mark::No),
            "getReady" => world.nodes_of(action, |node| node.not_ready = Mark::No),
            "addMatchingNodes" => {
                let like = |node: &&Node| action.nodes.contains(&node.name);
                let new: Vec<Node> = self.nodes.iter().filter(like).map(|node| self.matching(node)).collect();
                world.nodes.extend(new);
            }
            "tolerateTaint" => gang.tolerations.extend(action.taint.clone()),
            "dropNodeSelector" => gang.selector = false,
            "dropNodeAffinity" => gang.affinity = false,
            "dropHostPort" | "loosenPodAffinity" | "loosenPodAntiAffinity" | "loosenTopologySpread" => {
                gang.rule = Rule::None;
            }
            "joinDomain" => {
                let rack = world.rack_in(action.domains[0].domain.as_deref(), random);
                world.nodes_of(action, |node| node.rack = rack);
            }
            "freeRoom" if action.nodes.is_empty() => {
                for place in &action.domains {
                    for _ in 0..place.pods.unwrap_or(0) {
                        let rack = world.rack_in(place.domain.as_deref(), random);
                        world.add_node(rack, json!(place.requests));
                    }
                }
            }
            "freeRoom" => {
                for (name, place) in action.nodes.iter().zip(&action.domains) {
                    world.free(name, gpus(&json!(place.requests)));
                }
            }
            "raiseTier" if action.sub_group_policy.is_some() => {
                gang.subgroups = gang.subgroups.map(|(size, _)| (size, action.tier));
            }
            "raiseTier" => gang.tier = action.tier,
            "lowerMinimum" => gang.minimum = action.pods.unwrap_or(0) as usize,
            other => panic!("{other} is not done to a cluster"),
        }
        world
    }

    /// All that is a little less than a remedy.
    pub(super) fn smaller(&self, action: &Action) -> Vec<World> {
        let random = &mut Random(0);
        match action.kind {
            "uncordon" | "getReady" => {
                let marked = |node: &&Node| match action.kind {
                    "uncordon" => node.cordon != Mark::No,
                    _ => node.not_ready != Mark::No,
                };
                let names: Vec<String> =
                    self.nodes.iter().filter(marked).map(|node| node.name.clone()).collect();
                let smaller = choices(&names, action.nodes.len() - 1).into_iter();
                smaller.map(|nodes| self.with(&Action { nodes, ..action.clone() }, random)).collect()
            }
            "addMatchingNodes" => {
                let names: Vec<String> = self.nodes.iter().map(|node| node.name.clone()).collect();
                let smaller = choices(&names, action.nodes.len() - 1).into_iter();
                smaller.map(|nodes| self.with(&Action { nodes, ..action.clone() }, random)).collect()
            }
            "joinDomain" => {
                let outside = self.nodes.iter().filter(|node| node.rack.is_none());
                let names: Vec<String> = outside.map(|node| node.name.clone()).collect();
                let smaller = choices(&names, action.nodes.len() - 1).into_iter();
                smaller.map(|nodes| self.with(&Action { nodes, ..action.clone() }, random)).collect()
            }
            "freeRoom" if action.nodes.is_empty() => {
                let pods = action.pods.unwrap_or(0);
                let mut kinds: Vec<Value> =
                    action.domains.iter().map(|place| json!(place.requests)).collect();
                kinds.dedup();
                // Room is what nodes beside those that are open bring.
                let is_open = |rack: Option<usize>, kind: &Value| {
                    self.nodes.iter().any(|node| node.rack == rack && self.takes(node, gpus(kind)))
                };
                let racks = (0..self.racks).map(Some).chain([None]);
                let units: Vec<(Option<usize>, Value)> = racks
                    .flat_map(|rack| kinds.iter().map(move |kind| (rack, kind.clone())))
                    .filter(|(rack, kind)| is_open(*rack, kind))
                    .collect();
                let mut worlds = Vec::new();
                multisets(units.len(), pods as usize - 1, &mut Vec::new(), &mut |chosen| {
                    let mut world = self.clone();
                    for &unit in chosen {
                        let (rack, requests) = &units[unit];
                        world.add_node(*rack, requests.clone());
                    }
                    worlds.push(world);
                });
                // Beyond this it takes too long to try them all.
                worlds.truncate(200);
                worlds
            }
            "freeRoom" => {
                let fewer = (0..action.nodes.len()).map(|at| {
                    let mut fewer = action.clone();
                    fewer.nodes.remove(at);
                    fewer.domains.remove(at);
                    self.with(&fewer, random)
                });
                fewer.collect()
            }
            "raiseTier" => {
                let from = match action.sub_group_policy {
                    Some(_) => self.gang.subgroups.and_then(|(_, tier)| tier),
                    None => self.gang.tier,
                };
                let tiers = from.unwrap_or(0) + 1..action.tier.unwrap_or(3);
                tiers.map(|tier| self.with(&Action { tier: Some(tier), ..action.clone() }, random)).collect()
            }
            "lowerMinimum" => {
                let minima = action.pods.unwrap_or(0) + 1..self.gang.minimum as u32;
                minima.map(|pods| self.with(&Action { pods: Some(pods), ..action.clone() }, random)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// By kind, the most that a remedy of it could do: if the gang fits then, there is a remedy of that kind.
    pub(super) fn largest(&self) -> Vec<(&'static str, Vec<World>)> {
        let one = |change: &dyn Fn(&mut World)| {
            let mut world = self.clone();
            change(&mut world);
            vec![world]
        };
        let mut all = vec![
            ("uncordon", one(&|world| world.nodes.iter_mut().for_each(|node| node.cordon = Mark::No))),
            ("getReady", one(&|world| world.nodes.iter_mut().for_each(|node| node.not_ready = Mark::No))),
            ("freeRoom", one(&|world| world.nodes.iter_mut().for_each(|node| node.used = 0))),
        ];
        if self.gang.rule == Rule::None {
            // One more like each that the selector, or the affinity, alone keeps the gang from.
            let excluded = |node: &&Node, by_selector: bool| {
                let (selector, affinity) =
                    (self.gang.selector && node.model != "h100", self.gang.affinity && node.zone == 2);
                if by_selector { selector && !affinity } else { affinity && !selector }
            };
            let more = |by_selector: bool| {
                one(&|world| {
                    let like = self.nodes.iter().filter(|node| excluded(node, by_selector));
                    let new: Vec<Node> = like.map(|node| self.matching(node)).collect();
                    world.nodes.extend(new);
                })
            };
            all.push(("addMatchingNodes", [more(true), more(false)].concat()));
        }
        if self.gang.selector {
            all.push(("dropNodeSelector", one(&|world| world.gang.selector = false)));
        }
        if self.gang.affinity {
            all.push(("dropNodeAffinity", one(&|world| world.gang.affinity = false)));
        }
        let rule = match self.gang.rule {
            Rule::None => None,
            Rule::Affinity => Some("loosenPodAffinity"),
            Rule::AntiAffinity(_) => Some("loosenPodAntiAffinity"),
            Rule::Spread => Some("loosenTopologySpread"),
            Rule::Port => Some("dropHostPort"),
        };
        all.extend(rule.map(|kind| (kind, one(&|world| world.gang.rule = Rule::None))));
        if self.gang.rule != Rule::Spread {
            let tolerate = |key: &str| one(&|world| world.gang.tolerations.push(key.to_owned()));
            all.push(("tolerateTaint", [tolerate("team"), tolerate("other")].concat()));
        }
        let joined = (0..self.racks).flat_map(|rack| {
            one(&|world| world.nodes.iter_mut().for_each(|node| node.rack = node.rack.or(Some(rack))))
        });
        if self.gang.tier.is_some() || self.gang.subgroups.is_some_and(|(_, tier)| tier.is_some()) {
            all.push(("joinDomain", joined.collect()));
        }
        let mut soft = Vec::new();
        if self.gang.tier.is_some() {
            soft.extend(one(&|world| world.gang.tier = None));
        }
        if let Some((size, Some(_))) = self.gang.subgroups {
            soft.extend(one(&|world| world.gang.subgroups = Some((size, None))));
        }
        all.push(("raiseTier", soft));
        // With no more than those that run nothing would wait, which says nothing of where pods fit.
        let lower = (self.gang.running.len() + 1..self.gang.minimum)
            .flat_map(|minimum| one(&|world| world.gang.minimum = minimum));
        all.push(("lowerMinimum", lower.collect()));
        all
    }

    /// Is the node open to the gang's pods, and large enough for one with so many GPUs?
    fn takes(&self, node: &Node, gpus: u64) -> bool {
        node.cordon == Mark::No
            && node.not_ready == Mark::No
            && node.taint.is_none_or(|key| self.gang.tolerations.iter().any(|it| it == key))
            && (!self.gang.selector || node.model == "h100")
            && (!self.gang.affinity || node.zone != 2)
            && node.allocatable["nvidia.com/gpu"].as_u64().unwrap_or(0) >= gpus
            && node.allocatable["cpu"].as_u64().unwrap_or(0) >= self.gang.cpu
    }

    fn nodes_of(&mut self, action: &Action, change: impl Fn(&mut Node)) {
        self.nodes.iter_mut().filter(|node| action.nodes.contains(&node.name)).for_each(change);
    }

    /// A new node like this one, as full as it is, that matches selector and affinity of the gang.
    fn matching(&self, node: &Node) -> Node {
        let used = node.allocatable["nvidia.com/gpu"].as_u64().unwrap_or(0) - self.free_gpus(node);
        Node { name: format!("{}-like", node.name), model: "h100", zone: 0, used, ..node.clone() }
    }

    /// A rack in a domain: itself, one of a block, any at all.
    fn rack_in(&self, domain: Option<&str>, random: &mut Random) -> Option<usize> {
        let racks: Vec<usize> = (0..self.racks)
            .filter(|rack| self.nodes.iter().any(|node| node.rack == Some(*rack)))
            .filter(|rack| {
                domain.is_none_or(|it| it == format!("rack-{rack}") || it == format!("block-{}", rack / 2))
            })
            .collect();
        (!racks.is_empty()).then(|| racks[random.below(racks.len() as u64) as usize])
    }

    /// A new node that is like those that the gang may use, and holds just so much.
    fn add_node(&mut self, rack: Option<usize>, allocatable: Value) {
        let node = Node {
            name: format!("n{}", self.nodes.len()),
            rack,
            zone: 0,
            model: "h100",
            allocatable,
            used: 0,
            cordon: Mark::No,
            not_ready: Mark::No,
            taint: None,
        };
        self.nodes.push(node);
    }

    /// Frees just so much that one more pod has room there.
    fn free(&mut self, name: &str, gpus: u64) {
        let at = self.nodes.iter().position(|node| node.name == name).expect("the node is known");
        let free = self.free_gpus(&self.nodes[at]);
        let more = (free / gpus + 1) * gpus - free;
        let node = &mut self.nodes[at];
        node.used = node.used.saturating_sub(more);
    }

    fn node_objects(&self) -> Vec<Value> {
        let object = |node: &Node| {
            let mut taints = Vec::new();
            let mut taint = |key: &str, effect: &str| taints.push(json!({"key": key, "effect": effect}));
            if matches!(node.cordon, Mark::Taint | Mark::Both) {
                taint("node.kubernetes.io/unschedulable", "NoSchedule");
            }
            if matches!(node.not_ready, Mark::Taint | Mark::Both) {
                taint("node.kubernetes.io/not-ready", "NoSchedule");
                taint("node.kubernetes.io/unreachable", "NoExecute");
            }
            if let Some(key) = node.taint {
                taint(key, "NoSchedule");
            }
            let ready = if matches!(node.not_ready, Mark::Field | Mark::Both) { "False" } else { "True" };
            let labels = json!({"zone": format!("z{}", node.zone), "gpu": node.model, HOST: node.name});
            json!({
                "metadata": {"name": node.name, "labels": labels},
                "spec": {"taints": taints, "unschedulable": matches!(node.cordon, Mark::Field | Mark::Both)},
                "status": {"allocatable": node.allocatable, "conditions": [{"type": "Ready", "status": ready}]},
            })
        };
        self.nodes.iter().map(object).collect()
    }

    fn hyper_nodes(&self) -> Vec<Value> {
        let mut all = Vec::new();
        let object = |name: String, tier: u32, kind: &str, members: Vec<String>| {
            let member = |name: String| json!({"type": kind, "selector": {"exactMatch": {"name": name}}});
            let members: Vec<Value> = members.into_iter().map(member).collect();
            json!({"metadata": {"name": name}, "spec": {"tier": tier, "members": members}})
        };
        let used = |rack: &usize| self.nodes.iter().any(|node| node.rack == Some(*rack));
        for rack in (0..self.racks).filter(used) {
            let inside = self.nodes.iter().filter(|node| node.rack == Some(rack));
            let members = inside.map(|node| node.name.clone()).collect();
            all.push(object(format!("rack-{rack}"), 1, "Node", members));
        }
        for block in 0..self.racks.div_ceil(2) {
            let racks = (2 * block..(2 * block + 2).min(self.racks)).filter(used);
            let members: Vec<String> = racks.map(|rack| format!("rack-{rack}")).collect();
            if !members.is_empty() {
                all.push(object(format!("block-{block}"), 2, "HyperNode", members));
            }
        }
        all
    }

    fn group(&self) -> Value {
        let rule = |tier: u32| json!({"mode": "hard", "highestTierAllowed": tier});
        let mut spec = json!({"minMember": self.gang.minimum});
        if let Some([large, small]) = self.gang.roles {
            spec["minTaskMember"] = json!({"large": large, "small": small});
        }
        if let Some(tier) = self.gang.tier {
            spec["networkTopology"] = rule(tier);
        }
        if let Some((size, tier)) = self.gang.subgroups {
            let mut policy = json!({"name": "p", "subGroupSize": size, "matchLabelKeys": ["part"]});
            if let Some(tier) = tier {
                policy["networkTopology"] = rule(tier);
            }
            spec["subGroupPolicy"] = json!([policy]);
        }
        json!({"metadata": {"name": "g", "namespace": "d"}, "spec": spec})
    }

    fn pod_objects(&self) -> Vec<Value> {
        let mut pods = Vec::new();
        for node in self.nodes.iter().filter(|node| node.used > 0) {
            let container = json!({"name": "c", "resources": {"requests": {"nvidia.com/gpu": node.used}}});
            pods.push(json!({
                "metadata": {"name": format!("other-{}", node.name), "namespace": "o"},
                "spec": {"nodeName": node.name, "containers": [container]},
            }));
        }
        let gang = &self.gang;
        let part = gang.subgroups.map_or(1, |(size, _)| size);
        for (index, gpus) in gang.pods.iter().enumerate() {
            let on = gang.running.iter().find(|(pod, _)| *pod == index);
            let tolerations: Vec<Value> =
                gang.tolerations.iter().map(|key| json!({"key": key, "operator": "Exists"})).collect();
            let mut requests = json!({"nvidia.com/gpu": gpus});
            if gang.cpu > 0 {
                requests["cpu"] = gang.cpu.into();
            }
            let mut container = json!({"name": "c", "resources": {"requests": requests}});
            let mut spec = json!({"schedulerName": "volcano", "tolerations": tolerations});
            if gang.selector {
                spec["nodeSelector"] = json!({"gpu": "h100"});
            }
            let mut affinity = json!({});
            if gang.affinity {
                let term = json!({"key": "zone", "operator": "NotIn", "values": ["z2"]});
                affinity["nodeAffinity"] = json!({"requiredDuringSchedulingIgnoredDuringExecution":
                    {"nodeSelectorTerms": [{"matchExpressions": [term]}]}});
            }
            let own = json!({"matchLabels": {"app": "g"}});
            let near = |key: &str| {
                let term = json!({"topologyKey": key, "labelSelector": own});
                json!({"requiredDuringSchedulingIgnoredDuringExecution": [term]})
            };
            match if on.is_some() { gang.rule_of_running } else { gang.rule } {
                Rule::None => {}
                Rule::Affinity => affinity["podAffinity"] = near("zone"),
                Rule::AntiAffinity(key) => affinity["podAntiAffinity"] = near(key),
                Rule::Spread => {
                    spec["topologySpreadConstraints"] = json!([{"maxSkew": 1, "topologyKey": "zone",
                        "whenUnsatisfiable": "DoNotSchedule", "labelSelector": own, "nodeAffinityPolicy": "Ignore"}]);
                }
                Rule::Port => container["ports"] = json!([{"containerPort": 80, "hostPort": 8080}]),
            }
            spec["affinity"] = affinity;
            spec["containers"] = json!([container]);
            let labels = json!({"app": "g", "part": (index / part).to_string()});
            let role = if Some(gpus) == gang.pods.iter().max() { "large" } else { "small" };
            let annotations = json!({"scheduling.k8s.io/group-name": "g", "volcano.sh/task-spec": role});
            if let Some((_, node)) = on {
                spec["nodeName"] = json!(node);
            }
            let phase = if on.is_some() { "Running" } else { "Pending" };
            pods.push(json!({
                "metadata": {"name": format!("g-{index}"), "namespace": "d", "uid": format!("g-{index}"),
                    "labels": labels, "annotations": annotations},
                "spec": spec, "status": {"phase": phase},
            }));
        }
        pods
    }
}

/// The GPUs that requests ask for.
fn gpus(requests: &Value) -> u64 {
    requests["nvidia.com/gpu"].as_str().and_then(|amount| amount.parse().ok()).unwrap_or(0)
}

/// All choices of so many names.
fn choices(names: &[String], size: usize) -> Vec<Vec<String>> {
    let all = 0u32..1 << names.len();
    let chosen = all.filter(|bits| bits.count_ones() as usize == size);
    let of =
        |bits: u32| (0..names.len()).filter(|at| bits >> at & 1 == 1).map(|at| names[at].clone()).collect();
    chosen.map(of).collect()
}

/// All multisets of so many of `0..kinds`.
fn multisets(kinds: usize, size: usize, chosen: &mut Vec<usize>, each: &mut impl FnMut(&[usize])) {
    if chosen.len() == size {
        return each(chosen);
    }
    for kind in chosen.last().copied().unwrap_or(0)..kinds {
        chosen.push(kind);
        multisets(kinds, size, chosen, each);
        chosen.pop();
    }
}
