//! How close Phalanx comes to the API server's own speed, side by side in one run: a real kube-apiserver, simulated nodes,
//! the release binary, and next to it a bare loop of bind calls by the same client.
//!
//! ```sh
//! tests/cluster/binaries                       # once
//! cargo bench --features cluster --bench live  # some minutes; `-- --quick` leaves the large cluster out
//! ```
//!
//! It prints (a) binds a second of both and their ratio, for gangs of 8 and of 512 pods on 1,000 nodes in three tiers;
//! (b) the time from the last pod created to the last pod bound; (c) resident memory; (d) on 5,000 nodes with 20,000
//! bound pods, the time from the start of the binary to its first bind, against the time of the bare lists. Medians,
//! after one round that does not count. `writes` counts what the API server was asked to write from the creation of the
//! last PodGroup on, by Phalanx and the kubelets together, per pod: a figure without noise.
//!
//! `-- --gangs 1x512 --rounds 3` runs one shape alone.

#![allow(
    clippy::disallowed_methods,
    clippy::float_arithmetic,
    reason = "a bench reads the clock and prints ratios"
)]

#[path = "../tests/live/cluster.rs"]
#[allow(dead_code, clippy::unwrap_used, clippy::disallowed_methods, reason = "it belongs to the tests")]
mod cluster;
#[path = "live/load.rs"]
mod load;
#[path = "live/phalanx.rs"]
mod phalanx_process;

use cluster::TestCluster;
use load::{Gangs, Load};
use phalanx_process::Phalanx;
use std::time::Duration;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let value = |flag: &str| arguments.iter().position(|a| a == flag).and_then(|at| arguments.get(at + 1));
    let rounds = value("--rounds").map(|text| text.parse::<usize>().expect("--rounds takes a number"));
    let one = value("--gangs").map(|text| {
        let (count, pods) = text.split_once('x').expect("--gangs takes COUNTxPODS");
        Gangs { count: count.parse().expect("a count"), pods: pods.parse().expect("pods") }
    });
    let quick = one.is_some() || arguments.iter().any(|argument| argument == "--quick");
    let shapes = match one {
        Some(gangs) => vec![(gangs, rounds.unwrap_or(5))],
        None => [(1, 8, 9), (64, 8, 5), (1, 512, 5)]
            .map(|(count, pods, usual)| (Gangs { count, pods }, rounds.unwrap_or(usual)))
            .to_vec(),
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        small(&shapes).await;
        if !quick {
            large().await;
        }
    });
}

/// Binds on 1,000 nodes with 37 HyperNodes.
async fn small(shapes: &[(Gangs, usize)]) {
    let Some(cluster) = TestCluster::start() else { return };
    cluster.install_crds();
    cluster.fleet(&["--nodes", "1000"]);
    let load = Load::new(&cluster.kubeconfig, 1000).await;
    println!("1,000 nodes, 37 HyperNodes in three tiers; every pod asks for a whole node\n");
    println!("(a) all pods there, then bound; (b) PodGroups first, last pod created to last pod bound\n");
    println!("gangs        bare loop        Phalanx          ratio   (b)");
    for &(gangs, rounds) in shapes {
        let (mut bare, mut ours, mut last, mut writes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for round in 0..=rounds {
            let times = (load.bare(gangs).await, {
                let phalanx = Phalanx::start(&cluster.kubeconfig);
                load.warm_up().await;
                let before = load.writes().await;
                let bound = load.scheduled(gangs, false).await;
                writes = load::difference(&before, &load.writes().await);
                let after_last = load.scheduled(gangs, true).await;
                if round == rounds && gangs.pods == 512 {
                    println!("(c) resident memory of Phalanx after these: {}", phalanx.resident());
                }
                (bound, after_last)
            });
            if round > 0 {
                bare.push(times.0);
                ours.push(times.1.0);
                last.push(times.1.1);
            }
        }
        let (bare, ours) = (median(bare), median(ours));
        println!(
            "{:>3} x {:<4}    {:>6.0}/s {:>5} ms  {:>6.0}/s {:>5} ms  {:>5.2}   {} ms",
            gangs.count,
            gangs.pods,
            rate(gangs, bare),
            bare.as_millis(),
            rate(gangs, ours),
            ours.as_millis(),
            rate(gangs, ours) / rate(gangs, bare),
            median(last).as_millis(),
        );
        for (what, count) in &writes {
            println!("    {:>7.2} {what}", *count as f64 / f64::from(gangs.count * gangs.pods));
        }
    }
}

/// A restart on 5,000 nodes with 20,000 bound pods.
async fn large() {
    let Some(cluster) = TestCluster::start() else { return };
    cluster.install_crds();
    cluster.fleet(&["--nodes", "5000"]);
    let load = Load::new(&cluster.kubeconfig, 5000).await;
    load.fill(20_000).await;
    println!("\n(d) 5,000 nodes, 178 HyperNodes, 20,000 bound pods; without leader election");
    let (mut lists, mut binds) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        lists.push(load.bare_lists().await);
        let (first, phalanx) = load.first_bind(|| Phalanx::start(&cluster.kubeconfig)).await;
        binds.push(first);
        println!("    first bind after {} ms; resident {}", first.as_millis(), phalanx.resident());
    }
    let (lists, binds) = (median(lists), median(binds));
    println!(
        "    bare lists {} ms, start to first bind {} ms, ratio {:.2}",
        lists.as_millis(),
        binds.as_millis(),
        binds.as_secs_f64() / lists.as_secs_f64()
    );
}

fn rate(gangs: Gangs, time: Duration) -> f64 {
    f64::from(gangs.count * gangs.pods) / time.as_secs_f64()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
