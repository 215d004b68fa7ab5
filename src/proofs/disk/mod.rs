//! Files are as durable as declared: a whole service on a disk in memory whose power is cut after every step.
//!
//! In reading order: [`medium`] is what a disk holds and what of it a power cut leaves; [`simulated`] a file system on it,
//! with a log of its steps; [`around`] layers with a habit, among them [`habits`] (failing, slow, counting) and
//! [`planted`] (mechanisms taken out). [`workload`] has a service work and keeps a ledger of what was promised;
//! [`plain`] reads what a restart finds; [`sweep`] cuts everywhere and compares the two.

mod around;
mod commit_faults;
mod commits;
mod conformance;
mod faults;
mod habits;
mod intervals;
mod medium;
mod plain;
mod planted;
mod poisoned;
mod quarantine;
mod reading;
mod simulated;
mod snapshots;
mod sweep;
mod workload;
