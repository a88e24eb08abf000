//! `aether alerts`: what is out of its bounds, and what the bounds are. Knows no metric.

use crate::args::{AlertsArgs, AlertsCommand, WebhookCommand};
use crate::exit::Result;
use crate::ui::{Cell, Table, Tone, Ui, cell, toned};
use aether_api::{
    Alert, AlertEvent, AlertSeverity, Threshold, ThresholdRequest, Thresholds, Webhook,
    WebhookRequest,
};
use aether_client::Client;

pub(super) async fn run(client: &Client, args: AlertsArgs, ui: &mut Ui) -> Result {
    match args.command {
        None | Some(AlertsCommand::List(_)) => {
            let alerts = client.alerts().await?;
            ui.data(&alerts, |ui| list(&alerts.alerts, ui))
        }
        Some(AlertsCommand::History(_)) => {
            let history = client.alert_history().await?;
            ui.data(&history, |ui| events(&history.events, ui))
        }
        Some(AlertsCommand::Thresholds(_)) => {
            let all = client.thresholds().await?;
            ui.data(&all, |ui| thresholds(&all, ui))
        }
        Some(AlertsCommand::Set {
            metric, warning, critical, raise_after, resolve_after, ..
        }) => {
            let request = ThresholdRequest { warning, critical, raise_after, resolve_after };
            let threshold = client.put_threshold(&metric, &request).await?;
            ui.step("Set", format!("the threshold of {metric}"))?;
            ui.data(&threshold, |_| Ok(()))
        }
        Some(AlertsCommand::Unset { metric, .. }) => {
            client.delete_threshold(&metric).await?;
            ui.step("Unset", format!("the threshold of {metric}"))
        }
        Some(AlertsCommand::Ack { id, .. }) => {
            let alert = client.acknowledge_alert(id).await?;
            let by = alert.acknowledged_by.as_deref().unwrap_or("nobody");
            ui.step("Acknowledged", format!("alert {id}: {by} looks after it"))?;
            ui.data(&alert, |_| Ok(()))
        }
        Some(AlertsCommand::Clear(_)) => {
            client.clear_alert_history().await?;
            ui.step("Cleared", "the history of alerts")
        }
        Some(AlertsCommand::Webhook(command)) => webhook(client, command, ui).await,
    }
}

async fn webhook(client: &Client, command: WebhookCommand, ui: &mut Ui) -> Result {
    match command {
        WebhookCommand::Show(_) => {
            let webhook = client.webhook().await?;
            ui.data(&webhook, |ui| match &webhook {
                Webhook { url: None, .. } => ui.note("no webhook is set"),
                Webhook { url: Some(url), waiting } => {
                    ui.line(format_args!("{url}, {waiting} waiting"))
                }
            })
        }
        WebhookCommand::Set { url, .. } => {
            let webhook = client.put_webhook(&WebhookRequest { url }).await?;
            let url = webhook.url.as_deref().unwrap_or_default();
            ui.step("Set", format!("the webhook of alerts: {url}"))?;
            ui.data(&webhook, |_| Ok(()))
        }
        WebhookCommand::Unset(_) => {
            client.delete_webhook().await?;
            ui.step("Unset", "the webhook of alerts")
        }
    }
}

fn list(alerts: &[Alert], ui: &mut Ui) -> Result {
    if alerts.is_empty() {
        return ui.note("no alert is active");
    }
    let head = ["ID", "SEVERITY", "METRIC", "OF", "VALUE", "THRESHOLD", "RAISED", "SEEN BY"];
    let mut table = Table::new(&head);
    for alert in alerts {
        table.row(vec![
            cell(alert.id),
            severity(alert.severity),
            cell(&alert.metric),
            cell(&alert.of),
            cell(value(&alert.unit, Some(alert.value))),
            cell(value(&alert.unit, Some(alert.threshold))),
            cell(&alert.raised),
            cell(alert.acknowledged_by.as_deref().unwrap_or("-")),
        ]);
    }
    ui.table(table)
}

fn events(events: &[AlertEvent], ui: &mut Ui) -> Result {
    if events.is_empty() {
        return ui.note("nothing happened");
    }
    let mut table = Table::new(&["AT", "ID", "EVENT", "SEVERITY", "METRIC", "OF", "VALUE", "BY"]);
    for event in events {
        table.row(vec![
            cell(&event.at),
            cell(event.id),
            cell(&event.event),
            severity(event.severity),
            cell(&event.metric),
            cell(&event.of),
            cell(value(&event.unit, event.value)),
            cell(event.by.as_deref().unwrap_or("-")),
        ]);
    }
    ui.table(table)
}

fn thresholds(all: &Thresholds, ui: &mut Ui) -> Result {
    let head =
        ["METRIC", "OF EACH", "WARNING", "CRITICAL", "RAISED AFTER", "RESOLVED AFTER", "MEANING"];
    let mut table = Table::new(&head);
    for metric in &all.metrics {
        let set = all.thresholds.iter().find(|set| set.metric == metric.metric);
        let end = |end: fn(&Threshold) -> Option<f64>| value(&metric.unit, set.and_then(end));
        let time = |time: fn(&Threshold) -> String| set.map_or_else(|| "-".to_owned(), time);
        table.row(vec![
            cell(&metric.metric),
            cell(&metric.scope),
            cell(end(|set| set.warning)),
            cell(end(|set| set.critical)),
            cell(time(|set| set.raise_after.to_string())),
            cell(time(|set| set.resolve_after.to_string())),
            cell(&metric.meaning),
        ]);
    }
    ui.table(table)
}

fn severity(severity: AlertSeverity) -> Cell {
    let tone = match severity {
        AlertSeverity::Warning => Tone::Busy,
        AlertSeverity::Critical => Tone::Bad,
    };
    toned(severity.as_str(), tone)
}

fn value(unit: &str, value: Option<f64>) -> String {
    match (value, unit) {
        (None, _) => "-".to_owned(),
        (Some(value), "share") => format!("{:.1} %", value * 100.0),
        (Some(value), "ms") => format!("{value:.1} ms"),
        (Some(value), "per-second") => format!("{value:.1}/s"),
        (Some(value), _) => value.to_string(),
    }
}
