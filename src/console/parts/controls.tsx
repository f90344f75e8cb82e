import type { ComponentChildren, InputHTMLAttributes, TargetedSubmitEvent } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { after } from '../time.ts';
import { act, tell } from './notice.tsx';

interface ActionProps {
  /** What is done; the sentence that it gives is told. */
  do: () => Promise<string>;
  children: ComponentChildren;
  disabled?: boolean;
  title?: string;
  kind?: 'main' | 'danger';
}

/**
 * Does something, once at a time. While it cannot be pressed it is not disabled for the browser, which would take the focus away from
 * who goes by keys.
 */
function Press({ do: work, children, disabled = false, title, kind }: Press) {
  const [isBusy, setBusy] = useState(false);
  const isOff = disabled || isBusy;
  async function run(): Promise<void> {
    setBusy(true);
    await work().finally(() => setBusy(false));
  }
  return (
    <button
      type="button"
      class={kind}
      aria-disabled={isOff}
      title={title}
      onClick={() => {
        if (!isOff) void run();
      }}
    >
      {children}
    </button>
  );
}
type Press = Omit<ActionProps, 'do'> & { do: () => Promise<unknown> };

/** A button that does something. */
export const Action = ({ do: work, ...rest }: ActionProps) => <Press {...rest} do={() => act(work)} />;

const SURE_MS = 4000;

/** One that cannot be taken back: it has to be pressed twice. */
export function Danger({ do: work, children, ...rest }: Omit<ActionProps, 'kind'>) {
  const [isSure, setSure] = useState(false);
  useEffect(() => (isSure ? after(SURE_MS, () => setSure(false)) : undefined), [isSure]);
  async function pressed(): Promise<void> {
    if (isSure) await act(work);
    setSure(!isSure);
  }
  return (
    <Press {...rest} {...(isSure && { kind: 'danger' as const })} do={pressed}>
      {isSure ? (
        <>
          Really{' '}
          {typeof children === 'string' ? children.charAt(0).toLowerCase() + children.slice(1) : children}?
        </>
      ) : (
        children
      )}
    </Press>
  );
}

/** Copies a text; selects it where the browser does not let us. */
export function Copy({
  text,
  children,
  label,
}: {
  text: () => string;
  children: ComponentChildren;
  label?: string;
}) {
  async function copy(): Promise<void> {
    try {
      await navigator.clipboard.writeText(text());
      tell('Copied.');
    } catch {
      tell('This browser lets no page copy here: select the text and copy it.', true);
    }
  }
  return (
    <button type="button" aria-label={label} onClick={() => void copy()}>
      {children}
    </button>
  );
}

interface PopProps {
  label: string;
  /** Gets what closes it. */
  children: (close: () => void) => ComponentChildren;
}

/** A form that opens under a button, and closes by Escape, by a click beside it, and when it is done. */
export function Pop({ label, children }: PopProps) {
  const [isOpen, setOpen] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  const close = () => {
    setOpen(false);
    box.current?.querySelector('button')?.focus();
  };
  useEffect(() => {
    if (!isOpen) return;
    box.current?.querySelector<HTMLElement>('.pop input, .pop select, .pop button')?.focus();
    const beside = (event: Event) => {
      if (!box.current?.contains(event.target as Node)) setOpen(false);
    };
    const pressed = (event: KeyboardEvent) => {
      if (event.key === 'Escape') close();
    };
    document.addEventListener('pointerdown', beside);
    document.addEventListener('keydown', pressed);
    return () => {
      document.removeEventListener('pointerdown', beside);
      document.removeEventListener('keydown', pressed);
    };
  }, [isOpen]);
  return (
    <div class="pop-box" ref={box}>
      <button type="button" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
        {label}
      </button>
      {isOpen && <div class="pop">{children(close)}</div>}
    </div>
  );
}

interface FormProps {
  label: string;
  submit: string;
  /** Gets what the fields say, blank ones left out. */
  do: (fields: Record<string, string>) => Promise<string>;
  onDone?: () => void;
  children: ComponentChildren;
}

export function Form({ label, submit, do: work, onDone, children }: FormProps) {
  // Who presses twice means it once.
  const isBusy = useRef(false);
  async function submitted(event: TargetedSubmitEvent<HTMLFormElement>): Promise<void> {
    event.preventDefault();
    if (isBusy.current) return;
    isBusy.current = true;
    const given = [...new FormData(event.currentTarget)].filter(([, value]) => value !== '');
    const isDone = await act(() => work(Object.fromEntries(given) as Record<string, string>)).finally(() => {
      isBusy.current = false;
    });
    if (isDone) onDone?.();
  }
  return (
    <form aria-label={label} onSubmit={(event) => void submitted(event)}>
      {children}
      <button type="submit" class="main">
        {submit}
      </button>
    </form>
  );
}

type FieldProps = { label: string; hint?: string } & InputHTMLAttributes<HTMLInputElement>;

export function Field({ label, hint, ...input }: FieldProps) {
  return (
    <label class="field">
      <span>{label}</span>
      <input autoComplete="off" {...input} />
      {hint && <small>{hint}</small>}
    </label>
  );
}

interface ChoiceProps {
  label: string;
  name: string;
  options: readonly (string | readonly [value: string, text: string])[];
  value?: string;
  onChange?: (value: string) => void;
}

export function Choice({ label, name, options, value, onChange }: ChoiceProps) {
  return (
    <label class="field">
      <span>{label}</span>
      <select name={name} value={value} onChange={(event) => onChange?.(event.currentTarget.value)}>
        {options.map((option) => {
          const [own, text] = typeof option === 'string' ? [option, option] : option;
          return (
            <option key={own} value={own} selected={own === value}>
              {text}
            </option>
          );
        })}
      </select>
    </label>
  );
}
