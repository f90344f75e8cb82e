import type { ComponentChildren } from 'preact';
import { useMemo } from 'preact/hooks';

/** Names, texts, and all else that JSON has. */
const TOKEN = /("(?:[^"\\]|\\.)*")(\s*:)?|\b(?:true|false|null)\b|-?\b\d[\d.eE+-]*/g;

/** A value as JSON, coloured; a text that was none as it is. */
export function Json({ value, label }: { value: unknown; label: string }) {
  const text = typeof value === 'string' ? value : JSON.stringify(value, null, 2);
  const parts = useMemo(() => (typeof value === 'string' ? [text] : coloured(text)), [text]);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keys
    <section class="json" tabIndex={0} aria-label={label}>
      <pre>{parts}</pre>
    </section>
  );
}

function coloured(text: string): ComponentChildren[] {
  const parts: ComponentChildren[] = [];
  let done = 0;
  for (const match of text.matchAll(TOKEN)) {
    const [token, quoted, colon] = match;
    parts.push(text.slice(done, match.index));
    const kind = quoted === undefined ? 'value' : colon === undefined ? 'text' : 'name';
    parts.push(<span class={`json-${kind}`}>{quoted ?? token}</span>, colon);
    done = match.index + token.length;
  }
  return [...parts, text.slice(done)];
}
