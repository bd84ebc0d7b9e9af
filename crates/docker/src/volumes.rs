//! Volumes.

use bollard::models::{Volume, VolumeCreateRequest};
use bollard::query_parameters::{ListVolumesOptions, RemoveVolumeOptions};

use crate::engine::Engine;
use crate::error::{Error, Operation};
use crate::names::checked;

impl Engine {
    /// The volumes that have all of these labels.
    pub async fn volumes(&self, labels: &[&str]) -> Result<Vec<Volume>, Error> {
        let operation = Operation::new("list volumes", "");
        let options = ListVolumesOptions {
            filters: Some(crate::containers::label_filter(labels)),
        };
        let found = self
            .call(operation, self.docker.list_volumes(Some(options)))
            .await?;
        Ok(found.volumes.unwrap_or_default())
    }

    /// A volume by its name, if there is one.
    pub async fn volume(&self, name: &str) -> Result<Option<Volume>, Error> {
        let operation = Operation::new("inspect volume", name);
        let name = checked(&operation, name)?;
        match self.call(operation, self.docker.inspect_volume(name)).await {
            Ok(volume) => Ok(Some(volume)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Creates a volume, or gives the one of that name that is there already.
    pub async fn create_volume(&self, request: VolumeCreateRequest) -> Result<Volume, Error> {
        let operation = Operation::new("create volume", request.name.clone().unwrap_or_default());
        self.call(operation, self.docker.create_volume(request))
            .await
    }

    /// Removes a volume; `force` also when it is gone already.
    pub async fn remove_volume(&self, name: &str, force: bool) -> Result<(), Error> {
        let operation = Operation::new("remove volume", name);
        let name = checked(&operation, name)?;
        let options = RemoveVolumeOptions { force };
        let call = self.docker.remove_volume(name, Some(options));
        self.patient_call(operation, call).await
    }
}
