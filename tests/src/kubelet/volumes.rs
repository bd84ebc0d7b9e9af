//! A pod's volumes as folders; Secrets and `ConfigMap`s are swapped whole, by renaming `..data`, as the kubelet does it.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, bail};
use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{
    ConfigMap, HostPathVolumeSource, KeyToPath, Pod, ProjectedVolumeSource, Secret, ServiceAccount,
    Volume, VolumeProjection,
};
use kube::api::PostParams;
use kube::{Api, Client};

use super::environment::field;

/// Path inside the volume, mode and content of each file.
type Files = BTreeMap<String, (u32, Vec<u8>)>;

static SWAPS: AtomicU64 = AtomicU64::new(0);

/// Writes all volumes but host paths; called again, it brings them up to date.
pub(super) async fn write(client: &Client, pod: &Pod, folder: &Path) -> Result<()> {
    for volume in pod
        .spec
        .iter()
        .flat_map(|spec| spec.volumes.iter().flatten())
    {
        let target = folder.join(&volume.name);
        std::fs::create_dir_all(&target)?;
        let Some(files) = files_of(client, pod, volume)
            .await
            .with_context(|| format!("volume {}", volume.name))?
        else {
            if volume.empty_dir.is_some() {
                // Whoever the container runs as may write there.
                std::fs::set_permissions(&target, std::fs::Permissions::from_mode(0o777))?;
            }
            continue;
        };
        swap(&target, &files)?;
    }
    Ok(())
}

/// Whether what the volumes hold may still change.
pub(super) fn may_change(pod: &Pod) -> bool {
    let volumes = pod
        .spec
        .iter()
        .flat_map(|spec| spec.volumes.iter().flatten());
    volumes
        .clone()
        .any(|volume| volume.secret.is_some() || volume.config_map.is_some())
}

/// The folder or file of the node that a host path names; created when its type says so.
pub(super) fn host_path(node_root: &Path, volume: &HostPathVolumeSource) -> Result<PathBuf> {
    let path = node_root.join(volume.path.trim_start_matches('/'));
    match volume.type_.as_deref().unwrap_or_default() {
        "DirectoryOrCreate" => std::fs::create_dir_all(&path)?,
        "FileOrCreate" if !path.exists() => std::fs::write(&path, "")?,
        "Directory" if !path.is_dir() => bail!(
            "hostPath type check failed: {} is not a directory",
            volume.path
        ),
        "File" if !path.is_file() => {
            bail!("hostPath type check failed: {} is not a file", volume.path)
        }
        _ if !path.exists() => bail!("hostPath {} does not exist", volume.path),
        _ => {}
    }
    Ok(path)
}

async fn files_of(client: &Client, pod: &Pod, volume: &Volume) -> Result<Option<Files>> {
    let namespace = pod.metadata.namespace.as_deref().unwrap_or("default");
    if let Some(source) = &volume.secret {
        let name = source
            .secret_name
            .as_deref()
            .context("a Secret volume names no Secret")?;
        let data = secret(client, namespace, name, source.optional).await?;
        return Ok(Some(select(
            data,
            source.items.as_deref(),
            mode(source.default_mode),
        )?));
    }
    if let Some(source) = &volume.config_map {
        let data = config_map(client, namespace, &source.name, source.optional).await?;
        return Ok(Some(select(
            data,
            source.items.as_deref(),
            mode(source.default_mode),
        )?));
    }
    if let Some(source) = &volume.projected {
        return Ok(Some(projected(client, pod, source).await?));
    }
    if let Some(source) = &volume.downward_api {
        let mut files = Files::new();
        for item in source.items.iter().flatten() {
            let reference = item
                .field_ref
                .as_ref()
                .context("the test kubelet knows fieldRef only")?;
            let value = field(pod, &reference.field_path, None)?;
            files.insert(
                item.path.clone(),
                (mode(source.default_mode), value.into_bytes()),
            );
        }
        return Ok(Some(files));
    }
    if volume.empty_dir.is_some() || volume.host_path.is_some() {
        return Ok(None);
    }
    bail!("the test kubelet does not know this kind of volume")
}

async fn projected(client: &Client, pod: &Pod, source: &ProjectedVolumeSource) -> Result<Files> {
    let mut files = Files::new();
    for part in source.sources.iter().flatten() {
        files.extend(projection(client, pod, part, mode(source.default_mode)).await?);
    }
    Ok(files)
}

async fn projection(
    client: &Client,
    pod: &Pod,
    part: &VolumeProjection,
    mode: u32,
) -> Result<Files> {
    let namespace = pod.metadata.namespace.as_deref().unwrap_or("default");
    if let Some(source) = &part.secret {
        return select(
            secret(client, namespace, &source.name, source.optional).await?,
            source.items.as_deref(),
            mode,
        );
    }
    if let Some(source) = &part.config_map {
        return select(
            config_map(client, namespace, &source.name, source.optional).await?,
            source.items.as_deref(),
            mode,
        );
    }
    if let Some(source) = &part.service_account_token {
        let account = pod
            .spec
            .as_ref()
            .and_then(|spec| spec.service_account_name.as_deref())
            .unwrap_or("default");
        let request = TokenRequest {
            spec: TokenRequestSpec {
                audiences: source.audience.clone().into_iter().collect(),
                expiration_seconds: source.expiration_seconds,
                bound_object_ref: Some(BoundObjectReference {
                    api_version: Some("v1".into()),
                    kind: Some("Pod".into()),
                    name: pod.metadata.name.clone(),
                    uid: pod.metadata.uid.clone(),
                }),
            },
            ..Default::default()
        };
        let accounts = Api::<ServiceAccount>::namespaced(client.clone(), namespace);
        let answer = accounts
            .create_token_request(account, &PostParams::default(), &request)
            .await?;
        let token = answer
            .status
            .context("the token request has no status")?
            .token;
        return Ok(Files::from([(
            source.path.clone(),
            (mode, token.into_bytes()),
        )]));
    }
    let mut files = Files::new();
    for item in part
        .downward_api
        .iter()
        .flat_map(|source| source.items.iter().flatten())
    {
        let reference = item
            .field_ref
            .as_ref()
            .context("the test kubelet knows fieldRef only")?;
        files.insert(
            item.path.clone(),
            (mode, field(pod, &reference.field_path, None)?.into_bytes()),
        );
    }
    Ok(files)
}

async fn secret(
    client: &Client,
    namespace: &str,
    name: &str,
    optional: Option<bool>,
) -> Result<BTreeMap<String, Vec<u8>>> {
    let found = Api::<Secret>::namespaced(client.clone(), namespace)
        .get_opt(name)
        .await?;
    match found {
        Some(secret) => Ok(secret
            .data
            .unwrap_or_default()
            .into_iter()
            .map(|(key, value)| (key, value.0))
            .collect()),
        None if optional == Some(true) => Ok(BTreeMap::new()),
        None => bail!("secret \"{name}\" not found"),
    }
}

async fn config_map(
    client: &Client,
    namespace: &str,
    name: &str,
    optional: Option<bool>,
) -> Result<BTreeMap<String, Vec<u8>>> {
    let found = Api::<ConfigMap>::namespaced(client.clone(), namespace)
        .get_opt(name)
        .await?;
    match found {
        Some(map) => Ok(map
            .data
            .unwrap_or_default()
            .into_iter()
            .map(|(key, value)| (key, value.into_bytes()))
            .collect()),
        None if optional == Some(true) => Ok(BTreeMap::new()),
        None => bail!("configmap \"{name}\" not found"),
    }
}

fn select(
    data: BTreeMap<String, Vec<u8>>,
    items: Option<&[KeyToPath]>,
    mode: u32,
) -> Result<Files> {
    let Some(items) = items.filter(|items| !items.is_empty()) else {
        return Ok(data
            .into_iter()
            .map(|(key, value)| (key, (mode, value)))
            .collect());
    };
    items
        .iter()
        .map(|item| {
            let value = data
                .get(&item.key)
                .with_context(|| format!("references non-existent key: {}", item.key))?;
            Ok((
                item.path.clone(),
                (item.mode.map_or(mode, i32::cast_unsigned), value.clone()),
            ))
        })
        .collect()
}

fn mode(default: Option<i32>) -> u32 {
    default.map_or(0o644, i32::cast_unsigned)
}

/// Writes the files into a folder of their own and lets `..data` point there, in one step.
fn swap(volume: &Path, files: &Files) -> Result<()> {
    let data = volume.join("..data");
    let old = std::fs::read_link(&data).ok();
    if old.is_some() && is_current(&data, files) {
        return Ok(());
    }
    let stamp = format!("..{}", SWAPS.fetch_add(1, Ordering::Relaxed));
    for (path, (mode, content)) in files {
        let file = volume.join(&stamp).join(path);
        std::fs::create_dir_all(file.parent().context("no folder")?)?;
        std::fs::write(&file, content)?;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(*mode))?;
    }
    std::fs::create_dir_all(volume.join(&stamp))?;
    let next = volume.join("..data_tmp");
    std::os::unix::fs::symlink(&stamp, &next)?;
    std::fs::rename(&next, &data)?;
    for path in files.keys() {
        let first = path.split('/').next().unwrap_or(path);
        let link = volume.join(first);
        if std::fs::symlink_metadata(&link).is_err() {
            std::os::unix::fs::symlink(Path::new("..data").join(first), link)?;
        }
    }
    for entry in std::fs::read_dir(volume)?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with("..")
            && !files
                .keys()
                .any(|path| path.split('/').next() == Some(&name))
        {
            std::fs::remove_file(entry.path())?;
        }
    }
    if let Some(old) = old {
        std::fs::remove_dir_all(volume.join(old))?;
    }
    Ok(())
}

fn is_current(data: &Path, files: &Files) -> bool {
    let count = std::fs::read_dir(data)
        .map(Iterator::count)
        .unwrap_or_default();
    let nested = files.keys().any(|path| path.contains('/'));
    (nested || count == files.len())
        && files.iter().all(|(path, (_, content))| {
            std::fs::read(data.join(path)).is_ok_and(|found| found == *content)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_volume_is_swapped_whole_and_an_equal_one_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let files =
            |text: &str| Files::from([("a".to_string(), (0o600, text.as_bytes().to_vec()))]);
        swap(folder.path(), &files("1")).unwrap();
        let first = std::fs::read_link(folder.path().join("..data")).unwrap();
        swap(folder.path(), &files("1")).unwrap();
        assert_eq!(
            std::fs::read_link(folder.path().join("..data")).unwrap(),
            first
        );
        let other = Files::from([("b".to_string(), (0o600, b"2".to_vec()))]);
        swap(folder.path(), &other).unwrap();
        assert_eq!(std::fs::read(folder.path().join("b")).unwrap(), b"2");
        assert!(!folder.path().join("a").exists());
        assert!(!folder.path().join(first).exists());
    }
}
