import type { ComponentChildren } from 'preact';
import { useMemo } from 'preact/hooks';
import { Copy } from './copy.tsx';
import { beginning, counted } from './format.ts';

/** Names, texts, and all else that JSON has. */
const TOKEN = /("(?:[^"\\]|\\.)*")(\s*:)?|\b(?:true|false|null)\b|-?\b\d[\d.eE+-]*/g;

/** Of what is longer a browser lays out every line again and again. */
const MOST_SHOWN = 20_000;

/** A value as JSON, coloured; a text that was none as it is. */
export function Json({ value, label }: { value: unknown; label: string }) {
  const text = useMemo(() => (typeof value === 'string' ? value : JSON.stringify(value, null, 2)), [value]);
  const shown = beginning(text, MOST_SHOWN);
  const parts = useMemo(() => (typeof value === 'string' ? [shown] : coloured(shown)), [shown]);
  const more = text.length - shown.length;
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keys */}
      <section class="json" tabIndex={0} aria-label={label}>
        <pre>{parts}</pre>
      </section>
      {more > 0 && (
        <p class="quiet actions">
          … {counted(more, 'more character')}{' '}
          <Copy text={() => text} label={`Copy all of: ${label}`}>
            Copy all
          </Copy>
        </p>
      )}
    </>
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
