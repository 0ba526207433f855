//! Lookups of PostgreSQL, measured on request as those of the engine are (`benches/peers/engine`): prepared statements, binary
//! values, one connection, every column read into a value of its type.
//!
//! Takes connection parameters (`host=/folder/of/the/socket user=... dbname=...`), and a task on each line of standard input:
//! `{"columns": ["psfFlux"], "lookups": [[id, ...], ...]}`, or `{"columns": [...], "places": [[ra, dec], ...], "radius_deg": 0.1}` for the rows
//! in circles, with the separation as one more column. Prints a line for each task: for each lookup its microseconds and its
//! rows, and sums over all rows by which readers are compared.

use std::error::Error;
use std::io::{BufRead, Write, stdin, stdout};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, NoTls, Row, Statement};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Task {
    columns: Vec<String>,
    #[serde(default)]
    lookups: Vec<Vec<i64>>,
    #[serde(default)]
    places: Vec<[f64; 2]>,
    #[serde(default)]
    radius_deg: f64,
}

#[derive(Default, Serialize)]
struct Answer {
    micros: Vec<f64>,
    rows: Vec<usize>,
    values: usize,
    checksum: u64,
}

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let parameters =
        std::env::args().nth(1).ok_or("usage: peers-postgres CONNECTION_PARAMETERS")?;
    // The connection and the lookups share one thread: there is no other to wake up.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(&parameters, NoTls).await?;
        let connection = tokio::spawn(connection);
        for line in stdin().lock().lines() {
            let task: Task = serde_json::from_str(&line?)?;
            let answer = match task.places.is_empty() {
                true => answer(&client, &task).await?,
                false => circles(&client, &task).await?,
            };
            let mut out = stdout().lock();
            serde_json::to_writer(&mut out, &answer)?;
            out.write_all(b"\n")?;
            out.flush()?;
        }
        drop(client);
        connection.await??;
        Ok(())
    })
}

async fn answer(client: &Client, task: &Task) -> Outcome<Answer> {
    let names: Vec<_> = task.columns.iter().map(|name| format!("\"{name}\"")).collect();
    let text = format!("SELECT {} FROM sources WHERE \"diaObjectId\"", names.join(", "));
    let of_one = client.prepare(&format!("{text} = $1")).await?;
    let of_many = client.prepare(&format!("{text} = ANY($1)")).await?;
    let checked: Vec<_> = task.columns.iter().map(|name| is_checked(name)).collect();
    let mut answer = Answer::default();
    for ids in &task.lookups {
        let begun = Instant::now();
        let rows = match &ids[..] {
            [id] => client.query(&of_one, &[id]).await?,
            ids => client.query(&of_many, &[&ids]).await?,
        };
        for row in &rows {
            read(row, &of_one, &checked, &mut answer)?;
        }
        answer.micros.push(begun.elapsed().as_secs_f64() * 1e6);
        answer.rows.push(rows.len());
    }
    Ok(answer)
}

async fn circles(client: &Client, task: &Task) -> Outcome<Answer> {
    let names: Vec<_> = task.columns.iter().map(|name| format!("\"{name}\"")).collect();
    let within = "q3c_radial_query(ra, dec, $1, $2, $3)";
    let text = format!(
        "SELECT {}, q3c_dist(ra, dec, $1, $2) FROM sources WHERE {within}",
        names.join(", ")
    );
    // With values, q3c makes a hundred ranges, and planning them takes longer than reading them.
    client.batch_execute("SET plan_cache_mode = force_generic_plan").await?;
    let statement = client.prepare(&text).await?;
    let mut checked: Vec<_> = task.columns.iter().map(|name| is_checked(name)).collect();
    checked.push(false);
    let mut answer = Answer::default();
    for [ra, dec] in &task.places {
        let begun = Instant::now();
        let rows = client.query(&statement, &[ra, dec, &task.radius_deg]).await?;
        for row in &rows {
            read(row, &statement, &checked, &mut answer)?;
        }
        answer.micros.push(begun.elapsed().as_secs_f64() * 1e6);
        answer.rows.push(rows.len());
    }
    Ok(answer)
}

fn is_checked(name: &str) -> bool {
    ["psfFlux", "midpointMjdTai"].contains(&name)
}

/// Reads every value, and counts those that are not null.
fn read(row: &Row, statement: &Statement, checked: &[bool], answer: &mut Answer) -> Outcome<()> {
    for (i, column) in statement.columns().iter().enumerate() {
        let bits = match *column.type_() {
            Type::FLOAT4 => row.try_get::<_, Option<f32>>(i)?.map(|value| value.to_bits().into()),
            Type::FLOAT8 => row.try_get::<_, Option<f64>>(i)?.map(f64::to_bits),
            Type::INT4 => row.try_get::<_, Option<i32>>(i)?.map(|value| value as u64),
            Type::INT8 => row.try_get::<_, Option<i64>>(i)?.map(|value| value as u64),
            Type::BOOL => row.try_get::<_, Option<bool>>(i)?.map(u64::from),
            Type::TEXT => row.try_get::<_, Option<&str>>(i)?.map(|value| value.len() as u64),
            ref other => return Err(format!("{}: no reader of {other}", column.name()).into()),
        };
        // Of the others, too, so that no value is read for nothing.
        let bits = std::hint::black_box(bits);
        answer.values += usize::from(bits.is_some());
        if checked[i] {
            answer.checksum = answer.checksum.wrapping_add(bits.unwrap_or_default());
        }
    }
    Ok(())
}
