//! A gang of one kind without subgroups to place: counts alone decide, exactly, at any size.
//!
//! Every domain that holds all pods is a candidate for the gang's domain, priced as if the gang spanned it; [`Cover`]
//! gives the least `Domains` inside. A placement in the candidate may lie in a smaller domain, but then that one is a
//! candidate too, and no dearer in any term ([`enclosing::share`]). So the cheapest candidate is the optimum. (To spread, `Stranded` falls as
//! domains grow, and that holds only where the tier has been settled before.)
//!
//! `NodeScore` is the least that there is as well, by [`Least`], unless that would take too long: then it is what the best
//! nodes of the domains cost that [`Cover`] chooses. Most often a bound shows that nothing is left to be found.
//!
//! [`Cover`]: super::cover::Cover

use super::certificate::Certificate;
use super::cost;
use super::cover::{Ground, Place, Share};
use super::demand::tier_cost;
use super::enclosing::{self, Key};
use super::guarantee::Answer;
use super::least::{Least, Taken};
use super::nodes::{Scorer, Seat};
use super::plan::{Plan, Settled};
use super::rules::{CostTerm, Packing};
use super::tree::Tree;
use super::{Context, Tools};
use crate::cluster::ids::DomainId;

/// Places the loose group, as many of its pods as fit. Refused: fewer fit than the minima need.
pub(super) fn solve(context: &Context<'_>, tools: &mut Tools) -> Answer {
    let Context { view, tree, rules, demand, .. } = *context;
    let class = demand.kinds[0];
    let at = tools.slots.ensure(view, tree, class, &tools.overlay);
    let Tools { slots, fill, cover, scratch, .. } = tools;
    let slots = slots.get(at);
    let most = context.regions().map(|region| slots.sums[region as usize]).max().unwrap_or(0);
    let pods = most.min(demand.placeable());
    if pods == 0 || pods < demand.needed() {
        return Answer::Refused(Certificate::Counted);
    }
    let share = fill.of(view, tree, class);
    let scorer = Scorer::new(context, fill, class);
    let ground = Ground::of_pods(context, &slots.nodes, &slots.sums, &demand.touched);
    cover.begin(&ground, pods);
    let mut keys = enclosing::keys(rules);
    keys.retain(|&key| key != Key::SubgroupTier);
    // Where a term follows `NodeScore`, it tells candidates of one score apart.
    let ties = i64::from(keys.last() != Some(&Key::NodeScore));
    let mut steps = 0;
    let mut least = Least::new(nodes_first(context));
    let mut score = |domain: u32, seats: &mut Vec<Seat>| {
        let (start, end) = tree.run[domain as usize];
        if tree.is_lump(domain) {
            let is_affordable = least.afford(u64::from(end - start) * pods.min(64));
            seats.clear();
            let is_least = is_affordable && scorer.choose(ground.nodes, own(tree, domain), pods, seats);
            return is_least.then(|| (scorer.total(seats), 0));
        }
        let found = least.find(&ground, &scorer, Taken::default(), domain, pods.min(1 << 30) as u32)?;
        *seats = found.seats;
        Some((found.score, found.domains))
    };
    let bound = |domain: u32| {
        let floor = slots.floor.of(tree, &share, fill.epoch(), &slots.nodes, domain);
        floor.map_or(i64::MIN, |(share, widest)| scorer.bound(share, widest, pods))
    };
    let (mut best, mut chosen, mut is_least) = (i64::MAX, Vec::new(), true);
    // `Domains` of the candidates whose nodes were chosen first.
    let mut inside: Vec<(u32, i64)> = Vec::new();
    let candidates = context.candidates(|domain| slots.sums[domain as usize] >= pods);
    let domain = enclosing::best(&keys, candidates, &mut scratch.candidates, |key, domain| {
        steps += 1;
        let value = match key {
            Key::SubgroupTier => 0,
            Key::GangTier => tier_cost(demand.rule, tree.tier[domain as usize]),
            Key::Domains => {
                let fewest = cover.cost(&ground, domain)?;
                let known = inside.iter().find(|&&(known, _)| known == domain);
                around(context, domain) + known.map_or(fewest, |&(_, domains)| domains)
            }
            Key::Room => cost::room(rules.packing, slots.sums[domain as usize], slots.total(), pods),
            Key::Share => enclosing::share(context, &share, ground.sums, domain),
            Key::NodeScore if bound(domain) < best.saturating_add(ties) => {
                let found = score(domain, &mut chosen);
                is_least &= found.is_some();
                inside.extend(found.filter(|_| nodes_first(context)).map(|(_, domains)| (domain, domains)));
                let value = found.map_or(i64::MAX, |(score, _)| score);
                best = best.min(value);
                value
            }
            // no better than the best so far, so behind it
            Key::NodeScore => i64::MAX,
        };
        Some(value)
    });
    let Some(domain) = domain else { return Answer::Refused(Certificate::Counted) };
    let mut seats = Vec::with_capacity(pods.min(1 << 16) as usize);
    if nodes_first(context) {
        let positions = view.topology.run(DomainId(domain));
        is_least &= scorer.choose(ground.nodes, positions.map(|p| p as u32), pods, &mut seats);
    } else {
        let mut shares = Vec::new();
        cover.deal(&ground, domain, &mut shares);
        seat(&scorer, ground, &shares, &mut seats);
    }
    let is_open = nodes_first(context) || scorer.total(&seats) > bound(domain);
    if context.place(CostTerm::NodeScore) != usize::MAX && is_open {
        match score(domain, &mut chosen).filter(|_| cover.is_exact()) {
            Some((least, _)) if nodes_first(context) || least < scorer.total(&seats) => seats = chosen,
            Some(_) => {}
            None => is_least = false,
        }
    }
    let settled = rules.packing == Packing::Tight || is_tier_first(context);
    let certificate = match cover.is_exact() && settled {
        true => Certificate::Counted,
        false => Certificate::Open { steps },
    };
    let mut plan = Plan::new(certificate);
    plan.settled = if is_least { Settled::NodeScore } else { Settled::Stranded };
    plan.add(0, 0, seats);
    Answer::Placed(plan)
}

/// Chooses nodes for shares.
pub(super) fn seat(scorer: &Scorer<'_>, ground: Ground<'_>, shares: &[Share], seats: &mut Vec<Seat>) {
    for share in shares {
        match share.place {
            Place::Own(domain) => {
                scorer.choose(ground.nodes, own(ground.tree, domain), u64::from(share.pods), seats);
            }
            Place::Node(position) => seats.push(Seat { position, pods: share.pods }),
        }
    }
}

/// Positions of the nodes directly below a domain.
pub(super) fn own(tree: &Tree, domain: u32) -> std::ops::Range<u32> {
    let (start, end) = tree.own[domain as usize];
    start..end
}

/// Charges of a domain and what is around it, as far as the gang does not pay them already.
pub(super) fn around(context: &Context<'_>, domain: u32) -> i64 {
    let Context { tree, demand, .. } = *context;
    let mut paid = domain;
    while paid > 0 && !demand.touched.domain(paid) {
        paid = tree.parent[paid as usize];
    }
    tree.path[domain as usize] - tree.path[paid as usize]
}

/// Does the order ask for the best nodes before it asks for few domains?
fn nodes_first(context: &Context<'_>) -> bool {
    context.place(CostTerm::NodeScore) < context.place(CostTerm::Domains)
}

/// Does the gang's tier outweigh domains and room, and tell all tiers apart?
fn is_tier_first(context: &Context<'_>) -> bool {
    let tier = context.place(CostTerm::GangTier);
    let others = context.place(CostTerm::Domains).min(context.place(CostTerm::Stranded));
    context.demand.rule.preferred.is_none() && tier < others
}
