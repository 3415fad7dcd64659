//! From a choice to seats: nodes for what each domain takes, subgroups cut from them, loose pods from the rest.

use super::{Opened, Search};
use crate::placement::certificate::Certificate;
use crate::placement::cover::{Place, Share};
use crate::placement::nodes::{Scorer, Seat};
use crate::placement::plan::Plan;
use crate::placement::single::seat;

impl Search<'_, '_> {
    /// Turns the choice into seats: nodes for what each domain takes, subgroups cut from them, loose pods from the rest.
    pub(super) fn seat(&self, scorer: &Scorer<'_>, opened: &Opened, certificate: Certificate) -> Plan {
        let demand = self.context.demand;
        let mut by_size: Vec<Vec<u32>> = vec![Vec::new(); self.sorts.len()];
        let mut loose = None;
        let mut order: Vec<u32> = (0..demand.groups.len() as u32).collect();
        order.sort_by_key(|&g| demand.members(&demand.groups[g as usize]).first().map(|m| (m.rank, m.pod)));
        for &index in order.iter().rev() {
            let group = &demand.groups[index as usize];
            match self.sorts.iter().position(|sort| sort.size == group.pods() && group.policy.is_some()) {
                Some(at) => by_size[at].push(index),
                None => loose = Some(index),
            }
        }
        let mut left = loose.map_or(0, |loose| u64::from(demand.groups[loose as usize].pods()));
        // Loose pods fill what is left over, the smallest rest first.
        let used = |packed: &[u32]| -> u64 {
            packed.iter().zip(&self.sorts).map(|(&n, sort)| u64::from(n) * u64::from(sort.size)).sum()
        };
        let mut rests: Vec<(u64, usize)> = (0..opened.bins.len())
            .map(|at| (self.slots.sums[opened.bins[at] as usize] - used(&opened.packed[at]), at))
            .collect();
        rests.sort_unstable();
        let mut extra = vec![0u64; opened.bins.len()];
        for (rest, at) in rests {
            extra[at] = rest.min(left);
            left -= extra[at];
        }
        let mut plan = Plan::new(certificate);
        let mut spare: Vec<Seat> = Vec::new();
        let mut order: Vec<usize> = (0..opened.bins.len()).collect();
        order.sort_by_key(|&at| opened.bins[at]);
        for at in order {
            let pods = used(&opened.packed[at]) + extra[at];
            let mut seats = Vec::new();
            let share = Share { place: Place::Own(opened.bins[at]), pods: pods as u32 };
            seat(scorer, self.ground, &[share], &mut seats);
            seats.sort_unstable();
            let mut groups: Vec<u32> = Vec::new();
            for (sort, &count) in opened.packed[at].iter().enumerate() {
                groups.extend((0..count).filter_map(|_| by_size[sort].pop()));
            }
            groups.sort_by_key(|&g| {
                demand.members(&demand.groups[g as usize]).first().map(|m| (m.rank, m.pod))
            });
            let mut seats = seats.into_iter().peekable();
            for group in groups {
                plan.add(group, 0, cut(&mut seats, demand.groups[group as usize].pods()));
            }
            spare.extend(seats);
        }
        for &(position, pods) in &opened.nodes {
            let pods = u64::from(pods).min(left) as u32;
            left -= u64::from(pods);
            if pods > 0 {
                spare.push(Seat { position, pods });
            }
        }
        if let Some(loose) = loose {
            plan.add(loose, 0, spare);
        }
        plan
    }
}

/// Takes so many pods' seats off the front.
fn cut(seats: &mut std::iter::Peekable<std::vec::IntoIter<Seat>>, pods: u32) -> Vec<Seat> {
    let mut need = pods;
    let mut taken = Vec::new();
    while need > 0
        && let Some(seat) = seats.peek_mut()
    {
        let pods = need.min(seat.pods);
        taken.push(Seat { position: seat.position, pods });
        seat.pods -= pods;
        need -= pods;
        if seat.pods == 0 {
            seats.next();
        }
    }
    taken
}
