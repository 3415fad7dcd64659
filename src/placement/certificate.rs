//! Why an answer is right: what a strategy hands over, and what only the dispatcher turns into a [`Proof`].

use super::outcome::Proof;

/// The ground on which a placement is called the best, or a refusal final.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Certificate {
    /// Counts decide, by the lemma of the strategy: no placement has more pods, or costs less.
    Counted,
    /// Every term that counts equals its lower bound.
    BoundMet,
    /// Every other placement has been looked at, or was ruled out by a bound.
    Exhausted,
    /// None: the search ended after so many steps.
    Open {
        /// Steps taken.
        steps: u64,
    },
}

impl Certificate {
    /// What it proves.
    pub(super) fn proof(self) -> Proof {
        match self {
            Certificate::Counted | Certificate::BoundMet | Certificate::Exhausted => Proof::Proven,
            Certificate::Open { steps } => Proof::CutShort { steps },
        }
    }
}
