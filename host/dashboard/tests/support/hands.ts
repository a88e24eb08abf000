// Real nodes, by way of whoever runs the tests. Knows no page.

import { connect } from "node:net";
import { createInterface } from "node:readline";

export interface Node {
  id: string;
  api: string;
  http: string;
  key: string;
}

export interface Forge {
  address: string;
  key: string;
  /** Of its application, which is watched. */
  folder: string;
}

/** One wish after another, over one connection. */
export class Hands {
  #socket;
  #answers;

  constructor() {
    const [host, port] = (process.env.AETHER_HANDS ?? "").split(":");
    if (!host || !port) throw new Error("run `cargo xtask dashboard`: it brings the nodes");
    this.#socket = connect(Number(port), host);
    this.#answers = createInterface({ input: this.#socket })[Symbol.asyncIterator]();
  }

  async #wish<T>(wish: object): Promise<T> {
    this.#socket.write(`${JSON.stringify(wish)}\n`);
    const { value, done } = await this.#answers.next();
    if (done) throw new Error("the hands are gone");
    const answer = JSON.parse(value) as { ok: T; error?: string };
    if (answer.error !== undefined) throw new Error(answer.error);
    return answer.ok;
  }

  cluster = (nodes: number) => this.#wish<Node[]>({ do: "cluster", nodes });
  kill = (node: number) => this.#wish<Node[]>({ do: "kill", node });
  again = (node: number) => this.#wish<Node[]>({ do: "again", node });
  suspend = (node: number) => this.#wish<Node[]>({ do: "suspend", node });
  resume = (node: number) => this.#wish<Node[]>({ do: "resume", node });
  /** A Forge with the application `web` in place of the cluster. */
  forge = (nodes: number, load: string) =>
    this.#wish<Forge>({ do: "forge", nodes, load });
  aether = (node: number, ...words: string[]) => this.#wish<string>({ do: "aether", node, words });
  web = (wish: {
    node: number;
    version: number;
    instances: number;
    broken?: boolean;
    traps?: boolean;
    words?: string[];
  }) => this.#wish<string>({ do: "web", ...wish });

  close(): void {
    this.#socket.destroy();
  }
}
