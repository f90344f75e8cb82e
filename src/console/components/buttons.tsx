import type { ComponentChildren, InputHTMLAttributes, TargetedSubmitEvent } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { after } from '../time.ts';
import './focus-restoration.ts';
import { act } from './toast.tsx';
import { useClosing, useShift } from './use-popover.ts';

export { Copy } from './copy.tsx';

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
function Press({ do: work, children, disabled = false, title, kind, label, isGrave = false }: Press) {
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
      aria-label={label}
      title={title}
      onKeyDown={(event) => {
        if (isGrave && event.repeat) event.preventDefault();
      }}
      onClick={({ detail }) => {
        if (!isOff && !(isGrave && detail > 1)) void run();
      }}
    >
      {children}
    </button>
  );
}
interface Press extends Omit<ActionProps, 'do' | 'title' | 'kind'> {
  do: () => Promise<unknown>;
  title?: string | undefined;
  kind?: ActionProps['kind'] | undefined;
  label?: string | undefined;
  /** What has to be meant: no part of a double-click, no key that is held. */
  isGrave?: boolean;
}

/** A button that does something. */
export const Action = ({ do: work, ...rest }: ActionProps) => <Press {...rest} do={() => act(work)} />;

/** Between two presses that are meant. */
const DELIBERATE_MS = 500;
const SURE_MS = 4000;

interface DangerProps extends Omit<ActionProps, 'kind' | 'children'> {
  children: string;
  /** What it is done to, for those who do not see what it stands beside. */
  of?: string;
}

/**
 * One that cannot be taken back: it has to be pressed twice. A double-click or a key that is held is one press, and not for a moment
 * after it can the second come.
 */
export function Danger({ do: work, children, of, disabled = false, title }: DangerProps) {
  const [asked, setAsked] = useState<'nothing' | 'just now' | 'whether'>('nothing');
  useEffect(() => {
    if (asked === 'just now') return after(DELIBERATE_MS, () => setAsked('whether'));
    if (asked === 'whether') return after(SURE_MS, () => setAsked('nothing'));
    return undefined;
  }, [asked]);
  async function pressed(): Promise<void> {
    if (asked === 'nothing') return setAsked('just now');
    await act(work);
    setAsked('nothing');
  }
  const isAsked = asked !== 'nothing';
  const said = isAsked ? `Really ${children.charAt(0).toLowerCase()}${children.slice(1)}` : children;
  const mark = isAsked ? '?' : '';
  return (
    <Press
      do={pressed}
      isGrave
      label={of && `${said} ${of}${mark}`}
      disabled={disabled || asked === 'just now'}
      title={title}
      kind={isAsked ? 'danger' : undefined}
    >
      {said + mark}
    </Press>
  );
}

interface PopProps {
  label: string;
  /** Gets what closes it. */
  children: (close: () => void) => ComponentChildren;
}

/** A form that opens under a button, and closes when it is left or done. */
export function Pop({ label, children }: PopProps) {
  const [isOpen, setOpen] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  const opened = useRef<HTMLDivElement>(null);
  const shift = useShift(opened, isOpen);
  const close = () => {
    setOpen(false);
    box.current?.querySelector('button')?.focus();
  };
  useClosing(box, isOpen, (isEscaped) => (isEscaped ? close() : setOpen(false)));
  useEffect(() => {
    if (isOpen) opened.current?.querySelector<HTMLElement>('input, select, button')?.focus();
  }, [isOpen]);
  return (
    <div class="pop-box" ref={box}>
      <button type="button" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
        {label}
      </button>
      {isOpen && (
        <div class="pop" ref={opened} style={shift}>
          {children(close)}
        </div>
      )}
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
  /** What is chosen; where nobody is told of a change, at first. */
  value?: string;
  onChange?: (value: string) => void;
}

export function Choice({ label, name, options, value, onChange }: ChoiceProps) {
  const [first] = useState(value);
  const chosen = onChange ? value : first;
  return (
    <label class="field">
      <span>{label}</span>
      <select
        name={name}
        // Written at each redraw, over what somebody has chosen.
        {...(onChange && { value, onChange: (event) => onChange(event.currentTarget.value) })}
      >
        {options.map((option) => {
          const [own, text] = typeof option === 'string' ? [option, option] : option;
          return (
            <option key={own} value={own} selected={own === chosen}>
              {text}
            </option>
          );
        })}
      </select>
    </label>
  );
}
