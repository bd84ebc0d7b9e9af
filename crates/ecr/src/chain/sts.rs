//! Credentials of roles, as STS gives them.

use std::time::SystemTime;

use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::Full;
use registries::Secret;
use url::form_urlencoded::Serializer;

use super::{AwsCredentials, Role};
use crate::error::{Reason, word};
use crate::http::Answer;
use crate::sign::{Post, Scope, post};

const FORM: (&str, &str) = (
    "content-type",
    "application/x-www-form-urlencoded; charset=utf-8",
);

/// Asks for those of a role with a token of somebody whom the role trusts. Nobody signs it.
pub(super) fn with_web_identity(
    url: &Uri,
    role: &Role,
    token: &Secret,
) -> Result<Request<Full<Bytes>>, Reason> {
    let mut form = form("AssumeRoleWithWebIdentity", role);
    form.append_pair("WebIdentityToken", token.expose());
    asking(url, &mut form)?.unsigned()
}

/// Asks for those of a role with other credentials.
pub(super) fn with_credentials(
    url: &Uri,
    role: &Role,
    base: &AwsCredentials,
    region: &str,
    now: SystemTime,
) -> Result<Request<Full<Bytes>>, Reason> {
    let mut form = form("AssumeRole", role);
    if let Some(id) = &role.external_id {
        form.append_pair("ExternalId", id.expose());
    }
    let scope = Scope {
        service: "sts",
        region,
    };
    asking(url, &mut form)?.signed(base, scope, now)
}

fn form(action: &str, role: &Role) -> Serializer<'static, String> {
    let mut form = Serializer::new(String::new());
    form.append_pair("Action", action)
        .append_pair("Version", "2011-06-15")
        .append_pair("RoleArn", &role.arn)
        .append_pair("RoleSessionName", &role.session_name);
    form
}

fn asking(url: &Uri, form: &mut Serializer<'static, String>) -> Result<Post, Reason> {
    post(url, &[FORM], form.finish())
}

/// Reads what STS answered.
pub(super) fn credentials(answer: &Answer) -> Result<AwsCredentials, Reason> {
    let text = answer.text();
    if !answer.status.is_success() {
        return Err(Reason::Refused {
            status: answer.status.as_u16(),
            code: element(text, "Code").and_then(word),
        });
    }
    let secret = |name| {
        element(text, name)
            .filter(|value| !value.is_empty())
            .map(Secret::from)
            .ok_or(Reason::Unreadable("holds no credentials"))
    };
    Ok(AwsCredentials {
        key_id: secret("AccessKeyId")?,
        key: secret("SecretAccessKey")?,
        session_token: Some(secret("SessionToken")?),
    })
}

/// The text of the first element of that name. None of those that are read has children, attributes or escapes.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once('<')?;
    Some(text.trim())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::StatusCode;

    use super::credentials;
    use crate::http::Answer;

    fn answer(status: StatusCode, body: &'static str) -> Answer {
        Answer {
            status,
            error_type: None,
            body: Bytes::from_static(body.as_bytes()),
        }
    }

    #[test]
    fn credentials_are_read_out_of_the_answer() {
        let body = "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><AssumedRoleUser><Arn>arn:x</Arn></AssumedRoleUser><Credentials>\n<AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>a/b+c=</SecretAccessKey><SessionToken>t</SessionToken><Expiration>2030-01-02T03:04:05Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>";
        let read = credentials(&answer(StatusCode::OK, body)).unwrap();
        assert_eq!(read.key_id.expose(), "ASIA1");
        assert_eq!(read.key.expose(), "a/b+c=");
        assert_eq!(read.session_token.unwrap().expose(), "t");
    }

    #[test]
    fn a_refusal_names_the_services_word_alone() {
        let body = "<ErrorResponse><Error><Type>Sender</Type><Code>InvalidIdentityToken</Code><Message>the token hunter2 is wrong</Message></Error></ErrorResponse>";
        let error = credentials(&answer(StatusCode::BAD_REQUEST, body)).unwrap_err();
        assert_eq!(error.to_string(), "it answered 400 (InvalidIdentityToken)");
        let error = credentials(&answer(StatusCode::OK, "<html>hunter2")).unwrap_err();
        assert_eq!(error.to_string(), "its answer holds no credentials");
    }
}
