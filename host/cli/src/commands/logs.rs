//! `aether logs`: pages of the logs of all nodes, and what comes next. Knows no subscriber.

use crate::args::LogsArgs;
use crate::exit::Result;
use crate::ui::{Tone, Ui};
use aether_api::{LogLevel, LogLine, LogSilence};
use aether_client::{Client, LogFilter};
use std::collections::BTreeMap;
use std::time::Duration;

/// How often the log is looked at while following it.
const LOOK_EVERY: Duration = Duration::from_millis(250);

pub(super) async fn run(client: &Client, args: LogsArgs, ui: &mut Ui) -> Result {
    let node = match &args.node {
        Some(node) => Some(node.resolve(client).await?.to_string()),
        None => None,
    };
    let mut filter = LogFilter {
        app: args.app.map(|app| app.to_string()),
        slice: args.slice,
        request_id: args.request_id,
        level: Some(args.level),
        after: None,
        node,
        limit: Some(args.limit),
    };
    let (mut several, mut silent) = (false, BTreeMap::new());
    loop {
        let page = client.logs(&filter).await?;
        if page.lost > 0 {
            ui.note(format!("({} lines are gone: a node keeps only the newest)", page.lost))?;
        }
        let missing = page.silent.into_iter().map(|LogSilence { node, reason }| (node, reason));
        let missing = missing.collect::<BTreeMap<_, _>>();
        for (node, reason) in missing.iter().filter(|(node, _)| !silent.contains_key(*node)) {
            ui.note(format!("(the lines of node {node} are missing: {reason})"))?;
        }
        silent = missing;
        several |= page.lines.windows(2).any(|lines| lines[0].node != lines[1].node);
        for line in &page.lines {
            match ui.json {
                true => ui.json_line(line)?,
                false => show(line, several, ui)?,
            }
        }
        if !args.follow {
            return match page.lines.is_empty() && !ui.json {
                true => ui.note("no such lines: nodes keep only the newest, see also --level"),
                false => Ok(()),
            };
        }
        ui.out.flush()?;
        filter.after = Some(page.next);
        if page.lines.is_empty() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

fn show(line: &LogLine, several: bool, ui: &mut Ui) -> Result {
    let time = line.time.get(11..23).unwrap_or(&line.time);
    let tone = match line.level {
        LogLevel::Error => Tone::Bad,
        LogLevel::Warn => Tone::Busy,
        LogLevel::Info => Tone::Good,
        LogLevel::Debug | LogLevel::Trace => Tone::Faint,
    };
    let level = ui.paint(&format!("{:>5}", line.level), tone);
    let source = line.slice.as_ref().unwrap_or(&line.target);
    let source = ui.paint(source, Tone::Strong);
    let mut text = format!("{} {level} {source} {}", ui.paint(time, Tone::Faint), line.message);
    let id = line.request_id.iter().map(|id| ("request-id".to_owned(), id.clone()));
    let node = several.then(|| ("node".to_owned(), line.node.clone()));
    for (key, value) in line.fields.clone().into_iter().chain(id).chain(node) {
        text += &ui.paint(&format!(" {key}={value}"), Tone::Faint);
    }
    ui.line(text)
}
