//! The topology with who sits where. A small cluster shows every node with its cells, its pods and what is wrong with
//! it; a large one a strip per innermost domain, and neighbours without anything of ours share one.

use super::seats::{Seat, Seats, Who};
use super::{Text, counted, permille};
use crate::apiserver::At as _;
use crate::apiserver::{Key, Kind};
use crate::cluster::capacity::FIXED_RESOURCES;
use crate::cluster::ids::{DomainId, NodeId};
use crate::cluster::natural;
use crate::cluster::topology::Topology;
use crate::simulation::engine::Simulation;
use crate::simulation::report::{Report, rows::amount_text};
use serde_json::Value;
use std::fmt::Write;

/// Up to so many nodes, each is drawn on its own.
const SMALL: usize = 200;
/// Up to so many cells, a node shows one for each piece of the scarce resource.
const CELLS: i64 = 16;
/// Nodes of a strip where nothing groups them.
const STRIP: usize = 32;
/// Strips that are drawn at most.
const STRIPS: usize = 3_000;
/// Gangs in the legend; pods by name on a node.
const NAMED: usize = 24;
const PODS: usize = 8;

pub(super) fn map(run: &Simulation, report: &Report, seats: &Seats<'_>, out: &mut String) {
    let topology = run.scheduler().cluster().view().topology;
    let nodes = topology.nodes(Topology::ROOT);
    if nodes.is_empty() {
        return;
    }
    let mut map = Map { run, seats, small: nodes.len() <= SMALL, strips: 0, left_out: 0 };
    let _ =
        writeln!(out, "<section id=\"map\">\n<h2>Who sits where <small>{}</small></h2>", map.totals(nodes));
    map.legend(report, out);
    let class = if map.small { "root small" } else { "root large" };
    let _ = writeln!(out, "<div class=\"{class}\">");
    map.inside(Topology::ROOT, out);
    out.push_str("</div>\n");
    if map.left_out > 0 {
        let left = counted(map.left_out, "domain");
        let _ = writeln!(
            out,
            "<p class=\"more\">{left} more left out: the cluster is too large for one page.</p>"
        );
    }
    out.push_str("</section>\n");
}

struct Map<'a> {
    run: &'a Simulation,
    seats: &'a Seats<'a>,
    small: bool,
    strips: usize,
    left_out: u32,
}

/// Innermost domains that share a strip.
struct Strip {
    /// Equal texts of neighbours are merged; empty for a strip of its own.
    same: String,
    first: String,
    last: String,
    count: usize,
    nodes: Vec<NodeId>,
}

impl Map<'_> {
    fn legend(&self, report: &Report, out: &mut String) {
        out.push_str("<p class=\"legend\">");
        let seated: Vec<u32> = self.seats.seated().collect();
        let many = seated.len() > NAMED;
        for &gang in seated.iter().take(if many { 0 } else { NAMED }) {
            let name = &report.pod_groups[gang as usize].name;
            let look = self.seats.look(Who::Gang(gang));
            let _ = write!(out, "<span><i class=\"sw {look}\"></i>{}</span> ", Text(name));
        }
        if many {
            let _ = write!(
                out,
                "<span><i class=\"sw k0\"></i><i class=\"sw k1\"></i><i class=\"sw k2\"></i>a colour per gang, {} \
                 gangs: some share one</span> ",
                seated.len()
            );
        }
        for (who, name) in [(Who::Alone, "pods without a gang"), (Who::Others, "other schedulers")] {
            if self.seats.has(who) {
                let _ = write!(out, "<span><i class=\"sw {}\"></i>{name}</span> ", self.seats.look(who));
            }
        }
        out.push_str("<span><i class=\"sw\"></i>free</span></p>\n");
    }

    fn inside(&mut self, domain: DomainId, out: &mut String) {
        let topology = self.run.scheduler().cluster().view().topology;
        let mut strips: Vec<Strip> = Vec::new();
        for &child in topology.children(domain) {
            let nodes = topology.nodes(child);
            let leaf = topology.children(child).is_empty();
            if leaf && !self.small {
                self.gather(&mut strips, topology.name(child), nodes, topology.tier(child));
                continue;
            }
            self.draw(&mut strips, out);
            let _ = writeln!(
                out,
                "<div class=\"dom{}\"><h4>{} <small>tier {} &middot; {}</small></h4><div class=\"in\">",
                if leaf { " leaf" } else { "" },
                Text(topology.name(child)),
                topology.tier(child),
                self.totals(nodes)
            );
            self.inside(child, out);
            out.push_str("</div></div>\n");
        }
        let own = topology.run(domain).filter(|&position| topology.leaf(position) == domain);
        let own: Vec<NodeId> = own.map(|position| topology.order()[position]).collect();
        if self.small {
            self.draw(&mut strips, out);
            self.tiles(&own, out);
            return;
        }
        let nodes = self.run.scheduler().cluster().nodes();
        for part in own.chunks(STRIP) {
            let (first, last) = (nodes.name(part[0]), nodes.name(part[part.len() - 1]));
            let name = if part.len() == 1 { first.to_owned() } else { format!("{first} .. {last}") };
            self.gather(&mut strips, &name, part, 0);
        }
        self.draw(&mut strips, out);
    }

    // --- small clusters: a tile per node ---

    fn tiles(&self, nodes: &[NodeId], out: &mut String) {
        let cluster = self.run.scheduler().cluster();
        let mut nodes = nodes.to_vec();
        nodes.sort_by(|&a, &b| natural::compare(cluster.nodes().name(a), cluster.nodes().name(b)));
        if nodes.is_empty() {
            return;
        }
        out.push_str("<div class=\"tiles in\">\n");
        for node in nodes {
            let troubles = self.troubles(node);
            let class = if troubles.is_empty() { "" } else { " x" };
            let name = cluster.nodes().name(node);
            let _ = write!(out, "<div class=\"node{class}\"><b>{}</b>", Text(name));
            for trouble in troubles {
                let _ = write!(out, "<em>{trouble}</em>");
            }
            for key in self.taints(node) {
                let _ = write!(out, "<em class=\"dim\">tainted {}</em>", Text(key));
            }
            self.cells(node, out);
            self.pods(node, out);
            out.push_str("</div>\n");
        }
        out.push_str("</div>\n");
    }

    /// A cell for each piece, or a bar where there are too many.
    fn cells(&self, node: NodeId, out: &mut String) {
        let all = self.run.scheduler().cluster().view().capacity.allocatable(node, self.seats.resource);
        if all <= 0 {
            return;
        }
        out.push_str("<span class=\"cells\">");
        let taken = self.seats.on(node).iter().filter(|seat| seat.amount > 0);
        if all <= CELLS && self.seats.resource.index() >= FIXED_RESOURCES.len() {
            let mut cells: Vec<String> = Vec::new();
            for seat in taken {
                let look = self.seats.look(seat.who);
                cells.extend((0..seat.amount.min(CELLS)).map(|_| look.clone()));
            }
            cells.resize((all as usize).max(cells.len()), String::new());
            for class in cells {
                let _ = match class.as_str() {
                    "" => write!(out, "<i></i>"),
                    class => write!(out, "<i class=\"{class}\"></i>"),
                };
            }
        } else {
            out.push_str("<span class=\"bar\">");
            for seat in taken {
                let percent = permille(seat.amount, all) / 10;
                let look = self.seats.look(seat.who);
                let _ = write!(out, "<i class=\"{look}\" style=\"width:{percent}%\"></i>");
            }
            out.push_str("</span>");
        }
        out.push_str("</span>");
    }

    fn pods(&self, node: NodeId, out: &mut String) {
        let seats = self.seats.on(node);
        if seats.is_empty() {
            return;
        }
        out.push_str("<ul>");
        for seat in seats {
            let look = self.seats.look(seat.who);
            if seat.who == Who::Others {
                let pods = counted(seat.pods.len() as u32, "pod");
                let _ = write!(out, "<li class=\"dim\"><i class=\"sw {look}\"></i>{pods} of others</li>");
                continue;
            }
            for pod in seat.pods.iter().take(PODS) {
                let _ = write!(out, "<li title=\"{0}\"><i class=\"sw {look}\"></i>{0}</li>", Text(pod));
            }
            if seat.pods.len() > PODS {
                let _ = write!(out, "<li class=\"dim\">and {} more</li>", seat.pods.len() - PODS);
            }
        }
        out.push_str("</ul>");
    }

    /// What is wrong with a node, or with its place in the topology.
    fn troubles(&self, node: NodeId) -> Vec<&'static str> {
        let mut troubles = Vec::new();
        if let Some(object) = self.object(node) {
            let conditions = object.at("/status/conditions").and_then(Value::as_array);
            if conditions.into_iter().flatten().any(|c| c["type"] == "Ready" && c["status"] != "True") {
                troubles.push("not ready");
            }
            if object.at("/spec/unschedulable") == Some(&Value::Bool(true)) {
                troubles.push("cordoned");
            }
        }
        if self.run.scheduler().cluster().view().topology.is_in_quarantine(node) {
            troubles.push("in a broken HyperNode");
        }
        troubles
    }

    /// Keys of the taints that keep pods away, but for those that only repeat what else is to be seen: that the node
    /// has trouble, or that it has the resource.
    fn taints(&self, node: NodeId) -> Vec<&str> {
        let resource = self.run.scheduler().cluster().resources().name(self.seats.resource);
        let taints = self.object(node).and_then(|object| object.at("/spec/taints")?.as_array());
        let hard = taints.into_iter().flatten().filter(|taint| taint["effect"] != "PreferNoSchedule");
        hard.filter_map(|taint| taint["key"].as_str())
            .filter(|key| !key.starts_with("node.kubernetes.io/") && *key != resource)
            .collect()
    }

    fn object(&self, node: NodeId) -> Option<&Value> {
        let name = self.run.scheduler().cluster().nodes().name(node);
        Some(&self.run.store.get(&Key::new(Kind::Node, "", name))?.value)
    }

    // --- large clusters: a strip per innermost domain ---

    fn gather(&mut self, strips: &mut Vec<Strip>, name: &str, nodes: &[NodeId], tier: u32) {
        let plain = nodes.iter().all(|&node| !self.seats.is_ours(node) && self.troubles(node).is_empty());
        let same = if plain { format!("{tier} {}", self.totals(nodes)) } else { String::new() };
        if let Some(last) = strips.last_mut().filter(|last| plain && last.same == same) {
            name.clone_into(&mut last.last);
            last.count += 1;
            last.nodes.extend(nodes);
            return;
        }
        let (first, last) = (name.to_owned(), name.to_owned());
        strips.push(Strip { same, first, last, count: 1, nodes: nodes.to_vec() });
    }

    fn draw(&mut self, strips: &mut Vec<Strip>, out: &mut String) {
        for strip in strips.drain(..) {
            if self.strips >= STRIPS {
                self.left_out += strip.count as u32;
                continue;
            }
            self.strips += 1;
            let name = match strip.count {
                1 => strip.first.clone(),
                2 => format!("{}, {}", strip.first, strip.last),
                count => format!("{} .. {} ({count})", strip.first, strip.last),
            };
            let class = if strip.count > 1 { "row idle" } else { "row" };
            let _ = write!(
                out,
                "<div class=\"{class}\"><span title=\"{0}\">{0}</span><span class=\"strip\">",
                Text(&name)
            );
            if strip.count > 1 {
                self.bar(&strip.nodes, out);
            } else {
                self.segments(&strip.nodes, out);
            }
            let _ = writeln!(out, "</span><small>{}</small></div>", self.amounts(&strip.nodes));
        }
    }

    /// How full the nodes of several domains are.
    fn bar(&self, nodes: &[NodeId], out: &mut String) {
        let (used, all) = self.sums(nodes);
        let percent = permille(used, all) / 10;
        if percent > 0 {
            let _ = write!(out, "<i class=\"ko\" style=\"flex:{percent}\"></i>");
        }
        let _ = write!(out, "<i style=\"flex:{}\"></i>", 100 - percent);
    }

    /// Nodes side by side; neighbours that look the same share a segment.
    fn segments(&self, nodes: &[NodeId], out: &mut String) {
        let mut segments: Vec<(String, String, usize)> = Vec::new();
        for &node in nodes {
            let (class, title) = self.segment(node);
            match segments.last_mut().filter(|last| last.0 == class && last.1 == title) {
                Some(last) => last.2 += 1,
                None => segments.push((class, title, 1)),
            }
        }
        for (class, title, count) in segments {
            out.push_str("<i");
            if !class.is_empty() {
                let _ = write!(out, " class=\"{class}\"");
            }
            if count > 1 {
                let _ = write!(out, " style=\"flex:{count}\"");
            }
            if !title.is_empty() {
                let _ = write!(out, " title=\"{}\"", Text(&title));
            }
            out.push_str("></i>");
        }
    }

    /// The look of a node (of whoever has most of it; how full it is), and who sits there.
    fn segment(&self, node: NodeId) -> (String, String) {
        let seats = self.seats.on(node);
        let (used, all) = self.sums(&[node]);
        let mut class = String::new();
        let most: Option<&Seat<'_>> =
            seats.iter().max_by_key(|seat| (seat.amount, std::cmp::Reverse(seat.who)));
        if let Some(seat) = most {
            class = self.seats.look(seat.who);
            let quarter = (permille(used, all) + 249) / 250;
            if quarter < 4 {
                let _ = write!(class, " q{quarter}");
            }
        }
        let troubles = self.troubles(node);
        let taints = self.taints(node);
        if !troubles.is_empty() {
            class.push_str(if class.is_empty() { "x" } else { " x" });
        }
        let mut title: Vec<&str> = seats
            .iter()
            .filter(|seat| seat.who != Who::Others)
            .map(|seat| self.seats.name(seat.who))
            .collect();
        let more = title.len().saturating_sub(3);
        title.truncate(3);
        title.extend(troubles);
        let mut title = title.join(", ");
        for key in taints {
            let comma = if title.is_empty() { "" } else { ", " };
            let _ = write!(title, "{comma}tainted {key}");
        }
        if more > 0 {
            let _ = write!(title, " and {more} more");
        }
        (class, title)
    }

    // --- both ---

    fn totals(&self, nodes: &[NodeId]) -> String {
        format!("{} &middot; {}", counted(nodes.len() as u32, "node"), self.amounts(nodes))
    }

    /// How much of the scarce resource is in use, as HTML.
    fn amounts(&self, nodes: &[NodeId]) -> String {
        let resources = self.run.scheduler().cluster().resources();
        let name = resources.name(self.seats.resource);
        let (used, all) = self.sums(nodes);
        let short = name.rsplit('/').next().unwrap_or(name);
        format!("{}/{} {}", amount_text(name, used), amount_text(name, all), Text(short))
    }

    fn sums(&self, nodes: &[NodeId]) -> (i64, i64) {
        let capacity = self.run.scheduler().cluster().view().capacity;
        nodes.iter().fold((0, 0), |(used, all), &node| {
            let here = capacity.allocatable(node, self.seats.resource);
            (used + here - capacity.free(node, self.seats.resource), all + here)
        })
    }
}
