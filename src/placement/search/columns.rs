//! Items by shape, and what a cell may hold of them.
//!
//! Items of one load and one rule are of one *shape*. A *column* of a cell is a choice of how many items of each shape it
//! holds; only choices to which nothing can be added are listed, and cells of one form have the same ones. Single pods of
//! items that lie in several cells are shapes of their own.

use super::Search;
use super::items::Item;
use crate::placement::cells::lanes::Load;
use crate::placement::limits::Limits;
use crate::placement::request::TierRule;

/// Items that nothing tells apart.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub(super) load: Load,
    pub(super) pods: u64,
    /// What each of them adds to the sum of tiers inside a domain of the lowest tier.
    pub(super) tier: i64,
    pub(super) rule: TierRule,
    /// The policy that each of them completes a subgroup of.
    pub(super) policy: Option<u32>,
    pub(super) items: Vec<u32>,
    /// No more than so many of them.
    pub(super) most: usize,
    /// May they lie in several cells?
    pub(super) wide: bool,
    /// The kind, where they are not items but single pods of such as lie in several cells.
    pub(super) kind: Option<u32>,
}

impl Shape {
    /// Is it about pods of items that lie in several cells?
    pub(super) fn is_spare(&self) -> bool {
        self.kind.is_some()
    }
}

/// A choice for a cell: items by shape.
pub(super) type Column = Vec<u32>;

impl Search<'_, '_> {
    /// The shapes; `None` where items are not placed as a whole inside any domain of the lowest tier, or where there are
    /// more than [`Limits::SHAPES`]. `apart`: items of one load are told apart by policy.
    pub(super) fn shapes(&self, apart: bool) -> Option<Vec<Shape>> {
        let (demand, tree) = (self.context.demand, self.context.tree);
        let mut shapes: Vec<Shape> = Vec::new();
        for (at, item) in (0..).zip(&self.items) {
            let &Item { load, least, loose, policy, .. } = item;
            let group = &demand.groups[item.group as usize];
            let pods = self.cells.lanes.pods(load);
            let confined = group.rule.required.is_none_or(|tier| tier >= tree.tiers[0]);
            if least != load || (loose && pods != 1) || group.anchor.is_some() || !confined {
                return None;
            }
            let tier = group.tier_cost(tree.tiers[0]);
            let rule = group.rule;
            let alike = |shape: &Shape| {
                (shape.load, shape.rule, shape.tier) == (load, rule, tier)
                    && (!apart || shape.policy == policy)
            };
            match shapes.iter().position(alike) {
                Some(shape) => shapes[shape].items.push(at),
                None if shapes.len() == Limits::SHAPES => return None,
                None => {
                    let items = vec![at];
                    shapes.push(Shape {
                        load,
                        pods: pods.into(),
                        tier,
                        policy,
                        rule,
                        items,
                        most: 0,
                        wide: false,
                        kind: None,
                    });
                }
            }
        }
        let next = tree.tiers.get(1).copied().unwrap_or(0);
        for shape in &mut shapes {
            shape.most = shape.items.len();
            shape.wide = shape.pods > 1 && shape.rule.required.is_none_or(|tier| tier >= next);
        }
        // The one with most items last: that is what a table runs along.
        shapes.sort_by_key(|shape| shape.most);
        Some(shapes)
    }

    /// Shapes for the pods of items that may lie in several cells, up to [`Limits::WIDE`] of them in a domain.
    pub(super) fn spare(&self, shapes: &[Shape]) -> Vec<Shape> {
        let lanes = self.cells.lanes;
        let wide: Vec<&Shape> = shapes.iter().filter(|shape| shape.wide).collect();
        let of_kind = |kind: u32| {
            let each = wide.iter().map(|shape| lanes.get(shape.load, kind) as usize);
            let most = each.clone().max().unwrap_or(0) * Limits::WIDE as usize;
            let all = each.zip(&wide).map(|(pods, shape)| pods * shape.items.len()).sum();
            let (load, most, items) = (lanes.of(kind, 1), most.min(all), Vec::new());
            let kind = Some(kind);
            (most > 0).then_some(Shape {
                load,
                pods: 1,
                tier: 0,
                policy: None,
                rule: TierRule::default(),
                items,
                most,
                wide: false,
                kind,
            })
        };
        (0..lanes.kinds()).filter_map(of_kind).collect()
    }

    /// All columns of a form that are full; `None` where there are more than [`Limits::COLUMNS`], or the steps are used up.
    pub(super) fn columns(&mut self, shapes: &[Shape], form: u32) -> Option<Vec<Column>> {
        let mut columns = Vec::new();
        let mut column = vec![0; shapes.len()];
        self.extend(shapes, form, 0, Load::NONE, &mut column, &mut columns)?;
        Some(columns)
    }

    /// All columns that extend one by shapes from `shape` on.
    fn extend(
        &mut self,
        shapes: &[Shape],
        form: u32,
        shape: usize,
        load: Load,
        column: &mut Column,
        columns: &mut Vec<Column>,
    ) -> Option<()> {
        self.work += 1;
        if self.spent() > self.budget / Limits::TABLE_SHARE {
            return None;
        }
        let Some(Shape { load: each, most, .. }) = shapes.get(shape) else {
            let covers = |a: &Column, b: &Column| a.iter().zip(b).all(|(a, b)| a >= b);
            self.work += columns.len() as u64 / 8;
            if !columns.iter().any(|known| covers(known, column)) {
                columns.retain(|known| !covers(column, known));
                columns.push(column.clone());
            }
            return (columns.len() <= Limits::COLUMNS).then_some(());
        };
        // As many as fit, then fewer, which leaves room for later shapes.
        let mut loads = vec![load];
        while loads.len() <= *most {
            let more = loads[loads.len() - 1].plus(*each);
            if !self.cells.rooms.fits(form, more) {
                break;
            }
            loads.push(more);
        }
        let least = if shape + 1 == shapes.len() { loads.len() - 1 } else { 0 };
        for count in (least..loads.len()).rev() {
            column[shape] = count as u32;
            self.extend(shapes, form, shape + 1, loads[count], column, columns)?;
        }
        column[shape] = 0;
        Some(())
    }
}
