//! Sharing: who is promised what, who uses what, who may take from whom. Pure functions over counts; this room knows queues
//! and units of gangs, and neither nodes nor pods.
//!
//! The words. A queue is *promised* its `deserved` amounts; it may lend them while they are idle and gets them back on demand.
//! `guarantee` is set aside for it and never lent; `capability` is the most it may use. Its *fair share* is what it is promised
//! plus its part of what nobody is promised or nobody asks for ([`shares`]). A *unit* is the core of a gang (the pods of its
//! minimum, which run and go together) or one pod above it. Each running unit has a [`Class`] at each queue above it: within
//! deserved, within share, or borrowed ([`classes`]). From these follows who may take from whom ([`entitlement`]) and whose turn
//! it is ([`order`]).
//!
//! Amounts are integers in the units of [`crate::cluster::capacity`]: cpu in milli-cores, devices in pieces, the rest in bytes.
//! Owned here: [`Uses`], what is used below each queue. All else is computed from arguments.

pub mod amounts;
pub mod classes;
pub mod entitlement;
pub mod limits;
pub mod order;
pub mod rules;
pub mod shares;
pub mod tree;
pub mod uses;

#[cfg(test)]
mod tests;

pub use amounts::Amounts;
pub use classes::{Class, Unit};
pub use tree::{QueueIndex, QueueTerms, QueueTree};
pub use uses::Uses;
