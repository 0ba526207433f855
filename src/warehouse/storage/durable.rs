//! Writes local files that are either whole and on the disk, or not there. A file gets its name once its contents and all folders above it
//! are synced. Until then its name begins with `.` and ends with `.tmp`; readers ignore such names, and vacuum removes those that are left
//! behind.

use std::fs::{self, File};
use std::io::{Error, ErrorKind, Result};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::process::own_name;

/// A file under its temporary name, which is gone once this is dropped.
#[derive(Debug)]
pub(crate) struct Draft {
    file: File,
    temporary: PathBuf,
    folder: PathBuf,
    to: PathBuf,
}

/// A name that readers ignore and vacuum removes: of a file, the process that begins it, and what makes it unique.
pub(crate) fn temporary_name(file: &str, unique: &str) -> String {
    let process = own_name().map(|process| format!("{process}.")).unwrap_or_default();
    format!(".{file}.{process}{unique}.tmp")
}

/// What becomes of a file that has the name already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Existing {
    /// Replace it.
    Replace,
    /// Fails with [`ErrorKind::AlreadyExists`].
    Keep,
}

impl Draft {
    /// Begins a file, in folders that are made where they are missing.
    pub(crate) fn begin(to: &Path) -> Result<Self> {
        let (Some(folder), Some(name)) = (to.parent(), to.file_name()) else {
            return Err(Error::new(ErrorKind::InvalidInput, "not the name of a file"));
        };
        let unique = Uuid::new_v4().to_string();
        let temporary = folder.join(temporary_name(&name.to_string_lossy(), &unique));
        let file = match File::create_new(&temporary) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                make_folder(folder)?;
                File::create_new(&temporary)?
            }
            opened => opened?,
        };
        Ok(Self { file, temporary, folder: folder.to_owned(), to: to.to_owned() })
    }

    /// Writes bytes at an offset of the temporary file.
    pub(crate) fn write_at(&self, bytes: &[u8], offset: u64) -> Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    /// Gives the file its name. On success it stays, whatever happens to the machine.
    pub(crate) fn finish(&self, existing: Existing) -> Result<()> {
        self.file.sync_all()?;
        match existing {
            Existing::Replace => fs::rename(&self.temporary, &self.to)?,
            Existing::Keep => fs::hard_link(&self.temporary, &self.to)?,
        }
        sync_folder(&self.folder)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        match fs::remove_file(&self.temporary) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                tracing::warn!(path = %self.temporary.display(), %error, "a temporary file could not be deleted");
            }
            _ => {}
        }
    }
}

/// Makes a folder and those above it that are missing, and syncs their names. The path is absolute.
pub(crate) fn make_folder(folder: &Path) -> Result<()> {
    let parent = folder.parent().ok_or(ErrorKind::InvalidInput)?;
    let made = match fs::create_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            make_folder(parent)?;
            fs::create_dir(folder)
        }
        made => made,
    };
    match made {
        Err(_) if folder.is_dir() => Ok(()),
        Err(error) => Err(error),
        Ok(()) => sync_folder(parent),
    }
}

/// Names are in the folder: without this a file that is on the disk may have none there.
pub(crate) fn sync_folder(folder: &Path) -> Result<()> {
    match File::open(folder)?.sync_all() {
        // Some file systems, networked ones above all, have no such call for folders.
        Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => {
            Ok(())
        }
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_has_its_name_once_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("new/deeper/x.parquet");
        let draft = Draft::begin(&to).unwrap();
        draft.write_at(b"cd", 2).unwrap();
        draft.write_at(b"ab", 0).unwrap();
        let [name] = &names(to.parent().unwrap())[..] else { panic!("not one file") };
        assert!(name.starts_with(".x.parquet.") && name.ends_with(".tmp"), "{name}");
        draft.finish(Existing::Keep).unwrap();
        drop(draft);
        assert_eq!(names(to.parent().unwrap()), ["x.parquet"]);
        assert_eq!(fs::read(&to).unwrap(), b"abcd");

        let second = Draft::begin(&to).unwrap();
        second.write_at(b"second", 0).unwrap();
        assert_eq!(second.finish(Existing::Keep).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&to).unwrap(), b"abcd");
        second.finish(Existing::Replace).unwrap();
        drop(second);
        assert_eq!(fs::read(&to).unwrap(), b"second");
        drop(Draft::begin(&to).unwrap());
        assert_eq!(names(to.parent().unwrap()), ["x.parquet"]);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_an_error() {
        // A file stands where the folder should be, or the file system reports for every new folder that its parent is missing.
        let file = tempfile::NamedTempFile::new().unwrap();
        for folder in [file.path(), Path::new("/proc/self/fd")] {
            assert!(Draft::begin(&folder.join("new/deeper/x")).is_err());
        }
    }
}
