//! What it costs to take in one change: `cluster/apply/*` at 10,240 nodes and 100,000 pods.

use criterion::{Criterion, criterion_group, criterion_main};
use phalanx::api::core::PodPhase;
use phalanx::cluster::{Cluster, Event, Settings};
use std::hint::black_box;

#[path = "support/objects.rs"]
mod objects;

fn filled() -> Cluster {
    let mut cluster = Cluster::new(Settings::default());
    for index in 0..10_240 {
        cluster.apply(Event::Node(&objects::node(index, 16, 32)));
    }
    for index in 0..100_000 {
        let node = format!("gpu-{:05}", index % 10_240);
        cluster.apply(Event::Pod(&objects::pod(&format!("plain-{index}"), None, 0, Some(&node))));
    }
    cluster.refresh();
    cluster.take_marks();
    cluster
}

fn apply(criterion: &mut Criterion) {
    let mut cluster = filled();
    let mut group = criterion.benchmark_group("cluster/apply");
    let mut running = objects::pod("plain-4711", None, 0, Some("gpu-04711"));
    let pending = running.clone();
    running.status.phase = Some(PodPhase::Running);
    let mut turn = false;
    group.bench_function("pod-changed", |bencher| {
        bencher.iter(|| {
            turn = !turn;
            cluster.apply(Event::Pod(black_box(if turn { &running } else { &pending })));
        });
    });
    let extra = objects::pod("extra", None, 1, Some("gpu-00042"));
    group.bench_function("pod-comes-and-goes", |bencher| {
        bencher.iter(|| {
            cluster.apply(Event::Pod(black_box(&extra)));
            cluster.apply(Event::PodGone { namespace: "default", name: "extra" });
        });
    });
    let node = objects::node(77, 16, 32);
    let mut heartbeat = node.clone();
    group.bench_function("node-heartbeat", |bencher| {
        bencher.iter(|| {
            heartbeat.metadata.resource_version.push('1');
            heartbeat.metadata.resource_version.truncate(8);
            cluster.apply(Event::Node(black_box(&heartbeat)));
        });
    });
    group.bench_function("pod-unchanged", |bencher| {
        bencher.iter(|| cluster.apply(Event::Pod(black_box(&pending))));
    });
    let mut cordoned = node.clone();
    cordoned.spec.unschedulable = true;
    group.bench_function("node-cordoned-and-back", |bencher| {
        bencher.iter(|| {
            cluster.apply(Event::Node(black_box(&cordoned)));
            cluster.apply(Event::Node(black_box(&node)));
        });
    });
    group.finish();
}

criterion_group!(benches, apply);
criterion_main!(benches);
