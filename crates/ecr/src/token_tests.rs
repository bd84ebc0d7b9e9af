use bytes::Bytes;
use http::StatusCode;

use super::read;
use crate::http::Answer;

fn answer(status: u16, error_type: Option<&str>, body: &'static str) -> Answer {
    Answer {
        status: StatusCode::from_u16(status).unwrap(),
        error_type: error_type.map(str::to_owned),
        body: Bytes::from_static(body.as_bytes()),
    }
}

#[test]
fn private_and_public_registries_answer_with_a_list_and_with_one() {
    // AWS:pass:word
    for body in [
        r#"{"authorizationData":[{"authorizationToken":"QVdTOnBhc3M6d29yZA==","expiresAt":1.7976934E9,"proxyEndpoint":"https://x"}]}"#,
        r#"{"authorizationData":{"authorizationToken":"QVdTOnBhc3M6d29yZA==","expiresAt":1797693400}}"#,
    ] {
        let token = read(&answer(200, None, body)).unwrap();
        assert_eq!(token.username, "AWS");
        assert_eq!(token.password.expose(), "pass:word");
        assert_eq!(token.expires.unwrap().as_second(), 1_797_693_400);
    }
}

#[test]
fn an_answer_without_a_token_is_refused_without_repeating_it() {
    for body in [
        "hunter2",
        "{}",
        r#"{"authorizationData":[]}"#,
        r#"{"authorizationData":[{"authorizationToken":"hunter2"}]}"#,
        // AWS:
        r#"{"authorizationData":[{"authorizationToken":"QVdTOg=="}]}"#,
    ] {
        let error = read(&answer(200, None, body)).unwrap_err();
        assert_eq!(error.to_string(), "its answer holds no token", "{body}");
    }
}

#[test]
fn a_refusal_names_the_services_word_alone() {
    let table = [
        (
            None,
            r#"{"__type":"UnrecognizedClientException","message":"hunter2"}"#,
            "it answered 400 (UnrecognizedClientException)",
        ),
        (
            Some("AccessDeniedException:http://x"),
            "hunter2",
            "it answered 400 (AccessDeniedException)",
        ),
        (None, "hunter2", "it answered 400"),
    ];
    for (header, body, expected) in table {
        let error = read(&answer(400, header, body)).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}
