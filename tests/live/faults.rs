//! Gangs under faults, in virtual time against the double: one fault at each write, a leader that stands still past its
//! lease in mid-gang, and random runs with everything at once. The bodies of the first two run against the real API
//! server as well, in real time.

use crate::cluster::TestCluster;
use crate::double::dice::Dice;
use crate::double::instance::{Instance, Way};
use crate::double::judge::{gang_of, unsettled};
use crate::double::link::{Condition, FAULTS, Fault, Rates, Upstream, rates};
use crate::double::server::Server;
use crate::double::store::{key, text};
use crate::double::world::{NAMESPACE, SCHEDULER, World, group, node, pod};
use phalanx::live::call::{Answer, Call};
use phalanx::reservation::record::{RESERVATION, Record, RecordState};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// A cluster under test: the double or a real one.
struct UnderTest {
    upstream: Upstream,
    /// Nothing goes wrong on its way.
    admin: kube::Client,
    namespace: String,
    rack: String,
    way: Way,
    gangs: usize,
}

impl UnderTest {
    fn double() -> Self {
        let server = Server::new();
        for n in 0..4 {
            let _ = server.store().create(key("nodes", "", &format!("n{n}")), node(&format!("n{n}"), 8));
        }
        let upstream = Upstream::Double(server);
        let admin = crate::double::link::Link::new(upstream.clone(), rates(0, 0, 0), 0).client();
        let way = Way::quick(SCHEDULER);
        UnderTest { upstream, admin, namespace: NAMESPACE.into(), rack: String::new(), way, gangs: 0 }
    }

    async fn real(cluster: &TestCluster, namespace: &str) -> Self {
        let admin = phalanx::live::client::connect(Some(&cluster.kubeconfig)).await.unwrap().write;
        UnderTest {
            upstream: Upstream::Real(admin.clone()),
            admin,
            namespace: namespace.into(),
            rack: "rack-0".into(),
            way: Way::quick(namespace),
            gangs: 0,
        }
    }

    fn start(&self, rates: &Arc<Rates>, seed: u64) -> Instance {
        let identity = format!("{}-{seed}", self.way.lease_name);
        Instance::start(self.upstream.clone(), &self.way, Arc::clone(rates), seed, identity)
    }

    fn path(&self, kind: &str) -> String {
        match kind {
            "pods" => format!("/api/v1/namespaces/{}/pods", self.namespace),
            _ => format!("/apis/scheduling.volcano.sh/v1beta1/namespaces/{}/{kind}", self.namespace),
        }
    }

    async fn ask(&self, call: Call) -> Value {
        match call.run(&self.admin, Duration::from_secs(20)).await {
            Answer::Done(value) => value,
            answer => panic!("{answer:?}"),
        }
    }

    /// A gang of bare pods; its name.
    async fn create(&mut self, members: usize) -> String {
        self.gangs += 1;
        let gang = format!("g{:03}", self.gangs);
        self.ask(Call::post(self.path("podgroups"), group(&gang, members))).await;
        for member in 0..members {
            let name = format!("{gang}-{member:02}");
            let pod = pod(&name, &gang, &self.way.scheduler_name, false, &self.rack);
            self.ask(Call::post(self.path("pods"), pod)).await;
        }
        gang
    }

    async fn delete(&self, gang: &str, members: usize) {
        for member in 0..members {
            let name = format!("{gang}-{member:02}");
            if let Upstream::Double(server) = &self.upstream {
                let _ = server.store().remove(&key("pods", NAMESPACE, &name));
                server.tell();
                continue;
            }
            let mut call = Call::delete(format!("{}/{name}", self.path("pods")), "");
            call.body = Some(json!({ "kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0 }));
            self.ask(call).await;
        }
        let mut call = Call::delete(format!("{}/{gang}", self.path("podgroups")), "");
        call.body = None;
        self.ask(call).await;
    }

    async fn bound(&self, gang: &str) -> usize {
        let list = self.ask(Call::get(self.path("pods"))).await;
        let pods = list["items"].as_array().unwrap().iter();
        pods.filter(|pod| gang_of(pod) == gang && !text(pod, "/spec/nodeName").is_empty()).count()
    }

    async fn is_done(&self, gang: &str) -> bool {
        let group = self.ask(Call::get(format!("{}/{gang}", self.path("podgroups")))).await;
        let record = group["metadata"]["annotations"].get(RESERVATION).and_then(Value::as_str);
        record.is_none_or(|text| Record::decode(text).unwrap().state == RecordState::Done)
    }

    /// Waits until the gang is whole and nothing is left to do.
    async fn settle(&self, gang: &str, members: usize, what: &str) {
        let started = Instant::now();
        while self.bound(gang).await < members || !self.is_done(gang).await {
            assert!(started.elapsed() < Duration::from_secs(200), "{what}: {gang} is not whole in time");
            sleep(Duration::from_millis(100)).await;
        }
        self.judge(what);
    }

    fn judge(&self, what: &str) {
        if let Upstream::Double(server) = &self.upstream {
            let store = server.store();
            assert!(store.judge.violations.is_empty(), "{what}: {:?}", store.judge.violations);
            assert_eq!(unsettled(&store), Vec::<String>::new(), "{what}");
        }
    }
}

fn in_virtual_time<F: Future>(body: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(body)
}

const MEMBERS: usize = 5;

/// One fault at one write of a gang's life, each in turn: record, binds, record closed.
async fn one_fault(mut cluster: UnderTest, writes: impl Iterator<Item = u32>, faults: &[Fault]) -> usize {
    let rates = rates(0, 0, 0);
    let instance = cluster.start(&rates, 1);
    let first = cluster.create(MEMBERS).await;
    cluster.settle(&first, MEMBERS, "without faults").await;
    assert!(instance.link.writes() > MEMBERS as u32 + 1, "a record, a bind each, the record closed");
    cluster.delete(&first, MEMBERS).await;
    let mut cases = 0;
    for write in writes {
        for fault in faults {
            sleep(Duration::from_millis(500)).await;
            instance.link.script(write, *fault);
            let gang = cluster.create(MEMBERS).await;
            cluster.settle(&gang, MEMBERS, &format!("{fault:?} at write {write}")).await;
            cluster.delete(&gang, MEMBERS).await;
            cases += 1;
        }
    }
    cases
}

/// The leader stands still with a write under way, longer than its lease lasts; another takes over; it goes on.
async fn stands_still(mut cluster: UnderTest, writes: impl Iterator<Item = u32>) -> usize {
    let rates = rates(0, 0, 0);
    let mut cases = 0;
    let mut seed = 0;
    for write in writes {
        seed += 2;
        let first = cluster.start(&rates, seed);
        sleep(cluster.way.lease * 2).await;
        let second = cluster.start(&rates, seed + 1);
        first.link.pause_at(write);
        let gang = cluster.create(MEMBERS).await;
        cluster.settle(&gang, MEMBERS, &format!("stood still at write {write}")).await;
        assert!(first.link.is(Condition::Paused) && !second.has_ended());
        first.link.set(Condition::Running);
        sleep(Duration::from_secs(3)).await;
        cluster.settle(&gang, MEMBERS, &format!("went on after write {write}")).await;
        assert!(first.has_ended(), "it knows that it leads no longer");
        drop(second);
        cluster.delete(&gang, MEMBERS).await;
        sleep(cluster.way.lease).await;
        cases += 1;
    }
    cases
}

#[test]
fn a_gang_outlives_any_fault_at_any_write() {
    let cases =
        in_virtual_time(async { one_fault(UnderTest::double(), 0..MEMBERS as u32 + 2, &FAULTS).await });
    assert_eq!(cases, (MEMBERS + 2) * FAULTS.len());
}

#[test]
fn a_leader_that_stood_still_does_no_harm() {
    in_virtual_time(async { stands_still(UnderTest::double(), 0..MEMBERS as u32 + 2).await });
}

#[test]
fn the_same_holds_on_a_real_api_server() {
    let Some(cluster) = TestCluster::shared() else { return };
    cluster.install_crds();
    cluster.fleet(&["--nodes", "4", "--no-hypernodes", "--prefix", "faults-"]);
    cluster.namespace("one-fault");
    cluster.namespace("stands-still");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let on = async |namespace: &str| {
            let mut real = UnderTest::real(cluster, namespace).await;
            real.rack = "faults-rack-0".into();
            real
        };
        let faults =
            [Fault::AnswerLost, Fault::AnswerHung, Fault::TooMany, Fault::ErrorAfter, Fault::Conflict];
        one_fault(on("one-fault").await, [0, 1, 4].into_iter(), &faults).await;
        stands_still(on("stands-still").await, [0, 3].into_iter()).await;
    });
}

/// One random run; what was tried, or what went wrong.
async fn run(seed: u64) -> Result<Arc<Rates>, String> {
    fastrand::seed(seed);
    let mut dice = Dice::new(seed);
    let server = Server::new();
    let rates =
        rates([0, 20, 100, 250][dice.below(4)], [0, 5, 30][dice.below(3)], [0, 20, 100][dice.below(3)]);
    let (events, crashes) = ([0, 10, 30, 60][dice.below(4)], [0, 3, 10][dice.below(3)]);
    let until = dice.range(5_000, 40_000);
    let mut world = World::new(server.clone(), dice.roll());
    for n in 0..dice.range(2, 5) {
        let gpus = dice.range(1, 4);
        world.add_node(&format!("n{n}"), gpus);
    }
    for _ in 0..dice.range(1, 4) {
        world.add_gang(6);
    }
    if dice.chance(300) {
        world.add_single("single");
    }
    let way = Way::quick(SCHEDULER);
    let mut terms = 0;
    let mut start = |dice: &mut Dice| {
        terms += 1;
        let upstream = Upstream::Double(server.clone());
        Instance::start(upstream, &way, Arc::clone(&rates), dice.roll(), format!("i{terms}"))
    };
    let mut instances: Vec<(Instance, u64, u64)> =
        (0..1 + dice.below(2)).map(|_| (start(&mut dice), 0, 0)).collect();
    let started = Instant::now();
    let (mut healed, mut calm_since, mut changes) = (false, 0, 0);
    loop {
        sleep(Duration::from_millis(100)).await;
        let now = started.elapsed().as_millis() as u64;
        if now >= until && !healed {
            healed = true;
            rates.heal();
            world.heal();
        }
        world.turn();
        for (instance, paused_until, restart_at) in &mut instances {
            if instance.has_ended() {
                if *restart_at == 0 {
                    rates.add("instances: ended");
                    *restart_at = now + dice.range(100, 2_000);
                } else if now >= *restart_at {
                    (*instance, *paused_until, *restart_at) = (start(&mut dice), 0, 0);
                }
            } else if *paused_until > 0 && now >= *paused_until {
                *paused_until = 0;
                instance.link.resume();
            } else if !healed && dice.chance(crashes) {
                match dice.below(4) {
                    0 => {
                        rates.add("instances: crashed");
                        instance.crash();
                    }
                    1 => {
                        rates.add("instances: stood still");
                        *paused_until = now + dice.range(200, 15_000);
                        instance.link.set(Condition::Paused);
                    }
                    2 => {
                        rates.add("instances: stood still in mid-gang");
                        *paused_until = now + dice.range(6_000, 20_000);
                        instance.link.pause_at(dice.below(8) as u32);
                    }
                    _ => {
                        rates.add("instances: clock set");
                        instance.set_wall(dice.range(0, 20_000) as i64 - 10_000);
                    }
                }
            }
        }
        if !healed && dice.chance(events) {
            rates.add(world.mischief());
        }
        let store = server.store();
        if let Some(violation) = store.judge.violations.first() {
            return Err(format!("at {now} ms: {violation}"));
        }
        let wrong = if healed { unsettled(&store) } else { Vec::new() };
        if !healed || !wrong.is_empty() || store.judge.changes != changes {
            (calm_since, changes) = (now, store.judge.changes);
        }
        if now > until + 400_000 {
            let stand = instances.iter().map(|(i, ..)| (i.has_ended(), i.link.is(Condition::Paused)));
            let stand: Vec<(bool, bool)> = stand.collect();
            let pods = store.all("pods", "").map(|pod| {
                let of = |path| text(pod, path).to_owned();
                (
                    of("/metadata/name"),
                    of("/spec/nodeName"),
                    of("/status/phase"),
                    of("/metadata/deletionTimestamp"),
                )
            });
            let pods: Vec<_> = pods.collect();
            let lease = store.all("leases", "").next().cloned();
            return Err(format!(
                "at {now} ms nothing has settled: {wrong:?}\nended, paused: {stand:?}\n{pods:?}\n{lease:?}"
            ));
        }
        if now > calm_since + 8_000 {
            let mut counts = rates.counts.lock().unwrap();
            for (what, count) in [("binds", store.judge.binds), ("evictions", store.judge.evictions)] {
                *counts.entry(what.to_owned()).or_default() += count as u64;
            }
            *counts.entry("virtual seconds".to_owned()).or_default() += now / 1000;
            break;
        }
    }
    Ok(rates)
}

/// `PHALANX_FAULT_RUNS` says how many, `PHALANX_FAULT_SEED` the first of them; a failure says its seed.
#[test]
fn invariants_hold_under_random_faults() {
    let number =
        |name: &str, default| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    if std::env::var_os("PHALANX_TEST_LOG").is_some() {
        let _ = tracing_subscriber::fmt()
            .with_env_filter("info,phalanx=debug")
            .with_writer(std::io::stderr)
            .without_time()
            .try_init();
    }
    let (runs, first) = (number("PHALANX_FAULT_RUNS", 150), number("PHALANX_FAULT_SEED", 0u64));
    let mut all: BTreeMap<String, u64> = BTreeMap::new();
    let mut violations = Vec::new();
    for seed in first..first + runs {
        match in_virtual_time(run(seed)) {
            Ok(rates) => {
                let counts = rates.counts.lock().unwrap();
                counts.iter().for_each(|(what, count)| *all.entry(what.clone()).or_default() += count);
            }
            Err(violation) => {
                eprintln!("seed {seed}: {violation}");
                violations.push(seed);
            }
        }
        if (seed - first) % 500 == 499 {
            eprintln!("{} runs, {} violations", seed - first + 1, violations.len());
        }
    }
    eprintln!("seeds {first}..{}: {all:#?}", first + runs);
    assert!(violations.is_empty(), "PHALANX_FAULT_RUNS=1 PHALANX_FAULT_SEED=... for each of {violations:?}");
}
