//! The topology with who sits where. In a large cluster neighbours that look the same share a line.

use crate::cluster::ids::{DomainId, NodeId, ResourceId};
use crate::cluster::natural;
use crate::cluster::topology::Topology;
use crate::simulation::engine::Simulation;
use crate::simulation::report::{PodRow, Report, rows::amount_text, rows::scarce};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Up to so many nodes, every domain and every pod of ours is shown.
const SMALL: usize = 64;

/// Draws the tree.
pub fn tree(run: &Simulation, report: &Report) -> String {
    let cluster = run.scheduler().cluster();
    let mut pods: BTreeMap<&str, Vec<&PodRow>> = BTreeMap::new();
    for pod in &report.pods {
        if let Some(node) =
            pod.node.as_deref().filter(|_| !matches!(pod.phase.as_str(), "Succeeded" | "Failed"))
        {
            pods.entry(node).or_default().push(pod);
        }
    }
    let root = Topology::ROOT;
    let nodes = cluster.view().topology.nodes(root);
    let drawing = Drawing { run, pods, resource: scarce(run), small: nodes.len() <= SMALL };
    let mut text = String::new();
    let _ = writeln!(text, "cluster  {}", drawing.totals(nodes));
    drawing.inside(root, "", &mut text);
    text
}

struct Drawing<'a> {
    run: &'a Simulation,
    pods: BTreeMap<&'a str, Vec<&'a PodRow>>,
    resource: ResourceId,
    small: bool,
}

/// A line to be drawn, and what it has in common with its neighbours if they are to share it.
struct Line {
    /// Equal texts of neighbours are merged.
    same: String,
    first: String,
    last: String,
    count: usize,
    nodes: Vec<NodeId>,
    domain: Option<DomainId>,
}

impl Drawing<'_> {
    fn inside(&self, domain: DomainId, indent: &str, text: &mut String) {
        let cluster = self.run.scheduler().cluster();
        let topology = cluster.view().topology;
        let mut lines: Vec<Line> = Vec::new();
        let mut children: Vec<DomainId> = topology.children(domain).to_vec();
        children.sort_by(|&a, &b| natural::compare(topology.name(a), topology.name(b)));
        for child in children {
            let nodes = topology.nodes(child);
            let ours = nodes.iter().any(|&node| self.here(node).any(|pod| pod.ours));
            let size = nodes.len();
            let same = if ours {
                String::new()
            } else {
                format!("{} {size} {}", topology.tier(child), self.totals(nodes))
            };
            self.push(&mut lines, same, topology.name(child), nodes, Some(child));
        }
        let direct: Vec<NodeId> = topology
            .run(domain)
            .filter(|&position| topology.leaf(position) == domain)
            .map(|position| topology.order()[position])
            .collect();
        let mut direct = direct;
        direct.sort_by(|&a, &b| natural::compare(cluster.nodes().name(a), cluster.nodes().name(b)));
        for node in direct {
            let ours = self.here(node).any(|pod| pod.ours);
            let same = if ours && self.small { String::new() } else { self.occupants(node) };
            self.push(&mut lines, same, cluster.nodes().name(node), &[node], None);
        }
        let count = lines.len();
        for (index, line) in lines.iter().enumerate() {
            let (branch, below) = if index + 1 == count { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            let _ = writeln!(text, "{indent}{branch}{}", self.label(line));
            if let Some(child) = line.domain.filter(|_| line.same.is_empty()) {
                self.inside(child, &format!("{indent}{below}"), text);
            }
        }
    }

    fn push(
        &self,
        lines: &mut Vec<Line>,
        same: String,
        name: &str,
        nodes: &[NodeId],
        domain: Option<DomainId>,
    ) {
        if let Some(last) = lines.last_mut()
            && !same.is_empty()
            && last.same == same
            && last.domain.is_some() == domain.is_some()
        {
            last.last = name.to_owned();
            last.count += 1;
            last.nodes.extend(nodes);
            return;
        }
        let (first, last) = (name.to_owned(), name.to_owned());
        lines.push(Line { same, first, last, count: 1, nodes: nodes.to_vec(), domain });
    }

    fn label(&self, line: &Line) -> String {
        let topology = self.run.scheduler().cluster().view().topology;
        let name = match line.count {
            1 => line.first.clone(),
            2 => format!("{}, {}", line.first, line.last),
            count => format!("{} .. {} ({count})", line.first, line.last),
        };
        match line.domain {
            Some(domain) => format!("{name}  tier {}  {}", topology.tier(domain), self.totals(&line.nodes)),
            None => {
                let amounts = self.amounts(&line.nodes);
                let who = self.who(&line.nodes);
                format!("{name}  {amounts}{}{who}", if who.is_empty() { "" } else { "  " })
            }
        }
    }

    /// What makes two nodes look the same: how full they are and which gangs sit there.
    fn occupants(&self, node: NodeId) -> String {
        let mut who: Vec<String> = self.here(node).map(sitter).collect();
        who.sort();
        who.dedup();
        format!("{} {}", self.amounts(&[node]), who.join(" "))
    }

    /// Pods by name on a single node, gangs with their number of pods on several.
    fn who(&self, nodes: &[NodeId]) -> String {
        if let [node] = nodes {
            let here: Vec<&PodRow> = self.here(*node).collect();
            let ours: Vec<String> =
                here.iter().filter(|pod| pod.ours).map(|pod| pod.name.to_string()).collect();
            let others = here.len() - ours.len();
            let mut parts = ours;
            if others > 0 {
                parts.push(format!("{others} of other schedulers"));
            }
            return parts.join(" ");
        }
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for pod in nodes.iter().flat_map(|&node| self.here(node)) {
            *counts.entry(sitter(pod)).or_default() += 1;
        }
        let parts = counts
            .into_iter()
            .map(|(who, count)| format!("{who} ({count} pod{})", if count == 1 { "" } else { "s" }));
        parts.collect::<Vec<_>>().join(", ")
    }

    fn here(&self, node: NodeId) -> impl Iterator<Item = &PodRow> {
        let name = self.run.scheduler().cluster().nodes().name(node);
        self.pods.get(name).into_iter().flatten().copied()
    }

    fn totals(&self, nodes: &[NodeId]) -> String {
        format!("{} node{}  {}", nodes.len(), if nodes.len() == 1 { "" } else { "s" }, self.amounts(nodes))
    }

    /// How much of the scarce resource is in use.
    fn amounts(&self, nodes: &[NodeId]) -> String {
        let cluster = self.run.scheduler().cluster();
        let capacity = cluster.view().capacity;
        let (mut allocatable, mut free) = (0, 0);
        for &node in nodes {
            allocatable += capacity.allocatable(node, self.resource);
            free += capacity.free(node, self.resource);
        }
        let name = cluster.resources().name(self.resource);
        let short = name.rsplit('/').next().unwrap_or(name);
        format!("{}/{} {short}", amount_text(name, allocatable - free), amount_text(name, allocatable))
    }
}

fn sitter(pod: &PodRow) -> String {
    match (&pod.pod_group, pod.ours) {
        (Some(group), true) => group.to_string(),
        (None, true) => pod.name.to_string(),
        (_, false) => "other schedulers".into(),
    }
}
