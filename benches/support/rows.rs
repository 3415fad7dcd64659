//! Rows of a bench with their medians, to be printed side by side at the end: budget, scan, ratio. Time is that of the
//! thread on the processor, so that a busy machine spoils it less.

use cpu_time::ThreadTime;
use criterion::BenchmarkGroup;
use criterion::measurement::WallTime;
use std::cell::RefCell;
use std::time::Duration;

#[derive(Default)]
pub(crate) struct Rows(RefCell<Vec<Row>>);

struct Row {
    id: String,
    /// Nanoseconds by sample.
    samples: Vec<f64>,
    budget: Option<f64>,
    scan: Option<f64>,
    /// Things done in one go; the row is for one of them.
    each: f64,
}

/// What a row is held against.
#[derive(Clone, Copy, Default)]
pub(crate) struct Against {
    /// The budget, in nanoseconds.
    pub(crate) budget: Option<f64>,
    /// What a scan takes for the same, in nanoseconds.
    pub(crate) scan: Option<f64>,
    /// Things done in one go; 0 counts as 1.
    pub(crate) each: u32,
}

/// Microseconds.
pub(crate) fn us(budget: f64) -> Against {
    Against { budget: Some(budget * 1e3), ..Against::default() }
}

/// Times a closure.
pub(crate) fn time(run: impl FnOnce()) -> Duration {
    let start = ThreadTime::now();
    run();
    start.elapsed()
}

impl Rows {
    /// Benches `run` under an id and keeps its median.
    pub(crate) fn bench(
        &self,
        group: &mut BenchmarkGroup<'_, WallTime>,
        id: &str,
        against: Against,
        mut run: impl FnMut(),
    ) {
        self.bench_timed(group, id, against, |iterations| time(|| (0..iterations).for_each(|_| run())));
    }

    /// As [`Rows::bench`], where `run` times so many iterations itself.
    pub(crate) fn bench_timed(
        &self,
        group: &mut BenchmarkGroup<'_, WallTime>,
        id: &str,
        against: Against,
        mut run: impl FnMut(u64) -> Duration,
    ) {
        let mut samples = Vec::new();
        group.bench_function(id, |bencher| {
            samples.clear();
            bencher.iter_custom(|iterations| {
                let took = run(iterations);
                samples.push(took.as_nanos() as f64 / iterations as f64);
                took
            });
        });
        if samples.is_empty() {
            return;
        }
        let Against { budget, scan, each } = against;
        let each = f64::from(each.max(1));
        self.0.borrow_mut().push(Row { id: id.to_owned(), samples, budget, scan, each });
    }

    /// All rows, one a line.
    pub(crate) fn print(&self) {
        println!("\n{:<52} {:>10} {:>10} {:>6} {:>12} {:>9}", "", "median", "budget", "", "scan", "ratio");
        for row in self.0.borrow_mut().iter_mut() {
            row.samples.sort_by(f64::total_cmp);
            let median = row.samples[row.samples.len() / 2] / row.each;
            let budget = row.budget.map_or(String::new(), text);
            let verdict = match row.budget {
                Some(budget) if median <= budget => "ok",
                Some(_) => "OVER",
                None => "",
            };
            let scan = row.scan.map_or(String::new(), text);
            let ratio = row.scan.map_or(String::new(), |scan| format!("{:.0}x", scan / median));
            println!("{:<52} {:>10} {budget:>10} {verdict:>6} {scan:>12} {ratio:>9}", row.id, text(median));
        }
    }
}

fn text(nanoseconds: f64) -> String {
    match nanoseconds {
        n if n < 1e3 => format!("{n:.1} ns"),
        n if n < 1e6 => format!("{:.1} us", n / 1e3),
        n if n < 1e9 => format!("{:.2} ms", n / 1e6),
        n => format!("{:.2} s", n / 1e9),
    }
}
