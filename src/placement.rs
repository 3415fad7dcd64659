//! Where a gang goes, all of it or none of it: a search over counts in the domain tree.
//!
//! [`Placer::place`] takes a gang and a view of the cluster and returns a [`Placement`] that satisfies every hard
//! rule, or a [`Shortfall`] that says how far it got. It never says that a gang cannot be placed unless a bound or an
//! exhausted search proves it ([`Proof`]). Same input, same bytes: integers and total orders only.
//!
//! What is minimised, in this order: pods left out, then the cost terms in the configured order (`cost`), then the
//! depth-first position.

pub mod audit;
mod bound;
mod cells;
mod certificate;
mod cost;
mod cover;
mod demand;
mod enclosing;
mod exact;
mod fill;
mod floor;
mod general;
mod guarantee;
pub mod hypothesis;
mod least;
mod limits;
mod mixed;
mod nodes;
pub mod outcome;
mod overlay;
mod packing;
mod plan;
mod random;
mod ranks;
pub mod request;
pub mod rules;
mod search;
mod shortfall;
mod single;
mod slices;
mod slots;
mod tree;
mod trial;

pub use hypothesis::Change;
pub use outcome::{Absent, Assignment, Outcome, Placement, Proof, Remedy, Shortfall, TierFit};
pub use request::{GangRequest, Member, Placed, Policy, RoleMinimum, Subgroup, TierRule};
pub use rules::{CostTerm, Packing, PlacementRules};

use crate::cluster::View;
use crate::cluster::ids::{ClassId, DomainId};
use certificate::Certificate;
use cover::Cover;
use demand::Demand;
use fill::Fill;
use guarantee::{Answer, guarantee};
use nodes::Seat;
use overlay::Overlay;
use plan::Plan;
use slots::Slots;
use tree::Tree;

/// The solver. Holds indices and scratch memory that are derived from what it is shown, and nothing else: a new one
/// gives the same answers.
#[derive(Debug, Default)]
pub struct Placer {
    tree: Tree,
    tools: Tools,
    /// The cluster that the rest is derived from, and the generation of its classes.
    whose: Option<(u64, u64)>,
}

/// Indices and scratch memory.
#[derive(Debug, Default)]
struct Tools {
    slots: Slots,
    fill: Fill,
    overlay: Overlay,
    cover: Cover,
    scratch: Scratch,
}

/// Scratch memory.
#[derive(Debug, Default)]
struct Scratch {
    marks: Marks,
    seats: Vec<Seat>,
    candidates: Vec<u32>,
}

/// What a solver looks at.
#[derive(Clone, Copy)]
struct Context<'a> {
    view: View<'a>,
    tree: &'a Tree,
    rules: &'a PlacementRules,
    demand: &'a Demand,
    aim: Aim,
}

/// What a solver is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Aim {
    /// The best placement.
    Best,
    /// Any placement with as many pods as can be: would it fit, if? Asked many times in a row, so it takes fewer steps.
    Fits,
}

impl Placer {
    /// Where the gang goes. A shortfall in the answer has counts only: how far the best domain of each tier goes, in
    /// pods; where pods differ that is an upper bound. [`Placer::explain`] gives the rest.
    pub fn place(&mut self, view: View<'_>, request: &GangRequest, rules: &PlacementRules) -> Outcome {
        self.ask(view, request, rules, |context, tools| match solve(context, tools) {
            Ok(plan) => Outcome::Placed(finish(context, tools, &plan)),
            Err(proof) => Outcome::Short(shortfall::measure(context, tools, Err(proof))),
        })
    }

    /// As [`Placer::place`], without a word on how far a refused gang got. An error is how sure the refusal is.
    pub fn decide(
        &mut self,
        view: View<'_>,
        request: &GangRequest,
        rules: &PlacementRules,
    ) -> Result<Placement, Proof> {
        self.ask(view, request, rules, |context, tools| {
            solve(context, tools).map(|plan| finish(context, tools, &plan))
        })
    }

    /// How far a gang gets that [`Placer::decide`] refused, by counts: what [`Placer::place`] says of it.
    pub fn count_short(
        &mut self,
        view: View<'_>,
        request: &GangRequest,
        rules: &PlacementRules,
    ) -> Shortfall {
        self.ask(view, request, rules, |context, tools| {
            shortfall::measure(context, tools, Err(Proof::Proven))
        })
    }

    /// As [`Placer::decide`], if all of this were so. What is supposed is undone before it returns.
    pub fn suppose(
        &mut self,
        view: View<'_>,
        request: &GangRequest,
        rules: &PlacementRules,
        changes: &[Change],
    ) -> Result<Placement, Proof> {
        self.ask(view, request, rules, |context, tools| {
            hypothesis::under(context, tools, changes, |context, tools| {
                solve(context, tools).map(|plan| finish(context, tools, &plan))
            })
        })
    }

    fn ask<R>(
        &mut self,
        view: View<'_>,
        request: &GangRequest,
        rules: &PlacementRules,
        answer: impl FnOnce(&Context<'_>, &mut Tools) -> R,
    ) -> R {
        self.meet(view);
        self.tree.refresh(view.topology, rules.level_weight);
        let demand = Demand::new(view, &self.tree, request);
        let view = view.mixing(&demand.kinds);
        answer(&Context { view, tree: &self.tree, rules, demand: &demand, aim: Aim::Best }, &mut self.tools)
    }

    /// Starts over for another cluster, or where ids of classes have been given to others.
    fn meet(&mut self, view: View<'_>) {
        let whose = Some((view.capacity.identity(), view.classes.generation()));
        if self.whose != whose {
            *self = Placer { whose, ..Placer::default() };
        }
    }
}

impl Placer {
    /// Counts the slots of a class now, or brings them up to date, so that the next decision need not: for idle moments
    /// and for measuring. Returns the slots in the whole cluster.
    pub fn count(&mut self, view: View<'_>, class: ClassId, rules: &PlacementRules) -> u64 {
        self.meet(view);
        self.tree.refresh(view.topology, rules.level_weight);
        let Tools { slots, overlay, .. } = &mut self.tools;
        let at = slots.ensure(view, &self.tree, class, overlay);
        slots.get(at).total()
    }

    /// Why the gang, or a part of it, has no place: the full shortfall, with the causes that exclude nodes and with
    /// remedies, which are checked by placing the changed gang. Empty if all pods can be placed. Costs several
    /// decisions; for messages, not for every try.
    pub fn explain(&mut self, view: View<'_>, request: &GangRequest, rules: &PlacementRules) -> Shortfall {
        self.ask(view, request, rules, |context, tools| shortfall::explain(context, tools, request))
    }
}

/// Asks the strategies that [`guarantee`] names, and is the only one to say what is proven. An error is how sure it is
/// that the minima cannot be met.
fn solve(context: &Context<'_>, tools: &mut Tools) -> Result<Plan, Proof> {
    let demand = context.demand;
    if demand.missing() > 0 || demand.groups.is_empty() {
        return Err(Certificate::Counted.proof());
    }
    tools.fill.refresh(context.view, context.tree, context.rules, &demand.kinds);
    let coupled = demand.kinds.iter().any(|&class| tools.slots.couples(context.view, class));
    for strategy in guarantee(context, coupled).strategies() {
        match strategy.answer(context, tools) {
            Answer::Placed(plan) => return Ok(plan),
            Answer::Refused(certificate) => return Err(certificate.proof()),
            Answer::StandsBack => {}
        }
    }
    unreachable!("the last strategy never stands back")
}

fn finish(context: &Context<'_>, tools: &mut Tools, plan: &Plan) -> Placement {
    let (domain, cost) = price(context, tools, plan);
    let bound = bound::of_plan(context, tools, plan, &cost);
    let left_out = plan.pods() < context.demand.pending;
    Placement {
        assignments: ranks::deal(context.view, context.demand, plan),
        domain: Some(DomainId(domain)),
        tier: context.tree.tier[domain as usize],
        cost,
        bound,
        proof: plan.certificate.proof(),
        shortfall: left_out.then(|| shortfall::measure(context, tools, Ok(plan))),
    }
}

/// What a plan costs, with the indices as they stand: nothing may be taken on trial.
fn price(context: &Context<'_>, tools: &mut Tools, plan: &Plan) -> (u32, Vec<i64>) {
    let Tools { slots, fill, overlay, scratch, .. } = tools;
    let kinds = &context.demand.kinds;
    let base = match context.place(CostTerm::Stranded) {
        usize::MAX => Standing(Vec::new()),
        _ => Standing(cost::main(context, plan).map_or_else(Vec::new, |main| {
            let at = slots.ensure(context.view, context.tree, kinds[main], overlay);
            let sums = &slots.get(at).sums;
            vec![(main, sums.as_slice())]
        })),
    };
    cost::of_plan(context, scratch, fill, &base, plan)
}

/// Slot sums by kind.
struct Standing<'a>(Vec<(usize, &'a [u64])>);

impl cost::Base for Standing<'_> {
    fn slots(&self, kind: usize, domain: u32) -> u64 {
        self.0.iter().find(|(known, _)| *known == kind).map_or(0, |(_, sums)| sums[domain as usize])
    }
}

impl<'a> Context<'a> {
    /// The outermost domains that the gang's rule allows; every placement lies inside one.
    fn regions(&self) -> impl Iterator<Item = u32> + 'a {
        let Context { tree, demand, .. } = *self;
        let usable = *self;
        let tier = demand.rule.required.unwrap_or(tree.tier[0]);
        let pinned = demand.running.map(|running| tree.outermost_within(running, tier));
        let range = match pinned {
            Some(region) => region.map_or(0..0, |region| region..region + 1),
            None if tree.tier[0] <= tier => 0..1,
            None => 0..tree.len() as u32,
        };
        range.filter(move |&domain| tree.is_outermost_within(domain, tier) && usable.may_use(domain))
    }

    /// Where a term stands in the order; terms that are missing stand last.
    fn place(&self, term: CostTerm) -> usize {
        self.rules.order.iter().position(|&known| known == term).unwrap_or(usize::MAX)
    }

    /// Domains that the gang may use and that pass a test, lowest tier first.
    fn candidates(&self, test: impl Fn(u32) -> bool + Clone) -> impl Iterator<Item = u32> + Clone {
        self.tree.by_tier.iter().copied().filter(move |&domain| test(domain) && self.may_use(domain))
    }

    /// May all pods of the gang lie in this domain, as far as the gang's rule goes?
    fn may_use(&self, domain: u32) -> bool {
        let Context { tree, demand, .. } = *self;
        let allowed = demand.rule.required.is_none_or(|tier| tree.tier[domain as usize] <= tier);
        allowed && demand.running.is_none_or(|running| tree.is_within(running, domain))
    }
}

/// A set of domains that is emptied in constant time.
#[derive(Debug, Default)]
struct Marks {
    stamp: u64,
    stamps: Vec<u64>,
}

impl Marks {
    fn begin(&mut self, len: usize) {
        self.stamp += 1;
        if self.stamps.len() < len {
            self.stamps.resize(len, 0);
        }
    }

    /// Adds to the set; `true` if it is new.
    fn mark(&mut self, domain: u32) -> bool {
        std::mem::replace(&mut self.stamps[domain as usize], self.stamp) != self.stamp
    }
}

#[cfg(test)]
mod tests;
