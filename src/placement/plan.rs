//! What the solvers hand over: seats for groups, before pods are dealt to them.

use super::certificate::Certificate;
use super::nodes::Seat;
use super::trial::Taking;
use std::ops::Range;

/// Seats for a gang.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) parts: Vec<Part>,
    seats: Vec<Seat>,
    /// Why there is none better, if that is known.
    pub(super) certificate: Certificate,
    pub(super) settled: Settled,
}

/// The terms that are least where the plan is proven to be the best.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Settled {
    /// Tiers and `Domains`.
    #[default]
    Domains,
    /// `Stranded` as well.
    Stranded,
    /// All.
    NodeScore,
}

/// Seats for pods of one kind of one group.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) group: u32,
    pub(super) kind: u32,
    seats: Range<usize>,
    pub(super) pods: u32,
}

impl Plan {
    /// No seats yet.
    pub(super) fn new(certificate: Certificate) -> Self {
        Plan { parts: Vec::new(), seats: Vec::new(), certificate, settled: Settled::default() }
    }

    /// The plan that amounts to these takings.
    pub(super) fn of_takings(takings: &[Taking]) -> Self {
        let mut takings = takings.to_vec();
        takings.sort_unstable_by_key(|taking| (taking.group, taking.kind, taking.seat));
        let mut plan = Plan::new(Certificate::Open { steps: 0 });
        for part in takings.chunk_by(|a, b| (a.group, a.kind) == (b.group, b.kind)) {
            let mut seats: Vec<Seat> = Vec::with_capacity(part.len());
            for taking in part {
                match seats.last_mut() {
                    Some(last) if last.position == taking.seat.position => last.pods += taking.seat.pods,
                    _ => seats.push(taking.seat),
                }
            }
            plan.add(part[0].group, part[0].kind, seats);
        }
        plan
    }

    /// Adds seats, in any order of positions.
    pub(super) fn add(&mut self, group: u32, kind: u32, seats: impl IntoIterator<Item = Seat>) {
        let start = self.seats.len();
        self.seats.extend(seats);
        let own = &mut self.seats[start..];
        if !own.is_sorted() {
            own.sort_unstable();
        }
        let pods = self.seats[start..].iter().map(|seat| seat.pods).sum();
        if pods > 0 {
            self.parts.push(Part { group, kind, seats: start..self.seats.len(), pods });
        }
    }

    /// The seats of a part, in depth-first order.
    pub(super) fn seats(&self, part: &Part) -> &[Seat] {
        &self.seats[part.seats.clone()]
    }

    /// Pods seated.
    pub(super) fn pods(&self) -> u64 {
        self.parts.iter().map(|part| u64::from(part.pods)).sum()
    }
}
