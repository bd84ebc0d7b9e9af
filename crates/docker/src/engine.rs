//! A connection to an Engine, and how every call is made.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bollard::Docker;
use bytes::Bytes;
use futures::stream::BoxStream;

use crate::connect;
use crate::endpoint::Endpoint;
use crate::error::{Cause, Error, Operation};
use crate::facts::parse_api_version;

/// Bytes that come as they come, for example an archive.
pub type ByteStream = BoxStream<'static, io::Result<Bytes>>;

/// How long the first answer may take.
const FIRST_ANSWER: Duration = Duration::from_secs(20);

/// How long any call may take whose work does not depend on sizes or on what runs in a container.
const ANSWER: Duration = Duration::from_secs(300);

/// The oldest API that does what is needed: Docker 20.10.
const OLDEST_API: (u16, u16) = (1, 41);

/// A Docker Engine that answered once. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    pub(crate) docker: Docker,
    pub(crate) endpoint: Arc<Endpoint>,
    /// The endpoint's text, for errors.
    pub(crate) address: Arc<str>,
    pub(crate) api_version: (u16, u16),
}

impl Engine {
    /// Connects and asks for the version, so that an Engine that is not there is said at once.
    pub async fn connect(endpoint: Endpoint) -> Result<Self, Error> {
        let operation = Operation::new("reach the Docker Engine", "");
        let address: Arc<str> = endpoint.to_string().into();
        let docker = match connect::client(&endpoint) {
            Ok(docker) => docker,
            Err(source) => {
                return Err(operation.failed(Cause::Unreachable {
                    endpoint: address,
                    source: source.into(),
                }));
            }
        };
        let mut engine = Self {
            docker,
            endpoint: Arc::new(endpoint),
            address,
            api_version: OLDEST_API,
        };
        let version = engine
            .within(FIRST_ANSWER, &operation, engine.docker.version())
            .await?;
        let text = version.api_version.unwrap_or_default();
        let Some(found) = parse_api_version(&text) else {
            let reason = format!(
                "{} is no Docker Engine: it names no API version",
                engine.address
            );
            return Err(operation.failed(Cause::Unusable(reason)));
        };
        if found < OLDEST_API {
            return Err(operation.failed(Cause::TooOld {
                endpoint: engine.address,
                found,
            }));
        }
        engine.api_version = found;
        Ok(engine)
    }

    /// Where this Engine is.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The newest API that this Engine speaks, which is the one that is used.
    pub fn api_version(&self) -> (u16, u16) {
        self.api_version
    }

    /// Makes a call that should be quick.
    pub(crate) async fn call<T>(
        &self,
        operation: Operation,
        call: impl Future<Output = Result<T, bollard::errors::Error>>,
    ) -> Result<T, Error> {
        self.within(ANSWER, &operation, call).await
    }

    /// Makes a call that takes as long as it takes.
    pub(crate) async fn patient_call<T>(
        &self,
        operation: Operation,
        call: impl Future<Output = Result<T, bollard::errors::Error>>,
    ) -> Result<T, Error> {
        call.await.map_err(|error| self.failed(&operation, error))
    }

    async fn within<T>(
        &self,
        limit: Duration,
        operation: &Operation,
        call: impl Future<Output = Result<T, bollard::errors::Error>>,
    ) -> Result<T, Error> {
        match tokio::time::timeout(limit, call).await {
            Ok(result) => result.map_err(|error| self.failed(operation, error)),
            Err(_) => Err(operation.clone().failed(Cause::Silent {
                endpoint: Arc::clone(&self.address),
                limit,
            })),
        }
    }

    pub(crate) fn failed(&self, operation: &Operation, error: bollard::errors::Error) -> Error {
        operation.clone().error(&self.address, error)
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Engine")
            .field("address", &self.address)
            .field("api_version", &self.api_version)
            .finish_non_exhaustive()
    }
}
