//! Subgroups of one kind and one size, each to lie inside one domain: counted in slices, exactly.
//!
//! A slice is room for one subgroup. A domain holds `floor(slots / size)` slices whose pods all lie inside it, so the
//! most subgroups that can have a tier of at most `t` is the sum of that over the outermost domains of tier `t`. Those
//! maxima are reached together, for all `t` at once: fill the lowest domains with slices first, then cut further ones
//! from what they leave over, and so on upwards. Hence the least `SubgroupTier` of `m` subgroups inside a domain takes
//! the lowest tiers first, and how many slices it takes of each tier is forced. All tiers but the highest one used are
//! used up; the freedom is in the highest, where [`Cover`] finds the least `Domains`, what is used up being paid for.
//!
//! That is for orders that put `SubgroupTier` before `Domains` and `NodeScore`. Else those come first, tiers are as they
//! fall, and the answer is not called proven. With three or more levels, slices that are cut above the lowest tier and used up may leave their rest in one domain
//! or another; that choice is not searched, and the answer is then not called proven.
//!
//! [`Cover`]: super::cover::Cover

mod count;
mod slice_context;

pub(super) use count::Slices;

use super::certificate::Certificate;
use super::cost;
use super::cover::Ground;
use super::demand::{Demand, Group, tier_cost};
use super::enclosing::{self, Key};
use super::guarantee::Answer;
use super::least::Least;
use super::nodes::Scorer;
use super::plan::{Plan, Settled};
use super::rules::{CostTerm, Packing};
use super::single::around;
use super::{Context, Tools};
use slice_context::SliceContext;

/// Can [`solve`] take this on? One kind, and groups that differ in nothing but their pods and the roles of those.
pub(super) fn applies(demand: &Demand) -> bool {
    let [first, rest @ ..] = &demand.groups[..] else { return false };
    let alike = |group: &Group| {
        group.policy.is_some()
            && group.policy == first.policy
            && group.anchor.is_none()
            && group.completes
            && group.rule == first.rule
            && group.need == first.need
            && group.pods() == first.pods()
    };
    demand.kinds.len() == 1 && alike(first) && rest.iter().all(alike)
}

/// Places as many of the groups as fit.
pub(super) fn solve(context: &Context<'_>, tools: &mut Tools) -> Answer {
    let Context { view, tree, rules, demand, .. } = *context;
    let class = demand.kinds[0];
    let at = tools.slots.ensure(view, tree, class, &tools.overlay);
    let Tools { slots, fill, cover, scratch, .. } = tools;
    let slots = slots.get(at);
    let group = &demand.groups[0];
    let size = group.pods();
    let slices = Slices::count(context, &slots.sums, group);
    let most = context.regions().map(|region| slices.held[region as usize]).max().unwrap_or(0);
    let count = most.min(demand.groups.len() as u64);
    if count < demand.groups.len() as u64 && group.need < size {
        return Answer::StandsBack;
    }
    let lacking = demand.policies.iter().copied().max().unwrap_or(0);
    if count == 0 || count < lacking || count * u64::from(size) < demand.minimum {
        return Answer::Refused(Certificate::Counted);
    }
    let Some(chosen) = choose(demand, count) else { return Answer::StandsBack };
    let share = fill.of(view, tree, class);
    let scorer = Scorer::new(context, fill, class);
    let ground = Ground::of_pods(context, &slots.nodes, &slots.sums, &demand.touched);
    let keys = enclosing::keys(rules);
    // Where a term follows `NodeScore`, it tells candidates of one score apart.
    let ties = i64::from(keys.last() != Some(&Key::NodeScore));
    let mut steps = 0;
    let nodes_first = context.place(CostTerm::NodeScore) < context.place(CostTerm::Domains);
    let mut least = Least::new(nodes_first);
    let pods = count * u64::from(size);
    let bound = |domain: u32| {
        let floor = slots.floor.of(tree, &share, fill.epoch(), &slots.nodes, domain);
        floor.map_or(i64::MIN, |(share, widest)| scorer.bound(share, widest, pods))
    };
    let (mut best, mut is_least) = (i64::MAX, true);
    // `Domains` of the candidates whose nodes were chosen first.
    let mut inside: Vec<(u32, i64)> = Vec::new();
    let candidates = context.candidates(|domain| slices.held[domain as usize] >= count);
    let domain = enclosing::best(&keys, candidates, &mut scratch.candidates, |key, domain| {
        steps += 1;
        let value = match key {
            Key::SubgroupTier => slices.split(domain, count).cost,
            Key::GangTier => tier_cost(demand.rule, tree.tier[domain as usize]),
            Key::Domains => {
                let split = slices.split(domain, count);
                let scene = SliceContext::new(cover, ground, &slices, split, domain);
                let fewest = scene.cost(cover, ground, size)?;
                let known = inside.iter().find(|&&(known, _)| known == domain);
                around(context, domain) + known.map_or(fewest, |&(_, domains)| domains)
            }
            Key::Room => cost::room(rules.packing, slots.sums[domain as usize], slots.total(), pods),
            Key::Share => enclosing::share(context, &share, ground.sums, domain),
            Key::NodeScore if bound(domain) < best.saturating_add(ties) => {
                let split = slices.split(domain, count);
                let scene = SliceContext::new(cover, ground, &slices, split, domain);
                let found = scene.least(&mut least, &scorer, ground, size);
                is_least &= found.is_some();
                let domains = found.as_ref().filter(|_| nodes_first).map(|found| scene.paid + found.domains);
                inside.extend(domains.map(|domains| (domain, domains)));
                let value = found.map_or(i64::MAX, |found| found.score);
                best = best.min(value);
                value
            }
            // no better than the best so far, so behind it
            Key::NodeScore => i64::MAX,
        };
        Some(value)
    });
    let Some(domain) = domain else { return Answer::StandsBack };
    let split = slices.split(domain, count);
    let scene = SliceContext::new(cover, ground, &slices, split, domain);
    let Some(mut seats) = scene.seats(cover, &scorer, ground, size) else { return Answer::StandsBack };
    let known = scorer.total(&seats);
    if context.place(CostTerm::NodeScore) != usize::MAX && known > bound(domain) {
        match scene.least(&mut least, &scorer, ground, size).filter(|_| cover.is_exact()) {
            Some(found) if found.score < known => seats = found.seats,
            Some(_) => {}
            None => is_least = false,
        }
    }
    let mut cut = scene.cut(seats, ground, &slices);
    let exact = cover.is_exact() && scene.exact && !slices.tiers_later && rules.packing == Packing::Tight;
    let mut plan = Plan::new(if exact { Certificate::Counted } else { Certificate::Open { steps } });
    plan.settled = if is_least { Settled::NodeScore } else { Settled::Stranded };
    cut.sort_by_key(|seats| seats.first().copied());
    for (group, seats) in chosen.into_iter().zip(cut) {
        plan.add(group, 0, seats);
    }
    Answer::Placed(plan)
}

/// The groups to place, `count` of them, in rank order: those that minima need, then the first ones. `None` if it found
/// no choice that meets the minima of roles; another may.
fn choose(demand: &Demand, count: u64) -> Option<Vec<u32>> {
    let size = demand.groups.first()?.pods();
    let rank = |group: u32| {
        let first = demand.members(&demand.groups[group as usize]).first();
        first.map(|member| (member.rank, member.pod))
    };
    let mut groups: Vec<u32> = (0..demand.groups.len() as u32).collect();
    groups.sort_by_key(|&group| rank(group));
    if count == groups.len() as u64 {
        return Some(groups);
    }
    let mut policies = demand.policies.clone();
    let mut roles = demand.roles.clone();
    let mut chosen = vec![false; demand.groups.len()];
    let mut left = count;
    // Those that lack most first; with roles that are spread over groups this is a heuristic for a covering problem.
    while left > 0
        && (policies.iter().any(|&lacking| lacking > 0) || roles.iter().any(|&(_, lacking)| lacking > 0))
    {
        let gain = |&group: &u32| {
            let group = &demand.groups[group as usize];
            let policy = group.policy.map_or(0, |policy| policies[policy as usize].min(1) * u64::from(size));
            let of_role =
                |role| demand.members(group).iter().filter(|member| member.role == role).count() as u64;
            policy + roles.iter().map(|&(role, lacking)| lacking.min(of_role(role))).sum::<u64>()
        };
        let next = groups.iter().copied().filter(|&group| !chosen[group as usize]);
        let next = next.max_by_key(|group| (gain(group), std::cmp::Reverse(rank(*group))))?;
        if gain(&next) == 0 {
            return None;
        }
        chosen[next as usize] = true;
        left -= 1;
        let group = &demand.groups[next as usize];
        if let Some(policy) = group.policy {
            policies[policy as usize] = policies[policy as usize].saturating_sub(1);
        }
        for member in demand.members(group) {
            if let Some((_, lacking)) = roles.iter_mut().find(|(role, _)| *role == member.role) {
                *lacking = lacking.saturating_sub(1);
            }
        }
    }
    if policies.iter().any(|&lacking| lacking > 0) || roles.iter().any(|&(_, lacking)| lacking > 0) {
        return None;
    }
    for &group in &groups {
        if left > 0 && !chosen[group as usize] {
            chosen[group as usize] = true;
            left -= 1;
        }
    }
    groups.retain(|&group| chosen[group as usize]);
    Some(groups)
}
