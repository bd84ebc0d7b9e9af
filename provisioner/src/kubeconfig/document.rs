//! One file: checked when it is read, changed where it stands.

use std::collections::BTreeSet;

use super::error::{Error, Result};
use crate::yaml_text::{Content, Node, read, rewrite};

/// The three lists of a kubeconfig.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Cluster,
    Context,
    User,
}

impl Kind {
    pub(super) const ALL: [Self; 3] = [Self::Cluster, Self::Context, Self::User];

    pub(super) fn list(self) -> &'static str {
        match self {
            Self::Cluster => "clusters",
            Self::Context => "contexts",
            Self::User => "users",
        }
    }

    /// The key of an entry behind which its content stands, and the word for an entry.
    pub(super) fn body(self) -> &'static str {
        match self {
            Self::Cluster => "cluster",
            Self::Context => "context",
            Self::User => "user",
        }
    }

    /// What of an entry is ours to say. The rest (a context's namespace, extensions, what newer versions bring) is kept
    /// when an entry is updated.
    fn owned(self) -> &'static [&'static str] {
        match self {
            Self::Cluster => &[
                "certificate-authority",
                "certificate-authority-data",
                "insecure-skip-tls-verify",
                "server",
                "tls-server-name",
            ],
            Self::Context => &["cluster", "user"],
            Self::User => &[
                "as",
                "as-groups",
                "as-uid",
                "as-user-extra",
                "auth-provider",
                "client-certificate",
                "client-certificate-data",
                "client-key",
                "client-key-data",
                "exec",
                "password",
                "token",
                "tokenFile",
                "username",
            ],
        }
    }
}

const CURRENT: &str = "current-context";
const KNOWN: [&str; 7] = [
    "apiVersion",
    "clusters",
    "contexts",
    CURRENT,
    "kind",
    "preferences",
    "users",
];

/// A kubeconfig as it stands in a file.
#[derive(Clone)]
pub(super) struct Document {
    text: String,
    /// `None`: there is nothing in it.
    root: Option<Node>,
}

impl Document {
    pub(super) fn read(text: &str, origin: &str) -> Result<Self> {
        let root = read(text)
            .map_err(|fault| Error::fault(origin, fault))?
            .filter(|root| !root.is_null());
        if let Some(root) = &root {
            Check { origin }.root(root)?;
        }
        Ok(Self {
            text: text.to_owned(),
            root,
        })
    }

    /// Names of the entries, in their order.
    pub(super) fn names(&self, kind: Kind) -> impl Iterator<Item = &str> {
        let items = self.root.as_ref().and_then(|root| root.get(kind.list()));
        let items = items.and_then(Node::items).unwrap_or_default();
        items.iter().filter_map(name_of)
    }

    /// The current context, if one is named.
    pub(super) fn current(&self) -> Option<&str> {
        let current = self.root.as_ref()?.get(CURRENT)?.as_text()?;
        (!current.is_empty()).then_some(current)
    }

    pub(super) fn draft(&self) -> Draft {
        Draft {
            root: self.root.clone().unwrap_or_else(skeleton),
        }
    }

    /// The text with what the draft changed, or `None` when nothing did.
    pub(super) fn changed(&self, draft: &Draft) -> Option<String> {
        let is_same = match &self.root {
            Some(root) => *root == draft.root,
            None => draft.root == skeleton(),
        };
        if is_same {
            return None;
        }
        Some(rewrite(&self.text, self.root.as_ref(), &draft.root))
    }
}

/// A document that is being changed.
pub(super) struct Draft {
    root: Node,
}

impl Draft {
    /// The content of an entry.
    pub(super) fn body(&mut self, kind: Kind, name: &str) -> Option<&mut Node> {
        let item = self.item(kind, name)?;
        item.get_mut(kind.body())
    }

    pub(super) fn rename(&mut self, kind: Kind, from: &str, to: &str) {
        if let Some(item) = self.item(kind, from) {
            item.set("name", Node::text(to));
        }
    }

    /// Updates the entry of this name, or adds one.
    pub(super) fn put(&mut self, kind: Kind, name: &str, body: &Node) {
        let Some(item) = self.item(kind, name) else {
            let mut pairs = [("name", Node::text(name)), (kind.body(), body.clone())];
            pairs.sort_by_key(|(key, _)| *key);
            self.append(kind, Node::map(pairs));
            return;
        };
        let Some(old) = item
            .get_mut(kind.body())
            .filter(|old| old.entries().is_some_and(|entries| !entries.is_empty()))
        else {
            item.set(kind.body(), body.clone());
            return;
        };
        for key in kind.owned() {
            match body.get(key) {
                Some(value) => old.set(key, value.clone()),
                None => old.remove(key),
            }
        }
    }

    pub(super) fn remove(&mut self, kind: Kind, name: &str) {
        let list = self.root.get_mut(kind.list());
        if let Some(Content::Sequence(items)) = list.map(|list| &mut list.content) {
            items.retain(|item| name_of(item) != Some(name));
        }
    }

    pub(super) fn set_current(&mut self, context: &str) {
        self.root.set(CURRENT, Node::text(context));
    }

    fn item(&mut self, kind: Kind, name: &str) -> Option<&mut Node> {
        let list = self.root.get_mut(kind.list())?;
        let Content::Sequence(items) = &mut list.content else {
            return None;
        };
        items.iter_mut().find(|item| name_of(item) == Some(name))
    }

    fn append(&mut self, kind: Kind, item: Node) {
        match self.root.get_mut(kind.list()).map(|list| &mut list.content) {
            Some(Content::Sequence(items)) => items.push(item),
            // Missing or null: the check let nothing else in.
            _ => self.root.set(kind.list(), Node::list(vec![item])),
        }
    }
}

fn name_of(item: &Node) -> Option<&str> {
    item.get("name")?.as_text()
}

fn skeleton() -> Node {
    let empty_list = || Node::list(Vec::new());
    Node::map([
        ("apiVersion", Node::text("v1")),
        ("clusters", empty_list()),
        ("contexts", empty_list()),
        (CURRENT, Node::text("")),
        ("kind", Node::text("Config")),
        ("preferences", Node::of(Content::Mapping(Vec::new()))),
        ("users", empty_list()),
    ])
}

/// Whether a document is a kubeconfig at all, before anything in it is changed.
struct Check<'a> {
    origin: &'a str,
}

impl Check<'_> {
    fn root(&self, root: &Node) -> Result<()> {
        let Some(entries) = root.entries() else {
            return self.refuse(root, "this is not a kubeconfig: name another file");
        };
        let mut seen = BTreeSet::new();
        for (key, _) in entries {
            if let Some(name) = key.as_text().filter(|name| KNOWN.contains(name))
                && !seen.insert(name)
            {
                return self.refuse(
                    key,
                    format!("{name} stands here a second time: make it one"),
                );
            }
        }
        if seen.is_empty() && !entries.is_empty() {
            let what = "this is not a kubeconfig: it has no clusters, contexts or users: name another file";
            return self.refuse(root, what);
        }
        for (key, wanted) in [("kind", "Config"), ("apiVersion", "v1")] {
            if let Some(value) = root.get(key)
                && value.as_text() != Some(wanted)
            {
                let what =
                    format!("this is not a kubeconfig: {key} is not {wanted}: name another file");
                return self.refuse(value, what);
            }
        }
        for kind in Kind::ALL {
            if let Some(list) = root.get(kind.list()).filter(|list| !list.is_null()) {
                self.list(kind, list)?;
            }
        }
        match root.get(CURRENT) {
            Some(current) if current.entries().is_some() || current.items().is_some() => {
                self.refuse(current, "current-context must be a single text")
            }
            _ => Ok(()),
        }
    }

    fn list(&self, kind: Kind, list: &Node) -> Result<()> {
        let Some(items) = list.items() else {
            return self.refuse(list, format!("{} must be a list", kind.list()));
        };
        for item in items {
            let body = kind.body();
            if name_of(item).is_none() {
                return self.refuse(
                    item,
                    format!("this {body} has no name: give it one, or remove it"),
                );
            }
            if let Some(value) = item.get(body)
                && value.entries().is_none()
                && !value.is_null()
            {
                return self.refuse(
                    value,
                    format!("`key: value` lines are expected below {body}"),
                );
            }
        }
        Ok(())
    }

    fn refuse(&self, node: &Node, problem: impl Into<String>) -> Result<()> {
        let (line, column) = node
            .place
            .map_or((1, 1), |place| (place.line, place.column + 1));
        Err(Error::Content {
            origin: self.origin.to_owned(),
            line,
            column,
            problem: problem.into(),
        })
    }
}
