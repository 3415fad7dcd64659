//! Amounts by resource: what a unit asks for, what a queue is promised, uses or may use.

use crate::cluster::ids::ResourceId;

/// Amounts by resource, ascending by resource. A resource that is not named counts as 0; whether one is named matters for
/// limits, where an unnamed resource is unlimited.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Amounts(Vec<(ResourceId, i64)>);

impl Amounts {
    /// The amount of a resource; 0 where it is not named.
    pub fn get(&self, resource: ResourceId) -> i64 {
        self.named(resource).unwrap_or(0)
    }

    /// The amount of a resource, if it is named.
    pub fn named(&self, resource: ResourceId) -> Option<i64> {
        let at = self.0.binary_search_by_key(&resource, |&(known, _)| known).ok()?;
        Some(self.0[at].1)
    }

    /// Names the resource with this amount.
    pub fn set(&mut self, resource: ResourceId, amount: i64) {
        match self.0.binary_search_by_key(&resource, |&(known, _)| known) {
            Ok(at) => self.0[at].1 = amount,
            Err(at) => self.0.insert(at, (resource, amount)),
        }
    }

    /// Adds to the amount of one resource. Sums stop at the ends of `i64`.
    pub fn add(&mut self, resource: ResourceId, amount: i64) {
        self.set(resource, self.get(resource).saturating_add(amount));
    }

    /// Adds all amounts.
    pub fn add_all(&mut self, other: &Amounts) {
        other.iter().for_each(|(resource, amount)| self.add(resource, amount));
    }

    /// Subtracts all amounts.
    pub fn subtract_all(&mut self, other: &Amounts) {
        other.iter().for_each(|(resource, amount)| self.add(resource, amount.saturating_neg()));
    }

    /// The named resources and their amounts, ascending by resource.
    pub fn iter(&self) -> impl Iterator<Item = (ResourceId, i64)> + '_ {
        self.0.iter().copied()
    }

    /// Resources of which more than nothing is asked.
    pub fn asked(&self) -> impl Iterator<Item = (ResourceId, i64)> + '_ {
        self.iter().filter(|&(_, amount)| amount > 0)
    }

    /// Is no resource named?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(ResourceId, i64)> for Amounts {
    /// Amounts of a resource that is named twice add up.
    fn from_iter<T: IntoIterator<Item = (ResourceId, i64)>>(amounts: T) -> Self {
        let mut sum = Amounts::default();
        amounts.into_iter().for_each(|(resource, amount)| sum.add(resource, amount));
        sum
    }
}
