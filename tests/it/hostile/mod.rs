//! Clients that mean harm. Each test has a server of its own, the built program, and asks it as a bystander would while the attack runs:
//! the process lives, everybody else is answered, and the attacker is told which limit was met.

mod attacker;
mod bodies;
mod bystander;
mod connections;
mod fairness;
mod http2;
mod log;
mod memory;
mod planning;
mod process;
mod stopping;
mod survey;
mod urls;
mod victim;
