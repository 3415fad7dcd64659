//! How many, and which: gaps that are filled and replicas that go. The same rules hold for ServingGroups and for the role
//! replicas of one of them. Source: kthena `pkg/model-serving-controller/controller`, sections 4.3 to 4.5 of its behaviour.

use std::cmp::Reverse;

/// A replica that may be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) ordinal: u32,
    pub(crate) state: State,
    /// The sum of its pods' deletion costs.
    pub(crate) cost: i64,
}

/// What is least missed goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    /// Half of it is gone already.
    Going,
    NotRunning,
    Running,
}

/// Which replicas go, first the one that goes first, so that `keep` stay: those that do not run, then the cheapest, then
/// the highest ordinal. The first `partition` of the list, by ordinal, go only when no others are left.
pub(crate) fn victims(candidates: &[Candidate], keep: usize, partition: usize) -> Vec<u32> {
    let surplus = candidates.len().saturating_sub(keep);
    if surplus == 0 {
        return Vec::new();
    }
    let mut sorted: Vec<(usize, &Candidate)> = candidates.iter().enumerate().collect();
    sorted.sort_by_key(|(position, c)| (*position < partition, c.state, c.cost, Reverse(c.ordinal)));
    sorted.into_iter().take(surplus).map(|(_, candidate)| candidate.ordinal).collect()
}

/// The victims that can be spared now: of those that run, so many stay that at least `floor` do. It matters where the
/// partition keeps some that do not run; the others wait until these are back.
pub(crate) fn spare(victims: Vec<u32>, candidates: &[Candidate], floor: usize) -> Vec<u32> {
    let runs = |ordinal: u32| candidates.iter().any(|c| c.ordinal == ordinal && c.state == State::Running);
    let mut running = candidates.iter().filter(|candidate| candidate.state == State::Running).count();
    let spared = victims.into_iter().filter(|&ordinal| {
        let runs = runs(ordinal);
        let spared = !runs || running > floor;
        running -= usize::from(runs && spared);
        spared
    });
    spared.collect()
}

/// The lowest ordinals below `expected` that are free, at most `limit`. `existing` is sorted.
pub(crate) fn missing(expected: u32, existing: impl Iterator<Item = u32>, limit: usize) -> Vec<u32> {
    let mut existing = existing.peekable();
    let free = (0..expected).filter(|ordinal| {
        while existing.next_if(|taken| taken < ordinal).is_some() {}
        existing.next_if_eq(ordinal).is_none()
    });
    free.take(limit).collect()
}

/// The ordinals to create so that, with what exists (going ones included: they hold their names), there are `expected`.
pub(crate) fn additions(expected: u32, existing: &[u32]) -> Vec<u32> {
    missing(expected, existing.iter().copied(), (expected as usize).saturating_sub(existing.len()))
}

#[cfg(test)]
mod tests {
    use super::State::{Going, NotRunning, Running};
    use super::*;

    /// U15, unsorted and out-of-range input included as far as a sorted list of ordinals can hold them.
    #[test]
    fn missing_ordinals() {
        let table: &[(u32, &[u32], usize, &[u32])] = &[
            (0, &[0], 1, &[]),
            (3, &[], 0, &[]),
            (3, &[], 3, &[0, 1, 2]),
            (3, &[0, 1, 2], 3, &[]),
            (5, &[0, 2, 4], 5, &[1, 3]),
            (5, &[0, 2, 4], 1, &[1]),
            (4, &[0, 2, 2], 4, &[1, 3]),
            (3, &[1, 10], 3, &[0, 2]),
            (i32::MAX as u32, &[0, 1], 2, &[2, 3]),
        ];
        for (expected, existing, limit, expect) in table {
            assert_eq!(missing(*expected, existing.iter().copied(), *limit), *expect, "{existing:?}");
        }
    }

    /// U16 and U18: what exists and how many are wanted -> what is created.
    #[test]
    fn scale_up() {
        let table: &[(&[u32], u32, &[u32])] = &[
            (&[], 2, &[0, 1]),
            (&[0], 3, &[1, 2]),
            (&[0, 5], 4, &[1, 2]),
            (&[10], 3, &[0, 1]),
            (&[0, 1], 2, &[]),
            (&[0, 1, 2], 2, &[]),
            (&[0], 5, &[1, 2, 3, 4]),
            (&[0, 1], 3, &[2]),
        ];
        for (existing, expected, expect) in table {
            assert_eq!(additions(*expected, existing), *expect, "{existing:?} to {expected}");
        }
    }

    /// Ordinals with state and cost, how many stay, partition -> who stays.
    fn check(list: &[(u32, State, i64)], keep: usize, partition: usize, expect: &[u32]) {
        let candidates: Vec<Candidate> =
            list.iter().map(|&(ordinal, state, cost)| Candidate { ordinal, state, cost }).collect();
        let gone = victims(&candidates, keep, partition);
        let stay: Vec<u32> = list.iter().map(|c| c.0).filter(|ordinal| !gone.contains(ordinal)).collect();
        assert_eq!(stay, expect, "{list:?}");
    }

    fn running(costs: &[(u32, i64)]) -> Vec<(u32, State, i64)> {
        costs.iter().map(|&(ordinal, cost)| (ordinal, Running, cost)).collect()
    }

    fn free(ordinals: &[u32]) -> Vec<(u32, State, i64)> {
        ordinals.iter().map(|&ordinal| (ordinal, Running, 0)).collect()
    }

    /// U21 and U28.
    #[test]
    fn highest_ordinals_go() {
        check(&free(&[0, 1, 2, 3]), 2, 0, &[0, 1]);
        check(&free(&[0, 1, 2]), 1, 0, &[0]);
        check(&free(&[0, 1, 2, 3, 4]), 3, 0, &[0, 1, 2]);
        check(&free(&[0, 1]), 2, 0, &[0, 1]);
        check(&free(&[0, 2, 5, 8]), 2, 0, &[0, 2]);
        check(&free(&[1, 3, 5, 8]), 2, 2, &[1, 3]);
    }

    /// U22, U30 and U31.
    #[test]
    fn state_then_cost_then_ordinal() {
        let not = |ordinal, cost| (ordinal, NotRunning, cost);
        let run = |ordinal, cost| (ordinal, Running, cost);
        check(&[run(0, 0), run(1, 0), not(2, 0), not(3, 0)], 2, 0, &[0, 1]);
        check(&running(&[(0, 100), (1, 50), (2, 0), (3, 75)]), 2, 0, &[0, 3]);
        check(&[not(0, 1000), run(1, 10), run(2, 20), run(3, 30)], 2, 0, &[2, 3]);
        check(&[run(0, 100), not(1, 0), run(2, 50), (3, Going, 0), run(4, 200)], 2, 0, &[0, 4]);
        check(&[not(0, 0), not(1, 0), not(2, 0), not(3, 0)], 2, 0, &[0, 1]);
        check(&running(&[(0, 50), (1, 50), (2, 50), (3, 50)]), 2, 0, &[0, 1]);
        check(&running(&[(0, 0), (1, -100), (2, 0), (3, 0)]), 2, 0, &[0, 2]);
        check(&running(&[(0, 100), (1, 0), (2, 50), (3, 0)]), 2, 0, &[0, 2]);
        check(&[run(0, 0), not(1, 0), run(2, 0)], 2, 0, &[0, 2]);
        check(&[not(0, 0), run(1, 0), not(2, 0), run(3, 0)], 2, 0, &[1, 3]);
        check(&free(&[0, 1, 2, 3]), 0, 0, &[]);
    }

    /// Upstream takes both of those that run, and leaves one replica of three.
    #[test]
    fn those_that_run_stay_while_the_protected_do_not() {
        let state = |ordinal: u32| if ordinal < 2 { NotRunning } else { Running };
        let candidates: Vec<Candidate> =
            (0..5).map(|ordinal| Candidate { ordinal, state: state(ordinal), cost: 0 }).collect();
        let gone = victims(&candidates, 3, 3);
        assert_eq!(gone, [4, 3]);
        assert_eq!(spare(gone.clone(), &candidates, 2), [4]);
        assert!(spare(gone.clone(), &candidates, 3).is_empty());
        assert_eq!(spare(gone.clone(), &candidates, 0), gone);
    }

    /// U23.
    #[test]
    fn partition_protects_the_front_of_the_list() {
        let costs = |costs: &[i64]| -> Vec<(u32, State, i64)> {
            costs.iter().enumerate().map(|(ordinal, &cost)| (ordinal as u32, Running, cost)).collect()
        };
        check(&costs(&[0, 0, 0, 100, 100]), 3, 3, &[0, 1, 2]);
        let mut creating = costs(&[0, 0, 0, 0, 0]);
        creating[1].1 = NotRunning;
        check(&creating, 3, 3, &[0, 1, 2]);
        check(&costs(&[100, 50, 0, 75]), 2, 0, &[0, 3]);
        check(&costs(&[100, 50, 0, 200]), 2, 5, &[0, 3]);
        check(&costs(&[100, 50, 0, 200, 150]), 2, 3, &[0, 1]);
    }
}
