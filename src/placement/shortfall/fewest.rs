//! The fewest of several alike changes that let a gang fit: nodes to be uncordoned, pods' worth of room.
//!
//! The first that fit in the given order are found by halving, those that are not needed are left out one by one, and where
//! the number is small all smaller choices are tried, taking changes of one sort for the same. That is exact as far as the
//! budget goes.

/// Trials that are left for one explanation.
#[derive(Debug)]
pub(super) struct Budget(pub(super) u32);

/// Changes up to which smaller choices are tried one by one.
const SMALL: usize = 6;

/// Changes up to which each is tried to be left out.
const LEFT_OUT: usize = 32;

impl Budget {
    /// One trial less; `false` if none is left.
    pub(super) fn spend(&mut self) -> bool {
        let left = self.0 > 0;
        self.0 = self.0.saturating_sub(1);
        left
    }
}

/// Indices of the fewest changes of `sorts.len()` that pass the test, ascending; `None` if all of them together do not.
/// Changes with the same sort make the same difference. The test must say `false` when its budget is spent.
pub(super) fn fewest<S: Ord>(
    sorts: &[S],
    budget: &mut Budget,
    mut test: impl FnMut(&[usize]) -> bool,
) -> Option<Vec<usize>> {
    let all: Vec<usize> = (0..sorts.len()).collect();
    let mut check = |budget: &mut Budget, chosen: &[usize]| budget.spend() && test(chosen);
    if all.is_empty() || !check(budget, &all) {
        return None;
    }
    // The least number of first ones.
    let (mut fails, mut passes) = (0, all.len());
    while passes - fails > 1 {
        let middle = usize::midpoint(fails, passes);
        if check(budget, &all[..middle]) {
            passes = middle;
        } else {
            fails = middle;
        }
    }
    let mut chosen = all[..passes].to_vec();
    let mut at = 0;
    while at < chosen.len() && chosen.len() <= LEFT_OUT {
        let mut fewer = chosen.clone();
        fewer.remove(at);
        if !fewer.is_empty() && check(budget, &fewer) {
            chosen = fewer;
        } else {
            at += 1;
        }
    }
    // Smaller choices that begin elsewhere.
    for size in 1..chosen.len().min(SMALL) {
        let mut tried = Vec::new();
        if let Some(smaller) = choose(sorts, size, 0, &mut tried, &mut |chosen| check(budget, chosen)) {
            return Some(smaller);
        }
        if budget.0 == 0 {
            break;
        }
    }
    Some(chosen)
}

/// The first choice of so many that passes: of changes of one sort those before others.
fn choose<S: Ord>(
    sorts: &[S],
    size: usize,
    from: usize,
    chosen: &mut Vec<usize>,
    test: &mut impl FnMut(&[usize]) -> bool,
) -> Option<Vec<usize>> {
    if chosen.len() == size {
        return test(chosen).then(|| chosen.clone());
    }
    for at in from..sorts.len() {
        // One before it of the same sort that is left out stands for it.
        let stands_in = (0..at).any(|before| sorts[before] == sorts[at] && !chosen.contains(&before));
        if stands_in {
            continue;
        }
        chosen.push(at);
        let found = choose(sorts, size, at + 1, chosen, test);
        chosen.pop();
        if found.is_some() {
            return found;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sorts: &[u32], passes: impl FnMut(&[usize]) -> bool, expect: Option<&[usize]>) {
        assert_eq!(fewest(sorts, &mut Budget(200), passes).as_deref(), expect);
    }

    #[test]
    fn the_fewest_are_found_wherever_they_stand() {
        check(&[1, 1, 1, 1], |chosen| chosen.len() >= 3, Some(&[0, 1, 2]));
        check(&[1, 2, 3, 4], |chosen| chosen.contains(&3) || chosen.len() == 3, Some(&[3]));
        check(&[1, 2, 2, 4], |chosen| chosen.contains(&1) && chosen.contains(&3), Some(&[1, 3]));
        check(&[1, 1], |_| false, None);
        check(&[], |_| true, None);
    }
}
