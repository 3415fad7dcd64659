//! `reconcile` of many ServingGroups of 8 pods: nothing happens, a pod is lost, all of them are created. The budget is
//! milliseconds for 1,000 of them, linear in pods: three sizes, four times apart, show it.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use phalanx::api::core::Pod;
use phalanx::api::meta::ObjectMeta;
use phalanx::api::model_serving::ModelServing;
use phalanx::api::time::Timestamp;
use phalanx::modelserving::{
    Change, Kind, Observed, ObservedPod, ObservedPodGroup, ObservedRevision, ObservedService, reconcile,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::hint::black_box;

/// What a ModelServing owns.
#[derive(Default)]
struct World {
    object: ModelServing,
    pods: Vec<ObservedPod>,
    pod_groups: Vec<ObservedPodGroup>,
    services: Vec<ObservedService>,
    revisions: Vec<ObservedRevision>,
}

const NOW: Timestamp = Timestamp(1_800_000_000);

impl World {
    /// So many ServingGroups of 2 role replicas with 4 pods each, all of them ready.
    fn new(groups: u32) -> Self {
        let resources =
            json!({"limits": {"nvidia.com/gpu": "8", "memory": "1124Gi"}, "requests": {"cpu": 125}});
        let pod = json!({"spec": {"containers": [{
            "name": "c", "image": "vllm/vllm-openai:latest", "command": ["sh", "-c", "serve"], "resources": resources,
            "env": [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "hf", "key": "token"}}}],
            "volumeMounts": [{"mountPath": "/dev/shm", "name": "dshm"}],
        }], "volumes": [{"name": "dshm", "emptyDir": {"medium": "Memory", "sizeLimit": "15Gi"}}]}});
        let role = json!({"name": "405b", "replicas": 2, "workerReplicas": 3, "entryTemplate": pod, "workerTemplate": pod});
        let object = json!({
            "metadata": {"name": "llama", "namespace": "default", "uid": "0f8fad5b-d9cb-469f-a165-70867728950e", "generation": 1},
            "spec": {"replicas": groups, "template": {"roles": [role]}},
        });
        let mut world =
            World { object: serde_json::from_value(object).expect("a ModelServing"), ..World::default() };
        for _ in 0..3 {
            world.step();
        }
        assert_eq!(world.pods.len(), groups as usize * 8);
        assert_eq!(world.outcome().status, None);
        world
    }

    fn observed(&self) -> Observed<'_> {
        Observed {
            pods: self.pods.iter().collect(),
            pod_groups: self.pod_groups.iter().collect(),
            services: self.services.iter().collect(),
            revisions: self.revisions.iter().collect(),
            ..Observed::default()
        }
    }

    fn outcome(&self) -> phalanx::modelserving::Outcome {
        reconcile(&self.object, &self.observed(), NOW)
    }

    fn step(&mut self) {
        let outcome = self.outcome();
        for (index, change) in outcome.changes.into_iter().enumerate() {
            let uid = format!("{index}");
            match change {
                Change::CreatePodGroup(mut pod_group) => {
                    pod_group.metadata.uid = uid;
                    self.pod_groups.push(ObservedPodGroup::from(&*pod_group));
                }
                Change::Create(created) => self.create(created.kind, created.into_object(), uid),
                _ => {}
            }
        }
        self.object.status = outcome.status.unwrap_or_else(|| self.object.status.clone());
    }

    fn create(&mut self, kind: Kind, mut object: Value, uid: String) {
        object["metadata"]["uid"] = uid.into();
        object["status"] = json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]});
        let metadata = || ObjectMeta::deserialize(&object["metadata"]).expect("metadata");
        match kind {
            Kind::Pod => self.pods.push(ObservedPod::from(&Pod::deserialize(&object).expect("a pod"))),
            Kind::Service => self.services.push(ObservedService::from(&metadata())),
            Kind::ControllerRevision => self.revisions.push(ObservedRevision::from_json(&object)),
            Kind::PodGroup => {}
        }
    }
}

/// ServingGroups.
const SIZES: [u32; 3] = [250, 1000, 4000];

/// Measures `reconcile` of these worlds, one a size.
fn measure(criterion: &mut Criterion, name: &str, world: impl Fn(u32) -> World) {
    let mut group = criterion.benchmark_group(format!("modelserving/{name}"));
    for groups in SIZES {
        let world = world(groups);
        group.throughput(Throughput::Elements(u64::from(groups) * 8));
        group.bench_with_input(BenchmarkId::from_parameter(groups), &world, |bencher, world| {
            bencher.iter(|| black_box(world.outcome()));
        });
    }
    group.finish();
}

fn steady(criterion: &mut Criterion) {
    measure(criterion, "steady", World::new);
}

fn one_pod_lost(criterion: &mut Criterion) {
    measure(criterion, "one_pod_lost", |groups| {
        let mut world = World::new(groups);
        world.pods.remove(groups as usize * 4 + 321);
        world
    });
}

fn creation(criterion: &mut Criterion) {
    measure(criterion, "create", |groups| {
        let mut world = World::new(1);
        world.object.spec.replicas = Some(groups as i32);
        world.object.metadata.generation = 2;
        world
    });
}

criterion_group!(benches, steady, one_pod_lost, creation);
criterion_main!(benches);
