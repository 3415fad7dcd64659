//! How many copies of some claims a node cannot exceed: a bound that is cheap, and exact where claims have no constraints.
//!
//! For any of the requests together, what they ask for must be there in devices that at least one of them may have: by
//! Hall's theorem that is enough where each device serves one request and nothing else binds. A counter that every device
//! of a request charges is a second bound.

use super::Search;
use crate::api::quantity::Amount;
use crate::cluster::devices::capacity::share;
use crate::cluster::devices::plan::Request;
use std::collections::BTreeMap;

/// Kinds of requests up to which all sets of them are looked at.
const KINDS: usize = 8;

/// A kind of request.
struct Kind {
    /// What is asked for whatever the number of copies, and by each copy.
    fixed: u64,
    each: u64,
    /// How much each device can give.
    gives: Vec<u64>,
}

impl Search<'_> {
    /// No more copies than this of the claims from `first` on fit beside the claims before; at most `limit`. Errors of
    /// expressions bound nothing here: the search meets them, if it gets there.
    pub(in crate::cluster::devices) fn bound(&self, first: usize, limit: u64) -> u64 {
        let mut kinds: Vec<Kind> = Vec::new();
        let mut least = limit;
        for (claim, plan) in self.plans.iter().enumerate() {
            for (at, request) in plan.requests.iter().enumerate() {
                let counts = request.choices.iter().enumerate().map(|(number, choice)| match choice.count {
                    Some(count) => count as u64,
                    None => {
                        self.all.get(&(self.origins[claim], at, number)).map_or(0, |all| all.len() as u64)
                    }
                });
                let count = counts.min().unwrap_or(0);
                if count == 0 || request.choices.iter().any(|choice| choice.is_admin) {
                    continue;
                }
                let gives: Vec<u64> =
                    (0..self.items.len()).map(|device| self.gives(request, device, limit)).collect();
                if claim >= first {
                    least = least.min(self.by_counters(request, &gives) / count);
                }
                let (fixed, each) = if claim < first { (count, 0) } else { (0, count) };
                match kinds.iter_mut().find(|kind| kind.gives == gives) {
                    Some(kind) => {
                        kind.fixed += fixed;
                        kind.each += each;
                    }
                    None => kinds.push(Kind { fixed, each, gives }),
                }
            }
        }
        let some = kinds.len().min(KINDS);
        let all = (1usize << kinds.len().min(usize::BITS as usize - 1)) - 1;
        let sets = (1..1usize << some).chain((some..kinds.len()).map(|kind| 1 << kind)).chain([all]);
        for set in sets {
            let members =
                || kinds.iter().enumerate().filter(|(at, _)| set >> at & 1 == 1).map(|(_, kind)| kind);
            let each: u64 = members().map(|kind| kind.each).sum();
            if each == 0 {
                continue;
            }
            let most = |device: usize| members().map(|kind| kind.gives[device]).max().unwrap_or(0);
            let there: u64 = (0..self.items.len()).map(most).fold(0, u64::saturating_add);
            let fixed: u64 = members().map(|kind| kind.fixed).sum();
            least = least.min(there.saturating_sub(fixed) / each);
        }
        least
    }

    /// How many results of a request a device can be.
    fn gives(&self, request: &Request, device: usize, limit: u64) -> u64 {
        let (item, candidate) = (&self.items[device], self.devices[device]);
        let of_choice = |choice: &crate::cluster::devices::plan::Choice| {
            let is_free = !item.is_whole && (item.is_sharable || item.shares == 0);
            if !is_free || !choice.tolerates(&candidate.taints) || self.selects(choice, device) == Ok(false) {
                return 0;
            }
            let Some(taken) = share(candidate.device, choice.capacity.as_ref()) else { return 0 };
            if !item.is_sharable {
                return 1;
            }
            let left = |name: &str| {
                let value = candidate.device.capacity[name].value.amount().unwrap_or_default();
                value.minus(item.consumed.get(name).copied().unwrap_or_default())
            };
            let times = |(name, amount): (&String, &Amount)| match amount.is_zero() {
                true => limit.saturating_mul(32),
                false => left(name).holds(*amount),
            };
            taken.iter().map(times).min().unwrap_or(limit.saturating_mul(32))
        };
        request.choices.iter().map(of_choice).max().unwrap_or(0)
    }

    /// How many results of a request the counters allow, if every device that can serve it charges one of the same name.
    fn by_counters(&self, request: &Request, gives: &[u64]) -> u64 {
        let usable: Vec<usize> = (0..self.items.len()).filter(|&device| gives[device] > 0).collect();
        let charged =
            |device: usize| !self.items[device].charges.is_empty() && !self.items[device].is_sharable;
        if usable.is_empty() || !usable.iter().all(|&device| charged(device)) || request.choices.is_empty() {
            return u64::MAX;
        }
        // The least charge of each counter, and how often each device's name of a counter is there.
        let mut lowest: BTreeMap<&str, (BTreeMap<usize, Amount>, usize)> = BTreeMap::new();
        for &device in &usable {
            let names = self.devices[device]
                .device
                .consumes_counters
                .iter()
                .flat_map(|charge| charge.counters.keys());
            let mut seen = std::collections::BTreeSet::new();
            for (name, &(at, amount)) in names.zip(&self.items[device].charges) {
                let (charges, times) = lowest.entry(name).or_default();
                let low = charges.entry(at).or_insert(amount);
                *low = (*low).min(amount);
                *times += usize::from(seen.insert(name));
            }
        }
        let everywhere = lowest.into_values().filter(|(_, times)| *times == usable.len());
        let allowed = everywhere.map(|(charges, _)| {
            let each = charges.into_iter().map(|(at, amount)| match amount.is_zero() {
                true => u64::MAX,
                false => self.counters[at].holds(amount),
            });
            each.fold(0, u64::saturating_add)
        });
        allowed.min().unwrap_or(u64::MAX)
    }
}
