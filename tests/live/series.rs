//! What the metrics say of a gang, and that they say nothing of it when it is gone. In virtual time, against the double.

use crate::double::instance::{Instance, Way};
use crate::double::link::{Upstream, rates};
use crate::double::server::Server;
use crate::double::store::key;
use crate::double::world::{NAMESPACE, SCHEDULER, group, node, pod};
use std::time::Duration;
use tokio::time::sleep;

/// Longer than the slowest figure takes to be counted again.
const SOON: Duration = Duration::from_secs(12);

fn create(server: &Server, gang: &str, members: usize) {
    let mut store = server.store();
    store.create(key("podgroups", NAMESPACE, gang), group(gang, members));
    for member in 0..members {
        let name = format!("{gang}-{member}");
        store.create(key("pods", NAMESPACE, &name), pod(&name, gang, SCHEDULER, true, ""));
    }
    drop(store);
    server.tell();
}

fn remove(server: &Server, gang: &str, members: usize) {
    let mut store = server.store();
    for member in 0..members {
        store.remove(&key("pods", NAMESPACE, &format!("{gang}-{member}")));
    }
    store.remove(&key("podgroups", NAMESPACE, gang));
    drop(store);
    server.tell();
}

#[test]
fn a_gang_that_is_gone_has_no_series() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(async {
        let server = Server::new();
        server.store().create(key("nodes", "", "n"), node("n", 4));
        let way = Way::quick(SCHEDULER);
        let instance =
            Instance::start(Upstream::Double(server.clone()), &way, rates(0, 0, 0), 1, "i".to_owned());
        create(&server, "placed", 3);
        sleep(SOON).await;
        create(&server, "waits", 2);
        sleep(SOON).await;
        let text = instance.health.metrics.text();
        for line in [
            "volcano_e2e_job_scheduling_last_time{job_name=\"placed\",queue=\"default\",job_namespace=\"ns\"} 17",
            "volcano_e2e_job_scheduling_duration{job_name=\"placed\",queue=\"default\",job_namespace=\"ns\"} ",
            "volcano_unschedule_task_count{job_id=\"waits\",job_namespace=\"ns\"} 2",
            "volcano_unschedule_job_count 1",
            "phalanx_waiting_pods 2",
            "volcano_task_scheduling_latency_milliseconds_count{stage=\"Bound\"} 3",
            "volcano_queue_allocated_scalar_resources{queue_name=\"default\",resource=\"nvidia.com/gpu\"} 3",
            "volcano_queue_request_scalar_resources{queue_name=\"default\",resource=\"nvidia.com/gpu\"} 5",
            "phalanx_queue_fair_share_scalar_resources{queue_name=\"default\",resource=\"nvidia.com/gpu\"} 4",
            "volcano_queue_weight{queue_name=\"default\"} 1",
            "volcano_queue_overused{queue_name=\"default\"} 0",
        ] {
            assert!(text.lines().any(|found| found.starts_with(line)), "{line} in\n{text}");
        }
        let cycles = |name: &str| text.lines().find(|line| line.starts_with(name)).map(|line| line.rsplit(' ').next());
        assert_eq!(
            cycles("volcano_action_scheduling_latency_milliseconds_count{action=\"allocate\"}"),
            cycles("volcano_e2e_scheduling_latency_milliseconds_count"),
        );

        remove(&server, "placed", 3);
        remove(&server, "waits", 2);
        sleep(SOON).await;
        let text = instance.health.metrics.text();
        let told: Vec<&str> =
            text.lines().filter(|line| ["placed\"", "waits\"", "queue_allocated_scalar_resources{"].iter().any(|of| line.contains(of))).collect();
        assert_eq!(told, [""; 0]);
        assert!(text.contains("volcano_unschedule_job_count 0"));
    });
}
