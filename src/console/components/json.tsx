import type { ComponentChildren } from 'preact';
import { useMemo } from 'preact/hooks';
import { CopyButton } from './copy.tsx';
import { pluralize, truncate } from './format.ts';

/** Matches the tokens of JSON that are highlighted: property names, strings and other scalars. */
const TOKEN = /("(?:[^"\\]|\\.)*")(\s*:)?|\b(?:true|false|null)\b|-?\b\d[\d.eE+-]*/g;

/** Longer texts are truncated: browsers repeatedly lay out all of their lines. */
const MAX_SHOWN_CHARACTERS = 20_000;

/** Shows a value as highlighted JSON. A string is shown as is: it is a body that was not JSON. */
export function Json({ value, label }: { value: unknown; label: string }) {
  const text = useMemo(() => (typeof value === 'string' ? value : JSON.stringify(value, null, 2)), [value]);
  const excerpt = truncate(text, MAX_SHOWN_CHARACTERS);
  const parts = useMemo(() => (typeof value === 'string' ? [excerpt] : highlight(excerpt)), [excerpt]);
  const omittedCount = text.length - excerpt.length;
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: makes the scroll area reachable by keyboard */}
      <section class="json" tabIndex={0} aria-label={label}>
        <pre>{parts}</pre>
      </section>
      {omittedCount > 0 && (
        <p class="quiet actions">
          … {pluralize(omittedCount, 'more character')}{' '}
          <CopyButton text={() => text} label={`Copy all: ${label}`}>
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
