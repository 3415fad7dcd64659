//! What the solver guarantees, by what it is asked. One strategy is asked first; it answers, or stands back for the next.
//!
//! | precondition | strategy | why it is right | least in | stands back | held to, by |
//! | --- | --- | --- | --- | --- | --- |
//! | one class, no subgroups | [`single`] | the cheapest domain that holds all pods is optimal; inside, staircases are exact ([`cover`]), and so is the choice among them ([`least`]) | pods, all terms; those from `NodeScore` on within [`Limits::LEAST_STEPS`] | never | brute force, `tests::optimal::one_kind`, `node_score_of_one_kind`; a plain programme, `tests::reference` |
//! | one class; whole subgroups of one policy, one size and one need, none of which runs | [`slices`] | a domain holds `floor(slots / size)` subgroups; taking the lowest tiers first is optimal for every tier at once | as above | where fewer than all fit, and part of a subgroup, a role or another choice could do better | brute force, `tests::optimal::subgroups_alike` |
//! | one class; whole subgroups of several sizes that want the lowest tier | [`mixed`] | of equal domains the largest are opened; choices are enumerated by cost and packed exactly | pods, tiers, `Domains` | where not all subgroups fit into lowest domains | brute force, `tests::optimal::sizes_differ`; an integer programme, `tests::reference` |
//! | anything | [`general`] | bounds from counts and measures, an exhausted search ([`exact`]), or tables over what every cell may hold, where whole subgroups lie inside lowest domains ([`search`]); else the best that ruin and recreate finds | pods, tiers, `Domains` where a certificate says so | never | brute force, `tests::optimal::anything`, `tests::shapes`; gangs built to fit, `tests::mixed`; an integer programme, the bench `gap` |
//!
//! "Least" is what a closed [`Certificate`] says; an open one says that the answer keeps every hard rule, and nothing
//! else. A refusal is final where its certificate is closed. Only [`super::solve`] turns certificates into a proof.
//!
//! [`single`]: super::single
//! [`slices`]: super::slices
//! [`mixed`]: super::mixed
//! [`general`]: super::general
//! [`exact`]: super::exact
//! [`search`]: super::search
//! [`cover`]: super::cover
//! [`least`]: super::least
//! [`Limits::LEAST_STEPS`]: super::limits::Limits::LEAST_STEPS

use super::certificate::Certificate;
use super::plan::Plan;
use super::{Context, Tools, general, mixed, single, slices};

/// How a gang is placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strategy {
    /// One class without subgroups.
    Single,
    /// Subgroups that are alike.
    Slices,
    /// Subgroups of one class and several sizes.
    Mixed,
    /// Anything.
    General,
}

/// What came of a strategy.
pub(super) enum Answer {
    /// At least the minima are placed.
    Placed(Plan),
    /// The minima cannot be met, or no way was found.
    Refused(Certificate),
    /// It is for the next strategy to say.
    StandsBack,
}

/// The strategies that answer a gang, the first one first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Guarantee {
    strategies: [Option<Strategy>; 3],
}

/// What answers this gang. `coupled`: does any of its classes depend on where other pods are?
pub(super) fn guarantee(context: &Context<'_>, coupled: bool) -> Guarantee {
    let demand = context.demand;
    let counted = !coupled && demand.kinds.len() == 1;
    let loose = demand.groups.len() == 1 && demand.groups[0].policy.is_none();
    let strategies = match counted {
        true if loose => [Some(Strategy::Single), None, None],
        true => [
            slices::applies(demand).then_some(Strategy::Slices),
            mixed::applies(context).then_some(Strategy::Mixed),
            Some(Strategy::General),
        ],
        false => [Some(Strategy::General), None, None],
    };
    Guarantee { strategies }
}

impl Guarantee {
    /// The strategies in the order in which they are asked.
    pub(super) fn strategies(self) -> impl Iterator<Item = Strategy> {
        self.strategies.into_iter().flatten()
    }
}

impl Strategy {
    /// Asks it.
    pub(super) fn answer(self, context: &Context<'_>, tools: &mut Tools) -> Answer {
        match self {
            Strategy::Single => single::solve(context, tools),
            Strategy::Slices => slices::solve(context, tools),
            Strategy::Mixed => mixed::solve(context, tools),
            Strategy::General => general::solve(context, tools),
        }
    }
}
