//! Devices by claim: what drivers publish, what claims hold, and which devices a claim gets on a node.
//!
//! `catalogue` keeps slices, classes and taint rules; `pools` says what a node sees of them; `usage` what claims hold.
//! `plan` reads a claim, `search` finds devices for several claims at once, `allocate` writes the result as kube-scheduler
//! would, `count` says how many pods fit. Expressions are checked and computed in `cel`, their answers kept in `selectors`. Pure: nothing here knows a pod
//! that waits, or a gang.

mod allocate;
mod capacity;
mod catalogue;
pub mod cel;
mod constraint;
mod count;
mod extended;
mod plan;
mod pools;
mod search;
mod selectors;
#[cfg(test)]
mod tests;
mod usage;

pub use allocate::{Allocated, Rules, STEPS, Wanted, allocate};
pub use catalogue::Catalogue;
pub use count::{Count, count, fits};
pub use extended::{Mapping, claim_for};
pub use pools::NodeView;
pub use usage::Usage;
