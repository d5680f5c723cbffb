// A list that stays current: by its stream, and where the stream is refused by asking again and again.

import { setClock } from "./speech.js";

const POLL_MS = 5_000;
const SLOWEST_MS = 60_000;
const STREAM_AGAIN_MS = 15_000;
/** A stream that has been silent for longer than two beats is dead, whatever the browser believes. */
const SILENCE_MS = 35_000;

/** The JSON at an address; rejects where it is refused or takes longer than ten seconds. */
export async function ask(address, signal = null) {
  const limit = AbortSignal.timeout(10_000);
  const reply = await fetch(address, { cache: "no-cache", signal: signal ? AbortSignal.any([signal, limit]) : limit });
  if (!reply.ok) throw new Error(String(reply.status));
  setClock(reply);
  return reply.json();
}

/** `take(data)` is called with each list, and with {as_of, complete, stale} while it stands. */
export class Live {
  /** Since when nothing could be had (performance.now()), null while all is well. */
  lostSince = null;
  #path;
  #query;
  #take;
  #source = null;
  #asking = null;
  #timer = null;
  #heard = 0;
  #refused = 0;
  #failures = 0;

  constructor(path, query, take) {
    this.#path = path;
    this.#query = query;
    this.#take = take;
  }

  start() {
    this.stop();
    this.#heard = performance.now();
    const source = new EventSource(`${this.#path}/stream?${this.#query}`);
    this.#source = source;
    source.addEventListener("open", () => this.#hear());
    for (const kind of ["list", "beat"]) {
      source.addEventListener(kind, ({ data }) => {
        this.#hear();
        this.#take(JSON.parse(data));
      });
    }
    source.addEventListener("error", () => {
      this.lostSince ??= performance.now();
      if (source.readyState !== EventSource.CLOSED) return; // the browser comes back by itself
      this.stop();
      this.#refused = performance.now();
      this.#poll();
    });
  }

  stop() {
    this.#source?.close();
    this.#source = null;
    this.#asking?.abort();
    this.#asking = null;
    clearTimeout(this.#timer);
  }

  /** Opens a stream anew that has died without a word. */
  check() {
    if (!this.#source || performance.now() - this.#heard < SILENCE_MS) return;
    this.lostSince ??= performance.now();
    this.start();
  }

  #hear() {
    this.#heard = performance.now();
    this.#failures = 0;
    this.lostSince = null;
  }

  async #poll() {
    const asking = new AbortController();
    this.#asking = asking;
    try {
      const data = await ask(`${this.#path}?${this.#query}`, asking.signal);
      if (asking.signal.aborted) return;
      this.#hear();
      this.#take(data);
    } catch {
      if (asking.signal.aborted) return;
      this.#failures += 1;
      this.lostSince ??= performance.now();
    }
    const again = !this.#failures && performance.now() - this.#refused > STREAM_AGAIN_MS;
    const pause = Math.min(SLOWEST_MS, POLL_MS * 2 ** Math.min(this.#failures, 4));
    // not all at once: whoever was refused was refused together with many others
    this.#timer = setTimeout(() => (again ? this.start() : this.#poll()), pause * (0.8 + 0.4 * Math.random()));
  }
}
