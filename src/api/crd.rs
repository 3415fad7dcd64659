//! The CustomResourceDefinitions of the four kinds that Phalanx reads and writes, made from code.
//!
//! On the wire they are those of Volcano (PodGroup, Queue, HyperNode) and Kthena (ModelServing): same names, defaults,
//! validation rules, columns and subresources, so that either can be installed before or after the other. Two things
//! differ on purpose: descriptions are short and our own, and a pod template's spec is kept as it is
//! (`x-kubernetes-preserve-unknown-fields`) where upstream inlines the whole PodSpec twice.
//!
//! `deploy/crds/` holds the same text, one file a kind; a test keeps the two equal. To bring the files up to date,
//! `cargo test --lib api::crd` writes what it expected to find under `target/crds/` and says so.

mod hyper_node;
mod model_serving;
mod pod_group;
mod queue;
mod schema;
#[cfg(test)]
pub(super) mod tests;

use serde_json::Value;

/// All definitions, in the order in which they are printed.
pub fn crds() -> Vec<Value> {
    vec![pod_group::crd(), queue::crd(), hyper_node::crd(), model_serving::crd()]
}

/// All definitions as one YAML stream that `kubectl apply -f -` takes. The same bytes every time.
pub fn crds_yaml() -> String {
    crds_files().into_iter().map(|(_, text)| format!("---\n{text}")).collect()
}

/// File name and YAML text of each definition, as `deploy/crds/` holds them.
pub fn crds_files() -> Vec<(String, String)> {
    crds()
        .iter()
        .map(|crd| {
            let plural = crd["spec"]["names"]["plural"].as_str().unwrap_or_default();
            let group = crd["spec"]["group"].as_str().unwrap_or_default();
            let yaml = serde_saphyr::to_string(crd).expect("JSON values have a YAML form");
            (format!("{group}_{plural}.yaml"), format!("# Written by `phalanx crds`.\n{yaml}"))
        })
        .collect()
}
