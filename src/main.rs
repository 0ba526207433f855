//! The program: runs one command to its end, and says in at most one line on standard error why it failed.
//!
//! Exit codes: 0 done; 1 failed; 2 wrong arguments; 3 done, but some packets were refused; 4 an input
//! is not what it should be, and nothing was changed; 130, 143 stopped by SIGINT, SIGTERM.

use std::env;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use diaflight::cli;
use diaflight::config::{self, Refusal, Task};
use diaflight::error::{Error, Result};
use diaflight::log;
use mimalloc::MiMalloc;

/// A lookup makes and drops hundreds of small buffers: a quarter of its time with the system's allocator.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// How many milliseconds the allocator keeps memory that is free, and the variable that says so. Usually it is a second: by then the threads of
/// `live` have each taken more, and what the process holds grows with what it has read.
const PURGE_DELAY_MS: (&str, &str) = ("MIMALLOC_PURGE_DELAY", "100");

fn main() -> ExitCode {
    let cli = match config::read(env::args_os().collect()) {
        Ok(cli) => cli,
        Err(Refusal::Asked(text)) => {
            // A reader that closes the pipe early is not a failure.
            let _ = io::stdout().write_all(text.as_bytes());
            return ExitCode::SUCCESS;
        }
        Err(Refusal::Wrong(error)) => return fail(&error),
    };
    if let Task::Live(_) = &cli.command {
        start_again_with_purge_delay();
    }
    let run = || -> Result<ExitCode> {
        let _log = log::start(cli.log_filter(), cli.log_file.as_deref())?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let done = runtime.block_on(async {
            tokio::spawn(log::tell_dropped_lines());
            match cli.command {
                Task::Demo(arguments) => cli::demo(arguments).await,
                Task::Generate(arguments) => cli::generate(arguments).await,
                Task::Ingest(arguments) => cli::ingest(arguments).await,
                Task::Live(arguments) => cli::live(arguments).await,
                Task::Health(arguments) => cli::health(arguments).await,
                Task::Serve(arguments) => cli::serve(arguments).await,
                Task::Sql(arguments) => cli::sql(arguments).await,
                Task::Maintain(arguments) => cli::maintain(arguments.work).await,
                Task::Man { folder } => cli::man(folder.as_deref()),
                Task::Completions { shell } => cli::completions(shell),
                Task::Table(arguments) => cli::table(arguments.work).await,
            }
        });
        // A thread may wait for an input that never comes.
        runtime.shutdown_background();
        done
    };
    run().unwrap_or_else(|error| fail(&error))
}

/// Starts the program again in its place, unless the variable is set: the allocator reads it once, when a program starts. Where that
/// fails, it goes on as it is.
fn start_again_with_purge_delay() {
    let (name, value) = PURGE_DELAY_MS;
    if let (None, Ok(program)) = (env::var_os(name), env::current_exe()) {
        let mut arguments = env::args_os();
        let mut again = Command::new(program);
        if let Some(own_name) = arguments.next() {
            again.arg0(own_name);
        }
        let _ = again.args(arguments).env(name, value).exec();
    }
}

fn fail(error: &Error) -> ExitCode {
    let line = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    // If standard error is closed, the exit code still reports the failure.
    let _ = writeln!(io::stderr(), "diaflight: {line}");
    ExitCode::from(error.kind().exit_code())
}
