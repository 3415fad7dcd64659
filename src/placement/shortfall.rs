//! How far it got and what stood in the way.

use super::outcome::{Proof, Shortfall, TierFit};
use super::{Context, Tools};
use crate::cluster::ids::DomainId;

/// The cheap part of a shortfall: counts, no causes and no remedies.
pub(super) fn measure(context: &Context<'_>, tools: &mut Tools, proof: Proof) -> Shortfall {
    let Context { view, tree, demand, .. } = *context;
    let needed = if demand.is_satisfied() { demand.pending } else { demand.needed() };
    let mut shortfall = Shortfall {
        needed: needed.min(u64::from(u32::MAX)) as u32,
        nodes: view.topology.order().iter().filter(|&&node| view.capacity.is_present(node)).count() as u32,
        proof,
        ..Shortfall::default()
    };
    let Some(&class) = demand.kinds.first() else { return shortfall };
    let at = tools.slots.ensure(view, tree, class, &tools.overlay);
    let slots = tools.slots.get(at);
    let mut by_tier: Vec<(u32, u32, u64)> = Vec::new();
    for domain in 0..tree.len() as u32 {
        if demand.running.is_some_and(|running| !tree.is_within(running, domain)) {
            continue;
        }
        let fits = slots.sums[domain as usize].min(needed);
        let tier = tree.tier[domain as usize];
        match by_tier.iter_mut().find(|(known, ..)| *known == tier) {
            Some((_, best, most)) if fits > *most => (*best, *most) = (domain, fits),
            Some(_) => {}
            None => by_tier.push((tier, domain, fits)),
        }
    }
    by_tier.sort_unstable();
    shortfall.tiers = by_tier
        .into_iter()
        .map(|(tier, domain, fits)| TierFit {
            tier: (domain != 0).then_some(tier),
            domain: DomainId(domain),
            fits: fits as u32,
            needed: shortfall.needed,
            allowed: context.may_use(domain),
        })
        .collect();
    shortfall
}
