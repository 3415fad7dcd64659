//! A stream of numbers that a seed decides: SplitMix64 (Steele, Lea, Flood 2014). Written here so that a report's seed
//! means the same in every release.

use super::scenario::Range;
use super::time::Millis;

/// A stream of numbers.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// The stream of a seed and a purpose: streams of different purposes do not disturb each other.
    pub(crate) fn new(seed: u64, purpose: &str) -> Random {
        // FNV-1a of the purpose, so that a name always means the same stream.
        let hash = purpose.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Random(seed ^ hash)
    }

    /// The next number.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, each as likely as the others up to one in 2^64; 0 if the bound is.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// A time from a range, both ends included.
    pub(crate) fn within(&mut self, range: Range) -> Millis {
        match range.1.saturating_sub(range.0) {
            0 => range.0,
            width => range.0 + self.below(width + 1),
        }
    }

    /// `count` of the numbers below `bound`, ascending.
    pub(crate) fn choose(&mut self, count: usize, bound: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (0..bound).collect();
        for index in 0..count.min(bound) {
            let other = index + self.below((bound - index) as u64) as usize;
            all.swap(index, other);
        }
        all.truncate(count);
        all.sort_unstable();
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_that_of_the_paper() {
        // The first values for seed 1234567, as the reference implementation prints them.
        let mut random = Random(1_234_567);
        let expect = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        assert_eq!([random.next(), random.next(), random.next()], expect);
    }

    #[test]
    fn draws_stay_in_their_bounds() {
        let mut random = Random::new(1, "test");
        for _ in 0..1000 {
            assert!(random.below(7) < 7);
            let time = random.within(Range(5, 8));
            assert!((5..=8).contains(&time));
        }
        assert_eq!(random.within(Range(5, 5)), 5);
        let chosen = random.choose(3, 10);
        assert!(chosen.len() == 3 && chosen.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(random.choose(20, 4), [0, 1, 2, 3]);
    }
}
