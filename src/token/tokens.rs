//! All tokens of a server, each with a name: the one of `--token`, whose name is `token`, and those of a file, which is read again while
//! the server runs. A file that is wrong leaves the tokens as they were.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::RwLock;

use super::{Token, User};
use crate::error::{Error, Result};

/// The name of the token of `--token`.
const ALONE: &str = "token";
/// The largest file of tokens: thousands of lines.
const MAX_FILE_BYTES: u64 = 1 << 20;
const MAX_NAME_BYTES: usize = 64;

/// The tokens of a server. All clones are the same tokens.
#[derive(Clone, Debug)]
pub struct Tokens(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    alone: Option<Token>,
    file: Option<PathBuf>,
    named: RwLock<Arc<[Named]>>,
}

#[derive(Clone, Debug)]
struct Named {
    user: User,
    token: Token,
}

impl Tokens {
    /// The token of a flag, and those of a file. Without either, there are no tokens and none is needed.
    pub fn open(alone: Option<Token>, file: Option<PathBuf>) -> Result<Self> {
        alone.as_ref().map(Token::check).transpose()?;
        let tokens = Self(Arc::new(Inner { alone, file, named: RwLock::new(Arc::default()) }));
        tokens.read_again()?;
        Ok(tokens)
    }

    /// Whether calls need no token.
    pub fn are_none(&self) -> bool {
        self.0.alone.is_none() && self.0.file.is_none()
    }

    /// The file of tokens.
    pub fn file(&self) -> Option<&Path> {
        self.0.file.as_deref()
    }

    /// Reads the file again. If it is wrong, nothing changes; the error names file and line, and never shows a token.
    pub fn read_again(&self) -> Result<()> {
        let Inner { alone, file, named } = &*self.0;
        let mut all: Vec<_> = match file {
            Some(file) => read(file)
                .map_err(|error| error.context(format!("--token-file {}", file.display())))?,
            None => Vec::new(),
        };
        if let Some(token) = alone {
            let user = User(ALONE.into());
            if let Some(file) = file.as_ref().filter(|_| all.iter().any(|one| one.user == user)) {
                let text = "the name `token` is that of --token; give another name";
                return Err(Error::argument(format!("--token-file {}: {text}", file.display())));
            }
            all.push(Named { user, token: token.clone() });
        }
        *named.write() = all.into();
        Ok(())
    }

    /// The name of a token. It takes the same time whichever it is: every token is compared.
    pub fn user(&self, sent: &str) -> Option<User> {
        let named = self.0.named.read().clone();
        let mut found = None;
        for one in named.iter() {
            if one.token.is(sent) {
                found = Some(&one.user);
            }
        }
        found.cloned()
    }
}

fn read(file: &Path) -> Result<Vec<Named>> {
    let as_argument = |error: std::io::Error| Error::argument(error.to_string());
    if fs::metadata(file).map_err(as_argument)?.is_dir() {
        return Err(Error::argument("it is a folder"));
    }
    let mut text = String::new();
    let file = File::open(file).map_err(as_argument)?;
    let length = file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text).map_err(as_argument)?;
    if length as u64 > MAX_FILE_BYTES {
        return Err(Error::argument(format!("it has more than {MAX_FILE_BYTES} bytes")));
    }
    parse(&text)
}

/// `NAME:TOKEN` in each line; blank lines and those that begin with `#` are passed over. A file without a token is wrong, since it is more
/// likely one that is being written than a wish to let nobody in.
fn parse(text: &str) -> Result<Vec<Named>> {
    let mut all = Vec::new();
    let (mut names, mut secrets) = (HashMap::new(), HashMap::new());
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = |why: &str| Error::argument(format!("line {number}: {why}"));
        let (name, token) =
            line.split_once(':').ok_or_else(|| wrong("it is not NAME:TOKEN, without blanks"))?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "._@-".contains(c);
        if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.chars().all(plain) {
            return Err(wrong("a name is letters, digits, `.`, `_`, `@` and `-`, at most 64"));
        }
        if let Some(before) = names.insert(name, number) {
            return Err(wrong(&format!("the name of line {before} again")));
        }
        if let Some(before) = secrets.insert(token, number) {
            return Err(wrong(&format!("the token of line {before} again")));
        }
        let (user, token) = (User(name.into()), Token(token.into()));
        token.check().map_err(|error| error.context(format!("line {number}")))?;
        all.push(Named { user, token });
    }
    if all.is_empty() {
        return Err(Error::argument("it has no token; give NAME:TOKEN in each line"));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        file
    }

    fn name(tokens: &Tokens, sent: &str) -> Option<String> {
        tokens.user(sent).map(|user| user.0.to_string())
    }

    #[test]
    fn each_token_has_its_name_until_the_file_says_otherwise() {
        let file = written("# operators\n\nana:s3same\r\n  broker-2:a:b \n");
        let tokens = Tokens::open(Some("own".parse().unwrap()), Some(file.path().into())).unwrap();
        for (sent, expected) in [
            ("s3same", Some("ana")),
            ("a:b", Some("broker-2")),
            ("own", Some("token")),
            ("s3sam", None),
            ("", None),
            ("ana:s3same", None),
        ] {
            assert_eq!(name(&tokens, sent).as_deref(), expected, "{sent}");
        }
        fs::write(file.path(), "ana:another\n").unwrap();
        tokens.read_again().unwrap();
        assert_eq!(name(&tokens, "another").as_deref(), Some("ana"));
        assert_eq!((name(&tokens, "s3same"), name(&tokens, "a:b")), (None, None));
        fs::write(file.path(), "").unwrap();
        tokens.read_again().unwrap_err();
        assert_eq!(name(&tokens, "another").as_deref(), Some("ana"), "the old ones stay");
        assert!(!tokens.are_none());
        assert!(Tokens::open(None, None).unwrap().are_none());
    }

    #[test]
    fn a_wrong_line_is_named_and_its_token_is_not_shown() {
        for (text, said) in [
            ("", "no token"),
            ("# nobody\n", "no token"),
            ("ana:ok\nS3CRET", "line 2: it is not NAME:TOKEN"),
            ("ana:ok\n\n:S3CRET", "line 3: a name is"),
            ("an a:S3CRET", "line 1: a name is"),
            ("ana:S3CRET two", "line 1: the token must be printable"),
            ("ana:", "line 1: the token must be printable"),
            ("ana:S3CRET\nana:other", "line 2: the name of line 1"),
            ("ana:S3CRET\nbob:S3CRET", "line 2: the token of line 1"),
            ("token:S3CRET", "the name `token` is that of --token"),
        ] {
            let file = written(text);
            let opened = Tokens::open(Some("own".parse().unwrap()), Some(file.path().into()));
            let error = opened.unwrap_err().to_string();
            assert!(error.contains(said) && !error.contains("S3CRET"), "{text:?}: {error}");
            assert!(error.contains(&file.path().display().to_string()), "{error}");
        }
        for unreadable in ["/nowhere/tokens", "/"] {
            let error = Tokens::open(None, Some(unreadable.into())).unwrap_err();
            assert!(error.to_string().contains(unreadable), "{error}");
        }
    }
}
