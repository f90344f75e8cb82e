import type { ComponentChildren } from 'preact';
import { useMemo } from 'preact/hooks';
import { CopyButton } from './copy.tsx';
import { pluralize, truncate } from './format.ts';

/** Names, texts, and all else that JSON has. */
const TOKEN = /("(?:[^"\\]|\\.)*")(\s*:)?|\b(?:true|false|null)\b|-?\b\d[\d.eE+-]*/g;

/** Of what is longer a browser lays out every line again and again. */
const MAX_SHOWN_CHARACTERS = 20_000;

/** A value as JSON, coloured; a text that was none as it is. */
export function Json({ value, label }: { value: unknown; label: string }) {
  const text = useMemo(() => (typeof value === 'string' ? value : JSON.stringify(value, null, 2)), [value]);
  const excerpt = truncate(text, MAX_SHOWN_CHARACTERS);
  const parts = useMemo(() => (typeof value === 'string' ? [excerpt] : highlight(excerpt)), [excerpt]);
  const omittedCount = text.length - excerpt.length;
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keys */}
      <section class="json" tabIndex={0} aria-label={label}>
        <pre>{parts}</pre>
      </section>
      {omittedCount > 0 && (
        <p class="quiet actions">
          … {pluralize(omittedCount, 'more character')}{' '}
          <CopyButton text={() => text} label={`Copy all of: ${label}`}>
            Copy all
          </CopyButton>
        </p>
      )}
    </>
  );
}

function highlight(text: string): ComponentChildren[] {
  const parts: ComponentChildren[] = [];
  let position = 0;
  for (const match of text.matchAll(TOKEN)) {
    const [token, quoted, colon] = match;
    parts.push(text.slice(position, match.index));
    const kind = quoted === undefined ? 'value' : colon === undefined ? 'text' : 'name';
    parts.push(<span class={`json-${kind}`}>{quoted ?? token}</span>, colon);
    position = match.index + token.length;
  }
  return [...parts, text.slice(position)];
}
