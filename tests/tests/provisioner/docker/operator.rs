//! `berth cluster create --berth`: the operator in a cluster from its first start on.

use anyhow::ensure;
use e2e::docker::scenario;
use e2e::eventually;

use super::support::{SOON, contains, node};

#[tokio::test]
async fn the_operator_is_in_a_new_cluster_with_the_images_that_the_engine_has() {
    scenario(async |session| {
        let cluster = session.name("operator");
        let version = env!("CARGO_PKG_VERSION");
        let images = [
            format!("berth-operator:{version}"),
            format!("berth-node-writer:{version}"),
        ];
        for image in &images {
            session.engine.make_small_image(image).await?;
        }
        let create = [
            "cluster", "create", &cluster, "--berth", "--no-lb", "--image",
        ];
        let create = [&create[..], &[session.node_image()]].concat();
        session.berth(&create).succeeds().await?;
        eventually("the operator's objects", SOON, || async {
            let kinds = "customresourcedefinition/registryconfigs.berth.dev";
            session.kubectl(&["get", kinds]).await?;
            let deployment = [
                "get",
                "deployment",
                "berth-operator",
                "--namespace",
                "berth-system",
            ];
            session.kubectl(&deployment).await
        })
        .await?;
        let server = node(&cluster, "server-0");
        let list = ["ctr", "--namespace", "k8s.io", "images", "list", "--quiet"];
        let there = session.engine.exec(&server, &list).await?;
        for image in &images {
            contains(&there, image)?;
        }
        session
            .k3d(&["cluster", "create", "x", "--berth"])
            .ends_with(1)
            .await?;
        session.remember_volumes().await?;
        session.delete(&cluster).await?;
        for image in &images {
            session.engine.run(&["image", "rm", image]).await?;
        }
        ensure!(session.engine.containers(&cluster).await?.is_empty());
        Ok(())
    })
    .await;
}
