//! `demo-pod-tweaks`: sets the runtime class, merges annotations, appends environment variables.

use super::{Plugin, PodContext, PodDraft};
use crate::modelserving::pods::for_each_container;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

pub(super) struct DemoPodTweaks;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Config {
    runtime_class_name: Option<String>,
    annotations: BTreeMap<String, String>,
    env: Vec<Value>,
}

impl Plugin for DemoPodTweaks {
    fn name(&self) -> &'static str {
        "demo-pod-tweaks"
    }

    fn pod_created(
        &self,
        config: Option<&Value>,
        _: &PodContext<'_>,
        draft: &mut PodDraft,
    ) -> Result<(), String> {
        let config: Config = match config {
            Some(config) => Config::deserialize(config).map_err(|error| format!("config: {error}"))?,
            None => Config::default(),
        };
        if let Some(class) = config.runtime_class_name.filter(|class| !class.is_empty()) {
            draft.spec.insert("runtimeClassName".to_owned(), class.into());
        }
        draft.annotations.extend(config.annotations);
        if !config.env.is_empty() {
            for_each_container(&mut draft.spec, |environment| environment.extend(config.env.iter().cloned()));
        }
        Ok(())
    }
}
