//! Images: those that the tests bring are there, others are pulled by the node's runtime, with the Events and states that a
//! kubelet shows meanwhile.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{
    ContainerState, ContainerStateRunning, ContainerStateTerminated, Event,
};
use kube::api::PostParams;
use kube::{Api, ResourceExt};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::sleep;

use super::container::{Play, Restart, asked, image_name, now, waiting};
use crate::containerd;

/// A kubelet takes ten seconds.
const BACK_OFF: Duration = Duration::from_secs(2);

/// Where a container's image comes from.
pub(super) enum ImageOf {
    /// A binary of this repository.
    Test,
    /// The node's runtime has pulled it.
    Runtime,
}

impl Play {
    /// Waits until the image is there; `None` when the container is to stop before.
    pub(super) async fn image(&self, stop: &mut watch::Receiver<bool>) -> Option<ImageOf> {
        let image = self.container.image.clone().unwrap_or_default();
        let runtime = self.node.runtime();
        let (Some(socket), false) = (runtime, self.shared.images.contains_key(image_name(&image)))
        else {
            self.update(|status| status.image_id.clone_from(&image));
            return Some(ImageOf::Test);
        };
        loop {
            self.tell("Normal", "Pulling", &format!("Pulling image \"{image}\""))
                .await;
            let began = Instant::now();
            let pulled = tokio::select! {
                pulled = containerd::pull(&socket, &image) => pulled,
                () = asked(stop) => return None,
            };
            match pulled {
                Ok(id) => {
                    let took = began.elapsed();
                    let text = format!("Successfully pulled image \"{image}\" in {took:?}");
                    self.tell("Normal", "Pulled", &text).await;
                    self.update(|status| status.image_id = id);
                    return Some(ImageOf::Runtime);
                }
                Err(error) => {
                    let error = format!(
                        "rpc error: code = {:?} desc = {}",
                        error.code(),
                        error.message()
                    );
                    let text = format!("Failed to pull image \"{image}\": {error}");
                    self.tell("Warning", "Failed", &text).await;
                    self.update(|status| status.state = Some(waiting("ErrImagePull", &error)));
                }
            }
            tokio::select! { () = sleep(BACK_OFF / 2) => {}, () = asked(stop) => return None }
            let text = format!("Back-off pulling image \"{image}\"");
            self.tell("Normal", "BackOff", &text).await;
            self.update(|status| status.state = Some(waiting("ImagePullBackOff", &text)));
            tokio::select! { () = sleep(BACK_OFF) => {}, () = asked(stop) => return None }
        }
    }

    /// Runs until it is stopped; what need not run for ever ends at once.
    pub(super) async fn do_nothing(&self, restart: Restart, stop: &mut watch::Receiver<bool>) {
        let started_at = Some(now());
        let stays = restart == Restart::Always;
        if stays {
            self.update(|status| {
                status.ready = true;
                status.started = Some(true);
                status.state = Some(ContainerState {
                    running: Some(ContainerStateRunning {
                        started_at: started_at.clone(),
                    }),
                    ..Default::default()
                });
            });
            asked(stop).await;
        }
        self.update(|status| {
            status.ready = false;
            status.state = Some(ContainerState {
                terminated: Some(ContainerStateTerminated {
                    reason: Some("Completed".into()),
                    finished_at: Some(now()),
                    started_at,
                    ..Default::default()
                }),
                ..Default::default()
            });
        });
    }

    async fn tell(&self, kind: &str, reason: &str, message: &str) {
        let namespace = self.pod.namespace().unwrap_or_default();
        let time = now();
        let event = serde_json::from_value::<Event>(json!({
            "metadata": {"generateName": format!("{}.", self.pod.name_any()), "namespace": namespace},
            "involvedObject": {"kind": "Pod", "apiVersion": "v1", "namespace": namespace, "name": self.pod.name_any(),
                               "uid": self.pod.uid(), "fieldPath": format!("spec.containers{{{}}}", self.container.name)},
            "reason": reason, "message": message, "type": kind, "count": 1,
            "firstTimestamp": time, "lastTimestamp": time,
            "source": {"component": "kubelet", "host": self.node.name},
        }));
        if let Ok(event) = event {
            let events = Api::<Event>::namespaced(self.shared.client.clone(), &namespace);
            // A kubelet drops what the API server does not take, too.
            let _ = events.create(&PostParams::default(), &event).await;
        }
    }
}
