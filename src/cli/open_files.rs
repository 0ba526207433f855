//! How many connections the limit on open files allows: half of the files are left for the tables.

use std::fs;

/// Connections that there are files for. Says so in the log where they are fewer than wanted.
pub(crate) fn within(connections: usize) -> usize {
    // The file exists only on Linux.
    let text = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    match soft_limit(&text).map(|files| files / 2).filter(|most| *most < connections) {
        Some(most) => {
            tracing::warn!(
                wanted = connections,
                most,
                "--max-connections is lowered to half of the limit on open files: raise it with `ulimit -n`"
            );
            most
        }
        None => connections,
    }
}

/// The limit that holds, in the kernel's table of them; `None` where there is none.
fn soft_limit(table: &str) -> Option<usize> {
    let line = table.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_that_holds_is_the_soft_one() {
        let table = "Limit                     Soft Limit           Hard Limit           Units\n\
                     Max processes             63321                63321                processes\n\
                     Max open files            1024                 524288               files\n";
        assert_eq!(soft_limit(table), Some(1024));
        assert_eq!(
            soft_limit("Max open files            unlimited            unlimited            files"),
            None
        );
        assert_eq!(soft_limit(""), None);
    }
}
