// The connection to a node, in surroundings where a test makes what happens. Knows no page.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  Feed,
  POLL_MS,
  RETRY_MS,
  SILENCE_MAX_MS,
  type Surroundings,
  type View,
} from "../web/feed.ts";
import type { Live } from "../web/generated/api.ts";

type Socket = ReturnType<Surroundings["socket"]> & { sent: string[]; closed: boolean };

class World implements Surroundings {
  sockets: Socket[] = [];
  polls: { key: string; answer(answer: { status: number; live?: Live }): void }[] = [];
  refused = 0;
  views: View[] = [];
  feed: Feed;
  #now = 0;
  #tick = () => {};

  constructor() {
    this.feed = new Feed("key", this, {
      changed: (view) => this.views.push(view),
      refused: () => (this.refused += 1),
    });
  }

  socket() {
    const socket: Socket = {
      sent: [],
      closed: false,
      send: (text) => void socket.sent.push(String(text)),
      close: () => void (socket.closed = true),
      onopen: null,
      onmessage: null,
      onclose: null,
    };
    this.sockets.push(socket);
    return socket;
  }

  poll(key: string) {
    return new Promise<{ status: number; live?: Live }>((answer) =>
      this.polls.push({ key, answer }),
    );
  }

  now = () => this.#now;

  every(_: number, then: () => void) {
    this.#tick = then;
    return () => (this.#tick = () => {});
  }

  /** Lets time pass, in ticks. */
  pass(ms: number) {
    for (const end = this.#now + ms; this.#now < end;) {
      this.#now += 250;
      this.#tick();
    }
  }

  get last() {
    const socket = this.sockets.at(-1);
    assert.ok(socket);
    return socket;
  }

  hear(...messages: object[]) {
    for (const message of messages) {
      this.last.onmessage?.call(this.last as never, { data: JSON.stringify(message) } as never);
    }
  }

  open() {
    this.last.onopen?.call(this.last as never, {} as never);
  }

  cut(code: number) {
    this.last.onclose?.call(this.last as never, { code } as never);
  }

  async answer(answer: { status: number; live?: unknown }) {
    this.polls.shift()?.answer(answer as { status: number; live?: Live });
    await new Promise((done) => setImmediate(done));
  }

  get state() {
    return this.feed.view.link.state;
  }
}

const welcome = { type: "welcome", viewer: { name: "eyes", role: "viewer" } };
const snapshot = { type: "snapshot", epoch: "e", seq: 4, at: "t4", picture: { nodes: { a: {} } } };
const delta = (seq: number, patch: object) => ({ type: "delta", seq, at: `t${seq}`, patch });
const live = (nodes: object) => ({
  status: 200,
  live: { at: "p", viewer: welcome.viewer, picture: { nodes } },
});

function opened(): World {
  const world = new World();
  world.open();
  world.hear(welcome, snapshot);
  return world;
}

test("the key goes into the first message, and changes into the picture", () => {
  const world = opened();
  assert.deepEqual(world.last.sent, ['{"type":"hello","key":"key"}']);
  world.hear(delta(5, { nodes: { b: {} } }), { type: "beat" }, delta(6, { nodes: { a: null } }));
  assert.deepEqual(world.feed.view.picture, { nodes: { b: {} } });
  assert.equal(world.feed.view.at, "t6");
  assert.equal(world.state, "live");
  assert.equal(world.polls.length, 0);
});

test("who comes back names its place and misses nothing", () => {
  const world = opened();
  world.cut(1006);
  assert.equal(world.state, "polling");
  world.pass(RETRY_MS[0] ?? 0);
  assert.equal(world.sockets.length, 2);
  world.open();
  assert.deepEqual(JSON.parse(world.last.sent[0] ?? ""), {
    type: "hello",
    key: "key",
    place: { epoch: "e", seq: 4 },
  });
  world.hear(welcome, delta(5, { nodes: { b: {} } }));
  assert.equal(world.state, "live");
  assert.deepEqual(world.feed.view.picture, { nodes: { a: {}, b: {} } });
});

test("where there is no socket, requests show how it is", async () => {
  const world = opened();
  world.cut(1006);
  assert.deepEqual(
    world.polls.map(({ key }) => key),
    ["key"],
  );
  await world.answer(live({ c: {} }));
  assert.equal(world.state, "polling");
  assert.deepEqual(world.feed.view.picture, { nodes: { c: {} } });
  world.pass(POLL_MS);
  assert.equal(world.polls.length, 1, "one after the other");
  await world.answer({ status: 0 });
  assert.equal(world.state, "lost");
  // A socket that opens then gets everything: what it would miss is not known.
  world.open();
  assert.equal(JSON.parse(world.last.sent[0] ?? "").place, undefined);
  world.hear(welcome, snapshot);
  assert.equal(world.state, "live");
});

test("a gap between changes is no ground for more of them", () => {
  const world = opened();
  world.hear(delta(6, { nodes: null }));
  assert.ok(world.last.closed);
  assert.deepEqual(world.feed.view.picture, { nodes: { a: {} } });
  world.pass(RETRY_MS[0] ?? 0);
  world.open();
  assert.equal(JSON.parse(world.last.sent[0] ?? "").place, undefined);
});

test("silence is an end", () => {
  const world = opened();
  world.pass(SILENCE_MAX_MS);
  assert.equal(world.state, "live");
  world.hear({ type: "beat" });
  world.pass(SILENCE_MAX_MS);
  assert.equal(world.state, "live");
  world.pass(250);
  assert.equal(world.state, "polling");
  assert.ok(world.last.closed);
});

test("a socket that never opens is tried again, ever more slowly", async () => {
  const world = new World();
  for (let i = 0; i < 8; i += 1) {
    world.cut(1006);
    world.pass(RETRY_MS.at(-1) ?? 0);
  }
  assert.ok(world.sockets.length <= 9, `${world.sockets.length} sockets`);
  await world.answer(live({}));
  assert.equal(world.state, "polling", "requests are enough to begin with");
});

test("a key that is refused ends it, whoever says so", async () => {
  const socket = opened();
  socket.cut(4401);
  assert.equal(socket.refused, 1);
  socket.pass(60_000);
  assert.equal(socket.sockets.length, 1);
  const poll = opened();
  poll.cut(1006);
  await poll.answer({ status: 401 });
  assert.equal(poll.refused, 1);
  poll.pass(60_000);
  assert.equal(poll.sockets.length, 1);
});
