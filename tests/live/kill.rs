//! `kill -9` before and after every single write of a gang's life, on a real API server: afterwards the gang is whole, no
//! node holds more than it can, and no pod was deleted. Then the same at random: several gangs at once, killed again and
//! again, with answers lost and requests refused on the way.
//!
//! Lanes run side by side on one cluster, each with a namespace, nodes and a scheduler of its own; the process that
//! cleans up after one crash is the one that the next crash ends.

use crate::cluster::TestCluster;
use crate::gateway::{Gateway, Proxy};
use crate::phalanx::Phalanx;
use phalanx::reservation::record::{RESERVATION, Record, RecordState};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

const MEMBERS: usize = 16;
/// GPUs of a node.
const GPUS: usize = 8;

struct Lane<'a> {
    proxy: &'a Proxy,
    gateway: Gateway,
    namespace: String,
    rack: String,
    arguments: Vec<String>,
    phalanx: Phalanx,
    gangs: usize,
}

impl<'a> Lane<'a> {
    /// A lane in a namespace of its own, on a rack of its own. `elects`: it takes part in an election, and its next
    /// process must wait for the lease.
    fn start(cluster: &TestCluster, proxy: &'a Proxy, name: &str, rack: usize, elects: bool) -> Self {
        cluster.namespace(name);
        let scheduler = format!("--scheduler-name={name}");
        let election = if elects {
            vec![format!("--leader-elect-name={name}"), "--leader-elect-lease-seconds=5".to_owned()]
        } else {
            vec!["--leader-elect=false".to_owned()]
        };
        let arguments: Vec<String> = std::iter::once(scheduler).chain(election).collect();
        let gateway = Gateway::start(cluster, proxy, name);
        let phalanx = run(&gateway, &arguments);
        Lane {
            proxy,
            gateway,
            namespace: name.to_owned(),
            rack: format!("rack-{rack}"),
            arguments,
            phalanx,
            gangs: 0,
        }
    }

    fn restart(&mut self) {
        self.phalanx = run(&self.gateway, &self.arguments);
    }

    fn path(&self, kind: &str) -> String {
        match kind {
            "pods" => format!("/api/v1/namespaces/{}/pods", self.namespace),
            _ => format!("/apis/scheduling.volcano.sh/v1beta1/namespaces/{}/{kind}", self.namespace),
        }
    }

    /// A name that no gang of this cluster has had.
    fn name(&mut self) -> String {
        self.gangs += 1;
        format!("{}-{:03}", self.namespace, self.gangs)
    }

    fn create(&self, gang: &str, members: usize) {
        let group = json!({
            "apiVersion": "scheduling.volcano.sh/v1beta1", "kind": "PodGroup",
            "metadata": { "name": gang }, "spec": { "minMember": members },
        });
        self.proxy.ask("POST", &self.path("podgroups"), &group);
        // All at once: how often the status says how many have come is not what is counted here.
        std::thread::scope(|scope| {
            for member in 0..members {
                scope.spawn(move || self.create_pod(gang, member));
            }
        });
    }

    fn create_pod(&self, gang: &str, member: usize) {
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": format!("{gang}-{member:02}"),
                // It stays bound: what comes after that is not ours to write.
                "annotations": { "scheduling.k8s.io/group-name": gang, "kubelet.test/startup": "1h" },
            },
            "spec": {
                "schedulerName": self.namespace,
                "nodeSelector": { "fleet.test/rack": self.rack },
                "containers": [{ "name": "main", "image": "none",
                    "resources": { "limits": { "nvidia.com/gpu": 1 } } }],
            },
        });
        self.proxy.ask("POST", &self.path("pods"), &pod);
    }

    /// Pods by uid: gang and node.
    fn pods(&self) -> BTreeMap<String, (String, String)> {
        let list = self.proxy.ask("GET", &self.path("pods"), &Value::Null);
        let text =
            |pod: &Value, path: &str| pod.pointer(path).and_then(Value::as_str).unwrap_or("").to_owned();
        let pods = list["items"].as_array().unwrap().iter();
        pods.map(|pod| {
            let gang = text(pod, "/metadata/annotations/scheduling.k8s.io~1group-name");
            (text(pod, "/metadata/uid"), (gang, text(pod, "/spec/nodeName")))
        })
        .collect()
    }

    fn all_bound(&self) -> bool {
        self.pods().values().all(|(_, node)| !node.is_empty())
    }

    /// No record says that anything is left to do.
    fn all_done(&self) -> bool {
        let list = self.proxy.ask("GET", &self.path("podgroups"), &Value::Null);
        list["items"].as_array().unwrap().iter().all(|group| {
            let record = group["metadata"]["annotations"].get(RESERVATION).and_then(Value::as_str);
            record.is_none_or(|text| Record::decode(text).unwrap().state == RecordState::Done)
        })
    }

    /// Waits; a process that has ended by itself (it lost its lease) is started again, as a Deployment would.
    fn until(&mut self, what: &str, mut done: impl FnMut(&Self) -> bool) {
        let started = Instant::now();
        while !done(self) {
            let waited = started.elapsed();
            // A bind that nobody knows the fate of is in doubt for 90 s before its pod is placed anew.
            assert!(waited < Duration::from_secs(240), "{}: not in time: {what}", self.namespace);
            std::thread::sleep(Duration::from_millis(100));
            if self.phalanx.has_ended() && !self.gateway.calm() {
                self.restart();
            }
        }
    }

    fn sweep(&mut self) {
        let now = json!({ "apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0 });
        self.proxy.ask("DELETE", &self.path("pods"), &now);
        self.proxy.ask("DELETE", &self.path("podgroups"), &now);
        self.until("everything is deleted", |lane| lane.pods().is_empty());
    }

    /// What must hold whatever happened: no pod was deleted, and no node has more than it can hold.
    fn judge(&self, before: &BTreeMap<String, (String, String)>) {
        let now = self.pods();
        assert!(now.keys().eq(before.keys()), "no pod is deleted, none comes");
        let mut by_node: BTreeMap<&str, usize> = BTreeMap::new();
        now.values().for_each(|(_, node)| *by_node.entry(node).or_default() += 1);
        by_node.remove("");
        assert!(by_node.values().all(|&pods| pods <= GPUS), "a node holds more than it can: {by_node:?}");
    }

    /// One crash of one gang's life. How many of its pods were bound then; `None` if its life is over without it.
    fn crash(&mut self, position: u32, after: bool) -> Option<usize> {
        let gang = self.name();
        self.gateway.crash_at(&gang, position, after, self.phalanx.killer());
        self.create(&gang, MEMBERS);
        let before = self.pods();
        let mut quiet = (0, Instant::now());
        self.until("a crash or a bound gang", |lane| {
            let writes = lane.gateway.writes();
            if writes != quiet.0 || !lane.all_bound() {
                quiet = (writes, Instant::now());
            }
            !lane.gateway.planned() || quiet.1.elapsed() > Duration::from_millis(1500)
        });
        let over = self.gateway.calm();
        let bound = self.pods().values().filter(|(_, node)| !node.is_empty()).count();
        if over {
            assert!(self.gateway.writes() > MEMBERS as u32, "a record, and a write for every member");
        } else {
            self.restart();
        }
        self.until("the gang is bound and its record closed", |lane| lane.all_bound() && lane.all_done());
        self.judge(&before);
        self.sweep();
        (!over).then_some(bound)
    }

    /// Several gangs at once, crashed again and again, with faults. How many crashes came about.
    fn storm(&mut self, seed: u64) -> usize {
        let mut dice = seed;
        let mut roll = |below: u64| {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (dice >> 33) % below
        };
        let mut room = 4 * GPUS;
        let mut gangs = Vec::new();
        while room > 1 && gangs.len() < 5 {
            let members = 2 + roll((room - 1) as u64) as usize;
            room -= members.min(room);
            gangs.push((self.name(), members));
        }
        self.gateway.faults([0, 50, 200][roll(3) as usize], seed);
        let mut crashes = 0;
        for round in 0..=roll(4) {
            let (position, after) = (roll(30) as u32, roll(2) == 0);
            let about = self.namespace.clone();
            self.gateway.crash_at(&about, position, after, self.phalanx.killer());
            if round == 0 {
                gangs.iter().for_each(|(gang, members)| self.create(gang, *members));
            }
            let started = Instant::now();
            self.until("a crash, or none to come", |lane| {
                !lane.gateway.planned()
                    || started.elapsed() > Duration::from_secs(2) && lane.all_bound()
                    || started.elapsed() > Duration::from_secs(10)
            });
            if !self.gateway.calm() {
                crashes += 1;
                self.restart();
            }
        }
        let before = self.pods();
        self.gateway.faults(0, 0);
        self.until("every gang is bound and every record closed", |lane| lane.all_bound() && lane.all_done());
        self.judge(&before);
        self.sweep();
        crashes
    }
}

fn run(gateway: &Gateway, arguments: &[String]) -> Phalanx {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    Phalanx::start(&gateway.kubeconfig, &arguments)
}

fn cluster() -> Option<(TestCluster, Proxy)> {
    let cluster = TestCluster::start()?;
    cluster.install_crds();
    cluster.fleet(&["--nodes", "16", "--per-rack", "4", "--no-hypernodes"]);
    let proxy = Proxy::start(&cluster);
    Some((cluster, proxy))
}

#[test]
fn a_gang_is_whole_wherever_the_scheduler_is_killed() {
    let Some((cluster, proxy)) = cluster() else { return };
    // Next position before and after a write; where the gang's life ended; positions that met half a gang.
    let plan = Mutex::new(([0u32; 2], [u32::MAX; 2], 0usize));
    std::thread::scope(|scope| {
        for lane in 0..4 {
            let (cluster, proxy, plan) = (&cluster, &proxy, &plan);
            scope.spawn(move || {
                let mut worker = Lane::start(cluster, proxy, &format!("kill{lane}"), lane, lane % 2 == 1);
                // What is under way beside the write at which the process ends would fill the gang by luck.
                worker.gateway.one_by_one();
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
                        let bound = worker.crash(position, after);
                        eprintln!(
                            "killed {} write {position}: {bound:?} bound, whole after {:.1?}",
                            if after { "after" } else { "before" },
                            started.elapsed()
                        );
                        let mut plan = plan.lock().unwrap();
                        match bound {
                            Some(bound) => plan.2 += usize::from(bound > 0 && bound < MEMBERS),
                            None => plan.1[side] = plan.1[side].min(position),
                        }
                    }
                }
            });
        }
    });
    let (_, [before, after], partial) = plan.into_inner().unwrap();
    eprintln!(
        "killed before {before} writes and after {after}, {partial} of them in mid-gang: the gang was whole each time"
    );
    // Before and after each bind but the one that makes the gang whole, give or take a write about its status between.
    assert!(partial >= 3 * MEMBERS / 2, "the crashes must have met half-bound gangs, not {partial}");
}

/// `PHALANX_STORMS` says how many; more of them make a longer run.
#[test]
fn gangs_are_whole_after_crashes_and_faults_at_random() {
    let storms = std::env::var("PHALANX_STORMS").ok().and_then(|text| text.parse().ok()).unwrap_or(8u64);
    let Some((cluster, proxy)) = cluster() else { return };
    let next = Mutex::new((0, 0, 0));
    std::thread::scope(|scope| {
        for lane in 0..4 {
            let (cluster, proxy, next) = (&cluster, &proxy, &next);
            scope.spawn(move || {
                let mut worker = Lane::start(cluster, proxy, &format!("storm{lane}"), lane, lane == 0);
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
