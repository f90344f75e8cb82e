import type { ComponentChildren } from 'preact';

interface Props {
  list: ComponentChildren;
  /** Of the one that is open; undefined while it is not there. */
  detail: ComponentChildren;
  isOpen: boolean;
  /** Where the list is alone again: on a phone there is room for one of the two. */
  backHref: string;
  hint: string;
  missing: string;
}

/** A list, and beside it what is chosen in it. */
export function ListDetail({ list, detail, isOpen, backHref, hint, missing }: Props) {
  return (
    <div class={isOpen ? 'split open' : 'split'}>
      <section class="split-list" aria-label="List">
        {list}
      </section>
      <section class="split-detail" aria-label="Details">
        {isOpen && (
          <a class="back" href={backHref}>
            ← Back to the list
          </a>
        )}
        {isOpen ? (detail ?? <p class="quiet">{missing}</p>) : <p class="quiet">{hint}</p>}
      </section>
    </div>
  );
}
