//! What a newer Docker Engine does otherwise: several networks at once when a container is made, other archives of images,
//! containerd's image store.

use e2e::docker::{ImageStore, newer_docker_scenario};

use super::{beyond, lifecycle, networks, registries};

#[tokio::test]
async fn clusters_live_beside_overlay2() {
    newer_docker_scenario(ImageStore::Graph, lifecycle::lives).await;
}

#[tokio::test]
async fn clusters_live_beside_the_image_store() {
    newer_docker_scenario(ImageStore::Containerd, lifecycle::lives).await;
}

#[tokio::test]
async fn registries_serve_beside_overlay2() {
    newer_docker_scenario(ImageStore::Graph, registries::serves).await;
}

#[tokio::test]
async fn registries_serve_beside_the_image_store() {
    newer_docker_scenario(ImageStore::Containerd, registries::serves).await;
}

#[tokio::test]
async fn nodes_join_several_networks_beside_overlay2() {
    newer_docker_scenario(ImageStore::Graph, networks::joins).await;
}

#[tokio::test]
async fn nodes_join_several_networks_beside_the_image_store() {
    newer_docker_scenario(ImageStore::Containerd, networks::joins).await;
}

#[tokio::test]
async fn old_images_go_from_the_image_store() {
    newer_docker_scenario(ImageStore::Containerd, beyond::leaves_no_old_images).await;
}
