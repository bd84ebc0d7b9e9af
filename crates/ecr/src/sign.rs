//! Signs requests as AWS wants them.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use bytes::Bytes;
use http::{Request, Uri, header};
use http_body_util::Full;
use tracing::subscriber::{NoSubscriber, with_default};

use crate::chain::AwsCredentials;
use crate::error::Reason;

const IMPOSSIBLE: Reason = Reason::Impossible("the request cannot be signed");

/// Which service of which region a signature is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope<'a> {
    pub(crate) service: &'a str,
    pub(crate) region: &'a str,
}

/// A POST that nothing is missing from but the signature.
pub(crate) fn post(url: &Uri, headers: &[(&str, &str)], body: String) -> Result<Post, Reason> {
    let host = url.authority().ok_or(IMPOSSIBLE)?.to_string();
    let headers = headers.iter().copied().chain([("host", host.as_str())]);
    Ok(Post {
        url: url.clone(),
        headers: headers
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        body,
    })
}

/// See [`post`].
pub(crate) struct Post {
    url: Uri,
    headers: Vec<(String, String)>,
    body: String,
}

impl Post {
    pub(crate) fn unsigned(self) -> Result<Request<Full<Bytes>>, Reason> {
        let mut request = Request::post(self.url).header(header::USER_AGENT, "berth");
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        let body = Full::new(Bytes::from(self.body));
        request.body(body).map_err(|_| IMPOSSIBLE)
    }

    pub(crate) fn signed(
        self,
        credentials: &AwsCredentials,
        scope: Scope<'_>,
        now: SystemTime,
    ) -> Result<Request<Full<Bytes>>, Reason> {
        let identity = Credentials::new(
            credentials.key_id.expose(),
            credentials.key.expose(),
            credentials
                .session_token
                .as_ref()
                .map(|token| token.expose().to_owned()),
            None,
            "berth",
        )
        .into();
        let parameters = SigningParams::builder()
            .identity(&identity)
            .region(scope.region)
            .name(scope.service)
            .time(now)
            .settings(SigningSettings::default())
            .build()
            .map_err(|_| IMPOSSIBLE)?
            .into();
        let headers = self.headers.iter();
        let signable = SignableRequest::new(
            "POST",
            self.url.to_string(),
            headers.map(|(name, value)| (name.as_str(), value.as_str())),
            SignableBody::Bytes(self.body.as_bytes()),
        )
        .map_err(|_| IMPOSSIBLE)?;
        // The signer traces what it signs, and the session's token is a part of that.
        let signed = with_default(NoSubscriber::default(), || sign(signable, &parameters));
        let (instructions, _) = signed.map_err(|_| IMPOSSIBLE)?.into_parts();
        let mut request = self.unsigned()?;
        instructions.apply_to_request_http1x(&mut request);
        Ok(request)
    }
}
