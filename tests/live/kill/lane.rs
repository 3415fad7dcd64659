//! A lane: a namespace, nodes and a scheduler of its own on a cluster that others use too.

use crate::cluster::TestCluster;
use crate::gateway::{Gateway, Proxy};
use crate::phalanx::Phalanx;
use phalanx::reservation::journal::read;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// GPUs of a node.
const GPUS: usize = 8;

pub(super) struct Lane<'a> {
    proxy: &'a Proxy,
    pub(super) gateway: Gateway,
    pub(super) namespace: String,
    rack: String,
    arguments: Vec<String>,
    phalanx: Phalanx,
    pub(super) gangs: usize,
    /// Do its pods ask for a device each by claim?
    by_claim: bool,
}

impl<'a> Lane<'a> {
    /// A lane in a namespace of its own, on a rack of its own. `elects`: it takes part in an election, and its next
    /// process must wait for the lease.
    pub(super) fn start(
        cluster: &TestCluster,
        proxy: &'a Proxy,
        name: &str,
        rack: usize,
        elects: bool,
    ) -> Self {
        cluster.namespace(name);
        let scheduler = format!("--scheduler-name={name}");
        let election = if elects {
            vec![format!("--leader-elect-name={name}"), "--leader-elect-lease-seconds=5".to_owned()]
        } else {
            vec!["--leader-elect=false".to_owned(), format!("--leader-elect-name={name}")]
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
            by_claim: false,
        }
    }

    /// From now on its pods ask for a device each by claim.
    pub(super) fn ask_by_claim(&mut self, cluster: &TestCluster) {
        self.by_claim = true;
        let space = &self.namespace;
        cluster.create(&format!(
            "apiVersion: resource.k8s.io/v1\nkind: ResourceClaimTemplate\nmetadata: {{name: one, namespace: {space}}}\n\
             spec: {{spec: {{devices: {{requests: [{{name: gpu, exactly: {{deviceClassName: gpus}}}}]}}}}}}\n"
        ));
    }

    fn restart(&mut self) {
        self.phalanx = run(&self.gateway, &self.arguments);
    }

    fn path(&self, kind: &str) -> String {
        match kind {
            "pods" => format!("/api/v1/namespaces/{}/pods", self.namespace),
            "resourceclaims" => format!("/apis/resource.k8s.io/v1/namespaces/{}/{kind}", self.namespace),
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
        let mut pod = json!({
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
        if self.by_claim {
            pod["spec"]["resourceClaims"] = json!([{ "name": "gpu", "resourceClaimTemplateName": "one" }]);
            pod["spec"]["containers"][0]["resources"] = json!({ "claims": [{ "name": "gpu" }] });
        }
        self.proxy.ask("POST", &self.path("pods"), &pod);
    }

    fn claims(&self) -> Vec<Value> {
        let list = self.proxy.ask("GET", &self.path("resourceclaims"), &Value::Null);
        list["items"].as_array().unwrap().clone()
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
        let list = self.proxy.ask("GET", "/api/v1/namespaces/kube-system/configmaps", &Value::Null);
        let objects = list["items"].as_array().unwrap().iter();
        let mut records = objects
            .filter(|object| {
                object["metadata"]["name"].as_str().is_some_and(|name| name.contains("-journal-"))
            })
            .flat_map(|object| read("", &serde_json::from_value(object["data"].clone()).unwrap()).0);
        !records.any(|(_, record)| record.gang.namespace == self.namespace)
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
        self.until("everything is deleted", |lane| lane.pods().is_empty() && lane.claims().is_empty());
    }

    /// What must hold whatever happened: no pod was deleted, and no node has more than it can hold.
    fn judge(&self, before: &BTreeMap<String, (String, String)>) {
        let now = self.pods();
        assert!(now.keys().eq(before.keys()), "no pod is deleted, none comes");
        let mut by_node: BTreeMap<&str, usize> = BTreeMap::new();
        now.values().for_each(|(_, node)| *by_node.entry(node).or_default() += 1);
        by_node.remove("");
        assert!(by_node.values().all(|&pods| pods <= GPUS), "a node holds more than it can: {by_node:?}");
        if self.by_claim {
            self.judge_claims(&now);
        }
    }

    /// Every bound pod has a device of its node, reserved for it; no device has two claims, and no other claim has any.
    fn judge_claims(&self, pods: &BTreeMap<String, (String, String)>) {
        let claims = self.claims();
        assert_eq!(claims.len(), pods.len(), "a claim a pod");
        let mut taken = BTreeSet::new();
        for claim in claims {
            let owner = claim["metadata"]["ownerReferences"][0]["uid"].as_str().unwrap();
            let users = claim["status"]["reservedFor"].as_array().cloned().unwrap_or_default();
            let results = claim["status"]["allocation"]["devices"]["results"].as_array().cloned();
            let results = results.unwrap_or_default();
            assert_eq!((users.len(), results.len()), (1, 1), "{claim}");
            assert_eq!(users[0]["uid"], owner, "{claim}");
            assert_eq!(results[0]["pool"], pods[owner].1.as_str(), "{claim}");
            assert!(taken.insert(results[0].to_string()), "a device has two claims: {claim}");
        }
    }

    /// One crash in the life of a gang; or of several, which are there when the process starts, so that they are decided
    /// together. How many of their pods were bound then; `None` if their life is over without it.
    pub(super) fn crash(
        &mut self,
        gangs: usize,
        members: usize,
        position: u32,
        after: bool,
    ) -> Option<usize> {
        let name = self.name();
        let create = |lane: &Self| {
            (0..gangs).for_each(|gang| lane.create(&format!("{name}-{gang}"), members));
        };
        if gangs > 1 {
            self.phalanx.killer().kill();
            create(self);
            self.restart();
        }
        self.gateway.crash_at(&name, position, after, self.phalanx.killer());
        if gangs == 1 {
            create(self);
        }
        let before = self.pods();
        let mut quiet = (0, Instant::now());
        self.until("a crash or bound gangs", |lane| {
            let writes = lane.gateway.writes();
            if writes != quiet.0 || !lane.all_bound() {
                quiet = (writes, Instant::now());
            }
            !lane.gateway.planned() || quiet.1.elapsed() > Duration::from_millis(1500)
        });
        let over = self.gateway.calm();
        let bound = self.pods().values().filter(|(_, node)| !node.is_empty()).count();
        if over {
            assert!(
                self.gateway.writes() as usize > gangs * members,
                "a record, and a write for every member"
            );
        } else {
            self.restart();
        }
        self.until("all are bound and no record is left", |lane| lane.all_bound() && lane.all_done());
        self.judge(&before);
        self.sweep();
        (!over).then_some(bound)
    }

    /// Several gangs at once, crashed again and again, with faults. How many crashes came about.
    pub(super) fn storm(&mut self, seed: u64) -> usize {
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
