// Calls that took too long, with their requests. Knows no chart.

import { useEffect, useState } from "preact/hooks";
import type { SlowCall, SlowCalls } from "../generated/api.ts";
import { request, Refused } from "../api.ts";
import { NodeId, State, Table, Time } from "../parts.tsx";
import { duration } from "../traffic.ts";

/** How often the list is asked for while somebody looks. */
const EVERY_MS = 5_000;
const SHOWN_MAX = 50;

export function SlowCallsTable({ secret }: { secret: string }) {
  const [slow, setSlow] = useState<SlowCalls>();
  const [trouble, setTrouble] = useState("");
  useEffect(() => {
    let open = true;
    const ask = async () => {
      try {
        const path = `/api/slow-calls?limit=${SHOWN_MAX}`;
        const answer = await request<SlowCalls>(secret, "GET", path);
        if (!open) return;
        setSlow(answer);
        setTrouble("");
      } catch (error) {
        if (open) setTrouble(error instanceof Refused ? error.message : String(error));
      }
    };
    void ask();
    const timer = setInterval(ask, EVERY_MS);
    return () => {
      open = false;
      clearInterval(timer);
    };
  }, [secret]);
  return (
    <>
      <p role="alert" class="trouble">
        {trouble}
      </p>
      {slow && (
        <>
          <p class="dim">
            {meaning(slow)} Looked at are requests from outside, and each 16th call between slices.
          </p>
          {(slow.silent ?? []).map(({ node, reason }) => (
            <p key={node}>
              <State word="SILENT" level="warn" /> <NodeId id={node} /> {reason}
            </p>
          ))}
          <Table
            caption="Slow calls, the newest first"
            columns={[
              { head: "Time", cell: (call: SlowCall) => <Time at={call.at} /> },
              {
                head: "Function",
                names: true,
                cell: (call) => (
                  <>
                    <code>{call.function}</code>
                    <span class="why">
                      {call.app}, {call.slice}, revision {call.version}
                    </span>
                  </>
                ),
              },
              {
                head: "Caller",
                cell: (call) => (call.caller ? <code>{call.caller}</code> : "outside"),
              },
              { head: "Took", number: true, cell: (call) => duration(call["took-us"]) },
              { head: "Ended", cell: (call) => call.ending },
              { head: "Node", cell: (call) => <NodeId id={call.node} /> },
              { head: "Request", cell: (call) => <code>{call["request-id"]}</code> },
            ]}
            rows={slow.calls}
            id={(call) => `${call.node} ${call.at} ${call["request-id"]} ${call.function}`}
            none="No call was slow."
          />
        </>
      )}
    </>
  );
}

/** What is slow, in words. */
function meaning({ strategy }: SlowCalls): string {
  const told = strategy as {
    fixed?: string;
    adaptive?: { "at-least": string };
    "per-function"?: { functions: Record<string, string>; otherwise: string };
  };
  if (told.fixed) return `Slow is what takes ${told.fixed} or longer.`;
  if (told.adaptive) {
    return `Slow is what takes longer than 99 % of a function's calls, and ${told.adaptive["at-least"]}.`;
  }
  const named = Object.entries(told["per-function"]?.functions ?? {});
  const own = named.map(([name, threshold]) => `${name} ${threshold}, `).join("");
  return `Slow is what takes longer than ${own}else ${told["per-function"]?.otherwise}.`;
}
