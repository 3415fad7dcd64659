//! Every assignment of every subset of the pods, judged one by one.

use super::world::World;
use crate::cluster::ids::NodeId;
use crate::placement::audit::{audit, cost_of};
use crate::placement::{Assignment, GangRequest, Member, Placement, PlacementRules};

/// The best of all: pods placed and the cost of that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Best {
    pub(super) pods: usize,
    pub(super) cost: Vec<i64>,
    pub(super) assignments: Vec<Assignment>,
}

/// Tries everything. `None`: no placement keeps the hard rules.
pub(super) fn best(world: &World, request: &GangRequest, rules: &PlacementRules) -> Option<Best> {
    let mut members: Vec<(usize, Member)> = Vec::new();
    for (subgroup, s) in request.subgroups.iter().enumerate() {
        members.extend(s.members.iter().map(|member| (subgroup, *member)));
    }
    members.sort_by_key(|(subgroup, member)| (*subgroup, member.class, member.role, member.rank));
    let mut search = Search {
        world,
        request,
        rules,
        members,
        nodes: (0..world.capacity.len() as u32).map(NodeId).collect(),
        free: Vec::new(),
        chosen: Vec::new(),
        best: None,
    };
    let resources = world.capacity.resources() as u32;
    search.free = search
        .nodes
        .iter()
        .map(|&node| {
            (0..resources).map(|r| world.capacity.free(node, crate::cluster::ids::ResourceId(r))).collect()
        })
        .collect();
    search.go(0);
    search.best
}

struct Search<'a> {
    world: &'a World,
    request: &'a GangRequest,
    rules: &'a PlacementRules,
    members: Vec<(usize, Member)>,
    nodes: Vec<NodeId>,
    free: Vec<Vec<i64>>,
    /// Index of the node by member so far; `usize::MAX` for none.
    chosen: Vec<usize>,
    best: Option<Best>,
}

impl Search<'_> {
    fn go(&mut self, at: usize) {
        let placed = self.chosen.iter().filter(|&&node| node != usize::MAX).count();
        let open = self.members.len() - at;
        if self.best.as_ref().is_some_and(|best| placed + open < best.pods) {
            return;
        }
        if at == self.members.len() {
            return self.judge(placed);
        }
        let (subgroup, member) = self.members[at];
        // Pods that are alike take nodes in order, so that each choice is tried once.
        let from = match at.checked_sub(1).map(|before| (self.members[before], self.chosen[before])) {
            Some(((s, m), node)) if s == subgroup && m.class == member.class && m.role == member.role => node,
            _ => 0,
        };
        let class = self.world.classes.get(member.class).clone();
        for node in from.min(self.nodes.len())..self.nodes.len() {
            let fits = self.world.capacity.is_present(self.nodes[node])
                && self.world.eligibility.cause(class.constraint, self.nodes[node]).is_none()
                && class.requests.iter().all(|&(r, amount)| self.free[node][r.index()] >= amount);
            if !fits {
                continue;
            }
            for &(resource, amount) in &class.requests {
                self.free[node][resource.index()] -= amount;
            }
            self.chosen.push(node);
            self.go(at + 1);
            self.chosen.pop();
            for &(resource, amount) in &class.requests {
                self.free[node][resource.index()] += amount;
            }
        }
        self.chosen.push(usize::MAX);
        self.go(at + 1);
        self.chosen.pop();
    }

    fn judge(&mut self, placed: usize) {
        if placed == 0 {
            return;
        }
        let assignments: Vec<Assignment> = (self.members.iter().zip(&self.chosen))
            .filter(|&(_, &node)| node != usize::MAX)
            .map(|((_, member), &node)| Assignment { pod: member.pod, node: self.nodes[node] })
            .collect();
        let around = self.around(&assignments);
        let placement = Placement {
            domain: Some(around),
            tier: self.world.topology.tier(around),
            assignments,
            ..Placement::default()
        };
        if audit(self.world.view(), self.request, &placement).is_err() {
            return;
        }
        let cost = cost_of(self.world.view(), self.request, self.rules, &placement.assignments);
        let better = self.best.as_ref().is_none_or(|best| placed > best.pods || cost < best.cost);
        if better {
            self.best = Some(Best { pods: placed, cost, assignments: placement.assignments });
        }
    }

    fn around(&self, assignments: &[Assignment]) -> crate::cluster::ids::DomainId {
        let topology = &self.world.topology;
        let running = self.request.subgroups.iter().flat_map(|s| s.placed.iter().filter_map(|p| p.node));
        let leaves = running
            .chain(assignments.iter().map(|assignment| assignment.node))
            .filter_map(|node| topology.position(node))
            .map(|position| topology.leaf(position));
        leaves.reduce(|a, b| topology.common(a, b)).expect("at least one pod is placed")
    }
}
