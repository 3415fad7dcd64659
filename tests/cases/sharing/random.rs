//! Random full clusters against a reference that looks at every set of gangs that could go: who is evicted is permitted, does make
//! room, cannot be spared, and costs the least; and whoever evicts whom, it ends.
//!
//! The reference is written from the rules alone: the division by counting device after device, the classes by walking, the
//! sets by all subsets, the room by trying every node for every pod. Gangs go whole here, and ask for one kind of device.

use super::form::Case;
use super::manifests;
use phalanx::scheduler::config;
use phalanx::simulation::{Reader, Report, Simulation, World};
use proptest::prelude::*;
use proptest::test_runner::Config;
use serde_json::json;
use std::cmp::Reverse;
use std::collections::BTreeSet;

const GPU: &str = "nvidia.com/gpu";

#[derive(Clone, Debug)]
struct Queue {
    /// `None`: below the root.
    parent: Option<usize>,
    weight: i64,
    deserved: i64,
}

#[derive(Clone, Debug)]
struct Gang {
    queue: usize,
    priority: i32,
    /// The node of each pod; `None` while it waits. Each asks for `size`.
    pods: Vec<Option<usize>>,
    size: i64,
}

/// Nodes (by their devices), queues, and gangs: older first, those that wait last.
#[derive(Clone, Debug)]
struct Cluster {
    nodes: Vec<i64>,
    queues: Vec<Queue>,
    gangs: Vec<Gang>,
}

fn cluster(waiting: usize) -> impl Strategy<Value = Cluster> {
    let nodes = proptest::collection::vec(1i64..5, 1..4);
    let leaf = (0usize..3, 1i64..4, 0i64..6);
    let leaves = proptest::collection::vec(leaf, 2..4);
    let orgs = proptest::collection::vec((1i64..4, 0i64..6), 0..3);
    let gang = || (0usize..8, prop_oneof![Just(0), Just(50)], 1usize..3, 1i64..3);
    let runs = proptest::collection::vec(gang(), 1..8);
    let waits = proptest::collection::vec(gang(), 1..=waiting);
    (nodes, leaves, orgs, runs, waits).prop_map(|(nodes, leaves, orgs, runs, waits)| {
        let mut queues: Vec<Queue> =
            orgs.iter().map(|&(weight, deserved)| Queue { parent: None, weight, deserved }).collect();
        for (parent, weight, deserved) in leaves {
            // The last choice is the root.
            let parent = (parent < orgs.len()).then_some(parent);
            queues.push(Queue { parent, weight, deserved });
        }
        let leaf = |queue: usize| {
            let leaves: Vec<usize> =
                (0..queues.len()).filter(|&at| queues.iter().all(|it| it.parent != Some(at))).collect();
            leaves[queue % leaves.len()]
        };
        let mut free = nodes.clone();
        let mut gangs = Vec::new();
        for (queue, priority, count, size) in runs {
            let mut places = Vec::new();
            let before = free.clone();
            for _ in 0..count {
                if let Some(node) = (0..free.len()).find(|&node| free[node] >= size) {
                    free[node] -= size;
                    places.push(Some(node));
                }
            }
            if places.len() == count {
                gangs.push(Gang { queue: leaf(queue), priority, pods: places, size });
            } else {
                free = before;
            }
        }
        for (queue, priority, count, size) in waits {
            gangs.push(Gang { queue: leaf(queue), priority, pods: vec![None; count], size });
        }
        Cluster { nodes, queues, gangs }
    })
}

impl Gang {
    fn asks(&self) -> i64 {
        self.size * self.pods.len() as i64
    }

    fn runs(&self) -> bool {
        self.pods.iter().all(Option::is_some)
    }
}

/// The class in a queue; a smaller one is better.
type Class = u8;

impl Cluster {
    fn case(&self, kind: &str) -> Case {
        let amount = |amount: i64| json!({ GPU: amount.to_string() });
        let queues = self.queues.iter().enumerate().map(|(at, queue)| {
            json!({ "name": format!("q{at}"), "parent": queue.parent.map(|parent| format!("q{parent}")),
                    "weight": queue.weight, "deserved": amount(queue.deserved) })
        });
        let groups = self.gangs.iter().enumerate().map(|(at, gang)| {
            json!({ "name": format!("g{at:02}"), "queue": format!("q{}", gang.queue), "minMember": gang.pods.len(),
                    "priority": gang.priority })
        });
        let pods = self.gangs.iter().enumerate().flat_map(|(at, gang)| {
            gang.pods.iter().enumerate().map(move |(pod, node)| {
                json!({ "name": format!("g{at:02}-{pod}"), "group": format!("g{at:02}"), "req": amount(gang.size),
                        "phase": if node.is_some() { "Running" } else { "Pending" },
                        "node": node.map(|node| format!("n{node}")) })
            })
        });
        let nodes = self.nodes.iter().enumerate().map(|(at, &devices)| {
            json!({ "name": format!("n{at}"), "cap": { GPU: devices.to_string(), "pods": "110" } })
        });
        let value = json!({
            "id": "random", "title": "random", "kind": kind, "actions": ["allocate", "reclaim", "preempt"],
            "queues": queues.collect::<Vec<_>>(), "nodes": nodes.collect::<Vec<_>>(),
            "podGroups": groups.collect::<Vec<_>>(), "pods": pods.collect::<Vec<_>>(), "expect": {},
        });
        serde_json::from_value(value).expect("a case")
    }

    fn path(&self, queue: usize) -> Vec<usize> {
        std::iter::successors(Some(queue), |&at| self.queues[at].parent).collect()
    }

    fn below(&self, parent: Option<usize>) -> Vec<usize> {
        (0..self.queues.len()).filter(|&at| self.queues[at].parent == parent).collect()
    }

    fn wants(&self, queue: usize) -> i64 {
        let gangs = self.gangs.iter().filter(|gang| self.path(gang.queue).contains(&queue));
        gangs.map(Gang::asks).sum()
    }

    /// Fair shares, or what is deserved where that is more.
    fn shares(&self) -> Vec<i64> {
        let mut fair = vec![0; self.queues.len()];
        self.divide(None, self.nodes.iter().sum(), &mut fair);
        (0..fair.len()).map(|at| fair[at].max(self.queues[at].deserved)).collect()
    }

    fn divide(&self, parent: Option<usize>, total: i64, fair: &mut [i64]) {
        let queues = self.below(parent);
        let want = |at: usize| self.wants(at).min(total);
        for &at in &queues {
            fair[at] = self.queues[at].deserved.min(want(at));
        }
        let mut left = total - queues.iter().map(|&at| fair[at]).sum::<i64>();
        loop {
            let open: Vec<usize> = queues.iter().copied().filter(|&at| fair[at] < want(at)).collect();
            let weights: i64 = open.iter().map(|&at| self.queues[at].weight).sum();
            if left <= 0 || open.is_empty() {
                break;
            }
            let met: Vec<usize> = open
                .iter()
                .copied()
                .filter(|&at| (want(at) - fair[at]) * weights <= left * self.queues[at].weight)
                .collect();
            if !met.is_empty() {
                for at in met {
                    left -= want(at) - fair[at];
                    fair[at] = want(at);
                }
                continue;
            }
            let part = |at: usize| left * self.queues[at].weight;
            let mut rest = left;
            for &at in &open {
                fair[at] += part(at) / weights;
                rest -= part(at) / weights;
            }
            let mut order = open.clone();
            order.sort_by_key(|&at| (Reverse(part(at) % weights), at));
            for at in order {
                let more = rest.min(1).min(want(at) - fair[at]);
                fair[at] += more;
                rest -= more;
            }
            break;
        }
        for at in queues {
            self.divide(Some(at), fair[at], fair);
        }
    }

    fn class(&self, shares: &[i64], queue: usize, sum: i64) -> Class {
        match sum {
            sum if sum <= self.queues[queue].deserved => 0,
            sum if sum <= shares[queue] => 1,
            _ => 2,
        }
    }

    /// The classes of these gangs at each queue, its own first.
    fn classes(&self, shares: &[i64], gangs: &[usize]) -> Vec<Vec<Class>> {
        let mut classes = vec![Vec::new(); self.gangs.len()];
        let mut order: Vec<usize> = (0..self.queues.len()).collect();
        order.sort_by_key(|&at| Reverse(self.path(at).len()));
        for queue in order {
            let inside = |gang: &usize| self.path(self.gangs[*gang].queue).contains(&queue);
            let mut walk: Vec<usize> = gangs.iter().copied().filter(inside).collect();
            walk.sort_by_key(|&gang| {
                let class: Option<&Class> = classes[gang].last();
                (class.copied(), Reverse(self.gangs[gang].priority), gang)
            });
            let mut sum = 0;
            for gang in walk {
                sum += self.gangs[gang].asks();
                let class = self.class(shares, queue, sum);
                classes[gang].push(class);
            }
        }
        classes
    }

    fn uses(&self, queue: usize, gangs: &[usize]) -> i64 {
        let inside = gangs.iter().filter(|&&gang| self.path(self.gangs[gang].queue).contains(&queue));
        inside.map(|&gang| self.gangs[gang].asks()).sum()
    }

    /// May the claimant take from these?
    fn permits(&self, claimant: usize, victims: &[usize]) -> bool {
        let shares = self.shares();
        let running: Vec<usize> = (0..self.gangs.len()).filter(|&gang| self.gangs[gang].runs()).collect();
        let classes = self.classes(&shares, &running);
        let mut then: Vec<usize> = running.iter().copied().filter(|gang| !victims.contains(gang)).collect();
        then.push(claimant);
        let reached = self.classes(&shares, &then);
        let own = self.path(self.gangs[claimant].queue);
        victims.iter().all(|&victim| {
            let theirs = self.path(self.gangs[victim].queue);
            let common = own.iter().find(|queue| theirs.contains(queue));
            let mine: Vec<usize> = own.iter().copied().take_while(|queue| Some(queue) != common).collect();
            let sides = theirs.iter().take_while(|queue| Some(*queue) != common).count();
            if mine.is_empty() {
                let lower = self.gangs[victim].priority < self.gangs[claimant].priority;
                return lower && (0..own.len()).all(|at| reached[claimant][at] <= classes[victim][at]);
            }
            let within = mine.iter().all(|&queue| self.uses(queue, &then) <= shares[queue]);
            let side = mine[mine.len() - 1];
            let class = self.class(&shares, side, self.uses(side, &then));
            let above = (mine.len()..own.len()).zip(sides..theirs.len());
            within
                && class < classes[victim][sides - 1]
                && classes[victim][..sides].iter().all(|&class| class > 0)
                && above.into_iter().all(|(mine, theirs)| reached[claimant][mine] <= classes[victim][theirs])
        })
    }

    /// Is there a node for each pod of the claimant when these are gone?
    fn fits(&self, claimant: usize, victims: &[usize]) -> bool {
        let mut free = self.nodes.clone();
        for (at, gang) in self.gangs.iter().enumerate().filter(|(at, _)| !victims.contains(at)) {
            for node in gang.pods.iter().flatten().filter(|_| at != claimant) {
                free[*node] -= gang.size;
            }
        }
        let gang = &self.gangs[claimant];
        let slots: i64 = free.iter().map(|free| free / gang.size).sum();
        slots >= gang.pods.len() as i64
    }

    /// What the set costs, but for the ages; smaller is better.
    fn cost(&self, claimant: usize, victims: &[usize]) -> (Reverse<Class>, usize, i32, usize, i64, usize) {
        let running: Vec<usize> = (0..self.gangs.len()).filter(|&gang| self.gangs[gang].runs()).collect();
        let classes = self.classes(&self.shares(), &running);
        let own = self.path(self.gangs[claimant].queue);
        let distance = |&victim: &usize| {
            let theirs = self.path(self.gangs[victim].queue);
            own.iter().take_while(|queue| !theirs.contains(queue)).count()
        };
        let side = |&victim: &usize| {
            let theirs = self.path(self.gangs[victim].queue);
            let sides = theirs.iter().take_while(|queue| !own.contains(queue)).count();
            classes[victim][sides.max(1) - 1]
        };
        (
            Reverse(victims.iter().map(side).min().unwrap_or(2)),
            victims.iter().map(distance).max().unwrap_or(0),
            victims.iter().map(|&victim| self.gangs[victim].priority).max().unwrap_or(i32::MIN),
            victims.len(),
            victims.iter().map(|&victim| self.gangs[victim].asks()).sum(),
            victims.iter().map(|&victim| self.gangs[victim].pods.len()).sum(),
        )
    }

    /// All sets that would do.
    fn sets(&self, claimant: usize) -> Vec<Vec<usize>> {
        let running: Vec<usize> = (0..self.gangs.len()).filter(|&gang| self.gangs[gang].runs()).collect();
        (1u32..1 << running.len())
            .map(|mask| (0..running.len()).filter(|at| mask >> at & 1 == 1).map(|at| running[at]).collect())
            .filter(|set: &Vec<usize>| self.fits(claimant, set) && self.permits(claimant, set))
            .collect()
    }
}

fn run(case: &Case) -> Report {
    let (config, _) = config::load(&manifests::configuration(case)).expect("the configuration can be read");
    let mut reader = Reader::default();
    reader.read(&case.id, &manifests::of(case).to_string());
    let mut simulation = Simulation::new(World::admit(reader).expect("it is admitted"), config);
    simulation.run(|_| {});
    Report::of(&simulation, false)
}

fn cases(count: u32) -> Config {
    let default = Config::default();
    // PROPTEST_CASES makes longer runs.
    let cases = if default.cases == Config::with_cases(256).cases { count } else { default.cases };
    Config { cases, failure_persistence: None, ..default }
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn who_goes_is_permitted_needed_and_the_least(cluster in cluster(1)) {
        let claimant = cluster.gangs.len() - 1;
        let report = run(&cluster.case("evict"));
        let evicted: BTreeSet<usize> = report
            .evictions
            .iter()
            .map(|row| row.pod_group.trim_start_matches('g').parse().expect("a number"))
            .collect();
        let evicted: Vec<usize> = evicted.into_iter().collect();
        let pods: usize = evicted.iter().map(|&gang| cluster.gangs[gang].pods.len()).sum();
        prop_assert_eq!(report.evictions.len(), pods, "gangs go whole");
        if cluster.fits(claimant, &[]) {
            prop_assert!(evicted.is_empty(), "there was room");
            return Ok(());
        }
        let sets = cluster.sets(claimant);
        let Some(least) = sets.iter().map(|set| cluster.cost(claimant, set)).min() else {
            prop_assert!(evicted.is_empty(), "nobody may go: {evicted:?}");
            return Ok(());
        };
        prop_assert!(sets.contains(&evicted), "{evicted:?} is none of {sets:?}");
        let smaller = |set: &&Vec<usize>| set.len() < evicted.len() && set.iter().all(|it| evicted.contains(it));
        prop_assert!(!sets.iter().any(|set| smaller(&set)), "{evicted:?}: fewer would do: {sets:?}");
        prop_assert_eq!(cluster.cost(claimant, &evicted), least, "{:?} of {:?}", evicted, sets);
    }
}

proptest! {
    #![proptest_config(cases(150))]

    /// Whoever is evicted comes back and waits. No ring of evictions keeps the cluster busy.
    #[test]
    fn evictions_come_to_an_end(cluster in cluster(4)) {
        let report = run(&cluster.case("settle"));
        prop_assert_eq!(report.summary.ended, "quiet");
        let gangs = cluster.gangs.len();
        prop_assert!(report.evictions.len() <= 4 * gangs * gangs, "{} evictions", report.evictions.len());
    }
}
