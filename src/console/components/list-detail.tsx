import type { ComponentChildren } from 'preact';

interface Props {
  list: ComponentChildren;
  /** The selected item; undefined if it does not exist or is not loaded yet. */
  detail: ComponentChildren;
  isOpen: boolean;
  /** Address of the list without a selection: a phone shows only one of the two. */
  backHref: string;
  /** Shown when nothing is selected. */
  hint: string;
  /** Shown when `detail` is undefined. */
  missing: string;
}

/** A list with the selected item beside it. */
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
