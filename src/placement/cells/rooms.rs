//! Do the nodes of a cell hold so many pods of each kind? A packing of vectors, small, and asked again and again.
//!
//! Where the loads to which no pod can be added are few, they are listed once per form ([`front`]), and a load fits if it
//! is within one of them. Elsewhere each load is decided once and remembered: first best fit, the hardest kind first; then
//! node by node, each time the kind that lags behind most; then every distribution, within [`Limits::ROOM_STEPS`]. "Yes"
//! is always right; "no" may be wrong where those steps ran out ([`Rooms::is_exact`]).

mod front;

use super::apart::Apart;
use super::lanes::{Lanes, Load};
use crate::placement::limits::Limits;
use rustc_hash::FxHashMap;
use std::cmp::Reverse;

/// What a node has left for the gang.
#[derive(Clone, Debug)]
pub(in crate::placement) struct State {
    /// By resource that the gang asks for.
    pub(in crate::placement) free: Vec<i64>,
    /// Kinds that may use it, as bits.
    pub(in crate::placement) open: u32,
}

/// Cells whose nodes are in the same states.
#[derive(Debug)]
struct Form {
    /// States of the nodes, ascending.
    nodes: Vec<u32>,
    /// The most pods of each kind alone.
    most: Load,
    capacity: u64,
    /// The loads to which no pod can be added, if they have been asked for; `None` inside where they are too many.
    front: Option<Option<Vec<Load>>>,
}

/// The forms, and what is known of them.
#[derive(Debug)]
pub(in crate::placement) struct Rooms {
    lanes: Lanes,
    /// By kind, then resource.
    requests: Vec<Vec<i64>>,
    states: Vec<State>,
    /// The most in any cell: pods that there are, or fewer.
    most: Load,
    /// Where pods keep apart. Then every "no" is in doubt.
    apart: Option<Apart>,
    forms: Vec<Form>,
    by_nodes: FxHashMap<Vec<u32>, u32>,
    /// Kinds, the hardest first.
    order: Vec<u32>,
    weights: Vec<u64>,
    known: FxHashMap<(u32, Load), bool>,
    exact: bool,
    /// Nodes looked at so far.
    pub(in crate::placement) work: u64,
    free: Vec<i64>,
}

impl Rooms {
    pub(super) fn new(
        lanes: Lanes,
        requests: Vec<Vec<i64>>,
        states: Vec<State>,
        weights: &[u64],
        totals: &[u64],
        apart: Option<Apart>,
    ) -> Self {
        let in_cell = |kind: u32| apart.as_ref().map_or(u32::MAX, |apart| apart.in_cell[kind as usize]);
        let most = (0..).zip(totals).map(|(kind, &total)| lanes.of(kind, in_cell(kind).min(total as u32)));
        let most = most.fold(Load::NONE, Load::plus);
        let mut order: Vec<u32> = (0..lanes.kinds()).collect();
        order.sort_by_key(|&kind| Reverse(weights[kind as usize]));
        Rooms {
            lanes,
            requests,
            states,
            most,
            exact: apart.is_none(),
            apart,
            forms: Vec::new(),
            by_nodes: FxHashMap::default(),
            order,
            weights: weights.to_vec(),
            known: FxHashMap::default(),
            work: 0,
            free: Vec::new(),
        }
    }

    /// The form of cells with nodes in these states, ascending.
    pub(super) fn form(&mut self, nodes: Vec<u32>) -> u32 {
        if let Some(&known) = self.by_nodes.get(&nodes) {
            return known;
        }
        let mut most = Load::NONE;
        for kind in 0..self.lanes.kinds() {
            let fits: u64 = nodes.iter().map(|&node| self.slots(node, kind)).sum();
            let total = self.lanes.get(self.most, kind);
            most = most.plus(self.lanes.of(kind, fits.min(u64::from(total)) as u32));
        }
        let best = |&node: &u32| {
            (0..self.lanes.kinds()).map(|kind| self.slots(node, kind) * self.weights[kind as usize]).max()
        };
        let capacity = nodes.iter().filter_map(best).sum();
        let form = self.forms.len() as u32;
        self.by_nodes.insert(nodes.clone(), form);
        self.forms.push(Form { nodes, most, capacity, front: None });
        form
    }

    /// The most weight of pods of one kind a node, summed over the nodes.
    pub(super) fn capacity(&self, form: u32) -> u64 {
        self.forms[form as usize].capacity
    }

    /// The most pods of each kind alone, no more than there are.
    pub(in crate::placement) fn most(&self, form: u32) -> Load {
        self.forms[form as usize].most
    }

    /// Was every "no" so far right?
    pub(in crate::placement) fn is_exact(&self) -> bool {
        self.exact
    }

    /// Nodes take more than their states say: from now on, every "no" is in doubt.
    pub(super) fn doubt(&mut self) {
        self.exact = false;
    }

    /// Kinds, the hardest first.
    pub(in crate::placement) fn order(&self) -> &[u32] {
        &self.order
    }

    fn slots(&self, state: u32, kind: u32) -> u64 {
        let State { free, open } = &self.states[state as usize];
        let fits = if open >> kind & 1 == 0 { 0 } else { fit(free, &self.requests[kind as usize]) };
        fits.min(self.apart.as_ref().map_or(u64::MAX, |apart| apart.on_node[kind as usize].into()))
    }

    /// Do pods keep apart?
    pub(in crate::placement) fn is_apart(&self) -> bool {
        self.apart.is_some()
    }

    /// Do the nodes hold so much?
    pub(in crate::placement) fn fits(&mut self, form: u32, load: Load) -> bool {
        let lanes = self.lanes;
        if !lanes.is_within(load, self.most(form)) {
            return false;
        }
        if self.front(form).is_none() && self.is_apart() {
            return false;
        }
        if let Some(front) = self.front(form) {
            return front.iter().any(|&full| lanes.is_within(load, full));
        }
        if let Some(&known) = self.known.get(&(form, load)) {
            return known;
        }
        let mut packed = Vec::new();
        let fits = self.pack(form, load, &mut packed);
        self.known.insert((form, load), fits);
        fits
    }

    /// Which nodes hold how much of a load that fits, by node of the form; `false` if it does not fit, or no way was found.
    pub(in crate::placement) fn pack(&mut self, form: u32, load: Load, packed: &mut Vec<Load>) -> bool {
        if self.is_apart() {
            return self.pack_by_front(form, load, packed);
        }
        let kinds = (0..self.lanes.kinds()).filter(|&kind| self.lanes.get(load, kind) > 0).count();
        // Each kind looks at what every node has left for every kind; up to three kinds count as one look.
        let looks = (kinds as u64 * u64::from(self.lanes.kinds())).div_ceil(9);
        let nodes = self.forms[form as usize].nodes.len() as u64 * looks;
        self.work += nodes;
        if self.pack_by_kind(form, load, packed) {
            return true;
        }
        if kinds < 2 {
            return false;
        }
        self.work += nodes;
        if self.pack_evenly(form, load, packed) {
            return true;
        }
        if self.front(form).is_some() {
            return self.pack_by_front(form, load, packed);
        }
        self.start(form, packed);
        let mut every = Every { rooms: self, form, left: load, packed, steps: 0 };
        let found = every.kind(0);
        let steps = every.steps;
        self.work += steps;
        self.exact &= found.is_some();
        found == Some(true)
    }

    /// Sets out what is free, and nothing packed.
    pub(in crate::placement) fn start(&mut self, form: u32, packed: &mut Vec<Load>) {
        let form = &self.forms[form as usize];
        self.free.clear();
        for &node in &form.nodes {
            self.free.extend_from_slice(&self.states[node as usize].free);
        }
        packed.clear();
        packed.resize(form.nodes.len(), Load::NONE);
    }

    /// Pods of a kind that a node takes now.
    pub(in crate::placement) fn left(&self, form: u32, node: usize, kind: u32) -> u32 {
        let state = &self.states[self.forms[form as usize].nodes[node] as usize];
        if state.open >> kind & 1 == 0 {
            return 0;
        }
        let resources = state.free.len();
        fit(&self.free[node * resources..][..resources], &self.requests[kind as usize])
            .min(u64::from(u32::MAX)) as u32
    }

    /// Takes so many pods of a kind on a node; a negative number gives them back.
    pub(in crate::placement) fn take(&mut self, node: usize, kind: u32, pods: i64) {
        let requests = &self.requests[kind as usize];
        let resources = requests.len();
        for (free, &amount) in self.free[node * resources..][..resources].iter_mut().zip(requests) {
            *free -= amount * pods;
        }
    }

    /// Best fit, kind by kind: a node that has least left for the hardest kinds comes first.
    fn pack_by_kind(&mut self, form: u32, load: Load, packed: &mut Vec<Load>) -> bool {
        self.start(form, packed);
        for at in 0..self.order.len() {
            let kind = self.order[at];
            let mut need = self.lanes.get(load, kind);
            if need == 0 {
                continue;
            }
            let room = |node: usize| -> u64 {
                let left =
                    |&other: &u32| u64::from(self.left(form, node, other)) * self.weights[other as usize];
                self.order.iter().map(left).sum()
            };
            let nodes = (0..packed.len()).filter(|&node| self.left(form, node, kind) > 0);
            let mut nodes: Vec<(u64, usize)> = nodes.map(|node| (room(node), node)).collect();
            nodes.sort_unstable();
            for (_, node) in nodes {
                let pods = need.min(self.left(form, node, kind));
                self.take(node, kind, i64::from(pods));
                packed[node] = packed[node].plus(self.lanes.of(kind, pods));
                need -= pods;
                if need == 0 {
                    break;
                }
            }
            if need > 0 {
                return false;
            }
        }
        true
    }

    /// Node by node, each time the kind of which the largest share is left. Kinds that ask for much of different
    /// resources share nodes where either alone would leave the other no room.
    fn pack_evenly(&mut self, form: u32, load: Load, packed: &mut Vec<Load>) -> bool {
        self.start(form, packed);
        let mut left = load;
        for (node, packed) in packed.iter_mut().enumerate() {
            while !left.is_none() {
                let share = |kind: u32| {
                    (u64::from(self.lanes.get(left, kind)) << 20)
                        / u64::from(self.lanes.get(load, kind).max(1))
                };
                let fits = |&kind: &u32| self.lanes.get(left, kind) > 0 && self.left(form, node, kind) > 0;
                let kinds = self.order.iter().copied().filter(fits);
                let Some(kind) = kinds.max_by_key(|&kind| (share(kind), Reverse(kind))) else { break };
                self.take(node, kind, 1);
                let one = self.lanes.of(kind, 1);
                *packed = packed.plus(one);
                left = left.minus(one);
            }
        }
        left.is_none()
    }
}

/// How often the requests go into what is free.
fn fit(free: &[i64], requests: &[i64]) -> u64 {
    let limits = free.iter().zip(requests).filter(|&(_, &amount)| amount > 0);
    limits.map(|(&free, &amount)| (free.max(0) / amount) as u64).min().unwrap_or(u64::from(u32::MAX >> 1))
}

/// Every distribution of a load over the nodes, kind by kind and node by node.
struct Every<'r> {
    rooms: &'r mut Rooms,
    form: u32,
    left: Load,
    packed: &'r mut Vec<Load>,
    steps: u64,
}

impl Every<'_> {
    /// Distributes the kinds from the `at`-th on; `None` when the steps are used up.
    fn kind(&mut self, at: usize) -> Option<bool> {
        let Some(&kind) = self.rooms.order.get(at) else { return Some(true) };
        for &later in &self.rooms.order[at..] {
            let fits = (0..self.packed.len()).map(|node| u64::from(self.rooms.left(self.form, node, later)));
            if fits.sum::<u64>() < u64::from(self.rooms.lanes.get(self.left, later)) {
                return Some(false);
            }
        }
        let need = self.rooms.lanes.get(self.left, kind);
        self.node(at, 0, need)
    }

    /// Puts `need` pods of the `at`-th kind on the nodes from `node` on.
    fn node(&mut self, at: usize, node: usize, need: u32) -> Option<bool> {
        self.steps += 1;
        if self.steps > Limits::ROOM_STEPS {
            return None;
        }
        let kind = self.rooms.order[at];
        if need == 0 {
            return self.kind(at + 1);
        }
        if node == self.packed.len() {
            return Some(false);
        }
        let mut most = self.rooms.left(self.form, node, kind).min(need);
        // Of nodes that are alike, the first takes most.
        let nodes = &self.rooms.forms[self.form as usize].nodes;
        if node > 0 && nodes[node] == nodes[node - 1] {
            let of_kind = self.rooms.lanes.get(self.packed[node - 1], kind);
            if self.packed[node - 1].minus(self.rooms.lanes.of(kind, of_kind)) == self.packed[node] {
                most = most.min(of_kind);
            }
        }
        for pods in (0..=most).rev() {
            let taken = self.rooms.lanes.of(kind, pods);
            self.rooms.take(node, kind, i64::from(pods));
            self.packed[node] = self.packed[node].plus(taken);
            self.left = self.left.minus(taken);
            let found = self.node(at, node + 1, need - pods);
            if found != Some(false) {
                return found;
            }
            self.rooms.take(node, kind, -i64::from(pods));
            self.packed[node] = self.packed[node].minus(taken);
            self.left = self.left.plus(taken);
        }
        Some(false)
    }
}
