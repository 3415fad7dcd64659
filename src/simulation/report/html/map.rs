//! The topology with who sits where. A small cluster shows every node with its cells, its pods and what is wrong with
//! it; a large one a strip per innermost domain, and neighbours without anything of ours share one.

use super::seats::{Seat, Seats, Who};
use super::{counted, permille, swatch};
use crate::apiserver::At as _;
use crate::apiserver::{Key, Kind};
use crate::cluster::capacity::FIXED_RESOURCES;
use crate::cluster::ids::{DomainId, NodeId};
use crate::cluster::natural;
use crate::cluster::topology::Topology;
use crate::simulation::engine::Simulation;
use crate::simulation::report::{Report, rows::amount_text};
use maud::{Markup, html};
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

pub(super) fn map(run: &Simulation, report: &Report, seats: &Seats<'_>) -> Markup {
    let topology = run.scheduler().cluster().view().topology;
    let nodes = topology.nodes(Topology::ROOT);
    if nodes.is_empty() {
        return Markup::default();
    }
    let mut map = Map { run, seats, small: nodes.len() <= SMALL, strips: 0, left_out: 0 };
    let inside = map.inside(Topology::ROOT);
    html! {
        section #map {
            h2 { "Who sits where " small { (map.totals(nodes)) } }
            (map.legend(report))
            div class={ "root " (if map.small { "small" } else { "large" }) } { (inside) }
            @if map.left_out > 0 {
                p.more {
                    (counted(map.left_out, "domain")) " more left out: the cluster is too large for one page."
                }
            }
        }
    }
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
    fn legend(&self, report: &Report) -> Markup {
        let seated: Vec<u32> = self.seats.seated().collect();
        let many = seated.len() > NAMED;
        let kinds = [(Who::Alone, "pods without a gang"), (Who::Others, "other schedulers")];
        html! {
            p.legend {
                @for &gang in seated.iter().take(if many { 0 } else { NAMED }) {
                    span {
                        (swatch(&self.seats.look(Who::Gang(gang)))) (report.pod_groups[gang as usize].name)
                    }
                    " "
                }
                @if many {
                    span {
                        (swatch("k0")) (swatch("k1")) (swatch("k2"))
                        "a colour per gang, " (seated.len()) " gangs: some share one"
                    }
                    " "
                }
                @for (who, name) in kinds.into_iter().filter(|(who, _)| self.seats.has(*who)) {
                    span { (swatch(&self.seats.look(who))) (name) }
                    " "
                }
                span { (swatch("")) "free" }
            }
        }
    }

    fn inside(&mut self, domain: DomainId) -> Markup {
        let topology = self.run.scheduler().cluster().view().topology;
        let mut strips: Vec<Strip> = Vec::new();
        let mut parts: Vec<Markup> = Vec::new();
        for &child in topology.children(domain) {
            let nodes = topology.nodes(child);
            let leaf = topology.children(child).is_empty();
            if leaf && !self.small {
                self.gather(&mut strips, topology.name(child), nodes, topology.tier(child));
                continue;
            }
            parts.push(self.draw(&mut strips));
            let inside = self.inside(child);
            parts.push(html! {
                div class={ "dom" @if leaf { " leaf" } } {
                    h4 {
                        (topology.name(child)) " "
                        small { "tier " (topology.tier(child)) " \u{b7} " (self.totals(nodes)) }
                    }
                    div.in { (inside) }
                }
            });
        }
        let own = topology.run(domain).filter(|&position| topology.leaf(position) == domain);
        let own: Vec<NodeId> = own.map(|position| topology.order()[position]).collect();
        if self.small {
            parts.extend([self.draw(&mut strips), self.tiles(&own)]);
            return html! { @for part in parts { (part) } };
        }
        let nodes = self.run.scheduler().cluster().nodes();
        for part in own.chunks(STRIP) {
            let (first, last) = (nodes.name(part[0]), nodes.name(part[part.len() - 1]));
            let name = if part.len() == 1 { first.to_owned() } else { format!("{first} .. {last}") };
            self.gather(&mut strips, &name, part, 0);
        }
        parts.push(self.draw(&mut strips));
        html! { @for part in parts { (part) } }
    }

    // --- small clusters: a tile per node ---

    fn tiles(&self, nodes: &[NodeId]) -> Markup {
        let names = self.run.scheduler().cluster().nodes();
        let mut nodes = nodes.to_vec();
        nodes.sort_by(|&a, &b| natural::compare(names.name(a), names.name(b)));
        html! {
            @if !nodes.is_empty() {
                div.tiles.in {
                    @for &node in &nodes {
                        @let troubles = self.troubles(node);
                        div class={ "node" @if !troubles.is_empty() { " x" } } {
                            b { (names.name(node)) }
                            @for trouble in &troubles { em { (trouble) } }
                            @for key in self.taints(node) { em.dim { "tainted " (key) } }
                            (self.cells(node))
                            (self.pods(node))
                        }
                    }
                }
            }
        }
    }

    /// A cell for each piece, or a bar where there are too many.
    fn cells(&self, node: NodeId) -> Markup {
        let all = self.run.scheduler().cluster().view().capacity.allocatable(node, self.seats.resource);
        if all <= 0 {
            return Markup::default();
        }
        let taken = || self.seats.on(node).iter().filter(|seat| seat.amount > 0);
        if all <= CELLS && self.seats.resource.index() >= FIXED_RESOURCES.len() {
            let mut cells: Vec<Option<String>> = Vec::new();
            for seat in taken() {
                let look = self.seats.look(seat.who);
                cells.extend((0..seat.amount.min(CELLS)).map(|_| Some(look.clone())));
            }
            cells.resize((all as usize).max(cells.len()), None);
            return html! { span.cells { @for look in &cells { i class=[look.as_deref()] {} } } };
        }
        html! {
            span.cells {
                span.bar {
                    @for seat in taken() {
                        i class=(self.seats.look(seat.who)) style={ "width:" (permille(seat.amount, all) / 10) "%" } {}
                    }
                }
            }
        }
    }

    fn pods(&self, node: NodeId) -> Markup {
        let seats = self.seats.on(node);
        html! {
            @if !seats.is_empty() {
                ul { @for seat in seats { (self.seat(seat)) } }
            }
        }
    }

    /// The pods of a gang on a node; those of other schedulers are counted.
    fn seat(&self, seat: &Seat<'_>) -> Markup {
        let look = self.seats.look(seat.who);
        if seat.who == Who::Others {
            return html! { li.dim { (swatch(&look)) (counted(seat.pods.len() as u32, "pod")) " of others" } };
        }
        html! {
            @for pod in seat.pods.iter().take(PODS) { li title=(pod) { (swatch(&look)) (pod) } }
            @if seat.pods.len() > PODS { li.dim { "and " (seat.pods.len() - PODS) " more" } }
        }
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

    fn draw(&mut self, strips: &mut Vec<Strip>) -> Markup {
        let left = (STRIPS - self.strips).min(strips.len());
        self.strips += left;
        self.left_out += strips[left..].iter().map(|strip| strip.count as u32).sum::<u32>();
        strips.truncate(left);
        let drawn = html! { @for strip in strips.iter() { (self.strip(strip)) } };
        strips.clear();
        drawn
    }

    fn strip(&self, strip: &Strip) -> Markup {
        let name = match strip.count {
            1 => strip.first.clone(),
            2 => format!("{}, {}", strip.first, strip.last),
            count => format!("{} .. {} ({count})", strip.first, strip.last),
        };
        html! {
            div class={ "row" @if strip.count > 1 { " idle" } } {
                span title=(name) { (name) }
                span.strip {
                    @if strip.count > 1 { (self.bar(&strip.nodes)) } @else { (self.segments(&strip.nodes)) }
                }
                small { (self.amounts(&strip.nodes)) }
            }
        }
    }

    /// How full the nodes of several domains are.
    fn bar(&self, nodes: &[NodeId]) -> Markup {
        let (used, all) = self.sums(nodes);
        let percent = permille(used, all) / 10;
        html! {
            @if percent > 0 { i.ko style={ "flex:" (percent) } {} }
            i style={ "flex:" (100 - percent) } {}
        }
    }

    /// Nodes side by side; neighbours that look the same share a segment.
    fn segments(&self, nodes: &[NodeId]) -> Markup {
        let mut segments: Vec<(String, String, usize)> = Vec::new();
        for &node in nodes {
            let (class, title) = self.segment(node);
            match segments.last_mut().filter(|last| last.0 == class && last.1 == title) {
                Some(last) => last.2 += 1,
                None => segments.push((class, title, 1)),
            }
        }
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        html! {
            @for (class, title, count) in &segments {
                i class=[given(class)] style=[(*count > 1).then(|| format!("flex:{count}"))] title=[given(title)] {}
            }
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
        format!("{} \u{b7} {}", counted(nodes.len() as u32, "node"), self.amounts(nodes))
    }

    /// How much of the scarce resource is in use.
    fn amounts(&self, nodes: &[NodeId]) -> String {
        let resources = self.run.scheduler().cluster().resources();
        let name = resources.name(self.seats.resource);
        let (used, all) = self.sums(nodes);
        let short = name.rsplit('/').next().unwrap_or(name);
        format!("{}/{} {}", amount_text(name, used), amount_text(name, all), short)
    }

    fn sums(&self, nodes: &[NodeId]) -> (i64, i64) {
        let capacity = self.run.scheduler().cluster().view().capacity;
        nodes.iter().fold((0, 0), |(used, all), &node| {
            let here = capacity.allocatable(node, self.seats.resource);
            (used + here - capacity.free(node, self.seats.resource), all + here)
        })
    }
}
