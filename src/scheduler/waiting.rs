//! Gangs that wait: what they ask, what they were told, and what need not be asked or told again.
//!
//! Overload is when this matters: thousands of gangs wait, and every pod that ends could help any of them. So
//!
//! - the question that a gang asks is kept until the gang, the topology or the rules about other pods change;
//! - gangs whose questions differ in nothing but names have the same *shape*: what one of them was refused, another is
//!   refused unasked for the rest of the cycle (capacity only shrinks in a cycle), unless it looks at other pods;
//! - a full explanation costs several decisions, so it is shared by gangs of one shape as long as nothing changes, made
//!   anew only if the gang gets further or less far than before, and so many times a cycle at most;
//! - a gang that a whole search did not place is searched for less often, the more often that was so; and so many searches
//!   a cycle are made to no end. The other tries take few steps;
//! - so many gangs a cycle are told something new, so that one node that comes free is not thousands of writes.

use super::order::Turn;
use super::reason::Reason;
use crate::cluster::View;
use crate::cluster::ids::{ClassId, GangId};
use crate::placement::{Change, GangRequest, Placement, PlacementRules, Placer, Proof, Shortfall, TierRule};
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Full explanations a cycle for gangs that have none.
pub(super) const FIRST: usize = 64;

/// Full explanations a cycle for gangs that have one already.
pub(super) const AGAIN: usize = 8;

/// Gangs a cycle that have an explanation and are looked at, to see if it is still right, and are told if it is not.
pub(super) const CHECKED: usize = 128;

/// Searches a cycle, in steps of [`PlacementRules::search_budget`], after which all others take few steps.
const SEARCHES: u64 = 8;

/// A search in few steps takes one in so many.
const FEW: u64 = 64;

/// Shapes whose explanations are kept.
const KEPT: usize = 4096;

/// Why pods of a gang wait.
#[derive(Clone, Debug)]
pub(super) struct Wait {
    pub(super) reason: Reason,
    pub(super) message: String,
    /// Is the minimum not met (rather than pods beyond it)?
    pub(super) below_minimum: bool,
    /// Classes of the pods that wait: a node that gains room matters if it can take one of them.
    pub(super) classes: Vec<ClassId>,
    /// What the solver found, of the present topology: a new one has every gang tried again.
    pub(super) shortfall: Option<Box<Shortfall>>,
    /// How far the gang got by counts when the message was made; `None` where the solver did not refuse it.
    pub(super) counted: Option<Box<Shortfall>>,
    /// Is the message all that can be said?
    pub(super) is_full: bool,
    /// The question, as long as it is the same.
    pub(super) asked: Option<Box<QueuedRequest>>,
}

/// What a gang asks the solver, and when its turn is.
#[derive(Clone, Debug)]
pub(super) struct QueuedRequest {
    pub(super) request: GangRequest,
    pub(super) turn: Turn,
    pub(super) shape: Shape,
    /// Does any of its pods look at where other pods are, or is looked at?
    pub(super) coupled: bool,
    /// Members that stand for pods that do not exist yet.
    pub(super) stand_ins: u32,
    /// Tries that ended without a placement and without proof that there is none.
    pub(super) open: u32,
}

/// A question without names: equal shapes get equal answers.
pub(super) type Shape = Arc<[u32]>;

impl QueuedRequest {
    pub(super) fn new(view: View<'_>, request: GangRequest, turn: Turn, stand_ins: u32) -> Self {
        let members = request.subgroups.iter().flat_map(|subgroup| &subgroup.members);
        let mut last = None;
        let coupled = members
            .filter(|member| last.replace(member.class) != Some(member.class))
            .any(|member| view.concerns(member.class));
        // A gang with stand-ins is told other remedies than one whose pods all exist.
        let shape = shape(&request).iter().copied().chain([stand_ins]).collect();
        QueuedRequest { shape, turn, coupled, stand_ins, open: 0, request }
    }

    /// Asks the solver about all nodes but those that are closed to the gang, in few steps where a whole search has come to nothing before or the cycle has searched enough.
    pub(super) fn ask(
        &mut self,
        placer: &mut Placer,
        view: View<'_>,
        rules: &PlacementRules,
        round: &mut Round,
        closed: &[Change],
    ) -> Result<Placement, Proof> {
        let budget = rules.search_budget;
        let is_due = self.open == 0 || self.open.is_power_of_two();
        let is_spent = round.steps >= budget.saturating_mul(SEARCHES);
        let ask = |placer: &mut Placer, rules: &PlacementRules| match closed {
            [] => placer.decide(view, &self.request, rules),
            closed => placer.suppose(view, &self.request, rules, closed),
        };
        let answer = if is_due && !is_spent {
            ask(placer, rules)
        } else {
            let few = PlacementRules { search_budget: budget.div_ceil(FEW), ..rules.clone() };
            ask(placer, &few)
        };
        let proof = answer.as_ref().map_or_else(|&proof| proof, |placement| placement.proof);
        if let Proof::CutShort { steps } = proof {
            round.steps = round.steps.saturating_add(steps);
            // What had few steps only because others had many is still to be searched for.
            self.open += u32::from(answer.is_err() && !(is_due && is_spent));
        }
        answer
    }
}

pub(super) fn shape(request: &GangRequest) -> Shape {
    let mut shape: Vec<u32> =
        vec![request.minimum, request.roles.len() as u32, request.policies.len() as u32];
    let rule = |shape: &mut Vec<u32>, rule: &TierRule| {
        for tier in [rule.required, rule.preferred] {
            shape.extend([u32::from(tier.is_some()), tier.unwrap_or(0)]);
        }
    };
    rule(&mut shape, &request.rule);
    shape.extend(request.roles.iter().flat_map(|role| [role.role, role.minimum]));
    for policy in &request.policies {
        shape.extend([policy.size, policy.minimum]);
        rule(&mut shape, &policy.rule);
    }
    for subgroup in &request.subgroups {
        let at = shape.len();
        shape.extend([subgroup.policy.map_or(0, |policy| policy + 1), 0, subgroup.placed.len() as u32]);
        for alike in subgroup.members.chunk_by(|a, b| (a.class, a.role) == (b.class, b.role)) {
            shape.extend([alike[0].class.0, alike[0].role, alike.len() as u32]);
            shape[at + 1] += 1;
        }
        for placed in &subgroup.placed {
            let node = placed.node.map_or([0, 0], |node| [1, node.0]);
            shape.extend([node[0], node[1], placed.role]);
        }
    }
    shape.into()
}

/// What gangs of a shape were told while everything was as it is.
#[derive(Debug, Default)]
pub(super) struct KnownOutcomes {
    /// Changes of capacity, build of the topology, version of the rules about other pods, generation of classes.
    epoch: (u64, u64, u64, u64),
    by_shape: FxHashMap<Shape, Explanation>,
    /// Gangs that were refused and are to have a full explanation in a later cycle.
    pub(super) owed: BTreeSet<GangId>,
}

/// What a gang is told.
#[derive(Clone, Debug)]
pub(super) struct Explanation {
    pub(super) is_full: bool,
    pub(super) reason: Reason,
    pub(super) message: String,
    pub(super) shortfall: Shortfall,
    pub(super) counted: Shortfall,
}

impl KnownOutcomes {
    /// What a gang of the shape was told, if nothing has changed since.
    pub(super) fn get(&mut self, view: View<'_>, shape: &Shape) -> Option<&Explanation> {
        self.refresh(view);
        self.by_shape.get(shape)
    }

    /// Keeps what a gang of the shape is told.
    pub(super) fn put(&mut self, view: View<'_>, shape: Shape, explanation: Explanation) {
        self.refresh(view);
        if self.by_shape.len() >= KEPT {
            self.by_shape.clear();
        }
        self.by_shape.insert(shape, explanation);
    }

    fn refresh(&mut self, view: View<'_>) {
        let versions = (view.topology.version(), view.coupling.version());
        let epoch = (view.capacity.position(), versions.0, versions.1, view.classes.generation());
        if self.epoch != epoch {
            self.epoch = epoch;
            self.by_shape.clear();
        }
    }
}

/// What is left to spend in a cycle, and what it has learnt.
#[derive(Debug)]
pub(super) struct Round {
    pub(super) first: usize,
    pub(super) again: usize,
    pub(super) checked: usize,
    /// Steps taken by searches that were cut short.
    pub(super) steps: u64,
    /// Shapes that were refused, and how sure that is.
    pub(super) refused: FxHashMap<Shape, Proof>,
    /// Gangs whose status may differ.
    pub(super) touched: BTreeSet<GangId>,
}

impl Default for Round {
    fn default() -> Self {
        Round {
            first: FIRST,
            again: AGAIN,
            checked: CHECKED,
            steps: 0,
            refused: FxHashMap::default(),
            touched: BTreeSet::new(),
        }
    }
}

#[cfg(test)]
mod tests;
