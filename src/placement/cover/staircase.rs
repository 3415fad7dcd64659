//! Staircases: for each cost, the most units that can be had for it.

/// So many units at a cost. In a staircase both rise from step to step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Step {
    pub(super) cost: i64,
    pub(super) units: u32,
}

/// Steps kept when thinning.
pub(super) const THINNED: usize = 512;

/// Appends a step unless it gives no more than the last.
pub(super) fn push(steps: &mut Vec<Step>, step: Step) {
    if steps.last().is_none_or(|last| step.units > last.units) {
        steps.push(step);
    }
}

/// The most units at no more than a cost.
pub(super) fn reach(steps: &[Step], cost: i64) -> u32 {
    match steps.partition_point(|step| step.cost <= cost) {
        0 => 0,
        above => steps[above - 1].units,
    }
}

/// Two staircases side by side, of any cost.
pub(super) fn side_by_side(first: &[Step], second: &[Step], limit: u32) -> Vec<Step> {
    let mut all: Vec<Step> = first.to_vec();
    for a in first {
        for b in second {
            all.push(Step { cost: a.cost + b.cost, units: (a.units + b.units).min(limit) });
            if a.units + b.units >= limit {
                break;
            }
        }
    }
    all.sort_unstable_by_key(|step| (step.cost, std::cmp::Reverse(step.units)));
    let mut steps = Vec::new();
    for step in all {
        push(&mut steps, step);
        if step.units >= limit {
            break;
        }
    }
    steps
}

/// Drops steps evenly, never the first or the last.
pub(super) fn thin(steps: &mut Vec<Step>) {
    let stride = steps.len().div_ceil(THINNED).max(1);
    let last = steps.len().saturating_sub(1);
    let mut at = 0;
    steps.retain(|_| {
        let keep = at % stride == 0 || at == last;
        at += 1;
        keep
    });
}
