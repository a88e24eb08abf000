// What is wrong with a cluster, from its picture, worst first. Pure.

import type { LivePicture, Slice } from "./generated/api.ts";
import { count, short } from "./format.ts";

export type Level = "none" | "good" | "busy" | "warn" | "bad";

export interface Finding {
  level: Level;
  /** A sentence without a full stop. */
  what: string;
  /** Why, as the cluster says it. */
  why?: string | undefined;
  /** The page that shows more. */
  page: "overview" | "deployments" | "calls" | "nodes";
}

export interface Health {
  level: Level;
  headline: string;
  findings: Finding[];
}

const ORDER: Level[] = ["bad", "warn", "busy", "good", "none"];
const HEADLINES: Record<Level, string> = {
  none: "Nobody knows how it is now",
  good: "Everything is as it should be",
  busy: "Changes are under way",
  warn: "Something needs attention",
  bad: "Something does not work",
};

/** `old`: nobody has heard of the cluster since. */
export function health(picture: LivePicture, old = false): Health {
  if (old) return { level: "none", headline: HEADLINES.none, findings: [] };
  const findings = [
    ...clusterFindings(picture),
    ...nodeFindings(picture),
    ...alertFindings(picture),
    ...applicationFindings(picture),
    ...rolloutFindings(picture),
  ].sort((a, b) => ORDER.indexOf(a.level) - ORDER.indexOf(b.level));
  const level = findings[0]?.level ?? "good";
  return { level, headline: HEADLINES[level], findings };
}

function clusterFindings({ cluster, "not-ready": notReady, "failing-tasks": tasks }: LivePicture) {
  const findings: Finding[] = [];
  if (!cluster.writable || cluster.reason) {
    const why = cluster.reason ?? "there is no leader";
    findings.push({ level: "bad", what: "Nothing can be changed", why, page: "nodes" });
  }
  if (notReady.length > 0) {
    const why = notReady.join("; ");
    findings.push({
      level: "busy",
      what: "This node does not take traffic yet",
      why,
      page: "nodes",
    });
  }
  for (const [name, error] of Object.entries(tasks)) {
    findings.push({
      level: "warn",
      what: `The task ${name} of this node fails`,
      why: error,
      page: "nodes",
    });
  }
  return findings;
}

function nodeFindings({ nodes }: LivePicture) {
  const findings: Finding[] = [];
  for (const node of Object.values(nodes)) {
    const why = node.reason ?? undefined;
    if (!node.reachable) {
      findings.push({
        level: "bad",
        what: `Node ${short(node.id)} does not answer`,
        why,
        page: "nodes",
      });
    } else if (node.state !== "ON_DUTY" && node.state !== "DECOMMISSIONED") {
      const what = `Node ${short(node.id)} is ${node.state}`;
      findings.push({ level: "busy", what, why, page: "nodes" });
    }
  }
  return findings;
}

function alertFindings({ alerts }: LivePicture) {
  return Object.values(alerts).map((alert): Finding => {
    const seen = alert["acknowledged-by"];
    return {
      level: alert.severity === "critical" ? "bad" : "warn",
      what: `Alert ${alert.id}: ${alert.metric} of ${short(alert.of)} is ${measured(alert.value, alert.unit)}`,
      why: seen ? `${seen} looks after it` : `${alert.severity} from ${measured(alert.threshold, alert.unit)} on`,
      page: alert.metric.startsWith("calls.") ? "calls" : "nodes",
    };
  });
}

/** A value with its unit, for people. */
export function measured(value: number, unit: string): string {
  switch (unit) {
    case "share":
      return `${(value * 100).toFixed(1)} %`;
    case "ms":
      return `${value.toFixed(1)} ms`;
    case "per-second":
      return `${value.toFixed(1)}/s`;
    default:
      return String(value);
  }
}

function applicationFindings(picture: LivePicture) {
  const { applications, notes } = picture;
  const findings: Finding[] = [];
  const levels = { ACTIVE: undefined, DEPLOYING: "busy", DEGRADED: "warn", FAILED: "bad" } as const;
  for (const app of Object.values(applications)) {
    const level = levels[app.phase];
    if (!level) continue;
    const reasons = app.slices.flatMap((slice) => [
      ...slice.reasons,
      ...slice.instances.flatMap((instance) => (instance.reason ? [instance.reason] : [])),
    ]);
    const active = activeInstances(picture, app.slices);
    const why =
      reasons[0]?.message ??
      `${active} of ${count(desiredInstances(app.slices), "instance")} active`;
    findings.push({
      level,
      what: `Application ${app.name} is ${app.phase}`,
      why,
      page: "deployments",
    });
  }
  for (const note of notes.filter((note) => note.kind !== "unplaced")) {
    const what = `${note.place} is ${note.kind}`;
    findings.push({ level: "warn", what, why: note.reason.message, page: "deployments" });
  }
  return findings;
}

function rolloutFindings({ rollouts }: LivePicture) {
  const findings: Finding[] = [];
  for (const rollout of Object.values(rollouts)) {
    if (rollout.phase === "ENDED") continue;
    const back = rollout.phase === "COOLING" || rollout.phase === "ROLLING_BACK";
    findings.push({
      level: back ? "warn" : "busy",
      what: `Rollout of ${rollout.app}: ${rollout.paused ? "paused in " : ""}${rollout.phase}`,
      why: rollout["waits-for"] ? `waits for ${rollout["waits-for"]}` : undefined,
      page: "deployments",
    });
  }
  return findings;
}

/** Whether a node answers; what runs on one that does not is not known. */
export const answers = ({ nodes }: LivePicture, node: string): boolean =>
  nodes[node]?.reachable ?? false;

/** Instances that take calls on nodes that answer. */
export const activeInstances = (picture: LivePicture, slices: Slice[]): number =>
  slices
    .flatMap((slice) => slice.instances)
    .filter((it) => it.state === "ACTIVE" && answers(picture, it.node)).length;

export const desiredInstances = (slices: Slice[]): number =>
  slices.reduce((sum, slice) => sum + slice.desired, 0);

/** What somebody who cannot see the page has to be told of, between two pictures. */
export function changes(before: LivePicture, after: LivePicture): string[] {
  const said: string[] = [];
  for (const node of Object.values(after.nodes)) {
    const known = before.nodes[node.id];
    if (!known) said.push(`Node ${short(node.id)} joined`);
    else if (known.reachable !== node.reachable) {
      said.push(`Node ${short(node.id)} ${node.reachable ? "answers again" : "does not answer"}`);
    }
  }
  for (const id of Object.keys(before.nodes).filter((id) => !after.nodes[id])) {
    said.push(`Node ${short(id)} left`);
  }
  for (const app of Object.values(after.applications)) {
    const known = before.applications[app.name];
    if (known?.phase !== app.phase) said.push(`Application ${app.name} is ${app.phase}`);
  }
  for (const name of Object.keys(before.applications).filter((it) => !after.applications[it])) {
    said.push(`Application ${name} is gone`);
  }
  for (const rollout of Object.values(after.rollouts)) {
    const known = before.rollouts[rollout.app];
    if (known?.phase !== rollout.phase || known.paused !== rollout.paused) {
      said.push(`Rollout of ${rollout.app}: ${rollout.paused ? "paused" : rollout.phase}`);
    }
  }
  return said;
}
