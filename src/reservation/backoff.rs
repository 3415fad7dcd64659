//! When to try again: exponential with a spread that depends on who asks, not on chance.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long to wait after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backoff {
    /// After the first failure.
    pub base: Duration,
    /// After many.
    pub limit: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Backoff { base: Duration::from_millis(100), limit: Duration::from_secs(10) }
    }
}

impl Backoff {
    /// The wait after so many failures in a row (from 1), between three and five quarters of the nominal one. `who` sets
    /// the spread; no less than `at_least` (a `Retry-After`).
    pub fn after(&self, failures: u32, who: u64, at_least: Option<Duration>) -> Duration {
        let nominal = self.base.saturating_mul(1 << failures.saturating_sub(1).min(20)).min(self.limit);
        let spread = (mix(who.wrapping_add(u64::from(failures) << 48)) % 512) as u32;
        let wait = (nominal / 1024).saturating_mul(768 + spread);
        wait.max(at_least.unwrap_or_default())
    }
}

/// The finaliser of SplitMix64: every bit of the input moves every bit of the output.
fn mix(seed: u64) -> u64 {
    let seed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let seed = (seed ^ (seed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    seed ^ (seed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_to_a_limit_are_spread_and_honour_retry_after() {
        let backoff = Backoff { base: Duration::from_millis(100), limit: Duration::from_secs(1) };
        let check = |failures: u32, nominal: u64| {
            for who in 0..100 {
                let wait = backoff.after(failures, who, None).as_millis() as u64;
                assert!((nominal * 3 / 4 - 1..=nominal * 5 / 4).contains(&wait), "{failures}: {wait}");
            }
        };
        check(1, 100);
        check(2, 200);
        check(4, 800);
        check(5, 1_000);
        check(u32::MAX, 1_000);
        let waits: std::collections::BTreeSet<_> = (0..100).map(|who| backoff.after(3, who, None)).collect();
        assert!(waits.len() > 50, "not all at once");
        assert_eq!(backoff.after(1, 1, Some(Duration::from_secs(30))), Duration::from_secs(30));
    }
}
