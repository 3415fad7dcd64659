//! Resource quantities: the text on the wire, the exact amount behind it, the integers that Phalanx counts with, and
//! the canonical text of a sum.
//!
//! Semantics are those of Kubernetes' `resource.Quantity` (apimachinery `pkg/api/resource`): decimal, binary and
//! exponent suffixes, nothing finer than nano (rounded away from zero), binary texts capped at 2^63-1. Where Go's
//! integers overflow, ours saturate; texts without any digit, which Go reads as 0, are refused.

mod amount;
mod parse;
#[cfg(test)]
mod tests;
mod total;

pub use amount::{Amount, Format};
pub use parse::QuantityError;
pub use total::{ResourceError, ResourceTotal, same_resources};

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A quantity as it was written (`125`, `"800Gi"`, `"100m"`). Two texts can mean the same amount: compare what
/// [`Quantity::amount`], [`Quantity::milli`] or [`Quantity::value`] return.
///
/// ```
/// use phalanx::api::quantity::Quantity;
///
/// let quantity = |text: &str| Quantity(text.to_owned());
/// assert_eq!(quantity("1.5").milli(), Ok(1_500));
/// assert_eq!(quantity("1Gi").value(), quantity("1024Mi").value());
/// assert_eq!(Quantity::from_bytes(1_610_612_736).0, "1536Mi");
/// assert!(quantity("eight").amount().is_err());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Quantity(pub String);

/// Resource name to quantity.
pub type ResourceList = BTreeMap<String, Quantity>;

impl Quantity {
    /// The exact amount.
    pub fn amount(&self) -> Result<Amount, QuantityError> {
        parse::parse(&self.0)
    }

    /// Thousandths, rounded away from zero: the unit that `cpu` is counted in. Go's `MilliValue`, saturating.
    pub fn milli(&self) -> Result<i64, QuantityError> {
        Ok(self.amount()?.milli())
    }

    /// Whole units (bytes, pieces), rounded away from zero. Go's `Value`, saturating.
    pub fn value(&self) -> Result<i64, QuantityError> {
        Ok(self.amount()?.value())
    }

    /// Canonical text of so many thousandths: 250000 is `250`, 600 is `600m`.
    pub fn from_milli(milli: i64) -> Self {
        Amount::from_milli(milli, Format::Decimal).to_quantity()
    }

    /// Canonical text of so many units with decimal suffixes: 8 is `8`, 2000 is `2k`.
    pub fn from_value(value: i64) -> Self {
        Amount::from_value(value, Format::Decimal).to_quantity()
    }

    /// Canonical text of so many bytes with binary suffixes where they divide: 1610612736 is `1536Mi`.
    pub fn from_bytes(bytes: i64) -> Self {
        Amount::from_value(bytes, Format::Binary).to_quantity()
    }
}

impl From<&str> for Quantity {
    fn from(text: &str) -> Self {
        Quantity(text.to_owned())
    }
}

impl std::fmt::Display for Quantity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Quantity;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a quantity such as 8, \"100m\" or \"800Gi\"")
            }
            fn visit_str<E>(self, text: &str) -> Result<Quantity, E> {
                Ok(Quantity(text.to_owned()))
            }
            fn visit_u64<E>(self, number: u64) -> Result<Quantity, E> {
                Ok(Quantity(number.to_string()))
            }
            fn visit_i64<E>(self, number: i64) -> Result<Quantity, E> {
                Ok(Quantity(number.to_string()))
            }
            fn visit_f64<E>(self, number: f64) -> Result<Quantity, E> {
                Ok(Quantity(number.to_string()))
            }
            fn visit_unit<E>(self) -> Result<Quantity, E> {
                Ok(Quantity("0".to_owned())) // as Go reads null
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}
