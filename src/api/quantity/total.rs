//! Arithmetic on resource lists: sums that print as Kubernetes' do, and comparison by amount.

use super::{Amount, QuantityError, ResourceList};
use std::collections::BTreeMap;

/// A resource list that cannot be counted: which resource, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{resource}: {source}")]
pub struct ResourceError {
    /// The resource's name.
    pub resource: String,
    /// What is wrong with its quantity.
    pub source: QuantityError,
}

/// A running sum of resource lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourceTotal {
    amounts: BTreeMap<String, Amount>,
}

impl ResourceTotal {
    /// Adds a list so many times. On an error nothing is added.
    pub fn add(&mut self, list: &ResourceList, times: u32) -> Result<(), ResourceError> {
        let amounts = amounts(list)?;
        for (resource, amount) in amounts {
            self.add_amount(resource, amount.times(times));
        }
        Ok(())
    }

    /// Adds one amount of one resource.
    pub fn add_amount(&mut self, resource: &str, amount: Amount) {
        match self.amounts.get_mut(resource) {
            Some(sum) => *sum = sum.plus(amount),
            None => {
                self.amounts.insert(resource.to_owned(), amount);
            }
        }
    }

    /// The sum of one resource.
    pub fn get(&self, resource: &str) -> Amount {
        self.amounts.get(resource).copied().unwrap_or_default()
    }

    /// Has nothing been added, not even zeros?
    pub fn is_empty(&self) -> bool {
        self.amounts.is_empty()
    }

    /// The sums as canonical texts.
    pub fn to_list(&self) -> ResourceList {
        self.amounts.iter().map(|(resource, amount)| (resource.clone(), amount.to_quantity())).collect()
    }
}

/// Do two lists name the same resources with the same amounts? A quantity that cannot be read equals only its own
/// text.
pub fn same_resources(left: &ResourceList, right: &ResourceList) -> bool {
    left.len() == right.len()
        && left.iter().zip(right).all(|((left_name, left), (right_name, right))| {
            left_name == right_name
                && (left == right || matches!((left.amount(), right.amount()), (Ok(a), Ok(b)) if a == b))
        })
}

fn amounts(list: &ResourceList) -> Result<Vec<(&str, Amount)>, ResourceError> {
    list.iter()
        .map(|(resource, quantity)| match quantity.amount() {
            Ok(amount) => Ok((resource.as_str(), amount)),
            Err(source) => Err(ResourceError { resource: resource.clone(), source }),
        })
        .collect()
}
