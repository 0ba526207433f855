//! Reads `src/` as text: its rooms and files, and what each file uses and defines, without comments and tests.

use std::fs;
use std::path::Path;

const SRC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src");

pub struct File {
    /// `["rest", "pages", "home"]`; a `mod.rs` has the path of its folder.
    pub module: Vec<String>,
    /// A `mod.rs`, which may do no more than name what is in its folder.
    pub is_folder: bool,
    /// All of them, with comments and tests.
    pub lines: usize,
    code: String,
}

/// The modules of `lib.rs`, in its order.
pub fn rooms() -> Vec<String> {
    let lib = fs::read_to_string(format!("{SRC}/lib.rs")).unwrap();
    let rooms = lib.lines().filter_map(|line| {
        let line = line.trim_start_matches("pub ");
        Some(line.strip_prefix("mod ")?.strip_suffix(';')?.to_string())
    });
    rooms.collect()
}

/// Every file but the two roots and those of tests.
pub fn source() -> Vec<File> {
    let mut files = Vec::new();
    read(Path::new(SRC), &mut files);
    files.retain(|file| !["lib", "main"].contains(&file.module[0].as_str()));
    files.retain(|file| !file.module.iter().any(|name| name == "tests"));
    assert!(files.len() > 200, "{} files: they are not found", files.len());
    files
}

fn read(folder: &Path, files: &mut Vec<File>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let module = path.strip_prefix(SRC).unwrap().with_extension("");
            let names = module.iter().map(|name| name.to_str().unwrap().to_string());
            let mut module: Vec<_> = names.collect();
            let is_folder = module.pop_if(|name| name == "mod").is_some();
            let lines = text.lines().count();
            files.push(File { module, is_folder, lines, code: code(&text) });
        }
    }
}

/// The lines before the tests, without comments.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    text.lines()
        .map(|line| line.split("//").next().unwrap_or_default().to_string() + "\n")
        .collect()
}

impl File {
    pub fn name(&self) -> String {
        self.module.join("/")
    }

    /// The paths within the crate that it names, from the root.
    pub fn uses(&self) -> Vec<Vec<String>> {
        let mut paths = Vec::new();
        let mut rest = self.code.as_str();
        while let Some(at) = ["crate::", "super::"].iter().filter_map(|root| rest.find(root)).min()
        {
            let is_whole = !rest[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
            let path = &rest[at..];
            let length = tree_length(path);
            if is_whole {
                expand("", &path[..length], &mut paths);
            }
            rest = &path[length..];
        }
        paths.iter().filter_map(|path| self.absolute(path)).collect()
    }

    fn absolute(&self, path: &str) -> Option<Vec<String>> {
        let mut names = path.split("::").map(str::trim).peekable();
        let mut root = self.module.clone();
        if names.next_if_eq(&"crate").is_some() {
            root.clear();
        }
        while names.next_if_eq(&"super").is_some() {
            root.pop()?;
        }
        root.extend(names.map(str::to_string));
        (!root.is_empty()).then_some(root)
    }
}

/// How long the path is that a text begins with: names, `::`, and what is in braces.
fn tree_length(text: &str) -> usize {
    let mut depth = 0;
    let end = text.char_indices().find(|(at, c)| {
        match c {
            '{' if text[..*at].ends_with("::") || depth > 0 => depth += 1,
            '}' if depth > 0 => depth -= 1,
            _ if depth > 0 => {}
            c => return !(c.is_alphanumeric() || "_:".contains(*c)),
        }
        false
    });
    end.map_or(text.len(), |(at, _)| at)
}

/// `a::{b, c::d}` is `a::b` and `a::c::d`.
fn expand(before: &str, tree: &str, paths: &mut Vec<String>) {
    let Some((head, group)) = tree.split_once('{') else {
        let name = tree.split(" as ").next().unwrap_or_default().trim();
        return paths.push(format!("{before}{name}").trim_end_matches("::self").to_string());
    };
    let before = format!("{before}{}", head.trim());
    let group = group.strip_suffix('}').unwrap_or(group);
    let (mut depth, mut start) = (0, 0);
    for (at, c) in group.char_indices().chain([(group.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                let part = group[start..at].trim();
                if !part.is_empty() {
                    expand(&before, part, paths);
                }
                start = at + 1;
            }
            _ => {}
        }
    }
}

/// The functions of a file, by name, with their lines.
pub fn functions(file: &File) -> Vec<(String, usize)> {
    let lines: Vec<_> = file.code.lines().collect();
    let begins = lines.iter().enumerate().filter_map(|(at, line)| {
        let (before, after) = line.split_once("fn ")?;
        let is_function = before.trim().split(' ').all(|word| {
            word.is_empty() || ["async", "const"].contains(&word) || word.starts_with("pub")
        });
        let indent = line.len() - line.trim_start().len();
        let name = after.split(['(', '<']).next()?;
        is_function.then(|| (at, indent, format!("{}::{name}", file.name())))
    });
    let measured = begins.map(|(at, indent, name)| {
        let end = format!("{}}}", " ".repeat(indent));
        let ends = |line: &&str| {
            line.trim_end() == end || line.trim_end().ends_with("}") && line.contains("fn ")
        };
        let lines = lines[at..].iter().position(ends).map_or(1, |length| length + 1);
        (name, lines)
    });
    measured.collect()
}

/// The names of the types that a file defines.
pub fn types(file: &File) -> Vec<String> {
    let defined = file.code.lines().filter_map(|line| {
        let line = match line.strip_prefix("pub") {
            Some(line) => line.split_once(' ')?.1,
            None => line,
        };
        let (keyword, rest) = line.split_once(' ')?;
        let is_type = ["struct", "enum", "trait", "type", "union"].contains(&keyword);
        let name = rest.split(|c: char| !c.is_alphanumeric()).next()?;
        is_type.then(|| name.to_string())
    });
    defined.collect()
}
