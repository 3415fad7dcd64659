//! What lies directly inside a domain, sorted out for combining: what is free, pieces that need no further choice, and
//! domains with choices inside, those with equal staircases together.

use super::alike::{self, Copies};
use super::staircase::Step;
use super::{Ground, holds_own, lump_units};
use rustc_hash::FxBuildHasher;
use std::cmp::Reverse;
use std::hash::BuildHasher;
use std::ops::Range;

/// The inside of one domain.
#[derive(Debug, Default)]
pub(super) struct Layout {
    /// Units without any cost.
    pub(super) base: u64,
    /// Equal charges together, the largest first.
    pub(super) pieces: Vec<Piece>,
    /// What is combined; the ones to be used up first come last.
    pub(super) items: Vec<Item>,
    steps: Vec<Step>,
    /// Domains with choices inside, those of equal staircases side by side, each in depth-first order.
    pub(super) domains: Vec<u32>,
    /// Domains with choices inside as they are found: what makes them equal, and where their steps are.
    found: Vec<Found>,
}

/// A domain with choices inside.
#[derive(Clone, Debug)]
struct Found {
    room: u64,
    hash: u64,
    domain: u32,
    steps: Range<usize>,
}

/// A piece that needs no further choice.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    pub(super) charge: i64,
    /// Units and place in one number that sorts large pieces first, then domains before nodes, then by position.
    rank: u64,
}

/// What a piece is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PieceOf {
    Domain(u32),
    Node(u32),
}

/// One of the staircases that are combined: a group of equal-charged pieces, or domains with choices inside.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) of: ItemOf,
    steps: Range<usize>,
    /// Capacity, for choosing among equals.
    room: u64,
    /// Units of each domain of a block that is taken whole or not at all.
    whole: Option<u32>,
    /// Which of those with the same capacity is used up first, the lowest: by first place, then in the order of a group.
    turn: (u32, u32, u32),
}

/// What an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ItemOf {
    /// Pieces `start..end`.
    Pieces(usize, usize),
    /// So many domains of the group that begins here in [`Layout::domains`]. The items of a group share its domains: the
    /// item that is used up first takes the first of them.
    Domains(usize, u32),
}

const NODE: u32 = 1 << 31;

impl Piece {
    fn new(charge: i64, units: u32, place: PieceOf) -> Self {
        let place = match place {
            PieceOf::Domain(domain) => domain,
            PieceOf::Node(position) => NODE | position,
        };
        Piece { charge, rank: u64::from(!units) << 32 | u64::from(place) }
    }

    pub(super) fn units(&self) -> u32 {
        !((self.rank >> 32) as u32)
    }

    pub(super) fn place(&self) -> PieceOf {
        let place = self.rank as u32;
        if place & NODE == 0 { PieceOf::Domain(place) } else { PieceOf::Node(place & !NODE) }
    }
}

impl Layout {
    /// The staircase of an item.
    pub(super) fn steps(&self, item: &Item) -> &[Step] {
        &self.steps[item.steps.clone()]
    }

    /// Units of each domain that a step of an item stands for.
    pub(super) fn units_of_one(&self, item: &Item, step: Step) -> u32 {
        item.whole.unwrap_or(step.units)
    }

    /// Sorts out what lies directly inside a domain. `stairs` are those of the domains inside that are no lumps; they and
    /// lumps are cut off at `most` units, the whole at `limit`.
    pub(super) fn fill(
        &mut self,
        ground: &Ground<'_>,
        domain: u32,
        stairs: &[Vec<Step>],
        most: u32,
        limit: u32,
    ) {
        let tree = ground.tree;
        self.base = 0;
        self.pieces.clear();
        self.items.clear();
        self.steps.clear();
        self.domains.clear();
        self.found.clear();
        let mut own = ground.sums[domain as usize];
        for child in tree.children(domain) {
            let room = ground.sums[child as usize];
            if room == 0 {
                continue;
            }
            own -= room;
            let charge = if ground.touched.domain(child) { 0 } else { tree.charge[child as usize] };
            if tree.is_lump(child) {
                let units = lump_units(ground, child, most);
                if charge == 0 {
                    self.base += u64::from(units);
                } else if units > 0 {
                    self.pieces.push(Piece::new(charge, units, PieceOf::Domain(child)));
                }
                continue;
            }
            let stairs = &stairs[child as usize];
            let start = self.steps.len();
            if charge == 0 {
                let base = stairs[0].units;
                self.base += u64::from(base);
                let rest = stairs[1..].iter().map(|s| Step { cost: s.cost, units: s.units - base });
                self.steps.extend(rest);
            } else if let [only] = stairs[..] {
                if only.units > 0 {
                    self.pieces.push(Piece::new(charge, only.units, PieceOf::Domain(child)));
                }
            } else {
                let steps = stairs.iter().filter(|s| s.units > 0);
                self.steps.extend(steps.map(|s| Step { cost: s.cost + charge, units: s.units }));
            }
            if self.steps.len() > start {
                let steps = start..self.steps.len();
                let hash = FxBuildHasher.hash_one(&self.steps[steps.clone()]);
                self.found.push(Found { room, hash, domain: child, steps });
            }
        }
        if own > 0 && holds_own(ground, domain) {
            let charge = tree.node_charge[domain as usize];
            if charge == 0 {
                self.base += own;
            } else {
                let (start, end) = tree.own[domain as usize];
                for position in start..end {
                    let units = ground.nodes[position as usize].min(limit);
                    if units == 0 {
                    } else if ground.touched.node(position) {
                        self.base += u64::from(units);
                    } else {
                        self.pieces.push(Piece::new(charge, units, PieceOf::Node(position)));
                    }
                }
            }
        }
        self.group_domains(limit);
        self.group_pieces(limit);
        self.items.sort_unstable_by_key(|item| {
            let room = if ground.tight { item.room } else { u64::MAX - item.room };
            Reverse((room, item.turn))
        });
    }

    /// Domains of one capacity and one staircase are interchangeable: few items stand for all of them.
    fn group_domains(&mut self, limit: u32) {
        let Layout { found, items, steps, domains, .. } = self;
        if found.len() > 1 {
            found.sort_unstable_by_key(|found| (found.room, found.hash, found.domain));
        }
        let mut rest = &found[..];
        while let Some(first) = rest.first() {
            let known = steps[first.steps.clone()].to_vec();
            let same = |found: &&Found| {
                (found.room, found.hash) == (first.room, first.hash) && steps[found.steps.clone()] == known
            };
            let count = rest.iter().take_while(same).count();
            let start = domains.len();
            domains.extend(rest[..count].iter().map(|found| found.domain));
            rest = &rest[count..];
            let copies = Copies::of(&known, count as u32, limit);
            let mut turn = copies.whole.len() as u32;
            let mut add = |many, steps, whole, turn| {
                let turn = (0, first.domain, turn);
                items.push(Item { of: ItemOf::Domains(start, many), steps, room: first.room, whole, turn });
            };
            for any in 0..copies.any {
                add(1, first.steps.clone(), None, turn + any);
            }
            for &many in &copies.whole {
                turn -= 1;
                steps.push(alike::all_of(&known, many, limit));
                add(many, steps.len() - 1..steps.len(), known.last().map(|last| last.units), turn);
            }
        }
    }

    /// Pieces of one charge are one item: the `m` largest of them are the best `m`.
    fn group_pieces(&mut self, limit: u32) {
        let Layout { pieces, items, steps, .. } = self;
        let Some(first) = pieces.first() else { return };
        if pieces.iter().all(|piece| piece.charge == first.charge) {
            pieces.sort_unstable_by_key(|piece| piece.rank);
        } else {
            pieces.sort_unstable_by_key(|piece| (piece.charge, piece.rank));
        }
        let mut start = 0;
        for alike in pieces.chunk_by(|a, b| a.charge == b.charge) {
            let from = steps.len();
            let (mut cost, mut units) = (0i64, 0u32);
            for piece in alike {
                if units >= limit {
                    break;
                }
                cost += piece.charge;
                units = units.saturating_add(piece.units()).min(limit);
                steps.push(Step { cost, units });
            }
            let of = ItemOf::Pieces(start, start + alike.len());
            let turn = (1, start as u32, 0);
            items.push(Item { of, steps: from..steps.len(), room: u64::MAX, whole: None, turn });
            start += alike.len();
        }
    }
}
