// What the page knows: pulls by id, nodes, and how well it is connected. Events change it; views read it.

import { computed, signal } from "@preact/signals";
import type { NodeState, Pull, PullEvent } from "./model";
import { isActive } from "./model";
import { Series } from "./series";
import { compare, fromAddress, matches, toAddress, type View } from "./view";

export type Connection =
  | { kind: "connecting" }
  | { kind: "live" }
  | { kind: "offline"; since: number; reason: string };

export const connection = signal<Connection>({ kind: "connecting" });
export const now = signal(Date.now());
export const view = signal<View>(fromAddress(location.search));
export const nodes = signal<NodeState[]>([]);

const pulls = new Map<string, Pull>();
/** Counts changes of `pulls`; views follow at a steady pace, however many events come. */
const changes = signal(0);
const throughput = new Series();
let pending = false;
/** Milliseconds between two pictures: no eye follows numbers that change faster. */
const PACE = 200;

export const all = computed(() => {
  void changes.value;
  return [...pulls.values()];
});
export const shown = computed(() => all.value.filter((pull) => matches(pull, view.value)).sort(compare(view.value)));
export const active = computed(() => all.value.filter(isActive));
export const opened = computed(() => all.value.find((pull) => pull.id === view.value.open));
export const series = computed(() => {
  void now.value;
  return throughput;
});

/** Changes the view and the address; a step that a person may want to undo is one that the browser's back button undoes. */
export function show(change: Partial<View>, step = false): void {
  view.value = { ...view.value, ...change };
  const address = location.pathname + toAddress(view.value);
  if (step) history.pushState(null, "", address);
  else history.replaceState(null, "", address);
}

addEventListener("popstate", () => {
  view.value = fromAddress(location.search);
});

/** Everything the server knows, in place of what was known: after a gap nothing of the past may stay. */
export function replaceAll(list: Pull[]): void {
  pulls.clear();
  for (const pull of list) pulls.set(pull.id, pull);
  changed();
}

export function apply(event: PullEvent): void {
  if (!event.pull) return;
  if (event.type === "pull.removed") pulls.delete(event.pull.id);
  else pulls.set(event.pull.id, event.pull);
  changed();
}

function changed(): void {
  if (pending) return;
  pending = true;
  setTimeout(() => {
    pending = false;
    changes.value += 1;
  }, PACE);
}

/** Once a second: clocks move, and the present speeds join the series. */
export function tick(): void {
  const rates = new Map<string, number>();
  const add = (key: string, rate: number) => rates.set(key, (rates.get(key) ?? 0) + rate);
  if (connection.value.kind === "live") {
    for (const pull of active.value) {
      add("all", pull.bytesPerSec);
      add(`node ${pull.nodeName ?? ""}`, pull.bytesPerSec);
      if (pull.registry) add(`registry ${pull.registry}`, pull.bytesPerSec);
    }
  }
  throughput.push(Math.floor(Date.now() / 1000), rates);
  now.value = Date.now();
}
