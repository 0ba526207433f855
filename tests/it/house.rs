//! The order of the rooms, read from the source: a room of `src/lib.rs` uses only those before it, and files of a folder never use each
//! other in a circle. Also the sizes of files and functions, names of types that occur twice, and what ARCHITECTURE.md names.

mod source;

use std::collections::{BTreeMap, BTreeSet};

use self::source::{File, functions, rooms, source, types};

/// Lines.
const SMALL_FILE: usize = 25;
const LARGE_FILE: usize = 300;
const LONG_FUNCTION: usize = 60;

const MOST_LINES_OF_ARCHITECTURE: usize = 150;
/// Of a request's walk, from the query to the rows.
const READ_ROOMS: [&str; 4] = ["query", "plan", "index", "scan"];
const MOST_FILES_OF_WALK: usize = 15;

#[test]
fn the_architecture_names_files_that_there_are() {
    let text = include_str!("../../ARCHITECTURE.md");
    assert!(text.lines().count() <= MOST_LINES_OF_ARCHITECTURE);
    let there: BTreeSet<String> =
        source().iter().map(|file| format!("{}.rs", file.name())).collect();
    let files = |text: &str| -> BTreeSet<String> {
        let quoted = text.split('`').skip(1).step_by(2).filter(|quoted| quoted.ends_with(".rs"));
        quoted.map(|file| file.trim_start_matches("src/").to_string()).collect()
    };
    let named = files(text);
    assert!(named.len() > 40, "{named:?}");
    let is_there = |file: &str| {
        let module = file.replace("/mod.rs", ".rs");
        ["lib.rs", "tests/it/house.rs"].contains(&file)
            || there.iter().any(|there| *there == module || there.ends_with(&format!("/{module}")))
    };
    let gone: Vec<_> = named.iter().filter(|file| !is_there(file)).collect();
    assert!(gone.is_empty(), "{gone:?} of {there:?}");
    let walk = text.split("\n## ").find(|section| section.starts_with("A request")).unwrap();
    let walk = files(walk);
    let room = |file: &String| file.split('/').next().unwrap_or_default().to_string();
    let read: Vec<_> =
        walk.iter().filter(|file| READ_ROOMS.contains(&room(file).as_str())).collect();
    assert!((8..=MOST_FILES_OF_WALK).contains(&read.len()), "{read:?}");
}

#[test]
fn a_room_uses_only_those_before_it() {
    let rooms = rooms();
    let place = |room: &str| rooms.iter().position(|known| known == room);
    let (mut arrows, mut upwards) = (0, Vec::new());
    for file in source() {
        let at = place(&file.module[0]).unwrap();
        for used in file.uses() {
            let Some(to) = place(&used[0]) else { continue };
            arrows += usize::from(at != to);
            if to > at {
                upwards.push(format!("{} uses {}", file.name(), used.join("::")));
            }
        }
    }
    assert!(arrows > 500, "{arrows} uses of other rooms: they are not found");
    assert!(upwards.is_empty(), "{upwards:#?}");
}

#[test]
fn no_two_files_of_a_folder_use_each_other() {
    let circles = circles(&source());
    assert!(circles.is_empty(), "{circles:#?}");
}

/// Each largest set of files or folders beside each other that use each other, in a circle.
fn circles(files: &[File]) -> BTreeSet<Vec<String>> {
    let modules: BTreeSet<_> = files.iter().map(|file| file.module.clone()).collect();
    let mut reached: BTreeMap<Vec<String>, BTreeSet<Vec<String>>> = BTreeMap::new();
    for file in files {
        for used in file.uses() {
            let both = file.module.iter().zip(&used);
            let shared = both.take_while(|(own, other)| own == other).count();
            let (from, to) = (file.module.get(..=shared), used.get(..=shared));
            if let (Some(from), Some(to)) = (from, to)
                && modules.contains(to)
            {
                reached.entry(from.to_vec()).or_default().insert(to.to_vec());
            }
        }
    }
    loop {
        let before: usize = reached.values().map(BTreeSet::len).sum();
        let further = reached.clone();
        for targets in reached.values_mut() {
            let next: Vec<_> = targets.iter().filter_map(|target| further.get(target)).collect();
            targets.extend(next.into_iter().flatten().cloned());
        }
        let after: usize = reached.values().map(BTreeSet::len).sum();
        if before == after {
            break;
        }
    }
    let returns = |from: &Vec<String>, to: &Vec<String>| {
        reached.get(from).is_some_and(|targets| targets.contains(to))
    };
    let on_circles = reached.keys().filter(|module| returns(module, module));
    let circle = |module: &Vec<String>| {
        let others =
            reached.keys().filter(|other| returns(module, other) && returns(other, module));
        others.map(|module| module.join("/")).collect()
    };
    on_circles.map(circle).collect()
}

#[test]
fn files_and_functions_are_of_a_size_that_is_read_at_once() {
    let files = source();
    let which = |is: fn(&File) -> bool| -> Vec<String> {
        files.iter().filter(|file| is(file)).map(File::name).collect()
    };
    let small = which(|file| file.lines < SMALL_FILE && !file.is_folder);
    assert!(small.is_empty(), "under {SMALL_FILE} lines: {small:#?}");
    let large = which(|file| file.lines > LARGE_FILE);
    assert!(large.is_empty(), "over {LARGE_FILE} lines: {large:#?}");
    let functions: Vec<_> = files.iter().flat_map(functions).collect();
    assert!(functions.len() > 1500, "{} functions: they are not found", functions.len());
    let long: Vec<_> = functions.iter().filter(|(_, lines)| *lines > LONG_FUNCTION).collect();
    assert!(long.is_empty(), "over {LONG_FUNCTION} lines: {long:#?}");
}

#[test]
fn a_name_of_a_type_means_one_thing() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in source() {
        for name in types(&file) {
            places.entry(name).or_default().push(file.name());
        }
    }
    assert!(places.len() > 400, "{} types: they are not found", places.len());
    places.retain(|_, places| places.len() > 1);
    assert!(places.is_empty(), "{} names: {places:#?}", places.len());
}
