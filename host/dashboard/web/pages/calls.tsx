// Where requests and calls go. Knows no deployment.

import { useState } from "preact/hooks";
import type { PageProps } from "../app.tsx";
import type { Candidate, Explanation, RouteView } from "../generated/api.ts";
import { request, Refused } from "../api.ts";
import { Functions } from "./functions.tsx";
import { SlowCallsTable } from "./slow.tsx";
import { NodeId, State, Table, Title } from "../parts.tsx";

export function Calls({ picture, secret, recorder, view }: PageProps) {
  const routes = Object.values(picture.applications).flatMap((app) => app.routes);
  return (
    <>
      <Title>Calls</Title>
      <section aria-labelledby="functions">
        <h2 id="functions">
          Functions<span class="dim"> all nodes</span>
        </h2>
        <Functions picture={picture} recorder={recorder} now={Date.parse(view.at ?? "")} />
      </section>
      <section aria-labelledby="slow">
        <h2 id="slow">
          Slow calls<span class="dim"> all nodes</span>
        </h2>
        <SlowCallsTable secret={secret} />
      </section>
      <section aria-labelledby="routes">
        <h2 id="routes">Routes</h2>
        <Table
          caption="Routes of the front door"
          columns={[
            { head: "Route", names: true, cell: (route: RouteView) => <code>{route.route}</code> },
            { head: "State", cell: (route) => <RouteState route={route} /> },
            { head: "Application", cell: (route) => route.app },
            { head: "Slice", cell: (route) => <code>{route.artifact}</code> },
            {
              head: "Function",
              cell: (route) => (route.call ? <code>{route.call}</code> : "the slice's own handler"),
            },
          ]}
          rows={routes}
          id={(route) => route.route}
          none="No application has a route."
        />
      </section>
      <Explain secret={secret} />
    </>
  );
}

function RouteState({ route }: { route: RouteView }) {
  return route.active ? <State word="ACTIVE" /> : <State word="NO INSTANCE" level="bad" />;
}

function Explain({ secret }: { secret: string }) {
  const [target, setTarget] = useState("");
  const [answer, setAnswer] = useState<Explanation>();
  const [trouble, setTrouble] = useState("");
  const ask = async (event: Event) => {
    event.preventDefault();
    setTrouble("");
    try {
      const path = `/api/explain?target=${encodeURIComponent(target.trim())}`;
      setAnswer(await request<Explanation>(secret, "GET", path));
    } catch (error) {
      setAnswer(undefined);
      setTrouble(error instanceof Refused ? error.message : String(error));
    }
  };
  return (
    <section aria-labelledby="explain">
      <h2 id="explain">Where would it go?</h2>
      <form class="line" onSubmit={ask}>
        <label for="target">A route, function, slice or call</label>
        <input
          id="target"
          value={target}
          placeholder="GET /orders/7"
          autocomplete="off"
          spellcheck={false}
          onInput={(event) => setTarget(event.currentTarget.value)}
        />
        <button type="submit">Explain</button>
      </form>
      <p role="alert" class="trouble">
        {trouble}
      </p>
      <div role="status">
        {answer && (
          <>
            <p class="heard">Explained {answer.target}</p>
            <ul>
              {answer.lines.map((line) => (
                <li key={line}>{line}</li>
              ))}
            </ul>
            <Table
              caption={`Candidates for ${answer.target}`}
              columns={[
                {
                  head: "Slice",
                  names: true,
                  cell: (it: Candidate) => (
                    <code>
                      {it.artifact}#{it.ordinal}
                    </code>
                  ),
                },
                { head: "Node", cell: (it) => <NodeId id={it.node} /> },
                { head: "State", cell: (it) => <State word={it.state} /> },
                { head: "Chosen", cell: (it) => (it.chosen ? "yes" : "no") },
                { head: "Why", cell: (it) => it.why },
              ]}
              rows={answer.candidates}
              id={(it) => `${it.artifact}#${it.ordinal}@${it.node}`}
              none="Nobody can take it."
            />
          </>
        )}
      </div>
    </section>
  );
}
