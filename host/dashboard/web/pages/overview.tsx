// How the cluster is, and why. Knows no details of any part.

import type { PageProps } from "../app.tsx";
import { useState } from "preact/hooks";
import type { Application, LogLine, NodeStatus } from "../generated/api.ts";
import { activeInstances, desiredInstances, health, type Finding } from "../health.ts";
import { bytes } from "../format.ts";
import { chartMarks } from "../forge/charts.ts";
import { Requests } from "./requests.tsx";
import { Facts, NodeId, State, Table, Time, Title } from "../parts.tsx";

/** Events that are shown at first. */
const EVENTS_AT_FIRST = 12;

export function Overview({ picture, view, secret, recorder, forge }: PageProps) {
  const nodes = Object.values(picture.nodes);
  const applications = Object.values(picture.applications);
  const slices = applications.flatMap((app) => app.slices);
  const going = Object.values(picture.rollouts).filter(({ phase }) => phase !== "ENDED");
  const leader = picture.raft.leader;
  return (
    <>
      <Title>Overview</Title>
      <HealthSection findings={health(picture, view.link.state === "lost")} />
      <section aria-labelledby="figures">
        <h2 id="figures" class="heard">
          Figures
        </h2>
        <Facts
          facts={[
            ["Nodes that answer", `${nodes.filter((n) => n.reachable).length} of ${nodes.length}`],
            [
              "Instances active",
              `${activeInstances(picture, slices)} of ${desiredInstances(slices)}`,
            ],
            ["Applications", String(applications.length)],
            ["Rollouts under way", String(going.length)],
            ["Changes", picture.cluster.writable ? "possible" : "refused"],
            ["Leader", leader ? <NodeId id={leader} /> : "none"],
          ]}
        />
      </section>
      <Requests
        picture={picture}
        secret={secret}
        live={view.link.state}
        recorder={recorder}
        now={Date.parse(view.at ?? "")}
        marks={chartMarks(forge?.live)}
      />
      <section aria-labelledby="nodes">
        <h2 id="nodes">Nodes</h2>
        <Table
          caption="Nodes"
          columns={[
            {
              head: "Node",
              names: true,
              cell: (n: NodeStatus) => <NodeLine node={n} own={picture.node} />,
            },
            { head: "State", cell: (n) => <NodeState node={n} /> },
            { head: "Role", cell: (n) => n.role ?? "none yet" },
            { head: "Instances", number: true, cell: (n) => n["active-instances"] },
            {
              head: "Memory",
              number: true,
              cell: (n) => (n.reachable ? bytes(n.memory.resident) : "unknown"),
            },
            { head: "Zone", cell: (n) => n.zone || "none" },
          ]}
          rows={nodes}
          id={(n) => n.id}
          none="There are no nodes."
        />
      </section>
      <section aria-labelledby="applications">
        <h2 id="applications">Applications</h2>
        <Table
          caption="Applications"
          columns={[
            {
              head: "Application",
              names: true,
              cell: (app: Application) => <a href="#/deployments">{app.name}</a>,
            },
            { head: "Phase", cell: (app) => <State word={app.phase} /> },
            { head: "Version", cell: (app) => app.version },
            { head: "Slices", number: true, cell: (app) => app.slices.length },
            {
              head: "Instances",
              number: true,
              cell: (app) =>
                `${activeInstances(picture, app.slices)} of ${desiredInstances(app.slices)}`,
            },
          ]}
          rows={applications}
          id={(app) => app.name}
          none={
            <>
              Nothing is deployed: <code>aether deploy</code> does that.
            </>
          }
        />
      </section>
      <Events lines={Object.values(picture.events)} />
    </>
  );
}

export function NodeLine({ node, own }: { node: NodeStatus; own: string }) {
  return (
    <>
      <NodeId id={node.id} />
      {node.id === own && <span class="dim"> this one</span>}
    </>
  );
}

export function NodeState({ node }: { node: NodeStatus }) {
  if (node.reachable) return <State word={node.state} />;
  return (
    <>
      <State word="NO ANSWER" level="bad" />
      {node.reason && <span class="why">{node.reason}</span>}
    </>
  );
}

function HealthSection({
  findings: { level, headline, findings },
}: {
  findings: ReturnType<typeof health>;
}) {
  const words = {
    none: "UNKNOWN",
    good: "HEALTHY",
    busy: "CHANGING",
    warn: "DEGRADED",
    bad: "UNHEALTHY",
  };
  return (
    <section aria-labelledby="health" class={`health ${level}`}>
      <h2 id="health">
        <State word={words[level]} level={level} /> {headline}
      </h2>
      {findings.length > 0 && (
        <ul>
          {findings.map((finding) => (
            <li key={finding.what}>
              <FindingLine {...finding} />
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function FindingLine({ level, what, why, page }: Finding) {
  const words = { none: "", good: "fine", busy: "note", warn: "warning", bad: "problem" };
  return (
    <>
      <State word={words[level]} level={level} /> <a href={`#/${page}`}>{what}</a>
      {why && <span class="why">{why}</span>}
    </>
  );
}

function Events({ lines }: { lines: LogLine[] }) {
  const [all, setAll] = useState(false);
  const newest = [...lines].sort((a, b) => b.seq - a.seq);
  const details = (line: LogLine) =>
    Object.entries(line.fields ?? {})
      .map(([name, value]) => `${name}=${value}`)
      .join(" ");
  return (
    <section aria-labelledby="events">
      <h2 id="events">Events on this node</h2>
      <Table
        caption="Events, the newest first"
        columns={[
          { head: "Time", cell: (line: LogLine) => <Time at={line.time} /> },
          { head: "Level", cell: (line) => <State word={line.level.toUpperCase()} /> },
          {
            head: "Event",
            names: true,
            cell: (line) => (line.app ? `${line.message}: ${line.app}` : line.message),
          },
          { head: "Details", cell: (line) => <span class="detail">{details(line)}</span> },
        ]}
        rows={all ? newest : newest.slice(0, EVENTS_AT_FIRST)}
        id={(line) => String(line.seq)}
        none="The node has told of nothing yet."
      />
      {newest.length > EVENTS_AT_FIRST && (
        <button type="button" aria-expanded={all} onClick={() => setAll(!all)}>
          {all ? "Fewer events" : `All ${newest.length} events`}
        </button>
      )}
    </section>
  );
}
