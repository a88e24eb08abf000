// Every node with all that is known of it, and the group that keeps the state. Knows no
// application.

import type { PageProps } from "../app.tsx";
import type { NodeStatus } from "../generated/api.ts";
import { bytes, span } from "../format.ts";
import { Facts, NodeId, State, Table, Title } from "../parts.tsx";
import { NodeState } from "./overview.tsx";

export function Nodes({ picture }: PageProps) {
  const { raft, cluster } = picture;
  const tasks = Object.entries(picture["failing-tasks"]);
  return (
    <>
      <Title>Nodes</Title>
      {Object.values(picture.nodes).map((node) => (
        <NodeSection key={node.id} node={node} own={node.id === picture.node} />
      ))}
      <section aria-labelledby="group">
        <h2 id="group">The group that keeps the state, as this node sees it</h2>
        {cluster.reason && <p class="trouble">{cluster.reason}</p>}
        <Facts
          facts={[
            ["Cluster", <code>{cluster.id}</code>],
            ["Leader", raft.leader ? <NodeId id={raft.leader} whole /> : "none"],
            ["Role of this node", raft.role],
            ["Term", String(raft.term)],
            ["Last entry", String(raft["last-index"])],
            ["Committed", String(raft["committed-index"])],
            ["Applied", String(raft["applied-index"])],
            ["Revision", String(raft.revision)],
          ]}
        />
      </section>
      {tasks.length > 0 && (
        <section aria-labelledby="tasks">
          <h2 id="tasks">Tasks of this node that fail</h2>
          <Table
            caption="Tasks that fail"
            columns={[
              { head: "Task", names: true, cell: ([name]: [string, string]) => name },
              { head: "Error", cell: ([, error]) => error },
            ]}
            rows={tasks}
            id={([name]) => name}
            none=""
          />
        </section>
      )}
    </>
  );
}

function NodeSection({ node, own }: { node: NodeStatus; own: boolean }) {
  const id = `node-${node.id}`;
  const { budget, committed, resident } = node.memory;
  const known = budget > 0;
  return (
    <article aria-labelledby={id}>
      <h2 id={id}>
        <NodeId id={node.id} whole /> <NodeState node={node} />
        {node.reachable && node.role && <State word={node.role} />}
        {own && <span class="dim"> this one</span>}
      </h2>
      {node.reachable && node.reason && <p class="trouble">{node.reason}</p>}
      <Facts
        facts={[
          ["Version", node.version || "unknown"],
          ["Up for", known ? span(node["uptime-seconds"]) : "unknown"],
          ["Zone", node.zone || "none"],
          ["Instances active", String(node["active-instances"])],
          ["Compiled here", known ? String(node.compiled ?? 0) : "unknown"],
          ["Plan", `generation ${node.generation}`],
          ["Memory of the process", known ? bytes(resident) : "unknown"],
          [
            "Reserved for slices",
            known ? <Reserved committed={committed} budget={budget} /> : "unknown",
          ],
          ["Front door", <code>{node.http || "unknown"}</code>],
          ["Management", <code>{node.api || "unknown"}</code>],
          ["Other nodes", <code>{node.cluster || "unknown"}</code>],
        ]}
      />
    </article>
  );
}

function Reserved({ committed, budget }: { committed: number; budget: number }) {
  return (
    <>
      {bytes(committed)} of {bytes(budget)}{" "}
      <meter
        min={0}
        max={budget}
        high={budget * 0.9}
        value={committed}
        aria-label="Reserved memory"
      >
        {committed}
      </meter>
    </>
  );
}
