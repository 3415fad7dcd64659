//! What a search has taken on trial: amounts by resource and position on top of the cluster's, with an undo log.

use crate::cluster::ids::{ClassId, ResourceId};
use rustc_hash::FxHashMap;

/// Trial takings. Dense columns, so that reading is one look-up; only what was touched is ever reset.
#[derive(Debug, Default)]
pub(super) struct Overlay {
    resources: Vec<ResourceId>,
    columns: Vec<Vec<i64>>,
    touched: Vec<u32>,
    is_touched: Vec<bool>,
    /// Pods in room that is supposed for just their class, by position.
    seated: FxHashMap<(u32, ClassId), u32>,
}

impl Overlay {
    /// Is or was something taken at a position since the last [`Overlay::clear`]?
    #[inline]
    pub(super) fn is_touched(&self, position: usize) -> bool {
        !self.touched.is_empty() && self.is_touched[position]
    }

    /// What is taken of a resource at a position.
    #[inline]
    pub(super) fn taken(&self, resource: ResourceId, position: usize) -> i64 {
        if !self.is_touched(position) {
            return 0;
        }
        match self.resources.iter().position(|&known| known == resource) {
            Some(column) => self.columns[column][position],
            None => 0,
        }
    }

    /// Pods of a class at a position, where [`Overlay::seat`] counts them.
    pub(super) fn seated(&self, position: u32, class: ClassId) -> u32 {
        if self.seated.is_empty() {
            return 0;
        }
        self.seated.get(&(position, class)).copied().unwrap_or(0)
    }

    /// Seats `count` pods (below 0: takes them off) where there is room for so many beside what is free, and says how many
    /// of them take of what is free.
    pub(super) fn seat(&mut self, position: u32, class: ClassId, count: i64, room: u32) -> i64 {
        let seated = self.seated.entry((position, class)).or_default();
        let before = i64::from(*seated);
        let after = (before + count).max(0);
        *seated = after as u32;
        (after - i64::from(room)).max(0) - (before - i64::from(room)).max(0)
    }

    /// Takes `count` times the requests at a position; a negative count gives them back.
    pub(super) fn take(
        &mut self,
        requests: &[(ResourceId, i64)],
        position: usize,
        count: i64,
        positions: usize,
    ) {
        if self.is_touched.len() < positions {
            self.is_touched.resize(positions, false);
        }
        if !self.is_touched[position] {
            self.is_touched[position] = true;
            self.touched.push(position as u32);
        }
        for &(resource, amount) in requests {
            let column = match self.resources.iter().position(|&known| known == resource) {
                Some(column) => column,
                None => {
                    self.resources.push(resource);
                    self.columns.push(Vec::new());
                    self.columns.len() - 1
                }
            };
            let column = &mut self.columns[column];
            if column.len() < positions {
                column.resize(positions, 0);
            }
            column[position] = column[position].saturating_add(amount.saturating_mul(count));
        }
    }

    /// Positions where something is or was taken since the last [`Overlay::clear`].
    pub(super) fn touched(&self) -> &[u32] {
        &self.touched
    }

    /// Forgets everything and returns where it was.
    pub(super) fn clear(&mut self) -> Vec<u32> {
        let touched = std::mem::take(&mut self.touched);
        self.seated.clear();
        for &position in &touched {
            self.is_touched[position as usize] = false;
            for column in &mut self.columns {
                if let Some(taken) = column.get_mut(position as usize) {
                    *taken = 0;
                }
            }
        }
        touched
    }
}
