import { all, nodes, show, shown, view } from "../store";
import { hasFilter, NO_FILTER } from "../view";
import { PHASE_NAMES } from "../model";
import type { Phase, Pull } from "../model";
import { byName, count } from "../format";
import { Icon } from "./Icon";

const SEARCH = "search";

export function focusSearch(): void {
  document.getElementById(SEARCH)?.focus();
}

/** From the words to what they found. */
function intoRows(event: KeyboardEvent): void {
  if (event.key !== "ArrowDown" && event.key !== "Enter") return;
  event.preventDefault();
  document.querySelector<HTMLElement>('.rows [tabindex="0"]')?.focus();
}

export function Filters() {
  const now = view.value;
  return (
    <form class="filters" role="search" onSubmit={(event) => event.preventDefault()}>
      <label class="search">
        <span class="hidden">Search images, nodes, pods and causes</span>
        <Icon name="search" />
        <input
          id={SEARCH}
          type="search"
          placeholder="Image, node, pod or cause"
          autocomplete="off"
          spellcheck={false}
          value={now.search}
          onInput={(event) => show({ search: event.currentTarget.value })}
          onKeyDown={intoRows}
        />
        <kbd aria-hidden="true">/</kbd>
      </label>
      <Choice name="state" title="State" value={now.state} words={["active", ...Object.keys(PHASE_NAMES)]} label={stateName} />
      <Choice name="node" title="Node" value={now.node} words={words((pull) => [pull.nodeName], nodes.value.map((node) => node.nodeName))} />
      <Choice name="namespace" title="Namespace" value={now.namespace} words={words((pull) => (pull.pods ?? []).map((pod) => pod.namespace))} />
      <Choice name="registry" title="Registry" value={now.registry} words={words((pull) => [pull.registry])} />
      <output>{hasFilter(now) ? `${count(shown.value.length)} of ${count(all.value.length)}` : `${count(all.value.length)} pulls`}</output>
      {hasFilter(now) && <button type="button" class="clear" onClick={() => show(NO_FILTER)}>Clear</button>}
    </form>
  );
}

interface ChoiceProps {
  name: "state" | "node" | "namespace" | "registry";
  title: string;
  value: string;
  words: string[];
  label?: (word: string) => string;
}

function Choice({ name, title, value, words, label = (word) => word }: ChoiceProps) {
  // A filter that came with the address stays visible, also before anything matches it.
  const all = value && !words.includes(value) ? [value, ...words] : words;
  return (
    <label class={`choice ${value ? "on" : ""}`}>
      <span class="hidden">{title}</span>
      <select value={value} onChange={(event) => show({ [name]: event.currentTarget.value })}>
        <option value="">{title}</option>
        {all.map((word) => <option key={word} value={word}>{label(word)}</option>)}
      </select>
    </label>
  );
}

function stateName(word: string): string {
  return PHASE_NAMES[word as Phase] ?? "Active";
}

function words(of: (pull: Pull) => (string | undefined)[], more: string[] = []): string[] {
  const found = new Set<string>(more);
  for (const pull of all.value) for (const word of of(pull)) if (word) found.add(word);
  return [...found].sort(byName);
}
