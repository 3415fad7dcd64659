//! Does the API server in memory tell the truth? The same script of requests goes to it and to a real kube-apiserver; codes,
//! reasons and objects must be the same, but for what no two servers share: uids, versions, times and generated names.
//!
//! `sides` sends requests and takes from the answers what may differ; the other files are the scripts, one an area.

mod deletions;
mod objects;
mod owners;
mod patches;
mod pods;
mod reads;
mod sides;
mod writes;

use crate::cluster::TestCluster;
use sides::Side;
use std::sync::OnceLock;

/// A cluster of these tests' own: on the shared one other tests run the scheduler, which writes PodGroups' statuses.
fn cluster() -> Option<&'static TestCluster> {
    static CLUSTER: OnceLock<Option<TestCluster>> = OnceLock::new();
    CLUSTER.get_or_init(TestCluster::start).as_ref()
}

/// Runs a script on both sides and compares what came of each step.
macro_rules! conforms {
    ($($name:ident: $script:path;)*) => {$(
        #[test]
        fn $name() {
            let Some(cluster) = cluster() else { return };
            let namespace = concat!("conformance-", stringify!($name)).replace('_', "-");
            cluster.install_crds();
            cluster.namespace(&namespace);
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut real = Side::real(cluster, &namespace).await;
                let mut memory = Side::memory(&namespace);
                $script(&mut real).await;
                $script(&mut memory).await;
                memory.agrees_with(&real);
            });
        }
    )*};
}

conforms! {
    create: writes::create;
    built_in_kinds: writes::built_in_kinds;
    update: writes::update;
    status: writes::status;
    custom_resources: writes::custom_resources;
    patch: patches::patch;
    json_patch: patches::json_patch;
    strategic_patch: patches::strategic_patch;
    list: reads::list;
    watch: reads::watch;
    delete: deletions::delete;
    finalizers: deletions::finalizers;
    grace: deletions::grace;
    bind: pods::bind;
    evict: pods::evict;
    change_a_pod: pods::change;
    collect: owners::collect;
}
