//! The first of many things, and how many there are: what a summary says of what may be in every record of its files.

use std::fmt;

use serde::Serialize;

/// How many things are kept.
const MOST: usize = 20;

/// A count of things, and the first of them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Listed<T> {
    /// How many there are.
    pub count: u64,
    /// The first of them.
    pub first: Vec<T>,
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self { count: 0, first: Vec::new() }
    }
}

impl<T> Listed<T> {
    /// Counts one more.
    pub fn push(&mut self, thing: T) {
        self.count += 1;
        if self.first.len() < MOST {
            self.first.push(thing);
        }
    }

    /// Adds the things of another list, converted by a function.
    pub fn extend<U>(&mut self, other: Listed<U>, make: impl Fn(U) -> T) {
        self.count += other.count;
        let room = MOST - self.first.len();
        self.first.extend(other.first.into_iter().take(room).map(make));
    }
}

impl<T: fmt::Display> fmt::Display for Listed<T> {
    /// Writes the first things, one per line, and how many more there are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.first.iter().try_for_each(|thing| write!(f, "\n  {thing}"))?;
        match self.count - self.first.len() as u64 {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more, which are not listed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_counted_and_the_first_are_kept() {
        let mut all = Listed::default();
        for part in 0..3 {
            let mut numbers = Listed::default();
            (0..15).for_each(|number| numbers.push(number));
            all.extend(numbers, |number| 15 * part + number);
        }
        assert_eq!(all, Listed { count: 45, first: (0..20).collect() });
    }
}
