//! Runs a simulation through the library: manifests and a scenario in, a report out. No file is read and no clock asked.
//!
//! ```console
//! $ cargo run --no-default-features --example simulate
//! default/llama-0-405b-0-0 on node-0, Running
//! default/llama-0-405b-0-1 on node-1, Running
//! 2 pods running
//! ```

use phalanx::scheduler::SchedulerConfig;
use phalanx::simulation::{Reader, Report, Simulation, World};

const MANIFESTS: &str = r#"
apiVersion: simulation.phalanx.dev/v1alpha1
kind: Simulation
spec:
  nodePools:
  - name: node
    count: 4
    capacity: {cpu: 96, memory: 800Gi, nvidia.com/gpu: 8}
---
apiVersion: workload.serving.volcano.sh/v1alpha1
kind: ModelServing
metadata: {name: llama}
spec:
  replicas: 1
  template:
    roles:
    - name: 405b
      replicas: 1
      workerReplicas: 1
      entryTemplate: &pod
        spec:
          containers:
          - {name: vllm, image: "vllm:1", resources: {limits: {nvidia.com/gpu: "8"}}}
      workerTemplate: *pod
"#;

fn main() -> Result<(), String> {
    let mut reader = Reader::default();
    reader.read("manifests.yaml", MANIFESTS);
    // All that is wrong with the input is known at once, each with its line and what would be right.
    let world = World::admit(reader)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    let mut run = Simulation::new(world, SchedulerConfig::default());
    run.run(|_| {});
    let report = Report::of(&run, false);
    for pod in &report.pods {
        let node = pod.node.as_deref().unwrap_or("no node");
        println!("{}/{} on {node}, {}", pod.namespace, pod.name, pod.status);
    }
    println!("{} pods running", report.pods.iter().filter(|pod| pod.phase == "Running").count());
    Ok(())
}
