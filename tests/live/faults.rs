//! Gangs under faults, in virtual time against the double: one fault at each write, a leader that stands still past its
//! lease in mid-gang, a start on lists that are behind, pods that others bind, members that go for good; in `random`
//! everything at once; and in `claims` others who leave so that a gang gets their room. The bodies of the first two
//! run against the real API server as well, in real time.

mod claims;
mod devices;
mod random;
mod sealed;

use crate::cluster::TestCluster;
use crate::double::devices::{Devices, asks_for_one};
use crate::double::instance::{Instance, Way};
use crate::double::judge::{gang_of, promised, unsettled};
use crate::double::link::{Condition, FAULTS, Fault, Rates, Upstream, rates};
use crate::double::server::Server;
use crate::double::store::{key, text};
use crate::double::world::{NAMESPACE, SCHEDULER, group, node, nth, parted, pod};
use phalanx::engine::{Kind, Request};
use phalanx::live::call::{Answer, Call};
use phalanx::reservation::journal::read;
use serde_json::{Value, json};
use std::cell::RefCell;
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
    /// Pods of a subgroup, where the minimum is by subgroup; else 0.
    part: usize,
    /// Do its pods' owner references promise that they are recreated?
    owned: bool,
    /// Who publishes devices and makes claims, where its pods ask for a device each.
    devices: Option<RefCell<Devices>>,
}

impl UnderTest {
    fn double() -> Self {
        let server = Server::new();
        for n in 0..4 {
            server.store().create(key("nodes", "", &format!("n{n}")), node(&format!("n{n}"), 8));
        }
        let upstream = Upstream::Double(server);
        let admin = crate::double::link::Link::new(upstream.clone(), rates(0, 0, 0), 0).client();
        let way = Way::quick(SCHEDULER);
        UnderTest {
            upstream,
            admin,
            namespace: NAMESPACE.into(),
            rack: String::new(),
            way,
            gangs: 0,
            part: 0,
            owned: false,
            devices: None,
        }
    }

    /// The double, with a device for each GPU, which pods ask for by claim.
    fn with_devices() -> Self {
        let cluster = UnderTest::double();
        let mut devices = Devices::install(&mut cluster.server().store(), 0);
        devices.heal(&mut cluster.server().store());
        for n in 0..4 {
            devices.publish(&mut cluster.server().store(), &format!("n{n}"), 8);
        }
        UnderTest { devices: Some(RefCell::new(devices)), ..cluster }
    }

    /// The claim controller does what there is to do.
    fn control(&self) {
        if let Some(devices) = &self.devices {
            devices.borrow_mut().control(&mut self.server().store());
            self.server().tell();
        }
    }

    /// The double, with gangs of three subgroups of which all must be whole.
    fn parted() -> Self {
        UnderTest { part: PART, ..UnderTest::double() }
    }

    fn server(&self) -> &Server {
        match &self.upstream {
            Upstream::Double(server) => server,
            Upstream::Real(_) => panic!("a real API server cannot be looked into"),
        }
    }

    /// The pods of its gangs.
    fn members(&self) -> usize {
        if self.part == 0 { MEMBERS } else { 3 * self.part }
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
            part: 0,
            owned: false,
            devices: None,
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
        let group = match members.checked_div(self.part) {
            Some(parts) => parted(&gang, 0, self.part, parts),
            None => group(&gang, members),
        };
        self.ask(Call::post(self.path("podgroups"), group)).await;
        for member in 0..members {
            let name = format!("{gang}-{member:02}");
            let pod = pod(&name, &gang, &self.way.scheduler_name, self.owned, &self.rack);
            let pod = if self.devices.is_some() { asks_for_one(pod) } else { pod };
            self.ask(Call::post(self.path("pods"), nth(pod, member, self.part))).await;
        }
        gang
    }

    async fn delete(&self, gang: &str, members: usize) {
        for member in 0..members {
            let name = format!("{gang}-{member:02}");
            if let Upstream::Double(server) = &self.upstream {
                server.store().remove(&key("pods", NAMESPACE, &name));
                server.tell();
                continue;
            }
            let mut call = Call::from(Request::delete(Kind::Pod, &self.namespace, &name, ""));
            call.body = Some(json!({ "kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0 }));
            self.ask(call).await;
        }
        let mut call = Call::from(Request::delete(Kind::PodGroup, &self.namespace, gang, ""));
        call.body = None;
        self.ask(call).await;
        // Claims are freed, and then they go.
        (0..3).for_each(|_| self.control());
    }

    /// Kubelets are done with what is being deleted.
    fn finish_deletions(&self) {
        let mut store = self.server().store();
        let deleting = store.all("pods", "").filter(|pod| !pod["metadata"]["deletionTimestamp"].is_null());
        let names: Vec<String> = deleting.map(|pod| text(pod, "/metadata/name").to_owned()).collect();
        names.iter().for_each(|name| store.remove(&key("pods", NAMESPACE, name)));
        drop(store);
        self.server().tell();
    }

    async fn bound(&self, gang: &str) -> usize {
        let list = self.ask(Call::get(self.path("pods"))).await;
        let pods = list["items"].as_array().unwrap().iter();
        pods.filter(|pod| gang_of(pod) == gang && !text(pod, "/spec/nodeName").is_empty()).count()
    }

    async fn is_done(&self, gang: &str) -> bool {
        let list = self.ask(Call::get("/api/v1/namespaces/kube-system/configmaps".to_owned())).await;
        let ours = list["items"].as_array().unwrap().iter();
        let ours = ours.filter(|object| text(object, "/metadata/name").starts_with(&self.way.lease_name));
        let mut records =
            ours.flat_map(|object| read("", &serde_json::from_value(object["data"].clone()).unwrap()).0);
        !records.any(|(_, record)| record.gang.namespace == self.namespace && record.gang.name == gang)
    }

    /// Waits until the gang is whole and nothing is left to do.
    async fn settle(&self, gang: &str, members: usize, what: &str) {
        self.become_whole(gang, members, what).await;
        self.judge(what);
    }

    async fn become_whole(&self, gang: &str, members: usize, what: &str) {
        let started = Instant::now();
        while self.bound(gang).await < members || !self.is_done(gang).await {
            self.control();
            assert!(started.elapsed() < Duration::from_secs(200), "{what}: {gang} is not whole in time");
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Writes of a deposed leader to the journal that were answered with 409; `None` where nobody counts them.
    fn sealed_out(&self) -> Option<usize> {
        match &self.upstream {
            Upstream::Double(server) => Some(server.store().judge.sealed_out),
            Upstream::Real { .. } => None,
        }
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

/// Kinds whose first lists may be behind.
const LISTED: [&str; 3] = ["pods", "podgroups", "nodes"];

const MEMBERS: usize = 5;
/// Pods of a subgroup.
const PART: usize = 2;

/// One fault at one write of a gang's life, each in turn: record, binds, record closed.
async fn one_fault(mut cluster: UnderTest, writes: impl Iterator<Item = u32>, faults: &[Fault]) -> usize {
    let (rates, members) = (rates(0, 0, 0), cluster.members());
    let instance = cluster.start(&rates, 1);
    let first = cluster.create(members).await;
    cluster.settle(&first, members, "without faults").await;
    assert!(instance.link.writes() > members as u32 + 1, "a record, a bind each, the record closed");
    cluster.delete(&first, members).await;
    let mut cases = 0;
    for write in writes {
        for fault in faults {
            sleep(Duration::from_millis(500)).await;
            instance.link.script(write, *fault);
            let gang = cluster.create(members).await;
            cluster.settle(&gang, members, &format!("{fault:?} at write {write}")).await;
            cluster.delete(&gang, members).await;
            cases += 1;
        }
    }
    cases
}

/// The leader stands still with a write under way, longer than its lease lasts; another takes over; it goes on. What it then
/// sends to the journal is answered with 409, and no gang waits for longer than the lease lasts.
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
        let sealed_out = cluster.sealed_out();
        let (gang, created) = (cluster.create(MEMBERS).await, Instant::now());
        cluster.settle(&gang, MEMBERS, &format!("stood still at write {write}")).await;
        let most = cluster.way.lease * 2 + Duration::from_secs(15);
        assert!(created.elapsed() < most, "{:?} for write {write}", created.elapsed());
        assert!(first.link.is(Condition::Paused) && !second.has_ended());
        assert_eq!(cluster.sealed_out(), sealed_out, "it is not sent yet");
        first.link.set(Condition::Running);
        sleep(Duration::from_secs(3)).await;
        cluster.settle(&gang, MEMBERS, &format!("went on after write {write}")).await;
        assert!(first.has_ended(), "it knows that it leads no longer");
        // The append, and the removal after the last bind.
        if write == 0 || write > MEMBERS as u32 {
            let refused = cluster.sealed_out().zip(sealed_out).map(|(now, before)| now - before);
            assert!(
                refused.is_none_or(|refused| refused == 1),
                "{refused:?} writes refused for write {write}"
            );
        }
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
fn the_same_holds_where_the_minimum_is_by_subgroup() {
    let writes = 3 * PART as u32 + 2;
    let cases = in_virtual_time(async { one_fault(UnderTest::parted(), 0..writes, &FAULTS).await });
    assert_eq!(cases, writes as usize * FAULTS.len());
}

/// The leader is gone in the middle of a gang's life, and its successor's first lists are as of any moment since before:
/// the gang that it left looks untouched, one that is gone looks bound. Returns how many moments were tried.
async fn begins_with_old_lists(write: u32) -> usize {
    let mut cases = 0;
    loop {
        let mut cluster = UnderTest::double();
        let members = cluster.members();
        let calm = rates(0, 0, 0);
        let first = cluster.start(&calm, 1);
        let gone = cluster.create(members).await;
        cluster.settle(&gone, members, "a gang that will be gone").await;
        cluster.delete(&gone, members).await;
        let before = cluster.server().store().version;
        first.link.pause_at(write);
        let left = cluster.create(members).await;
        sleep(Duration::from_secs(1)).await;
        first.crash();
        let bound_before = nodes_of(&cluster, &left);
        let new = cluster.create(members).await;
        let latest = cluster.server().store().version;
        let second = cluster.start(&calm, 2);
        // Back to when the gang that is gone was there.
        let version = (before - members as u64 - 2) + cases as u64;
        second.link.lists_as_of(&LISTED, version);
        let what = format!("{write} writes, lists as of {version} of {before}..{latest}");
        for gang in [&left, &new] {
            cluster.become_whole(gang, members, &what).await;
        }
        cluster.judge(&what);
        let nodes = nodes_of(&cluster, &left);
        assert!(bound_before.iter().all(|(pod, node)| nodes[pod] == *node), "{what}: who was bound stays");
        assert_eq!(cluster.server().store().judge.evictions, 0, "{what}");
        cases += 1;
        if version == latest {
            return cases;
        }
    }
}

/// Uids of the gang's pods that are bound, and their nodes.
fn nodes_of(cluster: &UnderTest, gang: &str) -> BTreeMap<String, String> {
    let store = cluster.server().store();
    let bound = store
        .all("pods", NAMESPACE)
        .filter(|pod| gang_of(pod) == gang && !text(pod, "/spec/nodeName").is_empty());
    bound.map(|pod| (text(pod, "/metadata/uid").to_owned(), text(pod, "/spec/nodeName").to_owned())).collect()
}

#[test]
fn a_start_on_lists_that_are_behind_does_no_harm() {
    for write in 0..=MEMBERS as u32 + 2 {
        let cases = in_virtual_time(begins_with_old_lists(write));
        assert!(cases > 2 * MEMBERS, "{cases}: from before the gang to now");
    }
}

/// Somebody else binds a member, while each write of the gang's life is under way.
async fn bound_by_another(parted: bool, elsewhere: bool) {
    let mut cluster = if parted { UnderTest::parted() } else { UnderTest::double() };
    let (rates, members) = (rates(0, 0, 0), cluster.members());
    let instance = cluster.start(&rates, 1);
    for write in 0..members as u32 + 1 {
        for member in 0..members {
            let what = format!("member {member} while write {write} is under way");
            instance.link.pause_at(write);
            let gang = cluster.create(members).await;
            sleep(Duration::from_secs(1)).await;
            let at = key("pods", NAMESPACE, &format!("{gang}-{member:02}"));
            let bound = {
                let mut store = cluster.server().store();
                let pod = store.find(&at).unwrap();
                let waits = text(pod, "/spec/nodeName").is_empty();
                let promised = promised(&store, pod).unwrap_or("n1".to_owned());
                let node = if elsewhere { "n3".to_owned() } else { promised };
                waits.then(|| store.bind_as_another(&at, &node)).map(|()| node)
            };
            cluster.server().tell();
            instance.link.resume();
            cluster.settle(&gang, members, &what).await;
            if let Some(node) = bound {
                assert_eq!(
                    text(cluster.server().store().find(&at).unwrap(), "/spec/nodeName"),
                    node,
                    "{what}"
                );
            }
            assert_eq!(cluster.server().store().judge.evictions, 0, "{what}");
            cluster.delete(&gang, members).await;
            sleep(Duration::from_millis(500)).await;
        }
    }
}

#[test]
fn a_gang_outlives_that_others_bind_its_pods() {
    for (parted, elsewhere) in [(false, false), (false, true), (true, false), (true, true)] {
        in_virtual_time(bound_by_another(parted, elsewhere));
    }
}

/// A member goes for good while each write of the gang's life is under way, though its owner references promise another:
/// what is bound by then is taken back, unless the gang had its minimum. Returns how many pods were.
async fn never_whole_again(parted: bool) -> usize {
    let mut cluster = if parted { UnderTest::parted() } else { UnderTest::double() };
    cluster.owned = true;
    let (rates, members) = (rates(0, 0, 0), cluster.members());
    let instance = cluster.start(&rates, 1);
    for write in 0..members as u32 + 2 {
        for member in 0..members {
            instance.link.pause_at(write);
            let gang = cluster.create(members).await;
            sleep(Duration::from_secs(1)).await;
            let at = key("pods", NAMESPACE, &format!("{gang}-{member:02}"));
            cluster.server().store().remove(&at);
            cluster.server().tell();
            instance.link.resume();
            let started = Instant::now();
            while !unsettled(&cluster.server().store()).is_empty() {
                assert!(
                    started.elapsed() < Duration::from_secs(200),
                    "member {member} went at write {write}"
                );
                cluster.finish_deletions();
                sleep(Duration::from_millis(100)).await;
            }
            cluster.judge(&format!("member {member} went at write {write}"));
            cluster.delete(&gang, members).await;
            sleep(Duration::from_millis(500)).await;
        }
    }
    cluster.server().store().judge.evictions
}

#[test]
fn what_can_never_be_whole_is_taken_back() {
    for parted in [false, true] {
        let evictions = in_virtual_time(never_whole_again(parted));
        assert!(evictions > 0, "some had been bound");
    }
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
