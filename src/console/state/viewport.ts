import { signal } from '@preact/signals';

const query = matchMedia('(width < 56rem)');

/** Whether the page has its layout for phones; style.css has the same limit. */
export const isNarrow = signal(query.matches);
query.addEventListener('change', ({ matches }) => {
  isNarrow.value = matches;
});
