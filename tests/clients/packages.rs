//! What each client consists of, and how it is started.

use std::process::Command;

use super::{
    ClientKind,
    install::{Source, installed, run},
};

const TYPESCRIPT: &[Source] = &[
    (".npmrc", include_str!("ts/.npmrc")),
    ("package.json", include_str!("ts/package.json")),
    ("package-lock.json", include_str!("ts/package-lock.json")),
    ("driver-v1.mjs", include_str!("ts/driver-v1.mjs")),
    ("driver-v2.mjs", include_str!("ts/driver-v2.mjs")),
    ("protocol.mjs", include_str!("ts/protocol.mjs")),
    ("tap.mjs", include_str!("ts/tap.mjs")),
];

const PYTHON: &[Source] = &[
    ("requirements-v1.txt", include_str!("python/requirements-v1.txt")),
    ("requirements-v2.txt", include_str!("python/requirements-v2.txt")),
    ("driver_v1.py", include_str!("python/driver_v1.py")),
    ("driver_v2.py", include_str!("python/driver_v2.py")),
    ("connection.py", include_str!("python/connection.py")),
    ("protocol.py", include_str!("python/protocol.py")),
    ("tap.py", include_str!("python/tap.py")),
];

/// The command that starts the driver of an installed client, or what is missing on this machine.
pub(super) fn command(kind: ClientKind) -> Result<Command, String> {
    match kind {
        ClientKind::TsV1 => typescript("driver-v1.mjs"),
        ClientKind::TsV2 => typescript("driver-v2.mjs"),
        ClientKind::PyV1 => python("requirements-v1.txt", "driver_v1.py"),
        ClientKind::PyV2 => python("requirements-v2.txt", "driver_v2.py"),
    }
}

fn typescript(script: &str) -> Result<Command, String> {
    let node = probe(
        "node is missing or older than 20",
        "node",
        &["-e", "if (parseInt(process.versions.node) < 20) process.exit(1); console.log(process.version)"],
    )?;
    probe("npm is missing", "npm", &["--version"])?;
    let folder = installed("ts", "package-lock.json", TYPESCRIPT, &node, |folder| {
        let options = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"];
        run(Command::new("npm").args(options).current_dir(folder));
    });
    let mut command = Command::new("node");
    command.arg(folder.join(script));
    Ok(command)
}

fn python(lock: &str, script: &str) -> Result<Command, String> {
    // A distribution may ship python3 without the means to make a virtual environment.
    let python = probe(
        "python3 is missing, older than 3.11 or without venv",
        "python3",
        &["-c", "import ensurepip, sys, venv; assert sys.version_info >= (3, 11); print(sys.executable, sys.version)"],
    )?;
    let folder = installed("python", lock, PYTHON, &python, |folder| {
        run(Command::new("python3").args(["-m", "venv"]).arg(folder.join("venv")));
        let options =
            ["--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:", "--require-hashes"];
        run(Command::new(folder.join("venv/bin/python"))
            .args(["-m", "pip", "install"])
            .args(options)
            .arg("--requirement")
            .arg(folder.join(lock)));
    });
    let mut command = Command::new(folder.join("venv/bin/python"));
    command.arg(folder.join(script)).env_remove("PYTHONPATH").env_remove("PYTHONHOME");
    Ok(command)
}

/// What the tool prints, or `missing`.
fn probe(missing: &str, tool: &str, arguments: &[&str]) -> Result<String, String> {
    match Command::new(tool).args(arguments).output() {
        Ok(output) if output.status.success() => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        _ => Err(missing.to_owned()),
    }
}
