import { all, show, shown, view } from "../store";
import { hasFilter, START } from "../view";
import { PHASE_NAMES } from "../model";
import type { Pull } from "../model";

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
  const clear = () => show({ search: "", state: "", node: "", namespace: "", registry: "" });
  return (
    <form class="filters" role="search" onSubmit={(event) => event.preventDefault()}>
      <label class="search">
        <span class="hidden">Search images, nodes and pods</span>
        <input
          id={SEARCH}
          type="search"
          placeholder="Image, node or pod   ( / )"
          value={now.search}
          onInput={(event) => show({ search: event.currentTarget.value })}
          onKeyDown={intoRows}
        />
      </label>
      <Choice name="state" title="State" value={now.state} words={["active", ...Object.keys(PHASE_NAMES)]} />
      <Choice name="node" title="Node" value={now.node} words={words((pull) => [pull.nodeName])} />
      <Choice name="namespace" title="Namespace" value={now.namespace} words={words((pull) => (pull.pods ?? []).map((pod) => pod.namespace))} />
      <Choice name="registry" title="Registry" value={now.registry} words={words((pull) => [pull.registry])} />
      <output>{hasFilter(now) ? `${shown.value.length} of ${all.value.length}` : `${all.value.length} pulls`}</output>
      <button type="button" disabled={!hasFilter(now)} onClick={clear}>Clear</button>
    </form>
  );
}

function Choice(choice: { name: "state" | "node" | "namespace" | "registry"; title: string; value: string; words: string[] }) {
  // A filter that came with the address stays visible, also before anything matches it.
  const words = choice.value && !choice.words.includes(choice.value) ? [choice.value, ...choice.words] : choice.words;
  return (
    <label class={choice.value === START[choice.name] ? "" : "on"}>
      <span class="hidden">{choice.title}</span>
      <select value={choice.value} onChange={(event) => show({ [choice.name]: event.currentTarget.value })}>
        <option value="">{choice.title}: any</option>
        {words.map((word) => <option key={word} value={word}>{word}</option>)}
      </select>
    </label>
  );
}

function words(of: (pull: Pull) => (string | undefined)[]): string[] {
  const found = new Set<string>();
  for (const pull of all.value) for (const word of of(pull)) if (word) found.add(word);
  return [...found].sort();
}
