//! `path.Clean` and `path.Join`: lexical paths with forward slashes.

/// The shortest path that means the same: no empty, `.` or inner `..` elements; `.` if nothing is left.
pub(crate) fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut elements: Vec<&str> = Vec::new();
    for element in path.split('/') {
        match element {
            "" | "." => {}
            ".." => match elements.last() {
                Some(&"..") => elements.push(".."),
                Some(_) => {
                    elements.pop();
                }
                None if rooted => {}
                None => elements.push(".."),
            },
            _ => elements.push(element),
        }
    }
    let joined = elements.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

/// Joins the elements that are not empty and cleans the result; nothing gives the empty path.
pub(crate) fn join(elements: &[&str]) -> String {
    let present: Vec<&str> = elements
        .iter()
        .copied()
        .filter(|element| !element.is_empty())
        .collect();
    if present.is_empty() {
        return String::new();
    }
    clean(&present.join("/"))
}

#[cfg(test)]
mod tests {
    use super::{clean, join};

    #[test]
    fn cleans_like_go() {
        let table = [
            ("", "."),
            ("a//b", "a/b"),
            ("/a/../b/", "/b"),
            ("/../a", "/a"),
            ("../../a", "../../a"),
            ("a/..", "."),
            ("/", "/"),
            ("a/../../b", "../b"),
            ("./a/.", "a"),
        ];
        for (path, expected) in table {
            assert_eq!(clean(path), expected, "{path}");
        }
    }

    #[test]
    fn joining_drops_empty_elements_and_climbs() {
        assert_eq!(join(&["", ""]), "");
        assert_eq!(join(&["/", "/v2", "", "manifests", "1"]), "/v2/manifests/1");
        assert_eq!(join(&["/", "/v2", "../a", "tags"]), "/a/tags");
        assert_eq!(join(&["a", "b//c"]), "a/b/c");
    }
}
