import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { tell } from './toast.tsx';
import { useClosing, useShift } from './use-popover.ts';

interface Props {
  text: () => string;
  children: ComponentChildren;
  label?: string;
}

/**
 * Copies a text. A browser lets a page copy only where nobody on the way can have changed it: not over plain HTTP from another
 * machine. There the text is shown and selected, to be copied by hand.
 */
export function Copy({ text, children, label }: Props) {
  const [shown, setShown] = useState<string>();
  const box = useRef<HTMLSpanElement>(null);
  const area = useRef<HTMLTextAreaElement>(null);
  const opened = useRef<HTMLSpanElement>(null);
  const isOpen = shown !== undefined;
  useClosing(box, isOpen, (isEscaped) => {
    setShown(undefined);
    if (isEscaped) box.current?.querySelector('button')?.focus();
  });
  const shift = useShift(opened, isOpen);
  useEffect(() => {
    area.current?.focus();
    area.current?.select();
  }, [shown]);
  async function copy(): Promise<void> {
    const wanted = text();
    try {
      await navigator.clipboard.writeText(wanted);
      tell('Copied.');
    } catch {
      setShown(wanted);
      tell('This browser lets no page copy here: the text is selected, copy it by hand.', true);
    }
  }
  return (
    <span class="pop-box" ref={box}>
      <button type="button" aria-label={label} onClick={() => void copy()}>
        {children}
      </button>
      {isOpen && (
        <span class="pop" ref={opened} style={shift}>
          <textarea ref={area} readOnly rows={4} aria-label="To be copied by hand" value={shown} />
        </span>
      )}
    </span>
  );
}
