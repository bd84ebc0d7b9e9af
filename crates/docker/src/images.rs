//! Images: finding, pulling, saving and loading them.

use std::collections::HashMap;

use bollard::models::{ImageInspect, ImageSummary};
use bollard::query_parameters::{CreateImageOptions, ImportImageOptions, ListImagesOptions};
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use registries::image::{ImageObject, ImageReference};

use crate::credentials::Credentials;
use crate::digest::Digest;
use crate::engine::{ByteStream, Engine};
use crate::error::{Cause, Error, Operation};
use crate::names::checked;

/// A line of what a pull says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The layer, by the beginning of its digest; empty for the whole image.
    pub id: String,
    /// For example `Downloading`.
    pub status: String,
    /// Bytes done.
    pub current: Option<u64>,
    /// Bytes in all.
    pub total: Option<u64>,
}

impl Engine {
    /// An image by its name or id, if the Engine has it.
    pub async fn image(&self, name: &str) -> Result<Option<ImageInspect>, Error> {
        let operation = Operation::new("inspect image", name);
        let name = checked(&operation, name)?;
        match self.call(operation, self.docker.inspect_image(name)).await {
            Ok(image) => Ok(Some(image)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All images that have a name.
    pub async fn images(&self) -> Result<Vec<ImageSummary>, Error> {
        let operation = Operation::new("list images", "");
        let dangling = HashMap::from([("dangling".to_owned(), vec!["false".to_owned()])]);
        let options = ListImagesOptions {
            filters: Some(dangling),
            ..ListImagesOptions::default()
        };
        self.call(operation, self.docker.list_images(Some(options)))
            .await
    }

    /// Pulls an image, with the credentials that [`crate::credentials::for_image`] finds. It is there when the stream ends
    /// without an error.
    pub fn pull(
        &self,
        image: &str,
        credentials: Option<&Credentials>,
    ) -> BoxStream<'static, Result<Progress, Error>> {
        let operation = Operation::new("pull image", image);
        let reference = match ImageReference::parse(image) {
            Ok(reference) => reference,
            Err(error) => {
                let error = operation.failed(Cause::Unusable(error.to_string()));
                return stream::iter([Err(error)]).boxed();
            }
        };
        // Without a tag an Engine would pull all of them.
        let (ImageObject::Tag(object) | ImageObject::Digest(object)) = reference.object;
        let options = CreateImageOptions {
            from_image: Some(format!("{}/{}", reference.registry, reference.repository)),
            tag: Some(object),
            ..CreateImageOptions::default()
        };
        let engine = self.clone();
        self.docker
            .create_image(Some(options), None, credentials.map(Credentials::exposed))
            .map(move |line| {
                let line = line.map_err(|error| engine.failed(&operation, error))?;
                let detail = line.progress_detail.unwrap_or_default();
                let bytes = |count: Option<i64>| count.and_then(|count| count.try_into().ok());
                Ok(Progress {
                    id: line.id.unwrap_or_default(),
                    status: line.status.unwrap_or_default(),
                    current: bytes(detail.current),
                    total: bytes(detail.total),
                })
            })
            .boxed()
    }

    /// The archive that `docker save` writes of these images, in the format of the Engine's age and kind.
    pub fn export(&self, names: &[&str]) -> BoxStream<'static, Result<Bytes, Error>> {
        let operation = Operation::new("save image", names.join(" "));
        for name in names {
            if let Err(error) = checked(&operation, name) {
                return stream::iter([Err(error)]).boxed();
            }
        }
        let engine = self.clone();
        self.docker
            .export_images(names)
            .map(move |bytes| bytes.map_err(|error| engine.failed(&operation, error)))
            .boxed()
    }

    /// The same as [`Engine::export`], as [`crate::image::Reader`] and [`crate::image::Layout`] take it.
    pub fn save(&self, names: &[&str]) -> ByteStream {
        self.export(names).map_err(std::io::Error::other).boxed()
    }

    /// The layers of an image, lowest first, by the digests of their content. [`crate::image::Reader::with_layers`] wants
    /// them.
    pub async fn layers(&self, name: &str) -> Result<Option<Vec<Digest>>, Error> {
        let Some(image) = self.image(name).await? else {
            return Ok(None);
        };
        let layers = image
            .root_fs
            .and_then(|root| root.layers)
            .unwrap_or_default();
        Ok(Some(
            layers
                .iter()
                .filter_map(|layer| layer.parse().ok())
                .collect(),
        ))
    }

    /// Loads an archive as `docker load` does and gives what the Engine says about it, for example
    /// `Loaded image: shop:1`.
    pub async fn load(&self, archive: ByteStream) -> Result<Vec<String>, Error> {
        let operation = Operation::new("load images", "");
        let options = ImportImageOptions {
            quiet: true,
            ..ImportImageOptions::default()
        };
        let mut lines = self.docker.import_image_stream(options, archive, None);
        let mut said = Vec::new();
        while let Some(line) = lines.next().await {
            let line = line.map_err(|error| self.failed(&operation, error))?;
            let text = line.stream.unwrap_or_default();
            said.extend(
                text.lines()
                    .map(str::trim)
                    .filter(|line| !line.is_empty())
                    .map(String::from),
            );
        }
        Ok(said)
    }

    /// Removes a name of an image, and the image with its last name.
    pub async fn remove_image(&self, name: &str, force: bool) -> Result<(), Error> {
        let operation = Operation::new("remove image", name);
        let name = checked(&operation, name)?;
        let options = bollard::query_parameters::RemoveImageOptions {
            force,
            ..Default::default()
        };
        let call = self.docker.remove_image(name, Some(options), None);
        self.patient_call(operation, call).await.map(drop)
    }
}
