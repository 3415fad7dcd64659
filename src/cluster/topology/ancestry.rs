//! Who contains whom, in constant time.
//!
//! Domains are numbered depth first. Then the descendants of a domain are the ids that follow it, and the lowest common
//! domain of `a < b` is the smallest parent among the ids `a+1..=b`: all of them lie strictly inside that domain, and
//! one of them is its child. A sparse table of minima over runs of 1, 2, 4, ... ids answers that with two look-ups.

use crate::cluster::ids::DomainId;

/// Parents, ends of subtrees and the sparse table.
#[derive(Clone, Debug)]
pub(super) struct Ancestry {
    /// Minima of parents over runs of 2^k ids, level after level; level 0 is the parents themselves.
    minima: Vec<DomainId>,
    /// Domains, which is the stride of a level.
    len: usize,
    /// One past the last descendant.
    ends: Vec<u32>,
}

impl Ancestry {
    /// From the parents by domain, numbered depth first; domain 0 is the root and its own parent.
    pub(super) fn new(parents: Vec<DomainId>) -> Self {
        let len = parents.len();
        let mut ends: Vec<u32> = (1..=len as u32).collect();
        for at in (1..len).rev() {
            let parent = parents[at].index();
            debug_assert!(parent < at, "domains are numbered depth first");
            ends[parent] = ends[parent].max(ends[at]);
        }
        let mut minima = parents;
        let mut width = 1;
        while 2 * width <= len {
            let below = minima.len() - len;
            for at in 0..len {
                let other = (at + width).min(len - 1);
                minima.push(minima[below + at].min(minima[below + other]));
            }
            width *= 2;
        }
        Ancestry { minima, len, ends }
    }

    pub(super) fn parent(&self, domain: DomainId) -> DomainId {
        debug_assert!(domain.index() < self.len);
        self.minima[domain.index()]
    }

    pub(super) fn is_within(&self, inner: DomainId, outer: DomainId) -> bool {
        outer <= inner && inner.0 < self.ends[outer.index()]
    }

    pub(super) fn common(&self, a: DomainId, b: DomainId) -> DomainId {
        let (low, high) = if a <= b { (a.index(), b.index()) } else { (b.index(), a.index()) };
        if low == high {
            return a;
        }
        let level = (high - low).ilog2() as usize;
        let row = level * self.len;
        self.minima[row + low + 1].min(self.minima[row + high + 1 - (1 << level)])
    }
}
