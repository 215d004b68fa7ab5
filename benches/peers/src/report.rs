//! The figures of each store, and the table of all.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::load::Plan;
use crate::stores;

/// What one store did.
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) sessions: u64,
    /// Operations a second: read, update, 90/10, 50/50, hot.
    pub(crate) rates: [f64; 5],
    pub(crate) p50_micros: f64,
    pub(crate) p99_micros: f64,
    pub(crate) bytes: u64,
    pub(crate) updates: u64,
    pub(crate) lost: u64,
    pub(crate) refused: u64,
}

impl Row {
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "name": self.name, "sessions": self.sessions, "rates": self.rates, "p50": self.p50_micros,
            "p99": self.p99_micros, "bytes": self.bytes, "updates": self.updates, "lost": self.lost,
            "refused": self.refused,
        })
    }

    pub(crate) fn from_json(text: &str) -> Option<Self> {
        let row: Value = serde_json::from_str(text).ok()?;
        let number = |name: &str| row[name].as_u64();
        let mut rates = [0.0; 5];
        for (place, rate) in rates.iter_mut().enumerate() {
            *rate = row["rates"][place].as_f64()?;
        }
        Some(Self {
            name: row["name"].as_str()?.to_owned(),
            sessions: number("sessions")?,
            rates,
            p50_micros: row["p50"].as_f64()?,
            p99_micros: row["p99"].as_f64()?,
            bytes: number("bytes")?,
            updates: number("updates")?,
            lost: number("lost")?,
            refused: number("refused")?,
        })
    }

    /// Updates that were acknowledged and are not there, and such as were refused.
    fn lost(&self) -> String {
        let part = |of: u64| 100.0 * of as f64 / (self.updates + self.refused).max(1) as f64;
        let mut text = match self.lost {
            0 => "none".to_owned(),
            lost => format!("{} ({:.1} %)", grouped(lost), part(lost)),
        };
        if self.refused > 0 {
            let _ = write!(text, "; refused {}", grouped(self.refused));
        }
        text
    }
}

/// All of it.
pub(crate) struct Report {
    pub(crate) rows: Vec<Row>,
    pub(crate) skipped: Vec<String>,
    pub(crate) plan: Plan,
    pub(crate) machine: String,
    /// How much of the machine other work took meanwhile, from 0 to 1.
    pub(crate) others: f64,
}

impl Report {
    /// The page of its own.
    pub(crate) fn markdown(&self) -> String {
        let head = "# Peers\n\nWritten by `cargo run --release --manifest-path benches/peers/Cargo.toml`. What is measured \
                    is told in README.md, which shows the same table.\n\n## 100,000 sessions, 64 callers\n\n";
        format!("{head}{}", self.table())
    }

    /// The table and what is to be known about it, as README.md shows it too.
    pub(crate) fn table(&self) -> String {
        let mut text = String::from(
            "| store | read, k/s | update, k/s | 90/10, k/s | 50/50, k/s | one hot session, k/s | update p50/p99, µs | \
             bytes a session | updates lost | 90/10 to Sessile |\n\
             | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
        );
        let base = self.rows.first().map_or(f64::NAN, |row| row.rates[2]);
        for row in &self.rows {
            let rates = row.rates.map(|rate| thousands(rate / 1_000.0)).join(" | ");
            let (p50, p99) = (short(row.p50_micros), short(row.p99_micros));
            let (bytes, lost) = (row.bytes_told(), row.lost());
            let name = if row.sessions == 100_000 {
                row.name.clone()
            } else {
                format!("{} ({} sessions)", row.name, grouped(row.sessions))
            };
            let ratio = short(row.rates[2] / base);
            let _ = writeln!(text, "| {name} | {rates} | {p50} / {p99} | {bytes} | {lost} | {ratio} |");
        }
        let seconds = self.plan.time.as_secs_f64();
        let _ = writeln!(
            text,
            "\nEach rate is the median of {} of {seconds} s; {}, release build, two workers.",
            if self.plan.rounds == 1 { "1 round".to_owned() } else { format!("{} rounds", self.plan.rounds) },
            self.machine
        );
        if let Some(version) = stores::redis_version() {
            let _ = writeln!(text, "Redis is {version}; the versions of the others are in `benches/peers/Cargo.lock`.");
        }
        let _ = writeln!(text, "Other work took {:.0} % of the machine meanwhile.", 100.0 * self.others);
        for skipped in &self.skipped {
            let _ = writeln!(text, "\nSkipped: {skipped}.");
        }
        text
    }
}

impl Row {
    fn bytes_told(&self) -> String {
        // On disk, so that what is resident says nothing.
        if self.name.ends_with("SQLite") { "on disk".to_owned() } else { grouped(self.bytes) }
    }
}

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Thousands of operations a second.
pub(crate) fn thousands(number: f64) -> String {
    if number >= 100.0 { grouped(number.round() as u64) } else { short(number) }
}

/// Three digits, about.
fn short(number: f64) -> String {
    match number {
        number if number >= 100.0 => grouped(number.round() as u64),
        number if number >= 10.0 => format!("{number:.1}"),
        number if number >= 0.1 => format!("{number:.2}"),
        number => format!("{number:.4}"),
    }
}
