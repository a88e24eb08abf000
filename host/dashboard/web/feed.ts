// The connection to the node: a socket with the live feed, requests where there is none. Knows no
// page.

import type { Live, LivePicture, LiveViewer } from "./generated/api.ts";
import { merge } from "./patch.ts";

/** How the page hears of the cluster. */
export type Link =
  | { state: "connecting" }
  | { state: "live" }
  /** There is no socket; requests are answered. */
  | { state: "polling" }
  /** Nothing is answered. */
  | { state: "lost"; since: Date };

export interface View {
  link: Link;
  viewer?: LiveViewer;
  picture?: LivePicture;
  /** When the node said it. */
  at?: string;
}

/** What the surroundings give: a browser, or a test. */
export interface Surroundings {
  socket(): Pick<WebSocket, "send" | "close" | "onopen" | "onmessage" | "onclose">;
  poll(key: string): Promise<{ status: number; live?: Live }>;
  now(): number;
  /** Calls back again and again; returns what ends it. */
  every(ms: number, then: () => void): () => void;
}

/** The node beats every second; after so long it is gone, or the way to it. */
export const SILENCE_MAX_MS = 4_000;
/** How long an answer to a request may take. */
const ANSWER_MAX_MS = 3_000;
/** How often it is asked where there is no socket. */
export const POLL_MS = 2_000;
/** How soon a new socket is tried, at first and at last. */
export const RETRY_MS = [500, 1_000, 2_000, 5_000];
const TICK_MS = 250;
/** Close code: the cluster does not know the key. */
const UNKNOWN_KEY = 4401;

type Message =
  | { type: "welcome"; viewer: LiveViewer }
  | { type: "snapshot"; epoch: string; seq: number; at: string; picture: LivePicture }
  | { type: "delta"; seq: number; at: string; patch: unknown }
  | { type: "beat" };

/** Follows the feed with a key until it is closed or the key is refused. */
export class Feed {
  view: View = { link: { state: "connecting" } };
  #key: string;
  #around: Surroundings;
  #changed: (view: View) => void;
  #refused: () => void;
  #socket: ReturnType<Surroundings["socket"]> | undefined;
  #place: { epoch: string; seq: number } | undefined;
  #heard = 0;
  #failures = 0;
  #retryAt = 0;
  #pollAt = 0;
  #polling = false;
  #ended = false;
  #stop: () => void;

  constructor(
    key: string,
    around: Surroundings,
    on: { changed(view: View): void; refused(): void },
  ) {
    this.#key = key;
    this.#around = around;
    this.#changed = on.changed;
    this.#refused = on.refused;
    this.#open();
    this.#stop = around.every(TICK_MS, () => this.#tick());
  }

  close(): void {
    this.#ended = true;
    this.#stop();
    this.#drop();
  }

  #open(): void {
    const socket = this.#around.socket();
    this.#socket = socket;
    this.#heard = this.#around.now();
    socket.onopen = () => {
      const place = this.#place && { place: this.#place };
      socket.send(JSON.stringify({ type: "hello", key: this.#key, ...place }));
    };
    socket.onmessage = (event) => {
      if (this.#socket === socket) this.#hear(JSON.parse(String(event.data)) as Message);
    };
    socket.onclose = (event) => {
      if (this.#socket === socket) this.#broken(event.code);
    };
  }

  #hear(message: Message): void {
    this.#heard = this.#around.now();
    switch (message.type) {
      case "welcome":
        this.#failures = 0;
        return this.#show({ link: { state: "live" }, viewer: message.viewer });
      case "snapshot": {
        const { epoch, seq, at, picture } = message;
        this.#place = { epoch, seq };
        return this.#show({ picture, at });
      }
      case "delta": {
        const { picture } = this.view;
        if (!picture || !this.#place || message.seq !== this.#place.seq + 1) {
          // Something was missed: begin again with a whole picture.
          this.#place = undefined;
          return this.#broken(0);
        }
        this.#place = { ...this.#place, seq: message.seq };
        return this.#show({ picture: merge(picture, message.patch), at: message.at });
      }
      case "beat":
    }
  }

  #broken(code: number): void {
    this.#drop();
    if (this.#ended) return;
    if (code === UNKNOWN_KEY) return this.#refuse();
    const now = this.#around.now();
    const wait = RETRY_MS[Math.min(this.#failures, RETRY_MS.length - 1)] ?? 0;
    this.#failures += 1;
    this.#retryAt = now + wait;
    this.#pollAt = Math.min(this.#pollAt, now);
    if (this.view.link.state === "live") this.#show({ link: { state: "polling" } });
    this.#poll();
  }

  #tick(): void {
    const now = this.#around.now();
    if (this.#socket) {
      if (now - this.#heard > SILENCE_MAX_MS) this.#broken(0);
      // A socket that is only being tried gives nothing yet.
      else if (this.view.link.state === "live") return;
    } else if (now >= this.#retryAt) {
      this.#open();
    }
    if (this.view.link.state !== "connecting" && now >= this.#pollAt) this.#poll();
  }

  #poll(): void {
    if (this.#polling || this.#ended) return;
    this.#polling = true;
    this.#pollAt = this.#around.now() + POLL_MS;
    const done = (answer: { status: number; live?: Live }) => {
      this.#polling = false;
      // The socket may have come back in the meantime; it knows better.
      if (this.#ended || this.view.link.state === "live") return;
      if (answer.status === 401) return this.#refuse();
      if (answer.live) {
        // What a socket sent before is no ground for its changes any more.
        this.#place = undefined;
        return this.#show({ link: { state: "polling" }, ...answer.live });
      }
      const { link } = this.view;
      if (link.state !== "lost") {
        this.#show({ link: { state: "lost", since: new Date(this.#around.now()) } });
      }
    };
    this.#around.poll(this.#key).then(done, () => done({ status: 0 }));
  }

  #drop(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close();
  }

  #refuse(): void {
    this.close();
    this.#refused();
  }

  #show(change: Partial<View>): void {
    this.view = { ...this.view, ...change };
    this.#changed(this.view);
  }
}

/** The browser. */
export const browser: Surroundings = {
  socket() {
    const { protocol, host } = window.location;
    return new WebSocket(`${protocol === "https:" ? "wss:" : "ws:"}//${host}/api/live`);
  },
  async poll(key) {
    const headers = { authorization: `Bearer ${key}` };
    const signal = AbortSignal.timeout(ANSWER_MAX_MS);
    const answer = await fetch("/api/live", { headers, signal, cache: "no-store" });
    return { status: answer.status, ...(answer.ok && { live: (await answer.json()) as Live }) };
  },
  now: () => Date.now(),
  every(ms, then) {
    const timer = setInterval(then, ms);
    return () => clearInterval(timer);
  },
};
