//! How close Phalanx comes to the API server's own speed, side by side in one run: a real kube-apiserver, simulated nodes,
//! the release binary, and next to it a bare loop of bind calls by the same client.
//!
//! ```sh
//! tests/cluster/binaries                       # once
//! cargo bench --features live --bench live  # some minutes; `-- --quick` leaves the large cluster out
//! ```
//!
//! It prints (a) binds a second of both and their ratio, for gangs of 8 and of 512 pods on 1,000 nodes in three tiers,
//! when pods and PodGroups are there and one write lets them go (the Queue that they name is created), and beside it
//! when the PodGroups are created in the same time; (b) the time from the last pod created to the last pod bound; (c) resident memory; (d) on 5,000 nodes with 20,000
//! bound pods, the time from the start of the binary to its first bind, against the time of the bare lists. Medians,
//! after one round that does not count. The lines below a ratio count what the API server was asked to write from that
//! one write on, by Phalanx and the kubelets together, per pod: a figure without noise. Processor time is what the kernel
//! counted for the API server and for Phalanx between that write and the last bind.
//!
//! Gangs that are decided together cost one write before their binds, to the journal; a single gang of 8 waits for two
//! answers, one after the other, where the bare loop waits for one (and for the Queue besides).
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
use load::{Gangs, Load, Took, Trigger};
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
    println!(
        "(a) all there, from the write that lets them go to the last pod bound, the second time after a start;\n    \
         in brackets with the creation of the PodGroups in the same time\n\
         (b) PodGroups first, from the last pod created to the last pod bound\n"
    );
    println!(
        "gangs         bare loop        Phalanx          ratio             (b)      (a), first after a start"
    );
    for &(gangs, rounds) in shapes {
        let mut kinds: [Vec<Took>; 5] = Default::default();
        for round in 0..=rounds {
            let bare = load.bare(gangs).await;
            let phalanx = Phalanx::start(&cluster.kubeconfig);
            load.warm_up().await;
            let mut took = vec![bare];
            // The bare loop's connections have been used before; the first gang after the start has to open its own.
            for trigger in [Trigger::Queue, Trigger::Queue, Trigger::PodGroups, Trigger::LastPod] {
                took.push(load.scheduled(gangs, trigger, || phalanx.processor_time()).await);
            }
            if round == rounds && gangs.pods == 512 {
                println!("(c) resident memory of Phalanx after these: {}", phalanx.resident());
            }
            if round > 0 {
                kinds.iter_mut().zip(took).for_each(|(kind, took)| kind.push(took));
            }
        }
        let [bare, first, ours, with_groups, last] = kinds;
        let time = |took: &[Took]| median(took.iter().map(|took| took.time).collect());
        let (time_bare, time_ours) = (time(&bare), time(&ours));
        println!(
            "{:>3} x {:<4}     {:>6.0}/s {:>5} ms  {:>6.0}/s {:>5} ms  {:>5.2} ({:>5.2})   {:>5} ms   {:>5} ms",
            gangs.count,
            gangs.pods,
            rate(gangs, time_bare),
            time_bare.as_millis(),
            rate(gangs, time_ours),
            time_ours.as_millis(),
            time_bare.as_secs_f64() / time_ours.as_secs_f64(),
            time_bare.as_secs_f64() / time(&with_groups).as_secs_f64(),
            time(&last).as_millis(),
            time(&first).as_millis(),
        );
        let per_pod = |of: fn(&Took) -> Duration, took: &[Took]| {
            median(took.iter().map(of).collect()).as_secs_f64() * 1000.0 / f64::from(gangs.count * gangs.pods)
        };
        println!(
            "    processor time a pod in (a): API server {:.2} ms with the bare loop, {:.2} ms with Phalanx; Phalanx {:.2} ms",
            per_pod(|took| took.server, &bare),
            per_pod(|took| took.server, &ours),
            per_pod(|took| took.ours, &ours),
        );
        for (what, count) in ours.last().iter().flat_map(|took| &took.writes) {
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
