//! `kill -9` before and after every single write of a gang's life, on a real API server: afterwards the gang is whole, no
//! node holds more than it can, and no pod was deleted. Then the same at random: several gangs at once, killed again and
//! again, with answers lost and requests refused on the way.
//!
//! Lanes run side by side on one cluster, each with a namespace, nodes and a scheduler of its own; the process that
//! cleans up after one crash is the one that the next crash ends.

mod lane;

use crate::cluster::TestCluster;
use crate::gateway::Proxy;
use lane::Lane;
use std::sync::Mutex;
use std::time::Instant;

fn cluster() -> Option<(TestCluster, Proxy)> {
    let cluster = TestCluster::start()?;
    cluster.install_crds();
    cluster.fleet(&["--nodes", "16", "--per-rack", "4", "--no-hypernodes"]);
    let proxy = Proxy::start(&cluster);
    Some((cluster, proxy))
}

/// A class, and as many devices on each node as it has GPUs.
fn devices() -> String {
    let slice = |node: usize| {
        let devices: Vec<String> = (0..8).map(|at| format!("{{name: g{at}}}")).collect();
        format!(
            "---\napiVersion: resource.k8s.io/v1\nkind: ResourceSlice\nmetadata: {{name: s{node}}}\nspec: {{driver: gpu.example.com, \
             nodeName: node-{node:05}, pool: {{name: node-{node:05}, generation: 1, resourceSliceCount: 1}}, devices: [{}]}}\n",
            devices.join(", ")
        )
    };
    let class = "apiVersion: resource.k8s.io/v1\nkind: DeviceClass\nmetadata: {name: gpus}\n\
                 spec: {selectors: [{cel: {expression: 'device.driver == \"gpu.example.com\"'}}]}\n";
    class.to_owned() + &(0..16).map(slice).collect::<String>()
}

/// Kills the scheduler before and after every write of the life of so many gangs. Returns how many positions there were, and
/// how many of them met gangs that were bound in part.
fn killed_everywhere(name: &str, gangs: usize, members: usize, by_claim: bool) -> Option<(u32, usize)> {
    let (cluster, proxy) = cluster()?;
    if by_claim {
        cluster.create(&devices());
    }
    // Next position before and after a write; where the gangs' life ended; positions that met them bound in part.
    let plan = Mutex::new(([0u32; 2], [u32::MAX; 2], 0usize));
    std::thread::scope(|scope| {
        for lane in 0..4 {
            let (cluster, proxy, plan) = (&cluster, &proxy, &plan);
            scope.spawn(move || {
                let elects = gangs == 1 && lane % 2 == 1;
                let mut worker = Lane::start(cluster, proxy, &format!("{name}{lane}"), lane, elects);
                // What is under way beside the write at which the process ends would fill the gang by luck.
                worker.gateway.one_by_one();
                if by_claim {
                    worker.ask_by_claim(cluster);
                }
                for after in [lane < 2, lane >= 2] {
                    let side = usize::from(after);
                    loop {
                        let position = {
                            let mut plan = plan.lock().unwrap();
                            plan.0[side] += 1;
                            plan.0[side] - 1
                        };
                        if position >= plan.lock().unwrap().1[side] {
                            break;
                        }
                        let started = Instant::now();
                        let bound = worker.crash(gangs, members, position, after);
                        eprintln!(
                            "{name}: killed {} write {position}: {bound:?} bound, whole after {:.1?}",
                            if after { "after" } else { "before" },
                            started.elapsed()
                        );
                        let mut plan = plan.lock().unwrap();
                        match bound {
                            Some(bound) => plan.2 += usize::from(bound > 0 && bound < gangs * members),
                            None => plan.1[side] = plan.1[side].min(position),
                        }
                    }
                }
            });
        }
    });
    let (_, [before, after], partial) = plan.into_inner().unwrap();
    eprintln!(
        "{name}: killed before {before} writes and after {after}, {partial} of them in mid-gang: all were whole"
    );
    Some((before + after, partial))
}

/// Before and after each bind but the one that makes the gang whole, give or take a write about its status between.
#[test]
fn a_gang_is_whole_wherever_the_scheduler_is_killed() {
    let Some((positions, partial)) = killed_everywhere("kill", 1, 16, false) else { return };
    // The append, the binds and the removal.
    assert!(positions >= 2 * 18 && partial >= 3 * 16 / 2, "{positions} positions, {partial} in mid-gang");
}

/// Gangs that are written down together are each whole, wherever the write and their binds are cut off.
#[test]
fn gangs_of_one_write_are_whole_wherever_the_scheduler_is_killed() {
    let Some((positions, partial)) = killed_everywhere("together", 8, 2, false) else { return };
    // The seal besides.
    assert!(positions >= 2 * 19 && partial >= 3 * 16 / 2, "{positions} positions, {partial} in mid-gang");
}

/// The same with a device each by claim: the finalizer and the devices of each claim are writes as well. No device is
/// promised twice, and no claim is stuck.
#[test]
fn a_gang_with_claims_is_whole_wherever_the_scheduler_is_killed() {
    let Some((positions, partial)) = killed_everywhere("claimed", 1, 8, true) else { return };
    // The append, two writes for each claim, the binds and the removal.
    assert!(positions >= 2 * 26 && partial >= 3 * 8 / 2, "{positions} positions, {partial} in mid-gang");
}

#[test]
fn gangs_of_one_write_with_claims_are_whole_wherever_the_scheduler_is_killed() {
    let Some((positions, partial)) = killed_everywhere("many", 4, 2, true) else { return };
    assert!(positions >= 2 * 26 && partial >= 3 * 8 / 2, "{positions} positions, {partial} in mid-gang");
}

/// `PHALANX_STORMS` says how many; more of them make a longer run.
#[test]
fn gangs_are_whole_after_crashes_and_faults_at_random() {
    let storms = std::env::var("PHALANX_STORMS").ok().and_then(|text| text.parse().ok()).unwrap_or(8u64);
    let Some((cluster, proxy)) = cluster() else { return };
    cluster.create(&devices());
    let next = Mutex::new((0, 0, 0));
    std::thread::scope(|scope| {
        for lane in 0..4 {
            let (cluster, proxy, next) = (&cluster, &proxy, &next);
            scope.spawn(move || {
                let mut worker = Lane::start(cluster, proxy, &format!("storm{lane}"), lane, lane == 0);
                if lane % 2 == 1 {
                    worker.ask_by_claim(cluster);
                }
                loop {
                    let seed = {
                        let mut next = next.lock().unwrap();
                        next.0 += 1;
                        next.0
                    };
                    if seed > storms {
                        break;
                    }
                    let crashes = worker.storm(seed);
                    let mut next = next.lock().unwrap();
                    next.1 += crashes;
                }
                next.lock().unwrap().2 += worker.gangs;
                eprintln!("{}: {} requests went wrong", worker.namespace, worker.gateway.faulty());
            });
        }
    });
    let (_, crashes, gangs) = next.into_inner().unwrap();
    eprintln!("{storms} storms over {gangs} gangs with {crashes} crashes: every gang was whole each time");
}
