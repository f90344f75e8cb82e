import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { showToast } from './toast.tsx';
import { useDismiss, useViewportShift } from './use-popover.ts';

interface Props {
  text: () => string;
  children: ComponentChildren;
  label?: string;
}

/**
 * A button that copies a text. Browsers only allow clipboard access in a secure context, so not over plain HTTP from
 * another machine; there, the text is shown and selected instead.
 */
export function CopyButton({ text, children, label }: Props) {
  const [fallbackText, setFallbackText] = useState<string>();
  const container = useRef<HTMLSpanElement>(null);
  const area = useRef<HTMLTextAreaElement>(null);
  const popover = useRef<HTMLSpanElement>(null);
  const isOpen = fallbackText !== undefined;
  useDismiss(container, isOpen, (isEscaped) => {
    setFallbackText(undefined);
    if (isEscaped) container.current?.querySelector('button')?.focus();
  });
  const shift = useViewportShift(popover, isOpen);
  useEffect(() => {
    area.current?.focus();
    area.current?.select();
  }, [fallbackText]);
  async function copy(): Promise<void> {
    const value = text();
    try {
      await navigator.clipboard.writeText(value);
      showToast('Copied.');
    } catch {
      setFallbackText(value);
      showToast('No access to the clipboard. Copy the selected text manually.', true);
    }
  }
  return (
    <span class="pop-box" ref={container}>
      <button type="button" aria-label={label} onClick={() => void copy()}>
        {children}
      </button>
      {isOpen && (
        <span class="pop" ref={popover} style={shift}>
          <textarea ref={area} readOnly rows={4} aria-label="Text to copy" value={fallbackText} />
        </span>
      )}
    </span>
  );
}
