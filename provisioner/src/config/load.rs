//! From the text of a config file to a checked configuration of the newest version; and the other way, for new files.

use std::path::PathBuf;
use std::sync::Arc;

use super::duration;
use super::environment::{Environment, lay_over, lay_over_given};
use super::expand::{Expanded, expand};
use super::merge::decode;
use super::problem::{Findings, Place, Problem, Problems, Wrong};
use super::read::read;
use super::schema::{Schema, canonicalize};
use super::simple::Simple;
use super::tree::{Node, Value};
use super::versions::{self, Version};
use super::write::write;
use crate::names;

/// Where the text of a configuration was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// As the user named it, or `stdin`.
    pub name: String,
    /// The folder that `files` are seen from: that of the file, `.` for standard input.
    pub folder: PathBuf,
}

impl Origin {
    /// A file by its path.
    pub fn file(path: &str) -> Self {
        let folder = std::path::Path::new(path).parent().map(ToOwned::to_owned);
        Self {
            name: path.to_owned(),
            folder: folder
                .filter(|folder| !folder.as_os_str().is_empty())
                .unwrap_or_else(|| PathBuf::from(".")),
        }
    }

    pub fn standard_input() -> Self {
        Self {
            name: "stdin".to_owned(),
            folder: PathBuf::from("."),
        }
    }
}

/// A configuration that fits the newest schema, with the environment laid over it.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The version that the file has; the newest when there is no file.
    pub version: Version,
    pub warnings: Vec<Problem>,
    pub(super) tree: Node,
    pub(super) folder: PathBuf,
}

impl Loaded {
    /// What the file and the environment say.
    pub fn simple(&self) -> Simple {
        decode(&self.tree, &mut Findings::default())
    }

    /// The name of the cluster, if it is said: all that a deletion needs.
    pub fn cluster_name(&self) -> Option<&str> {
        self.tree.at("metadata.name").and_then(Node::as_text)
    }
}

/// Reads, checks and migrates the text of a config file.
pub fn load(text: &str, origin: &Origin, environment: &Environment) -> Result<Loaded, Problems> {
    let mut findings = Findings::default();
    let file: Arc<str> = Arc::from(origin.name.as_str());
    let expanded = expand(text, &|name| environment.get(name).map(ToOwned::to_owned));
    warn_of_unset(&expanded, &file, &mut findings);
    let mut tree = read(
        &expanded.text,
        &file,
        &|line| expanded.line(line),
        &mut findings,
    )?;
    let version = Version::of(&mut tree)?;
    let schema = Schema::of(version)?;
    canonicalize(&mut tree, schema.root(), &mut findings);
    schema.check(&tree, &mut findings);
    let (mut tree, warnings) = findings.finish(tree)?;

    let mut findings = Findings {
        warnings,
        ..Findings::default()
    };
    lay_over_given(&mut tree, schema.root(), environment);
    schema.check(&tree, &mut findings);
    let (mut tree, mut warnings) = findings.finish(tree)?;
    let newest = if version < Version::NEWEST {
        let place = tree.place_of("apiVersion").clone();
        let what = format!(
            "the file is of an older version than {}",
            Version::NEWEST.name()
        );
        warnings.push(
            Wrong::new(what)
                .mend("write it anew with: config migrate")
                .at(&place),
        );
        versions::migrate(&mut tree, version);
        Schema::of(Version::NEWEST)?
    } else {
        schema
    };
    let (tree, warnings) = complete(tree, &newest, warnings, environment)?;
    Ok(Loaded {
        version,
        warnings,
        tree,
        folder: origin.folder.clone(),
    })
}

/// What the environment says when there is no file.
pub fn without_file(environment: &Environment) -> Result<Loaded, Problems> {
    let version = Version::NEWEST;
    let meta = [
        ("apiVersion", Value::text(version.name())),
        ("kind", Value::text("Simple")),
    ];
    let (tree, warnings) = complete(
        Node::map(&Place::Default, meta),
        &Schema::of(version)?,
        Vec::new(),
        environment,
    )?;
    Ok(Loaded {
        version,
        warnings,
        tree,
        folder: PathBuf::from("."),
    })
}

/// Lays the environment over a configuration of the newest version and checks it.
fn complete(
    mut tree: Node,
    schema: &Schema,
    warnings: Vec<Problem>,
    environment: &Environment,
) -> Result<(Node, Vec<Problem>), Problems> {
    let mut findings = Findings {
        warnings,
        ..Findings::default()
    };
    lay_over(&mut tree, schema.root(), environment);
    schema.check(&tree, &mut findings);
    findings.finish(tree)
}

fn warn_of_unset(expanded: &Expanded, file: &Arc<str>, findings: &mut Findings) {
    for (name, line) in &expanded.unset {
        let place = Place::File {
            file: Arc::clone(file),
            line: *line,
            path: format!("${name}"),
        };
        let wrong = Wrong::new("the variable is not set, so nothing stands in its place")
            .mend("write $$ for a $ that belongs to the text");
        findings.warnings.push(wrong.at(&place));
    }
}

/// A new config file.
pub fn init(image: &str) -> String {
    let (version, name) = (Version::NEWEST.name(), names::DEFAULT_CLUSTER);
    format!(
        "---\napiVersion: {version}\nkind: Simple\nmetadata:\n  name: {name}\nservers: 1\nagents: 0\nimage: {image}\n"
    )
}

/// The same configuration in the newest version. Variables stay as they are, so that no secret gets into the new file.
pub fn migrate(text: &str, origin: &Origin) -> Result<String, Problems> {
    let mut findings = Findings::default();
    let file: Arc<str> = Arc::from(origin.name.as_str());
    let mut tree = read(text, &file, &|line| line, &mut findings)?;
    let version = Version::of(&mut tree)?;
    let schema = Schema::of(version)?;
    canonicalize(&mut tree, schema.root(), &mut findings);
    schema.check_unexpanded(&tree, &mut findings);
    let (mut tree, _) = findings.finish(tree)?;

    versions::migrate(&mut tree, version);
    write_timeout_as_text(&mut tree);
    let newest = Schema::of(Version::NEWEST)?;
    let mut findings = Findings::default();
    newest.check_unexpanded(&tree, &mut findings);
    let (tree, _) = findings.finish(tree)?;
    Ok(write(&tree, newest.root()))
}

/// A number of nanoseconds, as k3d writes it, becomes a duration.
fn write_timeout_as_text(tree: &mut Node) {
    if let Some(node) = tree.at_mut("options.k3d.timeout")
        && let Value::Integer(nanoseconds) = node.value
    {
        node.value = Value::Text(duration::format_nanoseconds(nanoseconds));
    }
}
