//! All automation of the project, in Rust. Knows how things are built, never how they work.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]

mod audit;
mod bench;
mod dashboard;
mod demo;
mod examples;
mod guests;
mod node;
mod promtool;
mod scenarios;
mod setup;
mod shell;
mod sim;
mod soak;
mod steps;
mod test;
mod tidy;

use std::process::ExitCode;

use clap::Parser;

/// Everything one does to this repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Task {
    /// Install what building and checking needs; nothing the second time
    Setup,
    /// Start Forge: five nodes with an example application, load and the dashboard, until Ctrl-C
    Demo {
        /// Only check that all of it is there, with the program that is built
        #[arg(long)]
        check: bool,
    },
    /// Run every check and every test: all that CI runs, with the time of each step
    #[command(visible_alias = "ci")]
    Test,
    /// Build the applications in examples/, deploy them on a node and run their cases
    Examples,
    /// Play the scenarios in forge/scenarios/, each on a Forge of its own
    Scenarios {
        /// Only these, such as leader-loss
        names: Vec<String>,
    },
    /// Check the dashboard and test it in a browser, against nodes of the program that is built
    Dashboard {
        /// Only write what browsers load, from its sources
        #[arg(long)]
        build: bool,
    },
    /// Simulate whole clusters from seeds, with faults of every kind; `--help` says how
    #[command(disable_help_flag = true)]
    Sim {
        /// What the simulator takes: `--seed N`, `--seeds A..B`, `--planted`, `--jobs N`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Check what the compiler and clippy do not: layers, sizes, headers, documents
    Tidy {
        /// Lower the entries of the ratchet list that are larger than needed
        #[arg(long)]
        shrink: bool,
    },
    /// Check licences, bans, sources and known vulnerabilities of all dependencies
    Audit,
    /// Do many times what tests do once, on real processes under load: rollouts, leaders
    Soak {
        /// Which
        name: String,
        /// How often every strategy is gone through
        #[arg(long, default_value_t = 50)]
        rounds: u32,
    },
    /// Measure Aether beside its peers: http-hello, typed-route, local-call, remote-call, cold,
    /// kv-put, failover, join, forge, scale
    Bench {
        /// Which bench
        name: String,
    },
}

fn main() -> ExitCode {
    let done = match Task::parse() {
        Task::Setup => {
            setup::run().and_then(|()| dashboard::setup()).and_then(|()| promtool::setup())
        }
        Task::Demo { check: true } => demo::check(),
        Task::Demo { check: false } => demo::run(),
        Task::Test => test::run(),
        Task::Examples => node::build().and_then(|()| examples::run()),
        Task::Scenarios { names } => node::build().and_then(|()| scenarios::run(&names)),
        Task::Dashboard { build: true } => dashboard::build(),
        Task::Dashboard { build: false } => {
            dashboard::setup().and_then(|()| node::build()).and_then(|()| dashboard::run())
        }
        Task::Sim { arguments } => sim::run(&arguments),
        Task::Tidy { shrink } => tidy::run(shrink),
        Task::Audit => audit::run(),
        Task::Soak { name, rounds } => soak::run(&name, rounds),
        Task::Bench { name } => bench::run(&name),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
