//! What no pod asks for any more, forgotten: rules, the counters that only they read, the selectors and topology keys that
//! only those need, and texts.

use super::super::ids::{ConstraintId, CouplingId, TextId};
use super::Coupling;
use super::counter::{CounterId, Kind};
use super::selector::SelectorId;
use rustc_hash::FxHashSet;

impl Coupling {
    /// Forgets what the rules of these couplings do not need. `true` if selectors are gone, so that couplings may name some:
    /// then [`Coupling::version`] has changed, and every pod that waits, or is promised a node, must be passed through
    /// [`Coupling::rematch`] before anything else happens.
    pub(in crate::cluster) fn sweep_rules(&mut self, needed: &FxHashSet<CouplingId>) -> bool {
        let of = |id: &CouplingId| self.couplings.get(id.0).map(|entry| entry.rules);
        let rules: FxHashSet<u32> = needed.iter().filter_map(of).chain([0]).collect();
        self.rules.retain(|place| rules.contains(&place));
        let mut counters: FxHashSet<CounterId> = FxHashSet::default();
        for (_, rules) in self.rules.iter() {
            counters.extend(rules.ports.iter().chain(&rules.affinity).chain(&rules.anti).chain(&rules.holds));
            counters.extend(rules.spread.iter().map(|spread| spread.counter));
        }
        let gone = self.counters.retain(|id| counters.contains(&id));
        self.domains.retain(&gone, &self.counters);
        let mut selectors: FxHashSet<SelectorId> = FxHashSet::default();
        for (_, kind) in self.counters.iter() {
            match kind {
                Kind::Matching { selectors: all, .. } => selectors.extend(all.iter().copied()),
                Kind::Holding { selector, .. } | Kind::Spread { selector, .. } => {
                    selectors.insert(*selector);
                }
                Kind::Port(_) => {}
            }
        }
        let fewer = self.selectors.retain(|id| counters.contains(&id), |id| selectors.contains(&id));
        if fewer {
            self.presences.retain_selectors(|id| selectors.contains(&id));
            self.version += 1;
        }
        fewer
    }

    /// Forgets couplings that no pod has any more, and the texts that nothing is made of. That of no demands stays.
    pub(in crate::cluster) fn sweep_couplings(&mut self, needed: &FxHashSet<CouplingId>) {
        self.couplings.retain(|place| place == 0 || needed.contains(&CouplingId(place)));
        let mut texts: FxHashSet<TextId> = self.presences.namespaces().collect();
        self.selectors.texts(&mut |text| {
            texts.insert(text);
        });
        for (_, kind) in self.counters.iter() {
            if let Kind::Port(port) = kind {
                texts.extend([port.protocol].into_iter().chain(port.ip));
            }
        }
        self.texts.retain(|text| texts.contains(&text));
    }

    /// Constraints that spread constraints ask.
    pub(in crate::cluster) fn constraints(&self) -> impl Iterator<Item = ConstraintId> {
        self.domains.constraints()
    }

    /// Texts of topology keys, as the eligibility has them.
    pub(in crate::cluster) fn key_texts(&self) -> impl Iterator<Item = TextId> {
        self.domains.texts()
    }

    /// How much is kept: couplings, rules, counters, selectors, keys, grounds and texts.
    pub(in crate::cluster) fn size(&self) -> usize {
        let rules = self.couplings.len() + self.rules.len() + self.counters.len();
        rules + self.selectors.len() + self.domains.len() + self.texts.len()
    }
}
