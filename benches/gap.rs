//! Not a matter of time: how far gangs of mixed shapes are from the best known placement, kind by kind. For each kind it
//! prints how many gangs were placed, the gap of `Domains` to the best known (of those with equal tiers) as mean, 99th
//! percentile and maximum, how many were cut short, and where randomised first fit decreasing did better. The best known is
//! the better of that heuristic, an integer programme where the instance is small, and this solver with a hundred times the
//! steps. Run with `cargo bench --bench gap [-- INSTANCES [KIND]]`; `GAP_SHORT=1`
//! leaves the long search out, `GAP_VERBOSE=1` names the instances that are refused or placed farther apart.
#![allow(clippy::float_arithmetic, clippy::unwrap_used, clippy::disallowed_methods)]

use phalanx::placement::{Outcome, PlacementRules, Placer, Proof};
use std::time::Instant;

mod gap {
    pub(crate) mod first_fit;
    pub(crate) mod instances;
    pub(crate) mod reference;
    pub(crate) mod world;
}

use gap::first_fit::{self, Value};
use gap::instances::{self, Kind};
use gap::reference;

/// Runs of the heuristic.
const RUNS: u64 = 24;
/// Steps for the best known.
const STEPS: u64 = 2_000_000;

/// What came of the instances of a kind.
#[derive(Default)]
struct Row {
    instances: usize,
    placed: usize,
    cut: usize,
    refused_wrongly: usize,
    farther: usize,
    closer: usize,
    worse_tiers: usize,
    fewer: usize,
    exact: usize,
    gaps: Vec<f64>,
    times: Vec<f64>,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_bench = arguments.iter().any(|argument| argument == "--bench");
    let mut arguments = arguments.into_iter().filter(|argument| !argument.starts_with("--"));
    let first = arguments.next();
    if first.is_none() && !is_bench {
        return;
    }
    let count = first.and_then(|count| count.parse().ok()).unwrap_or(500);
    let only = arguments.next();
    println!(
        "{:<12} {:>5} {:>6} {:>5} {:>7} {:>7} {:>7} {:>8} {:>8} {:>6} {:>8} {:>7} {:>7} {:>8} {:>8}",
        "kind",
        "gangs",
        "placed",
        "cut",
        "refused",
        "farther",
        "closer",
        "tiers %",
        "fewer %",
        "exact",
        "gap %",
        "p99 %",
        "max %",
        "ms p50",
        "ms p99"
    );
    for kind in Kind::ALL {
        if only.as_ref().is_some_and(|only| *only != format!("{kind:?}")) {
            continue;
        }
        let mut row = Row::default();
        for number in 0..count {
            one(kind, number, &mut row);
        }
        print(kind, row);
    }
}

fn one(kind: Kind, number: u64, row: &mut Row) {
    let instance = instances::of(kind, number);
    let (view, request) = (instance.world.view(), &instance.request);
    if request.pending() == 0 {
        return;
    }
    row.instances += 1;
    let rules = PlacementRules::default();
    let mut placer = Placer::default();
    // The first one builds the indices.
    let _ = placer.count(view, request.subgroups[0].members[0].class, &rules);
    let start = Instant::now();
    let outcome = placer.place(view, request, &rules);
    row.times.push(start.elapsed().as_secs_f64() * 1e3);
    let ours = value(request.pending(), &outcome);
    row.cut += usize::from(match &outcome {
        Outcome::Placed(placement) => placement.proof != Proof::Proven,
        Outcome::Short(shortfall) => shortfall.proof != Proof::Proven,
    });
    let other = first_fit::best(view, request, &rules, RUNS);
    let long = match std::env::var_os("GAP_SHORT") {
        Some(_) => ours.clone(),
        None => {
            let rules = PlacementRules { search_budget: STEPS, ..rules.clone() };
            value(request.pending(), &placer.place(view, request, &rules))
        }
    };
    let Some(ours) = ours else {
        let fits = kind.is_constructed() || other.is_some() || long.is_some();
        row.refused_wrongly += usize::from(fits);
        if fits && std::env::var_os("GAP_VERBOSE").is_some() {
            println!("{kind:?} {number}: refused");
        }
        return;
    };
    row.placed += 1;
    let known = |value: &Value| (value.0, value.1[..3].to_vec());
    let ours = known(&ours);
    if let Some(other) = other.as_ref().map(known) {
        row.farther += usize::from(other < ours);
        row.closer += usize::from(ours < other);
        if other < ours && std::env::var_os("GAP_VERBOSE").is_some() {
            println!("{kind:?} {number}: {ours:?} against {other:?}");
        }
    }
    let best = [Some(ours.clone()), other.as_ref().map(known), long.as_ref().map(known)];
    let best = best.into_iter().flatten().min().unwrap();
    row.fewer += usize::from(best.0 < ours.0);
    row.worse_tiers += usize::from(best.0 == ours.0 && best.1[..2] < ours.1[..2]);
    if best.0 == ours.0 && best.1[..2] == ours.1[..2] {
        // The programme looks at all blocks, so it is the least where the gang spans several.
        let exact = reference::least(&instance.world, request).filter(|&least| least >= 20);
        row.exact += usize::from(exact.is_some());
        let least = exact.map_or(best.1[2], |least| least.min(best.1[2])).max(1);
        row.gaps.push(100.0 * (ours.1[2] as f64 / least as f64 - 1.0));
    }
}

fn value(pending: usize, outcome: &Outcome) -> Option<Value> {
    match outcome {
        Outcome::Placed(placement) => Some((pending - placement.assignments.len(), placement.cost.clone())),
        Outcome::Short(_) => None,
    }
}

fn print(kind: Kind, mut row: Row) {
    let at = |values: &mut Vec<f64>, share: f64| {
        values.sort_by(f64::total_cmp);
        values.get(((values.len() as f64 * share).ceil() as usize).max(1) - 1).copied().unwrap_or(0.0)
    };
    let percent = |count: usize| 100.0 * count as f64 / row.instances.max(1) as f64;
    let mean = row.gaps.iter().sum::<f64>() / row.gaps.len().max(1) as f64;
    println!(
        "{:<12} {:>5} {:>6} {:>5} {:>7} {:>7} {:>7} {:>8.2} {:>8.2} {:>6} {:>8.2} {:>7.2} {:>7.2} {:>8.2} {:>8.2}",
        format!("{kind:?}"),
        row.instances,
        row.placed,
        row.cut,
        row.refused_wrongly,
        row.farther,
        row.closer,
        percent(row.worse_tiers),
        percent(row.fewer),
        row.exact,
        mean,
        at(&mut row.gaps.clone(), 0.99),
        at(&mut row.gaps, 1.0),
        at(&mut row.times.clone(), 0.5),
        at(&mut row.times, 0.99),
    );
}
