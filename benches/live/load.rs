//! What is put on the cluster, and the clock beside it: pods that are created and bound as fast as the API server takes
//! them, and a watch that says when the last one was bound.

use futures::StreamExt;
use futures::stream::iter;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, PostParams, WatchEvent, WatchParams};
use kube::discovery::ApiResource;
use kube::{Client, ResourceExt};
use phalanx::live::call::{Answer, Call};
use phalanx::live::client::{self, Clients};
use phalanx::reservation::Settings;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

/// So many gangs of so many pods.
#[derive(Clone, Copy)]
pub(crate) struct Gangs {
    pub(crate) count: u32,
    pub(crate) pods: u32,
}

/// When the clock of a start begins.
#[derive(Clone, Copy)]
pub(crate) enum Trigger {
    /// Pods and PodGroups are there; the one write that was missing is about to be made.
    Queue,
    /// The pods are there; the first PodGroup is about to be.
    PodGroups,
    /// The PodGroups are there; the last pod has just been created.
    LastPod,
}

/// What binding took.
#[derive(Clone)]
pub(crate) struct Took {
    /// By the clock.
    pub(crate) time: Duration,
    /// Of the processor, by the API server.
    pub(crate) server: Duration,
    /// Of the processor, by the scheduler.
    pub(crate) ours: Duration,
    /// What the API server was asked to write, from the same moment on until everything was deleted again.
    pub(crate) writes: Vec<(String, u64)>,
}

/// The load on one cluster.
pub(crate) struct Load {
    clients: Clients,
    nodes: u32,
}

const NAMESPACE: &str = "default";
/// Calls of the load itself in flight; what Phalanx has in flight is its own setting.
const IN_FLIGHT: usize = 32;
const DEADLINE: Duration = Duration::from_secs(60);
/// Lets the watches and the kubelets have seen the pods.
const SETTLE: Duration = Duration::from_millis(500);

impl Load {
    pub(crate) async fn new(kubeconfig: &Path, nodes: u32) -> Self {
        let clients = client::connect(Some(kubeconfig)).await.expect("clients");
        Load { clients, nodes }
    }

    /// Creates the pods, binds them one call each, and says how long the binding took.
    pub(crate) async fn bare(&self, gangs: Gangs) -> Took {
        self.create_pods(gangs, "nobody").await;
        let bound = self.last_bound(gangs.count * gangs.pods).await;
        tokio::time::sleep(SETTLE).await;
        let before = self.server_time().await;
        let start = Instant::now();
        let calls = (0..gangs.count * gangs.pods).map(|pod| {
            let name = pod_name(gangs, pod);
            let call = Call::post(
                format!("/api/v1/namespaces/{NAMESPACE}/pods/{name}/binding"),
                json!({
                    "apiVersion": "v1", "kind": "Binding", "metadata": { "name": name },
                    "target": { "apiVersion": "v1", "kind": "Node", "name": format!("node-{pod:05}") },
                }),
            );
            call.run(&self.clients.write, DEADLINE)
        });
        let in_flight = Settings::default().calls_in_flight;
        let answers: Vec<Answer> = iter(calls).buffer_unordered(in_flight).collect().await;
        assert!(answers.iter().all(|answer| matches!(answer, Answer::Done(_))), "{answers:?}");
        let time = bound.await.expect("the watch") - start;
        let server = self.server_time().await - before;
        self.clear().await;
        Took { time, server, ours: Duration::ZERO, writes: Vec::new() }
    }

    /// Has the scheduler do it, from `trigger` on. `ours` says what the scheduler has had of the processor so far.
    pub(crate) async fn scheduled(
        &self,
        gangs: Gangs,
        trigger: Trigger,
        ours: impl Fn() -> Duration,
    ) -> Took {
        let bound = self.last_bound(gangs.count * gangs.pods).await;
        let queue = if let Trigger::Queue = trigger { "gate" } else { "default" };
        if let Trigger::Queue | Trigger::LastPod = trigger {
            self.create_groups(gangs, queue).await;
        }
        self.create_pods(gangs, "volcano").await;
        let mut start = Instant::now();
        let mut before = (Duration::ZERO, Duration::ZERO, BTreeMap::new());
        if !matches!(trigger, Trigger::LastPod) {
            // Until every gang and every pod has been told why it waits.
            let quiet = if let Trigger::Queue = trigger { 8 * SETTLE } else { SETTLE };
            tokio::time::sleep(quiet).await;
            before = (self.server_time().await, ours(), self.writes().await);
            start = Instant::now();
            match trigger {
                Trigger::Queue => self.create_queue(queue).await,
                _ => self.create_groups(gangs, queue).await,
            }
        }
        let time = bound.await.expect("the watch").saturating_duration_since(start);
        let (server, ours) = (self.server_time().await - before.0, ours() - before.1);
        self.clear().await;
        Took { time, server, ours, writes: difference(&before.2, &self.writes().await) }
    }

    /// One pod, so that every watch is known to be up.
    pub(crate) async fn warm_up(&self) {
        self.scheduled(Gangs { count: 1, pods: 1 }, Trigger::LastPod, || Duration::ZERO).await;
    }

    /// What the API server has had of the processor so far.
    async fn server_time(&self) -> Duration {
        let text = self.metrics().await;
        let sample = text.lines().find_map(|line| line.strip_prefix("process_cpu_seconds_total "));
        Duration::from_secs_f64(sample.and_then(|seconds| seconds.parse().ok()).expect("a sample"))
    }

    async fn metrics(&self) -> String {
        let request = http::Request::get("/metrics").body(Vec::new()).expect("a request");
        self.clients.watch.request_text(request).await.expect("metrics")
    }

    /// Pods that are bound from the start, four to a node.
    pub(crate) async fn fill(&self, pods: u32) {
        let calls = (0..pods).map(|pod| {
            let name = format!("filler-{pod:06}");
            let mut object = pod_object(&name, "filler", "nobody", 1);
            object["spec"]["nodeName"] = json!(format!("node-{:05}", pod % self.nodes));
            self.create(format!("/api/v1/namespaces/{NAMESPACE}/pods"), object)
        });
        iter(calls).buffer_unordered(IN_FLIGHT).collect::<Vec<()>>().await;
        let api = self.pods();
        for _ in 0..600 {
            let running = api
                .list(&ListParams::default().fields("status.phase!=Running").limit(1))
                .await
                .expect("a list");
            if running.items.is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        panic!("the simulated kubelets did not run {pods} pods in ten minutes");
    }

    /// The lists that any scheduler has to make, at the same time, by the same client, as bytes.
    pub(crate) async fn bare_lists(&self) -> Duration {
        let start = Instant::now();
        let lists = [
            "/api/v1/nodes",
            "/api/v1/pods",
            "/apis/scheduling.volcano.sh/v1beta1/podgroups",
            "/apis/scheduling.volcano.sh/v1beta1/queues",
            "/apis/topology.volcano.sh/v1alpha1/hypernodes",
            "/apis/scheduling.k8s.io/v1/priorityclasses",
            "/apis/workload.serving.volcano.sh/v1alpha1/modelservings",
            "/api/v1/services",
            "/apis/apps/v1/controllerrevisions",
        ];
        let bytes = lists.map(|path| {
            let client: Client = self.clients.watch.clone();
            async move {
                let request = http::Request::get(path).body(Vec::new()).expect("a request");
                client.request_text(request).await.expect("a list").len()
            }
        });
        futures::future::join_all(bytes).await;
        start.elapsed()
    }

    /// A gang of 8 waits while nothing runs; from the start of the scheduler to its first bind.
    pub(crate) async fn first_bind<T>(&self, start: impl FnOnce() -> T) -> (Duration, T) {
        let gangs = Gangs { count: 1, pods: 8 };
        self.create_groups(gangs, "default").await;
        self.create_pods_of(gangs, "volcano", 1).await;
        let bound = self.last_bound(1).await;
        let began = Instant::now();
        let process = start();
        let time = bound.await.expect("the watch") - began;
        self.clear().await;
        (time, process)
    }

    /// What the API server has been asked to write so far, by resource and verb, as its metrics count it.
    async fn writes(&self) -> BTreeMap<String, u64> {
        let text = self.metrics().await;
        let mut writes = BTreeMap::new();
        for line in text.lines().filter(|line| line.starts_with("apiserver_request_total{")) {
            let (labels, count) = line.rsplit_once(' ').expect("a sample");
            let label = |name: &str| {
                labels
                    .split_once(&format!("{name}=\""))
                    .and_then(|(_, rest)| rest.split('"').next())
                    .unwrap_or("")
            };
            if ["POST", "PUT", "PATCH", "APPLY"].contains(&label("verb")) {
                let what = format!("{} {}/{}", label("verb"), label("resource"), label("subresource"));
                *writes.entry(what).or_default() += count.parse::<f64>().unwrap_or_default() as u64;
            }
        }
        writes
    }

    fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.clients.watch.clone(), NAMESPACE)
    }

    fn groups(&self) -> Api<DynamicObject> {
        Api::namespaced_with(self.clients.watch.clone(), NAMESPACE, &of_volcano("PodGroup", "podgroups"))
    }

    fn queues(&self) -> Api<DynamicObject> {
        Api::all_with(self.clients.watch.clone(), &of_volcano("Queue", "queues"))
    }

    async fn create(&self, path: String, object: Value) {
        let answer = Call::post(path, object).run(&self.clients.write, DEADLINE).await;
        assert!(matches!(answer, Answer::Done(_)), "{answer:?}");
    }

    async fn create_queue(&self, name: &str) {
        let queue = json!({
            "apiVersion": "scheduling.volcano.sh/v1beta1", "kind": "Queue",
            "metadata": { "name": name, "labels": { "load": "gang" } }, "spec": {},
        });
        self.create("/apis/scheduling.volcano.sh/v1beta1/queues".to_owned(), queue).await;
    }

    async fn create_groups(&self, gangs: Gangs, queue: &str) {
        let calls = (0..gangs.count).map(|gang| {
            let tier = if gangs.pods <= 32 { 1 } else { 3 };
            let object = json!({
                "apiVersion": "scheduling.volcano.sh/v1beta1", "kind": "PodGroup",
                "metadata": { "name": format!("gang-{gang}"), "namespace": NAMESPACE, "labels": { "load": "gang" } },
                "spec": { "queue": queue, "minMember": gangs.pods, "networkTopology": { "mode": "hard", "highestTierAllowed": tier } },
            });
            async move {
                let object = serde_json::from_value(object).expect("a PodGroup");
                self.groups().create(&PostParams::default(), &object).await.expect("a PodGroup");
            }
        });
        iter(calls).buffer_unordered(IN_FLIGHT).collect::<Vec<()>>().await;
    }

    async fn create_pods(&self, gangs: Gangs, scheduler: &str) {
        self.create_pods_of(gangs, scheduler, 8).await;
    }

    async fn create_pods_of(&self, gangs: Gangs, scheduler: &str, gpus: u32) {
        let calls = (0..gangs.count * gangs.pods).map(|pod| {
            let object =
                pod_object(&pod_name(gangs, pod), &format!("gang-{}", pod / gangs.pods), scheduler, gpus);
            self.create(format!("/api/v1/namespaces/{NAMESPACE}/pods"), object)
        });
        iter(calls).buffer_unordered(IN_FLIGHT).collect::<Vec<()>>().await;
    }

    /// When a watch has seen so many more pods bound.
    async fn last_bound(&self, pods: u32) -> tokio::task::JoinHandle<Instant> {
        let api = self.pods();
        let parameters = WatchParams::default().labels("load=gang").timeout(60);
        let version = api.list_metadata(&ListParams::default().limit(1)).await.expect("a list");
        let mut version = version.metadata.resource_version.expect("a version");
        tokio::spawn(async move {
            let mut bound = BTreeSet::new();
            // A watcher that is too slow for a moment is cut off by the API server, and goes on where it was.
            for _ in 0..20 {
                let mut events = api.watch(&parameters, &version).await.expect("a watch").boxed();
                while let Some(Ok(event)) = events.next().await {
                    let (WatchEvent::Modified(pod) | WatchEvent::Added(pod)) = event else { continue };
                    version = pod.resource_version().expect("a version");
                    if pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some()) {
                        bound.insert(pod.name_any());
                        if bound.len() == pods as usize {
                            return Instant::now();
                        }
                    }
                }
            }
            panic!("only {} of {pods} pods were bound", bound.len());
        })
    }

    /// Takes all gangs away, and waits until they are gone.
    async fn clear(&self) {
        let ours = ListParams::default().labels("load=gang");
        self.groups().delete_collection(&DeleteParams::default(), &ours).await.expect("a delete");
        self.queues().delete_collection(&DeleteParams::default(), &ours).await.expect("a delete");
        let now = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
        self.pods().delete_collection(&now, &ours).await.expect("a delete");
        for _ in 0..600 {
            let left = self.pods().list_metadata(&ours.clone().limit(1)).await.expect("a list");
            let groups = self.groups().list_metadata(&ours.clone().limit(1)).await.expect("a list");
            if left.items.is_empty() && groups.items.is_empty() {
                tokio::time::sleep(Duration::from_millis(500)).await;
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("pods that were deleted are still there after a minute");
    }
}

/// What came between two counts.
fn difference(before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>) -> Vec<(String, u64)> {
    let change = |(what, count): (&String, &u64)| (what.clone(), count - before.get(what).unwrap_or(&0));
    after.iter().map(change).filter(|(_, count)| *count > 0).collect()
}

fn of_volcano(kind: &str, plural: &str) -> ApiResource {
    ApiResource {
        group: "scheduling.volcano.sh".into(),
        version: "v1beta1".into(),
        api_version: "scheduling.volcano.sh/v1beta1".into(),
        kind: kind.into(),
        plural: plural.into(),
    }
}

fn pod_name(gangs: Gangs, pod: u32) -> String {
    format!("gang-{}-{}", pod / gangs.pods, pod % gangs.pods)
}

fn pod_object(name: &str, gang: &str, scheduler: &str, gpus: u32) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": name, "namespace": NAMESPACE,
            "labels": { "load": if gang == "filler" { "filler" } else { "gang" } },
            "annotations": { "scheduling.k8s.io/group-name": gang },
        },
        "spec": {
            "schedulerName": scheduler,
            "containers": [{
                "name": "server", "image": "server",
                "resources": { "limits": { "nvidia.com/gpu": gpus.to_string(), "cpu": "16", "memory": "64Gi" } },
            }],
        },
    })
}
