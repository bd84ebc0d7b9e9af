//! Files that are put into nodes before they start.

use super::Build;
use super::assign::Missing;
use crate::cluster::NodeFile;
use crate::config::problem::{Place, Wrong};
use crate::config::simple::FileEntry;
use crate::config::volume::path_in_node;

const MODE: u32 = 0o644;

impl Build<'_> {
    pub(super) fn assign_files(&mut self) {
        for (index, entry) in self.merged.simple.files.iter().enumerate() {
            let path = format!("files[{index}]");
            let place = self.place(&format!("{path}.destination"));
            let destination = self.findings.take(&place, path_in_node(&entry.destination));
            let place = self.place(&format!("{path}.source"));
            let content = self.content(&place, entry);
            let targets = self.targets(&path, &entry.node_filters, Missing::Everything);
            let Some((path, content)) = destination.zip(content) else {
                continue;
            };
            for target in targets {
                let file = NodeFile {
                    path: path.clone(),
                    mode: MODE,
                    content: content.clone(),
                };
                if let Some(node) = self.node(target) {
                    node.files.push(file);
                }
            }
        }
    }

    /// The content itself when it has a line break, else that of a file, as seen from the config file; unlike k3d's, an
    /// absolute path stays what it is.
    fn content(&mut self, place: &Place, entry: &FileEntry) -> Option<Vec<u8>> {
        if entry.source.contains('\n') {
            return Some(entry.source.clone().into_bytes());
        }
        let path = self.folder(place).join(&entry.source);
        let read = (self.outside.read)(&path)
            .map_err(|error| Wrong::new(format!("failed to read {}: {error}", path.display())));
        self.findings.take(place, read)
    }
}
